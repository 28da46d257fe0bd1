/* service/link.h - a daemon's link to the backend.
 *
 * One live Convex connection under the daemon's own service identity, driven by
 * the daemon's loop, with its state in the log and in the `services` table. Used by
 * collector, bot and webhook-proxy, so that all three treat a refused identity, a
 * lost backend, a heartbeat and a monitor's questions (daemon/status.h) alike.
 *
 * Called from the loop thread only; so are its callbacks. */
#ifndef SERVICE_LINK_H
#define SERVICE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/client.h"
#include "daemon/config.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Put one in the config struct and SERVICE_SETTINGS in the option table. */
typedef struct service_settings {
    const char *convex_url;
    const char *key_file;
    const char *key_id;
    const char *issuer;
    const char *audience;
    const char *status_listen; /* NULL: no status server */
} service_settings;

/* clang-format off */
#define SERVICE_SETTINGS(config, member)                                                           \
    {"convex-url", "CONVEX_URL", NULL, "URL", "the Convex deployment", DAEMON_URL,                 \
     DAEMON_REQUIRED, offsetof(config, member) + offsetof(service_settings, convex_url), 0, 0},    \
    {"service-key-file", "SERVICE_KEY_FILE", NULL, "FILE",                                         \
     "private key (PEM, EC P-256) of the service identity", DAEMON_PATH, DAEMON_REQUIRED,          \
     offsetof(config, member) + offsetof(service_settings, key_file), 0, 0},                       \
    {"service-key-id", "SERVICE_KEY_ID", "service-1", "ID", "that key's id in SERVICE_JWKS",       \
     DAEMON_STRING, 0, offsetof(config, member) + offsetof(service_settings, key_id), 0, 0},       \
    {"service-issuer", "SERVICE_ISSUER", "https://services.signals.invalid", "URL",                \
     "issuer of the service tokens, as deployed", DAEMON_STRING, 0,                                \
     offsetof(config, member) + offsetof(service_settings, issuer), 0, 0},                         \
    {"service-audience", "SERVICE_AUDIENCE", "signals-services", "NAME",                           \
     "audience of the service tokens, as deployed", DAEMON_STRING, 0,                              \
     offsetof(config, member) + offsetof(service_settings, audience), 0, 0},                       \
    {"status-listen", "STATUS_LISTEN", NULL, "ADDRESS:PORT",                                       \
     "where to answer /healthz, /readyz and /metrics, such as 127.0.0.1:9464; has no password",    \
     DAEMON_STRING, 0, offsetof(config, member) + offsetof(service_settings, status_listen), 0, 0}
/* clang-format on */

typedef struct service_link service_link; /* opaque, one owner */

typedef struct service_link_options {
    daemon_loop *loop;                /* borrowed for the link's life */
    const service_settings *settings; /* borrowed for the link's life */
    const char *role;                 /* "collector": claim `role` and name in `services` */
    const char *instance;
    const char *version;
    const daemon_metrics *metrics; /* its counters and gauges go into the heartbeat; may be NULL */
    void (*on_ready)(void *user);  /* each time the backend has confirmed the identity */
    void (*on_lost)(void *user);   /* the connection was lost after that; may be NULL */
    /* The backend refused the identity and never took it before: a person has to act. The reason is
     * logged already. The program stops with DAEMON_EXIT_NOT_CONFIGURED. */
    void (*on_refused)(void *user);
    void *user;
} service_link_options;

/* Reads the key and begins to connect. A key that cannot be read or used ends the process through
 * daemon_misconfigured(). Returns 0 or a negative errno. */
int service_link_open(const service_link_options *options, service_link **ret);
/* Closes the connection and runs its last callbacks. NULL is fine. */
void service_link_close(service_link *link);

convex_client *service_link_client(service_link *link);
bool service_link_is_ready(const service_link *link);

/* What the program says of itself: sent at once when it changed, and every 30 s. A monitor is told
 * "ready" in the states "ready" and "degraded" while the backend is connected.
 *   state   "starting", "ready", "degraded" or "stopping"
 *   detail  copied, one line; may be ""; cut at SERVICE_DETAIL_SIZE - 1 bytes */
enum { SERVICE_DETAIL_SIZE = 512 };
void service_link_report(service_link *link, const char *state, const char *detail);

#ifdef __cplusplus
}
#endif
#endif
