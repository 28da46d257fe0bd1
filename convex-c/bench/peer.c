/* peer.c - the server of ./run bench client: does what a client asks for, at once, by script.
 *
 *     convex_bench_peer      prints its port, and serves until its standard input ends
 *
 * A query's arguments say how large its result is: {"documents": D}. Mutations:
 *     bench:none                                   settles
 *     bench:go {count, gap, documents, query}      settles, then so many Transitions of that query,
 *                                                  `gap` microseconds apart
 *     bench:drop                                   hangs up instead of an answer, but settles on
 *                                                  a client's second connection
 * Each value has "sent", the time of sending on CLOCK_MONOTONIC in ns, plus 10^15 so that it has
 * 16 digits, and "left", how many follow in the stream, plus 10^6. A POST is answered with a small
 * result. One thread for each connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FRAME = 4 << 20 };

typedef struct peer {
    int fd;
    char *in;  /* one frame, ends in NUL */
    char *out; /* one frame */
    unsigned query_set;
    uint64_t ts;
    bool again; /* the client was connected before */
} peer;

static bool read_all(int fd, void *ret, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t got = recv(fd, (char *)ret + at, len - at, 0);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t put = send(fd, (const char *)data + at, len - at, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        at += (size_t)put;
    }
    return true;
}

/* In pieces, and no further than its end: what it costs must not depend on its length. */
static bool read_head(int fd, char *ret, size_t size)
{
    size_t len = 0;

    while (len + 1 < size) {
        ssize_t seen = recv(fd, ret + len, size - 1 - len, MSG_PEEK);
        const char *end;
        if (seen <= 0)
            return false;
        ret[len + (size_t)seen] = '\0';
        end = strstr(ret, "\r\n\r\n");
        if (!read_all(fd, ret + len, end ? (size_t)(end + 4 - ret) - len : (size_t)seen))
            return false;
        len += (size_t)seen;
        if (end) {
            ret[end + 4 - ret] = '\0';
            return true;
        }
    }
    return false;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- frames ---- */

static bool read_frame(peer *p)
{
    unsigned char head[2], extra[8], key[4];
    uint64_t len;
    size_t extras;

    do {
        if (!read_all(p->fd, head, 2))
            return false;
        len = head[1] & 0x7f;
        extras = len == 126 ? 2 : len == 127 ? 8 : 0;
        if (!read_all(p->fd, extra, extras) || !read_all(p->fd, key, 4))
            return false;
        if (extras > 0)
            len = 0;
        for (size_t i = 0; i < extras; i++)
            len = len << 8 | extra[i];
        if (len >= MAX_FRAME || !read_all(p->fd, p->in, len))
            return false;
        for (size_t i = 0; i < len; i++)
            p->in[i] = (char)(p->in[i] ^ (char)key[i & 3]);
        p->in[len] = '\0';
    } while ((head[0] & 0x0f) != 1 && (head[0] & 0x0f) != 8);
    return (head[0] & 0x0f) == 1;
}

/* The text lies at out + 10, so that the header fits before it. */
static bool write_frame(peer *p, size_t len)
{
    size_t header = len < 126 ? 2 : len < 65536 ? 4 : 10;
    unsigned char *at = (unsigned char *)p->out + 10 - header;

    at[0] = 0x81;
    at[1] = (unsigned char)(len < 126 ? len : len < 65536 ? 126 : 127);
    for (size_t i = 2; i < header; i++)
        at[i] = (unsigned char)((uint64_t)len >> 8 * (header - 1 - i));
    return write_all(p->fd, at, header + len);
}

/* ---- messages ---- */

/* The number after `name`, wherever that is; `otherwise` if it is not there. */
static long number_in(const char *text, const char *name, long otherwise)
{
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : otherwise;
}

static void encode_ts(uint64_t ts, char ret[13])
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(ts >> 8 * i);
    EVP_EncodeBlock((unsigned char *)ret, bytes, 8);
}

static size_t put_transition(peer *p, size_t at, unsigned query_set)
{
    char start[13], end[13];

    encode_ts(p->ts, start);
    encode_ts(++p->ts, end);
    at +=
        (size_t)sprintf(p->out + at,
                        "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":%u,\"identity\":0,"
                        "\"ts\":\"%s\"},\"endVersion\":{\"querySet\":%u,\"identity\":0,\"ts\":"
                        "\"%s\"},\"modifications\":[",
                        p->query_set, start, query_set, end);
    p->query_set = query_set;
    return at;
}

/* Documents as an application has them: some 440 bytes each. */
static size_t put_update(peer *p, size_t at, long query, long documents)
{
    static const char words[] = "lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do ";

    at += (size_t)sprintf(p->out + at,
                          "{\"type\":\"QueryUpdated\",\"queryId\":%ld,\"value\":{\"sent\":"
                          "%016llu,\"left\":2000000,\"documents\":[",
                          query, (unsigned long long)(1000000000000000u + now_ns()));
    for (long i = 0; i < documents; i++)
        at += (size_t)sprintf(
            p->out + at,
            "%s{\"_creationTime\":17673230%05ld.%04ld,\"_id\":\"j57dxbdyxw0020g30g2gc1r8158%04ld\","
            "\"content\":\"message %ld %s%s%s%s\",\"live\":%s,\"score\":%ld.5,\"version\":%ld}",
            i ? "," : "", i % 100000, i * 37 % 9973 + 1, i % 10000, i, words, words, words, words,
            i % 2 ? "true" : "false", i, i);
    return at + (size_t)sprintf(p->out + at, "]},\"logLines\":[],\"journal\":null}");
}

static size_t end_transition(peer *p, size_t at)
{
    return at + (size_t)sprintf(p->out + at, "]}") - 10;
}

static bool on_query_set(peer *p)
{
    long documents = number_in(p->in, "\"documents\":", 0);
    bool first = true;
    size_t at = put_transition(p, 10, (unsigned)number_in(p->in, "\"newVersion\":", 1));

    if (strstr(p->in, "\"type\":\"Add\""))
        for (const char *id = p->in; (id = strstr(id, "\"queryId\":")) != NULL; id++) {
            if (!first)
                p->out[at++] = ',';
            first = false;
            at = put_update(p, at, strtol(id + 10, NULL, 10), documents);
        }
    return write_frame(p, end_transition(p, at));
}

static void sleep_until(uint64_t ns)
{
    struct timespec at = {.tv_sec = (time_t)(ns / 1000000000u),
                          .tv_nsec = (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        continue;
}

/* The text is made once; versions and time of sending are written over. */
static bool stream(peer *p, long count, long gap_us, long documents, long query)
{
    size_t len =
        end_transition(p, put_update(p, put_transition(p, 10, p->query_set), query, documents));
    char *start, *end, *sent, *left, text[32];
    uint64_t at = now_ns();

    p->out[10 + len] = '\0';
    start = strstr(p->out + 10, "\"ts\":\"") + 6;
    end = strstr(start, "\"ts\":\"") + 6;
    sent = strstr(end, "\"sent\":") + 7;
    left = strstr(end, "\"left\":") + 7;
    p->ts--; /* the first is sent in the loop as well */
    for (long i = 0; i < count; i++) {
        if (gap_us > 0)
            sleep_until(at += (uint64_t)gap_us * 1000);
        encode_ts(p->ts, text);
        memcpy(start, text, 12);
        encode_ts(++p->ts, text);
        memcpy(end, text, 12);
        sprintf(text, "%016llu", (unsigned long long)(1000000000000000u + now_ns()));
        memcpy(sent, text, 16);
        sprintf(text, "%07ld", 1000000 + count - 1 - i);
        memcpy(left, text, 7);
        if (!write_frame(p, len))
            return false;
    }
    return true;
}

static bool on_mutation(peer *p)
{
    char ts[13];
    long id = number_in(p->in, "\"requestId\":", 0), count = number_in(p->in, "\"count\":", 0);
    int len;

    if (strstr(p->in, "bench:drop") && !p->again)
        return false;
    encode_ts(p->ts + 1, ts);
    len =
        sprintf(p->out + 10,
                "{\"type\":\"MutationResponse\",\"requestId\":%ld,\"success\":true,\"result\":null,"
                "\"ts\":\"%s\",\"logLines\":[]}",
                id, ts);
    if (!write_frame(p, (size_t)len) ||
        !write_frame(p, end_transition(p, put_transition(p, 10, p->query_set))))
        return false;
    return count == 0 ||
           stream(p, count, number_in(p->in, "\"gap\":", 0), number_in(p->in, "\"documents\":", 0),
                  number_in(p->in, "\"query\":", 0));
}

static void serve_websocket(peer *p, const char *head)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[EVP_MAX_MD_SIZE];
    char key[128] = "", accept[64], answer[256];
    const char *at = strcasestr(head, "sec-websocket-key: ");

    if (!at || sscanf(at + 19, "%24s", key) != 1)
        return;
    strcat(key, guid);
    EVP_Digest(key, strlen(key), digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, 20);
    if (!write_all(p->fd, answer,
                   (size_t)sprintf(answer,
                                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                                   accept)))
        return;
    while (read_frame(p)) {
        p->again = p->again || number_in(p->in, "\"connectionCount\":", 0) > 0;
        if (strstr(p->in, "\"type\":\"ModifyQuerySet\"") ? !on_query_set(p)
            : strstr(p->in, "\"type\":\"Mutation\"")     ? !on_mutation(p)
                                                         : false)
            return;
    }
}

static void serve_posts(peer *p, char *head, size_t size)
{
    static const char body[] =
        "{\"status\":\"success\",\"value\":{\"name\":\"value\",\"list\":[1,2,3]"
        "},\"logLines\":[]}";
    char answer[256];
    int len = sprintf(answer,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu"
                      "\r\n\r\n%s",
                      sizeof body - 1, body);

    do {
        const char *at = strcasestr(head, "content-length:");
        size_t body_len = at ? strtoul(at + 15, NULL, 10) : 0;
        if (body_len >= MAX_FRAME || !read_all(p->fd, p->in, body_len) ||
            !write_all(p->fd, answer, (size_t)len))
            return;
    } while (read_head(p->fd, head, size));
}

static void *serve(void *arg)
{
    peer p = {.fd = (int)(intptr_t)arg, .in = malloc(MAX_FRAME), .out = malloc(MAX_FRAME)};
    char head[4096];

    if (p.in && p.out && read_head(p.fd, head, sizeof head)) {
        if (strncmp(head, "POST ", 5) == 0)
            serve_posts(&p, head, sizeof head);
        else
            serve_websocket(&p, head);
    }
    close(p.fd);
    free(p.in);
    free(p.out);
    return NULL;
}

static void *accept_all(void *arg)
{
    int listener = (int)(intptr_t)arg, one = 1;
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        pthread_t thread;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
    }
}

int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    pthread_t thread;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char byte;

    signal(SIGPIPE, SIG_IGN);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) != 0 ||
        listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0 ||
        pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listener) != 0) {
        perror("peer");
        return 1;
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    return 0;
}
