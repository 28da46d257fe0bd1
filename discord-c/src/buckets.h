/* buckets.h - when each REST request may be sent.
 *
 * Pure: no I/O, time passed in (ms, monotonic). Not thread-safe.
 * A lane is a method, route and major parameter: its entries leave one at a time, in order.
 * A limit is what Discord counts: a bucket hash and major parameter, or the lane itself until
 * the hash is known. */
#ifndef DISCORD_SRC_BUCKETS_H
#define DISCORD_SRC_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#define DBK_NEVER INT64_MAX

typedef struct dbk dbk;
struct dbk_lane;

/* Embedded in the request; its fields belong to the scheduler while it is queued or sent. */
typedef struct dbk_entry {
    struct dbk_entry *next;
    struct dbk_lane *lane;
    int64_t not_before; /* backoff of its own */
    int64_t deadline;
    int64_t limited_ms;   /* how long limits kept it waiting so far */
    int64_t limited_base; /* the limit's clock when it began to wait */
} dbk_entry;

/* What the headers and the body of an answer said; -1: not said. */
typedef struct dbk_facts {
    int status;
    char bucket[128]; /* "": none */
    int64_t remaining;
    int64_t limit;
    int64_t reset_after_ms;
    int64_t retry_after_ms; /* the greater of header and body */
    bool global;
    bool shared;
    bool own;  /* this request alone is limited (30046): its lane goes on */
    bool html; /* not Discord's own JSON */
} dbk_facts;

dbk *dbk_new(uint32_t (*random)(void *user), void *user);
void dbk_free(dbk *b); /* entries must have left */

/* Queues at the end of the lane. False without memory. */
bool dbk_add(dbk *b, dbk_entry *entry, const char *route, const char *major, int64_t now);
/* The next entry that may be sent now, taken from its queue and in flight; or NULL. */
dbk_entry *dbk_next(dbk *b, int64_t now);
/* When dbk_next() or dbk_expired() may give something, without further input. */
int64_t dbk_due(const dbk *b, int64_t now);
/* An entry whose deadline is over or comes before its limit lets it through; it left. */
dbk_entry *dbk_expired(dbk *b, int64_t now, int64_t *ret_wait_ms);
/* The answer to an entry in flight; call before done or again. facts NULL: there was none. */
void dbk_answer(dbk *b, dbk_entry *entry, const dbk_facts *facts, int64_t now);
/* The entry in flight is finished; it left. */
void dbk_done(dbk *b, dbk_entry *entry);
/* The entry in flight goes back to the head of its lane. */
void dbk_again(dbk *b, dbk_entry *entry, int64_t not_before, int64_t now);
/* Takes any queued entry out, or NULL: to end them all. */
dbk_entry *dbk_take(dbk *b);

#endif
