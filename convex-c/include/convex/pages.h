/* convex/pages.h - a list of any length, live, read page by page.
 *
 * For queries that take `paginationOpts` and return what Convex's paginate() returns. Every page
 * is a live query of its own; they are shown as one list, always of one version of the database,
 * so an item that moves from one page to another is neither seen twice nor missing. Pages that
 * grow too long are split behind the scenes: the old one stays in the list until both halves are
 * there. When the server says that a cursor is not valid any more, reading begins anew with the
 * first page.
 *
 * Optimistic updates (convex/optimistic.h) of the pages' queries show in the list.
 * Threads and callbacks are as in convex/client.h. */
#ifndef CONVEX_PAGES_H
#define CONVEX_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "convex/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one state of the list: immutable, counted; any thread may read one ---- */

/* The items so far. */
typedef struct convex_page_list convex_page_list;

/* Where reading stands. */
typedef enum convex_pages_status {
    CONVEX_PAGES_LOADING_FIRST = 0, /* reading has begun anew; no item yet, save optimistic ones */
    CONVEX_PAGES_LOADING_MORE,      /* the items so far; the next page is on its way */
    CONVEX_PAGES_CAN_LOAD_MORE,     /* there may be more: convex_pages_load_more() */
    CONVEX_PAGES_EXHAUSTED,         /* these are all */
    CONVEX_PAGES_FAILED /* the items before the page whose query threw; it may recover */
} convex_pages_status;

CONVEX_API convex_page_list *convex_page_list_ref(const convex_page_list *list); /* owned */
CONVEX_API void convex_page_list_unref(const convex_page_list *list);            /* NULL is fine */

/* Where reading stands, for this list. */
CONVEX_API convex_pages_status convex_page_list_status(const convex_page_list *list);
CONVEX_API size_t convex_page_list_count(const convex_page_list *list); /* items */
/* Item `i`, borrowed from the list; NULL past the end. */
CONVEX_API const convex_value *convex_page_list_at(const convex_page_list *list, size_t i);
/* What the failed page's query threw, borrowed from the list; NULL unless CONVEX_PAGES_FAILED. */
CONVEX_API const convex_result *convex_page_list_error(const convex_page_list *list);

/* ---- the subscription ---- */

typedef struct convex_pages convex_pages; /* opaque, counted */

/* `list` is borrowed until the callback returns; keep it by ref. Called first when the first page
 * is there (or failed), then once for each version that changed an item or the status, when more
 * is being loaded, and when an optimistic update or its end changed what is shown. Between a
 * reconnect and the new results, and while a page that the server could not read whole is being
 * split, the last list stays. A slow consumer skips to the newest. */
typedef void convex_pages_fn(const convex_page_list *list, void *user);

/* Subscribes to the first page of a paginated query. Survives reconnects. Two calls never share
 * their pages. It counts as one of the options' max_subscriptions, whatever its length.
 *   path       copied; "module:function"
 *   args       an object without `paginationOpts`, kept by ref; NULL means {}
 *   page_size  items of the first page, at least 1. A page of more than twice as many is split
 *   on_end     may be NULL
 *   user       passed back untouched, yours until on_end
 *   ret        owned, release with convex_pages_unref(); untouched on error. NULL: it lives as
 *              long as the client
 * Returns CONVEX_OK, CONVEX_EINVAL (see reterr), CONVEX_ENOMEM, CONVEX_EBUSY or CONVEX_ECLOSED; on
 * error no callback will run. */
CONVEX_API convex_status convex_client_paginate(convex_client *client, const char *path,
                                                const convex_value *args, uint32_t page_size,
                                                convex_pages_fn *on_list, convex_end_fn *on_end,
                                                void *user, convex_pages **ret,
                                                convex_error *reterr);
/* Asks for a further page of `count` items (at least 1).
 * Returns CONVEX_OK when it was asked for, or when there is no more (nothing happens then);
 * CONVEX_EBUSY while one is asked for, loading or has failed; CONVEX_ECLOSED; CONVEX_EINVAL. What
 * counts is the status of the list that on_list was given last. */
CONVEX_API convex_status convex_pages_load_more(convex_pages *pages, uint32_t count);

/* Returns its argument. */
CONVEX_API convex_pages *convex_pages_ref(convex_pages *pages);
CONVEX_API void convex_pages_unref(convex_pages *pages); /* the last one closes; NULL is fine */
/* As convex_sub_close(). */
CONVEX_API void convex_pages_close(convex_pages *pages); /* NULL is fine */

/* ---- optimistic updates of paginated lists ----
 *
 * For use inside a convex_optimistic_fn. Each looks at all pages of the query `path` that are
 * loaded, of every reading of it whose arguments have the fields of `match` with equal values;
 * NULL: of every reading. They return CONVEX_OK (also when there was nothing to change), or what
 * convex_local_store_set() returns. */

/* Puts `item` (kept by ref) before the first item of the list. */
CONVEX_API convex_status convex_pages_insert_at_top(convex_local_store *store, const char *path,
                                                    const convex_value *match,
                                                    const convex_value *item);
/* Puts it behind the last item of lists that are loaded to their end. Of others nobody can tell
 * yet where that is. */
CONVEX_API convex_status convex_pages_insert_at_bottom(convex_local_store *store, const char *path,
                                                       const convex_value *match,
                                                       const convex_value *item);

/* Negative, 0 or positive as `a` comes before, with or after `b` in the list. */
typedef int convex_item_compare_fn(const convex_value *a, const convex_value *b, void *user);
/* Puts it where it belongs in a list that the server keeps in the same order, behind its equals;
 * nowhere if that is not loaded. */
CONVEX_API convex_status convex_pages_insert_in_order(convex_local_store *store, const char *path,
                                                      const convex_value *match,
                                                      const convex_value *item,
                                                      convex_item_compare_fn *compare, void *user);

/* What becomes of an item. */
typedef enum convex_item_change {
    CONVEX_ITEM_KEPT = 0,
    CONVEX_ITEM_REPLACED, /* by *ret, which the callback gave; taken */
    CONVEX_ITEM_REMOVED
} convex_item_change;
/* Decides about one item, borrowed. */
typedef convex_item_change convex_item_fn(const convex_value *item, convex_value **ret, void *user);
/* Asks of each item what becomes of it. A NULL for one that is replaced means that memory was
 * short: CONVEX_ENOMEM. */
CONVEX_API convex_status convex_pages_update_items(convex_local_store *store, const char *path,
                                                   const convex_value *match,
                                                   convex_item_fn *change, void *user);

#ifdef __cplusplus
}
#endif
#endif
