/* checks.h - messages that Discord is to be asked for one by one.
 *
 * A list of those to ask for, the last first, and a second one of doubts: what was unknown to
 * Discord when it may have been too new to be known everywhere, and is asked for again later.
 * Plain data, one thread. Bounded: what does not fit is found again by the next comparison. */
#ifndef COLLECTOR_CHECKS_H
#define COLLECTOR_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture.h"

enum { CHECKS_MAX = 4096, CHECKS_DOUBTS_MAX = 64 };

typedef struct check {
    capture_place place;
    char message_id[24];
    bool early; /* it may be too new for Discord to know everywhere: one "unknown" proves nothing */
    int64_t asked_at_ms; /* wall, of a doubt */
} check;

/* Zero-initialised; release with checks_done(). */
typedef struct checks {
    check *list;
    size_t count, cap;
    check doubts[CHECKS_DOUBTS_MAX];
    size_t n_doubts;
} checks;

/* The channel that a message of the place is asked for in. */
const char *checks_channel(const capture_place *place);

/* Without memory, or above CHECKS_MAX, it is left out. */
void checks_add(checks *self, const capture_place *place, const char *message_id, bool early);
/* Nothing of this channel is asked for. */
void checks_drop(checks *self, const char *channel_id);
/* Returns whether it will be asked for again. */
bool checks_doubt(checks *self, const check *of, int64_t asked_at_ms);
/* Adds the doubts that are at least `age_ms` old, no longer early. */
void checks_settle(checks *self, int64_t now_ms, int64_t age_ms);
void checks_done(checks *self);

#endif
