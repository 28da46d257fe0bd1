/* session_test.c - the gateway session without sockets: what is said, when, and after what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "session.h"

#define HELLO "{\"op\":10,\"d\":{\"heartbeat_interval\":40000}}"
#define ACK   "{\"op\":11}"
#define READY                                                                                      \
    "{\"op\":0,\"t\":\"READY\",\"s\":1,\"d\":{\"session_id\":\"abc\",\"resume_gateway_url\":"      \
    "\"wss://resume.test\"}}"
#define RESUMED    "{\"op\":0,\"t\":\"RESUMED\",\"s\":8,\"d\":{}}"
#define MESSAGE(s) "{\"op\":0,\"t\":\"MESSAGE_CREATE\",\"s\":" #s ",\"d\":{\"id\":\"1\"}}"

static int64_t now;
static uint32_t dice;
static discord_gateway_state last_state;
static char last_reason[256];
static bool last_resumable;
static int64_t last_wait;
static int last_close; /* 0: the session asked for none */
static char last_url[DGW_URL_MAX];
static bool asked;
static char sent[DGW_FRAME_MAX + 1];

static uint32_t roll(void *user)
{
    return dice;
}

static dgw *make(const discord_resume_state *resume, bool budget)
{
    dgw_config config = {.token = "secret",
                         .intents = 33281,
                         .shard_count = 1,
                         .url = budget ? NULL : "wss://gateway.test",
                         .ask_budget = budget,
                         .connect_timeout_ms = 10000,
                         .max_backoff_ms = 60000,
                         .resume = resume,
                         .random = roll};
    now = 1000000;
    dice = UINT32_MAX / 2;
    dgw *s = dgw_new(&config);
    assert_non_null(s);
    return s;
}

/* Takes every action; remembers what matters. */
static void drain(dgw *s)
{
    dgw_action a;

    last_url[0] = '\0';
    last_close = 0;
    asked = false;
    while (dgw_next_action(s, &a)) {
        if (a.type == DGW_CONNECT)
            strcpy(last_url, a.url);
        else if (a.type == DGW_CLOSE)
            last_close = a.code;
        else if (a.type == DGW_ASK)
            asked = true;
        else {
            last_state = a.state;
            last_resumable = a.resumable;
            last_wait = a.retry_in_ms;
            strcpy(last_reason, a.reason);
        }
    }
}

static bool say(dgw *s, const char *text)
{
    dgw_event event;
    bool delivered = dgw_text(s, text, strlen(text), now, &event);

    drain(s);
    return delivered;
}

static bool next_frame(dgw *s)
{
    size_t size;
    bool ok = dgw_next_frame(s, now, sent, &size);

    if (ok)
        assert_int_equal(size, strlen(sent));
    return ok;
}

static void tick_to(dgw *s, int64_t until)
{
    now = until;
    dgw_tick(s, now);
    drain(s);
}

static void hello(dgw *s)
{
    dgw_opened(s, now);
    say(s, HELLO);
    assert_true(next_frame(s));
}

static dgw *live(void)
{
    dgw *s = make(NULL, false);

    dgw_start(s, now);
    drain(s);
    hello(s);
    assert_true(say(s, READY));
    dgw_kept(s, true, now);
    return s;
}

static void reconnect(dgw *s)
{
    int64_t due = dgw_due(s);

    assert_int_not_equal(due, DGW_NEVER);
    tick_to(s, due);
}

static void a_new_session_identifies_after_hello(void **state)
{
    dgw *s = make(NULL, false);

    dgw_start(s, now);
    drain(s);
    assert_string_equal(last_url, "wss://gateway.test/?v=10&encoding=json");
    dgw_opened(s, now);
    assert_false(next_frame(s));
    say(s, HELLO);
    assert_true(next_frame(s));
    assert_string_equal(sent,
                        "{\"op\":2,\"d\":{\"token\":\"secret\",\"intents\":33281,\"properties\":"
                        "{\"os\":\"linux\",\"browser\":\"discord-c\",\"device\":\"discord-c\"}}}");
    assert_true(say(s, READY));
    assert_int_equal(last_state, DISCORD_GATEWAY_READY);
    dgw_free(s);
}

static void the_first_heartbeat_is_jittered_and_later_ones_are_not(void **state)
{
    dgw *s = make(NULL, false);

    dgw_start(s, now);
    drain(s);
    dice = UINT32_MAX / 4;
    hello(s);
    assert_in_range(dgw_due(s) - now, 9999, 10000);
    tick_to(s, dgw_due(s));
    assert_true(next_frame(s));
    assert_string_equal(sent, "{\"op\":1,\"d\":null}");
    say(s, ACK);
    say(s, READY);
    assert_int_equal(dgw_due(s) - now, 40000);
    dgw_free(s);
}

static void a_server_heartbeat_request_is_answered_at_once(void **state)
{
    dgw *s = live();

    say(s, "{\"op\":1,\"d\":null}");
    assert_true(next_frame(s));
    assert_string_equal(sent, "{\"op\":1,\"d\":1}");
    dgw_free(s);
}

static void a_heartbeat_carries_only_what_the_program_kept(void **state)
{
    dgw *s = live();

    say(s, MESSAGE(2));
    say(s, "{\"op\":1}");
    assert_true(next_frame(s));
    assert_string_equal(sent, "{\"op\":1,\"d\":1}");
    dgw_kept(s, true, now);
    say(s, "{\"op\":1}");
    assert_true(next_frame(s));
    assert_string_equal(sent, "{\"op\":1,\"d\":2}");
    dgw_free(s);
}

static void a_missing_ack_closes_with_a_code_that_keeps_the_session_and_resumes(void **state)
{
    dgw *s = live();

    tick_to(s, dgw_due(s));
    assert_true(next_frame(s));
    tick_to(s, dgw_due(s));
    assert_int_equal(last_close, 4000);
    assert_int_equal(last_state, DISCORD_GATEWAY_DISCONNECTED);
    assert_true(last_resumable);
    reconnect(s);
    assert_string_equal(last_url, "wss://resume.test/?v=10&encoding=json");
    hello(s);
    assert_string_equal(sent,
                        "{\"op\":6,\"d\":{\"token\":\"secret\",\"session_id\":\"abc\",\"seq\":1}}");
    dgw_free(s);
}

static void a_held_connection_is_no_zombie(void **state)
{
    dgw *s = live();

    dgw_hold(s, true);
    for (int i = 0; i < 5; i++) {
        tick_to(s, dgw_due(s));
        assert_int_equal(last_close, 0);
        assert_true(next_frame(s));
    }
    dgw_hold(s, false);
    tick_to(s, dgw_due(s));
    assert_int_equal(last_close, 0);
    dgw_free(s);
}

static void a_stored_session_is_resumed_first(void **state)
{
    discord_resume_state stored = {"old", "wss://resume.test", 2147483653u};
    dgw *s = make(&stored, true);

    dgw_start(s, now);
    drain(s);
    assert_false(asked);
    assert_string_equal(last_url, "wss://resume.test/?v=10&encoding=json");
    hello(s);
    assert_string_equal(
        sent, "{\"op\":6,\"d\":{\"token\":\"secret\",\"session_id\":\"old\",\"seq\":2147483653}}");
    assert_true(say(s, MESSAGE(2147483654)));
    assert_true(say(s, "{\"op\":0,\"t\":\"RESUMED\",\"s\":2147483655,\"d\":{}}"));
    assert_int_equal(last_state, DISCORD_GATEWAY_RESUMED);
    dgw_resume_state(s, &stored);
    assert_int_equal(stored.seq, 2147483655u);
    dgw_free(s);
}

static void every_close_code_is_classed(void **state)
{
    static const struct {
        int code;
        dgw_close_class class;
    } table[] = {
        {0, DGW_RESUME_IT},      {1000, DGW_RESUME_IT},   {1001, DGW_RESUME_IT},
        {1002, DGW_RESUME_IT},   {1006, DGW_RESUME_IT},   {1011, DGW_RESUME_IT},
        {4000, DGW_RESUME_IT},   {4001, DGW_RESUME_IT},   {4002, DGW_RESUME_IT},
        {4003, DGW_NEW_SESSION}, {4004, DGW_FATAL},       {4005, DGW_RESUME_IT},
        {4006, DGW_RESUME_IT},   {4007, DGW_NEW_SESSION}, {4008, DGW_RESUME_IT},
        {4009, DGW_NEW_SESSION}, {4010, DGW_FATAL},       {4011, DGW_FATAL},
        {4012, DGW_FATAL},       {4013, DGW_FATAL},       {4014, DGW_FATAL},
        {4999, DGW_RESUME_IT},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        dgw *s = live();
        dgw_closed(s, table[i].code, "bye", now);
        drain(s);
        if (table[i].class == DGW_FATAL) {
            assert_int_equal(last_state, DISCORD_GATEWAY_FATAL);
            assert_int_equal(dgw_due(s), DGW_NEVER);
            dgw_start(s, now); /* a new start is another matter */
        } else {
            assert_int_equal(last_state, DISCORD_GATEWAY_DISCONNECTED);
            assert_int_equal(last_resumable, table[i].class == DGW_RESUME_IT);
        }
        dgw_free(s);
    }
}

static void a_fatal_close_says_what_to_do_and_is_tried_once(void **state)
{
    dgw *s = live();

    dgw_closed(s, 4014, "Disallowed intent(s).", now);
    drain(s);
    assert_non_null(strstr(last_reason, "developer portal"));
    tick_to(s, now + 1000000);
    assert_string_equal(last_url, "");
    dgw_free(s);
}

static void op_7_reconnects_at_once_and_resumes(void **state)
{
    dgw *s = live();

    tick_to(s, dgw_due(s));
    say(s, ACK);
    say(s, "{\"op\":7,\"d\":null}");
    assert_int_equal(last_close, 4000);
    assert_int_equal(last_wait, 0);
    reconnect(s);
    hello(s);
    assert_non_null(strstr(sent, "\"op\":6"));
    dgw_free(s);
}

static void op_7_before_hello_is_understood(void **state)
{
    dgw *s = make(NULL, false);

    dgw_start(s, now);
    drain(s);
    dgw_opened(s, now);
    say(s, "{\"op\":7,\"d\":null}");
    assert_int_equal(last_close, 4000);
    assert_int_equal(last_state, DISCORD_GATEWAY_DISCONNECTED);
    dgw_free(s);
}

static void op_9_true_resumes_and_false_identifies_at_the_first_address(void **state)
{
    dgw *s = live();

    now += 10000;
    say(s, "{\"op\":9,\"d\":true}");
    assert_true(last_resumable);
    reconnect(s);
    hello(s);
    assert_non_null(strstr(sent, "\"op\":6"));
    say(s, "{\"op\":9,\"d\":false}");
    assert_false(last_resumable);
    assert_in_range(last_wait, 1000, 5000);
    reconnect(s);
    assert_string_equal(last_url, "wss://gateway.test/?v=10&encoding=json");
    hello(s);
    assert_non_null(strstr(sent, "\"op\":2"));
    dgw_free(s);
}

static void three_unanswered_resumes_end_in_an_identify(void **state)
{
    dgw *s = live();

    now += 10000;
    dgw_closed(s, 0, "", now);
    for (int i = 0; i < 3; i++) {
        drain(s);
        assert_true(last_resumable);
        reconnect(s);
        hello(s);
        dgw_closed(s, 1006, "", now);
    }
    drain(s);
    assert_false(last_resumable);
    reconnect(s);
    assert_string_equal(last_url, "wss://gateway.test/?v=10&encoding=json");
    dgw_free(s);
}

static void failing_to_connect_never_gives_the_session_up_but_tries_both_addresses(void **state)
{
    dgw *s = live();
    unsigned general = 0, own = 0;

    dgw_closed(s, 0, "", now);
    for (int i = 0; i < 12; i++) {
        drain(s);
        assert_true(last_resumable);
        reconnect(s);
        general += strstr(last_url, "gateway.test") != NULL;
        own += strstr(last_url, "resume.test") != NULL;
        dgw_closed(s, 0, "refused", now);
    }
    assert_int_equal(general, 6);
    assert_int_equal(own, 6);
    dgw_free(s);
}

static void backoff_grows_with_full_jitter_up_to_a_cap(void **state)
{
    dgw *s = make(NULL, false);
    int64_t greatest = 0;

    dice = UINT32_MAX;
    dgw_start(s, now);
    for (int i = 0; i < 12; i++) {
        drain(s);
        dgw_closed(s, 0, "refused", now);
        drain(s);
        assert_true(last_wait >= greatest);
        greatest = last_wait;
        now = dgw_due(s);
        dgw_tick(s, now);
    }
    assert_int_equal(greatest, 60000);
    drain(s);
    dice = 0;
    dgw_closed(s, 0, "refused", now);
    drain(s);
    assert_int_equal(last_wait, 0);
    dgw_free(s);
}

static void a_server_that_never_says_hello_is_left(void **state)
{
    dgw *s = make(NULL, false);

    dgw_start(s, now);
    drain(s);
    dgw_opened(s, now);
    tick_to(s, now + 10000);
    assert_int_equal(last_close, 4000);
    dgw_free(s);
}

static void two_identifies_keep_their_distance(void **state)
{
    dgw *s = make(NULL, false);
    int64_t first;

    dgw_start(s, now);
    drain(s);
    hello(s);
    first = now;
    dice = 0;
    dgw_closed(s, 4009, "", now);
    drain(s);
    while (!last_url[0])
        reconnect(s);
    assert_true(now - first >= 5000);
    dgw_free(s);
}

static void the_budget_is_asked_before_an_identify(void **state)
{
    dgw *s = make(NULL, true);
    dgw_budget_info plenty = {"wss://told.test", 1000, 999, 0};

    dgw_start(s, now);
    drain(s);
    assert_true(asked);
    dgw_budget(s, &plenty, now);
    drain(s);
    assert_string_equal(last_url, "wss://told.test/?v=10&encoding=json");
    dgw_free(s);
}

static void a_low_budget_is_spread_and_an_empty_one_waited_out(void **state)
{
    dgw *s = make(NULL, true);
    dgw_budget_info empty = {"wss://told.test", 1000, 0, 3600000};
    dgw_budget_info low = {"wss://told.test", 1000, 10, 3600000};

    dgw_start(s, now);
    drain(s);
    dgw_budget(s, &empty, now);
    drain(s);
    assert_int_equal(last_wait, 3600000);
    reconnect(s);
    assert_true(asked);
    dgw_budget(s, &low, now);
    drain(s);
    assert_int_equal(last_wait, 360000);
    assert_non_null(strstr(last_reason, "10 of 1000"));
    reconnect(s);
    assert_string_equal(last_url, "wss://told.test/?v=10&encoding=json");
    dgw_free(s);
}

static void a_refused_token_is_fatal_and_another_failure_is_not(void **state)
{
    discord_error refused = {.status = DISCORD_EAUTH, .message = "HTTP 401"};
    discord_error broken = {.status = DISCORD_ESERVER, .message = "HTTP 502"};
    dgw *s = make(NULL, true);

    dgw_start(s, now);
    drain(s);
    dgw_budget_failed(s, &broken, now);
    drain(s);
    assert_int_equal(last_state, DISCORD_GATEWAY_DISCONNECTED);
    reconnect(s);
    assert_true(asked);
    dgw_budget_failed(s, &refused, now);
    drain(s);
    assert_int_equal(last_state, DISCORD_GATEWAY_FATAL);
    dgw_free(s);
}

static void at_most_120_frames_leave_in_a_minute(void **state)
{
    dgw *s = live();
    unsigned frames = 1;

    for (int i = 0; i < 300; i++) {
        say(s, "{\"op\":1}");
        frames += next_frame(s);
    }
    assert_in_range(frames, 100, 120);
    assert_false(dgw_frame_ready(s, now));
    assert_true(dgw_due(s) <= now + 60000);
    now += 60000;
    assert_true(next_frame(s));
    dgw_free(s);
}

static void events_that_were_not_kept_come_again(void **state)
{
    discord_resume_state kept;
    dgw *s = live();

    say(s, MESSAGE(2));
    dgw_kept(s, true, now);
    say(s, MESSAGE(3));
    say(s, MESSAGE(4));
    dgw_kept(s, false, now);
    drain(s);
    assert_int_equal(last_close, 4000);
    dgw_resume_state(s, &kept);
    assert_int_equal(kept.seq, 2);
    reconnect(s);
    hello(s);
    assert_non_null(strstr(sent, "\"seq\":2}"));
    dgw_free(s);
}

static void a_session_whose_ready_was_not_kept_starts_anew(void **state)
{
    discord_resume_state kept;
    dgw *s = make(NULL, false);

    dgw_start(s, now);
    drain(s);
    hello(s);
    say(s, READY);
    dgw_kept(s, false, now);
    drain(s);
    dgw_resume_state(s, &kept);
    assert_string_equal(kept.session_id, "");
    dgw_free(s);
}

static void an_event_out_of_order_is_delivered_and_the_number_never_falls(void **state)
{
    discord_resume_state kept;
    dgw *s = live();

    assert_true(say(s, MESSAGE(7)));
    assert_true(say(s, MESSAGE(6)));
    dgw_resume_state(s, &kept);
    assert_int_equal(kept.seq, 7);
    dgw_free(s);
}

static void rubbish_closes_the_connection_and_keeps_the_session(void **state)
{
    static const char *const rubbish[] = {"", "null", "[]", "{\"op\":\"x\"}", "{\"op\":-1}", "{"};

    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        dgw *s = live();
        assert_false(say(s, rubbish[i]));
        assert_int_equal(last_close, 4000);
        assert_true(last_resumable);
        dgw_free(s);
    }
}

static void stopping_closes_with_4000_and_nothing_follows(void **state)
{
    dgw *s = live();

    dgw_stop(s);
    drain(s);
    assert_int_equal(last_close, 4000);
    assert_int_equal(last_state, DISCORD_GATEWAY_STOPPED);
    assert_int_equal(dgw_due(s), DGW_NEVER);
    assert_false(next_frame(s));
    dgw_free(s);
}

static void the_token_is_in_no_reason(void **state)
{
    dgw *s = live();

    dgw_closed(s, 4004, "Authentication failed.", now);
    drain(s);
    assert_null(strstr(last_reason, "secret"));
    dgw_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_session_identifies_after_hello),
        cmocka_unit_test(the_first_heartbeat_is_jittered_and_later_ones_are_not),
        cmocka_unit_test(a_server_heartbeat_request_is_answered_at_once),
        cmocka_unit_test(a_heartbeat_carries_only_what_the_program_kept),
        cmocka_unit_test(a_missing_ack_closes_with_a_code_that_keeps_the_session_and_resumes),
        cmocka_unit_test(a_held_connection_is_no_zombie),
        cmocka_unit_test(a_stored_session_is_resumed_first),
        cmocka_unit_test(every_close_code_is_classed),
        cmocka_unit_test(a_fatal_close_says_what_to_do_and_is_tried_once),
        cmocka_unit_test(op_7_reconnects_at_once_and_resumes),
        cmocka_unit_test(op_7_before_hello_is_understood),
        cmocka_unit_test(op_9_true_resumes_and_false_identifies_at_the_first_address),
        cmocka_unit_test(three_unanswered_resumes_end_in_an_identify),
        cmocka_unit_test(failing_to_connect_never_gives_the_session_up_but_tries_both_addresses),
        cmocka_unit_test(backoff_grows_with_full_jitter_up_to_a_cap),
        cmocka_unit_test(a_server_that_never_says_hello_is_left),
        cmocka_unit_test(two_identifies_keep_their_distance),
        cmocka_unit_test(the_budget_is_asked_before_an_identify),
        cmocka_unit_test(a_low_budget_is_spread_and_an_empty_one_waited_out),
        cmocka_unit_test(a_refused_token_is_fatal_and_another_failure_is_not),
        cmocka_unit_test(at_most_120_frames_leave_in_a_minute),
        cmocka_unit_test(events_that_were_not_kept_come_again),
        cmocka_unit_test(a_session_whose_ready_was_not_kept_starts_anew),
        cmocka_unit_test(an_event_out_of_order_is_delivered_and_the_number_never_falls),
        cmocka_unit_test(rubbish_closes_the_connection_and_keeps_the_session),
        cmocka_unit_test(stopping_closes_with_4000_and_nothing_follows),
        cmocka_unit_test(the_token_is_in_no_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
