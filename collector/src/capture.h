/* capture.h - from a Discord gateway event to what signals:record takes.
 *
 * Pure: no I/O, no state, any thread. Nothing is guessed: a key that the event does not carry is
 * not in the result, so that the backend merges only what is known. */
#ifndef COLLECTOR_CAPTURE_H
#define COLLECTOR_CAPTURE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a message is written: what the backend calls its channel, and the thread in it. */
typedef struct capture_place {
    char guild_id[24], channel_id[24];
    char thread_id[24]; /* "": in the channel itself */
} capture_place;

typedef struct capture_rules {
    /* Finds the place of a channel or thread. guild_id is what the event says, or NULL.
     * Returns false for one that is not captured: its events give nothing. */
    bool (*place)(const char *channel_id, const char *guild_id, capture_place *ret, void *user);
    void *user;
    /* Whose messages are not captured, NULL or "" where not known: ours by user, or by a webhook
     * of our application; and others', by the ids of users and webhooks with anything between. */
    const char *own_id, *own_application_id, *ignored;
} capture_rules;

/* One event for signals:record, as encoded Convex JSON.
 *   channel_id  where it was written: the thread, or the channel; of a deleted thread its channel
 *   key         "channel/message", or "channel/deleted", for people who read the outbox
 *   json        borrowed until the callback returns. NULL: the event did not say enough of this
 *               message, which is to be fetched
 * Returns 0, or a negative errno that ends the capture and is passed on. */
typedef int capture_fn(const char *channel_id, const char *key, const char *json, size_t size,
                       void *user);

/* Calls fn for each message that the event creates, changes or deletes, in order (a bulk delete
 * gives several), and for a deleted channel or thread. Events of other kinds, of direct messages,
 * and of message types that are not mirrored (joins, pins, ...) give none.
 *   name            "MESSAGE_CREATE", ...
 *   data            the event's `d`
 *   captured_at_ms  wall clock, when it was read
 * Returns 0, -EBADMSG for an event without the ids it must have, -ENOMEM, or what fn returned. */
int capture_event(const capture_rules *rules, const char *name, const cJSON *data,
                  int64_t captured_at_ms, capture_fn *fn, void *user);

/* The same for one message as REST answers it; captured when that was asked. */
int capture_message(const capture_rules *rules, const capture_place *place, const cJSON *message,
                    int64_t captured_at_ms, capture_fn *fn, void *user);

/* A message that was found deleted; message_id NULL: the channel or thread itself. */
int capture_gone(const capture_place *place, const char *message_id, int64_t captured_at_ms,
                 capture_fn *fn, void *user);

/* "2026-01-02T03:04:05.678000+00:00" to ms since 1970. Returns 0 or -EINVAL. */
int capture_time(const char *text, int64_t *ret_ms);

#endif
