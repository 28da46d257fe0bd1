/* mutate.c - time from calling a mutation to its settling, one call at a time.
 *
 *     mutate URL PATH COUNT
 *
 * Calls the mutation with {n, text}; prints each call's microseconds on a line. For ./run bench
 * client, which compiles it. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/client.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_BYTES = 200 };

typedef struct mutate {
    const char *path;
    long count, done; /* calls wanted, calls settled */
    double *us;       /* owned, `count` of them */
    double called_at;
    int failed;
    convex_client *client;
} mutate;

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static convex_value *make_args(long n)
{
    char text[TEXT_BYTES];
    convex_builder *b = convex_builder_new(NULL);
    convex_value *args = NULL;

    if (!b)
        return NULL;
    memset(text, 'x', sizeof text);
    convex_builder_begin_object(b);
    convex_builder_key(b, "n");
    convex_builder_float64(b, (double)n);
    convex_builder_key(b, "text");
    convex_builder_string(b, text, sizeof text);
    convex_builder_end(b);
    if (convex_builder_finish(b, &args, NULL) != CONVEX_OK)
        args = NULL;
    convex_builder_free(b);
    return args;
}

static void call(mutate *self);

static void on_done(convex_status status, const convex_result *result, void *user)
{
    mutate *self = user;

    self->us[self->done++] = now_us() - self->called_at;
    if (status != CONVEX_OK || !convex_result_success(result)) {
        fprintf(stderr, "mutate: %s failed: %s\n", self->path,
                result ? convex_result_error_message(result, NULL) : convex_status_text(status));
        self->failed = 1;
    }
    if (self->failed || self->done == self->count)
        convex_client_close(self->client);
    else
        call(self);
}

static void call(mutate *self)
{
    convex_status status;
    convex_value *args;

    self->called_at = now_us();
    args = make_args(self->done);
    status = args ? convex_client_mutation(self->client, self->path, args, NULL, on_done, self,
                                           NULL, NULL)
                  : CONVEX_ENOMEM;
    convex_value_unref(args);
    if (status != CONVEX_OK) {
        fprintf(stderr, "mutate: %s\n", convex_status_text(status));
        self->failed = 1;
        convex_client_close(self->client);
    }
}

int main(int argc, char **argv)
{
    mutate self = {0};
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_error error;

    if (argc != 4 || (self.count = strtol(argv[3], NULL, 10)) < 1) {
        fputs("usage: mutate URL PATH COUNT\n", stderr);
        return 2;
    }
    self.path = argv[2];
    self.us = calloc((size_t)self.count, sizeof *self.us);
    options.url = argv[1];
    if (!self.us || convex_client_new(&options, &self.client, &error) != CONVEX_OK) {
        fprintf(stderr, "mutate: %s\n", self.us ? error.message : "out of memory");
        free(self.us);
        return 1;
    }
    call(&self);
    while (convex_client_process(self.client) == CONVEX_OK) {
        struct pollfd wait = {.fd = convex_client_fd(self.client), .events = POLLIN};

        poll(&wait, 1, convex_client_timeout_ms(self.client));
    }
    for (long i = 0; !self.failed && i < self.done; i++)
        printf("%.1f\n", self.us[i]);
    convex_client_unref(self.client);
    free(self.us);
    return self.failed;
}
