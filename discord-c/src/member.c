/* member.c - members of a guild and their roles.
 * Owns nothing. Any thread. Invariant: ids are snowflakes before they go into a path. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "discord/rest.h"

enum { PATH_MAX_SIZE = 120 };

static bool is_id(const char *text)
{
    return text && discord_id_time_ms(text) >= 0;
}

static discord_status get(discord_rest *rest, const char *route, const char *guild_id,
                          const char *path, discord_done_fn *on_done, void *user)
{
    discord_request request = {.method = "GET", .route = route, .major = guild_id, .path = path};

    return discord_rest_send(rest, &request, on_done, user);
}

discord_status discord_rest_get_member(discord_rest *rest, const char *guild_id,
                                       const char *user_id, discord_done_fn *on_done, void *user)
{
    char path[PATH_MAX_SIZE];

    if (!is_id(guild_id) || !is_id(user_id))
        return DISCORD_EINVAL;
    snprintf(path, sizeof path, "/guilds/%s/members/%s", guild_id, user_id);
    return get(rest, "/guilds/{id}/members/{id}", guild_id, path, on_done, user);
}

discord_status discord_rest_get_roles(discord_rest *rest, const char *guild_id,
                                      discord_done_fn *on_done, void *user)
{
    char path[PATH_MAX_SIZE];

    if (!is_id(guild_id))
        return DISCORD_EINVAL;
    snprintf(path, sizeof path, "/guilds/%s/roles", guild_id);
    return get(rest, "/guilds/{id}/roles", guild_id, path, on_done, user);
}

discord_status discord_rest_set_member_role(discord_rest *rest, const discord_role_change *change,
                                            discord_done_fn *on_done, void *user)
{
    char path[PATH_MAX_SIZE];
    discord_request request = {.method = change->give ? "PUT" : "DELETE",
                               .route = "/guilds/{id}/members/{id}/roles/{id}",
                               .major = change->guild_id,
                               .path = path,
                               .reason = change->reason};

    if (!is_id(change->guild_id) || !is_id(change->user_id) || !is_id(change->role_id))
        return DISCORD_EINVAL;
    snprintf(path, sizeof path, "/guilds/%s/members/%s/roles/%s", change->guild_id, change->user_id,
             change->role_id);
    return discord_rest_send(rest, &request, on_done, user);
}
