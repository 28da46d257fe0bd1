/* http_driver.c - one HTTP client driven by lines of JSON, to be shown all that servers do.
 *
 *     convex-http-driver URL CA_FILE auto|1.1|2
 *
 * Each line of standard input is an object: "id", and "do", one of
 *     query, mutation, action   path, args, timeout_ms
 *     upload                    url, text
 *     download                  url
 * Each runs on a thread of its own, at once, and ends in a line of output: {"id", "value"} or
 * {"id", "status", "message"}; a file's value is its storage id, or its text. Ends when its
 * input has ended and all are answered. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/convex.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    convex_http *http;
    convex_value *command;
    pthread_t thread;
    struct job *next;
} job;

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static const char *text_in(const job *j, const char *name)
{
    return convex_value_string(convex_value_field(j->command, name), NULL);
}

static void add_text(convex_builder *b, const char *name, const char *text)
{
    convex_builder_key(b, name);
    convex_builder_cstring(b, text);
}

/* `text` is of a file, `result` of a call; both NULL: it failed. */
static void answer(const job *j, const convex_result *result, const char *text,
                   const convex_error *error)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *line = NULL;
    char *json = NULL;

    convex_builder_begin_object(b);
    add_text(b, "id", text_in(j, "id"));
    if (result && convex_result_success(result)) {
        convex_builder_key(b, "value");
        convex_builder_value(b, convex_result_value(result));
    } else if (text) {
        add_text(b, "value", text);
    } else {
        add_text(b, "status", result ? "threw" : convex_status_text(error->status));
        add_text(b, "message", result ? convex_result_error_message(result, NULL) : error->message);
    }
    convex_builder_end(b);
    if (convex_builder_finish(b, &line, NULL) != CONVEX_OK ||
        convex_value_print(line, CONVEX_PLAIN_JSON, NULL, &json, NULL) != CONVEX_OK)
        exit(1);
    pthread_mutex_lock(&output);
    if (puts(json) == EOF || fflush(stdout) != 0)
        exit(1);
    pthread_mutex_unlock(&output);
    convex_text_free(json, NULL);
    convex_value_unref(line);
    convex_builder_free(b);
}

static void call(const job *j, convex_http_kind kind)
{
    convex_http_call_options options = {0};
    convex_result *result = NULL;
    convex_error error = {0};
    double timeout_ms = 0;

    if (convex_value_float64(convex_value_field(j->command, "timeout_ms"), &timeout_ms))
        options.timeout_ms = (unsigned)timeout_ms;
    convex_http_call(j->http, kind, text_in(j, "path"), convex_value_field(j->command, "args"),
                     &options, &result, &error);
    answer(j, result, NULL, &error);
    convex_result_unref(result);
}

static void upload(const job *j)
{
    convex_upload what = {.url = text_in(j, "url"), .data = text_in(j, "text")};
    convex_uploaded done;
    convex_error error = {0};

    what.size = strlen(what.data);
    convex_status status = convex_http_upload(j->http, &what, &done, &error);
    answer(j, NULL, status == CONVEX_OK ? done.storage_id : NULL, &error);
}

static void download(const job *j)
{
    const convex_download what = {.url = text_in(j, "url")};
    convex_downloaded file = {0};
    convex_error error = {0};

    convex_http_download(j->http, &what, &file, &error);
    answer(j, NULL, file.data, &error);
    convex_text_free(file.data, NULL);
}

static void *run(void *arg)
{
    const job *j = arg;
    const char *what = text_in(j, "do");

    if (strcmp(what, "upload") == 0)
        upload(j);
    else if (strcmp(what, "download") == 0)
        download(j);
    else
        call(j, strcmp(what, "query") == 0      ? CONVEX_HTTP_QUERY
                : strcmp(what, "mutation") == 0 ? CONVEX_HTTP_MUTATION
                                                : CONVEX_HTTP_ACTION);
    return NULL;
}

static job *start(convex_http *http, const char *line, job *next)
{
    job *j = calloc(1, sizeof *j);

    if (!j ||
        convex_value_parse(line, strlen(line), CONVEX_PLAIN_JSON, 0, NULL, &j->command, NULL) !=
            CONVEX_OK ||
        !text_in(j, "id") || !text_in(j, "do")) {
        fprintf(stderr, "http_driver: %s\n", line);
        exit(1);
    }
    j->http = http;
    j->next = next;
    if (pthread_create(&j->thread, NULL, run, j) != 0)
        exit(1);
    return j;
}

int main(int argc, char **argv)
{
    static const char *const versions[] = {"auto", "1.1", "2"};
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
    convex_http *http = NULL;
    convex_error error;
    job *jobs = NULL;
    char *line = NULL;
    size_t room = 0;
    int version = 0;

    while (argc == 4 && version < 3 && strcmp(argv[3], versions[version]) != 0)
        version++;
    if (argc != 4 || version == 3) {
        fputs("usage: convex-http-driver URL CA_FILE auto|1.1|2\n", stderr);
        return 2;
    }
    options.url = argv[1];
    options.network = (convex_network){.ca_file = argv[2], .proxy = ""};
    options.version = (convex_http_version)version;
    if (convex_http_new(&options, &http, &error) != CONVEX_OK) {
        fprintf(stderr, "http_driver: %s\n", error.message);
        return 1;
    }
    while (getline(&line, &room, stdin) > 0)
        jobs = start(http, line, jobs);
    while (jobs) {
        job *j = jobs;
        jobs = j->next;
        pthread_join(j->thread, NULL);
        convex_value_unref(j->command);
        free(j);
    }
    convex_http_free(http);
    free(line);
    return 0;
}
