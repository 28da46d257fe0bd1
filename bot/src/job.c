/* job.c - one unit of work carried out against Discord.
 * Owns its parts, files and the ids of its posts. Loop thread only; answers come from the REST
 * thread through the inbox.
 * Invariant: at most one call of a job is under way, so its parts arrive in order. */
#include "job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "payload.h"

enum {
    NONCE_MEMORY_MS = 60000,  /* Discord forgets nonces after some minutes */
    FILES_PATIENCE_MS = 8000, /* a post at the head of its lane waits this long for its files */
    LOOK_PAGE = 100,
    TOO_LARGE_STATUS = 413
};

/* HOOK: the channel's webhook is asked for. UNARCHIVE: its thread is opened again, then the call
 * that found it archived is repeated. REPLACE: a post of a webhook that is gone is deleted by the
 * bot, so that it can be made again. UNDO: the parts made of a post that can never be whole are
 * taken back. CLEAR: of a post that is made again, as somebody deleted a part, all is deleted. */
typedef enum step {
    STEP_FILES,
    STEP_HOOK,
    STEP_LOOK,
    STEP_PARTS,
    STEP_UNARCHIVE,
    STEP_REPLACE,
    STEP_UNDO,
    STEP_CLEAR,
    STEP_DONE
} step;

struct job {
    job_desk *desk;
    const api_mirrors_claim_result *claimed; /* has the work */
    const api_work *work;
    double fence;
    step step, resume; /* resume: after UNARCHIVE */
    bool running;      /* job_run was called */
    bool rehooked, unarchived, closed, again;
    file_set *fetching; /* the set under way, not ours yet */
    daemon_timer *patience;
    char *late_notice; /* instead of the files that did not come in time, or are too large */
    file_set *files;
    discord_parts parts;
    char *embeds;
    char *kept; /* of the first part's files, once its edit has shown that some have to go */
    const discord_webhook *hook; /* borrowed from the desk's webhooks; NULL: as the bot */
    char hook_id[24];
    size_t part;      /* the next to create, edit or delete */
    char **ids;       /* ours, in order; known ones first */
    convex_str *told; /* the same, as a report has them */
    size_t n_ids, n_known;
    long long posted_at, retry_after_ms;
    int64_t claimed_ms;
    unsigned epoch; /* of the desk's posts, when it was claimed */
    char error[640];
};

struct job_desk {
    job_desk_options options;
    char user_id[24];
};

static void go_on(job *self);

static bool is_webhooks(const job *self)
{
    return self->work->identity == API_POST_IDENTITY_WEBHOOK;
}

static const char *channel_of(const job *self)
{
    return self->work->channel_id.data;
}

/* ---- outcome ---- */

static void finish(job *self, job_outcome outcome)
{
    self->step = STEP_DONE;
    self->running = false;
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

static void fail_local(job *self, job_outcome outcome, const char *why)
{
    self->retry_after_ms = 1000;
    snprintf(self->error, sizeof self->error, "%s", why);
    finish(self, outcome);
}

static bool is_too_large(const discord_error *error)
{
    return error->http_status == TOO_LARGE_STATUS || error->code == DISCORD_CODE_TOO_LARGE ||
           error->code == DISCORD_CODE_FILE_TOO_LARGE;
}

static bool is_hook_gone(const job *self, const discord_error *error)
{
    return is_webhooks(self) && (error->code == DISCORD_CODE_UNKNOWN_WEBHOOK ||
                                 error->code == DISCORD_CODE_BAD_WEBHOOK_TOKEN);
}

/* The same call again, in another way. Returns whether there is one. */
static bool mend(job *self, const discord_error *error)
{
    bool archived = error->code == DISCORD_CODE_THREAD_ARCHIVED;
    if (self->files && is_too_large(error)) {
        free(self->late_notice);
        self->late_notice = files_notice(&self->work->attachments, "too large for this server");
        file_set_free(self->files);
        self->files = NULL;
        discord_parts_done(&self->parts);
        convex_text_free(self->embeds, NULL);
        self->embeds = NULL;
        self->step = STEP_FILES;
    } else if (is_hook_gone(self, error) && !self->rehooked && self->step == STEP_PARTS) {
        self->rehooked = true;
        webhooks_forget(self->desk->options.webhooks, channel_of(self));
        self->resume = STEP_PARTS;
        self->step = STEP_HOOK;
    } else if (archived && !self->unarchived) {
        self->unarchived = true;
        self->resume = self->step;
        self->step = STEP_UNARCHIVE;
    } else {
        return false;
    }
    go_on(self);
    return true;
}

/* Of a post that is made again nothing else may stay. */
static void clear_away(job *self)
{
    self->part = 0;
    self->step = STEP_CLEAR;
    go_on(self);
}

static void fail(job *self, const discord_error *error)
{
    long attempts = (long)self->work->attempts;
    if (mend(self, error))
        return;
    payload_verdict verdict = payload_judge(error, attempts, &self->retry_after_ms);
    snprintf(self->error, sizeof self->error, "%s (status %d, code %d)", error->message,
             error->http_status, error->code);
    self->closed = verdict == PAYLOAD_CLOSED;
    if (verdict == PAYLOAD_DEAD)
        return give_up(self);
    if (verdict == PAYLOAD_GONE)
        snprintf(self->error, sizeof self->error, "somebody deleted the post");
    if (verdict == PAYLOAD_GONE && self->work->remade && self->n_ids > 1 &&
        self->step != STEP_CLEAR)
        return clear_away(self);
    finish(self, verdict == PAYLOAD_STOP   ? JOB_STOP
                 : verdict == PAYLOAD_GONE ? JOB_GONE
                                           : JOB_RETRY);
}

/* ---- the parts ---- */

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

/* ---- looking for what is there already ---- */

static const api_lane_posts *known_posts(const job *self)
{
    for (size_t i = 0; i < self->claimed->lanes.count; i++)
        if (strcmp(self->claimed->lanes.items[i].channel_id.data, channel_of(self)) == 0)
            return &self->claimed->lanes.items[i];
    return NULL;
}

/* Only newer ones: after what is known of it, or else as the backend says. */
static const char *look_after(const job *self)
{
    const char *after = self->work->after_message_id.data;
    return self->n_ids > 0 ? self->ids[self->n_ids - 1] : after && *after ? after : "1";
}

static bool is_part(const job *self, const cJSON *message, size_t part)
{
    const char *told = json_text(message, "nonce");
    char nonce[PAYLOAD_NONCE_SIZE];
    payload_nonce(self->work, part, nonce);
    if (told && *told)
        return strcmp(told, nonce) == 0;
    return payload_matches(self->work, message, self->parts.part[part], files_of(self, part, NULL),
                           is_last(self, part));
}

/* How many parts, from `from` on, are among the found as we would write them; in order. */
static size_t match(const job *self, const posts_found *found, size_t from, const cJSON **ret,
                    size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < found->count && n < max && from + n < self->parts.n; i++)
        if (is_part(self, found->list[i], from + n))
            ret[n++] = found->list[i];
    return n;
}

static bool adopt(job *self, const cJSON **list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *id = json_text(list[i], "id");
        if (!add_id(self, id))
            return false;
        posts_made(self->desk->options.posts, channel_of(self), id, self->work->mirror_id.data);
        self->posted_at = discord_id_time_ms(id);
    }
    if (n > 0)
        daemon_log(DAEMON_INFO, "found a post whose record was lost", "mirror=%s parts=%zu",
                   self->work->mirror_id.data, n);
    return true;
}

/* Parts that say what they should are adopted as they are. If they are not all there but others of
 * ours that belong to nobody are, those are ours with an older text: they are adopted in their
 * order and written anew. */
static void take_found(job *self, const cJSON *messages)
{
    const cJSON *list[POSTS_FOUND_MAX];
    posts_found found;
    posts_search search = {.channel_id = channel_of(self),
                           .mirror_id = self->work->mirror_id.data,
                           .epoch = self->epoch,
                           .our_id = self->desk->user_id,
                           .webhook_id = self->hook ? self->hook->id : NULL,
                           .after = look_after(self),
                           .known = known_posts(self)};
    bool edit = self->work->op == API_WORK_OP_EDIT;
    posts_find(self->desk->options.posts, &search, messages, &found);
    size_t missing = self->parts.n - self->n_ids;
    size_t n = match(self, &found, self->n_ids, list, POSTS_FOUND_MAX);
    bool exact = n == missing || n == found.count;
    if (!exact && !edit)
        for (n = 0; n < missing && n < found.count; n++)
            list[n] = found.list[n];
    if (!adopt(self, list, n))
        return fail_local(self, JOB_RETRY, "out of memory");
    if (cJSON_GetArraySize(messages) < LOOK_PAGE && found.count == n)
        posts_set_clean(self->desk->options.posts, channel_of(self));
    if (self->work->withdrawn && self->n_ids == 0) { /* it was never posted, and need not be */
        snprintf(self->error, sizeof self->error, "it was deleted before it was posted");
        return finish(self, JOB_GONE);
    }
    self->part = exact && !edit ? self->n_ids : 0; /* an edit still writes them all */
    self->step = STEP_PARTS;
    go_on(self);
}

/* A create may have happened already, and its nonce may be forgotten. */
static bool has_to_look(const job *self)
{
    double since = self->work->first_attempt_at;
    if (self->work->op == API_WORK_OP_POST)
        return self->work->uncertain ||
               (self->work->late && !posts_is_clean(self->desk->options.posts, channel_of(self)));
    return self->work->op == API_WORK_OP_EDIT && self->parts.n > self->n_known && since > 0 &&
           self->work->attempts > 0 &&
           (is_webhooks(self) || (double)daemon_wall_ms() - since > NONCE_MEMORY_MS);
}

/* ---- what came back ---- */

/* Which files a post has is known from the answer to its edit: it is edited once more when some of
 * them are no longer the source's. Returns as payload_kept_files(). */
static int find_kept(job *self, const cJSON *message)
{
    bool edited = self->part < self->parts.n && self->part < self->n_ids;
    if (!edited || self->part > 0 || self->work->attachments.count == 0)
        return 0;
    return payload_kept_files(self->work, message, &self->kept);
}

static void part_done(job *self, const discord_result *result)
{
    if (!self->kept) {
        if (find_kept(self, result->json) != 0)
            return fail_local(self, JOB_RETRY, "out of memory");
        if (self->kept)
            return go_on(self);
    }
    bool created = self->work->op != API_WORK_OP_DELETE && self->part >= self->n_ids;
    const char *id = json_text(result->json, "id");
    if (created && !add_id(self, id))
        return fail_local(self, JOB_RETRY, "Discord's answer has no message id");
    if (created)
        posts_made(self->desk->options.posts, channel_of(self), id, self->work->mirror_id.data);
    if (created) /* ./run bench pipeline tells from it what was waiting for Discord */
        daemon_log(DAEMON_DEBUG, "a message was created",
                   "channel=%s message=%s limited_ms=%" PRId64 " elapsed_ms=%" PRId64,
                   channel_of(self), id, result->limited_ms, result->elapsed_ms);
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

/* All parts of a webhook that is gone are deleted: it can be made again. */
static void replaced(job *self, const discord_error *error)
{
    if (error->status != DISCORD_OK) {
        payload_judge(error, (long)self->work->attempts, &self->retry_after_ms);
        self->closed = true;
        snprintf(self->error, sizeof self->error,
                 "the webhook that made the post was deleted, and the bot may not delete the post "
                 "to make it again: it needs Manage Messages (%s)",
                 error->message);
        return finish(self, JOB_RETRY);
    }
    if (++self->part < self->n_ids)
        return go_on(self);
    if (self->work->op == API_WORK_OP_DELETE)
        return finish(self, JOB_DELETED);
    self->again = true;
    snprintf(self->error, sizeof self->error, "the webhook that made the post was deleted");
    finish(self, JOB_GONE);
}

static void cleared(job *self, const discord_error *error)
{
    if (error->status != DISCORD_OK)
        return fail(self, error);
    if (++self->part < self->n_ids)
        return go_on(self);
    snprintf(self->error, sizeof self->error, "somebody deleted the post");
    finish(self, JOB_GONE);
}

static void unarchived(job *self, const discord_error *error)
{
    self->step = self->resume;
    if (error->status != DISCORD_OK)
        return fail(self, error);
    daemon_log(DAEMON_INFO, "opened an archived thread", "channel=%s", channel_of(self));
    go_on(self);
}

static void take_answer(job *self, const discord_result *result)
{
    if (self->step == STEP_UNDO)
        undone(self, &result->error);
    else if (self->step == STEP_REPLACE)
        replaced(self, &result->error);
    else if (self->step == STEP_CLEAR)
        cleared(self, &result->error);
    else if (self->step == STEP_UNARCHIVE)
        unarchived(self, &result->error);
    else if (result->error.status != DISCORD_OK)
        fail(self, &result->error);
    else if (self->step == STEP_LOOK)
        take_found(self, result->json);
    else
        part_done(self, result);
}

static void on_answer(const discord_result *result, void *user)
{
    take_answer(user, result);
}

/* The webhook itself is not held on to: another job may find it gone. */
static void on_hook(const discord_webhook *hook, const discord_error *error, void *user)
{
    job *self = user;
    self->hook = hook;
    if (hook)
        snprintf(self->hook_id, sizeof self->hook_id, "%s", hook->id);
    if (!hook && error->code == DISCORD_CODE_UNKNOWN_WEBHOOK && self->n_known > 0) {
        self->part = 0;
        self->step = STEP_REPLACE;
        return go_on(self);
    }
    if (!hook)
        return fail(self, error);
    self->step = self->resume == STEP_PARTS ? STEP_PARTS
                 : has_to_look(self)        ? STEP_LOOK
                                            : STEP_PARTS;
    go_on(self);
}

/* ---- calls ---- */

static discord_status look_for_post(job *self, letter *l)
{
    discord_page page = {.limit = LOOK_PAGE, .after = look_after(self)};
    return discord_rest_get_messages(self->desk->options.rest, channel_of(self), &page, inbox_take,
                                     l);
}

static discord_status edit_part(job *self, discord_message *message, letter *l)
{
    discord_rest *rest = self->desk->options.rest;
    const char *id = self->ids[self->part];
    if (!is_last(self, self->part))
        message->embeds_json = "[]";
    if (self->work->attachments.count == 0)
        message->attachments_json = "[]";
    else if (self->part == 0)
        message->attachments_json = self->kept;
    if (self->hook)
        return discord_rest_edit_webhook_message(rest, self->hook, id, message, inbox_take, l);
    return discord_rest_edit_message(rest, channel_of(self), id, message, inbox_take, l);
}

static discord_status create_by_webhook(job *self, const discord_message *message, letter *l)
{
    const char *avatar = self->work->author.avatar_url.data;
    char name[PAYLOAD_NAME_SIZE];
    payload_name(self->work->author.name.data, name);
    discord_webhook_message m = {.message = *message, .username = name};
    if (avatar && strncmp(avatar, "http", 4) == 0)
        m.avatar_url = avatar;
    return discord_rest_execute_webhook(self->desk->options.rest, self->hook, &m, inbox_take, l);
}

static discord_status create_part(job *self, discord_message *message, letter *l)
{
    const char *reply_to = self->work->reply_to_message_id.data;
    char nonce[PAYLOAD_NONCE_SIZE];
    message->n_files = files_of(self, self->part, &message->files);
    if (self->hook)
        return create_by_webhook(self, message, l);
    payload_nonce(self->work, self->part, nonce);
    message->nonce = nonce;
    if (self->part == 0 && reply_to && *reply_to)
        message->reply_to_id = reply_to;
    return discord_rest_create_message(self->desk->options.rest, channel_of(self), message,
                                       inbox_take, l);
}

static discord_status send_part(job *self, letter *l)
{
    discord_message message = {.content = self->parts.part[self->part]};
    if (is_last(self, self->part))
        message.embeds_json = self->embeds;
    return self->part < self->n_ids ? edit_part(self, &message, l) : create_part(self, &message, l);
}

static discord_status delete_message(job *self, const char *id, bool as_bot, letter *l)
{
    discord_rest *rest = self->desk->options.rest;
    if (self->hook && !as_bot)
        return discord_rest_delete_webhook_message(rest, self->hook, id, inbox_take, l);
    return discord_rest_delete_message(rest, channel_of(self), id, NULL, inbox_take, l);
}

/* The parts first, then what an edit or delete leaves over. */
static discord_status send_next(job *self, letter *l)
{
    switch (self->step) {
    case STEP_LOOK:
        return look_for_post(self, l);
    case STEP_UNDO:
        return delete_message(self, self->ids[self->n_ids - 1], false, l);
    case STEP_REPLACE:
        return delete_message(self, self->ids[self->part], true, l);
    case STEP_CLEAR:
        return delete_message(self, self->ids[self->part], false, l);
    case STEP_UNARCHIVE:
        return discord_rest_unarchive_thread(self->desk->options.rest, channel_of(self),
                                             "a signal in it has changed", inbox_take, l);
    default:
        return self->part < self->parts.n ? send_part(self, l)
                                          : delete_message(self, self->ids[self->part], false, l);
    }
}

static void call_failed(job *self, discord_status status)
{
    discord_error error = {.status = status};
    snprintf(error.message, sizeof error.message, "%s", discord_status_text(status));
    if (self->step == STEP_UNDO)
        undone(self, &error);
    else if (self->step == STEP_REPLACE)
        replaced(self, &error);
    else if (self->step == STEP_CLEAR)
        cleared(self, &error);
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

static void forget_surplus_ids(job *self)
{
    while (self->work->op != API_WORK_OP_DELETE && self->n_ids > self->parts.n)
        free(self->ids[--self->n_ids]);
}

/* After its files came: what it says is known. Returns whether it goes on. */
static bool begin(job *self)
{
    int r = prepare(self);
    if (r != 0) {
        fail_local(self, r == -ENODATA ? JOB_DEAD : JOB_RETRY,
                   r == -ENODATA ? "there is nothing in it to post" : strerror(-r));
        return false;
    }
    if (is_webhooks(self) && !self->hook)
        self->step = STEP_HOOK;
    else
        self->step = self->n_ids == self->n_known && has_to_look(self) ? STEP_LOOK : STEP_PARTS;
    return true;
}

static void ask_for_hook(job *self)
{
    const char *id = self->work->webhook_id.data;
    self->hook = NULL;
    webhooks_get(self->desk->options.webhooks, channel_of(self),
                 self->n_known > 0 && id && *id ? id : NULL, on_hook, self);
}

static void go_on(job *self)
{
    if (self->step == STEP_FILES && (self->fetching || !begin(self)))
        return;
    if (self->step == STEP_HOOK)
        return ask_for_hook(self);
    if (self->step == STEP_PARTS && self->part >= self->parts.n && self->part >= self->n_ids) {
        forget_surplus_ids(self);
        return finish(self, self->work->op == API_WORK_OP_DELETE ? JOB_DELETED : JOB_POSTED);
    }
    letter *l = inbox_letter(self->desk->options.inbox, on_answer, self);
    discord_status status = l ? send_next(self, l) : DISCORD_ENOMEM;
    if (status == DISCORD_OK)
        return;
    letter_drop(l);
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
    self->claimed_ms = daemon_monotonic_ms();
    self->epoch = posts_epoch(desk->options.posts);
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
    free(self->kept);
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

bool job_is_closed(const job *self)
{
    return self->closed;
}

int64_t job_age_ms(const job *self)
{
    return daemon_monotonic_ms() - self->claimed_ms;
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
        if (*self->hook_id)
            report.outcome.as.posted.webhook_id = convex_str_of(self->hook_id);
        break;
    case JOB_GONE:
        report.outcome.tag = API_OUTCOME_GONE;
        report.outcome.as.gone =
            (api_outcome_gone){.error = convex_str_of(error), .again = self->again};
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
    *ret = desk;
    return 0;
}

void job_desk_set_user(job_desk *desk, const char *user_id)
{
    snprintf(desk->user_id, sizeof desk->user_id, "%s", user_id);
}

void job_desk_free(job_desk *desk)
{
    free(desk);
}
