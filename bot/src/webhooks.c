/* webhooks.c - our own webhooks of the mirror channels, each found or made once.
 * Owns what is known of each channel and who waits for it. Loop thread only.
 * Invariant: at most one call of a channel is under way; who asks meanwhile waits for it. No token
 * is ever logged. */
#include "webhooks.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "permissions.h"

enum { HOOKS_MAX = 15, TOKEN_SIZE = 100 };

static const char our_name[] = "Signals mirror";

typedef struct hook {
    char id[24], token[TOKEN_SIZE];
    discord_webhook public;
} hook;

typedef struct asker {
    struct asker *next;
    char id[24]; /* "": any */
    webhooks_done_fn *done;
    void *user;
} asker;

typedef enum step { IDLE, ASK_CHANNEL, ASK_HOOKS, MAKE } step;

typedef struct place {
    struct place *next;
    webhooks *owner;
    char channel_id[24];
    char base_id[24];   /* the channel that has the webhooks; "": not known yet */
    char thread_id[24]; /* "": it is no thread */
    hook hooks[HOOKS_MAX];
    size_t count;
    bool known; /* hooks are Discord's answer, and none was reported gone since */
    step step;
    asker *askers;
} place;

struct webhooks {
    discord_rest *rest;
    inbox *inbox;
    char our_id[24];
    place *places;
};

static void take_step(place *p);

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

static place *place_of(webhooks *self, const char *channel_id)
{
    for (place *p = self->places; p; p = p->next)
        if (strcmp(p->channel_id, channel_id) == 0)
            return p;
    place *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->owner = self;
    snprintf(p->channel_id, sizeof p->channel_id, "%s", channel_id);
    p->next = self->places;
    self->places = p;
    return p;
}

static const discord_webhook *find(const place *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (!*id || strcmp(p->hooks[i].id, id) == 0)
            return &p->hooks[i].public;
    return NULL;
}

static void answer_all(place *p, const discord_error *error)
{
    static const discord_error gone = {.status = DISCORD_ENOTFOUND,
                                       .code = DISCORD_CODE_UNKNOWN_WEBHOOK,
                                       .message = "the webhook that made the post was deleted"};
    asker *list = p->askers;
    p->askers = NULL;
    p->step = IDLE;
    for (asker *a = list, *next; a; a = next) {
        next = a->next;
        const discord_webhook *found = error ? NULL : find(p, a->id);
        a->done(found, found ? NULL : error ? error : &gone, a->user);
        free(a);
    }
}

static bool any_wants_one(const place *p)
{
    for (const asker *a = p->askers; a; a = a->next)
        if (!*a->id)
            return true;
    return false;
}

static void add_hook(place *p, const cJSON *webhook)
{
    const char *token = text_of(webhook, "token");
    if (!*token || strlen(token) >= TOKEN_SIZE || p->count == HOOKS_MAX)
        return;
    hook *h = &p->hooks[p->count++];
    snprintf(h->id, sizeof h->id, "%s", text_of(webhook, "id"));
    snprintf(h->token, sizeof h->token, "%s", token);
    h->public = (discord_webhook){
        .id = h->id, .token = h->token, .thread_id = *p->thread_id ? p->thread_id : NULL};
}

static void take_channel(place *p, const cJSON *channel)
{
    bool thread = is_thread(channel);
    snprintf(p->base_id, sizeof p->base_id, "%s",
             thread ? text_of(channel, "parent_id") : p->channel_id);
    if (thread)
        snprintf(p->thread_id, sizeof p->thread_id, "%s", p->channel_id);
    p->step = ASK_HOOKS;
    take_step(p);
}

static void take_hooks(place *p, const cJSON *list)
{
    const cJSON *webhook;
    p->count = 0;
    cJSON_ArrayForEach(webhook, list)
    {
        const cJSON *maker = cJSON_GetObjectItemCaseSensitive(webhook, "user");
        if (strcmp(text_of(maker, "id"), p->owner->our_id) == 0 &&
            strcmp(text_of(webhook, "name"), our_name) == 0)
            add_hook(p, webhook);
    }
    p->known = true;
    if (p->count > 0 || !any_wants_one(p))
        return answer_all(p, NULL);
    p->step = MAKE;
    take_step(p);
}

static void take_made(place *p, const cJSON *webhook)
{
    add_hook(p, webhook);
    daemon_log(DAEMON_INFO, "made a webhook", "channel=%s", p->base_id);
    answer_all(p, NULL);
}

static void on_answer(const discord_result *result, void *user)
{
    place *p = user;
    if (result->error.status != DISCORD_OK)
        return answer_all(p, &result->error);
    switch (p->step) {
    case ASK_CHANNEL:
        return take_channel(p, result->json);
    case ASK_HOOKS:
        return take_hooks(p, result->json);
    case MAKE:
        return take_made(p, result->json);
    case IDLE:
        return;
    }
}

static discord_status ask(place *p, letter *l)
{
    discord_rest *rest = p->owner->rest;
    switch (p->step) {
    case ASK_CHANNEL:
        return discord_rest_get_channel(rest, p->channel_id, inbox_take, l);
    case ASK_HOOKS:
        return discord_rest_get_channel_webhooks(rest, p->base_id, inbox_take, l);
    case MAKE:
        return discord_rest_create_webhook(
            rest, p->base_id, our_name, "posts signals under their authors' names", inbox_take, l);
    case IDLE:
        break;
    }
    return DISCORD_EINVAL;
}

static void take_step(place *p)
{
    letter *l = inbox_letter(p->owner->inbox, on_answer, p);
    discord_status status = l ? ask(p, l) : DISCORD_ENOMEM;
    if (status == DISCORD_OK)
        return;
    letter_drop(l);
    discord_error error = {.status = status};
    snprintf(error.message, sizeof error.message, "%s", discord_status_text(status));
    answer_all(p, &error);
}

void webhooks_get(webhooks *self, const char *channel_id, const char *id, webhooks_done_fn *done,
                  void *user)
{
    static const discord_error no_memory = {.status = DISCORD_ENOMEM, .message = "out of memory"};
    place *p = place_of(self, channel_id);
    asker *a = p ? calloc(1, sizeof *a) : NULL;
    if (!a)
        return done(NULL, &no_memory, user);
    if (p->known && find(p, id ? id : "")) {
        free(a);
        return done(find(p, id ? id : ""), NULL, user);
    }
    *a = (asker){.next = p->askers, .done = done, .user = user};
    snprintf(a->id, sizeof a->id, "%s", id ? id : "");
    p->askers = a;
    if (p->step != IDLE)
        return;
    p->step = *p->base_id ? ASK_HOOKS : ASK_CHANNEL;
    take_step(p);
}

void webhooks_forget(webhooks *self, const char *channel_id)
{
    place *p = place_of(self, channel_id);
    if (p)
        p->known = false;
}

webhooks *webhooks_new(discord_rest *rest, inbox *answers)
{
    webhooks *self = calloc(1, sizeof *self);
    if (self)
        *self = (webhooks){.rest = rest, .inbox = answers};
    return self;
}

void webhooks_set_user(webhooks *self, const char *our_user_id)
{
    snprintf(self->our_id, sizeof self->our_id, "%s", our_user_id);
}

void webhooks_free(webhooks *self)
{
    if (!self)
        return;
    while (self->places) {
        place *p = self->places;
        self->places = p->next;
        while (p->askers) {
            asker *a = p->askers;
            p->askers = a->next;
            free(a);
        }
        explicit_bzero(p->hooks, sizeof p->hooks);
        free(p);
    }
    free(self);
}
