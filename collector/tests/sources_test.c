/* sources_test.c - what is told of a source channel, and what it takes to find out.
 * Discord and the backend are scripts: the linker puts the __wrap_ functions in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "sources.h"

static struct {
    char line[96]; /* the request under way, "" if none */
    discord_done_fn *done;
    void *user;
    char told[320]; /* "channel code: detail", "" if nothing waits for the backend */
    api_checks_source_fn *on_told;
    void *told_user;
} script;

static discord_status begin(discord_done_fn *done, void *user)
{
    assert_null(script.done); /* one at a time */
    script.done = done;
    script.user = user;
    return DISCORD_OK;
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

/* A result has one owner more with each ref. */
typedef struct answered {
    discord_result result;
    int refs;
} answered;

const discord_result *__wrap_discord_result_ref(const discord_result *result);
const discord_result *__wrap_discord_result_ref(const discord_result *result)
{
    ((answered *)(uintptr_t)result)->refs++;
    return result;
}

void __wrap_discord_result_unref(const discord_result *result);
void __wrap_discord_result_unref(const discord_result *result)
{
    answered *self = (answered *)(uintptr_t)result;
    if (!self || --self->refs > 0)
        return;
    cJSON_Delete((cJSON *)(uintptr_t)self->result.json);
    free(self);
}

convex_status __wrap_api_checks_source_mutation(convex_client *client,
                                                const api_checks_source_args *args,
                                                const convex_call_options *options,
                                                api_checks_source_fn *on_done, void *user,
                                                uint32_t *ret_id, convex_error *reterr);
convex_status __wrap_api_checks_source_mutation(convex_client *client,
                                                const api_checks_source_args *args,
                                                const convex_call_options *options,
                                                api_checks_source_fn *on_done, void *user,
                                                uint32_t *ret_id, convex_error *reterr)
{
    const api_check_finding *one = &args->findings.items[0];
    assert_int_equal(args->findings.count, 1);
    assert_int_equal(args->passed, strcmp(one->code.data, "ok") == 0);
    assert_int_equal(args->passed, one->instruction.data[0] == 0);
    snprintf(script.told, sizeof script.told, "%s %s: %s", args->channel_id.data, one->code.data,
             one->detail.data);
    script.on_told = on_done;
    script.told_user = user;
    return CONVEX_OK;
}

typedef struct bench {
    daemon_loop *loop;
    sources *sources;
    char own_id[24];
} bench;

static void set_channels(bench *b, const char *json)
{
    convex_value *value = NULL;
    const api_channels_captured_result *list = NULL;
    assert_int_equal(
        convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(api_channels_captured_result_decode(value, NULL, &list, NULL), CONVEX_OK);
    sources_set_channels(b->sources, list);
    api_channels_captured_result_unref(list);
    convex_value_unref(value);
}

#define ONE "[{\"guildId\":\"6\",\"channelId\":\"45\",\"since\":0}]"
#define TWO                                                                                        \
    "[{\"guildId\":\"6\",\"channelId\":\"45\",\"since\":0},"                                       \
    "{\"guildId\":\"6\",\"channelId\":\"46\",\"since\":0}]"

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof *b);
    memset(&script, 0, sizeof script);
    strcpy(b->own_id, "77");
    assert_int_equal(daemon_loop_new(&b->loop), 0);
    sources_options options = {.loop = b->loop, .own_id = b->own_id};
    assert_int_equal(sources_new(&options, &b->sources), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;
    sources_free(b->sources);
    daemon_loop_free(b->loop);
    free(b);
    return 0;
}

/* Discord's answer to `line`. */
static void answer(bench *b, const char *line, discord_status status, const char *json)
{
    answered *made = calloc(1, sizeof *made);
    discord_done_fn *done = script.done;
    assert_string_equal(script.line, line);
    made->refs = 1;
    made->result.error.status = status;
    made->result.json = json ? cJSON_Parse(json) : NULL;
    script.done = NULL;
    script.line[0] = '\0';
    done(&made->result, script.user);
    __wrap_discord_result_unref(&made->result);
    assert_int_equal(daemon_loop_turn(b->loop, 1000), 0);
}

static void backend_takes(const char *told)
{
    assert_string_equal(script.told, told);
    script.told[0] = '\0';
    script.on_told(NULL, NULL, script.told_user);
}

#define MEMBER "{\"roles\":[\"9\"]}"
#define CHANNEL(deny)                                                                              \
    "{\"guild_id\":\"6\",\"permission_overwrites\":[{\"id\":\"9\",\"type\":0,\"allow\":\"0\","     \
    "\"deny\":\"" deny "\"}]}"

static void answer_guild(bench *b)
{
    answer(b, "member 6/77", DISCORD_OK, MEMBER);
    answer(b, "roles 6", DISCORD_OK, /* View Channel and Read Message History */
           "[{\"id\":\"6\",\"permissions\":\"0\"},{\"id\":\"9\",\"permissions\":\"66560\"}]");
}

static bool is_quiet(void)
{
    return !script.line[0] && !script.told[0];
}

static void each_channel_is_told_once_and_a_guild_is_asked_once_for_all_of_its(void **state)
{
    bench *b = *state;
    set_channels(b, TWO);
    assert_true(is_quiet()); /* the backend is not there */
    sources_backend_ready(b->sources);
    answer_guild(b);
    answer(b, "channel 45", DISCORD_OK, CHANNEL("0"));
    backend_takes("45 ok: The bot may see the channel and read its history.");
    answer(b, "channel 46", DISCORD_OK, CHANNEL("65536"));
    backend_takes("46 missing_history: The bot lacks \"Read Message History\": what is written "
                  "while it is away is missed.");
    assert_true(is_quiet());
    set_channels(b, TWO); /* the same again */
    assert_true(is_quiet());
}

static void what_cannot_be_seen_is_unknown_or_elsewhere_says_what_to_do(void **state)
{
    static const struct {
        discord_status status;
        const char *json, *told;
    } all[] = {
        {DISCORD_EFORBIDDEN, NULL,
         "45 missing_permission: The collector's bot does not see the channel 45."},
        {DISCORD_OK, CHANNEL("1024"),
         "45 missing_permission: The collector's bot does not see the channel 45."},
        {DISCORD_ENOTFOUND, NULL, "45 unknown_channel: Discord knows no channel 45."},
        {DISCORD_OK, "{\"guild_id\":\"7\"}",
         "45 other_guild: The channel is not in the source guild 6."},
    };
    bench *b = *state;
    sources_backend_ready(b->sources);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        set_channels(b, "[]");
        set_channels(b, ONE);
        answer_guild(b);
        answer(b, "channel 45", all[i].status, all[i].json);
        backend_takes(all[i].told);
        assert_true(is_quiet());
    }
}

static void where_the_bot_is_no_member_nothing_else_is_asked(void **state)
{
    bench *b = *state;
    set_channels(b, ONE);
    sources_backend_ready(b->sources);
    answer(b, "member 6/77", DISCORD_ENOTFOUND, NULL);
    backend_takes("45 not_a_member: The collector's bot is not a member of the source guild 6.");
    assert_true(is_quiet());
}

static void an_outage_of_discord_tells_nothing(void **state)
{
    bench *b = *state;
    set_channels(b, ONE);
    sources_backend_ready(b->sources);
    answer(b, "member 6/77", DISCORD_ETIMEOUT, NULL);
    assert_true(is_quiet());
}

static void nothing_is_asked_before_it_is_known_who_we_are_and_news_look_again(void **state)
{
    bench *b = *state;
    b->own_id[0] = '\0';
    set_channels(b, ONE);
    sources_backend_ready(b->sources);
    assert_true(is_quiet());
    strcpy(b->own_id, "77");
    sources_news(b->sources, "MESSAGE_CREATE", NULL);
    assert_true(is_quiet());
    sources_news(b->sources, "READY", NULL);
    while (!script.line[0]) /* it settles first */
        assert_int_equal(daemon_loop_turn(b->loop, 1000), 0);
    answer_guild(b);
    answer(b, "channel 45", DISCORD_OK, CHANNEL("0"));
    backend_takes("45 ok: The bot may see the channel and read its history.");
}

static void news(bench *b, const char *event, const char *json)
{
    cJSON *data = cJSON_Parse(json);
    sources_news(b->sources, event, data);
    cJSON_Delete(data);
}

/* Until it asks for something, or tells. */
static void wait_for_it(bench *b)
{
    while (is_quiet())
        assert_int_equal(daemon_loop_turn(b->loop, 1000), 0);
}

#define EVENT(deny)                                                                                \
    "{\"id\":\"45\",\"name\":\"new\",\"guild_id\":\"6\",\"permission_overwrites\":[{\"id\":\"9\"," \
    "\"type\":0,\"allow\":\"0\",\"deny\":\"" deny "\"}]}"

/* Two channels that may be read. */
static void know_two(bench *b)
{
    sources_backend_ready(b->sources);
    set_channels(b, TWO);
    answer_guild(b);
    answer(b, "channel 45", DISCORD_OK, CHANNEL("0"));
    backend_takes("45 ok: The bot may see the channel and read its history.");
    answer(b, "channel 46", DISCORD_OK, CHANNEL("0"));
    backend_takes("46 ok: The bot may see the channel and read its history.");
}

static void
a_channels_event_asks_for_no_channel_and_one_that_permits_the_same_for_nothing(void **state)
{
    bench *b = *state;
    know_two(b);
    news(b, "CHANNEL_UPDATE", EVENT("0")); /* its name */
    news(b, "CHANNEL_UPDATE", "{\"id\":\"47\",\"guild_id\":\"6\"}");
    news(b, "RESUMED", "{}");
    news(b, "CHANNEL_UPDATE", EVENT("65536"));
    wait_for_it(b);
    answer_guild(b); /* the first that was asked for */
    backend_takes("45 missing_history: The bot lacks \"Read Message History\": what is written "
                  "while it is away is missed.");
    assert_true(is_quiet());
}

static void a_role_is_looked_at_once_for_all_channels_of_its_guild(void **state)
{
    bench *b = *state;
    know_two(b);
    news(b, "GUILD_ROLE_UPDATE", "{\"guild_id\":\"5\",\"role\":{\"id\":\"9\"}}");
    for (int i = 0; i < 3; i++)
        news(b, "GUILD_ROLE_UPDATE", "{\"guild_id\":\"6\",\"role\":{\"id\":\"9\"}}");
    news(b, "GUILD_MEMBER_UPDATE", "{\"guild_id\":\"6\",\"user\":{\"id\":\"77\"}}");
    wait_for_it(b);
    answer(b, "member 6/77", DISCORD_OK, MEMBER);
    answer(b, "roles 6", DISCORD_OK,
           "[{\"id\":\"6\",\"permissions\":\"0\"},{\"id\":\"9\",\"permissions\":\"1024\"}]");
    backend_takes("45 missing_history: The bot lacks \"Read Message History\": what is written "
                  "while it is away is missed.");
    backend_takes("46 missing_history: The bot lacks \"Read Message History\": what is written "
                  "while it is away is missed.");
    assert_true(is_quiet());
}

static void news_during_a_look_have_the_guild_asked_for_again(void **state)
{
    bench *b = *state;
    sources_backend_ready(b->sources);
    set_channels(b, ONE);
    news(b, "GUILD_ROLE_UPDATE", "{\"guild_id\":\"6\"}");
    answer(b, "member 6/77", DISCORD_OK, MEMBER); /* as it was before, perhaps */
    answer_guild(b);
    news(b, "GUILD_ROLE_UPDATE", "{\"guild_id\":\"6\"}");
    answer(b, "channel 45", DISCORD_OK, CHANNEL("0"));
    answer_guild(b);
    backend_takes("45 ok: The bot may see the channel and read its history.");
    assert_true(is_quiet());
}

static void an_event_that_comes_while_its_channel_is_asked_for_is_believed(void **state)
{
    bench *b = *state;
    sources_backend_ready(b->sources);
    set_channels(b, ONE);
    answer_guild(b);
    news(b, "CHANNEL_UPDATE", EVENT("65536"));
    answer(b, "channel 45", DISCORD_OK, CHANNEL("0"));
    backend_takes("45 missing_history: The bot lacks \"Read Message History\": what is written "
                  "while it is away is missed.");
    assert_true(is_quiet());
}

static void an_event_without_its_guild_has_the_channel_asked_for(void **state)
{
    bench *b = *state;
    know_two(b);
    news(b, "CHANNEL_UPDATE", "{\"id\":\"46\"}");
    wait_for_it(b);
    answer_guild(b);
    answer(b, "channel 46", DISCORD_OK, CHANNEL("0"));
    assert_true(is_quiet());
}

static void more_news_than_are_kept_have_everything_asked_for(void **state)
{
    bench *b = *state;
    know_two(b);
    for (int i = 0; i < 300; i++)
        news(b, "CHANNEL_UPDATE", EVENT("0"));
    wait_for_it(b);
    answer_guild(b);
    answer(b, "channel 45", DISCORD_OK, CHANNEL("0"));
    answer(b, "channel 46", DISCORD_OK, CHANNEL("0"));
    assert_true(is_quiet());
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BENCH(each_channel_is_told_once_and_a_guild_is_asked_once_for_all_of_its),
        BENCH(what_cannot_be_seen_is_unknown_or_elsewhere_says_what_to_do),
        BENCH(where_the_bot_is_no_member_nothing_else_is_asked),
        BENCH(an_outage_of_discord_tells_nothing),
        BENCH(nothing_is_asked_before_it_is_known_who_we_are_and_news_look_again),
        BENCH(a_channels_event_asks_for_no_channel_and_one_that_permits_the_same_for_nothing),
        BENCH(a_role_is_looked_at_once_for_all_channels_of_its_guild),
        BENCH(news_during_a_look_have_the_guild_asked_for_again),
        BENCH(an_event_that_comes_while_its_channel_is_asked_for_is_believed),
        BENCH(an_event_without_its_guild_has_the_channel_asked_for),
        BENCH(more_news_than_are_kept_have_everything_asked_for),
    };
    daemon_log_set_level(DAEMON_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
