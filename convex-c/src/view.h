/* view.h - what a program is shown: the server's results, and whatever lies on top of them.
 *
 * A query has `result`, what the server said, and `shown`, what its listeners are told. A listener
 * belongs to itself, or to a view, which watches several queries and speaks once for all of them.
 */
#ifndef CVX_VIEW_H
#define CVX_VIEW_H

#include "sync.h"

typedef enum cvx_step { CVX_STEP_NOTHING, CVX_STEP_SHOW, CVX_STEP_NO_MEMORY } cvx_step;

/* Lives in the caller. Of each listener of it the caller sets `view` before cvx_sync_subscribe().
 */
struct cvx_view {
    /* Something of it changed, and all that changes with it is settled. CVX_STEP_SHOW: a
     * CVX_SYNC_VIEW event follows at once. CVX_STEP_NO_MEMORY: it is asked again, later. */
    cvx_step (*step)(cvx_sync *sync, struct cvx_view *view);
    void *user; /* the caller's */

    /* private */
    struct cvx_view *next, *prev;
    bool queued;
};

/* Everything below is called by the files of the state machine only. */

typedef struct cvx_views {
    cvx_listener *dirty, *dirty_last;
    cvx_view *queued, *queued_last;
    int64_t retry_at; /* INT64_MAX: no view waits for memory */
} cvx_views;

/* Asks for a step. */
void cvx_view_queue(cvx_sync *sync, cvx_view *view);
void cvx_view_unqueue(cvx_sync *sync, cvx_view *view);

/* The server's result of the query is another one now. */
void cvx_view_result(cvx_sync *sync, cvx_query *query);
/* It is to be shown so. */
void cvx_view_show(cvx_sync *sync, cvx_query *query, const convex_result *result);
/* The server confirmed it on a new connection, changed or not. */
void cvx_view_confirmed(cvx_sync *sync, cvx_query *query);
/* A listener joined its query, or leaves it. */
void cvx_view_joined(cvx_sync *sync, cvx_listener *listener);
void cvx_view_left(cvx_sync *sync, cvx_listener *listener);
/* The listener has seen what is shown. */
void cvx_view_told(cvx_listener *listener);

/* The next one that has something to see; NULL: none. */
cvx_listener *cvx_view_next_listener(cvx_sync *sync);
/* Asks the queued views. False when none was there to ask, or one has something to show (*ret). */
bool cvx_view_step(cvx_sync *sync, cvx_view **ret);

/* The version that a query's result is of. */
typedef struct cvx_stamp {
    uint32_t connection; /* 0: no result yet */
    uint64_t ts;
} cvx_stamp;
cvx_stamp cvx_view_stamp(const cvx_sync *sync, const cvx_query *query);

#endif
