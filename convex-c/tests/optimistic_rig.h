/* optimistic_rig.h - mutations with an optimistic update that follows a plan. */
#ifndef OPTIMISTIC_RIG_H
#define OPTIMISTIC_RIG_H

#include "support.h"
#include "sync_harness.h"

#include "optimistic.h"
#include "snapshot.h"

/* What one update does; the args of its mutation are not needed to tell it apart. */
typedef struct plan {
    const char *path, *args; /* of the query it sets */
    const char *value;       /* as JSON; NULL: loading */
    const char *append;      /* to the string that is there, instead of `value` */
    bool bad_path;           /* misbehaves after it has set */
    int runs, freed;
} plan;

static inline void free_plan(void *user)
{
    ((plan *)user)->freed++;
}

static inline void set_text(convex_local_store *store, const plan *p, const char *text)
{
    convex_value *value = text ? parse(text) : NULL, *args = p->args ? parse(p->args) : NULL;
    convex_local_store_set(store, p->path, args, value); /* its failure shows in what is shown */
    convex_value_unref(value);
    convex_value_unref(args);
}

static inline void apply(convex_local_store *store, const convex_value *args, void *user)
{
    plan *p = user;

    p->runs++;
    if (p->append) {
        const char *before =
            convex_value_string(convex_local_store_get(store, p->path, NULL), NULL);
        char text[256];
        snprintf(text, sizeof text, "\"%s%s\"", before ? before : "", p->append);
        if (before)
            set_text(store, p, text);
    } else {
        set_text(store, p, p->value);
    }
    if (p->bad_path)
        convex_local_store_set(store, "../x:y", NULL, NULL);
}

static inline rig_call *mutate_with(rig *r, plan *p, bool at_commit)
{
    rig_call *call = &r->calls[r->call_count];
    convex_optimistic how = {.update = apply, .user = p, .free_user = free_plan};
    size_t len = 0;

    assert_int_equal(
        cvx_call_text(&r->config.mem, "m:x", NULL, NULL, false, &call->body, &len, NULL),
        CONVEX_OK);
    call->request = (cvx_request){.id = (uint32_t)r->call_count++,
                                  .at_commit = at_commit,
                                  .body = call->body,
                                  .body_len = len,
                                  .update = cvx_update_new(&r->config.mem, &how, NULL)};
    assert_non_null(call->request.update);
    cvx_sync_request(r->sync, &call->request);
    return call;
}

static inline rig_call *mutate(rig *r, plan *p)
{
    rig_call *call = mutate_with(r, p, false);
    rig_drain(r);
    return call;
}

static inline void respond(rig *r, unsigned id, bool success, uint64_t ts)
{
    char frame[256], at[CVX_TS_SIZE + 1] = "";

    cvx_ts_encode(ts, at);
    if (success)
        snprintf(frame, sizeof frame,
                 "{\"type\":\"MutationResponse\",\"requestId\":%u,\"success\":true,\"result\":null,"
                 "\"ts\":\"%s\",\"logLines\":[]}",
                 id, at);
    else
        snprintf(frame, sizeof frame,
                 "{\"type\":\"MutationResponse\",\"requestId\":%u,\"success\":false,"
                 "\"result\":\"no\",\"logLines\":[]}",
                 id);
    rig_say(r, frame);
}

/* q:a and q:b, connected, with the results "a" and "b" at timestamp 10. */
static inline void begin(rig *r)
{
    rig_init(r);
    r->distinct = true;
    rig_subscribe(r, "q:a", NULL);
    rig_subscribe(r, "q:b", NULL);
    rig_open(r);
    rig_transition(r, 1, 0, 10, UPDATED(0, "\"a\"") "," UPDATED(1, "\"b\""));
    rig_skip_frames(r);
}

static inline void expect_seen(const rig_sub *sub, int count, const char *last)
{
    assert_string_equal(sub->last, last);
    assert_int_equal(sub->count, count);
}

#endif
