/* places.h - which channels are captured, which threads are theirs, and which guilds the bot is in.
 *
 * Thread-safe: the gateway's thread looks and learns, the loop's sets the channels and stores. Kept
 * among the outbox's values, so that a session that is resumed after a restart, which is told of no
 * channels and threads again, knows them. Before the backend first said which channels to capture,
 * every channel of an event that names its guild is taken for one: the backend judges then.
 *
 * At most 10,000 threads are remembered, the oldest are forgotten first. */
#ifndef COLLECTOR_PLACES_H
#define COLLECTOR_PLACES_H

#include <stdbool.h>

#include "api.h"
#include "capture.h"
#include "daemon/outbox.h"

typedef struct places places; /* opaque, one owner */

/* Reads what an earlier life stored. `box` is borrowed for the call; NULL: nothing. Returns 0 or
 * -ENOMEM. */
int places_new(outbox *box, places **ret);
void places_free(places *self); /* NULL is fine */

/* The channels to capture. Returns 0 or -ENOMEM: then they are as before. */
int places_set_channels(places *self, const api_captured_channel_list *channels);
bool places_known(places *self); /* were they ever said */

/* Of a channel or thread; see capture_rules.place. */
bool places_find(places *self, const char *channel_id, const char *guild_id, capture_place *ret);

/* Learns threads from a gateway event, if it is of that kind; after the event was captured. */
void places_learn(places *self, const char *name, const cJSON *data);
/* One thread, as the gateway or REST shows it, or as the plugin says. */
void places_add_thread(places *self, const char *thread_id, const char *parent_id);
void places_forget_thread(places *self, const char *thread_id);

/* Learns from an event of the bot's gateway which guilds it is a member of. */
void places_learn_guilds(places *self, const char *name, const cJSON *data);
/* The guilds of captured channels that the bot is known not to be in: "1, 2", as many as fit; ""
 * for none, and before its first session. */
void places_foreign_guilds(places *self, char *ret, size_t size);

/* Calls fn for each known thread of a captured channel, newest first; fn may not call places. */
void places_threads(places *self, void (*fn)(const capture_place *thread, void *user), void *user);

/* Inside a transaction that stores events: stores what was learned since; after it, whether it was
 * committed. Returns as outbox. */
int places_write(places *self, outbox *box);
void places_written(places *self, bool committed);

#endif
