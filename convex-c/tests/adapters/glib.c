/* glib.c - adapters/glib.h in a main loop of GLib. */
#include "convex/adapters/glib.h"
#include "adapter_story.h"

static GMainContext *context;
static convex_glib *attached;

static void adapter_attach(convex_client *client)
{
    context = g_main_context_new();
    attached = convex_glib_attach(context, client);
}

static void adapter_turn(void)
{
    g_main_context_iteration(context, TRUE);
}

static void adapter_detach(void)
{
    convex_glib_detach(attached);
    convex_glib_detach(NULL);
}

static bool adapter_idle(void)
{
    return g_source_is_destroyed(&attached->source);
}

static void adapter_done(void)
{
    assert_false(g_main_context_pending(context));
    g_main_context_unref(context);
}
