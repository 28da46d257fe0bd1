/* optimistic.c - the updates that are pending, in layers, and when they run.
 * Owns the updates and what they made of each query. Loop thread. Invariants: `first` to `last` are
 * in the order of their mutations; without stale, unrun and touched, each query shows its local
 * result if it has one and the server's if not; without an update there is no local result, and
 * nothing here costs anything. */
#include "optimistic.h"

#include "sync_internal.h"

/* ---- one update ---- */

cvx_update *cvx_update_new(const convex_mem *mem, const convex_optimistic *how,
                           const convex_value *args)
{
    cvx_update *update = cvx_alloc(mem, sizeof *update);
    if (update)
        *update = (cvx_update){.mem = *mem, .how = *how, .args = convex_value_ref(args)};
    return update;
}

void cvx_update_free(cvx_update *update, bool tell)
{
    convex_mem mem;

    if (!update)
        return;
    mem = update->mem;
    if (tell && update->how.free_user)
        update->how.free_user(update->how.user);
    convex_value_unref(update->args);
    cvx_free(&mem, update);
}

/* ---- the list of them ---- */

void cvx_overlay_push(cvx_sync *sync, cvx_update *update)
{
    cvx_overlay *all = &sync->overlay;

    update->next = NULL;
    update->prev = all->last;
    if (all->last)
        all->last->next = update;
    else
        all->first = update;
    all->last = update;
    if (!all->unrun)
        all->unrun = update;
}

static void drop(cvx_sync *sync, cvx_update *update)
{
    cvx_overlay *all = &sync->overlay;

    if (all->unrun == update)
        all->unrun = update->next;
    if (update->prev)
        update->prev->next = update->next;
    else
        all->first = update->next;
    if (update->next)
        update->next->prev = update->prev;
    else
        all->last = update->prev;
    update->next = all->dropped;
    all->dropped = update;
    all->stale = true;
}

/* One that is committed goes on showing what it made until the results show it. */
void cvx_overlay_finished(cvx_sync *sync, cvx_request *request)
{
    cvx_update *update = request->update;

    if (!update)
        return;
    request->update = NULL;
    if (request->status == CONVEX_OK && convex_result_success(request->result)) {
        update->committed = true;
        update->ts = request->ts;
    } else {
        drop(sync, update);
    }
}

void cvx_overlay_visible(cvx_sync *sync, uint64_t ts)
{
    for (cvx_update *update = sync->overlay.first, *next; update; update = next) {
        next = update->next;
        if (update->committed && update->ts <= ts)
            drop(sync, update);
    }
}

/* ---- queries ---- */

bool cvx_overlay_active(const cvx_sync *sync)
{
    return sync->overlay.first || sync->overlay.stale;
}

void cvx_overlay_touch(cvx_sync *sync, cvx_query *query)
{
    if (query->touched)
        return;
    query->touched = true;
    query->prev_touched = NULL;
    query->next_touched = sync->overlay.touched;
    if (query->next_touched)
        query->next_touched->prev_touched = query;
    sync->overlay.touched = query;
}

static void untouch(cvx_sync *sync, cvx_query *query)
{
    if (!query->touched)
        return;
    query->touched = false;
    if (query->prev_touched)
        query->prev_touched->next_touched = query->next_touched;
    else
        sync->overlay.touched = query->next_touched;
    if (query->next_touched)
        query->next_touched->prev_touched = query->prev_touched;
}

void cvx_overlay_result(cvx_sync *sync, cvx_query *query)
{
    cvx_overlay_touch(sync, query);
    sync->overlay.stale = true;
}

void cvx_overlay_added(cvx_sync *sync, cvx_query *query)
{
    if (sync->overlay.first)
        sync->overlay.stale = true;
}

void cvx_overlay_removed(cvx_sync *sync, cvx_query *query)
{
    untouch(sync, query);
    if (query->local)
        query->local->query = NULL;
    query->local = NULL;
    cvx_store_forget_list(&sync->overlay.store);
    if (sync->overlay.first)
        sync->overlay.stale = true;
}

/* ---- running ---- */

static void clear_locals(cvx_sync *sync)
{
    cvx_overlay *all = &sync->overlay;

    for (cvx_local *local = all->locals, *next; local; local = next) {
        next = local->next;
        cvx_local_free(sync, local);
    }
    all->locals = all->locals_last = NULL;
}

static void run(cvx_sync *sync, cvx_update *update)
{
    cvx_store_begin(sync, update);
    update->how.update(&sync->overlay.store, update->args, update->how.user);
    cvx_store_end(sync);
}

static void release_dropped(cvx_sync *sync)
{
    cvx_update *update;

    while ((update = sync->overlay.dropped) != NULL) {
        sync->overlay.dropped = update->next;
        cvx_update_free(update, true);
    }
}

void cvx_overlay_settle(cvx_sync *sync)
{
    cvx_overlay *all = &sync->overlay;
    cvx_query *query;

    if (!all->stale && !all->unrun && !all->touched && !all->dropped)
        return;
    if (all->stale) {
        clear_locals(sync);
        all->unrun = all->first;
        all->stale = false;
    }
    for (; all->unrun; all->unrun = all->unrun->next)
        run(sync, all->unrun);
    cvx_store_forget_list(&all->store);
    while ((query = all->touched) != NULL) {
        untouch(sync, query);
        cvx_view_show(sync, query, query->local ? query->local->result : query->result);
    }
    release_dropped(sync);
}

void cvx_overlay_clear(cvx_sync *sync)
{
    while (sync->overlay.first)
        drop(sync, sync->overlay.first);
    clear_locals(sync);
    cvx_store_forget_list(&sync->overlay.store);
    release_dropped(sync);
}
