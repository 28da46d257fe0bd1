/* loop.c - one poll loop: descriptors, timers, signals, wakes.
 * Owns the signalfd and the eventfds of its wakers. Runs on the thread that calls daemon_loop_run.
 * Invariant: a source marked dead is never called again; it leaves the table between two turns, so
 * callbacks may remove anything, themselves included. */
#include "daemon/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/notify.h"

typedef struct source {
    int fd;
    short events;
    bool dead;
    daemon_fd_fn *on_fd;        /* for a watched fd */
    daemon_timeout_fn *timeout; /* for an attached library */
    daemon_fn *process;
    void *user;
    int64_t due; /* of `timeout`, monotonic; INT64_MAX: none */
} source;

struct daemon_timer {
    daemon_loop *loop;
    daemon_timer *next;
    daemon_fn *fn;
    void *user;
    int64_t due; /* monotonic; INT64_MAX: not set */
};

struct daemon_waker {
    daemon_loop *loop;
    daemon_fn *fn;
    void *user;
    int fd;
};

struct daemon_loop {
    source *sources;
    size_t count, capacity;
    struct pollfd *polled; /* as long as `sources` */
    daemon_timer *timers;
    daemon_fn *on_stop, *on_reload;
    void *stop_user, *reload_user;
    int signal_fd;
    bool stop_seen, stopping;
    int64_t watchdog_ms, watchdog_due;
};

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void daemon_signals_block(void)
{
    sigset_t set;

    signal_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write beyond a quota is an error like any other */
}

static void handle_signal(daemon_loop *loop, int number)
{
    if (number == SIGHUP) {
        daemon_log(DAEMON_INFO, "reload requested", NULL);
        if (loop->on_reload)
            loop->on_reload(loop->reload_user);
        return;
    }
    if (loop->stop_seen) {
        daemon_log(DAEMON_WARN, "second signal, leaving at once", "signal=%d", number);
        _exit(1);
    }
    loop->stop_seen = true;
    daemon_log(DAEMON_INFO, "stop requested", "signal=%d", number);
    daemon_notify_stopping();
    if (loop->on_stop)
        loop->on_stop(loop->stop_user);
    else
        daemon_loop_stop(loop);
}

static void read_signals(int fd, short revents, void *user)
{
    struct signalfd_siginfo info;

    (void)revents;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        handle_signal(user, (int)info.ssi_signo);
}

int daemon_loop_new(daemon_loop **ret)
{
    daemon_loop *loop = calloc(1, sizeof(*loop));
    sigset_t set;
    int r;

    if (loop == NULL)
        return -ENOMEM;
    signal_set(&set);
    loop->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    r = loop->signal_fd < 0 ? -errno : 0;
    if (r == 0)
        r = daemon_loop_watch(loop, loop->signal_fd, POLLIN, read_signals, loop);
    if (r < 0) {
        daemon_loop_free(loop);
        return r;
    }
    loop->watchdog_ms = daemon_notify_watchdog_ms();
    *ret = loop;
    return 0;
}

void daemon_loop_free(daemon_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    free(loop->sources);
    free(loop->polled);
    free(loop);
}

void daemon_loop_stop(daemon_loop *loop)
{
    loop->stopping = true;
}

void daemon_loop_on_stop(daemon_loop *loop, daemon_fn *fn, void *user)
{
    loop->on_stop = fn;
    loop->stop_user = user;
}

void daemon_loop_on_reload(daemon_loop *loop, daemon_fn *fn, void *user)
{
    loop->on_reload = fn;
    loop->reload_user = user;
}

static int add(daemon_loop *loop, source new_source)
{
    daemon_loop_unwatch(loop, new_source.fd);
    if (loop->count == loop->capacity) {
        size_t capacity = loop->capacity ? loop->capacity * 2 : 8;
        source *sources = realloc(loop->sources, capacity * sizeof(*sources));
        struct pollfd *polled;

        if (sources == NULL)
            return -ENOMEM;
        loop->sources = sources;
        polled = realloc(loop->polled, capacity * sizeof(*polled));
        if (polled == NULL)
            return -ENOMEM;
        loop->polled = polled;
        loop->capacity = capacity;
    }
    new_source.due = INT64_MAX;
    loop->sources[loop->count++] = new_source;
    return 0;
}

int daemon_loop_watch(daemon_loop *loop, int fd, short events, daemon_fd_fn *fn, void *user)
{
    return add(loop, (source){.fd = fd, .events = events, .on_fd = fn, .user = user});
}

int daemon_loop_attach(daemon_loop *loop, int fd, daemon_timeout_fn *timeout, daemon_fn *process,
                       void *user)
{
    return add(
        loop,
        (source){.fd = fd, .events = POLLIN, .timeout = timeout, .process = process, .user = user});
}

void daemon_loop_unwatch(daemon_loop *loop, int fd)
{
    for (size_t i = 0; i < loop->count; i++)
        if (loop->sources[i].fd == fd)
            loop->sources[i].dead = true;
}

static void sweep(daemon_loop *loop)
{
    size_t kept = 0;

    for (size_t i = 0; i < loop->count; i++)
        if (!loop->sources[i].dead)
            loop->sources[kept++] = loop->sources[i];
    loop->count = kept;
}

/* Asks every attached library when it wants to run; returns the earliest due time of all. */
static int64_t earliest(daemon_loop *loop, int64_t now)
{
    int64_t due = loop->watchdog_ms > 0 ? loop->watchdog_due : INT64_MAX;

    for (const daemon_timer *timer = loop->timers; timer; timer = timer->next)
        if (timer->due < due)
            due = timer->due;
    for (size_t i = 0; i < loop->count; i++) {
        source *s = &loop->sources[i];
        int wait = s->timeout ? s->timeout(s->user) : -1;

        s->due = wait < 0 ? INT64_MAX : now + wait;
        if (s->due < due)
            due = s->due;
    }
    return due;
}

static void run_sources(daemon_loop *loop, size_t polled)
{
    int64_t now = daemon_monotonic_ms();

    /* Indices, not pointers: a callback may add a source and move the table. */
    for (size_t i = 0; i < polled; i++) {
        source s = loop->sources[i];
        short revents = loop->polled[i].revents;

        if (s.dead)
            continue;
        if (s.on_fd && revents)
            s.on_fd(s.fd, revents, s.user);
        if (s.process && (revents || s.due <= now))
            s.process(s.user);
    }
}

static void run_timers(daemon_loop *loop)
{
    int64_t now = daemon_monotonic_ms();
    daemon_timer *timer = loop->timers;

    while (timer) {
        if (timer->due > now) {
            timer = timer->next;
            continue;
        }
        timer->due = INT64_MAX;
        timer->fn(timer->user);
        timer = loop->timers; /* the callback may have freed any of them */
    }
}

static void run_watchdog(daemon_loop *loop)
{
    int64_t now = daemon_monotonic_ms();

    if (loop->watchdog_ms == 0 || now < loop->watchdog_due)
        return;
    daemon_notify("WATCHDOG=1");
    loop->watchdog_due = now + loop->watchdog_ms;
}

int daemon_loop_turn(daemon_loop *loop, int timeout_ms)
{
    int64_t now = daemon_monotonic_ms(), due, wait;
    size_t count;

    sweep(loop);
    due = earliest(loop, now);
    wait = due == INT64_MAX ? -1 : due > now ? due - now : 0;
    if (timeout_ms >= 0 && (wait < 0 || wait > timeout_ms))
        wait = timeout_ms;
    if (wait > 60000)
        wait = 60000;
    count = loop->count;
    for (size_t i = 0; i < count; i++)
        loop->polled[i] =
            (struct pollfd){.fd = loop->sources[i].fd, .events = loop->sources[i].events};
    if (poll(loop->polled, (nfds_t)count, (int)wait) < 0) {
        if (errno != EINTR)
            return -errno;
        for (size_t i = 0; i < count; i++)
            loop->polled[i].revents = 0;
    }
    run_sources(loop, count);
    run_timers(loop);
    run_watchdog(loop);
    return 0;
}

int daemon_loop_run(daemon_loop *loop)
{
    int r = 0;

    while (r == 0 && !loop->stopping)
        r = daemon_loop_turn(loop, -1);
    return r;
}

int daemon_timer_new(daemon_loop *loop, daemon_fn *fn, void *user, daemon_timer **ret)
{
    daemon_timer *timer = malloc(sizeof(*timer));

    if (timer == NULL)
        return -ENOMEM;
    *timer = (daemon_timer){loop, loop->timers, fn, user, INT64_MAX};
    loop->timers = timer;
    *ret = timer;
    return 0;
}

void daemon_timer_set(daemon_timer *timer, int64_t delay_ms)
{
    timer->due = daemon_monotonic_ms() + (delay_ms > 0 ? delay_ms : 0);
}

void daemon_timer_clear(daemon_timer *timer)
{
    timer->due = INT64_MAX;
}

void daemon_timer_free(daemon_timer *timer)
{
    daemon_timer **link;

    if (timer == NULL)
        return;
    for (link = &timer->loop->timers; *link != timer; link = &(*link)->next)
        ;
    *link = timer->next;
    free(timer);
}

static void drain_waker(int fd, short revents, void *user)
{
    daemon_waker *waker = user;
    uint64_t wakes;

    (void)revents;
    if (read(fd, &wakes, sizeof(wakes)) == (ssize_t)sizeof(wakes))
        waker->fn(waker->user);
}

int daemon_waker_new(daemon_loop *loop, daemon_fn *fn, void *user, daemon_waker **ret)
{
    daemon_waker *waker = malloc(sizeof(*waker));
    int r;

    if (waker == NULL)
        return -ENOMEM;
    *waker = (daemon_waker){loop, fn, user, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    r = waker->fd < 0 ? -errno : daemon_loop_watch(loop, waker->fd, POLLIN, drain_waker, waker);
    if (r < 0) {
        if (waker->fd >= 0)
            close(waker->fd);
        free(waker);
        return r;
    }
    *ret = waker;
    return 0;
}

void daemon_waker_wake(daemon_waker *waker)
{
    uint64_t one = 1;
    ssize_t written = write(waker->fd, &one, sizeof(one));

    (void)written; /* EAGAIN: the counter is full, so a wake is pending anyway */
}

void daemon_waker_free(daemon_waker *waker)
{
    if (waker == NULL)
        return;
    daemon_loop_unwatch(waker->loop, waker->fd);
    close(waker->fd);
    free(waker);
}
