/* client_bench.c - this library at the jobs of ./run bench client.
 *
 *     convex_client_bench JOB URL [N...]
 *
 * Jobs, against convex_bench_peer:
 *     stream DOCUMENTS COUNT GAP QUERIES
 *         Transitions of one query among so many: CPU and time each, frame to callback
 *     mutate COUNT                 mutations one by one
 *     hold CLIENTS QUERIES DOCUMENTS
 *         so many clients with so many queries each
 *     resubscribe QUERIES          until all have results again after a lost connection
 *     idle SECONDS                 CPU in that time
 *     http COUNT                   queries over HTTP one by one; as curl_bench.c by libcurl alone
 * Prints one line of JSON when the job is done and ends with its standard input, so that its
 * memory can be looked at. And against dev/convex-backend, printing microseconds only:
 *     backend-mutate COUNT         calls of bench:insert {n, text}, one by one
 * Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/convex.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* ---- what every job needs ---- */

static convex_client *connect_to(const char *url)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_client *client = NULL;
    convex_error error;

    options.url = url;
    options.network.proxy = "";
    options.max_subscriptions = 100000;
    options.backoff_initial_ms = 1;
    if (convex_client_new(&options, &client, &error) != CONVEX_OK) {
        fprintf(stderr, "client_bench: %s\n", error.message);
        exit(1);
    }
    return client;
}

static void turn(convex_client *client)
{
    struct pollfd wait = {.fd = convex_client_fd(client), .events = POLLIN};

    poll(&wait, 1, convex_client_timeout_ms(client));
    convex_client_process(client);
}

/* {"documents": D, "n": N} */
static convex_value *make_args(const char *const *names, const double *values, size_t count)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *args = NULL;

    convex_builder_begin_object(b);
    for (size_t i = 0; i < count; i++) {
        convex_builder_key(b, names[i]);
        convex_builder_float64(b, values[i]);
    }
    convex_builder_end(b);
    if (convex_builder_finish(b, &args, NULL) != CONVEX_OK)
        exit(1);
    convex_builder_free(b);
    return args;
}

static void on_any(const convex_result *result, void *user)
{
    (*(long *)user)++;
}

static void subscribe(convex_client *client, long n, long documents, convex_result_fn *fn,
                      void *user)
{
    static const char *const names[] = {"documents", "n"};
    convex_value *args = make_args(names, (double[]){(double)documents, (double)n}, 2);

    if (convex_client_subscribe(client, "bench:query", args, fn, NULL, user, NULL, NULL) !=
        CONVEX_OK)
        exit(1);
    convex_value_unref(args);
}

/* ---- jobs ---- */

static void on_streamed(const convex_result *result, void *user)
{
    const convex_value *value = convex_result_value(result);
    bench *b = user;
    double sent = 0, left = 0;

    convex_value_float64(convex_value_field(value, "sent"), &sent);
    convex_value_float64(convex_value_field(value, "left"), &left);
    if (b->running)
        bench_note(b, bench_now_us() - (sent - 1e15) / 1000);
    if (b->running && left == 1e6)
        bench_end(b); /* some may have been skipped, the last never is */
    b->first = 1;
}

static int job_stream(const char *url, const long *n)
{
    static const char *const names[] = {"count", "gap", "documents", "query"};
    const double values[] = {(double)n[1], (double)n[2], (double)n[0], 0};
    convex_client *client = connect_to(url);
    convex_value *args = make_args(names, values, 4);
    long others = 0;
    bench b;

    bench_init(&b, n[1]);
    subscribe(client, 0, 0, on_streamed, &b);
    for (long i = 1; i < n[3]; i++)
        subscribe(client, i, 0, on_any, &others);
    while (!b.first || others < n[3] - 1)
        turn(client);
    b.running = 1;
    convex_client_mutation(client, "bench:go", args, NULL, NULL, NULL, NULL, NULL);
    convex_value_unref(args);
    while (b.ended == 0)
        turn(client);
    bench_print(&b);
    bench_wait();
    convex_client_unref(client);
    return 0;
}

static void call(bench *b);

static void on_settled(convex_status status, const convex_result *result, void *user)
{
    bench *b = user;

    if (status != CONVEX_OK || !convex_result_success(result)) {
        fprintf(stderr, "client_bench: a mutation failed\n");
        exit(1);
    }
    bench_note(b, bench_now_us() - b->called_at);
    if (b->seen < b->wanted)
        call(b);
}

static convex_value *make_insert(long n)
{
    char text[200];
    convex_builder *b = convex_builder_new(NULL);
    convex_value *args = NULL;

    memset(text, 'x', sizeof text);
    convex_builder_begin_object(b);
    convex_builder_key(b, "n");
    convex_builder_float64(b, (double)n);
    convex_builder_key(b, "text");
    convex_builder_string(b, text, sizeof text);
    convex_builder_end(b);
    if (convex_builder_finish(b, &args, NULL) != CONVEX_OK)
        exit(1);
    convex_builder_free(b);
    return args;
}

static void call(bench *b)
{
    convex_value *args;

    b->called_at = bench_now_us();
    args = b->insert ? make_insert(b->seen) : NULL;
    convex_client_mutation(b->user, b->insert ? "bench:insert" : "bench:none", args, NULL,
                           on_settled, b, NULL, NULL);
    convex_value_unref(args);
}

static int job_backend_mutate(const char *url, const long *n)
{
    convex_client *client = connect_to(url);
    bench b;

    bench_init(&b, n[0]);
    b.user = client;
    b.insert = 1;
    call(&b);
    while (b.seen < b.wanted)
        turn(client);
    for (long i = 0; i < b.seen; i++)
        printf("%.1f\n", b.us[i]);
    free(b.us);
    convex_client_unref(client);
    return 0;
}

static int job_mutate(const char *url, const long *n)
{
    convex_client *client = connect_to(url);
    bench b;

    bench_init(&b, n[0]);
    b.user = client;
    call(&b);
    while (b.seen < b.wanted)
        turn(client);
    bench_print(&b);
    bench_wait();
    convex_client_unref(client);
    return 0;
}

/* The time counts from the start of the process. */
static int job_hold(const char *url, const long *n)
{
    convex_client **clients = calloc((size_t)n[0], sizeof *clients);
    long results = 0;

    if (!clients)
        return 1;
    for (long i = 0; i < n[0]; i++) {
        clients[i] = connect_to(url);
        for (long k = 0; k < n[1]; k++)
            subscribe(clients[i], k, n[2], on_any, &results);
        while (results < (i + 1) * n[1])
            turn(clients[i]);
    }
    printf("{\"cpu_us\":%.1f,\"at_us\":%.1f}\n", bench_cpu_us(), bench_now_us());
    fflush(stdout);
    bench_wait();
    for (long i = 0; i < n[0]; i++)
        convex_client_unref(clients[i]);
    free(clients);
    return 0;
}

static int job_resubscribe(const char *url, const long *n)
{
    convex_client *client = connect_to(url);
    long results = 0;
    double began, cpu;

    for (long k = 0; k < n[0]; k++)
        subscribe(client, k, 0, on_any, &results);
    while (results < n[0])
        turn(client);
    began = bench_now_us();
    cpu = bench_cpu_us();
    convex_client_mutation(client, "bench:drop", NULL, NULL, NULL, NULL, NULL, NULL);
    while (results < 2 * n[0])
        turn(client);
    printf("{\"cpu_us\":%.1f,\"us\":%.1f}\n", bench_cpu_us() - cpu, bench_now_us() - began);
    fflush(stdout);
    bench_wait();
    convex_client_unref(client);
    return 0;
}

static int job_idle(const char *url, const long *n)
{
    convex_client *client = connect_to(url);
    long results = 0;
    double cpu, end;

    subscribe(client, 0, 0, on_any, &results);
    while (results < 1)
        turn(client);
    cpu = bench_cpu_us();
    end = bench_now_us() + (double)n[0] * 1e6;
    for (double left; (left = end - bench_now_us()) > 0;) {
        struct pollfd wait = {.fd = convex_client_fd(client), .events = POLLIN};
        int timeout = convex_client_timeout_ms(client);
        poll(&wait, 1, timeout < 0 || timeout > left / 1000 ? (int)(left / 1000) + 1 : timeout);
        convex_client_process(client);
    }
    printf("{\"cpu_us\":%.1f}\n", bench_cpu_us() - cpu);
    fflush(stdout);
    bench_wait();
    convex_client_unref(client);
    return 0;
}

static int job_http(const char *url, const long *n)
{
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
    convex_http *http = NULL;
    convex_value *args = make_args((const char *const[]){"n"}, (double[]){1}, 1);
    bench b;

    options.url = url;
    options.network.proxy = "";
    if (convex_http_new(&options, &http, NULL) != CONVEX_OK)
        return 1;
    bench_init(&b, n[0]);
    while (b.seen < b.wanted) {
        convex_result *result = NULL;
        double began = bench_now_us();
        if (convex_http_query(http, "bench:query", args, &result, NULL) != CONVEX_OK)
            return 1;
        convex_result_unref(result);
        bench_note(&b, bench_now_us() - began);
    }
    bench_print(&b);
    bench_wait();
    convex_value_unref(args);
    convex_http_free(http);
    return 0;
}

int main(int argc, char **argv)
{
    static const bench_job jobs[] = {{"stream", 4, job_stream},
                                     {"mutate", 1, job_mutate},
                                     {"hold", 3, job_hold},
                                     {"resubscribe", 1, job_resubscribe},
                                     {"idle", 1, job_idle},
                                     {"http", 1, job_http},
                                     {"backend-mutate", 1, job_backend_mutate},
                                     {NULL, 0, NULL}};
    return bench_main(jobs, argc, argv);
}
