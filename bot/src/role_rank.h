/* role_rank.h - may we give these roles? Pure: no I/O, any thread. */
#ifndef BOT_ROLE_RANK_H
#define BOT_ROLE_RANK_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "convex/typed.h"

/* Says what keeps us from giving and taking `wanted`.
 *   guild_id  also the id of the role that everybody has
 *   roles     Discord's list of the guild's roles
 *   own       ids of the roles that we have, as in our member object
 *   wanted    role ids, as the backend gives them
 *   ret       one sentence with the names of the roles, or "" when nothing does
 * Returns true when nothing does. */
bool role_rank_check(const char *guild_id, const cJSON *roles, const cJSON *own,
                     const convex_str_list *wanted, char *ret, size_t size);

#endif
