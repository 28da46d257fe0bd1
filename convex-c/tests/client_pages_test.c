/* client_pages_test.c - paginated queries and optimistic updates in a whole client, over a real
 * socket. */
#include "client_story.h"

#include "convex/pages.h"

typedef struct pages_story {
    story base;
    convex_pages *pages;
    int lists, freed;
    size_t count;
    convex_pages_status status;
    convex_status more; /* what load_more said, when asked inside the callback */
    char seen[512];     /* every list, in order: status and count */
    bool more_in_list, end_in_list;
    size_t more_from; /* items */
} pages_story;

static void on_list(const convex_page_list *list, void *user)
{
    pages_story *p = user;
    size_t at = strlen(p->seen);

    p->count = convex_page_list_count(list);
    p->status = convex_page_list_status(list);
    snprintf(p->seen + at, sizeof p->seen - at, "%d:%zu ", (int)p->status, p->count);
    if (p->more_in_list && p->status == CONVEX_PAGES_CAN_LOAD_MORE && p->count >= p->more_from)
        p->more = convex_pages_load_more(p->pages, 2);
    if (p->end_in_list) {
        convex_pages_unref(p->pages);
        p->pages = NULL;
    }
    p->lists++;
}

static void on_pages_end(convex_status why, void *user)
{
    on_end(why, &((pages_story *)user)->base);
}

static convex_status read_pages(pages_story *p)
{
    return convex_client_paginate(p->base.client, "l:list", NULL, 2, on_list, on_pages_end, p,
                                  &p->pages, NULL);
}

#define PAGE(items, done, cursor)                                                                  \
    "{\"page\":[" items "],\"isDone\":" done ",\"continueCursor\":\"" cursor                       \
    "\",\"splitCursor\":null,\"pageStatus\":null}"

static void script_two_pages(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "\"cursor\":null"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, PAGE("1,2", "false", "c2")));
    if (!server_expect(s, "\"cursor\":\"c2\""))
        return;
    server_transition(s, 2, 0, 20, SERVER_UPDATED(1, PAGE("3", "true", "end")));
    server_receive(s);
}

static void pages_are_loaded_one_after_the_other(void **state)
{
    server *peer = server_start(script_two_pages, 0);
    pages_story p = {.more_in_list = true};
    begin(&p.base, peer->url);
    assert_int_equal(read_pages(&p), CONVEX_OK);
    assert_int_equal(convex_pages_load_more(p.pages, 2), CONVEX_EBUSY); /* the first is loading */
    run_until(&p.base, &p.lists, 3);
    assert_string_equal(p.seen, "2:2 1:2 3:3 ");
    assert_int_equal(p.more, CONVEX_OK);
    assert_int_equal(convex_pages_load_more(p.pages, 2), CONVEX_OK); /* there is no more */
    convex_pages *other = convex_pages_ref(p.pages);
    convex_pages_close(p.pages);
    assert_int_equal(convex_pages_load_more(p.pages, 2), CONVEX_ECLOSED);
    convex_pages_unref(other);
    convex_pages_unref(p.pages);
    run_until(&p.base, &p.base.ends, 1);
    assert_int_equal(p.base.end_why, CONVEX_ECANCELED);
    finish(&p.base);
    assert_int_equal(p.base.ends, 1);
    server_join(peer);
}

/* Asks for more from the callback of another subscription, when the list of the same version has
 * not been shown yet. */
static void script_both_change(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "\"q:a"))
        return;
    server_transition(s, 1, 0, 10,
                      SERVER_UPDATED(0, PAGE("1,2", "false", "c2")) "," SERVER_UPDATED(1, "0"));
    if (!server_expect(s, "\"type\":\"Mutation\"")) /* the first has been seen, not skipped */
        return;
    server_transition(s, 1, 0, 20,
                      SERVER_UPDATED(0, PAGE("0,1,2", "false", "c2")) "," SERVER_UPDATED(1, "1"));
    if (!server_expect(s, "\"cursor\":\"c2\""))
        return;
    server_transition(s, 2, 0, 30, SERVER_UPDATED(2, PAGE("3", "true", "end")));
    server_receive(s);
}

static void ask_for_more(const convex_result *result, void *user)
{
    pages_story *p = user;
    double number = 0;

    convex_value_float64(convex_result_value(result), &number);
    if (number == 1)
        p->base.done_status = convex_pages_load_more(p->pages, 2);
}

static void asking_twice_before_the_loop_looked_is_one_asking(void **state)
{
    server *peer = server_start(script_both_change, 0);
    pages_story p = {.more_in_list = true, .more_from = 3};
    begin(&p.base, peer->url);
    assert_int_equal(read_pages(&p), CONVEX_OK);
    assert_int_equal(
        convex_client_subscribe(p.base.client, "q:a", NULL, ask_for_more, NULL, &p, NULL, NULL),
        CONVEX_OK);
    run_until(&p.base, &p.lists, 1);
    mutate(&p.base, 0);
    run_until(&p.base, &p.lists, 4);
    assert_int_equal(p.base.done_status, CONVEX_OK);
    assert_int_equal(p.more, CONVEX_EBUSY);
    assert_string_equal(p.seen, "2:2 2:3 1:3 3:4 ");
    convex_pages_unref(p.pages);
    finish(&p.base);
    server_join(peer);
}

static void script_one_page(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "\"cursor\":null"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, PAGE("1,2", "false", "c2")));
    server_receive(s);
}

static void a_reading_may_end_inside_its_list(void **state)
{
    server *peer = server_start(script_one_page, 0);
    pages_story p = {.end_in_list = true};
    begin(&p.base, peer->url);
    assert_int_equal(read_pages(&p), CONVEX_OK);
    run_until(&p.base, &p.base.ends, 1);
    assert_int_equal(p.lists, 1);
    finish(&p.base);
    server_join(peer);
}

static void asking_for_more_and_closing_at_once_is_survived(void **state)
{
    server *peer = server_start(script_one_page, 0);
    pages_story p = {0};
    begin(&p.base, peer->url);
    assert_int_equal(read_pages(&p), CONVEX_OK);
    run_until(&p.base, &p.lists, 1);
    assert_int_equal(convex_pages_load_more(p.pages, 2), CONVEX_OK);
    assert_int_equal(convex_pages_load_more(p.pages, 2), CONVEX_EBUSY);
    convex_pages_unref(p.pages);
    convex_client_close(p.base.client);
    run_until(&p.base, &p.base.ends, 1);
    finish(&p.base);
    server_join(peer);
}

static void misuse_of_pages_is_refused(void **state)
{
    convex_error error = {0};
    pages_story p = {0};
    begin(&p.base, "http://127.0.0.1:1");
    assert_int_equal(convex_client_paginate(NULL, "l:l", NULL, 2, on_list, NULL, &p, NULL, NULL),
                     CONVEX_EINVAL);
    assert_int_equal(
        convex_client_paginate(p.base.client, "l:l", NULL, 2, NULL, NULL, &p, NULL, NULL),
        CONVEX_EINVAL);
    assert_int_equal(
        convex_client_paginate(p.base.client, "l:l", NULL, 0, on_list, NULL, &p, NULL, &error),
        CONVEX_EINVAL);
    assert_non_null(strstr(error.message, "page size"));
    assert_int_equal(read_pages(&p), CONVEX_OK);
    assert_int_equal(convex_pages_load_more(p.pages, 0), CONVEX_EINVAL);
    assert_int_equal(convex_pages_load_more(NULL, 1), CONVEX_EINVAL);
    convex_client_close(p.base.client);
    assert_int_equal(
        convex_client_paginate(p.base.client, "l:l", NULL, 2, on_list, NULL, &p, NULL, &error),
        CONVEX_ECLOSED);
    convex_pages_close(NULL);
    convex_pages_unref(NULL);
    assert_null(convex_pages_ref(NULL));
    convex_pages_unref(p.pages);
    finish(&p.base);
    assert_int_equal(p.base.ends, 1);
}

/* ---- optimistic updates ---- */

static void free_user(void *user)
{
    ((pages_story *)user)->freed++;
}

static void set_hoped(convex_local_store *store, const convex_value *args, void *user)
{
    convex_value *value = NULL;

    assert_int_equal(convex_value_parse("\"hoped\"", 7, CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
                     CONVEX_OK);
    assert_string_equal(convex_value_string(convex_value_field(args, "text"), NULL), "hoped");
    assert_int_equal(convex_local_store_set(store, "q:a", NULL, value), CONVEX_OK);
    convex_value_unref(value);
}

static convex_status mutate_hoping(pages_story *p, const convex_optimistic *how)
{
    convex_call_options options = CONVEX_CALL_OPTIONS_INIT;
    convex_value *args = NULL;
    convex_status status;

    options.optimistic = how;
    assert_int_equal(
        convex_value_parse("{\"text\":\"hoped\"}", 16, CONVEX_ENCODED_JSON, 0, NULL, &args, NULL),
        CONVEX_OK);
    status = convex_client_mutation(p->base.client, "m:x", args, &options, on_done, &p->base, NULL,
                                    NULL);
    convex_value_unref(args); /* the update keeps what it needs */
    return status;
}

static void script_hope(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "\"q:a"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "\"before\""));
    if (!server_expect(s, "\"type\":\"Mutation\""))
        return;
    if (!server_expect(s, "\"type\":\"Action\"")) /* the test has seen what it hoped for */
        return;
    server_respond(s, 0, 20);
    server_transition(s, 1, 0, 20, SERVER_UPDATED(0, "\"after\""));
    server_receive(s);
}

static void a_mutation_shows_its_effect_before_its_answer(void **state)
{
    server *peer = server_start(script_hope, 0);
    pages_story p = {0};
    convex_optimistic how = {set_hoped, &p, free_user};
    begin(&p.base, peer->url);
    watch(&p.base);
    run_until(&p.base, &p.base.results, 1);
    assert_int_equal(mutate_hoping(&p, &how), CONVEX_OK);
    run_until(&p.base, &p.base.results, 2);
    assert_string_equal(p.base.last, "\"hoped\"");
    assert_int_equal(p.freed, 0);
    assert_int_equal(convex_client_action(p.base.client, "a:x", NULL, NULL, NULL, NULL, NULL, NULL),
                     CONVEX_OK);
    run_until(&p.base, &p.base.dones, 1);
    assert_string_equal(p.base.last, "\"after\"");
    assert_int_equal(p.base.results, 3);
    assert_int_equal(p.freed, 1);
    finish(&p.base);
    server_join(peer);
}

static void an_update_is_freed_once_whatever_becomes_of_its_mutation(void **state)
{
    convex_call_options options = CONVEX_CALL_OPTIONS_INIT;
    pages_story p = {0};
    convex_optimistic how = {set_hoped, &p, free_user}, none = {NULL, &p, free_user};
    begin(&p.base, "http://127.0.0.1:1");
    options.optimistic = &none;
    assert_int_equal(
        convex_client_mutation(p.base.client, "m:x", NULL, &options, on_done, &p.base, NULL, NULL),
        CONVEX_EINVAL);
    options.optimistic = &how;
    assert_int_equal(
        convex_client_action(p.base.client, "a:x", NULL, &options, on_done, &p.base, NULL, NULL),
        CONVEX_EINVAL);
    assert_int_equal(mutate_hoping(&p, &how), CONVEX_OK);
    convex_client_process(p.base.client);
    assert_int_equal(mutate_hoping(&p, &how), CONVEX_OK); /* never looked at by the loop */
    convex_client_close(p.base.client);
    assert_int_equal(mutate_hoping(&p, &how), CONVEX_ECLOSED);
    assert_int_equal(p.freed, 0);
    finish(&p.base);
    assert_int_equal(p.freed, 2);
    assert_int_equal(p.base.dones, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_loaded_one_after_the_other),
        cmocka_unit_test(asking_twice_before_the_loop_looked_is_one_asking),
        cmocka_unit_test(a_reading_may_end_inside_its_list),
        cmocka_unit_test(asking_for_more_and_closing_at_once_is_survived),
        cmocka_unit_test(misuse_of_pages_is_refused),
        cmocka_unit_test(a_mutation_shows_its_effect_before_its_answer),
        cmocka_unit_test(an_update_is_freed_once_whatever_becomes_of_its_mutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
