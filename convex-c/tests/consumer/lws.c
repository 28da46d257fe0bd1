/* lws.c - makes a transport in a libwebsockets loop; ends with 0 when it works. */
#include <convex/lws.h>

#include <libwebsockets.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    struct lws_context_creation_info info;
    struct lws_context *context;
    convex_transport_factory *factory = NULL;
    convex_error error;
    convex_status status;

    lws_set_log_level(0, NULL);
    memset(&info, 0, sizeof info);
    info.port = CONTEXT_PORT_NO_LISTEN;
    context = lws_create_context(&info);
    if (!context)
        return 1;
    status = convex_lws_transport_new(context, &factory, &error);
    if (status != CONVEX_OK)
        fprintf(stderr, "%s\n", error.message);
    convex_lws_transport_free(factory);
    lws_context_destroy(context);
    return status == CONVEX_OK ? 0 : 1;
}
