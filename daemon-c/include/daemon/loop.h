/* daemon/loop.h - the main loop of a daemon: descriptors, timers, signals, wakes.
 *
 * A thin layer over poll(2). One thread (the one that calls daemon_loop_run) owns a loop; only
 * daemon_waker_wake() may be called from others. Callbacks run on the loop thread, one at a time,
 * and may call anything here, also remove themselves.
 *
 * Signals (blocked by daemon_init before the first thread): SIGTERM and SIGINT call the on_stop
 * callback once, a second one ends the process at once with exit status 1; SIGHUP calls on_reload.
 * Without on_stop the loop simply stops. SIGPIPE and SIGXFSZ are ignored. With WATCHDOG_USEC set,
 * the loop itself sends WATCHDOG=1. */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct daemon_loop daemon_loop;   /* opaque, one owner */
typedef struct daemon_timer daemon_timer; /* opaque, owned by you, freed before its loop */
typedef struct daemon_waker daemon_waker; /* opaque, owned by you, freed before its loop */

typedef void daemon_fd_fn(int fd, short revents, void *user);
typedef void daemon_fn(void *user);
typedef int daemon_timeout_fn(void *user); /* ms until it wants to run, -1: not by time */

/* Takes over the blocked signals of the process: one loop with signals at a time.
 *   ret   owned, release with daemon_loop_free()
 * Returns 0 or a negative errno. */
int daemon_loop_new(daemon_loop **ret);
void daemon_loop_free(daemon_loop *loop);

/* Runs until daemon_loop_stop(). Returns 0, or a negative errno if poll itself fails. */
int daemon_loop_run(daemon_loop *loop);
void daemon_loop_stop(daemon_loop *loop);

/* One turn: waits at most `timeout_ms` (-1: as long as it takes). For tests and short commands. */
int daemon_loop_turn(daemon_loop *loop, int timeout_ms);

void daemon_loop_on_stop(daemon_loop *loop, daemon_fn *fn, void *user);
void daemon_loop_on_reload(daemon_loop *loop, daemon_fn *fn, void *user);

/* Calls fn when `fd` has any of `events` (POLLIN, POLLOUT), POLLERR or POLLHUP. Watching an fd
 * again replaces what was there. The fd stays yours. Returns 0 or -ENOMEM. */
int daemon_loop_watch(daemon_loop *loop, int fd, short events, daemon_fd_fn *fn, void *user);
void daemon_loop_unwatch(daemon_loop *loop, int fd);

/* For a library with the three calls fd, timeout_ms, process: before each wait `timeout` is asked,
 * and `process` runs when the fd is readable or that time has passed. Remove with unwatch(fd). */
int daemon_loop_attach(daemon_loop *loop, int fd, daemon_timeout_fn *timeout, daemon_fn *process,
                       void *user);

/* One-shot timers on the monotonic clock. A new timer is not set. Setting again replaces the time.
 */
int daemon_timer_new(daemon_loop *loop, daemon_fn *fn, void *user, daemon_timer **ret);
void daemon_timer_set(daemon_timer *timer, int64_t delay_ms);
void daemon_timer_clear(daemon_timer *timer);
void daemon_timer_free(daemon_timer *timer);

/* Runs fn on the loop thread soon after any thread called wake. Wakes merge: fn empties its queue.
 */
int daemon_waker_new(daemon_loop *loop, daemon_fn *fn, void *user, daemon_waker **ret);
void daemon_waker_wake(daemon_waker *waker); /* any thread; async-signal-safe */
void daemon_waker_free(daemon_waker *waker);

/* Blocks SIGTERM, SIGINT and SIGHUP for this thread and those it starts, ignores SIGPIPE and
 * SIGXFSZ. daemon_init does it. */
void daemon_signals_block(void);

#ifdef __cplusplus
}
#endif
#endif
