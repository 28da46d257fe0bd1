/* ws.h - the client side of one WebSocket (RFC 6455), in blocks and without I/O.
 *
 * Bytes go in with cvx_ws_space() and cvx_ws_filled(), events come out of
 * cvx_ws_next(); bytes to send wait in cvx_ws_pending(). One thread. No subprotocol is
 * offered, and of the extensions only permessage-deflate; nothing else is accepted. */
#ifndef CVX_WS_H
#define CVX_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/mem.h"
#include "text.h"
#include "ws_deflate.h"

typedef struct cvx_ws_config {
    convex_mem mem;
    size_t max_message; /* bytes of one message, inflated */
    bool deflate;       /* offer compressed messages */
    /* Unpredictable bytes: the key of the handshake and the masks. */
    void (*random)(void *user, void *ret, size_t len);
    void *user;
} cvx_ws_config;

typedef enum cvx_ws_state {
    CVX_WS_HANDSHAKE,
    CVX_WS_REFUSAL, /* reading why */
    CVX_WS_READY,
    CVX_WS_ENDED /* nothing more is read */
} cvx_ws_state;

typedef struct cvx_ws {
    cvx_ws_config config;
    cvx_ws_state state;
    char accept[29]; /* the answer the server must give */

    char *in; /* [0, joined) fragments so far, [read, filled) raw bytes */
    size_t in_capacity, joined, read, filled;
    bool flooded;           /* the last bytes filled all the room: more are likely waiting */
    unsigned char fragment; /* opcode of the message being joined; 0: none */
    bool compressed;        /* the message being joined is; it is in `deflate`, not in `in` */
    bool deflates;          /* the server took up the offer */
    cvx_deflate deflate;

    cvx_text out; /* [sent, len) */
    size_t sent;
    bool close_sent;
    int status; /* HTTP's, of a refusal */
    size_t body_left;
} cvx_ws;

typedef enum cvx_ws_kind {
    CVX_WS_NONE = 0, /* more bytes are needed */
    CVX_WS_OPEN,     /* the handshake is done */
    CVX_WS_TEXT,     /* one message; borrowed until the next call */
    CVX_WS_PONG,     /* the answer to a ping, with the ping's bytes; the same */
    CVX_WS_CLOSED,   /* the peer closed: code (1005: none given) and reason */
    CVX_WS_REFUSED,  /* the handshake failed: HTTP status and the start of the body */
    CVX_WS_FAILED    /* the peer broke the protocol: text says how */
} cvx_ws_kind;

/* TEXT, PONG, CLOSED (the reason), REFUSED (the body) and FAILED carry text. */
typedef struct cvx_ws_event {
    cvx_ws_kind kind;
    const char *text;
    size_t len;
    unsigned code; /* CLOSED: close code; REFUSED: HTTP status; FAILED: close code sent */
} cvx_ws_event;

void cvx_ws_init(cvx_ws *ws, const cvx_ws_config *config);
void cvx_ws_done(cvx_ws *ws);

/* Writes the upgrade request; false when memory is short.
 *   host     "name" or "name:port"
 *   path     "/api/sync"
 *   headers  further lines, each ending in CR LF, or "" */
bool cvx_ws_start(cvx_ws *ws, const char *host, const char *path, const char *headers);

/* Room for at least one byte; NULL when memory is short or the peer sent too much. */
char *cvx_ws_space(cvx_ws *ws, size_t *ret_capacity);
void cvx_ws_filled(cvx_ws *ws, size_t len);
cvx_ws_kind cvx_ws_next(cvx_ws *ws, cvx_ws_event *ret);
/* The stream ended: what may still be said about it (REFUSED), else NONE. */
cvx_ws_kind cvx_ws_end(cvx_ws *ws, cvx_ws_event *ret);

/* Each queues one frame; false when memory is short or a close was sent. `text` is UTF-8. */
bool cvx_ws_send_text(cvx_ws *ws, const char *text, size_t len);
bool cvx_ws_send_ping(cvx_ws *ws, const char *data, size_t len); /* at most 125 bytes */
bool cvx_ws_send_close(cvx_ws *ws, unsigned code);               /* 0: without a code */

/* Bytes for the peer, borrowed until the next call; then say how many went. */
const char *cvx_ws_pending(const cvx_ws *ws, size_t *ret_len);
void cvx_ws_sent(cvx_ws *ws, size_t len);

/* Copies `len` bytes and masks them; `at` is their offset in the frame. */
void cvx_ws_mask(char *ret, const char *data, size_t len, const uint8_t key[4], size_t at);

/* ws_handshake.c */
void cvx_ws_accept(const char *key, char ret[29]); /* of a key of 24 characters */
/* One step of reading the answer. */
cvx_ws_kind cvx_ws_handshake(cvx_ws *ws, cvx_ws_event *ret);

#endif
