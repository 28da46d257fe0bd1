/* request.c - checking and copying what is asked of REST.
 * Any thread; touches only the unchanging parts of the discord_rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest.h"
#include "utf8.h"

#define REASON_MAX 512
#define FILES_MAX  10

static bool is_method(const char *method)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

    for (size_t i = 0; method && i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i], method) == 0)
            return true;
    return false;
}

static bool is_path(const char *path)
{
    if (!path || *path != '/')
        return false;
    for (; *path; path++)
        if (*path <= ' ' || *path > '~' || *path == '#' || *path == '\\')
            return false;
    return true;
}

static bool is_valid(const discord_request *r)
{
    return is_method(r->method) && is_path(r->path) && r->route && *r->route == '/' &&
           (r->n_files == 0 || (r->files && r->n_files <= FILES_MAX)) &&
           (!r->major || strlen(r->major) < 100) && strlen(r->route) < 150;
}

/* "X-Audit-Log-Reason: " and the text percent-encoded, cut at 512 code points. */
static char *reason_header(const char *reason)
{
    static const char name[] = "X-Audit-Log-Reason: ";
    size_t size;
    char *clean = dutf8_clean(reason, strlen(reason), &size);
    char *line = clean ? malloc(sizeof name + size * 3) : NULL;
    char *to = line;
    unsigned n = 0;

    if (!line) {
        free(clean);
        return NULL;
    }
    to += sprintf(to, "%s", name);
    for (const char *at = clean, *end = clean + size; at < end && n < REASON_MAX; n++) {
        const char *from = at;
        dutf8_next(&at, end);
        for (; from < at; from++) {
            unsigned char c = (unsigned char)*from;
            bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                         (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
            to += plain ? sprintf(to, "%c", c) : sprintf(to, "%%%02X", c);
        }
    }
    *to = '\0';
    free(clean);
    return line;
}

static char *join(const char *a, const char *between, const char *b)
{
    size_t n = strlen(a) + strlen(between) + strlen(b) + 1;
    char *text = malloc(n);

    if (text)
        snprintf(text, n, "%s%s%s", a, between, b);
    return text;
}

/* A name that cannot break out of its header. */
static char *copy_filename(const char *name)
{
    size_t size;
    char *copy = dutf8_clean(name ? name : "file", strlen(name ? name : "file"), &size);

    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F || *c == '"' || *c == '/' || *c == '\\')
            *c = '_';
    return copy;
}

static char *copy_type(const char *type)
{
    const char *plain = "application/octet-stream";

    for (const char *c = type; c && *c; c++)
        if (*c < ' ' || *c > '~')
            type = NULL;
    return strdup(type && *type ? type : plain);
}

static bool copy_files(drest_job *job, const discord_request *request)
{
    if (request->n_files == 0)
        return true;
    job->files = calloc(request->n_files, sizeof *job->files);
    if (!job->files)
        return false;
    job->n_files = request->n_files;
    for (size_t i = 0; i < job->n_files; i++) {
        const discord_file *from = &request->files[i];
        discord_file *to = &job->files[i];
        void *data = malloc(from->size ? from->size : 1);
        if (data && from->size)
            memcpy(data, from->data, from->size);
        to->data = data;
        to->size = from->size;
        to->filename = copy_filename(from->filename);
        to->content_type = copy_type(from->content_type);
        if (!to->data || !to->filename || !to->content_type)
            return false;
    }
    return true;
}

static bool fill(drest_job *job, const discord_request *r)
{
    strcpy(job->method, r->method);
    job->route = join(r->method, " ", r->route);
    job->major = strdup(r->major ? r->major : "");
    job->url = join(job->rest->api_url, "", r->path);
    job->json = r->json ? strdup(r->json) : NULL;
    job->reason = r->reason && *r->reason ? reason_header(r->reason) : NULL;
    job->flags = r->flags;
    job->deadline_ms = r->deadline_ms;
    job->repeatable = strcmp(r->method, "POST") != 0 || (r->flags & DISCORD_REPEATABLE);
    job->result = dresult_new();
    return job->route && job->major && job->url && job->result && (job->json || !r->json) &&
           (job->reason || !r->reason || !*r->reason) && copy_files(job, r);
}

discord_status drest_job_new(discord_rest *rest, const discord_request *request,
                             discord_done_fn *on_done, void *user, drest_job **ret)
{
    drest_job *job;

    if (!is_valid(request))
        return DISCORD_EINVAL;
    job = calloc(1, sizeof *job);
    if (!job)
        return DISCORD_ENOMEM;
    job->rest = rest;
    job->on_done = on_done;
    job->user = user;
    if (!fill(job, request)) {
        drest_job_free(job);
        return DISCORD_ENOMEM;
    }
    *ret = job;
    return DISCORD_OK;
}

static void free_const(const void *p)
{
    free((void *)(uintptr_t)p);
}

void drest_job_free(drest_job *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < job->n_files; i++) {
        free_const(job->files[i].data);
        free_const(job->files[i].filename);
        free_const(job->files[i].content_type);
    }
    free(job->files);
    free(job->route);
    free(job->major);
    free(job->url);
    free(job->json);
    free(job->reason);
    if (job->result)
        discord_result_unref(&job->result->public);
    free(job);
}
