/* session.h - one gateway session as a state machine without I/O.
 *
 * Inputs carry the time (ms, monotonic); outputs are actions to take, frames to send
 * and the time of the next tick. After any input: take the actions until there are none,
 * send the frames that are ready, arm one timer for dgw_due(). Not thread-safe. */
#ifndef DISCORD_SRC_SESSION_H
#define DISCORD_SRC_SESSION_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discord/gateway.h"

#define DGW_NEVER      INT64_MAX
#define DGW_FRAME_MAX  4096
#define DGW_URL_MAX    320
#define DGW_CLOSE_CODE 4000 /* 1000 or 1001 would end the session */

typedef struct dgw dgw;

typedef struct dgw_config {
    const char *token; /* copied */
    uint32_t intents;
    unsigned shard_id;
    unsigned shard_count;
    const char *url; /* copied; NULL: told by dgw_budget() */
    bool ask_budget; /* DGW_ASK before each identify */
    bool compress;   /* ask for a zlib-stream */
    uint32_t connect_timeout_ms;
    uint32_t max_backoff_ms;
    const discord_resume_state *resume; /* copied, NULL: none */
    uint32_t (*random)(void *user);
    void *user;
} dgw_config;

typedef enum dgw_action_type {
    DGW_NONE,
    DGW_ASK,     /* get /gateway/bot, answer with dgw_budget() or dgw_budget_failed() */
    DGW_CONNECT, /* open `url`, answer with dgw_opened() or dgw_closed() */
    DGW_CLOSE,   /* close with `code`; the session waits for nothing and hears no more of it */
    DGW_STATE    /* tell the program */
} dgw_action_type;

typedef struct dgw_action {
    dgw_action_type type;
    int code;                    /* CLOSE; STATE: the close code received or 0 */
    char url[DGW_URL_MAX];       /* CONNECT */
    discord_gateway_state state; /* STATE */
    bool resumable;              /* STATE */
    int64_t retry_in_ms;         /* STATE */
    char reason[256];            /* STATE */
} dgw_action;

/* The session_start_limit of GET /gateway/bot. */
typedef struct dgw_budget_info {
    const char *url;
    uint64_t total;
    uint64_t remaining;
    int64_t reset_after_ms;
} dgw_budget_info;

typedef struct dgw_event {
    const char *name;
    const cJSON *data; /* borrowed until the next input; NULL when `d` was absent */
    uint64_t seq;
} dgw_event;

/* NULL without memory, or when the token is too long for a frame. */
dgw *dgw_new(const dgw_config *config);
void dgw_free(dgw *s);

void dgw_start(dgw *s, int64_t now);
void dgw_stop(dgw *s); /* closes, then does nothing more */
void dgw_tick(dgw *s, int64_t now);
void dgw_opened(dgw *s, int64_t now);
/* The connection ended or was never made. code 0: none was received. */
void dgw_closed(dgw *s, int code, const char *reason, int64_t now);
/* A whole text message; true when *ret is an event to deliver. */
bool dgw_text(dgw *s, const char *text, size_t size, int64_t now, dgw_event *ret);
/* The transport found the peer in breach (message too large, binary, ...): close, come back. */
void dgw_breach(dgw *s, const char *reason, int64_t now);
void dgw_budget(dgw *s, const dgw_budget_info *budget, int64_t now);
void dgw_budget_failed(dgw *s, const discord_error *error, int64_t now);
/* The program kept, or did not keep, everything delivered so far. */
void dgw_kept(dgw *s, bool kept, int64_t now);
/* Reading is paused: unanswered heartbeats mean nothing meanwhile. */
void dgw_hold(dgw *s, bool hold);

bool dgw_next_action(dgw *s, dgw_action *ret);
int64_t dgw_due(const dgw *s);
bool dgw_frame_ready(const dgw *s, int64_t now);
/* The server said hello on this connection: from here on reading may pause. */
bool dgw_started(const dgw *s);
/* The next frame that may be sent now, or false. It counts as sent. */
bool dgw_next_frame(dgw *s, int64_t now, char ret[DGW_FRAME_MAX + 1], size_t *ret_size);
/* After the last delivered event. */
void dgw_resume_state(const dgw *s, discord_resume_state *ret);

/* What a close code means, by one table. */
typedef enum dgw_close_class { DGW_RESUME_IT, DGW_NEW_SESSION, DGW_FATAL } dgw_close_class;
dgw_close_class dgw_classify_close(int code, const char **ret_words);

#endif
