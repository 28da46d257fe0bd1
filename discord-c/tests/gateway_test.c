/* gateway_test.c - the gateway against a scripted WebSocket server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "discord/gateway.h"
#include "peer.h"

#define HELLO   "{\"op\":10,\"d\":{\"heartbeat_interval\":30000}}"
#define RESUMED "{\"op\":0,\"t\":\"RESUMED\",\"s\":9,\"d\":{}}"
#define EVENTS  32

typedef struct world {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    peer *peer;
    discord_gateway *gateway;
    char url[64];
    unsigned n_events;
    char names[EVENTS][32];
    uint64_t seqs[EVENTS];
    uint64_t seen_seq[EVENTS]; /* of the resume state, in on_event */
    size_t greatest;
    unsigned batches;
    unsigned not_kept; /* how many batches to refuse */
    unsigned states[6];
    int close_code;
    char reason[256];    /* of the last state */
    char cut[256];       /* of the last disconnection */
    char frames[8][256]; /* what the server read, in order, but heartbeats */
    unsigned n_frames;
    bool go;                 /* a permission for the script */
    unsigned before, during; /* events when the hold was in force, and a while later */
    unsigned cuts;           /* before it was */
    bool looked;
} world;

static world w;

static void changed(void)
{
    pthread_cond_broadcast(&w.changed);
    pthread_mutex_unlock(&w.lock);
}

#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        struct timespec until;                                                                     \
        int r = 0;                                                                                 \
        clock_gettime(CLOCK_REALTIME, &until);                                                     \
        until.tv_sec += 120;                                                                       \
        pthread_mutex_lock(&w.lock);                                                               \
        while (!(condition) && r == 0)                                                             \
            r = pthread_cond_timedwait(&w.changed, &w.lock, &until);                               \
        pthread_mutex_unlock(&w.lock);                                                             \
        if (r)                                                                                     \
            fail_msg("never: %s (last: %s)", #condition, w.reason);                                \
    } while (0)

static void on_event(const discord_event *event, void *user)
{
    discord_resume_state state;

    discord_gateway_resume_state(w.gateway, &state);
    pthread_mutex_lock(&w.lock);
    if (w.n_events < EVENTS) {
        snprintf(w.names[w.n_events], sizeof w.names[0], "%s", event->name);
        w.seqs[w.n_events] = event->seq;
        w.seen_seq[w.n_events] = state.seq;
    }
    w.n_events++;
    if (event->raw_size > w.greatest)
        w.greatest = event->raw_size;
    changed();
}

static int on_batch_end(void *user)
{
    pthread_mutex_lock(&w.lock);
    w.batches++;
    int refuse = w.not_kept && w.seqs[w.n_events - 1] > 1;
    if (refuse)
        w.not_kept--;
    changed();
    return refuse;
}

static void on_state(const discord_gateway_status *status, void *user)
{
    pthread_mutex_lock(&w.lock);
    w.states[status->state]++;
    if (status->state == DISCORD_GATEWAY_DISCONNECTED)
        snprintf(w.cut, sizeof w.cut, "%s", status->reason);
    if (status->state != DISCORD_GATEWAY_CONNECTING && status->state != DISCORD_GATEWAY_STOPPED) {
        w.close_code = status->close_code;
        snprintf(w.reason, sizeof w.reason, "%s", status->reason);
    }
    changed();
}

static void make(const char *url, uint32_t timeout_ms, size_t max_message)
{
    discord_gateway_options o = DISCORD_GATEWAY_OPTIONS_INIT;

    o.token = "secret-token";
    o.intents = 1;
    o.url = url;
    o.connect_timeout_ms = timeout_ms;
    o.max_message = max_message;
    o.on_event = on_event;
    o.on_batch_end = on_batch_end;
    o.on_state = on_state;
    assert_int_equal(discord_gateway_new(&o, &w.gateway, NULL), DISCORD_OK);
}

static void start_at(const char *url, uint32_t timeout_ms, size_t max_message)
{
    make(url, timeout_ms, max_message);
    assert_int_equal(discord_gateway_start(w.gateway), DISCORD_OK);
}

static void start(peer_script *script)
{
    w.peer = peer_start(script, NULL);
    pthread_mutex_lock(&w.lock);
    snprintf(w.url, sizeof w.url, "ws://127.0.0.1:%d", peer_port(w.peer));
    pthread_mutex_unlock(&w.lock);
    start_at(w.url, 10000, 64 << 20);
}

static int setup(void **state)
{
    memset(&w, 0, sizeof w);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    return 0;
}

static int teardown(void **state)
{
    discord_gateway_free(w.gateway);
    if (w.peer)
        peer_stop(w.peer);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    return 0;
}

/* -- the server's half -- */

static bool expect_frame(peer_conn *conn)
{
    char text[4097];
    size_t n;
    int opcode = peer_read_frame(conn, text, sizeof text, &n);

    if (opcode < 0)
        return false;
    pthread_mutex_lock(&w.lock);
    if (opcode == 8)
        snprintf(text, sizeof text, "close %d",
                 (unsigned char)text[0] << 8 | (unsigned char)text[1]);
    if (w.n_frames < 8 && !strstr(text, "\"op\":1,"))
        snprintf(w.frames[w.n_frames++], sizeof w.frames[0], "%.255s", text);
    changed();
    return true;
}

static bool begin(peer_conn *conn)
{
    if (!peer_upgrade(conn))
        return false;
    peer_text(conn, HELLO);
    return expect_frame(conn);
}

static void ready(peer_conn *conn)
{
    char text[256];

    pthread_mutex_lock(&w.lock);
    snprintf(text, sizeof text,
             "{\"op\":0,\"t\":\"READY\",\"s\":1,\"d\":{\"session_id\":\"abc\","
             "\"resume_gateway_url\":\"%s\"}}",
             w.url);
    pthread_mutex_unlock(&w.lock);
    peer_text(conn, text);
}

static void message(peer_conn *conn, int seq)
{
    char text[128];

    snprintf(text, sizeof text, "{\"op\":0,\"t\":\"MESSAGE_CREATE\",\"s\":%d,\"d\":{}}", seq);
    peer_text(conn, text);
}

static void linger(peer_conn *conn)
{
    while (expect_frame(conn))
        ;
}

static void serve_three_events(peer_conn *conn)
{
    if (!begin(conn))
        return;
    ready(conn);
    message(conn, 2);
    message(conn, 3);
    linger(conn);
}

static void events_are_delivered_in_order_with_the_state_to_store(void **state)
{
    start(serve_three_events);
    AWAIT(w.n_events == 3 && w.batches >= 1);
    assert_string_equal(w.names[0], "READY");
    assert_string_equal(w.names[2], "MESSAGE_CREATE");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(w.seqs[i], i + 1);
        assert_int_equal(w.seen_seq[i], i + 1);
    }
}

static void stopping_closes_with_4000(void **state)
{
    start(serve_three_events);
    AWAIT(w.n_events == 3);
    discord_gateway_stop(w.gateway);
    AWAIT(w.states[DISCORD_GATEWAY_STOPPED] == 1);
    AWAIT(w.n_frames >= 2);
    assert_string_equal(w.frames[1], "close 4000");
}

static void serve_large(peer_conn *conn)
{
    size_t size = 2 << 20;
    char *text = malloc(size);
    int n;

    if (!begin(conn)) {
        free(text);
        return;
    }
    ready(conn);
    n = snprintf(text, size, "{\"op\":0,\"t\":\"GUILD_CREATE\",\"s\":2,\"d\":{\"name\":\"");
    memset(text + n, 'x', size - (size_t)n);
    memcpy(text + size - 3, "\"}}", 3);
    peer_frame(conn, false, 1, text, 1000);
    for (size_t at = 1000; at < size - 70000; at += 70000)
        peer_frame(conn, false, 0, text + at, 70000);
    size_t sent = 1000 + (size - 70000 - 1000 + 69999) / 70000 * 70000;
    peer_frame(conn, false, 0, text + sent, size - sent);
    peer_frame(conn, true, 0, "", 0);
    message(conn, 3);
    linger(conn);
    free(text);
}

static void a_guild_of_two_megabytes_in_fragments_arrives_whole(void **state)
{
    start(serve_large);
    AWAIT(w.n_events == 3);
    assert_string_equal(w.names[1], "GUILD_CREATE");
    assert_int_equal(w.greatest, 2 << 20);
}

/* One payload of a zlib-stream, in messages of `piece` bytes, each in two frames. */
static void compressed(peer_conn *conn, z_stream *z, const char *text, size_t piece)
{
    unsigned char out[4096];

    z->next_in = (unsigned char *)(uintptr_t)text;
    z->avail_in = (unsigned)strlen(text);
    z->next_out = out;
    z->avail_out = sizeof out;
    deflate(z, Z_SYNC_FLUSH);
    for (size_t at = 0, size = sizeof out - z->avail_out; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        peer_frame(conn, false, 2, out + at, n / 2);
        peer_frame(conn, true, 0, out + at + n / 2, n - n / 2);
    }
}

static void serve_compressed(peer_conn *conn)
{
    z_stream z = {0};
    char text[256];

    if (!peer_upgrade(conn) || deflateInit(&z, 9) != Z_OK)
        return;
    compressed(conn, &z, HELLO, 4096);
    if (expect_frame(conn) && conn->number == 0) {
        snprintf(text, sizeof text,
                 "{\"op\":0,\"t\":\"READY\",\"s\":1,\"d\":{\"session_id\":\"abc\","
                 "\"resume_gateway_url\":\"%s\"}}",
                 w.url);
        compressed(conn, &z, text, 7);
        compressed(conn, &z, "{\"op\":0,\"t\":\"MESSAGE_CREATE\",\"s\":2,\"d\":{}}", 4096);
        AWAIT(w.n_events == 2);
    } else {
        compressed(conn, &z, RESUMED, 4096);
        compressed(conn, &z, "{\"op\":0,\"t\":\"MESSAGE_CREATE\",\"s\":10,\"d\":{}}", 3);
        linger(conn);
    }
    deflateEnd(&z);
}

static void a_compressed_connection_is_resumed_with_a_fresh_context(void **state)
{
    start(serve_compressed);
    AWAIT(w.states[DISCORD_GATEWAY_RESUMED] == 1 && w.n_events == 4);
    assert_int_equal(w.seqs[1], 2);
    assert_int_equal(w.seqs[3], 10);
    assert_int_equal(w.states[DISCORD_GATEWAY_DISCONNECTED], 1);
}

static void serve_broken_compression_once(peer_conn *conn)
{
    if (conn->number > 0) {
        AWAIT(w.n_frames >= 1); /* of the first connection */
        serve_three_events(conn);
        return;
    }
    if (peer_upgrade(conn))
        peer_frame(conn, true, 2, HELLO, strlen(HELLO));
    linger(conn);
}

static void broken_compression_closes_and_comes_back(void **state)
{
    start(serve_broken_compression_once);
    AWAIT(w.states[DISCORD_GATEWAY_READY] == 1);
    assert_string_equal(w.frames[0], "close 4000");
    assert_int_equal(w.states[DISCORD_GATEWAY_DISCONNECTED], 1);
}

static void serve_drop_then_resume(peer_conn *conn)
{
    if (!begin(conn))
        return;
    if (conn->number == 0) {
        ready(conn);
        message(conn, 2);
        AWAIT(w.n_events == 2); /* else the cut may destroy what is under way */
        return;
    }
    message(conn, 3);
    peer_text(conn, RESUMED);
    linger(conn);
}

static void a_dropped_connection_is_resumed(void **state)
{
    start(serve_drop_then_resume);
    AWAIT(w.states[DISCORD_GATEWAY_RESUMED] == 1);
    assert_string_equal(w.frames[1], "{\"op\":6,\"d\":{\"token\":\"secret-token\",\"session_id\":"
                                     "\"abc\",\"seq\":2}}");
    AWAIT(w.n_events == 4);
    assert_int_equal(w.states[DISCORD_GATEWAY_READY], 1);
}

static void serve_503_once(peer_conn *conn)
{
    peer_request request;

    if (conn->number > 0) {
        serve_three_events(conn);
        return;
    }
    if (peer_read_request(conn, &request))
        peer_answer(conn, "503 Service Unavailable", "", "{}");
    peer_drain(conn);
}

static void a_refused_upgrade_is_told_and_tried_again(void **state)
{
    start(serve_503_once);
    AWAIT(w.states[DISCORD_GATEWAY_READY] == 1);
    assert_int_equal(w.states[DISCORD_GATEWAY_DISCONNECTED], 1);
    assert_non_null(strstr(w.cut, "503"));
}

static void serve_silence_once(peer_conn *conn)
{
    if (conn->number == 0)
        peer_drain(conn);
    else
        serve_three_events(conn);
}

static void an_upgrade_that_is_never_answered_is_given_up(void **state)
{
    w.peer = peer_start(serve_silence_once, NULL);
    snprintf(w.url, sizeof w.url, "ws://127.0.0.1:%d", peer_port(w.peer));
    start_at(w.url, 500, 64 << 20);
    AWAIT(w.states[DISCORD_GATEWAY_READY] == 1 && w.states[DISCORD_GATEWAY_DISCONNECTED] >= 1);
}

static void serve_redirect(peer_conn *conn)
{
    peer_request request;

    if (peer_read_request(conn, &request))
        peer_answer(conn, "302 Found", "Location: ws://127.0.0.1:1/\r\n", "{}");
    peer_drain(conn);
}

static void a_redirect_is_not_followed(void **state)
{
    start(serve_redirect);
    AWAIT(w.states[DISCORD_GATEWAY_DISCONNECTED] >= 2);
}

static void nobody_listening_and_no_such_name_are_tried_again(void **state)
{
    static const char *const urls[] = {
        "ws://127.0.0.1:1",
        "ws://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    for (size_t i = 0; i < 2; i++) {
        start_at(urls[i], 10000, 64 << 20);
        AWAIT(w.states[DISCORD_GATEWAY_DISCONNECTED] >= 2);
        discord_gateway_free(w.gateway);
        w.gateway = NULL;
        w.states[DISCORD_GATEWAY_DISCONNECTED] = 0;
    }
}

static void serve_4014(peer_conn *conn)
{
    if (!begin(conn))
        return;
    peer_close_frame(conn, 4014, "Disallowed intent(s).");
    linger(conn);
}

static void a_fatal_close_is_tried_exactly_once(void **state)
{
    start(serve_4014);
    AWAIT(w.states[DISCORD_GATEWAY_FATAL] == 1);
    assert_int_equal(w.close_code, 4014);
    assert_non_null(strstr(w.reason, "intents"));
    assert_null(strstr(w.reason, "secret"));
    discord_gateway_stop(w.gateway);
    AWAIT(w.states[DISCORD_GATEWAY_STOPPED] == 1);
    assert_int_equal(w.states[DISCORD_GATEWAY_CONNECTING], 1);
}

static void a_message_above_the_limit_closes_the_connection(void **state)
{
    w.peer = peer_start(serve_large, NULL);
    snprintf(w.url, sizeof w.url, "ws://127.0.0.1:%d", peer_port(w.peer));
    start_at(w.url, 10000, 1 << 20);
    AWAIT(w.states[DISCORD_GATEWAY_DISCONNECTED] >= 1 && strstr(w.cut, "size limit"));
}

static void serve_again(peer_conn *conn)
{
    if (conn->number > 0)
        AWAIT(w.n_frames >= 2); /* of the first connection */
    if (!begin(conn))
        return;
    if (conn->number == 0)
        ready(conn);
    AWAIT(w.batches >= 1);
    message(conn, 2);
    if (conn->number > 0)
        peer_text(conn, RESUMED);
    linger(conn);
}

static void a_batch_that_was_not_kept_is_asked_for_again(void **state)
{
    w.not_kept = 1;
    start(serve_again);
    AWAIT(w.states[DISCORD_GATEWAY_RESUMED] == 1);
    AWAIT(w.n_events == 4);
    assert_int_equal(w.seqs[1], 2);
    assert_int_equal(w.seqs[2], 2);
    assert_non_null(strstr(w.frames[1], "close 4000"));
    assert_non_null(strstr(w.frames[2], "\"seq\":1}"));
}

static void serve_while_held(peer_conn *conn)
{
    if (!peer_upgrade(conn))
        return;
    peer_text(conn, "{\"op\":10,\"d\":{\"heartbeat_interval\":50}}");
    if (!expect_frame(conn))
        return;
    if (conn->number == 0)
        ready(conn);
    else /* the hold came after two beats */
        peer_text(conn, RESUMED);
    AWAIT(w.go);
    for (int beats = 0; beats < 3; beats++) /* the hold is in force after these */
        if (!expect_frame(conn))
            return;
    pthread_mutex_lock(&w.lock);
    w.before = w.n_events;
    w.cuts = w.states[DISCORD_GATEWAY_DISCONNECTED];
    pthread_mutex_unlock(&w.lock);
    message(conn, 2);
    for (int beats = 0; beats < 3; beats++)
        if (!expect_frame(conn))
            return;
    pthread_mutex_lock(&w.lock);
    w.during = w.n_events;
    w.looked = true;
    changed();
    linger(conn);
}

static void a_held_gateway_reads_nothing_but_keeps_its_heart_beating(void **state)
{
    start(serve_while_held);
    AWAIT(w.n_events >= 1);
    discord_gateway_hold(w.gateway, 1);
    pthread_mutex_lock(&w.lock);
    w.go = true;
    changed();
    AWAIT(w.looked);
    assert_int_equal(w.during, w.before);
    assert_int_equal(w.states[DISCORD_GATEWAY_DISCONNECTED], w.cuts);
    discord_gateway_hold(w.gateway, 0);
    AWAIT(w.n_events > w.before);
}

static void serve_beats(peer_conn *conn)
{
    if (!peer_upgrade(conn))
        return;
    peer_text(conn, "{\"op\":10,\"d\":{\"heartbeat_interval\":60}}");
    if (!expect_frame(conn))
        return;
    if (conn->number == 0)
        ready(conn);
    else
        peer_text(conn, RESUMED);
    while (expect_frame(conn))
        if (conn->number > 0)
            peer_text(conn, "{\"op\":11}");
}

static void unanswered_heartbeats_end_in_a_resume(void **state)
{
    start(serve_beats);
    AWAIT(strstr(w.reason, "the session goes on"));
}

static void serve_gateway_bot(peer_conn *conn)
{
    peer_request request;
    char body[256];

    while (peer_read_request(conn, &request)) {
        pthread_mutex_lock(&w.lock);
        snprintf(body, sizeof body,
                 "{\"url\":\"%s\",\"shards\":1,\"session_start_limit\":{\"total\":1000,"
                 "\"remaining\":999,\"reset_after\":1000,\"max_concurrency\":1}}",
                 w.url);
        pthread_mutex_unlock(&w.lock);
        peer_answer(conn, "200 OK", "", body);
    }
}

static void the_address_is_asked_over_rest(void **state)
{
    discord_rest_options ro = DISCORD_REST_OPTIONS_INIT;
    discord_gateway_options o = DISCORD_GATEWAY_OPTIONS_INIT;
    peer *api = peer_start(serve_gateway_bot, NULL);
    discord_rest *rest;
    char url[64];

    w.peer = peer_start(serve_three_events, NULL);
    snprintf(w.url, sizeof w.url, "ws://127.0.0.1:%d", peer_port(w.peer));
    snprintf(url, sizeof url, "http://127.0.0.1:%d", peer_port(api));
    ro.api_url = url;
    ro.token = o.token = "secret-token";
    assert_int_equal(discord_rest_new(&ro, &rest, NULL), DISCORD_OK);
    o.rest = rest;
    o.on_event = on_event;
    o.on_state = on_state;
    assert_int_equal(discord_gateway_new(&o, &w.gateway, NULL), DISCORD_OK);
    assert_int_equal(discord_gateway_start(w.gateway), DISCORD_OK);
    assert_int_equal(discord_gateway_start(w.gateway), DISCORD_EINVAL);
    AWAIT(w.n_events == 3);
    discord_gateway_free(w.gateway);
    w.gateway = NULL;
    discord_rest_free(rest);
    peer_stop(api);
}

static void bad_options_are_refused(void **state)
{
    discord_gateway_options o = DISCORD_GATEWAY_OPTIONS_INIT;
    discord_error error;

    assert_int_equal(discord_gateway_new(&o, &w.gateway, &error), DISCORD_EINVAL);
    o.token = "t";
    assert_int_equal(discord_gateway_new(&o, &w.gateway, &error), DISCORD_EINVAL);
    o.url = "http://example.test";
    assert_int_equal(discord_gateway_new(&o, &w.gateway, &error), DISCORD_EINVAL);
    assert_non_null(strstr(error.message, "ws://"));
    o.url = "ws://example.test";
    o.token = "a\nb";
    assert_int_equal(discord_gateway_new(&o, &w.gateway, &error), DISCORD_EINVAL);
    assert_null(w.gateway);
}

/* -- in a host loop -- */

static bool holds(bool (*condition)(void))
{
    pthread_mutex_lock(&w.lock);
    bool ok = condition();
    pthread_mutex_unlock(&w.lock);
    return ok;
}

/* Runs the loop until the condition holds; what it is driven by is the fd and the timeout alone. */
static void drive_until(bool (*condition)(void))
{
    int fd = discord_gateway_fd(w.gateway);
    unsigned turns = 0;

    while (!holds(condition)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ms = discord_gateway_timeout_ms(w.gateway);
        assert_true(++turns < 20000);
        poll(&p, 1, ms < 0 || ms > 1000 ? 1000 : ms);
        assert_int_equal(discord_gateway_process(w.gateway), DISCORD_OK);
        assert_int_equal(discord_gateway_fd(w.gateway), fd);
    }
}

static void host_at(const char *host, peer_script *script)
{
    w.peer = peer_start(script, NULL);
    pthread_mutex_lock(&w.lock);
    snprintf(w.url, sizeof w.url, "ws://%s:%d", host, peer_port(w.peer));
    pthread_mutex_unlock(&w.lock);
    make(w.url, 10000, 64 << 20);
}

static void host_with(peer_script *script)
{
    host_at("127.0.0.1", script);
}

static bool four_events(void)
{
    return w.n_events == 4;
}

static bool three_events(void)
{
    return w.n_events == 3;
}

static void a_host_loop_lives_through_a_drop_and_a_resume(void **state)
{
    host_with(serve_compressed);
    assert_int_equal(discord_gateway_timeout_ms(w.gateway), 0); /* wants to begin */
    drive_until(four_events);
    assert_int_equal(w.states[DISCORD_GATEWAY_READY], 1);
    assert_int_equal(w.states[DISCORD_GATEWAY_RESUMED], 1);
    assert_int_equal(discord_gateway_start(w.gateway), DISCORD_EINVAL);
}

static bool disconnected(void)
{
    return w.states[DISCORD_GATEWAY_DISCONNECTED] > 0;
}

static void a_host_loop_has_names_looked_up_elsewhere(void **state)
{
    host_at("localhost", serve_compressed);
    drive_until(four_events);
    assert_int_equal(w.states[DISCORD_GATEWAY_RESUMED], 1);
}

static void a_name_that_is_none_is_told_to_a_host_loop(void **state)
{
    make("ws://no-such-name.invalid", 10000, 64 << 20);
    drive_until(disconnected);
    assert_string_equal(w.cut, "the name does not resolve");
}

static void a_host_loop_may_end_while_a_name_is_looked_up(void **state)
{
    make("ws://no-such-name.invalid", 10000, 64 << 20);
    assert_int_equal(discord_gateway_process(w.gateway), DISCORD_OK);
    discord_gateway_free(w.gateway);
    w.gateway = NULL;
    assert_int_equal(w.states[DISCORD_GATEWAY_STOPPED], 1);
}

static bool greatest_came(void)
{
    return w.n_events == 3 && w.greatest == 2 << 20;
}

static void a_host_loop_reads_two_megabytes_in_fragments(void **state)
{
    host_with(serve_large);
    drive_until(greatest_came);
}

static void *stop_from_afar(void *user)
{
    discord_gateway_stop(w.gateway);
    return NULL;
}

static void stopping_wakes_the_host_loop_and_ends_it(void **state)
{
    discord_status status = DISCORD_OK;
    pthread_t thread;

    host_with(serve_three_events);
    drive_until(three_events);
    struct pollfd p = {.fd = discord_gateway_fd(w.gateway), .events = POLLIN};
    while (poll(&p, 1, 0) == 1) /* what is left of the start */
        assert_int_equal(discord_gateway_process(w.gateway), DISCORD_OK);
    assert_int_equal(pthread_create(&thread, NULL, stop_from_afar, NULL), 0);
    assert_int_equal(poll(&p, 1, 120000), 1);
    pthread_join(thread, NULL);
    for (unsigned turns = 0; status == DISCORD_OK; turns++) {
        assert_true(turns < 20000);
        status = discord_gateway_process(w.gateway);
        if (status == DISCORD_OK)
            poll(&p, 1, discord_gateway_timeout_ms(w.gateway));
    }
    assert_int_equal(status, DISCORD_ECLOSED);
    assert_int_equal(w.states[DISCORD_GATEWAY_STOPPED], 1);
    assert_int_equal(discord_gateway_process(w.gateway), DISCORD_ECLOSED);
    assert_int_equal(discord_gateway_timeout_ms(w.gateway), -1);
    AWAIT(w.n_frames >= 2);
    assert_string_equal(w.frames[1], "close 4000");
}

static void freeing_a_hosted_gateway_ends_it(void **state)
{
    host_with(serve_three_events);
    drive_until(three_events);
    discord_gateway_free(w.gateway);
    w.gateway = NULL;
    assert_int_equal(w.states[DISCORD_GATEWAY_STOPPED], 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(events_are_delivered_in_order_with_the_state_to_store),
        T(stopping_closes_with_4000),
        T(a_guild_of_two_megabytes_in_fragments_arrives_whole),
        T(a_compressed_connection_is_resumed_with_a_fresh_context),
        T(broken_compression_closes_and_comes_back),
        T(a_dropped_connection_is_resumed),
        T(a_refused_upgrade_is_told_and_tried_again),
        T(an_upgrade_that_is_never_answered_is_given_up),
        T(a_redirect_is_not_followed),
        T(nobody_listening_and_no_such_name_are_tried_again),
        T(a_fatal_close_is_tried_exactly_once),
        T(a_message_above_the_limit_closes_the_connection),
        T(a_batch_that_was_not_kept_is_asked_for_again),
        T(a_held_gateway_reads_nothing_but_keeps_its_heart_beating),
        T(unanswered_heartbeats_end_in_a_resume),
        T(the_address_is_asked_over_rest),
        T(bad_options_are_refused),
        T(a_host_loop_lives_through_a_drop_and_a_resume),
        T(a_host_loop_has_names_looked_up_elsewhere),
        T(a_name_that_is_none_is_told_to_a_host_loop),
        T(a_host_loop_may_end_while_a_name_is_looked_up),
        T(a_host_loop_reads_two_megabytes_in_fragments),
        T(stopping_wakes_the_host_loop_and_ends_it),
        T(freeing_a_hosted_gateway_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
