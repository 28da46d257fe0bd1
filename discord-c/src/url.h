/* url.h - the parts of a WebSocket address. Pure, any thread. */
#ifndef DISCORD_SRC_URL_H
#define DISCORD_SRC_URL_H

#include <stdbool.h>

typedef struct durl {
    bool tls;
    int port;
    char host[256]; /* without brackets */
    char path[512]; /* with its query, at least "/" */
} durl;

/* ws:// or wss://, no user part; false when it is anything else. */
bool durl_parse(const char *text, durl *ret);

#endif
