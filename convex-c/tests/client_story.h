/* client_story.h - what a test does with a client and what its callbacks saw. */
#ifndef CLIENT_STORY_H
#define CLIENT_STORY_H

#include <poll.h>
#include <time.h>

#include "client_server.h"
#include "story_loop.h"

/* What the callbacks saw; any thread may look while holding the lock. */
typedef struct story {
    convex_client *client;
    story_loop *loop;
    convex_sub *sub;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int results, ends, dones, states, closed_states, rejected;
    convex_status end_why, done_status;
    char last[256], done_result[256], auth_error[512];
    convex_state state;
    bool close_in_result, close_in_done, unref_in_result, end_sub_in_result;
} story;

static inline void note(story *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static inline void show(const convex_result *result, char *ret, size_t size)
{
    char *text = NULL;
    if (convex_result_success(result)) {
        convex_value_print(convex_result_value(result), CONVEX_ENCODED_JSON, NULL, &text, NULL);
        snprintf(ret, size, "%s", text ? text : "?");
        convex_text_free(text, NULL);
    } else {
        snprintf(ret, size, "!%s", convex_result_error_message(result, NULL));
    }
}

static inline void on_result(const convex_result *result, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->results++;
    show(result, s->last, sizeof s->last);
    note(s);
    if (s->end_sub_in_result) {
        convex_sub_unref(s->sub);
        s->sub = NULL;
    }
    if (s->close_in_result)
        convex_client_close(s->client);
    if (s->unref_in_result) {
        convex_sub_unref(s->sub);
        s->sub = NULL;
        convex_client_unref(s->client);
        s->client = NULL;
    }
}

static inline void on_end(convex_status why, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->ends++;
    s->end_why = why;
    note(s);
}

static inline void on_done(convex_status status, const convex_result *result, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->dones++;
    s->done_status = status;
    if (result)
        show(result, s->done_result, sizeof s->done_result);
    note(s);
    if (s->close_in_done)
        convex_client_close(s->client);
}

static inline void on_state(const convex_state *state, void *user)
{
    story *s = user;
    pthread_mutex_lock(&s->lock);
    s->state = *state;
    s->states++;
    s->closed_states += state->connection == CONVEX_CONNECTION_CLOSED;
    s->rejected += state->identity == CONVEX_IDENTITY_REJECTED;
    if (state->auth_error[0])
        snprintf(s->auth_error, sizeof s->auth_error, "%s", state->auth_error);
    note(s);
}

static inline convex_options options_for(story *s, const char *url)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    options.url = url;
    options.network.proxy = "";
    options.on_state = on_state;
    options.state_user = s;
    options.backoff_initial_ms = 1;
    options.backoff_max_ms = 20;
    story_loop_prepare(&options);
    return options;
}

static inline void story_init(story *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
}

static inline void begin_with(story *s, const convex_options *options)
{
    convex_error error = {0};
    if (convex_client_new(options, &s->client, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    s->loop = story_loop_attach(s->client);
}

static inline void begin(story *s, const char *url)
{
    story_init(s);
    convex_options options = options_for(s, url);
    begin_with(s, &options);
}

static inline void watch(story *s)
{
    assert_int_equal(
        convex_client_subscribe(s->client, "q:a", NULL, on_result, on_end, s, &s->sub, NULL),
        CONVEX_OK);
}

static inline void mutate(story *s, unsigned flags)
{
    convex_call_options options = {.flags = flags};
    assert_int_equal(
        convex_client_mutation(s->client, "m:x", NULL, &options, on_done, s, NULL, NULL),
        CONVEX_OK);
}

/* Drives the host loop until `*seen` reaches `want`. */
static inline void run_until(story *s, const int *seen, int want)
{
    time_t limit = time(NULL) + 120;
    while (*seen < want) {
        if (time(NULL) > limit)
            fail_msg(
                "waited in vain; last reason: %s, connection %d, retries %u, results %d, dones %d",
                s->state.close_reason, (int)s->state.connection, s->state.retries, s->results,
                s->dones);
        story_loop_turn(s->client);
    }
    assert_true(*seen >= want);
}

static inline void await(story *s, const int *seen, int want)
{
    struct timespec limit;
    int r = 0;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 120;
    pthread_mutex_lock(&s->lock);
    while (*seen < want && r == 0)
        r = pthread_cond_timedwait(&s->changed, &s->lock, &limit);
    pthread_mutex_unlock(&s->lock);
    assert_int_equal(r, 0);
}

static inline void finish(story *s)
{
    story_loop_detach(s->loop);
    convex_sub_unref(s->sub);
    convex_client_unref(s->client);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

/* One query and one mutation, as they should go. */
static inline void script_ordinary(server *s)
{
    if (!server_open(s) || !server_expect(s, "\"type\":\"Connect\"") ||
        !server_expect(s, "\"udfPath\":\"q:a\""))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "\"v0\""));
    if (!server_expect(s, "\"type\":\"Mutation\",\"requestId\":0"))
        return;
    server_respond(s, 0, 20);
    server_transition(s, 1, 0, 20, SERVER_UPDATED(0, "\"v1\""));
    server_receive(s);
}

#endif
