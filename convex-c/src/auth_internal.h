/* auth_internal.h - credentials as both transports keep and send them. */
#ifndef CVX_AUTH_INTERNAL_H
#define CVX_AUTH_INTERNAL_H

#include "convex/auth.h"
#include "text.h"

/* Checks a credential and copies its texts. NULL stands for CONVEX_AUTH_NONE.
 *   ret  release with cvx_auth_done(); untouched on error */
convex_status cvx_auth_copy(const convex_auth *auth, const convex_mem *mem, convex_auth *ret,
                            convex_error *reterr);
void cvx_auth_done(convex_auth *auth, const convex_mem *mem);

/* Whether `token` can go into a header line: printable ASCII, not empty. */
bool cvx_auth_is_sendable(const char *token);

/* Whether `name` can be sent as Convex-Client: "<name>-1.2.3". The server takes names of its own
 * clients without a version for too old ones. */
bool cvx_auth_is_client_name(const char *name);

/* Adds "Authorization: ..." for the credential, or nothing when it is anonymous.
 *   fetched  FETCH: the token, NULL when signed out; else ignored */
void cvx_auth_header(const convex_auth *auth, const char *fetched, cvx_text *ret);

#endif
