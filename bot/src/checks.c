/* checks.c - carries out what operators ask to be tried in a mirror channel.
 * Owns the queue's subscription and the check under way. Loop thread only.
 * Invariants: at most one check is under way, with at most one call out; each claimed check is
 * reported, or its lease ends. */
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "payload.h"
#include "permissions.h"

enum {
    RETRY_BASE_MS = 1000,
    RETRY_CAP_MS = 60000,
    UNKNOWN_CHANNEL = 10003,
    MISSING_ACCESS = 50001,
    MISSING_PERMISSION = 50013,
    NONCE_SIZE = 26
};

typedef enum step {
    GET_CHANNEL,
    GET_PARENT,
    GET_ROLES,
    GET_MEMBER,
    TEST_CREATE,
    TEST_READ,
    TEST_DELETE
} step;

struct checks {
    checks_options options;
    char our_id[24]; /* "": not known yet */
    daemon_timer *look_later;
    convex_sub *queue;
    double next_at; /* of the newest answer of checks:queue; 0: nothing waits */
    backoff backoff;
    bool released, calling, stopping;

    /* the check under way; NULL: none */
    const api_checks_claim_result *claimed;
    const api_check *check;
    step step;
    const discord_result *channel, *parent, *roles, *member; /* held */
    char message_id[24];
    int64_t began_ms;
    findings findings;
};

static void look(checks *self);
static void take_step(checks *self);

/* ---- the backend ---- */

static const convex_call_options at_commit = {.flags = CONVEX_AT_COMMIT};

static void later(checks *self)
{
    daemon_timer_set(self->look_later, backoff_next_ms(&self->backoff, 0));
}

/* Whether the call could be made. */
static bool called(checks *self, const char *function, convex_status status,
                   const convex_error *error)
{
    self->calling = status == CONVEX_OK;
    if (!self->calling) {
        daemon_log(DAEMON_ERROR, "cannot call the backend", "function=%s why=%s", function,
                   error->message[0] ? error->message : convex_status_text(status));
        later(self);
    }
    return self->calling;
}

/* Whether the answer is a failure. Without a result the client is being closed. */
static bool failed(checks *self, const char *function, const convex_failure *failure)
{
    self->calling = false;
    if (!failure)
        return false;
    if (failure->result) {
        daemon_log(DAEMON_ERROR, "the backend refused a call", "function=%s why=%s", function,
                   failure->message);
        later(self);
    }
    return true;
}

static void forget(checks *self)
{
    api_checks_claim_result_unref(self->claimed);
    discord_result_unref(self->channel);
    discord_result_unref(self->parent);
    discord_result_unref(self->roles);
    discord_result_unref(self->member);
    self->claimed = NULL;
    self->check = NULL;
    self->channel = self->parent = self->roles = self->member = NULL;
}

static void on_reported(const api_checks_report_result *value, const convex_failure *failure,
                        void *user)
{
    checks *self = user;
    if (failed(self, "checks:report", failure))
        return; /* its lease will end */
    backoff_reset(&self->backoff);
    look(self);
}

static void report(checks *self, bool passed)
{
    api_check_finding list[FINDINGS_MAX];
    convex_error error = {0};
    for (size_t i = 0; i < self->findings.count; i++) {
        const finding *f = &self->findings.list[i];
        list[i] = (api_check_finding){.code = convex_str_of(f->code),
                                      .detail = convex_str_of(f->detail),
                                      .instruction = convex_str_of(f->instruction)};
    }
    api_check_report one = {.check_id = self->check->check_id,
                            .fence = self->check->fence,
                            .passed = passed,
                            .findings = {list, self->findings.count}};
    api_checks_report_args args = {.instance = convex_str_of(self->options.instance),
                                   .results = {&one, 1}};
    daemon_log(DAEMON_INFO, "a check is done", "channel=%s passed=%s findings=%zu",
               self->check->channel_id.data, passed ? "yes" : "no", self->findings.count);
    called(self, "checks:report",
           api_checks_report_mutation(self->options.client, &args, &at_commit, on_reported, self,
                                      NULL, &error),
           &error);
    forget(self);
}

static void on_claimed(const api_checks_claim_result *value, const convex_failure *failure,
                       void *user)
{
    checks *self = user;
    if (failed(self, "checks:claim", failure) || self->stopping)
        return;
    if (value->checks.count == 0) /* due here and not yet there: clocks differ */
        return later(self);
    self->claimed = api_checks_claim_result_ref(value);
    self->check = &value->checks.items[0];
    self->findings.count = 0;
    self->message_id[0] = '\0';
    self->began_ms = daemon_monotonic_ms();
    self->step = self->check->kind == API_CHECK_KIND_TEST_POST ? TEST_CREATE : GET_CHANNEL;
    take_step(self);
}

static void claim(checks *self)
{
    api_checks_claim_args args = {.instance = convex_str_of(self->options.instance), .limit = 1};
    convex_error error = {0};
    called(self, "checks:claim",
           api_checks_claim_mutation(self->options.client, &args, &at_commit, on_claimed, self,
                                     NULL, &error),
           &error);
}

static void on_released(const api_checks_release_result *value, const convex_failure *failure,
                        void *user)
{
    checks *self = user;
    if (failed(self, "checks:release", failure))
        return;
    self->released = true;
    look(self);
}

static void release(checks *self)
{
    api_checks_release_args args = {.instance = convex_str_of(self->options.instance)};
    convex_error error = {0};
    called(self, "checks:release",
           api_checks_release_mutation(self->options.client, &args, &at_commit, on_released, self,
                                       NULL, &error),
           &error);
}

/* Acts on the newest answer of checks:queue: now, or when the first is due. */
static void look(checks *self)
{
    if (self->calling || self->check || self->stopping || !self->our_id[0])
        return;
    if (!self->released)
        return release(self);
    if (self->next_at <= 0)
        return;
    int64_t wait = (int64_t)self->next_at - daemon_wall_ms();
    if (wait <= 0)
        return claim(self);
    daemon_timer_set(self->look_later, wait);
}

static void on_look_due(void *user)
{
    look(user);
}

static void on_queue(const api_checks_queue_result *value, const convex_failure *failure,
                     void *user)
{
    checks *self = user;
    if (failure) {
        daemon_log(DAEMON_ERROR, "the backend does not say what to check", "why=%s",
                   failure->message);
        return;
    }
    self->next_at = value->next_at ? *value->next_at : 0;
    look(self);
}

/* ---- Discord ---- */

static const char *channel_id(const checks *self)
{
    return self->check->channel_id.data;
}

static const char *parent_id(const checks *self)
{
    const char *id =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(self->channel->json, "parent_id"));
    return id ? id : "";
}

static const char *instruction_of(const discord_error *error)
{
    switch (error->code) {
    case UNKNOWN_CHANNEL:
        return "The channel is gone, or its id is wrong: choose another mirror channel.";
    case MISSING_ACCESS:
        return "Invite the bot to the customers' guild and let its role see the channel.";
    case MISSING_PERMISSION:
        return "Run the check of permissions: it names the one that is missing.";
    default:
        return error->status == DISCORD_ENOTFOUND || error->status == DISCORD_EREJECTED
                   ? "Compare the ids of guild and channel with those in Discord (Developer Mode, "
                     "Copy ID)."
                   : "Try again in a minute; Discord's status page says whether it is down.";
    }
}

static const char *const doing[] = {[GET_CHANNEL] = "looking at the channel",
                                    [GET_PARENT] = "looking at the thread's channel",
                                    [GET_ROLES] = "reading the roles",
                                    [GET_MEMBER] = "looking at ourselves in the guild",
                                    [TEST_CREATE] = "posting",
                                    [TEST_READ] = "reading the post back",
                                    [TEST_DELETE] = "deleting the post"};

static void end_refused(checks *self, const discord_error *error)
{
    findings_add(&self->findings, "discord", instruction_of(error), "Discord refused %s: %.160s",
                 doing[self->step], error->message);
    /* What was posted must not stay. */
    if (self->step == TEST_READ) {
        self->step = TEST_DELETE;
        return take_step(self);
    }
    report(self, false);
}

static void end_permissions(checks *self)
{
    channel_facts facts = {.our_id = self->our_id,
                           .guild_id = self->check->guild_id.data,
                           .channel = self->channel->json,
                           .parent = self->parent ? self->parent->json : NULL,
                           .roles = self->roles->json,
                           .member = self->member->json,
                           .now_ms = daemon_wall_ms(),
                           .webhook = self->check->identity == API_POST_IDENTITY_WEBHOOK,
                           .role_ids = &self->check->role_ids};
    permissions_check(&facts, &self->findings);
    bool passed = self->findings.count == 0;
    if (passed)
        findings_add(&self->findings, "ok", "", "The bot has every permission that it needs here.");
    report(self, passed);
}

static void end_test(checks *self)
{
    bool passed = self->findings.count == 0;
    if (passed)
        findings_add(&self->findings, "ok", "", "Posted, read back and deleted in %" PRId64 " ms.",
                     daemon_monotonic_ms() - self->began_ms);
    report(self, passed);
}

static void on_created(checks *self, const discord_result *answer)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer->json, "id"));
    snprintf(self->message_id, sizeof self->message_id, "%s", id ? id : "");
    self->step = TEST_READ;
    take_step(self);
}

static void on_read(checks *self, const discord_result *answer)
{
    if (!payload_is_test_post(answer->json))
        findings_add(&self->findings, "text_changed",
                     "Look for another bot or an AutoMod rule in this guild that changes messages.",
                     "The post did not come back as it was written.");
    self->step = TEST_DELETE;
    take_step(self);
}

static void on_channel(checks *self, const discord_result *answer)
{
    self->channel = discord_result_ref(answer);
    self->step = is_thread(answer->json) ? GET_PARENT : GET_ROLES;
    take_step(self);
}

/* Keeps an answer for the end, and asks the next. */
static void keep(checks *self, const discord_result **place, const discord_result *answer,
                 step next)
{
    *place = discord_result_ref(answer);
    self->step = next;
    take_step(self);
}

static void on_answer(const discord_result *answer, void *user)
{
    checks *self = user;
    if (!self->check)
        return;
    if (answer->error.status == DISCORD_EAUTH || answer->error.status == DISCORD_ECLOSED)
        return forget(self); /* the program ends: the next life releases the lease */
    if (answer->error.status != DISCORD_OK)
        return end_refused(self, &answer->error);
    switch (self->step) {
    case GET_CHANNEL:
        return on_channel(self, answer);
    case GET_PARENT:
        return keep(self, &self->parent, answer, GET_ROLES);
    case GET_ROLES:
        return keep(self, &self->roles, answer, GET_MEMBER);
    case GET_MEMBER:
        self->member = discord_result_ref(answer);
        return end_permissions(self);
    case TEST_CREATE:
        return on_created(self, answer);
    case TEST_READ:
        return on_read(self, answer);
    case TEST_DELETE:
        return end_test(self);
    }
}

static discord_status post(checks *self, letter *l)
{
    char nonce[NONCE_SIZE];
    snprintf(nonce, sizeof nonce, "t%.12s.%.0f", self->check->check_id.data, self->check->fence);
    discord_message message = {.content = payload_test_post, .nonce = nonce};
    return discord_rest_create_message(self->options.rest, channel_id(self), &message, inbox_take,
                                       l);
}

static discord_status ask(checks *self, letter *l)
{
    discord_rest *rest = self->options.rest;
    const char *guild_id = self->check->guild_id.data;
    switch (self->step) {
    case GET_CHANNEL:
        return discord_rest_get_channel(rest, channel_id(self), inbox_take, l);
    case GET_PARENT:
        return discord_rest_get_channel(rest, parent_id(self), inbox_take, l);
    case GET_ROLES:
        return discord_rest_get_roles(rest, guild_id, inbox_take, l);
    case GET_MEMBER:
        return discord_rest_get_member(rest, guild_id, self->our_id, inbox_take, l);
    case TEST_CREATE:
        return post(self, l);
    case TEST_READ:
        return discord_rest_get_message(rest, channel_id(self), self->message_id, inbox_take, l);
    case TEST_DELETE:
        return discord_rest_delete_message(rest, channel_id(self), self->message_id,
                                           "test post of the signals mirror", inbox_take, l);
    }
    return DISCORD_EINVAL;
}

static void take_step(checks *self)
{
    letter *l = inbox_letter(self->options.inbox, on_answer, self);
    discord_status status = l ? ask(self, l) : DISCORD_ENOMEM;
    if (status == DISCORD_OK)
        return;
    letter_drop(l);
    discord_error error = {.status = status};
    snprintf(error.message, sizeof error.message, "%s", discord_status_text(status));
    if (status == DISCORD_EAUTH)
        forget(self);
    else
        end_refused(self, &error);
}

/* ---- lifetime ---- */

int checks_open(const checks_options *options, checks **ret)
{
    checks *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    self->backoff = (backoff)BACKOFF_INIT(RETRY_BASE_MS, RETRY_CAP_MS);
    int r = daemon_timer_new(options->loop, on_look_due, self, &self->look_later);
    if (r == 0 && api_checks_queue_subscribe(options->client, on_queue, NULL, self, &self->queue,
                                             NULL) != CONVEX_OK)
        r = -ENOMEM;
    if (r == 0)
        *ret = self;
    else
        checks_close(self);
    return r;
}

void checks_begin(checks *self, const char *our_user_id)
{
    snprintf(self->our_id, sizeof self->our_id, "%s", our_user_id);
    look(self);
}

void checks_stop(checks *self)
{
    self->stopping = true;
    daemon_timer_clear(self->look_later);
}

void checks_close(checks *self)
{
    if (!self)
        return;
    convex_sub_unref(self->queue);
    forget(self);
    daemon_timer_free(self->look_later);
    free(self);
}
