/* daemon/clock.h - the two clocks, in milliseconds. Any thread. */
#ifndef DAEMON_CLOCK_H
#define DAEMON_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Never jumps: for timeouts and schedules. Starts anywhere. */
int64_t daemon_monotonic_ms(void);

/* Since 1970, for what is stored or shown; may jump. */
int64_t daemon_wall_ms(void);

#ifdef __cplusplus
}
#endif
#endif
