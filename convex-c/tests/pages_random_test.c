/* pages_random_test.c - paginated queries and chance: a server with a list that changes, pages
 * that split, fail and become void. */
#include "pages_rig.h"

enum { NUMBERS = 120, AT_ONCE = 14, END = NUMBERS + 1, NOWHERE = -2, START = -1 };

typedef struct asked {
    bool live, told;
    unsigned id;
    int from, to, journal; /* positions: after a number, END, or NOWHERE */
    int size, era;
    char said[1024];
} asked;

typedef struct world {
    bool has[NUMBERS];
    unsigned ts, query_set;
    int era;         /* of the cursors; those of an earlier one are void */
    bool failing;    /* every query, and their journals are lost */
    bool keeps_ends; /* a page that is cut names the end it was to have, not the one it has */
    asked queries[256];
    int count;
} world;

static world server;
static bool history[4096][NUMBERS]; /* the list at each timestamp */
static rig *running;

static int position(const convex_value *cursor, int *era)
{
    const char *text = convex_value_string(cursor, NULL);
    int at = 0;

    if (!text)
        return NOWHERE;
    assert_int_equal(sscanf(text, "%d:%d", era, &at), 2);
    return at;
}

static void take_query(const convex_value *item)
{
    const convex_value *options =
        convex_value_field(convex_value_at(convex_value_field(item, "args"), 0), "paginationOpts");
    double size = 0;
    asked *q;

    for (int i = 0;; i++) { /* a free place */
        assert_true(i < 256);
        if (i == server.count)
            server.count++;
        q = &server.queries[i];
        if (!q->live)
            break;
    }
    *q = (asked){.live = true, .era = server.era};
    cvx_u32_read(convex_value_field(item, "queryId"), &q->id);
    q->from = position(convex_value_field(options, "cursor"), &q->era);
    if (q->from == NOWHERE)
        q->from = START;
    q->to = position(convex_value_field(options, "endCursor"), &q->era);
    q->journal = position(convex_value_field(item, "journal"), &q->era);
    assert_true(convex_value_float64(convex_value_field(options, "numItems"), &size));
    q->size = (int)size;
}

/* What the client has sent since; true if there was anything. */
static bool read_frames(rig *r)
{
    bool any = r->frame_count > 0;

    for (int i = 0; i < r->frame_count; i++) {
        convex_value *frame = rig_parse(r->frames[i]);
        const convex_value *items = convex_value_field(frame, "modifications");
        if (strstr(r->frames[i], "\"Connect\""))
            server.count = 0;
        else if (!strstr(r->frames[i], "\"Mutation\""))
            assert_true(cvx_u32_read(convex_value_field(frame, "newVersion"), &server.query_set));
        for (size_t k = 0; k < convex_value_count(items); k++) {
            const convex_value *item = convex_value_at(items, k);
            uint32_t id = 0;
            cvx_u32_read(convex_value_field(item, "queryId"), &id);
            if (convex_value_field(item, "args"))
                take_query(item);
            else
                for (int q = 0; q < server.count; q++)
                    if (server.queries[q].id == id)
                        server.queries[q].live = false;
        }
        convex_value_unref(frame);
        free(r->frames[i]);
    }
    r->frame_count = r->frame_read = 0;
    return any;
}

static void run_failing(asked *q, bool is_void, char *ret, size_t size)
{
    if (!is_void)
        q->journal = NOWHERE;
    snprintf(ret, size,
             "{\"type\":\"QueryFailed\",\"queryId\":%u,\"errorMessage\":\"%s\",\"logLines\":[],"
             "\"journal\":null}",
             q->id, is_void ? "InvalidCursor" : "boom");
}

/* As the server does: an end, told or remembered, counts more than the size; what it cannot read
 * whole it cuts short. */
static void run_query(asked *q, char *ret, size_t size)
{
    int end = q->to != NOWHERE ? q->to : q->journal, rows[NUMBERS], count = 0, at, next;
    const char *status = "null";
    bool bounded = end != NOWHERE, exhausted = false;
    char items[512] = "", split[32] = "null";
    size_t len = 0;

    if (q->era != server.era || server.failing) {
        run_failing(q, q->era != server.era, ret, size);
        return;
    }
    for (at = q->from + 1;; at++) {
        if (at >= NUMBERS || (bounded && at > end)) {
            exhausted = true;
            break;
        }
        if (count >= AT_ONCE && server.has[at])
            status = "\"SplitRequired\"";
        if ((count >= AT_ONCE && server.has[at]) || (!bounded && count == q->size))
            break;
        if (server.has[at])
            rows[count++] = at;
    }
    if (bounded && (exhausted || server.keeps_ends))
        next = end;
    else
        next = exhausted ? END : rows[count - 1];
    if (exhausted && count > 10)
        status = "\"SplitRecommended\"";
    if (count >= 3)
        snprintf(split, sizeof split, "\"%d:%d\"", q->era, rows[count / 2]);
    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(items + len, sizeof items - len, "%s%d", i ? "," : "", rows[i]);
    q->journal = next;
    snprintf(ret, size,
             "{\"type\":\"QueryUpdated\",\"queryId\":%u,\"value\":{\"page\":[%s],\"isDone\":%s,"
             "\"continueCursor\":\"%d:%d\",\"splitCursor\":%s,\"pageStatus\":%s},\"logLines\":[],"
             "\"journal\":\"%d:%d\"}",
             q->id, items, next == END ? "true" : "false", q->era, next, split, status, q->era,
             next);
}

/* Everything that changed; of what was never told, perhaps only a part. */
static void say(rig *r, uint64_t *seed, bool all)
{
    static char list[1 << 15];
    size_t at = 0;

    list[0] = '\0';
    for (int i = 0; i < server.count; i++) {
        asked *q = &server.queries[i];
        char text[1024];
        if (!q->live || (!q->told && !all && draw_below(seed, 2)))
            continue;
        run_query(q, text, sizeof text);
        if (q->told && strcmp(text, q->said) == 0)
            continue;
        q->told = true;
        strcpy(q->said, text);
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at ? "," : "", text);
    }
    server.ts++;
    assert_true(server.ts < sizeof history / sizeof *history);
    memcpy(history[server.ts], server.has, sizeof server.has);
    rig_transition(r, server.query_set, 0, server.ts, list);
}

/* Every list is the beginning of the version it is of, and all of it if it says so. */
static void check_prefix(const reader *p)
{
    char want[sizeof p->last] = "";
    size_t at = 0, count = 0, total = 0;
    cvx_stamp stamp = cvx_view_stamp(running->sync, p->pages.first->listener.query);

    for (int n = 0; n < NUMBERS; n++) {
        if (!history[stamp.ts][n])
            continue;
        total++;
        if (count < convex_page_list_count(p->pages.list)) {
            at += (size_t)snprintf(want + at, sizeof want - at, " %d", n);
            count++;
        }
    }
    if (strncmp(strchr(p->last, ' ') ? strchr(p->last, ' ') : "", want, at) != 0)
        fail_msg("shows %s\nwants  %s", p->last, want);
    if (convex_page_list_status(p->pages.list) == CONVEX_PAGES_EXHAUSTED)
        assert_int_equal(count, total);
    if (convex_page_list_status(p->pages.list) == CONVEX_PAGES_LOADING_FIRST)
        assert_int_equal(convex_page_list_count(p->pages.list), 0);
}

static void settle(rig *r, uint64_t *seed)
{
    int rounds = 0;

    while (read_frames(r)) {
        say(r, seed, true);
        assert_true(rounds++ < 50);
    }
}

static void change_world(uint64_t *seed)
{
    int count = 1 + (int)draw_below(seed, 12), low = (int)draw_below(seed, NUMBERS - 16);
    bool insert = draw_below(seed, 2);

    for (int i = 0; i < count; i++)
        server.has[low + (int)draw_below(seed, 16)] = insert;
}

static void random_step(rig *r, reader *p, uint64_t *seed)
{
    uint64_t what = draw_below(seed, 40);

    if (what < 8) {
        more(r, p, 1 + (uint32_t)draw_below(seed, 6));
    } else if (what < 10) {
        rig_close(r, 1006, "");
        rig_open(r);
        server.count = 0; /* until the frames are read */
        server.query_set = 0;
    } else if (what == 10) {
        server.era++;
    } else if (what < 13) {
        server.failing = !server.failing;
    } else if (what < 20) {
        settle(r, seed);
        return;
    } else {
        change_world(seed);
    }
    if (draw_below(seed, 3))
        read_frames(r);
    say(r, seed, draw_below(seed, 3) > 0);
}

static void random_history(uint64_t seed)
{
    hope same = {.helper = THE_SAME}; /* an update that changes nothing of what is seen */
    convex_pages_status status;
    reader p;
    rig r;

    server = (world){.ts = 10, .keeps_ends = seed % 2 == 0};
    running = &r;
    for (int n = 0; n < NUMBERS; n++)
        server.has[n] = draw_below(&seed, 2);
    rig_init(&r);
    begin_reader(&r, &p, NULL, 3);
    p.check = check_prefix;
    rig_open(&r);
    if (seed % 3 == 0)
        hope_for(&r, &same);
    read_frames(&r);
    say(&r, &seed, true);
    for (int step = 0; step < 250; step++)
        random_step(&r, &p, &seed);
    server.failing = false; /* and in the end all is there */
    read_frames(&r);
    say(&r, &seed, true);
    settle(&r, &seed);
    while ((status = convex_page_list_status(p.pages.list)) != CONVEX_PAGES_EXHAUSTED) {
        assert_int_equal(status, CONVEX_PAGES_CAN_LOAD_MORE);
        assert_true(more(&r, &p, 10));
        settle(&r, &seed);
    }
    check_prefix(&p);
    finish(&r, &p);
}

TEST(in_random_histories_every_list_is_the_beginning_of_one_version)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        random_history(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_random_histories_every_list_is_the_beginning_of_one_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
