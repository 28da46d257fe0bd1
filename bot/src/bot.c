/* bot.c - mirrors signals into the customers' guild, with roles.c and role_watch.c beside it.
 * Owns the backend link, the REST object, the lanes and their jobs. Loop thread only.
 * Invariants: a row is in at most one job; a lane runs at most one job; work is claimed only after
 * the leases of an earlier life were released. */
#include "bot.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "checks.h"
#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "discord/rest.h"
#include "files.h"
#include "inbox.h"
#include "job.h"
#include "listener.h"
#include "post_watch.h"
#include "posts.h"
#include "role_watch.h"
#include "roles.h"
#include "webhooks.h"

enum {
    CLAIM_MAX = 32,
    IN_HAND_MAX = 256,        /* leased and not reported */
    CALL_DEADLINE_MS = 10000, /* below the lease of 15 s: an outcome is known before it ends */
    RETRY_BASE_MS = 500,
    RETRY_CAP_MS = 30000,
    SOON_MS = 1000,
    STALE_MS = 5000,
    LOOK_MS = 60000, /* a claim at least this often, whatever the queue said */
    DRAIN_MS = 6000,
    DRAIN_LOOK_MS = 20,
    LAST_WORD = 32 /* " (and 12 more)" */
};

typedef struct waiting {
    struct waiting *next;
    job *job;
} waiting;

/* One mirror channel. */
typedef struct lane {
    struct lane *next;
    char channel_id[24];
    waiting *first;    /* the running one, then those behind it, in source order */
    char problem[200]; /* what a person has to change; "" */
} lane;

/* What the REST thread tells the loop. */
typedef struct identity {
    char user_id[24], name[64]; /* user_id "": not known yet */
    bool refused;
    discord_error error;
} identity;

struct bot {
    const bot_config *config;
    daemon_loop *loop;
    daemon_timer *claim_later, *release_later, *ask_later, *drain;
    daemon_waker *who_waker;
    pthread_mutex_t who_lock; /* of `who` */
    identity who;
    daemon_metrics *metrics;
    daemon_counter *posted, *edited, *deleted, *retried, *dead, *gone;
    daemon_gauge *in_hand_gauge;
    daemon_histogram *latency;
    service_link *link;
    convex_sub *queue;
    discord_rest *rest;
    files *files;
    inbox *inbox;
    webhooks *webhooks;
    posts *posts;
    job_desk *desk;
    checks *checks;
    roles *roles; /* NULL: not asked for */
    role_watch *watch;
    listener *listener;
    post_watch *post_watch;
    char problem[300]; /* what a person has to change; "" */
    lane *lanes;
    size_t in_hand;
    bool released;   /* the leases of an earlier life are given up */
    bool user_known; /* Discord accepted the token */
    bool claiming, claim_again;
    backoff claim_backoff, release_backoff, ask_backoff;
    backoff empty_backoff; /* of claims that found nothing although something was due */
    double ready;          /* the newest answer of mirrors:queue */
    double next_at;
    const api_report **outcomes; /* of finished jobs, not yet under report */
    size_t n_outcomes, cap_outcomes;
    bool reporting;
    bool stopping, closing;
    int64_t drain_until_ms;
    int exit_status;
};

static void claim(bot *self);
static void claim_after(bot *self, int64_t delay_ms);
static void look(bot *self, int64_t at_least_ms);
static void flush_outcomes(bot *self);

static void end_with(bot *self, int status)
{
    self->exit_status = status;
    daemon_loop_stop(self->loop);
}

/* Appends a sentence if it fits, with room for a last word; counts it if not. */
static void add_problem(char *text, size_t size, const char *problem, size_t *more)
{
    size_t len = strlen(text);
    if (problem[0] && len + strlen(problem) + LAST_WORD >= size)
        ++*more;
    else if (problem[0])
        snprintf(text + len, size - len, "%s%s", len > 0 ? "; " : "", problem);
}

/* What a person has to change, the roles' trouble first; "" for nothing. */
static void say_problems(const bot *self, char *ret, size_t size)
{
    size_t more = 0;
    ret[0] = '\0';
    add_problem(ret, size, self->problem, &more);
    for (const lane *l = self->lanes; l; l = l->next)
        add_problem(ret, size, l->problem, &more);
    size_t len = strlen(ret);
    if (more > 0)
        snprintf(ret + len, size - len, " (and %zu more)", more);
}

static void report_state(bot *self)
{
    daemon_gauge_set(self->in_hand_gauge, (int64_t)self->in_hand);
    if (self->stopping)
        return service_link_report(self->link, "stopping", "");
    if (!self->released || !self->user_known)
        return;
    char text[SERVICE_DETAIL_SIZE];
    say_problems(self, text, sizeof text);
    service_link_report(self->link, text[0] ? "degraded" : "ready", text);
    daemon_notify_ready();
}

/* A call of `function` that could not be made. Returns whether it was. */
static bool called(const char *function, convex_status status, const convex_error *error)
{
    if (status != CONVEX_OK)
        daemon_log(DAEMON_ERROR, "cannot call the backend", "function=%s why=%s", function,
                   error->message);
    return status == CONVEX_OK;
}

/* Said unless the client is being closed. */
static void log_failure(const char *function, const convex_failure *failure)
{
    if (failure->result)
        daemon_log(DAEMON_ERROR, "the backend refused a call", "function=%s why=%s", function,
                   failure->message);
}

static const convex_call_options at_commit = {.flags = CONVEX_AT_COMMIT};

static convex_str instance_of(const bot *self)
{
    return convex_str_of(self->config->daemon.instance);
}

/* ---- lanes ---- */

static lane *lane_of(bot *self, const char *channel_id)
{
    for (lane *l = self->lanes; l; l = l->next)
        if (strcmp(l->channel_id, channel_id) == 0)
            return l;
    lane *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    snprintf(l->channel_id, sizeof l->channel_id, "%s", channel_id);
    l->next = self->lanes;
    self->lanes = l;
    return l;
}

static job *find_job(const bot *self, const char *mirror_id)
{
    for (lane *l = self->lanes; l; l = l->next)
        for (waiting *w = l->first; w; w = w->next)
            if (strcmp(job_work(w->job)->mirror_id.data, mirror_id) == 0)
                return w->job;
    return NULL;
}

/* Without memory the lease simply ends, and the row is claimed again. */
static void take_work(bot *self, const api_mirrors_claim_result *claimed, const api_work *work)
{
    job *known = find_job(self, work->mirror_id.data);
    if (known)
        return job_set_fence(known, work->fence);
    lane *l = lane_of(self, work->channel_id.data);
    waiting *w = calloc(1, sizeof *w), **last;
    job *j = l && w ? job_new(self->desk, claimed, work) : NULL;
    if (!j) {
        free(w);
        return;
    }
    w->job = j;
    for (last = &l->first; *last; last = &(*last)->next)
        ;
    *last = w;
    self->in_hand++;
    if (l->first == w)
        job_run(j);
}

/* ---- outcomes ---- */

static void on_reported(const api_mirrors_report_result *value, const convex_failure *failure,
                        void *user)
{
    bot *self = user;
    self->reporting = false;
    if (self->closing)
        return;
    /* What was refused, or lost with the backend, is leased again when its lease has ended. */
    if (failure)
        log_failure("mirrors:report", failure);
    for (size_t i = 0; !failure && i < value->accepted.count; i++)
        if (!value->accepted.items[i])
            daemon_log(DAEMON_WARN, "the backend refused an outcome: its lease was not the newest",
                       NULL);
    flush_outcomes(self);
    look(self, 0);
}

/* Told when our own queries show it, so that `ready` is of after this report. */
static bool report_outcomes(bot *self)
{
    convex_error error = {.message = "out of memory"};
    convex_status status = CONVEX_ENOMEM;
    api_report *reports = calloc(self->n_outcomes, sizeof *reports);
    for (size_t i = 0; reports && i < self->n_outcomes; i++)
        reports[i] = *self->outcomes[i];
    api_mirrors_report_args args = {.instance = instance_of(self),
                                    .results = {reports, self->n_outcomes}};
    if (reports)
        status = api_mirrors_report_mutation(service_link_client(self->link), &args, NULL,
                                             on_reported, self, NULL, &error);
    free(reports);
    return called("mirrors:report", status, &error);
}

static void forget_outcomes(bot *self)
{
    while (self->n_outcomes > 0)
        api_report_unref(self->outcomes[--self->n_outcomes]);
}

static void flush_outcomes(bot *self)
{
    if (self->reporting || self->n_outcomes == 0)
        return;
    self->reporting = report_outcomes(self);
    forget_outcomes(self);
    if (!self->reporting) /* the leases will end */
        claim_after(self, SOON_MS);
}

/* Without memory the lease simply ends. */
static void add_outcome(bot *self, const job *j, job_outcome outcome)
{
    const api_report *kept = NULL;
    api_report report = job_report(j, outcome);
    if (self->n_outcomes == self->cap_outcomes) {
        size_t cap = self->cap_outcomes ? self->cap_outcomes * 2 : 16;
        const api_report **grown = realloc(self->outcomes, cap * sizeof *grown);
        if (!grown)
            return;
        self->outcomes = grown;
        self->cap_outcomes = cap;
    }
    if (api_report_copy(&report, NULL, &kept, NULL) == CONVEX_OK)
        self->outcomes[self->n_outcomes++] = kept;
}

static void count_outcome(bot *self, const job *j, job_outcome outcome)
{
    double ms;
    switch (outcome) {
    case JOB_POSTED:
        daemon_counter_add(job_was_posted_now(j, &ms) ? self->posted : self->edited, 1);
        if (job_was_posted_now(j, &ms))
            daemon_histogram_observe(self->latency, (int64_t)(ms * 1000));
        return;
    case JOB_DELETED:
        return daemon_counter_add(self->deleted, 1);
    case JOB_RETRY:
        daemon_counter_add(self->retried, 1);
        daemon_log(DAEMON_WARN, "a post is put off", "mirror=%s why=%s",
                   job_work(j)->mirror_id.data, job_error(j));
        return;
    case JOB_GONE:
        daemon_counter_add(self->gone, 1);
        daemon_log(DAEMON_WARN, "a post is not there any more", "mirror=%s why=%s",
                   job_work(j)->mirror_id.data, job_error(j));
        return;
    case JOB_DEAD:
        daemon_counter_add(self->dead, 1);
        daemon_log(DAEMON_ERROR, "a post is given up", "mirror=%s why=%s",
                   job_work(j)->mirror_id.data, job_error(j));
        return;
    case JOB_STOP:
    case JOB_UNTRIED:
        return;
    }
}

/* Back to the backend with them, due at once. */
static void give_back(bot *self, waiting **from)
{
    while (*from) {
        waiting *w = *from;
        *from = w->next;
        self->in_hand--;
        add_outcome(self, w->job, JOB_UNTRIED);
        job_free(w->job);
        free(w);
    }
}

/* What keeps a channel from being written to is said until something was written there. */
static void note_problem(bot *self, lane *l, const job *j, job_outcome outcome)
{
    char text[sizeof l->problem] = "";
    if (outcome == JOB_RETRY && job_is_closed(j))
        snprintf(text, sizeof text, "channel %s: %.150s", l->channel_id, job_error(j));
    else if (outcome != JOB_POSTED && outcome != JOB_DELETED)
        return;
    if (strcmp(text, l->problem) == 0)
        return;
    memcpy(l->problem, text, sizeof text);
    if (text[0])
        daemon_log(DAEMON_ERROR, "a channel cannot be written to", "why=%s", text);
    report_state(self);
}

/* Those behind a post that is put off would overtake it. Those that waited for long may have
 * changed since they were claimed: their newest state is claimed anew. */
static bool must_go_back(const waiting *next, const job *done, job_outcome outcome)
{
    return (outcome == JOB_RETRY && job_work(done)->op == API_WORK_OP_POST) ||
           job_age_ms(next->job) > STALE_MS;
}

static void on_job_done(job *j, job_outcome outcome, void *user)
{
    bot *self = user;
    lane *l = lane_of(self, job_work(j)->channel_id.data);
    waiting *w = l->first;
    l->first = w->next;
    self->in_hand--;
    count_outcome(self, j, outcome);
    note_problem(self, l, j, outcome);
    if (outcome != JOB_STOP)
        add_outcome(self, j, outcome);
    if (l->first && outcome != JOB_STOP && must_go_back(l->first, j, outcome))
        give_back(self, &l->first);
    job_free(j);
    free(w);
    flush_outcomes(self);
    if (l->first && outcome != JOB_STOP)
        job_run(l->first->job);
}

/* ---- claiming ---- */

static void claim_after(bot *self, int64_t delay_ms)
{
    daemon_timer_set(self->claim_later, delay_ms);
}

static void on_claimed(const api_mirrors_claim_result *value, const convex_failure *failure,
                       void *user)
{
    bot *self = user;
    self->claiming = false;
    if (self->closing)
        return;
    if (failure) {
        log_failure("mirrors:claim", failure);
        return claim_after(self, backoff_next_ms(&self->claim_backoff, 0));
    }
    backoff_reset(&self->claim_backoff);
    if (self->stopping) /* the next life releases them */
        return;
    size_t count = value->work.count;
    for (size_t i = 0; i < count; i++)
        take_work(self, value, &value->work.items[i]);
    daemon_gauge_set(self->in_hand_gauge, (int64_t)self->in_hand);
    if (count > 0)
        backoff_reset(&self->empty_backoff);
    if (self->claim_again || count == CLAIM_MAX)
        return claim(self);
    if (count > 0) /* the queue will say what is next */
        return claim_after(self, SOON_MS);
    self->ready = 0;
    look(self, backoff_next_ms(&self->empty_backoff, 0));
}

static void claim(bot *self)
{
    convex_error error = {0};
    if (!self->released || !self->user_known || self->stopping)
        return;
    if (self->in_hand >= IN_HAND_MAX)
        return claim_after(self, SOON_MS);
    self->claim_again = self->claiming;
    if (self->claiming)
        return;
    api_mirrors_claim_args args = {.instance = instance_of(self), .limit = CLAIM_MAX};
    self->claiming = called("mirrors:claim",
                            api_mirrors_claim_mutation(service_link_client(self->link), &args,
                                                       &at_commit, on_claimed, self, NULL, &error),
                            &error);
    if (!self->claiming)
        claim_after(self, backoff_next_ms(&self->claim_backoff, 0));
}

static void on_claim_due(void *user)
{
    claim(user);
}

/* Acts on the newest answer of mirrors:queue: claims now, or when the first held row is due. It may
 * be due here and not yet there, as clocks differ: a claim that came back empty sets `at_least_ms`.
 */
static void look(bot *self, int64_t at_least_ms)
{
    int64_t wait = LOOK_MS;
    if (self->ready > 0)
        return claim(self);
    if (self->next_at > 0 && (int64_t)self->next_at - daemon_wall_ms() < wait)
        wait = (int64_t)self->next_at - daemon_wall_ms();
    claim_after(self, wait > at_least_ms ? wait : at_least_ms);
}

static void on_queue(const api_mirrors_queue_result *value, const convex_failure *failure,
                     void *user)
{
    bot *self = user;
    if (failure) {
        daemon_log(DAEMON_ERROR, "the backend does not say what to mirror", "why=%s",
                   failure->message);
        return;
    }
    self->ready = value->ready;
    self->next_at = value->next_at ? *value->next_at : 0;
    look(self, 0);
}

/* ---- start ---- */

static void release(bot *self);

static void on_released(const api_mirrors_release_result *value, const convex_failure *failure,
                        void *user)
{
    bot *self = user;
    if (self->closing)
        return;
    if (failure) {
        log_failure("mirrors:release", failure);
        return daemon_timer_set(self->release_later, backoff_next_ms(&self->release_backoff, 0));
    }
    self->released = true;
    daemon_log(DAEMON_INFO, "ready to mirror", "leases_of_an_earlier_life=%.0f", value->released);
    report_state(self);
    claim(self);
}

static void release(bot *self)
{
    convex_error error = {0};
    api_mirrors_release_args args = {.instance = instance_of(self)};
    bool sent = called("mirrors:release",
                       api_mirrors_release_mutation(service_link_client(self->link), &args,
                                                    &at_commit, on_released, self, NULL, &error),
                       &error);
    if (!sent)
        daemon_timer_set(self->release_later, backoff_next_ms(&self->release_backoff, 0));
}

static void on_release_due(void *user)
{
    release(user);
}

static void on_backend_ready(void *user)
{
    bot *self = user;
    posts_begin_anew(self->posts); /* it may have been restored from a backup */
    report_state(self);
}

static void on_backend_refused(void *user)
{
    end_with(user, DAEMON_EXIT_NOT_CONFIGURED);
}

/* ---- Discord ---- */

static void ask_who(void *user);

/* The REST thread says who we are, or that the token is refused; the loop takes it from here. */
static void on_identity_wake(void *user)
{
    bot *self = user;
    pthread_mutex_lock(&self->who_lock);
    identity who = self->who;
    pthread_mutex_unlock(&self->who_lock);
    if (who.refused) {
        daemon_log(DAEMON_ERROR, "Discord refused DISCORD_TOKEN", "why=%s", who.error.message);
        return end_with(self, DAEMON_EXIT_NOT_CONFIGURED);
    }
    if (who.user_id[0] == '\0') {
        daemon_log(DAEMON_WARN, "Discord does not answer yet", "why=%s", who.error.message);
        return daemon_timer_set(self->ask_later, backoff_next_ms(&self->ask_backoff, 0));
    }
    daemon_log(DAEMON_INFO, "Discord accepted the token", "user=%s id=%s", who.name, who.user_id);
    job_desk_set_user(self->desk, who.user_id);
    webhooks_set_user(self->webhooks, who.user_id);
    self->user_known = true;
    report_state(self);
    claim(self);
    checks_begin(self->checks, who.user_id);
    if (self->roles) {
        roles_begin(self->roles);
        role_watch_begin(self->watch, who.user_id);
    }
    listener_begin(self->listener);
}

static void tell_loop(bot *self, const identity *who)
{
    pthread_mutex_lock(&self->who_lock);
    if (!self->who.refused)
        self->who = *who;
    pthread_mutex_unlock(&self->who_lock);
    daemon_waker_wake(self->who_waker);
}

static void on_current_user(const discord_result *result, void *user)
{
    identity who = {.error = result->error};
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result->json, "id"));
    const char *name =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result->json, "username"));
    if (result->error.status == DISCORD_EAUTH || result->error.status == DISCORD_ECLOSED)
        return; /* on_refused says it; or we are ending */
    if (result->error.status == DISCORD_OK && id)
        snprintf(who.user_id, sizeof who.user_id, "%s", id);
    snprintf(who.name, sizeof who.name, "%s", name ? name : "");
    tell_loop(user, &who);
}

static void on_refused(const discord_error *error, void *user)
{
    identity who = {.refused = true, .error = *error};
    tell_loop(user, &who);
}

static void ask_who(void *user)
{
    bot *self = user;
    discord_status status = discord_rest_get_current_user(self->rest, on_current_user, self);
    if (status != DISCORD_OK && status != DISCORD_EAUTH)
        daemon_timer_set(self->ask_later, backoff_next_ms(&self->ask_backoff, 0));
}

static void log_discord(discord_log_level level, const char *text, void *user)
{
    /* One level down: what it comes to is said by the program itself. */
    static const daemon_level levels[] = {DAEMON_DEBUG, DAEMON_DEBUG, DAEMON_INFO, DAEMON_WARN};
    daemon_log(levels[level], "discord", "detail=%s", text);
}

/* ---- end ---- */

static void on_stop(void *user)
{
    bot *self = user;
    daemon_log(DAEMON_INFO, "stopping", "in_hand=%zu", self->in_hand);
    daemon_notify_stopping();
    self->stopping = true;
    self->drain_until_ms = daemon_monotonic_ms() + DRAIN_MS;
    for (lane *l = self->lanes; l; l = l->next) /* only what was begun is finished */
        if (l->first)
            give_back(self, &l->first->next);
    flush_outcomes(self);
    checks_stop(self->checks);
    listener_stop(self->listener);
    post_watch_stop(self->post_watch);
    if (self->roles) {
        roles_stop(self->roles);
        role_watch_stop(self->watch);
    }
    report_state(self);
    daemon_timer_set(self->drain, 0);
}

static void on_drain(void *user)
{
    bot *self = user;
    bool idle = self->in_hand == 0 && !self->reporting && self->n_outcomes == 0 &&
                (!self->roles || roles_is_idle(self->roles));
    if (idle || daemon_monotonic_ms() >= self->drain_until_ms)
        return end_with(self, DAEMON_EXIT_DONE);
    daemon_timer_set(self->drain, DRAIN_LOOK_MS);
}

/* ---- lifetime ---- */

static int open_metrics(bot *self)
{
    daemon_metrics *m = self->metrics = daemon_metrics_new();
    if (!m)
        return -ENOMEM;
    self->posted = daemon_counter_new(m, "posts_total", NULL, "messages posted");
    self->edited = daemon_counter_new(m, "edits_total", NULL, "messages edited");
    self->deleted = daemon_counter_new(m, "deletes_total", NULL, "messages deleted");
    self->retried = daemon_counter_new(m, "retries_total", NULL, "jobs put off");
    self->dead = daemon_counter_new(m, "dead_total", NULL, "jobs given up");
    self->gone = daemon_counter_new(m, "gone_total", NULL, "posts that somebody deleted by hand");
    self->in_hand_gauge = daemon_gauge_new(m, "in_hand", NULL, "jobs leased and not reported");
    self->latency = daemon_histogram_new(m, "source_to_posted_seconds", NULL,
                                         "from the source message to its post");
    return 0;
}

static int open_loop(bot *self)
{
    int r = daemon_loop_new(&self->loop);
    if (r == 0)
        r = daemon_timer_new(self->loop, on_claim_due, self, &self->claim_later);
    if (r == 0)
        r = daemon_timer_new(self->loop, on_release_due, self, &self->release_later);
    if (r == 0)
        r = daemon_timer_new(self->loop, on_drain, self, &self->drain);
    if (r == 0)
        r = daemon_timer_new(self->loop, ask_who, self, &self->ask_later);
    if (r == 0)
        r = daemon_waker_new(self->loop, on_identity_wake, self, &self->who_waker);
    if (r == 0)
        daemon_loop_on_stop(self->loop, on_stop, self);
    return r;
}

static int open_backend(bot *self)
{
    service_link_options options = {.loop = self->loop,
                                    .settings = &self->config->service,
                                    .role = "bot",
                                    .instance = self->config->daemon.instance,
                                    .version = BOT_VERSION,
                                    .metrics = self->metrics,
                                    .on_ready = on_backend_ready,
                                    .on_refused = on_backend_refused,
                                    .user = self};
    int r = service_link_open(&options, &self->link);
    if (r == 0) {
        release(self); /* before the queue can bring work */
        if (api_mirrors_queue_subscribe(service_link_client(self->link), on_queue, NULL, self,
                                        &self->queue, NULL) != CONVEX_OK)
            r = -ENOMEM;
    }
    return r;
}

static int open_desk(bot *self)
{
    job_desk_options options = {.loop = self->loop,
                                .rest = self->rest,
                                .inbox = self->inbox,
                                .webhooks = self->webhooks,
                                .posts = self->posts,
                                .files = self->files,
                                .done = on_job_done,
                                .user = self};
    return job_desk_new(&options, &self->desk);
}

static int open_discord(bot *self)
{
    discord_error error = {0};
    discord_rest_options options = DISCORD_REST_OPTIONS_INIT;
    options.api_url = self->config->discord_api_url;
    options.token = self->config->discord_token;
    options.deadline_ms = CALL_DEADLINE_MS;
    options.on_refused = on_refused;
    options.user = self;
    options.log.line = log_discord;
    discord_status status = discord_rest_new(&options, &self->rest, &error);
    if (status == DISCORD_EINVAL)
        daemon_misconfigured("discord-api-url", "%s", error.message);
    if (status != DISCORD_OK)
        return -ENOMEM;
    int r = files_new(self->loop, &self->files);
    if (r == 0)
        r = inbox_new(self->loop, &self->inbox);
    if (r == 0) {
        self->webhooks = webhooks_new(self->rest, self->inbox);
        self->posts = posts_new();
        r = self->webhooks && self->posts ? open_desk(self) : -ENOMEM;
    }
    return r;
}

static int open_checks(bot *self)
{
    checks_options options = {.loop = self->loop,
                              .client = service_link_client(self->link),
                              .rest = self->rest,
                              .inbox = self->inbox,
                              .instance = self->config->daemon.instance};
    return checks_open(&options, &self->checks);
}

static void on_problem(const char *text, void *user)
{
    bot *self = user;

    snprintf(self->problem, sizeof self->problem, "%s", text);
    report_state(self);
}

static int open_roles(bot *self)
{
    convex_client *client = service_link_client(self->link);
    roles_options jobs = {.loop = self->loop,
                          .client = client,
                          .rest = self->rest,
                          .metrics = self->metrics,
                          .instance = self->config->daemon.instance,
                          .dry_run = self->config->dry_run};
    role_watch_options looks = {.loop = self->loop,
                                .client = client,
                                .rest = self->rest,
                                .metrics = self->metrics,
                                .every_ms = self->config->look_ms,
                                .on_problem = on_problem,
                                .user = self};
    int r = roles_open(&jobs, &self->roles);

    return r == 0 ? role_watch_open(&looks, &self->watch) : r;
}

static void on_joined(const char *guild_id, const char *user_id, void *user)
{
    bot *self = user;
    if (self->watch)
        role_watch_joined(self->watch, guild_id, user_id);
}

static void on_deleted(const char *channel_id, const char *message_id, void *user)
{
    post_watch_deleted(((bot *)user)->post_watch, channel_id, message_id);
}

static void on_session(void *user)
{
    post_watch_look(((bot *)user)->post_watch);
}

static int open_listener(bot *self)
{
    post_watch_options watch = {.loop = self->loop,
                                .client = service_link_client(self->link),
                                .rest = self->rest,
                                .inbox = self->inbox,
                                .every_ms = self->config->posts_look_ms};
    listener_options options = {.loop = self->loop,
                                .rest = self->rest,
                                .token = self->config->discord_token,
                                .members = self->config->roles,
                                .on_joined = on_joined,
                                .on_deleted = on_deleted,
                                .on_session = on_session,
                                .user = self};
    int r = post_watch_open(&watch, &self->post_watch);
    return r == 0 ? listener_open(&options, &self->listener) : r;
}

int bot_open(bot **ret, const bot_config *config)
{
    bot *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    self->exit_status = DAEMON_EXIT_FAILED;
    self->claim_backoff = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    self->release_backoff = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    self->ask_backoff = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    self->empty_backoff = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    pthread_mutex_init(&self->who_lock, NULL);
    *ret = self; /* on failure bot_close() takes what there is */
    int r = open_metrics(self);
    if (r == 0)
        r = open_loop(self);
    if (r == 0)
        r = open_discord(self);
    if (r == 0)
        r = open_backend(self);
    if (r == 0)
        r = open_checks(self);
    if (r == 0 && config->roles)
        r = open_roles(self);
    if (r == 0)
        r = open_listener(self);
    if (r == 0)
        ask_who(self);
    else
        daemon_log(DAEMON_ERROR, "cannot start", "why=%s", strerror(-r));
    return r;
}

int bot_run(bot *self)
{
    int r = daemon_loop_run(self->loop);
    return r == 0 ? self->exit_status : DAEMON_EXIT_FAILED;
}

static void free_lanes(bot *self)
{
    while (self->lanes) {
        lane *l = self->lanes;
        self->lanes = l->next;
        while (l->first) {
            waiting *w = l->first;
            l->first = w->next;
            job_free(w->job);
            free(w);
        }
        free(l);
    }
}

void bot_close(bot *self)
{
    if (!self)
        return;
    self->closing = true;
    if (self->watch)
        role_watch_stop(self->watch);
    post_watch_stop(self->post_watch);
    listener_stop(self->listener); /* its gateway asks through REST */
    discord_rest_free(self->rest); /* its last callbacks go to desk, roles and watch */
    convex_sub_unref(self->queue);
    service_link_close(self->link);
    checks_close(self->checks);
    roles_close(self->roles);
    role_watch_close(self->watch);
    listener_close(self->listener);
    post_watch_close(self->post_watch);
    free_lanes(self);
    files_free(self->files);
    job_desk_free(self->desk);
    webhooks_free(self->webhooks);
    posts_free(self->posts);
    inbox_free(self->inbox);
    forget_outcomes(self);
    free(self->outcomes);
    daemon_timer_free(self->claim_later);
    daemon_timer_free(self->release_later);
    daemon_timer_free(self->drain);
    daemon_timer_free(self->ask_later);
    daemon_waker_free(self->who_waker);
    pthread_mutex_destroy(&self->who_lock);
    daemon_loop_free(self->loop);
    daemon_metrics_free(self->metrics);
    free(self);
}
