/* plugin.h - events from a capture plugin on this machine, over HTTP.
 *
 *     POST /events            Authorization: Bearer TOKEN
 *     {"events": [{"name": "MESSAGE_CREATE", "data": {...}, "capturedAt": 1767323045678,
 *                  "parentId": "45"}, ...]}
 *
 * 1 to 64 events as Discord's gateway names and shapes them; capturedAt (ms, optional) is when the
 * plugin saw it, parentId (optional) the channel of the thread it happened in. They are captured by
 * the same rules as the gateway's own, so the same event from both is recorded once.
 *
 *     200 {"kept": 3}         on disk: they may be forgotten
 *     400 {"error": "events[1].data.id is missing"}; nothing of the request was kept
 *     401, 403, 404, 405, 413, 415, 429, 503 with an "error": the token is wrong; a web page asked;
 *     too much at once; the outbox is full (Retry-After says when to come again)
 *
 * Owns a thread for HTTP, which waits until the loop has stored what it handed over. */
#ifndef COLLECTOR_PLUGIN_H
#define COLLECTOR_PLUGIN_H

#include "capture.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "events.h"
#include "places.h"

typedef struct plugin plugin; /* opaque, one owner */

typedef struct plugin_options {
    daemon_loop *loop;  /* all borrowed for its life */
    const char *listen; /* "127.0.0.1:8790"; loopback only, port 0: any */
    const char *token;
    places *places;
    const capture_rules *rules;
    daemon_metrics *metrics;
    /* On the loop thread: stores events in one transaction. Returns 0 or a negative errno. */
    int (*keep)(const event_list *events, void *user);
    void *user;
} plugin_options;

/* Listens. Returns 0 or a negative errno, with one line in `reason`. */
int plugin_open(const plugin_options *options, plugin **ret, char *reason, size_t reason_size);
/* Refuses what is under way, joins the thread. From the loop thread; NULL is fine. */
void plugin_close(plugin *self);
const char *plugin_address(const plugin *self);

/* One request's body, for tests and fuzzing: adds its events to `into`.
 * Returns 0, -ENOMEM, or -EBADMSG with the field in `error`; then `into` is to be thrown away. */
int plugin_read(const char *body, size_t size, places *threads, const capture_rules *rules,
                int64_t now_ms, event_list *into, char *error, size_t error_size);

#endif
