/* json_test.c - what the strict reader takes, and what it refuses. */
#include "harness.h"

#include <errno.h>

#include "json.h"

static json_document parsed(const char *text)
{
    json_document d;
    json_error error = {0, ""};

    if (json_parse(text, strlen(text), &d, &error) != 0)
        fail_msg("%s: %s at %zu", text, error.reason, error.offset);
    return d;
}

static void assert_refused(const char *text, size_t size, const char *reason)
{
    json_document d = {0};
    json_error error = {0, NULL};
    char *copy = malloc(size ? size : 1); /* exactly as large, so that reading past it shows */

    assert_non_null(copy);
    memcpy(copy, text, size);
    assert_int_equal(json_parse(copy, size, &d, &error), -EINVAL);
    assert_string_equal(error.reason, reason);
    assert_null(d.nodes);
    free(copy);
}

static void assert_string(const char *text, const char *expected, size_t size)
{
    json_document d = parsed(text);

    assert_int_equal(json_root(&d)->type, JSON_STRING);
    assert_int_equal(json_root(&d)->size, size);
    assert_memory_equal(json_root(&d)->text, expected, size);
    json_done(&d);
}

TEST(numbers_keep_their_text)
{
    json_document d = parsed(" {\"a\":12345678901234567890, \"b\":[1.0,-0,1e400]} ");
    const json_node *b = json_member(&d, json_root(&d), "b"), *item = json_first(&d, b);

    assert_int_equal(json_member(&d, json_root(&d), "a")->size, 20);
    assert_memory_equal(item->text, "1.0", 3);
    item = json_next(&d, item);
    assert_memory_equal(item->text, "-0", 2);
    item = json_next(&d, item);
    assert_memory_equal(item->text, "1e400", 5);
    assert_null(json_next(&d, item));
    assert_int_equal(b->count, 3);
    json_done(&d);
}

TEST(strings_are_decoded)
{
    assert_string("\"\"", "", 0);
    assert_string("\"a\\n\\u00e9\\/\\\"\"", "a\n\xc3\xa9/\"", 6);
    assert_string("\"\\ud83d\\ude80\\u0000x\"", "\xf0\x9f\x9a\x80\0x", 6);
    assert_string("\"\\ud83dx\\ude80\"", "\xef\xbf\xbdx\xef\xbf\xbd", 7);
}

TEST(names_are_compared_decoded_and_exactly)
{
    json_document d = parsed("{\"\\u0061b\":1,\"aB\":2}");

    assert_non_null(json_member(&d, json_root(&d), "ab"));
    assert_null(json_member(&d, json_root(&d), "AB"));
    assert_null(json_member(&d, NULL, "ab"));
    json_done(&d);
}

TEST(what_rfc_8259_refuses_is_refused)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {{"", "the text ends too early"},
                 {"01", "a bad number"},
                 {"1.", "a bad number"},
                 {"1e", "a bad number"},
                 {"+1", "not a value"},
                 {"nul", "not a value"},
                 {"[1,]", "not a value"},
                 {"{\"a\":1,}", "expected a name"},
                 {"{a:1}", "expected a name"},
                 {"{\"a\" 1}", "expected ':'"},
                 {"[1 2]", "expected ',' or the end of the array or object"},
                 {"1 2", "text after the value"},
                 {"\"a", "the text ends in a string"},
                 {"\"\\", "the text ends in a string"},
                 {"\"\\x\"", "an unknown escape"},
                 {"\"\\u12g4\"", "a bad \\u escape"},
                 {"\"\\u12", "a bad \\u escape"},
                 {"\"a\nb\"", "a control character in a string"},
                 {"\xef\xbb\xbf{}", "not a value"},
                 {"{\"a\":1,\"b\":2,\"a\":3}", "a name occurs twice in an object"},
                 {"{\"a\":1,\"\\u0061\":3}", "a name occurs twice in an object"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].reason);
    assert_refused("\"a\0b\"", 5, "a control character in a string");
    assert_refused("1\0", 2, "text after the value");
}

TEST(what_is_not_utf8_is_refused)
{
    static const char *const bad[] = {
        "\"\xff\"",    "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\""};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_refused(bad[i], strlen(bad[i]), "not UTF-8");
    assert_true(json_is_utf8("gr\xc3\xbc\xc3\x9f", 6));
    assert_false(json_is_utf8("gr\xc3", 3));
}

TEST(nesting_has_a_limit_and_a_large_object_is_checked_quickly)
{
    enum { DEEP = 10000, MEMBERS = 60000 };
    char *text = malloc(MEMBERS * 16);
    size_t n = 1;
    json_document d;
    json_error error;

    assert_non_null(text);
    memset(text, '[', DEEP);
    assert_refused(text, DEEP, "nested too deeply");
    text[0] = '{';
    for (int i = 0; i < MEMBERS; i++)
        n += (size_t)sprintf(text + n, "%s\"%d\":0", i ? "," : "", i);
    text[n++] = '}';
    assert_int_equal(json_parse(text, n, &d, &error), 0);
    assert_int_equal(json_root(&d)->count, MEMBERS);
    json_done(&d);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_keep_their_text),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(names_are_compared_decoded_and_exactly),
        cmocka_unit_test(what_rfc_8259_refuses_is_refused),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(nesting_has_a_limit_and_a_large_object_is_checked_quickly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
