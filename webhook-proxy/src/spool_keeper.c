/* spool_keeper.c - the thread that hands out what waits, and writes down what became of it.
 * Owns the outbox, and the reading side of the journal.
 * Invariants: an event is marked in the journal only after what became of it is synced; an entry is
 * with the deliverer or waits, and while it is with the deliverer it is not handed out again. A
 * crash between a transaction and its marks leaves events in both places: the box is right, and the
 * next start marks them. A mark that a power loss took makes an event be delivered again, which the
 * backend knows by its key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "spool_internal.h"

enum { RECOVER_MS = 1000, IDLE_WAIT_MS = 60000, NICENESS = 5 };

/* What the keeper took in one turn. */
typedef struct turn {
    spool_item *items;
    settlement *settlements;
    bool closing, paused;
} turn;

/* ---- a turn ---- */

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
 * settlements are no reason to begin, for they just failed. */
static turn take_turn(spool *self, int64_t wait_ms, bool patient)
{
    turn t = {NULL, NULL, false, false};
    spool_item **end = &t.items;

    pthread_mutex_lock(&self->lock);
    if (!self->items && (!self->settlements || patient) && !self->news && !self->closing &&
        wait_ms > 0)
        wait_until(self, wait_ms);
    self->news = false;
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

/* ---- what became of them ---- */

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

static bool insert_entry(const journal_entry *entry, journal_place next, void *user)
{
    struct {
        outbox *box;
        int result;
    } *to = user;

    to->result =
        outbox_insert(to->box, entry->id, entry->key, entry->payload, entry->size, entry->now_ms);
    return true;
}

/* An event of the journal gets a row in the box. -EEXIST: its key has one. */
static int move_to_box(spool *self, journal_place from)
{
    struct {
        outbox *box;
        int result;
    } to = {self->box, 0};
    int r = journal_get(self->journal, from, insert_entry, &to);

    return r < 0 ? r : to.result;
}

static int apply(spool *self, const settlement *s)
{
    const held *h = find_held(self, s->id);
    bool journaled = h && h->from.place.segment;
    int r = 0;

    if (journaled && (s->verdict == SPOOL_RETRY || s->verdict == SPOOL_DEAD))
        r = move_to_box(self, h->from.place);
    if (r == -EEXIST) /* another event with this key has its history there */
        return 0;
    if (r < 0)
        return r;
    switch (s->verdict) {
    case SPOOL_DELIVERED:
        return journaled ? 0 : outbox_delete(self->box, &s->id, 1);
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

/* Whether it changes nothing but marks in the journal. */
static bool needs_no_box(spool *self, const settlement *s)
{
    const held *h = find_held(self, s->id);

    return s->verdict == SPOOL_POSTPONE ||
           (s->verdict == SPOOL_DELIVERED && h && h->from.place.segment);
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
    int64_t id;
    int r = 0;

    if (item->payload) {
        pthread_mutex_lock(&self->lock);
        id = self->next_id++;
        pthread_mutex_unlock(&self->lock);
        r = outbox_insert(self->box, id, item->key, item->payload, item->size, item->now_ms);
    }
    if (r == 0 || r == -EEXIST) {
        int kept = keep_note(self, item);
        r = kept < 0 ? kept : r;
    }
    return r;
}

/* Everything of this turn in one transaction; what one item alone came to is in `results`. */
static int store(spool *self, const turn *t, int *results)
{
    int r = outbox_begin(self->box), i = 0;

    for (spool_item *item = t->items; r == 0 && item; item = item->next, i++) {
        results[i] = store_item(self, item);
        if (results[i] < 0 && results[i] != -EEXIST && results[i] != -ENOBUFS &&
            results[i] != -EINVAL)
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

static void note_state(spool *self, int r)
{
    outbox_counts counts = self->state.counts;

    if (!self->failed)
        outbox_count(self->box, &counts);
    pthread_mutex_lock(&self->lock);
    self->state.counts = counts;
    self->state.writable = r == 0;
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

/* An event of the journal that is done with, or stands in the box now. */
static void leave_journal(spool *self, const origin *from)
{
    int r = journal_mark(self->journal, from->place);

    if (r < 0) /* it will be delivered again after the next start */
        daemon_log(DAEMON_WARN, "an event cannot be marked as done", "error=%s", strerror(-r));
    pthread_mutex_lock(&self->lock);
    spool_forget(self, from->print, from->bytes);
    pthread_mutex_unlock(&self->lock);
}

static void finish(spool *self, const settlement *s)
{
    held *h = find_held(self, s->id);

    if (h == NULL ||
        s->verdict == SPOOL_REVIVE) /* revived twice, the deliverer may have it already */
        return;
    if (s->verdict == SPOOL_POSTPONE) {
        h->due = s->due;
        return;
    }
    if (h->from.place.segment)
        leave_journal(self, &h->from);
    release(self, s->id);
}

/* What could not be stored stays with us and is tried again: the deliverer is done with it. */
static void finish_settlements(spool *self, turn *t, int r)
{
    while (t->settlements) {
        settlement *s = t->settlements;
        bool over = r == 0 || needs_no_box(self, s);

        t->settlements = s->next;
        if (over)
            finish(self, s);
        pthread_mutex_lock(&self->lock);
        if (over) {
            self->done++;
        } else {
            *self->settlements_end = s;
            s->next = NULL;
            self->settlements_end = &s->next;
        }
        pthread_mutex_unlock(&self->lock);
        if (over)
            free(s);
    }
}

static int write_turn(spool *self, turn *t)
{
    int results[SPOOL_BATCH_MAX] = {0}, r;
    bool boxed = t->items != NULL;

    for (const settlement *s = t->settlements; s && !boxed; s = s->next)
        boxed = !needs_no_box(self, s);
    if (!boxed) {
        finish_settlements(self, t, 0);
        return 0;
    }
    r = recovered(self) ? store(self, t, results) : -EIO;
    if (r < 0 && self->state.writable) /* only the keeper changes it */
        daemon_log(DAEMON_ERROR, "spool cannot store", "error=%s",
                   *outbox_last_error(self->box) ? outbox_last_error(self->box) : strerror(-r));
    if (r == -EIO && !self->failed) {
        self->failed = true;
        self->recover_at = daemon_monotonic_ms();
    }
    answer(t, r, results);
    finish_settlements(self, t, r);
    note_state(self, r);
    return r;
}

/* ---- handing out ---- */

/* What is handed out in one turn, by id. */
typedef struct hand {
    spool *self;
    spool_delivery *list;  /* goes out */
    spool_delivery *boxed; /* due in the box, and not held yet */
    size_t room;           /* for more of those */
    int64_t now;           /* ms since 1970 */
    bool no_memory;
} hand;

/* Into a list by id. */
static void put_in(spool_delivery **list, spool_delivery *delivery)
{
    while (*list && (*list)->id < delivery->id)
        list = &(*list)->next;
    delivery->next = *list;
    *list = delivery;
}

static spool_delivery *make_delivery(int64_t id, int64_t attempts, const void *payload, size_t size)
{
    spool_delivery *delivery = malloc(sizeof(*delivery) + size);

    if (delivery == NULL)
        return NULL;
    delivery->id = id;
    delivery->attempts = attempts;
    delivery->size = size;
    delivery->next = NULL;
    memcpy(delivery->payload, payload, size);
    return delivery;
}

static bool gather_boxed(const outbox_entry *entry, void *user)
{
    hand *h = user;
    held *known = find_held(h->self, entry->id);
    spool_delivery *delivery;

    if (known && (known->due == 0 || known->due > h->now))
        return true;
    if (known == NULL && h->room == 0)
        return false;
    delivery = make_delivery(entry->id, entry->attempts, entry->payload, entry->size);
    if (delivery == NULL) {
        h->no_memory = true;
        return false;
    }
    if (known)
        known->due = 0;
    else
        h->room--;
    put_in(known ? &h->list : &h->boxed, delivery);
    return true;
}

/* Of the journal: postponed, and due again. */
static bool gather_postponed(const journal_entry *entry, journal_place next, void *user)
{
    hand *h = user;
    spool_delivery *delivery = make_delivery(entry->id, 0, entry->payload, entry->size);

    if (delivery == NULL) {
        h->no_memory = true;
        return false;
    }
    find_held(h->self, entry->id)->due = 0;
    put_in(&h->list, delivery);
    return true;
}

static void hand_out_postponed(spool *self, hand *h)
{
    for (size_t i = 0; i < self->held_count; i++) {
        const held *one = &self->held[i];

        if (one->from.place.segment && one->due && one->due <= h->now &&
            journal_get(self->journal, one->from.place, gather_postponed, h) < 0)
            h->no_memory = true;
    }
}

static bool read_ahead(const journal_entry *entry, journal_place next, void *user)
{
    hand *h = user;
    spool *self = h->self;
    ahead *to = &self->ahead[self->ahead_count];
    origin from = {entry->place, {0, 0}, (int64_t)(strlen(entry->key) + entry->size)};
    int known = self->failed ? 0 : outbox_has(self->box, entry->key);

    if (!key_print_of(entry->key, &from.print)) {
        h->no_memory = true;
        return false;
    }
    if (known > 0) { /* refused before, and sent again */
        self->place = next;
        leave_journal(self, &from);
        return true;
    }
    to->from = from;
    to->delivery = make_delivery(entry->id, 0, entry->payload, entry->size);
    if (to->delivery == NULL) {
        h->no_memory = true;
        return false;
    }
    self->ahead_count++;
    self->place = next;
    return true;
}

/* The next of the journal; NULL: there is none. */
static ahead *next_ahead(spool *self, hand *h)
{
    ssize_t n = 1;

    if (self->ahead_at < self->ahead_count)
        return &self->ahead[self->ahead_at];
    self->ahead_at = self->ahead_count = 0;
    while (n > 0 && self->ahead_count == 0 && !h->no_memory)
        n = journal_read(self->journal, self->place, SPOOL_WINDOW, read_ahead, h);
    if (n < 0) {
        daemon_log(DAEMON_ERROR, "the journal cannot be read", "error=%s", strerror((int)-n));
        h->no_memory = true;
    }
    return self->ahead_count ? &self->ahead[0] : NULL;
}

static void hold(spool *self, hand *h, spool_delivery *delivery, const origin *from)
{
    self->held[self->held_count++] = (held){delivery->id, 0, *from};
    put_in(&h->list, delivery);
}

/* Of journal and box, whichever is older. */
static void fill_window(spool *self, hand *h)
{
    while (self->held_count < SPOOL_WINDOW && !h->no_memory) {
        ahead *journaled = next_ahead(self, h);
        spool_delivery *boxed = h->boxed;

        if (boxed && (!journaled || boxed->id < journaled->delivery->id)) {
            h->boxed = boxed->next;
            hold(self, h, boxed, &(origin){{0, 0}, {0, 0}, 0});
        } else if (journaled) {
            self->ahead_at++;
            hold(self, h, journaled->delivery, &journaled->from);
        } else {
            break;
        }
    }
    for (spool_delivery *d = h->boxed, *next; d; d = next) {
        next = d->next;
        spool_delivery_free(d);
    }
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

/* How long the keeper may sleep. With something held, its settlement wakes us; without, the next
 * retry does. */
static int64_t wait_for_due(spool *self)
{
    int64_t due = postponed_until(self);

    if (self->held_count == 0 && !self->failed && outbox_next_due(self->box, &due) < 0)
        return RECOVER_MS;
    if (due == INT64_MAX)
        return IDLE_WAIT_MS;
    due -= daemon_wall_ms();
    return due < 1 ? 1 : due < IDLE_WAIT_MS ? due : IDLE_WAIT_MS;
}

/* Hands out what is due; returns how long the keeper may sleep. */
static int64_t deliver(spool *self, const turn *t)
{
    hand h = {.self = self, .now = daemon_wall_ms()};

    if (self->options.deliver == NULL || t->paused)
        return IDLE_WAIT_MS;
    h.room = SPOOL_WINDOW - self->held_count;
    pthread_mutex_lock(&self->lock);
    self->hungry = h.room > 0; /* before the journal is read: what comes later is news */
    pthread_mutex_unlock(&self->lock);
    if (h.room == 0 && postponed_until(self) > h.now)
        return wait_for_due(self);
    hand_out_postponed(self, &h);
    /* What is held comes first by age, so twice the window is enough to fill it. */
    if (!self->failed && self->state.counts.waiting > 0 &&
        outbox_peek(self->box, 0, h.now, 2 * SPOOL_WINDOW, gather_boxed, &h) < 0)
        h.no_memory = true;
    fill_window(self, &h);
    if (h.list)
        self->options.deliver(h.list, self->options.user);
    return h.no_memory ? RECOVER_MS : wait_for_due(self);
}

/* That a segment cannot be made ahead is said by whoever needs it. */
static void tend_journal(spool *self)
{
    if (daemon_monotonic_ms() >= self->tend_at && journal_tend(self->journal) < 0)
        self->tend_at = daemon_monotonic_ms() + RECOVER_MS;
}

void *spool_keep(void *user)
{
    spool *self = user;
    int64_t wait = 0;
    int r = 0;

    /* Whoever answers a sender comes first. Not being allowed to give way does no harm. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    for (;;) {
        turn t = take_turn(self, wait, r < 0);
        bool items = t.items != NULL, idle = !items && t.settlements == NULL;

        r = write_turn(self, &t);
        tend_journal(self);
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
