/* json_test.c - cJSON's traps, ids, addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "json.h"
#include "url.h"
#include "utf8.h"

static void check_text(const char *json, const char *expected)
{
    cJSON *parsed = djson_parse(json, strlen(json));

    assert_non_null(parsed);
    assert_string_equal(cJSON_GetStringValue(parsed), expected);
    cJSON_Delete(parsed);
}

static void an_escaped_nul_does_not_cut_the_text(void **state)
{
    check_text("\"a\\u0000b\"", "a\xEF\xBF\xBD"
                                "b");
    check_text("\"a\\\\u0000b\"", "a\\u0000b");
}

static void a_lone_surrogate_becomes_a_replacement_and_a_pair_stays(void **state)
{
    check_text("\"\\ud83d\"", "\xEF\xBF\xBD");
    check_text("\"\\udc00x\"", "\xEF\xBF\xBDx");
    check_text("\"\\ud83d\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80");
    check_text("\"\\uD83D\\uDE00\"", "\xF0\x9F\x98\x80");
}

static void what_follows_the_value_is_refused(void **state)
{
    assert_null(djson_parse("{} x", 4));
    assert_null(djson_parse("", 0));
    assert_null(djson_parse("{}\0{}", 5));
    cJSON *json = djson_parse("{} \n", 4);
    assert_non_null(json);
    cJSON_Delete(json);
}

static void numbers_beyond_32_bits_keep_their_digits(void **state)
{
    cJSON *object = cJSON_CreateObject();
    uint64_t value;

    assert_true(djson_add_u64(object, "n", 9007199254740991u));
    char *text = cJSON_PrintUnformatted(object);
    assert_string_equal(text, "{\"n\":9007199254740991}");
    cJSON *back = djson_parse(text, strlen(text));
    assert_true(djson_u64(back, "n", &value));
    assert_int_equal(value, 9007199254740991u);
    cJSON_free(text);
    cJSON_Delete(back);
    cJSON_Delete(object);
}

static void malformed_utf8_is_mended_on_the_way_out(void **state)
{
    size_t size;
    char *clean = dutf8_clean("a\xC3(\xED\xA0\x80\xF0\x9F", 8, &size);

    assert_string_equal(clean, "a\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                               "\xEF\xBF\xBD\xEF\xBF\xBD");
    free(clean);
}

static void a_snowflake_tells_its_time(void **state)
{
    assert_int_equal(discord_id_time_ms("175928847299117063"), 1462015105796);
    assert_int_equal(discord_id_time_ms(""), -1);
    assert_int_equal(discord_id_time_ms("12a"), -1);
    assert_int_equal(discord_id_time_ms("99999999999999999999"), -1);
    assert_int_equal(discord_id_time_ms(NULL), -1);
}

static void an_address_has_its_parts_or_is_refused(void **state)
{
    durl url;

    assert_true(durl_parse("wss://gateway.discord.gg/?v=10", &url));
    assert_true(url.tls);
    assert_int_equal(url.port, 443);
    assert_string_equal(url.host, "gateway.discord.gg");
    assert_string_equal(url.path, "/?v=10");
    assert_true(durl_parse("ws://[::1]:3900?v=10", &url));
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 3900);
    assert_string_equal(url.path, "/?v=10");
    assert_true(durl_parse("ws://h", &url));
    assert_string_equal(url.path, "/");
    static const char *const bad[] = {
        "",           "http://h",  "ws://",       "ws://h:0",  "ws://h:99999", "ws://u@h",
        "ws://h/a b", "ws://[::1", "ws://[::1]x", "ws://h:8x", "ws://h\r\nX:"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(durl_parse(bad[i], &url));
}

static void a_cut_message_stays_one_line_of_utf8(void **state)
{
    char text[] = "a\nb\x7F\xC3\xA9\xC3";

    dutf8_trim(text);
    assert_string_equal(text, "a b?\xC3\xA9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_escaped_nul_does_not_cut_the_text),
        cmocka_unit_test(a_lone_surrogate_becomes_a_replacement_and_a_pair_stays),
        cmocka_unit_test(what_follows_the_value_is_refused),
        cmocka_unit_test(numbers_beyond_32_bits_keep_their_digits),
        cmocka_unit_test(malformed_utf8_is_mended_on_the_way_out),
        cmocka_unit_test(a_snowflake_tells_its_time),
        cmocka_unit_test(an_address_has_its_parts_or_is_refused),
        cmocka_unit_test(a_cut_message_stays_one_line_of_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
