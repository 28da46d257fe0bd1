/* inbox.c - answers of discord-c's REST thread, brought to the loop thread.
 * Owns the answers on their way, oldest first, under `lock`. */
#include "inbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct letter {
    letter *next;
    inbox *owner;
    discord_done_fn *done;
    void *user;
    const discord_result *result; /* held */
};

struct inbox {
    daemon_waker *waker;
    pthread_mutex_t lock;
    letter *first, **last;
};

static letter *take_all(inbox *self)
{
    pthread_mutex_lock(&self->lock);
    letter *all = self->first;
    self->first = NULL;
    self->last = &self->first;
    pthread_mutex_unlock(&self->lock);
    return all;
}

static void on_wake(void *user)
{
    letter *l = take_all(user);
    while (l) {
        letter *next = l->next;
        l->done(l->result, l->user);
        letter_drop(l);
        l = next;
    }
}

int inbox_new(daemon_loop *loop, inbox **ret)
{
    inbox *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->last = &self->first;
    int r = daemon_waker_new(loop, on_wake, self, &self->waker);
    if (r != 0) {
        free(self);
        return r;
    }
    pthread_mutex_init(&self->lock, NULL);
    *ret = self;
    return 0;
}

void inbox_free(inbox *self)
{
    if (!self)
        return;
    for (letter *l = take_all(self), *next; l; l = next) {
        next = l->next;
        letter_drop(l);
    }
    daemon_waker_free(self->waker);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

letter *inbox_letter(inbox *self, discord_done_fn *done, void *user)
{
    letter *l = calloc(1, sizeof *l);
    if (l)
        *l = (letter){.owner = self, .done = done, .user = user};
    return l;
}

void inbox_take(const discord_result *result, void *user)
{
    letter *l = user;
    inbox *self = l->owner;
    l->result = discord_result_ref(result);
    pthread_mutex_lock(&self->lock);
    *self->last = l;
    self->last = &l->next;
    pthread_mutex_unlock(&self->lock);
    daemon_waker_wake(self->waker);
}

void letter_drop(letter *self)
{
    if (!self)
        return;
    discord_result_unref(self->result);
    free(self);
}
