/* discord/permissions.h - what a member may do in a channel.
 *
 * Computed from what REST answers, as Discord computes it. Pure functions, any thread. */
#ifndef DISCORD_PERMISSIONS_H
#define DISCORD_PERMISSIONS_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "discord/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Everything is borrowed; what is missing, or is not as Discord writes it, permits nothing. */
typedef struct discord_permission_facts {
    const char *guild_id, *user_id;
    const cJSON *channel; /* GET /channels/{id}; of a thread: its parent channel */
    const cJSON *roles;   /* GET /guilds/{id}/roles */
    const cJSON *member;  /* GET /guilds/{id}/members/{user} */
} discord_permission_facts;

/* The permission bits, overwrites taken into account: UINT64_MAX for an administrator, 0 for who
 * cannot view the channel. The owner of the guild, who may do everything, is not known here; a bot
 * is none. A time-out is not taken into account either. */
DISCORD_API uint64_t discord_permissions_in(const discord_permission_facts *facts);

/* Whether the member was given a time-out that is not over: who has one may only view and read. */
DISCORD_API int discord_is_timed_out(const cJSON *member, int64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
