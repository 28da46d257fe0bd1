/* forwarder.h - brings what the spool holds to Convex, each event once in effect.
 *
 * Runs on the main loop's thread; only forwarder_take() is for the spool's. */
#ifndef PROXY_FORWARDER_H
#define PROXY_FORWARDER_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "spool.h"

typedef struct forwarder forwarder;

typedef enum forwarder_link {
    FORWARDER_STARTING, /* the first attempt */
    FORWARDER_AWAY,     /* not connected, or not yet known who we are */
    FORWARDER_CONNECTED,
    FORWARDER_REFUSED /* the backend does not accept our identity; final */
} forwarder_link;

typedef struct forwarder_options {
    daemon_loop *loop;
    daemon_metrics *metrics;
    const char *url, *instance, *version;
    const char *key_file, *key_id, *issuer, *audience;
    void (*on_link)(forwarder_link link, const char *why, void *user); /* when it changed */
    void *user;
} forwarder_options;

/* `reason`: what failed, one line, naming the setting. Returns 0 or a negative errno. */
int forwarder_new(const forwarder_options *options, forwarder **ret, char *reason,
                  size_t reason_size);
/* Begins; what forwarder_take() got meanwhile waits for it. */
void forwarder_start(forwarder *self, spool *spool);
void forwarder_free(forwarder *self); /* before its spool and its loop; NULL is fine */

/* A spool_deliver_fn. */
void forwarder_take(spool_delivery *list, void *user);

/* Says how the service is, at the next opportunity and then every 30 s. `state` is a constant. */
void forwarder_set_state(forwarder *self, const char *state);

bool forwarder_is_idle(const forwarder *self); /* nothing is under way, heartbeat included */

#endif
