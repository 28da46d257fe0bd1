/* client_server.h - a WebSocket server for tests, on loopback or a Unix socket, plain or with TLS:
 * a script in a thread of its own. A script never asserts (it is not the test's thread); it notes
 * what went wrong. */
#ifndef CLIENT_SERVER_H
#define CLIENT_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "convex/client.h"
#include "sync.h"
#include "sync_wire.h"
#include "ws.h"

typedef struct server server;
typedef void server_script(server *s);

struct server {
    int listener, conn;
    SSL_CTX *tls; /* borrowed; NULL: plain */
    SSL *ssl;     /* of the connection, once secured */
    const char *path;
    char url[64];
    pthread_t thread;
    server_script *script;
    long number;   /* a parameter of the script */
    int mutations; /* frames of each kind seen, for the test to judge */
    int actions;
    char wrong[512]; /* the first thing that went wrong, or "" */
    char frame[1 << 20];
    cvx_version version;
};

static inline void server_wrong(server *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void server_wrong(server *s, const char *format, ...)
{
    va_list args;
    if (s->wrong[0])
        return;
    va_start(args, format);
    vsnprintf(s->wrong, sizeof s->wrong, format, args);
    va_end(args);
}

static inline void server_hang_up(server *s)
{
    SSL_free(s->ssl);
    s->ssl = NULL;
    if (s->conn >= 0)
        close(s->conn);
    s->conn = -1;
}

static inline void *server_thread(void *arg)
{
    server *s = arg;
    s->script(s);
    server_hang_up(s);
    return NULL;
}

static inline void server_listen(server *s, const char *unix_path)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr *at = unix_path ? (struct sockaddr *)&un : (struct sockaddr *)&in;
    socklen_t len = unix_path ? sizeof un : sizeof in;

    if (unix_path)
        snprintf(un.sun_path, sizeof un.sun_path, "%s", unix_path);
    s->listener = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, at, len), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(getsockname(s->listener, at, &len), 0);
    snprintf(s->url, sizeof s->url, s->tls ? "https://localhost:%d" : "http://127.0.0.1:%d",
             unix_path ? 1 : ntohs(in.sin_port));
}

static inline server *server_start_at(server_script *script, long number, SSL_CTX *tls,
                                      const char *unix_path)
{
    struct timeval limit = {.tv_sec = 100};
    server *s = calloc(1, sizeof *s);

    assert_non_null(s);
    *s = (server){.conn = -1, .script = script, .number = number, .tls = tls, .path = ""};
    server_listen(s, unix_path);
    setsockopt(s->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(pthread_create(&s->thread, NULL, server_thread, s), 0);
    return s;
}

static inline server *server_start(server_script *script, long number)
{
    return server_start_at(script, number, NULL, NULL);
}

static inline void server_join(server *s)
{
    char wrong[sizeof s->wrong];
    pthread_join(s->thread, NULL);
    close(s->listener);
    memcpy(wrong, s->wrong, sizeof wrong);
    free(s);
    assert_string_equal(wrong, "");
}

static inline bool server_write(server *s, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent =
            s->ssl ? SSL_write(s->ssl, at, (int)len) : send(s->conn, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

static inline bool server_read(server *s, void *ret, size_t len)
{
    char *at = ret;
    while (len > 0) {
        ssize_t got = s->ssl ? SSL_read(s->ssl, at, (int)len) : recv(s->conn, at, len, 0);
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

/* Takes the next connection; false on a time-out. */
static inline bool server_take(server *s)
{
    struct timeval limit = {.tv_sec = 100};
    int one = 1;

    server_hang_up(s);
    s->conn = accept(s->listener, NULL, NULL);
    if (s->conn < 0) {
        server_wrong(s, "nobody connected");
        return false;
    }
    setsockopt(s->conn, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(s->conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return true;
}

/* False when the client would not have it. */
static inline bool server_secure(server *s)
{
    if (!s->tls)
        return true;
    s->ssl = SSL_new(s->tls);
    return s->ssl && SSL_set_fd(s->ssl, s->conn) == 1 && SSL_accept(s->ssl) == 1;
}

/* The head of the next request. */
static inline bool server_head(server *s, char *head, size_t size)
{
    size_t len = 0;

    while (len + 1 < size && (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0))
        if (!server_read(s, head + len++, 1))
            return false;
    head[len] = '\0';
    return true;
}

/* Takes the next connection and its request head; false on a time-out. */
static inline bool server_accept(server *s, char *head, size_t size)
{
    return server_take(s) && server_secure(s) && server_head(s, head, size);
}

/* Answers the request of an upgrade; `lines` are further headers. */
static inline bool server_upgrade_with(server *s, const char *head, const char *lines)
{
    char key[32] = "", accept_key[29], answer[512], line[128];
    const char *at = strstr(head, "Sec-WebSocket-Key: ");

    s->version = (cvx_version){0};
    snprintf(line, sizeof line, "GET %s/api/sync HTTP/1.1\r\n", s->path);
    if (!at || sscanf(at, "Sec-WebSocket-Key: %30s", key) != 1 ||
        strncmp(head, line, strlen(line)) != 0 || !strstr(head, "\r\nConvex-Client: "))
        server_wrong(s, "odd request: %.200s", head);
    cvx_ws_accept(key, accept_key);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n%s\r\n",
             accept_key, lines);
    return server_write(s, answer, strlen(answer));
}

static inline bool server_upgrade(server *s, const char *head)
{
    return server_upgrade_with(s, head, "");
}

/* Takes the next connection and upgrades it. */
static inline bool server_open(server *s)
{
    char head[4096];

    return server_accept(s, head, sizeof head) && server_upgrade(s, head);
}

/* Of at most 125 bytes. */
static inline void server_pong(server *s, size_t len)
{
    char answer[127] = {(char)0x8a, (char)len};
    memcpy(answer + 2, s->frame, len);
    server_write(s, answer, 2 + len);
}

/* The next text message in s->frame; false when the client has gone. Answers pings. */
static inline bool server_receive(server *s)
{
    uint8_t header[2], extra[8], key[4];
    uint64_t len;
    size_t extras;

    do {
        if (!server_read(s, header, 2))
            return false;
        len = header[1] & 0x7f;
        extras = len == 126 ? 2 : len == 127 ? 8 : 0;
        if (!server_read(s, extra, extras) || !server_read(s, key, 4))
            return false;
        if (extras > 0)
            len = 0;
        for (size_t i = 0; i < extras; i++)
            len = len << 8 | extra[i];
        if (len >= sizeof s->frame || !(header[1] & 0x80)) {
            server_wrong(s, "odd frame");
            return false;
        }
        if (!server_read(s, s->frame, len))
            return false;
        cvx_ws_mask(s->frame, s->frame, len, key, 0);
        s->frame[len] = '\0';
        if ((header[0] & 0x0f) == 9)
            server_pong(s, len < 126 ? len : 0);
    } while ((header[0] & 0x0f) == 9 || (header[0] & 0x0f) == 10);
    return (header[0] & 0x0f) == 1;
}

static inline bool server_expect(server *s, const char *part)
{
    if (!server_receive(s)) {
        server_wrong(s, "the client left before it sent %s", part);
        return false;
    }
    if (!strstr(s->frame, part)) {
        server_wrong(s, "got %.200s, not %s", s->frame, part);
        return false;
    }
    s->mutations += strstr(s->frame, "\"type\":\"Mutation\"") != NULL;
    s->actions += strstr(s->frame, "\"type\":\"Action\"") != NULL;
    return true;
}

static inline size_t server_frame(char *ret, unsigned first_byte, const char *text, size_t len)
{
    size_t header = len < 126 ? 2 : len < 65536 ? 4 : 10;
    ret[0] = (char)first_byte;
    ret[1] = (char)(len < 126 ? len : len < 65536 ? 126 : 127);
    for (size_t i = 2; i < header; i++)
        ret[i] = (char)(len >> (8 * (header - 1 - i)));
    memcpy(ret + header, text, len);
    return header + len;
}

static inline bool server_say(server *s, const char *text)
{
    size_t len = strlen(text);
    char *raw = malloc(len + 10);
    bool ok = server_write(s, raw, server_frame(raw, 0x81, text, len));
    free(raw);
    return ok;
}

static inline void server_transition_text(server *s, char *ret, size_t size, uint32_t query_set,
                                          uint32_t identity, uint64_t ts, const char *modifications)
{
    char start[CVX_TS_SIZE + 1] = "", end[CVX_TS_SIZE + 1] = "";

    cvx_ts_encode(s->version.ts, start);
    cvx_ts_encode(ts, end);
    snprintf(ret, size,
             "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":%u,\"identity\":%u,"
             "\"ts\":\"%s\"},\"endVersion\":{\"querySet\":%u,\"identity\":%u,\"ts\":\"%s\"},"
             "\"modifications\":[%s]}",
             s->version.query_set, s->version.identity, start, query_set, identity, end,
             modifications);
    s->version = (cvx_version){query_set, identity, ts};
}

static inline bool server_transition(server *s, uint32_t query_set, uint32_t identity, uint64_t ts,
                                     const char *modifications)
{
    static _Thread_local char text[1 << 20];
    server_transition_text(s, text, sizeof text, query_set, identity, ts, modifications);
    return server_say(s, text);
}

#define SERVER_UPDATED(id, value)                                                                  \
    "{\"type\":\"QueryUpdated\",\"queryId\":" #id ",\"value\":" value                              \
    ",\"logLines\":[],\"journal\":null}"

static inline bool server_respond(server *s, unsigned id, uint64_t ts)
{
    char text[256], stamp[CVX_TS_SIZE + 1] = "";
    cvx_ts_encode(ts, stamp);
    snprintf(text, sizeof text,
             "{\"type\":\"MutationResponse\",\"requestId\":%u,\"success\":true,\"result\":\"done\","
             "\"ts\":\"%s\",\"logLines\":[]}",
             id, stamp);
    return server_say(s, text);
}

#endif
