/* post_watch.c - sees that posts are deleted by hand.
 * Owns the look under way and what waits to be told. Loop thread only.
 * Invariants: one call of a look is out at most; a look that cannot go on ends, and the timer
 * begins the next. */
#include "post_watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "daemon/backoff.h"
#include "daemon/log.h"
#include "lost.h"

enum {
    PAGE = 100,
    PAGES_MAX = 5, /* of a channel in which others write, too */
    UNKNOWN_MESSAGE = 10008
};

struct post_watch {
    post_watch_options options;
    daemon_timer *timer;
    lost *lost;
    bool looking, again, stopped;

    /* the channel that is looked at */
    const api_mirrors_posts_result *posts; /* held */
    bool *found;                           /* of each of them */
    uint64_t oldest;                       /* message seen */
    unsigned pages;
};

static void ask_posts(post_watch *self, const char *after);
static void ask_page(post_watch *self);

static void forget(post_watch *self)
{
    api_mirrors_posts_result_unref(self->posts);
    free(self->found);
    self->posts = NULL;
    self->found = NULL;
}

static void set_timer(post_watch *self)
{
    int64_t every = self->options.every_ms;
    if (every > 0) /* give or take a tenth: two bots do not look at once for ever */
        daemon_timer_set(self->timer, every - every / 10 +
                                          (int64_t)(backoff_random() % (uint64_t)(every / 5 + 1)));
}

static void end_look(post_watch *self)
{
    forget(self);
    self->looking = false;
    if (self->stopped)
        return;
    if (self->again)
        post_watch_look(self);
    else
        set_timer(self);
}

static void give_up(post_watch *self, const char *why)
{
    if (!self->stopped)
        daemon_log(DAEMON_WARN, "a look for deleted posts was cut short", "why=%s", why);
    end_look(self);
}

/* ---- one channel ---- */

static const char *channel_of(const post_watch *self)
{
    return self->posts->channel_id.data;
}

static uint64_t id_of(const post_watch *self, size_t i)
{
    return strtoull(self->posts->message_ids.items[i].data, NULL, 10);
}

static void next_channel(post_watch *self)
{
    char after[24];
    snprintf(after, sizeof after, "%s", channel_of(self));
    ask_posts(self, after);
}

/* Those from `from` on that were not seen are not there any more. */
static void conclude(post_watch *self, uint64_t from)
{
    size_t missing = 0;
    for (size_t i = 0; i < self->posts->message_ids.count; i++)
        if (!self->found[i] && id_of(self, i) >= from) {
            lost_add(self->lost, channel_of(self), self->posts->message_ids.items[i].data);
            missing++;
        }
    if (missing > 0)
        daemon_log(DAEMON_INFO, "posts are missing: their rows are looked at",
                   "channel=%s count=%zu", channel_of(self), missing);
    next_channel(self);
}

static void on_newest(const discord_result *answer, void *user)
{
    post_watch *self = user;
    if (self->stopped)
        return end_look(self);
    if (answer->error.status == DISCORD_ENOTFOUND && answer->error.code == UNKNOWN_MESSAGE)
        conclude(self, 0);
    else
        next_channel(self);
}

static void asked(post_watch *self, letter *l, discord_status status)
{
    if (status == DISCORD_OK)
        return;
    letter_drop(l);
    give_up(self, discord_status_text(status));
}

/* Nothing can be seen: is that because nothing is there? */
static void ask_newest(post_watch *self)
{
    size_t newest = 0;
    for (size_t i = 1; i < self->posts->message_ids.count; i++)
        if (id_of(self, i) > id_of(self, newest))
            newest = i;
    letter *l = inbox_letter(self->options.inbox, on_newest, self);
    asked(self, l,
          l ? discord_rest_get_message(self->options.rest, channel_of(self),
                                       self->posts->message_ids.items[newest].data, inbox_take, l)
            : DISCORD_ENOMEM);
}

static void mark(post_watch *self, const char *text)
{
    uint64_t id = strtoull(text, NULL, 10);
    if (id < self->oldest)
        self->oldest = id;
    for (size_t i = 0; i < self->posts->message_ids.count; i++)
        self->found[i] = self->found[i] || id_of(self, i) == id;
}

static bool all_accounted_for(const post_watch *self)
{
    for (size_t i = 0; i < self->posts->message_ids.count; i++)
        if (!self->found[i] && id_of(self, i) < self->oldest)
            return false;
    return true;
}

static void on_page(const discord_result *answer, void *user)
{
    post_watch *self = user;
    const cJSON *message;
    int count = cJSON_GetArraySize(answer->json);
    if (self->stopped)
        return end_look(self);
    if (answer->error.status != DISCORD_OK || !cJSON_IsArray(answer->json))
        return next_channel(self); /* a post that is tried there says why */
    cJSON_ArrayForEach(message, answer->json)
    {
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "id"));
        if (id)
            mark(self, id);
    }
    if (self->oldest == UINT64_MAX)
        return ask_newest(self);
    if (count > 0 && count < PAGE)
        return conclude(self, 0);
    if (count == 0 || ++self->pages == PAGES_MAX || all_accounted_for(self))
        return conclude(self, self->oldest);
    ask_page(self);
}

static void ask_page(post_watch *self)
{
    char before[24];
    discord_page page = {.limit = PAGE, .before = self->pages > 0 ? before : NULL};
    snprintf(before, sizeof before, "%llu", (unsigned long long)self->oldest);
    letter *l = inbox_letter(self->options.inbox, on_page, self);
    asked(self, l,
          l ? discord_rest_get_messages(self->options.rest, channel_of(self), &page, inbox_take, l)
            : DISCORD_ENOMEM);
}

/* ---- from channel to channel ---- */

static void on_posts(const api_mirrors_posts_result *value, const convex_failure *failure,
                     void *user)
{
    post_watch *self = user;
    if (self->stopped || (failure && !failure->result))
        return end_look(self);
    if (failure)
        return give_up(self, failure->message);
    if (!value->channel_id.data)
        return end_look(self);
    forget(self);
    self->posts = api_mirrors_posts_result_ref(value);
    self->found = calloc(value->message_ids.count + 1, sizeof *self->found);
    self->oldest = UINT64_MAX;
    self->pages = 0;
    if (!self->found)
        give_up(self, "out of memory");
    else if (value->message_ids.count == 0)
        next_channel(self);
    else
        ask_page(self);
}

/* `after`: NULL for the first. */
static void ask_posts(post_watch *self, const char *after)
{
    convex_error error = {0};
    api_mirrors_posts_args args = {.after = convex_str_of(after)};
    if (api_mirrors_posts_query(self->options.client, &args, NULL, on_posts, self, NULL, &error) !=
        CONVEX_OK)
        give_up(self, error.message);
}

void post_watch_look(post_watch *self)
{
    if (self->stopped)
        return;
    self->again = self->looking;
    if (self->looking)
        return;
    self->looking = true;
    ask_posts(self, NULL);
}

static void on_timer(void *user)
{
    post_watch_look(user);
}

void post_watch_deleted(post_watch *self, const char *channel_id, const char *message_id)
{
    lost_add(self->lost, channel_id, message_id);
}

/* ---- lifetime ---- */

int post_watch_open(const post_watch_options *options, post_watch **ret)
{
    post_watch *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    int r = daemon_timer_new(options->loop, on_timer, self, &self->timer);
    if (r == 0)
        r = lost_open(options->loop, options->client, &self->lost);
    if (r != 0) {
        post_watch_close(self);
        return r;
    }
    set_timer(self);
    *ret = self;
    return 0;
}

void post_watch_stop(post_watch *self)
{
    if (!self)
        return;
    self->stopped = true;
    lost_stop(self->lost);
}

void post_watch_close(post_watch *self)
{
    if (!self)
        return;
    forget(self);
    lost_close(self->lost);
    daemon_timer_free(self->timer);
    free(self);
}
