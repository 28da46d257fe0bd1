/* http.c - an HTTP client: its options and its lifetime.
 *
 * Owns the settings, the credential and the engine with its kept connections. Any
 * thread; after convex_http_new() only the engine changes, under its own lock. */
#include <string.h>
#include <strings.h>

#include "auth_internal.h"
#include "convex/version.h"
#include "error_internal.h"
#include "http_internal.h"
#include "network_internal.h"

enum { CONNECT_TIMEOUT_MS = 10 * 1000, STALL_TIMEOUT_MS = 30 * 1000, REPLY_BYTES = 32 << 20 };

static const char default_name[] = "convex-c-" CONVEX_VERSION;

static const char *fault_of(const convex_http_options *options)
{
    const char *name = options->client_name;
    if (name != NULL && !cvx_auth_is_client_name(name))
        return "client_name is not of the form name-1.2.3";
    if ((unsigned)options->version > CONVEX_HTTP_VERSION_2)
        return "version is no convex_http_version";
    return cvx_network_fault(&options->network, options->url);
}

static bool copy_text(const convex_mem *mem, const char *text, char **ret)
{
    *ret = text == NULL ? NULL : cvx_strdup(mem, text);
    return text == NULL || *ret != NULL;
}

static convex_status fill(convex_http *http, const convex_http_options *options,
                          convex_error *reterr)
{
    cvx_http_settings *s = &http->settings;
    const char *name = options->client_name != NULL ? options->client_name : default_name;
    bool ok = copy_text(&http->mem, options->url, &s->base) &&
              copy_text(&http->mem, name, &s->client_name) &&
              cvx_network_copy(&options->network, &http->mem, &s->network);
    if (!ok)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    for (size_t len = strlen(s->base); s->base[len - 1] == '/';)
        s->base[--len] = '\0';
    s->log = options->log;
    s->connect_timeout_ms =
        options->connect_timeout_ms != 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    s->answer_timeout_ms = options->answer_timeout_ms;
    s->stall_timeout_ms =
        options->stall_timeout_ms != 0 ? options->stall_timeout_ms : STALL_TIMEOUT_MS;
    s->timeout_ms = options->timeout_ms;
    s->max_reply_bytes = options->max_reply_bytes != 0 ? options->max_reply_bytes : REPLY_BYTES;
    s->version = options->version;
    if (s->version != CONVEX_HTTP_VERSION_1_1 && strncasecmp(s->base, "https", 5) == 0 &&
        !cvx_http_engine_init(&http->shared))
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    return cvx_auth_copy(options->auth, &http->mem, &http->auth, reterr);
}

convex_status convex_http_new(const convex_http_options *options, convex_http **ret,
                              convex_error *reterr)
{
    if (options == NULL || ret == NULL || options->size < sizeof *options)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "no options, options without CONVEX_HTTP_OPTIONS_INIT, or no place for "
                        "the client");
    const char *fault = fault_of(options);
    if (fault != NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s", fault);
    fault = cvx_curl_load();
    if (fault != NULL)
        return cvx_fail(reterr, CONVEX_ENETWORK, "%s", fault);
    convex_mem mem = cvx_mem(&options->mem);
    convex_http *http = cvx_alloc(&mem, sizeof *http);
    if (http == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    *http = (convex_http){.mem = mem};
    convex_status status = cvx_http_engine_init(&http->engine)
                               ? fill(http, options, reterr)
                               : cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (status == CONVEX_OK)
        *ret = http;
    else
        convex_http_free(http);
    return status;
}

void convex_http_free(convex_http *http)
{
    if (http == NULL)
        return;
    convex_mem mem = http->mem;
    cvx_http_engine_done(&http->engine);
    cvx_http_engine_done(&http->shared);
    cvx_auth_done(&http->auth, &mem);
    cvx_free(&mem, http->settings.base);
    cvx_free(&mem, http->settings.client_name);
    cvx_network_done(&http->settings.network, &mem);
    cvx_free(&mem, http);
}
