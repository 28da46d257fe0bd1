/* typed_script.h - typed calls that a test answers itself, without a client. Include it in one file
 * of a program, and define typed_call_made(). */
#ifndef TYPED_SCRIPT_H
#define TYPED_SCRIPT_H

#include "api.h"

/* A call was made: `args` as the function's struct, `fn` its own kind of callback. */
static convex_status typed_call_made(const convex_function *function, const void *args,
                                     convex_any_fn *fn, void *user);

/* Calls back: with a result, when `failure` is NULL. */
static inline void typed_call_answer(const convex_function *function, convex_any_fn *fn, void *user,
                                     const void *result, const convex_failure *failure)
{
    if (fn)
        function->deliver(fn, failure ? NULL : result, failure, user);
}

/* The arguments as they would be sent; owned. */
static inline convex_value *typed_call_args(const convex_function *function, const void *args)
{
    convex_value *value = NULL;
    convex_error error = {0};
    if (convex_typed_encode(&function->args, args, NULL, &value, &error) != CONVEX_OK)
        fail_msg("%s: %s", function->path, error.message);
    return value;
}

convex_status convex_typed_call(convex_client *client, const convex_function *function,
                                const void *args, const convex_call_options *options,
                                convex_any_fn *fn, void *user, uint32_t *ret_id,
                                convex_error *reterr)
{
    return typed_call_made(function, args, fn, user);
}

#define UNSCRIPTED(name, ...)                                                                      \
    convex_status name(__VA_ARGS__)                                                                \
    {                                                                                              \
        fail_msg(#name " is not in the script");                                                   \
        return CONVEX_EINVAL;                                                                      \
    }
#ifndef TYPED_SCRIPT_SUBSCRIBES /* defined: the test has its own */
UNSCRIPTED(convex_typed_subscribe, convex_client *client, const convex_function *function,
           const void *args, convex_any_fn *fn, convex_end_fn *end, void *user, convex_sub **ret,
           convex_error *reterr)
#endif
UNSCRIPTED(convex_typed_set_args, convex_sub *sub, const convex_function *function,
           const void *args, convex_error *reterr)
UNSCRIPTED(convex_typed_paginate, convex_client *client, const convex_function *function,
           const void *args, uint32_t page_size, convex_any_fn *fn, convex_end_fn *end, void *user,
           convex_pages **ret, convex_error *reterr)
UNSCRIPTED(convex_typed_http, convex_http *http, const convex_function *function, const void *args,
           const convex_http_call_options *options, const void **ret, convex_result **ret_result,
           convex_error *reterr)
convex_status convex_typed_local_set(convex_local_store *store, const convex_function *function,
                                     const void *args, const void *value)
{
    fail_msg("optimistic updates are not in the script");
    return CONVEX_EINVAL;
}
bool convex_typed_local_get(convex_local_store *store, const convex_function *function,
                            const void *args, const void **ret)
{
    return false;
}

#endif
