/* capture.c - from a Discord gateway event to what signals:record takes.
 * Owns nothing; see capture.h. Facts: Discord's API reference, "Gateway events". */
#include "capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "upsert.h"

/* Message types with content of their own: default, reply, slash command, context menu command. */
static const int mirrored_types[] = {0, 19, 20, 23};

enum { KEY_MAX = 64 };

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
    const capture_rules *rules;
    int64_t at_ms;
    capture_fn *fn;
    void *user;
} capture;

static convex_str str_or_absent(const char *text)
{
    return convex_str_of(text[0] ? text : NULL);
}

static const char *written_in(const capture_place *place)
{
    return place->thread_id[0] ? place->thread_id : place->channel_id;
}

static bool find_place(const capture *self, const cJSON *d, const char *id, capture_place *ret)
{
    memset(ret, 0, sizeof *ret);
    return self->rules->place(id, upsert_text(d, "guild_id"), ret, self->rules->user) &&
           upsert_is_id(ret->guild_id);
}

static int hand_over(const capture *self, const api_source_event *event, const char *channel_id,
                     const char *where, const char *what)
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
    snprintf(key, sizeof key, "%s/%s", where, what);
    int r = self->fn(channel_id, key, json, size, self->user);
    convex_text_free(json, NULL);
    return r;
}

/* ---- messages ---- */

static bool is_mirrored(const cJSON *message)
{
    double type = upsert_number(message, "type", 0);
    if (upsert_flags(message) & (UPSERT_EPHEMERAL | UPSERT_LOADING)) /* an update brings its text */
        return false;
    for (size_t i = 0; i < sizeof mirrored_types / sizeof *mirrored_types; i++)
        if (type == mirrored_types[i])
            return true;
    return false;
}

static bool is_same(const char *id, const char *other)
{
    return id && other && id[0] && strcmp(id, other) == 0;
}

static bool is_listed(const char *id, const char *list)
{
    size_t len = id ? strlen(id) : 0;
    for (const char *at = list; len > 0 && at && (at = strstr(at, id)); at += len)
        if ((at == list || !strchr("0123456789", at[-1])) && strspn(at, "0123456789") == len)
            return true;
    return false;
}

/* What we or the mirror wrote: captured again, it would go round for ever. */
static bool is_ours(const capture_rules *rules, const cJSON *message)
{
    const char *author = upsert_text(upsert_field(message, "author"), "id");
    const char *webhook = upsert_text(message, "webhook_id");
    return is_same(author, rules->own_id) || is_listed(author, rules->ignored) ||
           is_listed(webhook, rules->ignored) ||
           (webhook && is_same(upsert_text(message, "application_id"), rules->own_application_id));
}

/* An update may carry only what changed, or, in older payloads, not even the author. */
static bool is_whole(const cJSON *d)
{
    static const char *const texts[] = {"content", "timestamp"};
    static const char *const lists[] = {"embeds", "attachments"};
    for (size_t i = 0; i < 2; i++)
        if (!upsert_text(d, texts[i]) || !cJSON_IsArray(upsert_field(d, lists[i])))
            return false;
    return upsert_is_id(upsert_text(upsert_field(d, "author"), "id")) && !upsert_lacks_snapshot(d);
}

/* Embeds of nobody in particular, or what nobody knows of: only the whole message tells. */
static int ask_for(const capture *self, const capture_place *place, const char *message_id)
{
    char key[KEY_MAX];
    snprintf(key, sizeof key, "%s/%s", written_in(place), message_id);
    return self->fn(written_in(place), key, NULL, 0, self->user);
}

static int on_message(const capture *self, const cJSON *d, const capture_place *place, bool created)
{
    const char *message_id = upsert_text(d, "id");
    const cJSON *author = upsert_field(d, "author");
    bool has_author = upsert_is_id(upsert_text(author, "id"));
    bool is_bot = upsert_text(d, "webhook_id") || cJSON_IsTrue(upsert_field(author, "bot"));
    bool partial = !created && !is_whole(d);
    if (!upsert_is_id(message_id))
        return -EBADMSG;
    if (!is_mirrored(d) || is_ours(self->rules, d))
        return 0;
    upsert made = {.event = {.tag = API_SOURCE_EVENT_UPSERT}};
    made.event.as.upsert = (api_upsert_event){.guild_id = convex_str_of(place->guild_id),
                                              .channel_id = convex_str_of(place->channel_id),
                                              .thread_id = str_or_absent(place->thread_id),
                                              .message_id = convex_str_of(message_id),
                                              .captured_at = (double)self->at_ms,
                                              .partial = partial};
    if (has_author)
        upsert_set_author(&made, author, upsert_field(d, "member"), is_bot);
    upsert_set_times(&made, d);
    upsert_set_body(&made, d, has_author, is_bot);
    int r = made.failed
                ? -ENOMEM
                : hand_over(self, &made.event, written_in(place), written_in(place), message_id);
    upsert_done(&made);
    if (r == 0 && partial && (upsert_field(d, "embeds") || upsert_lacks_snapshot(d)) && !has_author)
        r = ask_for(self, place, message_id);
    return r;
}

static int on_upsert(const capture *self, const cJSON *d, bool created)
{
    const char *channel_id = upsert_text(d, "channel_id");
    capture_place place;
    if (!upsert_is_id(channel_id) || !upsert_is_id(upsert_text(d, "id")))
        return -EBADMSG;
    return find_place(self, d, channel_id, &place) ? on_message(self, d, &place, created) : 0;
}

static int on_create(const capture *self, const cJSON *d)
{
    return on_upsert(self, d, true);
}

static int on_update(const capture *self, const cJSON *d)
{
    return on_upsert(self, d, false);
}

/* ---- deletes ---- */

static int delete_one(const capture *self, const capture_place *place, const char *message_id)
{
    if (!upsert_is_id(message_id))
        return -EBADMSG;
    api_source_event event = {.tag = API_SOURCE_EVENT_DELETE};
    event.as.delete_ = (api_delete_event){.guild_id = convex_str_of(place->guild_id),
                                          .channel_id = convex_str_of(place->channel_id),
                                          .thread_id = str_or_absent(place->thread_id),
                                          .message_id = convex_str_of(message_id),
                                          .captured_at = (double)self->at_ms};
    return hand_over(self, &event, written_in(place), written_in(place), message_id);
}

static int on_delete(const capture *self, const cJSON *d)
{
    const char *channel_id = upsert_text(d, "channel_id");
    capture_place place;
    if (!upsert_is_id(channel_id) || !upsert_is_id(upsert_text(d, "id")))
        return -EBADMSG;
    return find_place(self, d, channel_id, &place) ? delete_one(self, &place, upsert_text(d, "id"))
                                                   : 0;
}

static int on_delete_bulk(const capture *self, const cJSON *d)
{
    const char *channel_id = upsert_text(d, "channel_id");
    const cJSON *id;
    capture_place place;
    int r = 0;
    if (!upsert_is_id(channel_id))
        return -EBADMSG;
    if (!find_place(self, d, channel_id, &place))
        return 0;
    cJSON_ArrayForEach(id, upsert_field(d, "ids")) if (r == 0) r =
        delete_one(self, &place, cJSON_GetStringValue(id));
    return r;
}

static int delete_place(const capture *self, const capture_place *place)
{
    api_source_event event = {.tag = API_SOURCE_EVENT_CHANNEL_DELETE};
    event.as.channel_delete =
        (api_channel_delete_event){.guild_id = convex_str_of(place->guild_id),
                                   .channel_id = convex_str_of(place->channel_id),
                                   .thread_id = str_or_absent(place->thread_id),
                                   .captured_at = (double)self->at_ms};
    /* the thread itself is nowhere any more */
    return hand_over(self, &event, place->channel_id, written_in(place), "deleted");
}

static int on_channel_delete(const capture *self, const cJSON *d)
{
    capture_place place;
    if (!upsert_is_id(upsert_text(d, "id")))
        return -EBADMSG;
    return find_place(self, d, upsert_text(d, "id"), &place) ? delete_place(self, &place) : 0;
}

/* Its parent is in the event, whether the thread was known or not. */
static int on_thread_delete(const capture *self, const cJSON *d)
{
    const char *id = upsert_text(d, "id"), *parent = upsert_text(d, "parent_id");
    capture_place place;
    if (!upsert_is_id(id))
        return -EBADMSG;
    if (!upsert_is_id(parent))
        return on_channel_delete(self, d);
    if (!find_place(self, d, parent, &place))
        return 0;
    snprintf(place.thread_id, sizeof place.thread_id, "%s", id);
    return delete_place(self, &place);
}

/* ---- what others call ---- */

int capture_event(const capture_rules *rules, const char *name, const cJSON *data,
                  int64_t captured_at_ms, capture_fn *fn, void *user)
{
    static const struct {
        const char *name;
        int (*run)(const capture *, const cJSON *);
    } kinds[] = {{"MESSAGE_CREATE", on_create},         {"MESSAGE_UPDATE", on_update},
                 {"MESSAGE_DELETE", on_delete},         {"MESSAGE_DELETE_BULK", on_delete_bulk},
                 {"CHANNEL_DELETE", on_channel_delete}, {"THREAD_DELETE", on_thread_delete}};
    capture self = {rules, captured_at_ms, fn, user};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i].name) == 0)
            return kinds[i].run(&self, data);
    return 0;
}

int capture_message(const capture_rules *rules, const capture_place *place, const cJSON *message,
                    int64_t captured_at_ms, capture_fn *fn, void *user)
{
    capture self = {rules, captured_at_ms, fn, user};
    return on_message(&self, message, place, true);
}

int capture_gone(const capture_place *place, const char *message_id, int64_t captured_at_ms,
                 capture_fn *fn, void *user)
{
    capture self = {NULL, captured_at_ms, fn, user};
    return message_id ? delete_one(&self, place, message_id) : delete_place(&self, place);
}
