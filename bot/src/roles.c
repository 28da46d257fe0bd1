/* roles.c - gives paid roles in the customers' guild, and takes them away.
 * Owns the leased jobs and what came of them. Loop thread, but for the answers of REST, which are
 * put into `answered` under its lock. Invariants: jobs are claimed only after the leases of an
 * earlier life were released; a job is in hand until it is in a report. */
#include "roles.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "payload.h"

enum {
    CLAIM_MAX = 32,
    RETRY_BASE_MS = 500,
    RETRY_CAP_MS = 30000,
    LOOK_MS = 60000, /* a claim at least this often, whatever the queue said */
    PENDING_MAX = 64,
    UNKNOWN_MEMBER = 10007,
    UNKNOWN_USER = 10013
};

typedef struct change {
    struct change *next;
    roles *owner;
    const api_role_job *job;
    const api_roles_claim_result *claimed; /* has the job */
    discord_error error;
} change;

struct roles {
    roles_options options;
    daemon_timer *look_later, *release_later;
    daemon_waker *waker;
    pthread_mutex_t lock; /* of `answered` */
    change *answered;
    daemon_counter *given, *taken, *put_off, *dead;
    daemon_gauge *waiting;
    convex_sub *queue;
    size_t in_hand;
    double next_at; /* of the newest answer of roles:queue; 0: nothing waits */
    bool begun, releasing, released, claiming, reporting, stopping;
    backoff backoff;
    const api_role_report *reports[CLAIM_MAX]; /* of finished jobs, not yet under report */
    size_t n_reports;
};

static void look(roles *self);
static void flush(roles *self);

/* ---- calls of the backend ---- */

static const convex_call_options at_commit = {.flags = CONVEX_AT_COMMIT};

static convex_str instance_of(const roles *self)
{
    return convex_str_of(self->options.instance);
}

/* Whether the call could be made. */
static bool called(const char *function, convex_status status, const convex_error *error)
{
    if (status != CONVEX_OK)
        daemon_log(DAEMON_ERROR, "cannot call the backend", "function=%s why=%s", function,
                   error->message[0] ? error->message : convex_status_text(status));
    return status == CONVEX_OK;
}

static void log_failure(const char *function, const convex_failure *failure)
{
    daemon_log(DAEMON_ERROR, "the backend refused a call", "function=%s why=%s", function,
               failure->message);
}

static void later(roles *self)
{
    daemon_timer_set(self->look_later, backoff_next_ms(&self->backoff, 0));
}

/* ---- outcomes ---- */

static void on_reported(const api_roles_report_result *value, const convex_failure *failure,
                        void *user)
{
    roles *self = user;

    self->reporting = false;
    if (failure && !failure->result) /* the client is being closed */
        return;
    /* What was refused is leased again when its lease has ended. */
    if (failure) {
        log_failure("roles:report", failure);
        later(self);
    }
    flush(self);
    look(self);
}

static void forget_reports(roles *self)
{
    while (self->n_reports > 0)
        api_role_report_unref(self->reports[--self->n_reports]);
}

static void flush(roles *self)
{
    api_role_report list[CLAIM_MAX];
    api_roles_report_args args = {.instance = instance_of(self),
                                  .results = {list, self->n_reports}};
    convex_error error = {0};

    if (self->reporting || self->n_reports == 0)
        return;
    for (size_t i = 0; i < self->n_reports; i++)
        list[i] = *self->reports[i];
    self->reporting = called("roles:report",
                             api_roles_report_mutation(self->options.client, &args, &at_commit,
                                                       on_reported, self, NULL, &error),
                             &error);
    forget_reports(self);
    if (!self->reporting) /* the leases will end */
        later(self);
}

/* Somebody who is not in the guild has no role of ours, so there is nothing to take from them. */
static bool is_absent(const discord_error *error)
{
    return error->status == DISCORD_ENOTFOUND &&
           (error->code == UNKNOWN_MEMBER || error->code == UNKNOWN_USER);
}

static void count_success(roles *self, const api_role_job *job)
{
    daemon_counter_add(job->give ? self->given : self->taken, 1);
    daemon_log(DAEMON_INFO, job->give ? "gave a role" : "took a role", "member=%s role=%s",
               job->discord_id.data, job->role_id.data);
}

static void set_failure(roles *self, api_role_outcome *outcome, const change *c)
{
    long long after_ms = 0;
    payload_verdict verdict = payload_judge(&c->error, (long)c->job->attempts, &after_ms);
    convex_str why = convex_str_of(c->error.message);
    bool dead = verdict == PAYLOAD_DEAD || verdict == PAYLOAD_GONE;

    outcome->tag = dead ? API_ROLE_OUTCOME_DEAD : API_ROLE_OUTCOME_RETRY;
    if (dead)
        outcome->as.dead.error = why;
    else
        outcome->as.retry =
            (api_role_outcome_retry){.error = why, .retry_after_ms = (double)after_ms};
    daemon_counter_add(dead ? self->dead : self->put_off, 1);
    daemon_log(dead ? DAEMON_ERROR : DAEMON_WARN, dead ? "a role is given up" : "a role is put off",
               "member=%s role=%s why=%s", c->job->discord_id.data, c->job->role_id.data,
               c->error.message);
}

/* Without memory the lease simply ends, and the job is claimed again. */
static void add_outcome(roles *self, const change *c)
{
    api_role_report report = {.job_id = c->job->job_id, .fence = c->job->fence};

    if (c->error.status == DISCORD_OK) {
        report.outcome.tag = API_ROLE_OUTCOME_DONE;
        report.outcome.as.done.gave = c->job->give;
        count_success(self, c->job);
    } else if (is_absent(&c->error)) {
        report.outcome.tag = API_ROLE_OUTCOME_ABSENT;
    } else {
        set_failure(self, &report.outcome, c);
    }
    if (self->n_reports < CLAIM_MAX &&
        api_role_report_copy(&report, NULL, &self->reports[self->n_reports], NULL) == CONVEX_OK)
        self->n_reports++;
}

/* ---- Discord ---- */

static void free_change(change *c)
{
    api_roles_claim_result_unref(c->claimed);
    free(c);
}

static void on_answer(const discord_result *result, void *user)
{
    change *c = user;
    roles *self = c->owner;

    c->error = result->error;
    pthread_mutex_lock(&self->lock);
    c->next = self->answered;
    self->answered = c;
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

static void on_wake(void *user)
{
    roles *self = user;
    change *all;

    pthread_mutex_lock(&self->lock);
    all = self->answered;
    self->answered = NULL;
    pthread_mutex_unlock(&self->lock);
    for (change *c = all, *next; c; c = next) {
        bool over = c->error.status == DISCORD_EAUTH || c->error.status == DISCORD_ECLOSED;
        next = c->next;
        self->in_hand--;
        if (!over) /* else the program ends: the next life releases the lease */
            add_outcome(self, c);
        free_change(c);
    }
    flush(self);
    look(self);
}

static void carry_out(roles *self, const api_roles_claim_result *claimed, const api_role_job *job)
{
    discord_role_change wanted = {.guild_id = job->guild_id.data,
                                  .user_id = job->discord_id.data,
                                  .role_id = job->role_id.data,
                                  .give = job->give,
                                  .reason = job->give ? "access was granted" : "access has ended"};
    change *c = calloc(1, sizeof *c);
    discord_status status;

    if (!c)
        return;
    *c = (change){.owner = self, .job = job, .claimed = api_roles_claim_result_ref(claimed)};
    status = discord_rest_set_member_role(self->options.rest, &wanted, on_answer, c);
    if (status == DISCORD_OK) {
        self->in_hand++;
        return;
    }
    c->error.status = status;
    snprintf(c->error.message, sizeof c->error.message, "%s", discord_status_text(status));
    if (status != DISCORD_EAUTH)
        add_outcome(self, c);
    free_change(c);
}

/* ---- claiming ---- */

static void on_claimed(const api_roles_claim_result *value, const convex_failure *failure,
                       void *user)
{
    roles *self = user;

    self->claiming = false;
    if (failure && !failure->result)
        return;
    if (failure) {
        log_failure("roles:claim", failure);
        return later(self);
    }
    for (size_t i = 0; i < value->jobs.count && !self->stopping; i++)
        carry_out(self, value, &value->jobs.items[i]);
    if (value->jobs.count == 0) /* due here and not yet there: clocks differ */
        return later(self);
    backoff_reset(&self->backoff);
    flush(self);
    look(self);
}

static void claim(roles *self)
{
    api_roles_claim_args args = {.instance = instance_of(self), .limit = CLAIM_MAX};
    convex_error error = {0};

    if (self->claiming || self->in_hand > 0 || self->n_reports > 0)
        return; /* the next claim follows this batch */
    self->claiming = called("roles:claim",
                            api_roles_claim_mutation(self->options.client, &args, &at_commit,
                                                     on_claimed, self, NULL, &error),
                            &error);
    if (!self->claiming)
        later(self);
}

/* Acts on the newest answer of roles:queue: now, or when the first job is due. */
static void look(roles *self)
{
    int64_t wait = LOOK_MS;

    if (!self->begun || !self->released || self->stopping || self->options.dry_run)
        return;
    if (self->next_at > 0 && (int64_t)self->next_at - daemon_wall_ms() < wait)
        wait = (int64_t)self->next_at - daemon_wall_ms();
    if (wait <= 0)
        return claim(self);
    daemon_timer_set(self->look_later, wait);
}

static void on_look_due(void *user)
{
    roles *self = user;

    if (self->begun && self->released && !self->stopping && !self->options.dry_run)
        claim(self);
}

/* ---- the queue ---- */

static void on_pending(const api_roles_pending_result *value, const convex_failure *failure,
                       void *user)
{
    if (failure && failure->result)
        log_failure("roles:pending", failure);
    for (size_t i = 0; !failure && i < value->count; i++) {
        const api_role_job *job = &value->items[i];
        daemon_log(DAEMON_INFO, job->give ? "would give a role" : "would take a role",
                   "guild=%s member=%s role=%s", job->guild_id.data, job->discord_id.data,
                   job->role_id.data);
    }
}

static void on_queue(const api_roles_queue_result *value, const convex_failure *failure, void *user)
{
    static const api_roles_pending_args pending = {.limit = PENDING_MAX};
    roles *self = user;

    if (failure) {
        daemon_log(DAEMON_ERROR, "the backend does not say which roles to give", "why=%s",
                   failure->message);
        return;
    }
    self->next_at = value->next_at ? *value->next_at : 0;
    daemon_gauge_set(self->waiting, self->next_at > 0);
    if (self->options.dry_run && self->next_at > 0)
        api_roles_pending_query(self->options.client, &pending, NULL, on_pending, self, NULL, NULL);
    look(self);
}

/* ---- start ---- */

static void release(roles *self);

static void on_released(const api_roles_release_result *value, const convex_failure *failure,
                        void *user)
{
    roles *self = user;

    self->releasing = false;
    if (failure && !failure->result)
        return;
    if (failure) {
        log_failure("roles:release", failure);
        return daemon_timer_set(self->release_later, backoff_next_ms(&self->backoff, 0));
    }
    self->released = true;
    backoff_reset(&self->backoff);
    look(self);
}

static void release(roles *self)
{
    api_roles_release_args args = {.instance = instance_of(self)};
    convex_error error = {0};

    self->releasing = called("roles:release",
                             api_roles_release_mutation(self->options.client, &args, &at_commit,
                                                        on_released, self, NULL, &error),
                             &error);
    if (!self->releasing)
        daemon_timer_set(self->release_later, backoff_next_ms(&self->backoff, 0));
}

static void on_release_due(void *user)
{
    release(user);
}

static void open_metrics(roles *self)
{
    daemon_metrics *m = self->options.metrics;

    self->given = daemon_counter_new(m, "roles_given_total", NULL, "roles given");
    self->taken = daemon_counter_new(m, "roles_taken_total", NULL, "roles taken away");
    self->put_off = daemon_counter_new(m, "roles_retries_total", NULL, "role changes put off");
    self->dead = daemon_counter_new(m, "roles_dead_total", NULL, "role changes given up");
    self->waiting = daemon_gauge_new(m, "roles_waiting", NULL, "1: a role change waits");
}

int roles_open(const roles_options *options, roles **ret)
{
    roles *self = calloc(1, sizeof *self);
    int r;

    if (!self)
        return -ENOMEM;
    self->options = *options;
    self->backoff = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    pthread_mutex_init(&self->lock, NULL);
    open_metrics(self);
    r = daemon_timer_new(options->loop, on_look_due, self, &self->look_later);
    if (r == 0)
        r = daemon_timer_new(options->loop, on_release_due, self, &self->release_later);
    if (r == 0)
        r = daemon_waker_new(options->loop, on_wake, self, &self->waker);
    if (r == 0) {
        release(self); /* before the queue can bring work */
        if (api_roles_queue_subscribe(options->client, on_queue, NULL, self, &self->queue, NULL) !=
            CONVEX_OK)
            r = -ENOMEM;
    }
    if (r == 0)
        *ret = self;
    else
        roles_close(self);
    return r;
}

void roles_begin(roles *self)
{
    self->begun = true;
    look(self);
}

void roles_stop(roles *self)
{
    self->stopping = true;
    daemon_timer_clear(self->look_later);
}

bool roles_is_idle(const roles *self)
{
    return self->in_hand == 0 && !self->reporting && self->n_reports == 0;
}

void roles_close(roles *self)
{
    if (!self)
        return;
    convex_sub_unref(self->queue);
    for (change *c = self->answered, *next; c; c = next) {
        next = c->next;
        free_change(c);
    }
    forget_reports(self);
    daemon_timer_free(self->look_later);
    daemon_timer_free(self->release_later);
    daemon_waker_free(self->waker);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
