/* convex/adapters/lws.h - a client in a libwebsockets loop.
 *
 * The client keeps its own transport; the loop only tells it when its descriptor is ready. This
 * works with lws_service() and with every event library under it. Header only; include it where
 * libwebsockets' headers are. Everything here is called on the thread that services the context,
 * where the client's callbacks run too. */
#ifndef CONVEX_ADAPTERS_LWS_H
#define CONVEX_ADAPTERS_LWS_H

#include <libwebsockets.h>
#include <stdlib.h>
#include <unistd.h>

#include "convex/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A client in a loop; its parts are private. */
typedef struct convex_lws {
    lws_sorted_usec_list_t timer; /* first: its callback is given this */
    struct lws_context *context;
    struct lws *wsi;       /* of a duplicate of the client's descriptor, which lws will close */
    convex_client *client; /* held */
    int running;           /* inside convex_client_process() */
    int in_callback;       /* of the wsi, which then may only be closed by its return value */
    int detached;
} convex_lws;

static inline void convex_lws_free_(convex_lws *self)
{
    lws_sul_schedule(self->context, 0, &self->timer, NULL, LWS_SET_TIMER_USEC_CANCEL);
    if (self->wsi) {
        lws_set_opaque_user_data(self->wsi, NULL);
        if (!self->in_callback)
            lws_set_timeout(self->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    }
    convex_client_unref(self->client);
    free(self);
}

static inline void convex_lws_timed_(lws_sorted_usec_list_t *timer);

/* Not 0: nothing is to be watched any more. */
static inline int convex_lws_run_(convex_lws *self)
{
    int closed, timeout_ms;

    self->running = 1;
    closed = convex_client_process(self->client) == CONVEX_ECLOSED;
    self->running = 0;
    timeout_ms = convex_client_timeout_ms(self->client);
    if (self->detached) {
        convex_lws_free_(self);
        return -1;
    }
    lws_sul_schedule(self->context, 0, &self->timer, convex_lws_timed_,
                     timeout_ms < 0 ? (lws_usec_t)LWS_SET_TIMER_USEC_CANCEL
                                    : (lws_usec_t)timeout_ms * 1000);
    return closed ? -1 : 0;
}

static inline void convex_lws_timed_(lws_sorted_usec_list_t *timer)
{
    convex_lws_run_((convex_lws *)timer);
}

/* Of the protocol below; libwebsockets calls it. */
static inline int convex_lws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                                      void *in, size_t len)
{
    convex_lws *self = (convex_lws *)lws_get_opaque_user_data(wsi);
    int result;

    (void)user;
    (void)in;
    (void)len;
    if (!self)
        return 0;
    if (reason == LWS_CALLBACK_RAW_CLOSE_FILE)
        self->wsi = NULL;
    if (reason != LWS_CALLBACK_RAW_RX_FILE)
        return 0;
    self->in_callback = 1;
    result = convex_lws_run_(self);
    if (lws_get_opaque_user_data(wsi))
        self->in_callback = 0;
    return result;
}

/* An entry for the list of protocols of the vhost that is given to convex_lws_attach(). */
#define CONVEX_LWS_PROTOCOL                                                                        \
    {                                                                                              \
        "convex", convex_lws_callback, 0, 0, 0, NULL, 0                                            \
    }

/* Begins to drive the client from the loop of the vhost's context, and holds it. Returns what
 * convex_lws_detach() takes, or NULL when memory or descriptors are short or the vhost lacks
 * CONVEX_LWS_PROTOCOL. */
static inline convex_lws *convex_lws_attach(struct lws_vhost *vhost, convex_client *client)
{
    convex_lws *self = (convex_lws *)calloc(1, sizeof *self);
    lws_sock_file_fd_type fd;

    if (!self)
        return NULL;
    fd.filefd = dup(convex_client_fd(client));
    if (fd.filefd >= 0)
        self->wsi = lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "convex", NULL);
    if (!self->wsi) {
        free(self);
        return NULL;
    }
    lws_set_opaque_user_data(self->wsi, self);
    self->context = lws_get_context(self->wsi);
    self->client = convex_client_ref(client);
    lws_sul_schedule(self->context, 0, &self->timer, convex_lws_timed_, 1);
    return self;
}

/* Stops driving it, without closing the client. Safe inside the client's callbacks: takes effect
 * when the callback has returned. Before the context is destroyed. NULL is fine. */
static inline void convex_lws_detach(convex_lws *self)
{
    if (!self || self->detached)
        return;
    self->detached = 1;
    if (!self->running)
        convex_lws_free_(self);
}

#ifdef __cplusplus
}
#endif
#endif
