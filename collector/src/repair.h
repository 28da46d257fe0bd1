/* repair.h - makes what is known equal to what the source has: missed messages, edits and deletes.
 *
 * Loop thread only, besides the answers of the REST thread. A round reads the recent history of
 * every captured channel and of its threads, page by page, and asks the backend how each page
 * differs from what it knows (signals:drift). What is new or says something else is recorded like
 * a live event, as captured when the page was asked for. What is known and not in the page's range
 * is asked for one by one, and only Discord's "Unknown Message" makes it deleted: nothing is ever
 * concluded from an empty page or a forbidden one. After an empty page, which is also Discord's
 * answer to who may not read it, they are asked for only if our permissions let us read the history
 * (readable.h). A channel or thread that Discord does not know
 * any more is deleted only if its guild can still be read and does not list it.
 *
 * Rounds: after each gap, when a channel is added, and every `every_ms`. A round covers what was
 * written or changed since the last one that was complete, and `window_ms` before that; for a
 * channel without one, all since it was turned on. That a gap is open, and when the last round was,
 * is among the outbox's values. There is no index of messages here: what is known is what the
 * backend knows, so that a lost state directory, another collector or a plugin change nothing. The
 * price is that rounds wait for the backend; messages missed in a gap do not (backfill.h).
 *
 * One request at a time: live events have all the room they need. */
#ifndef COLLECTOR_REPAIR_H
#define COLLECTOR_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "api.h"
#include "capture.h"
#include "convex/client.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/outbox.h"
#include "discord/rest.h"
#include "events.h"
#include "places.h"

typedef struct repair repair; /* opaque, one owner */

typedef struct repair_options {
    daemon_loop *loop; /* all borrowed for its life */
    outbox *box;
    discord_rest *rest; /* freed before the repair: its callbacks come here */
    convex_client *client;
    places *places;
    const capture_rules *rules;
    daemon_metrics *metrics;
    int64_t every_ms; /* give or take a tenth; 0: only after gaps */
    int64_t window_ms;
    /* Stores events in one transaction. Returns 0 or a negative errno: it is tried again. */
    int (*keep)(const event_list *events, void *user);
    void *user;
} repair_options;

/* Returns 0 or a negative errno. */
int repair_new(const repair_options *options, repair **ret);
void repair_free(repair *self); /* after the client was closed; NULL is fine */
void repair_stop(repair *self); /* asks for nothing more; NULL is fine */

/* The channels to capture, in each life before anything else happens. */
void repair_set_channels(repair *self, const api_captured_channel_list *channels);
/* The backend can be asked. */
void repair_backend_ready(repair *self);
/* Missed messages are being read (backfill.h), or no longer: rounds wait for that. */
void repair_wait(repair *self, bool wait);
/* Fetches one message that an event did not say enough of. */
void repair_fetch(repair *self, const char *channel_id, const char *message_id);

/* A new session began: a round is due. Inside the transaction that stores it. Returns as outbox. */
int repair_write_gap(repair *self);
/* After that transaction was committed. */
void repair_gap(repair *self);

#endif
