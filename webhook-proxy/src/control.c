/* control.c - the socket between the command line and a running proxy.
 * Owns the listening socket and its file. Loop thread. Invariant: one packet, one answer, and the
 * connection ends; nobody holds the loop, and a caller waits WAIT_MS at most; only our user can
 * connect. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/log.h"

enum { PACKET_MAX = 16 * 1024, ANSWER_S = 10, CALLERS = 8, LOOK_MS = 2, WAIT_MS = 5000 };

static const char revive_verb[] = "revive";

/* Somebody who waits for what he asked for to be stored. */
typedef struct caller {
    int fd;
    uint64_t until;     /* settlements */
    int64_t give_up_at; /* monotonic */
} caller;

struct control {
    control_options options;
    int fd;
    struct sockaddr_un address;
    daemon_timer *look;
    caller callers[CALLERS];
    size_t caller_count;
};

static bool address_of(const char *directory, struct sockaddr_un *ret)
{
    int n;

    ret->sun_family = AF_UNIX;
    n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/control", directory);
    return n > 0 && (size_t)n < sizeof(ret->sun_path);
}

/* ---- the proxy's side ---- */

static int revive_all(control *self, const char *at)
{
    int r = 0;

    while (r == 0 && *at) {
        char *end;
        long long id;

        errno = 0;
        id = strtoll(at, &end, 10);
        if (end == at || errno || id <= 0 || (*end && *end != ' '))
            return -EINVAL;
        r = self->options.revive(id, self->options.user);
        at = end;
    }
    return r;
}

static int carry_out(control *self, const char *packet)
{
    const size_t length = sizeof(revive_verb) - 1;

    if (strncmp(packet, revive_verb, length) == 0)
        return revive_all(self, packet + length);
    return -EINVAL;
}

static void say(int fd, int r)
{
    const char *words = r == 0 ? "ok" : strerror(-r);

    if (send(fd, words, strlen(words), MSG_NOSIGNAL) < 0)
        daemon_log(DAEMON_WARN, "the command line did not wait for its answer", NULL);
    close(fd);
}

/* Answers those whose wish has come true, or who waited long enough. */
static void on_look(void *user)
{
    control *self = user;
    int64_t now = daemon_monotonic_ms();

    for (size_t i = 0; i < self->caller_count;) {
        caller *c = &self->callers[i];
        bool stored = self->options.has_settled(c->until, self->options.user);

        if (!stored && now < c->give_up_at) {
            i++;
            continue;
        }
        say(c->fd, stored ? 0 : -ETIMEDOUT);
        *c = self->callers[--self->caller_count];
    }
    if (self->caller_count > 0)
        daemon_timer_set(self->look, LOOK_MS);
}

static void on_caller(int fd, short revents, void *user)
{
    control *self = user;
    int from = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct pollfd ready = {.fd = from, .events = POLLIN};
    char packet[PACKET_MAX];
    ssize_t n;
    int r = -EBUSY;

    if (from < 0)
        return;
    /* The caller sends right after it has connected. */
    n = poll(&ready, 1, 100) == 1 ? recv(from, packet, sizeof(packet) - 1, 0) : -1;
    if (n <= 0) {
        close(from);
        return;
    }
    packet[n] = '\0';
    if (self->caller_count < CALLERS)
        r = carry_out(self, packet);
    if (r < 0) {
        say(from, r);
        return;
    }
    self->callers[self->caller_count++] = (caller){
        from, self->options.settlements(self->options.user), daemon_monotonic_ms() + WAIT_MS};
    on_look(self);
}

int control_open(const control_options *options, control **ret)
{
    control *self = calloc(1, sizeof(*self));
    int r = self ? 0 : -ENOMEM;

    if (r < 0)
        return r;
    self->options = *options;
    self->fd = -1;
    if (!address_of(options->directory, &self->address))
        r = -ENAMETOOLONG;
    if (r == 0) {
        self->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        unlink(self->address.sun_path);
        if (self->fd < 0 ||
            bind(self->fd, (struct sockaddr *)&self->address, sizeof(self->address)) != 0 ||
            chmod(self->address.sun_path, S_IRUSR | S_IWUSR) != 0 || /* nobody can connect yet */
            listen(self->fd, 8) != 0)
            r = -errno;
    }
    if (r == 0)
        r = daemon_timer_new(options->loop, on_look, self, &self->look);
    if (r == 0)
        r = daemon_loop_watch(options->loop, self->fd, POLLIN, on_caller, self);
    if (r == 0)
        *ret = self;
    else
        control_close(self);
    return r;
}

void control_close(control *self)
{
    if (!self)
        return;
    if (self->fd >= 0) {
        daemon_loop_unwatch(self->options.loop, self->fd);
        close(self->fd);
        unlink(self->address.sun_path);
    }
    while (self->caller_count > 0)
        close(self->callers[--self->caller_count].fd);
    daemon_timer_free(self->look);
    free(self);
}

/* ---- the command line's side ---- */

static int ask(int fd, const struct sockaddr_un *to, const char *packet)
{
    struct timeval patience = {.tv_sec = ANSWER_S};
    char answer[200];
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 ||
        send(fd, packet, strlen(packet), MSG_NOSIGNAL) < 0)
        return -errno;
    n = recv(fd, answer, sizeof(answer) - 1, 0);
    if (n < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    answer[n] = '\0';
    return strcmp(answer, "ok") == 0 ? 0 : -EPROTO;
}

static int ask_at(const char *directory, const char *packet)
{
    struct sockaddr_un to;
    int fd, r;

    if (!address_of(directory, &to))
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    r = fd < 0 ? -errno : ask(fd, &to, packet);
    if (fd >= 0)
        close(fd);
    return r;
}

int control_revive(const char *directory, const int64_t *ids, size_t count)
{
    char packet[PACKET_MAX];
    size_t used = sizeof(revive_verb) - 1;

    if (count > CONTROL_IDS_MAX)
        return -EINVAL;
    memcpy(packet, revive_verb, sizeof(revive_verb));
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(packet + used, sizeof(packet) - used, " %lld", (long long)ids[i]);
    return ask_at(directory, packet);
}
