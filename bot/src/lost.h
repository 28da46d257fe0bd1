/* lost.h - messages that somebody deleted, told to the backend: some may be our posts.
 *
 * Loop thread only. The backend knows whose they are (mirrors:lost) and has their rows looked at.
 * What work under way may be about is told again, for longer than a lease lasts. */
#ifndef BOT_LOST_H
#define BOT_LOST_H

#include "convex/client.h"
#include "daemon/loop.h"

typedef struct lost lost; /* opaque, one owner */

/* loop, client: borrowed. Returns 0 or a negative errno. */
int lost_open(daemon_loop *loop, convex_client *client, lost **ret);
/* At most 1024 wait; what is beyond is found when its signal changes. */
void lost_add(lost *self, const char *channel_id, const char *message_id);
void lost_stop(lost *self);  /* tells nothing more; NULL is fine */
void lost_close(lost *self); /* after the client was closed; NULL is fine */

#endif
