/* backfill_test.c - how a gap in the gateway's events is read from the history.
 * Discord is a script: discord_rest_get_messages() of this file stands in for the real one. */
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

#include "backfill.h"
#include "daemon/clock.h"
#include "daemon/log.h"

static struct {
    char line[128]; /* the request under way */
    unsigned asked;
    discord_done_fn *done;
    void *user;
} script;

discord_status discord_rest_get_messages(discord_rest *rest, const char *channel,
                                         const discord_page *page, discord_done_fn *done,
                                         void *user)
{
    assert_null(script.done); /* one at a time */
    snprintf(script.line, sizeof script.line, "%s after=%s limit=%u", channel,
             page->after ? page->after : "-", page->limit);
    script.asked++;
    script.done = done;
    script.user = user;
    return DISCORD_OK;
}

const discord_result *discord_result_ref(const discord_result *result)
{
    return result;
}

void discord_result_unref(const discord_result *result)
{
    if (!result)
        return;
    cJSON_Delete((cJSON *)(uintptr_t)result->json);
    free((void *)(uintptr_t)result);
}

typedef struct bench {
    char directory[64], path[96];
    daemon_loop *loop;
    outbox *box;
    backfill *backfill;
    bool busy;
    int keep_fails; /* errno of the next keep */
    char kept[8192];
} bench;

static int transaction(bench *b, bool commit)
{
    assert_int_equal(outbox_begin(b->box), 0);
    assert_int_equal(backfill_write(b->backfill), 0);
    if (commit)
        assert_int_equal(outbox_commit(b->box), 0);
    else
        outbox_rollback(b->box);
    backfill_written(b->backfill, commit);
    return 0;
}

static int keep(const event_list *events, void *user)
{
    bench *b = user;
    int r = b->keep_fails;
    b->keep_fails = 0;
    transaction(b, r == 0);
    for (size_t i = 0; r == 0 && i < events->count; i++)
        snprintf(b->kept + strlen(b->kept), sizeof b->kept - strlen(b->kept), "%s ",
                 events->items[i].key);
    return r;
}

static void on_busy(bool busy, void *user)
{
    ((bench *)user)->busy = busy;
}

static void open_backfill(bench *b)
{
    static const capture_rules rules = {.own_id = ""};
    backfill_options options = {.loop = b->loop,
                                .box = b->box,
                                .rules = &rules,
                                .keep = keep,
                                .on_busy = on_busy,
                                .user = b};
    memset(&script, 0, sizeof script);
    assert_int_equal(backfill_new(&options, &b->backfill), 0);
}

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);
    strcpy(b->directory, "/tmp/backfill-test-XXXXXX");
    assert_non_null(mkdtemp(b->directory));
    snprintf(b->path, sizeof b->path, "%s/outbox.db", b->directory);
    outbox_options options = {.path = b->path};
    assert_int_equal(outbox_open(&options, &b->box, NULL), 0);
    assert_int_equal(daemon_loop_new(&b->loop), 0);
    open_backfill(b);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    bench *b = *state;
    char path[128];
    backfill_free(b->backfill);
    outbox_close(b->box);
    daemon_loop_free(b->loop);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(path, sizeof path, "%s%s", b->path, suffixes[i]);
        unlink(path);
    }
    rmdir(b->directory);
    free(b);
    return 0;
}

static void channels(bench *b, const char *json)
{
    convex_value *value = NULL;
    const api_channels_captured_result *list = NULL;
    assert_int_equal(
        convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(api_channels_captured_result_decode(value, NULL, &list, NULL), CONVEX_OK);
    backfill_set_channels(b->backfill, list);
    api_channels_captured_result_unref(list);
    convex_value_unref(value);
}

#define ONE "[{\"guildId\":\"6\",\"channelId\":\"45\",\"since\":0}]"

/* Ids from `newest` down to `oldest`, as Discord lists them. */
static void answer(bench *b, discord_status status, int newest, int oldest)
{
    discord_result *result = calloc(1, sizeof *result);
    discord_done_fn *done = script.done;
    cJSON *list = cJSON_CreateArray();
    char id[16];
    for (int i = newest; i >= oldest && i > 0; i--) {
        cJSON *message = cJSON_CreateObject();
        snprintf(id, sizeof id, "%d", i);
        cJSON_AddStringToObject(message, "id", id);
        cJSON_AddStringToObject(message, "channel_id", "45");
        cJSON_AddStringToObject(message, "content", "x");
        cJSON_AddItemToArray(list, message);
    }
    result->json = list;
    result->error.status = status;
    assert_non_null(done);
    script.done = NULL;
    script.line[0] = '\0';
    done(result, script.user);
    assert_int_equal(daemon_loop_turn(b->loop, 1000), 0);
}

/* A live message, or the begin of a session, stored as the collector does. */
static void live(bench *b, const char *key, bool new_session, bool commit)
{
    event_list events = {0};
    if (key)
        assert_int_equal(event_list_add("45", key, "{}", 2, &events), 0);
    backfill_note(b->backfill, &events, new_session);
    transaction(b, commit);
    event_list_done(&events);
}

static void next_life(bench *b)
{
    backfill_free(b->backfill);
    open_backfill(b);
    channels(b, ONE);
}

static void turn_until_asked(bench *b)
{
    int64_t end = daemon_monotonic_ms() + 30000;
    while (!script.done) {
        assert_true(daemon_monotonic_ms() < end);
        assert_int_equal(daemon_loop_turn(b->loop, 50), 0);
    }
}

/* A channel whose newest message is 10. */
static void at_ten(bench *b)
{
    channels(b, ONE);
    assert_string_equal(script.line, "45 after=- limit=1");
    answer(b, DISCORD_OK, 10, 10);
    assert_false(b->busy);
    assert_null(script.done);
}

static void history_from_before_the_first_start_is_not_imported(void **state)
{
    bench *b = *state;
    at_ten(b);
    assert_string_equal(b->kept, "");
}

static void a_gap_is_read_page_by_page_in_order(void **state)
{
    bench *b = *state;
    at_ten(b);
    live(b, "45/11", false, true);
    live(b, NULL, true, true);
    assert_true(b->busy);
    assert_string_equal(script.line, "45 after=11 limit=100");
    answer(b, DISCORD_OK, 111, 12);
    assert_non_null(strstr(b->kept, "45/12 45/13 "));
    assert_string_equal(script.line, "45 after=111 limit=100");
    answer(b, DISCORD_OK, 113, 112);
    assert_non_null(strstr(b->kept, "45/111 45/112 45/113 "));
    assert_false(b->busy);
    assert_null(script.done);
}

static void live_messages_do_not_move_the_cursor_over_an_open_gap(void **state)
{
    bench *b = *state;
    at_ten(b);
    live(b, NULL, true, true);
    live(b, "45/50", false, true);
    next_life(b); /* died before the answer */
    assert_string_equal(script.line, "45 after=10 limit=100");
    answer(b, DISCORD_OK, 50, 11);
    assert_null(script.done);
    next_life(b); /* the gap is closed */
    assert_null(script.done);
    live(b, NULL, true, true);
    assert_string_equal(script.line, "45 after=50 limit=100");
}

static void a_message_that_was_not_stored_does_not_move_the_cursor(void **state)
{
    bench *b = *state;
    at_ten(b);
    live(b, "45/11", false, false);
    live(b, NULL, true, true);
    assert_string_equal(script.line, "45 after=10 limit=100");
}

static void a_page_that_cannot_be_stored_is_asked_for_again(void **state)
{
    bench *b = *state;
    at_ten(b);
    live(b, NULL, true, true);
    b->keep_fails = -ENOBUFS;
    answer(b, DISCORD_OK, 12, 11);
    assert_string_equal(b->kept, "");
    turn_until_asked(b);
    assert_string_equal(script.line, "45 after=10 limit=100");
    answer(b, DISCORD_OK, 12, 11);
    assert_string_equal(b->kept, "45/11 45/12 ");
}

static void a_failed_request_is_made_again_and_a_forbidden_one_is_not(void **state)
{
    bench *b = *state;
    at_ten(b);
    live(b, NULL, true, true);
    answer(b, DISCORD_ESERVER, 0, 0);
    assert_true(b->busy);
    turn_until_asked(b);
    answer(b, DISCORD_EFORBIDDEN, 0, 0);
    assert_false(b->busy);
    assert_null(script.done);
}

static void a_session_that_begins_during_a_request_opens_another_gap(void **state)
{
    bench *b = *state;
    at_ten(b);
    live(b, NULL, true, true);
    live(b, NULL, true, true);
    assert_int_equal(script.asked, 2);
    answer(b, DISCORD_OK, 11, 11); /* asked before the second one began */
    assert_string_equal(script.line, "45 after=11 limit=100");
    answer(b, DISCORD_OK, 0, 0);
    assert_false(b->busy);
}

static void what_is_written_to_a_channel_while_it_is_off_is_not_read_later(void **state)
{
    bench *b = *state;
    at_ten(b);
    channels(b, "[]");
    channels(b, ONE);
    assert_string_equal(script.line, "45 after=- limit=1");
    answer(b, DISCORD_OK, 20, 20);
    live(b, NULL, true, true);
    assert_string_equal(script.line, "45 after=20 limit=100");
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BENCH(history_from_before_the_first_start_is_not_imported),
        BENCH(a_gap_is_read_page_by_page_in_order),
        BENCH(live_messages_do_not_move_the_cursor_over_an_open_gap),
        BENCH(a_message_that_was_not_stored_does_not_move_the_cursor),
        BENCH(a_page_that_cannot_be_stored_is_asked_for_again),
        BENCH(a_failed_request_is_made_again_and_a_forbidden_one_is_not),
        BENCH(a_session_that_begins_during_a_request_opens_another_gap),
        BENCH(what_is_written_to_a_channel_while_it_is_off_is_not_read_later),
    };
    daemon_log_set_level(DAEMON_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
