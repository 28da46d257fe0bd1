/* trade_property_test.c - what holds for every message: no crash, spans within the text, values
 * that stand there, prices that unrelated lines do not change, memory that may run out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "trade_case.h"
#include "trade_rules.h"

static const char *const files[] = {
    "tests/trades/premium.txt",   "tests/trades/oneline.txt", "tests/trades/bots.txt",
    "tests/trades/languages.txt", "tests/trades/numbers.txt", "tests/trades/updates.txt",
    "tests/trades/talk.txt",      "tests/trades/later.txt",   "tests/trades/rooms.txt",
    "tests/trades/several.txt",   "tests/trades/forms.txt"};

static void each(void (*fn)(const trade_case *, void *), void *user)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_true(case_each(files[i], fn, user) > 0);
}

static uint32_t seed = 1;

static uint32_t roll(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static void hold(const trade_case *c, const trade_part *parts, size_t n_parts, trade *ret)
{
    trade_list all;
    assert_int_equal(trade_parse_all(parts, n_parts, &all), 0);
    const char *wrong = NULL;
    *ret = all.count > 0 ? all.items[0] : (trade){.kind = TRADE_NONE};
    for (size_t i = 0; i < all.count && !wrong; i++)
        wrong = rules_check(parts, n_parts, &all.items[i]);
    if (wrong)
        printf("%s: %s\n%.*s\n", c->name, wrong, (int)parts[0].size, parts[0].text);
    assert_null(wrong);
}

/* Bytes lost, doubled, swapped and changed; pieces of other messages put in. */
static void spoil(char *text, size_t *size, size_t room)
{
    static const char *const pieces[] = {
        " 64,000 ",  "TP1 ", "\n",    "SL ", "**",           "\xE2\x80\x8B",
        "~~",        "\xF0", "1.",    "k",   "BTC/USDT ",    "> ",
        "```json\n", "<@1>", "long ", ")",   "\xEF\xBC\x91", "%"};
    for (uint32_t n = 1 + roll(6); n > 0 && *size > 2; n--) {
        size_t at = roll((uint32_t)*size);
        const char *piece = pieces[roll(sizeof pieces / sizeof *pieces)];
        size_t len = strlen(piece);
        switch (roll(4)) {
        case 0:
            memmove(text + at, text + at + 1, --*size - at);
            break;
        case 1:
            text[at] = (char)roll(256);
            break;
        case 2:
            *size = at + 1;
            break;
        default:
            if (*size + len < room) {
                memmove(text + at + len, text + at, *size - at);
                memcpy(text + at, piece, len);
                *size += len;
            }
        }
    }
}

static void check_spoiled(const trade_case *c, void *user)
{
    enum { ROOM = 8192 };
    static char text[ROOM];
    trade found;
    hold(c, c->parts, c->n_parts, &found);
    for (int round = 0; round < 100; round++) {
        trade_part part = c->parts[0];
        if (part.size > 0) /* of a message without words there is no text at all */
            memcpy(text, part.text, part.size);
        spoil(text, &part.size, ROOM);
        /* an exact copy, so that a look behind the end is seen */
        char *exact = malloc(part.size);
        assert_non_null(exact);
        memcpy(exact, text, part.size);
        part.text = exact;
        hold(c, &part, 1, &found);
        free(exact);
    }
}

static void any_text_gives_spans_within_it_and_values_that_stand_there(void **state)
{
    each(check_spoiled, NULL);
}

static bool same_prices(const trade *a, const trade *b)
{
    bool same = a->kind == b->kind && a->n_entries == b->n_entries &&
                a->n_targets == b->n_targets && strcmp(a->stop, b->stop) == 0 &&
                strcmp(a->symbol, b->symbol) == 0 && a->side == b->side;
    for (size_t i = 0; same && i < a->n_entries; i++)
        same = strcmp(a->entries[i], b->entries[i]) == 0;
    for (size_t i = 0; same && i < a->n_targets; i++)
        same = strcmp(a->targets[i], b->targets[i]) == 0;
    return same;
}

static void check_with_lines(const trade_case *c, void *user)
{
    static const char *const before[] = {"\n", "gm all\n\n", "\xF0\x9F\x9A\xA8\xF0\x9F\x9A\xA8\n"};
    static const char *const after[] = {"\n\nNot financial advice.", "\n\n@everyone",
                                        "\n\nManage your own money, please.",
                                        "\n\nhttps://example.com/chart/64000?tp=1"};
    static char text[16384];
    trade plain, more;
    if (c->n_parts != 1)
        return;
    hold(c, c->parts, 1, &plain);
    for (size_t i = 0; plain.kind == TRADE_ENTRY && i < 12; i++) {
        snprintf(text, sizeof text, "%s%s%s", before[i % 3], c->parts[0].text, after[i % 4]);
        trade_part part = {"content", text, strlen(text), false};
        hold(c, &part, 1, &more);
        if (!same_prices(&plain, &more))
            printf("%s: changed by other lines:\n%s\n", c->name, text);
        assert_true(same_prices(&plain, &more));
    }
}

static void unrelated_lines_change_no_price(void **state)
{
    each(check_with_lines, NULL);
}

static void the_same_text_gives_the_same_trade(void **state)
{
    static const char text[] = "BTC/USDT long 64000 tp 65000 66000 sl 63000";
    trade_part part = {"content", text, strlen(text), false};
    trade a, b;
    assert_int_equal(trade_parse(&part, 1, &a), 0);
    assert_int_equal(trade_parse(&part, 1, &b), 0);
    assert_true(same_prices(&a, &b));
    assert_true(a.confidence == b.confidence);
}

static void a_text_of_any_length_is_read_as_far_as_stated(void **state)
{
    static char text[3 * TRADE_TEXT_MAX];
    static const char call[] = "BTC/USDT long 64000 tp 65000 sl 63000\n\n";
    trade found;
    memset(text, ' ', sizeof text);
    memcpy(text, call, strlen(call));
    trade_part part = {"content", text, sizeof text, false};
    assert_int_equal(trade_parse(&part, 1, &found), 0);
    assert_int_equal(found.kind, TRADE_ENTRY);
    memset(text, ' ', sizeof text);
    memcpy(text + TRADE_TEXT_MAX, call, strlen(call));
    assert_int_equal(trade_parse(&part, 1, &found), 0);
    assert_int_equal(found.kind, TRADE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_text_gives_spans_within_it_and_values_that_stand_there),
        cmocka_unit_test(unrelated_lines_change_no_price),
        cmocka_unit_test(the_same_text_gives_the_same_trade),
        cmocka_unit_test(a_text_of_any_length_is_read_as_far_as_stated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
