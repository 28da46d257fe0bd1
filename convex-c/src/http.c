/* http.c - calls over HTTP: options, credentials, and the four kinds of call.
 *
 * Owns the settings, the credential and one idle libcurl handle with its
 * connections. Any thread; `lock` guards `idle` alone, and a call that finds it
 * taken makes a handle for itself.
 * Invariant: a handle belongs to one call at a time. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth_internal.h"
#include "convex/version.h"
#include "error_internal.h"
#include "http_internal.h"
#include "network_internal.h"
#include "utf8.h"

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    TIMEOUT_MS = 60 * 1000,
    ACTION_TIMEOUT_MS = 330 * 1000, /* the server's own limit is 300 s */
    REPLY_BYTES = 32 << 20
};

static const char default_name[] = "convex-c-" CONVEX_VERSION;

struct convex_http {
    convex_mem mem;
    cvx_http_settings settings;
    convex_auth auth;
    pthread_mutex_t lock;
    CURL *idle;
};

typedef struct call_kind {
    const char *endpoint;
    unsigned timeout_ms;
    bool repeatable;
    bool bare_args; /* the arguments are not wrapped in an array */
} call_kind;

static const call_kind query_kind = {"/api/query", TIMEOUT_MS, true, false};
static const call_kind mutation_kind = {"/api/mutation", TIMEOUT_MS, false, false};
static const call_kind action_kind = {"/api/action", ACTION_TIMEOUT_MS, false, false};
static const call_kind function_kind = {"/api/function", ACTION_TIMEOUT_MS, false, true};

/* ---- options ---- */

static const char *fault_of(const convex_http_options *options)
{
    const char *name = options->client_name;
    if (name != NULL && (!cvx_auth_is_sendable(name) || strchr(name, '-') == NULL))
        return "client_name is not of the form name-1.2.3";
    return cvx_network_fault(&options->network, options->url);
}

static bool copy_text(const convex_mem *mem, const char *text, char **ret)
{
    *ret = text == NULL ? NULL : cvx_strdup(mem, text);
    return text == NULL || *ret != NULL;
}

static convex_status fill(convex_http *http, const convex_http_options *options,
                          convex_error *reterr)
{
    cvx_http_settings *s = &http->settings;
    const char *name = options->client_name != NULL ? options->client_name : default_name;
    bool ok = copy_text(&http->mem, options->url, &s->base) &&
              copy_text(&http->mem, name, &s->client_name) &&
              cvx_network_copy(&options->network, &http->mem, &s->network);
    if (!ok)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    for (size_t len = strlen(s->base); s->base[len - 1] == '/';)
        s->base[--len] = '\0';
    s->log = options->log;
    s->connect_timeout_ms =
        options->connect_timeout_ms != 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    s->stall_timeout_ms = options->stall_timeout_ms;
    s->timeout_ms = options->timeout_ms;
    s->max_reply_bytes = options->max_reply_bytes != 0 ? options->max_reply_bytes : REPLY_BYTES;
    return cvx_auth_copy(options->auth, &http->mem, &http->auth, reterr);
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state = CURLE_FAILED_INIT;

static void init_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

convex_status convex_http_new(const convex_http_options *options, convex_http **ret,
                              convex_error *reterr)
{
    if (options == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no options, or no place for the client");
    const char *fault = fault_of(options);
    if (fault != NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s", fault);
    pthread_once(&curl_once, init_curl);
    if (curl_state != CURLE_OK)
        return cvx_fail(reterr, CONVEX_ENOMEM, "cannot start libcurl");
    convex_mem mem = cvx_mem(&options->mem);
    convex_http *http = cvx_alloc(&mem, sizeof *http);
    if (http == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    *http = (convex_http){.mem = mem};
    pthread_mutex_init(&http->lock, NULL);
    convex_status status = fill(http, options, reterr);
    if (status == CONVEX_OK)
        *ret = http;
    else
        convex_http_free(http);
    return status;
}

void convex_http_free(convex_http *http)
{
    if (http == NULL)
        return;
    convex_mem mem = http->mem;
    curl_easy_cleanup(http->idle);
    cvx_auth_done(&http->auth, &mem);
    cvx_free(&mem, http->settings.base);
    cvx_free(&mem, http->settings.client_name);
    cvx_network_done(&http->settings.network, &mem);
    pthread_mutex_destroy(&http->lock);
    cvx_free(&mem, http);
}

/* ---- handles ---- */

static CURL *take_handle(convex_http *http)
{
    pthread_mutex_lock(&http->lock);
    CURL *curl = http->idle;
    http->idle = NULL;
    pthread_mutex_unlock(&http->lock);
    return curl != NULL ? curl : curl_easy_init();
}

static void give_handle(convex_http *http, CURL *curl)
{
    pthread_mutex_lock(&http->lock);
    if (http->idle == NULL) {
        http->idle = curl;
        curl = NULL;
    }
    pthread_mutex_unlock(&http->lock);
    curl_easy_cleanup(curl);
}

/* ---- one call ---- */

static convex_status make_body(const convex_http *http, const call_kind *kind, const char *path,
                               const convex_value *args, char **ret, size_t *ret_len,
                               convex_error *reterr)
{
    size_t path_len = path == NULL ? 0 : strlen(path);
    if (path_len == 0 || cvx_utf8_valid_prefix(path, path_len) != path_len)
        return cvx_fail(reterr, CONVEX_EINVAL, "path names no function");
    if (args != NULL && convex_value_type(args) != CONVEX_OBJECT)
        return cvx_fail(reterr, CONVEX_EINVAL, "args is no object");
    convex_status status = args == NULL ? CONVEX_OK : convex_value_check(args, reterr);
    if (status != CONVEX_OK)
        return status;
    cvx_text body;
    cvx_text_init(&body, &http->mem);
    cvx_text_add_str(&body, "{\"path\":");
    cvx_text_add_json_string(&body, path, path_len);
    cvx_text_add_str(&body, ",\"format\":\"convex_encoded_json\",\"args\":");
    cvx_text_add_str(&body, kind->bare_args ? "" : "[");
    if (args == NULL)
        cvx_text_add_str(&body, "{}");
    else
        cvx_text_add_value(&body, args, CONVEX_ENCODED_JSON);
    cvx_text_add_str(&body, kind->bare_args ? "}" : "]}");
    status = cvx_text_take(&body, ret, ret_len);
    return status == CONVEX_OK ? status : cvx_fail(reterr, status, "cannot write the request");
}

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

static convex_status send_once(convex_http *http, const call_kind *kind, const char *body,
                               size_t body_len, const char *authorization, convex_result **ret,
                               convex_error *reterr)
{
    cvx_http_request request = {
        .endpoint = kind->endpoint,
        .body = body,
        .body_len = body_len,
        .authorization = authorization,
        .repeatable = kind->repeatable,
        .timeout_ms = http->settings.timeout_ms != 0 ? http->settings.timeout_ms : kind->timeout_ms,
    };
    cvx_http_reply reply = {0};
    CURL *curl = take_handle(http);
    if (curl == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    cvx_text_init(&reply.body, &http->mem);
    convex_status status = cvx_http_transfer(curl, &http->settings, &request, &reply, reterr);
    give_handle(http, curl);
    if (status == CONVEX_OK)
        status = cvx_http_read_reply(reply.status, reply.body.len > 0 ? reply.body.data : "",
                                     reply.body.len, kind->repeatable, &http->mem, ret, reterr);
    cvx_text_done(&reply.body);
    return status;
}

/* A refused fetched token is fetched anew, once: a 401 comes before the function runs,
 * so this repeats nothing. */
static convex_status send_with_auth(convex_http *http, const call_kind *kind, const char *body,
                                    size_t body_len, convex_result **ret, convex_error *reterr)
{
    char *line = NULL, *fresh = NULL;
    convex_error error = {0};
    convex_status status = authorize(http, 0, &line, &error);
    if (status == CONVEX_OK)
        status = send_once(http, kind, body, body_len, line, ret, &error);
    if (status == CONVEX_EAUTH && error.http_status == 401 && line != NULL &&
        http->auth.kind == CONVEX_AUTH_FETCH && authorize(http, 1, &fresh, NULL) == CONVEX_OK &&
        fresh != NULL && strcmp(fresh, line) != 0)
        status = send_once(http, kind, body, body_len, fresh, ret, &error);
    cvx_free_secret(&http->mem, line);
    cvx_free_secret(&http->mem, fresh);
    if (status != CONVEX_OK && reterr != NULL)
        *reterr = error;
    return status;
}

static convex_status call(convex_http *http, const call_kind *kind, const char *path,
                          const convex_value *args, convex_result **ret, convex_error *reterr)
{
    char *body = NULL;
    size_t len = 0;
    if (http == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client, or no place for the result");
    convex_status status = make_body(http, kind, path, args, &body, &len, reterr);
    if (status == CONVEX_OK)
        status = send_with_auth(http, kind, body, len, ret, reterr);
    cvx_free(&http->mem, body);
    return status;
}

convex_status convex_http_query(convex_http *http, const char *path, const convex_value *args,
                                convex_result **ret, convex_error *reterr)
{
    return call(http, &query_kind, path, args, ret, reterr);
}

convex_status convex_http_mutation(convex_http *http, const char *path, const convex_value *args,
                                   convex_result **ret, convex_error *reterr)
{
    return call(http, &mutation_kind, path, args, ret, reterr);
}

convex_status convex_http_action(convex_http *http, const char *path, const convex_value *args,
                                 convex_result **ret, convex_error *reterr)
{
    return call(http, &action_kind, path, args, ret, reterr);
}

convex_status convex_http_function(convex_http *http, const char *path, const convex_value *args,
                                   convex_result **ret, convex_error *reterr)
{
    if (http != NULL && http->auth.kind != CONVEX_AUTH_ADMIN_KEY)
        return cvx_fail(reterr, CONVEX_EINVAL, "convex_http_function needs an admin key");
    return call(http, &function_kind, path, args, ret, reterr);
}
