/* message.h - payloads of messages and their sending, shared by the bot's own messages
 * (message.c) and those of webhooks (webhook.c). Any thread. */
#ifndef DISCORD_SRC_MESSAGE_H
#define DISCORD_SRC_MESSAGE_H

#include "rest.h"

/* The message as JSON, with allowed_mentions; *ret is owned. OK, EINVAL or ENOMEM. */
discord_status dmessage_payload(const discord_message *m, cJSON **ret);
/* Sends `request` with the payload (taken) and the message's files. */
discord_status dmessage_send(discord_rest *rest, discord_request *request, const discord_message *m,
                             cJSON *payload, discord_done_fn *on_done, void *user);
/* Sends a DELETE for which an unknown message is success. */
discord_status dmessage_delete(discord_rest *rest, const discord_request *request,
                               discord_done_fn *on_done, void *user);

#endif
