/* http_transfer.c - one POST through libcurl.
 *
 * Owns nothing beyond a call; the handle is used by one thread at a time.
 * Invariant: a request that is not repeatable goes out on a fresh connection,
 * since libcurl sends a request again by itself when a kept one turns out dead. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "error_internal.h"
#include "http_internal.h"
#include "network_internal.h"

/* What the callbacks of libcurl write into. */
typedef struct sink {
    cvx_http_reply *reply;
    const cvx_http_settings *settings;
    bool too_large;
} sink;

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    sink *s = user;
    size_t len = size * count;
    if (len > s->settings->max_reply_bytes - s->reply->body.len) {
        s->too_large = true;
        return 0;
    }
    cvx_text_add(&s->reply->body, data, len);
    return s->reply->body.status == CONVEX_OK ? len : 0;
}

/* Passes the server's deprecation notice on. */
static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    static const char name[] = "x-convex-deprecation-message:";
    const sink *s = user;
    size_t len = size * count;
    char line[400];
    if (len <= sizeof name || strncasecmp(data, name, sizeof name - 1) != 0)
        return len;
    if (s->settings->log.fn == NULL)
        return len;
    const char *text = data + sizeof name - 1;
    size_t text_len = len - (sizeof name - 1);
    while (text_len > 0 && (*text == ' ' || *text == '\t'))
        text++, text_len--;
    while (text_len > 0 && (text[text_len - 1] == '\r' || text[text_len - 1] == '\n'))
        text_len--;
    if (text_len >= sizeof line)
        text_len = sizeof line - 1;
    memcpy(line, text, text_len);
    line[text_len] = '\0';
    s->settings->log.fn(CONVEX_LOG_WARN, line, s->settings->log.user);
    return len;
}

/* ---- setting up ---- */

static bool append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

static struct curl_slist *make_headers(const cvx_http_settings *settings,
                                       const cvx_http_request *request)
{
    struct curl_slist *list = NULL;
    cvx_text name;
    cvx_text_init(&name, NULL);
    cvx_text_add_str(&name, "Convex-Client: ");
    cvx_text_add_str(&name, settings->client_name);
    char *client = NULL;
    bool ok = cvx_text_take(&name, &client, NULL) == CONVEX_OK && append(&list, client) &&
              append(&list, "Content-Type: application/json") &&
              append(&list, "Expect:"); /* no waiting for a 100-continue */
    if (ok && request->authorization != NULL)
        ok = append(&list, request->authorization);
    convex_text_free(client, NULL);
    if (!ok) {
        curl_slist_free_all(list);
        return NULL;
    }
    return list;
}

/* Both are CURLE_OK or the first failure, which only memory can be the cause of. */
static CURLcode set_timeouts(CURL *curl, const cvx_http_settings *settings,
                             const cvx_http_request *request)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (code == CURLE_OK)
        code =
            curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    if (code == CURLE_OK && settings->stall_timeout_ms > 0) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        code = curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                                (long)(settings->stall_timeout_ms + 999) / 1000);
    }
    return code;
}

static CURLcode set_connection(CURL *curl, const cvx_http_settings *settings,
                               const cvx_http_request *request)
{
    CURLcode code = cvx_network_apply(&settings->network, curl);
    /* HTTP/2 costs more for single calls, and its GOAWAY would leave outcomes open. */
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, request->repeatable ? 0L : 1L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, request->repeatable ? 0L : 1L);
    return code;
}

static CURLcode set_request(CURL *curl, const cvx_http_settings *settings,
                            const cvx_http_request *request, const char *url,
                            struct curl_slist *headers, sink *s)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_USERAGENT, settings->client_name);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, s);
    return code;
}

/* ---- what went wrong ---- */

/* Whether the connection stood, so that bytes of the request may have left. */
static bool may_have_been_sent(CURL *curl)
{
    curl_off_t ready = 0;
    long sent = 0;
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &ready);
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent);
    return ready > 0 || sent > 0;
}

static convex_status explain(CURL *curl, CURLcode code, const sink *s,
                             const cvx_http_request *request, const char *words,
                             convex_error *reterr)
{
    const char *why = cvx_network_words(code, words);
    bool sent = may_have_been_sent(curl);
    int http_status = s->reply->status;
    if (s->too_large)
        why = "the answer is larger than max_reply_bytes";
    if (sent && !request->repeatable)
        return cvx_fail_http(reterr, CONVEX_EUNKNOWN, http_status, NULL,
                             "%s; whether the function took effect is unknown", why);
    if (s->too_large)
        return cvx_fail_http(reterr, CONVEX_ELIMIT, http_status, NULL, "%s", why);
    if (code == CURLE_OUT_OF_MEMORY || s->reply->body.status == CONVEX_ENOMEM)
        return cvx_fail_http(reterr, CONVEX_ENOMEM, http_status, NULL, "out of memory");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return cvx_fail_http(reterr, CONVEX_ETIMEOUT, http_status, NULL, "%s", why);
    return cvx_fail_http(reterr, CONVEX_ENETWORK, http_status, NULL, "%s", why);
}

static char *make_url(const char *base, const char *endpoint)
{
    cvx_text url;
    char *ret = NULL;
    cvx_text_init(&url, NULL);
    cvx_text_add_str(&url, base);
    cvx_text_add_str(&url, endpoint);
    return cvx_text_take(&url, &ret, NULL) == CONVEX_OK ? ret : NULL;
}

convex_status cvx_http_transfer(CURL *curl, const cvx_http_settings *settings,
                                const cvx_http_request *request, cvx_http_reply *ret,
                                convex_error *reterr)
{
    sink s = {.reply = ret, .settings = settings};
    char words[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = make_headers(settings, request);
    char *url = make_url(settings->base, request->endpoint);
    CURLcode code = headers != NULL && url != NULL ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    curl_easy_reset(curl); /* keeps the connections */
    if (code == CURLE_OK)
        code = set_timeouts(curl, settings, request);
    if (code == CURLE_OK)
        code = set_connection(curl, settings, request);
    if (code == CURLE_OK)
        code = set_request(curl, settings, request, url, headers, &s);
    convex_status status = CONVEX_OK;
    if (code != CURLE_OK) {
        status = code == CURLE_OUT_OF_MEMORY
                     ? cvx_fail(reterr, CONVEX_ENOMEM, "out of memory")
                     : cvx_fail(reterr, CONVEX_EINVAL, "%s", curl_easy_strerror(code));
    } else {
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
        code = curl_easy_perform(curl);
        long http_status = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http_status);
        ret->status = (int)http_status;
        if (code != CURLE_OK)
            status = explain(curl, code, &s, request, words, reterr);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    convex_text_free(url, NULL);
    return status;
}
