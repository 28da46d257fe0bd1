/* sync_map.h - a hash table of nodes that live inside their owners.
 * Inserting cannot fail: when memory is short the table stays smaller and slower. */
#ifndef CVX_SYNC_MAP_H
#define CVX_SYNC_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

typedef struct cvx_map_node {
    struct cvx_map_node *next;
    uint64_t hash;
} cvx_map_node;

typedef struct cvx_map {
    convex_mem mem;
    cvx_map_node **slots;
    size_t capacity; /* a power of two */
    size_t count;
} cvx_map;

bool cvx_map_init(cvx_map *map, const convex_mem *mem);
void cvx_map_done(cvx_map *map); /* the nodes are not touched */
void cvx_map_insert(cvx_map *map, cvx_map_node *node, uint64_t hash);
void cvx_map_remove(cvx_map *map, cvx_map_node *node);
/* The first node with this hash, or the next one after `node`; NULL at the end. */
cvx_map_node *cvx_map_first(const cvx_map *map, uint64_t hash);
cvx_map_node *cvx_map_next(const cvx_map_node *node);

uint64_t cvx_hash_bytes(const void *data, size_t len);
uint64_t cvx_hash_u32(uint32_t number);

#endif
