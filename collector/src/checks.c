/* checks.c - messages that Discord is to be asked for one by one.
 * Invariant: what a doubt becomes is not early. */
#include "checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *checks_channel(const capture_place *place)
{
    return place->thread_id[0] ? place->thread_id : place->channel_id;
}

void checks_add(checks *self, const capture_place *place, const char *message_id, bool early)
{
    if (self->count == CHECKS_MAX)
        return;
    if (self->count == self->cap) {
        size_t cap = self->cap ? self->cap * 2 : 16;
        check *grown = realloc(self->list, cap * sizeof *grown);
        if (!grown)
            return;
        self->list = grown;
        self->cap = cap;
    }
    check *added = &self->list[self->count++];
    *added = (check){.place = *place, .early = early};
    snprintf(added->message_id, sizeof added->message_id, "%s", message_id);
}

void checks_drop(checks *self, const char *channel_id)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(checks_channel(&self->list[i].place), channel_id) != 0)
            self->list[kept++] = self->list[i];
    self->count = kept;
}

bool checks_doubt(checks *self, const check *of, int64_t asked_at_ms)
{
    if (self->n_doubts == CHECKS_DOUBTS_MAX)
        return false;
    self->doubts[self->n_doubts] = *of;
    self->doubts[self->n_doubts++].asked_at_ms = asked_at_ms;
    return true;
}

void checks_settle(checks *self, int64_t now_ms, int64_t age_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->n_doubts; i++) {
        const check *one = &self->doubts[i];
        if (now_ms - one->asked_at_ms >= age_ms)
            checks_add(self, &one->place, one->message_id, false);
        else
            self->doubts[kept++] = *one;
    }
    self->n_doubts = kept;
}

void checks_done(checks *self)
{
    free(self->list);
    *self = (checks){0};
}
