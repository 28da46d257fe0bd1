/* ws_deflate_test.c - compressed messages against RFC 7692. No socket. */
#include "tests/support.h"
#include "ws_feed.h"

#include <zlib.h>

enum { MAX = 1 << 20 };

/* ---- the server's side ---- */

/* Frames of one connection; the server refers back to its earlier messages. */
typedef struct sender {
    z_stream out;
    char bytes[4 << 20];
    size_t len;
} sender;

static sender *new_sender(void)
{
    sender *s = calloc(1, sizeof *s);
    assert_non_null(s);
    assert_int_equal(deflateInit2(&s->out, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    return s;
}

static void free_sender(sender *s)
{
    deflateEnd(&s->out);
    free(s);
}

static void put_frame(sender *s, unsigned first_byte, const char *data, size_t len)
{
    size_t extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
    s->bytes[s->len++] = (char)first_byte;
    s->bytes[s->len++] = (char)(extra == 0 ? len : extra == 2 ? 126 : 127);
    while (extra-- > 0)
        s->bytes[s->len++] = (char)((uint64_t)len >> 8 * extra);
    memcpy(s->bytes + s->len, data, len);
    s->len += len;
}

/* The payload of a message, as it is framed. */
static size_t compress_text(sender *s, const char *text, size_t len, char *ret, size_t size)
{
    s->out.next_in = (Bytef *)(uintptr_t)text;
    s->out.avail_in = (uInt)len;
    s->out.next_out = (Bytef *)ret;
    s->out.avail_out = (uInt)size;
    assert_int_equal(deflate(&s->out, Z_SYNC_FLUSH), Z_OK);
    assert_true(s->out.avail_out > 0);
    return size - s->out.avail_out - 4;
}

static void put_text(sender *s, const char *text, size_t len)
{
    static char payload[1 << 20];
    put_frame(s, 0xc1, payload, compress_text(s, text, len, payload, sizeof payload));
}

/* ---- the client's ---- */

static void begin(cvx_ws *ws, const convex_mem *mem)
{
    cvx_ws_config config = {
        .mem = cvx_mem(mem), .max_message = MAX, .deflate = true, .random = sample_random};
    cvx_ws_init(ws, &config);
    cvx_ws_start(ws, "h", "/", "");
}

static void ready(cvx_ws *ws, const convex_mem *mem)
{
    static const char answer[] = GOOD_HEAD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    cvx_ws_event event;
    size_t len;
    begin(ws, mem);
    feed(ws, answer, sizeof answer - 1);
    assert_int_equal(cvx_ws_next(ws, &event), CVX_WS_OPEN);
    cvx_ws_pending(ws, &len);
    cvx_ws_sent(ws, len);
}

static void expect_failure(const char *data, size_t len, unsigned code)
{
    cvx_ws ws;
    cvx_ws_event event;
    ready(&ws, NULL);
    feed(&ws, data, len);
    do
        cvx_ws_next(&ws, &event);
    while (event.kind == CVX_WS_TEXT || event.kind == CVX_WS_PONG);
    assert_int_equal(event.kind, CVX_WS_FAILED);
    assert_int_equal(event.code, code);
    cvx_ws_done(&ws);
}

/* ---- the agreement ---- */

static void compression_is_offered_bare(void **state)
{
    cvx_ws ws;
    size_t len;
    begin(&ws, NULL);
    const char *text = cvx_ws_pending(&ws, &len);
    assert_non_null(memmem(text, len, "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", 48));
    cvx_ws_done(&ws);
}

static void an_answer_may_only_take_up_what_was_offered(void **state)
{
    static const struct {
        const char *answer;
        bool ok;
    } cases[] = {
        {"permessage-deflate", true},
        {"Permessage-Deflate", true},
        {"permessage-deflate; server_no_context_takeover", true},
        {"permessage-deflate;client_no_context_takeover ;\tserver_max_window_bits=8", true},
        {"permessage-deflate; server_max_window_bits=\"15\"", true},
        {"permessage-deflate; server_max_window_bits=10; server_no_context_takeover", true},
        {"permessage-deflate; server_max_window_bits", false},
        {"permessage-deflate; server_max_window_bits=", false},
        {"permessage-deflate; server_max_window_bits=7", false},
        {"permessage-deflate; server_max_window_bits=16", false},
        {"permessage-deflate; server_max_window_bits=08", false},
        {"permessage-deflate; server_max_window_bits=\"", false},
        {"permessage-deflate; server_no_context_takeover=1", false},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", false},
        {"permessage-deflate; client_max_window_bits=15", false},
        {"permessage-deflate; client_max_window_bits", false},
        {"permessage-deflate; unheard_of", false},
        {"permessage-deflate;", false},
        {"permessage-deflate; ; server_no_context_takeover", false},
        {"permessage-deflate, permessage-deflate", false},
        {"permessage-bzip2", false},
        {"x; permessage-deflate", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cvx_ws ws;
        cvx_ws_event event;
        char answer[512];
        snprintf(answer, sizeof answer, GOOD_HEAD "Sec-WebSocket-Extensions: %s\r\n\r\n",
                 cases[i].answer);
        begin(&ws, NULL);
        feed(&ws, answer, strlen(answer));
        if (cvx_ws_next(&ws, &event) != (cases[i].ok ? CVX_WS_OPEN : CVX_WS_FAILED))
            fail_msg("%s", cases[i].answer);
        cvx_ws_done(&ws);
    }
}

static void an_extension_is_not_answered_twice(void **state)
{
    static const char answer[] = GOOD_HEAD "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                                           "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    cvx_ws ws;
    cvx_ws_event event;
    begin(&ws, NULL);
    feed(&ws, answer, sizeof answer - 1);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_FAILED);
    cvx_ws_done(&ws);
}

static void without_an_agreement_a_compressed_message_breaks_the_protocol(void **state)
{
    cvx_ws ws;
    cvx_ws_event event;
    begin(&ws, NULL);
    feed(&ws, GOOD, sizeof GOOD - 1);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_OPEN);
    feed(&ws, "\xc1\x01\x00", 3);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_FAILED);
    assert_int_equal(event.code, 1002);
    cvx_ws_done(&ws);
}

/* ---- reading ---- */

static void the_examples_of_the_rfc_are_read(void **state)
{
    /* One frame, two frames, without compression inside, and with a last block (7.2.3). */
    static const char bytes[] = "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
                                "\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"
                                "\xc1\x05\xf2\x00\x11\x00\x00"
                                "\xc1\x0b\x00\x05\x00\xfa\xffHello\x00"
                                "\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"
                                "\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    cvx_ws ws;
    ready(&ws, NULL);
    feed(&ws, bytes, sizeof bytes - 1);
    for (int i = 0; i < 6; i++)
        expect_text(&ws, "Hello");
    cvx_ws_done(&ws);
}

/* Compressed and plain messages, a ping between fragments, an empty message. */
static void messages_arrive_whole_however_they_are_cut(void **state)
{
    static const char text[] =
        "[{\"name\":\"value\"},{\"name\":\"value\"},{\"name\":\"valu\xc3\xa9\"}]";
    size_t len = sizeof text - 1, size;
    char payload[256];
    sender *s = new_sender();

    put_text(s, text, len);
    put_text(s, text, len); /* refers to the first */
    put_frame(s, 0x81, text, len);
    size = compress_text(s, text, len, payload, sizeof payload);
    for (size_t i = 0; i < size; i++) {
        put_frame(s, i == 0 ? 0x41 : i + 1 < size ? 0x00 : 0x80, payload + i, 1);
        put_frame(s, 0x89, "", 0);
    }
    put_frame(s, 0xc1, "\0", 1); /* the RFC's empty message */
    put_text(s, text, len);
    for (size_t cut = 1; cut <= s->len; cut++) {
        static const size_t lens[] = {
            sizeof text - 1, sizeof text - 1, sizeof text - 1, sizeof text - 1, 0, sizeof text - 1};
        cvx_ws ws;
        cvx_ws_event event;
        size_t seen = 0;
        ready(&ws, NULL);
        for (size_t at = 0; at < s->len; at += cut) {
            feed(&ws, s->bytes + at, s->len - at < cut ? s->len - at : cut);
            while (cvx_ws_next(&ws, &event) != CVX_WS_NONE) {
                assert_int_equal(event.kind, CVX_WS_TEXT);
                assert_int_equal(event.len, lens[seen++]);
                assert_memory_equal(event.text, text, event.len);
            }
        }
        assert_int_equal(seen, 6);
        cvx_ws_done(&ws);
    }
    free_sender(s);
}

static void long_messages_grow_and_are_let_go(void **state)
{
    char *text = malloc(MAX);
    uint64_t seed = 7;
    sender *s = new_sender();
    cvx_ws ws;
    size_t room;

    assert_non_null(text);
    for (size_t i = 0; i < MAX; i++)
        text[i] = (char)('a' + draw_below(&seed, 4));
    put_text(s, text, MAX); /* just within the limit */
    put_text(s, "short", 5);
    ready(&ws, NULL);
    feed(&ws, s->bytes, s->len);
    expect_text_of(&ws, text, MAX);
    assert_non_null(cvx_ws_space(&ws, &room));
    assert_int_equal(ws.deflate.message.capacity, 0);
    expect_text(&ws, "short");
    cvx_ws_done(&ws);
    free_sender(s);
    free(text);
}

typedef struct peak {
    size_t largest;
} peak;

static void *note_largest(void *ptr, size_t size, void *user)
{
    peak *p = user;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    if (size > p->largest)
        p->largest = size;
    return realloc(ptr, size);
}

static void a_bomb_is_given_up_within_the_limit(void **state)
{
    char *zeros = calloc(1, MAX + 1);
    static char payload[64 * 1024];
    peak p = {0};
    convex_mem mem = {note_largest, &p};
    sender *s = new_sender();
    cvx_ws ws;
    cvx_ws_event event;

    assert_non_null(zeros);
    memset(zeros, ' ', MAX + 1);
    size_t size = compress_text(s, zeros, MAX + 1, payload, sizeof payload);
    assert_true(size < MAX / 500);
    put_frame(s, 0x41, payload, size / 2);
    put_frame(s, 0x80, payload + size / 2, size - size / 2);
    ready(&ws, &mem);
    feed(&ws, s->bytes, s->len);
    assert_int_equal(cvx_ws_next(&ws, &event), CVX_WS_FAILED);
    assert_int_equal(event.code, 1009);
    assert_true(p.largest <= 2 * MAX + 64 * 1024);
    cvx_ws_done(&ws);
    free_sender(s);
    free(zeros);
}

static void what_breaks_the_protocol_fails_with_its_code(void **state)
{
    expect_failure("\xc1\x02\xff\xff", 4, 1007);                 /* no deflate at all */
    expect_failure("\xc1\x06\xf2\x48\xcd\xc9\xc9\x07", 8, 1007); /* cut short */
    expect_failure("\xc1\x01\x01", 3, 1007);                     /* ends in the last block */
    expect_failure("\xc1\x03\x02\x04\x00", 5, 1007);             /* refers to what was not sent */
    expect_failure("\xc1\x08\x00\x01\x00\xfe\xff\xc3\x00\x00", 10, 1007);     /* not UTF-8 */
    expect_failure("\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00", 11, 1002); /* twice marked */
    expect_failure("\xc9\x00", 2, 1002);                                      /* a ping */
    expect_failure("\xa1\x00", 2, 1002);                                      /* other bits */
    expect_failure("\xc2\x00", 2, 1002);                                      /* binary */
}

/* ---- writing ---- */

/* Unmasks the frame at `at` in place; returns where the next begins. */
static size_t open_frame(char *bytes, size_t at, size_t *ret_data, size_t *ret_len)
{
    const uint8_t *raw = (const uint8_t *)bytes + at;
    size_t len = raw[1] & 0x7f, extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    uint8_t key[4];
    if (extra > 0)
        len = 0;
    for (size_t i = 0; i < extra; i++)
        len = len << 8 | raw[2 + i];
    memcpy(key, raw + 2 + extra, 4);
    *ret_data = at + 2 + extra + 4;
    *ret_len = len;
    cvx_ws_mask(bytes + *ret_data, bytes + *ret_data, len, key, 0);
    return *ret_data + len;
}

static void expect_sent(cvx_ws *ws, const char *text, size_t len, bool compressed)
{
    size_t pending, data, size;
    char *bytes, *plain = malloc(len + 1);
    const char *out;

    assert_true(cvx_ws_send_text(ws, text, len));
    out = cvx_ws_pending(ws, &pending);
    bytes = malloc(pending + 4);
    assert_true(bytes && plain);
    memcpy(bytes, out, pending);
    cvx_ws_sent(ws, pending);
    assert_int_equal((uint8_t)bytes[0], compressed ? 0xc1 : 0x81);
    assert_int_equal(open_frame(bytes, 0, &data, &size), pending);
    if (compressed) {
        z_stream in = {0};
        memcpy(bytes + data + size, "\0\0\xff\xff", 4);
        assert_int_equal(inflateInit2(&in, -15), Z_OK); /* knows of no message before */
        in.next_in = (Bytef *)bytes + data;
        in.avail_in = (uInt)size + 4;
        in.next_out = (Bytef *)plain;
        in.avail_out = (uInt)len + 1;
        assert_int_equal(inflate(&in, Z_SYNC_FLUSH), Z_OK);
        assert_int_equal(in.avail_out, 1);
        inflateEnd(&in);
        assert_true(size <= len - len / 8);
        assert_memory_equal(plain, text, len);
    } else {
        assert_int_equal(size, len);
        assert_memory_equal(bytes + data, text, len);
    }
    free(bytes);
    free(plain);
}

static void long_texts_go_compressed_when_that_pays(void **state)
{
    enum { LEN = 20000 };
    static char json[LEN], noise[LEN];
    uint64_t seed = 3;
    cvx_ws ws;

    for (size_t i = 0; i < LEN; i++) {
        json[i] = "{\"name\":\"value\"},"[i % 17];
        noise[i] = (char)draw_below(&seed, 64);
    }
    ready(&ws, NULL);
    expect_sent(&ws, json, LEN, true);
    expect_sent(&ws, json, LEN, true);
    expect_sent(&ws, json, 8192, true);
    expect_sent(&ws, json, 8191, false);
    expect_sent(&ws, noise, LEN, true); /* six bits of eight */
    for (size_t i = 0; i < LEN; i++)
        noise[i] = (char)draw_below(&seed, 256);
    expect_sent(&ws, noise, LEN, false);
    cvx_ws_done(&ws);
}

static void a_very_long_compressed_text_is_sent_in_fragments(void **state)
{
    enum { LEN = 9 << 20 };
    char *text = malloc(LEN);
    uint64_t seed = 3;
    size_t len, at = 0, data, size;
    cvx_ws ws;

    assert_non_null(text);
    for (size_t i = 0; i < LEN; i++)
        text[i] = (char)draw_below(&seed, 64);
    ready(&ws, NULL);
    assert_true(cvx_ws_send_text(&ws, text, LEN));
    const char *out = cvx_ws_pending(&ws, &len);
    char *bytes = malloc(len);
    assert_non_null(bytes);
    memcpy(bytes, out, len);
    assert_int_equal((uint8_t)bytes[0], 0x41);
    at = open_frame(bytes, at, &data, &size);
    assert_int_equal((uint8_t)bytes[at], 0x80);
    assert_int_equal(open_frame(bytes, at, &data, &size), len);
    free(bytes);
    free(text);
    cvx_ws_done(&ws);
}

/* ---- memory ---- */

static void when_any_allocation_fails_nothing_is_lost_but_the_connection(void **state)
{
    static char text[30000];
    sender *s = new_sender();

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "{\"name\":\"value\"},"[i % 17];
    put_text(s, text, sizeof text);
    put_text(s, text, sizeof text);
    for (long n = 0, done = 0; !done; n++) {
        failing_mem counter = {.left = -1};
        convex_mem mem = failing(&counter);
        cvx_ws ws;
        cvx_ws_event event;
        ready(&ws, &mem);
        feed(&ws, s->bytes, s->len);
        counter.left = n;
        cvx_ws_next(&ws, &event);
        if (event.kind == CVX_WS_TEXT)
            cvx_ws_next(&ws, &event);
        done = event.kind == CVX_WS_TEXT && cvx_ws_send_text(&ws, text, sizeof text) &&
               counter.left > 0;
        if (event.kind != CVX_WS_TEXT) {
            assert_int_equal(event.kind, CVX_WS_FAILED);
            assert_int_equal(event.code, 1011);
        }
        cvx_ws_done(&ws);
        assert_int_equal(counter.live, 0);
    }
    free_sender(s);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(compression_is_offered_bare),
        T(an_answer_may_only_take_up_what_was_offered),
        T(an_extension_is_not_answered_twice),
        T(without_an_agreement_a_compressed_message_breaks_the_protocol),
        T(the_examples_of_the_rfc_are_read),
        T(messages_arrive_whole_however_they_are_cut),
        T(long_messages_grow_and_are_let_go),
        T(a_bomb_is_given_up_within_the_limit),
        T(what_breaks_the_protocol_fails_with_its_code),
        T(long_texts_go_compressed_when_that_pays),
        T(a_very_long_compressed_text_is_sent_in_fragments),
        T(when_any_allocation_fails_nothing_is_lost_but_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
