/* payload.c - from a unit of work of mirrors:claim to what Discord's message calls take.
 * Owns nothing; see payload.h. */
#include "payload.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/backoff.h"

enum {
    UNKNOWN_CHANNEL = 10003,
    UNKNOWN_MESSAGE = 10008,
    RETRY_BASE_MS = 500,
    RETRY_CAP_MS = 60000,
    ROUTE_CLOSED_MS = 60000 /* a missing channel or permission: a person has to act */
};

/* ---- embeds ---- */

/* Left out when it is not there. */
static void put_text(convex_builder *b, const char *key, convex_str text)
{
    if (!text.data)
        return;
    convex_builder_key(b, key);
    convex_builder_string(b, text.data, text.len);
}

static void write_fields(convex_builder *b, const api_embed_field_list *fields)
{
    convex_builder_key(b, "fields");
    convex_builder_begin_array(b);
    for (size_t i = 0; i < fields->count; i++) {
        convex_builder_begin_object(b);
        put_text(b, "name", fields->items[i].name);
        put_text(b, "value", fields->items[i].value);
        convex_builder_key(b, "inline");
        convex_builder_bool(b, fields->items[i].inline_);
        convex_builder_end(b);
    }
    convex_builder_end(b);
}

static void write_image(convex_builder *b, const char *key, const api_embed_image *image)
{
    if (!image)
        return;
    convex_builder_key(b, key);
    convex_builder_begin_object(b);
    put_text(b, "url", image->url);
    convex_builder_end(b);
}

static void write_people(convex_builder *b, const api_embed *embed)
{
    if (embed->author) {
        convex_builder_key(b, "author");
        convex_builder_begin_object(b);
        put_text(b, "name", embed->author->name);
        put_text(b, "url", embed->author->url);
        put_text(b, "icon_url", embed->author->icon_url);
        convex_builder_end(b);
    }
    if (embed->footer) {
        convex_builder_key(b, "footer");
        convex_builder_begin_object(b);
        put_text(b, "text", embed->footer->text);
        put_text(b, "icon_url", embed->footer->icon_url);
        convex_builder_end(b);
    }
}

static void write_embed(convex_builder *b, const api_embed *embed)
{
    convex_builder_begin_object(b);
    put_text(b, "title", embed->title);
    put_text(b, "description", embed->description);
    put_text(b, "url", embed->url);
    put_text(b, "timestamp", embed->timestamp);
    if (embed->color) {
        convex_builder_key(b, "color");
        convex_builder_float64(b, *embed->color);
    }
    if (embed->fields)
        write_fields(b, embed->fields);
    write_people(b, embed);
    write_image(b, "image", embed->image);
    write_image(b, "thumbnail", embed->thumbnail);
    convex_builder_end(b);
}

int payload_embeds(const api_work *work, char **ret)
{
    convex_value *array = NULL;
    convex_builder *b = convex_builder_new(NULL);
    if (!b)
        return -ENOMEM;
    convex_builder_begin_array(b);
    for (size_t i = 0; i < work->embeds.count; i++)
        write_embed(b, &work->embeds.items[i]);
    convex_builder_end(b);
    convex_status status = convex_builder_finish(b, &array, NULL);
    convex_builder_free(b);
    if (status == CONVEX_OK)
        status = convex_value_print(array, CONVEX_PLAIN_JSON, NULL, ret, NULL);
    convex_value_unref(array);
    return status == CONVEX_OK ? 0 : -ENOMEM;
}

/* ---- text ---- */

static int one_part(const char *text, discord_parts *ret)
{
    ret->part = calloc(1, sizeof *ret->part);
    if (ret->part)
        ret->part[0] = strdup(text);
    ret->n = ret->part && ret->part[0] ? 1 : 0;
    return ret->n ? 0 : -ENOMEM;
}

int payload_parts(const api_work *work, const char *notice, discord_parts *ret)
{
    const char *content = work->content.data;
    char *text = NULL;
    if (asprintf(&text, "%s%s%s", content, notice && *content ? "\n" : "", notice ? notice : "") <
        0)
        return -ENOMEM;
    discord_parts parts = {0};
    discord_status status = discord_text_split(text, strlen(text), DISCORD_MESSAGE_UNITS, &parts);
    free(text);
    if (status != DISCORD_OK)
        return status == DISCORD_ENOMEM ? -ENOMEM : -EINVAL;
    if (parts.n == 0) {
        discord_parts_done(&parts);
        if (work->embeds.count == 0 && work->attachments.count == 0)
            return work->op == API_WORK_OP_EDIT ? one_part("*(empty)*", ret) : -ENODATA;
        return one_part("", ret);
    }
    *ret = parts;
    return 0;
}

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

void payload_nonce(const api_work *work, size_t part, char ret[PAYLOAD_NONCE_SIZE])
{
    const char *nonce = work->nonce.data;
    uint64_t hash = mix(mix(0xcbf29ce484222325u, nonce), work->version.data);
    if (work->op == API_WORK_OP_EDIT)
        snprintf(ret, PAYLOAD_NONCE_SIZE, "e%016llx.%zu", (unsigned long long)hash, part);
    else
        snprintf(ret, PAYLOAD_NONCE_SIZE, "%.20s.%zu", nonce, part);
}

/* ---- recognising a post ---- */

/* Discord takes white space off both ends. */
static bool same_trimmed(const char *a, const char *b)
{
    static const char space[] = " \t\r\n";
    a += strspn(a, space);
    b += strspn(b, space);
    size_t la = strlen(a), lb = strlen(b);
    while (la > 0 && strchr(space, a[la - 1]))
        la--;
    while (lb > 0 && strchr(space, b[lb - 1]))
        lb--;
    return la == lb && memcmp(a, b, la) == 0;
}

static const char *json_text(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

/* Previews that Discord makes of links are not ours. */
static bool is_authored(const cJSON *embed)
{
    const char *type = json_text(embed, "type");
    return *type == '\0' || strcmp(type, "rich") == 0;
}

/* An absent text is an empty one. */
static bool same_text(convex_str ours, const char *theirs)
{
    return same_trimmed(ours.data ? ours.data : "", theirs);
}

static bool same_embeds(const api_embed_list *embeds, const cJSON *list)
{
    const cJSON *embed;
    size_t i = 0, count = embeds ? embeds->count : 0;
    cJSON_ArrayForEach(embed, list)
    {
        if (!is_authored(embed))
            continue;
        if (i == count || !same_text(embeds->items[i].title, json_text(embed, "title")) ||
            !same_text(embeds->items[i].description, json_text(embed, "description")))
            return false;
        i++;
    }
    return i == count;
}

bool payload_matches(const api_work *work, const cJSON *message, const char *text, size_t n_files,
                     bool last)
{
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(message, "attachments");
    const cJSON *embeds = cJSON_GetObjectItemCaseSensitive(message, "embeds");
    return same_trimmed(text, json_text(message, "content")) &&
           (size_t)cJSON_GetArraySize(files) == n_files &&
           same_embeds(last ? &work->embeds : NULL, embeds);
}

/* ---- failures ---- */

payload_verdict payload_judge(const discord_error *error, long attempts, long long *ret_after_ms)
{
    static const backoff policy = BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    long long delay = backoff_delay_ms(&policy, (unsigned)attempts, backoff_random());
    *ret_after_ms = error->retry_after_ms > delay ? error->retry_after_ms : delay;
    switch (error->status) {
    case DISCORD_EAUTH:
        return PAYLOAD_STOP;
    case DISCORD_EREJECTED:
    case DISCORD_EINVAL:
        return PAYLOAD_DEAD;
    case DISCORD_EFORBIDDEN:
        *ret_after_ms = ROUTE_CLOSED_MS;
        return PAYLOAD_RETRY;
    case DISCORD_ENOTFOUND:
        /* Somebody deleted our post by hand: it is not posted again. */
        if (error->code == UNKNOWN_MESSAGE)
            return PAYLOAD_DEAD;
        *ret_after_ms = ROUTE_CLOSED_MS;
        return PAYLOAD_RETRY;
    default:
        return PAYLOAD_RETRY;
    }
}
