/* snapshot.c - several queries, always of one version.
 * Owns the snapshots, which are immutable with an atomic count: any thread; and the groups: loop
 * thread. Invariant: a snapshot holds results that one connection has confirmed up to one
 * timestamp, so no two of them are of different moments or identities. */
#include "snapshot.h"

#include <stdatomic.h>

#include "error_internal.h"
#include "sync_internal.h"

/* ---- snapshots ---- */

typedef struct part {
    convex_result *result;
    bool changed;
} part;

struct convex_snapshot {
    atomic_size_t refs;
    convex_mem mem;
    uint64_t ts;
    size_t count;
    part parts[];
};

convex_snapshot *convex_snapshot_ref(const convex_snapshot *snapshot)
{
    /* Immutable but for its count, which is what a ref is about. */
    convex_snapshot *held = (convex_snapshot *)(uintptr_t)snapshot;

    if (held)
        atomic_fetch_add_explicit(&held->refs, 1, memory_order_relaxed);
    return held;
}

void convex_snapshot_unref(const convex_snapshot *snapshot)
{
    convex_snapshot *held = (convex_snapshot *)(uintptr_t)snapshot;
    convex_mem mem;

    if (!held || atomic_fetch_sub_explicit(&held->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem = held->mem;
    for (size_t i = 0; i < held->count; i++)
        convex_result_unref(held->parts[i].result);
    cvx_free(&mem, held);
}

size_t convex_snapshot_count(const convex_snapshot *snapshot)
{
    return snapshot ? snapshot->count : 0;
}

const convex_result *convex_snapshot_result_at(const convex_snapshot *snapshot, size_t i)
{
    return snapshot && i < snapshot->count ? snapshot->parts[i].result : NULL;
}

bool convex_snapshot_changed(const convex_snapshot *snapshot, size_t i)
{
    return snapshot && i < snapshot->count && snapshot->parts[i].changed;
}

uint64_t convex_snapshot_ts(const convex_snapshot *snapshot)
{
    return snapshot ? snapshot->ts : 0;
}

/* ---- groups ---- */

bool cvx_stamp_equal(cvx_stamp a, cvx_stamp b)
{
    return a.connection == b.connection && a.ts == b.ts;
}

/* Whether all members have something to show, and what the server said of them is of one version.
 * A member it said nothing of yet, but an optimistic update did, fits any. */
static bool is_whole(const cvx_sync *sync, const cvx_group *group, cvx_stamp *ret)
{
    cvx_stamp whole = {0};

    for (size_t i = 0; i < group->count; i++) {
        const cvx_query *query = group->members[i].listener.query;
        cvx_stamp stamp = cvx_view_stamp(sync, query);
        if (!query->shown)
            return false;
        if (!query->result)
            continue;
        if (whole.connection != 0 && !cvx_stamp_equal(stamp, whole))
            return false;
        whole = stamp;
    }
    *ret = whole;
    return true;
}

static convex_snapshot *take_snapshot(cvx_group *group, uint64_t ts)
{
    convex_snapshot *snapshot =
        cvx_alloc(&group->mem, sizeof *snapshot + group->count * sizeof(part));

    if (!snapshot)
        return NULL;
    *snapshot = (convex_snapshot){.mem = group->mem, .ts = ts, .count = group->count};
    atomic_init(&snapshot->refs, 1);
    for (size_t i = 0; i < group->count; i++) {
        cvx_listener *listener = &group->members[i].listener;
        snapshot->parts[i] =
            (part){.result = convex_result_ref(listener->query->shown), .changed = listener->dirty};
    }
    return snapshot;
}

static cvx_step step(cvx_sync *sync, cvx_view *view)
{
    cvx_group *group = (cvx_group *)(void *)view; /* its first member */
    convex_snapshot *snapshot;
    cvx_stamp stamp;
    bool dirty = false;

    for (size_t i = 0; i < group->count && !dirty; i++)
        dirty = group->members[i].listener.dirty;
    if (!dirty || !is_whole(sync, group, &stamp))
        return CVX_STEP_NOTHING;
    if (stamp.connection == 0)
        stamp.ts = convex_snapshot_ts(group->snapshot);
    snapshot = take_snapshot(group, stamp.ts);
    if (!snapshot)
        return CVX_STEP_NO_MEMORY;
    for (size_t i = 0; i < group->count; i++) {
        cvx_view_told(&group->members[i].listener);
        group->members[i].listener.dirty = false;
    }
    convex_snapshot_unref(group->snapshot);
    group->snapshot = snapshot;
    return CVX_STEP_SHOW;
}

convex_status cvx_group_init(cvx_group *group, const convex_mem *mem,
                             const convex_query_spec *queries, size_t count, convex_error *reterr)
{
    convex_status status = CONVEX_OK;

    if (!queries || count == 0 || count > SIZE_MAX / sizeof *group->members)
        return cvx_fail(reterr, CONVEX_EINVAL, "a group needs a query");
    *group = (cvx_group){.view.step = step, .mem = *mem};
    group->members = cvx_alloc(mem, count * sizeof *group->members);
    if (!group->members)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    while (group->count < count && status == CONVEX_OK) {
        cvx_member *member = &group->members[group->count];
        const convex_query_spec *spec = &queries[group->count];
        char *token = NULL;
        size_t len = 0;
        *member = (cvx_member){0};
        status = cvx_call_text(mem, spec->path, NULL, spec->args, true, &token, &len, reterr);
        if (status != CONVEX_OK)
            break;
        member->query = cvx_query_new(mem, token, len);
        if (member->query)
            group->count++;
        else
            status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    if (status != CONVEX_OK)
        cvx_group_done(group);
    return status;
}

void cvx_group_done(cvx_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        cvx_query_free(&group->mem, group->members[i].query);
    convex_snapshot_unref(group->snapshot);
    cvx_free(&group->mem, group->members);
    *group = (cvx_group){0};
}

void cvx_group_start(cvx_sync *sync, cvx_group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        cvx_member *member = &group->members[i];
        member->listener.view = &group->view;
        cvx_sync_subscribe(sync, member->query, &member->listener);
        member->query = NULL;
    }
}

void cvx_group_stop(cvx_sync *sync, cvx_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        cvx_sync_unsubscribe(sync, &group->members[i].listener);
    cvx_view_unqueue(sync, &group->view);
}
