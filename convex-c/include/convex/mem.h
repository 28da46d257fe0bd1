/* convex/mem.h - the allocator hook that every object of this library takes. */
#ifndef CONVEX_MEM_H
#define CONVEX_MEM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* realloc_fn(ptr, size, user): like realloc(3); size 0 frees and returns NULL,
 * ptr NULL allocates. Must be thread-safe if objects cross threads. A zeroed
 * struct, or a NULL pointer to one, means libc. What libcurl, OpenSSL and the lookup of names
 * allocate for themselves does not go through it. */
typedef struct convex_mem {
    void *(*realloc_fn)(void *ptr, size_t size, void *user);
    void *user;
} convex_mem;

#ifdef __cplusplus
}
#endif
#endif
