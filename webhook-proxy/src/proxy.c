/* proxy.c - server, spool and forwarder on one main loop.
 * Owns all three, and the link to the backend. Main thread; the spool and the server have a thread
 * each.
 * Invariant: at the end the server goes first, then the link and the forwarder, then the spool, so
 * that whatever was accepted is stored and whatever was answered by the backend is forgotten. */
#include "proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "control.h"
#include "daemon/address.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "forwarder.h"
#include "poller.h"
#include "server.h"
#include "sources.h"
#include "spool.h"

enum { TICK_MS = 250, DRAIN_TICK_MS = 20, DRAIN_MS = 5000, PEM_MAX = 256 * 1024 };

struct proxy {
    const proxy_config *config;
    daemon_loop *loop;
    daemon_timer *tick;
    daemon_metrics *metrics;
    daemon_gauge *waiting, *dead, *damaged;
    sources *sources;
    spool *spool;
    server *server;
    service_link *link;
    forwarder *forwarder;
    control *control;
    poller *poller;
    trust *trusted;
    bool connected, stopping, announced;
    int exit_status;
    int64_t stop_by; /* monotonic */
};

/* ---- opening ---- */

static sources *load_sources(const proxy_config *config)
{
    sources *set = NULL;
    char reason[600] = "";

    if (sources_load(config->sources_file, &set, reason, sizeof(reason)) != 0)
        daemon_misconfigured("sources-file", "%s", reason);
    return set;
}

static trust *load_trust(const proxy_config *config)
{
    trust *trusted = NULL;
    char reason[200] = "out of memory";

    if (trust_new(config->trusted_proxies, &trusted, reason, sizeof(reason)) != 0)
        daemon_misconfigured("trusted-proxies", "%s", reason);
    return trusted;
}

/* The whole file as text, owned; NULL without a file. */
static char *load_pem(const char *option, const char *path)
{
    FILE *in = path ? fopen(path, "re") : NULL;
    char *text = path ? calloc(1, PEM_MAX + 1) : NULL;
    size_t size = in && text ? fread(text, 1, PEM_MAX, in) : 0;

    if (path && (size == 0 || size == PEM_MAX || strlen(text) != size))
        daemon_misconfigured(option, "cannot read \"%s\" as PEM: %s", path,
                             in ? "it is empty, too large or binary" : strerror(errno));
    if (in)
        fclose(in);
    return text;
}

void proxy_check(const proxy_config *config)
{
    trust_free(load_trust(config));
    if ((config->tls_cert_file == NULL) != (config->tls_key_file == NULL))
        daemon_misconfigured(config->tls_cert_file ? "tls-key-file" : "tls-cert-file",
                             "is missing: a certificate and its key go together");
    free(load_pem("tls-cert-file", config->tls_cert_file));
    free(load_pem("tls-key-file", config->tls_key_file));
    if (!daemon_address_valid(config->listen))
        daemon_misconfigured("listen",
                             "is \"%.80s\": expected ADDRESS:PORT, such as 127.0.0.1:8787",
                             config->listen);
    sources_unref(load_sources(config));
}

static int open_spool(proxy *self)
{
    const proxy_config *c = self->config;
    spool_options options = {c->daemon.state_directory, c->spool_entries, c->spool_bytes,
                             forwarder_take, self->forwarder};
    outbox_error error = {""};
    int r = spool_open(&options, &self->spool, &error);

    if (r < 0)
        daemon_log(DAEMON_ERROR, "the spool cannot be opened", "error=%s", error.text);
    return r;
}

static int open_server(proxy *self)
{
    const proxy_config *c = self->config;
    char *certificate = load_pem("tls-cert-file", c->tls_cert_file);
    char *private_key = load_pem("tls-key-file", c->tls_key_file);
    server_options options = {
        c->listen,     {c->body_bytes, c->connections, c->connections_per_ip, c->request_ms},
        self->spool,   self->sources,
        self->metrics, self->trusted,
        certificate,   private_key};
    char reason[300] = "out of memory";
    int r = server_new(&options, &self->server, reason, sizeof(reason));

    if (private_key)
        explicit_bzero(private_key, strlen(private_key));
    free(private_key);
    free(certificate);
    if (r < 0)
        daemon_log(DAEMON_ERROR, "LISTEN failed", "error=%s", reason);
    else
        daemon_log(DAEMON_INFO, "listening", "address=%s sources=%zu", server_address(self->server),
                   sources_count(self->sources));
    return r;
}

static int revive(int64_t id, void *user)
{
    proxy *self = user;

    daemon_log(DAEMON_INFO, "a dead letter is delivered again", "id=%lld", (long long)id);
    return spool_settle(self->spool, id, SPOOL_REVIVE, 0, NULL);
}

static int open_poller(proxy *self)
{
    poller_options options = {self->spool, self->sources, self->metrics, self->config->poll_ms,
                              self->config->body_bytes};

    return poller_new(&options, &self->poller);
}

static uint64_t settlements(void *user)
{
    proxy *self = user;

    return spool_settlements(self->spool);
}

static bool has_settled(uint64_t until, void *user)
{
    proxy *self = user;

    return spool_has_settled(self->spool, until);
}

static int open_control(proxy *self)
{
    control_options options = {
        self->loop, self->config->daemon.state_directory, revive, settlements, has_settled, self};
    int r = control_open(&options, &self->control);

    if (r < 0)
        daemon_log(DAEMON_ERROR, "the command line's socket cannot be opened", "error=%s",
                   strerror(-r));
    return r;
}

static void on_ready(void *user);
static void on_lost(void *user);
static void on_refused(void *user);

static int open_link(proxy *self)
{
    service_link_options options = {.loop = self->loop,
                                    .settings = &self->config->service,
                                    .role = "webhook-proxy",
                                    .instance = self->config->daemon.instance,
                                    .version = PROXY_VERSION,
                                    .metrics = self->metrics,
                                    .on_ready = on_ready,
                                    .on_lost = on_lost,
                                    .on_refused = on_refused,
                                    .user = self};

    return service_link_open(&options, &self->link);
}

/* ---- running ---- */

static const char *state_of(const proxy *self, const spool_state *spool_now)
{
    if (self->stopping)
        return "stopping";
    if (!spool_now->writable)
        return "degraded";
    if (self->connected)
        return "ready";
    return self->announced ? "degraded" : "starting";
}

/* Tells Convex and the service manager how we are. */
static void publish(proxy *self)
{
    spool_state now;

    spool_get_state(self->spool, &now);
    daemon_gauge_set(self->waiting, now.counts.waiting);
    daemon_gauge_set(self->dead, now.counts.dead);
    daemon_gauge_set(self->damaged, (int64_t)now.damaged_parts);
    if (self->connected && now.writable && !self->announced) {
        self->announced = true;
        daemon_notify_ready();
        daemon_log(DAEMON_INFO, "ready", "waiting=%lld", (long long)now.counts.waiting);
    }
    service_link_report(self->link, state_of(self, &now), "");
}

static void on_ready(void *user)
{
    proxy *self = user;

    self->connected = true;
    daemon_notify_status("delivering");
    if (self->spool)
        publish(self);
}

static void on_lost(void *user)
{
    proxy *self = user;

    self->connected = false;
    daemon_notify_status("backend away, storing");
    if (self->spool)
        publish(self);
}

static void on_refused(void *user)
{
    proxy *self = user;

    self->exit_status = DAEMON_EXIT_NOT_CONFIGURED;
    daemon_loop_stop(self->loop);
}

static bool drained(const proxy *self)
{
    return server_is_idle(self->server) && (forwarder_is_idle(self->forwarder) || !self->connected);
}

static void on_tick(void *user)
{
    proxy *self = user;

    publish(self);
    daemon_timer_set(self->tick, self->stopping ? DRAIN_TICK_MS : TICK_MS);
    if (self->stopping && (drained(self) || daemon_monotonic_ms() >= self->stop_by))
        daemon_loop_stop(self->loop);
}

static void on_stop(void *user)
{
    proxy *self = user;

    self->stopping = true;
    self->stop_by = daemon_monotonic_ms() + DRAIN_MS;
    server_drain(self->server);
    spool_pause(self->spool);
    publish(self);
    daemon_timer_set(self->tick, DRAIN_TICK_MS);
}

static void on_reload(void *user)
{
    proxy *self = user;
    sources *set = NULL;
    char reason[600] = "";

    if (sources_load(self->config->sources_file, &set, reason, sizeof(reason)) != 0) {
        daemon_log(DAEMON_ERROR, "SOURCES_FILE not reloaded, the old sources stay", "error=%s",
                   reason);
        return;
    }
    server_set_sources(self->server, set);
    poller_set_sources(self->poller, set);
    sources_unref(self->sources);
    self->sources = set;
    daemon_log(DAEMON_INFO, "sources reloaded", "sources=%zu", sources_count(set));
}

/* A connection is a file, and so are 16 MiB of events that wait. Where it is not allowed,
 * connections are refused when there are no more. */
static void allow_many_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

int proxy_open(proxy **ret, const proxy_config *config)
{
    proxy *self = calloc(1, sizeof(*self));
    int r = self ? 0 : -ENOMEM;

    if (r < 0)
        return r;
    *ret = self;
    self->config = config;
    proxy_check(config);
    allow_many_files();
    self->sources = load_sources(config);
    self->trusted = load_trust(config);
    self->metrics = daemon_metrics_new();
    r = self->metrics ? daemon_loop_new(&self->loop) : -ENOMEM;
    if (r < 0)
        return r;
    self->waiting = daemon_gauge_new(self->metrics, "webhook_spool_waiting", NULL,
                                     "Events stored and not yet delivered.");
    self->dead = daemon_gauge_new(self->metrics, "webhook_spool_dead", NULL, "Dead letters.");
    self->damaged = daemon_gauge_new(self->metrics, "webhook_journal_damaged_parts", NULL,
                                     "Places of the journal that cannot be read; what was "
                                     "acknowledged in them is lost.");
    daemon_loop_on_stop(self->loop, on_stop, self);
    daemon_loop_on_reload(self->loop, on_reload, self);
    r = daemon_timer_new(self->loop, on_tick, self, &self->tick);
    if (r == 0)
        r = open_link(self);
    if (r == 0)
        r = forwarder_new(self->loop, self->metrics, self->link, &self->forwarder);
    if (r == 0)
        r = open_spool(self);
    if (r == 0)
        r = open_control(self); /* the spool's lock says that no other proxy has it */
    if (r == 0)
        r = open_server(self);
    if (r == 0)
        r = open_poller(self);
    return r;
}

int proxy_run(proxy *self)
{
    int r;

    forwarder_start(self->forwarder, self->spool);
    daemon_timer_set(self->tick, TICK_MS);
    r = daemon_loop_run(self->loop);
    return r < 0 ? DAEMON_EXIT_FAILED : self->exit_status;
}

void proxy_close(proxy *self)
{
    if (self == NULL)
        return;
    poller_free(self->poller);
    server_free(self->server);
    control_close(self->control);
    service_link_close(self->link); /* runs the last callbacks of the forwarder's */
    forwarder_free(self->forwarder);
    spool_close(self->spool);
    daemon_timer_free(self->tick);
    daemon_loop_free(self->loop);
    daemon_metrics_free(self->metrics);
    sources_unref(self->sources);
    trust_free(self->trusted);
    free(self);
}
