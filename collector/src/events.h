/* events.h - captured events on their way to the outbox, as bytes.
 * Plain data: one thread at a time. */
#ifndef COLLECTOR_EVENTS_H
#define COLLECTOR_EVENTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct captured {
    char *channel_id, *key; /* key: "channel/message" */
    char *json;             /* NULL: the message is to be fetched */
    size_t size;
} captured;

typedef struct event_list {
    captured *items;
    size_t count, cap;
} event_list;

/* A capture_fn: copies one event to the end of the event_list `list`. Returns 0 or -ENOMEM. */
int event_list_add(const char *channel_id, const char *key, const char *json, size_t size,
                   void *list);
void event_list_clear(event_list *list); /* keeps the room */
void event_list_done(event_list *list);

/* The message's id out of the key; "deleted" of a channel. */
const char *captured_message(const captured *event);
uint64_t captured_message_id(const captured *event); /* 0: of no message */

#endif
