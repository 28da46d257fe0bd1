/* convex/auth.h - who a client is to Convex: one credential for both transports.
 *
 * The same convex_auth goes into the HTTP client and into the live client. It is
 * copied when given, its texts included; `user` must stay valid for as long as
 * the client that was given it. */
#ifndef CONVEX_AUTH_H
#define CONVEX_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "convex/error.h"
#include "convex/mem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a client proves who it is. */
typedef enum convex_auth_kind {
    CONVEX_AUTH_NONE = 0,   /* anonymous */
    CONVEX_AUTH_USER_TOKEN, /* a fixed JWT, sent as "Bearer"; never refreshed */
    CONVEX_AUTH_FETCH,      /* a JWT from a callback, asked again before it expires */
    CONVEX_AUTH_ADMIN_KEY   /* a deployment's admin key, optionally acting as a user */
} convex_auth_kind;

/* Makes or finds a JWT.
 *   force_refresh  0: a cached token will do; else: the last one was refused or
 *                  is about to expire, make a new one
 *   ret_token      owned by the caller, who releases it with convex_text_free()
 *                  and the convex_mem of the client that asked (so allocate it
 *                  with that one); NULL means signed out
 * May block for a short time (the live client calls it on its own thread, the
 * HTTP client on the calling thread) and may be called from several threads at
 * once. Returns CONVEX_OK or the reason; the error must not quote the token. */
typedef convex_status convex_fetch_token_fn(void *user, int force_refresh, char **ret_token,
                                            convex_error *reterr);

/* A credential. Zero is anonymous. */
typedef struct convex_auth {
    convex_auth_kind kind;
    const char *token;            /* USER_TOKEN: the JWT */
    convex_fetch_token_fn *fetch; /* FETCH */
    void *user;                   /* FETCH: passed back untouched */
    const char *admin_key;        /* ADMIN_KEY: "name|hex", a "prod:" prefix is fine */
    const char *acting_as;        /* ADMIN_KEY: NULL, or the identity to act as: a JSON object with
                                     "tokenIdentifier", or with "issuer" and "subject" */
} convex_auth;

/* Reads `iat` and `exp` (seconds since 1970, fractions kept) from a JWT without
 * verifying anything; any algorithm. A claim that is absent or no number is
 * returned as NaN. Either output may be NULL; both are untouched on error.
 * Returns CONVEX_OK, CONVEX_EINVAL (not a JWT), CONVEX_ENOMEM. */
CONVEX_API convex_status convex_jwt_times(const char *token, double *ret_iat, double *ret_exp);

#ifdef __cplusplus
}
#endif
#endif
