/* model_server.h - a deployment small enough to know everything about: four counters, their
 * history, and one connection to it. What it sends waits in a queue, so that a test may lose,
 * repeat, swap and cut it; what a client may never send ends the test. */
#ifndef MODEL_SERVER_H
#define MODEL_SERVER_H

#include "support.h"
#include "sync_wire.h"

enum { COUNTERS = 4, QUERIES = COUNTERS + 1, IDS = 64, SUBJECTS = 64, COMMITS = 256, QUEUE = 256 };

typedef struct model_version {
    uint32_t query_set, identity;
    uint64_t ts;
} model_version;

typedef enum model_kind { MODEL_TRANSITION, MODEL_CHUNK, MODEL_PING, MODEL_OTHER } model_kind;

/* A message to the client, and what it means to one that is told it in order. */
typedef struct model_frame {
    char *text;
    model_kind kind;
    unsigned part, parts, series;
    model_version start, end;
    uint64_t answered;    /* ids of the queries that have a result at `end` */
    uint64_t observed_ts; /* of a mutation that succeeded */
} model_frame;

/* What is known of a request: by its id, as the session lives as long as the client. */
typedef struct model_record {
    bool received;
    unsigned effects;
    uint64_t ts; /* of a mutation that succeeded; 0: none did */
    unsigned count;
} model_record;

typedef struct model_server {
    uint64_t ts;
    unsigned counters[COUNTERS];
    struct {
        uint64_t ts;
        unsigned counters[COUNTERS];
    } commits[COMMITS];
    size_t commit_count;
    model_record records[IDS];
    uint64_t never; /* ids of requests that must not come */

    /* the connection */
    bool greeted, based, closing, dirty;
    model_version received, sent;
    uint32_t next_request;
    char subjects[SUBJECTS][32]; /* by version of the identity */
    uint64_t live, added, answered;
    bool removed[IDS];
    unsigned query_of[IDS];
    char last[IDS][64];
    unsigned series;
    model_frame queue[QUEUE];
    size_t queued;
} model_server;

/* ---- what there is to know ---- */

static inline const unsigned *counters_at(const model_server *s, uint64_t ts)
{
    size_t i = s->commit_count;
    while (i > 1 && s->commits[i - 1].ts > ts)
        i--;
    return s->commits[i - 1].counters;
}

/* The result of a query at a version, as the harness shows it; a multiple of 5 throws. */
static inline void result_text(const model_server *s, unsigned query, const model_version *version,
                               char *ret, size_t size)
{
    const unsigned *n = counters_at(s, version->ts);
    const char *who = s->subjects[version->identity];

    if (query == COUNTERS)
        snprintf(ret, size, "[%u,%u,%u,%u,\"%s\"]", n[0], n[1], n[2], n[3], who);
    else if (n[query] % 5 == 4)
        snprintf(ret, size, "!%u for %s", n[query], who);
    else
        snprintf(ret, size, "{\"n\":%u,\"who\":\"%s\"}", n[query], who);
}

static inline void commit(model_server *s, unsigned counter)
{
    assert_true(s->commit_count < COMMITS);
    s->ts += 3;
    s->counters[counter]++;
    s->commits[s->commit_count].ts = s->ts;
    memcpy(s->commits[s->commit_count++].counters, s->counters, sizeof s->counters);
    s->dirty = true;
}

static inline void server_init(model_server *s)
{
    memset(s, 0, sizeof *s);
    s->ts = 7;
    commit(s, 0);
}

/* ---- to the client ---- */

static inline void forget_frame(model_server *s, size_t i)
{
    free(s->queue[i].text);
    memmove(&s->queue[i], &s->queue[i + 1], (--s->queued - i) * sizeof s->queue[0]);
}

static inline void server_disconnected(model_server *s)
{
    while (s->queued > 0)
        forget_frame(s, 0);
    s->greeted = s->based = s->closing = false;
    s->received = s->sent = (model_version){0};
    s->next_request = 0;
    s->live = s->added = s->answered = 0;
    memset(s->removed, 0, sizeof s->removed);
    memset(s->last, 0, sizeof s->last);
    memset(s->subjects, 0, sizeof s->subjects);
}

static inline void push_frame(model_server *s, model_frame frame)
{
    assert_true(s->queued < QUEUE);
    s->queue[s->queued++] = frame;
}

__attribute__((format(printf, 2, 3))) static inline char *text_of_format(size_t *len,
                                                                         const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    *len = (size_t)vasprintf(&text, format, args);
    va_end(args);
    assert_non_null(text);
    return text;
}

static inline void add_version(FILE *out, const char *name, const model_version *version)
{
    char ts[CVX_TS_SIZE + 1] = "";
    cvx_ts_encode(version->ts, ts);
    fprintf(out, ",\"%s\":{\"querySet\":%u,\"identity\":%u,\"ts\":\"%s\"}", name,
            (unsigned)version->query_set, (unsigned)version->identity, ts);
}

static inline void add_modification(FILE *out, unsigned id, const char *text)
{
    fprintf(out, "{\"type\":\"%s\",\"queryId\":%u,", *text == '!' ? "QueryFailed" : "QueryUpdated",
            id);
    if (*text == '!')
        fprintf(out, "\"errorMessage\":\"%s\"", text + 1);
    else
        fprintf(out, "\"value\":%s", text);
    fputs(",\"logLines\":[],\"journal\":null}", out);
}

/* `slow` leaves a query that was just added for a later Transition. */
static inline void add_modifications(model_server *s, FILE *out, const model_version *end,
                                     bool slow)
{
    const char *comma = "";

    for (unsigned id = 0; id < IDS; id++) {
        uint64_t bit = UINT64_C(1) << id;
        char text[64];
        if (s->removed[id]) {
            fprintf(out, "%s{\"type\":\"QueryRemoved\",\"queryId\":%u}", comma, id);
            s->removed[id] = false;
            comma = ",";
        }
        if (!(s->live & bit) || (slow && (s->added & bit)))
            continue;
        result_text(s, s->query_of[id], end, text, sizeof text);
        s->answered |= bit;
        if (strcmp(text, s->last[id]) == 0)
            continue;
        snprintf(s->last[id], sizeof s->last[id], "%s", text);
        fputs(comma, out);
        add_modification(out, id, text);
        comma = ",";
    }
    if (slow && s->added)
        s->dirty = true;
    s->added = 0;
}

/* Cuts a Transition into parts, each a message. */
static inline void push_chunks(model_server *s, const model_frame *whole, unsigned parts)
{
    size_t len = strlen(whole->text), at = 0;

    s->series++;
    for (unsigned part = 0; part < parts; part++) {
        size_t end = part + 1 == parts ? len : len * (part + 1) / parts, size = 0;
        model_frame frame = *whole;
        FILE *out = open_memstream(&frame.text, &size);
        assert_non_null(out);
        fputs("{\"type\":\"TransitionChunk\",\"chunk\":\"", out);
        for (; at < end; at++) {
            if (whole->text[at] == '"' || whole->text[at] == '\\')
                fputc('\\', out);
            fputc(whole->text[at], out);
        }
        fprintf(out, "\",\"partNumber\":%u,\"totalParts\":%u,\"transitionId\":\"%u\"}", part, parts,
                s->series);
        assert_int_equal(fclose(out), 0);
        frame.kind = MODEL_CHUNK;
        frame.part = part;
        frame.parts = parts;
        frame.series = s->series;
        push_frame(s, frame);
    }
}

/* One Transition to the latest time, of all that was received; parts > 1: in chunks. */
static inline void server_update(model_server *s, unsigned parts, bool slow)
{
    model_frame frame = {.kind = MODEL_TRANSITION, .start = s->sent};
    size_t len = 0;
    FILE *out = open_memstream(&frame.text, &len);

    assert_non_null(out);
    s->dirty = false;
    s->ts += (s->live & ~s->answered) != 0; /* what has news is never of the same version */
    frame.end = (model_version){s->received.query_set, s->received.identity, s->ts};
    fputs("{\"type\":\"Transition\"", out);
    add_version(out, "startVersion", &frame.start);
    add_version(out, "endVersion", &frame.end);
    fputs(",\"modifications\":[", out);
    add_modifications(s, out, &frame.end, slow);
    fputs("]}", out);
    assert_int_equal(fclose(out), 0);
    frame.answered = s->answered;
    s->sent = frame.end;
    if (parts < 2) {
        push_frame(s, frame);
    } else {
        push_chunks(s, &frame, parts);
        free(frame.text);
    }
}

/* ---- from the client ---- */

static inline uint32_t number_in(const convex_value *frame, const char *name)
{
    uint32_t number = 0;
    if (!cvx_u32_read(convex_value_field(frame, name), &number))
        fail_msg("the client sent no %s", name);
    return number;
}

static inline bool has_text(const convex_value *frame, const char *name, const char *text)
{
    const char *is = convex_value_string(convex_value_field(frame, name), NULL);
    return is && strcmp(is, text) == 0;
}

static inline void on_modify(model_server *s, const convex_value *frame)
{
    const convex_value *list = convex_value_field(frame, "modifications");

    assert_int_equal(number_in(frame, "baseVersion"), s->received.query_set);
    s->received.query_set = number_in(frame, "newVersion");
    s->based = true;
    for (size_t i = 0; i < convex_value_count(list); i++) {
        const convex_value *item = convex_value_at(list, i);
        uint32_t id = number_in(item, "queryId");
        uint64_t bit = UINT64_C(1) << id;
        double query = -1;
        assert_true(id < IDS);
        if (has_text(item, "type", "Remove")) {
            assert_true(s->live & bit);
            s->live &= ~bit;
            s->answered &= ~bit;
            s->removed[id] = true;
            continue;
        }
        assert_true(has_text(item, "type", "Add") && !(s->live & bit));
        assert_true(convex_value_float64(convex_value_get(item, "args[0].q"), &query));
        s->query_of[id] = (unsigned)query;
        s->live |= bit;
        s->added |= bit;
    }
}

/* A token in "bad" is refused: AuthError, then the connection ends. */
static inline void on_authenticate(model_server *s, const convex_value *frame)
{
    const char *token = convex_value_string(convex_value_field(frame, "value"), NULL);
    size_t len;

    assert_int_equal(number_in(frame, "baseVersion"), s->received.identity);
    if (token && strncmp(token, "bad", 3) == 0) {
        char *text = text_of_format(&len,
                                    "{\"type\":\"AuthError\",\"error\":\"refused\","
                                    "\"authUpdateAttempted\":true,\"baseVersion\":%u}",
                                    (unsigned)s->sent.identity);
        push_frame(s, (model_frame){.kind = MODEL_OTHER, .text = text});
        s->closing = true;
        return;
    }
    s->received.identity++;
    assert_true(s->received.identity < SUBJECTS);
    snprintf(s->subjects[s->received.identity], sizeof s->subjects[0], "%s", token ? token : "");
}

static inline void answer(model_server *s, uint32_t id, bool mutation, bool success)
{
    const model_record *record = &s->records[id];
    model_frame frame = {.kind = MODEL_OTHER};
    char ts[CVX_TS_SIZE + 1] = "";
    size_t len;

    cvx_ts_encode(record->ts, ts);
    if (!success)
        frame.text = text_of_format(&len,
                                    "{\"type\":\"%s\",\"requestId\":%u,\"success\":false,"
                                    "\"result\":\"no\",\"ts\":null,\"logLines\":[]}",
                                    mutation ? "MutationResponse" : "ActionResponse", (unsigned)id);
    else if (mutation)
        frame.text = text_of_format(&len,
                                    "{\"type\":\"MutationResponse\",\"requestId\":%u,\"success\":"
                                    "true,\"result\":%u,\"ts\":\"%s\",\"logLines\":[]}",
                                    (unsigned)id, record->count, ts);
    else
        frame.text = text_of_format(&len,
                                    "{\"type\":\"ActionResponse\",\"requestId\":%u,\"success\":"
                                    "true,\"result\":%u,\"logLines\":[]}",
                                    (unsigned)id, record->count);
    frame.observed_ts = success && mutation ? record->ts : 0;
    push_frame(s, frame);
    s->dirty = true;
}

/* A mutation runs once for its id, a failed one leaves no trace; an action may come only once. */
static inline void on_request(model_server *s, const convex_value *frame, bool mutation)
{
    uint32_t id = number_in(frame, "requestId");
    bool success = !has_text(frame, "udfPath", "m:fail");
    model_record *record = &s->records[id];

    assert_true(s->based && id < IDS);
    assert_true(id >= s->next_request);
    assert_false(s->never >> id & 1);
    s->next_request = id + 1;
    if (!mutation)
        assert_false(record->received);
    record->received = true;
    if (success && record->ts == 0) {
        double counter = 0;
        assert_true(convex_value_float64(convex_value_get(frame, "args[0].q"), &counter));
        commit(s, (unsigned)counter);
        record->effects++;
        record->ts = s->ts;
        record->count = s->counters[(unsigned)counter];
    }
    answer(s, id, mutation, success);
}

/* `max_observed` is what the Connect must say; 0: nothing. */
static inline void on_connect(model_server *s, const convex_value *frame, unsigned connections,
                              uint64_t max_observed)
{
    uint64_t ts = 0;

    assert_false(s->greeted);
    assert_int_equal(number_in(frame, "connectionCount"), connections);
    cvx_ts_read(convex_value_field(frame, "maxObservedTimestamp"), &ts);
    assert_int_equal(ts, max_observed);
    s->greeted = true;
}

static inline void server_receive(model_server *s, const char *text, unsigned connections,
                                  uint64_t max_observed)
{
    convex_value *frame = parse_as(text, CONVEX_PLAIN_JSON);

    if (s->closing) {
        convex_value_unref(frame);
        return;
    }
    s->dirty = true;
    if (has_text(frame, "type", "Connect")) {
        on_connect(s, frame, connections, max_observed);
    } else {
        assert_true(s->greeted);
        if (has_text(frame, "type", "ModifyQuerySet"))
            on_modify(s, frame);
        else if (has_text(frame, "type", "Authenticate"))
            on_authenticate(s, frame);
        else if (has_text(frame, "type", "Mutation") || has_text(frame, "type", "Action"))
            on_request(s, frame, has_text(frame, "type", "Mutation"));
        else
            fail_msg("the client sent %s", text);
    }
    convex_value_unref(frame);
}

#endif
