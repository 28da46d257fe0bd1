/* log_test.c - what a line looks like, whatever is put into it. */
#include "harness.h"

#include <pthread.h>

#include "daemon/log.h"

#define LINE(...)                                                                                  \
    (daemon_log_format(text, sizeof(text), 1767323045678, DAEMON_INFO, __VA_ARGS__), text)
#define HEAD "time=2026-01-02T03:04:05.678Z level=info "

static char text[8192];

TEST(a_line_has_time_level_message_and_fields)
{
    assert_string_equal(LINE("ready", NULL), HEAD "msg=ready\n");
    assert_string_equal(LINE("gateway ready", "session=%s guilds=%d", "abc", 2),
                        HEAD "msg=\"gateway ready\" session=abc guilds=2\n");
}

TEST(every_kind_of_number_is_printed)
{
    assert_string_equal(LINE("n", "a=%lld b=%zu c=%lu d=%x e=%.2f f=%c g=%5d", -1LL, (size_t)2, 3UL,
                             255, 1.5, 'x', 7),
                        HEAD "msg=n a=-1 b=2 c=3 d=ff e=1.50 f=x g=\"    7\"\n");
    assert_string_equal(LINE("n", "a=%.*s b=%s:%d c=100%% d=%s", 2, "abc", "host", 80, ""),
                        HEAD "msg=n a=ab b=host:80 c=100% d=\"\"\n");
}

TEST(a_value_cannot_begin_a_new_line_or_a_new_field)
{
    assert_string_equal(LINE("n", "a=%s b=%s", "x level=error", "y\nlevel=error"),
                        HEAD "msg=n a=\"x level=error\" b=\"y\\nlevel=error\"\n");
    assert_string_equal(LINE("n", "a=%s b=%s c=%s", "say \"x\"", "back\\slash", ""),
                        HEAD "msg=n a=\"say \\\"x\\\"\" b=\"back\\\\slash\" c=\"\"\n");
    assert_string_equal(LINE("n", "a=%s", "\x1b[31m\x7f\x01"),
                        HEAD "msg=n a=\"\\x1b[31m\\x7f\\x01\"\n");
}

TEST(utf8_is_kept_and_what_is_not_utf8_is_escaped)
{
    assert_string_equal(LINE("n", "a=%s", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80"),
                        HEAD "msg=n a=\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80\"\n");
    assert_string_equal(LINE("n", "a=%s", "\xff\xc3"), HEAD "msg=n a=\"\\xff\\xc3\"\n");
    assert_string_equal(LINE("n", "a=%s", "\xed\xa0\x80"), HEAD "msg=n a=\"\\xed\\xa0\\x80\"\n");
    assert_string_equal(LINE("n", "a=%s", "\xe2\x80\xa8"), HEAD "msg=n a=\"\\xe2\\x80\\xa8\"\n");
}

TEST(a_line_that_is_too_long_is_cut_and_says_so)
{
    static char longer[9000];
    char small[120];
    size_t length;

    memset(longer, 'x', sizeof(longer) - 1);
    length = daemon_log_format(small, sizeof(small), 0, DAEMON_WARN, "n", "a=%s b=%d", longer, 1);
    assert_true(length < sizeof(small));
    assert_string_equal(small + length - 16, " truncated=true\n");
}

TEST(a_registered_secret_never_occurs_in_a_line)
{
    daemon_log_redact("hunter2-secret");
    daemon_log_redact("with \"quotes\"\nand lines");
    daemon_log_redact("abc"); /* too short to be a secret */
    assert_string_equal(LINE("n", "a=%s b=x%sx", "hunter2-secret", "hunter2-secret"),
                        HEAD "msg=n a=[redacted] b=x[redacted]x\n");
    assert_string_equal(LINE("hunter2-secret", "a=%s", "abc"), HEAD "msg=[redacted] a=abc\n");
    assert_string_equal(LINE("n", "a=%s", "with \"quotes\"\nand lines"),
                        HEAD "msg=n a=\"[redacted]\"\n");
}

TEST(lines_below_the_level_are_dropped)
{
    daemon_level level;

    assert_true(daemon_level_parse("warn", &level));
    assert_int_equal(level, DAEMON_WARN);
    assert_false(daemon_level_parse("loud", &level));
    daemon_log_set_level(DAEMON_WARN);
    assert_false(daemon_log_enabled(DAEMON_INFO));
    assert_true(daemon_log_enabled(DAEMON_ERROR));
    daemon_log_set_level(DAEMON_INFO);
}

static void *write_lines(void *user)
{
    for (int i = 0; i < 200; i++)
        daemon_log(DAEMON_INFO, "line", "thread=%s number=%d", "worker", i);
    return NULL;
}

TEST(lines_of_several_threads_do_not_mix)
{
    pthread_t threads[3];
    FILE *file = tmpfile();
    char line[200];
    int lines = 0;

    assert_non_null(file);
    daemon_log_set_fd(fileno(file));
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    daemon_log_set_fd(2);
    rewind(file);
    while (fgets(line, sizeof(line), file)) {
        assert_non_null(strstr(line, "level=info msg=line thread=worker number="));
        lines++;
    }
    assert_int_equal(lines, 600);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_message_and_fields),
        cmocka_unit_test(every_kind_of_number_is_printed),
        cmocka_unit_test(a_value_cannot_begin_a_new_line_or_a_new_field),
        cmocka_unit_test(utf8_is_kept_and_what_is_not_utf8_is_escaped),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_says_so),
        cmocka_unit_test(lines_below_the_level_are_dropped),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
        cmocka_unit_test(a_registered_secret_never_occurs_in_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
