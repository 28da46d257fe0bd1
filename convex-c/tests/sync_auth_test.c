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

/* ---- tokens that end ---- */

#define EXPIRES_MS INT64_C(1700003600000) /* token_1h and token_late */

/* Another token that ends at the same time, and one that ends an hour later. */
static const char token_late[] = "eyJhbGciOiJFUzI1NiJ9."
                                 "eyJpYXQiOjE3MDAwMDE4MDAsImV4cCI6MTcwMDAwMzYwMH0.c2ln";
static const char token_next[] = "eyJhbGciOiJFUzI1NiJ9."
                                 "eyJpYXQiOjE3MDAwMDM2MDAsImV4cCI6MTcwMDAwNzIwMH0.c2ln";

/* Signed in with token_1h, confirmed, at the beginning of its life. */
static rig *begin_with_an_hour(rig *r)
{
    begin_signed_in(r);
    rig_token(r, token_1h);
    rig_transition(r, 1, 2, 20, "");
    rig_skip_frames(r);
    return r;
}

/* The machine sleeps: the wall clock goes on, the monotonic one does not. */
static void sleep_until(rig *r, int64_t wall_ms)
{
    cvx_sync_wall(r->sync, r->now, wall_ms);
    rig_drain(r);
}

static void a_token_that_ended_while_offline_is_renewed_before_anything_is_sent(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    rig_close(&r, 1006, "");
    rig_wait(&r);
    cvx_sync_opened(r.sync, r.now, EXPIRES_MS);
    rig_drain(&r);
    rig_expect_nothing(&r);
    assert_int_equal(r.forced, 2);
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_PENDING);
    rig_token(&r, token_next);
    rig_expect_text(&r, "\"Connect\"");
    rig_expect_text(&r, token_next);
    rig_expect_text(&r, "ModifyQuerySet");
    rig_transition(&r, 1, 1, 30, "");
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_CONFIRMED);
    rig_done(&r);
}

static void a_token_that_ended_while_asleep_is_renewed_before_a_mutation_is_sent(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    sleep_until(&r, EXPIRES_MS);
    assert_int_equal(r.forced, 1); /* nothing to send yet */
    rig_mutate(&r, "m:x");
    rig_expect_nothing(&r);
    assert_int_equal(r.forced, 2);
    rig_token(&r, token_next);
    rig_expect_text(&r, "\"Authenticate\",\"baseVersion\":2");
    rig_expect_text(&r, "\"Mutation\"");
    rig_done(&r);
}

static void a_token_one_moment_before_its_end_is_sent(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    sleep_until(&r, EXPIRES_MS - 1);
    rig_mutate(&r, "m:x");
    rig_expect_text(&r, "\"Mutation\"");
    rig_done(&r);
}

static void a_cached_token_that_has_ended_is_never_sent(void **state)
{
    rig r;
    rig_init(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    rig_token(&r, token_1h);
    rig_wait(&r);
    cvx_sync_opened(r.sync, r.now, EXPIRES_MS);
    rig_drain(&r);
    rig_expect_nothing(&r);
    assert_int_equal(r.forced, 1);
    rig_token(&r, token_next);
    rig_expect_text(&r, "\"Connect\"");
    rig_expect_text(&r, token_next);
    rig_done(&r);
}

static void the_end_of_a_token_goes_by_the_servers_clock(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    rig_say(&r, "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":1,\"identity\":2,\"ts\":"
                "\"FAAAAAAAAAA=\"},\"endVersion\":{\"querySet\":1,\"identity\":2,\"ts\":"
                "\"FAAAAAAAAAA=\"},\"modifications\":[],\"clientClockSkew\":5000}");
    assert_int_equal(r.closes, 0);
    sleep_until(&r, EXPIRES_MS + 4999);
    rig_mutate(&r, "m:x");
    rig_expect_text(&r, "\"Mutation\"");
    sleep_until(&r, EXPIRES_MS + 5000);
    rig_mutate(&r, "m:y");
    rig_expect_nothing(&r);
    rig_done(&r);
}

static void a_fresh_token_that_seems_to_have_ended_is_left_to_the_server(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    sleep_until(&r, EXPIRES_MS);
    rig_mutate(&r, "m:x");
    rig_token(&r, token_late);
    rig_expect_text(&r, token_late);
    rig_expect_text(&r, "\"Mutation\"");
    assert_int_equal(r.forced, 2);
    rig_done(&r);
}

static void an_ended_token_without_a_successor_is_a_rejection(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    sleep_until(&r, EXPIRES_MS);
    rig_mutate(&r, "m:x");
    rig_token(&r, token_1h); /* the only one there is */
    assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_REJECTED);
    assert_non_null(strstr(rig_state(&r).auth_error, "expired"));
    rig_expect(&r, "{\"type\":\"Authenticate\",\"baseVersion\":2,\"tokenType\":\"None\"}");
    rig_expect_text(&r, "\"Mutation\"");
    rig_done(&r);
}

static void a_renewal_survives_the_loss_of_the_connection(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    sleep_until(&r, EXPIRES_MS);
    rig_mutate(&r, "m:x");
    rig_close(&r, 1006, "");
    rig_wait(&r);
    cvx_sync_opened(r.sync, r.now, EXPIRES_MS);
    rig_drain(&r);
    rig_expect_nothing(&r);
    rig_token(&r, token_next);
    rig_expect_text(&r, "\"Connect\"");
    rig_expect_text(&r, token_next);
    rig_expect_text(&r, "ModifyQuerySet");
    rig_expect_text(&r, "\"Mutation\"");
    rig_done(&r);
}

/* ---- another identity ---- */

static void while_the_identity_changes_nothing_of_the_former_is_shown(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    rig_transition(&r, 1, 2, 30, UPDATED(0, "\"of the former\""));
    assert_string_equal(r.subs[0].last, "\"v0\"");
    rig_token(&r, "other");
    rig_transition(&r, 1, 2, 40, UPDATED(0, "\"of the former too\""));
    assert_string_equal(r.subs[0].last, "\"v0\"");
    assert_int_equal(rig_state(&r).queries_loading, 1);
    rig_transition(&r, 1, 3, 50, UPDATED(0, "\"mine\""));
    assert_string_equal(r.subs[0].last, "\"mine\"");
    assert_int_equal(r.subs[0].count, 2);
    assert_int_equal(rig_state(&r).queries_loading, 0);
    rig_done(&r);
}

static void a_result_that_both_identities_have_is_not_shown_again(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_drain(&r);
    rig_transition(&r, 1, 2, 30, UPDATED(0, "\"of the former\""));
    rig_transition(&r, 1, 3, 40, UPDATED(0, "\"v0\""));
    assert_int_equal(r.subs[0].count, 1);
    rig_done(&r);
}

static void a_new_subscriber_waits_for_the_new_identity(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_drain(&r);
    rig_sub *twin = rig_subscribe(&r, "q:a", NULL);
    rig_call *read = rig_read(&r, "q:a", 0);
    assert_int_equal(twin->count, 0);
    assert_int_equal(read->done, 0);
    rig_transition(&r, 1, 3, 30, ""); /* the same result: it is not sent again */
    assert_string_equal(twin->last, "\"v0\"");
    assert_string_equal(read->result, "\"v0\"");
    rig_done(&r);
}

static void a_mutation_is_done_when_the_new_identity_shows_its_effect(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    rig_call *call = rig_mutate(&r, "m:x");
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_drain(&r);
    rig_say(&r, "{\"type\":\"MutationResponse\",\"requestId\":0,\"success\":true,\"result\":1,"
                "\"ts\":\"HgAAAAAAAAA=\",\"logLines\":[]}");
    rig_transition(&r, 1, 2, 30, "");
    assert_int_equal(call->done, 0);
    rig_transition(&r, 1, 3, 30, UPDATED(0, "\"written\""));
    assert_int_equal(call->done, 1);
    assert_string_equal(r.subs[0].last, "\"written\"");
    rig_done(&r);
}

static void signing_out_when_nobody_is_signed_in_holds_nothing_back(void **state)
{
    rig r;
    rig_init(&r);
    rig_subscribe(&r, "q:a", NULL);
    rig_open(&r);
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1"));
    assert_int_equal(r.subs[0].count, 1);
    rig_done(&r);
}

static void an_identity_changed_while_offline_is_settled_by_the_new_connection(void **state)
{
    rig r;
    begin_with_an_hour(&r);
    rig_close(&r, 1006, "");
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_sub *twin = rig_subscribe(&r, "q:a", NULL);
    assert_int_equal(twin->count, 0);
    rig_open(&r);
    rig_transition(&r, 1, 0, 30, UPDATED(0, "\"public\""));
    assert_string_equal(twin->last, "\"public\"");
    rig_done(&r);
}

static void refusals_that_follow_one_another_wait_longer_each_time(void **state)
{
    rig r;
    begin_signed_in(&r);
    r.tokens_format = "t";
    rig_token(&r, token_1h);
    rig_transition(&r, 1, 2, 20, "");
    for (int i = 0; i < 6; i++) {
        int64_t least = i == 0 ? 0 : INT64_C(50) << (i - 1), waited;
        rig_say(&r, AUTH_ERROR("Convex token identity expired", 1, false));
        waited = rig_wait(&r);
        assert_in_range(waited, least, least * 3);
        cvx_sync_opened(r.sync, r.now, WALL_MS);
        rig_drain(&r);
        rig_transition(&r, 1, 1, 30, ""); /* it is accepted each time */
    }
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
        T(a_token_that_ended_while_offline_is_renewed_before_anything_is_sent),
        T(a_token_that_ended_while_asleep_is_renewed_before_a_mutation_is_sent),
        T(a_token_one_moment_before_its_end_is_sent),
        T(a_cached_token_that_has_ended_is_never_sent),
        T(the_end_of_a_token_goes_by_the_servers_clock),
        T(a_fresh_token_that_seems_to_have_ended_is_left_to_the_server),
        T(an_ended_token_without_a_successor_is_a_rejection),
        T(a_renewal_survives_the_loss_of_the_connection),
        T(while_the_identity_changes_nothing_of_the_former_is_shown),
        T(a_result_that_both_identities_have_is_not_shown_again),
        T(a_new_subscriber_waits_for_the_new_identity),
        T(a_mutation_is_done_when_the_new_identity_shows_its_effect),
        T(signing_out_when_nobody_is_signed_in_holds_nothing_back),
        T(an_identity_changed_while_offline_is_settled_by_the_new_connection),
        T(refusals_that_follow_one_another_wait_longer_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
