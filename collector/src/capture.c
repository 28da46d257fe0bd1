/* capture.c - from a Discord gateway event to what signals:record takes.
 * Owns nothing; see capture.h. Facts: Discord's API reference, "Message" and "Gateway events".
 * Invariant: an absent key stays absent; null and empty are values. */
#include "capture.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "convex/value.h"

/* Message types with content of their own: default, reply, slash command, context menu command. */
static const int mirrored_types[] = {0, 19, 20, 23};

enum {
    FLAG_EPHEMERAL = 1 << 6,
    FLAG_LOADING = 1 << 7, /* a deferred answer without its text; an update brings it */
    FLAG_COMPONENTS_V2 = 1 << 15,
    TYPE_REPLY = 19,
    REFERENCE_FORWARD = 1,
    COMPONENT_TEXT = 10,
    COMPONENT_DEPTH = 8,
    KEY_MAX = 64
};

static const cJSON *field(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(field(object, name));
}

static double number_of(const cJSON *object, const char *name, double fallback)
{
    const cJSON *item = field(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static unsigned flags_of(const cJSON *message)
{
    double flags = number_of(message, "flags", 0);
    return flags >= 0 && flags <= UINT32_MAX ? (unsigned)flags : 0;
}

static bool is_id(const char *text)
{
    size_t len = text ? strspn(text, "0123456789") : 0;
    return len >= 1 && len <= 20 && text[len] == '\0';
}

/* ---- small writers ---- */

static void put_text(convex_builder *b, const char *key, const char *text)
{
    convex_builder_key(b, key);
    convex_builder_cstring(b, text);
}

static void put_number(convex_builder *b, const char *key, double value)
{
    convex_builder_key(b, key);
    convex_builder_float64(b, value);
}

static void copy_text(convex_builder *b, const cJSON *from, const char *name, const char *key)
{
    const char *text = text_of(from, name);
    if (text)
        put_text(b, key, text);
}

/* ---- parts of a message ---- */

static void write_author(convex_builder *b, const cJSON *author, const cJSON *member,
                         bool is_webhook)
{
    const char *id = text_of(author, "id");
    const char *avatar = text_of(author, "avatar");
    const char *names[] = {text_of(member, "nick"), text_of(author, "global_name"),
                           text_of(author, "username"), id};
    const char *name = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] && names[i][0]) {
            name = names[i];
            break;
        }
    convex_builder_key(b, "author");
    convex_builder_begin_object(b);
    put_text(b, "id", id);
    put_text(b, "name", name);
    if (avatar && avatar[0]) {
        char url[256];
        snprintf(url, sizeof url, "https://cdn.discordapp.com/avatars/%s/%s.png?size=64", id,
                 avatar);
        put_text(b, "avatarUrl", url);
    }
    convex_builder_key(b, "bot");
    convex_builder_bool(b, is_webhook || cJSON_IsTrue(field(author, "bot")));
    convex_builder_end(b);
}

static void write_embed_fields(convex_builder *b, const cJSON *fields)
{
    const cJSON *item;
    convex_builder_key(b, "fields");
    convex_builder_begin_array(b);
    cJSON_ArrayForEach(item, fields)
    {
        const char *name = text_of(item, "name"), *value = text_of(item, "value");
        if (!name || !value)
            continue;
        convex_builder_begin_object(b);
        put_text(b, "name", name);
        put_text(b, "value", value);
        convex_builder_key(b, "inline");
        convex_builder_bool(b, cJSON_IsTrue(field(item, "inline")));
        convex_builder_end(b);
    }
    convex_builder_end(b);
}

/* A nested object of texts, such as footer {text, iconUrl}; left out without its first member. */
static void write_texts(convex_builder *b, const cJSON *from, const char *name,
                        const char *const (*members)[2], size_t count)
{
    const cJSON *object = field(from, name);
    if (!text_of(object, members[0][0]))
        return;
    convex_builder_key(b, name);
    convex_builder_begin_object(b);
    for (size_t i = 0; i < count; i++)
        copy_text(b, object, members[i][0], members[i][1]);
    convex_builder_end(b);
}

static void write_embed(convex_builder *b, const cJSON *embed)
{
    static const char *const author[][2] = {
        {"name", "name"}, {"url", "url"}, {"icon_url", "iconUrl"}};
    static const char *const footer[][2] = {{"text", "text"}, {"icon_url", "iconUrl"}};
    static const char *const image[][2] = {{"url", "url"}};
    convex_builder_begin_object(b);
    copy_text(b, embed, "title", "title");
    copy_text(b, embed, "description", "description");
    copy_text(b, embed, "url", "url");
    copy_text(b, embed, "timestamp", "timestamp");
    if (cJSON_IsNumber(field(embed, "color")))
        put_number(b, "color", number_of(embed, "color", 0));
    write_texts(b, embed, "author", author, 3);
    write_texts(b, embed, "footer", footer, 2);
    write_texts(b, embed, "image", image, 1);
    write_texts(b, embed, "thumbnail", image, 1);
    if (cJSON_GetArraySize(field(embed, "fields")) > 0)
        write_embed_fields(b, field(embed, "fields"));
    convex_builder_end(b);
}

/* A person's message holds only generated embeds: whoever shows it makes its own. */
static void write_embeds(convex_builder *b, const cJSON *embeds, bool authored)
{
    const cJSON *embed;
    convex_builder_key(b, "embeds");
    convex_builder_begin_array(b);
    if (authored) {
        cJSON_ArrayForEach(embed, embeds)
        {
            const char *type = text_of(embed, "type");
            if (cJSON_IsObject(embed) && (!type || strcmp(type, "rich") == 0))
                write_embed(b, embed);
        }
    }
    convex_builder_end(b);
}

static void write_attachments(convex_builder *b, const cJSON *attachments)
{
    const cJSON *item;
    convex_builder_key(b, "attachments");
    convex_builder_begin_array(b);
    cJSON_ArrayForEach(item, attachments)
    {
        const char *id = text_of(item, "id"), *url = text_of(item, "url");
        if (!id || !url)
            continue;
        convex_builder_begin_object(b);
        put_text(b, "id", id);
        put_text(b, "filename", text_of(item, "filename") ? text_of(item, "filename") : id);
        put_text(b, "url", url);
        copy_text(b, item, "content_type", "contentType");
        copy_text(b, item, "description", "description");
        put_number(b, "size", number_of(item, "size", 0));
        convex_builder_end(b);
    }
    convex_builder_end(b);
}

/* ---- text ---- */

typedef struct text {
    char *data;
    size_t size;
    bool failed;
} text;

static void text_add(text *self, const char *part)
{
    size_t len = strlen(part), gap = self->size ? 1 : 0;
    if (self->failed || len == 0)
        return;
    char *grown = realloc(self->data, self->size + gap + len + 1);
    if (!grown) {
        self->failed = true;
        return;
    }
    self->data = grown;
    if (gap)
        grown[self->size] = '\n';
    memcpy(grown + self->size + gap, part, len + 1);
    self->size += gap + len;
}

/* In "components v2" messages the text is in nested components and `content` is empty. */
static void add_component_text(text *into, const cJSON *components, int depth)
{
    const cJSON *item;
    if (depth == 0)
        return;
    cJSON_ArrayForEach(item, components)
    {
        const char *content = text_of(item, "content");
        if (content && number_of(item, "type", 0) == COMPONENT_TEXT)
            text_add(into, content);
        add_component_text(into, field(item, "components"), depth - 1);
    }
}

static int write_content(convex_builder *b, const cJSON *message, const char *content)
{
    if ((flags_of(message) & FLAG_COMPONENTS_V2) == 0) {
        put_text(b, "content", content);
        return 0;
    }
    text all = {0};
    text_add(&all, content);
    add_component_text(&all, field(message, "components"), COMPONENT_DEPTH);
    if (!all.failed)
        put_text(b, "content", all.data ? all.data : "");
    free(all.data);
    return all.failed ? -ENOMEM : 0;
}

/* ---- events ---- */

int capture_time(const char *text_, int64_t *ret_ms)
{
    struct tm tm = {0};
    char fraction[7] = "000000", sign = '+';
    int hours = 0, minutes = 0, used = 0;
    if (sscanf(text_, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6)
        return -EINVAL;
    const char *rest = text_ + used;
    if (*rest == '.') {
        size_t digits = strspn(++rest, "0123456789");
        memcpy(fraction, rest, digits < 6 ? digits : 6);
        rest += digits;
    }
    if (strcmp(rest, "Z") != 0 && sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) != 3)
        return -EINVAL;
    if ((sign != '+' && sign != '-') || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12)
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t offset = (int64_t)(hours * 60 + minutes) * (sign == '-' ? -60 : 60);
    *ret_ms = ((int64_t)timegm(&tm) - offset) * 1000 + atoi(fraction) / 1000;
    return 0;
}

typedef struct capture {
    const char *guild_id; /* if the event does not say it */
    int64_t at_ms;
    capture_fn *fn;
    void *user;
} capture;

static const char *guild_of(const capture *self, const cJSON *d)
{
    const char *guild_id = text_of(d, "guild_id");
    return guild_id ? guild_id : self->guild_id;
}

static int hand_over(const capture *self, convex_builder *b, const char *channel_id,
                     const char *message_id)
{
    convex_value *value = NULL;
    char *json = NULL, key[KEY_MAX];
    size_t size = 0;
    convex_status status = convex_builder_finish(b, &value, NULL);
    if (status == CONVEX_OK)
        status = convex_value_print(value, CONVEX_ENCODED_JSON, NULL, &json, &size);
    convex_value_unref(value);
    if (status != CONVEX_OK)
        return status == CONVEX_ENOMEM ? -ENOMEM : -EBADMSG;
    snprintf(key, sizeof key, "%s/%s", channel_id, message_id);
    int r = self->fn(channel_id, key, json, size, self->user);
    convex_text_free(json, NULL);
    return r;
}

static void write_head(convex_builder *b, const char *type, const char *guild_id,
                       const char *channel_id, const char *message_id, int64_t at_ms)
{
    convex_builder_begin_object(b);
    put_text(b, "type", type);
    put_text(b, "guildId", guild_id);
    put_text(b, "channelId", channel_id);
    put_text(b, "messageId", message_id);
    put_number(b, "capturedAt", (double)at_ms);
}

static void write_times(convex_builder *b, const cJSON *message)
{
    const cJSON *edited = field(message, "edited_timestamp");
    const char *sent = text_of(message, "timestamp");
    int64_t ms;
    if (sent && capture_time(sent, &ms) == 0)
        put_number(b, "sentAt", (double)ms);
    if (cJSON_IsNull(edited)) {
        convex_builder_key(b, "editedAt");
        convex_builder_null(b);
    } else if (cJSON_IsString(edited) && capture_time(edited->valuestring, &ms) == 0) {
        put_number(b, "editedAt", (double)ms);
    }
}

static void write_reference(convex_builder *b, const cJSON *message, bool forward)
{
    const char *replied_to = text_of(field(message, "message_reference"), "message_id");
    const cJSON *type = field(message, "type");
    if (forward) {
        put_text(b, "kind", "forward");
    } else if (replied_to && number_of(message, "type", 0) == TYPE_REPLY) {
        put_text(b, "kind", "reply");
        put_text(b, "replyToId", replied_to);
    } else if (cJSON_IsNumber(type) && type->valuedouble != TYPE_REPLY) {
        put_text(b, "kind", "default");
    }
}

/* A forward whose snapshot is not in the event: its outer text is empty and says nothing. */
static bool lacks_snapshot(const cJSON *message)
{
    return number_of(field(message, "message_reference"), "type", 0) == REFERENCE_FORWARD &&
           cJSON_GetArraySize(field(message, "message_snapshots")) == 0;
}

/* What a message carries. A forward's own content is empty: its body is the snapshot. */
static int write_body(convex_builder *b, const cJSON *message, bool bot_known, bool is_bot)
{
    const cJSON *reference = field(message, "message_reference");
    const cJSON *snapshot =
        field(cJSON_GetArrayItem(field(message, "message_snapshots"), 0), "message");
    bool forward = number_of(reference, "type", 0) == REFERENCE_FORWARD && cJSON_IsObject(snapshot);
    const cJSON *body = forward ? snapshot : message;
    const char *content = text_of(body, "content");
    int r = 0;
    if (lacks_snapshot(message))
        return 0;
    write_reference(b, message, forward);
    if (content)
        r = write_content(b, body, content);
    if (cJSON_IsArray(field(body, "embeds")) && (bot_known || forward))
        write_embeds(b, field(body, "embeds"), is_bot || forward);
    if (cJSON_IsArray(field(body, "attachments")))
        write_attachments(b, field(body, "attachments"));
    return r;
}

static bool is_mirrored(const cJSON *message)
{
    double type = number_of(message, "type", 0);
    if (flags_of(message) & (FLAG_EPHEMERAL | FLAG_LOADING))
        return false;
    for (size_t i = 0; i < sizeof mirrored_types / sizeof *mirrored_types; i++)
        if (type == mirrored_types[i])
            return true;
    return false;
}

static int on_upsert(const capture *self, const cJSON *d, bool created)
{
    const char *guild_id = guild_of(self, d);
    const char *channel_id = text_of(d, "channel_id");
    const char *message_id = text_of(d, "id");
    const cJSON *author = field(d, "author");
    bool has_author = is_id(text_of(author, "id"));
    bool webhook = text_of(d, "webhook_id") != NULL;
    if (!is_id(channel_id) || !is_id(message_id))
        return -EBADMSG;
    if (!is_id(guild_id) || !is_mirrored(d))
        return 0;
    /* An update may carry only what changed, or, in older payloads, not even the author. */
    bool partial = !created && (!has_author || !text_of(d, "content") || !text_of(d, "timestamp") ||
                                lacks_snapshot(d));
    convex_builder *b = convex_builder_new(NULL);
    if (!b)
        return -ENOMEM;
    write_head(b, "upsert", guild_id, channel_id, message_id, self->at_ms);
    convex_builder_key(b, "partial");
    convex_builder_bool(b, partial);
    if (has_author)
        write_author(b, author, field(d, "member"), webhook);
    write_times(b, d);
    int r = write_body(b, d, has_author, webhook || cJSON_IsTrue(field(author, "bot")));
    convex_builder_end(b);
    if (r == 0)
        r = hand_over(self, b, channel_id, message_id);
    convex_builder_free(b);
    return r;
}

static int on_create(const capture *self, const cJSON *d)
{
    return on_upsert(self, d, true);
}

static int on_update(const capture *self, const cJSON *d)
{
    return on_upsert(self, d, false);
}

static int delete_one(const capture *self, const cJSON *d, const char *message_id)
{
    const char *guild_id = guild_of(self, d);
    const char *channel_id = text_of(d, "channel_id");
    if (!is_id(channel_id) || !is_id(message_id))
        return -EBADMSG;
    if (!is_id(guild_id))
        return 0;
    convex_builder *b = convex_builder_new(NULL);
    if (!b)
        return -ENOMEM;
    write_head(b, "delete", guild_id, channel_id, message_id, self->at_ms);
    convex_builder_end(b);
    int r = hand_over(self, b, channel_id, message_id);
    convex_builder_free(b);
    return r;
}

static int on_delete(const capture *self, const cJSON *d)
{
    return delete_one(self, d, text_of(d, "id"));
}

static int on_delete_bulk(const capture *self, const cJSON *d)
{
    const cJSON *id;
    int r = 0;
    cJSON_ArrayForEach(id, field(d, "ids")) if (r == 0) r =
        delete_one(self, d, cJSON_GetStringValue(id));
    return r;
}

int capture_event(const char *name, const cJSON *data, const char *guild_id, int64_t captured_at_ms,
                  capture_fn *fn, void *user)
{
    static const struct {
        const char *name;
        int (*run)(const capture *, const cJSON *);
    } kinds[] = {{"MESSAGE_CREATE", on_create},
                 {"MESSAGE_UPDATE", on_update},
                 {"MESSAGE_DELETE", on_delete},
                 {"MESSAGE_DELETE_BULK", on_delete_bulk}};
    capture self = {guild_id, captured_at_ms, fn, user};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i].name) == 0)
            return kinds[i].run(&self, data);
    return 0;
}

int capture_message(const char *guild_id, const cJSON *message, int64_t captured_at_ms,
                    capture_fn *fn, void *user)
{
    capture self = {guild_id, captured_at_ms, fn, user};
    return on_upsert(&self, message, true);
}
