/* client_test.c - the whole client over real sockets, against scripted servers. */
#include "client_server.h"

#include <poll.h>
#include <stdatomic.h>
#include <time.h>

/* What the callbacks saw; any thread may look while holding the lock. */
typedef struct story {
    convex_client *client;
    convex_sub *sub;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int results, ends, dones, closed_states, rejected;
    convex_status end_why, done_status;
    char last[256], done_result[256], auth_error[512];
    convex_state state;
    bool close_in_result, close_in_done, unref_in_result, end_sub_in_result;
} story;

static void note(story *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void show(const convex_result *result, char *ret, size_t size)
{
    char *text = NULL;
    if (convex_result_success(result)) {
        convex_value_print(convex_result_value(result), CONVEX_ENCODED_JSON, NULL, &text, NULL);
        snprintf(ret, size, "%s", text ? text : "?");
        convex_text_free(text, NULL);
    } else {
        snprintf(ret, size, "!%s", convex_result_error_message(result, NULL));
    }
}

static void on_result(const convex_result *result, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->results++;
    show(result, s->last, sizeof s->last);
    note(s);
    if (s->end_sub_in_result) {
        convex_sub_unref(s->sub);
        s->sub = NULL;
    }
    if (s->close_in_result)
        convex_client_close(s->client);
    if (s->unref_in_result) {
        convex_sub_unref(s->sub);
        s->sub = NULL;
        convex_client_unref(s->client);
        s->client = NULL;
    }
}

static void on_end(convex_status why, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->ends++;
    s->end_why = why;
    note(s);
}

static void on_done(convex_status status, const convex_result *result, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->dones++;
    s->done_status = status;
    if (result)
        show(result, s->done_result, sizeof s->done_result);
    note(s);
    if (s->close_in_done)
        convex_client_close(s->client);
}

static void on_state(const convex_state *state, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->state = *state;
    s->closed_states += state->connection == CONVEX_CONNECTION_CLOSED;
    s->rejected += state->identity == CONVEX_IDENTITY_REJECTED;
    if (state->auth_error[0])
        snprintf(s->auth_error, sizeof s->auth_error, "%s", state->auth_error);
    note(s);
}

static convex_options options_for(story *s, const char *url)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    options.url = url;
    options.proxy = "";
    options.on_state = on_state;
    options.state_user = s;
    options.backoff_initial_ms = 1;
    options.backoff_max_ms = 20;
    return options;
}

static void story_init(story *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
}

static void begin_with(story *s, const convex_options *options)
{
    convex_error error = {0};
    if (convex_client_new(options, &s->client, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
}

static void begin(story *s, const char *url)
{
    story_init(s);
    convex_options options = options_for(s, url);
    begin_with(s, &options);
}

static void watch(story *s)
{
    assert_int_equal(convex_client_subscribe(s->client, "q:a", NULL, on_result, on_end, s, &s->sub),
                     CONVEX_OK);
}

static void mutate(story *s, unsigned flags)
{
    assert_int_equal(convex_client_mutation(s->client, "m:x", NULL, flags, on_done, s, NULL),
                     CONVEX_OK);
}

/* Drives the host loop until `*seen` reaches `want`. */
static void run_until(story *s, const int *seen, int want)
{
    time_t limit = time(NULL) + 30;
    struct pollfd wait = {.fd = convex_client_fd(s->client), .events = POLLIN};

    while (*seen < want) {
        if (time(NULL) > limit)
            fail_msg(
                "waited in vain; last reason: %s, connection %d, retries %u, results %d, dones %d",
                s->state.close_reason, (int)s->state.connection, s->state.retries, s->results,
                s->dones);
        if (convex_client_process(s->client) == CONVEX_ECLOSED || *seen >= want)
            break;
        int timeout = convex_client_timeout_ms(s->client);
        poll(&wait, 1, timeout < 0 || timeout > 1000 ? 1000 : timeout);
    }
    assert_true(*seen >= want);
}

static void await(story *s, const int *seen, int want)
{
    struct timespec limit;
    int r = 0;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 30;
    pthread_mutex_lock(&s->lock);
    while (*seen < want && r == 0)
        r = pthread_cond_timedwait(&s->changed, &s->lock, &limit);
    pthread_mutex_unlock(&s->lock);
    assert_int_equal(r, 0);
}

static void finish(story *s)
{
    convex_sub_unref(s->sub);
    convex_client_unref(s->client);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

/* ---- ordinary days ---- */

static void script_ordinary(server *s)
{
    if (!server_open(s) || !server_expect(s, "\"type\":\"Connect\"") ||
        !server_expect(s, "\"udfPath\":\"q:a\""))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "\"v0\""));
    if (!server_expect(s, "\"type\":\"Mutation\",\"requestId\":0"))
        return;
    server_respond(s, 0, 20);
    server_transition(s, 1, 0, 20, SERVER_UPDATED(0, "\"v1\""));
    server_receive(s);
}

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

static void a_query_and_a_mutation_work_in_an_own_thread(void **state)
{
    server *peer = server_start(script_ordinary, 0);
    story s;
    begin(&s, peer->url);
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_OK);
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_EINVAL);
    assert_int_equal(convex_client_process(s.client), CONVEX_EINVAL);
    watch(&s);
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
    assert_int_equal(convex_client_action(s.client, "a:x", NULL, on_done, &s, NULL), CONVEX_OK);
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
        run_until(&s, &(int){0}, 0), convex_client_process(s.client);
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
        run_until(&s, &(int){0}, 0), convex_client_process(s.client);
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

/* ---- closing ---- */

static void closing_inside_a_result_ends_everything(void **state)
{
    server *peer = server_start(script_ordinary, 0);
    story s;
    begin(&s, peer->url);
    s.close_in_result = true;
    watch(&s);
    run_until(&s, &s.closed_states, 1);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.end_why, CONVEX_ECLOSED);
    assert_int_equal(convex_client_process(s.client), CONVEX_ECLOSED);
    assert_int_equal(convex_client_timeout_ms(s.client), -1);
    finish(&s);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    free(peer);
}

static void script_one_result(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1"));
    server_transition(s, 1, 0, 20, SERVER_UPDATED(0, "2"));
    while (server_receive(s))
        continue;
}

static void the_last_references_may_go_inside_a_result(void **state)
{
    for (int own_thread = 0; own_thread < 2; own_thread++) {
        server *peer = server_start(script_one_result, 0);
        story s;
        begin(&s, peer->url);
        s.unref_in_result = true;
        watch(&s);
        if (own_thread) {
            assert_int_equal(convex_client_start_thread(s.client), CONVEX_OK);
            await(&s, &s.closed_states, 1);
        } else {
            struct pollfd wait = {.fd = convex_client_fd(s.client), .events = POLLIN};
            while (s.closed_states == 0 && convex_client_process(s.client) == CONVEX_OK)
                poll(&wait, 1, 100);
        }
        assert_int_equal(s.results, 1);
        assert_int_equal(s.ends, 1);
        assert_int_equal(s.closed_states, 1);
        server_join(peer);
        finish(&s);
    }
}

static void a_subscription_may_end_inside_its_result(void **state)
{
    server *peer = server_start(script_one_result, 0);
    story s;
    begin(&s, peer->url);
    s.end_sub_in_result = true;
    watch(&s);
    run_until(&s, &s.ends, 1);
    assert_int_equal(s.results, 1);
    assert_int_equal(s.end_why, CONVEX_ECANCELED);
    finish(&s);
    server_join(peer);
}

static void closing_tells_sent_requests_from_unsent_ones(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    mutate(&s, 0);
    convex_client_process(s.client);
    mutate(&s, 0);
    convex_client_join(s.client);
    assert_int_equal(s.dones, 2);
    assert_int_equal(s.done_status, CONVEX_ECLOSED);
    assert_int_equal(convex_client_mutation(s.client, "m:x", NULL, 0, on_done, &s, NULL),
                     CONVEX_ECLOSED);
    assert_int_equal(convex_client_subscribe(s.client, "q:a", NULL, on_result, on_end, &s, NULL),
                     CONVEX_ECLOSED);
    assert_int_equal(convex_client_set_auth(s.client, NULL), CONVEX_ECLOSED);
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_ECLOSED);
    assert_int_equal(s.dones, 2);
    finish(&s);
}

static void a_client_that_was_never_driven_still_ends_its_subscriptions(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    watch(&s);
    mutate(&s, 0);
    convex_sub_unref(s.sub);
    s.sub = NULL;
    convex_client_unref(s.client);
    s.client = NULL;
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.dones, 1);
    assert_int_equal(s.closed_states, 1);
    finish(&s);
}

/* ---- limits and misuse ---- */

static void full_queues_say_busy(void **state)
{
    story s;
    story_init(&s);
    convex_options options = options_for(&s, "http://127.0.0.1:1");
    options.max_requests = 2;
    options.max_request_bytes = 100;
    options.max_subscriptions = 1;
    begin_with(&s, &options);
    watch(&s);
    assert_int_equal(convex_client_subscribe(s.client, "q:a", NULL, on_result, on_end, &s, NULL),
                     CONVEX_EBUSY);
    mutate(&s, 0);
    convex_value *args = NULL;
    char json[256];
    snprintf(json, sizeof json, "{\"a\":\"%0120d\"}", 0);
    convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &args, NULL);
    assert_int_equal(convex_client_mutation(s.client, "m:x", args, 0, on_done, &s, NULL),
                     CONVEX_EBUSY);
    convex_value_unref(args);
    mutate(&s, 0);
    assert_int_equal(convex_client_mutation(s.client, "m:x", NULL, 0, on_done, &s, NULL),
                     CONVEX_EBUSY);
    finish(&s);
    assert_int_equal(s.dones, 2);
}

static void misuse_is_refused(void **state)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_client *client = NULL;
    convex_error error;
    static const char *const bad_urls[] = {
        NULL, "", "ftp://x", "http://", "http://u@h", "http://h/?q", "http://h/a b", "h:3210"};

    for (size_t i = 0; i < sizeof bad_urls / sizeof *bad_urls; i++) {
        options.url = bad_urls[i];
        assert_int_equal(convex_client_new(&options, &client, &error), CONVEX_EINVAL);
        assert_non_null(strstr(error.message, "url"));
    }
    options.url = "http://h";
    options.client_name = "no version\r\n";
    assert_int_equal(convex_client_new(&options, &client, &error), CONVEX_EINVAL);
    assert_int_equal(convex_client_new(NULL, &client, &error), CONVEX_EINVAL);
    assert_null(client);
    convex_client_unref(NULL);
    convex_client_close(NULL);
    convex_client_join(NULL);
    convex_client_reconnect_now(NULL);
    convex_sub_unref(NULL);
    convex_sub_close(NULL);
    assert_int_equal(convex_client_process(NULL), CONVEX_EINVAL);
    assert_int_equal(convex_client_set_auth(NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_client_fd(NULL), -1);

    story s;
    begin(&s, "http://127.0.0.1:1");
    convex_value *list = NULL;
    convex_value_parse("[1]", 3, CONVEX_ENCODED_JSON, 0, NULL, &list, NULL);
    assert_int_equal(convex_client_mutation(s.client, "m:x", list, 0, on_done, &s, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_client_mutation(s.client, "../m:x", NULL, 0, on_done, &s, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_client_mutation(s.client, "m:x", NULL, 8, on_done, &s, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_client_subscribe(s.client, "q:a", NULL, NULL, on_end, &s, NULL),
                     CONVEX_EINVAL);
    convex_value_unref(list);
    finish(&s);
    assert_int_equal(s.dones + s.ends, 0);
}

/* ---- memory and threads ---- */

typedef struct short_memory {
    atomic_long left;
} short_memory;

static void *short_realloc(void *ptr, size_t size, void *user)
{
    short_memory *memory = user;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return atomic_fetch_sub(&memory->left, 1) == 0 ? NULL : realloc(ptr, size);
}

static void script_patient(server *s)
{
    for (int conn = 0; conn < 5; conn++) {
        if (!server_open(s))
            continue; /* given up before it began */
        while (server_receive(s)) {
            if (strstr(s->frame, "ModifyQuerySet"))
                server_transition(s, s->version.query_set + 1, 0, s->version.ts + 10,
                                  strstr(s->frame, "q:a") ? SERVER_UPDATED(0, "1") : "");
            if (strstr(s->frame, "\"Mutation\"")) {
                server_respond(s, 0, s->version.ts + 5);
                server_transition(s, s->version.query_set, 0, s->version.ts + 10, "");
            }
        }
    }
}

static void any_failed_allocation_is_reported_or_survived(void **state)
{
    for (long nth = 0; nth < 70; nth++) {
        server *peer = server_start(script_patient, 0);
        short_memory memory;
        story s;
        convex_status status;
        atomic_init(&memory.left, nth);
        story_init(&s);
        convex_options options = options_for(&s, peer->url);
        options.mem = (convex_mem){short_realloc, &memory};
        status = convex_client_new(&options, &s.client, NULL);
        if (status == CONVEX_OK)
            status = convex_client_subscribe(s.client, "q:a", NULL, on_result, on_end, &s, &s.sub);
        if (status == CONVEX_OK)
            status = convex_client_mutation(s.client, "m:x", NULL, 0, on_done, &s, NULL);
        if (status == CONVEX_OK) {
            run_until(&s, &s.dones, 1);
            run_until(&s, &s.results, 1);
            assert_int_equal(s.done_status, CONVEX_OK);
        } else {
            assert_int_equal(status, CONVEX_ENOMEM);
        }
        finish(&s);
        shutdown(peer->listener, SHUT_RDWR); /* the script waits for more */
        pthread_join(peer->thread, NULL);
        close(peer->listener);
        free(peer);
    }
}

/* Answers everything, as a deployment would. */
static void script_deployment(server *s)
{
    if (!server_open(s))
        return;
    while (server_receive(s)) {
        convex_value *frame = NULL;
        uint32_t id = 0;
        if (convex_value_parse(s->frame, strlen(s->frame), CONVEX_ENCODED_JSON, 0, NULL, &frame,
                               NULL) != CONVEX_OK) {
            server_wrong(s, "bad JSON: %.100s", s->frame);
            return;
        }
        const convex_value *items = convex_value_field(frame, "modifications");
        if (strstr(s->frame, "ModifyQuerySet")) {
            static _Thread_local char list[1 << 19];
            size_t at = 0;
            list[0] = '\0';
            for (size_t i = 0; i < convex_value_count(items); i++) {
                const convex_value *item = convex_value_at(items, i);
                bool add = convex_value_field(item, "udfPath") != NULL;
                cvx_u32_read(convex_value_field(item, "queryId"), &id);
                at += (size_t)snprintf(
                    list + at, sizeof list - at,
                    add ? "%s{\"type\":\"QueryUpdated\",\"queryId\":%u,\"value\":%u,"
                          "\"logLines\":[],\"journal\":null}"
                        : "%s{\"type\":\"QueryRemoved\",\"queryId\":%u}",
                    at ? "," : "", id, id);
            }
            cvx_u32_read(convex_value_field(frame, "newVersion"), &id);
            server_transition(s, id, 0, s->version.ts + 1, list);
        } else if (cvx_u32_read(convex_value_field(frame, "requestId"), &id)) {
            server_respond(s, id, s->version.ts + 1);
            server_transition(s, s->version.query_set, 0, s->version.ts + 1, "");
        }
        convex_value_unref(frame);
    }
}

typedef struct hammer {
    convex_client *client;
    atomic_int results, ends, dones;
    int number;
} hammer;

static void hammer_result(const convex_result *result, void *user)
{
    atomic_fetch_add(&((hammer *)user)->results, 1);
}

static void hammer_end(convex_status why, void *user)
{
    atomic_fetch_add(&((hammer *)user)->ends, 1);
}

static void hammer_done(convex_status status, const convex_result *result, void *user)
{
    if (status == CONVEX_OK)
        atomic_fetch_add(&((hammer *)user)->dones, 1);
}

enum { HAMMER_BLOWS = 300 };

static void *hammer_thread(void *arg)
{
    hammer *h = arg;
    for (int i = 0; i < HAMMER_BLOWS; i++) {
        convex_sub *sub = NULL;
        convex_state now;
        char path[32];
        snprintf(path, sizeof path, "q:n%d", (i + h->number) % 7);
        while (convex_client_subscribe(h->client, path, NULL, hammer_result, hammer_end, h, &sub) !=
               CONVEX_OK)
            continue;
        while (convex_client_mutation(h->client, "m:x", NULL, i % 2 ? CONVEX_AT_COMMIT : 0,
                                      hammer_done, h, NULL) != CONVEX_OK)
            sched_yield();
        convex_client_state(h->client, &now);
        convex_sub_unref(sub);
    }
    return NULL;
}

static void many_threads_may_use_one_client(void **state)
{
    server *peer = server_start(script_deployment, 0);
    hammer hammers[2] = {{.number = 0}, {.number = 3}};
    pthread_t threads[2];
    story s;
    begin(&s, peer->url);
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_OK);
    for (int i = 0; i < 2; i++) {
        hammers[i].client = s.client;
        pthread_create(&threads[i], NULL, hammer_thread, &hammers[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    mutate(&s, 0); /* mutations are answered in order: this one last */
    await(&s, &s.dones, 1);
    convex_client_join(s.client);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(atomic_load(&hammers[i].dones), HAMMER_BLOWS);
        assert_int_equal(atomic_load(&hammers[i].ends), HAMMER_BLOWS);
    }
    finish(&s);
    server_join(peer);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_query_and_a_mutation_work_in_a_host_loop),
        T(a_query_and_a_mutation_work_in_an_own_thread),
        T(a_mutation_at_commit_is_told_with_the_response),
        T(results_in_fragments_and_single_bytes_arrive),
        T(a_reply_cut_at_any_byte_costs_exactly_one_resend),
        T(a_lost_action_is_unknown_and_not_sent_again),
        T(a_refused_upgrade_is_told_in_the_servers_words_and_tried_again),
        T(an_unreachable_server_is_named_and_tried_again),
        T(a_rejected_service_token_is_reported_and_not_retried_forever),
        T(a_token_that_cannot_be_made_is_reported_with_the_reason),
        T(closing_inside_a_result_ends_everything),
        T(the_last_references_may_go_inside_a_result),
        T(a_subscription_may_end_inside_its_result),
        T(closing_tells_sent_requests_from_unsent_ones),
        T(a_client_that_was_never_driven_still_ends_its_subscriptions),
        T(full_queues_say_busy),
        T(misuse_is_refused),
        T(any_failed_allocation_is_reported_or_survived),
        T(many_threads_may_use_one_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
