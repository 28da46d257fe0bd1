/* client_calls.c - mutations, actions and queries asked once, as any thread may make them.
 * Invariants: a call is in the client's map from the moment it is accepted until its on_done is
 * about to run, so that cancelling finds it; numbers ascend in the order of the queue, save those
 * of an earlier run. */
#include "client_internal.h"

#include <stddef.h>

#include "error_internal.h"
#include "optimistic.h"
#include "sync_wire.h"

#define CALL_OF(node) ((cvx_call *)(void *)((char *)(node)-offsetof(struct cvx_call, by_id)))

void cvx_call_free(convex_client *client, cvx_call *call)
{
    cvx_update_free(call->request.update, true);
    convex_result_unref(call->request.result);
    cvx_query_free(&client->mem, call->query);
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
        cvx_map_insert(&client->calls, &call->by_id, cvx_hash_u32(call->request.id));
        cvx_client_append(client, &call->op);
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

static cvx_call *new_call(convex_client *client, cvx_request_kind kind,
                          const convex_call_options *options, convex_done_fn *on_done, void *user)
{
    cvx_call *call = cvx_alloc(&client->mem, sizeof *call);

    if (call) {
        *call = (cvx_call){.on_done = on_done, .user = user};
        call->op = (cvx_op){.kind = CVX_OP_REQUEST, .object = call};
        call->cancel = (cvx_op){.kind = CVX_OP_CANCEL, .object = call};
        call->request.kind = kind;
        call->request.at_commit = options && options->flags & CONVEX_AT_COMMIT;
        call->request.began_at = cvx_client_now();
        if (options && options->timeout_ms > 0)
            call->request.deadline = call->request.began_at + options->timeout_ms;
    }
    return call;
}

/* With everything it needs, so that the loop cannot fail. */
static convex_status fill_call(convex_client *client, cvx_call *call, const char *path,
                               const char *component, const convex_value *args,
                               convex_error *reterr)
{
    bool read = call->request.kind == CVX_READ;
    convex_status status;
    char *text = NULL;

    status = cvx_call_text(&client->mem, path, component, args, read, &text,
                           &call->request.body_len, reterr);
    if (status != CONVEX_OK)
        return status;
    if (!read) {
        call->request.body = call->body = text;
        return CONVEX_OK;
    }
    call->query = cvx_query_new(&client->mem, text, call->request.body_len);
    return call->query ? CONVEX_OK : cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
}

static convex_status add_update(convex_client *client, cvx_call *call, const convex_value *args,
                                const convex_optimistic *optimistic, convex_error *reterr)
{
    if (call->request.kind != CVX_MUTATION || !optimistic->update)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "an optimistic update without a function, or of no mutation");
    call->request.update = cvx_update_new(&client->mem, optimistic, args);
    return call->request.update ? CONVEX_OK : cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
}

static convex_status request(convex_client *client, cvx_request_kind kind, const char *path,
                             const convex_value *args, const convex_call_options *options,
                             convex_done_fn *on_done, void *user, uint32_t *ret_id,
                             convex_error *reterr)
{
    unsigned known = kind == CVX_MUTATION ? (unsigned)CONVEX_AT_COMMIT : 0;
    convex_status status;
    cvx_call *call;

    if (!client)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client");
    if (options && options->flags & ~known)
        return cvx_fail(reterr, CONVEX_EINVAL, "a flag that this kind of call does not have");
    call = new_call(client, kind, options, on_done, user);
    if (!call)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    status = fill_call(client, call, path, options ? options->component : NULL, args, reterr);
    if (status == CONVEX_OK && options && options->optimistic)
        status = add_update(client, call, args, options->optimistic, reterr);
    if (status == CONVEX_OK)
        status = number_call(client, call, ret_id, reterr);
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
    return request(client, CVX_MUTATION, path, args, options, on_done, user, ret_id, reterr);
}

convex_status convex_client_action(convex_client *client, const char *path,
                                   const convex_value *args, const convex_call_options *options,
                                   convex_done_fn *on_done, void *user, uint32_t *ret_id,
                                   convex_error *reterr)
{
    return request(client, CVX_ACTION, path, args, options, on_done, user, ret_id, reterr);
}

convex_status convex_client_query(convex_client *client, const char *path, const convex_value *args,
                                  const convex_call_options *options, convex_done_fn *on_done,
                                  void *user, uint32_t *ret_id, convex_error *reterr)
{
    return request(client, CVX_READ, path, args, options, on_done, user, ret_id, reterr);
}

convex_status cvx_client_mutation_as(convex_client *client, uint32_t id, const char *body,
                                     size_t body_len, const convex_call_options *options,
                                     convex_done_fn *on_done, void *user, convex_error *reterr)
{
    convex_status status = CONVEX_ENOMEM;
    cvx_call *call = new_call(client, CVX_MUTATION, options, on_done, user);

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

static cvx_call *find_call(const convex_client *client, uint32_t id)
{
    cvx_map_node *node = cvx_map_first(&client->calls, cvx_hash_u32(id));
    while (node && CALL_OF(node)->request.id != id)
        node = cvx_map_next(node);
    return node ? CALL_OF(node) : NULL;
}

void convex_client_cancel(convex_client *client, uint32_t id)
{
    cvx_call *call;

    if (!client)
        return;
    pthread_mutex_lock(&client->lock);
    call = find_call(client, id);
    if (call && !call->canceling) {
        call->canceling = true;
        cvx_client_append(client, &call->cancel);
    }
    pthread_mutex_unlock(&client->lock);
}
