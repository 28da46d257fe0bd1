/* identity.c - a service that proves who it is with JWTs of its own.
 *
 * Owns the key and the last token. Any thread; `lock` guards the key, token, renew_at and
 * the minting, so that a crowd of callers makes one token.
 * Invariants: `token` is NULL or was minted when renew_at was set; the key in use can sign. */
#include "identity_internal.h"

#include <errno.h>
#include <jwt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error_internal.h"
#include "identity_key.h"
#include "mem.h"

enum { LIFETIME_S = 600, LIFETIME_MAX_S = 86400 };

/* The key in use. */
typedef struct signing_key {
    char *pem;
    convex_key_algorithm algorithm;
    char thumbprint[CONVEX_KID_SIZE];
    struct stat file; /* when it came from one */
} signing_key;

struct convex_identity {
    convex_mem mem;
    convex_log log;
    unsigned lifetime_s;
    char *file; /* NULL: the key was given as text */
    char *kid;  /* NULL: the thumbprint */
    signing_key key;
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
    if (is_empty(options->issuer) || is_empty(options->subject))
        return "issuer and subject are needed";
    if (options->kid != NULL && options->kid[0] == '\0')
        return "kid is empty; NULL stands for the thumbprint";
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

static bool copy_texts(convex_identity *identity, const convex_identity_options *options)
{
    const convex_mem *mem = &identity->mem;
    if (options->kid != NULL && (identity->kid = cvx_strdup(mem, options->kid)) == NULL)
        return false;
    if (!is_empty(options->key_file) &&
        (identity->file = cvx_strdup(mem, options->key_file)) == NULL)
        return false;
    return copy_claims(identity, options);
}

/* From the file, or from the text when there is no file. */
static convex_status load_key(const convex_identity *identity, const char *pem, signing_key *ret,
                              convex_error *reterr)
{
    signing_key key = {0};
    convex_status status = CONVEX_OK;
    if (identity->file != NULL)
        status = cvx_key_read_file(identity->file, &identity->mem, &key.pem, &key.file, reterr);
    else if ((key.pem = cvx_strdup(&identity->mem, pem)) == NULL)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (status == CONVEX_OK)
        status = cvx_key_check(key.pem, &key.algorithm, reterr);
    if (status == CONVEX_OK)
        status = cvx_key_thumbprint(key.pem, &identity->mem, key.thumbprint, reterr);
    if (status == CONVEX_OK)
        *ret = key;
    else
        cvx_free_secret(&identity->mem, key.pem);
    return status;
}

static convex_status fill(convex_identity *identity, const convex_identity_options *options,
                          convex_error *reterr)
{
    identity->lifetime_s = options->lifetime_s != 0 ? options->lifetime_s : LIFETIME_S;
    if (!copy_texts(identity, options))
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    return load_key(identity, options->key_pem, &identity->key, reterr);
}

convex_status convex_identity_new(const convex_identity_options *options, convex_identity **ret,
                                  convex_error *reterr)
{
    if (options == NULL || ret == NULL || options->size < sizeof *options)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "no options, options without CONVEX_IDENTITY_OPTIONS_INIT, or no place "
                        "for the identity");
    const char *fault = fault_of(options);
    if (fault != NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s", fault);
    convex_mem mem = cvx_mem(&options->mem);
    convex_identity *identity = cvx_alloc(&mem, sizeof *identity);
    if (identity == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    *identity = (convex_identity){.mem = mem, .log = options->log};
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
    cvx_free_secret(&mem, identity->key.pem);
    cvx_free_secret(&mem, identity->token);
    cvx_free(&mem, identity->file);
    cvx_free(&mem, identity->kid);
    pthread_mutex_destroy(&identity->lock);
    cvx_free(&mem, identity);
}

/* ---- tokens ---- */

static const char *kid_of(const convex_identity *identity)
{
    return identity->kid != NULL ? identity->kid : identity->key.thumbprint;
}

/* Under the lock. A key file that is being replaced, or was replaced by something that is no key,
 * leaves the old key in use. */
static void follow_file(convex_identity *identity)
{
    signing_key key;
    convex_error error = {0};
    char line[600];
    if (identity->file == NULL || !cvx_key_file_changed(identity->file, &identity->key.file))
        return;
    if (load_key(identity, NULL, &key, &error) == CONVEX_OK) {
        cvx_free_secret(&identity->mem, identity->key.pem);
        identity->key = key;
    } else if (identity->log.fn != NULL) {
        snprintf(line, sizeof line, "the key that was read before stays in use: %s", error.message);
        identity->log.fn(CONVEX_LOG_WARN, line, identity->log.user);
    }
}

/* 0, or an errno of libjwt's. */
static int write_token(const convex_identity *identity, int64_t now_s, jwt_t *jwt)
{
    const signing_key *key = &identity->key;
    jwt_alg_t algorithm = key->algorithm == CONVEX_KEY_ES256 ? JWT_ALG_ES256 : JWT_ALG_RS256;
    int r = jwt_set_alg(jwt, algorithm, (const unsigned char *)key->pem, (int)strlen(key->pem));
    if (r == 0)
        r = jwt_add_header(jwt, "kid", kid_of(identity));
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
    follow_file(identity);
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
    pthread_mutex_lock(&identity->lock);
    cvx_text_add_str(&text, "{\"keys\":[");
    convex_status status = cvx_key_add_jwk(identity->key.pem, kid_of(identity), &text, reterr);
    cvx_text_add_str(&text, "]}");
    pthread_mutex_unlock(&identity->lock);
    if (status == CONVEX_OK && (status = cvx_text_take(&text, ret, NULL)) != CONVEX_OK)
        cvx_fail(reterr, status, "%s", convex_status_text(status));
    cvx_text_done(&text);
    return status;
}
