/* convex/identity.h - a service that proves who it is with JWTs of its own.
 *
 * The private key stays here; Convex knows the public half from the JWKS in its
 * auth.config (a customJwt provider with the same issuer, audience and algorithm).
 * Thread-safe, but for new and free. No function writes the key or a token anywhere. */
#ifndef CONVEX_IDENTITY_H
#define CONVEX_IDENTITY_H

#include <stddef.h>

#include "convex/auth.h"
#include "convex/error.h"
#include "convex/mem.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct convex_identity convex_identity; /* one owner */

/* An extra claim, a string. */
typedef struct convex_claim {
    const char *name;
    const char *value;
} convex_claim;

typedef struct convex_identity_options {
    /* One of both: a private key in PEM, without a passphrase. EC P-256 signs ES256,
     * RSA of 2048 bits and more RS256. */
    const char *key_pem;
    const char *key_file;

    const char *kid;      /* which key of the JWKS; required by Convex */
    const char *issuer;   /* iss */
    const char *audience; /* aud, the provider's applicationID; NULL: none */
    const char *subject;  /* sub, such as "bot/host-1" */
    const char *role;     /* claim "role"; NULL: none */

    const convex_claim *claims; /* more claims; none of the names above */
    size_t claim_count;

    unsigned lifetime_s; /* of each token; 0 means 600 */
    convex_mem mem;      /* give the clients that use this identity the same one */
} convex_identity_options;

/* Zero is the default of every option. */
#ifdef __cplusplus
#define CONVEX_IDENTITY_OPTIONS_INIT                                                               \
    {                                                                                              \
    }
#else
#define CONVEX_IDENTITY_OPTIONS_INIT                                                               \
    {                                                                                              \
        0                                                                                          \
    }
#endif

/* Reads and checks the key.
 *   options  borrowed, copied before return
 *   ret      owned, release with convex_identity_free()
 * Returns CONVEX_OK, CONVEX_EINVAL (an option or the key; the error says which) or
 * CONVEX_ENOMEM. */
CONVEX_API convex_status convex_identity_new(const convex_identity_options *options,
                                             convex_identity **ret, convex_error *reterr);
/* After every client that uses it is gone. NULL is fine. */
CONVEX_API void convex_identity_free(convex_identity *identity);

/* A token that still has a fifth of its life before it, or a new one.
 *   force_new  not 0: mint one now, such as after the last was refused
 *   ret        owned, release with convex_text_free() and the identity's mem
 * Returns CONVEX_OK, CONVEX_EAUTH (could not sign) or CONVEX_ENOMEM. */
CONVEX_API convex_status convex_identity_token(convex_identity *identity, int force_new, char **ret,
                                               convex_error *reterr);

/* The same as a credential: a FETCH whose `user` is the identity. */
CONVEX_API convex_auth convex_identity_auth(convex_identity *identity);

/* The public key as {"keys":[{...}]} with kid, alg and use, for the deployment's auth.config.
 *   ret  owned, release with convex_text_free() and the identity's mem */
CONVEX_API convex_status convex_identity_jwks(convex_identity *identity, char **ret,
                                              convex_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
