/* gateway_tls_test.c - the gateway over wss, in a host loop that knows nothing but its one fd, its
 * timeout and discord_gateway_process(): what TLS has read already makes no fd readable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "discord/gateway.h"
#include "peer.h"
#include "tls.h"

/* No heart beats in time to wake a loop that was not told of what is there. */
#define HELLO   "{\"op\":10,\"d\":{\"heartbeat_interval\":2000000000}}"
#define RESUMED "{\"op\":0,\"t\":\"RESUMED\",\"s\":9,\"d\":{}}"

enum { LARGE = 1 << 20, PATIENCE_MS = 120000 };

static struct {
    tls_files tls;
    peer *peer;
    discord_gateway *gateway;
    char url[64];
    _Atomic unsigned events;
    _Atomic unsigned states[6];
    _Atomic size_t greatest;
    char reason[256]; /* of the last end */
} w;

static void on_event(const discord_event *event, void *user)
{
    if (event->raw_size > w.greatest)
        w.greatest = event->raw_size;
    w.events++;
}

static void on_state(const discord_gateway_status *status, void *user)
{
    if (status->state == DISCORD_GATEWAY_DISCONNECTED)
        snprintf(w.reason, sizeof w.reason, "%s", status->reason);
    w.states[status->state]++;
}

/* ---- the server's half ---- */

/* One payload of a zlib-stream, in messages of `piece` bytes, each in three frames. */
static void send_payload(peer_conn *conn, z_stream *z, const char *text, size_t piece)
{
    size_t space = strlen(text) + 4096;
    unsigned char *out = malloc(space);
    z->next_in = (unsigned char *)(uintptr_t)text;
    z->avail_in = (unsigned)strlen(text);
    z->next_out = out;
    z->avail_out = (unsigned)space;
    deflate(z, Z_SYNC_FLUSH);
    for (size_t at = 0, size = space - z->avail_out; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        peer_frame(conn, false, 2, out + at, n / 3);
        peer_frame(conn, false, 0, out + at + n / 3, n / 3);
        peer_frame(conn, true, 0, out + at + n / 3 * 2, n - n / 3 * 2);
    }
    free(out);
}

/* Of noise, so that it stays large on the wire. */
static void send_large(peer_conn *conn, z_stream *z)
{
    char *text = malloc(LARGE + 1);
    uint32_t noise = 1;
    int n = snprintf(text, LARGE, "{\"op\":0,\"t\":\"GUILD_CREATE\",\"s\":2,\"d\":{\"name\":\"");
    for (int i = n; i < LARGE - 3; i++) {
        noise = noise * 1664525 + 1013904223;
        text[i] = (char)('0' + (noise >> 16) % 43); /* no quote, no backslash */
    }
    strcpy(text + LARGE - 3, "\"}}");
    send_payload(conn, z, text, 60001);
    free(text);
}

static bool read_frame(peer_conn *conn)
{
    char text[4097];
    size_t n;
    return peer_read_frame(conn, text, sizeof text, &n) >= 0;
}

/* The first connection is cut after the large event, the second one is resumed. */
static void serve(peer_conn *conn)
{
    z_stream z = {0};
    char text[256];
    if (!peer_upgrade(conn) || deflateInit(&z, 1) != Z_OK)
        return;
    send_payload(conn, &z, HELLO, 5);
    if (read_frame(conn) && conn->number == 0) {
        snprintf(text, sizeof text,
                 "{\"op\":0,\"t\":\"READY\",\"s\":1,\"d\":{\"session_id\":\"abc\","
                 "\"resume_gateway_url\":\"%s\"}}",
                 w.url);
        send_payload(conn, &z, text, 7);
        send_large(conn, &z);
        send_payload(conn, &z, "{\"op\":0,\"t\":\"MESSAGE_CREATE\",\"s\":3,\"d\":{}}", 4096);
        while (w.events < 3)
            poll(NULL, 0, 1);
    } else {
        send_payload(conn, &z, RESUMED, 4096);
        send_payload(conn, &z, "{\"op\":0,\"t\":\"MESSAGE_CREATE\",\"s\":10,\"d\":{}}", 3);
        peer_drain(conn);
    }
    deflateEnd(&z);
}

/* ---- ours ---- */

static void make(const char *host, bool trusts)
{
    discord_gateway_options o = DISCORD_GATEWAY_OPTIONS_INIT;
    w.peer = peer_start_tls(serve, NULL, w.tls.server);
    snprintf(w.url, sizeof w.url, "wss://%s:%d", host, peer_port(w.peer));
    o.token = "secret-token";
    o.intents = 1;
    o.url = w.url;
    o.ca_file = trusts ? w.tls.ca : NULL;
    o.on_event = on_event;
    o.on_state = on_state;
    assert_int_equal(discord_gateway_new(&o, &w.gateway, NULL), DISCORD_OK);
}

static void turn(void)
{
    int ms = discord_gateway_timeout_ms(w.gateway);
    bool may_wait = ms < 0 || ms > PATIENCE_MS;
    struct pollfd p = {.fd = discord_gateway_fd(w.gateway), .events = POLLIN};
    if (poll(&p, 1, may_wait ? PATIENCE_MS : ms) == 0 && may_wait)
        fail_msg("it waits for nothing, after %u events: %s", w.events, w.reason);
    assert_int_equal(discord_gateway_process(w.gateway), DISCORD_OK);
}

static int set_up(void **state)
{
    memset(&w, 0, sizeof w);
    tls_open(&w.tls);
    return 0;
}

static int tear_down(void **state)
{
    discord_gateway_free(w.gateway);
    peer_stop(w.peer);
    tls_close(&w.tls);
    return 0;
}

static void fragments_of_a_compressed_stream_come_whole_over_tls_and_after_a_resume(void **state)
{
    make("localhost", true);
    while (w.events < 5)
        turn();
    assert_int_equal(w.greatest, LARGE);
    assert_int_equal(w.states[DISCORD_GATEWAY_READY], 1);
    assert_int_equal(w.states[DISCORD_GATEWAY_RESUMED], 1);
    discord_gateway_stop(w.gateway);
    while (w.states[DISCORD_GATEWAY_STOPPED] == 0) {
        struct pollfd p = {.fd = discord_gateway_fd(w.gateway), .events = POLLIN};
        poll(&p, 1, discord_gateway_timeout_ms(w.gateway));
        discord_gateway_process(w.gateway);
    }
}

static void a_thread_of_its_own_reads_the_same(void **state)
{
    make("localhost", true);
    assert_int_equal(discord_gateway_start(w.gateway), DISCORD_OK);
    while (w.events < 5)
        poll(NULL, 0, 1);
    assert_int_equal(w.greatest, LARGE);
    assert_int_equal(w.states[DISCORD_GATEWAY_RESUMED], 1);
}

static void is_refused(void)
{
    while (w.states[DISCORD_GATEWAY_DISCONNECTED] == 0)
        turn();
    assert_int_equal(w.states[DISCORD_GATEWAY_READY], 0);
    assert_non_null(strstr(w.reason, "the TLS handshake failed"));
}

static void a_certificate_that_nobody_trusts_is_refused(void **state)
{
    make("localhost", false);
    is_refused();
}

static void a_certificate_of_another_name_is_refused(void **state)
{
    make("127.0.0.1", true);
    is_refused();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(fragments_of_a_compressed_stream_come_whole_over_tls_and_after_a_resume),
        T(a_thread_of_its_own_reads_the_same),
        T(a_certificate_that_nobody_trusts_is_refused),
        T(a_certificate_of_another_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
