/* poll.c - adapters/poll.h in a loop of poll(). */
#include "convex/adapters/poll.h"
#include "adapter_story.h"

static convex_client *attached;

static void adapter_attach(convex_client *client)
{
    attached = convex_client_ref(client);
}

static void adapter_turn(void)
{
    struct pollfd fd = convex_poll_fd(attached);
    convex_client *held = convex_client_ref(attached);

    poll(&fd, 1, convex_poll_timeout_ms(attached, 10000));
    convex_poll_process(held, &fd);
    convex_client_unref(held);
}

static void adapter_detach(void)
{
    convex_client_unref(attached);
    attached = NULL;
}

static bool adapter_idle(void)
{
    return convex_poll_timeout_ms(attached, -1) == -1;
}

static void adapter_done(void)
{
}
