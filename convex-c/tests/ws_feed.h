/* ws_feed.h - what the tests of the framing share: the handshake of RFC 6455's own example, and
 * bytes for the reader. */
#ifndef WS_FEED_H
#define WS_FEED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ws.h"

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define GOOD_HEAD                                                                                  \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, "           \
    "Upgrade\r\nsec-websocket-accept: " ACCEPT "\r\n"
#define GOOD GOOD_HEAD "\r\n"

static inline void sample_random(void *user, void *ret, size_t len)
{
    if (len == 16)
        memcpy(ret, "the sample nonce", 16);
    else
        memcpy(ret, "\x37\xfa\x21\x3d", 4);
}

static inline void feed(cvx_ws *ws, const void *data, size_t len)
{
    while (len > 0) {
        size_t room = 0;
        char *at = cvx_ws_space(ws, &room);
        assert_non_null(at);
        if (room > len)
            room = len;
        memcpy(at, data, room);
        cvx_ws_filled(ws, room);
        data = (const char *)data + room;
        len -= room;
    }
}

static inline void expect_text_of(cvx_ws *ws, const char *text, size_t len)
{
    cvx_ws_event event;
    assert_int_equal(cvx_ws_next(ws, &event), CVX_WS_TEXT);
    assert_int_equal(event.len, len);
    assert_memory_equal(event.text, text, event.len);
}

static inline void expect_text(cvx_ws *ws, const char *text)
{
    expect_text_of(ws, text, strlen(text));
}

#endif
