/* job_test.c - what one unit of work does to Discord, call by call.
 * Discord is a script: the discord_rest_*() and files_*() of this file stand in for the real ones.
 * Each call is told as one line; the test answers it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "job.h"

/* ---- the scripted Discord ---- */

static struct {
    char line[16384]; /* the call under way */
    discord_done_fn *done;
    void *user;
    discord_status refuse; /* the next call is not even queued */
    file_set *set;         /* being fetched */
    const char *hook;      /* the channel's webhook */
    int asked;             /* how often for it */
} script;

static discord_status called(discord_done_fn *done, void *user)
{
    discord_status status = script.refuse;
    script.refuse = DISCORD_OK;
    if (status != DISCORD_OK)
        return status;
    assert_null(script.done); /* one at a time */
    script.done = done;
    script.user = user;
    return DISCORD_OK;
}

static const char *shown(const char *text)
{
    return text ? text : "-";
}

discord_status discord_rest_create_message(discord_rest *rest, const char *channel,
                                           const discord_message *m, discord_done_fn *done,
                                           void *user)
{
    snprintf(script.line, sizeof script.line, "POST %s %s re=%s embeds=%s files=%zu: %s", channel,
             m->nonce, shown(m->reply_to_id), shown(m->embeds_json), m->n_files, m->content);
    return called(done, user);
}

discord_status discord_rest_edit_message(discord_rest *rest, const char *channel, const char *id,
                                         const discord_message *m, discord_done_fn *done,
                                         void *user)
{
    snprintf(script.line, sizeof script.line, "PATCH %s/%s embeds=%s keep=%s: %s", channel, id,
             shown(m->embeds_json), shown(m->attachments_json), m->content);
    return called(done, user);
}

discord_status discord_rest_delete_message(discord_rest *rest, const char *channel, const char *id,
                                           const char *reason, discord_done_fn *done, void *user)
{
    snprintf(script.line, sizeof script.line, "DELETE %s/%s", channel, id);
    return called(done, user);
}

discord_status discord_rest_unarchive_thread(discord_rest *rest, const char *thread,
                                             const char *reason, discord_done_fn *done, void *user)
{
    snprintf(script.line, sizeof script.line, "UNARCHIVE %s", thread);
    return called(done, user);
}

discord_status discord_rest_execute_webhook(discord_rest *rest, const discord_webhook *hook,
                                            const discord_webhook_message *m, discord_done_fn *done,
                                            void *user)
{
    snprintf(script.line, sizeof script.line, "HOOK %s as %s (%s): %s", hook->id, m->username,
             shown(m->avatar_url), m->message.content);
    return called(done, user);
}

discord_status discord_rest_edit_webhook_message(discord_rest *rest, const discord_webhook *hook,
                                                 const char *id, const discord_message *m,
                                                 discord_done_fn *done, void *user)
{
    snprintf(script.line, sizeof script.line, "HOOK %s PATCH %s%s%s: %s", hook->id, id,
             m->attachments_json ? " keep=" : "", m->attachments_json ? m->attachments_json : "",
             m->content);
    return called(done, user);
}

discord_status discord_rest_delete_webhook_message(discord_rest *rest, const discord_webhook *hook,
                                                   const char *id, discord_done_fn *done,
                                                   void *user)
{
    snprintf(script.line, sizeof script.line, "HOOK %s DELETE %s", hook->id, id);
    return called(done, user);
}

/* ---- the scripted webhooks ---- */

void webhooks_get(webhooks *self, const char *channel, const char *id, webhooks_done_fn *done,
                  void *user)
{
    static const discord_error gone = {.status = DISCORD_ENOTFOUND, .code = 10015};
    static discord_webhook hook;
    hook.id = script.hook;
    script.asked++;
    if (id && strcmp(id, script.hook) != 0)
        done(NULL, &gone, user);
    else
        done(&hook, NULL, user);
}

void webhooks_forget(webhooks *self, const char *channel)
{
    script.hook = "901";
}

discord_status discord_rest_get_messages(discord_rest *rest, const char *channel,
                                         const discord_page *page, discord_done_fn *done,
                                         void *user)
{
    snprintf(script.line, sizeof script.line, "GET %s after=%s", channel, page->after);
    return called(done, user);
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

/* ---- the scripted files ---- */

struct file_set {
    files_done_fn *done;
    void *user;
    discord_file file;
};

int files_fetch(files *self, const api_work_file_list *attachments,
                const api_mirrors_claim_result *claimed, files_done_fn *done, void *user,
                file_set **ret)
{
    file_set *set = calloc(1, sizeof *set);
    *set = (file_set){done, user, {.filename = "chart.png", .data = "x", .size = 1}};
    *ret = script.set = set;
    return 0;
}

void files_cancel(file_set *set)
{
    set->user = NULL;
}

const discord_file *file_set_files(const file_set *set, size_t *ret_count)
{
    *ret_count = 1;
    return &set->file;
}

const char *file_set_notice(const file_set *set)
{
    return NULL;
}

char *files_notice(const api_work_file_list *attachments, const char *why)
{
    return strdup("[no file]");
}

void file_set_free(file_set *set)
{
    free(set);
}

static void files_arrive(void)
{
    file_set *set = script.set;
    script.set = NULL;
    set->done(set, set->user);
}

/* ---- the desk ---- */

typedef struct bench {
    daemon_loop *loop;
    inbox *inbox;
    posts *posts;
    job_desk *desk;
    bool ended;
    job_outcome outcome;
    char report[4096];
} bench;

static void on_done(job *j, job_outcome outcome, void *user)
{
    bench *b = user;
    char *text = NULL;
    convex_value *value = NULL;
    api_report report = job_report(j, outcome);
    assert_int_equal(api_outcome_encode(&report.outcome, NULL, &value, NULL), CONVEX_OK);
    assert_int_equal(convex_value_print(value, CONVEX_PLAIN_JSON, NULL, &text, NULL), CONVEX_OK);
    snprintf(b->report, sizeof b->report, "%s", text);
    convex_text_free(text, NULL);
    convex_value_unref(value);
    b->ended = true;
    b->outcome = outcome;
    job_free(j);
}

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);
    memset(&script, 0, sizeof script);
    assert_int_equal(daemon_loop_new(&b->loop), 0);
    script.hook = "900";
    assert_int_equal(inbox_new(b->loop, &b->inbox), 0);
    b->posts = posts_new();
    job_desk_options options = {
        .loop = b->loop, .inbox = b->inbox, .posts = b->posts, .done = on_done, .user = b};
    assert_int_equal(job_desk_new(&options, &b->desk), 0);
    job_desk_set_user(b->desk, "77");
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;
    assert_null(script.done); /* each call was answered */
    assert_null(script.set);
    job_desk_free(b->desk);
    posts_free(b->posts);
    inbox_free(b->inbox);
    daemon_loop_free(b->loop);
    free(b);
    return 0;
}

/* What the tests' work has in common; a field that is there again says otherwise. */
#define COMMON                                                                                     \
    "\"mirrorId\":\"m\",\"fence\":3,\"channelId\":\"9\",\"nonce\":\"abc\",\"version\":\"v1\","     \
    "\"attempts\":0,\"author\":{\"id\":\"1\",\"name\":\"a\",\"bot\":false},\"sentAt\":0,"          \
    "\"sourceAt\":0,\"firstAttemptAt\":0,\"uncertain\":false,\"embeds\":[],\"attachments\":[],"    \
    "\"guildId\":\"1\",\"identity\":\"bot\",\"late\":false,\"remade\":false,\"withdrawn\":false,"  \
    "\"kind\":\"default\",\"stickers\":[]"
#define WORK(op, ids, content, more)                                                               \
    "{" COMMON ",\"op\":\"" op "\",\"messageIds\":[" ids "],\"content\":\"" content "\"" more "}"
#define FILE_OF_IT                                                                                 \
    ",\"attachments\":[{\"id\":\"7\",\"filename\":\"chart.png\",\"url\":\"http://x\",\"size\":1}]"

/* The backend knows of one post of ours in the channel. */
#define KNOWN "{\"channelId\":\"9\",\"messageIds\":[\"150\"],\"until\":null}"

static job *make(bench *b, const char *json)
{
    convex_value *value = NULL;
    convex_error error = {0};
    const api_mirrors_claim_result *claimed = NULL;
    char *text = NULL;
    assert_true(asprintf(&text, "{\"work\":[%s],\"lanes\":[" KNOWN "]}", json) > 0);
    assert_int_equal(
        convex_value_parse(text, strlen(text), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    if (api_mirrors_claim_result_decode(value, NULL, &claimed, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    job *j = job_new(b->desk, claimed, &claimed->work.items[0]);
    assert_non_null(j);
    api_mirrors_claim_result_unref(claimed);
    convex_value_unref(value);
    free(text);
    b->ended = false;
    return j;
}

static void run(bench *b, const char *json)
{
    job_run(make(b, json));
}

/* As from the REST thread; then the loop takes it. */
static void answer_with(bench *b, discord_result *result)
{
    discord_done_fn *done = script.done;
    assert_non_null(done);
    script.done = NULL;
    script.line[0] = '\0';
    void *user = script.user;
    script.user = NULL;
    done(result, user);
    assert_int_equal(daemon_loop_turn(b->loop, 1000), 0);
}

static void answer(bench *b, const char *json)
{
    discord_result *result = calloc(1, sizeof *result);
    result->json = cJSON_Parse(json);
    answer_with(b, result);
}

static void refuse(bench *b, discord_status status, int code, int64_t retry_after_ms)
{
    discord_result *result = calloc(1, sizeof *result);
    result->error = (discord_error){
        .status = status, .code = code, .retry_after_ms = retry_after_ms, .message = "no"};
    answer_with(b, result);
}

static void ended(const bench *b, job_outcome outcome)
{
    assert_true(b->ended);
    assert_int_equal(b->outcome, outcome);
    assert_null(script.done);
}

static void posted_as(const bench *b, const char *ids)
{
    char wanted[256];
    ended(b, JOB_POSTED);
    snprintf(wanted, sizeof wanted, "\"messageIds\":[%s]", ids);
    assert_non_null(strstr(b->report, wanted));
}

/* Three parts, of "a", "b" and "c". */
static char *long_work(const char *op, const char *ids, const char *more)
{
    static char json[8192];
    char text[4600];
    memset(text, 'a', 1500);
    memset(text + 1500, 'b', 1500);
    memset(text + 3000, 'c', 1500);
    text[4500] = '\0';
    text[1499] = text[2999] = ' ';
    snprintf(json, sizeof json,
             "{" COMMON ",\"op\":\"%s\",\"messageIds\":[%s],\"content\":\"%s\","
             "\"embeds\":[{\"title\":\"T\"}]%s}",
             op, ids, text, more);
    return json;
}

/* ---- posts ---- */

static void a_post_is_one_create_and_reports_its_id(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "BTC long", ",\"replyToMessageId\":\"5\""));
    assert_string_equal(script.line, "POST 9 abc.0 re=5 embeds=[] files=0: BTC long");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
    assert_non_null(strstr(b->report, "\"version\":\"v1\""));
}

static void a_long_post_is_split_in_order_with_a_nonce_for_each_part(void **state)
{
    bench *b = *state;
    run(b, long_work("post", "", ",\"replyToMessageId\":\"5\""));
    assert_non_null(strstr(script.line, "POST 9 abc.0 re=5 embeds=- files=0: aaa"));
    answer(b, "{\"id\":\"100\"}");
    assert_non_null(strstr(script.line, "POST 9 abc.1 re=- embeds=- files=0: bbb"));
    answer(b, "{\"id\":\"101\"}");
    assert_non_null(
        strstr(script.line, "POST 9 abc.2 re=- embeds=[{\"title\":\"T\"}] files=0: ccc"));
    answer(b, "{\"id\":\"102\"}");
    posted_as(b, "\"100\",\"101\",\"102\"");
}

static void a_split_that_fails_in_the_middle_for_now_is_put_off_whole(void **state)
{
    bench *b = *state;
    run(b, long_work("post", "", ""));
    answer(b, "{\"id\":\"100\"}");
    refuse(b, DISCORD_ERATELIMIT, 0, 7000);
    ended(b, JOB_RETRY);
    double after = 0;
    assert_int_equal(sscanf(strstr(b->report, "\"retryAfterMs\":"), "\"retryAfterMs\":%lf", &after),
                     1);
    assert_true(after >= 7000);
}

static void a_split_that_fails_in_the_middle_for_good_leaves_nothing_behind(void **state)
{
    bench *b = *state;
    run(b, long_work("post", "", ""));
    answer(b, "{\"id\":\"100\"}");
    answer(b, "{\"id\":\"101\"}");
    refuse(b, DISCORD_EREJECTED, 50035, 0);
    assert_string_equal(script.line, "DELETE 9/101");
    answer(b, "{}");
    assert_string_equal(script.line, "DELETE 9/100");
    refuse(b, DISCORD_ESERVER, 0, 0);
    ended(b, JOB_DEAD);
    assert_non_null(strstr(b->report, "code 50035"));
}

static void files_go_with_the_first_part_and_are_waited_for(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "chart", FILE_OF_IT));
    assert_null(script.done);
    files_arrive();
    assert_string_equal(script.line, "POST 9 abc.0 re=- embeds=[] files=1: chart");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
}

static void a_job_freed_while_its_files_are_under_way_is_not_touched_by_them(void **state)
{
    bench *b = *state;
    job_free(make(b, WORK("post", "", "x", FILE_OF_IT)));
    files_arrive();
    assert_null(script.done);
}

static void a_post_with_nothing_in_it_is_given_up(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "", ""));
    ended(b, JOB_DEAD);
}

static void a_call_that_cannot_even_be_queued_is_put_off(void **state)
{
    bench *b = *state;
    script.refuse = DISCORD_EBUSY;
    run(b, WORK("post", "", "x", ""));
    ended(b, JOB_RETRY);
}

/* ---- edits and deletes ---- */

static void an_edit_writes_the_text_and_drops_files_that_the_source_dropped(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\"", "new", ""));
    assert_string_equal(script.line, "PATCH 9/100 embeds=[] keep=[]: new");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
}

static void an_edit_keeps_the_files_of_a_message_that_has_some(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\"", "new", FILE_OF_IT));
    assert_string_equal(script.line, "PATCH 9/100 embeds=[] keep=-: new");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
}

/* Its source has chart.png of 1 byte. */
static void an_edit_drops_the_files_that_its_answer_shows_and_the_source_no_longer_has(void **state)
{
    static const char answered[] = "{\"id\":\"100\",\"attachments\":["
                                   "{\"id\":\"501\",\"filename\":\"plan.png\",\"size\":2},"
                                   "{\"id\":\"502\",\"filename\":\"chart.png\",\"size\":3},"
                                   "{\"id\":\"503\",\"filename\":\"chart.png\",\"size\":1}]}";
    bench *b = *state;
    run(b, WORK("edit", "\"100\"", "new", FILE_OF_IT));
    answer(b, answered);
    assert_string_equal(script.line, "PATCH 9/100 embeds=[] keep=[{\"id\":\"503\"}]: new");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
    run(b, WORK("edit", "\"100\"", "new",
                FILE_OF_IT ",\"identity\":\"webhook\",\"webhookId\":\"900\""));
    assert_string_equal(script.line, "HOOK 900 PATCH 100: new");
    answer(b, answered);
    assert_string_equal(script.line, "HOOK 900 PATCH 100 keep=[{\"id\":\"503\"}]: new");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
}

static void an_edit_that_grows_adds_parts_under_nonces_of_that_edit(void **state)
{
    bench *b = *state;
    char first[64], second[64];
    run(b, long_work("edit", "\"100\"", ""));
    assert_non_null(strstr(script.line, "PATCH 9/100 embeds=[] keep=[]: aaa"));
    answer(b, "{\"id\":\"100\"}");
    assert_int_equal(sscanf(script.line, "POST 9 %63s re=- embeds=- files=0: bbb", first), 1);
    answer(b, "{\"id\":\"201\"}");
    assert_int_equal(sscanf(script.line, "POST 9 %63s", second), 1);
    assert_string_not_equal(first, second);
    assert_string_not_equal(first, "abc.1"); /* a deleted part of the post had that one */
    assert_true(strlen(first) <= 25);
    answer(b, "{\"id\":\"202\"}");
    posted_as(b, "\"100\",\"201\",\"202\"");
}

static void an_edit_that_shrinks_deletes_what_is_left_over(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\",\"101\",\"102\"", "short", ""));
    answer(b, "{\"id\":\"100\"}");
    assert_string_equal(script.line, "DELETE 9/101");
    answer(b, "{}");
    assert_string_equal(script.line, "DELETE 9/102");
    answer(b, "{}");
    posted_as(b, "\"100\"");
}

static void an_edit_that_empties_a_message_says_so(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\"", "", ""));
    assert_string_equal(script.line, "PATCH 9/100 embeds=[] keep=[]: *(empty)*");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
}

static void an_edit_of_a_post_that_somebody_deleted_says_so(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\"", "x", ""));
    refuse(b, DISCORD_ENOTFOUND, 10008, 0);
    ended(b, JOB_GONE);
    assert_non_null(strstr(b->report, "\"again\":false"));
}

static void a_delete_deletes_every_part(void **state)
{
    bench *b = *state;
    run(b, WORK("delete", "\"100\",\"101\"", "", ""));
    assert_string_equal(script.line, "DELETE 9/100");
    answer(b, "{}");
    assert_string_equal(script.line, "DELETE 9/101");
    answer(b, "{}");
    ended(b, JOB_DELETED);
}

/* ---- verdicts ---- */

static void each_failure_ends_the_job_in_its_own_way(void **state)
{
    static const struct {
        discord_status status;
        int code;
        job_outcome outcome;
    } cases[] = {
        {DISCORD_ETIMEOUT, 0, JOB_RETRY},       {DISCORD_ESERVER, 0, JOB_RETRY},
        {DISCORD_EFORBIDDEN, 50013, JOB_RETRY}, {DISCORD_ENOTFOUND, 10003, JOB_RETRY},
        {DISCORD_EREJECTED, 50035, JOB_DEAD},   {DISCORD_EAUTH, 0, JOB_STOP},
    };
    bench *b = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(b, WORK("post", "", "x", ""));
        refuse(b, cases[i].status, cases[i].code, 0);
        ended(b, cases[i].outcome);
    }
}

static void a_job_that_was_never_run_reports_a_retry_at_once(void **state)
{
    bench *b = *state;
    job *j = make(b, WORK("post", "", "x", ""));
    job_set_fence(j, 8);
    on_done(j, JOB_RETRY, b);
    assert_non_null(strstr(b->report, "\"retryAfterMs\":0"));
    assert_non_null(strstr(b->report, "waits behind"));
}

/* ---- uncertain posts ---- */

#define UNCERTAIN                                                                                  \
    ",\"uncertain\":true,\"firstAttemptAt\":1420070415000,\"attempts\":1,"                         \
    "\"afterMessageId\":\"90\""
#define OURS(id, content)                                                                          \
    "{\"id\":\"" id "\",\"author\":{\"id\":\"77\"},\"content\":\"" content                         \
    "\",\"embeds\":[],\"attachments\":[]}"

static void an_uncertain_post_is_looked_for_and_found(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", " TP1 hit ", UNCERTAIN));
    assert_string_equal(script.line, "GET 9 after=90");
    answer(b, "[" OURS("300", "other") "," OURS("200", "TP1 hit") "]");
    posted_as(b, "\"200\"");
}

static void an_uncertain_post_that_is_not_there_is_made(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "TP1 hit", UNCERTAIN));
    answer(b, "[{\"id\":\"200\",\"author\":{\"id\":\"78\"},\"content\":\"TP1 hit\"}]");
    assert_string_equal(script.line, "POST 9 abc.0 re=- embeds=[] files=0: TP1 hit");
    answer(b, "{\"id\":\"201\"}");
    posted_as(b, "\"201\"");
}

static void what_is_another_rows_is_not_taken_for_it(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "TP1 hit", ",\"mirrorId\":\"n\",\"nonce\":\"xyz\""));
    answer(b, "{\"id\":\"200\"}");
    run(b, WORK("post", "", "TP1 hit", UNCERTAIN));
    answer(b, "[" OURS("200", "TP1 hit") "," OURS("150", "TP1 hit") "]");
    assert_non_null(strstr(script.line, "POST 9 abc.0"));
    answer(b, "{\"id\":\"201\"}");
    posted_as(b, "\"201\"");
    /* and its own post stays its own, when the report of it was refused */
    run(b, WORK("post", "", "TP1 hit", UNCERTAIN));
    answer(b, "[" OURS("201", "TP1 hit") "," OURS("200", "TP1 hit") "]");
    posted_as(b, "\"201\"");
}

static void a_post_that_says_something_older_is_adopted_and_written_anew(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "edited since", UNCERTAIN));
    answer(b, "[" OURS("200", "as it was posted") "]");
    assert_string_equal(script.line, "PATCH 9/200 embeds=[] keep=[]: edited since");
    answer(b, "{\"id\":\"200\"}");
    posted_as(b, "\"200\"");
}

static void a_test_post_and_another_bots_post_are_not_adopted(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "x", UNCERTAIN));
    answer(
        b,
        "[" OURS(
            "201",
            "Test post of the signals mirror. It is deleted at once.") ","
                                                                       "{\"id\":\"200\",\"author\":"
                                                                       "{\"id\":\"78\"},"
                                                                       "\"content\":\"x\"}]");
    assert_non_null(strstr(script.line, "POST 9"));
    answer(b, "{\"id\":\"300\"}");
    posted_as(b, "\"300\"");
}

static void a_late_post_is_looked_for_until_the_channel_is_known(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "old", ",\"late\":true,\"afterMessageId\":\"90\""));
    assert_string_equal(script.line, "GET 9 after=90");
    answer(b, "[]");
    assert_non_null(strstr(script.line, "POST 9"));
    answer(b, "{\"id\":\"200\"}");
    run(b, WORK("post", "", "old, too",
                ",\"mirrorId\":\"n\",\"late\":true,"
                "\"afterMessageId\":\"90\""));
    assert_non_null(strstr(script.line, "POST 9"));
    answer(b, "{\"id\":\"201\"}");
    posts_begin_anew(b->posts);
    run(b, WORK("post", "", "old",
                ",\"mirrorId\":\"o\",\"late\":true,"
                "\"afterMessageId\":\"90\""));
    assert_string_equal(script.line, "GET 9 after=90");
    answer(b, "[" OURS("250", "old") "]");
    posted_as(b, "\"250\"");
}

static void what_was_withdrawn_and_never_posted_is_not_posted(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "*(withdrawn)*", UNCERTAIN ",\"withdrawn\":true"));
    answer(b, "[]");
    ended(b, JOB_GONE);
}

/* ---- the channel's own troubles ---- */

static void an_archived_thread_is_opened_once_and_the_call_repeated(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\"", "new", ""));
    refuse(b, DISCORD_EREJECTED, 50083, 0);
    assert_string_equal(script.line, "UNARCHIVE 9");
    answer(b, "{}");
    assert_string_equal(script.line, "PATCH 9/100 embeds=[] keep=[]: new");
    refuse(b, DISCORD_EREJECTED, 50083, 0);
    ended(b, JOB_RETRY);
}

static void a_file_that_is_too_large_leaves_the_text_with_a_notice(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "chart", FILE_OF_IT));
    files_arrive();
    refuse(b, DISCORD_EREJECTED, 40005, 0);
    assert_string_equal(script.line, "POST 9 abc.0 re=- embeds=[] files=0: chart\n[no file]");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
}

static void of_a_post_that_is_made_again_no_part_stays(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\",\"101\"", "new", ",\"remade\":true"));
    assert_non_null(strstr(script.line, "PATCH 9/100"));
    refuse(b, DISCORD_ENOTFOUND, 10008, 0);
    assert_string_equal(script.line, "DELETE 9/100");
    answer(b, "{}"); /* as a delete of what is gone answers */
    assert_string_equal(script.line, "DELETE 9/101");
    refuse(b, DISCORD_ENETWORK, 0, 0);
    ended(b, JOB_RETRY); /* it is not over */
    run(b, WORK("edit", "\"100\",\"101\"", "new", ",\"remade\":true"));
    refuse(b, DISCORD_ENOTFOUND, 10008, 0);
    answer(b, "{}");
    answer(b, "{}");
    ended(b, JOB_GONE);
    assert_non_null(strstr(b->report, "somebody deleted the post"));
    assert_non_null(strstr(b->report, "\"again\":false"));
    run(b, WORK("edit", "\"100\",\"101\"", "new", "")); /* it is not to be made again */
    refuse(b, DISCORD_ENOTFOUND, 10008, 0);
    ended(b, JOB_GONE);
}

/* ---- through a webhook ---- */

#define AS_WEBHOOK                                                                                 \
    ",\"identity\":\"webhook\",\"author\":{\"id\":\"1\",\"name\":\"Discord Ana\",\"bot\":false,"   \
    "\"avatarUrl\":\"https://a/b.png\"}"

static void a_webhooks_post_bears_its_authors_name_and_is_reported_with_the_webhook(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "BTC", AS_WEBHOOK));
    assert_string_equal(script.line, "HOOK 900 as D.iscord Ana (https://a/b.png): BTC");
    answer(b, "{\"id\":\"100\"}");
    posted_as(b, "\"100\"");
    assert_non_null(strstr(b->report, "\"webhookId\":\"900\""));
}

static void edits_and_deletes_take_the_webhooks_way(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\",\"101\"", "new", AS_WEBHOOK ",\"webhookId\":\"900\""));
    assert_string_equal(script.line, "HOOK 900 PATCH 100 keep=[]: new");
    answer(b, "{\"id\":\"100\"}");
    assert_string_equal(script.line, "HOOK 900 DELETE 101");
    answer(b, "{}");
    posted_as(b, "\"100\"");
    run(b, WORK("delete", "\"100\"", "", AS_WEBHOOK ",\"webhookId\":\"900\""));
    assert_string_equal(script.line, "HOOK 900 DELETE 100");
    answer(b, "{}");
    ended(b, JOB_DELETED);
}

static void a_webhook_that_is_gone_is_looked_for_once_more(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "BTC", AS_WEBHOOK));
    refuse(b, DISCORD_EAUTH, 50027, 0);
    assert_string_equal(script.line, "HOOK 901 as D.iscord Ana (https://a/b.png): BTC");
    refuse(b, DISCORD_ENOTFOUND, 10015, 0);
    ended(b, JOB_RETRY);
    assert_int_equal(script.asked, 2);
}

static void a_post_whose_webhook_is_gone_is_deleted_by_the_bot_and_made_again(void **state)
{
    bench *b = *state;
    run(b, WORK("edit", "\"100\"", "new", AS_WEBHOOK ",\"webhookId\":\"800\""));
    assert_string_equal(script.line, "DELETE 9/100");
    answer(b, "{}");
    ended(b, JOB_GONE);
    assert_non_null(strstr(b->report, "\"again\":true"));
    run(b, WORK("edit", "\"100\"", "new", AS_WEBHOOK ",\"webhookId\":\"800\""));
    refuse(b, DISCORD_EFORBIDDEN, 50013, 0);
    ended(b, JOB_RETRY);
    assert_non_null(strstr(b->report, "Manage Messages"));
}

static void a_webhooks_post_of_unknown_outcome_is_looked_for_first(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "BTC", AS_WEBHOOK UNCERTAIN));
    assert_string_equal(script.line, "GET 9 after=90");
    /* Discord tells no text of it without the intent */
    answer(b,
           "[{\"id\":\"200\",\"webhook_id\":\"900\",\"author\":{\"id\":\"900\"},\"content\":\"\"},"
           "{\"id\":\"199\",\"webhook_id\":\"777\",\"author\":{\"id\":\"777\"},\"content\":\"\"}]");
    assert_string_equal(script.line, "HOOK 900 PATCH 200 keep=[]: BTC");
    answer(b, "{\"id\":\"200\"}");
    posted_as(b, "\"200\"");
}

static void a_nonce_that_discord_tells_decides(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "TP1 hit", UNCERTAIN));
    answer(
        b,
        "[{\"id\":\"201\",\"author\":{\"id\":\"77\"},\"content\":\"edited\",\"nonce\":\"abc.0\"},"
        "{\"id\":\"200\",\"author\":{\"id\":\"77\"},\"content\":\"TP1 hit\",\"nonce\":\"q.0\"}]");
    posted_as(b, "\"201\"");
}

static void an_embed_is_told_from_another_and_from_a_link_preview(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "", UNCERTAIN ",\"embeds\":[{\"title\":\"B\"}]"));
    answer(b,
           "[{\"id\":\"202\",\"author\":{\"id\":\"77\"},\"content\":\"\",\"attachments\":[],"
           "\"embeds\":[{\"title\":\"B\",\"type\":\"rich\"},{\"title\":\"L\",\"type\":\"link\"}]},"
           "{\"id\":\"201\",\"author\":{\"id\":\"77\"},\"content\":\"\",\"attachments\":[],"
           "\"embeds\":[{\"title\":\"A\",\"type\":\"rich\"}]}]");
    posted_as(b, "\"202\"");
}

static void only_the_parts_that_are_missing_of_an_uncertain_split_are_made(void **state)
{
    bench *b = *state;
    char list[4000], text[1600];
    run(b, long_work("post", "", UNCERTAIN));
    memset(text, 'a', 1499);
    text[1499] = '\0';
    snprintf(list, sizeof list, "[" OURS("200", "%s") "]", text);
    answer(b, list);
    assert_non_null(strstr(script.line, "POST 9 abc.1 re=- embeds=- files=0: bbb"));
    answer(b, "{\"id\":\"301\"}");
    answer(b, "{\"id\":\"302\"}");
    posted_as(b, "\"200\",\"301\",\"302\"");
}

static void a_look_that_fails_posts_nothing(void **state)
{
    bench *b = *state;
    run(b, WORK("post", "", "x", UNCERTAIN));
    refuse(b, DISCORD_ETIMEOUT, 0, 0);
    ended(b, JOB_RETRY);
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BENCH(a_post_is_one_create_and_reports_its_id),
        BENCH(a_long_post_is_split_in_order_with_a_nonce_for_each_part),
        BENCH(a_split_that_fails_in_the_middle_for_now_is_put_off_whole),
        BENCH(a_split_that_fails_in_the_middle_for_good_leaves_nothing_behind),
        BENCH(files_go_with_the_first_part_and_are_waited_for),
        BENCH(a_job_freed_while_its_files_are_under_way_is_not_touched_by_them),
        BENCH(a_post_with_nothing_in_it_is_given_up),
        BENCH(a_call_that_cannot_even_be_queued_is_put_off),
        BENCH(an_edit_writes_the_text_and_drops_files_that_the_source_dropped),
        BENCH(an_edit_keeps_the_files_of_a_message_that_has_some),
        BENCH(an_edit_drops_the_files_that_its_answer_shows_and_the_source_no_longer_has),
        BENCH(an_edit_that_grows_adds_parts_under_nonces_of_that_edit),
        BENCH(an_edit_that_shrinks_deletes_what_is_left_over),
        BENCH(an_edit_that_empties_a_message_says_so),
        BENCH(an_edit_of_a_post_that_somebody_deleted_says_so),
        BENCH(a_delete_deletes_every_part),
        BENCH(each_failure_ends_the_job_in_its_own_way),
        BENCH(a_job_that_was_never_run_reports_a_retry_at_once),
        BENCH(an_uncertain_post_is_looked_for_and_found),
        BENCH(an_uncertain_post_that_is_not_there_is_made),
        BENCH(what_is_another_rows_is_not_taken_for_it),
        BENCH(a_post_that_says_something_older_is_adopted_and_written_anew),
        BENCH(a_test_post_and_another_bots_post_are_not_adopted),
        BENCH(a_late_post_is_looked_for_until_the_channel_is_known),
        BENCH(what_was_withdrawn_and_never_posted_is_not_posted),
        BENCH(an_archived_thread_is_opened_once_and_the_call_repeated),
        BENCH(a_file_that_is_too_large_leaves_the_text_with_a_notice),
        BENCH(of_a_post_that_is_made_again_no_part_stays),
        BENCH(a_webhooks_post_bears_its_authors_name_and_is_reported_with_the_webhook),
        BENCH(edits_and_deletes_take_the_webhooks_way),
        BENCH(a_webhook_that_is_gone_is_looked_for_once_more),
        BENCH(a_post_whose_webhook_is_gone_is_deleted_by_the_bot_and_made_again),
        BENCH(a_webhooks_post_of_unknown_outcome_is_looked_for_first),
        BENCH(a_nonce_that_discord_tells_decides),
        BENCH(an_embed_is_told_from_another_and_from_a_link_preview),
        BENCH(only_the_parts_that_are_missing_of_an_uncertain_split_are_made),
        BENCH(a_look_that_fails_posts_nothing),
    };
    daemon_log_set_level(DAEMON_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
