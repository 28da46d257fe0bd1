/* sync_probe.c - pings that somebody waits for.
 * Loop thread. Invariants: a probe is in `waiting` or in `done`; those of `waiting` that were sent
 * come first; on a connection that is not open nothing waits. The list is short: the client bounds
 * it. */
#include "sync_internal.h"

#include <string.h>

static void append(cvx_probe_list *list, cvx_probe *probe)
{
    probe->next = NULL;
    if (list->last)
        list->last->next = probe;
    else
        list->first = probe;
    list->last = probe;
}

static cvx_probe *take_first(cvx_probe_list *list)
{
    cvx_probe *probe = list->first;

    if (probe)
        list->first = probe->next;
    if (!list->first)
        list->last = NULL;
    return probe;
}

static void finish(cvx_sync *sync, cvx_probe *probe, convex_status status)
{
    probe->status = status;
    append(&sync->probes.done, probe);
}

void cvx_sync_probe(cvx_sync *sync, cvx_probe *probe)
{
    probe->sent = false;
    if (sync->conn == CVX_OPEN)
        append(&sync->probes.waiting, probe);
    else
        finish(sync, probe, CONVEX_ENETWORK);
}

cvx_probe *cvx_probes_next_unsent(cvx_sync *sync)
{
    cvx_probe *probe = sync->probes.waiting.first;

    while (probe && probe->sent)
        probe = probe->next;
    if (!probe)
        return NULL;
    probe->sent = true;
    sync->probes.number++;
    memcpy(probe->data, &sync->probes.number, sizeof probe->data);
    return probe;
}

/* Pongs come in the order of their pings, and one may answer for several (RFC 6455, 5.5.3). */
void cvx_sync_pong(cvx_sync *sync, const char *data, size_t len, int64_t now_us)
{
    const cvx_probe *match = sync->probes.waiting.first;
    cvx_probe *probe = NULL;

    while (match && (!match->sent || len != sizeof match->data ||
                     memcmp(match->data, data, sizeof match->data) != 0))
        match = match->next;
    while (match && probe != match) {
        probe = take_first(&sync->probes.waiting);
        probe->rtt_us = (unsigned)(now_us - probe->sent_us);
        sync->metrics.last_rtt_us = probe->rtt_us;
        finish(sync, probe, CONVEX_OK);
    }
}

void cvx_probes_lost(cvx_sync *sync, convex_status status)
{
    cvx_probe *probe;

    while ((probe = take_first(&sync->probes.waiting)) != NULL)
        finish(sync, probe, status);
}

int64_t cvx_probes_deadline(const cvx_sync *sync)
{
    int64_t at = INT64_MAX;

    for (const cvx_probe *probe = sync->probes.waiting.first; probe; probe = probe->next)
        if (probe->deadline < at)
            at = probe->deadline;
    return at;
}

/* All that wait learn of it: they are of the same connection. */
void cvx_probes_tick(cvx_sync *sync)
{
    if (sync->now < cvx_probes_deadline(sync))
        return;
    cvx_probes_lost(sync, CONVEX_ETIMEOUT);
    cvx_sync_drop(sync, CONVEX_ETIMEOUT, "InactiveServer");
}

cvx_probe *cvx_probes_next_done(cvx_sync *sync)
{
    return take_first(&sync->probes.done);
}

cvx_probe *cvx_sync_take_probe(cvx_sync *sync)
{
    cvx_probes_lost(sync, CONVEX_ECLOSED);
    return cvx_probes_next_done(sync);
}
