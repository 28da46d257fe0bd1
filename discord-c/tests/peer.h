/* peer.h - a scripted server on loopback: what the other end does is written in the test. */
#ifndef PEER_H
#define PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct peer peer;

typedef struct peer_conn {
    peer *peer;
    int fd;
    SSL *ssl;        /* NULL: in the clear */
    unsigned number; /* 0: the first connection */
    void *user;
    char in[1 << 16];
    size_t have;
} peer_conn;

typedef struct peer_request {
    char method[8];
    char path[256];
    char head[8192]; /* the request line and headers, with NUL */
    char body[32768];
    size_t body_size;
} peer_request;

/* Runs on a thread for each connection; the socket is closed when it returns. */
typedef void peer_script(peer_conn *conn);

peer *peer_start(peer_script *script, void *user);
/* The same over TLS; `tls` borrowed for its life. A handshake that fails runs no script. */
peer *peer_start_tls(peer_script *script, void *user, SSL_CTX *tls);
int peer_port(const peer *p);
void peer_stop(peer *p); /* cuts what is open, joins */

/* False: the other end closed. */
bool peer_read_request(peer_conn *conn, peer_request *ret);
void peer_write(peer_conn *conn, const char *text);
/* status line text, extra header lines each with CRLF, JSON body */
void peer_answer(peer_conn *conn, const char *status, const char *headers, const char *body);

bool peer_upgrade(peer_conn *conn); /* reads the request, answers 101 */
void peer_frame(peer_conn *conn, bool fin, int opcode, const void *data, size_t size);
void peer_text(peer_conn *conn, const char *text);
void peer_close_frame(peer_conn *conn, int code, const char *reason);
/* The next frame; opcode or -1 when the connection ended. Text gets a NUL. */
int peer_read_frame(peer_conn *conn, char *ret, size_t space, size_t *ret_size);
/* Reads until the other end is gone. */
void peer_drain(peer_conn *conn);

#endif
