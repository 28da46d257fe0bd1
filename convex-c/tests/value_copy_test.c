/* value_copy_test.c - parts of a tree kept without the rest of it, and what results hold. */
#include "support.h"

#include "sync_harness.h"
#include "value_tree.h"

/* ---- copies ---- */

static convex_value *keep(const convex_value *part, size_t limit, const convex_mem *mem)
{
    convex_value *kept = NULL;
    cvx_values_keep(&part, 1, limit, mem, &kept);
    return kept;
}

TEST(a_copy_is_equal_and_lives_without_the_original)
{
    static const char *const texts[] = {
        "null",
        "true",
        "1.5",
        "\"\"",
        "\"a\\u0000b\"",
        "[]",
        "{}",
        "[[],{},[{}]]",
        "{\"$integer\":\"AQAAAAAAAAA=\"}",
        "{\"$bytes\":\"AQID\"}",
        "{\"$float\":\"AAAAAAAA+H8=\"}",
        "{\"list\":[{\"id\":\"a\",\"n\":1},{\"id\":\"b\",\"n\":2},{\"id\":\"c\",\"x\":[null]}]}"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char frame[300];
        snprintf(frame, sizeof frame, "{\"kept\":%s,\"rest\":\"%0100d\"}", texts[i], 0);
        convex_value *whole = parse(frame);
        convex_value *kept = keep(convex_value_field(whole, "kept"), SIZE_MAX, NULL);
        assert_true(convex_value_equal(kept, convex_value_field(whole, "kept")));
        convex_value_unref(whole);
        assert_prints(kept, texts[i]);
        convex_value_unref(kept);
    }
}

/* Arrays of like objects share their keys; so must copies, or they would be larger. */
TEST(a_copy_is_no_larger_than_the_tree_it_was_measured_by)
{
    size_t len = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &len);

    fputc('[', out);
    for (int i = 0; i < 500; i++)
        fprintf(out,
                "%s{\"_id\":\"%08d\",\"aRatherLongFieldName\":%d,\"anotherLongFieldName\":[%d]}",
                i ? "," : "", i, i, i);
    fputc(']', out);
    fclose(out);
    convex_value *whole = parse(text), *kept = keep(whole, SIZE_MAX, NULL);
    assert_true(convex_value_equal(whole, kept));
    assert_true(cvx_tree_size(kept) <= cvx_tree_size(whole));
    assert_true(cvx_tree_size(kept) < 2 * len);
    size_t exact = cvx_tree_size(kept);
    convex_value *again = keep(whole, exact, NULL); /* not less than that */
    assert_int_equal(cvx_tree_size(again), cvx_tree_size(whole));
    convex_value_unref(again);
    again = keep(whole, exact + 64, NULL);
    assert_int_equal(cvx_tree_size(again), exact);
    convex_value_unref(again);
    convex_value_unref(kept);
    convex_value_unref(whole);
    free(text);
}

TEST(a_copy_of_something_huge_is_whole)
{
    enum { LEN = (1 << 24) + 10 }; /* a length that does not fit into a node */
    char *text = malloc(LEN + 20);
    assert_non_null(text);
    memcpy(text, "[\"", 2);
    memset(text + 2, 'x', LEN);
    memcpy(text + 2 + LEN, "\",1]", 5);
    convex_value *whole = parse(text), *kept = keep(whole, SIZE_MAX, NULL);
    size_t len = 0;
    assert_non_null(convex_value_string(convex_value_at(kept, 0), &len));
    assert_int_equal(len, LEN);
    assert_true(convex_value_equal(whole, kept));
    convex_value_unref(whole);
    convex_value_unref(kept);
    free(text);
}

TEST(parts_together_are_one_tree_and_absent_ones_stay_absent)
{
    convex_value *whole = parse("{\"a\":[1],\"b\":\"text\"}"), *kept[3];
    const convex_value *parts[3] = {convex_value_field(whole, "a"), NULL,
                                    convex_value_field(whole, "b")};

    cvx_values_keep(parts, 3, SIZE_MAX, NULL, kept);
    convex_value_unref(whole);
    assert_prints(kept[0], "[1]");
    assert_null(kept[1]);
    convex_value_unref(kept[0]);
    assert_prints(kept[2], "\"text\"");
    convex_value_unref(kept[2]);
}

TEST(short_of_memory_the_original_is_kept)
{
    convex_value *whole = parse("{\"a\":[{\"b\":\"text\"},{\"b\":\"more\"}]}");

    for (long nth = 0; nth < 4; nth++) {
        failing_mem m = {.left = nth};
        convex_mem mem = failing(&m);
        convex_value *kept = keep(whole, SIZE_MAX, &mem);
        assert_true(convex_value_equal(kept, whole));
        assert_int_equal(m.live, kept == whole ? 0 : 1);
        convex_value_unref(kept);
        assert_int_equal(m.live, 0);
    }
    convex_value_unref(whole);
}

/* ---- what a client holds ---- */

typedef struct weighing {
    size_t live;
} weighing;

/* Each block carries its size before it. */
static void *weighed_realloc(void *ptr, size_t size, void *user)
{
    weighing *w = user;
    size_t *block = ptr ? (size_t *)ptr - 2 : NULL;

    if (block)
        w->live -= block[0];
    if (size == 0) {
        free(block);
        return NULL;
    }
    block = realloc(block, size + 2 * sizeof *block);
    assert_non_null(block);
    block[0] = size;
    w->live += size;
    return block + 2;
}

static rig *begin_weighed(rig *r, weighing *w)
{
    cvx_sync_config config = rig_config();

    w->live = 0;
    config.mem = (convex_mem){weighed_realloc, w};
    rig_init_with(r, config);
    return r;
}

TEST(a_small_result_does_not_keep_the_frame_it_came_in)
{
    static char list[60000];
    size_t at = 0, before;
    weighing w;
    rig r;

    begin_weighed(&r, &w);
    rig_subscribe(&r, "q:a", NULL);
    rig_open(&r);
    for (int i = 0; i < 500; i++)
        at += (size_t)snprintf(list + at, sizeof list - at,
                               "%s{\"type\":\"QueryUpdated\",\"queryId\":%d,\"value\":{\"n\":%d},"
                               "\"logLines\":[\"[LOG] line\"],\"journal\":\"j\"}",
                               i ? "," : "", i, i);
    before = w.live;
    rig_transition(&r, 1, 0, 10, list);
    assert_string_equal(r.subs[0].last, "{\"n\":0}");
    assert_true(w.live - before < 1000);
    const convex_result *result = cvx_sync_result(&r.subs[0].listener);
    assert_int_equal(convex_result_log_count(result), 1);
    rig_close(&r, 1006, "");
    rig_open(&r);
    rig_skip_frames(&r);
    assert_true(w.live - before < 1500);
    rig_done(&r);
    assert_int_equal(w.live, 0);
}

TEST(a_failure_is_copied_with_its_data)
{
    static char list[60000];
    weighing w;
    rig r;

    begin_weighed(&r, &w);
    rig_subscribe(&r, "q:a", NULL);
    rig_open(&r);
    snprintf(list, sizeof list,
             "{\"type\":\"QueryFailed\",\"queryId\":0,\"errorMessage\":\"no\",\"errorData\":[1],"
             "\"logLines\":[],\"journal\":null},"
             "{\"type\":\"QueryUpdated\",\"queryId\":1,\"value\":\"%030000d\",\"logLines\":[],"
             "\"journal\":null}",
             0);
    size_t before = w.live;
    rig_transition(&r, 1, 0, 10, list);
    assert_string_equal(r.subs[0].last, "!no");
    assert_true(w.live - before < 1000);
    const convex_result *result = cvx_sync_result(&r.subs[0].listener);
    assert_prints(convex_result_error_data(result), "[1]");
    rig_done(&r);
}

TEST(a_large_result_holds_at_most_twice_its_text)
{
    static char list[60000];
    size_t at = 0, before;
    weighing w;
    rig r;

    for (int docs = 10; docs <= 100; docs += 15) {
        begin_weighed(&r, &w);
        rig_subscribe(&r, "q:a", NULL);
        rig_open(&r);
        at = (size_t)snprintf(list, sizeof list,
                              "{\"type\":\"QueryUpdated\",\"queryId\":0,\"value\":[");
        for (int i = 0; i < docs; i++)
            at += (size_t)snprintf(list + at, sizeof list - at,
                                   "%s{\"_id\":\"k57%029d\",\"_creationTime\":170000000%d.25,"
                                   "\"author\":\"somebody\",\"text\":\"%0100d\",\"likes\":%d}",
                                   i ? "," : "", i, i, i, i);
        snprintf(list + at, sizeof list - at, "],\"logLines\":[],\"journal\":null}");
        before = w.live;
        rig_transition(&r, 1, 0, 10, list);
        assert_true(w.live - before <= 2 * at);
        rig_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_equal_and_lives_without_the_original),
        cmocka_unit_test(a_copy_is_no_larger_than_the_tree_it_was_measured_by),
        cmocka_unit_test(a_copy_of_something_huge_is_whole),
        cmocka_unit_test(parts_together_are_one_tree_and_absent_ones_stay_absent),
        cmocka_unit_test(short_of_memory_the_original_is_kept),
        cmocka_unit_test(a_small_result_does_not_keep_the_frame_it_came_in),
        cmocka_unit_test(a_failure_is_copied_with_its_data),
        cmocka_unit_test(a_large_result_holds_at_most_twice_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
