/* http_call.c - function calls over HTTP: what is asked, as whom, and when again.
 *
 * Owns nothing beyond a call. Any thread.
 * Invariant: a call that may have changed something is repeated only after an answer that
 * says that nothing took effect. */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "auth_internal.h"
#include "error_internal.h"
#include "http_internal.h"
#include "utf8.h"
#include "value_tree.h"

enum {
    TIMEOUT_MS = 60 * 1000,
    ACTION_TIMEOUT_MS = 330 * 1000, /* the server's own limit is 300 s */
    ANSWER_TIMEOUT_MS = 30 * 1000,
    UNSHARED_MS = 120 * 1000, /* an idle connection is too old by then */
    FIRST_WAIT_MS = 100,
    LAST_WAIT_MS = 3000
};

typedef struct call_kind {
    const char *endpoint;
    unsigned timeout_ms, answer_ms;
    bool repeatable;  /* a read */
    bool rolled_back; /* a lost race has undone all it did */
} call_kind;

static const call_kind kinds[] = {
    [CONVEX_HTTP_QUERY] = {"/api/query", TIMEOUT_MS, ANSWER_TIMEOUT_MS, true, true},
    [CONVEX_HTTP_MUTATION] = {"/api/mutation", TIMEOUT_MS, ANSWER_TIMEOUT_MS, false, true},
    [CONVEX_HTTP_ACTION] = {"/api/action", ACTION_TIMEOUT_MS, 0, false, false},
    [CONVEX_HTTP_FUNCTION] = {"/api/function", ACTION_TIMEOUT_MS, 0, false, false},
};
static const call_kind at_kind = {"/api/query_at_ts", TIMEOUT_MS, ANSWER_TIMEOUT_MS, true, true};
static const call_kind batch_kind = {"/api/query_batch", TIMEOUT_MS, ANSWER_TIMEOUT_MS, true, true};
static const call_kind ts_kind = {"/api/query_ts", TIMEOUT_MS, ANSWER_TIMEOUT_MS, true, true};

/* One call: its body is sent once or, where that is safe, several times before `deadline`. */
typedef struct call {
    convex_http *http;
    const call_kind *kind;
    cvx_text body;
    char *url;
    int64_t deadline;
    unsigned answer_ms;
    cvx_http_reply reply;
} call;

/* ---- bodies ---- */

static convex_status check(const char *path, const convex_value *args, convex_error *reterr)
{
    size_t len = path == NULL ? 0 : strlen(path);
    if (len == 0 || cvx_utf8_valid_prefix(path, len) != len)
        return cvx_fail(reterr, CONVEX_EINVAL, "path names no function");
    if (args != NULL && convex_value_type(args) != CONVEX_OBJECT)
        return cvx_fail(reterr, CONVEX_EINVAL, "args is no object");
    return args == NULL ? CONVEX_OK : cvx_value_check(args, "args", reterr);
}

/* {"path":...,"format":...,"args":[{...}] and left open for more. */
static void add_query(cvx_text *body, const char *path, const convex_value *args, bool bare)
{
    cvx_text_add_str(body, "{\"path\":");
    cvx_text_add_json_string(body, path, strlen(path));
    cvx_text_add_str(body, ",\"format\":\"convex_encoded_json\",\"args\":");
    cvx_text_add_str(body, bare ? "" : "[");
    if (args == NULL)
        cvx_text_add_str(body, "{}");
    else
        cvx_text_add_value(body, args, CONVEX_ENCODED_JSON);
    cvx_text_add_str(body, bare ? "" : "]");
}

static void add_member(cvx_text *body, const char *name, const char *text)
{
    cvx_text_add_str(body, ",\"");
    cvx_text_add_str(body, name);
    cvx_text_add_str(body, "\":");
    cvx_text_add_json_string(body, text, strlen(text));
}

/* ---- credentials ---- */

/* The Authorization line (NULL when anonymous); a secret of http->mem. */
static convex_status authorize(const convex_http *http, int force, char **ret, convex_error *reterr)
{
    char *token = NULL;
    *ret = NULL;
    if (http->auth.kind == CONVEX_AUTH_NONE)
        return CONVEX_OK;
    if (http->auth.kind == CONVEX_AUTH_FETCH) {
        convex_error error = {.status = CONVEX_EAUTH};
        convex_status status = http->auth.fetch(http->auth.user, force, &token, &error);
        if (status != CONVEX_OK)
            return cvx_fail(reterr, status == CONVEX_ENOMEM ? CONVEX_ENOMEM : CONVEX_EAUTH,
                            "no token could be fetched: %s",
                            error.message[0] != '\0' ? error.message : convex_status_text(status));
        if (token == NULL)
            return CONVEX_OK;
        if (!cvx_auth_is_sendable(token)) {
            cvx_free_secret(&http->mem, token);
            return cvx_fail(reterr, CONVEX_EAUTH, "the fetched token is no JWT");
        }
    }
    cvx_text line;
    cvx_text_init(&line, &http->mem);
    cvx_auth_header(&http->auth, token, &line);
    cvx_free_secret(&http->mem, token);
    convex_status status = cvx_text_take(&line, ret, NULL);
    return status == CONVEX_OK ? status : cvx_fail(reterr, status, "out of memory");
}

/* ---- sending ---- */

static convex_status begin(call *c, convex_http *http, const call_kind *kind,
                           const convex_http_call_options *options, convex_error *reterr)
{
    unsigned whole = http->settings.timeout_ms != 0 ? http->settings.timeout_ms : kind->timeout_ms;
    *c = (call){.http = http, .kind = kind};
    c->answer_ms =
        http->settings.answer_timeout_ms != 0 ? http->settings.answer_timeout_ms : kind->answer_ms;
    if (options != NULL && options->timeout_ms != 0) {
        whole = options->timeout_ms;
        c->answer_ms = 0;
    }
    c->deadline = cvx_http_now() + whole;
    cvx_text_init(&c->body, &http->mem);
    cvx_http_reply_init(&c->reply, &http->mem);
    c->url = cvx_http_url(http, kind->endpoint);
    return c->url != NULL ? CONVEX_OK : cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
}

static void end(call *c)
{
    cvx_text_done(&c->body);
    cvx_http_reply_done(&c->reply);
    cvx_free(&c->http->mem, c->url);
}

/* Whether a call is to share a connection, `others` being under way beside it. Left to us, what
 * must not be sent twice has one of its own: the end of a shared one, which servers bring about
 * after so many calls, would leave its outcome unknown. */
static bool is_shared(const call *c, unsigned others)
{
    const convex_http *http = c->http;
    if (http->shared.multi == NULL || http->unshared_until > cvx_http_now())
        return false;
    return http->settings.version == CONVEX_HTTP_VERSION_2 || (others > 0 && c->kind->repeatable);
}

/* One exchange with what is left of the time. */
static convex_status exchange(call *c, const char *authorization, bool http2, bool fresh,
                              convex_error *reterr)
{
    convex_http *http = c->http;
    int64_t left = c->deadline - cvx_http_now();
    if (left <= 0)
        return cvx_fail(reterr, CONVEX_ETIMEOUT, "no time was left to try again");
    cvx_http_request request = {
        .url = c->url,
        .headers = {"Content-Type: application/json", authorization},
        .body = c->body.data != NULL ? c->body.data : "",
        .body_len = c->body.len,
        .repeatable = c->kind->repeatable,
        .http2 = http2,
        .fresh = fresh,
        .timeout_ms = (unsigned)left,
        .answer_ms = c->answer_ms,
        .stall_ms = http->settings.stall_timeout_ms,
    };
    cvx_http_reply_done(&c->reply);
    cvx_http_reply_init(&c->reply, &http->mem);
    return cvx_http_exchange(http2 ? &http->shared : &http->engine, &http->settings, &request,
                             &c->reply, reterr);
}

/* One attempt; a refusal is an error, any 2xx or 560 is in c->reply. A shared connection has an end
 * that is none of a single call's doing: what may be repeated is, once, over another. After a
 * timeout it may lead nowhere, and libcurl would keep it. */
static convex_status send_once(call *c, const char *authorization, convex_error *reterr)
{
    convex_http *http = c->http;
    bool http2 = http->settings.version == CONVEX_HTTP_VERSION_2;
    bool shared = is_shared(c, atomic_fetch_add(&http->under_way, 1));
    convex_status status = exchange(c, authorization, shared, false, reterr);
    if (shared && c->reply.timed_out)
        http->unshared_until = cvx_http_now() + UNSHARED_MS;
    else if (shared && status == CONVEX_ENETWORK && c->kind->repeatable && c->reply.sent)
        status = exchange(c, authorization, http2, true, reterr);
    atomic_fetch_sub(&http->under_way, 1);
    if (status == CONVEX_OK && c->reply.status != 560 && c->reply.status / 100 != 2)
        status = cvx_http_read_refusal(&c->reply, c->kind->repeatable, reterr);
    return status;
}

/* A refused fetched token is fetched anew, once: a 401 comes before the function runs,
 * so this repeats nothing. */
static convex_status send_as(call *c, convex_error *reterr)
{
    const convex_http *http = c->http;
    char *line = NULL, *fresh = NULL;
    convex_error error = {0};
    convex_status status = authorize(http, 0, &line, &error);
    if (status == CONVEX_OK)
        status = send_once(c, line, &error);
    if (status == CONVEX_EAUTH && error.http_status == 401 && line != NULL &&
        http->auth.kind == CONVEX_AUTH_FETCH && authorize(http, 1, &fresh, NULL) == CONVEX_OK &&
        fresh != NULL && strcmp(fresh, line) != 0)
        status = send_once(c, fresh, &error);
    cvx_free_secret(&http->mem, line);
    cvx_free_secret(&http->mem, fresh);
    if (status != CONVEX_OK && reterr != NULL)
        *reterr = error;
    return status;
}

/* A random part of `most`, so that those who lost a race do not meet again. False when the
 * deadline comes first. */
static bool wait_a_little(const call *c, unsigned most)
{
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != (ssize_t)sizeof chance)
        chance = UINT32_MAX;
    unsigned ms = (unsigned)((uint64_t)most * chance >> 32) + 1;
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    if (cvx_http_now() + ms >= c->deadline)
        return false;
    while (nanosleep(&wait, &wait) != 0) /* a signal */
        continue;
    return true;
}

static convex_status send_until_done(call *c, unsigned retries, convex_error *reterr)
{
    convex_error error = {0};
    unsigned most = FIRST_WAIT_MS;
    convex_status status = send_as(c, &error);
    while (status != CONVEX_OK && retries-- > 0 &&
           cvx_http_may_try_again(&error, c->kind->rolled_back) && wait_a_little(c, most)) {
        status = send_as(c, &error);
        most = most * 2 < LAST_WAIT_MS ? most * 2 : LAST_WAIT_MS;
    }
    if (status != CONVEX_OK && reterr != NULL)
        *reterr = error;
    return status;
}

static convex_status send_body(call *c, unsigned retries, convex_error *reterr)
{
    if (c->body.status != CONVEX_OK)
        return cvx_fail(reterr, c->body.status, "cannot write the request");
    return send_until_done(c, retries, reterr);
}

/* ---- the calls ---- */

convex_status convex_http_call(convex_http *http, convex_http_kind kind, const char *path,
                               const convex_value *args, const convex_http_call_options *options,
                               convex_result **ret, convex_error *reterr)
{
    const char *component = options != NULL ? options->component : NULL;
    call c;
    if (http == NULL || ret == NULL || (unsigned)kind > CONVEX_HTTP_FUNCTION)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "no client, no such kind, or no place for the result");
    if (component != NULL)
        kind = CONVEX_HTTP_FUNCTION;
    bool any = kind == CONVEX_HTTP_FUNCTION;
    if (any && http->auth.kind != CONVEX_AUTH_ADMIN_KEY)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s needs an admin key",
                        component != NULL ? "a component" : "convex_http_function");
    convex_status status = check(path, args, reterr);
    if (status != CONVEX_OK)
        return status;
    status = begin(&c, http, &kinds[kind], options, reterr);
    if (status == CONVEX_OK) {
        add_query(&c.body, path, args, any);
        if (component != NULL)
            add_member(&c.body, "componentPath", component);
        cvx_text_add_str(&c.body, "}");
        status = send_body(&c, options != NULL ? options->occ_retries : 0, reterr);
    }
    if (status == CONVEX_OK)
        status = cvx_http_read_result(&c.reply, c.kind->repeatable, ret, reterr);
    end(&c);
    return status;
}

convex_status convex_http_query(convex_http *http, const char *path, const convex_value *args,
                                convex_result **ret, convex_error *reterr)
{
    return convex_http_call(http, CONVEX_HTTP_QUERY, path, args, NULL, ret, reterr);
}

convex_status convex_http_mutation(convex_http *http, const char *path, const convex_value *args,
                                   convex_result **ret, convex_error *reterr)
{
    return convex_http_call(http, CONVEX_HTTP_MUTATION, path, args, NULL, ret, reterr);
}

convex_status convex_http_action(convex_http *http, const char *path, const convex_value *args,
                                 convex_result **ret, convex_error *reterr)
{
    return convex_http_call(http, CONVEX_HTTP_ACTION, path, args, NULL, ret, reterr);
}

convex_status convex_http_function(convex_http *http, const char *path, const convex_value *args,
                                   convex_result **ret, convex_error *reterr)
{
    return convex_http_call(http, CONVEX_HTTP_FUNCTION, path, args, NULL, ret, reterr);
}

/* ---- consistent reads ---- */

convex_status convex_http_query_ts(convex_http *http, uint64_t *ret_ts, convex_error *reterr)
{
    call c;
    if (http == NULL || ret_ts == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client, or no place for the time");
    convex_status status = begin(&c, http, &ts_kind, NULL, reterr);
    if (status == CONVEX_OK)
        status = send_once(&c, NULL, reterr);
    if (status == CONVEX_OK)
        status = cvx_http_read_ts(&c.reply, ret_ts, reterr);
    end(&c);
    return status;
}

convex_status convex_http_query_at(convex_http *http, const char *path, const convex_value *args,
                                   uint64_t ts, convex_result **ret, convex_error *reterr)
{
    char text[CVX_HTTP_TS_TEXT];
    call c;
    if (http == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client, or no place for the result");
    convex_status status = check(path, args, reterr);
    if (status != CONVEX_OK)
        return status;
    cvx_http_ts_text(ts, text);
    status = begin(&c, http, &at_kind, NULL, reterr);
    if (status == CONVEX_OK) {
        add_query(&c.body, path, args, false);
        add_member(&c.body, "ts", text);
        cvx_text_add_str(&c.body, "}");
        status = send_body(&c, 0, reterr);
    }
    if (status == CONVEX_OK)
        status = cvx_http_read_result(&c.reply, c.kind->repeatable, ret, reterr);
    end(&c);
    return status;
}

convex_status convex_http_query_batch(convex_http *http, const convex_query_spec *queries,
                                      size_t count, convex_result *ret[], convex_error *reterr)
{
    call c;
    if (http == NULL || (count > 0 && (queries == NULL || ret == NULL)))
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "no client, no queries, or no place for the results");
    for (size_t i = 0; i < count; i++)
        ret[i] = NULL;
    for (size_t i = 0; i < count; i++) {
        convex_status status = check(queries[i].path, queries[i].args, reterr);
        if (status != CONVEX_OK)
            return status;
    }
    convex_status status = begin(&c, http, &batch_kind, NULL, reterr);
    if (status == CONVEX_OK) {
        cvx_text_add_str(&c.body, "{\"queries\":[");
        for (size_t i = 0; i < count; i++) {
            cvx_text_add_str(&c.body, i > 0 ? "," : "");
            add_query(&c.body, queries[i].path, queries[i].args, false);
            cvx_text_add_str(&c.body, "}");
        }
        cvx_text_add_str(&c.body, "]}");
        status = send_body(&c, 0, reterr);
    }
    if (status == CONVEX_OK)
        status = cvx_http_read_batch(&c.reply, count, ret, reterr);
    end(&c);
    return status;
}
