/* rest.c - requests on a libcurl thread.
 * Owns one multi handle, the scheduler and every request from discord_rest_send() to its
 * callback. Everything except the fields under `lock` belongs to the thread.
 * Invariants: each accepted request ends with exactly one callback; the scheduler decides
 * when a request leaves, the table in retry_of() whether it leaves again. */
#include "rest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "answer.h"
#include "error.h"
#include "json.h"
#include "result.h"

#define FAILED_ATTEMPTS 4 /* of 5xx, timeouts and broken connections; 429 does not count */
#define BACKOFF_BASE_MS 250
#define BACKOFF_CAP_MS  8000
#define IDLE_HANDLES    8
#define MAX_WAIT_MS     60000

static int64_t now_ms(void)
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

/* -- one exchange -- */

static size_t on_header(char *line, size_t one, size_t n, void *user)
{
    drest_job *job = user;

    danswer_header(&job->facts, line, n);
    return n;
}

static size_t on_body(char *data, size_t one, size_t n, void *user)
{
    drest_job *job = user;

    return dresult_append(job->result, data, n, job->rest->options.max_body) ? n : 0;
}

static void give_handle(discord_rest *rest, drest_job *job)
{
    if (!job->easy)
        return;
    curl_easy_reset(job->easy);
    if (rest->n_idle < IDLE_HANDLES)
        rest->idle[rest->n_idle++] = job->easy;
    else
        curl_easy_cleanup(job->easy);
    job->easy = NULL;
    curl_slist_free_all(job->headers);
    job->headers = NULL;
    curl_mime_free(job->mime);
    job->mime = NULL;
}

static bool add_header(drest_job *job, const char *line)
{
    struct curl_slist *list = curl_slist_append(job->headers, line);

    if (list)
        job->headers = list;
    return list != NULL;
}

static bool add_headers(discord_rest *rest, drest_job *job)
{
    bool ok = add_header(job, "Expect:") && add_header(job, "Accept: application/json");

    if (!(job->flags & DISCORD_NO_AUTH))
        ok = ok && add_header(job, rest->authorization);
    if (job->reason)
        ok = ok && add_header(job, job->reason);
    if (!job->n_files)
        ok = ok && add_header(job, job->json ? "Content-Type: application/json" : "Content-Type:");
    return ok;
}

static bool add_part(drest_job *job, const char *name, const char *type, const char *filename,
                     const void *data, size_t size)
{
    curl_mimepart *part = curl_mime_addpart(job->mime);

    return part && curl_mime_name(part, name) == CURLE_OK &&
           curl_mime_type(part, type) == CURLE_OK &&
           (!filename || curl_mime_filename(part, filename) == CURLE_OK) &&
           curl_mime_data(part, data, size) == CURLE_OK;
}

static bool add_mime(drest_job *job)
{
    bool ok = (job->mime = curl_mime_init(job->easy)) != NULL;

    for (size_t i = 0; ok && i < job->n_files; i++) {
        char name[32];
        const discord_file *f = &job->files[i];
        snprintf(name, sizeof name, "files[%zu]", i);
        ok = add_part(job, name, f->content_type, f->filename, f->data, f->size);
    }
    if (ok && job->json)
        ok = add_part(job, "payload_json", "application/json", NULL, job->json, strlen(job->json));
    return ok && curl_easy_setopt(job->easy, CURLOPT_MIMEPOST, job->mime) == CURLE_OK;
}

static bool set_method(drest_job *job)
{
    bool body = job->json || strcmp(job->method, "POST") == 0 || strcmp(job->method, "PUT") == 0 ||
                strcmp(job->method, "PATCH") == 0;
    CURL *easy = job->easy;
    bool ok = true;

    if (job->n_files)
        ok = add_mime(job);
    else if (body)
        ok = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, job->json ? job->json : "") == CURLE_OK;
    else
        ok = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    return ok && curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, job->method) == CURLE_OK;
}

static bool set_options(discord_rest *rest, drest_job *job)
{
    CURL *easy = job->easy;
    const discord_rest_options *o = &rest->options;
    int64_t left = job->entry.deadline - now_ms();
    long timeout_ms = left < 1                       ? 1
                      : left < o->attempt_timeout_ms ? (long)left
                                                     : (long)o->attempt_timeout_ms;
    CURLcode r = CURLE_OK;

#define SET(option, value) (r = r != CURLE_OK ? r : curl_easy_setopt(easy, option, value))
    SET(CURLOPT_URL, job->url);
    SET(CURLOPT_PRIVATE, (void *)job);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, timeout_ms);
    SET(CURLOPT_USERAGENT, rest->user_agent);
    SET(CURLOPT_ACCEPT_ENCODING, "");
    SET(CURLOPT_HTTPHEADER, job->headers);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, (void *)job);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, (void *)job);
    if (rest->loopback)
        SET(CURLOPT_NOPROXY, "*");
    /* libcurl sends a request again by itself when a kept connection turns out dead. */
    if (!job->repeatable) {
        SET(CURLOPT_FRESH_CONNECT, 1L);
        SET(CURLOPT_FORBID_REUSE, 1L);
    }
#undef SET
    return r == CURLE_OK;
}

static void finish(discord_rest *rest, drest_job *job, const discord_error *error);

static void launch(discord_rest *rest, drest_job *job)
{
    discord_error error;

    job->easy = rest->n_idle ? rest->idle[--rest->n_idle] : curl_easy_init();
    danswer_init(&job->facts);
    dresult_clear(job->result);
    bool ok = job->easy && add_headers(rest, job) && set_method(job) && set_options(rest, job) &&
              curl_multi_add_handle(rest->multi, job->easy) == CURLM_OK;
    if (ok) {
        job->next_active = rest->active;
        rest->active = job;
        job->attempts++;
        return;
    }
    give_handle(rest, job);
    derror_set(&error, DISCORD_ENOMEM, "out of memory for a request");
    dbk_answer(rest->buckets, &job->entry, NULL, now_ms());
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
    result->elapsed_ms = now_ms() - job->queued_at;
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
    int64_t now = now_ms();
    int64_t again_at;
    discord_error error;

    judge(job, code, &error);
    curl_multi_remove_handle(rest->multi, job->easy);
    give_handle(rest, job);
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
        if (!dbk_add(rest->buckets, &job->entry, job->route, job->major, now_ms())) {
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
    while ((entry = dbk_expired(rest->buckets, now_ms(), &wait_ms)))
        expired(rest, drest_job_of(entry), wait_ms);
    while ((entry = dbk_next(rest->buckets, now_ms())))
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
        give_handle(rest, job);
        dbk_answer(rest->buckets, &job->entry, NULL, now_ms());
        dbk_done(rest->buckets, &job->entry);
        finish(rest, job, &error);
    }
    end_queued(rest, DISCORD_ECLOSED, "stopped");
}

static void *run(void *user)
{
    discord_rest *rest = user;
    int running;

    while (!take_inbox(rest)) {
        schedule(rest);
        curl_multi_perform(rest->multi, &running);
        collect(rest);
        schedule(rest);
        int64_t wait = dbk_due(rest->buckets, now_ms()) - now_ms();
        wait = wait < 0 ? 0 : wait > MAX_WAIT_MS ? MAX_WAIT_MS : wait;
        curl_multi_poll(rest->multi, NULL, 0, (int)wait, NULL);
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

static bool fill(discord_rest *rest, const discord_rest_options *o)
{
    size_t n = strlen(o->token) + sizeof "Authorization: Bot ";

    rest->options = *o;
    rest->options.token = rest->options.api_url = rest->options.user_agent = NULL;
    rest->inbox_tail = &rest->inbox;
    rest->loopback = is_loopback(o->api_url);
    rest->authorization = malloc(n);
    rest->api_url = strdup(o->api_url);
    rest->user_agent = strdup(o->user_agent);
    rest->multi = curl_multi_init();
    rest->buckets = dbk_new(random32, NULL);
    if (!rest->authorization || !rest->api_url || !rest->user_agent || !rest->multi ||
        !rest->buckets)
        return false;
    snprintf(rest->authorization, n, "Authorization: Bot %s", o->token);
    return true;
}

discord_status discord_rest_new(const discord_rest_options *options, discord_rest **ret,
                                discord_error *reterr)
{
    discord_status status = check(options, reterr);
    discord_rest *rest;

    if (status != DISCORD_OK)
        return status;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(rest = calloc(1, sizeof *rest)))
        return derror_set(reterr, DISCORD_ENOMEM, "out of memory");
    pthread_mutex_init(&rest->lock, NULL);
    if (!fill(rest, options) || pthread_create(&rest->thread, NULL, run, rest) != 0) {
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
    curl_multi_wakeup(rest->multi);
    pthread_join(rest->thread, NULL);
    release(rest);
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
        job->queued_at = now_ms();
        job->entry.deadline =
            job->queued_at + (job->deadline_ms ? job->deadline_ms : rest->options.deadline_ms);
        rest->n_queued++;
        *rest->inbox_tail = job;
        rest->inbox_tail = &job->next_inbox;
    }
    pthread_mutex_unlock(&rest->lock);
    if (status == DISCORD_OK)
        curl_multi_wakeup(rest->multi);
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

    if (pthread_equal(pthread_self(), rest->thread))
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
