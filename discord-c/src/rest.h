/* rest.h - the inside of discord_rest, shared by rest.c (the loop), exchange.c (libcurl's
 * handles) and request.c (copying and checking what is asked). */
#ifndef DISCORD_SRC_REST_H
#define DISCORD_SRC_REST_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "buckets.h"
#include "discord/rest.h"
#include "result.h"

/* One request on its way. */
typedef struct drest_job {
    dbk_entry entry; /* first: see drest_job_of() */
    struct drest_job *next_inbox;
    struct drest_job *next_active;
    struct discord_rest *rest;
    char method[8];
    char *route; /* with the method: the scheduler's name */
    char *major;
    char *url;
    char *json;
    char *reason; /* the whole header line */
    discord_file *files;
    size_t n_files;
    unsigned flags;
    uint32_t deadline_ms;
    bool repeatable;
    bool gone_is_success;
    discord_done_fn *on_done;
    void *user;

    int64_t queued_at;
    unsigned attempts;
    unsigned failures;
    bool maybe_applied;
    bool too_large;
    dbk_facts facts;
    discord_error last_error;
    dresult *result;
    CURL *easy;
    struct curl_slist *headers;
    curl_mime *mime;
} drest_job;

struct discord_rest {
    discord_rest_options options; /* its texts are below */
    char *api_url;
    char *user_agent;
    char *authorization;
    bool loopback;
    CURLM *multi;
    CURL *idle[8];
    unsigned n_idle;
    drest_job *active;
    dbk *buckets;
    int epoll_fd;
    int wake_fd;
    int64_t curl_due; /* when libcurl wants to run without a socket */
    bool hosted;      /* driven by discord_rest_process() */
    bool busy;        /* in it */
    pthread_t thread; /* else */

    pthread_mutex_t lock;
    drest_job *inbox;
    drest_job **inbox_tail;
    uint32_t n_queued;
    bool refused; /* written by the thread only */
    bool stop;
};

static inline drest_job *drest_job_of(dbk_entry *entry)
{
    return (drest_job *)(void *)entry;
}

/* Milliseconds, monotonic. */
int64_t drest_now(void);

/* Sends the job; false without memory, what was begun then waits for dexchange_end(). */
bool dexchange_begin(discord_rest *rest, drest_job *job);
/* Gives back what the job holds of libcurl; its handle must not be in the multi any more. */
void dexchange_end(discord_rest *rest, drest_job *job);

/* Checks and copies; *ret is owned. OK, EINVAL or ENOMEM. */
discord_status drest_job_new(discord_rest *rest, const discord_request *request,
                             discord_done_fn *on_done, void *user, drest_job **ret);
void drest_job_free(drest_job *job);
/* Takes the job, also on failure. OK, EBUSY, EAUTH or ECLOSED. */
discord_status drest_submit(discord_rest *rest, drest_job *job);

#endif
