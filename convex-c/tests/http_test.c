/* http_test.c - the HTTP client against a scripted peer. */
#include "tests/http_story.h"

/* ---- answers ---- */

TEST(a_function_that_returned_is_a_success_with_its_value_and_log_lines)
{
    outcome *o = run_once(always_ok[0], convex_http_query);
    double value = 0;
    assert_int_equal(o->status, CONVEX_OK);
    assert_true(convex_result_success(o->result));
    assert_true(convex_value_float64(convex_result_value(o->result), &value) && value == 7);
    assert_int_equal(convex_result_log_count(o->result), 1);
    assert_string_equal(convex_result_log_at(o->result, 0, NULL), "[LOG] 'hi'");
    assert_null(convex_result_log_at(o->result, 1, NULL));
    assert_null(convex_result_error_message(o->result, NULL));
    assert_null(convex_result_error_data(o->result));
    outcome_free(o);
}

static void assert_threw(const char *body, int http_status, convex_type data)
{
    outcome *o = run_once((peer_step){PEER_ANSWER, http_status, body, NULL}, convex_http_mutation);
    assert_int_equal(o->status, CONVEX_OK);
    assert_false(convex_result_success(o->result));
    assert_null(convex_result_value(o->result));
    assert_string_equal(convex_result_error_message(o->result, NULL), "Oh no");
    assert_int_equal(convex_value_type(convex_result_error_data(o->result)), data);
    outcome_free(o);
}

TEST(a_function_that_threw_is_a_result_and_null_error_data_is_data)
{
    assert_threw("{\"status\":\"error\",\"errorMessage\":\"Oh no\"}", 200, CONVEX_ABSENT);
    assert_threw("{\"status\":\"error\",\"errorMessage\":\"Oh no\",\"errorData\":null}", 200,
                 CONVEX_NULL);
    assert_threw("{\"status\":\"error\",\"errorMessage\":\"Oh no\",\"errorData\":{\"code\":1}}",
                 200, CONVEX_OBJECT);
    assert_threw("{\"status\":\"error\",\"errorMessage\":\"Oh no\"}", 560, CONVEX_ABSENT);
}

TEST(every_other_status_keeps_its_code_and_message)
{
    static const struct {
        int status;
        const char *body, *code, *message;
        convex_status query, mutation;
    } cases[] = {
        {401, "{\"code\":\"InvalidAuthHeader\",\"message\":\"bad\"}", "InvalidAuthHeader",
         "HTTP 401: bad", CONVEX_EAUTH, CONVEX_EAUTH},
        {403, "{\"code\":\"BadDeployKey\",\"message\":\"no\"}", "BadDeployKey", "HTTP 403: no",
         CONVEX_EAUTH, CONVEX_EAUTH},
        {400, "{\"code\":\"BadJsonBody\",\"message\":\"x\"}", "BadJsonBody", "HTTP 400: x",
         CONVEX_ESERVER, CONVEX_ESERVER},
        {503, "{\"code\":\"ExpiredInQueue\",\"message\":\"later\"}", "ExpiredInQueue",
         "HTTP 503: later", CONVEX_ESERVER, CONVEX_ESERVER},
        {429, "{\"code\":\"TooManyWrites\",\"message\":\"later\"}", "TooManyWrites",
         "HTTP 429: later", CONVEX_ESERVER, CONVEX_ESERVER},
        {404, "", "", "HTTP 404: the server gave no reason", CONVEX_ESERVER, CONVEX_ESERVER},
        {301, "", "", "HTTP 301: the server redirects; check the URL", CONVEX_ESERVER,
         CONVEX_ESERVER},
        {502, "<html>Bad gateway</html>", "", NULL, CONVEX_ESERVER, CONVEX_EUNKNOWN},
        {408, "", "", NULL, CONVEX_ESERVER, CONVEX_EUNKNOWN},
        {560, "", "", NULL, CONVEX_EPROTOCOL, CONVEX_EUNKNOWN},
        {200, "", "", NULL, CONVEX_EPROTOCOL, CONVEX_EUNKNOWN},
        {200, "<html>Welcome to the hotel</html>", "", NULL, CONVEX_EPROTOCOL, CONVEX_EUNKNOWN},
        {200, "{\"status\":\"success\"}", "", NULL, CONVEX_EPROTOCOL, CONVEX_EUNKNOWN},
        {200, "{\"status\":\"success\",\"value\":{\"$x\":1}}", "", NULL, CONVEX_EPROTOCOL,
         CONVEX_EUNKNOWN},
        {200, "{\"status\":\"error\",\"errorMessage\":null}", "", NULL, CONVEX_EPROTOCOL,
         CONVEX_EUNKNOWN},
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
        size_t c = i / 2;
        peer_step step = {PEER_ANSWER, cases[c].status, cases[c].body, NULL};
        outcome *o = run_once(step, i % 2 ? convex_http_mutation : convex_http_query);
        if (o->status != (i % 2 ? cases[c].mutation : cases[c].query))
            fail_msg("%d %s: %s", cases[c].status, cases[c].body, o->error.message);
        assert_int_equal(o->error.http_status, cases[c].status);
        assert_string_equal(o->error.code, cases[c].code);
        if (cases[c].message != NULL)
            assert_string_equal(o->error.message, cases[c].message);
        assert_int_equal(o->p.request_count, 1);
        outcome_free(o);
    }
}

/* ---- requests ---- */

TEST(a_request_is_spelled_as_the_official_client_spells_it)
{
    peer p;
    peer_start(&p, always_ok);
    convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
    convex_value *args = parse("{\"b\":{\"$integer\":\"AQAAAAAAAAA=\"},\"a\":\"x\\u0000\"}");
    convex_result *result = NULL;
    assert_int_equal(convex_http_action(http, "a/b:c", args, &result, NULL), CONVEX_OK);
    convex_result_unref(result);
    convex_value_unref(args);
    convex_http_free(http);
    peer_stop(&p);
    const char *request = p.requests[0];
    assert_memory_equal(request, "POST /api/action HTTP/1.1\r\n", 27);
    assert_has(request, "\r\nContent-Type: application/json\r\n");
    assert_has(request, "\r\nConvex-Client: convex-c-0.1.0\r\n");
    assert_has(request, "\r\n\r\n{\"path\":\"a/b:c\",\"format\":\"convex_encoded_json\",\"args\":"
                        "[{\"a\":\"x\\u0000\",\"b\":{\"$integer\":\"AQAAAAAAAAA=\"}}]}");
    assert_null(strcasestr(request, "Authorization"));
    assert_null(strcasestr(request, "Expect"));
    peer_done(&p);
}

TEST(a_trailing_slash_and_a_path_prefix_are_joined_once)
{
    static const char *const suffixes[][2] = {
        {"/", "POST /api/query HTTP"},
        {"///", "POST /api/query HTTP"},
        {"/convex", "POST /convex/api/query HTTP"},
        {"/convex/", "POST /convex/api/query HTTP"},
    };
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        peer p;
        convex_result *result = NULL;
        peer_start(&p, always_ok);
        convex_http *http = connect_to(&p, suffixes[i][0], NULL, (convex_http_options){0});
        assert_int_equal(convex_http_query(http, "a:b", NULL, &result, NULL), CONVEX_OK);
        convex_result_unref(result);
        convex_http_free(http);
        peer_stop(&p);
        assert_has(p.requests[0], suffixes[i][1]);
        assert_has(p.requests[0], "\"args\":[{}]}");
        peer_done(&p);
    }
}

TEST(each_credential_has_its_authorization_line)
{
    static const struct {
        convex_auth auth;
        const char *line;
    } cases[] = {
        {{.kind = CONVEX_AUTH_USER_TOKEN, .token = "a.b.c"}, "\r\nAuthorization: Bearer a.b.c\r\n"},
        {{.kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = "name|00ff"},
         "\r\nAuthorization: Convex name|00ff\r\n"},
        {{.kind = CONVEX_AUTH_ADMIN_KEY,
          .admin_key = "name|00ff",
          .acting_as = "{\"tokenIdentifier\":\"x|y\"}"},
         "\r\nAuthorization: Convex name|00ff:eyJ0b2tlbklkZW50aWZpZXIiOiJ4fHkifQ==\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        outcome *o =
            run_with(always_ok, convex_http_query, &cases[i].auth, (convex_http_options){0});
        assert_int_equal(o->status, CONVEX_OK);
        assert_has(o->p.requests[0], cases[i].line);
        outcome_free(o);
    }
}

TEST(an_admin_call_sends_bare_arguments_and_needs_an_admin_key)
{
    convex_auth admin = {.kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = "name|00ff"};
    outcome *o = run_with(always_ok, convex_http_function, &admin, (convex_http_options){0});
    assert_int_equal(o->status, CONVEX_OK);
    assert_has(o->p.requests[0], "POST /api/function HTTP");
    assert_has(o->p.requests[0], "\"args\":{}}");
    outcome_free(o);
    o = run_with(always_ok, convex_http_function, NULL, (convex_http_options){0});
    assert_int_equal(o->status, CONVEX_EINVAL);
    assert_int_equal(o->p.request_count, 0);
    outcome_free(o);
}

TEST(bad_arguments_are_refused_before_anything_is_sent)
{
    peer p;
    peer_start(&p, always_ok);
    convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
    convex_value *array = parse("[]"), *dollar = parse_as("{\"a\":{\"$b\":1}}", CONVEX_PLAIN_JSON);
    convex_result *result = NULL;
    convex_error error = {0};
    assert_int_equal(convex_http_query(http, "a:b", array, &result, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_http_query(http, "a:b", dollar, &result, &error), CONVEX_EINVAL);
    assert_has(error.message, "a.$b");
    assert_int_equal(convex_http_query(http, "", NULL, &result, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_http_query(http, "\xff", NULL, &result, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_http_query(NULL, "a:b", NULL, &result, NULL), CONVEX_EINVAL);
    assert_null(result);
    convex_value_unref(array);
    convex_value_unref(dollar);
    convex_http_free(http);
    peer_stop(&p);
    assert_int_equal(p.request_count, 0);
    peer_done(&p);
}

TEST(a_bad_option_is_named)
{
    const struct {
        convex_http_options options;
        const char *word;
    } cases[] = {
        {{.url = NULL}, "url"},
        {{.url = "ws://host"}, "http://"},
        {{.url = "host:3210"}, "http://"},
        {{.url = "https://"}, "host"},
        {{.url = "https:///x"}, "host"},
        {{.url = "https://a:b@host"}, "auth"},
        {{.url = "https://host?x=1"}, "query"},
        {{.url = "https://happy-animal-1.convex.site"}, ".convex.cloud"},
        {{.url = "https://host", .client_name = "noversion"}, "client_name"},
        {{.url = "https://host", .client_name = "x-1\r\nEvil: 1"}, "client_name"},
        {{.url = "https://host", .auth = &(convex_auth){.kind = CONVEX_AUTH_USER_TOKEN}}, "token"},
        {{.url = "https://host",
          .auth = &(convex_auth){.kind = CONVEX_AUTH_USER_TOKEN, .token = "a\r\nb"}},
         "token"},
        {{.url = "https://host",
          .auth = &(convex_auth){.kind = CONVEX_AUTH_ADMIN_KEY,
                                 .admin_key = "k|1",
                                 .acting_as = "{\"name\":\"x\"}"}},
         "acting_as"},
        {{.url = "https://host", .auth = &(convex_auth){.kind = CONVEX_AUTH_FETCH}}, "fetch"},
        {{.url = "https://host", .version = (convex_http_version)3}, "version"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        convex_http_options options = cases[i].options;
        convex_http *http = NULL;
        convex_error error = {0};
        options.size = sizeof options;
        assert_int_equal(convex_http_new(&options, &http, &error), CONVEX_EINVAL);
        assert_null(http);
        assert_has(error.message, cases[i].word);
    }
    convex_http_options without_size = {.url = "https://host"};
    convex_http *http = NULL;
    convex_error error = {0};
    assert_int_equal(convex_http_new(&without_size, &http, &error), CONVEX_EINVAL);
    assert_null(http);
    assert_has(error.message, "CONVEX_HTTP_OPTIONS_INIT");
    convex_http_free(NULL);
}

/* ---- fetched credentials ---- */

typedef struct fetcher {
    const char *tokens[2]; /* for force_refresh 0 and not 0; NULL: signed out */
    convex_status status;
    int calls[2];
} fetcher;

static convex_status fetch(void *user, int force, char **ret, convex_error *error)
{
    fetcher *f = user;
    f->calls[force != 0]++;
    if (f->status != CONVEX_OK)
        return f->status;
    *ret = f->tokens[force != 0] == NULL ? NULL : strdup(f->tokens[force != 0]);
    return CONVEX_OK;
}

static outcome *run_fetching(fetcher *f, const peer_step *script)
{
    convex_auth auth = {.kind = CONVEX_AUTH_FETCH, .fetch = fetch, .user = f};
    return run_with(script, convex_http_mutation, &auth, (convex_http_options){0});
}

static const peer_step refused_then_ok[] = {
    {PEER_ANSWER, 401, "{\"code\":\"InvalidAuthHeader\",\"message\":\"expired\"}", NULL},
    {PEER_ANSWER, 200, ok_body, NULL},
    {0}};

TEST(a_refused_token_is_fetched_anew_once)
{
    fetcher f = {.tokens = {"old.a.b", "new.a.b"}};
    outcome *o = run_fetching(&f, refused_then_ok);
    assert_int_equal(o->status, CONVEX_OK);
    assert_int_equal(o->p.request_count, 2);
    assert_has(o->p.requests[0], "Bearer old.a.b\r\n");
    assert_has(o->p.requests[1], "Bearer new.a.b\r\n");
    assert_true(f.calls[0] == 1 && f.calls[1] == 1);
    outcome_free(o);
}

TEST(a_refused_token_that_stays_the_same_is_not_sent_again)
{
    fetcher f = {.tokens = {"old.a.b", "old.a.b"}};
    outcome *o = run_fetching(&f, refused_then_ok);
    assert_int_equal(o->status, CONVEX_EAUTH);
    assert_string_equal(o->error.code, "InvalidAuthHeader");
    assert_int_equal(o->p.request_count, 1);
    assert_null(strstr(o->error.message, "old.a.b"));
    outcome_free(o);
}

TEST(a_signed_out_fetcher_calls_anonymously_and_a_failing_one_not_at_all)
{
    fetcher f = {.tokens = {NULL, NULL}};
    outcome *o = run_fetching(&f, always_ok);
    assert_int_equal(o->status, CONVEX_OK);
    assert_null(strcasestr(o->p.requests[0], "Authorization"));
    outcome_free(o);
    f.status = CONVEX_ENETWORK;
    o = run_fetching(&f, always_ok);
    assert_int_equal(o->status, CONVEX_EAUTH);
    assert_int_equal(o->p.request_count, 0);
    outcome_free(o);
}

/* ---- what the network does ---- */

static const peer_step dropped[] = {{.kind = PEER_DROP}, {0}};

TEST(a_mutation_whose_answer_is_lost_runs_once_and_is_reported_unknown)
{
    static call_fn *const calls[] = {convex_http_mutation, convex_http_action};
    for (int i = 0; i < 2; i++) {
        outcome *o = run_with(dropped, calls[i], NULL, (convex_http_options){0});
        assert_int_equal(o->status, CONVEX_EUNKNOWN);
        assert_int_equal(o->p.request_count, 1);
        outcome_free(o);
    }
}

/* The peer executes the third request, and drops the connection that the first two were on. */
static void assert_sent_once_on_a_kept_connection(call_fn *call)
{
    static const peer_step script[] = {{.kind = PEER_ANSWER, 200, ok_body},
                                       {.kind = PEER_ANSWER, 200, ok_body},
                                       {.kind = PEER_DROP},
                                       {.kind = PEER_ANSWER, 200, ok_body},
                                       {0}};
    call_fn *const calls[] = {convex_http_query, call, call, convex_http_query};
    static const convex_status expected[] = {CONVEX_OK, CONVEX_OK, CONVEX_EUNKNOWN, CONVEX_OK};
    convex_auth admin = {.kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = "name|00ff"};
    peer p;
    peer_start(&p, script);
    convex_http *http = connect_to(&p, "", &admin, (convex_http_options){0});
    for (int i = 0; i < 4; i++) {
        convex_result *result = NULL;
        assert_int_equal(calls[i](http, "a:b", NULL, &result, NULL), expected[i]);
        convex_result_unref(result);
    }
    convex_http_free(http);
    peer_stop(&p);
    assert_int_equal(p.request_count, 4);
    assert_int_equal(p.connection_count, 3); /* the dropped, the one not used, the last */
    peer_done(&p);
}

TEST(a_mutation_is_not_sent_twice_even_after_a_kept_connection)
{
    assert_sent_once_on_a_kept_connection(convex_http_mutation);
    assert_sent_once_on_a_kept_connection(convex_http_action);
    assert_sent_once_on_a_kept_connection(convex_http_function);
}

TEST(queries_share_a_connection_and_survive_its_loss)
{
    static const peer_step script[] = {{.kind = PEER_ANSWER, 200, ok_body},
                                       {.kind = PEER_ANSWER, 200, ok_body},
                                       {.kind = PEER_DROP},
                                       {.kind = PEER_ANSWER, 200, ok_body},
                                       {0}};
    peer p;
    peer_start(&p, script);
    convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
    for (int i = 0; i < 3; i++) {
        convex_result *result = NULL;
        assert_int_equal(convex_http_query(http, "a:b", NULL, &result, NULL), CONVEX_OK);
        convex_result_unref(result);
    }
    convex_http_free(http);
    peer_stop(&p);
    assert_int_equal(p.request_count, 4);
    assert_int_equal(p.connection_count, 2);
    peer_done(&p);
}

TEST(a_silent_peer_ends_in_a_timeout_or_an_unknown_outcome)
{
    static const peer_step script[] = {{.kind = PEER_SILENCE}, {0}};
    convex_http_options options = {.timeout_ms = 60};
    outcome *o = run_with(script, convex_http_query, NULL, options);
    assert_int_equal(o->status, CONVEX_ETIMEOUT);
    outcome_free(o);
    options.timeout_ms = 1500; /* enough to be sent, on any machine */
    o = run_with(script, convex_http_mutation, NULL, options);
    assert_int_equal(o->status, CONVEX_EUNKNOWN);
    assert_int_equal(o->p.request_count, 1);
    outcome_free(o);
}

TEST(an_answer_cut_short_is_no_answer)
{
    peer_step step = {.kind = PEER_RAW,
                      .body = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":"};
    outcome *o = run_once(step, convex_http_query);
    assert_int_equal(o->status, CONVEX_ENETWORK);
    outcome_free(o);
    o = run_once(step, convex_http_mutation);
    assert_int_equal(o->status, CONVEX_EUNKNOWN);
    assert_int_equal(o->p.request_count, 1);
    outcome_free(o);
}

TEST(an_answer_above_the_cap_is_refused)
{
    convex_http_options options = {.max_reply_bytes = sizeof ok_body - 2};
    outcome *o = run_with(always_ok, convex_http_query, NULL, options);
    assert_int_equal(o->status, CONVEX_ELIMIT);
    outcome_free(o);
    o = run_with(always_ok, convex_http_mutation, NULL, options);
    assert_int_equal(o->status, CONVEX_EUNKNOWN);
    outcome_free(o);
    options.max_reply_bytes++;
    o = run_with(always_ok, convex_http_query, NULL, options);
    assert_int_equal(o->status, CONVEX_OK);
    outcome_free(o);
}

TEST(a_mutation_that_found_no_server_was_certainly_not_sent)
{
    peer p;
    peer_start(&p, always_ok);
    convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
    peer_stop(&p);
    convex_result *result = NULL;
    convex_error error = {0};
    assert_int_equal(convex_http_mutation(http, "a:b", NULL, &result, &error), CONVEX_ENETWORK);
    assert_true(error.message[0] != '\0');
    convex_http_free(http);
    peer_done(&p);
}

static void keep_line(convex_log_level level, const char *text, void *user)
{
    if (level == CONVEX_LOG_WARN)
        snprintf(user, 64, "%s", text);
}

TEST(a_deprecation_notice_reaches_the_log)
{
    static const peer_step script[] = {
        {PEER_ANSWER, 200, ok_body, "X-Convex-Deprecation-Message: please upgrade"}, {0}};
    char line[64] = "";
    convex_http_options options = {.log = {keep_line, line}};
    outcome *o = run_with(script, convex_http_query, NULL, options);
    assert_string_equal(line, "please upgrade");
    outcome_free(o);
}

/* ---- threads and memory ---- */

static void *call_often(void *arg)
{
    for (int i = 0; i < 20; i++) {
        convex_result *result = NULL;
        call_fn *call = i % 4 ? convex_http_query : convex_http_mutation;
        if (call(arg, "a:b", NULL, &result, NULL) != CONVEX_OK)
            return arg;
        convex_result_unref(result);
    }
    return NULL;
}

TEST(several_threads_call_side_by_side)
{
    peer p;
    pthread_t threads[4];
    peer_start(&p, always_ok);
    convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, http), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    convex_http_free(http);
    peer_stop(&p);
    assert_int_equal(p.request_count, 80);
    peer_done(&p);
}

static void fail_each_allocation(call_fn *call, bool repeatable)
{
    peer p;
    peer_start(&p, always_ok);
    convex_auth auth = {.kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = "name|00"};
    for (long n = 0, done = 0; !done; n++) {
        failing_mem counter = {.left = n};
        size_t sent = atomic_load(&p.seen);
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%u", p.port);
        convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
        options.url = url;
        options.network.proxy = "";
        options.auth = &auth;
        options.mem = failing(&counter);
        convex_http *http = NULL;
        convex_result *result = NULL;
        convex_status status = convex_http_new(&options, &http, NULL);
        if (status == CONVEX_OK)
            status = call(http, "a:b", NULL, &result, NULL);
        done = status == CONVEX_OK;
        bool open = !repeatable && atomic_load(&p.seen) > sent;
        assert_true(done || status == (open ? CONVEX_EUNKNOWN : CONVEX_ENOMEM));
        convex_result_unref(result);
        convex_http_free(http);
        assert_int_equal(counter.live, 0);
    }
    peer_stop(&p);
    peer_done(&p);
}

TEST(when_any_allocation_fails_a_query_fails_cleanly)
{
    fail_each_allocation(convex_http_query, true);
}

TEST(when_any_allocation_fails_after_sending_a_mutation_is_reported_unknown)
{
    fail_each_allocation(convex_http_mutation, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_that_returned_is_a_success_with_its_value_and_log_lines),
        cmocka_unit_test(a_function_that_threw_is_a_result_and_null_error_data_is_data),
        cmocka_unit_test(every_other_status_keeps_its_code_and_message),
        cmocka_unit_test(a_request_is_spelled_as_the_official_client_spells_it),
        cmocka_unit_test(a_trailing_slash_and_a_path_prefix_are_joined_once),
        cmocka_unit_test(each_credential_has_its_authorization_line),
        cmocka_unit_test(an_admin_call_sends_bare_arguments_and_needs_an_admin_key),
        cmocka_unit_test(bad_arguments_are_refused_before_anything_is_sent),
        cmocka_unit_test(a_bad_option_is_named),
        cmocka_unit_test(a_refused_token_is_fetched_anew_once),
        cmocka_unit_test(a_refused_token_that_stays_the_same_is_not_sent_again),
        cmocka_unit_test(a_signed_out_fetcher_calls_anonymously_and_a_failing_one_not_at_all),
        cmocka_unit_test(a_mutation_whose_answer_is_lost_runs_once_and_is_reported_unknown),
        cmocka_unit_test(a_mutation_is_not_sent_twice_even_after_a_kept_connection),
        cmocka_unit_test(queries_share_a_connection_and_survive_its_loss),
        cmocka_unit_test(a_silent_peer_ends_in_a_timeout_or_an_unknown_outcome),
        cmocka_unit_test(an_answer_cut_short_is_no_answer),
        cmocka_unit_test(an_answer_above_the_cap_is_refused),
        cmocka_unit_test(a_mutation_that_found_no_server_was_certainly_not_sent),
        cmocka_unit_test(a_deprecation_notice_reaches_the_log),
        cmocka_unit_test(several_threads_call_side_by_side),
        cmocka_unit_test(when_any_allocation_fails_a_query_fails_cleanly),
        cmocka_unit_test(when_any_allocation_fails_after_sending_a_mutation_is_reported_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
