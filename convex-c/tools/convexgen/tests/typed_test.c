/* typed_test.c - generated bindings at work: encoding, decoding, and what they refuse. */
#include "random_value.h"

#include "kinds.h"

/* ---- round trips of everything ---- */

typedef convex_status trip_fn(const convex_value *value, const convex_mem *mem, convex_value **ret,
                              convex_error *reterr);

/* A value, as a struct, as a value again. */
#define TRIP(type)                                                                                 \
    static convex_status type##_trip(const convex_value *value, const convex_mem *mem,             \
                                     convex_value **ret, convex_error *reterr)                     \
    {                                                                                              \
        const type *decoded = NULL;                                                                \
        convex_status status = type##_decode(value, mem, &decoded, reterr);                        \
        if (status == CONVEX_OK)                                                                   \
            status = type##_encode(decoded, mem, ret, reterr);                                     \
        type##_unref(decoded);                                                                     \
        return status;                                                                             \
    }
TRIP(kinds_kinds_every_args)
TRIP(kinds_kinds_nested_args)
TRIP(kinds_kinds_nested_result)
TRIP(kinds_paged_items_args)
TRIP(kinds_paged_items_result)
TRIP(kinds_q_a_result)
TRIP(kinds_m_x_args)
TRIP(kinds_m_list_result)
TRIP(kinds_m_hidden_args)
TRIP(kinds_m_hidden_result)

static const struct {
    const char *identifier, *part;
    trip_fn *trip;
} trips[] = {
    {"kinds.js:every", "args", kinds_kinds_every_args_trip},
    {"kinds.js:nested", "args", kinds_kinds_nested_args_trip},
    {"kinds.js:nested", "returns", kinds_kinds_nested_result_trip},
    {"paged.js:items", "args", kinds_paged_items_args_trip},
    {"paged.js:items", "returns", kinds_paged_items_result_trip},
    {"q.js:a", "returns", kinds_q_a_result_trip},
    {"m.js:x", "args", kinds_m_x_args_trip},
    {"m.js:list", "returns", kinds_m_list_result_trip},
    {"m.js:hidden", "args", kinds_m_hidden_args_trip},
    {"m.js:hidden", "returns", kinds_m_hidden_result_trip},
};
enum { TRIPS = sizeof trips / sizeof *trips, ROUNDS = 300 };

static convex_value *spec;

static int read_spec(void **state)
{
    size_t len = 0;
    char *text = read_whole("tests/kinds.json", &len);
    convex_error error = {0};
    if (convex_value_parse(text, len, CONVEX_ENCODED_JSON, 512, NULL, &spec, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    free(text);
    return 0;
}

static int drop_spec(void **state)
{
    convex_value_unref(spec);
    return 0;
}

static const convex_value *validator_of(const char *identifier, const char *part)
{
    const convex_value *functions = convex_value_field(spec, "functions");
    for (size_t i = 0; i < convex_value_count(functions); i++) {
        const convex_value *f = convex_value_at(functions, i);
        const char *name = convex_value_string(convex_value_field(f, "identifier"), NULL);
        if (name != NULL && strcmp(name, identifier) == 0)
            return convex_value_field(f, part);
    }
    fail_msg("no function %s", identifier);
    return NULL;
}

static convex_value *draw_value(chance *c, size_t trip)
{
    convex_builder *b = convex_builder_new(NULL);
    random_value(c, validator_of(trips[trip].identifier, trips[trip].part), b);
    convex_value *value = finish_value(b);
    convex_builder_free(b);
    return value;
}

static void assert_same(const convex_value *got, const convex_value *expected)
{
    if (convex_value_equal(got, expected))
        return;
    char *a = print_as(got, CONVEX_ENCODED_JSON), *b = print_as(expected, CONVEX_ENCODED_JSON);
    fail_msg("\n%s\ninstead of\n%s", a, b);
}

TEST(whatever_the_validators_allow_comes_through_unchanged)
{
    chance c = {.seed = 1};
    for (size_t i = 0; i < TRIPS; i++)
        for (int round = 0; round < ROUNDS; round++) {
            convex_value *value = draw_value(&c, i), *back = NULL;
            convex_error error = {0};
            if (trips[i].trip(value, NULL, &back, &error) != CONVEX_OK)
                fail_msg("%s %s: %s", trips[i].identifier, trips[i].part, error.message);
            assert_same(back, value);
            convex_value_unref(back);
            convex_value_unref(value);
        }
}

TEST(fields_of_a_newer_server_are_passed_over)
{
    for (size_t i = 0; i < TRIPS; i++)
        for (int round = 0; round < ROUNDS; round++) {
            /* the same draws but for the extra fields, which come last and end each object */
            chance c = {.seed = (uint64_t)round, .extra = true};
            convex_value *value = draw_value(&c, i), *back = NULL, *again = NULL;
            convex_error error = {0};
            if (trips[i].trip(value, NULL, &back, &error) != CONVEX_OK)
                fail_msg("%s %s: %s", trips[i].identifier, trips[i].part, error.message);
            assert_int_equal(trips[i].trip(back, NULL, &again, NULL), CONVEX_OK);
            assert_same(again, back); /* what is known is all there is now */
            convex_value_unref(again);
            convex_value_unref(back);
            convex_value_unref(value);
        }
}

TEST(any_value_at_all_is_decoded_or_refused)
{
    chance c = {.seed = 3};
    for (size_t i = 0; i < TRIPS; i++)
        for (int round = 0; round < ROUNDS; round++) {
            convex_value *value = draw_value(&c, draw_below(&c.seed, TRIPS)), *back = NULL;
            convex_error error = {.status = CONVEX_OK};
            convex_status status = trips[i].trip(value, NULL, &back, &error);
            assert_true(status == CONVEX_OK || status == CONVEX_EINVAL);
            assert_int_equal(error.status, status);
            assert_true(status == CONVEX_OK || error.message[0] != '\0');
            convex_value_unref(back);
            convex_value_unref(value);
        }
}

TEST(every_allocation_may_fail)
{
    for (size_t i = 0; i < TRIPS; i++) {
        chance c = {.seed = 4};
        convex_value *value = draw_value(&c, i), *back = NULL;
        convex_status status = CONVEX_ENOMEM;
        for (long n = 0; status == CONVEX_ENOMEM; n++) {
            failing_mem counted = {.left = n};
            convex_mem mem = failing(&counted);
            back = NULL;
            status = trips[i].trip(value, &mem, &back, NULL);
            assert_true(status == CONVEX_OK || back == NULL);
            convex_value_unref(back);
            assert_int_equal(counted.live, 0);
        }
        assert_int_equal(status, CONVEX_OK);
        convex_value_unref(value);
    }
}

/* ---- what is refused, and how it is told ---- */

static void assert_refused(trip_fn *trip, const char *json, const char *message)
{
    convex_value *value = parse(json), *back = NULL;
    convex_error error = {0};
    assert_int_equal(trip(value, NULL, &back, &error), CONVEX_EINVAL);
    assert_string_equal(error.message, message);
    assert_null(back);
    convex_value_unref(value);
}

TEST(what_does_not_fit_is_named)
{
    trip_fn *nested = kinds_kinds_nested_result_trip;
    assert_refused(nested, "{\"name\":\"n\",\"points\":[{\"x\":1,\"y\":2},{\"x\":1}]}",
                   "points[1].y: missing");
    assert_refused(nested, "{\"name\":7,\"points\":[]}", "name: expected a string, got float64");
    assert_refused(nested, "{\"name\":null,\"points\":[]}", "name: expected a string, got null");
    assert_refused(nested, "{\"name\":\"n\",\"points\":{}}",
                   "points: expected an array, got object");
    assert_refused(nested, "[]", "expected an object, got array");
    assert_refused(kinds_m_list_result_trip, "[{\"kind\":\"a\",\"n\":\"1\"}]",
                   "[0].n: expected a float64, got string");
    assert_refused(kinds_q_a_result_trip, "{\"$integer\":\"AQAAAAAAAAA=\"}",
                   "expected a float64, got int64");
}

TEST(what_is_not_set_is_named)
{
    convex_value *value = NULL;
    convex_error error = {0};
    kinds_kinds_nested_result result = {.points = {.count = 1}};
    assert_int_equal(kinds_kinds_nested_result_encode(&result, NULL, &value, &error),
                     CONVEX_EINVAL);
    assert_string_equal(error.message, "name: not set");
    result.name = convex_str_of("n");
    assert_int_equal(kinds_kinds_nested_result_encode(&result, NULL, &value, &error),
                     CONVEX_EINVAL);
    assert_string_equal(error.message, "points: not set");
    kinds_outcome outcome = {.tag = KINDS_OUTCOME_OTHER};
    assert_int_equal(kinds_outcome_encode(&outcome, NULL, &value, &error), CONVEX_EINVAL);
    assert_string_equal(error.message, "not set");
    outcome.tag = (kinds_outcome_tag)99;
    assert_int_equal(kinds_outcome_encode(&outcome, NULL, &value, &error), CONVEX_EINVAL);
    assert_int_equal(kinds_outcome_encode(NULL, NULL, &value, &error), CONVEX_EINVAL);
    assert_int_equal(kinds_outcome_decode(NULL, NULL, &(const kinds_outcome *){0}, &error),
                     CONVEX_EINVAL);
    assert_null(value);
}

TEST(a_copy_is_there_when_its_original_is_gone)
{
    char text[] = "words";
    const kinds_outcome *copy = NULL;
    kinds_outcome outcome = {.tag = KINDS_OUTCOME_FAILED};
    outcome.as.failed.why = convex_str_of(text);
    assert_int_equal(kinds_outcome_copy(&outcome, NULL, &copy, NULL), CONVEX_OK);
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(copy->tag, KINDS_OUTCOME_FAILED);
    assert_string_equal(copy->as.failed.why.data, "words");
    kinds_outcome_unref(copy);
}

TEST(text_that_is_no_utf8_is_refused)
{
    convex_value *value = NULL;
    kinds_m_x_args args = {.text = {"\xff", 1}};
    assert_int_equal(kinds_m_x_args_encode(&args, NULL, &value, NULL), CONVEX_EINVAL);
    assert_null(value);
}

/* ---- unions and enums ---- */

TEST(an_unknown_variant_is_kept_as_it_came)
{
    convex_value *value = parse("{\"type\":\"later\",\"until\":5}"), *back = NULL;
    const kinds_outcome *outcome = NULL;
    assert_int_equal(kinds_outcome_decode(value, NULL, &outcome, NULL), CONVEX_OK);
    assert_int_equal(outcome->tag, KINDS_OUTCOME_OTHER);
    assert_true(convex_value_equal(outcome->as.other, value));
    assert_int_equal(kinds_outcome_encode(outcome, NULL, &back, NULL), CONVEX_OK);
    assert_true(convex_value_equal(back, value));
    kinds_outcome_unref(outcome);
    convex_value_unref(back);
    convex_value_unref(value);
}

TEST(a_variant_is_told_by_its_literal)
{
    convex_value *value = parse("{\"type\":\"failed\",\"why\":\"tired\"}");
    const kinds_outcome *outcome = NULL;
    assert_int_equal(kinds_outcome_decode(value, NULL, &outcome, NULL), CONVEX_OK);
    convex_value_unref(value); /* the struct holds it */
    assert_int_equal(outcome->tag, KINDS_OUTCOME_FAILED);
    assert_true(convex_str_equal(outcome->as.failed.why, "tired"));
    const kinds_outcome *kept = kinds_outcome_ref(outcome);
    kinds_outcome_unref(outcome);
    assert_string_equal(kept->as.failed.why.data, "tired");
    kinds_outcome_unref(kept);
    assert_null(kinds_outcome_ref(NULL));
    kinds_outcome_unref(NULL);
}

TEST(literals_have_texts)
{
    assert_string_equal(kinds_kinds_every_args_state_text(KINDS_KINDS_EVERY_ARGS_STATE_NOT_KNOWN),
                        "not-known");
    assert_string_equal(kinds_kinds_every_args_state_text(KINDS_KINDS_EVERY_ARGS_STATE_MINUS_5),
                        "-5");
    assert_null(kinds_kinds_every_args_state_text(KINDS_KINDS_EVERY_ARGS_STATE_OTHER));
    assert_null(kinds_kinds_every_args_state_text((kinds_kinds_every_args_state)99));
    assert_int_equal(kinds_kinds_every_args_state_find(convex_str_of("other")),
                     KINDS_KINDS_EVERY_ARGS_STATE_OTHER_2);
    assert_int_equal(kinds_kinds_every_args_state_find(convex_str_of("unheard of")),
                     KINDS_KINDS_EVERY_ARGS_STATE_OTHER);
    assert_int_equal(kinds_kinds_every_args_state_find(convex_str_of(NULL)),
                     KINDS_KINDS_EVERY_ARGS_STATE_OTHER);
}

/* ---- presence ---- */

static char *encoded(const kinds_paged_items_args *args)
{
    convex_value *value = NULL;
    assert_int_equal(kinds_paged_items_args_encode(args, NULL, &value, NULL), CONVEX_OK);
    char *text = print_as(value, CONVEX_ENCODED_JSON);
    convex_value_unref(value);
    return text;
}

TEST(absent_null_and_there_are_three_things)
{
    kinds_paged_items_args args = {.room = kinds_rooms_id_of("r")};
    args.pagination_opts.num_items = 5;
    char *text = encoded(&args);
    assert_string_equal(text,
                        "{\"paginationOpts\":{\"cursor\":null,\"numItems\":5},\"room\":\"r\"}");
    convex_text_free(text, NULL);
    args.pagination_opts.end_cursor_is_null = true;
    text = encoded(&args);
    assert_string_equal(
        text,
        "{\"paginationOpts\":{\"cursor\":null,\"endCursor\":null,\"numItems\":5},\"room\":\"r\"}");
    convex_text_free(text, NULL);
    args.pagination_opts.end_cursor = convex_str_of("e");
    args.pagination_opts.cursor = convex_str_of("");
    text = encoded(&args);
    assert_string_equal(
        text,
        "{\"paginationOpts\":{\"cursor\":\"\",\"endCursor\":\"e\",\"numItems\":5},\"room\":\"r\"}");
    convex_text_free(text, NULL);
}

TEST(a_result_may_be_null)
{
    convex_value *null = parse("null"), *back = NULL;
    const kinds_kinds_nested_result untouched, *result = &untouched;
    assert_int_equal(kinds_kinds_nested_result_decode(null, NULL, &result, NULL), CONVEX_OK);
    assert_null(result);
    assert_int_equal(kinds_kinds_nested_result_encode(NULL, NULL, &back, NULL), CONVEX_OK);
    assert_true(convex_value_equal(back, null));
    convex_value_unref(back);
    convex_value_unref(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_validators_allow_comes_through_unchanged),
        cmocka_unit_test(fields_of_a_newer_server_are_passed_over),
        cmocka_unit_test(any_value_at_all_is_decoded_or_refused),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(what_is_not_set_is_named),
        cmocka_unit_test(a_copy_is_there_when_its_original_is_gone),
        cmocka_unit_test(text_that_is_no_utf8_is_refused),
        cmocka_unit_test(an_unknown_variant_is_kept_as_it_came),
        cmocka_unit_test(a_variant_is_told_by_its_literal),
        cmocka_unit_test(literals_have_texts),
        cmocka_unit_test(absent_null_and_there_are_three_things),
        cmocka_unit_test(a_result_may_be_null),
    };
    return cmocka_run_group_tests(tests, read_spec, drop_spec);
}
