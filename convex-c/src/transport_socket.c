/* transport_socket.c - the default transport.
 * Where plain TCP is all that is needed it connects by itself (dial.h). A proxy and TLS are
 * libcurl's business, which is loaded for them; without TLS the connected socket is taken over
 * from it, and its handles go. Owns that socket, or one multi handle (so that CA certificates and
 * DNS answers are kept between connections) and at most one easy handle. One thread. Invariant: an
 * easy handle that is open stays in the multi handle, because removing it would end its connection.
 *
 * While it connects, connecting_fd says what is waited for; once open the socket is registered by
 * us. TLS can hold bytes that no descriptor announces, so a reader must go on until
 * CVX_IO_AGAIN. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "curl.h"
#include "dial.h"
#include "mem.h"
#include "network_internal.h"

/* One TLS record. A send that libcurl could not finish must be repeated with the
 * same bytes at the same place, so they are kept here. */
enum { STAGE_SIZE = 16 * 1024 };

typedef struct socket_transport {
    cvx_transport base;
    cvx_transport_config config;
    CURLM *multi;
    CURL *easy;
    cvx_dial dial;
    bool dialing;
    int connecting_fd;    /* an epoll descriptor with what is waited for meanwhile */
    curl_socket_t socket; /* of the open connection, registered outside; ours without TLS */
    cvx_transport_state state;
    int64_t now, deadline;
    bool due; /* libcurl wants to run at once */
    bool tls, want_write;
    bool drained; /* the last receive of a plain socket took all there was */
    char *stage;
    size_t staged;
    char curl_error[CURL_ERROR_SIZE];
    char error[CURL_ERROR_SIZE + 64];
} socket_transport;

static socket_transport *self_of(const cvx_transport *transport)
{
    return (socket_transport *)(uintptr_t)transport;
}

/* ---- what libcurl waits for ---- */

static void watch(int epoll_fd, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    if (events == 0)
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT)
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void watch_socket(socket_transport *self, uint32_t events)
{
    watch(self->config.epoll_fd, self->socket, events, self->config.epoll_tag);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *per_socket)
{
    static const uint32_t events[] = {
        [CURL_POLL_NONE] = 0,       [CURL_POLL_IN] = EPOLLIN,
        [CURL_POLL_OUT] = EPOLLOUT, [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT,
        [CURL_POLL_REMOVE] = 0,
    };
    socket_transport *self = user;

    watch(self->connecting_fd, fd, events[what], (uint64_t)fd);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    socket_transport *self = user;

    self->due = timeout_ms == 0;
    self->deadline = timeout_ms < 0 ? INT64_MAX : self->now + timeout_ms;
    return 0;
}

/* ---- connecting ---- */

static void drop_easy(socket_transport *self)
{
    if (self->easy) {
        curl_multi_remove_handle(self->multi, self->easy);
        curl_easy_cleanup(self->easy);
    }
    self->easy = NULL;
}

static void close_transport(cvx_transport *transport)
{
    socket_transport *self = self_of(transport);

    if (self->socket != CURL_SOCKET_BAD) {
        watch_socket(self, 0);
        if (!self->tls)
            close(self->socket);
    }
    self->socket = CURL_SOCKET_BAD;
    cvx_dial_stop(&self->dial);
    self->dialing = false;
    drop_easy(self);
    self->state = CVX_TRANSPORT_IDLE;
    self->deadline = INT64_MAX;
    self->due = self->want_write = self->drained = false;
    self->staged = 0;
}

static cvx_transport_state fail(socket_transport *self, const char *what, CURLcode code)
{
    snprintf(self->error, sizeof self->error, "%s: %s", what,
             cvx_network_words(code, self->curl_error));
    close_transport(&self->base);
    self->state = CVX_TRANSPORT_FAILED;
    return self->state;
}

static bool set_up(socket_transport *self, CURL *easy, const char *url)
{
    bool ok = curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK;

    ok = ok && curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
                   CURLE_OK; /* else ALPN may choose h2 */
    ok = ok && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, self->curl_error) == CURLE_OK;
    return ok && cvx_network_apply(self->config.network, easy) == CURLE_OK;
}

/* The proxy for this URL, libcurl's choice as to exceptions; NULL or "": none. */
static const char *proxy_of(const socket_transport *self)
{
    const char *proxy = self->config.network->proxy;

    if (!proxy && !self->config.network->unix_socket)
        for (size_t i = 0; i < 3 && !proxy; i++)
            proxy = getenv((const char *[]){"http_proxy", "all_proxy", "ALL_PROXY"}[i]);
    return proxy;
}

/* What is used while connecting, and with TLS later on. */
static bool get_tools(socket_transport *self)
{
    if (!self->multi) {
        self->multi = curl_multi_init();
        if (!self->multi)
            return false;
        curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
        curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, on_timer);
        curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    }
    if (self->tls && !self->stage)
        self->stage = cvx_alloc(&self->config.mem, STAGE_SIZE);
    return !self->tls || self->stage;
}

static convex_status connect_by_libcurl(socket_transport *self, const char *url)
{
    const char *fault = cvx_curl_load();
    CURL *easy;

    if (fault) {
        snprintf(self->curl_error, sizeof self->curl_error, "%s", fault);
        fail(self, "connecting failed", CURLE_FAILED_INIT);
        return CONVEX_OK;
    }
    easy = get_tools(self) ? curl_easy_init() : NULL;
    if (!easy || !set_up(self, easy, url) || curl_multi_add_handle(self->multi, easy) != CURLM_OK) {
        if (easy)
            curl_easy_cleanup(easy);
        return CONVEX_ENOMEM;
    }
    self->easy = easy;
    return CONVEX_OK;
}

static convex_status connect_transport(cvx_transport *transport, const char *url)
{
    socket_transport *self = self_of(transport);
    const char *proxy = proxy_of(self), *unix_socket = self->config.network->unix_socket;
    bool tls = strncasecmp(url, "https:", 6) == 0;

    close_transport(transport);
    self->curl_error[0] = '\0';
    self->tls = tls || (proxy && strncasecmp(proxy, "https:", 6) == 0);
    self->state = CVX_TRANSPORT_CONNECTING;
    self->due = true;
    self->dialing = !tls && (!proxy || !proxy[0]);
    if (!self->dialing)
        return connect_by_libcurl(self, url);
    if (unix_socket)
        cvx_dial_start_unix(&self->dial, unix_socket);
    else
        cvx_dial_start(&self->dial, url);
    return CONVEX_OK;
}

/* Takes the socket over, and lets libcurl go. */
static void take_socket(socket_transport *self)
{
    self->socket = fcntl(self->socket, F_DUPFD_CLOEXEC, 0);
    drop_easy(self);
    curl_multi_cleanup(self->multi);
    self->multi = NULL;
}

static cvx_transport_state opened(socket_transport *self)
{
    self->state = CVX_TRANSPORT_OPEN;
    self->deadline = INT64_MAX;
    self->due = false;
    watch_socket(self, EPOLLIN);
    return self->state;
}

static cvx_transport_state connected(socket_transport *self)
{
    CURLcode code = curl_easy_getinfo(self->easy, CURLINFO_ACTIVESOCKET, &self->socket);

    if (code == CURLE_OK && self->socket != CURL_SOCKET_BAD && !self->tls)
        take_socket(self);
    if (code != CURLE_OK || self->socket == CURL_SOCKET_BAD)
        return fail(self, "connecting failed", CURLE_COULDNT_CONNECT);
    return opened(self);
}

static cvx_transport_state process_dial(socket_transport *self)
{
    cvx_dial_state state = cvx_dial_process(&self->dial, self->now, &self->socket);

    self->due = false;
    self->deadline = self->dial.next_at;
    if (state == CVX_DIAL_DONE)
        return opened(self);
    if (state == CVX_DIAL_WAITING)
        return self->state;
    snprintf(self->curl_error, sizeof self->curl_error, "%s", self->dial.error);
    return fail(self, "connecting failed", CURLE_COULDNT_CONNECT);
}

static void run_libcurl(socket_transport *self)
{
    struct epoll_event events[8];
    int running, count = epoll_wait(self->connecting_fd, events, 8, 0);

    for (int i = 0; i < count; i++) {
        int ready = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(self->multi, (curl_socket_t)events[i].data.u64, ready, &running);
    }
    if (self->due || self->now >= self->deadline) {
        self->due = false;
        self->deadline = INT64_MAX;
        curl_multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

static cvx_transport_state process(cvx_transport *transport, int64_t now_ms)
{
    socket_transport *self = self_of(transport);
    CURLMsg *message;
    int left;

    self->now = now_ms;
    if (self->state != CVX_TRANSPORT_CONNECTING)
        return self->state;
    if (self->dialing)
        return process_dial(self);
    run_libcurl(self);
    while ((message = curl_multi_info_read(self->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE || message->easy_handle != self->easy)
            continue;
        if (message->data.result != CURLE_OK)
            return fail(self, "connecting failed", message->data.result);
        return connected(self);
    }
    return self->state;
}

static int64_t deadline(const cvx_transport *transport)
{
    const socket_transport *self = self_of(transport);
    return self->due ? self->now : self->deadline;
}

/* ---- bytes ---- */

static cvx_io broken(socket_transport *self, CURLcode code)
{
    fail(self, "connection lost", code);
    return CVX_IO_BROKEN;
}

/* After a call on our own socket that moved nothing. */
static cvx_io refused(socket_transport *self)
{
    if (errno == EAGAIN || errno == EINTR)
        return CVX_IO_AGAIN;
    snprintf(self->curl_error, sizeof self->curl_error, "%s", strerror(errno));
    return broken(self, CURLE_RECV_ERROR);
}

static cvx_io receive_plain(socket_transport *self, void *ret, size_t capacity, size_t *ret_len)
{
    ssize_t got;

    if (self->drained) { /* what came since wakes the loop again: one call less for most messages */
        self->drained = false;
        return CVX_IO_AGAIN;
    }
    got = recv(self->socket, ret, capacity, 0);
    if (got < 0)
        return refused(self);
    self->drained = got > 0 && (size_t)got < capacity;
    *ret_len = (size_t)got;
    return got > 0 ? CVX_IO_MOVED : CVX_IO_END;
}

static cvx_io send_plain(socket_transport *self, const void *data, size_t len, size_t *ret_len)
{
    ssize_t sent = len > 0 ? send(self->socket, data, len, MSG_NOSIGNAL) : 0;

    if (sent < 0)
        return refused(self);
    *ret_len = (size_t)sent;
    return sent > 0 ? CVX_IO_MOVED : CVX_IO_AGAIN;
}

static cvx_io receive(cvx_transport *transport, void *ret, size_t capacity, size_t *ret_len)
{
    socket_transport *self = self_of(transport);
    CURLcode code;

    if (self->state != CVX_TRANSPORT_OPEN)
        return CVX_IO_BROKEN;
    if (!self->tls)
        return receive_plain(self, ret, capacity, ret_len);
    self->curl_error[0] = '\0';
    code = curl_easy_recv(self->easy, ret, capacity, ret_len);
    if (code == CURLE_AGAIN)
        return CVX_IO_AGAIN;
    if (code != CURLE_OK)
        return broken(self, code);
    return *ret_len > 0 ? CVX_IO_MOVED : CVX_IO_END;
}

static cvx_io send_sealed(socket_transport *self, const void *data, size_t len, size_t *ret_len)
{
    CURLcode code;

    self->curl_error[0] = '\0';
    code = curl_easy_send(self->easy, data, len, ret_len);
    if (code == CURLE_AGAIN || (code == CURLE_OK && *ret_len == 0))
        return CVX_IO_AGAIN;
    return code == CURLE_OK ? CVX_IO_MOVED : broken(self, code);
}

/* The stage first; what it holds was taken from the caller before. */
static cvx_io flush_stage(socket_transport *self)
{
    while (self->staged > 0) {
        size_t sent = 0;
        cvx_io io = send_sealed(self, self->stage, self->staged, &sent);
        if (io != CVX_IO_MOVED)
            return io;
        self->staged -= sent;
        memmove(self->stage, self->stage + sent, self->staged);
    }
    return CVX_IO_MOVED;
}

static cvx_io send_bytes(cvx_transport *transport, const void *data, size_t len, size_t *ret_len)
{
    socket_transport *self = self_of(transport);
    cvx_io io;

    if (self->state != CVX_TRANSPORT_OPEN)
        return CVX_IO_BROKEN;
    if (!self->tls)
        return send_plain(self, data, len, ret_len);
    io = flush_stage(self);
    if (io != CVX_IO_MOVED)
        return io;
    if (len == 0)
        return CVX_IO_AGAIN;
    self->staged = len < STAGE_SIZE ? len : STAGE_SIZE;
    memcpy(self->stage, data, self->staged);
    *ret_len = self->staged;
    io = flush_stage(self);
    return io == CVX_IO_BROKEN ? io : CVX_IO_MOVED;
}

static void want_write(cvx_transport *transport, bool want)
{
    socket_transport *self = self_of(transport);

    want = want || self->staged > 0;
    if (self->state != CVX_TRANSPORT_OPEN || want == self->want_write)
        return;
    self->want_write = want;
    watch_socket(self, EPOLLIN | (want ? (uint32_t)EPOLLOUT : 0));
}

static const char *error(const cvx_transport *transport)
{
    return self_of(transport)->error;
}

static void free_transport(cvx_transport *transport)
{
    socket_transport *self = self_of(transport);
    convex_mem mem = self->config.mem;

    close_transport(transport);
    if (self->multi)
        curl_multi_cleanup(self->multi);
    if (self->connecting_fd >= 0)
        close(self->connecting_fd);
    cvx_free(&mem, self->stage);
    cvx_free(&mem, self);
}

static const cvx_transport_ops socket_ops = {
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

cvx_transport *cvx_transport_socket_new(const cvx_transport_config *config)
{
    socket_transport *self = cvx_alloc(&config->mem, sizeof *self);

    if (!self)
        return NULL;
    *self = (socket_transport){.base.ops = &socket_ops,
                               .config = *config,
                               .socket = CURL_SOCKET_BAD,
                               .deadline = INT64_MAX};
    self->connecting_fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->connecting_fd < 0) {
        free_transport(&self->base);
        return NULL;
    }
    self->dial = (cvx_dial){.epoll_fd = self->connecting_fd, .next_at = INT64_MAX};
    watch(config->epoll_fd, self->connecting_fd, EPOLLIN, config->epoll_tag);
    return &self->base;
}
