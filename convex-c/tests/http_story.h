/* http_story.h - one call, or a few, of the HTTP client to a scripted peer. */
#ifndef TESTS_HTTP_STORY_H
#define TESTS_HTTP_STORY_H

#include "tests/http_peer.h"

#include "convex/http.h"

static const char ok_body[] = "{\"status\":\"success\",\"value\":7,\"logLines\":[\"[LOG] 'hi'\"]}";
static const peer_step always_ok[] = {{.kind = PEER_ANSWER, 200, ok_body}, {0}};

typedef convex_status call_fn(convex_http *, const char *, const convex_value *, convex_result **,
                              convex_error *);

static inline convex_http *connect_to(const peer *p, const char *suffix, const convex_auth *auth,
                                      convex_http_options options)
{
    char url[128];
    convex_http *http = NULL;
    convex_error error = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", p->port, suffix);
    options.size = sizeof options;
    options.url = url;
    options.auth = auth;
    options.network.proxy = "";
    if (convex_http_new(&options, &http, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    return http;
}

/* What one call to a fresh peer with this script comes to. */
typedef struct outcome {
    convex_status status;
    convex_error error;
    convex_result *result;
    peer p;
} outcome;

static inline outcome *run_with(const peer_step *script, call_fn *call, const convex_auth *auth,
                                convex_http_options options)
{
    outcome *o = calloc(1, sizeof *o);
    peer_start(&o->p, script);
    convex_http *http = connect_to(&o->p, "", auth, options);
    o->status = call(http, "messages:list", NULL, &o->result, &o->error);
    convex_http_free(http);
    peer_stop(&o->p);
    assert_int_equal(o->status == CONVEX_OK, o->result != NULL);
    assert_int_equal(o->error.status, o->status);
    return o;
}

static inline outcome *run_once(const peer_step step, call_fn *call)
{
    peer_step script[] = {step, {0}};
    return run_with(script, call, NULL, (convex_http_options){.timeout_ms = 20000});
}

static inline void outcome_free(outcome *o)
{
    convex_result_unref(o->result);
    peer_done(&o->p);
    free(o);
}

static inline void assert_has(const char *text, const char *part)
{
    if (strcasestr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

#endif
