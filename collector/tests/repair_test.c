/* repair_test.c - how what is known is made equal to the source, and what is never concluded.
 * Discord and the backend are scripts: the linker puts the __wrap_ functions in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "repair.h"

/* ---- memory that runs out, and timers that do not wait ---- */

static long allocations_left = -1; /* before one fails; negative: none does */
static bool one_failed, hurried;

static unsigned ours; /* of the test itself nothing fails */

static bool fails(void)
{
    if (ours > 0)
        return false;
    bool now = allocations_left == 0;
    if (allocations_left >= 0)
        allocations_left--;
    one_failed = one_failed || now;
    return now;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

void __real_daemon_timer_set(daemon_timer *timer, int64_t delay_ms);
void __wrap_daemon_timer_set(daemon_timer *timer, int64_t delay_ms);
void __wrap_daemon_timer_set(daemon_timer *timer, int64_t delay_ms)
{
    __real_daemon_timer_set(timer, hurried && delay_ms < 60000 ? 0 : delay_ms);
}

static struct {
    char line[160]; /* the request under way, "" if none */
    discord_done_fn *done;
    void *user;
    char drift[1024]; /* the question to the backend, "" if none */
    api_signals_drift_fn *on_drift;
    void *drift_user;
} script;

static discord_status begin(discord_done_fn *done, void *user)
{
    assert_null(script.done); /* one at a time */
    script.done = done;
    script.user = user;
    return DISCORD_OK;
}

discord_status __wrap_discord_rest_send(discord_rest *rest, const discord_request *request,
                                        discord_done_fn *done, void *user);
discord_status __wrap_discord_rest_send(discord_rest *rest, const discord_request *request,
                                        discord_done_fn *done, void *user)
{
    snprintf(script.line, sizeof script.line, "%s %s", request->method, request->path);
    return begin(done, user);
}

discord_status __wrap_discord_rest_get_messages(discord_rest *rest, const char *channel,
                                                const discord_page *page, discord_done_fn *done,
                                                void *user);
discord_status __wrap_discord_rest_get_messages(discord_rest *rest, const char *channel,
                                                const discord_page *page, discord_done_fn *done,
                                                void *user)
{
    snprintf(script.line, sizeof script.line, "page %s after=%s", channel, page->after);
    return begin(done, user);
}

discord_status __wrap_discord_rest_get_message(discord_rest *rest, const char *channel,
                                               const char *message, discord_done_fn *done,
                                               void *user);
discord_status __wrap_discord_rest_get_message(discord_rest *rest, const char *channel,
                                               const char *message, discord_done_fn *done,
                                               void *user)
{
    snprintf(script.line, sizeof script.line, "message %s/%s", channel, message);
    return begin(done, user);
}

discord_status __wrap_discord_rest_get_channel(discord_rest *rest, const char *channel,
                                               discord_done_fn *done, void *user);
discord_status __wrap_discord_rest_get_channel(discord_rest *rest, const char *channel,
                                               discord_done_fn *done, void *user)
{
    snprintf(script.line, sizeof script.line, "channel %s", channel);
    return begin(done, user);
}

discord_status __wrap_discord_rest_get_roles(discord_rest *rest, const char *guild,
                                             discord_done_fn *done, void *user);
discord_status __wrap_discord_rest_get_roles(discord_rest *rest, const char *guild,
                                             discord_done_fn *done, void *user)
{
    snprintf(script.line, sizeof script.line, "roles %s", guild);
    return begin(done, user);
}

discord_status __wrap_discord_rest_get_member(discord_rest *rest, const char *guild,
                                              const char *member, discord_done_fn *done,
                                              void *user);
discord_status __wrap_discord_rest_get_member(discord_rest *rest, const char *guild,
                                              const char *member, discord_done_fn *done, void *user)
{
    snprintf(script.line, sizeof script.line, "member %s/%s", guild, member);
    return begin(done, user);
}

const discord_result *__wrap_discord_result_ref(const discord_result *result);
const discord_result *__wrap_discord_result_ref(const discord_result *result)
{
    return result;
}

void __wrap_discord_result_unref(const discord_result *result);
void __wrap_discord_result_unref(const discord_result *result)
{
    if (!result)
        return;
    cJSON_Delete((cJSON *)(uintptr_t)result->json);
    free((void *)(uintptr_t)result);
}

convex_status __wrap_api_signals_drift_query(convex_client *client,
                                             const api_signals_drift_args *args,
                                             const convex_call_options *options,
                                             api_signals_drift_fn *on_done, void *user,
                                             uint32_t *ret_id, convex_error *reterr);
convex_status __wrap_api_signals_drift_query(convex_client *client,
                                             const api_signals_drift_args *args,
                                             const convex_call_options *options,
                                             api_signals_drift_fn *on_done, void *user,
                                             uint32_t *ret_id, convex_error *reterr)
{
    snprintf(script.drift, sizeof script.drift, "%s%s%s %s..%s ids=%zu events=%zu",
             args->channel_id.data, args->thread_id.data ? "/" : "",
             args->thread_id.data ? args->thread_id.data : "", args->from.data, args->to.data,
             args->ids.count, args->events.count);
    script.on_drift = on_done;
    script.drift_user = user;
    return CONVEX_OK;
}

convex_status __wrap_api_signals_held_subscribe(convex_client *client,
                                                api_signals_held_fn *on_result,
                                                convex_end_fn *on_end, void *user, convex_sub **ret,
                                                convex_error *reterr);
convex_status __wrap_api_signals_held_subscribe(convex_client *client,
                                                api_signals_held_fn *on_result,
                                                convex_end_fn *on_end, void *user, convex_sub **ret,
                                                convex_error *reterr)
{
    return CONVEX_OK;
}

typedef struct bench {
    char directory[64], path[96];
    daemon_loop *loop;
    outbox *box;
    places *places;
    capture_rules rules;
    daemon_metrics *metrics;
    repair *repair;
    char kept[4096];
    int64_t window_ms;
} bench;

static bool find_place(const char *channel_id, const char *guild_id, capture_place *ret, void *user)
{
    return places_find(((bench *)user)->places, channel_id, guild_id, ret);
}

static int keep(const event_list *events, void *user)
{
    bench *b = user;
    for (size_t i = 0; i < events->count; i++) {
        const char *type = strstr(events->items[i].json, "\"type\":\"");
        snprintf(b->kept + strlen(b->kept), sizeof b->kept - strlen(b->kept), "%s %.6s, ",
                 events->items[i].key, type + 8);
    }
    return 0;
}

#define ONE "[{\"guildId\":\"6\",\"channelId\":\"45\",\"since\":0}]"

static void set_channels(bench *b)
{
    convex_value *value = NULL;
    const api_channels_captured_result *list = NULL;
    assert_int_equal(
        convex_value_parse(ONE, strlen(ONE), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(api_channels_captured_result_decode(value, NULL, &list, NULL), CONVEX_OK);
    assert_int_equal(places_set_channels(b->places, list), 0);
    repair_set_channels(b->repair, list);
    api_channels_captured_result_unref(list);
    convex_value_unref(value);
}

static void open_repair(bench *b)
{
    repair_options options = {.loop = b->loop,
                              .box = b->box,
                              .places = b->places,
                              .rules = &b->rules,
                              .metrics = b->metrics,
                              .every_ms = 3600000,
                              .window_ms = b->window_ms,
                              .keep = keep,
                              .user = b};
    memset(&script, 0, sizeof script);
    assert_int_equal(repair_new(&options, &b->repair), 0);
    set_channels(b);
    repair_backend_ready(b->repair);
}

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);
    strcpy(b->directory, "/tmp/repair-test-XXXXXX");
    assert_non_null(mkdtemp(b->directory));
    snprintf(b->path, sizeof b->path, "%s/outbox.db", b->directory);
    outbox_options options = {.path = b->path};
    assert_int_equal(outbox_open(&options, &b->box, NULL), 0);
    assert_int_equal(daemon_loop_new(&b->loop), 0);
    assert_int_equal(places_new(b->box, &b->places), 0);
    b->metrics = daemon_metrics_new();
    b->window_ms = 86400000;
    b->rules = (capture_rules){.place = find_place, .user = b, .own_id = "77"};
    open_repair(b);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    bench *b = *state;
    char path[128];
    repair_free(b->repair);
    places_free(b->places);
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

/* Discord's answer; json is taken. */
static void answer(bench *b, discord_status status, int code, cJSON *json)
{
    discord_result *result = __real_calloc(1, sizeof *result);
    discord_done_fn *done = script.done;
    result->error.status = status;
    result->error.code = code;
    result->json = json;
    assert_non_null(done);
    script.done = NULL;
    script.line[0] = '\0';
    done(result, script.user);
    assert_int_equal(daemon_loop_turn(b->loop, 1000), 0);
}

static void answer_text(bench *b, const char *json)
{
    ours++;
    cJSON *parsed = cJSON_Parse(json);
    ours--;
    answer(b, DISCORD_OK, 0, parsed);
}

/* Ids from `newest` down to `oldest`. */
static void answer_page(bench *b, int newest, int oldest)
{
    ours++;
    cJSON *list = cJSON_CreateArray();
    char id[16];
    for (int i = newest; i >= oldest; i--) {
        cJSON *message = cJSON_CreateObject();
        snprintf(id, sizeof id, "%d", i);
        cJSON_AddStringToObject(message, "id", id);
        cJSON_AddStringToObject(message, "content", "x");
        cJSON_AddItemToArray(list, message);
    }
    ours--;
    answer(b, DISCORD_OK, 0, list);
}

static void backend_says(const char *json)
{
    convex_value *value = NULL;
    const api_signals_drift_result *drift = NULL;
    ours++;
    assert_int_equal(
        convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(api_signals_drift_result_decode(value, NULL, &drift, NULL), CONVEX_OK);
    ours--;
    script.drift[0] = '\0';
    script.on_drift(drift, NULL, script.drift_user);
    api_signals_drift_result_unref(drift);
    convex_value_unref(value);
}

#define NOTHING "{\"news\":[],\"missing\":[],\"unsettled\":false}"

static void list_no_threads(bench *b)
{
    assert_string_equal(script.line, "GET /guilds/6/threads/active");
    answer_text(b, "{\"threads\":[]}");
}

/* Nothing there, and nothing known. */
static void answer_empty(bench *b)
{
    answer_text(b, "[]");
    assert_non_null(strstr(script.drift, "..99999999999999999999 ids=0 events=0"));
    backend_says(NOTHING);
}

static bool is_over(bench *b)
{
    return !script.line[0] && !script.drift[0];
}

static void news_are_recorded_and_what_is_missing_is_asked_for(void **state)
{
    bench *b = *state;
    list_no_threads(b);
    assert_string_equal(script.line, "page 45 after=0");
    answer_page(b, 14, 11);
    assert_string_equal(script.drift, "45 1..99999999999999999999 ids=4 events=4");
    backend_says("{\"news\":[\"13\",\"12\"],\"missing\":[\"5\",\"6\",\"7\"],\"unsettled\":false}");
    assert_string_equal(b->kept, "45/12 upsert, 45/13 upsert, ");
    assert_string_equal(script.line, "message 45/7");
    answer(b, DISCORD_ENOTFOUND, 10008, NULL);
    assert_non_null(strstr(b->kept, "45/7 delete, "));
    answer_text(b, "{\"id\":\"6\",\"content\":\"there after all\"}");
    assert_string_equal(b->kept, "45/12 upsert, 45/13 upsert, 45/7 delete, 45/6 upsert, ");
    answer(b, DISCORD_EREJECTED, 0, NULL); /* 5: nobody knows */
    assert_string_equal(b->kept, "45/12 upsert, 45/13 upsert, 45/7 delete, 45/6 upsert, ");
    assert_true(is_over(b));
}

/* Discord counts them, and bans who has too many. */
static void after_one_refusal_no_other_message_of_the_channel_is_asked_for(void **state)
{
    bench *b = *state;
    list_no_threads(b);
    answer_page(b, 14, 11);
    backend_says("{\"news\":[],\"missing\":[\"5\",\"6\",\"7\"],\"unsettled\":false}");
    assert_string_equal(script.line, "message 45/7");
    answer(b, DISCORD_EFORBIDDEN, 50013, NULL);
    assert_true(is_over(b));
    assert_string_equal(b->kept, "");
}

static void a_full_page_is_followed_by_the_next(void **state)
{
    bench *b = *state;
    list_no_threads(b);
    answer_page(b, 110, 11);
    assert_string_equal(script.drift, "45 1..110 ids=100 events=100");
    backend_says(NOTHING);
    assert_string_equal(script.line, "page 45 after=110");
    answer_page(b, 111, 111);
    assert_string_equal(script.drift, "45 111..99999999999999999999 ids=1 events=1");
    backend_says(NOTHING);
    assert_true(is_over(b));
    assert_string_equal(b->kept, "");
}

static void an_empty_page_a_forbidden_one_and_a_failed_one_conclude_nothing(void **state)
{
    bench *b = *state;
    list_no_threads(b);
    answer_empty(b);
    assert_true(is_over(b));
    repair_gap(b->repair);
    list_no_threads(b);
    answer(b, DISCORD_EFORBIDDEN, 50001, NULL);
    assert_true(is_over(b));
    repair_gap(b->repair);
    list_no_threads(b);
    answer(b, DISCORD_ENOTFOUND, 0, NULL); /* not Discord's own words */
    assert_true(is_over(b));
    assert_string_equal(b->kept, "");
}

#define GUILD_ROLES(mine)                                                                          \
    "[{\"id\":\"6\",\"permissions\":\"0\"},{\"id\":\"8\",\"permissions\":\"" mine "\"}]"
#define VIEW_ONLY     "1024"
#define VIEW_AND_READ "66560"

/* The page is empty, the backend knows `missing`; then what we are asked. */
static void begin_emptied(bench *b, const char *missing)
{
    char drift[128];
    snprintf(drift, sizeof drift, "{\"news\":[],\"missing\":[%s],\"unsettled\":false}", missing);
    list_no_threads(b);
    answer_text(b, "[]");
    backend_says(drift);
}

static void
an_emptied_channel_is_asked_message_by_message_where_its_history_can_be_read(void **state)
{
    bench *b = *state;
    begin_emptied(b, "\"5\",\"6\",\"7\"");
    assert_string_equal(script.line, "channel 45");
    answer_text(b, "{\"id\":\"45\",\"permission_overwrites\":[]}");
    assert_string_equal(script.line, "roles 6");
    answer_text(b, GUILD_ROLES(VIEW_AND_READ));
    assert_string_equal(script.line, "member 6/77");
    answer_text(b, "{\"roles\":[\"8\"]}");
    assert_string_equal(b->kept, ""); /* not yet */
    assert_string_equal(script.line, "message 45/7");
    answer(b, DISCORD_ENOTFOUND, 10008, NULL);
    answer_text(b, "{\"id\":\"6\",\"content\":\"the page was a stale one\"}");
    answer(b, DISCORD_EFORBIDDEN, 50013, NULL); /* 5 */
    assert_string_equal(b->kept, "45/7 delete, 45/6 upsert, ");
    assert_true(is_over(b));
}

/* What each answer must be for a history to be readable, and what it is then not. */
static void an_emptied_channel_that_we_may_not_read_loses_nothing(void **state)
{
    static const struct {
        const char *channel, *roles, *member;
    } cases[] = {
        {"{\"id\":\"45\"}", GUILD_ROLES(VIEW_ONLY), "{\"roles\":[\"8\"]}"},
        {"{\"id\":\"45\"}", GUILD_ROLES(VIEW_AND_READ), "{\"roles\":[]}"},
        {"{\"permission_overwrites\":[{\"id\":\"77\",\"type\":1,\"deny\":\"65536\"}]}",
         GUILD_ROLES(VIEW_AND_READ), "{\"roles\":[\"8\"]}"},
        {NULL, NULL, NULL},
        {"{\"id\":\"45\"}", NULL, NULL},
        {"{\"id\":\"45\"}", GUILD_ROLES(VIEW_AND_READ), NULL},
    };
    bench *b = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *answers[] = {cases[i].channel, cases[i].roles, cases[i].member};
        begin_emptied(b, "\"5\"");
        for (size_t n = 0; n < 3 && !is_over(b); n++) {
            if (answers[n])
                answer_text(b, answers[n]);
            else
                answer(b, DISCORD_EFORBIDDEN, 50001, NULL);
        }
        assert_true(is_over(b));
        assert_string_equal(b->kept, "");
        repair_gap(b->repair);
    }
}

static void an_emptied_channel_loses_nothing_while_it_is_not_known_who_we_are(void **state)
{
    bench *b = *state;
    b->rules.own_id = "";
    begin_emptied(b, "\"5\"");
    assert_true(is_over(b));
    assert_string_equal(b->kept, "");
}

static void a_channel_is_deleted_only_when_its_guild_does_not_list_it(void **state)
{
    static const char *const unsure[] = {"[]", "[{\"id\":\"45\"}]", NULL};
    bench *b = *state;
    for (size_t i = 0; i < 3; i++) {
        list_no_threads(b);
        answer(b, DISCORD_ENOTFOUND, 10003, NULL);
        assert_string_equal(script.line, "GET /guilds/6/channels");
        if (unsure[i])
            answer_text(b, unsure[i]);
        else
            answer(b, DISCORD_EFORBIDDEN, 50001, NULL);
        assert_true(is_over(b));
        assert_string_equal(b->kept, "");
        repair_gap(b->repair);
    }
    list_no_threads(b);
    answer(b, DISCORD_ENOTFOUND, 10003, NULL);
    answer_text(b, "[{\"id\":\"44\"}]");
    assert_string_equal(b->kept, "45/deleted channe, ");
    repair_gap(b->repair);
    list_no_threads(b);
    assert_true(is_over(b)); /* once is enough */
}

static void threads_are_compared_too_and_a_deleted_one_is_found(void **state)
{
    bench *b = *state;
    places_add_thread(b->places, "50", "45"); /* known, and not in use any more */
    assert_string_equal(script.line, "GET /guilds/6/threads/active");
    answer_text(b, "{\"threads\":[{\"id\":\"60\",\"parent_id\":\"45\"},"
                   "{\"id\":\"61\",\"parent_id\":\"99\"}]}");
    answer_empty(b);
    assert_string_equal(script.line, "page 60 after=0");
    answer_page(b, 62, 62);
    assert_string_equal(script.drift, "45/60 1..99999999999999999999 ids=1 events=1");
    backend_says("{\"news\":[\"62\"],\"missing\":[],\"unsettled\":false}");
    assert_string_equal(script.line, "page 50 after=0");
    answer(b, DISCORD_ENOTFOUND, 10003, NULL);
    answer_text(b, "[{\"id\":\"45\"}]");
    assert_string_equal(b->kept, "60/62 upsert, 50/deleted channe, ");
    assert_true(is_over(b));
}

static void the_next_round_begins_where_the_last_complete_one_was(void **state)
{
    bench *b = *state;
    uint64_t day_ago, after;
    list_no_threads(b);
    answer(b, DISCORD_EFORBIDDEN, 50001, NULL);
    repair_gap(b->repair);
    list_no_threads(b);
    assert_string_equal(script.line, "page 45 after=0"); /* it was not complete */
    day_ago = (uint64_t)(daemon_wall_ms() - 86400000 - INT64_C(1420070400000) - 60000) << 22;
    answer_empty(b);
    repair_free(b->repair);
    b->repair = NULL;
    open_repair(b);
    assert_true(is_over(b)); /* not due again */
    repair_gap(b->repair);
    list_no_threads(b);
    assert_int_equal(sscanf(script.line, "page 45 after=%" SCNu64, &after), 1);
    assert_true(after > day_ago);
}

static void a_gap_that_was_stored_is_compared_in_the_next_life(void **state)
{
    bench *b = *state;
    list_no_threads(b);
    answer_empty(b);
    assert_true(is_over(b));
    assert_int_equal(repair_write_gap(b->repair), 0);
    repair_free(b->repair);
    b->repair = NULL;
    open_repair(b);
    list_no_threads(b);
}

static void a_round_waits_for_the_reading_of_a_gap(void **state)
{
    bench *b = *state;
    list_no_threads(b);
    answer_empty(b);
    repair_wait(b->repair, true);
    repair_gap(b->repair);
    assert_true(is_over(b));
    repair_fetch(b->repair, "45", "9"); /* this does not */
    assert_string_equal(script.line, "message 45/9");
    answer(b, DISCORD_ENOTFOUND, 10008, NULL);
    assert_true(is_over(b));
    repair_wait(b->repair, false);
    list_no_threads(b);
}

static void a_message_that_may_be_new_is_not_buried_for_one_unknown(void **state)
{
    bench *b = *state;
    list_no_threads(b);
    answer_empty(b);
    repair_fetch(b->repair, "45", "9");
    assert_string_equal(script.line, "message 45/9");
    answer(b, DISCORD_ENOTFOUND, 10008, NULL);
    assert_string_equal(b->kept, "");
    assert_true(is_over(b));
    repair_fetch(b->repair, "45", "9"); /* asked again, it may be there */
    answer_text(b, "{\"id\":\"9\",\"content\":\"there after all\"}");
    assert_string_equal(b->kept, "45/9 upsert, ");
}

/* ---- without memory ---- */

/* Answers whatever is asked, until nothing is. */
static void serve_all(bench *b)
{
    for (unsigned turns = 0; turns < 200; turns++) {
        if (script.drift[0])
            backend_says(
                strstr(script.drift, "ids=0")
                    ? NOTHING
                    : "{\"news\":[\"13\",\"12\"],\"missing\":[\"5\"],\"unsettled\":false}");
        else if (strstr(script.line, "threads"))
            answer_text(b, "{\"threads\":[{\"id\":\"60\",\"parent_id\":\"45\"}]}");
        else if (strncmp(script.line, "page 45", 7) == 0)
            answer_page(b, 14, 11);
        else if (strncmp(script.line, "page", 4) == 0)
            answer_text(b, "[]");
        else if (strncmp(script.line, "message", 7) == 0)
            answer(b, DISCORD_ENOTFOUND, 10008, NULL);
        else
            daemon_loop_turn(b->loop, 0); /* what waits to be tried again */
    }
}

static void
whichever_allocation_fails_nothing_else_is_deleted_and_the_next_round_mends_all(void **state)
{
    bench *b = *state;
    cJSON_Hooks hooks = {.malloc_fn = __wrap_malloc, .free_fn = free};
    repair_free(b->repair);
    b->window_ms = INT64_MAX / 2; /* all of the history, in each round */
    open_repair(b);
    serve_all(b);
    cJSON_InitHooks(&hooks);
    hurried = true;
    for (long n = 0; n == 0 || one_failed; n++) {
        b->kept[0] = '\0';
        one_failed = false;
        repair_gap(b->repair);
        allocations_left = n;
        serve_all(b);
        allocations_left = -1;
        for (const char *at = b->kept; (at = strstr(at, " delete")); at++)
            assert_memory_equal(at - 4, "45/5", 4);
        b->kept[0] = '\0';
        repair_gap(b->repair);
        serve_all(b);
        if (!is_over(b) || !strstr(b->kept, "45/12 upsert, 45/13 upsert, 45/5 delete, "))
            fail_msg("n=%ld line=%s drift=%s kept=%s", n, script.line, script.drift, b->kept);
        assert_true(n < 2000);
    }
    hurried = false;
    cJSON_InitHooks(NULL);
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BENCH(news_are_recorded_and_what_is_missing_is_asked_for),
        BENCH(after_one_refusal_no_other_message_of_the_channel_is_asked_for),
        BENCH(a_full_page_is_followed_by_the_next),
        BENCH(an_empty_page_a_forbidden_one_and_a_failed_one_conclude_nothing),
        BENCH(an_emptied_channel_is_asked_message_by_message_where_its_history_can_be_read),
        BENCH(an_emptied_channel_that_we_may_not_read_loses_nothing),
        BENCH(an_emptied_channel_loses_nothing_while_it_is_not_known_who_we_are),
        BENCH(a_channel_is_deleted_only_when_its_guild_does_not_list_it),
        BENCH(threads_are_compared_too_and_a_deleted_one_is_found),
        BENCH(the_next_round_begins_where_the_last_complete_one_was),
        BENCH(a_gap_that_was_stored_is_compared_in_the_next_life),
        BENCH(a_round_waits_for_the_reading_of_a_gap),
        BENCH(whichever_allocation_fails_nothing_else_is_deleted_and_the_next_round_mends_all),
        BENCH(a_message_that_may_be_new_is_not_buried_for_one_unknown),
    };
    daemon_log_set_level(DAEMON_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
