/* loop_test.c - descriptors, timers, wakes and signals on one loop. */
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/loop.h"

typedef struct fixture {
    daemon_loop *loop;
    daemon_timer *timer;
    daemon_waker *waker;
    int ends[2];
    int calls, total;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));

    daemon_log_set_level(DAEMON_ERROR);
    daemon_signals_block();
    *state = f;
    if (pipe(f->ends) != 0)
        return -1;
    return daemon_loop_new(&f->loop);
}

static int tear_down(void **state)
{
    fixture *f = *state;

    daemon_timer_free(f->timer);
    daemon_waker_free(f->waker);
    daemon_loop_free(f->loop);
    close(f->ends[0]);
    close(f->ends[1]);
    free(f);
    return 0;
}

static void on_readable(int fd, short revents, void *user)
{
    fixture *f = user;
    char byte;

    assert_true(revents & POLLIN);
    assert_int_equal(read(fd, &byte, 1), 1);
    f->calls++;
    daemon_loop_unwatch(f->loop, fd);
    daemon_loop_stop(f->loop);
}

TEST(a_watched_descriptor_calls_back_until_it_is_unwatched)
{
    fixture *f = *state;

    assert_int_equal(daemon_loop_watch(f->loop, f->ends[0], POLLIN, on_readable, f), 0);
    assert_int_equal(write(f->ends[1], "xx", 2), 2);
    assert_int_equal(daemon_loop_run(f->loop), 0);
    assert_int_equal(daemon_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->calls, 1);
}

static void on_timer(void *user)
{
    fixture *f = user;

    if (++f->calls < f->total)
        daemon_timer_set(f->timer, 1);
    else
        daemon_loop_stop(f->loop);
}

TEST(a_timer_fires_once_for_each_time_it_is_set)
{
    fixture *f = *state;

    f->total = 3;
    assert_int_equal(daemon_timer_new(f->loop, on_timer, f, &f->timer), 0);
    assert_int_equal(daemon_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->calls, 0);
    daemon_timer_set(f->timer, 1);
    assert_int_equal(daemon_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 3);
    daemon_timer_set(f->timer, 0);
    daemon_timer_clear(f->timer);
    assert_int_equal(daemon_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->calls, 3);
}

static void on_timer_free_itself(void *user)
{
    fixture *f = user;

    daemon_timer_free(f->timer);
    f->timer = NULL;
    daemon_loop_stop(f->loop);
}

TEST(a_timer_may_free_itself)
{
    fixture *f = *state;

    assert_int_equal(daemon_timer_new(f->loop, on_timer_free_itself, f, &f->timer), 0);
    daemon_timer_set(f->timer, 0);
    assert_int_equal(daemon_loop_run(f->loop), 0);
}

static void on_wake(void *user)
{
    fixture *f = user;

    f->calls++;
    daemon_loop_stop(f->loop);
}

static void *wake(void *user)
{
    for (int i = 0; i < 100; i++)
        daemon_waker_wake(user);
    return NULL;
}

TEST(wakes_of_another_thread_merge_and_none_is_lost)
{
    fixture *f = *state;
    pthread_t thread;

    assert_int_equal(daemon_waker_new(f->loop, on_wake, f, &f->waker), 0);
    assert_int_equal(pthread_create(&thread, NULL, wake, f->waker), 0);
    assert_int_equal(daemon_loop_run(f->loop), 0);
    pthread_join(thread, NULL);
    assert_int_equal(daemon_loop_turn(f->loop, 0), 0);
    assert_in_range(f->calls, 1, 100);
}

static int in_one_ms(void *user)
{
    return 1;
}

static void process(void *user)
{
    fixture *f = user;

    if (++f->calls == 2)
        daemon_loop_stop(f->loop);
}

TEST(an_attached_library_runs_when_its_time_has_come)
{
    fixture *f = *state;

    assert_int_equal(daemon_loop_attach(f->loop, f->ends[0], in_one_ms, process, f), 0);
    assert_int_equal(daemon_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 2);
}

static void count_reload(void *user)
{
    ((fixture *)user)->total++;
}

TEST(sighup_reloads_and_the_first_sigterm_drains)
{
    fixture *f = *state;

    daemon_loop_on_reload(f->loop, count_reload, f);
    daemon_loop_on_stop(f->loop, on_wake, f);
    kill(getpid(), SIGHUP);
    assert_int_equal(daemon_loop_turn(f->loop, 1000), 0);
    assert_int_equal(f->total, 1);
    kill(getpid(), SIGTERM);
    assert_int_equal(daemon_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 1);
}

static void ignore_stop(void *user)
{
}

TEST(a_second_sigterm_leaves_at_once)
{
    fixture *f = *state;
    int status;
    pid_t child = fork();

    if (child == 0) {
        daemon_loop_on_stop(f->loop, ignore_stop, f);
        kill(getpid(), SIGTERM);
        daemon_loop_turn(f->loop, 1000);
        kill(getpid(), SIGINT);
        daemon_loop_turn(f->loop, 1000);
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

TEST(a_file_that_may_not_grow_is_an_error_and_no_death)
{
    struct rlimit small = {.rlim_cur = 1, .rlim_max = RLIM_INFINITY};
    int status;
    pid_t child = fork();

    if (child == 0) {
        char path[] = "/tmp/loop-test-XXXXXX";
        int fd = mkstemp(path);
        unlink(path);
        setrlimit(RLIMIT_FSIZE, &small);
        _exit(write(fd, "ab", 1) == 1 && write(fd, "b", 1) == -1 && errno == EFBIG ? 7 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_watched_descriptor_calls_back_until_it_is_unwatched),
        CASE(a_timer_fires_once_for_each_time_it_is_set),
        CASE(a_timer_may_free_itself),
        CASE(wakes_of_another_thread_merge_and_none_is_lost),
        CASE(an_attached_library_runs_when_its_time_has_come),
        CASE(sighup_reloads_and_the_first_sigterm_drains),
        CASE(a_second_sigterm_leaves_at_once),
        CASE(a_file_that_may_not_grow_is_an_error_and_no_death),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
