/* http_engine.h - one libcurl multi handle that several threads' transfers share. */
#ifndef CVX_HTTP_ENGINE_H
#define CVX_HTTP_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "curl.h"

enum { CVX_HTTP_IDLE_MAX = 8 };

/* One transfer, in the memory of the thread that waits for it. The callbacks of `easy` run on
 * whichever thread drives the engine just then. */
typedef struct cvx_http_transfer {
    CURL *easy;
    unsigned answer_ms; /* from the last byte sent to the first received; 0: no limit */
    unsigned stall_ms;  /* between two bytes received; 0: no limit */
    bool watched;       /* its progress callback wants to run when nothing moves, too */
    int64_t moved_at;   /* kept by the callbacks: when a byte moved last; 0: not connected yet */
    bool answered;      /* kept by the callbacks: a byte of the answer was read */

    CURLcode code;  /* how it ended */
    bool timed_out; /* ended by answer_ms or stall_ms */
    bool done;
    pthread_cond_t wake;
    struct cvx_http_transfer *next;
} cvx_http_transfer;

typedef struct cvx_http_engine {
    pthread_mutex_t lock;       /* guards all below, but for what only the driving thread touches */
    CURLM *multi;               /* the driving thread's; wakeup by any */
    cvx_http_transfer *waiting; /* not yet added to `multi` */
    cvx_http_transfer *active;  /* the driving thread's: added and not done */
    bool driven;
    CURL *idle[CVX_HTTP_IDLE_MAX];
    unsigned idle_count;
} cvx_http_engine;

/* False when memory is short; nothing is left to release then. */
bool cvx_http_engine_init(cvx_http_engine *e);
void cvx_http_engine_done(cvx_http_engine *e);

/* A handle that was given back, or NULL. Its options are as they were then: all of one engine's
 * handles are set up alike. */
CURL *cvx_http_engine_take(cvx_http_engine *e);
/* Keeps a handle for the next, or releases it. */
void cvx_http_engine_give(cvx_http_engine *e, CURL *easy);

/* Runs one transfer to its end; blocks. `easy` is complete, but for its private pointer. */
void cvx_http_engine_run(cvx_http_engine *e, cvx_http_transfer *t);

/* Milliseconds of the monotonic clock, never 0. */
int64_t cvx_http_now(void);

#endif
