/* backoff.c - full jitter. Owns nothing; any thread with its own struct.
 * Invariant: a delay is never negative, never above cap plus what the other side asked for. */
#include "daemon/backoff.h"

#include <sys/random.h>

#include "daemon/clock.h"

static int64_t ceiling(const backoff *policy, unsigned attempts)
{
    int64_t limit = policy->base_ms;

    while (attempts-- > 0 && limit < policy->cap_ms)
        limit = limit > policy->cap_ms / 2 ? policy->cap_ms : limit * 2;
    return limit < policy->cap_ms ? limit : policy->cap_ms;
}

int64_t backoff_delay_ms(const backoff *policy, unsigned attempts, uint64_t random)
{
    return (int64_t)(random % ((uint64_t)ceiling(policy, attempts) + 1));
}

int64_t backoff_next_ms(backoff *self, int64_t retry_after_ms)
{
    int64_t delay = backoff_delay_ms(self, self->attempts, backoff_random());

    if (self->attempts < UINT32_MAX)
        self->attempts++;
    return retry_after_ms > 0 ? retry_after_ms + delay : delay;
}

void backoff_reset(backoff *self)
{
    self->attempts = 0;
}

uint64_t backoff_random(void)
{
    uint64_t bits = 0;

    /* Before the kernel's pool is ready only jitter is wanted, so the clock will do. */
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
        bits = (uint64_t)daemon_monotonic_ms() * 6364136223846793005u;
    return bits;
}
