/* files_test.c - which files are claimed and reported, whatever the backend and memory do.
 * The backend is a script, and so is what copies a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "file_copy.h"
#include "files.h"

#define TYPED_SCRIPT_SUBSCRIBES
#include "typed_script.h"

/* ---- memory that runs out ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static int allocations_left = -1; /* negative: there is enough */

static bool may_allocate(void)
{
    return allocations_left < 0 || allocations_left-- > 0;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

/* ---- the scripted backend ---- */

typedef struct call {
    const convex_function *function;
    convex_value *args;
    convex_any_fn *done;
    void *user;
} call;

static struct {
    call calls[64];
    size_t made, answered;
    const convex_function *queue;
    convex_any_fn *on_queue;
    void *queue_user;
} backend;

static convex_status typed_call_made(const convex_function *function, const void *args,
                                     convex_any_fn *fn, void *user)
{
    assert_true(backend.made < sizeof backend.calls / sizeof *backend.calls);
    backend.calls[backend.made++] = (call){function, typed_call_args(function, args), fn, user};
    return CONVEX_OK;
}

convex_status convex_typed_subscribe(convex_client *client, const convex_function *function,
                                     const void *args, convex_any_fn *fn, convex_end_fn *end,
                                     void *user, convex_sub **ret, convex_error *reterr)
{
    if (!may_allocate())
        return CONVEX_ENOMEM;
    backend.queue = function;
    backend.on_queue = fn;
    backend.queue_user = user;
    *ret = NULL;
    return CONVEX_OK;
}

static void queue_says(double next_at)
{
    const api_attachments_queue_result queue = {.next_at = next_at < 0 ? NULL : &next_at};
    typed_call_answer(backend.queue, backend.on_queue, backend.queue_user, &queue, NULL);
}

/* The oldest unanswered call has to be one of `path`. */
static call next_call(const char *path)
{
    assert_true(backend.answered < backend.made);
    call c = backend.calls[backend.answered++];
    assert_string_equal(c.function->path, path);
    return c;
}

static double number_in(const call *c, const char *name)
{
    double n = -1;
    convex_value_float64(convex_value_get(c->args, name), &n);
    return n;
}

static void answer(call c, const void *result)
{
    convex_failure failure = {CONVEX_ESERVER, "the function threw", NULL, NULL};
    typed_call_answer(c.function, c.done, c.user, result, result ? NULL : &failure);
    convex_value_unref(c.args);
}

static void answer_release(void)
{
    static const api_attachments_release_result released = {.released = 0};
    answer(next_call("attachments:release"), &released);
}

static void answer_report(bool accepted)
{
    const api_attachments_report_result result = {.accepted = {&accepted, 1}};
    answer(next_call("attachments:report"), &result);
}

/* Hands out files called after their number. */
static void answer_claim(int first, int count)
{
    char json[4096] = "{\"work\":[";
    const api_attachments_claim_result *result = NULL;
    convex_value *value = NULL;
    for (int i = 0; i < count; i++) {
        size_t at = strlen(json);
        snprintf(
            json + at, sizeof json - at,
            "%s{\"jobId\":\"job%d\",\"fence\":1,\"channelId\":\"1\",\"messageId\":\"2\","
            "\"attachmentId\":\"%d\",\"kind\":\"file\",\"filename\":\"a\",\"url\":\"http://x\","
            "\"size\":1,\"uploadUrl\":\"http://y\",\"attempts\":0}",
            i ? "," : "", first + i, first + i);
    }
    strcat(json, "]}");
    assert_int_equal(
        convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(api_attachments_claim_result_decode(value, NULL, &result, NULL), CONVEX_OK);
    convex_value_unref(value);
    answer(next_call("attachments:claim"), result);
    api_attachments_claim_result_unref(result);
}

/* ---- the scripted copying ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;

static void set_gate(bool open)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = open;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
}

file_copier *file_copier_new(file_desk *desk)
{
    return may_allocate() ? (file_copier *)desk : NULL;
}

void file_copier_free(file_copier *self)
{
}

void file_copy(file_copier *self, const api_file_work *work, file_copied *ret)
{
    pthread_mutex_lock(&gate_lock);
    while (!gate_open)
        pthread_cond_wait(&gate_changed, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
    snprintf(ret->text, sizeof ret->text, "no file %s", work->attachment_id.data);
    ret->outcome.tag = API_FILE_OUTCOME_REFUSED;
    ret->outcome.as.refused.reason = convex_str_of(ret->text);
}

/* ---- */

typedef struct bench {
    daemon_loop *loop;
    daemon_metrics *metrics;
    files *files;
} bench;

static int open_files(bench *b)
{
    const files_options options = {.loop = b->loop,
                                   .metrics = b->metrics,
                                   .convex_url = "http://127.0.0.1:1",
                                   .instance = "one",
                                   .directory = "/tmp",
                                   .max_bytes = 1000};
    return files_new(&options, &b->files);
}

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);
    memset(&backend, 0, sizeof backend);
    set_gate(true);
    assert_int_equal(daemon_loop_new(&b->loop), 0);
    b->metrics = daemon_metrics_new();
    assert_int_equal(open_files(b), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;
    set_gate(true);
    files_stop(b->files);
    while (backend.answered < backend.made)
        answer(backend.calls[backend.answered++], NULL);
    files_free(b->files);
    daemon_loop_free(b->loop);
    daemon_metrics_free(b->metrics);
    free(b);
    return 0;
}

/* Until so many calls were made in all. */
static void turn_until(bench *b, size_t made)
{
    while (backend.made < made)
        assert_int_equal(daemon_loop_turn(b->loop, -1), 0);
}

static void nothing_is_asked_while_nothing_waits(void **state)
{
    queue_says(-1);
    assert_int_equal(backend.made, 0);
}

static void leases_of_an_earlier_life_are_given_up_before_the_first_claim(void **state)
{
    queue_says(0);
    queue_says(0);
    assert_int_equal(backend.made, 1);
    answer_release();
    assert_int_equal(backend.made, 2);
    call c = next_call("attachments:claim");
    assert_true(number_in(&c, "limit") == 4);
    backend.answered--;
    answer_claim(0, 0);
    queue_says(-1);
}

static void no_more_is_claimed_than_threads_are_idle_and_each_file_is_reported_once(void **state)
{
    bench *b = *state;
    set_gate(false);
    queue_says(0);
    answer_release();
    answer_claim(0, 3);
    assert_int_equal(backend.made, 3);
    call c = next_call("attachments:claim");
    assert_true(number_in(&c, "limit") == 1);
    backend.answered--;
    answer_claim(3, 1);
    queue_says(0);
    assert_int_equal(backend.made, 3); /* every thread is busy */
    set_gate(true);
    turn_until(b, 7);
    bool seen[4] = {false};
    queue_says(-1);
    for (int i = 0; i < 4; i++) {
        const convex_value *results = convex_value_field(backend.calls[3 + i].args, "results");
        const convex_value *one = convex_value_at(results, 0);
        int number = atoi(convex_value_string(convex_value_get(one, "jobId"), NULL) + 3);
        assert_false(seen[number]);
        seen[number] = true;
        answer_report(i % 2 == 0); /* no longer wanted: nothing more is done about it */
    }
    assert_int_equal(backend.made, 7);
}

static void a_report_that_is_not_taken_frees_its_thread(void **state)
{
    bench *b = *state;
    queue_says(0);
    answer_release();
    answer_claim(0, 4);
    turn_until(b, 6);
    for (int i = 0; i < 3; i++)
        answer_report(true);
    answer(next_call("attachments:report"), NULL);
    bool claimed = false;
    for (size_t i = backend.answered; i < backend.made; i++)
        claimed = claimed || strcmp(backend.calls[i].function->path, "attachments:claim") == 0;
    assert_true(claimed);
}

static void what_fails_is_asked_again(void **state)
{
    bench *b = *state;
    queue_says(0);
    answer(next_call("attachments:release"), NULL);
    turn_until(b, 2);
    answer_release();
    answer(next_call("attachments:claim"), NULL);
    turn_until(b, 4);
    answer_claim(0, 0);
}

static void stopping_leaves_what_is_in_hand_to_its_lease(void **state)
{
    bench *b = *state;
    set_gate(false);
    queue_says(0);
    answer_release();
    answer_claim(0, 4);
    files_stop(b->files);
    set_gate(true);
    assert_int_equal(backend.made, 2);
}

static void memory_that_runs_out_at_the_start_is_an_error_and_nothing_else(void **state)
{
    int r = -ENOMEM;
    for (int n = 0; r != 0; n++) {
        bench b = {0};
        assert_int_equal(daemon_loop_new(&b.loop), 0);
        b.metrics = daemon_metrics_new();
        memset(&backend, 0, sizeof backend);
        allocations_left = n;
        r = open_files(&b);
        allocations_left = -1;
        assert_true(r == 0 || r == -ENOMEM);
        files_stop(r == 0 ? b.files : NULL);
        files_free(r == 0 ? b.files : NULL);
        daemon_loop_free(b.loop);
        daemon_metrics_free(b.metrics);
        assert_true(n < 1000);
    }
}

int main(void)
{
    daemon_signals_block();
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_asked_while_nothing_waits),
        CASE(leases_of_an_earlier_life_are_given_up_before_the_first_claim),
        CASE(no_more_is_claimed_than_threads_are_idle_and_each_file_is_reported_once),
        CASE(a_report_that_is_not_taken_frees_its_thread),
        CASE(what_fails_is_asked_again),
        CASE(stopping_leaves_what_is_in_hand_to_its_lease),
        cmocka_unit_test(memory_that_runs_out_at_the_start_is_an_error_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
