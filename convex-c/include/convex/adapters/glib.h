/* convex/adapters/glib.h - a client in a GLib main loop.
 *
 * Header only; include it where GLib's headers are. The client's callbacks run on the thread of
 * the GMainContext, out of its main loop. */
#ifndef CONVEX_ADAPTERS_GLIB_H
#define CONVEX_ADAPTERS_GLIB_H

#include <glib-unix.h>
#include <glib.h>

#include "convex/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A client in a loop; its parts are private. */
typedef struct convex_glib {
    GSource source;
    convex_client *client; /* held */
    gpointer tag;          /* of the descriptor */
} convex_glib;

static inline gboolean convex_glib_check_(GSource *source)
{
    convex_glib *self = (convex_glib *)source;
    gint64 at = g_source_get_ready_time(source);
    return g_source_query_unix_fd(source, self->tag) != 0 ||
           (at >= 0 && at <= g_source_get_time(source));
}

static inline gboolean convex_glib_dispatch_(GSource *source, GSourceFunc function, gpointer user)
{
    convex_glib *self = (convex_glib *)source;
    int timeout_ms;

    (void)function;
    (void)user;
    if (convex_client_process(self->client) == CONVEX_ECLOSED)
        return G_SOURCE_REMOVE;
    timeout_ms = convex_client_timeout_ms(self->client);
    g_source_set_ready_time(
        source, timeout_ms < 0 ? -1 : g_get_monotonic_time() + (gint64)timeout_ms * 1000);
    return G_SOURCE_CONTINUE;
}

static inline void convex_glib_finalize_(GSource *source)
{
    convex_client_unref(((convex_glib *)source)->client);
}

/* Begins to drive the client from `context` (NULL: the default one), and holds it. Returns what
 * convex_glib_detach() takes; the GSource in it may be given a name or priority. */
static inline convex_glib *convex_glib_attach(GMainContext *context, convex_client *client)
{
    static GSourceFuncs functions = {
        NULL, convex_glib_check_, convex_glib_dispatch_, convex_glib_finalize_, NULL, NULL};
    convex_glib *self = (convex_glib *)g_source_new(&functions, sizeof *self);

    self->client = convex_client_ref(client);
    self->tag = g_source_add_unix_fd(&self->source, convex_client_fd(client), G_IO_IN);
    g_source_set_ready_time(&self->source, 0);
    g_source_attach(&self->source, context);
    return self;
}

/* Stops driving it, without closing the client. Safe inside the client's callbacks, and on any
 * thread: takes effect when the callback has returned. NULL is fine. */
static inline void convex_glib_detach(convex_glib *self)
{
    if (!self)
        return;
    g_source_destroy(&self->source);
    g_source_unref(&self->source);
}

#ifdef __cplusplus
}
#endif
#endif
