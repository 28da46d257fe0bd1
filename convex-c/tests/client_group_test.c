/* client_group_test.c - groups of queries in a whole client, over a real socket. */
#include "client_story.h"

#include "convex/snapshot.h"

typedef struct group_story {
    story base;
    convex_group *group;
    int snapshots;
    char seen[256]; /* every snapshot, in order */
    bool end_in_snapshot;
} group_story;

static void on_snapshot(const convex_snapshot *snapshot, void *user)
{
    group_story *g = user;
    char first[64], second[64];
    size_t at = strlen(g->seen);
    assert_int_equal(convex_snapshot_count(snapshot), 2);
    show(convex_snapshot_result_at(snapshot, 0), first, sizeof first);
    show(convex_snapshot_result_at(snapshot, 1), second, sizeof second);
    snprintf(g->seen + at, sizeof g->seen - at, "%s %s;", first, second);
    g->snapshots++;
    if (g->end_in_snapshot) {
        convex_group_unref(g->group);
        g->group = NULL;
    }
}

static void on_group_end(convex_status why, void *user)
{
    on_end(why, &((group_story *)user)->base);
}

static const convex_query_spec specs[] = {{.path = "q:a"}, {.path = "q:b"}};

static convex_status watch_both(group_story *g)
{
    return convex_client_subscribe_all(g->base.client, specs, 2, on_snapshot, on_group_end, g,
                                       &g->group, NULL);
}

static void script_two_versions(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "\"a\""));
    server_transition(s, 1, 0, 20, SERVER_UPDATED(1, "\"b\""));
    server_receive(s); /* it has been seen, and cannot be skipped any more */
    server_transition(s, 1, 0, 30, SERVER_UPDATED(0, "\"a2\"") "," SERVER_UPDATED(1, "\"b2\""));
    server_receive(s);
}

static void a_group_sees_whole_versions_and_ends_when_it_is_released(void **state)
{
    server *peer = server_start(script_two_versions, 0);
    group_story g = {0};
    begin(&g.base, peer->url);
    assert_int_equal(watch_both(&g), CONVEX_OK);
    run_until(&g.base, &g.snapshots, 1);
    assert_int_equal(
        convex_client_mutation(g.base.client, "m:x", NULL, NULL, NULL, NULL, NULL, NULL),
        CONVEX_OK);
    run_until(&g.base, &g.snapshots, 2);
    assert_string_equal(g.seen, "\"a\" \"b\";\"a2\" \"b2\";");
    convex_group *other = convex_group_ref(g.group);
    convex_group_unref(g.group);
    assert_int_equal(g.base.ends, 0);
    convex_group_unref(other);
    run_until(&g.base, &g.base.ends, 1);
    assert_int_equal(g.base.end_why, CONVEX_ECANCELED);
    finish(&g.base);
    assert_int_equal(g.base.ends, 1);
    server_join(peer);
}

static void a_group_may_end_inside_its_snapshot(void **state)
{
    server *peer = server_start(script_two_versions, 0);
    group_story g = {.end_in_snapshot = true};
    begin(&g.base, peer->url);
    assert_int_equal(watch_both(&g), CONVEX_OK);
    run_until(&g.base, &g.base.ends, 1);
    assert_int_equal(g.snapshots, 1);
    finish(&g.base);
    server_join(peer);
}

static void a_group_that_nobody_keeps_ends_with_the_client(void **state)
{
    group_story g = {0};
    begin(&g.base, "http://127.0.0.1:1");
    assert_int_equal(convex_client_subscribe_all(g.base.client, specs, 2, on_snapshot, on_group_end,
                                                 &g, NULL, NULL),
                     CONVEX_OK);
    convex_client_close(g.base.client);
    assert_int_equal(watch_both(&g), CONVEX_ECLOSED);
    assert_null(g.group);
    finish(&g.base);
    assert_int_equal(g.base.ends, 1);
    assert_int_equal(g.base.end_why, CONVEX_ECLOSED);
}

static void misuse_of_groups_is_refused(void **state)
{
    convex_error error = {0};
    convex_query_spec bad = {.path = "no/such/..:f"};
    group_story g = {0};
    story_init(&g.base);
    convex_options options = options_for(&g.base, "http://127.0.0.1:1");
    options.max_subscriptions = 1;
    begin_with(&g.base, &options);
    assert_int_equal(convex_client_subscribe_all(NULL, specs, 2, on_snapshot, NULL, &g, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(
        convex_client_subscribe_all(g.base.client, specs, 2, NULL, NULL, &g, NULL, NULL),
        CONVEX_EINVAL);
    assert_int_equal(
        convex_client_subscribe_all(g.base.client, NULL, 0, on_snapshot, NULL, &g, NULL, &error),
        CONVEX_EINVAL);
    assert_int_equal(
        convex_client_subscribe_all(g.base.client, &bad, 1, on_snapshot, NULL, &g, NULL, &error),
        CONVEX_EINVAL);
    assert_non_null(strstr(error.message, "no/such"));
    assert_int_equal(watch_both(&g), CONVEX_OK);
    assert_int_equal(
        convex_client_subscribe_all(g.base.client, specs, 2, on_snapshot, NULL, &g, NULL, &error),
        CONVEX_EBUSY);
    assert_int_equal(error.status, CONVEX_EBUSY);
    convex_group_close(g.group);
    convex_group_close(g.group);
    convex_group_close(NULL);
    convex_group_unref(NULL);
    assert_null(convex_group_ref(NULL));
    convex_group_unref(g.group);
    finish(&g.base);
    assert_int_equal(g.base.ends, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_sees_whole_versions_and_ends_when_it_is_released),
        cmocka_unit_test(a_group_may_end_inside_its_snapshot),
        cmocka_unit_test(a_group_that_nobody_keeps_ends_with_the_client),
        cmocka_unit_test(misuse_of_groups_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
