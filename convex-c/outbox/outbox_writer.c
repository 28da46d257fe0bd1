/* outbox_writer.c - the thread that writes the file, and decides what is sent.
 * Owns the file, the session and the list of entries in memory (others change an entry's state
 * only). Invariants: an entry is given to the client after it was marked as sent, durably; it
 * leaves the file after on_done has returned; a thrown error is stored before it is told; all
 * that waited when a round began shares its transaction. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "error_internal.h"
#include "outbox_internal.h"

enum {
    RETRY_MS = 1000,
    SEQ_BLOCK = 4096,               /* numbers reserved at a time */
    LOADED_BYTES = 16 * 1024 * 1024 /* in memory, or a single larger entry */
};

/* The server keeps records for two weeks; the clocks may differ by a day. */
static const int64_t lifetime_ms = INT64_C(13) * 24 * 3600 * 1000;
/* A mark this old of an entry that was not sent after all is made again. */
static const int64_t mark_lifetime_ms = INT64_C(3600) * 1000;

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool may_have_been_sent(const cvx_entry *entry)
{
    return entry->earlier || entry->fed;
}

static bool needs_mark(const cvx_entry *entry, int64_t now)
{
    return !may_have_been_sent(entry) &&
           (entry->row.sent_at == 0 || now - entry->row.sent_at > mark_lifetime_ms);
}

static bool is_sending(const convex_outbox *box)
{
    return box->connected && box->trusted && !box->stopping;
}

/* ---- memory ---- */

static bool is_room(const convex_outbox *box)
{
    return box->loaded <= box->max_in_flight && box->loaded_bytes < LOADED_BYTES;
}

static void copy_text(char **at, const char **text, size_t len)
{
    memcpy(*at, *text, len);
    (*at)[len] = '\0';
    *text = *at;
    *at += len + 1;
}

static cvx_entry *copy_row(convex_outbox *box, const cvx_outbox_row *row)
{
    size_t path = strlen(row->path), tag = strlen(row->tag);
    cvx_entry *entry = cvx_alloc(&box->mem, sizeof *entry + path + tag + row->call_len + 3);
    char *at;

    if (!entry)
        return NULL;
    *entry = (cvx_entry){.row = *row, .box = box, .state = CVX_ENTRY_READY};
    entry->errand = (cvx_errand){.run = cvx_outbox_run_errand, .user = entry};
    entry->earlier = row->sent_at != 0 && row->seq < box->run_first;
    at = entry->texts;
    copy_text(&at, &entry->row.path, path);
    copy_text(&at, &entry->row.call, row->call_len);
    copy_text(&at, &entry->row.tag, tag);
    entry->row.outcome = NULL;
    return entry;
}

/* An answer of an earlier run that was not told to the end, or a cancelled entry. */
static bool restore_outcome(convex_outbox *box, cvx_entry *entry, const char *outcome)
{
    if (strcmp(outcome, "null") == 0) {
        entry->status = entry->row.sent_at != 0 ? CONVEX_EUNKNOWN : CONVEX_ECANCELED;
        entry->state = CVX_ENTRY_DUE;
        return true;
    }
    entry->result = cvx_outbox_parse_error(outcome, &box->mem);
    entry->status = CONVEX_OK;
    entry->state = CVX_ENTRY_DUE;
    return entry->result != NULL;
}

static bool load_row(const cvx_outbox_row *row, void *user)
{
    convex_outbox *box = user;
    cvx_entry *entry = copy_row(box, row);
    bool ok = entry && (!row->outcome || restore_outcome(box, entry, row->outcome));

    pthread_mutex_lock(&box->lock);
    if (ok) {
        if (box->last)
            box->last->next = entry;
        else
            box->first = entry;
        box->last = entry;
        if (entry->state == CVX_ENTRY_DUE)
            cvx_client_send(box->client, &entry->errand);
        box->loaded++;
        box->loaded_bytes += cvx_outbox_row_bytes(&entry->row);
        box->loaded_upto = row->seq;
    } else {
        box->retry_at = cvx_client_now() + RETRY_MS;
    }
    pthread_mutex_unlock(&box->lock);
    if (!ok)
        cvx_entry_free(&box->mem, entry);
    return ok && box->loaded_bytes < LOADED_BYTES;
}

/* Twice of what may be in flight, so that marks are made for many at a time. */
static convex_status load(convex_outbox *box)
{
    if (!is_room(box) || box->loaded_upto >= box->last_seq || !box->file.db)
        return CONVEX_OK;
    return cvx_outbox_file_walk(&box->file, box->loaded_upto, 2 * box->max_in_flight - box->loaded,
                                load_row, box);
}

/* ---- one transaction ---- */

/* With the lock held: what the entries need. */
static bool plan(convex_outbox *box, bool *ret_synced)
{
    int64_t now = wall_ms();
    bool any = false;

    for (cvx_entry *entry = box->first; entry; entry = entry->next) {
        entry->work = CVX_WORK_NONE;
        if (entry->state == CVX_ENTRY_SETTLED)
            entry->work = CVX_WORK_DELETE;
        else if (entry->state == CVX_ENTRY_THREW)
            entry->work = CVX_WORK_STORE;
        else if (entry->state == CVX_ENTRY_READY && is_sending(box) && needs_mark(entry, now))
            entry->work = CVX_WORK_MARK;
        any = any || entry->work != CVX_WORK_NONE;
        if (entry->work == CVX_WORK_MARK || entry->work == CVX_WORK_STORE)
            *ret_synced = true;
    }
    return any;
}

static convex_status store_error(convex_outbox *box, cvx_entry *entry)
{
    char *text = cvx_outbox_print_error(entry->result, &box->mem);
    convex_status status =
        text ? cvx_outbox_file_store(&box->file, entry->row.seq, text) : CONVEX_ENOMEM;

    convex_text_free(text, &box->mem);
    return status;
}

static convex_status do_work(convex_outbox *box, int64_t now)
{
    convex_status status = CONVEX_OK;

    for (cvx_entry *entry = box->first; entry && status == CONVEX_OK; entry = entry->next) {
        if (entry->work == CVX_WORK_DELETE)
            status = cvx_outbox_file_delete(&box->file, entry->row.seq);
        else if (entry->work == CVX_WORK_STORE)
            status = store_error(box, entry);
        else if (entry->work == CVX_WORK_MARK)
            status = cvx_outbox_file_mark(&box->file, entry->row.seq, now);
    }
    return status;
}

/* Numbers are used once even if the disk fails: they come in blocks, reserved beforehand. */
static convex_status reserve(convex_outbox *box, const cvx_ask *asks, uint64_t seqs)
{
    cvx_outbox_session next = box->session;
    convex_status status;

    if (box->next_seq + seqs - box->session.base > CVX_OTHER_REQUESTS) {
        snprintf(box->file.words, sizeof box->file.words,
                 "the session's numbers are used up, open the outbox again");
        return CONVEX_ELIMIT;
    }
    for (const cvx_ask *ask = asks; ask; ask = ask->next)
        if (ask->id_limit > next.id_limit)
            next.id_limit = ask->id_limit;
    if (box->next_seq + seqs > next.seq_limit)
        next.seq_limit = box->next_seq + seqs + SEQ_BLOCK;
    if (next.id_limit == box->session.id_limit && next.seq_limit == box->session.seq_limit)
        return CONVEX_OK;
    status = cvx_outbox_file_put_session(&box->file, &next);
    if (status == CONVEX_OK)
        box->session = next; /* too far, if the transaction fails: that wastes some */
    return status;
}

/* Entries that go out at once are marked right here. */
static convex_status accept(convex_outbox *box, cvx_ask *asks, bool mark, int64_t now)
{
    convex_status status = CONVEX_OK;

    for (cvx_ask *ask = asks; ask; ask = ask->next) {
        for (size_t i = 0; i < ask->count && status == CONVEX_OK; i++) {
            ask->rows[i].seq = box->next_seq++;
            ask->rows[i].accepted_at = now;
            ask->rows[i].sent_at = mark ? now : 0;
            status = cvx_outbox_file_insert(&box->file, &ask->rows[i]);
        }
        if (ask->cancel && status == CONVEX_OK)
            status = cvx_outbox_file_cancel(&box->file, ask->cancel);
    }
    return status;
}

/* A status that says something to a caller. */
static convex_status seen_by_caller(convex_status status)
{
    return status == CONVEX_EINVAL || status == CONVEX_EBUSY ? CONVEX_ELIMIT : status;
}

static convex_status write_all(convex_outbox *box, cvx_ask *asks, bool synced, bool sending)
{
    cvx_outbox_session before = box->session;
    int64_t now = wall_ms();
    uint64_t seqs = 0;
    convex_status status;
    bool mark;

    for (const cvx_ask *ask = asks; ask; ask = ask->next)
        seqs += ask->count;
    mark =
        sending && is_room(box) && box->loaded_upto >= box->last_seq && seqs <= box->max_in_flight;
    status = cvx_outbox_file_begin(&box->file, synced);
    if (status == CONVEX_OK)
        status = reserve(box, asks, seqs);
    if (status == CONVEX_OK)
        status = accept(box, asks, mark, now);
    if (status == CONVEX_OK)
        status = do_work(box, now);
    if (status == CONVEX_OK)
        status = cvx_outbox_file_commit(&box->file);
    if (status != CONVEX_OK) {
        cvx_outbox_file_rollback(&box->file);
        box->session.id_limit = before.id_limit;
        box->session.seq_limit = before.seq_limit;
        return seen_by_caller(status);
    }
    for (cvx_entry *entry = box->first; entry; entry = entry->next)
        if (entry->work == CVX_WORK_MARK)
            entry->row.sent_at = now;
    if (seqs > 0)
        box->last_seq = box->next_seq - 1;
    return CONVEX_OK;
}

/* After a failure that closed it. What the last transaction came to shows now. */
static convex_status open_again(convex_outbox *box)
{
    cvx_outbox_totals totals = {0};
    convex_error error = {0};
    convex_status status = cvx_outbox_file_open(&box->file, &error);

    if (status == CONVEX_OK)
        status = cvx_outbox_file_totals(&box->file, &totals, &error);
    if (status != CONVEX_OK) {
        snprintf(box->file.words, sizeof box->file.words, "%.255s", error.message);
        cvx_outbox_file_close(&box->file);
        return seen_by_caller(status);
    }
    pthread_mutex_lock(&box->lock);
    box->in_file = totals.entries;
    box->bytes_in_file = totals.bytes;
    pthread_mutex_unlock(&box->lock);
    box->last_seq = totals.last;
    return CONVEX_OK;
}

/* ---- after it ---- */

/* With the lock held. */
static void drop_deleted(convex_outbox *box)
{
    cvx_entry **at = &box->first, *kept = NULL;

    while (*at) {
        cvx_entry *entry = *at;
        size_t bytes = cvx_outbox_row_bytes(&entry->row);
        if (entry->work != CVX_WORK_DELETE) {
            kept = entry;
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        box->in_file--;
        box->bytes_in_file -= bytes;
        box->loaded--;
        box->loaded_bytes -= bytes;
        cvx_entry_free(&box->mem, entry);
    }
    box->last = kept;
}

void cvx_outbox_make_due(cvx_entry *entry, convex_status status)
{
    entry->state = CVX_ENTRY_DUE;
    entry->status = status;
    cvx_client_send(entry->box->client, &entry->errand);
}

/* With the lock held. What is answered already stays answered; what is not in memory is found to be
 * cancelled when it gets there. */
static void give_up(convex_outbox *box, uint64_t seq)
{
    cvx_entry *entry = box->first;

    while (entry && entry->row.seq != seq)
        entry = entry->next;
    if (entry && entry->state == CVX_ENTRY_IN_FLIGHT) {
        entry->canceled = true;
        convex_client_cancel(box->client, cvx_outbox_id(box, entry));
    } else if (entry && entry->state == CVX_ENTRY_READY) {
        cvx_outbox_make_due(entry, may_have_been_sent(entry) ? CONVEX_EUNKNOWN : CONVEX_ECANCELED);
    }
}

/* With the lock held: callers are answered, entries move on. */
static void settle(convex_outbox *box, cvx_ask *asks, convex_status status)
{
    for (cvx_ask *ask = asks, *next; ask; ask = next) {
        next = ask->next; /* it goes when its caller wakes */
        box->asked -= ask->count;
        box->bytes_asked -= ask->bytes;
        if (status == CONVEX_OK) {
            box->in_file += ask->count;
            box->bytes_in_file += ask->bytes;
            if (ask->cancel)
                give_up(box, ask->cancel);
        } else {
            cvx_fail(&ask->error, status, "%s: %s", box->path,
                     *box->file.words ? box->file.words : convex_status_text(status));
        }
        ask->status = status;
        ask->done = true;
    }
    if (asks)
        pthread_cond_broadcast(&box->answered);
    snprintf(box->storage_error, sizeof box->storage_error, "%s", box->file.words);
    if (status != CONVEX_OK)
        return;
    drop_deleted(box);
    for (cvx_entry *entry = box->first; entry; entry = entry->next)
        if (entry->work == CVX_WORK_STORE)
            cvx_outbox_make_due(entry, CONVEX_OK);
}

/* With the lock held: to the client, in order, as many as may be in flight. */
static void feed(convex_outbox *box)
{
    static const convex_call_options options = {.flags = CONVEX_AT_COMMIT};
    int64_t now = wall_ms();

    for (cvx_entry *entry = box->first; entry && is_sending(box); entry = entry->next) {
        if (entry->state != CVX_ENTRY_READY)
            continue;
        if (needs_mark(entry, now)) {
            box->wake = true;
            return;
        }
        if (may_have_been_sent(entry) && now - entry->row.sent_at >= lifetime_ms) {
            cvx_outbox_make_due(entry, CONVEX_EUNKNOWN);
            continue;
        }
        if (box->in_flight >= box->max_in_flight)
            return;
        if (cvx_client_mutation_as(box->client, cvx_outbox_id(box, entry), entry->row.call,
                                   entry->row.call_len, &options, cvx_outbox_on_done, entry,
                                   NULL) != CONVEX_OK) {
            box->retry_at = cvx_client_now() + RETRY_MS; /* other requests fill the client */
            return;
        }
        entry->state = CVX_ENTRY_IN_FLIGHT;
        entry->fed = true;
        box->in_flight++;
    }
}

/* ---- the thread ---- */

/* With the lock held, which is released while the file is written. After a failure the entries'
 * work is tried once more without what callers ask, as it may make room. */
static void turn(convex_outbox *box)
{
    cvx_ask *asks = box->asks;
    bool synced = asks != NULL, work = plan(box, &synced), sending = is_sending(box);
    convex_status status = CONVEX_OK;

    box->asks = box->asks_last = NULL;
    box->wake = false;
    box->retry_at = 0;
    pthread_mutex_unlock(&box->lock);
    if (!box->file.db)
        status = open_again(box);
    if (status == CONVEX_OK && (asks || work))
        status = write_all(box, asks, synced, sending);
    pthread_mutex_lock(&box->lock);
    settle(box, asks, status);
    if (status == CONVEX_OK) {
        pthread_mutex_unlock(&box->lock);
        status = load(box);
        pthread_mutex_lock(&box->lock);
    }
    feed(box);
    if (status != CONVEX_OK)
        box->wake = asks != NULL; /* whatever else there is fails as well, and waits */
    if (status != CONVEX_OK && !asks)
        box->retry_at = cvx_client_now() + RETRY_MS;
}

/* With the lock held. */
static void wait_for_work(convex_outbox *box)
{
    struct timespec until;
    int64_t at;

    while (!box->wake && !box->asks && !box->stopping) {
        at = box->retry_at;
        if (at == 0) {
            pthread_cond_wait(&box->work, &box->lock);
            continue;
        }
        if (cvx_client_now() >= at)
            return;
        until = (struct timespec){.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
        pthread_cond_timedwait(&box->work, &box->lock, &until);
    }
}

void *cvx_outbox_writer(void *user)
{
    convex_outbox *box = user;
    bool last = false;

    pthread_mutex_lock(&box->lock);
    while (!last) {
        wait_for_work(box);
        last = box->stopping;
        turn(box);
        bool idle = !box->wake && !box->asks;
        pthread_mutex_unlock(&box->lock);
        cvx_outbox_file_tidy(&box->file, idle);
        pthread_mutex_lock(&box->lock);
    }
    pthread_mutex_unlock(&box->lock);
    return NULL;
}

convex_status cvx_outbox_ask(convex_outbox *box, cvx_ask *ask)
{
    ask->next = NULL;
    ask->done = false;
    if (box->asks_last)
        box->asks_last->next = ask;
    else
        box->asks = ask;
    box->asks_last = ask;
    pthread_cond_signal(&box->work);
    while (!ask->done)
        pthread_cond_wait(&box->answered, &box->lock);
    return ask->status;
}
