/* discord/gateway.h - one live gateway session (v10, JSON).
 *
 * Two ways to drive it, chosen by which is called first:
 *  - discord_gateway_start(): a thread of its own;
 *  - a host loop with three calls: wait until discord_gateway_fd() is readable or
 *    discord_gateway_timeout_ms() has passed, then call discord_gateway_process().
 * Every callback runs there, one at a time, with no lock held. Callbacks may call anything here
 * except discord_gateway_free(); while one runs no heartbeat is sent, so none should take more
 * than some seconds. The own thread waits for names to be resolved; a host loop does not.
 *
 * Delivery: each dispatch as it was received; one that was not kept (see on_batch_end) comes
 * again, and Discord itself may repeat one, so programs must bear an event twice. Across a
 * session lost for good there is a gap: DISCORD_GATEWAY_READY says so, _RESUMED the contrary.
 *
 * Durability: in on_batch_end store the batch and discord_gateway_resume_state() in one
 * transaction and hand that state to discord_gateway_new() after a restart. Discord hears
 * of an event's number only after the on_batch_end that followed it returned 0. */
#ifndef DISCORD_GATEWAY_H
#define DISCORD_GATEWAY_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "discord/error.h"
#include "discord/rest.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct discord_gateway discord_gateway; /* opaque, one owner */

enum {
    DISCORD_INTENT_GUILDS = 1 << 0,
    DISCORD_INTENT_GUILD_MEMBERS = 1 << 1, /* privileged */
    DISCORD_INTENT_GUILD_MESSAGES = 1 << 9,
    DISCORD_INTENT_MESSAGE_CONTENT = 1 << 15 /* privileged */
};

/* What a session needs to be resumed, by value: store it as you like. */
typedef struct discord_resume_state {
    char session_id[128]; /* "": no session */
    char resume_gateway_url[256];
    uint64_t seq; /* of the last event */
} discord_resume_state;

/* One dispatch. Everything is borrowed until the callback returns. */
typedef struct discord_event {
    const char *name;  /* "MESSAGE_CREATE"; also READY and RESUMED */
    const cJSON *data; /* `d`; NULs and lone surrogates in strings became U+FFFD */
    const char *raw;   /* the whole payload as text, inflated, `raw_size` bytes */
    size_t raw_size;
    uint64_t seq;
    int64_t received_at_ms; /* wall clock, ms since 1970, when its last byte was read */
} discord_event;

typedef enum discord_gateway_state {
    DISCORD_GATEWAY_CONNECTING,
    DISCORD_GATEWAY_READY,        /* a new session: earlier events may be missing */
    DISCORD_GATEWAY_RESUMED,      /* the old session goes on, nothing was missed */
    DISCORD_GATEWAY_DISCONNECTED, /* comes back by itself at retry_at_ms */
    DISCORD_GATEWAY_FATAL,        /* stopped for good: a person has to act; see reason */
    DISCORD_GATEWAY_STOPPED       /* discord_gateway_stop() was called; the last callback */
} discord_gateway_state;

typedef struct discord_gateway_status {
    discord_gateway_state state;
    int close_code;      /* of the connection that ended, 0: none was received */
    int resumable;       /* DISCONNECTED, CONNECTING: a resume comes next, not an identify */
    int64_t retry_in_ms; /* DISCONNECTED: the pause before the next attempt */
    const char *reason;  /* one line for a person, borrowed, never NULL */
} discord_gateway_status;

typedef struct discord_gateway_options {
    const char *token; /* copied, wiped when freed; bare, without "Bot " */
    uint32_t intents;
    const char *url;      /* copied; ws:// or wss://. NULL: the one `rest` answers */
    discord_rest *rest;   /* borrowed for the gateway's life, asked for the URL and the identify
                              budget before each identify; NULL: url is required and the
                             identify budget is unknown */
    unsigned shard_id;    /* 0 */
    unsigned shard_count; /* 1 */
    size_t max_message;   /* 64 MiB: a larger frame closes the connection */
    uint32_t connect_timeout_ms;        /* 10000: until the server's hello */
    uint32_t max_backoff_ms;            /* 60000 */
    int compress;                       /* 1: zlib-stream; 0: plain text */
    const char *ca_file;                /* copied; PEM added to the system's, or NULL */
    const discord_resume_state *resume; /* copied; NULL or "" session: start with an identify */

    void (*on_event)(const discord_event *event, void *user);
    /* All events that arrived together were delivered (at least one). Return 0 when they are kept.
     * Anything else: they were not; the connection is closed and resumed, after a pause, behind
     * the last kept event. May be NULL: always kept. */
    int (*on_batch_end)(void *user);
    void (*on_state)(const discord_gateway_status *status, void *user);
    void *user;
    discord_log log;
} discord_gateway_options;

#define DISCORD_GATEWAY_OPTIONS_INIT                                                               \
    {                                                                                              \
        NULL, 0, NULL, NULL, 0, 1, (size_t)64 << 20, 10000, 60000, 1, NULL, NULL, NULL, NULL,      \
            NULL, NULL,                                                                            \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

/* Makes one; connects nothing. *ret is owned. Returns OK, EINVAL or ENOMEM. */
DISCORD_API discord_status discord_gateway_new(const discord_gateway_options *options,
                                               discord_gateway **ret, discord_error *reterr);

/* Starts the thread; once. Returns OK, EINVAL (it is driven already) or ENOMEM. */
DISCORD_API discord_status discord_gateway_start(discord_gateway *gateway);

/* ---- driving: host loop (one thread at a time) ---- */

DISCORD_API int discord_gateway_fd(const discord_gateway *gateway); /* same for life; POLLIN */
/* Milliseconds until discord_gateway_process() wants to run without the fd; -1: none. */
DISCORD_API int discord_gateway_timeout_ms(const discord_gateway *gateway);
/* Does what there is to do, never blocks. The first call begins;
 * inside a callback it does nothing. Returns OK; ECLOSED: stopped, the last callback has run;
 * EINVAL: it has a thread; ENOMEM: it could not begin, call it again. */
DISCORD_API discord_status discord_gateway_process(discord_gateway *gateway);

/* Asks it to end: closes with 4000, so that the session can be resumed by the next process.
 * From any thread, any time; does not wait. */
DISCORD_API void discord_gateway_stop(discord_gateway *gateway);

/* Stops, joins the thread or runs the last callbacks here, frees. Not from a callback. NULL is
 * fine. */
DISCORD_API void discord_gateway_free(discord_gateway *gateway);

/* Stop reading (1) and go on (0), from any thread: for a program whose own queue is full.
 * Heartbeats go on, nothing is lost; if Discord loses patience the session is resumed. At most
 * the batch under way is still delivered. */
DISCORD_API void discord_gateway_hold(discord_gateway *gateway, int hold);

/* The state after the last delivered event: in on_event the one being delivered, in
 * on_batch_end the last of the batch. From any thread, but only in a callback is it known
 * which event that is. A lost session gives session_id "". */
DISCORD_API void discord_gateway_resume_state(const discord_gateway *gateway,
                                              discord_resume_state *ret);

#ifdef __cplusplus
}
#endif
#endif
