/* control.c - the socket between the command line and a running proxy.
 * Owns the listening socket and its file. Loop thread. Invariant: one packet, one answer, and the
 * connection ends, so that nobody can hold the loop; only our user can connect. */
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

#include "daemon/log.h"

enum { PACKET_MAX = 16 * 1024, ANSWER_S = 10 };

static const char verb[] = "revive";

struct control {
    control_options options;
    int fd;
    struct sockaddr_un address;
};

static bool address_of(const char *directory, struct sockaddr_un *ret)
{
    int n;

    ret->sun_family = AF_UNIX;
    n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/control", directory);
    return n > 0 && (size_t)n < sizeof(ret->sun_path);
}

/* ---- the proxy's side ---- */

static int carry_out(control *self, const char *packet)
{
    const char *at = packet + sizeof(verb) - 1;
    int r = strncmp(packet, verb, sizeof(verb) - 1) == 0 ? 0 : -EINVAL;

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

static void on_caller(int fd, short revents, void *user)
{
    control *self = user;
    int caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct pollfd ready = {.fd = caller, .events = POLLIN};
    char packet[PACKET_MAX];
    ssize_t n;
    int r;

    if (caller < 0)
        return;
    /* The caller sends right after it has connected. */
    n = poll(&ready, 1, 100) == 1 ? recv(caller, packet, sizeof(packet) - 1, 0) : -1;
    if (n > 0) {
        packet[n] = '\0';
        r = carry_out(self, packet);
        n = snprintf(packet, sizeof(packet), "%s", r == 0 ? "ok" : strerror(-r));
        if (send(caller, packet, (size_t)n, MSG_NOSIGNAL) < 0)
            daemon_log(DAEMON_WARN, "the command line did not wait for its answer", NULL);
    }
    close(caller);
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

int control_revive(const char *directory, const int64_t *ids, size_t count)
{
    struct sockaddr_un to;
    char packet[PACKET_MAX];
    size_t used = sizeof(verb) - 1;
    int fd, r;

    if (count > CONTROL_IDS_MAX)
        return -EINVAL;
    if (!address_of(directory, &to))
        return -ENAMETOOLONG;
    memcpy(packet, verb, sizeof(verb));
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(packet + used, sizeof(packet) - used, " %lld", (long long)ids[i]);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    r = fd < 0 ? -errno : ask(fd, &to, packet);
    if (fd >= 0)
        close(fd);
    return r;
}
