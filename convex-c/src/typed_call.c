/* typed_call.c - calls of generated bindings: arguments in, values or failures out.
 * Owns what a call under way needs to reach its callback in its own type; released in its last
 * callback. Threads as the call it stands on.
 * Invariant: each callback gets a value of the function's own type, or a failure, never both. */
#include <stdio.h>

#include "client_internal.h"
#include "http_internal.h"
#include "typed_internal.h"

typedef struct call {
    convex_mem mem;
    const convex_function *function;
    convex_any_fn *fn;
    convex_end_fn *on_end; /* of a subscription */
    void *user;
} call;

static call *new_call(const convex_mem *mem, const convex_function *function, convex_any_fn *fn,
                      void *user)
{
    call *made = cvx_alloc(mem, sizeof *made);
    if (made != NULL)
        *made = (call){.mem = *mem, .function = function, .fn = fn, .user = user};
    return made;
}

static void free_call(call *c)
{
    if (c == NULL)
        return;
    convex_mem mem = c->mem;
    cvx_free(&mem, c);
}

/* ---- what came back ---- */

/* A mismatch is the peer's fault here: it returned what its own validator does not allow. */
static convex_status decode_result(const convex_function *function, const convex_result *result,
                                   const convex_mem *mem, const void **ret, convex_error *reterr)
{
    convex_error error = {0};
    convex_status status =
        convex_typed_decode(&function->returns, convex_result_value(result), mem, ret, &error);
    if (status == CONVEX_OK)
        return CONVEX_OK;
    return cvx_fail(reterr, status == CONVEX_EINVAL ? CONVEX_EPROTOCOL : status,
                    "%s: unexpected result: %s", function->path, error.message);
}

static void deliver(const call *c, convex_status status, const convex_result *result)
{
    const void *value = NULL;
    convex_error error;
    convex_failure failure = {status, convex_status_text(status), NULL, result};
    if (status == CONVEX_OK && convex_result_success(result)) {
        status = decode_result(c->function, result, &c->mem, &value, &error);
        failure.status = status;
        failure.message = error.message;
    } else if (status == CONVEX_OK) {
        status = failure.status = CONVEX_ESERVER;
        failure.message = convex_result_error_message(result, NULL);
        failure.data = convex_result_error_data(result);
    }
    c->function->deliver(c->fn, value, status == CONVEX_OK ? NULL : &failure, c->user);
    convex_typed_unref(value);
}

static void on_result(const convex_result *result, void *user)
{
    deliver(user, CONVEX_OK, result);
}

static void on_end(convex_status why, void *user)
{
    call *c = user;
    if (c->on_end != NULL)
        c->on_end(why, c->user);
    free_call(c);
}

static void on_done(convex_status status, const convex_result *result, void *user)
{
    call *c = user;
    deliver(c, status, result);
    free_call(c);
}

/* The failure of a page comes with the items before it. */
static void on_list(const convex_page_list *list, void *user)
{
    const call *c = user;
    const cvx_span *items = NULL;
    const convex_result *thrown = convex_page_list_error(list);
    convex_error error = {0};
    convex_status status = cvx_typed_decode_items(c->function->page, list, &c->mem, &items, &error);
    char message[sizeof error.message];
    snprintf(message, sizeof message, "%s: unexpected result: %.400s", c->function->path,
             error.message);
    convex_failure failure = {status, message, NULL, NULL};
    if (status == CONVEX_EINVAL)
        failure.status = CONVEX_EPROTOCOL;
    if (status == CONVEX_OK && thrown != NULL)
        failure = (convex_failure){CONVEX_ESERVER, convex_result_error_message(thrown, NULL),
                                   convex_result_error_data(thrown), thrown};
    convex_any_pages pages = {.status = convex_page_list_status(list), .list = list};
    if (items != NULL) {
        pages.items = items->data;
        pages.count = items->len;
    }
    c->function->deliver_page(c->fn, items != NULL ? &pages : NULL,
                              failure.status != CONVEX_OK ? &failure : NULL, c->user);
    convex_typed_unref(items);
}

/* ---- calls ---- */

convex_status convex_typed_subscribe(convex_client *client, const convex_function *function,
                                     const void *args, convex_any_fn *fn, convex_end_fn *end,
                                     void *user, convex_sub **ret, convex_error *reterr)
{
    convex_value *value = NULL;
    if (client == NULL || fn == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "a NULL client or callback");
    convex_status status = cvx_typed_encode_args(function, args, &client->mem, &value, reterr);
    if (status != CONVEX_OK)
        return status;
    call *c = new_call(&client->mem, function, fn, user);
    if (c == NULL) {
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    } else {
        c->on_end = end;
        status = convex_client_subscribe(client, function->path, value, on_result, on_end, c, ret,
                                         reterr);
    }
    if (status != CONVEX_OK)
        free_call(c);
    convex_value_unref(value);
    return status;
}

/* The client adds the page's own options. */
static convex_status without_options(convex_value **args, const convex_mem *mem,
                                     convex_error *reterr)
{
    convex_value *bare = NULL;
    convex_builder *b = convex_builder_new(mem);
    if (b == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    convex_builder_begin_object(b);
    for (size_t i = 0; i < convex_value_count(*args); i++) {
        size_t len = 0;
        const char *key = convex_value_key_at(*args, i, &len);
        if (strcmp(key, "paginationOpts") == 0)
            continue;
        convex_builder_key_n(b, key, len);
        convex_builder_value(b, convex_value_at(*args, i));
    }
    convex_builder_end(b);
    convex_status status = convex_builder_finish(b, &bare, reterr);
    convex_builder_free(b);
    if (status == CONVEX_OK) {
        convex_value_unref(*args);
        *args = bare;
    }
    return status;
}

convex_status convex_typed_paginate(convex_client *client, const convex_function *function,
                                    const void *args, uint32_t page_size, convex_any_fn *fn,
                                    convex_end_fn *end, void *user, convex_pages **ret,
                                    convex_error *reterr)
{
    convex_value *value = NULL;
    call *c = NULL;
    if (client == NULL || fn == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "a NULL client or callback");
    convex_status status = cvx_typed_encode_args(function, args, &client->mem, &value, reterr);
    if (status == CONVEX_OK)
        status = without_options(&value, &client->mem, reterr);
    if (status == CONVEX_OK && (c = new_call(&client->mem, function, fn, user)) == NULL)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (status == CONVEX_OK) {
        c->on_end = end;
        status = convex_client_paginate(client, function->path, value, page_size, on_list, on_end,
                                        c, ret, reterr);
    }
    if (status != CONVEX_OK)
        free_call(c);
    convex_value_unref(value);
    return status;
}

convex_status convex_typed_set_args(convex_sub *sub, const convex_function *function,
                                    const void *args, convex_error *reterr)
{
    convex_value *value = NULL;
    if (sub == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "a NULL subscription");
    convex_status status = cvx_typed_encode_args(function, args, &sub->client->mem, &value, reterr);
    if (status == CONVEX_OK)
        status = convex_sub_set_args(sub, value, reterr);
    convex_value_unref(value);
    return status;
}

typedef convex_status call_fn(convex_client *client, const char *path, const convex_value *args,
                              const convex_call_options *options, convex_done_fn *on_done,
                              void *user, uint32_t *ret_id, convex_error *reterr);

convex_status convex_typed_call(convex_client *client, const convex_function *function,
                                const void *args, const convex_call_options *options,
                                convex_any_fn *fn, void *user, uint32_t *ret_id,
                                convex_error *reterr)
{
    static call_fn *const calls[] = {[CONVEX_HTTP_QUERY] = convex_client_query,
                                     [CONVEX_HTTP_MUTATION] = convex_client_mutation,
                                     [CONVEX_HTTP_ACTION] = convex_client_action};
    convex_value *value = NULL;
    call *c = NULL;
    if (client == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "a NULL client");
    convex_status status = cvx_typed_encode_args(function, args, &client->mem, &value, reterr);
    if (status != CONVEX_OK)
        return status;
    if (fn != NULL && (c = new_call(&client->mem, function, fn, user)) == NULL)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (status == CONVEX_OK)
        status = calls[function->kind](client, function->path, value, options,
                                       fn != NULL ? on_done : NULL, c, ret_id, reterr);
    if (status != CONVEX_OK)
        free_call(c);
    convex_value_unref(value);
    return status;
}

convex_status convex_typed_http(convex_http *http, const convex_function *function,
                                const void *args, const convex_http_call_options *options,
                                const void **ret, convex_result **ret_result, convex_error *reterr)
{
    convex_value *value = NULL;
    convex_result *result = NULL;
    const void *decoded = NULL;
    convex_http_kind kind = function->internal ? CONVEX_HTTP_FUNCTION : function->kind;
    if (http == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "a NULL client");
    convex_status status = cvx_typed_encode_args(function, args, &http->mem, &value, reterr);
    if (status == CONVEX_OK)
        status = convex_http_call(http, kind, function->path, value, options, &result, reterr);
    convex_value_unref(value);
    if (status != CONVEX_OK)
        return status;
    if (convex_result_success(result))
        status = decode_result(function, result, &http->mem, &decoded, reterr);
    else
        status = cvx_fail(reterr, CONVEX_ESERVER, "%s", convex_result_error_message(result, NULL));
    if (status == CONVEX_OK && ret != NULL)
        *ret = decoded;
    else
        convex_typed_unref(decoded);
    if (ret_result != NULL)
        *ret_result = result;
    else
        convex_result_unref(result);
    return status;
}
