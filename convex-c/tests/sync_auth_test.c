/* sync_auth_test.c - who the client is to the server, and when. No socket, no clock. */
#include "sync_harness.h"

/* A token with these claims; its signature is nobody's concern here. */
static const char token_1h[] = "eyJhbGciOiJFUzI1NiJ9."
                               "eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMH0.c2ln";
static const char token_5s[] = "eyJhbGciOiJFUzI1NiJ9."
                               "eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDAwNX0.c2ln";

/* Connected as a user whose first, cached token is confirmed and whose second is asked for. */
static rig *begin_signed_in(rig *r)
{
    rig_init(r);
    rig_subscribe(r, "q:a", NULL);
    cvx_sync_set_auth_fetch(r->sync, r->now);
    rig_drain(r);
    assert_int_equal(r->forced, 0);
    rig_token(r, "cached");
    rig_open(r);
    rig_transition(r, 1, 1, 10, UPDATED(0, "\"v0\""));
    assert_int_equal(r->forced, 1);
    rig_skip_frames(r);
    return r;
}

#define AUTH_ERROR(words, base, attempted)                                                         \
    "{\"type\":\"AuthError\",\"error\":\"" words "\",\"baseVersion\":" #base                       \
    ",\"authUpdateAttempted\":" #attempted "}"

static void nothing_is_sent_before_the_first_token(void **state)
{
    rig r;
    rig_init(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_mutate(&r, "m:x");
    rig_open(&r);
    rig_expect_nothing(&r);
    rig_token(&r, "a.b.c");
    rig_expect_text(&r, "\"connectionCount\":0");
    rig_expect_text(&r, "\"value\":\"a.b.c\"");
    rig_expect_text(&r, "ModifyQuerySet");
    rig_expect_text(&r, "Mutation");
    rig_done(&r);
}

static void a_fresh_token_is_renewed_before_it_ends(void **state)
{
    rig r;
    begin_signed_in(&r);
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_CONFIRMED);
    rig_token(&r, token_1h);
    rig_expect_text(&r, "\"baseVersion\":1");
    rig_transition(&r, 1, 2, 20, "");
    assert_int_equal(r.fetches, 2);
    for (int i = 0; i < 3589; i++) {
        rig_say(&r, "{\"type\":\"Ping\"}");
        rig_tick(&r, 1000);
    }
    assert_int_equal(r.fetches, 2);
    rig_tick(&r, 1000);
    assert_int_equal(r.fetches, 3);
    assert_int_equal(r.closes, 0);
    rig_done(&r);
}

static void a_token_shorter_than_the_leeway_does_not_spin(void **state)
{
    rig r;
    begin_signed_in(&r);
    rig_token(&r, token_5s);
    rig_transition(&r, 1, 2, 20, "");
    assert_int_equal(cvx_sync_deadline(r.sync) - r.now, 2500);
    rig_done(&r);
}

static void the_same_token_again_is_not_sent_again(void **state)
{
    rig r;
    begin_signed_in(&r);
    rig_token(&r, "cached");
    rig_expect_nothing(&r);
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_CONFIRMED);
    rig_done(&r);
}

static void identity_is_sent_again_after_a_reconnect_with_base_zero(void **state)
{
    rig r;
    begin_signed_in(&r);
    rig_token(&r, token_1h);
    rig_transition(&r, 1, 2, 20, "");
    rig_skip_frames(&r);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "\"Authenticate\",\"baseVersion\":0");
    rig_done(&r);
}

static void a_refused_token_is_replaced_without_backoff(void **state)
{
    rig r;
    begin_signed_in(&r);
    rig_token(&r, token_1h);
    rig_transition(&r, 1, 2, 20, "");
    rig_skip_frames(&r);
    rig_say(&r, AUTH_ERROR("Convex token identity expired", 2, false));
    assert_int_equal(r.closes, 1);
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_PENDING);
    assert_string_equal(rig_state(&r).auth_error, "Convex token identity expired");
    assert_string_equal(rig_state(&r).close_reason, "identity refused");
    rig_token(&r, "new");
    rig_open(&r);
    rig_expect_text(&r, "\"lastCloseReason\":null");
    rig_expect_text(&r, "\"value\":\"new\"");
    rig_transition(&r, 1, 1, 30, "");
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_CONFIRMED);
    assert_string_equal(rig_state(&r).auth_error, "");
    rig_done(&r);
}

static void a_stale_refusal_fetches_nothing(void **state)
{
    rig r;
    begin_signed_in(&r);
    rig_token(&r, token_1h);
    rig_transition(&r, 1, 2, 20, "");
    rig_say(&r, AUTH_ERROR("old", 0, true));
    assert_int_equal(r.fetches, 2);
    assert_int_equal(r.closes, 0);
    rig_done(&r);
}

static void fresh_tokens_refused_in_a_row_end_in_rejection_with_the_servers_words(void **state)
{
    rig r;
    rig_init(&r);
    r.tokens_format = "t";
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_PENDING);
        rig_open(&r);
        rig_say(&r, AUTH_ERROR("Could not validate token: no such issuer", 0, true));
    }
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_REJECTED);
    assert_string_equal(rig_state(&r).auth_error, "Could not validate token: no such issuer");
    rig_close(&r, 1005, "");
    rig_skip_frames(&r);
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "ModifyQuerySet"); /* anonymous */
    assert_int_equal(r.fetches, 4);
    rig_done(&r);
}

static void a_refused_fixed_token_is_rejected_at_once(void **state)
{
    rig r;
    rig_init(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    rig_token(&r, "fixed");
    rig_open(&r);
    rig_say(&r, AUTH_ERROR("bad token", 0, true));
    rig_token(&r, "fixed");
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_REJECTED);
    assert_string_equal(rig_state(&r).auth_error, "bad token");
    rig_open(&r);
    rig_done(&r);
}

static void a_refused_admin_key_is_rejected_at_once(void **state)
{
    rig r;
    rig_init(&r);
    cvx_sync_set_auth_admin(r.sync, strdup("d|k"), NULL, r.now);
    rig_open(&r);
    rig_say(&r, AUTH_ERROR("bad admin key", 0, true));
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_REJECTED);
    assert_string_equal(rig_state(&r).auth_error, "bad admin key");
    rig_close(&r, 1005, "");
    rig_skip_frames(&r);
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "ModifyQuerySet");
    rig_done(&r);
}

static void an_admin_key_is_confirmed_by_the_next_identity(void **state)
{
    rig r;
    rig_init(&r);
    cvx_sync_set_auth_admin(r.sync, strdup("d|k"), NULL, r.now);
    rig_open(&r);
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_PENDING);
    rig_transition(&r, 1, 1, 10, "");
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_CONFIRMED);
    rig_done(&r);
}

static void without_any_token_the_session_is_anonymous_and_says_why(void **state)
{
    rig r;
    rig_init(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_open(&r);
    rig_token(&r, NULL);
    assert_int_equal(r.forced, 1);
    r.fetch_pending = false;
    cvx_sync_token(r.sync, r.generation, NULL, "cannot read the key file", r.now);
    rig_drain(&r);
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_REJECTED);
    assert_string_equal(rig_state(&r).auth_error, "cannot read the key file");
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "ModifyQuerySet");
    rig_done(&r);
}

static void signing_out_tells_the_server_and_stops_the_renewal(void **state)
{
    rig r;
    begin_signed_in(&r);
    rig_token(&r, token_1h);
    rig_transition(&r, 1, 2, 20, "");
    rig_skip_frames(&r);
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_drain(&r);
    rig_expect(&r, "{\"type\":\"Authenticate\",\"baseVersion\":2,\"tokenType\":\"None\"}");
    rig_tick(&r, 50000);
    assert_int_equal(r.fetches, 2);
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_NONE);
    rig_done(&r);
}

static void an_answer_to_an_older_fetch_is_dropped(void **state)
{
    rig r;
    rig_init(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    uint32_t older = r.generation;
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_open(&r);
    cvx_sync_token(r.sync, older, strdup("older"), NULL, r.now);
    rig_drain(&r);
    rig_expect_nothing(&r);
    rig_token(&r, "newer");
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "newer");
    rig_done(&r);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nothing_is_sent_before_the_first_token),
        T(a_fresh_token_is_renewed_before_it_ends),
        T(a_token_shorter_than_the_leeway_does_not_spin),
        T(the_same_token_again_is_not_sent_again),
        T(identity_is_sent_again_after_a_reconnect_with_base_zero),
        T(a_refused_token_is_replaced_without_backoff),
        T(a_stale_refusal_fetches_nothing),
        T(fresh_tokens_refused_in_a_row_end_in_rejection_with_the_servers_words),
        T(a_refused_fixed_token_is_rejected_at_once),
        T(a_refused_admin_key_is_rejected_at_once),
        T(an_admin_key_is_confirmed_by_the_next_identity),
        T(without_any_token_the_session_is_anonymous_and_says_why),
        T(signing_out_tells_the_server_and_stops_the_renewal),
        T(an_answer_to_an_older_fetch_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
