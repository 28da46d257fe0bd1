/* sync_test.c - what the sync state machine promises, story by story. No socket, no clock. */
#include "sync_harness.h"

#define RESPONSE(id, value, ts)                                                                    \
    "{\"type\":\"MutationResponse\",\"requestId\":" #id ",\"success\":true,\"result\":" value      \
    ",\"ts\":\"" ts "\",\"logLines\":[]}"
#define TS_15  "DwAAAAAAAAA="
#define TS_50  "MgAAAAAAAAA="
#define TS_100 "ZAAAAAAAAAA="

/* One query, connected, with the result "v0" at timestamp 10. */
static rig *begin(rig *r)
{
    rig_init(r);
    rig_subscribe(r, "q:a", NULL);
    rig_open(r);
    rig_transition(r, 1, 0, 10, UPDATED(0, "\"v0\""));
    rig_skip_frames(r);
    return r;
}

/* ---- connection ---- */

static void first_attempt_is_made_at_once(void **state)
{
    rig r;
    rig_init(&r);
    assert_int_equal(rig_wait(&r), 0);
    assert_int_equal(r.opens, 1);
    rig_done(&r);
}

static void nothing_is_sent_before_the_socket_is_open(void **state)
{
    rig r;
    rig_init(&r);
    rig_subscribe(&r, "q:a", NULL);
    rig_mutate(&r, "m:x");
    rig_wait(&r);
    rig_expect_nothing(&r);
    rig_done(&r);
}

static void refused_attempts_are_not_counted_as_connections(void **state)
{
    rig r;
    rig_init(&r);
    for (int i = 0; i < 3; i++) {
        rig_wait(&r);
        rig_close(&r, 1006, "");
    }
    rig_open(&r);
    rig_expect_text(&r, "\"connectionCount\":0,\"lastCloseReason\":\"InitialConnect\"");
    rig_done(&r);
}

static void close_without_reason_is_told_by_its_code(void **state)
{
    rig r;
    begin(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "\"connectionCount\":1,\"lastCloseReason\":\"closed with code 1006\"");
    rig_done(&r);
}

static void silence_for_the_inactivity_time_drops_the_connection(void **state)
{
    rig r;
    begin(&r);
    rig_tick(&r, 59999);
    assert_int_equal(r.closes, 0);
    rig_say(&r, "{\"type\":\"Ping\"}");
    rig_tick(&r, 59999);
    assert_int_equal(r.closes, 0);
    rig_tick(&r, 1);
    assert_int_equal(r.closes, 1);
    rig_open(&r);
    rig_expect_text(&r, "\"lastCloseReason\":\"InactiveServer\"");
    rig_done(&r);
}

static void connecting_that_takes_too_long_is_given_up(void **state)
{
    rig r;
    rig_init(&r);
    rig_wait(&r);
    rig_tick(&r, 10000);
    assert_int_equal(r.closes, 1);
    assert_string_equal(rig_state(&r).close_reason, "connecting took too long");
    rig_open(&r);
    rig_done(&r);
}

static void delays_double_up_to_the_ceiling_and_start_over_when_all_is_answered(void **state)
{
    rig r;
    begin(&r);
    for (unsigned retries = 0; retries < 7; retries++) {
        int64_t base = 1000 << (retries < 4 ? retries : 4), delay;
        rig_close(&r, 1006, "");
        delay = cvx_sync_deadline(r.sync) - r.now;
        assert_in_range(delay, base / 2, base + base / 2);
        rig_open(&r);
        rig_say(&r, "{\"type\":\"Ping\"}");
    }
    rig_transition(&r, 1, 0, 20, ""); /* the query is still not answered */
    assert_int_equal(rig_state(&r).retries, 7);
    rig_transition(&r, 1, 0, 30, UPDATED(0, "1"));
    assert_int_equal(rig_state(&r).retries, 0);
    rig_done(&r);
}

static void reconnect_now_ends_the_wait(void **state)
{
    rig r;
    begin(&r);
    rig_close(&r, 1006, "");
    cvx_sync_reconnect_now(r.sync, r.now);
    assert_int_equal(rig_wait(&r), 0);
    assert_int_equal(r.opens, 2);
    rig_done(&r);
}

static void reconnect_now_disturbs_no_attempt_and_no_connection(void **state)
{
    rig r;
    rig_init(&r);
    rig_wait(&r);
    cvx_sync_reconnect_now(r.sync, r.now);
    rig_tick(&r, 1);
    assert_int_equal(r.opens, 1);
    cvx_sync_opened(r.sync, r.now, WALL_MS);
    cvx_sync_reconnect_now(r.sync, r.now);
    rig_tick(&r, 1);
    assert_int_equal(r.opens, 1);
    assert_int_equal(r.closes, 0);
    rig_done(&r);
}

static void a_thousand_clients_do_not_come_back_at_once(void **state)
{
    int tenths[10] = {0};

    for (unsigned client = 0; client < 1000; client++) {
        cvx_sync_config config = rig_config();
        rig r;
        memcpy(config.random + 16, &client, sizeof client);
        rig_init_with(&r, config);
        rig_open(&r);
        rig_close(&r, 1013, "TooManyConcurrentRequests");
        int64_t delay = cvx_sync_deadline(r.sync) - r.now;
        assert_in_range(delay, 1500, 4499);
        tenths[(delay - 1500) / 300]++;
        rig_done(&r);
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 60, 140);
}

static void server_refusal_is_reported_in_its_words(void **state)
{
    rig r;
    rig_init(&r);
    rig_wait(&r);
    cvx_sync_closed(r.sync, 1006, "", "HTTP 400", "InvalidClientVersion: too old", r.now);
    rig_drain(&r);
    assert_string_equal(rig_state(&r).server_error, "InvalidClientVersion: too old");
    assert_string_equal(rig_state(&r).close_reason, "HTTP 400");
    assert_int_equal(rig_state(&r).connection, CONVEX_CONNECTION_RECONNECTING);
    rig_open(&r);
    rig_transition(&r, 1, 0, 10, "");
    assert_string_equal(rig_state(&r).server_error, "");
    rig_done(&r);
}

static void version_state_belongs_to_one_connection(void **state)
{
    rig r;
    begin(&r);
    rig_transition(&r, 7, 0, 20, "");
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "\"maxObservedTimestamp\":\"FAAAAAAAAAA=\"");
    rig_expect_text(&r, "\"baseVersion\":0,\"newVersion\":1");
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"v0\""));
    assert_int_equal(r.closes, 0);
    rig_done(&r);
}

static void version_mismatch_reconnects_within_its_backoff(void **state)
{
    rig r;
    begin(&r);
    rig_say(&r, "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":1,\"identity\":0,\"ts\":"
                "\"CwAAAAAAAAA=\"},\"endVersion\":{\"querySet\":1,\"identity\":0,\"ts\":"
                "\"FAAAAAAAAAA=\"},\"modifications\":[" UPDATED(0, "\"bad\"") "]}");
    assert_int_equal(r.closes, 1);
    assert_string_equal(r.subs[0].last, "\"v0\"");
    assert_in_range(rig_wait(&r), 50, 150);
    cvx_sync_opened(r.sync, r.now, WALL_MS);
    rig_drain(&r);
    rig_expect_text(&r, "\"maxObservedTimestamp\":\"CgAAAAAAAAA=\""); /* the bad one is not seen */
    rig_done(&r);
}

static void messages_after_a_drop_are_not_read(void **state)
{
    rig r;
    begin(&r);
    rig_say(&r, "nonsense");
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"late\""));
    assert_string_equal(r.subs[0].last, "\"v0\"");
    rig_close(&r, 1006, "");
    assert_int_equal(rig_state(&r).retries, 1);
    rig_done(&r);
}

static void chunks_beyond_the_limit_drop_the_connection(void **state)
{
    static char frame[300000];
    rig r;
    begin(&r);
    for (int part = 0; part < 5; part++) {
        int at = snprintf(frame, sizeof frame,
                          "{\"type\":\"TransitionChunk\",\"transitionId\":\"1\",\"totalParts\":9,"
                          "\"partNumber\":%d,\"chunk\":\"",
                          part);
        memset(frame + at, ' ', 250000);
        memcpy(frame + at + 250000, "\"}", 3);
        rig_say(&r, frame);
    }
    assert_int_equal(r.closes, 1);
    rig_done(&r);
}

/* ---- queries ---- */

static void equal_queries_share_one_on_the_wire(void **state)
{
    rig r;
    begin(&r);
    rig_sub *twin = rig_subscribe(&r, "q.js:a", "{}");
    rig_expect_nothing(&r);
    assert_string_equal(twin->last, "\"v0\"");
    rig_unsubscribe(&r, &r.subs[0]);
    rig_expect_nothing(&r);
    rig_unsubscribe(&r, twin);
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":1,\"newVersion\":2,"
                   "\"modifications\":[{\"type\":\"Remove\",\"queryId\":0}]}");
    rig_done(&r);
}

static void the_same_query_in_two_components_is_two_queries(void **state)
{
    rig r;
    begin(&r);
    rig_subscribe_at(&r, "q:a", NULL, "comp");
    rig_drain(&r);
    rig_expect_text(&r, "\"queryId\":1");
    rig_done(&r);
}

static void subscriptions_of_one_turn_go_out_in_one_frame(void **state)
{
    rig r;
    begin(&r);
    for (int i = 0; i < 5; i++) {
        char path[16];
        snprintf(path, sizeof path, "q:n%d", i);
        rig_subscribe_at(&r, path, NULL, NULL);
    }
    cvx_sync_unsubscribe(r.sync, &r.subs[3].listener); /* never told: cancels out */
    rig_drain(&r);
    const char *frame = rig_frame(&r);
    assert_non_null(strstr(frame, "\"queryId\":5"));
    assert_null(strstr(frame, "\"queryId\":3"));
    assert_null(strstr(frame, "Remove"));
    rig_expect_nothing(&r);
    rig_done(&r);
}

static void equal_results_are_shown_once(void **state)
{
    rig r;
    begin(&r);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"v0\""));
    assert_int_equal(r.subs[0].count, 1);
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"v1\""));
    assert_int_equal(r.subs[0].count, 2);
    rig_done(&r);
}

#define FAILED_WITH(message)                                                                       \
    "{\"type\":\"QueryFailed\",\"queryId\":0,\"errorMessage\":\"" message                          \
    "\",\"logLines\":[],\"journal\":null}"

static void equal_failures_are_shown_once_whatever_their_request_id(void **state)
{
    rig r;
    begin(&r);
    rig_transition(&r, 1, 0, 20, FAILED_WITH("[Request ID: 0123456789abcdef] Server Error"));
    rig_transition(&r, 1, 0, 30, FAILED_WITH("[Request ID: fedcba9876543210] Server Error"));
    assert_int_equal(r.subs[0].count, 2);
    rig_transition(&r, 1, 0, 40, FAILED_WITH("[Request ID: fedcba9876543210] Other"));
    assert_int_equal(r.subs[0].count, 3);
    rig_done(&r);
}

static void results_stay_visible_over_a_reconnect(void **state)
{
    rig r;
    begin(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_transition(&r, 1, 0, 20, ""); /* says nothing of the query yet */
    assert_non_null(cvx_sync_result(&r.subs[0].listener));
    assert_int_equal(rig_state(&r).queries_loading, 1);
    rig_sub *twin = rig_subscribe(&r, "q:a", NULL);
    assert_string_equal(twin->last, "\"v0\"");
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"v0\""));
    assert_int_equal(r.subs[0].count, 1);
    assert_int_equal(rig_state(&r).queries_loading, 0);
    rig_done(&r);
}

static void results_of_an_unsubscribed_query_only_move_the_version(void **state)
{
    rig r;
    begin(&r);
    rig_unsubscribe(&r, &r.subs[0]);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "\"late\""));
    assert_int_equal(r.closes, 0);
    assert_int_equal(cvx_sync_version(r.sync).ts, 20);
    rig_done(&r);
}

static void unsubscribing_while_disconnected_needs_no_remove(void **state)
{
    rig r;
    begin(&r);
    rig_close(&r, 1006, "");
    rig_unsubscribe(&r, &r.subs[0]);
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":0,\"newVersion\":1,"
                   "\"modifications\":[]}");
    rig_done(&r);
}

static void a_bad_message_changes_no_result_at_all(void **state)
{
    rig r;
    begin(&r);
    rig_subscribe(&r, "q:b", NULL);
    rig_transition(&r, 2, 0, 20,
                   UPDATED(0, "\"new\"") ",{\"type\":\"QueryUpdated\",\"queryId\":1,\"value\":1}");
    assert_int_equal(r.closes, 1);
    assert_string_equal(r.subs[0].last, "\"v0\"");
    assert_int_equal(r.subs[0].count, 1);
    rig_done(&r);
}

static void a_null_journal_differs_from_none(void **state)
{
    rig r;
    rig_init(&r);
    rig_subscribe(&r, "q:a", NULL);
    rig_open(&r);
    rig_frame(&r);
    assert_null(strstr(rig_frame(&r), "journal"));
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1"));
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_frame(&r);
    rig_expect_text(&r, "\"journal\":null");
    rig_done(&r);
}

/* ---- mutations and actions ---- */

static void a_mutation_is_done_when_its_effect_is_visible(void **state)
{
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    rig_say(&r, RESPONSE(0, "\"r\"", TS_50));
    rig_transition(&r, 1, 0, 49, "");
    assert_int_equal(call->done, 0);
    rig_transition(&r, 1, 0, 50, UPDATED(0, "\"v1\""));
    assert_int_equal(call->done, 1);
    assert_string_equal(call->result, "\"r\"");
    assert_string_equal(r.subs[0].last, "\"v1\"");
    rig_done(&r);
}

static void results_are_shown_before_the_mutation_is_done(void **state)
{
    cvx_sync_event event;
    rig r;
    begin(&r);
    rig_mutate(&r, "m:x");
    rig_say(&r, RESPONSE(0, "1", TS_15));
    const char *frame =
        "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":1,\"identity\":0,\"ts\":"
        "\"CgAAAAAAAAA=\"},\"endVersion\":{\"querySet\":1,\"identity\":0,\"ts\":\"FAAAAAAAAAA=\"},"
        "\"modifications\":[" UPDATED(0, "2") "]}";
    cvx_sync_message(r.sync, frame, strlen(frame), r.now);
    assert_int_equal(cvx_sync_next(r.sync, &event), CVX_SYNC_RESULT);
    assert_int_equal(cvx_sync_next(r.sync, &event), CVX_SYNC_DONE);
    rig_done(&r);
}

static void a_transition_that_overtakes_the_response_does_not_count(void **state)
{
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    rig_transition(&r, 1, 0, 30, "");
    rig_say(&r, RESPONSE(0, "1", TS_15));
    assert_int_equal(call->done, 0);
    rig_transition(&r, 1, 0, 30, "");
    assert_int_equal(call->done, 1);
    rig_done(&r);
}

static void a_mutation_at_commit_is_done_with_its_response(void **state)
{
    rig r;
    begin(&r);
    rig_call *call = rig_call_at(&r, false, "m:x", NULL, NULL, true);
    rig_say(&r, RESPONSE(0, "\"r\"", TS_50));
    assert_int_equal(call->done, 1);
    rig_skip_frames(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "\"maxObservedTimestamp\":\"MgAAAAAAAAA=\"");
    rig_expect_text(&r, "ModifyQuerySet");
    rig_expect_nothing(&r);
    rig_done(&r);
}

static void unanswered_mutation_is_sent_again_after_reconnect(void **state)
{
    rig r;
    begin(&r);
    rig_call *first = rig_mutate(&r, "m:x"), *second = rig_mutate(&r, "m:y");
    rig_skip_frames(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "ModifyQuerySet");
    rig_expect(&r, "{\"type\":\"Mutation\",\"requestId\":0,\"udfPath\":\"m:x\",\"args\":[{}]}");
    rig_expect(&r, "{\"type\":\"Mutation\",\"requestId\":1,\"udfPath\":\"m:y\",\"args\":[{}]}");
    rig_say(&r, RESPONSE(0, "1", TS_15));
    rig_say(&r, RESPONSE(1, "2", TS_15));
    rig_transition(&r, 1, 0, 15, UPDATED(0, "1"));
    assert_int_equal(first->done + second->done, 2);
    rig_done(&r);
}

static void after_a_reconnect_a_mutation_is_visible_only_when_the_results_are_there(void **state)
{
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_say(&r, RESPONSE(0, "1", TS_15));
    rig_transition(&r, 1, 0, 15, ""); /* shows "v0" of before still */
    assert_int_equal(call->done, 0);
    rig_transition(&r, 1, 0, 16, UPDATED(0, "1"));
    assert_int_equal(call->done, 1);
    rig_done(&r);
}

static void an_answered_but_invisible_mutation_is_sent_again_and_keeps_its_answer(void **state)
{
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    rig_say(&r, RESPONSE(0, "\"first\"", TS_100));
    rig_skip_frames(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "\"maxObservedTimestamp\":\"ZAAAAAAAAAA=\"");
    rig_expect_text(&r, "ModifyQuerySet");
    rig_expect_text(&r, "Mutation");
    rig_transition(&r, 1, 0, 100, UPDATED(0, "1")); /* no second response comes */
    assert_int_equal(call->done, 1);
    assert_string_equal(call->result, "\"first\"");
    rig_done(&r);
}

static void a_sent_action_fails_when_the_new_socket_opens(void **state)
{
    rig r;
    begin(&r);
    rig_call *action = rig_act(&r, "a:x");
    rig_skip_frames(&r);
    rig_close(&r, 1006, "");
    assert_int_equal(action->done, 0);
    rig_open(&r);
    assert_int_equal(action->done, 1);
    assert_int_equal(action->request.status, CONVEX_EUNKNOWN);
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "ModifyQuerySet");
    rig_expect_nothing(&r);
    rig_done(&r);
}

static void an_unsent_action_is_sent_by_the_new_connection(void **state)
{
    rig r;
    begin(&r);
    rig_close(&r, 1006, "");
    rig_call *action = rig_act(&r, "a:x");
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "ModifyQuerySet");
    rig_expect_text(&r, "\"type\":\"Action\"");
    rig_say(&r, "{\"type\":\"ActionResponse\",\"requestId\":0,\"success\":true,\"result\":5,"
                "\"logLines\":[]}");
    assert_string_equal(action->result, "5");
    rig_done(&r);
}

static void requests_given_up_say_whether_they_were_sent(void **state)
{
    rig r;
    begin(&r);
    rig_call *sent = rig_mutate(&r, "m:x");
    rig_close(&r, 1006, "");
    rig_call *unsent = rig_mutate(&r, "m:y");
    while (cvx_sync_take_request(r.sync))
        continue;
    assert_int_equal(sent->request.status, CONVEX_EUNKNOWN);
    assert_int_equal(unsent->request.status, CONVEX_ECLOSED);
    rig_done(&r);
}

static void timestamps_keep_all_their_bits(void **state)
{
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    rig_say(&r, RESPONSE(0, "1", "AQAAAAAAIAA=")); /* 2^53 + 1 */
    rig_transition(&r, 1, 0, UINT64_C(9007199254740992), "");
    assert_int_equal(call->done, 0);
    rig_transition(&r, 1, 0, UINT64_C(9007199254740993), "");
    assert_int_equal(call->done, 1);
    rig_done(&r);
}

static void the_error_names_the_argument_at_fault(void **state)
{
    static const char json[] = "{\"list\":[1,2,3,{\"$x\":1}]}";
    convex_mem mem = cvx_mem(NULL);
    convex_value *args = rig_parse(json);
    convex_error error = {0};
    char *text = NULL;

    assert_int_equal(cvx_call_text(&mem, "m:x", NULL, args, false, &text, NULL, &error),
                     CONVEX_EINVAL);
    assert_string_equal(error.message, "a field name starts with $, at args.list[3].$x");
    convex_value_unref(args);
}

static void malformed_components_never_reach_the_wire(void **state)
{
    static const char *const bad[] = {"/", "a/", "/a", "a//b", "a.b", "a b", "1a", "\xc3\xa9"};
    convex_mem mem = cvx_mem(NULL);
    convex_error error;
    char *text = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cvx_call_text(&mem, "m:x", bad[i], NULL, true, &text, NULL, &error),
                         CONVEX_EINVAL);
        assert_non_null(strstr(error.message, "component"));
    }
    assert_int_equal(cvx_call_text(&mem, "m:x", "a_1/b", NULL, true, &text, NULL, NULL), CONVEX_OK);
    cvx_free(&mem, text);
}

static void malformed_paths_never_reach_the_wire(void **state)
{
    static const char *const bad[] = {
        "",      ":f",   "m:",    "../up:q", "/abs:q", "a/../b:q",   "a//b:q", "a.ts:q",
        "a b:q", "m:1f", "m:a-b", "a/:q",    "m\":q",  "\xc3\xa9:q", "m:x\ny", ".:q"};
    static const char *const good[] = {"m", "m:f", "dir/mod.js:f", "_system/cli/x:cloudUrl",
                                       "a_b/c9:d_1"};
    convex_mem mem = cvx_mem(NULL);
    convex_error error;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = NULL;
        assert_int_equal(cvx_call_text(&mem, bad[i], NULL, NULL, true, &text, NULL, &error),
                         CONVEX_EINVAL);
        assert_non_null(strstr(error.message, "path"));
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *text = NULL;
        assert_int_equal(cvx_call_text(&mem, good[i], NULL, NULL, false, &text, NULL, NULL),
                         CONVEX_OK);
        cvx_free(&mem, text);
    }
}

/* ---- memory ---- */

typedef struct short_memory {
    long left; /* allocations until the one that fails; negative: none fails */
} short_memory;

static void *short_realloc(void *ptr, size_t size, void *user)
{
    short_memory *memory = user;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    if (memory->left >= 0 && memory->left-- == 0)
        return NULL;
    return realloc(ptr, size);
}

/* A session in which the nth allocation fails: it reconnects and ends up right. */
static void any_failed_allocation_costs_at_most_a_reconnect(void **state)
{
    for (long nth = 0; nth < 60; nth++) {
        short_memory memory = {-1};
        cvx_sync_config config = rig_config();
        rig r;
        config.mem = (convex_mem){short_realloc, &memory};
        rig_init_with(&r, config);
        rig_subscribe(&r, "q:a", NULL);
        rig_call *call = rig_mutate(&r, "m:x");
        memory.left = nth;
        for (int attempt = 0; attempt < 4 && !call->done; attempt++) {
            if (r.closes + 1 > r.opens)
                rig_open(&r);
            rig_transition(&r, 1, 0, 10 + (uint64_t)attempt * 100, UPDATED(0, "[1,2,3]"));
            rig_say(&r, RESPONSE(0, "{\"a\":\"b\"}", TS_15));
            rig_transition(&r, 1, 0, 60 + (uint64_t)attempt * 100, "");
        }
        memory.left = -1;
        assert_int_equal(call->done, 1);
        assert_string_equal(call->result, "{\"a\":\"b\"}");
        assert_string_equal(r.subs[0].last, "[1,2,3]");
        rig_done(&r);
    }
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(first_attempt_is_made_at_once),
        T(nothing_is_sent_before_the_socket_is_open),
        T(refused_attempts_are_not_counted_as_connections),
        T(close_without_reason_is_told_by_its_code),
        T(silence_for_the_inactivity_time_drops_the_connection),
        T(connecting_that_takes_too_long_is_given_up),
        T(delays_double_up_to_the_ceiling_and_start_over_when_all_is_answered),
        T(reconnect_now_ends_the_wait),
        T(reconnect_now_disturbs_no_attempt_and_no_connection),
        T(a_thousand_clients_do_not_come_back_at_once),
        T(server_refusal_is_reported_in_its_words),
        T(version_state_belongs_to_one_connection),
        T(version_mismatch_reconnects_within_its_backoff),
        T(messages_after_a_drop_are_not_read),
        T(chunks_beyond_the_limit_drop_the_connection),
        T(equal_queries_share_one_on_the_wire),
        T(the_same_query_in_two_components_is_two_queries),
        T(subscriptions_of_one_turn_go_out_in_one_frame),
        T(equal_results_are_shown_once),
        T(equal_failures_are_shown_once_whatever_their_request_id),
        T(results_stay_visible_over_a_reconnect),
        T(results_of_an_unsubscribed_query_only_move_the_version),
        T(unsubscribing_while_disconnected_needs_no_remove),
        T(a_bad_message_changes_no_result_at_all),
        T(a_null_journal_differs_from_none),
        T(a_mutation_is_done_when_its_effect_is_visible),
        T(results_are_shown_before_the_mutation_is_done),
        T(a_transition_that_overtakes_the_response_does_not_count),
        T(a_mutation_at_commit_is_done_with_its_response),
        T(unanswered_mutation_is_sent_again_after_reconnect),
        T(after_a_reconnect_a_mutation_is_visible_only_when_the_results_are_there),
        T(an_answered_but_invisible_mutation_is_sent_again_and_keeps_its_answer),
        T(a_sent_action_fails_when_the_new_socket_opens),
        T(an_unsent_action_is_sent_by_the_new_connection),
        T(requests_given_up_say_whether_they_were_sent),
        T(timestamps_keep_all_their_bits),
        T(the_error_names_the_argument_at_fault),
        T(malformed_components_never_reach_the_wire),
        T(malformed_paths_never_reach_the_wire),
        T(any_failed_allocation_costs_at_most_a_reconnect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
