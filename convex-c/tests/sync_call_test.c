/* sync_call_test.c - deadlines, cancelling, single queries, changed arguments and queries that
 * linger. No socket, no clock. */
#include "sync_harness.h"

#include "support.h"
#include "sync_heap.h"

#define RESPONSE(id, value, ts)                                                                    \
    "{\"type\":\"MutationResponse\",\"requestId\":" #id ",\"success\":true,\"result\":" value      \
    ",\"ts\":\"" ts "\",\"logLines\":[]}"
#define TS_50 "MgAAAAAAAAA="

/* One query, connected, with the result "v0" at timestamp 10. */
static rig *begin_with(rig *r, unsigned linger_ms)
{
    cvx_sync_config config = rig_config();
    config.linger_ms = linger_ms;
    rig_init_with(r, config);
    rig_subscribe(r, "q:a", NULL);
    rig_open(r);
    rig_transition(r, 1, 0, 10, UPDATED(0, "\"v0\""));
    rig_skip_frames(r);
    return r;
}

static rig *begin(rig *r)
{
    return begin_with(r, 0);
}

static void expect_opening(rig *r)
{
    rig_expect_text(r, "\"Connect\"");
    rig_expect_text(r, "ModifyQuerySet");
}

/* ---- cancelling and deadlines ---- */

TEST(a_cancelled_mutation_that_was_never_sent_never_is)
{
    rig r;
    begin(&r);
    rig_close(&r, 1006, "");
    rig_call *call = rig_mutate(&r, "m:x"), *next = rig_mutate(&r, "m:y");
    rig_cancel(&r, call);
    assert_int_equal(call->done, 1);
    assert_int_equal(call->request.status, CONVEX_ECANCELED);
    rig_open(&r);
    expect_opening(&r);
    rig_expect_text(&r, "\"requestId\":1");
    rig_expect_nothing(&r);
    assert_int_equal(next->done, 0);
    rig_done(&r);
}

TEST(a_cancelled_mutation_that_was_sent_is_unknown_and_not_sent_again)
{
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    rig_cancel(&r, call);
    assert_int_equal(call->done, 1);
    assert_int_equal(call->request.status, CONVEX_EUNKNOWN);
    rig_skip_frames(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    expect_opening(&r);
    rig_expect_nothing(&r);
    rig_say(&r, RESPONSE(0, "1", TS_50)); /* too late, and ignored */
    assert_int_equal(call->done, 1);
    assert_int_equal(r.closes, 0);
    rig_done(&r);
}

TEST(a_cancelled_mutation_that_is_only_to_be_seen_yet_is_ok)
{
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    rig_say(&r, RESPONSE(0, "\"r\"", TS_50));
    rig_cancel(&r, call);
    assert_int_equal(call->request.status, CONVEX_OK);
    assert_string_equal(call->result, "\"r\"");
    rig_transition(&r, 1, 0, 60, "");
    assert_int_equal(call->done, 1);
    rig_done(&r);
}

TEST(cancelling_twice_or_when_done_changes_nothing)
{
    cvx_sync_event event;
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    cvx_sync_cancel(r.sync, &call->request);
    cvx_sync_cancel(r.sync, &call->request);
    assert_int_equal(cvx_sync_next(r.sync, &event), CVX_SYNC_DONE);
    assert_int_not_equal(cvx_sync_next(r.sync, &event), CVX_SYNC_DONE);
    rig_done(&r);
}

TEST(deadlines_tell_sent_from_never_sent)
{
    rig r;
    begin(&r);
    rig_call *sent = rig_call_within(&r, false, "m:x", 5000);
    rig_call *action = rig_call_within(&r, true, "a:x", 4000);
    rig_close(&r, 1013, "TooManyConcurrentRequests"); /* at least 1500 ms */
    rig_call *unsent = rig_call_within(&r, false, "m:y", 1000);
    assert_int_equal(cvx_sync_deadline(r.sync), r.now + 1000);
    rig_tick(&r, 999);
    assert_int_equal(unsent->done, 0);
    rig_tick(&r, 1);
    assert_int_equal(unsent->done, 1);
    assert_int_equal(unsent->request.status, CONVEX_ETIMEOUT);
    rig_tick(&r, 4000);
    assert_int_equal(sent->request.status, CONVEX_EUNKNOWN);
    assert_int_equal(action->request.status, CONVEX_EUNKNOWN);
    rig_skip_frames(&r);
    cvx_sync_opened(r.sync, r.now, WALL_MS);
    rig_drain(&r);
    expect_opening(&r);
    rig_expect_nothing(&r);
    rig_done(&r);
}

TEST(a_mutation_answered_in_time_has_no_deadline_left)
{
    rig r;
    begin(&r);
    rig_call *call = rig_call_within(&r, false, "m:x", 5000);
    rig_say(&r, RESPONSE(0, "1", TS_50));
    rig_transition(&r, 1, 0, 50, "");
    assert_int_equal(call->request.status, CONVEX_OK);
    rig_tick(&r, 6000);
    assert_int_equal(call->done, 1);
    assert_int_equal(cvx_sync_deadline(r.sync), r.now - 6000 + 60000);
    rig_done(&r);
}

TEST(the_age_of_the_oldest_request_is_told)
{
    rig r;
    begin(&r);
    assert_int_equal(rig_state(&r).oldest_request_ms, -1);
    rig_call *read = rig_read(&r, "q:slow", 0);
    rig_tick(&r, 300);
    rig_call *call = rig_mutate(&r, "m:x");
    rig_tick(&r, 200);
    assert_int_equal(rig_state(&r).oldest_request_ms, 500);
    assert_int_equal(rig_state(&r).requests, 2);
    rig_cancel(&r, read);
    assert_int_equal(rig_state(&r).oldest_request_ms, 200);
    rig_cancel(&r, call);
    assert_int_equal(rig_state(&r).oldest_request_ms, -1);
    rig_done(&r);
}

/* ---- single queries ---- */

TEST(a_single_query_takes_what_a_live_one_has)
{
    rig r;
    begin(&r);
    rig_call *read = rig_read(&r, "q:a", 0);
    assert_int_equal(read->done, 1);
    assert_string_equal(read->result, "\"v0\"");
    rig_expect_nothing(&r);
    rig_done(&r);
}

TEST(a_single_query_subscribes_takes_one_result_and_leaves)
{
    rig r;
    begin(&r);
    rig_call *first = rig_read(&r, "q:b", 0), *second = rig_read(&r, "q:b", 0);
    rig_expect_text(&r, "\"type\":\"Add\",\"queryId\":1");
    rig_transition(&r, 2, 0, 20, UPDATED(1, "\"once\""));
    assert_string_equal(first->result, "\"once\"");
    assert_string_equal(second->result, "\"once\"");
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":2,\"newVersion\":3,"
                   "\"modifications\":[{\"type\":\"Remove\",\"queryId\":1}]}");
    assert_int_equal(rig_state(&r).queries, 1);
    rig_transition(&r, 3, 0, 30, UPDATED(1, "\"twice\""));
    assert_int_equal(first->done, 1);
    rig_done(&r);
}

TEST(a_single_query_that_throws_is_done_with_the_error)
{
    rig r;
    begin(&r);
    rig_call *read = rig_read(&r, "q:b", 0);
    rig_transition(&r, 2, 0, 20,
                   "{\"type\":\"QueryFailed\",\"queryId\":1,\"errorMessage\":\"no\","
                   "\"errorData\":null,\"logLines\":[],\"journal\":null}");
    assert_int_equal(read->request.status, CONVEX_OK);
    assert_string_equal(read->result, "!no");
    assert_true(read->has_data);
    rig_done(&r);
}

TEST(a_single_query_does_not_take_a_result_of_the_connection_before)
{
    rig r;
    begin(&r);
    rig_close(&r, 1006, "");
    rig_call *read = rig_read(&r, "q:a", 0);
    assert_int_equal(read->done, 0);
    rig_open(&r);
    rig_transition(&r, 1, 0, 20, "");
    assert_int_equal(read->done, 0);
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"v0\"")); /* equal, but confirmed */
    assert_int_equal(read->done, 1);
    assert_int_equal(r.subs[0].count, 1);
    rig_done(&r);
}

TEST(a_single_query_survives_a_reconnect_and_has_a_deadline)
{
    rig r;
    begin(&r);
    rig_call *slow = rig_read(&r, "q:slow", 3000), *other = rig_read(&r, "q:b", 0);
    rig_skip_frames(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "\"Connect\"");
    rig_expect_text(&r, "q:slow");
    rig_tick(&r, 3000);
    assert_int_equal(slow->done, 1);
    assert_int_equal(slow->request.status, CONVEX_ETIMEOUT);
    rig_cancel(&r, other);
    assert_int_equal(other->request.status, CONVEX_ECANCELED);
    assert_int_equal(rig_state(&r).queries, 1);
    rig_done(&r);
}

TEST(single_queries_are_given_up_as_closed)
{
    rig r;
    begin(&r);
    rig_call *read = rig_read(&r, "q:b", 1000);
    while (cvx_sync_take_request(r.sync))
        continue;
    assert_int_equal(read->request.status, CONVEX_ECLOSED);
    assert_int_equal(rig_state(&r).queries, 1);
    rig_done(&r);
}

/* ---- changed arguments ---- */

TEST(changed_arguments_are_one_frame_with_remove_and_add)
{
    rig r;
    begin(&r);
    rig_set_args(&r, &r.subs[0], "q:a", "{\"n\":1}");
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":1,\"newVersion\":2,"
                   "\"modifications\":[{\"type\":\"Remove\",\"queryId\":0},"
                   "{\"type\":\"Add\",\"queryId\":1,\"udfPath\":\"q:a\",\"args\":[{\"n\":1}]}]}");
    rig_expect_nothing(&r);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"old\""));
    assert_string_equal(r.subs[0].last, "\"v0\"");
    rig_transition(&r, 2, 0, 30, "{\"type\":\"QueryRemoved\",\"queryId\":0}," UPDATED(1, "\"v0\""));
    assert_int_equal(r.subs[0].count, 2); /* of other arguments, so told though it is equal */
    rig_done(&r);
}

TEST(no_result_of_the_old_arguments_is_shown_that_was_waiting)
{
    cvx_sync_event event;
    rig r;
    begin(&r);
    rig_sub *twin = rig_subscribe(&r, "q:a", NULL);
    const char *frame =
        "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":1,\"identity\":0,\"ts\":"
        "\"CgAAAAAAAAA=\"},\"endVersion\":{\"querySet\":1,\"identity\":0,\"ts\":\"FAAAAAAAAAA=\"},"
        "\"modifications\":[" UPDATED(0, "2") "]}";
    cvx_sync_message(r.sync, frame, strlen(frame), r.now);
    rig_set_args(&r, &r.subs[0], "q:a", "{\"n\":1}");
    assert_int_equal(r.subs[0].count, 1);
    assert_int_equal(twin->count, 2);
    assert_string_equal(twin->last, "2");
    assert_int_equal(cvx_sync_next(r.sync, &event), CVX_SYNC_NONE);
    rig_done(&r);
}

TEST(changed_arguments_join_an_equal_live_query_at_once)
{
    rig r;
    begin(&r);
    rig_sub *other = rig_subscribe(&r, "q:a", "{\"n\":1}");
    rig_transition(&r, 2, 0, 20, UPDATED(1, "\"one\""));
    rig_skip_frames(&r);
    rig_set_args(&r, &r.subs[0], "q:a", "{\"n\":1}");
    assert_string_equal(r.subs[0].last, "\"one\"");
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":2,\"newVersion\":3,"
                   "\"modifications\":[{\"type\":\"Remove\",\"queryId\":0}]}");
    rig_unsubscribe(&r, other);
    rig_expect_nothing(&r); /* still wanted */
    rig_unsubscribe(&r, &r.subs[0]);
    rig_expect_text(&r, "Remove");
    rig_done(&r);
}

TEST(equal_arguments_change_nothing)
{
    rig r;
    begin(&r);
    rig_set_args(&r, &r.subs[0], "q.js:a", "{}");
    rig_expect_nothing(&r);
    assert_int_equal(r.subs[0].count, 1);
    rig_done(&r);
}

/* ---- lingering ---- */

TEST(a_query_lingers_and_has_its_result_at_once_for_who_comes_back)
{
    rig r;
    begin_with(&r, 5000);
    rig_unsubscribe(&r, &r.subs[0]);
    rig_expect_nothing(&r);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"v1\"")); /* it is live */
    rig_tick(&r, 4999);
    rig_sub *back = rig_subscribe(&r, "q:a", NULL);
    assert_string_equal(back->last, "\"v1\"");
    rig_tick(&r, 10000);
    rig_expect_nothing(&r);
    rig_unsubscribe(&r, back);
    rig_tick(&r, 4999);
    rig_expect_nothing(&r);
    rig_tick(&r, 1);
    rig_expect_text(&r, "\"modifications\":[{\"type\":\"Remove\",\"queryId\":0}]");
    rig_done(&r);
}

TEST(a_lingering_query_is_kept_over_a_reconnect)
{
    rig r;
    begin_with(&r, 50000);
    rig_unsubscribe(&r, &r.subs[0]);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "\"Connect\"");
    rig_expect_text(&r, "q:a");
    rig_done(&r);
}

TEST(of_too_many_lingering_queries_the_longest_unused_go)
{
    rig r;
    char path[16];
    begin_with(&r, 50000);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "q:n%d", i);
        rig_subscribe(&r, path, NULL);
        rig_unsubscribe(&r, &r.subs[--r.sub_count]);
    }
    assert_int_equal(rig_state(&r).queries, 257);
    rig_skip_frames(&r);
    rig_subscribe(&r, "q:n299", NULL);
    rig_expect_nothing(&r);
    rig_subscribe(&r, "q:n0", NULL);
    rig_expect_text(&r, "q:n0");
    rig_done(&r);
}

TEST(a_change_of_identity_ends_all_lingering)
{
    rig r;
    begin_with(&r, 50000);
    rig_unsubscribe(&r, &r.subs[0]);
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_drain(&r);
    rig_expect_text(&r, "\"type\":\"Remove\",\"queryId\":0");
    assert_int_equal(rig_state(&r).queries, 0);
    rig_done(&r);
}

TEST(a_single_query_leaves_a_lingering_one_behind)
{
    rig r;
    begin_with(&r, 5000);
    rig_read(&r, "q:b", 0);
    rig_transition(&r, 2, 0, 20, UPDATED(1, "1"));
    rig_skip_frames(&r);
    rig_call *again = rig_read(&r, "q:b", 0);
    assert_int_equal(again->done, 1);
    rig_expect_nothing(&r);
    rig_done(&r);
}

/* ---- the heap below ---- */

enum { NODES = 500 };

TEST(the_heap_gives_the_least_whatever_was_taken_out)
{
    static cvx_heap_node nodes[NODES];
    static bool in[NODES];
    cvx_heap heap = {0};
    uint64_t seed = 1;

    for (int step = 0; step < 20000; step++) {
        size_t i = draw_below(&seed, NODES);
        if (in[i])
            cvx_heap_remove(&heap, &nodes[i]);
        else
            cvx_heap_insert(&heap, &nodes[i], draw_below(&seed, 100), (uint32_t)i);
        in[i] = !in[i];
        const cvx_heap_node *least = NULL;
        for (size_t k = 0; k < NODES; k++)
            if (in[k] && (!least || nodes[k].key < least->key))
                least = &nodes[k]; /* the first of equal ones has the lowest tie */
        assert_ptr_equal(heap.root, least);
    }
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_cancelled_mutation_that_was_never_sent_never_is),
        T(a_cancelled_mutation_that_was_sent_is_unknown_and_not_sent_again),
        T(a_cancelled_mutation_that_is_only_to_be_seen_yet_is_ok),
        T(cancelling_twice_or_when_done_changes_nothing),
        T(deadlines_tell_sent_from_never_sent),
        T(a_mutation_answered_in_time_has_no_deadline_left),
        T(the_age_of_the_oldest_request_is_told),
        T(a_single_query_takes_what_a_live_one_has),
        T(a_single_query_subscribes_takes_one_result_and_leaves),
        T(a_single_query_that_throws_is_done_with_the_error),
        T(a_single_query_does_not_take_a_result_of_the_connection_before),
        T(a_single_query_survives_a_reconnect_and_has_a_deadline),
        T(single_queries_are_given_up_as_closed),
        T(changed_arguments_are_one_frame_with_remove_and_add),
        T(no_result_of_the_old_arguments_is_shown_that_was_waiting),
        T(changed_arguments_join_an_equal_live_query_at_once),
        T(equal_arguments_change_nothing),
        T(a_query_lingers_and_has_its_result_at_once_for_who_comes_back),
        T(a_lingering_query_is_kept_over_a_reconnect),
        T(of_too_many_lingering_queries_the_longest_unused_go),
        T(a_change_of_identity_ends_all_lingering),
        T(a_single_query_leaves_a_lingering_one_behind),
        T(the_heap_gives_the_least_whatever_was_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
