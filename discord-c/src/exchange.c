/* exchange.c - one HTTP exchange of a request: a libcurl handle set up and given back.
 * Owns what a job holds of libcurl while it is on its way. The REST object's loop only.
 * Invariant: a request that must not be sent twice gets a connection of its own, for libcurl
 * sends again by itself when a kept one turns out dead. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "rest.h"

#define IDLE_HANDLES (sizeof((struct discord_rest *)0)->idle / sizeof(CURL *))

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

void dexchange_end(discord_rest *rest, drest_job *job)
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
    int64_t left = job->entry.deadline - drest_now();
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

bool dexchange_begin(discord_rest *rest, drest_job *job)
{
    job->easy = rest->n_idle ? rest->idle[--rest->n_idle] : curl_easy_init();
    danswer_init(&job->facts);
    dresult_clear(job->result);
    return job->easy && add_headers(rest, job) && set_method(job) && set_options(rest, job) &&
           curl_multi_add_handle(rest->multi, job->easy) == CURLM_OK;
}
