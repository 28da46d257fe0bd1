/* http_file.c - files: sent to an upload URL, read from a storage URL.
 *
 * Owns nothing beyond a call. Runs, callbacks included, on the calling thread: each file has an
 * engine of its own, so that a slow source or destination holds up nobody else.
 * Invariant: no more of a file is in memory than one piece, unless memory is its destination. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base64.h"
#include "error_internal.h"
#include "http_internal.h"

enum {
    UPLOAD_TIMEOUT_MS = 300 * 1000,
    UPLOAD_ANSWER_MS = 60 * 1000,
    DOWNLOAD_ANSWER_MS = 30 * 1000,
    DOWNLOAD_BYTES = 64 << 20,
    RESUMES = 3,
    RESUME_WAIT_MS = 200,
    DIGEST_TEXT = CVX_BASE64_SIZE(CONVEX_SHA256_SIZE)
};

_Static_assert(sizeof(off_t) == sizeof(int64_t), "files may be larger than 2 GiB");

/* ---- descriptors that may be in non-blocking mode ---- */

static bool is_retry(int fd, short events)
{
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return false;
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

static ptrdiff_t read_some(int fd, void *ret, size_t room)
{
    ssize_t n;
    do
        n = read(fd, ret, room);
    while (n < 0 && is_retry(fd, POLLIN));
    return n;
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && !is_retry(fd, POLLOUT))
            return false;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* ---- checks ---- */

static convex_status check_url(const char *url, convex_error *reterr)
{
    if (url == NULL ||
        (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "the file's url does not begin with http:// or https://");
    for (const char *c = url; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f)
            return cvx_fail(reterr, CONVEX_EINVAL,
                            "the file's url has a character that needs escaping");
    }
    return CONVEX_OK;
}

static bool is_header_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text == 0x7f)
            return false;
    }
    return true;
}

/* ---- upload ---- */

typedef struct upload {
    const convex_upload *what;
    int64_t size; /* of the source; -1: unknown */
    uint64_t sent;
    EVP_MD_CTX *hash; /* of a stream; NULL: the checksum is known */
    uint8_t sha256[CONVEX_SHA256_SIZE];
    bool sha256_known;
    char fault[160]; /* why the source ended it; "": the caller gave up */
} upload;

static ptrdiff_t read_source(upload *u, void *ret, size_t room)
{
    const convex_upload *what = u->what;
    if (what->read != NULL)
        return what->read(ret, room, what->user);
    ptrdiff_t n = read_some(what->fd, ret, room);
    if (n < 0)
        snprintf(u->fault, sizeof u->fault, "cannot read the file: %s", strerror(errno));
    return n;
}

static ptrdiff_t on_read(void *ret, size_t room, void *user)
{
    upload *u = user;
    if (u->size >= 0 && room > (uint64_t)u->size - u->sent)
        room = (size_t)((uint64_t)u->size - u->sent);
    if (room == 0)
        return 0;
    ptrdiff_t n = read_source(u, ret, room);
    if (n == 0 && u->size >= 0)
        snprintf(u->fault, sizeof u->fault, "the file ended before its size was reached");
    else if (n > 0 && (size_t)n > room)
        snprintf(u->fault, sizeof u->fault, "read() gave more than there was room for");
    if (u->fault[0] != '\0')
        return -1;
    if (n > 0 && u->hash != NULL)
        EVP_DigestUpdate(u->hash, ret, (size_t)n);
    u->sent += n > 0 ? (uint64_t)n : 0;
    return n;
}

static bool on_upload_progress(uint64_t up, void *user)
{
    const upload *u = user;
    const convex_upload *what = u->what;
    return what->progress == NULL || what->progress(up, u->size, what->user) == 0;
}

/* The checksum of what a regular file holds from where it stands, which stays. */
static convex_status hash_file(upload *u, int64_t at, convex_error *reterr)
{
    char piece[16 * 1024];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    convex_status status = CONVEX_OK;
    if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    for (int64_t left = u->size; status == CONVEX_OK && left > 0;) {
        size_t room = left < (int64_t)sizeof piece ? (size_t)left : sizeof piece;
        ssize_t n = pread(u->what->fd, piece, room, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = cvx_fail(reterr, CONVEX_EINVAL, "cannot read the file: %s", strerror(errno));
        else if (n == 0)
            status = cvx_fail(reterr, CONVEX_EINVAL, "the file ended before its size was reached");
        else
            EVP_DigestUpdate(hash, piece, (size_t)n);
        at += n;
        left -= n;
    }
    if (status == CONVEX_OK)
        EVP_DigestFinal_ex(hash, u->sha256, NULL);
    u->sha256_known = status == CONVEX_OK;
    EVP_MD_CTX_free(hash);
    return status;
}

/* Finds out what can be known of the source before it is sent. */
static convex_status look_at_source(upload *u, convex_error *reterr)
{
    const convex_upload *what = u->what;
    struct stat info;
    bool streamed = what->use_fd || what->read != NULL;
    u->size = streamed && what->size == 0 ? -1 : (int64_t)what->size;
    if (what->sha256 != NULL) {
        memcpy(u->sha256, what->sha256, sizeof u->sha256);
        u->sha256_known = true;
    }
    if (what->use_fd && fstat(what->fd, &info) == 0 && S_ISREG(info.st_mode)) {
        off_t at = lseek(what->fd, 0, SEEK_CUR);
        if (u->size < 0 && at >= 0)
            u->size = info.st_size > at ? info.st_size - at : 0;
        if (!u->sha256_known && at >= 0)
            return hash_file(u, at, reterr);
    }
    if (u->sha256_known)
        return CONVEX_OK;
    if (!streamed) {
        u->sha256_known =
            EVP_Digest(what->data, (size_t)what->size, u->sha256, NULL, EVP_sha256(), NULL) == 1;
        return u->sha256_known ? CONVEX_OK : cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    u->hash = EVP_MD_CTX_new();
    if (u->hash == NULL || EVP_DigestInit_ex(u->hash, EVP_sha256(), NULL) != 1)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    return CONVEX_OK;
}

static convex_status check_upload(const convex_http *http, const convex_upload *what,
                                  const convex_uploaded *ret, convex_error *reterr)
{
    if (http == NULL || what == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client, no file, or no place for the result");
    int sources = (what->data != NULL) + what->use_fd + (what->read != NULL);
    if (sources > 1 || (sources == 0 && what->size != 0))
        return cvx_fail(reterr, CONVEX_EINVAL, "one of data, fd and read must be the source");
    if (what->size > INT64_MAX)
        return cvx_fail(reterr, CONVEX_EINVAL, "size is that of no file");
    if (what->content_type != NULL && (strlen(what->content_type) >= CONVEX_CONTENT_TYPE_SIZE ||
                                       !is_header_text(what->content_type)))
        return cvx_fail(reterr, CONVEX_EINVAL, "content_type is too long, or no header text");
    return check_url(what->url, reterr);
}

static convex_status send_upload(convex_http *http, upload *u, cvx_http_reply *reply,
                                 convex_error *reterr)
{
    const convex_upload *what = u->what;
    const cvx_http_settings *settings = &http->settings;
    char digest[sizeof "Digest: sha-256=" + DIGEST_TEXT] = "Digest: sha-256=";
    char type[sizeof "Content-Type: " + CONVEX_CONTENT_TYPE_SIZE] = "Content-Type:"; /* none */
    bool streamed = what->use_fd || what->read != NULL;
    if (u->sha256_known)
        cvx_base64_encode(u->sha256, sizeof u->sha256, digest + strlen(digest));
    if (what->content_type != NULL)
        snprintf(type, sizeof type, "Content-Type: %s", what->content_type);
    const cvx_http_stream stream = {.read = streamed ? on_read : NULL,
                                    .size = u->size,
                                    .progress = on_upload_progress,
                                    .user = u};
    const cvx_http_request request = {
        .url = what->url,
        .headers = {type, u->sha256_known ? digest : NULL},
        .body = streamed             ? NULL
                : what->data != NULL ? what->data
                                     : "",
        .body_len = streamed ? 0 : (size_t)what->size,
        .stream = &stream,
        .http2 = settings->version == CONVEX_HTTP_VERSION_2,
        .timeout_ms = what->timeout_ms != 0 ? what->timeout_ms : UPLOAD_TIMEOUT_MS,
        .answer_ms =
            settings->answer_timeout_ms != 0 ? settings->answer_timeout_ms : UPLOAD_ANSWER_MS,
        .stall_ms = settings->stall_timeout_ms,
    };
    cvx_http_engine engine;
    if (!cvx_http_engine_init(&engine))
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    convex_status status = cvx_http_exchange(&engine, settings, &request, reply, reterr);
    cvx_http_engine_done(&engine);
    return status;
}

convex_status convex_http_upload(convex_http *http, const convex_upload *what, convex_uploaded *ret,
                                 convex_error *reterr)
{
    convex_uploaded done = {.size = 0};
    convex_status status = check_upload(http, what, ret, reterr);
    if (status != CONVEX_OK)
        return status;
    upload u = {.what = what};
    cvx_http_reply reply;
    cvx_http_reply_init(&reply, &http->mem);
    status = look_at_source(&u, reterr);
    if (status == CONVEX_OK) {
        status = send_upload(http, &u, &reply, reterr);
        if (status == CONVEX_ECANCELED && u.fault[0] != '\0')
            status = cvx_fail(reterr, CONVEX_EINVAL, "%s", u.fault);
    }
    if (status == CONVEX_OK)
        status = cvx_http_read_upload(&reply, done.storage_id, sizeof done.storage_id, reterr);
    if (status == CONVEX_OK) {
        if (u.hash != NULL)
            EVP_DigestFinal_ex(u.hash, u.sha256, NULL);
        memcpy(done.sha256, u.sha256, sizeof done.sha256);
        done.size = what->use_fd || what->read != NULL ? u.sent : what->size;
        *ret = done;
    }
    EVP_MD_CTX_free(u.hash);
    cvx_http_reply_done(&reply);
    return status;
}

/* ---- download ---- */

typedef struct download {
    const convex_download *what;
    EVP_MD_CTX *hash;
    cvx_text memory;
    uint64_t received; /* and delivered */
    uint64_t skip;     /* of this answer: what was not asked for */
    int64_t total;     /* bytes there are from the offset on; -1: unknown */
    bool begun;        /* an answer has begun, now or before a loss */
    bool answering;    /* this one has */
    bool too_large;
    uint8_t expected[CONVEX_SHA256_SIZE];
    bool expected_known;
    char content_type[CONVEX_CONTENT_TYPE_SIZE];
    char fault[160];
} download;

static uint64_t position(const download *d)
{
    return d->what->offset + d->received;
}

/* A server may send the whole file although a part was asked for. What it says of the part in
 * Content-Range is not looked at: Convex echoes what was asked. */
static void begin_answer(download *d, const cvx_http_reply *head)
{
    d->answering = d->begun = true;
    d->skip = head->status == 206 ? 0 : position(d);
    if (d->total < 0 && head->length >= 0)
        d->total = (uint64_t)head->length > d->skip ? head->length - (int64_t)d->skip : 0;
}

static bool deliver(download *d, const void *data, size_t len)
{
    const convex_download *what = d->what;
    if (what->write != NULL)
        return what->write(data, len, what->user) == 0;
    if (what->use_fd) {
        if (write_all(what->fd, data, len))
            return true;
        snprintf(d->fault, sizeof d->fault, "cannot write the file: %s", strerror(errno));
        return false;
    }
    cvx_text_add(&d->memory, data, len);
    return d->memory.status == CONVEX_OK;
}

static bool on_write(const cvx_http_reply *head, const void *data, size_t len, void *user)
{
    download *d = user;
    const convex_download *what = d->what;
    size_t max = what->max_bytes;
    if (!d->answering)
        begin_answer(d, head);
    if (len <= d->skip) {
        d->skip -= len;
        return true;
    }
    data = (const char *)data + d->skip;
    len -= (size_t)d->skip;
    d->skip = 0;
    if (max == 0 && what->write == NULL && !what->use_fd)
        max = DOWNLOAD_BYTES;
    d->too_large = max != 0 && (d->received > max || len > max - d->received);
    if (d->too_large || !deliver(d, data, len))
        return false;
    EVP_DigestUpdate(d->hash, data, len);
    d->received += len;
    return true;
}

static bool on_download_progress(uint64_t up, void *user)
{
    const download *d = user;
    const convex_download *what = d->what;
    return what->progress == NULL || what->progress(d->received, d->total, what->user) == 0;
}

/* "sha-256=<base64>", the only item of the header that Convex sends. */
static void keep_digest(download *d, const char *header)
{
    uint8_t bytes[CVX_BASE64_DECODED(DIGEST_TEXT)];
    size_t len = 0;
    if (strncasecmp(header, "sha-256=", 8) != 0 || strlen(header + 8) != DIGEST_TEXT ||
        !cvx_base64_decode(header + 8, DIGEST_TEXT, bytes, &len) || len != CONVEX_SHA256_SIZE)
        return;
    memcpy(d->expected, bytes, sizeof d->expected);
    d->expected_known = true;
}

/* What one answer adds, however it ended. */
static void keep_head(download *d, const cvx_http_reply *reply)
{
    if (reply->status != 200 && reply->status != 206)
        return;
    if (!d->answering)
        begin_answer(d, reply);
    if (reply->content_type[0] != '\0')
        memcpy(d->content_type, reply->content_type, sizeof d->content_type);
    if (reply->status == 200 && d->what->offset == 0 && d->what->sha256 == NULL)
        keep_digest(d, reply->digest);
}

static convex_status explain(const download *d, convex_status status, convex_error *reterr)
{
    if (status != CONVEX_ECANCELED)
        return status;
    if (d->too_large)
        return cvx_fail(reterr, CONVEX_ELIMIT, "the file is larger than max_bytes");
    if (d->memory.status != CONVEX_OK)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    return d->fault[0] != '\0' ? cvx_fail(reterr, CONVEX_EINVAL, "%s", d->fault) : status;
}

/* One request, from where the last one ended. */
static convex_status receive(convex_http *http, cvx_http_engine *engine, download *d,
                             unsigned timeout_ms, convex_error *reterr)
{
    const cvx_http_settings *settings = &http->settings;
    uint64_t start = position(d);
    char range[64];
    snprintf(range, sizeof range, "Range: bytes=%llu-", (unsigned long long)start);
    const cvx_http_stream stream = {.write = on_write, .progress = on_download_progress, .user = d};
    const cvx_http_request request = {
        .url = d->what->url,
        .headers = {start > 0 ? range : NULL},
        .stream = &stream,
        .repeatable = true,
        .http2 = settings->version == CONVEX_HTTP_VERSION_2,
        .timeout_ms = timeout_ms,
        .answer_ms =
            settings->answer_timeout_ms != 0 ? settings->answer_timeout_ms : DOWNLOAD_ANSWER_MS,
        .stall_ms = settings->stall_timeout_ms,
    };
    cvx_http_reply reply;
    cvx_http_reply_init(&reply, &http->mem);
    d->answering = false;
    convex_status status = cvx_http_exchange(engine, settings, &request, &reply, reterr);
    keep_head(d, &reply);
    bool past_end = reply.status == 416 && start > 0; /* how others say what Convex says with 206 */
    if (status == CONVEX_OK && reply.status != 200 && reply.status != 206 && !past_end)
        status = cvx_http_read_refusal(&reply, true, reterr);
    cvx_http_reply_done(&reply);
    return explain(d, status, reterr);
}

/* Where the network failed in the middle, goes on from there. */
static convex_status receive_all(convex_http *http, download *d, convex_error *reterr)
{
    const convex_download *what = d->what;
    unsigned left = what->resumes != 0 ? what->resumes : RESUMES;
    int64_t deadline = cvx_http_now() + what->timeout_ms;
    convex_status status;
    cvx_http_engine engine;
    if (!cvx_http_engine_init(&engine))
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    for (unsigned timeout_ms = what->timeout_ms;;) {
        status = receive(http, &engine, d, timeout_ms, reterr);
        if ((status != CONVEX_ENETWORK && status != CONVEX_ETIMEOUT) || !d->begun || left-- == 0)
            break;
        if (what->timeout_ms != 0) {
            int64_t rest = deadline - cvx_http_now() - RESUME_WAIT_MS;
            if (rest <= 0)
                break;
            timeout_ms = (unsigned)rest;
        }
        nanosleep(&(struct timespec){.tv_nsec = RESUME_WAIT_MS * 1000000L}, NULL);
    }
    cvx_http_engine_done(&engine);
    return status;
}

static convex_status check_received(const download *d, const uint8_t *sha256, convex_error *reterr)
{
    if (d->total >= 0 && d->received != (uint64_t)d->total)
        return cvx_fail(reterr, CONVEX_EPROTOCOL, "the file ended after %llu of %lld bytes",
                        (unsigned long long)d->received, (long long)d->total);
    if (d->expected_known && memcmp(sha256, d->expected, CONVEX_SHA256_SIZE) != 0)
        return cvx_fail(reterr, CONVEX_EPROTOCOL, "the checksum of what was received is wrong");
    return CONVEX_OK;
}

static convex_status check_download(const convex_http *http, const convex_download *what,
                                    const convex_downloaded *ret, convex_error *reterr)
{
    if (http == NULL || what == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client, no file, or no place for the result");
    if (what->use_fd && what->write != NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "fd and write are both given as the destination");
    if (what->offset > INT64_MAX)
        return cvx_fail(reterr, CONVEX_EINVAL, "offset is beyond any file");
    return check_url(what->url, reterr);
}

convex_status convex_http_download(convex_http *http, const convex_download *what,
                                   convex_downloaded *ret, convex_error *reterr)
{
    convex_downloaded done = {.data = NULL};
    convex_status status = check_download(http, what, ret, reterr);
    if (status != CONVEX_OK)
        return status;
    download d = {.what = what, .total = -1, .hash = EVP_MD_CTX_new()};
    cvx_text_init(&d.memory, &http->mem);
    if (what->sha256 != NULL) {
        memcpy(d.expected, what->sha256, sizeof d.expected);
        d.expected_known = true;
    }
    if (d.hash == NULL || EVP_DigestInit_ex(d.hash, EVP_sha256(), NULL) != 1)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    else
        status = receive_all(http, &d, reterr);
    if (status == CONVEX_OK) {
        EVP_DigestFinal_ex(d.hash, done.sha256, NULL);
        status = check_received(&d, done.sha256, reterr);
    }
    if (status == CONVEX_OK && what->write == NULL && !what->use_fd &&
        cvx_text_take(&d.memory, &done.data, NULL) != CONVEX_OK)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (status == CONVEX_OK) {
        done.size = d.received;
        done.verified = d.expected_known;
        memcpy(done.content_type, d.content_type, sizeof done.content_type);
        *ret = done;
    }
    cvx_text_done(&d.memory);
    EVP_MD_CTX_free(d.hash);
    return status;
}
