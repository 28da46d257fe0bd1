/* network_internal.h - the way to the server: checked, kept and given to libcurl. */
#ifndef CVX_NETWORK_INTERNAL_H
#define CVX_NETWORK_INTERNAL_H

#include <stdbool.h>

#include "convex/mem.h"
#include "convex/network.h"
#include "curl.h"

/* NULL, or what is wrong with a deployment's URL or the way to it, in words for a person. */
const char *cvx_network_fault(const convex_network *network, const char *url);

/* False when memory is short; nothing is left to release then. */
bool cvx_network_copy(const convex_network *network, const convex_mem *mem, convex_network *ret);
/* Releases what was copied. */
void cvx_network_done(convex_network *network, const convex_mem *mem);

/* Applies it to a handle, which copies all. */
CURLcode cvx_network_apply(const convex_network *network, CURL *easy);

/* What a failure means, where libcurl's own words (`words`, maybe "") leave that open. */
const char *cvx_network_words(CURLcode code, const char *words);

#endif
