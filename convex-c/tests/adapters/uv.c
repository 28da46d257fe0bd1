/* uv.c - adapters/uv.h in a loop of libuv. */
#include "convex/adapters/uv.h"
#include "adapter_story.h"

static uv_loop_t loop;
static convex_uv *attached;

static void adapter_attach(convex_client *client)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    attached = convex_uv_attach(&loop, client);
    assert_non_null(attached);
}

static void adapter_turn(void)
{
    uv_run(&loop, UV_RUN_ONCE);
}

static void adapter_detach(void)
{
    convex_uv_detach(attached);
    convex_uv_detach(NULL);
}

static bool adapter_idle(void)
{
    return uv_run(&loop, UV_RUN_DEFAULT) == 0; /* returns, as nothing is active */
}

static void adapter_done(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0); /* no handle is left */
}
