/* sync_probe_test.c - probes, what the state says went wrong, and the counters. No socket, no
 * clock.
 */
#include "sync_harness.h"

#include "support.h"

static rig *begin(rig *r)
{
    rig_init(r);
    rig_subscribe(r, "q:a", NULL);
    rig_open(r);
    rig_transition(r, 1, 0, 10, UPDATED(0, "\"v0\""));
    rig_skip_frames(r);
    return r;
}

static void probe(rig *r, cvx_probe *p, int64_t timeout)
{
    *p = (cvx_probe){.deadline = r->now + timeout};
    cvx_sync_probe(r->sync, p);
    rig_drain(r);
}

static void pong(rig *r, const char *data, size_t len)
{
    cvx_sync_pong(r->sync, data, len, r->now * 1000 + 250);
    rig_drain(r);
}

/* ---- probes ---- */

TEST(a_probe_is_a_ping_and_tells_how_long_its_pong_took)
{
    cvx_probe p;
    rig r;
    begin(&r);
    probe(&r, &p, 5000);
    assert_int_equal(r.pings, 1);
    rig_tick(&r, 3);
    pong(&r, r.ping, sizeof r.ping);
    assert_int_equal(r.probed, 1);
    assert_int_equal(p.status, CONVEX_OK);
    assert_int_equal(p.rtt_us, 3250);
    rig_tick(&r, 6000);
    assert_int_equal(r.closes, 0);
    rig_done(&r);
}

TEST(without_a_pong_in_time_the_connection_is_made_anew)
{
    cvx_probe p;
    rig r;
    begin(&r);
    probe(&r, &p, 5000);
    rig_say(&r, "{\"type\":\"Ping\"}"); /* no answer to it */
    rig_tick(&r, 4999);
    assert_int_equal(r.closes, 0);
    rig_tick(&r, 1);
    assert_int_equal(r.closes, 1);
    assert_int_equal(p.status, CONVEX_ETIMEOUT);
    assert_int_equal(rig_state(&r).last_error, CONVEX_ETIMEOUT);
    rig_open(&r);
    rig_expect_text(&r, "\"lastCloseReason\":\"InactiveServer\"");
    rig_done(&r);
}

TEST(a_probe_without_a_connection_fails_at_once_and_with_it_when_it_goes)
{
    cvx_probe first, second;
    rig r;
    begin(&r);
    probe(&r, &first, 5000);
    rig_close(&r, 1006, "");
    assert_int_equal(first.status, CONVEX_ENETWORK);
    probe(&r, &second, 5000);
    assert_int_equal(second.status, CONVEX_ENETWORK);
    assert_int_equal(r.pings, 1);
    assert_int_equal(r.probed, 2);
    rig_done(&r);
}

TEST(a_pong_answers_for_the_pings_before_it_and_a_strange_one_for_none)
{
    cvx_probe p[3];
    rig r;
    begin(&r);
    for (int i = 0; i < 2; i++)
        probe(&r, &p[i], 5000);
    char second[4];
    memcpy(second, r.ping, sizeof second);
    probe(&r, &p[2], 5000);
    pong(&r, "odd!", 4);
    pong(&r, second, 3);
    pong(&r, "", 0);
    assert_int_equal(r.probed, 0);
    pong(&r, second, sizeof second);
    assert_int_equal(r.probed, 2);
    pong(&r, second, sizeof second);
    assert_int_equal(r.probed, 2);
    pong(&r, r.ping, sizeof r.ping);
    assert_int_equal(r.probed, 3);
    rig_done(&r);
}

TEST(probes_are_given_up_as_closed)
{
    cvx_probe p;
    rig r;
    begin(&r);
    probe(&r, &p, 5000);
    assert_ptr_equal(cvx_sync_take_probe(r.sync), &p);
    assert_int_equal(p.status, CONVEX_ECLOSED);
    assert_null(cvx_sync_take_probe(r.sync));
    rig_done(&r);
}

/* ---- what went wrong ---- */

TEST(the_state_tells_what_went_wrong_until_all_is_answered)
{
    static const char fatal[] = "{\"type\":\"FatalError\",\"error\":\"Bad thing\"}";
    rig r;
    begin(&r);
    assert_int_equal(rig_state(&r).last_error, CONVEX_OK);
    rig_close(&r, 1006, "");
    assert_int_equal(rig_state(&r).last_error, CONVEX_ENETWORK);
    rig_open(&r);
    assert_int_equal(rig_state(&r).last_error, CONVEX_ENETWORK);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "1"));
    assert_int_equal(rig_state(&r).last_error, CONVEX_OK);
    rig_close(&r, 1013, "TooManyConcurrentRequests");
    assert_int_equal(rig_state(&r).last_error, CONVEX_ESERVER);
    rig_open(&r);
    rig_say(&r, "nonsense");
    assert_int_equal(rig_state(&r).last_error, CONVEX_EPROTOCOL);
    rig_open(&r);
    rig_say(&r, fatal);
    assert_int_equal(rig_state(&r).last_error, CONVEX_ESERVER);
    assert_string_equal(rig_state(&r).server_error, "Bad thing");
    rig_wait(&r);
    rig_tick(&r, 10000);
    assert_int_equal(rig_state(&r).last_error, CONVEX_ETIMEOUT);
    rig_open(&r);
    cvx_sync_set_auth_admin(r.sync, strdup("d|k"), NULL, r.now);
    rig_drain(&r);
    rig_say(&r, "{\"type\":\"AuthError\",\"error\":\"no\",\"baseVersion\":0}");
    assert_int_equal(rig_state(&r).last_error, CONVEX_EAUTH);
    rig_done(&r);
}

/* ---- counters ---- */

TEST(everything_is_counted)
{
    static const char ts[] = "AQAAAAAAAAA=";
    char frame[300];
    convex_metrics m;
    rig r;
    begin(&r);
    rig_mutate(&r, "m:ok");
    rig_mutate(&r, "m:throws");
    rig_call *canceled = rig_mutate(&r, "m:unknown");
    rig_act(&r, "a:lost");
    snprintf(frame, sizeof frame,
             "{\"type\":\"MutationResponse\",\"requestId\":0,\"success\":true,\"result\":1,"
             "\"ts\":\"%s\",\"logLines\":[]}",
             ts);
    rig_say(&r, frame);
    rig_say(&r, "{\"type\":\"MutationResponse\",\"requestId\":1,\"success\":false,\"result\":\"x\","
                "\"logLines\":[]}");
    rig_cancel(&r, canceled);
    rig_transition(&r, 1, 0, 20, "");
    rig_close(&r, 1006, "");
    rig_call *unsent = rig_mutate(&r, "m:unsent");
    rig_cancel(&r, unsent);
    rig_wait(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    cvx_sync_metrics(r.sync, &m);
    assert_int_equal(m.messages_received, 4);
    assert_int_equal(m.messages_sent, 2 + 4 + 2);
    assert_int_equal(m.transitions, 2);
    assert_int_equal(m.chunks, 0);
    assert_int_equal(m.results_delivered, 1);
    assert_int_equal(m.results_skipped, 0);
    assert_int_equal(m.requests_returned, 1);
    assert_int_equal(m.requests_threw, 1);
    assert_int_equal(m.requests_unknown, 2);
    assert_int_equal(m.requests_canceled, 1);
    assert_int_equal(m.requests_timed_out, 0);
    assert_int_equal(m.attempts, 3);
    assert_int_equal(m.connections, 2);
    assert_int_equal(m.token_fetches, 0);
    rig_done(&r);
}

/* What a slow consumer gets: two messages are read before anything is taken out. */
TEST(a_slow_consumer_gets_the_newest_state)
{
    char frame[400];
    convex_metrics m;
    rig r;
    begin(&r);
    for (int i = 1; i <= 3; i++) {
        char from[CVX_TS_SIZE + 1] = "", to[CVX_TS_SIZE + 1] = "";
        cvx_ts_encode((uint64_t)i * 10, from);
        cvx_ts_encode((uint64_t)i * 10 + 10, to);
        snprintf(frame, sizeof frame,
                 "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":1,\"identity\":0,"
                 "\"ts\":\"%s\"},\"endVersion\":{\"querySet\":1,\"identity\":0,\"ts\":\"%s\"},"
                 "\"modifications\":[{\"type\":\"QueryUpdated\",\"queryId\":0,\"value\":%d,"
                 "\"logLines\":[],\"journal\":null}]}",
                 from, to, i);
        cvx_sync_message(r.sync, frame, strlen(frame), r.now);
    }
    rig_drain(&r);
    assert_int_equal(r.subs[0].count, 2);
    assert_string_equal(r.subs[0].last, "3");
    cvx_sync_metrics(r.sync, &m);
    assert_int_equal(m.results_skipped, 2);
    assert_int_equal(m.results_delivered, 2);
    rig_done(&r);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_probe_is_a_ping_and_tells_how_long_its_pong_took),
        T(without_a_pong_in_time_the_connection_is_made_anew),
        T(a_probe_without_a_connection_fails_at_once_and_with_it_when_it_goes),
        T(a_pong_answers_for_the_pings_before_it_and_a_strange_one_for_none),
        T(probes_are_given_up_as_closed),
        T(the_state_tells_what_went_wrong_until_all_is_answered),
        T(everything_is_counted),
        T(a_slow_consumer_gets_the_newest_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
