/* listener.h - what happens in the customers' guilds: who joins, and which messages are deleted.
 *
 * Loop thread only, but for its gateway's thread. Nothing relies on it: what it missed, because the
 * session was lost or too much came at once, is found otherwise, later. */
#ifndef BOT_LISTENER_H
#define BOT_LISTENER_H

#include <stdbool.h>

#include "daemon/loop.h"
#include "discord/rest.h"

typedef struct listener listener; /* opaque, one owner */

typedef struct listener_options {
    daemon_loop *loop;  /* all borrowed for the object's life */
    discord_rest *rest; /* freed after listener_stop() */
    const char *token;
    bool members; /* who joins, too: needs the Server Members Intent; goes on without it */
    void (*on_joined)(const char *guild_id, const char *user_id, void *user);
    void (*on_deleted)(const char *channel_id, const char *message_id, void *user);
    void (*on_session)(void *user); /* a session begins: what was before it was not told of */
    void *user;
} listener_options;

/* Returns 0 or a negative errno. Begins with listener_begin(). */
int listener_open(const listener_options *options, listener **ret);
void listener_begin(listener *self); /* Discord accepted the token */
void listener_stop(listener *self);  /* ends the gateway; NULL is fine */
void listener_close(listener *self); /* NULL is fine */

#endif
