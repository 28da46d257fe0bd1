/* loop-poll.c - prints every result of a live query, in a loop of poll().
 *
 *     loop-poll URL PATH
 *
 * Ends at Ctrl-C. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/adapters/poll.h>

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
    stopping = 1;
}

int main(int argc, char **argv)
{
    convex_client *client;
    convex_status status;

    if (argc != 3)
        return fprintf(stderr, "usage: loop-poll URL PATH\n"), 2;
    signal(SIGINT, on_signal);
    signal(SIGPIPE, SIG_IGN);
    client = start(argv[1], argv[2]);
    status = client ? CONVEX_OK : CONVEX_EINVAL;
    while (status == CONVEX_OK && !stopping) {
        struct pollfd fd = convex_poll_fd(client);
        if (poll(&fd, 1, convex_poll_timeout_ms(client, -1)) < 0)
            continue; /* a signal */
        status = convex_poll_process(client, &fd);
    }
    convex_client_unref(client);
    return status == CONVEX_OK ? 0 : 1;
}
