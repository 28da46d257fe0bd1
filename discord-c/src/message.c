/* message.c - the requests that have a name of their own: messages, ourselves.
 * No state, any thread. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "json.h"
#include "message.h"

#define NONCE_MAX   25
#define YOUNG_MS    10000      /* deleting counts in three buckets, by the message's age */
#define OLD_MS      1209600000 /* 14 days */
#define PAGE_MAX    100
#define MESSAGES    "/channels/{id}/messages"
#define ONE_MESSAGE "/channels/{id}/messages/{id}"

static bool is_id(const char *id)
{
    uint64_t value;

    return did_parse(id, &value);
}

/* -- payloads -- */

/* Text that the caller wrote as JSON goes in as it is, once it is known to be an array. */
static discord_status add_array(cJSON *payload, const char *key, const char *text)
{
    cJSON *parsed;
    bool array;

    if (!text)
        return DISCORD_OK;
    parsed = djson_parse(text, strlen(text));
    array = cJSON_IsArray(parsed);
    cJSON_Delete(parsed);
    if (!array)
        return DISCORD_EINVAL;
    return djson_add(payload, key, cJSON_CreateRaw(text)) ? DISCORD_OK : DISCORD_ENOMEM;
}

static bool add_file(cJSON *list, size_t i, const discord_file *file)
{
    cJSON *item = cJSON_CreateObject();
    char id[24];
    bool ok;

    snprintf(id, sizeof id, "%zu", i);
    ok = djson_add_text(item, "id", id) &&
         djson_add_text(item, "filename", file->filename ? file->filename : "file") &&
         (!file->description || djson_add_text(item, "description", file->description));
    if (ok && cJSON_AddItemToArray(list, item))
        return true;
    cJSON_Delete(item);
    return false;
}

/* The attachments to keep, then the new files. */
static discord_status add_attachments(cJSON *payload, const discord_message *m)
{
    cJSON *list;
    bool ok = true;

    if (m->n_files == 0)
        return add_array(payload, "attachments", m->attachments_json);
    list = m->attachments_json ? djson_parse(m->attachments_json, strlen(m->attachments_json))
                               : cJSON_CreateArray();
    if (!cJSON_IsArray(list)) {
        cJSON_Delete(list);
        return DISCORD_EINVAL;
    }
    for (size_t i = 0; ok && i < m->n_files; i++)
        ok = add_file(list, i, &m->files[i]);
    if (!ok)
        cJSON_Delete(list);
    return ok && djson_add(payload, "attachments", list) ? DISCORD_OK : DISCORD_ENOMEM;
}

/* Nobody is pinged: on a create by default everybody would be, and an edit parses anew. */
static bool add_mentions(cJSON *payload)
{
    cJSON *mentions = cJSON_CreateObject();
    bool ok = djson_add(mentions, "parse", cJSON_CreateArray());

    return djson_add(payload, "allowed_mentions", mentions) && ok;
}

static bool add_reply(cJSON *payload, const char *message_id)
{
    cJSON *reference = cJSON_CreateObject();
    bool ok = djson_add_text(reference, "message_id", message_id) &&
              djson_add(reference, "fail_if_not_exists", cJSON_CreateFalse());

    return djson_add(payload, "message_reference", reference) && ok;
}

static bool add_plain(cJSON *payload, const discord_message *m)
{
    bool ok = add_mentions(payload);

    if (m->content)
        ok = ok && djson_add_text(payload, "content", m->content);
    if (m->flags)
        ok = ok && djson_add_u64(payload, "flags", m->flags);
    if (m->reply_to_id)
        ok = ok && add_reply(payload, m->reply_to_id);
    if (m->nonce)
        ok = ok && djson_add_text(payload, "nonce", m->nonce) &&
             djson_add(payload, "enforce_nonce", cJSON_CreateTrue());
    return ok;
}

discord_status dmessage_payload(const discord_message *m, cJSON **ret)
{
    cJSON *payload = cJSON_CreateObject();
    discord_status status = payload && add_plain(payload, m) ? DISCORD_OK : DISCORD_ENOMEM;

    if (status == DISCORD_OK)
        status = add_array(payload, "embeds", m->embeds_json);
    if (status == DISCORD_OK)
        status = add_array(payload, "components", m->components_json);
    if (status == DISCORD_OK)
        status = add_attachments(payload, m);
    if (status == DISCORD_OK)
        *ret = payload;
    else
        cJSON_Delete(payload);
    return status;
}

discord_status dmessage_send(discord_rest *rest, discord_request *request, const discord_message *m,
                             cJSON *payload, discord_done_fn *on_done, void *user)
{
    char *json = cJSON_PrintUnformatted(payload);
    discord_status status = DISCORD_ENOMEM;

    cJSON_Delete(payload);
    if (json) {
        request->json = json;
        request->files = m->files;
        request->n_files = m->n_files;
        status = discord_rest_send(rest, request, on_done, user);
    }
    cJSON_free(json);
    return status;
}

discord_status dmessage_delete(discord_rest *rest, const discord_request *request,
                               discord_done_fn *on_done, void *user)
{
    drest_job *job;
    discord_status status = drest_job_new(rest, request, on_done, user, &job);

    if (status != DISCORD_OK)
        return status;
    job->gone_is_success = true;
    return drest_submit(rest, job);
}

static discord_status send_message(discord_rest *rest, discord_request *request,
                                   const discord_message *m, discord_done_fn *on_done, void *user)
{
    cJSON *payload;
    discord_status status = dmessage_payload(m, &payload);

    if (status != DISCORD_OK)
        return status;
    return dmessage_send(rest, request, m, payload, on_done, user);
}

/* -- messages -- */

discord_status discord_rest_create_message(discord_rest *rest, const char *channel_id,
                                           const discord_message *message, discord_done_fn *on_done,
                                           void *user)
{
    char path[80];
    size_t nonce = message->nonce ? strlen(message->nonce) : 1;
    discord_request request = {.method = "POST", .route = MESSAGES, .major = channel_id};

    if (!is_id(channel_id) || nonce < 1 || nonce > NONCE_MAX || message->attachments_json ||
        (message->reply_to_id && !is_id(message->reply_to_id)))
        return DISCORD_EINVAL;
    snprintf(path, sizeof path, "/channels/%s/messages", channel_id);
    request.path = path;
    request.flags = message->nonce ? DISCORD_REPEATABLE : 0;
    return send_message(rest, &request, message, on_done, user);
}

static bool message_path(char *ret, size_t size, const char *channel_id, const char *message_id)
{
    if (!is_id(channel_id) || !is_id(message_id))
        return false;
    snprintf(ret, size, "/channels/%s/messages/%s", channel_id, message_id);
    return true;
}

discord_status discord_rest_edit_message(discord_rest *rest, const char *channel_id,
                                         const char *message_id, const discord_message *message,
                                         discord_done_fn *on_done, void *user)
{
    char path[80];
    discord_request request = {
        .method = "PATCH", .route = ONE_MESSAGE, .major = channel_id, .path = path};

    if (!message_path(path, sizeof path, channel_id, message_id) || message->reply_to_id ||
        message->nonce)
        return DISCORD_EINVAL;
    return send_message(rest, &request, message, on_done, user);
}

static const char *delete_route(const char *message_id)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = (int64_t)now.tv_sec * 1000 - discord_id_time_ms(message_id);
    return age < YOUNG_MS ? ONE_MESSAGE "#young" : age > OLD_MS ? ONE_MESSAGE "#old" : ONE_MESSAGE;
}

discord_status discord_rest_delete_message(discord_rest *rest, const char *channel_id,
                                           const char *message_id, const char *reason,
                                           discord_done_fn *on_done, void *user)
{
    char path[80];
    discord_request request = {
        .method = "DELETE", .major = channel_id, .path = path, .reason = reason};

    if (!message_path(path, sizeof path, channel_id, message_id))
        return DISCORD_EINVAL;
    request.route = delete_route(message_id);
    return dmessage_delete(rest, &request, on_done, user);
}

static discord_status get(discord_rest *rest, const char *route, const char *major,
                          const char *path, discord_done_fn *on_done, void *user)
{
    discord_request request = {.method = "GET", .route = route, .major = major, .path = path};

    return discord_rest_send(rest, &request, on_done, user);
}

discord_status discord_rest_get_message(discord_rest *rest, const char *channel_id,
                                        const char *message_id, discord_done_fn *on_done,
                                        void *user)
{
    char path[80];

    if (!message_path(path, sizeof path, channel_id, message_id))
        return DISCORD_EINVAL;
    return get(rest, ONE_MESSAGE, channel_id, path, on_done, user);
}

discord_status discord_rest_get_messages(discord_rest *rest, const char *channel_id,
                                         const discord_page *page, discord_done_fn *on_done,
                                         void *user)
{
    const char *cursor = page->before ? page->before : page->after ? page->after : page->around;
    const char *name = page->before ? "before" : page->after ? "after" : "around";
    int cursors = !!page->before + !!page->after + !!page->around;
    char path[120];
    int n;

    if (!is_id(channel_id) || page->limit < 1 || page->limit > PAGE_MAX || cursors > 1 ||
        (cursor && !is_id(cursor)))
        return DISCORD_EINVAL;
    n = snprintf(path, sizeof path, "/channels/%s/messages?limit=%u", channel_id, page->limit);
    if (cursor)
        snprintf(path + n, sizeof path - (size_t)n, "&%s=%s", name, cursor);
    return get(rest, MESSAGES, channel_id, path, on_done, user);
}

/* -- ourselves -- */

discord_status discord_rest_get_current_user(discord_rest *rest, discord_done_fn *on_done,
                                             void *user)
{
    return get(rest, "/users/@me", NULL, "/users/@me", on_done, user);
}

discord_status discord_rest_get_gateway_bot(discord_rest *rest, discord_done_fn *on_done,
                                            void *user)
{
    return get(rest, "/gateway/bot", NULL, "/gateway/bot", on_done, user);
}
