/* pages_list.c - one state of a paginated list.
 * Immutable once it was shown; the count is atomic. Any thread. Invariant: the ends of its parts
 * ascend, and the items of a part lie in its result, which the list holds. */
#include "pages.h"

#include <stdatomic.h>

#include "sync_internal.h"

struct convex_page_list {
    atomic_size_t refs;
    convex_mem mem;
    convex_pages_status status;
    const convex_result *error;
    size_t part_count;
    cvx_page_part parts[];
};

convex_page_list *cvx_page_list_new(const convex_mem *mem, size_t parts)
{
    convex_page_list *list = cvx_alloc(mem, sizeof *list + parts * sizeof(cvx_page_part));
    if (!list)
        return NULL;
    *list = (convex_page_list){.mem = *mem};
    atomic_init(&list->refs, 1);
    return list;
}

void cvx_page_list_add(convex_page_list *list, const convex_result *result)
{
    const convex_value *items = convex_value_field(convex_result_value(result), "page");

    if (convex_value_type(items) != CONVEX_ARRAY)
        items = NULL;
    list->parts[list->part_count] =
        (cvx_page_part){.result = convex_result_ref(result),
                        .items = items,
                        .end = convex_page_list_count(list) + convex_value_count(items)};
    list->part_count++;
}

void cvx_page_list_end(convex_page_list *list, convex_pages_status status,
                       const convex_result *error)
{
    list->status = status;
    list->error = convex_result_ref(error);
}

convex_page_list *convex_page_list_ref(const convex_page_list *list)
{
    /* Immutable but for its count, which is what a ref is about. */
    convex_page_list *held = (convex_page_list *)(uintptr_t)list;

    if (held)
        atomic_fetch_add_explicit(&held->refs, 1, memory_order_relaxed);
    return held;
}

void convex_page_list_unref(const convex_page_list *list)
{
    convex_page_list *held = (convex_page_list *)(uintptr_t)list;
    convex_mem mem;

    if (!held || atomic_fetch_sub_explicit(&held->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem = held->mem;
    for (size_t i = 0; i < held->part_count; i++)
        convex_result_unref(held->parts[i].result);
    convex_result_unref(held->error);
    cvx_free(&mem, held);
}

convex_pages_status convex_page_list_status(const convex_page_list *list)
{
    return list ? list->status : CONVEX_PAGES_LOADING_FIRST;
}

size_t convex_page_list_count(const convex_page_list *list)
{
    return list && list->part_count > 0 ? list->parts[list->part_count - 1].end : 0;
}

const convex_result *convex_page_list_error(const convex_page_list *list)
{
    return list ? list->error : NULL;
}

/* The part that holds item `i`, of which there is one. */
static size_t part_of(const convex_page_list *list, size_t i)
{
    size_t low = 0, high = list->part_count - 1;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (i < list->parts[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static size_t start_of(const convex_page_list *list, size_t part)
{
    return part > 0 ? list->parts[part - 1].end : 0;
}

const convex_value *convex_page_list_at(const convex_page_list *list, size_t i)
{
    size_t part;

    if (i >= convex_page_list_count(list))
        return NULL;
    part = part_of(list, i);
    return convex_value_at(list->parts[part].items, i - start_of(list, part));
}

/* Where both stand at the beginning of one and the same result, its items need no look. */
static bool same_items(const convex_page_list *a, const convex_page_list *b)
{
    size_t count = convex_page_list_count(a), in_a = 0, in_b = 0, i = 0;

    if (convex_page_list_count(b) != count)
        return false;
    while (i < count) {
        while (a->parts[in_a].end <= i)
            in_a++;
        while (b->parts[in_b].end <= i)
            in_b++;
        size_t at_a = i - start_of(a, in_a), at_b = i - start_of(b, in_b);
        if (a->parts[in_a].items == b->parts[in_b].items && at_a == at_b) {
            i = a->parts[in_a].end;
            continue;
        }
        if (!convex_value_equal(convex_value_at(a->parts[in_a].items, at_a),
                                convex_value_at(b->parts[in_b].items, at_b)))
            return false;
        i++;
    }
    return true;
}

bool cvx_page_list_same(const convex_page_list *a, const convex_page_list *b)
{
    if (convex_page_list_status(a) != convex_page_list_status(b))
        return false;
    if (convex_page_list_status(a) == CONVEX_PAGES_FAILED && a->error != b->error &&
        !cvx_same_result(a->error, b->error))
        return false;
    return same_items(a, b);
}
