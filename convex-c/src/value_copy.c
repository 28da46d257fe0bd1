/* value_copy.c - parts of a tree as a tree of their own, without the rest of it.
 * Owns nothing. Any thread. The depth of a tree is bounded, so this recurses. Invariant: measuring
 * and copying walk the same way, so a copy fits exactly into the room that was measured. */
#include "value_tree.h"

/* The keys of a list of like objects are stored once, by the parser and so here: each is looked up
 * by its address in a small table, where a newer one takes the place of an older. */
enum { KNOWN_KEYS = 32 };

typedef struct known_key {
    cvx_key from, to;
} known_key;

typedef struct copier {
    cvx_writer w;
    size_t room, limit;
    known_key keys[KNOWN_KEYS];
} copier;

static known_key *known(copier *c, cvx_key key)
{
    return &c->keys[((uintptr_t)key >> 3) % KNOWN_KEYS];
}

/* ---- measuring ---- */

static void measure(copier *c, const convex_value *v);

static void measure_children(copier *c, const convex_value *v)
{
    size_t count = cvx_len(v);
    bool object = cvx_type(v) == CONVEX_OBJECT;

    if (count == 0)
        return;
    c->room += count * (sizeof *v + (object ? sizeof(cvx_key) : 0)) +
               (count >= CVX_LONG ? sizeof count : 0);
    for (size_t i = 0; i < count && c->room < c->limit; i++) {
        if (object) {
            cvx_key key = cvx_keys(v)[i];
            if (known(c, key)->from != key)
                c->room += sizeof(uint32_t) + cvx_key_len(key) + 1;
            known(c, key)->from = key;
        }
        measure(c, &v->u.nodes[i]);
    }
}

static void measure(copier *c, const convex_value *v)
{
    switch (cvx_type(v)) {
    case CONVEX_STRING:
    case CONVEX_BYTES:
        c->room += cvx_len(v) + 1 + (cvx_len(v) >= CVX_LONG ? sizeof(size_t) : 0);
        break;
    case CONVEX_ARRAY:
    case CONVEX_OBJECT:
        measure_children(c, v);
        break;
    default:
        break;
    }
}

/* ---- copying ---- */

static bool copy(copier *c, const convex_value *v, convex_value *ret);

static cvx_key copy_key(copier *c, cvx_key key)
{
    known_key *k = known(c, key);

    if (k->from != key || !k->to)
        *k = (known_key){key, cvx_writer_key(&c->w, key, cvx_key_len(key))};
    return k->to;
}

static bool copy_children(copier *c, const convex_value *v, convex_value *ret)
{
    size_t count = cvx_len(v), start = c->w.count;
    bool object = cvx_type(v) == CONVEX_OBJECT;

    for (size_t i = 0; i < count; i++) {
        cvx_key key = object ? copy_key(c, cvx_keys(v)[i]) : NULL;
        convex_value child;
        if ((object && !key) || !copy(c, &v->u.nodes[i], &child) ||
            !cvx_writer_push(&c->w, &child, key))
            return false;
    }
    return cvx_writer_close(&c->w, start, object, true, ret);
}

static bool copy(copier *c, const convex_value *v, convex_value *ret)
{
    convex_type type = cvx_type(v);

    if (type == CONVEX_ARRAY || type == CONVEX_OBJECT)
        return copy_children(c, v, ret);
    *ret = *v;
    if (type == CONVEX_STRING || type == CONVEX_BYTES) {
        size_t len = cvx_len(v);
        char *text = cvx_writer_text_room(&c->w, len);
        if (!text)
            return false;
        memcpy(text, v->u.text, len);
        *ret = cvx_writer_text(&c->w, text, len, type);
    }
    return true;
}

/* The only part is the tree itself; several are the items of an array. */
static bool copy_parts(copier *c, const convex_value *const *parts, size_t count, size_t present,
                       convex_value *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (!parts[i])
            continue;
        if (!copy(c, parts[i], ret) || (present > 1 && !cvx_writer_push(&c->w, ret, NULL)))
            return false;
    }
    return present == 1 || cvx_writer_close(&c->w, 0, false, true, ret);
}

/* The tree of copies; NULL when it would take `limit` bytes or more, or memory is short. */
static convex_value *detach(const convex_value *const *parts, size_t count, size_t present,
                            size_t limit, const convex_mem *mem)
{
    cvx_item items[32];
    convex_value root, *tree = NULL;
    size_t nodes = present > 1 ? present + 1 : 1;
    copier c = {.limit = limit, .room = CVX_TREE_HEAD + nodes * sizeof root};

    for (size_t i = 0; i < count; i++)
        if (parts[i] && c.room < limit)
            measure(&c, parts[i]);
    if (c.room >= limit)
        return NULL;
    cvx_writer_init(&c.w, mem, c.room, items, sizeof items / sizeof *items);
    if (copy_parts(&c, parts, count, present, &root))
        tree = cvx_writer_finish(&c.w, &root);
    cvx_writer_done(&c.w);
    return tree;
}

void cvx_values_keep(const convex_value *const *parts, size_t count, size_t limit,
                     const convex_mem *mem, convex_value **ret)
{
    size_t present = 0, next = 0;
    convex_value *tree = NULL;

    for (size_t i = 0; i < count; i++)
        present += parts[i] != NULL;
    if (limit > 0 && present > 0)
        tree = detach(parts, count, present, limit, mem);
    for (size_t i = 0; i < count; i++) {
        const convex_value *part = parts[i];
        if (tree && part)
            part = present > 1 ? &tree->u.nodes[next++] : tree;
        ret[i] = convex_value_ref(part);
    }
    convex_value_unref(tree);
}
