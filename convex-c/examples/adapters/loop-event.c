/* loop-event.c - prints every result of a live query, in a loop of libevent.
 *
 *     loop-event URL PATH
 *
 * Ends at Ctrl-C. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/adapters/event.h>

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

static void on_signal(evutil_socket_t number, short what, void *client)
{
    convex_client_close(client);
}

static int run(struct event_base *base, convex_client *client)
{
    convex_event *attached = convex_event_attach(base, client);
    struct event *interrupt = event_new(base, SIGINT, EV_SIGNAL, on_signal, client);
    int result = 1;

    /* Until the signal, which is awaited once, has closed the client: nothing is pending then. */
    if (attached && interrupt && event_add(interrupt, NULL) == 0)
        result = event_base_dispatch(base) < 0;
    if (interrupt)
        event_free(interrupt);
    convex_event_detach(attached);
    return result;
}

int main(int argc, char **argv)
{
    struct event_base *base;
    convex_client *client;
    int result = 1;

    if (argc != 3)
        return fprintf(stderr, "usage: loop-event URL PATH\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    client = base ? start(argv[1], argv[2]) : NULL;
    if (client)
        result = run(base, client);
    convex_client_unref(client);
    if (base)
        event_base_free(base);
    return result;
}
