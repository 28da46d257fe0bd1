/* optimistic.c - writes into a live list and shows each write before the server has answered it.
 *
 *     optimistic URL LIST PUT PREFIX
 *
 * LIST is a query that returns, for {prefix}, the items {key, value} whose key begins so, in order;
 * PUT a mutation that sets the value of a {key}. Every line "KEY JSON" on standard input sets one.
 * Prints each state of the list as a line of JSON, and what each write came to: "done KEY" or
 * "failed KEY". The end of the input ends the program once all writes are done.
 * Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/client.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    const char *list, *put, *prefix;
    convex_client *client;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int unfinished;
} writer;

/* One write. The mutation and its optimistic update each end by a call of their own. */
typedef struct put {
    writer *writer;
    int holds;
    char key[64];
} put;

static void print_line(const char *text, const char *more)
{
    if (printf("%s%s\n", text, more) < 0 || fflush(stdout) != 0)
        exit(1); /* nobody reads it */
}

static void on_list(const convex_result *result, void *user)
{
    char *text = NULL;

    if (!convex_result_success(result))
        print_line("error ", convex_result_error_message(result, NULL));
    else if (convex_value_print(convex_result_value(result), CONVEX_ENCODED_JSON, NULL, &text,
                                NULL) == CONVEX_OK)
        print_line("", text);
    convex_text_free(text, NULL);
}

/* ---- the optimistic update ---- */

static int compare_keys(const convex_value *item, const char *key)
{
    const char *other = convex_value_string(convex_value_field(item, "key"), NULL);
    return strcmp(other ? other : "", key);
}

static void put_item(convex_builder *b, const char *key, const convex_value *value)
{
    convex_builder_begin_object(b);
    convex_builder_key(b, "key");
    convex_builder_cstring(b, key);
    convex_builder_key(b, "value");
    convex_builder_value(b, value);
    convex_builder_end(b);
}

/* The list with the item in its place. */
static void put_list(convex_builder *b, const convex_value *list, const char *key,
                     const convex_value *value)
{
    size_t count = convex_value_count(list), i = 0;

    convex_builder_begin_array(b);
    for (; i < count && compare_keys(convex_value_at(list, i), key) < 0; i++)
        convex_builder_value(b, convex_value_at(list, i));
    put_item(b, key, value);
    for (; i < count; i++)
        if (compare_keys(convex_value_at(list, i), key) != 0)
            convex_builder_value(b, convex_value_at(list, i));
    convex_builder_end(b);
}

static convex_value *list_args(const char *prefix)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *args = NULL;

    if (!b)
        return NULL;
    convex_builder_begin_object(b);
    convex_builder_key(b, "prefix");
    convex_builder_cstring(b, prefix);
    convex_builder_end(b);
    convex_builder_finish(b, &args, NULL); /* NULL: no memory */
    convex_builder_free(b);
    return args;
}

/* Depends on nothing but the store and the mutation's arguments: it may run many times. */
static void update(convex_local_store *store, const convex_value *args, void *user)
{
    const writer *self = ((put *)user)->writer;
    const char *key = convex_value_string(convex_value_field(args, "key"), NULL);
    convex_value *of = list_args(self->prefix), *changed = NULL;
    const convex_value *list = of ? convex_local_store_get(store, self->list, of) : NULL;
    convex_builder *b = list ? convex_builder_new(NULL) : NULL;

    if (b) {
        put_list(b, list, key, convex_value_field(args, "value"));
        if (convex_builder_finish(b, &changed, NULL) == CONVEX_OK)
            convex_local_store_set(store, self->list, of, changed); /* failed: nothing is shown */
    }
    convex_value_unref(changed);
    convex_value_unref(of);
    convex_builder_free(b);
}

/* ---- writing ---- */

static void drop_put(void *user)
{
    put *p = user;

    if (--p->holds == 0) /* both calls come on the client's thread */
        free(p);
}

static void on_done(convex_status status, const convex_result *result, void *user)
{
    put *p = user;
    writer *self = p->writer;
    bool ok = status == CONVEX_OK && convex_result_success(result);

    print_line(ok ? "done " : "failed ", p->key);
    drop_put(p);
    pthread_mutex_lock(&self->lock);
    self->unfinished--;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static convex_status mutate(writer *self, const char *key, const char *json, put *p)
{
    convex_optimistic optimistic = {update, p, drop_put};
    convex_call_options options = CONVEX_CALL_OPTIONS_INIT;
    convex_builder *b = convex_builder_new(NULL);
    convex_value *value = NULL, *args = NULL;
    convex_status status = b ? CONVEX_OK : CONVEX_ENOMEM;

    if (status == CONVEX_OK)
        status = convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL);
    if (status == CONVEX_OK) {
        put_item(b, key, value);
        status = convex_builder_finish(b, &args, NULL);
    }
    options.optimistic = &optimistic;
    if (status == CONVEX_OK)
        status =
            convex_client_mutation(self->client, self->put, args, &options, on_done, p, NULL, NULL);
    convex_value_unref(args);
    convex_value_unref(value);
    convex_builder_free(b);
    return status;
}

static convex_status write_line(writer *self, const char *line)
{
    convex_status status = CONVEX_ENOMEM;
    put *p = malloc(sizeof *p);
    int end = 0;

    if (!p)
        return status;
    *p = (put){.writer = self, .holds = 2};
    if (sscanf(line, "%63s %n", p->key, &end) != 1 || end == 0) {
        free(p);
        return CONVEX_EINVAL;
    }
    pthread_mutex_lock(&self->lock);
    self->unfinished++;
    pthread_mutex_unlock(&self->lock);
    status = mutate(self, p->key, line + end, p);
    if (status != CONVEX_OK) { /* then no callback will run */
        free(p);
        pthread_mutex_lock(&self->lock);
        self->unfinished--;
        pthread_mutex_unlock(&self->lock);
    }
    return status;
}

static void write_lines(writer *self)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        convex_status status = write_line(self, line);
        if (status != CONVEX_OK)
            fprintf(stderr, "optimistic: not written: %s\n", convex_status_text(status));
    }
    free(line);
    pthread_mutex_lock(&self->lock);
    while (self->unfinished > 0)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

static convex_status start(writer *self, const char *url, convex_error *error)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_value *args = list_args(self->prefix);
    convex_status status = args ? CONVEX_OK : CONVEX_ENOMEM;

    options.url = url;
    if (status == CONVEX_OK)
        status = convex_client_new(&options, &self->client, error);
    if (status == CONVEX_OK)
        status = convex_client_subscribe(self->client, self->list, args, on_list, NULL, NULL, NULL,
                                         error);
    if (status == CONVEX_OK)
        status = convex_client_start_thread(self->client);
    convex_value_unref(args);
    return status;
}

int main(int argc, char **argv)
{
    writer self = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    convex_error error = {.message = ""};
    convex_status status;

    if (argc != 5) {
        fputs("usage: optimistic URL LIST PUT PREFIX\n", stderr);
        return 2;
    }
    self.list = argv[2];
    self.put = argv[3];
    self.prefix = argv[4];
    status = start(&self, argv[1], &error);
    if (status == CONVEX_OK)
        write_lines(&self);
    else
        fprintf(stderr, "optimistic: %s\n",
                error.message[0] ? error.message : convex_status_text(status));
    convex_client_join(self.client); /* no callback runs afterwards */
    convex_client_unref(self.client);
    return status == CONVEX_OK ? 0 : 1;
}
