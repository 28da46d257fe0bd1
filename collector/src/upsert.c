/* upsert.c - an event for signals:record, made of what Discord says of a message.
 * Facts: Discord's API reference, "Message", "Components", "Poll" and "Sticker".
 * Invariant: an absent key stays absent; null and empty are values. */
#include "upsert.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "trade_readings.h"

enum {
    TYPE_REPLY = 19,
    REFERENCE_FORWARD = 1,
    FILE_IS_SPOILER = 1 << 3,
    COMPONENT_TEXT = 10,
    COMPONENT_THUMBNAIL = 11,
    COMPONENT_FILE = 13,
    COMPONENT_DEPTH = 8,
    NAME_SIZE = 96 /* of what we make up: ids and addresses of stickers */
};

/* ---- reading ---- */

const cJSON *upsert_field(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *upsert_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(upsert_field(object, name));
}

double upsert_number(const cJSON *object, const char *name, double fallback)
{
    const cJSON *item = upsert_field(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

unsigned upsert_flags(const cJSON *message)
{
    double flags = upsert_number(message, "flags", 0);
    return flags >= 0 && flags <= UINT32_MAX ? (unsigned)flags : 0;
}

bool upsert_is_id(const char *text)
{
    size_t len = text ? strspn(text, "0123456789") : 0;
    return len >= 1 && len <= 20 && text[len] == '\0';
}

static convex_str str_of(const cJSON *object, const char *name)
{
    return convex_str_of(upsert_text(object, name));
}

/* ---- memory ---- */

/* Memory for one event, given back together. */
typedef struct upsert_piece {
    struct upsert_piece *next;
    max_align_t data[];
} upsert_piece;

static void *take(upsert *self, size_t count, size_t size)
{
    upsert_piece *p = calloc(1, sizeof *p + count * size);
    if (!p) {
        self->failed = true;
        return NULL;
    }
    p->next = self->memory;
    self->memory = p;
    return p->data;
}

void upsert_done(upsert *self)
{
    for (upsert_piece *p = self->memory, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    self->memory = NULL;
    trade_readings_free(self->trades);
    self->trades = NULL;
}

/* ---- author and times ---- */

void upsert_set_author(upsert *self, const cJSON *author, const cJSON *member, bool is_bot)
{
    const char *id = upsert_text(author, "id");
    const char *avatar = upsert_text(author, "avatar");
    const char *names[] = {upsert_text(member, "nick"), upsert_text(author, "global_name"),
                           upsert_text(author, "username"), id};
    const char *name = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] && names[i][0]) {
            name = names[i];
            break;
        }
    self->author =
        (api_author){.id = convex_str_of(id), .name = convex_str_of(name), .bot = is_bot};
    if (avatar && avatar[0]) {
        snprintf(self->avatar_url, sizeof self->avatar_url,
                 "https://cdn.discordapp.com/avatars/%s/%s.png?size=64", id, avatar);
        self->author.avatar_url = convex_str_of(self->avatar_url);
    }
    self->event.as.upsert.author = &self->author;
}

void upsert_set_times(upsert *self, const cJSON *message)
{
    const cJSON *edited = upsert_field(message, "edited_timestamp");
    const char *sent = upsert_text(message, "timestamp");
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

/* ---- embeds ---- */

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
        const char *name = upsert_text(item, "name"), *value = upsert_text(item, "value");
        if (name && value)
            items[list->count++] =
                (api_embed_field){.name = convex_str_of(name),
                                  .value = convex_str_of(value),
                                  .inline_ = cJSON_IsTrue(upsert_field(item, "inline"))};
    }
    return true;
}

/* Where Discord has its own copy; nothing new where that is the address itself. */
static convex_str proxy_of(const cJSON *object, const char *name, convex_str url)
{
    convex_str proxy = str_of(object, name);
    bool same = proxy.data && url.data && strcmp(proxy.data, url.data) == 0;
    return same ? convex_str_of(NULL) : proxy;
}

static void set_picture(api_embed_image *picture, const cJSON *from)
{
    picture->url = str_of(from, "url");
    picture->proxy_url = proxy_of(from, "proxy_url", picture->url);
}

/* A nested object is left out without its first member. */
static void set_embed(upsert *self, api_embed *embed, embed_parts *parts, const cJSON *from)
{
    const cJSON *author = upsert_field(from, "author"), *footer = upsert_field(from, "footer");
    parts->author = (api_embed_author){.name = str_of(author, "name"),
                                       .url = str_of(author, "url"),
                                       .icon_url = str_of(author, "icon_url")};
    parts->footer =
        (api_embed_footer){.text = str_of(footer, "text"), .icon_url = str_of(footer, "icon_url")};
    parts->author.proxy_icon_url = proxy_of(author, "proxy_icon_url", parts->author.icon_url);
    parts->footer.proxy_icon_url = proxy_of(footer, "proxy_icon_url", parts->footer.icon_url);
    set_picture(&parts->image, upsert_field(from, "image"));
    set_picture(&parts->thumbnail, upsert_field(from, "thumbnail"));
    parts->color = upsert_number(from, "color", 0);
    *embed = (api_embed){
        .title = str_of(from, "title"),
        .description = str_of(from, "description"),
        .url = str_of(from, "url"),
        .timestamp = str_of(from, "timestamp"),
        .color = cJSON_IsNumber(upsert_field(from, "color")) ? &parts->color : NULL,
        .author = parts->author.name.data ? &parts->author : NULL,
        .footer = parts->footer.text.data ? &parts->footer : NULL,
        .image = parts->image.url.data ? &parts->image : NULL,
        .thumbnail = parts->thumbnail.url.data ? &parts->thumbnail : NULL,
        .fields = set_embed_fields(self, &parts->fields, upsert_field(from, "fields"))
                      ? &parts->fields
                      : NULL,
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
        const char *type = upsert_text(embed, "type");
        size_t n = self->embeds.count;
        if (!cJSON_IsObject(embed) || (type && strcmp(type, "rich") != 0))
            continue;
        set_embed(self, &items[n], &parts[n], embed);
        self->embeds.count++;
    }
}

/* ---- files ---- */

/* The files of a message: uploads, and the media of its components. */
typedef struct files {
    api_attachment *items;
    size_t count, cap;
} files;

static api_attachment *add_file(upsert *self, files *into)
{
    if (into->count == into->cap) {
        size_t cap = into->cap ? into->cap * 2 : 8;
        api_attachment *grown = take(self, cap, sizeof *grown);
        if (!grown)
            return NULL;
        if (into->count)
            memcpy(grown, into->items, into->count * sizeof *grown);
        into->items = grown;
        into->cap = cap;
    }
    return &into->items[into->count++];
}

static const bool yes = true;

/* The name the uploader gave: `filename` is without what is not ASCII, `title` without suffix. */
static const char *name_of(upsert *self, const cJSON *file, const char *fallback)
{
    const char *name = upsert_text(file, "filename"), *title = upsert_text(file, "title");
    const char *suffix = name ? strrchr(name, '.') : NULL;
    if (!title || !title[0])
        return name ? name : fallback;
    size_t len = strlen(title), more = suffix ? strlen(suffix) : 0;
    if (!more || (len >= more && strcmp(title + len - more, suffix) == 0))
        return title;
    char *made = take(self, len + more + 1, 1);
    if (!made)
        return name;
    memcpy(made, title, len);
    memcpy(made + len, suffix, more + 1);
    return made;
}

static void add_upload(upsert *self, files *into, const cJSON *item)
{
    const char *id = upsert_text(item, "id"), *url = upsert_text(item, "url");
    const char *filename = upsert_text(item, "filename");
    api_attachment *made = id && url ? add_file(self, into) : NULL;
    if (!made)
        return;
    bool spoiler = (upsert_flags(item) & FILE_IS_SPOILER) != 0 ||
                   (filename && strncmp(filename, "SPOILER_", 8) == 0);
    *made = (api_attachment){.id = convex_str_of(id),
                             .filename = convex_str_of(name_of(self, item, id)),
                             .url = convex_str_of(url),
                             .content_type = str_of(item, "content_type"),
                             .description = str_of(item, "description"),
                             .size = upsert_number(item, "size", 0),
                             .spoiler = spoiler ? &yes : NULL};
}

/* The upload's id in ".../attachments/CHANNEL/ID/NAME", or a name made of the whole address. */
static const char *id_of_url(upsert *self, const char *url)
{
    const char *path = strstr(url, "/attachments/");
    char *id = take(self, NAME_SIZE, 1), channel[24];
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    if (!id)
        return url;
    if (path && sscanf(path, "/attachments/%20[0-9]/%20[0-9]/", channel, id) == 2)
        return id;
    for (const char *c = url; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    snprintf(id, NAME_SIZE, "url-%016llx", (unsigned long long)hash);
    return id;
}

static const char *name_of_url(upsert *self, const char *url)
{
    size_t len = strcspn(url, "?#"), begin = len;
    while (begin > 0 && url[begin - 1] != '/')
        begin--;
    char *name = take(self, len - begin + 1, 1);
    if (!name || begin == len)
        return "file";
    memcpy(name, url + begin, len - begin);
    return name;
}

static bool has_file(const files *all, const char *id)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i].id.data, id) == 0)
            return true;
    return false;
}

/* A component's picture or file: `attachments` leaves out what components show. */
static void add_media(upsert *self, files *into, const cJSON *owner, const cJSON *media,
                      bool hidden)
{
    const char *url = upsert_text(media, "url"), *name = upsert_text(owner, "name");
    if (!url || strncmp(url, "http", 4) != 0)
        return;
    const char *id = upsert_text(media, "attachment_id");
    if (!upsert_is_id(id))
        id = id_of_url(self, url);
    api_attachment *made = has_file(into, id) ? NULL : add_file(self, into);
    if (!made)
        return;
    hidden = hidden || cJSON_IsTrue(upsert_field(owner, "spoiler"));
    *made = (api_attachment){.id = convex_str_of(id),
                             .filename = convex_str_of(name ? name : name_of_url(self, url)),
                             .url = convex_str_of(url),
                             .content_type = str_of(media, "content_type"),
                             .description = str_of(owner, "description"),
                             .size = upsert_number(owner, "size", 0),
                             .spoiler = hidden ? &yes : NULL};
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

/* Walks components in the order in which they are shown. */
static void read_components(upsert *self, text *words, files *media, const cJSON *list, bool hidden,
                            int depth);

static void read_component(upsert *self, text *words, files *media, const cJSON *item, bool hidden,
                           int depth)
{
    const cJSON *picture;
    int type = (int)upsert_number(item, "type", 0);
    const char *content = upsert_text(item, "content");
    hidden = hidden || cJSON_IsTrue(upsert_field(item, "spoiler"));
    if (content && type == COMPONENT_TEXT)
        text_add(self, words, content);
    if (type == COMPONENT_THUMBNAIL)
        add_media(self, media, item, upsert_field(item, "media"), hidden);
    if (type == COMPONENT_FILE)
        add_media(self, media, item, upsert_field(item, "file"), hidden);
    cJSON_ArrayForEach(picture, upsert_field(item, "items"))
        add_media(self, media, picture, upsert_field(picture, "media"), hidden);
    read_components(self, words, media, upsert_field(item, "components"), hidden, depth - 1);
    if (cJSON_IsObject(upsert_field(item, "accessory")) && depth > 1)
        read_component(self, words, media, upsert_field(item, "accessory"), hidden, depth - 1);
}

static void read_components(upsert *self, text *words, files *media, const cJSON *list, bool hidden,
                            int depth)
{
    const cJSON *item;
    if (depth <= 0 || !cJSON_IsArray(list))
        return;
    cJSON_ArrayForEach(item, list) if (cJSON_IsObject(item))
        read_component(self, words, media, item, hidden, depth);
}

/* In "components v2" messages text and media are in nested components, and `content` is empty. */
static void set_text_and_files(upsert *self, const cJSON *message)
{
    const cJSON *uploads = upsert_field(message, "attachments"), *item;
    const cJSON *components = upsert_field(message, "components");
    const char *content = upsert_text(message, "content");
    bool is_v2 = (upsert_flags(message) & UPSERT_COMPONENTS_V2) != 0;
    api_upsert_event *event = &self->event.as.upsert;
    files all = {0};
    text words = {0};

    cJSON_ArrayForEach(item, uploads) add_upload(self, &all, item);
    if (content)
        text_add(self, &words, content);
    read_components(self, &words, &all, components, false, COMPONENT_DEPTH);
    if (is_v2 ? cJSON_IsArray(components) : content || words.size > 0)
        event->content = convex_str_of(words.data ? words.data : "");
    if (cJSON_IsArray(uploads) && (!is_v2 || cJSON_IsArray(components))) {
        self->attachments = (api_attachment_list){all.items, all.count};
        event->attachments = &self->attachments;
    }
}

/* ---- stickers and polls ---- */

static void set_sticker(upsert *self, api_sticker *made, const cJSON *item)
{
    static const struct {
        api_sticker_format format;
        const char *base, *suffix;
    } formats[] = {
        {API_STICKER_FORMAT_PNG, "https://cdn.discordapp.com/stickers/", ".png"},
        {API_STICKER_FORMAT_APNG, "https://cdn.discordapp.com/stickers/", ".png"},
        {API_STICKER_FORMAT_LOTTIE, NULL, NULL},
        {API_STICKER_FORMAT_GIF, "https://media.discordapp.net/stickers/", ".gif"},
    };
    double type = upsert_number(item, "format_type", 1);
    size_t n = type >= 2 && type <= 4 ? (size_t)type - 1 : 0;
    *made = (api_sticker){
        .id = str_of(item, "id"), .name = str_of(item, "name"), .format = formats[n].format};
    char *url = formats[n].base ? take(self, NAME_SIZE, 1) : NULL;
    if (!url)
        return;
    snprintf(url, NAME_SIZE, "%s%s%s", formats[n].base, upsert_text(item, "id"), formats[n].suffix);
    made->url = convex_str_of(url);
}

/* None is what Discord leaves out. */
static void set_stickers(upsert *self, const cJSON *list)
{
    const cJSON *item;
    int count = cJSON_GetArraySize(list);
    api_sticker *items = count > 0 ? take(self, (size_t)count, sizeof *items) : NULL;
    if (!items)
        return;
    self->stickers = (api_sticker_list){items, 0};
    cJSON_ArrayForEach(item,
                       list) if (upsert_is_id(upsert_text(item, "id")) && upsert_text(item, "name"))
        set_sticker(self, &items[self->stickers.count++], item);
    if (self->stickers.count > 0)
        self->event.as.upsert.stickers = &self->stickers;
}

static void set_poll(upsert *self, const cJSON *from)
{
    const cJSON *answers = upsert_field(from, "answers"), *item;
    const char *question = upsert_text(upsert_field(from, "question"), "text");
    const char *expiry = upsert_text(from, "expiry");
    int64_t ms;
    if (!question)
        return;
    convex_str *items = take(self, (size_t)cJSON_GetArraySize(answers) + 1, sizeof *items);
    if (!items)
        return;
    self->poll = (api_poll){.question = convex_str_of(question),
                            .answers = {items, 0},
                            .multiple = cJSON_IsTrue(upsert_field(from, "allow_multiselect"))};
    cJSON_ArrayForEach(item, answers)
    {
        const cJSON *media = upsert_field(item, "poll_media");
        const char *words = upsert_text(media, "text");
        if (!words) /* an answer may be an emoji alone */
            words = upsert_text(upsert_field(media, "emoji"), "name");
        if (words)
            items[self->poll.answers.count++] = convex_str_of(words);
    }
    if (expiry && capture_time(expiry, &ms) == 0) {
        self->ends_at = (double)ms;
        self->poll.ends_at = &self->ends_at;
    }
    self->event.as.upsert.poll = &self->poll;
}

/* ---- the whole ---- */

static void set_reference(upsert *self, const cJSON *message, bool forward)
{
    const char *replied_to = upsert_text(upsert_field(message, "message_reference"), "message_id");
    const cJSON *type = upsert_field(message, "type");
    api_upsert_event *event = &self->event.as.upsert;
    if (forward) {
        self->kind = API_MESSAGE_KIND_FORWARD;
    } else if (replied_to && upsert_number(message, "type", 0) == TYPE_REPLY) {
        self->kind = API_MESSAGE_KIND_REPLY;
        event->reply_to_id = convex_str_of(replied_to);
    } else if (cJSON_IsNumber(type) && type->valuedouble != TYPE_REPLY) {
        self->kind = API_MESSAGE_KIND_DEFAULT;
    }
    event->kind = self->kind ? &self->kind : NULL;
}

bool upsert_lacks_snapshot(const cJSON *message)
{
    const cJSON *reference = upsert_field(message, "message_reference");
    return upsert_number(reference, "type", 0) == REFERENCE_FORWARD &&
           cJSON_GetArraySize(upsert_field(message, "message_snapshots")) == 0;
}

void upsert_set_body(upsert *self, const cJSON *message, bool author_known, bool is_bot)
{
    const cJSON *reference = upsert_field(message, "message_reference");
    const cJSON *snapshot =
        upsert_field(cJSON_GetArrayItem(upsert_field(message, "message_snapshots"), 0), "message");
    bool forward =
        upsert_number(reference, "type", 0) == REFERENCE_FORWARD && cJSON_IsObject(snapshot);
    const cJSON *body = forward ? snapshot : message;
    if (upsert_lacks_snapshot(message))
        return;
    set_reference(self, message, forward);
    set_text_and_files(self, body);
    if (cJSON_IsArray(upsert_field(body, "embeds")) && (author_known || forward))
        set_embeds(self, upsert_field(body, "embeds"), is_bot || forward);
    set_stickers(self, upsert_field(body, "sticker_items"));
    set_poll(self, upsert_field(body, "poll"));
    if (!self->failed && trade_readings_new(&self->event.as.upsert, &self->trades) != 0)
        self->failed = true;
}
