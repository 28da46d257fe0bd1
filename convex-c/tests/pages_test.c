/* pages_test.c - a list read page by page: always one version's, from its beginning on. */
#include "pages_rig.h"

/* ---- stories ---- */

TEST(pages_are_asked_for_as_the_official_client_asks)
{
    reader p;
    rig r;
    rig_init(&r);
    begin_reader(&r, &p, "{\"zone\":\"a\",\"n\":1}", 2);
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":0,\"newVersion\":1,"
                   "\"modifications\":[{\"type\":\"Add\",\"queryId\":0,\"udfPath\":\"l:list\","
                   "\"args\":[{\"n\":1,\"paginationOpts\":{\"cursor\":null,\"id\":7,"
                   "\"numItems\":2},\"zone\":\"a\"}]}]}");
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    assert_string_equal(p.last, "can 1 2");
    assert_true(more(&r, &p, 5));
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":1,\"newVersion\":2,"
                   "\"modifications\":[{\"type\":\"Add\",\"queryId\":1,\"udfPath\":\"l:list\","
                   "\"args\":[{\"n\":1,\"paginationOpts\":{\"cursor\":\"c2\",\"id\":7,"
                   "\"numItems\":5},\"zone\":\"a\"}]}]}");
    finish(&r, &p);
}

TEST(more_is_loaded_until_there_is_no_more)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    assert_false(more(&r, &p, 2)); /* loading */
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    assert_string_equal(p.last, "can 1 2");
    assert_true(more(&r, &p, 2));
    assert_string_equal(p.last, "more 1 2");
    assert_false(more(&r, &p, 2));
    rig_transition(&r, 2, 0, 20, PAGE(1, "3", true, "end", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3");
    assert_false(more(&r, &p, 2));
    assert_int_equal(p.calls, 3);
    rig_transition(&r, 2, 0, 30, PAGE(1, "3", true, "end2", NO_SPLIT)); /* no item changed */
    assert_int_equal(p.calls, 3);
    finish(&r, &p);
}

TEST(an_item_that_moves_between_pages_is_seen_once_in_every_list)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3,4", true, "end", NO_SPLIT));
    int calls = p.calls;
    rig_transition(&r, 2, 0, 30,
                   PAGE(0, "0,1,2", false, "c2", NO_SPLIT) "," PAGE(1, "4", true, "end", NO_SPLIT));
    assert_int_equal(p.calls, calls + 1);
    assert_string_equal(p.last, "all 0 1 2 4");
    finish(&r, &p);
}

TEST(a_long_page_is_split_and_shown_until_both_halves_are_there)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2,3,4", true, "end", SPLIT_AT("c2")));
    rig_expect_nothing(&r); /* twice the size is not too long */
    rig_transition(&r, 1, 0, 20, PAGE(0, "1,2,3,4,5", true, "end", SPLIT_AT("c3")));
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":1,\"newVersion\":2,"
                   "\"modifications\":["
                   "{\"type\":\"Add\",\"queryId\":1,\"udfPath\":\"l:list\",\"args\":["
                   "{\"paginationOpts\":{\"cursor\":null,\"endCursor\":\"c3\",\"id\":7,"
                   "\"numItems\":2}}]},"
                   "{\"type\":\"Add\",\"queryId\":2,\"udfPath\":\"l:list\",\"args\":["
                   "{\"paginationOpts\":{\"cursor\":\"c3\",\"endCursor\":\"end\",\"id\":7,"
                   "\"numItems\":2}}]}]}");
    assert_string_equal(p.last, "all 1 2 3 4 5");
    rig_transition(&r, 2, 0, 30,
                   PAGE(0, "1,2,3,4,5,6", true, "end", SPLIT_AT("c3")) "," PAGE(1, "1,2,3", false,
                                                                                "c3", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3 4 5 6");
    int calls = p.calls;
    rig_transition(&r, 2, 0, 40, PAGE(2, "4,5,6", true, "end", NO_SPLIT));
    assert_int_equal(p.calls, calls); /* the same list */
    rig_expect_text(&r, "\"modifications\":[{\"type\":\"Remove\",\"queryId\":0}]");
    rig_transition(&r, 3, 0, 50, PAGE(2, "4,5,6,7", true, "end", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3 4 5 6 7");
    finish(&r, &p);
}

TEST(a_page_is_split_when_the_server_recommends_it)
{
    reader p;
    rig r;
    begin(&r, &p, 9);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2,3", false, "c3", RECOMMENDED_AT("c2")));
    assert_string_equal(p.last, "can 1 2 3");
    rig_expect_text(&r, "\"cursor\":\"c2\",\"endCursor\":\"c3\"");
    assert_true(more(&r, &p, 9)); /* goes on when the halves are there */
    rig_expect_nothing(&r);
    rig_transition(&r, 2, 0, 20,
                   PAGE(1, "1,2", false, "c2", NO_SPLIT) "," PAGE(2, "3", false, "c3", NO_SPLIT));
    rig_expect_text(&r, "\"cursor\":\"c3\",\"id\":7,\"numItems\":9");
    assert_string_equal(p.last, "more 1 2 3");
    finish(&r, &p);
}

TEST(a_page_that_was_cut_short_gives_way_to_halves_that_reach_up_to_the_next_page)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,5", false, "c5", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "8,9", true, "end", NO_SPLIT));
    rig_skip_frames(&r);
    int calls = p.calls;
    rig_transition(&r, 2, 0, 30, PAGE(0, "1,2,3", false, "c3", REQUIRED_AT("c2")));
    assert_int_equal(p.calls, calls); /* 4 and 5 may be missing in it */
    rig_expect_text(&r, "\"cursor\":\"c2\",\"endCursor\":\"c5\"");
    rig_transition(&r, 2, 0, 35, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    assert_int_equal(p.calls, calls); /* still */
    rig_transition(
        &r, 3, 0, 40,
        PAGE(2, "1,2", false, "c2", NO_SPLIT) "," PAGE(3, "3,4,5", false, "c5", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3 4 5 8 9");
    finish(&r, &p);
}

TEST(a_split_that_leads_nowhere_is_not_made)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", RECOMMENDED_AT("c2")));
    rig_expect_nothing(&r);
    more(&r, &p, 2);
    rig_skip_frames(&r);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3,4,5", false, "c5", REQUIRED_AT("c2")));
    rig_expect_nothing(&r);
    assert_string_equal(p.last, "can 1 2 3 4 5");
    finish(&r, &p);
}

static void expect_restart(const char *failure)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_skip_frames(&r);
    rig_transition(&r, 2, 0, 20, failure);
    assert_string_equal(p.last, "first");
    rig_expect_text(&r, "{\"type\":\"Remove\",\"queryId\":1},{\"type\":\"Remove\",\"queryId\":0},"
                        "{\"type\":\"Add\",\"queryId\":2");
    assert_non_null(
        strstr(r.frames[r.frame_read - 1], "{\"cursor\":null,\"id\":4294967303,\"numItems\":2}"));
    rig_transition(&r, 3, 0, 30, PAGE(2, "5,6", false, "d6", NO_SPLIT));
    assert_string_equal(p.last, "can 5 6");
    finish(&r, &p);
}

TEST(a_void_cursor_begins_anew_with_another_id)
{
    expect_restart(FAILED(1, "[Request ID: 1] Server Error\\nInvalidCursor: no", ""));
    expect_restart(FAILED(1, "Server Error",
                          ",\"errorData\":{\"isConvexSystemError\":true,"
                          "\"paginationError\":\"InvalidCursor\"}"));
}

TEST(a_first_page_that_says_so_at_once_has_failed)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, FAILED(0, "InvalidCursor", ""));
    assert_string_equal(p.last, "failed !InvalidCursor");
    rig_expect_nothing(&r);
    finish(&r, &p);
}

TEST(a_failed_page_ends_the_list_until_it_recovers)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, FAILED(1, "boom", ""));
    assert_string_equal(p.last, "failed 1 2 !boom");
    assert_false(more(&r, &p, 2));
    rig_transition(&r, 2, 0, 30, PAGE(1, "3", true, "end", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3");
    rig_transition(&r, 2, 0, 40, FAILED(1, "ouch", ",\"errorData\":{\"paginationError\":1}"));
    assert_string_equal(p.last, "failed 1 2 !ouch");
    finish(&r, &p);
}

TEST(a_page_that_recovers_with_another_end_is_replaced_before_it_is_shown)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3", true, "end", NO_SPLIT));
    rig_transition(&r, 2, 0, 30, FAILED(0, "boom", ""));
    assert_string_equal(p.last, "failed !boom");
    rig_skip_frames(&r);
    rig_transition(&r, 2, 0, 40, PAGE(0, "0,1", false, "c1", NO_SPLIT));
    assert_string_equal(p.last, "failed !boom"); /* 2 would be missing */
    rig_expect_text(&r, "\"cursor\":null,\"endCursor\":\"c2\"");
    rig_transition(&r, 3, 0, 50, PAGE(2, "0,1,2", false, "c2", NO_SPLIT));
    assert_string_equal(p.last, "all 0 1 2 3");
    finish(&r, &p);
}

TEST(a_query_that_returns_no_page_is_a_failure_in_words)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "[1,2]"));
    assert_non_null(strstr(p.last, "does not paginate"));
    finish(&r, &p);
}

TEST(a_reconnect_sends_the_journals_and_waits_for_all_pages)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3", true, "end", NO_SPLIT));
    int calls = p.calls;
    rig_close(&r, 1006, "");
    rig_skip_frames(&r);
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "\"journal\":\"j0\"");
    rig_transition(&r, 1, 0, 30, PAGE(0, "1", false, "c2", NO_SPLIT));
    assert_int_equal(p.calls, calls);
    rig_transition(&r, 1, 0, 40, PAGE(1, "2,3,4", true, "end", NO_SPLIT));
    assert_int_equal(p.calls, calls + 1);
    assert_string_equal(p.last, "all 1 2 3 4");
    finish(&r, &p);
}

/* Puts 0 before the items of the first page. */
static void insert_zero(convex_local_store *store, const convex_value *args, void *user)
{
    for (size_t i = 0; i < convex_local_store_count(store, "l:list"); i++) {
        const convex_value *of = NULL, *page = NULL;
        convex_value *changed = parse("{\"page\":[0,1,2]}");
        assert_true(convex_local_store_at(store, "l:list", i, &of, &page));
        if (page && convex_value_type(convex_value_get(of, "paginationOpts.cursor")) == CONVEX_NULL)
            assert_int_equal(convex_local_store_set(store, "l:list", of, changed), CONVEX_OK);
        convex_value_unref(changed);
    }
}

TEST(an_optimistic_update_shows_in_the_list_and_steers_nothing)
{
    static const char response[] =
        "{\"type\":\"MutationResponse\",\"requestId\":0,\"success\":true,\"result\":null,"
        "\"ts\":\"HgAAAAAAAAA=\",\"logLines\":[]}"; /* 30 */
    convex_optimistic how = {.update = insert_zero};
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3", true, "end", NO_SPLIT));
    rig_skip_frames(&r);
    r.calls[0].body = cvx_strdup(&r.config.mem, "\"udfPath\":\"m:x\",\"args\":[{}]");
    r.calls[0].request = (cvx_request){.body = r.calls[0].body,
                                       .body_len = strlen(r.calls[0].body),
                                       .update = cvx_update_new(&r.config.mem, &how, NULL)};
    r.call_count = 1;
    cvx_sync_request(r.sync, &r.calls[0].request);
    rig_drain(&r);
    assert_string_equal(p.last, "all 0 1 2 3");
    rig_expect_text(&r, "Mutation");
    rig_expect_nothing(&r);
    rig_say(&r, response);
    int calls = p.calls;
    rig_transition(&r, 2, 0, 30, PAGE(0, "0,1,2", false, "c2", NO_SPLIT));
    assert_int_equal(p.calls, calls);
    assert_int_equal(r.calls[0].done, 1);
    finish(&r, &p);
}

TEST(a_list_outlives_its_reading_and_nothing_given_is_answered_calmly)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,\"two\"", false, "c2", NO_SPLIT));
    convex_page_list *kept = convex_page_list_ref(p.pages.list);
    finish(&r, &p);
    assert_string_equal(convex_value_string(convex_page_list_at(kept, 1), NULL), "two");
    convex_page_list_unref(kept);
    convex_page_list_unref(NULL);
    assert_null(convex_page_list_ref(NULL));
    assert_null(convex_page_list_at(NULL, 0));
    assert_null(convex_page_list_error(NULL));
    assert_int_equal(convex_page_list_count(NULL), 0);
    assert_int_equal(convex_page_list_status(NULL), CONVEX_PAGES_LOADING_FIRST);
}

TEST(what_cannot_be_paginated_is_refused)
{
    convex_mem mem = cvx_mem(NULL);
    convex_value *taken = parse("{\"paginationOpts\":1}"), *array = parse("[]");
    convex_error error = {0};
    cvx_pages pages;
    assert_int_equal(cvx_pages_init(&pages, &mem, NULL, NULL, 1, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_pages_init(&pages, &mem, "l:l", NULL, 0, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_pages_init(&pages, &mem, "l:l", taken, 1, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_pages_init(&pages, &mem, "l:l", array, 1, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_pages_init(&pages, &mem, "../l", NULL, 1, 0, &error), CONVEX_EINVAL);
    assert_non_null(strstr(error.message, "../l"));
    convex_value_unref(taken);
    convex_value_unref(array);
}

/* ---- memory ---- */

static void one_life(rig *r, reader *p, failing_mem *counter, long nth)
{
    counter->left = nth;
    rig_transition(r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(r, p, 2);
    cvx_pages_load_more(r->sync, &p->pages, 2);
    counter->left = -1;
}

TEST(whatever_allocation_fails_the_list_comes_in_the_end)
{
    for (long n = 0; n < 80; n++) {
        failing_mem counter = {.left = n};
        cvx_sync_config config = rig_config();
        convex_status status;
        reader p = {0};
        rig r;

        config.mem = failing(&counter);
        status = cvx_pages_init(&p.pages, &config.mem, "l:list", NULL, 2, 7, NULL);
        if (status == CONVEX_OK)
            cvx_pages_done(&p.pages);
        else
            assert_int_equal(status, CONVEX_ENOMEM);
        counter.left = -1;
        rig_init_with(&r, config);
        begin_reader(&r, &p, NULL, 2);
        rig_open(&r);
        one_life(&r, &p, &counter, n);
        if (r.closes > 0) { /* the message itself found no memory */
            rig_open(&r);
            rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
        }
        rig_tick(&r, 1000);
        assert_non_null(strstr(p.last, " 1 2"));
        finish(&r, &p);
        assert_int_equal(counter.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_asked_for_as_the_official_client_asks),
        cmocka_unit_test(more_is_loaded_until_there_is_no_more),
        cmocka_unit_test(an_item_that_moves_between_pages_is_seen_once_in_every_list),
        cmocka_unit_test(a_long_page_is_split_and_shown_until_both_halves_are_there),
        cmocka_unit_test(a_page_is_split_when_the_server_recommends_it),
        cmocka_unit_test(
            a_page_that_was_cut_short_gives_way_to_halves_that_reach_up_to_the_next_page),
        cmocka_unit_test(a_split_that_leads_nowhere_is_not_made),
        cmocka_unit_test(a_void_cursor_begins_anew_with_another_id),
        cmocka_unit_test(a_first_page_that_says_so_at_once_has_failed),
        cmocka_unit_test(a_failed_page_ends_the_list_until_it_recovers),
        cmocka_unit_test(a_page_that_recovers_with_another_end_is_replaced_before_it_is_shown),
        cmocka_unit_test(a_query_that_returns_no_page_is_a_failure_in_words),
        cmocka_unit_test(a_reconnect_sends_the_journals_and_waits_for_all_pages),
        cmocka_unit_test(an_optimistic_update_shows_in_the_list_and_steers_nothing),
        cmocka_unit_test(a_list_outlives_its_reading_and_nothing_given_is_answered_calmly),
        cmocka_unit_test(what_cannot_be_paginated_is_refused),
        cmocka_unit_test(whatever_allocation_fails_the_list_comes_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
