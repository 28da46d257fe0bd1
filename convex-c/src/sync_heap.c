/* sync_heap.c - a pairing heap: O(1) to insert, O(log n) amortised to remove.
 * Owns nothing. Not thread-safe. Invariant: no node is less than its parent. */
#include "sync_heap.h"

#include <stdbool.h>

static bool is_less(const cvx_heap_node *a, const cvx_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

/* Two roots, neither NULL. */
static cvx_heap_node *meld(cvx_heap_node *a, cvx_heap_node *b)
{
    if (is_less(b, a)) {
        cvx_heap_node *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    b->prev = a;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    a->next = a->prev = NULL;
    return a;
}

/* One root of a list of siblings: melded in pairs, then the pairs from the last to the first. */
static cvx_heap_node *meld_all(cvx_heap_node *first)
{
    cvx_heap_node *pairs = NULL, *root;

    while (first) {
        cvx_heap_node *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a = b ? meld(a, b) : a;
        a->next = pairs;
        pairs = a;
    }
    if (!pairs)
        return NULL;
    root = pairs;
    pairs = root->next;
    while (pairs) {
        cvx_heap_node *next = pairs->next;
        root = meld(root, pairs);
        pairs = next;
    }
    root->next = root->prev = NULL;
    return root;
}

void cvx_heap_insert(cvx_heap *heap, cvx_heap_node *node, uint64_t key, uint32_t tie)
{
    *node = (cvx_heap_node){.key = key, .tie = tie};
    heap->root = heap->root ? meld(heap->root, node) : node;
}

void cvx_heap_remove(cvx_heap *heap, cvx_heap_node *node)
{
    cvx_heap_node *below = meld_all(node->child);

    if (node == heap->root) {
        heap->root = below;
    } else {
        if (node->prev->child == node)
            node->prev->child = node->next;
        else
            node->prev->next = node->next;
        if (node->next)
            node->next->prev = node->prev;
        if (below)
            heap->root = meld(heap->root, below);
    }
    *node = (cvx_heap_node){0};
}
