/* lost.c - messages that somebody deleted, told to the backend.
 * Owns those that wait, oldest first. Loop thread only.
 * Invariants: one call is under way at most, about one channel; the first `asked` of the list, and
 * only they, are in it. */
#include "lost.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "daemon/clock.h"
#include "daemon/log.h"

enum {
    WAITING_MAX = 1024,
    CALL_MAX = 100, /* as many as mirrors:lost takes */
    GATHER_MS = 200,
    AGAIN_MS = 2500,
    TRIES_MAX = 8 /* with AGAIN_MS: longer than a lease */
};

typedef struct deleted {
    char channel_id[24], id[24];
    unsigned tries;
    int64_t due_ms;
} deleted;

struct lost {
    convex_client *client;
    daemon_timer *timer;
    deleted list[WAITING_MAX];
    size_t count, asked;
    bool stopped;
};

static void tell_next(lost *self)
{
    int64_t due_ms = INT64_MAX, now = daemon_monotonic_ms();
    if (self->asked > 0 || self->count == 0 || self->stopped)
        return;
    for (size_t i = 0; i < self->count; i++)
        if (self->list[i].due_ms < due_ms)
            due_ms = self->list[i].due_ms;
    daemon_timer_set(self->timer, due_ms > now ? due_ms - now : 0);
}

/* Those that are due, of the first one's channel, to the front. Returns how many. */
static size_t gather(lost *self)
{
    int64_t now = daemon_monotonic_ms();
    size_t n = 0;
    for (size_t i = 0; i < self->count && n < CALL_MAX; i++) {
        deleted one = self->list[i];
        if (one.due_ms > now || (n > 0 && strcmp(one.channel_id, self->list[0].channel_id) != 0))
            continue;
        memmove(&self->list[n + 1], &self->list[n], (i - n) * sizeof one);
        self->list[n++] = one;
    }
    return n;
}

static bool is_in(const convex_str_list *ids, const char *id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (strcmp(ids->items[i].data, id) == 0)
            return true;
    return false;
}

/* Takes those that were asked about from the list; `later`: but not these, NULL for all. */
static void take_off(lost *self, const convex_str_list *later)
{
    deleted again[CALL_MAX];
    size_t n = 0;
    for (size_t i = 0; i < self->asked; i++) {
        deleted one = self->list[i];
        one.due_ms = daemon_monotonic_ms() + AGAIN_MS;
        if ((!later || is_in(later, one.id)) && ++one.tries < TRIES_MAX)
            again[n++] = one;
    }
    self->count -= self->asked;
    memmove(self->list, self->list + self->asked, self->count * sizeof *self->list);
    memcpy(self->list + self->count, again, n * sizeof *again);
    self->count += n;
    self->asked = 0;
}

static void on_told(const api_mirrors_lost_result *value, const convex_failure *failure, void *user)
{
    lost *self = user;
    if (self->stopped)
        return;
    if (failure)
        daemon_log(DAEMON_WARN, "the backend does not take what was deleted", "why=%s",
                   failure->message);
    take_off(self, failure ? NULL : &value->later);
    tell_next(self);
}

static void on_timer(void *user)
{
    lost *self = user;
    convex_str ids[CALL_MAX];
    convex_error error = {0};
    if (self->stopped)
        return;
    self->asked = gather(self);
    if (self->asked == 0)
        return tell_next(self);
    for (size_t i = 0; i < self->asked; i++)
        ids[i] = convex_str_of(self->list[i].id);
    api_mirrors_lost_args args = {.channel_id = convex_str_of(self->list[0].channel_id),
                                  .message_ids = {ids, self->asked}};
    if (api_mirrors_lost_mutation(self->client, &args, NULL, on_told, self, NULL, &error) ==
        CONVEX_OK)
        return;
    daemon_log(DAEMON_ERROR, "cannot call the backend", "function=mirrors:lost why=%s",
               error.message);
    take_off(self, NULL);
    tell_next(self);
}

int lost_open(daemon_loop *loop, convex_client *client, lost **ret)
{
    lost *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->client = client;
    int r = daemon_timer_new(loop, on_timer, self, &self->timer);
    if (r == 0)
        *ret = self;
    else
        free(self);
    return r;
}

void lost_add(lost *self, const char *channel_id, const char *message_id)
{
    if (self->count == WAITING_MAX || self->stopped)
        return;
    deleted *added = &self->list[self->count++];
    added->tries = 0;
    added->due_ms = daemon_monotonic_ms() + GATHER_MS;
    snprintf(added->channel_id, sizeof added->channel_id, "%s", channel_id);
    snprintf(added->id, sizeof added->id, "%s", message_id);
    tell_next(self);
}

void lost_stop(lost *self)
{
    if (self)
        self->stopped = true;
}

void lost_close(lost *self)
{
    if (!self)
        return;
    daemon_timer_free(self->timer);
    free(self);
}
