/* sync_backoff.c - how long to wait before the next attempt.
 * A pure function. The classes are the official client's: they go by the text of
 * the close reason, as its codes say nothing about load. */
#include "sync.h"

#include <string.h>

enum { OURS_MS = 100, ORDINARY_MS = 1000, OVERLOADED_MS = 3000 };

static const char *const overloaded[] = {
    "SubscriptionsWorkerFullError",
    "TooManyConcurrentRequests",
    "CommitterFullError",
    "AwsTooManyRequestsException",
    "ExecuteFullError",
    "SystemTimeoutError",
    "ExpiredInQueue",
    "VectorIndexTooLarge",
    "SearchIndexTooLarge",
    "TooManyWritesInTimePeriod",
};

static unsigned first_delay(const char *reason, bool ours)
{
    if (ours)
        return OURS_MS;
    for (size_t i = 0; i < sizeof overloaded / sizeof *overloaded; i++)
        if (strncmp(reason, overloaded[i], strlen(overloaded[i])) == 0)
            return OVERLOADED_MS;
    return ORDINARY_MS;
}

unsigned cvx_sync_backoff_ms(const cvx_sync_config *config, const char *reason, bool ours,
                             unsigned retries, double random)
{
    double delay =
        config->backoff_initial_ms ? config->backoff_initial_ms : first_delay(reason, ours);

    for (; retries > 0 && delay < config->backoff_max_ms; retries--)
        delay *= 2;
    if (delay > config->backoff_max_ms)
        delay = config->backoff_max_ms;
    return (unsigned)(delay * (0.5 + random));
}
