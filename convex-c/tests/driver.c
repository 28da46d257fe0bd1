/* driver.c - one live client driven by lines of JSON, to be compared with another client.
 *
 *     convex-driver URL
 *
 * Each line of standard input is an object with "do" and more:
 *     subscribe, mutation, action, query   id, path, args
 *     set_args                             id, args
 *     unsubscribe                          id
 *     auth                                 key (an admin key) and as (an identity); without: signs
 * out and each result a line of output: {"id", "value"}, {"id", "error"[, "data"]}, or for a call
 * that came to nothing {"id", "status"}. Values are in Convex's encoded JSON both ways. Ends with
 * its input. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/convex.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Something with an id that the other side gave: it begins each line about it. */
typedef struct subject {
    char *id;
    convex_sub *sub; /* NULL: a call */
    struct subject *next;
} subject;

typedef struct driver {
    convex_client *client;
    subject *subs; /* open ones */
    char line[1 << 16];
    size_t held;
    int failed;
} driver;

static driver self;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "driver: %s: %s\n", what, why);
    self.failed = 1;
}

/* ---- out ---- */

static void add_result(convex_builder *b, const convex_result *result)
{
    size_t len = 0;
    const char *message = convex_result_error_message(result, &len);

    if (!message) {
        convex_builder_key(b, "value");
        convex_builder_value(b, convex_result_value(result));
        return;
    }
    convex_builder_key(b, "error");
    convex_builder_string(b, message, len);
    if (convex_result_error_data(result)) {
        convex_builder_key(b, "data");
        convex_builder_value(b, convex_result_error_data(result));
    }
}

static void print_line(const char *id, convex_status status, const convex_result *result)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *line = NULL;
    char *text = NULL;
    convex_status r = b ? CONVEX_OK : CONVEX_ENOMEM;

    if (r == CONVEX_OK) {
        convex_builder_begin_object(b);
        convex_builder_key(b, "id");
        convex_builder_cstring(b, id);
        if (status == CONVEX_OK) {
            add_result(b, result);
        } else {
            convex_builder_key(b, "status");
            convex_builder_cstring(b, convex_status_text(status));
        }
        convex_builder_end(b);
        r = convex_builder_finish(b, &line, NULL);
    }
    if (r == CONVEX_OK)
        r = convex_value_print(line, CONVEX_ENCODED_JSON, NULL, &text, NULL);
    if (r != CONVEX_OK)
        fail(id, convex_status_text(r));
    else if (puts(text) == EOF || fflush(stdout) != 0)
        fail(id, "cannot write");
    convex_text_free(text, NULL);
    convex_value_unref(line);
    convex_builder_free(b);
}

static void free_subject(subject *s)
{
    if (s)
        free(s->id);
    free(s);
}

static void on_result(const convex_result *result, void *user)
{
    const subject *s = user;
    print_line(s->id, CONVEX_OK, result);
}

static void on_end(convex_status why, void *user)
{
    free_subject(user);
}

static void on_done(convex_status status, const convex_result *result, void *user)
{
    subject *s = user;
    print_line(s->id, status, result);
    free_subject(s);
}

/* ---- in ---- */

static const char *text_in(const convex_value *command, const char *name)
{
    return convex_value_string(convex_value_field(command, name), NULL);
}

static convex_status subscribe(subject *s, const convex_value *command, convex_error *reterr)
{
    convex_status status = convex_client_subscribe(self.client, text_in(command, "path"),
                                                   convex_value_field(command, "args"), on_result,
                                                   on_end, s, &s->sub, reterr);
    if (status == CONVEX_OK) {
        s->next = self.subs;
        self.subs = s;
    }
    return status;
}

static convex_status unsubscribe(const char *id)
{
    for (subject **at = &self.subs; *at; at = &(*at)->next) {
        subject *s = *at;
        if (strcmp(s->id, id) != 0)
            continue;
        *at = s->next;
        convex_sub_unref(s->sub); /* on_end frees the subject */
        return CONVEX_OK;
    }
    return CONVEX_EINVAL;
}

static convex_status set_args(const char *id, const convex_value *args, convex_error *reterr)
{
    for (const subject *s = self.subs; s; s = s->next)
        if (strcmp(s->id, id) == 0)
            return convex_sub_set_args(s->sub, args, reterr);
    return CONVEX_EINVAL;
}

static convex_status set_auth(const convex_value *command)
{
    convex_auth auth = {.kind = CONVEX_AUTH_NONE};
    char *as = NULL;
    convex_status status = CONVEX_OK;

    if (text_in(command, "key")) {
        status = convex_value_print(convex_value_field(command, "as"), CONVEX_PLAIN_JSON, NULL, &as,
                                    NULL);
        auth = (convex_auth){
            .kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = text_in(command, "key"), .acting_as = as};
    }
    if (status == CONVEX_OK)
        status = convex_client_set_auth(self.client, &auth);
    convex_text_free(as, NULL);
    return status;
}

static convex_status start_call(const char *what, const convex_value *command, convex_error *reterr)
{
    subject *s = calloc(1, sizeof *s);
    const char *path = text_in(command, "path");
    const convex_value *args = convex_value_field(command, "args");
    convex_status status = CONVEX_EINVAL;

    if (s)
        s->id = strdup(text_in(command, "id"));
    if (!s || !s->id)
        status = CONVEX_ENOMEM;
    else if (strcmp(what, "subscribe") == 0)
        status = subscribe(s, command, reterr);
    else if (strcmp(what, "mutation") == 0)
        status = convex_client_mutation(self.client, path, args, NULL, on_done, s, NULL, reterr);
    else if (strcmp(what, "action") == 0)
        status = convex_client_action(self.client, path, args, NULL, on_done, s, NULL, reterr);
    else if (strcmp(what, "query") == 0)
        status = convex_client_query(self.client, path, args, NULL, on_done, s, NULL, reterr);
    if (status != CONVEX_OK)
        free_subject(s);
    return status;
}

static void obey(const char *line, size_t len)
{
    convex_value *command = NULL;
    convex_error error = {.message = ""};
    convex_status status =
        convex_value_parse(line, len, CONVEX_ENCODED_JSON, 0, NULL, &command, &error);
    const char *what = text_in(command, "do");

    if (status == CONVEX_OK && (!what || (strcmp(what, "auth") != 0 && !text_in(command, "id"))))
        status = CONVEX_EINVAL;
    if (status == CONVEX_OK && strcmp(what, "auth") == 0)
        status = set_auth(command);
    else if (status == CONVEX_OK && strcmp(what, "unsubscribe") == 0)
        status = unsubscribe(text_in(command, "id"));
    else if (status == CONVEX_OK && strcmp(what, "set_args") == 0)
        status = set_args(text_in(command, "id"), convex_value_field(command, "args"), &error);
    else if (status == CONVEX_OK)
        status = start_call(what, command, &error);
    if (status != CONVEX_OK)
        fail(line, error.message[0] ? error.message : convex_status_text(status));
    convex_value_unref(command);
}

/* False at the end of the input. */
static int read_lines(void)
{
    ssize_t got = read(STDIN_FILENO, self.line + self.held, sizeof self.line - 1 - self.held);
    char *end, *line = self.line;

    if (got <= 0)
        return 0;
    self.held += (size_t)got;
    self.line[self.held] = '\0';
    while ((end = memchr(line, '\n', self.held - (size_t)(line - self.line))) != NULL) {
        *end = '\0';
        obey(line, (size_t)(end - line));
        line = end + 1;
    }
    self.held -= (size_t)(line - self.line);
    memmove(self.line, line, self.held);
    return self.held < sizeof self.line - 1;
}

static void run(void)
{
    struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = convex_client_fd(self.client), .events = POLLIN}};

    while (!self.failed && convex_client_process(self.client) == CONVEX_OK) {
        poll(wait, 2, convex_client_timeout_ms(self.client));
        if (wait[0].revents && !read_lines())
            return;
    }
}

int main(int argc, char **argv)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_error error;

    if (argc != 2) {
        fputs("usage: convex-driver URL\n", stderr);
        return 2;
    }
    options.url = argv[1];
    if (convex_client_new(&options, &self.client, &error) != CONVEX_OK) {
        fail(argv[1], error.message);
        return 1;
    }
    run();
    while (self.subs)
        unsubscribe(self.subs->id);
    convex_client_unref(self.client);
    return self.failed;
}
