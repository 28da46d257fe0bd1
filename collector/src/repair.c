/* repair.c - makes what is known equal to what the source has.
 * Owns the round and the one request under way. Loop thread only; answers come from the REST thread
 * through `lock`.
 * Invariants: a message is deleted only after "Unknown Message" (10008), and after an empty page
 * only if we may read the history, too; a channel's stamp moves only after all of it and of its
 * threads was compared and mended. */
#include "repair.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "convex/value.h"
#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "readable.h"
#include "repair_page.h"

enum {
    PAGE = 100,
    THREADS_MAX = 200, /* looked at in a round, the newest */
    TRIED = 256,       /* messages that could not be fetched, not asked for again in this life */
    TRIES_MAX = 6,
    RETRY_BASE_MS = 500,
    RETRY_CAP_MS = 30000,
    QUERY_TIMEOUT_MS = 30000,
    UNKNOWN_CHANNEL = 10003,
    UNKNOWN_MESSAGE = 10008,
    NAME_MAX_SIZE = 48
};

static const char due_name[] = "repair.due";

typedef enum step {
    STEP_NONE,
    STEP_THREADS,
    STEP_PAGE,
    STEP_CHECK,
    STEP_GUILD,
    STEP_READABLE
} step;

/* A channel or thread of the round. */
typedef struct target {
    capture_place place;
    uint64_t floor; /* looked at from above this id */
    bool failed;
    bool gone; /* of `channels`: deleted, and known to be */
} target;

struct repair {
    repair_options options;
    daemon_waker *waker;
    daemon_timer *later, *timer;
    convex_sub *held;
    target *channels; /* captured; floor is that of `since` */
    size_t n_channels;
    bool channels_known, backend_known, waiting, due, stopped;

    bool running; /* a round, with: */
    int64_t started_at_ms;
    target *targets;
    size_t n_targets, cap_targets, at, guilds_done;
    bool listed;        /* threads are among the targets */
    uint64_t after;     /* of the page under way */
    bool unsettled;     /* something may be missing: look again soon */
    bool page_was_last; /* the target is done once its checks are */
    repair_page *page;  /* owned; what the backend is being asked about */
    /* Owned: what is known of a place whose page is empty, until it is known that we may read it */
    const api_signals_drift_result *emptied;
    readable readable;

    checks checks;
    char tried[TRIED][24];
    size_t n_tried;

    step asking; /* the request under way */
    bool asking_backend, delayed;
    int64_t asked_at_ms;
    unsigned tries;
    backoff retry;
    pthread_mutex_t lock;
    const discord_result *answer; /* owned, under lock */

    daemon_counter *rounds, *pages, *recorded, *deleted, *forbidden;
    daemon_gauge *busy;
};

static void go_on(repair *self);

/* ---- stamps ---- */

static const char *stamp_name(const char *id, char name[NAME_MAX_SIZE])
{
    snprintf(name, NAME_MAX_SIZE, "repair.done.%.24s", id);
    return name;
}

static int64_t read_number(repair *self, const char *name)
{
    void *value = NULL;
    if (outbox_get(self->options.box, name, &value, NULL) != 0)
        return 0;
    int64_t number = strtoll(value, NULL, 10);
    free(value);
    return number;
}

static int write_number(repair *self, const char *name, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, number);
    return outbox_put(self->options.box, name, text, (size_t)len);
}

int repair_write_gap(repair *self)
{
    return write_number(self, due_name, 1);
}

/* ---- asking Discord ---- */

static void on_answer(const discord_result *result, void *user)
{
    repair *self = user;
    pthread_mutex_lock(&self->lock);
    self->answer = discord_result_ref(result);
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

static void try_later(repair *self)
{
    self->delayed = true;
    daemon_timer_set(self->later, RETRY_BASE_MS + backoff_next_ms(&self->retry, 0));
}

static void asked(repair *self, step what, discord_status status)
{
    self->asking = status == DISCORD_OK ? what : STEP_NONE;
    if (status == DISCORD_EAUTH || status == DISCORD_ECLOSED)
        self->stopped = true; /* the gateway will say it */
    else if (status != DISCORD_OK)
        try_later(self);
}

static discord_status get_of_guild(repair *self, const char *guild_id, const char *what)
{
    char route[64], path[96];
    snprintf(route, sizeof route, "/guilds/{id}/%s", what);
    snprintf(path, sizeof path, "/guilds/%.24s/%s", guild_id, what);
    discord_request request = {.method = "GET", .route = route, .major = guild_id, .path = path};
    return discord_rest_send(self->options.rest, &request, on_answer, self);
}

/* ---- checks ---- */

/* Unknown to Discord, but perhaps only to the one that was asked. */
static void doubt(repair *self, const check *of)
{
    if (!checks_doubt(&self->checks, of, self->asked_at_ms))
        return;
    self->unsettled = true;
    if (!self->running)
        daemon_timer_set(self->timer, REPAIR_SETTLE_MS);
}

static void ask_for_message(repair *self)
{
    const check *next = &self->checks.list[self->checks.count - 1];
    asked(self, STEP_CHECK,
          discord_rest_get_message(self->options.rest, checks_channel(&next->place),
                                   next->message_id, on_answer, self));
}

/* One event at most. Returns 0 or a negative errno. */
static int keep_one(repair *self, const cJSON *message, const check *of)
{
    event_list events = {0};
    int r = message ? capture_message(self->options.rules, &of->place, message, self->asked_at_ms,
                                      event_list_add, &events)
                    : capture_gone(&of->place, of->message_id, self->asked_at_ms, event_list_add,
                                   &events);
    if (r == -EBADMSG) /* not a message: nothing to keep */
        r = 0;
    if (r == 0 && events.count > 0)
        r = self->options.keep(&events, self->options.user);
    if (r == 0)
        daemon_counter_add(message ? self->recorded : self->deleted, events.count);
    event_list_done(&events);
    return r;
}

static int take_message(repair *self, const discord_result *result)
{
    check of = self->checks.list[self->checks.count - 1];
    const discord_error *error = &result->error;
    int r = 0;
    if (error->status == DISCORD_OK && cJSON_IsObject(result->json))
        r = keep_one(self, result->json, &of);
    else if (error->status == DISCORD_ENOTFOUND && error->code == UNKNOWN_MESSAGE && of.early)
        doubt(self, &of);
    else if (error->status == DISCORD_ENOTFOUND && error->code == UNKNOWN_MESSAGE)
        r = keep_one(self, NULL, &of);
    else
        daemon_log(DAEMON_WARN, "cannot look at a message", "channel=%s message=%s why=%s",
                   checks_channel(&of.place), of.message_id, error->message);
    if (r == 0)
        self->checks.count--;
    if (error->status == DISCORD_EFORBIDDEN) /* so are the others: refusals are counted */
        checks_drop(&self->checks, checks_channel(&of.place));
    return r;
}

/* ---- held updates ---- */

static bool was_tried(repair *self, const char *message_id)
{
    for (size_t i = 0; i < TRIED; i++)
        if (strcmp(self->tried[i], message_id) == 0)
            return true;
    snprintf(self->tried[self->n_tried++ % TRIED], sizeof *self->tried, "%s", message_id);
    return false;
}

static void on_held(const api_signals_held_result *list, const convex_failure *failure, void *user)
{
    repair *self = user;
    if (failure || self->stopped)
        return;
    for (size_t i = 0; i < list->count; i++) {
        const api_held_update *held = &list->items[i];
        capture_place place = {"", "", ""};
        snprintf(place.guild_id, sizeof place.guild_id, "%s", held->guild_id.data);
        snprintf(place.channel_id, sizeof place.channel_id, "%s", held->channel_id.data);
        if (held->thread_id.data)
            snprintf(place.thread_id, sizeof place.thread_id, "%s", held->thread_id.data);
        if (!was_tried(self, held->message_id.data))
            checks_add(&self->checks, &place, held->message_id.data, true);
    }
    go_on(self);
}

void repair_fetch(repair *self, const char *channel_id, const char *message_id)
{
    capture_place place;
    if (!places_find(self->options.places, channel_id, NULL, &place))
        return;
    checks_add(&self->checks, &place, message_id, true);
    go_on(self);
}

/* ---- a round's targets ---- */

static void add_target(repair *self, const capture_place *place, uint64_t floor)
{
    if (self->n_targets == self->cap_targets) {
        size_t cap = self->cap_targets ? self->cap_targets * 2 : 16;
        target *grown = realloc(self->targets, cap * sizeof *grown);
        if (!grown)
            return;
        self->targets = grown;
        self->cap_targets = cap;
    }
    self->targets[self->n_targets++] = (target){.place = *place, .floor = floor};
}

static void add_thread(const capture_place *thread, void *user)
{
    repair *self = user;
    if (self->n_targets >= self->n_channels + THREADS_MAX)
        return;
    for (size_t i = 0; i < self->n_channels && i < self->n_targets; i++)
        if (strcmp(self->targets[i].place.channel_id, thread->channel_id) == 0)
            return add_target(self, thread, self->targets[i].floor);
}

static uint64_t floor_of(repair *self, const target *channel)
{
    char name[NAME_MAX_SIZE];
    int64_t done = read_number(self, stamp_name(channel->place.channel_id, name));
    uint64_t floor = done > 0 ? repair_id_of_time(done - self->options.window_ms) : 0;
    return floor > channel->floor ? floor : channel->floor;
}

static bool is_known_guild(const repair *self, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(self->channels[j].place.guild_id, self->channels[i].place.guild_id) == 0)
            return true;
    return false;
}

/* Threads that are in use: those nobody told of are found here. */
static void ask_for_threads(repair *self)
{
    while (self->guilds_done < self->n_channels && is_known_guild(self, self->guilds_done))
        self->guilds_done++;
    if (self->guilds_done < self->n_channels)
        return asked(
            self, STEP_THREADS,
            get_of_guild(self, self->channels[self->guilds_done].place.guild_id, "threads/active"));
    self->listed = true;
    places_threads(self->options.places, add_thread, self);
    go_on(self);
}

static int take_threads(repair *self, const discord_result *result)
{
    const cJSON *item;
    const char *id, *parent;
    if (result->error.status != DISCORD_OK)
        daemon_log(DAEMON_WARN, "cannot list threads", "guild=%s why=%s",
                   self->channels[self->guilds_done].place.guild_id, result->error.message);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(result->json, "threads"))
    {
        id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "id"));
        parent = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "parent_id"));
        if (id && parent)
            places_add_thread(self->options.places, id, parent);
    }
    self->guilds_done++;
    return 0;
}

/* ---- pages ---- */

static void ask_for_page(repair *self)
{
    char after[24];
    target *t = &self->targets[self->at];
    if (self->after < t->floor)
        self->after = t->floor;
    snprintf(after, sizeof after, "%" PRIu64, self->after);
    discord_page page = {.limit = PAGE, .after = after};
    asked(self, STEP_PAGE,
          discord_rest_get_messages(self->options.rest, checks_channel(&t->place), &page, on_answer,
                                    self));
}

static void next_target(repair *self)
{
    self->at++;
    self->after = 0;
    self->page_was_last = false;
}

static int keep_news(repair *self, const api_signals_drift_result *drift)
{
    event_list events = {0};
    int r = repair_page_pick(self->page, &drift->news, &events);
    if (r == 0 && events.count > 0)
        r = self->options.keep(&events, self->options.user);
    if (r == 0) {
        const target *t = &self->targets[self->at];
        daemon_counter_add(self->recorded, events.count);
        self->unsettled = self->unsettled || drift->unsettled;
        for (size_t i = 0; i < drift->missing.count; i++)
            checks_add(&self->checks, &t->place, drift->missing.items[i].data, false);
        if (events.count + drift->missing.count > 0)
            daemon_log(DAEMON_INFO, "the source differs from what is known",
                       "channel=%s other=%zu missing=%zu", checks_channel(&t->place), events.count,
                       drift->missing.count);
    }
    event_list_done(&events);
    return r;
}

static void forget_page(repair *self)
{
    repair_page_free(self->page);
    api_signals_drift_result_unref(self->emptied);
    readable_done(&self->readable);
    self->page = NULL;
    self->emptied = NULL;
}

/* What was missed is to be mended, and all that is missing asked for. */
static int settle_page(repair *self, const api_signals_drift_result *drift)
{
    int r = keep_news(self, drift);
    if (r == 0) {
        self->page_was_last = repair_page_is_last(self->page);
        self->after = repair_page_newest(self->page);
        backoff_reset(&self->retry);
    }
    forget_page(self);
    return r;
}

/* Nothing is there of what is known: it was deleted, or we may not see it. */
static bool is_emptied(const repair *self, const api_signals_drift_result *drift)
{
    return repair_page_is_empty(self->page) && drift->missing.count > 0;
}

static void on_drift(const api_signals_drift_result *drift, const convex_failure *failure,
                     void *user)
{
    repair *self = user;
    int r = failure ? -EAGAIN : 0;
    self->asking_backend = false;
    if (self->stopped)
        return;
    if (!self->page) /* the round was begun anew */
        return go_on(self);
    if (failure)
        daemon_log(DAEMON_WARN, "the backend does not compare a page", "why=%s", failure->message);
    if (r == 0 && is_emptied(self, drift))
        self->emptied = api_signals_drift_result_ref(drift);
    else if (r == 0)
        r = settle_page(self, drift);
    else
        forget_page(self);
    if (r != 0)
        return try_later(self);
    go_on(self);
}

static int ask_backend(repair *self)
{
    static const convex_call_options options = {.timeout_ms = QUERY_TIMEOUT_MS};
    const api_signals_drift_args *args = NULL;
    int r = repair_page_args(self->page, &args);
    if (r == 0 && api_signals_drift_query(self->options.client, args, &options, on_drift, self,
                                          NULL, NULL) != CONVEX_OK)
        r = -EAGAIN;
    api_signals_drift_args_unref(args);
    self->asking_backend = r == 0;
    return r;
}

static int take_list(repair *self, const cJSON *list)
{
    target *t = &self->targets[self->at];
    daemon_counter_add(self->pages, 1);
    int r = repair_page_new(self->options.rules, &t->place, self->after, list, PAGE,
                            self->asked_at_ms, &self->page);
    if (r == 0)
        r = ask_backend(self);
    if (r != 0)
        forget_page(self);
    return r;
}

static void pass_over(repair *self, const discord_error *error)
{
    target *t = &self->targets[self->at];
    daemon_counter_add(self->forbidden, error->status == DISCORD_EFORBIDDEN);
    daemon_log(DAEMON_ERROR, "cannot compare a channel's history: nothing is concluded",
               "channel=%s why=%s", checks_channel(&t->place), error->message);
    t->failed = true;
    next_target(self);
}

/* Discord's answer to who may not read a history is an empty one, too. */
static void conclude_nothing(repair *self, const char *why)
{
    discord_error error = {.status = DISCORD_EFORBIDDEN};
    snprintf(error.message, sizeof error.message, "it is empty, and %s", why);
    forget_page(self);
    pass_over(self, &error);
}

static void ask_if_readable(repair *self)
{
    const char *own_id = self->options.rules->own_id;
    const capture_place *place = &self->targets[self->at].place;
    if (own_id && own_id[0])
        return asked(
            self, STEP_READABLE,
            readable_ask(&self->readable, self->options.rest, place, own_id, on_answer, self));
    conclude_nothing(self, "whose permissions count is not known yet");
    go_on(self);
}

static int take_readable(repair *self, const discord_result *result)
{
    const capture_place *place = &self->targets[self->at].place;
    const char *own_id = self->options.rules->own_id;
    if (result->error.status != DISCORD_OK) {
        conclude_nothing(self, result->error.message);
        return 0;
    }
    int r = readable_take(&self->readable, result);
    if (r != 0 || self->readable.count < READABLE_ASKS)
        return r;
    if (readable_is(&self->readable, place, own_id))
        return settle_page(self, self->emptied);
    conclude_nothing(self, "the bot lacks \"Read Message History\" there");
    return 0;
}

static int take_page(repair *self, const discord_result *result)
{
    const discord_error *error = &result->error;
    if (error->status == DISCORD_OK && cJSON_IsArray(result->json))
        return take_list(self, result->json);
    if (error->status == DISCORD_ENOTFOUND && error->code == UNKNOWN_CHANNEL) {
        asked(self, STEP_GUILD,
              get_of_guild(self, self->targets[self->at].place.guild_id, "channels"));
        return 0;
    }
    pass_over(self, error);
    return 0;
}

/* Discord does not know the channel: is the guild there, without it? */
static int take_guild(repair *self, const discord_result *result)
{
    target *t = &self->targets[self->at];
    const cJSON *item;
    const char *id;
    event_list events = {0};
    if (result->error.status != DISCORD_OK || cJSON_GetArraySize(result->json) == 0) {
        pass_over(self, &result->error);
        return 0;
    }
    cJSON_ArrayForEach(item, result->json)
    {
        id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "id"));
        if (id && strcmp(id, checks_channel(&t->place)) == 0) {
            pass_over(self, &result->error);
            return 0;
        }
    }
    int r = capture_gone(&t->place, NULL, self->asked_at_ms, event_list_add, &events);
    if (r == 0)
        r = self->options.keep(&events, self->options.user);
    event_list_done(&events);
    if (r != 0)
        return r;
    daemon_log(DAEMON_WARN, "a channel was deleted: so is what it had", "channel=%s",
               checks_channel(&t->place));
    if (t->place.thread_id[0])
        places_forget_thread(self->options.places, t->place.thread_id);
    for (size_t i = 0; i < self->n_channels; i++)
        if (strcmp(self->channels[i].place.channel_id, checks_channel(&t->place)) == 0)
            self->channels[i].gone = true;
    daemon_counter_add(self->deleted, 1);
    next_target(self);
    return 0;
}

/* ---- rounds ---- */

static void set_timer(repair *self)
{
    int64_t every = self->options.every_ms;
    if (every > 0)
        daemon_timer_set(self->timer, every - every / 10 +
                                          (int64_t)(backoff_random() % (uint64_t)(every / 5 + 1)));
}

static void begin(repair *self)
{
    self->due = false;
    self->running = true;
    self->started_at_ms = daemon_wall_ms();
    self->n_targets = self->at = self->guilds_done = 0;
    self->after = 0;
    self->page_was_last = self->listed = false;
    checks_settle(&self->checks, self->started_at_ms, REPAIR_SETTLE_MS);
    self->unsettled = self->checks.n_doubts > 0;
    for (size_t i = 0; i < self->n_channels; i++)
        if (!self->channels[i].gone)
            add_target(self, &self->channels[i].place, floor_of(self, &self->channels[i]));
    daemon_gauge_set(self->busy, 1);
}

static bool all_of(const repair *self, const char *channel_id)
{
    for (size_t i = 0; i < self->n_targets; i++)
        if (self->targets[i].failed && strcmp(self->targets[i].place.channel_id, channel_id) == 0)
            return false;
    return true;
}

static int write_stamps(repair *self)
{
    char name[NAME_MAX_SIZE];
    int r = outbox_begin(self->options.box);
    for (size_t i = 0; r == 0 && i < self->n_targets; i++) {
        const capture_place *place = &self->targets[i].place;
        if (!place->thread_id[0] && all_of(self, place->channel_id))
            r = write_number(self, stamp_name(place->channel_id, name), self->started_at_ms);
    }
    if (r == 0 && !self->due) /* else another gap was opened meanwhile */
        r = outbox_put(self->options.box, due_name, NULL, 0);
    if (r == 0)
        return outbox_commit(self->options.box);
    outbox_rollback(self->options.box);
    return r;
}

static void end_round(repair *self)
{
    self->running = false;
    daemon_gauge_set(self->busy, 0);
    daemon_counter_add(self->rounds, 1);
    if (write_stamps(self) != 0)
        daemon_log(DAEMON_ERROR, "cannot store how far the source was compared", "detail=%s",
                   outbox_last_error(self->options.box));
    daemon_log(DAEMON_INFO, "compared with the source", "channels=%zu recorded=%llu deleted=%llu",
               self->n_targets, (unsigned long long)daemon_counter_value(self->recorded),
               (unsigned long long)daemon_counter_value(self->deleted));
    set_timer(self);
    if (self->unsettled)
        daemon_timer_set(self->timer, REPAIR_SETTLE_MS);
}

/* What is to be done next. One thing at a time. */
static void go_on(repair *self)
{
    if (self->asking != STEP_NONE || self->asking_backend || self->delayed || self->stopped)
        return;
    self->asked_at_ms = daemon_wall_ms();
    if (self->emptied)
        return ask_if_readable(self);
    if (self->checks.count > 0)
        return ask_for_message(self);
    if (!self->running) {
        if (!self->due || self->waiting || !self->backend_known || !self->channels_known)
            return;
        begin(self);
    }
    if (!self->listed)
        return ask_for_threads(self);
    if (self->page_was_last)
        next_target(self);
    if (self->at < self->n_targets)
        return ask_for_page(self);
    end_round(self);
    if (self->due)
        go_on(self);
}

/* Returns 0, or a negative errno: to be asked again. */
static int take_answer(repair *self, step what, const discord_result *result)
{
    static int (*const takers[])(repair *,
                                 const discord_result *) = {[STEP_THREADS] = take_threads,
                                                            [STEP_PAGE] = take_page,
                                                            [STEP_CHECK] = take_message,
                                                            [STEP_GUILD] = take_guild,
                                                            [STEP_READABLE] = take_readable};
    switch (result->error.status) {
    case DISCORD_EAUTH:
    case DISCORD_ECLOSED:
        self->stopped = true;
        return 0;
    case DISCORD_OK:
    case DISCORD_EFORBIDDEN:
    case DISCORD_ENOTFOUND:
    case DISCORD_EREJECTED:
        return takers[what](self, result);
    default:
        daemon_log(DAEMON_WARN, "cannot look at the source", "why=%s", result->error.message);
        return -EAGAIN;
    }
}

/* After many failures in turn it is left to the next round. */
static void give_up(repair *self, step what)
{
    self->tries = 0;
    backoff_reset(&self->retry);
    if (what == STEP_CHECK) {
        self->checks.count--;
    } else if (what == STEP_THREADS) {
        self->guilds_done++;
    } else if (self->at < self->n_targets) {
        forget_page(self);
        self->targets[self->at].failed = true;
        next_target(self);
    }
}

static void on_wake(void *user)
{
    repair *self = user;
    pthread_mutex_lock(&self->lock);
    const discord_result *answer = self->answer;
    self->answer = NULL;
    pthread_mutex_unlock(&self->lock);
    if (!answer)
        return;
    step what = self->asking;
    bool stale = (what == STEP_PAGE || what == STEP_GUILD) && self->at >= self->n_targets;
    stale = stale || (what == STEP_THREADS && self->listed);
    stale = stale || (what == STEP_READABLE && !self->emptied);
    self->asking = STEP_NONE;
    int r = self->stopped || stale ? 0 : take_answer(self, what, answer);
    discord_result_unref(answer);
    if (r != 0 && ++self->tries >= TRIES_MAX)
        give_up(self, what);
    else if (r != 0)
        return try_later(self);
    else
        self->tries = 0;
    go_on(self);
}

static void on_later(void *user)
{
    repair *self = user;
    self->delayed = false;
    go_on(self);
}

static void on_timer(void *user)
{
    repair *self = user;
    self->due = true;
    go_on(self);
}

/* ---- what others call ---- */

void repair_gap(repair *self)
{
    self->due = true;
    go_on(self);
}

void repair_wait(repair *self, bool wait)
{
    self->waiting = wait;
    go_on(self);
}

void repair_backend_ready(repair *self)
{
    if (!self->held)
        api_signals_held_subscribe(self->options.client, on_held, NULL, self, &self->held, NULL);
    self->backend_known = true;
    go_on(self);
}

/* A round under way is begun anew with the channels of now. */
void repair_set_channels(repair *self, const api_captured_channel_list *channels)
{
    char name[NAME_MAX_SIZE];
    target *fresh = calloc(channels->count + 1, sizeof *fresh);
    if (!fresh)
        return;
    for (size_t i = 0; i < channels->count; i++) {
        const api_captured_channel *wanted = &channels->items[i];
        capture_place *place = &fresh[i].place;
        snprintf(place->guild_id, sizeof place->guild_id, "%s", wanted->guild_id.data);
        snprintf(place->channel_id, sizeof place->channel_id, "%s", wanted->channel_id.data);
        fresh[i].floor = repair_id_of_time((int64_t)wanted->since);
        int64_t done = read_number(self, stamp_name(place->channel_id, name));
        bool old = self->options.every_ms > 0 && done + self->options.every_ms < daemon_wall_ms();
        self->due = self->due || old || done < (int64_t)wanted->since;
    }
    free(self->channels);
    self->channels = fresh;
    self->n_channels = channels->count;
    self->channels_known = true;
    if (self->running) {
        self->due = true;
        self->n_targets = self->at = 0;
        self->listed = true;
        self->page_was_last = false;
        forget_page(self);
    }
    go_on(self);
}

/* ---- lifetime ---- */

static void open_metrics(repair *self)
{
    daemon_metrics *metrics = self->options.metrics;
    self->rounds = daemon_counter_new(metrics, "repair_rounds_total", NULL,
                                      "times all channels were compared with the source");
    self->pages =
        daemon_counter_new(metrics, "repair_pages_total", NULL, "pages of history compared");
    self->recorded = daemon_counter_new(metrics, "repair_recorded_total", NULL,
                                        "messages recorded because they were not known so");
    self->deleted = daemon_counter_new(metrics, "repair_deleted_total", NULL,
                                       "messages and channels found deleted");
    self->forbidden = daemon_counter_new(metrics, "repair_forbidden_total", NULL,
                                         "channels whose history could not be read");
    self->busy = daemon_gauge_new(metrics, "repair_running", NULL, "1: being compared now");
}

int repair_new(const repair_options *options, repair **ret)
{
    repair *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    self->retry = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    pthread_mutex_init(&self->lock, NULL);
    self->due = read_number(self, due_name) != 0;
    open_metrics(self);
    int r = daemon_waker_new(options->loop, on_wake, self, &self->waker);
    if (r == 0)
        r = daemon_timer_new(options->loop, on_later, self, &self->later);
    if (r == 0)
        r = daemon_timer_new(options->loop, on_timer, self, &self->timer);
    if (r != 0) {
        repair_free(self);
        return r;
    }
    set_timer(self);
    *ret = self;
    return 0;
}

void repair_stop(repair *self)
{
    if (!self)
        return;
    self->stopped = true;
    convex_sub_unref(self->held);
    self->held = NULL;
}

void repair_free(repair *self)
{
    if (!self)
        return;
    forget_page(self);
    free(self->channels);
    free(self->targets);
    checks_done(&self->checks);
    discord_result_unref(self->answer);
    daemon_waker_free(self->waker);
    daemon_timer_free(self->later);
    daemon_timer_free(self->timer);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
