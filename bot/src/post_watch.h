/* post_watch.h - sees that posts are deleted by hand, and has the backend look at their rows.
 *
 * Loop thread only. What the gateway tells of is passed on as it comes (lost.h). What nobody heard
 * of is found by looking: when a session begins, which is at start and after each gap, and on a
 * timer, the newest posts of each mirror channel (mirrors:posts) are compared with the channel's
 * newest messages, page by page, one request at a time. A post is missed only among messages that
 * are there, newer than the oldest of them unless the channel's history ends with it. A page that
 * is forbidden, or empty, says nothing: then the newest post is asked for by itself, and only
 * Discord's "Unknown Message" counts. */
#ifndef BOT_POST_WATCH_H
#define BOT_POST_WATCH_H

#include <stdint.h>

#include "convex/client.h"
#include "daemon/loop.h"
#include "discord/rest.h"
#include "inbox.h"

typedef struct post_watch post_watch; /* opaque, one owner */

typedef struct post_watch_options {
    daemon_loop *loop;     /* all borrowed for the object's life */
    convex_client *client; /* closed after post_watch_stop(), before post_watch_close() */
    discord_rest *rest;    /* freed between the same two */
    inbox *inbox;          /* and this after it */
    int64_t every_ms;      /* between two looks; 0: none by itself */
} post_watch_options;

/* Returns 0 or a negative errno. */
int post_watch_open(const post_watch_options *options, post_watch **ret);
/* The gateway tells that a message was deleted. */
void post_watch_deleted(post_watch *self, const char *channel_id, const char *message_id);
/* Something may have been missed: looks at all channels, once more if it is at it. */
void post_watch_look(post_watch *self);
void post_watch_stop(post_watch *self);  /* begins nothing new; NULL is fine */
void post_watch_close(post_watch *self); /* NULL is fine */

#endif
