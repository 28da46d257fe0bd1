/* pages.c - a paginated query: its pages, when they are split, and when reading begins anew.
 * Owns the pages, each a live query. Loop thread. Invariants: the pages from `first` on cover the
 * list without a gap: each begins where the one before it ends, save one that `has_gap`, while
 * nothing is shown; where a list begins, goes on and is split is read from the server's results
 * only, what an optimistic update shows is its items; a list is shown only if the server's results
 * for it are of one version. */
#include "pages.h"

#include <string.h>

#include "error_internal.h"
#include "result_internal.h"
#include "snapshot.h"
#include "sync_internal.h"

/* ---- one page ---- */

typedef struct cursor {
    const char *text; /* NULL: where the list begins, or ends by its own */
    size_t len;
} cursor;

static cursor cursor_in(const convex_value *page, const char *name)
{
    cursor c = {0};
    c.text = convex_value_string(convex_value_field(page, name), &c.len);
    return c;
}

static bool same_cursor(cursor a, cursor b)
{
    return a.text && b.text && a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

static cursor cursor_of(const cvx_page *page)
{
    return page->has_cursor ? (cursor){page->cursor, page->cursor_len} : (cursor){0};
}

static void put_cursor(convex_builder *b, const char *name, cursor c)
{
    convex_builder_key(b, name);
    if (c.text)
        convex_builder_string(b, c.text, c.len);
    else
        convex_builder_null(b);
}

static convex_status page_args(const cvx_pages *pages, cursor from, cursor to, uint32_t items,
                               convex_value **ret, convex_error *reterr)
{
    convex_builder *b = convex_builder_new(&pages->mem);
    convex_status status;

    if (!b)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    convex_builder_begin_object(b);
    for (size_t i = 0; i < convex_value_count(pages->args); i++) {
        size_t len = 0;
        const char *key = convex_value_key_at(pages->args, i, &len);
        convex_builder_key_n(b, key, len);
        convex_builder_value(b, convex_value_at(pages->args, i));
    }
    convex_builder_key(b, "paginationOpts");
    convex_builder_begin_object(b);
    put_cursor(b, "cursor", from);
    if (to.text)
        put_cursor(b, "endCursor", to);
    convex_builder_key(b, "id");
    convex_builder_float64(b, (double)pages->restarts * 4294967296.0 + pages->number);
    convex_builder_key(b, "numItems");
    convex_builder_float64(b, items);
    convex_builder_end(b);
    convex_builder_end(b);
    status = convex_builder_finish(b, ret, reterr);
    convex_builder_free(b);
    return status;
}

static void free_page(const convex_mem *mem, cvx_page *page)
{
    if (page)
        cvx_query_free(mem, page->query);
    cvx_free(mem, page);
}

/* A page that begins at `from` and ends at `to` or, if that is none, after so many items. */
static convex_status new_page(const cvx_pages *pages, cursor from, cursor to, uint32_t items,
                              cvx_page **ret, convex_error *reterr)
{
    convex_value *args = NULL;
    cvx_page *page = NULL;
    char *token = NULL;
    size_t len = 0;
    convex_status status = page_args(pages, from, to, items, &args, reterr);

    if (status == CONVEX_OK)
        status = cvx_call_text(&pages->mem, pages->path, NULL, args, true, &token, &len, reterr);
    convex_value_unref(args);
    if (status != CONVEX_OK)
        return status;
    page = cvx_alloc(&pages->mem, sizeof *page + from.len);
    if (!page) {
        cvx_free(&pages->mem, token);
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    *page = (cvx_page){
        .has_cursor = from.text != NULL, .has_end = to.text != NULL, .cursor_len = from.len};
    if (from.text)
        memcpy(page->cursor, from.text, from.len);
    page->query = cvx_query_new(&pages->mem, token, len);
    if (!page->query) {
        free_page(&pages->mem, page);
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    *ret = page;
    return CONVEX_OK;
}

static void start_page(cvx_sync *sync, cvx_pages *pages, cvx_page *page)
{
    page->listener.view = &pages->view;
    cvx_sync_subscribe(sync, page->query, &page->listener);
    page->query = NULL;
}

static void end_pages(cvx_sync *sync, cvx_pages *pages, cvx_page *page)
{
    for (cvx_page *next; page; page = next) {
        next = page->next;
        end_pages(sync, pages, page->heirs);
        cvx_sync_unsubscribe(sync, &page->listener);
        free_page(&pages->mem, page);
    }
}

static bool is_loaded(const cvx_page *page)
{
    return page->listener.query->loaded;
}

static const convex_result *server_result(const cvx_page *page)
{
    return page->listener.query->result;
}

static const convex_value *server_value(const cvx_page *page)
{
    return convex_result_value(server_result(page));
}

/* ---- beginning anew ---- */

/* Old servers say it in words, newer ones in the error's data. */
static bool is_invalid_cursor(const convex_result *result)
{
    const convex_value *data = convex_result_error_data(result), *kind;
    const char *message, *text;
    size_t len = 0;
    bool system = false;

    message = convex_result_error_message(result, &len);
    if (!message)
        return false;
    if (memmem(message, len, "InvalidCursor", strlen("InvalidCursor")))
        return true;
    kind = convex_value_field(data, "paginationError");
    text = convex_value_string(kind, NULL);
    return convex_value_bool(convex_value_field(data, "isConvexSystemError"), &system) && system &&
           text && strcmp(text, "InvalidCursor") == 0;
}

static void note_results(cvx_pages *pages)
{
    for (cvx_page *page = pages->first; page; page = page->next) {
        page->listener.dirty = false; /* lists are compared, not pages */
        if (convex_result_success(server_result(page)))
            pages->answered = true;
        else if (server_result(page))
            page->failed = true;
    }
}

/* A first page that never was there is not begun again: it would go on for ever. */
static bool must_restart(const cvx_pages *pages)
{
    for (const cvx_page *page = pages->first; page && pages->answered; page = page->next)
        if (is_invalid_cursor(server_result(page)))
            return true;
    return false;
}

static bool restart(cvx_sync *sync, cvx_pages *pages)
{
    cvx_page *first = NULL, *old = pages->first;

    pages->restarts++;
    if (new_page(pages, (cursor){0}, (cursor){0}, pages->page_size, &first, NULL) != CONVEX_OK)
        return false;
    cvx_sync_log(sync, CONVEX_LOG_INFO, "a paginated query begins anew: its cursors are void");
    pages->answered = false;
    pages->more = 0;
    pages->first = first;
    end_pages(sync, pages, old);
    start_page(sync, pages, first);
    return true;
}

/* ---- splitting ---- */

static bool has_status(const convex_value *page, const char *status)
{
    const char *text = convex_value_string(convex_value_field(page, "pageStatus"), NULL);
    return text && strcmp(text, status) == 0;
}

/* The server may cut a page short that it cannot read whole. */
static bool is_cut(const cvx_page *page)
{
    return has_status(server_value(page), "SplitRequired");
}

/* A page that failed may come back with another end, as its journal went with the failure. */
static bool is_torn(const cvx_page *page)
{
    return page->failed && !page->has_end && page->next && server_value(page) &&
           !same_cursor(cursor_in(server_value(page), "continueCursor"), cursor_of(page->next));
}

/* Where it ends: where the next page begins, wherever its own results end. */
static cursor end_of(const cvx_page *page)
{
    return page->next ? cursor_of(page->next) : cursor_in(server_value(page), "continueCursor");
}

/* A middle that is the page's beginning or end would be split again, for ever. */
static bool wants_split(const cvx_pages *pages, const cvx_page *page)
{
    const convex_value *value = server_value(page);
    size_t items = convex_value_count(convex_value_field(value, "page"));
    cursor middle = cursor_in(value, "splitCursor");

    if (!middle.text || same_cursor(middle, cursor_of(page)) || same_cursor(middle, end_of(page)))
        return false;
    return is_cut(page) || has_status(value, "SplitRecommended") ||
           items > (uint64_t)pages->page_size * 2;
}

/* Two heirs that meet in the `middle`, or one if that is none. */
static bool add_heirs(cvx_sync *sync, cvx_pages *pages, cvx_page *page, cursor middle)
{
    cursor end = end_of(page);
    cvx_page *low = NULL, *high = NULL;

    if (new_page(pages, cursor_of(page), middle.text ? middle : end, pages->page_size, &low,
                 NULL) != CONVEX_OK)
        return false;
    if (middle.text && new_page(pages, middle, end, pages->page_size, &high, NULL) != CONVEX_OK) {
        free_page(&pages->mem, low);
        return false;
    }
    low->next = high;
    page->heirs = low;
    start_page(sync, pages, low);
    if (high)
        start_page(sync, pages, high);
    return true;
}

static bool heirs_loaded(const cvx_page *page)
{
    return page->heirs && is_loaded(page->heirs) &&
           (!page->heirs->next || is_loaded(page->heirs->next));
}

/* The heirs of the page at `link` take its place. */
static void hand_over(cvx_sync *sync, cvx_pages *pages, cvx_page **link)
{
    cvx_page *page = *link, *last = page->heirs;

    while (last->next)
        last = last->next;
    last->next = page->next;
    *link = page->heirs;
    page->next = page->heirs = NULL;
    end_pages(sync, pages, page);
}

/* False when memory is short. */
static bool do_splits(cvx_sync *sync, cvx_pages *pages)
{
    cvx_page **link = &pages->first;

    while (*link) {
        cvx_page *page = *link;
        if (heirs_loaded(page)) {
            hand_over(sync, pages, link);
            continue; /* with the first heir: it may want splitting itself */
        }
        if (is_loaded(page)) {
            bool torn = is_torn(page), wants = wants_split(pages, page);
            cursor middle = wants ? cursor_in(server_value(page), "splitCursor") : (cursor){0};
            if ((torn || wants) && !page->heirs && !add_heirs(sync, pages, page, middle))
                return false;
            page->has_gap = page->has_gap || torn || (wants && is_cut(page));
        }
        link = &page->next;
    }
    return true;
}

/* ---- loading more ---- */

static bool is_done(const cvx_page *page)
{
    bool done = false;
    return convex_value_bool(convex_value_field(server_value(page), "isDone"), &done) && done;
}

static cvx_page *last_page(const cvx_pages *pages)
{
    cvx_page *last = pages->first;

    while (last->next)
        last = last->next;
    return last;
}

static bool add_page(cvx_sync *sync, cvx_pages *pages)
{
    cvx_page *last = last_page(pages), *page = NULL;

    if (new_page(pages, cursor_in(server_value(last), "continueCursor"), (cursor){0}, pages->more,
                 &page, NULL) != CONVEX_OK)
        return false;
    pages->more = 0;
    last->next = page;
    start_page(sync, pages, page);
    return true;
}

/* ---- what is shown ---- */

/* Whether what the server said of all pages is of one version and without a gap in it. */
static bool is_whole(const cvx_sync *sync, const cvx_pages *pages)
{
    cvx_stamp whole = {0};

    for (const cvx_page *page = pages->first; page; page = page->next) {
        cvx_stamp stamp = cvx_view_stamp(sync, page->listener.query);
        if (!server_result(page))
            continue;
        if (whole.connection != 0 && !cvx_stamp_equal(stamp, whole))
            return false;
        if (page->has_gap)
            return false;
        whole = stamp;
    }
    return true;
}

static bool is_page(const convex_result *result)
{
    return convex_value_type(convex_value_field(convex_result_value(result), "page")) ==
           CONVEX_ARRAY;
}

/* What to say of a query that is not paginated. */
static convex_result *not_a_page(const cvx_pages *pages)
{
    static const char text[] = "\"the query returned no page: it does not paginate\"";
    convex_value *message = NULL;

    if (convex_value_parse(text, sizeof text - 1, CONVEX_ENCODED_JSON, 0, &pages->mem, &message,
                           NULL) != CONVEX_OK)
        return NULL;
    return cvx_result_failure(message, NULL, NULL, &pages->mem);
}

/* Adds the pages up to the first one that is loading or failed, which is returned; NULL: all. */
static const cvx_page *add_pages(convex_page_list *list, const cvx_page *page)
{
    for (; page; page = page->next) {
        const convex_result *shown = page->listener.query->shown, *result = server_result(page);
        if (!shown || (result && !is_page(result)))
            return page;
        cvx_page_list_add(list, shown);
        if (!result)
            return page; /* what is shown of it is optimistic */
    }
    return NULL;
}

static convex_page_list *make_list(const cvx_pages *pages)
{
    convex_pages_status status = CONVEX_PAGES_CAN_LOAD_MORE;
    const convex_result *error = NULL;
    convex_result *made = NULL;
    convex_page_list *list;
    const cvx_page *stop;
    size_t count = 0;

    for (const cvx_page *page = pages->first; page; page = page->next)
        count++;
    list = cvx_page_list_new(&pages->mem, count);
    if (!list)
        return NULL;
    stop = add_pages(list, pages->first);
    if (!stop) {
        status = is_done(last_page(pages)) ? CONVEX_PAGES_EXHAUSTED : CONVEX_PAGES_CAN_LOAD_MORE;
    } else if (!stop->listener.query->shown || !server_result(stop)) {
        status = stop == pages->first ? CONVEX_PAGES_LOADING_FIRST : CONVEX_PAGES_LOADING_MORE;
    } else {
        status = CONVEX_PAGES_FAILED;
        error = server_result(stop);
        if (convex_result_success(error))
            error = made = not_a_page(pages);
    }
    cvx_page_list_end(list, status, error);
    convex_result_unref(made);
    if (status == CONVEX_PAGES_FAILED && !error) {
        convex_page_list_unref(list);
        return NULL;
    }
    return list;
}

static cvx_step step(cvx_sync *sync, cvx_view *view)
{
    cvx_pages *pages = (cvx_pages *)(void *)view; /* its first member */
    convex_page_list *list;

    note_results(pages);
    if (!do_splits(sync, pages))
        return CVX_STEP_NO_MEMORY;
    note_results(pages); /* of heirs that took over */
    if (must_restart(pages) && !restart(sync, pages))
        return CVX_STEP_NO_MEMORY;
    if (!is_whole(sync, pages))
        return CVX_STEP_NOTHING;
    list = make_list(pages);
    if (list && pages->more > 0) {
        if (convex_page_list_status(list) != CONVEX_PAGES_CAN_LOAD_MORE) {
            pages->more = 0;
        } else if (!last_page(pages)->heirs) { /* else when it is known where they end */
            convex_page_list_unref(list);
            list = add_page(sync, pages) ? make_list(pages) : NULL;
        }
    }
    if (!list)
        return CVX_STEP_NO_MEMORY;
    if (cvx_page_list_same(list, pages->list)) {
        convex_page_list_unref(list);
        return CVX_STEP_NOTHING;
    }
    convex_page_list_unref(pages->list);
    pages->list = list;
    return CVX_STEP_SHOW;
}

/* ---- lifetime ---- */

convex_status cvx_pages_init(cvx_pages *pages, const convex_mem *mem, const char *path,
                             const convex_value *args, uint32_t page_size, uint32_t number,
                             convex_error *reterr)
{
    convex_status status;

    if (!path || page_size == 0 || convex_value_field(args, "paginationOpts") ||
        (args && convex_value_type(args) != CONVEX_OBJECT))
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "a paginated query needs a path, a page size and arguments that are an "
                        "object without paginationOpts");
    *pages = (cvx_pages){.view.step = step,
                         .mem = *mem,
                         .path = cvx_strdup(mem, path),
                         .args = convex_value_ref(args),
                         .page_size = page_size,
                         .number = number};
    status = pages->path
                 ? new_page(pages, (cursor){0}, (cursor){0}, page_size, &pages->first, reterr)
                 : cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (status != CONVEX_OK)
        cvx_pages_done(pages);
    return status;
}

void cvx_pages_done(cvx_pages *pages)
{
    free_page(&pages->mem, pages->first);
    convex_page_list_unref(pages->list);
    convex_value_unref(pages->args);
    cvx_free(&pages->mem, pages->path);
    *pages = (cvx_pages){0};
}

void cvx_pages_start(cvx_sync *sync, cvx_pages *pages)
{
    start_page(sync, pages, pages->first);
}

void cvx_pages_stop(cvx_sync *sync, cvx_pages *pages)
{
    cvx_page *first = pages->first;

    pages->first = NULL;
    end_pages(sync, pages, first);
    cvx_view_unqueue(sync, &pages->view);
}

bool cvx_pages_load_more(cvx_sync *sync, cvx_pages *pages, uint32_t count)
{
    if (convex_page_list_status(pages->list) != CONVEX_PAGES_CAN_LOAD_MORE)
        return false;
    pages->more = count;
    cvx_view_queue(sync, &pages->view);
    return true;
}
