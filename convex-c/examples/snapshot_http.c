/* snapshot_http.c - several queries at one state of the database, over HTTP.
 *
 *     snapshot_http URL [--one-by-one] PATH ARGS_JSON [PATH ARGS_JSON]...
 *
 * Prints a line of Convex's encoded JSON for each query, in order, or {"error": message}. They go
 * out in one request; with --one-by-one each in its own, at a point in time that was asked for
 * first. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/http.h>

#include <stdio.h>
#include <string.h>

enum { QUERIES_MAX = 32 };

static int print_result(const convex_result *result)
{
    char *text = NULL;

    if (!convex_result_success(result)) {
        printf("{\"error\":true}\n");
        fprintf(stderr, "snapshot_http: %s\n", convex_result_error_message(result, NULL));
        return 0;
    }
    if (convex_value_print(convex_result_value(result), CONVEX_ENCODED_JSON, NULL, &text, NULL) !=
        CONVEX_OK)
        return 1;
    puts(text);
    convex_text_free(text, NULL);
    return 0;
}

static convex_status ask_one_by_one(convex_http *http, const convex_query_spec *queries,
                                    size_t count, convex_result *ret[], convex_error *error)
{
    uint64_t ts;
    convex_status status = convex_http_query_ts(http, &ts, error);

    for (size_t i = 0; i < count && status == CONVEX_OK; i++)
        status = convex_http_query_at(http, queries[i].path, queries[i].args, ts, &ret[i], error);
    return status;
}

static int run(const char *url, bool one_by_one, const convex_query_spec *queries, size_t count)
{
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
    convex_http *http = NULL;
    convex_result *results[QUERIES_MAX] = {NULL};
    convex_error error;
    int r = 0;

    options.url = url;
    convex_status status = convex_http_new(&options, &http, &error);
    if (status == CONVEX_OK)
        status = one_by_one ? ask_one_by_one(http, queries, count, results, &error)
                            : convex_http_query_batch(http, queries, count, results, &error);
    if (status != CONVEX_OK) {
        fprintf(stderr, "snapshot_http: %s\n", error.message);
        r = 1;
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = print_result(results[i]);
    for (size_t i = 0; i < count; i++)
        convex_result_unref(results[i]);
    convex_http_free(http);
    return r;
}

int main(int argc, char **argv)
{
    bool one_by_one = argc > 2 && strcmp(argv[2], "--one-by-one") == 0;
    int first = one_by_one ? 3 : 2, r = 0;
    convex_query_spec queries[QUERIES_MAX];
    convex_value *args[QUERIES_MAX] = {NULL};
    size_t count = 0;

    if (argc <= first || (argc - first) % 2 != 0 || (argc - first) / 2 > QUERIES_MAX) {
        fputs("usage: snapshot_http URL [--one-by-one] PATH ARGS_JSON [PATH ARGS_JSON]...\n",
              stderr);
        return 2;
    }
    for (int i = first; i < argc && r == 0; i += 2, count++) {
        convex_error error;
        if (convex_value_parse(argv[i + 1], strlen(argv[i + 1]), CONVEX_ENCODED_JSON, 0, NULL,
                               &args[count], &error) != CONVEX_OK) {
            fprintf(stderr, "snapshot_http: %s: %s\n", argv[i], error.message);
            r = 2;
        }
        queries[count] = (convex_query_spec){.path = argv[i], .args = args[count]};
    }
    if (r == 0)
        r = run(argv[1], one_by_one, queries, count);
    for (size_t i = 0; i < count; i++)
        convex_value_unref(args[i]);
    return r;
}
