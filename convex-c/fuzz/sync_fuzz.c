/* sync_fuzz.c - server frames, one per line, against a client with queries and requests. */
#include <stdlib.h>
#include <string.h>

#include "sync.h"
#include "sync_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SUBS = 3, CALLS = 3 };

typedef struct session {
    cvx_sync *sync;
    convex_mem mem;
    int64_t now;
    cvx_listener subs[SUBS];
    cvx_request calls[CALLS], read;
    char *bodies[CALLS];
    uint32_t generation;
    bool asked;
} session;

static void take_outputs(session *s)
{
    cvx_sync_event event;

    while (cvx_sync_next(s->sync, &event) != CVX_SYNC_NONE) {
        if (event.kind == CVX_SYNC_OPEN)
            cvx_sync_opened(s->sync, s->now, 0);
        if (event.kind == CVX_SYNC_FETCH) {
            s->generation = event.generation;
            s->asked = true;
        }
        if (event.kind == CVX_SYNC_DONE) {
            convex_result_unref(event.request->result);
            event.request->result = NULL;
        }
        if (event.kind == CVX_SYNC_RESULT && !cvx_sync_result(event.listener))
            abort();
    }
    if (s->asked) {
        static const char token[] = "e30.eyJpYXQiOjEsImV4cCI6OTl9.e30";
        s->asked = false;
        cvx_sync_token(s->sync, s->generation, cvx_strdup(&s->mem, token), NULL, s->now);
    }
}

/* Asked once, of a query that is live, with a deadline. */
static void begin_read(session *s)
{
    char *token = NULL;
    size_t len = 0;

    if (cvx_call_text(&s->mem, "q:b", NULL, NULL, true, &token, &len, NULL) != CONVEX_OK)
        abort();
    s->read = (cvx_request){.id = CALLS, .kind = CVX_READ, .deadline = 90};
    cvx_sync_read(s->sync, cvx_query_new(&s->mem, token, len), &s->read);
}

static void begin(session *s)
{
    cvx_sync_config config = {.mem = cvx_mem(NULL),
                              .connect_timeout_ms = 1000,
                              .inactivity_ms = 1000,
                              .backoff_max_ms = 10,
                              .linger_ms = 50,
                              .max_transition_bytes = 4096};

    s->mem = config.mem;
    s->sync = cvx_sync_new(&config, 0);
    for (int i = 0; i < SUBS; i++) {
        static const char *const paths[SUBS] = {"q:a", "q:b", "q:c"};
        char *token = NULL;
        size_t len = 0;
        if (cvx_call_text(&s->mem, paths[i], NULL, NULL, true, &token, &len, NULL) != CONVEX_OK)
            abort();
        cvx_sync_subscribe(s->sync, cvx_query_new(&s->mem, token, len), &s->subs[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        size_t len = 0;
        if (cvx_call_text(&s->mem, "m:x", NULL, NULL, false, &s->bodies[i], &len, NULL) !=
            CONVEX_OK)
            abort();
        s->calls[i] = (cvx_request){.id = (uint32_t)i,
                                    .kind = i == 1 ? CVX_ACTION : CVX_MUTATION,
                                    .at_commit = i == 2,
                                    .body = s->bodies[i],
                                    .body_len = len};
        cvx_sync_request(s->sync, &s->calls[i]);
    }
    begin_read(s);
    cvx_sync_tick(s->sync, 0);
    take_outputs(s);
}

static void end(session *s)
{
    cvx_request *request;

    for (int i = 0; i < SUBS; i++)
        cvx_sync_unsubscribe(s->sync, &s->subs[i]);
    while ((request = cvx_sync_take_request(s->sync)) != NULL) {
        convex_result_unref(request->result);
        request->result = NULL;
    }
    for (int i = 0; i < CALLS; i++)
        cvx_free(&s->mem, s->bodies[i]);
    cvx_sync_free(s->sync);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    session s = {0};

    begin(&s);
    if (size > 0 && (data[0] & 1))
        cvx_sync_set_auth_fetch(s.sync, s.now);
    take_outputs(&s);
    while (size > 0) {
        const uint8_t *line = data, *end_of_line = memchr(data, '\n', size);
        size_t len = end_of_line ? (size_t)(end_of_line - data) : size;
        data += end_of_line ? len + 1 : len;
        size -= end_of_line ? len + 1 : len;
        if (len == 1 && *line == '!')
            cvx_sync_closed(s.sync, 1006, "", "", NULL, s.now);
        else
            cvx_sync_message(s.sync, (const char *)line, len, s.now);
        take_outputs(&s);
        s.now += 20;
        cvx_sync_tick(s.sync, s.now);
        take_outputs(&s);
    }
    end(&s);
    return 0;
}
