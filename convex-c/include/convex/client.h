/* convex/client.h - one live connection to one Convex deployment.
 *
 * Live queries, and mutations that take effect exactly once, over the sync
 * WebSocket. The connection is kept: it reconnects by itself, sends the identity,
 * the queries and the unanswered mutations again, and keeps the last results.
 *
 * Two ways to drive it, chosen by which is called first:
 *  - convex_client_start_thread(): the client runs on a thread of its own;
 *  - a host loop with three calls: wait until convex_client_fd() is readable or
 *    convex_client_timeout_ms() has passed, then call convex_client_process().
 *
 * Thread-safe unless a function says otherwise. Callbacks run on the loop thread
 * (the own thread, or the one inside convex_client_process()), one at a time, with
 * no lock held, and may call anything here. Closing or releasing the client or a subscription
 * inside a callback is legal and takes effect when the callback has returned; inside one
 * convex_client_join() only closes, and convex_client_process() does nothing.
 * An object may be used until the caller gives up its reference, closed or not; after the close
 * calls return CONVEX_ECLOSED, or do nothing. NULL in the place of an object is CONVEX_EINVAL,
 * or does nothing.
 *
 * Signals, standard streams and process-wide state are left alone. Programs should
 * ignore SIGPIPE, as TLS libraries may raise it. */
#ifndef CONVEX_CLIENT_H
#define CONVEX_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "convex/auth.h"
#include "convex/error.h"
#include "convex/log.h"
#include "convex/mem.h"
#include "convex/network.h"
#include "convex/optimistic.h"
#include "convex/result.h"
#include "convex/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct convex_client convex_client;                       /* opaque, counted */
typedef struct convex_sub convex_sub;                             /* opaque, counted */
typedef struct convex_transport_factory convex_transport_factory; /* opaque */

/* ---- state ---- */

/* Where the connection stands. */
typedef enum convex_connection {
    CONVEX_CONNECTION_CONNECTING = 0, /* the first attempt */
    CONVEX_CONNECTION_CONNECTED,      /* the WebSocket is open */
    CONVEX_CONNECTION_RECONNECTING,   /* it was lost, or could not be made, and is tried again */
    CONVEX_CONNECTION_CLOSED          /* convex_client_close(); final */
} convex_connection;

/* Where the identity stands. */
typedef enum convex_identity_state {
    CONVEX_IDENTITY_NONE = 0,  /* anonymous, by choice */
    CONVEX_IDENTITY_PENDING,   /* being fetched, or sent and not yet confirmed */
    CONVEX_IDENTITY_CONFIRMED, /* the server accepted it */
    CONVEX_IDENTITY_REJECTED   /* the server refused it (a fetched token: also the fresh ones made
                                  after it), or none could be fetched: anonymous until
                                  convex_client_set_auth(). `auth_error` has the words */
} convex_identity_state;

/* A copy; nothing to release. */
typedef struct convex_state {
    convex_connection connection;
    convex_identity_state identity;
    convex_status last_error; /* what went wrong last; CONVEX_OK again once all is answered.
                                 CONVEX_EAUTH: see auth_error; CONVEX_ESERVER: see server_error and
                                 close_reason; CONVEX_ENETWORK, CONVEX_ETIMEOUT (silence, or an
                                 attempt that took too long), CONVEX_EPROTOCOL, CONVEX_ENOMEM: see
                                 close_reason */
    char close_reason[128]; /* why the last connection ended or could not be made; "" if none did */
    char auth_error[512];   /* last refusal, in the server's words, or why no token could be had;
                               "" once an identity is confirmed */
    char server_error[512]; /* last FatalError or handshake refusal, in the server's words; "" once
                               connected and answered again */
    int64_t retry_in_ms;    /* until the next attempt; -1: none is waiting */
    int64_t oldest_request_ms; /* age of the oldest unfinished request; -1: there is none */
    uint32_t connections;      /* WebSockets opened so far */
    uint32_t retries;          /* attempts since the last healthy connection */
    size_t queries;            /* distinct live queries, those that linger included */
    size_t queries_loading; /* of these, without a result of the present identity and connection */
    size_t requests;        /* mutations, actions and single queries not finished */
} convex_state;

/* Called when connection, identity or one of the three texts changed, and after each failed
 * attempt. A daemon that must not run anonymously stops at CONVEX_IDENTITY_REJECTED. */
typedef void convex_state_fn(const convex_state *state, void *user);

/* ---- options ---- */

/* How a client is made; begin with CONVEX_OPTIONS_INIT. */
typedef struct convex_options {
    size_t size;               /* set by CONVEX_OPTIONS_INIT: which options the program knows */
    const char *url;           /* copied; the deployment: "https://happy-animal-1.convex.cloud" */
    const convex_auth *auth;   /* copied; NULL: anonymous. Nothing is sent before the first token
                                  was fetched */
    const char *client_name;   /* copied; sent as Convex-Client, "<name>-<semver>"; NULL: ours */
    convex_log log;            /* default: silent */
    convex_mem mem;            /* default: libc */
    convex_state_fn *on_state; /* NULL: none */
    void *state_user;          /* passed to on_state; must live until CONVEX_CONNECTION_CLOSED was
                                  reported, which is the last call */

    unsigned connect_timeout_ms; /* DNS to the upgrade's answer; 0: 10 000 */
    unsigned inactivity_ms;      /* silence after which a connection is given up; 0: 60 000 */
    unsigned backoff_initial_ms; /* first delay, doubled per failure; 0: as the server's reason
                                    asks, 1000 or 3000, and 100 after giving up a connection */
    unsigned backoff_max_ms;     /* ceiling before jitter (x 0.5 to 1.5); 0: 16 000 */
    unsigned auth_leeway_ms;     /* a token is renewed this long before it ends; 0: 10 000 */
    unsigned linger_ms;  /* a query that nobody wants any more stays live this long, so that whoever
                            comes back to it has its result at once; 0: not at all. At most 256
                            linger, the last ones; all go when the identity is changed */
    size_t max_requests; /* unfinished requests; 0: 1000. Beyond: CONVEX_EBUSY */
    size_t max_request_bytes; /* their arguments together; 0: 64 MiB. Beyond: CONVEX_EBUSY */
    size_t max_subscriptions; /* open convex_subs; 0: 10 000. Beyond: CONVEX_EBUSY */
    size_t max_message_bytes; /* one server message, inflated; 0: 64 MiB. A set of results that
                                 comes in pieces may have eight times as much. Beyond: reconnect */
    int no_compression;       /* not 0: compressed messages (permessage-deflate) are not offered */

    convex_network network;                    /* copied */
    const convex_transport_factory *transport; /* borrowed for the client's life; who opens and
                                                  serves the connection, such as convex/lws.h; NULL:
                                                  a socket, with libcurl for proxies and TLS */
} convex_options;

#ifdef __cplusplus
static inline convex_options convex_options_init(void)
{
    convex_options options = {};
    options.size = sizeof options;
    return options;
}
#define CONVEX_OPTIONS_INIT convex_options_init()
#else
/* clang-format off */
#define CONVEX_OPTIONS_INIT {.size = sizeof(convex_options)}
/* clang-format on */
#endif

/* ---- lifetime ---- */

/* Makes a client; no connection is made and no callback runs before it is driven.
 *   ret  owned, release with convex_client_unref(); untouched on error
 * Returns CONVEX_OK, CONVEX_EINVAL (the URL or another option; see reterr), CONVEX_ENOMEM, or
 * CONVEX_ELIMIT (no file descriptor to be had). */
CONVEX_API convex_status convex_client_new(const convex_options *options, convex_client **ret,
                                           convex_error *reterr);
CONVEX_API convex_client *convex_client_ref(convex_client *client);
/* Releasing the last reference closes the client first. Without an own thread the
 * last callbacks then run inside this call; with one they run there, soon. */
CONVEX_API void convex_client_unref(convex_client *client); /* NULL is fine */

/* Begins to close, and returns at once: subscriptions end with CONVEX_ECLOSED,
 * unfinished requests with CONVEX_ECLOSED when never sent and CONVEX_EUNKNOWN when sent,
 * and CONVEX_CONNECTION_CLOSED is reported last. Calling it again does nothing. */
CONVEX_API void convex_client_close(convex_client *client);

/* ---- driving: own thread ---- */

/* Starts the client's own thread (all signals blocked in it). Returns CONVEX_OK, CONVEX_EINVAL
 * when it is already driven, CONVEX_ECLOSED, CONVEX_ELIMIT. */
CONVEX_API convex_status convex_client_start_thread(convex_client *client);
/* Closes, then waits until the thread has run the last callback. No callback runs
 * afterwards. Without an own thread: closes and runs the last callbacks here. */
CONVEX_API void convex_client_join(convex_client *client);

/* ---- driving: host loop (one thread at a time) ---- */

CONVEX_API int
convex_client_fd(const convex_client *client); /* same fd for life; wait for POLLIN */
/* Milliseconds until convex_client_process() wants to run without the fd; -1: none. */
CONVEX_API int convex_client_timeout_ms(const convex_client *client);
/* Does what there is to do, never blocks (except as long as a token callback takes).
 * Call it once to begin; while another call of it runs it does nothing. Returns CONVEX_OK, or
 * CONVEX_ECLOSED once closed: the last callback has run and there is nothing more to drive. */
CONVEX_API convex_status convex_client_process(convex_client *client);

/* ---- live queries ---- */

/* `result` is borrowed until the callback returns; keep it by ref. Called once for each
 * distinct result, in order. A slow consumer skips to the newest: when the callbacks of one
 * version took more than 10 ms, all that has come meanwhile is read before the next are called. */
typedef void convex_result_fn(const convex_result *result, void *user);
/* Called exactly once, after the last result: free `user` here. `why` is
 * CONVEX_ECANCELED after convex_sub_close() or the last unref, or CONVEX_ECLOSED. */
typedef void convex_end_fn(convex_status why, void *user);

/* Subscribes to the query `path`; survives reconnects. Equal queries share one on the wire.
 *   path       copied; "module:function"
 *   args       an object, copied as text before return; NULL means {}
 *   on_end     may be NULL
 *   user       passed back untouched, yours until on_end
 *   ret        owned, release with convex_sub_unref(); untouched on error. NULL: the
 *              subscription lives as long as the client
 * Returns CONVEX_OK, CONVEX_EINVAL (the path or the arguments; reterr names the offending one, as
 * in "args.list[3]"), CONVEX_ENOMEM, CONVEX_EBUSY or CONVEX_ECLOSED; on error no callback will
 * run. */
CONVEX_API convex_status convex_client_subscribe(convex_client *client, const char *path,
                                                 const convex_value *args,
                                                 convex_result_fn *on_result, convex_end_fn *on_end,
                                                 void *user, convex_sub **ret,
                                                 convex_error *reterr);
CONVEX_API convex_sub *convex_sub_ref(convex_sub *sub);
CONVEX_API void convex_sub_unref(convex_sub *sub); /* the last one closes; NULL is fine */
/* Changes the arguments in one step: the server is told of the old query's end and the new one's
 * beginning in one message, and after this returns no result of the old arguments is delivered
 * (from another thread than the loop's: one that is being delivered may still run). A result that
 * an equal live query has already is delivered at once; equal arguments change nothing. Of
 * several changes made before the loop runs only the last counts.
 *   args  an object, copied as text before return; NULL means {}
 * Returns CONVEX_OK, CONVEX_EINVAL (reterr names the argument), CONVEX_ENOMEM or CONVEX_ECLOSED;
 * on error the old arguments stay. */
CONVEX_API convex_status convex_sub_set_args(convex_sub *sub, const convex_value *args,
                                             convex_error *reterr);
/* Ends it. From the loop thread: no result is delivered after this returns. From
 * another thread: one that is being delivered may still run. */
CONVEX_API void convex_sub_close(convex_sub *sub); /* NULL is fine */

/* ---- mutations, actions, single queries ---- */

/* Called exactly once.
 *   status  CONVEX_OK: `result` says whether the function returned or threw. Else `result` is
 *           NULL and:
 *           CONVEX_EUNKNOWN   sent, outcome unknown: an action whose connection was lost, or a
 *                             mutation or action cancelled, timed out or given up by the close;
 *                             it is not sent again
 *           CONVEX_ECANCELED  cancelled, and never sent
 *           CONVEX_ETIMEOUT   the timeout passed, and it was never sent
 *           CONVEX_ECLOSED    the client was closed, and it was never sent
 *           A single query changes nothing, so it is never CONVEX_EUNKNOWN. A mutation whose
 *           answer is known, and which waits only to be seen, is CONVEX_OK in all these cases
 *   result  borrowed until the callback returns; keep it by ref */
typedef void convex_done_fn(convex_status status, const convex_result *result, void *user);

enum {
    /* Call on_done as soon as the server answers, when the mutation is committed but the
     * subscriptions of this client may not show it yet. Default: wait until they do. */
    CONVEX_AT_COMMIT = 1u << 0
};

/* How one call is made; NULL in a call means all defaults. */
typedef struct convex_call_options {
    unsigned flags;        /* CONVEX_AT_COMMIT, mutations only */
    unsigned timeout_ms;   /* from the call to on_done; 0: none */
    const char *component; /* copied; path of the component that has the function, "a/b"; NULL: the
                              app itself. Needs an admin key: the server ends the session over one
                              from anybody else */
    const convex_optimistic *optimistic; /* copied; mutations only: what it will make of the results
                                            of live queries, shown at once; NULL: nothing */
} convex_call_options;

#ifdef __cplusplus
/* clang-format off */
#define CONVEX_CALL_OPTIONS_INIT {}
#else
#define CONVEX_CALL_OPTIONS_INIT {.flags = 0}
/* clang-format on */
#endif

/* Runs the mutation `path`, exactly once, after all mutations called before it; it
 * is sent again after a reconnect until answered.
 *   args     an object, copied as text before return; NULL means {}
 *   options  borrowed; NULL: all defaults
 *   on_done  may be NULL
 *   ret_id   may be NULL: the request's number, unique within the client
 * Returns CONVEX_OK, CONVEX_EINVAL (the path, the arguments or an option; reterr names the
 * offending one, as in "args.list[3]"), CONVEX_ENOMEM, CONVEX_EBUSY (a limit of the options),
 * CONVEX_ELIMIT (2^32 requests were made) or CONVEX_ECLOSED; on error on_done will not run. */
CONVEX_API convex_status convex_client_mutation(convex_client *client, const char *path,
                                                const convex_value *args,
                                                const convex_call_options *options,
                                                convex_done_fn *on_done, void *user,
                                                uint32_t *ret_id, convex_error *reterr);
/* Runs the action `path`, at most once: it is not sent again after its connection was lost, and
 * ends in CONVEX_EUNKNOWN then. Actions run side by side. The rest as convex_client_mutation(). */
CONVEX_API convex_status convex_client_action(convex_client *client, const char *path,
                                              const convex_value *args,
                                              const convex_call_options *options,
                                              convex_done_fn *on_done, void *user, uint32_t *ret_id,
                                              convex_error *reterr);

/* Asks the query `path` once: on_done gets the first result that the present connection and
 * identity confirm. That is the one at hand when an equal query is live and has been confirmed,
 * else it is subscribed to until the result is there, reconnects included. Optimistic updates do
 * not show in it. The rest as convex_client_mutation(). */
CONVEX_API convex_status convex_client_query(convex_client *client, const char *path,
                                             const convex_value *args,
                                             const convex_call_options *options,
                                             convex_done_fn *on_done, void *user, uint32_t *ret_id,
                                             convex_error *reterr);
/* Ends the request with this number: on_done is called soon (see there with which status), and
 * what was not sent is never sent. Does nothing when it is finished already, or was never made. */
CONVEX_API void convex_client_cancel(convex_client *client, uint32_t id);

/* ---- the rest ---- */

/* Changes the identity; NULL or CONVEX_AUTH_NONE signs out. Requests made later run as the
 * new identity. No result that the server made for the former identity is delivered once the
 * loop has taken this up: subscribers keep what they were told last until the new identity is
 * confirmed, and are then told what differs. A mutation whose connection is lost before its answer
 * is sent again as the identity of then. The credential is copied; a fetch callback's
 * `user` must live until the next set_auth has been processed or the client is closed.
 * Returns CONVEX_OK, CONVEX_EINVAL, CONVEX_ENOMEM, CONVEX_EBUSY (64 changes wait for the loop) or
 * CONVEX_ECLOSED. */
CONVEX_API convex_status convex_client_set_auth(convex_client *client, const convex_auth *auth);
/* What on_state was told last, with ages and counts as they are now. */
CONVEX_API void convex_client_state(const convex_client *client, convex_state *ret);
/* Ends a wait for the next attempt: call when the network is known to be back. */
CONVEX_API void convex_client_reconnect_now(convex_client *client);

/* Called exactly once.
 *   status  CONVEX_OK: the server answered. CONVEX_ETIMEOUT: it did not in time, and the connection
 *           is given up and made again. CONVEX_ENETWORK: there is no connection, or it was lost
 *           meanwhile. CONVEX_ECLOSED
 *   rtt_us  microseconds from the ping to its pong; 0 unless CONVEX_OK */
typedef void convex_probe_fn(convex_status status, unsigned rtt_us, void *user);
/* Asks the server for a sign of life, with a WebSocket ping: call when the connection may have died
 * in silence, as after a sleep or a change of network.
 *   timeout_ms  0: 5000
 * Returns CONVEX_OK, CONVEX_EINVAL, CONVEX_ENOMEM, CONVEX_EBUSY (16 are under way) or
 * CONVEX_ECLOSED; on error on_pong will not run. */
CONVEX_API convex_status convex_client_probe(convex_client *client, unsigned timeout_ms,
                                             convex_probe_fn *on_pong, void *user);

/* Counters since the client was made, as of the end of the loop's last turn. */
typedef struct convex_metrics {
    uint64_t bytes_received, bytes_sent; /* of the WebSocket, as compressed; TLS not counted */
    uint64_t messages_received, messages_sent;
    uint64_t transitions;       /* sets of results of one version */
    uint64_t chunks;            /* pieces of large ones */
    uint64_t results_delivered; /* calls of on_result, and of on_snapshot and the like */
    uint64_t results_skipped;   /* not delivered, as a newer one came before */
    uint64_t requests_returned, requests_threw, requests_unknown, requests_timed_out;
    uint64_t requests_canceled; /* by the caller or the close, never sent */
    uint64_t attempts;          /* to connect */
    uint64_t connections;       /* of these, that became a WebSocket */
    uint64_t token_fetches;
    uint64_t last_rtt_us; /* of the last probe that was answered; 0: none */
} convex_metrics;

/* A copy of the counters. */
CONVEX_API void convex_client_metrics(const convex_client *client, convex_metrics *ret);

#ifdef __cplusplus
}
#endif
#endif
