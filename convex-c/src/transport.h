/* transport.h - a stream of bytes to a server, without blocking, behind an interface.
 *
 * An implementation registers what it waits for in the epoll descriptor it is given;
 * whoever owns that calls process() when it is ready or the deadline has passed.
 * One thread. One connection at a time. */
#ifndef CVX_TRANSPORT_H
#define CVX_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/client.h"
#include "convex/mem.h"
#include "convex/network.h"

typedef enum cvx_transport_state {
    CVX_TRANSPORT_IDLE,
    CVX_TRANSPORT_CONNECTING,
    CVX_TRANSPORT_OPEN,
    CVX_TRANSPORT_FAILED /* the connection could not be made, or broke; see error() */
} cvx_transport_state;

/* What one attempt to move bytes came to. */
typedef enum cvx_io {
    CVX_IO_MOVED, /* *ret_len bytes, at least one */
    CVX_IO_AGAIN, /* nothing for now */
    CVX_IO_END,   /* the peer has ended its side */
    CVX_IO_BROKEN /* the connection is lost; see error() */
} cvx_io;

typedef struct cvx_transport cvx_transport;

typedef struct cvx_transport_ops {
    /* Begins to connect to the server of this URL (http: or https:, no path). */
    convex_status (*connect)(cvx_transport *transport, const char *url);
    cvx_transport_state (*process)(cvx_transport *transport, int64_t now_ms);
    int64_t (*deadline)(const cvx_transport *transport); /* INT64_MAX: none */
    cvx_io (*receive)(cvx_transport *transport, void *ret, size_t capacity, size_t *ret_len);
    cvx_io (*send)(cvx_transport *transport, const void *data, size_t len, size_t *ret_len);
    void (*want_write)(cvx_transport *transport, bool want); /* wake up when it can send */
    const char *(*error)(const cvx_transport *transport);    /* one line for a person */
    void (*close)(cvx_transport *transport);                 /* idle again */
    void (*free)(cvx_transport *transport);
} cvx_transport_ops;

/* The first member of every implementation. */
struct cvx_transport {
    const cvx_transport_ops *ops;
};

typedef struct cvx_transport_config {
    convex_mem mem;
    int epoll_fd;                  /* borrowed */
    uint64_t epoll_tag;            /* goes into data.u64 of every descriptor registered */
    const convex_network *network; /* borrowed for the transport's life */
} cvx_transport_config;

/* Another implementation, as the options of a client name it. */
struct convex_transport_factory {
    /* NULL, or what it cannot do of this, in words for a person. */
    const char *(*fault)(const convex_transport_factory *factory, const convex_network *network);
    /* NULL when memory or descriptors are short. */
    cvx_transport *(*make)(const convex_transport_factory *factory,
                           const cvx_transport_config *config);
};

/* A socket; proxies and TLS are libcurl's business. NULL when memory or descriptors are short. */
cvx_transport *cvx_transport_socket_new(const cvx_transport_config *config);

#endif
