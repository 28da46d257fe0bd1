/* http_engine.c - the shared multi handle: kept connections, and one CA store, for all threads.
 *
 * Owns the multi handle and a few idle easy handles. Any thread may run a transfer: the
 * first to come drives the multi handle for all, the others sleep until theirs is done
 * or until the driver, done itself, leaves the wheel to one of them.
 * Invariants: only the driving thread touches `multi` and `active`; a transfer is in
 * `waiting`, in `active` or done; no lock is held while libcurl or a callback runs. */
#include "http_engine.h"

#include <time.h>

enum { POLL_MAX_MS = 60 * 1000, WATCH_MS = 1000 };

int64_t cvx_http_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1;
}

bool cvx_http_engine_init(cvx_http_engine *e)
{
    *e = (cvx_http_engine){.multi = curl_multi_init()};
    if (e->multi == NULL)
        return false;
    pthread_mutex_init(&e->lock, NULL);
    return true;
}

void cvx_http_engine_done(cvx_http_engine *e)
{
    if (e->multi == NULL)
        return;
    while (e->idle_count > 0)
        curl_easy_cleanup(e->idle[--e->idle_count]);
    curl_multi_cleanup(e->multi);
    pthread_mutex_destroy(&e->lock);
    e->multi = NULL;
}

CURL *cvx_http_engine_take(cvx_http_engine *e)
{
    CURL *easy = NULL;
    pthread_mutex_lock(&e->lock);
    if (e->idle_count > 0)
        easy = e->idle[--e->idle_count];
    pthread_mutex_unlock(&e->lock);
    return easy;
}

void cvx_http_engine_give(cvx_http_engine *e, CURL *easy)
{
    pthread_mutex_lock(&e->lock);
    if (e->idle_count < CVX_HTTP_IDLE_MAX) {
        e->idle[e->idle_count++] = easy;
        easy = NULL;
    }
    pthread_mutex_unlock(&e->lock);
    curl_easy_cleanup(easy);
}

/* ---- driving ---- */

static void settle(cvx_http_engine *e, cvx_http_transfer *t, CURLcode code)
{
    for (cvx_http_transfer **at = &e->active; *at != NULL; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    curl_multi_remove_handle(e->multi, t->easy);
    pthread_mutex_lock(&e->lock);
    t->code = code;
    t->done = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&e->lock);
}

static void add_waiting(cvx_http_engine *e)
{
    pthread_mutex_lock(&e->lock);
    cvx_http_transfer *list = e->waiting;
    e->waiting = NULL;
    pthread_mutex_unlock(&e->lock);
    while (list != NULL) {
        cvx_http_transfer *t = list;
        list = t->next;
        t->next = e->active;
        e->active = t;
        curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
        if (curl_multi_add_handle(e->multi, t->easy) != CURLM_OK)
            settle(e, t, CURLE_OUT_OF_MEMORY);
    }
}

static void settle_finished(cvx_http_engine *e)
{
    int left;
    for (const CURLMsg *m; (m = curl_multi_info_read(e->multi, &left)) != NULL;) {
        cvx_http_transfer *t = NULL;
        CURLcode code = m->data.result; /* `m` is gone once the handle is removed */
        if (m->msg == CURLMSG_DONE &&
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t) == CURLE_OK)
            settle(e, t, code);
    }
}

/* Ends what has been silent for too long; returns how long to wait for the next such. */
static int settle_silent(cvx_http_engine *e)
{
    int64_t now = cvx_http_now(), wait = POLL_MAX_MS;
    for (cvx_http_transfer *t = e->active, *next; t != NULL; t = next) {
        next = t->next;
        unsigned limit = t->answered ? t->stall_ms : t->answer_ms;
        if (t->watched && wait > WATCH_MS)
            wait = WATCH_MS;
        if (limit == 0 || t->moved_at == 0)
            continue;
        int64_t left = t->moved_at + limit - now;
        if (left <= 0) {
            t->timed_out = true;
            settle(e, t, CURLE_OPERATION_TIMEDOUT);
        } else if (left < wait) {
            wait = left;
        }
    }
    return (int)wait;
}

static void drive(cvx_http_engine *e, const cvx_http_transfer *own)
{
    int running, wait = 0;
    for (;;) {
        add_waiting(e);
        bool failed = curl_multi_perform(e->multi, &running) != CURLM_OK;
        settle_finished(e);
        wait = settle_silent(e);
        if (own->done) /* set by this thread, if at all */
            return;
        failed = failed || curl_multi_poll(e->multi, NULL, 0, wait, NULL) != CURLM_OK;
        while (failed && e->active != NULL) /* for want of memory; waiting would not end */
            settle(e, e->active, CURLE_OUT_OF_MEMORY);
    }
}

void cvx_http_engine_run(cvx_http_engine *e, cvx_http_transfer *t)
{
    pthread_cond_init(&t->wake, NULL);
    pthread_mutex_lock(&e->lock);
    t->done = false;
    t->next = e->waiting;
    e->waiting = t;
    if (e->driven)
        curl_multi_wakeup(e->multi);
    while (!t->done && e->driven)
        pthread_cond_wait(&t->wake, &e->lock);
    if (!t->done) {
        e->driven = true;
        pthread_mutex_unlock(&e->lock);
        drive(e, t);
        pthread_mutex_lock(&e->lock);
        e->driven = false;
        cvx_http_transfer *heir = e->active != NULL ? e->active : e->waiting;
        if (heir != NULL)
            pthread_cond_signal(&heir->wake);
    }
    pthread_mutex_unlock(&e->lock);
    pthread_cond_destroy(&t->wake);
}
