/* sync_model_test.c - the state machine against a reference model, over random histories.
 *
 * A history is a list of random steps: the program subscribes, calls, changes its identity; the
 * server commits and answers; the network delivers, loses, repeats, swaps and cuts messages and
 * drops connections; allocations fail; time passes. Beside the client runs a model of what it
 * has to be: a version, and a text for each query. After every step the two must agree:
 *  - each subscriber saw each distinct result of its query once, and holds the present one;
 *  - all results are of one version: that of the last Transition that was told whole and in order;
 *  - a message is acted on if it is the next one, else the connection is dropped.
 * Each history ends on a network that works: then everything settles in a bounded number of
 * steps, every mutation has taken effect once or, where it failed, never, no action ran twice,
 * and no memory is left.
 *
 * Histories grow, so the first that fails is short; it is printed. CONVEX_MODEL_HISTORIES sets
 * their number, CONVEX_MODEL_SEED runs a single one. */
#include "model_server.h"
#include "sync_harness.h"

typedef struct model {
    rig rig;
    failing_mem mem;
    model_server server;
    uint64_t seed;
    FILE *log;

    /* the connection */
    bool attempt, linked;
    int opens, closes;
    unsigned connections;

    /* the reference client */
    model_version version;
    uint64_t answered, max_observed;
    unsigned chunks_held, chunk_series;
    unsigned query_of[IDS];
    char texts[IDS][64];     /* what the query's subscribers are to see; "": nothing yet */
    char told[MAX_SUBS][64]; /* what they have seen */
    int counts[MAX_SUBS];
    uint32_t ids[MAX_SUBS];
    uint32_t known_ids;
    uint64_t lingering; /* ids of queries that nobody wants, kept for a while */
    int64_t linger_until[IDS];
    unsigned cancelled;   /* bit of each call */
    uint64_t not_again;   /* the same: not to be sent on a later connection */
    unsigned fails, done; /* bit of each call: fails at the server; was seen to be done */
    unsigned tokens;
} model;

/* The one that runs, where the report of a failure finds it. */
static model running;
static char *story;
static size_t story_len;
static uint64_t story_seed;

static unsigned chance(model *m, unsigned bound)
{
    return (unsigned)draw_below(&m->seed, bound);
}

/* ---- the reference client ---- */

static bool is_live(const model *m, int sub)
{
    return m->rig.subs[sub].listener.query != NULL;
}

static void lose_link(model *m)
{
    m->linked = m->attempt = false;
    m->chunks_held = 0;
    server_disconnected(&m->server);
    rig_skip_frames(&m->rig);
}

/* Every subscriber sees the text of its query, but nothing is shown while the identity changes. */
static void show(model *m)
{
    for (int i = 0; i < m->rig.sub_count && !cvx_sync_is_swapping(m->rig.sync); i++) {
        const char *text = m->texts[m->ids[i]];
        if (!is_live(m, i) || strcmp(m->told[i], text) == 0)
            continue;
        snprintf(m->told[i], sizeof m->told[i], "%s", text);
        m->counts[i]++;
    }
}

/* The queries that are wanted, or linger. */
static uint64_t live_queries(const model *m)
{
    uint64_t live = m->lingering;

    for (int i = 0; i < m->rig.sub_count; i++)
        if (is_live(m, i))
            live |= UINT64_C(1) << m->ids[i];
    return live;
}

static void apply(model *m, const model_frame *frame)
{
    uint64_t answered = frame->answered & live_queries(m);

    m->version = frame->end;
    m->answered = frame->answered;
    if (frame->end.ts > m->max_observed)
        m->max_observed = frame->end.ts;
    for (unsigned id = 0; id < m->known_ids; id++) {
        char text[64];
        if (!(answered & UINT64_C(1) << id))
            continue;
        result_text(&m->server, m->query_of[id], &m->version, text, sizeof text);
        memcpy(m->texts[id], text, sizeof text);
    }
}

/* Whether a whole message is the next one in order. */
static bool is_next(model *m, const model_frame *frame)
{
    bool whole = frame->kind == MODEL_TRANSITION;

    if (frame->kind == MODEL_CHUNK) {
        if (frame->part != m->chunks_held ||
            (m->chunks_held > 0 && frame->series != m->chunk_series))
            return false;
        m->chunk_series = frame->series;
        m->chunks_held++;
        whole = m->chunks_held == frame->parts;
        if (!whole)
            return true;
    }
    if (frame->kind != MODEL_PING)
        m->chunks_held = 0;
    return !whole || memcmp(&frame->start, &m->version, sizeof frame->start) == 0;
}

static void take_frame(model *m, const model_frame *frame)
{
    if (frame->observed_ts > m->max_observed)
        m->max_observed = frame->observed_ts;
    if (frame->kind == MODEL_TRANSITION || (frame->kind == MODEL_CHUNK && m->chunks_held == 0))
        apply(m, frame);
}

/* ---- agreement ---- */

static void check_call(model *m, int i)
{
    const rig_call *call = &m->rig.calls[i];
    const model_record *record = &m->server.records[i];
    char text[32];

    assert_true(call->done <= 1);
    if (call->done == 0 || m->done >> i & 1)
        return;
    m->done |= 1u << i;
    if (call->request.status == CONVEX_ECANCELED) {
        assert_true(m->cancelled >> i & 1);
        return; /* that it is never sent, the server sees */
    }
    if (call->request.status != CONVEX_OK) {
        assert_true(call->request.kind == CVX_ACTION || m->cancelled >> i & 1);
        assert_int_equal(call->request.status, CONVEX_EUNKNOWN);
        return;
    }
    snprintf(text, sizeof text, "%u", record->count);
    assert_string_equal(call->result, m->fails >> i & 1 ? "!no" : text);
    assert_int_equal(record->effects, m->fails >> i & 1 ? 0 : 1);
    if (call->request.kind != CVX_ACTION && !call->request.at_commit && !(m->cancelled >> i & 1))
        assert_true(m->linked && m->version.ts >= record->ts); /* its caller sees its effect */
}

static void check(model *m)
{
    cvx_version version = cvx_sync_version(m->rig.sync);
    convex_state state = rig_state(&m->rig);
    uint64_t live = live_queries(m);

    show(m);
    if (m->linked) {
        assert_int_equal(version.query_set, m->version.query_set);
        assert_int_equal(version.identity, m->version.identity);
        assert_int_equal(version.ts, m->version.ts);
    }
    for (int i = 0; i < m->rig.sub_count; i++) {
        if (!is_live(m, i))
            continue;
        assert_string_equal(m->rig.subs[i].last, m->told[i]);
        assert_int_equal(m->rig.subs[i].count, m->counts[i]);
    }
    assert_int_equal(state.queries, __builtin_popcountll(live));
    if (m->linked)
        assert_int_equal(
            state.queries_loading,
            __builtin_popcountll(cvx_sync_is_swapping(m->rig.sync) ? live : live & ~m->answered));
    for (int i = 0; i < m->rig.call_count; i++)
        check_call(m, i);
}

/* The client may have dropped the connection, or asked for one. */
static void follow(model *m)
{
    if (m->rig.closes > m->closes) {
        fputs("  the client drops the connection\n", m->log);
        lose_link(m);
    }
    m->closes = m->rig.closes;
    if (m->rig.opens > m->opens)
        m->attempt = true;
    m->opens = m->rig.opens;
    check(m);
}

/* ---- steps of the program ---- */

/* The subscriber's query has a number, a new one if it was not live. */
static void joined(model *m, int sub, unsigned query)
{
    uint32_t id = m->ids[sub] = cvx_sync_query_id(&m->rig.subs[sub].listener);

    if (id >= m->known_ids) {
        assert_int_equal(id, m->known_ids);
        m->known_ids++;
        m->query_of[id] = query;
    }
    assert_int_equal(m->query_of[id], query);
    m->lingering &= ~(UINT64_C(1) << id);
}

/* If nobody else wants the query, it goes, or lingers. */
static void left(model *m, uint32_t id)
{
    if (m->rig.config.linger_ms == 0 || live_queries(m) & UINT64_C(1) << id)
        return;
    m->lingering |= UINT64_C(1) << id;
    m->linger_until[id] = m->rig.now + m->rig.config.linger_ms;
}

static void pass_time(model *m, int64_t ms)
{
    rig_tick(&m->rig, ms);
    for (unsigned id = 0; id < m->known_ids; id++)
        if (m->linger_until[id] <= m->rig.now)
            m->lingering &= ~(UINT64_C(1) << id);
}

static void subscribe(model *m)
{
    unsigned query = chance(m, QUERIES);
    char args[32];

    if (m->rig.sub_count == MAX_SUBS)
        return;
    snprintf(args, sizeof args, "{\"q\":%u}", query);
    fprintf(m->log, "subscribe %d to %u\n", m->rig.sub_count, query);
    rig_subscribe(&m->rig, "q:get", args);
    joined(m, m->rig.sub_count - 1, query);
}

/* One of the subscribers that are there; -1: none. */
static int some_sub(model *m)
{
    int i = m->rig.sub_count > 0 ? (int)chance(m, (unsigned)m->rig.sub_count) : -1;
    return i >= 0 && is_live(m, i) ? i : -1;
}

static void unsubscribe(model *m)
{
    int i = some_sub(m);

    if (i < 0)
        return;
    fprintf(m->log, "unsubscribe %d\n", i);
    rig_unsubscribe(&m->rig, &m->rig.subs[i]);
    left(m, m->ids[i]);
}

static void set_args(model *m)
{
    unsigned query = chance(m, QUERIES);
    int i = some_sub(m);
    uint32_t old;
    char args[32];

    if (i < 0)
        return;
    old = m->ids[i];
    snprintf(args, sizeof args, "{\"q\":%u}", query);
    fprintf(m->log, "subscriber %d now wants %u\n", i, query);
    if (query != m->query_of[old]) { /* a new beginning */
        m->told[i][0] = '\0';
        m->rig.subs[i].last[0] = '\0';
    }
    rig_set_args(&m->rig, &m->rig.subs[i], "q:get", args);
    joined(m, i, query);
    left(m, old);
}

static void call(model *m)
{
    bool action = chance(m, 4) == 0, fails = chance(m, 5) == 0, at_commit = chance(m, 4) == 0;
    char args[32];

    if (m->rig.call_count == MAX_CALLS)
        return;
    snprintf(args, sizeof args, "{\"q\":%u}", chance(m, COUNTERS));
    m->fails |= (unsigned)fails << m->rig.call_count;
    fprintf(m->log, "%s %d%s%s\n", action ? "action" : "mutation", m->rig.call_count,
            fails ? ", fails" : "", at_commit ? ", at commit" : "");
    rig_call_at(&m->rig, action, fails ? "m:fail" : "m:count", args, NULL, at_commit);
}

static void cancel(model *m)
{
    int i = m->rig.call_count > 0 ? (int)chance(m, (unsigned)m->rig.call_count) : -1;

    if (i < 0 || m->rig.calls[i].done)
        return;
    fprintf(m->log, "cancel %d\n", i);
    m->cancelled |= 1u << i;
    rig_cancel(&m->rig, &m->rig.calls[i]);
    if (m->rig.calls[i].request.status == CONVEX_ECANCELED)
        m->server.never |= UINT64_C(1) << i;
    m->not_again |= UINT64_C(1) << i;
}

static char *new_secret(model *m, const char *kind)
{
    char text[32];
    snprintf(text, sizeof text, "%s%u", kind, m->tokens++);
    return cvx_strdup(&m->rig.config.mem, text);
}

static void change_identity(model *m)
{
    unsigned kind = chance(m, 4);

    m->lingering = 0;
    fprintf(m->log, "identity: %s\n", kind == 0 ? "none" : kind == 1 ? "admin" : "fetched");
    if (kind == 0)
        cvx_sync_set_auth_none(m->rig.sync, m->rig.now);
    else if (kind == 1)
        cvx_sync_set_auth_admin(m->rig.sync, new_secret(m, "admin"), NULL, m->rig.now);
    else
        cvx_sync_set_auth_fetch(m->rig.sync, m->rig.now);
    rig_drain(&m->rig);
}

/* `good`: a token that the server takes, the same as before now and then. */
static void answer_fetch(model *m, bool good)
{
    char *token = NULL;

    if (!m->rig.fetch_pending)
        return;
    m->rig.fetch_pending = false;
    if (good && m->tokens > 0 && chance(m, 3) == 0)
        m->tokens--;
    if (good || chance(m, 4) > 0)
        token = new_secret(m, good || chance(m, 3) > 0 ? "user" : "bad");
    fprintf(m->log, "token %s\n", token ? token : "none");
    cvx_sync_token(m->rig.sync, m->rig.generation, token, NULL, m->rig.now);
    rig_drain(&m->rig);
}

/* ---- steps of the server and the network ---- */

static void connect_or_refuse(model *m, bool works)
{
    if (!m->attempt)
        return;
    m->attempt = false;
    fprintf(m->log, "connection %s\n", works ? "made" : "refused");
    if (!works) {
        rig_close(&m->rig, 1006, "");
        return;
    }
    m->linked = true;
    m->server.never |= m->not_again; /* what was sent and cancelled is not sent on another one */
    m->version = (model_version){0};
    m->answered = 0;
    m->connections++;
    cvx_sync_opened(m->rig.sync, m->rig.now, WALL_MS);
    rig_drain(&m->rig);
}

static void end_connection(model *m)
{
    if (!m->linked)
        return;
    fputs("connection ends\n", m->log);
    lose_link(m);
    rig_close(&m->rig, 1006, "");
}

static void receive(model *m)
{
    const char *frame = m->linked ? rig_frame(&m->rig) : NULL;

    if (!frame)
        return;
    fprintf(m->log, "server gets %s\n", frame);
    server_receive(&m->server, frame, m->connections - 1, m->max_observed);
}

static void update(model *m, bool plain)
{
    bool slow = !plain && chance(m, 5) == 0;
    unsigned parts = !plain && chance(m, 4) == 0 ? 2 + chance(m, 3) : 1;

    if (!m->linked || !m->server.greeted || m->server.closing)
        return;
    server_update(&m->server, parts, slow);
    fprintf(m->log, "server updates, %u parts%s\n", parts, slow ? ", without new queries" : "");
}

static void ping(model *m)
{
    size_t len;
    if (m->linked && m->server.greeted)
        push_frame(&m->server, (model_frame){.kind = MODEL_PING,
                                             .text = text_of_format(&len, "{\"type\":\"Ping\"}")});
}

/* The first message of the queue reaches the client, cut when `len` is short of it. What is next
 * in order is taken and the rest drops the connection; both are allowed when memory was short,
 * and on a refusal, after which the client decides by what it has sent meanwhile. */
static void deliver(model *m, size_t len, bool short_of_memory)
{
    model_frame frame = m->server.queue[0];
    bool whole = len >= strlen(frame.text), fine, dropped;
    int closes = m->rig.closes;

    m->server.queue[0].text = NULL;
    forget_frame(&m->server, 0);
    if (whole)
        len = strlen(frame.text);
    fprintf(m->log, "client gets %.*s%s\n", (int)len, frame.text,
            short_of_memory ? " and is short of memory" : "");
    if (short_of_memory)
        m->mem.left = (long)chance(m, 12);
    cvx_sync_message(m->rig.sync, frame.text, len, m->rig.now);
    m->mem.left = -1;
    rig_drain(&m->rig);
    fine = whole && is_next(m, &frame);
    dropped = m->rig.closes > closes;
    if (!strstr(frame.text, "AuthError") && !short_of_memory)
        assert_int_equal(dropped, !fine);
    if (!dropped)
        take_frame(m, &frame);
    free(frame.text);
}

static model_frame copy_of(const model_frame *frame)
{
    model_frame copy = *frame;
    copy.text = strdup(frame->text);
    assert_non_null(copy.text);
    return copy;
}

/* One of the things that can happen to a message on its way. */
static void deliver_somehow(model *m)
{
    model_server *s = &m->server;
    model_frame first;

    if (!m->linked || s->queued == 0)
        return;
    switch (chance(m, 40)) {
    case 0:
        fprintf(m->log, "lost: %s\n", s->queue[0].text);
        forget_frame(s, 0);
        break;
    case 1:
        push_frame(s, copy_of(&s->queue[0])); /* comes again, later */
        break;
    case 2:
        first = s->queue[0];
        if (s->queued > 1) {
            s->queue[0] = s->queue[1];
            s->queue[1] = first;
        }
        break;
    case 3:
        deliver(m, chance(m, (unsigned)strlen(s->queue[0].text)), false);
        break;
    case 4:
        deliver(m, SIZE_MAX, true);
        break;
    default:
        deliver(m, SIZE_MAX, false);
    }
}

/* ---- histories ---- */

static void begin(model *m, uint64_t seed)
{
    cvx_sync_config config = rig_config();

    memset(m, 0, sizeof *m);
    m->seed = seed;
    m->mem.left = -1;
    config.mem = failing(&m->mem);
    config.linger_ms = seed % 2 ? 0 : 7000;
    server_init(&m->server);
    m->log = open_memstream(&story, &story_len);
    assert_non_null(m->log);
    rig_init_with(&m->rig, config);
}

static void step(model *m)
{
    unsigned what = chance(m, 100);

    if (what < 8)
        subscribe(m);
    else if (what < 11)
        unsubscribe(m);
    else if (what < 13)
        set_args(m);
    else if (what < 18)
        call(m);
    else if (what < 19)
        cancel(m);
    else if (what < 20)
        change_identity(m);
    else if (what < 25)
        answer_fetch(m, false);
    else if (what < 30)
        connect_or_refuse(m, chance(m, 8) > 0);
    else if (what < 32)
        end_connection(m);
    else if (what < 52)
        receive(m);
    else if (what < 64)
        update(m, false);
    else if (what < 65)
        ping(m);
    else if (what < 69)
        commit(&m->server, chance(m, COUNTERS));
    else if (what < 76)
        pass_time(m, (int64_t)chance(m, 20000));
    else
        deliver_somehow(m);
    follow(m);
}

static bool is_settled(const model *m)
{
    if (!m->linked || m->server.dirty || m->server.queued > 0 || m->rig.fetch_pending ||
        m->rig.frame_read < m->rig.frame_count)
        return false;
    for (int i = 0; i < m->rig.call_count; i++)
        if (!m->rig.calls[i].done)
            return false;
    return true;
}

/* The network works from now on, after one last drop, and tokens are good. */
static void settle(model *m)
{
    fputs("-- the network works\n", m->log);
    end_connection(m);
    follow(m);
    for (int i = 0; i < 500 && !is_settled(m); i++) {
        if (m->rig.fetch_pending)
            answer_fetch(m, true);
        else if (m->attempt)
            connect_or_refuse(m, true);
        else if (!m->linked)
            pass_time(m, cvx_sync_deadline(m->rig.sync) - m->rig.now);
        else if (m->rig.frame_read < m->rig.frame_count)
            receive(m);
        else if (m->server.queued > 0)
            deliver(m, SIZE_MAX, false);
        else if (m->server.closing)
            end_connection(m);
        else
            update(m, true);
        follow(m);
    }
    assert_true(is_settled(m));
}

/* What must be true of every history, whatever happened in it. */
static void check_end(model *m)
{
    assert_int_equal(m->version.ts, m->server.ts);
    assert_false(cvx_sync_is_swapping(m->rig.sync));
    for (int i = 0; i < m->rig.sub_count; i++)
        assert_true(!is_live(m, i) || m->rig.subs[i].count > 0);
    for (int i = 0; i < m->rig.call_count; i++) {
        const rig_call *made = &m->rig.calls[i];
        assert_int_equal(made->done, 1);
        assert_true(m->server.records[i].effects <= 1);
        if (made->request.kind != CVX_ACTION && !(m->cancelled >> i & 1))
            assert_int_equal(m->server.records[i].effects, m->fails >> i & 1 ? 0 : 1);
    }
}

static void run_history(uint64_t seed)
{
    model *m = &running;
    unsigned steps = 10 + (unsigned)(seed % 400);

    story_seed = seed;
    begin(m, seed);
    for (unsigned i = 0; i < steps; i++)
        step(m);
    settle(m);
    check_end(m);
    server_disconnected(&m->server);
    rig_done(&m->rig);
    assert_int_equal(m->mem.live, 0);
    fclose(m->log);
    free(story);
    m->log = NULL;
}

/* ---- the test ---- */

static unsigned long setting(const char *name, unsigned long standard)
{
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 10) : standard;
}

TEST(random_histories_agree_with_the_model)
{
    unsigned long only = setting("CONVEX_MODEL_SEED", 0);
    unsigned long histories = setting("CONVEX_MODEL_HISTORIES", 3000);

    if (only > 0)
        run_history(only);
    else
        for (uint64_t seed = 1; seed <= histories; seed++)
            run_history(seed);
}

/* cmocka leaves a failed test by a jump: what there is to say is said here. */
static int report(void **state)
{
    if (running.log) {
        fclose(running.log);
        fprintf(stderr, "%s\nthe history above fails: CONVEX_MODEL_SEED=%llu\n", story,
                (unsigned long long)story_seed);
        free(story);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_histories_agree_with_the_model, report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
