/* rest.c - requests on libcurl, driven by a thread of its own or by a host loop.
 * Owns one multi handle, the scheduler and every request from discord_rest_send() to its
 * callback. Everything except the fields under `lock` belongs to whoever drives it.
 * One epoll fd, the same for life, holds libcurl's sockets and what wakes the loop.
 * Invariants: each accepted request ends with exactly one callback; the scheduler decides
 * when a request leaves, the table in retry_of() whether it leaves again. */
#include "rest.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "error.h"
#include "json.h"
#include "result.h"

#define FAILED_ATTEMPTS 4 /* of 5xx, timeouts and broken connections; 429 does not count */
#define BACKOFF_BASE_MS 250
#define BACKOFF_CAP_MS  8000
#define MAX_WAIT_MS     60000

int64_t drest_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint32_t random32(void *user)
{
    uint32_t value = 0;

    while (getrandom(&value, sizeof value, 0) < 0 && errno == EINTR)
        ;
    return value;
}

/* -- on the way -- */

static void finish(discord_rest *rest, drest_job *job, const discord_error *error);

static void launch(discord_rest *rest, drest_job *job)
{
    discord_error error;

    if (dexchange_begin(rest, job)) {
        job->next_active = rest->active;
        rest->active = job;
        job->attempts++;
        return;
    }
    dexchange_end(rest, job);
    derror_set(&error, DISCORD_ENOMEM, "out of memory for a request");
    dbk_answer(rest->buckets, &job->entry, NULL, drest_now());
    dbk_done(rest->buckets, &job->entry);
    finish(rest, job, &error);
}

/* -- the end of a request -- */

static void finish(discord_rest *rest, drest_job *job, const discord_error *error)
{
    discord_result *result = &job->result->public;

    pthread_mutex_lock(&rest->lock);
    rest->n_queued--;
    pthread_mutex_unlock(&rest->lock);
    result->error = *error;
    if (error->status != DISCORD_OK && job->maybe_applied)
        result->error.maybe_applied = 1;
    result->http_status = error->http_status;
    result->attempts = job->attempts;
    result->limited_ms = job->entry.limited_ms;
    result->elapsed_ms = drest_now() - job->queued_at;
    if (job->gone_is_success && error->status == DISCORD_ENOTFOUND && error->code == 10008) {
        memset(&result->error, 0, sizeof result->error);
        result->error.http_status = error->http_status;
        result->already_gone = 1;
    }
    if (job->on_done)
        job->on_done(result, job->user);
    drest_job_free(job);
}

static void end_queued(discord_rest *rest, discord_status status, const char *words)
{
    discord_error error;
    dbk_entry *entry;

    derror_set(&error, status, "%s", words);
    while ((entry = dbk_take(rest->buckets)))
        finish(rest, drest_job_of(entry), &error);
}

static void refuse(discord_rest *rest, const discord_error *error)
{
    pthread_mutex_lock(&rest->lock);
    bool first = !rest->refused;
    rest->refused = true;
    pthread_mutex_unlock(&rest->lock);
    if (!first)
        return;
    dlog(&rest->options.log, DISCORD_LOG_ERROR, "Discord refused the token: %s", error->message);
    if (rest->options.on_refused)
        rest->options.on_refused(error, rest->options.user);
}

static int64_t backoff(const drest_job *job)
{
    int64_t ceiling = (int64_t)BACKOFF_BASE_MS << (job->failures < 8 ? job->failures : 8);

    ceiling = ceiling < BACKOFF_CAP_MS ? ceiling : BACKOFF_CAP_MS;
    return ceiling * random32(NULL) / UINT32_MAX;
}

/* Whether it leaves again, and when at the earliest. */
static bool retry_of(drest_job *job, const discord_error *error, int64_t now, int64_t *ret_at)
{
    *ret_at = now;
    if (error->status == DISCORD_ERATELIMIT)
        return !job->facts.own; /* the caller collapses such edits and comes again */
    if (error->status != DISCORD_ENETWORK && error->status != DISCORD_ETIMEOUT &&
        error->status != DISCORD_ESERVER)
        return false;
    if (job->too_large || (!job->repeatable && job->maybe_applied))
        return false;
    *ret_at = now + backoff(job);
    if (*ret_at < now + error->retry_after_ms)
        *ret_at = now + error->retry_after_ms;
    return ++job->failures < FAILED_ATTEMPTS;
}

static void curl_failed(drest_job *job, CURLcode code, discord_error *ret)
{
    discord_status status = code == CURLE_OPERATION_TIMEDOUT ? DISCORD_ETIMEOUT
                            : code == CURLE_OUT_OF_MEMORY    ? DISCORD_ENOMEM
                            : code == CURLE_WRITE_ERROR      ? DISCORD_ESERVER
                                                             : DISCORD_ENETWORK;
    curl_off_t connected = 0;

    curl_easy_getinfo(job->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    derror_set(ret, status, "%s",
               code == CURLE_WRITE_ERROR ? "the answer is too large" : curl_easy_strerror(code));
    job->too_large = code == CURLE_WRITE_ERROR;
    if (connected > 0)
        job->maybe_applied = true;
}

static void judge(drest_job *job, CURLcode code, discord_error *ret)
{
    long status = 0;

    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    job->facts.status = (int)status;
    if (code != CURLE_OK) {
        curl_failed(job, code, ret);
        return;
    }
    const cJSON *json = dresult_parse(job->result);
    danswer_body(&job->facts, json, job->result->public.body_size);
    danswer_error(&job->facts, json, ret);
    if (ret->status == DISCORD_ESERVER)
        job->maybe_applied = true;
}

static void completed(discord_rest *rest, drest_job *job, CURLcode code)
{
    int64_t now = drest_now();
    int64_t again_at;
    discord_error error;

    judge(job, code, &error);
    curl_multi_remove_handle(rest->multi, job->easy);
    dexchange_end(rest, job);
    for (drest_job **at = &rest->active; *at; at = &(*at)->next_active)
        if (*at == job) {
            *at = job->next_active;
            break;
        }
    dbk_answer(rest->buckets, &job->entry, code == CURLE_OK ? &job->facts : NULL, now);
    if (error.status == DISCORD_ERATELIMIT)
        dlog(&rest->options.log, DISCORD_LOG_INFO, "limited: %s %s for %lld ms%s", job->method,
             job->route, (long long)error.retry_after_ms, job->facts.global ? ", global" : "");
    if (retry_of(job, &error, now, &again_at)) {
        job->last_error = error;
        dbk_again(rest->buckets, &job->entry, again_at, now);
        return;
    }
    dbk_done(rest->buckets, &job->entry);
    if (error.status == DISCORD_EAUTH && !(job->flags & DISCORD_NO_AUTH))
        refuse(rest, &error);
    finish(rest, job, &error);
}

/* The deadline came, or a limit ends behind it. */
static void expired(discord_rest *rest, drest_job *job, int64_t wait_ms)
{
    discord_error error = job->last_error;

    if (wait_ms > 0 || error.status == DISCORD_OK)
        derror_set(&error, wait_ms > 0 ? DISCORD_ERATELIMIT : DISCORD_ETIMEOUT,
                   wait_ms > 0 ? "the rate limit ends behind the deadline"
                               : "the deadline passed in the queue");
    if (wait_ms > 0)
        error.retry_after_ms = wait_ms;
    finish(rest, job, &error);
}

/* -- the loop -- */

static bool take_inbox(discord_rest *rest)
{
    pthread_mutex_lock(&rest->lock);
    drest_job *job = rest->inbox;
    bool stop = rest->stop;
    rest->inbox = NULL;
    rest->inbox_tail = &rest->inbox;
    pthread_mutex_unlock(&rest->lock);

    while (job) {
        drest_job *next = job->next_inbox;
        if (!dbk_add(rest->buckets, &job->entry, job->route, job->major, drest_now())) {
            discord_error error;
            derror_set(&error, DISCORD_ENOMEM, "out of memory for a request");
            finish(rest, job, &error);
        }
        job = next;
    }
    return stop;
}

static void schedule(discord_rest *rest)
{
    dbk_entry *entry;
    int64_t wait_ms;

    if (rest->refused)
        end_queued(rest, DISCORD_EAUTH, "Discord refused the token");
    while ((entry = dbk_expired(rest->buckets, drest_now(), &wait_ms)))
        expired(rest, drest_job_of(entry), wait_ms);
    while ((entry = dbk_next(rest->buckets, drest_now())))
        launch(rest, drest_job_of(entry));
}

static void collect(discord_rest *rest)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(rest->multi, &left))) {
        char *private = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        completed(rest, (drest_job *)(void *)private, message->data.result);
    }
}

static void end_all(discord_rest *rest)
{
    discord_error error;

    derror_set(&error, DISCORD_ECLOSED, "stopped");
    while (rest->active) {
        drest_job *job = rest->active;
        rest->active = job->next_active;
        job->maybe_applied = true;
        curl_multi_remove_handle(rest->multi, job->easy);
        dexchange_end(rest, job);
        dbk_answer(rest->buckets, &job->entry, NULL, drest_now());
        dbk_done(rest->buckets, &job->entry);
        finish(rest, job, &error);
    }
    end_queued(rest, DISCORD_ECLOSED, "stopped");
}

/* -- libcurl's sockets and timer -- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *unused)
{
    discord_rest *rest = user;
    struct epoll_event event = {.data.fd = fd};

    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(rest->epoll_fd, EPOLL_CTL_DEL, fd, &event);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? (unsigned)EPOLLIN : 0) |
                   (what & CURL_POLL_OUT ? (unsigned)EPOLLOUT : 0);
    if (epoll_ctl(rest->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0 ||
        epoll_ctl(rest->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return -1; /* ends every transfer, which are then tried again */
}

static int on_timer(CURLM *multi, long ms, void *user)
{
    discord_rest *rest = user;

    rest->curl_due = ms < 0 ? DBK_NEVER : drest_now() + ms;
    return 0;
}

static void drain_wakes(const discord_rest *rest)
{
    uint64_t count;

    while (read(rest->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

static void wake(const discord_rest *rest)
{
    uint64_t one = 1;

    while (write(rest->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* Gives libcurl what happened on its sockets, and the time. */
static void move(discord_rest *rest)
{
    struct epoll_event events[16];
    int n = epoll_wait(rest->epoll_fd, events, 16, 0);
    int running;

    for (int i = 0; i < n; i++) {
        unsigned is = events[i].events;
        int what = (is & EPOLLIN ? CURL_CSELECT_IN : 0) | (is & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (is & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        if (events[i].data.fd == rest->wake_fd)
            drain_wakes(rest);
        else
            curl_multi_socket_action(rest->multi, events[i].data.fd, what, &running);
    }
    if (rest->curl_due <= drest_now()) {
        rest->curl_due = DBK_NEVER;
        curl_multi_socket_action(rest->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

/* One turn, without waiting. False: it was told to stop. */
static bool turn(discord_rest *rest)
{
    move(rest); /* before the inbox is looked at: a wake that is drained is a request seen */
    if (take_inbox(rest))
        return false;
    collect(rest);
    schedule(rest);
    return true;
}

int discord_rest_timeout_ms(const discord_rest *rest)
{
    int64_t now = drest_now();
    int64_t due = dbk_due(rest->buckets, now);
    int64_t wait = (due < rest->curl_due ? due : rest->curl_due) - now;

    return wait < 0 ? 0 : wait > MAX_WAIT_MS ? MAX_WAIT_MS : (int)wait;
}

static void *run(void *user)
{
    discord_rest *rest = user;

    while (turn(rest)) {
        struct pollfd fd = {.fd = rest->epoll_fd, .events = POLLIN};
        poll(&fd, 1, discord_rest_timeout_ms(rest));
    }
    end_all(rest);
    return NULL;
}

/* -- the public face -- */

static bool is_loopback(const char *url)
{
    const char *host = strstr(url, "://") + 3;

    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

static discord_status check(const discord_rest_options *o, discord_error *reterr)
{
    if (!o->token || !*o->token || strlen(o->token) > 1024)
        return derror_set(reterr, DISCORD_EINVAL, "REST needs a token");
    for (const char *c = o->token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return derror_set(reterr, DISCORD_EINVAL, "the token has characters no token has");
    if (!o->api_url || (strncmp(o->api_url, "http://", 7) && strncmp(o->api_url, "https://", 8)))
        return derror_set(reterr, DISCORD_EINVAL, "the API URL is not http:// or https://");
    if (!o->user_agent || strpbrk(o->user_agent, "\r\n"))
        return derror_set(reterr, DISCORD_EINVAL, "REST needs a user agent");
    return DISCORD_OK;
}

static void release(discord_rest *rest)
{
    while (rest->n_idle)
        curl_easy_cleanup(rest->idle[--rest->n_idle]);
    curl_multi_cleanup(rest->multi);
    if (rest->wake_fd >= 0)
        close(rest->wake_fd);
    if (rest->epoll_fd >= 0)
        close(rest->epoll_fd);
    dbk_free(rest->buckets);
    if (rest->authorization)
        explicit_bzero(rest->authorization, strlen(rest->authorization));
    free(rest->authorization);
    free(rest->api_url);
    free(rest->user_agent);
    pthread_mutex_destroy(&rest->lock);
    free(rest);
    curl_global_cleanup();
}

/* The one fd of a host loop, under which all others are. */
static bool open_fds(discord_rest *rest)
{
    struct epoll_event event = {.events = EPOLLIN};

    rest->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    rest->wake_fd = event.data.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rest->curl_due = DBK_NEVER;
    return rest->epoll_fd >= 0 && rest->wake_fd >= 0 &&
           epoll_ctl(rest->epoll_fd, EPOLL_CTL_ADD, rest->wake_fd, &event) == 0;
}

static bool set_up_multi(discord_rest *rest)
{
    CURLM *multi = rest->multi = curl_multi_init();

    return multi && curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, rest) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, rest) == CURLM_OK;
}

static bool fill(discord_rest *rest, const discord_rest_options *o)
{
    size_t n = strlen(o->token) + sizeof "Authorization: Bot ";

    rest->options = *o;
    rest->options.token = rest->options.api_url = rest->options.user_agent = NULL;
    rest->inbox_tail = &rest->inbox;
    rest->loopback = is_loopback(o->api_url);
    rest->authorization = malloc(n);
    if (rest->authorization)
        snprintf(rest->authorization, n, "Authorization: Bot %s", o->token);
    rest->api_url = strdup(o->api_url);
    rest->user_agent = strdup(o->user_agent);
    rest->buckets = dbk_new(random32, NULL);
    bool fds = open_fds(rest); /* made or not: release() closes them */
    if (!rest->authorization || !rest->api_url || !rest->user_agent || !rest->buckets || !fds ||
        !set_up_multi(rest))
        return false;
    return true;
}

discord_status discord_rest_new(const discord_rest_options *options, discord_rest **ret,
                                discord_error *reterr)
{
    discord_status status = check(options, reterr);
    discord_rest *rest;

    if (status != DISCORD_OK)
        return status;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return derror_set(reterr, DISCORD_ENOMEM, "out of memory");
    rest = calloc(1, sizeof *rest);
    if (!rest) {
        curl_global_cleanup();
        return derror_set(reterr, DISCORD_ENOMEM, "out of memory");
    }
    pthread_mutex_init(&rest->lock, NULL);
    rest->hosted = options->host_loop != 0;
    if (!fill(rest, options) ||
        (!rest->hosted && pthread_create(&rest->thread, NULL, run, rest) != 0)) {
        release(rest);
        return derror_set(reterr, DISCORD_ENOMEM, "out of memory");
    }
    *ret = rest;
    return DISCORD_OK;
}

void discord_rest_free(discord_rest *rest)
{
    if (!rest)
        return;
    pthread_mutex_lock(&rest->lock);
    rest->stop = true;
    pthread_mutex_unlock(&rest->lock);
    if (rest->hosted) {
        take_inbox(rest);
        end_all(rest);
    } else {
        wake(rest);
        pthread_join(rest->thread, NULL);
    }
    release(rest);
}

int discord_rest_fd(const discord_rest *rest)
{
    return rest->epoll_fd;
}

discord_status discord_rest_process(discord_rest *rest)
{
    if (!rest->hosted)
        return DISCORD_EINVAL;
    if (rest->busy)
        return DISCORD_OK; /* from a callback */
    rest->busy = true;
    turn(rest);
    rest->busy = false;
    return DISCORD_OK;
}

discord_status drest_submit(discord_rest *rest, drest_job *job)
{
    discord_status status = DISCORD_OK;

    pthread_mutex_lock(&rest->lock);
    if (rest->stop)
        status = DISCORD_ECLOSED;
    else if (rest->refused)
        status = DISCORD_EAUTH;
    else if (rest->n_queued >= rest->options.max_queued)
        status = DISCORD_EBUSY;
    if (status == DISCORD_OK) {
        job->queued_at = drest_now();
        job->entry.deadline =
            job->queued_at + (job->deadline_ms ? job->deadline_ms : rest->options.deadline_ms);
        rest->n_queued++;
        *rest->inbox_tail = job;
        rest->inbox_tail = &job->next_inbox;
    }
    pthread_mutex_unlock(&rest->lock);
    if (status == DISCORD_OK)
        wake(rest);
    else
        drest_job_free(job);
    return status;
}

discord_status discord_rest_send(discord_rest *rest, const discord_request *request,
                                 discord_done_fn *on_done, void *user)
{
    drest_job *job;
    discord_status status = drest_job_new(rest, request, on_done, user, &job);

    return status == DISCORD_OK ? drest_submit(rest, job) : status;
}

discord_status discord_rest_call(discord_rest *rest, const discord_request *request,
                                 const discord_result **ret)
{
    discord_wait *wait;
    discord_status status;

    if (rest->hosted || pthread_equal(pthread_self(), rest->thread))
        return DISCORD_EINVAL;
    wait = discord_wait_new();
    if (!wait)
        return DISCORD_ENOMEM;
    status = discord_rest_send(rest, request, discord_wait_done, wait);
    if (status == DISCORD_OK) {
        *ret = discord_wait_result(wait);
        status = (*ret)->error.status;
    }
    discord_wait_free(wait);
    return status;
}
