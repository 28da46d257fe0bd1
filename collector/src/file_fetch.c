/* file_fetch.c - one file, from its address into a descriptor.
 * Owns the curl handle and the running checksum. Blocking; one thread at a time.
 * Invariant: no request goes to an address that file_url_allowed() has not passed, redirects
 * included; a socket to a private address is never opened unless `trusted`. */
#include "file_fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file_url.h"

enum {
    CONNECT_TIMEOUT_MS = 10000,
    TIMEOUT_MS = 60000, /* with an upload of as much it stays within the backend's lease */
    STALL_BYTES_PER_S = 512,
    STALL_S = 15,
    REDIRECTS_MAX = 3,
    RETRY_AFTER_CAP_S = 600
};

struct file_fetcher {
    file_fetch_options options;
    CURL *curl;
    EVP_MD_CTX *hash;
    /* of the fetch under way */
    int fd;
    int64_t size;
    bool trusted, too_large, blocked;
    int write_error;
};

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
    file_fetcher *self = user;
    size_t len = size * count, done = 0;
    long status = 0;
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return len; /* the words of an error: not the file */
    if ((int64_t)len > self->options.max_bytes - self->size) {
        self->too_large = true;
        return 0;
    }
    while (done < len) {
        ssize_t n = write(self->fd, data + done, len - done);
        if (n < 0 && errno != EINTR) {
            self->write_error = errno;
            return 0;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    self->size += (int64_t)len;
    return EVP_DigestUpdate(self->hash, data, len) == 1 ? len : 0;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t a, curl_off_t b)
{
    file_fetcher *self = user;
    if (total > self->options.max_bytes)
        self->too_large = true;
    return self->too_large || atomic_load(self->options.stop);
}

static curl_socket_t on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    file_fetcher *self = user;
    if (!self->trusted && !file_address_public(&address->addr)) {
        self->blocked = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A proxy connects for us, and stands in a private network itself. */
static bool is_proxied(void)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy",
                                        "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return true;
    }
    return false;
}

file_fetcher *file_fetcher_new(const file_fetch_options *options)
{
    file_fetcher *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    self->curl = curl_easy_init();
    self->hash = EVP_MD_CTX_new();
    if (!self->curl || !self->hash) {
        file_fetcher_free(self);
        return NULL;
    }
    curl_easy_setopt(self->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(self->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(self->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(self->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(self->curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(self->curl, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_S);
    curl_easy_setopt(self->curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    curl_easy_setopt(self->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(self->curl, CURLOPT_WRITEDATA, self);
    curl_easy_setopt(self->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(self->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(self->curl, CURLOPT_XFERINFODATA, self);
    curl_easy_setopt(self->curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(self->curl, CURLOPT_OPENSOCKETDATA, self);
    return self;
}

void file_fetcher_free(file_fetcher *self)
{
    if (!self)
        return;
    curl_easy_cleanup(self->curl);
    EVP_MD_CTX_free(self->hash);
    free(self);
}

static file_fetch_result say(file_fetched *ret, file_fetch_result result, const char *why)
{
    snprintf(ret->why, sizeof ret->why, "%s", why);
    return result;
}

static file_fetch_result judge_status(file_fetcher *self, long status, file_fetched *ret)
{
    curl_off_t after = 0, length = -1;
    if (status == 200) {
        unsigned len = 0;
        curl_easy_getinfo(self->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (self->size == 0 && length != 0) /* cut in its head: curl takes it for empty */
            return say(ret, FILE_LATER, "the file server's answer ended early");
        ret->size = self->size;
        return EVP_DigestFinal_ex(self->hash, ret->sha256, &len) == 1
                   ? FILE_FETCHED
                   : say(ret, FILE_LATER, "no memory");
    }
    snprintf(ret->why, sizeof ret->why, "the file server answered %ld", status);
    if (status == 403)
        return FILE_EXPIRED;
    if (status == 404 || status == 410)
        return FILE_GONE;
    curl_easy_getinfo(self->curl, CURLINFO_RETRY_AFTER, &after);
    ret->retry_after_ms = (after > RETRY_AFTER_CAP_S ? RETRY_AFTER_CAP_S : after) * 1000;
    return FILE_LATER;
}

static file_fetch_result judge(file_fetcher *self, CURLcode code, file_fetched *ret)
{
    long status = 0;
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &status);
    if (self->too_large) {
        snprintf(ret->why, sizeof ret->why, "larger than the %lld bytes that are kept",
                 (long long)self->options.max_bytes);
        return FILE_TOO_LARGE;
    }
    if (self->blocked)
        return say(ret, FILE_NOT_ALLOWED, "its address leads into a private network");
    if (self->write_error)
        return say(ret, FILE_NO_ROOM, strerror(self->write_error));
    return code == CURLE_OK ? judge_status(self, status, ret)
                            : say(ret, FILE_LATER, curl_easy_strerror(code));
}

static file_fetch_result fetch_once(file_fetcher *self, const char *url, file_fetched *ret)
{
    if (!file_url_allowed(url, self->options.extra_origin))
        return say(ret, FILE_NOT_ALLOWED,
                   "not on Discord's file servers: files of other hosts are not fetched");
    self->size = 0;
    self->too_large = self->blocked = false;
    self->write_error = 0;
    self->trusted = is_proxied() || file_url_on_origin(url, self->options.extra_origin);
    if (EVP_DigestInit_ex(self->hash, EVP_sha256(), NULL) != 1)
        return say(ret, FILE_LATER, "no memory");
    curl_easy_setopt(self->curl, CURLOPT_URL, url);
    return judge(self, curl_easy_perform(self->curl), ret);
}

file_fetch_result file_fetch(file_fetcher *self, const char *url, int fd, file_fetched *ret)
{
    char *next = NULL, *current = strdup(url);
    file_fetch_result result = FILE_LATER;
    memset(ret, 0, sizeof *ret);
    self->fd = fd;
    for (int hops = 0; current && hops <= REDIRECTS_MAX; hops++) {
        result = fetch_once(self, current, ret);
        free(current);
        current = NULL;
        next = NULL;
        if (result == FILE_LATER)
            curl_easy_getinfo(self->curl, CURLINFO_REDIRECT_URL, &next);
        if (!next)
            return result;
        current = strdup(next);
    }
    say(ret, FILE_LATER, current ? "redirected too often" : "no memory");
    free(current);
    return FILE_LATER;
}
