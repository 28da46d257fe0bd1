/* readable.h - whether we may read a channel's history, from what Discord says of our permissions.
 *
 * Discord answers who may not read a channel's history with an empty one: before anything is made
 * of an empty page, this is asked. One thread at a time. */
#ifndef COLLECTOR_READABLE_H
#define COLLECTOR_READABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "capture.h"
#include "discord/rest.h"

enum { READABLE_ASKS = 3 };

/* The answers so far. Zero-initialised; yours, release with readable_done(). */
typedef struct readable {
    cJSON *answers[READABLE_ASKS];
    size_t count;
} readable;

/* Asks the next of READABLE_ASKS questions; own_id is the bot's. Statuses as discord_rest_send(),
 * DISCORD_EINVAL while own_id is not known. */
discord_status readable_ask(const readable *self, discord_rest *rest, const capture_place *place,
                            const char *own_id, discord_done_fn *on_done, void *user);
/* Takes a copy of the answer. Returns 0 or -ENOMEM: ask the same again. */
int readable_take(readable *self, const discord_result *answer);
/* After all of them. A thread is read with the permissions of its channel. */
bool readable_is(const readable *self, const capture_place *place, const char *own_id);
void readable_done(readable *self); /* may be called again */

#endif
