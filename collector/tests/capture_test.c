/* capture_test.c - what the collector makes of Discord's events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"

#define IDS    "\"id\":\"123\",\"channel_id\":\"45\",\"guild_id\":\"6\""
#define AUTHOR "\"author\":{\"id\":\"7\",\"username\":\"mara\",\"global_name\":\"Mara K\"}"
#define TIMES  "\"timestamp\":\"2026-01-02T03:04:05.678000+00:00\",\"edited_timestamp\":null"

typedef struct taken {
    char text[8192]; /* one line an event */
    int count;
    int answer;
} taken;

static int take(const char *channel_id, const char *key, const char *json, size_t size, void *user)
{
    taken *t = user;
    assert_int_equal(strlen(json), size);
    if (t->answer != 0)
        return t->answer;
    strcat(t->text, json);
    strcat(t->text, "\n");
    t->count++;
    return 0;
}

static int capture(const char *name, const char *text, taken *t)
{
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    memset(t, 0, sizeof *t);
    int r = capture_event(name, json, NULL, 1000, take, t);
    cJSON_Delete(json);
    return r;
}

static void captures(const char *name, const char *text, const char *wanted)
{
    taken t;
    assert_int_equal(capture(name, text, &t), 0);
    assert_string_equal(t.text, wanted);
}

static void a_message_carries_its_author_text_and_times(void **state)
{
    captures("MESSAGE_CREATE",
             "{" IDS "," AUTHOR "," TIMES ",\"type\":0,\"content\":\"BTC long\",\"embeds\":[],"
             "\"attachments\":[]}",
             "{\"attachments\":[],\"author\":{\"bot\":false,\"id\":\"7\",\"name\":\"Mara K\"},"
             "\"capturedAt\":1000,\"channelId\":\"45\",\"content\":\"BTC long\",\"editedAt\":null,"
             "\"embeds\":[],\"guildId\":\"6\",\"kind\":\"default\",\"messageId\":\"123\","
             "\"partial\":false,\"sentAt\":1767323045678,\"type\":\"upsert\"}\n");
}

static void a_partial_update_carries_only_what_it_has(void **state)
{
    captures("MESSAGE_UPDATE", "{" IDS ",\"content\":\"new\"}",
             "{\"capturedAt\":1000,\"channelId\":\"45\",\"content\":\"new\",\"guildId\":\"6\","
             "\"messageId\":\"123\",\"partial\":true,\"type\":\"upsert\"}\n");
    /* generated embeds of an unknown author: nothing that we would mirror */
    captures("MESSAGE_UPDATE", "{" IDS ",\"embeds\":[{\"type\":\"link\",\"title\":\"t\"}]}",
             "{\"capturedAt\":1000,\"channelId\":\"45\",\"guildId\":\"6\",\"messageId\":\"123\","
             "\"partial\":true,\"type\":\"upsert\"}\n");
}

static void empty_and_absent_are_told_apart(void **state)
{
    taken t;
    assert_int_equal(capture("MESSAGE_UPDATE", "{" IDS ",\"content\":\"\"}", &t), 0);
    assert_non_null(strstr(t.text, "\"content\":\"\""));
    assert_int_equal(capture("MESSAGE_UPDATE", "{" IDS "}", &t), 0);
    assert_null(strstr(t.text, "content"));
}

static void a_persons_generated_embeds_are_left_to_the_destination(void **state)
{
    taken t;
    const char *embeds = "\"embeds\":[{\"type\":\"rich\",\"title\":\"T\",\"color\":255,"
                         "\"footer\":{\"text\":\"f\",\"icon_url\":\"https://i\"},"
                         "\"fields\":[{\"name\":\"n\",\"value\":\"v\",\"inline\":true}]}]";
    char text[1024];
    snprintf(text, sizeof text, "{" IDS "," AUTHOR "," TIMES ",\"content\":\"x\",%s}", embeds);
    assert_int_equal(capture("MESSAGE_CREATE", text, &t), 0);
    assert_non_null(strstr(t.text, "\"embeds\":[]"));
    snprintf(text, sizeof text,
             "{" IDS ",\"author\":{\"id\":\"7\",\"username\":\"b\",\"bot\":true}," TIMES
             ",\"content\":\"\",%s}",
             embeds);
    assert_int_equal(capture("MESSAGE_CREATE", text, &t), 0);
    assert_non_null(strstr(
        t.text, "\"embeds\":[{\"color\":255,\"fields\":[{\"inline\":true,\"name\":\"n\",\"value\":"
                "\"v\"}],\"footer\":{\"iconUrl\":\"https://i\",\"text\":\"f\"},\"title\":\"T\"}]"));
}

static void a_forward_carries_the_text_of_its_snapshot(void **state)
{
    taken t;
    assert_int_equal(
        capture("MESSAGE_CREATE",
                "{" IDS "," AUTHOR "," TIMES ",\"content\":\"\",\"message_reference\":{\"type\":1,"
                "\"message_id\":\"9\"},\"message_snapshots\":[{\"message\":{\"content\":\"said "
                "elsewhere\",\"embeds\":[],\"attachments\":[]}}]}",
                &t),
        0);
    assert_non_null(strstr(t.text, "\"content\":\"said elsewhere\""));
    assert_non_null(strstr(t.text, "\"kind\":\"forward\""));
    assert_null(strstr(t.text, "replyToId"));
}

static void a_reply_names_its_target(void **state)
{
    taken t;
    assert_int_equal(capture("MESSAGE_CREATE",
                             "{" IDS "," AUTHOR "," TIMES ",\"type\":19,\"content\":\"TP1\","
                             "\"message_reference\":{\"message_id\":\"99\"}}",
                             &t),
                     0);
    assert_non_null(strstr(t.text, "\"kind\":\"reply\""));
    assert_non_null(strstr(t.text, "\"replyToId\":\"99\""));
}

static void the_text_of_nested_components_is_found(void **state)
{
    taken t;
    assert_int_equal(capture("MESSAGE_CREATE",
                             "{" IDS "," AUTHOR "," TIMES
                             ",\"flags\":32768,\"content\":\"\",\"components\":["
                             "{\"type\":17,\"components\":[{\"type\":10,\"content\":\"one\"},"
                             "{\"type\":9,\"components\":[{\"type\":10,\"content\":\"two\"}]}]}]}",
                             &t),
                     0);
    assert_non_null(strstr(t.text, "\"content\":\"one\\ntwo\""));
}

static void joins_pins_ephemeral_and_unfilled_messages_give_nothing(void **state)
{
    taken t;
    const char *const none[] = {
        "{" IDS "," AUTHOR ",\"type\":7,\"content\":\"\"}",
        "{" IDS "," AUTHOR ",\"type\":6,\"content\":\"\"}",
        "{" IDS "," AUTHOR ",\"flags\":64,\"content\":\"x\"}",
        "{" IDS "," AUTHOR ",\"flags\":128,\"content\":\"\"}",
        "{\"id\":\"1\",\"channel_id\":\"2\"," AUTHOR ",\"content\":\"a direct message\"}",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(capture("MESSAGE_CREATE", none[i], &t), 0);
        assert_int_equal(t.count, 0);
    }
    assert_int_equal(capture("TYPING_START", "{" IDS "}", &t), 0);
    assert_int_equal(t.count, 0);
}

static void a_bulk_delete_is_a_delete_of_each(void **state)
{
    taken t;
    assert_int_equal(
        capture("MESSAGE_DELETE_BULK",
                "{\"ids\":[\"1\",\"2\",\"3\"],\"channel_id\":\"45\",\"guild_id\":\"6\"}", &t),
        0);
    assert_int_equal(t.count, 3);
    assert_non_null(strstr(t.text, "{\"capturedAt\":1000,\"channelId\":\"45\",\"guildId\":\"6\","
                                   "\"messageId\":\"2\",\"type\":\"delete\"}\n"));
}

static void an_event_without_its_ids_is_refused(void **state)
{
    taken t;
    assert_int_equal(capture("MESSAGE_CREATE", "{\"guild_id\":\"6\"}", &t), -EBADMSG);
    assert_int_equal(capture("MESSAGE_DELETE", "{\"guild_id\":\"6\",\"id\":\"x\"}", &t), -EBADMSG);
    assert_int_equal(capture("MESSAGE_UPDATE", "{\"id\":12,\"channel_id\":\"4\"}", &t), -EBADMSG);
}

static void the_channels_guild_stands_in_where_the_event_does_not_say_it(void **state)
{
    cJSON *json = cJSON_Parse("{\"id\":\"1\",\"channel_id\":\"45\",\"content\":\"x\"}");
    taken t = {0};
    assert_int_equal(capture_event("MESSAGE_UPDATE", json, "6", 1000, take, &t), 0);
    assert_non_null(strstr(t.text, "\"guildId\":\"6\""));
    assert_non_null(strstr(t.text, "\"partial\":true"));
    cJSON_Delete(json);
}

static void an_update_without_reference_or_snapshot_takes_neither_away(void **state)
{
    taken t;
    assert_int_equal(capture("MESSAGE_UPDATE",
                             "{" IDS "," AUTHOR "," TIMES ",\"type\":19,\"content\":\"x\"}", &t),
                     0);
    assert_null(strstr(t.text, "\"kind\""));
    assert_int_equal(capture("MESSAGE_UPDATE",
                             "{" IDS "," AUTHOR "," TIMES
                             ",\"type\":0,\"content\":\"\",\"embeds\":[],"
                             "\"message_reference\":{\"type\":1,\"message_id\":\"9\"}}",
                             &t),
                     0);
    assert_null(strstr(t.text, "\"content\""));
    assert_non_null(strstr(t.text, "\"partial\":true"));
}

static void a_message_of_the_history_is_captured_whole(void **state)
{
    cJSON *json = cJSON_Parse("{\"id\":\"1\",\"channel_id\":\"45\"," AUTHOR "," TIMES
                              ",\"type\":0,\"content\":\"x\"}");
    taken t = {0};
    assert_int_equal(capture_message("6", json, 1000, take, &t), 0);
    assert_non_null(strstr(t.text, "\"guildId\":\"6\""));
    assert_non_null(strstr(t.text, "\"partial\":false"));
    cJSON_Delete(json);
}

static void a_failing_receiver_ends_the_capture(void **state)
{
    cJSON *json = cJSON_Parse("{\"ids\":[\"1\",\"2\"],\"channel_id\":\"45\",\"guild_id\":\"6\"}");
    taken t = {.answer = -ENOBUFS};
    assert_int_equal(capture_event("MESSAGE_DELETE_BULK", json, NULL, 1, take, &t), -ENOBUFS);
    cJSON_Delete(json);
}

static void times_of_any_offset_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01T00:00:00+00:00", 0},
                {"1970-01-01T00:00:00.5Z", 500},
                {"2026-01-02T03:04:05.678901+00:00", 1767323045678},
                {"2026-01-02T05:34:05.678+02:30", 1767323045678},
                {"2024-02-29T23:59:59.999999-01:00", 1709254799999}};
    static const char *const bad[] = {"",           "yesterday",           "2026-13-01T00:00:00Z",
                                      "2026-01-02", "2026-01-02T03:04:05", "1850-01-01T00:00:00Z"};
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(capture_time(good[i].text, &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(capture_time(bad[i], &ms), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_carries_its_author_text_and_times),
        cmocka_unit_test(a_partial_update_carries_only_what_it_has),
        cmocka_unit_test(empty_and_absent_are_told_apart),
        cmocka_unit_test(a_persons_generated_embeds_are_left_to_the_destination),
        cmocka_unit_test(a_forward_carries_the_text_of_its_snapshot),
        cmocka_unit_test(a_reply_names_its_target),
        cmocka_unit_test(the_text_of_nested_components_is_found),
        cmocka_unit_test(joins_pins_ephemeral_and_unfilled_messages_give_nothing),
        cmocka_unit_test(a_bulk_delete_is_a_delete_of_each),
        cmocka_unit_test(an_event_without_its_ids_is_refused),
        cmocka_unit_test(the_channels_guild_stands_in_where_the_event_does_not_say_it),
        cmocka_unit_test(an_update_without_reference_or_snapshot_takes_neither_away),
        cmocka_unit_test(a_message_of_the_history_is_captured_whole),
        cmocka_unit_test(a_failing_receiver_ends_the_capture),
        cmocka_unit_test(times_of_any_offset_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
