/* daemon/status.h - a daemon's health over HTTP, for monitors and orchestrators.
 *
 *     GET /healthz   200 while the process serves
 *     GET /readyz    200 when ready, else 503 with the reason
 *     GET /metrics   Prometheus' text format, version 0.0.4
 *
 * Answered on a thread of its own, so that a busy or stuck loop can be seen from outside. It has no
 * password: listen on loopback or where only the monitor is. */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/metrics.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct daemon_status daemon_status; /* opaque, one owner */

/* Starts to serve; not ready, with the reason "starting".
 *   listen   "127.0.0.1:9464"; port 0: any
 *   metrics  borrowed for its life; NULL: none
 *   ret      owned, release with daemon_status_close()
 *   reason   one line on failure
 * Returns 0 or a negative errno. */
int daemon_status_open(const char *listen, const daemon_metrics *metrics, daemon_status **ret,
                       char *reason, size_t reason_size);
void daemon_status_close(daemon_status *status); /* NULL is fine */

/* Any thread. `why` is one line, copied; shown while not ready. NULL status is fine. */
void daemon_status_set(daemon_status *status, bool ready, const char *why);
/* "127.0.0.1:9464", for the log. */
const char *daemon_status_address(const daemon_status *status);

#ifdef __cplusplus
}
#endif
#endif
