/* loop-glib.c - prints every result of a live query, in a loop of GLib.
 *
 *     loop-glib URL PATH
 *
 * Ends at Ctrl-C. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/adapters/glib.h>

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

static gboolean on_signal(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    GMainLoop *loop;
    convex_client *client;
    convex_glib *attached;

    if (argc != 3)
        return fprintf(stderr, "usage: loop-glib URL PATH\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    client = start(argv[1], argv[2]);
    if (!client)
        return 1;
    loop = g_main_loop_new(NULL, FALSE);
    attached = convex_glib_attach(NULL, client);
    g_unix_signal_add(SIGINT, on_signal, loop);
    g_main_loop_run(loop);
    convex_glib_detach(attached);
    convex_client_unref(client); /* the last one: closes, and runs the last callbacks here */
    g_main_loop_unref(loop);
    return 0;
}
