/* snapshot.h - several queries shown as one, at the level of the state machine. */
#ifndef CVX_SNAPSHOT_H
#define CVX_SNAPSHOT_H

#include "convex/snapshot.h"
#include "view.h"

typedef struct cvx_member {
    cvx_listener listener;
    cvx_query *query; /* until it is subscribed */
} cvx_member;

/* Lives in the caller; `view` is what CVX_SYNC_VIEW names. */
typedef struct cvx_group {
    cvx_view view;
    convex_mem mem;
    size_t count;
    cvx_member *members;
    convex_snapshot *snapshot; /* the newest; NULL before the first */
} cvx_group;

/* Gets all the memory that starting takes. On failure nothing is left to release.
 * Returns CONVEX_OK, CONVEX_EINVAL, CONVEX_ENOMEM. */
convex_status cvx_group_init(cvx_group *group, const convex_mem *mem,
                             const convex_query_spec *queries, size_t count, convex_error *reterr);
void cvx_group_done(cvx_group *group); /* one that was never started, or was stopped */

void cvx_group_start(cvx_sync *sync, cvx_group *group);
void cvx_group_stop(cvx_sync *sync, cvx_group *group);

/* Whether results of these two versions may be shown together. */
bool cvx_stamp_equal(cvx_stamp a, cvx_stamp b);

#endif
