/* payload_test.c - what the bot sends for a unit of work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
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
        {DISCORD_ENOTFOUND, 10008, PAYLOAD_DEAD, 0},
        {DISCORD_ENOTFOUND, 10003, PAYLOAD_RETRY, 60000},
        {DISCORD_EFORBIDDEN, 50013, PAYLOAD_RETRY, 60000},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embeds_take_discords_names),
        cmocka_unit_test(text_keeps_its_inner_space),
        cmocka_unit_test(a_notice_follows_the_text),
        cmocka_unit_test(embeds_or_files_alone_make_one_post_without_text),
        cmocka_unit_test(each_failure_has_its_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
