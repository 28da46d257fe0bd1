/* outbox_test.c - mutations of an outbox take effect once, in order, over lost answers and crashes.
 */
#include <poll.h>

#include "outbox_story.h"

/* A deployment where nobody answers. */
static const char nowhere[] = "http://127.0.0.1:1";
static const convex_call_options at_commit = {.flags = CONVEX_AT_COMMIT};

/* ---- ordinary days ---- */

TEST(an_accepted_mutation_is_sent_told_and_forgotten)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    box_open(&s);
    box_run(&s);
    uint64_t first = add(&s, 1), second = add(&s, 2);
    assert_true(second == first + 1);
    await_dones(&s, 2);
    AWAIT(counts_of(&s).entries == 0);
    convex_outbox_counts counts = counts_of(&s);
    assert_int_equal(counts.bytes, 0);
    assert_int_equal(counts.in_flight, 0);
    assert_true(counts.oldest_at_ms == 0);
    assert_string_equal(s.tags, "1,2,");
    assert_string_equal(d->effects, "1,2,");
    story_end(&s);
    deployment_stop(d);
}

TEST(what_was_accepted_without_a_network_is_sent_by_a_later_run)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    box_open(&s); /* never driven */
    for (int i = 1; i <= 250; i++)
        add(&s, i);
    assert_int_equal(counts_of(&s).entries, 250);
    box_close(&s);
    box_open(&s);
    assert_int_equal(counts_of(&s).entries, 250);
    assert_true(counts_of(&s).bytes > 250 * 20);
    add(&s, 251);
    box_run(&s);
    await_dones(&s, 251);
    char expected[4096] = "";
    for (int i = 1; i <= 251; i++)
        sprintf(expected + strlen(expected), "%d,", i);
    assert_string_equal(s.tags, expected);
    assert_string_equal(d->effects, expected);
    story_end(&s);
    deployment_stop(d);
}

TEST(a_host_loop_may_drive_it)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    box_open(&s);
    add(&s, 1);
    convex_client *client = convex_outbox_client(s.box);
    struct pollfd wait = {.fd = convex_client_fd(client), .events = POLLIN};
    assert_int_equal(convex_client_process(client), CONVEX_OK);
    while (s.dones < 1) {
        poll(&wait, 1, convex_client_timeout_ms(client));
        assert_int_equal(convex_client_process(client), CONVEX_OK);
    }
    story_end(&s);
    assert_string_equal(d->effects, "1,");
    deployment_stop(d);
}

TEST(several_are_accepted_in_one_write_or_none)
{
    story s;
    story_begin(&s, nowhere);
    box_open(&s);
    convex_outbox_item items[3] = {
        {.path = "m:a", .tag = "x"}, {.path = "m:b"}, {.path = "dir/m.js:c"}};
    uint64_t first = 0;
    assert_int_equal(convex_outbox_mutations(s.box, items, 3, &first, NULL), CONVEX_OK);
    assert_true(first > 0);
    assert_int_equal(counts_of(&s).entries, 3);
    items[2].path = "../bad";
    convex_error error;
    assert_int_equal(convex_outbox_mutations(s.box, items, 3, &first, &error), CONVEX_EINVAL);
    assert_int_equal(counts_of(&s).entries, 3);
    story_end(&s);
}

/* ---- lost answers ---- */

TEST(a_mutation_whose_answer_is_lost_takes_effect_once)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    d->lose = 3;
    box_open(&s);
    box_run(&s);
    for (int i = 1; i <= 20; i++)
        add(&s, i);
    await_dones(&s, 20);
    assert_string_equal(d->effects, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,");
    assert_string_equal(s.tags, d->effects);
    story_end(&s);
    deployment_stop(d);
}

TEST(in_data_that_was_wiped_what_was_not_answered_takes_effect_once)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    d->lose = 2;
    d->wipe = true;
    box_open(&s);
    box_run(&s);
    add(&s, 1);
    add(&s, 2);
    await_dones(&s, 2);
    assert_string_equal(d->effects, "1,2,");
    assert_string_equal(s.tags, "1,2,");
    story_end(&s);
    deployment_stop(d);
}

TEST(after_a_crash_the_same_session_and_number_are_used_again)
{
    deployment *d = deployment_start();
    story s;
    char crashed[64], session[40];
    story_begin(&s, d->peer->url);
    box_open(&s);
    d->lose = 1;
    d->mute = 0;
    box_run(&s);
    add(&s, 1);
    await_dones(&s, 1); /* effect, lost, told */
    box_close(&s);

    box_open(&s);
    pthread_mutex_lock(&d->lock);
    d->mute = 1; /* sent and not run: to the program it is as if the answer was lost */
    pthread_mutex_unlock(&d->lock);
    int before = seen_by(d);
    box_run(&s);
    add(&s, 2);
    AWAIT(seen_by(d) == before + 1);
    snprintf(session, sizeof session, "%s", d->session);
    unsigned id = d->last_id;
    snprintf(crashed, sizeof crashed, "%s/crashed", s.dir);
    copy_as_crashed(s.file, crashed);
    box_close(&s);

    snprintf(s.file, sizeof s.file, "%s", crashed);
    box_open(&s);
    box_run(&s);
    await_dones(&s, 2);
    assert_string_equal(d->session, session);
    assert_int_equal(d->last_id, id);
    assert_string_equal(d->effects, "1,2,");
    story_end(&s);
    deployment_stop(d);
}

TEST(a_crash_inside_on_done_brings_the_result_again_and_no_second_effect)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    snprintf(s.copy_to, sizeof s.copy_to, "%s/crashed", s.dir);
    box_open(&s);
    box_run(&s);
    add(&s, 1);
    await_dones(&s, 1);
    box_close(&s);
    snprintf(s.file, sizeof s.file, "%s", s.copy_to);
    s.copy_to[0] = '\0';
    box_open(&s);
    box_run(&s);
    await_dones(&s, 2);
    AWAIT(counts_of(&s).entries == 0);
    assert_string_equal(s.tags, "1,1,");
    assert_string_equal(d->effects, "1,");
    story_end(&s);
    deployment_stop(d);
}

TEST(strictly_ordered_the_next_waits_for_the_answer_of_the_one_before)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    convex_options client;
    convex_outbox_options options = box_options(&s, &client);
    options.max_in_flight = 1;
    assert_int_equal(convex_outbox_open(&options, &s.box, NULL), CONVEX_OK);
    for (int i = 1; i <= 5; i++)
        add(&s, i);
    d->mute = 1;
    box_run(&s);
    AWAIT(counts_of(&s).in_flight == 1 && seen_by(d) == 1);
    for (int i = 6; i <= 9; i++)
        add(&s, i); /* rounds of the writer in which it must not be sent */
    assert_int_equal(seen_by(d), 1);
    assert_int_equal(counts_of(&s).in_flight, 1);
    deployment_cut(d);
    await_dones(&s, 9);
    assert_string_equal(d->effects, "1,2,3,4,5,6,7,8,9,");
    story_end(&s);
    deployment_stop(d);
}

/* ---- errors ---- */

TEST(a_thrown_error_is_told_once_and_for_all_even_over_a_crash)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    snprintf(s.copy_to, sizeof s.copy_to, "%s/crashed", s.dir);
    box_open(&s);
    box_run(&s);
    assert_int_equal(convex_outbox_mutation(s.box, "m:bad", NULL, "bad", NULL, NULL), CONVEX_OK);
    await_dones(&s, 1);
    assert_int_equal(s.threw, 1);
    AWAIT(counts_of(&s).entries == 0);
    box_close(&s);
    snprintf(s.file, sizeof s.file, "%s", s.copy_to);
    s.copy_to[0] = '\0';
    s.message[0] = s.data[0] = '\0';
    box_open(&s);
    box_run(&s);
    await_dones(&s, 2);
    assert_int_equal(s.threw, 2);
    assert_string_equal(s.message, "no \"good\"");
    assert_string_equal(s.data, "{\"code\":7}");
    AWAIT(counts_of(&s).entries == 0);
    assert_int_equal(d->runs_of_bad, 1); /* what it threw came from the file */
    story_end(&s);
    deployment_stop(d);
}

TEST(what_may_have_been_sent_two_weeks_ago_is_not_sent_again)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    box_open(&s);
    for (int i = 1; i <= 4; i++)
        add(&s, i);
    box_close(&s);
    /* 1 was sent 14 days ago, 2 yesterday, 3 and 4 never; all are old. */
    alter(s.file, "UPDATE entry SET accepted_at = accepted_at - 14 * 86400000;"
                  "UPDATE entry SET sent_at = accepted_at WHERE tag = '1';"
                  "UPDATE entry SET sent_at = accepted_at + 13 * 86400000 WHERE tag = '2'");
    box_open(&s);
    box_run(&s);
    await_dones(&s, 4);
    assert_int_equal(s.unknown, 1);
    assert_true(strstr(s.tags, "1,") != NULL);
    assert_string_equal(d->effects, "2,3,4,");
    AWAIT(counts_of(&s).entries == 0);
    story_end(&s);
    deployment_stop(d);
}

TEST(a_run_that_was_cut_off_for_two_weeks_does_not_send_again_either)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    d->mute = 1;
    box_open(&s);
    box_run(&s);
    add(&s, 1);
    AWAIT(seen_by(d) == 1);
    pthread_mutex_lock(&s.box->lock);
    s.box->first->row.sent_at -= INT64_C(14) * 86400 * 1000;
    pthread_mutex_unlock(&s.box->lock);
    deployment_cut(d);
    await_dones(&s, 1);
    assert_int_equal(s.unknown, 1);
    add(&s, 2);
    await_dones(&s, 2);
    assert_string_equal(d->effects, "2,");
    assert_int_equal(seen_by(d), 2);
    story_end(&s);
    deployment_stop(d);
}

/* ---- cancelling ---- */

TEST(a_cancelled_entry_is_not_sent_again_and_says_whether_it_may_have_been)
{
    deployment *d = deployment_start();
    story s;
    char crashed[64];
    story_begin(&s, d->peer->url);
    d->mute = 1;
    box_open(&s);
    box_run(&s);
    uint64_t first = add(&s, 1);
    AWAIT(seen_by(d) == 1);
    assert_int_equal(convex_outbox_cancel(s.box, first, NULL), CONVEX_OK);
    await_dones(&s, 1);
    assert_int_equal(s.unknown, 1);
    AWAIT(counts_of(&s).entries == 0);
    assert_int_equal(convex_outbox_cancel(s.box, first, NULL), CONVEX_OK); /* it is over */
    box_close(&s);

    box_open(&s); /* not driven */
    uint64_t seq = 0;
    for (int i = 2; i <= 300; i++) {
        uint64_t now = add(&s, i);
        if (i == 2 || i == 299) /* in memory; on disk only */
            assert_int_equal(convex_outbox_cancel(s.box, now, NULL), CONVEX_OK);
        seq = now;
    }
    assert_int_equal(convex_outbox_cancel(s.box, seq + 1, NULL), CONVEX_OK); /* never was */
    snprintf(crashed, sizeof crashed, "%s/crashed", s.dir);
    copy_as_crashed(s.file, crashed);
    box_close(&s);
    memcpy(s.file, crashed, sizeof s.file);
    box_open(&s);
    box_run(&s);
    await_dones(&s, 300);
    assert_int_equal(s.canceled, 2);
    assert_true(strncmp(d->effects, "3,4,", 4) == 0);
    assert_null(strstr(d->effects, ",299,"));
    assert_non_null(strstr(d->effects, ",298,300,"));
    story_end(&s);
    deployment_stop(d);
}

static convex_status fetch_token(void *user, int force, char **ret, convex_error *reterr)
{
    *ret = strdup("e30.e30.x");
    return CONVEX_OK;
}

TEST(nothing_is_sent_under_an_identity_that_is_refused)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    d->refuse = true;
    convex_options client;
    convex_outbox_options options = box_options(&s, &client);
    convex_auth auth = {.kind = CONVEX_AUTH_FETCH, .fetch = fetch_token};
    client.auth = &auth;
    assert_int_equal(convex_outbox_open(&options, &s.box, NULL), CONVEX_OK);
    add(&s, 1);
    box_run(&s);
    convex_state now;
    AWAIT((convex_client_state(convex_outbox_client(s.box), &now),
           now.identity == CONVEX_IDENTITY_REJECTED &&
               now.connection == CONVEX_CONNECTION_CONNECTED));
    add(&s, 2);
    assert_int_equal(counts_of(&s).in_flight, 0);
    assert_int_equal(seen_by(d), 0);
    assert_int_equal(convex_client_set_auth(convex_outbox_client(s.box), NULL), CONVEX_OK);
    await_dones(&s, 2); /* anonymous by choice now */
    story_end(&s);
    deployment_stop(d);
}

/* ---- sessions ---- */

static void note_done(convex_status status, const convex_result *result, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->dones++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

TEST(a_run_that_nothing_waits_for_has_a_new_session)
{
    deployment *d = deployment_start();
    story s;
    char first[40];
    story_begin(&s, d->peer->url);
    box_open(&s);
    uint64_t before = add(&s, 1);
    box_run(&s);
    await_dones(&s, 1);
    snprintf(first, sizeof first, "%s", d->session);
    box_close(&s);
    box_open(&s);
    assert_true(add(&s, 2) > before); /* seq goes on all the same */
    box_run(&s);
    await_dones(&s, 2);
    assert_string_not_equal(first, d->session);
    assert_int_equal(d->last_id, 0);
    story_end(&s);
    deployment_stop(d);
}

TEST(numbers_of_ordinary_requests_are_not_used_again_in_a_session_that_goes_on)
{
    deployment *d = deployment_start();
    story s;
    char crashed[64];
    story_begin(&s, d->peer->url);
    box_open(&s);
    box_run(&s);
    d->mute = 1;
    add(&s, 1); /* unanswered: keeps the session */
    AWAIT(seen_by(d) == 1);
    assert_int_equal(convex_client_mutation(convex_outbox_client(s.box), "m:add", NULL, &at_commit,
                                            note_done, &s, NULL, NULL),
                     CONVEX_OK);
    await_dones(&s, 1);
    unsigned first = d->last_id;
    assert_true(first >= CVX_OTHER_REQUESTS);
    snprintf(crashed, sizeof crashed, "%s/crashed", s.dir);
    copy_as_crashed(s.file, crashed);
    box_close(&s);
    memcpy(s.file, crashed, sizeof s.file);
    box_open(&s);
    box_run(&s);
    await_dones(&s, 2);
    assert_int_equal(convex_client_mutation(convex_outbox_client(s.box), "m:add", NULL, &at_commit,
                                            note_done, &s, NULL, NULL),
                     CONVEX_OK);
    await_dones(&s, 3);
    assert_true(d->last_id > first);
    assert_string_equal(d->effects, "-1,1,-1,");
    story_end(&s);
    deployment_stop(d);
}

/* ---- many ---- */

typedef struct adder {
    story *s;
    int from;
} adder;

static void *add_some(void *user)
{
    adder *self = user;
    for (int i = 0; i < 25; i++)
        add(self->s, self->from + i);
    return NULL;
}

TEST(many_threads_accept_while_answers_are_lost)
{
    deployment *d = deployment_start();
    story s;
    adder adders[8];
    pthread_t threads[8];
    story_begin(&s, d->peer->url);
    d->lose = 5;
    box_open(&s);
    box_run(&s);
    for (int i = 0; i < 8; i++) {
        adders[i] = (adder){&s, 1000 + i * 100};
        assert_int_equal(pthread_create(&threads[i], NULL, add_some, &adders[i]), 0);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    await_dones(&s, 200);
    AWAIT(counts_of(&s).entries == 0);
    assert_int_equal(d->record_count, 200);
    assert_string_equal(s.tags, d->effects); /* told in the order of effect */
    story_end(&s);
    deployment_stop(d);
}

static void accept_next(const convex_outbox_entry *entry, convex_status status,
                        const convex_result *result, void *user)
{
    story *s = user;
    if (strcmp(entry->tag, "3") != 0) {
        add(s, atoi(entry->tag) + 1);
        assert_int_equal(entry->args_len, 7);
        assert_memory_equal(entry->args, "{\"n\":", 5);
    }
    on_done(entry, status, result, user);
}

TEST(on_done_may_accept_another)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    convex_options client;
    convex_outbox_options options = box_options(&s, &client);
    options.on_done = accept_next;
    assert_int_equal(convex_outbox_open(&options, &s.box, NULL), CONVEX_OK);
    add(&s, 1);
    box_run(&s);
    await_dones(&s, 3);
    assert_string_equal(d->effects, "1,2,3,");
    story_end(&s);
    deployment_stop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_mutation_is_sent_told_and_forgotten),
        cmocka_unit_test(what_was_accepted_without_a_network_is_sent_by_a_later_run),
        cmocka_unit_test(a_host_loop_may_drive_it),
        cmocka_unit_test(several_are_accepted_in_one_write_or_none),
        cmocka_unit_test(a_mutation_whose_answer_is_lost_takes_effect_once),
        cmocka_unit_test(in_data_that_was_wiped_what_was_not_answered_takes_effect_once),
        cmocka_unit_test(after_a_crash_the_same_session_and_number_are_used_again),
        cmocka_unit_test(a_crash_inside_on_done_brings_the_result_again_and_no_second_effect),
        cmocka_unit_test(strictly_ordered_the_next_waits_for_the_answer_of_the_one_before),
        cmocka_unit_test(a_thrown_error_is_told_once_and_for_all_even_over_a_crash),
        cmocka_unit_test(what_may_have_been_sent_two_weeks_ago_is_not_sent_again),
        cmocka_unit_test(a_run_that_was_cut_off_for_two_weeks_does_not_send_again_either),
        cmocka_unit_test(a_cancelled_entry_is_not_sent_again_and_says_whether_it_may_have_been),
        cmocka_unit_test(nothing_is_sent_under_an_identity_that_is_refused),
        cmocka_unit_test(a_run_that_nothing_waits_for_has_a_new_session),
        cmocka_unit_test(numbers_of_ordinary_requests_are_not_used_again_in_a_session_that_goes_on),
        cmocka_unit_test(many_threads_accept_while_answers_are_lost),
        cmocka_unit_test(on_done_may_accept_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
