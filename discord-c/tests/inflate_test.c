/* inflate_test.c - the zlib-stream of a connection, against zlib itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "inflate.h"

#define SPACE (4 << 20)

/* The other end: one deflate context, a sync flush after each payload. */
typedef struct sender {
    z_stream z;
    unsigned char *out;
} sender;

static void sender_init(sender *s)
{
    memset(s, 0, sizeof *s);
    s->out = malloc(SPACE);
    assert_non_null(s->out);
    assert_int_equal(deflateInit(&s->z, 6), Z_OK);
}

static void sender_done(sender *s)
{
    deflateEnd(&s->z);
    free(s->out);
}

static size_t compress_payload(sender *s, const char *text, size_t n)
{
    s->z.next_in = (unsigned char *)(uintptr_t)text;
    s->z.avail_in = (unsigned)n;
    s->z.next_out = s->out;
    s->z.avail_out = SPACE;
    assert_int_equal(deflate(&s->z, Z_SYNC_FLUSH), Z_OK);
    return SPACE - s->z.avail_out;
}

static void expect(dinflate *d, const char *text, size_t n)
{
    size_t size = 0;
    const char *payload = dinflate_payload(d, &size);

    assert_non_null(payload);
    assert_int_equal(size, n);
    assert_memory_equal(payload, text, n);
    assert_int_equal(payload[n], '\0');
    assert_null(dinflate_payload(d, &size));
}

static void payloads_share_one_context(void **state)
{
    dinflate *d = dinflate_new(1000);
    sender s;
    size_t n = 0;

    sender_init(&s);
    for (unsigned i = 0; i < 3; i++) {
        n = compress_payload(&s, "{\"op\":11,\"d\":null}", 18);
        assert_null(dinflate_feed(d, s.out, n));
        expect(d, "{\"op\":11,\"d\":null}", 18);
    }
    assert_true(n < 15); /* the third says little more than "again" */
    sender_done(&s);
    dinflate_free(d);
}

static void a_payload_may_come_byte_by_byte(void **state)
{
    dinflate *d = dinflate_new(1000);
    sender s;
    size_t size;

    sender_init(&s);
    size_t n = compress_payload(&s, "one two three", 13);
    for (size_t i = 0; i < n; i++) {
        assert_null(dinflate_payload(d, &size)); /* not whole yet */
        assert_null(dinflate_feed(d, s.out + i, 1));
    }
    expect(d, "one two three", 13);
    sender_done(&s);
    dinflate_free(d);
}

static void a_payload_of_megabytes_is_whole(void **state)
{
    size_t n = 3 << 20;
    char *text = malloc(n);
    dinflate *d = dinflate_new(n);
    uint32_t random = 1;
    sender s;

    assert_non_null(text);
    for (size_t i = 0; i < n; i++) {
        random = random * 1664525 + 1013904223;
        text[i] = (char)('a' + (random >> 24) % 24);
    }
    sender_init(&s);
    for (unsigned round = 0; round < 2; round++) {
        size_t size = compress_payload(&s, text, n);
        for (size_t i = 0; i < size; i += 65536)
            assert_null(dinflate_feed(d, s.out + i, size - i < 65536 ? size - i : 65536));
        expect(d, text, n);
    }
    sender_done(&s);
    dinflate_free(d);
    free(text);
}

/* A thousandfold of the bytes sent. */
static void a_bomb_ends_at_the_limit(void **state)
{
    size_t n = SPACE;
    char *zeros = calloc(1, n);
    dinflate *d = dinflate_new(100000);
    sender s;

    sender_init(&s);
    size_t size = compress_payload(&s, zeros, n);
    assert_true(size < 10000);
    assert_string_equal(dinflate_feed(d, s.out, size), "a message above the size limit");
    dinflate_free(d);

    d = dinflate_new(n); /* exactly as much is not too much */
    deflateReset(&s.z);
    size = compress_payload(&s, zeros, n);
    assert_null(dinflate_feed(d, s.out, size));
    expect(d, zeros, n);
    sender_done(&s);
    dinflate_free(d);
    free(zeros);
}

static void what_is_no_stream_is_told(void **state)
{
    static const char text[] = "{\"op\":10}";
    dinflate *d = dinflate_new(1000);
    sender s;

    assert_string_equal(dinflate_feed(d, text, sizeof text - 1), "undecodable compression");
    dinflate_free(d);

    d = dinflate_new(1000);
    sender_init(&s);
    s.z.next_out = s.out;
    s.z.avail_out = SPACE;
    assert_int_equal(deflate(&s.z, Z_FINISH), Z_STREAM_END);
    assert_string_equal(dinflate_feed(d, s.out, SPACE - s.z.avail_out),
                        "the compressed stream ended");
    sender_done(&s);
    dinflate_free(d);
}

/* What a former connection left is of no use on a new one: it begins with a header again. */
static void a_new_connection_needs_a_new_context(void **state)
{
    dinflate *old = dinflate_new(1000);
    dinflate *fresh = dinflate_new(1000);
    sender first;
    sender second;

    sender_init(&first);
    sender_init(&second);
    size_t n = compress_payload(&first, "before", 6);
    assert_null(dinflate_feed(old, first.out, n));
    n = compress_payload(&second, "after", 5);
    assert_non_null(dinflate_feed(old, second.out, n));
    assert_null(dinflate_feed(fresh, second.out, n));
    expect(fresh, "after", 5);
    sender_done(&first);
    sender_done(&second);
    dinflate_free(old);
    dinflate_free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_share_one_context),
        cmocka_unit_test(a_payload_may_come_byte_by_byte),
        cmocka_unit_test(a_payload_of_megabytes_is_whole),
        cmocka_unit_test(a_bomb_ends_at_the_limit),
        cmocka_unit_test(what_is_no_stream_is_told),
        cmocka_unit_test(a_new_connection_needs_a_new_context),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
