/* optimistic_store.c - what an optimistic update sees and writes while it runs.
 * Owns the list of the queries of one path, while updates run. Loop thread. Invariant: the first
 * failure of a call sticks, and whatever the update wrote before or after it is taken back when it
 * ends; so an update is shown whole or not at all. */
#include "optimistic.h"

#include <string.h>

#include "result_internal.h"
#include "sync_internal.h"

/* How the token of a query ends when its arguments are {}: what precedes is common to all
 * queries of the path. One in a component ends in its name instead, and is out of reach here. */
#define NO_ARGS "{}]"

convex_status cvx_store_fail(convex_local_store *store, convex_status status, const char *why)
{
    if (store->status == CONVEX_OK) {
        store->status = status;
        cvx_sync_log(store->sync, CONVEX_LOG_WARN, "an optimistic update is not shown: %s", why);
    }
    return status;
}

const convex_mem *cvx_store_mem(const convex_local_store *store)
{
    return &store->sync->config.mem;
}

convex_status cvx_store_status(const convex_local_store *store)
{
    return store->running ? store->status : CONVEX_EINVAL;
}

void cvx_local_free(cvx_sync *sync, cvx_local *local)
{
    if (local->query) {
        local->query->local = NULL;
        cvx_overlay_touch(sync, local->query);
    }
    convex_result_unref(local->result);
    convex_value_unref(local->args);
    cvx_free(&sync->config.mem, local->token);
    cvx_free(&sync->config.mem, local);
}

/* ---- one update ---- */

void cvx_store_begin(cvx_sync *sync, cvx_update *update)
{
    convex_local_store *store = &sync->overlay.store;

    store->sync = sync;
    store->running = update;
    store->status = CONVEX_OK;
    store->written = NULL;
}

static void keep(cvx_local *local)
{
    convex_result_unref(local->before);
    local->before = NULL;
    local->written = local->made = false;
}

static void take_back(cvx_local *local)
{
    convex_result_unref(local->result);
    local->result = local->before;
    local->before = NULL;
    local->written = false;
}

/* What the update made lies behind everything that was there before it. */
static void free_made(cvx_sync *sync)
{
    cvx_overlay *all = &sync->overlay;
    cvx_local **link = &all->locals, *last = NULL;

    while (*link && !(*link)->made) {
        last = *link;
        link = &last->next;
    }
    for (cvx_local *local = *link, *next; local; local = next) {
        next = local->next;
        cvx_local_free(sync, local);
    }
    *link = NULL;
    all->locals_last = last;
    cvx_store_forget_list(&all->store);
}

void cvx_store_end(cvx_sync *sync)
{
    convex_local_store *store = &sync->overlay.store;
    cvx_local *local = store->written;

    store->running = NULL;
    store->written = NULL;
    for (; local; local = local->next_written)
        (store->status == CONVEX_OK ? keep : take_back)(local);
    if (store->status != CONVEX_OK)
        free_made(sync);
}

/* ---- finding ---- */

/* Either, both or none of them. */
typedef struct found {
    cvx_query *query;
    cvx_local *local;
    char *token; /* owned */
    size_t token_len;
    uint64_t hash;
} found;

static convex_status find(convex_local_store *store, const char *path, const convex_value *args,
                          found *ret)
{
    found f = {0};
    convex_error error = {0};
    convex_status status =
        cvx_call_text(cvx_store_mem(store), path, NULL, args, true, &f.token, &f.token_len, &error);

    if (status != CONVEX_OK)
        return cvx_store_fail(store, status, error.message);
    f.hash = cvx_hash_bytes(f.token, f.token_len);
    f.query = cvx_queries_find_token(store->sync, f.token, f.token_len, f.hash);
    if (f.query) {
        f.local = f.query->local;
    } else {
        f.local = store->sync->overlay.locals;
        while (f.local &&
               (f.local->query || f.local->hash != f.hash || f.local->token_len != f.token_len ||
                memcmp(f.local->token, f.token, f.token_len) != 0))
            f.local = f.local->next;
    }
    *ret = f;
    return CONVEX_OK;
}

static const convex_value *value_of(const cvx_query *query, const cvx_local *local)
{
    return convex_result_value(local ? local->result : query ? query->result : NULL);
}

const convex_value *convex_local_store_get(convex_local_store *store, const char *path,
                                           const convex_value *args)
{
    found f;

    if (!store || !store->running || find(store, path, args, &f) != CONVEX_OK)
        return NULL;
    cvx_free(cvx_store_mem(store), f.token);
    return value_of(f.query, f.local);
}

/* ---- writing ---- */

/* Takes the token. */
static cvx_local *make_local(convex_local_store *store, found *f)
{
    cvx_overlay *all = &store->sync->overlay;
    cvx_local *local = cvx_alloc(cvx_store_mem(store), sizeof *local);

    if (!local)
        return NULL;
    *local = (cvx_local){.query = f->query,
                         .token = f->token,
                         .token_len = f->token_len,
                         .hash = f->hash,
                         .made = true};
    f->token = NULL;
    if (all->locals_last)
        all->locals_last->next = local;
    else
        all->locals = local;
    all->locals_last = local;
    if (f->query)
        f->query->local = local;
    else
        cvx_store_forget_list(store);
    return local;
}

static void write_local(convex_local_store *store, cvx_local *local, convex_result *result)
{
    if (local->written) {
        convex_result_unref(local->result);
    } else {
        local->written = true;
        local->before = local->result;
        local->next_written = store->written;
        store->written = local;
    }
    local->result = result;
    if (local->query)
        cvx_overlay_touch(store->sync, local->query);
}

convex_status convex_local_store_set(convex_local_store *store, const char *path,
                                     const convex_value *args, const convex_value *value)
{
    convex_result *result = NULL;
    convex_status status;
    found f;

    if (!store || !store->running)
        return CONVEX_EINVAL;
    status = find(store, path, args, &f);
    if (status != CONVEX_OK)
        return status;
    if (value)
        result = cvx_result_success(convex_value_ref(value), NULL, cvx_store_mem(store));
    if ((value && !result) || (!f.local && !(f.local = make_local(store, &f)))) {
        convex_result_unref(result);
        cvx_free(cvx_store_mem(store), f.token);
        return cvx_store_fail(store, CONVEX_ENOMEM, "out of memory");
    }
    cvx_free(cvx_store_mem(store), f.token);
    write_local(store, f.local, result);
    return CONVEX_OK;
}

/* ---- listing ---- */

void cvx_store_forget_list(convex_local_store *store)
{
    if (!store->sync)
        return; /* never used */
    cvx_free(cvx_store_mem(store), store->listed_path);
    cvx_free(cvx_store_mem(store), store->listed);
    store->listed_path = NULL;
    store->listed = NULL;
    store->listed_count = store->listed_capacity = 0;
}

static bool is_listed(const convex_local_store *store, const char *token, size_t len)
{
    return len > store->listed_path_len && token[len - 1] == ']' &&
           memcmp(token, store->listed_path, store->listed_path_len) == 0;
}

static convex_status add_listed(convex_local_store *store, cvx_query *query, cvx_local *local)
{
    if (store->listed_count == store->listed_capacity) {
        size_t capacity = store->listed_capacity ? store->listed_capacity * 2 : 16;
        cvx_listed *grown =
            cvx_realloc(cvx_store_mem(store), store->listed, capacity * sizeof *store->listed);
        if (!grown)
            return cvx_store_fail(store, CONVEX_ENOMEM, "out of memory");
        store->listed = grown;
        store->listed_capacity = capacity;
    }
    store->listed[store->listed_count++] = (cvx_listed){query, local};
    return CONVEX_OK;
}

/* The queries of one path; kept until the path, or the set of them, is another one. */
static convex_status list(convex_local_store *store, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    convex_error error = {0};
    convex_status status =
        cvx_call_text(cvx_store_mem(store), path, NULL, NULL, true, &text, &len, &error);

    if (status != CONVEX_OK)
        return cvx_store_fail(store, status, error.message);
    len -= sizeof NO_ARGS - 1;
    if (store->listed_path && store->listed_path_len == len &&
        memcmp(store->listed_path, text, len) == 0) {
        cvx_free(cvx_store_mem(store), text);
        return CONVEX_OK;
    }
    cvx_store_forget_list(store);
    store->listed_path = text;
    store->listed_path_len = len;
    for (cvx_query *query = store->sync->queries.first; query && status == CONVEX_OK;
         query = query->next)
        if (is_listed(store, query->token, query->token_len))
            status = add_listed(store, query, NULL);
    for (cvx_local *local = store->sync->overlay.locals; local && status == CONVEX_OK;
         local = local->next)
        if (!local->query && is_listed(store, local->token, local->token_len))
            status = add_listed(store, NULL, local);
    if (status != CONVEX_OK)
        cvx_store_forget_list(store);
    return status;
}

size_t convex_local_store_count(convex_local_store *store, const char *path)
{
    if (!store || !store->running || list(store, path) != CONVEX_OK)
        return 0;
    return store->listed_count;
}

/* A token holds its arguments as JSON; the tree of them is made once. */
static const convex_value *args_of(convex_local_store *store, const cvx_listed *item)
{
    const convex_value **args = item->query ? &item->query->args : &item->local->args;
    const char *token = item->query ? item->query->token : item->local->token;
    size_t len = item->query ? item->query->token_len : item->local->token_len;
    convex_value *parsed = NULL;
    convex_status status;

    if (*args)
        return *args;
    status = convex_value_parse(token + store->listed_path_len, len - store->listed_path_len - 1,
                                CONVEX_ENCODED_JSON, 0, cvx_store_mem(store), &parsed, NULL);
    if (status != CONVEX_OK) {
        cvx_store_fail(store, status, "arguments cannot be read");
        return NULL;
    }
    *args = parsed;
    return parsed;
}

bool convex_local_store_at(convex_local_store *store, const char *path, size_t i,
                           const convex_value **ret_args, const convex_value **ret_value)
{
    const cvx_listed *item;
    const convex_value *args;

    if (i >= convex_local_store_count(store, path))
        return false;
    item = &store->listed[i];
    args = args_of(store, item);
    if (!args)
        return false;
    if (ret_args)
        *ret_args = args;
    if (ret_value)
        *ret_value = value_of(item->query, item->query ? item->query->local : item->local);
    return true;
}
