/* file_url.h - which addresses files may be fetched from. Pure.
 *
 * A message may name any address: only Discord's own file hosts are asked, over https, and one more
 * origin if it is configured. */
#ifndef COLLECTOR_FILE_URL_H
#define COLLECTOR_FILE_URL_H

#include <stdbool.h>
#include <sys/socket.h>

/* May `url` be fetched?
 *   extra_origin  "http://127.0.0.1:3900", allowed too, whatever its scheme; NULL: none */
bool file_url_allowed(const char *url, const char *extra_origin);
/* Is `url` on the configured origin, where private addresses are fine? */
bool file_url_on_origin(const char *url, const char *origin);
/* Do the two name one file, but for Discord's signatures? */
bool file_url_same(const char *a, const char *b);
/* An address of the open internet: not this machine's, no private network's, no multicast. */
bool file_address_public(const struct sockaddr *address);

#endif
