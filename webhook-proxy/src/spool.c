/* spool.c - the journal, the outbox beside it, and what the threads share: the side of those who
 * accept, submit and settle; how it opens and closes.
 * The outbox is the keeper's alone (spool_keeper.c); of the journal the intake's thread is the
 * writing side and the keeper the reading one. What the threads share is under one lock, which is
 * never held while the disk is at work or a callback runs.
 * Invariants: an event is in the journal, unmarked, or in the box, or done with; an event of the
 * journal is counted, and its key in the set, from before it is written until it is marked. */
#include "spool_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"

enum {
    READ_MAX = 1024,                /* events at once, when it is opened */
    JOURNAL_MORE_BYTES = 256 << 20, /* than its events have: heads, padding, what is done with */
    ENTRIES_MAX = 1000000,          /* the outbox's own defaults */
    BYTES_MAX = 1 << 30
};

/* ---- the intake ---- */

/* Under the lock. */
static bool has_room(const spool *self, int64_t bytes)
{
    const outbox_counts *box = &self->state.counts;

    return box->waiting + box->dead + self->journaled.events < self->options.max_entries &&
           box->bytes + self->journaled.bytes + bytes <= self->options.max_bytes;
}

/* Counts an event and gives it an id. -EEXIST: it waits already. */
static int enter(spool *self, key_print print, int64_t bytes, int64_t *ret_id)
{
    int r;

    pthread_mutex_lock(&self->lock);
    if (keys_has(&self->keys, print))
        r = -EEXIST;
    else if (!has_room(self, bytes))
        r = -ENOBUFS;
    else
        r = keys_add(&self->keys, print);
    if (r == 0) {
        self->journaled.events++;
        self->journaled.bytes += bytes;
        *ret_id = self->next_id++;
    }
    pthread_mutex_unlock(&self->lock);
    return r;
}

void spool_forget(spool *self, key_print print, int64_t bytes)
{
    keys_remove(&self->keys, print);
    self->journaled.events--;
    self->journaled.bytes -= bytes;
}

static bool room_in_batch(batch *to)
{
    size_t capacity = to->capacity ? to->capacity * 2 : 64;
    key_print *prints;

    if ((size_t)to->amount.events < to->capacity)
        return true;
    prints = realloc(to->prints, capacity * sizeof(*prints));
    if (prints == NULL)
        return false;
    to->prints = prints;
    to->capacity = capacity;
    return true;
}

int spool_accept(spool *self, const char *key, const void *payload, size_t size, int64_t now_ms)
{
    journal_entry entry = {.key = key, .payload = payload, .size = size, .now_ms = now_ms};
    const int64_t bytes = (int64_t)(strlen(key) + size);
    key_print print;
    int r = room_in_batch(&self->open) && key_print_of(key, &print) ? 0 : -ENOMEM;

    if (r == 0)
        r = enter(self, print, bytes, &entry.id);
    if (r < 0)
        return r == -EEXIST ? 0 : r;
    r = journal_append(self->journal, &entry);
    if (r < 0) {
        pthread_mutex_lock(&self->lock);
        spool_forget(self, print, bytes);
        pthread_mutex_unlock(&self->lock);
        return r;
    }
    self->open.prints[self->open.amount.events++] = print;
    self->open.amount.bytes += bytes;
    return 0;
}

void spool_seal(spool *self)
{
    const batch empty = self->sealed;

    self->sealed = self->open;
    self->open = empty;
    journal_seal(self->journal);
}

/* Of a batch that is not stored. Under the lock. */
static void forget_batch(spool *self, batch *of)
{
    for (int64_t i = 0; i < of->amount.events; i++)
        spool_forget(self, of->prints[i], 0);
    self->journaled.bytes -= of->amount.bytes;
    of->amount = (amount){0, 0};
}

void spool_discard(spool *self)
{
    pthread_mutex_lock(&self->lock);
    forget_batch(self, &self->open);
    pthread_mutex_unlock(&self->lock);
    journal_discard(self->journal);
}

/* The batch is in the journal, or (r < 0) is not. True: that is news. */
static bool note_batch(spool *self, int r)
{
    bool news;

    pthread_mutex_lock(&self->lock);
    if (r < 0)
        forget_batch(self, &self->sealed);
    self->sealed.amount = (amount){0, 0};
    news = self->intake_fails != (r < 0);
    self->intake_fails = r < 0;
    if ((r == 0 && self->hungry) || journal_is_untidy(self->journal)) {
        self->hungry = false;
        self->news = true;
        pthread_cond_signal(&self->wake);
    }
    pthread_mutex_unlock(&self->lock);
    return news;
}

int spool_commit(spool *self)
{
    int r;

    if (self->sealed.amount.events == 0)
        return 0;
    r = journal_commit(self->journal);
    if (!note_batch(self, r))
        return r;
    if (r < 0)
        daemon_log(DAEMON_ERROR, "events cannot be stored, they are refused", "error=%s",
                   r == -ENOBUFS ? "the journal is full" : strerror(-r));
    else
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
    self->asked++;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    return 0;
}

uint64_t spool_settlements(spool *self)
{
    uint64_t asked;

    pthread_mutex_lock(&self->lock);
    asked = self->asked;
    pthread_mutex_unlock(&self->lock);
    return asked;
}

bool spool_has_settled(spool *self, uint64_t until)
{
    bool stored;

    pthread_mutex_lock(&self->lock);
    stored = self->done >= until;
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
    size_t bytes;

    pthread_mutex_lock(&self->lock);
    *ret = self->state;
    ret->counts.waiting += self->journaled.events;
    ret->counts.bytes += self->journaled.bytes;
    ret->writable = ret->writable && !self->intake_fails;
    pthread_mutex_unlock(&self->lock);
    journal_damage(self->journal, &ret->damaged_parts, &bytes);
}

void spool_delivery_free(spool_delivery *delivery)
{
    free(delivery);
}

/* ---- life ---- */

/* Of what an earlier run left: how much it is, and what has to be marked. */
typedef struct leftovers {
    spool *self;
    journal_place next;
    journal_place over[READ_MAX]; /* in the box as well, or twice in the journal */
    size_t over_count;
    int result;
} leftovers;

static bool count_entry(const journal_entry *entry, journal_place next, void *user)
{
    leftovers *l = user;
    key_print print;
    int r = key_print_of(entry->key, &print) ? outbox_has(l->self->box, entry->key) : -ENOMEM;

    if (r == 0)
        r = keys_add(&l->self->keys, print);
    if (r < 0 && r != -EEXIST) {
        l->result = r;
        return false;
    }
    l->next = next;
    if (r != 0) {
        l->over[l->over_count++] = entry->place;
        return true;
    }
    l->self->journaled.events++;
    l->self->journaled.bytes += (int64_t)(strlen(entry->key) + entry->size);
    return true;
}

static int count_leftovers(spool *self)
{
    leftovers l = {.self = self};
    ssize_t n;

    do {
        l.over_count = 0;
        n = journal_read(self->journal, l.next, READ_MAX, count_entry, &l);
        for (size_t i = 0; n >= 0 && i < l.over_count; i++)
            (void)journal_mark(self->journal, l.over[i]); /* if not now, at the next start */
    } while (n > 0);
    return l.result < 0 ? l.result : (int)n;
}

static int open_journal(spool *self, outbox_error *reterr)
{
    const journal_options options = {.directory = self->options.directory,
                                     .max_bytes =
                                         (size_t)self->options.max_bytes + JOURNAL_MORE_BYTES};
    int64_t journal_next;
    int r = journal_open(&options, &self->journal, reterr->text, sizeof(reterr->text));

    if (r == 0)
        r = count_leftovers(self);
    if (r < 0)
        return r;
    journal_next = journal_last_id(self->journal) + 1;
    self->next_id = outbox_next_id(self->box);
    if (self->next_id < journal_next)
        self->next_id = journal_next;
    return 0;
}

static int open_box(spool *self, outbox_error *reterr)
{
    char path[4096];
    outbox_options options = {.path = path,
                              .max_entries = self->options.max_entries,
                              .max_bytes = self->options.max_bytes,
                              .unique_keys = true};

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
    while (self->ahead_at < self->ahead_count)
        spool_delivery_free(self->ahead[self->ahead_at++].delivery);
    journal_close(self->journal);
    outbox_close(self->box);
    keys_done(&self->keys);
    free(self->open.prints);
    free(self->sealed.prints);
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
        r = -pthread_create(&self->thread, NULL, spool_keep, self);
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
