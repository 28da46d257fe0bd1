/* identity.c - a service that proves who it is with JWTs of its own.
 *
 * Owns the key and the last token. Any thread; `lock` guards token, renew_at and
 * the minting, so that a crowd of callers makes one token.
 * Invariant: `token` is NULL or was minted when renew_at was set. */
#include "identity_internal.h"

#include <errno.h>
#include <jwt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error_internal.h"
#include "identity_key.h"
#include "mem.h"

enum { LIFETIME_S = 600, LIFETIME_MAX_S = 86400 };

struct convex_identity {
    convex_mem mem;
    cvx_key_kind kind;
    unsigned lifetime_s;
    char *pem, *kid;
    convex_claim *claims; /* names and values owned; iss, sub, aud, role first */
    size_t claim_count;
    pthread_mutex_t lock;
    char *token;
    int64_t renew_at;
};

/* ---- options ---- */

static bool is_reserved(const char *name)
{
    static const char *const names[] = {"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "role"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

static const char *fault_of(const convex_identity_options *options)
{
    if (is_empty(options->key_pem) == is_empty(options->key_file))
        return "exactly one of key_pem and key_file is needed";
    if (is_empty(options->kid) || is_empty(options->issuer) || is_empty(options->subject))
        return "kid, issuer and subject are needed";
    if (options->lifetime_s > LIFETIME_MAX_S)
        return "lifetime_s is above a day";
    for (size_t i = 0; i < options->claim_count; i++) {
        if (is_empty(options->claims[i].name) || options->claims[i].value == NULL)
            return "a claim has no name or no value";
        if (is_reserved(options->claims[i].name))
            return "a claim has the name of a standard one";
    }
    return NULL;
}

static bool add_claim(convex_identity *identity, const char *name, const char *value)
{
    if (value == NULL)
        return true;
    convex_claim *claim = &identity->claims[identity->claim_count++];
    claim->name = cvx_strdup(&identity->mem, name);
    claim->value = cvx_strdup(&identity->mem, value);
    return claim->name != NULL && claim->value != NULL;
}

static bool copy_claims(convex_identity *identity, const convex_identity_options *options)
{
    size_t most = 4 + options->claim_count;
    identity->claims = cvx_alloc(&identity->mem, most * sizeof *identity->claims);
    if (identity->claims == NULL)
        return false;
    bool ok = add_claim(identity, "iss", options->issuer) &&
              add_claim(identity, "sub", options->subject) &&
              add_claim(identity, "aud", options->audience) &&
              add_claim(identity, "role", options->role);
    for (size_t i = 0; i < options->claim_count && ok; i++)
        ok = add_claim(identity, options->claims[i].name, options->claims[i].value);
    return ok;
}

static convex_status fill(convex_identity *identity, const convex_identity_options *options,
                          convex_error *reterr)
{
    identity->lifetime_s = options->lifetime_s != 0 ? options->lifetime_s : LIFETIME_S;
    identity->kid = cvx_strdup(&identity->mem, options->kid);
    if (identity->kid == NULL || !copy_claims(identity, options))
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (!is_empty(options->key_file)) {
        convex_status status =
            cvx_key_read_file(options->key_file, &identity->mem, &identity->pem, reterr);
        if (status != CONVEX_OK)
            return status;
    } else {
        identity->pem = cvx_strdup(&identity->mem, options->key_pem);
        if (identity->pem == NULL)
            return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    return cvx_key_check(identity->pem, &identity->kind, reterr);
}

convex_status convex_identity_new(const convex_identity_options *options, convex_identity **ret,
                                  convex_error *reterr)
{
    if (options == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no options, or no place for the identity");
    const char *fault = fault_of(options);
    if (fault != NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s", fault);
    convex_mem mem = cvx_mem(&options->mem);
    convex_identity *identity = cvx_alloc(&mem, sizeof *identity);
    if (identity == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    *identity = (convex_identity){.mem = mem};
    pthread_mutex_init(&identity->lock, NULL);
    convex_status status = fill(identity, options, reterr);
    if (status == CONVEX_OK)
        *ret = identity;
    else
        convex_identity_free(identity);
    return status;
}

void convex_identity_free(convex_identity *identity)
{
    if (identity == NULL)
        return;
    convex_mem mem = identity->mem;
    for (size_t i = 0; i < identity->claim_count; i++) {
        cvx_free(&mem, (char *)(uintptr_t)identity->claims[i].name);
        cvx_free(&mem, (char *)(uintptr_t)identity->claims[i].value);
    }
    cvx_free(&mem, identity->claims);
    cvx_free_secret(&mem, identity->pem);
    cvx_free_secret(&mem, identity->token);
    cvx_free(&mem, identity->kid);
    pthread_mutex_destroy(&identity->lock);
    cvx_free(&mem, identity);
}

/* ---- tokens ---- */

/* 0, or an errno of libjwt's. */
static int write_token(const convex_identity *identity, int64_t now_s, jwt_t *jwt)
{
    jwt_alg_t algorithm = identity->kind == CVX_KEY_ES256 ? JWT_ALG_ES256 : JWT_ALG_RS256;
    int r = jwt_set_alg(jwt, algorithm, (const unsigned char *)identity->pem,
                        (int)strlen(identity->pem));
    if (r == 0)
        r = jwt_add_header(jwt, "kid", identity->kid);
    if (r == 0)
        r = jwt_add_grant_int(jwt, "iat", (long)now_s);
    if (r == 0)
        r = jwt_add_grant_int(jwt, "exp", (long)(now_s + identity->lifetime_s));
    for (size_t i = 0; i < identity->claim_count && r == 0; i++)
        r = jwt_add_grant(jwt, identity->claims[i].name, identity->claims[i].value);
    return r;
}

static convex_status mint(const convex_identity *identity, int64_t now_s, char **ret,
                          convex_error *reterr)
{
    jwt_t *jwt = NULL;
    char *signed_text = NULL, *token = NULL;
    int r = jwt_new(&jwt);
    if (r == 0)
        r = write_token(identity, now_s, jwt);
    if (r == 0) {
        errno = 0;
        signed_text = jwt_encode_str(jwt);
        r = signed_text != NULL ? 0 : errno != 0 ? errno : EINVAL;
    }
    if (r == 0 && (token = cvx_strdup(&identity->mem, signed_text)) == NULL)
        r = ENOMEM;
    free(signed_text);
    jwt_free(jwt);
    if (r == ENOMEM)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (r != 0)
        return cvx_fail(reterr, CONVEX_EAUTH, "cannot sign a token: %s", strerror(r));
    *ret = token;
    return CONVEX_OK;
}

/* Under the lock. */
static convex_status renew(convex_identity *identity, int64_t now_s, convex_error *reterr)
{
    char *token = NULL;
    convex_status status = mint(identity, now_s, &token, reterr);
    if (status != CONVEX_OK)
        return status;
    cvx_free_secret(&identity->mem, identity->token);
    identity->token = token;
    identity->renew_at = now_s + (int64_t)identity->lifetime_s * 4 / 5;
    return CONVEX_OK;
}

/* A clock that was set back makes a token from the future; the server would refuse it. */
static bool is_usable(const convex_identity *identity, int64_t now_s)
{
    int64_t minted_at = identity->renew_at - (int64_t)identity->lifetime_s * 4 / 5;
    return identity->token != NULL && now_s < identity->renew_at && now_s >= minted_at;
}

convex_status cvx_identity_token_at(convex_identity *identity, int64_t now_s, int force_new,
                                    char **ret, convex_error *reterr)
{
    convex_status status = CONVEX_OK;
    char *copy = NULL;
    pthread_mutex_lock(&identity->lock);
    if (force_new || !is_usable(identity, now_s))
        status = renew(identity, now_s, reterr);
    if (status == CONVEX_OK && (copy = cvx_strdup(&identity->mem, identity->token)) == NULL)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    pthread_mutex_unlock(&identity->lock);
    if (status == CONVEX_OK)
        *ret = copy;
    return status;
}

convex_status convex_identity_token(convex_identity *identity, int force_new, char **ret,
                                    convex_error *reterr)
{
    if (identity == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no identity, or no place for the token");
    return cvx_identity_token_at(identity, (int64_t)time(NULL), force_new, ret, reterr);
}

static convex_status fetch(void *user, int force_refresh, char **ret_token, convex_error *reterr)
{
    return convex_identity_token(user, force_refresh, ret_token, reterr);
}

convex_auth convex_identity_auth(convex_identity *identity)
{
    return (convex_auth){.kind = CONVEX_AUTH_FETCH, .fetch = fetch, .user = identity};
}

convex_status convex_identity_jwks(convex_identity *identity, char **ret, convex_error *reterr)
{
    if (identity == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no identity, or no place for the keys");
    cvx_text text;
    cvx_text_init(&text, &identity->mem);
    convex_status status = cvx_key_add_jwks(identity->pem, identity->kid, &text, reterr);
    if (status != CONVEX_OK) {
        cvx_text_done(&text);
        return status;
    }
    status = cvx_text_take(&text, ret, NULL);
    return status == CONVEX_OK ? status : cvx_fail(reterr, status, "out of memory");
}
