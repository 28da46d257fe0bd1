/* ws_test.c - the WebSocket framing against RFC 6455, byte by byte. No socket. */
#include "ws_feed.h"

/* The key of the RFC's own example. */
static const char sample_key[] = "dGhlIHNhbXBsZSBub25jZQ==";

static void begin(cvx_ws *ws)
{
    cvx_ws_config config = {.mem = cvx_mem(NULL), .max_message = 1 << 20, .random = sample_random};
    cvx_ws_init(ws, &config);
    cvx_ws_start(ws, "h:1", "/api/sync", "X-Y: z\r\n");
}

static void ready(cvx_ws *ws)
{
    cvx_ws_event event;
    size_t len;
    begin(ws);
    feed(ws, GOOD, sizeof GOOD - 1);
    assert_int_equal(cvx_ws_next(ws, &event), CVX_WS_OPEN);
    cvx_ws_pending(ws, &len);
    cvx_ws_sent(ws, len);
}

static void expect_failure(const void *data, size_t len, unsigned code)
{
    cvx_ws ws;
    cvx_ws_event event;
    ready(&ws);
    feed(&ws, data, len);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_FAILED);
    assert_int_equal(event.code, code);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_NONE);
    cvx_ws_done(&ws);
}

/* ---- handshake ---- */

static void accept_key_is_that_of_the_rfc(void **state)
{
    char accept[29];
    cvx_ws_accept(sample_key, accept);
    assert_string_equal(accept, ACCEPT);
}

static void request_asks_for_the_upgrade_and_offers_nothing_else(void **state)
{
    cvx_ws ws;
    size_t len;
    begin(&ws);
    const char *text = cvx_ws_pending(&ws, &len);
    static const char want[] =
        "GET /api/sync HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "X-Y: z\r\n\r\n";
    assert_int_equal(len, sizeof want - 1);
    assert_memory_equal(text, want, len);
    cvx_ws_done(&ws);
}

static void answers_that_are_no_upgrade_fail(void **state)
{
#define HEAD "HTTP/1.1 101 x\r\n"
    static const char *const bad[] = {
        HEAD "Connection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        HEAD "Upgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT
             "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT
             "\r\nSec-WebSocket-Protocol: x\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1 hello\r\n\r\n",
        HEAD "no colon\r\n\r\n",
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cvx_ws ws;
        cvx_ws_event event;
        begin(&ws);
        feed(&ws, bad[i], strlen(bad[i]));
        assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_FAILED);
        cvx_ws_done(&ws);
    }
}

static void refusal_is_reported_with_status_and_body(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    for (size_t cut = 0; cut < sizeof answer - 1; cut++) {
        cvx_ws ws;
        cvx_ws_event event;
        begin(&ws);
        feed(&ws, answer, cut);
        assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_NONE);
        feed(&ws, answer + cut, sizeof answer - 1 - cut);
        assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_REFUSED);
        assert_int_equal(event.code, 400);
        assert_int_equal(event.len, 7);
        assert_memory_equal(event.text, "{\"a\":1}", 7);
        cvx_ws_done(&ws);
    }
}

static void refusal_without_length_ends_with_the_stream(void **state)
{
    static const char answer[] = "HTTP/1.1 503 Busy\r\n\r\nlater";
    cvx_ws ws;
    cvx_ws_event event;
    begin(&ws);
    feed(&ws, answer, sizeof answer - 1);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_NONE);
    assert_int_equal(cvx_ws_end(&ws, &event), CVX_WS_REFUSED);
    assert_int_equal(event.code, 503);
    assert_memory_equal(event.text, "later", 5);
    cvx_ws_done(&ws);
}

static void endless_head_is_given_up(void **state)
{
    cvx_ws ws;
    cvx_ws_event event = {0};
    char line[1000];
    begin(&ws);
    memset(line, 'a', sizeof line);
    for (int i = 0; i < 20 && event.kind == CVX_WS_NONE; i++) {
        feed(&ws, line, sizeof line);
        cvx_ws_next(&ws, &event);
    }
    assert_int_equal(event.kind, CVX_WS_FAILED);
    cvx_ws_done(&ws);
}

/* ---- receiving ---- */

static void messages_arrive_whole_however_the_bytes_are_split(void **state)
{
    /* "Hel" + ping + "lo", then "x", then an empty message */
    static const char bytes[] = GOOD "\x01\x03Hel\x89\x01p\x80\x02lo\x81\x01x\x81\x00";
    size_t total = sizeof bytes - 1;

    for (size_t cut = 1; cut < total; cut++) {
        cvx_ws ws;
        cvx_ws_event event;
        const char *want[] = {"Hello", "x", ""};
        int seen = 0;
        begin(&ws);
        for (size_t at = 0; at < total; at += cut) {
            feed(&ws, bytes + at, total - at < cut ? total - at : cut);
            while (cvx_ws_next(&ws, &event) != CVX_WS_NONE) {
                if (event.kind == CVX_WS_OPEN)
                    continue;
                assert_int_equal(event.kind, CVX_WS_TEXT);
                assert_int_equal(event.len, strlen(want[seen]));
                assert_memory_equal(event.text, want[seen], event.len);
                seen++;
            }
        }
        assert_int_equal(seen, 3);
        cvx_ws_done(&ws);
    }
}

static void ping_is_answered_with_its_payload(void **state)
{
    cvx_ws ws;
    cvx_ws_event event;
    size_t len;
    ready(&ws);
    feed(&ws, "\x89\x05Hello", 7);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_NONE);
    const char *pong = cvx_ws_pending(&ws, &len);
    assert_int_equal(len, 11); /* the RFC's masked pong */
    assert_memory_equal(pong, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    cvx_ws_done(&ws);
}

static void unread_pongs_do_not_pile_up(void **state)
{
    cvx_ws ws;
    cvx_ws_event event;
    size_t len;
    ready(&ws);
    for (int i = 0; i < 100000; i++) {
        feed(&ws, "\x89\x05Hello", 7);
        cvx_ws_next(&ws, &event);
    }
    cvx_ws_pending(&ws, &len);
    assert_true(len < 70000);
    cvx_ws_done(&ws);
}

static void long_messages_use_both_extended_lengths(void **state)
{
    static char data[70000];
    cvx_ws ws;
    cvx_ws_event event;
    ready(&ws);
    memset(data, 'y', sizeof data);
    feed(&ws, "\x81\x7e\x01\x00", 4);
    feed(&ws, data, 256);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_TEXT);
    assert_int_equal(event.len, 256);
    feed(&ws, "\x81\x7f\0\0\0\0\0\x01\x11\x70", 10);
    feed(&ws, data, 70000);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_TEXT);
    assert_int_equal(event.len, 70000);
    cvx_ws_done(&ws);
}

static void frames_against_the_rfc_fail_with_its_codes(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        unsigned code;
    } bad[] = {
        {"\xc1\x00", 2, 1002},                                  /* a reserved bit */
        {"\x81\x81\0\0\0\0x", 7, 1002},                         /* masked */
        {"\x83\x00", 2, 1002},                                  /* unknown data opcode */
        {"\x8b\x00", 2, 1002},                                  /* unknown control opcode */
        {"\x80\x00", 2, 1002},                                  /* nothing to continue */
        {"\x01\x01x\x81\x01y", 6, 1002},                        /* a message inside another */
        {"\x09\x00", 2, 1002},                                  /* fragmented ping */
        {"\x89\x7e\x00\x80", 4, 1002},                          /* long ping */
        {"\x81\x7e\x00\x05", 4, 1002},                          /* not minimal */
        {"\x81\x7f\0\0\0\0\0\0\xff\xff", 10, 1002},             /* not minimal */
        {"\x81\x7f\x80\0\0\0\0\0\0\0", 10, 1002},               /* beyond 63 bits */
        {"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, 1009}, /* too long, before it comes */
        {"\x82\x01x", 3, 1003},                                 /* binary */
        {"\x81\x02\xc3(", 4, 1007},                             /* not UTF-8 */
        {"\x01\x01\xc3\x80\x01(", 6, 1007},                     /* the same across fragments */
        {"\x88\x01x", 3, 1002},                                 /* half a close code */
        {"\x88\x02\x03\xed", 4, 1002},                          /* 1005 may not be sent */
        {"\x88\x03\x03\xe8\xff", 5, 1007},                      /* reason is not UTF-8 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_failure(bad[i].bytes, bad[i].len, bad[i].code);
}

static void characters_may_be_split_between_fragments(void **state)
{
    cvx_ws ws;
    ready(&ws);
    feed(&ws, "\x01\x01\xc3\x80\x01\xa9", 6);
    expect_text(&ws, "\xc3\xa9");
    cvx_ws_done(&ws);
}

static void fragments_beyond_the_limit_fail(void **state)
{
    static char data[65536];
    cvx_ws ws;
    cvx_ws_event event = {0};
    ready(&ws);
    memset(data, 'y', sizeof data);
    for (int i = 0; i < 17 && event.kind == CVX_WS_NONE; i++) {
        feed(&ws, i == 0 ? "\x01\x7f\0\0\0\0\0\x01\0\0" : "\x00\x7f\0\0\0\0\0\x01\0\0", 10);
        feed(&ws, data, sizeof data);
        cvx_ws_next(&ws, &event);
    }
    assert_int_equal(event.kind, CVX_WS_FAILED);
    assert_int_equal(event.code, 1009);
    cvx_ws_done(&ws);
}

static void a_close_is_reported_and_answered(void **state)
{
    cvx_ws ws;
    cvx_ws_event event;
    size_t len;
    ready(&ws);
    feed(&ws, "\x88\x07\x03\xf5later", 9); /* 1013 */
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_CLOSED);
    assert_int_equal(event.code, 1013);
    assert_memory_equal(event.text, "later", 5);
    assert_int_equal((uint8_t)cvx_ws_pending(&ws, &len)[0], 0x88);
    assert_int_equal(len, 8);
    assert_false(cvx_ws_send_text(&ws, "x", 1));
    cvx_ws_done(&ws);

    ready(&ws);
    feed(&ws, "\x88\x00", 2);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_CLOSED);
    assert_int_equal(event.code, 1005);
    cvx_ws_done(&ws);
}

/* ---- sending ---- */

static void text_is_masked_as_in_the_rfc(void **state)
{
    cvx_ws ws;
    size_t len;
    ready(&ws);
    assert_true(cvx_ws_send_text(&ws, "Hello", 5));
    const char *out = cvx_ws_pending(&ws, &len);
    assert_int_equal(len, 11);
    assert_memory_equal(out, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    cvx_ws_done(&ws);
}

static void masking_by_words_equals_masking_by_bytes(void **state)
{
    static const uint8_t key[4] = {1, 2, 3, 250};
    char data[64], out[80];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31);
    for (size_t len = 0; len <= sizeof data; len++) {
        for (size_t at = 0; at < 9; at++) {
            cvx_ws_mask(out + at, data, len, key, at);
            for (size_t i = 0; i < len; i++)
                assert_int_equal((uint8_t)out[at + i], (uint8_t)data[i] ^ key[(at + i) & 3]);
        }
    }
}

static void very_long_texts_are_sent_in_fragments(void **state)
{
    size_t size = 9u * 1024 * 1024, at = 0, total = 0, len;
    char *text = calloc(1, size);
    int frames = 0;
    bool final = false;
    cvx_ws ws;
    ready(&ws);
    assert_true(cvx_ws_send_text(&ws, text, size));
    const uint8_t *out = (const uint8_t *)cvx_ws_pending(&ws, &len);
    while (at < len) {
        uint64_t part = 0;
        assert_int_equal(out[at] & 0x0f, frames == 0 ? 1 : 0);
        final = out[at] & 0x80;
        assert_int_equal(out[at + 1], 0x80 | 127);
        for (int i = 0; i < 8; i++)
            part = part << 8 | out[at + 2 + (size_t)i];
        at += 14 + (size_t)part;
        total += (size_t)part;
        frames++;
    }
    assert_true(final);
    assert_int_equal(frames, 3);
    assert_int_equal(total, size);
    free(text);
    cvx_ws_done(&ws);
}

static void partial_sends_go_on_where_they_stopped(void **state)
{
    char all[64];
    size_t len, got = 0;
    cvx_ws ws;
    ready(&ws);
    cvx_ws_send_text(&ws, "Hello", 5);
    cvx_ws_send_text(&ws, "Hello", 5);
    while (cvx_ws_pending(&ws, &len)) {
        all[got++] = *cvx_ws_pending(&ws, &len);
        cvx_ws_sent(&ws, 1);
    }
    assert_int_equal(got, 22);
    assert_memory_equal(all, all + 11, 11);
    cvx_ws_done(&ws);
}

static void a_ping_comes_back(void **state)
{
    cvx_ws ws;
    cvx_ws_event event;
    size_t len;
    char long_data[126] = "";
    begin(&ws);
    assert_false(cvx_ws_send_ping(&ws, "x", 1)); /* not open yet */
    cvx_ws_done(&ws);
    ready(&ws);
    assert_true(cvx_ws_send_ping(&ws, "Hello", 5));
    assert_memory_equal(cvx_ws_pending(&ws, &len), "\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
                        11);
    assert_int_equal(len, 11);
    assert_false(cvx_ws_send_ping(&ws, long_data, sizeof long_data));
    feed(&ws, "\x8a\x05Hello\x8a\x00", 9);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_PONG);
    assert_int_equal(event.len, 5);
    assert_memory_equal(event.text, "Hello", 5);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_PONG);
    assert_int_equal(event.len, 0);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_NONE);
    cvx_ws_done(&ws);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(accept_key_is_that_of_the_rfc),
        T(request_asks_for_the_upgrade_and_offers_nothing_else),
        T(answers_that_are_no_upgrade_fail),
        T(refusal_is_reported_with_status_and_body),
        T(refusal_without_length_ends_with_the_stream),
        T(endless_head_is_given_up),
        T(messages_arrive_whole_however_the_bytes_are_split),
        T(ping_is_answered_with_its_payload),
        T(unread_pongs_do_not_pile_up),
        T(long_messages_use_both_extended_lengths),
        T(frames_against_the_rfc_fail_with_its_codes),
        T(characters_may_be_split_between_fragments),
        T(fragments_beyond_the_limit_fail),
        T(a_close_is_reported_and_answered),
        T(text_is_masked_as_in_the_rfc),
        T(masking_by_words_equals_masking_by_bytes),
        T(very_long_texts_are_sent_in_fragments),
        T(partial_sends_go_on_where_they_stopped),
        T(a_ping_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
