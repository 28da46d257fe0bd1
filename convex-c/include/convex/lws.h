/* convex/lws.h - a client whose connection belongs to a libwebsockets loop.
 *
 * For programs that live in such a loop and want every socket in it. (To drive a client there
 * convex/adapters/lws.h is enough; its default transport then keeps sockets of its own, and can
 * do more.) In the library convex-lws.
 *
 *     convex_lws_transport_new(context, &factory, &error);
 *     options.transport = factory;
 *     ... clients, driven by convex_lws_attach() ...
 *     convex_lws_transport_free(factory);
 *
 * libwebsockets moves raw bytes; TLS and the WebSocket are this library's, since the RAW role of
 * libwebsockets 4.1 cannot do TLS and its WebSocket role handles single bytes. What it cannot do:
 *  - proxies: a network.proxy other than "" is refused with CONVEX_EINVAL when the client is made,
 *    and those of the environment are not used;
 *  - names are resolved by libwebsockets with a call that blocks its loop.
 *
 * Everything on the one thread that services the context: also the clients' callbacks. A client
 * that is driven elsewhere fails to connect, with words that say so. libwebsockets ignores SIGPIPE
 * for the whole process. */
#ifndef CONVEX_LWS_H
#define CONVEX_LWS_H

#include "convex/client.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lws_context;

/* Adds a vhost to the context, for outgoing connections.
 *   context  must outlive the factory
 *   ret      owned, release with convex_lws_transport_free() after the last client that was made
 *            with it; untouched on error
 * Returns CONVEX_OK, CONVEX_EINVAL, CONVEX_ENOMEM, or CONVEX_ELIMIT when libwebsockets refuses. */
CONVEX_API convex_status convex_lws_transport_new(struct lws_context *context,
                                                  convex_transport_factory **ret,
                                                  convex_error *reterr);
/* Before the context is destroyed. NULL is fine. */
CONVEX_API void convex_lws_transport_free(convex_transport_factory *factory);

#ifdef __cplusplus
}
#endif
#endif
