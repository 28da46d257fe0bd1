/* pages.h - a paginated query at the level of the state machine. */
#ifndef CVX_PAGES_H
#define CVX_PAGES_H

#include "convex/pages.h"
#include "view.h"

/* ---- pages_list.c ---- */

/* One page's part of a list. */
typedef struct cvx_page_part {
    const convex_result *result; /* what `items` lies in; owned by the list */
    const convex_value *items;   /* an array; NULL: none */
    size_t end;                  /* items of the list up to and with this page */
} cvx_page_part;

/* Room for that many parts, none of them filled; NULL when memory is short. */
convex_page_list *cvx_page_list_new(const convex_mem *mem, size_t parts);
/* Adds a page; `result` is kept by ref. */
void cvx_page_list_add(convex_page_list *list, const convex_result *result);
/*   error  kept by ref; NULL: none */
void cvx_page_list_end(convex_page_list *list, convex_pages_status status,
                       const convex_result *error);
/* Whether whoever saw one need not see the other. NULL: nothing, loading. */
bool cvx_page_list_same(const convex_page_list *a, const convex_page_list *b);

/* ---- pages.c ---- */

typedef struct cvx_page {
    cvx_listener listener;
    cvx_query *query; /* until it is subscribed */
    struct cvx_page *next;
    struct cvx_page *heirs; /* one or two, by `next`: take its place once they are loaded */
    bool has_gap;           /* it does not reach up to the next page, and waits for its heirs */
    bool has_end;           /* its query says where it ends; else only the server remembers... */
    bool failed;            /* ...unless it has failed since it began */
    bool has_cursor;        /* else it begins where the list does */
    size_t cursor_len;
    char cursor[];
} cvx_page;

/* Lives in the caller; `view` is what CVX_SYNC_VIEW names. */
typedef struct cvx_pages {
    cvx_view view;
    convex_mem mem;
    char *path;
    const convex_value *args;
    uint32_t page_size;
    uint32_t number, restarts; /* together unlike those of any other reading of the query */
    uint32_t more;             /* items asked for and not subscribed to yet */
    bool answered;             /* some page was loaded since the last restart */
    cvx_page *first;           /* what is shown, in order, by `next` */
    convex_page_list *list;    /* the newest; NULL before the first */
} cvx_pages;

/* Gets all the memory that starting takes. On failure nothing is left to release.
 *   number  tells this reading of the query from others of the client
 * Returns CONVEX_OK, CONVEX_EINVAL, CONVEX_ENOMEM. */
convex_status cvx_pages_init(cvx_pages *pages, const convex_mem *mem, const char *path,
                             const convex_value *args, uint32_t page_size, uint32_t number,
                             convex_error *reterr);
void cvx_pages_done(cvx_pages *pages); /* one that was never started, or was stopped */

void cvx_pages_start(cvx_sync *sync, cvx_pages *pages);
void cvx_pages_stop(cvx_sync *sync, cvx_pages *pages);
/* Asks for a further page. False when the list that was shown last says that none can be had. */
bool cvx_pages_load_more(cvx_sync *sync, cvx_pages *pages, uint32_t count);

#endif
