/* typed.c - what encoding and decoding by shape share: literals and paths.
 * Owns nothing. Any thread. */
#include <stdio.h>

#include "typed_internal.h"

_Static_assert(sizeof(cvx_span) == sizeof(convex_str) && sizeof(cvx_span) == sizeof(convex_bytes) &&
                   sizeof(cvx_span) == sizeof(convex_value_list),
               "texts, bytes and lists lie alike");

bool cvx_slot_has_null(const convex_slot *slot)
{
    convex_shape_kind kind = slot->shape->kind;
    return kind == CONVEX_SHAPE_ANY || kind == CONVEX_SHAPE_STRING || kind == CONVEX_SHAPE_BYTES;
}

bool cvx_literal_equal(const convex_literal *literal, const convex_value *value)
{
    int64_t integer = 0;
    double number = 0;
    bool truth = false;
    size_t len = 0;
    switch (literal->type) {
    case CONVEX_STRING: {
        const char *text = convex_value_string(value, &len);
        return text != NULL && len == literal->len && memcmp(text, literal->text, len) == 0;
    }
    case CONVEX_FLOAT64:
        return convex_value_float64(value, &number) && number == literal->number;
    case CONVEX_INT64:
        return convex_value_int64(value, &integer) && integer == literal->integer;
    case CONVEX_BOOLEAN:
        return convex_value_bool(value, &truth) && truth == (literal->integer != 0);
    default:
        return false;
    }
}

const char *convex_typed_enum_text(const convex_shape *shape, int value)
{
    return value >= 1 && (size_t)value <= shape->count ? shape->literals[value - 1].text : NULL;
}

int convex_typed_enum_find(const convex_shape *shape, const char *text, size_t len)
{
    for (size_t i = 0; text != NULL && i < shape->count; i++) {
        const convex_literal *literal = &shape->literals[i];
        if (literal->len == len && memcmp(literal->text, text, len) == 0)
            return (int)i + 1;
    }
    return 0;
}

/* ---- paths ---- */

static size_t write_path(const cvx_place *at, char *ret, size_t size)
{
    if (at == NULL)
        return 0;
    size_t len = write_path(at->up, ret, size);
    if (len >= size)
        return len;
    int n = at->name != NULL ? snprintf(ret + len, size - len, "%s%s", len > 0 ? "." : "", at->name)
                             : snprintf(ret + len, size - len, "[%zu]", at->index);
    return len + (n > 0 ? (size_t)n : 0);
}

convex_status cvx_fail_at(convex_error *reterr, convex_status status, const cvx_place *at,
                          const char *format, ...)
{
    char path[256] = "", message[192];
    va_list args;
    write_path(at, path, sizeof path);
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return cvx_fail(reterr, status, "%s%s%s", path, path[0] != '\0' ? ": " : "", message);
}
