/* loop-uv.c - prints every result of a live query, in a loop of libuv.
 *
 *     loop-uv URL PATH
 *
 * Ends at Ctrl-C. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/adapters/uv.h>

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

static void on_signal(uv_signal_t *handle, int number)
{
    convex_client_close(handle->data);
    uv_close((uv_handle_t *)handle, NULL);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_signal_t interrupt;
    convex_client *client;
    convex_uv *attached = NULL;

    if (argc != 3)
        return fprintf(stderr, "usage: loop-uv URL PATH\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    client = start(argv[1], argv[2]);
    if (client)
        attached = convex_uv_attach(loop, client);
    if (attached) {
        uv_signal_init(loop, &interrupt);
        interrupt.data = client;
        uv_signal_start(&interrupt, on_signal, SIGINT);
        uv_run(loop, UV_RUN_DEFAULT); /* until the client is closed */
        convex_uv_detach(attached);
        uv_run(loop, UV_RUN_DEFAULT);
    }
    convex_client_unref(client);
    uv_loop_close(loop);
    return attached ? 0 : 1;
}
