/* snapshot_test.c - several queries as one: always of one version. No socket, no clock. */
#include "support.h"
#include "sync_harness.h"

#include "snapshot.h"

/* What a group's callback saw: each result in order, "+" before a changed one. */
typedef struct watcher {
    cvx_group group;
    int calls;
    char last[256];
    uint64_t ts;
} watcher;

static void on_view(cvx_view *view)
{
    watcher *w = view->user;
    const convex_snapshot *snapshot = w->group.snapshot;
    size_t at = 0;

    w->calls++;
    assert_true(convex_snapshot_ts(snapshot) >= w->ts);
    w->ts = convex_snapshot_ts(snapshot);
    w->last[0] = '\0';
    for (size_t i = 0; i < convex_snapshot_count(snapshot); i++) {
        char text[128] = "";
        bool has_data;
        rig_show(convex_snapshot_result_at(snapshot, i), text, sizeof text, &has_data);
        at += (size_t)snprintf(w->last + at, sizeof w->last - at, "%s%s%s", i ? " " : "",
                               convex_snapshot_changed(snapshot, i) ? "+" : "", text);
    }
}

static void begin_group(rig *r, watcher *w, const char *const *paths, size_t count)
{
    convex_query_spec specs[8];

    r->on_view = on_view;
    *w = (watcher){0};
    for (size_t i = 0; i < count; i++)
        specs[i] = (convex_query_spec){.path = paths[i]};
    assert_int_equal(cvx_group_init(&w->group, &r->config.mem, specs, count, NULL), CONVEX_OK);
    w->group.view.user = w;
    cvx_group_start(r->sync, &w->group);
    rig_drain(r);
}

static void end_group(rig *r, watcher *w)
{
    cvx_group_stop(r->sync, &w->group);
    cvx_group_done(&w->group);
}

/* Two queries, connected, not answered yet. */
static void begin(rig *r, watcher *w)
{
    static const char *const paths[] = {"q:a", "q:b"};
    rig_init(r);
    begin_group(r, w, paths, 2);
    rig_open(r);
}

static void finish(rig *r, watcher *w)
{
    end_group(r, w);
    rig_done(r);
}

#define FAILED(id, message)                                                                        \
    "{\"type\":\"QueryFailed\",\"queryId\":" #id ",\"errorMessage\":\"" message                    \
    "\",\"logLines\":[],\"journal\":null}"
#define REMOVED(id) "{\"type\":\"QueryRemoved\",\"queryId\":" #id "}"

TEST(a_group_is_told_first_when_all_its_queries_are_loaded)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1"));
    assert_int_equal(w.calls, 0);
    rig_transition(&r, 1, 0, 20, UPDATED(1, "2"));
    assert_int_equal(w.calls, 1);
    assert_string_equal(w.last, "+1 +2");
    assert_int_equal(w.ts, 20);
    finish(&r, &w);
}

TEST(a_version_that_changes_several_is_told_once)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    rig_transition(&r, 1, 0, 20, UPDATED(0, "2") "," UPDATED(1, "2"));
    assert_int_equal(w.calls, 2);
    assert_string_equal(w.last, "+2 +2");
    rig_transition(&r, 1, 0, 30, UPDATED(1, "3"));
    assert_int_equal(w.calls, 3);
    assert_string_equal(w.last, "2 +3");
    assert_int_equal(w.ts, 30);
    finish(&r, &w);
}

TEST(a_version_that_changes_none_is_not_told)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    rig_transition(&r, 1, 0, 20, "");
    rig_transition(&r, 1, 0, 30, UPDATED(0, "1")); /* said again */
    assert_int_equal(w.calls, 1);
    rig_transition(&r, 1, 0, 40, UPDATED(1, "2"));
    assert_int_equal(w.ts, 40);
    finish(&r, &w);
}

TEST(a_failed_query_is_a_result)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," FAILED(1, "no"));
    assert_string_equal(w.last, "+1 +!no");
    rig_transition(&r, 1, 0, 20, UPDATED(1, "2"));
    assert_string_equal(w.last, "1 +2");
    finish(&r, &w);
}

TEST(results_of_two_connections_are_not_mixed)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "2"));
    assert_int_equal(w.calls, 1);
    rig_transition(&r, 1, 0, 30, UPDATED(1, "2"));
    assert_int_equal(w.calls, 2);
    assert_string_equal(w.last, "+2 +2");
    assert_int_equal(w.ts, 30);
    finish(&r, &w);
}

TEST(the_confirmation_of_an_unchanged_result_lets_the_change_of_another_through)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "2"));
    rig_transition(&r, 1, 0, 30, UPDATED(1, "1"));
    assert_int_equal(w.calls, 2);
    assert_string_equal(w.last, "+2 1");
    finish(&r, &w);
}

TEST(a_connection_lost_before_all_were_confirmed_shows_nothing_of_it)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "2"));
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_transition(&r, 1, 0, 30, UPDATED(1, "3"));
    assert_int_equal(w.calls, 1);
    rig_transition(&r, 1, 0, 40, UPDATED(0, "1")); /* as it was first */
    assert_int_equal(w.calls, 2);
    assert_string_equal(w.last, "1 +3");
    finish(&r, &w);
}

TEST(a_reconnect_that_changes_nothing_is_not_told)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "2")); /* for a moment only */
    rig_transition(&r, 1, 0, 30, UPDATED(0, "1") "," UPDATED(1, "1"));
    assert_int_equal(w.calls, 1);
    finish(&r, &w);
}

TEST(a_new_identity_shows_itself_in_one_step)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    cvx_sync_set_auth_admin(r.sync, cvx_strdup(&r.config.mem, "key"), NULL, r.now);
    rig_drain(&r);
    rig_transition(&r, 1, 1, 20, UPDATED(0, "2") "," UPDATED(1, "2"));
    assert_int_equal(w.calls, 2);
    assert_string_equal(w.last, "+2 +2");
    finish(&r, &w);
}

TEST(while_the_identity_is_being_swapped_nothing_of_the_former_one_is_shown)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    rig_transition(&r, 1, 0, 20, UPDATED(0, "2")); /* still anonymous */
    assert_int_equal(w.calls, 1);
    rig_token(&r, "e30.eyJpYXQiOjEsImV4cCI6OTk5OTk5fQ.e30");
    rig_transition(&r, 1, 0, 30, UPDATED(1, "2"));
    assert_int_equal(w.calls, 1);
    rig_transition(&r, 1, 1, 40, UPDATED(0, "3"));
    assert_int_equal(w.calls, 2);
    assert_string_equal(w.last, "+3 +2");
    assert_int_equal(w.ts, 40);
    finish(&r, &w);
}

TEST(a_member_that_the_server_takes_back_stops_the_group_until_it_is_there_again)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "1"));
    rig_transition(&r, 1, 0, 20, UPDATED(0, "2") "," REMOVED(1));
    assert_int_equal(w.calls, 1);
    rig_transition(&r, 1, 0, 30, UPDATED(1, "1"));
    assert_int_equal(w.calls, 2);
    assert_string_equal(w.last, "+2 1");
    finish(&r, &w);
}

TEST(a_group_of_loaded_queries_is_told_at_once)
{
    static const char *const paths[] = {"q:b", "q:a", "q:b"};
    rig r;
    watcher w, late;
    begin(&r, &w);
    rig_sub *single = rig_subscribe(&r, "q:a", NULL);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "2"));
    rig_skip_frames(&r);
    begin_group(&r, &late, paths, 3);
    assert_int_equal(late.calls, 1);
    assert_string_equal(late.last, "+2 +1 +2");
    rig_expect_nothing(&r); /* equal queries share one */
    rig_transition(&r, 1, 0, 20, UPDATED(1, "3"));
    assert_string_equal(late.last, "+3 1 +3");
    assert_string_equal(w.last, "1 +3");
    assert_string_equal(single->last, "1");
    end_group(&r, &w);
    rig_transition(&r, 1, 0, 30, UPDATED(1, "4"));
    assert_string_equal(late.last, "+4 1 +4");
    assert_int_equal(w.calls, 2);
    end_group(&r, &late);
    rig_done(&r);
}

TEST(a_snapshot_outlives_its_group)
{
    rig r;
    watcher w;
    begin(&r, &w);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1") "," UPDATED(1, "\"text\""));
    convex_snapshot *kept = convex_snapshot_ref(w.group.snapshot);
    rig_transition(&r, 1, 0, 20, UPDATED(1, "2"));
    finish(&r, &w);
    assert_string_equal(
        convex_value_string(convex_result_value(convex_snapshot_result_at(kept, 1)), NULL), "text");
    assert_int_equal(convex_snapshot_ts(kept), 10);
    assert_null(convex_snapshot_result_at(kept, 2));
    assert_false(convex_snapshot_changed(kept, 2));
    convex_snapshot_unref(kept);
}

TEST(nothing_given_is_answered_calmly)
{
    assert_null(convex_snapshot_ref(NULL));
    convex_snapshot_unref(NULL);
    assert_int_equal(convex_snapshot_count(NULL), 0);
    assert_null(convex_snapshot_result_at(NULL, 0));
    assert_false(convex_snapshot_changed(NULL, 0));
    assert_int_equal(convex_snapshot_ts(NULL), 0);
}

TEST(a_bad_query_of_a_group_is_refused_by_name)
{
    convex_query_spec specs[] = {{.path = "q:a"}, {.path = "../q:b"}};
    convex_mem mem = cvx_mem(NULL);
    convex_error error = {0};
    cvx_group group;
    assert_int_equal(cvx_group_init(&group, &mem, specs, 2, &error), CONVEX_EINVAL);
    assert_non_null(strstr(error.message, "../q:b"));
    assert_int_equal(cvx_group_init(&group, &mem, specs, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_group_init(&group, &mem, NULL, 1, &error), CONVEX_EINVAL);
}

TEST(making_a_group_without_memory_leaves_nothing_behind)
{
    convex_query_spec specs[] = {{.path = "q:a"}, {.path = "q:b"}};
    convex_status status = CONVEX_ENOMEM;

    for (long n = 0; status != CONVEX_OK; n++) {
        failing_mem counter = {.left = n};
        convex_mem mem = failing(&counter);
        cvx_group group;
        status = cvx_group_init(&group, &mem, specs, 2, NULL);
        if (status == CONVEX_OK)
            cvx_group_done(&group);
        else
            assert_int_equal(status, CONVEX_ENOMEM);
        assert_int_equal(counter.live, 0);
        assert_true(n < 50);
    }
}

TEST(a_snapshot_that_found_no_memory_is_made_later)
{
    static const char *const paths[] = {"q:a"};
    failing_mem counter = {.left = -1};
    cvx_sync_config config = rig_config();
    rig r;
    watcher w;

    config.mem = failing(&counter);
    rig_init_with(&r, config);
    begin_group(&r, &w, paths, 1);
    rig_open(&r);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "1"));
    cvx_view_queue(r.sync, &w.group.view); /* so that its step alone is short */
    w.group.members[0].listener.dirty = true;
    counter.left = 0;
    rig_drain(&r);
    assert_int_equal(w.calls, 1);
    counter.left = -1;
    rig_drain(&r);
    assert_int_equal(w.calls, 1); /* not before the time has come */
    assert_int_equal(rig_wait(&r), 1000);
    assert_int_equal(w.calls, 2);
    finish(&r, &w);
    assert_int_equal(counter.live, 0);
}

/* ---- chance: whatever happens, a snapshot is one version's, and the newest is told ---- */

enum { QUERIES = 5, VERSIONS = 400 };

typedef struct world {
    unsigned at[VERSIONS][QUERIES]; /* the value of each query at each timestamp */
    unsigned now;
    bool told[QUERIES]; /* on this connection */
    unsigned said[QUERIES];
} world;

static void next_version(world *w, uint64_t *seed, bool all)
{
    unsigned before = w->now++;
    for (int i = 0; i < QUERIES; i++) {
        w->at[w->now][i] = w->at[before][i];
        if (all || draw_below(seed, 3) == 0)
            w->at[w->now][i] = (unsigned)draw_below(seed, 4);
    }
}

/* What has changed since the client was told; of those it was not told yet, only some. */
static void say_version(rig *r, world *w, uint64_t *seed, unsigned identity, bool everything)
{
    char list[1024] = "";
    size_t at = 0;

    for (int i = 0; i < QUERIES; i++) {
        unsigned value = w->at[w->now][i];
        if (w->told[i] ? w->said[i] == value : !everything && draw_below(seed, 2))
            continue;
        w->told[i] = true;
        w->said[i] = value;
        at += (size_t)snprintf(list + at, sizeof list - at,
                               "%s{\"type\":\"QueryUpdated\",\"queryId\":%d,\"value\":%u,"
                               "\"logLines\":[],\"journal\":null}",
                               at ? "," : "", i, value);
    }
    rig_transition(r, 1, identity, w->now, list);
}

static void check_snapshot(const world *w, const watcher *v)
{
    for (size_t i = 0; i < convex_snapshot_count(v->group.snapshot); i++) {
        double value = -1;
        convex_value_float64(convex_result_value(convex_snapshot_result_at(v->group.snapshot, i)),
                             &value);
        if (value != w->at[v->ts][i])
            fail_msg("query %zu shows %g, but was %u at %u", i, value, w->at[v->ts][i],
                     (unsigned)v->ts);
    }
}

static void random_history(uint64_t seed)
{
    static const char *const paths[] = {"q:a", "q:b", "q:c", "q:d", "q:e"};
    static world w;
    unsigned identity = 0;
    watcher v;
    rig r;

    w = (world){0};
    rig_init(&r);
    begin_group(&r, &v, paths, QUERIES);
    rig_open(&r);
    while (w.now + 1 < VERSIONS) {
        char before[256];
        int calls = v.calls;
        bool everything = draw_below(&seed, 3) > 0, whole = true;
        snprintf(before, sizeof before, "%s", v.last);
        if (draw_below(&seed, 12) == 0) {
            rig_close(&r, 1006, "");
            rig_open(&r);
            memset(w.told, 0, sizeof w.told);
            identity = 0;
        }
        bool other = draw_below(&seed, 20) == 0;
        next_version(&w, &seed, other);
        say_version(&r, &w, &seed, identity, everything);
        for (int i = 0; i < QUERIES; i++)
            whole = whole && w.told[i];
        assert_in_range(v.calls - calls, 0, 1);
        if (v.calls > calls)
            assert_non_null(strchr(v.last, '+'));
        if (v.calls > 0 && v.calls > calls) {
            assert_true(whole);
            assert_int_equal(v.ts, w.now);
            check_snapshot(&w, &v);
        }
        if (whole) { /* told or not, what was told last is what holds now */
            v.ts = w.now;
            check_snapshot(&w, &v);
        }
    }
    finish(&r, &v);
}

TEST(in_random_histories_every_snapshot_is_one_version_and_none_is_missed)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        random_history(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_told_first_when_all_its_queries_are_loaded),
        cmocka_unit_test(a_version_that_changes_several_is_told_once),
        cmocka_unit_test(a_version_that_changes_none_is_not_told),
        cmocka_unit_test(a_failed_query_is_a_result),
        cmocka_unit_test(results_of_two_connections_are_not_mixed),
        cmocka_unit_test(
            the_confirmation_of_an_unchanged_result_lets_the_change_of_another_through),
        cmocka_unit_test(a_connection_lost_before_all_were_confirmed_shows_nothing_of_it),
        cmocka_unit_test(a_reconnect_that_changes_nothing_is_not_told),
        cmocka_unit_test(a_new_identity_shows_itself_in_one_step),
        cmocka_unit_test(while_the_identity_is_being_swapped_nothing_of_the_former_one_is_shown),
        cmocka_unit_test(
            a_member_that_the_server_takes_back_stops_the_group_until_it_is_there_again),
        cmocka_unit_test(a_group_of_loaded_queries_is_told_at_once),
        cmocka_unit_test(a_snapshot_outlives_its_group),
        cmocka_unit_test(nothing_given_is_answered_calmly),
        cmocka_unit_test(a_bad_query_of_a_group_is_refused_by_name),
        cmocka_unit_test(making_a_group_without_memory_leaves_nothing_behind),
        cmocka_unit_test(a_snapshot_that_found_no_memory_is_made_later),
        cmocka_unit_test(in_random_histories_every_snapshot_is_one_version_and_none_is_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
