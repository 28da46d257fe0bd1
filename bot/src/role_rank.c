/* role_rank.c - may we give these roles? Owns nothing; any thread.
 * Facts: Discord's "Permissions" page: Manage Roles or Administrator is needed, and a bot may give
 * only roles below its highest; roles that an integration manages nobody may give. */
#include "role_rank.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t ADMINISTRATOR = UINT64_C(1) << 3, MANAGE_ROLES = UINT64_C(1) << 28;

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text ? text : "";
}

static double position_of(const cJSON *role)
{
    const cJSON *position = cJSON_GetObjectItemCaseSensitive(role, "position");

    return cJSON_IsNumber(position) ? position->valuedouble : 0;
}

static const cJSON *find(const cJSON *roles, const char *id)
{
    const cJSON *role;

    cJSON_ArrayForEach(role, roles) if (strcmp(text_of(role, "id"), id) == 0) return role;
    return NULL;
}

/* Permissions are a decimal string, as they do not fit a double. */
static uint64_t permissions_of(const cJSON *role)
{
    const char *text = text_of(role, "permissions");
    char *end;
    unsigned long long bits;

    errno = 0;
    bits = strtoull(text, &end, 10);
    return *text && !*end && errno == 0 ? bits : 0;
}

static bool fault_of(const cJSON *roles, const char *id, double highest, char *ret, size_t size)
{
    const cJSON *role = find(roles, id);

    if (!role)
        snprintf(ret, size, "there is no role %s in the guild", id);
    else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(role, "managed")))
        snprintf(ret, size, "the role \"%s\" belongs to an integration: nobody may give it",
                 text_of(role, "name"));
    else if (position_of(role) >= highest)
        snprintf(
            ret, size,
            "the role \"%s\" is not below the bot's highest role: move the bot's role above it",
            text_of(role, "name"));
    else
        return false;
    return true;
}

bool role_rank_check(const char *guild_id, const cJSON *roles, const cJSON *own,
                     const convex_str_list *wanted, char *ret, size_t size)
{
    uint64_t may = permissions_of(find(roles, guild_id));
    double highest = 0;
    const cJSON *id;

    *ret = '\0';
    cJSON_ArrayForEach(id, own)
    {
        const cJSON *role = find(roles, cJSON_IsString(id) ? id->valuestring : "");
        may |= permissions_of(role);
        if (role && position_of(role) > highest)
            highest = position_of(role);
    }
    if (wanted->count == 0)
        return true;
    if (!(may & (ADMINISTRATOR | MANAGE_ROLES))) {
        snprintf(ret, size, "the bot lacks the permission Manage Roles");
        return false;
    }
    for (size_t i = 0; i < wanted->count; i++)
        if (fault_of(roles, wanted->items[i].data, highest, ret, size))
            return false;
    return true;
}
