/* role_watch.h - looks at the roles that members of the customers' guild really have.
 *
 * Loop thread only. At start and on a timer it goes through all
 * people whose roles are ours, one at a time, and tells the backend what it saw (roles:observe);
 * somebody who joins is looked at at once. It also checks at start that we may give the roles, and
 * says what to change when we may not. */
#ifndef BOT_ROLE_WATCH_H
#define BOT_ROLE_WATCH_H

#include <stdint.h>

#include "convex/client.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "discord/rest.h"

typedef struct role_watch role_watch; /* opaque, one owner */

typedef struct role_watch_options {
    daemon_loop *loop;     /* all borrowed for the object's life */
    convex_client *client; /* closed after role_watch_stop(), before role_watch_close() */
    discord_rest *rest;    /* freed between the same two */
    daemon_metrics *metrics;
    int64_t every_ms; /* between two rounds; 0: none but the first */
    /* A sentence on what a person has to change, or "" when all is well. */
    void (*on_problem)(const char *text, void *user);
    void *user;
} role_watch_options;

/* Returns 0 or a negative errno. Begins with role_watch_begin(). */
int role_watch_open(const role_watch_options *options, role_watch **ret);
void role_watch_begin(role_watch *self, const char *our_user_id); /* Discord accepted the token */
/* Somebody joined: looked at at once, or, of too many, by the next round. */
void role_watch_joined(role_watch *self, const char *guild_id, const char *user_id);
void role_watch_stop(role_watch *self);  /* begins nothing new */
void role_watch_close(role_watch *self); /* NULL is fine */

#endif
