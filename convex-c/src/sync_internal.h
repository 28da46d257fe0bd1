/* sync_internal.h - the state that the files of the sync state machine share. */
#ifndef CVX_SYNC_INTERNAL_H
#define CVX_SYNC_INTERNAL_H

#include "optimistic.h"
#include "sync.h"
#include "sync_wire.h"
#include "view.h"

/* WAITING: until retry_at. STOPPED: for a token, after a refusal. */
typedef enum cvx_conn { CVX_WAITING, CVX_CONNECTING, CVX_OPEN, CVX_STOPPED } cvx_conn;

/* Where the identity stands; the names are those of the protocol reference. */
typedef enum cvx_auth {
    CVX_NO_AUTH, /* none, an admin key, or given up: no token can be fetched */
    CVX_INITIAL_FETCH,
    CVX_INITIAL_REFETCH,
    CVX_WAIT_CACHED,
    CVX_WAIT_FRESH,
    CVX_SCHEDULED,
    CVX_RENEWING, /* the held token has expired: nothing is sent before a fresh one */
    CVX_NOT_REFETCHING
} cvx_auth;

typedef enum cvx_credential { CVX_ANONYMOUS, CVX_USER, CVX_ADMIN } cvx_credential;

struct cvx_query {
    cvx_map_node by_token, by_id; /* by_token first: freed and found by this address */
    cvx_query *next, *prev;
    uint32_t id, token_len;
    bool sent;               /* this connection was told */
    bool awaited;            /* resubscribed and not answered since */
    bool loaded;             /* has a result of this connection */
    bool lingers;            /* nobody wants it, until linger_until */
    bool touched;            /* by optimistic updates: `shown` is to be settled */
    cvx_listener *listeners; /* NULL: none */
    cvx_request *readers;    /* NULL: none */
    int64_t linger_until;
    cvx_query *linger_next, *linger_prev;
    const convex_value *journal;
    convex_result *result;    /* the server's last */
    convex_result *shown;     /* what its listeners are told; view.c */
    cvx_stamp stamp;          /* of `result`, unless loaded */
    cvx_local *local;         /* what optimistic updates make of it; NULL: nothing */
    const convex_value *args; /* parsed for an optimistic update that asked; or NULL */
    cvx_query *next_touched, *prev_touched;
    convex_result *incoming; /* while a Transition is read */
    char token[];            /* ends in NUL */
};

typedef struct cvx_queries {
    cvx_query *first, *last;
    cvx_query *unsent; /* the first one this connection was not told; all after it neither */
    cvx_query *gone;   /* to be removed from the connection, newest first */
    cvx_map by_token, by_id;
    uint32_t next_id;
    size_t awaited, loaded;
    cvx_query *linger_first, *linger_last; /* in the order of linger_until */
    size_t lingering;
} cvx_queries;

typedef struct cvx_request_list {
    cvx_request *first, *last;
} cvx_request_list;

typedef struct cvx_requests {
    cvx_request_list wire, reads, done;
    cvx_request *unsent; /* of `wire`, the first one this connection was not told */
    cvx_map by_id;       /* those of `wire` */
    size_t reading;      /* those of `reads` */
    size_t older;        /* sent again and not answered since */
    cvx_heap by_deadline, by_ts;
} cvx_requests;

typedef struct cvx_probe_list {
    cvx_probe *first, *last;
} cvx_probe_list;

typedef struct cvx_probes {
    cvx_probe_list waiting, done;
    uint32_t number; /* of the last ping */
} cvx_probes;

struct cvx_sync {
    cvx_sync_config config;
    char session[CVX_UUID_SIZE];
    uint64_t random;

    cvx_conn conn;
    bool want_open, want_close, state_changed; /* events to come */
    bool greeted;                              /* Connect was taken on this connection */
    bool base_sent;                            /* and the first ModifyQuerySet */
    bool ever_open, ever_closed;
    int64_t now, wall_offset;
    int64_t retry_at, connect_by, active_at;
    unsigned retries;
    unsigned restarts; /* after refusals of the identity, in a row */
    int64_t restarted_at;
    uint32_t opened; /* connections, this one included */
    bool has_close_reason;
    char close_reason[128]; /* what the next Connect says */
    char last_reason[128];  /* what the state says */
    char *server_error;     /* what the state says; NULL: nothing */
    convex_status last_error;

    cvx_version version;     /* the server's, of this connection */
    uint32_t query_set_sent; /* ours */
    uint32_t identity_sent;
    bool observed;
    uint64_t max_observed;

    cvx_text chunks;
    bool chunks_open;
    uint32_t chunks_held, chunks_total;
    char *chunks_id;

    cvx_queries queries;
    cvx_requests requests;
    cvx_probes probes;
    convex_metrics metrics;
    cvx_views views;
    cvx_overlay overlay;

    cvx_auth auth;
    cvx_credential credential;
    char *secret, *acting_as; /* the token or key */
    convex_identity_state identity;
    bool swapping;     /* the program changed the identity, and the server has not confirmed it */
    bool paused;       /* nothing is sent until the first token is there */
    bool auth_unsent;  /* this connection is to be told of the credential */
    bool auth_awaited; /* it was told, at its start, and has not confirmed yet */
    unsigned refusals; /* of fresh tokens, in a row */
    bool fetch_wanted, fetch_force;
    uint32_t generation;
    int64_t refresh_at;  /* INT64_MAX: not scheduled */
    double expires_ms;   /* when `secret` ends, by the server's clock; NaN: not known */
    int64_t skew_ms;     /* our wall clock is this much ahead of the server's, as far as known */
    bool expiry_doubted; /* a fresh token looked expired: our clock is wrong, or the issuer's */
    char *auth_error;    /* NULL: none */

    const convex_value *null_value;
    cvx_text out;
};

/* sync.c */
/* Drops the connection by our own decision; it is made again after a backoff. */
void cvx_sync_drop(cvx_sync *sync, convex_status why, const char *reason);
/* The same over a FatalError: at the ceiling. */
void cvx_sync_drop_fatal(cvx_sync *sync);
/* Drops it until a token is there. */
void cvx_sync_stop(cvx_sync *sync);
void cvx_sync_restart(cvx_sync *sync);
void cvx_sync_log(cvx_sync *sync, convex_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Copies a line for a person: cut at a character, control characters made spaces. */
void cvx_sync_line(char *ret, size_t size, const char *text, size_t len);
/* Keeps such a line in the place of the one before; NULL for an empty one, or without memory. */
void cvx_sync_keep_line(cvx_sync *sync, char **ret, const char *text, size_t len);

/* sync_queries.c */
cvx_query *cvx_queries_find(const cvx_sync *sync, uint32_t id);
cvx_query *cvx_queries_find_token(const cvx_sync *sync, const char *token, size_t len,
                                  uint64_t hash);
/* Whether this connection and identity confirmed its result. */
bool cvx_query_is_fresh(const cvx_sync *sync, const cvx_query *query);
void cvx_queries_answered(cvx_sync *sync, cvx_query *query);
void cvx_queries_set_loaded(cvx_sync *sync, cvx_query *query, bool loaded);
void cvx_queries_read(cvx_sync *sync, cvx_query *query, cvx_request *request);
void cvx_queries_unread(cvx_sync *sync, cvx_request *request);
void cvx_queries_end_lingering(cvx_sync *sync);
int64_t cvx_queries_deadline(const cvx_sync *sync);
void cvx_queries_tick(cvx_sync *sync);
void cvx_queries_settled(cvx_sync *sync); /* what is loaded is the new identity's */
void cvx_queries_restart(cvx_sync *sync); /* a connection opened, and is not counted yet */
void cvx_queries_forget_gone(cvx_sync *sync);
void cvx_queries_free(cvx_sync *sync);

/* sync_requests.c */
cvx_request *cvx_requests_find(const cvx_sync *sync, uint32_t id);
/* The server answered a mutation or an action; `result` is taken. */
void cvx_requests_answer(cvx_sync *sync, cvx_request *request, convex_result *result, uint64_t ts);
void cvx_requests_visible(cvx_sync *sync, uint64_t ts); /* a Transition ended there */
/* Its result is fresh: done with its readers, and perhaps with the query. */
void cvx_requests_show(cvx_sync *sync, cvx_query *query);
void cvx_requests_restart(cvx_sync *sync);
cvx_request *cvx_requests_next_done(cvx_sync *sync);
int64_t cvx_requests_oldest(const cvx_sync *sync); /* when it began; INT64_MAX: none */
int64_t cvx_requests_deadline(const cvx_sync *sync);
void cvx_requests_tick(cvx_sync *sync);
void cvx_requests_free(cvx_sync *sync);

/* sync_probe.c */
cvx_probe *cvx_probes_next_unsent(cvx_sync *sync);
cvx_probe *cvx_probes_next_done(cvx_sync *sync);
void cvx_probes_lost(cvx_sync *sync, convex_status status); /* the connection is */
int64_t cvx_probes_deadline(const cvx_sync *sync);
void cvx_probes_tick(cvx_sync *sync);

/* sync_frames.c: the next frame this connection is to be sent; false if none. */
bool cvx_sync_frame(cvx_sync *sync);

/* sync_apply.c */
/* Whether a listener that saw one need not see the other. False when either is NULL. */
bool cvx_same_result(const convex_result *a, const convex_result *b);
void cvx_chunks_clear(cvx_sync *sync);

/* sync_auth.c */
void cvx_auth_restart(cvx_sync *sync); /* a connection opened */
void cvx_auth_transition(cvx_sync *sync, const cvx_version *start, const cvx_version *end,
                         const convex_value *clock_skew);
void cvx_auth_error(cvx_sync *sync, const convex_value *frame);
void cvx_auth_tick(cvx_sync *sync);
/* True when the held token is known to have expired: nothing may be sent, another is asked for. */
bool cvx_auth_renew_first(cvx_sync *sync);
void cvx_auth_free(cvx_sync *sync);

#endif
