/* pages_rig.h - one reader of a paginated query, and what its callback saw. */
#ifndef PAGES_RIG_H
#define PAGES_RIG_H

#include "support.h"
#include "sync_harness.h"

#include "optimistic.h"
#include "pages.h"
#include "sync_internal.h"

typedef struct reader {
    cvx_pages pages;
    int calls;
    char last[2048]; /* the status in words, then the items */
    void (*check)(const struct reader *reader);
} reader;

static const char *const status_names[] = {"first", "more", "can", "all", "failed"};

static inline void on_view(cvx_view *view)
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

static inline void begin_reader(rig *r, reader *p, const char *args, uint32_t page_size)
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

static inline void begin(rig *r, reader *p, uint32_t page_size)
{
    rig_init(r);
    begin_reader(r, p, NULL, page_size);
    rig_open(r);
    rig_skip_frames(r);
}

static inline void end_reader(rig *r, reader *p)
{
    cvx_pages_stop(r->sync, &p->pages);
    cvx_pages_done(&p->pages);
}

static inline void finish(rig *r, reader *p)
{
    end_reader(r, p);
    rig_done(r);
}

static inline bool more(rig *r, reader *p, uint32_t count)
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

/* ---- optimistic updates of a list ---- */

typedef enum helper { AT_TOP, AT_BOTTOM, IN_ORDER, TEN_TIMES, WITHOUT, THE_SAME } helper;

typedef struct hope {
    helper helper;
    double number; /* of the item */
    const char *match;
    convex_status status;
} hope;

static inline double number_of(const convex_value *item)
{
    double number = 0;
    convex_value_float64(item, &number);
    return number;
}

static inline int compare_numbers(const convex_value *a, const convex_value *b, void *user)
{
    return (number_of(a) > number_of(b)) - (number_of(a) < number_of(b));
}

static inline convex_item_change change_item(const convex_value *item, convex_value **ret,
                                             void *user)
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

static inline void apply_hope(convex_local_store *store, const convex_value *args, void *user)
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

static inline rig_call *hope_for(rig *r, hope *h)
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

#endif
