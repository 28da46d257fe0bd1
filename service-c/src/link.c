/* link.c - a daemon's link to the backend.
 * Owns the service identity and the live client. Loop thread only.
 * Invariant: on_refused is called at most once, and only if no identity was ever confirmed. */
#include "service/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convex/identity.h"
#include "daemon/address.h"
#include "daemon/backoff.h"
#include "daemon/log.h"
#include "daemon/status.h"

enum { HEARTBEAT_MS = 30000, AUTH_RETRY_BASE_MS = 1000, AUTH_RETRY_CAP_MS = 60000 };

struct service_link {
    service_link_options options;
    convex_identity *identity;
    convex_client *client;
    daemon_status *status; /* NULL: none was asked for */
    daemon_timer *heartbeat;
    daemon_timer *auth_retry;
    backoff auth_backoff;
    bool was_confirmed;
    bool ready;
    bool refused;
    bool closing;
    bool untold; /* the backend does not know our state yet */
    convex_connection connection;
    convex_identity_state known; /* as last told */
    char close_reason[128];
    char state[16];
    char detail[256];
};

static void log_convex(convex_log_level level, const char *text, void *user)
{
    /* One level down: what it comes to is said by on_state below. */
    static const daemon_level levels[] = {DAEMON_WARN, DAEMON_INFO, DAEMON_DEBUG, DAEMON_DEBUG};
    daemon_log(levels[level], "convex", "detail=%s", text);
}

static void present_again(void *user)
{
    service_link *self = user;
    convex_auth auth = convex_identity_auth(self->identity);
    self->known = CONVEX_IDENTITY_PENDING; /* the same answer again is news */
    daemon_timer_set(self->auth_retry, AUTH_RETRY_CAP_MS);
    convex_status status = convex_client_set_auth(self->client, &auth);
    if (status != CONVEX_OK)
        daemon_log(DAEMON_ERROR, "cannot present the service identity", "why=%s",
                   convex_status_text(status));
}

static void beat(service_link *self);

static void rejected(service_link *self, const convex_state *state)
{
    if (self->was_confirmed) {
        /* It was good before: keys are being changed, or the backend is coming up. */
        int64_t delay = backoff_next_ms(&self->auth_backoff, 0);
        daemon_log(DAEMON_WARN, "backend refused the service identity", "why=%s retry_in_ms=%lld",
                   state->auth_error, (long long)delay);
        daemon_timer_set(self->auth_retry, delay);
        return;
    }
    if (self->refused)
        return;
    self->refused = true;
    daemon_log(DAEMON_ERROR,
               "backend refused the service identity: check SERVICE_KEY_FILE, SERVICE_KEY_ID, "
               "SERVICE_ISSUER and SERVICE_AUDIENCE against the deployment",
               "why=%s", state->auth_error);
    self->options.on_refused(self->options.user);
}

static void log_connection(service_link *self, const convex_state *state)
{
    bool same = state->connection == self->connection &&
                strcmp(state->close_reason, self->close_reason) == 0;
    if (same)
        return;
    self->connection = state->connection;
    strcpy(self->close_reason, state->close_reason);
    if (state->connection == CONVEX_CONNECTION_RECONNECTING)
        daemon_log(DAEMON_WARN, "backend connection lost", "why=%s server=%s retry_in_ms=%lld",
                   state->close_reason, state->server_error, (long long)state->retry_in_ms);
    else if (state->connection == CONVEX_CONNECTION_CONNECTED)
        daemon_log(DAEMON_INFO, "backend connected", "url=%s", self->options.settings->convex_url);
}

static void tell_monitor(service_link *self)
{
    bool serves = strcmp(self->state, "ready") == 0 || strcmp(self->state, "degraded") == 0;
    daemon_status_set(self->status, self->ready && serves,
                      self->ready ? self->state : "the backend is not connected");
}

static void on_state(const convex_state *state, void *user)
{
    service_link *self = user;
    if (self->closing)
        return;
    log_connection(self, state);
    bool ready = state->connection == CONVEX_CONNECTION_CONNECTED &&
                 state->identity == CONVEX_IDENTITY_CONFIRMED;
    bool newly = state->identity != self->known;
    self->known = state->identity;
    if (newly && state->identity == CONVEX_IDENTITY_REJECTED)
        rejected(self, state);
    if (ready == self->ready)
        return;
    self->ready = ready;
    tell_monitor(self);
    if (ready) {
        self->was_confirmed = true;
        backoff_reset(&self->auth_backoff);
        daemon_timer_clear(self->auth_retry);
        daemon_log(DAEMON_INFO, "backend accepted the service identity", "role=%s",
                   self->options.role);
        self->untold = true; /* told at each new connection, by on_ready or here */
        self->options.on_ready(self->options.user);
        if (self->untold)
            beat(self);
    } else if (self->options.on_lost) {
        self->options.on_lost(self->options.user);
    }
}

/* ---- heartbeat ---- */

static void add_counter(const char *name, const char *labels, int64_t value, void *user)
{
    convex_builder *b = user;
    char full[160];
    snprintf(full, sizeof full, labels && *labels ? "%s{%s}" : "%s%s", name, labels ? labels : "");
    convex_builder_begin_object(b);
    convex_builder_key(b, "name");
    convex_builder_cstring(b, full);
    convex_builder_key(b, "value");
    convex_builder_float64(b, (double)value);
    convex_builder_end(b);
}

static void put_text(convex_builder *b, const char *key, const char *text)
{
    convex_builder_key(b, key);
    convex_builder_cstring(b, text);
}

static void on_heartbeat(convex_status status, const convex_result *result, void *user)
{
    if (status == CONVEX_OK && !convex_result_success(result))
        daemon_log(DAEMON_WARN, "backend refused a heartbeat", "why=%s",
                   convex_result_error_message(result, NULL));
}

static void beat(service_link *self)
{
    convex_value *args = NULL;
    convex_error error = {0};
    convex_call_options options = {.flags = CONVEX_AT_COMMIT};
    convex_builder *b = convex_builder_new(NULL);
    if (!b)
        return;
    self->untold = false;
    convex_builder_begin_object(b);
    put_text(b, "service", self->options.role);
    put_text(b, "instance", self->options.instance);
    put_text(b, "version", self->options.version);
    put_text(b, "state", self->state);
    if (self->detail[0])
        put_text(b, "detail", self->detail);
    convex_builder_key(b, "counters");
    convex_builder_begin_array(b);
    if (self->options.metrics)
        daemon_metrics_each(self->options.metrics, add_counter, b);
    convex_builder_end(b);
    convex_builder_end(b);
    convex_status status = convex_builder_finish(b, &args, &error);
    convex_builder_free(b);
    if (status == CONVEX_OK)
        status = convex_client_mutation(self->client, "services:heartbeat", args, &options,
                                        on_heartbeat, self, NULL, &error);
    convex_value_unref(args);
    if (status != CONVEX_OK)
        daemon_log(DAEMON_WARN, "cannot send a heartbeat", "why=%s",
                   error.message[0] ? error.message : convex_status_text(status));
}

static void on_heartbeat_due(void *user)
{
    service_link *self = user;
    if (self->ready) /* a backlog of heartbeats would tell nothing */
        beat(self);
    daemon_timer_set(self->heartbeat, HEARTBEAT_MS);
}

void service_link_report(service_link *self, const char *state, const char *detail)
{
    if (!self->untold && strcmp(self->state, state) == 0 && strcmp(self->detail, detail) == 0)
        return;
    strncpy(self->state, state, sizeof self->state - 1);
    strncpy(self->detail, detail, sizeof self->detail - 1);
    tell_monitor(self);
    if (self->ready)
        beat(self);
}

/* ---- lifetime ---- */

static int loop_timeout(void *user)
{
    return convex_client_timeout_ms(((service_link *)user)->client);
}

static void loop_process(void *user)
{
    convex_client_process(((service_link *)user)->client);
}

static void open_identity(service_link *self)
{
    const service_settings *settings = self->options.settings;
    char subject[256];
    convex_error error;
    snprintf(subject, sizeof subject, "%s/%s", self->options.role, self->options.instance);
    convex_identity_options options = CONVEX_IDENTITY_OPTIONS_INIT;
    options.key_file = settings->key_file;
    options.kid = settings->key_id;
    options.issuer = settings->issuer;
    options.audience = settings->audience;
    options.subject = subject;
    options.role = self->options.role;
    if (convex_identity_new(&options, &self->identity, &error) != CONVEX_OK)
        daemon_misconfigured("service-key-file", "%s", error.message);
}

static int open_client(service_link *self)
{
    convex_error error;
    convex_auth auth = convex_identity_auth(self->identity);
    convex_options options = CONVEX_OPTIONS_INIT;
    options.url = self->options.settings->convex_url;
    options.auth = &auth;
    options.on_state = on_state;
    options.state_user = self;
    options.log = (convex_log){log_convex, NULL};
    options.max_requests = 4096;
    convex_status status = convex_client_new(&options, &self->client, &error);
    if (status == CONVEX_EINVAL)
        daemon_misconfigured("convex-url", "%s", error.message);
    if (status != CONVEX_OK) {
        daemon_log(DAEMON_ERROR, "cannot make the Convex client", "why=%s", error.message);
        return -ENOMEM;
    }
    return daemon_loop_attach(self->options.loop, convex_client_fd(self->client), loop_timeout,
                              loop_process, self);
}

static int open_status(service_link *self)
{
    const char *listen = self->options.settings->status_listen;
    char reason[200];
    if (!listen)
        return 0;
    if (!daemon_address_valid(listen))
        daemon_misconfigured("status-listen", "expected ADDRESS:PORT, such as 127.0.0.1:9464");
    int r = daemon_status_open(listen, self->options.metrics, &self->status, reason, sizeof reason);
    if (r == -ENOMEM)
        return r;
    if (r != 0)
        daemon_misconfigured("status-listen", "%s", reason);
    daemon_log(DAEMON_INFO, "answering monitors", "status=%s", daemon_status_address(self->status));
    return 0;
}

int service_link_open(const service_link_options *options, service_link **ret)
{
    service_link *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    self->auth_backoff = (backoff)BACKOFF_INIT(AUTH_RETRY_BASE_MS, AUTH_RETRY_CAP_MS);
    strcpy(self->state, "starting");
    open_identity(self);
    int r = daemon_timer_new(options->loop, on_heartbeat_due, self, &self->heartbeat);
    if (r == 0)
        r = daemon_timer_new(options->loop, present_again, self, &self->auth_retry);
    if (r == 0)
        r = open_status(self);
    if (r == 0)
        r = open_client(self);
    if (r != 0) {
        service_link_close(self);
        return r;
    }
    daemon_timer_set(self->heartbeat, HEARTBEAT_MS);
    *ret = self;
    return 0;
}

void service_link_close(service_link *self)
{
    if (!self)
        return;
    self->closing = true;
    if (self->client) {
        daemon_loop_unwatch(self->options.loop, convex_client_fd(self->client));
        convex_client_join(self->client);
        convex_client_unref(self->client);
    }
    daemon_status_close(self->status);
    daemon_timer_free(self->heartbeat);
    daemon_timer_free(self->auth_retry);
    convex_identity_free(self->identity);
    free(self);
}

convex_client *service_link_client(service_link *self)
{
    return self->client;
}

bool service_link_is_ready(const service_link *self)
{
    return self->ready;
}
