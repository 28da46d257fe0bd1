/* client_pages.c - paginated queries as subscriptions of a client.
 * Public calls: any thread. The rest: loop thread. Invariants: the object is its first member, a
 * subscription, so it is counted, ended and released as one; from a request for more until the list
 * shows what became of it `asking` is set, so the queue never has two. */
#include "client_internal.h"
#include "error_internal.h"
#include "pages.h"

struct convex_pages {
    convex_sub sub; /* first */
    cvx_pages pages;
    convex_pages_fn *on_list;
    atomic_int status; /* of the list that was shown last */
    atomic_bool asking;
    uint32_t more_count; /* of the request for more */
    bool taken;          /* loop thread: the request has left the queue */
};

static convex_pages *pages_of(convex_sub *sub)
{
    return (convex_pages *)(void *)sub;
}

static void start(convex_sub *sub)
{
    cvx_pages_start(sub->client->sync, &pages_of(sub)->pages);
}

static void stop(convex_sub *sub)
{
    cvx_pages_stop(sub->client->sync, &pages_of(sub)->pages);
}

static void end_asking(convex_pages *pages)
{
    pages->taken = false;
    atomic_store(&pages->asking, false);
}

static void show(convex_sub *sub)
{
    convex_pages *pages = pages_of(sub);

    atomic_store(&pages->status, convex_page_list_status(pages->pages.list));
    if (pages->taken && pages->pages.more == 0)
        end_asking(pages);
    pages->on_list(pages->pages.list, sub->user);
}

static void release(convex_sub *sub)
{
    cvx_pages_done(&pages_of(sub)->pages);
}

static void more(convex_sub *sub)
{
    convex_pages *pages = pages_of(sub);

    pages->taken = true;
    if (!cvx_pages_load_more(sub->client->sync, &pages->pages, pages->more_count))
        end_asking(pages);
}

static const cvx_sub_kind pages_kind = {start, stop, show, more, release};

convex_status convex_client_paginate(convex_client *client, const char *path,
                                     const convex_value *args, uint32_t page_size,
                                     convex_pages_fn *on_list, convex_end_fn *on_end, void *user,
                                     convex_pages **ret, convex_error *reterr)
{
    convex_pages *pages;
    convex_status status;
    cvx_pages parts;
    convex_sub *sub;

    if (!client || !on_list)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client or no callback given");
    status = cvx_pages_init(&parts, &client->mem, path, args, page_size,
                            atomic_fetch_add(&client->next_pages, 1), reterr);
    if (status != CONVEX_OK)
        return status;
    sub = cvx_sub_new(client, sizeof *pages);
    if (!sub) {
        cvx_pages_done(&parts);
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    pages = pages_of(sub);
    pages->pages = parts;
    pages->pages.view.user = sub;
    pages->on_list = on_list;
    atomic_init(&pages->status, CONVEX_PAGES_LOADING_FIRST);
    atomic_init(&pages->asking, false);
    sub->kind = &pages_kind;
    sub->on_end = on_end;
    sub->user = user;
    return cvx_sub_queue(sub, ret, reterr);
}

convex_status convex_pages_load_more(convex_pages *pages, uint32_t count)
{
    convex_status status;

    if (!pages || count == 0)
        return CONVEX_EINVAL;
    if (atomic_load(&pages->sub.closed))
        return CONVEX_ECLOSED;
    if (atomic_load(&pages->status) == CONVEX_PAGES_EXHAUSTED)
        return CONVEX_OK;
    if (atomic_load(&pages->status) != CONVEX_PAGES_CAN_LOAD_MORE ||
        atomic_exchange(&pages->asking, true))
        return CONVEX_EBUSY;
    pages->more_count = count;
    status = cvx_sub_ask_more(&pages->sub);
    if (status != CONVEX_OK)
        atomic_store(&pages->asking, false);
    return status;
}

convex_pages *convex_pages_ref(convex_pages *pages)
{
    if (pages)
        convex_sub_ref(&pages->sub);
    return pages;
}

void convex_pages_unref(convex_pages *pages)
{
    if (pages)
        convex_sub_unref(&pages->sub);
}

void convex_pages_close(convex_pages *pages)
{
    if (pages)
        convex_sub_close(&pages->sub);
}
