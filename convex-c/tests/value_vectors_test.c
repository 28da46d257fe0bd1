/* value_vectors_test.c - the published vectors of Convex's value encoding, all of them. */
#include "tests/support.h"

#include "convex/id.h"

static convex_value *vectors;

static int load(void **state)
{
    vectors = read_vectors("tests/vectors/values.json");
    return 0;
}

static int unload(void **state)
{
    convex_value_unref(vectors);
    return 0;
}

static bool is_valid(const convex_value *vector)
{
    bool valid = false;
    assert_true(convex_value_bool(convex_value_field(vector, "valid"), &valid));
    return valid;
}

static const char *name_of(const convex_value *vector)
{
    return text_of(vector, "name", NULL);
}

static convex_status parse_vector(const convex_value *vector, convex_value **ret,
                                  convex_error *error)
{
    size_t len = 0;
    const char *json = text_of(vector, "json", &len);
    /* In memory of exactly its size, so that reading past the end is noticed. */
    char *exact = malloc(len + (len == 0));
    assert_non_null(exact);
    memcpy(exact, json, len);
    convex_status status = convex_value_parse(exact, len, CONVEX_ENCODED_JSON, 0, NULL, ret, error);
    free(exact);
    return status;
}

/* Calls `check` with each valid case and its value. */
static void each_valid_case(void (*check)(const convex_value *vector, const convex_value *value))
{
    const convex_value *cases = convex_value_field(vectors, "cases");
    for (size_t i = 0; i < convex_value_count(cases); i++) {
        const convex_value *vector = convex_value_at(cases, i);
        convex_value *value = NULL;
        if (!is_valid(vector))
            continue;
        assert_int_equal(parse_vector(vector, &value, NULL), CONVEX_OK);
        check(vector, value);
        convex_value_unref(value);
    }
}

TEST(a_text_is_accepted_exactly_when_both_official_sides_accept_it)
{
    const convex_value *cases = convex_value_field(vectors, "cases");
    assert_true(convex_value_count(cases) > 200);
    for (size_t i = 0; i < convex_value_count(cases); i++) {
        const convex_value *vector = convex_value_at(cases, i);
        convex_value *value = NULL;
        convex_error error = {0};
        convex_status status = parse_vector(vector, &value, &error);
        if ((status == CONVEX_OK) != is_valid(vector))
            fail_msg("%s: status %d, %s", name_of(vector), (int)status, error.message);
        if (status != CONVEX_OK) {
            assert_null(value);
            assert_int_equal(error.status, status);
            assert_non_null(strstr(error.message, "byte"));
        }
        convex_value_unref(value);
    }
}

static void check_canonical(const convex_value *vector, const convex_value *value)
{
    char *text = NULL;
    size_t len = 0, expected_len = 0;
    const char *expected = text_of(vector, "canonical", &expected_len);
    assert_int_equal(convex_value_print(value, CONVEX_ENCODED_JSON, NULL, &text, &len), CONVEX_OK);
    if (len != expected_len || memcmp(text, expected, len) != 0)
        fail_msg("%s: %.200s, not %.200s", name_of(vector), text, expected);
    convex_text_free(text, NULL);
}

TEST(a_value_prints_as_its_canonical_text)
{
    each_valid_case(check_canonical);
}

static void check_kind(const convex_value *vector, const convex_value *value)
{
    const char *kind = text_of(vector, "kind", NULL), *name = NULL;
    name = convex_type_name(convex_value_type(value));
    if (strcmp(kind, "nesting") != 0 && strcmp(kind, name) != 0)
        fail_msg("%s: %s, not %s", name_of(vector), name, kind);
}

TEST(a_value_has_the_kind_the_vector_names)
{
    each_valid_case(check_kind);
}

static size_t nesting(const convex_value *value)
{
    size_t deepest = 0;
    convex_type type = convex_value_type(value);
    if (type != CONVEX_ARRAY && type != CONVEX_OBJECT)
        return 0;
    for (size_t i = 0; i < convex_value_count(value); i++) {
        size_t depth = nesting(convex_value_at(value, i));
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static void check_metrics(const convex_value *vector, const convex_value *value)
{
    double size, depth;
    convex_error error = {0};
    if (!convex_value_float64(convex_value_field(vector, "size"), &size))
        return; /* some large cases leave it out */
    assert_true(convex_value_float64(convex_value_field(vector, "nesting"), &depth));
    if (convex_value_size(value) != (size_t)size || nesting(value) != (size_t)depth)
        fail_msg("%s: size %zu, nesting %zu", name_of(vector), convex_value_size(value),
                 nesting(value));
    if (convex_value_check(value, &error) != CONVEX_OK)
        fail_msg("%s: %s", name_of(vector), error.message);
}

TEST(a_value_has_the_size_and_nesting_the_limits_are_stated_in)
{
    each_valid_case(check_metrics);
}

/* The vectors spell clean numbers as the backend does (1.0); both are one value. */
static void check_clean(const convex_value *vector, const convex_value *value)
{
    size_t len = 0;
    const char *clean = convex_value_string(convex_value_field(vector, "clean"), &len);
    if (clean == NULL)
        return; /* some large cases leave it out */
    convex_value *expected = NULL;
    assert_int_equal(convex_value_parse(clean, len, CONVEX_PLAIN_JSON, 0, NULL, &expected, NULL),
                     CONVEX_OK);
    char *text = print_as(value, CONVEX_PLAIN_JSON);
    char *expected_text = print_as(expected, CONVEX_PLAIN_JSON);
    convex_value *back = parse_as(text, CONVEX_PLAIN_JSON);
    assert_string_equal(text, expected_text);
    assert_true(convex_value_equal(back, expected));
    convex_text_free(text, NULL);
    convex_text_free(expected_text, NULL);
    convex_value_unref(expected);
    convex_value_unref(back);
}

TEST(a_value_prints_plainly_as_the_clean_text_says)
{
    each_valid_case(check_clean);
}

TEST(every_pair_of_values_is_ordered_as_the_index_keys_are)
{
    const convex_value *values = convex_value_get(vectors, "ordering.values");
    size_t count = convex_value_count(values);
    convex_value **parsed = calloc(count, sizeof(convex_value *));
    assert_non_null(parsed);
    assert_true(count > 50);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(parse_vector(convex_value_at(values, i), &parsed[i], NULL), CONVEX_OK);
    for (size_t i = 0; i < count; i++) {
        assert_true(convex_value_compare(NULL, parsed[i]) < 0);
        for (size_t k = 0; k < count; k++) {
            int order = convex_value_compare(parsed[i], parsed[k]);
            if ((order > 0) - (order < 0) != (i > k) - (i < k))
                fail_msg("values %zu and %zu compare as %d", i, k, order);
            assert_int_equal(convex_value_equal(parsed[i], parsed[k]), i == k);
        }
    }
    for (size_t i = 0; i < count; i++)
        convex_value_unref(parsed[i]);
    free(parsed);
}

static void to_hex(const uint8_t *bytes, size_t len, char *ret)
{
    for (size_t i = 0; i < len; i++)
        sprintf(ret + 2 * i, "%02x", bytes[i]);
}

TEST(document_ids_decode_and_encode_as_the_vectors_say)
{
    const convex_value *ids = convex_value_field(vectors, "ids");
    assert_true(convex_value_count(ids) > 30);
    for (size_t i = 0; i < convex_value_count(ids); i++) {
        const convex_value *vector = convex_value_at(ids, i);
        const char *text = text_of(vector, "id", NULL);
        convex_id id;
        double table = 0;
        if (convex_id_decode(text, &id) != is_valid(vector))
            fail_msg("%s: decided wrongly", text);
        if (!is_valid(vector))
            continue;
        char hex[33], again[CONVEX_ID_SIZE];
        to_hex(id.internal, sizeof id.internal, hex);
        assert_true(convex_value_float64(convex_value_field(vector, "table_number"), &table));
        assert_int_equal(id.table_number, (uint32_t)table);
        assert_string_equal(hex, text_of(vector, "internal_hex", NULL));
        assert_true(convex_id_encode(&id, again));
        assert_string_equal(again, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_accepted_exactly_when_both_official_sides_accept_it),
        cmocka_unit_test(a_value_prints_as_its_canonical_text),
        cmocka_unit_test(a_value_has_the_kind_the_vector_names),
        cmocka_unit_test(a_value_has_the_size_and_nesting_the_limits_are_stated_in),
        cmocka_unit_test(a_value_prints_plainly_as_the_clean_text_says),
        cmocka_unit_test(every_pair_of_values_is_ordered_as_the_index_keys_are),
        cmocka_unit_test(document_ids_decode_and_encode_as_the_vectors_say),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
