/* collector.c - records what a source guild's analysts write.
 * Owns the gateway, the outbox, the pump and the backend link; see collector.h for the threads.
 * Invariant: on_batch_end returns 0 only after the batch and the gateway's place behind it are on
 * disk, in one transaction. */
#include "collector.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backfill.h"
#include "capture.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/outbox.h"
#include "discord/gateway.h"
#include "events.h"
#include "pump.h"

enum {
    DRAIN_MS = 5000,
    DRAIN_LOOK_MS = 20,
    HOLD_MS = 1000,         /* a full outbox is looked at again after this */
    GAP_PATIENCE_MS = 5000, /* live events wait this long for those before them */
    PLACE_EVERY_MS = 5000,  /* the gateway's place is stored this often without events of ours */
    SLACK_ENTRIES = 10000,  /* above the outbox's bound: the batch that reaches it goes in whole */
    SLACK_BYTES = 64 << 20
};

static const char place_name[] = "gateway.place";

/* What the gateway's thread hands to the loop thread, one batch at a time. */
typedef struct handover {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    event_list events; /* the gateway thread's while it fills, the loop's from offered to taken */
    bool new_session;  /* READY was among them */
    discord_resume_state place;
    bool offered; /* the loop has to take it */
    bool closing; /* nobody will take anything any more */
    int result;
} handover;

typedef struct captured_channel {
    char guild_id[24], id[24];
} captured_channel;

struct collector {
    const collector_config *config;
    daemon_loop *loop;
    daemon_waker *waker;
    daemon_timer *drain, *unhold, *gap_patience;
    daemon_metrics *metrics;
    daemon_counter *captured_events;
    daemon_gauge *waiting, *dead;
    outbox *box;
    service_link *link;
    convex_sub *channels;
    captured_channel *captured; /* changed under handover.lock, as the gateway's thread looks too */
    size_t n_channels;
    bool channels_known;
    pump *pump;
    discord_rest *rest;
    discord_gateway *gateway;
    backfill *backfill;
    bool held_full, held_gap; /* why the gateway is held */
    handover handover;
    char place_session[128]; /* of the place on disk */
    int64_t place_at_ms;
    /* written by the gateway thread under handover.lock, read by the loop */
    discord_gateway_state gateway_state;
    bool gateway_news;
    bool gateway_up;
    bool stopping;
    int64_t drain_until_ms;
    int exit_status;
};

/* ---- gateway thread ---- */

/* Discord promises only the ids of message and channel. "" if not known. */
static void find_guild(collector *self, const cJSON *data, char ret[24])
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "channel_id"));
    ret[0] = '\0';
    pthread_mutex_lock(&self->handover.lock);
    for (size_t i = 0; id && i < self->n_channels; i++)
        if (strcmp(self->captured[i].id, id) == 0)
            memcpy(ret, self->captured[i].guild_id, 24);
    pthread_mutex_unlock(&self->handover.lock);
}

static void on_event(const discord_event *event, void *user)
{
    collector *self = user;
    char guild_id[24];
    if (strcmp(event->name, "READY") == 0)
        self->handover.new_session = true;
    find_guild(self, event->data, guild_id);
    int r = capture_event(event->name, event->data, guild_id, event->received_at_ms, event_list_add,
                          &self->handover.events);
    if (r == 0)
        return;
    daemon_log(DAEMON_ERROR, "cannot read an event", "event=%s seq=%llu why=%s", event->name,
               (unsigned long long)event->seq, strerror(-r));
    if (r == -ENOMEM) /* the batch will be refused, and Discord sends it again */
        self->handover.result = r;
}

static int on_batch_end(void *user)
{
    collector *self = user;
    handover *h = &self->handover;
    int r = h->result;
    pthread_mutex_lock(&h->lock);
    if (r == 0) {
        discord_gateway_resume_state(self->gateway, &h->place);
        h->offered = true;
        daemon_waker_wake(self->waker);
        while (h->offered && !h->closing)
            pthread_cond_wait(&h->changed, &h->lock);
        r = h->offered ? -ECANCELED : h->result;
    }
    h->offered = false;
    h->result = 0;
    pthread_mutex_unlock(&h->lock);
    event_list_clear(&h->events);
    h->new_session = false;
    return r;
}

static void on_gateway_state(const discord_gateway_status *status, void *user)
{
    static const struct {
        daemon_level level;
        const char *text;
    } lines[] = {
        [DISCORD_GATEWAY_CONNECTING] = {DAEMON_DEBUG, "gateway connecting"},
        [DISCORD_GATEWAY_READY] = {DAEMON_INFO, "gateway ready in a new session"},
        [DISCORD_GATEWAY_RESUMED] = {DAEMON_INFO, "gateway session resumed"},
        [DISCORD_GATEWAY_DISCONNECTED] = {DAEMON_WARN, "gateway connection lost"},
        [DISCORD_GATEWAY_FATAL] = {DAEMON_ERROR, "gateway refused for good"},
        [DISCORD_GATEWAY_STOPPED] = {DAEMON_INFO, "gateway stopped"},
    };
    collector *self = user;
    daemon_log(lines[status->state].level, lines[status->state].text,
               "why=%s close_code=%d retry_in_ms=%lld", status->reason, status->close_code,
               (long long)status->retry_in_ms);
    pthread_mutex_lock(&self->handover.lock);
    self->gateway_state = status->state;
    self->gateway_news = true;
    pthread_mutex_unlock(&self->handover.lock);
    daemon_waker_wake(self->waker);
}

/* ---- loop thread: keeping a batch ---- */

static bool is_captured(const collector *self, const char *channel_id)
{
    if (!self->channels_known) /* the backend will tell */
        return true;
    for (size_t i = 0; i < self->n_channels; i++)
        if (strcmp(self->captured[i].id, channel_id) == 0)
            return true;
    return false;
}

static int store_place(collector *self, const discord_resume_state *place)
{
    char text[512];
    int len = snprintf(text, sizeof text, "%s\n%s\n%llu", place->session_id,
                       place->resume_gateway_url, (unsigned long long)place->seq);
    return outbox_put(self->box, place_name, text, (size_t)len);
}

static void load_place(collector *self, discord_resume_state *ret)
{
    void *value = NULL;
    size_t size = 0;
    unsigned long long seq = 0;
    memset(ret, 0, sizeof *ret);
    if (outbox_get(self->box, place_name, &value, &size) != 0)
        return;
    if (sscanf(value, "%127[^\n]\n%255[^\n]\n%llu", ret->session_id, ret->resume_gateway_url,
               &seq) == 3)
        ret->seq = seq;
    else
        memset(ret, 0, sizeof *ret);
    strcpy(self->place_session, ret->session_id);
    free(value);
}

/* The bound is looked at before a batch, not within: one that is larger than what is left would
 * never fit. */
static bool is_full(const collector *self)
{
    outbox_counts counts = {0};
    return outbox_count(self->box, &counts) == 0 &&
           (counts.waiting + counts.dead >= self->config->outbox_max_entries ||
            counts.bytes >= self->config->outbox_max_bytes);
}

/* Stores events, and the gateway's place if given, in one transaction. Returns the number of events
 * kept, or a negative errno: then nothing is. */
static int keep(collector *self, const event_list *events, const discord_resume_state *place)
{
    int64_t now = daemon_wall_ms();
    bool full = is_full(self);
    int kept = 0, r = outbox_begin(self->box);
    for (size_t i = 0; r == 0 && i < events->count; i++) {
        const captured *event = &events->items[i];
        if (!is_captured(self, event->channel_id))
            continue;
        r = full ? -ENOBUFS
                 : outbox_append(self->box, event->key, event->json, event->size, now, NULL);
        kept++;
    }
    if (r == 0 && place)
        r = store_place(self, place);
    if (r == 0)
        r = backfill_write(self->backfill);
    if (r == 0)
        r = pump_settle(self->pump);
    if (r == 0)
        r = outbox_commit(self->box);
    else
        outbox_rollback(self->box);
    pump_settled(self->pump, r == 0);
    return r == 0 ? kept : r;
}

static int keep_batch(collector *self, const handover *h)
{
    int64_t now = daemon_wall_ms();
    bool any = h->new_session || strcmp(self->place_session, h->place.session_id) != 0 ||
               now - self->place_at_ms >= PLACE_EVERY_MS;
    for (size_t i = 0; !any && i < h->events.count; i++)
        any = is_captured(self, h->events.items[i].channel_id);
    if (!any)
        return 0;
    backfill_note(self->backfill, &h->events, h->new_session);
    int kept = keep(self, &h->events, &h->place);
    backfill_written(self->backfill, kept >= 0);
    if (kept < 0)
        return kept;
    memcpy(self->place_session, h->place.session_id, sizeof self->place_session);
    self->place_at_ms = now;
    return kept;
}

/* A page of what was written while no session saw it. */
static int keep_page(const event_list *events, void *user)
{
    collector *self = user;
    int kept = keep(self, events, NULL);
    backfill_written(self->backfill, kept >= 0);
    if (kept < 0)
        daemon_log(DAEMON_ERROR, "cannot keep events", "why=%s detail=%s", strerror(-kept),
                   outbox_last_error(self->box));
    if (kept <= 0)
        return kept;
    daemon_counter_add(self->captured_events, (uint64_t)kept);
    pump_kick(self->pump);
    return 0;
}

static void set_hold(collector *self, bool *reason, bool on)
{
    *reason = on;
    if (self->gateway)
        discord_gateway_hold(self->gateway, self->held_full || self->held_gap);
}

static void on_gap(bool busy, void *user)
{
    collector *self = user;
    set_hold(self, &self->held_gap, busy);
    if (busy)
        daemon_timer_set(self->gap_patience, GAP_PATIENCE_MS);
}

static void on_gap_patience(void *user)
{
    collector *self = user;
    set_hold(self, &self->held_gap, false);
}

static void update_gauges(collector *self)
{
    outbox_counts counts = {0};
    outbox_count(self->box, &counts);
    daemon_gauge_set(self->waiting, counts.waiting);
    daemon_gauge_set(self->dead, counts.dead);
}

static void cannot_keep(collector *self, int r)
{
    outbox_error error = {""};
    daemon_log(DAEMON_ERROR, "cannot keep events: the source is not read until this is mended",
               "why=%s detail=%s", strerror(-r), outbox_last_error(self->box));
    if (r == -EIO && outbox_recover(self->box, &error) != 0)
        daemon_log(DAEMON_ERROR, "the outbox cannot be opened again", "detail=%s", error.text);
    service_link_report(self->link, "degraded", "events cannot be kept: see the log");
    set_hold(self, &self->held_full, true);
    daemon_timer_set(self->unhold, HOLD_MS);
}

static void take_batch(collector *self)
{
    handover *h = &self->handover;
    pthread_mutex_lock(&h->lock);
    bool offered = h->offered;
    pthread_mutex_unlock(&h->lock);
    if (!offered) /* while offered, the gateway's thread leaves items and place alone */
        return;
    int kept = keep_batch(self, h);
    pthread_mutex_lock(&h->lock);
    h->result = kept < 0 ? kept : 0;
    h->offered = false;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
    if (kept < 0)
        return cannot_keep(self, kept);
    daemon_counter_add(self->captured_events, (uint64_t)kept);
    if (kept > 0)
        pump_kick(self->pump);
    update_gauges(self);
}

static void on_unhold(void *user)
{
    collector *self = user;
    set_hold(self, &self->held_full, false);
    pump_kick(self->pump);
}

/* ---- loop thread: state ---- */

static void report(collector *self)
{
    update_gauges(self);
    if (self->stopping)
        return service_link_report(self->link, "stopping", "");
    if (!self->gateway_up)
        return service_link_report(self->link, "degraded", "no connection to Discord's gateway");
    service_link_report(self->link, "ready", "");
    if (service_link_is_ready(self->link))
        daemon_notify_ready();
}

static void end_with(collector *self, int status)
{
    self->exit_status = status;
    daemon_loop_stop(self->loop);
}

static void on_gateway_news(collector *self)
{
    pthread_mutex_lock(&self->handover.lock);
    bool news = self->gateway_news;
    discord_gateway_state state = self->gateway_state;
    self->gateway_news = false;
    pthread_mutex_unlock(&self->handover.lock);
    if (!news)
        return;
    self->gateway_up = state == DISCORD_GATEWAY_READY || state == DISCORD_GATEWAY_RESUMED;
    if (state == DISCORD_GATEWAY_FATAL)
        return end_with(self, DAEMON_EXIT_NOT_CONFIGURED);
    if (state == DISCORD_GATEWAY_STOPPED)
        daemon_timer_set(self->drain, 0);
    report(self);
}

static void on_wake(void *user)
{
    collector *self = user;
    take_batch(self);
    on_gateway_news(self);
}

static void on_backend_ready(void *user)
{
    collector *self = user;
    pump_kick(self->pump);
    report(self);
}

static void on_backend_refused(void *user)
{
    end_with(user, DAEMON_EXIT_NOT_CONFIGURED);
}

static void on_channels(const api_channels_captured_result *list, const convex_failure *failure,
                        void *user)
{
    collector *self = user;
    if (failure) {
        daemon_log(DAEMON_ERROR, "the backend does not say which channels to capture", "why=%s",
                   failure->message);
        return;
    }
    captured_channel *fresh = calloc(list->count + 1, sizeof *fresh);
    if (!fresh)
        return;
    for (size_t i = 0; i < list->count; i++) {
        const api_captured_channel *wanted = &list->items[i];
        snprintf(fresh[i].guild_id, sizeof fresh[i].guild_id, "%s", wanted->guild_id.data);
        snprintf(fresh[i].id, sizeof fresh[i].id, "%s", wanted->channel_id.data);
    }
    pthread_mutex_lock(&self->handover.lock);
    captured_channel *old = self->captured;
    self->captured = fresh;
    self->n_channels = list->count;
    self->channels_known = true;
    pthread_mutex_unlock(&self->handover.lock);
    free(old);
    daemon_log(DAEMON_INFO, "channels to capture", "count=%zu", self->n_channels);
    backfill_set_channels(self->backfill, list);
}

/* ---- end ---- */

static void on_stop(void *user)
{
    collector *self = user;
    daemon_log(DAEMON_INFO, "stopping", "drain_ms=%d", DRAIN_MS);
    daemon_notify_stopping();
    self->stopping = true;
    backfill_stop(self->backfill);
    self->drain_until_ms = daemon_monotonic_ms() + DRAIN_MS;
    report(self);
    daemon_timer_set(self->drain, DRAIN_MS);
    discord_gateway_stop(self->gateway); /* DISCORD_GATEWAY_STOPPED goes on with on_drain */
}

static void on_drain(void *user)
{
    collector *self = user;
    /* Without the backend there is nothing to wait for: the events are on disk. */
    if (pump_idle(self->pump) || !service_link_is_ready(self->link) ||
        daemon_monotonic_ms() >= self->drain_until_ms)
        return end_with(self, DAEMON_EXIT_DONE);
    daemon_timer_set(self->drain, DRAIN_LOOK_MS);
}

/* ---- lifetime ---- */

static void log_discord(discord_log_level level, const char *text, void *user)
{
    /* One level down: what it comes to is said by the program itself. */
    static const daemon_level levels[] = {DAEMON_DEBUG, DAEMON_DEBUG, DAEMON_INFO, DAEMON_WARN};
    daemon_log(levels[level], "discord", "detail=%s", text);
}

static int open_metrics(collector *self)
{
    self->metrics = daemon_metrics_new();
    if (!self->metrics)
        return -ENOMEM;
    self->captured_events = daemon_counter_new(self->metrics, "events_captured_total", NULL,
                                               "events put into the outbox");
    self->waiting =
        daemon_gauge_new(self->metrics, "outbox_waiting", NULL, "events not yet in the backend");
    self->dead = daemon_gauge_new(self->metrics, "outbox_dead", NULL, "events in the dead letters");
    return 0;
}

static int open_loop(collector *self)
{
    int r = daemon_loop_new(&self->loop);
    if (r == 0)
        r = daemon_waker_new(self->loop, on_wake, self, &self->waker);
    if (r == 0)
        r = daemon_timer_new(self->loop, on_drain, self, &self->drain);
    if (r == 0)
        r = daemon_timer_new(self->loop, on_unhold, self, &self->unhold);
    if (r == 0)
        r = daemon_timer_new(self->loop, on_gap_patience, self, &self->gap_patience);
    if (r == 0)
        daemon_loop_on_stop(self->loop, on_stop, self);
    return r;
}

static int open_outbox(collector *self)
{
    char path[4096];
    outbox_error error = {""};
    snprintf(path, sizeof path, "%s/outbox.db", self->config->daemon.state_directory);
    outbox_options options = {.path = path,
                              .max_entries = self->config->outbox_max_entries + SLACK_ENTRIES,
                              .max_bytes = self->config->outbox_max_bytes + SLACK_BYTES};
    int r = outbox_open(&options, &self->box, &error);
    if (r != 0)
        daemon_log(DAEMON_ERROR, "cannot open the outbox", "why=%s", error.text);
    return r;
}

static int open_backend(collector *self)
{
    service_link_options options = {.loop = self->loop,
                                    .settings = &self->config->service,
                                    .role = "collector",
                                    .instance = self->config->daemon.instance,
                                    .version = COLLECTOR_VERSION,
                                    .metrics = self->metrics,
                                    .on_ready = on_backend_ready,
                                    .on_refused = on_backend_refused,
                                    .user = self};
    int r = service_link_open(&options, &self->link);
    if (r == 0)
        r = pump_new(self->loop, self->box, service_link_client(self->link), self->metrics,
                     &self->pump);
    if (r == 0 && api_channels_captured_subscribe(service_link_client(self->link), on_channels,
                                                  NULL, self, &self->channels, NULL) != CONVEX_OK)
        r = -ENOMEM;
    return r;
}

static int open_rest(collector *self)
{
    discord_error error = {0};
    discord_rest_options rest = DISCORD_REST_OPTIONS_INIT;
    rest.api_url = self->config->discord_api_url;
    rest.token = self->config->discord_token;
    rest.log.line = log_discord;
    discord_status status = discord_rest_new(&rest, &self->rest, &error);
    if (status == DISCORD_EINVAL)
        daemon_misconfigured("discord-api-url", "%s", error.message);
    if (status != DISCORD_OK)
        return -ENOMEM;
    backfill_options options = {self->loop, self->box, self->rest, keep_page, on_gap, self};
    return backfill_new(&options, &self->backfill);
}

static int open_gateway(collector *self)
{
    discord_error error = {0};
    discord_resume_state place;
    load_place(self, &place);
    discord_gateway_options options = DISCORD_GATEWAY_OPTIONS_INIT;
    options.token = self->config->discord_token;
    options.intents =
        DISCORD_INTENT_GUILDS | DISCORD_INTENT_GUILD_MESSAGES | DISCORD_INTENT_MESSAGE_CONTENT;
    options.rest = self->rest;
    options.resume = &place;
    options.on_event = on_event;
    options.on_batch_end = on_batch_end;
    options.on_state = on_gateway_state;
    options.user = self;
    options.log.line = log_discord;
    discord_status status = discord_gateway_new(&options, &self->gateway, &error);
    if (status == DISCORD_OK)
        status = discord_gateway_start(self->gateway);
    if (status != DISCORD_OK)
        daemon_log(DAEMON_ERROR, "cannot start the gateway", "why=%s", error.message);
    return status == DISCORD_OK ? 0 : -ENOMEM;
}

int collector_open(collector **ret, const collector_config *config)
{
    collector *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    self->exit_status = DAEMON_EXIT_FAILED;
    pthread_mutex_init(&self->handover.lock, NULL);
    pthread_cond_init(&self->handover.changed, NULL);
    *ret = self; /* on failure collector_close() takes what there is */
    int r = open_metrics(self);
    if (r == 0)
        r = open_loop(self);
    if (r == 0)
        r = open_outbox(self);
    if (r == 0)
        r = open_rest(self);
    if (r == 0)
        r = open_backend(self);
    if (r == 0)
        r = open_gateway(self);
    return r;
}

int collector_run(collector *self)
{
    int r = daemon_loop_run(self->loop);
    return r == 0 ? self->exit_status : DAEMON_EXIT_FAILED;
}

void collector_close(collector *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->handover.lock);
    self->handover.closing = true;
    pthread_cond_broadcast(&self->handover.changed);
    pthread_mutex_unlock(&self->handover.lock);
    discord_gateway_free(self->gateway);
    discord_rest_free(self->rest);
    pump_stop(self->pump);
    convex_sub_unref(self->channels);
    service_link_close(self->link);
    if (self->pump && self->box && pump_settle(self->pump) != 0)
        daemon_log(DAEMON_WARN, "delivered events stay in the outbox", "why=%s",
                   outbox_last_error(self->box));
    pump_free(self->pump);
    backfill_free(self->backfill);
    outbox_close(self->box);
    free(self->captured);
    event_list_done(&self->handover.events);
    daemon_timer_free(self->drain);
    daemon_timer_free(self->unhold);
    daemon_timer_free(self->gap_patience);
    daemon_waker_free(self->waker);
    daemon_loop_free(self->loop);
    daemon_metrics_free(self->metrics);
    pthread_cond_destroy(&self->handover.changed);
    pthread_mutex_destroy(&self->handover.lock);
    free(self);
}
