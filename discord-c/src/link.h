/* link.h - one WebSocket connection on a libwebsockets context. Service thread only.
 * Binary messages are a zlib-stream, when the owner expects one; text is always plain. */
#ifndef DISCORD_SRC_LINK_H
#define DISCORD_SRC_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "url.h"

#define DLINK_FRAME_MAX 4096

struct lws_context;
typedef struct dlink dlink;

/* What a link tells its owner, until it is closed or has said closed(). */
typedef struct dlink_owner {
    void (*opened)(void *user);
    /* A whole payload, inflated, NUL-terminated, borrowed. */
    void (*message)(const char *text, size_t size, void *user);
    /* The peer broke a rule: the owner should dlink_close(). */
    void (*breach)(const char *reason, void *user);
    /* Over, or never made; the last word. code 0: no close frame came. */
    void (*closed)(int code, const char *reason, void *user);
    /* The next frame to write, or false. */
    bool (*frame)(char ret[DLINK_FRAME_MAX + 1], size_t *ret_size, void *user);
    void *user;
    size_t max_message;
    bool compressed; /* binary messages are a zlib-stream; else they are a breach */
} dlink_owner;

/* NULL without memory. Free with lws_context_destroy(). */
struct lws_context *dlink_context_new(const char *ca_file, unsigned timeout_s);

/* Begins connecting, to `address` when the name was looked up already (else NULL: that is done
 * here, blocking). `owner` is borrowed for the link's life. NULL without memory. closed()
 * may be called before this returns; *ret is set before. */
void dlink_open(struct lws_context *context, const durl *url, const char *address,
                const dlink_owner *owner, dlink **ret);
/* Sends a close frame if it can and lets go: the owner hears no more. */
void dlink_close(dlink *link, int code);
/* Asks for frame() when there is room. */
void dlink_want_frame(dlink *link);
void dlink_pause(dlink *link, bool pause);
bool dlink_is_open(const dlink *link);
/* Its socket, -1: none. */
int dlink_fd(const dlink *link);
/* What it waits for on its socket, as epoll says it. */
unsigned dlink_events(const dlink *link);
/* Open and not closing: it needs service for nothing but dlink_events(). */
bool dlink_is_settled(const dlink *link);
/* No socket any more: may be freed. */
bool dlink_is_gone(const dlink *link);
void dlink_free(dlink *link);

#endif
