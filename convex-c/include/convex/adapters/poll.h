/* convex/adapters/poll.h - a client in a loop of poll(), by hand.
 *
 *     for (;;) {
 *         struct pollfd fds[] = {convex_poll_fd(client), ...};
 *         poll(fds, n, convex_poll_timeout_ms(client, -1));
 *         if (convex_poll_process(client, &fds[0]) == CONVEX_ECLOSED)
 *             break;
 *         ...
 *     }
 *
 * Header only. All on one thread; callbacks run inside convex_poll_process(). */
#ifndef CONVEX_ADAPTERS_POLL_H
#define CONVEX_ADAPTERS_POLL_H

#include <poll.h>

#include "convex/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The descriptor to wait for; the same for the client's life. */
static inline struct pollfd convex_poll_fd(const convex_client *client)
{
    struct pollfd fd;
    fd.fd = convex_client_fd(client);
    fd.events = POLLIN;
    fd.revents = 0;
    return fd;
}

/* The time to wait: the program's own (-1: none) or the client's, whichever is shorter. */
static inline int convex_poll_timeout_ms(const convex_client *client, int timeout_ms)
{
    int own = convex_client_timeout_ms(client);
    return own >= 0 && (timeout_ms < 0 || own < timeout_ms) ? own : timeout_ms;
}

/* After poll(), whatever it returned: runs the client if it is due. `fd` is its entry. Returns
 * CONVEX_OK, or CONVEX_ECLOSED once closed: leave it out of the loop then. */
static inline convex_status convex_poll_process(convex_client *client, const struct pollfd *fd)
{
    if (fd->revents == 0 && convex_client_timeout_ms(client) != 0)
        return CONVEX_OK;
    return convex_client_process(client);
}

#ifdef __cplusplus
}
#endif
#endif
