/* listener.c - what happens in the customers' guilds.
 * Owns the gateway, and what it told until the loop has taken it, under `lock`. The callbacks of
 * the options are called on the loop thread only. */
#include "listener.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "discord/gateway.h"

enum { NEWS_MAX = 1024, DISALLOWED_INTENTS = 4014 };

typedef struct news {
    bool joined;            /* else deleted */
    char where[24], id[24]; /* guild and user, or channel and message */
} news;

struct listener {
    listener_options options;
    daemon_waker *waker;
    discord_gateway *gateway;
    pthread_mutex_t lock; /* of what follows */
    news *list;           /* NEWS_MAX of them, of which: */
    size_t count;
    bool refused; /* who joins is not for us to see */
    bool session; /* one began */
};

/* ---- the gateway's thread ---- */

static void tell(listener *self, bool joined, const char *where, const char *id)
{
    pthread_mutex_lock(&self->lock);
    if (self->count < NEWS_MAX) {
        news *to = &self->list[self->count++];
        to->joined = joined;
        snprintf(to->where, sizeof to->where, "%s", where);
        snprintf(to->id, sizeof to->id, "%s", id);
    }
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void take_deleted(listener *self, const cJSON *data, const cJSON *id)
{
    const char *channel = text_of(data, "channel_id");
    if (channel && cJSON_IsString(id))
        tell(self, false, channel, id->valuestring);
}

static void on_event(const discord_event *event, void *user)
{
    listener *self = user;
    const cJSON *data = event->data, *id;
    const char *guild = text_of(data, "guild_id");
    const char *member = text_of(cJSON_GetObjectItemCaseSensitive(data, "user"), "id");
    if (strcmp(event->name, "GUILD_MEMBER_ADD") == 0 && guild && member)
        tell(self, true, guild, member);
    else if (strcmp(event->name, "MESSAGE_DELETE") == 0)
        take_deleted(self, data, cJSON_GetObjectItemCaseSensitive(data, "id"));
    else if (strcmp(event->name, "MESSAGE_DELETE_BULK") == 0)
        cJSON_ArrayForEach(id, cJSON_GetObjectItemCaseSensitive(data, "ids"))
            take_deleted(self, data, id);
}

static void on_gateway(const discord_gateway_status *status, void *user)
{
    listener *self = user;
    if (status->state == DISCORD_GATEWAY_READY)
        daemon_log(DAEMON_INFO, "watching who joins and what is deleted", NULL);
    pthread_mutex_lock(&self->lock);
    self->session = self->session || status->state == DISCORD_GATEWAY_READY;
    if (status->state == DISCORD_GATEWAY_FATAL)
        self->refused = status->close_code == DISALLOWED_INTENTS;
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
    if (status->state != DISCORD_GATEWAY_FATAL)
        return;
    daemon_log(DAEMON_WARN, "the gateway refused us", "why=%s", status->reason);
}

/* ---- the loop's side ---- */

static int open_gateway(listener *self)
{
    discord_gateway_options options = DISCORD_GATEWAY_OPTIONS_INIT;
    discord_error error = {0};
    options.token = self->options.token;
    options.intents = DISCORD_INTENT_GUILDS | DISCORD_INTENT_GUILD_MESSAGES |
                      (self->options.members ? (unsigned)DISCORD_INTENT_GUILD_MEMBERS : 0);
    options.rest = self->options.rest;
    options.on_event = on_event;
    options.on_state = on_gateway;
    options.user = self;
    return discord_gateway_new(&options, &self->gateway, &error) == DISCORD_OK ? 0 : -ENOMEM;
}

/* Deletions can still be seen. */
static void go_on_without_members(listener *self)
{
    daemon_log(DAEMON_WARN, "who joins is found by the timer only",
               "why=the bot needs the Server Members Intent");
    discord_gateway_free(self->gateway);
    self->gateway = NULL;
    self->options.members = false;
    if (open_gateway(self) == 0)
        listener_begin(self);
}

static void on_wake(void *user)
{
    listener *self = user;
    news taken;
    for (;;) {
        pthread_mutex_lock(&self->lock);
        bool any = self->count > 0;
        if (any) {
            taken = self->list[0];
            memmove(self->list, self->list + 1, --self->count * sizeof *self->list);
        }
        bool refused = !any && self->refused;
        bool session = !any && self->session;
        self->refused = self->refused && !refused;
        self->session = self->session && !session;
        pthread_mutex_unlock(&self->lock);
        if (refused && self->gateway && self->options.members)
            go_on_without_members(self);
        if (session)
            self->options.on_session(self->options.user);
        if (!any)
            return;
        if (taken.joined)
            self->options.on_joined(taken.where, taken.id, self->options.user);
        else
            self->options.on_deleted(taken.where, taken.id, self->options.user);
    }
}

void listener_begin(listener *self)
{
    if (!self->gateway || discord_gateway_start(self->gateway) != DISCORD_OK)
        daemon_log(DAEMON_ERROR, "cannot watch who joins and what is deleted", "why=out of memory");
}

int listener_open(const listener_options *options, listener **ret)
{
    listener *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    pthread_mutex_init(&self->lock, NULL);
    self->list = calloc(NEWS_MAX, sizeof *self->list);
    int r = self->list ? daemon_waker_new(options->loop, on_wake, self, &self->waker) : -ENOMEM;
    if (r == 0)
        r = open_gateway(self);
    if (r == 0)
        *ret = self;
    else
        listener_close(self);
    return r;
}

void listener_stop(listener *self)
{
    if (!self)
        return;
    discord_gateway_free(self->gateway);
    self->gateway = NULL;
}

void listener_close(listener *self)
{
    if (!self)
        return;
    listener_stop(self);
    daemon_waker_free(self->waker);
    free(self->list);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
