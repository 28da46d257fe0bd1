/* traps_test.c - what goes wrong with Convex's HTTP API, values and credentials when one does
 * not know it. Where another test has the case, it is named here. Those left out are for a server
 * or an app alone: the functions that get no /http in request.url (7), what the site port
 * shadows (8), claims that overwrite (11), variables that count as set when "false" (21).
 *
 *  3  http_test.c: a_function_that_threw_is_a_result_and_null_error_data_is_data
 *  4  http_test.c: a_mutation_is_not_sent_twice_even_after_a_kept_connection
 *  6  http_test.c: a_trailing_slash_and_a_path_prefix_are_joined_once
 *  9  http_file_test.c: a_refused_download_says_why
 * 10  http_file_test.c: a_part_is_asked_for_and_checked_by_its_length_alone
 * 12  identity_keys_test.c: two_keys_stand_in_one_jwks_under_their_own_names
 * 13  http_test.c: every_other_status_keeps_its_code_and_message
 * 22  identity_keys_test.c: the_auth_config_holds_the_jwks_as_data */
#include "tests/http_story.h"

#include "convex/client.h"

/* Trap 1: GET /api/query cannot parse its arguments. */
/* Trap 2: a format that the server does not know is refused after the function ran. */
TEST(every_call_is_a_post_in_the_one_lossless_format)
{
    static call_fn *const calls[] = {convex_http_query, convex_http_mutation, convex_http_action,
                                     convex_http_function};
    convex_auth admin = {.kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = "name|00ff"};
    for (int i = 0; i < 4; i++) {
        outcome *o = run_with(always_ok, calls[i], &admin, (convex_http_options){0});
        assert_int_equal(o->status, CONVEX_OK);
        assert_memory_equal(o->p.requests[0], "POST ", 5);
        assert_has(o->p.requests[0], "\"format\":\"convex_encoded_json\"");
        outcome_free(o);
    }
}

/* Trap 5: a name of an official client without a version counts as too old. */
TEST(a_client_name_needs_a_version)
{
    static const struct {
        const char *name;
        bool good;
    } cases[] = {{"mylib-c-0.1.0", true}, {"app-1.2.3", true},  {"app-10.20.30-rc.1", true},
                 {"rust-dev", false},     {"npm-", false},      {"python-1.2", false},
                 {"actions", false},      {"-1.2.3", false},    {"app 1-1.2.3", false},
                 {"app-1..3", false},     {"app-v1.2.3", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
        convex_options live = CONVEX_OPTIONS_INIT;
        convex_http *http = NULL;
        convex_client *client = NULL;
        options.url = live.url = "http://127.0.0.1:9";
        options.client_name = live.client_name = cases[i].name;
        convex_status expected = cases[i].good ? CONVEX_OK : CONVEX_EINVAL;
        assert_int_equal(convex_http_new(&options, &http, NULL), expected);
        assert_int_equal(convex_client_new(&live, &client, NULL), expected);
        convex_http_free(http);
        convex_client_unref(client);
    }
}

/* Trap 14: v.int64() refuses the number 1. */
TEST(an_int64_and_a_float64_of_one_value_are_two_values)
{
    convex_value *number = parse("1"), *integer = parse("{\"$integer\":\"AQAAAAAAAAA=\"}");
    int64_t i = 0;
    double d = 0;
    assert_false(convex_value_int64(number, &i));
    assert_false(convex_value_float64(integer, &d));
    assert_false(convex_value_equal(number, integer));
    assert_prints(integer, "{\"$integer\":\"AQAAAAAAAAA=\"}");
    convex_value_unref(number);
    convex_value_unref(integer);
}

/* Trap 15: -0 is read as a number, and must leave as $float. */
TEST(minus_zero_leaves_as_a_float_tag)
{
    static const char *const spellings[] = {"-0", "-0.0", "-0e0", "{\"$float\":\"AAAAAAAAAIA=\"}"};
    for (int i = 0; i < 4; i++) {
        convex_value *v = parse(spellings[i]);
        assert_prints(v, "{\"$float\":\"AAAAAAAAAIA=\"}");
        convex_value_unref(v);
    }
}

/* Trap 16: 5, 5.0 and 5e0 are one value. */
TEST(a_number_is_compared_by_value)
{
    convex_value *a = parse("{\"x\":[5]}"), *b = parse("{\"x\":[5.0]}"),
                 *c = parse("{\"x\":[5e0]}");
    assert_true(convex_value_equal(a, b) && convex_value_equal(b, c));
    assert_prints(c, "{\"x\":[5]}");
    convex_value_unref(a);
    convex_value_unref(b);
    convex_value_unref(c);
}

/* Trap 17: JavaScript puts 9 before 10, Convex goes by bytes. */
TEST(names_that_look_like_numbers_are_ordered_by_bytes)
{
    convex_value *v = parse("{\"a\":3,\"9\":2,\"10\":1}");
    assert_prints(v, "{\"10\":1,\"9\":2,\"a\":3}");
    convex_value_unref(v);
}

/* Trap 18: NUL in strings, and characters that JSON spells as two escapes. */
TEST(a_string_keeps_nul_and_surrogate_pairs)
{
    convex_value *v = parse("\"a\\u0000\\ud83d\\ude00\"");
    size_t len = 0;
    assert_memory_equal(convex_value_string(v, &len), "a\0\xf0\x9f\x98\x80", 7);
    assert_int_equal(len, 6);
    assert_prints(v, "\"a\\u0000\xf0\x9f\x98\x80\"");
    convex_value_unref(v);
}

/* Trap 19: the order of UTF-16 is not that of UTF-8. */
TEST(strings_are_ordered_by_their_utf8_bytes)
{
    convex_value *low = parse("\"\\uffff\""), *high = parse("\"\\ud83d\\ude00\"");
    assert_true(convex_value_compare(low, high) < 0);
    convex_value_unref(low);
    convex_value_unref(high);
}

static convex_status signed_out(void *user, int force, char **ret, convex_error *reterr)
{
    *ret = NULL;
    return CONVEX_OK;
}

/* Trap 20: an expired token fails public queries too; whoever has none must send no header. */
TEST(without_a_token_no_authorization_is_sent)
{
    const convex_auth none[] = {{.kind = CONVEX_AUTH_NONE},
                                {.kind = CONVEX_AUTH_FETCH, .fetch = signed_out}};
    for (int i = 0; i < 2; i++) {
        outcome *o = run_with(always_ok, convex_http_query, &none[i], (convex_http_options){0});
        assert_int_equal(o->status, CONVEX_OK);
        assert_null(strcasestr(o->p.requests[0], "Authorization"));
        outcome_free(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_a_post_in_the_one_lossless_format),
        cmocka_unit_test(a_client_name_needs_a_version),
        cmocka_unit_test(an_int64_and_a_float64_of_one_value_are_two_values),
        cmocka_unit_test(minus_zero_leaves_as_a_float_tag),
        cmocka_unit_test(a_number_is_compared_by_value),
        cmocka_unit_test(names_that_look_like_numbers_are_ordered_by_bytes),
        cmocka_unit_test(a_string_keeps_nul_and_surrogate_pairs),
        cmocka_unit_test(strings_are_ordered_by_their_utf8_bytes),
        cmocka_unit_test(without_a_token_no_authorization_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
