/* convex/optimistic.h - showing the effect of a mutation before the server has answered it.
 *
 * An optimistic update is a function of the program that is given to a mutation (the options of
 * convex_client_mutation()). It says what the mutation will make of the results of live queries,
 * and subscriptions, groups and paginated queries show that at once. Updates lie on top of the
 * server's results in the order in which their mutations were called, each on what the ones before
 * it made.
 *
 * The function runs on the loop thread: once when its mutation was called, and again whenever
 * something below it has changed (new results from the server, an earlier mutation finished, a
 * query subscribed or gone), each time from the server's results on. It must therefore depend on
 * nothing but the store and its arguments: no clock, no counter, no call of a mutation. It may run
 * for a while after the server has committed: what it shows ends together with the arrival of the
 * true results, so nothing flashes. When the mutation fails, is cancelled or takes too long, what
 * it showed is taken back before on_done is called. A single read (convex_client_query()) gives
 * what the server says, whatever is shown.
 *
 * An update in which any call of the store failed shows nothing at all, until it runs again; the
 * mutation goes its way regardless. Nobody is told a value that he was told last: a result that
 * turns out as it was shown makes no call. */
#ifndef CONVEX_OPTIMISTIC_H
#define CONVEX_OPTIMISTIC_H

#include <stdbool.h>
#include <stddef.h>

#include "convex/error.h"
#include "convex/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is shown of the live queries, below the update that is running. Borrowed: of use only
 * inside that call, where every function of it is refused afterwards. */
typedef struct convex_local_store convex_local_store;

/* What the query returned. Borrowed until the update returns or sets this query. NULL while it is
 * loading, when it threw, when nobody subscribes to it, or when the call failed.
 *   path  "module:function"
 *   args  an object; NULL means {} */
CONVEX_API const convex_value *convex_local_store_get(convex_local_store *store, const char *path,
                                                      const convex_value *args);
/* Shows `value` as what the query returns. A query that nobody subscribes to may be set, too: a
 * subscription that begins while the mutation is unanswered shows it.
 *   value  kept by ref; NULL: it is loading. Single subscriptions are told nothing of that, groups
 *          wait, paginated queries end before that page
 * Returns CONVEX_OK, CONVEX_EINVAL or CONVEX_ENOMEM; on an error the whole update shows nothing. */
CONVEX_API convex_status convex_local_store_set(convex_local_store *store, const char *path,
                                                const convex_value *args,
                                                const convex_value *value);

/* All queries with that path: those subscribed to in the order of subscription, then those that
 * were only set. Looks at every live query; at() after count() does not. 0 when the call failed. */
CONVEX_API size_t convex_local_store_count(convex_local_store *store, const char *path);
/* Arguments and value (NULL as above) of the i-th of them, borrowed until the update returns or
 * sets this query. Either pointer may be NULL. Returns false, and leaves both alone, past the end
 * or when the call failed. */
CONVEX_API bool convex_local_store_at(convex_local_store *store, const char *path, size_t i,
                                      const convex_value **ret_args,
                                      const convex_value **ret_value);

/* `args` are those of the mutation, borrowed; NULL if it was given none. */
typedef void convex_optimistic_fn(convex_local_store *store, const convex_value *args, void *user);

/* An update, as the options of a mutation take it. */
typedef struct convex_optimistic {
    convex_optimistic_fn *update;
    void *user;                    /* passed back untouched */
    void (*free_user)(void *user); /* NULL: none. Called exactly once, on the loop thread, when the
                                      update will not run any more, be it before on_done or after;
                                      not when the call of the mutation returned an error */
} convex_optimistic;

#ifdef __cplusplus
}
#endif
#endif
