/* channel.c - channels and threads. Owns nothing. Any thread.
 * Invariant: ids are snowflakes before they go into a path. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "discord/rest.h"

enum { PATH_SIZE = 200 };

static bool is_id(const char *text)
{
    return text && discord_id_time_ms(text) >= 0;
}

/* GET `format` with the id in it. */
static discord_status get(discord_rest *rest, const char *route, const char *before_id,
                          const char *id, const char *after_id, discord_done_fn *on_done,
                          void *user)
{
    char path[PATH_SIZE];
    discord_request request = {.method = "GET", .route = route, .major = id, .path = path};

    if (!is_id(id))
        return DISCORD_EINVAL;
    snprintf(path, sizeof path, "%s%s%s", before_id, id, after_id);
    return discord_rest_send(rest, &request, on_done, user);
}

discord_status discord_rest_get_channel(discord_rest *rest, const char *channel_id,
                                        discord_done_fn *on_done, void *user)
{
    return get(rest, "/channels/{id}", "/channels/", channel_id, "", on_done, user);
}

discord_status discord_rest_get_guild_channels(discord_rest *rest, const char *guild_id,
                                               discord_done_fn *on_done, void *user)
{
    return get(rest, "/guilds/{id}/channels", "/guilds/", guild_id, "/channels", on_done, user);
}

discord_status discord_rest_get_active_threads(discord_rest *rest, const char *guild_id,
                                               discord_done_fn *on_done, void *user)
{
    return get(rest, "/guilds/{id}/threads/active", "/guilds/", guild_id, "/threads/active",
               on_done, user);
}

/* A timestamp as Discord writes it; its plus sign is encoded. False: it is none. */
static bool encode_timestamp(const char *text, char *ret, size_t space)
{
    size_t n = 0;

    for (; *text; text++) {
        bool plain = (*text >= '0' && *text <= '9') || strchr("TZ:.-", *text);
        if (n + 4 > space || (!plain && *text != '+'))
            return false;
        n += (size_t)sprintf(ret + n, plain ? "%c" : "%%%02X", *text);
    }
    return n > 0;
}

discord_status discord_rest_get_archived_threads(discord_rest *rest, const char *channel_id,
                                                 const char *before, discord_done_fn *on_done,
                                                 void *user)
{
    static const char threads[] = "/threads/archived/public";
    char query[120] = "";
    int n = snprintf(query, sizeof query, "%s%s", threads, before ? "?before=" : "");

    if (before && !encode_timestamp(before, query + n, sizeof query - (size_t)n))
        return DISCORD_EINVAL;
    return get(rest, "/channels/{id}/threads/archived/public", "/channels/", channel_id, query,
               on_done, user);
}

discord_status discord_rest_unarchive_thread(discord_rest *rest, const char *thread_id,
                                             const char *reason, discord_done_fn *on_done,
                                             void *user)
{
    char path[PATH_SIZE];
    discord_request request = {.method = "PATCH",
                               .route = "/channels/{id}",
                               .major = thread_id,
                               .path = path,
                               .json = "{\"archived\":false}",
                               .reason = reason};

    if (!is_id(thread_id))
        return DISCORD_EINVAL;
    snprintf(path, sizeof path, "/channels/%s", thread_id);
    return discord_rest_send(rest, &request, on_done, user);
}
