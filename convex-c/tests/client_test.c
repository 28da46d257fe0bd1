/* client_test.c - the whole client over real sockets, against scripted servers. */
#include "client_story.h"

/* ---- ordinary days ---- */

static void a_query_and_a_mutation_work_in_a_host_loop(void **state)
{
    server *peer = server_start(script_ordinary, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_string_equal(s.last, "\"v0\"");
    assert_int_equal(s.state.connection, CONVEX_CONNECTION_CONNECTED);
    mutate(&s, 0);
    run_until(&s, &s.dones, 1);
    assert_int_equal(s.done_status, CONVEX_OK);
    assert_string_equal(s.done_result, "\"done\"");
    assert_string_equal(s.last, "\"v1\""); /* its own write was seen before */
    finish(&s);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.end_why, CONVEX_ECANCELED);
    assert_int_equal(s.closed_states, 1);
    server_join(peer);
}

#ifndef STORY_LWS
static void a_query_and_a_mutation_work_in_an_own_thread(void **state)
{
    server *peer = server_start(script_ordinary, 0);
    story s;
    begin(&s, peer->url);
    watch(&s); /* before the thread: the script wants it in the first frame */
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_OK);
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_EINVAL);
    assert_int_equal(convex_client_process(s.client), CONVEX_EINVAL);
    await(&s, &s.results, 1);
    mutate(&s, 0);
    await(&s, &s.dones, 1);
    assert_string_equal(s.last, "\"v1\"");
    convex_client_join(s.client);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.end_why, CONVEX_ECLOSED);
    assert_int_equal(s.closed_states, 1);
    finish(&s);
    server_join(peer);
}

#endif

static void script_commit_first(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet") ||
        !server_expect(s, "Mutation"))
        return;
    server_respond(s, 0, 20);
    server_receive(s); /* no Transition ever comes */
}

static void a_mutation_at_commit_is_told_with_the_response(void **state)
{
    server *peer = server_start(script_commit_first, 0);
    story s;
    begin(&s, peer->url);
    mutate(&s, CONVEX_AT_COMMIT);
    run_until(&s, &s.dones, 1);
    assert_string_equal(s.done_result, "\"done\"");
    finish(&s);
    server_join(peer);
}

static void script_bytewise(server *s)
{
    char text[512], raw[1024];
    size_t len = 0, half;

    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition_text(s, text, sizeof text, 1, 0, 10,
                           SERVER_UPDATED(0, "\"\xc3\xa9\xf0\x9f\x98\x80\""));
    half = strlen(text) / 2;
    len += server_frame(raw + len, 0x01, text, half);
    len += server_frame(raw + len, 0x89, "ping", 4);
    len += server_frame(raw + len, 0x80, text + half, strlen(text) - half);
    for (size_t i = 0; i < len; i++)
        if (!server_write(s, raw + i, 1))
            return;
    server_receive(s);
}

static void results_in_fragments_and_single_bytes_arrive(void **state)
{
    server *peer = server_start(script_bytewise, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_string_equal(s.last, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    finish(&s);
    server_join(peer);
}

/* ---- bad days ---- */

static const char cut_reply[] =
    "{\"type\":\"MutationResponse\",\"requestId\":0,\"success\":true,\"result\":\"first\","
    "\"ts\":\"FAAAAAAAAAA=\",\"logLines\":[]}";

static void script_cut_reply(server *s)
{
    char raw[256];
    size_t len = server_frame(raw, 0x81, cut_reply, strlen(cut_reply));

    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet") ||
        !server_expect(s, "\"Mutation\",\"requestId\":0,"))
        return;
    server_write(s, raw, (size_t)s->number < len ? (size_t)s->number : len);
    shutdown(s->conn, SHUT_WR); /* so that no byte is lost to a reset */
    if (!server_open(s) || !server_expect(s, "\"connectionCount\":1") ||
        !server_expect(s, "ModifyQuerySet") || !server_expect(s, "\"Mutation\",\"requestId\":0,"))
        return;
    server_say(s, cut_reply);
    server_transition(s, 1, 0, 20, "");
    if (server_receive(s))
        server_wrong(s, "sent after all was answered: %.100s", s->frame);
    if (s->mutations != 2)
        server_wrong(s, "%d mutations", s->mutations);
}

static void a_reply_cut_at_any_byte_costs_exactly_one_resend(void **state)
{
    long len = (long)sizeof cut_reply + 3;
    for (long cut = 0; cut <= len; cut++) {
        server *peer = server_start(script_cut_reply, cut);
        story s;
        begin(&s, peer->url);
        mutate(&s, 0);
        run_until(&s, &s.dones, 1);
        assert_string_equal(s.done_result, "\"first\"");
        finish(&s);
        assert_int_equal(s.dones, 1);
        server_join(peer);
    }
}

static void script_lost_action(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet") ||
        !server_expect(s, "\"type\":\"Action\""))
        return;
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    if (server_receive(s))
        server_wrong(s, "sent again: %.100s", s->frame);
}

static void a_lost_action_is_unknown_and_not_sent_again(void **state)
{
    server *peer = server_start(script_lost_action, 0);
    story s;
    begin(&s, peer->url);
    assert_int_equal(convex_client_action(s.client, "a:x", NULL, NULL, on_done, &s, NULL, NULL),
                     CONVEX_OK);
    run_until(&s, &s.dones, 1);
    assert_int_equal(s.done_status, CONVEX_EUNKNOWN);
    finish(&s);
    server_join(peer);
}

static void script_refuse(server *s)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 55\r\n\r\n"
                                 "{\"code\":\"InvalidClientVersion\",\"message\":\"much too old\"}";
    char head[4096];
    if (server_accept(s, head, sizeof head))
        server_write(s, answer, sizeof answer - 1);
    script_ordinary(s);
}

static void a_refused_upgrade_is_told_in_the_servers_words_and_tried_again(void **state)
{
    server *peer = server_start(script_refuse, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    while (!s.state.server_error[0])
        story_loop_turn(s.client);
    assert_non_null(strstr(s.state.server_error, "HTTP 400: {\"code\":\"InvalidClientVersion\""));
    run_until(&s, &s.results, 1);
    mutate(&s, 0);
    run_until(&s, &s.dones, 1);
    assert_string_equal(s.state.server_error, "");
    finish(&s);
    server_join(peer);
}

static void an_unreachable_server_is_named_and_tried_again(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    watch(&s);
    while (s.state.retries < 3)
        story_loop_turn(s.client);
    assert_int_equal(s.state.connection, CONVEX_CONNECTION_RECONNECTING);
    assert_non_null(strstr(s.state.close_reason, "connecting failed"));
    finish(&s);
    assert_int_equal(s.ends, 1);
}

static void script_refuse_tokens(server *s)
{
    for (int i = 0; i < 4; i++) {
        char token[32];
        snprintf(token, sizeof token, "\"value\":\"token-%d\"", i);
        if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, token))
            return;
        server_say(s, "{\"type\":\"AuthError\",\"error\":\"Could not validate token: no provider\","
                      "\"baseVersion\":0,\"authUpdateAttempted\":true}");
        while (server_receive(s))
            continue;
    }
}

static convex_status count_tokens(void *user, int force, char **ret, convex_error *reterr)
{
    int *count = user;
    char token[32];
    snprintf(token, sizeof token, "token-%d", (*count)++);
    *ret = strdup(token);
    return *ret ? CONVEX_OK : CONVEX_ENOMEM;
}

static void a_rejected_service_token_is_reported_and_not_retried_forever(void **state)
{
    server *peer = server_start(script_refuse_tokens, 0);
    int count = 0;
    convex_auth auth = {.kind = CONVEX_AUTH_FETCH, .fetch = count_tokens, .user = &count};
    story s;
    story_init(&s);
    convex_options options = options_for(&s, peer->url);
    options.auth = &auth;
    begin_with(&s, &options);
    run_until(&s, &s.rejected, 1);
    assert_string_equal(s.state.auth_error, "Could not validate token: no provider");
    finish(&s);
    assert_int_equal(count, 4);
    server_join(peer);
}

static convex_status no_token(void *user, int force, char **ret, convex_error *reterr)
{
    if (reterr)
        snprintf(reterr->message, sizeof reterr->message, "the key file is gone");
    return CONVEX_EAUTH;
}

static void a_token_that_cannot_be_made_is_reported_with_the_reason(void **state)
{
    convex_auth auth = {.kind = CONVEX_AUTH_FETCH, .fetch = no_token};
    story s;
    story_init(&s);
    convex_options options = options_for(&s, "http://127.0.0.1:1");
    options.auth = &auth;
    begin_with(&s, &options);
    run_until(&s, &s.rejected, 1);
    assert_string_equal(s.auth_error, "the key file is gone");
    finish(&s);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_query_and_a_mutation_work_in_a_host_loop),
#ifndef STORY_LWS
        T(a_query_and_a_mutation_work_in_an_own_thread),
#endif
        T(a_mutation_at_commit_is_told_with_the_response),
        T(results_in_fragments_and_single_bytes_arrive),
        T(a_reply_cut_at_any_byte_costs_exactly_one_resend),
        T(a_lost_action_is_unknown_and_not_sent_again),
        T(a_refused_upgrade_is_told_in_the_servers_words_and_tried_again),
        T(an_unreachable_server_is_named_and_tried_again),
        T(a_rejected_service_token_is_reported_and_not_retried_forever),
        T(a_token_that_cannot_be_made_is_reported_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
