/* loop-lws.c - prints every result of a live query, in a loop of libwebsockets.
 *
 *     loop-lws URL PATH
 *
 * Ends at Ctrl-C. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/adapters/lws.h>

#include <signal.h>
#include <stdio.h>

static void on_result(const convex_result *result, void *user)
{
    char *text = NULL;

    if (!convex_result_success(result)) {
        fprintf(stderr, "%s\n", convex_result_error_message(result, NULL));
    } else if (convex_value_print(convex_result_value(result), CONVEX_ENCODED_JSON, NULL, &text,
                                  NULL) == CONVEX_OK) {
        puts(text);
        convex_text_free(text, NULL);
    }
}

static convex_client *start(const char *url, const char *path)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_client *client = NULL;
    convex_error error = {CONVEX_OK};
    convex_status status;

    options.url = url;
    status = convex_client_new(&options, &client, &error);
    if (status == CONVEX_OK) /* no handle is kept: it lives as long as the client */
        status = convex_client_subscribe(client, path, NULL, on_result, NULL, NULL, NULL, &error);
    if (status == CONVEX_OK)
        return client;
    fprintf(stderr, "%s\n", error.message);
    convex_client_unref(client);
    return NULL;
}

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    stopping = 1; /* and lws_service() returns, as its wait was interrupted */
}

static int run(struct lws_context *context, convex_client *client)
{
    convex_lws *attached = convex_lws_attach(lws_get_vhost_by_name(context, "default"), client);
    int result = 0;

    while (attached && result >= 0 && !stopping)
        result = lws_service(context, 0);
    convex_lws_detach(attached);
    return attached && result >= 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {CONVEX_LWS_PROTOCOL, {0}};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols};
    struct lws_context *context;
    convex_client *client;
    int result = 1;

    if (argc != 3)
        return fprintf(stderr, "usage: loop-lws URL PATH\n"), 2;
    signal(SIGINT, on_signal);
    lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
    context = lws_create_context(&info);
    client = context ? start(argv[1], argv[2]) : NULL;
    if (client)
        result = run(context, client);
    convex_client_unref(client);
    if (context)
        lws_context_destroy(context);
    return result;
}
