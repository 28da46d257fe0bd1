/* sync_harness.h - drives the sync state machine in tests: a peer is a script, time is a number. */
#ifndef SYNC_HARNESS_H
#define SYNC_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame_check.h"
#include "sync.h"
#include "sync_wire.h"
#include "view.h"

enum { MAX_FRAMES = 4096, MAX_SUBS = 16, MAX_CALLS = 16 };
enum { START_MS = 1000, WALL_MS = 500000 };

typedef struct rig_sub {
    cvx_listener listener;
    int count;      /* results seen */
    char last[256]; /* as JSON, or "!" and the error message */
    bool has_data;  /* of the error */
} rig_sub;

typedef struct rig_call {
    cvx_request request;
    char *body;
    int done;
    char result[256];
    bool has_data;
} rig_call;

typedef struct rig {
    cvx_sync *sync;
    cvx_sync_config config;
    int64_t now;
    char *frames[MAX_FRAMES];
    int frame_count, frame_read;
    frame_check check; /* of this connection */
    int opens, closes, states;
    int fetches, forced; /* token fetches asked for */
    bool fetch_pending;
    uint32_t generation;
    int tokens;                /* answered so far */
    const char *tokens_format; /* answers fetches by itself when set, "" with none */
    rig_sub subs[MAX_SUBS];
    int sub_count;
    rig_call calls[MAX_CALLS];
    int call_count;
    int pings, probed;
    char ping[4];  /* the bytes of the last one */
    bool slow;     /* takes what concerns the connection only */
    bool distinct; /* no subscription may be shown what it was shown last */
    int view_calls;
    void (*on_view)(cvx_view *view);
} rig;

static inline void rig_show(const convex_result *result, char *ret, size_t size, bool *has_data)
{
    if (convex_result_success(result)) {
        char *text = NULL;
        assert_int_equal(
            convex_value_print(convex_result_value(result), CONVEX_ENCODED_JSON, NULL, &text, NULL),
            CONVEX_OK);
        snprintf(ret, size, "%s", text);
        convex_text_free(text, NULL);
    } else {
        snprintf(ret, size, "!%s", convex_result_error_message(result, NULL));
        *has_data = convex_result_error_data(result) != NULL;
    }
}

static inline cvx_sync_config rig_config(void)
{
    cvx_sync_config config = {.connect_timeout_ms = 10000,
                              .inactivity_ms = 60000,
                              .backoff_max_ms = 16000,
                              .auth_leeway_ms = 10000,
                              .max_transition_bytes = 1 << 20};
    config.mem = cvx_mem(NULL);
    for (size_t i = 0; i < sizeof config.random; i++)
        config.random[i] = (uint8_t)(i * 7 + 1);
    return config;
}

static inline void rig_init_with(rig *r, cvx_sync_config config)
{
    memset(r, 0, sizeof *r);
    r->now = START_MS;
    r->config = config;
    r->sync = cvx_sync_new(&config, r->now);
    assert_non_null(r->sync);
}

static inline void rig_init(rig *r)
{
    rig_init_with(r, rig_config());
}

static inline void rig_on_fetch(rig *r, const cvx_sync_event *event);

/* Takes every output there is. */
static inline void rig_drain(rig *r)
{
    cvx_sync_event event;
    const char *fault;
    char shown[sizeof((rig_sub *)0)->last] = "";

    while ((r->slow ? cvx_sync_next_wire : cvx_sync_next)(r->sync, &event) != CVX_SYNC_NONE) {
        rig_sub *sub = (rig_sub *)(void *)event.listener; /* its first member */
        rig_call *call = (rig_call *)(void *)event.request;
        switch (event.kind) {
        case CVX_SYNC_OPEN:
            r->opens++;
            r->check = (frame_check){0};
            break;
        case CVX_SYNC_CLOSE:
            r->closes++;
            break;
        case CVX_SYNC_SEND:
            assert_true(r->frame_count < MAX_FRAMES);
            fault = check_frame(&r->check, event.text, event.len);
            if (fault)
                fail_msg("a server would end the session, %s: %.300s", fault, event.text);
            r->frames[r->frame_count++] = strndup(event.text, event.len);
            break;
        case CVX_SYNC_PING:
            assert_int_equal(event.len, sizeof r->ping);
            memcpy(r->ping, event.text, event.len);
            event.probe->sent_us = r->now * 1000;
            r->pings++;
            break;
        case CVX_SYNC_PROBED:
            r->probed++;
            break;
        case CVX_SYNC_RESULT:
            sub->count++;
            rig_show(cvx_sync_result(&sub->listener), shown, sizeof shown, &sub->has_data);
            if (r->distinct && sub->count > 1)
                assert_string_not_equal(shown, sub->last);
            memcpy(sub->last, shown, sizeof shown);
            break;
        case CVX_SYNC_VIEW:
            r->view_calls++;
            if (r->on_view)
                r->on_view(event.view);
            break;
        case CVX_SYNC_DONE:
            call->done++;
            if (call->request.result)
                rig_show(call->request.result, call->result, sizeof call->result, &call->has_data);
            break;
        case CVX_SYNC_FETCH:
            rig_on_fetch(r, &event);
            break;
        case CVX_SYNC_STATE:
            r->states++;
            break;
        case CVX_SYNC_NONE:
            break;
        }
    }
}

/* `token` NULL: none to be had. */
static inline void rig_token(rig *r, const char *token)
{
    assert_true(r->fetch_pending);
    r->fetch_pending = false;
    r->tokens++;
    cvx_sync_token(r->sync, r->generation, token ? strdup(token) : NULL, NULL, r->now);
    rig_drain(r);
}

static inline void rig_on_fetch(rig *r, const cvx_sync_event *event)
{
    char token[64];

    r->fetches++;
    r->forced += event->force;
    r->fetch_pending = true;
    r->generation = event->generation;
    if (!r->tokens_format)
        return;
    snprintf(token, sizeof token, "%s%d.sig", r->tokens_format, r->tokens);
    r->fetch_pending = false;
    r->tokens++;
    cvx_sync_token(r->sync, event->generation, *r->tokens_format ? strdup(token) : NULL, NULL,
                   r->now);
}

static inline void rig_tick(rig *r, int64_t ms)
{
    r->now += ms;
    cvx_sync_tick(r->sync, r->now);
    rig_drain(r);
}

/* Runs the clock up to the next deadline and past it. */
static inline int64_t rig_wait(rig *r)
{
    int64_t at = cvx_sync_deadline(r->sync), waited;
    assert_true(at != INT64_MAX);
    waited = at > r->now ? at - r->now : 0;
    rig_tick(r, waited);
    return waited;
}

/* Makes the attempt that is due, and opens it. */
static inline void rig_open(rig *r)
{
    int opens = r->opens;
    rig_wait(r);
    assert_int_equal(r->opens, opens + 1);
    cvx_sync_opened(r->sync, r->now, WALL_MS);
    rig_drain(r);
}

static inline void rig_close(rig *r, unsigned code, const char *reason)
{
    cvx_sync_closed(r->sync, code, reason, "", NULL, r->now);
    rig_drain(r);
}

static inline void rig_say(rig *r, const char *frame)
{
    cvx_sync_message(r->sync, frame, strlen(frame), r->now);
    rig_drain(r);
}

static inline rig_sub *rig_subscribe_at(rig *r, const char *path, const char *args,
                                        const char *component)
{
    rig_sub *sub = &r->subs[r->sub_count++];
    convex_value *value = NULL;
    char *token = NULL;
    size_t len = 0;

    if (args)
        assert_int_equal(
            convex_value_parse(args, strlen(args), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
            CONVEX_OK);
    assert_int_equal(
        cvx_call_text(&r->config.mem, path, component, value, true, &token, &len, NULL), CONVEX_OK);
    convex_value_unref(value);
    cvx_sync_subscribe(r->sync, cvx_query_new(&r->config.mem, token, len), &sub->listener);
    return sub;
}

static inline rig_sub *rig_subscribe(rig *r, const char *path, const char *args)
{
    rig_sub *sub = rig_subscribe_at(r, path, args, NULL);
    rig_drain(r);
    return sub;
}

static inline void rig_unsubscribe(rig *r, rig_sub *sub)
{
    cvx_sync_unsubscribe(r->sync, &sub->listener);
    rig_drain(r);
}

static inline rig_call *rig_call_at(rig *r, bool action, const char *path, const char *args,
                                    const char *component, bool at_commit)
{
    rig_call *call = &r->calls[r->call_count];
    convex_value *value = NULL;
    size_t len = 0;

    if (args)
        assert_int_equal(
            convex_value_parse(args, strlen(args), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
            CONVEX_OK);
    assert_int_equal(
        cvx_call_text(&r->config.mem, path, component, value, false, &call->body, &len, NULL),
        CONVEX_OK);
    convex_value_unref(value);
    call->request = (cvx_request){.id = (uint32_t)r->call_count++,
                                  .kind = action ? CVX_ACTION : CVX_MUTATION,
                                  .began_at = r->now,
                                  .at_commit = at_commit,
                                  .body = call->body,
                                  .body_len = len};
    cvx_sync_request(r->sync, &call->request);
    rig_drain(r);
    return call;
}

static inline rig_call *rig_mutate(rig *r, const char *path)
{
    return rig_call_at(r, false, path, NULL, NULL, false);
}

static inline rig_call *rig_act(rig *r, const char *path)
{
    return rig_call_at(r, true, path, NULL, NULL, false);
}

/* `timeout` in ms, 0: none. */
static inline rig_call *rig_read_args(rig *r, const char *path, const char *args, int64_t timeout)
{
    rig_call *call = &r->calls[r->call_count];
    convex_value *value = NULL;
    char *token = NULL;
    size_t len = 0;

    assert_int_equal(
        convex_value_parse(args, strlen(args), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(cvx_call_text(&r->config.mem, path, NULL, value, true, &token, &len, NULL),
                     CONVEX_OK);
    convex_value_unref(value);
    call->request = (cvx_request){.id = (uint32_t)r->call_count++,
                                  .kind = CVX_READ,
                                  .began_at = r->now,
                                  .deadline = timeout ? r->now + timeout : 0};
    cvx_sync_read(r->sync, cvx_query_new(&r->config.mem, token, len), &call->request);
    rig_drain(r);
    return call;
}

static inline rig_call *rig_read(rig *r, const char *path, int64_t timeout)
{
    return rig_read_args(r, path, "{}", timeout);
}

/* A mutation or action with a deadline. */
static inline rig_call *rig_call_within(rig *r, bool action, const char *path, int64_t timeout)
{
    rig_call *call = &r->calls[r->call_count];
    size_t len = 0;

    assert_int_equal(
        cvx_call_text(&r->config.mem, path, NULL, NULL, false, &call->body, &len, NULL), CONVEX_OK);
    call->request = (cvx_request){.id = (uint32_t)r->call_count++,
                                  .kind = action ? CVX_ACTION : CVX_MUTATION,
                                  .began_at = r->now,
                                  .deadline = r->now + timeout,
                                  .body = call->body,
                                  .body_len = len};
    cvx_sync_request(r->sync, &call->request);
    rig_drain(r);
    return call;
}

static inline void rig_cancel(rig *r, rig_call *call)
{
    cvx_sync_cancel(r->sync, &call->request);
    rig_drain(r);
}

static inline void rig_set_args(rig *r, rig_sub *sub, const char *path, const char *args)
{
    convex_value *value = NULL;
    char *token = NULL;
    size_t len = 0;

    assert_int_equal(
        convex_value_parse(args, strlen(args), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(cvx_call_text(&r->config.mem, path, NULL, value, true, &token, &len, NULL),
                     CONVEX_OK);
    convex_value_unref(value);
    cvx_sync_resubscribe(r->sync, cvx_query_new(&r->config.mem, token, len), &sub->listener);
    rig_drain(r);
}

static inline convex_value *rig_parse(const char *json)
{
    convex_value *value = NULL;
    assert_int_equal(
        convex_value_parse(json, strlen(json), CONVEX_PLAIN_JSON, 80, NULL, &value, NULL),
        CONVEX_OK);
    return value;
}

/* The next frame the client sent; NULL if none. */
static inline const char *rig_frame(rig *r)
{
    return r->frame_read < r->frame_count ? r->frames[r->frame_read++] : NULL;
}

static inline void rig_skip_frames(rig *r)
{
    r->frame_read = r->frame_count;
}

/* Asserts that the next frame is this JSON, whatever its order of keys. */
static inline void rig_expect(rig *r, const char *json)
{
    const char *frame = rig_frame(r);
    assert_non_null(frame);
    convex_value *got = rig_parse(frame), *want = rig_parse(json);
    if (!convex_value_equal(got, want))
        fail_msg("sent %s\nnot  %s", frame, json);
    convex_value_unref(got);
    convex_value_unref(want);
}

static inline void rig_expect_nothing(rig *r)
{
    const char *frame = rig_frame(r);
    if (frame)
        fail_msg("sent %s", frame);
}

/* Whether the next frame contains this text. */
static inline void rig_expect_text(rig *r, const char *part)
{
    const char *frame = rig_frame(r);
    assert_non_null(frame);
    if (!strstr(frame, part))
        fail_msg("sent %s\nwithout %s", frame, part);
}

static inline convex_state rig_state(rig *r)
{
    convex_state state;
    cvx_sync_state(r->sync, r->now, &state);
    return state;
}

/* A Transition between two versions, with `modifications` as JSON items. */
static inline void rig_transition(rig *r, unsigned query_set, unsigned identity, uint64_t ts,
                                  const char *modifications)
{
    static char frame[1 << 16];
    cvx_version from = cvx_sync_version(r->sync);
    char start[CVX_TS_SIZE + 1] = "", end[CVX_TS_SIZE + 1] = "";

    cvx_ts_encode(from.ts, start);
    cvx_ts_encode(ts, end);
    snprintf(frame, sizeof frame,
             "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":%u,\"identity\":%u,"
             "\"ts\":\"%s\"},\"endVersion\":{\"querySet\":%u,\"identity\":%u,\"ts\":\"%s\"},"
             "\"modifications\":[%s]}",
             (unsigned)from.query_set, (unsigned)from.identity, start, query_set, identity, end,
             modifications);
    rig_say(r, frame);
}

#define UPDATED(id, value)                                                                         \
    "{\"type\":\"QueryUpdated\",\"queryId\":" #id ",\"value\":" value                              \
    ",\"logLines\":[],\"journal\":null}"

static inline void rig_done(rig *r)
{
    cvx_request *request;

    for (int i = 0; i < r->sub_count; i++)
        if (r->subs[i].listener.query)
            cvx_sync_unsubscribe(r->sync, &r->subs[i].listener);
    while ((request = cvx_sync_take_request(r->sync)) != NULL)
        continue;
    for (int i = 0; i < r->call_count; i++) {
        convex_result_unref(r->calls[i].request.result);
        cvx_free(&r->config.mem, r->calls[i].body);
    }
    for (int i = 0; i < r->frame_count; i++)
        free(r->frames[i]);
    cvx_sync_free(r->sync);
}

#endif
