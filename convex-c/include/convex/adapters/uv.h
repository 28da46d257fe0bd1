/* convex/adapters/uv.h - a client in a libuv loop.
 *
 * Header only; include it where libuv's headers are. Everything here is called on the loop's
 * thread, where the client's callbacks run too, out of uv_run(). */
#ifndef CONVEX_ADAPTERS_UV_H
#define CONVEX_ADAPTERS_UV_H

#include <stdlib.h>
#include <uv.h>

#include "convex/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A client in a loop; its parts are private. */
typedef struct convex_uv {
    uv_poll_t poll;
    uv_timer_t timer;
    convex_client *client; /* held */
    int running;           /* inside convex_client_process() */
    int detached;
    int open; /* handles that libuv has not let go */
} convex_uv;

static inline void convex_uv_closed_(uv_handle_t *handle)
{
    convex_uv *self = (convex_uv *)handle->data;
    if (--self->open > 0)
        return;
    convex_client_unref(self->client);
    free(self);
}

static inline void convex_uv_close_(convex_uv *self)
{
    uv_close((uv_handle_t *)&self->timer, convex_uv_closed_);
    uv_close((uv_handle_t *)&self->poll, convex_uv_closed_);
}

static inline void convex_uv_timed_(uv_timer_t *timer);

static inline void convex_uv_run_(convex_uv *self)
{
    convex_status status;
    int timeout_ms;

    self->running = 1;
    status = convex_client_process(self->client);
    self->running = 0;
    timeout_ms = convex_client_timeout_ms(self->client);
    if (self->detached) {
        convex_uv_close_(self);
    } else if (status == CONVEX_ECLOSED) {
        uv_poll_stop(&self->poll);
        uv_timer_stop(&self->timer);
    } else if (timeout_ms >= 0) {
        uv_update_time(self->timer.loop);
        uv_timer_start(&self->timer, convex_uv_timed_, (uint64_t)timeout_ms, 0);
    } else {
        uv_timer_stop(&self->timer);
    }
}

static inline void convex_uv_timed_(uv_timer_t *timer)
{
    convex_uv_run_((convex_uv *)timer->data);
}

static inline void convex_uv_ready_(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    convex_uv_run_((convex_uv *)poll->data);
}

/* Begins to drive the client from `loop`, and holds it. Once the client is closed nothing of it
 * keeps the loop alive. Returns what convex_uv_detach() takes, or NULL when memory is short or
 * libuv cannot watch the descriptor. */
static inline convex_uv *convex_uv_attach(uv_loop_t *loop, convex_client *client)
{
    convex_uv *self = (convex_uv *)calloc(1, sizeof *self);

    if (!self)
        return NULL;
    if (uv_poll_init(loop, &self->poll, convex_client_fd(client)) != 0) {
        free(self);
        return NULL;
    }
    uv_timer_init(loop, &self->timer);
    self->poll.data = self->timer.data = self;
    self->client = convex_client_ref(client);
    self->open = 2;
    uv_poll_start(&self->poll, UV_READABLE, convex_uv_ready_);
    uv_timer_start(&self->timer, convex_uv_timed_, 0, 0);
    return self;
}

/* Stops driving it, without closing the client. Safe inside the client's callbacks: takes effect
 * when the callback has returned. The loop must run once more to let its handles go. NULL is
 * fine. */
static inline void convex_uv_detach(convex_uv *self)
{
    if (!self || self->detached)
        return;
    self->detached = 1;
    if (!self->running)
        convex_uv_close_(self);
}

#ifdef __cplusplus
}
#endif
#endif
