/* load.c - how many durable acknowledgements a second, next to what the disk can do.
 *
 *     webhook_load PORT CONNECTIONS SECONDS SECRET      signed POSTs over kept connections
 *     webhook_load --disk FILE SECONDS                  append 700 bytes, fdatasync, again
 *
 * Each connection sends its next event when the last was answered. One thread, epoll. Prints one
 * line: rate, p50 and p99 in microseconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, SAMPLES_MAX = 4 << 20, RECORD_BYTES = 700 };

static uint32_t samples[SAMPLES_MAX]; /* microseconds */
static size_t sample_count;

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void add_sample(int64_t us)
{
    if (sample_count < SAMPLES_MAX)
        samples[sample_count++] = (uint32_t)us;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(const char *what, int64_t elapsed_us)
{
    if (sample_count == 0) {
        printf("%s: nothing was answered\n", what);
        return;
    }
    qsort(samples, sample_count, sizeof(*samples), compare);
    printf("%s: %.0f a second, p50 %u us, p99 %u us, max %u us\n", what,
           (double)sample_count * 1e6 / (double)elapsed_us, samples[sample_count / 2],
           samples[sample_count * 99 / 100], samples[sample_count - 1]);
}

/* ---- the disk ---- */

static int measure_disk(const char *path, int seconds)
{
    char bytes[RECORD_BYTES];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    int64_t start = now_us(), end = start + seconds * INT64_C(1000000), before;

    memset(bytes, 'x', sizeof(bytes));
    if (fd < 0)
        return 1;
    while ((before = now_us()) < end) {
        if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) || fdatasync(fd) != 0)
            return 1;
        add_sample(now_us() - before);
    }
    close(fd);
    unlink(path);
    report("append + fdatasync", now_us() - start);
    return 0;
}

/* ---- the proxy ---- */

typedef struct connection {
    int fd;
    int64_t sent_at;
} connection;

static long order_number;

static size_t make_request(const char *secret, char *out, size_t size)
{
    char body[400], hex[65];
    unsigned char mac[32];
    unsigned int mac_size = 0;
    int n = snprintf(body, sizeof(body),
                     "{\"event\":\"order.completed\",\"data\":{\"id\":%ld,\"status\":{\"status\":{"
                     "\"status\":\"COMPLETED\"}},\"customer_information\":{\"email\":"
                     "\"customer@example.com\",\"country\":\"DE\"},\"payment\":{\"full_price\":"
                     "{\"base\":4900,\"currency\":\"USD\"}},\"updated_at\":"
                     "\"2026-01-31T12:00:00.000000Z\"},\"store\":42}",
                     ++order_number);

    HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)body, (size_t)n, mac,
         &mac_size);
    for (unsigned int i = 0; i < mac_size; i++)
        snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    return (size_t)snprintf(out, size,
                            "POST /v1/demo/sellapp HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                            "application/json\r\nSignature: %s\r\nContent-Length: %d\r\n\r\n%s",
                            hex, n, body);
}

static int send_next(connection *c, const char *secret)
{
    char request[1024];
    size_t size = make_request(secret, request, sizeof(request));

    c->sent_at = now_us();
    return send(c->fd, request, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

static int open_connection(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* Answers have no body, so one read has one whole answer. */
static int take_answer(connection *c)
{
    char answer[2048];
    ssize_t n = recv(c->fd, answer, sizeof(answer), 0);

    if (n < 12 || memcmp(answer, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "not acknowledged: %.*s\n", n > 0 ? (int)n : 0, answer);
        return -1;
    }
    add_sample(now_us() - c->sent_at);
    return 0;
}

static int measure_proxy(int port, int count, int seconds, const char *secret)
{
    static connection connections[CONNECTIONS_MAX];
    struct epoll_event events[CONNECTIONS_MAX];
    int poller = epoll_create1(0);
    int64_t start = now_us(), end = start + seconds * INT64_C(1000000);
    char what[60];

    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};

        connections[i].fd = open_connection(port);
        if (connections[i].fd < 0 || send_next(&connections[i], secret) != 0 ||
            epoll_ctl(poller, EPOLL_CTL_ADD, connections[i].fd, &event) != 0)
            return 1;
    }
    while (now_us() < end) {
        int n = epoll_wait(poller, events, count, 1000);

        for (int i = 0; i < n; i++) {
            connection *c = events[i].data.ptr;

            if (take_answer(c) != 0 || send_next(c, secret) != 0)
                return 1;
        }
    }
    snprintf(what, sizeof(what), "webhook-proxy, %d connections", count);
    report(what, now_us() - start);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--disk") == 0)
        return measure_disk(argv[2], atoi(argv[3]));
    if (argc != 5 || atoi(argv[2]) < 1 || atoi(argv[2]) > CONNECTIONS_MAX) {
        fprintf(stderr,
                "usage: webhook_load PORT CONNECTIONS SECONDS SECRET | --disk FILE SECONDS\n");
        return 2;
    }
    order_number = (long)getpid() * 100000000;
    return measure_proxy(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), argv[4]);
}
