/* epoll.c - adapters/epoll.h in a loop of epoll_wait(). */
#include "convex/adapters/epoll.h"
#include "adapter_story.h"

static convex_client *attached;
static int epoll_fd = -1;

static void adapter_attach(convex_client *client)
{
    attached = convex_client_ref(client);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(convex_epoll_attach(epoll_fd, client, client), 0);
    assert_int_equal(convex_epoll_attach(epoll_fd, client, client), -EEXIST);
}

static void adapter_turn(void)
{
    struct epoll_event event = {0};
    convex_client *held = convex_client_ref(attached);

    if (epoll_wait(epoll_fd, &event, 1, convex_epoll_timeout_ms(attached, 10000)) == 1)
        assert_ptr_equal(event.data.ptr, attached);
    convex_client_process(held);
    convex_client_unref(held);
}

static void adapter_detach(void)
{
    convex_epoll_detach(epoll_fd, attached);
    convex_client_unref(attached);
    attached = NULL;
}

static bool adapter_idle(void)
{
    return convex_epoll_timeout_ms(attached, -1) == -1;
}

static void adapter_done(void)
{
    close(epoll_fd);
}
