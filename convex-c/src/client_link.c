/* client_link.c - the WebSocket to the deployment.
 * Owns the transport, the framing and their buffers. Loop thread only. Invariant: after
 * CLOSED, or cvx_link_close(), no event comes before the next cvx_link_open(). */
#include "client_link.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "auth_internal.h"
#include "error_internal.h"
#include "network_internal.h"
#include "sync_internal.h"

/* Masks need to be unpredictable, and a system call for each would be dear. */
static void take_random(void *user, void *ret, size_t len)
{
    cvx_link *link = user;

    if (link->pooled < len) {
        size_t have = 0;
        while (have < sizeof link->pool) {
            ssize_t got = getrandom(link->pool + have, sizeof link->pool - have, 0);
            if (got > 0)
                have += (size_t)got;
        }
        link->pooled = sizeof link->pool;
    }
    link->pooled -= len;
    memcpy(ret, link->pool + link->pooled, len);
    memset(link->pool + link->pooled, 0, len);
}

/* ---- settings ---- */

static char *joined(const convex_mem *mem, const char *a, size_t a_len, const char *b,
                    const char *c)
{
    cvx_text text;
    char *ret = NULL;

    cvx_text_init(&text, mem);
    cvx_text_add(&text, a, a_len);
    cvx_text_add_str(&text, b);
    cvx_text_add_str(&text, c);
    return cvx_text_take(&text, &ret, NULL) == CONVEX_OK ? ret : NULL;
}

/* "HTTPS://host:1/base/" is the origin "https://host:1" and the path "/base/api/sync". */
static bool copy_settings(cvx_link *link, const cvx_link_config *config)
{
    const char *host = strchr(config->url, ':') + 3;
    const char *path = host + strcspn(host, "/");
    size_t base = strlen(path);
    bool tls = strncasecmp(config->url, "https", 5) == 0;

    while (base > 0 && path[base - 1] == '/')
        base--;
    link->host = cvx_strndup(&link->mem, host, (size_t)(path - host));
    link->path = joined(&link->mem, path, base, "/api/sync", "");
    link->headers = joined(&link->mem, "Convex-Client: ", 15, config->client_name, "\r\n");
    if (link->host)
        link->origin = joined(&link->mem, tls ? "https" : "http", tls ? 5 : 4, "://", link->host);
    return link->path && link->headers && link->origin &&
           cvx_network_copy(config->network, &link->mem, &link->network);
}

convex_status cvx_link_init(cvx_link *link, const cvx_link_config *config, convex_error *reterr)
{
    const char *fault = cvx_network_fault(config->network, config->url);
    const char *name = config->client_name;

    if (!fault && config->transport)
        fault = config->transport->fault(config->transport, config->network);
    if (!fault && !cvx_auth_is_client_name(name))
        fault = "client_name is not of the form name-1.2.3";
    if (fault)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s", fault);
    *link = (cvx_link){.mem = config->mem,
                       .ws_config = {.mem = config->mem,
                                     .max_message = config->max_message,
                                     .deflate = config->deflate,
                                     .random = take_random,
                                     .user = link}};
    cvx_ws_init(&link->ws, &link->ws_config);
    if (copy_settings(link, config)) {
        const convex_transport_factory *factory = config->transport;
        cvx_transport_config how = {.mem = config->mem,
                                    .epoll_fd = config->epoll_fd,
                                    .epoll_tag = config->epoll_tag,
                                    .network = &link->network};
        link->transport = factory ? factory->make(factory, &how) : cvx_transport_socket_new(&how);
    }
    if (!link->transport) {
        cvx_link_done(link);
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    return CONVEX_OK;
}

void cvx_link_done(cvx_link *link)
{
    if (link->transport)
        link->transport->ops->free(link->transport);
    cvx_ws_done(&link->ws);
    cvx_free(&link->mem, link->origin);
    cvx_free(&link->mem, link->host);
    cvx_free(&link->mem, link->path);
    cvx_free(&link->mem, link->headers);
    cvx_network_done(&link->network, &link->mem);
    *link = (cvx_link){.mem = link->mem};
}

/* ---- life of one connection ---- */

convex_status cvx_link_open(cvx_link *link)
{
    convex_status status = link->transport->ops->connect(link->transport, link->origin);

    cvx_ws_done(&link->ws);
    cvx_ws_init(&link->ws, &link->ws_config);
    link->started = link->broken = false;
    link->active = status == CONVEX_OK;
    return status;
}

static void drop(cvx_link *link)
{
    link->transport->ops->close(link->transport);
    cvx_ws_done(&link->ws);
    link->active = false;
}

void cvx_link_close(cvx_link *link)
{
    if (!link->active)
        return;
    cvx_ws_send_close(&link->ws, 0);
    cvx_link_flush(link);
    drop(link);
}

bool cvx_link_send(cvx_link *link, const char *text, size_t len)
{
    return link->active && cvx_ws_send_text(&link->ws, text, len);
}

bool cvx_link_ping(cvx_link *link, const char *data, size_t len)
{
    return link->active && cvx_ws_send_ping(&link->ws, data, len);
}

void cvx_link_flush(cvx_link *link)
{
    const cvx_transport_ops *ops = link->transport->ops;
    cvx_io io = CVX_IO_MOVED;
    const char *data = NULL;
    size_t len = 0, sent;

    if (!link->active || !link->started)
        return;
    while (io == CVX_IO_MOVED && (data = cvx_ws_pending(&link->ws, &len)) != NULL) {
        sent = 0;
        io = ops->send(link->transport, data, len, &sent);
        if (io == CVX_IO_MOVED)
            cvx_ws_sent(&link->ws, sent);
        link->sent += sent;
    }
    if (!data)
        io = ops->send(link->transport, "", 0, &sent); /* what the transport itself holds back */
    if (io == CVX_IO_BROKEN)
        link->broken = true;
    ops->want_write(link->transport, data != NULL);
}

int64_t cvx_link_deadline(const cvx_link *link)
{
    if (link->active && link->broken)
        return 0; /* no descriptor may tell of it any more */
    return link->active ? link->transport->ops->deadline(link->transport) : INT64_MAX;
}

/* ---- events ---- */

static cvx_link_kind closed(cvx_link *link, cvx_link_event *ret, unsigned code, const char *detail)
{
    ret->kind = CVX_LINK_CLOSED;
    ret->code = code;
    cvx_sync_line(ret->detail, sizeof ret->detail, detail, strlen(detail));
    cvx_link_flush(link); /* our part of the closing handshake */
    drop(link);
    return ret->kind;
}

static cvx_link_kind refused(cvx_link *link, const cvx_ws_event *event, cvx_link_event *ret)
{
    int at = snprintf(link->refusal, sizeof link->refusal, "HTTP %u", event->code);

    if (event->len > 0) {
        link->refusal[at++] = ':';
        link->refusal[at++] = ' ';
        cvx_sync_line(link->refusal + at, sizeof link->refusal - (size_t)at, event->text,
                      event->len);
    }
    ret->refusal = link->refusal;
    return closed(link, ret, 1006, "the server refused the WebSocket");
}

static cvx_link_kind translate(cvx_link *link, const cvx_ws_event *event, cvx_link_event *ret)
{
    switch (event->kind) {
    case CVX_WS_OPEN:
        return ret->kind = CVX_LINK_OPENED;
    case CVX_WS_TEXT:
        ret->text = event->text;
        ret->len = event->len;
        return ret->kind = CVX_LINK_MESSAGE;
    case CVX_WS_PONG:
        ret->text = event->text;
        ret->len = event->len;
        return ret->kind = CVX_LINK_PONG;
    case CVX_WS_CLOSED:
        cvx_sync_line(ret->reason, sizeof ret->reason, event->text, event->len);
        return closed(link, ret, event->code, "");
    case CVX_WS_REFUSED:
        return refused(link, event, ret);
    case CVX_WS_FAILED:
        return closed(link, ret, 1006, event->text);
    default:
        return CVX_LINK_NONE;
    }
}

/* False when there is nothing more for now. */
static bool fill(cvx_link *link, cvx_link_event *ret)
{
    size_t capacity = 0, len = 0;
    char *room = cvx_ws_space(&link->ws, &capacity);
    cvx_ws_event last;
    cvx_io io;

    if (!room) {
        closed(link, ret, 1006, "out of memory");
        return true;
    }
    io = link->transport->ops->receive(link->transport, room, capacity, &len);
    if (io == CVX_IO_MOVED)
        cvx_ws_filled(&link->ws, len);
    link->received += len;
    if (io == CVX_IO_MOVED || io == CVX_IO_AGAIN)
        return io == CVX_IO_MOVED;
    if (cvx_ws_end(&link->ws, &last) != CVX_WS_NONE)
        translate(link, &last, ret);
    else
        closed(link, ret, 1006,
               io == CVX_IO_END ? "the server ended the connection"
                                : link->transport->ops->error(link->transport));
    return true;
}

cvx_link_kind cvx_link_next(cvx_link *link, int64_t now_ms, cvx_link_event *ret)
{
    const cvx_transport_ops *ops = link->transport->ops;
    cvx_ws_event event;

    ret->kind = CVX_LINK_NONE;
    ret->refusal = NULL;
    ret->reason[0] = ret->detail[0] = '\0'; /* not all of it: each frame comes here */
    if (!link->active)
        return CVX_LINK_NONE;
    switch (ops->process(link->transport, now_ms)) {
    case CVX_TRANSPORT_OPEN:
        if (link->broken)
            return closed(link, ret, 1006, ops->error(link->transport));
        break;
    case CVX_TRANSPORT_FAILED:
        return closed(link, ret, 1006, ops->error(link->transport));
    default:
        return CVX_LINK_NONE;
    }
    if (!link->started) {
        link->started = true;
        if (!cvx_ws_start(&link->ws, link->host, link->path, link->headers))
            return closed(link, ret, 1006, "out of memory");
        cvx_link_flush(link);
    }
    do {
        if (cvx_ws_next(&link->ws, &event) != CVX_WS_NONE)
            return translate(link, &event, ret);
    } while (fill(link, ret) && ret->kind == CVX_LINK_NONE);
    return ret->kind;
}
