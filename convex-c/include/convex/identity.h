/* convex/identity.h - a service that proves who it is with JWTs of its own.
 *
 * The private key stays here; Convex knows the public half from the JWKS in its
 * auth.config (a customJwt provider with the same issuer, audience and algorithm).
 *
 *   1. convex_keys_generate() makes the key file, once.
 *   2. convex_keys_auth_config() writes the auth.config.ts to deploy.
 *   3. convex_identity_new() with the same file, issuer and audience; its
 *      convex_identity_auth() is the credential of a client.
 *
 * Rotation, without a token refused: deploy an auth.config with the old key and the new one;
 * replace the key file (rename the new one over it); once every running service has renewed its
 * token, deploy an auth.config with the new key alone. A running identity notices the new file
 * when it next makes a token.
 *
 * Clocks: Convex allows 5 s of difference for such tokens, so the clock here must not be further
 * ahead, nor as far behind as a token lives.
 *
 * Thread-safe, but for convex_identity_new() and _free(). No function writes a token
 * anywhere, nor the key but to the file that convex_keys_generate() makes. */
#ifndef CONVEX_IDENTITY_H
#define CONVEX_IDENTITY_H

#include <stddef.h>

#include "convex/auth.h"
#include "convex/error.h"
#include "convex/log.h"
#include "convex/mem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- keys ---- */

/* What a key signs with. */
typedef enum convex_key_algorithm {
    CONVEX_KEY_ES256 = 0, /* EC, curve P-256: small and fast */
    CONVEX_KEY_RS256      /* RSA of 2048 bits */
} convex_key_algorithm;

enum { CONVEX_KID_SIZE = 44 }; /* a thumbprint of RFC 7638 with its NUL */

/* Makes a private key in `file` (PEM, PKCS #8, mode 0600), durable on return. A file that is there
 * already is never overwritten.
 *   ret_kid  may be NULL: the key's thumbprint, its name in a JWKS
 * Returns CONVEX_OK, CONVEX_EINVAL (the file is there or cannot be written; the error says which)
 * or CONVEX_ENOMEM (OpenSSL could not make a key). */
CONVEX_API convex_status convex_keys_generate(const char *file, convex_key_algorithm algorithm,
                                              char ret_kid[CONVEX_KID_SIZE], convex_error *reterr);

/* A private key in a file (see key_file below) and its name in a JWKS. */
typedef struct convex_key_file {
    const char *file;
    const char *kid; /* NULL: its thumbprint */
} convex_key_file;

/* The public halves as {"keys":[{...}]}, in the order given. Nothing private is in it.
 *   mem  NULL: libc
 *   ret  owned, release with convex_text_free() and the same mem
 * Returns CONVEX_OK, CONVEX_EINVAL (a key, or two of one name; the error says which) or
 * CONVEX_ENOMEM. */
CONVEX_API convex_status convex_keys_jwks(const convex_key_file *keys, size_t count,
                                          const convex_mem *mem, char **ret, convex_error *reterr);

/* The text of an auth.config.ts that trusts these keys, the JWKS inside it as a data: URI.
 *   keys      all of one algorithm, as a provider has only one
 *   issuer    of convex_identity_options
 *   audience  of convex_identity_options; NULL: none, any audience is accepted
 * The rest as convex_keys_jwks(). */
CONVEX_API convex_status convex_keys_auth_config(const convex_key_file *keys, size_t count,
                                                 const char *issuer, const char *audience,
                                                 const convex_mem *mem, char **ret,
                                                 convex_error *reterr);

/* ---- identities ---- */

typedef struct convex_identity convex_identity; /* one owner */

/* An extra claim, a string. */
typedef struct convex_claim {
    const char *name;
    const char *value;
} convex_claim;

/* Whom tokens speak for, and the key that signs them; begin with CONVEX_IDENTITY_OPTIONS_INIT. Zero
 * is the default of the others. */
typedef struct convex_identity_options {
    size_t size; /* set by CONVEX_IDENTITY_OPTIONS_INIT */

    /* One of both: a private key in PEM, without a passphrase. EC P-256 signs ES256,
     * RSA of 2048 bits and more RS256. A file must be closed to others and not writable by
     * its group (mode 0640 at most), and is read again when it has changed. */
    const char *key_pem;
    const char *key_file;

    const char *kid;      /* which key of the JWKS; NULL: the key's thumbprint */
    const char *issuer;   /* iss */
    const char *audience; /* aud, the provider's applicationID; NULL: none */
    const char *subject;  /* sub, such as "bot/host-1" */
    const char *role;     /* claim "role"; NULL: none */

    const convex_claim *claims; /* more claims; none of the names above */
    size_t claim_count;

    unsigned lifetime_s; /* of each token; 0 means 600 */
    convex_log log;      /* told when a changed key file cannot be used and the key that was
                            read before stays; default: silent */
    convex_mem mem;      /* give the clients that use this identity the same one */
} convex_identity_options;

#ifdef __cplusplus
static inline convex_identity_options convex_identity_options_init(void)
{
    convex_identity_options options = {};
    options.size = sizeof options;
    return options;
}
#define CONVEX_IDENTITY_OPTIONS_INIT convex_identity_options_init()
#else
/* clang-format off */
#define CONVEX_IDENTITY_OPTIONS_INIT {.size = sizeof(convex_identity_options)}
/* clang-format on */
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

/* The public half of the key in use, as {"keys":[{...}]} with kid, alg and use.
 *   ret  owned, release with convex_text_free() and the identity's mem */
CONVEX_API convex_status convex_identity_jwks(convex_identity *identity, char **ret,
                                              convex_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
