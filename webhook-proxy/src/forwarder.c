/* forwarder.c - from the spool to webhooks:ingest.
 * Everything runs on the main loop's thread, but for the inbox, which the spool's thread fills
 * under a lock. Invariant: each delivery is settled exactly once, or left in the spool for the next
 * start. */
#include "forwarder.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "convex/client.h"
#include "daemon/backoff.h"
#include "daemon/log.h"
#include "ingest.h"
#include "record.h"

enum { TRIES_MAX = 3, RETRY_BASE_MS = 500, RETRY_CAP_MS = 300000 };

struct forwarder {
    service_link *link;
    spool *spool;

    pthread_mutex_t lock;
    spool_delivery *inbox, **inbox_end;
    daemon_waker *waker;

    size_t under_way; /* mutations */
    backoff outage;   /* of answers that are not the event's fault */
    bool outage_logged;

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
static bool is_outage(const convex_failure *failure)
{
    static const char *const codes[] = {"unauthenticated", "forbidden"};
    const char *code = convex_value_string(convex_value_field(failure->data, "code"), NULL);

    for (size_t i = 0; code && i < sizeof(codes) / sizeof(*codes); i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return strstr(failure->message, "Could not find public function");
}

static void settle_stored(forwarder *self, const spool_delivery *delivery,
                          api_webhook_outcome outcome)
{
    daemon_counter_add(
        outcome == API_WEBHOOK_OUTCOME_DUPLICATE ? self->duplicates : self->delivered, 1);
    backoff_reset(&self->outage);
    self->outage_logged = false;
    settle(self, delivery, SPOOL_DELIVERED, 0, NULL);
}

static void settle_failure(forwarder *self, const spool_delivery *delivery,
                           const convex_failure *failure)
{
    switch (failure->status) {
    case CONVEX_ECLOSED: /* at the end: it stays */
    case CONVEX_EUNKNOWN:
        return;
    case CONVEX_EINVAL:
        return settle_failed(self, delivery, failure->message);
    case CONVEX_ESERVER:
        if (!is_outage(failure))
            return settle_failed(self, delivery, failure->message);
        /* fall through */
    default:
        return settle_outage(self, delivery, failure->message);
    }
}

static void on_ingested(const api_webhooks_ingest_result *value, const convex_failure *failure,
                        void *user)
{
    journey *j = user;

    j->self->under_way--;
    if (failure)
        settle_failure(j->self, j->delivery, failure);
    else
        settle_stored(j->self, j->delivery, value->outcome);
    spool_delivery_free(j->delivery);
    free(j);
}

/* ---- sending ---- */

static convex_status call(forwarder *self, const record *event, journey *j, convex_error *reterr)
{
    static const convex_call_options options = {.flags = CONVEX_AT_COMMIT};
    convex_status status;
    ingest made;

    if (ingest_init(&made, event) != 0)
        return CONVEX_ENOMEM;
    status = api_webhooks_ingest_mutation(service_link_client(self->link), &made.args, &options,
                                          on_ingested, j, NULL, reterr);
    ingest_done(&made);
    return status;
}

/* Takes the delivery over. */
static void forward(forwarder *self, spool_delivery *delivery)
{
    convex_error error = {.message = "out of memory"};
    journey *j = malloc(sizeof(*j));
    record event;
    convex_status status = j ? CONVEX_OK : CONVEX_ENOMEM;

    if (!record_decode(delivery->payload, delivery->size, &event)) {
        settle_dead(self, delivery, "the stored record is damaged");
        spool_delivery_free(delivery);
        free(j);
        return;
    }
    if (status == CONVEX_OK) {
        *j = (journey){self, delivery};
        status = call(self, &event, j, &error);
    }
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

/* ---- lifetime ---- */

static void make_counters(forwarder *self, daemon_metrics *metrics)
{
    static const char name[] = "webhook_deliveries_total",
                      help[] = "Deliveries by what came of it.";

    self->delivered = daemon_counter_new(metrics, name, "outcome=\"stored\"", help);
    self->duplicates = daemon_counter_new(metrics, name, "outcome=\"duplicate\"", help);
    self->retried = daemon_counter_new(metrics, name, "outcome=\"retried\"", help);
    self->dead = daemon_counter_new(metrics, name, "outcome=\"dead\"", help);
}

int forwarder_new(daemon_loop *loop, daemon_metrics *metrics, service_link *link, forwarder **ret)
{
    forwarder *self = calloc(1, sizeof(*self));
    int r;

    if (self == NULL)
        return -ENOMEM;
    self->link = link;
    self->inbox_end = &self->inbox;
    self->outage = (backoff)BACKOFF_INIT(RETRY_BASE_MS, 30000);
    pthread_mutex_init(&self->lock, NULL);
    make_counters(self, metrics);
    r = daemon_waker_new(loop, on_wake, self, &self->waker);
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
    on_wake(self);
}

void forwarder_free(forwarder *self)
{
    if (self == NULL)
        return;
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
    return self->under_way == 0;
}
