/* http_call_test.c - options of one call, and reads of one state, against a scripted peer. */
#include "tests/http_story.h"

static const peer_step contended[] = {
    {.kind = PEER_ANSWER,
     .status = 503,
     .body = "{\"code\":\"OptimisticConcurrencyControlFailure\",\"message\":\"again\"}"},
    {.kind = PEER_ANSWER,
     .status = 503,
     .body = "{\"code\":\"ExpiredInQueue\",\"message\":\"again\"}"},
    {.kind = PEER_ANSWER, .status = 200, .body = ok_body},
    {0}};

static const convex_auth admin = {.kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = "name|00ff"};

/* One call with options to a fresh peer; fills `p` with what it was asked. */
static convex_status call_with(const peer_step *script, convex_http_kind kind,
                               const convex_http_call_options *options, const convex_auth *auth,
                               peer *p, convex_error *error)
{
    convex_result *result = NULL;
    peer_start(p, script);
    convex_http *http = connect_to(p, "", auth, (convex_http_options){0});
    convex_status status = convex_http_call(http, kind, "a:b", NULL, options, &result, error);
    assert_int_equal(status == CONVEX_OK, result != NULL);
    convex_result_unref(result);
    convex_http_free(http);
    peer_stop(p);
    return status;
}

static void assert_call(const peer_step *script, convex_http_kind kind, unsigned retries,
                        convex_status status, size_t requests)
{
    convex_http_call_options options = {.occ_retries = retries};
    convex_error error = {0};
    peer p;
    assert_int_equal(call_with(script, kind, &options, &admin, &p, &error), status);
    assert_int_equal(p.request_count, requests);
    peer_done(&p);
}

/* ---- trying again ---- */

TEST(a_call_that_lost_a_race_is_tried_again_as_often_as_asked)
{
    assert_call(contended, CONVEX_HTTP_MUTATION, 0, CONVEX_ESERVER, 1);
    assert_call(contended, CONVEX_HTTP_MUTATION, 1, CONVEX_ESERVER, 2);
    assert_call(contended, CONVEX_HTTP_MUTATION, 2, CONVEX_OK, 3);
    assert_call(contended, CONVEX_HTTP_MUTATION, 9, CONVEX_OK, 3);
    assert_call(contended, CONVEX_HTTP_QUERY, 2, CONVEX_OK, 3);
}

TEST(an_action_is_tried_again_only_when_it_never_began)
{
    assert_call(contended, CONVEX_HTTP_ACTION, 9, CONVEX_ESERVER, 1);
    assert_call(contended, CONVEX_HTTP_FUNCTION, 9, CONVEX_ESERVER, 1);
    assert_call(contended + 1, CONVEX_HTTP_ACTION, 9, CONVEX_OK, 2);
    assert_call(contended + 1, CONVEX_HTTP_FUNCTION, 9, CONVEX_OK, 2);
}

TEST(other_refusals_and_lost_answers_are_never_tried_again)
{
    static const peer_step scripts[][3] = {
        {{.kind = PEER_ANSWER, .status = 500, .body = "{\"code\":\"InternalServerError\"}"}},
        {{.kind = PEER_ANSWER, .status = 503, .body = "{\"code\":\"CommitterFullError\"}"}},
        {{.kind = PEER_ANSWER, .status = 503, .body = ""}},
        {{.kind = PEER_ANSWER, .status = 429, .body = "{\"code\":\"TooManyWrites\"}"}},
        {{.kind = PEER_DROP}},
    };
    static const convex_status expected[] = {CONVEX_ESERVER, CONVEX_ESERVER, CONVEX_EUNKNOWN,
                                             CONVEX_ESERVER, CONVEX_EUNKNOWN};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        assert_call(scripts[i], CONVEX_HTTP_MUTATION, 5, expected[i], 1);
}

TEST(repetitions_end_with_the_time_of_the_call)
{
    static const peer_step always[] = {
        {.kind = PEER_ANSWER,
         .status = 503,
         .body = "{\"code\":\"OptimisticConcurrencyControlFailure\"}"},
        {0}};
    convex_http_call_options options = {.occ_retries = 1000000, .timeout_ms = 300};
    convex_error error = {0};
    peer p;
    convex_status status = call_with(always, CONVEX_HTTP_MUTATION, &options, NULL, &p, &error);
    assert_true(status == CONVEX_ESERVER || status == CONVEX_EUNKNOWN || status == CONVEX_ETIMEOUT);
    assert_true(p.request_count < 200);
    peer_done(&p);
}

/* ---- the other options ---- */

TEST(a_function_of_a_component_is_called_as_admin)
{
    convex_http_call_options options = {.component = "mail/\"queue\""};
    convex_error error = {0};
    peer p;
    assert_int_equal(call_with(always_ok, CONVEX_HTTP_QUERY, &options, &admin, &p, &error),
                     CONVEX_OK);
    assert_has(p.requests[0], "POST /api/function HTTP");
    assert_has(p.requests[0], "\"args\":{},\"componentPath\":\"mail/\\\"queue\\\"\"}");
    peer_done(&p);
    assert_int_equal(call_with(always_ok, CONVEX_HTTP_QUERY, &options, NULL, &p, &error),
                     CONVEX_EINVAL);
    assert_has(error.message, "component");
    assert_int_equal(p.request_count, 0);
    peer_done(&p);
}

TEST(a_call_has_its_own_time)
{
    static const peer_step silent[] = {{.kind = PEER_SILENCE}, {0}};
    convex_http_call_options options = {.timeout_ms = 50};
    convex_error error = {0};
    peer p;
    assert_int_equal(call_with(silent, CONVEX_HTTP_QUERY, &options, NULL, &p, &error),
                     CONVEX_ETIMEOUT);
    peer_done(&p);
}

static outcome *run_silenced(const peer_step step, convex_http_options options)
{
    peer_step script[] = {step, {0}};
    return run_with(script, convex_http_query, NULL, options);
}

TEST(a_server_that_does_not_begin_to_answer_is_given_up)
{
    outcome *o = run_silenced((peer_step){.kind = PEER_SILENCE},
                              (convex_http_options){.answer_timeout_ms = 50});
    assert_int_equal(o->status, CONVEX_ETIMEOUT);
    assert_has(o->error.message, "answer_timeout_ms");
    outcome_free(o);
}

TEST(an_answer_that_stops_coming_is_given_up)
{
    outcome *o = run_silenced(
        (peer_step){.kind = PEER_PART, .body = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"},
        (convex_http_options){.stall_timeout_ms = 50});
    assert_int_equal(o->status, CONVEX_ETIMEOUT);
    assert_has(o->error.message, "stall_timeout_ms");
    outcome_free(o);
}

/* ---- one state of the database ---- */

TEST(queries_at_a_time_carry_it_as_the_server_gave_it)
{
    static const peer_step script[] = {
        {.kind = PEER_ANSWER, .status = 200, .body = "{\"ts\":\"CAcGBQQDAgE=\"}"},
        {.kind = PEER_ANSWER, .status = 200, .body = ok_body},
        {0}};
    convex_auth user = {.kind = CONVEX_AUTH_USER_TOKEN, .token = "a.b.c"};
    convex_result *result = NULL;
    uint64_t ts = 0;
    peer p;
    peer_start(&p, script);
    convex_http *http = connect_to(&p, "", &user, (convex_http_options){0});
    assert_int_equal(convex_http_query_ts(http, &ts, NULL), CONVEX_OK);
    assert_true(ts == UINT64_C(0x0102030405060708));
    assert_int_equal(convex_http_query_at(http, "a:b", NULL, ts, &result, NULL), CONVEX_OK);
    convex_result_unref(result);
    convex_http_free(http);
    peer_stop(&p);
    assert_has(p.requests[0], "POST /api/query_ts HTTP");
    assert_has(p.requests[0], "Content-Length: 0");
    assert_null(strstr(p.requests[0], "Authorization"));
    assert_has(p.requests[1], "POST /api/query_at_ts HTTP");
    assert_has(p.requests[1], "Authorization: Bearer a.b.c");
    assert_has(p.requests[1], "{\"path\":\"a:b\",\"format\":\"convex_encoded_json\",\"args\":[{}],"
                              "\"ts\":\"CAcGBQQDAgE=\"}");
    peer_done(&p);
}

TEST(an_answer_without_a_time_is_refused)
{
    static const char *const bodies[] = {
        "{}", "{\"ts\":1}", "{\"ts\":\"\"}", "{\"ts\":\"AAAA\"}", "{\"ts\":\"AAAAAAAAAAAA\"}", "[]",
        ""};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        peer_step script[] = {{.kind = PEER_ANSWER, .status = 200, .body = bodies[i]}, {0}};
        uint64_t ts = 5;
        peer p;
        peer_start(&p, script);
        convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
        assert_int_equal(convex_http_query_ts(http, &ts, NULL), CONVEX_EPROTOCOL);
        assert_true(ts == 5);
        convex_http_free(http);
        peer_stop(&p);
        peer_done(&p);
    }
}

static convex_status run_batch(const char *body, int status, convex_result *ret[2], peer *p,
                               convex_error *error)
{
    peer_step script[] = {{.kind = PEER_ANSWER, .status = status, .body = body}, {0}};
    convex_value *args = parse("{\"x\":1}");
    const convex_query_spec queries[] = {{"a:b", args}, {"c:d", NULL}};
    peer_start(p, script);
    convex_http *http = connect_to(p, "", NULL, (convex_http_options){0});
    convex_status got = convex_http_query_batch(http, queries, 2, ret, error);
    convex_http_free(http);
    convex_value_unref(args);
    peer_stop(p);
    return got;
}

TEST(a_batch_asks_several_queries_in_one_request)
{
    convex_result *results[2];
    peer p;
    convex_status status = run_batch("{\"results\":[{\"status\":\"error\",\"errorMessage\":\"no\","
                                     "\"errorData\":null},{\"status\":\"success\",\"value\":[1],"
                                     "\"logLines\":[\"[LOG] a\"]}]}",
                                     200, results, &p, NULL);
    assert_int_equal(status, CONVEX_OK);
    assert_has(p.requests[0], "POST /api/query_batch HTTP");
    assert_has(p.requests[0],
               "\r\n\r\n{\"queries\":[{\"path\":\"a:b\",\"format\":\"convex_encoded_json\","
               "\"args\":[{\"x\":1}]},{\"path\":\"c:d\",\"format\":\"convex_encoded_json\","
               "\"args\":[{}]}]}");
    assert_false(convex_result_success(results[0]));
    assert_int_equal(convex_value_type(convex_result_error_data(results[0])), CONVEX_NULL);
    assert_prints(convex_result_value(results[1]), "[1]");
    assert_string_equal(convex_result_log_at(results[1], 0, NULL), "[LOG] a");
    convex_result_unref(results[0]);
    convex_result_unref(results[1]);
    peer_done(&p);
}

TEST(a_batch_fails_as_a_whole)
{
    static const struct {
        const char *body;
        int http_status;
        convex_status status;
    } cases[] = {
        {"{\"results\":[{\"status\":\"success\",\"value\":1}]}", 200, CONVEX_EPROTOCOL},
        {"{\"results\":[{\"status\":\"success\",\"value\":1},{\"status\":\"succ\"}]}", 200,
         CONVEX_EPROTOCOL},
        {"{\"results\":{}}", 200, CONVEX_EPROTOCOL},
        {"", 200, CONVEX_EPROTOCOL},
        {"{\"code\":\"BadConvexFunctionIdentifier\",\"message\":\"x\"}", 400, CONVEX_ESERVER},
        {"{\"code\":\"Unauthenticated\",\"message\":\"x\"}", 401, CONVEX_EAUTH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        convex_result *results[2];
        convex_error error = {0};
        peer p;
        assert_int_equal(run_batch(cases[i].body, cases[i].http_status, results, &p, &error),
                         cases[i].status);
        assert_null(results[0]);
        assert_null(results[1]);
        assert_int_equal(error.http_status, cases[i].http_status);
        peer_done(&p);
    }
}

TEST(a_batch_with_a_bad_query_is_not_sent)
{
    peer p;
    peer_start(&p, always_ok);
    convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
    const convex_query_spec queries[] = {{"a:b", NULL}, {"", NULL}};
    convex_result *results[2];
    assert_int_equal(convex_http_query_batch(http, queries, 2, results, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_http_query_batch(http, NULL, 2, results, NULL), CONVEX_EINVAL);
    convex_http_free(http);
    peer_stop(&p);
    assert_int_equal(p.request_count, 0);
    peer_done(&p);
}

TEST(when_any_allocation_fails_a_batch_fails_cleanly)
{
    static const peer_step script[] = {
        {.kind = PEER_ANSWER,
         .status = 200,
         .body = "{\"results\":[{\"status\":\"success\",\"value\":1},"
                 "{\"status\":\"error\",\"errorMessage\":\"x\",\"errorData\":{}}]}"},
        {0}};
    peer p;
    peer_start(&p, script);
    for (long n = 0, done = 0; !done; n++) {
        failing_mem counter = {.left = n};
        const convex_query_spec queries[] = {{"a:b", NULL}, {"c:d", NULL}};
        convex_result *results[2] = {NULL, NULL};
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%u", p.port);
        convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
        options.url = url;
        options.network.proxy = "";
        options.mem = failing(&counter);
        convex_http *http = NULL;
        convex_status status = convex_http_new(&options, &http, NULL);
        if (status == CONVEX_OK)
            status = convex_http_query_batch(http, queries, 2, results, NULL);
        done = status == CONVEX_OK;
        assert_true(done || status == CONVEX_ENOMEM);
        convex_result_unref(results[0]);
        convex_result_unref(results[1]);
        convex_http_free(http);
        assert_int_equal(counter.live, 0);
    }
    peer_stop(&p);
    peer_done(&p);
}

/* ---- one engine for several threads ---- */

enum { CALLERS = 6, CALLS = 15 };

static void *call_one_after_another(void *arg)
{
    for (int i = 0; i < CALLS; i++) {
        convex_result *result = NULL;
        if (convex_http_mutation(arg, "a:b", NULL, &result, NULL) != CONVEX_OK)
            return arg;
        convex_result_unref(result);
    }
    return NULL;
}

TEST(threads_share_the_kept_connections)
{
    pthread_t threads[CALLERS];
    peer p;
    peer_start(&p, always_ok);
    convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_one_after_another, http), 0);
    for (int i = 0; i < CALLERS; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    convex_http_free(http);
    peer_stop(&p);
    assert_int_equal(p.request_count, CALLERS * CALLS);
    /* libcurl may open one while another is just coming free. */
    assert_in_range(p.connection_count, 1, 2 * CALLERS);
    peer_done(&p);
}

static void *call_in_vain(void *arg)
{
    convex_result *result = NULL;
    convex_status status = convex_http_query(arg, "a:b", NULL, &result, NULL);
    return status == CONVEX_ENETWORK ? NULL : arg;
}

TEST(a_call_that_waits_in_vain_does_not_hold_up_the_others)
{
    static const peer_step script[] = {
        {.kind = PEER_SILENCE}, {.kind = PEER_ANSWER, .status = 200, .body = ok_body}, {0}};
    pthread_t thread;
    peer p;
    void *wrong = NULL;
    peer_start(&p, script);
    convex_http *http = connect_to(&p, "", NULL, (convex_http_options){0});
    assert_int_equal(pthread_create(&thread, NULL, call_in_vain, http), 0);
    while (atomic_load(&p.seen) == 0)
        sched_yield();
    assert_null(call_one_after_another(http)); /* driven by the thread that waits */
    peer_stop(&p);                             /* which waits until this */
    pthread_join(thread, &wrong);
    assert_null(wrong);
    convex_http_free(http);
    assert_int_equal(p.request_count, 1 + CALLS);
    peer_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_lost_a_race_is_tried_again_as_often_as_asked),
        cmocka_unit_test(an_action_is_tried_again_only_when_it_never_began),
        cmocka_unit_test(other_refusals_and_lost_answers_are_never_tried_again),
        cmocka_unit_test(repetitions_end_with_the_time_of_the_call),
        cmocka_unit_test(a_function_of_a_component_is_called_as_admin),
        cmocka_unit_test(a_call_has_its_own_time),
        cmocka_unit_test(a_server_that_does_not_begin_to_answer_is_given_up),
        cmocka_unit_test(an_answer_that_stops_coming_is_given_up),
        cmocka_unit_test(queries_at_a_time_carry_it_as_the_server_gave_it),
        cmocka_unit_test(an_answer_without_a_time_is_refused),
        cmocka_unit_test(a_batch_asks_several_queries_in_one_request),
        cmocka_unit_test(a_batch_fails_as_a_whole),
        cmocka_unit_test(a_batch_with_a_bad_query_is_not_sent),
        cmocka_unit_test(when_any_allocation_fails_a_batch_fails_cleanly),
        cmocka_unit_test(threads_share_the_kept_connections),
        cmocka_unit_test(a_call_that_waits_in_vain_does_not_hold_up_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
