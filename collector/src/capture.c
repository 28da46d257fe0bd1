/* capture.c - from a Discord gateway event to what signals:record takes.
 * Owns nothing; see capture.h. Facts: Discord's API reference, "Message" and "Gateway events".
 * Invariant: an absent key stays absent; null and empty are values. */
#include "capture.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"

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

/* ---- an upsert being made ---- */

/* Memory for one event, given back together. */
typedef struct piece {
    struct piece *next;
    max_align_t data[];
} piece;

/* The event points into this, and into the payload. */
typedef struct upsert {
    api_source_event event;
    api_author author;
    api_message_kind kind;
    api_embed_list embeds;
    api_attachment_list attachments;
    double sent_at, edited_at;
    char avatar_url[256];
    piece *memory;
    bool failed; /* no memory */
} upsert;

static void *take(upsert *self, size_t count, size_t size)
{
    piece *p = calloc(1, sizeof *p + count * size);
    if (!p) {
        self->failed = true;
        return NULL;
    }
    p->next = self->memory;
    self->memory = p;
    return p->data;
}

static void upsert_done(upsert *self)
{
    for (piece *p = self->memory, *next; p; p = next) {
        next = p->next;
        free(p);
    }
}

static convex_str str_of(const cJSON *object, const char *name)
{
    return convex_str_of(text_of(object, name));
}

/* ---- parts of a message ---- */

static void set_author(upsert *self, const cJSON *author, const cJSON *member, bool is_webhook)
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
    self->author = (api_author){.id = convex_str_of(id),
                                .name = convex_str_of(name),
                                .bot = is_webhook || cJSON_IsTrue(field(author, "bot"))};
    if (avatar && avatar[0]) {
        snprintf(self->avatar_url, sizeof self->avatar_url,
                 "https://cdn.discordapp.com/avatars/%s/%s.png?size=64", id, avatar);
        self->author.avatar_url = convex_str_of(self->avatar_url);
    }
    self->event.as.upsert.author = &self->author;
}

/* What an embed may point to. */
typedef struct embed_parts {
    api_embed_author author;
    api_embed_footer footer;
    api_embed_image image, thumbnail;
    api_embed_field_list fields;
    double color;
} embed_parts;

static bool set_embed_fields(upsert *self, api_embed_field_list *list, const cJSON *fields)
{
    const cJSON *item;
    int count = cJSON_GetArraySize(fields);
    api_embed_field *items = count > 0 ? take(self, (size_t)count, sizeof *items) : NULL;
    *list = (api_embed_field_list){items, 0};
    if (!items)
        return false;
    cJSON_ArrayForEach(item, fields)
    {
        const char *name = text_of(item, "name"), *value = text_of(item, "value");
        if (name && value)
            items[list->count++] =
                (api_embed_field){.name = convex_str_of(name),
                                  .value = convex_str_of(value),
                                  .inline_ = cJSON_IsTrue(field(item, "inline"))};
    }
    return true;
}

/* A nested object is left out without its first member. */
static void set_embed(upsert *self, api_embed *embed, embed_parts *parts, const cJSON *from)
{
    const cJSON *author = field(from, "author"), *footer = field(from, "footer");
    parts->author = (api_embed_author){.name = str_of(author, "name"),
                                       .url = str_of(author, "url"),
                                       .icon_url = str_of(author, "icon_url")};
    parts->footer =
        (api_embed_footer){.text = str_of(footer, "text"), .icon_url = str_of(footer, "icon_url")};
    parts->image.url = str_of(field(from, "image"), "url");
    parts->thumbnail.url = str_of(field(from, "thumbnail"), "url");
    parts->color = number_of(from, "color", 0);
    *embed = (api_embed){
        .title = str_of(from, "title"),
        .description = str_of(from, "description"),
        .url = str_of(from, "url"),
        .timestamp = str_of(from, "timestamp"),
        .color = cJSON_IsNumber(field(from, "color")) ? &parts->color : NULL,
        .author = parts->author.name.data ? &parts->author : NULL,
        .footer = parts->footer.text.data ? &parts->footer : NULL,
        .image = parts->image.url.data ? &parts->image : NULL,
        .thumbnail = parts->thumbnail.url.data ? &parts->thumbnail : NULL,
        .fields =
            set_embed_fields(self, &parts->fields, field(from, "fields")) ? &parts->fields : NULL,
    };
}

/* A person's message holds only generated embeds: whoever shows it makes its own. */
static void set_embeds(upsert *self, const cJSON *embeds, bool authored)
{
    const cJSON *embed;
    size_t count = authored ? (size_t)cJSON_GetArraySize(embeds) : 0;
    api_embed *items = take(self, count, sizeof *items);
    embed_parts *parts = take(self, count, sizeof *parts);
    self->embeds = (api_embed_list){items, 0};
    self->event.as.upsert.embeds = &self->embeds;
    if (!authored || !items || !parts)
        return;
    cJSON_ArrayForEach(embed, embeds)
    {
        const char *type = text_of(embed, "type");
        size_t n = self->embeds.count;
        if (!cJSON_IsObject(embed) || (type && strcmp(type, "rich") != 0))
            continue;
        set_embed(self, &items[n], &parts[n], embed);
        self->embeds.count++;
    }
}

static void set_attachments(upsert *self, const cJSON *attachments)
{
    const cJSON *item;
    api_attachment *items = take(self, (size_t)cJSON_GetArraySize(attachments), sizeof *items);
    self->attachments = (api_attachment_list){items, 0};
    self->event.as.upsert.attachments = &self->attachments;
    if (!items)
        return;
    cJSON_ArrayForEach(item, attachments)
    {
        const char *id = text_of(item, "id"), *url = text_of(item, "url");
        const char *filename = text_of(item, "filename");
        if (id && url)
            items[self->attachments.count++] =
                (api_attachment){.id = convex_str_of(id),
                                 .filename = convex_str_of(filename ? filename : id),
                                 .url = convex_str_of(url),
                                 .content_type = str_of(item, "content_type"),
                                 .description = str_of(item, "description"),
                                 .size = number_of(item, "size", 0)};
    }
}

/* ---- text ---- */

typedef struct text {
    char *data;
    size_t size;
} text;

static void text_add(upsert *self, text *into, const char *part)
{
    size_t len = strlen(part), gap = into->size ? 1 : 0;
    char *grown = len > 0 ? take(self, into->size + gap + len + 1, 1) : NULL;
    if (!grown)
        return;
    if (gap) {
        memcpy(grown, into->data, into->size);
        grown[into->size] = '\n';
    }
    memcpy(grown + into->size + gap, part, len + 1);
    *into = (text){grown, into->size + gap + len};
}

/* In "components v2" messages the text is in nested components and `content` is empty. */
static void add_component_text(upsert *self, text *into, const cJSON *components, int depth)
{
    const cJSON *item;
    if (depth == 0)
        return;
    cJSON_ArrayForEach(item, components)
    {
        const char *content = text_of(item, "content");
        if (content && number_of(item, "type", 0) == COMPONENT_TEXT)
            text_add(self, into, content);
        add_component_text(self, into, field(item, "components"), depth - 1);
    }
}

static void set_content(upsert *self, const cJSON *message, const char *content)
{
    text all = {0};
    if (flags_of(message) & FLAG_COMPONENTS_V2) {
        text_add(self, &all, content);
        add_component_text(self, &all, field(message, "components"), COMPONENT_DEPTH);
        content = all.data ? all.data : "";
    }
    self->event.as.upsert.content = convex_str_of(content);
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

static int hand_over(const capture *self, const api_source_event *event, const char *channel_id,
                     const char *message_id)
{
    convex_value *value = NULL;
    char *json = NULL, key[KEY_MAX];
    size_t size = 0;
    convex_status status = api_source_event_encode(event, NULL, &value, NULL);
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

static void set_times(upsert *self, const cJSON *message)
{
    const cJSON *edited = field(message, "edited_timestamp");
    const char *sent = text_of(message, "timestamp");
    api_upsert_event *event = &self->event.as.upsert;
    int64_t ms;
    if (sent && capture_time(sent, &ms) == 0) {
        self->sent_at = (double)ms;
        event->sent_at = &self->sent_at;
    }
    event->edited_at_is_null = cJSON_IsNull(edited);
    if (cJSON_IsString(edited) && capture_time(edited->valuestring, &ms) == 0) {
        self->edited_at = (double)ms;
        event->edited_at = &self->edited_at;
    }
}

static void set_reference(upsert *self, const cJSON *message, bool forward)
{
    const char *replied_to = text_of(field(message, "message_reference"), "message_id");
    const cJSON *type = field(message, "type");
    api_upsert_event *event = &self->event.as.upsert;
    if (forward) {
        self->kind = API_MESSAGE_KIND_FORWARD;
    } else if (replied_to && number_of(message, "type", 0) == TYPE_REPLY) {
        self->kind = API_MESSAGE_KIND_REPLY;
        event->reply_to_id = convex_str_of(replied_to);
    } else if (cJSON_IsNumber(type) && type->valuedouble != TYPE_REPLY) {
        self->kind = API_MESSAGE_KIND_DEFAULT;
    }
    event->kind = self->kind ? &self->kind : NULL;
}

/* A forward whose snapshot is not in the event: its outer text is empty and says nothing. */
static bool lacks_snapshot(const cJSON *message)
{
    return number_of(field(message, "message_reference"), "type", 0) == REFERENCE_FORWARD &&
           cJSON_GetArraySize(field(message, "message_snapshots")) == 0;
}

/* What a message carries. A forward's own content is empty: its body is the snapshot. */
static void set_body(upsert *self, const cJSON *message, bool bot_known, bool is_bot)
{
    const cJSON *reference = field(message, "message_reference");
    const cJSON *snapshot =
        field(cJSON_GetArrayItem(field(message, "message_snapshots"), 0), "message");
    bool forward = number_of(reference, "type", 0) == REFERENCE_FORWARD && cJSON_IsObject(snapshot);
    const cJSON *body = forward ? snapshot : message;
    const char *content = text_of(body, "content");
    if (lacks_snapshot(message))
        return;
    set_reference(self, message, forward);
    if (content)
        set_content(self, body, content);
    if (cJSON_IsArray(field(body, "embeds")) && (bot_known || forward))
        set_embeds(self, field(body, "embeds"), is_bot || forward);
    if (cJSON_IsArray(field(body, "attachments")))
        set_attachments(self, field(body, "attachments"));
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
    upsert made = {.event = {.tag = API_SOURCE_EVENT_UPSERT}};
    made.event.as.upsert = (api_upsert_event){.guild_id = convex_str_of(guild_id),
                                              .channel_id = convex_str_of(channel_id),
                                              .message_id = convex_str_of(message_id),
                                              .captured_at = (double)self->at_ms,
                                              .partial = partial};
    if (has_author)
        set_author(&made, author, field(d, "member"), webhook);
    set_times(&made, d);
    set_body(&made, d, has_author, webhook || cJSON_IsTrue(field(author, "bot")));
    int r = made.failed ? -ENOMEM : hand_over(self, &made.event, channel_id, message_id);
    upsert_done(&made);
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
    api_source_event event = {.tag = API_SOURCE_EVENT_DELETE};
    event.as.delete_ = (api_delete_event){.guild_id = convex_str_of(guild_id),
                                          .channel_id = convex_str_of(channel_id),
                                          .message_id = convex_str_of(message_id),
                                          .captured_at = (double)self->at_ms};
    return hand_over(self, &event, channel_id, message_id);
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
