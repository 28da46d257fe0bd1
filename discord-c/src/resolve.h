/* resolve.h - a host name looked up on a thread of its own, for loops that must not wait. */
#ifndef DISCORD_SRC_RESOLVE_H
#define DISCORD_SRC_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#define DRESOLVE_ADDRESS 64

typedef struct dresolve dresolve; /* one owner */

/* True when `host` is an address already. */
bool dresolve_is_address(const char *host);
/* Begins; when it is done a 1 is added to the eventfd `wake_fd`. NULL without memory or thread. */
dresolve *dresolve_start(const char *host, int wake_fd);
/* False while it is under way. Then ret is the address as text, or "" when there is none. */
bool dresolve_done(dresolve *r, char ret[DRESOLVE_ADDRESS]);
/* Wants no answer any more; does not wait for the thread. NULL is fine. */
void dresolve_drop(dresolve *r);

#endif
