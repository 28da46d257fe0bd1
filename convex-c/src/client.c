/* client.c - the public calls of the live client: what any thread may ask for.
 * Owns the object and its queue of things to do. Any thread. Invariants: whatever can
 * fail fails here, before it is queued; after `closing` is set nothing is queued but
 * the end of a subscription; the memory goes when nobody holds it. */
#include "client_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "auth_internal.h"
#include "convex/version.h"
#include "error_internal.h"
#include "optimistic.h"
#include "sync_wire.h"

static const char default_name[] = "convex-c-" CONVEX_VERSION;

enum { WAKE_TAG = 0, LINK_TAG = 1 };
enum { MIB = 1024 * 1024 };

#define OR(value, standard) ((value) != 0 ? (value) : (standard))

/* ---- lifetime ---- */

static void free_client(convex_client *client)
{
    convex_mem mem = client->mem;

    cvx_sync_free(client->sync);
    if (client->link.transport)
        cvx_link_done(&client->link);
    cvx_auth_done(&client->auth, &mem);
    if (client->epoll_fd >= 0)
        close(client->epoll_fd);
    if (client->wake_fd >= 0)
        close(client->wake_fd);
    pthread_cond_destroy(&client->joined_cond);
    pthread_mutex_destroy(&client->lock);
    pthread_mutex_destroy(&client->id_lock);
    cvx_free(&mem, client);
}

void cvx_client_hold(convex_client *client)
{
    atomic_fetch_add(&client->holds, 1);
}

void cvx_client_drop(convex_client *client)
{
    if (atomic_fetch_sub(&client->holds, 1) == 1)
        free_client(client);
}

static convex_status open_descriptors(convex_client *client, convex_error *reterr)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_TAG};

    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (client->epoll_fd < 0 || client->wake_fd < 0 ||
        epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->wake_fd, &event) != 0)
        return cvx_fail(reterr, CONVEX_ELIMIT, "no file descriptor to be had: %s", strerror(errno));
    return CONVEX_OK;
}

static convex_status make_sync(convex_client *client, const convex_options *o, size_t max_message,
                               convex_error *reterr)
{
    cvx_sync_config config = {.mem = client->mem,
                              .log = o->log,
                              .session = *client->session.id ? client->session.id : NULL,
                              .connect_timeout_ms = OR(o->connect_timeout_ms, 10000u),
                              .inactivity_ms = OR(o->inactivity_ms, 60000u),
                              .backoff_initial_ms = o->backoff_initial_ms,
                              .backoff_max_ms = OR(o->backoff_max_ms, 16000u),
                              .auth_leeway_ms = OR(o->auth_leeway_ms, 10000u),
                              .max_transition_bytes = max_message * 8};

    if (getrandom(config.random, sizeof config.random, 0) != (ssize_t)sizeof config.random)
        return cvx_fail(reterr, CONVEX_ELIMIT, "no random bytes to be had: %s", strerror(errno));
    client->sync = cvx_sync_new(&config, cvx_client_now());
    return client->sync ? CONVEX_OK : cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
}

static convex_status queue_auth(convex_client *client, const convex_auth *auth,
                                convex_error *reterr);

static convex_status build(convex_client *client, const convex_options *o, convex_error *reterr)
{
    size_t max_message = OR(o->max_message_bytes, (size_t)64 * MIB);
    convex_status status = open_descriptors(client, reterr);

    if (status == CONVEX_OK)
        status = cvx_link_init(
            &client->link,
            &(cvx_link_config){.mem = client->mem,
                               .url = o->url,
                               .client_name = o->client_name ? o->client_name : default_name,
                               .network = &o->network,
                               .max_message = max_message,
                               .deflate = !o->no_compression,
                               .epoll_fd = client->epoll_fd,
                               .epoll_tag = LINK_TAG},
            reterr);
    if (status == CONVEX_OK)
        status = make_sync(client, o, max_message, reterr);
    if (status == CONVEX_OK && o->auth && o->auth->kind != CONVEX_AUTH_NONE)
        status = queue_auth(client, o->auth, reterr);
    return status;
}

convex_status convex_client_new(const convex_options *options, convex_client **ret,
                                convex_error *reterr)
{
    return cvx_client_new_session(options, &(cvx_session){.id = ""}, ret, reterr);
}

convex_status cvx_client_new_session(const convex_options *options, const cvx_session *session,
                                     convex_client **ret, convex_error *reterr)
{
    convex_client *client;
    convex_status status;
    convex_mem mem;

    if (!options || !ret || options->size < sizeof *options)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "no options, options without CONVEX_OPTIONS_INIT, or no place for the "
                        "client");
    mem = cvx_mem(&options->mem);
    client = cvx_alloc(&mem, sizeof *client);
    if (!client)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    *client = (convex_client){
        .mem = mem,
        .log = options->log,
        .on_state = options->on_state,
        .state_user = options->state_user,
        .max_requests = OR(options->max_requests, 1000u),
        .max_request_bytes = OR(options->max_request_bytes, (size_t)64 * MIB),
        .max_subscriptions = OR(options->max_subscriptions, 10000u),
        .epoll_fd = -1,
        .wake_fd = -1,
        .session = *session,
        .next_request_id = session->next_request_id,
        .reserved = session->reserve ? session->next_request_id : UINT32_MAX,
    };
    atomic_init(&client->users, 1);
    atomic_init(&client->holds, 1);
    pthread_mutex_init(&client->lock, NULL);
    pthread_mutex_init(&client->id_lock, NULL);
    pthread_cond_init(&client->joined_cond, NULL);
    status = build(client, options, reterr);
    if (status != CONVEX_OK) {
        free_client(client);
        return status;
    }
    client->state_at = cvx_client_now();
    cvx_sync_state(client->sync, client->state_at, &client->state);
    *ret = client;
    return CONVEX_OK;
}

convex_client *convex_client_ref(convex_client *client)
{
    if (client)
        atomic_fetch_add(&client->users, 1);
    return client;
}

void convex_client_unref(convex_client *client)
{
    if (!client || atomic_fetch_sub(&client->users, 1) != 1)
        return;
    convex_client_close(client);
    pthread_mutex_lock(&client->lock);
    bool own_thread = client->drive == CVX_OWN_THREAD;
    if (own_thread && !client->joined)
        pthread_detach(client->thread);
    pthread_mutex_unlock(&client->lock);
    if (!own_thread)
        cvx_client_turn(client); /* inside a callback: the turn that is running does it */
    cvx_client_drop(client);
}

/* ---- the queue ---- */

/* With the lock held. */
static void wake(convex_client *client)
{
    static const uint64_t one = 1;

    if (client->turning || client->woken || client->finished)
        return;
    client->woken = write(client->wake_fd, &one, sizeof one) == sizeof one;
}

static void append(convex_client *client, cvx_op *op)
{
    op->next = NULL;
    if (client->ops_last)
        client->ops_last->next = op;
    else
        client->ops = op;
    client->ops_last = op;
    wake(client);
}

void convex_client_close(convex_client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&client->lock);
    client->closing = true;
    wake(client);
    pthread_mutex_unlock(&client->lock);
}

void convex_client_reconnect_now(convex_client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&client->lock);
    client->reconnect = true;
    wake(client);
    pthread_mutex_unlock(&client->lock);
}

/* ---- driving ---- */

convex_status convex_client_start_thread(convex_client *client)
{
    sigset_t all, before;
    convex_status status = CONVEX_OK;

    if (!client)
        return CONVEX_EINVAL;
    pthread_mutex_lock(&client->lock);
    if (client->closing)
        status = CONVEX_ECLOSED;
    else if (client->drive != CVX_NOT_DRIVEN)
        status = CONVEX_EINVAL;
    if (status == CONVEX_OK) {
        cvx_client_hold(client);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&client->thread, NULL, cvx_client_thread, client) == 0)
            client->drive = CVX_OWN_THREAD;
        else
            status = CONVEX_ELIMIT;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_mutex_unlock(&client->lock);
    if (status == CONVEX_ELIMIT)
        cvx_client_drop(client);
    return status;
}

static void join_thread(convex_client *client)
{
    pthread_mutex_lock(&client->lock);
    if (client->joining) {
        while (!client->joined)
            pthread_cond_wait(&client->joined_cond, &client->lock);
    } else {
        client->joining = true;
        pthread_mutex_unlock(&client->lock);
        pthread_join(client->thread, NULL);
        pthread_mutex_lock(&client->lock);
        client->joined = true;
        pthread_cond_broadcast(&client->joined_cond);
    }
    pthread_mutex_unlock(&client->lock);
}

void convex_client_join(convex_client *client)
{
    if (!client)
        return;
    convex_client_close(client);
    pthread_mutex_lock(&client->lock);
    bool own_thread = client->drive == CVX_OWN_THREAD;
    pthread_mutex_unlock(&client->lock);
    if (own_thread)
        join_thread(client);
    else
        cvx_client_turn(client);
}

int convex_client_fd(const convex_client *client)
{
    return client ? client->epoll_fd : -1;
}

static cvx_drive drive_of(const convex_client *client, bool *finished)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&client->lock;
    cvx_drive drive;

    pthread_mutex_lock(lock);
    drive = client->drive;
    *finished = client->finished;
    pthread_mutex_unlock(lock);
    return drive;
}

int convex_client_timeout_ms(const convex_client *client)
{
    bool finished;
    cvx_drive drive = client ? drive_of(client, &finished) : CVX_OWN_THREAD;

    if (drive == CVX_OWN_THREAD || finished)
        return -1;
    return drive == CVX_NOT_DRIVEN ? 0 : cvx_client_wait_ms(client);
}

convex_status convex_client_process(convex_client *client)
{
    if (!client)
        return CONVEX_EINVAL;
    pthread_mutex_lock(&client->lock);
    if (client->drive == CVX_NOT_DRIVEN)
        client->drive = CVX_HOST_LOOP;
    bool ok = client->drive == CVX_HOST_LOOP;
    pthread_mutex_unlock(&client->lock);
    return ok ? cvx_client_turn(client) : CONVEX_EINVAL;
}

void convex_client_state(const convex_client *client, convex_state *ret)
{
    pthread_mutex_t *lock;

    if (!client || !ret)
        return;
    lock = (pthread_mutex_t *)(uintptr_t)&client->lock;
    pthread_mutex_lock(lock);
    *ret = client->state;
    if (ret->retry_in_ms > 0) {
        ret->retry_in_ms -= cvx_client_now() - client->state_at;
        if (ret->retry_in_ms < 0)
            ret->retry_in_ms = 0;
    }
    pthread_mutex_unlock(lock);
}

/* ---- live queries ---- */

static void free_sub(convex_sub *sub)
{
    convex_client *client = sub->client;

    if (sub->kind)
        sub->kind->free(sub);
    cvx_query_free(&client->mem, sub->query);
    cvx_free(&client->mem, sub);
    cvx_client_drop(client);
}

void cvx_sub_drop(convex_sub *sub)
{
    if (atomic_fetch_sub(&sub->holds, 1) == 1)
        free_sub(sub);
}

convex_sub *cvx_sub_new(convex_client *client, size_t size)
{
    convex_sub *sub = cvx_alloc(&client->mem, size);

    if (!sub)
        return NULL;
    memset(sub, 0, size);
    sub->client = client;
    sub->subscribe = (cvx_op){.kind = CVX_OP_SUBSCRIBE, .object = sub};
    sub->unsubscribe = (cvx_op){.kind = CVX_OP_UNSUBSCRIBE, .object = sub};
    atomic_init(&sub->users, 1);
    atomic_init(&sub->holds, 2);
    atomic_init(&sub->closed, false);
    cvx_client_hold(client);
    return sub;
}

convex_status cvx_sub_queue(convex_sub *sub, void *ret, convex_error *reterr)
{
    convex_client *client = sub->client;
    convex_status status = CONVEX_OK;

    pthread_mutex_lock(&client->lock);
    if (client->closing)
        status = cvx_fail(reterr, CONVEX_ECLOSED, "the client is closed");
    else if (client->subscriptions >= client->max_subscriptions)
        status = cvx_fail(reterr, CONVEX_EBUSY, "max_subscriptions are open");
    if (status == CONVEX_OK) {
        client->subscriptions++;
        if (ret)
            memcpy(ret, &sub, sizeof sub); /* before the first callback can run */
        append(client, &sub->subscribe);
    }
    pthread_mutex_unlock(&client->lock);
    if (status != CONVEX_OK)
        free_sub(sub);
    else if (!ret)
        cvx_sub_drop(sub); /* nobody keeps it: it ends with the client */
    return status;
}

/* With everything it needs, so that the loop cannot fail. */
static convex_sub *new_single(convex_client *client, char *token, size_t token_len)
{
    convex_sub *sub = cvx_sub_new(client, sizeof *sub);

    if (!sub) {
        cvx_free(&client->mem, token);
        return NULL;
    }
    sub->query = cvx_query_new(&client->mem, token, token_len);
    if (!sub->query) {
        free_sub(sub);
        return NULL;
    }
    return sub;
}

convex_status convex_client_subscribe(convex_client *client, const char *path,
                                      const convex_value *args, convex_result_fn *on_result,
                                      convex_end_fn *on_end, void *user, convex_sub **ret,
                                      convex_error *reterr)
{
    convex_status status;
    convex_sub *sub;
    char *token = NULL;
    size_t len = 0;

    if (!client || !on_result)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client, or no on_result");
    status = cvx_call_text(&client->mem, path, NULL, args, true, &token, &len, reterr);
    if (status != CONVEX_OK)
        return status;
    sub = new_single(client, token, len);
    if (!sub)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    sub->on_result = on_result;
    sub->on_end = on_end;
    sub->user = user;
    return cvx_sub_queue(sub, ret, reterr);
}

convex_sub *convex_sub_ref(convex_sub *sub)
{
    if (sub)
        atomic_fetch_add(&sub->users, 1);
    return sub;
}

void convex_sub_close(convex_sub *sub)
{
    convex_client *client;

    if (!sub || atomic_exchange(&sub->closed, true))
        return;
    client = sub->client;
    pthread_mutex_lock(&client->lock);
    if (!client->finished) {
        atomic_fetch_add(&sub->holds, 1); /* the queue's */
        append(client, &sub->unsubscribe);
    }
    pthread_mutex_unlock(&client->lock);
}

void convex_sub_unref(convex_sub *sub)
{
    if (!sub || atomic_fetch_sub(&sub->users, 1) != 1)
        return;
    convex_sub_close(sub);
    cvx_sub_drop(sub);
}

/* ---- mutations and actions ---- */

void cvx_call_free(convex_client *client, cvx_call *call)
{
    cvx_update_free(call->request.update, true);
    convex_result_unref(call->request.result);
    cvx_free(&client->mem, call->body);
    cvx_free(&client->mem, call);
}

enum { RESERVE = 4096 }; /* numbers at a time */

/* With id_lock held. */
static convex_status take_id(convex_client *client, uint32_t *ret, convex_error *reterr)
{
    uint32_t next = client->next_request_id, up_to;
    convex_status status;

    if (next == UINT32_MAX)
        return cvx_fail(reterr, CONVEX_ELIMIT, "the session's request numbers are used up");
    if (next >= client->reserved) {
        up_to = next < UINT32_MAX - RESERVE ? next + RESERVE : UINT32_MAX;
        status = client->session.reserve(client->session.user, up_to);
        if (status != CONVEX_OK)
            return cvx_fail(reterr, status, "request numbers cannot be reserved");
        client->reserved = up_to;
    }
    *ret = next;
    client->next_request_id++;
    return CONVEX_OK;
}

convex_status cvx_client_take_id(convex_client *client, uint32_t *ret)
{
    convex_status status;

    pthread_mutex_lock(&client->id_lock);
    status = take_id(client, ret, NULL);
    pthread_mutex_unlock(&client->id_lock);
    return status;
}

/* With the lock held. */
static convex_status admit(const convex_client *client, size_t bytes, convex_error *reterr)
{
    if (client->closing)
        return cvx_fail(reterr, CONVEX_ECLOSED, "the client is closed");
    if (client->requests >= client->max_requests)
        return cvx_fail(reterr, CONVEX_EBUSY, "max_requests are unfinished");
    if (bytes > client->max_request_bytes - client->request_bytes)
        return cvx_fail(reterr, CONVEX_EBUSY, "unfinished requests hold max_request_bytes");
    return CONVEX_OK;
}

static convex_status queue_call(convex_client *client, cvx_call *call, uint32_t *ret_id,
                                convex_error *reterr)
{
    convex_status status;

    pthread_mutex_lock(&client->lock);
    status = admit(client, call->request.body_len, reterr);
    if (status == CONVEX_OK) {
        client->requests++;
        client->request_bytes += call->request.body_len;
        if (ret_id)
            *ret_id = call->request.id; /* before the first callback can run */
        append(client, &call->op);
    }
    pthread_mutex_unlock(&client->lock);
    return status;
}

/* The number and the place in the queue are taken together, so numbers ascend. */
static convex_status number_call(convex_client *client, cvx_call *call, uint32_t *ret_id,
                                 convex_error *reterr)
{
    convex_status status;

    pthread_mutex_lock(&client->id_lock);
    status = take_id(client, &call->request.id, reterr);
    if (status == CONVEX_OK)
        status = queue_call(client, call, ret_id, reterr);
    pthread_mutex_unlock(&client->id_lock);
    return status;
}

static cvx_call *new_call(convex_client *client, const convex_call_options *options,
                          convex_done_fn *on_done, void *user)
{
    cvx_call *call = cvx_alloc(&client->mem, sizeof *call);

    if (call) {
        *call = (cvx_call){.on_done = on_done, .user = user};
        call->op = (cvx_op){.kind = CVX_OP_REQUEST, .object = call};
        call->request.at_commit = options && options->flags & CONVEX_AT_COMMIT;
    }
    return call;
}

static convex_status add_update(convex_client *client, cvx_call *call, const convex_value *args,
                                const convex_optimistic *optimistic, convex_error *reterr)
{
    if (call->request.action || !optimistic->update)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "an optimistic update of an action, or without a function");
    call->request.update = cvx_update_new(&client->mem, optimistic, args);
    return call->request.update ? CONVEX_OK : cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
}

static convex_status request(convex_client *client, bool action, const char *path,
                             const convex_value *args, const convex_call_options *options,
                             convex_done_fn *on_done, void *user, uint32_t *ret_id,
                             convex_error *reterr)
{
    convex_status status;
    cvx_call *call;
    size_t len = 0;

    if (!client)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client");
    if (options && options->flags & ~(action ? 0u : (unsigned)CONVEX_AT_COMMIT))
        return cvx_fail(reterr, CONVEX_EINVAL, "flags that no %s has",
                        action ? "action" : "mutation");
    call = new_call(client, options, on_done, user);
    if (!call)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    call->request.action = action;
    status = cvx_call_text(&client->mem, path, options ? options->component : NULL, args, false,
                           &call->body, &len, reterr);
    if (status == CONVEX_OK && options && options->optimistic)
        status = add_update(client, call, args, options->optimistic, reterr);
    if (status == CONVEX_OK) {
        call->request.body = call->body;
        call->request.body_len = len;
        status = number_call(client, call, ret_id, reterr);
    }
    if (status != CONVEX_OK) {
        cvx_update_free(call->request.update, false); /* its user stays the caller's */
        call->request.update = NULL;
        cvx_call_free(client, call);
    }
    return status;
}

convex_status convex_client_mutation(convex_client *client, const char *path,
                                     const convex_value *args, const convex_call_options *options,
                                     convex_done_fn *on_done, void *user, uint32_t *ret_id,
                                     convex_error *reterr)
{
    return request(client, false, path, args, options, on_done, user, ret_id, reterr);
}

convex_status convex_client_action(convex_client *client, const char *path,
                                   const convex_value *args, const convex_call_options *options,
                                   convex_done_fn *on_done, void *user, uint32_t *ret_id,
                                   convex_error *reterr)
{
    return request(client, true, path, args, options, on_done, user, ret_id, reterr);
}

convex_status cvx_client_mutation_as(convex_client *client, uint32_t id, const char *body,
                                     size_t body_len, const convex_call_options *options,
                                     convex_done_fn *on_done, void *user, convex_error *reterr)
{
    convex_status status = CONVEX_ENOMEM;
    cvx_call *call = new_call(client, options, on_done, user);

    if (call)
        call->body = cvx_strndup(&client->mem, body, body_len);
    if (call && call->body) {
        call->request.id = id;
        call->request.body = call->body;
        call->request.body_len = body_len;
        status = queue_call(client, call, NULL, reterr);
    } else {
        cvx_fail(reterr, status, "out of memory");
    }
    if (call && status != CONVEX_OK)
        cvx_call_free(client, call);
    return status;
}

/* ---- identity ---- */

void cvx_auth_op_free(convex_client *client, cvx_auth_op *op)
{
    cvx_auth_done(&op->auth, &client->mem);
    cvx_free(&client->mem, op);
}

static convex_status queue_auth(convex_client *client, const convex_auth *auth,
                                convex_error *reterr)
{
    cvx_auth_op *op = cvx_alloc(&client->mem, sizeof *op);
    convex_status status;

    if (!op)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    *op = (cvx_auth_op){.op = {.kind = CVX_OP_SET_AUTH, .object = op}};
    status = cvx_auth_copy(auth, &client->mem, &op->auth, reterr);
    if (status == CONVEX_OK) {
        pthread_mutex_lock(&client->lock);
        if (client->closing)
            status = CONVEX_ECLOSED;
        else
            append(client, &op->op);
        pthread_mutex_unlock(&client->lock);
    }
    if (status != CONVEX_OK)
        cvx_auth_op_free(client, op);
    return status;
}

convex_status convex_client_set_auth(convex_client *client, const convex_auth *auth)
{
    return client ? queue_auth(client, auth, NULL) : CONVEX_EINVAL;
}
