/* value_random_test.c - what holds for any value and any number, tried on many. */
#include "tests/support.h"

#include <locale.h>
#include <math.h>

/* How often something is tried; a part of it under valgrind. */
static int rounds(int all)
{
    const char *part = getenv("CONVEX_RANDOM_PART");
    int parts = part ? atoi(part) : 1;
    return parts > 1 ? all / parts + 1 : all;
}

/* ---- random values ---- */

static void write_random_text(convex_builder *b, uint64_t *seed, bool key)
{
    static const char *const pieces[] = {
        "a", "B", "~", " ", "$", "\"\\", "x", "9", "\xc3\xa9", "\xf0\x9f\x98\x80", "\n", "\1"};
    char text[200] = "k";
    size_t len = key ? 1 : 0;
    size_t choices = key ? 8 : sizeof pieces / sizeof pieces[0];
    for (uint64_t n = draw_below(seed, 24); n > 0; n--) {
        const char *piece = pieces[draw_below(seed, choices)];
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    if (key) {
        convex_builder_key_n(b, text, len);
        return;
    }
    if (draw_below(seed, 8) == 0)
        text[len++] = '\0';
    convex_builder_string(b, text, len);
}

static double random_double(uint64_t *seed)
{
    uint64_t bits = draw(seed);
    double d;
    switch (draw_below(seed, 4)) {
    case 0:
        return (double)(int64_t)bits / 1024;
    case 1:
        return (double)(bits % 2000000) / 100;
    case 2:
        return (double)(int32_t)bits;
    default:
        memcpy(&d, &bits, sizeof d);
        return d;
    }
}

static void write_random(convex_builder *b, uint64_t *seed, int depth)
{
    uint64_t n = draw_below(seed, 40);
    switch (draw_below(seed, depth > 0 ? 8 : 6)) {
    case 0:
        convex_builder_null(b);
        break;
    case 1:
        convex_builder_bool(b, n & 1);
        break;
    case 2:
        convex_builder_int64(b, (int64_t)draw(seed) >> draw_below(seed, 64));
        break;
    case 3:
        convex_builder_float64(b, random_double(seed));
        break;
    case 4:
        write_random_text(b, seed, false);
        break;
    case 5:
        convex_builder_bytes(b, "0123456789abcdef0123456789abcdef0123456789", (size_t)n);
        break;
    case 6:
        convex_builder_begin_array(b);
        for (uint64_t i = 0; i < n % 12; i++)
            write_random(b, seed, depth - 1);
        convex_builder_end(b);
        break;
    default:
        convex_builder_begin_object(b);
        for (uint64_t i = 0; i < n % 12; i++) {
            write_random_text(b, seed, true);
            write_random(b, seed, depth - 1);
        }
        convex_builder_end(b);
        break;
    }
}

static convex_value *random_value(uint64_t *seed)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *v = NULL;
    write_random(b, seed, 5);
    assert_int_equal(convex_builder_finish(b, &v, NULL), CONVEX_OK);
    convex_builder_free(b);
    return v;
}

TEST(printing_and_parsing_gives_the_same_value_and_the_same_text)
{
    uint64_t seed = 1;
    for (int i = 0; i < rounds(3000); i++) {
        convex_value *v = random_value(&seed), *back = NULL;
        char *text = print_as(v, CONVEX_ENCODED_JSON);
        back = parse(text);
        if (!convex_value_equal(v, back))
            fail_msg("%s", text);
        assert_int_equal(convex_value_size(v), convex_value_size(back));
        assert_prints(back, text);
        convex_text_free(text, NULL);
        convex_value_unref(v);
        convex_value_unref(back);
    }
}

TEST(the_order_of_values_is_total)
{
    uint64_t seed = 2;
    for (int i = 0; i < rounds(3000); i++) {
        convex_value *a = random_value(&seed), *b = random_value(&seed), *c = random_value(&seed);
        int ab = convex_value_compare(a, b), bc = convex_value_compare(b, c);
        assert_true((ab > 0) == (convex_value_compare(b, a) < 0));
        assert_true((ab == 0) == convex_value_equal(a, b));
        if (ab <= 0 && bc <= 0)
            assert_true(convex_value_compare(a, c) <= 0);
        convex_value_unref(a);
        convex_value_unref(b);
        convex_value_unref(c);
    }
}

TEST(every_prefix_of_a_text_is_refused)
{
    uint64_t seed = 3;
    for (int i = 0; i < rounds(100); i++) {
        convex_value *v = random_value(&seed), *back = NULL;
        convex_type type = convex_value_type(v);
        char *text = print_as(v, CONVEX_ENCODED_JSON);
        size_t len = strlen(text);
        for (size_t cut = 0; cut < len && type != CONVEX_FLOAT64; cut++) {
            char *exact = malloc(cut + 1);
            memcpy(exact, text, cut);
            char *at_end = realloc(exact, cut > 0 ? cut : 1);
            assert_int_equal(
                convex_value_parse(at_end, cut, CONVEX_ENCODED_JSON, 0, NULL, &back, NULL),
                CONVEX_EINVAL);
            free(at_end);
        }
        convex_text_free(text, NULL);
        convex_value_unref(v);
    }
}

/* Writes an object of random names in random order, some in objects and arrays below; more
 * names than the parser remembers, so that its guesses go wrong too. */
static size_t write_shuffled(char *out, uint64_t *seed, int depth)
{
    size_t len = (size_t)sprintf(out, "{");
    uint64_t start = draw_below(seed, 500), step = 1 + draw_below(seed, 7);
    uint64_t count = draw_below(seed, 8);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t n = draw_below(seed, 6) == 0 ? draw_below(seed, 500) : (start + i * step) % 500;
        len += (size_t)sprintf(out + len, "%s\"k%d\":", i == 0 ? "" : ",", (int)n);
        if (depth > 0 && draw_below(seed, 2) == 0) {
            bool array = draw_below(seed, 2) == 0;
            len += (size_t)sprintf(out + len, array ? "[" : "");
            len += write_shuffled(out + len, seed, depth - 1);
            len += (size_t)sprintf(out + len, array ? "]" : "");
        } else {
            len += (size_t)sprintf(out + len, "%d", (int)i);
        }
    }
    return len + (size_t)sprintf(out + len, "}");
}

static void assert_sorted(const convex_value *v)
{
    for (size_t i = 0; i < convex_value_count(v); i++) {
        const char *key = convex_value_key_at(v, i, NULL);
        assert_sorted(convex_value_at(v, i));
        if (key == NULL)
            continue;
        if (i > 0)
            assert_true(strcmp(convex_value_key_at(v, i - 1, NULL), key) < 0);
        assert_ptr_equal(convex_value_field(v, key), convex_value_at(v, i));
    }
}

TEST(names_come_out_sorted_in_whatever_order_they_were_written)
{
    uint64_t seed = 7;
    char *json = malloc(1 << 20);
    for (int i = 0; i < rounds(300); i++) {
        size_t len = (size_t)sprintf(json, "[");
        for (int n = 0; n < 20; n++) {
            len += (size_t)sprintf(json + len, n == 0 ? "" : ",");
            len += write_shuffled(json + len, &seed, 2);
        }
        sprintf(json + len, "]");
        convex_value *v = parse(json);
        assert_sorted(v);
        convex_value_unref(v);
    }
    free(json);
}

/* The parser remembers which name followed which. Here another name has taken the place of
 * the one it remembers, for those pairs that share a place. */
TEST(a_name_in_the_place_of_another_is_not_taken_for_it)
{
    for (int i = 0; i < rounds(10000); i++) {
        char json[96];
        sprintf(json, "[{\"m\":0,\"z%d\":0},{\"a%d\":0},{\"m\":0,\"a%d\":0}]", i / 100, i % 100,
                i % 100);
        convex_value *v = parse(json);
        assert_sorted(v);
        convex_value_unref(v);
    }
}

/* Objects with the names of the protocol's frames, of which the parser knows what order to expect:
 * in that order, in another, some left out, some spelled with an escape, at any depth. */
static size_t write_frame(char *out, uint64_t *seed, int depth)
{
    static const char *const names[] = {
        "type",    "startVersion", "querySet", "identity", "ts", "endVersion", "modifications",
        "queryId", "value",        "logLines", "journal",  "x",  "\\u0074ype"};
    size_t len = (size_t)sprintf(out, "{"), count = sizeof names / sizeof *names;
    size_t at = draw_below(seed, count);

    for (uint64_t i = 0, n = draw_below(seed, 6); i < n; i++) {
        at = draw_below(seed, 3) == 0 ? draw_below(seed, count) : (at + 1) % count;
        len += (size_t)sprintf(out + len, "%s\"%s\":", i == 0 ? "" : ",", names[at]);
        if (depth > 0 && draw_below(seed, 2) == 0) {
            bool array = draw_below(seed, 2) == 0;
            len += (size_t)sprintf(out + len, array ? "[" : "");
            len += write_frame(out + len, seed, depth - 1);
            len += (size_t)sprintf(out + len, array ? "]" : "");
        } else {
            len += (size_t)sprintf(out + len, "%d", (int)i);
        }
    }
    return len + (size_t)sprintf(out + len, "}");
}

TEST(names_known_beforehand_change_nothing_but_the_time)
{
    uint64_t seed = 8;
    char *json = malloc(1 << 20);
    for (int i = 0; i < rounds(5000); i++) {
        size_t len = write_frame(json, &seed, 4);
        convex_value *v = parse(json), *frame = NULL;
        assert_int_equal(
            convex_value_parse(json, len, CONVEX_ENCODED_JSON, 64 + 8, NULL, &frame, NULL),
            CONVEX_OK);
        assert_sorted(frame);
        if (!convex_value_equal(v, frame) || convex_value_compare(v, frame) != 0)
            fail_msg("%s", json);
        convex_value_unref(v);
        convex_value_unref(frame);
    }
    free(json);
}

/* ---- equality ---- */

/* Twenty like objects in a list; the one at `odd` is another, if there is that many a way. */
static convex_value *like_objects(int odd, size_t way)
{
    static const char *const others[] = {
        "{\"a\":1,\"b\":\"text\",\"c\":{\"x\":true,\"y\":null},\"d\":[1]}",
        "{\"a\":1,\"b\":\"texT\",\"c\":{\"x\":true,\"y\":null},\"d\":[1]}",
        "{\"a\":2,\"b\":\"text\",\"c\":{\"x\":true,\"y\":null},\"d\":[1]}",
        "{\"a\":1,\"b\":\"text\",\"c\":{\"x\":false,\"y\":null},\"d\":[1]}",
        "{\"a\":1,\"b\":\"text\",\"c\":{\"x\":true,\"z\":null},\"d\":[1]}",
        "{\"a\":1,\"b\":\"text\",\"c\":{\"x\":true},\"d\":[1]}",
        "{\"B\":\"text\",\"a\":1,\"c\":{\"x\":true,\"y\":null},\"d\":[1]}",
        "{\"a\":1,\"b\":\"text\",\"c\":{\"x\":true,\"y\":null},\"d\":[1,2]}",
        "{\"a\":1,\"b\":\"text\",\"c\":[],\"d\":[1]}"};
    char json[2000];
    size_t len = (size_t)sprintf(json, "[");

    if (way >= sizeof others / sizeof *others)
        return NULL;
    for (int i = 0; i < 20; i++)
        len += (size_t)sprintf(json + len, "%s%s", i == 0 ? "" : ",", others[i == odd ? way : 0]);
    sprintf(json + len, "]");
    return parse(json);
}

TEST(one_difference_anywhere_makes_two_values_unequal)
{
    convex_value *plain = like_objects(0, 0), *other;
    for (int odd = 0; odd < 20; odd++) {
        for (size_t way = 0; (other = like_objects(odd, way)) != NULL; way++) {
            assert_true(convex_value_equal(plain, other) == (way == 0));
            assert_true(convex_value_equal(other, plain) == (way == 0));
            assert_true((convex_value_compare(other, plain) == 0) == (way == 0));
            convex_value_unref(other);
        }
    }
    assert_false(convex_value_equal(plain, NULL));
    assert_false(convex_value_equal(NULL, plain));
    assert_true(convex_value_equal(NULL, NULL));
    convex_value_unref(plain);
}

/* ---- numbers ---- */

static double parse_number(const char *text)
{
    convex_value *v = parse(text);
    double d = 0;
    assert_true(convex_value_float64(v, &d));
    convex_value_unref(v);
    return d;
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void print_number(double d, char *ret, size_t size)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *v = NULL;
    convex_builder_float64(b, d);
    assert_int_equal(convex_builder_finish(b, &v, NULL), CONVEX_OK);
    char *text = print_as(v, CONVEX_ENCODED_JSON);
    snprintf(ret, size, "%s", text);
    convex_text_free(text, NULL);
    convex_value_unref(v);
    convex_builder_free(b);
}

TEST(any_decimal_reads_as_the_nearest_double)
{
    uint64_t seed = 4;
    for (int i = 0; i < rounds(100000); i++) {
        char text[64];
        size_t len = 0;
        if (draw_below(&seed, 2))
            text[len++] = '-';
        text[len++] = (char)('1' + draw_below(&seed, 9));
        for (uint64_t n = draw_below(&seed, 22); n > 0; n--)
            text[len++] = (char)('0' + draw_below(&seed, 10));
        if (draw_below(&seed, 4)) {
            text[len++] = '.';
            for (uint64_t n = draw_below(&seed, 10) + 1; n > 0; n--)
                text[len++] = (char)('0' + draw_below(&seed, 10));
        }
        text[len] = '\0';
        if (draw_below(&seed, 3) == 0)
            sprintf(text + len, "e%d", (int)draw_below(&seed, 60) - 30);
        if (!same_bits(parse_number(text), strtod(text, NULL)))
            fail_msg("%s", text);
    }
}

TEST(a_decimal_halfway_between_two_doubles_reads_as_the_even_one)
{
    uint64_t seed = 5;
    for (int i = 0; i < rounds(20000); i++) { /* 2^53 and up: the odd integers are halfway */
        char text[64];
        uint64_t n = (UINT64_C(1) << 53) + 1 + 2 * draw_below(&seed, UINT64_C(1) << 51);
        sprintf(text, "%llu.%0*d", (unsigned long long)n, (int)draw_below(&seed, 3) + 1, 0);
        assert_true(same_bits(parse_number(text), strtod(text, NULL)));
    }
}

TEST(any_double_prints_as_text_that_reads_back_as_itself)
{
    uint64_t seed = 6;
    for (int i = 0; i < rounds(50000); i++) {
        double d = random_double(&seed);
        char text[64];
        if (!isfinite(d) || (d == 0 && signbit(d)))
            continue;
        print_number(d, text, sizeof text);
        if (!same_bits(parse_number(text), d))
            fail_msg("%s is not %.17g", text, d);
    }
}

/* The digits of a number without exponent, from the first that is not 0 to the last. */
static int digits_of(const char *text, char ret[32])
{
    int count = 0, last = 0;
    for (; *text; text++) {
        if (*text == '.' || (count == 0 && *text == '0'))
            continue;
        assert_true(*text >= '0' && *text <= '9' && count < 31);
        ret[count++] = *text;
        if (*text != '0')
            last = count;
    }
    ret[last] = '\0';
    return last;
}

/* Creation times, prices, halves of large integers: what printf gives for one digit less does not
 * read back, and for as many it is the same. */
TEST(any_ordinary_fraction_prints_with_the_fewest_digits_nearest_to_it)
{
    uint64_t seed = 9;
    for (int i = 0; i < rounds(100000); i++) {
        double whole = (double)draw_below(&seed, UINT64_C(1) << draw_below(&seed, 53));
        double d = whole + (double)draw(&seed) / 0x1p64;
        if (i % 3 == 0)
            d = (double)draw_below(&seed, 100000000) / 10000;
        char text[64], digits[32], other[64], same[32];
        if (d < 1e-4 || d >= 0x1p53 || d == floor(d))
            continue;
        print_number(d, text, sizeof text);
        int count = digits_of(text, digits);
        snprintf(other, sizeof other, "%.*e", count - 1, d);
        other[strcspn(other, "e")] = '\0';
        digits_of(other, same);
        if (!same_bits(parse_number(text), d) || strcmp(digits, same) != 0)
            fail_msg("%s is not %.17g", text, d);
        snprintf(other, sizeof other, "%.*e", count - 2, d);
        if (count > 1 && same_bits(strtod(other, NULL), d))
            fail_msg("%s is longer than %s", text, other);
    }
}

TEST(a_double_is_spelled_as_ecmascript_spells_it)
{
    static const struct {
        double d;
        const char *text;
    } cases[] = {
        {0x1p-44, "5.684341886080802e-14"}, /* the nearest 16 digits are another double */
        {0x1p-1074, "5e-324"},
        {0x1.8p-1073, "1.5e-323"},
        {0x1p-1022, "2.2250738585072014e-308"},
        {9007199254740991.0, "9007199254740991"},
        {9007199254740994.0, "9007199254740994"},
        {123456789012345680000.0, "123456789012345680000"},
        {1e21, "1e+21"},
        {1.5e300, "1.5e+300"},
        {1e-6, "0.000001"},
        {1.5e-7, "1.5e-7"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100.25, "100.25"},
        {-37621005951.846695, "-37621005951.846695"},
        {1763704800123.4568, "1763704800123.4568"},
        {0.00001234, "0.00001234"},
        {4.35, "4.35"},
        {0x1.fffffffffffffp1023, "1.7976931348623157e+308"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        print_number(cases[i].d, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

TEST(the_locale_changes_nothing)
{
    static const char *const with_comma[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    for (size_t i = 0; i < sizeof with_comma / sizeof with_comma[0]; i++) {
        if (setlocale(LC_ALL, with_comma[i]) != NULL)
            break;
    }
    char text[64];
    print_number(1.2345678901234568e-300, text, sizeof text);
    assert_string_equal(text, "1.2345678901234568e-300");
    assert_true(same_bits(parse_number("1.2345678901234568e-300"), 1.2345678901234568e-300));
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printing_and_parsing_gives_the_same_value_and_the_same_text),
        cmocka_unit_test(the_order_of_values_is_total),
        cmocka_unit_test(every_prefix_of_a_text_is_refused),
        cmocka_unit_test(names_come_out_sorted_in_whatever_order_they_were_written),
        cmocka_unit_test(a_name_in_the_place_of_another_is_not_taken_for_it),
        cmocka_unit_test(names_known_beforehand_change_nothing_but_the_time),
        cmocka_unit_test(one_difference_anywhere_makes_two_values_unequal),
        cmocka_unit_test(any_decimal_reads_as_the_nearest_double),
        cmocka_unit_test(a_decimal_halfway_between_two_doubles_reads_as_the_even_one),
        cmocka_unit_test(any_double_prints_as_text_that_reads_back_as_itself),
        cmocka_unit_test(any_ordinary_fraction_prints_with_the_fewest_digits_nearest_to_it),
        cmocka_unit_test(a_double_is_spelled_as_ecmascript_spells_it),
        cmocka_unit_test(the_locale_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
