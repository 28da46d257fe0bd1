/* sync_traps_test.c - what clients of the sync protocol are known to get wrong, and the test of it.
 * Those named without a file are here. No socket, no clock.
 *
 *  1  No Connect while a token is awaited.
 *     sync_auth: nothing_is_sent_before_the_first_token
 *  2  The first Connect then counts one too many.
 *     sync_auth: nothing_is_sent_before_the_first_token
 *  3  A mutation is done with its response, and not yet visible.
 *     sync: a_mutation_is_done_when_its_effect_is_visible
 *  4  Empty Transitions matter.
 *     a_mutation_of_nothing_watched_is_done_by_an_empty_transition
 *  5  The Transition overtakes the response.
 *     sync: a_transition_that_overtakes_the_response_does_not_count
 *  6  Committed, and the response is lost.
 *     sync: unanswered_mutation_is_sent_again_after_reconnect
 *     client: a_reply_cut_at_any_byte_costs_exactly_one_resend
 *  7  An action must not be sent twice, and one not sent yet must be.
 *     sync: a_sent_action_fails_when_the_new_socket_opens
 *     sync: an_unsent_action_is_sent_by_the_new_connection
 *  8  Versions belong to one connection.
 *     a_new_connection_begins_at_version_zero
 *  9  A null journal is not none.
 *     sync: a_null_journal_differs_from_none
 * 10  Null errorData is not none.
 *     an_error_with_null_data_is_not_one_without
 * 11  A version mismatch must not hang.
 *     sync: version_mismatch_reconnects_within_its_backoff
 * 12  Timestamps do not fit a double.
 *     sync: timestamps_keep_all_their_bits
 * 13  Nor does serverTs.
 *     a_server_time_beyond_doubles_is_no_obstacle
 * 14  A response counts as observed.
 *     sync: an_answered_but_invisible_mutation_is_sent_again_and_keeps_its_answer
 * 15  The server's clock is behind what was observed.
 *     a_server_behind_our_time_is_tried_until_it_catches_up
 * 16  Paths are made canonical in queries only.
 *     a_path_is_canonical_in_a_query_and_as_written_in_a_mutation
 * 17  A malformed path costs the session, an unknown function only its query.
 *     sync: malformed_paths_never_reach_the_wire
 *     an_unknown_function_fails_alone
 * 18  Chunks are cut between characters.
 *     chunks_of_long_characters_are_joined
 * 19  A Ping is legal between chunks, another message is not.
 *     a_ping_may_come_between_chunks_and_nothing_else
 * 20  The session's Ping is its sign of life, the WebSocket's is not.
 *     sync: silence_for_the_inactivity_time_drops_the_connection
 *     pongs_are_no_sign_of_life_of_the_session
 * 21  A refusal may be of an earlier identity.
 *     sync_auth: a_stale_refusal_fetches_nothing
 * 22  The first Transition, of an identity alone, hides old results.
 *     an_identity_alone_hides_no_result_after_a_reconnect
 * 23  Signing out leaves the server signed in.
 *     after_signing_out_the_next_mutation_is_anonymous
 * 24  A new identity need not send results again.
 *     an_identity_is_confirmed_without_any_result
 *     sync_auth: a_new_subscriber_waits_for_the_new_identity
 * 25  The same query in two components is two queries.
 *     sync: the_same_query_in_two_components_is_two_queries */
#include "sync_harness.h"

#include "support.h"

#define RESPONSE(id, value, ts)                                                                    \
    "{\"type\":\"MutationResponse\",\"requestId\":" #id ",\"success\":true,\"result\":" value      \
    ",\"ts\":\"" ts "\",\"logLines\":[]}"
#define TS_15 "DwAAAAAAAAA="

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

/* The same, as a user. */
static rig *begin_signed_in(rig *r)
{
    rig_init(r);
    rig_subscribe(r, "q:a", NULL);
    cvx_sync_set_auth_admin(r->sync, strdup("d|k"), NULL, r->now);
    rig_open(r);
    rig_transition(r, 1, 1, 10, UPDATED(0, "\"v0\""));
    rig_skip_frames(r);
    return r;
}

TEST(a_mutation_of_nothing_watched_is_done_by_an_empty_transition)
{
    rig r;
    begin(&r);
    rig_call *call = rig_mutate(&r, "m:elsewhere");
    rig_say(&r, RESPONSE(0, "1", TS_15));
    assert_int_equal(call->done, 0);
    rig_transition(&r, 1, 0, 15, "");
    assert_int_equal(call->done, 1);
    assert_int_equal(r.subs[0].count, 1);
    rig_done(&r);
}

TEST(a_new_connection_begins_at_version_zero)
{
    rig r;
    begin_signed_in(&r);
    rig_transition(&r, 7, 3, 20, "");
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "\"Connect\"");
    rig_expect_text(&r, "\"Authenticate\",\"baseVersion\":0");
    rig_expect_text(&r, "\"ModifyQuerySet\",\"baseVersion\":0,\"newVersion\":1");
    rig_transition(&r, 1, 1, 30, UPDATED(0, "1")); /* from 0, 0, 0 */
    assert_int_equal(r.closes, 0);
    rig_done(&r);
}

TEST(an_error_with_null_data_is_not_one_without)
{
    rig r;
    begin(&r);
    rig_subscribe(&r, "q:b", NULL);
    rig_transition(&r, 2, 0, 20,
                   "{\"type\":\"QueryFailed\",\"queryId\":0,\"errorMessage\":\"e\","
                   "\"errorData\":null,\"logLines\":[],\"journal\":null},"
                   "{\"type\":\"QueryFailed\",\"queryId\":1,\"errorMessage\":\"e\","
                   "\"logLines\":[],\"journal\":null}");
    const convex_result *with = cvx_sync_result(&r.subs[0].listener);
    const convex_result *without = cvx_sync_result(&r.subs[1].listener);
    assert_int_equal(convex_value_type(convex_result_error_data(with)), CONVEX_NULL);
    assert_null(convex_result_error_data(without));
    /* And a change from one to the other is a change. */
    rig_transition(&r, 2, 0, 30,
                   "{\"type\":\"QueryFailed\",\"queryId\":0,\"errorMessage\":\"e\","
                   "\"logLines\":[],\"journal\":null}");
    assert_int_equal(r.subs[0].count, 3);
    rig_done(&r);
}

TEST(a_server_time_beyond_doubles_is_no_obstacle)
{
    rig r;
    begin(&r);
    rig_say(&r, "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":1,\"identity\":0,\"ts\":"
                "\"CgAAAAAAAAA=\"},\"endVersion\":{\"querySet\":1,\"identity\":0,\"ts\":"
                "\"FAAAAAAAAAA=\"},\"modifications\":[" UPDATED(
                    0, "2") "],\"serverTs\":1763704800123456789,\"clientClockSkew\":-3}");
    assert_int_equal(r.closes, 0);
    assert_string_equal(r.subs[0].last, "2");
    rig_done(&r);
}

TEST(a_server_behind_our_time_is_tried_until_it_catches_up)
{
    int64_t before = 0;
    rig r;
    begin(&r);
    for (int i = 0; i < 5; i++) {
        rig_close(&r, 1011, "InternalServerError");
        int64_t delay = cvx_sync_deadline(r.sync) - r.now;
        assert_true(delay * 3 >= before); /* it doubles, with a jitter of 0.5 to 1.5 */
        before = delay * 2 / 3;
        rig_skip_frames(&r);
        rig_open(&r);
        rig_expect_text(&r, "\"maxObservedTimestamp\":\"CgAAAAAAAAA=\"");
    }
    assert_int_equal(rig_state(&r).retries, 5);
    assert_string_equal(r.subs[0].last, "\"v0\""); /* still readable */
    rig_transition(&r, 1, 0, 11, UPDATED(0, "\"v1\""));
    assert_string_equal(r.subs[0].last, "\"v1\"");
    assert_int_equal(rig_state(&r).retries, 0);
    rig_done(&r);
}

TEST(a_path_is_canonical_in_a_query_and_as_written_in_a_mutation)
{
    rig r;
    begin(&r);
    rig_subscribe(&r, "mod.js:f", NULL);
    rig_expect_text(&r, "\"udfPath\":\"mod:f\"");
    rig_subscribe(&r, "mod", NULL);
    rig_expect_text(&r, "\"udfPath\":\"mod:default\"");
    rig_mutate(&r, "mod.js:f");
    rig_expect_text(&r, "\"udfPath\":\"mod.js:f\"");
    rig_act(&r, "mod");
    rig_expect_text(&r, "\"udfPath\":\"mod\"");
    rig_done(&r);
}

TEST(an_unknown_function_fails_alone)
{
    rig r;
    begin(&r);
    rig_subscribe(&r, "nope:missing", NULL);
    rig_transition(&r, 2, 0, 20,
                   "{\"type\":\"QueryFailed\",\"queryId\":1,\"errorMessage\":\"Could not find\","
                   "\"logLines\":[],\"journal\":null}");
    assert_string_equal(r.subs[1].last, "!Could not find");
    rig_transition(&r, 2, 0, 30, UPDATED(0, "\"v1\""));
    assert_string_equal(r.subs[0].last, "\"v1\"");
    assert_int_equal(r.closes, 0);
    rig_done(&r);
}

static void say_chunk(rig *r, int part, int total, const char *chunk)
{
    char frame[600];
    snprintf(frame, sizeof frame,
             "{\"type\":\"TransitionChunk\",\"transitionId\":\"1\",\"partNumber\":%d,"
             "\"totalParts\":%d,\"chunk\":\"%s\"}",
             part, total, chunk);
    rig_say(r, frame);
}

#define VERSIONS                                                                                   \
    "{\\\"type\\\":\\\"Transition\\\",\\\"startVersion\\\":{\\\"querySet\\\":1,\\\"identity\\\":0" \
    ",\\\"ts\\\":\\\"CgAAAAAAAAA=\\\"},\\\"endVersion\\\":{\\\"querySet\\\":1,\\\"identity\\\":0," \
    "\\\"ts\\\":\\\"FAAAAAAAAAA=\\\"},\\\"modifications\\\":[{\\\"type\\\":\\\"QueryUpdated\\\","  \
    "\\\"queryId\\\":0,\\\"value\\\":\\\""

TEST(chunks_of_long_characters_are_joined)
{
    rig r;
    begin(&r);
    say_chunk(&r, 0, 3, VERSIONS "\xf0\x9f\x98\x80");
    say_chunk(&r, 1, 3, "\xf0\x9f\x98\x81\\ud83d\\ude02");
    say_chunk(&r, 2, 3, "\\\",\\\"logLines\\\":[],\\\"journal\\\":null}]}");
    assert_string_equal(r.subs[0].last, "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x81\xf0\x9f\x98\x82\"");
    rig_done(&r);
}

TEST(a_ping_may_come_between_chunks_and_nothing_else)
{
    rig r;
    begin(&r);
    say_chunk(&r, 0, 2, VERSIONS "x");
    rig_say(&r, "{\"type\":\"Ping\"}");
    say_chunk(&r, 1, 2, "\\\",\\\"logLines\\\":[],\\\"journal\\\":null}]}");
    assert_string_equal(r.subs[0].last, "\"x\"");
    say_chunk(&r, 0, 2, VERSIONS "y");
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"z\"")); /* is applied, and ends the series */
    assert_string_equal(r.subs[0].last, "\"z\"");
    assert_int_equal(r.closes, 0);
    say_chunk(&r, 1, 2, "\\\",\\\"logLines\\\":[],\\\"journal\\\":null}]}");
    assert_int_equal(r.closes, 1);
    rig_done(&r);
}

TEST(pongs_are_no_sign_of_life_of_the_session)
{
    rig r;
    begin(&r);
    for (int i = 0; i < 59; i++) {
        rig_tick(&r, 1000);
        cvx_sync_pong(r.sync, "", 0, r.now * 1000);
    }
    assert_int_equal(r.closes, 0);
    rig_tick(&r, 1000);
    assert_int_equal(r.closes, 1);
    rig_done(&r);
}

TEST(an_identity_alone_hides_no_result_after_a_reconnect)
{
    rig r;
    begin_signed_in(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_transition(&r, 0, 1, 20, ""); /* the answer of the query comes later */
    assert_non_null(cvx_sync_result(&r.subs[0].listener));
    assert_string_equal(rig_subscribe(&r, "q:a", NULL)->last, "\"v0\"");
    rig_transition(&r, 1, 1, 30, UPDATED(0, "\"v1\""));
    assert_string_equal(r.subs[0].last, "\"v1\"");
    assert_int_equal(r.subs[0].count, 2);
    rig_done(&r);
}

TEST(after_signing_out_the_next_mutation_is_anonymous)
{
    rig r;
    begin_signed_in(&r);
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_mutate(&r, "m:x");
    rig_expect(&r, "{\"type\":\"Authenticate\",\"baseVersion\":1,\"tokenType\":\"None\"}");
    rig_expect_text(&r, "\"Mutation\"");

    /* Also when a token of another identity was awaited: nothing is sent as the old one. */
    cvx_sync_set_auth_admin(r.sync, strdup("d|k"), NULL, r.now);
    rig_drain(&r);
    rig_skip_frames(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    rig_mutate(&r, "m:y");
    rig_expect_nothing(&r);
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_drain(&r);
    rig_expect(&r, "{\"type\":\"Authenticate\",\"baseVersion\":3,\"tokenType\":\"None\"}");
    rig_expect_text(&r, "\"Mutation\"");

    /* And when there is none to be had. */
    cvx_sync_set_auth_admin(r.sync, strdup("d|k"), NULL, r.now);
    rig_drain(&r);
    rig_skip_frames(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    rig_mutate(&r, "m:z");
    rig_token(&r, NULL);
    rig_token(&r, NULL);
    rig_expect(&r, "{\"type\":\"Authenticate\",\"baseVersion\":5,\"tokenType\":\"None\"}");
    rig_expect_text(&r, "\"Mutation\"");
    rig_done(&r);
}

TEST(an_identity_is_confirmed_without_any_result)
{
    rig r;
    begin(&r);
    cvx_sync_set_auth_admin(r.sync, strdup("d|k"), NULL, r.now);
    rig_drain(&r);
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_PENDING);
    rig_transition(&r, 1, 1, 20, "");
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_CONFIRMED);
    assert_int_equal(rig_state(&r).queries_loading, 0);
    assert_int_equal(r.subs[0].count, 1);
    rig_done(&r);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_mutation_of_nothing_watched_is_done_by_an_empty_transition),
        T(a_new_connection_begins_at_version_zero),
        T(an_error_with_null_data_is_not_one_without),
        T(a_server_time_beyond_doubles_is_no_obstacle),
        T(a_server_behind_our_time_is_tried_until_it_catches_up),
        T(a_path_is_canonical_in_a_query_and_as_written_in_a_mutation),
        T(an_unknown_function_fails_alone),
        T(chunks_of_long_characters_are_joined),
        T(a_ping_may_come_between_chunks_and_nothing_else),
        T(pongs_are_no_sign_of_life_of_the_session),
        T(an_identity_alone_hides_no_result_after_a_reconnect),
        T(after_signing_out_the_next_mutation_is_anonymous),
        T(an_identity_is_confirmed_without_any_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
