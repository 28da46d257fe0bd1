/* value_check.c - the limits Convex puts on arguments and results.
 * Owns nothing. Any thread. */
#include <stdio.h>

#include "error_internal.h"
#include "value_tree.h"

enum { CALL_SIZE_MAX = 16 << 20 };

/* One step of the way down; the way back up is the path for the error. */
typedef struct step {
    const struct step *up;
    const char *key; /* NULL: an array, see index */
    size_t index;
} step;

static size_t write_path(const step *at, char *ret, size_t size)
{
    if (at == NULL)
        return 0;
    size_t len = write_path(at->up, ret, size);
    if (len >= size)
        return len;
    int n = at->key != NULL ? snprintf(ret + len, size - len, "%s%s", len > 0 ? "." : "", at->key)
                            : snprintf(ret + len, size - len, "[%zu]", at->index);
    return len + (n > 0 ? (size_t)n : 0);
}

static convex_status fail_at(convex_error *reterr, convex_status status, const step *at,
                             const char *fault)
{
    char path[256] = "";
    write_path(at, path, sizeof path);
    return cvx_fail(reterr, status, "%s, at %s", fault, path[0] != '\0' ? path : "the top");
}

static convex_status check_name(cvx_key key, const step *at, convex_error *reterr)
{
    size_t len = cvx_key_len(key);
    if (len > CVX_LIMIT_NAME)
        return fail_at(reterr, CONVEX_ELIMIT, at->up, "a field name is longer than 1024 bytes");
    if (key[0] == '$')
        return fail_at(reterr, CONVEX_EINVAL, at, "a field name starts with $");
    for (size_t i = 0; i < len; i++) {
        if (key[i] < 0x20 || key[i] > 0x7e)
            return fail_at(reterr, CONVEX_EINVAL, at, "a field name is not printable ASCII");
    }
    return CONVEX_OK;
}

static convex_status check(const convex_value *value, unsigned depth, const step *at,
                           convex_error *reterr)
{
    convex_type type = cvx_type(value);
    if (type != CONVEX_ARRAY && type != CONVEX_OBJECT)
        return CONVEX_OK;
    size_t count = cvx_len(value);
    bool object = type == CONVEX_OBJECT;
    if (depth > CVX_LIMIT_NESTING)
        return fail_at(reterr, CONVEX_ELIMIT, at, "nested more than 64 deep");
    if (object && count > CVX_LIMIT_FIELDS)
        return fail_at(reterr, CONVEX_ELIMIT, at, "an object has more than 1024 fields");
    if (count > CVX_LIMIT_ITEMS)
        return fail_at(reterr, CONVEX_ELIMIT, at, "an array has more than 8192 items");
    convex_status status = CONVEX_OK;
    for (size_t i = 0; i < count && status == CONVEX_OK; i++) {
        step here = {.up = at, .key = object ? cvx_keys(value)[i] : NULL, .index = i};
        if (object)
            status = check_name(cvx_keys(value)[i], &here, reterr);
        if (status == CONVEX_OK)
            status = check(&value->u.nodes[i], depth + 1, &here, reterr);
    }
    return status;
}

/* Names the innermost value that is too large by itself. */
static convex_status fail_size(const convex_value *value, const step *at, convex_error *reterr)
{
    bool object = cvx_type(value) == CONVEX_OBJECT;
    for (size_t i = 0; i < convex_value_count(value); i++) {
        step here = {.up = at, .key = object ? cvx_keys(value)[i] : NULL, .index = i};
        if (convex_value_size(&value->u.nodes[i]) > CALL_SIZE_MAX)
            return fail_size(&value->u.nodes[i], &here, reterr);
    }
    return fail_at(reterr, CONVEX_ELIMIT, at, "larger than 16 MiB");
}

convex_status cvx_value_check(const convex_value *value, const char *name, convex_error *reterr)
{
    if (value == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no value");
    step top = {.key = name};
    const step *at = name != NULL ? &top : NULL;
    convex_status status = check(value, 1, at, reterr);
    if (status == CONVEX_OK && convex_value_size(value) > CALL_SIZE_MAX)
        return fail_size(value, at, reterr);
    return status;
}

convex_status convex_value_check(const convex_value *value, convex_error *reterr)
{
    return cvx_value_check(value, NULL, reterr);
}
