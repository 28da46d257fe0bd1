/* sync_queries.c - the live queries, and who wants them.
 * Loop thread. Invariants: the list is in ascending order of id, and what a connection was told is
 * a prefix of it, up to `unsent`; a query has a listener or a reader, or lingers; `awaited` and
 * `loaded` count the marked members. */
#include "sync_internal.h"

#include <string.h>

#define QUERY_OF(node, member)                                                                     \
    ((cvx_query *)(void *)((char *)(node)-offsetof(struct cvx_query, member)))

/* Results that nobody wants cost memory: of more than this, those unused for longest go. */
enum { MAX_LINGERING = 256 };

/* ---- the list ---- */

cvx_query *cvx_query_new(const convex_mem *mem, char *token, size_t token_len)
{
    cvx_query *query = NULL;

    if (token_len <= UINT32_MAX / 2)
        query = cvx_alloc(mem, sizeof *query + token_len + 1);
    if (query) {
        *query = (cvx_query){.token_len = (uint32_t)token_len};
        memcpy(query->token, token, token_len + 1);
    }
    cvx_free(mem, token);
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

/* The live query equal to `query`, which is taken. */
static cvx_query *find_or_add(cvx_sync *sync, cvx_query *query)
{
    uint64_t hash = cvx_hash_bytes(query->token, query->token_len);
    cvx_query *live = cvx_queries_find_token(sync, query->token, query->token_len, hash);

    if (live) {
        cvx_query_free(&sync->config.mem, query);
        return live;
    }
    append_query(&sync->queries, query);
    cvx_map_insert(&sync->queries.by_token, &query->by_token, hash);
    cvx_map_insert(&sync->queries.by_id, &query->by_id, cvx_hash_u32(query->id));
    cvx_overlay_added(sync, query);
    return query;
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

/* ---- lingering ---- */

static void start_lingering(cvx_sync *sync, cvx_query *query)
{
    cvx_queries *all = &sync->queries;

    query->lingers = true;
    query->linger_until = sync->now + sync->config.linger_ms;
    query->linger_next = NULL;
    query->linger_prev = all->linger_last;
    if (all->linger_last)
        all->linger_last->linger_next = query;
    else
        all->linger_first = query;
    all->linger_last = query;
    all->lingering++;
}

static void stop_lingering(cvx_sync *sync, cvx_query *query)
{
    cvx_queries *all = &sync->queries;

    if (!query->lingers)
        return;
    query->lingers = false;
    if (query->linger_prev)
        query->linger_prev->linger_next = query->linger_next;
    else
        all->linger_first = query->linger_next;
    if (query->linger_next)
        query->linger_next->linger_prev = query->linger_prev;
    else
        all->linger_last = query->linger_prev;
    all->lingering--;
}

static void drop_longest_lingering(cvx_sync *sync)
{
    cvx_query *query = sync->queries.linger_first;
    stop_lingering(sync, query);
    drop_query(sync, query);
}

void cvx_queries_end_lingering(cvx_sync *sync)
{
    while (sync->queries.linger_first)
        drop_longest_lingering(sync);
}

int64_t cvx_queries_deadline(const cvx_sync *sync)
{
    return sync->queries.linger_first ? sync->queries.linger_first->linger_until : INT64_MAX;
}

void cvx_queries_tick(cvx_sync *sync)
{
    while (cvx_queries_deadline(sync) <= sync->now)
        drop_longest_lingering(sync);
}

/* ---- listeners and readers ---- */

static void release(cvx_sync *sync, cvx_query *query)
{
    if (query->listeners || query->readers)
        return;
    if (sync->config.linger_ms == 0) {
        drop_query(sync, query);
        return;
    }
    start_lingering(sync, query);
    if (sync->queries.lingering > MAX_LINGERING)
        drop_longest_lingering(sync);
}

void cvx_sync_subscribe(cvx_sync *sync, cvx_query *query, cvx_listener *listener)
{
    cvx_query *live = find_or_add(sync, query);

    stop_lingering(sync, live);
    *listener = (cvx_listener){.query = live, .view = listener->view, .next = live->listeners};
    if (live->listeners)
        live->listeners->prev = listener;
    live->listeners = listener;
    cvx_view_joined(sync, listener);
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
    release(sync, query);
}

void cvx_sync_resubscribe(cvx_sync *sync, cvx_query *query, cvx_listener *listener)
{
    const cvx_query *old = listener->query;

    if (old->token_len == query->token_len &&
        memcmp(old->token, query->token, query->token_len) == 0) {
        cvx_query_free(&sync->config.mem, query);
        return;
    }
    cvx_sync_unsubscribe(sync, listener);
    cvx_sync_subscribe(sync, query, listener);
}

void cvx_queries_read(cvx_sync *sync, cvx_query *query, cvx_request *request)
{
    cvx_query *live = find_or_add(sync, query);

    stop_lingering(sync, live);
    request->query = live;
    request->reader_prev = NULL;
    request->reader_next = live->readers;
    if (live->readers)
        live->readers->reader_prev = request;
    live->readers = request;
}

void cvx_queries_unread(cvx_sync *sync, cvx_request *request)
{
    cvx_query *query = request->query;

    if (request->reader_prev)
        request->reader_prev->reader_next = request->reader_next;
    else
        query->readers = request->reader_next;
    if (request->reader_next)
        request->reader_next->reader_prev = request->reader_prev;
    request->query = NULL;
    release(sync, query);
}

void cvx_queries_settled(cvx_sync *sync)
{
    for (cvx_query *query = sync->queries.first, *next; query; query = next) {
        next = query->next;
        if (query->loaded && query->readers)
            cvx_requests_show(sync, query);
    }
}

bool cvx_query_is_fresh(const cvx_sync *sync, const cvx_query *query)
{
    return sync->conn == CVX_OPEN && query->loaded && !sync->swapping;
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
    cvx_queries_end_lingering(sync);
    cvx_queries_forget_gone(sync);
    cvx_map_done(&sync->queries.by_token);
    cvx_map_done(&sync->queries.by_id);
}
