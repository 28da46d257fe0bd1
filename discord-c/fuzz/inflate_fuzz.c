/* inflate_fuzz.c - any bytes in any pieces as a zlib-stream of payloads for a session: no more
 * memory than allowed, and what was compressed here comes out whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "inflate.h"
#include "session.h"

#define MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t third(void *user)
{
    return UINT32_MAX / 3;
}

static dgw *session(void)
{
    dgw_config config = {.token = "t",
                         .shard_count = 1,
                         .url = "ws://h",
                         .compress = true,
                         .connect_timeout_ms = 1000,
                         .max_backoff_ms = 1000,
                         .random = third};
    dgw *s = dgw_new(&config);

    dgw_start(s, 0);
    dgw_opened(s, 0);
    return s;
}

/* Foreign bytes: whatever comes out is given to a session. */
static void foreign(const uint8_t *data, size_t size, size_t piece)
{
    dinflate *d = dinflate_new(MAX);
    dgw *s = session();
    dgw_event event;
    size_t n;

    for (size_t i = 0; i < size; i += piece) {
        if (dinflate_feed(d, data + i, size - i < piece ? size - i : piece))
            break;
        const char *payload = dinflate_payload(d, &n);
        if (!payload)
            continue;
        if (n > MAX || payload[n] != '\0')
            abort();
        dgw_text(s, payload, n, 1, &event);
    }
    dgw_free(s);
    dinflate_free(d);
}

/* Our own bytes: the input compressed, in two payloads. */
static void own(const uint8_t *data, size_t size, size_t piece)
{
    dinflate *d = dinflate_new(size);
    unsigned char *out = malloc(size + 4096);
    z_stream z = {0};
    size_t n = 0;

    deflateInit(&z, 1);
    for (unsigned round = 0; round < 2; round++) {
        z.next_in = (unsigned char *)(uintptr_t)data;
        z.avail_in = (unsigned)size;
        z.next_out = out;
        z.avail_out = (unsigned)size + 4096;
        deflate(&z, Z_SYNC_FLUSH);
        size_t sent = size + 4096 - z.avail_out;
        for (size_t i = 0; i < sent; i += piece)
            if (dinflate_feed(d, out + i, sent - i < piece ? sent - i : piece))
                abort();
        const char *payload = dinflate_payload(d, &n);
        if (!payload || n != size || memcmp(payload, data, size) != 0)
            abort();
    }
    deflateEnd(&z);
    free(out);
    dinflate_free(d);
}

/* The first byte: the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    foreign(data + 1, size - 1, (size_t)data[0] + 1);
    own(data + 1, size - 1, (size_t)data[0] + 1);
    return 0;
}
