/* sync_set.c - the live queries and the unfinished requests.
 * Loop thread. Invariants: both lists are in ascending order of id; what a
 * connection was told is a prefix of each, up to `unsent`; a query has at least one
 * listener; `awaited` and `older` count the marked members. */
#include "sync_internal.h"

#include <string.h>

#define QUERY_OF(node, member)                                                                     \
    ((cvx_query *)(void *)((char *)(node)-offsetof(struct cvx_query, member)))
#define REQUEST_OF(node)                                                                           \
    ((cvx_request *)(void *)((char *)(node)-offsetof(struct cvx_request, by_id)))

/* ---- queries ---- */

cvx_query *cvx_query_new(const convex_mem *mem, char *token, size_t token_len)
{
    cvx_query *query = cvx_alloc(mem, sizeof *query);
    if (!query) {
        cvx_free(mem, token);
        return NULL;
    }
    *query = (cvx_query){.token = token, .token_len = token_len};
    return query;
}

void cvx_query_free(const convex_mem *mem, cvx_query *query)
{
    if (!query)
        return;
    convex_result_unref(query->result);
    convex_result_unref(query->shown);
    convex_result_unref(query->incoming);
    convex_value_unref(query->journal);
    convex_value_unref(query->args);
    cvx_free(mem, query->token);
    cvx_free(mem, query);
}

cvx_query *cvx_queries_find(const cvx_sync *sync, uint32_t id)
{
    cvx_map_node *node = cvx_map_first(&sync->queries.by_id, cvx_hash_u32(id));
    while (node && QUERY_OF(node, by_id)->id != id)
        node = cvx_map_next(node);
    return node ? QUERY_OF(node, by_id) : NULL;
}

cvx_query *cvx_queries_find_token(const cvx_sync *sync, const char *token, size_t len,
                                  uint64_t hash)
{
    cvx_map_node *node = cvx_map_first(&sync->queries.by_token, hash);
    for (; node; node = cvx_map_next(node)) {
        cvx_query *query = QUERY_OF(node, by_token);
        if (query->token_len == len && memcmp(query->token, token, len) == 0)
            return query;
    }
    return NULL;
}

static void append_query(cvx_queries *all, cvx_query *query)
{
    query->id = all->next_id++;
    query->prev = all->last;
    query->next = NULL;
    if (all->last)
        all->last->next = query;
    else
        all->first = query;
    all->last = query;
    if (!all->unsent)
        all->unsent = query;
}

static void take_query(cvx_queries *all, cvx_query *query)
{
    if (all->unsent == query)
        all->unsent = query->next;
    if (query->prev)
        query->prev->next = query->next;
    else
        all->first = query->next;
    if (query->next)
        query->next->prev = query->prev;
    else
        all->last = query->prev;
}

void cvx_sync_subscribe(cvx_sync *sync, cvx_query *query, cvx_listener *listener)
{
    uint64_t hash = cvx_hash_bytes(query->token, query->token_len);
    cvx_query *live = cvx_queries_find_token(sync, query->token, query->token_len, hash);

    if (live) {
        cvx_query_free(&sync->config.mem, query);
    } else {
        live = query;
        append_query(&sync->queries, live);
        cvx_map_insert(&sync->queries.by_token, &live->by_token, hash);
        cvx_map_insert(&sync->queries.by_id, &live->by_id, cvx_hash_u32(live->id));
        cvx_overlay_added(sync, live);
    }
    *listener = (cvx_listener){.query = live, .view = listener->view, .next = live->listeners};
    if (live->listeners)
        live->listeners->prev = listener;
    live->listeners = listener;
    cvx_view_joined(sync, listener);
}

void cvx_queries_answered(cvx_sync *sync, cvx_query *query)
{
    if (query->awaited)
        sync->queries.awaited--;
    query->awaited = false;
}

void cvx_queries_set_loaded(cvx_sync *sync, cvx_query *query, bool loaded)
{
    sync->queries.loaded += (size_t)loaded - (size_t)query->loaded;
    query->loaded = loaded;
}

static void drop_query(cvx_sync *sync, cvx_query *query)
{
    cvx_queries *all = &sync->queries;

    take_query(all, query);
    cvx_map_remove(&all->by_token, &query->by_token);
    cvx_map_remove(&all->by_id, &query->by_id);
    cvx_queries_answered(sync, query);
    cvx_queries_set_loaded(sync, query, false);
    cvx_overlay_removed(sync, query);
    if (query->sent && sync->conn == CVX_OPEN) {
        query->next = all->gone;
        all->gone = query;
    } else {
        cvx_query_free(&sync->config.mem, query);
    }
}

void cvx_sync_unsubscribe(cvx_sync *sync, cvx_listener *listener)
{
    cvx_query *query = listener->query;

    cvx_view_left(sync, listener);
    if (listener->prev)
        listener->prev->next = listener->next;
    else
        query->listeners = listener->next;
    if (listener->next)
        listener->next->prev = listener->prev;
    listener->query = NULL;
    if (!query->listeners)
        drop_query(sync, query);
}

const convex_result *cvx_sync_result(const cvx_listener *listener)
{
    return listener->query ? listener->query->shown : NULL;
}

uint32_t cvx_sync_query_id(const cvx_listener *listener)
{
    return listener->query->id;
}

void cvx_queries_forget_gone(cvx_sync *sync)
{
    for (cvx_query *query = sync->queries.gone, *next; query; query = next) {
        next = query->next;
        cvx_query_free(&sync->config.mem, query);
    }
    sync->queries.gone = NULL;
}

void cvx_queries_restart(cvx_sync *sync)
{
    cvx_queries_forget_gone(sync);
    sync->queries.unsent = sync->queries.first;
    sync->queries.awaited = 0;
    for (cvx_query *query = sync->queries.first; query; query = query->next) {
        query->sent = false;
        query->stamp = cvx_view_stamp(sync, query);
        cvx_queries_set_loaded(sync, query, false);
        query->awaited = true;
        sync->queries.awaited++;
    }
}

void cvx_queries_free(cvx_sync *sync)
{
    cvx_queries_forget_gone(sync);
    cvx_map_done(&sync->queries.by_token);
    cvx_map_done(&sync->queries.by_id);
}

/* ---- requests ---- */

void cvx_sync_request(cvx_sync *sync, cvx_request *request)
{
    cvx_requests *all = &sync->requests;

    request->sent = request->answered = request->older = false;
    request->next = NULL;
    request->prev = all->last;
    if (all->last)
        all->last->next = request;
    else
        all->first = request;
    all->last = request;
    if (!all->unsent)
        all->unsent = request;
    cvx_map_insert(&all->by_id, &request->by_id, cvx_hash_u32(request->id));
    if (request->update)
        cvx_overlay_push(sync, request->update);
}

cvx_request *cvx_requests_find(const cvx_sync *sync, uint32_t id)
{
    cvx_map_node *node = cvx_map_first(&sync->requests.by_id, cvx_hash_u32(id));
    while (node && REQUEST_OF(node)->id != id)
        node = cvx_map_next(node);
    return node ? REQUEST_OF(node) : NULL;
}

void cvx_requests_answered(cvx_sync *sync, cvx_request *request)
{
    if (request->older)
        sync->requests.older--;
    request->older = false;
}

static void take_request(cvx_sync *sync, cvx_request *request)
{
    cvx_requests *all = &sync->requests;

    if (all->unsent == request)
        all->unsent = request->next;
    if (request->prev)
        request->prev->next = request->next;
    else
        all->first = request->next;
    if (request->next)
        request->next->prev = request->prev;
    else
        all->last = request->prev;
    cvx_map_remove(&all->by_id, &request->by_id);
    cvx_requests_answered(sync, request);
}

void cvx_requests_finish(cvx_sync *sync, cvx_request *request, convex_status status)
{
    take_request(sync, request);
    request->status = status;
    request->next = NULL;
    cvx_overlay_finished(sync, request);
    if (sync->requests.done_last)
        sync->requests.done_last->next = request;
    else
        sync->requests.done = request;
    sync->requests.done_last = request;
}

cvx_request *cvx_requests_next_done(cvx_sync *sync)
{
    cvx_request *request = sync->requests.done;
    if (request)
        sync->requests.done = request->next;
    if (!sync->requests.done)
        sync->requests.done_last = NULL;
    return request;
}

void cvx_requests_visible(cvx_sync *sync, uint64_t ts)
{
    for (cvx_request *request = sync->requests.first, *next; request; request = next) {
        next = request->next;
        if (request->answered && request->ts <= ts)
            cvx_requests_finish(sync, request, CONVEX_OK);
    }
    cvx_overlay_visible(sync, ts);
}

/* Mutations go out again in order, the server knows what it has run. An action
 * that was sent may have run: its caller must decide. */
void cvx_requests_restart(cvx_sync *sync)
{
    cvx_requests *all = &sync->requests;

    all->older = 0;
    for (cvx_request *request = all->first, *next; request; request = next) {
        next = request->next;
        request->older = false;
        if (request->action && request->sent) {
            cvx_sync_log(sync, CONVEX_LOG_WARN,
                         "Connection lost while action was in flight (request %u)",
                         (unsigned)request->id);
            cvx_requests_finish(sync, request, CONVEX_EUNKNOWN);
            continue;
        }
        request->older = true;
        all->older++;
    }
    all->unsent = all->first;
}

cvx_request *cvx_sync_take_request(cvx_sync *sync)
{
    cvx_request *request = cvx_requests_next_done(sync);
    if (request)
        return request;
    request = sync->requests.first;
    if (request) {
        take_request(sync, request);
        convex_result_unref(request->result);
        request->result = NULL;
        request->status = request->sent ? CONVEX_EUNKNOWN : CONVEX_ECLOSED;
        cvx_overlay_finished(sync, request);
    }
    return request;
}
