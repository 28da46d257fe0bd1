/* status.c - a daemon's health over HTTP.
 * Owns a libmicrohttpd server with its thread. What that thread reads is under the lock, but for
 * the metrics, which any thread may print. */
#include "daemon/status.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/address.h"

enum { CONNECTIONS = 16, TIMEOUT_S = 5, MEMORY = 8 * 1024 };

struct daemon_status {
    struct MHD_Daemon *server;
    const daemon_metrics *metrics;
    char address[80];
    pthread_mutex_t lock;
    bool ready;
    char why[200];
};

/* `text` is taken; NULL: out of memory. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, char *text)
{
    static const char type[] = "text/plain; version=0.0.4; charset=utf-8";
    struct MHD_Response *response =
        text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL;
    enum MHD_Result result;

    if (!response) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_ready(daemon_status *self, struct MHD_Connection *connection)
{
    char text[220];
    bool ready;

    pthread_mutex_lock(&self->lock);
    ready = self->ready;
    snprintf(text, sizeof(text), "%s\n", ready ? "ready" : self->why);
    pthread_mutex_unlock(&self->lock);
    return answer(connection, ready ? 200 : 503, strdup(text));
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    daemon_status *self = user;
    static int begun;

    if (*state == NULL) { /* the head; the answer follows when the request is whole */
        *state = &begun;
        return MHD_YES;
    }
    if (*upload_size > 0) { /* nothing that we answer has a body */
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer(connection, 405, strdup("only GET\n"));
    if (strcmp(path, "/healthz") == 0)
        return answer(connection, 200, strdup("ok\n"));
    if (strcmp(path, "/readyz") == 0)
        return answer_ready(self, connection);
    if (strcmp(path, "/metrics") == 0 && self->metrics)
        return answer(connection, 200, daemon_metrics_text(self->metrics, NULL));
    return answer(connection, 404, strdup("there are /healthz, /readyz and /metrics\n"));
}

int daemon_status_open(const char *listen, const daemon_metrics *metrics, daemon_status **ret,
                       char *reason, size_t reason_size)
{
    const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
    daemon_status *self = calloc(1, sizeof(*self));
    int fd;

    if (!self) {
        snprintf(reason, reason_size, "out of memory");
        return -ENOMEM;
    }
    fd = daemon_address_listen(listen, reason, reason_size);
    if (fd < 0) {
        free(self);
        return fd;
    }
    self->metrics = metrics;
    pthread_mutex_init(&self->lock, NULL);
    strcpy(self->why, "starting");
    daemon_address_name(fd, self->address, sizeof(self->address));
    self->server = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, self, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_END);
    if (!self->server) {
        snprintf(reason, reason_size, "the HTTP server does not start at %s", listen);
        close(fd);
        daemon_status_close(self);
        return -EIO;
    }
    *ret = self;
    return 0;
}

void daemon_status_close(daemon_status *self)
{
    if (!self)
        return;
    if (self->server)
        MHD_stop_daemon(self->server);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void daemon_status_set(daemon_status *self, bool ready, const char *why)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->ready = ready;
    snprintf(self->why, sizeof(self->why), "%s", why);
    pthread_mutex_unlock(&self->lock);
}

const char *daemon_status_address(const daemon_status *self)
{
    return self->address;
}
