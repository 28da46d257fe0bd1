/* pages_optimistic_test.c - optimistic updates of a paginated list. */
#include "pages_rig.h"

static void expect_hope(hope h, const char *with_two, const char *with_all)
{
    reader p;
    rig r;
    rig_init(&r);
    begin_reader(&r, &p, "{\"zone\":\"a\"}", 2);
    rig_open(&r);
    rig_transition(&r, 1, 0, 10, PAGE(0, "10,20", false, "c20", NO_SPLIT));
    hope_for(&r, &h);
    assert_string_equal(p.last, with_two);
    assert_true(more(&r, &p, 2));
    rig_transition(&r, 2, 0, 20, PAGE(1, "30", true, "end", NO_SPLIT));
    assert_int_equal(h.status, CONVEX_OK);
    assert_string_equal(p.last, with_all);
    finish(&r, &p);
}

TEST(an_item_may_be_put_at_the_top_or_at_the_bottom_once_that_is_loaded)
{
    expect_hope((hope){AT_TOP, 5}, "can 5 10 20", "all 5 10 20 30");
    expect_hope((hope){AT_BOTTOM, 40}, "can 10 20", "all 10 20 30 40");
}

TEST(an_item_is_put_in_order_where_that_is_loaded)
{
    expect_hope((hope){IN_ORDER, 5}, "can 5 10 20", "all 5 10 20 30");
    expect_hope((hope){IN_ORDER, 15}, "can 10 15 20", "all 10 15 20 30");
    expect_hope((hope){IN_ORDER, 10}, "can 10 10 20", "all 10 10 20 30");
    expect_hope((hope){IN_ORDER, 25}, "can 10 20", "all 10 20 25 30"); /* was the end unknown */
    expect_hope((hope){IN_ORDER, 35}, "can 10 20", "all 10 20 30 35");
}

TEST(items_may_be_replaced_and_removed)
{
    expect_hope((hope){TEN_TIMES, 30}, "can 10 20", "all 10 20 300");
    expect_hope((hope){TEN_TIMES, 10}, "can 100 20", "all 100 20 30");
    expect_hope((hope){WITHOUT, 20}, "can 10", "all 10 30");
    expect_hope((hope){WITHOUT, 99}, "can 10 20", "all 10 20 30");
}

TEST(only_lists_with_matching_arguments_are_changed)
{
    expect_hope((hope){AT_TOP, 5, "{\"zone\":\"a\"}"}, "can 5 10 20", "all 5 10 20 30");
    expect_hope((hope){AT_TOP, 5, "{\"zone\":\"b\"}"}, "can 10 20", "all 10 20 30");
    expect_hope((hope){WITHOUT, 10, "{\"other\":null}"}, "can 10 20", "all 10 20 30");
}

TEST(a_list_that_is_being_split_shows_the_item_before_and_after)
{
    hope h = {IN_ORDER, 25};
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "10,20,30,40,50", true, "end", SPLIT_AT("c30")));
    hope_for(&r, &h);
    assert_string_equal(p.last, "all 10 20 25 30 40 50");
    int calls = p.calls;
    rig_transition(
        &r, 2, 0, 20,
        PAGE(1, "10,20,30", false, "c30", NO_SPLIT) "," PAGE(2, "40,50", true, "end", NO_SPLIT));
    assert_int_equal(p.calls, calls);
    finish(&r, &p);
}

TEST(changing_a_list_without_memory_changes_all_of_it_or_nothing)
{
    for (long n = 0; n < 60; n++) {
        failing_mem counter = {.left = -1};
        cvx_sync_config config = rig_config();
        hope h = {AT_TOP, 5};
        reader p;
        rig r;

        config.mem = failing(&counter);
        rig_init_with(&r, config);
        begin_reader(&r, &p, NULL, 2);
        rig_open(&r);
        rig_transition(&r, 1, 0, 10, PAGE(0, "10,20", true, "end", NO_SPLIT));
        rig_skip_frames(&r);
        hope_for(&r, &h); /* and runs */
        assert_string_equal(p.last, "all 5 10 20");
        h.helper = AT_BOTTOM;
        h.number = 40;
        r.sync->overlay.stale = true;
        counter.left = n;
        rig_drain(&r);
        counter.left = -1;
        assert_true(strcmp(p.last, "all 10 20") == 0 || strcmp(p.last, "all 10 20 40") == 0 ||
                    strcmp(p.last, "all 5 10 20") ==
                        0); /* the list itself may be short of memory */
        rig_tick(&r, 1000);
        r.sync->overlay.stale = true;
        rig_drain(&r);
        assert_string_equal(p.last, "all 10 20 40");
        finish(&r, &p);
        assert_int_equal(counter.live, 0);
    }
}

TEST(helpers_refuse_what_is_missing)
{
    convex_value *item = parse("1");
    convex_local_store idle = {0};
    assert_int_equal(convex_pages_insert_at_top(NULL, "l:list", NULL, item), CONVEX_EINVAL);
    assert_int_equal(convex_pages_insert_at_top(&idle, "l:list", NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_pages_insert_at_bottom(&idle, "l:list", NULL, item), CONVEX_EINVAL);
    assert_int_equal(convex_pages_insert_in_order(&idle, "l:list", NULL, item, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_pages_update_items(&idle, "l:list", NULL, NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_pages_update_items(NULL, "l:list", NULL, change_item, NULL),
                     CONVEX_EINVAL);
    convex_value_unref(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_may_be_put_at_the_top_or_at_the_bottom_once_that_is_loaded),
        cmocka_unit_test(an_item_is_put_in_order_where_that_is_loaded),
        cmocka_unit_test(items_may_be_replaced_and_removed),
        cmocka_unit_test(only_lists_with_matching_arguments_are_changed),
        cmocka_unit_test(a_list_that_is_being_split_shows_the_item_before_and_after),
        cmocka_unit_test(changing_a_list_without_memory_changes_all_of_it_or_nothing),
        cmocka_unit_test(helpers_refuse_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
