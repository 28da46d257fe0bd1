/* convex/adapters/event.h - a client in a libevent loop.
 *
 * Header only; include it where libevent's headers are. Everything here is called on the thread
 * of the event_base, where the client's callbacks run too, out of event_base_dispatch(). */
#ifndef CONVEX_ADAPTERS_EVENT_H
#define CONVEX_ADAPTERS_EVENT_H

#include <event2/event.h>
#include <stdlib.h>

#include "convex/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A client in a loop; its parts are private. */
typedef struct convex_event {
    struct event *ready, *timer;
    convex_client *client; /* held */
    int running;           /* inside convex_client_process() */
    int detached;
} convex_event;

static inline void convex_event_free_(convex_event *self)
{
    if (self->ready)
        event_free(self->ready);
    if (self->timer)
        event_free(self->timer);
    convex_client_unref(self->client);
    free(self);
}

static inline void convex_event_run_(evutil_socket_t fd, short what, void *user)
{
    convex_event *self = (convex_event *)user;
    convex_status status;
    int timeout_ms;
    struct timeval timeout;

    (void)fd;
    (void)what;
    self->running = 1;
    status = convex_client_process(self->client);
    self->running = 0;
    timeout_ms = convex_client_timeout_ms(self->client);
    timeout.tv_sec = timeout_ms / 1000;
    timeout.tv_usec = timeout_ms % 1000 * 1000;
    if (self->detached) {
        convex_event_free_(self);
    } else if (status == CONVEX_ECLOSED) {
        event_del(self->ready);
        event_del(self->timer);
    } else if (timeout_ms >= 0) {
        event_add(self->timer, &timeout);
    } else {
        event_del(self->timer);
    }
}

/* Begins to drive the client from `base`, and holds it. Once the client is closed nothing of it
 * keeps the loop alive. Returns what convex_event_detach() takes, or NULL when memory is short. */
static inline convex_event *convex_event_attach(struct event_base *base, convex_client *client)
{
    convex_event *self = (convex_event *)calloc(1, sizeof *self);

    if (!self)
        return NULL;
    self->client = convex_client_ref(client);
    self->ready =
        event_new(base, convex_client_fd(client), EV_READ | EV_PERSIST, convex_event_run_, self);
    self->timer = event_new(base, -1, 0, convex_event_run_, self);
    if (!self->ready || !self->timer || event_add(self->ready, NULL) != 0) {
        convex_event_free_(self);
        return NULL;
    }
    event_active(self->timer, EV_TIMEOUT, 0);
    return self;
}

/* Stops driving it, without closing the client. Safe inside the client's callbacks: takes effect
 * when the callback has returned. Before the event_base is freed. NULL is fine. */
static inline void convex_event_detach(convex_event *self)
{
    if (!self || self->detached)
        return;
    self->detached = 1;
    if (!self->running)
        convex_event_free_(self);
}

#ifdef __cplusplus
}
#endif
#endif
