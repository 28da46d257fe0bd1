/* repair_page.h - one page of a channel's history, as the backend is asked to compare it.
 * Plain data, one thread at a time. */
#ifndef COLLECTOR_REPAIR_PAGE_H
#define COLLECTOR_REPAIR_PAGE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "api.h"
#include "capture.h"
#include "events.h"

/* A page may be a moment older than the last events: what was captured since then and is not in it
 * is not missed yet. */
enum { REPAIR_SETTLE_MS = 5000 };

typedef struct repair_page repair_page; /* opaque, one owner */

/* Discord's answer to a request for `limit` messages after `after`.
 * A page that is not full is the last: what is above it, is not there; or, of an empty one, is not
 * shown to us.
 * Returns 0, -EBADMSG for a list without ids, or -ENOMEM. */
int repair_page_new(const capture_rules *rules, const capture_place *place, uint64_t after,
                    const cJSON *list, int limit, int64_t captured_at_ms, repair_page **ret);
void repair_page_free(repair_page *page); /* NULL is fine */

bool repair_page_is_empty(const repair_page *page);
bool repair_page_is_last(const repair_page *page);
uint64_t repair_page_newest(const repair_page *page);

/* The arguments of signals:drift. Owned, release with api_signals_drift_args_unref().
 * Returns 0, -EBADMSG or -ENOMEM. */
int repair_page_args(const repair_page *page, const api_signals_drift_args **ret);

/* Adds the page's events of these messages, oldest first. Returns 0 or -ENOMEM. */
int repair_page_pick(const repair_page *page, const convex_str_list *ids, event_list *into);

/* The smallest id a message of this time (ms since 1970) can have. */
uint64_t repair_id_of_time(int64_t ms);

#endif
