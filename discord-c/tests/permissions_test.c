/* permissions_test.c - what a member may do in a channel, as Discord computes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "discord/permissions.h"

/* Guild 1; the member is 77. View 1024, Send 2048, History 65536, Administrator 8. */

static const char guild[] = "[{\"id\":\"1\",\"permissions\":\"1024\"},"
                            "{\"id\":\"2\",\"permissions\":\"2048\"},"
                            "{\"id\":\"3\",\"permissions\":\"65536\"},"
                            "{\"id\":\"4\",\"permissions\":\"8\"},"
                            "{\"id\":\"5\",\"permissions\":\"1125899906842624\"}]";

static uint64_t permitted(const char *roles, const char *member, const char *channel)
{
    cJSON *parsed[] = {cJSON_Parse(channel), cJSON_Parse(roles), cJSON_Parse(member)};
    discord_permission_facts facts = {"1", "77", parsed[0], parsed[1], parsed[2]};
    uint64_t bits = discord_permissions_in(&facts);
    for (size_t i = 0; i < 3; i++)
        cJSON_Delete(parsed[i]);
    return bits;
}

#define OVERWRITES(list)  "{\"permission_overwrites\":[" list "]}"
#define DENY(id, bits)    "{\"id\":\"" id "\",\"type\":0,\"deny\":\"" bits "\",\"allow\":\"0\"}"
#define ALLOW(id, bits)   "{\"id\":\"" id "\",\"type\":0,\"deny\":\"0\",\"allow\":\"" bits "\"}"
#define MINE(deny, allow) "{\"id\":\"77\",\"type\":1,\"deny\":\"" deny "\",\"allow\":\"" allow "\"}"

static void everyone_and_the_roles_add_up(void **state)
{
    (void)state;
    assert_int_equal(permitted(guild, "{\"roles\":[]}", "{}"), 1024);
    assert_int_equal(permitted(guild, "{\"roles\":[\"2\",\"3\",\"99\"]}", "{}"),
                     1024 + 2048 + 65536);
    assert_true(permitted(guild, "{\"roles\":[\"5\"]}", "{}") == (UINT64_C(1) << 50) + 1024);
}

static void overwrites_come_in_discords_order(void **state)
{
    (void)state;
    const char *two_and_three = "{\"roles\":[\"2\",\"3\"]}";
    assert_int_equal(permitted(guild, two_and_three, OVERWRITES(DENY("2", "2048"))), 66560);
    /* of the roles all denials, then all permissions */
    assert_int_equal(
        permitted(guild, two_and_three, OVERWRITES(ALLOW("3", "2048") "," DENY("2", "2048"))),
        68608);
    /* everyone's come first, one's own last */
    assert_int_equal(
        permitted(guild, two_and_three, OVERWRITES(MINE("2048", "0") "," ALLOW("1", "2048"))),
        66560);
    assert_int_equal(permitted(guild, two_and_three, OVERWRITES(DENY("4", "65536"))), 68608);
}

static void who_cannot_view_a_channel_may_do_nothing_in_it(void **state)
{
    (void)state;
    assert_int_equal(permitted(guild, "{\"roles\":[\"3\"]}", OVERWRITES(DENY("1", "1024"))), 0);
}

static void an_administrator_may_do_everything(void **state)
{
    (void)state;
    assert_true(permitted(guild, "{\"roles\":[\"4\"]}", OVERWRITES(MINE("1024", "0"))) ==
                UINT64_MAX);
}

static void what_cannot_be_read_permits_nothing(void **state)
{
    static const char *const numbers[] = {"8", "\"-1x\"", "\"\"", "\"99999999999999999999999\"",
                                          "null"};
    char roles[80];
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(roles, sizeof roles, "[{\"id\":\"1\",\"permissions\":%s}]", numbers[i]);
        assert_int_equal(permitted(roles, "{\"roles\":[]}", "{}"), 0);
    }
    assert_int_equal(permitted("{}", "{\"roles\":[]}", "{}"), 0);
    assert_int_equal(permitted(guild, "[]", "{}"), 0);
    assert_int_equal(permitted(guild, "{\"roles\":7}", "{}"), 1024);
    assert_int_equal(permitted(guild, "{\"roles\":[]}", "[]"), 0);
}

static void a_time_out_counts_until_it_is_over(void **state)
{
    cJSON *member =
        cJSON_Parse("{\"communication_disabled_until\":\"2026-08-06T09:00:00.000000+00:00\"}");
    cJSON *free_one = cJSON_Parse("{\"communication_disabled_until\":null}");
    const int64_t end = INT64_C(1786006800000);
    (void)state;
    assert_true(discord_is_timed_out(member, end - 1));
    assert_false(discord_is_timed_out(member, end));
    assert_false(discord_is_timed_out(free_one, 0));
    cJSON_Delete(member);
    cJSON_Delete(free_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everyone_and_the_roles_add_up),
        cmocka_unit_test(overwrites_come_in_discords_order),
        cmocka_unit_test(who_cannot_view_a_channel_may_do_nothing_in_it),
        cmocka_unit_test(an_administrator_may_do_everything),
        cmocka_unit_test(what_cannot_be_read_permits_nothing),
        cmocka_unit_test(a_time_out_counts_until_it_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
