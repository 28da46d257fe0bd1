/* story_loop.h - who moves the bytes of a test's client, and drives it: libcurl and poll(), or
 * with STORY_LWS defined libwebsockets, so that the same stories are told of both. */
#ifndef STORY_LOOP_H
#define STORY_LOOP_H

#include <poll.h>
#include <stdlib.h>

#include "convex/client.h"

#ifdef STORY_LWS
#include "convex/adapters/lws.h"
#include "convex/lws.h"

typedef convex_lws story_loop;

static struct lws_context *story_context;
static convex_transport_factory *story_factory;

static inline void story_loop_end(void)
{
    convex_lws_transport_free(story_factory);
    lws_context_destroy(story_context);
}

static inline void story_loop_prepare(convex_options *options)
{
    static const struct lws_protocols protocols[] = {CONVEX_LWS_PROTOCOL, {0}};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols};
    if (!story_context) {
        lws_set_log_level(0, NULL);
        story_context = lws_create_context(&info);
        if (convex_lws_transport_new(story_context, &story_factory, NULL) != CONVEX_OK)
            abort();
        atexit(story_loop_end);
    }
    options->transport = story_factory;
}

static inline story_loop *story_loop_attach(convex_client *client)
{
    return convex_lws_attach(lws_get_vhost_by_name(story_context, "default"), client);
}

static inline void story_loop_detach(story_loop *loop)
{
    convex_lws_detach(loop);
}

static inline void story_loop_turn(convex_client *client)
{
    lws_service(story_context, 0);
}

#else

typedef struct story_loop story_loop;

static inline void story_loop_prepare(convex_options *options)
{
}

static inline story_loop *story_loop_attach(convex_client *client)
{
    return NULL;
}

static inline void story_loop_detach(story_loop *loop)
{
}

static inline void story_loop_turn(convex_client *client)
{
    struct pollfd wait = {.fd = convex_client_fd(client), .events = POLLIN};
    int timeout = convex_client_timeout_ms(client);

    poll(&wait, 1, timeout < 0 || timeout > 1000 ? 1000 : timeout);
    convex_client_process(client);
}
#endif

#endif
