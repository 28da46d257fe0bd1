/* http_peer.h - a scripted HTTP server on the loopback: takes each request, answers with
 * the next step of its script, and remembers what it was asked. One thread of its own. */
#ifndef TESTS_HTTP_PEER_H
#define TESTS_HTTP_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support.h"

enum { PEER_CONNECTIONS = 24, PEER_REQUESTS = 256, PEER_BUFFER = 2 << 20 };

typedef enum peer_step_kind {
    PEER_END = 0, /* of the script: its last step is used again */
    PEER_ANSWER,  /* `status` and `body`, the connection stays */
    PEER_RAW,     /* the bytes of `body`, then close */
    PEER_PART,    /* the bytes of `body`, and nothing more */
    PEER_DROP,    /* close without a byte */
    PEER_SILENCE  /* nothing, for ever */
} peer_step_kind;

typedef struct peer_step {
    peer_step_kind kind;
    int status;
    const char *body;
    const char *header; /* one more line, or NULL */
    size_t len;         /* of `body`, when it is no text; 0: strlen */
} peer_step;

typedef struct peer_connection {
    int fd;
    size_t len;
    char *buffer;
} peer_connection;

typedef struct peer {
    int listener, wake[2];
    unsigned port;
    const peer_step *script;
    pthread_t thread;
    atomic_size_t seen; /* requests so far, for other threads */
    peer_connection connections[PEER_CONNECTIONS];
    /* Read after peer_stop(), or by the thread itself. */
    char *requests[PEER_REQUESTS];
    size_t lengths[PEER_REQUESTS];
    size_t request_count, connection_count;
} peer;

/* The length of the first whole request in the buffer, or 0. */
static inline size_t peer_whole_request(const peer_connection *c)
{
    const char *end = memmem(c->buffer, c->len, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - c->buffer) + 4, body = 0;
    for (const char *line = c->buffer; line < end; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, "content-length:", 15) == 0)
            body = strtoul(line + 15, NULL, 10);
        if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0) {
            const char *last = memmem(end, c->len - (head - 4), "\r\n0\r\n\r\n", 7);
            return last == NULL ? 0 : (size_t)(last - c->buffer) + 7;
        }
    }
    return c->len >= head + body ? head + body : 0;
}

static inline void peer_write(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static inline void peer_close(peer_connection *c)
{
    close(c->fd);
    c->fd = -1;
    c->len = 0;
}

static inline void peer_answer(peer *p, peer_connection *c)
{
    const peer_step *step = p->script;
    size_t len = step->len > 0 || step->body == NULL ? step->len : strlen(step->body);
    if (step[1].kind != PEER_END)
        p->script++;
    if (step->kind == PEER_ANSWER) {
        char head[512];
        int n = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s%s\r\n",
                         step->status, len, step->header ? step->header : "",
                         step->header ? "\r\n" : "");
        peer_write(c->fd, head, (size_t)n);
        peer_write(c->fd, step->body, len);
    } else if (step->kind == PEER_RAW || step->kind == PEER_PART) {
        peer_write(c->fd, step->body, len);
        if (step->kind == PEER_RAW)
            peer_close(c);
    } else if (step->kind == PEER_DROP) {
        peer_close(c);
    }
}

static inline void peer_read(peer *p, peer_connection *c)
{
    ssize_t n = recv(c->fd, c->buffer + c->len, PEER_BUFFER - 1 - c->len, 0);
    if (n <= 0) {
        peer_close(c);
        return;
    }
    c->len += (size_t)n;
    c->buffer[c->len] = '\0';
    for (size_t len; c->fd >= 0 && (len = peer_whole_request(c)) > 0;) {
        if (p->request_count < PEER_REQUESTS) {
            char *copy = malloc(len + 1);
            memcpy(copy, c->buffer, len);
            copy[len] = '\0';
            p->lengths[p->request_count] = len;
            p->requests[p->request_count++] = copy;
            atomic_store(&p->seen, p->request_count);
        }
        memmove(c->buffer, c->buffer + len, c->len - len + 1);
        c->len -= len;
        peer_answer(p, c);
    }
}

static inline void peer_accept(peer *p)
{
    int fd = accept(p->listener, NULL, NULL);
    for (int i = 0; i < PEER_CONNECTIONS && fd >= 0; i++) {
        if (p->connections[i].fd >= 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        p->connections[i].fd = fd;
        if (p->connections[i].buffer == NULL)
            p->connections[i].buffer = malloc(PEER_BUFFER);
        p->connection_count++;
        return;
    }
    if (fd >= 0)
        close(fd);
}

static inline void *peer_run(void *arg)
{
    peer *p = arg;
    struct pollfd fds[PEER_CONNECTIONS + 2];
    for (;;) {
        for (int i = 0; i < PEER_CONNECTIONS; i++)
            fds[i] = (struct pollfd){p->connections[i].fd, POLLIN, 0};
        fds[PEER_CONNECTIONS] = (struct pollfd){p->listener, POLLIN, 0};
        fds[PEER_CONNECTIONS + 1] = (struct pollfd){p->wake[0], POLLIN, 0};
        poll(fds, PEER_CONNECTIONS + 2, -1);
        if (fds[PEER_CONNECTIONS + 1].revents != 0)
            return NULL;
        for (int i = 0; i < PEER_CONNECTIONS; i++) {
            if (fds[i].fd >= 0 && fds[i].revents != 0)
                peer_read(p, &p->connections[i]);
        }
        if (fds[PEER_CONNECTIONS].revents != 0)
            peer_accept(p);
    }
}

static inline void peer_start(peer *p, const peer_step *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    memset(p, 0, sizeof *p);
    p->script = script;
    p->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(p->listener >= 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(p->listener, 32), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&address, &len), 0);
    p->port = ntohs(address.sin_port);
    assert_int_equal(pipe(p->wake), 0);
    for (int i = 0; i < PEER_CONNECTIONS; i++)
        p->connections[i].fd = -1;
    assert_int_equal(pthread_create(&p->thread, NULL, peer_run, p), 0);
}

/* Ends the thread; the requests may be read until peer_done(). */
static inline void peer_stop(peer *p)
{
    assert_int_equal(write(p->wake[1], "x", 1), 1);
    pthread_join(p->thread, NULL);
    for (int i = 0; i < PEER_CONNECTIONS; i++) {
        if (p->connections[i].fd >= 0)
            close(p->connections[i].fd);
        free(p->connections[i].buffer);
    }
    close(p->listener);
    close(p->wake[0]);
    close(p->wake[1]);
}

static inline void peer_done(peer *p)
{
    for (size_t i = 0; i < p->request_count; i++)
        free(p->requests[i]);
}

#endif
