/* client_call_test.c - requests with an end, changed arguments, probes and misuse, over sockets. */
#include "client_story.h"

#include <stdatomic.h>

/* Says hello and then answers nothing. */
static void script_silent(server *s)
{
    if (!server_open(s))
        return;
    while (server_receive(s)) {
        s->mutations += strstr(s->frame, "\"type\":\"Mutation\"") != NULL;
        if (strstr(s->frame, "ModifyQuerySet"))
            server_transition(s, s->version.query_set + 1, 0, s->version.ts + 10, "");
    }
}

/* Answers each Add with its arguments. */
static void script_echo(server *s)
{
    if (!server_open(s))
        return;
    while (server_receive(s)) {
        const char *add = strstr(s->frame, "\"type\":\"Add\"");
        char item[256] = "";
        unsigned id = 0;
        int n = -1;
        if (!strstr(s->frame, "ModifyQuerySet"))
            continue;
        if (add && sscanf(add, "\"type\":\"Add\",\"queryId\":%u", &id) == 1) {
            const char *args = strstr(add, "\"args\":[{\"n\":");
            if (args)
                sscanf(args, "\"args\":[{\"n\":%d", &n);
            snprintf(item, sizeof item,
                     "{\"type\":\"QueryUpdated\",\"queryId\":%u,\"value\":%d,\"logLines\":[],"
                     "\"journal\":null}",
                     id, n);
        }
        server_transition(s, s->version.query_set + 1, 0, s->version.ts + 10, item);
    }
}

static void abandon(server *peer)
{
    shutdown(peer->listener, SHUT_RDWR); /* the script may wait for more */
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    assert_string_equal(peer->wrong, "");
    free(peer);
}

static uint32_t call_silent(story *s, unsigned timeout_ms)
{
    convex_call_options options = {.timeout_ms = timeout_ms};
    uint32_t id = 0;
    assert_int_equal(
        convex_client_mutation(s->client, "m:x", NULL, &options, on_done, s, &id, NULL), CONVEX_OK);
    return id;
}

/* ---- deadlines and cancelling ---- */

static void a_call_that_was_never_sent_times_out(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    call_silent(&s, 5);
    run_until(&s, &s.dones, 1);
    assert_int_equal(s.done_status, CONVEX_ETIMEOUT);
    finish(&s);
}

static void a_call_that_was_sent_is_unknown_when_its_time_is_over(void **state)
{
    server *peer = server_start(script_silent, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    while (s.state.connection != CONVEX_CONNECTION_CONNECTED)
        convex_client_process(s.client);
    s.done_status = CONVEX_ETIMEOUT;
    for (unsigned ms = 20; s.done_status == CONVEX_ETIMEOUT; ms *= 4) { /* until it was sent */
        call_silent(&s, ms);
        run_until(&s, &s.dones, s.dones + 1);
    }
    assert_int_equal(s.done_status, CONVEX_EUNKNOWN);
    finish(&s);
    abandon(peer);
}

static void cancelling_ends_a_call_once_from_any_place(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    uint32_t first = call_silent(&s, 0), second = call_silent(&s, 0);
    convex_client_cancel(s.client, first);
    convex_client_cancel(s.client, first);
    convex_client_cancel(s.client, 77);
    run_until(&s, &s.dones, 1);
    assert_int_equal(s.done_status, CONVEX_ECANCELED);
    convex_client_cancel(s.client, first);
    convex_client_cancel(s.client, second);
    convex_client_close(s.client); /* together with the second */
    run_until(&s, &s.closed_states, 1);
    assert_int_equal(s.dones, 2);
    convex_client_cancel(s.client, second);
    finish(&s);
    assert_int_equal(s.dones, 2);
}

/* ---- single queries ---- */

static void a_single_query_is_answered_and_leaves_nothing_behind(void **state)
{
    server *peer = server_start(script_echo, 0);
    convex_state now;
    story s;
    begin(&s, peer->url);
    convex_value *args = NULL;
    convex_value_parse("{\"n\":7}", 7, CONVEX_ENCODED_JSON, 0, NULL, &args, NULL);
    assert_int_equal(convex_client_query(s.client, "q:a", args, NULL, on_done, &s, NULL, NULL),
                     CONVEX_OK);
    convex_value_unref(args);
    run_until(&s, &s.dones, 1);
    assert_int_equal(s.done_status, CONVEX_OK);
    assert_string_equal(s.done_result, "7");
    convex_client_process(s.client);
    convex_client_state(s.client, &now);
    assert_int_equal(now.queries, 0);
    assert_int_equal(now.requests, 0);
    finish(&s);
    abandon(peer);
}

/* ---- changed arguments ---- */

static void change(story *s, const char *json)
{
    convex_value *args = NULL;
    convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &args, NULL);
    assert_int_equal(convex_sub_set_args(s->sub, args, NULL), CONVEX_OK);
    convex_value_unref(args);
}

static void only_the_last_of_several_changes_counts(void **state)
{
    server *peer = server_start(script_echo, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_string_equal(s.last, "-1");
    change(&s, "{\"n\":1}");
    change(&s, "{\"n\":2}");
    run_until(&s, &s.results, 2);
    assert_string_equal(s.last, "2");
    finish(&s);
    abandon(peer);
}

static void script_two_at_once(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1") "," SERVER_UPDATED(1, "2"));
    server_receive(s);
}

static void change_the_other_and_back(const convex_result *result, void *user)
{
    change(user, "{\"n\":1}");
    change(user, "{}");
}

static void a_result_that_came_during_a_change_is_not_lost(void **state)
{
    server *peer = server_start(script_two_at_once, 0);
    story s;
    begin(&s, peer->url);
    assert_int_equal(convex_client_subscribe(s.client, "q:first", NULL, change_the_other_and_back,
                                             NULL, &s, NULL, NULL),
                     CONVEX_OK);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_string_equal(s.last, "2");
    finish(&s);
    abandon(peer);
}

static void what_is_asked_of_a_subscription_in_one_turn_is_done_in_order(void **state)
{
    server *peer = server_start(script_echo, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    change(&s, "{\"n\":1}"); /* before the loop has seen it at all */
    run_until(&s, &s.results, 1);
    assert_string_equal(s.last, "1");
    change(&s, "{\"n\":2}");
    convex_sub_close(s.sub);
    run_until(&s, &s.ends, 1);
    assert_int_equal(s.end_why, CONVEX_ECANCELED);
    assert_int_equal(s.results, 1);
    finish(&s);
    assert_int_equal(s.ends, 1);
    abandon(peer);
}

static void changing_what_has_ended_is_refused(void **state)
{
    convex_error error = {0};
    story s;
    begin(&s, "http://127.0.0.1:1");
    watch(&s);
    convex_value *list = NULL;
    convex_value_parse("[1]", 3, CONVEX_ENCODED_JSON, 0, NULL, &list, NULL);
    assert_int_equal(convex_sub_set_args(s.sub, list, &error), CONVEX_EINVAL);
    assert_non_null(strstr(error.message, "array"));
    convex_value_unref(list);
    assert_int_equal(convex_sub_set_args(NULL, NULL, NULL), CONVEX_EINVAL);
    change(&s, "{\"n\":1}"); /* ends in the queue */
    convex_sub_close(s.sub);
    assert_int_equal(convex_sub_set_args(s.sub, NULL, NULL), CONVEX_ECLOSED);
    finish(&s);
    assert_int_equal(s.ends, 1);
}

/* ---- probes and counters ---- */

static void on_pong(convex_status status, unsigned rtt_us, void *user)
{
    story *s = user;
    s->dones++;
    s->done_status = status;
}

static void a_probe_is_answered_and_counted(void **state)
{
    server *peer = server_start(script_silent, 0);
    convex_metrics m;
    story s;
    begin(&s, peer->url);
    while (s.state.connection != CONVEX_CONNECTION_CONNECTED)
        convex_client_process(s.client);
    assert_int_equal(convex_client_probe(s.client, 0, on_pong, &s), CONVEX_OK);
    run_until(&s, &s.dones, 1);
    assert_int_equal(s.done_status, CONVEX_OK);
    convex_client_process(s.client);
    convex_client_metrics(s.client, &m);
    assert_int_equal(m.connections, 1);
    assert_int_equal(m.messages_sent, 2);
    assert_true(m.bytes_sent > 0 && m.bytes_received > 0);
    finish(&s);
    abandon(peer);
}

static void probes_are_bounded_and_end_with_the_client(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    for (int i = 0; i < 16; i++)
        assert_int_equal(convex_client_probe(s.client, 1, on_pong, &s), CONVEX_OK);
    assert_int_equal(convex_client_probe(s.client, 1, on_pong, &s), CONVEX_EBUSY);
    convex_client_process(s.client);
    assert_int_equal(s.dones, 16);
    assert_int_equal(s.done_status, CONVEX_ENETWORK);
    assert_int_equal(convex_client_probe(s.client, 1, on_pong, &s), CONVEX_OK);
    finish(&s);
    assert_int_equal(s.dones, 17);
    assert_int_equal(s.done_status, CONVEX_ECLOSED);
}

/* ---- slow consumers ---- */

enum { VERSIONS = 100 };

/* Many versions in one write, after the first. */
static void script_flood(server *s)
{
    static char raw[VERSIONS * 300];
    char text[300], item[128];
    size_t len = 0;

    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    for (int i = 1; i <= VERSIONS; i++) {
        snprintf(item, sizeof item,
                 "{\"type\":\"QueryUpdated\",\"queryId\":0,\"value\":%d,\"logLines\":[],"
                 "\"journal\":null}",
                 i);
        server_transition_text(s, text, sizeof text, 1, 0, (uint64_t)i, item);
        len += server_frame(raw + len, 0x81, text, strlen(text));
    }
    server_write(s, raw, len);
    server_receive(s);
}

static void take_long(const convex_result *result, void *user)
{
    struct timespec a_while = {.tv_nsec = 15 * 1000 * 1000};
    on_result(result, user);
    nanosleep(&a_while, NULL);
}

static void a_slow_consumer_skips_to_the_newest(void **state)
{
    server *peer = server_start(script_flood, 0);
    convex_metrics m = {0};
    story s;
    begin(&s, peer->url);
    assert_int_equal(
        convex_client_subscribe(s.client, "q:a", NULL, take_long, on_end, &s, &s.sub, NULL),
        CONVEX_OK);
    while (m.transitions < VERSIONS) {
        run_until(&s, &(int){0}, 0), convex_client_process(s.client);
        convex_client_metrics(s.client, &m);
    }
    assert_string_equal(s.last, "100");
    assert_int_equal(m.results_delivered + m.results_skipped, VERSIONS);
    assert_true(m.results_skipped > 0);
    assert_int_equal(m.results_delivered, s.results);
    finish(&s);
    abandon(peer);
}

/* ---- memory ---- */

static void *short_realloc(void *ptr, size_t size, void *user)
{
    atomic_long *left = user;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return atomic_fetch_sub(left, 1) == 0 ? NULL : realloc(ptr, size);
}

/* All kinds of calls, of which some are refused; how many were accepted. */
static int call_all(story *s)
{
    convex_call_options options = {.component = "a/b", .timeout_ms = 60000};
    convex_status status[5] = {
        convex_client_mutation(s->client, "m:x", NULL, &options, on_done, s, NULL, NULL),
        convex_client_action(s->client, "a:x", NULL, &options, on_done, s, NULL, NULL),
        convex_client_query(s->client, "q:x", NULL, &options, on_done, s, NULL, NULL),
        convex_client_probe(s->client, 0, on_pong, s),
        convex_sub_set_args(s->sub, NULL, NULL),
    };
    int accepted = 0;

    for (int i = 0; i < 5; i++) {
        if (status[i] != CONVEX_OK)
            assert_int_equal(status[i], CONVEX_ENOMEM);
        accepted += status[i] == CONVEX_OK && i < 4;
    }
    return accepted;
}

static void any_failed_allocation_of_a_call_is_reported(void **state)
{
    int refused = 0;
    for (long nth = 0; nth < 25; nth++) {
        atomic_long left = -1;
        story s;
        story_init(&s);
        convex_options options = options_for(&s, "http://127.0.0.1:1");
        options.mem = (convex_mem){short_realloc, &left};
        begin_with(&s, &options);
        watch(&s);
        atomic_store(&left, nth);
        int accepted = call_all(&s);
        atomic_store(&left, -1);
        convex_client_join(s.client);
        assert_int_equal(s.dones, accepted);
        assert_int_equal(s.ends, 1);
        refused += 4 - accepted;
        finish(&s);
    }
    assert_true(refused > 0);
}

/* ---- misuse ---- */

static void null_is_refused_or_ignored_everywhere(void **state)
{
    convex_state now = {.queries = 7};
    convex_metrics m = {.attempts = 7};
    story s;
    begin(&s, "http://127.0.0.1:1");
    assert_int_equal(convex_client_new(NULL, NULL, NULL), CONVEX_EINVAL);
    assert_null(convex_client_ref(NULL));
    assert_int_equal(convex_client_start_thread(NULL), CONVEX_EINVAL);
    assert_int_equal(convex_client_timeout_ms(NULL), -1);
    assert_int_equal(convex_client_subscribe(NULL, "q", NULL, on_result, NULL, &s, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_client_subscribe(s.client, NULL, NULL, on_result, NULL, &s, NULL, NULL),
                     CONVEX_EINVAL);
    assert_null(convex_sub_ref(NULL));
    assert_int_equal(convex_client_mutation(NULL, "m", NULL, NULL, NULL, NULL, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_client_mutation(s.client, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_client_action(s.client, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_client_query(s.client, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                     CONVEX_EINVAL);
    convex_client_cancel(NULL, 0);
    assert_int_equal(convex_client_probe(NULL, 0, on_pong, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_client_probe(s.client, 0, NULL, NULL), CONVEX_EINVAL);
    convex_client_state(NULL, &now);
    convex_client_state(s.client, NULL);
    convex_client_metrics(NULL, &m);
    convex_client_metrics(s.client, NULL);
    assert_int_equal(now.queries + m.attempts, 14);
    finish(&s);
}

static void changes_of_identity_are_bounded(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    for (int i = 0; i < 64; i++)
        assert_int_equal(convex_client_set_auth(s.client, NULL), CONVEX_OK);
    assert_int_equal(convex_client_set_auth(s.client, NULL), CONVEX_EBUSY);
    convex_client_process(s.client);
    assert_int_equal(convex_client_set_auth(s.client, NULL), CONVEX_OK);
    finish(&s);
}

static void after_the_close_every_call_says_so(void **state)
{
    convex_state now;
    convex_metrics m;
    story s;
    begin(&s, "http://127.0.0.1:1");
    watch(&s);
    convex_client_join(s.client);
    convex_client_close(s.client);
    convex_client_join(s.client);
    convex_client_reconnect_now(s.client);
    convex_client_cancel(s.client, 0);
    assert_int_equal(convex_client_process(s.client), CONVEX_ECLOSED);
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_ECLOSED);
    assert_int_equal(convex_client_query(s.client, "q:a", NULL, NULL, on_done, &s, NULL, NULL),
                     CONVEX_ECLOSED);
    assert_int_equal(convex_client_action(s.client, "a:x", NULL, NULL, on_done, &s, NULL, NULL),
                     CONVEX_ECLOSED);
    assert_int_equal(convex_client_probe(s.client, 0, on_pong, &s), CONVEX_ECLOSED);
    assert_int_equal(convex_sub_set_args(s.sub, NULL, NULL), CONVEX_ECLOSED);
    convex_sub_close(s.sub);
    convex_client_state(s.client, &now);
    convex_client_metrics(s.client, &m);
    assert_int_equal(now.connection, CONVEX_CONNECTION_CLOSED);
    assert_int_equal(now.oldest_request_ms, -1);
    assert_int_equal(s.dones, 0);
    assert_int_equal(s.ends, 1);
    finish(&s);
}

/* Everything a callback may do wrong. */
static void misuse_in_result(const convex_result *result, void *user)
{
    story *s = user;
    if (s->results++ > 0)
        return;
    s->rejected += convex_client_process(s->client) != CONVEX_OK; /* does nothing */
    s->rejected += convex_client_start_thread(s->client) == CONVEX_OK;
    convex_client_join(s->client); /* only closes */
    s->rejected += s->ends > 0;
}

static void misuse_inside_a_callback_is_harmless(void **state)
{
    for (int own_thread = 0; own_thread < 2; own_thread++) {
        server *peer = server_start(script_echo, 0);
        story s;
        begin(&s, peer->url);
        assert_int_equal(convex_client_subscribe(s.client, "q:a", NULL, misuse_in_result, on_end,
                                                 &s, &s.sub, NULL),
                         CONVEX_OK);
        if (own_thread) {
            assert_int_equal(convex_client_start_thread(s.client), CONVEX_OK);
            await(&s, &s.closed_states, 1);
            convex_client_join(s.client);
        } else {
            run_until(&s, &s.closed_states, 1);
        }
        /* In an own thread process() is refused, which counts once. */
        assert_int_equal(s.rejected, own_thread);
        assert_int_equal(s.results, 1);
        assert_int_equal(s.ends, 1);
        finish(&s);
        abandon(peer);
    }
}

static void close_in_state(const convex_state *state, void *user)
{
    on_state(state, user);
    convex_client_close(((story *)user)->client);
}

static void close_in_pong(convex_status status, unsigned rtt_us, void *user)
{
    story *s = user;
    s->dones++;
    convex_client_close(s->client);
}

static void close_in_end(convex_status why, void *user)
{
    story *s = user;
    on_end(why, user);
    convex_client_close(s->client);
}

static convex_status close_in_fetch(void *user, int force, char **ret, convex_error *reterr)
{
    convex_client_close(((story *)user)->client);
    return CONVEX_EAUTH;
}

static void closing_in_every_callback_is_legal(void **state)
{
    enum { IN_STATE, IN_DONE, IN_PONG, IN_END, IN_FETCH, PLACES };
    for (int place = 0; place < PLACES; place++) {
        convex_auth auth = {.kind = CONVEX_AUTH_FETCH, .fetch = close_in_fetch};
        story s;
        story_init(&s);
        auth.user = &s;
        convex_options options = options_for(&s, "http://127.0.0.1:1");
        if (place == IN_STATE)
            options.on_state = close_in_state;
        if (place == IN_FETCH)
            options.auth = &auth;
        begin_with(&s, &options);
        s.close_in_done = place == IN_DONE;
        if (place == IN_DONE)
            call_silent(&s, 1);
        if (place == IN_PONG)
            convex_client_probe(s.client, 1, close_in_pong, &s);
        assert_int_equal(convex_client_subscribe(s.client, "q:a", NULL, on_result,
                                                 place == IN_END ? close_in_end : on_end, &s,
                                                 &s.sub, NULL),
                         CONVEX_OK);
        if (place == IN_END)
            convex_sub_close(s.sub);
        run_until(&s, &s.closed_states, 1);
        assert_int_equal(s.ends, 1);
        assert_int_equal(convex_client_process(s.client), CONVEX_ECLOSED);
        finish(&s);
    }
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_call_that_was_never_sent_times_out),
        T(a_call_that_was_sent_is_unknown_when_its_time_is_over),
        T(cancelling_ends_a_call_once_from_any_place),
        T(a_single_query_is_answered_and_leaves_nothing_behind),
        T(only_the_last_of_several_changes_counts),
        T(a_result_that_came_during_a_change_is_not_lost),
        T(what_is_asked_of_a_subscription_in_one_turn_is_done_in_order),
        T(changing_what_has_ended_is_refused),
        T(a_probe_is_answered_and_counted),
        T(probes_are_bounded_and_end_with_the_client),
        T(a_slow_consumer_skips_to_the_newest),
        T(any_failed_allocation_of_a_call_is_reported),
        T(null_is_refused_or_ignored_everywhere),
        T(changes_of_identity_are_bounded),
        T(after_the_close_every_call_says_so),
        T(misuse_inside_a_callback_is_harmless),
        T(closing_in_every_callback_is_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
