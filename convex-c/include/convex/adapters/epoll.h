/* convex/adapters/epoll.h - a client in a loop of epoll_wait(), by hand.
 *
 *     convex_epoll_attach(epoll_fd, client, client);
 *     for (;;) {
 *         int n = epoll_wait(epoll_fd, events, 16, convex_epoll_timeout_ms(client, -1));
 *         for (int i = 0; i < n; i++)
 *             if (events[i].data.ptr != client)
 *                 ...
 *         if (convex_client_process(client) == CONVEX_ECLOSED)
 *             break;
 *     }
 *
 * Calling convex_client_process() in each turn is right and cheap: it looks at its own
 * descriptors. Header only. All on one thread; callbacks run inside convex_client_process(). */
#ifndef CONVEX_ADAPTERS_EPOLL_H
#define CONVEX_ADAPTERS_EPOLL_H

#include <errno.h>
#include <sys/epoll.h>

#include "convex/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Watches the client's descriptor; `tag` goes into data.ptr of its events. 0, or a negative
 * errno. */
static inline int convex_epoll_attach(int epoll_fd, const convex_client *client, void *tag)
{
    struct epoll_event event;
    event.events = EPOLLIN;
    event.data.ptr = tag;
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, convex_client_fd(client), &event) == 0 ? 0 : -errno;
}

/* Safe inside callbacks; before the last reference to the client goes. */
static inline void convex_epoll_detach(int epoll_fd, const convex_client *client)
{
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, convex_client_fd(client), NULL);
}

/* The time to wait: the program's own (-1: none) or the client's, whichever is shorter. */
static inline int convex_epoll_timeout_ms(const convex_client *client, int timeout_ms)
{
    int own = convex_client_timeout_ms(client);
    return own >= 0 && (timeout_ms < 0 || own < timeout_ms) ? own : timeout_ms;
}

#ifdef __cplusplus
}
#endif
#endif
