/* files.c - fetches attachments so that they can be posted again.
 * Owns one thread and one curl handle. The queue and the finished list are shared under `lock`;
 * everything else belongs to the thread. */
#include "files.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"

enum {
    FILES_MAX = 10,
    FILE_BYTES_MAX = 10 << 20,
    SET_BYTES_MAX = 25 << 20,
    FETCH_TIMEOUT_MS = 10000,
    CONNECT_TIMEOUT_MS = 5000
};

struct file_set {
    file_set *next;
    convex_value *attachments;
    files_done_fn *done;
    void *user;
    discord_file files[FILES_MAX];
    size_t count, bytes;
    char *notice;
};

struct files {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    daemon_waker *waker;
    file_set *queue, *finished; /* oldest first */
    atomic_bool closing;
    CURL *curl;
};

static void append(file_set **list, file_set *set)
{
    while (*list)
        list = &(*list)->next;
    set->next = NULL;
    *list = set;
}

static file_set *take_first(file_set **list)
{
    file_set *set = *list;
    if (set)
        *list = set->next;
    return set;
}

/* ---- the thread ---- */

typedef struct body {
    char *data;
    size_t size, limit;
    bool too_large;
} body;

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
    body *self = user;
    size_t len = size * count;
    if (len > self->limit - self->size) {
        self->too_large = true;
        return 0;
    }
    char *grown = realloc(self->data, self->size + len + 1);
    if (!grown)
        return 0;
    memcpy(grown + self->size, data, len);
    self->data = grown;
    self->size += len;
    return len;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    return atomic_load(&((files *)user)->closing);
}

/* Returns NULL, or why not (a constant). */
static const char *fetch(files *self, const char *url, body *into)
{
    long status = 0;
    curl_easy_setopt(self->curl, CURLOPT_URL, url);
    curl_easy_setopt(self->curl, CURLOPT_WRITEDATA, into);
    CURLcode code = curl_easy_perform(self->curl);
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &status);
    if (into->too_large)
        return "too large";
    if (code != CURLE_OK)
        return curl_easy_strerror(code);
    if (status == 403 || status == 404)
        return "its address has expired";
    return status == 200 ? NULL : "the server did not give it";
}

static void note(file_set *set, const char *filename, const char *why)
{
    char *line = NULL;
    if (asprintf(&line, "%s%s[file %s: %s]", set->notice ? set->notice : "",
                 set->notice ? "\n" : "", filename, why) < 0)
        return;
    free(set->notice);
    set->notice = line;
}

static void fetch_one(files *self, file_set *set, const convex_value *attachment)
{
    const char *filename = payload_text(attachment, "filename");
    size_t left = SET_BYTES_MAX - set->bytes;
    body into = {.limit = left < FILE_BYTES_MAX ? left : FILE_BYTES_MAX};
    const char *why = set->count == FILES_MAX ? "too many files"
                      : payload_number(attachment, "size", 0) > (double)into.limit
                          ? "too large"
                          : fetch(self, payload_text(attachment, "url"), &into);
    if (why) {
        free(into.data);
        note(set, filename, why);
        return;
    }
    const char *type = payload_text(attachment, "contentType");
    const char *description = payload_text(attachment, "description");
    set->files[set->count++] = (discord_file){.filename = filename,
                                              .content_type = *type ? type : NULL,
                                              .description = *description ? description : NULL,
                                              .data = into.data,
                                              .size = into.size};
    set->bytes += into.size;
}

static void *run(void *user)
{
    files *self = user;
    pthread_mutex_lock(&self->lock);
    while (!atomic_load(&self->closing)) {
        file_set *set = take_first(&self->queue);
        if (!set) {
            pthread_cond_wait(&self->changed, &self->lock);
            continue;
        }
        pthread_mutex_unlock(&self->lock);
        for (size_t i = 0; i < convex_value_count(set->attachments); i++)
            fetch_one(self, set, convex_value_at(set->attachments, i));
        pthread_mutex_lock(&self->lock);
        append(&self->finished, set);
        daemon_waker_wake(self->waker);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* ---- the loop thread ---- */

static void on_wake(void *user)
{
    files *self = user;
    for (;;) {
        pthread_mutex_lock(&self->lock);
        file_set *set = take_first(&self->finished);
        pthread_mutex_unlock(&self->lock);
        if (!set)
            return;
        set->done(set, set->user);
    }
}

int files_fetch(files *self, const convex_value *attachments, files_done_fn *done, void *user)
{
    file_set *set = calloc(1, sizeof *set);
    if (!set)
        return -ENOMEM;
    set->attachments = convex_value_ref(attachments);
    set->done = done;
    set->user = user;
    pthread_mutex_lock(&self->lock);
    append(&self->queue, set);
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    return 0;
}

const discord_file *file_set_files(const file_set *set, size_t *ret_count)
{
    *ret_count = set->count;
    return set->files;
}

const char *file_set_notice(const file_set *set)
{
    return set->notice;
}

void file_set_free(file_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        free((void *)(uintptr_t)set->files[i].data);
    convex_value_unref(set->attachments);
    free(set->notice);
    free(set);
}

static void prepare(files *self)
{
    curl_easy_setopt(self->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(self->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(self->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(self->curl, CURLOPT_TIMEOUT_MS, (long)FETCH_TIMEOUT_MS);
    curl_easy_setopt(self->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(self->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(self->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(self->curl, CURLOPT_XFERINFODATA, self);
}

int files_new(daemon_loop *loop, files **ret)
{
    files *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->curl = curl_easy_init();
    int r = self->curl ? daemon_waker_new(loop, on_wake, self, &self->waker) : -ENOMEM;
    if (r == 0) {
        prepare(self);
        r = -pthread_create(&self->thread, NULL, run, self);
    }
    if (r == 0) {
        *ret = self;
        return 0;
    }
    daemon_waker_free(self->waker);
    curl_easy_cleanup(self->curl);
    free(self);
    return r;
}

static void free_list(file_set *list)
{
    file_set *set;
    while ((set = take_first(&list)))
        file_set_free(set);
}

void files_free(files *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    atomic_store(&self->closing, true);
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    free_list(self->queue);
    free_list(self->finished);
    daemon_waker_free(self->waker);
    curl_easy_cleanup(self->curl);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
