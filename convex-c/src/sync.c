/* sync.c - the connection of the sync state machine, and what comes out of it.
 * Owns everything in struct cvx_sync. One thread, no I/O, no clock. Invariant: while
 * not OPEN nothing is sent and no message is read; a connection that was given up is
 * told to the outside by exactly one CLOSE before the next OPEN. */
#include "sync_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

enum { RESTARTS_FORGOTTEN_MS = 60 * 1000 };

/* ---- lifetime ---- */

static const convex_value *make_null(const convex_mem *mem)
{
    convex_value *value = NULL;
    return convex_value_parse("null", 4, CONVEX_ENCODED_JSON, 0, mem, &value, NULL) == CONVEX_OK
               ? value
               : NULL;
}

cvx_sync *cvx_sync_new(const cvx_sync_config *config, int64_t now_ms)
{
    const convex_mem *mem = &config->mem;
    cvx_sync *sync = cvx_alloc(mem, sizeof *sync);

    if (!sync)
        return NULL;
    *sync = (cvx_sync){.config = *config,
                       .conn = CVX_WAITING,
                       .now = now_ms,
                       .retry_at = now_ms,
                       .refresh_at = INT64_MAX,
                       .expires_ms = NAN,
                       .views.retry_at = INT64_MAX,
                       .has_close_reason = true,
                       .close_reason = "InitialConnect"};
    if (config->session)
        snprintf(sync->session, sizeof sync->session, "%s", config->session);
    else
        cvx_uuid_text(config->random, sync->session);
    sync->config.session = NULL;
    memcpy(&sync->random, config->random + 16, sizeof sync->random);
    cvx_text_init(&sync->out, mem);
    cvx_text_init(&sync->chunks, mem);
    sync->null_value = make_null(mem);
    if (!cvx_map_init(&sync->queries.by_token, mem) || !cvx_map_init(&sync->queries.by_id, mem) ||
        !cvx_map_init(&sync->requests.by_id, mem) || !sync->null_value) {
        cvx_sync_free(sync);
        return NULL;
    }
    return sync;
}

void cvx_sync_free(cvx_sync *sync)
{
    convex_mem mem;

    if (!sync)
        return;
    mem = sync->config.mem;
    cvx_overlay_clear(sync);
    cvx_queries_free(sync);
    cvx_requests_free(sync);
    cvx_auth_free(sync);
    cvx_chunks_clear(sync);
    cvx_text_done(&sync->out);
    cvx_free(&mem, sync->server_error);
    convex_value_unref(sync->null_value);
    cvx_free(&mem, sync);
}

/* ---- words ---- */

void cvx_sync_line(char *ret, size_t size, const char *text, size_t len)
{
    if (len > size - 1)
        len = size - 1;
    len = cvx_utf8_valid_prefix(text, len);
    memcpy(ret, text, len);
    ret[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)ret[i] < 0x20 || ret[i] == 0x7f)
            ret[i] = ' ';
}

void cvx_sync_keep_line(cvx_sync *sync, char **ret, const char *text, size_t len)
{
    char line[sizeof((convex_state *)0)->server_error];

    cvx_sync_line(line, sizeof line, text, len);
    cvx_free(&sync->config.mem, *ret);
    *ret = *line ? cvx_strdup(&sync->config.mem, line) : NULL;
}

void cvx_sync_log(cvx_sync *sync, convex_log_level level, const char *format, ...)
{
    char raw[700], line[700];
    va_list args;
    int len;

    if (!sync->config.log.fn)
        return;
    va_start(args, format);
    len = vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    if (len < 0)
        return;
    cvx_sync_line(line, sizeof line, raw, strlen(raw));
    sync->config.log.fn(level, line, sync->config.log.user);
}

/* ---- the connection ---- */

static double next_random(cvx_sync *sync)
{
    uint64_t x = sync->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return (double)(x >> 11) / (double)(UINT64_C(1) << 53);
}

/* The first reason since the last Connect is the one the next Connect tells. */
static void note_reason(cvx_sync *sync, const char *wire, const char *words)
{
    if (!sync->has_close_reason && sync->ever_open) {
        cvx_sync_line(sync->close_reason, sizeof sync->close_reason, wire, strlen(wire));
        sync->has_close_reason = true;
    }
    cvx_sync_line(sync->last_reason, sizeof sync->last_reason, words, strlen(words));
    sync->state_changed = true;
}

static void retry_later(cvx_sync *sync, const char *reason, bool ours)
{
    unsigned delay =
        cvx_sync_backoff_ms(&sync->config, reason, ours, sync->retries, next_random(sync));
    sync->conn = CVX_WAITING;
    sync->want_open = false;
    sync->retry_at = sync->now + delay;
    sync->retries++;
    sync->ever_closed = true;
    cvx_chunks_clear(sync);
    cvx_probes_lost(sync, CONVEX_ENETWORK);
    cvx_sync_log(sync, CONVEX_LOG_INFO, "connection ended (%s), next attempt in %u ms",
                 sync->last_reason, delay);
}

/* An attempt that the outside has not begun yet is just called off. */
static void close_socket(cvx_sync *sync)
{
    if (sync->conn == CVX_OPEN || (sync->conn == CVX_CONNECTING && !sync->want_open))
        sync->want_close = true;
    sync->want_open = false;
}

void cvx_sync_drop(cvx_sync *sync, convex_status why, const char *reason)
{
    sync->last_error = why;
    close_socket(sync);
    note_reason(sync, reason, reason);
    retry_later(sync, reason, true);
}

void cvx_sync_drop_fatal(cvx_sync *sync)
{
    while (sync->retries < 31 && (1000u << sync->retries) < sync->config.backoff_max_ms)
        sync->retries++;
    close_socket(sync);
    sync->last_error = CONVEX_ESERVER;
    note_reason(sync, "FatalError", "FatalError");
    retry_later(sync, "FatalError", false);
}

void cvx_sync_stop(cvx_sync *sync)
{
    close_socket(sync);
    cvx_chunks_clear(sync);
    cvx_probes_lost(sync, CONVEX_ENETWORK);
    sync->last_error = CONVEX_EAUTH;
    sync->conn = CVX_STOPPED;
    sync->ever_closed = true;
    cvx_sync_line(sync->last_reason, sizeof sync->last_reason, "identity refused",
                  strlen("identity refused"));
    sync->state_changed = true;
}

/* At once, save when refusals follow one another: a server and a token that never agree must not
 * make a storm. */
void cvx_sync_restart(cvx_sync *sync)
{
    if (sync->conn != CVX_STOPPED)
        return;
    if (sync->restarts > 0 && sync->now - sync->restarted_at >= RESTARTS_FORGOTTEN_MS)
        sync->restarts = 0;
    sync->conn = CVX_WAITING;
    sync->retry_at = sync->now;
    if (sync->restarts > 0)
        sync->retry_at +=
            cvx_sync_backoff_ms(&sync->config, "", true, sync->restarts - 1, next_random(sync));
    sync->restarts++;
    sync->restarted_at = sync->retry_at;
}

void cvx_sync_wall(cvx_sync *sync, int64_t now_ms, int64_t wall_ms)
{
    sync->now = now_ms;
    sync->wall_offset = wall_ms - now_ms;
}

void cvx_sync_opened(cvx_sync *sync, int64_t now_ms, int64_t wall_ms)
{
    cvx_sync_wall(sync, now_ms, wall_ms);
    if (sync->conn != CVX_CONNECTING)
        return;
    sync->conn = CVX_OPEN;
    sync->active_at = now_ms;
    sync->ever_open = true;
    sync->greeted = sync->base_sent = false;
    cvx_queries_restart(sync);
    sync->opened++;
    sync->version = (cvx_version){0};
    sync->query_set_sent = 0;
    sync->state_changed = true;
    cvx_requests_restart(sync);
    cvx_auth_restart(sync);
}

void cvx_sync_closed(cvx_sync *sync, unsigned code, const char *reason, const char *detail,
                     const char *refusal, int64_t now_ms)
{
    char by_code[40];

    sync->now = now_ms;
    if (sync->conn != CVX_OPEN && sync->conn != CVX_CONNECTING)
        return;
    snprintf(by_code, sizeof by_code, "closed with code %u", code);
    sync->last_error = refusal || *reason ? CONVEX_ESERVER : CONVEX_ENETWORK;
    if (refusal)
        cvx_sync_keep_line(sync, &sync->server_error, refusal, strlen(refusal));
    note_reason(sync, *reason ? reason : by_code,
                *reason             ? reason
                : detail && *detail ? detail
                                    : by_code);
    retry_later(sync, reason, false);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t cvx_sync_deadline(const cvx_sync *sync)
{
    int64_t at = INT64_MAX;

    if (sync->conn == CVX_WAITING)
        at = sync->retry_at;
    else if (sync->conn == CVX_CONNECTING)
        at = sync->connect_by;
    else if (sync->conn == CVX_OPEN)
        at = sync->active_at + sync->config.inactivity_ms;
    at = earlier(at, sync->views.retry_at);
    at = earlier(at, sync->refresh_at);
    at = earlier(at, cvx_requests_deadline(sync));
    at = earlier(at, cvx_probes_deadline(sync));
    return earlier(at, cvx_queries_deadline(sync));
}

void cvx_sync_tick(cvx_sync *sync, int64_t now_ms)
{
    sync->now = now_ms;
    cvx_auth_tick(sync);
    cvx_requests_tick(sync);
    cvx_queries_tick(sync);
    cvx_probes_tick(sync);
    if (sync->conn == CVX_WAITING && now_ms >= sync->retry_at) {
        sync->conn = CVX_CONNECTING;
        sync->want_open = true;
        sync->connect_by = now_ms + sync->config.connect_timeout_ms;
    } else if (sync->conn == CVX_CONNECTING && now_ms >= sync->connect_by) {
        close_socket(sync);
        sync->last_error = CONVEX_ETIMEOUT;
        note_reason(sync, "closed with code 1006", "connecting took too long");
        retry_later(sync, "", false);
    } else if (sync->conn == CVX_OPEN && now_ms >= sync->active_at + sync->config.inactivity_ms) {
        cvx_sync_drop(sync, CONVEX_ETIMEOUT, "InactiveServer");
    }
}

void cvx_sync_reconnect_now(cvx_sync *sync, int64_t now_ms)
{
    sync->now = now_ms;
    if (sync->conn == CVX_WAITING)
        sync->retry_at = now_ms;
}

/* ---- outputs ---- */

static bool next_wire_event(cvx_sync *sync, cvx_sync_event *ret)
{
    if (sync->want_close) {
        sync->want_close = false;
        ret->kind = CVX_SYNC_CLOSE;
    } else if (sync->want_open) {
        sync->want_open = false;
        sync->metrics.attempts++;
        ret->kind = CVX_SYNC_OPEN;
    } else if (cvx_sync_frame(sync)) {
        ret->kind = CVX_SYNC_SEND;
        sync->metrics.messages_sent++;
        ret->text = sync->out.data;
        ret->len = sync->out.len;
    } else if ((ret->probe = cvx_probes_next_unsent(sync)) != NULL) {
        ret->kind = CVX_SYNC_PING;
        ret->text = ret->probe->data;
        ret->len = sizeof ret->probe->data;
    } else if (sync->want_close) {
        return next_wire_event(sync, ret); /* the frame could not be made */
    }
    return ret->kind != CVX_SYNC_NONE;
}

cvx_sync_kind cvx_sync_next_wire(cvx_sync *sync, cvx_sync_event *ret)
{
    *ret = (cvx_sync_event){.kind = CVX_SYNC_NONE};
    next_wire_event(sync, ret);
    return ret->kind;
}

/* Results before answers: whoever is told that a mutation is done sees its effect. While the
 * identity is being swapped nothing is shown: what comes is still the former one's. */
cvx_sync_kind cvx_sync_next(cvx_sync *sync, cvx_sync_event *ret)
{
    do {
        if (cvx_sync_next_wire(sync, ret) != CVX_SYNC_NONE)
            return ret->kind;
        cvx_overlay_settle(sync);
        if (!sync->swapping)
            ret->listener = cvx_view_next_listener(sync);
    } while (!sync->swapping && !ret->listener && cvx_view_step(sync, &ret->view));
    if (ret->listener) {
        ret->kind = CVX_SYNC_RESULT;
        sync->metrics.results_delivered++;
    } else if (ret->view) {
        ret->kind = CVX_SYNC_VIEW;
        sync->metrics.results_delivered++;
    } else if ((ret->request = cvx_requests_next_done(sync)) != NULL) {
        ret->kind = CVX_SYNC_DONE;
    } else if ((ret->probe = cvx_probes_next_done(sync)) != NULL) {
        ret->kind = CVX_SYNC_PROBED;
    } else if (sync->fetch_wanted) {
        sync->fetch_wanted = false;
        ret->kind = CVX_SYNC_FETCH;
        sync->metrics.token_fetches++;
        ret->generation = sync->generation;
        ret->force = sync->fetch_force;
    } else if (sync->state_changed) {
        sync->state_changed = false;
        ret->kind = CVX_SYNC_STATE;
    }
    return ret->kind;
}

static void copy_line(char *ret, size_t size, const char *text)
{
    cvx_sync_line(ret, size, text, strlen(text));
}

void cvx_sync_state(const cvx_sync *sync, int64_t now_ms, convex_state *ret)
{
    convex_state state = {.connection = CONVEX_CONNECTION_CONNECTING,
                          .identity = sync->identity,
                          .retry_in_ms = -1,
                          .oldest_request_ms = -1,
                          .connections = sync->opened,
                          .retries = sync->retries};

    state.last_error = sync->identity == CONVEX_IDENTITY_REJECTED ? CONVEX_EAUTH : sync->last_error;
    if (sync->conn == CVX_OPEN)
        state.connection = CONVEX_CONNECTION_CONNECTED;
    else if (sync->ever_closed)
        state.connection = CONVEX_CONNECTION_RECONNECTING;
    if (sync->conn == CVX_WAITING)
        state.retry_in_ms = sync->retry_at > now_ms ? sync->retry_at - now_ms : 0;
    copy_line(state.close_reason, sizeof state.close_reason, sync->last_reason);
    if (sync->auth_error)
        copy_line(state.auth_error, sizeof state.auth_error, sync->auth_error);
    if (sync->server_error)
        copy_line(state.server_error, sizeof state.server_error, sync->server_error);
    state.queries = sync->queries.by_id.count;
    state.queries_loading = state.queries - (sync->swapping ? 0 : sync->queries.loaded);
    state.requests = sync->requests.by_id.count + sync->requests.reading;
    if (cvx_requests_oldest(sync) != INT64_MAX)
        state.oldest_request_ms = now_ms - cvx_requests_oldest(sync);
    *ret = state;
}

void cvx_sync_metrics(const cvx_sync *sync, convex_metrics *ret)
{
    *ret = sync->metrics;
    ret->connections = sync->opened;
}

cvx_version cvx_sync_version(const cvx_sync *sync)
{
    return sync->version;
}

bool cvx_sync_is_swapping(const cvx_sync *sync)
{
    return sync->swapping;
}
