/* ws_deflate.c - compressed messages of a WebSocket.
 * Owns the state of one direction, the server's, for the life of a connection; what we send is
 * compressed message by message. One thread, no I/O. Invariant: inflated bytes are never more
 * than `max`, whatever the peer claims. */
#include "ws_deflate.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

enum {
    WINDOW_BITS = -15, /* raw deflate with the largest window: fits every server */
    STEP = 16 * 1024,
    PIECE = 1 << 30, /* zlib counts in unsigned int */
    LEVEL = 1        /* costs a third of the usual one and yields nearly as much on JSON */
};

/* What ends every flush, and is left out of every message. */
static const char tail[] = {0, 0, (char)0xff, (char)0xff};

static voidpf take(voidpf mem, uInt items, uInt size)
{
    return cvx_alloc(mem, (size_t)items * size);
}

static void give(voidpf mem, voidpf ptr)
{
    cvx_free(mem, ptr);
}

void cvx_deflate_init(cvx_deflate *deflate, const convex_mem *mem)
{
    *deflate = (cvx_deflate){.mem = cvx_mem(mem)};
    cvx_text_init(&deflate->message, mem);
}

void cvx_deflate_done(cvx_deflate *deflate)
{
    if (deflate->reading)
        inflateEnd(&deflate->in);
    deflate->reading = false;
    cvx_text_done(&deflate->message);
}

/* ---- the agreement ---- */

typedef struct span {
    const char *at;
    size_t len;
} span;

static span trimmed(span s)
{
    while (s.len > 0 && (*s.at == ' ' || *s.at == '\t'))
        s.at++, s.len--;
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Moves what comes before `mark` from `rest` to `ret`; without a mark that is all, and false. */
static bool cut(span *rest, char mark, span *ret)
{
    const char *at = memchr(rest->at, mark, rest->len);
    size_t len = at ? (size_t)(at - rest->at) : rest->len;

    *ret = trimmed((span){rest->at, len});
    len += at != NULL;
    rest->at += len;
    rest->len -= len;
    return at != NULL;
}

static bool is(span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

/* 8 to 15, maybe in quotes. */
static bool is_window(span s)
{
    if (s.len > 2 && s.at[0] == '"' && s.at[s.len - 1] == '"')
        s = (span){s.at + 1, s.len - 2};
    return (s.len == 1 && (*s.at == '8' || *s.at == '9')) ||
           (s.len == 2 && s.at[0] == '1' && s.at[1] >= '0' && s.at[1] <= '5');
}

/* A bit for each parameter that may stand in an answer; 0: not a known one. All three leave us
 * as we are: we never refer to an earlier message, and read what refers to few or none. */
static unsigned parameter(span s)
{
    span name;
    bool has_value = cut(&s, '=', &name);

    if (is(name, "client_no_context_takeover"))
        return has_value ? 0 : 1;
    if (is(name, "server_no_context_takeover"))
        return has_value ? 0 : 2;
    if (is(name, "server_max_window_bits"))
        return has_value && is_window(trimmed(s)) ? 4 : 0;
    return 0;
}

bool cvx_deflate_accepts(const char *answer, size_t len)
{
    span rest = {answer, len}, part;
    bool more = cut(&rest, ';', &part);
    unsigned seen = 0;

    if (!is(part, "permessage-deflate"))
        return false;
    while (more) {
        more = cut(&rest, ';', &part);
        unsigned which = parameter(part);
        if (which == 0 || (seen & which))
            return false;
        seen |= which;
    }
    return true;
}

/* ---- reading ---- */

void cvx_deflate_begin(cvx_deflate *deflate)
{
    deflate->message.len = 0;
}

/* Inflates until the input is used up, into at most one byte more than is allowed. */
static cvx_inflated inflate_piece(cvx_deflate *deflate, const char *data, uInt len, size_t max)
{
    cvx_text *message = &deflate->message;
    z_stream *in = &deflate->in;
    int r = Z_OK;

    in->next_in = (Bytef *)(uintptr_t)data;
    in->avail_in = len;
    do {
        char *room = cvx_text_room(message, STEP);
        if (!room)
            return CVX_INFLATE_NO_MEMORY;
        size_t space = message->capacity - message->len;
        if (space > max - message->len)
            space = max - message->len + 1;
        in->next_out = (Bytef *)room;
        in->avail_out = space < PIECE ? (uInt)space : PIECE;
        r = inflate(in, Z_SYNC_FLUSH);
        message->len += (size_t)((char *)in->next_out - room);
        if (r == Z_STREAM_END) /* a last block may be followed by more; the window stays */
            r = inflateResetKeep(in);
        if (message->len > max)
            return CVX_INFLATE_TOO_LONG;
    } while (r == Z_OK && (in->avail_in > 0 || in->avail_out == 0));
    if (r == Z_MEM_ERROR)
        return CVX_INFLATE_NO_MEMORY;
    return r == Z_OK || r == Z_BUF_ERROR ? CVX_INFLATED : CVX_INFLATE_CORRUPT;
}

cvx_inflated cvx_deflate_add(cvx_deflate *deflate, const char *data, size_t len, size_t max)
{
    cvx_inflated result = CVX_INFLATED;

    if (!deflate->reading) {
        deflate->in = (z_stream){.zalloc = take, .zfree = give, .opaque = &deflate->mem};
        if (inflateInit2(&deflate->in, WINDOW_BITS) != Z_OK)
            return CVX_INFLATE_NO_MEMORY;
        deflate->reading = true;
    }
    while (len > 0 && result == CVX_INFLATED) {
        size_t piece = len < PIECE ? len : PIECE;
        result = inflate_piece(deflate, data, (uInt)piece, max);
        data += piece;
        len -= piece;
    }
    return result;
}

cvx_inflated cvx_deflate_end(cvx_deflate *deflate, size_t max)
{
    cvx_inflated result = cvx_deflate_add(deflate, tail, sizeof tail, max);
    int at = deflate->in.data_type; /* 128: between two blocks; the low bits: left of a byte */

    if (result == CVX_INFLATED && (!(at & 128) || (at & 63)))
        return CVX_INFLATE_CORRUPT;
    return result;
}

/* ---- writing ---- */

bool cvx_deflate_pack(const convex_mem *mem, const char *data, size_t len, cvx_text *ret)
{
    z_stream out = {.zalloc = take, .zfree = give, .opaque = (voidpf)(uintptr_t)mem};
    size_t most = len - len / 8;
    char *room = len < PIECE ? cvx_text_room(ret, most) : NULL;
    int r;

    if (!room || deflateInit2(&out, LEVEL, Z_DEFLATED, WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    out.next_in = (Bytef *)(uintptr_t)data;
    out.avail_in = (uInt)len;
    out.next_out = (Bytef *)room;
    out.avail_out = (uInt)most;
    r = deflate(&out, Z_SYNC_FLUSH);
    deflateEnd(&out);
    if (r != Z_OK || out.avail_in > 0 || out.avail_out == 0)
        return false;
    ret->len += most - out.avail_out - sizeof tail;
    return true;
}
