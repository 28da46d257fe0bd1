/* client_link.h - one WebSocket to the deployment: the framing on top of a transport.
 * Loop thread only. Nothing blocks. */
#ifndef CVX_CLIENT_LINK_H
#define CVX_CLIENT_LINK_H

#include "convex/network.h"
#include "transport.h"
#include "ws.h"

typedef struct cvx_link {
    convex_mem mem;
    char *origin, *host, *path, *headers; /* "https://host", "host", "/api/sync", header lines */
    convex_network network;               /* copied */
    cvx_transport *transport;
    cvx_ws_config ws_config;
    cvx_ws ws;
    bool active;             /* connecting or open */
    bool started;            /* the upgrade was asked for */
    bool broken;             /* a write failed; not told yet */
    uint64_t received, sent; /* bytes of all connections, TLS not counted */
    uint8_t pool[64];
    size_t pooled; /* unpredictable bytes left in the pool */
    char refusal[512];
} cvx_link;

typedef struct cvx_link_config {
    convex_mem mem;
    const char *url, *client_name;
    const convex_network *network;
    const convex_transport_factory *transport; /* NULL: libcurl */
    size_t max_message;
    bool deflate; /* offer compressed messages */
    int epoll_fd;
    uint64_t epoll_tag;
} cvx_link_config;

typedef enum cvx_link_kind {
    CVX_LINK_NONE = 0,
    CVX_LINK_OPENED,
    CVX_LINK_MESSAGE, /* text, borrowed until the next call */
    CVX_LINK_PONG,    /* the bytes of a ping that came back, the same */
    CVX_LINK_CLOSED   /* it is over, and idle again */
} cvx_link_kind;

typedef struct cvx_link_event {
    cvx_link_kind kind;
    const char *text; /* MESSAGE, PONG */
    size_t len;
    unsigned code;       /* CLOSED */
    char reason[128];    /* the peer's, or "" */
    char detail[320];    /* for a person, else "" */
    const char *refusal; /* the server's words when it refused the upgrade, else NULL */
} cvx_link_event;

/* CONVEX_EINVAL: the URL or the name; CONVEX_ENOMEM. On error nothing is left to release. */
convex_status cvx_link_init(cvx_link *link, const cvx_link_config *config, convex_error *reterr);
void cvx_link_done(cvx_link *link);

/* CONVEX_ENOMEM, or CONVEX_OK and a CLOSED or OPENED event will come. */
convex_status cvx_link_open(cvx_link *link);
/* Says goodbye as far as that is possible without waiting. */
void cvx_link_close(cvx_link *link);
/* False when it cannot be stored: close the link. */
bool cvx_link_send(cvx_link *link, const char *text, size_t len);
/* The same for a ping, of at most 125 bytes; also false before OPENED. */
bool cvx_link_ping(cvx_link *link, const char *data, size_t len);

/* Moves bytes and returns what happened next; NONE when everything waits for the peer. */
cvx_link_kind cvx_link_next(cvx_link *link, int64_t now_ms, cvx_link_event *ret);
/* Sends what waits to be sent, and has the loop woken for the rest. */
void cvx_link_flush(cvx_link *link);
int64_t cvx_link_deadline(const cvx_link *link);

#endif
