/* value_tree.h - how a tree of values lies in memory, and how one is written.
 *
 * A tree is a list of chunks. Strings and keys fill a chunk from below, blocks
 * of nodes from above. Every node knows its distance from its chunk, and the
 * chunk knows its tree, so a ref on any node finds the count in two steps. */
#ifndef CVX_VALUE_TREE_H
#define CVX_VALUE_TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "convex/value.h"
#include "mem.h"

enum {
    CVX_LIMIT_NESTING = 64,
    CVX_LIMIT_FIELDS = 1024,
    CVX_LIMIT_ITEMS = 8192,
    CVX_LIMIT_NAME = 1024,
    CVX_DEPTH_MAX = 512, /* of any tree, so that readers may recurse */
    CVX_TREE_HEAD = 64,  /* what a tree of one chunk takes beside its nodes and texts, at most */
};

/* 16 bytes. `tag` holds the type and a length: of text or bytes, or the count of
 * children. Lengths that do not fit are stored in the size_t before the data. */
struct convex_value {
    uint32_t tag;  /* type in the low 8 bits, length above; CVX_LONG: see below */
    uint32_t base; /* distance from the chunk, in units of 8 bytes */
    union {
        double f;
        int64_t i;
        bool b;
        const char *text;          /* string, bytes; NUL-terminated */
        const convex_value *nodes; /* array; object: followed by as many keys */
    } u;
};

#define CVX_LONG 0xffffffu

/* A key is NUL-terminated text with its length in the four bytes before it. */
typedef const char *cvx_key;

static inline uint32_t cvx_key_len(cvx_key key)
{
    uint32_t len;
    memcpy(&len, key - sizeof len, sizeof len);
    return len;
}

static inline convex_type cvx_type(const convex_value *v)
{
    return (convex_type)(v->tag & 0xff);
}

static inline size_t cvx_len(const convex_value *v)
{
    size_t len = v->tag >> 8;
    if (len == CVX_LONG)
        memcpy(&len, v->u.text - sizeof len, sizeof len);
    return len;
}

static inline const cvx_key *cvx_keys(const convex_value *object)
{
    return (const cvx_key *)(const void *)(object->u.nodes + cvx_len(object));
}

/* Bytewise, a prefix first. */
static inline int cvx_compare_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static inline int cvx_key_compare(cvx_key a, cvx_key b)
{
    if (a == b)
        return 0;
    if (a[0] != b[0]) /* as in most pairs */
        return (unsigned char)a[0] - (unsigned char)b[0];
    return cvx_compare_bytes(a, cvx_key_len(a), b, cvx_key_len(b));
}

/* convex_value_check(), whose error calls the value `name`, as in "args.list[3]"; NULL: none. */
convex_status cvx_value_check(const convex_value *value, const char *name, convex_error *reterr);

/* convex_value_field() of a name whose length is known. */
const convex_value *cvx_value_field(const convex_value *value, const char *name, size_t len);

/* Bytes that the whole tree of this node holds. */
size_t cvx_tree_size(const convex_value *value);

/* References to some parts of a tree: to copies of them, which together are a tree of their own,
 * when that takes less than `limit` bytes; else, or when memory is short, to the parts themselves.
 *   parts  NULL stays NULL */
void cvx_values_keep(const convex_value *const *parts, size_t count, size_t limit,
                     const convex_mem *mem, convex_value **ret);

/* ---- writing ---- */

typedef struct cvx_tree cvx_tree;
typedef struct cvx_chunk cvx_chunk;

/* A child whose container is still open; `node.base` counts its position. */
typedef struct cvx_item {
    convex_value node;
    cvx_key key; /* NULL in an array */
} cvx_item;

/* Writes one tree: closed containers are in the chunks, the children of open
 * ones on the stack of items. */
typedef struct cvx_writer {
    convex_mem mem;
    cvx_tree *tree; /* NULL until something was stored */
    cvx_chunk *chunk;
    char *low, *high; /* free room of `chunk` */
    size_t next_size; /* of the next chunk; a caller that knows better may set it */
    size_t stored;    /* room given out so far */
    cvx_item *items;
    size_t count, capacity;
    cvx_item *own_items; /* the caller's first stack, not to be freed */
} cvx_writer;

void cvx_writer_init(cvx_writer *w, const convex_mem *mem, size_t first_size, cvx_item *items,
                     size_t capacity);
/* Releases everything that was not finished. */
void cvx_writer_done(cvx_writer *w);

/* Each returns NULL or false when memory is short. */
char *cvx_writer_room(cvx_writer *w, size_t len); /* for text; the caller writes the NUL */
/* Room for text of up to `len` bytes, to be settled by cvx_writer_text(). */
char *cvx_writer_text_room(cvx_writer *w, size_t len);
/* The node for text now written at `text`, of which `len` bytes and a NUL stay. */
convex_value cvx_writer_text(cvx_writer *w, char *text, size_t len, convex_type type);
cvx_key cvx_writer_key(cvx_writer *w, const char *name, size_t len);
bool cvx_writer_grow(cvx_writer *w);
/* Turns the items from `start` into a container; keys sorted, the last of equal ones kept. */
bool cvx_writer_close(cvx_writer *w, size_t start, bool object, bool sorted, convex_value *ret);
/* Sorts the items from `start` by key and drops all but the last of equal ones. */
void cvx_writer_sort(cvx_writer *w, size_t start);
/* The tree with `root` at its top, its count at one; the writer is empty again. */
convex_value *cvx_writer_finish(cvx_writer *w, const convex_value *root);

static inline bool cvx_writer_push(cvx_writer *w, const convex_value *node, cvx_key key)
{
    if (w->count == w->capacity && !cvx_writer_grow(w))
        return false;
    w->items[w->count].node = *node;
    w->items[w->count].key = key;
    w->count++;
    return true;
}

#endif
