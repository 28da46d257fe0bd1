/* lws.c - adapters/lws.h in a loop of libwebsockets. */
#include "convex/adapters/lws.h"
#include "adapter_story.h"

static const struct lws_protocols protocols[] = {CONVEX_LWS_PROTOCOL, {0}};
static struct lws_context *context;
static convex_lws *attached;

static void adapter_attach(convex_client *client)
{
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols};

    lws_set_log_level(0, NULL);
    context = lws_create_context(&info);
    assert_non_null(context);
    attached = convex_lws_attach(lws_get_vhost_by_name(context, "default"), client);
    assert_non_null(attached);
}

static void adapter_turn(void)
{
    lws_service(context, 0);
}

static void adapter_detach(void)
{
    convex_lws_detach(attached);
    convex_lws_detach(NULL);
}

static bool adapter_idle(void)
{
    return attached->wsi == NULL;
}

static void adapter_done(void)
{
    lws_context_destroy(context);
}
