/* checks_test.c - messages that Discord is to be asked for: what is kept, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "checks.h"

static const capture_place channel = {.guild_id = "6", .channel_id = "45"};
static const capture_place thread = {.guild_id = "6", .channel_id = "45", .thread_id = "60"};

static void what_is_in_one_channel_is_dropped_alone(void **state)
{
    checks list = {0};
    (void)state;
    checks_add(&list, &channel, "1", false);
    checks_add(&list, &thread, "2", false);
    checks_add(&list, &channel, "3", true);
    checks_drop(&list, "45");
    assert_int_equal(list.count, 1);
    assert_string_equal(list.list[0].message_id, "2");
    assert_string_equal(checks_channel(&list.list[0].place), "60");
    checks_done(&list);
}

static void a_doubt_is_asked_about_again_once_it_is_old_enough(void **state)
{
    checks list = {0};
    (void)state;
    checks_add(&list, &channel, "1", true);
    check one = list.list[--list.count];
    assert_true(checks_doubt(&list, &one, 1000));
    checks_settle(&list, 5999, 5000);
    assert_int_equal(list.count, 0);
    checks_settle(&list, 6000, 5000);
    assert_int_equal(list.count, 1);
    assert_false(list.list[0].early);
    assert_int_equal(list.n_doubts, 0);
    checks_done(&list);
}

static void both_lists_have_an_end(void **state)
{
    checks list = {0};
    check one = {.message_id = "1"};
    char id[24];
    (void)state;
    for (int i = 0; i < 2 * CHECKS_MAX; i++) {
        snprintf(id, sizeof id, "%d", i);
        checks_add(&list, &channel, id, false);
    }
    assert_int_equal(list.count, CHECKS_MAX);
    assert_true(list.cap <= CHECKS_MAX);
    for (int i = 0; i < 2 * CHECKS_DOUBTS_MAX; i++)
        assert_int_equal(checks_doubt(&list, &one, 0), i < CHECKS_DOUBTS_MAX);
    checks_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_one_channel_is_dropped_alone),
        cmocka_unit_test(a_doubt_is_asked_about_again_once_it_is_old_enough),
        cmocka_unit_test(both_lists_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
