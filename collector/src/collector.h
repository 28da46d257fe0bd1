/* collector.h - records what a source guild's analysts write.
 *
 * Threads: the loop thread owns the outbox, the pump and the backend link. The gateway's thread
 * turns events into bytes, hands each batch to the loop thread and waits until it is on disk;
 * only then does Discord hear that it arrived.
 *
 * Overflow: when the outbox is full the gateway is held, nothing more is read from the source and
 * nothing is dropped; Discord keeps the events, and reading goes on behind the last one kept. The
 * batch that reaches the bound is still taken whole.
 *
 * Gaps: when Discord ends the session, what was written meanwhile is read from the channels'
 * history (backfill.h); then, and now and then, what is known is compared with the source
 * (repair.h). */
#ifndef COLLECTOR_COLLECTOR_H
#define COLLECTOR_COLLECTOR_H

#include <stdint.h>

#include "daemon/config.h"
#include "service/link.h"

#define COLLECTOR_VERSION "0.1.0"

typedef struct collector_config {
    daemon_settings daemon;
    service_settings service;
    const char *discord_token; /* NULL: only the plugin tells */
    const char *discord_api_url;
    int64_t outbox_max_entries;
    int64_t outbox_max_bytes;
    const char *ignore_authors;               /* ids, or NULL */
    const char *plugin_listen, *plugin_token; /* NULL: no plugin */
    int64_t repair_interval_s, repair_window_h;
    int64_t files_max_bytes;
    const char *files_origin; /* or NULL */
} collector_config;

typedef struct collector collector; /* opaque, one owner */

/* Opens the outbox and begins to connect both sides. `config` is borrowed for its life.
 * Returns 0 or a negative errno; the cause is logged. */
int collector_open(collector **ret, const collector_config *config);
/* Serves until SIGTERM, then drains. Returns the exit status. */
int collector_run(collector *self);
void collector_close(collector *self); /* NULL is fine */

#endif
