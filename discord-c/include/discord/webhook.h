/* discord/webhook.h - posting under a name and face of one's own.
 *
 * Calls as those of discord/rest.h: never blocking, thread-safe, answered once. They carry no
 * Authorization and have rate limits of their own, one for each webhook.
 *
 * Weaker than the bot's own posts: a webhook knows no nonce, so a create is sent once and not
 * repeated after a broken connection (error.maybe_applied says that it may have been posted), and
 * no replies. Whoever has the token may write: keep it as one keeps the bot's.
 *
 * DISCORD_ENOTFOUND with code 10015, or DISCORD_EAUTH with code 50027: this webhook is gone; do not
 * use it again, Discord bans addresses that do. Nothing else stops. */
#ifndef DISCORD_WEBHOOK_H
#define DISCORD_WEBHOOK_H

#include "discord/rest.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which one, and where. All borrowed, copied before a call returns. */
typedef struct discord_webhook {
    const char *id;
    const char *token;
    const char *thread_id; /* of a thread in its channel, or NULL */
} discord_webhook;

/* A message and who it is from. */
typedef struct discord_webhook_message {
    discord_message message; /* without reply_to_id and nonce: EINVAL */
    const char *username;    /* 1..80 characters, neither "clyde" nor "discord" in them; NULL: the
                                webhook's own */
    const char *avatar_url;  /* NULL: the webhook's own */
    const char *thread_name; /* begins a post in a forum; NULL elsewhere */
} discord_webhook_message;

/* The result's json is the message made. */
DISCORD_API discord_status discord_rest_execute_webhook(discord_rest *rest,
                                                        const discord_webhook *webhook,
                                                        const discord_webhook_message *message,
                                                        discord_done_fn *on_done, void *user);

/* A webhook's message is edited by the webhook alone: with the bot's token Discord answers 50005.
 */
DISCORD_API discord_status discord_rest_edit_webhook_message(discord_rest *rest,
                                                             const discord_webhook *webhook,
                                                             const char *message_id,
                                                             const discord_message *message,
                                                             discord_done_fn *on_done, void *user);
DISCORD_API discord_status discord_rest_get_webhook_message(discord_rest *rest,
                                                            const discord_webhook *webhook,
                                                            const char *message_id,
                                                            discord_done_fn *on_done, void *user);
/* Unknown Message (10008) counts as success, with already_gone set. */
DISCORD_API discord_status discord_rest_delete_webhook_message(discord_rest *rest,
                                                               const discord_webhook *webhook,
                                                               const char *message_id,
                                                               discord_done_fn *on_done,
                                                               void *user);

/* ---- managing, with the bot's token and Manage Webhooks ---- */

/* The result's json: {id, token, name, ...}. DISCORD_EREJECTED with code 30007: the channel has
 * fifteen already. `reason` may be NULL. */
DISCORD_API discord_status discord_rest_create_webhook(discord_rest *rest, const char *channel_id,
                                                       const char *name, const char *reason,
                                                       discord_done_fn *on_done, void *user);
/* An array; `token` is there for those this application made. */
DISCORD_API discord_status discord_rest_get_channel_webhooks(discord_rest *rest,
                                                             const char *channel_id,
                                                             discord_done_fn *on_done, void *user);
/* A webhook that is gone already (10015) is DISCORD_ENOTFOUND. */
DISCORD_API discord_status discord_rest_delete_webhook(discord_rest *rest, const char *webhook_id,
                                                       const char *reason, discord_done_fn *on_done,
                                                       void *user);

#ifdef __cplusplus
}
#endif
#endif
