/* event.c - adapters/event.h in a loop of libevent. */
#include "convex/adapters/event.h"
#include "adapter_story.h"

static struct event_base *base;
static convex_event *attached;

static void adapter_attach(convex_client *client)
{
    base = event_base_new();
    assert_non_null(base);
    attached = convex_event_attach(base, client);
    assert_non_null(attached);
}

static void adapter_turn(void)
{
    event_base_loop(base, EVLOOP_ONCE);
}

static void adapter_detach(void)
{
    convex_event_detach(attached);
    convex_event_detach(NULL);
}

static bool adapter_idle(void)
{
    return event_base_dispatch(base) == 1; /* no event is pending */
}

static void adapter_done(void)
{
    assert_int_equal(event_base_dispatch(base), 1);
    event_base_free(base);
    libevent_global_shutdown();
}
