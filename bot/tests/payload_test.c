/* payload_test.c - what the bot sends for a unit of work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"

static void embeds_take_discords_names(void **state)
{
    char *json = NULL;
    double color = 16711680;
    api_embed_footer footer = {.text = convex_str_of("f"), .icon_url = convex_str_of("https://i")};
    api_embed_author author = {.name = convex_str_of("a"), .icon_url = convex_str_of("https://j")};
    api_embed_field field = {.name = convex_str_of("n"), .value = convex_str_of("v")};
    api_embed_field_list fields = {&field, 1};
    api_embed_image image = {.url = convex_str_of("https://k")};
    api_embed embed = {.title = convex_str_of("T"),
                       .color = &color,
                       .footer = &footer,
                       .author = &author,
                       .fields = &fields,
                       .image = &image};
    api_work w = {.embeds = {&embed, 1}};
    assert_int_equal(payload_embeds(&w, &json), 0);
    assert_string_equal(
        json, "[{\"author\":{\"icon_url\":\"https://j\",\"name\":\"a\"},\"color\":16711680,"
              "\"fields\":[{\"inline\":false,\"name\":\"n\",\"value\":\"v\"}],"
              "\"footer\":{\"icon_url\":\"https://i\",\"text\":\"f\"},"
              "\"image\":{\"url\":\"https://k\"},\"title\":\"T\"}]");
    convex_text_free(json, NULL);
}

static void text_keeps_its_inner_space(void **state)
{
    discord_parts parts = {0};
    api_work w = {.content = convex_str_of("two  spaces\n\ttab **bold**")};
    assert_int_equal(payload_parts(&w, NULL, &parts), 0);
    assert_int_equal(parts.n, 1);
    assert_string_equal(parts.part[0], "two  spaces\n\ttab **bold**");
    discord_parts_done(&parts);
}

static void a_notice_follows_the_text(void **state)
{
    discord_parts parts = {0};
    api_work w = {.content = convex_str_of("chart")};
    assert_int_equal(payload_parts(&w, "[file a.png: too large]", &parts), 0);
    assert_string_equal(parts.part[0], "chart\n[file a.png: too large]");
    discord_parts_done(&parts);
}

static void embeds_or_files_alone_make_one_post_without_text(void **state)
{
    discord_parts parts = {0};
    api_embed embed = {.title = convex_str_of("T")};
    api_work w = {.content = convex_str_of(""), .embeds = {&embed, 1}};
    assert_int_equal(payload_parts(&w, NULL, &parts), 0);
    assert_int_equal(parts.n, 1);
    assert_string_equal(parts.part[0], "");
    discord_parts_done(&parts);
    w = (api_work){.content = convex_str_of(" \n")};
    assert_int_equal(payload_parts(&w, NULL, &parts), -ENODATA);
}

static void says(const api_work *w, const char *expected)
{
    discord_parts parts = {0};
    assert_int_equal(payload_parts(w, NULL, &parts), 0);
    assert_string_equal(parts.part[0], expected);
    discord_parts_done(&parts);
}

static void polls_stickers_and_forwards_are_told_in_words(void **state)
{
    convex_str answers[] = {convex_str_of("long"), convex_str_of("short")};
    double ends = 1780000000000;
    api_poll poll = {.question = convex_str_of("BTC?"),
                     .answers = {answers, 2},
                     .multiple = true,
                     .ends_at = &ends};
    api_sticker sticker = {.name = convex_str_of("rocket")};
    api_work w = {.content = convex_str_of(""), .poll = &poll};
    says(&w, "📊 **BTC?**\n1. long\n2. short\n-# several answers may be chosen\n"
             "-# ends <t:1780000000:R>");
    w = (api_work){.content = convex_str_of("go"), .stickers = {&sticker, 1}};
    says(&w, "go\n[sticker: rocket]");
    w = (api_work){.content = convex_str_of("BTC"), .kind = API_MESSAGE_KIND_FORWARD};
    says(&w, "-# ↪ forwarded\nBTC");
}

static void only_a_webhooks_post_quotes_what_it_replies_to(void **state)
{
    api_reply_target to = {.author = convex_str_of("A*a"), .excerpt = convex_str_of("||x|| y")};
    api_work w = {.content = convex_str_of("TP1"),
                  .reply_to = &to,
                  .guild_id = convex_str_of("1"),
                  .channel_id = convex_str_of("2"),
                  .reply_to_message_id = convex_str_of("3"),
                  .identity = API_POST_IDENTITY_WEBHOOK};
    says(&w, "> **A\\*a** \\|\\|x\\|\\| y [↩](https://discord.com/channels/1/2/3)\nTP1");
    w.reply_to_message_id = (convex_str){0};
    says(&w, "> **A\\*a** \\|\\|x\\|\\| y\nTP1");
    w.identity = API_POST_IDENTITY_BOT;
    says(&w, "TP1");
}

static void a_long_text_is_cut_with_its_fences_closed_and_counted_in_utf_16(void **state)
{
    discord_parts parts = {0};
    char text[6000] = "```c\n";
    for (int i = 0; i < 300; i++)
        strcat(text, "ab 📈 cd\n"); /* 9 units each, 11 bytes */
    strcat(text, "```");
    api_work w = {.content = convex_str_of(text)};
    assert_int_equal(payload_parts(&w, NULL, &parts), 0);
    assert_int_equal(parts.n, 2);
    for (size_t i = 0; i < parts.n; i++) {
        size_t size = strlen(parts.part[i]);
        assert_true(discord_text_units(parts.part[i], size) <= 2000);
        assert_int_equal(strncmp(parts.part[i], "```c\n", 5), 0);
        assert_string_equal(parts.part[i] + size - 3, "```");
    }
    discord_parts_done(&parts);
}

static void a_name_is_made_one_that_discord_takes(void **state)
{
    static const struct {
        const char *author, *name;
    } cases[] = {
        {"Ana", "Ana"},
        {"  Kenji:   健二 ", "Kenji 健二"},
        {"DisCord Clyde", "D.isCord C.lyde"},
        {"@everyone", "Unknown"},
        {"here", "Unknown"},
        {"```#", "Unknown"},
        {"", "Unknown"},
    };
    char name[PAYLOAD_NAME_SIZE], longest[400] = "";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        payload_name(cases[i].author, name);
        assert_string_equal(name, cases[i].name);
    }
    for (int i = 0; i < 60; i++)
        strcat(longest, "📈");
    payload_name(longest, name);
    assert_int_equal(discord_text_units(name, strlen(name)), 80);
}

static void each_failure_has_its_verdict(void **state)
{
    static const struct {
        discord_status status;
        int code;
        payload_verdict verdict;
        long long at_least_ms;
    } cases[] = {
        {DISCORD_EAUTH, 0, PAYLOAD_STOP, 0},
        {DISCORD_EREJECTED, 50035, PAYLOAD_DEAD, 0},
        {DISCORD_ENOTFOUND, 10008, PAYLOAD_GONE, 0},
        {DISCORD_ENOTFOUND, 10003, PAYLOAD_CLOSED, 60000},
        {DISCORD_EFORBIDDEN, 50013, PAYLOAD_CLOSED, 60000},
        {DISCORD_EREJECTED, 50083, PAYLOAD_CLOSED, 60000},
        {DISCORD_EFORBIDDEN, 160005, PAYLOAD_CLOSED, 60000},
        {DISCORD_EAUTH, 50027, PAYLOAD_CLOSED, 60000},
        {DISCORD_EREJECTED, 200000, PAYLOAD_DEAD, 0},
        {DISCORD_EREJECTED, 30046, PAYLOAD_RETRY, 1234},
        {DISCORD_ERATELIMIT, 30046, PAYLOAD_RETRY, 1234},
        {DISCORD_EREJECTED, 20028, PAYLOAD_RETRY, 1234},
        {DISCORD_ERATELIMIT, 0, PAYLOAD_RETRY, 1234},
        {DISCORD_ESERVER, 0, PAYLOAD_RETRY, 1234},
        {DISCORD_ENETWORK, 0, PAYLOAD_RETRY, 1234},
        {DISCORD_ETIMEOUT, 0, PAYLOAD_RETRY, 1234},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        discord_error error = {
            .status = cases[i].status, .code = cases[i].code, .retry_after_ms = 1234};
        long long after = -1;
        assert_int_equal(payload_judge(&error, 3, &after), cases[i].verdict);
        assert_true(after >= cases[i].at_least_ms);
    }
}

static void files_are_told_by_name_and_size_then_by_either(void **state)
{
    static const struct {
        const char *posted, *kept; /* NULL: all stay */
    } cases[] = {
        {"[]", NULL},
        {"[{\"id\":\"1\",\"filename\":\"a.png\",\"size\":10},"
         "{\"id\":\"2\",\"filename\":\"b_c.png\",\"size\":20}]", /* renamed by Discord */
         NULL},
        {"[{\"id\":\"1\",\"filename\":\"a.png\",\"size\":99}]", NULL},
        {"[{\"id\":\"1\",\"filename\":\"a.png\",\"size\":99},"
         "{\"id\":\"2\",\"filename\":\"a.png\",\"size\":10}]",
         "[{\"id\":\"2\"}]"},
        {"[{\"id\":\"1\",\"filename\":\"d.png\",\"size\":30}]", "[]"},
    };
    api_work_file files[] = {{.filename = convex_str_of("a.png"), .size = 10},
                             {.filename = convex_str_of("b c.png"), .size = 20}};
    api_work w = {.attachments = {files, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *kept = NULL;
        cJSON *message = cJSON_CreateObject();
        cJSON_AddItemToObject(message, "attachments", cJSON_Parse(cases[i].posted));
        assert_int_equal(payload_kept_files(&w, message, &kept), 0);
        if (cases[i].kept)
            assert_string_equal(kept, cases[i].kept);
        else
            assert_null(kept);
        free(kept);
        cJSON_Delete(message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embeds_take_discords_names),
        cmocka_unit_test(text_keeps_its_inner_space),
        cmocka_unit_test(a_notice_follows_the_text),
        cmocka_unit_test(embeds_or_files_alone_make_one_post_without_text),
        cmocka_unit_test(polls_stickers_and_forwards_are_told_in_words),
        cmocka_unit_test(only_a_webhooks_post_quotes_what_it_replies_to),
        cmocka_unit_test(a_long_text_is_cut_with_its_fences_closed_and_counted_in_utf_16),
        cmocka_unit_test(a_name_is_made_one_that_discord_takes),
        cmocka_unit_test(files_are_told_by_name_and_size_then_by_either),
        cmocka_unit_test(each_failure_has_its_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
