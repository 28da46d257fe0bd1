/* convexgen_test.c - what is generated, byte for byte, and what cannot be. */
#include "tests/support.h"

#include "generate.h"
#include "names.h"

static bool generate_from(pool *p, const char *json, const char *given, generated *ret,
                          spec_error *error)
{
    generate_options options = {.prefix = "api", .names = given, .internal = true};
    *error = (spec_error){""};
    return generate(p, json, strlen(json), &options, ret, error);
}

static void assert_file(const char *path, const char *got)
{
    size_t len = 0;
    char *expected = read_whole(path, &len);
    if (strcmp(got, expected) != 0)
        fail_msg("%s differs: convexgen --prefix golden --internal tests/golden.json", path);
    free(expected);
}

TEST(a_small_spec_gives_exactly_these_files)
{
    size_t len = 0;
    pool *p = pool_new();
    generated made;
    spec_error error;
    char *json = read_whole("tests/golden.json", &len);
    generate_options options = {.prefix = "golden", .internal = true};
    assert_true(generate(p, json, len, &options, &made, &error));
    assert_file("tests/golden.h.expected", made.header);
    assert_file("tests/golden.c.expected", made.source);
    free(json);
    pool_free(p);
}

TEST(internal_functions_are_left_out_unless_asked_for)
{
    size_t len = 0;
    pool *p = pool_new();
    generated made;
    spec_error error;
    char *json = read_whole("tests/golden.json", &len);
    generate_options options = {.prefix = "golden"};
    assert_true(generate(p, json, len, &options, &made, &error));
    assert_null(strstr(made.header, "golden_rooms_close"));
    assert_non_null(strstr(made.header, "golden_rooms_sweep"));
    free(json);
    pool_free(p);
}

/* One query "m:f" that returns what the validator says. */
#define SPEC(returns)                                                                              \
    "{\"functions\":[{\"identifier\":\"m.js:f\",\"functionType\":\"Query\",\"args\":{\"type\":"    \
    "\"any\"},\"returns\":" returns ",\"visibility\":{\"kind\":\"public\"}}]}"

TEST(the_order_of_functions_does_not_matter)
{
    static const char a[] = "{\"identifier\":\"a.js:f\",\"functionType\":\"Query\"}";
    static const char b[] = "{\"identifier\":\"b/c.js:g\",\"functionType\":\"Action\"}";
    char one[256], other[256];
    pool *p = pool_new();
    generated first, second;
    spec_error error;
    snprintf(one, sizeof one, "{\"functions\":[%s,%s]}", a, b);
    snprintf(other, sizeof other, "{\"functions\":[%s,%s]}", b, a);
    assert_true(generate_from(p, one, NULL, &first, &error));
    assert_true(generate_from(p, other, NULL, &second, &error));
    assert_string_equal(first.header, second.header);
    assert_string_equal(first.source, second.source);
    assert_non_null(strstr(first.header, "api_b_c_g_action("));
    pool_free(p);
}

TEST(what_cannot_be_expressed_is_told)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"", NULL},
        {"[]", "not the output of `npx convex function-spec`: no list \"functions\""},
        {"{\"functions\":[7]}",
         "functions[0]: not a function: no \"identifier\" or no \"functionType\""},
        {"{\"functions\":[{\"identifier\":\"x\",\"functionType\":\"Query\"}]}",
         "functions[0]: the identifier \"x\" is not MODULE:NAME"},
        {"{\"functions\":[{\"identifier\":\"m.js:f\",\"functionType\":\"Cron\"}]}",
         "m:f: unknown kind of function \"Cron\""},
        {"{\"functions\":[{\"identifier\":\"m.js:f\",\"functionType\":\"Query\",\"args\":{\"type\":"
         "\"string\"}}]}",
         "m:f: its arguments are no object but string"},
        {"{\"functions\":[{\"identifier\":\"m.js:f\",\"functionType\":\"Query\"},{\"identifier\":"
         "\"m.ts:f\",\"functionType\":\"Query\"}]}",
         "m:f is there twice"},
        {SPEC("7"), "m:f.returns: not a validator"},
        {SPEC("{\"type\":\"regex\"}"), "m:f.returns: unknown kind of validator \"regex\""},
        {SPEC("{\"type\":\"union\",\"value\":[]}"),
         "m:f.returns: a union of nothing, which no value can have"},
        {SPEC("{\"type\":\"array\",\"value\":{\"type\":\"id\"}}"),
         "m:f.returns[]: an id without the name of its table"},
        {SPEC("{\"type\":\"literal\",\"value\":{\"$float\":\"AAAAAAAA+H8=\"}}"),
         "m:f.returns: a literal that is no finite number cannot be compared with"},
        {SPEC("{\"type\":\"literal\",\"value\":null}"), "m:f.returns: a literal of type null"},
        {SPEC("{\"type\":\"object\",\"value\":{\"a\":{\"fieldType\":{\"type\":\"any\"}}}}"),
         "m:f.returns.a: a field that does not say whether it is optional"},
        {SPEC("{\"type\":\"record\",\"keys\":{\"type\":\"number\"},\"values\":{\"fieldType\":{"
              "\"type\":\"any\"},\"optional\":false}}"),
         "m:f.returns{}: the keys of a record must be strings or ids, not number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pool *p = pool_new();
        generated made;
        spec_error error;
        assert_false(generate_from(p, cases[i].json, NULL, &made, &error));
        if (cases[i].message != NULL)
            assert_string_equal(error.message, cases[i].message);
        assert_true(error.message[0] != '\0');
        pool_free(p);
    }
}

TEST(names_are_given_to_shapes)
{
    static const char json[] =
        SPEC("{\"type\":\"array\",\"value\":{\"type\":\"object\",\"value\":{\"x\":{\"fieldType\":{"
             "\"type\":\"number\"},\"optional\":false}}}}");
    static const struct {
        const char *names, *message;
    } cases[] = {
        {"point m:f.returns[]", ""},
        {"# nothing\n\n  point\tm:f.returns[]  # it\n", ""},
        {"point", "names, line 1: not \"NAME PATH\""},
        {"\na b c", "names, line 2: not \"NAME PATH\""},
        {"point m:g.returns[]", "the name point: there is no such function: m:g.returns[]"},
        {"point m:f.returns[].y", "the name point: there is no such part: m:f.returns[].y"},
        {"point m:f.returns", "the name point: only an object or a union can have a name of its "
                              "own: Array<{x: number}>"},
        {"a m:f.returns[]\nb m:f.returns[]",
         "the name b: that shape has a name already: m:f.returns[]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pool *p = pool_new();
        generated made;
        spec_error error;
        bool ok = generate_from(p, json, cases[i].names, &made, &error);
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(ok, cases[i].message[0] == '\0');
        assert_true(!ok || strstr(made.header, "typedef api_point_list api_m_f_result;") != NULL);
        pool_free(p);
    }
}

TEST(any_text_becomes_an_identifier)
{
    static const char *const cases[][2] = {
        {"sourceGuildId", "source_guild_id"},
        {"webhook-proxy", "webhook_proxy"},
        {"HTTPServer", "http_server"},
        {"userID", "user_id"},
        {"1st", "_1st"},
        {"", "unnamed"},
        {"***", "unnamed"},
        {"caf\xc3\xa9", "caf_"},
        {"_id", "_id"},
        {"__proto__", "_proto_"},
        {"a//b:c", "a_b_c"},
    };
    pool *p = pool_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(name_snake(p, cases[i][0], strlen(cases[i][0])), cases[i][1]);
    char endless[2000];
    memset(endless, 'a', sizeof endless);
    assert_true(strlen(name_snake(p, endless, sizeof endless)) < 200);
    pool_free(p);
}

TEST(the_prefix_leaves_the_library_its_names)
{
    assert_true(name_is_prefix("api"));
    assert_true(name_is_prefix("my_app2"));
    static const char *const not [] = {"",
                                       "1api",
                                       "_api",
                                       "Api",
                                       "api_",
                                       "a-pi",
                                       "convex",
                                       "cvx",
                                       "convex_x",
                                       "cvx_x",
                                       "thisprefixismuchlongerthanitneedstobe",
                                       "string",
                                       "time"};
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
        assert_false(name_is_prefix(not [i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_spec_gives_exactly_these_files),
        cmocka_unit_test(internal_functions_are_left_out_unless_asked_for),
        cmocka_unit_test(the_order_of_functions_does_not_matter),
        cmocka_unit_test(what_cannot_be_expressed_is_told),
        cmocka_unit_test(names_are_given_to_shapes),
        cmocka_unit_test(any_text_becomes_an_identifier),
        cmocka_unit_test(the_prefix_leaves_the_library_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
