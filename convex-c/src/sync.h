/* sync.h - the sync protocol as a state machine without I/O.
 *
 * Inputs are calls: a socket opened, a message came, time passed, the program
 * subscribed. Outputs are taken one by one with cvx_sync_next() until it says
 * CVX_SYNC_NONE. Time (monotonic ms) and random bytes are parameters. One thread.
 *
 * Frames are made when they are taken, from the difference between what is wanted
 * and what this connection was told, so there is no queue of outgoing messages.
 * No input can fail for lack of memory: what cannot be stored drops the connection,
 * and the reconnect that follows brings it again. */
#ifndef CVX_SYNC_H
#define CVX_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/client.h"
#include "sync_heap.h"
#include "sync_map.h"
#include "sync_wire.h"

typedef struct cvx_sync cvx_sync;
typedef struct cvx_query cvx_query;
typedef struct cvx_view cvx_view; /* view.h */

typedef struct cvx_sync_config {
    convex_mem mem;
    convex_log log;
    uint8_t random[32];          /* session id, and the seed of the jitter */
    const char *session;         /* copied; a UUID; NULL: made of `random` */
    unsigned connect_timeout_ms; /* all five as in convex_options, but never 0... */
    unsigned inactivity_ms;
    unsigned backoff_initial_ms; /* ...save this one: 0 means by reason */
    unsigned backoff_max_ms;
    unsigned auth_leeway_ms;
    unsigned linger_ms;          /* as in convex_options */
    size_t max_transition_bytes; /* a series of chunks together */
} cvx_sync_config;

/* NULL when memory is short. */
cvx_sync *cvx_sync_new(const cvx_sync_config *config, int64_t now_ms);
/* All requests and listeners must have been taken back before. NULL is fine. */
void cvx_sync_free(cvx_sync *sync);

/* What time it is: before anything else in a while, as the wall clock may have jumped.
 *   wall_ms  since 1970, by the machine's clock */
void cvx_sync_wall(cvx_sync *sync, int64_t now_ms, int64_t wall_ms);

/* ---- connection ---- */

void cvx_sync_opened(cvx_sync *sync, int64_t now_ms, int64_t wall_ms);
/* The connection is gone, or could not be made.
 *   code    the peer's close code, 1005 without one, 1006 when dropped
 *   reason  the peer's close reason, or ""
 *   detail  for a person, when there is no reason: what the transport said
 *   refusal the server's words when it refused the upgrade, or NULL */
void cvx_sync_closed(cvx_sync *sync, unsigned code, const char *reason, const char *detail,
                     const char *refusal, int64_t now_ms);
/* One text message. */
void cvx_sync_message(cvx_sync *sync, const char *text, size_t len, int64_t now_ms);
/* Acts on deadlines that have passed. */
void cvx_sync_tick(cvx_sync *sync, int64_t now_ms);
/* When to call cvx_sync_tick() next; INT64_MAX: never. */
int64_t cvx_sync_deadline(const cvx_sync *sync);
/* Ends a wait for the next attempt. */
void cvx_sync_reconnect_now(cvx_sync *sync, int64_t now_ms);

/* ---- queries ---- */

/* One subscriber. Lives in the caller, who touches none of it but `view`. */
typedef struct cvx_listener {
    cvx_query *query;
    cvx_view *view;                               /* speaks for it; NULL: it is its own */
    const convex_result *told;                    /* what it has seen last */
    struct cvx_listener *next, *prev;             /* of the same query */
    struct cvx_listener *next_dirty, *prev_dirty; /* that have a result to see */
    bool dirty;
} cvx_listener;

/* The memory a subscription needs, got beforehand so that subscribing cannot fail.
 *   token  cvx_call_text() of the query; taken, also on failure */
cvx_query *cvx_query_new(const convex_mem *mem, char *token, size_t token_len);
void cvx_query_free(const convex_mem *mem, cvx_query *query); /* one never subscribed */

/* `query` is taken; an equal live one takes its place. */
void cvx_sync_subscribe(cvx_sync *sync, cvx_query *query, cvx_listener *listener);
void cvx_sync_unsubscribe(cvx_sync *sync, cvx_listener *listener);
/* Both in one step, and in one frame: `query`, taken, takes the place of the listener's. What the
 * listener is shown from now on is of the new one; nothing happens when they are equal. */
void cvx_sync_resubscribe(cvx_sync *sync, cvx_query *query, cvx_listener *listener);
/* What the listener is to be shown; NULL: still loading. Borrowed. */
const convex_result *cvx_sync_result(const cvx_listener *listener);
uint32_t cvx_sync_query_id(const cvx_listener *listener);

/* ---- requests ---- */

typedef enum cvx_request_kind { CVX_MUTATION, CVX_ACTION, CVX_READ } cvx_request_kind;

/* A mutation, an action, or a query asked once. Lives in the caller; ours from cvx_sync_request()
 * or cvx_sync_read() until it comes back in a CVX_SYNC_DONE event or from cvx_sync_take_request().
 */
typedef struct cvx_request {
    uint32_t id;
    cvx_request_kind kind;
    bool at_commit;   /* a mutation done when answered, not when visible */
    const char *body; /* cvx_call_text() of the function, unless a READ; lives as long */
    size_t body_len;
    int64_t began_at;          /* ms */
    int64_t deadline;          /* ms; 0: none */
    struct cvx_update *update; /* optimistic.h; taken by cvx_sync_request(); or NULL */
    convex_status status;      /* when done */
    convex_result *result;     /* when done with CONVEX_OK; owned by the caller from then on */

    /* private */
    bool sent, answered, older, finished;
    uint64_t ts; /* of the answer */
    struct cvx_request *next, *prev;
    cvx_map_node by_id;
    cvx_heap_node by_deadline, by_ts;
    cvx_query *query; /* of a READ, and its other readers */
    struct cvx_request *reader_next, *reader_prev;
} cvx_request;

/* A mutation or an action; mutations run in the order of these calls. */
void cvx_sync_request(cvx_sync *sync, cvx_request *request);
/* Asks for the first result of a query that this connection and identity confirm: at once when a
 * live one has it. `query` is taken, as by cvx_sync_subscribe(). */
void cvx_sync_read(cvx_sync *sync, cvx_query *query, cvx_request *request);
/* Ends one: CONVEX_OK if the answer is known already, CONVEX_EUNKNOWN if it was sent, else
 * CONVEX_ECANCELED, and then it never is sent. One that is finished stays so. */
void cvx_sync_cancel(cvx_sync *sync, cvx_request *request);
/* Gives up the oldest unfinished request: the same, but CONVEX_ECLOSED. */
cvx_request *cvx_sync_take_request(cvx_sync *sync);

/* ---- probes ---- */

/* A ping that somebody waits for. Lives in the caller; ours from cvx_sync_probe() until it comes
 * back in a CVX_SYNC_PROBED event or from cvx_sync_take_probe(). */
typedef struct cvx_probe {
    int64_t deadline;     /* ms; without a pong by then the connection is dropped */
    int64_t sent_us;      /* set by the caller when it has sent the ping */
    convex_status status; /* when done: CONVEX_OK, CONVEX_ETIMEOUT or CONVEX_ENETWORK */
    unsigned rtt_us;      /* when done with CONVEX_OK */

    /* private */
    bool sent;
    char data[4];
    struct cvx_probe *next;
} cvx_probe;

void cvx_sync_probe(cvx_sync *sync, cvx_probe *probe);
/* A pong with the bytes of a ping. */
void cvx_sync_pong(cvx_sync *sync, const char *data, size_t len, int64_t now_us);
/* Gives one up: CONVEX_ECLOSED. */
cvx_probe *cvx_sync_take_probe(cvx_sync *sync);

/* ---- identity ---- */

void cvx_sync_set_auth_none(cvx_sync *sync, int64_t now_ms);
/* Both texts are taken, made with the allocator of the config. */
void cvx_sync_set_auth_admin(cvx_sync *sync, char *key, char *acting_as, int64_t now_ms);
/* Tokens come from CVX_SYNC_FETCH events; nothing is sent before the first is answered. */
void cvx_sync_set_auth_fetch(cvx_sync *sync, int64_t now_ms);
/* Answers the CVX_SYNC_FETCH event of that generation; older ones are ignored.
 *   token  taken, made with the allocator of the config; NULL: none
 *   error  why there is none, or NULL */
void cvx_sync_token(cvx_sync *sync, uint32_t generation, char *token, const char *error,
                    int64_t now_ms);

/* ---- outputs ---- */

typedef enum cvx_sync_kind {
    CVX_SYNC_NONE = 0,
    CVX_SYNC_OPEN,   /* make a connection */
    CVX_SYNC_CLOSE,  /* drop the connection; cvx_sync_closed() is not called for it */
    CVX_SYNC_SEND,   /* one text frame; borrowed until the next call */
    CVX_SYNC_PING,   /* the ping of `probe`, with `text` as its bytes */
    CVX_SYNC_RESULT, /* show `listener` its query's result */
    CVX_SYNC_VIEW,   /* show what `view` has made of its queries */
    CVX_SYNC_DONE,   /* `request` is finished and the caller's again */
    CVX_SYNC_PROBED, /* `probe` is finished and the caller's again */
    CVX_SYNC_FETCH,  /* get a token; answer with cvx_sync_token() */
    CVX_SYNC_STATE   /* cvx_sync_state() changed */
} cvx_sync_kind;

typedef struct cvx_sync_event {
    cvx_sync_kind kind;
    const char *text; /* SEND, PING */
    size_t len;
    cvx_listener *listener; /* RESULT */
    cvx_view *view;         /* VIEW */
    cvx_request *request;   /* DONE */
    cvx_probe *probe;       /* PING, PROBED */
    uint32_t generation;    /* FETCH */
    bool force;             /* FETCH: a cached token will not do */
} cvx_sync_event;

cvx_sync_kind cvx_sync_next(cvx_sync *sync, cvx_sync_event *ret);
/* The same, but only what concerns the connection: OPEN, CLOSE, SEND and PING. */
cvx_sync_kind cvx_sync_next_wire(cvx_sync *sync, cvx_sync_event *ret);
void cvx_sync_state(const cvx_sync *sync, int64_t now_ms, convex_state *ret);
/* Without the bytes. */
void cvx_sync_metrics(const cvx_sync *sync, convex_metrics *ret);

/* The delay before the next attempt. `random` is in [0, 1). */
unsigned cvx_sync_backoff_ms(const cvx_sync_config *config, const char *reason, bool ours,
                             unsigned retries, double random);

/* For tests: the version the server last announced. */
typedef struct cvx_version {
    uint32_t query_set, identity;
    uint64_t ts;
} cvx_version;
cvx_version cvx_sync_version(const cvx_sync *sync);
/* For tests: the identity is being changed, and nothing is shown. */
bool cvx_sync_is_swapping(const cvx_sync *sync);

#endif
