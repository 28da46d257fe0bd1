/* client_group.c - groups of queries as subscriptions of a client.
 * Public calls: any thread. The rest: loop thread. Invariant: a group is its first member, a
 * subscription, so it is counted, ended and released as one. */
#include "client_internal.h"
#include "error_internal.h"
#include "snapshot.h"

struct convex_group {
    convex_sub sub; /* first */
    cvx_group group;
    convex_snapshot_fn *on_snapshot;
};

static convex_group *group_of(convex_sub *sub)
{
    return (convex_group *)(void *)sub;
}

static void start(convex_sub *sub)
{
    cvx_group_start(sub->client->sync, &group_of(sub)->group);
}

static void stop(convex_sub *sub)
{
    cvx_group_stop(sub->client->sync, &group_of(sub)->group);
}

static void show(convex_sub *sub)
{
    group_of(sub)->on_snapshot(group_of(sub)->group.snapshot, sub->user);
}

static void release(convex_sub *sub)
{
    cvx_group_done(&group_of(sub)->group);
}

static const cvx_sub_kind group_kind = {start, stop, show, NULL, release};

convex_status convex_client_subscribe_all(convex_client *client, const convex_query_spec *queries,
                                          size_t count, convex_snapshot_fn *on_snapshot,
                                          convex_end_fn *on_end, void *user, convex_group **ret,
                                          convex_error *reterr)
{
    convex_group *group;
    convex_status status;
    cvx_group parts;
    convex_sub *sub;

    if (!client || !on_snapshot)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client or no callback given");
    status = cvx_group_init(&parts, &client->mem, queries, count, reterr);
    if (status != CONVEX_OK)
        return status;
    sub = cvx_sub_new(client, sizeof *group);
    if (!sub) {
        cvx_group_done(&parts);
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    group = group_of(sub);
    group->group = parts;
    group->group.view.user = sub;
    group->on_snapshot = on_snapshot;
    sub->kind = &group_kind;
    sub->on_end = on_end;
    sub->user = user;
    return cvx_sub_queue(sub, ret, reterr);
}

convex_group *convex_group_ref(convex_group *group)
{
    if (group)
        convex_sub_ref(&group->sub);
    return group;
}

void convex_group_unref(convex_group *group)
{
    if (group)
        convex_sub_unref(&group->sub);
}

void convex_group_close(convex_group *group)
{
    if (group)
        convex_sub_close(&group->sub);
}
