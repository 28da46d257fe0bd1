/* permissions.c - what a member may do in a channel.
 * Owns nothing; any thread. Facts: Discord's "Permissions" page: base permissions are those of
 * @everyone and of the member's roles; Administrator is all of them; then come the channel's
 * overwrites for @everyone, for roles (all denials, then all permissions) and for the member.
 * Invariant: what cannot be read permits nothing. */
#include "discord/permissions.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BIT(n) (UINT64_C(1) << (n))

static const uint64_t ADMINISTRATOR = BIT(3), VIEW_CHANNEL = BIT(10);

enum { ROLE_OVERWRITE = 0 };

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

/* A decimal string, as it does not fit a double. */
static uint64_t bits_of(const cJSON *object, const char *name)
{
    char *end;
    const char *text = text_of(object, name);
    errno = 0;
    unsigned long long bits = strtoull(text, &end, 10);
    return *text && !*end && errno == 0 ? bits : 0;
}

static const cJSON *by_id(const cJSON *list, const char *id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list) if (strcmp(text_of(item, "id"), id) == 0) return item;
    return NULL;
}

static bool holds(const cJSON *ids, const char *id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, ids) if (cJSON_IsString(item) &&
                                      strcmp(item->valuestring, id) == 0) return true;
    return false;
}

static const cJSON *roles_of(const discord_permission_facts *facts)
{
    return cJSON_GetObjectItemCaseSensitive(facts->member, "roles");
}

static uint64_t base_permissions(const discord_permission_facts *facts)
{
    uint64_t bits = bits_of(by_id(facts->roles, facts->guild_id), "permissions");
    const cJSON *id;
    cJSON_ArrayForEach(id, roles_of(facts)) if (cJSON_IsString(id)) bits |=
        bits_of(by_id(facts->roles, id->valuestring), "permissions");
    return bits;
}

static uint64_t overwritten(uint64_t bits, const cJSON *overwrite)
{
    return overwrite ? (bits & ~bits_of(overwrite, "deny")) | bits_of(overwrite, "allow") : bits;
}

static bool is_of_our_role(const discord_permission_facts *facts, const cJSON *overwrite)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(overwrite, "type");
    return cJSON_IsNumber(type) && type->valuedouble == ROLE_OVERWRITE &&
           holds(roles_of(facts), text_of(overwrite, "id"));
}

static uint64_t with_overwrites(const discord_permission_facts *facts, uint64_t bits)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(facts->channel, "permission_overwrites");
    const cJSON *item;
    uint64_t deny = 0, allow = 0;
    bits = overwritten(bits, by_id(list, facts->guild_id));
    cJSON_ArrayForEach(item, list)
    {
        if (!is_of_our_role(facts, item))
            continue;
        deny |= bits_of(item, "deny");
        allow |= bits_of(item, "allow");
    }
    return overwritten((bits & ~deny) | allow, by_id(list, facts->user_id));
}

uint64_t discord_permissions_in(const discord_permission_facts *facts)
{
    if (!cJSON_IsObject(facts->channel) || !cJSON_IsObject(facts->member))
        return 0;
    uint64_t bits = base_permissions(facts);
    if (bits & ADMINISTRATOR)
        return UINT64_MAX;
    bits = with_overwrites(facts, bits);
    return bits & VIEW_CHANNEL ? bits : 0;
}

/* "2026-08-06T09:00:00.000000+00:00"; Discord always writes UTC. */
int discord_is_timed_out(const cJSON *member, int64_t now_ms)
{
    struct tm t = {0};
    const char *until = text_of(member, "communication_disabled_until");
    if (!strptime(until, "%Y-%m-%dT%H:%M:%S", &t))
        return 0;
    return (int64_t)timegm(&t) * 1000 > now_ms;
}
