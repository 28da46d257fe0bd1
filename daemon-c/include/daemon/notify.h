/* daemon/notify.h - tells the service manager how we are.
 *
 * One datagram to $NOTIFY_SOCKET (a path, or abstract with a leading '@'). Without that variable
 * every call does nothing and returns 0. Any thread. Returns 1 sent, 0 nobody to tell, or a
 * negative errno. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int daemon_notify(const char *state); /* raw, "READY=1\nSTATUS=..." */
int daemon_notify_ready(void);
int daemon_notify_stopping(void);

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
int daemon_notify_status(const char *format, ...);

/* Every how many ms WATCHDOG=1 is due (half of WATCHDOG_USEC); 0: not wanted. daemon_loop_run sends
 * it. */
int64_t daemon_notify_watchdog_ms(void);

#ifdef __cplusplus
}
#endif
#endif
