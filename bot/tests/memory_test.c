/* memory_test.c - checks and webhooks while memory runs out, and against answers without measure.
 * Discord and the backend are scripts. The nth allocation fails, for each n, until none is left to
 * fail: who asked for a webhook is answered once, and what is claimed is reported or let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "daemon/log.h"
#include "webhooks.h"

#define TYPED_SCRIPT_SUBSCRIBES
#include "typed_script.h"

/* ---- memory ---- */

static long allocations_left = -1; /* before one fails; negative: none does */
static bool one_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool fails(void)
{
    bool now = allocations_left == 0;
    if (allocations_left >= 0)
        allocations_left--;
    one_failed = one_failed || now;
    return now;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

/* ---- Discord ---- */

static struct {
    const char *line; /* what is asked */
    discord_done_fn *done;
    void *user;
    const char *channel, *hooks; /* what it answers */
    unsigned created, deleted;
} discord;

static discord_status asked(const char *line, discord_done_fn *done, void *user)
{
    assert_null(discord.done); /* one at a time */
    discord.line = line;
    discord.done = done;
    discord.user = user;
    return DISCORD_OK;
}

#define ASKS(name, line, ...)                                                                      \
    discord_status name(discord_rest *rest, __VA_ARGS__, discord_done_fn *done, void *user)        \
    {                                                                                              \
        return asked(line, done, user);                                                            \
    }
ASKS(discord_rest_get_channel, "channel", const char *channel)
ASKS(discord_rest_get_roles, "roles", const char *guild)
ASKS(discord_rest_get_member, "member", const char *guild, const char *member)
ASKS(discord_rest_get_message, "message", const char *channel, const char *id)
ASKS(discord_rest_delete_message, "delete", const char *channel, const char *id, const char *reason)
ASKS(discord_rest_create_message, "create", const char *channel, const discord_message *message)
ASKS(discord_rest_get_channel_webhooks, "hooks", const char *channel)
ASKS(discord_rest_create_webhook, "make", const char *channel, const char *name, const char *reason)

typedef struct held {
    discord_result public;
    unsigned refs;
} held;

const discord_result *discord_result_ref(const discord_result *result)
{
    ((held *)(uintptr_t)result)->refs++;
    return result;
}

void discord_result_unref(const discord_result *result)
{
    held *h = (held *)(uintptr_t)result;
    if (!h || --h->refs > 0)
        return;
    cJSON_Delete((cJSON *)(uintptr_t)h->public.json);
    free(h);
}

#define OUR_HOOK(id)                                                                               \
    "{\"id\":\"" id "\",\"name\":\"Signals mirror\",\"token\":\"t\",\"user\":{\"id\":\"77\"}}"

static const char *reply(void)
{
    static const struct {
        const char *line, *json;
    } replies[] = {{"roles", "[{\"id\":\"1\",\"permissions\":\"8\"}]"},
                   {"member", "{\"roles\":[]}"},
                   {"message", "{\"content\":\"?\"}"},
                   {"create", "{\"id\":\"500\"}"},
                   {"delete", "{}"},
                   {"make", OUR_HOOK("901")}};
    if (strcmp(discord.line, "channel") == 0)
        return discord.channel;
    if (strcmp(discord.line, "hooks") == 0)
        return discord.hooks;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        if (strcmp(discord.line, replies[i].line) == 0)
            return replies[i].json;
    return "{}";
}

/* ---- the backend ---- */

typedef struct call {
    const convex_function *function;
    convex_any_fn *done;
    void *user;
} call;

static struct {
    call call; /* under way */
    convex_any_fn *on_queue;
    void *queue_user;
    const convex_function *queue;
    unsigned reports;
} backend;

static convex_status typed_call_made(const convex_function *function, const void *args,
                                     convex_any_fn *fn, void *user)
{
    if (fails())
        return CONVEX_ENOMEM;
    assert_null(backend.call.function);
    backend.call = (call){function, fn, user};
    return CONVEX_OK;
}

convex_status convex_typed_subscribe(convex_client *client, const convex_function *function,
                                     const void *args, convex_any_fn *fn, convex_end_fn *end,
                                     void *user, convex_sub **ret, convex_error *reterr)
{
    if (fails())
        return CONVEX_ENOMEM;
    backend.queue = function;
    backend.on_queue = fn;
    backend.queue_user = user;
    *ret = NULL;
    return CONVEX_OK;
}

static void answer_call(const api_checks_claim_result *claimed)
{
    static const api_checks_release_result released = {0};
    static const api_checks_report_result reported = {0};
    call c = backend.call;
    const char *path = c.function->path;
    const void *result = claimed;
    backend.call = (call){0};
    if (strcmp(path, "checks:release") == 0)
        result = &released;
    else if (strcmp(path, "checks:report") == 0)
        result = &reported;
    backend.reports += result == &reported;
    typed_call_answer(c.function, c.done, c.user, result, NULL);
}

/* ---- both at work ---- */

typedef struct bench {
    daemon_loop *loop;
    inbox *inbox;
} bench;

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);
    memset(&discord, 0, sizeof discord);
    memset(&backend, 0, sizeof backend);
    discord.channel = "{\"id\":\"9\",\"type\":0,\"guild_id\":\"1\",\"name\":\"signals\"}";
    discord.hooks = "[]";
    assert_int_equal(daemon_loop_new(&b->loop), 0);
    assert_int_equal(inbox_new(b->loop, &b->inbox), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;
    inbox_free(b->inbox);
    daemon_loop_free(b->loop);
    free(b);
    return 0;
}

/* As from the REST thread; then the loop takes it. */
static void answer_discord(bench *b)
{
    discord_done_fn *done = discord.done;
    held *h = __real_calloc(1, sizeof *h);
    *h = (held){.public = {.json = cJSON_Parse(reply())}, .refs = 1};
    discord.created += strcmp(discord.line, "create") == 0;
    discord.deleted += strcmp(discord.line, "delete") == 0;
    discord.done = NULL;
    done(&h->public, discord.user);
    discord_result_unref(&h->public);
    assert_int_equal(daemon_loop_turn(b->loop, 1000), 0);
}

static unsigned answers;

static void on_hook(const discord_webhook *hook, const discord_error *error, void *user)
{
    answers++;
    assert_true((hook != NULL) != (error != NULL));
    if (error)
        assert_int_equal(error->status, DISCORD_ENOMEM);
}

static void a_webhook_is_answered_once_whatever_memory_does(void **state)
{
    bench *b = *state;
    for (long n = 0; n == 0 || one_failed; n++) {
        answers = 0;
        one_failed = false;
        webhooks *self = webhooks_new(NULL, b->inbox);
        assert_non_null(self);
        webhooks_set_user(self, "77");
        allocations_left = n;
        webhooks_get(self, "9", NULL, on_hook, NULL);
        webhooks_get(self, "9", NULL, on_hook, NULL);
        while (discord.done)
            answer_discord(b);
        allocations_left = -1;
        assert_int_equal(answers, 2);
        webhooks_get(self, "9", NULL, on_hook, NULL); /* with memory again */
        while (discord.done)
            answer_discord(b);
        assert_int_equal(answers, 3);
        webhooks_free(self);
        assert_true(n < 100);
    }
}

/* Discord's own limit is 15 for a channel; a list that is longer is cut. */
static void more_webhooks_than_there_may_be_are_left_out(void **state)
{
    bench *b = *state;
    char *list = malloc(64 * 1024), *at = list;
    at += sprintf(at, "[");
    for (int i = 0; i < 300; i++)
        at += sprintf(at, "%s" OUR_HOOK("9%d"), i ? "," : "", i);
    strcpy(at, "]");
    discord.hooks = list;
    answers = 0;
    webhooks *self = webhooks_new(NULL, b->inbox);
    webhooks_set_user(self, "77");
    webhooks_get(self, "9", NULL, on_hook, NULL);
    while (discord.done)
        answer_discord(b);
    assert_int_equal(answers, 1);
    webhooks_free(self);
    free(list);
}

/* ---- checks ---- */

static const api_checks_claim_result *claim_of(const char *kind)
{
    convex_value *value = NULL;
    const api_checks_claim_result *claimed = NULL;
    char text[256];
    snprintf(text, sizeof text,
             "{\"checks\":[{\"checkId\":\"c\",\"fence\":1,\"kind\":\"%s\",\"channelId\":\"9\","
             "\"guildId\":\"1\",\"identity\":\"webhook\",\"roleIds\":[\"1\"]}]}",
             kind);
    assert_int_equal(
        convex_value_parse(text, strlen(text), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(api_checks_claim_result_decode(value, NULL, &claimed, NULL), CONVEX_OK);
    convex_value_unref(value);
    return claimed;
}

/* One life of the checks, in which the nth allocation fails. What could not be called is tried by
 * the timer, which does not come here. */
static void run_check(bench *b, const char *kind, long n)
{
    double now = 1;
    const api_checks_queue_result queue = {.next_at = &now};
    const api_checks_claim_result *claimed = claim_of(kind);
    checks_options options = {.loop = b->loop, .inbox = b->inbox, .instance = "test"};
    checks *self = NULL;
    allocations_left = n;
    if (checks_open(&options, &self) == 0) {
        checks_begin(self, "77");
        typed_call_answer(backend.queue, backend.on_queue, backend.queue_user, &queue, NULL);
        while ((backend.call.function || discord.done) && backend.reports == 0) {
            if (discord.done)
                answer_discord(b);
            else
                answer_call(claimed);
        }
        allocations_left = -1;
        checks_stop(self);
        checks_close(self);
    }
    allocations_left = -1;
    api_checks_claim_result_unref(claimed);
}

static void a_check_ends_and_leaves_no_post_whatever_memory_does(void **state)
{
    static const char *const kinds[] = {"permissions", "test_post"};
    bench *b = *state;
    for (size_t kind = 0; kind < 2; kind++)
        for (long n = 0; n == 0 || one_failed; n++) {
            one_failed = false;
            tear_down(state);
            set_up(state);
            b = *state;
            run_check(b, kinds[kind], n);
            if (!one_failed)
                assert_int_equal(backend.reports, 1);
            /* a post is deleted, unless the memory for the very call failed */
            assert_true(discord.deleted + 1 >= discord.created);
            assert_true(n < 100);
        }
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BENCH(a_webhook_is_answered_once_whatever_memory_does),
        BENCH(more_webhooks_than_there_may_be_are_left_out),
        BENCH(a_check_ends_and_leaves_no_post_whatever_memory_does),
    };
    daemon_log_set_level(DAEMON_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
