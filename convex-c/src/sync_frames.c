/* sync_frames.c - what a connection is told: Connect, Authenticate, the query set, requests.
 * Loop thread. Invariant: each frame is made from the difference between what is
 * wanted and what was told, and the difference is settled when the frame is whole. */
#include "sync_internal.h"

#include <string.h>

/* A frame of many queries is cut here: the server takes 64 MiB a message. */
enum { QUERY_SET_BYTES = 16 * 1024 * 1024 };

static void put_number(cvx_text *out, const char *name, uint64_t number)
{
    cvx_text_add_str(out, ",\"");
    cvx_text_add_str(out, name);
    cvx_text_add_str(out, "\":");
    cvx_text_add_u64(out, number);
}

static void put_string(cvx_text *out, const char *name, const char *string)
{
    cvx_text_add_str(out, ",\"");
    cvx_text_add_str(out, name);
    cvx_text_add_str(out, "\":");
    cvx_text_add_json_string(out, string, strlen(string));
}

static bool make_connect(cvx_sync *sync)
{
    cvx_text *out = &sync->out;
    int64_t wall = sync->now + sync->wall_offset;

    if (sync->greeted)
        return false;
    cvx_text_add_str(out, "{\"type\":\"Connect\"");
    put_string(out, "sessionId", sync->session);
    put_number(out, "connectionCount", sync->opened - 1u);
    if (sync->has_close_reason)
        put_string(out, "lastCloseReason", sync->close_reason);
    else
        cvx_text_add_str(out, ",\"lastCloseReason\":null");
    if (sync->observed) {
        char ts[CVX_TS_SIZE + 1] = "";
        cvx_ts_encode(sync->max_observed, ts);
        put_string(out, "maxObservedTimestamp", ts);
    }
    put_number(out, "clientTs", wall > 0 ? (uint64_t)wall : 0);
    cvx_text_add_str(out, "}");
    if (out->status == CONVEX_OK) {
        sync->greeted = true;
        sync->has_close_reason = false;
    }
    return true;
}

static bool make_authenticate(cvx_sync *sync)
{
    static const char *const types[] = {
        [CVX_ANONYMOUS] = "None", [CVX_USER] = "User", [CVX_ADMIN] = "Admin"};
    cvx_text *out = &sync->out;

    if (!sync->auth_unsent)
        return false;
    cvx_text_add_str(out, "{\"type\":\"Authenticate\"");
    put_number(out, "baseVersion", sync->identity_sent);
    put_string(out, "tokenType", types[sync->credential]);
    if (sync->credential != CVX_ANONYMOUS)
        put_string(out, "value", sync->secret);
    if (sync->credential == CVX_ADMIN && sync->acting_as) {
        cvx_text_add_str(out, ",\"impersonating\":");
        cvx_text_add_str(out, sync->acting_as);
    }
    cvx_text_add_str(out, "}");
    if (out->status == CONVEX_OK) {
        sync->auth_unsent = false;
        sync->identity_sent++;
    }
    return true;
}

static void put_add(cvx_text *out, const cvx_query *query)
{
    size_t len = 0;
    const char *journal = convex_value_string(query->journal, &len);

    cvx_text_add_str(out, "{\"type\":\"Add\"");
    put_number(out, "queryId", query->id);
    cvx_text_add_str(out, ",");
    cvx_text_add(out, query->token, query->token_len);
    if (query->journal) {
        cvx_text_add_str(out, ",\"journal\":");
        if (journal)
            cvx_text_add_json_string(out, journal, len);
        else
            cvx_text_add_str(out, "null");
    }
    cvx_text_add_str(out, "}");
}

static void put_removes(cvx_sync *sync)
{
    const char *comma = "";

    for (const cvx_query *query = sync->queries.gone; query; query = query->next) {
        cvx_text_add_str(&sync->out, comma);
        cvx_text_add_str(&sync->out, "{\"type\":\"Remove\"");
        put_number(&sync->out, "queryId", query->id);
        cvx_text_add_str(&sync->out, "}");
        comma = ",";
    }
}

/* The first list of a connection goes out even when it is empty. */
static bool make_query_set(cvx_sync *sync)
{
    cvx_text *out = &sync->out;
    cvx_query *query = sync->queries.unsent, *end;
    const char *comma = sync->queries.gone ? "," : "";

    if (sync->base_sent && !sync->queries.gone && !query)
        return false;
    cvx_text_add_str(out, "{\"type\":\"ModifyQuerySet\"");
    put_number(out, "baseVersion", sync->query_set_sent);
    put_number(out, "newVersion", (uint64_t)sync->query_set_sent + 1);
    cvx_text_add_str(out, ",\"modifications\":[");
    put_removes(sync);
    for (end = query; end && out->len < QUERY_SET_BYTES && out->status == CONVEX_OK;
         end = end->next) {
        cvx_text_add_str(out, comma);
        put_add(out, end);
        comma = ",";
    }
    cvx_text_add_str(out, "]}");
    if (out->status == CONVEX_OK) {
        for (; query != end; query = query->next)
            query->sent = true;
        cvx_queries_forget_gone(sync);
        sync->queries.unsent = end;
        sync->query_set_sent++;
        sync->base_sent = true;
    }
    return true;
}

static bool make_request(cvx_sync *sync)
{
    cvx_text *out = &sync->out;
    cvx_request *request = sync->requests.unsent;

    if (!request)
        return false;
    cvx_text_add_str(out, request->kind == CVX_ACTION ? "{\"type\":\"Action\""
                                                      : "{\"type\":\"Mutation\"");
    put_number(out, "requestId", request->id);
    cvx_text_add_str(out, ",");
    cvx_text_add(out, request->body, request->body_len);
    cvx_text_add_str(out, "}");
    if (out->status == CONVEX_OK) {
        request->sent = true;
        sync->requests.unsent = request->next;
    }
    return true;
}

static bool has_frame(const cvx_sync *sync)
{
    return !sync->base_sent || sync->auth_unsent || sync->queries.gone || sync->queries.unsent ||
           sync->requests.unsent;
}

bool cvx_sync_frame(cvx_sync *sync)
{
    cvx_text_reset(&sync->out); /* the last one was sent, and a large one is let go */
    if (sync->conn != CVX_OPEN || sync->paused || !has_frame(sync) || cvx_auth_renew_first(sync))
        return false;
    if (!make_connect(sync) && !make_authenticate(sync) && !make_query_set(sync) &&
        !make_request(sync))
        return false;
    if (sync->out.status == CONVEX_OK)
        return true;
    cvx_sync_drop(sync, CONVEX_ENOMEM, "OutOfMemory");
    return false;
}
