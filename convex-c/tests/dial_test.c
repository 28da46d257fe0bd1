/* dial_test.c - connections over plain sockets, without libcurl. */
#include "dial.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support.h"

/* A listener on 127.0.0.1, or on `path`. */
static int listen_at(const char *path, unsigned *ret_port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t len = sizeof in;
    int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    if (path) {
        snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    } else {
        assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
        *ret_port = ntohs(in.sin_port);
    }
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static cvx_dial new_dial(void)
{
    cvx_dial dial = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .next_at = INT64_MAX};
    assert_true(dial.epoll_fd >= 0);
    return dial;
}

/* To its end, the clock standing still: what is there is not waited for. */
static cvx_dial_state run(cvx_dial *dial, int *ret_fd)
{
    struct epoll_event event;
    cvx_dial_state state;

    while ((state = cvx_dial_process(dial, 1000, ret_fd)) == CVX_DIAL_WAITING)
        assert_true(epoll_wait(dial->epoll_fd, &event, 1, -1) > 0);
    assert_int_equal(epoll_wait(dial->epoll_fd, &event, 1, 0), 0); /* nothing is left in it */
    return state;
}

static void assert_connected(cvx_dial *dial, int listener)
{
    int fd = -1;
    char byte = 0;

    if (run(dial, &fd) != CVX_DIAL_DONE)
        fail_msg("%s", dial->error);
    int other = accept(listener, NULL, NULL);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(recv(other, &byte, 1, 0), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(recv(fd, &byte, 1, 0), -1); /* it does not block */
    close(other);
    close(fd);
}

TEST(an_address_and_a_name_are_reached)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    unsigned port = 0;
    int listener = listen_at(NULL, &port);
    cvx_dial dial = new_dial();
    char url[64];

    for (int i = 0; i < 4; i++) { /* each twice: a dial is used again */
        snprintf(url, sizeof url, "http://%s:%u", hosts[i % 2], port);
        cvx_dial_start(&dial, url);
        assert_connected(&dial, listener);
    }
    close(dial.epoll_fd);
    close(listener);
}

TEST(a_unix_socket_is_reached_and_a_missing_one_named)
{
    char dir[] = "/tmp/convex-dial-XXXXXX", path[64];
    cvx_dial dial = new_dial();
    int fd;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    cvx_dial_start_unix(&dial, path);
    assert_int_equal(run(&dial, &fd), CVX_DIAL_FAILED);
    assert_non_null(strstr(dial.error, "No such file"));
    int listener = listen_at(path, NULL);
    cvx_dial_start_unix(&dial, path);
    assert_connected(&dial, listener);
    close(listener);
    unlink(path);
    rmdir(dir);
    close(dial.epoll_fd);
}

static void assert_fails(const char *url, const char *first, const char *second)
{
    cvx_dial dial = new_dial();
    int fd;

    cvx_dial_start(&dial, url);
    assert_int_equal(run(&dial, &fd), CVX_DIAL_FAILED);
    if (!strstr(dial.error, first) || !strstr(dial.error, second))
        fail_msg("%s: %s", url, dial.error);
    close(dial.epoll_fd);
}

TEST(a_failure_names_the_host_and_the_reason)
{
    unsigned port = 0;
    int listener = listen_at(NULL, &port);
    char url[2048] = "http://", refused[64];

    close(listener);
    snprintf(refused, sizeof refused, "http://127.0.0.1:%u", port);
    assert_fails(refused, "127.0.0.1: ", "refused");
    snprintf(refused, sizeof refused, "http://localhost:%u", port);
    assert_fails(refused, "localhost: ", "refused");
    assert_fails("http://[::1%25nowhere]:1", "::1%nowhere: ", "");
    memset(url + 7, 'a', 64); /* no label of a name is so long */
    assert_fails(url, "aaaa: ", "");
    memset(url + 7, 'a', sizeof url - 8);
    assert_fails(url, "cannot be looked up", "");
}

TEST(an_attempt_may_be_given_up_at_any_time)
{
    unsigned port = 0;
    int listener = listen_at(NULL, &port);
    cvx_dial dial = new_dial();
    char url[64];
    int fd;

    snprintf(url, sizeof url, "http://localhost:%u", port);
    for (int turns = 0; turns < 4; turns++) {
        cvx_dial_state came_to = CVX_DIAL_WAITING;
        cvx_dial_start(&dial, url);
        for (int i = 0; i < turns && came_to == CVX_DIAL_WAITING; i++)
            came_to = cvx_dial_process(&dial, 1000, &fd);
        if (came_to == CVX_DIAL_DONE)
            close(fd);
        cvx_dial_stop(&dial);
        assert_int_equal(dial.next_at, INT64_MAX);
    }
    cvx_dial_start(&dial, url);
    assert_int_equal(run(&dial, &fd), CVX_DIAL_DONE);
    close(fd);
    close(dial.epoll_fd);
    close(listener);
}

/* Addresses that do not answer hold up the one that does by no more than a head start each. */
TEST(the_next_address_joins_the_race_when_the_first_is_slow)
{
    unsigned port = 0;
    int listener = listen_at(NULL, &port), full = listen_at(NULL, &(unsigned){0}), fd = -1;
    struct sockaddr_in slow = {0},
                       quick = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof slow;
    int held[16];

    quick.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(getsockname(full, (struct sockaddr *)&slow, &len), 0);
    assert_int_equal(listen(full, 0), 0); /* its queue is full: nobody is let in any more */
    for (int i = 0; i < 16; i++) {
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(held[i], (struct sockaddr *)&slow, sizeof slow);
    }
    struct addrinfo second = {.ai_addr = (struct sockaddr *)&quick, .ai_addrlen = sizeof quick};
    struct addrinfo first = {
        .ai_addr = (struct sockaddr *)&slow, .ai_addrlen = sizeof slow, .ai_next = &second};
    cvx_dial dial = new_dial();
    dial.next = &first;
    dial.next_at = INT64_MIN;
    assert_int_equal(cvx_dial_process(&dial, 1000, &fd), CVX_DIAL_WAITING);
    assert_int_equal(dial.count, 1);
    assert_true(dial.next_at > 1000 && dial.next_at < 2000);
    assert_int_equal(cvx_dial_process(&dial, dial.next_at - 1, &fd), CVX_DIAL_WAITING);
    assert_int_equal(dial.count, 1);
    for (int64_t now = dial.next_at; cvx_dial_process(&dial, now, &fd) == CVX_DIAL_WAITING;)
        assert_true(epoll_wait(dial.epoll_fd, &(struct epoll_event){0}, 1, -1) > 0);
    int other = accept(listener, NULL, NULL);
    assert_true(fd >= 0 && other >= 0);
    assert_int_equal(dial.count, 0);
    for (int i = 0; i < 16; i++)
        close(held[i]);
    close(other);
    close(fd);
    close(full);
    close(listener);
    close(dial.epoll_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_and_a_name_are_reached),
        cmocka_unit_test(a_unix_socket_is_reached_and_a_missing_one_named),
        cmocka_unit_test(a_failure_names_the_host_and_the_reason),
        cmocka_unit_test(an_attempt_may_be_given_up_at_any_time),
        cmocka_unit_test(the_next_address_joins_the_race_when_the_first_is_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
