/* answer_test.c - what an HTTP answer says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "answer.h"
#include "json.h"

static dbk_facts f;
static discord_error error;

static void header(const char *line)
{
    danswer_header(&f, line, strlen(line));
}

static void body(int status, const char *text)
{
    cJSON *json = djson_parse(text, strlen(text));

    f.status = status;
    danswer_body(&f, json, strlen(text));
    danswer_error(&f, json, &error);
    cJSON_Delete(json);
}

static int setup(void **state)
{
    danswer_init(&f);
    return 0;
}

static void headers_are_read_in_any_case(void **state)
{
    header("HTTP/1.1 200 OK\r\n");
    header("x-ratelimit-bucket: abcd1234\r\n");
    header("X-RateLimit-Remaining:  4 \r\n");
    header("X-RATELIMIT-LIMIT: 5\r\n");
    header("X-RateLimit-Reset-After: 0.3011\r\n");
    assert_string_equal(f.bucket, "abcd1234");
    assert_int_equal(f.remaining, 4);
    assert_int_equal(f.limit, 5);
    assert_int_equal(f.reset_after_ms, 302);
}

static void a_429_waits_for_the_greater_of_header_and_body(void **state)
{
    header("Retry-After: 1");
    header("X-RateLimit-Scope: user");
    body(429,
         "{\"message\":\"You are being rate limited.\",\"retry_after\":1.337,\"global\":false}");
    assert_int_equal(f.retry_after_ms, 1337);
    assert_int_equal(error.status, DISCORD_ERATELIMIT);
    assert_int_equal(error.retry_after_ms, 1337);
    assert_false(f.global);
    assert_false(f.html);
}

static void a_429_without_headers_uses_the_body(void **state)
{
    body(429, "{\"message\":\"slow\",\"retry_after\":0.5,\"global\":true}");
    assert_int_equal(f.retry_after_ms, 500);
    assert_true(f.global);
}

static void a_float_retry_after_is_not_cut(void **state)
{
    header("Retry-After: 2.001");
    assert_int_equal(f.retry_after_ms, 2001);
}

static void an_html_429_says_nothing(void **state)
{
    body(429, "<html>error 1015</html>");
    assert_true(f.html);
    assert_int_equal(f.retry_after_ms, -1);
    assert_int_equal(error.status, DISCORD_ERATELIMIT);
}

static void a_shared_scope_is_known(void **state)
{
    header("X-RateLimit-Scope: shared");
    assert_true(f.shared);
    header("X-RateLimit-Scope: global");
    assert_true(f.global);
}

static void errors_carry_the_code_and_where_the_request_is_wrong(void **state)
{
    body(400, "{\"code\":50035,\"message\":\"Invalid Form Body\",\"errors\":{\"embeds\":{\"0\":"
              "{\"title\":{\"_errors\":[{\"code\":\"X\",\"message\":\"too long\"}]}}}}}");
    assert_int_equal(error.status, DISCORD_EREJECTED);
    assert_int_equal(error.code, 50035);
    assert_string_equal(error.message, "HTTP 400: Invalid Form Body at embeds.0.title: too long");
}

static void every_http_status_has_one_meaning(void **state)
{
    static const struct {
        int http;
        discord_status status;
    } table[] = {
        {200, DISCORD_OK},         {201, DISCORD_OK},         {204, DISCORD_OK},
        {301, DISCORD_ESERVER},    {400, DISCORD_EREJECTED},  {401, DISCORD_EAUTH},
        {403, DISCORD_EFORBIDDEN}, {404, DISCORD_ENOTFOUND},  {405, DISCORD_EREJECTED},
        {413, DISCORD_EREJECTED},  {429, DISCORD_ERATELIMIT}, {500, DISCORD_ESERVER},
        {502, DISCORD_ESERVER},    {0, DISCORD_ESERVER},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        body(table[i].http, "");
        assert_int_equal(error.status, table[i].status);
        assert_int_equal(error.http_status, table[i].http);
    }
}

static void a_page_instead_of_json_is_no_success(void **state)
{
    body(200, "<html>captive portal</html>");
    assert_int_equal(error.status, DISCORD_ESERVER);
}

static void absurd_numbers_do_no_harm(void **state)
{
    header("Retry-After: 99999999999999999999999999999999999");
    header("X-RateLimit-Remaining: -1");
    header("X-RateLimit-Reset-After: nan");
    assert_true(f.retry_after_ms > 0);
    assert_int_equal(f.remaining, -1);
    assert_int_equal(f.reset_after_ms, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(headers_are_read_in_any_case, setup),
        cmocka_unit_test_setup(a_429_waits_for_the_greater_of_header_and_body, setup),
        cmocka_unit_test_setup(a_429_without_headers_uses_the_body, setup),
        cmocka_unit_test_setup(a_float_retry_after_is_not_cut, setup),
        cmocka_unit_test_setup(an_html_429_says_nothing, setup),
        cmocka_unit_test_setup(a_shared_scope_is_known, setup),
        cmocka_unit_test_setup(errors_carry_the_code_and_where_the_request_is_wrong, setup),
        cmocka_unit_test_setup(every_http_status_has_one_meaning, setup),
        cmocka_unit_test_setup(a_page_instead_of_json_is_no_success, setup),
        cmocka_unit_test_setup(absurd_numbers_do_no_harm, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
