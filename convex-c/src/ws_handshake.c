/* ws_handshake.c - the HTTP/1.1 upgrade of a WebSocket.
 * One thread, no I/O. Invariant: READY is reached only by a 101 that names the
 * upgrade, proves the key, and takes no liberty that was not offered. */
/* SHA-1 by OpenSSL's old names: looking it up by the new ones takes a millisecond of a program's
 * start, and it guards no secret here. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ws.h"

#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

#include "base64.h"

enum { MAX_HEAD = 16 * 1024, MAX_BODY = 1024 };

void cvx_ws_accept(const char *key, char ret[29])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA_CTX hash;

    SHA1_Init(&hash);
    SHA1_Update(&hash, key, strlen(key));
    SHA1_Update(&hash, guid, sizeof guid - 1);
    SHA1_Final(digest, &hash);
    memset(ret, 0, 29);
    cvx_base64_encode(digest, sizeof digest, ret);
}

bool cvx_ws_start(cvx_ws *ws, const char *host, const char *path, const char *headers)
{
    uint8_t random[16];
    char key[25] = "";

    ws->config.random(ws->config.user, random, sizeof random);
    cvx_base64_encode(random, sizeof random, key);
    cvx_ws_accept(key, ws->accept);
    cvx_text_add_str(&ws->out, "GET ");
    cvx_text_add_str(&ws->out, path);
    cvx_text_add_str(&ws->out, " HTTP/1.1\r\nHost: ");
    cvx_text_add_str(&ws->out, host);
    cvx_text_add_str(&ws->out, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    cvx_text_add_str(&ws->out, key);
    cvx_text_add_str(&ws->out, "\r\n");
    if (ws->config.deflate)
        cvx_text_add_str(&ws->out, CVX_DEFLATE_OFFER);
    cvx_text_add_str(&ws->out, headers);
    cvx_text_add_str(&ws->out, "\r\n");
    return ws->out.status == CONVEX_OK;
}

typedef struct answer {
    int status;
    bool upgrade, connection, accept, deflates, unasked;
    bool has_length;
    size_t length;
} answer;

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && (**text == ' ' || **text == '\t'))
        (*text)++, (*len)--;
    while (*len > 0 && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
        (*len)--;
}

/* Whether a comma-separated list has the word. */
static bool lists(const char *text, size_t len, const char *word)
{
    while (len > 0) {
        const char *comma = memchr(text, ',', len), *item = text;
        size_t size = comma ? (size_t)(comma - text) : len;
        size_t step = comma ? size + 1 : size;
        text += step;
        len -= step;
        trim(&item, &size);
        if (is_word(item, size, word))
            return true;
    }
    return false;
}

static void read_length(answer *a, const char *text, size_t len)
{
    size_t length = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || length > MAX_BODY)
            return;
        length = length * 10 + (size_t)(text[i] - '0');
    }
    a->has_length = len > 0;
    a->length = length;
}

static bool read_header(const cvx_ws *ws, answer *a, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len), *value;
    size_t name, size;

    if (!colon || colon == line)
        return false;
    name = (size_t)(colon - line);
    value = colon + 1;
    size = len - name - 1;
    trim(&value, &size);
    if (is_word(line, name, "Upgrade"))
        a->upgrade = is_word(value, size, "websocket");
    else if (is_word(line, name, "Connection"))
        a->connection = a->connection || lists(value, size, "upgrade");
    else if (is_word(line, name, "Sec-WebSocket-Accept"))
        a->accept = size == strlen(ws->accept) && memcmp(value, ws->accept, size) == 0;
    else if (is_word(line, name, "Sec-WebSocket-Extensions") && size > 0 && ws->config.deflate &&
             !a->deflates && cvx_deflate_accepts(value, size))
        a->deflates = true;
    else if (is_word(line, name, "Sec-WebSocket-Extensions") ||
             is_word(line, name, "Sec-WebSocket-Protocol"))
        a->unasked = a->unasked || size > 0;
    else if (is_word(line, name, "Content-Length"))
        read_length(a, value, size);
    return true;
}

/* "HTTP/1.1 101 words"; 0 if it is nothing of the kind. */
static int read_status(const char *line, size_t len)
{
    int status = 0;

    if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ' ||
        (len > 12 && line[12] != ' '))
        return 0;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return 0;
        status = status * 10 + (line[i] - '0');
    }
    return status;
}

static cvx_ws_kind fail(cvx_ws *ws, cvx_ws_event *ret, const char *text)
{
    ws->state = CVX_WS_ENDED;
    *ret = (cvx_ws_event){.kind = CVX_WS_FAILED, .text = text, .len = strlen(text), .code = 1002};
    return ret->kind;
}

static bool read_head(const cvx_ws *ws, answer *a, const char *head, size_t len)
{
    bool first = true;

    while (len > 0) {
        const char *end = memmem(head, len, "\r\n", 2);
        size_t line = (size_t)(end - head);
        if (first && (a->status = read_status(head, line)) == 0)
            return false;
        if (!first && !read_header(ws, a, head, line))
            return false;
        first = false;
        head += line + 2;
        len -= line + 2;
    }
    return !first;
}

static cvx_ws_kind judge(cvx_ws *ws, const answer *a, cvx_ws_event *ret)
{
    if (a->status != 101) {
        ws->state = CVX_WS_REFUSAL;
        ws->status = a->status;
        ws->body_left = a->has_length && a->length < MAX_BODY ? a->length : MAX_BODY;
        return cvx_ws_handshake(ws, ret);
    }
    if (!a->upgrade || !a->connection)
        return fail(ws, ret, "the 101 answer is no WebSocket upgrade");
    if (!a->accept)
        return fail(ws, ret, "the WebSocket accept key is wrong");
    if (a->unasked)
        return fail(ws, ret, "the server chose an extension or protocol that was not offered");
    ws->deflates = a->deflates;
    ws->state = CVX_WS_READY;
    *ret = (cvx_ws_event){.kind = CVX_WS_OPEN};
    return ret->kind;
}

static cvx_ws_kind refuse(cvx_ws *ws, cvx_ws_event *ret)
{
    size_t len = ws->filled - ws->read;

    ws->state = CVX_WS_ENDED;
    *ret = (cvx_ws_event){.kind = CVX_WS_REFUSED,
                          .text = ws->in + ws->read,
                          .len = len < ws->body_left ? len : ws->body_left,
                          .code = (unsigned)ws->status};
    return ret->kind;
}

cvx_ws_kind cvx_ws_handshake(cvx_ws *ws, cvx_ws_event *ret)
{
    size_t len = ws->filled - ws->read;
    const char *head, *end;
    answer a = {0};

    if (len == 0 && ws->state == CVX_WS_HANDSHAKE)
        return CVX_WS_NONE;
    head = ws->in + ws->read;
    if (ws->state == CVX_WS_REFUSAL)
        return len >= ws->body_left ? refuse(ws, ret) : CVX_WS_NONE;
    end = memmem(head, len, "\r\n\r\n", 4);
    if (!end && len > MAX_HEAD)
        return fail(ws, ret, "the answer to the upgrade is too long");
    if (!end)
        return CVX_WS_NONE;
    if (!read_head(ws, &a, head, (size_t)(end - head) + 2))
        return fail(ws, ret, "the answer to the upgrade is not HTTP/1.1");
    ws->read += (size_t)(end - head) + 4;
    return judge(ws, &a, ret);
}

cvx_ws_kind cvx_ws_end(cvx_ws *ws, cvx_ws_event *ret)
{
    *ret = (cvx_ws_event){.kind = CVX_WS_NONE};
    return ws->state == CVX_WS_REFUSAL ? refuse(ws, ret) : CVX_WS_NONE;
}
