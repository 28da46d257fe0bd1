/* spool.c - the journal in front, the outbox behind, and the writer that moves events between them.
 * The outbox is the writer's alone; of the journal the intake's thread is the writing side and ours
 * the reading one. The queues between the threads are under one lock, which is never held while the
 * disk is at work or a callback runs.
 * Invariants: how far the journal was moved is stored in the transaction that holds the moved
 * events; the journal is trimmed only behind what the outbox has flushed; an entry is with the
 * deliverer or in the box, and while it is with the deliverer it is not handed out again. */
#include "spool.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "journal.h"

enum {
    RECOVER_MS = 1000,
    IDLE_WAIT_MS = 60000,
    MOVE_MAX = 1024, /* events of one transaction */
    NICENESS = 5,
    ENTRIES_MAX = 1000000, /* the outbox's own defaults */
    BYTES_MAX = 1 << 30
};

/* The note that says how far the journal was moved. */
static const char place_note[] = "journal";

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

/* Events, and the bytes of their keys and payloads. */
typedef struct amount {
    int64_t events, bytes;
} amount;

struct spool {
    outbox *box;
    journal *journal;
    pthread_t thread;
    spool_options options;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    spool_item *items, **items_end;
    size_t item_count;
    settlement *settlements, **settlements_end;
    bool closing, paused;
    bool committed;    /* to the journal, since the writer looked */
    bool intake_fails; /* the last batch was not stored */
    amount journaled;  /* accepted and not moved */
    spool_mark asked;  /* committed to the journal, and handed to spool_settle() */
    spool_mark done;   /* of that, in the box */
    spool_state state; /* of the box */

    amount batch; /* the intake's: accepted and not committed */

    /* The writer's own. */
    journal_place place;   /* moved up to here */
    journal_place flushed; /* and safe in the box up to here */
    int64_t prepare_at;    /* monotonic */
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
    amount moved; /* from the journal */
} turn;

/* ---- the intake ---- */

static bool reserve(spool *self, int64_t bytes)
{
    const outbox_counts *box = &self->state.counts;
    bool room;

    pthread_mutex_lock(&self->lock);
    room = box->waiting + box->dead + self->journaled.events < self->options.max_entries &&
           box->bytes + self->journaled.bytes + bytes <= self->options.max_bytes;
    if (room) {
        self->journaled.events++;
        self->journaled.bytes += bytes;
    }
    pthread_mutex_unlock(&self->lock);
    return room;
}

static void unreserve(spool *self, amount taken)
{
    pthread_mutex_lock(&self->lock);
    self->journaled.events -= taken.events;
    self->journaled.bytes -= taken.bytes;
    pthread_mutex_unlock(&self->lock);
}

int spool_accept(spool *self, const char *key, const void *payload, size_t size, int64_t now_ms)
{
    const journal_entry entry = {key, payload, size, now_ms};
    const amount one = {1, (int64_t)(strlen(key) + size)};
    int r;

    if (!reserve(self, one.bytes))
        return -ENOBUFS;
    r = journal_append(self->journal, &entry);
    if (r < 0) {
        unreserve(self, one);
        return r;
    }
    self->batch.events += one.events;
    self->batch.bytes += one.bytes;
    return 0;
}

int spool_commit(spool *self)
{
    int r = journal_commit(self->journal);
    bool news;

    if (self->batch.events == 0)
        return 0;
    if (r < 0)
        unreserve(self, self->batch);
    pthread_mutex_lock(&self->lock);
    self->asked.events += r == 0 ? (uint64_t)self->batch.events : 0;
    self->batch = (amount){0, 0};
    news = self->intake_fails != (r < 0);
    self->intake_fails = r < 0;
    if (r == 0 && !self->committed) {
        self->committed = true;
        pthread_cond_signal(&self->wake);
    }
    pthread_mutex_unlock(&self->lock);
    if (news && r < 0)
        daemon_log(DAEMON_ERROR, "events cannot be stored, they are refused", "error=%s",
                   r == -ENOBUFS ? "the journal is full: the spool behind it does not keep up"
                                 : strerror(-r));
    else if (news)
        daemon_log(DAEMON_WARN, "events can be stored again", NULL);
    return r;
}

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
    self->asked.settlements++;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    return 0;
}

spool_mark spool_now(spool *self)
{
    spool_mark now;

    pthread_mutex_lock(&self->lock);
    now = self->asked;
    pthread_mutex_unlock(&self->lock);
    return now;
}

bool spool_has_stored(spool *self, spool_mark until)
{
    bool stored;

    pthread_mutex_lock(&self->lock);
    stored = self->done.events >= until.events && self->done.settlements >= until.settlements;
    pthread_mutex_unlock(&self->lock);
    return stored;
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
    ret->counts.waiting += self->journaled.events;
    ret->counts.bytes += self->journaled.bytes;
    ret->writable = ret->writable && !self->intake_fails;
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
 * settlements and the journal are no reason to begin, for they just failed. */
static turn take_turn(spool *self, int64_t wait_ms, bool patient)
{
    turn t = {.moved = {0, 0}};
    spool_item **end = &t.items;

    pthread_mutex_lock(&self->lock);
    if (!self->items && ((!self->settlements && !self->committed) || patient) && !self->closing &&
        wait_ms > 0)
        wait_until(self, wait_ms);
    self->committed = false;
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

typedef struct move {
    outbox *box;
    amount moved;
    journal_place place;
    int result;
} move;

static bool move_entry(const journal_entry *entry, journal_place next, void *user)
{
    move *m = user;
    int r = outbox_append(m->box, entry->key, entry->payload, entry->size, entry->now_ms, NULL);

    if (r < 0 && r != -EEXIST) {
        m->result = r;
        return false;
    }
    m->moved.events++;
    m->moved.bytes += (int64_t)(strlen(entry->key) + entry->size);
    m->place = next;
    return true;
}

/* What the journal has goes into the box, and where it ended with it. A full box takes what fits:
 * the rest stays in the journal. */
static int move_journal(spool *self, move *m)
{
    char text[48];
    ssize_t n;

    *m = (move){self->box, {0, 0}, self->place, 0};
    n = journal_read(self->journal, self->place, MOVE_MAX, move_entry, m);
    if (n < 0)
        return (int)n;
    if (m->result < 0 && m->result != -ENOBUFS)
        return m->result;
    if (n == 0)
        return 0;
    snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, m->place.segment, m->place.offset);
    return outbox_put(self->box, place_note, text, strlen(text));
}

/* Everything of this turn in one transaction; what one item alone came to is in `results`. */
static int store(spool *self, turn *t, int *results)
{
    int r = outbox_begin(self->box), i = 0;
    move m = {0};

    if (r == 0)
        r = move_journal(self, &m);
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
        r = outbox_commit(self->box);
    else
        outbox_rollback(self->box);
    if (r == 0) {
        t->moved = m.moved;
        self->place = m.place;
    }
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

static void note_state(spool *self, int r, amount moved)
{
    outbox_counts counts = self->state.counts;

    if (!self->failed)
        outbox_count(self->box, &counts);
    pthread_mutex_lock(&self->lock);
    self->state.counts = counts;
    self->state.writable = r == 0;
    self->journaled.events -= moved.events;
    self->journaled.bytes -= moved.bytes;
    self->done.events += (uint64_t)moved.events;
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
    uint64_t done = 0;

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
        done++;
        if (s->verdict == SPOOL_POSTPONE && find_held(self, s->id))
            find_held(self, s->id)->due = s->due;
        else if (s->verdict != SPOOL_REVIVE) /* revived twice, the deliverer may have it already */
            release(self, s->id);
        free(s);
    }
    pthread_mutex_lock(&self->lock);
    self->done.settlements += done;
    pthread_mutex_unlock(&self->lock);
}

static int write_turn(spool *self, turn *t)
{
    int results[SPOOL_BATCH_MAX] = {0}, r;

    if (t->items == NULL && t->settlements == NULL && !journal_has(self->journal, self->place))
        return 0;
    r = recovered(self) ? store(self, t, results) : -EIO;
    if (r < 0 && self->state.writable) /* only the writer changes it */
        daemon_log(DAEMON_ERROR, "spool cannot store", "error=%s",
                   *outbox_last_error(self->box) ? outbox_last_error(self->box) : strerror(-r));
    if (r == -EIO && !self->failed) {
        self->failed = true;
        self->recover_at = daemon_monotonic_ms();
    }
    note_state(self, r, t->moved);
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

    if (self->options.deliver == NULL || t->paused || self->failed)
        return IDLE_WAIT_MS;
    if (self->held_count == SPOOL_WINDOW && postponed_until(self) > now)
        return postponed_until(self) == INT64_MAX ? IDLE_WAIT_MS : postponed_until(self) - now;
    /* What is held comes first by age, so twice the window is enough to fill it. */
    if (outbox_peek(self->box, 0, now, 2 * SPOOL_WINDOW, hand_out, &h) < 0)
        h.no_memory = true;
    if (h.list)
        self->options.deliver(h.list, self->options.user);
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

/* What was moved long enough ago is flushed, and its segments are free again; a segment is made
 * ahead. That one cannot be made is said by whoever needs it. */
static void tend_journal(spool *self)
{
    if (self->failed)
        return;
    if (self->place.segment > self->flushed.segment && outbox_flush(self->box) == 0) {
        self->flushed = self->place;
        journal_trim(self->journal, self->flushed);
    }
    if (daemon_monotonic_ms() >= self->prepare_at && journal_prepare(self->journal) < 0)
        self->prepare_at = daemon_monotonic_ms() + RECOVER_MS;
}

static void *write_until_closed(void *user)
{
    spool *self = user;
    int64_t wait = 0;
    int r = 0;

    /* Whoever answers a sender comes first. Not being allowed to give way does no harm. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    for (;;) {
        turn t = take_turn(self, wait, r < 0);
        bool items = t.items != NULL, more,
             idle = !items && t.settlements == NULL && !journal_has(self->journal, self->place);

        r = write_turn(self, &t);
        tend_journal(self);
        /* Settlements that cannot be stored are repeated after the next start. */
        if (t.closing && (idle || (r < 0 && !items)))
            return NULL;
        wait = deliver(self, &t);
        more = journal_has(self->journal, self->place);
        if (more && r == 0 && t.moved.events > 0)
            wait = 0;
        else if ((more || r < 0) && wait > RECOVER_MS)
            wait = RECOVER_MS;
        if (idle && !self->failed)
            outbox_checkpoint(self->box);
    }
}

/* ---- life ---- */

static int load_place(spool *self)
{
    void *text = NULL;
    char *end;
    int r = outbox_get(self->box, place_note, &text, NULL);

    if (r == 0) {
        self->place.segment = strtoull(text, &end, 10);
        self->place.offset = strtoull(end, NULL, 10);
    }
    free(text);
    return r == -ENOENT ? 0 : r;
}

/* What an earlier run left in the journal counts as well. */
static bool count_entry(const journal_entry *entry, journal_place next, void *user)
{
    move *m = user;

    m->moved.events++;
    m->moved.bytes += (int64_t)(strlen(entry->key) + entry->size);
    m->place = next;
    return true;
}

static int open_journal(spool *self, outbox_error *reterr)
{
    const journal_options options = {.directory = self->options.directory};
    move left = {.moved = {0, 0}};
    ssize_t n;
    int r = load_place(self);

    if (r == 0)
        r = journal_open(&options, self->place, &self->journal, reterr->text, sizeof(reterr->text));
    if (r < 0)
        return r;
    self->flushed = left.place = self->place;
    do {
        n = journal_read(self->journal, left.place, MOVE_MAX, count_entry, &left);
    } while (n > 0);
    self->journaled = left.moved;
    self->asked.events = (uint64_t)left.moved.events;
    return (int)n;
}

static int open_box(spool *self, outbox_error *reterr)
{
    char path[4096];
    outbox_options options = {.path = path,
                              .max_entries = self->options.max_entries,
                              .max_bytes = self->options.max_bytes,
                              .unique_keys = true,
                              .lazy_sync = true};

    snprintf(path, sizeof(path), "%s/spool", self->options.directory);
    return outbox_open(&options, &self->box, reterr);
}

static void init_lock(spool *self)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void release_all(spool *self)
{
    while (self->settlements) {
        settlement *s = self->settlements;

        self->settlements = s->next;
        free(s);
    }
    journal_close(self->journal);
    outbox_close(self->box);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

int spool_open(const spool_options *options, spool **ret, outbox_error *reterr)
{
    spool *self = calloc(1, sizeof(*self));
    int r;

    if (self == NULL)
        return -ENOMEM;
    init_lock(self);
    self->options = *options;
    if (self->options.max_entries == 0)
        self->options.max_entries = ENTRIES_MAX;
    if (self->options.max_bytes == 0)
        self->options.max_bytes = BYTES_MAX;
    self->items_end = &self->items;
    self->settlements_end = &self->settlements;
    self->state.writable = true;
    r = open_box(self, reterr);
    if (r == 0)
        r = open_journal(self, reterr);
    if (r == 0) {
        outbox_count(self->box, &self->state.counts);
        r = -pthread_create(&self->thread, NULL, write_until_closed, self);
    }
    if (r < 0) {
        release_all(self);
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
    release_all(self);
}
