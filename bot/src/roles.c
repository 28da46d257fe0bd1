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
    convex_value *job; /* of roles:claim */
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
    convex_builder *outcomes; /* finished and not yet under report */
};

static void look(roles *self);
static void flush(roles *self);

/* ---- calls of the backend ---- */

static convex_builder *begin_args(const roles *self)
{
    convex_builder *b = convex_builder_new(NULL);

    if (!b)
        return NULL;
    convex_builder_begin_object(b);
    convex_builder_key(b, "instance");
    convex_builder_cstring(b, self->options.instance);
    return b;
}

/* `b` is taken; NULL: out of memory. */
static bool call(roles *self, const char *path, convex_builder *b, convex_done_fn *done)
{
    convex_call_options options = {.flags = CONVEX_AT_COMMIT};
    convex_value *args = NULL;
    convex_error error = {0};
    convex_status status = CONVEX_ENOMEM;

    if (b)
        status = convex_builder_finish(b, &args, &error);
    convex_builder_free(b);
    if (status == CONVEX_OK)
        status = convex_client_mutation(self->options.client, path, args, &options, done, self,
                                        NULL, &error);
    convex_value_unref(args);
    if (status != CONVEX_OK)
        daemon_log(DAEMON_ERROR, "cannot call the backend", "function=%s why=%s", path,
                   error.message[0] ? error.message : convex_status_text(status));
    return status == CONVEX_OK;
}

/* NULL: it failed, which is logged unless the client is being closed. */
static const convex_value *returned(const char *path, convex_status status,
                                    const convex_result *result)
{
    if (status != CONVEX_OK)
        return NULL;
    if (!convex_result_success(result))
        daemon_log(DAEMON_ERROR, "the backend refused a call", "function=%s why=%s", path,
                   convex_result_error_message(result, NULL));
    return convex_result_value(result);
}

static void later(roles *self)
{
    daemon_timer_set(self->look_later, backoff_next_ms(&self->backoff, 0));
}

/* ---- outcomes ---- */

static void on_reported(convex_status status, const convex_result *result, void *user)
{
    roles *self = user;

    self->reporting = false;
    if (status != CONVEX_OK) /* the client is being closed */
        return;
    /* What was refused is leased again when its lease has ended. */
    if (!returned("roles:report", status, result))
        later(self);
    flush(self);
    look(self);
}

static void flush(roles *self)
{
    convex_builder *b = self->outcomes;

    if (self->reporting || !b)
        return;
    self->outcomes = NULL;
    convex_builder_end(b);
    convex_builder_end(b);
    self->reporting = call(self, "roles:report", b, on_reported);
    if (!self->reporting) /* the leases will end */
        later(self);
}

static void text_field(convex_builder *b, const char *name, const char *text)
{
    convex_builder_key(b, name);
    convex_builder_cstring(b, text);
}

static bool gives(const convex_value *job)
{
    bool give = false;

    convex_value_bool(convex_value_field(job, "give"), &give);
    return give;
}

/* Somebody who is not in the guild has no role of ours, so there is nothing to take from them. */
static bool is_absent(const discord_error *error)
{
    return error->status == DISCORD_ENOTFOUND &&
           (error->code == UNKNOWN_MEMBER || error->code == UNKNOWN_USER);
}

static void count_success(roles *self, const convex_value *job)
{
    daemon_counter_add(gives(job) ? self->given : self->taken, 1);
    daemon_log(DAEMON_INFO, gives(job) ? "gave a role" : "took a role", "member=%s role=%s",
               payload_text(job, "discordId"), payload_text(job, "roleId"));
}

static void write_failure(roles *self, convex_builder *b, const change *c)
{
    long long after_ms = 0;
    payload_verdict verdict =
        payload_judge(&c->error, (long)payload_number(c->job, "attempts", 0), &after_ms);
    bool dead = verdict == PAYLOAD_DEAD;

    text_field(b, "type", dead ? "dead" : "retry");
    text_field(b, "error", c->error.message);
    if (!dead) {
        convex_builder_key(b, "retryAfterMs");
        convex_builder_float64(b, (double)after_ms);
    }
    daemon_counter_add(dead ? self->dead : self->put_off, 1);
    daemon_log(dead ? DAEMON_ERROR : DAEMON_WARN, dead ? "a role is given up" : "a role is put off",
               "member=%s role=%s why=%s", payload_text(c->job, "discordId"),
               payload_text(c->job, "roleId"), c->error.message);
}

static void write_outcome(roles *self, convex_builder *b, const change *c)
{
    convex_builder_begin_object(b);
    convex_builder_key(b, "jobId");
    convex_builder_value(b, convex_value_field(c->job, "jobId"));
    convex_builder_key(b, "fence");
    convex_builder_value(b, convex_value_field(c->job, "fence"));
    convex_builder_key(b, "outcome");
    convex_builder_begin_object(b);
    if (c->error.status == DISCORD_OK) {
        text_field(b, "type", "done");
        convex_builder_key(b, "gave");
        convex_builder_bool(b, gives(c->job));
        count_success(self, c->job);
    } else if (is_absent(&c->error)) {
        text_field(b, "type", "absent");
    } else {
        write_failure(self, b, c);
    }
    convex_builder_end(b);
    convex_builder_end(b);
}

/* Without memory the lease simply ends, and the job is claimed again. */
static void add_outcome(roles *self, const change *c)
{
    if (!self->outcomes) {
        self->outcomes = begin_args(self);
        if (!self->outcomes)
            return;
        convex_builder_key(self->outcomes, "results");
        convex_builder_begin_array(self->outcomes);
    }
    write_outcome(self, self->outcomes, c);
}

/* ---- Discord ---- */

static void free_change(change *c)
{
    convex_value_unref(c->job);
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

static void carry_out(roles *self, const convex_value *job)
{
    discord_role_change wanted = {.guild_id = payload_text(job, "guildId"),
                                  .user_id = payload_text(job, "discordId"),
                                  .role_id = payload_text(job, "roleId"),
                                  .give = gives(job),
                                  .reason = gives(job) ? "access was granted" : "access has ended"};
    change *c = calloc(1, sizeof *c);
    discord_status status;

    if (!c)
        return;
    *c = (change){.owner = self, .job = convex_value_ref(job)};
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

static void on_claimed(convex_status status, const convex_result *result, void *user)
{
    roles *self = user;
    const convex_value *value, *jobs;

    self->claiming = false;
    if (status != CONVEX_OK)
        return;
    value = returned("roles:claim", status, result);
    if (!value)
        return later(self);
    jobs = convex_value_field(value, "jobs");
    for (size_t i = 0; i < convex_value_count(jobs) && !self->stopping; i++)
        carry_out(self, convex_value_at(jobs, i));
    if (convex_value_count(jobs) == 0) /* due here and not yet there: clocks differ */
        return later(self);
    backoff_reset(&self->backoff);
    flush(self);
    look(self);
}

static void claim(roles *self)
{
    convex_builder *b;

    if (self->claiming || self->in_hand > 0)
        return; /* the next claim follows this batch */
    b = begin_args(self);
    if (b) {
        convex_builder_key(b, "limit");
        convex_builder_float64(b, CLAIM_MAX);
        convex_builder_end(b);
    }
    self->claiming = call(self, "roles:claim", b, on_claimed);
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

static void on_pending(convex_status status, const convex_result *result, void *user)
{
    const convex_value *jobs = returned("roles:pending", status, result);

    for (size_t i = 0; i < convex_value_count(jobs); i++) {
        const convex_value *job = convex_value_at(jobs, i);
        daemon_log(DAEMON_INFO, gives(job) ? "would give a role" : "would take a role",
                   "guild=%s member=%s role=%s", payload_text(job, "guildId"),
                   payload_text(job, "discordId"), payload_text(job, "roleId"));
    }
}

static void say_what_waits(roles *self)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *args = NULL;

    if (!b)
        return;
    convex_builder_begin_object(b);
    convex_builder_key(b, "limit");
    convex_builder_float64(b, PENDING_MAX);
    convex_builder_end(b);
    if (convex_builder_finish(b, &args, NULL) == CONVEX_OK)
        convex_client_query(self->options.client, "roles:pending", args, NULL, on_pending, self,
                            NULL, NULL);
    convex_builder_free(b);
    convex_value_unref(args);
}

static void on_queue(const convex_result *result, void *user)
{
    roles *self = user;

    if (!convex_result_success(result)) {
        daemon_log(DAEMON_ERROR, "the backend does not say which roles to give", "why=%s",
                   convex_result_error_message(result, NULL));
        return;
    }
    self->next_at = payload_number(convex_result_value(result), "nextAt", 0);
    daemon_gauge_set(self->waiting, self->next_at > 0);
    if (self->options.dry_run && self->next_at > 0)
        say_what_waits(self);
    look(self);
}

/* ---- start ---- */

static void release(roles *self);

static void on_released(convex_status status, const convex_result *result, void *user)
{
    roles *self = user;

    self->releasing = false;
    if (status != CONVEX_OK)
        return;
    if (!returned("roles:release", status, result))
        return daemon_timer_set(self->release_later, backoff_next_ms(&self->backoff, 0));
    self->released = true;
    backoff_reset(&self->backoff);
    look(self);
}

static void release(roles *self)
{
    convex_builder *b = begin_args(self);

    if (b)
        convex_builder_end(b);
    self->releasing = call(self, "roles:release", b, on_released);
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
        if (convex_client_subscribe(options->client, "roles:queue", NULL, on_queue, NULL, self,
                                    &self->queue, NULL) != CONVEX_OK)
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
    return self->in_hand == 0 && !self->reporting && !self->outcomes;
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
    convex_builder_free(self->outcomes);
    daemon_timer_free(self->look_later);
    daemon_timer_free(self->release_later);
    daemon_waker_free(self->waker);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
