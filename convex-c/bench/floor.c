/* floor.c - the least that the jobs of convex_client_bench cost: a bare socket and poll(), frames
 * cut apart and not decoded.
 *
 *     convex_bench_floor stream|mutate|hold URL N...     as convex_client_bench */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { ROOM = 4 << 20 };

typedef struct raw {
    int fd;
    char *in;
    size_t capacity, read, filled;
} raw;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void put(const raw *r, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t sent = send(r->fd, (const char *)data + at, len - at, MSG_NOSIGNAL);
        struct pollfd wait = {.fd = r->fd, .events = POLLOUT};
        if (sent < 0 && errno != EAGAIN)
            die("send");
        if (sent < 0)
            poll(&wait, 1, -1);
        else
            at += (size_t)sent;
    }
}

static void say(const raw *r, const char *text)
{
    static const unsigned char key[4] = {1, 2, 3, 4};
    size_t len = strlen(text), header = len < 126 ? 2 : 4;
    unsigned char frame[8 + 4096];

    frame[0] = 0x81;
    frame[1] = (unsigned char)(0x80 | (len < 126 ? len : 126));
    if (header == 4) {
        frame[2] = (unsigned char)(len >> 8);
        frame[3] = (unsigned char)len;
    }
    memcpy(frame + header, key, 4);
    for (size_t i = 0; i < len; i++)
        frame[header + 4 + i] = (unsigned char)(text[i] ^ key[i & 3]);
    put(r, frame, header + 4 + len);
}

/* Waits for bytes unless there are some. */
static void fill(raw *r)
{
    struct pollfd wait = {.fd = r->fd, .events = POLLIN};
    ssize_t got;

    if (r->read == r->filled)
        r->read = r->filled = 0;
    if (r->capacity - r->filled < 4096) {
        memmove(r->in, r->in + r->read, r->filled - r->read);
        r->filled -= r->read;
        r->read = 0;
    }
    if (r->capacity - r->filled < r->capacity / 2 && r->capacity < ROOM) {
        r->in = realloc(r->in, r->capacity *= 2);
        if (!r->in)
            die("realloc");
    }
    while ((got = recv(r->fd, r->in + r->filled, r->capacity - r->filled, 0)) < 0 &&
           errno == EAGAIN)
        poll(&wait, 1, -1);
    if (got <= 0)
        die("recv");
    r->filled += (size_t)got;
}

/* The next whole frame, in place. */
static const char *next_frame(raw *r, size_t *ret_len)
{
    for (;; fill(r)) {
        const unsigned char *at = (const unsigned char *)r->in + r->read;
        size_t have = r->filled - r->read, extra, len = 0;
        if (have < 2)
            continue;
        extra = (at[1] & 0x7f) == 126 ? 2 : (at[1] & 0x7f) == 127 ? 8 : 0;
        if (have < 2 + extra)
            continue;
        len = extra ? 0 : at[1] & 0x7f;
        for (size_t i = 0; i < extra; i++)
            len = len << 8 | at[2 + i];
        if (have < 2 + extra + len)
            continue;
        r->read += 2 + extra + len;
        *ret_len = len;
        return (const char *)at + 2 + extra;
    }
}

static raw dial(const char *url)
{
    static const char head[] = "GET /api/sync HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    raw r = {.fd = socket(AF_INET, SOCK_STREAM, 0), .in = malloc(16384), .capacity = 16384};
    const char *end = NULL;
    int one = 1;

    at.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
    if (!r.in || r.fd < 0 || connect(r.fd, (struct sockaddr *)&at, sizeof at) != 0)
        die("connect");
    fcntl(r.fd, F_SETFL, O_NONBLOCK);
    setsockopt(r.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    put(&r, head, sizeof head - 1);
    while (!end) {
        fill(&r);
        end = memmem(r.in, r.filled, "\r\n\r\n", 4);
    }
    r.read = (size_t)(end - r.in) + 4;
    say(&r, "{\"type\":\"Connect\",\"sessionId\":\"00000000-0000-4000-8000-000000000000\","
            "\"connectionCount\":0,\"lastCloseReason\":\"InitialConnect\",\"clientTs\":0}");
    return r;
}

static void subscribe(raw *r, unsigned version, long documents)
{
    char text[256];
    size_t len;

    snprintf(
        text, sizeof text,
        "{\"type\":\"ModifyQuerySet\",\"baseVersion\":%u,\"newVersion\":%u,\"modifications\":[{"
        "\"type\":\"Add\",\"queryId\":%u,\"udfPath\":\"bench:query\",\"args\":[{\"documents\":"
        "%ld}]}]}",
        version, version + 1, version, documents);
    say(r, text);
    next_frame(r, &len);
}

static int floor_stream(const char *url, const long *n)
{
    raw r = dial(url);
    char text[256];
    size_t len;
    bench b;

    bench_init(&b, n[1]);
    subscribe(&r, 0, 0);
    snprintf(
        text, sizeof text,
        "{\"type\":\"Mutation\",\"requestId\":0,\"udfPath\":\"bench:go\",\"args\":[{\"count\":%ld,"
        "\"gap\":%ld,\"documents\":%ld,\"query\":0}]}",
        n[1], n[2], n[0]);
    say(&r, text);
    next_frame(&r, &len);
    next_frame(&r, &len);
    while (b.seen < b.wanted) {
        const char *frame = next_frame(&r, &len);
        const char *sent = memmem(frame, len < 512 ? len : 512, "\"sent\":", 7);
        bench_note(&b, bench_now_us() - (strtod(sent + 7, NULL) - 1e15) / 1000);
    }
    bench_print(&b);
    bench_wait();
    return 0;
}

static int floor_mutate(const char *url, const long *n)
{
    raw r = dial(url);
    size_t len;
    bench b;

    bench_init(&b, n[0]);
    while (b.seen < b.wanted) {
        char text[256];
        double began = bench_now_us();
        snprintf(
            text, sizeof text,
            "{\"type\":\"Mutation\",\"requestId\":%ld,\"udfPath\":\"bench:none\",\"args\":[{}]}",
            b.seen);
        say(&r, text);
        next_frame(&r, &len);
        next_frame(&r, &len);
        bench_note(&b, bench_now_us() - began);
    }
    bench_print(&b);
    bench_wait();
    return 0;
}

static int floor_hold(const char *url, const long *n)
{
    for (long i = 0; i < n[0]; i++) {
        raw r = dial(url);
        for (long k = 0; k < n[1]; k++)
            subscribe(&r, (unsigned)k, n[2]);
    }
    printf("{\"cpu_us\":%.1f,\"at_us\":%.1f}\n", bench_cpu_us(), bench_now_us());
    fflush(stdout);
    bench_wait();
    return 0;
}

int main(int argc, char **argv)
{
    static const bench_job jobs[] = {{"stream", 4, floor_stream},
                                     {"mutate", 1, floor_mutate},
                                     {"hold", 3, floor_hold},
                                     {NULL, 0, NULL}};
    return bench_main(jobs, argc, argv);
}
