/* main.c - webhook-proxy: takes payment providers' webhooks, keeps them, brings them to Convex. */
#include <stdlib.h>

#include "src/commands.h"
#include "src/proxy.h"

static const daemon_option options[] = {
    DAEMON_SETTINGS(proxy_config, daemon),
    SERVICE_SETTINGS(proxy_config, service),
    {"listen", "LISTEN", "127.0.0.1:8787", "ADDRESS:PORT", "where to take requests; port 0: any",
     DAEMON_STRING, 0, offsetof(proxy_config, listen), 0, 0},
    {"sources-file", "SOURCES_FILE", NULL, "FILE",
     "JSON that says who may send and with what secret", DAEMON_PATH, DAEMON_REQUIRED,
     offsetof(proxy_config, sources_file), 0, 0},
    {"tls-cert-file", "TLS_CERT_FILE", NULL, "FILE",
     "certificate with its chain (PEM): serve HTTPS; read at the start", DAEMON_PATH, 0,
     offsetof(proxy_config, tls_cert_file), 0, 0},
    {"tls-key-file", "TLS_KEY_FILE", NULL, "FILE", "the certificate's private key (PEM)",
     DAEMON_PATH, 0, offsetof(proxy_config, tls_key_file), 0, 0},
    {"trusted-proxies", "TRUSTED_PROXIES", NULL, "LIST",
     "addresses and networks, with commas, whose X-Forwarded-For tells the client's address",
     DAEMON_STRING, 0, offsetof(proxy_config, trusted_proxies), 0, 0},
    {"body-limit", "BODY_LIMIT", "1048576", "BYTES", "the largest body taken", DAEMON_INTEGER, 0,
     offsetof(proxy_config, body_bytes), 1024, 16777216},
    {"connections", "CONNECTIONS", "1024", "N", "connections at a time", DAEMON_INTEGER, 0,
     offsetof(proxy_config, connections), 1, 60000},
    {"connections-per-ip", "CONNECTIONS_PER_IP", "256", "N", "of these, from one address",
     DAEMON_INTEGER, 0, offsetof(proxy_config, connections_per_ip), 1, 60000},
    {"request-time", "REQUEST_TIME", "10s", "TIME", "until a request must be complete",
     DAEMON_DURATION, 0, offsetof(proxy_config, request_ms), 100, 600000},
    {"spool-entries", "SPOOL_ENTRIES", "1000000", "N", "events kept at most", DAEMON_INTEGER, 0,
     offsetof(proxy_config, spool_entries), 1, 1000000000},
    {"spool-bytes", "SPOOL_BYTES", "4294967296", "BYTES", "bytes kept at most", DAEMON_INTEGER, 0,
     offsetof(proxy_config, spool_bytes), 1048576, INT64_C(1) << 50},
    {"poll-every", "POLL_EVERY", "5m", "TIME",
     "how often to ask the providers of sources with `api` for what their webhooks did not say",
     DAEMON_DURATION, 0, offsetof(proxy_config, poll_ms), 100, 86400000},
    {"since", NULL, NULL, "TIME", "with replay: all dead letters received since then",
     DAEMON_STRING, 0, offsetof(proxy_config, since), 0, 0},
    {"failed", NULL, NULL, NULL, "with replay: all dead letters", DAEMON_BOOLEAN, 0,
     offsetof(proxy_config, failed), 0, 0},
    {"dry-run", NULL, NULL, NULL, "with replay: say which, and do nothing", DAEMON_BOOLEAN, 0,
     offsetof(proxy_config, dry_run), 0, 0},
    DAEMON_OPTIONS_END};

static const daemon_command commands[] = {
    {"sources", NULL, "lists who may send what, and which secrets are valid now", 0, true},
    {"events", NULL, "lists what is stored and not yet delivered, dead letters included", 0, true},
    {"show", "ID", "prints one of these with its headers, its body and its last error", 1, true},
    {"replay", "[ID]", "delivers dead letters again: one, or those of --since or --failed", 1,
     true},
    {"verify", "FILE", "says whether a captured request (- for stdin) was signed by a source", 1,
     true},
    {NULL, NULL, NULL, 0, false}};

static const daemon_program program = {
    "webhook-proxy",
    PROXY_VERSION,
    "takes payment providers' webhooks and brings each to Convex once",
    "  SELLAPP_SECRET=... webhook-proxy --sources-file sources.json --listen 127.0.0.1:8787 \\\n"
    "      --convex-url http://127.0.0.1:3210 --service-key-file service.pem \\\n"
    "      --state-directory /var/lib/webhook-proxy\n",
    "  SOURCES_FILE\n"
    "      {\"sources\": [{\"community\", \"source\", \"provider\", \"secrets\": [{\"id\",\n"
    "      \"secret_env\" or \"secret_file\", \"not_before\", \"not_after\"}],\n"
    "      \"signature\": {...}}]}; SIGHUP reads it again. Providers: sellapp, stripe,\n"
    "      standard (Standard Webhooks), hmac (any other). How each signs is known; the\n"
    "      members of \"signature\" change it: header, prefix, form (plain, pairs, list),\n"
    "      encoding (hex, base64, base64url), hash (sha256, sha512, sha1), over (body,\n"
    "      time.body, id.time.body), separator, time_header, id_header, time_unit (s, ms),\n"
    "      tolerance_s, spelling of the secret (as-is, hex, base64, whsec).\n"
    "      \"limits\": {\"body_bytes\", \"per_second\", \"burst\"} of signed events. With\n"
    "      \"api\": {\"token_env\" or \"token_file\", \"store\"} Sell.app and Stripe are asked\n"
    "      for missed events, and Sell.app for refunds and disputes, which it does not send\n"
    "  STATE_DIRECTORY/journal-*\n"
    "      events that were accepted and not yet delivered, 16 MiB a file\n"
    "  STATE_DIRECTORY/spool\n"
    "      what was refused by the backend or asked of a provider, and dead letters\n",
    commands,
    true};

int main(int argc, char **argv)
{
    static proxy_config config;
    proxy *self = NULL;
    int status = DAEMON_EXIT_FAILED;

    int operands = daemon_init(argc, argv, &program, options, &config);
    if (operands > 0)
        return command_run(&config, argv[1], argv + 2, operands - 1);
    if (daemon_checking_config()) {
        proxy_check(&config);
        daemon_config_checked();
    }
    if (proxy_open(&self, &config) == 0)
        status = proxy_run(self);
    proxy_close(self);
    return status;
}
