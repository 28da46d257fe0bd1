/* job.h - one unit of work carried out against Discord.
 *
 * Loop thread only. A job runs its calls one after the other: fetch the attachments, get the
 * channel's webhook where posts are made through one, look for a post that may be there already,
 * create, edit or delete each part. It ends in one outcome for mirrors:report. Posting twice is
 * harmless while Discord remembers the nonce; after that, and with a webhook always, a job first
 * looks for what is its own (posts.h) and adopts it, whatever it says. */
#ifndef BOT_JOB_H
#define BOT_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "api.h"
#include "daemon/loop.h"
#include "discord/rest.h"
#include "files.h"
#include "inbox.h"
#include "posts.h"
#include "webhooks.h"

typedef struct job job;           /* opaque, one owner */
typedef struct job_desk job_desk; /* opaque: what the jobs of one bot share */

typedef enum job_outcome {
    JOB_POSTED,
    JOB_DELETED,
    JOB_RETRY,
    JOB_DEAD,
    JOB_GONE, /* our post is not there any more */
    JOB_STOP,
    JOB_UNTRIED /* given back before it ran; no job ends so by itself */
} job_outcome;

/* Called once, on the loop thread; the job may be freed in it. */
typedef void job_done_fn(job *job, job_outcome outcome, void *user);

typedef struct job_desk_options {
    daemon_loop *loop;  /* all borrowed for the desk's life */
    discord_rest *rest; /* freed before the desk */
    inbox *inbox;       /* and this after it: no answer reaches a job that is freed */
    webhooks *webhooks;
    posts *posts;
    files *files;
    job_done_fn *done;
    void *user;
} job_desk_options;

/* Returns 0 or a negative errno. */
int job_desk_new(const job_desk_options *options, job_desk **ret);
/* After every job. NULL is fine. */
void job_desk_free(job_desk *desk);
/* Our own user id, once known: posts are recognised by it. Copied. */
void job_desk_set_user(job_desk *desk, const char *user_id);

/*   claimed  an answer of mirrors:claim, kept by ref
 *   work     one item of it
 * Returns NULL when out of memory. Begins to fetch its attachments. */
job *job_new(job_desk *desk, const api_mirrors_claim_result *claimed, const api_work *work);
/* Only before job_run(), after done, or when the rest object is gone. NULL is fine. */
void job_free(job *job);
void job_run(job *job);

const api_work *job_work(const job *job);
/* The same row was leased to us again while the job was waiting or running. */
void job_set_fence(job *job, double fence);

/* The outcome as mirrors:report takes it; its texts are borrowed from the job. After done; or
 * JOB_UNTRIED for a job that was not run: due again at once. */
api_report job_report(const job *job, job_outcome outcome);
/* One line for the log; "" on success. */
const char *job_error(const job *job);
/* Does it wait for a person: a permission, a channel, a webhook? */
bool job_is_closed(const job *job);
int64_t job_age_ms(const job *job); /* since it was claimed */
bool job_was_posted_now(const job *job, double *ret_source_to_posted_ms);

#endif
