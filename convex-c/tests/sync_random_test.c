/* sync_random_test.c - random histories of what a program may ask for: subscribing, changing
 * arguments, asking once, cancelling, deadlines, lingering, other identities. No socket, no clock.
 *
 * The server here is a few lines: it knows which queries are live, with which argument, and tells
 * of each [argument, identity, version]. What must hold:
 *  - a subscriber is shown results of its present argument only, of the present identity only, and
 *    in the end the newest;
 *  - a request is done once, a single query with a result of its own argument;
 *  - what was never sent is told so, and what was sent is not sent twice if it was given up;
 *  - the server is told exactly the queries that somebody wants, or that linger. */
#include "sync_harness.h"

#include "support.h"

enum { STEPS = 300, HISTORIES = 300, ARGS = 6, LIVE = 1024 };

typedef struct history {
    rig r;
    uint64_t seed, ts;
    unsigned query_set, identity; /* as the server has heard */
    int arg_of[LIVE];             /* of each query id; only meaningful while live */
    bool live[LIVE], told[LIVE];
    int sub_arg[MAX_SUBS], read_arg[MAX_CALLS];
    int opens;
    bool open;
} history;

static unsigned chance(history *h, unsigned bound)
{
    return (unsigned)draw_below(&h->seed, bound);
}

/* ---- the server ---- */

static void hear_query_set(history *h, const convex_value *frame)
{
    const convex_value *items = convex_value_field(frame, "modifications");
    double n = 0;
    uint32_t id = 0;

    cvx_u32_read(convex_value_field(frame, "newVersion"), &h->query_set);
    for (size_t i = 0; i < convex_value_count(items); i++) {
        const convex_value *item = convex_value_at(items, i);
        assert_true(cvx_u32_read(convex_value_field(item, "queryId"), &id) && id < LIVE);
        h->live[id] = convex_value_float64(convex_value_get(item, "args[0].n"), &n);
        h->arg_of[id] = (int)n;
        h->told[id] = false;
    }
}

static void hear(history *h)
{
    const char *text;

    while ((text = rig_frame(&h->r)) != NULL) {
        convex_value *frame = rig_parse(text);
        if (strstr(text, "ModifyQuerySet"))
            hear_query_set(h, frame);
        h->identity += strstr(text, "\"Authenticate\"") != NULL;
        convex_value_unref(frame);
    }
}

/* Tells of some queries, or of all that were not told of. */
static void tell(history *h, bool all)
{
    static char list[1 << 15];
    size_t at = 0;

    list[0] = '\0';
    h->ts++;
    for (int id = 0; id < LIVE; id++) {
        if (!h->live[id] || (!all && chance(h, 2)))
            continue;
        h->told[id] = true;
        at += (size_t)snprintf(list + at, sizeof list - at,
                               "%s{\"type\":\"QueryUpdated\",\"queryId\":%d,\"value\":[%d,%u,%d],"
                               "\"logLines\":[],\"journal\":null}",
                               at ? "," : "", id, h->arg_of[id], h->identity, (int)h->ts);
    }
    rig_transition(&h->r, h->query_set, h->identity, h->ts, list);
    assert_int_equal(h->r.closes, 0);
}

/* ---- what was shown ---- */

static void check(history *h)
{
    for (int i = 0; i < h->r.sub_count; i++) {
        const rig_sub *sub = &h->r.subs[i];
        int arg = -1;
        if (!sub->listener.query || !sub->last[0])
            continue;
        assert_int_equal(sscanf(sub->last, "[%d", &arg), 1);
        assert_int_equal(arg, h->sub_arg[i]);
    }
    for (int i = 0; i < h->r.call_count; i++) {
        const rig_call *call = &h->r.calls[i];
        int arg = -1;
        assert_true(call->done <= 1);
        if (call->done && call->request.kind == CVX_READ && call->request.status == CONVEX_OK) {
            assert_int_equal(sscanf(call->result, "[%d", &arg), 1);
            assert_int_equal(arg, h->read_arg[i]);
        }
    }
}

/* ---- steps ---- */

static void connect(history *h)
{
    if (h->open)
        return;
    memset(h->live, 0, sizeof h->live);
    h->query_set = h->identity = 0;
    while (h->r.opens == h->opens)
        rig_wait(&h->r);
    h->opens = h->r.opens;
    h->open = true;
    cvx_sync_opened(h->r.sync, h->r.now, WALL_MS);
    rig_drain(&h->r);
}

static void disconnect(history *h)
{
    if (!h->open)
        return;
    hear(h);
    rig_close(&h->r, 1006, "");
    h->open = false;
}

static void subscribe(history *h)
{
    char args[32];
    int i = h->r.sub_count;

    if (i == MAX_SUBS)
        return;
    h->sub_arg[i] = (int)chance(h, ARGS);
    snprintf(args, sizeof args, "{\"n\":%d}", h->sub_arg[i]);
    rig_subscribe(&h->r, "q:a", args);
}

static void change(history *h)
{
    int i = h->r.sub_count > 0 ? (int)chance(h, (unsigned)h->r.sub_count) : -1;
    rig_sub *sub = i < 0 ? NULL : &h->r.subs[i];
    char args[32];
    int arg = (int)chance(h, ARGS);

    if (!sub || !sub->listener.query)
        return;
    if (arg != h->sub_arg[i])
        sub->last[0] = '\0'; /* what it shows from here on is of the new one */
    h->sub_arg[i] = arg;
    snprintf(args, sizeof args, "{\"n\":%d}", arg);
    rig_set_args(&h->r, sub, "q:a", args);
}

static void unsubscribe(history *h)
{
    int i = h->r.sub_count > 0 ? (int)chance(h, (unsigned)h->r.sub_count) : -1;

    if (i >= 0 && h->r.subs[i].listener.query)
        rig_unsubscribe(&h->r, &h->r.subs[i]);
}

static void request(history *h)
{
    int64_t timeout = chance(h, 2) ? 1 + (int64_t)chance(h, 3000) : 0;
    char args[32];
    int i = h->r.call_count;

    if (i == MAX_CALLS)
        return;
    if (chance(h, 3) == 0) {
        if (timeout)
            rig_call_within(&h->r, chance(h, 2), "m:x", timeout);
        else
            rig_call_at(&h->r, chance(h, 2), "m:x", NULL, NULL, false);
        return;
    }
    h->read_arg[i] = (int)chance(h, ARGS);
    snprintf(args, sizeof args, "{\"n\":%d}", h->read_arg[i]);
    rig_read_args(&h->r, "q:a", args, timeout);
}

static void cancel(history *h)
{
    rig_call *call;

    if (h->r.call_count == 0)
        return;
    call = &h->r.calls[chance(h, (unsigned)h->r.call_count)];
    if (!call->done)
        rig_cancel(&h->r, call);
}

static void step(history *h)
{
    unsigned what = chance(h, 100);

    if (what < 18)
        subscribe(h);
    else if (what < 30)
        change(h);
    else if (what < 40)
        unsubscribe(h);
    else if (what < 50)
        request(h);
    else if (what < 55)
        cancel(h);
    else if (what < 58)
        disconnect(h);
    else if (what < 66)
        connect(h);
    else if (what < 69)
        cvx_sync_set_auth_admin(h->r.sync, cvx_strdup(&h->r.config.mem, "d|k"), NULL, h->r.now);
    else if (what < 71)
        cvx_sync_set_auth_none(h->r.sync, h->r.now);
    else if (what < 76)
        rig_tick(&h->r, chance(h, 50));
    else if (h->open && what < 90)
        tell(h, false);
    else
        hear(h);
    rig_drain(&h->r);
    check(h);
}

/* ---- the end: everything settles ---- */

static void settle(history *h)
{
    bool wanted[ARGS] = {false}, heard[ARGS] = {false};

    connect(h);
    hear(h);
    tell(h, true);
    hear(h); /* those that were done with their results are gone */
    tell(h, true);
    for (int i = 0; i < h->r.sub_count; i++) {
        char newest[64];
        if (!h->r.subs[i].listener.query)
            continue;
        wanted[h->sub_arg[i]] = true;
        snprintf(newest, sizeof newest, "[%d,%u,%d]", h->sub_arg[i], h->identity, (int)h->ts);
        assert_string_equal(h->r.subs[i].last, newest);
    }
    for (int i = 0; i < h->r.call_count; i++)
        assert_true(h->r.calls[i].done || h->r.calls[i].request.kind != CVX_READ);
    rig_tick(&h->r, 20); /* past the lingering */
    hear(h);
    for (int id = 0; id < LIVE; id++)
        if (h->live[id]) {
            assert_false(heard[h->arg_of[id]]); /* each once */
            heard[h->arg_of[id]] = true;
        }
    assert_memory_equal(wanted, heard, sizeof wanted);
}

static void run(uint64_t seed)
{
    static history h;
    cvx_sync_config config = rig_config();
    failing_mem mem = {.left = -1};

    memset(&h, 0, sizeof h);
    h.seed = seed;
    config.mem = failing(&mem);
    config.linger_ms = seed % 2 ? 20 : 0;
    rig_init_with(&h.r, config);
    for (int i = 0; i < STEPS; i++)
        step(&h);
    settle(&h);
    check(&h);
    rig_done(&h.r);
    assert_int_equal(mem.live, 0);
}

TEST(random_histories_show_what_was_asked_for_and_nothing_else)
{
    for (uint64_t seed = 1; seed <= HISTORIES; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_show_what_was_asked_for_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
