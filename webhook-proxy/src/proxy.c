/* proxy.c - server, spool and forwarder on one main loop.
 * Owns all three. Main thread; the spool and the server have a thread each.
 * Invariant: at the end the server goes first, then the forwarder, then the spool, so that whatever
 * was accepted is stored and whatever was answered by the backend is forgotten. */
#include "proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "forwarder.h"
#include "server.h"
#include "sources.h"
#include "spool.h"

enum { TICK_MS = 250, DRAIN_TICK_MS = 20, DRAIN_MS = 5000 };

struct proxy {
    const proxy_config *config;
    daemon_loop *loop;
    daemon_timer *tick;
    daemon_metrics *metrics;
    daemon_gauge *waiting, *dead;
    sources *sources;
    spool *spool;
    server *server;
    forwarder *forwarder;
    forwarder_link link;
    bool stopping, announced, failed;
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

static void spool_path(const proxy_config *config, char *ret, size_t size)
{
    snprintf(ret, size, "%s/spool", config->daemon.state_directory);
}

void proxy_check(const proxy_config *config)
{
    if (!server_address_valid(config->listen))
        daemon_misconfigured("listen",
                             "is \"%.80s\": expected ADDRESS:PORT, such as 127.0.0.1:8787",
                             config->listen);
    sources_unref(load_sources(config));
}

static int open_spool(proxy *self)
{
    char path[4096];
    outbox_options options = {path, self->config->spool_entries, self->config->spool_bytes, true};
    outbox_error error = {""};
    int r;

    spool_path(self->config, path, sizeof(path));
    r = spool_open(&options, forwarder_take, self->forwarder, &self->spool, &error);
    if (r < 0)
        daemon_log(DAEMON_ERROR, "the spool cannot be opened", "error=%s", error.text);
    return r;
}

static int open_server(proxy *self)
{
    const proxy_config *c = self->config;
    server_options options = {c->listen,
                              {c->body_bytes, c->connections, c->connections_per_ip, c->request_ms},
                              self->spool,
                              self->sources,
                              self->metrics};
    char reason[300] = "out of memory";
    int r = server_new(&options, &self->server, reason, sizeof(reason));

    if (r < 0)
        daemon_log(DAEMON_ERROR, "LISTEN failed", "error=%s", reason);
    else
        daemon_log(DAEMON_INFO, "listening", "address=%s sources=%zu", server_address(self->server),
                   sources_count(self->sources));
    return r;
}

static void on_link(forwarder_link link, const char *why, void *user);

static int open_forwarder(proxy *self)
{
    const proxy_config *c = self->config;
    forwarder_options options = {self->loop,    self->metrics, c->convex_url, c->daemon.instance,
                                 PROXY_VERSION, c->key_file,   c->key_id,     c->issuer,
                                 c->audience,   on_link,       self};
    char reason[600];
    int r = forwarder_new(&options, &self->forwarder, reason, sizeof(reason));

    if (r == -EINVAL)
        daemon_misconfigured(strncmp(reason, "CONVEX_URL", 10) == 0 ? "convex-url"
                                                                    : "service-key-file",
                             "%s", strchr(reason, ':') + 2);
    return r;
}

/* ---- running ---- */

static const char *state_of(const proxy *self, const spool_state *spool_now)
{
    if (self->stopping)
        return "stopping";
    if (!spool_now->writable)
        return "degraded";
    if (self->link == FORWARDER_CONNECTED)
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
    if (self->link == FORWARDER_CONNECTED && now.writable && !self->announced) {
        self->announced = true;
        daemon_notify_ready();
        daemon_log(DAEMON_INFO, "ready", "waiting=%lld", (long long)now.counts.waiting);
    }
    forwarder_set_state(self->forwarder, state_of(self, &now));
}

static void on_link(forwarder_link link, const char *why, void *user)
{
    proxy *self = user;

    self->link = link;
    if (link == FORWARDER_REFUSED) {
        daemon_log(DAEMON_ERROR,
                   "the backend refuses our identity: check SERVICE_KEY_FILE, SERVICE_KEY_ID, "
                   "SERVICE_ISSUER and SERVICE_AUDIENCE against the deployment's SERVICE_JWKS",
                   "issuer=%s error=%s", self->config->issuer, why);
        self->failed = true;
        daemon_loop_stop(self->loop);
        return;
    }
    if (link == FORWARDER_CONNECTED)
        daemon_log(DAEMON_INFO, "connected", "url=%s", self->config->convex_url);
    else
        daemon_log(DAEMON_WARN, "disconnected, events wait in the spool", "url=%s error=%s",
                   self->config->convex_url, why);
    daemon_notify_status(link == FORWARDER_CONNECTED ? "delivering" : "backend away, storing");
    if (self->spool)
        publish(self);
}

static bool drained(const proxy *self)
{
    return server_is_idle(self->server) &&
           (forwarder_is_idle(self->forwarder) || self->link != FORWARDER_CONNECTED);
}

static void on_tick(void *user)
{
    proxy *self = user;

    server_sweep(self->server);
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
    sources_unref(self->sources);
    self->sources = set;
    daemon_log(DAEMON_INFO, "sources reloaded", "sources=%zu", sources_count(set));
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
    self->sources = load_sources(config);
    self->metrics = daemon_metrics_new();
    r = self->metrics ? daemon_loop_new(&self->loop) : -ENOMEM;
    if (r < 0)
        return r;
    self->waiting = daemon_gauge_new(self->metrics, "webhook_spool_waiting", NULL,
                                     "Events stored and not yet delivered.");
    self->dead = daemon_gauge_new(self->metrics, "webhook_spool_dead", NULL, "Dead letters.");
    daemon_loop_on_stop(self->loop, on_stop, self);
    daemon_loop_on_reload(self->loop, on_reload, self);
    r = daemon_timer_new(self->loop, on_tick, self, &self->tick);
    if (r == 0)
        r = open_forwarder(self);
    if (r == 0)
        r = open_spool(self);
    if (r == 0)
        r = open_server(self);
    return r;
}

int proxy_run(proxy *self)
{
    int r;

    forwarder_start(self->forwarder, self->spool);
    daemon_timer_set(self->tick, TICK_MS);
    r = daemon_loop_run(self->loop);
    return self->failed ? -EACCES : r;
}

void proxy_close(proxy *self)
{
    if (self == NULL)
        return;
    server_free(self->server);
    forwarder_free(self->forwarder);
    spool_close(self->spool);
    daemon_timer_free(self->tick);
    daemon_loop_free(self->loop);
    daemon_metrics_free(self->metrics);
    sources_unref(self->sources);
    free(self);
}

/* ---- events ---- */

static bool print_entry(const outbox_entry *entry, void *user)
{
    int64_t *last = user;

    printf("%lld %s %s attempts=%lld size=%zu", (long long)entry->id,
           entry->dead_at ? "dead" : "waiting", entry->key, (long long)entry->attempts,
           entry->size);
    if (*entry->last_error)
        printf(" error=%.*s", (int)strcspn(entry->last_error, "\r\n"), entry->last_error);
    putchar('\n');
    *last = entry->id;
    return true;
}

int proxy_list_events(const proxy_config *config)
{
    enum { PAGE = 1000 };
    outbox_error error = {""};
    char path[4096];
    int64_t last = 0, before;
    int r;

    spool_path(config, path, sizeof(path));
    do { /* in pages, so that the daemon's log is not held back */
        before = last;
        r = outbox_inspect(path, before, PAGE, print_entry, &last, &error);
    } while (r == 0 && last != before);
    if (r < 0)
        fprintf(stderr, "webhook-proxy: %s\n", error.text);
    return r == 0 && fflush(stdout) == 0 ? DAEMON_EXIT_DONE : DAEMON_EXIT_FAILED;
}
