/* permissions_test.c - what keeps the bot from mirroring into a channel, and what to do about it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "permissions.h"

/* View 1024, Send 2048, Embed 16384, Attach 32768, History 65536, Manage Webhooks 1<<29,
 * Send in Threads 1<<38, Manage Roles 1<<28, Administrator 8. */

static const char guild[] =
    "[{\"id\":\"1\",\"name\":\"@everyone\",\"position\":0,\"permissions\":\"1024\"},"
    "{\"id\":\"2\",\"name\":\"Bot\",\"position\":2,\"permissions\":\"116736\"},"
    "{\"id\":\"3\",\"name\":\"VIP\",\"position\":3,\"permissions\":\"0\"},"
    "{\"id\":\"4\",\"name\":\"Boss\",\"position\":9,\"permissions\":\"8\"}]";

typedef struct scene {
    const char *channel, *parent, *member;
    const char *roles; /* to give; NULL: none */
    bool webhook;
} scene;

static findings check(scene s)
{
    findings found = {0};
    cJSON *channel = cJSON_Parse(s.channel), *parent = s.parent ? cJSON_Parse(s.parent) : NULL;
    cJSON *roles = cJSON_Parse(guild), *member = cJSON_Parse(s.member);
    convex_str role = convex_str_of(s.roles);
    convex_str_list wanted = {&role, s.roles ? 1 : 0};
    channel_facts facts = {.our_id = "77",
                           .guild_id = "1",
                           .channel = channel,
                           .parent = parent,
                           .roles = roles,
                           .member = member,
                           .now_ms = 1000,
                           .webhook = s.webhook,
                           .role_ids = &wanted};
    assert_non_null(channel);
    assert_non_null(member);
    permissions_check(&facts, &found);
    cJSON_Delete(channel);
    cJSON_Delete(parent);
    cJSON_Delete(roles);
    cJSON_Delete(member);
    return found;
}

#define CHANNEL(more)    "{\"id\":\"9\",\"type\":0,\"guild_id\":\"1\",\"name\":\"signals\"" more "}"
#define OVERWRITES(list) ",\"permission_overwrites\":[" list "]"
#define BOT              "{\"roles\":[\"2\"]}"

static void one(scene s, const char *code, const char *detail)
{
    findings found = check(s);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.list[0].code, code);
    if (!strstr(found.list[0].detail, detail))
        fail_msg("\"%s\" is not in: %s", detail, found.list[0].detail);
    assert_true(strlen(found.list[0].instruction) > 0);
}

static void none(scene s)
{
    findings found = check(s);
    if (found.count > 0)
        fail_msg("%s", found.list[0].detail);
}

static void a_bot_with_every_permission_has_no_finding(void **state)
{
    none((scene){.channel = CHANNEL(""), .member = BOT});
    none((scene){.channel = CHANNEL(""), .member = "{\"roles\":[\"4\"]}", .webhook = true});
}

static void each_missing_permission_is_named_with_what_to_do(void **state)
{
    findings found = check((scene){.channel = CHANNEL(""), .member = "{\"roles\":[]}"});
    static const char *const names[] = {"Send Messages", "Embed Links", "Attach Files",
                                        "Read Message History"};
    assert_int_equal(found.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(found.list[i].code, "missing_permission");
        assert_non_null(strstr(found.list[i].detail, names[i]));
        assert_non_null(strstr(found.list[i].instruction, "#signals"));
    }
}

static void without_view_channel_only_that_is_named(void **state)
{
    one((scene){.channel = CHANNEL(
                    OVERWRITES("{\"id\":\"1\",\"type\":0,\"allow\":\"0\",\"deny\":\"1024\"}")),
                .member = BOT},
        "missing_permission", "View Channel");
}

static void overwrites_count_for_everyone_then_roles_then_ourselves(void **state)
{
    /* everyone may not send, our role may again, we ourselves may not */
    static const char everyone[] = "{\"id\":\"1\",\"type\":0,\"allow\":\"0\",\"deny\":\"2048\"}";
    char text[1024];
    snprintf(text, sizeof text, CHANNEL(OVERWRITES("%s")), everyone);
    one((scene){.channel = text, .member = BOT}, "missing_permission", "Send Messages");
    snprintf(text, sizeof text,
             CHANNEL(OVERWRITES("%s,{\"id\":\"2\",\"type\":0,\"allow\":\"2048\",\"deny\":\"0\"}")),
             everyone);
    none((scene){.channel = text, .member = BOT});
    snprintf(text, sizeof text,
             CHANNEL(OVERWRITES("%s,{\"id\":\"2\",\"type\":0,\"allow\":\"2048\",\"deny\":\"0\"},"
                                "{\"id\":\"77\",\"type\":1,\"allow\":\"0\",\"deny\":\"2048\"}")),
             everyone);
    one((scene){.channel = text, .member = BOT}, "missing_permission", "Send Messages");
    /* a denial of one of our roles is beaten by a permission of another */
    snprintf(text, sizeof text,
             CHANNEL(OVERWRITES("{\"id\":\"2\",\"type\":0,\"allow\":\"0\",\"deny\":\"2048\"},"
                                "{\"id\":\"3\",\"type\":0,\"allow\":\"2048\",\"deny\":\"0\"}")));
    none((scene){.channel = text, .member = "{\"roles\":[\"2\",\"3\"]}"});
}

static void manage_webhooks_is_asked_for_only_with_the_webhook_identity(void **state)
{
    none((scene){.channel = CHANNEL(""), .member = BOT, .webhook = false});
    one((scene){.channel = CHANNEL(""), .member = BOT, .webhook = true}, "missing_permission",
        "Manage Webhooks");
}

static void a_thread_has_its_channels_overwrites_and_its_own_permission(void **state)
{
    scene s = {.channel = "{\"id\":\"8\",\"type\":11,\"guild_id\":\"1\",\"name\":\"t\","
                          "\"thread_metadata\":{\"locked\":false}}",
               .parent = CHANNEL(""),
               .member = BOT};
    one(s, "missing_permission", "Send Messages in Threads");
    s.parent = CHANNEL(OVERWRITES("{\"id\":\"2\",\"type\":0,\"allow\":\"274877906944\","
                                  "\"deny\":\"2048\"}"));
    none(s);
    s.channel = "{\"id\":\"8\",\"type\":11,\"guild_id\":\"1\",\"name\":\"t\","
                "\"thread_metadata\":{\"locked\":true}}";
    one(s, "locked_thread", "locked");
}

static void a_channel_that_cannot_be_a_mirror_is_said_to_be_one(void **state)
{
    one((scene){.channel = "{\"id\":\"9\",\"type\":4,\"guild_id\":\"1\",\"name\":\"c\"}",
                .member = BOT},
        "not_a_text_channel", "#c");
    one((scene){.channel = "{\"id\":\"9\",\"type\":0,\"guild_id\":\"2\",\"name\":\"c\"}",
                .member = BOT},
        "other_guild", "guild 1");
}

static void a_time_out_is_said_until_it_is_over(void **state)
{
    one((scene){.channel = CHANNEL(""),
                .member = "{\"roles\":[\"2\"],"
                          "\"communication_disabled_until\":\"2030-01-01T00:00:00+00:00\"}"},
        "timed_out", "time-out");
    none((scene){.channel = CHANNEL(""),
                 .member = "{\"roles\":[\"2\"],"
                           "\"communication_disabled_until\":\"1970-01-01T00:00:00+00:00\"}"});
}

static void a_paid_role_that_cannot_be_given_is_a_finding(void **state)
{
    one((scene){.channel = CHANNEL(""), .member = BOT, .roles = "3"}, "role", "Manage Roles");
    none((scene){.channel = CHANNEL(""), .member = "{\"roles\":[\"2\",\"4\"]}", .roles = "3"});
}

static void a_list_that_is_full_takes_no_more(void **state)
{
    findings found = {0};
    for (int i = 0; i < FINDINGS_MAX + 5; i++)
        findings_add(&found, "x", "y", "%d", i);
    assert_int_equal(found.count, FINDINGS_MAX);
    assert_string_equal(found.list[FINDINGS_MAX - 1].detail, "23");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bot_with_every_permission_has_no_finding),
        cmocka_unit_test(each_missing_permission_is_named_with_what_to_do),
        cmocka_unit_test(without_view_channel_only_that_is_named),
        cmocka_unit_test(overwrites_count_for_everyone_then_roles_then_ourselves),
        cmocka_unit_test(manage_webhooks_is_asked_for_only_with_the_webhook_identity),
        cmocka_unit_test(a_thread_has_its_channels_overwrites_and_its_own_permission),
        cmocka_unit_test(a_channel_that_cannot_be_a_mirror_is_said_to_be_one),
        cmocka_unit_test(a_time_out_is_said_until_it_is_over),
        cmocka_unit_test(a_paid_role_that_cannot_be_given_is_a_finding),
        cmocka_unit_test(a_list_that_is_full_takes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
