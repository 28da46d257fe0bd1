/* capture.h - from a Discord gateway event to what signals:record takes.
 *
 * Pure: no I/O, no state, any thread. Nothing is guessed: a key that the event does not carry is
 * not in the result, so that the backend merges only what is known. */
#ifndef COLLECTOR_CAPTURE_H
#define COLLECTOR_CAPTURE_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

/* One event for signals:record, as encoded Convex JSON.
 *   key    "channel/message", for people who read the outbox
 *   json   borrowed until the callback returns
 * Returns 0, or a negative errno that ends the capture and is passed on. */
typedef int capture_fn(const char *channel_id, const char *key, const char *json, size_t size,
                       void *user);

/* Calls fn for each message that the event creates, changes or deletes, in order (a bulk delete
 * gives several). Events of other kinds, of direct messages, and of message types that are not
 * mirrored (joins, pins, ...) give none.
 *   name            "MESSAGE_CREATE", ...
 *   data            the event's `d`
 *   guild_id        of the channel, for an event that does not say it; NULL: not known
 *   captured_at_ms  wall clock, when it was read
 * Returns 0, -EBADMSG for an event without the ids it must have, -ENOMEM, or what fn returned. */
int capture_event(const char *name, const cJSON *data, const char *guild_id, int64_t captured_at_ms,
                  capture_fn *fn, void *user);

/* The same for one message as REST lists it, where no guild id is in it. */
int capture_message(const char *guild_id, const cJSON *message, int64_t captured_at_ms,
                    capture_fn *fn, void *user);

/* "2026-01-02T03:04:05.678000+00:00" to ms since 1970. Returns 0 or -EINVAL. */
int capture_time(const char *text, int64_t *ret_ms);

#endif
