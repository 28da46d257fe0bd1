/* inflate.h - the gateway's zlib-stream: one context for the life of a connection.
 *
 * A payload ends where the compressed bytes end in 00 00 FF FF; it may have come in several
 * messages. Not thread-safe. */
#ifndef DISCORD_SRC_INFLATE_H
#define DISCORD_SRC_INFLATE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct dinflate dinflate;

/* A payload never grows above `max` bytes. NULL without memory. */
dinflate *dinflate_new(size_t max);
void dinflate_free(dinflate *d); /* NULL is fine */

/* Takes compressed bytes. NULL, or what is wrong with them: the context is of no use any more. */
const char *dinflate_feed(dinflate *d, const void *in, size_t n);
/* At the end of a message: the payload when it is whole, with a NUL behind it, borrowed until the
 * next call; NULL when there is more to come. */
const char *dinflate_payload(dinflate *d, size_t *ret_size);

#endif
