/* http_reply.c - what the server's HTTP answers say.
 * Owns nothing. Any thread. */
#include <string.h>

#include "base64.h"
#include "error_internal.h"
#include "http_internal.h"
#include "result_internal.h"
#include "value_tree.h"

enum {
    STATUS_OK = 200,
    STATUS_FUNCTION_FAILED = 560, /* how older servers mark a function that threw */
    RESULT_LEVELS = 2,            /* of arrays and objects around a value */
    BATCH_LEVELS = 4,
    TS_SIZE = 8
};

static convex_status fail_senseless(const cvx_http_reply *reply, bool repeatable, const char *what,
                                    convex_error *reterr)
{
    if (repeatable)
        return cvx_fail_http(reterr, CONVEX_EPROTOCOL, reply->status, NULL, "%s", what);
    return cvx_fail_http(reterr, CONVEX_EUNKNOWN, reply->status, NULL,
                         "%s; whether it took effect is unknown", what);
}

/* CONVEX_ENOMEM promises that nothing changed. */
static convex_status fail_memory(const cvx_http_reply *reply, bool repeatable, convex_error *reterr)
{
    return repeatable ? cvx_fail(reterr, CONVEX_ENOMEM, "out of memory")
                      : fail_senseless(reply, false, "out of memory", reterr);
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
static convex_status read_outcome(const convex_value *body, const cvx_http_reply *reply,
                                  bool repeatable, convex_result **ret, convex_error *reterr)
{
    const convex_value *value = convex_value_field(body, "value");
    const convex_value *message = convex_value_field(body, "errorMessage");
    convex_result *result;
    if (says(body, "success") && value != NULL) {
        result =
            cvx_result_success(convex_value_ref(value), take(body, "logLines"), &reply->body.mem);
    } else if (says(body, "error") && convex_value_type(message) == CONVEX_STRING) {
        result = cvx_result_failure(convex_value_ref(message), take(body, "errorData"),
                                    take(body, "logLines"), &reply->body.mem);
    } else {
        return fail_senseless(reply, repeatable, "the answer is no function result", reterr);
    }
    if (result == NULL)
        return fail_memory(reply, repeatable, reterr);
    *ret = result;
    return CONVEX_OK;
}

static convex_status parse_body(const cvx_http_reply *reply, unsigned levels, bool repeatable,
                                convex_value **ret, convex_error *reterr)
{
    convex_error error;
    const cvx_text *body = &reply->body;
    convex_status status =
        convex_value_parse(body->len > 0 ? body->data : "", body->len, CONVEX_ENCODED_JSON,
                           CVX_LIMIT_NESTING + levels, &body->mem, ret, &error);
    if (status == CONVEX_OK)
        return CONVEX_OK;
    if (status == CONVEX_ENOMEM)
        return fail_memory(reply, repeatable, reterr);
    char what[sizeof error.message + 64];
    snprintf(what, sizeof what, "the answer is no Convex JSON: %s", error.message);
    return fail_senseless(reply, repeatable, what, reterr);
}

static bool is_result(const cvx_http_reply *reply)
{
    return reply->status == STATUS_OK || reply->status == STATUS_FUNCTION_FAILED;
}

convex_status cvx_http_read_result(const cvx_http_reply *reply, bool repeatable,
                                   convex_result **ret, convex_error *reterr)
{
    convex_value *parsed = NULL;
    if (!is_result(reply))
        return cvx_http_read_refusal(reply, repeatable, reterr);
    convex_status status = parse_body(reply, RESULT_LEVELS, repeatable, &parsed, reterr);
    if (status == CONVEX_OK)
        status = read_outcome(parsed, reply, repeatable, ret, reterr);
    convex_value_unref(parsed);
    return status;
}

/* All or none. */
static convex_status read_outcomes(const convex_value *results, const cvx_http_reply *reply,
                                   convex_result *ret[], convex_error *reterr)
{
    size_t count = convex_value_count(results), done = 0;
    convex_status status = CONVEX_OK;
    while (done < count && status == CONVEX_OK) {
        status = read_outcome(convex_value_at(results, done), reply, true, &ret[done], reterr);
        done += status == CONVEX_OK;
    }
    while (status != CONVEX_OK && done > 0) {
        convex_result_unref(ret[--done]);
        ret[done] = NULL;
    }
    return status;
}

convex_status cvx_http_read_batch(const cvx_http_reply *reply, size_t count, convex_result *ret[],
                                  convex_error *reterr)
{
    convex_value *parsed = NULL;
    if (!is_result(reply))
        return cvx_http_read_refusal(reply, true, reterr);
    convex_status status = parse_body(reply, BATCH_LEVELS, true, &parsed, reterr);
    const convex_value *results = convex_value_field(parsed, "results");
    if (status == CONVEX_OK &&
        (convex_value_type(results) != CONVEX_ARRAY || convex_value_count(results) != count))
        status =
            fail_senseless(reply, true, "the answer has not one result for each query", reterr);
    if (status == CONVEX_OK)
        status = read_outcomes(results, reply, ret, reterr);
    convex_value_unref(parsed);
    return status;
}

/* A text field of a 200, of no more than `size` - 1 bytes and without a NUL. */
static convex_status read_text(const cvx_http_reply *reply, bool repeatable, const char *name,
                               char *ret, size_t size, convex_error *reterr)
{
    convex_value *parsed = NULL;
    size_t len = 0;
    if (reply->status != STATUS_OK)
        return cvx_http_read_refusal(reply, repeatable, reterr);
    convex_status status = parse_body(reply, RESULT_LEVELS, repeatable, &parsed, reterr);
    const char *text = convex_value_string(convex_value_field(parsed, name), &len);
    if (status == CONVEX_OK && (text == NULL || len == 0 || len >= size || strlen(text) != len)) {
        char what[64];
        snprintf(what, sizeof what, "the answer has no %s, or none that makes sense", name);
        status = fail_senseless(reply, repeatable, what, reterr);
    }
    if (status == CONVEX_OK)
        memcpy(ret, text, len + 1);
    convex_value_unref(parsed);
    return status;
}

convex_status cvx_http_read_ts(const cvx_http_reply *reply, uint64_t *ret, convex_error *reterr)
{
    char text[CVX_HTTP_TS_TEXT];
    uint8_t bytes[CVX_BASE64_DECODED(CVX_HTTP_TS_TEXT - 1)];
    size_t size = 0;
    convex_status status = read_text(reply, true, "ts", text, sizeof text, reterr);
    if (status != CONVEX_OK)
        return status;
    if (!cvx_base64_decode(text, strlen(text), bytes, &size) || size != TS_SIZE)
        return fail_senseless(reply, true, "the answer's ts is no timestamp", reterr);
    *ret = 0;
    for (int i = TS_SIZE - 1; i >= 0; i--)
        *ret = *ret << 8 | bytes[i];
    return CONVEX_OK;
}

void cvx_http_ts_text(uint64_t ts, char ret[CVX_HTTP_TS_TEXT])
{
    uint8_t bytes[TS_SIZE];
    for (int i = 0; i < TS_SIZE; i++)
        bytes[i] = (uint8_t)(ts >> (8 * i));
    ret[cvx_base64_encode(bytes, sizeof bytes, ret)] = '\0';
}

convex_status cvx_http_read_upload(const cvx_http_reply *reply, char *ret, size_t size,
                                   convex_error *reterr)
{
    return read_text(reply, false, "storageId", ret, size, reterr);
}

/* ---- refusals ---- */

/* Answers that something on the way made when the server did not, or not in time. */
static bool leaves_it_open(int status, const char *code)
{
    return code == NULL && (status == 408 || status >= 500);
}

convex_status cvx_http_read_refusal(const cvx_http_reply *reply, bool repeatable,
                                    convex_error *reterr)
{
    convex_value *parsed = NULL;
    const char *code = NULL, *message = NULL;
    const cvx_text *body = &reply->body;
    int status = reply->status;
    if (body->len > 0 && convex_value_parse(body->data, body->len, CONVEX_PLAIN_JSON, 0, &body->mem,
                                            &parsed, NULL) == CONVEX_OK) {
        code = convex_value_string(convex_value_field(parsed, "code"), NULL);
        message = convex_value_string(convex_value_field(parsed, "message"), NULL);
    }
    convex_status kind = status == 401 || status == 403 ? CONVEX_EAUTH : CONVEX_ESERVER;
    if (message == NULL)
        message = status >= 300 && status < 400 ? "the server redirects; check the URL"
                                                : "the server gave no reason";
    if (!repeatable && leaves_it_open(status, code))
        kind = fail_senseless(reply, false, message, reterr);
    else
        cvx_fail_http(reterr, kind, status, code, "HTTP %d: %s", status, message);
    convex_value_unref(parsed);
    return kind;
}

bool cvx_http_may_try_again(const convex_error *error, bool rolled_back)
{
    static const char *const never_began[] = {"ExpiredInQueue", "ExecuteFullError",
                                              "WorkerOverloaded", "InitialPermitTimeoutError",
                                              "TooManyConcurrentRequests"};
    if (error->status != CONVEX_ESERVER)
        return false;
    for (size_t i = 0; i < sizeof never_began / sizeof never_began[0]; i++) {
        if (strcmp(error->code, never_began[i]) == 0)
            return true;
    }
    return rolled_back && strcmp(error->code, "OptimisticConcurrencyControlFailure") == 0;
}
