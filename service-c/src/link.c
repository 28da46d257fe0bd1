/* link.c - a daemon's link to the backend.
 * Owns the service identity and the live client. Loop thread only.
 * Invariant: on_refused is called at most once, and only if no identity was ever confirmed. */
#include "service/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
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
    char detail[SERVICE_DETAIL_SIZE];
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

enum { COUNTER_NAME_SIZE = 160 };

/* The counters as the heartbeat takes them; their names lie in `names`. */
typedef struct counters {
    api_counter *items;
    char (*names)[COUNTER_NAME_SIZE];
    size_t count, cap;
    bool failed;
} counters;

static bool grow_counters(counters *list)
{
    size_t cap = list->cap ? list->cap * 2 : 32;
    api_counter *items = realloc(list->items, cap * sizeof *items);
    list->items = items ? items : list->items;
    char(*names)[COUNTER_NAME_SIZE] = items ? realloc(list->names, cap * sizeof *names) : NULL;
    list->names = names ? names : list->names;
    list->cap = names ? cap : list->cap;
    return names != NULL;
}

static void add_counter(const char *name, const char *labels, int64_t value, void *user)
{
    counters *list = user;
    if (list->failed || (list->count == list->cap && !grow_counters(list))) {
        list->failed = true;
        return;
    }
    snprintf(list->names[list->count], COUNTER_NAME_SIZE, labels && *labels ? "%s{%s}" : "%s%s",
             name, labels ? labels : "");
    list->items[list->count++].value = (double)value;
}

/* The names have moved while the list grew. */
static api_counter_list named_counters(counters *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->items[i].name = convex_str_of(list->names[i]);
    return (api_counter_list){list->items, list->count};
}

static void on_heartbeat(const convex_failure *failure, void *user)
{
    if (failure && failure->result)
        daemon_log(DAEMON_WARN, "backend refused a heartbeat", "why=%s", failure->message);
}

static void beat(service_link *self)
{
    static const convex_call_options options = {.flags = CONVEX_AT_COMMIT};
    convex_error error = {.message = "out of memory"};
    convex_status status = CONVEX_ENOMEM;
    counters list = {0};
    self->untold = false;
    if (self->options.metrics)
        daemon_metrics_each(self->options.metrics, add_counter, &list);
    api_services_heartbeat_args args = {
        .service = api_service_role_find(convex_str_of(self->options.role)),
        .instance = convex_str_of(self->options.instance),
        .version = convex_str_of(self->options.version),
        .state = api_service_state_find(convex_str_of(self->state)),
        .detail = convex_str_of(self->detail[0] ? self->detail : NULL),
        .counters = named_counters(&list),
    };
    if (!list.failed)
        status = api_services_heartbeat_mutation(self->client, &args, &options, on_heartbeat, self,
                                                 NULL, &error);
    free(list.items);
    free(list.names);
    if (status != CONVEX_OK)
        daemon_log(DAEMON_WARN, "cannot send a heartbeat", "why=%s", error.message);
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
    if (!self->untold && strcmp(self->state, state) == 0 &&
        strncmp(self->detail, detail, sizeof self->detail - 1) == 0)
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
