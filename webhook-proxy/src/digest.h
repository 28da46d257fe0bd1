/* digest.h - SHA-256 of texts. Any thread. */
#ifndef PROXY_DIGEST_H
#define PROXY_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { DIGEST_BYTES = 32 };

typedef struct digest_part {
    const void *bytes;
    size_t size;
} digest_part;

/* Of the parts, one after the other. False: out of memory. */
bool digest_make(const digest_part *parts, size_t count, unsigned char ret[DIGEST_BYTES]);

#endif
