/* trade_test.c - what is read out of the messages in trades/, field by field, and small rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trade_case.h"
#include "trade_items.h"
#include "trade_words.h"

static void compare(const trade_case *c, void *user)
{
    int *wrong = user;
    trade_list found;
    assert_int_equal(trade_parse_all(c->parts, c->n_parts, &found), 0);
    *wrong += case_compare(c, &found) > 0;
}

/* Prints which field of which message differs. */
static void check_file(const char *path, int least)
{
    int wrong = 0, count = case_each(path, compare, &wrong);
    assert_true(count >= least);
    assert_int_equal(wrong, 0);
}

static void labelled_messages_are_read(void **state)
{
    check_file("tests/trades/premium.txt", 30);
}

static void one_liners_are_read(void **state)
{
    check_file("tests/trades/oneline.txt", 15);
}

static void messages_of_bots_are_read(void **state)
{
    check_file("tests/trades/bots.txt", 15);
}

static void many_languages_are_read(void **state)
{
    check_file("tests/trades/languages.txt", 25);
}

static void numbers_of_every_style_are_exact(void **state)
{
    check_file("tests/trades/numbers.txt", 20);
}

static void updates_are_told_from_entries(void **state)
{
    check_file("tests/trades/updates.txt", 30);
}

static void talk_news_and_advertising_are_no_trades(void **state)
{
    check_file("tests/trades/talk.txt", 30);
}

static void messages_written_after_the_reader_was_done_are_read(void **state)
{
    check_file("tests/trades/later.txt", 140);
}

static void layouts_of_rooms_that_are_known_are_read(void **state)
{
    check_file("tests/trades/rooms.txt", 200);
}

static void forms_without_common_labels_are_read(void **state)
{
    check_file("tests/trades/forms.txt", 30);
}

static void each_trade_of_a_message_is_read(void **state)
{
    check_file("tests/trades/several.txt", 20);
}

static void a_message_of_several_trades_has_no_single_one(void **state)
{
    static const char text[] = "BTC long 64k sl 63k tp 66k\nETH short 3400 sl 3480 tp 3300";
    trade_part part = {"content", text, strlen(text), false};
    trade found;
    assert_int_equal(trade_parse(&part, 1, &found), 0);
    assert_int_equal(found.kind, TRADE_NONE);
}

static void more_trades_than_fit_are_none(void **state)
{
    char text[1024] = "";
    static const char *const coins[] = {"BTC", "ETH", "SOL",  "XRP", "ADA",
                                        "INJ", "ARB", "DOGE", "LTC"};
    trade_list found;
    for (size_t i = 0; i <= TRADE_LIST_MAX; i++) {
        trade_part part = {"content", text, strlen(text), false};
        assert_int_equal(trade_parse_all(&part, 1, &found), 0);
        assert_int_equal(found.count, i);
        snprintf(text + strlen(text), 64, "#%s/USDT long 64000 tp 66000 sl 63000\n", coins[i]);
    }
    trade_part part = {"content", text, strlen(text), false};
    assert_int_equal(trade_parse_all(&part, 1, &found), 0);
    assert_int_equal(found.count, 0);
}

static void the_words_are_in_order_and_folded(void **state)
{
    for (size_t i = 0; i < trade_phrase_count; i++) {
        const char *text = trade_phrases[i].text;
        assert_true(i == 0 || strcmp(trade_phrases[i - 1].text, text) < 0);
        assert_ptr_equal(trade_phrase_find(text), &trade_phrases[i]);
        assert_true(strlen(text) < TRADE_PHRASE_SIZE);
        for (const char *p = text; *p; p++)
            assert_false(*p >= 'A' && *p <= 'Z');
    }
    assert_null(trade_phrase_find("no such word"));
}

static void each_coin_is_found(void **state)
{
    for (size_t i = 0; i < trade_coin_count; i++) {
        char text[64], want[64] = "";
        for (size_t n = 0; trade_coins[i][n]; n++)
            want[n] = trade_coins[i][n] >= 'a' && trade_coins[i][n] <= 'z'
                          ? (char)(trade_coins[i][n] - 32)
                          : trade_coins[i][n];
        snprintf(text, sizeof text, "$%s long 5.25 sl 5.01 tp 5.95", trade_coins[i]);
        trade_part part = {"content", text, strlen(text), false};
        trade found;
        assert_int_equal(trade_parse(&part, 1, &found), 0);
        assert_string_equal(found.base, strcmp(want, "XBT") == 0 ? "BTC" : want);
        assert_true(i == 0 || (trade_coins[i - 1][0] | 32) <= (trade_coins[i][0] | 32));
    }
}

static void a_slip_of_the_keyboard_is_mended_a_different_word_is_not(void **state)
{
    static const char *const slips[] = {"enrty",  "entyr",   "tragets",
                                        "targts", "leverge", "stoploos"};
    static const char *const others[] = {"every", "tarot", "lever", "gentry", "ent", "stop"};
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++)
        assert_non_null(trade_phrase_near(slips[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(trade_phrase_near(others[i]));
}

static void spans_are_slices_as_javascript_makes_them(void **state)
{
    static const char text[] =
        "\xF0\x9F\x9A\x80\xF0\x9F\x9A\x80 BTC/USDT long 64,120 sl 63k tp 66k";
    trade_part part = {"content", text, strlen(text), false};
    trade found;
    assert_int_equal(trade_parse(&part, 1, &found), 0);
    assert_int_equal(found.n_spans, 5);
    assert_int_equal(found.spans[0].field, TRADE_FIELD_SYMBOL);
    assert_int_equal(found.spans[0].start, 5); /* a rocket has two units */
    assert_int_equal(found.spans[0].end, 13);
    assert_int_equal(found.spans[2].field, TRADE_FIELD_ENTRY);
    assert_int_equal(found.spans[2].start, 19);
    assert_int_equal(found.spans[2].end, 25);
}

static void spans_of_an_embed_name_its_parts(void **state)
{
    const trade_part parts[] = {{"embeds[0].title", "BTC/USDT LONG", 13, false},
                                {"embeds[0].fields[0].name", "Entry", 5, true},
                                {"embeds[0].fields[0].value", "64000", 5, false},
                                {"embeds[0].fields[1].name", "Stop", 4, true},
                                {"embeds[0].fields[1].value", "63000", 5, false}};
    trade found;
    assert_int_equal(trade_parse(parts, 5, &found), 0);
    assert_int_equal(found.kind, TRADE_ENTRY);
    assert_int_equal(found.spans[2].part, 2);
    assert_int_equal(found.spans[3].part, 4);
}

static void nothing_is_no_trade(void **state)
{
    trade_part part = {"content", "", 0, false};
    trade found;
    assert_int_equal(trade_parse(&part, 1, &found), 0);
    assert_int_equal(found.kind, TRADE_NONE);
    assert_int_equal(trade_parse(&part, 0, &found), 0);
    assert_int_equal(found.kind, TRADE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labelled_messages_are_read),
        cmocka_unit_test(one_liners_are_read),
        cmocka_unit_test(messages_of_bots_are_read),
        cmocka_unit_test(many_languages_are_read),
        cmocka_unit_test(numbers_of_every_style_are_exact),
        cmocka_unit_test(updates_are_told_from_entries),
        cmocka_unit_test(talk_news_and_advertising_are_no_trades),
        cmocka_unit_test(messages_written_after_the_reader_was_done_are_read),
        cmocka_unit_test(layouts_of_rooms_that_are_known_are_read),
        cmocka_unit_test(forms_without_common_labels_are_read),
        cmocka_unit_test(each_trade_of_a_message_is_read),
        cmocka_unit_test(a_message_of_several_trades_has_no_single_one),
        cmocka_unit_test(more_trades_than_fit_are_none),
        cmocka_unit_test(the_words_are_in_order_and_folded),
        cmocka_unit_test(each_coin_is_found),
        cmocka_unit_test(a_slip_of_the_keyboard_is_mended_a_different_word_is_not),
        cmocka_unit_test(spans_are_slices_as_javascript_makes_them),
        cmocka_unit_test(spans_of_an_embed_name_its_parts),
        cmocka_unit_test(nothing_is_no_trade),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
