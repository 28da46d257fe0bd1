/* role_watch.c - looks at the roles that members of the customers' guild really have.
 * Owns the round under way. Loop thread, but for the answer that REST's thread puts down under the
 * lock. Invariants: at most one request of a round is out;
 * a round that cannot go on ends, and the timer begins the next; who joined is looked at between
 * two people of a round. */
#include "role_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "daemon/log.h"
#include "role_rank.h"

enum {
    PAGE = 50,        /* people asked for at once */
    JOINED_MAX = 256, /* not looked at yet; beyond, the next round finds them */
    FIRST_RETRY_MS = 5000,
    UNKNOWN_MEMBER = 10007,
    UNKNOWN_USER = 10013
};

typedef struct id_text {
    char text[24];
} id_text;

struct joined {
    id_text guild, user;
};

typedef enum step { IDLE, ASK_ROLES, ASK_SELF, ASK_PEOPLE, ASK_MEMBER } step;

struct role_watch {
    role_watch_options options;
    daemon_timer *round_later;
    daemon_waker *waker;
    pthread_mutex_t lock;         /* of `answer` */
    const discord_result *answer; /* of the one request that is out; held */
    struct joined joined[JOINED_MAX];
    size_t n_joined;
    daemon_counter *looked, *drifted;
    char our_id[24];
    bool stopping;

    /* the round under way */
    step step;
    const api_roles_guilds_result *guilds;
    size_t guild;
    const discord_result *roles; /* of the guild, held */
    const api_roles_people_result *people;
    size_t person;
    bool single; /* one member who joined, then back to the round, if there is one */
    bool due;    /* a round is to begin when this one member was looked at */
    struct joined now;
    char problem[300]; /* the first of the round; "" */
};

static void next_guild(role_watch *self);
static void next_person(role_watch *self);
static void ask_people(role_watch *self, const char *after);
static void begin_round(void *user);
static void look_at_joined(role_watch *self);

/* ---- the round's state ---- */

/* NULL: they are all through. */
static const api_roles_guilds_result_item *guild_of(const role_watch *self)
{
    bool any = self->guilds && self->guild < self->guilds->count;
    return any ? &self->guilds->items[self->guild] : NULL;
}

static void forget(role_watch *self)
{
    api_roles_guilds_result_unref(self->guilds);
    api_roles_people_result_unref(self->people);
    discord_result_unref(self->roles);
    self->guilds = NULL;
    self->people = NULL;
    self->roles = NULL;
    self->guild = self->person = 0;
    self->step = IDLE;
    self->single = false;
}

static void end_round(role_watch *self, int64_t next_ms)
{
    forget(self);
    if (next_ms > 0 && !self->stopping)
        daemon_timer_set(self->round_later, next_ms);
    if (self->due)
        begin_round(self);
    else
        look_at_joined(self);
}

/* One who joined keeps no round from going on, whatever became of the look. */
static void after_member(role_watch *self)
{
    if (!self->single)
        self->person++;
    self->single = false;
    if (self->guilds)
        next_person(self);
    else
        end_round(self, 0); /* there was none: the timer runs */
}

static void give_up(role_watch *self, const char *what, const char *why)
{
    daemon_log(DAEMON_WARN, "a look at the members' roles was cut short", "while=%s why=%s", what,
               why);
    if (self->single)
        after_member(self);
    else
        end_round(self, self->options.every_ms > 0 ? self->options.every_ms : FIRST_RETRY_MS);
}

/* ---- calls ---- */

static void on_answer(const discord_result *result, void *user)
{
    role_watch *self = user;

    pthread_mutex_lock(&self->lock);
    self->answer = discord_result_ref(result);
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

static void asked(role_watch *self, step what, discord_status status)
{
    self->step = what;
    if (status != DISCORD_OK)
        give_up(self, "asking Discord", discord_status_text(status));
}

/* A call that could not be made ends the round. */
static void called(role_watch *self, const char *function, convex_status status,
                   const convex_error *error)
{
    if (status != CONVEX_OK)
        give_up(self, function, error->message);
}

/* Whether it failed, and the round is over. */
static bool failed(role_watch *self, const char *function, const convex_failure *failure)
{
    if (self->stopping || (failure && !failure->result)) {
        forget(self);
        return true;
    }
    if (failure)
        give_up(self, function, failure->message);
    return failure != NULL;
}

/* ---- may we? ---- */

static void check_rank(role_watch *self, const cJSON *member)
{
    const api_roles_guilds_result_item *guild = guild_of(self);
    const char *guild_id = guild->guild_id.data;
    char text[200];

    if (role_rank_check(guild_id, self->roles->json,
                        cJSON_GetObjectItemCaseSensitive(member, "roles"), &guild->role_ids, text,
                        sizeof text))
        return;
    daemon_log(DAEMON_ERROR, "roles cannot be given", "guild=%s why=%s", guild_id, text);
    if (!self->problem[0])
        snprintf(self->problem, sizeof self->problem, "%.60s: %s", guild->name.data, text);
}

/* ---- what members have ---- */

static void on_observed(const api_roles_observe_result *value, const convex_failure *failure,
                        void *user)
{
    role_watch *self = user;

    if (failed(self, "roles:observe", failure))
        return;
    daemon_counter_add(self->looked, 1);
    daemon_counter_add(self->drifted, (uint64_t)value->drift);
    if (value->drift > 0)
        daemon_log(DAEMON_WARN, "roles had drifted", "count=%.0f", value->drift);
    after_member(self);
}

static const char *member_id(const role_watch *self)
{
    return self->single ? self->now.user.text : self->people->items[self->person].data;
}

static const char *member_guild(const role_watch *self)
{
    return self->single ? self->now.guild.text : guild_of(self)->guild_id.data;
}

/* `roles`: NULL when the member is gone. */
static convex_status observe(role_watch *self, const cJSON *roles, convex_error *reterr)
{
    const cJSON *role;
    convex_str *ids = calloc((size_t)cJSON_GetArraySize(roles) + 1, sizeof *ids);
    convex_str_list list = {ids, 0};
    api_roles_observe_args_seen_item seen = {.discord_id = convex_str_of(member_id(self)),
                                             .role_ids = roles ? &list : NULL};
    api_roles_observe_args args = {.guild_id = convex_str_of(member_guild(self)),
                                   .seen = {&seen, 1}};
    convex_status status = CONVEX_ENOMEM;

    if (!ids)
        return status;
    cJSON_ArrayForEach(role, roles) if (cJSON_IsString(role)) ids[list.count++] =
        convex_str_of(role->valuestring);
    status = api_roles_observe_mutation(self->options.client, &args, NULL, on_observed, self, NULL,
                                        reterr);
    free(ids);
    return status;
}

static void on_member(role_watch *self, const discord_result *answer)
{
    const cJSON *roles = cJSON_GetObjectItemCaseSensitive(answer->json, "roles");
    bool gone = answer->error.status == DISCORD_ENOTFOUND &&
                (answer->error.code == UNKNOWN_MEMBER || answer->error.code == UNKNOWN_USER);
    convex_error error = {.message = "out of memory"};

    if (!gone && (answer->error.status != DISCORD_OK || !cJSON_IsArray(roles)))
        return give_up(self, "asking for a member", answer->error.message);
    called(self, "roles:observe", observe(self, gone ? NULL : roles, &error), &error);
}

static void ask_member(role_watch *self)
{
    asked(self, ASK_MEMBER,
          discord_rest_get_member(self->options.rest, member_guild(self), member_id(self),
                                  on_answer, self));
}

/* Whether somebody joined who is to be looked at now. */
static bool take_joined(role_watch *self)
{
    self->single = self->n_joined > 0;
    if (self->single) {
        self->now = self->joined[0];
        self->n_joined--;
        memmove(self->joined, self->joined + 1, self->n_joined * sizeof *self->joined);
    }
    return self->single;
}

static void next_person(role_watch *self)
{
    size_t count = self->people->count;

    if (take_joined(self) || self->person < count)
        return ask_member(self);
    if (count < PAGE) {
        self->guild++;
        return next_guild(self);
    }
    ask_people(self, self->people->items[count - 1].data);
}

static void on_people(const api_roles_people_result *value, const convex_failure *failure,
                      void *user)
{
    role_watch *self = user;

    if (failed(self, "roles:people", failure))
        return;
    api_roles_people_result_unref(self->people);
    self->people = api_roles_people_result_ref(value);
    self->person = 0;
    next_person(self);
}

/* `after`: NULL for the first. */
static void ask_people(role_watch *self, const char *after)
{
    api_roles_people_args args = {
        .guild_id = guild_of(self)->guild_id, .after = convex_str_of(after), .limit = PAGE};
    convex_error error = {0};

    self->step = ASK_PEOPLE;
    called(self, "roles:people",
           api_roles_people_query(self->options.client, &args, NULL, on_people, self, NULL, &error),
           &error);
}

/* ---- rounds ---- */

static void next_guild(role_watch *self)
{
    const api_roles_guilds_result_item *guild = guild_of(self);

    discord_result_unref(self->roles);
    self->roles = NULL;
    if (guild)
        return asked(
            self, ASK_ROLES,
            discord_rest_get_roles(self->options.rest, guild->guild_id.data, on_answer, self));
    self->options.on_problem(self->problem, self->options.user);
    end_round(self, self->options.every_ms);
}

/* A guild that we are not in keeps no other guild waiting. */
static void skip_guild(role_watch *self, const char *why)
{
    const char *guild_id = guild_of(self)->guild_id.data;

    daemon_log(DAEMON_ERROR, "a guild's roles cannot be read", "guild=%s why=%s", guild_id, why);
    if (!self->problem[0])
        snprintf(self->problem, sizeof self->problem, "guild %s: %.150s", guild_id, why);
    self->guild++;
    next_guild(self);
}

static void on_roles(role_watch *self, const discord_result *answer)
{
    const char *guild_id = guild_of(self)->guild_id.data;

    if (answer->error.status != DISCORD_OK)
        return skip_guild(self, answer->error.message);
    self->roles = discord_result_ref(answer);
    asked(self, ASK_SELF,
          discord_rest_get_member(self->options.rest, guild_id, self->our_id, on_answer, self));
}

static void on_self(role_watch *self, const discord_result *answer)
{
    if (answer->error.status != DISCORD_OK)
        return skip_guild(self, answer->error.message);
    check_rank(self, answer->json);
    ask_people(self, NULL);
}

static void on_guilds(const api_roles_guilds_result *value, const convex_failure *failure,
                      void *user)
{
    role_watch *self = user;

    if (failed(self, "roles:guilds", failure))
        return;
    self->guilds = api_roles_guilds_result_ref(value);
    self->guild = 0;
    self->problem[0] = '\0';
    next_guild(self);
}

static void begin_round(void *user)
{
    role_watch *self = user;
    convex_error error = {0};

    self->due = self->step != IDLE; /* then it begins after the one member */
    if (self->stopping || self->due)
        return;
    self->step = ASK_PEOPLE;
    called(self, "roles:guilds",
           api_roles_guilds_query(self->options.client, NULL, on_guilds, self, NULL, &error),
           &error);
}

/* ---- who joins ---- */

static void look_at_joined(role_watch *self)
{
    if (self->step == IDLE && !self->stopping && take_joined(self))
        ask_member(self);
}

void role_watch_joined(role_watch *self, const char *guild_id, const char *user_id)
{
    if (self->n_joined == JOINED_MAX)
        return;
    struct joined *to = &self->joined[self->n_joined++];
    snprintf(to->guild.text, sizeof to->guild.text, "%s", guild_id);
    snprintf(to->user.text, sizeof to->user.text, "%s", user_id);
    look_at_joined(self);
}

/* ---- the loop's side ---- */

static void on_wake(void *user)
{
    role_watch *self = user;
    const discord_result *answer;

    pthread_mutex_lock(&self->lock);
    answer = self->answer;
    self->answer = NULL;
    pthread_mutex_unlock(&self->lock);
    if (answer && !self->stopping) {
        switch (self->step) {
        case ASK_ROLES:
            on_roles(self, answer);
            break;
        case ASK_SELF:
            on_self(self, answer);
            break;
        case ASK_MEMBER:
            on_member(self, answer);
            break;
        case IDLE:
        case ASK_PEOPLE:
            break;
        }
    }
    discord_result_unref(answer);
    look_at_joined(self);
}

/* ---- lifetime ---- */

int role_watch_open(const role_watch_options *options, role_watch **ret)
{
    role_watch *self = calloc(1, sizeof *self);
    int r;

    if (!self)
        return -ENOMEM;
    self->options = *options;
    pthread_mutex_init(&self->lock, NULL);
    self->looked = daemon_counter_new(options->metrics, "role_looks_total", NULL,
                                      "members whose roles were looked at");
    self->drifted = daemon_counter_new(options->metrics, "roles_drifted_total", NULL,
                                       "roles found other than believed");
    r = daemon_timer_new(options->loop, begin_round, self, &self->round_later);
    if (r == 0)
        r = daemon_waker_new(options->loop, on_wake, self, &self->waker);
    if (r == 0)
        *ret = self;
    else
        role_watch_close(self);
    return r;
}

void role_watch_begin(role_watch *self, const char *our_user_id)
{
    snprintf(self->our_id, sizeof self->our_id, "%s", our_user_id);
    begin_round(self);
}

void role_watch_stop(role_watch *self)
{
    self->stopping = true;
    daemon_timer_clear(self->round_later);
}

void role_watch_close(role_watch *self)
{
    if (!self)
        return;
    self->stopping = true;
    forget(self);
    discord_result_unref(self->answer);
    daemon_timer_free(self->round_later);
    daemon_waker_free(self->waker);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
