/* text_test.c - splitting long text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "discord/text.h"

static discord_parts parts;

static void split(const char *text, size_t limit)
{
    assert_int_equal(discord_text_split(text, strlen(text), limit, &parts), DISCORD_OK);
    for (size_t i = 0; i < parts.n; i++)
        assert_true(discord_text_units(parts.part[i], strlen(parts.part[i])) <= limit);
}

/* `unit` repeated n times, owned. */
static char *repeat(const char *unit, size_t n)
{
    size_t size = strlen(unit);
    char *text = malloc(size * n + 1);

    for (size_t i = 0; i < n; i++)
        memcpy(text + i * size, unit, size);
    text[size * n] = '\0';
    return text;
}

static void short_text_stays_whole(void **state)
{
    split("hello\nworld", 2000);
    assert_int_equal(parts.n, 1);
    assert_string_equal(parts.part[0], "hello\nworld");
    discord_parts_done(&parts);
}

static void units_are_utf16_not_bytes(void **state)
{
    assert_int_equal(discord_text_units("a\xC3\xA9\xF0\x9F\x98\x80", 7), 4);
    assert_int_equal(discord_text_units("\xFF\xFE", 2), 2);
    char *text = repeat("\xC3\xA9", 2000); /* 4000 bytes, 2000 units */
    split(text, 2000);
    assert_int_equal(parts.n, 1);
    discord_parts_done(&parts);
    free(text);
    text = repeat("\xF0\x9F\x98\x80", 1001); /* 2002 units */
    split(text, 2000);
    assert_int_equal(parts.n, 2);
    assert_int_equal(strlen(parts.part[0]) % 4, 0);
    assert_int_equal(strlen(parts.part[0]) + strlen(parts.part[1]), 4004);
    discord_parts_done(&parts);
    free(text);
}

static void a_blank_line_is_preferred_to_a_newline_to_a_space(void **state)
{
    split("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\nbbbb bbbb\ncccc dddddddddddddddddddd", 64);
    assert_int_equal(parts.n, 2);
    assert_string_equal(parts.part[0], "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    discord_parts_done(&parts);
    split("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbb\ncccc dddddddddddddddddddddddddddd", 64);
    assert_string_equal(parts.part[0], "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbb");
    assert_string_equal(parts.part[1], "cccc dddddddddddddddddddddddddddd");
    discord_parts_done(&parts);
}

static void an_open_fence_is_closed_and_opened_again_with_its_language(void **state)
{
    split("```py\nline one of some code\nline two of some code\nline three of some code\n"
          "line four\n```\nafter",
          64);
    assert_true(parts.n >= 2);
    for (size_t i = 0; i < parts.n; i++) {
        unsigned fences = 0;
        for (const char *at = parts.part[i]; (at = strstr(at, "```")); at += 3)
            fences++;
        assert_int_equal(fences % 2, 0);
    }
    assert_memory_equal(parts.part[1], "```py\n", 6);
    assert_null(strstr(parts.part[0] + 3, "```py"));
    discord_parts_done(&parts);
}

static void nothing_but_white_space_gives_no_part(void **state)
{
    split("", 64);
    assert_int_equal(parts.n, 0);
    split(" \n\t ", 64);
    assert_int_equal(parts.n, 0);
    discord_parts_done(&parts);
    discord_parts_done(&parts);
}

static void malformed_text_comes_out_well_formed(void **state)
{
    assert_int_equal(discord_text_split("a\0b\xFF", 4, 64, &parts), DISCORD_OK);
    assert_string_equal(parts.part[0], "a\xEF\xBF\xBD"
                                       "b\xEF\xBF\xBD");
    discord_parts_done(&parts);
}

static void a_tiny_limit_is_refused(void **state)
{
    assert_int_equal(discord_text_split("a", 1, 10, &parts), DISCORD_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_text_stays_whole),
        cmocka_unit_test(units_are_utf16_not_bytes),
        cmocka_unit_test(a_blank_line_is_preferred_to_a_newline_to_a_space),
        cmocka_unit_test(an_open_fence_is_closed_and_opened_again_with_its_language),
        cmocka_unit_test(nothing_but_white_space_gives_no_part),
        cmocka_unit_test(malformed_text_comes_out_well_formed),
        cmocka_unit_test(a_tiny_limit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
