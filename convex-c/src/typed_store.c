/* typed_store.c - what an optimistic update sees and shows, as the types of the bindings.
 * Owns nothing. Loop thread, within one update. */
#include "optimistic.h"
#include "typed_internal.h"

bool convex_typed_local_get(convex_local_store *store, const convex_function *function,
                            const void *args, const void **ret)
{
    convex_value *key = NULL;
    convex_status status = CONVEX_EINVAL;
    if (store == NULL || cvx_store_status(store) != CONVEX_OK)
        return false;
    const convex_mem *mem = cvx_store_mem(store);
    if ((status = cvx_typed_encode_args(function, args, mem, &key, NULL)) != CONVEX_OK) {
        cvx_store_fail(store, status, "the arguments of a query cannot be encoded");
        return false;
    }
    const convex_value *value = convex_local_store_get(store, function->path, key);
    status = value != NULL ? convex_typed_decode(&function->returns, value, mem, ret, NULL)
                           : CONVEX_EINVAL;
    if (status == CONVEX_ENOMEM)
        cvx_store_fail(store, status, "out of memory");
    convex_value_unref(key);
    return status == CONVEX_OK;
}

convex_status convex_typed_local_set(convex_local_store *store, const convex_function *function,
                                     const void *args, const void *value)
{
    convex_value *key = NULL, *shown = NULL;
    bool loading = value == NULL && function->returns.shape->size > 0 &&
                   (function->returns.flags & CONVEX_NULLABLE) == 0;
    if (store == NULL)
        return CONVEX_EINVAL;
    convex_status status = cvx_store_status(store);
    if (status != CONVEX_OK)
        return status;
    const convex_mem *mem = cvx_store_mem(store);
    status = cvx_typed_encode_args(function, args, mem, &key, NULL);
    if (status == CONVEX_OK && !loading)
        status = convex_typed_encode(&function->returns, value, mem, &shown, NULL);
    if (status == CONVEX_OK)
        status = convex_local_store_set(store, function->path, key, shown);
    else
        cvx_store_fail(store, status, "what is to be shown of a query cannot be encoded");
    convex_value_unref(key);
    convex_value_unref(shown);
    return status;
}
