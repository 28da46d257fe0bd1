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
    if (json)
        assert_int_equal(strlen(json), size);
    if (t->answer != 0)
        return t->answer;
    if (!json) {
        strcat(t->text, "fetch ");
        strcat(t->text, key);
    } else {
        strcat(t->text, json);
    }
    strcat(t->text, "\n");
    t->count++;
    return 0;
}

/* Channel 45 of guild 6, and thread 46 in it; any guild that the event names, before channels are
 * known (user is NULL). */
static bool place(const char *channel_id, const char *guild_id, capture_place *ret, void *user)
{
    bool thread = strcmp(channel_id, "46") == 0;
    const char *guild = guild_id ? guild_id : user;
    if (!guild || strcmp(channel_id, "47") == 0)
        return false;
    snprintf(ret->guild_id, sizeof ret->guild_id, "%s", guild);
    snprintf(ret->channel_id, sizeof ret->channel_id, "%s", thread ? "45" : channel_id);
    snprintf(ret->thread_id, sizeof ret->thread_id, "%s", thread ? "46" : "");
    return true;
}

static const capture_rules rules = {
    .place = place, .own_id = "70", .own_application_id = "71", .ignored = "72, 730"};
static capture_place channel_45 = {"6", "45", ""};

static int capture(const char *name, const char *text, taken *t)
{
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    memset(t, 0, sizeof *t);
    int r = capture_event(&rules, name, json, 1000, take, t);
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
    /* whose embeds they are, only the message itself tells */
    captures("MESSAGE_UPDATE", "{" IDS ",\"embeds\":[{\"type\":\"link\",\"title\":\"t\"}]}",
             "{\"capturedAt\":1000,\"channelId\":\"45\",\"guildId\":\"6\","
             "\"messageId\":\"123\",\"partial\":true,\"type\":\"upsert\"}\n"
             "fetch 45/123\n");
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
    capture_rules known = rules;
    static char guild[] = "6";
    known.user = guild;
    assert_int_equal(capture_event(&known, "MESSAGE_UPDATE", json, 1000, take, &t), 0);
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
    assert_int_equal(capture_message(&rules, &channel_45, json, 1000, take, &t), 0);
    assert_non_null(strstr(t.text, "\"guildId\":\"6\""));
    assert_non_null(strstr(t.text, "\"partial\":false"));
    cJSON_Delete(json);
}

/* What a message comes to, by what must be in it and what must not. */
typedef struct message_case {
    const char *name, *fields; /* after ids, author and times */
    const char *there[4], *not_there[3];
} message_case;

#define CDN "https://cdn.discordapp.com/attachments/45/"

static const message_case messages[] = {
    {"stickers have their picture's address, Lottie has none",
     "\"type\":0,\"content\":\"\",\"sticker_items\":[{\"id\":\"8\",\"name\":\"up\","
     "\"format_type\":4},{\"id\":\"9\",\"name\":\"moon\",\"format_type\":3}]",
     {"{\"format\":\"gif\",\"id\":\"8\",\"name\":\"up\","
      "\"url\":\"https://media.discordapp.net/stickers/8.gif\"}",
      "{\"format\":\"lottie\",\"id\":\"9\",\"name\":\"moon\"}"},
     {NULL}},
    {"a poll has its question, answers and end",
     "\"type\":0,\"content\":\"\",\"poll\":{\"question\":{\"text\":\"BTC?\"},\"answers\":[{"
     "\"answer_id\":1,"
     "\"poll_media\":{\"text\":\"up\"}},{\"answer_id\":2,\"poll_media\":{\"emoji\":{\"name\":\"D\"}"
     "}}],"
     "\"expiry\":\"1970-01-01T00:00:01Z\",\"allow_multiselect\":true,\"results\":{}}",
     {"\"poll\":{\"answers\":[\"up\",\"D\"],\"endsAt\":1000,\"multiple\":true,\"question\":\"BTC?"
      "\"}"},
     {"results"}},
    {"a poll without an end says so",
     "\"type\":0,\"poll\":{\"question\":{\"text\":\"?\"},\"answers\":[],\"expiry\":null}",
     {"\"poll\":{\"answers\":[],\"multiple\":false,\"question\":\"?\"}"},
     {"endsAt"}},
    {"a spoiler is one by its flag or by its name",
     "\"attachments\":[{\"id\":\"1\",\"filename\":\"a.png\",\"url\":\"https://f/"
     "1\",\"size\":3,\"flags\":8},"
     "{\"id\":\"2\",\"filename\":\"SPOILER_b.png\",\"url\":\"https://f/2\",\"size\":4},"
     "{\"id\":\"3\",\"filename\":\"c.png\",\"url\":\"https://f/3\",\"size\":5}]",
     {"\"id\":\"1\",\"size\":3,\"spoiler\":true", "\"id\":\"2\",\"size\":4,\"spoiler\":true",
      "\"id\":\"3\",\"size\":5,\"url\""},
     {NULL}},
    {"a file has the name that its uploader gave",
     "\"attachments\":[{\"id\":\"1\",\"filename\":\"_.png\",\"title\":\"\\u56fe\",\"url\":\"https:/"
     "/f/1\"}]",
     {"\"filename\":\"\xe5\x9b\xbe.png\""},
     {"_.png"}},
    {"text and media of components come in the order in which they are shown",
     "\"flags\":32768,\"content\":\"\",\"attachments\":[],\"components\":["
     "{\"type\":10,\"content\":\"one\"},{\"type\":17,\"spoiler\":true,\"components\":["
     "{\"type\":9,\"components\":[{\"type\":10,\"content\":\"two\"}],\"accessory\":{\"type\":11,"
     "\"media\":{\"url\":\"" CDN "11/t.png?ex=1\",\"content_type\":\"image/png\"}}}]},"
     "{\"type\":12,\"items\":[{\"media\":{\"url\":\"https://other/x/"
     "g.jpg?a\"},\"description\":\"d\"}]},"
     "{\"type\":13,\"name\":\"r.pdf\",\"size\":7,\"file\":{\"url\":\"" CDN "12/r.pdf\","
     "\"attachment_id\":\"12\"}},{\"type\":14},{\"type\":10,\"content\":\"three\"}]",
     {"\"content\":\"one\\ntwo\\nthree\"",
      "{\"contentType\":\"image/"
      "png\",\"filename\":\"t.png\",\"id\":\"11\",\"size\":0,\"spoiler\":true,",
      "{\"description\":\"d\",\"filename\":\"g.jpg\",\"id\":\"url-",
      "{\"filename\":\"r.pdf\",\"id\":\"12\",\"size\":7,\"url\""},
     {NULL}},
    {"a file that a component shows is there once",
     "\"flags\":32768,\"content\":\"\",\"attachments\":[{\"id\":\"11\",\"filename\":\"t.png\","
     "\"size\":1,"
     "\"url\":\"" CDN "11/t.png\"}],\"components\":[{\"type\":12,\"items\":[{\"media\":"
     "{\"url\":\"" CDN "11/t.png\"}}]}]",
     {"\"attachments\":[{\"filename\":\"t.png\",\"id\":\"11\",\"size\":1,\"url\":\"" CDN
      "11/t.png\"}]"},
     {NULL}},
    {"a forward has the files and stickers of its snapshot",
     "\"content\":\"\",\"attachments\":[],\"message_reference\":{\"type\":1,\"message_id\":\"9\"},"
     "\"message_snapshots\":[{\"message\":{\"content\":\"s\",\"attachments\":[{\"id\":\"5\","
     "\"filename\":\"f.png\",\"url\":\"https://f/"
     "5\"}],\"sticker_items\":[{\"id\":\"8\",\"name\":\"n\","
     "\"format_type\":1}]}}]",
     {"\"content\":\"s\"", "\"id\":\"5\"", "\"format\":\"png\"", "\"kind\":\"forward\""},
     {"replyToId"}},
    {"a button's label is no text",
     "\"content\":\"x\",\"components\":[{\"type\":1,\"components\":[{\"type\":2,\"label\":\"Buy\"}]"
     "}]",
     {"\"content\":\"x\""},
     {"Buy"}},
    {"a published message, or one with a thread, is what it was",
     "\"flags\":33,\"content\":\"x\",\"pinned\":true,\"thread\":{\"id\":\"123\"}",
     {"\"content\":\"x\"", "\"kind\":\"default\""},
     {"flags", "pinned"}},
};

static void each_kind_of_message_carries_what_it_says(void **state)
{
    char text[4096];
    taken t;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        const message_case *m = &messages[i];
        print_message("             %s\n", m->name);
        snprintf(text, sizeof text, "{" IDS "," AUTHOR "," TIMES "%s%s}",
                 strstr(m->fields, "\"type\":0") == m->fields ? "," : ",\"type\":0,", m->fields);
        assert_int_equal(capture("MESSAGE_CREATE", text, &t), 0);
        for (size_t j = 0; j < 4 && m->there[j]; j++)
            if (!strstr(t.text, m->there[j]))
                fail_msg("%s: no %s in %s", m->name, m->there[j], t.text);
        for (size_t j = 0; j < 3 && m->not_there[j]; j++)
            assert_null(strstr(t.text, m->not_there[j]));
    }
}

static void the_text_of_components_survives_an_update_without_them(void **state)
{
    taken t;
    assert_int_equal(capture("MESSAGE_UPDATE",
                             "{" IDS ",\"flags\":32768,\"content\":\"\",\"attachments\":[]}", &t),
                     0);
    assert_null(strstr(t.text, "\"content\""));
    assert_null(strstr(t.text, "\"attachments\""));
}

static void a_thread_is_part_of_its_channel(void **state)
{
    captures("MESSAGE_DELETE", "{\"id\":\"1\",\"channel_id\":\"46\",\"guild_id\":\"6\"}",
             "{\"capturedAt\":1000,\"channelId\":\"45\",\"guildId\":\"6\",\"messageId\":\"1\","
             "\"threadId\":\"46\",\"type\":\"delete\"}\n");
    captures("MESSAGE_UPDATE",
             "{\"id\":\"1\",\"channel_id\":\"46\",\"guild_id\":\"6\",\"content\":\"x\"}",
             "{\"capturedAt\":1000,\"channelId\":\"45\",\"content\":\"x\",\"guildId\":\"6\","
             "\"messageId\":\"1\",\"partial\":true,\"threadId\":\"46\",\"type\":\"upsert\"}\n");
}

static void a_deleted_channel_or_thread_is_told(void **state)
{
    taken t;
    captures("CHANNEL_DELETE", "{\"id\":\"45\",\"guild_id\":\"6\",\"type\":0}",
             "{\"capturedAt\":1000,\"channelId\":\"45\",\"guildId\":\"6\","
             "\"type\":\"channel_delete\"}\n");
    /* also one that nobody told of before */
    captures("THREAD_DELETE", "{\"id\":\"99\",\"parent_id\":\"45\",\"guild_id\":\"6\",\"type\":11}",
             "{\"capturedAt\":1000,\"channelId\":\"45\",\"guildId\":\"6\",\"threadId\":\"99\","
             "\"type\":\"channel_delete\"}\n");
    assert_int_equal(capture("CHANNEL_DELETE", "{\"id\":\"47\",\"guild_id\":\"6\"}", &t), 0);
    assert_int_equal(
        capture("THREAD_DELETE", "{\"id\":\"9\",\"parent_id\":\"47\",\"guild_id\":\"6\"}", &t), 0);
    assert_int_equal(t.count, 0);
    assert_int_equal(capture("CHANNEL_DELETE", "{\"guild_id\":\"6\"}", &t), -EBADMSG);
    capture_place thread = {"6", "45", "46"};
    assert_int_equal(capture_gone(&thread, NULL, 5, take, &t), 0);
    assert_non_null(strstr(t.text, "\"threadId\":\"46\",\"type\":\"channel_delete\""));
    assert_int_equal(capture_gone(&channel_45, "3", 5, take, &t), 0);
    assert_non_null(strstr(t.text, "\"messageId\":\"3\",\"type\":\"delete\""));
}

static void what_we_or_those_to_ignore_wrote_is_not_captured(void **state)
{
    static const struct {
        const char *by;
        int count;
    } authors[] = {
        {"\"author\":{\"id\":\"70\"}", 0},
        {"\"author\":{\"id\":\"72\"}", 0},
        {"\"author\":{\"id\":\"73\"}", 1},
        {"\"author\":{\"id\":\"7\"}", 1},
        {"\"author\":{\"id\":\"5\"},\"webhook_id\":\"730\"", 0},
        {"\"author\":{\"id\":\"5\"},\"webhook_id\":\"5\",\"application_id\":\"71\"", 0},
        {"\"author\":{\"id\":\"5\"},\"webhook_id\":\"5\",\"application_id\":\"9\"", 1},
        {"\"author\":{\"id\":\"5\",\"bot\":true},\"application_id\":\"71\"", 1},
    };
    char text[512];
    taken t;
    for (size_t i = 0; i < sizeof authors / sizeof *authors; i++) {
        snprintf(text, sizeof text, "{" IDS "," TIMES ",\"content\":\"x\",%s}", authors[i].by);
        assert_int_equal(capture("MESSAGE_CREATE", text, &t), 0);
        assert_int_equal(t.count, authors[i].count);
    }
}

static void a_deferred_answer_is_captured_when_it_is_filled(void **state)
{
    taken t;
    assert_int_equal(
        capture("MESSAGE_CREATE",
                "{" IDS "," AUTHOR "," TIMES ",\"type\":20,\"flags\":128,\"content\":\"\"}", &t),
        0);
    assert_int_equal(t.count, 0);
    assert_int_equal(capture("MESSAGE_UPDATE",
                             "{" IDS "," AUTHOR "," TIMES
                             ",\"type\":20,\"flags\":0,\"content\":\"BTC\","
                             "\"embeds\":[],\"attachments\":[]}",
                             &t),
                     0);
    assert_non_null(strstr(t.text, "\"content\":\"BTC\""));
    assert_non_null(strstr(t.text, "\"partial\":false"));
}

static void a_failing_receiver_ends_the_capture(void **state)
{
    cJSON *json = cJSON_Parse("{\"ids\":[\"1\",\"2\"],\"channel_id\":\"45\",\"guild_id\":\"6\"}");
    taken t = {.answer = -ENOBUFS};
    assert_int_equal(capture_event(&rules, "MESSAGE_DELETE_BULK", json, 1, take, &t), -ENOBUFS);
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
        cmocka_unit_test(each_kind_of_message_carries_what_it_says),
        cmocka_unit_test(the_text_of_components_survives_an_update_without_them),
        cmocka_unit_test(a_thread_is_part_of_its_channel),
        cmocka_unit_test(a_deleted_channel_or_thread_is_told),
        cmocka_unit_test(what_we_or_those_to_ignore_wrote_is_not_captured),
        cmocka_unit_test(a_deferred_answer_is_captured_when_it_is_filled),
        cmocka_unit_test(a_failing_receiver_ends_the_capture),
        cmocka_unit_test(times_of_any_offset_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
