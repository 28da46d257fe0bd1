/* sources.h - says of each captured channel whether the bot may read it, and what to do if not.
 *
 * Loop thread only, but for sources_news() and the answers of the REST thread. A channel is looked
 * at when it is added, when a session begins, and every quarter of an hour; one that cannot be read
 * more often, at ever longer intervals. A change of a role, or of the bot's own, costs two requests
 * for its guild, one of a channel's overwrites the same, other changes of channels nothing: what
 * channels permit is known from their events. What is found is told to the backend (checks:source)
 * when it differs from what this life told last. One request at a time. */
#ifndef COLLECTOR_SOURCES_H
#define COLLECTOR_SOURCES_H

#include <cjson/cJSON.h>

#include "api.h"
#include "convex/client.h"
#include "daemon/loop.h"
#include "discord/rest.h"

typedef struct sources sources; /* opaque, one owner */

typedef struct sources_options {
    daemon_loop *loop;     /* all borrowed for its life */
    discord_rest *rest;    /* freed before it: its callbacks come here */
    convex_client *client; /* closed before it is freed */
    const char *own_id;    /* of the bot; "" until it is known */
} sources_options;

/* Returns 0 or a negative errno. */
int sources_new(const sources_options *options, sources **ret);
void sources_free(sources *self); /* NULL is fine */
void sources_stop(sources *self); /* asks for nothing more; NULL is fine */

void sources_set_channels(sources *self, const api_captured_channel_list *channels);
/* The backend can be told. */
void sources_backend_ready(sources *self);
/* An event of the gateway with its data, borrowed: permissions may be others. Any thread; self may
 * be NULL, and data where the event has none. */
void sources_news(sources *self, const char *event_name, const cJSON *data);

#endif
