/* roles.h - gives paid roles in the customers' guild, and takes them away.
 *
 * Loop thread only. The backend says that there is work (roles:queue, a live query), this leases
 * it (roles:claim), carries it out at Discord and reports (roles:report). Giving and taking are
 * idempotent there, so what was lost with a crash is simply done again. Nothing is kept here. */
#ifndef BOT_ROLES_H
#define BOT_ROLES_H

#include <stdbool.h>

#include "convex/client.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "discord/rest.h"

typedef struct roles roles; /* opaque, one owner */

typedef struct roles_options {
    daemon_loop *loop;     /* all borrowed for the object's life */
    convex_client *client; /* closed after roles_stop(), before roles_close() */
    discord_rest *rest;    /* freed before roles_close(): its last callbacks come here */
    daemon_metrics *metrics;
    const char *instance;
    bool dry_run; /* says what it would do and does nothing */
} roles_options;

/* Subscribes; begins with roles_begin(). Returns 0 or a negative errno. */
int roles_open(const roles_options *options, roles **ret);
void roles_begin(roles *self); /* Discord accepted the token */
void roles_stop(roles *self);  /* begins nothing new */
/* Nothing is under way and everything was reported. */
bool roles_is_idle(const roles *self);
void roles_close(roles *self); /* NULL is fine */

#endif
