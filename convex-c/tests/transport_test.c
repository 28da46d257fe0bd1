/* transport_test.c - what any transport must do with difficult peers. */
#include "client_story.h"

#include <signal.h>
#include <stdatomic.h>
#include <zlib.h>

/* ---- large messages, slow readers ---- */

enum { LARGE = 900 * 1024, LARGE_FRAME = LARGE + 4096 };

/* A text of that length between quotes, not much alike itself. */
static char *large_text(size_t len)
{
    char *text = malloc(len + 1);
    uint32_t seed = 1;

    for (size_t i = 0; text && i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)('a' + (seed >> 24) % 26);
    }
    if (text)
        text[len] = '\0';
    return text;
}

static bool say_large(server *s, uint64_t ts)
{
    char *text = large_text(LARGE), *modification = malloc(LARGE_FRAME);
    bool ok;

    snprintf(modification, LARGE_FRAME,
             "{\"type\":\"QueryUpdated\",\"queryId\":0,\"value\":\"%s\",\"logLines\":[],"
             "\"journal\":null}",
             text);
    ok = server_transition(s, 1, 0, ts, modification);
    free(text);
    free(modification);
    return ok;
}

/* Reads the client's large mutation a little at a time. */
static void script_slow_reader(server *s)
{
    int small = 4096;

    setsockopt(s->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small); /* inherited */
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1"));
    if (!server_expect(s, "\"type\":\"Mutation\""))
        return;
    server_respond(s, 0, 20);
    server_transition(s, 1, 0, 20, "");
    server_receive(s);
}

static void a_large_mutation_reaches_a_slow_reader(void **state)
{
    server *peer = server_start(script_slow_reader, 0);
    char *text = large_text(LARGE);
    convex_builder *b = convex_builder_new(NULL);
    convex_value *args = NULL;
    story s;

    convex_builder_begin_object(b);
    convex_builder_key(b, "text");
    convex_builder_string(b, text, LARGE);
    convex_builder_end(b);
    assert_int_equal(convex_builder_finish(b, &args, NULL), CONVEX_OK);
    convex_builder_free(b);
    free(text);
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_int_equal(convex_client_mutation(s.client, "m:x", args, NULL, on_done, &s, NULL, NULL),
                     CONVEX_OK);
    convex_value_unref(args);
    run_until(&s, &s.dones, 1);
    assert_int_equal(s.done_status, CONVEX_OK);
    finish(&s);
    server_join(peer);
}

/* More than every buffer between them holds. */
static void script_flood(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    for (uint64_t i = 1; i <= 12; i++)
        if (!say_large(s, i))
            server_wrong(s, "the client left");
    if (!server_expect(s, "\"type\":\"Mutation\"")) /* a slow client would skip to the end */
        return;
    server_transition(s, 1, 0, 100, SERVER_UPDATED(0, "\"end\""));
    server_receive(s);
}

typedef struct flood {
    int results;
    int whole;
    int ends;
} flood;

static void on_flood(const convex_result *result, void *user)
{
    flood *f = user;
    size_t len = 0;
    const char *text = convex_value_string(convex_result_value(result), &len);
    char *expected = large_text(LARGE);

    f->results++;
    f->whole += len == LARGE && memcmp(text, expected, LARGE) == 0;
    f->ends += len == 3;
    free(expected);
}

static void a_flood_of_large_messages_arrives_whole(void **state)
{
    server *peer = server_start(script_flood, 0);
    flood f = {0};
    story s;

    begin(&s, peer->url);
    assert_int_equal(convex_client_subscribe(s.client, "q:a", NULL, on_flood, NULL, &f, NULL, NULL),
                     CONVEX_OK);
    run_until(&s, &f.whole, 1); /* equal results in a row are one */
    mutate(&s, 0);
    run_until(&s, &f.ends, 1);
    assert_int_equal(f.results, f.whole + f.ends);
    finish(&s);
    server_join(peer);
}

/* ---- pieces ---- */

static void script_pieces(server *s)
{
    static char text[4096], frame[2 * sizeof text];
    size_t len = 0, total;

    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition_text(s, text, sizeof text, 1, 0, 10, SERVER_UPDATED(0, "\"in frames\""));
    total = strlen(text);
    for (size_t at = 0; at < total; at += 7) {
        size_t piece = total - at < 7 ? total - at : 7;
        unsigned first = (at == 0 ? 1 : 0) | (at + piece == total ? 0x80 : 0);
        len += server_frame(frame + len, first, text + at, piece);
    }
    for (size_t at = 0; at < len; at++) /* each byte a segment of its own */
        server_write(s, frame + at, 1);
    server_receive(s);
}

static void a_message_in_frames_of_seven_bytes_and_segments_of_one_arrives(void **state)
{
    server *peer = server_start(script_pieces, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_string_equal(s.last, "\"in frames\"");
    finish(&s);
    server_join(peer);
}

static void say_chunk(server *s, const char *text, size_t len, int part)
{
    char *escaped = malloc(2 * len + 1), *message = malloc(2 * len + 256);
    size_t at = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\')
            escaped[at++] = '\\';
        escaped[at++] = text[i];
    }
    escaped[at] = '\0';
    snprintf(message, 2 * len + 256,
             "{\"type\":\"TransitionChunk\",\"chunk\":\"%s\",\"partNumber\":%d,\"totalParts\":3,"
             "\"transitionId\":\"x\"}",
             escaped, part);
    server_say(s, message);
    free(escaped);
    free(message);
}

static void script_chunks(server *s)
{
    static char text[4096];
    size_t third;

    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition_text(s, text, sizeof text, 1, 0, 10, SERVER_UPDATED(0, "\"in chunks\""));
    third = strlen(text) / 3;
    say_chunk(s, text, third, 0);
    say_chunk(s, text + third, third, 1);
    server_say(s, "{\"type\":\"Ping\"}");
    say_chunk(s, text + 2 * third, strlen(text) - 2 * third, 2);
    server_receive(s);
}

static void a_transition_in_chunks_arrives(void **state)
{
    server *peer = server_start(script_chunks, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_string_equal(s.last, "\"in chunks\"");
    finish(&s);
    server_join(peer);
}

/* ---- compressed messages ---- */

static size_t deflated(const char *text, char *ret, size_t size)
{
    z_stream out = {0};

    deflateInit2(&out, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    out.next_in = (Bytef *)(uintptr_t)text;
    out.avail_in = (uInt)strlen(text);
    out.next_out = (Bytef *)ret;
    out.avail_out = (uInt)size;
    deflate(&out, Z_SYNC_FLUSH);
    deflateEnd(&out);
    return size - out.avail_out - 4;
}

/* Upgrades, agreeing to compress when that is offered; `number` says whether it should be. */
static bool open_compressed(server *s)
{
    static const char offer[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    char head[4096];

    if (!server_accept(s, head, sizeof head))
        return false;
    if ((strstr(head, offer) != NULL) != (s->number != 0))
        server_wrong(s, "odd offer: %.400s", head);
    return server_upgrade_with(s, head, s->number ? offer : "");
}

static void script_compressed(server *s)
{
    static char text[4096], packed[4096], frame[8192];
    size_t len;

    if (!open_compressed(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition_text(s, text, sizeof text, 1, 0, 10, SERVER_UPDATED(0, "\"once\""));
    if (s->number == 0) {
        server_say(s, text);
    } else {
        len = deflated(text, packed, sizeof packed);
        server_write(s, frame, server_frame(frame, 0xc1, packed, len));
    }
    server_receive(s);
}

static void compressed_results_arrive_unless_they_are_unwanted(void **state)
{
    for (int wanted = 0; wanted < 2; wanted++) {
        server *peer = server_start(script_compressed, wanted);
        story s;
        story_init(&s);
        convex_options options = options_for(&s, peer->url);
        options.no_compression = !wanted;
        begin_with(&s, &options);
        watch(&s);
        run_until(&s, &s.results, 1);
        assert_string_equal(s.last, "\"once\"");
        finish(&s);
        server_join(peer);
    }
}

/* ---- losses ---- */

/* Hangs up after every byte of its answer in turn, and is complete in the end. */
static void script_hang_up_in_the_handshake(server *s)
{
    static const char part[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n";
    char head[4096];

    for (size_t cut = 0; cut < sizeof part - 1; cut += 5) {
        if (!server_accept(s, head, sizeof head))
            return;
        server_write(s, part, cut);
    }
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1"));
    server_receive(s);
}

static void a_handshake_cut_anywhere_is_tried_again(void **state)
{
    server *peer = server_start(script_hang_up_in_the_handshake, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_int_equal(s.state.connections, 1);
    finish(&s);
    server_join(peer);
}

static void script_goodbye(server *s)
{
    uint8_t close_frame[6];

    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1"));
    if (!server_read(s, close_frame, sizeof close_frame) || close_frame[0] != 0x88)
        server_wrong(s, "the client did not say goodbye");
}

static void a_client_that_closes_says_goodbye(void **state)
{
    server *peer = server_start(script_goodbye, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    convex_client_close(s.client);
    run_until(&s, &s.closed_states, 1);
    finish(&s);
    server_join(peer);
}

/* ---- memory ---- */

typedef struct short_memory {
    atomic_long left;
} short_memory;

static void *short_realloc(void *ptr, size_t size, void *user)
{
    short_memory *memory = user;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return atomic_fetch_sub(&memory->left, 1) == 0 ? NULL : realloc(ptr, size);
}

static void script_patient(server *s)
{
    for (int conn = 0; conn < 5; conn++) {
        if (!server_open(s))
            continue; /* given up before it began */
        while (server_receive(s)) {
            if (strstr(s->frame, "ModifyQuerySet"))
                server_transition(s, s->version.query_set + 1, 0, s->version.ts + 10,
                                  strstr(s->frame, "q:a") ? SERVER_UPDATED(0, "1") : "");
            if (strstr(s->frame, "\"Mutation\"")) {
                server_respond(s, 0, s->version.ts + 5);
                server_transition(s, s->version.query_set, 0, s->version.ts + 10, "");
            }
        }
    }
}

static void any_failed_allocation_is_reported_or_survived(void **state)
{
    for (long nth = 0; nth < 70; nth++) {
        server *peer = server_start(script_patient, 0);
        short_memory memory;
        story s;
        convex_status status;
        atomic_init(&memory.left, nth);
        story_init(&s);
        convex_options options = options_for(&s, peer->url);
        options.mem = (convex_mem){short_realloc, &memory};
        status = convex_client_new(&options, &s.client, NULL);
        if (status == CONVEX_OK)
            s.loop = story_loop_attach(s.client);
        if (status == CONVEX_OK)
            status =
                convex_client_subscribe(s.client, "q:a", NULL, on_result, on_end, &s, &s.sub, NULL);
        if (status == CONVEX_OK)
            status = convex_client_mutation(s.client, "m:x", NULL, NULL, on_done, &s, NULL, NULL);
        if (status == CONVEX_OK) {
            run_until(&s, &s.dones, 1);
            run_until(&s, &s.results, 1);
            assert_int_equal(s.done_status, CONVEX_OK);
        } else {
            assert_int_equal(status, CONVEX_ENOMEM);
        }
        finish(&s);
        shutdown(peer->listener, SHUT_RDWR); /* the script waits for more */
        pthread_join(peer->thread, NULL);
        close(peer->listener);
        free(peer);
    }
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_large_mutation_reaches_a_slow_reader),
        T(a_flood_of_large_messages_arrives_whole),
        T(a_message_in_frames_of_seven_bytes_and_segments_of_one_arrives),
        T(a_transition_in_chunks_arrives),
        T(compressed_results_arrive_unless_they_are_unwanted),
        T(a_handshake_cut_anywhere_is_tried_again),
        T(a_client_that_closes_says_goodbye),
        T(any_failed_allocation_is_reported_or_survived),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
