/* webhooks.h - our own webhooks of the mirror channels, each found or made once.
 *
 * Loop thread only. A webhook is ours when our application made it and it bears our name. A channel
 * needs one; where two bots made one each, both are used: a post is edited and deleted through the
 * one that made it. */
#ifndef BOT_WEBHOOKS_H
#define BOT_WEBHOOKS_H

#include "discord/webhook.h"
#include "inbox.h"

typedef struct webhooks webhooks; /* opaque, one owner */

/* `webhook` is borrowed until webhooks_forget() of its channel; NULL: `error` says why not, with
 * code 10015 when it was asked for by its id and is gone. */
typedef void webhooks_done_fn(const discord_webhook *webhook, const discord_error *error,
                              void *user);

/* rest, answers: borrowed. Returns NULL when out of memory. */
webhooks *webhooks_new(discord_rest *rest, inbox *answers);
void webhooks_free(webhooks *self); /* after the rest object; NULL is fine */
void webhooks_set_user(webhooks *self, const char *our_user_id); /* copied */

/* Calls `done` once, maybe before it returns.
 *   channel_id  a channel or thread
 *   id          the webhook that is wanted, or NULL for any of ours, made where there is none */
void webhooks_get(webhooks *self, const char *channel_id, const char *id, webhooks_done_fn *done,
                  void *user);
/* Discord says that one of them is gone: they are looked for anew. */
void webhooks_forget(webhooks *self, const char *channel_id);

#endif
