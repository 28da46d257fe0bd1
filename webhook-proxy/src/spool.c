/* spool.c - one writer thread with the outbox.
 * Owns the outbox, used by the writer's thread only; the queues between it and the others are under
 * one lock, which is never held while the disk is at work or a callback runs.
 * Invariants: `done` says 0 only after the commit that holds the item; an entry is with the
 * deliverer or in the box, and while it is with the deliverer it is not handed out again. */
#include "spool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/log.h"

enum { RECOVER_MS = 1000, IDLE_WAIT_MS = 60000 };

typedef struct settlement settlement;
struct settlement {
    settlement *next;
    int64_t id;
    spool_verdict verdict;
    int64_t due; /* ms since 1970 */
    char reason[];
};

/* An entry that the deliverer has, or that may not be handed out before `due`. */
typedef struct held {
    int64_t id;
    int64_t due; /* 0: the deliverer has it */
} held;

struct spool {
    outbox *box;
    pthread_t thread;
    spool_deliver_fn *deliver;
    void *user;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    spool_item *items, **items_end;
    size_t item_count;
    settlement *settlements, **settlements_end;
    bool closing, paused;
    spool_state state;

    /* The writer's own. */
    held held[SPOOL_WINDOW];
    size_t held_count;
    bool failed;        /* the box waits for recovery */
    int64_t recover_at; /* monotonic */
};

/* What the writer took in one turn. */
typedef struct turn {
    spool_item *items;
    settlement *settlements;
    bool closing, paused;
} turn;

/* ---- queues ---- */

bool spool_submit(spool *self, spool_item *item)
{
    bool taken;

    item->next = NULL;
    pthread_mutex_lock(&self->lock);
    taken = self->item_count < SPOOL_QUEUE_MAX && !self->closing;
    if (taken) {
        *self->items_end = item;
        self->items_end = &item->next;
        if (self->item_count++ == 0)
            pthread_cond_signal(&self->wake);
    }
    pthread_mutex_unlock(&self->lock);
    return taken;
}

int spool_settle(spool *self, int64_t id, spool_verdict verdict, int64_t delay_ms,
                 const char *reason)
{
    size_t length = reason ? strlen(reason) : 0;
    settlement *s = malloc(sizeof(*s) + length + 1);

    if (s == NULL)
        return -ENOMEM;
    s->next = NULL;
    s->id = id;
    s->verdict = verdict;
    s->due = daemon_wall_ms() + delay_ms;
    memcpy(s->reason, reason ? reason : "", length + 1);
    pthread_mutex_lock(&self->lock);
    *self->settlements_end = s;
    self->settlements_end = &s->next;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    return 0;
}

void spool_pause(spool *self)
{
    pthread_mutex_lock(&self->lock);
    self->paused = true;
    pthread_mutex_unlock(&self->lock);
}

void spool_get_state(spool *self, spool_state *ret)
{
    pthread_mutex_lock(&self->lock);
    *ret = self->state;
    pthread_mutex_unlock(&self->lock);
}

void spool_delivery_free(spool_delivery *delivery)
{
    free(delivery);
}

static void wait_until(spool *self, int64_t wait_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&self->wake, &self->lock, &until);
}

/* Waits for work, at most `wait_ms`; takes a bounded batch, and all settlements. `patient`:
 * settlements alone are no reason to begin, for they just failed. */
static turn take_turn(spool *self, int64_t wait_ms, bool patient)
{
    turn t;
    spool_item **end = &t.items;

    pthread_mutex_lock(&self->lock);
    if (!self->items && (!self->settlements || patient) && !self->closing && wait_ms > 0)
        wait_until(self, wait_ms);
    t.items = self->items;
    for (int n = 0; *end && n < SPOOL_BATCH_MAX; n++, self->item_count--)
        end = &(*end)->next;
    self->items = *end;
    *end = NULL;
    if (self->items == NULL)
        self->items_end = &self->items;
    t.settlements = self->settlements;
    self->settlements = NULL;
    self->settlements_end = &self->settlements;
    t.closing = self->closing;
    t.paused = self->paused;
    pthread_mutex_unlock(&self->lock);
    return t;
}

/* ---- the writer ---- */

static held *find_held(spool *self, int64_t id)
{
    for (size_t i = 0; i < self->held_count; i++)
        if (self->held[i].id == id)
            return &self->held[i];
    return NULL;
}

static void release(spool *self, int64_t id)
{
    held *h = find_held(self, id);

    if (h)
        *h = self->held[--self->held_count];
}

static int apply(spool *self, const settlement *s)
{
    switch (s->verdict) {
    case SPOOL_DELIVERED:
        return outbox_delete(self->box, &s->id, 1);
    case SPOOL_RETRY:
        return outbox_retry(self->box, s->id, s->due, s->reason);
    case SPOOL_DEAD:
        return outbox_bury(self->box, s->id, daemon_wall_ms(), s->reason);
    case SPOOL_REVIVE:
        return outbox_revive(self->box, s->id, daemon_wall_ms());
    case SPOOL_POSTPONE:
        return 0;
    }
    return -EINVAL;
}

/* The note of an item: written, or read. */
static int keep_note(spool *self, spool_item *item)
{
    void *text = NULL;
    size_t size;
    int r;

    if (item->note == NULL)
        return 0;
    if (item->note_text)
        return outbox_put(self->box, item->note, item->note_text, strlen(item->note_text));
    r = outbox_get(self->box, item->note, &text, &size);
    item->note_text = text;
    return r == -ENOENT ? 0 : r;
}

static int store_item(spool *self, spool_item *item)
{
    int r = 0;

    if (item->payload)
        r = outbox_append(self->box, item->key, item->payload, item->size, item->now_ms, NULL);
    if (r == 0 || r == -EEXIST) {
        int kept = keep_note(self, item);
        r = kept < 0 ? kept : r;
    }
    return r;
}

/* Everything of this turn in one transaction; what one item alone came to is in `results`. */
static int store(spool *self, const turn *t, int *results, uint64_t *ret_stored)
{
    int r = outbox_begin(self->box), i = 0;

    for (spool_item *item = t->items; r == 0 && item; item = item->next, i++) {
        results[i] = store_item(self, item);
        if (results[i] == 0)
            *ret_stored += item->payload != NULL;
        else if (results[i] != -EEXIST && results[i] != -ENOBUFS && results[i] != -EINVAL)
            r = results[i];
    }
    for (const settlement *s = t->settlements; r == 0 && s; s = s->next) {
        r = apply(self, s);
        if (r == -ENOENT) /* deleted by hand meanwhile */
            r = 0;
    }
    if (r == 0)
        return outbox_commit(self->box);
    outbox_rollback(self->box);
    return r;
}

/* After the disk failed: nothing is written before the box was opened and checked again. */
static bool recovered(spool *self)
{
    outbox_error error = {""};
    int r;

    if (!self->failed)
        return true;
    if (daemon_monotonic_ms() < self->recover_at)
        return false;
    r = outbox_recover(self->box, &error);
    self->failed = r < 0;
    self->recover_at = daemon_monotonic_ms() + RECOVER_MS;
    if (r < 0)
        daemon_log(DAEMON_ERROR, "spool cannot be recovered", "error=%s", error.text);
    else
        daemon_log(DAEMON_WARN, "spool recovered", NULL);
    return r == 0;
}

static void note_state(spool *self, int r, uint64_t stored)
{
    outbox_counts counts = self->state.counts;

    if (!self->failed)
        outbox_count(self->box, &counts);
    pthread_mutex_lock(&self->lock);
    self->state.counts = counts;
    self->state.writable = r == 0;
    if (r == 0) {
        self->state.stored += stored;
        self->state.commits++;
    }
    pthread_mutex_unlock(&self->lock);
}

static void answer(const turn *t, int r, const int *results)
{
    int i = 0;

    for (spool_item *item = t->items, *next; item; item = next, i++) {
        next = item->next; /* the item is its owner's again once it is done */
        item->done(item, r < 0 ? r : results[i]);
    }
}

/* What could not be stored stays with us and is tried again: the deliverer is done with it. */
static void finish_settlements(spool *self, turn *t, int r)
{
    while (t->settlements) {
        settlement *s = t->settlements;

        t->settlements = s->next;
        if (r < 0) {
            pthread_mutex_lock(&self->lock);
            *self->settlements_end = s;
            s->next = NULL;
            self->settlements_end = &s->next;
            pthread_mutex_unlock(&self->lock);
            continue;
        }
        if (s->verdict == SPOOL_POSTPONE && find_held(self, s->id))
            find_held(self, s->id)->due = s->due;
        else if (s->verdict != SPOOL_REVIVE) /* revived twice, the deliverer may have it already */
            release(self, s->id);
        free(s);
    }
}

static int write_turn(spool *self, turn *t)
{
    int results[SPOOL_BATCH_MAX] = {0}, r;
    uint64_t stored = 0;

    if (t->items == NULL && t->settlements == NULL)
        return 0;
    r = recovered(self) ? store(self, t, results, &stored) : -EIO;
    if (r < 0 && self->state.writable) /* only the writer changes it */
        daemon_log(DAEMON_ERROR, "spool cannot store", "error=%s",
                   *outbox_last_error(self->box) ? outbox_last_error(self->box) : strerror(-r));
    if (r == -EIO && !self->failed) {
        self->failed = true;
        self->recover_at = daemon_monotonic_ms();
    }
    note_state(self, r, stored);
    answer(t, r, results);
    finish_settlements(self, t, r);
    return r;
}

/* ---- handing out ---- */

typedef struct hand {
    spool *self;
    spool_delivery *list, **end;
    bool no_memory;
} hand;

static bool hand_out(const outbox_entry *entry, void *user)
{
    hand *h = user;
    spool *self = h->self;
    held *known = find_held(self, entry->id);
    spool_delivery *delivery;

    if (known && (known->due == 0 || known->due > daemon_wall_ms()))
        return true;
    if (known == NULL && self->held_count == SPOOL_WINDOW)
        return false;
    delivery = malloc(sizeof(*delivery) + entry->size);
    if (delivery == NULL) {
        h->no_memory = true;
        return false;
    }
    delivery->id = entry->id;
    delivery->attempts = entry->attempts;
    delivery->size = entry->size;
    delivery->next = NULL;
    memcpy(delivery->payload, entry->payload, entry->size);
    if (known)
        known->due = 0;
    else
        self->held[self->held_count++] = (held){entry->id, 0};
    *h->end = delivery;
    h->end = &delivery->next;
    return true;
}

/* When the first of the postponed may be handed out again; INT64_MAX: none is postponed. */
static int64_t postponed_until(const spool *self)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < self->held_count; i++)
        if (self->held[i].due > 0 && self->held[i].due < due)
            due = self->held[i].due;
    return due;
}

/* Hands out what is due; returns how long the writer may sleep. */
static int64_t deliver(spool *self, const turn *t)
{
    hand h = {self, NULL, &h.list, false};
    int64_t now = daemon_wall_ms(), due;

    if (self->deliver == NULL || t->paused || self->failed)
        return IDLE_WAIT_MS;
    if (self->held_count == SPOOL_WINDOW && postponed_until(self) > now)
        return postponed_until(self) == INT64_MAX ? IDLE_WAIT_MS : postponed_until(self) - now;
    /* What is held comes first by age, so twice the window is enough to fill it. */
    if (outbox_peek(self->box, 0, now, 2 * SPOOL_WINDOW, hand_out, &h) < 0)
        h.no_memory = true;
    if (h.list)
        self->deliver(h.list, self->user);
    if (h.no_memory)
        return RECOVER_MS;
    due = postponed_until(self);
    /* With something held, its settlement wakes us; without, the next retry does. */
    if (self->held_count == 0 && outbox_next_due(self->box, &due) < 0)
        return RECOVER_MS;
    if (due == INT64_MAX)
        return IDLE_WAIT_MS;
    due -= daemon_wall_ms();
    return due < 1 ? 1 : due < IDLE_WAIT_MS ? due : IDLE_WAIT_MS;
}

static void *write_until_closed(void *user)
{
    spool *self = user;
    int64_t wait = 0;
    int r = 0;

    for (;;) {
        turn t = take_turn(self, wait, r < 0);
        bool items = t.items != NULL, idle = !items && t.settlements == NULL;

        r = write_turn(self, &t);
        /* Settlements that cannot be stored are repeated after the next start. */
        if (t.closing && (idle || (r < 0 && !items)))
            return NULL;
        wait = deliver(self, &t);
        if (r < 0 && wait > RECOVER_MS)
            wait = RECOVER_MS;
        if (idle && !self->failed)
            outbox_checkpoint(self->box);
    }
}

/* ---- life ---- */

int spool_open(const outbox_options *options, spool_deliver_fn *deliver_fn, void *user, spool **ret,
               outbox_error *reterr)
{
    spool *self = calloc(1, sizeof(*self));
    pthread_condattr_t attributes;
    int r = self ? outbox_open(options, &self->box, reterr) : -ENOMEM;

    if (r < 0) {
        free(self);
        return r;
    }
    self->deliver = deliver_fn;
    self->user = user;
    self->items_end = &self->items;
    self->settlements_end = &self->settlements;
    self->state.writable = true;
    outbox_count(self->box, &self->state.counts);
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    r = -pthread_create(&self->thread, NULL, write_until_closed, self);
    if (r < 0) {
        outbox_close(self->box);
        free(self);
        return r;
    }
    *ret = self;
    return 0;
}

void spool_close(spool *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->closing = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    while (self->settlements) {
        settlement *s = self->settlements;

        self->settlements = s->next;
        free(s);
    }
    outbox_close(self->box);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
