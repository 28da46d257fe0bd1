/* forwarder.h - brings what the spool holds to Convex, each event once in effect.
 *
 * Runs on the main loop's thread; only forwarder_take() is for the spool's. */
#ifndef PROXY_FORWARDER_H
#define PROXY_FORWARDER_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "service/link.h"
#include "spool.h"

typedef struct forwarder forwarder;

/* `loop`, `metrics` and `link` are borrowed for its life. Returns 0 or a negative errno. */
int forwarder_new(daemon_loop *loop, daemon_metrics *metrics, service_link *link, forwarder **ret);
/* Begins; what forwarder_take() got meanwhile waits for it. */
void forwarder_start(forwarder *self, spool *spool);
/* After its link was closed, before its spool and its loop. NULL is fine. */
void forwarder_free(forwarder *self);

/* A spool_deliver_fn. */
void forwarder_take(spool_delivery *list, void *user);

bool forwarder_is_idle(const forwarder *self); /* nothing is under way */

#endif
