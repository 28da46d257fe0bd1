/* server.h - the HTTP side: takes events in, answers when they are on disk.
 *
 *     POST /v1/{community}/{source}    200 stored, 400 401 404 405 411 413 415 429 431 503
 *     GET  /healthz                    200 while the process serves
 *     GET  /readyz                     200 if events can be stored, else 503
 *
 * No answer repeats anything that was sent. One thread of its own serves all connections and writes
 * the spool's journal; the other calls are any thread's. */
#ifndef PROXY_SERVER_H
#define PROXY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/metrics.h"
#include "sources.h"
#include "spool.h"
#include "trust.h"

typedef struct server server;

typedef struct server_limits {
    int64_t body_bytes;         /* of one request */
    int64_t connections;        /* in all */
    int64_t connections_per_ip; /* of one address */
    int64_t request_ms;         /* from the connection, or the last answer, to a complete request */
} server_limits;

typedef struct server_options {
    const char *listen; /* "127.0.0.1:8787", "[::1]:0" */
    server_limits limits;
    spool *spool;
    sources *sources;                      /* a reference is taken */
    daemon_metrics *metrics;               /* borrowed for the server's life, as all below */
    const trust *trusted;                  /* proxies whose X-Forwarded-For counts */
    const char *certificate, *private_key; /* texts in PEM; NULL: plain HTTP */
} server_options;

/* ret: owned, release with server_free(). `reason`: what failed, one line. Returns 0 or a negative
 * errno. */
int server_new(const server_options *options, server **ret, char *reason, size_t reason_size);
void server_free(server *self); /* answers what is under way, then ends; NULL is fine */

const char *server_address(const server *self); /* with the port that was chosen */

/* Any thread: for requests that begin from now on. A reference is taken. */
void server_set_sources(server *self, sources *set);

/* Accepts no new connection from now on, and refuses new requests on the others. */
void server_drain(server *self);
bool server_is_idle(server *self); /* no request is under way */

#endif
