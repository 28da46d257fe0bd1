/* proxy.h - the program webhook-proxy, put together. Main thread only. */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/config.h"
#include "service/link.h"

typedef struct proxy_config {
    daemon_settings daemon;
    service_settings service;
    const char *listen, *sources_file, *trusted_proxies, *tls_cert_file, *tls_key_file;
    int64_t body_bytes, connections, connections_per_ip, request_ms;
    int64_t spool_entries, spool_bytes, poll_ms;
    const char *since; /* these three with `replay` */
    bool failed, dry_run;
} proxy_config;

typedef struct proxy proxy;

/* Ends the process with a word on what is missing if the configuration cannot work. */
int proxy_open(proxy **ret, const proxy_config *config);
int proxy_run(proxy *self); /* until SIGTERM; returns the exit status */
void proxy_close(proxy *self);

/* What --check-config has to say beyond the table. */
void proxy_check(const proxy_config *config);

#define PROXY_VERSION "0.1.0"

#endif
