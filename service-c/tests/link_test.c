/* link_test.c - what a daemon hears of its backend, and what the backend hears of it.
 * The client is a script: the convex_client_*() and convex_identity_*() of this file, and typed
 * calls of typed_script.h, stand in for the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "convex/identity.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "service/link.h"
#include "typed_script.h"

/* ---- the scripted client ---- */

static struct {
    convex_state_fn *on_state;
    void *state_user;
    int fd;
    unsigned auths;
    unsigned beats;
    char state[32], detail[64], counters[256];
    const convex_function *called;
    convex_any_fn *done;
    void *done_user;
    bool full;
} client;

convex_status convex_client_new(const convex_options *options, convex_client **ret,
                                convex_error *reterr)
{
    client.on_state = options->on_state;
    client.state_user = options->state_user;
    client.fd = eventfd(0, EFD_CLOEXEC);
    *ret = (convex_client *)(void *)&client;
    return CONVEX_OK;
}

int convex_client_fd(const convex_client *c)
{
    return client.fd;
}

int convex_client_timeout_ms(const convex_client *c)
{
    return -1;
}

convex_status convex_client_process(convex_client *c)
{
    return CONVEX_OK;
}

convex_status convex_client_set_auth(convex_client *c, const convex_auth *auth)
{
    client.auths++;
    return CONVEX_OK;
}

static void copy(char *to, size_t size, const convex_value *args, const char *key)
{
    const char *text = convex_value_string(convex_value_field(args, key), NULL);
    snprintf(to, size, "%s", text ? text : "");
}

static convex_status typed_call_made(const convex_function *function, const void *args,
                                     convex_any_fn *fn, void *user)
{
    char *text = NULL;
    assert_string_equal(function->path, "services:heartbeat");
    if (client.full)
        return CONVEX_EBUSY;
    convex_value *value = typed_call_args(function, args);
    client.beats++;
    copy(client.state, sizeof client.state, value, "state");
    copy(client.detail, sizeof client.detail, value, "detail");
    convex_value_print(convex_value_field(value, "counters"), CONVEX_PLAIN_JSON, NULL, &text, NULL);
    snprintf(client.counters, sizeof client.counters, "%s", text);
    convex_text_free(text, NULL);
    convex_value_unref(value);
    client.called = function;
    client.done = fn;
    client.done_user = user;
    return CONVEX_OK;
}

/* The last callbacks run here, as the real one's do. */
void convex_client_join(convex_client *c)
{
    convex_state closed = {.connection = CONVEX_CONNECTION_CLOSED};
    convex_failure failure = {CONVEX_ECLOSED, "closed", NULL, NULL};
    if (client.done)
        typed_call_answer(client.called, client.done, client.done_user, NULL, &failure);
    client.on_state(&closed, client.state_user);
}

void convex_client_unref(convex_client *c)
{
    close(client.fd);
}

convex_status convex_identity_new(const convex_identity_options *options, convex_identity **ret,
                                  convex_error *reterr)
{
    assert_string_equal(options->subject, "bot/one");
    *ret = (convex_identity *)(void *)&client;
    return CONVEX_OK;
}

convex_auth convex_identity_auth(convex_identity *identity)
{
    convex_auth auth = {0};
    return auth;
}

void convex_identity_free(convex_identity *identity)
{
}

/* ---- the daemon ---- */

typedef struct bench {
    daemon_loop *loop;
    daemon_metrics *metrics;
    service_settings settings;
    service_link *link;
    unsigned ready, lost, refused;
    const char *say_on_ready;
} bench;

static void on_ready(void *user)
{
    bench *b = user;
    b->ready++;
    if (b->say_on_ready)
        service_link_report(b->link, b->say_on_ready, "");
}

static void on_lost(void *user)
{
    ((bench *)user)->lost++;
}

static void on_refused(void *user)
{
    ((bench *)user)->refused++;
}

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);
    memset(&client, 0, sizeof client);
    assert_int_equal(daemon_loop_new(&b->loop), 0);
    b->metrics = daemon_metrics_new();
    b->settings.convex_url = "http://127.0.0.1:1";
    service_link_options options = {b->loop,    &b->settings, "bot",   "one",      "0.1.0",
                                    b->metrics, on_ready,     on_lost, on_refused, b};
    assert_int_equal(service_link_open(&options, &b->link), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;
    unsigned lost = b->lost;
    service_link_close(b->link);
    assert_int_equal(b->lost, lost); /* closing is no loss */
    daemon_loop_free(b->loop);
    daemon_metrics_free(b->metrics);
    free(b);
    return 0;
}

static void tell(convex_connection connection, convex_identity_state identity)
{
    convex_state state = {.connection = connection, .identity = identity, .retry_in_ms = -1};
    client.on_state(&state, client.state_user);
}

static void connect_well(void)
{
    tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_PENDING);
    tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_CONFIRMED);
}

static void it_is_ready_only_when_connected_and_known(void **state)
{
    bench *b = *state;
    tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_PENDING);
    assert_false(service_link_is_ready(b->link));
    tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_CONFIRMED);
    assert_true(service_link_is_ready(b->link));
    tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_CONFIRMED);
    assert_int_equal(b->ready, 1);
    tell(CONVEX_CONNECTION_RECONNECTING, CONVEX_IDENTITY_PENDING);
    assert_int_equal(b->lost, 1);
    assert_false(service_link_is_ready(b->link));
    connect_well();
    assert_int_equal(b->ready, 2);
}

static void each_new_connection_hears_the_state_once(void **state)
{
    bench *b = *state;
    connect_well();
    assert_int_equal(client.beats, 1);
    assert_string_equal(client.state, "starting");
    service_link_report(b->link, "ready", "");
    service_link_report(b->link, "ready", "");
    assert_int_equal(client.beats, 2);
    assert_string_equal(client.state, "ready");
    b->say_on_ready = "ready";
    tell(CONVEX_CONNECTION_RECONNECTING, CONVEX_IDENTITY_PENDING);
    connect_well();
    assert_int_equal(client.beats, 3);
}

static void what_is_said_without_a_connection_is_told_with_the_next(void **state)
{
    bench *b = *state;
    service_link_report(b->link, "degraded", "no gateway");
    assert_int_equal(client.beats, 0);
    connect_well();
    assert_int_equal(client.beats, 1);
    assert_string_equal(client.state, "degraded");
    assert_string_equal(client.detail, "no gateway");
    service_link_report(b->link, "ready", "");
    assert_string_equal(client.detail, "");
}

static void a_beat_carries_the_counters_with_their_labels(void **state)
{
    bench *b = *state;
    daemon_counter_add(daemon_counter_new(b->metrics, "posts_total", NULL, "h"), 3);
    daemon_counter_add(daemon_counter_new(b->metrics, "calls_total", "kind=\"a\"", "h"), 1);
    connect_well();
    assert_non_null(strstr(client.counters, "{\"name\":\"posts_total\",\"value\":3"));
    assert_non_null(strstr(client.counters, "calls_total{kind=\\\"a\\\"}"));
}

static void an_identity_refused_from_the_start_is_told_once(void **state)
{
    bench *b = *state;
    tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_REJECTED);
    tell(CONVEX_CONNECTION_RECONNECTING, CONVEX_IDENTITY_REJECTED);
    tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_PENDING);
    tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_REJECTED);
    assert_int_equal(b->refused, 1);
    assert_int_equal(client.auths, 0);
}

static void an_identity_that_was_good_is_presented_again_until_it_is_taken(void **state)
{
    bench *b = *state;
    int64_t end = daemon_monotonic_ms() + 30000;
    connect_well();
    for (unsigned i = 1; i <= 2; i++) {
        tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_REJECTED);
        tell(CONVEX_CONNECTION_CONNECTED, CONVEX_IDENTITY_REJECTED); /* puts nothing off */
        while (client.auths < i) {
            assert_true(daemon_monotonic_ms() < end);
            assert_int_equal(daemon_loop_turn(b->loop, 50), 0);
        }
    }
    assert_int_equal(b->refused, 0);
    assert_int_equal(b->lost, 1);
    connect_well();
    assert_int_equal(b->ready, 2);
}

static void a_full_client_costs_a_beat_and_nothing_else(void **state)
{
    bench *b = *state;
    client.full = true;
    connect_well();
    assert_int_equal(b->ready, 1);
    client.full = false;
    service_link_report(b->link, "ready", "");
    assert_int_equal(client.beats, 1);
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BENCH(it_is_ready_only_when_connected_and_known),
        BENCH(each_new_connection_hears_the_state_once),
        BENCH(what_is_said_without_a_connection_is_told_with_the_next),
        BENCH(a_beat_carries_the_counters_with_their_labels),
        BENCH(an_identity_refused_from_the_start_is_told_once),
        BENCH(an_identity_that_was_good_is_presented_again_until_it_is_taken),
        BENCH(a_full_client_costs_a_beat_and_nothing_else),
    };
    daemon_log_set_level(DAEMON_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
