/* small_test.c - backoff, notify, metrics: modules too small for a file each. */
#include "harness.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/backoff.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"

TEST(a_delay_is_anything_from_zero_to_the_ceiling)
{
    backoff policy = BACKOFF_INIT(100, 5000);

    assert_int_equal(backoff_delay_ms(&policy, 0, 0), 0);
    assert_int_equal(backoff_delay_ms(&policy, 0, 100), 100);
    assert_int_equal(backoff_delay_ms(&policy, 0, 101), 0);
    assert_int_equal(backoff_delay_ms(&policy, 3, 800), 800);
    assert_int_equal(backoff_delay_ms(&policy, 10, 5000), 5000);
    assert_int_equal(backoff_delay_ms(&policy, UINT32_MAX, 5000), 5000);
}

TEST(an_enormous_ceiling_does_not_overflow)
{
    backoff policy = BACKOFF_INIT(1, INT64_MAX);

    for (unsigned n = 0; n < 200; n++)
        assert_true(backoff_delay_ms(&policy, n, UINT64_MAX) >= 0);
}

TEST(what_the_other_side_asked_for_is_the_least_delay)
{
    backoff policy = BACKOFF_INIT(100, 1000);

    for (int i = 0; i < 50; i++)
        assert_in_range(backoff_next_ms(&policy, 3000), 3000, 4000);
    backoff_reset(&policy);
    assert_in_range(backoff_next_ms(&policy, 0), 0, 100);
}

static void assert_datagram(int fd, const char *expected)
{
    char text[600];
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

/* Listens at `name` ('@': abstract) and points NOTIFY_SOCKET there. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    else
        length++;
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

TEST(the_service_manager_hears_of_it_by_path_and_by_abstract_name)
{
    char *directory = make_directory(), names[2][100];

    snprintf(names[0], sizeof(names[0]), "%s/notify", directory);
    snprintf(names[1], sizeof(names[1]), "@daemon-test-%ld", (long)getpid());
    for (int i = 0; i < 2; i++) {
        int fd = listen_at(names[i]);

        assert_int_equal(daemon_notify_ready(), 1);
        assert_datagram(fd, "READY=1");
        assert_int_equal(daemon_notify_status("%d waiting\nREADY=1", 3), 1);
        assert_datagram(fd, "STATUS=3 waiting READY=1");
        assert_int_equal(daemon_notify_stopping(), 1);
        assert_datagram(fd, "STOPPING=1");
        close(fd);
    }
    unsetenv("NOTIFY_SOCKET");
    remove_directory(directory);
}

TEST(without_a_service_manager_there_is_nobody_to_tell)
{
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(daemon_notify_ready(), 0);
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_int_equal(daemon_notify_ready(), -EINVAL);
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    assert_int_equal(daemon_notify_ready(), -ENOENT);
    unsetenv("NOTIFY_SOCKET");
}

TEST(the_loop_itself_feeds_the_watchdog)
{
    char name[100];
    daemon_loop *loop;
    int fd;

    snprintf(name, sizeof(name), "@daemon-watchdog-%ld", (long)getpid());
    fd = listen_at(name);
    setenv("WATCHDOG_USEC", "2000000", 1);
    assert_int_equal(daemon_notify_watchdog_ms(), 1000);
    daemon_signals_block();
    assert_int_equal(daemon_loop_new(&loop), 0);
    assert_int_equal(daemon_loop_turn(loop, 0), 0);
    assert_datagram(fd, "WATCHDOG=1");
    daemon_loop_free(loop);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(daemon_notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    unsetenv("NOTIFY_SOCKET");
    close(fd);
}

static void sum(const char *name, const char *labels, int64_t value, void *user)
{
    *(int64_t *)user += value;
}

TEST(metrics_are_printed_in_the_exposition_format)
{
    daemon_metrics *metrics = daemon_metrics_new();
    daemon_counter *ok = daemon_counter_new(metrics, "events_total", "outcome=\"ok\"", "Events.");
    daemon_gauge *queue = daemon_gauge_new(metrics, "queue", NULL, "Waiting.");
    daemon_counter *bad = daemon_counter_new(metrics, "events_total", "outcome=\"bad\"", "Events.");
    char *text;
    int64_t total = 0;

    daemon_counter_add(ok, 3);
    daemon_counter_add(bad, 1);
    daemon_counter_add(NULL, 1);
    daemon_gauge_set(queue, -2);
    text = daemon_metrics_text(metrics, NULL);
    assert_string_equal(text, "# HELP events_total Events.\n# TYPE events_total counter\n"
                              "events_total{outcome=\"ok\"} 3\nevents_total{outcome=\"bad\"} 1\n"
                              "# HELP queue Waiting.\n# TYPE queue gauge\nqueue -2\n");
    free(text);
    daemon_metrics_each(metrics, sum, &total);
    assert_int_equal(total, 2);
    daemon_metrics_free(metrics);
}

TEST(a_histogram_counts_what_is_at_or_below_each_limit)
{
    daemon_metrics *metrics = daemon_metrics_new();
    daemon_histogram *time = daemon_histogram_new(metrics, "t_seconds", NULL, "Time.");
    char *text;

    daemon_histogram_observe(time, 50);
    daemon_histogram_observe(time, 51);
    daemon_histogram_observe(time, 3600000000);
    text = daemon_metrics_text(metrics, NULL);
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"0.000050\"} 1\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"0.000100\"} 2\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "t_seconds_sum 3600.000101\n"));
    assert_non_null(strstr(text, "t_seconds_count 3\n"));
    free(text);
    daemon_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delay_is_anything_from_zero_to_the_ceiling),
        cmocka_unit_test(an_enormous_ceiling_does_not_overflow),
        cmocka_unit_test(what_the_other_side_asked_for_is_the_least_delay),
        cmocka_unit_test(the_service_manager_hears_of_it_by_path_and_by_abstract_name),
        cmocka_unit_test(without_a_service_manager_there_is_nobody_to_tell),
        cmocka_unit_test(the_loop_itself_feeds_the_watchdog),
        cmocka_unit_test(metrics_are_printed_in_the_exposition_format),
        cmocka_unit_test(a_histogram_counts_what_is_at_or_below_each_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
