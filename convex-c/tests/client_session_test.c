/* client_session_test.c - a client that goes on with a session of before, and its request numbers.
 */
#include "client_internal.h"
#include "client_story.h"

static const char session_id[] = "0f8fad5b-d9cb-469f-a165-70867728950e";

typedef struct ledger {
    int calls;
    uint32_t up_to;
    convex_status status;
} ledger;

static convex_status reserve(void *user, uint32_t up_to)
{
    ledger *l = user;
    l->calls++;
    if (l->status == CONVEX_OK)
        l->up_to = up_to;
    return l->status;
}

static void begin_session(story *s, const char *url, ledger *l, uint32_t next)
{
    cvx_session session = {.next_request_id = next, .reserve = reserve, .user = l};
    convex_error error = {0};

    memcpy(session.id, session_id, sizeof session_id);
    story_init(s);
    convex_options options = options_for(s, url);
    if (cvx_client_new_session(&options, &session, &s->client, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
}

static void script_session(server *s)
{
    if (!server_open(s) || !server_expect(s, session_id) || !server_expect(s, "ModifyQuerySet") ||
        !server_expect(s, "\"Mutation\",\"requestId\":7,\"udfPath\":\"m:old\",\"args\":[{}]}"))
        return;
    server_respond(s, 7, 10);
    if (!server_expect(s, "\"Mutation\",\"requestId\":41,\"udfPath\":\"m:x\""))
        return;
    server_respond(s, 41, 20);
    server_transition(s, 1, 0, 20, "");
    server_receive(s);
}

static void a_session_of_before_goes_on_under_its_id_and_numbers(void **state)
{
    static const char body[] = "\"udfPath\":\"m:old\",\"args\":[{}]";
    server *peer = server_start(script_session, 0);
    ledger l = {0};
    story s;

    begin_session(&s, peer->url, &l, 41);
    assert_int_equal(
        cvx_client_mutation_as(s.client, 7, body, strlen(body), NULL, on_done, &s, NULL),
        CONVEX_OK);
    mutate(&s, 0);
    run_until(&s, &s.dones, 2);
    assert_int_equal(s.done_status, CONVEX_OK);
    finish(&s);
    server_join(peer);
}

static void numbers_are_used_only_when_reserved(void **state)
{
    ledger l = {0};
    uint32_t id = 0, last = 0;
    story s;

    begin_session(&s, "http://127.0.0.1:1", &l, 100);
    assert_int_equal(l.calls, 0);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(cvx_client_take_id(s.client, &id), CONVEX_OK);
        assert_true(id < l.up_to);
        assert_int_equal(id, i == 0 ? 100 : last + 1);
        last = id;
    }
    assert_in_range(l.calls, 1, 10); /* not one for each */
    finish(&s);
}

static void without_a_reservation_nothing_is_accepted(void **state)
{
    ledger l = {.status = CONVEX_ELIMIT};
    convex_error error = {0};
    uint32_t id = 0;
    story s;

    begin_session(&s, "http://127.0.0.1:1", &l, 0);
    assert_int_equal(convex_client_mutation(s.client, "m:x", NULL, NULL, on_done, &s, &id, &error),
                     CONVEX_ELIMIT);
    assert_non_null(strstr(error.message, "reserved"));
    l.status = CONVEX_OK;
    mutate(&s, 0);
    finish(&s);
    assert_int_equal(s.dones, 1);
}

static void the_last_number_is_never_used(void **state)
{
    ledger l = {0};
    uint32_t id = 0;
    story s;

    begin_session(&s, "http://127.0.0.1:1", &l, UINT32_MAX - 2);
    assert_int_equal(cvx_client_take_id(s.client, &id), CONVEX_OK);
    assert_int_equal(cvx_client_take_id(s.client, &id), CONVEX_OK);
    assert_int_equal(id, UINT32_MAX - 1);
    assert_int_equal(cvx_client_take_id(s.client, &id), CONVEX_ELIMIT);
    assert_int_equal(l.up_to, UINT32_MAX);
    finish(&s);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_session_of_before_goes_on_under_its_id_and_numbers),
        T(numbers_are_used_only_when_reserved),
        T(without_a_reservation_nothing_is_accepted),
        T(the_last_number_is_never_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
