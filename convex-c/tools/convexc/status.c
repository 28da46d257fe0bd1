/* status.c - the doctor: looks at one thing after the other on the way to a function, says of each
 * whether it is as it should be, and what to do when it is not. */
#include "convexc.h"

#include <math.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 10 * 1000, CLOCK_SKEW_S = 5 };

typedef struct doctor {
    const settings *s;
    credential who;
    convex_http *http;
    convex_state state; /* of the live connection */
    bool settled;
    int first; /* exit status of the first fault */
} doctor;

__attribute__((format(printf, 2, 3))) static void ok(const char *what, const char *format, ...)
{
    va_list args;

    printf("ok      %-11s ", what);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static bool fault(doctor *d, int exit_status, const char *what, const char *words,
                  const char *advice)
{
    printf("not ok  %-11s %s\n%20s%s\n", what, words, "", advice);
    if (d->first == EXIT_DONE)
        d->first = exit_status;
    return false;
}

static const char *origin_of_url(const settings *s)
{
    if (s->url)
        return "--url";
    return variable(s, "CONVEX_URL") ? "CONVEX_URL" : "CONVEX_SELF_HOSTED_URL";
}

static bool check_url(doctor *d)
{
    convex_http_options options = http_options_of(d->s, &d->who);
    convex_error error;

    if (!options.url)
        return fault(d, EXIT_USAGE, "url", "there is none",
                     "set CONVEX_URL, here or in .env.local, or give --url");
    options.auth = NULL; /* looked at later */
    if (convex_http_new(&options, &d->http, &error) != CONVEX_OK)
        return fault(d, EXIT_USAGE, "url", error.message, "correct it where it comes from");
    ok("url", "%s (%s)", options.url, origin_of_url(d->s));
    return true;
}

static bool uses_proxy(const settings *s, const char *url)
{
    bool secure = strncasecmp(url, "https", 5) == 0;
    const char *names[] = {secure ? "https_proxy" : "http_proxy",
                           secure ? "HTTPS_PROXY" : "http_proxy", "all_proxy", "ALL_PROXY"};

    if (s->proxy)
        return s->proxy[0] != '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (getenv(names[i]) && *getenv(names[i]))
            return true;
    return false;
}

static bool check_name(doctor *d)
{
    const char *url = deployment_url(d->s), *host = strstr(url, "://") + 3;
    size_t len = host[0] == '[' ? strcspn(++host, "]") : strcspn(host, ":/");
    char name[256], address[NI_MAXHOST];
    struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};

    if (d->s->unix_socket || uses_proxy(d->s, url)) {
        ok("name", "left to the %s", d->s->unix_socket ? "Unix socket" : "proxy");
        return true;
    }
    snprintf(name, sizeof name, "%.*s", (int)len, host);
    int code = getaddrinfo(name, NULL, &hints, &list);
    if (code != 0)
        return fault(d, EXIT_NETWORK, "name", gai_strerror(code),
                     "is the host of the URL spelled right, and is there a network?");
    if (getnameinfo(list->ai_addr, list->ai_addrlen, address, sizeof address, NULL, 0,
                    NI_NUMERICHOST) != 0)
        address[0] = '\0';
    freeaddrinfo(list);
    ok("name", "%s is %s", name, address);
    return true;
}

/* Whether what answered does not speak HTTP, or sends what no deployment does. */
static bool is_other_server(const convex_error *error)
{
    return error->http_status != 0 || error->status == CONVEX_ELIMIT ||
           error->status == CONVEX_EPROTOCOL || strstr(error->message, "HTTP/0.9");
}

static const char *advice_for(const settings *s, const convex_error *error)
{
    if (strstr(error->message, "wrong version number") ||
        strstr(error->message, "packet length too long"))
        return "no TLS is spoken there: does the URL begin with http://, or has it another port?";
    if (strstr(error->message, "Empty reply") && strncasecmp(deployment_url(s), "http:", 5) == 0)
        return "does the URL begin with https://?";
    if (strcasestr(error->message, "certificate") || strcasestr(error->message, "SSL"))
        return "a CA of your own goes into --ca; else do not trust this server";
    if (strcasestr(error->message, "proxy"))
        return "look at http_proxy, https_proxy and no_proxy, or give --proxy";
    if (strcasestr(error->message, "public key"))
        return "the server's key has changed: find out why before you change --pin";
    if (is_other_server(error))
        return "a server answers there, but no Convex deployment: look at the URL, its port and "
               "path";
    if (s->unix_socket)
        return "does a server listen at --unix-socket?";
    if (uses_proxy(s, deployment_url(s)))
        return "look at http_proxy, https_proxy and no_proxy, or give --proxy";
    return "is the deployment running, and its port open from here?";
}

static bool check_server(doctor *d)
{
    char url[2048];
    convex_downloaded version;
    convex_error error;
    const char *base = deployment_url(d->s);
    size_t len = strlen(base);

    while (base[len - 1] == '/')
        len--;
    snprintf(url, sizeof url, "%.*s/version", (int)len, base);
    convex_download what = {.url = url, .max_bytes = 256, .timeout_ms = PATIENCE_MS};
    convex_status status = convex_http_download(d->http, &what, &version, &error);
    if (status != CONVEX_OK)
        return fault(d, is_other_server(&error) ? EXIT_SERVER : exit_status_of(status), "server",
                     error.message, advice_for(d->s, &error));
    ok("server", "answers; version %s", version.data[0] ? version.data : "unknown");
    convex_text_free(version.data, NULL);
    return true;
}

static bool check_clock(doctor *d)
{
    struct timespec now;
    uint64_t ts = 0;
    char words[128];
    convex_error error;
    convex_status status = convex_http_query_ts(d->http, &ts, &error);

    if (status != CONVEX_OK)
        return fault(d, exit_status_of(status), "api", error.message, advice_for(d->s, &error));
    clock_gettime(CLOCK_REALTIME, &now);
    double ahead = (double)now.tv_sec - (double)(ts / 1000000000);
    ok("api", "answers");
    /* The time is that of the last write, so it may lie behind; it is never ahead. */
    if (ahead >= -CLOCK_SKEW_S) {
        ok("clock", "not behind the server's");
        return true;
    }
    snprintf(words, sizeof words, "%.0f s behind the server's", -ahead);
    return fault(d, EXIT_LOCAL, "clock", words,
                 "set the clock: tokens made here hold for a shorter time, or not at all");
}

/* ---- the live connection, and who we are on it ---- */

static void on_state(const convex_state *state, void *user)
{
    doctor *d = user;

    if (d->settled)
        return;
    d->state = *state;
    d->settled = (state->connection == CONVEX_CONNECTION_CONNECTED &&
                  state->identity != CONVEX_IDENTITY_PENDING) ||
                 state->identity == CONVEX_IDENTITY_REJECTED || state->retries > 0;
}

static bool check_live(doctor *d)
{
    convex_client *client = NULL;
    int r = open_client(d->s, &d->who, on_state, d, &client);

    if (r != EXIT_DONE)
        return fault(d, r, "live", "the connection cannot be made", "the line above says why");
    drive(client, &d->settled, PATIENCE_MS);
    convex_client_unref(client);
    if (d->state.connections == 0)
        return fault(d, EXIT_NETWORK, "live",
                     d->state.close_reason[0] ? d->state.close_reason : "no WebSocket in time",
                     "something on the way may not let WebSockets through");
    ok("live", "connected");
    return true;
}

/* An issuer that is asked for its keys must answer the deployment, and so most likely us. */
static void check_issuer(doctor *d, const char *issuer)
{
    convex_http_options options = http_options_of(d->s, &d->who);
    convex_http *http = NULL;
    convex_downloaded found;
    convex_error error;
    char url[2048];
    size_t len = strlen(issuer);

    while (len > 0 && issuer[len - 1] == '/')
        len--;
    snprintf(url, sizeof url, "%.*s/.well-known/openid-configuration", (int)len, issuer);
    options.url = issuer;
    options.auth = NULL;
    options.network = (convex_network){.ca_file = d->s->ca, .proxy = d->s->proxy};
    convex_download what = {.url = url, .max_bytes = 1 << 20, .timeout_ms = PATIENCE_MS};
    convex_status status = convex_http_new(&options, &http, &error);
    if (status == CONVEX_OK)
        status = convex_http_download(http, &what, &found, &error);
    if (status == CONVEX_OK) {
        ok("issuer", "%s publishes its keys", issuer);
        convex_text_free(found.data, NULL);
    } else {
        fault(d, EXIT_AUTH, "issuer", error.message,
              "an OIDC provider must answer /.well-known/openid-configuration; a customJwt one "
              "need not");
    }
    convex_http_free(http);
}

static void check_identity(doctor *d)
{
    char *issuer = NULL;

    if (d->who.auth.kind == CONVEX_AUTH_NONE) {
        ok("credential", "none: you are anonymous");
        return;
    }
    if (d->state.identity == CONVEX_IDENTITY_CONFIRMED) {
        ok("credential", "%s: accepted", d->who.origin);
        return;
    }
    if (d->state.identity != CONVEX_IDENTITY_REJECTED) {
        fault(d, EXIT_NETWORK, "credential", "the server did not say whether it accepts it",
              "try again");
        return;
    }
    fault(d, EXIT_AUTH, "credential", d->state.auth_error,
          d->who.auth.kind == CONVEX_AUTH_ADMIN_KEY
              ? "the key is of another deployment, or was voided: make a new one"
              : "its iss and aud must be those of a provider in the deployment's auth.config");
    if (d->who.auth.kind == CONVEX_AUTH_USER_TOKEN)
        issuer = token_issuer(d->who.auth.token);
    if (issuer)
        check_issuer(d, issuer);
    free(issuer);
}

static bool check_token(doctor *d)
{
    double expires = NAN;

    if (d->who.auth.kind != CONVEX_AUTH_USER_TOKEN)
        return true;
    if (convex_jwt_times(d->who.auth.token, NULL, &expires) != CONVEX_OK)
        return fault(d, EXIT_AUTH, "token", "is no JWT", "look at it with convexc token show");
    if (isnan(expires))
        return fault(d, EXIT_AUTH, "token", "has no exp", "Convex refuses tokens without one");
    double left = expires - (double)time(NULL);
    if (left <= 0)
        return fault(d, EXIT_AUTH, "token", "has expired",
                     "get a new one; with an expired one even public queries are refused");
    ok("token", "holds for %.0f s more", left);
    return true;
}

int run_status(const settings *s)
{
    doctor d = {.s = s};
    int r = open_credential(s, &d.who);

    if (r != EXIT_DONE)
        fault(&d, r, "credential", "cannot be had", "the line above says why");
    if (check_url(&d) && check_name(&d) && check_server(&d) && check_clock(&d) && r == EXIT_DONE &&
        check_token(&d) && check_live(&d))
        check_identity(&d);
    convex_http_free(d.http);
    close_credential(&d.who);
    return d.first;
}
