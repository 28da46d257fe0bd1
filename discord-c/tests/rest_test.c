/* rest_test.c - REST against a scripted server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canned.h"

static const discord_result *create(const char *nonce)
{
    discord_message m = {.content = "hi", .nonce = nonce};
    discord_wait *wait = discord_wait_new();

    return canned_take(wait,
                       discord_rest_create_message(w.rest, CHANNEL, &m, discord_wait_done, wait));
}

static void a_message_is_created_as_discord_wants_it(void **state)
{
    START({"200 OK", "", "{\"id\":\"" MESSAGE "\"}"});
    discord_message m = {.content = "h\xC3\xA9 @everyone",
                         .embeds_json = "[{\"title\":\"t\",\"color\":16711680}]",
                         .reply_to_id = MESSAGE,
                         .nonce = "n1"};
    discord_wait *wait = discord_wait_new();
    const discord_result *r = canned_take(
        wait, discord_rest_create_message(w.rest, CHANNEL, &m, discord_wait_done, wait));

    assert_int_equal(r->error.status, DISCORD_OK);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(r->json, "id")), MESSAGE);
    assert_string_equal(w.log[0].method, "POST");
    assert_string_equal(w.log[0].path, "/api/v10/channels/" CHANNEL "/messages");
    assert_non_null(strstr(w.log[0].head, "Authorization: Bot secret-token\r\n"));
    assert_non_null(strstr(w.log[0].head, "User-Agent: DiscordBot ("));
    assert_non_null(strstr(w.log[0].head, "Content-Type: application/json\r\n"));
    assert_string_equal(w.log[0].body,
                        "{\"allowed_mentions\":{\"parse\":[]},\"content\":\"h\xC3\xA9 @everyone\","
                        "\"message_reference\":{\"message_id\":\"" MESSAGE
                        "\",\"fail_if_not_exists\":false},"
                        "\"nonce\":\"n1\",\"enforce_nonce\":true,\"embeds\":[{\"title\":\"t\","
                        "\"color\":16711680}]}");
    discord_result_unref(r);
}

static void every_edit_carries_allowed_mentions(void **state)
{
    START({"200 OK", "", "{}"});
    discord_message m = {.content = "", .attachments_json = "[{\"id\":\"5\"}]"};
    discord_wait *wait = discord_wait_new();
    const discord_result *r = canned_take(
        wait, discord_rest_edit_message(w.rest, CHANNEL, MESSAGE, &m, discord_wait_done, wait));

    assert_string_equal(w.log[0].method, "PATCH");
    assert_string_equal(w.log[0].body, "{\"allowed_mentions\":{\"parse\":[]},\"content\":\"\","
                                       "\"attachments\":[{\"id\":\"5\"}]}");
    discord_result_unref(r);
}

static void deleting_what_is_gone_is_a_success(void **state)
{
    START({"404 Not Found", "", "{\"code\":10008,\"message\":\"Unknown Message\"}"});
    discord_wait *wait = discord_wait_new();
    const discord_result *r =
        canned_take(wait, discord_rest_delete_message(w.rest, CHANNEL, MESSAGE, "a \xC3\xA9",
                                                      discord_wait_done, wait));

    assert_int_equal(r->error.status, DISCORD_OK);
    assert_int_equal(r->already_gone, 1);
    assert_non_null(strstr(w.log[0].head, "X-Audit-Log-Reason: a%20%C3%A9\r\n"));
    discord_result_unref(r);
}

static void files_go_as_multipart_with_their_descriptions(void **state)
{
    START({"200 OK", "", "{}"});
    discord_file file = {"ch\"art.png", "image/png", "a chart", "PNGDATA", 7};
    discord_message m = {.content = "x", .nonce = "n", .files = &file, .n_files = 1};
    discord_wait *wait = discord_wait_new();
    const discord_result *r = canned_take(
        wait, discord_rest_create_message(w.rest, CHANNEL, &m, discord_wait_done, wait));

    assert_int_equal(r->error.status, DISCORD_OK);
    assert_non_null(strstr(w.log[0].head, "Content-Type: multipart/form-data"));
    assert_null(strstr(w.log[0].head, "Expect:"));
    assert_non_null(strstr(w.log[0].body, "name=\"files[0]\"; filename=\"ch_art.png\""));
    assert_non_null(strstr(w.log[0].body, "PNGDATA"));
    assert_non_null(strstr(w.log[0].body, "name=\"payload_json\""));
    assert_non_null(strstr(w.log[0].body, "\"description\":\"a chart\""));
    discord_result_unref(r);
}

static void a_429_is_waited_out_and_sent_again(void **state)
{
    START({"429 Too Many Requests", "Retry-After: 0\r\nX-RateLimit-Scope: user\r\n",
           "{\"message\":\"slow\",\"retry_after\":0.05,\"global\":false}"},
          {"200 OK", "X-RateLimit-Bucket: b\r\n", "{\"id\":\"1\"}"});
    const discord_result *r = create(NULL);

    assert_int_equal(r->error.status, DISCORD_OK);
    assert_int_equal(r->attempts, 2);
    assert_true(r->limited_ms >= 50);
    discord_result_unref(r);
}

static void a_502_of_an_enforced_nonce_is_sent_again(void **state)
{
    START({"502 Bad Gateway", "", "<html>"}, {"200 OK", "", "{\"id\":\"1\"}"});
    const discord_result *r = create("nonce");

    assert_int_equal(r->error.status, DISCORD_OK);
    assert_int_equal(r->attempts, 2);
    assert_string_equal(w.log[0].body, w.log[1].body);
    discord_result_unref(r);
}

static void a_502_of_a_plain_post_is_not_and_its_outcome_is_open(void **state)
{
    START({"502 Bad Gateway", "", "<html>"});
    const discord_result *r = create(NULL);

    assert_int_equal(r->error.status, DISCORD_ESERVER);
    assert_int_equal(r->error.http_status, 502);
    assert_int_equal(r->error.maybe_applied, 1);
    assert_int_equal(canned_asked(), 1);
    discord_result_unref(r);
}

static void a_plain_post_is_never_sent_twice_when_a_kept_connection_dies(void **state)
{
    START({"200 OK", "", "{}"}, {NULL, NULL, NULL}, {"200 OK", "", "{}"});
    const discord_result *first = create(NULL);
    const discord_result *second = create(NULL);

    assert_int_equal(second->error.status, DISCORD_ENETWORK);
    assert_int_equal(second->error.maybe_applied, 1);
    assert_int_equal(canned_asked(), 2);
    discord_result_unref(first);
    discord_result_unref(second);
}

static void a_silent_server_is_given_up_and_tried_again(void **state)
{
    w.impatient = true;
    START({"silence", NULL, NULL}, {"200 OK", "", "{\"id\":\"1\"}"});
    const discord_result *r = create("nonce");

    assert_int_equal(r->error.status, DISCORD_OK);
    assert_true(r->attempts >= 2);
    discord_result_unref(r);
}

static void failing_for_ever_ends(void **state)
{
    START({"500 Internal Server Error", "", "{}"});
    const discord_result *r = create("nonce");

    assert_int_equal(r->error.status, DISCORD_ESERVER);
    assert_int_equal(r->attempts, 4);
    discord_result_unref(r);
}

static void a_permission_error_is_told_at_once_with_its_code(void **state)
{
    START({"403 Forbidden", "", "{\"code\":50013,\"message\":\"Missing Permissions\"}"});
    const discord_result *r = create("nonce");

    assert_int_equal(r->error.status, DISCORD_EFORBIDDEN);
    assert_int_equal(r->error.code, 50013);
    assert_int_equal(canned_asked(), 1);
    discord_result_unref(r);
}

static void an_old_edit_limit_comes_back_at_once(void **state)
{
    START({"429 Too Many Requests", "Retry-After: 60\r\n",
           "{\"code\":30046,\"message\":\"Maximum number of edits\",\"retry_after\":60}"},
          {"200 OK", "", "{}"});
    discord_message m = {.content = "x"};
    discord_wait *wait = discord_wait_new();
    const discord_result *r = canned_take(
        wait, discord_rest_edit_message(w.rest, CHANNEL, MESSAGE, &m, discord_wait_done, wait));

    assert_int_equal(r->error.status, DISCORD_ERATELIMIT);
    assert_int_equal(r->error.code, 30046);
    assert_int_equal(r->error.retry_after_ms, 60000);
    discord_result_unref(r);

    /* A younger message of the same channel is edited meanwhile. */
    wait = discord_wait_new();
    r = canned_take(
        wait, discord_rest_edit_message(w.rest, CHANNEL, MESSAGE, &m, discord_wait_done, wait));
    assert_int_equal(r->error.status, DISCORD_OK);
    discord_result_unref(r);
}

static void a_limit_behind_the_deadline_is_told_at_once(void **state)
{
    START({"429 Too Many Requests", "Retry-After: 3600\r\n", "{\"retry_after\":3600}"});
    const discord_result *r = create("nonce");

    assert_int_equal(r->error.status, DISCORD_ERATELIMIT);
    assert_true(r->error.retry_after_ms > 3500000);
    assert_int_equal(canned_asked(), 1);
    discord_result_unref(r);
}

static void a_401_stops_everything(void **state)
{
    START({"401 Unauthorized", "", "{\"code\":0,\"message\":\"401: Unauthorized\"}"});
    const discord_result *r = create("nonce");
    discord_status status = discord_rest_get_current_user(w.rest, NULL, NULL);

    assert_int_equal(r->error.status, DISCORD_EAUTH);
    assert_int_equal(status, DISCORD_EAUTH);
    assert_int_equal(w.refused, 1);
    assert_int_equal(canned_asked(), 1);
    discord_result_unref(r);
}

static void messages_are_fetched_with_a_cursor(void **state)
{
    START({"200 OK", "", "[{\"id\":\"3\"},{\"id\":\"2\"}]"});
    discord_page page = {.limit = 100, .after = "1"};
    discord_wait *wait = discord_wait_new();
    const discord_result *r = canned_take(
        wait, discord_rest_get_messages(w.rest, CHANNEL, &page, discord_wait_done, wait));

    assert_string_equal(w.log[0].path, "/api/v10/channels/" CHANNEL "/messages?limit=100&after=1");
    assert_int_equal(cJSON_GetArraySize(r->json), 2);
    discord_result_unref(r);
}

static void kept_connections_are_used_again(void **state)
{
    START({"200 OK", "", "{}"});

    for (int i = 0; i < 5; i++)
        discord_result_unref(create("nonce"));
    assert_int_equal(w.connections, 1);
}

static void bad_arguments_are_refused_before_anything_is_sent(void **state)
{
    START({"200 OK", "", "{}"});
    discord_message m = {.content = "x"};
    discord_message bad_embed = {.embeds_json = "{}"};
    discord_message long_nonce = {.content = "x", .nonce = "12345678901234567890123456"};
    discord_request bad_path = {.method = "GET", .route = "/x", .path = "/a b"};

    assert_int_equal(discord_rest_create_message(w.rest, "../1", &m, NULL, NULL), DISCORD_EINVAL);
    assert_int_equal(discord_rest_create_message(w.rest, "", &m, NULL, NULL), DISCORD_EINVAL);
    assert_int_equal(discord_rest_create_message(w.rest, CHANNEL, &bad_embed, NULL, NULL),
                     DISCORD_EINVAL);
    assert_int_equal(discord_rest_create_message(w.rest, CHANNEL, &long_nonce, NULL, NULL),
                     DISCORD_EINVAL);
    assert_int_equal(discord_rest_send(w.rest, &bad_path, NULL, NULL), DISCORD_EINVAL);
    assert_int_equal(canned_asked(), 0);
}

static void count_closed(const discord_result *result, void *user)
{
    assert_int_equal(result->error.status, DISCORD_ECLOSED);
    ++*(unsigned *)user;
}

static void freeing_ends_every_request_once(void **state)
{
    START({"silence", NULL, NULL});
    discord_message m = {.content = "x", .nonce = "n"};
    unsigned closed = 0;

    for (int i = 0; i < 5; i++)
        assert_int_equal(discord_rest_create_message(w.rest, CHANNEL, &m, count_closed, &closed),
                         DISCORD_OK);
    discord_rest_free(w.rest);
    w.rest = NULL;
    assert_int_equal(closed, 5);
}

static void a_full_queue_is_told(void **state)
{
    START({"silence", NULL, NULL});
    discord_rest_options o = DISCORD_REST_OPTIONS_INIT;
    discord_message m = {.content = "x", .nonce = "n"};
    discord_rest *rest;
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%d", peer_port(w.peer));
    o.api_url = url;
    o.token = "t";
    o.max_queued = 2;
    assert_int_equal(discord_rest_new(&o, &rest, NULL), DISCORD_OK);
    assert_int_equal(discord_rest_create_message(rest, CHANNEL, &m, NULL, NULL), DISCORD_OK);
    assert_int_equal(discord_rest_create_message(rest, CHANNEL, &m, NULL, NULL), DISCORD_OK);
    assert_int_equal(discord_rest_create_message(rest, CHANNEL, &m, NULL, NULL), DISCORD_EBUSY);
    discord_rest_free(rest);
}

static void nobody_listening_is_a_network_failure(void **state)
{
    START({"200 OK", "", "{}"});
    discord_rest_options o = DISCORD_REST_OPTIONS_INIT;
    discord_rest *rest;
    const discord_result *r = NULL;
    discord_request request = {.method = "GET", .route = "/x", .path = "/x"};

    o.api_url = "http://127.0.0.1:1/api";
    o.token = "t";
    assert_int_equal(discord_rest_new(&o, &rest, NULL), DISCORD_OK);
    assert_int_equal(discord_rest_call(rest, &request, &r), DISCORD_ENETWORK);
    assert_int_equal(r->error.maybe_applied, 0);
    discord_result_unref(r);
    discord_rest_free(rest);
}

/* -- in a host loop -- */

typedef struct hosted {
    discord_rest *rest;
    unsigned done;
    discord_status status[4];
} hosted;

static void on_hosted(const discord_result *result, void *user)
{
    hosted *h = user;

    h->status[h->done++] = result->error.status;
    if (result->error.status != DISCORD_ECLOSED) /* from here it does nothing */
        assert_int_equal(discord_rest_process(h->rest), DISCORD_OK);
}

static discord_rest *new_hosted(hosted *h)
{
    discord_rest_options o = DISCORD_REST_OPTIONS_INIT;
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/api/v10", peer_port(w.peer));
    o.api_url = url;
    o.token = "t";
    o.host_loop = 1;
    assert_int_equal(discord_rest_new(&o, &h->rest, NULL), DISCORD_OK);
    return h->rest;
}

static void drive(hosted *h, unsigned done)
{
    int fd = discord_rest_fd(h->rest);

    for (unsigned turns = 0; h->done < done; turns++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_true(turns < 10000);
        assert_int_equal(discord_rest_process(h->rest), DISCORD_OK);
        if (h->done < done)
            poll(&p, 1, discord_rest_timeout_ms(h->rest));
        assert_int_equal(discord_rest_fd(h->rest), fd);
    }
}

static void a_host_loop_drives_it_on_its_own_thread(void **state)
{
    START({"429 Too Many Requests", "Retry-After: 0.05\r\n", "{\"retry_after\":0.05}"},
          {"200 OK", "", "{}"}, {"404 Not Found", "", "{\"code\":10003}"});
    hosted h = {0};
    const discord_result *none = NULL;
    discord_request request = {.method = "GET", .route = "/x", .path = "/x"};
    discord_rest *rest = new_hosted(&h);

    assert_int_equal(discord_rest_call(rest, &request, &none), DISCORD_EINVAL);
    assert_int_equal(discord_rest_get_current_user(rest, on_hosted, &h), DISCORD_OK);
    drive(&h, 1);
    assert_int_equal(h.status[0], DISCORD_OK);
    assert_int_equal(discord_rest_get_channel(rest, CHANNEL, on_hosted, &h), DISCORD_OK);
    drive(&h, 2);
    assert_int_equal(h.status[1], DISCORD_ENOTFOUND);
    assert_int_equal(discord_rest_get_channel(rest, CHANNEL, on_hosted, &h), DISCORD_OK);
    discord_rest_free(rest);
    assert_int_equal(h.done, 3);
    assert_int_equal(h.status[2], DISCORD_ECLOSED);
    assert_int_equal(discord_rest_process(w.rest), DISCORD_EINVAL); /* it has a thread */
}

static void *send_from_afar(void *user)
{
    hosted *h = user;

    assert_int_equal(discord_rest_get_current_user(h->rest, on_hosted, h), DISCORD_OK);
    return NULL;
}

static void another_threads_request_wakes_the_host_loop(void **state)
{
    START({"200 OK", "", "{}"});
    hosted h = {0};
    pthread_t thread;
    discord_rest *rest = new_hosted(&h);
    struct pollfd p = {.fd = discord_rest_fd(rest), .events = POLLIN};

    assert_int_equal(discord_rest_process(rest), DISCORD_OK);
    assert_int_equal(discord_rest_timeout_ms(rest), 60000);
    assert_int_equal(pthread_create(&thread, NULL, send_from_afar, &h), 0);
    assert_int_equal(poll(&p, 1, 120000), 1);
    pthread_join(thread, NULL);
    drive(&h, 1);
    assert_int_equal(h.status[0], DISCORD_OK);
    discord_rest_free(rest);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, canned_setup, canned_teardown)
    const struct CMUnitTest tests[] = {
        T(a_message_is_created_as_discord_wants_it),
        T(every_edit_carries_allowed_mentions),
        T(deleting_what_is_gone_is_a_success),
        T(files_go_as_multipart_with_their_descriptions),
        T(a_429_is_waited_out_and_sent_again),
        T(a_502_of_an_enforced_nonce_is_sent_again),
        T(a_502_of_a_plain_post_is_not_and_its_outcome_is_open),
        T(a_plain_post_is_never_sent_twice_when_a_kept_connection_dies),
        T(a_silent_server_is_given_up_and_tried_again),
        T(failing_for_ever_ends),
        T(a_permission_error_is_told_at_once_with_its_code),
        T(an_old_edit_limit_comes_back_at_once),
        T(a_limit_behind_the_deadline_is_told_at_once),
        T(a_401_stops_everything),
        T(messages_are_fetched_with_a_cursor),
        T(kept_connections_are_used_again),
        T(bad_arguments_are_refused_before_anything_is_sent),
        T(freeing_ends_every_request_once),
        T(a_full_queue_is_told),
        T(a_host_loop_drives_it_on_its_own_thread),
        T(another_threads_request_wakes_the_host_loop),
        T(nobody_listening_is_a_network_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
