/* backfill.h - what was written while no gateway session saw it.
 *
 * Loop thread only, besides the answers of the REST thread. Remembers for every captured channel
 * the newest message that is in the outbox or was (its cursor, among the outbox's values). When a
 * new session begins instead of a resumed one, the channel is read from its cursor on, page by
 * page, and each message is recorded like a live one. That a gap is open is stored with the
 * session, so that a crash leaves it open.
 *
 * A channel without a cursor (captured for the first time) only gets one. This is the fast way,
 * which needs no backend and keeps the order; edits, deletes, threads and what a first life missed
 * are found by repair.h. */
#ifndef COLLECTOR_BACKFILL_H
#define COLLECTOR_BACKFILL_H

#include <stdbool.h>

#include "api.h"
#include "capture.h"
#include "daemon/loop.h"
#include "daemon/outbox.h"
#include "discord/rest.h"
#include "events.h"

typedef struct backfill backfill; /* opaque, one owner */

typedef struct backfill_options {
    daemon_loop *loop; /* all borrowed for its life */
    outbox *box;
    discord_rest *rest; /* freed before the backfill: its callbacks come here */
    const capture_rules *rules;
    /* Stores events in one transaction that calls backfill_write(), then backfill_written(), as
     * for live ones. Returns 0 or a negative errno: the page is asked for again. */
    int (*keep)(const event_list *events, void *user);
    /* A gap is being read, or no longer: live events had better wait, to keep the order. */
    void (*on_busy)(bool busy, void *user);
    void *user;
} backfill_options;

/* Returns 0 or a negative errno. */
int backfill_new(const backfill_options *options, backfill **ret);
void backfill_free(backfill *self); /* NULL is fine */
/* Asks for no more pages: what is missing then is read by the next life. */
void backfill_stop(backfill *self);

/* The channels to capture. A channel that is no longer there is forgotten,
 * so what is written to it meanwhile is not read later. */
void backfill_set_channels(backfill *self, const api_captured_channel_list *channels);

/* Around each transaction that stores events:
 *   backfill_note     before it: these live events; `new_session` if READY was among them
 *   backfill_write    inside: stores cursors and the open gap. Returns as outbox
 *   backfill_written  after it: whether it was committed */
void backfill_note(backfill *self, const event_list *events, bool new_session);
int backfill_write(backfill *self);
void backfill_written(backfill *self, bool committed);

#endif
