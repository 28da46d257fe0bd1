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
#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/outbox.h"
#include "discord/gateway.h"
#include "events.h"
#include "files.h"
#include "places.h"
#include "plugin.h"
#include "pump.h"
#include "repair.h"
#include "sources.h"

enum {
    MESSAGE_CONTENT_FLAGS = 1 << 18 | 1 << 19, /* of an application: granted, or small enough */
    DRAIN_MS = 5000,
    DRAIN_LOOK_MS = 20,
    LOOK_MS = 1000,         /* an outbox that takes nothing is looked at again after this */
    GAP_PATIENCE_MS = 5000, /* live events wait this long for those before them */
    PLACE_EVERY_MS = 5000,  /* the gateway's place is stored this often without events of ours */
    SLACK_ENTRIES = 10000,  /* above the outbox's bound: the batch that reaches it goes in whole */
    SLACK_BYTES = 64 << 20,
    LOOK_CAP_MS = 60000,
    RESERVE_BYTES = 16 << 20 /* of disk, for delivering what is kept when it is full */
};

static const char place_name[] = "gateway.place";
static const char self_name[] = "gateway.self";
static const char trial_name[] = "outbox.trial";

/* What the gateway's thread hands to the loop thread, one batch at a time. */
typedef struct handover {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    event_list events; /* the gateway thread's while it fills, the loop's from offered to taken */
    bool new_session;  /* READY was among them */
    char own_id[24], own_application_id[24]; /* of the bot, as READY said */
    discord_resume_state place;
    bool offered; /* the loop has to take it */
    bool closing; /* nobody will take anything any more */
    int result;
} handover;

struct collector {
    const collector_config *config;
    daemon_loop *loop;
    daemon_waker *waker;
    daemon_timer *drain, *look, *gap_patience;
    daemon_metrics *metrics;
    daemon_counter *captured_events;
    daemon_gauge *waiting, *dead;
    outbox *box;
    service_link *link;
    convex_sub *channels;
    places *places;
    capture_rules gateway_rules; /* of the gateway's thread: with the handover's own_* */
    capture_rules plugin_rules;  /* of the plugin's: nothing of its client is ours */
    capture_rules rules;         /* of the loop's, with these: */
    char own_id[24], own_application_id[24];
    pump *pump;
    files *files;
    discord_rest *rest;
    discord_gateway *gateway;
    backfill *backfill;
    repair *repair;
    sources *sources;
    plugin *plugin;
    bool held_full, held_gap; /* why the gateway is held */
    backoff looks;            /* for whether they can be stored, when not for want of room */
    bool reopen_failed;
    int keep_error;           /* why events cannot be stored, a negative errno; 0: they can */
    char foreign_guilds[128]; /* that should be captured, and the bot is not in */
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

static bool find_place(const char *channel_id, const char *guild_id, capture_place *ret, void *user)
{
    return places_find(((collector *)user)->places, channel_id, guild_id, ret);
}

static void copy_id(const cJSON *object, const char *name, char ret[24])
{
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(object, name);
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(inner, "id"));
    if (id)
        snprintf(ret, 24, "%s", id);
}

/* Without the intent's grant every message would be blank. Discord refuses the session then
 * (4014); should it not, nobody would see why. */
static void check_content(const cJSON *ready)
{
    const cJSON *application = cJSON_GetObjectItemCaseSensitive(ready, "application");
    const cJSON *flags = cJSON_GetObjectItemCaseSensitive(application, "flags");
    if (cJSON_IsNumber(flags) && ((unsigned)flags->valuedouble & MESSAGE_CONTENT_FLAGS) == 0)
        daemon_log(
            DAEMON_ERROR,
            "the bot may not read what messages say: enable MESSAGE CONTENT INTENT for it in "
            "Discord's developer portal",
            NULL);
}

static void on_session(collector *self, const cJSON *ready)
{
    self->handover.new_session = true;
    copy_id(ready, "user", self->handover.own_id);
    copy_id(ready, "application", self->handover.own_application_id);
    check_content(ready);
}

static void on_event(const discord_event *event, void *user)
{
    collector *self = user;
    if (strcmp(event->name, "READY") == 0)
        on_session(self, event->data);
    int r = capture_event(&self->gateway_rules, event->name, event->data, event->received_at_ms,
                          event_list_add, &self->handover.events);
    places_learn(self->places, event->name, event->data);
    places_learn_guilds(self->places, event->name, event->data);
    sources_news(self->sources, event->name, event->data);
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
    capture_place place;
    return !places_known(self->places) || places_find(self->places, channel_id, NULL, &place);
}

static int store_place(collector *self, const discord_resume_state *place)
{
    char text[512];
    int len = snprintf(text, sizeof text, "%s\n%s\n%llu", place->session_id,
                       place->resume_gateway_url, (unsigned long long)place->seq);
    return outbox_put(self->box, place_name, text, (size_t)len);
}

static int store_self(collector *self)
{
    char text[64];
    memcpy(self->own_id, self->handover.own_id, sizeof self->own_id);
    memcpy(self->own_application_id, self->handover.own_application_id,
           sizeof self->own_application_id);
    int len = snprintf(text, sizeof text, "%s %s", self->own_id, self->own_application_id);
    return outbox_put(self->box, self_name, text, (size_t)len);
}

/* A resumed session does not say again who we are. */
static void load_self(collector *self)
{
    void *value = NULL;
    handover *h = &self->handover;
    self->rules = (capture_rules){.place = find_place,
                                  .user = self,
                                  .own_id = self->own_id,
                                  .own_application_id = self->own_application_id,
                                  .ignored = self->config->ignore_authors};
    self->gateway_rules = self->rules;
    self->plugin_rules = self->rules;
    self->plugin_rules.own_id = self->plugin_rules.own_application_id = NULL;
    self->gateway_rules.own_id = h->own_id;
    self->gateway_rules.own_application_id = h->own_application_id;
    if (outbox_get(self->box, self_name, &value, NULL) != 0)
        return;
    sscanf(value, "%23[0-9] %23[0-9]", self->own_id, self->own_application_id);
    memcpy(h->own_id, self->own_id, sizeof h->own_id);
    memcpy(h->own_application_id, self->own_application_id, sizeof h->own_application_id);
    free(value);
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
 * never fit. With `part`, that part of it has to be free; 0: anything. */
static bool is_full(const collector *self, int64_t part)
{
    outbox_counts counts = {0};
    int64_t entries = self->config->outbox_max_entries, bytes = self->config->outbox_max_bytes;
    return outbox_count(self->box, &counts) == 0 &&
           (counts.waiting + counts.dead >= entries - (part ? entries / part : 0) ||
            counts.bytes >= bytes - (part ? bytes / part : 0));
}

/* Stores events, and the gateway's place if given, in one transaction. Returns the number of events
 * kept, or a negative errno: then nothing is. */
static int keep(collector *self, const event_list *events, const discord_resume_state *place,
                bool new_session)
{
    int64_t now = daemon_wall_ms();
    bool full = is_full(self, 0);
    int kept = 0, r = outbox_begin(self->box);
    for (size_t i = 0; r == 0 && i < events->count; i++) {
        const captured *event = &events->items[i];
        if (!event->json || !is_captured(self, event->channel_id))
            continue;
        r = full ? -ENOBUFS
                 : outbox_append(self->box, event->key, event->json, event->size, now, NULL);
        kept++;
    }
    if (r == 0 && place)
        r = store_place(self, place);
    if (r == 0 && new_session)
        r = store_self(self);
    if (r == 0 && new_session)
        r = repair_write_gap(self->repair);
    if (r == 0)
        r = places_write(self->places, self->box);
    if (r == 0 && self->backfill)
        r = backfill_write(self->backfill);
    if (r == 0)
        r = pump_settle(self->pump);
    if (r == 0)
        r = outbox_commit(self->box);
    else
        outbox_rollback(self->box);
    pump_settled(self->pump, r == 0);
    places_written(self->places, r == 0);
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
    int kept = keep(self, &h->events, &h->place, h->new_session);
    backfill_written(self->backfill, kept >= 0);
    if (kept < 0)
        return kept;
    memcpy(self->place_session, h->place.session_id, sizeof self->place_session);
    self->place_at_ms = now;
    if (h->new_session) {
        repair_gap(self->repair);
        sources_news(self->sources, "READY", NULL); /* who we are is known from here on */
    }
    for (size_t i = 0; i < h->events.count; i++)
        if (!h->events.items[i].json)
            repair_fetch(self->repair, h->events.items[i].channel_id,
                         captured_message(&h->events.items[i]));
    return kept;
}

static const char *reason_of(int error)
{
    return error == -ENOBUFS  ? "the outbox is full"
           : error == -ENOSPC ? "the disk is full"
                              : strerror(-error);
}

static void report(collector *self);
static void set_hold(collector *self, bool *reason, bool on);

/* Events are stored, or why they are not: said when it changes. Until it is mended the source is
 * not read, and on_look() tries. */
static void note_kept(collector *self, int error)
{
    bool wants_room = error == -ENOSPC || error == -ENOBUFS;
    if (error == 0)
        backoff_reset(&self->looks);
    if (error != 0 && !self->held_full) {
        set_hold(self, &self->held_full, true);
        daemon_timer_set(self->look,
                         wants_room ? LOOK_MS : LOOK_MS + backoff_next_ms(&self->looks, 0));
    }
    if (error == self->keep_error)
        return;
    if (error != 0)
        daemon_log(DAEMON_ERROR, "cannot keep events: the source is not read until this is mended",
                   "why=%s detail=%s", reason_of(error), outbox_last_error(self->box));
    else
        daemon_log(DAEMON_INFO, "events are kept again", NULL);
    self->keep_error = error;
    report(self);
}

/* After an I/O error the file is read anew, or every later call fails. */
static void reopen_after(collector *self, int r)
{
    outbox_error error = {""};
    if (r != -EIO)
        return;
    bool failed = outbox_recover(self->box, &error) != 0;
    if (failed && !self->reopen_failed) /* once: it is tried again and again */
        daemon_log(DAEMON_ERROR, "the outbox cannot be opened again", "detail=%s", error.text);
    self->reopen_failed = failed;
}

static int keep_found(collector *self, const event_list *events)
{
    int kept = keep(self, events, NULL, false);
    if (kept < 0)
        note_kept(self, kept);
    reopen_after(self, kept);
    if (kept <= 0)
        return kept;
    daemon_counter_add(self->captured_events, (uint64_t)kept);
    pump_kick(self->pump);
    return 0;
}

/* A page of what was written while no session saw it. */
static int keep_page(const event_list *events, void *user)
{
    collector *self = user;
    int r = keep_found(self, events);
    backfill_written(self->backfill, r == 0);
    return r;
}

/* What a comparison with the source found, or the plugin tells of. */
static int keep_other(const event_list *events, void *user)
{
    collector *self = user;
    int r = keep_found(self, events);
    if (self->backfill)
        backfill_written(self->backfill, r == 0);
    return r;
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
    if (self->repair)
        repair_wait(self->repair, busy);
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

/* Which of the source guilds has to invite the bot. */
static void check_guilds(collector *self)
{
    char foreign[sizeof self->foreign_guilds];
    places_foreign_guilds(self->places, foreign, sizeof foreign);
    if (strcmp(foreign, self->foreign_guilds) == 0)
        return;
    strcpy(self->foreign_guilds, foreign);
    if (*foreign)
        daemon_log(DAEMON_WARN, "the bot is not a member of a source guild", "guilds=%s", foreign);
    report(self);
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
    if (kept < 0) {
        note_kept(self, kept);
        return reopen_after(self, kept);
    }
    daemon_counter_add(self->captured_events, (uint64_t)kept);
    if (kept > 0)
        pump_kick(self->pump);
    update_gauges(self);
    check_guilds(self);
}

/* Of a full outbox an eighth has to be free, or it would be full at once. */
static int try_to_keep(collector *self)
{
    int r = outbox_regain(self->box);
    if (r == 0 && is_full(self, 8))
        r = -ENOBUFS;
    return r == 0 ? outbox_put(self->box, trial_name, "", 0) : r;
}

static void on_look(void *user)
{
    collector *self = user;
    int r = try_to_keep(self);
    self->held_full = false;
    note_kept(self, r);
    if (r < 0)
        return reopen_after(self, r);
    set_hold(self, &self->held_full, false);
    pump_kick(self->pump);
}

/* ---- loop thread: state ---- */

static void report(collector *self)
{
    char detail[256] = "";
    update_gauges(self);
    if (self->stopping)
        return service_link_report(self->link, "stopping", "");
    if (self->keep_error != 0) { /* the gateway's connection ends with each try */
        snprintf(detail, sizeof detail, "events cannot be kept, the source is not read: %s",
                 reason_of(self->keep_error));
        return service_link_report(self->link, "degraded", detail);
    }
    if (self->gateway && !self->gateway_up)
        return service_link_report(self->link, "degraded", "no connection to Discord's gateway");
    bool by_plugin = self->config->plugin_listen != NULL, all = !*self->foreign_guilds;
    if (!all)
        snprintf(detail, sizeof detail, "the bot is not a member of source guild %s: %s",
                 self->foreign_guilds,
                 by_plugin ? "only the plugin tells of it" : "invite it there");
    service_link_report(self->link, all || by_plugin ? "ready" : "degraded", detail);
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
    if (self->repair)
        repair_backend_ready(self->repair);
    if (self->sources)
        sources_backend_ready(self->sources);
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
    if (places_set_channels(self->places, list) != 0)
        return;
    daemon_log(DAEMON_INFO, "channels to capture", "count=%zu", list->count);
    if (!self->gateway)
        return;
    check_guilds(self);
    backfill_set_channels(self->backfill, list);
    repair_set_channels(self->repair, list);
    sources_set_channels(self->sources, list);
}

/* ---- end ---- */

static void on_stop(void *user)
{
    collector *self = user;
    daemon_log(DAEMON_INFO, "stopping", "drain_ms=%d", DRAIN_MS);
    daemon_notify_stopping();
    self->stopping = true;
    if (self->backfill)
        backfill_stop(self->backfill);
    repair_stop(self->repair);
    sources_stop(self->sources);
    self->drain_until_ms = daemon_monotonic_ms() + DRAIN_MS;
    report(self);
    daemon_timer_set(self->drain, self->gateway ? DRAIN_MS : 0);
    if (self->gateway)
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
        r = daemon_timer_new(self->loop, on_look, self, &self->look);
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
                              .max_bytes = self->config->outbox_max_bytes + SLACK_BYTES,
                              .reserve_bytes = RESERVE_BYTES};
    int r = outbox_open(&options, &self->box, &error);
    if (r != 0)
        daemon_log(DAEMON_ERROR, "cannot open the outbox", "why=%s", error.text);
    if (r == 0)
        r = places_new(self->box, &self->places);
    if (r == 0)
        load_self(self);
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
    backfill_options options = {.loop = self->loop,
                                .box = self->box,
                                .rest = self->rest,
                                .rules = &self->rules,
                                .keep = keep_page,
                                .on_busy = on_gap,
                                .user = self};
    return backfill_new(&options, &self->backfill);
}

static int open_repair(collector *self)
{
    repair_options options = {.loop = self->loop,
                              .box = self->box,
                              .rest = self->rest,
                              .client = service_link_client(self->link),
                              .places = self->places,
                              .rules = &self->rules,
                              .metrics = self->metrics,
                              .every_ms = self->config->repair_interval_s * 1000,
                              .window_ms = self->config->repair_window_h * 3600000,
                              .keep = keep_other,
                              .user = self};
    return repair_new(&options, &self->repair);
}

static int open_sources(collector *self)
{
    sources_options options = {.loop = self->loop,
                               .rest = self->rest,
                               .client = service_link_client(self->link),
                               .own_id = self->own_id};
    return sources_new(&options, &self->sources);
}

static int open_files(collector *self)
{
    files_options options = {.loop = self->loop,
                             .client = service_link_client(self->link),
                             .rest = self->rest,
                             .metrics = self->metrics,
                             .convex_url = self->config->service.convex_url,
                             .instance = self->config->daemon.instance,
                             .directory = self->config->daemon.state_directory,
                             .extra_origin = self->config->files_origin,
                             .max_bytes = self->config->files_max_bytes};
    return files_new(&options, &self->files);
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

/* Once the channels are known places decide; until then an event's own guild is believed. */
static int open_plugin(collector *self)
{
    char reason[200];
    if (!self->config->plugin_listen)
        return 0;
    plugin_options options = {.loop = self->loop,
                              .listen = self->config->plugin_listen,
                              .token = self->config->plugin_token,
                              .places = self->places,
                              .rules = &self->plugin_rules,
                              .metrics = self->metrics,
                              .keep = keep_other,
                              .user = self};
    int r = plugin_open(&options, &self->plugin, reason, sizeof reason);
    if (r == -ENOMEM)
        return r;
    if (r != 0)
        daemon_misconfigured("plugin-listen", "%s", reason);
    daemon_log(DAEMON_WARN,
               "a plugin may tell of events: automating a user's client is against "
               "Discord's terms, at the operator's own risk",
               "listen=%s", plugin_address(self->plugin));
    return 0;
}

static void check_sources(const collector_config *config)
{
    if (!config->discord_token && !config->plugin_listen)
        daemon_misconfigured("discord-token", "is needed, or plugin-listen");
    if (config->plugin_listen && (!config->plugin_token || strlen(config->plugin_token) < 16))
        daemon_misconfigured("plugin-token", "is needed with plugin-listen: 16 characters or more");
}

int collector_open(collector **ret, const collector_config *config)
{
    collector *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    check_sources(config);
    self->config = config;
    self->exit_status = DAEMON_EXIT_FAILED;
    self->looks = (backoff)BACKOFF_INIT(LOOK_MS, LOOK_CAP_MS);
    pthread_mutex_init(&self->handover.lock, NULL);
    pthread_cond_init(&self->handover.changed, NULL);
    *ret = self; /* on failure collector_close() takes what there is */
    int r = open_metrics(self);
    if (r == 0)
        r = open_loop(self);
    if (r == 0)
        r = open_outbox(self);
    bool gateway = config->discord_token != NULL;
    if (r == 0 && gateway)
        r = open_rest(self);
    if (r == 0)
        r = open_backend(self);
    if (r == 0 && gateway)
        r = open_repair(self);
    if (r == 0 && gateway)
        r = open_sources(self);
    if (r == 0 && gateway)
        r = open_files(self);
    if (r == 0 && gateway)
        r = open_gateway(self);
    if (r == 0)
        r = open_plugin(self);
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
    plugin_close(self->plugin);
    discord_gateway_free(self->gateway);
    files_stop(self->files);
    discord_rest_free(self->rest);
    pump_stop(self->pump);
    repair_stop(self->repair);
    sources_stop(self->sources);
    convex_sub_unref(self->channels);
    service_link_close(self->link);
    if (self->pump && self->box && pump_settle(self->pump) != 0)
        daemon_log(DAEMON_WARN, "delivered events stay in the outbox", "why=%s",
                   outbox_last_error(self->box));
    files_free(self->files);
    pump_free(self->pump);
    repair_free(self->repair);
    sources_free(self->sources);
    backfill_free(self->backfill);
    places_free(self->places);
    outbox_close(self->box);
    event_list_done(&self->handover.events);
    daemon_timer_free(self->drain);
    daemon_timer_free(self->look);
    daemon_timer_free(self->gap_patience);
    daemon_waker_free(self->waker);
    daemon_loop_free(self->loop);
    daemon_metrics_free(self->metrics);
    pthread_cond_destroy(&self->handover.changed);
    pthread_mutex_destroy(&self->handover.lock);
    free(self);
}
