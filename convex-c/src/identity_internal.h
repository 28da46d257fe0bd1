/* identity_internal.h - the parts of an identity that tests drive by hand. */
#ifndef CVX_IDENTITY_INTERNAL_H
#define CVX_IDENTITY_INTERNAL_H

#include <stdint.h>

#include "convex/identity.h"

/* convex_identity_token() at the given time, in seconds since 1970. */
convex_status cvx_identity_token_at(convex_identity *identity, int64_t now_s, int force_new,
                                    char **ret, convex_error *reterr);

#endif
