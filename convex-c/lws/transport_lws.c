/* transport_lws.c - the transport whose socket belongs to a libwebsockets loop.
 * Owns one connection of the RAW role at a time, TLS on top of it, and an eventfd that tells the
 * client's loop what the callbacks saw. One thread: the one that services the context.
 * Invariants: `wsi` is NULL unless libwebsockets has it; its callbacks only note and signal, so
 * nothing of the client runs inside them. */
#include "convex/lws.h"

#include <libwebsockets.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tls.h"
#include "transport.h"

enum {
    CHUNK = 16 * 1024,    /* written at once: one record of TLS */
    RX_FULL = 256 * 1024, /* received and not taken: then reading pauses */
    RX_FIRST = 4 * 1024
};

typedef struct lws_factory {
    convex_transport_factory base;
    struct lws_vhost *vhost;
    struct lws_context *context;
    pthread_t thread;
} lws_factory;

typedef struct lws_transport {
    cvx_transport base;
    cvx_transport_config config;
    const lws_factory *factory;
    struct lws *wsi;
    int event_fd;
    cvx_transport_state state;
    bool connected, ended, paused, want_write;
    char host[256];
    SSL_CTX *tls_context;
    cvx_tls *tls; /* NULL: plain */
    char *rx;     /* [read, filled) */
    size_t rx_capacity, read, filled;
    char stage[LWS_PRE + CHUNK]; /* [0, staged) after LWS_PRE: sealed and not written */
    size_t staged;
    char error[320];
} lws_transport;

static lws_transport *self_of(const cvx_transport *transport)
{
    return (lws_transport *)(uintptr_t)transport;
}

/* ---- callbacks of libwebsockets ---- */

static void wake(lws_transport *self)
{
    static const uint64_t one = 1;
    ssize_t written = write(self->event_fd, &one, sizeof one);
    (void)written; /* it is full: then it is awake */
}

static bool keep(lws_transport *self, const void *data, size_t len)
{
    if (self->read == self->filled)
        self->read = self->filled = 0;
    if (self->rx_capacity - self->filled < len) {
        size_t capacity = self->rx_capacity ? self->rx_capacity * 2 : RX_FIRST;
        if (capacity < self->filled + len)
            capacity = self->filled + len;
        char *rx = self->config.mem.realloc_fn(self->rx, capacity, self->config.mem.user);
        if (!rx)
            return false;
        self->rx = rx;
        self->rx_capacity = capacity;
    }
    memcpy(self->rx + self->filled, data, len);
    self->filled += len;
    return true;
}

static int on_received(lws_transport *self, const void *data, size_t len)
{
    if (!keep(self, data, len)) {
        snprintf(self->error, sizeof self->error, "out of memory");
        return -1;
    }
    if (self->filled - self->read >= RX_FULL && !self->paused) {
        self->paused = true;
        lws_rx_flow_control(self->wsi, 0);
    }
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    lws_transport *self = lws_get_opaque_user_data(wsi);
    int result = 0;

    if (!self)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_RAW_CONNECTED:
        self->connected = true;
        break;
    case LWS_CALLBACK_RAW_RX:
        result = on_received(self, in, len);
        break;
    case LWS_CALLBACK_RAW_WRITEABLE:
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        snprintf(self->error, sizeof self->error, "connecting failed: %.*s", in ? (int)len : 6,
                 in ? (const char *)in : "failed");
        self->wsi = NULL;
        self->ended = true;
        break;
    case LWS_CALLBACK_RAW_CLOSE:
    case LWS_CALLBACK_WSI_DESTROY:
        self->wsi = NULL;
        self->ended = true;
        break;
    default:
        return 0;
    }
    wake(self);
    return result;
}

/* ---- connecting ---- */

static void close_transport(cvx_transport *transport)
{
    lws_transport *self = self_of(transport);

    if (self->wsi) {
        lws_set_opaque_user_data(self->wsi, NULL);
        lws_set_timeout(self->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    }
    self->wsi = NULL;
    cvx_tls_free(self->tls);
    self->tls = NULL;
    self->connected = self->ended = self->paused = self->want_write = false;
    self->read = self->filled = self->staged = 0;
    self->state = CVX_TRANSPORT_IDLE;
}

static cvx_transport_state fail(lws_transport *self)
{
    close_transport(&self->base);
    if (!self->error[0])
        snprintf(self->error, sizeof self->error, "connecting failed");
    return self->state = CVX_TRANSPORT_FAILED;
}

/* "http://[::1]:80" is the host "::1" and the port 80. */
static int split_url(lws_transport *self, const char *url)
{
    bool tls = strncasecmp(url, "https", 5) == 0;
    const char *at = strstr(url, "://") + 3, *end, *port;

    if (*at == '[') {
        end = strchr(++at, ']');
        port = end && end[1] == ':' ? end + 2 : "";
    } else {
        end = strchr(at, ':');
        port = end ? end + 1 : "";
    }
    snprintf(self->host, sizeof self->host, "%.*s", (int)(end ? end - at : (int)strlen(at)), at);
    return *port ? atoi(port) : tls ? 443 : 80;
}

static bool prepare_tls(lws_transport *self)
{
    if (!self->tls_context)
        self->tls_context = cvx_tls_context(self->config.network, self->error, sizeof self->error);
    if (self->tls_context)
        self->tls = cvx_tls_new(self->tls_context, self->host, self->config.network->pinned_key);
    return self->tls != NULL;
}

static convex_status connect_transport(cvx_transport *transport, const char *url)
{
    lws_transport *self = self_of(transport);
    struct lws_client_connect_info info = {.context = self->factory->context,
                                           .vhost = self->factory->vhost,
                                           .method = "RAW",
                                           .local_protocol_name = "convex-raw",
                                           .opaque_user_data = self,
                                           .pwsi = &self->wsi};
    char path[128];

    close_transport(transport);
    self->error[0] = '\0';
    self->state = CVX_TRANSPORT_CONNECTING;
    info.port = split_url(self, url);
    info.address = info.host = self->host;
    if (self->config.network->unix_socket) {
        snprintf(path, sizeof path, "+%s", self->config.network->unix_socket);
        info.address = path;
    }
    if (!pthread_equal(pthread_self(), self->factory->thread)) {
        snprintf(self->error, sizeof self->error,
                 "this transport works on the thread of its libwebsockets context only");
        self->ended = true;
    } else if (strncasecmp(url, "https", 5) == 0 && !prepare_tls(self)) {
        self->ended = true;
    } else if (!lws_client_connect_via_info(&info)) {
        self->wsi = NULL;
        self->ended = true;
    }
    wake(self); /* a failure is told by process() */
    return CONVEX_OK;
}

/* ---- bytes ---- */

/* True when nothing sealed waits any more; false also when the connection is lost. */
static bool flush_sealed(lws_transport *self)
{
    while (self->wsi && !lws_partial_buffered(self->wsi) && !lws_send_pipe_choked(self->wsi)) {
        unsigned char *stage = (unsigned char *)self->stage + LWS_PRE;
        if (self->staged == 0 && self->tls)
            self->staged = cvx_tls_take(self->tls, stage, CHUNK);
        if (self->staged == 0)
            return true;
        if (lws_write(self->wsi, stage, self->staged, LWS_WRITE_RAW) < 0)
            return false;
        self->staged = 0;
    }
    return false;
}

/* Everything received goes into TLS. */
static bool unseal(lws_transport *self)
{
    bool ok = self->read == self->filled ||
              cvx_tls_feed(self->tls, self->rx + self->read, self->filled - self->read);

    self->read = self->filled = 0;
    return ok;
}

static void resume(lws_transport *self)
{
    if (self->paused && self->filled - self->read < RX_FULL / 2) {
        self->paused = false;
        if (self->wsi)
            lws_rx_flow_control(self->wsi, 1);
    }
}

static cvx_transport_state shake_hands(lws_transport *self)
{
    cvx_tls_result result;

    if (!unseal(self)) {
        snprintf(self->error, sizeof self->error, "out of memory");
        return fail(self);
    }
    resume(self);
    result = cvx_tls_handshake(self->tls, self->error, sizeof self->error);
    if (!flush_sealed(self) && self->wsi)
        lws_callback_on_writable(self->wsi);
    if (result == CVX_TLS_OK)
        return self->state = CVX_TRANSPORT_OPEN;
    if (result == CVX_TLS_AGAIN && !self->ended)
        return self->state;
    if (result != CVX_TLS_FAILED)
        snprintf(self->error, sizeof self->error, "the server ended the TLS handshake");
    return fail(self);
}

static cvx_transport_state process(cvx_transport *transport, int64_t now_ms)
{
    lws_transport *self = self_of(transport);
    uint64_t count;
    ssize_t got = read(self->event_fd, &count, sizeof count);

    (void)got; /* nothing to read: woken by something else */
    if (self->state == CVX_TRANSPORT_OPEN && self->tls && self->wsi && !flush_sealed(self))
        lws_callback_on_writable(self->wsi); /* what the last flush left */
    if (self->state != CVX_TRANSPORT_CONNECTING)
        return self->state;
    if (!self->connected)
        return self->ended ? fail(self) : self->state;
    if (self->tls)
        return shake_hands(self);
    return self->state = CVX_TRANSPORT_OPEN;
}

static int64_t deadline(const cvx_transport *transport)
{
    return INT64_MAX; /* libwebsockets keeps its own */
}

static cvx_io broken(lws_transport *self)
{
    char words[256];

    snprintf(words, sizeof words, "%.255s", self->error[0] ? self->error : "the socket was closed");
    snprintf(self->error, sizeof self->error, "connection lost: %s", words);
    fail(self);
    return CVX_IO_BROKEN;
}

static cvx_io receive_sealed(lws_transport *self, void *ret, size_t capacity, size_t *ret_len)
{
    if (!unseal(self)) {
        snprintf(self->error, sizeof self->error, "out of memory");
        return broken(self);
    }
    resume(self);
    switch (cvx_tls_read(self->tls, ret, capacity, ret_len, self->error, sizeof self->error)) {
    case CVX_TLS_OK:
        return CVX_IO_MOVED;
    case CVX_TLS_AGAIN:
        return self->ended ? CVX_IO_END : CVX_IO_AGAIN;
    case CVX_TLS_END:
        return CVX_IO_END;
    default:
        return broken(self);
    }
}

static cvx_io receive(cvx_transport *transport, void *ret, size_t capacity, size_t *ret_len)
{
    lws_transport *self = self_of(transport);
    size_t len = self->filled - self->read;

    if (self->state != CVX_TRANSPORT_OPEN)
        return CVX_IO_BROKEN;
    if (self->tls)
        return receive_sealed(self, ret, capacity, ret_len);
    if (len == 0 && self->ended)
        return self->error[0] ? broken(self) : CVX_IO_END;
    if (len == 0)
        return CVX_IO_AGAIN;
    if (len > capacity)
        len = capacity;
    memcpy(ret, self->rx + self->read, len);
    self->read += len;
    *ret_len = len;
    resume(self);
    return CVX_IO_MOVED;
}

static cvx_io send_bytes(cvx_transport *transport, const void *data, size_t len, size_t *ret_len)
{
    lws_transport *self = self_of(transport);

    if (self->state != CVX_TRANSPORT_OPEN)
        return CVX_IO_BROKEN;
    if (!flush_sealed(self))
        return self->wsi || self->filled > self->read ? CVX_IO_AGAIN : broken(self);
    if (len == 0)
        return CVX_IO_AGAIN;
    if (len > CHUNK)
        len = CHUNK;
    if (self->tls &&
        cvx_tls_write(self->tls, data, len, self->error, sizeof self->error) != CVX_TLS_OK)
        return broken(self);
    if (!self->tls) {
        memcpy(self->stage + LWS_PRE, data, len);
        self->staged = len;
    }
    flush_sealed(self); /* what it leaves is kept, and goes first the next time */
    *ret_len = len;
    return CVX_IO_MOVED;
}

static void want_write(cvx_transport *transport, bool want)
{
    lws_transport *self = self_of(transport);

    if (self->state == CVX_TRANSPORT_OPEN && self->wsi && (want || self->staged > 0))
        lws_callback_on_writable(self->wsi);
}

static const char *error(const cvx_transport *transport)
{
    return self_of(transport)->error;
}

static void free_transport(cvx_transport *transport)
{
    lws_transport *self = self_of(transport);
    convex_mem mem = self->config.mem;

    close_transport(transport);
    SSL_CTX_free(self->tls_context);
    if (self->event_fd >= 0)
        close(self->event_fd);
    if (self->rx)
        mem.realloc_fn(self->rx, 0, mem.user);
    mem.realloc_fn(self, 0, mem.user);
}

static const cvx_transport_ops lws_ops = {
    .connect = connect_transport,
    .process = process,
    .deadline = deadline,
    .receive = receive,
    .send = send_bytes,
    .want_write = want_write,
    .error = error,
    .close = close_transport,
    .free = free_transport,
};

static cvx_transport *make(const convex_transport_factory *factory,
                           const cvx_transport_config *config)
{
    lws_transport *self = config->mem.realloc_fn(NULL, sizeof *self, config->mem.user);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = config->epoll_tag};

    if (!self)
        return NULL;
    memset(self, 0, sizeof *self);
    self->base.ops = &lws_ops;
    self->config = *config;
    self->factory = (const lws_factory *)(const void *)factory;
    self->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->event_fd < 0 ||
        epoll_ctl(config->epoll_fd, EPOLL_CTL_ADD, self->event_fd, &event) != 0) {
        free_transport(&self->base);
        return NULL;
    }
    return &self->base;
}

/* ---- the factory ---- */

static const char *fault(const convex_transport_factory *factory, const convex_network *network)
{
    return network->proxy && network->proxy[0]
               ? "network.proxy is nothing that the libwebsockets transport can do"
               : NULL;
}

static convex_status refuse(convex_error *reterr, convex_status status, const char *words)
{
    if (reterr) {
        *reterr = (convex_error){.status = status};
        snprintf(reterr->message, sizeof reterr->message, "%s", words);
    }
    return status;
}

convex_status convex_lws_transport_new(struct lws_context *context, convex_transport_factory **ret,
                                       convex_error *reterr)
{
    static const struct lws_protocols protocols[] = {
        {.name = "convex-raw", .callback = on_event, .rx_buffer_size = CHUNK}, {0}};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .vhost_name = "convex",
                                             .protocols = protocols,
                                             .http_proxy_address = ""}; /* not the environment's */
    lws_factory *factory;

    if (!context || !ret)
        return refuse(reterr, CONVEX_EINVAL, "no context, or no place for the factory");
    factory = calloc(1, sizeof *factory);
    if (!factory)
        return refuse(reterr, CONVEX_ENOMEM, "out of memory");
    *factory = (lws_factory){.base = {.fault = fault, .make = make},
                             .context = context,
                             .vhost = lws_create_vhost(context, &info),
                             .thread = pthread_self()};
    if (!factory->vhost) {
        free(factory);
        return refuse(reterr, CONVEX_ELIMIT, "libwebsockets makes no further vhost");
    }
    *ret = &factory->base;
    return CONVEX_OK;
}

void convex_lws_transport_free(convex_transport_factory *factory)
{
    if (!factory)
        return;
    lws_vhost_destroy(((lws_factory *)(void *)factory)->vhost);
    free(factory);
}
