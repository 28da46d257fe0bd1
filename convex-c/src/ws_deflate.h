/* ws_deflate.h - compressed messages: the permessage-deflate extension (RFC 7692), client side.
 * One thread, no I/O. */
#ifndef CVX_WS_DEFLATE_H
#define CVX_WS_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

#include "text.h"

/* The offer: bare, which servers accept most widely. */
#define CVX_DEFLATE_OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"

typedef struct cvx_deflate {
    convex_mem mem;
    z_stream in;      /* keeps the last 32 KiB between messages, as the server may refer to them */
    bool reading;     /* `in` is there: from the first compressed message on */
    cvx_text message; /* inflated so far */
} cvx_deflate;

void cvx_deflate_init(cvx_deflate *deflate, const convex_mem *mem);
void cvx_deflate_done(cvx_deflate *deflate);

/* Whether the value of the server's Sec-WebSocket-Extensions takes up the offer, and no more. */
bool cvx_deflate_accepts(const char *answer, size_t len);

typedef enum cvx_inflated {
    CVX_INFLATED,
    CVX_INFLATE_TOO_LONG, /* more than `max` bytes in all */
    CVX_INFLATE_CORRUPT,
    CVX_INFLATE_NO_MEMORY
} cvx_inflated;

/* A message comes as begin, any number of adds, and end; then it is in deflate->message. After a
 * failure nothing more can be read. */
void cvx_deflate_begin(cvx_deflate *deflate);
cvx_inflated cvx_deflate_add(cvx_deflate *deflate, const char *data, size_t len, size_t max);
cvx_inflated cvx_deflate_end(cvx_deflate *deflate, size_t max);

/* Writes a message compressed by itself, referring to none before it. False when that is not
 * smaller by an eighth at least, or memory is short: then it goes as it is. */
bool cvx_deflate_pack(const convex_mem *mem, const char *data, size_t len, cvx_text *ret);

#endif
