/* sources.c - says of each captured channel whether the bot may read it.
 * Owns the list of channels with what is known of each, and the one request under way. Loop thread
 * only; answers come from the REST thread and news from the gateway's, both through `lock`.
 * Invariants: one request or call is under way at most; what a guild answered serves only the
 * channels that are looked at in the same sweep; a channel is asked for only where what it permits
 * is not known from an answer or an event. */
#include "sources.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "discord/permissions.h"

enum {
    SETTLE_MS = 500, /* several events of one change */
    EVERY_MS = 15 * 60 * 1000,
    AGAIN_MIN_MS = 5000,
    AGAIN_MAX_MS = 5 * 60 * 1000,
    NEWS_MAX = 256, /* more at once: all is asked for again */
    MISSING_ACCESS = 50001
};

static const uint64_t VIEW_CHANNEL = UINT64_C(1) << 10, READ_HISTORY = UINT64_C(1) << 16;

typedef struct source {
    char guild_id[24], channel_id[24];
    int64_t due_at_ms; /* monotonic */
    bool soon;         /* for an event: what is known of it holds */
    int64_t again_ms;  /* after this, as long as it cannot be read */
    char told[32];     /* the code of what was told last; "": nothing */
    cJSON *facts;      /* see facts_of(); owned; NULL: to be asked for */
} source;

typedef enum news_kind { NEWS_ALL, NEWS_GUILD, NEWS_ROLES, NEWS_CHANNEL } news_kind;

/* What an event may have changed. */
typedef struct news {
    news_kind kind;
    char id[24];  /* of the guild, or the channel */
    cJSON *facts; /* of the channel; owned */
} news;

/* In words for the operator; code "ok": it can be read. */
typedef struct verdict {
    const char *code, *instruction;
    char detail[200];
} verdict;

typedef enum step { STEP_NONE, STEP_MEMBER, STEP_ROLES, STEP_CHANNEL } step;

struct sources {
    sources_options options;
    daemon_waker *waker;
    daemon_timer *timer;
    source *list;
    size_t count, at;
    bool backend_ready, stopped, telling;
    bool outdated; /* what is asked of a guild is older than news */
    step asking;
    char guild_id[24];                    /* of member and roles; "": none */
    const discord_result *member, *roles; /* owned */
    char saying[32];                      /* the code that is being told */
    char channel_id[24];                  /* of what is being told */

    pthread_mutex_t lock;
    const discord_result *answer; /* owned, under lock */
    news list_of_news[NEWS_MAX];  /* under lock */
    size_t n_news;
};

static void go_on(sources *self);

static void forget_guild(sources *self)
{
    discord_result_unref(self->member);
    discord_result_unref(self->roles);
    self->member = self->roles = NULL;
    self->guild_id[0] = '\0';
}

/* What decides on a channel's permissions, of a channel as Discord writes it; NULL: no memory. */
static cJSON *facts_of(const cJSON *channel)
{
    static const char *const names[] = {"guild_id", "type", "parent_id", "permission_overwrites"};
    cJSON *facts = cJSON_CreateObject();
    for (size_t i = 0; facts && i < sizeof names / sizeof *names; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(channel, names[i]);
        cJSON *copy = value ? cJSON_Duplicate(value, 1) : NULL;
        if ((value && !copy) || (copy && !cJSON_AddItemToObject(facts, names[i], copy))) {
            cJSON_Delete(copy);
            cJSON_Delete(facts);
            facts = NULL;
        }
    }
    return facts;
}

static void forget_facts(source *s)
{
    cJSON_Delete(s->facts);
    s->facts = NULL;
}

/* ---- what is found ---- */

static bool is_transient(discord_status status)
{
    return status != DISCORD_OK && status != DISCORD_EFORBIDDEN && status != DISCORD_ENOTFOUND &&
           status != DISCORD_EREJECTED;
}

static verdict of_guild(const source *s)
{
    verdict v = {"not_a_member",
                 "Invite the collector's bot to the source guild, or correct the "
                 "guild's id in the community's settings.",
                 ""};
    snprintf(v.detail, sizeof v.detail,
             "The collector's bot is not a member of the source guild %s.", s->guild_id);
    return v;
}

static verdict of_error(const source *s, const discord_error *error)
{
    verdict v = {"unknown_channel",
                 "Compare the source channel's id with that in Discord (Developer Mode, Copy ID).",
                 ""};
    if (error->status == DISCORD_EFORBIDDEN || error->code == MISSING_ACCESS) {
        v.code = "missing_permission";
        v.instruction = "In Discord open the channel's settings, Permissions, and allow \"View "
                        "Channel\" and \"Read Message History\" for the bot's role.";
        snprintf(v.detail, sizeof v.detail, "The collector's bot does not see the channel %s.",
                 s->channel_id);
    } else {
        snprintf(v.detail, sizeof v.detail, "Discord knows no channel %s.", s->channel_id);
    }
    return v;
}

static verdict of_permissions(sources *self, const source *s, const cJSON *channel)
{
    static const char allow[] = "In Discord open the channel's settings, Permissions, and allow "
                                "\"Read Message History\" for the bot's role.";
    discord_error no_access = {.status = DISCORD_EFORBIDDEN};
    const char *guild = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(channel, "guild_id"));
    verdict v = {"ok", "", "The bot may see the channel and read its history."};
    discord_permission_facts facts = {.guild_id = s->guild_id,
                                      .user_id = self->options.own_id,
                                      .channel = channel,
                                      .roles = self->roles->json,
                                      .member = self->member->json};
    uint64_t bits = discord_permissions_in(&facts);
    if (!guild || strcmp(guild, s->guild_id) != 0) {
        v.code = "other_guild";
        v.instruction = "Choose a channel of the source guild, or correct the guild's id in the "
                        "community's settings.";
        snprintf(v.detail, sizeof v.detail, "The channel is not in the source guild %s.",
                 s->guild_id);
    } else if (!(bits & VIEW_CHANNEL)) {
        v = of_error(s, &no_access);
    } else if (!(bits & READ_HISTORY)) {
        v.code = "missing_history";
        v.instruction = allow;
        snprintf(v.detail, sizeof v.detail,
                 "The bot lacks \"Read Message History\": what is written while it is away is "
                 "missed.");
    }
    return v;
}

/* ---- telling it ---- */

static source *by_id(sources *self, const char *channel_id)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->list[i].channel_id, channel_id) == 0)
            return &self->list[i];
    return NULL;
}

static void later(source *s, bool readable)
{
    s->again_ms = readable                         ? 0
                  : s->again_ms == 0               ? AGAIN_MIN_MS
                  : s->again_ms * 2 < AGAIN_MAX_MS ? s->again_ms * 2
                                                   : AGAIN_MAX_MS;
    s->due_at_ms = daemon_monotonic_ms() + (readable ? EVERY_MS : s->again_ms);
    s->soon = false;
}

static void on_told(const api_checks_source_result *value, const convex_failure *failure,
                    void *user)
{
    sources *self = user;
    source *s = by_id(self, self->channel_id);
    self->telling = false;
    if (self->stopped)
        return;
    if (failure) {
        daemon_log(DAEMON_WARN, "the backend does not take what a channel permits", "why=%s",
                   failure->message);
        if (s)
            later(s, false);
    } else if (s) {
        strcpy(s->told, self->saying);
    }
    go_on(self);
}

static void tell(sources *self, const source *s, const verdict *v)
{
    convex_error error = {0};
    api_check_finding one = {.code = convex_str_of(v->code),
                             .detail = convex_str_of(v->detail),
                             .instruction = convex_str_of(v->instruction)};
    api_checks_source_args args = {.guild_id = convex_str_of(s->guild_id),
                                   .channel_id = convex_str_of(s->channel_id),
                                   .passed = strcmp(v->code, "ok") == 0,
                                   .findings = {&one, 1}};
    snprintf(self->saying, sizeof self->saying, "%s", v->code);
    strcpy(self->channel_id, s->channel_id);
    self->telling = api_checks_source_mutation(self->options.client, &args, NULL, on_told, self,
                                               NULL, &error) == CONVEX_OK;
    if (!self->telling)
        daemon_log(DAEMON_WARN, "cannot tell what a channel permits", "why=%s", error.message);
}

static void found(sources *self, source *s, const verdict *v)
{
    bool readable = strcmp(v->code, "ok") == 0;
    later(s, readable);
    if (strcmp(s->told, v->code) == 0)
        return;
    daemon_log(readable ? DAEMON_INFO : DAEMON_WARN, "a source channel was looked at",
               "channel=%s found=%s", s->channel_id, v->detail);
    tell(self, s, v);
}

/* ---- asking ---- */

static void on_answer(const discord_result *result, void *user)
{
    sources *self = user;
    pthread_mutex_lock(&self->lock);
    self->answer = discord_result_ref(result);
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

static void judge(sources *self, source *s)
{
    verdict v = of_permissions(self, s, s->facts);
    found(self, s, &v);
}

static void ask(sources *self, source *s)
{
    discord_rest *rest = self->options.rest;
    discord_status status;
    if (strcmp(self->guild_id, s->guild_id) != 0)
        forget_guild(self);
    self->asking = !self->member ? STEP_MEMBER : !self->roles ? STEP_ROLES : STEP_CHANNEL;
    if (self->asking == STEP_CHANNEL && s->facts) {
        self->asking = STEP_NONE;
        return judge(self, s);
    }
    if (self->asking == STEP_MEMBER)
        status = discord_rest_get_member(rest, s->guild_id, self->options.own_id, on_answer, self);
    else if (self->asking == STEP_ROLES)
        status = discord_rest_get_roles(rest, s->guild_id, on_answer, self);
    else
        status = discord_rest_get_channel(rest, s->channel_id, on_answer, self);
    if (status == DISCORD_OK)
        return;
    self->asking = STEP_NONE;
    later(s, false);
}

/* The next that is due; the timer is set for when another will be. */
static void go_on(sources *self)
{
    int64_t now = daemon_monotonic_ms(), next = INT64_MAX;
    if (self->asking != STEP_NONE || self->telling || self->stopped || !self->backend_ready ||
        !*self->options.own_id)
        return;
    for (size_t i = 0; i < self->count; i++) {
        source *s = &self->list[i];
        if (s->due_at_ms <= now) {
            self->at = i;
            if (!s->soon)
                forget_facts(s);
            ask(self, s);
            if (self->asking != STEP_NONE || self->telling)
                return;
        }
        next = s->due_at_ms < next ? s->due_at_ms : next;
    }
    forget_guild(self);
    if (next != INT64_MAX)
        daemon_timer_set(self->timer, next > now ? next - now : 0);
}

static void take(sources *self, step what, const discord_result *result)
{
    source *s = &self->list[self->at];
    verdict v;
    bool outdated = self->outdated;
    self->outdated = false;
    if (outdated && what != STEP_CHANNEL)
        return; /* it is asked for again */
    if (is_transient(result->error.status)) {
        later(s, false);
    } else if (what == STEP_CHANNEL && result->error.status == DISCORD_OK) {
        if (!s->facts) /* an event may have told meanwhile, and is the newer */
            s->facts = facts_of(result->json);
        s->soon = true;
        if (!s->facts)
            later(s, false);
        else if (self->member && self->roles)
            judge(self, s);
    } else if (what == STEP_CHANNEL) {
        v = of_error(s, &result->error);
        found(self, s, &v);
    } else if (result->error.status != DISCORD_OK) {
        v = of_guild(s);
        found(self, s, &v);
    } else {
        strcpy(self->guild_id, s->guild_id);
        *(what == STEP_MEMBER ? &self->member : &self->roles) = discord_result_ref(result);
    }
}

/* Soon, together with what else changes; never later than it was due. */
static void look_soon(source *s)
{
    int64_t due = daemon_monotonic_ms() + SETTLE_MS;
    s->due_at_ms = s->due_at_ms < due ? s->due_at_ms : due;
    s->again_ms = 0;
    s->soon = true;
}

static void take_news(sources *self, news *one)
{
    if (one->kind != NEWS_CHANNEL) {
        forget_guild(self);
        self->outdated = self->asking == STEP_MEMBER || self->asking == STEP_ROLES;
    }
    for (size_t i = 0; i < self->count; i++) {
        source *s = &self->list[i];
        bool is_it = one->kind == NEWS_ALL ||
                     strcmp(one->kind == NEWS_CHANNEL ? s->channel_id : s->guild_id, one->id) == 0;
        if (!is_it || (one->kind == NEWS_CHANNEL && cJSON_Compare(s->facts, one->facts, 1)))
            continue;
        if (one->kind != NEWS_ROLES)
            forget_facts(s);
        if (one->kind == NEWS_CHANNEL) {
            s->facts = one->facts;
            one->facts = NULL;
        }
        look_soon(s);
    }
    cJSON_Delete(one->facts);
}

static void on_wake(void *user)
{
    sources *self = user;
    news all[NEWS_MAX];
    pthread_mutex_lock(&self->lock);
    const discord_result *answer = self->answer;
    size_t count = self->n_news;
    memcpy(all, self->list_of_news, count * sizeof *all);
    self->answer = NULL;
    self->n_news = 0;
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < count; i++)
        take_news(self, &all[i]);
    if (answer) {
        step what = self->asking;
        self->asking = STEP_NONE;
        if (!self->stopped && self->at < self->count)
            take(self, what, answer);
        discord_result_unref(answer);
    }
    go_on(self);
}

static void on_due(void *user)
{
    go_on(user);
}

static void free_list(sources *self)
{
    for (size_t i = 0; i < self->count; i++)
        forget_facts(&self->list[i]);
    free(self->list);
}

/* ---- what others call ---- */

static void take_over(source *s, source *known)
{
    *s = *known;
    known->facts = NULL;
}

void sources_set_channels(sources *self, const api_captured_channel_list *channels)
{
    source *list = calloc(channels->count + 1, sizeof *list);
    if (!list)
        return;
    for (size_t i = 0; i < channels->count; i++) {
        const api_captured_channel *wanted = &channels->items[i];
        source *known = by_id(self, wanted->channel_id.data), *s = &list[i];
        if (known && strcmp(known->guild_id, wanted->guild_id.data) == 0)
            take_over(s, known);
        snprintf(s->guild_id, sizeof s->guild_id, "%s", wanted->guild_id.data);
        snprintf(s->channel_id, sizeof s->channel_id, "%s", wanted->channel_id.data);
    }
    free_list(self);
    self->list = list;
    self->count = channels->count;
    self->at = self->count; /* the answer under way is nobody's */
    go_on(self);
}

void sources_backend_ready(sources *self)
{
    self->backend_ready = true;
    go_on(self);
}

/* Takes `facts`. Where there are too many, all is asked for again. */
static void put_news(sources *self, news_kind kind, const char *id, cJSON *facts)
{
    pthread_mutex_lock(&self->lock);
    bool fits = self->n_news < NEWS_MAX;
    news *to = &self->list_of_news[fits ? self->n_news++ : NEWS_MAX - 1];
    if (!fits) {
        cJSON_Delete(to->facts);
        cJSON_Delete(facts);
        facts = NULL;
    }
    *to = (news){.kind = fits ? kind : NEWS_ALL, .facts = facts};
    snprintf(to->id, sizeof to->id, "%s", id);
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

static const char *text_in(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

/* Not every event of a channel says its guild: then it is asked for. */
static void channel_news(sources *self, const cJSON *channel)
{
    bool whole = *text_in(channel, "guild_id") != '\0';
    put_news(self, NEWS_CHANNEL, text_in(channel, "id"), whole ? facts_of(channel) : NULL);
}

void sources_news(sources *self, const char *event_name, const cJSON *data)
{
    static const struct {
        const char *name;
        news_kind kind;
        const char *id;
    } kinds[] = {{"READY", NEWS_ALL, ""},
                 {"GUILD_CREATE", NEWS_GUILD, "id"},
                 {"GUILD_DELETE", NEWS_GUILD, "id"},
                 {"GUILD_ROLE_CREATE", NEWS_ROLES, "guild_id"},
                 {"GUILD_ROLE_UPDATE", NEWS_ROLES, "guild_id"},
                 {"GUILD_ROLE_DELETE", NEWS_ROLES, "guild_id"},
                 {"GUILD_MEMBER_UPDATE", NEWS_ROLES, "guild_id"}};
    if (self && strcmp(event_name, "CHANNEL_UPDATE") == 0)
        return channel_news(self, data);
    for (size_t i = 0; self && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, event_name) == 0)
            put_news(self, kinds[i].kind, text_in(data, kinds[i].id), NULL);
}

/* ---- lifetime ---- */

int sources_new(const sources_options *options, sources **ret)
{
    sources *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    pthread_mutex_init(&self->lock, NULL);
    int r = daemon_waker_new(options->loop, on_wake, self, &self->waker);
    if (r == 0)
        r = daemon_timer_new(options->loop, on_due, self, &self->timer);
    if (r == 0)
        *ret = self;
    else
        sources_free(self);
    return r;
}

void sources_stop(sources *self)
{
    if (self)
        self->stopped = true;
}

void sources_free(sources *self)
{
    if (!self)
        return;
    forget_guild(self);
    free_list(self);
    for (size_t i = 0; i < self->n_news; i++)
        cJSON_Delete(self->list_of_news[i].facts);
    discord_result_unref(self->answer);
    daemon_timer_free(self->timer);
    daemon_waker_free(self->waker);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
