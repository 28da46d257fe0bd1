/* dial.c - connects to the first address that answers.
 *
 * Owns the sockets that are connecting, and its share of a lookup. One thread, but for the lookup:
 * getaddrinfo() blocks, so that a thread of its own asks, and is left to itself when nobody waits
 * any more. That one allocates with libc, as the hooks of a client belong to the client's thread.
 *
 * Addresses are tried in the order of getaddrinfo(): the next when one has failed, or has
 * not answered for a while, with the earlier still in the race. */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_START_MS = 250, KEEPALIVE_S = 60 };

/* ---- names ---- */

typedef struct cvx_lookup {
    atomic_uint owners; /* the dial, and the thread */
    int wake;           /* an eventfd; -1: no thread */
    atomic_bool done;   /* what follows is there */
    int code;           /* of getaddrinfo() */
    struct addrinfo *found;
    char host[NI_MAXHOST], port[8];
} lookup;

static void lookup_leave(lookup *l)
{
    if (!l || atomic_fetch_sub(&l->owners, 1) > 1)
        return;
    if (l->found)
        freeaddrinfo(l->found);
    if (l->wake >= 0)
        close(l->wake);
    free(l);
}

static void lookup_ask(lookup *l, int flags)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    l->code = getaddrinfo(l->host, l->port, &hints, &l->found);
}

static void *lookup_run(void *arg)
{
    lookup *l = arg;

    lookup_ask(l, 0);
    atomic_store(&l->done, true);
    eventfd_write(l->wake, 1);
    lookup_leave(l);
    return NULL;
}

/* Its thread takes no signals of the process. */
static bool lookup_start_thread(lookup *l)
{
    sigset_t all, before;
    pthread_t thread;
    bool ok;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_store(&l->owners, 2);
    ok = pthread_create(&thread, NULL, lookup_run, l) == 0;
    if (ok)
        pthread_detach(thread);
    else
        atomic_store(&l->owners, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

/* "http://host:port" or "http://[v6%25zone]:port"; port and zone may be missing. */
static bool lookup_parse(lookup *l, const char *url)
{
    const char *host = strstr(url, "://") + 3;
    bool bracket = host[0] == '[';
    size_t len = strcspn(host += bracket, bracket ? "]" : ":");
    const char *port = host + len + (bracket && host[len] == ']');
    char *zone;

    if (len >= sizeof l->host)
        return false;
    memcpy(l->host, host, len);
    if (bracket && (zone = strstr(l->host, "%25")) != NULL) /* "%", as URLs spell it */
        memmove(zone + 1, zone + 3, strlen(zone + 3) + 1);
    snprintf(l->port, sizeof l->port, "%s", port[0] == ':' && port[1] ? port + 1 : "80");
    return true;
}

/* ---- sockets ---- */

static void watch(const cvx_dial *dial, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)fd};
    epoll_ctl(dial->epoll_fd, events ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
}

static void name_fault(cvx_dial *dial, int error)
{
    const char *host = dial->lookup ? dial->lookup->host : "the socket";
    snprintf(dial->error, sizeof dial->error, "%.80s: %s", host, strerror(error));
}

static void set_options(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){KEEPALIVE_S}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){KEEPALIVE_S}, sizeof(int));
}

/* Puts one more into the race; false when it has failed already. */
static bool try_address(cvx_dial *dial, const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && address->sa_family != AF_UNIX)
        set_options(fd);
    if (fd >= 0 && (connect(fd, address, len) == 0 || errno == EINPROGRESS)) {
        dial->sockets[dial->count++] = fd;
        watch(dial, fd, EPOLLOUT);
        return true;
    }
    name_fault(dial, errno);
    if (fd >= 0)
        close(fd);
    return false;
}

static void drop_socket(cvx_dial *dial, unsigned i)
{
    watch(dial, dial->sockets[i], 0);
    close(dial->sockets[i]);
    dial->sockets[i] = dial->sockets[--dial->count];
}

/* The first that stands is the caller's; those that failed go. */
static bool take_connected(cvx_dial *dial, int *ret_fd)
{
    for (unsigned i = 0; i < dial->count;) {
        int fd = dial->sockets[i], error = 0;
        struct sockaddr_storage peer;
        socklen_t len = sizeof error, peer_len = sizeof peer;

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0 &&
            getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0) {
            watch(dial, fd, 0);
            dial->sockets[i] = dial->sockets[--dial->count];
            *ret_fd = fd;
            return true;
        }
        if (error == 0) { /* still on its way */
            i++;
            continue;
        }
        name_fault(dial, error);
        drop_socket(dial, i);
        dial->next_at = INT64_MIN;
    }
    return false;
}

/* ---- the race ---- */

static bool look_up(cvx_dial *dial, const char *url)
{
    lookup *l = calloc(1, sizeof *l);

    dial->lookup = l;
    if (!l)
        return false;
    l->owners = 1;
    l->wake = -1;
    if (!lookup_parse(l, url))
        return false;
    lookup_ask(l, AI_NUMERICHOST);
    dial->next = l->found;
    if (l->code == 0)
        return true;
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dial->asking = l->wake >= 0 && lookup_start_thread(l);
    if (dial->asking)
        watch(dial, l->wake, EPOLLIN);
    return dial->asking;
}

void cvx_dial_start(cvx_dial *dial, const char *url)
{
    dial->error[0] = '\0';
    dial->next_at = INT64_MIN;
    if (!look_up(dial, url))
        snprintf(dial->error, sizeof dial->error,
                 "the name cannot be looked up: no memory or descriptors");
}

void cvx_dial_start_unix(cvx_dial *dial, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    dial->error[0] = '\0';
    dial->next_at = INT64_MIN;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    try_address(dial, (struct sockaddr *)&address, sizeof address);
}

static void take_answer(cvx_dial *dial)
{
    lookup *l = dial->lookup;

    if (!dial->asking || !atomic_load(&l->done))
        return;
    watch(dial, l->wake, 0);
    dial->asking = false;
    dial->next = l->found;
    dial->next_at = INT64_MIN;
    if (l->code != 0)
        snprintf(dial->error, sizeof dial->error, "%.80s: %s", l->host, gai_strerror(l->code));
}

static void try_due(cvx_dial *dial, int64_t now_ms)
{
    while (dial->next && dial->count < CVX_DIAL_SOCKETS && now_ms >= dial->next_at) {
        const struct addrinfo *address = dial->next;
        dial->next = address->ai_next;
        if (try_address(dial, address->ai_addr, address->ai_addrlen))
            dial->next_at = now_ms + HEAD_START_MS;
    }
}

cvx_dial_state cvx_dial_process(cvx_dial *dial, int64_t now_ms, int *ret_fd)
{
    bool connected;

    take_answer(dial);
    do {
        try_due(dial, now_ms);
        connected = take_connected(dial, ret_fd); /* makes the next one due when one has failed */
    } while (!connected && dial->next && dial->count < CVX_DIAL_SOCKETS && now_ms >= dial->next_at);
    if (!connected && (dial->count > 0 || dial->asking)) {
        if (!dial->next || dial->count == CVX_DIAL_SOCKETS)
            dial->next_at = INT64_MAX;
        return CVX_DIAL_WAITING;
    }
    cvx_dial_stop(dial);
    return connected ? CVX_DIAL_DONE : CVX_DIAL_FAILED;
}

void cvx_dial_stop(cvx_dial *dial)
{
    while (dial->count > 0)
        drop_socket(dial, 0);
    if (dial->asking)
        watch(dial, dial->lookup->wake, 0);
    lookup_leave(dial->lookup);
    dial->lookup = NULL;
    dial->asking = false;
    dial->next = NULL;
    dial->next_at = INT64_MAX;
}
