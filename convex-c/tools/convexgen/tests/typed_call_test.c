/* typed_call_test.c - typed calls over real sockets, against scripted servers. */
#include "tests/client_story.h"
#include "tests/http_peer.h"

#include "kinds.h"

/* What the typed callbacks saw; the story counts and drives. */
typedef struct seen {
    story s;
    double number;
    char text[64];
    convex_status status;
    char message[256], data[64];
    bool answered; /* the failure came with the server's result */
} seen;

static void note_failure(seen *a, const convex_failure *failure)
{
    a->status = failure != NULL ? failure->status : CONVEX_OK;
    a->message[0] = a->data[0] = '\0';
    if (failure == NULL)
        return;
    snprintf(a->message, sizeof a->message, "%s", failure->message);
    const char *data = convex_value_string(failure->data, NULL);
    snprintf(a->data, sizeof a->data, "%s", data != NULL ? data : "");
    a->answered = failure->result != NULL;
}

static void on_number(const kinds_q_a_result *value, const convex_failure *failure, void *user)
{
    seen *a = user;
    assert_true((value == NULL) != (failure == NULL));
    a->number = value != NULL ? *value : -1;
    note_failure(a, failure);
    a->s.results++;
}

static void on_text(const kinds_m_x_result *value, const convex_failure *failure, void *user)
{
    seen *a = user;
    assert_true((value == NULL) != (failure == NULL));
    snprintf(a->text, sizeof a->text, "%s", value != NULL ? value->data : "");
    note_failure(a, failure);
    a->s.dones++;
}

static void on_any(const convex_value *value, const convex_failure *failure, void *user)
{
    seen *a = user;
    convex_value_float64(value, &a->number);
    note_failure(a, failure);
    a->s.dones++;
}

static void end_of(convex_status why, void *user)
{
    seen *a = user;
    a->s.ends++;
    a->s.end_why = why;
}

#define FAILED(id, text, data)                                                                     \
    "{\"type\":\"QueryFailed\",\"queryId\":" #id ",\"errorMessage\":\"" text                       \
    "\",\"errorData\":" data ",\"logLines\":[],\"journal\":null}"

static void script_results(server *s)
{
    if (!server_open(s) || !server_expect(s, "\"type\":\"Connect\"") ||
        !server_expect(s, "\"udfPath\":\"q:a\",\"args\":[{}]"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "2.5"));
    if (!server_expect(s, "\"udfPath\":\"m:x\",\"args\":[{\"text\":\"hello\"}]"))
        return;
    server_respond(s, 0, 20);
    server_transition(s, 1, 0, 20, FAILED(0, "no", "\"why\""));
    if (!server_expect(s, "\"udfPath\":\"m:x\",\"args\":[{\"text\":\"again\"}]"))
        return;
    server_respond(s, 1, 30);
    server_transition(s, 1, 0, 30, SERVER_UPDATED(0, "\"text\""));
    server_receive(s);
}

TEST(a_live_query_and_a_mutation_speak_the_types_of_their_validators)
{
    server *remote = server_start(script_results, 0);
    seen a = {.number = 0};
    begin(&a.s, remote->url);
    assert_int_equal(kinds_q_a_subscribe(a.s.client, on_number, end_of, &a, &a.s.sub, NULL),
                     CONVEX_OK);
    run_until(&a.s, &a.s.results, 1);
    assert_true(a.number == 2.5);

    kinds_m_x_args args = {.text = convex_str_of("hello")};
    assert_int_equal(kinds_m_x_mutation(a.s.client, &args, NULL, on_text, &a, NULL, NULL),
                     CONVEX_OK);
    run_until(&a.s, &a.s.dones, 1);
    assert_string_equal(a.text, "done");
    assert_int_equal(a.s.results, 2); /* the query threw meanwhile */
    assert_true(a.number == -1);

    args.text = convex_str_of("again");
    assert_int_equal(kinds_m_x_mutation(a.s.client, &args, NULL, NULL, NULL, NULL, NULL),
                     CONVEX_OK);
    run_until(&a.s, &a.s.results, 3);
    assert_int_equal(a.status, CONVEX_EPROTOCOL);
    assert_string_equal(a.message, "q:a: unexpected result: expected a float64, got string");
    assert_true(a.answered);
    finish(&a.s);
    assert_int_equal(a.s.ends, 1);
    assert_int_equal(a.s.end_why, CONVEX_ECANCELED);
    server_join(remote);
}

static void script_throws(server *s)
{
    if (!server_open(s) || !server_expect(s, "\"type\":\"Connect\"") ||
        !server_expect(s, "\"udfPath\":\"q:a\""))
        return;
    server_transition(s, 1, 0, 10, FAILED(0, "no", "\"why\""));
    server_receive(s);
}

TEST(a_function_that_threw_is_a_failure_with_its_words)
{
    server *remote = server_start(script_throws, 0);
    seen a = {.number = 0};
    begin(&a.s, remote->url);
    assert_int_equal(kinds_q_a_subscribe(a.s.client, on_number, NULL, &a, &a.s.sub, NULL),
                     CONVEX_OK);
    run_until(&a.s, &a.s.results, 1);
    assert_int_equal(a.status, CONVEX_ESERVER);
    assert_string_equal(a.message, "no");
    assert_string_equal(a.data, "why");
    assert_true(a.answered);
    finish(&a.s);
    server_join(remote);
}

static void on_nested(const kinds_kinds_nested_result *value, const convex_failure *failure,
                      void *user)
{
    seen *a = user;
    a->number = value != NULL ? (double)value->points.count : -1;
    note_failure(a, failure);
    a->s.results++;
}

#define POINT(x) "\"udfPath\":\"kinds:nested\",\"args\":[{\"points\":[{\"x\":" #x ",\"y\":0}]}]"

static void script_changed(server *s)
{
    if (!server_open(s) || !server_expect(s, "\"type\":\"Connect\"") || !server_expect(s, POINT(1)))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "{\"name\":\"n\",\"points\":[]}"));
    if (!server_expect(s, POINT(2)))
        return;
    server_transition(s, 2, 0, 20, SERVER_UPDATED(1, "null"));
    server_receive(s);
}

TEST(the_arguments_of_a_live_query_change_and_one_is_asked_once)
{
    server *remote = server_start(script_changed, 0);
    seen a = {.number = 0};
    kinds_point point = {.x = 1};
    kinds_kinds_nested_args args = {.points = {&point, 1}};
    begin(&a.s, remote->url);
    assert_int_equal(
        kinds_kinds_nested_subscribe(a.s.client, &args, on_nested, NULL, &a, &a.s.sub, NULL),
        CONVEX_OK);
    run_until(&a.s, &a.s.results, 1);
    assert_true(a.number == 0 && a.status == CONVEX_OK);
    point.x = 2;
    assert_int_equal(kinds_kinds_nested_set_args(a.s.sub, &args, NULL), CONVEX_OK);
    run_until(&a.s, &a.s.results, 2);
    assert_true(a.number == -1 && a.status == CONVEX_OK); /* null, and no failure */
    assert_int_equal(kinds_kinds_nested_query(a.s.client, &args, NULL, on_nested, &a, NULL, NULL),
                     CONVEX_OK);
    run_until(&a.s, &a.s.results, 3); /* out of what the live query has */
    args.points.items = NULL;
    assert_int_equal(kinds_kinds_nested_set_args(a.s.sub, &args, NULL), CONVEX_EINVAL);
    assert_int_equal(kinds_kinds_nested_set_args(NULL, &args, NULL), CONVEX_EINVAL);
    finish(&a.s);
    server_join(remote);
}

static void on_items(const kinds_paged_items_pages *pages, const convex_failure *failure,
                     void *user)
{
    seen *a = user;
    note_failure(a, failure);
    a->number = pages != NULL ? (double)pages->items.count : -1;
    a->text[0] = '\0';
    for (size_t i = 0; pages != NULL && i < pages->items.count; i++)
        strcat(a->text, pages->items.items[i].title.data);
    a->s.results++;
}

#define PAGE(items)                                                                                \
    "{\"page\":[" items "],\"isDone\":true,\"continueCursor\":\"c\",\"splitCursor\":null,"         \
    "\"pageStatus\":null}"

static void script_pages(server *s)
{
    if (!server_open(s) || !server_expect(s, "\"type\":\"Connect\"") ||
        !server_expect(s, "\"udfPath\":\"paged:items\""))
        return;
    if (!strstr(s->frame, "\"cursor\":null") || !strstr(s->frame, "\"numItems\":3") ||
        !strstr(s->frame, "\"room\":\"r\""))
        server_wrong(s, "asked for %s", s->frame);
    server_transition(s, 1, 0, 10,
                      SERVER_UPDATED(0, PAGE("{\"_id\":\"1\",\"title\":\"a\"},"
                                             "{\"_id\":\"2\",\"title\":\"b\"}")));
    if (!server_expect(s, "m:x"))
        return;
    server_transition(s, 1, 0, 20, SERVER_UPDATED(0, PAGE("{\"_id\":\"1\"}")));
    if (!server_expect(s, "m:x"))
        return;
    server_transition(s, 1, 0, 30, FAILED(0, "no", "\"why\""));
    server_receive(s);
}

/* The next step of the script. */
static void go_on(seen *a)
{
    kinds_m_x_args args = {.text = convex_str_of("on")};
    assert_int_equal(kinds_m_x_mutation(a->s.client, &args, NULL, NULL, NULL, NULL, NULL),
                     CONVEX_OK);
}

TEST(a_paginated_list_has_typed_items)
{
    server *remote = server_start(script_pages, 0);
    seen a = {.number = 0};
    convex_pages *pages = NULL;
    kinds_paged_items_args args = {.room = kinds_rooms_id_of("r")};
    begin(&a.s, remote->url);
    assert_int_equal(
        kinds_paged_items_paginate(a.s.client, NULL, 3, on_items, NULL, &a, &pages, NULL),
        CONVEX_EINVAL);
    assert_int_equal(
        kinds_paged_items_paginate(a.s.client, &args, 3, on_items, end_of, &a, &pages, NULL),
        CONVEX_OK);
    run_until(&a.s, &a.s.results, 1);
    assert_true(a.number == 2 && a.status == CONVEX_OK);
    assert_string_equal(a.text, "ab");
    go_on(&a);
    run_until(&a.s, &a.s.results, 2);
    assert_int_equal(a.status, CONVEX_EPROTOCOL);
    assert_string_equal(a.message, "paged:items: unexpected result: [0].title: missing");
    assert_true(a.number == -1);
    go_on(&a);
    run_until(&a.s, &a.s.results, 3);
    assert_int_equal(a.status, CONVEX_ESERVER);
    assert_string_equal(a.data, "why");
    assert_true(a.number == 0); /* nothing before the page that failed */
    convex_pages_unref(pages);
    finish(&a.s);
    assert_int_equal(a.s.ends, 1);
    server_join(remote);
}

TEST(what_was_never_sent_fails_without_an_answer)
{
    seen a = {.number = 0};
    convex_error error = {0};
    begin(&a.s, "http://127.0.0.1:1");
    kinds_m_x_args args = {.text = {NULL, 0}};
    assert_int_equal(kinds_m_x_mutation(a.s.client, &args, NULL, on_text, &a, NULL, &error),
                     CONVEX_EINVAL);
    assert_string_equal(error.message, "m:x: args.text: not set");
    assert_int_equal(kinds_m_x_mutation(a.s.client, NULL, NULL, on_text, &a, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(kinds_m_x_mutation(NULL, &args, NULL, on_text, &a, NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(kinds_q_a_subscribe(a.s.client, NULL, NULL, &a, NULL, NULL), CONVEX_EINVAL);

    args.text = convex_str_of("x");
    assert_int_equal(kinds_m_x_mutation(a.s.client, &args, NULL, on_text, &a, NULL, NULL),
                     CONVEX_OK);
    assert_int_equal(
        kinds_dir_deep_er_mod_do_it_action(a.s.client, NULL, NULL, on_any, &a, NULL, NULL),
        CONVEX_OK);
    convex_client_join(a.s.client);
    assert_int_equal(a.s.dones, 2);
    assert_int_equal(a.status, CONVEX_ECLOSED);
    assert_string_equal(a.message, convex_status_text(CONVEX_ECLOSED));
    assert_false(a.answered);
    assert_int_equal(kinds_m_x_mutation(a.s.client, &args, NULL, on_text, &a, NULL, NULL),
                     CONVEX_ECLOSED);
    finish(&a.s);
}

TEST(every_allocation_of_a_typed_call_may_fail)
{
    for (long n = 0, passed = 0; passed == 0; n++) {
        failing_mem counted = {.left = -1};
        seen a = {.number = 0};
        story_init(&a.s);
        convex_options options = options_for(&a.s, "http://127.0.0.1:1");
        options.mem = failing(&counted);
        begin_with(&a.s, &options);
        counted.left = n;
        kinds_m_x_args args = {.text = convex_str_of("x")};
        convex_status made = kinds_m_x_mutation(a.s.client, &args, NULL, on_text, &a, NULL, NULL);
        convex_status live = kinds_q_a_subscribe(a.s.client, on_number, end_of, &a, &a.s.sub, NULL);
        assert_true(made == CONVEX_OK || made == CONVEX_ENOMEM);
        assert_true(live == CONVEX_OK || live == CONVEX_ENOMEM);
        passed = made == CONVEX_OK && live == CONVEX_OK;
        counted.left = -1;
        finish(&a.s);
        assert_int_equal(a.s.dones, made == CONVEX_OK);
        assert_int_equal(a.s.ends, live == CONVEX_OK);
        assert_int_equal(counted.live, 0);
    }
}

/* ---- optimistic updates ---- */

/* The list as it is, with a point more. */
static void add_point(convex_local_store *store, const convex_value *args, void *user)
{
    const kinds_m_x_args *sent = NULL;
    const kinds_kinds_nested_result *shown = NULL;
    kinds_point points[2] = {{0}, {.x = 7}};
    kinds_kinds_nested_args of = {.points = {points, 0}};
    assert_int_equal(kinds_m_x_args_decode(args, NULL, &sent, NULL), CONVEX_OK);
    assert_true(kinds_kinds_nested_local_get(store, &of, &shown));
    points[0] = shown->points.items[0];
    kinds_kinds_nested_result next = {.name = sent->text, .points = {points, 2}};
    assert_int_equal(kinds_kinds_nested_local_set(store, &of, &next), CONVEX_OK);
    of.points.count = 1; /* a query that nobody subscribes to */
    const kinds_kinds_nested_result *none = NULL;
    assert_false(kinds_kinds_nested_local_get(store, &of, &none));
    assert_int_equal(kinds_kinds_nested_local_set(store, &of, NULL), CONVEX_OK); /* null */
    assert_true(kinds_kinds_nested_local_get(store, &of, &none));
    assert_null(none);
    kinds_kinds_nested_result_unref(shown);
    kinds_m_x_args_unref(sent);
}

static void script_hope(server *s)
{
    if (!server_open(s) || !server_expect(s, "\"type\":\"Connect\"") ||
        !server_expect(s, "\"udfPath\":\"kinds:nested\""))
        return;
    server_transition(s, 1, 0, 10,
                      SERVER_UPDATED(0, "{\"name\":\"n\",\"points\":[{\"x\":1,\"y\":2}]}"));
    server_expect(s, "\"type\":\"Mutation\"");
    server_receive(s);
}

TEST(an_optimistic_update_sees_and_shows_structs)
{
    server *remote = server_start(script_hope, 0);
    seen a = {.number = 0};
    kinds_kinds_nested_args args = {.points = {NULL, 0}};
    kinds_m_x_args sent = {.text = convex_str_of("t")};
    convex_optimistic how = {add_point, &a, NULL};
    convex_call_options options = {.optimistic = &how};
    begin(&a.s, remote->url);
    assert_int_equal(
        kinds_kinds_nested_subscribe(a.s.client, &args, on_nested, NULL, &a, &a.s.sub, NULL),
        CONVEX_OK);
    run_until(&a.s, &a.s.results, 1);
    assert_true(a.number == 1);
    assert_int_equal(kinds_m_x_mutation(a.s.client, &sent, &options, on_text, &a, NULL, NULL),
                     CONVEX_OK);
    run_until(&a.s, &a.s.results, 2);
    assert_true(a.number == 2 && a.status == CONVEX_OK);
    assert_int_equal(kinds_kinds_nested_local_set(NULL, &args, NULL), CONVEX_EINVAL);
    finish(&a.s);
    assert_int_equal(a.s.dones, 1);
    server_join(remote);
}

/* ---- HTTP ---- */

#define OK(value) "{\"status\":\"success\",\"value\":" value ",\"logLines\":[\"[LOG] hi\"]}"
#define THREW     "{\"status\":\"error\",\"errorMessage\":\"no\",\"errorData\":\"why\",\"logLines\":[]}"

static convex_http *http_to(peer *p, const peer_step *script)
{
    char url[64];
    convex_http *http = NULL;
    convex_auth auth = {.kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = "app|key"};
    peer_start(p, script);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", p->port);
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
    options.url = url;
    options.auth = &auth;
    options.network.proxy = "";
    assert_int_equal(convex_http_new(&options, &http, NULL), CONVEX_OK);
    return http;
}

TEST(calls_over_http_give_structs_that_outlive_them)
{
    static const peer_step script[] = {
        {.kind = PEER_ANSWER, 200, OK("{\"name\":\"n\",\"points\":[{\"x\":1,\"y\":2}]}")},
        {.kind = PEER_ANSWER, 200, OK("null")},
        {.kind = PEER_ANSWER, 200, OK("\"text\"")},
        {.kind = PEER_ANSWER, 200, OK("[7]")},
        {.kind = PEER_ANSWER, 200, OK("\"an id\"")},
        {0}};
    peer p;
    convex_http *http = http_to(&p, script);
    kinds_point point = {.x = 1, .y = 2};
    kinds_kinds_nested_args args = {.points = {&point, 1}};
    const kinds_kinds_nested_result *nested = NULL;
    convex_result *result = NULL;
    assert_int_equal(kinds_kinds_nested_http(http, &args, NULL, &nested, &result, NULL), CONVEX_OK);
    assert_int_equal(convex_result_log_count(result), 1);
    convex_result_unref(result);
    assert_true(convex_str_equal(nested->name, "n"));
    assert_true(nested->points.count == 1 && nested->points.items[0].y == 2);
    kinds_kinds_nested_result_unref(nested);
    assert_int_equal(kinds_kinds_nested_http(http, &args, NULL, &nested, NULL, NULL), CONVEX_OK);
    assert_null(nested);

    const kinds_m_x_result *text = NULL;
    kinds_m_x_args of = {.text = convex_str_of("t")};
    assert_int_equal(kinds_m_x_http(http, &of, NULL, &text, NULL, NULL), CONVEX_OK);
    assert_string_equal(text->data, "text");
    kinds_m_x_result_unref(text);

    convex_value *any = NULL, *given = parse("{\"a\":1}");
    assert_int_equal(kinds_dir_deep_er_mod_do_it_http(http, given, NULL, &any, NULL, NULL),
                     CONVEX_OK);
    assert_prints(any, "[7]");
    convex_value_unref(any);
    convex_value_unref(given);

    kinds_m_hidden_args none = {.text = {NULL, 0}};
    const kinds_m_hidden_result *id = NULL;
    assert_int_equal(kinds_m_hidden_http(http, &none, NULL, &id, NULL, NULL), CONVEX_OK);
    assert_string_equal(id->data, "an id");
    kinds_m_hidden_result_unref(id);
    convex_http_free(http);
    peer_stop(&p);
    static const char *const asked[] = {"/api/query", "/api/query", "/api/mutation", "/api/action",
                                        "/api/function"};
    for (size_t i = 0; i < 5; i++)
        assert_non_null(strstr(p.requests[i], asked[i]));
    assert_non_null(strstr(p.requests[0], "\"points\":[{\"x\":1,\"y\":2}]"));
    assert_non_null(strstr(p.requests[3], "{\"a\":1}"));
    peer_done(&p);
}

TEST(failures_over_http_keep_the_servers_answer)
{
    static const peer_step script[] = {
        {.kind = PEER_ANSWER, 560, THREW}, {.kind = PEER_ANSWER, 200, OK("7")}, {0}};
    peer p;
    convex_http *http = http_to(&p, script);
    kinds_m_x_args args = {.text = convex_str_of("t")};
    const kinds_m_x_result *text = NULL;
    convex_result *result = NULL;
    convex_error error = {0};
    assert_int_equal(kinds_m_x_http(http, &args, NULL, &text, &result, &error), CONVEX_ESERVER);
    assert_string_equal(error.message, "no");
    assert_string_equal(convex_value_string(convex_result_error_data(result), NULL), "why");
    convex_result_unref(result);
    assert_int_equal(kinds_m_x_http(http, &args, NULL, &text, &result, &error), CONVEX_EPROTOCOL);
    assert_string_equal(error.message, "m:x: unexpected result: expected a string, got float64");
    convex_result_unref(result);
    assert_null(text);
    assert_int_equal(kinds_m_x_http(NULL, &args, NULL, &text, NULL, NULL), CONVEX_EINVAL);
    convex_http_free(http);
    peer_stop(&p);
    peer_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_live_query_and_a_mutation_speak_the_types_of_their_validators),
        cmocka_unit_test(a_function_that_threw_is_a_failure_with_its_words),
        cmocka_unit_test(the_arguments_of_a_live_query_change_and_one_is_asked_once),
        cmocka_unit_test(a_paginated_list_has_typed_items),
        cmocka_unit_test(what_was_never_sent_fails_without_an_answer),
        cmocka_unit_test(every_allocation_of_a_typed_call_may_fail),
        cmocka_unit_test(an_optimistic_update_sees_and_shows_structs),
        cmocka_unit_test(calls_over_http_give_structs_that_outlive_them),
        cmocka_unit_test(failures_over_http_keep_the_servers_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
