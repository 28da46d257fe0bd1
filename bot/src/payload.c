/* payload.c - from a unit of work of mirrors:claim to what Discord's message calls take.
 * Owns nothing; see payload.h. */
#include "payload.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/backoff.h"

enum {
    RETRY_BASE_MS = 500,
    RETRY_CAP_MS = 60000,
    ROUTE_CLOSED_MS = 60000, /* a missing channel or permission: a person has to act */
    SLOW_MODE = 20016,
    WRITE_LIMIT = 20028,
    OVERLOADED = 130000,
    NAME_UNITS = 80
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

/* Grows as it is written to; a failed allocation is told at the end. */
typedef struct writing {
    char *data;
    size_t size;
    bool failed;
} writing;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
write_text(writing *t, const char *format, ...)
{
    char *more = NULL;
    va_list args;
    va_start(args, format);
    int n = t->failed ? -1 : vasprintf(&more, format, args);
    va_end(args);
    char *grown = n < 0 ? NULL : realloc(t->data, t->size + (size_t)n + 1);
    t->failed = !grown;
    if (grown) {
        memcpy(grown + t->size, more, (size_t)n + 1);
        t->data = grown;
        t->size += (size_t)n;
    }
    if (n >= 0)
        free(more);
}

static const char *line_end(const writing *t)
{
    return t->size > 0 ? "\n" : "";
}

/* Without effect as markup: an excerpt may end inside of a spoiler. */
static void write_plain(writing *t, const char *words)
{
    for (; *words; words++)
        write_text(t, "%s%c", strchr("\\*_~|`<>[]()#@", *words) ? "\\" : "", *words);
}

static void write_quote(writing *t, const api_work *work)
{
    const api_reply_target *to = work->reply_to;
    const char *post = work->reply_to_message_id.data;
    if (!to || work->identity != API_POST_IDENTITY_WEBHOOK)
        return;
    write_text(t, "> **");
    write_plain(t, to->author.data);
    write_text(t, "** ");
    write_plain(t, to->excerpt.data);
    if (post && *post)
        write_text(t, " [↩](https://discord.com/channels/%s/%s/%s)", work->guild_id.data,
                   work->channel_id.data, post);
    write_text(t, "\n");
}

static void write_poll(writing *t, const api_poll *poll)
{
    if (!poll)
        return;
    write_text(t, "%s📊 **%s**", line_end(t), poll->question.data);
    for (size_t i = 0; i < poll->answers.count; i++)
        write_text(t, "\n%zu. %s", i + 1, poll->answers.items[i].data);
    if (poll->multiple)
        write_text(t, "\n-# several answers may be chosen");
    if (poll->ends_at)
        write_text(t, "\n-# ends <t:%.0f:R>", *poll->ends_at / 1000);
}

static void write_stickers(writing *t, const api_sticker_list *stickers)
{
    for (size_t i = 0; i < stickers->count; i++)
        write_text(t, "%s[sticker: %s]", line_end(t), stickers->items[i].name.data);
}

/* Owned, release with free(). NULL: out of memory. */
static char *whole_text(const api_work *work, const char *notice)
{
    writing t = {0};
    write_quote(&t, work);
    if (work->kind == API_MESSAGE_KIND_FORWARD)
        write_text(&t, "-# ↪ forwarded\n");
    write_text(&t, "%s", work->content.data);
    write_poll(&t, work->poll);
    write_stickers(&t, &work->stickers);
    if (notice)
        write_text(&t, "%s%s", line_end(&t), notice);
    if (!t.failed)
        return t.data;
    free(t.data);
    return NULL;
}

static bool says_nothing(const api_work *work, const char *notice)
{
    return !notice && !*work->content.data && !work->poll && work->stickers.count == 0 &&
           work->embeds.count == 0 && work->attachments.count == 0;
}

int payload_parts(const api_work *work, const char *notice, discord_parts *ret)
{
    if (says_nothing(work, notice))
        return work->op == API_WORK_OP_EDIT ? one_part("*(empty)*", ret) : -ENODATA;
    char *text = whole_text(work, notice);
    if (!text)
        return -ENOMEM;
    discord_parts parts = {0};
    discord_status status = discord_text_split(text, strlen(text), DISCORD_MESSAGE_UNITS, &parts);
    free(text);
    if (status != DISCORD_OK)
        return status == DISCORD_ENOMEM ? -ENOMEM : -EINVAL;
    if (parts.n > 0) {
        *ret = parts;
        return 0;
    }
    discord_parts_done(&parts);
    if (work->embeds.count > 0 || work->attachments.count > 0)
        return one_part("", ret);
    return work->op == API_WORK_OP_EDIT ? one_part("*(empty)*", ret) : -ENODATA;
}

/* ---- names ---- */

static bool begins_with(const char *text, const char *word)
{
    return strncasecmp(text, word, strlen(word)) == 0;
}

/* The size of the code point at `text`, and how many UTF-16 units it is. */
static size_t point_at(const char *text, size_t *ret_units)
{
    unsigned char c = (unsigned char)*text;
    size_t size = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    *ret_units = size == 4 ? 2 : 1;
    return strnlen(text, size);
}

void payload_name(const char *author, char ret[PAYLOAD_NAME_SIZE])
{
    size_t n = 0, units = 0, more;
    bool space = true; /* also at the beginning: none there */
    for (const char *c = author, *next; *c; c = next) {
        size_t size = point_at(c, &more);
        size_t dot = begins_with(c, "clyde") || begins_with(c, "discord") ? 1 : 0;
        bool blank = (unsigned char)*c <= ' ' || *c == 0x7F || strchr("@#:`", *c);
        next = c + size;
        if (blank && space)
            continue;
        if (units + more + dot > NAME_UNITS)
            break;
        space = blank;
        memcpy(ret + n, blank ? " " : c, size);
        n += size;
        if (dot > 0) /* "c.lyde" */
            ret[n++] = '.';
        units += more + dot;
    }
    while (n > 0 && ret[n - 1] == ' ')
        n--;
    ret[n] = '\0';
    if (n == 0 || strcasecmp(ret, "everyone") == 0 || strcasecmp(ret, "here") == 0)
        snprintf(ret, PAYLOAD_NAME_SIZE, "Unknown");
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

/* ---- files that an edit keeps ---- */

enum { POST_FILES_MAX = 10 };
static const size_t not_ours = SIZE_MAX;

static bool is_taken(const size_t source_of[POST_FILES_MAX], size_t n, size_t source)
{
    for (size_t i = 0; i < n; i++)
        if (source_of[i] == source)
            return true;
    return false;
}

/* The files of the post that have no source yet get one of the same name, size, or both. */
static void find_sources(const api_work_file_list *sources, const cJSON *files, bool by_name,
                         bool by_size, size_t source_of[POST_FILES_MAX])
{
    size_t n = (size_t)cJSON_GetArraySize(files);
    for (size_t i = 0; i < n; i++) {
        const cJSON *file = cJSON_GetArrayItem(files, (int)i);
        double size = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(file, "size"));
        for (size_t j = 0; source_of[i] == not_ours && j < sources->count; j++)
            if ((!by_name || same_text(sources->items[j].filename, json_text(file, "filename"))) &&
                (!by_size || sources->items[j].size == size) && !is_taken(source_of, n, j))
                source_of[i] = j;
    }
}

static bool add_kept(cJSON *list, const cJSON *file)
{
    cJSON *item = cJSON_CreateObject();
    return cJSON_AddItemToArray(list, item) &&
           cJSON_AddStringToObject(item, "id", json_text(file, "id"));
}

int payload_kept_files(const api_work *work, const cJSON *message, char **ret)
{
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(message, "attachments");
    size_t n = (size_t)cJSON_GetArraySize(files), source_of[POST_FILES_MAX];
    *ret = NULL;
    if (n > POST_FILES_MAX) /* not of our making */
        return 0;
    for (size_t i = 0; i < n; i++)
        source_of[i] = not_ours;
    find_sources(&work->attachments, files, true, true, source_of);
    find_sources(&work->attachments, files, true, false, source_of);
    find_sources(&work->attachments, files, false, true, source_of);
    if (!is_taken(source_of, n, not_ours))
        return 0;
    cJSON *list = cJSON_CreateArray();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = source_of[i] == not_ours || add_kept(list, cJSON_GetArrayItem(files, (int)i));
    *ret = ok ? cJSON_PrintUnformatted(list) : NULL;
    cJSON_Delete(list);
    return *ret ? 0 : -ENOMEM;
}

const char payload_test_post[] = "Test post of the signals mirror. It is deleted at once.";

bool payload_is_test_post(const cJSON *message)
{
    return strcmp(json_text(message, "content"), payload_test_post) == 0;
}

/* ---- failures ---- */

static const struct rule {
    int code;
    payload_verdict verdict;
} rules[] = {
    {DISCORD_CODE_UNKNOWN_MESSAGE, PAYLOAD_GONE},
    {DISCORD_CODE_UNKNOWN_CHANNEL, PAYLOAD_CLOSED},
    {DISCORD_CODE_UNKNOWN_GUILD, PAYLOAD_CLOSED},
    {DISCORD_CODE_UNKNOWN_ROLE, PAYLOAD_CLOSED},
    {DISCORD_CODE_UNKNOWN_WEBHOOK, PAYLOAD_CLOSED},
    {DISCORD_CODE_BAD_WEBHOOK_TOKEN, PAYLOAD_CLOSED},
    {DISCORD_CODE_TOO_MANY_WEBHOOKS, PAYLOAD_CLOSED},
    {DISCORD_CODE_MISSING_ACCESS, PAYLOAD_CLOSED},
    {DISCORD_CODE_MISSING_PERMISSION, PAYLOAD_CLOSED},
    {DISCORD_CODE_NOT_A_TEXT_CHANNEL, PAYLOAD_CLOSED},
    {DISCORD_CODE_THREAD_ARCHIVED, PAYLOAD_CLOSED},
    {DISCORD_CODE_THREAD_LOCKED, PAYLOAD_CLOSED},
    /* The newest state is written when they allow it again. */
    {DISCORD_CODE_OLD_EDIT_LIMIT, PAYLOAD_RETRY},
    {SLOW_MODE, PAYLOAD_RETRY},
    {WRITE_LIMIT, PAYLOAD_RETRY},
    {OVERLOADED, PAYLOAD_RETRY},
};

static payload_verdict verdict_of(const discord_error *error)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (error->code == rules[i].code)
            return rules[i].verdict;
    switch (error->status) {
    case DISCORD_EAUTH:
        return PAYLOAD_STOP;
    case DISCORD_EREJECTED:
    case DISCORD_EINVAL:
        return PAYLOAD_DEAD;
    case DISCORD_EFORBIDDEN:
    case DISCORD_ENOTFOUND:
        return PAYLOAD_CLOSED;
    default:
        return PAYLOAD_RETRY;
    }
}

payload_verdict payload_judge(const discord_error *error, long attempts, long long *ret_after_ms)
{
    static const backoff policy = BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    long long delay = backoff_delay_ms(&policy, (unsigned)attempts, backoff_random());
    payload_verdict verdict = verdict_of(error);
    *ret_after_ms = error->retry_after_ms > delay ? error->retry_after_ms : delay;
    if (verdict == PAYLOAD_CLOSED)
        *ret_after_ms = ROUTE_CLOSED_MS;
    return verdict;
}
