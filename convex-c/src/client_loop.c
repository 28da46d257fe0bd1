/* client_loop.c - the loop thread: requests of other threads in, bytes moved, callbacks out.
 * Runs in the client's own thread or inside convex_client_process(). Owns the state
 * machine, the link and the list of subscriptions. Invariants: the lock is not held
 * while user code runs; user code only ever queues, so nothing here is re-entered. */
#include "client_internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "auth_internal.h"
#include "optimistic.h"
#include "view.h"

enum { MAX_ROUNDS = 32, MAX_MESSAGES = 64 }; /* of one turn, so that a host loop stays alive */
enum { SLOW_US = 10000 };                    /* callbacks of one version that take longer */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t cvx_client_now(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

/* ---- endings ---- */

static void end_sub(convex_client *client, convex_sub *sub, convex_status why)
{
    if (sub->ended)
        return;
    sub->ended = true;
    if (sub->live) {
        if (sub->kind)
            sub->kind->stop(sub);
        else
            cvx_sync_unsubscribe(client->sync, &sub->listener);
        if (sub->prev)
            sub->prev->next = sub->next;
        else
            client->subs = sub->next;
        if (sub->next)
            sub->next->prev = sub->prev;
    }
    sub->live = false;
    if (atomic_load(&sub->closed))
        why = CONVEX_ECANCELED;
    pthread_mutex_lock(&client->lock);
    client->subscriptions--;
    pthread_mutex_unlock(&client->lock);
    if (sub->on_end)
        sub->on_end(why, sub->user);
    cvx_sub_drop(sub);
}

static void end_call(convex_client *client, cvx_call *call)
{
    bool canceling;

    pthread_mutex_lock(&client->lock);
    client->requests--;
    client->request_bytes -= call->request.body_len;
    cvx_map_remove(&client->calls, &call->by_id);
    canceling = call->canceling;
    pthread_mutex_unlock(&client->lock);
    if (call->on_done)
        call->on_done(call->request.status, call->request.result, call->user);
    call->ended = true;
    if (!canceling) /* else the queue has it still */
        cvx_call_free(client, call);
}

static void end_probe(convex_client *client, cvx_probe_call *call)
{
    pthread_mutex_lock(&client->lock);
    client->probes--;
    pthread_mutex_unlock(&client->lock);
    call->on_pong(call->probe.status, call->probe.rtt_us, call->user);
    cvx_free(&client->mem, call);
}

/* ---- outputs of the state machine ---- */

static void fetch_token(convex_client *client, const cvx_sync_event *event)
{
    convex_error error = {0};
    char *token = NULL;
    convex_status status = CONVEX_OK;

    if (client->auth.kind == CONVEX_AUTH_USER_TOKEN) {
        token = cvx_strdup(&client->mem, client->auth.token);
        status = token ? CONVEX_OK : CONVEX_ENOMEM;
    } else if (client->auth.fetch) {
        status = client->auth.fetch(client->auth.user, event->force, &token, &error);
    }
    if (status != CONVEX_OK && !error.message[0])
        strcpy(error.message, convex_status_text(status));
    if (status == CONVEX_OK && token && !cvx_auth_is_sendable(token)) {
        cvx_free_secret(&client->mem, token);
        token = NULL;
        strcpy(error.message, "the fetched token is no JWT");
    }
    cvx_sync_token(client->sync, event->generation, status == CONVEX_OK ? token : NULL,
                   error.message[0] ? error.message : NULL, cvx_client_now());
}

static void lost(convex_client *client, const char *why)
{
    cvx_link_close(&client->link);
    cvx_sync_closed(client->sync, 1006, "", why, NULL, cvx_client_now());
}

static void send_ping(convex_client *client, const cvx_sync_event *event)
{
    event->probe->sent_us = now_us();
    if (!cvx_link_ping(&client->link, event->text, event->len))
        lost(client, "out of memory");
    cvx_link_flush(&client->link);
}

static void show_result(const cvx_sync_event *event)
{
    convex_sub *sub = (convex_sub *)(void *)event->listener;
    const convex_result *result = cvx_sync_result(event->listener);

    if (atomic_load(&sub->asked) & CVX_ASK_CHANGE)
        sub->skipped = true; /* it may be of the old arguments */
    else if (result && !atomic_load(&sub->closed))
        sub->on_result(result, sub->user);
}

static void show_view(const cvx_sync_event *event)
{
    convex_sub *sub = event->view->user;

    if (!atomic_load(&sub->closed))
        sub->kind->show(sub);
}

static void show_state(convex_client *client)
{
    convex_state state;

    if (!client->on_state)
        return;
    cvx_sync_state(client->sync, cvx_client_now(), &state);
    client->on_state(&state, client->state_user);
}

/* True if user code ran. */
static bool carry_out(convex_client *client, const cvx_sync_event *event)
{
    switch (event->kind) {
    case CVX_SYNC_OPEN:
        if (cvx_link_open(&client->link) != CONVEX_OK)
            lost(client, "out of memory");
        return false;
    case CVX_SYNC_CLOSE:
        cvx_link_close(&client->link);
        return false;
    case CVX_SYNC_SEND:
        if (!cvx_link_send(&client->link, event->text, event->len))
            lost(client, "out of memory");
        return false;
    case CVX_SYNC_PING:
        send_ping(client, event);
        return false;
    case CVX_SYNC_RESULT:
        show_result(event);
        return true;
    case CVX_SYNC_VIEW:
        show_view(event);
        return true;
    case CVX_SYNC_DONE:
        end_call(client, (cvx_call *)(void *)event->request);
        return true;
    case CVX_SYNC_PROBED:
        end_probe(client, (cvx_probe_call *)(void *)event->probe);
        return true;
    case CVX_SYNC_FETCH:
        fetch_token(client, event);
        return true;
    case CVX_SYNC_STATE:
        show_state(client);
        return true;
    case CVX_SYNC_NONE:
        break;
    }
    return false;
}

static void drain(convex_client *client)
{
    int64_t began = 0;
    cvx_sync_event event;
    bool told = false;

    while (cvx_sync_next(client->sync, &event) != CVX_SYNC_NONE) {
        began = began ? began : now_us(); /* most often there is nothing to do */
        told |= carry_out(client, &event);
    }
    if (told)
        client->slow = now_us() - began > SLOW_US;
}

/* Only what concerns the connection; the rest waits, and newer results take the place of older. */
static void drain_wire(convex_client *client)
{
    cvx_sync_event event;

    while (cvx_sync_next_wire(client->sync, &event) != CVX_SYNC_NONE)
        carry_out(client, &event);
}

/* ---- what other threads asked for ---- */

static void do_subscribe(convex_client *client, convex_sub *sub)
{
    if (sub->kind)
        sub->kind->start(sub);
    else
        cvx_sync_subscribe(client->sync, sub->query, &sub->listener);
    sub->query = NULL;
    sub->live = true;
    sub->prev = NULL;
    sub->next = client->subs;
    if (client->subs)
        client->subs->prev = sub;
    client->subs = sub;
}

static unsigned take_asked(convex_client *client, convex_sub *sub, cvx_query **ret_change)
{
    unsigned asked;

    pthread_mutex_lock(&client->lock);
    asked = atomic_exchange(&sub->asked, 0);
    *ret_change = sub->next_query;
    sub->next_query = NULL;
    pthread_mutex_unlock(&client->lock);
    return asked;
}

static void do_change(convex_client *client, convex_sub *sub, cvx_query *query)
{
    if (!sub->live) {
        cvx_query_free(&client->mem, query);
        return;
    }
    cvx_sync_resubscribe(client->sync, query, &sub->listener);
    if (sub->skipped)
        cvx_view_joined(client->sync, &sub->listener);
    sub->skipped = false;
}

static void do_sub(convex_client *client, convex_sub *sub)
{
    cvx_query *change;
    unsigned asked = take_asked(client, sub, &change);

    if (asked & CVX_ASK_START)
        do_subscribe(client, sub);
    if (asked & CVX_ASK_CHANGE)
        do_change(client, sub, change);
    if ((asked & CVX_ASK_MORE) && sub->live)
        sub->kind->more(sub);
    if (asked & CVX_ASK_STOP)
        end_sub(client, sub, CONVEX_ECANCELED);
    cvx_sub_drop(sub);
}

/* The same while closing. */
static void refuse_sub(convex_client *client, convex_sub *sub)
{
    cvx_query *change;
    unsigned asked = take_asked(client, sub, &change);

    cvx_query_free(&client->mem, change);
    if (asked & (CVX_ASK_START | CVX_ASK_STOP))
        end_sub(client, sub, CONVEX_ECLOSED);
    cvx_sub_drop(sub);
}

static void do_request(convex_client *client, cvx_call *call)
{
    if (call->request.kind == CVX_READ) {
        cvx_sync_read(client->sync, call->query, &call->request);
        call->query = NULL;
    } else {
        cvx_sync_request(client->sync, &call->request);
    }
}

/* False when the call has ended, and is gone. */
static bool take_cancel(convex_client *client, cvx_call *call)
{
    pthread_mutex_lock(&client->lock);
    call->canceling = false;
    pthread_mutex_unlock(&client->lock);
    if (call->ended)
        cvx_call_free(client, call);
    else
        return true;
    return false;
}

static void end_auth_op(convex_client *client, cvx_auth_op *op)
{
    pthread_mutex_lock(&client->lock);
    client->auths--;
    pthread_mutex_unlock(&client->lock);
    cvx_auth_op_free(client, op);
}

static void do_set_auth(convex_client *client, cvx_auth_op *op)
{
    int64_t now = cvx_client_now();
    convex_auth auth = op->auth;

    drain(client); /* what was asked before goes out as the old identity */
    op->auth = (convex_auth){0};
    end_auth_op(client, op);
    cvx_auth_done(&client->auth, &client->mem);
    client->auth = auth;
    if (auth.kind == CONVEX_AUTH_ADMIN_KEY) {
        client->auth = (convex_auth){0}; /* its texts go over to the state machine */
        cvx_sync_set_auth_admin(client->sync, (char *)(uintptr_t)auth.admin_key,
                                (char *)(uintptr_t)auth.acting_as, now);
    } else if (auth.kind == CONVEX_AUTH_NONE) {
        cvx_sync_set_auth_none(client->sync, now);
    } else {
        cvx_sync_set_auth_fetch(client->sync, now);
    }
}

static void do_op(convex_client *client, cvx_op *op)
{
    switch (op->kind) {
    case CVX_OP_SUB:
        do_sub(client, op->object);
        break;
    case CVX_OP_REQUEST:
        do_request(client, op->object);
        break;
    case CVX_OP_CANCEL:
        if (take_cancel(client, op->object))
            cvx_sync_cancel(client->sync, &((cvx_call *)op->object)->request);
        break;
    case CVX_OP_PROBE:
        cvx_sync_probe(client->sync, &((cvx_probe_call *)op->object)->probe);
        break;
    case CVX_OP_SET_AUTH:
        do_set_auth(client, op->object);
        break;
    case CVX_OP_ERRAND:
        ((cvx_errand *)op->object)->run(((cvx_errand *)op->object)->user);
        break;
    }
}

/* The same while closing: nothing is begun any more. */
static void refuse_op(convex_client *client, cvx_op *op)
{
    cvx_call *call = op->object;

    switch (op->kind) {
    case CVX_OP_SUB:
        refuse_sub(client, op->object);
        break;
    case CVX_OP_REQUEST:
        call->request.status = CONVEX_ECLOSED;
        end_call(client, call);
        break;
    case CVX_OP_CANCEL:
        take_cancel(client, call);
        break;
    case CVX_OP_PROBE:
        ((cvx_probe_call *)op->object)->probe.status = CONVEX_ECLOSED;
        end_probe(client, op->object);
        break;
    case CVX_OP_SET_AUTH:
        end_auth_op(client, op->object);
        break;
    case CVX_OP_ERRAND:
        break;
    }
}

static cvx_op *take_ops(convex_client *client, bool *reconnect, bool *closing)
{
    cvx_op *ops;

    pthread_mutex_lock(&client->lock);
    ops = client->ops;
    client->ops = client->ops_last = NULL;
    *reconnect = client->reconnect;
    client->reconnect = false;
    *closing = client->closing;
    pthread_mutex_unlock(&client->lock);
    return ops;
}

/* False once the client is closing. */
static bool run_ops(convex_client *client)
{
    bool reconnect, closing;
    cvx_op *ops = take_ops(client, &reconnect, &closing);

    for (cvx_op *op = ops, *next; op; op = next) {
        next = op->next; /* the object may go with its op */
        (closing ? refuse_op : do_op)(client, op);
    }
    if (reconnect && !closing)
        cvx_sync_reconnect_now(client->sync, cvx_client_now());
    return !closing;
}

/* ---- bytes ---- */

static cvx_link_kind take_message(convex_client *client)
{
    int64_t now = cvx_client_now();
    cvx_link_event event;

    switch (cvx_link_next(&client->link, now, &event)) {
    case CVX_LINK_NONE:
        break;
    case CVX_LINK_OPENED:
        cvx_sync_opened(client->sync, now, clock_ms(CLOCK_REALTIME));
        break;
    case CVX_LINK_MESSAGE:
        cvx_sync_message(client->sync, event.text, event.len, now);
        break;
    case CVX_LINK_PONG:
        cvx_sync_pong(client->sync, event.text, event.len, now_us());
        break;
    case CVX_LINK_CLOSED:
        cvx_sync_closed(client->sync, event.code, event.reason, event.detail, event.refusal, now);
        break;
    }
    return event.kind;
}

/* One message at a time, its callbacks before the next, so that every version is seen. But when
 * callbacks are slow all that has come is read first: they are shown the newest, not a backlog. */
static void pump(convex_client *client)
{
    int messages = 0;

    while (messages < MAX_MESSAGES && take_message(client) != CVX_LINK_NONE) {
        messages++;
        drain_wire(client);
        if (client->slow)
            continue;
        drain(client);
        if (!run_ops(client))
            break;
        drain(client);
    }
    if (client->slow)
        drain(client);
    client->more = messages == MAX_MESSAGES;
}

/* ---- turns ---- */

/* With the lock held. */
static void note_metrics(convex_client *client)
{
    cvx_sync_metrics(client->sync, &client->metrics);
    client->metrics.bytes_received = client->link.received;
    client->metrics.bytes_sent = client->link.sent;
}

/* True when nothing was asked for in the meantime. */
static bool finish(convex_client *client, const convex_state *state)
{
    bool ok;

    pthread_mutex_lock(&client->lock);
    ok = client->ops == NULL;
    if (ok) {
        client->state = *state;
        note_metrics(client);
        client->finished = true;
    }
    pthread_mutex_unlock(&client->lock);
    return ok;
}

static void tear_down(convex_client *client)
{
    cvx_request *request;
    cvx_probe *probe;
    convex_state state;

    cvx_link_close(&client->link);
    while (client->subs)
        end_sub(client, client->subs, CONVEX_ECLOSED);
    while ((request = cvx_sync_take_request(client->sync)) != NULL)
        end_call(client, (cvx_call *)(void *)request);
    while ((probe = cvx_sync_take_probe(client->sync)) != NULL)
        end_probe(client, (cvx_probe_call *)(void *)probe);
    cvx_overlay_clear(client->sync);
    run_ops(client);
    cvx_sync_state(client->sync, cvx_client_now(), &state);
    state.connection = CONVEX_CONNECTION_CLOSED;
    state.retry_in_ms = state.oldest_request_ms = -1;
    if (client->on_state)
        client->on_state(&state, client->state_user);
    while (!finish(client, &state))
        run_ops(client);
}

/* False when the client is closed, or busy in another call. */
static bool begin_turn(convex_client *client)
{
    uint64_t count;
    bool ok;

    pthread_mutex_lock(&client->lock);
    ok = !client->turning && !client->finished;
    if (ok) {
        client->turning = true;
        client->turner = pthread_self();
        if (client->woken)
            client->woken = read(client->wake_fd, &count, sizeof count) != sizeof count;
    }
    pthread_mutex_unlock(&client->lock);
    return ok;
}

static void end_turn(convex_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->turning = false;
    if (!client->finished) {
        client->state_at = cvx_client_now();
        cvx_sync_state(client->sync, client->state_at, &client->state);
        note_metrics(client);
    }
    if (client->ops || client->reconnect || (client->closing && !client->finished))
        client->more = true;
    pthread_mutex_unlock(&client->lock);
}

static bool has_ops(convex_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool has = client->ops != NULL || client->closing || client->reconnect;
    pthread_mutex_unlock(&client->lock);
    return has;
}

static bool is_closing(convex_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool closing = client->closing;
    pthread_mutex_unlock(&client->lock);
    return closing;
}

static void turn(convex_client *client)
{
    bool again = true;

    client->more = false;
    for (int round = 0; again && round < MAX_ROUNDS; round++) {
        cvx_sync_wall(client->sync, cvx_client_now(), clock_ms(CLOCK_REALTIME));
        if (!run_ops(client))
            break;
        cvx_sync_tick(client->sync, cvx_client_now());
        drain(client);
        pump(client);
        cvx_link_flush(&client->link);
        again = !client->more && has_ops(client);
    }
    if (is_closing(client))
        tear_down(client);
}

convex_status cvx_client_turn(convex_client *client)
{
    convex_status status;

    cvx_client_hold(client);
    if (begin_turn(client)) {
        turn(client);
        end_turn(client);
    }
    pthread_mutex_lock(&client->lock);
    status = client->finished ? CONVEX_ECLOSED : CONVEX_OK;
    pthread_mutex_unlock(&client->lock);
    cvx_client_drop(client);
    return status;
}

int cvx_client_wait_ms(const convex_client *client)
{
    int64_t at = cvx_sync_deadline(client->sync), link_at = cvx_link_deadline(&client->link), left;

    if (client->more)
        return 0;
    if (link_at < at)
        at = link_at;
    if (at == INT64_MAX)
        return -1;
    left = at - cvx_client_now();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

void *cvx_client_thread(void *arg)
{
    convex_client *client = arg;
    struct epoll_event events[4];

    while (cvx_client_turn(client) == CONVEX_OK)
        epoll_wait(client->epoll_fd, events, 4, cvx_client_wait_ms(client));
    cvx_client_drop(client);
    return NULL;
}
