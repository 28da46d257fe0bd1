/* outbox.c - sends each line of its input as a mutation, exactly once, whatever happens to it.
 *
 *     outbox URL FILE PATH <LINES
 *     outbox --list FILE
 *
 * A line is the arguments of one mutation, as Convex's encoded JSON. Prints "accepted SEQ" once it
 * is safe in FILE, and "done SEQ RESULT", "threw SEQ MESSAGE" or "unknown SEQ" when it is over,
 * also for lines of an earlier run. Ends when the input has ended and nothing waits any more. Kill
 * it at any time, and start it again. --list prints what waits. Exit status: 0 done, 1 failed, 2
 * bad usage. */
#include <convex/outbox.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct program {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t waiting; /* accepted and not over, as far as this run knows */
    int failed;
} program;

static const char usage[] = "usage: outbox URL FILE PATH <LINES\n"
                            "       outbox --list FILE\n";

static void print_over(const convex_outbox_entry *entry, convex_status status,
                       const convex_result *result)
{
    unsigned long long seq = entry->seq;
    char *text = NULL;

    if (status != CONVEX_OK)
        printf("unknown %llu\n", seq);
    else if (!convex_result_success(result))
        printf("threw %llu %s\n", seq, convex_result_error_message(result, NULL));
    else if (convex_value_print(convex_result_value(result), CONVEX_ENCODED_JSON, NULL, &text,
                                NULL) == CONVEX_OK)
        printf("done %llu %s\n", seq, text);
    convex_text_free(text, NULL);
}

/* Once it has returned the entry is forgotten, so what it has to say is out before. */
static void on_done(const convex_outbox_entry *entry, convex_status status,
                    const convex_result *result, void *user)
{
    program *self = user;

    pthread_mutex_lock(&self->lock);
    print_over(entry, status, result);
    if (fflush(stdout) != 0)
        self->failed = 1;
    self->waiting--;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static int accept_line(program *self, convex_outbox *box, const char *path, const char *line,
                       size_t len)
{
    convex_value *args = NULL;
    convex_error error;
    uint64_t seq = 0;
    convex_status status =
        convex_value_parse(line, len, CONVEX_ENCODED_JSON, 0, NULL, &args, &error);

    pthread_mutex_lock(&self->lock);
    self->waiting++; /* on_done may come first */
    pthread_mutex_unlock(&self->lock);
    if (status == CONVEX_OK)
        status = convex_outbox_mutation(box, path, args, NULL, &seq, &error);
    convex_value_unref(args);
    pthread_mutex_lock(&self->lock);
    if (status == CONVEX_OK) {
        printf("accepted %llu\n", (unsigned long long)seq);
        fflush(stdout);
    } else {
        fprintf(stderr, "outbox: %s\n", error.message);
        self->waiting--;
        self->failed = 1;
    }
    pthread_mutex_unlock(&self->lock);
    return status == CONVEX_OK ? 0 : -1;
}

static int run(program *self, convex_outbox *box, const char *path)
{
    convex_outbox_counts counts;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    int r = 0;

    convex_outbox_count(box, &counts);
    self->waiting = counts.entries; /* of earlier runs; nothing was sent yet */
    if (convex_client_start_thread(convex_outbox_client(box)) != CONVEX_OK) {
        fprintf(stderr, "outbox: cannot start a thread\n");
        return 1;
    }
    while (r == 0 && (len = getline(&line, &capacity, stdin)) >= 0)
        r = accept_line(self, box, path, line, (size_t)len);
    free(line);
    pthread_mutex_lock(&self->lock);
    while (self->waiting > 0 && !self->failed)
        pthread_cond_wait(&self->changed, &self->lock);
    r = self->failed;
    pthread_mutex_unlock(&self->lock);
    return r;
}

static int print_entry(const convex_outbox_entry *entry, void *user)
{
    (void)user;
    return printf("%llu %s %.*s\n", (unsigned long long)entry->seq, entry->path,
                  (int)entry->args_len, entry->args) > 0;
}

static int list(const char *file)
{
    convex_error error;

    if (convex_outbox_list(file, 0, print_entry, NULL, &error) == CONVEX_OK)
        return 0;
    fprintf(stderr, "outbox: %s\n", error.message);
    return 1;
}

int main(int argc, char **argv)
{
    program self = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    convex_outbox_options options = CONVEX_OUTBOX_OPTIONS_INIT;
    convex_options client = CONVEX_OPTIONS_INIT;
    convex_outbox *box = NULL;
    convex_error error;
    int r;

    if (argc == 3 && strcmp(argv[1], "--list") == 0)
        return list(argv[2]);
    if (argc != 4) {
        fputs(usage, stderr);
        return 2;
    }
    client.url = argv[1];
    options.client = &client;
    options.file = argv[2];
    options.on_done = on_done;
    options.user = &self;
    if (convex_outbox_open(&options, &box, &error) != CONVEX_OK) {
        fprintf(stderr, "outbox: %s\n", error.message);
        return 1;
    }
    r = run(&self, box, argv[3]);
    convex_outbox_free(box);
    return r;
}
