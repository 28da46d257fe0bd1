/* trade_readings_test.c - what an event carries of its trades, and memory that runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "trade_readings.h"

#define CALL "BTC/USDT long 64000 tp 65000 sl 63000 10x cross"

static int take(const char *channel_id, const char *key, const char *json, size_t size, void *user)
{
    strcpy(user, json);
    return 0;
}

static void capture(const char *message, char *ret)
{
    static const capture_rules rules = {0};
    static const capture_place place = {"6", "45", ""};
    cJSON *json = cJSON_Parse(message);
    assert_non_null(json);
    assert_int_equal(capture_message(&rules, &place, json, 1000, take, ret), 0);
    cJSON_Delete(json);
}

static void an_event_carries_the_trade_of_its_text(void **state)
{
    char text[8192];
    capture("{\"id\":\"123\",\"channel_id\":\"45\",\"guild_id\":\"6\",\"author\":{\"id\":\"7\","
            "\"username\":\"m\"},\"content\":\"" CALL "\",\"embeds\":[]}",
            text);
    assert_non_null(strstr(text, "\"contentTrade\":{\"base\":\"BTC\",\"confidence\":0."));
    assert_non_null(strstr(text, "\"entries\":{\"type\":\"list\",\"values\":[\"64000\"]}"));
    assert_non_null(strstr(text, "\"leverage\":{\"max\":10,\"min\":10,\"mode\":\"cross\"}"));
    assert_non_null(strstr(text, "\"side\":\"long\""));
    assert_non_null(strstr(text, "\"symbol\":\"BTC/USDT\""));
    assert_non_null(
        strstr(text, "{\"end\":8,\"field\":\"symbol\",\"part\":\"content\",\"start\":0}"));
    assert_null(strstr(text, "embedsTrade"));
}

static void an_event_carries_the_trade_of_its_embeds(void **state)
{
    char text[8192];
    capture("{\"id\":\"123\",\"channel_id\":\"45\",\"guild_id\":\"6\",\"author\":{\"id\":\"7\","
            "\"username\":\"m\",\"bot\":true},\"content\":\"look\",\"embeds\":[{\"title\":"
            "\"ETH/USDT SHORT\",\"fields\":[{\"name\":\"Entry\",\"value\":\"3150\"},{\"name\":"
            "\"Stop\",\"value\":\"3220\"}]}]}",
            text);
    assert_null(strstr(text, "contentTrade"));
    assert_non_null(strstr(text, "\"embedsTrade\":{\"base\":\"ETH\""));
    assert_non_null(strstr(text, "\"field\":\"stop\",\"part\":\"embeds[0].fields[1].value\""));
}

static void an_event_carries_every_trade_of_its_text(void **state)
{
    char text[8192];
    capture("{\"id\":\"123\",\"channel_id\":\"45\",\"guild_id\":\"6\",\"author\":{\"id\":\"7\","
            "\"username\":\"m\"},\"content\":\"" CALL "\\nETH/USDT short 3400 tp 3300 sl 3480\","
            "\"embeds\":[]}",
            text);
    assert_non_null(strstr(text, "\"contentTrades\":[{\"base\":\"BTC\""));
    assert_non_null(strstr(text, "},{\"base\":\"ETH\""));
    assert_null(strstr(text, "\"contentTrade\":"));
}

static void talk_carries_none(void **state)
{
    char text[8192];
    capture("{\"id\":\"123\",\"channel_id\":\"45\",\"guild_id\":\"6\",\"author\":{\"id\":\"7\","
            "\"username\":\"m\"},\"content\":\"good morning\",\"embeds\":[]}",
            text);
    assert_null(strstr(text, "Trade"));
}

static void a_text_is_printed_as_json_or_not_at_all(void **state)
{
    char *json = NULL;
    assert_int_equal(trade_readings_print(CALL, strlen(CALL), &json), 1);
    assert_non_null(strstr(json, "\"stop\":\"63000\""));
    convex_text_free(json, NULL);
    static const char two[] = CALL "\nETH/USDT short 3400 tp 3300 sl 3480";
    assert_int_equal(trade_readings_print(two, strlen(two), &json), 1);
    assert_int_equal(json[0], '[');
    assert_non_null(strstr(json, "\"stop\":\"3480\""));
    convex_text_free(json, NULL);
    assert_int_equal(trade_readings_print("hello", 5, &json), 0);
    assert_null(json);
}

/* ---- memory ---- */

static int left = -1; /* allocations until one fails; -1: none does */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool runs_out(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return runs_out() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return runs_out() ? NULL : __real_calloc(count, size);
}

static void memory_that_runs_out_is_told_and_nothing_leaks(void **state)
{
    const api_embed embed = {.title = convex_str_of(CALL)};
    const api_embed_list embeds = {&embed, 1};
    int n = 0, r = -ENOMEM;
    for (; r == -ENOMEM; n++) {
        api_upsert_event event = {.content = convex_str_of(CALL), .embeds = &embeds};
        trade_readings *readings = NULL;
        left = n;
        r = trade_readings_new(&event, &readings);
        left = -1;
        assert_true(r == 0 || (r == -ENOMEM && !readings && !event.content_trade));
        if (r == 0)
            assert_true(event.content_trade && event.embeds_trade);
        trade_readings_free(readings);
    }
    assert_int_equal(n, 8); /* both, two for each of content and embeds, parts, names; then none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_carries_the_trade_of_its_text),
        cmocka_unit_test(an_event_carries_the_trade_of_its_embeds),
        cmocka_unit_test(an_event_carries_every_trade_of_its_text),
        cmocka_unit_test(talk_carries_none),
        cmocka_unit_test(a_text_is_printed_as_json_or_not_at_all),
        cmocka_unit_test(memory_that_runs_out_is_told_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
