/* http_reply.c - what an HTTP answer to a function call says.
 * Owns nothing. Any thread. */
#include "error_internal.h"
#include "http_internal.h"
#include "result_internal.h"
#include "value_tree.h"

enum {
    STATUS_OK = 200,
    STATUS_FUNCTION_FAILED = 560, /* how older servers mark a function that threw */
    ENVELOPE_LEVELS = 2
};

static convex_status fail_senseless(bool repeatable, int status, const char *what,
                                    convex_error *reterr)
{
    if (repeatable)
        return cvx_fail_http(reterr, CONVEX_EPROTOCOL, status, NULL, "%s", what);
    return cvx_fail_http(reterr, CONVEX_EUNKNOWN, status, NULL,
                         "%s; whether the function took effect is unknown", what);
}

static convex_value *take(const convex_value *body, const char *name)
{
    return convex_value_ref(convex_value_field(body, name));
}

static bool says(const convex_value *body, const char *status)
{
    const char *text = convex_value_string(convex_value_field(body, "status"), NULL);
    return text != NULL && strcmp(text, status) == 0;
}

/* {"status":"success","value"} or {"status":"error","errorMessage","errorData"?}. That
 * errorData is present makes a ConvexError, even when it is null. */
static convex_status read_outcome(const convex_value *body, int status, bool repeatable,
                                  const convex_mem *mem, convex_result **ret, convex_error *reterr)
{
    const convex_value *value = convex_value_field(body, "value");
    const convex_value *message = convex_value_field(body, "errorMessage");
    convex_result *result;
    if (says(body, "success") && value != NULL) {
        result = cvx_result_success(convex_value_ref(value), take(body, "logLines"), mem);
    } else if (says(body, "error") && convex_value_type(message) == CONVEX_STRING) {
        result = cvx_result_failure(convex_value_ref(message), take(body, "errorData"),
                                    take(body, "logLines"), mem);
    } else {
        return fail_senseless(repeatable, status, "the answer is no function result", reterr);
    }
    if (result == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    *ret = result;
    return CONVEX_OK;
}

static convex_status read_result(int status, const char *body, size_t len, bool repeatable,
                                 const convex_mem *mem, convex_result **ret, convex_error *reterr)
{
    convex_value *parsed = NULL;
    convex_error error;
    convex_status parsing = convex_value_parse(
        body, len, CONVEX_ENCODED_JSON, CVX_LIMIT_NESTING + ENVELOPE_LEVELS, mem, &parsed, &error);
    if (parsing == CONVEX_ENOMEM)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (parsing != CONVEX_OK) {
        char what[sizeof error.message + 64];
        snprintf(what, sizeof what, "the answer is no Convex JSON: %s", error.message);
        return fail_senseless(repeatable, status, what, reterr);
    }
    convex_status result = read_outcome(parsed, status, repeatable, mem, ret, reterr);
    convex_value_unref(parsed);
    return result;
}

/* Answers that something on the way made when the server did not, or not in time. */
static bool leaves_it_open(int status, const char *code)
{
    return code == NULL && (status == 408 || status >= 500);
}

static convex_status read_refusal(int status, const char *body, size_t len, bool repeatable,
                                  const convex_mem *mem, convex_error *reterr)
{
    convex_value *parsed = NULL;
    const char *code = NULL, *message = NULL;
    if (convex_value_parse(body, len, CONVEX_PLAIN_JSON, 0, mem, &parsed, NULL) == CONVEX_OK) {
        code = convex_value_string(convex_value_field(parsed, "code"), NULL);
        message = convex_value_string(convex_value_field(parsed, "message"), NULL);
    }
    convex_status kind = status == 401 || status == 403 ? CONVEX_EAUTH : CONVEX_ESERVER;
    if (message == NULL)
        message = status >= 300 && status < 400 ? "the server redirects; check the URL"
                                                : "the server gave no reason";
    if (!repeatable && leaves_it_open(status, code))
        fail_senseless(false, status, message, reterr), kind = CONVEX_EUNKNOWN;
    else
        cvx_fail_http(reterr, kind, status, code, "HTTP %d: %s", status, message);
    convex_value_unref(parsed);
    return kind;
}

convex_status cvx_http_read_reply(int status, const char *body, size_t len, bool repeatable,
                                  const convex_mem *mem, convex_result **ret, convex_error *reterr)
{
    if (status == STATUS_OK || status == STATUS_FUNCTION_FAILED)
        return read_result(status, body, len, repeatable, mem, ret, reterr);
    return read_refusal(status, body, len, repeatable, mem, reterr);
}
