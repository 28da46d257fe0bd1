/* tls.h - the client's side of TLS without I/O: sealed bytes in and out, plain bytes in and out.
 * One thread. */
#ifndef CVX_TLS_H
#define CVX_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "convex/network.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct cvx_tls cvx_tls;

/* The settings of all connections: trust, pins, the client's certificate. NULL, and words in
 * `error`, when a file cannot be read or memory is short. */
SSL_CTX *cvx_tls_context(const convex_network *network, char *error, size_t size);

/* One connection to `host`, a name or an address without brackets. NULL when memory is short. */
cvx_tls *cvx_tls_new(SSL_CTX *context, const char *host, const char *pinned_key);
void cvx_tls_free(cvx_tls *tls); /* NULL is fine */

/* Sealed bytes from the server; false when memory is short. */
bool cvx_tls_feed(cvx_tls *tls, const void *data, size_t len);
/* Sealed bytes for the server, up to `capacity`; 0: none. */
size_t cvx_tls_take(cvx_tls *tls, void *ret, size_t capacity);

typedef enum cvx_tls_result {
    CVX_TLS_OK,
    CVX_TLS_AGAIN, /* more sealed bytes are needed */
    CVX_TLS_END,   /* the server has said goodbye */
    CVX_TLS_FAILED /* see `error` */
} cvx_tls_result;

cvx_tls_result cvx_tls_handshake(cvx_tls *tls, char *error, size_t size);
cvx_tls_result cvx_tls_read(cvx_tls *tls, void *ret, size_t capacity, size_t *ret_len, char *error,
                            size_t size);
cvx_tls_result cvx_tls_write(cvx_tls *tls, const void *data, size_t len, char *error, size_t size);

#endif
