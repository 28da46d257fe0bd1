/* frame_fuzz.c - any frames, closes and ticks: the session must keep its invariants. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t third(void *user)
{
    return UINT32_MAX / 3;
}

static void drain(dgw *s, int64_t now)
{
    dgw_action action;
    durl url;

    while (dgw_next_action(s, &action)) {
        if (action.type == DGW_CONNECT) {
            if (!durl_parse(action.url, &url))
                abort();
            dgw_opened(s, now);
        } else if (action.type == DGW_CLOSE && (action.code == 1000 || action.code == 1001)) {
            abort();
        }
    }
}

/* The input is lines; the first byte of each says what it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dgw_config config = {.token = "t",
                         .shard_count = 1,
                         .url = "ws://h",
                         .connect_timeout_ms = 1000,
                         .max_backoff_ms = 1000,
                         .random = third};
    dgw *s = dgw_new(&config);
    char frame[DGW_FRAME_MAX + 1];
    int64_t now = 1000;

    dgw_start(s, now);
    drain(s, now);
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t n = end ? (size_t)(end - data) : size;
        size_t sent;
        dgw_event event;
        if (n && data[0] == 'T') {
            now = dgw_due(s) != DGW_NEVER && dgw_due(s) > now ? dgw_due(s) : now + 1;
            dgw_tick(s, now);
        } else if (n > 2 && data[0] == 'C') {
            dgw_closed(s, data[1] << 8 | data[2], "", now);
        } else if (n && data[0] == 'K') {
            dgw_kept(s, n > 1, now);
        } else if (dgw_text(s, (const char *)data, n, now, &event) && !event.name) {
            abort();
        }
        drain(s, now);
        while (dgw_next_frame(s, now, frame, &sent))
            if (sent > DGW_FRAME_MAX)
                abort();
        drain(s, now);
        data += n + (end ? 1 : 0);
        size -= n + (end ? 1 : 0);
    }
    dgw_free(s);
    return 0;
}
