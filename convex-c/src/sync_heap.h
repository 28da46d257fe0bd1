/* sync_heap.h - the least of many first: a pairing heap of nodes that live inside their owners.
 * Nothing here allocates, so nothing fails. */
#ifndef CVX_SYNC_HEAP_H
#define CVX_SYNC_HEAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct cvx_heap_node {
    struct cvx_heap_node *child, *next;
    struct cvx_heap_node *prev; /* the elder sibling; of a first child: the parent */
    uint64_t key;
    uint32_t tie; /* of equal keys the lower one comes first */
} cvx_heap_node;

typedef struct cvx_heap {
    cvx_heap_node *root; /* the least; NULL: empty */
} cvx_heap;

void cvx_heap_insert(cvx_heap *heap, cvx_heap_node *node, uint64_t key, uint32_t tie);
void cvx_heap_remove(cvx_heap *heap, cvx_heap_node *node); /* must be in it */

#endif
