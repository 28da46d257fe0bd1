/* view.c - who has something new to see, and when it is fit to be seen.
 * Loop thread. Invariants: a listener is dirty exactly when what it was told last differs from what
 * its query shows; a dirty listener without a view is in the list of `dirty`, one with a view has
 * had its view queued. So nobody is told the same twice, and a value that comes and goes unseen
 * is not told at all. A view that compares by itself need not tell its listeners anything. */
#include "view.h"

#include "sync_internal.h"

enum { RETRY_MS = 1000 }; /* for memory */

/* ---- listeners ---- */

static void mark(cvx_sync *sync, cvx_listener *listener)
{
    cvx_views *all = &sync->views;

    if (listener->view)
        cvx_view_queue(sync, listener->view);
    if (listener->dirty)
        return;
    listener->dirty = true;
    if (listener->view)
        return;
    listener->next_dirty = NULL;
    listener->prev_dirty = all->dirty_last;
    if (all->dirty_last)
        all->dirty_last->next_dirty = listener;
    else
        all->dirty = listener;
    all->dirty_last = listener;
}

/* With a newer result, which the one not seen yet gives way to. */
static void mark_again(cvx_sync *sync, cvx_listener *listener)
{
    sync->metrics.results_skipped += listener->dirty;
    mark(sync, listener);
}

static void unmark(cvx_sync *sync, cvx_listener *listener)
{
    cvx_views *all = &sync->views;

    if (!listener->dirty)
        return;
    listener->dirty = false;
    if (listener->view)
        return;
    if (listener->prev_dirty)
        listener->prev_dirty->next_dirty = listener->next_dirty;
    else
        all->dirty = listener->next_dirty;
    if (listener->next_dirty)
        listener->next_dirty->prev_dirty = listener->prev_dirty;
    else
        all->dirty_last = listener->prev_dirty;
}

void cvx_view_joined(cvx_sync *sync, cvx_listener *listener)
{
    if (listener->query->shown)
        mark(sync, listener);
}

void cvx_view_left(cvx_sync *sync, cvx_listener *listener)
{
    unmark(sync, listener);
    convex_result_unref(listener->told);
    listener->told = NULL;
}

void cvx_view_told(cvx_listener *listener)
{
    convex_result *shown = convex_result_ref(listener->query->shown);

    convex_result_unref(listener->told);
    listener->told = shown;
}

cvx_listener *cvx_view_next_listener(cvx_sync *sync)
{
    cvx_listener *listener;

    while ((listener = sync->views.dirty) != NULL) {
        unmark(sync, listener);
        if (!listener->query->shown)
            continue; /* loading again: it is told when it is loaded */
        cvx_view_told(listener);
        return listener;
    }
    return NULL;
}

/* ---- queries ---- */

/* Shows a result that differs, or NULL while there is none. */
static void show_other(cvx_sync *sync, cvx_query *query, const convex_result *result)
{
    convex_result *before = query->shown;

    query->shown = convex_result_ref(result);
    for (cvx_listener *listener = query->listeners; listener; listener = listener->next) {
        if (listener->told && listener->told != before && cvx_same_result(listener->told, result))
            unmark(sync, listener);
        else
            mark_again(sync, listener);
    }
    convex_result_unref(before);
}

/* Takes an equal result for the one that is shown, so that the old one is not kept. */
static void exchange(cvx_query *query, const convex_result *result)
{
    const convex_result *before = query->shown;

    query->shown = convex_result_ref(result);
    for (cvx_listener *listener = query->listeners; listener; listener = listener->next)
        if (listener->told == before)
            cvx_view_told(listener);
    convex_result_unref(before);
}

void cvx_view_result(cvx_sync *sync, cvx_query *query)
{
    if (cvx_overlay_active(sync)) {
        cvx_overlay_result(sync, query);
        cvx_view_confirmed(sync, query); /* of interest even where an update hides it */
    } else {
        show_other(sync, query, query->result);
    }
}

void cvx_view_show(cvx_sync *sync, cvx_query *query, const convex_result *result)
{
    if (result == query->shown)
        return;
    if (cvx_same_result(query->shown, result))
        exchange(query, result);
    else
        show_other(sync, query, result);
}

void cvx_view_confirmed(cvx_sync *sync, cvx_query *query)
{
    for (cvx_listener *listener = query->listeners; listener; listener = listener->next)
        if (listener->view)
            cvx_view_queue(sync, listener->view);
}

cvx_stamp cvx_view_stamp(const cvx_sync *sync, const cvx_query *query)
{
    return query->loaded ? (cvx_stamp){sync->opened, sync->version.ts} : query->stamp;
}

/* ---- views ---- */

void cvx_view_queue(cvx_sync *sync, cvx_view *view)
{
    cvx_views *all = &sync->views;

    if (view->queued)
        return;
    view->queued = true;
    view->next = NULL;
    view->prev = all->queued_last;
    if (all->queued_last)
        all->queued_last->next = view;
    else
        all->queued = view;
    all->queued_last = view;
}

void cvx_view_unqueue(cvx_sync *sync, cvx_view *view)
{
    cvx_views *all = &sync->views;

    if (!view->queued)
        return;
    view->queued = false;
    if (view->prev)
        view->prev->next = view->next;
    else
        all->queued = view->next;
    if (view->next)
        view->next->prev = view->prev;
    else
        all->queued_last = view->prev;
    if (!all->queued)
        all->retry_at = INT64_MAX;
}

/* One that is short of memory stays queued, and everything behind it, until the time comes. */
bool cvx_view_step(cvx_sync *sync, cvx_view **ret)
{
    bool any = false;

    while (sync->views.queued &&
           (sync->views.retry_at == INT64_MAX || sync->now >= sync->views.retry_at)) {
        cvx_view *view = sync->views.queued;
        cvx_view_unqueue(sync, view);
        any = true;
        sync->views.retry_at = INT64_MAX;
        switch (view->step(sync, view)) {
        case CVX_STEP_NOTHING:
            break;
        case CVX_STEP_SHOW:
            *ret = view;
            return false;
        case CVX_STEP_NO_MEMORY:
            cvx_view_queue(sync, view);
            sync->views.retry_at = sync->now + RETRY_MS;
            break;
        }
    }
    return any;
}
