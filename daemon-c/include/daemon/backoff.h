/* daemon/backoff.h - when to try again.
 *
 * Full jitter: the n-th delay (n = 0, 1, ...) is uniform in [0, min(cap, base * 2^n)], so that many
 * clients that failed together do not return together. Plain data, no I/O, any thread with its own.
 */
#ifndef DAEMON_BACKOFF_H
#define DAEMON_BACKOFF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct backoff {
    int64_t base_ms; /* > 0 */
    int64_t cap_ms;  /* >= base_ms */
    unsigned attempts;
} backoff;

/* clang-format off */
#define BACKOFF_INIT(base, cap) {(base), (cap), 0}
/* clang-format on */

/* The delay before attempt number `attempts` (counted from 0), given 64 random bits. */
int64_t backoff_delay_ms(const backoff *policy, unsigned attempts, uint64_t random);

/* Counts a failure; returns the delay. `retry_after_ms` (0: none given) is what the other side
 * asked for: the delay is never shorter, and the jitter is added on top of it. */
int64_t backoff_next_ms(backoff *self, int64_t retry_after_ms);

/* After a success. */
void backoff_reset(backoff *self);

/* 64 bits from the kernel. */
uint64_t backoff_random(void);

#ifdef __cplusplus
}
#endif
#endif
