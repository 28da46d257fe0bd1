/* chunk_fuzz.c - one Transition in chunks, as the input cuts and disturbs it.
 * Byte 0 is the number of parts, byte 1 what happens to one of them, byte 2 to which; the rest is
 * a text that the Transition brings. It arrives if and only if its parts do, whole and in order;
 * otherwise the connection is dropped and nothing is shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync.h"
#include "sync_wire.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PARTS = 8 };

/* What happens to part i; all but PING and NOTHING break the series. */
enum { NOTHING, PING, LOST, TWICE, SWAPPED, OTHER_TOTAL, OTHER_SERIES, OTHER_MESSAGE, KINDS };

typedef struct session {
    cvx_sync *sync;
    convex_mem mem;
    cvx_listener listener;
    int drops, results;
} session;

static void take_outputs(session *s)
{
    cvx_sync_event event;

    while (cvx_sync_next(s->sync, &event) != CVX_SYNC_NONE) {
        if (event.kind == CVX_SYNC_OPEN)
            cvx_sync_opened(s->sync, 0, 0);
        s->drops += event.kind == CVX_SYNC_CLOSE;
        s->results += event.kind == CVX_SYNC_RESULT;
    }
}

static void begin(session *s)
{
    cvx_sync_config config = {.mem = cvx_mem(NULL),
                              .connect_timeout_ms = 1000,
                              .inactivity_ms = 1000,
                              .backoff_max_ms = 10,
                              .max_transition_bytes = 1 << 20};
    char *token = NULL;
    size_t len = 0;

    s->mem = config.mem;
    s->sync = cvx_sync_new(&config, 0);
    if (cvx_call_text(&s->mem, "q:a", NULL, NULL, true, &token, &len, NULL) != CONVEX_OK)
        abort();
    cvx_sync_subscribe(s->sync, cvx_query_new(&s->mem, token, len), &s->listener);
    cvx_sync_tick(s->sync, 0);
    take_outputs(s);
}

static void say(session *s, cvx_text *frame)
{
    cvx_sync_message(s->sync, frame->data, frame->len, 0);
    take_outputs(s);
    cvx_text_reset(frame);
}

static void make_transition(cvx_text *out, const char *text, size_t len)
{
    cvx_text_add_str(out, "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":0,\"identity\":"
                          "0,\"ts\":\"AAAAAAAAAAA=\"},\"endVersion\":{\"querySet\":1,\"identity\":"
                          "0,\"ts\":\"AQAAAAAAAAA=\"},\"modifications\":[{\"type\":\"QueryUpdated\""
                          ",\"queryId\":0,\"logLines\":[],\"journal\":null,\"value\":");
    cvx_text_add_json_string(out, text, len);
    cvx_text_add_str(out, "}]}");
}

static void say_part(session *s, cvx_text *frame, const cvx_text *whole, const size_t *cuts,
                     unsigned part, unsigned total, const char *series)
{
    cvx_text_add_str(frame, "{\"type\":\"TransitionChunk\",\"chunk\":");
    cvx_text_add_json_string(frame, whole->data + cuts[part], cuts[part + 1] - cuts[part]);
    cvx_text_add_str(frame, ",\"partNumber\":");
    cvx_text_add_u64(frame, part);
    cvx_text_add_str(frame, ",\"totalParts\":");
    cvx_text_add_u64(frame, total);
    cvx_text_add_str(frame, ",\"transitionId\":\"");
    cvx_text_add_str(frame, series);
    cvx_text_add_str(frame, "\"}");
    say(s, frame);
}

static void say_all(session *s, const cvx_text *whole, unsigned parts, unsigned kind, unsigned at)
{
    size_t cuts[MAX_PARTS + 1] = {0};
    cvx_text frame;

    cvx_text_init(&frame, &s->mem);
    for (unsigned i = 1; i < parts; i++) /* on characters, as the server cuts */
        cuts[i] = cvx_utf8_valid_prefix(whole->data, whole->len * i / parts);
    cuts[parts] = whole->len;
    for (unsigned i = 0; i < parts; i++) {
        unsigned part = i;
        bool here = i == at;
        if (here && kind == LOST)
            continue;
        if (here && (kind == PING || kind == OTHER_MESSAGE)) {
            cvx_text_add_str(&frame, kind == PING ? "{\"type\":\"Ping\"}"
                                                  : "{\"type\":\"MutationResponse\",\"requestId\":"
                                                    "9,\"success\":false,\"result\":\"x\","
                                                    "\"logLines\":[]}");
            say(s, &frame);
        }
        if (kind == SWAPPED && (here || i == at + 1))
            part = here ? at + 1 : at;
        say_part(s, &frame, whole, cuts, part, here && kind == OTHER_TOTAL ? parts + 1 : parts,
                 here && kind == OTHER_SERIES ? "2" : "1");
        if (here && kind == TWICE)
            say_part(s, &frame, whole, cuts, part, parts, "1");
    }
    cvx_text_done(&frame);
}

/* Some disturbances are none where they happen, such as a message before the first part. */
static unsigned effective(unsigned kind, unsigned parts, unsigned at)
{
    if (kind == SWAPPED && at + 1 >= parts)
        return NOTHING;
    if (kind == OTHER_MESSAGE && at == 0)
        return NOTHING;
    if (kind == OTHER_SERIES && parts == 1)
        return NOTHING;
    return kind;
}

/* A series that lacks its end is waited for. */
static void check(const session *s, unsigned kind, unsigned parts, unsigned at)
{
    bool arrives = kind == NOTHING || kind == PING || (kind == TWICE && at + 1 == parts);
    bool waits = (kind == LOST && at + 1 == parts) || (kind == OTHER_TOTAL && parts == 1);
    bool drops = !waits && kind != NOTHING && kind != PING;

    if (arrives != (s->results == 1))
        abort();
    if (drops != (s->drops > 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    session s = {0};
    unsigned parts, kind, at;
    cvx_text whole;

    if (size < 3)
        return 0;
    parts = data[0] % MAX_PARTS + 1;
    at = data[2] % parts;
    kind = effective(data[1] % KINDS, parts, at);
    data += 3;
    size -= 3;
    begin(&s);
    cvx_text_init(&whole, &s.mem);
    make_transition(&whole, (const char *)data, cvx_utf8_valid_prefix((const char *)data, size));
    if (whole.status == CONVEX_OK) {
        say_all(&s, &whole, parts, kind, at);
        check(&s, kind, parts, at);
    }
    cvx_text_done(&whole);
    cvx_sync_unsubscribe(s.sync, &s.listener);
    cvx_sync_free(s.sync);
    return 0;
}
