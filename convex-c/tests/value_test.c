/* value_test.c - reading, building, errors, refs and short memory of values. */
#include "tests/support.h"

#include <math.h>
#include <pthread.h>

TEST(a_reader_takes_absent_for_an_answer)
{
    bool b = true;
    int64_t i = 7;
    double d = 7;
    convex_value_unref(NULL);
    assert_null(convex_value_ref(NULL));
    assert_int_equal(convex_value_type(NULL), CONVEX_ABSENT);
    assert_false(convex_value_bool(NULL, &b));
    assert_false(convex_value_int64(NULL, &i));
    assert_false(convex_value_float64(NULL, &d));
    assert_null(convex_value_string(NULL, NULL));
    assert_null(convex_value_bytes(NULL, NULL));
    assert_null(convex_value_at(NULL, 0));
    assert_null(convex_value_key_at(NULL, 0, NULL));
    assert_null(convex_value_field(NULL, "a"));
    assert_null(convex_value_get(NULL, "a.b"));
    assert_int_equal(convex_value_count(NULL) + convex_value_size(NULL), 0);
    assert_true(b && i == 7 && d == 7);
    assert_int_equal(convex_value_check(NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_value_parse(NULL, 0, CONVEX_PLAIN_JSON, 0, NULL, NULL, NULL),
                     CONVEX_EINVAL);
}

TEST(a_getter_refuses_a_value_of_another_type)
{
    convex_value *one = parse("1");
    bool b = true;
    int64_t i = 7;
    double d = 0;
    assert_false(convex_value_bool(one, &b));
    assert_false(convex_value_int64(one, &i));
    assert_true(convex_value_float64(one, &d));
    assert_true(b && i == 7 && d == 1);
    assert_null(convex_value_string(one, NULL));
    assert_int_equal(convex_value_count(one), 0);
    convex_value_unref(one);
}

TEST(a_path_leads_through_fields_and_items)
{
    convex_value *v =
        parse("{\"user\":{\"roles\":[{\"name\":\"admin\"},[1,[2,3]]]},\"\":{\"a\":9}}");
    double d = 0;
    assert_string_equal(convex_value_string(convex_value_get(v, "user.roles[0].name"), NULL),
                        "admin");
    assert_true(convex_value_float64(convex_value_get(v, "user.roles[1][1][0]"), &d) && d == 2);
    assert_true(convex_value_float64(convex_value_get(v, ".a"), &d));
    static const char *const absent[] = {
        "user.roles[2]",
        "user.roles.name",
        "user[0]",
        "user.roles[x]",
        "user.roles[0",
        "user.roles[0]name2",
        "nobody",
        "user.roles[-1]",
        "user.roles[0].name.x",
        "user.roles[99999999999999999999]",
    };
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_null(convex_value_get(v, absent[i]));
    assert_ptr_equal(convex_value_get(v, ""), v);
    convex_value_unref(v);
}

TEST(a_reader_at_a_path_gives_what_is_there_or_the_fallback)
{
    convex_value *v = parse("{\"u\":{\"name\":\"a\\u0000b\",\"on\":true,\"n\":[2.5],"
                            "\"id\":{\"$integer\":\"AQAAAAAAAAA=\"},\"b\":{\"$bytes\":\"AQI=\"}}}");
    size_t len = 0;
    assert_memory_equal(convex_value_get_string(v, "u.name", &len), "a\0b", 4);
    assert_int_equal(len, 3);
    assert_true(convex_value_get_bool(v, "u.on", false));
    assert_true(convex_value_get_float64(v, "u.n[0]", 0) == 2.5);
    assert_int_equal(convex_value_get_int64(v, "u.id", 0), 1);
    assert_memory_equal(convex_value_get_bytes(v, "u.b", &len), "\1\2", 2);
    assert_int_equal(len, 2);
    assert_null(convex_value_get_string(v, "u.on", NULL));
    assert_null(convex_value_get_bytes(NULL, "u", NULL));
    assert_true(convex_value_get_bool(v, "u.name", true));
    assert_true(convex_value_get_float64(v, "u.id", -1) == -1);
    assert_int_equal(convex_value_get_int64(v, "u.n[0]", -1), -1);
    convex_value_unref(v);
}

TEST(any_field_of_a_large_object_is_found)
{
    convex_builder *b = convex_builder_new(NULL);
    char name[16];
    convex_builder_begin_object(b);
    for (int i = 999; i >= 0; i--) {
        snprintf(name, sizeof name, "f%d", i);
        convex_builder_key(b, name);
        convex_builder_float64(b, i);
    }
    convex_builder_end(b);
    convex_value *v = NULL;
    assert_int_equal(convex_builder_finish(b, &v, NULL), CONVEX_OK);
    convex_builder_free(b);
    for (int i = 0; i < 1000; i++) {
        double d = -1;
        snprintf(name, sizeof name, "f%d", i);
        assert_true(convex_value_float64(convex_value_field(v, name), &d) && d == i);
    }
    assert_null(convex_value_field(v, "f1000"));
    assert_string_equal(convex_value_key_at(v, 1, NULL), "f1");
    assert_string_equal(convex_value_key_at(v, 2, NULL), "f10");
    assert_null(convex_value_key_at(v, 1000, NULL));
    convex_value_unref(v);
}

TEST(a_string_keeps_its_nul_bytes)
{
    convex_value *v = parse("{\"s\":\"a\\u0000b\"}");
    size_t len = 0;
    const char *s = convex_value_string(convex_value_field(v, "s"), &len);
    assert_int_equal(len, 3);
    assert_memory_equal(s, "a\0b", 4);
    assert_prints(v, "{\"s\":\"a\\u0000b\"}");
    convex_value_unref(v);
}

TEST(a_ref_on_a_child_keeps_the_whole_tree)
{
    failing_mem counter = {.left = -1};
    convex_mem mem = failing(&counter);
    const char *json = "{\"a\":[\"deep\",{\"b\":1}]}";
    convex_value *v = NULL;
    assert_int_equal(convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, &mem, &v, NULL),
                     CONVEX_OK);
    assert_int_equal(counter.calls, 1);
    convex_value *child = convex_value_ref(convex_value_get(v, "a[1].b"));
    convex_value_unref(v);
    assert_int_equal(counter.live, 1);
    double d = 0;
    assert_true(convex_value_float64(child, &d) && d == 1);
    convex_value_unref(child);
    assert_int_equal(counter.live, 0);
}

static void *ref_and_unref(void *arg)
{
    const convex_value *shared = arg;
    for (int i = 0; i < 2000; i++) {
        convex_value *mine = convex_value_ref(convex_value_at(shared, (size_t)i % 3));
        double d = 0;
        if (!convex_value_float64(mine, &d))
            return arg;
        convex_value_unref(mine);
    }
    convex_value_unref(shared);
    return NULL;
}

TEST(several_threads_ref_and_unref_one_tree)
{
    convex_value *v = parse("[1,2,3]");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, convex_value_ref(v)), 0);
    convex_value_unref(v);
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

/* ---- errors ---- */

static void assert_refused(const char *json, unsigned max_depth, convex_status status,
                           const char *message)
{
    convex_value *v = NULL;
    convex_error error = {0};
    convex_status got =
        convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, max_depth, NULL, &v, &error);
    assert_null(v);
    assert_int_equal(got, status);
    assert_string_equal(error.message, message);
}

TEST(a_parse_error_names_the_path_and_the_byte)
{
    assert_refused("{\"a\":[1,{\"b\":tru}]}", 0, CONVEX_EINVAL,
                   "expected a value, at a[1].b (byte 13)");
    assert_refused("", 0, CONVEX_EINVAL,
                   "the text ends where a value should be, at the top (byte 0)");
    assert_refused("[0,\"\xff\"]", 0, CONVEX_EINVAL, "invalid UTF-8, at [1] (byte 4)");
    assert_refused("{\"x\":{\"$y\":1}}", 0, CONVEX_EINVAL,
                   "a field name starts with $, at x.$y (byte 5)");
    assert_refused("{\"n\":1e999}", 0, CONVEX_EINVAL,
                   "a number is too large for a float64, at n (byte 5)");
    assert_refused("[[[]]]", 2, CONVEX_ELIMIT, "nested too deeply, at [0][0] (byte 2)");
    assert_refused("1 2", 0, CONVEX_EINVAL, "something follows the value, at the top (byte 2)");
    assert_refused("1", 100000, CONVEX_EINVAL, "max_depth is above 512");
}

TEST(an_error_message_is_cut_at_a_character)
{
    char json[2000], *p = json;
    *p++ = '{';
    *p++ = '"';
    for (int i = 0; i < 400; i++)
        p += sprintf(p, "\xc3\xa9");
    strcpy(p, "\":[}");
    for (int shift = 0; shift < 2; shift++) {
        convex_value *v = NULL;
        convex_error error = {0};
        json[2] = shift ? 'x' : '\xc3'; /* moves every cut by a byte */
        json[3] = shift ? 'x' : '\xa9';
        memmove(json + 2 + shift, json + 2, strlen(json + 2) + 1);
        if (shift)
            json[2] = 'y';
        assert_int_equal(
            convex_value_parse(json, strlen(json), CONVEX_PLAIN_JSON, 0, NULL, &v, &error),
            CONVEX_EINVAL);
        char quoted[600];
        snprintf(quoted, sizeof quoted, "\"%s\"", error.message);
        convex_value_unref(parse(quoted)); /* is UTF-8 */
    }
}

TEST(levels_above_the_limit_of_values_are_an_envelope_without_counts)
{
    size_t items = 9000, len = 0;
    char *json = malloc(items * 2 + 64);
    len = (size_t)sprintf(json, "{\"modifications\":[");
    for (size_t i = 0; i < items; i++)
        len += (size_t)sprintf(json + len, i == 0 ? "0" : ",0");
    len += (size_t)sprintf(json + len, "]}");
    convex_value *v = NULL;
    assert_int_equal(convex_value_parse(json, len, CONVEX_ENCODED_JSON, 66, NULL, &v, NULL),
                     CONVEX_OK);
    assert_int_equal(convex_value_count(convex_value_field(v, "modifications")), items);
    assert_int_equal(convex_value_check(v, NULL), CONVEX_ELIMIT);
    convex_value_unref(v);
    v = NULL;
    assert_int_equal(convex_value_parse(json, len, CONVEX_ENCODED_JSON, 65, NULL, &v, NULL),
                     CONVEX_ELIMIT);
    free(json);
}

TEST(check_names_the_path_that_breaks_a_limit)
{
    convex_value *v = parse_as("{\"args\":[{\"$x\":1}]}", CONVEX_PLAIN_JSON);
    convex_error error = {0};
    char *text = NULL;
    assert_int_equal(convex_value_check(v, &error), CONVEX_EINVAL);
    assert_string_equal(error.message, "a field name starts with $, at args[0].$x");
    assert_int_equal(convex_value_print(v, CONVEX_ENCODED_JSON, NULL, &text, NULL), CONVEX_EINVAL);
    assert_null(text);
    convex_value_unref(v);

    char *big = malloc((16u << 20) + 3);
    memset(big, 'x', (16u << 20) + 2);
    big[0] = '"';
    big[(16u << 20)] = '"';
    assert_int_equal(
        convex_value_parse(big, (16u << 20) + 1, CONVEX_ENCODED_JSON, 0, NULL, &v, NULL),
        CONVEX_OK);
    assert_int_equal(convex_value_check(v, NULL), CONVEX_ELIMIT);
    size_t len = 0;
    assert_non_null(convex_value_string(v, &len));
    assert_int_equal(len, (16u << 20) - 1);
    convex_value_unref(v);
    free(big);
}

static void assert_limit(const char *head, size_t repeats, const char *part, const char *tail,
                         const char *message)
{
    size_t len = strlen(head), part_len = strlen(part);
    char *json = malloc(len + repeats * part_len + strlen(tail) + 1);
    convex_value *v = NULL;
    convex_error error = {0};
    memcpy(json, head, len);
    for (size_t i = 0; i < repeats; i++, len += part_len)
        memcpy(json + len, part, part_len);
    strcpy(json + len, tail);
    assert_int_equal(convex_value_parse(json, strlen(json), CONVEX_PLAIN_JSON, 512, NULL, &v, NULL),
                     CONVEX_OK);
    assert_int_equal(convex_value_check(v, &error), CONVEX_ELIMIT);
    assert_string_equal(error.message, message);
    convex_value_unref(v);
    free(json);
}

TEST(each_limit_names_the_path_of_what_is_beyond_it)
{
    assert_limit("{\"a\":[0,[0", 8192, ",0", "]]}", "an array has more than 8192 items, at a[1]");
    assert_limit("{\"a\":{\"\":[[\"", 16 << 20, "x", "\"]]}}", "larger than 16 MiB, at a.[0][0]");
    assert_limit("{\"b\":[\"\"", 1 << 13, ",\"\"", "]}", "an array has more than 8192 items, at b");
    char *name = calloc(1, 1100);
    memset(name, 'n', 1025);
    char head[1200];
    snprintf(head, sizeof head, "{\"c\":{\"%s\":1}}", name);
    assert_limit(head, 0, "", "", "a field name is longer than 1024 bytes, at c");
    free(name);
}

TEST(a_deep_value_is_refused_with_its_path)
{
    convex_value *v = NULL;
    convex_error error = {0};
    char json[256] = "{\"a\":";
    for (int i = 0; i < 64; i++)
        strcat(json, "[");
    for (int i = 0; i < 64; i++)
        strcat(json, "]");
    strcat(json, "}");
    assert_int_equal(convex_value_parse(json, strlen(json), CONVEX_PLAIN_JSON, 512, NULL, &v, NULL),
                     CONVEX_OK);
    assert_int_equal(convex_value_check(v, &error), CONVEX_ELIMIT);
    assert_non_null(strstr(error.message, "nested more than 64 deep, at a[0][0]"));
    convex_value_unref(v);
}

TEST(what_a_later_field_replaces_need_only_be_json)
{
    static const char *const left[][2] = {
        {"{\"a\":{\"$integer\":\"x\"},\"a\":1}", "{\"a\":1}"},
        {"{\"a\":{\"$x\":1},\"b\":-0.0,\"a\":{\"$integer\":\"AQAAAAAAAAA=\"}}",
         "{\"a\":{\"$integer\":\"AQAAAAAAAAA=\"},\"b\":{\"$float\":\"AAAAAAAAAIA=\"}}"},
        {"[{\"a\":{\"\xc3\xa9\":1},\"a\":\"\\u0000\\ud83d\\ude00\"}]",
         "[{\"a\":\"\\u0000\xf0\x9f\x98\x80\"}]"},
    };
    static const char *const refused[] = {
        "{\"a\":1,\"a\":{\"$integer\":\"x\"}}",
        "{\"a\":{\"$x\":1},\"b\":1}",
        "{\"a\":{\"$x\":1},\"a\":1",
        "{\"a\":1e999,\"a\":1}",
    };
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        convex_value *v = parse(left[i][0]);
        assert_prints(v, left[i][1]);
        convex_value_unref(v);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        convex_value *v = NULL;
        assert_int_equal(convex_value_parse(refused[i], strlen(refused[i]), CONVEX_ENCODED_JSON, 0,
                                            NULL, &v, NULL),
                         CONVEX_EINVAL);
        assert_null(v);
    }
}

TEST(long_strings_and_bytes_keep_their_length)
{
    size_t len = 18u << 20;
    uint8_t *data = calloc(1, len);
    convex_builder *b = convex_builder_new(NULL);
    convex_value *v = NULL, *back = NULL;
    convex_builder_begin_array(b);
    convex_builder_bytes(b, data, len);
    convex_builder_end(b);
    assert_int_equal(convex_builder_finish(b, &v, NULL), CONVEX_OK);
    char *text = NULL;
    size_t text_len = 0, back_len = 0;
    assert_int_equal(convex_value_print(v, CONVEX_ENCODED_JSON, NULL, &text, &text_len), CONVEX_OK);
    assert_int_equal(convex_value_parse(text, text_len, CONVEX_ENCODED_JSON, 0, NULL, &back, NULL),
                     CONVEX_OK);
    assert_non_null(convex_value_bytes(convex_value_at(back, 0), &back_len));
    assert_int_equal(back_len, len);
    assert_true(convex_value_equal(v, back));
    convex_text_free(text, NULL);
    convex_value_unref(v);
    convex_value_unref(back);
    convex_builder_free(b);
    free(data);
}

/* ---- building ---- */

static void write_sample(convex_builder *b, const convex_value *copied)
{
    convex_builder_begin_object(b);
    convex_builder_key(b, "z");
    convex_builder_int64(b, INT64_MIN);
    convex_builder_key(b, "list");
    convex_builder_begin_array(b);
    convex_builder_null(b);
    convex_builder_bool(b, true);
    convex_builder_float64(b, -0.0);
    convex_builder_bytes(b, "\1\2", 2);
    convex_builder_begin_object(b);
    convex_builder_end(b);
    convex_builder_end(b);
    convex_builder_key_n(b, "s|", 1);
    convex_builder_string(b, "h\xc3\xa9", 3);
    convex_builder_key(b, "copy");
    convex_builder_value(b, copied);
    convex_builder_end(b);
}

static const char sample_text[] =
    "{\"copy\":{\"a\":[1,\"x\"]},\"list\":[null,true,{\"$float\":\"AAAAAAAAAIA=\"},"
    "{\"$bytes\":\"AQI=\"},{}],\"s\":\"h\xc3\xa9\",\"z\":{\"$integer\":\"AAAAAAAAAIA=\"}}";

TEST(a_built_value_prints_what_was_written_in_key_order)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *copied = parse("{\"a\":[1,\"x\"]}"), *v = NULL;
    for (int round = 0; round < 2; round++) { /* a builder serves again */
        write_sample(b, copied);
        assert_int_equal(convex_builder_finish(b, &v, NULL), CONVEX_OK);
        assert_prints(v, sample_text);
        convex_value_unref(v);
    }
    convex_value_unref(copied);
    convex_builder_free(b);
    convex_builder_free(NULL);
}

TEST(of_equal_keys_the_last_written_wins)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *v = NULL;
    convex_builder_begin_object(b);
    for (int i = 0; i < 5; i++) {
        convex_builder_key(b, i % 2 ? "a" : "b");
        convex_builder_float64(b, i);
    }
    convex_builder_end(b);
    assert_int_equal(convex_builder_finish(b, &v, NULL), CONVEX_OK);
    assert_prints(v, "{\"a\":3,\"b\":4}");
    convex_value_unref(v);
    convex_builder_free(b);
}

static void misuse_value_without_key(convex_builder *b)
{
    convex_builder_begin_object(b);
    convex_builder_null(b);
}
static void misuse_two_keys(convex_builder *b)
{
    convex_builder_begin_object(b);
    convex_builder_key(b, "a");
    convex_builder_key(b, "b");
}
static void misuse_key_outside(convex_builder *b)
{
    convex_builder_key(b, "a");
}
static void misuse_key_in_array(convex_builder *b)
{
    convex_builder_begin_array(b);
    convex_builder_key(b, "a");
}
static void misuse_end_after_key(convex_builder *b)
{
    convex_builder_begin_object(b);
    convex_builder_key(b, "a");
    convex_builder_end(b);
}
static void misuse_end_alone(convex_builder *b)
{
    convex_builder_end(b);
}
static void misuse_open_end(convex_builder *b)
{
    convex_builder_begin_array(b);
}
static void misuse_two_values(convex_builder *b)
{
    convex_builder_null(b);
    convex_builder_null(b);
}
static void misuse_nothing(convex_builder *b)
{
    (void)b;
}
static void misuse_null_string(convex_builder *b)
{
    convex_builder_cstring(b, NULL);
}
static void misuse_broken_utf8(convex_builder *b)
{
    convex_builder_string(b, "\xed\xa0\x80", 3);
}
static void misuse_absent_value(convex_builder *b)
{
    convex_builder_value(b, NULL);
}

TEST(the_first_misuse_of_a_builder_sticks_until_finish)
{
    static void (*const misuses[])(convex_builder *) = {
        misuse_value_without_key, misuse_two_keys,    misuse_key_outside, misuse_key_in_array,
        misuse_end_after_key,     misuse_end_alone,   misuse_open_end,    misuse_two_values,
        misuse_nothing,           misuse_null_string, misuse_broken_utf8, misuse_absent_value,
    };
    convex_builder *b = convex_builder_new(NULL);
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
        convex_value *v = NULL;
        convex_error error = {0};
        misuses[i](b);
        assert_int_equal(convex_builder_finish(b, &v, &error), CONVEX_EINVAL);
        assert_null(v);
        assert_true(error.message[0] != '\0');
    }
    convex_builder_bool(b, false); /* and it serves again */
    convex_value *v = NULL;
    assert_int_equal(convex_builder_finish(b, &v, NULL), CONVEX_OK);
    convex_value_unref(v);
    convex_builder_free(b);
}

TEST(a_builder_stops_at_the_depth_readers_may_recurse_to)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *v = NULL;
    for (int i = 0; i < 100000; i++)
        convex_builder_begin_array(b);
    assert_int_equal(convex_builder_finish(b, &v, NULL), CONVEX_ELIMIT);
    convex_builder_free(b);
}

/* ---- short memory ---- */

static convex_status parse_and_print(const convex_mem *mem)
{
    char json[6000];
    size_t len =
        (size_t)sprintf(json, "{\"esc\\u0041ped\":\"\\n\\t\",\"n\":%0120d.5,\"list\":[", 0);
    len = (size_t)sprintf(json, "{\"esc\\u0041ped\":\"\\n\\t\",\"n\":1%0130d,\"list\":[", 0);
    for (int i = 0; i < 400; i++)
        len += (size_t)sprintf(json + len, "%s{\"k%d\":%d}", i == 0 ? "" : ",", i, i);
    len += (size_t)sprintf(json + len, "]}");
    convex_value *v = NULL;
    convex_error error = {0};
    convex_status status = convex_value_parse(json, len, CONVEX_ENCODED_JSON, 0, mem, &v, &error);
    if (status != CONVEX_OK) {
        assert_null(v);
        assert_int_equal(error.status, status);
        return status;
    }
    char *text = NULL;
    status = convex_value_print(v, CONVEX_ENCODED_JSON, mem, &text, NULL);
    convex_value_unref(v);
    if (status == CONVEX_OK)
        convex_text_free(text, mem);
    else
        assert_null(text);
    return status;
}

static convex_status build(const convex_mem *mem)
{
    convex_builder *b = convex_builder_new(mem);
    if (b == NULL)
        return CONVEX_ENOMEM;
    convex_value *v = NULL, *copied = parse("[[[[[[[[[[[\"deep\"]]]]]]]]]]]");
    convex_builder_begin_array(b);
    for (int i = 0; i < 40; i++)
        write_sample(b, copied);
    convex_builder_end(b);
    convex_status status = convex_builder_finish(b, &v, NULL);
    assert_int_equal(status == CONVEX_OK, v != NULL);
    convex_value_unref(v);
    convex_value_unref(copied);
    convex_builder_free(b);
    return status;
}

static void fail_each_allocation(convex_status (*work)(const convex_mem *mem))
{
    for (long n = 0;; n++) {
        failing_mem counter = {.left = n};
        convex_mem mem = failing(&counter);
        convex_status status = work(&mem);
        assert_int_equal(counter.live, 0);
        if (status == CONVEX_OK) {
            assert_true(n > 2);
            return;
        }
        assert_int_equal(status, CONVEX_ENOMEM);
    }
}

static convex_status parse_replaced(const convex_mem *mem)
{
    static const char json[] = "{\"a\":{\"$integer\":\"x\"},\"a\":[[1],\"two\"]}";
    convex_value *v = NULL;
    convex_status status =
        convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, mem, &v, NULL);
    convex_value_unref(v);
    return status;
}

TEST(when_any_allocation_fails_parsing_and_printing_fail_cleanly)
{
    fail_each_allocation(parse_and_print);
    fail_each_allocation(parse_replaced);
}

TEST(when_any_allocation_fails_building_fails_cleanly)
{
    fail_each_allocation(build);
}

TEST(a_parse_takes_a_handful_of_chunks_whatever_the_count_of_nodes)
{
    size_t len = 0;
    char *json = malloc(400000);
    len += (size_t)sprintf(json, "[");
    for (int i = 0; i < 5000; i++)
        len += (size_t)sprintf(json + len, "%s{\"_id\":\"j57dxbdyxw%d\",\"at\":%d,\"ok\":true}",
                               i == 0 ? "" : ",", i, i);
    len += (size_t)sprintf(json + len, "]");
    failing_mem counter = {.left = -1};
    convex_mem mem = failing(&counter);
    convex_value *v = NULL;
    assert_int_equal(convex_value_parse(json, len, CONVEX_ENCODED_JSON, 0, &mem, &v, NULL),
                     CONVEX_OK);
    assert_true(counter.live <= 4);   /* the tree */
    assert_true(counter.calls <= 12); /* and the stack of open items, doubled as it grew */
    convex_value_unref(v);
    assert_int_equal(counter.live, 0);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_takes_absent_for_an_answer),
        cmocka_unit_test(a_getter_refuses_a_value_of_another_type),
        cmocka_unit_test(a_path_leads_through_fields_and_items),
        cmocka_unit_test(a_reader_at_a_path_gives_what_is_there_or_the_fallback),
        cmocka_unit_test(any_field_of_a_large_object_is_found),
        cmocka_unit_test(a_string_keeps_its_nul_bytes),
        cmocka_unit_test(a_ref_on_a_child_keeps_the_whole_tree),
        cmocka_unit_test(several_threads_ref_and_unref_one_tree),
        cmocka_unit_test(a_parse_error_names_the_path_and_the_byte),
        cmocka_unit_test(an_error_message_is_cut_at_a_character),
        cmocka_unit_test(levels_above_the_limit_of_values_are_an_envelope_without_counts),
        cmocka_unit_test(check_names_the_path_that_breaks_a_limit),
        cmocka_unit_test(each_limit_names_the_path_of_what_is_beyond_it),
        cmocka_unit_test(a_deep_value_is_refused_with_its_path),
        cmocka_unit_test(what_a_later_field_replaces_need_only_be_json),
        cmocka_unit_test(long_strings_and_bytes_keep_their_length),
        cmocka_unit_test(a_built_value_prints_what_was_written_in_key_order),
        cmocka_unit_test(of_equal_keys_the_last_written_wins),
        cmocka_unit_test(the_first_misuse_of_a_builder_sticks_until_finish),
        cmocka_unit_test(a_builder_stops_at_the_depth_readers_may_recurse_to),
        cmocka_unit_test(when_any_allocation_fails_parsing_and_printing_fail_cleanly),
        cmocka_unit_test(when_any_allocation_fails_building_fails_cleanly),
        cmocka_unit_test(a_parse_takes_a_handful_of_chunks_whatever_the_count_of_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
