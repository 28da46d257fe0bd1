/* webhook.c - messages under a webhook's name, and webhooks themselves.
 * No state, any thread. Invariant: ids are snowflakes and a token is plain before they go
 * into a path, and the token goes nowhere else. */
#include "discord/webhook.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "json.h"
#include "message.h"

#define HOOK     "/webhooks/{id}/{token}"
#define MESSAGE  HOOK "/messages/{id}"
#define ID_MAX   20
#define KEY_SIZE 100 /* "id/token" */

/* The texts of one request, on the caller's stack. */
typedef struct paths {
    char major[KEY_SIZE];
    char path[256];
} paths;

static bool is_id(const char *id)
{
    uint64_t value;

    return did_parse(id, &value);
}

static bool is_token(const char *token)
{
    size_t n = 0;

    for (; token && token[n]; n++) {
        char c = token[n];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '_' || c == '.';
        if (!plain)
            return false;
    }
    return n > 0 && n < KEY_SIZE - ID_MAX - 1;
}

/* The way to `rest_of_path` below the webhook; `query` begins with '?' or is "". */
static bool hook_paths(const discord_webhook *w, const char *rest_of_path, const char *query,
                       paths *ret)
{
    if (!is_id(w->id) || !is_token(w->token) || (w->thread_id && !is_id(w->thread_id)))
        return false;
    snprintf(ret->major, sizeof ret->major, "%s/%s", w->id, w->token);
    snprintf(ret->path, sizeof ret->path, "/webhooks/%s%s%s%s%s", ret->major, rest_of_path, query,
             w->thread_id ? (*query ? "&thread_id=" : "?thread_id=") : "",
             w->thread_id ? w->thread_id : "");
    return true;
}

static bool message_paths(const discord_webhook *w, const char *message_id, paths *ret)
{
    char rest_of_path[40];

    if (!is_id(message_id))
        return false;
    snprintf(rest_of_path, sizeof rest_of_path, "/messages/%s", message_id);
    return hook_paths(w, rest_of_path, "", ret);
}

static discord_request request_of(const char *method, const char *route, const paths *at)
{
    return (discord_request){.method = method,
                             .route = route,
                             .major = at->major,
                             .path = at->path,
                             .flags = DISCORD_NO_AUTH};
}

/* -- messages -- */

static bool add_face(cJSON *payload, const discord_webhook_message *m)
{
    return (!m->username || djson_add_text(payload, "username", m->username)) &&
           (!m->avatar_url || djson_add_text(payload, "avatar_url", m->avatar_url)) &&
           (!m->thread_name || djson_add_text(payload, "thread_name", m->thread_name));
}

discord_status discord_rest_execute_webhook(discord_rest *rest, const discord_webhook *webhook,
                                            const discord_webhook_message *message,
                                            discord_done_fn *on_done, void *user)
{
    const discord_message *m = &message->message;
    cJSON *payload;
    paths at;

    if (m->nonce || m->reply_to_id || m->attachments_json ||
        !hook_paths(webhook, "", "?wait=true", &at))
        return DISCORD_EINVAL;
    discord_status status = dmessage_payload(m, &payload);
    if (status != DISCORD_OK)
        return status;
    if (!add_face(payload, message)) {
        cJSON_Delete(payload);
        return DISCORD_ENOMEM;
    }
    discord_request request = request_of("POST", HOOK, &at);
    return dmessage_send(rest, &request, m, payload, on_done, user);
}

discord_status discord_rest_edit_webhook_message(discord_rest *rest, const discord_webhook *webhook,
                                                 const char *message_id,
                                                 const discord_message *message,
                                                 discord_done_fn *on_done, void *user)
{
    cJSON *payload;
    paths at;

    if (message->nonce || message->reply_to_id || !message_paths(webhook, message_id, &at))
        return DISCORD_EINVAL;
    discord_status status = dmessage_payload(message, &payload);
    if (status != DISCORD_OK)
        return status;
    discord_request request = request_of("PATCH", MESSAGE, &at);
    return dmessage_send(rest, &request, message, payload, on_done, user);
}

discord_status discord_rest_get_webhook_message(discord_rest *rest, const discord_webhook *webhook,
                                                const char *message_id, discord_done_fn *on_done,
                                                void *user)
{
    paths at;

    if (!message_paths(webhook, message_id, &at))
        return DISCORD_EINVAL;
    discord_request request = request_of("GET", MESSAGE, &at);
    return discord_rest_send(rest, &request, on_done, user);
}

discord_status discord_rest_delete_webhook_message(discord_rest *rest,
                                                   const discord_webhook *webhook,
                                                   const char *message_id, discord_done_fn *on_done,
                                                   void *user)
{
    paths at;

    if (!message_paths(webhook, message_id, &at))
        return DISCORD_EINVAL;
    discord_request request = request_of("DELETE", MESSAGE, &at);
    return dmessage_delete(rest, &request, on_done, user);
}

/* -- managing -- */

static discord_status channel_hooks(discord_rest *rest, const char *channel_id,
                                    discord_request *request, discord_done_fn *on_done, void *user)
{
    char path[48];

    if (!is_id(channel_id))
        return DISCORD_EINVAL;
    snprintf(path, sizeof path, "/channels/%s/webhooks", channel_id);
    request->route = "/channels/{id}/webhooks";
    request->major = channel_id;
    request->path = path;
    return discord_rest_send(rest, request, on_done, user);
}

discord_status discord_rest_create_webhook(discord_rest *rest, const char *channel_id,
                                           const char *name, const char *reason,
                                           discord_done_fn *on_done, void *user)
{
    cJSON *payload = name && *name ? cJSON_CreateObject() : NULL;
    char *json =
        payload && djson_add_text(payload, "name", name) ? cJSON_PrintUnformatted(payload) : NULL;
    discord_request request = {.method = "POST", .json = json, .reason = reason};
    discord_status status = !name || !*name ? DISCORD_EINVAL : DISCORD_ENOMEM;

    if (json)
        status = channel_hooks(rest, channel_id, &request, on_done, user);
    cJSON_Delete(payload);
    cJSON_free(json);
    return status;
}

discord_status discord_rest_get_channel_webhooks(discord_rest *rest, const char *channel_id,
                                                 discord_done_fn *on_done, void *user)
{
    discord_request request = {.method = "GET"};

    return channel_hooks(rest, channel_id, &request, on_done, user);
}

discord_status discord_rest_delete_webhook(discord_rest *rest, const char *webhook_id,
                                           const char *reason, discord_done_fn *on_done, void *user)
{
    char path[40];
    discord_request request = {.method = "DELETE",
                               .route = "/webhooks/{id}",
                               .major = webhook_id,
                               .path = path,
                               .reason = reason};

    if (!is_id(webhook_id))
        return DISCORD_EINVAL;
    snprintf(path, sizeof path, "/webhooks/%s", webhook_id);
    return discord_rest_send(rest, &request, on_done, user);
}
