/* peer.c - a scripted server on loopback.
 * One accepting thread, one thread for each connection, all joined by peer_stop(). */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNS 64

struct peer {
    int fd;
    int port;
    peer_script *script;
    void *user;
    SSL_CTX *tls;
    pthread_t acceptor;
    pthread_mutex_t lock;
    bool stopping;
    unsigned n;
    pthread_t threads[CONNS];
    peer_conn *conns[CONNS];
};

static void *serve(void *user)
{
    peer_conn *conn = user;

    conn->ssl = conn->peer->tls ? SSL_new(conn->peer->tls) : NULL;
    if (!conn->ssl || (SSL_set_fd(conn->ssl, conn->fd) == 1 && SSL_accept(conn->ssl) == 1))
        conn->peer->script(conn);
    SSL_free(conn->ssl);
    shutdown(conn->fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *user)
{
    peer *p = user;

    for (;;) {
        int fd = accept(p->fd, NULL, NULL);
        int on = 1;
        if (fd < 0)
            return NULL;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        pthread_mutex_lock(&p->lock);
        bool take = !p->stopping && p->n < CONNS;
        if (take) {
            peer_conn *conn = calloc(1, sizeof *conn);
            conn->peer = p;
            conn->fd = fd;
            conn->number = p->n;
            conn->user = p->user;
            p->conns[p->n] = conn;
            pthread_create(&p->threads[p->n++], NULL, serve, conn);
        }
        pthread_mutex_unlock(&p->lock);
        if (!take)
            close(fd);
    }
}

peer *peer_start(peer_script *script, void *user)
{
    return peer_start_tls(script, user, NULL);
}

peer *peer_start_tls(peer_script *script, void *user, SSL_CTX *tls)
{
    peer *p = calloc(1, sizeof *p);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    p->script = script;
    p->user = user;
    p->tls = tls;
    if (tls) /* OpenSSL writes without MSG_NOSIGNAL */
        signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&p->lock, NULL);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(p->fd, (struct sockaddr *)&address, size) != 0 || listen(p->fd, 64) != 0 ||
        getsockname(p->fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    p->port = ntohs(address.sin_port);
    pthread_create(&p->acceptor, NULL, accept_all, p);
    return p;
}

int peer_port(const peer *p)
{
    return p->port;
}

void peer_stop(peer *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    for (unsigned i = 0; i < p->n; i++)
        shutdown(p->conns[i]->fd, SHUT_RDWR);
    pthread_mutex_unlock(&p->lock);
    shutdown(p->fd, SHUT_RDWR);
    pthread_join(p->acceptor, NULL);
    for (unsigned i = 0; i < p->n; i++) {
        pthread_join(p->threads[i], NULL);
        close(p->conns[i]->fd);
        free(p->conns[i]);
    }
    close(p->fd);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static bool fill(peer_conn *conn)
{
    ssize_t n;

    if (conn->have == sizeof conn->in)
        return false;
    do
        n = conn->ssl
                ? SSL_read(conn->ssl, conn->in + conn->have, (int)(sizeof conn->in - conn->have))
                : recv(conn->fd, conn->in + conn->have, sizeof conn->in - conn->have, 0);
    while (!conn->ssl && n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    conn->have += (size_t)n;
    return true;
}

static void consume(peer_conn *conn, size_t n)
{
    conn->have -= n;
    memmove(conn->in, conn->in + n, conn->have);
}

static size_t content_length(const char *head)
{
    for (const char *line = head; line; line = strstr(line, "\r\n")) {
        line += *line == '\r' ? 2 : 0;
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            return (size_t)strtoul(line + 15, NULL, 10);
    }
    return 0;
}

bool peer_read_request(peer_conn *conn, peer_request *ret)
{
    char *end;

    memset(ret, 0, sizeof *ret);
    while (!(end = memmem(conn->in, conn->have, "\r\n\r\n", 4)))
        if (!fill(conn))
            return false;
    size_t n = (size_t)(end - conn->in) + 4;
    if (n >= sizeof ret->head)
        return false;
    memcpy(ret->head, conn->in, n);
    consume(conn, n);
    sscanf(ret->head, "%7s %255s", ret->method, ret->path);
    ret->body_size = content_length(ret->head);
    if (ret->body_size >= sizeof ret->body)
        return false;
    while (conn->have < ret->body_size)
        if (!fill(conn))
            return false;
    memcpy(ret->body, conn->in, ret->body_size);
    consume(conn, ret->body_size);
    return true;
}

static void put(peer_conn *conn, const void *data, size_t size)
{
    const char *at = data;

    while (size) {
        ssize_t n = conn->ssl ? SSL_write(conn->ssl, at, (int)size)
                              : send(conn->fd, at, size, MSG_NOSIGNAL);
        if (!conn->ssl && n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        at += n;
        size -= (size_t)n;
    }
}

void peer_write(peer_conn *conn, const char *text)
{
    put(conn, text, strlen(text));
}

void peer_answer(peer_conn *conn, const char *status, const char *headers, const char *body)
{
    char text[4096];

    snprintf(text, sizeof text,
             "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
             status, strlen(body), headers, body);
    peer_write(conn, text);
}

bool peer_upgrade(peer_conn *conn)
{
    peer_request request;
    char key[128];
    unsigned char hash[20];
    char accept_text[64];
    char answer[256];
    const char *found;

    if (!peer_read_request(conn, &request))
        return false;
    found = strcasestr(request.head, "Sec-WebSocket-Key:");
    if (!found || sscanf(found + 18, " %60s", key) != 1)
        return false;
    strcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    lws_SHA1((unsigned char *)key, strlen(key), hash);
    lws_b64_encode_string((const char *)hash, 20, accept_text, sizeof accept_text);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             accept_text);
    peer_write(conn, answer);
    return true;
}

void peer_frame(peer_conn *conn, bool fin, int opcode, const void *data, size_t size)
{
    unsigned char head[10] = {(unsigned char)((fin ? 0x80 : 0) | opcode)};
    size_t n = 2;

    if (size < 126) {
        head[1] = (unsigned char)size;
    } else if (size < 65536) {
        head[1] = 126;
        head[2] = (unsigned char)(size >> 8);
        head[3] = (unsigned char)size;
        n = 4;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)((unsigned long long)size >> (56 - 8 * i));
        n = 10;
    }
    put(conn, head, n);
    put(conn, data, size);
}

void peer_text(peer_conn *conn, const char *text)
{
    peer_frame(conn, true, 1, text, strlen(text));
}

void peer_close_frame(peer_conn *conn, int code, const char *reason)
{
    char data[128];

    data[0] = (char)(code >> 8);
    data[1] = (char)code;
    memcpy(data + 2, reason, strlen(reason));
    peer_frame(conn, true, 8, data, 2 + strlen(reason));
}

int peer_read_frame(peer_conn *conn, char *ret, size_t space, size_t *ret_size)
{
    const unsigned char *in = (const unsigned char *)conn->in;

    for (;;) {
        size_t n = conn->have >= 2 ? in[1] & 0x7F : 0;
        size_t head = 6;
        if (n == 126) {
            n = conn->have >= 4 ? (size_t)in[2] << 8 | in[3] : sizeof conn->in;
            head = 8;
        }
        if (conn->have >= head && conn->have >= head + n && n < space) {
            int opcode = in[0] & 0x0F;
            for (size_t i = 0; i < n; i++)
                ret[i] = (char)(in[head + i] ^ in[head - 4 + i % 4]);
            ret[n] = '\0';
            *ret_size = n;
            consume(conn, head + n);
            return opcode;
        }
        if (!fill(conn))
            return -1;
    }
}

void peer_drain(peer_conn *conn)
{
    do
        conn->have = 0;
    while (fill(conn));
}
