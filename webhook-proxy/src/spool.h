/* spool.h - the events that were accepted and not yet delivered.
 *
 * They wait in the journal (journal.h), where the thread that answers senders puts them: one write
 * and one sync for all requests of a turn. The deliverer is handed them from there, at most
 * SPOOL_WINDOW at a time and in order, and what it delivered is marked there. Only what has more of
 * a history goes to the outbox (SQLite): an event that was refused, with its attempts, and dead
 * letters; and what we asked a provider for ourselves (spool_submit()), together with a note of how
 * far was read. Both count one row of ids.
 *
 * A thread of ours, the keeper, hands out, takes back what became of it, and owns the outbox. */
#ifndef PROXY_SPOOL_H
#define PROXY_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/outbox.h"

enum { SPOOL_WINDOW = 16, SPOOL_QUEUE_MAX = 8192, SPOOL_BATCH_MAX = 1024 };

typedef struct spool spool;

/* One event that we asked for; the caller's memory until `done` was called. */
typedef struct spool_item spool_item;
struct spool_item {
    const char *key;     /* unique among what waits: an equal one is stored already */
    const char *payload; /* NULL: no event, only a note */
    size_t size;
    int64_t now_ms;
    /* A small text kept under a name, such as how far a list was read, written with the event. */
    const char *note; /* its name; NULL: none */
    char *note_text;  /* what to write; NULL: read it, into here, owned by the caller then; NULL
                         again  if there is none */
    /* Called once, on the keeper's thread. 0: stored. -EEXIST: it was there already. Else a
     * negative errno: neither event nor note is stored. */
    void (*done)(spool_item *item, int result);
    void *user;
    spool_item *next; /* the spool's */
};

/* One event on its way out; owned by the deliverer, release with spool_delivery_free(). */
typedef struct spool_delivery spool_delivery;
struct spool_delivery {
    int64_t id;
    int64_t attempts; /* failed ones so far */
    size_t size;
    spool_delivery *next; /* the receiver's */
    char payload[];
};

typedef enum spool_verdict {
    SPOOL_DELIVERED, /* forget it */
    SPOOL_RETRY,     /* one more failed attempt, due again later */
    SPOOL_POSTPONE,  /* not its fault: due again later */
    SPOOL_DEAD,      /* to the dead letters */
    SPOOL_REVIVE     /* back from there, due at once, its attempts forgotten */
} spool_verdict;

/* Called on the keeper's thread with a list of deliveries, oldest first. */
typedef void spool_deliver_fn(spool_delivery *list, void *user);

/* Opens the box and the journal, starts the keeper.
 *   directory  of the files: "spool" and what belongs to it, "journal-..."
 *   deliver    NULL: nothing is handed out
 * Returns 0 or a negative errno. */
typedef struct spool_options {
    const char *directory;
    int64_t max_entries, max_bytes; /* of box and journal together; 0: as outbox_options */
    spool_deliver_fn *deliver;
    void *user;
} spool_options;

int spool_open(const spool_options *options, spool **ret, outbox_error *reterr);
/* Stores what was submitted and settled, then ends the keeper. Nothing may be accepted or submitted
 * any more. */
void spool_close(spool *self);

/* The thread that answers senders. Adds an event to the open batch; all is copied. Of an event that
 * waits already, or is in a batch, nothing is added. Returns 0, -ENOBUFS (the spool is full) or
 * -ENOMEM. */
int spool_accept(spool *self, const char *key, const void *payload, size_t size, int64_t now_ms);
/* The same thread: the open batch is the one to store, and an empty one is open. Not while one is
 * being stored. */
void spool_seal(spool *self);
/* The same thread, when a commit has failed: nothing in the open batch counts either, for it may
 * have relied on an event of the other. */
void spool_discard(spool *self);
/* Any thread, one at a time: stores the sealed batch. 0: all of it is durable. Else a negative
 * errno: none of it counts. */
int spool_commit(spool *self);

/* Any thread. False if the queue is full: `done` will not be called. */
bool spool_submit(spool *self, spool_item *item);

/* Any thread. `delay_ms` for RETRY and POSTPONE; `reason` (copied) for RETRY and DEAD.
 * Returns 0 or -ENOMEM; then the entry is handed out again after a restart. */
int spool_settle(spool *self, int64_t id, spool_verdict verdict, int64_t delay_ms,
                 const char *reason);

/* Hands out nothing from now on: for the end. Any thread. */
void spool_pause(spool *self);

typedef struct spool_state {
    outbox_counts counts; /* of journal and box */
    size_t damaged_parts; /* of the journal, that cannot be read: what was in them is lost */
    bool writable;        /* the last batch and the last transaction were stored */
} spool_state;

void spool_get_state(spool *self, spool_state *ret); /* any thread */

/* How many settlements were asked for, and whether so many are stored. Any thread. */
uint64_t spool_settlements(spool *self);
bool spool_has_settled(spool *self, uint64_t until);

void spool_delivery_free(spool_delivery *delivery);

#endif
