/* convex/snapshot.h - the results of several queries, always of one and the same version.
 *
 * Single subscriptions are each told of a change by a call of their own, so a program that
 * combines two of them sees, between the two calls, one new result and one old. A group is told
 * once for all: every result in a snapshot was true at the same moment of the database.
 *
 * Optimistic updates (convex/optimistic.h) lie on top of a snapshot as on top of single results.
 * Threads and callbacks are as in convex/client.h. */
#ifndef CONVEX_SNAPSHOT_H
#define CONVEX_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/client.h"
#include "convex/query_spec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one snapshot: immutable, counted; any thread may read one ---- */

/* The results of one version. */
typedef struct convex_snapshot convex_snapshot;

CONVEX_API convex_snapshot *convex_snapshot_ref(const convex_snapshot *snapshot); /* owned */
CONVEX_API void convex_snapshot_unref(const convex_snapshot *snapshot);           /* NULL is fine */

/* How many results it has: as many as there are queries. */
CONVEX_API size_t convex_snapshot_count(const convex_snapshot *snapshot);
/* Result of query `i`, in the order they were given; that of a query that threw says so. Borrowed
 * from the snapshot; NULL past the end. */
CONVEX_API const convex_result *convex_snapshot_result_at(const convex_snapshot *snapshot,
                                                          size_t i);
/* Whether result `i` differs from the one in the snapshot before it, which the group was told of;
 * in the first one all do. */
CONVEX_API bool convex_snapshot_changed(const convex_snapshot *snapshot, size_t i);
/* The version: the newest moment the server has said the results are true at, in nanoseconds since
 * 1970, by its clock. Of two snapshots of a group the later one has no smaller ts. */
CONVEX_API uint64_t convex_snapshot_ts(const convex_snapshot *snapshot);

/* ---- the subscription ---- */

typedef struct convex_group convex_group; /* opaque, counted */

/* `snapshot` is borrowed until the callback returns; keep it by ref. Called first when every
 * query has a result, then once for each version that changed any of them, and when an optimistic
 * update or its end changed what is shown. While the results come in anew, after a reconnect, and
 * while a query is loading, nothing is told: the last snapshot stays the newest whole one.
 * A slow consumer skips to the newest. */
typedef void convex_snapshot_fn(const convex_snapshot *snapshot, void *user);

/* Subscribes to `count` queries as one. Survives reconnects; equal queries, in other subscriptions
 * too, share one on the wire. The group counts as one of the options' max_subscriptions.
 *   queries  copied before return
 *   on_end   may be NULL
 *   user     passed back untouched, yours until on_end
 *   ret      owned, release with convex_group_unref(); untouched on error. NULL: the group lives
 *            as long as the client
 * Returns CONVEX_OK, CONVEX_EINVAL (no query, or a bad one; see reterr), CONVEX_ENOMEM,
 * CONVEX_EBUSY or CONVEX_ECLOSED; on error no callback will run. */
CONVEX_API convex_status convex_client_subscribe_all(convex_client *client,
                                                     const convex_query_spec *queries, size_t count,
                                                     convex_snapshot_fn *on_snapshot,
                                                     convex_end_fn *on_end, void *user,
                                                     convex_group **ret, convex_error *reterr);
CONVEX_API convex_group *convex_group_ref(convex_group *group);
CONVEX_API void convex_group_unref(convex_group *group); /* the last one closes; NULL is fine */
/* As convex_sub_close(). */
CONVEX_API void convex_group_close(convex_group *group); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
