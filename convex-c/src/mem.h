/* mem.h - the allocator hook, resolved once and then called directly. */
#ifndef CVX_MEM_H
#define CVX_MEM_H

#include <stddef.h>

#include "convex/mem.h"
#include "shared.h"

/* The hook itself, or libc's when `mem` is NULL or zeroed. */
CVX_SHARED convex_mem cvx_mem(const convex_mem *mem);

/* `size` must not be 0. NULL when memory is short. */
CVX_SHARED void *cvx_alloc(const convex_mem *mem, size_t size);
void *cvx_realloc(const convex_mem *mem, void *ptr, size_t size);
CVX_SHARED void cvx_free(const convex_mem *mem, void *ptr); /* NULL is fine */

/* Copies of text, NUL-terminated; release with cvx_free(). */
CVX_SHARED char *cvx_strdup(const convex_mem *mem, const char *text);
char *cvx_strndup(const convex_mem *mem, const char *text, size_t len);

/* Overwrites a secret, then releases it. NULL is fine. */
void cvx_free_secret(const convex_mem *mem, char *text);

#endif
