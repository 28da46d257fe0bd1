/* checks.h - carries out what operators ask to be tried in a mirror channel.
 *
 * Loop thread only. The backend says that a check waits (checks:queue, a live query); it is leased
 * (checks:claim), carried out one call after the other, and its findings are reported
 * (checks:report). One check at a time: they are rare, and must not get in the way of posts. */
#ifndef BOT_CHECKS_H
#define BOT_CHECKS_H

#include "convex/client.h"
#include "daemon/loop.h"
#include "discord/rest.h"
#include "inbox.h"

typedef struct checks checks; /* opaque, one owner */

typedef struct checks_options {
    daemon_loop *loop;     /* all borrowed for the object's life */
    convex_client *client; /* closed before checks_close() */
    discord_rest *rest;    /* freed before checks_close() */
    inbox *inbox;
    const char *instance;
} checks_options;

/* Subscribes to the queue. Returns 0 or a negative errno. */
int checks_open(const checks_options *options, checks **ret);
void checks_begin(checks *self, const char *our_user_id); /* Discord accepted the token */
void checks_stop(checks *self);                           /* begins nothing new */
void checks_close(checks *self);                          /* NULL is fine */

#endif
