/* spool.h - the events that were accepted and not yet delivered, and the one thread that writes
 * them.
 *
 * Group commit: the writer takes everything that queued while it was writing, stores it in one
 * transaction with one sync, then answers all. No timer delays anybody.
 *
 * The writer also hands due entries to the deliverer, at most SPOOL_WINDOW at a time and in order,
 * and takes back what became of them. */
#ifndef PROXY_SPOOL_H
#define PROXY_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/outbox.h"

enum { SPOOL_WINDOW = 16, SPOOL_QUEUE_MAX = 8192, SPOOL_BATCH_MAX = 1024 };

typedef struct spool spool;

/* One event on its way in; the caller's memory until `done` was called. */
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
    /* Called once, on the writer's thread. 0: stored and synced. -EEXIST: it was there already.
     * Else a negative errno: not stored. */
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

/* Called on the writer's thread with a list of deliveries. */
typedef void spool_deliver_fn(spool_delivery *list, void *user);

/* Opens the box and starts the writer.
 *   deliver   NULL: nothing is handed out
 * Returns 0 or what outbox_open returned. */
int spool_open(const outbox_options *options, spool_deliver_fn *deliver, void *user, spool **ret,
               outbox_error *reterr);
/* Stores what is queued, then ends the writer. Nothing may be submitted any more. */
void spool_close(spool *self);

/* Any thread. False if the queue is full: `done` will not be called. */
bool spool_submit(spool *self, spool_item *item);

/* Any thread. `delay_ms` for RETRY and POSTPONE; `reason` (copied) for RETRY and DEAD.
 * Returns 0 or -ENOMEM; then the entry is handed out again after a restart. */
int spool_settle(spool *self, int64_t id, spool_verdict verdict, int64_t delay_ms,
                 const char *reason);

/* Hands out nothing from now on: for the end. Any thread. */
void spool_pause(spool *self);

typedef struct spool_state {
    outbox_counts counts;
    bool writable;            /* the last transaction was stored */
    uint64_t stored, commits; /* since the start */
} spool_state;

void spool_get_state(spool *self, spool_state *ret); /* any thread */

void spool_delivery_free(spool_delivery *delivery);

#endif
