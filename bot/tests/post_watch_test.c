/* post_watch_test.c - which posts are taken for deleted after a look, and what is asked for that.
 * The backend, Discord and the timer are scripts: the linker puts the __wrap_ functions in their
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "daemon/log.h"
#include "lost.h"
#include "post_watch.h"

enum { POSTS_MAX = 8 };

static struct {
    char asked[1024]; /* all that was asked for, one after the other */
    char lost[1024];
    api_mirrors_posts_fn *on_posts;
    void *posts_user;
    discord_done_fn *done; /* of the letter that is out; NULL: none */
    void *user;
    convex_status refuse;
    discord_status refuse_rest;
    int64_t timer_ms; /* the longest of those set; 0: none */
    daemon_fn *fire;
    void *fire_user;
    int fail_calloc; /* the nth from now, 1 for the next; 0: none */
} script;

__attribute__((format(printf, 2, 3))) static void note(char *log, const char *format, ...)
{
    size_t len = strlen(log);
    va_list args;
    va_start(args, format);
    vsnprintf(log + len, sizeof script.asked - len, format, args);
    va_end(args);
}

/* ---- what stands in ---- */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    if (script.fail_calloc > 0 && --script.fail_calloc == 0)
        return NULL;
    return __real_calloc(count, size);
}

convex_status __wrap_api_mirrors_posts_query(convex_client *client,
                                             const api_mirrors_posts_args *args,
                                             const convex_call_options *options,
                                             api_mirrors_posts_fn *on_done, void *user,
                                             uint32_t *ret_id, convex_error *reterr);
convex_status __wrap_api_mirrors_posts_query(convex_client *client,
                                             const api_mirrors_posts_args *args,
                                             const convex_call_options *options,
                                             api_mirrors_posts_fn *on_done, void *user,
                                             uint32_t *ret_id, convex_error *reterr)
{
    if (script.refuse != CONVEX_OK)
        return script.refuse;
    assert_null(script.on_posts);
    note(script.asked, "after %s; ", args->after.data ? args->after.data : "none");
    script.on_posts = on_done;
    script.posts_user = user;
    return CONVEX_OK;
}

/* The one answer that there is at a time lives in the test. */
const api_mirrors_posts_result *
__wrap_api_mirrors_posts_result_ref(const api_mirrors_posts_result *value);
const api_mirrors_posts_result *
__wrap_api_mirrors_posts_result_ref(const api_mirrors_posts_result *value)
{
    return value;
}

void __wrap_api_mirrors_posts_result_unref(const api_mirrors_posts_result *value);
void __wrap_api_mirrors_posts_result_unref(const api_mirrors_posts_result *value)
{
}

letter *__wrap_inbox_letter(inbox *self, discord_done_fn *done, void *user);
letter *__wrap_inbox_letter(inbox *self, discord_done_fn *done, void *user)
{
    assert_null(script.done);
    script.done = done;
    script.user = user;
    return (letter *)&script;
}

void __wrap_letter_drop(letter *l);
void __wrap_letter_drop(letter *l)
{
    script.done = NULL;
}

discord_status __wrap_discord_rest_get_messages(discord_rest *rest, const char *channel_id,
                                                const discord_page *page, discord_done_fn *on_done,
                                                void *user);
discord_status __wrap_discord_rest_get_messages(discord_rest *rest, const char *channel_id,
                                                const discord_page *page, discord_done_fn *on_done,
                                                void *user)
{
    assert_int_equal(page->limit, 100);
    if (script.refuse_rest == DISCORD_OK)
        note(script.asked, "page of %s before %s; ", channel_id,
             page->before ? page->before : "none");
    return script.refuse_rest;
}

discord_status __wrap_discord_rest_get_message(discord_rest *rest, const char *channel_id,
                                               const char *message_id, discord_done_fn *on_done,
                                               void *user);
discord_status __wrap_discord_rest_get_message(discord_rest *rest, const char *channel_id,
                                               const char *message_id, discord_done_fn *on_done,
                                               void *user)
{
    note(script.asked, "one of %s: %s; ", channel_id, message_id);
    return DISCORD_OK;
}

void __wrap_lost_add(lost *self, const char *channel_id, const char *message_id);
void __wrap_lost_add(lost *self, const char *channel_id, const char *message_id)
{
    note(script.lost, "%s/%s ", channel_id, message_id);
}

int __wrap_daemon_timer_new(daemon_loop *loop, daemon_fn *fn, void *user, daemon_timer **ret);
int __wrap_daemon_timer_new(daemon_loop *loop, daemon_fn *fn, void *user, daemon_timer **ret)
{
    if (!script.fire) { /* the first is of the looks, the other of lost.c */
        script.fire = fn;
        script.fire_user = user;
    }
    *ret = NULL;
    return 0;
}

void __wrap_daemon_timer_set(daemon_timer *timer, int64_t delay_ms);
void __wrap_daemon_timer_set(daemon_timer *timer, int64_t delay_ms)
{
    script.timer_ms = delay_ms;
}

void __wrap_daemon_timer_free(daemon_timer *timer);
void __wrap_daemon_timer_free(daemon_timer *timer)
{
}

/* ---- the script's words ---- */

static int set_up(void **state)
{
    post_watch *self = NULL;
    post_watch_options options = {.every_ms = 1000};
    memset(&script, 0, sizeof script);
    assert_int_equal(post_watch_open(&options, &self), 0);
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    post_watch_stop(*state);
    post_watch_close(*state);
    return 0;
}

/* The backend's answer: a channel with its posts, separated by blanks; NULL: no more of them. */
static void answer_posts(const char *channel, const char *posts)
{
    static api_mirrors_posts_result result;
    static convex_str ids[POSTS_MAX];
    static char text[256];
    api_mirrors_posts_fn *on_posts = script.on_posts;
    result =
        (api_mirrors_posts_result){.channel_id = convex_str_of(channel), .message_ids = {ids, 0}};
    snprintf(text, sizeof text, "%s", posts);
    for (char *id = strtok(text, " "); id; id = strtok(NULL, " "))
        ids[result.message_ids.count++] = convex_str_of(id);
    assert_non_null(on_posts);
    script.on_posts = NULL;
    on_posts(&result, NULL, script.posts_user);
}

static void answer(const discord_result *result)
{
    discord_done_fn *done = script.done;
    assert_non_null(done);
    script.done = NULL;
    done(result, script.user);
}

/* A page of so many messages, newest first, without one (0: none lacks). */
static void answer_page(int newest, int count, int lacks)
{
    cJSON *page = cJSON_CreateArray();
    for (int id = newest; cJSON_GetArraySize(page) < count; id--) {
        char text[16];
        cJSON *message = cJSON_CreateObject();
        snprintf(text, sizeof text, "%d", id);
        cJSON_AddStringToObject(message, "id", text);
        if (id == lacks)
            cJSON_Delete(message);
        else
            cJSON_AddItemToArray(page, message);
    }
    answer(&(discord_result){.json = page});
    cJSON_Delete(page);
}

static void answer_error(discord_status status, int code)
{
    answer(&(discord_result){.error = {.status = status, .code = code}});
}

static void assert_log(char *log, const char *wanted)
{
    assert_string_equal(log, wanted);
    log[0] = '\0';
}

/* ---- the contract ---- */

static void channel_after_channel_is_looked_at_and_what_is_missing_is_told(void **state)
{
    post_watch_look(*state);
    answer_posts("7", "48 50");
    answer_page(51, 5, 48);
    answer_posts("8", "60");
    answer_page(60, 3, 0);
    answer_posts("9", "");
    answer_posts(NULL, "");
    assert_log(script.asked, "after none; page of 7 before none; after 7; page of 8 before none; "
                             "after 8; after 9; ");
    assert_log(script.lost, "7/48 ");
}

static void a_post_older_than_all_that_is_left_is_missing_where_the_history_ends(void **state)
{
    post_watch_look(*state);
    answer_posts("7", "10 50");
    answer_page(51, 5, 0);
    assert_log(script.lost, "7/10 ");
}

static void pages_are_read_until_each_post_is_accounted_for(void **state)
{
    post_watch_look(*state);
    answer_posts("7", "950 850 700");
    answer_page(1000, 100, 950); /* to 900 */
    answer_page(899, 100, 850);  /* to 799 */
    assert_log(script.lost, "");
    answer_page(798, 100, 0); /* to 699 */
    assert_log(script.asked, "after none; page of 7 before none; page of 7 before 900; page of 7 "
                             "before 799; after 7; ");
    assert_log(script.lost, "7/950 7/850 ");
}

static void posts_behind_many_messages_of_others_are_not_missed(void **state)
{
    post_watch_look(*state);
    answer_posts("7", "100 950");
    answer_page(1000, 100, 950); /* to 900 */
    for (int newest = 899; newest > 500; newest -= 100)
        answer_page(newest, 100, 0);
    assert_log(script.lost, "7/950 ");
    assert_non_null(strstr(script.asked, "before 600; after 7; "));
}

static void a_page_after_the_last_is_no_proof_for_what_is_older(void **state)
{
    post_watch_look(*state);
    answer_posts("7", "100 950");
    answer_page(1000, 100, 950);
    answer_page(899, 0, 0);
    assert_log(script.lost, "7/950 ");
}

static void an_empty_channel_is_proven_by_its_newest_post_alone(void **state)
{
    static const struct {
        discord_status status;
        int code;
        const char *lost;
    } answers[] = {{DISCORD_ENOTFOUND, 10008, "7/5 7/9 7/6 "},
                   {DISCORD_ENOTFOUND, 10003, ""},
                   {DISCORD_EFORBIDDEN, 50013, ""},
                   {DISCORD_OK, 0, ""}};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        post_watch_look(*state);
        answer_posts("7", "5 9 6");
        answer_page(0, 0, 0);
        answer_error(answers[i].status, answers[i].code);
        assert_log(script.asked, "after none; page of 7 before none; one of 7: 9; after 7; ");
        assert_log(script.lost, answers[i].lost);
        answer_posts(NULL, "");
    }
}

static void a_forbidden_page_says_nothing_and_holds_up_no_other_channel(void **state)
{
    post_watch_look(*state);
    answer_posts("7", "5");
    answer_error(DISCORD_EFORBIDDEN, 50001);
    answer_posts("8", "60");
    answer_page(61, 1, 0);
    assert_log(script.lost, "8/60 ");
}

static void looks_follow_one_another_by_the_timer(void **state)
{
    script.timer_ms = 0;
    post_watch_look(*state);
    answer_posts(NULL, "");
    assert_in_range(script.timer_ms, 900, 1100);
    script.asked[0] = '\0';
    script.fire(script.fire_user);
    assert_log(script.asked, "after none; ");
    answer_posts(NULL, "");
}

static void a_gap_during_a_look_makes_it_begin_again_once(void **state)
{
    post_watch_look(*state);
    post_watch_look(*state);
    post_watch_look(*state);
    answer_posts(NULL, "");
    answer_posts(NULL, "");
    assert_log(script.asked, "after none; after none; ");
    assert_null(script.on_posts);
}

static void a_look_that_cannot_go_on_ends_and_the_next_begins_by_the_timer(void **state)
{
    script.refuse = CONVEX_ECLOSED;
    script.timer_ms = 0;
    post_watch_look(*state);
    assert_true(script.timer_ms > 0);
    script.refuse = CONVEX_OK;

    script.timer_ms = 0;
    post_watch_look(*state);
    script.refuse_rest = DISCORD_ENOMEM;
    answer_posts("7", "5");
    assert_true(script.timer_ms > 0);
    assert_null(script.done);
    script.refuse_rest = DISCORD_OK;

    script.timer_ms = 0;
    post_watch_look(*state);
    script.fail_calloc = 1;
    answer_posts("7", "5");
    assert_true(script.timer_ms > 0);
    assert_log(script.lost, "");
}

static void what_the_gateway_tells_of_is_passed_on_and_after_a_stop_nothing_is_asked(void **state)
{
    post_watch_deleted(*state, "7", "5");
    assert_log(script.lost, "7/5 ");
    post_watch_look(*state);
    answer_posts("7", "5");
    post_watch_stop(*state);
    answer_page(9, 2, 0);
    post_watch_look(*state);
    assert_log(script.asked, "after none; page of 7 before none; ");
    assert_log(script.lost, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(channel_after_channel_is_looked_at_and_what_is_missing_is_told),
        CASE(a_post_older_than_all_that_is_left_is_missing_where_the_history_ends),
        CASE(pages_are_read_until_each_post_is_accounted_for),
        CASE(posts_behind_many_messages_of_others_are_not_missed),
        CASE(a_page_after_the_last_is_no_proof_for_what_is_older),
        CASE(an_empty_channel_is_proven_by_its_newest_post_alone),
        CASE(a_forbidden_page_says_nothing_and_holds_up_no_other_channel),
        CASE(looks_follow_one_another_by_the_timer),
        CASE(a_gap_during_a_look_makes_it_begin_again_once),
        CASE(a_look_that_cannot_go_on_ends_and_the_next_begins_by_the_timer),
        CASE(what_the_gateway_tells_of_is_passed_on_and_after_a_stop_nothing_is_asked),
    };
    daemon_log_set_level(DAEMON_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
