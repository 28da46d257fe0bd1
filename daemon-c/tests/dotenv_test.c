/* dotenv_test.c - the grammar of .env files, case by case. */
#include "harness.h"

#include <errno.h>

#include "dotenv.h"

static void collect(const char *key, const char *value, int line, void *user)
{
    char *seen = user;

    sprintf(seen + strlen(seen), "%d:%s=[%s];", line, key, value);
}

static void assert_read(const char *text, const char *expected)
{
    char seen[1000] = "";
    dotenv_error error;

    assert_int_equal(dotenv_parse(text, strlen(text), collect, seen, &error), 0);
    assert_string_equal(seen, expected);
}

static void assert_error(const char *text, size_t size, int line, const char *reason)
{
    char seen[1000] = "";
    dotenv_error error = {0, NULL};

    assert_int_equal(dotenv_parse(text, size, collect, seen, &error), -EINVAL);
    assert_int_equal(error.line, line);
    assert_string_equal(error.reason, reason);
}

TEST(plain_values_end_at_the_line_or_at_a_comment)
{
    assert_read("", "");
    assert_read("A=1\nB=two words  \n", "1:A=[1];2:B=[two words];");
    assert_read("A=1 # why\nB=a#b\n#C=3\n  D = 4", "1:A=[1];2:B=[a#b];4:D=[4];");
    assert_read("A=\nB=#x\n", "1:A=[];2:B=[];");
    assert_read("A=a=b\r\nB=2\r\n", "1:A=[a=b];2:B=[2];");
    assert_read("export A=1\nexported=2\n", "1:A=[1];2:exported=[2];");
    assert_read("\xef\xbb\xbf"
                "A=1",
                "1:A=[1];");
}

TEST(quotes_keep_blanks_comments_and_lines)
{
    assert_read("A=\" a # b \" # c\n", "1:A=[ a # b ];");
    assert_read("A='a\\n\"b'\n", "1:A=[a\\n\"b];");
    assert_read("A=\"a\\n\\t\\\"\\\\\\$\\q\"", "1:A=[a\n\t\"\\$\\q];");
    assert_read("A='1\n2'\nB=3", "1:A=[1\n2];3:B=[3];");
}

TEST(what_is_no_entry_is_named_with_its_line)
{
    assert_error("A=1\n=2", 6, 2, "expected KEY=VALUE");
    assert_error("A=1\n\nnonsense\n", 14, 3, "expected '=' after the key");
    assert_error("A=\"x\ny", 6, 1, "a quote is opened and never closed");
    assert_error("A='x'y", 6, 1, "text after the closing quote");
    assert_error("A=\0b", 4, 1, "a NUL byte: this is not a text file");
    assert_error("1A=2", 4, 1, "expected KEY=VALUE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_values_end_at_the_line_or_at_a_comment),
        cmocka_unit_test(quotes_keep_blanks_comments_and_lines),
        cmocka_unit_test(what_is_no_entry_is_named_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
