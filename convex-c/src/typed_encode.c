/* typed_encode.c - from a C struct to a value, by its shape.
 * Owns nothing but the builder of one call. Any thread.
 * Invariant: what a slot must hold and does not is an error that names it, so that a field
 * somebody forgot to set is never sent as something else. */
#include "typed_internal.h"

typedef struct encoder {
    convex_builder *builder;
    convex_error *reterr;
} encoder;

static convex_status encode(encoder *e, const convex_shape *shape, const char *at,
                            const cvx_place *path);

static convex_status not_set(const encoder *e, const cvx_place *path)
{
    return cvx_fail_at(e->reterr, CONVEX_EINVAL, path, "not set");
}

static cvx_span span_at(const char *at)
{
    cvx_span span;
    memcpy(&span, at, sizeof span);
    return span;
}

/* What the slot's place refers to: the C value, or NULL when nothing is there. */
static const char *content(const convex_slot *slot, const char *at)
{
    const char *target;
    if (slot->flags == 0)
        return at;
    if (slot->shape->size == 0) {
        bool there;
        memcpy(&there, at, sizeof there);
        return there ? at : NULL;
    }
    memcpy(&target, at, sizeof target); /* of a text or bytes: its `data`; of any: itself */
    return target == NULL || !cvx_slot_has_null(slot) ? target : at;
}

static bool is_null(const convex_slot *slot, const char *base)
{
    bool null = true;
    if ((slot->flags & CONVEX_NULLABLE) == 0)
        return false;
    if ((slot->flags & CONVEX_OPTIONAL) != 0)
        memcpy(&null, base + slot->null_offset, sizeof null);
    return null;
}

/* Writes one slot of what starts at `base`, with its key if it is a field. */
static convex_status encode_slot(encoder *e, const convex_slot *slot, const char *base,
                                 const cvx_place *path)
{
    const char *at = content(slot, base + slot->offset);
    if (at == NULL && !is_null(slot, base))
        return CONVEX_OK; /* optional, and absent */
    if (slot->name != NULL)
        convex_builder_key_n(e->builder, slot->name, slot->name_len);
    if (at != NULL)
        return encode(e, slot->shape, at, path);
    convex_builder_null(e->builder);
    return CONVEX_OK;
}

static convex_status encode_list(encoder *e, const convex_shape *shape, const char *at,
                                 const cvx_place *path)
{
    cvx_span list = span_at(at);
    convex_status status = CONVEX_OK;
    if (list.data == NULL && list.len > 0)
        return not_set(e, path);
    convex_builder_begin_array(e->builder);
    for (size_t i = 0; status == CONVEX_OK && i < list.len; i++) {
        cvx_place step = {.up = path, .index = i};
        status = encode_slot(e, shape->slots, (const char *)list.data + i * shape->stride, &step);
    }
    convex_builder_end(e->builder);
    return status;
}

static convex_status encode_record(encoder *e, const convex_shape *shape, const char *at,
                                   const cvx_place *path)
{
    cvx_span list = span_at(at);
    convex_status status = CONVEX_OK;
    if (list.data == NULL && list.len > 0)
        return not_set(e, path);
    convex_builder_begin_object(e->builder);
    for (size_t i = 0; status == CONVEX_OK && i < list.len; i++) {
        const char *entry = (const char *)list.data + i * shape->stride;
        cvx_span key = span_at(entry); /* the first member */
        cvx_place step = {.up = path, .index = i};
        if (key.data == NULL)
            return not_set(e, &step);
        convex_builder_key_n(e->builder, key.data, key.len);
        step.name = key.data;
        status = encode_slot(e, shape->slots, entry, &step);
    }
    convex_builder_end(e->builder);
    return status;
}

static convex_status encode_object(encoder *e, const convex_shape *shape, const char *at,
                                   const cvx_place *path)
{
    convex_status status = CONVEX_OK;
    convex_builder_begin_object(e->builder);
    for (size_t i = 0; status == CONVEX_OK && i < shape->count; i++) {
        cvx_place step = {.up = path, .name = shape->slots[i].name};
        status = encode_slot(e, &shape->slots[i], at, &step);
    }
    convex_builder_end(e->builder);
    return status;
}

static void encode_literal(encoder *e, const convex_literal *literal)
{
    switch (literal->type) {
    case CONVEX_STRING:
        return convex_builder_string(e->builder, literal->text, literal->len);
    case CONVEX_FLOAT64:
        return convex_builder_float64(e->builder, literal->number);
    case CONVEX_INT64:
        return convex_builder_int64(e->builder, literal->integer);
    default:
        return convex_builder_bool(e->builder, literal->integer != 0);
    }
}

static convex_status encode_enum(encoder *e, const convex_shape *shape, const char *at,
                                 const cvx_place *path)
{
    int value;
    memcpy(&value, at, sizeof value);
    if (value < 1 || (size_t)value > shape->count)
        return not_set(e, path);
    encode_literal(e, &shape->literals[value - 1]);
    return CONVEX_OK;
}

static convex_status encode_any(encoder *e, const char *at, const cvx_place *path)
{
    const convex_value *value;
    memcpy(&value, at, sizeof value);
    if (value == NULL)
        return not_set(e, path);
    convex_builder_value(e->builder, value);
    return CONVEX_OK;
}

static convex_status encode_union(encoder *e, const convex_shape *shape, const char *at,
                                  const cvx_place *path)
{
    int tag;
    memcpy(&tag, at, sizeof tag);
    if (tag == 0)
        return encode_any(e, at + shape->stride, path);
    if (tag < 0 || (size_t)tag > shape->count)
        return not_set(e, path);
    return encode(e, shape->slots[tag - 1].shape, at + shape->stride, path);
}

static convex_status encode_text(encoder *e, const convex_shape *shape, const char *at,
                                 const cvx_place *path)
{
    cvx_span span = span_at(at);
    if (span.data == NULL)
        return not_set(e, path);
    if (shape->kind == CONVEX_SHAPE_STRING)
        convex_builder_string(e->builder, span.data, span.len);
    else
        convex_builder_bytes(e->builder, span.data, span.len);
    return CONVEX_OK;
}

static void encode_scalar(encoder *e, convex_shape_kind kind, const char *at)
{
    int64_t integer;
    double number;
    bool truth;
    if (kind == CONVEX_SHAPE_INT64) {
        memcpy(&integer, at, sizeof integer);
        convex_builder_int64(e->builder, integer);
    } else if (kind == CONVEX_SHAPE_FLOAT64) {
        memcpy(&number, at, sizeof number);
        convex_builder_float64(e->builder, number);
    } else {
        memcpy(&truth, at, sizeof truth);
        convex_builder_bool(e->builder, truth);
    }
}

static convex_status encode(encoder *e, const convex_shape *shape, const char *at,
                            const cvx_place *path)
{
    switch (shape->kind) {
    case CONVEX_SHAPE_ANY:
        return encode_any(e, at, path);
    case CONVEX_SHAPE_STRING:
    case CONVEX_SHAPE_BYTES:
        return encode_text(e, shape, at, path);
    case CONVEX_SHAPE_ARRAY:
        return encode_list(e, shape, at, path);
    case CONVEX_SHAPE_RECORD:
        return encode_record(e, shape, at, path);
    case CONVEX_SHAPE_OBJECT:
        return encode_object(e, shape, at, path);
    case CONVEX_SHAPE_ENUM:
        return encode_enum(e, shape, at, path);
    case CONVEX_SHAPE_UNION:
        return encode_union(e, shape, at, path);
    case CONVEX_SHAPE_LITERAL:
        encode_literal(e, shape->literals);
        return CONVEX_OK;
    case CONVEX_SHAPE_NULL:
        convex_builder_null(e->builder);
        return CONVEX_OK;
    case CONVEX_SHAPE_BOOLEAN:
    case CONVEX_SHAPE_INT64:
    case CONVEX_SHAPE_FLOAT64:
        encode_scalar(e, shape->kind, at);
        return CONVEX_OK;
    }
    return CONVEX_EINVAL;
}

convex_status convex_typed_encode(const convex_slot *slot, const void *in, const convex_mem *mem,
                                  convex_value **ret, convex_error *reterr)
{
    static const char nothing;
    convex_builder *builder = convex_builder_new(mem);
    encoder e = {builder, reterr};
    convex_status status = CONVEX_OK;
    if (builder == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (in != NULL || slot->shape->size == 0)
        status = encode(&e, slot->shape, in != NULL ? in : &nothing, NULL);
    else if ((slot->flags & CONVEX_NULLABLE) != 0)
        convex_builder_null(builder);
    else
        status = not_set(&e, NULL);
    if (status == CONVEX_OK)
        status = convex_builder_finish(builder, ret, reterr);
    convex_builder_free(builder);
    return status;
}

convex_status cvx_typed_encode_args(const convex_function *function, const void *args,
                                    const convex_mem *mem, convex_value **ret, convex_error *reterr)
{
    convex_error error = {0};
    if (args == NULL && function->args.shape->kind == CONVEX_SHAPE_ANY) {
        *ret = NULL;
        return CONVEX_OK;
    }
    convex_status status = convex_typed_encode(&function->args, args, mem, ret, &error);
    if (status != CONVEX_OK)
        cvx_fail(reterr, status, "%s: args%s%s", function->path, error.message[0] == '[' ? "" : ".",
                 error.message);
    return status;
}
