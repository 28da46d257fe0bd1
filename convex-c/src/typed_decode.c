/* typed_decode.c - from a value to a C struct, by its shape.
 * What is decoded is counted: it holds the tree its texts lie in, and the blocks of its arena.
 * Any thread. Invariant: nothing is read past what the shape and the value both have. */
#include <stdatomic.h>

#include "mem.h"
#include "typed_internal.h"
#include "value_tree.h"

enum { ALIGNMENT = _Alignof(max_align_t), FIRST_BLOCK = 512, BLOCK_MAX = 64 << 10 };

typedef struct block {
    struct block *next;
} block;

/* Stands before the struct it counts. */
typedef struct held {
    convex_mem mem;
    atomic_uint refs;
    convex_value *tree; /* either of these has the texts */
    const convex_page_list *list;
    block *blocks; /* the rest of the arena */
} held;

typedef struct decoder {
    held *held;
    char *room;
    size_t left, next_size;
    convex_error *reterr;
} decoder;

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* ---- memory ---- */

static const held *held_of(const void *decoded)
{
    return (const held *)(const void *)((const char *)decoded - aligned(sizeof(held)));
}

const void *convex_typed_ref(const void *decoded)
{
    if (decoded != NULL) /* the count is all that changes in what is otherwise read only */
        atomic_fetch_add_explicit(&((held *)(uintptr_t)held_of(decoded))->refs, 1,
                                  memory_order_relaxed);
    return decoded;
}

static void release(held *h)
{
    convex_mem mem = h->mem;
    convex_value_unref(h->tree);
    convex_page_list_unref(h->list);
    for (block *b = h->blocks, *next; b != NULL; b = next) {
        next = b->next;
        cvx_free(&mem, b);
    }
    cvx_free(&mem, h);
}

void convex_typed_unref(const void *decoded)
{
    if (decoded == NULL)
        return;
    held *h = (held *)(uintptr_t)held_of(decoded);
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
        release(h);
}

static bool add_block(decoder *d, size_t size)
{
    size_t head = aligned(sizeof(block));
    if (size < d->next_size)
        size = d->next_size;
    if (size > SIZE_MAX - head)
        return false;
    block *b = cvx_alloc(&d->held->mem, head + size);
    if (b == NULL)
        return false;
    b->next = d->held->blocks;
    d->held->blocks = b;
    d->room = (char *)b + head;
    d->left = size;
    if (d->next_size < BLOCK_MAX)
        d->next_size *= 2;
    return true;
}

/* Zeroed room for `count` things of `size`; NULL when memory is short. */
static char *take(decoder *d, size_t count, size_t size)
{
    if (size > 0 && count > (SIZE_MAX - ALIGNMENT) / size)
        return NULL;
    size_t wanted = aligned(count * size);
    if (wanted > d->left && !add_block(d, wanted))
        return NULL;
    char *room = d->room;
    d->room += wanted;
    d->left -= wanted;
    memset(room, 0, wanted);
    return room;
}

/* ---- does a value fit a shape? ---- */

/* Whether the value's type alone lets it be of the shape. */
static bool may_be(const convex_shape *shape, const convex_value *value)
{
    static const convex_type types[] = {
        [CONVEX_SHAPE_NULL] = CONVEX_NULL,     [CONVEX_SHAPE_BOOLEAN] = CONVEX_BOOLEAN,
        [CONVEX_SHAPE_INT64] = CONVEX_INT64,   [CONVEX_SHAPE_FLOAT64] = CONVEX_FLOAT64,
        [CONVEX_SHAPE_STRING] = CONVEX_STRING, [CONVEX_SHAPE_BYTES] = CONVEX_BYTES,
        [CONVEX_SHAPE_ARRAY] = CONVEX_ARRAY,   [CONVEX_SHAPE_RECORD] = CONVEX_OBJECT,
        [CONVEX_SHAPE_OBJECT] = CONVEX_OBJECT,
    };
    switch (shape->kind) {
    case CONVEX_SHAPE_ANY:
    case CONVEX_SHAPE_UNION:
        return true;
    case CONVEX_SHAPE_LITERAL:
        return cvx_literal_equal(shape->literals, value);
    case CONVEX_SHAPE_ENUM:
        for (size_t i = 0; i < shape->count; i++)
            if (shape->literals[i].type == cvx_type(value))
                return true;
        return false;
    default:
        return types[shape->kind] == cvx_type(value);
    }
}

static bool fits(const convex_shape *shape, const convex_value *value, bool exactly);

static bool fits_slot(const convex_slot *slot, const convex_value *value, bool exactly)
{
    if (value == NULL)
        return (slot->flags & CONVEX_OPTIONAL) != 0;
    if ((slot->flags & CONVEX_NULLABLE) != 0 && cvx_type(value) == CONVEX_NULL)
        return true;
    return fits(slot->shape, value, exactly);
}

static bool fits_object(const convex_shape *shape, const convex_value *value, bool exactly)
{
    size_t known = 0;
    for (size_t i = 0; i < shape->count; i++) {
        const convex_value *child = convex_value_field(value, shape->slots[i].name);
        if (!fits_slot(&shape->slots[i], child, exactly))
            return false;
        known += child != NULL;
    }
    return !exactly || known == cvx_len(value);
}

/* `exactly`: without fields that the shape does not know. */
static bool fits(const convex_shape *shape, const convex_value *value, bool exactly)
{
    if (!may_be(shape, value))
        return false;
    switch (shape->kind) {
    case CONVEX_SHAPE_OBJECT:
        return fits_object(shape, value, exactly);
    case CONVEX_SHAPE_ARRAY:
    case CONVEX_SHAPE_RECORD:
        for (size_t i = 0; i < cvx_len(value); i++)
            if (!fits_slot(shape->slots, &value->u.nodes[i], exactly))
                return false;
        return true;
    case CONVEX_SHAPE_ENUM:
        for (size_t i = 0; i < shape->count; i++)
            if (cvx_literal_equal(&shape->literals[i], value))
                return true;
        return !exactly;
    case CONVEX_SHAPE_UNION:
        for (size_t i = 0; i < shape->count; i++)
            if (fits(shape->slots[i].shape, value, exactly))
                return true;
        return !exactly;
    default:
        return true;
    }
}

/* ---- decoding ---- */

static convex_status decode(decoder *d, const convex_shape *shape, const convex_value *value,
                            char *at, const cvx_place *path);

static convex_status no_memory(const decoder *d)
{
    return cvx_fail(d->reterr, CONVEX_ENOMEM, "out of memory");
}

static convex_status mismatch(const decoder *d, const convex_shape *shape,
                              const convex_value *value, const cvx_place *path)
{
    static const char *const names[] = {
        [CONVEX_SHAPE_NULL] = "null",        [CONVEX_SHAPE_BOOLEAN] = "a boolean",
        [CONVEX_SHAPE_INT64] = "an int64",   [CONVEX_SHAPE_FLOAT64] = "a float64",
        [CONVEX_SHAPE_STRING] = "a string",  [CONVEX_SHAPE_BYTES] = "bytes",
        [CONVEX_SHAPE_ARRAY] = "an array",   [CONVEX_SHAPE_RECORD] = "an object",
        [CONVEX_SHAPE_OBJECT] = "an object", [CONVEX_SHAPE_ENUM] = "one of the literals",
    };
    const char *got = convex_type_name(cvx_type(value));
    if (shape->kind == CONVEX_SHAPE_LITERAL)
        return cvx_fail_at(d->reterr, CONVEX_EINVAL, path,
                           "expected the literal %s, got another %s", shape->literals->text, got);
    return cvx_fail_at(d->reterr, CONVEX_EINVAL, path, "expected %s, got %s", names[shape->kind],
                       got);
}

static convex_status decode_slot(decoder *d, const convex_slot *slot, const convex_value *value,
                                 char *base, const cvx_place *path)
{
    static const bool yes = true;
    char *at = base + slot->offset;
    if (value == NULL)
        return (slot->flags & CONVEX_OPTIONAL) != 0
                   ? CONVEX_OK
                   : cvx_fail_at(d->reterr, CONVEX_EINVAL, path, "missing");
    if ((slot->flags & CONVEX_NULLABLE) != 0 && cvx_type(value) == CONVEX_NULL) {
        if ((slot->flags & CONVEX_OPTIONAL) != 0)
            memcpy(base + slot->null_offset, &yes, sizeof yes);
        return CONVEX_OK;
    }
    if (slot->flags == 0 || cvx_slot_has_null(slot))
        return decode(d, slot->shape, value, at, path);
    if (slot->shape->size == 0) {
        memcpy(at, &yes, sizeof yes);
        return decode(d, slot->shape, value, at, path);
    }
    char *target = take(d, 1, slot->shape->size);
    if (target == NULL)
        return no_memory(d);
    memcpy(at, &target, sizeof target);
    return decode(d, slot->shape, value, target, path);
}

static convex_status decode_list(decoder *d, const convex_shape *shape, const convex_value *value,
                                 char *at, const cvx_place *path)
{
    convex_status status = CONVEX_OK;
    bool record = shape->kind == CONVEX_SHAPE_RECORD;
    cvx_span list = {NULL, cvx_len(value)};
    char *items = take(d, list.len, shape->stride);
    if (items == NULL)
        return no_memory(d);
    for (size_t i = 0; status == CONVEX_OK && i < list.len; i++) {
        char *item = items + i * shape->stride;
        cvx_place step = {.up = path, .name = record ? cvx_keys(value)[i] : NULL, .index = i};
        cvx_span key = {step.name, record ? cvx_key_len(step.name) : 0};
        if (record)
            memcpy(item, &key, sizeof key);
        status = decode_slot(d, shape->slots, &value->u.nodes[i], item, &step);
    }
    list.data = items;
    memcpy(at, &list, sizeof list);
    return status;
}

/* Fields of shape and value are both in order of their names. */
static convex_status decode_object(decoder *d, const convex_shape *shape, const convex_value *value,
                                   char *at, const cvx_place *path)
{
    convex_status status = CONVEX_OK;
    const cvx_key *keys = cvx_keys(value);
    size_t next = 0, count = cvx_len(value);
    for (size_t i = 0; status == CONVEX_OK && i < shape->count; i++) {
        const convex_slot *slot = &shape->slots[i];
        cvx_place step = {.up = path, .name = slot->name};
        int order = 1;
        while (next < count && (order = cvx_compare_bytes(keys[next], cvx_key_len(keys[next]),
                                                          slot->name, slot->name_len)) < 0)
            next++;
        const convex_value *child = next < count && order == 0 ? &value->u.nodes[next] : NULL;
        status = decode_slot(d, slot, child, at, &step);
    }
    return status;
}

static convex_status decode_enum(const convex_shape *shape, const convex_value *value, char *at)
{
    int found = 0;
    for (size_t i = 0; found == 0 && i < shape->count; i++)
        if (cvx_literal_equal(&shape->literals[i], value))
            found = (int)i + 1;
    memcpy(at, &found, sizeof found);
    return CONVEX_OK;
}

/* The only variant that the value's type allows, so that an error within it can be told; among
 * several the first that fits. 0: none. */
static size_t variant_by_type(const convex_shape *shape, const convex_value *value)
{
    size_t found = 0, candidates = 0;
    for (size_t i = 0; i < shape->count; i++) {
        if (!may_be(shape->slots[i].shape, value))
            continue;
        candidates++;
        found = i + 1;
        if (shape->slots[i].shape->kind == CONVEX_SHAPE_LITERAL)
            return found;
    }
    if (candidates < 2)
        return found;
    for (int exactly = 1; exactly >= 0; exactly--)
        for (size_t i = 0; i < shape->count; i++)
            if (fits(shape->slots[i].shape, value, exactly != 0))
                return i + 1;
    return 0;
}

static size_t variant_of(const convex_shape *shape, const convex_value *value)
{
    if (shape->discriminant == NULL || cvx_type(value) != CONVEX_OBJECT)
        return variant_by_type(shape, value);
    const convex_value *told = convex_value_field(value, shape->discriminant);
    for (size_t i = 0; i < shape->count; i++)
        if (shape->slots[i].shape->kind == CONVEX_SHAPE_OBJECT &&
            cvx_literal_equal(&shape->literals[i], told))
            return i + 1;
    return 0;
}

static convex_status decode_union(decoder *d, const convex_shape *shape, const convex_value *value,
                                  char *at, const cvx_place *path)
{
    size_t found = variant_of(shape, value);
    int tag = (int)found;
    memcpy(at, &tag, sizeof tag);
    at += shape->stride;
    if (found > 0)
        return decode(d, shape->slots[found - 1].shape, value, at, path);
    memcpy(at, &value, sizeof value);
    return CONVEX_OK;
}

static void decode_scalar(const convex_value *value, char *at)
{
    if (cvx_type(value) == CONVEX_INT64)
        memcpy(at, &value->u.i, sizeof value->u.i);
    else if (cvx_type(value) == CONVEX_FLOAT64)
        memcpy(at, &value->u.f, sizeof value->u.f);
    else
        memcpy(at, &value->u.b, sizeof value->u.b);
}

static convex_status decode(decoder *d, const convex_shape *shape, const convex_value *value,
                            char *at, const cvx_place *path)
{
    cvx_span span = {NULL, 0};
    if (!may_be(shape, value))
        return mismatch(d, shape, value, path);
    switch (shape->kind) {
    case CONVEX_SHAPE_ANY:
        memcpy(at, &value, sizeof value);
        return CONVEX_OK;
    case CONVEX_SHAPE_STRING:
    case CONVEX_SHAPE_BYTES:
        span = (cvx_span){value->u.text, cvx_len(value)};
        memcpy(at, &span, sizeof span);
        return CONVEX_OK;
    case CONVEX_SHAPE_BOOLEAN:
    case CONVEX_SHAPE_INT64:
    case CONVEX_SHAPE_FLOAT64:
        decode_scalar(value, at);
        return CONVEX_OK;
    case CONVEX_SHAPE_ARRAY:
    case CONVEX_SHAPE_RECORD:
        return decode_list(d, shape, value, at, path);
    case CONVEX_SHAPE_OBJECT:
        return decode_object(d, shape, value, at, path);
    case CONVEX_SHAPE_ENUM:
        return decode_enum(shape, value, at);
    case CONVEX_SHAPE_UNION:
        return decode_union(d, shape, value, at, path);
    case CONVEX_SHAPE_NULL:
    case CONVEX_SHAPE_LITERAL:
        return CONVEX_OK;
    }
    return CONVEX_EINVAL;
}

/* Room for what is counted, with `size` zeroed bytes at its root; NULL when memory is short. */
static char *begin(decoder *d, const convex_mem *mem, size_t size)
{
    convex_mem resolved = cvx_mem(mem);
    size_t head = aligned(sizeof(held)), root = aligned(size);
    d->held = cvx_alloc(&resolved, head + root + FIRST_BLOCK);
    if (d->held == NULL)
        return NULL;
    memset((void *)d->held, 0, head + root);
    d->held->mem = resolved;
    atomic_init(&d->held->refs, 1);
    d->next_size = FIRST_BLOCK;
    d->left = FIRST_BLOCK;
    d->room = (char *)d->held + head + root;
    return (char *)d->held + head;
}

convex_status convex_typed_decode(const convex_slot *slot, const convex_value *value,
                                  const convex_mem *mem, const void **ret, convex_error *reterr)
{
    decoder d = {.reterr = reterr};
    if (value == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "missing");
    if ((slot->flags & CONVEX_NULLABLE) != 0 && cvx_type(value) == CONVEX_NULL) {
        *ret = NULL;
        return CONVEX_OK;
    }
    char *root = begin(&d, mem, slot->shape->size);
    if (root == NULL)
        return no_memory(&d);
    d.held->tree = convex_value_ref(value);
    convex_status status = decode(&d, slot->shape, value, root, NULL);
    if (status != CONVEX_OK)
        release(d.held);
    else
        *ret = root;
    return status;
}

convex_status convex_typed_copy(const convex_slot *slot, const void *in, const convex_mem *mem,
                                const void **ret, convex_error *reterr)
{
    convex_value *value = NULL;
    convex_status status = convex_typed_encode(slot, in, mem, &value, reterr);
    if (status == CONVEX_OK)
        status = convex_typed_decode(slot, value, mem, ret, reterr);
    convex_value_unref(value);
    return status;
}

convex_status cvx_typed_decode_items(const convex_shape *array, const convex_page_list *list,
                                     const convex_mem *mem, const cvx_span **ret,
                                     convex_error *reterr)
{
    decoder d = {.reterr = reterr};
    cvx_span span = {NULL, convex_page_list_count(list)};
    char *root = begin(&d, mem, sizeof span);
    if (root == NULL)
        return no_memory(&d);
    d.held->list = convex_page_list_ref(list);
    char *items = take(&d, span.len, array->stride);
    convex_status status = items != NULL ? CONVEX_OK : no_memory(&d);
    for (size_t i = 0; status == CONVEX_OK && i < span.len; i++) {
        cvx_place step = {.index = i};
        status = decode_slot(&d, array->slots, convex_page_list_at(list, i),
                             items + i * array->stride, &step);
    }
    if (status != CONVEX_OK) {
        release(d.held);
        return status;
    }
    span.data = items;
    memcpy(root, &span, sizeof span);
    *ret = (const cvx_span *)(const void *)root;
    return CONVEX_OK;
}
