/* files.c - fetches attachments so that they can be posted again.
 * Owns the threads, each with a curl handle. The queue, the finished list and the count of bytes
 * are shared under `lock`; a set belongs to its thread from leaving the queue to the finished list.
 * Invariant: sets leave the queue in order, so what a lane needs next never waits for memory that a
 * later post of the same lane holds. */
#include "files.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "discord/attachment.h"

enum {
    FILES_MAX = 10,
    FILE_BYTES_MAX = 10 << 20,
    SET_BYTES_MAX = 25 << 20,
    MEMORY_MAX = 128 << 20,
    THREADS = 3,
    FETCH_TIMEOUT_MS = 10000,
    CONNECT_TIMEOUT_MS = 5000
};

struct file_set {
    file_set *next;
    files *owner;
    const api_work_file_list *attachments;
    const api_mirrors_claim_result *claimed; /* has them */
    files_done_fn *done;
    void *user; /* the loop thread's */
    atomic_bool cancelled;
    size_t reserved; /* of the owner's memory */
    discord_file files[FILES_MAX];
    size_t count, bytes;
    char *notice;
};

typedef struct worker {
    files *owner;
    pthread_t thread;
    CURL *curl;
    file_set *set; /* under way */
} worker;

struct files {
    worker workers[THREADS];
    size_t n_workers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    daemon_waker *waker;
    file_set *queue, *finished; /* oldest first */
    size_t reserved;            /* bytes of the sets in memory, at the most */
    atomic_bool closing;
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
    const worker *self = user;
    return atomic_load(&self->owner->closing) || atomic_load(&self->set->cancelled);
}

/* Returns NULL, or why not (a constant). */
static const char *fetch(worker *self, const char *url, body *into)
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

/* From Discord, else from our copy. */
static const char *fetch_either(worker *self, const api_work_file *file, body *into)
{
    const char *stored = file->stored_url.data;
    int64_t expires = discord_attachment_expires_ms(file->url.data);
    bool dead = expires >= 0 && expires <= daemon_wall_ms();
    const char *why =
        dead && stored ? "its address has expired" : fetch(self, file->url.data, into);
    if (!why || !stored || into->too_large || atomic_load(&self->set->cancelled))
        return why;
    into->size = 0;
    return fetch(self, stored, into);
}

static void add_notice(char **notice, const char *filename, const char *why)
{
    char *line = NULL;
    if (asprintf(&line, "%s%s[file %s: %s]", *notice ? *notice : "", *notice ? "\n" : "", filename,
                 why) < 0)
        return;
    free(*notice);
    *notice = line;
}

static void fetch_one(worker *self, file_set *set, const api_work_file *attachment)
{
    const char *filename = attachment->filename.data;
    size_t left = SET_BYTES_MAX - set->bytes;
    body into = {.limit = left < FILE_BYTES_MAX ? left : FILE_BYTES_MAX};
    const char *why = set->count == FILES_MAX ? "too many files"
                      : attachment->size > (double)into.limit
                          ? "too large"
                          : fetch_either(self, attachment, &into);
    if (why) {
        free(into.data);
        add_notice(&set->notice, filename, why);
        return;
    }
    const char *type = attachment->content_type.data;
    const char *description = attachment->description.data;
    set->files[set->count++] =
        (discord_file){.filename = filename,
                       .content_type = type && *type ? type : NULL,
                       .description = description && *description ? description : NULL,
                       .data = into.data,
                       .size = into.size};
    set->bytes += into.size;
}

static size_t most_of(const file_set *set)
{
    double sum = 0;
    for (size_t i = 0; i < set->attachments->count; i++)
        sum += set->attachments->items[i].size;
    return sum > 0 && sum < SET_BYTES_MAX ? (size_t)sum : SET_BYTES_MAX;
}

/* The next set, once there is memory for it; NULL: none, or not yet. */
static file_set *take_next(files *self)
{
    file_set *set = self->queue;
    size_t most = set ? most_of(set) : 0;
    if (!set || (self->reserved > 0 && self->reserved + most > MEMORY_MAX))
        return NULL;
    take_first(&self->queue);
    set->reserved = most;
    self->reserved += most;
    return set;
}

static void *run(void *user)
{
    worker *w = user;
    files *self = w->owner;
    pthread_mutex_lock(&self->lock);
    while (!atomic_load(&self->closing)) {
        file_set *set = take_next(self);
        if (!set) {
            pthread_cond_wait(&self->changed, &self->lock);
            continue;
        }
        pthread_mutex_unlock(&self->lock);
        w->set = set;
        for (size_t i = 0; i < set->attachments->count; i++)
            if (!atomic_load(&set->cancelled))
                fetch_one(w, set, &set->attachments->items[i]);
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

int files_fetch(files *self, const api_work_file_list *attachments,
                const api_mirrors_claim_result *claimed, files_done_fn *done, void *user,
                file_set **ret)
{
    file_set *set = calloc(1, sizeof *set);
    if (!set)
        return -ENOMEM;
    set->owner = self;
    set->attachments = attachments;
    set->claimed = api_mirrors_claim_result_ref(claimed);
    set->done = done;
    set->user = user;
    atomic_init(&set->cancelled, false);
    *ret = set;
    pthread_mutex_lock(&self->lock);
    append(&self->queue, set);
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    return 0;
}

void files_cancel(file_set *set)
{
    set->user = NULL;
    atomic_store(&set->cancelled, true);
}

char *files_notice(const api_work_file_list *attachments, const char *why)
{
    char *notice = NULL;
    for (size_t i = 0; i < attachments->count; i++)
        add_notice(&notice, attachments->items[i].filename.data, why);
    return notice;
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
    files *owner = set->owner;
    for (size_t i = 0; i < set->count; i++)
        free((void *)(uintptr_t)set->files[i].data);
    pthread_mutex_lock(&owner->lock);
    owner->reserved -= set->reserved;
    pthread_cond_broadcast(&owner->changed);
    pthread_mutex_unlock(&owner->lock);
    api_mirrors_claim_result_unref(set->claimed);
    free(set->notice);
    free(set);
}

static int start_worker(files *self)
{
    worker *w = &self->workers[self->n_workers];
    w->owner = self;
    w->curl = curl_easy_init();
    if (!w->curl)
        return -ENOMEM;
    curl_easy_setopt(w->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(w->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(w->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(w->curl, CURLOPT_TIMEOUT_MS, (long)FETCH_TIMEOUT_MS);
    curl_easy_setopt(w->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(w->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(w->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(w->curl, CURLOPT_XFERINFODATA, w);
    int r = -pthread_create(&w->thread, NULL, run, w);
    if (r != 0)
        curl_easy_cleanup(w->curl);
    else
        self->n_workers++;
    return r;
}

int files_new(daemon_loop *loop, files **ret)
{
    files *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    int r = daemon_waker_new(loop, on_wake, self, &self->waker);
    for (size_t i = 0; r == 0 && i < THREADS; i++)
        r = start_worker(self);
    if (r != 0) {
        files_free(self);
        return r;
    }
    *ret = self;
    return 0;
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
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < self->n_workers; i++) {
        pthread_join(self->workers[i].thread, NULL);
        curl_easy_cleanup(self->workers[i].curl);
    }
    free_list(self->queue);
    free_list(self->finished);
    daemon_waker_free(self->waker);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
