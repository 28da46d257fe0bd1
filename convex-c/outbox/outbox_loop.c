/* outbox_loop.c - an outbox on the client's loop thread: answers in, on_done out.
 * Runs in the client's callbacks only, one at a time. Invariants: what the client has is in
 * flight and nothing else is; once the connection is lost the client keeps no entry, so none is
 * sent again but by the writer, which looks at its age. */
#include "outbox_internal.h"

enum { RETRY_MS = 1000 };

/* With the lock held. */
static void wake(convex_outbox *box)
{
    box->wake = true;
    pthread_cond_signal(&box->work);
}

/* ---- the connection ---- */

/* With the lock held. They come back through on_done. */
static void withdraw(convex_outbox *box)
{
    for (cvx_entry *entry = box->first; entry; entry = entry->next)
        if (entry->state == CVX_ENTRY_IN_FLIGHT)
            convex_client_cancel(box->client, cvx_outbox_id(box, entry));
}

void cvx_outbox_on_state(const convex_state *state, void *user)
{
    convex_outbox *box = user;
    bool was_connected;

    pthread_mutex_lock(&box->lock);
    was_connected = box->connected;
    box->connected = state->connection == CONVEX_CONNECTION_CONNECTED;
    box->trusted =
        state->identity == CONVEX_IDENTITY_NONE || state->identity == CONVEX_IDENTITY_CONFIRMED;
    if (was_connected && !box->connected && state->connection != CONVEX_CONNECTION_CLOSED)
        withdraw(box);
    wake(box);
    pthread_mutex_unlock(&box->lock);
    if (box->on_state)
        box->on_state(state, box->state_user);
}

/* ---- answers ---- */

static void tell(cvx_entry *entry, convex_status status, const convex_result *result)
{
    convex_outbox *box = entry->box;
    convex_outbox_entry shown = cvx_outbox_row_entry(&entry->row);

    box->on_done(&shown, status, result, box->user);
    pthread_mutex_lock(&box->lock);
    entry->state = CVX_ENTRY_SETTLED;
    wake(box);
    pthread_mutex_unlock(&box->lock);
}

void cvx_outbox_run_errand(void *user)
{
    cvx_entry *entry = user;

    tell(entry, entry->status, entry->result);
}

/* With the lock held: not answered, since it was withdrawn or cancelled, or the client closes; or,
 * while connected, memory is short. */
static void put_back(cvx_entry *entry)
{
    convex_outbox *box = entry->box;

    if (entry->canceled) {
        cvx_outbox_make_due(entry, CONVEX_EUNKNOWN);
        return;
    }
    entry->state = CVX_ENTRY_READY;
    if (!box->connected)
        return;
    box->retry_at = cvx_client_now() + RETRY_MS;
    pthread_cond_signal(&box->work);
}

void cvx_outbox_on_done(convex_status status, const convex_result *result, void *user)
{
    cvx_entry *entry = user;
    convex_outbox *box = entry->box;
    bool returned = status == CONVEX_OK && convex_result_success(result);

    pthread_mutex_lock(&box->lock);
    box->in_flight--;
    if (returned) {
        entry->state = CVX_ENTRY_DUE;
    } else if (status == CONVEX_OK) {
        entry->state = CVX_ENTRY_THREW;
        entry->result = convex_result_ref(result);
        wake(box);
    } else {
        put_back(entry);
    }
    pthread_mutex_unlock(&box->lock);
    if (returned)
        tell(entry, CONVEX_OK, result);
}
