/* ws.c - WebSocket frames: messages in and out.
 * One thread, no I/O. A message in one frame is handed out where it lies; fragments are
 * moved together at the front of the buffer; compressed ones are inflated into a buffer of
 * their own. Invariants: joined <= read <= filled <= in_capacity; memory follows the bytes
 * that came, not the length a header claims, and no message exceeds max_message. */
#include "ws.h"

#include <string.h>

#include "utf8.h"

enum { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum {
    FIRST_ROOM = 2 * 1024,
    KEEP_ROOM = 64 * 1024,       /* of an idle buffer */
    MAX_FRAME = 4 * 1024 * 1024, /* sent in one frame: the server takes 16 MiB */
    MAX_PONGS = 64 * 1024,       /* unsent bytes beyond which pings go unanswered */
    DEFLATE_FROM = 8 * 1024,     /* what is shorter fits few packets: not worth zlib's set-up */
    HEADER_MAX = 14,
    CONTROL_MAX = 125,
    FINAL = 0x80,
    COMPRESSED = 0x40
};

void cvx_ws_init(cvx_ws *ws, const cvx_ws_config *config)
{
    *ws = (cvx_ws){.config = *config};
    cvx_text_init(&ws->out, &config->mem);
    cvx_deflate_init(&ws->deflate, &config->mem);
}

void cvx_ws_done(cvx_ws *ws)
{
    cvx_free(&ws->config.mem, ws->in);
    cvx_text_done(&ws->out);
    cvx_deflate_done(&ws->deflate);
    *ws = (cvx_ws){.config = ws->config, .state = CVX_WS_ENDED};
}

/* ---- receiving ---- */

static void compact(cvx_ws *ws)
{
    if (ws->read == ws->joined)
        return;
    if (ws->filled > ws->read)
        memmove(ws->in + ws->joined, ws->in + ws->read, ws->filled - ws->read);
    ws->filled -= ws->read - ws->joined;
    ws->read = ws->joined;
}

char *cvx_ws_space(cvx_ws *ws, size_t *ret_capacity)
{
    size_t capacity = ws->in_capacity;

    compact(ws);
    if (!ws->fragment && ws->deflate.message.capacity > KEEP_ROOM)
        cvx_text_done(&ws->deflate.message);
    if (ws->filled == 0 && capacity > KEEP_ROOM) {
        cvx_free(&ws->config.mem, ws->in);
        ws->in = NULL;
        ws->in_capacity = capacity = 0;
    }
    if (capacity - ws->filled < FIRST_ROOM / 2 || (ws->flooded && capacity < KEEP_ROOM)) {
        capacity = capacity ? capacity * 2 : FIRST_ROOM;
        char *in = cvx_realloc(&ws->config.mem, ws->in, capacity);
        if (!in)
            return NULL;
        ws->in = in;
        ws->in_capacity = capacity;
    }
    ws->flooded = false;
    *ret_capacity = ws->in_capacity - ws->filled;
    return ws->in + ws->filled;
}

void cvx_ws_filled(cvx_ws *ws, size_t len)
{
    ws->filled += len;
    ws->flooded = ws->filled == ws->in_capacity;
}

typedef struct frame {
    unsigned opcode;
    bool final, compressed;
    size_t header, len;
} frame;

static cvx_ws_kind fail(cvx_ws *ws, cvx_ws_event *ret, unsigned code, const char *text)
{
    cvx_ws_send_close(ws, code);
    ws->state = CVX_WS_ENDED;
    *ret = (cvx_ws_event){.kind = CVX_WS_FAILED, .text = text, .len = strlen(text), .code = code};
    return ret->kind;
}

/* NULL, or what is wrong with the header. An incomplete one has header == 0. */
static const char *read_header(const cvx_ws *ws, frame *f)
{
    size_t have = ws->filled - ws->read, extra;
    const uint8_t *raw;
    uint64_t len;

    *f = (frame){0};
    if (have < 2)
        return NULL;
    raw = (const uint8_t *)ws->in + ws->read;
    f->final = raw[0] & FINAL;
    f->compressed = raw[0] & COMPRESSED;
    f->opcode = raw[0] & 0x0f;
    if ((raw[0] & 0x30) || (f->compressed && (!ws->deflates || f->opcode != OP_TEXT)))
        return "reserved bits are set";
    if (raw[1] & 0x80)
        return "a frame of the server is masked";
    len = raw[1] & 0x7f;
    extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (have < 2 + extra)
        return NULL;
    if (extra > 0)
        len = 0;
    for (size_t i = 0; i < extra; i++)
        len = len << 8 | raw[2 + i];
    if (len >> 63 || (extra == 2 && len < 126) || (extra == 8 && len <= UINT16_MAX))
        return "the length of a frame is not minimal";
    if (f->opcode >= OP_CLOSE && (!f->final || len > CONTROL_MAX))
        return "a control frame is fragmented or too long";
    if (f->opcode > OP_PONG || (f->opcode > OP_BINARY && f->opcode < OP_CLOSE))
        return "unknown opcode";
    if (f->opcode == OP_CONTINUATION && !ws->fragment)
        return "nothing to continue";
    if ((f->opcode == OP_TEXT || f->opcode == OP_BINARY) && ws->fragment)
        return "a message begins inside another";
    f->header = 2 + extra;
    f->len = len > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)len;
    return NULL;
}

static bool close_code_ok(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static cvx_ws_kind on_close(cvx_ws *ws, const char *data, size_t len, cvx_ws_event *ret)
{
    const uint8_t *raw = (const uint8_t *)data;
    unsigned code = 1005;

    if (len == 1)
        return fail(ws, ret, 1002, "a close frame of one byte");
    if (len >= 2) {
        code = (unsigned)raw[0] << 8 | raw[1];
        data += 2;
        len -= 2;
        if (!close_code_ok(code))
            return fail(ws, ret, 1002, "a close code that may not be sent");
        if (cvx_utf8_valid_prefix(data, len) != len)
            return fail(ws, ret, 1007, "a close reason that is not UTF-8");
    }
    cvx_ws_send_close(ws, code == 1005 ? 0 : code);
    ws->state = CVX_WS_ENDED;
    *ret = (cvx_ws_event){.kind = CVX_WS_CLOSED, .text = data, .len = len, .code = code};
    return ret->kind;
}

static bool put_frame(cvx_ws *ws, unsigned first_byte, const char *data, size_t len);

static void on_ping(cvx_ws *ws, const char *data, size_t len)
{
    if (ws->out.len - ws->sent < MAX_PONGS)
        put_frame(ws, FINAL | OP_PONG, data, len);
}

static cvx_ws_kind on_message(cvx_ws *ws, const char *data, size_t len, cvx_ws_event *ret)
{
    if (cvx_utf8_valid_prefix(data, len) != len)
        return fail(ws, ret, 1007, "a text message that is not UTF-8");
    *ret = (cvx_ws_event){.kind = CVX_WS_TEXT, .text = data, .len = len};
    return ret->kind;
}

static cvx_ws_kind on_compressed(cvx_ws *ws, const frame *f, const char *data, cvx_ws_event *ret)
{
    cvx_deflate *deflate = &ws->deflate;
    size_t max = ws->config.max_message;
    cvx_inflated result = cvx_deflate_add(deflate, data, f->len, max);

    if (result == CVX_INFLATED && f->final) {
        ws->fragment = 0;
        ws->compressed = false;
        result = cvx_deflate_end(deflate, max);
    }
    if (result == CVX_INFLATE_TOO_LONG)
        return fail(ws, ret, 1009, "a message is too long");
    if (result == CVX_INFLATE_NO_MEMORY)
        return fail(ws, ret, 1011, "out of memory");
    if (result == CVX_INFLATE_CORRUPT)
        return fail(ws, ret, 1007, "a compressed message is corrupt");
    return f->final ? on_message(ws, deflate->message.data, deflate->message.len, ret)
                    : CVX_WS_NONE;
}

/* A fragment joins those before it; the last one completes the message. */
static cvx_ws_kind on_fragment(cvx_ws *ws, const frame *f, const char *data, cvx_ws_event *ret)
{
    size_t len;

    if (f->opcode != OP_CONTINUATION) {
        ws->fragment = (unsigned char)f->opcode;
        ws->compressed = f->compressed;
        cvx_deflate_begin(&ws->deflate);
    }
    if (ws->compressed)
        return on_compressed(ws, f, data, ret);
    if (f->len > 0)
        memmove(ws->in + ws->joined, data, f->len);
    ws->joined += f->len;
    if (!f->final)
        return CVX_WS_NONE;
    len = ws->joined;
    ws->joined = 0;
    ws->fragment = 0;
    return on_message(ws, ws->in, len, ret);
}

static cvx_ws_kind on_frame(cvx_ws *ws, const frame *f, cvx_ws_event *ret)
{
    const char *data = ws->in + ws->read + f->header;

    ws->read += f->header + f->len;
    switch (f->opcode) {
    case OP_CLOSE:
        return on_close(ws, data, f->len, ret);
    case OP_PING:
        on_ping(ws, data, f->len);
        return CVX_WS_NONE;
    case OP_PONG:
        *ret = (cvx_ws_event){.kind = CVX_WS_PONG, .text = data, .len = f->len};
        return ret->kind;
    case OP_BINARY:
        return fail(ws, ret, 1003, "a binary message");
    default:
        if (f->opcode == OP_TEXT && f->final && !f->compressed)
            return on_message(ws, data, f->len, ret);
        return on_fragment(ws, f, data, ret);
    }
}

cvx_ws_kind cvx_ws_next(cvx_ws *ws, cvx_ws_event *ret)
{
    *ret = (cvx_ws_event){.kind = CVX_WS_NONE};
    if (ws->state == CVX_WS_HANDSHAKE || ws->state == CVX_WS_REFUSAL)
        return cvx_ws_handshake(ws, ret);
    while (ws->state == CVX_WS_READY && ret->kind == CVX_WS_NONE) {
        frame f;
        const char *wrong = read_header(ws, &f);
        if (wrong)
            return fail(ws, ret, 1002, wrong);
        if (f.header == 0)
            break;
        if (f.opcode < OP_CLOSE && f.len > ws->config.max_message - ws->joined)
            return fail(ws, ret, 1009, "a message is too long");
        if (f.len > ws->filled - ws->read - f.header)
            break;
        on_frame(ws, &f, ret);
    }
    return ret->kind;
}

/* ---- sending ---- */

void cvx_ws_mask(char *ret, const char *data, size_t len, const uint8_t key[4], size_t at)
{
    uint8_t turned[8];
    uint64_t word, mask;
    size_t i = 0;

    for (size_t k = 0; k < sizeof turned; k++)
        turned[k] = key[(at + k) & 3];
    memcpy(&mask, turned, sizeof mask);
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, data + i, sizeof word);
        word ^= mask;
        memcpy(ret + i, &word, sizeof word);
    }
    for (; i < len; i++)
        ret[i] = (char)((uint8_t)data[i] ^ turned[i & 3]);
}

static size_t write_header(uint8_t *ret, unsigned first_byte, size_t len)
{
    size_t extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

    ret[0] = (uint8_t)first_byte;
    ret[1] = (uint8_t)(0x80 | (extra == 0 ? len : extra == 2 ? 126 : 127));
    for (size_t i = 0; i < extra; i++)
        ret[2 + i] = (uint8_t)((uint64_t)len >> (8 * (extra - 1 - i)));
    return 2 + extra;
}

static bool put_frame(cvx_ws *ws, unsigned first_byte, const char *data, size_t len)
{
    uint8_t header[HEADER_MAX];
    size_t size = write_header(header, first_byte, len);
    char *room = cvx_text_room(&ws->out, size + 4 + len);

    if (!room)
        return false;
    ws->config.random(ws->config.user, header + size, 4);
    memcpy(room, header, size + 4);
    cvx_ws_mask(room + size + 4, data, len, header + size, 0);
    ws->out.len += size + 4 + len;
    return true;
}

static bool put_message(cvx_ws *ws, unsigned first_byte, const char *data, size_t len)
{
    while (len > MAX_FRAME) {
        if (!put_frame(ws, first_byte, data, MAX_FRAME))
            return false;
        data += MAX_FRAME;
        len -= MAX_FRAME;
        first_byte = OP_CONTINUATION;
    }
    return put_frame(ws, first_byte | FINAL, data, len);
}

bool cvx_ws_send_text(cvx_ws *ws, const char *text, size_t len)
{
    bool sent;
    cvx_text packed;

    if (ws->state != CVX_WS_READY || ws->close_sent)
        return false;
    cvx_text_init(&packed, &ws->config.mem);
    if (ws->deflates && len >= DEFLATE_FROM &&
        cvx_deflate_pack(&ws->config.mem, text, len, &packed))
        sent = put_message(ws, COMPRESSED | OP_TEXT, packed.data, packed.len);
    else
        sent = put_message(ws, OP_TEXT, text, len);
    cvx_text_done(&packed);
    return sent;
}

bool cvx_ws_send_ping(cvx_ws *ws, const char *data, size_t len)
{
    return ws->state == CVX_WS_READY && !ws->close_sent && len <= CONTROL_MAX &&
           put_frame(ws, FINAL | OP_PING, data, len);
}

bool cvx_ws_send_close(cvx_ws *ws, unsigned code)
{
    char data[2] = {(char)(code >> 8), (char)(code & 0xff)};

    if (ws->state != CVX_WS_READY || ws->close_sent)
        return false;
    ws->close_sent = true;
    return put_frame(ws, FINAL | OP_CLOSE, data, code ? sizeof data : 0);
}

const char *cvx_ws_pending(const cvx_ws *ws, size_t *ret_len)
{
    *ret_len = ws->out.len - ws->sent;
    return *ret_len > 0 ? ws->out.data + ws->sent : NULL;
}

void cvx_ws_sent(cvx_ws *ws, size_t len)
{
    ws->sent += len;
    if (ws->sent == ws->out.len) {
        ws->out.len = ws->sent = 0;
        if (ws->out.capacity > KEEP_ROOM)
            cvx_text_done(&ws->out);
    } else if (ws->sent > KEEP_ROOM && ws->sent > ws->out.len / 2) {
        memmove(ws->out.data, ws->out.data + ws->sent, ws->out.len - ws->sent);
        ws->out.len -= ws->sent;
        ws->sent = 0;
    }
}
