/* value_tree.c - writing a tree of values into chunks.
 *
 * A writer belongs to one thread; a finished tree to everyone who holds a ref.
 * Invariant: a node in a chunk never moves, and points only into its own tree; keys may be
 * constants. */
#include "value_tree.h"

#include <assert.h>

static_assert(sizeof(convex_value) == 16, "a node is 16 bytes");

struct cvx_chunk {
    cvx_tree *tree;
    cvx_chunk *next;
};

/* Lies in its first chunk, which is the last to be freed. */
struct cvx_tree {
    atomic_size_t refs;
    convex_mem mem;
    cvx_chunk *chunks; /* newest first */
    size_t size;       /* of all of them */
};

static_assert(sizeof(cvx_chunk) + sizeof(cvx_tree) + 8 <= CVX_TREE_HEAD, "8: to align the nodes");

enum { CHUNK_MIN = 64, CHUNK_MAX_GROWTH = 1 << 20 };
enum { FEW_ITEMS = 16 };

/* ---- counting ---- */

static cvx_tree *tree_of(const convex_value *value)
{
    const char *chunk = (const char *)value - (size_t)value->base * 8;
    return ((const cvx_chunk *)(const void *)chunk)->tree;
}

static void tree_free(cvx_tree *tree)
{
    convex_mem mem = tree->mem;
    cvx_chunk *chunk = tree->chunks;
    while (chunk != NULL) {
        cvx_chunk *next = chunk->next;
        cvx_free(&mem, chunk);
        chunk = next;
    }
}

size_t cvx_tree_size(const convex_value *value)
{
    return tree_of(value)->size;
}

convex_value *convex_value_ref(const convex_value *value)
{
    if (value == NULL)
        return NULL;
    atomic_fetch_add_explicit(&tree_of(value)->refs, 1, memory_order_relaxed);
    /* The tree is immutable; a ref is the one thing a non-const pointer is for. */
    return (convex_value *)(uintptr_t)value;
}

void convex_value_unref(const convex_value *value)
{
    if (value == NULL)
        return;
    cvx_tree *tree = tree_of(value);
    if (atomic_fetch_sub_explicit(&tree->refs, 1, memory_order_acq_rel) == 1)
        tree_free(tree);
}

/* ---- room ---- */

void cvx_writer_init(cvx_writer *w, const convex_mem *mem, size_t first_size, cvx_item *items,
                     size_t capacity)
{
    *w =
        (cvx_writer){.mem = cvx_mem(mem), .items = items, .capacity = capacity, .own_items = items};
    w->next_size = first_size;
}

void cvx_writer_done(cvx_writer *w)
{
    if (w->tree != NULL)
        tree_free(w->tree);
    if (w->items != w->own_items)
        cvx_free(&w->mem, w->items);
    w->tree = NULL;
    w->items = w->own_items;
    w->count = 0;
}

static bool add_chunk(cvx_writer *w, size_t room)
{
    size_t head = sizeof(cvx_chunk) + (w->tree == NULL ? sizeof(cvx_tree) : 0);
    if (room > SIZE_MAX / 4 || room / 8 > UINT32_MAX - 1024)
        return false;
    size_t size = room + head + 16; /* 16: aligning the upper end */
    if (size < w->next_size)
        size = w->next_size;
    if (size < CHUNK_MIN)
        size = CHUNK_MIN;
    cvx_chunk *chunk = cvx_alloc(&w->mem, size);
    if (chunk == NULL)
        return false;
    if (w->tree == NULL) {
        w->tree = (cvx_tree *)(void *)(chunk + 1);
        atomic_init(&w->tree->refs, 1);
        w->tree->mem = w->mem;
        w->tree->chunks = NULL;
        w->tree->size = 0;
    }
    w->tree->size += size;
    chunk->tree = w->tree;
    chunk->next = w->tree->chunks;
    w->tree->chunks = chunk;
    w->chunk = chunk;
    w->low = (char *)chunk + head;
    w->high = (char *)chunk + size / 8 * 8;
    w->next_size = size < CHUNK_MAX_GROWTH / 2 ? size * 2 : CHUNK_MAX_GROWTH;
    return true;
}

char *cvx_writer_room(cvx_writer *w, size_t len)
{
    if ((size_t)(w->high - w->low) < len && !add_chunk(w, len))
        return NULL;
    char *room = w->low;
    w->low += len;
    w->stored += len;
    return room;
}

char *cvx_writer_text_room(cvx_writer *w, size_t len)
{
    size_t head = len >= CVX_LONG ? sizeof(size_t) : 0;
    char *room = cvx_writer_room(w, head + len + 1);
    return room == NULL ? NULL : room + head;
}

convex_value cvx_writer_text(cvx_writer *w, char *text, size_t len, convex_type type)
{
    size_t unused = (size_t)(w->low - text) - len - 1;
    w->low -= unused;
    w->stored -= unused;
    text[len] = '\0';
    uint32_t short_len = (uint32_t)len;
    if (len >= CVX_LONG) {
        memcpy(text - sizeof len, &len, sizeof len);
        short_len = CVX_LONG;
    }
    return (convex_value){.tag = (uint32_t)type | short_len << 8, .u.text = text};
}

cvx_key cvx_writer_key(cvx_writer *w, const char *name, size_t len)
{
    uint32_t prefix = (uint32_t)len;
    if (len > UINT32_MAX - 16)
        return NULL;
    char *room = cvx_writer_room(w, sizeof prefix + len + 1);
    if (room == NULL)
        return NULL;
    memcpy(room, &prefix, sizeof prefix);
    room += sizeof prefix;
    memcpy(room, name, len);
    room[len] = '\0';
    return room;
}

/* Room for nodes, aligned, from the upper end. */
static convex_value *node_room(cvx_writer *w, size_t size)
{
    if ((size_t)(w->high - w->low) < size && !add_chunk(w, size))
        return NULL;
    w->high -= size;
    w->stored += size;
    return (convex_value *)(void *)w->high;
}

bool cvx_writer_grow(cvx_writer *w)
{
    size_t capacity = w->capacity < 32 ? 64 : w->capacity * 2;
    if (capacity > SIZE_MAX / 2 / sizeof *w->items)
        return false;
    bool own = w->items == w->own_items;
    cvx_item *items = cvx_realloc(&w->mem, own ? NULL : w->items, capacity * sizeof *items);
    if (items == NULL)
        return false;
    if (own && w->count > 0)
        memcpy(items, w->own_items, w->count * sizeof *items);
    w->items = items;
    w->capacity = capacity;
    return true;
}

/* ---- containers ---- */

/* By key, then by position, which `node.base` holds meanwhile. */
static bool comes_after(const cvx_item *a, const cvx_item *b)
{
    int order = cvx_key_compare(a->key, b->key);
    return order != 0 ? order > 0 : a->node.base > b->node.base;
}

static void sift_down(cvx_item *items, size_t root, size_t count)
{
    cvx_item moving = items[root];
    for (size_t child; (child = root * 2 + 1) < count; root = child) {
        if (child + 1 < count && comes_after(&items[child + 1], &items[child]))
            child++;
        if (!comes_after(&items[child], &moving))
            break;
        items[root] = items[child];
    }
    items[root] = moving;
}

/* Heapsort: no memory, and no input that makes it slow. */
static void heap_sort(cvx_item *items, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(items, i, count);
    for (size_t end = count; end-- > 1;) {
        cvx_item top = items[0];
        items[0] = items[end];
        items[end] = top;
        sift_down(items, 0, end);
    }
}

/* Of few items the fastest; equal ones keep their order. */
static void insertion_sort(cvx_item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        cvx_item moving = items[i];
        size_t to = i;
        for (; to > 0 && cvx_key_compare(items[to - 1].key, moving.key) > 0; to--)
            items[to] = items[to - 1];
        items[to] = moving;
    }
}

void cvx_writer_sort(cvx_writer *w, size_t start)
{
    size_t count = w->count - start, kept = 0;
    if (count < 2)
        return;
    cvx_item *items = w->items + start;
    if (count <= FEW_ITEMS) {
        insertion_sort(items, count);
    } else {
        for (size_t i = 0; i < count; i++)
            items[i].node.base = (uint32_t)i;
        heap_sort(items, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && cvx_key_compare(items[i].key, items[i + 1].key) == 0)
            continue;
        items[kept++] = items[i];
    }
    w->count = start + kept;
}

static uint32_t distance(const cvx_writer *w, const void *node)
{
    return (uint32_t)((size_t)((const char *)node - (const char *)w->chunk) / 8);
}

bool cvx_writer_close(cvx_writer *w, size_t start, bool object, bool sorted, convex_value *ret)
{
    if (object && !sorted)
        cvx_writer_sort(w, start);
    size_t count = w->count - start;
    size_t head = count >= CVX_LONG ? sizeof count : 0;
    size_t each = sizeof(convex_value) + (object ? sizeof(cvx_key) : 0);
    *ret = (convex_value){.tag = object ? CONVEX_OBJECT : CONVEX_ARRAY};
    w->count = start;
    if (count == 0)
        return true;
    if (count > (SIZE_MAX / 4) / each)
        return false;
    char *room = (char *)node_room(w, head + count * each);
    if (room == NULL)
        return false;
    if (head != 0)
        memcpy(room, &count, head);
    convex_value *nodes = (convex_value *)(void *)(room + head);
    uint32_t base = distance(w, nodes);
    const cvx_item *items = w->items + start;
    for (size_t i = 0; i < count; i++) {
        nodes[i].tag = items[i].node.tag;
        nodes[i].base = base + (uint32_t)i * 2;
        nodes[i].u = items[i].node.u;
    }
    if (object) {
        cvx_key *keys = (cvx_key *)(void *)(nodes + count);
        for (size_t i = 0; i < count; i++)
            keys[i] = items[i].key;
    }
    ret->tag |= (head != 0 ? CVX_LONG : (uint32_t)count) << 8;
    ret->u.nodes = nodes;
    return true;
}

convex_value *cvx_writer_finish(cvx_writer *w, const convex_value *root)
{
    convex_value *top = node_room(w, sizeof *top);
    if (top == NULL)
        return NULL;
    *top = *root;
    top->base = distance(w, top);
    w->tree = NULL;
    w->chunk = NULL;
    w->low = w->high = NULL;
    w->count = 0;
    w->stored = 0;
    return top;
}
