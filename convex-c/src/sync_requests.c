/* sync_requests.c - the unfinished requests: mutations, actions, and queries asked once.
 * Loop thread. Invariants: a request is in one of three lists, wire (mutations and actions, in the
 * order of the calls), reads or done; what a connection was told is a prefix of `wire`, up to
 * `unsent`; `older` counts the marked members. */
#include "sync_internal.h"

#define REQUEST_OF(node, member)                                                                   \
    ((cvx_request *)(void *)((char *)(node)-offsetof(struct cvx_request, member)))

/* ---- lists ---- */

static void append(cvx_request_list *list, cvx_request *request)
{
    request->next = NULL;
    request->prev = list->last;
    if (list->last)
        list->last->next = request;
    else
        list->first = request;
    list->last = request;
}

static void take(cvx_request_list *list, cvx_request *request)
{
    if (request->prev)
        request->prev->next = request->next;
    else
        list->first = request->next;
    if (request->next)
        request->next->prev = request->prev;
    else
        list->last = request->prev;
}

/* ---- beginning ---- */

static void begin(cvx_sync *sync, cvx_request *request, cvx_request_list *list)
{
    request->sent = request->answered = request->older = request->finished = false;
    append(list, request);
    if (request->deadline > 0)
        cvx_heap_insert(&sync->requests.by_deadline, &request->by_deadline,
                        (uint64_t)request->deadline, request->id);
}

void cvx_sync_request(cvx_sync *sync, cvx_request *request)
{
    cvx_requests *all = &sync->requests;

    begin(sync, request, &all->wire);
    if (!all->unsent)
        all->unsent = request;
    cvx_map_insert(&all->by_id, &request->by_id, cvx_hash_u32(request->id));
    if (request->update)
        cvx_overlay_push(sync, request->update);
}

void cvx_sync_read(cvx_sync *sync, cvx_query *query, cvx_request *request)
{
    begin(sync, request, &sync->requests.reads);
    sync->requests.reading++;
    cvx_queries_read(sync, query, request);
    if (cvx_query_is_fresh(sync, request->query))
        cvx_requests_show(sync, request->query);
}

cvx_request *cvx_requests_find(const cvx_sync *sync, uint32_t id)
{
    cvx_map_node *node = cvx_map_first(&sync->requests.by_id, cvx_hash_u32(id));
    while (node && REQUEST_OF(node, by_id)->id != id)
        node = cvx_map_next(node);
    return node ? REQUEST_OF(node, by_id) : NULL;
}

/* ---- ending ---- */

static void settle(cvx_sync *sync, cvx_request *request)
{
    if (request->older)
        sync->requests.older--;
    request->older = false;
}

/* Out of every place but `done`. */
static void forget(cvx_sync *sync, cvx_request *request)
{
    cvx_requests *all = &sync->requests;

    if (request->deadline > 0)
        cvx_heap_remove(&all->by_deadline, &request->by_deadline);
    if (request->kind == CVX_READ) {
        cvx_queries_unread(sync, request);
        take(&all->reads, request);
        all->reading--;
        return;
    }
    if (request->answered)
        cvx_heap_remove(&all->by_ts, &request->by_ts);
    if (all->unsent == request)
        all->unsent = request->next;
    take(&all->wire, request);
    cvx_map_remove(&all->by_id, &request->by_id);
    settle(sync, request);
}

static void finish(cvx_sync *sync, cvx_request *request, convex_status status)
{
    forget(sync, request);
    request->finished = true;
    request->status = status;
    cvx_overlay_finished(sync, request);
    append(&sync->requests.done, request);
}

void cvx_requests_answer(cvx_sync *sync, cvx_request *request, convex_result *result, uint64_t ts)
{
    bool waits =
        request->kind == CVX_MUTATION && !request->at_commit && convex_result_success(result);

    request->result = result;
    request->ts = ts;
    settle(sync, request);
    if (waits) {
        request->answered = true;
        cvx_heap_insert(&sync->requests.by_ts, &request->by_ts, ts, request->id);
    } else {
        finish(sync, request, CONVEX_OK);
    }
}

void cvx_requests_visible(cvx_sync *sync, uint64_t ts)
{
    cvx_heap_node *node;

    while ((node = sync->requests.by_ts.root) != NULL && node->key <= ts)
        finish(sync, REQUEST_OF(node, by_ts), CONVEX_OK);
    cvx_overlay_visible(sync, ts);
}

void cvx_requests_show(cvx_sync *sync, cvx_query *query)
{
    for (cvx_request *reader = query->readers, *next; reader; reader = next) {
        next = reader->reader_next;
        reader->result = convex_result_ref(query->result);
        finish(sync, reader, CONVEX_OK); /* the last one may take the query with it */
    }
}

/* The truth, whatever `status` would say: it took effect, or may have. */
static convex_status outcome(const cvx_request *request, convex_status status)
{
    if (request->answered)
        return CONVEX_OK;
    return request->sent ? CONVEX_EUNKNOWN : status;
}

void cvx_sync_cancel(cvx_sync *sync, cvx_request *request)
{
    if (!request->finished)
        finish(sync, request, outcome(request, CONVEX_ECANCELED));
}

void cvx_requests_tick(cvx_sync *sync)
{
    cvx_heap_node *node;

    while ((node = sync->requests.by_deadline.root) != NULL && (int64_t)node->key <= sync->now) {
        cvx_request *request = REQUEST_OF(node, by_deadline);
        finish(sync, request, outcome(request, CONVEX_ETIMEOUT));
    }
}

int64_t cvx_requests_deadline(const cvx_sync *sync)
{
    const cvx_heap_node *node = sync->requests.by_deadline.root;
    return node ? (int64_t)node->key : INT64_MAX;
}

int64_t cvx_requests_oldest(const cvx_sync *sync)
{
    const cvx_request *wire = sync->requests.wire.first, *read = sync->requests.reads.first;
    int64_t at = wire ? wire->began_at : INT64_MAX;
    return read && read->began_at < at ? read->began_at : at;
}

/* Mutations go out again in order, the server knows what it has run. An action
 * that was sent may have run: its caller must decide. */
void cvx_requests_restart(cvx_sync *sync)
{
    cvx_requests *all = &sync->requests;

    all->older = 0;
    for (cvx_request *request = all->wire.first, *next; request; request = next) {
        next = request->next;
        request->older = false;
        if (request->kind == CVX_ACTION && request->sent) {
            cvx_sync_log(sync, CONVEX_LOG_WARN,
                         "Connection lost while action was in flight (request %u)",
                         (unsigned)request->id);
            finish(sync, request, CONVEX_EUNKNOWN);
            continue;
        }
        request->older = true;
        all->older++;
    }
    all->unsent = all->wire.first;
}

static void count(convex_metrics *metrics, const cvx_request *request)
{
    switch (request->status) {
    case CONVEX_OK:
        metrics->requests_returned += convex_result_success(request->result);
        metrics->requests_threw += !convex_result_success(request->result);
        break;
    case CONVEX_EUNKNOWN:
        metrics->requests_unknown++;
        break;
    case CONVEX_ETIMEOUT:
        metrics->requests_timed_out++;
        break;
    default:
        metrics->requests_canceled++;
    }
}

cvx_request *cvx_requests_next_done(cvx_sync *sync)
{
    cvx_request *request = sync->requests.done.first;
    if (request) {
        take(&sync->requests.done, request);
        count(&sync->metrics, request);
    }
    return request;
}

cvx_request *cvx_sync_take_request(cvx_sync *sync)
{
    cvx_requests *all = &sync->requests;
    cvx_request *request = cvx_requests_next_done(sync);

    if (request)
        return request;
    request = all->wire.first ? all->wire.first : all->reads.first;
    if (request) {
        forget(sync, request);
        request->finished = true;
        request->status = CONVEX_ECLOSED;
        cvx_overlay_finished(sync, request); /* nothing will show its effect any more */
        request->status = outcome(request, CONVEX_ECLOSED);
        count(&sync->metrics, request);
    }
    return request;
}

void cvx_requests_free(cvx_sync *sync)
{
    cvx_map_done(&sync->requests.by_id);
}
