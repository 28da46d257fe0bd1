/* client_subs.c - subscriptions, as any thread may make, change and end them.
 * Invariants: the loop is given all the memory it needs, so it cannot fail; a subscription is in
 * the queue at most once, with everything that it is asked. */
#include "client_internal.h"

#include <string.h>

#include "error_internal.h"
#include "sync_wire.h"

static void free_sub(convex_sub *sub)
{
    convex_client *client = sub->client;

    if (sub->kind)
        sub->kind->free(sub);
    cvx_query_free(&client->mem, sub->query);
    cvx_query_free(&client->mem, sub->next_query);
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
    sub->op = (cvx_op){.kind = CVX_OP_SUB, .object = sub};
    atomic_init(&sub->users, 1);
    atomic_init(&sub->holds, 2);
    atomic_init(&sub->asked, 0);
    atomic_init(&sub->closed, false);
    cvx_client_hold(client);
    return sub;
}

/* With the client's lock held. */
static void ask(convex_sub *sub, unsigned what)
{
    if (atomic_fetch_or(&sub->asked, what) != 0)
        return;
    atomic_fetch_add(&sub->holds, 1); /* the queue's */
    cvx_client_append(sub->client, &sub->op);
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
        ask(sub, CVX_ASK_START);
    }
    pthread_mutex_unlock(&client->lock);
    if (status != CONVEX_OK)
        free_sub(sub);
    else if (!ret)
        cvx_sub_drop(sub); /* nobody keeps it: it ends with the client */
    return status;
}

convex_status cvx_sub_ask_more(convex_sub *sub)
{
    convex_client *client = sub->client;
    convex_status status = CONVEX_ECLOSED;

    pthread_mutex_lock(&client->lock);
    if (!client->closing) {
        ask(sub, CVX_ASK_MORE);
        status = CONVEX_OK;
    }
    pthread_mutex_unlock(&client->lock);
    return status;
}

static cvx_query *new_query(convex_client *client, const char *path, const convex_value *args,
                            convex_status *ret, convex_error *reterr)
{
    cvx_query *query;
    char *token = NULL;
    size_t len = 0;

    *ret = cvx_call_text(&client->mem, path, NULL, args, true, &token, &len, reterr);
    if (*ret != CONVEX_OK)
        return NULL;
    query = cvx_query_new(&client->mem, token, len);
    if (!query)
        *ret = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    return query;
}

convex_status convex_client_subscribe(convex_client *client, const char *path,
                                      const convex_value *args, convex_result_fn *on_result,
                                      convex_end_fn *on_end, void *user, convex_sub **ret,
                                      convex_error *reterr)
{
    convex_status status;
    cvx_query *query;
    convex_sub *sub;

    if (!client || !on_result)
        return cvx_fail(reterr, CONVEX_EINVAL, "no client, or no on_result");
    query = new_query(client, path, args, &status, reterr);
    if (!query)
        return status;
    sub = cvx_sub_new(client, sizeof *sub + strlen(path) + 1);
    if (!sub) {
        cvx_query_free(&client->mem, query);
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    sub->path = strcpy((char *)(sub + 1), path);
    sub->query = query;
    sub->on_result = on_result;
    sub->on_end = on_end;
    sub->user = user;
    return cvx_sub_queue(sub, ret, reterr);
}

convex_status convex_sub_set_args(convex_sub *sub, const convex_value *args, convex_error *reterr)
{
    convex_client *client;
    convex_status status;
    cvx_query *query, *unused;

    if (!sub)
        return cvx_fail(reterr, CONVEX_EINVAL, "no subscription");
    client = sub->client;
    query = new_query(client, sub->path, args, &status, reterr);
    if (!query)
        return status;
    unused = query;
    pthread_mutex_lock(&client->lock);
    if (client->closing || atomic_load(&sub->closed)) {
        status = cvx_fail(reterr, CONVEX_ECLOSED, "the subscription is closed");
    } else {
        unused = sub->next_query; /* of a change that was not made yet */
        sub->next_query = query;
        ask(sub, CVX_ASK_CHANGE);
    }
    pthread_mutex_unlock(&client->lock);
    cvx_query_free(&client->mem, unused);
    return status;
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
    if (!client->finished)
        ask(sub, CVX_ASK_STOP);
    pthread_mutex_unlock(&client->lock);
}

void convex_sub_unref(convex_sub *sub)
{
    if (!sub || atomic_fetch_sub(&sub->users, 1) != 1)
        return;
    convex_sub_close(sub);
    cvx_sub_drop(sub);
}
