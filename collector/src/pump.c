/* pump.c - carries the outbox to the backend.
 * Owns the batches under way. Loop thread only.
 * Invariants: an entry is in at most one batch under way; it is deleted from the outbox only after
 * the backend's success for its batch; while anything waits, a batch is under way or `wake` is set.
 */
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/log.h"

enum {
    BATCH_MAX = 64,            /* the limit of signals:record */
    BATCH_BYTES_MAX = 1 << 20, /* far below Convex's 16 MiB for arguments */
    BATCHES_MAX = 8,           /* under way at once */
    SETTLE_MS = 250,           /* delivered entries wait this long for a commit to join */
    SETTLE_MAX = 4096,         /* and no more of them than this */
    FAILURES_MAX = 8,          /* single entries refused in turn: it is not they that are bad */
    RETRY_BASE_MS = 500,
    RETRY_CAP_MS = 60000,
    LOOK_AGAIN_MS = 1000
};

typedef struct batch {
    struct pump *pump;
    size_t count;
    int64_t ids[BATCH_MAX];
} batch;

struct pump {
    outbox *box;
    convex_client *client;
    daemon_timer *wake; /* next entry due, or the end of a pause */
    daemon_timer *settle;
    size_t under_way;         /* batches */
    int64_t cursor;           /* entries up to here were sent or must wait */
    int64_t one_by_one_until; /* entries up to here are sent alone */
    bool rescan;              /* start again from the oldest once nothing is under way */
    bool put_off;             /* an entry waits for its next attempt */
    bool paused;              /* nothing is sent until `wake` */
    unsigned failures;        /* of single entries, in turn */
    const char *trouble;      /* with the outbox, as it was logged last; NULL: none */
    backoff pauses;
    int64_t *delivered; /* ids to delete */
    size_t n_delivered, n_settling, cap_delivered;
    bool settle_set;
    bool closing;
    daemon_counter *recorded, *unchanged, *held, *ignored, *retried, *dead;
};

/* ---- building a batch ---- */

typedef struct gathering {
    batch *batch;
    api_source_event events[BATCH_MAX];
    convex_value *values[BATCH_MAX]; /* as stored: the backend judges them */
    size_t bytes;
    size_t limit;
    int64_t cursor;
    int64_t alone_until;
    int64_t damaged; /* an entry that is no value any more; 0: none */
    bool no_memory;
} gathering;

static bool gather(const outbox_entry *entry, void *user)
{
    gathering *g = user;
    size_t n = g->batch->count;
    if (n > 0 &&
        (g->bytes + entry->size > BATCH_BYTES_MAX || n >= g->limit || entry->id <= g->alone_until))
        return false;
    convex_status status = convex_value_parse(entry->payload, entry->size, CONVEX_ENCODED_JSON, 0,
                                              NULL, &g->values[n], NULL);
    if (status != CONVEX_OK) {
        if (status == CONVEX_ENOMEM)
            g->no_memory = true;
        else
            g->damaged = entry->id;
        return false;
    }
    g->events[n] = (api_source_event){API_SOURCE_EVENT_OTHER, {.other = g->values[n]}};
    g->batch->ids[n] = entry->id;
    g->batch->count++;
    g->bytes += entry->size;
    g->cursor = entry->id;
    return g->batch->count < g->limit && entry->id > g->alone_until;
}

static void on_recorded(const api_signals_record_result *value, const convex_failure *failure,
                        void *user);
static int bury(pump *self, int64_t id, const char *why);

static int call(pump *self, const gathering *g)
{
    static const convex_call_options options = {.flags = CONVEX_AT_COMMIT};
    api_signals_record_args args = {.events = {g->events, g->batch->count}};
    convex_status status = api_signals_record_mutation(self->client, &args, &options, on_recorded,
                                                       g->batch, NULL, NULL);
    if (status == CONVEX_OK)
        return (int)g->batch->count;
    return status == CONVEX_EBUSY ? -EAGAIN : status == CONVEX_ENOMEM ? -ENOMEM : -EIO;
}

/* Returns the number of entries dealt with, or a negative errno. */
static int send_batch(pump *self)
{
    batch *b = calloc(1, sizeof *b);
    gathering g = {.batch = b,
                   .limit = BATCH_MAX,
                   .cursor = self->cursor,
                   .alone_until = self->one_by_one_until};
    int r = b ? 0 : -ENOMEM;
    if (r == 0) {
        b->pump = self;
        r = outbox_peek(self->box, self->cursor, daemon_wall_ms(), BATCH_MAX, gather, &g);
    }
    if (r == 0 && g.damaged)
        r = bury(self, g.damaged, "the stored event cannot be read");
    if (r == 0 && g.no_memory && b->count == 0)
        r = -ENOMEM;
    int count = r == 0 ? (int)b->count : r;
    if (count > 0)
        count = call(self, &g);
    for (size_t i = 0; b && i < b->count; i++)
        convex_value_unref(g.values[i]);
    if (count <= 0) {
        free(b);
        return count == 0 && g.damaged ? 1 : count;
    }
    self->cursor = g.cursor;
    self->under_way++;
    return count;
}

/* ---- what came of it ---- */

static int remember_delivered(pump *self, const batch *b)
{
    if (self->n_delivered + b->count > self->cap_delivered) {
        size_t cap = (self->n_delivered + b->count) * 2;
        int64_t *grown = realloc(self->delivered, cap * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        self->delivered = grown;
        self->cap_delivered = cap;
    }
    memcpy(self->delivered + self->n_delivered, b->ids, b->count * sizeof *b->ids);
    self->n_delivered += b->count;
    return 0;
}

static void count_outcomes(pump *self, const api_signals_record_result *value)
{
    for (size_t i = 0; i < value->results.count; i++) {
        api_record_outcome outcome = value->results.items[i];
        daemon_counter_add(outcome == API_RECORD_OUTCOME_RECORDED    ? self->recorded
                           : outcome == API_RECORD_OUTCOME_UNCHANGED ? self->unchanged
                           : outcome == API_RECORD_OUTCOME_HELD      ? self->held
                                                                     : self->ignored,
                           1);
    }
}

/* Words for the log, once until it succeeds, and after a failed disk the way back. Returns r. */
static int check(pump *self, const char *what, int r)
{
    outbox_error error = {""};
    bool said = self->trouble && strcmp(self->trouble, what) == 0;
    if (r == 0 && said)
        self->trouble = NULL;
    if (r == 0)
        return 0;
    if (!said)
        daemon_log(DAEMON_ERROR, what, "why=%s detail=%s", strerror(-r),
                   outbox_last_error(self->box));
    self->trouble = what;
    if (r == -EIO && outbox_recover(self->box, &error) != 0 && !said)
        daemon_log(DAEMON_ERROR, "the outbox cannot be opened again", "detail=%s", error.text);
    return r;
}

static int bury(pump *self, int64_t id, const char *why)
{
    daemon_counter_add(self->dead, 1);
    daemon_log(DAEMON_ERROR, "the backend cannot take an event: kept in the dead letters",
               "entry=%lld why=%s", (long long)id, why);
    return check(self, "cannot bury an entry", outbox_bury(self->box, id, daemon_wall_ms(), why));
}

static void pause_for(pump *self, int64_t delay_ms)
{
    self->paused = true;
    daemon_timer_set(self->wake, delay_ms);
}

static bool find_attempts(const outbox_entry *entry, void *user)
{
    *(int64_t *)user = entry->attempts;
    return false;
}

static int put_off(pump *self, int64_t id, const char *why)
{
    static const backoff policy = BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    int64_t attempts = 0;
    int r = outbox_list(self->box, id - 1, 1, find_attempts, &attempts);
    int64_t delay = backoff_delay_ms(&policy, (unsigned)attempts, backoff_random());
    if (r == 0)
        r = outbox_retry(self->box, id, daemon_wall_ms() + delay, why);
    daemon_counter_add(self->retried, 1);
    daemon_log(DAEMON_WARN, "the backend refused an event", "entry=%lld retry_in_ms=%lld why=%s",
               (long long)id, (long long)delay, why);
    if (r == 0 && !self->put_off)
        daemon_timer_set(self->wake, delay);
    self->put_off = true;
    return check(self, "cannot put an entry off", r);
}

/* When every entry is refused it is the backend that is wrong: wait, and leave them as they are.
 * Those under way with it fail too and say nothing new. */
static void wait_for_backend(pump *self, const char *why)
{
    if (self->paused)
        return;
    int64_t delay = RETRY_BASE_MS + backoff_next_ms(&self->pauses, 0);
    daemon_log(DAEMON_WARN, "the backend refuses every event", "retry_in_ms=%lld why=%s",
               (long long)delay, why);
    pause_for(self, delay);
}

static void failed(pump *self, const batch *b, const char *why)
{
    self->rescan = true;
    if (b->count > 1) { /* find the one that fails */
        if (b->ids[b->count - 1] > self->one_by_one_until)
            self->one_by_one_until = b->ids[b->count - 1];
        return;
    }
    bool invalid = strstr(why, "ArgumentValidationError") != NULL;
    if (!invalid && ++self->failures > FAILURES_MAX)
        return wait_for_backend(self, why);
    int r = invalid ? bury(self, b->ids[0], why) : put_off(self, b->ids[0], why);
    if (r != 0) /* it would be sent again at once */
        pause_for(self, RETRY_BASE_MS);
}

static void delivered(pump *self, const batch *b)
{
    self->failures = 0;
    backoff_reset(&self->pauses);
    if (remember_delivered(self, b) != 0)
        self->rescan = true; /* sent again: harmless */
    if (!self->settle_set)
        daemon_timer_set(self->settle, SETTLE_MS);
    self->settle_set = true;
}

static int settle_now(pump *self)
{
    int r = pump_settle(self);
    pump_settled(self, r == 0);
    return check(self, "cannot take delivered events out of the outbox", r);
}

static void on_recorded(const api_signals_record_result *value, const convex_failure *failure,
                        void *user)
{
    batch *b = user;
    pump *self = b->pump;
    self->under_way--;
    if (!failure)
        count_outcomes(self, value);
    if (!failure || failure->status == CONVEX_EPROTOCOL) /* its answer has changed: it is taken */
        delivered(self, b);
    else if (failure->result || !self->closing)
        failed(self, b, failure->message); /* else sent again by the next life */
    free(b);
    if (self->n_delivered >= SETTLE_MAX && !self->closing)
        settle_now(self);
    pump_kick(self);
}

int pump_settle(pump *self)
{
    int r = self->n_delivered ? outbox_delete(self->box, self->delivered, self->n_delivered) : 0;
    self->n_settling = r == 0 ? self->n_delivered : 0;
    return r;
}

void pump_settled(pump *self, bool committed)
{
    if (committed)
        self->n_delivered -= self->n_settling; /* none came in between: one thread */
    self->n_settling = 0;
}

static void on_settle(void *user)
{
    pump *self = user;
    self->settle_set = settle_now(self) != 0;
    if (self->settle_set)
        daemon_timer_set(self->settle, 4 * SETTLE_MS);
    else if (self->under_way == 0)
        check(self, "cannot check-point the outbox", outbox_checkpoint(self->box));
}

/* ---- driving ---- */

/* Nothing is under way: what waits is put off, or delivered and not yet deleted. */
static void arm_wake(pump *self)
{
    int64_t due = INT64_MAX;
    if (outbox_next_due(self->box, &due) != 0)
        return daemon_timer_set(self->wake, RETRY_BASE_MS);
    int64_t wait = due - daemon_wall_ms();
    self->put_off = due != INT64_MAX && wait > 0;
    if (self->put_off) /* the clocks round apart: one more, or it is not due when we look */
        daemon_timer_set(self->wake, wait + 1);
    else if (!pump_idle(self)) /* it became due while we looked */
        daemon_timer_set(self->wake, SETTLE_MS);
}

void pump_kick(pump *self)
{
    int sent = 0;
    if (self->closing || self->paused)
        return;
    if (self->rescan && self->under_way == 0) {
        if (settle_now(self) != 0)
            return pause_for(self, RETRY_BASE_MS);
        self->cursor = 0;
        self->rescan = false;
    }
    while (!self->rescan && self->under_way < BATCHES_MAX && (sent = send_batch(self)) > 0)
        ;
    if (sent < 0 && (sent != -EAGAIN || self->under_way == 0)) {
        if (sent != -EAGAIN)
            check(self, "cannot send from the outbox", sent);
        self->rescan = true;
        pause_for(self, RETRY_BASE_MS);
    } else if (self->under_way == 0) {
        arm_wake(self);
    }
}

static void on_wake(void *user)
{
    pump *self = user;
    self->paused = false;
    self->rescan = true;
    if (self->put_off) /* under load nothing else would look again for those put off longer */
        daemon_timer_set(self->wake, LOOK_AGAIN_MS);
    pump_kick(self);
}

bool pump_idle(const pump *self)
{
    outbox_counts counts = {0};
    outbox_count(self->box, &counts);
    return self->under_way == 0 && counts.waiting == (int64_t)self->n_delivered;
}

int pump_new(daemon_loop *loop, outbox *box, convex_client *client, daemon_metrics *metrics,
             pump **ret)
{
    pump *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->box = box;
    self->client = client;
    self->pauses = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    self->recorded = daemon_counter_new(metrics, "events_recorded_total", NULL,
                                        "events that changed the backend's state");
    self->unchanged = daemon_counter_new(metrics, "events_unchanged_total", NULL,
                                         "events that the backend knew already");
    self->held = daemon_counter_new(metrics, "events_held_total", NULL,
                                    "changes of messages that the backend does not know yet");
    self->ignored = daemon_counter_new(metrics, "events_ignored_total", NULL,
                                       "events of channels that are not captured");
    self->retried = daemon_counter_new(metrics, "events_retried_total", NULL,
                                       "events put off because the backend refused them");
    self->dead = daemon_counter_new(metrics, "events_dead_total", NULL,
                                    "events the backend's validators refused");
    int r = daemon_timer_new(loop, on_wake, self, &self->wake);
    if (r == 0)
        r = daemon_timer_new(loop, on_settle, self, &self->settle);
    if (r != 0) {
        pump_free(self);
        return r;
    }
    *ret = self;
    return 0;
}

void pump_stop(pump *self)
{
    if (self)
        self->closing = true;
}

void pump_free(pump *self)
{
    if (!self)
        return;
    daemon_timer_free(self->wake);
    daemon_timer_free(self->settle);
    free(self->delivered);
    free(self);
}
