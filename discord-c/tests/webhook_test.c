/* webhook_test.c - webhooks, threads, and addresses of attachments, against a scripted server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "canned.h"
#include "discord/attachment.h"
#include "discord/webhook.h"

#define HOOK_PATH "/api/v10/webhooks/" MESSAGE "/a-Token_1"
static const discord_webhook hook = {MESSAGE, "a-Token_1", NULL};
static const discord_webhook thread_hook = {MESSAGE, "a-Token_1", CHANNEL};

static const discord_result *execute(const discord_webhook_message *m)
{
    discord_wait *wait = discord_wait_new();

    return canned_take(wait,
                       discord_rest_execute_webhook(w.rest, &hook, m, discord_wait_done, wait));
}

static const discord_result *me(void)
{
    discord_wait *wait = discord_wait_new();

    return canned_take(wait, discord_rest_get_current_user(w.rest, discord_wait_done, wait));
}

static void a_webhook_posts_under_its_name_without_the_bots_token(void **state)
{
    START({"200 OK", "", "{\"id\":\"" MESSAGE "\"}"});
    discord_webhook_message m = {.message = {.content = "hi"},
                                 .username = "Mara",
                                 .avatar_url = "https://example.com/a.png"};
    const discord_result *r = execute(&m);

    assert_int_equal(r->error.status, DISCORD_OK);
    assert_string_equal(w.log[0].path, HOOK_PATH "?wait=true");
    assert_null(strstr(w.log[0].head, "Authorization"));
    assert_string_equal(w.log[0].body,
                        "{\"allowed_mentions\":{\"parse\":[]},\"content\":\"hi\","
                        "\"username\":\"Mara\",\"avatar_url\":\"https://example.com/a.png\"}");
    discord_result_unref(r);
}

static void its_message_is_edited_read_and_deleted_in_its_thread(void **state)
{
    START({"200 OK", "", "{}"}, {"200 OK", "", "{}"}, {"204 No Content", "", ""});
    static const char path[] = HOOK_PATH "/messages/" MESSAGE "?thread_id=" CHANNEL;
    discord_message m = {.content = "two"};
    static const char *const methods[] = {"PATCH", "GET", "DELETE"};

    for (unsigned i = 0; i < 3; i++) {
        discord_wait *wait = discord_wait_new();
        discord_status status =
            i == 0   ? discord_rest_edit_webhook_message(w.rest, &thread_hook, MESSAGE, &m,
                                                         discord_wait_done, wait)
            : i == 1 ? discord_rest_get_webhook_message(w.rest, &thread_hook, MESSAGE,
                                                        discord_wait_done, wait)
                     : discord_rest_delete_webhook_message(w.rest, &thread_hook, MESSAGE,
                                                           discord_wait_done, wait);
        discord_result_unref(canned_take(wait, status));
        assert_string_equal(w.log[i].method, methods[i]);
        assert_string_equal(w.log[i].path, path);
        assert_null(strstr(w.log[i].head, "Authorization"));
    }
    assert_string_equal(w.log[0].body, "{\"allowed_mentions\":{\"parse\":[]},\"content\":\"two\"}");
}

static void a_post_whose_outcome_is_open_is_not_sent_again(void **state)
{
    START({"502 Bad Gateway", "", "<html>"});
    discord_webhook_message m = {.message = {.content = "once"}};
    const discord_result *r = execute(&m);

    assert_int_equal(r->error.status, DISCORD_ESERVER);
    assert_int_equal(r->error.maybe_applied, 1);
    assert_int_equal(canned_asked(), 1);
    discord_result_unref(r);
}

static void a_dead_webhook_stops_nothing_else(void **state)
{
    START({"401 Unauthorized", "", "{\"code\":50027,\"message\":\"Invalid Webhook Token\"}"},
          {"404 Not Found", "", "{\"code\":10015,\"message\":\"Unknown Webhook\"}"},
          {"200 OK", "", "{}"});
    discord_webhook_message m = {.message = {.content = "x"}};
    const discord_result *wrong = execute(&m);
    const discord_result *gone = execute(&m);
    const discord_result *bot = me();

    assert_int_equal(wrong->error.status, DISCORD_EAUTH);
    assert_int_equal(wrong->error.code, 50027);
    assert_int_equal(gone->error.status, DISCORD_ENOTFOUND);
    assert_int_equal(gone->error.code, 10015);
    assert_int_equal(bot->error.status, DISCORD_OK);
    assert_int_equal(w.refused, 0);
    discord_result_unref(wrong);
    discord_result_unref(gone);
    discord_result_unref(bot);
}

/* Both have an empty bucket of their own: the second webhook does not wait for the first. */
static void each_webhook_has_limits_of_its_own(void **state)
{
    START({"200 OK",
           "X-RateLimit-Bucket: b\r\nX-RateLimit-Limit: 5\r\nX-RateLimit-Remaining: 0\r\n"
           "X-RateLimit-Reset-After: 300\r\n",
           "{}"});
    static const discord_webhook other = {MESSAGE, "b-Token_2", NULL};
    discord_webhook_message m = {.message = {.content = "x"}};
    discord_wait *wait = discord_wait_new();

    discord_result_unref(execute(&m));
    discord_result_unref(canned_take(
        wait, discord_rest_execute_webhook(w.rest, &other, &m, discord_wait_done, wait)));
    const discord_result *r = execute(&m);
    assert_int_equal(r->error.status, DISCORD_ERATELIMIT);
    assert_int_equal(canned_asked(), 2);
    discord_result_unref(r);
}

static void webhooks_are_managed_with_the_bots_token(void **state)
{
    START({"200 OK", "", "{}"});
    discord_wait *wait = discord_wait_new();

    discord_result_unref(
        canned_take(wait, discord_rest_create_webhook(w.rest, CHANNEL, "Signals", "mirror",
                                                      discord_wait_done, wait)));
    wait = discord_wait_new();
    discord_result_unref(canned_take(
        wait, discord_rest_get_channel_webhooks(w.rest, CHANNEL, discord_wait_done, wait)));
    wait = discord_wait_new();
    discord_result_unref(canned_take(
        wait, discord_rest_delete_webhook(w.rest, MESSAGE, NULL, discord_wait_done, wait)));
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(strstr(w.log[i].head, "Authorization: Bot secret-token\r\n"));
    assert_string_equal(w.log[0].body, "{\"name\":\"Signals\"}");
    assert_non_null(strstr(w.log[0].head, "X-Audit-Log-Reason: mirror\r\n"));
    assert_string_equal(w.log[1].path, "/api/v10/channels/" CHANNEL "/webhooks");
    assert_string_equal(w.log[2].path, "/api/v10/webhooks/" MESSAGE);
}

static void threads_are_listed_and_opened(void **state)
{
    START({"200 OK", "", "{}"});
    static const char at[] = "2026-08-06T10:00:00.123000+00:00";
    discord_wait *wait = discord_wait_new();

    discord_result_unref(canned_take(
        wait, discord_rest_get_active_threads(w.rest, MESSAGE, discord_wait_done, wait)));
    wait = discord_wait_new();
    discord_result_unref(canned_take(
        wait, discord_rest_get_archived_threads(w.rest, CHANNEL, at, discord_wait_done, wait)));
    wait = discord_wait_new();
    discord_result_unref(canned_take(
        wait, discord_rest_unarchive_thread(w.rest, CHANNEL, NULL, discord_wait_done, wait)));
    assert_string_equal(w.log[0].path, "/api/v10/guilds/" MESSAGE "/threads/active");
    assert_string_equal(w.log[1].path, "/api/v10/channels/" CHANNEL "/threads/archived/public"
                                       "?before=2026-08-06T10:00:00.123000%2B00:00");
    assert_string_equal(w.log[2].body, "{\"archived\":false}");
    assert_int_equal(discord_rest_get_archived_threads(w.rest, CHANNEL, "a b", NULL, NULL),
                     DISCORD_EINVAL);
}

static void what_no_webhook_can_do_is_refused_before_it_is_sent(void **state)
{
    START({"200 OK", "", "{}"});
    const discord_webhook_message bad[] = {{.message = {.content = "x", .nonce = "n"}},
                                           {.message = {.content = "x", .reply_to_id = MESSAGE}}};
    const discord_webhook_message good = {.message = {.content = "x"}};
    const discord_webhook hooks[] = {{"x", "t", NULL},
                                     {MESSAGE, "a/b", NULL},
                                     {MESSAGE, "", NULL},
                                     {MESSAGE, NULL, NULL},
                                     {MESSAGE, "t", "?"}};

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(discord_rest_execute_webhook(w.rest, &hook, &bad[i], NULL, NULL),
                         DISCORD_EINVAL);
    for (unsigned i = 0; i < sizeof hooks / sizeof *hooks; i++)
        assert_int_equal(discord_rest_execute_webhook(w.rest, &hooks[i], &good, NULL, NULL),
                         DISCORD_EINVAL);
    assert_int_equal(discord_rest_create_webhook(w.rest, CHANNEL, "", NULL, NULL, NULL),
                     DISCORD_EINVAL);
    assert_int_equal(canned_asked(), 0);
}

/* -- attachments -- */

static void addresses_are_signed_anew_and_that_may_be_repeated(void **state)
{
    START({"502 Bad Gateway", "", "<html>"}, {"200 OK", "", "{\"refreshed_urls\":[]}"});
    static const char *const urls[] = {"https://cdn/a?ex=1", "https://cdn/b"};
    discord_wait *wait = discord_wait_new();
    const discord_result *r =
        canned_take(wait, discord_rest_refresh_urls(w.rest, urls, 2, discord_wait_done, wait));

    assert_int_equal(r->error.status, DISCORD_OK);
    assert_int_equal(canned_asked(), 2);
    assert_string_equal(w.log[1].path, "/api/v10/attachments/refresh-urls");
    assert_string_equal(w.log[1].body,
                        "{\"attachment_urls\":[\"https://cdn/a?ex=1\",\"https://cdn/b\"]}");
    assert_int_equal(discord_rest_refresh_urls(w.rest, urls, 0, NULL, NULL), DISCORD_EINVAL);
    assert_int_equal(discord_rest_refresh_urls(w.rest, urls, 51, NULL, NULL), DISCORD_EINVAL);
    discord_result_unref(r);
}

static void an_address_says_when_it_expires(void **state)
{
    static const struct {
        const char *url;
        int64_t ms;
    } cases[] = {
        {"https://cdn/a.png?ex=65d903de&is=65c68ede&hm=00&", 1708721118000},
        {"https://cdn/a.png?is=1&ex=A", 10000},
        {"https://cdn/a.png?ex=0", 0},
        {"https://cdn/a.png", -1},
        {"https://cdn/a.png?ex=", -1},
        {"https://cdn/a.png?ex=12g", -1},
        {"https://cdn/a.png?hex=12", -1},
        {"https://cdn/a.png?ex=fffffffffffff", -1},
        {NULL, -1},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(discord_attachment_expires_ms(cases[i].url), cases[i].ms);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, canned_setup, canned_teardown)
    const struct CMUnitTest tests[] = {
        T(a_webhook_posts_under_its_name_without_the_bots_token),
        T(its_message_is_edited_read_and_deleted_in_its_thread),
        T(a_post_whose_outcome_is_open_is_not_sent_again),
        T(a_dead_webhook_stops_nothing_else),
        T(each_webhook_has_limits_of_its_own),
        T(webhooks_are_managed_with_the_bots_token),
        T(threads_are_listed_and_opened),
        T(what_no_webhook_can_do_is_refused_before_it_is_sent),
        T(addresses_are_signed_anew_and_that_may_be_repeated),
        cmocka_unit_test(an_address_says_when_it_expires),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
