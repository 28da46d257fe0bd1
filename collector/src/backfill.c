/* backfill.c - what was written while no gateway session saw it.
 * Owns the cursors of the captured channels and the one request under way. Loop thread only; the
 * answer comes from the REST thread through `lock`.
 * Invariants: a cursor on disk never lies behind a message that is not in the outbox; while a
 * channel's gap is open, only its pages move its cursor. */
#include "backfill.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/log.h"

enum { PAGE = 100, RETRY_BASE_MS = 500, RETRY_CAP_MS = 30000, NAME_MAX_SIZE = 48 };

static const char gap_name[] = "backfill.gap";
static const char channels_name[] = "backfill.channels";

typedef struct channel {
    struct channel *next;
    char guild_id[24], id[24];
    bool known;            /* has a cursor */
    bool open;             /* its gap is not read yet */
    bool kept, next_known; /* next_*: what the transaction under way makes of it */
    uint64_t cursor, next_cursor;
    unsigned generation; /* of the gap: a new session opens another one */
} channel;

struct backfill {
    backfill_options options;
    daemon_waker *waker;
    daemon_timer *later;
    channel *channels;
    bool gap, next_gap; /* on disk: some gap is open */
    bool asking, delayed, stopped, busy;
    char asked_id[24]; /* of the request under way */
    unsigned asked_generation;
    int64_t asked_at_ms;
    backoff retry;
    pthread_mutex_t lock;
    const discord_result *answer; /* owned, under lock */
};

static void ask(backfill *self);

/* ---- cursors ---- */

static channel *find(const backfill *self, const char *id)
{
    for (channel *c = self->channels; c; c = c->next)
        if (strcmp(c->id, id) == 0)
            return c;
    return NULL;
}

static const char *cursor_name(const char *id, char name[NAME_MAX_SIZE])
{
    snprintf(name, NAME_MAX_SIZE, "backfill.cursor.%.24s", id);
    return name;
}

static void load_cursor(backfill *self, channel *c)
{
    char name[NAME_MAX_SIZE];
    void *value = NULL;
    if (outbox_get(self->options.box, cursor_name(c->id, name), &value, NULL) != 0)
        return;
    c->cursor = c->next_cursor = strtoull(value, NULL, 10);
    c->known = c->next_known = true;
    free(value);
}

void backfill_note(backfill *self, const event_list *events, bool new_session)
{
    if (new_session) {
        self->next_gap = true;
        for (channel *c = self->channels; c; c = c->next) {
            c->open = true;
            c->generation++;
        }
    }
    for (size_t i = 0; i < events->count; i++) {
        channel *c = events->items[i].json ? find(self, events->items[i].channel_id) : NULL;
        uint64_t id = captured_message_id(&events->items[i]);
        if (c && c->known && !c->open && id > c->next_cursor)
            c->next_cursor = id;
    }
}

static int write_cursor(backfill *self, const channel *c)
{
    char name[NAME_MAX_SIZE], text[24];
    int len = snprintf(text, sizeof text, "%" PRIu64, c->next_cursor);
    return outbox_put(self->options.box, cursor_name(c->id, name), text, (size_t)len);
}

int backfill_write(backfill *self)
{
    int r = 0;
    for (channel *c = self->channels; r == 0 && c; c = c->next)
        if (c->next_cursor != c->cursor || c->next_known != c->known)
            r = write_cursor(self, c);
    if (r == 0 && self->next_gap != self->gap)
        r = outbox_put(self->options.box, gap_name, self->next_gap ? "1" : NULL, 1);
    return r;
}

void backfill_written(backfill *self, bool committed)
{
    for (channel *c = self->channels; c; c = c->next) {
        if (committed) {
            c->cursor = c->next_cursor;
            c->known = c->next_known;
        } else {
            c->next_cursor = c->cursor;
            c->next_known = c->known;
        }
    }
    if (committed)
        self->gap = self->next_gap;
    else
        self->next_gap = self->gap;
    ask(self); /* does nothing while a page is being taken */
}

/* ---- pages ---- */

static uint64_t id_of(const cJSON *message)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "id"));
    return id ? strtoull(id, NULL, 10) : 0;
}

/* Discord lists the newest first. Returns 0 or -ENOMEM; an unreadable message is passed over. */
static int read_page(backfill *self, channel *c, const cJSON *page, event_list *into)
{
    int r = 0;
    capture_place place = {"", "", ""};
    memcpy(place.guild_id, c->guild_id, sizeof place.guild_id);
    memcpy(place.channel_id, c->id, sizeof place.channel_id);
    for (int i = cJSON_GetArraySize(page) - 1; r != -ENOMEM && i >= 0; i--) {
        const cJSON *message = cJSON_GetArrayItem(page, i);
        uint64_t id = id_of(message);
        if (id <= c->cursor)
            continue;
        r = capture_message(self->options.rules, &place, message, self->asked_at_ms, event_list_add,
                            into);
        if (id > c->next_cursor)
            c->next_cursor = id;
    }
    return r == -ENOMEM ? r : 0;
}

static bool another_is_open(const backfill *self, const channel *but)
{
    for (channel *c = self->channels; c; c = c->next)
        if (c->open && c != but)
            return true;
    return false;
}

static int take_page(backfill *self, channel *c, const cJSON *page)
{
    event_list events = {0};
    int count = cJSON_GetArraySize(page), r = 0;
    bool complete = !c->known || count < PAGE || id_of(cJSON_GetArrayItem(page, 0)) <= c->cursor;
    complete = complete && self->asked_generation == c->generation;
    if (c->known)
        r = read_page(self, c, page, &events);
    else if (count > 0)
        c->next_cursor = id_of(cJSON_GetArrayItem(page, 0));
    c->next_known = true;
    if (complete && !another_is_open(self, c))
        self->next_gap = false;
    if (r == 0)
        c->open = !complete;
    if (r == 0 && events.count > 0)
        daemon_log(DAEMON_INFO, "reading what was written meanwhile", "channel=%s messages=%zu",
                   c->id, events.count);
    if (r == 0)
        r = self->options.keep(&events, self->options.user);
    else
        backfill_written(self, false);
    if (r != 0)
        c->open = true;
    event_list_done(&events);
    return r;
}

/* Nothing can be learned of it: live events go on. */
static int pass_over(backfill *self, channel *c, const discord_error *error)
{
    event_list none = {0};
    daemon_log(DAEMON_ERROR, "cannot read a channel's history: messages may be missing",
               "channel=%s why=%s", c->id, error->message);
    c->open = false;
    if (!another_is_open(self, NULL))
        self->next_gap = false;
    return self->options.keep(&none, self->options.user);
}

static void ask_later(backfill *self)
{
    self->delayed = true;
    daemon_timer_set(self->later, RETRY_BASE_MS + backoff_next_ms(&self->retry, 0));
}

/* Returns 0, or a negative errno: to be asked again. */
static int take_answer(backfill *self, const discord_result *result)
{
    channel *c = find(self, self->asked_id);
    if (!c || !c->open)
        return 0;
    switch (result->error.status) {
    case DISCORD_OK:
        return cJSON_IsArray(result->json) ? take_page(self, c, result->json) : -EBADMSG;
    case DISCORD_EFORBIDDEN:
    case DISCORD_ENOTFOUND:
        return pass_over(self, c, &result->error);
    case DISCORD_EAUTH: /* the gateway will say it */
    case DISCORD_ECLOSED:
        self->stopped = true;
        return 0;
    default:
        daemon_log(DAEMON_WARN, "cannot read what was written meanwhile", "channel=%s why=%s",
                   c->id, result->error.message);
        return -EAGAIN;
    }
}

static void on_wake(void *user)
{
    backfill *self = user;
    pthread_mutex_lock(&self->lock);
    const discord_result *answer = self->answer;
    self->answer = NULL;
    pthread_mutex_unlock(&self->lock);
    if (!answer)
        return;
    int r = self->stopped ? 0 : take_answer(self, answer);
    discord_result_unref(answer);
    self->asking = false;
    if (r != 0)
        return ask_later(self);
    backoff_reset(&self->retry);
    ask(self);
}

static void on_page(const discord_result *result, void *user)
{
    backfill *self = user;
    pthread_mutex_lock(&self->lock);
    self->answer = discord_result_ref(result);
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

static void set_busy(backfill *self, bool busy)
{
    if (busy == self->busy)
        return;
    self->busy = busy;
    self->options.on_busy(busy, self->options.user);
}

/* Asks for the next page of the first channel with an open gap; one request at a time. */
static void ask(backfill *self)
{
    channel *c = self->channels;
    char after[24];
    if (self->asking || self->delayed || self->stopped)
        return;
    while (c && !c->open)
        c = c->next;
    set_busy(self, c != NULL);
    if (!c)
        return;
    snprintf(after, sizeof after, "%" PRIu64, c->cursor);
    discord_page page = {.limit = c->known ? PAGE : 1, .after = c->known ? after : NULL};
    memcpy(self->asked_id, c->id, sizeof self->asked_id);
    self->asked_generation = c->generation;
    self->asked_at_ms = daemon_wall_ms();
    self->asking = true;
    if (discord_rest_get_messages(self->options.rest, c->id, &page, on_page, self) == DISCORD_OK)
        return;
    self->asking = false;
    ask_later(self);
}

static void on_later(void *user)
{
    backfill *self = user;
    self->delayed = false;
    ask(self);
}

/* ---- channels ---- */

/* Without memory the channel has no cursor in this life: its gaps stay. */
static void add_channel(backfill *self, const api_captured_channel *wanted, channel **old)
{
    const char *id = wanted->channel_id.data;
    channel *c = NULL, **at = old;
    if (find(self, id))
        return;
    while (*at && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    if (*at) {
        c = *at;
        *at = c->next;
    } else if ((c = calloc(1, sizeof *c))) {
        snprintf(c->guild_id, sizeof c->guild_id, "%s", wanted->guild_id.data);
        snprintf(c->id, sizeof c->id, "%s", id);
        load_cursor(self, c);
        c->open = self->gap || !c->known;
    }
    if (!c)
        return;
    c->next = self->channels;
    self->channels = c;
}

static void forget_cursors(backfill *self, char *ids)
{
    char name[NAME_MAX_SIZE], *rest = NULL;
    for (char *id = strtok_r(ids, " ", &rest); id; id = strtok_r(NULL, " ", &rest))
        if (!find(self, id))
            outbox_put(self->options.box, cursor_name(id, name), NULL, 0);
}

/* Also channels that were dropped while no process ran. */
static void forget_dropped(backfill *self)
{
    void *before = NULL;
    size_t size = 0, count = 0;
    for (channel *c = self->channels; c; c = c->next)
        count++;
    char *now = calloc(count + 1, sizeof self->channels->id + 1);
    if (!now)
        return;
    for (channel *c = self->channels; c; c = c->next)
        size += (size_t)sprintf(now + size, "%s ", c->id);
    int r = outbox_get(self->options.box, channels_name, &before, NULL);
    if (r == -ENOENT || (r == 0 && strcmp(before, now) != 0)) {
        if (before)
            forget_cursors(self, before);
        outbox_put(self->options.box, channels_name, now, size);
    }
    free(before);
    free(now);
}

static void free_channels(channel *list)
{
    while (list) {
        channel *c = list;
        list = c->next;
        free(c);
    }
}

void backfill_set_channels(backfill *self, const api_captured_channel_list *channels)
{
    channel *old = self->channels;
    self->channels = NULL;
    for (size_t i = 0; i < channels->count; i++)
        add_channel(self, &channels->items[i], &old);
    free_channels(old);
    forget_dropped(self);
    ask(self);
}

/* ---- lifetime ---- */

int backfill_new(const backfill_options *options, backfill **ret)
{
    void *value = NULL;
    backfill *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    self->retry = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    pthread_mutex_init(&self->lock, NULL);
    self->gap = self->next_gap = outbox_get(options->box, gap_name, &value, NULL) == 0;
    free(value);
    int r = daemon_waker_new(options->loop, on_wake, self, &self->waker);
    if (r == 0)
        r = daemon_timer_new(options->loop, on_later, self, &self->later);
    if (r != 0) {
        backfill_free(self);
        return r;
    }
    *ret = self;
    return 0;
}

void backfill_stop(backfill *self)
{
    self->stopped = true;
}

void backfill_free(backfill *self)
{
    if (!self)
        return;
    free_channels(self->channels);
    discord_result_unref(self->answer);
    daemon_waker_free(self->waker);
    daemon_timer_free(self->later);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
