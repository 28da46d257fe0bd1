/* inbox.h - answers of discord-c's REST thread, brought to the loop thread.
 *
 * Loop thread only, but for inbox_take(). Each call gets a letter; its answer is delivered on the
 * loop thread, once. */
#ifndef BOT_INBOX_H
#define BOT_INBOX_H

#include "daemon/loop.h"
#include "discord/rest.h"

typedef struct inbox inbox;   /* opaque, one owner */
typedef struct letter letter; /* opaque, belongs to its call */

/* Returns 0 or a negative errno. */
int inbox_new(daemon_loop *loop, inbox **ret);
/* After the rest object; what was not delivered yet never is. NULL is fine. */
void inbox_free(inbox *self);

/* For one call: pass inbox_take and the letter as its on_done and user.
 *   done, user  called on the loop thread with the answer, borrowed until it returns
 * Returns NULL when out of memory. */
letter *inbox_letter(inbox *self, discord_done_fn *done, void *user);
void inbox_take(const discord_result *result, void *letter); /* any thread */
void letter_drop(letter *self); /* the call was not made; NULL is fine */

#endif
