/* sync_apply.c - what the server says: results, answers, errors.
 * Loop thread. Invariant: a message is read whole before anything changes, so a
 * bad one changes nothing but the connection, which is dropped. */
#include "sync_internal.h"

#include <string.h>

#include "result_internal.h"
#include "value_tree.h"

/* The envelope of a Transition is this much deeper than the values in it. */
enum { MAX_DEPTH = 64 + 8 };
enum { LARGE_FRAME = 16 * 1024 }; /* bytes as a tree */

typedef enum verdict {
    APPLIED,
    QUIET,  /* fine, but says nothing about the health of the session */
    BROKEN, /* against the protocol */
    NO_MEMORY
} verdict;

static inline const convex_value *field(const convex_value *object, const char *name)
{
    return cvx_value_field(object, name, strlen(name)); /* of a literal: known when compiled */
}

static bool is_text(const convex_value *value, const char *expected)
{
    size_t len = 0;
    const char *text = convex_value_string(value, &len);
    return text && len == strlen(expected) && memcmp(text, expected, len) == 0;
}

static void observe(cvx_sync *sync, uint64_t ts)
{
    if (!sync->observed || ts > sync->max_observed)
        sync->max_observed = ts;
    sync->observed = true;
}

/* ---- results ---- */

static bool lines_ok(const convex_value *lines)
{
    if (convex_value_type(lines) != CONVEX_ARRAY)
        return false;
    for (size_t i = 0; i < convex_value_count(lines); i++)
        if (convex_value_type(convex_value_at(lines, i)) != CONVEX_STRING)
            return false;
    return true;
}

/* The parts of a frame that are kept. They are copied out when they take less than `limit` bytes,
 * else they keep the frame. */
static verdict make_result(cvx_sync *sync, bool success, const convex_value *value,
                           const convex_value *data, const convex_value *lines, size_t limit,
                           convex_result **ret)
{
    const convex_value *parts[3];
    convex_value *kept[3];

    if (!lines_ok(lines) || (!success && convex_value_type(value) != CONVEX_STRING))
        return BROKEN;
    if (!value)
        value = sync->null_value;
    parts[0] = value;
    parts[1] = success ? NULL : data;
    parts[2] = convex_value_count(lines) > 0 ? lines : NULL;
    cvx_values_keep(parts, 3, limit, &sync->config.mem, kept);
    *ret = success ? cvx_result_success(kept[0], kept[2], &sync->config.mem)
                   : cvx_result_failure(kept[0], kept[1], kept[2], &sync->config.mem);
    return *ret ? APPLIED : NO_MEMORY;
}

/* The server's error texts start with "[Request ID: ...]", new at each run. */
static const char *without_request_id(const char *message, size_t *len)
{
    static const char start[] = "[Request ID: ";
    const char *end;

    if (*len < sizeof start - 1 || memcmp(message, start, sizeof start - 1) != 0)
        return message;
    end = memchr(message, ']', *len);
    if (!end)
        return message;
    *len -= (size_t)(end - message);
    return end;
}

bool cvx_same_result(const convex_result *a, const convex_result *b)
{
    size_t a_len = 0, b_len = 0;
    const char *a_text, *b_text;

    if (!a || !b || convex_result_success(a) != convex_result_success(b))
        return false;
    if (convex_result_success(a))
        return convex_value_equal(convex_result_value(a), convex_result_value(b));
    a_text = convex_result_error_message(a, &a_len);
    b_text = convex_result_error_message(b, &b_len);
    a_text = without_request_id(a_text, &a_len);
    b_text = without_request_id(b_text, &b_len);
    if (a_len != b_len || memcmp(a_text, b_text, a_len) != 0)
        return false;
    return convex_value_equal(convex_result_error_data(a), convex_result_error_data(b));
}

/* ---- Transition ---- */

typedef enum change { UPDATED, FAILED, REMOVED } change;

static bool read_change(const convex_value *modification, change *ret, uint32_t *id)
{
    static const char *const names[] = {
        [UPDATED] = "QueryUpdated", [FAILED] = "QueryFailed", [REMOVED] = "QueryRemoved"};
    const convex_value *type = field(modification, "type");

    for (int i = UPDATED; i <= REMOVED; i++) {
        if (is_text(type, names[i])) {
            *ret = (change)i;
            return cvx_u32_read(field(modification, "queryId"), id);
        }
    }
    return false;
}

static bool read_version(const convex_value *value, cvx_version *ret)
{
    return cvx_u32_read(field(value, "querySet"), &ret->query_set) &&
           cvx_u32_read(field(value, "identity"), &ret->identity) &&
           cvx_ts_read(field(value, "ts"), &ret->ts);
}

static verdict read_modification(cvx_sync *sync, const convex_value *modification, size_t limit)
{
    change kind;
    uint32_t id;
    cvx_query *query;
    convex_result *result = NULL;
    verdict v;

    if (!read_change(modification, &kind, &id))
        return BROKEN;
    if (kind == REMOVED)
        return APPLIED;
    v = make_result(
        sync, kind == UPDATED, field(modification, kind == UPDATED ? "value" : "errorMessage"),
        field(modification, "errorData"), field(modification, "logLines"), limit, &result);
    query = cvx_queries_find(sync, id);
    if (v == APPLIED && query) {
        convex_result_unref(query->incoming);
        query->incoming = result;
    } else {
        convex_result_unref(result); /* of a query just unsubscribed */
    }
    return v;
}

static void keep_journal(cvx_sync *sync, cvx_query *query, const convex_value *journal)
{
    bool null = convex_value_type(journal) == CONVEX_NULL;
    convex_value *kept;

    if (!journal)
        return;
    if (null)
        journal = sync->null_value; /* one for all of them */
    cvx_values_keep(&journal, 1, null ? 0 : SIZE_MAX, &sync->config.mem, &kept);
    convex_value_unref(query->journal);
    query->journal = kept;
}

static void commit_result(cvx_sync *sync, cvx_query *query)
{
    if (!query->loaded)
        cvx_view_confirmed(sync, query);
    cvx_queries_set_loaded(sync, query, true);
    if (cvx_same_result(query->result, query->incoming)) {
        convex_result_unref(query->incoming);
    } else {
        convex_result_unref(query->result);
        query->result = query->incoming;
        cvx_view_result(sync, query);
    }
    query->incoming = NULL;
}

static void commit_modification(cvx_sync *sync, const convex_value *modification)
{
    change kind;
    uint32_t id;
    cvx_query *query;

    if (!read_change(modification, &kind, &id))
        return;
    query = cvx_queries_find(sync, id);
    if (!query)
        return;
    cvx_queries_answered(sync, query);
    if (kind == REMOVED) {
        convex_result_unref(query->result);
        query->result = NULL;
        query->stamp = (cvx_stamp){0};
        cvx_queries_set_loaded(sync, query, false);
        cvx_view_result(sync, query);
    } else {
        keep_journal(sync, query, field(modification, "journal"));
        if (query->incoming)
            commit_result(sync, query);
        if (cvx_query_is_fresh(sync, query))
            cvx_requests_show(sync, query); /* last, as the query may go with its readers */
    }
}

static void forget_incoming(cvx_sync *sync, const convex_value *modifications, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        change kind;
        uint32_t id;
        cvx_query *query = NULL;
        if (read_change(convex_value_at(modifications, i), &kind, &id))
            query = cvx_queries_find(sync, id);
        if (query) {
            convex_result_unref(query->incoming);
            query->incoming = NULL;
        }
    }
}

/* A result that is held keeps no frame alive of which it is less than three quarters. The only one
 * of a large frame is nearly all of it, and need not be measured. */
static size_t copy_limit(const convex_value *frame, size_t results)
{
    size_t size = cvx_tree_size(frame);
    return results == 1 && size >= LARGE_FRAME ? 0 : size / 4 * 3;
}

static verdict on_transition(cvx_sync *sync, const convex_value *frame)
{
    const convex_value *modifications = field(frame, "modifications");
    size_t count = convex_value_count(modifications), read = 0, limit;
    cvx_version start, end, now = sync->version;
    verdict v = APPLIED;

    if (!read_version(field(frame, "startVersion"), &start) ||
        !read_version(field(frame, "endVersion"), &end) ||
        convex_value_type(modifications) != CONVEX_ARRAY)
        return BROKEN;
    if (start.query_set != now.query_set || start.identity != now.identity || start.ts != now.ts)
        return BROKEN;
    if (end.query_set < start.query_set || end.identity < start.identity || end.ts < start.ts)
        return BROKEN;
    limit = copy_limit(frame, count);
    while (read < count && v == APPLIED)
        v = read_modification(sync, convex_value_at(modifications, read++), limit);
    if (v != APPLIED) {
        forget_incoming(sync, modifications, read);
        return v;
    }
    for (size_t i = 0; i < count; i++)
        commit_modification(sync, convex_value_at(modifications, i));
    sync->metrics.transitions++;
    sync->version = end;
    observe(sync, end.ts);
    cvx_auth_transition(sync, &start, &end, field(frame, "clientClockSkew"));
    /* On a new connection results may come later than the version. */
    if (sync->queries.awaited == 0 && !sync->swapping)
        cvx_requests_visible(sync, end.ts);
    return APPLIED;
}

/* ---- chunks ---- */

void cvx_chunks_clear(cvx_sync *sync)
{
    cvx_text_done(&sync->chunks);
    sync->chunks.status = CONVEX_OK;
    cvx_free(&sync->config.mem, sync->chunks_id);
    sync->chunks_id = NULL;
    sync->chunks_open = false;
}

static verdict join_chunks(cvx_sync *sync)
{
    convex_value *frame = NULL;
    const char *text = sync->chunks.data ? sync->chunks.data : "";
    convex_status status = convex_value_parse(text, sync->chunks.len, CONVEX_ENCODED_JSON,
                                              MAX_DEPTH, &sync->config.mem, &frame, NULL);
    verdict v = status == CONVEX_ENOMEM ? NO_MEMORY : BROKEN;

    cvx_chunks_clear(sync);
    if (status == CONVEX_OK && is_text(field(frame, "type"), "Transition"))
        v = on_transition(sync, frame);
    convex_value_unref(frame);
    return v;
}

static verdict on_chunk(cvx_sync *sync, const convex_value *frame)
{
    uint32_t part, total;
    size_t len = 0;
    const char *chunk = convex_value_string(field(frame, "chunk"), &len);
    const char *id = convex_value_string(field(frame, "transitionId"), NULL);

    if (!chunk || !id || !cvx_u32_read(field(frame, "partNumber"), &part) ||
        !cvx_u32_read(field(frame, "totalParts"), &total) || part >= total)
        return BROKEN;
    if (!sync->chunks_open) {
        sync->chunks_id = cvx_strdup(&sync->config.mem, id);
        if (!sync->chunks_id)
            return NO_MEMORY;
        sync->chunks_open = true;
        sync->chunks_held = 0;
        sync->chunks_total = total;
    }
    if (part != sync->chunks_held || total != sync->chunks_total ||
        strcmp(id, sync->chunks_id) != 0 ||
        len > sync->config.max_transition_bytes - sync->chunks.len)
        return BROKEN;
    cvx_text_add(&sync->chunks, chunk, len);
    if (sync->chunks.status != CONVEX_OK)
        return NO_MEMORY;
    sync->metrics.chunks++;
    sync->chunks_held++;
    return sync->chunks_held == sync->chunks_total ? join_chunks(sync) : QUIET;
}

/* ---- answers ---- */

static verdict on_response(cvx_sync *sync, const convex_value *frame, bool action)
{
    uint32_t id;
    bool success;
    uint64_t ts = 0;
    convex_result *result = NULL;
    cvx_request *request;
    verdict v;

    if (!cvx_u32_read(field(frame, "requestId"), &id) ||
        !convex_value_bool(field(frame, "success"), &success) ||
        (success && !action && !cvx_ts_read(field(frame, "ts"), &ts)))
        return BROKEN;
    v = make_result(sync, success, field(frame, "result"), field(frame, "errorData"),
                    field(frame, "logLines"), 0, &result);
    if (v != APPLIED)
        return v;
    if (success && !action)
        observe(sync, ts);
    request = cvx_requests_find(sync, id);
    if (!request || (request->kind == CVX_ACTION) != action || request->answered)
        convex_result_unref(result); /* the first answer counts */
    else
        cvx_requests_answer(sync, request, result, ts);
    return APPLIED;
}

static verdict on_mutation_response(cvx_sync *sync, const convex_value *frame)
{
    return on_response(sync, frame, false);
}

static verdict on_action_response(cvx_sync *sync, const convex_value *frame)
{
    return on_response(sync, frame, true);
}

/* ---- the rest ---- */

static verdict on_auth_error(cvx_sync *sync, const convex_value *frame)
{
    cvx_auth_error(sync, frame);
    return QUIET;
}

static verdict on_fatal_error(cvx_sync *sync, const convex_value *frame)
{
    size_t len = 0;
    const char *text = convex_value_string(field(frame, "error"), &len);

    if (!text || len == 0) {
        text = "FatalError";
        len = strlen(text);
    }
    cvx_sync_keep_line(sync, &sync->server_error, text, len);
    cvx_sync_log(sync, CONVEX_LOG_ERROR, "server ended the session: %.*s", (int)len, text);
    cvx_sync_drop_fatal(sync);
    return QUIET;
}

static verdict on_ping(cvx_sync *sync, const convex_value *frame)
{
    return QUIET;
}

static const struct {
    const char *type;
    verdict (*apply)(cvx_sync *sync, const convex_value *frame);
    bool keeps_chunks;
} messages[] = {
    {"Transition", on_transition, false},
    {"MutationResponse", on_mutation_response, false},
    {"ActionResponse", on_action_response, false},
    {"Ping", on_ping, true},
    {"TransitionChunk", on_chunk, true},
    {"AuthError", on_auth_error, false},
    {"FatalError", on_fatal_error, false},
};

static verdict dispatch(cvx_sync *sync, const convex_value *frame)
{
    const convex_value *type = field(frame, "type");

    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        if (!is_text(type, messages[i].type))
            continue;
        if (!messages[i].keeps_chunks)
            cvx_chunks_clear(sync);
        return messages[i].apply(sync, frame);
    }
    return BROKEN;
}

/* Everything that was outstanding when the connection was made is answered: it works. */
static void note_health(cvx_sync *sync)
{
    if (sync->queries.awaited > 0 || sync->requests.older > 0 || sync->auth_awaited)
        return;
    sync->retries = 0;
    if (sync->last_error == CONVEX_OK)
        return;
    sync->last_error = CONVEX_OK;
    cvx_sync_keep_line(sync, &sync->server_error, "", 0);
    sync->state_changed = true;
}

void cvx_sync_message(cvx_sync *sync, const char *text, size_t len, int64_t now_ms)
{
    convex_value *frame = NULL;
    convex_error error = {0};
    convex_status status;
    verdict v = BROKEN;

    sync->now = now_ms;
    if (sync->conn != CVX_OPEN)
        return;
    sync->active_at = now_ms;
    sync->metrics.messages_received++;
    status = convex_value_parse(text, len, CONVEX_ENCODED_JSON, MAX_DEPTH, &sync->config.mem,
                                &frame, &error);
    if (status == CONVEX_OK)
        v = dispatch(sync, frame);
    else if (status == CONVEX_ENOMEM)
        v = NO_MEMORY;
    if (v == APPLIED)
        note_health(sync);
    if (v == BROKEN) {
        const char *type = convex_value_string(field(frame, "type"), NULL);
        cvx_sync_log(sync, CONVEX_LOG_WARN, "message breaks the protocol (%.40s): reconnecting",
                     type ? type : error.message);
        cvx_sync_drop(sync, CONVEX_EPROTOCOL, "ProtocolError");
    }
    if (v == NO_MEMORY)
        cvx_sync_drop(sync, CONVEX_ENOMEM, "OutOfMemory");
    convex_value_unref(frame);
}
