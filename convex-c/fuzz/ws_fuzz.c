/* ws_fuzz.c - what a server may send, in pieces: first the handshake, then frames.
 * The first byte says how the rest is cut, whether the handshake is skipped, and whether
 * compressed messages are agreed on then. */
#include <stdlib.h>
#include <string.h>

#include "ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_random(void *user, void *ret, size_t len)
{
    memset(ret, 7, len);
}

static bool feed(cvx_ws *ws, const void *data, size_t len)
{
    size_t room = 0;
    char *at = cvx_ws_space(ws, &room);

    if (!at || room < len)
        abort();
    memcpy(at, data, len);
    cvx_ws_filled(ws, len);
    return true;
}

static void take_events(cvx_ws *ws)
{
    cvx_ws_event event;
    volatile char last;

    while (cvx_ws_next(ws, &event) != CVX_WS_NONE) {
        if (event.len > 0)
            last = event.text[event.len - 1];
        if (event.kind == CVX_WS_TEXT && event.len > 1000)
            abort();
    }
    (void)last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cvx_ws_config config = {.mem = cvx_mem(NULL), .max_message = 1000, .random = same_random};
    cvx_ws_event event;
    size_t step, pending;
    cvx_ws ws;

    if (size == 0)
        return 0;
    step = (data[0] >> 1 & 0x3f) + 1u;
    config.deflate = data[0] >> 7;
    cvx_ws_init(&ws, &config);
    cvx_ws_start(&ws, "h", "/", "");
    if (data[0] & 1) {
        static const char head[] = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: ";
        feed(&ws, head, sizeof head - 1);
        feed(&ws, ws.accept, strlen(ws.accept));
        feed(&ws, "\r\n", 2);
        if (config.deflate)
            feed(&ws, CVX_DEFLATE_OFFER, strlen(CVX_DEFLATE_OFFER)); /* is also the answer */
        feed(&ws, "\r\n", 2);
    }
    for (size_t at = 1; at < size; at += step) {
        feed(&ws, data + at, size - at < step ? size - at : step);
        take_events(&ws);
        cvx_ws_pending(&ws, &pending);
        cvx_ws_sent(&ws, pending / 2);
    }
    cvx_ws_end(&ws, &event);
    cvx_ws_done(&ws);
    return 0;
}
