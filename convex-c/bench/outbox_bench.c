/* outbox_bench.c - durably accepted mutations a second, with 1 caller and with 64, against a loop
 * that appends as many bytes to a file and syncs it each time; alternating in one run, medians of
 * five. The files are in the folder given, or in the present one: on a RAM disk a sync costs
 * nothing, and the ratio means nothing. */
#include <convex/outbox.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 5, ALONE = 300, CALLERS = 64, EACH = 50 };

static const char row[] = "{\"channel\":\"general\",\"author\":\"1400000000000000012\",\"sentAt\":"
                          "1763704800123,\"content\":\"BUY EURUSD @ 1.0875 TP 1.0950 SL 1.0720\"}";

typedef struct bench {
    char dir[256];
    convex_value *args;
    convex_outbox *box;
    double floor[ROUNDS], alone[ROUNDS], crowd[ROUNDS];
} bench;

static void die(const char *what)
{
    fprintf(stderr, "outbox_bench: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double floor_rate(const bench *b)
{
    char path[300];
    snprintf(path, sizeof path, "%s/floor", b->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    double began = now_s();
    for (int i = 0; i < ALONE; i++)
        if (write(fd, row, sizeof row) != (ssize_t)sizeof row || fdatasync(fd) != 0)
            die("cannot write");
    double rate = ALONE / (now_s() - began);
    close(fd);
    unlink(path);
    return rate;
}

static void accept_some(bench *b, int count)
{
    convex_error error;
    for (int i = 0; i < count; i++)
        if (convex_outbox_mutation(b->box, "messages:record", b->args, NULL, NULL, &error) !=
            CONVEX_OK)
            die(error.message);
}

static void *caller(void *user)
{
    accept_some(user, EACH);
    return NULL;
}

static double alone_rate(bench *b)
{
    double began = now_s();
    accept_some(b, ALONE);
    return ALONE / (now_s() - began);
}

static double crowd_rate(bench *b)
{
    pthread_t threads[CALLERS];
    double began = now_s();
    for (int i = 0; i < CALLERS; i++)
        if (pthread_create(&threads[i], NULL, caller, b) != 0)
            die("no thread");
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    return CALLERS * EACH / (now_s() - began);
}

static void on_done(const convex_outbox_entry *entry, convex_status status,
                    const convex_result *result, void *user)
{
    (void)entry, (void)status, (void)result, (void)user; /* nothing is sent here */
}

static void open_box(bench *b)
{
    convex_outbox_options options = CONVEX_OUTBOX_OPTIONS_INIT;
    convex_options client = CONVEX_OPTIONS_INIT;
    convex_error error;
    char path[300];
    snprintf(path, sizeof path, "%s/box", b->dir);
    client.url = "http://127.0.0.1:1";
    options.client = &client;
    options.file = path;
    options.on_done = on_done;
    if (convex_outbox_open(&options, &b->box, &error) != CONVEX_OK)
        die(error.message);
}

static void clean_up(bench *b)
{
    static const char *const names[] = {"box", "box-wal", "box-shm", "box.lock"};
    char path[300];
    convex_outbox_free(b->box);
    convex_value_unref(b->args);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", b->dir, names[i]);
        unlink(path);
    }
    rmdir(b->dir);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_size);
    return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    bench b = {.box = NULL};
    snprintf(b.dir, sizeof b.dir, "%.200s/outbox_bench_XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(b.dir) || convex_value_parse(row, strlen(row), CONVEX_ENCODED_JSON, 0, NULL,
                                              &b.args, NULL) != CONVEX_OK)
        die("cannot begin");
    open_box(&b);
    for (int i = 0; i < ROUNDS; i++) {
        b.floor[i] = floor_rate(&b);
        b.alone[i] = alone_rate(&b);
        b.crowd[i] = crowd_rate(&b);
    }
    clean_up(&b);
    double floor = median(b.floor), alone = median(b.alone), crowd = median(b.crowd);
    printf("outbox, durably accepted mutations a second\n"
           "  append and fdatasync   %8.0f\n"
           "  1 caller               %8.0f  %5.2f\n"
           "  %d callers             %8.0f  %5.2f\n",
           floor, alone, alone / floor, CALLERS, crowd, crowd / floor);
    return 0;
}
