/* trust.h - which address a request came from, when proxies stand in front.
 *
 * X-Forwarded-For can be written by anybody, so only what a trusted proxy appended counts: the list
 * is read from its end while the addresses are trusted ones. A set is immutable; any thread. */
#ifndef PROXY_TRUST_H
#define PROXY_TRUST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct trust trust; /* opaque, one owner */

/*   list     "127.0.0.1,10.0.0.0/8,fd00::/8"; NULL or "": nobody is trusted
 *   ret      owned, release with trust_free()
 *   reason   on -EINVAL, what is wrong, one line
 * Returns 0, -EINVAL or -ENOMEM. */
int trust_new(const char *list, trust **ret, char *reason, size_t reason_size);
void trust_free(trust *self); /* NULL is fine */

bool trust_has(const trust *self, const char *address); /* a numeric address */

/* The client's address into `ret`: `peer` itself unless it is trusted.
 *   forwarded  the X-Forwarded-For headers joined with commas; "" if none */
void trust_client(const trust *self, const char *peer, const char *forwarded, char *ret,
                  size_t size);

#endif
