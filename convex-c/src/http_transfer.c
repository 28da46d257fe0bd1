/* http_transfer.c - one exchange through libcurl: setting it up, and naming what went wrong.
 *
 * Owns nothing beyond a call. Any thread; the callbacks run on the thread that drives the
 * engine and touch only their own exchange.
 * Invariant: a request that is not repeatable is begun on one connection only. libcurl
 * sends a request again by itself when a kept connection turns out dead; its hook before each
 * sending forbids the second. */
#include <string.h>

#include "error_internal.h"
#include "http_internal.h"
#include "network_internal.h"

/* A request that may not be repeated shuns connections idle for longer than about this:
 * servers close theirs after 5 s and more, and a request that crosses such a close has an
 * unknown outcome. */
enum { YOUNG_CONNECTION_S = 2, OLD_CONNECTION_S = 118 };

/* libcurl asks for a 100-continue above 1 MiB. */
enum { EXPECT_FROM = 512 * 1024 };

typedef struct exchange {
    cvx_http_transfer transfer;
    const cvx_http_settings *settings;
    const cvx_http_request *request;
    cvx_http_reply *reply;
    curl_off_t moved;
    bool too_large, canceled, refused_again;
} exchange;

void cvx_http_reply_init(cvx_http_reply *reply, const convex_mem *mem)
{
    *reply = (cvx_http_reply){.length = -1};
    cvx_text_init(&reply->body, mem);
}

void cvx_http_reply_done(cvx_http_reply *reply)
{
    cvx_text_done(&reply->body);
}

char *cvx_http_url(const convex_http *http, const char *endpoint)
{
    cvx_text url;
    char *ret = NULL;
    cvx_text_init(&url, &http->mem);
    cvx_text_add_str(&url, http->settings.base);
    cvx_text_add_str(&url, endpoint);
    return cvx_text_take(&url, &ret, NULL) == CONVEX_OK ? ret : NULL;
}

/* ---- callbacks of libcurl ---- */

static int on_ready(void *user, char *ip, char *local_ip, int port, int local_port)
{
    exchange *x = user;
    x->refused_again = x->reply->sent && !x->request->repeatable;
    if (x->refused_again)
        return CURL_PREREQFUNC_ABORT;
    x->reply->sent = true;
    x->transfer.answered = false; /* whatever a proxy said */
    x->transfer.moved_at = cvx_http_now();
    return CURL_PREREQFUNC_OK;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    exchange *x = user;
    const cvx_http_stream *stream = x->request->stream;
    if (down + up != x->moved) {
        x->moved = down + up;
        x->transfer.moved_at = cvx_http_now();
    }
    if (stream != NULL && stream->progress != NULL && !stream->progress((uint64_t)up, stream->user))
        x->canceled = true;
    return x->canceled;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    exchange *x = user;
    x->transfer.answered = true;
    x->transfer.moved_at = cvx_http_now();
    return size * count;
}

static void read_status(CURL *easy, cvx_http_reply *reply)
{
    curl_off_t length = -1;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    reply->status = (int)status;
    reply->length = length;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    exchange *x = user;
    const cvx_http_stream *stream = x->request->stream;
    cvx_text *body = &x->reply->body;
    size_t len = size * count;
    if (x->reply->status == 0)
        read_status(x->transfer.easy, x->reply);
    if (stream != NULL && stream->write != NULL && x->reply->status / 100 == 2) {
        x->canceled = !stream->write(x->reply, data, len, stream->user);
        return x->canceled ? 0 : len;
    }
    if (len > x->settings->max_reply_bytes - body->len) {
        x->too_large = true;
        return 0;
    }
    cvx_text_add(body, data, len);
    return body->status == CONVEX_OK ? len : 0;
}

static size_t on_read(char *ret, size_t size, size_t count, void *user)
{
    exchange *x = user;
    const cvx_http_stream *stream = x->request->stream;
    ptrdiff_t n = stream->read(ret, size * count, stream->user);
    x->canceled = n < 0;
    return n < 0 ? CURL_READFUNC_ABORT : (size_t)n;
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
    char client[256];
    snprintf(client, sizeof client, "Convex-Client: %s", settings->client_name);
    bool ok = append(&list, client);
    if (request->stream != NULL || request->body_len > EXPECT_FROM)
        ok = ok && append(&list, "Expect:"); /* no wait for a 100-continue */
    for (int i = 0; i < CVX_HTTP_HEADERS && ok; i++)
        ok = request->headers[i] == NULL || append(&list, request->headers[i]);
    if (ok)
        return list;
    curl_slist_free_all(list);
    return NULL;
}

/* What all exchanges of an engine have in common; CURLE_OK or the first failure. Options that
 * cannot fail are not asked. */
static CURLcode set_up(CURL *easy, const cvx_http_settings *settings)
{
    CURLcode code = cvx_network_apply(&settings->network, easy);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USERAGENT, settings->client_name);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    return code;
}

static CURLcode take_handle(cvx_http_engine *engine, const cvx_http_settings *settings, CURL **ret)
{
    CURLcode code = CURLE_OK;
    *ret = cvx_http_engine_take(engine);
    if (*ret != NULL)
        return CURLE_OK;
    *ret = curl_easy_init();
    code = *ret != NULL ? set_up(*ret, settings) : CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK) {
        curl_easy_cleanup(*ret);
        *ret = NULL;
    }
    return code;
}

/* Nothing of a caller stays behind. */
static void give_handle(cvx_http_engine *engine, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    cvx_http_engine_give(engine, easy);
}

static CURLcode set_request(CURL *easy, exchange *x, struct curl_slist *headers, char *words)
{
    const cvx_http_request *request = x->request;
    const cvx_http_stream *stream = request->stream;
    curl_off_t size = request->body != NULL ? (curl_off_t)request->body_len
                      : stream != NULL      ? (curl_off_t)stream->size
                                            : 0;
    if (request->body == NULL && (stream == NULL || stream->read == NULL)) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body); /* NULL: from on_read */
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long)(request->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)request->fresh);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)request->http2); /* for what is connecting */
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN,
                     (long)(request->repeatable ? OLD_CONNECTION_S : YOUNG_CONNECTION_S));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(easy, CURLOPT_READDATA, x);
    return curl_easy_setopt(easy, CURLOPT_URL, request->url);
}

/* ---- what came of it ---- */

static void keep_header(CURL *easy, const char *name, char ret[CVX_HTTP_HEAD_TEXT])
{
    struct curl_header *header = NULL;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
        strlen(header->value) < CVX_HTTP_HEAD_TEXT)
        memcpy(ret, header->value, strlen(header->value) + 1);
}

static void read_head(CURL *easy, const cvx_http_settings *settings, bool stream,
                      cvx_http_reply *reply)
{
    struct curl_header *notice = NULL;
    read_status(easy, reply);
    if (stream) {
        keep_header(easy, "Content-Type", reply->content_type);
        keep_header(easy, "Digest", reply->digest);
    }
    if (settings->log.fn != NULL && curl_easy_header(easy, "X-Convex-Deprecation-Message", 0,
                                                     CURLH_HEADER, -1, &notice) == CURLHE_OK)
        settings->log.fn(CONVEX_LOG_WARN, notice->value, settings->log.user);
}

/* libcurl 7.88 takes a stream that the server gave up for an answer that is complete. */
static bool is_cut(const exchange *x)
{
    const cvx_http_reply *reply = x->reply;
    return x->request->http2 && x->request->stream == NULL && x->transfer.code == CURLE_OK &&
           reply->length >= 0 && (uint64_t)reply->length != reply->body.len;
}

static const char *words_of(const exchange *x, const char *words)
{
    if (x->too_large)
        return "the answer is larger than max_reply_bytes";
    if (x->canceled)
        return "canceled by the caller";
    if (x->refused_again)
        return "the connection was closed before an answer";
    if (x->transfer.timed_out)
        return x->transfer.answered ? "the answer stopped coming (stall_timeout_ms)"
                                    : "the server did not begin to answer (answer_timeout_ms)";
    return cvx_network_words(x->transfer.code, words);
}

static convex_status kind_of(const exchange *x)
{
    CURLcode code = x->transfer.code;
    if (x->canceled)
        return CONVEX_ECANCELED;
    if (x->reply->sent && !x->request->repeatable)
        return CONVEX_EUNKNOWN;
    if (x->too_large)
        return CONVEX_ELIMIT;
    if (code == CURLE_OUT_OF_MEMORY || x->reply->body.status == CONVEX_ENOMEM)
        return CONVEX_ENOMEM;
    return code == CURLE_OPERATION_TIMEDOUT ? CONVEX_ETIMEOUT : CONVEX_ENETWORK;
}

static convex_status explain(const exchange *x, const char *words, convex_error *reterr)
{
    convex_status status = kind_of(x);
    return cvx_fail_http(reterr, status, x->reply->status, NULL, "%s%s", words_of(x, words),
                         status == CONVEX_EUNKNOWN ? "; whether it took effect is unknown" : "");
}

convex_status cvx_http_exchange(cvx_http_engine *engine, const cvx_http_settings *settings,
                                const cvx_http_request *request, cvx_http_reply *ret,
                                convex_error *reterr)
{
    char words[CURL_ERROR_SIZE] = "";
    CURL *easy = NULL;
    CURLcode code = take_handle(engine, settings, &easy);
    struct curl_slist *headers = make_headers(settings, request);
    exchange x = {.transfer = {.easy = easy,
                               .answer_ms = request->answer_ms,
                               .stall_ms = request->stall_ms,
                               .watched = request->stream != NULL},
                  .settings = settings,
                  .request = request,
                  .reply = ret};
    convex_status status = CONVEX_OK;
    if (code == CURLE_OK)
        code = headers != NULL ? set_request(easy, &x, headers, words) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OUT_OF_MEMORY) {
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    } else if (code != CURLE_OK) {
        status = cvx_fail(reterr, CONVEX_EINVAL, "%s", curl_easy_strerror(code));
    } else {
        cvx_http_engine_run(engine, &x.transfer);
        read_head(easy, settings, request->stream != NULL, ret);
        ret->timed_out = x.transfer.code == CURLE_OPERATION_TIMEDOUT;
        if (is_cut(&x))
            x.transfer.code = CURLE_PARTIAL_FILE;
        if (x.transfer.code != CURLE_OK)
            status = explain(&x, words, reterr);
    }
    if (easy != NULL)
        give_handle(engine, easy);
    curl_slist_free_all(headers);
    return status;
}
