/* pages_test.c - a list read page by page: always one version's, from its beginning on. */
#include "support.h"
#include "sync_harness.h"

#include "optimistic.h"
#include "pages.h"
#include "sync_internal.h"

/* ---- what a paginated query's callback saw ---- */

typedef struct reader {
    cvx_pages pages;
    int calls;
    char last[2048]; /* the status in words, then the items */
    void (*check)(const struct reader *reader);
} reader;

static const char *const status_names[] = {"first", "more", "can", "all", "failed"};

static void on_view(cvx_view *view)
{
    reader *p = view->user;
    const convex_page_list *list = p->pages.list;
    char text[sizeof p->last];
    size_t at = (size_t)snprintf(text, sizeof text, "%s",
                                 status_names[list ? convex_page_list_status(list) : 0]);

    for (size_t i = 0; i < convex_page_list_count(list); i++) {
        char *item = print_as(convex_page_list_at(list, i), CONVEX_ENCODED_JSON);
        at += (size_t)snprintf(text + at, sizeof text - at, " %s", item);
        convex_text_free(item, NULL);
    }
    assert_null(convex_page_list_at(list, convex_page_list_count(list)));
    if (convex_page_list_status(list) == CONVEX_PAGES_FAILED)
        snprintf(text + at, sizeof text - at, " !%s",
                 convex_result_error_message(convex_page_list_error(list), NULL));
    else
        assert_null(convex_page_list_error(list));
    if (p->calls > 0)
        assert_string_not_equal(text, p->last); /* nobody is told the same twice */
    p->calls++;
    memcpy(p->last, text, sizeof text);
    if (p->check)
        p->check(p);
}

static void begin_reader(rig *r, reader *p, const char *args, uint32_t page_size)
{
    convex_value *value = args ? parse(args) : NULL;

    *p = (reader){0};
    r->on_view = on_view;
    assert_int_equal(cvx_pages_init(&p->pages, &r->config.mem, "l:list", value, page_size, 7, NULL),
                     CONVEX_OK);
    convex_value_unref(value);
    p->pages.view.user = p;
    cvx_pages_start(r->sync, &p->pages);
    rig_drain(r);
}

static void begin(rig *r, reader *p, uint32_t page_size)
{
    rig_init(r);
    begin_reader(r, p, NULL, page_size);
    rig_open(r);
    rig_skip_frames(r);
}

static void end_reader(rig *r, reader *p)
{
    cvx_pages_stop(r->sync, &p->pages);
    cvx_pages_done(&p->pages);
}

static void finish(rig *r, reader *p)
{
    end_reader(r, p);
    rig_done(r);
}

static bool more(rig *r, reader *p, uint32_t count)
{
    bool asked = cvx_pages_load_more(r->sync, &p->pages, count);
    rig_drain(r);
    return asked;
}

/* A page's value; `rest` its other members, each after a comma. */
#define PAGE(id, items, done, cursor, rest)                                                        \
    "{\"type\":\"QueryUpdated\",\"queryId\":" #id ",\"value\":{\"page\":[" items                   \
    "],\"isDone\":" #done ",\"continueCursor\":\"" cursor "\"" rest                                \
    "},\"logLines\":[],\"journal\":\"j" #id "\"}"
#define NO_SPLIT               ",\"splitCursor\":null,\"pageStatus\":null"
#define SPLIT_AT(cursor)       ",\"splitCursor\":\"" cursor "\",\"pageStatus\":null"
#define RECOMMENDED_AT(cursor) ",\"splitCursor\":\"" cursor "\",\"pageStatus\":\"SplitRecommended\""
#define REQUIRED_AT(cursor)    ",\"splitCursor\":\"" cursor "\",\"pageStatus\":\"SplitRequired\""
#define FAILED(id, message, more)                                                                  \
    "{\"type\":\"QueryFailed\",\"queryId\":" #id ",\"errorMessage\":\"" message                    \
    "\",\"logLines\":[],\"journal\":null" more "}"

/* ---- stories ---- */

TEST(pages_are_asked_for_as_the_official_client_asks)
{
    reader p;
    rig r;
    rig_init(&r);
    begin_reader(&r, &p, "{\"zone\":\"a\",\"n\":1}", 2);
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":0,\"newVersion\":1,"
                   "\"modifications\":[{\"type\":\"Add\",\"queryId\":0,\"udfPath\":\"l:list\","
                   "\"args\":[{\"n\":1,\"paginationOpts\":{\"cursor\":null,\"id\":7,"
                   "\"numItems\":2},\"zone\":\"a\"}]}]}");
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    assert_string_equal(p.last, "can 1 2");
    assert_true(more(&r, &p, 5));
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":1,\"newVersion\":2,"
                   "\"modifications\":[{\"type\":\"Add\",\"queryId\":1,\"udfPath\":\"l:list\","
                   "\"args\":[{\"n\":1,\"paginationOpts\":{\"cursor\":\"c2\",\"id\":7,"
                   "\"numItems\":5},\"zone\":\"a\"}]}]}");
    finish(&r, &p);
}

TEST(more_is_loaded_until_there_is_no_more)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    assert_false(more(&r, &p, 2)); /* loading */
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    assert_string_equal(p.last, "can 1 2");
    assert_true(more(&r, &p, 2));
    assert_string_equal(p.last, "more 1 2");
    assert_false(more(&r, &p, 2));
    rig_transition(&r, 2, 0, 20, PAGE(1, "3", true, "end", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3");
    assert_false(more(&r, &p, 2));
    assert_int_equal(p.calls, 3);
    rig_transition(&r, 2, 0, 30, PAGE(1, "3", true, "end2", NO_SPLIT)); /* no item changed */
    assert_int_equal(p.calls, 3);
    finish(&r, &p);
}

TEST(an_item_that_moves_between_pages_is_seen_once_in_every_list)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3,4", true, "end", NO_SPLIT));
    int calls = p.calls;
    rig_transition(&r, 2, 0, 30,
                   PAGE(0, "0,1,2", false, "c2", NO_SPLIT) "," PAGE(1, "4", true, "end", NO_SPLIT));
    assert_int_equal(p.calls, calls + 1);
    assert_string_equal(p.last, "all 0 1 2 4");
    finish(&r, &p);
}

TEST(a_long_page_is_split_and_shown_until_both_halves_are_there)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2,3,4", true, "end", SPLIT_AT("c2")));
    rig_expect_nothing(&r); /* twice the size is not too long */
    rig_transition(&r, 1, 0, 20, PAGE(0, "1,2,3,4,5", true, "end", SPLIT_AT("c3")));
    rig_expect(&r, "{\"type\":\"ModifyQuerySet\",\"baseVersion\":1,\"newVersion\":2,"
                   "\"modifications\":["
                   "{\"type\":\"Add\",\"queryId\":1,\"udfPath\":\"l:list\",\"args\":["
                   "{\"paginationOpts\":{\"cursor\":null,\"endCursor\":\"c3\",\"id\":7,"
                   "\"numItems\":2}}]},"
                   "{\"type\":\"Add\",\"queryId\":2,\"udfPath\":\"l:list\",\"args\":["
                   "{\"paginationOpts\":{\"cursor\":\"c3\",\"endCursor\":\"end\",\"id\":7,"
                   "\"numItems\":2}}]}]}");
    assert_string_equal(p.last, "all 1 2 3 4 5");
    rig_transition(&r, 2, 0, 30,
                   PAGE(0, "1,2,3,4,5,6", true, "end", SPLIT_AT("c3")) "," PAGE(1, "1,2,3", false,
                                                                                "c3", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3 4 5 6");
    int calls = p.calls;
    rig_transition(&r, 2, 0, 40, PAGE(2, "4,5,6", true, "end", NO_SPLIT));
    assert_int_equal(p.calls, calls); /* the same list */
    rig_expect_text(&r, "\"modifications\":[{\"type\":\"Remove\",\"queryId\":0}]");
    rig_transition(&r, 3, 0, 50, PAGE(2, "4,5,6,7", true, "end", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3 4 5 6 7");
    finish(&r, &p);
}

TEST(a_page_is_split_when_the_server_recommends_it)
{
    reader p;
    rig r;
    begin(&r, &p, 9);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2,3", false, "c3", RECOMMENDED_AT("c2")));
    assert_string_equal(p.last, "can 1 2 3");
    rig_expect_text(&r, "\"cursor\":\"c2\",\"endCursor\":\"c3\"");
    assert_true(more(&r, &p, 9)); /* goes on when the halves are there */
    rig_expect_nothing(&r);
    rig_transition(&r, 2, 0, 20,
                   PAGE(1, "1,2", false, "c2", NO_SPLIT) "," PAGE(2, "3", false, "c3", NO_SPLIT));
    rig_expect_text(&r, "\"cursor\":\"c3\",\"id\":7,\"numItems\":9");
    assert_string_equal(p.last, "more 1 2 3");
    finish(&r, &p);
}

TEST(a_page_that_was_cut_short_gives_way_to_halves_that_reach_up_to_the_next_page)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,5", false, "c5", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "8,9", true, "end", NO_SPLIT));
    rig_skip_frames(&r);
    int calls = p.calls;
    rig_transition(&r, 2, 0, 30, PAGE(0, "1,2,3", false, "c3", REQUIRED_AT("c2")));
    assert_int_equal(p.calls, calls); /* 4 and 5 may be missing in it */
    rig_expect_text(&r, "\"cursor\":\"c2\",\"endCursor\":\"c5\"");
    rig_transition(&r, 2, 0, 35, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    assert_int_equal(p.calls, calls); /* still */
    rig_transition(
        &r, 3, 0, 40,
        PAGE(2, "1,2", false, "c2", NO_SPLIT) "," PAGE(3, "3,4,5", false, "c5", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3 4 5 8 9");
    finish(&r, &p);
}

TEST(a_split_that_leads_nowhere_is_not_made)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", RECOMMENDED_AT("c2")));
    rig_expect_nothing(&r);
    more(&r, &p, 2);
    rig_skip_frames(&r);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3,4,5", false, "c5", REQUIRED_AT("c2")));
    rig_expect_nothing(&r);
    assert_string_equal(p.last, "can 1 2 3 4 5");
    finish(&r, &p);
}

static void expect_restart(const char *failure)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_skip_frames(&r);
    rig_transition(&r, 2, 0, 20, failure);
    assert_string_equal(p.last, "first");
    rig_expect_text(&r, "{\"type\":\"Remove\",\"queryId\":1},{\"type\":\"Remove\",\"queryId\":0},"
                        "{\"type\":\"Add\",\"queryId\":2");
    assert_non_null(
        strstr(r.frames[r.frame_read - 1], "{\"cursor\":null,\"id\":4294967303,\"numItems\":2}"));
    rig_transition(&r, 3, 0, 30, PAGE(2, "5,6", false, "d6", NO_SPLIT));
    assert_string_equal(p.last, "can 5 6");
    finish(&r, &p);
}

TEST(a_void_cursor_begins_anew_with_another_id)
{
    expect_restart(FAILED(1, "[Request ID: 1] Server Error\\nInvalidCursor: no", ""));
    expect_restart(FAILED(1, "Server Error",
                          ",\"errorData\":{\"isConvexSystemError\":true,"
                          "\"paginationError\":\"InvalidCursor\"}"));
}

TEST(a_first_page_that_says_so_at_once_has_failed)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, FAILED(0, "InvalidCursor", ""));
    assert_string_equal(p.last, "failed !InvalidCursor");
    rig_expect_nothing(&r);
    finish(&r, &p);
}

TEST(a_failed_page_ends_the_list_until_it_recovers)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, FAILED(1, "boom", ""));
    assert_string_equal(p.last, "failed 1 2 !boom");
    assert_false(more(&r, &p, 2));
    rig_transition(&r, 2, 0, 30, PAGE(1, "3", true, "end", NO_SPLIT));
    assert_string_equal(p.last, "all 1 2 3");
    rig_transition(&r, 2, 0, 40, FAILED(1, "ouch", ",\"errorData\":{\"paginationError\":1}"));
    assert_string_equal(p.last, "failed 1 2 !ouch");
    finish(&r, &p);
}

TEST(a_page_that_recovers_with_another_end_is_replaced_before_it_is_shown)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3", true, "end", NO_SPLIT));
    rig_transition(&r, 2, 0, 30, FAILED(0, "boom", ""));
    assert_string_equal(p.last, "failed !boom");
    rig_skip_frames(&r);
    rig_transition(&r, 2, 0, 40, PAGE(0, "0,1", false, "c1", NO_SPLIT));
    assert_string_equal(p.last, "failed !boom"); /* 2 would be missing */
    rig_expect_text(&r, "\"cursor\":null,\"endCursor\":\"c2\"");
    rig_transition(&r, 3, 0, 50, PAGE(2, "0,1,2", false, "c2", NO_SPLIT));
    assert_string_equal(p.last, "all 0 1 2 3");
    finish(&r, &p);
}

TEST(a_query_that_returns_no_page_is_a_failure_in_words)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, UPDATED(0, "[1,2]"));
    assert_non_null(strstr(p.last, "does not paginate"));
    finish(&r, &p);
}

TEST(a_reconnect_sends_the_journals_and_waits_for_all_pages)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3", true, "end", NO_SPLIT));
    int calls = p.calls;
    rig_close(&r, 1006, "");
    rig_skip_frames(&r);
    rig_open(&r);
    rig_expect_text(&r, "Connect");
    rig_expect_text(&r, "\"journal\":\"j0\"");
    rig_transition(&r, 1, 0, 30, PAGE(0, "1", false, "c2", NO_SPLIT));
    assert_int_equal(p.calls, calls);
    rig_transition(&r, 1, 0, 40, PAGE(1, "2,3,4", true, "end", NO_SPLIT));
    assert_int_equal(p.calls, calls + 1);
    assert_string_equal(p.last, "all 1 2 3 4");
    finish(&r, &p);
}

/* Puts 0 before the items of the first page. */
static void insert_zero(convex_local_store *store, const convex_value *args, void *user)
{
    for (size_t i = 0; i < convex_local_store_count(store, "l:list"); i++) {
        const convex_value *of = NULL, *page = NULL;
        convex_value *changed = parse("{\"page\":[0,1,2]}");
        assert_true(convex_local_store_at(store, "l:list", i, &of, &page));
        if (page && convex_value_type(convex_value_get(of, "paginationOpts.cursor")) == CONVEX_NULL)
            assert_int_equal(convex_local_store_set(store, "l:list", of, changed), CONVEX_OK);
        convex_value_unref(changed);
    }
}

TEST(an_optimistic_update_shows_in_the_list_and_steers_nothing)
{
    static const char response[] =
        "{\"type\":\"MutationResponse\",\"requestId\":0,\"success\":true,\"result\":null,"
        "\"ts\":\"HgAAAAAAAAA=\",\"logLines\":[]}"; /* 30 */
    convex_optimistic how = {.update = insert_zero};
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(&r, &p, 2);
    rig_transition(&r, 2, 0, 20, PAGE(1, "3", true, "end", NO_SPLIT));
    rig_skip_frames(&r);
    r.calls[0].body = cvx_strdup(&r.config.mem, "\"udfPath\":\"m:x\",\"args\":[{}]");
    r.calls[0].request = (cvx_request){.body = r.calls[0].body,
                                       .body_len = strlen(r.calls[0].body),
                                       .update = cvx_update_new(&r.config.mem, &how, NULL)};
    r.call_count = 1;
    cvx_sync_request(r.sync, &r.calls[0].request);
    rig_drain(&r);
    assert_string_equal(p.last, "all 0 1 2 3");
    rig_expect_text(&r, "Mutation");
    rig_expect_nothing(&r);
    rig_say(&r, response);
    int calls = p.calls;
    rig_transition(&r, 2, 0, 30, PAGE(0, "0,1,2", false, "c2", NO_SPLIT));
    assert_int_equal(p.calls, calls);
    assert_int_equal(r.calls[0].done, 1);
    finish(&r, &p);
}

TEST(a_list_outlives_its_reading_and_nothing_given_is_answered_calmly)
{
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "1,\"two\"", false, "c2", NO_SPLIT));
    convex_page_list *kept = convex_page_list_ref(p.pages.list);
    finish(&r, &p);
    assert_string_equal(convex_value_string(convex_page_list_at(kept, 1), NULL), "two");
    convex_page_list_unref(kept);
    convex_page_list_unref(NULL);
    assert_null(convex_page_list_ref(NULL));
    assert_null(convex_page_list_at(NULL, 0));
    assert_null(convex_page_list_error(NULL));
    assert_int_equal(convex_page_list_count(NULL), 0);
    assert_int_equal(convex_page_list_status(NULL), CONVEX_PAGES_LOADING_FIRST);
}

TEST(what_cannot_be_paginated_is_refused)
{
    convex_mem mem = cvx_mem(NULL);
    convex_value *taken = parse("{\"paginationOpts\":1}"), *array = parse("[]");
    convex_error error = {0};
    cvx_pages pages;
    assert_int_equal(cvx_pages_init(&pages, &mem, NULL, NULL, 1, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_pages_init(&pages, &mem, "l:l", NULL, 0, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_pages_init(&pages, &mem, "l:l", taken, 1, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_pages_init(&pages, &mem, "l:l", array, 1, 0, &error), CONVEX_EINVAL);
    assert_int_equal(cvx_pages_init(&pages, &mem, "../l", NULL, 1, 0, &error), CONVEX_EINVAL);
    assert_non_null(strstr(error.message, "../l"));
    convex_value_unref(taken);
    convex_value_unref(array);
}

/* ---- optimistic updates of a list ---- */

typedef enum helper { AT_TOP, AT_BOTTOM, IN_ORDER, TEN_TIMES, WITHOUT, THE_SAME } helper;

typedef struct hope {
    helper helper;
    double number; /* of the item */
    const char *match;
    convex_status status;
} hope;

static double number_of(const convex_value *item)
{
    double number = 0;
    convex_value_float64(item, &number);
    return number;
}

static int compare_numbers(const convex_value *a, const convex_value *b, void *user)
{
    return (number_of(a) > number_of(b)) - (number_of(a) < number_of(b));
}

static convex_item_change change_item(const convex_value *item, convex_value **ret, void *user)
{
    const hope *h = user;
    char text[32];

    if (h->helper == THE_SAME) {
        *ret = convex_value_ref(item);
        return CONVEX_ITEM_REPLACED;
    }
    if (number_of(item) != h->number)
        return CONVEX_ITEM_KEPT;
    if (h->helper == WITHOUT)
        return CONVEX_ITEM_REMOVED;
    snprintf(text, sizeof text, "%g", h->number * 10);
    *ret = parse(text);
    return CONVEX_ITEM_REPLACED;
}

static void apply_hope(convex_local_store *store, const convex_value *args, void *user)
{
    hope *h = user;
    char text[32];
    snprintf(text, sizeof text, "%g", h->number);
    convex_value *item = parse(text), *match = h->match ? parse(h->match) : NULL;

    if (h->helper == AT_TOP)
        h->status = convex_pages_insert_at_top(store, "l:list", match, item);
    else if (h->helper == AT_BOTTOM)
        h->status = convex_pages_insert_at_bottom(store, "l:list", match, item);
    else if (h->helper == IN_ORDER)
        h->status =
            convex_pages_insert_in_order(store, "l:list", match, item, compare_numbers, NULL);
    else
        h->status = convex_pages_update_items(store, "l:list", match, change_item, h);
    convex_value_unref(item);
    convex_value_unref(match);
}

static rig_call *hope_for(rig *r, hope *h)
{
    convex_optimistic how = {.update = apply_hope, .user = h};
    rig_call *call = &r->calls[r->call_count];

    call->body = cvx_strdup(&r->config.mem, "\"udfPath\":\"m:x\",\"args\":[{}]");
    call->request = (cvx_request){.id = (uint32_t)r->call_count++,
                                  .body = call->body,
                                  .body_len = strlen(call->body),
                                  .update = cvx_update_new(&r->config.mem, &how, NULL)};
    cvx_sync_request(r->sync, &call->request);
    rig_drain(r);
    return call;
}

static void expect_hope(hope h, const char *with_two, const char *with_all)
{
    reader p;
    rig r;
    rig_init(&r);
    begin_reader(&r, &p, "{\"zone\":\"a\"}", 2);
    rig_open(&r);
    rig_transition(&r, 1, 0, 10, PAGE(0, "10,20", false, "c20", NO_SPLIT));
    hope_for(&r, &h);
    assert_string_equal(p.last, with_two);
    assert_true(more(&r, &p, 2));
    rig_transition(&r, 2, 0, 20, PAGE(1, "30", true, "end", NO_SPLIT));
    assert_int_equal(h.status, CONVEX_OK);
    assert_string_equal(p.last, with_all);
    finish(&r, &p);
}

TEST(an_item_may_be_put_at_the_top_or_at_the_bottom_once_that_is_loaded)
{
    expect_hope((hope){AT_TOP, 5}, "can 5 10 20", "all 5 10 20 30");
    expect_hope((hope){AT_BOTTOM, 40}, "can 10 20", "all 10 20 30 40");
}

TEST(an_item_is_put_in_order_where_that_is_loaded)
{
    expect_hope((hope){IN_ORDER, 5}, "can 5 10 20", "all 5 10 20 30");
    expect_hope((hope){IN_ORDER, 15}, "can 10 15 20", "all 10 15 20 30");
    expect_hope((hope){IN_ORDER, 10}, "can 10 10 20", "all 10 10 20 30");
    expect_hope((hope){IN_ORDER, 25}, "can 10 20", "all 10 20 25 30"); /* was the end unknown */
    expect_hope((hope){IN_ORDER, 35}, "can 10 20", "all 10 20 30 35");
}

TEST(items_may_be_replaced_and_removed)
{
    expect_hope((hope){TEN_TIMES, 30}, "can 10 20", "all 10 20 300");
    expect_hope((hope){TEN_TIMES, 10}, "can 100 20", "all 100 20 30");
    expect_hope((hope){WITHOUT, 20}, "can 10", "all 10 30");
    expect_hope((hope){WITHOUT, 99}, "can 10 20", "all 10 20 30");
}

TEST(only_lists_with_matching_arguments_are_changed)
{
    expect_hope((hope){AT_TOP, 5, "{\"zone\":\"a\"}"}, "can 5 10 20", "all 5 10 20 30");
    expect_hope((hope){AT_TOP, 5, "{\"zone\":\"b\"}"}, "can 10 20", "all 10 20 30");
    expect_hope((hope){WITHOUT, 10, "{\"other\":null}"}, "can 10 20", "all 10 20 30");
}

TEST(a_list_that_is_being_split_shows_the_item_before_and_after)
{
    hope h = {IN_ORDER, 25};
    reader p;
    rig r;
    begin(&r, &p, 2);
    rig_transition(&r, 1, 0, 10, PAGE(0, "10,20,30,40,50", true, "end", SPLIT_AT("c30")));
    hope_for(&r, &h);
    assert_string_equal(p.last, "all 10 20 25 30 40 50");
    int calls = p.calls;
    rig_transition(
        &r, 2, 0, 20,
        PAGE(1, "10,20,30", false, "c30", NO_SPLIT) "," PAGE(2, "40,50", true, "end", NO_SPLIT));
    assert_int_equal(p.calls, calls);
    finish(&r, &p);
}

TEST(changing_a_list_without_memory_changes_all_of_it_or_nothing)
{
    for (long n = 0; n < 60; n++) {
        failing_mem counter = {.left = -1};
        cvx_sync_config config = rig_config();
        hope h = {AT_TOP, 5};
        reader p;
        rig r;

        config.mem = failing(&counter);
        rig_init_with(&r, config);
        begin_reader(&r, &p, NULL, 2);
        rig_open(&r);
        rig_transition(&r, 1, 0, 10, PAGE(0, "10,20", true, "end", NO_SPLIT));
        rig_skip_frames(&r);
        hope_for(&r, &h); /* and runs */
        assert_string_equal(p.last, "all 5 10 20");
        h.helper = AT_BOTTOM;
        h.number = 40;
        r.sync->overlay.stale = true;
        counter.left = n;
        rig_drain(&r);
        counter.left = -1;
        assert_true(strcmp(p.last, "all 10 20") == 0 || strcmp(p.last, "all 10 20 40") == 0 ||
                    strcmp(p.last, "all 5 10 20") ==
                        0); /* the list itself may be short of memory */
        rig_tick(&r, 1000);
        r.sync->overlay.stale = true;
        rig_drain(&r);
        assert_string_equal(p.last, "all 10 20 40");
        finish(&r, &p);
        assert_int_equal(counter.live, 0);
    }
}

TEST(helpers_refuse_what_is_missing)
{
    convex_value *item = parse("1");
    convex_local_store idle = {0};
    assert_int_equal(convex_pages_insert_at_top(NULL, "l:list", NULL, item), CONVEX_EINVAL);
    assert_int_equal(convex_pages_insert_at_top(&idle, "l:list", NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_pages_insert_at_bottom(&idle, "l:list", NULL, item), CONVEX_EINVAL);
    assert_int_equal(convex_pages_insert_in_order(&idle, "l:list", NULL, item, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(convex_pages_update_items(&idle, "l:list", NULL, NULL, NULL), CONVEX_EINVAL);
    assert_int_equal(convex_pages_update_items(NULL, "l:list", NULL, change_item, NULL),
                     CONVEX_EINVAL);
    convex_value_unref(item);
}

/* ---- chance: a server with a list that changes, pages that split, fail and become void ---- */

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

/* ---- memory ---- */

static void one_life(rig *r, reader *p, failing_mem *counter, long nth)
{
    counter->left = nth;
    rig_transition(r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
    more(r, p, 2);
    cvx_pages_load_more(r->sync, &p->pages, 2);
    counter->left = -1;
}

TEST(whatever_allocation_fails_the_list_comes_in_the_end)
{
    for (long n = 0; n < 80; n++) {
        failing_mem counter = {.left = n};
        cvx_sync_config config = rig_config();
        convex_status status;
        reader p = {0};
        rig r;

        config.mem = failing(&counter);
        status = cvx_pages_init(&p.pages, &config.mem, "l:list", NULL, 2, 7, NULL);
        if (status == CONVEX_OK)
            cvx_pages_done(&p.pages);
        else
            assert_int_equal(status, CONVEX_ENOMEM);
        counter.left = -1;
        rig_init_with(&r, config);
        begin_reader(&r, &p, NULL, 2);
        rig_open(&r);
        one_life(&r, &p, &counter, n);
        if (r.closes > 0) { /* the message itself found no memory */
            rig_open(&r);
            rig_transition(&r, 1, 0, 10, PAGE(0, "1,2", false, "c2", NO_SPLIT));
        }
        rig_tick(&r, 1000);
        assert_non_null(strstr(p.last, " 1 2"));
        finish(&r, &p);
        assert_int_equal(counter.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_asked_for_as_the_official_client_asks),
        cmocka_unit_test(more_is_loaded_until_there_is_no_more),
        cmocka_unit_test(an_item_that_moves_between_pages_is_seen_once_in_every_list),
        cmocka_unit_test(a_long_page_is_split_and_shown_until_both_halves_are_there),
        cmocka_unit_test(a_page_is_split_when_the_server_recommends_it),
        cmocka_unit_test(
            a_page_that_was_cut_short_gives_way_to_halves_that_reach_up_to_the_next_page),
        cmocka_unit_test(a_split_that_leads_nowhere_is_not_made),
        cmocka_unit_test(a_void_cursor_begins_anew_with_another_id),
        cmocka_unit_test(a_first_page_that_says_so_at_once_has_failed),
        cmocka_unit_test(a_failed_page_ends_the_list_until_it_recovers),
        cmocka_unit_test(a_page_that_recovers_with_another_end_is_replaced_before_it_is_shown),
        cmocka_unit_test(a_query_that_returns_no_page_is_a_failure_in_words),
        cmocka_unit_test(a_reconnect_sends_the_journals_and_waits_for_all_pages),
        cmocka_unit_test(an_optimistic_update_shows_in_the_list_and_steers_nothing),
        cmocka_unit_test(a_list_outlives_its_reading_and_nothing_given_is_answered_calmly),
        cmocka_unit_test(what_cannot_be_paginated_is_refused),
        cmocka_unit_test(an_item_may_be_put_at_the_top_or_at_the_bottom_once_that_is_loaded),
        cmocka_unit_test(an_item_is_put_in_order_where_that_is_loaded),
        cmocka_unit_test(items_may_be_replaced_and_removed),
        cmocka_unit_test(only_lists_with_matching_arguments_are_changed),
        cmocka_unit_test(a_list_that_is_being_split_shows_the_item_before_and_after),
        cmocka_unit_test(changing_a_list_without_memory_changes_all_of_it_or_nothing),
        cmocka_unit_test(helpers_refuse_what_is_missing),
        cmocka_unit_test(in_random_histories_every_list_is_the_beginning_of_one_version),
        cmocka_unit_test(whatever_allocation_fails_the_list_comes_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
