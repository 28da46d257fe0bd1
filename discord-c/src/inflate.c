/* inflate.c - the gateway's zlib-stream: one context for the life of a connection.
 * Owns a zlib context and the payload being put together. One thread.
 * Invariant: text[0..size) is what the bytes since the last payload inflate to; beyond max
 * nothing is inflated, however little was sent. */
#include "inflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FIRST_SPACE 16384
#define KEEP_SPACE  (1 << 20) /* a greater buffer is given back after its payload */

struct dinflate {
    z_stream z;
    size_t max;
    char *text;
    size_t size;
    size_t space;
    uint32_t tail;  /* the last four compressed bytes */
    bool delivered; /* the payload was handed out: begin the next */
};

static void *take(void *user, unsigned n, unsigned size)
{
    return calloc(n, size);
}

static void give(void *user, void *p)
{
    free(p);
}

dinflate *dinflate_new(size_t max)
{
    dinflate *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->max = max;
    d->tail = UINT32_MAX;
    d->z.zalloc = take;
    d->z.zfree = give;
    if (inflateInit(&d->z) != Z_OK) {
        free(d);
        return NULL;
    }
    return d;
}

void dinflate_free(dinflate *d)
{
    if (!d)
        return;
    inflateEnd(&d->z);
    free(d->text);
    free(d);
}

static void begin_payload(dinflate *d)
{
    d->delivered = false;
    d->size = 0;
    if (d->space <= KEEP_SPACE)
        return;
    free(d->text);
    d->text = NULL;
    d->space = 0;
}

/* Room for at least one more byte and the NUL. NULL, or why not. */
static const char *make_room(dinflate *d)
{
    size_t space = d->space ? d->space * 2 : FIRST_SPACE;

    if (d->space > d->size + 1)
        return NULL;
    if (space > d->max + 2) /* one byte too many shows that it is too long */
        space = d->max + 2;
    char *text = realloc(d->text, space);
    if (!text)
        return "out of memory for a message";
    d->text = text;
    d->space = space;
    return NULL;
}

/* One step of zlib into what room there is. NULL, or what is wrong. */
static const char *step(dinflate *d)
{
    size_t room = d->space - d->size - 1;

    d->z.next_out = (unsigned char *)d->text + d->size;
    d->z.avail_out = room > UINT32_MAX ? UINT32_MAX : (unsigned)room;
    unsigned before = d->z.avail_out;
    int r = inflate(&d->z, Z_SYNC_FLUSH);
    d->size += before - d->z.avail_out;
    if (d->size > d->max)
        return "a message above the size limit";
    if (r == Z_MEM_ERROR)
        return "out of memory for a message";
    if (r == Z_OK || r == Z_BUF_ERROR)
        return NULL;
    return r == Z_STREAM_END ? "the compressed stream ended" : "undecodable compression";
}

static void note_tail(dinflate *d, const unsigned char *in, size_t n)
{
    for (size_t i = n > 4 ? n - 4 : 0; i < n; i++)
        d->tail = d->tail << 8 | in[i];
}

const char *dinflate_feed(dinflate *d, const void *in, size_t n)
{
    const char *wrong = NULL;
    bool full;

    if (n > UINT32_MAX)
        return "a message above the size limit";
    if (d->delivered)
        begin_payload(d);
    note_tail(d, in, n);
    d->z.next_in = (unsigned char *)(uintptr_t)in;
    d->z.avail_in = (unsigned)n;
    do {
        wrong = make_room(d);
        if (!wrong)
            wrong = step(d);
        full = d->z.avail_out == 0; /* there may be more, even when all input is taken */
    } while (!wrong && (d->z.avail_in > 0 || full));
    return wrong;
}

const char *dinflate_payload(dinflate *d, size_t *ret_size)
{
    if (d->tail != 0x0000FFFF || d->delivered || d->size == 0)
        return NULL;
    d->tail = UINT32_MAX;
    d->delivered = true;
    d->text[d->size] = '\0';
    *ret_size = d->size;
    return d->text;
}
