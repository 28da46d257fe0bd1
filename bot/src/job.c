/* job.c - one unit of work carried out against Discord.
 * Owns its parts, files and the ids of its posts. Loop thread only; answers come from the REST
 * thread through the desk's inbox.
 * Invariant: at most one call of a job is under way, so its parts arrive in order. */
#include "job.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "payload.h"

enum {
    LOOK_BACK_MS = 15000, /* clocks differ */
    LOOK_PAGE = 100,
    NONCE_MAX = 26,
    DISCORD_EPOCH_SHIFT = 22
};

static const long long discord_epoch_ms = 1420070400000;

typedef enum step { STEP_FILES, STEP_LOOK, STEP_PARTS, STEP_DONE } step;

struct job {
    job_desk *desk;
    job *next_abandoned;
    convex_value *work;
    char op; /* 'p', 'e', 'd' */
    double fence;
    step step;
    bool running; /* job_run was called */
    bool files_pending;
    bool abandoned; /* freed while its files are under way: they free it */
    file_set *files;
    discord_parts parts;
    char *embeds;
    size_t part; /* the next to create, edit or delete */
    char **ids;  /* ours, in order; known ones first */
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

struct job_desk {
    job_desk_options options;
    daemon_waker *waker;
    pthread_mutex_t lock;
    answer *first, **last;
    char user_id[24];
    job *abandoned;
};

static void go_on(job *self);

/* ---- outcome ---- */

static void finish(job *self, job_outcome outcome)
{
    self->step = STEP_DONE;
    self->running = false;
    self->desk->options.done(self, outcome, self->desk->options.user);
}

static void fail(job *self, const discord_error *error)
{
    static const job_outcome outcomes[] = {
        [PAYLOAD_RETRY] = JOB_RETRY, [PAYLOAD_DEAD] = JOB_DEAD, [PAYLOAD_STOP] = JOB_STOP};
    long attempts = (long)payload_number(self->work, "attempts", 0);
    payload_verdict verdict = payload_judge(error, attempts, &self->retry_after_ms);
    snprintf(self->error, sizeof self->error, "%s (status %d, code %d)", error->message,
             error->http_status, error->code);
    finish(self, outcomes[verdict]);
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
    if (!grown) {
        free(copy);
        return false;
    }
    self->ids = grown;
    self->ids[self->n_ids++] = copy;
    return true;
}

static const char *json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Is `message` the post that this job made in an earlier life? */
static bool is_our_post(const job *self, const cJSON *message, size_t part)
{
    const char *author = json_text(cJSON_GetObjectItemCaseSensitive(message, "author"), "id");
    const char *content = json_text(message, "content");
    return author && strcmp(author, self->desk->user_id) == 0 && content &&
           strcmp(content, self->parts.part[part]) == 0;
}

/* Discord lists the newest first: walk backwards, so that parts are found in order. */
static void adopt(job *self, const cJSON *list)
{
    for (int i = cJSON_GetArraySize(list) - 1; i >= 0 && self->n_ids < self->parts.n; i--) {
        const cJSON *message = cJSON_GetArrayItem(list, i);
        if (is_our_post(self, message, self->n_ids) && !add_id(self, json_text(message, "id")))
            return fail_local(self, JOB_RETRY, "out of memory");
    }
    if (self->n_ids > 0)
        daemon_log(DAEMON_INFO, "found a post whose outcome was unknown", "mirror=%s parts=%zu",
                   payload_text(self->work, "mirrorId"), self->n_ids);
    self->part = self->n_ids;
    self->step = STEP_PARTS;
    go_on(self);
}

static void part_done(job *self, const discord_result *result)
{
    bool created = self->op != 'd' && self->part >= self->n_known;
    if (created && !add_id(self, json_text(result->json, "id")))
        return fail_local(self, JOB_RETRY, "Discord's answer has no message id");
    self->posted_at = daemon_wall_ms();
    self->part++;
    go_on(self);
}

static void take_answer(job *self, const discord_result *result)
{
    if (result->error.status != DISCORD_OK)
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

static void look_for_post(job *self, answer *a)
{
    char after[24];
    discord_page page = {.limit = LOOK_PAGE, .after = after};
    long long since = (long long)payload_number(self->work, "firstAttemptAt", 0) - LOOK_BACK_MS;
    long long id = since > discord_epoch_ms ? (since - discord_epoch_ms) << DISCORD_EPOCH_SHIFT : 0;
    snprintf(after, sizeof after, "%lld", id);
    discord_status status = discord_rest_get_messages(
        self->desk->options.rest, payload_text(self->work, "channelId"), &page, on_answer, a);
    if (status != DISCORD_OK) {
        free(a);
        fail_local(self, status == DISCORD_EAUTH ? JOB_STOP : JOB_RETRY,
                   discord_status_text(status));
    }
}

static discord_status send_text(job *self, answer *a)
{
    discord_rest *rest = self->desk->options.rest;
    const char *channel = payload_text(self->work, "channelId");
    const char *reply_to = payload_text(self->work, "replyToMessageId");
    bool last = self->part + 1 == self->parts.n, known = self->part < self->n_known;
    char nonce[NONCE_MAX];
    discord_message message = {.content = self->parts.part[self->part]};
    if (last)
        message.embeds_json = self->embeds;
    else if (known)
        message.embeds_json = "[]";
    if (known)
        return discord_rest_edit_message(rest, channel, self->ids[self->part], &message, on_answer,
                                         a);
    snprintf(nonce, sizeof nonce, "%.20s.%zu", payload_text(self->work, "nonce"), self->part);
    message.nonce = nonce;
    if (self->part == 0 && *reply_to)
        message.reply_to_id = reply_to;
    if (last && self->files)
        message.files = file_set_files(self->files, &message.n_files);
    return discord_rest_create_message(rest, channel, &message, on_answer, a);
}

/* The parts first, then what an edit or delete leaves over. */
static void next_part(job *self, answer *a)
{
    discord_status status =
        self->part < self->parts.n
            ? send_text(self, a)
            : discord_rest_delete_message(self->desk->options.rest,
                                          payload_text(self->work, "channelId"),
                                          self->ids[self->part], NULL, on_answer, a);
    if (status == DISCORD_OK)
        return;
    free(a);
    fail_local(self,
               status == DISCORD_EAUTH    ? JOB_STOP
               : status == DISCORD_EINVAL ? JOB_DEAD
                                          : JOB_RETRY,
               discord_status_text(status));
}

static int prepare(job *self)
{
    if (self->op == 'd')
        return 0;
    int r =
        payload_parts(self->work, self->files ? file_set_notice(self->files) : NULL, &self->parts);
    if (r == 0)
        r = payload_embeds(self->work, &self->embeds);
    return r;
}

static void forget_surplus_ids(job *self)
{
    while (self->op != 'd' && self->n_ids > self->parts.n)
        free(self->ids[--self->n_ids]);
}

static void go_on(job *self)
{
    if (self->step == STEP_FILES) {
        if (self->files_pending)
            return;
        int r = prepare(self);
        if (r != 0)
            return fail_local(self, r == -ENODATA ? JOB_DEAD : JOB_RETRY,
                              r == -ENODATA ? "there is nothing in it to post" : strerror(-r));
        bool uncertain = false;
        convex_value_bool(convex_value_field(self->work, "uncertain"), &uncertain);
        self->step = self->op == 'p' && uncertain ? STEP_LOOK : STEP_PARTS;
    }
    if (self->step == STEP_PARTS && self->part >= self->parts.n && self->part >= self->n_known) {
        forget_surplus_ids(self);
        return finish(self, self->op == 'd' ? JOB_DELETED : JOB_POSTED);
    }
    answer *a = calloc(1, sizeof *a);
    if (!a)
        return fail_local(self, JOB_RETRY, "out of memory");
    a->job = self;
    if (self->step == STEP_LOOK)
        look_for_post(self, a);
    else
        next_part(self, a);
}

static void on_files(file_set *set, void *user)
{
    job *self = user;
    self->files = set;
    self->files_pending = false;
    if (self->abandoned) {
        job **link = &self->desk->abandoned;
        while (*link != self)
            link = &(*link)->next_abandoned;
        *link = self->next_abandoned;
        return job_free(self);
    }
    if (self->running)
        go_on(self);
}

void job_run(job *self)
{
    self->running = true;
    go_on(self);
}

/* ---- lifetime ---- */

static int read_ids(job *self)
{
    const convex_value *ids = convex_value_field(self->work, "messageIds");
    for (size_t i = 0; i < convex_value_count(ids); i++)
        if (!add_id(self, convex_value_string(convex_value_at(ids, i), NULL)))
            return -ENOMEM;
    self->n_known = self->n_ids;
    return 0;
}

job *job_new(job_desk *desk, const convex_value *work)
{
    job *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->desk = desk;
    self->work = convex_value_ref(work);
    self->op = *payload_text(work, "op");
    self->fence = payload_number(work, "fence", 0);
    const convex_value *attachments = convex_value_field(work, "attachments");
    int r = read_ids(self);
    if (r == 0 && self->op == 'p' && convex_value_count(attachments) > 0) {
        r = files_fetch(desk->options.files, attachments, on_files, self);
        self->files_pending = r == 0;
    }
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
    if (self->files_pending) {
        self->abandoned = true;
        self->next_abandoned = self->desk->abandoned;
        self->desk->abandoned = self;
        return;
    }
    for (size_t i = 0; i < self->n_ids; i++)
        free(self->ids[i]);
    free(self->ids);
    file_set_free(self->files);
    discord_parts_done(&self->parts);
    convex_text_free(self->embeds, NULL);
    convex_value_unref(self->work);
    free(self);
}

const convex_value *job_work(const job *self)
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
    if (self->op != 'p' || self->posted_at == 0)
        return false;
    *ret_ms = (double)self->posted_at - payload_number(self->work, "sourceAt", 0);
    return true;
}

/* ---- report ---- */

static void put_text(convex_builder *b, const char *key, const char *text)
{
    convex_builder_key(b, key);
    convex_builder_cstring(b, text);
}

static void write_posted(const job *self, convex_builder *b)
{
    put_text(b, "type", "posted");
    put_text(b, "version", payload_text(self->work, "version"));
    convex_builder_key(b, "postedAt");
    convex_builder_float64(b, (double)(self->posted_at ? self->posted_at : daemon_wall_ms()));
    convex_builder_key(b, "messageIds");
    convex_builder_begin_array(b);
    for (size_t i = 0; i < self->n_ids; i++)
        convex_builder_cstring(b, self->ids[i]);
    convex_builder_end(b);
}

static void write_failed(const job *self, job_outcome outcome, convex_builder *b)
{
    put_text(b, "type", outcome == JOB_DEAD ? "dead" : "retry");
    put_text(b, "error", self->error);
    if (outcome == JOB_DEAD)
        return;
    convex_builder_key(b, "retryAfterMs");
    convex_builder_float64(b, (double)self->retry_after_ms);
}

void job_write_report(const job *self, job_outcome outcome, convex_builder *b)
{
    convex_builder_begin_object(b);
    put_text(b, "mirrorId", payload_text(self->work, "mirrorId"));
    convex_builder_key(b, "fence");
    convex_builder_float64(b, self->fence);
    convex_builder_key(b, "outcome");
    convex_builder_begin_object(b);
    if (outcome == JOB_POSTED)
        write_posted(self, b);
    else if (outcome == JOB_DELETED)
        put_text(b, "type", "deleted");
    else
        write_failed(self, outcome, b);
    convex_builder_end(b);
    convex_builder_end(b);
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
    while (desk->abandoned) {
        job *j = desk->abandoned;
        desk->abandoned = j->next_abandoned;
        j->files_pending = false;
        job_free(j);
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
