/* identity_key.h - the private key of an identity: reading, checking, its public half. */
#ifndef CVX_IDENTITY_KEY_H
#define CVX_IDENTITY_KEY_H

#include "convex/error.h"
#include "text.h"

typedef enum cvx_key_kind {
    CVX_KEY_ES256, /* EC, curve P-256 */
    CVX_KEY_RS256  /* RSA, 2048 bits or more */
} cvx_key_kind;

/* Reads a whole PEM file. ret: owned, release with cvx_free_secret(). */
convex_status cvx_key_read_file(const char *path, const convex_mem *mem, char **ret,
                                convex_error *reterr);
/* Whether the PEM text is a private key one of the algorithms can sign with. */
convex_status cvx_key_check(const char *pem, cvx_key_kind *ret, convex_error *reterr);
const char *cvx_key_algorithm(cvx_key_kind kind);
/* Adds {"keys":[{...}]} of the public half. */
convex_status cvx_key_add_jwks(const char *pem, const char *kid, cvx_text *ret,
                               convex_error *reterr);

#endif
