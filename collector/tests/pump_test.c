/* pump_test.c - how the outbox's entries reach the backend, whatever the backend does.
 * The backend is a script: typed_call_made() of this file stands in for the client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "pump.h"
#include "typed_script.h"

/* ---- the scripted backend ---- */

typedef struct call {
    const convex_function *function;
    convex_value *args;
    convex_any_fn *done;
    void *user;
} call;

static struct {
    call *calls; /* all that were made; grows */
    size_t made, answered, room;
    bool busy;
} backend;

static convex_status typed_call_made(const convex_function *function, const void *args,
                                     convex_any_fn *fn, void *user)
{
    assert_string_equal(function->path, "signals:record");
    if (backend.busy)
        return CONVEX_EBUSY;
    if (backend.made == backend.room) {
        backend.room = backend.room ? 2 * backend.room : 64;
        backend.calls = realloc(backend.calls, backend.room * sizeof *backend.calls);
        assert_non_null(backend.calls);
    }
    backend.calls[backend.made++] = (call){function, typed_call_args(function, args), fn, user};
    return CONVEX_OK;
}

static const convex_value *events_of(size_t i)
{
    return convex_value_field(backend.calls[i].args, "events");
}

/* Answers the oldest unanswered call. */
static void answer(convex_status status, const char *error)
{
    static const api_record_outcome outcomes[] = {
        API_RECORD_OUTCOME_RECORDED, API_RECORD_OUTCOME_UNCHANGED, API_RECORD_OUTCOME_IGNORED};
    static const api_signals_record_result result = {.results = {outcomes, 3}};
    convex_failure failure = {status, convex_status_text(status), NULL, NULL};
    assert_true(backend.answered < backend.made);
    call c = backend.calls[backend.answered++]; /* its done may make more */
    if (error)
        failure = (convex_failure){CONVEX_ESERVER, error, NULL, (const convex_result *)&backend};
    typed_call_answer(c.function, c.done, c.user, &result,
                      status != CONVEX_OK || error ? &failure : NULL);
}

static void answer_all(void)
{
    while (backend.answered < backend.made)
        answer(CONVEX_OK, NULL);
}

/* ---- the pump on a real outbox ---- */

typedef struct bench {
    char directory[64], path[96];
    daemon_loop *loop;
    daemon_metrics *metrics;
    outbox *box;
    pump *pump;
} bench;

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);
    memset(&backend, 0, sizeof backend);
    strcpy(b->directory, "/tmp/pump-test-XXXXXX");
    assert_non_null(mkdtemp(b->directory));
    snprintf(b->path, sizeof b->path, "%s/outbox.db", b->directory);
    outbox_options options = {.path = b->path};
    assert_int_equal(outbox_open(&options, &b->box, NULL), 0);
    assert_int_equal(daemon_loop_new(&b->loop), 0);
    b->metrics = daemon_metrics_new();
    assert_int_equal(pump_new(b->loop, b->box, NULL, b->metrics, &b->pump), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    bench *b = *state;
    char path[128];
    pump_stop(b->pump);
    while (backend.answered < backend.made)
        answer(CONVEX_ECLOSED, NULL);
    for (size_t i = 0; i < backend.made; i++)
        convex_value_unref(backend.calls[i].args);
    free(backend.calls);
    pump_free(b->pump);
    outbox_close(b->box);
    daemon_loop_free(b->loop);
    daemon_metrics_free(b->metrics);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(path, sizeof path, "%s%s", b->path, suffixes[i]);
        unlink(path);
    }
    rmdir(b->directory);
    free(b);
    return 0;
}

static void append(bench *b, const char *json)
{
    assert_int_equal(outbox_append(b->box, "1/2", json, strlen(json), daemon_wall_ms(), NULL), 0);
}

static void append_numbers(bench *b, int from, int to)
{
    assert_int_equal(outbox_begin(b->box), 0);
    for (int i = from; i < to; i++) {
        char json[32];
        snprintf(json, sizeof json, "{\"n\":%d}", i);
        append(b, json);
    }
    assert_int_equal(outbox_commit(b->box), 0);
}

static int number_at(size_t i, size_t event)
{
    double n = -1;
    convex_value_float64(convex_value_get(convex_value_at(events_of(i), event), "n"), &n);
    return (int)n;
}

static outbox_counts counts(bench *b)
{
    outbox_counts c;
    assert_int_equal(outbox_count(b->box, &c), 0);
    return c;
}

/* Runs the loop until the backend has got `made` calls. */
static void turn_until_made(bench *b, size_t made)
{
    int64_t end = daemon_monotonic_ms() + 30000;
    while (backend.made < made) {
        assert_true(daemon_monotonic_ms() < end);
        assert_int_equal(daemon_loop_turn(b->loop, 50), 0);
    }
}

static void turn_until_empty(bench *b)
{
    int64_t end = daemon_monotonic_ms() + 30000;
    while (counts(b).waiting > 0) {
        assert_true(daemon_monotonic_ms() < end);
        answer_all();
        assert_int_equal(daemon_loop_turn(b->loop, 50), 0);
    }
}

static void entries_go_in_batches_of_64_in_order(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 150);
    pump_kick(b->pump);
    assert_int_equal(backend.made, 3);
    assert_int_equal(convex_value_count(events_of(0)), 64);
    assert_int_equal(convex_value_count(events_of(2)), 22);
    assert_int_equal(number_at(0, 0), 0);
    assert_int_equal(number_at(1, 0), 64);
    assert_int_equal(number_at(2, 21), 149);
    assert_int_equal(counts(b).waiting, 150); /* until the backend has them */
    answer_all();
    turn_until_empty(b);
    assert_int_equal(backend.made, 3);
    assert_true(pump_idle(b->pump));
}

static void no_more_than_eight_batches_are_under_way(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 64 * 10);
    pump_kick(b->pump);
    assert_int_equal(backend.made, 8);
    answer(CONVEX_OK, NULL);
    assert_int_equal(backend.made, 9);
    assert_int_equal(number_at(8, 0), 64 * 8);
}

static void delivered_entries_leave_with_the_next_commit(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 3);
    pump_kick(b->pump);
    answer_all();
    assert_int_equal(outbox_begin(b->box), 0);
    append(b, "{\"n\":3}");
    assert_int_equal(pump_settle(b->pump), 0);
    assert_int_equal(outbox_commit(b->box), 0);
    pump_settled(b->pump, true);
    assert_int_equal(counts(b).waiting, 1);
}

static void a_commit_that_failed_forgets_no_delivery(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 3);
    pump_kick(b->pump);
    answer_all();
    assert_int_equal(outbox_begin(b->box), 0);
    assert_int_equal(pump_settle(b->pump), 0);
    outbox_rollback(b->box);
    pump_settled(b->pump, false);
    assert_int_equal(counts(b).waiting, 3);
    turn_until_empty(b);
    assert_int_equal(backend.made, 1);
}

static void one_bad_entry_of_a_batch_is_found_and_buried_alone(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 5);
    pump_kick(b->pump);
    answer(CONVEX_OK, "ArgumentValidationError: n");
    assert_int_equal(backend.made, 6);
    for (size_t i = 1; i < 6; i++) {
        assert_int_equal(convex_value_count(events_of(i)), 1);
        assert_int_equal(number_at(i, 0), (int)i - 1);
    }
    answer(CONVEX_OK, NULL);
    answer(CONVEX_OK, NULL);
    answer(CONVEX_OK, "ArgumentValidationError: n");
    answer_all();
    turn_until_empty(b);
    assert_int_equal(counts(b).dead, 1);
    append_numbers(b, 5, 8); /* those behind go together again */
    pump_kick(b->pump);
    assert_int_equal(convex_value_count(events_of(backend.made - 1)), 3);
}

static void an_entry_that_the_function_threw_at_is_tried_again_and_holds_up_nobody(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 1);
    pump_kick(b->pump);
    answer(CONVEX_OK, "Server Error");
    assert_int_equal(counts(b).waiting, 1);
    append_numbers(b, 1, 2);
    pump_kick(b->pump);
    size_t made = backend.made;
    assert_true(made >= 2);
    answer_all();
    turn_until_empty(b);
    assert_int_equal(counts(b).dead, 0);
}

static void a_retry_comes_although_other_batches_never_cease(void **state)
{
    bench *b = *state;
    bool again = false;
    size_t looked_at = 1; /* calls; the first is the one that fails */
    append_numbers(b, 0, 1);
    pump_kick(b->pump);
    answer(CONVEX_OK, "Server Error");
    int64_t end = daemon_monotonic_ms() + 30000;
    for (int i = 1; !again; i++) {
        assert_true(daemon_monotonic_ms() < end);
        size_t before = backend.made;
        append_numbers(b, i, i + 1);
        pump_kick(b->pump); /* one more is under way before the last is answered */
        if (backend.made == before || backend.made - backend.answered > 1)
            answer(CONVEX_OK, NULL);
        assert_int_equal(daemon_loop_turn(b->loop, 5), 0);
        for (; looked_at < backend.made; looked_at++) /* answered ones too */
            again = again || number_at(looked_at, 0) == 0;
    }
}

static void a_backend_that_refuses_everything_is_left_in_peace_and_nothing_is_lost(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 200);
    pump_kick(b->pump);
    for (int i = 0; i < 60; i++) {
        if (backend.answered == backend.made)
            break;
        answer(CONVEX_OK, "Could not find public function");
    }
    assert_int_equal(backend.answered, backend.made); /* it paused by itself */
    assert_true(backend.made < 40);
    assert_int_equal(counts(b).waiting, 200);
    turn_until_empty(b);
    assert_int_equal(counts(b).dead, 0);
}

static void a_request_that_the_client_gave_up_is_sent_again(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 1);
    pump_kick(b->pump);
    answer(CONVEX_ENOMEM, NULL);
    turn_until_empty(b);
    assert_int_equal(backend.made, 2);
}

static void a_client_that_is_full_is_asked_again_later(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 3);
    backend.busy = true;
    pump_kick(b->pump);
    assert_int_equal(backend.made, 0);
    backend.busy = false;
    turn_until_made(b, 1); /* nobody kicks */
    assert_int_equal(convex_value_count(events_of(0)), 3);
}

static void an_entry_that_is_no_value_is_buried_and_those_behind_it_are_sent(void **state)
{
    bench *b = *state;
    append(b, "{\"n\":");
    append_numbers(b, 1, 3);
    append(b, "nonsense");
    append_numbers(b, 3, 4);
    pump_kick(b->pump);
    answer_all();
    turn_until_empty(b);
    assert_int_equal(counts(b).dead, 2);
    assert_int_equal(number_at(0, 0), 1);
    assert_int_equal(number_at(backend.made - 1, 0), 3);
}

static void a_batch_is_bounded_in_bytes(void **state)
{
    bench *b = *state;
    char *text = malloc(700001);
    memset(text, 'x', 700000);
    text[0] = text[699999] = '"';
    text[700000] = '\0';
    append(b, text);
    append(b, text);
    free(text);
    pump_kick(b->pump);
    assert_int_equal(backend.made, 2);
}

static void closing_with_batches_under_way_keeps_their_entries(void **state)
{
    bench *b = *state;
    append_numbers(b, 0, 100);
    pump_kick(b->pump);
    answer(CONVEX_OK, NULL);
    pump_stop(b->pump);
    answer(CONVEX_EUNKNOWN, NULL);
    assert_int_equal(pump_settle(b->pump), 0);
    pump_settled(b->pump, true);
    assert_int_equal(counts(b).waiting, 36);
    assert_int_equal(backend.made, 2);
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BENCH(entries_go_in_batches_of_64_in_order),
        BENCH(no_more_than_eight_batches_are_under_way),
        BENCH(delivered_entries_leave_with_the_next_commit),
        BENCH(a_commit_that_failed_forgets_no_delivery),
        BENCH(one_bad_entry_of_a_batch_is_found_and_buried_alone),
        BENCH(an_entry_that_the_function_threw_at_is_tried_again_and_holds_up_nobody),
        BENCH(a_retry_comes_although_other_batches_never_cease),
        BENCH(a_backend_that_refuses_everything_is_left_in_peace_and_nothing_is_lost),
        BENCH(a_request_that_the_client_gave_up_is_sent_again),
        BENCH(a_client_that_is_full_is_asked_again_later),
        BENCH(an_entry_that_is_no_value_is_buried_and_those_behind_it_are_sent),
        BENCH(a_batch_is_bounded_in_bytes),
        BENCH(closing_with_batches_under_way_keeps_their_entries),
    };
    daemon_log_set_level(DAEMON_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
