/* network_test.c - the ways to a server, each walked by the live client and by an HTTP call, or by
 * the live client over libwebsockets. */
#include "client_story.h"
#include "convex/http.h"
#include "network_internal.h"
#include "tests/tls_ca.h"

#include <signal.h>

/* Of no key. */
#define PIN "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static tls_ca ca;

/* ---- one server for both ---- */

static void say_answer(server *s)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 48\r\n\r\n"
                                 "{\"status\":\"success\",\"value\":\"v0\",\"logLines\":[]} ";
    server_write(s, answer, sizeof answer - 1);
}

/* Answers the query of a client of either kind on the connection it has. */
static void answer_query(server *s)
{
    char head[4096], post[64];

    if (!server_head(s, head, sizeof head))
        return;
    snprintf(post, sizeof post, "POST %s/api/query HTTP/1.1\r\n", s->path);
    if (strncmp(head, post, strlen(post)) == 0) {
        say_answer(s);
        server_read(s, head, 1 << 10); /* until it hangs up */
    } else if (server_upgrade(s, head) && server_expect(s, "Connect") &&
               server_expect(s, "\"udfPath\":\"q:a\"")) {
        server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "\"v0\""));
        server_receive(s);
    }
}

static void script_query(server *s)
{
    char rest[256];

    if (server_take(s) && server_secure(s)) {
        answer_query(s);
    } else if (s->conn >= 0) { /* what the client sent must be read, or its loss hides our alert */
        shutdown(s->conn, SHUT_WR);
        while (recv(s->conn, rest, sizeof rest, 0) > 0)
            continue;
    }
}

static void script_prefix(server *s)
{
    s->path = "/some/base";
    script_query(s);
}

#ifndef STORY_LWS
static void script_proxy(server *s)
{
    static const char yes[] = "HTTP/1.1 200 Go ahead\r\n\r\n";
    char head[4096];

    if (!server_take(s) || !server_head(s, head, sizeof head))
        return;
    if (strncmp(head, "CONNECT localhost:9 HTTP/1.1\r\n", 30) != 0)
        server_wrong(s, "odd request to a proxy: %.200s", head);
    if (server_write(s, yes, sizeof yes - 1) && server_secure(s))
        answer_query(s);
}

static void script_proxy_refuses(server *s)
{
    static const char no[] = "HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n";
    char head[4096];

    if (server_accept(s, head, sizeof head))
        server_write(s, no, sizeof no - 1);
}

#endif

/* ---- two clients ---- */

static void on_failed_state(const convex_state *state, void *user)
{
    story *s = user;
    s->rejected += state->retry_in_ms >= 0;
    s->state = *state;
}

/* True when the query was answered; else `words` say why not. */
static bool try_live(const char *url, const convex_network *network, char words[512])
{
    story s;
    int seen;
    bool answered;

    story_init(&s);
    convex_options options = options_for(&s, url);
    options.network = *network;
    options.on_state = on_failed_state;
    begin_with(&s, &options);
    watch(&s);
    while ((seen = s.results + s.rejected) == 0)
        story_loop_turn(s.client);
    answered = s.results > 0;
    if (answered)
        assert_string_equal(s.last, "\"v0\"");
    snprintf(words, 512, "%s", s.state.close_reason);
    finish(&s);
    return answered;
}

#ifndef STORY_LWS
static bool try_http(const char *url, const convex_network *network, char words[512])
{
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
    convex_http *http = NULL;
    convex_result *result = NULL;
    convex_error error = {0};
    convex_status status;

    options.url = url;
    options.network = *network;
    if (convex_http_new(&options, &http, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    status = convex_http_query(http, "q:a", NULL, &result, &error);
    if (status == CONVEX_OK)
        assert_true(convex_result_success(result));
    else
        assert_int_equal(status, CONVEX_ENETWORK);
    snprintf(words, 512, "%s", error.message);
    convex_result_unref(result);
    convex_http_free(http);
    return status == CONVEX_OK;
}

typedef bool way(const char *url, const convex_network *network, char words[512]);
static way *const ways[] = {try_live, try_http};
static const char misnamed[] = "subject name matches target host name '127.0.0.1'";
#else
typedef bool way(const char *url, const convex_network *network, char words[512]);
static way *const ways[] = {try_live};
static const char misnamed[] = "'127.0.0.1': IP address mismatch";
#endif

enum { WAYS = sizeof ways / sizeof ways[0] };

/* `expected` NULL: it works; else a part of the words of its failure. */
static void walk_to(way *try, const char *url, const convex_network *network, const char *expected)
{
    char words[512];
    bool answered = try(url, network, words);

    if (expected && (answered || !strstr(words, expected)))
        fail_msg("'%s' lacks '%s'", words, expected);
    if (!expected && !answered)
        fail_msg("%s", words);
}

/* One connection to this peer; `url` NULL: the peer's. */
static void walk(way *try, server *peer, const char *url, const convex_network *network,
                 const char *expected)
{
    walk_to(try, url ? url : peer->url, network, expected);
    server_join(peer);
}

static void walk_tls(SSL_CTX *tls, const convex_network *network, const char *expected)
{
    for (int i = 0; i < WAYS; i++)
        walk(ways[i], server_start_at(script_query, 0, tls, NULL), NULL, network, expected);
    SSL_CTX_free(tls);
}

/* ---- certificates ---- */

static void a_server_of_an_own_ca_is_trusted(void **state)
{
    walk_tls(tls_server(&ca, ca.server, false, 0), &(convex_network){.ca_file = ca.ca, .proxy = ""},
             NULL);
}

static void a_server_of_an_unknown_ca_is_refused(void **state)
{
    walk_tls(tls_server(&ca, ca.server, false, 0), &(convex_network){.proxy = ""},
             "unable to get local issuer certificate");
}

static void a_certificate_of_another_name_is_refused(void **state)
{
    convex_network network = {.ca_file = ca.ca, .proxy = ""};
    SSL_CTX *tls = tls_server(&ca, ca.server, false, 0);

    for (int i = 0; i < WAYS; i++) {
        char url[64];
        server *peer = server_start_at(script_query, 0, tls, NULL);
        snprintf(url, sizeof url, "https://127.0.0.1:%s", strrchr(peer->url, ':') + 1);
        walk(ways[i], peer, url, &network, misnamed);
    }
    SSL_CTX_free(tls);
}

static void an_expired_certificate_is_refused(void **state)
{
    walk_tls(tls_server(&ca, ca.expired, false, 0),
             &(convex_network){.ca_file = ca.ca, .proxy = ""}, "certificate has expired");
}

/* libcurl reads files when the connection stands, the other transport before. */
static void walk_without_file(const convex_network *network, const char *expected)
{
#ifdef STORY_LWS
    walk_to(try_live, "https://localhost:1", network, expected);
#else
    walk_tls(tls_server(&ca, ca.server, false, 0), network, expected);
#endif
}

static void a_ca_file_that_cannot_be_read_is_named(void **state)
{
    walk_without_file(&(convex_network){.ca_file = "/nonexistent/ca.pem", .proxy = ""},
                      "/nonexistent/ca.pem");
}

static void a_pinned_key_must_be_the_servers(void **state)
{
    static const char other[] = PIN;
    char two[128];

    walk_tls(tls_server(&ca, ca.server, false, 0),
             &(convex_network){.ca_file = ca.ca, .proxy = "", .pinned_key = ca.pin}, NULL);
    walk_tls(tls_server(&ca, ca.server, false, 0),
             &(convex_network){.ca_file = ca.ca, .proxy = "", .pinned_key = other},
             "the server's public key is none of network.pinned_key");
    snprintf(two, sizeof two, "%s;%s", other, ca.pin);
    walk_tls(tls_server(&ca, ca.server, false, 0),
             &(convex_network){.ca_file = ca.ca, .proxy = "", .pinned_key = two}, NULL);
    /* A right pin does not make up for a wrong certificate. */
    walk_tls(tls_server(&ca, ca.expired, false, 0),
             &(convex_network){.ca_file = ca.ca, .proxy = "", .pinned_key = ca.pin},
             "certificate has expired");
}

static void a_client_certificate_is_shown_when_asked_for(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    convex_network network = {.ca_file = ca.ca,
                              .proxy = "",
                              .client_cert_file = ca.client,
                              .client_key_file = ca.client_key};

    for (int i = 0; i < 2; i++) {
        walk_tls(tls_server(&ca, ca.server, true, versions[i]), &network, NULL);
        walk_tls(tls_server(&ca, ca.server, true, versions[i]),
                 &(convex_network){.ca_file = ca.ca, .proxy = ""}, "client certificate");
    }
    network.client_key_file = "/nonexistent/key.pem";
    walk_without_file(&network, "/nonexistent/key.pem");
}

/* ---- proxies, sockets, prefixes ---- */

#ifndef STORY_LWS
static void a_proxy_is_asked_to_connect(void **state)
{
    SSL_CTX *tls = tls_server(&ca, ca.server, false, 0);

    for (int i = 0; i < WAYS; i++) {
        server *peer = server_start_at(script_proxy, 0, tls, NULL);
        char proxy[64];
        snprintf(proxy, sizeof proxy, "http://127.0.0.1:%s", strrchr(peer->url, ':') + 1);
        walk(ways[i], peer, "https://localhost:9",
             &(convex_network){.ca_file = ca.ca, .proxy = proxy}, NULL);
    }
    SSL_CTX_free(tls);
    /* A WebSocket goes through a tunnel without TLS too. */
    server *plain = server_start(script_proxy, 0);
    walk(try_live, plain, "http://localhost:9", &(convex_network){.proxy = plain->url}, NULL);
}

static void a_proxy_of_the_environment_is_used_unless_excluded(void **state)
{
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    server *peer = server_start(script_proxy, 0);
    setenv("http_proxy", peer->url, 1);
    walk(try_live, peer, "http://localhost:9", &(convex_network){0}, NULL);
    for (int i = 0; i < WAYS; i++)
        walk(ways[i], server_start(script_query, 0), NULL, &(convex_network){.proxy = ""}, NULL);
    unsetenv("http_proxy");
}

static void a_proxy_that_refuses_is_quoted(void **state)
{
    for (int i = 0; i < WAYS; i++) {
        server *peer = server_start(script_proxy_refuses, 0);
        walk(ways[i], peer, "https://localhost:9", &(convex_network){.proxy = peer->url}, "407");
    }
}

#else
static void a_proxy_is_refused(void **state)
{
    story s;
    convex_error error = {0};
    story_init(&s);
    convex_options options = options_for(&s, "http://localhost:9");
    options.network.proxy = "http://localhost:8";
    assert_int_equal(convex_client_new(&options, &s.client, &error), CONVEX_EINVAL);
    assert_non_null(strstr(error.message, "network.proxy"));
    assert_null(s.client);
}

static void a_client_driven_on_another_thread_says_so(void **state)
{
    story s;
    convex_state seen;
    int wanted = 0;

    begin(&s, "http://127.0.0.1:1");
    story_loop_detach(s.loop);
    s.loop = NULL;
    assert_int_equal(convex_client_start_thread(s.client), CONVEX_OK);
    do {
        await(&s, &s.states, ++wanted);
        convex_client_state(s.client, &seen);
    } while (!seen.close_reason[0]);
    assert_non_null(strstr(seen.close_reason, "on the thread of its libwebsockets context"));
    convex_client_join(s.client);
    finish(&s);
}
#endif

static void a_unix_socket_takes_the_place_of_the_host(void **state)
{
    char path[64];
    SSL_CTX *tls = tls_server(&ca, ca.server, false, 0);

    snprintf(path, sizeof path, "%s/socket", ca.dir);
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* not to be asked */
    for (int i = 0; i < WAYS; i++) {
        walk(ways[i], server_start_at(script_query, 0, NULL, path), NULL,
             &(convex_network){.unix_socket = path}, NULL);
        unlink(path);
        walk(ways[i], server_start_at(script_query, 0, tls, path), NULL,
             &(convex_network){.unix_socket = path, .ca_file = ca.ca}, NULL);
        unlink(path);
    }
    unsetenv("http_proxy");
    SSL_CTX_free(tls);
}

static void a_path_prefix_of_the_url_comes_before_the_api(void **state)
{
    static const char *const ends[] = {"/some/base", "/some/base/", "/some/base//"};

    for (size_t end = 0; end < 3; end++)
        for (int i = 0; i < WAYS; i++) {
            char url[128];
            server *peer = server_start(script_prefix, 0);
            snprintf(url, sizeof url, "%s%s", peer->url, ends[end]);
            walk(ways[i], peer, url, &(convex_network){.proxy = ""}, NULL);
        }
}

/* ---- settings ---- */

static void a_setting_that_makes_no_sense_is_named(void **state)
{
    char long_path[200];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    const struct {
        const char *url, *expected;
        convex_network network;
    } cases[] = {
        {"ftp://a", "http:// or https://", {0}},
        {"https://", "names no host", {0}},
        {"https:///api", "names no host", {0}},
        {"https://user:password@a", "user name", {0}},
        {"https://:80", "names no host", {0}},
        {"https://a/?b", "query", {0}},
        {"https://a:", "no port", {0}},
        {"https://a:0/x", "no port", {0}},
        {"https://a:65536", "no port", {0}},
        {"https://a:8o", "no port", {0}},
        {"https://[::1", "no port", {0}},
        {"https://[::1]80", "no port", {0}},
        {"https://a.convex.site/x", "HTTP actions", {0}},
        {"https://a.convex.site:443", "HTTP actions", {0}},
        {"https://a", "client_key_file", {.client_key_file = "k"}},
        {"https://a", "pinned_key", {.pinned_key = ""}},
        {"https://a", "pinned_key", {.pinned_key = "key.pem"}},
        {"https://a", "pinned_key", {.pinned_key = "sha256//AAAA"}},
        {"https://a", "pinned_key", {.pinned_key = PIN ";"}},
        {"http://a", "https", {.pinned_key = PIN}},
        {"http://a", "unix_socket", {.unix_socket = ""}},
        {"http://a", "unix_socket", {.unix_socket = long_path}},
        {"http://a", "exclude", {.unix_socket = "/tmp/a", .proxy = "http://b"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        convex_options options = CONVEX_OPTIONS_INIT;
        convex_http_options http_options = CONVEX_HTTP_OPTIONS_INIT;
        convex_client *client = NULL;
        convex_http *http = NULL;
        convex_error error = {0};
        options.url = http_options.url = cases[i].url;
        options.network = http_options.network = cases[i].network;
        assert_int_equal(convex_client_new(&options, &client, &error), CONVEX_EINVAL);
        assert_non_null(strstr(error.message, cases[i].expected));
        error = (convex_error){0};
        assert_int_equal(convex_http_new(&http_options, &http, &error), CONVEX_EINVAL);
        assert_non_null(strstr(error.message, cases[i].expected));
        assert_null(strstr(error.message, "password"));
    }
}

static void when_any_allocation_fails_a_copy_leaves_nothing(void **state)
{
    const convex_network network = {"a", "b", "c", "d", "e", "f"};
    convex_network copy = {0};
    failing_mem counter = {0};
    convex_mem mem = failing(&counter);

    for (long n = 0; n < 6; n++) {
        counter.left = n;
        assert_false(cvx_network_copy(&network, &mem, &copy));
        assert_int_equal(counter.live, 0);
        assert_null(copy.ca_file);
    }
    counter.left = 6;
    assert_true(cvx_network_copy(&network, &mem, &copy));
    assert_string_equal(copy.unix_socket, "f");
    cvx_network_done(&copy, &mem);
    assert_int_equal(counter.live, 0);
}

static int make_ca(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    tls_ca_init(&ca);
    return 0;
}

static int remove_ca(void **state)
{
    tls_ca_done(&ca);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_of_an_own_ca_is_trusted),
        cmocka_unit_test(a_server_of_an_unknown_ca_is_refused),
        cmocka_unit_test(a_certificate_of_another_name_is_refused),
        cmocka_unit_test(an_expired_certificate_is_refused),
        cmocka_unit_test(a_ca_file_that_cannot_be_read_is_named),
        cmocka_unit_test(a_pinned_key_must_be_the_servers),
        cmocka_unit_test(a_client_certificate_is_shown_when_asked_for),
#ifndef STORY_LWS
        cmocka_unit_test(a_proxy_is_asked_to_connect),
        cmocka_unit_test(a_proxy_of_the_environment_is_used_unless_excluded),
        cmocka_unit_test(a_proxy_that_refuses_is_quoted),
#else
        cmocka_unit_test(a_proxy_is_refused),
        cmocka_unit_test(a_client_driven_on_another_thread_says_so),
#endif
        cmocka_unit_test(a_unix_socket_takes_the_place_of_the_host),
        cmocka_unit_test(a_path_prefix_of_the_url_comes_before_the_api),
        cmocka_unit_test(a_setting_that_makes_no_sense_is_named),
        cmocka_unit_test(when_any_allocation_fails_a_copy_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_ca, remove_ca);
}
