/* trade_steps_test.c - reading is linear: counted in basic blocks, by the compiler's own hook, of a
 * build of the reader made for this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trade.h"

static uint64_t steps;

void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

static uint64_t steps_of(const char *piece, size_t size)
{
    size_t len = strlen(piece);
    char *text = malloc(size + len);
    trade found;
    assert_non_null(text);
    for (size_t at = 0; at < size; at += len)
        memcpy(text + at, piece, len);
    trade_part part = {"content", text, size, false};
    steps = 0;
    assert_int_equal(trade_parse(&part, 1, &found), 0);
    free(text);
    return steps;
}

static void twice_the_text_takes_twice_the_steps(void **state)
{
    enum { SIZE = 4000, MOST_A_BYTE = 4000 };
    static const char *const pieces[] = {"a",
                                         " ",
                                         "\n",
                                         "1",
                                         "1,",
                                         "1.",
                                         "1 ",
                                         "1) ",
                                         "111 ",
                                         "**",
                                         "||",
                                         "`",
                                         "```",
                                         "```js\n",
                                         "<",
                                         "<@",
                                         ":",
                                         ":a_",
                                         "-",
                                         "- ",
                                         "!",
                                         "?",
                                         "#",
                                         "$",
                                         ">",
                                         "%",
                                         "1% ",
                                         "BTC ",
                                         "BTC/USDT ",
                                         "#BTC ",
                                         "NEAR ",
                                         "long ",
                                         "sell 1 ",
                                         "TP1 ",
                                         "tp 1 2 ",
                                         "TP1 hit ",
                                         "SL ",
                                         "SL to ",
                                         "entry ",
                                         "is ",
                                         "if ",
                                         "not ",
                                         "close ",
                                         "half ",
                                         "10x ",
                                         "x10 ",
                                         "k ",
                                         "43k-",
                                         "at ",
                                         "first ",
                                         "all tp ",
                                         "risk ",
                                         "http://",
                                         "e t s ",
                                         "0.00001 ",
                                         "\xE5\x88\xA9\xE7\xA2\xBA",
                                         "\xF0\x9F\x9A\x80",
                                         "\xE2\x9C\x85",
                                         "\xE2\x80\x8B",
                                         "\xF0",
                                         "\xD1\x82\xD0\xBF ",
                                         "\xE2\x91\xA0",
                                         "TP1 \xE2\x9C\x85 ",
                                         "\xE2\x9C\x85 tp q q q ",
                                         "take profit ",
                                         "stop loss hit "};
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        uint64_t once = steps_of(pieces[i], SIZE), twice = steps_of(pieces[i], 2 * SIZE);
        if (twice > 2 * once + once / 4)
            printf("\"%s\": %llu steps, and %llu for twice the text\n", pieces[i],
                   (unsigned long long)once, (unsigned long long)twice);
        assert_true(once >= SIZE / 8); /* the hook counts */
        assert_true(twice <= 2 * once + once / 4);
        most = once > most ? once : most;
    }
    assert_true(most <= (uint64_t)SIZE * MOST_A_BYTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(twice_the_text_takes_twice_the_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
