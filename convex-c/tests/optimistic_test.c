/* optimistic_test.c - the effect of a mutation, shown before the server has answered it. */
#include "optimistic_rig.h"

/* ---- one update ---- */

TEST(an_update_is_shown_before_the_answer_and_dropped_with_the_commit)
{
    plan p = {.path = "q:a", .value = "\"mine\""};
    rig r;
    begin(&r);
    rig_sub *a = &r.subs[0];
    rig_call *call = mutate(&r, &p);
    rig_expect_text(&r, "\"type\":\"Mutation\"");
    expect_seen(a, 2, "\"mine\"");
    expect_seen(&r.subs[1], 1, "\"b\"");
    respond(&r, 0, true, 20);
    expect_seen(a, 2, "\"mine\"");
    assert_int_equal(p.freed, 0);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"theirs\""));
    expect_seen(a, 3, "\"theirs\"");
    assert_int_equal(call->done, 1);
    assert_int_equal(p.freed, 1);
    rig_done(&r);
}

TEST(a_result_as_it_was_shown_makes_no_call)
{
    plan p = {.path = "q:a", .value = "\"mine\""};
    rig r;
    begin(&r);
    rig_call *call = mutate(&r, &p);
    respond(&r, 0, true, 20);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"mine\""));
    expect_seen(&r.subs[0], 2, "\"mine\"");
    assert_ptr_equal(r.subs[0].listener.told,
                     cvx_sync_result(&r.subs[0].listener)); /* one is kept */
    assert_int_equal(call->done, 1);
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"next\""));
    expect_seen(&r.subs[0], 3, "\"next\"");
    rig_done(&r);
}

TEST(an_update_that_changes_nothing_makes_no_call)
{
    plan p = {.path = "q:a", .value = "\"a\""};
    rig r;
    begin(&r);
    mutate(&r, &p);
    respond(&r, 0, true, 20);
    rig_transition(&r, 1, 0, 20, "");
    expect_seen(&r.subs[0], 1, "\"a\"");
    rig_done(&r);
}

static int seen_at_done;

static void note_done(rig *r, rig_call *call)
{
    cvx_sync_event event;

    while (cvx_sync_next(r->sync, &event) != CVX_SYNC_NONE) {
        if (event.kind == CVX_SYNC_RESULT)
            rig_show(cvx_sync_result(event.listener), r->subs[0].last, sizeof r->subs[0].last,
                     &r->subs[0].has_data);
        if (event.kind == CVX_SYNC_DONE) {
            assert_ptr_equal(event.request, &call->request);
            assert_string_equal(r->subs[0].last, "\"a\"");
            seen_at_done++;
        }
    }
}

TEST(a_failed_mutation_is_rolled_back_before_it_is_told)
{
    static const char frame[] = "{\"type\":\"MutationResponse\",\"requestId\":0,\"success\":false,"
                                "\"result\":\"no\",\"logLines\":[]}";
    plan p = {.path = "q:a", .value = "\"mine\""};
    rig r;
    begin(&r);
    rig_call *call = mutate(&r, &p);
    expect_seen(&r.subs[0], 2, "\"mine\"");
    cvx_sync_message(r.sync, frame, strlen(frame), r.now);
    seen_at_done = 0;
    note_done(&r, call);
    assert_int_equal(seen_at_done, 1);
    assert_int_equal(p.freed, 1);
    rig_done(&r);
}

TEST(a_transition_before_the_commit_is_shown_below_the_update)
{
    plan p = {.path = "q:a", .append = "+"};
    rig r;
    begin(&r);
    mutate(&r, &p);
    expect_seen(&r.subs[0], 2, "\"a+\"");
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"a2\""));
    expect_seen(&r.subs[0], 3, "\"a2+\"");
    respond(&r, 0, true, 30);
    rig_transition(&r, 1, 0, 25, "");
    expect_seen(&r.subs[0], 3, "\"a2+\"");
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"a3\""));
    expect_seen(&r.subs[0], 4, "\"a3\"");
    rig_done(&r);
}

TEST(an_update_runs_again_only_when_something_below_it_changed)
{
    plan p = {.path = "q:a", .append = "+"};
    rig r;
    begin(&r);
    mutate(&r, &p);
    assert_int_equal(p.runs, 1);
    rig_transition(&r, 1, 0, 20, "");
    rig_transition(&r, 1, 0, 30, UPDATED(1, "\"b\"")); /* said again */
    assert_int_equal(p.runs, 1);
    rig_transition(&r, 1, 0, 40, UPDATED(1, "\"b2\""));
    assert_int_equal(p.runs, 2);
    rig_done(&r);
}

TEST(an_update_stays_after_an_early_answer_until_the_results_show_it)
{
    plan p = {.path = "q:a", .value = "\"mine\""};
    rig r;
    begin(&r);
    rig_call *call = mutate_with(&r, &p, true);
    rig_drain(&r);
    respond(&r, 0, true, 20);
    assert_int_equal(call->done, 1); /* at commit */
    expect_seen(&r.subs[0], 2, "\"mine\"");
    rig_transition(&r, 1, 0, 15, "");
    assert_int_equal(p.freed, 0);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"mine\""));
    assert_int_equal(p.freed, 1);
    expect_seen(&r.subs[0], 2, "\"mine\"");
    rig_done(&r);
}

TEST(cancelling_what_is_committed_already_does_not_flash)
{
    plan p = {.path = "q:a", .value = "\"mine\""};
    rig r;
    begin(&r);
    rig_call *call = mutate(&r, &p);
    respond(&r, 0, true, 20);
    cvx_sync_cancel(r.sync, &call->request);
    rig_drain(&r);
    assert_int_equal(call->request.status, CONVEX_OK);
    assert_int_equal(p.freed, 0);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"mine\""));
    expect_seen(&r.subs[0], 2, "\"mine\"");
    assert_int_equal(p.freed, 1);
    rig_done(&r);
}

TEST(cancelling_what_was_sent_takes_its_update_back)
{
    plan p = {.path = "q:a", .value = "\"mine\""};
    rig r;
    begin(&r);
    rig_call *call = mutate(&r, &p);
    cvx_sync_cancel(r.sync, &call->request);
    rig_drain(&r);
    assert_int_equal(call->request.status, CONVEX_EUNKNOWN);
    expect_seen(&r.subs[0], 3, "\"a\"");
    rig_done(&r);
}

TEST(a_reconnect_between_does_not_flash)
{
    plan p = {.path = "q:a", .value = "\"mine\""};
    rig r;
    begin(&r);
    rig_call *call = mutate(&r, &p);
    rig_close(&r, 1006, "");
    rig_open(&r);
    respond(&r, 0, true, 20);
    rig_transition(&r, 1, 0, 20, "");
    rig_transition(&r, 1, 0, 21, UPDATED(1, "\"b\""));
    expect_seen(&r.subs[0], 2, "\"mine\"");
    assert_int_equal(call->done, 0);
    rig_transition(&r, 1, 0, 22, UPDATED(0, "\"mine\""));
    expect_seen(&r.subs[0], 2, "\"mine\"");
    assert_int_equal(call->done, 1);
    rig_done(&r);
}

/* ---- layers ---- */

TEST(updates_lie_on_each_other_in_the_order_of_their_calls)
{
    plan first = {.path = "q:a", .append = "1"}, second = {.path = "q:a", .append = "2"};
    rig r;
    begin(&r);
    mutate(&r, &first);
    mutate(&r, &second);
    expect_seen(&r.subs[0], 3, "\"a12\"");
    assert_int_equal(first.runs, 1); /* what came on top did not change what is below */
    respond(&r, 0, true, 20);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"a1\""));
    expect_seen(&r.subs[0], 3, "\"a12\"");
    respond(&r, 1, true, 30);
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"a12\""));
    expect_seen(&r.subs[0], 3, "\"a12\"");
    rig_done(&r);
}

TEST(a_failure_below_leaves_what_lies_above)
{
    plan first = {.path = "q:a", .append = "1"}, second = {.path = "q:a", .append = "2"};
    rig r;
    begin(&r);
    mutate(&r, &first);
    mutate(&r, &second);
    respond(&r, 0, false, 0);
    expect_seen(&r.subs[0], 4, "\"a2\"");
    rig_done(&r);
}

TEST(what_comes_and_goes_before_it_is_told_is_not_told)
{
    plan first = {.path = "q:a", .append = "1"}, second = {.path = "q:a", .value = "\"a\""};
    rig r;
    begin(&r);
    mutate_with(&r, &first, false);
    mutate_with(&r, &second, false);
    rig_drain(&r);
    expect_seen(&r.subs[0], 1, "\"a\"");
    rig_done(&r);
}

/* ---- loading, failing, not there ---- */

TEST(a_query_set_to_loading_is_told_nothing)
{
    plan p = {.path = "q:a", .value = NULL};
    rig r;
    begin(&r);
    mutate(&r, &p);
    expect_seen(&r.subs[0], 1, "\"a\"");
    assert_null(cvx_sync_result(&r.subs[0].listener));
    respond(&r, 0, false, 0);
    expect_seen(&r.subs[0], 1, "\"a\"");
    assert_non_null(cvx_sync_result(&r.subs[0].listener));
    rig_done(&r);
}

TEST(a_failed_query_reads_as_absent_and_may_be_set)
{
    plan append = {.path = "q:a", .append = "+"}, set = {.path = "q:a", .value = "1"};
    rig r;
    begin(&r);
    rig_transition(&r, 1, 0, 20,
                   "{\"type\":\"QueryFailed\",\"queryId\":0,\"errorMessage\":\"bad\","
                   "\"logLines\":[],\"journal\":null}");
    mutate(&r, &append);
    expect_seen(&r.subs[0], 2, "!bad");
    mutate(&r, &set);
    expect_seen(&r.subs[0], 3, "1");
    respond(&r, 1, false, 0);
    expect_seen(&r.subs[0], 4, "!bad");
    rig_done(&r);
}

TEST(a_subscription_that_begins_while_an_update_is_pending_sees_it)
{
    plan p = {.path = "q:new", .args = "{\"n\":1}", .value = "\"mine\""};
    rig r;
    begin(&r);
    mutate(&r, &p);
    rig_sub *late = rig_subscribe(&r, "q:new", "{\"n\":1}");
    expect_seen(late, 1, "\"mine\"");
    rig_transition(&r, 2, 0, 20, UPDATED(2, "\"theirs\""));
    expect_seen(late, 1, "\"mine\"");
    respond(&r, 0, true, 30);
    rig_transition(&r, 2, 0, 30, "");
    expect_seen(late, 2, "\"theirs\"");
    rig_sub *again = rig_subscribe(&r, "q:new", "{\"n\":1}");
    expect_seen(again, 1, "\"theirs\"");
    rig_done(&r);
}

TEST(a_query_may_go_and_come_while_an_update_of_it_is_pending)
{
    plan p = {.path = "q:b", .value = "\"mine\""};
    rig r;
    begin(&r);
    mutate(&r, &p);
    expect_seen(&r.subs[1], 2, "\"mine\"");
    rig_unsubscribe(&r, &r.subs[1]);
    rig_sub *again = rig_subscribe(&r, "q:b", NULL);
    expect_seen(again, 1, "\"mine\"");
    respond(&r, 0, false, 0);
    expect_seen(again, 1, "\"mine\""); /* loading since */
    rig_transition(&r, 3, 0, 40, UPDATED(2, "\"b\""));
    expect_seen(again, 2, "\"b\"");
    rig_done(&r);
}

TEST(a_group_shows_updates_and_its_version)
{
    convex_query_spec specs[] = {{.path = "q:a"}, {.path = "q:b"}};
    plan p = {.path = "q:b", .value = "\"mine\""}, loading = {.path = "q:b", .value = NULL};
    cvx_group group;
    rig r;
    begin(&r);
    assert_int_equal(cvx_group_init(&group, &r.config.mem, specs, 2, NULL), CONVEX_OK);
    cvx_group_start(r.sync, &group);
    rig_drain(&r);
    assert_int_equal(r.view_calls, 1);
    mutate(&r, &p);
    assert_int_equal(r.view_calls, 2);
    assert_false(convex_snapshot_changed(group.snapshot, 0));
    assert_true(convex_snapshot_changed(group.snapshot, 1));
    assert_int_equal(convex_snapshot_ts(group.snapshot), 10);
    mutate(&r, &loading);
    assert_int_equal(r.view_calls, 2); /* not whole */
    respond(&r, 0, true, 20);
    respond(&r, 1, true, 20);
    rig_transition(&r, 1, 0, 20, UPDATED(1, "\"mine\""));
    assert_int_equal(r.view_calls, 2);
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"a2\""));
    assert_int_equal(r.view_calls, 3);
    assert_false(convex_snapshot_changed(group.snapshot, 1));
    cvx_group_stop(r.sync, &group);
    cvx_group_done(&group);
    rig_done(&r);
}

TEST(a_single_read_gives_what_the_server_says)
{
    plan p = {.path = "q:a", .value = "\"mine\""};
    rig r;
    begin(&r);
    mutate(&r, &p);
    rig_call *read = rig_read(&r, "q:a", 0);
    assert_string_equal(read->result, "\"a\"");
    expect_seen(&r.subs[0], 2, "\"mine\"");
    rig_done(&r);
}

TEST(changed_arguments_show_the_update_of_the_new_query)
{
    plan p = {.path = "q:b", .value = "\"mine\""};
    char *token = NULL;
    size_t len = 0;
    rig r;
    begin(&r);
    mutate(&r, &p);
    assert_int_equal(cvx_call_text(&r.config.mem, "q:b", NULL, NULL, true, &token, &len, NULL),
                     CONVEX_OK);
    cvx_sync_resubscribe(r.sync, cvx_query_new(&r.config.mem, token, len), &r.subs[0].listener);
    rig_drain(&r);
    expect_seen(&r.subs[0], 2, "\"mine\"");
    respond(&r, 0, false, 0);
    expect_seen(&r.subs[0], 3, "\"b\"");
    rig_done(&r);
}

/* ---- misbehaviour ---- */

TEST(an_update_with_a_failed_call_shows_nothing_and_harms_none)
{
    plan below = {.path = "q:a", .append = "1"},
         bad = {.path = "q:a", .append = "2", .bad_path = true},
         above = {.path = "q:a", .append = "3"},
         fresh = {.path = "q:c", .value = "1", .bad_path = true};
    rig r;
    begin(&r);
    mutate(&r, &below);
    rig_call *call = mutate(&r, &bad);
    mutate(&r, &above);
    mutate(&r, &fresh);
    expect_seen(&r.subs[0], 3, "\"a13\"");
    rig_sub *c = rig_subscribe(&r, "q:c", NULL);
    assert_int_equal(c->count, 0);
    respond(&r, 0, true, 20); /* it went its way, like any */
    respond(&r, 1, true, 20);
    rig_transition(&r, 2, 0, 20, UPDATED(0, "\"a12\"") "," UPDATED(2, "0"));
    assert_int_equal(call->done, 1);
    expect_seen(&r.subs[0], 4, "\"a123\"");
    expect_seen(c, 1, "0");
    rig_done(&r);
}

static convex_local_store *kept_store;
static convex_status kept_status;

static void misuse(convex_local_store *store, const convex_value *args, void *user)
{
    convex_value *number = parse("1");
    const convex_value *value = NULL;
    kept_store = store;
    assert_null(args);
    assert_int_equal(convex_local_store_count(store, "q:none"), 0);
    assert_false(convex_local_store_at(store, "q:a", 1, NULL, &value));
    assert_null(convex_local_store_get(store, "q:none", NULL));
    assert_null(convex_local_store_get(NULL, "q:a", NULL));
    assert_int_equal(convex_local_store_count(NULL, "q:a"), 0);
    assert_int_equal(convex_local_store_set(NULL, "q:a", NULL, number), CONVEX_EINVAL);
    kept_status = convex_local_store_set(store, "q:a", number, number); /* no arguments */
    convex_value_unref(number);
}

TEST(misuse_of_the_store_is_refused)
{
    convex_optimistic how = {.update = misuse};
    plan p = {.path = "q:a", .value = "1"};
    rig r;
    begin(&r);
    rig_call *call = mutate_with(&r, &p, false);
    call->request.update->how = how;
    rig_drain(&r);
    assert_int_equal(kept_status, CONVEX_EINVAL);
    assert_null(convex_local_store_get(kept_store, "q:a", NULL)); /* outside of an update */
    assert_int_equal(convex_local_store_set(kept_store, "q:a", NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_local_store_count(kept_store, "q:a"), 0);
    expect_seen(&r.subs[0], 1, "\"a\"");
    rig_done(&r);
}

/* ---- listing ---- */

static char listed[512];

static void list_queries(convex_local_store *store, const convex_value *args, void *user)
{
    const char *path = user;
    size_t at = 0;

    listed[0] = '\0';
    for (size_t i = 0; i < convex_local_store_count(store, path); i++) {
        const convex_value *of = NULL, *value = NULL;
        if (!convex_local_store_at(store, path, i, &of, &value))
            return; /* no memory: the text shows it */
        char *of_text = print_as(of, CONVEX_ENCODED_JSON);
        char *text = value ? print_as(value, CONVEX_ENCODED_JSON) : NULL;
        at +=
            (size_t)snprintf(listed + at, sizeof listed - at, "%s=%s ", of_text, text ? text : "-");
        convex_text_free(of_text, NULL);
        convex_text_free(text, NULL);
    }
}

TEST(all_queries_of_a_path_are_listed_in_order_with_their_values)
{
    plan set = {.path = "l:x", .args = "{\"n\":9}", .value = "\"new\""},
         change = {.path = "l:x", .args = "{\"n\":1}", .value = "\"one!\""};
    static char path[] = "l:x";
    rig r;
    rig_init(&r);
    rig_subscribe(&r, "l:x", "{\"n\":1}");
    rig_subscribe(&r, "l:xy", "{\"n\":1}");
    rig_subscribe(&r, "l:x", NULL);
    rig_subscribe_at(&r, "l:x", "{\"n\":4}", "inner"); /* of a component: not ours */
    rig_open(&r);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "\"one\""));
    mutate(&r, &set);
    mutate(&r, &change);
    rig_call *call = mutate_with(&r, &set, false);
    call->request.update->how = (convex_optimistic){.update = list_queries, .user = path};
    rig_drain(&r);
    assert_string_equal(listed, "{\"n\":1}=\"one!\" {}=- {\"n\":9}=\"new\" ");
    rig_unsubscribe(&r, &r.subs[0]);
    assert_string_equal(listed, "{}=- {\"n\":9}=\"new\" {\"n\":1}=\"one!\" ");
    rig_subscribe(&r, "l:x", "{\"n\":9}");
    assert_string_equal(listed, "{}=- {\"n\":9}=\"new\" {\"n\":1}=\"one!\" ");
    rig_done(&r);
}

/* ---- ends ---- */

TEST(requests_that_are_taken_back_take_their_updates_with_them)
{
    plan first = {.path = "q:a", .append = "1"}, second = {.path = "q:a", .append = "2"};
    rig r;
    begin(&r);
    mutate(&r, &first);
    mutate_with(&r, &second, false); /* never ran */
    while (cvx_sync_take_request(r.sync))
        continue;
    rig_drain(&r);
    expect_seen(&r.subs[0], 3, "\"a\"");
    assert_int_equal(first.freed, 1);
    assert_int_equal(second.freed, 1);
    assert_int_equal(second.runs, 0);
    rig_done(&r);
}

TEST(the_end_of_the_client_frees_updates_that_outlived_their_mutation)
{
    plan p = {.path = "q:a", .append = "1"};
    rig r;
    begin(&r);
    mutate_with(&r, &p, true);
    rig_drain(&r);
    respond(&r, 0, true, 90);
    assert_int_equal(p.freed, 0);
    rig_done(&r);
    assert_int_equal(p.freed, 1);
}

/* ---- memory ---- */

TEST(whatever_allocation_fails_an_update_is_shown_whole_or_not_at_all)
{
    static char path[] = "q:a";
    for (long n = 0; n < 60; n++) {
        plan p = {.path = "q:a", .value = "\"mine\""}, other = {.path = "q:c", .value = "1"};
        failing_mem counter = {.left = -1};
        cvx_sync_config config = rig_config();
        rig r;

        config.mem = failing(&counter);
        rig_init_with(&r, config);
        rig_subscribe(&r, "q:a", NULL);
        rig_open(&r);
        rig_transition(&r, 1, 0, 10, UPDATED(0, "\"a\""));
        mutate_with(&r, &p, false);
        mutate_with(&r, &other, false);
        rig_call *call = mutate_with(&r, &p, false);
        call->request.update->how = (convex_optimistic){.update = list_queries, .user = path};
        counter.left = n;
        rig_drain(&r);
        counter.left = -1;
        if (strcmp(r.subs[0].last, "\"mine\"") != 0)
            expect_seen(&r.subs[0], 1, "\"a\"");
        rig_close(&r, 1006, ""); /* sending may have been short of memory, too */
        rig_open(&r);
        rig_transition(&r, 1, 0, 20, UPDATED(0, "\"b\"")); /* all run again */
        assert_string_equal(r.subs[0].last, "\"mine\"");
        assert_string_equal(listed, "{}=\"mine\" ");
        respond(&r, 0, false, 0);
        assert_string_equal(r.subs[0].last, "\"b\"");
        rig_done(&r);
        assert_int_equal(counter.live, 0);
    }
}

/* ---- cost ---- */

/* Allocations of a Transition that changes one of so many live queries, while an update of it is
 * pending. */
static long cost_among(int queries)
{
    failing_mem counter = {.left = -1};
    cvx_sync_config config = rig_config();
    cvx_listener *listeners = calloc((size_t)queries, sizeof *listeners);
    plan p = {.path = "q:a", .append = "+"};
    long before;
    rig r;

    assert_non_null(listeners);
    config.mem = failing(&counter);
    rig_init_with(&r, config);
    rig_subscribe(&r, "q:a", NULL);
    for (int i = 0; i < queries; i++) {
        char path[32], *token = NULL;
        size_t len = 0;
        snprintf(path, sizeof path, "many:q%d", i);
        assert_int_equal(cvx_call_text(&r.config.mem, path, NULL, NULL, true, &token, &len, NULL),
                         CONVEX_OK);
        cvx_sync_subscribe(r.sync, cvx_query_new(&r.config.mem, token, len), &listeners[i]);
    }
    rig_open(&r);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "\"a\""));
    mutate(&r, &p);
    before = counter.calls;
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"b\""));
    before = counter.calls - before;
    assert_string_equal(r.subs[0].last, "\"b+\"");
    for (int i = 0; i < queries; i++)
        cvx_sync_unsubscribe(r.sync, &listeners[i]);
    free(listeners);
    rig_done(&r);
    return before;
}

TEST(a_change_among_a_thousand_queries_costs_what_one_among_one_costs)
{
    assert_int_equal(cost_among(1000), cost_among(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_is_shown_before_the_answer_and_dropped_with_the_commit),
        cmocka_unit_test(a_result_as_it_was_shown_makes_no_call),
        cmocka_unit_test(an_update_that_changes_nothing_makes_no_call),
        cmocka_unit_test(a_failed_mutation_is_rolled_back_before_it_is_told),
        cmocka_unit_test(a_transition_before_the_commit_is_shown_below_the_update),
        cmocka_unit_test(an_update_runs_again_only_when_something_below_it_changed),
        cmocka_unit_test(an_update_stays_after_an_early_answer_until_the_results_show_it),
        cmocka_unit_test(cancelling_what_is_committed_already_does_not_flash),
        cmocka_unit_test(cancelling_what_was_sent_takes_its_update_back),
        cmocka_unit_test(a_reconnect_between_does_not_flash),
        cmocka_unit_test(updates_lie_on_each_other_in_the_order_of_their_calls),
        cmocka_unit_test(a_failure_below_leaves_what_lies_above),
        cmocka_unit_test(what_comes_and_goes_before_it_is_told_is_not_told),
        cmocka_unit_test(a_query_set_to_loading_is_told_nothing),
        cmocka_unit_test(a_failed_query_reads_as_absent_and_may_be_set),
        cmocka_unit_test(a_subscription_that_begins_while_an_update_is_pending_sees_it),
        cmocka_unit_test(a_query_may_go_and_come_while_an_update_of_it_is_pending),
        cmocka_unit_test(a_group_shows_updates_and_its_version),
        cmocka_unit_test(a_single_read_gives_what_the_server_says),
        cmocka_unit_test(changed_arguments_show_the_update_of_the_new_query),
        cmocka_unit_test(an_update_with_a_failed_call_shows_nothing_and_harms_none),
        cmocka_unit_test(misuse_of_the_store_is_refused),
        cmocka_unit_test(all_queries_of_a_path_are_listed_in_order_with_their_values),
        cmocka_unit_test(requests_that_are_taken_back_take_their_updates_with_them),
        cmocka_unit_test(the_end_of_the_client_frees_updates_that_outlived_their_mutation),
        cmocka_unit_test(whatever_allocation_fails_an_update_is_shown_whole_or_not_at_all),
        cmocka_unit_test(a_change_among_a_thousand_queries_costs_what_one_among_one_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
