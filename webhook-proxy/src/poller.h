/* poller.h - asks providers for what their webhooks did not say.
 *
 * A thread of its own. In each round it reads every source's lists, page by page, and puts what it
 * finds into the spool under the same keys as webhooks have, so that an event that came both ways
 * has one effect. How far a list was read is stored with the events of the page. A provider that
 * limits us is waited for; one that cannot be reached is asked again in the next round. */
#ifndef PROXY_POLLER_H
#define PROXY_POLLER_H

#include "daemon/metrics.h"
#include "sources.h"
#include "spool.h"

typedef struct poller poller; /* opaque, one owner */

typedef struct poller_options {
    spool *spool;            /* borrowed, closed after the poller */
    sources *sources;        /* a reference is taken */
    daemon_metrics *metrics; /* borrowed */
    int64_t every_ms;        /* from the end of a round to the next; the first begins at once */
    int64_t body_bytes;      /* the largest event taken */
} poller_options;

/* Does nothing, and costs nothing, while no source has an `api`. Returns 0 or a negative errno. */
int poller_new(const poller_options *options, poller **ret);
void poller_set_sources(poller *self, sources *set); /* for the next round; any thread */
/* Ends the request under way. NULL is fine. */
void poller_free(poller *self);

#endif
