/* builder.c - writing one value front to back.
 *
 * A builder belongs to one thread. Invariant: once `status` is an error nothing
 * more is written, so `root` and the frames are only read while it is CONVEX_OK. */
#include <string.h>

#include "error_internal.h"
#include "utf8.h"
#include "value_tree.h"

enum { FIRST_CHUNK = 512, FIRST_DEPTH = 8 };

typedef struct frame {
    size_t start;
    cvx_key key; /* waiting for its value */
    bool object;
} frame;

struct convex_builder {
    cvx_writer w;
    frame *frames;
    size_t depth, capacity;
    convex_value root;
    bool has_root;
    convex_status status;
    const char *fault;
};

static void reset(convex_builder *b)
{
    convex_mem mem = b->w.mem;
    cvx_writer_done(&b->w);
    cvx_writer_init(&b->w, &mem, FIRST_CHUNK, NULL, 0);
    b->depth = 0;
    b->has_root = false;
    b->status = CONVEX_OK;
    b->fault = NULL;
}

convex_builder *convex_builder_new(const convex_mem *mem)
{
    convex_mem resolved = cvx_mem(mem);
    convex_builder *b = cvx_alloc(&resolved, sizeof *b);
    if (b == NULL)
        return NULL;
    *b = (convex_builder){0};
    cvx_writer_init(&b->w, &resolved, FIRST_CHUNK, NULL, 0);
    return b;
}

void convex_builder_free(convex_builder *b)
{
    if (b == NULL)
        return;
    convex_mem mem = b->w.mem;
    cvx_writer_done(&b->w);
    cvx_free(&mem, b->frames);
    cvx_free(&mem, b);
}

static void fail(convex_builder *b, convex_status status, const char *fault)
{
    if (b->status != CONVEX_OK)
        return;
    b->status = status;
    b->fault = fault;
}

static void fail_memory(convex_builder *b)
{
    fail(b, CONVEX_ENOMEM, "out of memory");
}

static frame *innermost(convex_builder *b)
{
    return b->depth > 0 ? &b->frames[b->depth - 1] : NULL;
}

/* Whether a value may come now; an error otherwise. */
static bool may_write(convex_builder *b)
{
    if (b->status != CONVEX_OK)
        return false;
    const frame *f = innermost(b);
    if (f == NULL && b->has_root)
        fail(b, CONVEX_EINVAL, "a second value after the first");
    else if (f != NULL && f->object && f->key == NULL)
        fail(b, CONVEX_EINVAL, "a value without a key in an object");
    return b->status == CONVEX_OK;
}

static void write_node(convex_builder *b, const convex_value *node)
{
    frame *f = innermost(b);
    if (f == NULL) {
        b->root = *node;
        b->has_root = true;
        return;
    }
    if (!cvx_writer_push(&b->w, node, f->key))
        fail_memory(b);
    f->key = NULL;
}

static bool grow_frames(convex_builder *b)
{
    size_t capacity = b->capacity == 0 ? FIRST_DEPTH : b->capacity * 2;
    frame *frames = cvx_realloc(&b->w.mem, b->frames, capacity * sizeof *frames);
    if (frames == NULL)
        return false;
    b->frames = frames;
    b->capacity = capacity;
    return true;
}

static void begin(convex_builder *b, bool object)
{
    if (!may_write(b))
        return;
    if (b->depth == CVX_DEPTH_MAX) {
        fail(b, CONVEX_ELIMIT, "nested too deeply");
    } else if (b->depth == b->capacity && !grow_frames(b)) {
        fail_memory(b);
    } else {
        b->frames[b->depth++] = (frame){.start = b->w.count, .object = object};
    }
}

void convex_builder_begin_object(convex_builder *b)
{
    begin(b, true);
}

void convex_builder_begin_array(convex_builder *b)
{
    begin(b, false);
}

static bool is_sorted(const convex_builder *b, size_t start)
{
    for (size_t i = start + 1; i < b->w.count; i++) {
        if (cvx_key_compare(b->w.items[i - 1].key, b->w.items[i].key) >= 0)
            return false;
    }
    return true;
}

void convex_builder_end(convex_builder *b)
{
    if (b->status != CONVEX_OK)
        return;
    const frame *f = innermost(b);
    if (f == NULL) {
        fail(b, CONVEX_EINVAL, "an end without a begin");
        return;
    }
    if (f->key != NULL) {
        fail(b, CONVEX_EINVAL, "a key without a value");
        return;
    }
    convex_value node;
    bool sorted = !f->object || is_sorted(b, f->start);
    if (!cvx_writer_close(&b->w, f->start, f->object, sorted, &node)) {
        fail_memory(b);
        return;
    }
    b->depth--;
    write_node(b, &node);
}

void convex_builder_key(convex_builder *b, const char *name)
{
    if (name == NULL)
        fail(b, CONVEX_EINVAL, "a NULL key");
    else
        convex_builder_key_n(b, name, strlen(name));
}

void convex_builder_key_n(convex_builder *b, const char *name, size_t len)
{
    if (b->status != CONVEX_OK)
        return;
    frame *f = innermost(b);
    if (f == NULL || !f->object)
        fail(b, CONVEX_EINVAL, "a key outside of an object");
    else if (f->key != NULL)
        fail(b, CONVEX_EINVAL, "a second key before the value of the first");
    else if (name == NULL || cvx_utf8_valid_prefix(name, len) != len)
        fail(b, CONVEX_EINVAL, "a key is not UTF-8");
    else if ((f->key = cvx_writer_key(&b->w, name, len)) == NULL)
        fail_memory(b);
}

static void write_scalar(convex_builder *b, convex_value node)
{
    if (may_write(b))
        write_node(b, &node);
}

void convex_builder_null(convex_builder *b)
{
    write_scalar(b, (convex_value){.tag = CONVEX_NULL});
}

void convex_builder_bool(convex_builder *b, bool v)
{
    write_scalar(b, (convex_value){.tag = CONVEX_BOOLEAN, .u.b = v});
}

void convex_builder_int64(convex_builder *b, int64_t v)
{
    write_scalar(b, (convex_value){.tag = CONVEX_INT64, .u.i = v});
}

void convex_builder_float64(convex_builder *b, double v)
{
    write_scalar(b, (convex_value){.tag = CONVEX_FLOAT64, .u.f = v});
}

static void write_text(convex_builder *b, const void *data, size_t len, convex_type type)
{
    char *room = len < SIZE_MAX / 8 ? cvx_writer_text_room(&b->w, len) : NULL;
    if (room == NULL) {
        fail_memory(b);
        return;
    }
    if (len > 0)
        memcpy(room, data, len);
    convex_value node = cvx_writer_text(&b->w, room, len, type);
    write_node(b, &node);
}

void convex_builder_string(convex_builder *b, const char *text, size_t len)
{
    if (!may_write(b))
        return;
    if ((text == NULL && len > 0) || cvx_utf8_valid_prefix(text, len) != len)
        fail(b, CONVEX_EINVAL, "a string is not UTF-8");
    else
        write_text(b, text, len, CONVEX_STRING);
}

void convex_builder_cstring(convex_builder *b, const char *text)
{
    if (text == NULL)
        fail(b, CONVEX_EINVAL, "a NULL string");
    else
        convex_builder_string(b, text, strlen(text));
}

void convex_builder_bytes(convex_builder *b, const void *data, size_t len)
{
    if (!may_write(b))
        return;
    if (data == NULL && len > 0)
        fail(b, CONVEX_EINVAL, "NULL bytes");
    else
        write_text(b, data, len, CONVEX_BYTES);
}

void convex_builder_value(convex_builder *b, const convex_value *value)
{
    switch (convex_value_type(value)) {
    case CONVEX_ABSENT:
        fail(b, CONVEX_EINVAL, "an absent value");
        return;
    case CONVEX_STRING:
    case CONVEX_BYTES:
        if (may_write(b))
            write_text(b, value->u.text, cvx_len(value), cvx_type(value));
        return;
    case CONVEX_ARRAY:
    case CONVEX_OBJECT:
        break;
    default:
        write_scalar(b, (convex_value){.tag = value->tag, .u = value->u});
        return;
    }
    bool object = cvx_type(value) == CONVEX_OBJECT;
    begin(b, object);
    for (size_t i = 0; i < cvx_len(value) && b->status == CONVEX_OK; i++) {
        if (object)
            convex_builder_key_n(b, cvx_keys(value)[i], cvx_key_len(cvx_keys(value)[i]));
        convex_builder_value(b, &value->u.nodes[i]);
    }
    convex_builder_end(b);
}

/* The outermost open name tells which part of the program forgot something. */
static convex_status report(const convex_builder *b, convex_error *reterr)
{
    const char *key = NULL;
    for (size_t i = b->depth; i-- > 0 && key == NULL;)
        key = b->frames[i].key;
    if (key != NULL)
        return cvx_fail(reterr, b->status, "%s, at \"%s\"", b->fault, key);
    return cvx_fail(reterr, b->status, "%s", b->fault);
}

convex_status convex_builder_finish(convex_builder *b, convex_value **ret, convex_error *reterr)
{
    if (b->status == CONVEX_OK && b->depth > 0)
        fail(b, CONVEX_EINVAL, "an object or array is not ended");
    if (b->status == CONVEX_OK && !b->has_root)
        fail(b, CONVEX_EINVAL, "nothing was built");
    convex_value *top = NULL;
    if (b->status == CONVEX_OK && (top = cvx_writer_finish(&b->w, &b->root)) == NULL)
        fail_memory(b);
    convex_status status = b->status;
    if (status == CONVEX_OK)
        *ret = top;
    else
        report(b, reterr);
    reset(b);
    return status;
}
