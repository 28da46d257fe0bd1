/* files.c - keeps copies of the files that signals name.
 * Owns the copying threads and what they have in hand. The hand-over lists are shared under `lock`;
 * all else is the loop thread's.
 * Invariants: no more is claimed than there are idle threads; each claimed file is reported once;
 * while anything waits, a claim is under way, every thread is busy, or `wake` is set. */
#include "files.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "file_copy.h"

enum { THREADS = 4, RETRY_MS = 1000 };

/* A claimed file on its way through a thread. */
typedef struct task {
    struct task *next;
    files *owner;
    const api_attachments_claim_result *claimed; /* has the work; counted */
    const api_file_work *work;
    file_copied copied;
} task;

typedef struct worker {
    files *owner;
    pthread_t thread;
    file_copier *copier;
} worker;

struct files {
    files_options options;
    file_desk desk;
    worker workers[THREADS];
    size_t n_workers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    task *waiting, *done; /* under lock, oldest first */
    daemon_waker *waker;
    daemon_timer *wake;
    convex_sub *queue;
    size_t in_hand; /* claimed and not reported yet */
    double next_at; /* as the queue says; below 0: nothing waits */
    bool released;  /* the leases of an earlier life are given up */
    bool asking;    /* a release or claim is under way */
    bool stopped;
    daemon_counter *stored, *refused, *failed, *retried;
    daemon_gauge *under_way;
};

static void kick(files *self);

/* ---- the threads ---- */

static void append(task **list, task *t)
{
    while (*list)
        list = &(*list)->next;
    t->next = NULL;
    *list = t;
}

static task *take_first(task **list)
{
    task *t = *list;
    if (t)
        *list = t->next;
    return t;
}

static void *run(void *user)
{
    worker *w = user;
    files *self = w->owner;
    pthread_mutex_lock(&self->lock);
    while (!atomic_load(&self->desk.stop)) {
        task *t = take_first(&self->waiting);
        if (!t) {
            pthread_cond_wait(&self->changed, &self->lock);
            continue;
        }
        pthread_mutex_unlock(&self->lock);
        file_copy(w->copier, t->work, &t->copied);
        pthread_mutex_lock(&self->lock);
        append(&self->done, t);
        daemon_waker_wake(self->waker);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* ---- reports ---- */

static void task_free(task *t)
{
    t->owner->in_hand--;
    daemon_gauge_set(t->owner->under_way, (int64_t)t->owner->in_hand);
    api_attachments_claim_result_unref(t->claimed);
    free(t);
}

static void on_reported(const api_attachments_report_result *result, const convex_failure *failure,
                        void *user)
{
    task *t = user;
    files *self = t->owner;
    if (failure && !self->stopped) /* its lease ends by itself, and it is tried again */
        daemon_log(DAEMON_ERROR, "the backend does not take what became of a file",
                   "message=%s file=%s why=%s", t->work->message_id.data,
                   t->work->attachment_id.data, failure->message);
    else if (!failure && result->accepted.count > 0 && !result->accepted.items[0])
        daemon_log(DAEMON_INFO, "a file is not wanted any more", "message=%s file=%s",
                   t->work->message_id.data, t->work->attachment_id.data);
    task_free(t);
    kick(self);
}

static void note(files *self, const task *t)
{
    static const struct {
        daemon_level level;
        const char *text;
    } lines[] = {
        [API_FILE_OUTCOME_STORED] = {DAEMON_DEBUG, "a file is stored"},
        [API_FILE_OUTCOME_REFUSED] = {DAEMON_INFO, "a file is refused"},
        [API_FILE_OUTCOME_FAILED] = {DAEMON_WARN, "a file cannot be got"},
        [API_FILE_OUTCOME_RETRY] = {DAEMON_WARN, "a file is put off"},
    };
    api_file_outcome_tag tag = t->copied.outcome.tag;
    daemon_counter_add(tag == API_FILE_OUTCOME_STORED    ? self->stored
                       : tag == API_FILE_OUTCOME_REFUSED ? self->refused
                       : tag == API_FILE_OUTCOME_FAILED  ? self->failed
                                                         : self->retried,
                       1);
    daemon_log(lines[tag].level, lines[tag].text, "message=%s file=%s why=%s",
               t->work->message_id.data, t->work->attachment_id.data, t->copied.text);
}

static void report(files *self, task *t)
{
    api_file_report one = {
        .job_id = t->work->job_id, .fence = t->work->fence, .outcome = t->copied.outcome};
    api_attachments_report_args args = {.instance = convex_str_of(self->options.instance),
                                        .results = {&one, 1}};
    note(self, t);
    convex_error error = {0};
    if (api_attachments_report_mutation(self->options.client, &args, NULL, on_reported, t, NULL,
                                        &error) == CONVEX_OK)
        return;
    daemon_log(DAEMON_ERROR, "cannot report what became of a file", "why=%s", error.message);
    task_free(t);
}

static void on_wake(void *user)
{
    files *self = user;
    for (;;) {
        pthread_mutex_lock(&self->lock);
        task *t = take_first(&self->done);
        pthread_mutex_unlock(&self->lock);
        if (!t)
            return;
        report(self, t);
    }
}

/* ---- claims ---- */

static void hand_over(files *self, const api_attachments_claim_result *claimed,
                      const api_file_work *work)
{
    task *t = calloc(1, sizeof *t);
    if (!t) { /* its lease ends by itself */
        daemon_log(DAEMON_ERROR, "no memory for a file", "file=%s", work->attachment_id.data);
        return;
    }
    t->owner = self;
    t->claimed = api_attachments_claim_result_ref(claimed);
    t->work = work;
    self->in_hand++;
    pthread_mutex_lock(&self->lock);
    append(&self->waiting, t);
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* An empty answer means that our clock is ahead of the backend's. */
static void on_claimed(const api_attachments_claim_result *result, const convex_failure *failure,
                       void *user)
{
    files *self = user;
    self->asking = false;
    if (self->stopped)
        return;
    if (failure)
        daemon_log(DAEMON_WARN, "cannot claim files to copy", "why=%s", failure->message);
    if (failure || result->work.count == 0)
        return daemon_timer_set(self->wake, RETRY_MS);
    for (size_t i = 0; i < result->work.count; i++)
        hand_over(self, result, &result->work.items[i]);
    daemon_gauge_set(self->under_way, (int64_t)self->in_hand);
    kick(self);
}

static void on_released(const api_attachments_release_result *result, const convex_failure *failure,
                        void *user)
{
    files *self = user;
    self->asking = false;
    if (self->stopped)
        return;
    if (failure) {
        daemon_log(DAEMON_WARN, "cannot give up the files of an earlier life", "why=%s",
                   failure->message);
        return daemon_timer_set(self->wake, RETRY_MS);
    }
    self->released = true;
    kick(self);
}

static convex_status ask(files *self)
{
    convex_str instance = convex_str_of(self->options.instance);
    if (!self->released) {
        api_attachments_release_args args = {.instance = instance};
        return api_attachments_release_mutation(self->options.client, &args, NULL, on_released,
                                                self, NULL, NULL);
    }
    api_attachments_claim_args args = {.instance = instance,
                                       .limit = (double)(THREADS - self->in_hand)};
    return api_attachments_claim_mutation(self->options.client, &args, NULL, on_claimed, self, NULL,
                                          NULL);
}

static void kick(files *self)
{
    double wait = self->next_at - (double)daemon_wall_ms();
    if (self->stopped || self->asking || self->next_at < 0 || self->in_hand >= THREADS)
        return;
    if (self->released && wait > 0)
        return daemon_timer_set(self->wake, (int64_t)wait + 1);
    self->asking = ask(self) == CONVEX_OK;
    if (!self->asking)
        daemon_timer_set(self->wake, RETRY_MS);
}

static void on_timer(void *user)
{
    kick(user);
}

static void on_queue(const api_attachments_queue_result *queue, const convex_failure *failure,
                     void *user)
{
    files *self = user;
    if (failure) {
        daemon_log(DAEMON_ERROR, "the backend does not say which files to copy", "why=%s",
                   failure->message);
        return;
    }
    self->next_at = queue->next_at ? *queue->next_at : -1;
    kick(self);
}

/* ---- lifetime ---- */

static int open_threads(files *self)
{
    int r = 0;
    while (r == 0 && self->n_workers < THREADS) {
        worker *w = &self->workers[self->n_workers];
        w->owner = self;
        w->copier = file_copier_new(&self->desk);
        r = w->copier ? -pthread_create(&w->thread, NULL, run, w) : -ENOMEM;
        if (r == 0)
            self->n_workers++;
        else
            file_copier_free(w->copier);
    }
    return r;
}

static int open_http(files *self)
{
    convex_error error = {0};
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
    options.url = self->options.convex_url;
    convex_status status = convex_http_new(&options, &self->desk.http, &error);
    if (status == CONVEX_OK)
        return 0;
    daemon_log(DAEMON_ERROR, "files cannot be uploaded", "why=%s", error.message);
    return status == CONVEX_ENOMEM ? -ENOMEM : -EINVAL;
}

static void open_metrics(files *self)
{
    daemon_metrics *m = self->options.metrics;
    self->stored = daemon_counter_new(m, "files_stored_total", NULL, "files copied");
    self->refused =
        daemon_counter_new(m, "files_refused_total", NULL, "files of a type or size not kept");
    self->failed = daemon_counter_new(m, "files_failed_total", NULL, "files that are gone");
    self->retried = daemon_counter_new(m, "files_retried_total", NULL, "files put off");
    self->under_way = daemon_gauge_new(m, "files_under_way", NULL, "files being copied");
}

int files_new(const files_options *options, files **ret)
{
    files *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    self->next_at = -1;
    self->desk.directory = options->directory;
    self->desk.extra_origin = options->extra_origin;
    self->desk.max_bytes = options->max_bytes;
    self->desk.rest = options->rest;
    atomic_init(&self->desk.stop, false);
    pthread_mutex_init(&self->desk.lock, NULL);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    open_metrics(self);
    int r = daemon_waker_new(options->loop, on_wake, self, &self->waker);
    if (r == 0)
        r = daemon_timer_new(options->loop, on_timer, self, &self->wake);
    if (r == 0)
        r = open_http(self);
    if (r == 0)
        r = open_threads(self);
    if (r == 0 && api_attachments_queue_subscribe(options->client, on_queue, NULL, self,
                                                  &self->queue, NULL) != CONVEX_OK)
        r = -ENOMEM;
    if (r != 0) {
        files_stop(self);
        files_free(self);
        return r;
    }
    *ret = self;
    return 0;
}

void files_stop(files *self)
{
    if (!self)
        return;
    self->stopped = true;
    convex_sub_unref(self->queue);
    self->queue = NULL;
    pthread_mutex_lock(&self->desk.lock);
    self->desk.rest = NULL;
    pthread_mutex_unlock(&self->desk.lock);
    pthread_mutex_lock(&self->lock);
    atomic_store(&self->desk.stop, true);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void free_list(task **list)
{
    task *t;
    while ((t = take_first(list)))
        task_free(t);
}

void files_free(files *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->n_workers; i++) {
        pthread_join(self->workers[i].thread, NULL);
        file_copier_free(self->workers[i].copier);
    }
    free_list(&self->waiting);
    free_list(&self->done);
    convex_http_free(self->desk.http);
    daemon_timer_free(self->wake);
    daemon_waker_free(self->waker);
    pthread_mutex_destroy(&self->desk.lock);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
