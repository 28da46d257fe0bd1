/* client_end_test.c - closing, limits, misuse, lack of memory and many threads. */
#include "client_story.h"

#include <sched.h>
#include <stdatomic.h>

/* ---- closing ---- */

static void closing_inside_a_result_ends_everything(void **state)
{
    server *peer = server_start(script_ordinary, 0);
    story s;
    begin(&s, peer->url);
    s.close_in_result = true;
    watch(&s);
    run_until(&s, &s.closed_states, 1);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.end_why, CONVEX_ECLOSED);
    assert_int_equal(convex_client_process(s.client), CONVEX_ECLOSED);
    assert_int_equal(convex_client_timeout_ms(s.client), -1);
    finish(&s);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    free(peer);
}

static void script_one_result(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1"));
    server_transition(s, 1, 0, 20, SERVER_UPDATED(0, "2"));
    while (server_receive(s))
        continue;
}

static void the_last_references_may_go_inside_a_result(void **state)
{
    for (int own_thread = 0; own_thread < 2; own_thread++) {
        server *peer = server_start(script_one_result, 0);
        story s;
        begin(&s, peer->url);
        s.unref_in_result = true;
        watch(&s);
        if (own_thread) {
            assert_int_equal(convex_client_start_thread(s.client), CONVEX_OK);
            await(&s, &s.closed_states, 1);
        } else {
            struct pollfd wait = {.fd = convex_client_fd(s.client), .events = POLLIN};
            while (s.closed_states == 0 && convex_client_process(s.client) == CONVEX_OK)
                poll(&wait, 1, 100);
        }
        assert_int_equal(s.results, 1);
        assert_int_equal(s.ends, 1);
        assert_int_equal(s.closed_states, 1);
        server_join(peer);
        finish(&s);
    }
}

static void a_subscription_may_end_inside_its_result(void **state)
{
    server *peer = server_start(script_one_result, 0);
    story s;
    begin(&s, peer->url);
    s.end_sub_in_result = true;
    watch(&s);
    run_until(&s, &s.ends, 1);
    assert_int_equal(s.results, 1);
    assert_int_equal(s.end_why, CONVEX_ECANCELED);
    finish(&s);
    server_join(peer);
}

static void closing_tells_sent_requests_from_unsent_ones(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    mutate(&s, 0);
    convex_client_process(s.client);
    mutate(&s, 0);
    convex_client_join(s.client);
    assert_int_equal(s.dones, 2);
    assert_int_equal(s.done_status, CONVEX_ECLOSED);
    assert_int_equal(convex_client_mutation(s.client, "m:x", NULL, NULL, on_done, &s, NULL, NULL),
                     CONVEX_ECLOSED);
    assert_int_equal(
        convex_client_subscribe(s.client, "q:a", NULL, on_result, on_end, &s, NULL, NULL),
        CONVEX_ECLOSED);
    assert_int_equal(convex_client_set_auth(s.client, NULL), CONVEX_ECLOSED);
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_ECLOSED);
    assert_int_equal(s.dones, 2);
    finish(&s);
}

static void a_client_that_was_never_driven_still_ends_its_subscriptions(void **state)
{
    story s;
    begin(&s, "http://127.0.0.1:1");
    watch(&s);
    mutate(&s, 0);
    convex_sub_unref(s.sub);
    s.sub = NULL;
    convex_client_unref(s.client);
    s.client = NULL;
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.dones, 1);
    assert_int_equal(s.closed_states, 1);
    finish(&s);
}

/* ---- limits and misuse ---- */

static void full_queues_say_busy(void **state)
{
    story s;
    story_init(&s);
    convex_options options = options_for(&s, "http://127.0.0.1:1");
    options.max_requests = 2;
    options.max_request_bytes = 100;
    options.max_subscriptions = 1;
    begin_with(&s, &options);
    watch(&s);
    assert_int_equal(
        convex_client_subscribe(s.client, "q:a", NULL, on_result, on_end, &s, NULL, NULL),
        CONVEX_EBUSY);
    mutate(&s, 0);
    convex_value *args = NULL;
    char json[256];
    snprintf(json, sizeof json, "{\"a\":\"%0120d\"}", 0);
    convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &args, NULL);
    assert_int_equal(convex_client_mutation(s.client, "m:x", args, NULL, on_done, &s, NULL, NULL),
                     CONVEX_EBUSY);
    convex_value_unref(args);
    mutate(&s, 0);
    assert_int_equal(convex_client_mutation(s.client, "m:x", NULL, NULL, on_done, &s, NULL, NULL),
                     CONVEX_EBUSY);
    finish(&s);
    assert_int_equal(s.dones, 2);
}

static void misuse_is_refused(void **state)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_client *client = NULL;
    convex_error error;
    static const char *const bad_urls[] = {
        NULL, "", "ftp://x", "http://", "http://u@h", "http://h/?q", "http://h/a b", "h:3210"};

    for (size_t i = 0; i < sizeof bad_urls / sizeof *bad_urls; i++) {
        options.url = bad_urls[i];
        assert_int_equal(convex_client_new(&options, &client, &error), CONVEX_EINVAL);
        assert_non_null(strstr(error.message, "url"));
    }
    options.url = "http://h";
    options.client_name = "no version\r\n";
    assert_int_equal(convex_client_new(&options, &client, &error), CONVEX_EINVAL);
    assert_int_equal(convex_client_new(NULL, &client, &error), CONVEX_EINVAL);
    assert_null(client);
    convex_client_unref(NULL);
    convex_client_close(NULL);
    convex_client_join(NULL);
    convex_client_reconnect_now(NULL);
    convex_sub_unref(NULL);
    convex_sub_close(NULL);
    assert_int_equal(convex_client_process(NULL), CONVEX_EINVAL);
    assert_int_equal(convex_client_set_auth(NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_client_fd(NULL), -1);

    const convex_call_options bad_flags = {.flags = 8}, at_commit = {.flags = CONVEX_AT_COMMIT};
    story s;
    begin(&s, "http://127.0.0.1:1");
    convex_value *list = NULL;
    convex_value_parse("[1]", 3, CONVEX_ENCODED_JSON, 0, NULL, &list, NULL);
    assert_int_equal(convex_client_mutation(s.client, "m:x", list, NULL, on_done, &s, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(
        convex_client_mutation(s.client, "../m:x", NULL, NULL, on_done, &s, NULL, NULL),
        CONVEX_EINVAL);
    assert_int_equal(
        convex_client_mutation(s.client, "m:x", NULL, &bad_flags, on_done, &s, NULL, NULL),
        CONVEX_EINVAL);
    assert_int_equal(
        convex_client_action(s.client, "m:x", NULL, &at_commit, on_done, &s, NULL, NULL),
        CONVEX_EINVAL);
    assert_int_equal(convex_client_subscribe(s.client, "q:a", NULL, NULL, on_end, &s, NULL, NULL),
                     CONVEX_EINVAL);
    convex_value_unref(list);
    finish(&s);
    assert_int_equal(s.dones + s.ends, 0);
}

/* ---- threads ---- */

/* Answers everything, as a deployment would. */
static void script_deployment(server *s)
{
    if (!server_open(s))
        return;
    while (server_receive(s)) {
        convex_value *frame = NULL;
        uint32_t id = 0;
        if (convex_value_parse(s->frame, strlen(s->frame), CONVEX_ENCODED_JSON, 0, NULL, &frame,
                               NULL) != CONVEX_OK) {
            server_wrong(s, "bad JSON: %.100s", s->frame);
            return;
        }
        const convex_value *items = convex_value_field(frame, "modifications");
        if (strstr(s->frame, "ModifyQuerySet")) {
            static _Thread_local char list[1 << 19];
            size_t at = 0;
            list[0] = '\0';
            for (size_t i = 0; i < convex_value_count(items); i++) {
                const convex_value *item = convex_value_at(items, i);
                bool add = convex_value_field(item, "udfPath") != NULL;
                cvx_u32_read(convex_value_field(item, "queryId"), &id);
                at += (size_t)snprintf(
                    list + at, sizeof list - at,
                    add ? "%s{\"type\":\"QueryUpdated\",\"queryId\":%u,\"value\":%u,"
                          "\"logLines\":[],\"journal\":null}"
                        : "%s{\"type\":\"QueryRemoved\",\"queryId\":%u}",
                    at ? "," : "", id, id);
            }
            cvx_u32_read(convex_value_field(frame, "newVersion"), &id);
            server_transition(s, id, 0, s->version.ts + 1, list);
        } else if (cvx_u32_read(convex_value_field(frame, "requestId"), &id)) {
            server_respond(s, id, s->version.ts + 1);
            server_transition(s, s->version.query_set, 0, s->version.ts + 1, "");
        }
        convex_value_unref(frame);
    }
}

typedef struct hammer {
    convex_client *client;
    atomic_int results, ends, dones, others;
    int number, more; /* accepted calls that must end in `others` */
} hammer;

static void hammer_result(const convex_result *result, void *user)
{
    atomic_fetch_add(&((hammer *)user)->results, 1);
}

static void hammer_end(convex_status why, void *user)
{
    atomic_fetch_add(&((hammer *)user)->ends, 1);
}

static void hammer_done(convex_status status, const convex_result *result, void *user)
{
    if (status == CONVEX_OK)
        atomic_fetch_add(&((hammer *)user)->dones, 1);
}

enum { HAMMER_BLOWS = 300 };

static void hammer_other(convex_status status, const convex_result *result, void *user)
{
    atomic_fetch_add(&((hammer *)user)->others, 1);
}

static void hammer_pong(convex_status status, unsigned rtt_us, void *user)
{
    atomic_fetch_add(&((hammer *)user)->others, 1);
}

/* What ends in more than one way: it must end once. */
static void hammer_more(hammer *h, convex_sub *sub, int i)
{
    static const char *const args[] = {"{\"n\":1}", "{}", "{\"n\":2}"};
    convex_call_options soon = {.timeout_ms = (unsigned)(i % 3)};
    convex_value *value = NULL;
    uint32_t id = 0;

    convex_value_parse(args[i % 3], strlen(args[i % 3]), CONVEX_ENCODED_JSON, 0, NULL, &value,
                       NULL);
    assert_int_equal(convex_sub_set_args(sub, value, NULL), CONVEX_OK);
    convex_value_unref(value);
    bool asked = convex_client_query(h->client, "q:n9", NULL, &soon, hammer_other, h, &id, NULL) ==
                 CONVEX_OK; /* else the number is that of another's mutation */
    h->more += asked;
    if (asked && i % 2)
        convex_client_cancel(h->client, id);
    /* An answer that is late would end the connection. */
    if (i % 50 == 0 && convex_client_probe(h->client, 600000, hammer_pong, h) == CONVEX_OK)
        h->more++;
    if (asked)
        convex_client_cancel(h->client, id);
}

static void *hammer_thread(void *arg)
{
    hammer *h = arg;
    for (int i = 0; i < HAMMER_BLOWS; i++) {
        convex_sub *sub = NULL;
        convex_state now;
        convex_metrics counters;
        convex_call_options options = {.flags = i % 2 ? CONVEX_AT_COMMIT : 0};
        char path[32];
        snprintf(path, sizeof path, "q:n%d", (i + h->number) % 7);
        while (convex_client_subscribe(h->client, path, NULL, hammer_result, hammer_end, h, &sub,
                                       NULL) != CONVEX_OK)
            continue;
        while (convex_client_mutation(h->client, "m:x", NULL, &options, hammer_done, h, NULL,
                                      NULL) != CONVEX_OK)
            sched_yield();
        convex_client_state(h->client, &now);
        convex_client_metrics(h->client, &counters);
        hammer_more(h, sub, i);
        convex_sub_unref(sub);
    }
    return NULL;
}

static void many_threads_may_use_one_client(void **state)
{
    server *peer = server_start(script_deployment, 0);
    hammer hammers[2] = {{.number = 0}, {.number = 3}};
    pthread_t threads[2];
    story s;
    begin(&s, peer->url);
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_OK);
    for (int i = 0; i < 2; i++) {
        hammers[i].client = s.client;
        pthread_create(&threads[i], NULL, hammer_thread, &hammers[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    /* Mutations are answered in order: this one last. Those before it may still fill the queue. */
    while (convex_client_mutation(s.client, "m:x", NULL, NULL, on_done, &s, NULL, NULL) ==
           CONVEX_EBUSY)
        sched_yield();
    await(&s, &s.dones, 1);
    convex_client_join(s.client);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(atomic_load(&hammers[i].dones), HAMMER_BLOWS);
        assert_int_equal(atomic_load(&hammers[i].ends), HAMMER_BLOWS);
        assert_int_equal(atomic_load(&hammers[i].others), hammers[i].more);
    }
    finish(&s);
    server_join(peer);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(closing_inside_a_result_ends_everything),
        T(the_last_references_may_go_inside_a_result),
        T(a_subscription_may_end_inside_its_result),
        T(closing_tells_sent_requests_from_unsent_ones),
        T(a_client_that_was_never_driven_still_ends_its_subscriptions),
        T(full_queues_say_busy),
        T(misuse_is_refused),
        T(many_threads_may_use_one_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
