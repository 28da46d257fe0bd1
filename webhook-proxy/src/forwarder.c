/* forwarder.c - from the spool to webhooks:ingest.
 * Owns the Convex client and our identity. Everything runs on the main loop's thread, but for the
 * inbox, which the spool's thread fills under a lock.
 * Invariant: each delivery is settled exactly once, or left in the spool for the next start. */
#include "forwarder.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convex/client.h"
#include "convex/identity.h"
#include "daemon/backoff.h"
#include "daemon/log.h"
#include "ingest.h"
#include "record.h"

enum { TRIES_MAX = 3, HEARTBEAT_MS = 30000, RETRY_BASE_MS = 500, RETRY_CAP_MS = 300000 };

struct forwarder {
    daemon_loop *loop;
    daemon_metrics *metrics;
    spool *spool;
    convex_client *client;
    convex_service_identity *identity;
    void (*on_link)(forwarder_link link, const char *why, void *user);
    void *user;
    forwarder_link link;

    pthread_mutex_t lock;
    spool_delivery *inbox, **inbox_end;
    daemon_waker *waker;

    size_t under_way; /* mutations of deliveries */
    backoff outage;   /* of answers that are not the event's fault */
    bool outage_logged;

    daemon_timer *heartbeat;
    const char *state; /* of the service; NULL: not known yet */
    const char *instance, *version;
    bool beating, beat_again;

    daemon_counter *delivered, *duplicates, *dead, *retried;
};

/* One mutation under way. */
typedef struct journey {
    forwarder *self;
    spool_delivery *delivery;
} journey;

/* ---- settling ---- */

static void settle(forwarder *self, const spool_delivery *delivery, spool_verdict verdict,
                   int64_t delay_ms, const char *reason)
{
    if (spool_settle(self->spool, delivery->id, verdict, delay_ms, reason) != 0)
        daemon_log(DAEMON_ERROR, "out of memory: an event is sent again after a restart", NULL);
}

static void settle_dead(forwarder *self, const spool_delivery *delivery, const char *reason)
{
    record event;
    bool known = record_decode(delivery->payload, delivery->size, &event);

    daemon_counter_add(self->dead, 1);
    daemon_log(DAEMON_ERROR, "event moved to the dead letters", "id=%lld type=%.*s error=%s",
               (long long)delivery->id, known ? (int)event.type.size : 1,
               known ? event.type.bytes : "?", reason);
    settle(self, delivery, SPOOL_DEAD, 0, reason);
}

/* Everybody's trouble, such as a function that is not deployed: nothing is counted against the
 * event. */
static void settle_outage(forwarder *self, const spool_delivery *delivery, const char *reason)
{
    if (!self->outage_logged)
        daemon_log(DAEMON_ERROR, "the backend does not take events, they wait", "error=%s", reason);
    self->outage_logged = true;
    settle(self, delivery, SPOOL_POSTPONE, backoff_next_ms(&self->outage, 0), NULL);
}

static void settle_failed(forwarder *self, const spool_delivery *delivery, const char *reason)
{
    backoff policy = BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);

    if (delivery->attempts + 1 >= TRIES_MAX) {
        settle_dead(self, delivery, reason);
        return;
    }
    daemon_counter_add(self->retried, 1);
    daemon_log(DAEMON_WARN, "event refused, will be tried again", "id=%lld try=%lld error=%s",
               (long long)delivery->id, (long long)delivery->attempts + 1, reason);
    settle(self, delivery, SPOOL_RETRY,
           backoff_delay_ms(&policy, (unsigned)delivery->attempts, backoff_random()), reason);
}

/* A function that threw: whose fault is it? */
static bool is_outage(const convex_result *result)
{
    static const char *const codes[] = {"unauthenticated", "forbidden"};
    const char *message = convex_result_error_message(result, NULL);
    const char *code =
        convex_value_string(convex_value_field(convex_result_error_data(result), "code"), NULL);

    for (size_t i = 0; code && i < sizeof(codes) / sizeof(*codes); i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return message && strstr(message, "Could not find public function");
}

static void settle_answer(forwarder *self, const spool_delivery *delivery,
                          const convex_result *result)
{
    const char *outcome, *message;

    if (convex_result_success(result)) {
        outcome =
            convex_value_string(convex_value_field(convex_result_value(result), "outcome"), NULL);
        daemon_counter_add(
            outcome && strcmp(outcome, "duplicate") == 0 ? self->duplicates : self->delivered, 1);
        backoff_reset(&self->outage);
        self->outage_logged = false;
        settle(self, delivery, SPOOL_DELIVERED, 0, NULL);
        return;
    }
    message = convex_result_error_message(result, NULL);
    if (is_outage(result))
        settle_outage(self, delivery, message);
    else
        settle_failed(self, delivery, message);
}

static void on_ingested(convex_status status, const convex_result *result, void *user)
{
    journey *j = user;

    j->self->under_way--;
    if (status == CONVEX_OK)
        settle_answer(j->self, j->delivery, result);
    else if (status == CONVEX_EINVAL)
        settle_failed(j->self, j->delivery, convex_status_text(status));
    else if (status != CONVEX_ECLOSED && status != CONVEX_EUNKNOWN) /* those: at the end, stays */
        settle_outage(j->self, j->delivery, convex_status_text(status));
    spool_delivery_free(j->delivery);
    free(j);
}

/* ---- sending ---- */

static convex_status call(forwarder *self, journey *j, const convex_value *arguments)
{
    return convex_client_mutation(self->client, "webhooks:ingest", arguments, CONVEX_AT_COMMIT,
                                  on_ingested, j, NULL);
}

/* Takes the delivery over. */
static void forward(forwarder *self, spool_delivery *delivery)
{
    convex_error error = {.message = "out of memory"};
    convex_value *arguments = NULL;
    journey *j = malloc(sizeof(*j));
    record event;
    convex_status status = j ? CONVEX_OK : CONVEX_ENOMEM;

    if (!record_decode(delivery->payload, delivery->size, &event)) {
        settle_dead(self, delivery, "the stored record is damaged");
        spool_delivery_free(delivery);
        free(j);
        return;
    }
    if (status == CONVEX_OK)
        status = ingest_arguments(&event, &arguments, &error);
    if (status == CONVEX_OK) {
        *j = (journey){self, delivery};
        status = call(self, j, arguments);
    }
    convex_value_unref(arguments);
    if (status == CONVEX_OK) {
        self->under_way++;
        return;
    }
    if (status == CONVEX_EINVAL || status == CONVEX_ELIMIT)
        settle_failed(self, delivery, error.message);
    else
        settle_outage(self, delivery, convex_status_text(status));
    spool_delivery_free(delivery);
    free(j);
}

void forwarder_take(spool_delivery *list, void *user)
{
    forwarder *self = user;

    pthread_mutex_lock(&self->lock);
    *self->inbox_end = list;
    while (*self->inbox_end)
        self->inbox_end = &(*self->inbox_end)->next;
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

static spool_delivery *empty_inbox(forwarder *self)
{
    spool_delivery *list;

    pthread_mutex_lock(&self->lock);
    list = self->inbox;
    self->inbox = NULL;
    self->inbox_end = &self->inbox;
    pthread_mutex_unlock(&self->lock);
    return list;
}

static void on_wake(void *user)
{
    forwarder *self = user;
    spool_delivery *list;

    if (self->spool == NULL)
        return; /* forwarder_start() looks again */
    for (list = empty_inbox(self); list;) {
        spool_delivery *next = list->next;

        forward(self, list);
        list = next;
    }
}

/* ---- heartbeats ---- */

static void add_counter(const char *name, const char *labels, int64_t value, void *user)
{
    convex_builder *b = user;
    char full[160];

    snprintf(full, sizeof(full), *labels ? "%s{%s}" : "%s%s", name, labels);
    convex_builder_begin_object(b);
    convex_builder_key(b, "name");
    convex_builder_cstring(b, full);
    convex_builder_key(b, "value");
    convex_builder_float64(b, (double)value);
    convex_builder_end(b);
}

static convex_value *heartbeat_arguments(forwarder *self)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *arguments = NULL;

    if (b == NULL)
        return NULL;
    convex_builder_begin_object(b);
    convex_builder_key(b, "service");
    convex_builder_cstring(b, "webhook-proxy");
    convex_builder_key(b, "instance");
    convex_builder_cstring(b, self->instance);
    convex_builder_key(b, "version");
    convex_builder_cstring(b, self->version);
    convex_builder_key(b, "state");
    convex_builder_cstring(b, self->state);
    convex_builder_key(b, "counters");
    convex_builder_begin_array(b);
    daemon_metrics_each(self->metrics, add_counter, b);
    convex_builder_end(b);
    convex_builder_end(b);
    if (convex_builder_finish(b, &arguments, NULL) != CONVEX_OK)
        arguments = NULL;
    convex_builder_free(b);
    return arguments;
}

static void beat(void *user);

static void on_beaten(convex_status status, const convex_result *result, void *user)
{
    forwarder *self = user;

    self->beating = false;
    if (status == CONVEX_OK && !convex_result_success(result))
        daemon_log(DAEMON_WARN, "heartbeat refused", "error=%s",
                   convex_result_error_message(result, NULL));
    if (status == CONVEX_OK && self->beat_again)
        beat(self);
}

/* One at a time, and only while connected: late heartbeats tell nobody anything. */
static void beat(void *user)
{
    forwarder *self = user;
    convex_value *arguments;

    daemon_timer_set(self->heartbeat, HEARTBEAT_MS);
    self->beat_again = self->beating;
    if (self->beating || self->state == NULL || self->link != FORWARDER_CONNECTED)
        return;
    arguments = heartbeat_arguments(self);
    if (arguments && convex_client_mutation(self->client, "services:heartbeat", arguments,
                                            CONVEX_AT_COMMIT, on_beaten, self, NULL) == CONVEX_OK)
        self->beating = true;
    convex_value_unref(arguments);
}

void forwarder_set_state(forwarder *self, const char *state)
{
    if (self->state && strcmp(self->state, state) == 0)
        return;
    self->state = state;
    beat(self);
}

/* ---- the connection ---- */

static void on_state(const convex_state *state, void *user)
{
    forwarder *self = user;
    forwarder_link link = FORWARDER_AWAY;
    const char *why = *state->server_error ? state->server_error : state->close_reason;

    if (state->identity == CONVEX_IDENTITY_REJECTED) {
        link = FORWARDER_REFUSED;
        why = state->auth_error;
    } else if (state->connection == CONVEX_CONNECTION_CONNECTED &&
               state->identity == CONVEX_IDENTITY_CONFIRMED) {
        link = FORWARDER_CONNECTED;
    }
    if (link == self->link || self->link == FORWARDER_REFUSED ||
        state->connection == CONVEX_CONNECTION_CLOSED)
        return;
    if (link == FORWARDER_AWAY && self->link == FORWARDER_STARTING && state->retries == 0)
        return; /* still under way, nothing failed yet */
    self->link = link;
    self->on_link(link, why, self->user);
    if (link == FORWARDER_CONNECTED)
        beat(self);
}

static void log_client(convex_log_level level, const char *text, void *user)
{
    static const daemon_level levels[] = {
        [CONVEX_LOG_ERROR] = DAEMON_ERROR,
        [CONVEX_LOG_WARN] = DAEMON_WARN,
        [CONVEX_LOG_INFO] = DAEMON_DEBUG, /* the link's changes are logged by the program */
        [CONVEX_LOG_DEBUG] = DAEMON_DEBUG,
    };

    daemon_log(levels[level], "convex", "detail=%s", text);
}

static int client_timeout(void *user)
{
    return convex_client_timeout_ms(((forwarder *)user)->client);
}

static void client_process(void *user)
{
    forwarder *self = user;

    if (convex_client_process(self->client) == CONVEX_ECLOSED)
        daemon_loop_unwatch(self->loop, convex_client_fd(self->client));
}

static int open_client(forwarder *self, const forwarder_options *options, char *reason,
                       size_t reason_size)
{
    convex_identity_options identity = CONVEX_IDENTITY_OPTIONS_INIT;
    convex_options client = CONVEX_OPTIONS_INIT;
    convex_auth auth;
    convex_error error;
    char subject[300];

    snprintf(subject, sizeof(subject), "webhook-proxy/%s", options->instance);
    identity.key_file = options->key_file;
    identity.kid = options->key_id;
    identity.issuer = options->issuer;
    identity.audience = options->audience;
    identity.subject = subject;
    identity.role = "webhook-proxy";
    if (convex_identity_new(&identity, &self->identity, &error) != CONVEX_OK) {
        snprintf(reason, reason_size, "SERVICE_KEY_FILE: %s", error.message);
        return -EINVAL;
    }
    auth = convex_identity_auth(self->identity);
    client.url = options->url;
    client.auth = &auth;
    client.on_state = on_state;
    client.state_user = self;
    client.log = (convex_log){log_client, self};
    if (convex_client_new(&client, &self->client, &error) != CONVEX_OK) {
        snprintf(reason, reason_size, "CONVEX_URL: %s", error.message);
        return -EINVAL;
    }
    return 0;
}

static void make_counters(forwarder *self)
{
    static const char name[] = "webhook_deliveries_total",
                      help[] = "Deliveries by what came of it.";

    self->delivered = daemon_counter_new(self->metrics, name, "outcome=\"stored\"", help);
    self->duplicates = daemon_counter_new(self->metrics, name, "outcome=\"duplicate\"", help);
    self->retried = daemon_counter_new(self->metrics, name, "outcome=\"retried\"", help);
    self->dead = daemon_counter_new(self->metrics, name, "outcome=\"dead\"", help);
}

int forwarder_new(const forwarder_options *options, forwarder **ret, char *reason,
                  size_t reason_size)
{
    forwarder *self = calloc(1, sizeof(*self));
    int r;

    if (self == NULL)
        return -ENOMEM;
    self->loop = options->loop;
    self->metrics = options->metrics;
    self->instance = options->instance;
    self->version = options->version;
    self->on_link = options->on_link;
    self->user = options->user;
    self->inbox_end = &self->inbox;
    self->outage = (backoff)BACKOFF_INIT(RETRY_BASE_MS, 30000);
    pthread_mutex_init(&self->lock, NULL);
    make_counters(self);
    snprintf(reason, reason_size, "out of memory or descriptors");
    r = daemon_waker_new(self->loop, on_wake, self, &self->waker);
    if (r == 0)
        r = daemon_timer_new(self->loop, beat, self, &self->heartbeat);
    if (r == 0)
        r = open_client(self, options, reason, reason_size);
    if (r < 0) {
        forwarder_free(self);
        return r;
    }
    *ret = self;
    return 0;
}

void forwarder_start(forwarder *self, spool *spool_of_events)
{
    self->spool = spool_of_events;
    if (daemon_loop_attach(self->loop, convex_client_fd(self->client), client_timeout,
                           client_process, self) != 0)
        daemon_log(DAEMON_ERROR, "out of memory", NULL);
    client_process(self);
    on_wake(self);
}

void forwarder_free(forwarder *self)
{
    if (self == NULL)
        return;
    if (self->client) {
        daemon_loop_unwatch(self->loop, convex_client_fd(self->client));
        convex_client_unref(self->client); /* runs the last callbacks */
    }
    convex_identity_free(self->identity);
    daemon_timer_free(self->heartbeat);
    daemon_waker_free(self->waker);
    for (spool_delivery *list = empty_inbox(self), *next; list; list = next) {
        next = list->next;
        spool_delivery_free(list);
    }
    pthread_mutex_destroy(&self->lock);
    free(self);
}

bool forwarder_is_idle(const forwarder *self)
{
    return self->under_way == 0 && !self->beating;
}
