/* sync_map.c - a chained hash table that doubles when full.
 * Owns the slots only. Not thread-safe. Invariant: every node is in the chain of
 * its hash, and `count` is the number of nodes. */
#include "sync_map.h"

#include <string.h>

enum { FIRST_CAPACITY = 16 };

static cvx_map_node **new_slots(const convex_mem *mem, size_t capacity)
{
    cvx_map_node **slots = cvx_alloc(mem, capacity * sizeof *slots);
    if (slots)
        memset(slots, 0, capacity * sizeof *slots);
    return slots;
}

bool cvx_map_init(cvx_map *map, const convex_mem *mem)
{
    *map = (cvx_map){.mem = *mem, .capacity = FIRST_CAPACITY};
    map->slots = new_slots(mem, map->capacity);
    return map->slots != NULL;
}

void cvx_map_done(cvx_map *map)
{
    cvx_free(&map->mem, map->slots);
    *map = (cvx_map){0};
}

static cvx_map_node **slot_of(const cvx_map *map, uint64_t hash)
{
    return &map->slots[hash & (map->capacity - 1)];
}

static void grow(cvx_map *map)
{
    size_t old_capacity = map->capacity;
    cvx_map_node **old = map->slots, **slots = new_slots(&map->mem, old_capacity * 2);

    if (!slots)
        return;
    map->slots = slots;
    map->capacity = old_capacity * 2;
    for (size_t i = 0; i < old_capacity; i++) {
        for (cvx_map_node *node = old[i], *next; node; node = next) {
            cvx_map_node **slot = slot_of(map, node->hash);
            next = node->next;
            node->next = *slot;
            *slot = node;
        }
    }
    cvx_free(&map->mem, old);
}

void cvx_map_insert(cvx_map *map, cvx_map_node *node, uint64_t hash)
{
    if (map->count >= map->capacity)
        grow(map);
    cvx_map_node **slot = slot_of(map, hash);
    node->hash = hash;
    node->next = *slot;
    *slot = node;
    map->count++;
}

void cvx_map_remove(cvx_map *map, cvx_map_node *node)
{
    cvx_map_node **link = slot_of(map, node->hash);
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->next = NULL;
    map->count--;
}

static cvx_map_node *same_hash(cvx_map_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

cvx_map_node *cvx_map_first(const cvx_map *map, uint64_t hash)
{
    return same_hash(*slot_of(map, hash), hash);
}

cvx_map_node *cvx_map_next(const cvx_map_node *node)
{
    return same_hash(node->next, node->hash);
}

uint64_t cvx_hash_u32(uint32_t number)
{
    uint64_t h = number * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 32);
}

/* FNV-1a with a last mix: keys are our own program's queries, not an attacker's. */
uint64_t cvx_hash_bytes(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
    return h ^ (h >> 32);
}
