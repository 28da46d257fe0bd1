/* lost_test.c - what the backend is told of messages that somebody deleted, and how often.
 * The clock, the timer and the backend are scripts: the linker puts the __wrap_ functions in their
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "daemon/log.h"
#include "lost.h"

static struct {
    int64_t now_ms, due_ms; /* due_ms: -1 for no timer */
    daemon_fn *fire;
    void *fire_user;
    char call[4096]; /* under way, "" for none */
    api_mirrors_lost_fn *done;
    void *user;
    convex_status refuse;
    size_t calls;
} script;

int64_t __wrap_daemon_monotonic_ms(void);
int64_t __wrap_daemon_monotonic_ms(void)
{
    return script.now_ms;
}

int __wrap_daemon_timer_new(daemon_loop *loop, daemon_fn *fn, void *user, daemon_timer **ret);
int __wrap_daemon_timer_new(daemon_loop *loop, daemon_fn *fn, void *user, daemon_timer **ret)
{
    script.fire = fn;
    script.fire_user = user;
    *ret = NULL;
    return 0;
}

void __wrap_daemon_timer_set(daemon_timer *timer, int64_t delay_ms);
void __wrap_daemon_timer_set(daemon_timer *timer, int64_t delay_ms)
{
    script.due_ms = script.now_ms + delay_ms;
}

void __wrap_daemon_timer_free(daemon_timer *timer);
void __wrap_daemon_timer_free(daemon_timer *timer)
{
}

convex_status __wrap_api_mirrors_lost_mutation(convex_client *client,
                                               const api_mirrors_lost_args *args,
                                               const convex_call_options *options,
                                               api_mirrors_lost_fn *on_done, void *user,
                                               uint32_t *ret_id, convex_error *reterr);
convex_status __wrap_api_mirrors_lost_mutation(convex_client *client,
                                               const api_mirrors_lost_args *args,
                                               const convex_call_options *options,
                                               api_mirrors_lost_fn *on_done, void *user,
                                               uint32_t *ret_id, convex_error *reterr)
{
    if (script.refuse != CONVEX_OK)
        return script.refuse;
    assert_null(script.done); /* one at a time */
    int len = snprintf(script.call, sizeof script.call, "%s:", args->channel_id.data);
    for (size_t i = 0; i < args->message_ids.count; i++)
        len += snprintf(script.call + len, sizeof script.call - (size_t)len, " %s",
                        args->message_ids.items[i].data);
    script.done = on_done;
    script.user = user;
    script.calls++;
    return CONVEX_OK;
}

static int set_up(void **state)
{
    lost *self = NULL;
    memset(&script, 0, sizeof script);
    script.due_ms = -1;
    assert_int_equal(lost_open(NULL, NULL, &self), 0);
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    lost_stop(*state);
    lost_close(*state);
    return 0;
}

/* Time passes until the timer; returns false when there is none. */
static bool pass(void)
{
    if (script.due_ms < 0)
        return false;
    if (script.due_ms > script.now_ms)
        script.now_ms = script.due_ms;
    script.due_ms = -1;
    script.fire(script.fire_user);
    return true;
}

static void answer(const char *later)
{
    api_mirrors_lost_fn *done = script.done;
    convex_str id = convex_str_of(later);
    api_mirrors_lost_result result = {.later = {&id, later ? 1 : 0}};
    assert_non_null(done);
    script.done = NULL;
    script.call[0] = '\0';
    done(&result, NULL, script.user);
}

static void deletions_of_a_channel_are_told_together(void **state)
{
    lost_add(*state, "9", "1");
    lost_add(*state, "8", "2");
    lost_add(*state, "9", "3");
    assert_string_equal(script.call, ""); /* more may come */
    assert_true(pass());
    assert_string_equal(script.call, "9: 1 3");
    lost_add(*state, "9", "4");
    answer(NULL);
    while (!script.call[0])
        assert_true(pass());
    assert_string_equal(script.call, "8: 2");
    answer(NULL);
    while (!script.call[0])
        assert_true(pass());
    assert_string_equal(script.call, "9: 4");
    answer(NULL);
    assert_false(pass());
}

static void what_is_busy_is_told_again_for_longer_than_a_lease_then_left(void **state)
{
    int64_t began_ms = script.now_ms;
    lost_add(*state, "9", "1");
    lost_add(*state, "9", "2");
    assert_true(pass());
    assert_string_equal(script.call, "9: 1 2");
    answer("2");
    while (pass())
        if (script.call[0]) {
            assert_string_equal(script.call, "9: 2");
            answer("2");
        }
    assert_true(script.now_ms - began_ms > 15000);
    assert_int_equal(script.calls, 8);
}

/* New ones do not use up the tries of those that wait. */
static void each_waits_for_its_own_time(void **state)
{
    char id[8];
    lost_add(*state, "9", "1");
    assert_true(pass());
    answer("1");
    int64_t told_ms = script.now_ms;
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "10%d", i);
        lost_add(*state, "9", id);
        assert_true(pass());
        assert_null(strstr(script.call, " 1 "));
        answer(NULL);
    }
    while (!script.call[0])
        assert_true(pass());
    assert_string_equal(script.call, "9: 1");
    assert_int_equal(script.now_ms - told_ms, 2500);
    answer(NULL);
}

static void a_call_that_fails_is_made_again(void **state)
{
    static const convex_failure failure = {.message = "no"};
    lost_add(*state, "9", "1");
    script.refuse = CONVEX_ENOMEM;
    assert_true(pass());
    script.refuse = CONVEX_OK;
    assert_true(pass());
    assert_string_equal(script.call, "9: 1");
    api_mirrors_lost_fn *done = script.done;
    script.done = NULL;
    script.call[0] = '\0';
    done(NULL, &failure, script.user);
    assert_true(pass());
    assert_string_equal(script.call, "9: 1");
    answer(NULL);
    assert_false(pass());
}

static void a_flood_is_bounded_and_told_by_the_hundred(void **state)
{
    char id[8];
    size_t told = 0;
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "%d", i);
        lost_add(*state, "9", id);
    }
    while (pass())
        if (script.call[0]) {
            for (const char *at = script.call; (at = strchr(at, ' ')); at++)
                told++;
            answer(NULL);
        }
    assert_int_equal(told, 1024);
    assert_int_equal(script.calls, 11);
}

static void after_the_stop_nothing_is_told(void **state)
{
    lost_add(*state, "9", "1");
    assert_true(pass());
    lost_stop(*state);
    answer("1");
    lost_add(*state, "9", "2");
    assert_false(pass());
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BENCH(deletions_of_a_channel_are_told_together),
        BENCH(what_is_busy_is_told_again_for_longer_than_a_lease_then_left),
        BENCH(each_waits_for_its_own_time),
        BENCH(a_call_that_fails_is_made_again),
        BENCH(a_flood_is_bounded_and_told_by_the_hundred),
        BENCH(after_the_stop_nothing_is_told),
    };
    daemon_log_set_level(DAEMON_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
