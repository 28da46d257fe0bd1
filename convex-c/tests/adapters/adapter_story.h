/* adapter_story.h - the same four stories in the loop of any library.
 * Each test program says how its loop is begun, turned and ended, and includes this. */
#ifndef ADAPTER_STORY_H
#define ADAPTER_STORY_H

#include "tests/client_story.h"

#include <signal.h>

static void adapter_attach(convex_client *client);
static void adapter_turn(void);   /* waits for something to happen, once */
static void adapter_detach(void); /* may be called in a callback */
static bool adapter_idle(void);   /* nothing is watched any more; true where that cannot be told */
static void adapter_done(void);   /* after detaching */

static void run_loop(const int *seen, int want)
{
    time_t limit = time(NULL) + 120;

    while (*seen < want) {
        if (time(NULL) > limit)
            fail_msg("waited in vain");
        adapter_turn();
    }
}

static void a_query_and_a_mutation_work(void **state)
{
    server *peer = server_start(script_ordinary, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    adapter_attach(s.client);
    assert_int_equal(s.results, 0); /* callbacks come out of the loop only */
    run_loop(&s.results, 1);
    assert_string_equal(s.last, "\"v0\"");
    mutate(&s, 0); /* from outside the client's callbacks: its descriptor wakes the loop */
    run_loop(&s.dones, 1);
    assert_string_equal(s.last, "\"v1\"");
    adapter_detach();
    adapter_done();
    finish(&s);
    server_join(peer);
}

static void script_second_attempt(server *s)
{
    if (!server_take(s)) /* and hangs up on it */
        return;
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1"));
    server_receive(s);
}

static void the_wait_between_two_attempts_ends(void **state)
{
    server *peer = server_start(script_second_attempt, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    adapter_attach(s.client);
    run_loop(&s.results, 1);
    assert_string_equal(s.last, "1");
    adapter_detach();
    adapter_done();
    finish(&s);
    server_join(peer);
}

static void on_result_detach(const convex_result *result, void *user)
{
    story *s = user;
    s->results++;
    adapter_detach();
    mutate(s, 0); /* is not driven any more */
}

static void script_two_results(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1"));
    while (server_receive(s))
        continue;
}

static void detaching_in_a_callback_ends_the_driving_but_not_the_client(void **state)
{
    server *peer = server_start(script_two_results, 0);
    story s;
    begin(&s, peer->url);
    assert_int_equal(
        convex_client_subscribe(s.client, "q:a", NULL, on_result_detach, on_end, &s, &s.sub, NULL),
        CONVEX_OK);
    adapter_attach(s.client);
    run_loop(&s.results, 1);
    adapter_done();
    assert_int_equal(s.dones, 0);
    assert_int_equal(convex_client_process(s.client), CONVEX_OK);
    convex_client_join(s.client);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.dones, 1);
    finish(&s);
    server_join(peer);
}

static void a_client_that_closes_in_a_callback_leaves_the_loop_idle(void **state)
{
    server *peer = server_start(script_two_results, 0);
    story s;
    begin(&s, peer->url);
    s.close_in_result = true;
    watch(&s);
    adapter_attach(s.client);
    run_loop(&s.closed_states, 1);
    assert_int_equal(s.ends, 1);
    assert_true(adapter_idle());
    finish(&s); /* the loop holds it still */
    adapter_detach();
    adapter_done();
    server_join(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_and_a_mutation_work),
        cmocka_unit_test(the_wait_between_two_attempts_ends),
        cmocka_unit_test(detaching_in_a_callback_ends_the_driving_but_not_the_client),
        cmocka_unit_test(a_client_that_closes_in_a_callback_leaves_the_loop_idle),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
