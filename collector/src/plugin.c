/* plugin.c - events from a capture plugin on this machine, over HTTP.
 * Owns a libmicrohttpd server with one thread. Invariant: 200 is answered only after the loop has
 * committed the events. */
#include "plugin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "convex/value.h"
#include "daemon/address.h"
#include "daemon/clock.h"
#include "daemon/log.h"

enum {
    BODY_MAX = 1 << 20,
    CONNECTIONS = 8,
    TIMEOUT_S = 10,
    MEMORY = 32 * 1024,
    REQUESTS_PER_S = 50
};

struct plugin {
    plugin_options options;
    struct MHD_Daemon *server;
    daemon_waker *waker;
    char address[80];
    int64_t second; /* of the HTTP thread: the rate */
    unsigned requests;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const event_list *offered; /* the loop has to take it; the rest is under the lock too */
    bool closing;
    int result;
    daemon_counter *kept, *refused;
};

/* ---- one request ---- */

typedef struct request {
    char *body;
    size_t size;
    bool too_large;
} request;

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *name,
                              const char *text)
{
    cJSON *json = cJSON_CreateObject();
    enum MHD_Result result = MHD_NO;
    char *body = cJSON_AddStringToObject(json, name, text) ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    struct MHD_Response *response =
        body ? MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE) : NULL;
    if (!response) {
        free(body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (code == 429 || code == 503)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, code == 429 ? "1" : "5");
    result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(plugin *self, struct MHD_Connection *connection, unsigned code,
                              const char *why)
{
    daemon_counter_add(self->refused, 1);
    daemon_log(DAEMON_WARN, "the plugin's request is refused", "status=%u why=%s", code, why);
    return answer(connection, code, "error", why);
}

/* Looks at every byte of what was given, whatever differs first. */
static bool is_secret(const char *given, const char *wanted)
{
    size_t given_size = strlen(given), wanted_size = strlen(wanted);
    volatile unsigned char differs = given_size != wanted_size;
    for (size_t i = 0; i < given_size; i++)
        differs = (unsigned char)(differs | (given[i] ^ wanted[wanted_size ? i % wanted_size : 0]));
    return differs == 0;
}

static bool is_authorized(const plugin *self, struct MHD_Connection *connection)
{
    static const char scheme[] = "Bearer ";
    const char *given =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    return given && strncmp(given, scheme, sizeof scheme - 1) == 0 &&
           is_secret(given + sizeof scheme - 1, self->options.token);
}

static bool is_too_often(plugin *self)
{
    int64_t second = daemon_monotonic_ms() / 1000;
    if (second != self->second)
        self->requests = 0;
    self->second = second;
    return ++self->requests > REQUESTS_PER_S;
}

/* Returns 0, or the status to refuse it with, before anything of the body is read. */
static unsigned judge(plugin *self, struct MHD_Connection *connection, const char *path,
                      const char *method, const char **why)
{
    const char *type =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN)) {
        *why = "web pages may not ask";
        return 403;
    }
    if (!is_authorized(self, connection)) {
        *why = "the token is missing or wrong";
        return 401;
    }
    if (strcmp(path, "/events") != 0) {
        *why = "there is only /events";
        return 404;
    }
    if (strcmp(method, "POST") != 0) {
        *why = "only POST";
        return 405;
    }
    if (!type || strncmp(type, "application/json", 16) != 0) {
        *why = "content-type must be application/json";
        return 415;
    }
    if (is_too_often(self)) {
        *why = "too many requests in a second";
        return 429;
    }
    return 0;
}

static bool add_body(request *r, const char *data, size_t size)
{
    if (r->too_large || r->size + size > BODY_MAX) {
        r->too_large = true;
        return true;
    }
    char *grown = realloc(r->body, r->size + size + 1);
    if (!grown)
        return false;
    memcpy(grown + r->size, data, size);
    r->body = grown;
    r->size += size;
    grown[r->size] = '\0';
    return true;
}

/* ---- what a body says ---- */

enum { EVENTS_MAX = 64, AHEAD_MS = 60000 };

static const cJSON *field(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool is_event(const char *name)
{
    static const char *const names[] = {"MESSAGE_CREATE",      "MESSAGE_UPDATE", "MESSAGE_DELETE",
                                        "MESSAGE_DELETE_BULK", "CHANNEL_DELETE", "THREAD_CREATE",
                                        "THREAD_UPDATE",       "THREAD_DELETE"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_id(const cJSON *item)
{
    const char *id = cJSON_GetStringValue(item);
    size_t len = id ? strspn(id, "0123456789") : 0;
    return len >= 1 && len <= 20 && id[len] == '\0';
}

/* The first of an event's members that is not as it should be, or NULL. */
static const char *wrong_member(const cJSON *event, int64_t now_ms)
{
    const char *name = cJSON_GetStringValue(field(event, "name"));
    const cJSON *data = field(event, "data"), *at = field(event, "capturedAt");
    const cJSON *parent = field(event, "parentId");
    bool is_message = name && strncmp(name, "MESSAGE_", 8) == 0;
    bool is_bulk = name && strcmp(name, "MESSAGE_DELETE_BULK") == 0;
    if (!is_event(name))
        return ".name is no event that is captured";
    if (!cJSON_IsObject(data))
        return ".data is no object";
    if (is_bulk ? !cJSON_IsArray(field(data, "ids")) : !is_id(field(data, "id")))
        return is_bulk ? ".data.ids is no list" : ".data.id is no snowflake";
    if (is_message && !is_id(field(data, "channel_id")))
        return ".data.channel_id is no snowflake";
    if (field(data, "guild_id") && !is_id(field(data, "guild_id")))
        return ".data.guild_id is no snowflake";
    if (at && (!cJSON_IsNumber(at) || at->valuedouble < 1 ||
               at->valuedouble > (double)(now_ms + AHEAD_MS)))
        return ".capturedAt is no time in milliseconds, or in the future";
    if (parent && !is_id(parent))
        return ".parentId is no snowflake";
    return NULL;
}

static int read_event(const cJSON *event, places *threads, const capture_rules *rules,
                      int64_t now_ms, event_list *into)
{
    const char *name = cJSON_GetStringValue(field(event, "name"));
    const cJSON *data = field(event, "data"), *at = field(event, "capturedAt");
    const char *parent = cJSON_GetStringValue(field(event, "parentId"));
    const char *channel = cJSON_GetStringValue(field(data, "channel_id"));
    if (parent && channel)
        places_add_thread(threads, channel, parent);
    int r = capture_event(rules, name, data, at ? (int64_t)at->valuedouble : now_ms, event_list_add,
                          into);
    places_learn(threads, name, data);
    return r;
}

static int read_events(const cJSON *json, places *threads, const capture_rules *rules,
                       int64_t now_ms, event_list *into, char *error, size_t error_size)
{
    const cJSON *events = field(json, "events"), *event;
    int i = 0, r = 0;
    if (!cJSON_IsArray(events) || cJSON_GetArraySize(events) < 1 ||
        cJSON_GetArraySize(events) > EVENTS_MAX) {
        snprintf(error, error_size, "events is no list of 1 to %d", EVENTS_MAX);
        return -EBADMSG;
    }
    cJSON_ArrayForEach(event, events)
    {
        const char *wrong = wrong_member(event, now_ms);
        if (wrong) {
            snprintf(error, error_size, "events[%d]%s", i, wrong);
            return -EBADMSG;
        }
        i++;
    }
    i = 0;
    cJSON_ArrayForEach(event, events)
    {
        r = read_event(event, threads, rules, now_ms, into);
        if (r != 0) {
            snprintf(error, error_size, "events[%d].data cannot be read", i);
            return r;
        }
        i++;
    }
    return 0;
}

/* The parser does not say why it failed; what is JSON after all wanted memory. */
static int judge_unread(const char *body, size_t size)
{
    convex_value *value = NULL;
    convex_status status = convex_value_parse(body, size, CONVEX_PLAIN_JSON, 0, NULL, &value, NULL);
    convex_value_unref(value);
    return status == CONVEX_OK || status == CONVEX_ENOMEM ? -ENOMEM : -EBADMSG;
}

int plugin_read(const char *body, size_t size, places *threads, const capture_rules *rules,
                int64_t now_ms, event_list *into, char *error, size_t error_size)
{
    /* the parser would cut a text at a NUL */
    bool has_nul = memchr(body, '\0', size) || strstr(body, "\\u0000");
    cJSON *json = has_nul ? NULL : cJSON_ParseWithLengthOpts(body, size + 1, NULL, 1);
    if (!json) {
        snprintf(error, error_size, "the body is no JSON, or has a NUL in it");
        return has_nul ? -EBADMSG : judge_unread(body, size);
    }
    int r = read_events(json, threads, rules, now_ms, into, error, error_size);
    cJSON_Delete(json);
    return r;
}

/* ---- handing over ---- */

static void on_wake(void *user)
{
    plugin *self = user;
    pthread_mutex_lock(&self->lock);
    const event_list *events = self->offered;
    pthread_mutex_unlock(&self->lock);
    if (!events)
        return;
    int r = self->options.keep(events, self->options.user);
    pthread_mutex_lock(&self->lock);
    self->result = r;
    self->offered = NULL;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static int keep(plugin *self, const event_list *events)
{
    pthread_mutex_lock(&self->lock);
    self->offered = events;
    daemon_waker_wake(self->waker);
    while (self->offered && !self->closing)
        pthread_cond_wait(&self->changed, &self->lock);
    int r = self->offered ? -ECANCELED : self->result;
    self->offered = NULL;
    pthread_mutex_unlock(&self->lock);
    return r;
}

static enum MHD_Result take(plugin *self, struct MHD_Connection *connection, const request *r)
{
    event_list events = {0};
    char error[160] = "", count[24];
    if (r->too_large)
        return refuse(self, connection, 413, "the body is larger than 1 MiB");
    int status = plugin_read(r->body ? r->body : "", r->size, self->options.places,
                             self->options.rules, daemon_wall_ms(), &events, error, sizeof error);
    bool bad = status == -EBADMSG;
    if (status == 0)
        status = keep(self, &events);
    snprintf(count, sizeof count, "%zu", events.count);
    daemon_counter_add(self->kept, status == 0 ? events.count : 0);
    event_list_done(&events);
    if (bad)
        return refuse(self, connection, 400, error);
    if (status != 0)
        return refuse(self, connection, 503,
                      status == -ENOBUFS ? "the outbox is full" : "it cannot be stored now");
    return answer(connection, 200, "kept", count);
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    plugin *self = user;
    request *r = *state;
    const char *why = NULL;
    if (!r) {
        unsigned code = judge(self, connection, path, method, &why);
        if (code != 0)
            return refuse(self, connection, code, why);
        *state = calloc(1, sizeof *r);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*upload_size > 0) {
        bool ok = add_body(r, upload, *upload_size);
        *upload_size = 0;
        return ok ? MHD_YES : MHD_NO;
    }
    return take(self, connection, r);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    request *r = *state;
    if (!r)
        return;
    free(r->body);
    free(r);
    *state = NULL;
}

/* ---- lifetime ---- */

static bool is_loopback(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t size = sizeof at;
    const void *address = &at;
    if (getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        return false;
    if (at.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return at.ss_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static int start(plugin *self, char *reason, size_t reason_size)
{
    int fd = daemon_address_listen(self->options.listen, reason, reason_size);
    if (fd < 0)
        return fd;
    daemon_address_name(fd, self->address, sizeof self->address);
    if (is_loopback(fd))
        self->server = MHD_start_daemon(
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, on_request, self,
            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)MEMORY, MHD_OPTION_NOTIFY_COMPLETED, on_completed, self, MHD_OPTION_END);
    else
        snprintf(reason, reason_size, "%s is no loopback address", self->options.listen);
    if (self->server)
        return 0;
    if (!reason[0])
        snprintf(reason, reason_size, "the HTTP server does not start at %s", self->options.listen);
    close(fd);
    return -EINVAL;
}

int plugin_open(const plugin_options *options, plugin **ret, char *reason, size_t reason_size)
{
    plugin *self = calloc(1, sizeof *self);
    reason[0] = '\0';
    if (!self)
        return -ENOMEM;
    self->options = *options;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->kept = daemon_counter_new(options->metrics, "plugin_events_total", NULL,
                                    "events that the plugin told of and that are kept");
    self->refused = daemon_counter_new(options->metrics, "plugin_refused_total", NULL,
                                       "requests of the plugin that were refused");
    int r = daemon_waker_new(options->loop, on_wake, self, &self->waker);
    if (r == 0)
        r = start(self, reason, reason_size);
    if (r != 0) {
        plugin_close(self);
        return r;
    }
    *ret = self;
    return 0;
}

void plugin_close(plugin *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->closing = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    if (self->server)
        MHD_stop_daemon(self->server);
    daemon_waker_free(self->waker);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

const char *plugin_address(const plugin *self)
{
    return self->address;
}
