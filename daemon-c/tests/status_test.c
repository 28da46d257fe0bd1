/* status_test.c - a daemon's health, asked for over HTTP. */
#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/address.h"
#include "daemon/status.h"

static daemon_status *served(const daemon_metrics *metrics)
{
    daemon_status *status = NULL;
    char reason[200];

    assert_int_equal(daemon_status_open("127.0.0.1:0", metrics, &status, reason, sizeof(reason)),
                     0);
    return status;
}

/* The whole answer to one request. */
static void ask(const daemon_status *status, const char *request, char *ret, size_t size)
{
    const char *colon = strrchr(daemon_status_address(status), ':');
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(colon + 1)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t have = 0;
    ssize_t n;

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while (have < size - 1 && (n = recv(fd, ret + have, size - 1 - have, 0)) > 0)
        have += (size_t)n;
    ret[have] = '\0';
    close(fd);
}

static void get(const daemon_status *status, const char *path, const char *expected_line,
                const char *expected_text)
{
    char request[200], answer[8192];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
             path);
    ask(status, request, answer, sizeof(answer));
    assert_memory_equal(answer, expected_line, strlen(expected_line));
    assert_non_null(strstr(answer, expected_text));
}

TEST(it_is_alive_at_once_and_ready_when_told)
{
    daemon_status *status = served(NULL);

    get(status, "/healthz", "HTTP/1.1 200", "\r\n\r\nok\n");
    get(status, "/readyz", "HTTP/1.1 503", "\r\n\r\nstarting\n");
    daemon_status_set(status, true, "");
    get(status, "/readyz", "HTTP/1.1 200", "\r\n\r\nready\n");
    daemon_status_set(status, false, "the backend is away");
    get(status, "/readyz", "HTTP/1.1 503", "\r\n\r\nthe backend is away\n");
    daemon_status_close(status);
}

TEST(metrics_are_printed_as_they_are_now)
{
    daemon_metrics *metrics = daemon_metrics_new();
    daemon_counter *posts = daemon_counter_new(metrics, "posts_total", NULL, "messages posted");
    daemon_status *status = served(metrics);

    get(status, "/metrics", "HTTP/1.1 200", "posts_total 0\n");
    daemon_counter_add(posts, 3);
    get(status, "/metrics", "HTTP/1.1 200", "posts_total 3\n");
    get(status, "/metrics", "HTTP/1.1 200", "version=0.0.4");
    daemon_status_close(status);
    daemon_metrics_free(metrics);
}

TEST(anything_else_is_refused)
{
    daemon_status *status = served(NULL);
    char answer[2048];

    get(status, "/", "HTTP/1.1 404", "/healthz");
    get(status, "/metrics", "HTTP/1.1 404", "");
    ask(status,
        "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        "Connection: close\r\n\r\nhi",
        answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 405", 12);
    ask(status, "nonsense\r\n\r\n", answer, sizeof(answer));
    get(status, "/healthz", "HTTP/1.1 200", "ok");
    daemon_status_close(status);
}

TEST(an_address_in_use_or_malformed_is_named)
{
    daemon_status *first = served(NULL), *second = NULL;
    char reason[200];

    assert_int_equal(
        daemon_status_open(daemon_status_address(first), NULL, &second, reason, sizeof(reason)),
        -EADDRINUSE);
    assert_non_null(strstr(reason, daemon_status_address(first)));
    assert_int_equal(daemon_status_open("localhost:80", NULL, &second, reason, sizeof(reason)),
                     -EINVAL);
    assert_null(second);
    daemon_status_close(first);
    daemon_status_close(NULL);
}

TEST(addresses_are_numeric_and_ipv6_has_brackets)
{
    static const char *const good[] = {"127.0.0.1:0", "0.0.0.0:8080", "[::1]:443"};
    static const char *const bad[] = {"",      ":80",     "127.0.0.1",   "::1:80",
                                      "[::1]", "host:80", "127.0.0.1:x", "127.0.0.1:"};

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(daemon_address_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(daemon_address_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_alive_at_once_and_ready_when_told),
        cmocka_unit_test(metrics_are_printed_as_they_are_now),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(an_address_in_use_or_malformed_is_named),
        cmocka_unit_test(addresses_are_numeric_and_ipv6_has_brackets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
