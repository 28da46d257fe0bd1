/* optimistic_pages.c - optimistic updates of lists that are read page by page.
 * Functions over the store of an update that runs, which keeps the first failure. Loop thread.
 * Invariant: a page is replaced by one that differs in its items only. */
#include "convex/pages.h"
#include "optimistic.h"

/* One loaded page of a reading; all borrowed. */
typedef struct loaded {
    const convex_value *args, *options, *value, *items;
} loaded;

static bool matches(const convex_value *args, const convex_value *match)
{
    for (size_t i = 0; i < convex_value_count(match); i++) {
        const char *key = convex_value_key_at(match, i, NULL);
        if (!convex_value_equal(convex_value_at(match, i), convex_value_field(args, key)))
            return false;
    }
    return true;
}

static bool read_page(convex_local_store *store, const char *path, size_t i,
                      const convex_value *match, loaded *ret)
{
    loaded page = {0};

    if (!convex_local_store_at(store, path, i, &page.args, &page.value))
        return false;
    page.options = convex_value_field(page.args, "paginationOpts");
    page.items = convex_value_field(page.value, "page");
    *ret = page;
    return convex_value_type(page.items) == CONVEX_ARRAY && page.options &&
           matches(page.args, match);
}

static bool is_first(const loaded *page)
{
    return convex_value_type(convex_value_field(page->options, "cursor")) == CONVEX_NULL;
}

static bool is_last(const loaded *page)
{
    bool done = false;
    return convex_value_bool(convex_value_field(page->value, "isDone"), &done) && done;
}

/* ---- writing ---- */

/* What becomes of item `i`, or is put before it, which may be the end. */
typedef struct edit {
    size_t insert_at; /* SIZE_MAX: nothing is inserted */
    const convex_value *item;
    convex_item_fn *change; /* NULL: all are kept */
    void *user;
    bool changed; /* something was */
    convex_status status;
} edit;

static void put_item(convex_builder *b, const convex_value *item, edit *e)
{
    convex_value *other = NULL;
    convex_item_change change = e->change ? e->change(item, &other, e->user) : CONVEX_ITEM_KEPT;

    e->changed = e->changed || change != CONVEX_ITEM_KEPT;
    if (change == CONVEX_ITEM_KEPT)
        convex_builder_value(b, item);
    else if (change == CONVEX_ITEM_REPLACED && other)
        convex_builder_value(b, other);
    else if (change == CONVEX_ITEM_REPLACED)
        e->status = CONVEX_ENOMEM;
    convex_value_unref(other);
}

static void put_items(convex_builder *b, const convex_value *items, edit *e)
{
    size_t count = convex_value_count(items);

    convex_builder_begin_array(b);
    for (size_t i = 0; i <= count; i++) {
        if (i == e->insert_at)
            convex_builder_value(b, e->item);
        if (i < count)
            put_item(b, convex_value_at(items, i), e);
    }
    convex_builder_end(b);
}

static convex_status write_page(convex_local_store *store, const char *path, const loaded *page,
                                edit *e)
{
    convex_builder *b = convex_builder_new(cvx_store_mem(store));
    convex_value *value = NULL;
    convex_status status;

    if (!b)
        return cvx_store_fail(store, CONVEX_ENOMEM, "out of memory");
    e->status = CONVEX_OK;
    e->changed = e->insert_at != SIZE_MAX;
    convex_builder_begin_object(b);
    for (size_t i = 0; i < convex_value_count(page->value); i++) {
        size_t len = 0;
        const char *key = convex_value_key_at(page->value, i, &len);
        const convex_value *field = convex_value_at(page->value, i);
        convex_builder_key_n(b, key, len);
        if (field == page->items)
            put_items(b, field, e);
        else
            convex_builder_value(b, field);
    }
    convex_builder_end(b);
    status = convex_builder_finish(b, &value, NULL);
    convex_builder_free(b);
    if (status == CONVEX_OK)
        status = e->status;
    if (status != CONVEX_OK)
        cvx_store_fail(store, status, convex_status_text(status));
    else if (e->changed)
        status = convex_local_store_set(store, path, page->args, value);
    convex_value_unref(value);
    return status;
}

/* ---- where ---- */

typedef struct place {
    const convex_value *item;
    convex_item_compare_fn *compare;
    void *user;
} place;

/* Where the item belongs in this page; SIZE_MAX: it does not, or nobody can tell. */
typedef size_t find_place(convex_local_store *store, const char *path, const loaded *page,
                          const place *p);

static convex_status insert(convex_local_store *store, const char *path, const convex_value *match,
                            const place *p, find_place *find)
{
    convex_status status = CONVEX_OK;
    loaded page;

    if (!store || !p->item)
        return CONVEX_EINVAL;
    for (size_t i = 0; i < convex_local_store_count(store, path) && status == CONVEX_OK; i++) {
        edit e = {.item = p->item};
        if (!read_page(store, path, i, match, &page))
            continue;
        e.insert_at = find(store, path, &page, p);
        if (e.insert_at != SIZE_MAX)
            status = write_page(store, path, &page, &e);
    }
    return cvx_store_status(store);
}

static size_t at_top(convex_local_store *store, const char *path, const loaded *page,
                     const place *p)
{
    return is_first(page) ? 0 : SIZE_MAX;
}

static size_t at_bottom(convex_local_store *store, const char *path, const loaded *page,
                        const place *p)
{
    return is_last(page) ? convex_value_count(page->items) : SIZE_MAX;
}

/* The page that begins where `page` ends, of the same reading; false if it is not loaded. */
static bool next_page(convex_local_store *store, const char *path, const loaded *page, loaded *ret)
{
    const convex_value *end = convex_value_field(page->value, "continueCursor");
    const convex_value *id = convex_value_field(page->options, "id");

    for (size_t i = 0; i < convex_local_store_count(store, path); i++)
        if (read_page(store, path, i, NULL, ret) &&
            convex_value_equal(convex_value_field(ret->options, "cursor"), end) &&
            convex_value_equal(convex_value_field(ret->options, "id"), id))
            return true;
    return false;
}

static bool comes_before(const place *p, const convex_value *other)
{
    return p->compare(p->item, other, p->user) < 0;
}

/* What comes between two pages is put behind the first of them. */
static size_t in_order(convex_local_store *store, const char *path, const loaded *page,
                       const place *p)
{
    size_t count = convex_value_count(page->items), at = 0;
    bool here;
    loaded next;

    while (at < count && !comes_before(p, convex_value_at(page->items, at)))
        at++;
    if (at == 0 && !is_first(page))
        return SIZE_MAX;
    if (at < count || is_last(page))
        return at;
    if (!next_page(store, path, page, &next))
        return SIZE_MAX;
    here = convex_value_count(next.items) > 0 ? comes_before(p, convex_value_at(next.items, 0))
                                              : is_last(&next);
    return here ? at : SIZE_MAX;
}

/* ---- public ---- */

convex_status convex_pages_insert_at_top(convex_local_store *store, const char *path,
                                         const convex_value *match, const convex_value *item)
{
    return insert(store, path, match, &(place){.item = item}, at_top);
}

convex_status convex_pages_insert_at_bottom(convex_local_store *store, const char *path,
                                            const convex_value *match, const convex_value *item)
{
    return insert(store, path, match, &(place){.item = item}, at_bottom);
}

convex_status convex_pages_insert_in_order(convex_local_store *store, const char *path,
                                           const convex_value *match, const convex_value *item,
                                           convex_item_compare_fn *compare, void *user)
{
    if (!compare)
        return CONVEX_EINVAL;
    return insert(store, path, match, &(place){item, compare, user}, in_order);
}

convex_status convex_pages_update_items(convex_local_store *store, const char *path,
                                        const convex_value *match, convex_item_fn *change,
                                        void *user)
{
    convex_status status = CONVEX_OK;
    loaded page;

    if (!store || !change)
        return CONVEX_EINVAL;
    for (size_t i = 0; i < convex_local_store_count(store, path) && status == CONVEX_OK; i++) {
        edit e = {.insert_at = SIZE_MAX, .change = change, .user = user};
        if (read_page(store, path, i, match, &page))
            status = write_page(store, path, &page, &e);
    }
    return cvx_store_status(store);
}
