/* spool_internal.h - what spool.c and spool_keeper.c share. */
#ifndef PROXY_SPOOL_INTERNAL_H
#define PROXY_SPOOL_INTERNAL_H

#include <pthread.h>

#include "journal.h"
#include "keys.h"
#include "spool.h"

typedef struct settlement settlement;
struct settlement {
    settlement *next;
    int64_t id;
    spool_verdict verdict;
    int64_t due; /* ms since 1970 */
    char reason[];
};

/* What has to be known of an event of the journal beside itself. */
typedef struct origin {
    journal_place place; /* segment 0: it is in the box */
    key_print print;
    int64_t bytes; /* of key and payload */
} origin;

/* An entry that the deliverer has, or that may not be handed out before `due`. */
typedef struct held {
    int64_t id;
    int64_t due; /* 0: the deliverer has it */
    origin from;
} held;

/* Read from the journal, to be handed out next. */
typedef struct ahead {
    spool_delivery *delivery;
    origin from;
} ahead;

/* Events, and the bytes of their keys and payloads. */
typedef struct amount {
    int64_t events, bytes;
} amount;

/* What a batch of the journal added to the keys. */
typedef struct batch {
    key_print *prints;
    size_t capacity;
    amount amount;
} batch;

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
    bool hungry;          /* the keeper would hand out more, if there were any */
    bool news;            /* in the journal, for the keeper */
    bool intake_fails;    /* the last batch was not stored */
    int64_t next_id;      /* for the next event */
    keys keys;            /* of what is in the journal and not done with, the batch included */
    amount journaled;     /* of the same */
    uint64_t asked, done; /* settlements */
    spool_state state;    /* of the box */

    batch open;   /* of the thread that accepts */
    batch sealed; /* of the one that commits */

    /* The keeper's own. */
    journal_place place; /* read up to here */
    ahead ahead[SPOOL_WINDOW];
    size_t ahead_at, ahead_count;
    int64_t tend_at; /* monotonic */
    held held[SPOOL_WINDOW];
    size_t held_count;
    bool failed;        /* the box waits for recovery */
    int64_t recover_at; /* monotonic */
};

/* An event of the journal that is done with, or was never stored. Under the lock. */
void spool_forget(spool *self, key_print print, int64_t bytes);

/* The keeper's thread, until the spool closes. */
void *spool_keep(void *user);

#endif
