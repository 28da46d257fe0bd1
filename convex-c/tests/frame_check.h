/* frame_check.h - judges what a client sends as the official server would: what ends a session.
 * Every frame of the tests that use sync_harness.h goes through it. */
#ifndef FRAME_CHECK_H
#define FRAME_CHECK_H

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "sync_wire.h"

enum { CHECKED_IDS = 4096 };

/* What the server knows of one connection. */
typedef struct frame_check {
    uint32_t query_set, identity;
    bool live[CHECKED_IDS];
} frame_check;

static inline const convex_value *check_field(const convex_value *frame, const char *name)
{
    return convex_value_field(frame, name);
}

static inline bool check_is(const convex_value *value, const char *text)
{
    const char *got = convex_value_string(value, NULL);
    return got && strcmp(got, text) == 0;
}

static inline bool check_optional(const convex_value *value, convex_type type)
{
    convex_type got = convex_value_type(value);
    return got == CONVEX_ABSENT || got == CONVEX_NULL || got == type;
}

static inline bool check_uuid(const convex_value *value)
{
    const char *text = convex_value_string(value, NULL);
    int digits = 0;

    for (; text && *text; text++) {
        if (isxdigit((unsigned char)*text))
            digits++;
        else if (*text != '-')
            return false;
    }
    return digits == 32;
}

/* A function, in an Add, a Mutation or an Action. */
static inline const char *check_function(const convex_value *frame)
{
    const char *path = convex_value_string(check_field(frame, "udfPath"), NULL);
    const char *component = convex_value_string(check_field(frame, "componentPath"), NULL);
    convex_mem mem = cvx_mem(NULL);
    char *text = NULL;

    if (!check_field(frame, "args"))
        return "no args";
    if (!path || cvx_call_text(&mem, path, component, NULL, false, &text, NULL, NULL) != CONVEX_OK)
        return "malformed path";
    cvx_free(&mem, text);
    return NULL;
}

static inline const char *check_connect(frame_check *c, const convex_value *frame)
{
    const convex_value *observed = check_field(frame, "maxObservedTimestamp");
    double client_ts = 0;
    uint32_t count;
    uint64_t ts;

    if (!check_uuid(check_field(frame, "sessionId")))
        return "no session id";
    if (!cvx_u32_read(check_field(frame, "connectionCount"), &count))
        return "no connection count";
    if (!check_optional(check_field(frame, "lastCloseReason"), CONVEX_STRING))
        return "odd close reason";
    if (convex_value_type(observed) > CONVEX_NULL && !cvx_ts_read(observed, &ts))
        return "malformed timestamp";
    convex_value_float64(check_field(frame, "clientTs"), &client_ts);
    return floor(client_ts) == client_ts ? NULL : "a fraction";
}

static inline const char *check_modification(frame_check *c, const convex_value *item)
{
    const char *fault;
    uint32_t id;

    if (!cvx_u32_read(check_field(item, "queryId"), &id) || id >= CHECKED_IDS)
        return "no query id";
    if (check_is(check_field(item, "type"), "Remove")) {
        if (!c->live[id])
            return "Remove of an unknown query";
        c->live[id] = false;
        return NULL;
    }
    if (!check_is(check_field(item, "type"), "Add"))
        return "unknown modification";
    if (c->live[id])
        return "Add of a live query";
    c->live[id] = true;
    fault = check_function(item);
    if (!fault && !check_optional(check_field(item, "journal"), CONVEX_STRING))
        fault = "odd journal";
    return fault;
}

static inline const char *check_query_set(frame_check *c, const convex_value *frame)
{
    const convex_value *items = check_field(frame, "modifications");
    const char *fault = NULL;
    uint32_t base, next;

    if (!cvx_u32_read(check_field(frame, "baseVersion"), &base) || base != c->query_set)
        return "base version";
    if (!cvx_u32_read(check_field(frame, "newVersion"), &next) || next <= base)
        return "new version";
    if (convex_value_type(items) != CONVEX_ARRAY)
        return "no modifications";
    c->query_set = next;
    for (size_t i = 0; i < convex_value_count(items) && !fault; i++)
        fault = check_modification(c, convex_value_at(items, i));
    return fault;
}

static inline const char *check_request(frame_check *c, const convex_value *frame)
{
    uint32_t id;
    return cvx_u32_read(check_field(frame, "requestId"), &id) ? check_function(frame)
                                                              : "no request id";
}

static inline const char *check_authenticate(frame_check *c, const convex_value *frame)
{
    const convex_value *type = check_field(frame, "tokenType");
    const convex_value *other = check_field(frame, "impersonating");
    uint32_t base;

    if (!cvx_u32_read(check_field(frame, "baseVersion"), &base) || base != c->identity)
        return "base version";
    c->identity++;
    if (check_is(type, "None"))
        return NULL;
    if (!check_is(type, "User") && !check_is(type, "Admin"))
        return "no token type";
    if (!convex_value_string(check_field(frame, "value"), NULL))
        return "no token";
    if (other && !check_field(other, "tokenIdentifier") &&
        !(check_field(other, "issuer") && check_field(other, "subject")))
        return "incomplete identity";
    return NULL;
}

static inline const char *check_event(frame_check *c, const convex_value *frame)
{
    return check_field(frame, "eventType") ? NULL : "no event type";
}

/* NULL: the server takes it; else why it ends the session. */
static inline const char *check_frame(frame_check *c, const char *text, size_t len)
{
    static const struct {
        const char *type;
        const char *(*check)(frame_check *c, const convex_value *frame);
    } kinds[] = {
        {"Connect", check_connect},           {"ModifyQuerySet", check_query_set},
        {"Mutation", check_request},          {"Action", check_request},
        {"Authenticate", check_authenticate}, {"Event", check_event},
    };
    convex_value *frame = NULL;
    const char *fault = "unknown type";

    if (convex_value_parse(text, len, CONVEX_PLAIN_JSON, 80, NULL, &frame, NULL) != CONVEX_OK)
        return "no JSON";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (check_is(check_field(frame, "type"), kinds[i].type))
            fault = kinds[i].check(c, frame);
    convex_value_unref(frame);
    return fault;
}

#endif
