/* watch.c - prints every result of a live query, one line of Convex's encoded JSON each.
 *
 *     watch URL PATH ARGS_JSON [--count N]
 *           [--token-env NAME | --admin-key-env NAME | --key-file FILE --role ROLE]
 *
 * A failed query prints {"error": message}. Ends after N lines, or at a signal.
 * With --key-file the token's kid, issuer and audience are those of SERVICE_KEY_ID,
 * SERVICE_ISSUER and SERVICE_AUDIENCE in the environment.
 * Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/client.h>
#include <convex/identity.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct watch {
    const char *url, *path, *args;
    const char *token, *admin_key, *key_file, *role;
    long left; /* lines to print; negative: no end */
    int status;
    convex_client *client;
} watch;

static const char usage[] =
    "usage: watch URL PATH ARGS_JSON [--count N]\n"
    "             [--token-env NAME | --admin-key-env NAME | --key-file FILE --role ROLE]\n";

static int print_failure(const convex_result *result)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *value = NULL;
    char *text = NULL;
    size_t len = 0;
    const char *message = convex_result_error_message(result, &len);
    convex_status status = b ? CONVEX_OK : CONVEX_ENOMEM;

    if (status == CONVEX_OK) {
        convex_builder_begin_object(b);
        convex_builder_key(b, "error");
        convex_builder_string(b, message, len);
        convex_builder_end(b);
        status = convex_builder_finish(b, &value, NULL);
    }
    if (status == CONVEX_OK)
        status = convex_value_print(value, CONVEX_ENCODED_JSON, NULL, &text, NULL);
    if (status == CONVEX_OK)
        puts(text);
    convex_text_free(text, NULL);
    convex_value_unref(value);
    convex_builder_free(b);
    return status == CONVEX_OK ? 0 : -1;
}

static int print_value(const convex_result *result)
{
    char *text = NULL;

    if (convex_value_print(convex_result_value(result), CONVEX_ENCODED_JSON, NULL, &text, NULL) !=
        CONVEX_OK)
        return -1;
    puts(text);
    convex_text_free(text, NULL);
    return 0;
}

static void on_result(const convex_result *result, void *user)
{
    watch *self = user;
    int r;

    if (self->left == 0)
        return;
    r = convex_result_success(result) ? print_value(result) : print_failure(result);
    if (r != 0 || fflush(stdout) != 0)
        self->status = 1;
    if (self->left > 0)
        self->left--;
    if (self->left == 0 || self->status != 0)
        convex_client_close(self->client);
}

static void on_state(const convex_state *state, void *user)
{
    watch *self = user;

    if (self->status != 0)
        return;
    if (state->identity == CONVEX_IDENTITY_REJECTED) {
        fprintf(stderr, "watch: not signed in: %s\n", state->auth_error);
        self->status = 1;
        convex_client_close(self->client);
    } else if (state->connection == CONVEX_CONNECTION_RECONNECTING) {
        fprintf(stderr, "watch: %s%s%s\n", state->close_reason, state->server_error[0] ? ": " : "",
                state->server_error);
    }
}

static const char *from_environment(const char *name)
{
    const char *value = getenv(name);
    if (!value || !*value)
        fprintf(stderr, "watch: %s is not set\n", name);
    return value && *value ? value : NULL;
}

static int read_option(watch *self, const char *name, const char *value)
{
    char *end = NULL;

    if (strcmp(name, "--count") == 0) {
        self->left = strtol(value, &end, 10);
        return *value && !*end && self->left > 0 ? 0 : -1;
    }
    if (strcmp(name, "--token-env") == 0)
        return (self->token = from_environment(value)) ? 0 : -1;
    if (strcmp(name, "--admin-key-env") == 0)
        return (self->admin_key = from_environment(value)) ? 0 : -1;
    if (strcmp(name, "--key-file") == 0)
        self->key_file = value;
    else if (strcmp(name, "--role") == 0)
        self->role = value;
    else
        return -1;
    return 0;
}

static int read_arguments(watch *self, int argc, char **argv)
{
    if (argc < 4 || argc % 2 != 0)
        return -1;
    self->url = argv[1];
    self->path = argv[2];
    self->args = argv[3];
    for (int i = 4; i < argc; i += 2)
        if (read_option(self, argv[i], argv[i + 1]) != 0)
            return -1;
    return !self->key_file == !self->role ? 0 : -1;
}

static int subscribe(watch *self)
{
    convex_value *args = NULL;
    convex_error error = {0};
    convex_status status = convex_value_parse(self->args, strlen(self->args), CONVEX_ENCODED_JSON,
                                              0, NULL, &args, &error);

    if (status == CONVEX_OK)
        status = convex_client_subscribe(self->client, self->path, args, on_result, NULL, self,
                                         NULL, &error);
    convex_value_unref(args);
    if (status == CONVEX_OK)
        return 0;
    fprintf(stderr, "watch: cannot watch %s: %s\n", self->path,
            error.message[0] ? error.message : convex_status_text(status));
    return -1;
}

/* The host loop: three calls. */
static void run(watch *self)
{
    struct pollfd wait = {.fd = convex_client_fd(self->client), .events = POLLIN};

    while (convex_client_process(self->client) == CONVEX_OK)
        poll(&wait, 1, convex_client_timeout_ms(self->client));
}

static const char *setting(const char *name, const char *standard)
{
    const char *value = getenv(name);
    return value && *value ? value : standard;
}

static int sign_in(watch *self, convex_auth *auth, convex_identity **identity)
{
    convex_identity_options options = CONVEX_IDENTITY_OPTIONS_INIT;
    convex_error error;
    char subject[128];

    if (self->token)
        *auth = (convex_auth){.kind = CONVEX_AUTH_USER_TOKEN, .token = self->token};
    if (self->admin_key)
        *auth = (convex_auth){.kind = CONVEX_AUTH_ADMIN_KEY, .admin_key = self->admin_key};
    if (!self->key_file)
        return 0;
    snprintf(subject, sizeof subject, "%s/watch", self->role);
    options.key_file = self->key_file;
    options.kid = setting("SERVICE_KEY_ID", "service-1");
    options.issuer = setting("SERVICE_ISSUER", "https://services.signals.invalid");
    options.audience = setting("SERVICE_AUDIENCE", "signals-services");
    options.subject = subject;
    options.role = self->role;
    if (convex_identity_new(&options, identity, &error) != CONVEX_OK) {
        fprintf(stderr, "watch: %s\n", error.message);
        return -1;
    }
    *auth = convex_identity_auth(*identity);
    return 0;
}

int main(int argc, char **argv)
{
    watch self = {.left = -1};
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_identity *identity = NULL;
    convex_auth auth = {.kind = CONVEX_AUTH_NONE};
    convex_error error;

    if (read_arguments(&self, argc, argv) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (sign_in(&self, &auth, &identity) != 0)
        return 1;
    options.url = self.url;
    options.auth = &auth;
    options.on_state = on_state;
    options.state_user = &self;
    if (convex_client_new(&options, &self.client, &error) != CONVEX_OK) {
        fprintf(stderr, "watch: %s\n", error.message);
        self.status = 1;
    } else if (subscribe(&self) != 0) {
        self.status = 1;
    } else {
        run(&self);
    }
    convex_client_unref(self.client);
    convex_identity_free(identity);
    return self.status;
}
