/* posts.h - what we know of our own posts in the mirror channels, and finding one that no record
 * tells of.
 *
 * Loop thread only, no I/O. A post whose outcome is unknown, or whose record was lost, is one of
 * ours in its channel that belongs to nobody: neither to a row of the backend (as of the claim,
 * see `lanes` of mirrors:claim) nor to what this bot has done since. What it says does not matter:
 * it is edited afterwards. That holds because a lane is one bot's at a time. */
#ifndef BOT_POSTS_H
#define BOT_POSTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"

typedef struct posts posts; /* opaque, one owner */

posts *posts_new(void);       /* NULL: out of memory */
void posts_free(posts *self); /* NULL is fine */

/* We made or adopted this one, for this row. Without memory it is only not remembered. */
void posts_made(posts *self, const char *channel_id, const char *id, const char *mirror_id);
/* Nothing of ours in this channel is unknown, up to what we do from now on. */
bool posts_is_clean(posts *self, const char *channel_id);
void posts_set_clean(posts *self, const char *channel_id);
/* The backend's state may be another one than it was: nothing is clean, and what is claimed from
 * now on knows nothing of what was made before. */
void posts_begin_anew(posts *self);
/* Counts those; a search is of the time when its row was claimed. */
unsigned posts_epoch(const posts *self);

/* Which of Discord's list (newest first) may be the post we look for. */
typedef struct posts_search {
    const char *channel_id;
    const char *mirror_id;       /* the row that looks: what we made for it is found, too */
    unsigned epoch;              /* posts_epoch() when that row was claimed */
    const char *our_id;          /* of the bot */
    const char *webhook_id;      /* posts made through it; NULL: posts of the bot itself */
    const char *after;           /* only newer ones */
    const api_lane_posts *known; /* NULL: nothing is known, and nothing found */
} posts_search;

enum { POSTS_FOUND_MAX = 100 };
typedef struct posts_found {
    const cJSON *list[POSTS_FOUND_MAX]; /* oldest first */
    size_t count;
} posts_found;
void posts_find(posts *self, const posts_search *search, const cJSON *messages, posts_found *ret);

#endif
