/* client.c - the live client as an object: its life, its queue of things to do, how it is driven.
 * Any thread. Invariants: whatever can fail fails before it is queued; after `closing` is set
 * nothing is queued but ends; the memory goes when nobody holds it. */
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
#include "sync_wire.h"

static const char default_name[] = "convex-c-" CONVEX_VERSION;

enum { WAKE_TAG = 0, LINK_TAG = 1 };
enum { MIB = 1024 * 1024, MAX_PROBES = 16, MAX_AUTHS = 64 };

#define OR(value, standard) ((value) != 0 ? (value) : (standard))

/* ---- lifetime ---- */

static void free_client(convex_client *client)
{
    convex_mem mem = client->mem;

    cvx_sync_free(client->sync);
    if (client->link.transport)
        cvx_link_done(&client->link);
    cvx_auth_done(&client->auth, &mem);
    cvx_map_done(&client->calls);
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
                              .linger_ms = o->linger_ms,
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

    if (status == CONVEX_OK && !cvx_map_init(&client->calls, &client->mem))
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (status == CONVEX_OK)
        status = cvx_link_init(
            &client->link,
            &(cvx_link_config){.mem = client->mem,
                               .url = o->url,
                               .client_name = o->client_name ? o->client_name : default_name,
                               .network = &o->network,
                               .transport = o->transport,
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
    atomic_init(&client->next_pages, 0);
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

void cvx_client_append(convex_client *client, cvx_op *op)
{
    op->next = NULL;
    if (client->ops_last)
        client->ops_last->next = op;
    else
        client->ops = op;
    client->ops_last = op;
    wake(client);
}

void cvx_client_send(convex_client *client, cvx_errand *errand)
{
    errand->op = (cvx_op){.kind = CVX_OP_ERRAND, .object = errand};
    pthread_mutex_lock(&client->lock);
    if (!client->closing)
        cvx_client_append(client, &errand->op);
    pthread_mutex_unlock(&client->lock);
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
    bool inside = client->turning && pthread_equal(client->turner, pthread_self());
    pthread_mutex_unlock(&client->lock);
    if (inside)
        return; /* a callback cannot wait for its own end */
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
    int64_t passed;

    if (!client || !ret)
        return;
    lock = (pthread_mutex_t *)(uintptr_t)&client->lock;
    pthread_mutex_lock(lock);
    *ret = client->state;
    passed = cvx_client_now() - client->state_at;
    if (ret->retry_in_ms > 0)
        ret->retry_in_ms = ret->retry_in_ms > passed ? ret->retry_in_ms - passed : 0;
    if (ret->oldest_request_ms >= 0)
        ret->oldest_request_ms += passed;
    pthread_mutex_unlock(lock);
}

void convex_client_metrics(const convex_client *client, convex_metrics *ret)
{
    pthread_mutex_t *lock;

    if (!client || !ret)
        return;
    lock = (pthread_mutex_t *)(uintptr_t)&client->lock;
    pthread_mutex_lock(lock);
    *ret = client->metrics;
    pthread_mutex_unlock(lock);
}

/* ---- probes ---- */

convex_status convex_client_probe(convex_client *client, unsigned timeout_ms,
                                  convex_probe_fn *on_pong, void *user)
{
    convex_status status = CONVEX_OK;
    cvx_probe_call *call;

    if (!client || !on_pong)
        return CONVEX_EINVAL;
    call = cvx_alloc(&client->mem, sizeof *call);
    if (!call)
        return CONVEX_ENOMEM;
    *call = (cvx_probe_call){.on_pong = on_pong, .user = user};
    call->op = (cvx_op){.kind = CVX_OP_PROBE, .object = call};
    call->probe.deadline = cvx_client_now() + OR(timeout_ms, 5000u);
    pthread_mutex_lock(&client->lock);
    if (client->closing)
        status = CONVEX_ECLOSED;
    else if (client->probes >= MAX_PROBES)
        status = CONVEX_EBUSY;
    if (status == CONVEX_OK) {
        client->probes++;
        cvx_client_append(client, &call->op);
    }
    pthread_mutex_unlock(&client->lock);
    if (status != CONVEX_OK)
        cvx_free(&client->mem, call);
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
        else if (client->auths >= MAX_AUTHS)
            status = CONVEX_EBUSY;
        if (status == CONVEX_OK) {
            client->auths++;
            cvx_client_append(client, &op->op);
        }
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
