/* resolve.c - a host name looked up on a thread of its own, for loops that must not wait.
 * Owned twice, by whoever asked and by the thread: the later of the two frees it, for a
 * lookup can take as long as the resolver likes. */
#include "resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dresolve {
    pthread_mutex_t lock;
    unsigned refs;
    bool done;
    int wake_fd; /* a copy: the other end may be gone first */
    char address[DRESOLVE_ADDRESS];
    char host[];
};

static void unref(dresolve *r)
{
    pthread_mutex_lock(&r->lock);
    unsigned left = --r->refs;
    pthread_mutex_unlock(&r->lock);
    if (left)
        return;
    close(r->wake_fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

bool dresolve_is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* IPv4 where there is one: what has both is reached by it from everywhere. */
static void choose(const struct addrinfo *list, char ret[DRESOLVE_ADDRESS])
{
    const struct addrinfo *best = list;

    for (const struct addrinfo *a = list; a; a = a->ai_next)
        if (a->ai_family == AF_INET) {
            best = a;
            break;
        }
    if (!best || getnameinfo(best->ai_addr, best->ai_addrlen, ret, DRESOLVE_ADDRESS, NULL, 0,
                             NI_NUMERICHOST) != 0)
        ret[0] = '\0';
}

static void *run(void *user)
{
    dresolve *r = user;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    char address[DRESOLVE_ADDRESS] = "";
    uint64_t one = 1;

    if (getaddrinfo(r->host, NULL, &hints, &list) == 0) {
        choose(list, address);
        freeaddrinfo(list);
    }
    pthread_mutex_lock(&r->lock);
    memcpy(r->address, address, sizeof address);
    r->done = true;
    pthread_mutex_unlock(&r->lock);
    while (write(r->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    unref(r);
    return NULL;
}

/* A detached thread that takes none of the program's signals. */
static bool start_thread(dresolve *r)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&thread, &attr, run, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return ok;
}

dresolve *dresolve_start(const char *host, int wake_fd)
{
    dresolve *r = calloc(1, sizeof *r + strlen(host) + 1);

    if (!r)
        return NULL;
    strcpy(r->host, host);
    r->refs = 2;
    r->wake_fd = dup(wake_fd);
    pthread_mutex_init(&r->lock, NULL);
    if (r->wake_fd >= 0 && start_thread(r))
        return r;
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return NULL;
}

bool dresolve_done(dresolve *r, char ret[DRESOLVE_ADDRESS])
{
    pthread_mutex_lock(&r->lock);
    bool done = r->done;
    if (done)
        memcpy(ret, r->address, DRESOLVE_ADDRESS);
    pthread_mutex_unlock(&r->lock);
    return done;
}

void dresolve_drop(dresolve *r)
{
    if (r)
        unref(r);
}
