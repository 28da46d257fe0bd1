/* daemon/address.h - "127.0.0.1:8787" and "[::1]:8787": numeric addresses to listen at.
 * Any thread. */
#ifndef DAEMON_ADDRESS_H
#define DAEMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A numeric host, in brackets if IPv6, and a port (0: any free one). */
bool daemon_address_valid(const char *text);

/* A socket that listens there, not blocking, closed on exec.
 *   reason  one line on failure
 * Returns the descriptor, owned, or a negative errno; -EINVAL: not an address. */
int daemon_address_listen(const char *text, char *reason, size_t reason_size);

/* Where a descriptor listens, in the same form. */
void daemon_address_name(int fd, char *ret, size_t size);

#ifdef __cplusplus
}
#endif
#endif
