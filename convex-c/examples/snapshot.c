/* snapshot.c - prints the results of several live queries, always of one version.
 *
 *     snapshot URL PATH ARGS_JSON [PATH ARGS_JSON]...
 *
 * One line of JSON for each version that changed any of them: {"results":[...],"ts":N}, where a
 * query that threw has {"error": message}. Ends at a signal. Exit status: 1 failed, 2 bad usage. */
#include <convex/snapshot.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { MAX_QUERIES = 16 };

static void put_result(convex_builder *b, const convex_result *result)
{
    size_t len = 0;
    const char *message = convex_result_error_message(result, &len);

    if (convex_result_success(result)) {
        convex_builder_value(b, convex_result_value(result));
        return;
    }
    convex_builder_begin_object(b);
    convex_builder_key(b, "error");
    convex_builder_string(b, message, len);
    convex_builder_end(b);
}

static convex_value *describe(const convex_snapshot *snapshot)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *value = NULL;

    if (!b)
        return NULL;
    convex_builder_begin_object(b);
    convex_builder_key(b, "ts");
    convex_builder_int64(b, (int64_t)convex_snapshot_ts(snapshot));
    convex_builder_key(b, "results");
    convex_builder_begin_array(b);
    for (size_t i = 0; i < convex_snapshot_count(snapshot); i++)
        put_result(b, convex_snapshot_result_at(snapshot, i));
    convex_builder_end(b);
    convex_builder_end(b);
    convex_builder_finish(b, &value, NULL); /* NULL: it could not be made */
    convex_builder_free(b);
    return value;
}

static void on_snapshot(const convex_snapshot *snapshot, void *user)
{
    convex_value *value = describe(snapshot);
    char *text = NULL;

    if (!value || convex_value_print(value, CONVEX_ENCODED_JSON, NULL, &text, NULL) != CONVEX_OK ||
        puts(text) < 0 || fflush(stdout) != 0)
        convex_client_close(user);
    convex_text_free(text, NULL);
    convex_value_unref(value);
}

static convex_status subscribe(convex_client *client, char **argv, size_t count,
                               convex_error *error)
{
    convex_query_spec queries[MAX_QUERIES];
    convex_value *args[MAX_QUERIES] = {NULL};
    convex_status status = CONVEX_OK;

    for (size_t i = 0; i < count && status == CONVEX_OK; i++) {
        const char *json = argv[2 * i + 1];
        status =
            convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &args[i], error);
        queries[i] = (convex_query_spec){.path = argv[2 * i], .args = args[i]};
    }
    if (status == CONVEX_OK) /* no handle is kept: it lives as long as the client */
        status = convex_client_subscribe_all(client, queries, count, on_snapshot, NULL, client,
                                             NULL, error);
    for (size_t i = 0; i < count; i++)
        convex_value_unref(args[i]);
    return status;
}

static void run(convex_client *client)
{
    struct pollfd wait = {.fd = convex_client_fd(client), .events = POLLIN};

    while (convex_client_process(client) == CONVEX_OK)
        poll(&wait, 1, convex_client_timeout_ms(client));
}

int main(int argc, char **argv)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_client *client = NULL;
    convex_error error;
    convex_status status;

    if (argc < 4 || argc % 2 != 0 || argc > 2 + 2 * MAX_QUERIES) {
        fputs("usage: snapshot URL PATH ARGS_JSON [PATH ARGS_JSON]...\n", stderr);
        return 2;
    }
    options.url = argv[1];
    status = convex_client_new(&options, &client, &error);
    if (status == CONVEX_OK)
        status = subscribe(client, argv + 2, (size_t)(argc - 2) / 2, &error);
    if (status == CONVEX_OK)
        run(client);
    else
        fprintf(stderr, "snapshot: %s\n", error.message);
    convex_client_unref(client);
    return 1; /* it goes on until something ends it */
}
