/* result.c - what one run of a Convex function came to.
 * Immutable after it was made; the count is atomic. Any thread. */
#include "result_internal.h"

#include <stdatomic.h>

#include "mem.h"

struct convex_result {
    atomic_size_t refs;
    convex_mem mem;
    convex_value *value;   /* NULL: the function threw */
    convex_value *message; /* NULL: the function returned */
    convex_value *data;
    convex_value *log_lines;
};

static convex_result *make(convex_result parts, const convex_mem *mem)
{
    convex_mem resolved = cvx_mem(mem);
    convex_result *result = cvx_alloc(&resolved, sizeof *result);
    if (result == NULL) {
        convex_value_unref(parts.value);
        convex_value_unref(parts.message);
        convex_value_unref(parts.data);
        convex_value_unref(parts.log_lines);
        return NULL;
    }
    atomic_init(&result->refs, 1);
    result->mem = resolved;
    result->value = parts.value;
    result->message = parts.message;
    result->data = parts.data;
    result->log_lines = parts.log_lines;
    return result;
}

convex_result *cvx_result_success(convex_value *value, convex_value *log_lines,
                                  const convex_mem *mem)
{
    return make((convex_result){.value = value, .log_lines = log_lines}, mem);
}

convex_result *cvx_result_failure(convex_value *message, convex_value *data,
                                  convex_value *log_lines, const convex_mem *mem)
{
    return make((convex_result){.message = message, .data = data, .log_lines = log_lines}, mem);
}

convex_result *convex_result_ref(const convex_result *result)
{
    if (result == NULL)
        return NULL;
    /* Immutable but for its count, which is what a ref is about. */
    convex_result *held = (convex_result *)(uintptr_t)result;
    atomic_fetch_add_explicit(&held->refs, 1, memory_order_relaxed);
    return held;
}

void convex_result_unref(const convex_result *result)
{
    convex_result *held = (convex_result *)(uintptr_t)result;
    if (held == NULL || atomic_fetch_sub_explicit(&held->refs, 1, memory_order_acq_rel) != 1)
        return;
    convex_mem mem = held->mem;
    convex_value_unref(held->value);
    convex_value_unref(held->message);
    convex_value_unref(held->data);
    convex_value_unref(held->log_lines);
    cvx_free(&mem, held);
}

bool convex_result_success(const convex_result *result)
{
    return result != NULL && result->message == NULL;
}

const convex_value *convex_result_value(const convex_result *result)
{
    return result == NULL ? NULL : result->value;
}

const char *convex_result_error_message(const convex_result *result, size_t *len)
{
    return result == NULL ? NULL : convex_value_string(result->message, len);
}

const convex_value *convex_result_error_data(const convex_result *result)
{
    return result == NULL ? NULL : result->data;
}

size_t convex_result_log_count(const convex_result *result)
{
    return result == NULL ? 0 : convex_value_count(result->log_lines);
}

const char *convex_result_log_at(const convex_result *result, size_t i, size_t *len)
{
    const convex_value *lines = result == NULL ? NULL : result->log_lines;
    return convex_value_string(convex_value_at(lines, i), len);
}
