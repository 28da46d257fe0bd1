/* session.c - the way to the deployment and the credential; driving a live client. */
#include "convexc.h"

#include <convex/version.h>

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char client_name[] = "convexc-" CONVEX_VERSION;
static const char no_url[] = "which deployment? Set CONVEX_URL, or give --url";

/* ---- signals ---- */

static volatile sig_atomic_t got_signal;

static void on_signal(int number)
{
    got_signal = number;
}

bool interrupted(void)
{
    return got_signal != 0;
}

int exit_status_of_signal(void)
{
    return 128 + (got_signal ? got_signal : SIGINT); /* as a shell reports it */
}

void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool drive(convex_client *client, const bool *done, unsigned timeout_ms)
{
    struct pollfd wait[] = {{.fd = convex_client_fd(client), .events = POLLIN},
                            {.fd = done ? -1 : STDOUT_FILENO}}; /* only whether its reader left */
    int64_t deadline = now_ms() + timeout_ms, left = INT_MAX;
    sigset_t ends, before;

    /* Signals come only while this waits, so that none is missed between the look and the wait. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, &before);
    while (left > 0 && convex_client_process(client) == CONVEX_OK && !(done && *done)) {
        int64_t ms = convex_client_timeout_ms(client);
        if (timeout_ms)
            left = deadline - now_ms();
        if (timeout_ms && (ms < 0 || ms > left))
            ms = left > 0 ? left : 0;
        struct timespec most = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
        if (interrupted())
            convex_client_close(client);
        else
            ppoll(wait, 2, ms < 0 ? NULL : &most, &before);
        if (wait[1].revents)
            left = 0;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return left > 0;
}

int say_when_hopeless(const convex_state *state)
{
    enum { ATTEMPTS = 3 };

    if (state->identity == CONVEX_IDENTITY_REJECTED)
        return fail(EXIT_AUTH, "%s", state->auth_error);
    if (state->connections == 0 && state->retries >= ATTEMPTS)
        return fail(EXIT_NETWORK, "%s%s%s", state->close_reason, state->server_error[0] ? ": " : "",
                    state->server_error);
    return EXIT_DONE;
}

/* ---- credentials ---- */

int make_identity(const settings *s, const char *key_file, convex_identity **ret)
{
    convex_identity_options options = CONVEX_IDENTITY_OPTIONS_INIT;
    convex_error error;

    if (!s->issuer)
        return fail(EXIT_USAGE, "--issuer is missing: the one in the deployment's auth.config");
    options.key_file = key_file;
    options.kid = s->kid;
    options.issuer = s->issuer;
    options.audience = s->audience;
    options.subject = s->subject ? s->subject : "convexc";
    options.role = s->role;
    options.lifetime_s = s->lifetime_s;
    convex_status status = convex_identity_new(&options, ret, &error);
    return status == CONVEX_OK ? EXIT_DONE : fail_with(status, &error);
}

/* A secret from a file, without the end of its line. */
static int read_secret(const char *path, char **ret)
{
    size_t len = 0;
    int r = read_file(path, ret, &len);

    if (r != EXIT_DONE)
        return r;
    while (len > 0 && strchr(" \t\r\n", (*ret)[len - 1]))
        (*ret)[--len] = '\0';
    return len > 0 ? EXIT_DONE : fail(EXIT_USAGE, "%s is empty", path);
}

static int use_admin_key(const settings *s, credential *ret)
{
    int r = EXIT_DONE;

    ret->auth.kind = CONVEX_AUTH_ADMIN_KEY;
    ret->auth.acting_as = s->acting_as;
    ret->origin = "admin key";
    if (s->admin_key_file)
        r = read_secret(s->admin_key_file, &ret->secret);
    ret->auth.admin_key = ret->secret;
    if (!ret->auth.admin_key)
        ret->auth.admin_key = variable(s, "CONVEX_SELF_HOSTED_ADMIN_KEY");
    if (!ret->auth.admin_key)
        ret->auth.admin_key = variable(s, "CONVEX_DEPLOY_KEY");
    if (r == EXIT_DONE && !ret->auth.admin_key && (s->admin || s->acting_as))
        r = fail(EXIT_USAGE, "there is no admin key: set CONVEX_SELF_HOSTED_ADMIN_KEY or "
                             "CONVEX_DEPLOY_KEY, or give --admin-key-file");
    if (!ret->auth.admin_key)
        ret->auth.kind = CONVEX_AUTH_NONE;
    return r;
}

static int use_key_file(const settings *s, credential *ret)
{
    int r = make_identity(s, s->key_file, &ret->identity);

    if (r != EXIT_DONE)
        return r;
    ret->auth = convex_identity_auth(ret->identity);
    ret->origin = "key file";
    return EXIT_DONE;
}

int open_credential(const settings *s, credential *ret)
{
    int r = EXIT_DONE;

    *ret = (credential){.origin = "none"};
    if (s->anonymous)
        return EXIT_DONE;
    if (s->admin || s->acting_as)
        return use_admin_key(s, ret);
    if (s->token_file)
        r = read_secret(s->token_file, &ret->secret);
    ret->auth.token = ret->secret ? ret->secret : variable(s, "CONVEX_AUTH_TOKEN");
    if (r == EXIT_DONE && ret->auth.token) {
        ret->auth.kind = CONVEX_AUTH_USER_TOKEN;
        ret->origin = "token";
        return EXIT_DONE;
    }
    if (r == EXIT_DONE)
        r = s->key_file ? use_key_file(s, ret) : use_admin_key(s, ret);
    if (r != EXIT_DONE)
        close_credential(ret);
    return r;
}

void close_credential(credential *c)
{
    if (c->secret)
        explicit_bzero(c->secret, strlen(c->secret));
    free(c->secret);
    convex_identity_free(c->identity);
    *c = (credential){.origin = "none"};
}

/* ---- the way ---- */

const char *deployment_url(const settings *s)
{
    const char *url = s->url ? s->url : variable(s, "CONVEX_URL");

    return url ? url : variable(s, "CONVEX_SELF_HOSTED_URL");
}

convex_network network_of(const settings *s)
{
    return (convex_network){
        .ca_file = s->ca,
        .pinned_key = s->pin,
        .client_cert_file = s->cert,
        .client_key_file = s->cert_key,
        .proxy = s->proxy,
        .unix_socket = s->unix_socket,
    };
}

static void log_line(convex_log_level level, const char *text, void *user)
{
    if (level == CONVEX_LOG_WARN || level == CONVEX_LOG_ERROR)
        fprintf(stderr, "convexc: %s\n", text);
}

convex_http_options http_options_of(const settings *s, const credential *c)
{
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;

    options.url = deployment_url(s);
    options.auth = &c->auth;
    options.client_name = client_name;
    options.log.fn = log_line;
    options.network = network_of(s);
    options.timeout_ms = s->timeout_s * 1000;
    options.answer_timeout_ms = options.timeout_ms;
    return options;
}

int open_http(const settings *s, const credential *c, convex_http **ret)
{
    convex_http_options options = http_options_of(s, c);
    convex_error error;

    if (!options.url)
        return fail(EXIT_USAGE, "%s", no_url);
    convex_status status = convex_http_new(&options, ret, &error);
    return status == CONVEX_OK ? EXIT_DONE : fail_with(status, &error);
}

int open_client(const settings *s, const credential *c, convex_state_fn *on_state, void *user,
                convex_client **ret)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_error error;

    options.url = deployment_url(s);
    if (!options.url)
        return fail(EXIT_USAGE, "%s", no_url);
    options.auth = &c->auth;
    options.client_name = client_name;
    options.network = network_of(s);
    options.on_state = on_state;
    options.state_user = user;
    convex_status status = convex_client_new(&options, ret, &error);
    return status == CONVEX_OK ? EXIT_DONE : fail_with(status, &error);
}
