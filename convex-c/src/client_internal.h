/* client_internal.h - the client's parts, shared by the calls of any thread and the loop. */
#ifndef CVX_CLIENT_INTERNAL_H
#define CVX_CLIENT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "client_link.h"
#include "convex/client.h"
#include "shared.h"
#include "sync.h"

/* Something the loop is asked to do. Lives in the object it is about, so asking cannot fail. */
typedef enum cvx_op_kind {
    CVX_OP_SUB,
    CVX_OP_REQUEST,
    CVX_OP_CANCEL,
    CVX_OP_PROBE,
    CVX_OP_SET_AUTH,
    CVX_OP_ERRAND
} cvx_op_kind;

typedef struct cvx_op {
    cvx_op_kind kind;
    void *object;
    struct cvx_op *next;
} cvx_op;

/* What can be asked of a subscription; several things at once are done in this order. */
enum { CVX_ASK_START = 1, CVX_ASK_CHANGE = 2, CVX_ASK_MORE = 4, CVX_ASK_STOP = 8 };

/* What sets a subscription to several queries apart from one to a single query. */
typedef struct cvx_sub_kind {
    void (*start)(convex_sub *sub); /* loop thread, this one and the next two */
    void (*stop)(convex_sub *sub);
    void (*show)(convex_sub *sub);
    void (*more)(convex_sub *sub); /* loop thread: cvx_sub_ask_more() was called; or NULL */
    void (*free)(convex_sub *sub); /* what it owns; it was never started, or was stopped */
} cvx_sub_kind;

struct convex_sub {
    cvx_listener listener;    /* first: outputs name it */
    const cvx_sub_kind *kind; /* NULL: a single query */
    convex_client *client;    /* held */
    atomic_int users;         /* references of the program */
    atomic_int holds;         /* 1 for all users, 1 until the end was told, 1 for the queue */
    atomic_uint asked;        /* CVX_ASK_...; changed with the client's lock; 0: not in the queue */
    atomic_bool closed;
    bool live, ended; /* loop thread: in the client's list; on_end is through */
    bool skipped;     /* loop thread: had a result before a change that was asked for */
    cvx_op op;
    const char *path;      /* lies behind the object; NULL: not a single query */
    cvx_query *query;      /* until the loop has subscribed */
    cvx_query *next_query; /* what to change to; with the client's lock */
    convex_sub *next, *prev;
    convex_result_fn *on_result;
    convex_end_fn *on_end;
    void *user;
};

typedef struct cvx_call {
    cvx_request request; /* first: outputs name it */
    cvx_op op, cancel;
    cvx_map_node by_id; /* in the client's map, with its lock */
    bool canceling;     /* `cancel` is in the queue; with the lock */
    bool ended;         /* loop thread: on_done is through */
    cvx_query *query;   /* a query's, until the loop has it */
    char *body;         /* of the others */
    convex_done_fn *on_done;
    void *user;
} cvx_call;

typedef struct cvx_probe_call {
    cvx_probe probe; /* first: outputs name it */
    cvx_op op;
    convex_probe_fn *on_pong;
    void *user;
} cvx_probe_call;

typedef struct cvx_auth_op {
    cvx_op op;
    convex_auth auth;
} cvx_auth_op;

/* Something to be called on the loop thread. */
typedef struct cvx_errand {
    cvx_op op;
    void (*run)(void *user);
    void *user;
} cvx_errand;

/* A session that outlives the process: the server knows a mutation by (session, number), so one
 * sent under both again after a restart takes effect once. */
typedef struct cvx_session {
    char id[CVX_UUID_SIZE];   /* a UUID in lower case */
    uint32_t next_request_id; /* the first number that was never used */
    /* Called before a number >= next_request_id, or >= the last `up_to`, is used: returns CONVEX_OK
     * once no later run will begin below `up_to`. Any thread; no lock of the queue is held, but
     * other requests wait. NULL: every number may be used. */
    convex_status (*reserve)(void *user, uint32_t up_to);
    void *user;
} cvx_session;

typedef enum cvx_drive { CVX_NOT_DRIVEN, CVX_HOST_LOOP, CVX_OWN_THREAD } cvx_drive;

struct convex_client {
    convex_mem mem;
    convex_log log;
    convex_state_fn *on_state;
    void *state_user;
    size_t max_requests, max_request_bytes, max_subscriptions;
    int epoll_fd, wake_fd;
    atomic_int users;       /* references of the program */
    atomic_int holds;       /* of the memory: all users, each sub, the thread, a turn of the loop */
    atomic_uint next_pages; /* number of a paginated query */

    pthread_mutex_t lock; /* of what follows; never held while user code runs */
    pthread_cond_t joined_cond;
    cvx_op *ops, *ops_last;
    bool turning;     /* the loop will look at the queue before it sleeps */
    pthread_t turner; /* the thread of the turn */
    bool woken;       /* wake_fd was written and not read yet */
    bool closing, finished, reconnect;
    cvx_drive drive;
    pthread_t thread;
    bool joining, joined;
    cvx_map calls; /* accepted and not done */
    size_t requests, request_bytes, subscriptions, probes, auths;
    convex_state state;
    convex_metrics metrics;
    int64_t state_at;

    pthread_mutex_t id_lock; /* of what follows; taken before `lock`, held while ids are reserved */
    uint32_t next_request_id, reserved; /* numbers below `reserved` may be used */
    cvx_session session;

    /* Loop thread only. */
    cvx_sync *sync;
    cvx_link link;
    convex_auth auth; /* the fetch callback or the fixed token */
    convex_sub *subs;
    bool more; /* there was more to do than one turn allows */
    bool slow; /* the last callbacks took long */
};

/* client.c */
/* convex_client_new() for a session of before. `session` is copied. */
CVX_SHARED convex_status cvx_client_new_session(const convex_options *options,
                                                const cvx_session *session, convex_client **ret,
                                                convex_error *reterr);
void cvx_client_hold(convex_client *client);
void cvx_client_drop(convex_client *client);
void cvx_client_append(convex_client *client, cvx_op *op); /* with the lock held */
void cvx_auth_op_free(convex_client *client, cvx_auth_op *op);

/* client_subs.c */
void cvx_sub_drop(convex_sub *sub);
/* A subscription at the start of `size` zeroed bytes; NULL when memory is short. */
convex_sub *cvx_sub_new(convex_client *client, size_t size);
/* Gives it to the loop; when it is refused, frees it.
 *   ret  NULL, or where the program wants the pointer to the object that begins with `sub` */
convex_status cvx_sub_queue(convex_sub *sub, void *ret, convex_error *reterr);
/* Not again before the last asking was answered by `more` of its kind. CONVEX_OK or
 * CONVEX_ECLOSED. */
convex_status cvx_sub_ask_more(convex_sub *sub);

/* client_calls.c */
void cvx_call_free(convex_client *client, cvx_call *call);
/* A number for cvx_client_mutation_as(), reserved like any other. CONVEX_OK, CONVEX_ELIMIT, or what
 * reserve() returned. */
convex_status cvx_client_take_id(convex_client *client, uint32_t *ret);
/* Runs a mutation under a number of its own: one from cvx_client_take_id(), or one that an earlier
 * run of the session took. It must not be unfinished in this client.
 *   body     cvx_call_text() of it; copied
 *   options  as there, without component and optimistic update
 * The rest, and what is returned, as convex_client_mutation(). */
CVX_SHARED convex_status cvx_client_mutation_as(convex_client *client, uint32_t id,
                                                const char *body, size_t body_len,
                                                const convex_call_options *options,
                                                convex_done_fn *on_done, void *user,
                                                convex_error *reterr);
/* Has it run on the loop thread, with no lock held; not at all when the client closes before. It
 * must live until it has run or the client has finished. */
CVX_SHARED void cvx_client_send(convex_client *client, cvx_errand *errand);

/* client_loop.c */
CVX_SHARED int64_t cvx_client_now(void);
convex_status cvx_client_turn(convex_client *client);
int cvx_client_wait_ms(const convex_client *client); /* loop thread */
void *cvx_client_thread(void *client);

#endif
