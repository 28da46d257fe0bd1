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

const char *payload_text(const convex_value *work, const char *path)
{
    const char *text = convex_value_string(convex_value_get(work, path), NULL);
    return text ? text : "";
}

double payload_number(const convex_value *work, const char *path, double fallback)
{
    double number = fallback;
    convex_value_float64(convex_value_get(work, path), &number);
    return number;
}

/* ---- embeds ---- */

typedef struct member {
    const char *from, *to;
} member;

static void copy_members(convex_builder *b, const convex_value *object, const member *members,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const convex_value *value = convex_value_field(object, members[i].from);
        if (!value)
            continue;
        convex_builder_key(b, members[i].to);
        convex_builder_value(b, value);
    }
}

static void copy_nested(convex_builder *b, const convex_value *embed, const char *name)
{
    static const member members[] = {
        {"name", "name"}, {"text", "text"}, {"url", "url"}, {"iconUrl", "icon_url"}};
    const convex_value *object = convex_value_field(embed, name);
    if (!object)
        return;
    convex_builder_key(b, name);
    convex_builder_begin_object(b);
    copy_members(b, object, members, sizeof members / sizeof *members);
    convex_builder_end(b);
}

static void write_embed(convex_builder *b, const convex_value *embed)
{
    static const member members[] = {{"title", "title"},   {"description", "description"},
                                     {"url", "url"},       {"color", "color"},
                                     {"fields", "fields"}, {"timestamp", "timestamp"}};
    static const char *const nested[] = {"author", "footer", "image", "thumbnail"};
    convex_builder_begin_object(b);
    copy_members(b, embed, members, sizeof members / sizeof *members);
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++)
        copy_nested(b, embed, nested[i]);
    convex_builder_end(b);
}

int payload_embeds(const convex_value *work, char **ret)
{
    const convex_value *embeds = convex_value_field(work, "embeds");
    convex_value *array = NULL;
    convex_builder *b = convex_builder_new(NULL);
    if (!b)
        return -ENOMEM;
    convex_builder_begin_array(b);
    for (size_t i = 0; i < convex_value_count(embeds); i++)
        write_embed(b, convex_value_at(embeds, i));
    convex_builder_end(b);
    convex_status status = convex_builder_finish(b, &array, NULL);
    convex_builder_free(b);
    if (status == CONVEX_OK)
        status = convex_value_print(array, CONVEX_PLAIN_JSON, NULL, ret, NULL);
    convex_value_unref(array);
    return status == CONVEX_OK ? 0 : -ENOMEM;
}

/* ---- text ---- */

static bool is_edit(const convex_value *work)
{
    return *payload_text(work, "op") == 'e';
}

static int one_part(const char *text, discord_parts *ret)
{
    ret->part = calloc(1, sizeof *ret->part);
    if (ret->part)
        ret->part[0] = strdup(text);
    ret->n = ret->part && ret->part[0] ? 1 : 0;
    return ret->n ? 0 : -ENOMEM;
}

int payload_parts(const convex_value *work, const char *notice, discord_parts *ret)
{
    const char *content = payload_text(work, "content");
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
        if (convex_value_count(convex_value_field(work, "embeds")) == 0 &&
            convex_value_count(convex_value_field(work, "attachments")) == 0)
            return is_edit(work) ? one_part("*(empty)*", ret) : -ENODATA;
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

void payload_nonce(const convex_value *work, size_t part, char ret[PAYLOAD_NONCE_SIZE])
{
    const char *nonce = payload_text(work, "nonce");
    uint64_t hash = mix(mix(0xcbf29ce484222325u, nonce), payload_text(work, "version"));
    if (is_edit(work))
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

static bool same_embeds(const convex_value *embeds, const cJSON *list)
{
    const cJSON *embed;
    size_t i = 0;
    cJSON_ArrayForEach(embed, list)
    {
        const convex_value *wanted = convex_value_at(embeds, i);
        if (!is_authored(embed))
            continue;
        if (!wanted || !same_trimmed(payload_text(wanted, "title"), json_text(embed, "title")) ||
            !same_trimmed(payload_text(wanted, "description"), json_text(embed, "description")))
            return false;
        i++;
    }
    return i == convex_value_count(embeds);
}

bool payload_matches(const convex_value *work, const cJSON *message, const char *text,
                     size_t n_files, bool last)
{
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(message, "attachments");
    const cJSON *embeds = cJSON_GetObjectItemCaseSensitive(message, "embeds");
    return same_trimmed(text, json_text(message, "content")) &&
           (size_t)cJSON_GetArraySize(files) == n_files &&
           same_embeds(last ? convex_value_field(work, "embeds") : NULL, embeds);
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
