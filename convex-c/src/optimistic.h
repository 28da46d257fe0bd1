/* optimistic.h - the layers of optimistic updates between the server's results and what is shown.
 */
#ifndef CVX_OPTIMISTIC_H
#define CVX_OPTIMISTIC_H

#include "convex/optimistic.h"
#include "view.h"

/* One update, the mutation's that carries it until cvx_sync_request(), then the overlay's. */
typedef struct cvx_update {
    convex_mem mem;
    convex_optimistic how;
    const convex_value *args;
    struct cvx_update *next, *prev;
    bool committed; /* its mutation is done, but not visible before... */
    uint64_t ts;    /* ...this */
} cvx_update;

/* NULL when memory is short. `how` is copied, `args` kept by ref. */
cvx_update *cvx_update_new(const convex_mem *mem, const convex_optimistic *how,
                           const convex_value *args);
/* NULL is fine.
 *   tell  whether free_user is called */
void cvx_update_free(cvx_update *update, bool tell);

/* What the updates make of one query. */
typedef struct cvx_local {
    struct cvx_local *next; /* of the overlay, in the order of making */
    cvx_query *query;       /* NULL: nobody subscribes to it */
    char *token;
    size_t token_len;
    uint64_t hash;
    convex_result *result;    /* NULL: loading */
    const convex_value *args; /* parsed when asked for */

    /* of the update that is running */
    bool written, made; /* it wrote this; it was the first to */
    convex_result *before;
    struct cvx_local *next_written;
} cvx_local;

typedef struct cvx_listed {
    cvx_query *query; /* or */
    cvx_local *local;
} cvx_listed;

struct convex_local_store {
    cvx_sync *sync;
    cvx_update *running; /* NULL: every call is refused */
    convex_status status;
    cvx_local *written;

    char *listed_path; /* the path whose queries are in `listed`, as a token begins; NULL: none */
    size_t listed_path_len, listed_count, listed_capacity;
    cvx_listed *listed;
};

typedef struct cvx_overlay {
    cvx_update *first, *last; /* in the order of their mutations */
    cvx_update *unrun;        /* the first that has not run since it came; all after it neither */
    cvx_update *dropped;      /* to be released */
    cvx_local *locals, *locals_last;
    cvx_query *touched; /* what they show is to be settled */
    bool stale;         /* something below an update changed: all run again */
    convex_local_store store;
} cvx_overlay;

/* Everything below is called by the files of the state machine only. */

/* A mutation with an update was called; it is finished or given up, with its update; a Transition
 * ended at `ts`. */
void cvx_overlay_push(cvx_sync *sync, cvx_update *update);
void cvx_overlay_finished(cvx_sync *sync, cvx_request *request);
void cvx_overlay_visible(cvx_sync *sync, uint64_t ts);

/* Whether what is shown may be other than the server's results. */
bool cvx_overlay_active(const cvx_sync *sync);
/* The server's result of the query is another one; it is new; it goes. */
void cvx_overlay_result(cvx_sync *sync, cvx_query *query);
void cvx_overlay_added(cvx_sync *sync, cvx_query *query);
void cvx_overlay_removed(cvx_sync *sync, cvx_query *query);

/* Runs what has to run: user code. */
void cvx_overlay_settle(cvx_sync *sync);
/* Gives up every update. */
void cvx_overlay_clear(cvx_sync *sync);

/* The store's part. */
void cvx_overlay_touch(cvx_sync *sync, cvx_query *query);
void cvx_local_free(cvx_sync *sync, cvx_local *local);
void cvx_store_begin(cvx_sync *sync, cvx_update *update);
/* Ends the update that runs: keeps what it wrote, or takes it back if any call failed. */
void cvx_store_end(cvx_sync *sync);
void cvx_store_forget_list(convex_local_store *store);
const convex_mem *cvx_store_mem(const convex_local_store *store);
/* Notes the update's first failure; returns `status`. */
convex_status cvx_store_fail(convex_local_store *store, convex_status status, const char *why);
/* The first failure of the update that runs; CONVEX_EINVAL when none runs. */
convex_status cvx_store_status(const convex_local_store *store);

#endif
