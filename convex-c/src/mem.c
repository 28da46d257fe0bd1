/* mem.c - the allocator hook, resolved once and then called directly.
 * Owns nothing. Any thread. */
#include "mem.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static void *libc_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, size);
}

convex_mem cvx_mem(const convex_mem *mem)
{
    if (mem != NULL && mem->realloc_fn != NULL)
        return *mem;
    return (convex_mem){libc_realloc, NULL};
}

void *cvx_alloc(const convex_mem *mem, size_t size)
{
    return mem->realloc_fn(NULL, size, mem->user);
}

void *cvx_realloc(const convex_mem *mem, void *ptr, size_t size)
{
    return mem->realloc_fn(ptr, size, mem->user);
}

void cvx_free(const convex_mem *mem, void *ptr)
{
    if (ptr != NULL)
        mem->realloc_fn(ptr, 0, mem->user);
}

char *cvx_strndup(const convex_mem *mem, const char *text, size_t len)
{
    char *copy = cvx_alloc(mem, len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *cvx_strdup(const convex_mem *mem, const char *text)
{
    return cvx_strndup(mem, text, strlen(text));
}

void cvx_free_secret(const convex_mem *mem, char *text)
{
    if (text == NULL)
        return;
    OPENSSL_cleanse(text, strlen(text));
    cvx_free(mem, text);
}
