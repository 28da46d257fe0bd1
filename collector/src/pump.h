/* pump.h - carries the outbox to the backend.
 *
 * Loop thread only. Entries leave the outbox after the backend has committed them; they may be sent
 * again after a crash, which signals:record makes harmless. Order: entries are sent in the order
 * they were captured, several batches at a time.
 *
 * What happens to an entry that fails:
 *   - its batch is sent again, one entry a call, so that one bad entry holds up nobody;
 *   - refused by the validators: to the dead letters at once, with Convex's words;
 *   - anything else the function threw, or a missing function: again, with backoff, for ever. It
 *     stays in the outbox, and the outbox's bound then stops the reading of the source. When many
 *     in turn fail so, all of them wait: then the backend is at fault. */
#ifndef COLLECTOR_PUMP_H
#define COLLECTOR_PUMP_H

#include <stdbool.h>

#include "convex/client.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/outbox.h"

typedef struct pump pump; /* opaque, one owner */

/* Everything borrowed for the pump's life. Returns 0 or a negative errno. */
int pump_new(daemon_loop *loop, outbox *box, convex_client *client, daemon_metrics *metrics,
             pump **ret);
/* Nothing is sent any more; call before the client is closed. NULL is fine. */
void pump_stop(pump *self);
void pump_free(pump *self); /* after the client was closed; NULL is fine */

/* There may be something to send: call after each commit to the outbox, and when the backend is
 * ready. */
void pump_kick(pump *self);

/* Takes what was delivered out of the outbox, as part of the open transaction if there is one:
 * called with each commit, so that delivery costs no disk flush of its own. Returns as outbox. Say
 * with pump_settled() whether that was committed. */
int pump_settle(pump *self);
void pump_settled(pump *self, bool committed);

/* True when nothing due is waiting and nothing is under way. */
bool pump_idle(const pump *self);

#endif
