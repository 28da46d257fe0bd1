/* job.c - one unit of work carried out against Discord.
 * Owns its parts, files and the ids of its posts. Loop thread only; answers come from the REST
 * thread through the desk's inbox.
 * Invariant: at most one call of a job is under way, so its parts arrive in order. */
#include "job.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "payload.h"

enum {
    LOOK_BACK_MS = 15000,     /* clocks differ */
    NONCE_MEMORY_MS = 60000,  /* Discord forgets nonces after some minutes */
    FILES_PATIENCE_MS = 8000, /* a post at the head of its lane waits this long for its files */
    LOOK_PAGE = 100,
    DISCORD_EPOCH_SHIFT = 22
};

static const long long discord_epoch_ms = 1420070400000;

/* UNDO: the parts made of a post that can never be whole are taken back. */
typedef enum step { STEP_FILES, STEP_LOOK, STEP_PARTS, STEP_UNDO, STEP_DONE } step;

struct job {
    job_desk *desk;
    const api_mirrors_claim_result *claimed; /* has the work */
    const api_work *work;
    double fence;
    step step;
    bool running;       /* job_run was called */
    file_set *fetching; /* the set under way, not ours yet */
    daemon_timer *patience;
    char *late_notice; /* instead of the files that did not come in time */
    file_set *files;
    discord_parts parts;
    char *embeds;
    size_t part;      /* the next to create, edit or delete */
    char **ids;       /* ours, in order; known ones first */
    convex_str *told; /* the same, as a report has them */
    size_t n_ids, n_known;
    long long posted_at, retry_after_ms;
    char error[640];
};

/* An answer on its way from the REST thread. */
typedef struct answer {
    struct answer *next;
    job *job;
    const discord_result *result;
} answer;

/* The posts of one mirror channel that ended last, newest first: what is being looked for was made
 * after the last of them that is not its own. */
typedef struct channel_mark {
    struct channel_mark *next;
    char channel_id[24];
    struct {
        char mirror_id[64];
        uint64_t last_id;
    } posts[2];
} channel_mark;

struct job_desk {
    job_desk_options options;
    daemon_waker *waker;
    pthread_mutex_t lock;
    answer *first, **last;
    char user_id[24];
    channel_mark *marks;
};

static void go_on(job *self);

/* ---- outcome ---- */

static void remember_post(job *self);

static void finish(job *self, job_outcome outcome)
{
    self->step = STEP_DONE;
    self->running = false;
    if (outcome == JOB_POSTED && self->work->op == API_WORK_OP_POST)
        remember_post(self);
    self->desk->options.done(self, outcome, self->desk->options.user);
}

/* Nothing of a post that is given up stays behind: nobody would know of it any more. */
static void give_up(job *self)
{
    if (self->work->op == API_WORK_OP_DELETE || self->n_ids <= self->n_known)
        return finish(self, JOB_DEAD);
    self->step = STEP_UNDO;
    go_on(self);
}

static void fail(job *self, const discord_error *error)
{
    long attempts = (long)self->work->attempts;
    payload_verdict verdict = payload_judge(error, attempts, &self->retry_after_ms);
    snprintf(self->error, sizeof self->error, "%s (status %d, code %d)", error->message,
             error->http_status, error->code);
    if (verdict == PAYLOAD_DEAD)
        give_up(self);
    else
        finish(self, verdict == PAYLOAD_STOP ? JOB_STOP : JOB_RETRY);
}

static void fail_local(job *self, job_outcome outcome, const char *why)
{
    self->retry_after_ms = 1000;
    snprintf(self->error, sizeof self->error, "%s", why);
    finish(self, outcome);
}

/* ---- the REST thread ---- */

static void on_answer(const discord_result *result, void *user)
{
    answer *a = user;
    job_desk *desk = a->job->desk;
    a->result = discord_result_ref(result);
    pthread_mutex_lock(&desk->lock);
    *desk->last = a;
    desk->last = &a->next;
    pthread_mutex_unlock(&desk->lock);
    daemon_waker_wake(desk->waker);
}

/* ---- what came back ---- */

static bool add_id(job *self, const char *id)
{
    char *copy = id ? strdup(id) : NULL;
    char **grown = copy ? realloc(self->ids, (self->n_ids + 1) * sizeof *grown) : NULL;
    self->ids = grown ? grown : self->ids;
    convex_str *told = grown ? realloc(self->told, (self->n_ids + 1) * sizeof *told) : NULL;
    self->told = told ? told : self->told;
    if (!told) {
        free(copy);
        return false;
    }
    self->ids[self->n_ids++] = copy;
    return true;
}

static const char *json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static uint64_t number_of_id(const char *id)
{
    return id ? strtoull(id, NULL, 10) : 0;
}

static channel_mark *mark_of(job_desk *desk, const char *channel_id)
{
    channel_mark *mark = desk->marks;
    while (mark && strcmp(mark->channel_id, channel_id) != 0)
        mark = mark->next;
    return mark;
}

/* Without memory only the clock tells what is older. */
static void remember_post(job *self)
{
    const char *channel = self->work->channel_id.data;
    const char *mirror = self->work->mirror_id.data;
    channel_mark *mark = mark_of(self->desk, channel);
    if (!mark) {
        mark = calloc(1, sizeof *mark);
        if (!mark)
            return;
        snprintf(mark->channel_id, sizeof mark->channel_id, "%s", channel);
        mark->next = self->desk->marks;
        self->desk->marks = mark;
    }
    if (strcmp(mark->posts[0].mirror_id, mirror) != 0)
        mark->posts[1] = mark->posts[0];
    snprintf(mark->posts[0].mirror_id, sizeof mark->posts[0].mirror_id, "%s", mirror);
    mark->posts[0].last_id = self->n_ids ? number_of_id(self->ids[self->n_ids - 1]) : 0;
}

/* What is looked for has a greater id than this: it was made after its own earlier parts, after the
 * posts before it in its lane, and after its first attempt. */
static uint64_t oldest_possible(const job *self)
{
    const char *mirror = self->work->mirror_id.data;
    const channel_mark *mark = mark_of(self->desk, self->work->channel_id.data);
    long long since = (long long)self->work->first_attempt_at - LOOK_BACK_MS;
    uint64_t bounds[] = {
        since > discord_epoch_ms ? (uint64_t)(since - discord_epoch_ms) << DISCORD_EPOCH_SHIFT : 0,
        number_of_id(self->work->after_message_id.data),
        self->n_ids ? number_of_id(self->ids[self->n_ids - 1]) : 0,
        !mark ? 0 : mark->posts[strcmp(mark->posts[0].mirror_id, mirror) == 0].last_id};
    uint64_t bound = 0;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        bound = bounds[i] > bound ? bounds[i] : bound;
    return bound;
}

static bool is_last(const job *self, size_t part)
{
    return part + 1 == self->parts.n;
}

static size_t files_of(const job *self, size_t part, const discord_file **ret)
{
    size_t count = 0;
    const discord_file *list = NULL;
    if (part == 0 && self->files) /* the first part stays when an edit shortens the text */
        list = file_set_files(self->files, &count);
    if (ret)
        *ret = list;
    return count;
}

/* Is `message` the next part, made by an attempt whose outcome was lost? */
static bool is_our_post(const job *self, const cJSON *message, size_t part)
{
    const char *author = json_text(cJSON_GetObjectItemCaseSensitive(message, "author"), "id");
    const char *told = json_text(message, "nonce");
    char nonce[PAYLOAD_NONCE_SIZE];
    payload_nonce(self->work, part, nonce);
    if (!author || strcmp(author, self->desk->user_id) != 0)
        return false;
    if (told)
        return strcmp(told, nonce) == 0;
    return payload_matches(self->work, message, self->parts.part[part], files_of(self, part, NULL),
                           is_last(self, part));
}

/* Discord lists the newest first: walk backwards, so that parts are found in order. */
static void adopt(job *self, const cJSON *list)
{
    uint64_t after = oldest_possible(self);
    size_t before = self->n_ids;
    for (int i = cJSON_GetArraySize(list) - 1; i >= 0 && self->n_ids < self->parts.n; i--) {
        const cJSON *message = cJSON_GetArrayItem(list, i);
        const char *id = json_text(message, "id");
        if (number_of_id(id) <= after || !is_our_post(self, message, self->n_ids))
            continue;
        if (!add_id(self, id))
            return fail_local(self, JOB_RETRY, "out of memory");
        after = number_of_id(id);
        self->posted_at = discord_id_time_ms(id);
    }
    if (self->n_ids > before)
        daemon_log(DAEMON_INFO, "found a post whose outcome was unknown", "mirror=%s parts=%zu",
                   self->work->mirror_id.data, self->n_ids - before);
    self->part =
        self->work->op == API_WORK_OP_POST ? self->n_ids : 0; /* an edit still writes them all */
    self->step = STEP_PARTS;
    go_on(self);
}

static void part_done(job *self, const discord_result *result)
{
    bool created = self->work->op != API_WORK_OP_DELETE && self->part >= self->n_ids;
    if (created && !add_id(self, json_text(result->json, "id")))
        return fail_local(self, JOB_RETRY, "Discord's answer has no message id");
    self->posted_at = daemon_wall_ms();
    self->part++;
    go_on(self);
}

static void undone(job *self, const discord_error *error)
{
    if (error->status != DISCORD_OK)
        daemon_log(DAEMON_WARN, "a part of a post that was given up stays behind",
                   "mirror=%s message=%s why=%s", self->work->mirror_id.data,
                   self->ids[self->n_ids - 1], error->message);
    free(self->ids[--self->n_ids]);
    give_up(self);
}

static void take_answer(job *self, const discord_result *result)
{
    if (self->step == STEP_UNDO)
        undone(self, &result->error);
    else if (result->error.status != DISCORD_OK)
        fail(self, &result->error);
    else if (self->step == STEP_LOOK)
        adopt(self, result->json);
    else
        part_done(self, result);
}

static void on_wake(void *user)
{
    job_desk *desk = user;
    pthread_mutex_lock(&desk->lock);
    answer *a = desk->first;
    desk->first = NULL;
    desk->last = &desk->first;
    pthread_mutex_unlock(&desk->lock);
    while (a) {
        answer *next = a->next;
        take_answer(a->job, a->result);
        discord_result_unref(a->result);
        free(a);
        a = next;
    }
}

/* ---- calls ---- */

static discord_status look_for_post(job *self, answer *a)
{
    char after[24];
    discord_page page = {.limit = LOOK_PAGE, .after = after};
    snprintf(after, sizeof after, "%" PRIu64, oldest_possible(self));
    return discord_rest_get_messages(self->desk->options.rest, self->work->channel_id.data, &page,
                                     on_answer, a);
}

static discord_status send_text(job *self, answer *a)
{
    discord_rest *rest = self->desk->options.rest;
    const char *channel = self->work->channel_id.data;
    const char *reply_to = self->work->reply_to_message_id.data;
    bool known = self->part < self->n_ids;
    char nonce[PAYLOAD_NONCE_SIZE];
    discord_message message = {.content = self->parts.part[self->part]};
    if (is_last(self, self->part))
        message.embeds_json = self->embeds;
    else if (known)
        message.embeds_json = "[]";
    if (known) {
        if (self->work->attachments.count == 0)
            message.attachments_json = "[]";
        return discord_rest_edit_message(rest, channel, self->ids[self->part], &message, on_answer,
                                         a);
    }
    payload_nonce(self->work, self->part, nonce);
    message.nonce = nonce;
    if (self->part == 0 && reply_to && *reply_to)
        message.reply_to_id = reply_to;
    message.n_files = files_of(self, self->part, &message.files);
    return discord_rest_create_message(rest, channel, &message, on_answer, a);
}

static discord_status delete_message(job *self, const char *id, answer *a)
{
    return discord_rest_delete_message(self->desk->options.rest, self->work->channel_id.data, id,
                                       NULL, on_answer, a);
}

/* The parts first, then what an edit or delete leaves over. */
static discord_status send_next(job *self, answer *a)
{
    if (self->step == STEP_LOOK)
        return look_for_post(self, a);
    if (self->step == STEP_UNDO)
        return delete_message(self, self->ids[self->n_ids - 1], a);
    return self->part < self->parts.n ? send_text(self, a)
                                      : delete_message(self, self->ids[self->part], a);
}

static void call_failed(job *self, discord_status status)
{
    discord_error error = {.status = status};
    snprintf(error.message, sizeof error.message, "%s", discord_status_text(status));
    if (self->step == STEP_UNDO)
        undone(self, &error);
    else
        fail(self, &error);
}

static int prepare(job *self)
{
    if (self->work->op == API_WORK_OP_DELETE)
        return 0;
    const char *notice = self->files ? file_set_notice(self->files) : self->late_notice;
    int r = payload_parts(self->work, notice, &self->parts);
    if (r == 0)
        r = payload_embeds(self->work, &self->embeds);
    return r;
}

/* A create may have happened already, and its nonce may be forgotten. */
static bool has_to_look(const job *self)
{
    double since = self->work->first_attempt_at;
    if (self->work->op == API_WORK_OP_POST)
        return self->work->uncertain;
    return self->work->op == API_WORK_OP_EDIT && self->parts.n > self->n_known && since > 0 &&
           (double)daemon_wall_ms() - since > NONCE_MEMORY_MS;
}

static void forget_surplus_ids(job *self)
{
    while (self->work->op != API_WORK_OP_DELETE && self->n_ids > self->parts.n)
        free(self->ids[--self->n_ids]);
}

static void go_on(job *self)
{
    if (self->step == STEP_FILES) {
        if (self->fetching)
            return;
        int r = prepare(self);
        if (r != 0)
            return fail_local(self, r == -ENODATA ? JOB_DEAD : JOB_RETRY,
                              r == -ENODATA ? "there is nothing in it to post" : strerror(-r));
        self->step = has_to_look(self) ? STEP_LOOK : STEP_PARTS;
    }
    if (self->step == STEP_PARTS && self->part >= self->parts.n && self->part >= self->n_ids) {
        forget_surplus_ids(self);
        return finish(self, self->work->op == API_WORK_OP_DELETE ? JOB_DELETED : JOB_POSTED);
    }
    answer *a = calloc(1, sizeof *a);
    if (!a)
        return fail_local(self, JOB_RETRY, "out of memory");
    a->job = self;
    discord_status status = send_next(self, a);
    if (status == DISCORD_OK)
        return;
    free(a);
    call_failed(self, status);
}

static void on_files(file_set *set, void *user)
{
    job *self = user;
    if (!self) /* cancelled */
        return file_set_free(set);
    self->files = set;
    self->fetching = NULL;
    daemon_timer_free(self->patience);
    self->patience = NULL;
    if (self->running)
        go_on(self);
}

/* The head of a lane holds up the rest: the text goes without its files. */
static void on_impatient(void *user)
{
    job *self = user;
    files_cancel(self->fetching);
    self->fetching = NULL;
    self->late_notice = files_notice(&self->work->attachments, "did not arrive in time");
    go_on(self);
}

void job_run(job *self)
{
    self->running = true;
    if (self->fetching &&
        daemon_timer_new(self->desk->options.loop, on_impatient, self, &self->patience) == 0)
        daemon_timer_set(self->patience, FILES_PATIENCE_MS);
    go_on(self);
}

/* ---- lifetime ---- */

static int read_ids(job *self)
{
    const convex_str_list *ids = &self->work->message_ids;
    for (size_t i = 0; i < ids->count; i++)
        if (!add_id(self, ids->items[i].data))
            return -ENOMEM;
    self->n_known = self->n_ids;
    return 0;
}

job *job_new(job_desk *desk, const api_mirrors_claim_result *claimed, const api_work *work)
{
    job *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->desk = desk;
    self->claimed = api_mirrors_claim_result_ref(claimed);
    self->work = work;
    self->fence = work->fence;
    int r = read_ids(self);
    if (r == 0 && work->op == API_WORK_OP_POST && work->attachments.count > 0)
        r = files_fetch(desk->options.files, &work->attachments, claimed, on_files, self,
                        &self->fetching);
    if (r != 0) {
        job_free(self);
        return NULL;
    }
    return self;
}

void job_free(job *self)
{
    if (!self)
        return;
    if (self->fetching)
        files_cancel(self->fetching);
    daemon_timer_free(self->patience);
    free(self->late_notice);
    for (size_t i = 0; i < self->n_ids; i++)
        free(self->ids[i]);
    free(self->ids);
    file_set_free(self->files);
    discord_parts_done(&self->parts);
    convex_text_free(self->embeds, NULL);
    free(self->told);
    api_mirrors_claim_result_unref(self->claimed);
    free(self);
}

const api_work *job_work(const job *self)
{
    return self->work;
}

void job_set_fence(job *self, double fence)
{
    self->fence = fence;
}

const char *job_error(const job *self)
{
    return self->error;
}

bool job_was_posted_now(const job *self, double *ret_ms)
{
    if (self->work->op != API_WORK_OP_POST || self->posted_at == 0)
        return false;
    *ret_ms = (double)self->posted_at - self->work->source_at;
    return true;
}

/* ---- report ---- */

api_report job_report(const job *self, job_outcome outcome)
{
    api_report report = {.mirror_id = self->work->mirror_id, .fence = self->fence};
    const char *error = self->error[0] ? self->error : "waits behind a post that was put off";
    switch (outcome) {
    case JOB_POSTED:
        for (size_t i = 0; i < self->n_ids; i++)
            self->told[i] = convex_str_of(self->ids[i]);
        report.outcome.tag = API_OUTCOME_POSTED;
        report.outcome.as.posted = (api_outcome_posted){
            .version = self->work->version,
            .posted_at = (double)(self->posted_at ? self->posted_at : daemon_wall_ms()),
            .message_ids = {self->told, self->n_ids}};
        break;
    case JOB_DELETED:
        report.outcome.tag = API_OUTCOME_DELETED;
        break;
    case JOB_UNTRIED:
        report.outcome.tag = API_OUTCOME_UNTRIED;
        break;
    case JOB_DEAD:
        report.outcome.tag = API_OUTCOME_DEAD;
        report.outcome.as.dead.error = convex_str_of(error);
        break;
    case JOB_RETRY:
    case JOB_STOP:
        report.outcome.tag = API_OUTCOME_RETRY;
        report.outcome.as.retry = (api_outcome_retry){
            .error = convex_str_of(error), .retry_after_ms = (double)self->retry_after_ms};
        break;
    }
    return report;
}

/* ---- desk ---- */

int job_desk_new(const job_desk_options *options, job_desk **ret)
{
    job_desk *desk = calloc(1, sizeof *desk);
    if (!desk)
        return -ENOMEM;
    desk->options = *options;
    desk->last = &desk->first;
    int r = daemon_waker_new(options->loop, on_wake, desk, &desk->waker);
    if (r != 0) {
        free(desk);
        return r;
    }
    pthread_mutex_init(&desk->lock, NULL);
    *ret = desk;
    return 0;
}

void job_desk_set_user(job_desk *desk, const char *user_id)
{
    snprintf(desk->user_id, sizeof desk->user_id, "%s", user_id);
}

void job_desk_free(job_desk *desk)
{
    if (!desk)
        return;
    while (desk->marks) {
        channel_mark *mark = desk->marks;
        desk->marks = mark->next;
        free(mark);
    }
    while (desk->first) {
        answer *a = desk->first;
        desk->first = a->next;
        discord_result_unref(a->result);
        free(a);
    }
    daemon_waker_free(desk->waker);
    pthread_mutex_destroy(&desk->lock);
    free(desk);
}
