/* auth.c - credentials: checking, copying, spelling them as a header; times of a JWT.
 * Owns nothing of its own. Any thread. */
#include "auth_internal.h"

#include <math.h>
#include <string.h>

#include "base64.h"
#include "error_internal.h"

bool cvx_auth_is_sendable(const char *token)
{
    if (token == NULL || token[0] == '\0')
        return false;
    for (const char *p = token; *p != '\0'; p++) {
        if (*p < 0x21 || *p > 0x7e)
            return false;
    }
    return true;
}

bool cvx_auth_is_client_name(const char *name)
{
    enum { NAME_MAX_LEN = 200 };
    static const char digits[] = "0123456789";
    if (!cvx_auth_is_sendable(name) || strlen(name) > NAME_MAX_LEN)
        return false;
    for (const char *dash = strchr(name, '-'); dash != NULL; dash = strchr(dash + 1, '-')) {
        const char *p = dash + 1;
        int numbers = 0;
        for (size_t len; dash > name && (len = strspn(p, digits)) > 0; p += len + 1) {
            if (++numbers == 3)
                return true;
            if (p[len] != '.')
                break;
        }
    }
    return false;
}

static bool is_identity_object(const char *json, const convex_mem *mem)
{
    convex_value *value = NULL;
    if (convex_value_parse(json, strlen(json), CONVEX_PLAIN_JSON, 0, mem, &value, NULL) !=
        CONVEX_OK)
        return false;
    bool named = convex_value_string(convex_value_field(value, "tokenIdentifier"), NULL) != NULL;
    bool paired = convex_value_string(convex_value_field(value, "issuer"), NULL) != NULL &&
                  convex_value_string(convex_value_field(value, "subject"), NULL) != NULL;
    convex_value_unref(value);
    return named || paired;
}

static const char *fault_of(const convex_auth *auth, const convex_mem *mem)
{
    switch (auth->kind) {
    case CONVEX_AUTH_NONE:
        return NULL;
    case CONVEX_AUTH_USER_TOKEN:
        return cvx_auth_is_sendable(auth->token) ? NULL : "auth.token is no JWT";
    case CONVEX_AUTH_FETCH:
        return auth->fetch != NULL ? NULL : "auth.fetch is NULL";
    case CONVEX_AUTH_ADMIN_KEY:
        if (!cvx_auth_is_sendable(auth->admin_key))
            return "auth.admin_key is no admin key";
        if (auth->acting_as != NULL && !is_identity_object(auth->acting_as, mem))
            return "auth.acting_as is no JSON object with tokenIdentifier, or issuer and subject";
        return NULL;
    }
    return "auth.kind is unknown";
}

static bool copy_text(const convex_mem *mem, const char *text, const char **ret)
{
    *ret = text == NULL ? NULL : cvx_strdup(mem, text);
    return text == NULL || *ret != NULL;
}

convex_status cvx_auth_copy(const convex_auth *auth, const convex_mem *mem, convex_auth *ret,
                            convex_error *reterr)
{
    convex_mem resolved = cvx_mem(mem);
    convex_auth copy = {.kind = CONVEX_AUTH_NONE};
    if (auth == NULL || auth->kind == CONVEX_AUTH_NONE) {
        *ret = copy;
        return CONVEX_OK;
    }
    const char *fault = fault_of(auth, &resolved);
    if (fault != NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s", fault);
    copy.kind = auth->kind;
    copy.fetch = auth->fetch;
    copy.user = auth->user;
    bool ok = copy_text(&resolved, auth->token, &copy.token);
    ok = copy_text(&resolved, auth->admin_key, &copy.admin_key) && ok;
    ok = copy_text(&resolved, auth->acting_as, &copy.acting_as) && ok;
    if (!ok) {
        cvx_auth_done(&copy, &resolved);
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    *ret = copy;
    return CONVEX_OK;
}

void cvx_auth_done(convex_auth *auth, const convex_mem *mem)
{
    convex_mem resolved = cvx_mem(mem);
    cvx_free_secret(&resolved, (char *)(uintptr_t)auth->token);
    cvx_free_secret(&resolved, (char *)(uintptr_t)auth->admin_key);
    cvx_free_secret(&resolved, (char *)(uintptr_t)auth->acting_as);
    *auth = (convex_auth){.kind = CONVEX_AUTH_NONE};
}

static void add_acting_as(const char *json, cvx_text *ret)
{
    size_t len = strlen(json);
    cvx_text_add(ret, ":", 1);
    char *room = cvx_text_room(ret, CVX_BASE64_SIZE(len));
    if (room != NULL)
        ret->len += cvx_base64_encode(json, len, room);
}

void cvx_auth_header(const convex_auth *auth, const char *fetched, cvx_text *ret)
{
    const char *token = auth->kind == CONVEX_AUTH_FETCH ? fetched : auth->token;
    if (auth->kind == CONVEX_AUTH_ADMIN_KEY) {
        cvx_text_add_str(ret, "Authorization: Convex ");
        cvx_text_add_str(ret, auth->admin_key);
        if (auth->acting_as != NULL)
            add_acting_as(auth->acting_as, ret);
    } else if (auth->kind != CONVEX_AUTH_NONE && token != NULL) {
        cvx_text_add_str(ret, "Authorization: Bearer ");
        cvx_text_add_str(ret, token);
    }
}

/* ---- reading a JWT ---- */

static double claim_of(const convex_value *payload, const char *name)
{
    double seconds = NAN;
    convex_value_float64(convex_value_field(payload, name), &seconds);
    return seconds;
}

convex_status convex_jwt_times(const char *token, double *ret_iat, double *ret_exp)
{
    const char *first = token == NULL ? NULL : strchr(token, '.');
    const char *second = first == NULL ? NULL : strchr(first + 1, '.');
    if (second == NULL || strchr(second + 1, '.') != NULL)
        return CONVEX_EINVAL;
    convex_mem mem = cvx_mem(NULL);
    size_t coded = (size_t)(second - first - 1), len = 0;
    char *json = cvx_alloc(&mem, CVX_BASE64_DECODED(coded));
    if (json == NULL)
        return CONVEX_ENOMEM;
    convex_value *payload = NULL;
    convex_status status = CONVEX_EINVAL;
    if (cvx_base64url_decode(first + 1, coded, json, &len))
        status = convex_value_parse(json, len, CONVEX_PLAIN_JSON, 0, NULL, &payload, NULL);
    cvx_free(&mem, json);
    if (status == CONVEX_OK && convex_value_type(payload) == CONVEX_OBJECT) {
        if (ret_iat != NULL)
            *ret_iat = claim_of(payload, "iat");
        if (ret_exp != NULL)
            *ret_exp = claim_of(payload, "exp");
    } else if (status != CONVEX_ENOMEM) {
        status = CONVEX_EINVAL;
    }
    convex_value_unref(payload);
    return status;
}
