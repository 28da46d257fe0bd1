/* outbox.c - the public calls of an outbox: opening, accepting, counting, closing.
 * Owns the object. Any thread. Invariants: a caller is told that its mutation was accepted only
 * when it is on disk; a session is given up for a new one only when nothing of it may still be
 * waiting for an answer. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "error_internal.h"
#include "outbox_internal.h"
#include "utf8.h"

enum { MAX_ENTRIES = 100000, IN_FLIGHT = 100, MIB = 1024 * 1024 };

/* ---- lifetime ---- */

uint32_t cvx_outbox_id(const convex_outbox *box, const cvx_entry *entry)
{
    return (uint32_t)(entry->row.seq - box->session.base);
}

void cvx_entry_free(const convex_mem *mem, cvx_entry *entry)
{
    if (!entry)
        return;
    convex_result_unref(entry->result);
    cvx_free(mem, entry);
}

static void free_box(convex_outbox *box)
{
    convex_mem mem = box->mem;

    convex_client_unref(box->client);
    for (cvx_entry *entry = box->first, *next; entry; entry = next) {
        next = entry->next;
        cvx_entry_free(&mem, entry);
    }
    if (box->path)
        cvx_outbox_file_done(&box->file);
    pthread_cond_destroy(&box->work);
    pthread_cond_destroy(&box->answered);
    pthread_mutex_destroy(&box->lock);
    cvx_free(&mem, box->session.url);
    cvx_free(&mem, box->path);
    cvx_free(&mem, box);
}

static convex_outbox *new_box(const convex_outbox_options *options)
{
    convex_mem mem = cvx_mem(&options->client->mem);
    convex_outbox *box = cvx_alloc(&mem, sizeof *box);
    pthread_condattr_t monotonic;

    if (!box)
        return NULL;
    *box = (convex_outbox){
        .mem = mem,
        .on_done = options->on_done,
        .user = options->user,
        .on_state = options->client->on_state,
        .state_user = options->client->state_user,
        .max_entries = options->max_entries ? options->max_entries : MAX_ENTRIES,
        .max_bytes = options->max_bytes ? options->max_bytes : (size_t)256 * MIB,
        .max_in_flight = options->max_in_flight ? options->max_in_flight : IN_FLIGHT,
    };
    pthread_mutex_init(&box->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&box->work, &monotonic);
    pthread_cond_init(&box->answered, NULL);
    pthread_condattr_destroy(&monotonic);
    box->path = cvx_strdup(&mem, options->file);
    if (box->path)
        return box;
    free_box(box);
    return NULL;
}

/* ---- the session ---- */

static convex_status new_session(convex_outbox *box, const cvx_outbox_totals *totals,
                                 convex_error *reterr)
{
    uint8_t random[16];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return cvx_fail(reterr, CONVEX_ELIMIT, "no random bytes to be had: %s", strerror(errno));
    cvx_uuid_text(random, box->session.id);
    box->session.base = totals->first_unsent ? totals->first_unsent : box->next_seq;
    box->session.id_limit = CVX_OTHER_REQUESTS;
    return CONVEX_OK;
}

static convex_status put_session(convex_outbox *box, const char *url, convex_error *reterr)
{
    char *copy = cvx_strdup(&box->mem, url);
    convex_status status;

    if (!copy)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    cvx_free(&box->mem, box->session.url);
    box->session.url = copy;
    box->session.seq_limit = box->next_seq;
    status = cvx_outbox_file_begin(&box->file, true);
    if (status == CONVEX_OK)
        status = cvx_outbox_file_put_session(&box->file, &box->session);
    if (status == CONVEX_OK)
        status = cvx_outbox_file_commit(&box->file);
    if (status == CONVEX_OK)
        return CONVEX_OK;
    cvx_fail(reterr, status, "%s: %s", box->path, box->file.words);
    cvx_outbox_file_rollback(&box->file);
    return status;
}

/* The one of before while an answer may be waiting under it, else a new one. */
static convex_status choose_session(convex_outbox *box, const char *url, bool moved,
                                    convex_error *reterr)
{
    cvx_outbox_totals totals = {0};
    convex_status status = cvx_outbox_file_totals(&box->file, &totals, reterr);

    if (status == CONVEX_OK)
        status = cvx_outbox_file_session(&box->file, &box->mem, &box->session, reterr);
    if (status != CONVEX_OK)
        return status;
    if (totals.entries > 0 && box->session.url && !moved && strcmp(box->session.url, url) != 0)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "%s holds entries for %s: open it with `moved` if that is now at this URL",
                        box->path, box->session.url);
    box->in_file = totals.entries;
    box->bytes_in_file = totals.bytes;
    box->last_seq = totals.last;
    box->next_seq = totals.last + 1;
    if (box->next_seq < box->session.seq_limit)
        box->next_seq = box->session.seq_limit;
    box->run_first = box->next_seq;
    if (!totals.sent)
        status = new_session(box, &totals, reterr);
    return status == CONVEX_OK ? put_session(box, url, reterr) : status;
}

/* ---- opening ---- */

/* From the thread of a caller. */
static convex_status reserve_ids(void *user, uint32_t up_to)
{
    convex_outbox *box = user;
    cvx_ask ask = {.id_limit = up_to};
    convex_status status;

    pthread_mutex_lock(&box->lock);
    status = cvx_outbox_ask(box, &ask);
    pthread_mutex_unlock(&box->lock);
    return status;
}

static convex_status make_client(convex_outbox *box, const convex_options *given,
                                 convex_error *reterr)
{
    cvx_session session = {
        .next_request_id = box->session.id_limit, .reserve = reserve_ids, .user = box};
    convex_options options = *given;

    memcpy(session.id, box->session.id, sizeof session.id);
    options.on_state = cvx_outbox_on_state;
    options.state_user = box;
    return cvx_client_new_session(&options, &session, &box->client, reterr);
}

static convex_status start_writer(convex_outbox *box, convex_error *reterr)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&box->thread, NULL, cvx_outbox_writer, box);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == 0 ? CONVEX_OK
                  : cvx_fail(reterr, CONVEX_ELIMIT, "no thread to be had: %s", strerror(r));
}

static const char *fault_of(const convex_outbox_options *options)
{
    if (!options || options->size < sizeof *options)
        return "no options, or options without CONVEX_OUTBOX_OPTIONS_INIT";
    if (!options->client || options->client->size < sizeof *options->client ||
        !options->client->url)
        return "no client options, or none of CONVEX_OPTIONS_INIT with a url";
    if (!options->file || !*options->file || !options->on_done)
        return "no file, or no on_done";
    if (options->max_in_flight > CVX_MAX_IN_FLIGHT)
        return "max_in_flight is above 500";
    return NULL;
}

convex_status convex_outbox_open(const convex_outbox_options *options, convex_outbox **ret,
                                 convex_error *reterr)
{
    const char *fault = ret ? fault_of(options) : "no place for the outbox";
    convex_outbox *box;
    convex_status status;

    if (fault)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s", fault);
    box = new_box(options);
    if (!box)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    status = cvx_outbox_file_lock(&box->file, box->path, reterr);
    if (status == CONVEX_OK)
        status = cvx_outbox_file_open(&box->file, reterr);
    if (status == CONVEX_OK)
        status = choose_session(box, options->client->url, options->moved, reterr);
    if (status == CONVEX_OK)
        status = make_client(box, options->client, reterr);
    box->wake = true; /* what an earlier run left is looked at first */
    if (status == CONVEX_OK)
        status = start_writer(box, reterr);
    if (status == CONVEX_OK)
        *ret = box;
    else
        free_box(box);
    return status;
}

void convex_outbox_free(convex_outbox *box)
{
    if (!box)
        return;
    convex_client_join(box->client); /* no callback runs from here on */
    pthread_mutex_lock(&box->lock);
    box->stopping = true;
    pthread_cond_signal(&box->work);
    pthread_mutex_unlock(&box->lock);
    pthread_join(box->thread, NULL);
    free_box(box);
}

convex_client *convex_outbox_client(convex_outbox *box)
{
    return box ? box->client : NULL;
}

/* ---- accepting ---- */

static convex_status prepare_row(const convex_mem *mem, const convex_outbox_item *item,
                                 cvx_outbox_row *row, convex_error *reterr)
{
    const char *tag = item->tag ? item->tag : "";
    size_t len = strlen(tag);
    char *call = NULL;
    convex_status status;

    if (len > CVX_TAG_MAX || cvx_utf8_valid_prefix(tag, len) != len)
        return cvx_fail(reterr, CONVEX_EINVAL, "the tag is above %d bytes or no UTF-8",
                        CVX_TAG_MAX);
    status = cvx_call_text(mem, item->path, NULL, item->args, false, &call, &row->call_len, reterr);
    if (status == CONVEX_OK) {
        row->path = item->path;
        row->call = call;
        row->tag = tag;
    }
    return status;
}

static convex_status prepare(convex_outbox *box, const convex_outbox_item *items, cvx_ask *ask,
                             convex_error *reterr)
{
    convex_status status = CONVEX_OK;

    for (size_t i = 0; i < ask->count && status == CONVEX_OK; i++) {
        status = prepare_row(&box->mem, &items[i], &ask->rows[i], reterr);
        if (status == CONVEX_OK)
            ask->bytes += cvx_outbox_row_bytes(&ask->rows[i]);
    }
    if (status == CONVEX_OK && (ask->count > box->max_entries || ask->bytes > box->max_bytes))
        status = cvx_fail(reterr, CONVEX_ELIMIT,
                          "%zu entries of %zu bytes are more than the outbox may ever hold",
                          ask->count, ask->bytes);
    return status;
}

static convex_status submit(convex_outbox *box, cvx_ask *ask, convex_error *reterr)
{
    convex_status status;

    pthread_mutex_lock(&box->lock);
    if (ask->count > box->max_entries - box->in_file - box->asked ||
        ask->bytes > box->max_bytes - box->bytes_in_file - box->bytes_asked) {
        status = cvx_fail(reterr, CONVEX_EBUSY, "%s is full: %zu entries of %zu bytes", box->path,
                          box->in_file, box->bytes_in_file);
    } else {
        box->asked += ask->count;
        box->bytes_asked += ask->bytes;
        status = cvx_outbox_ask(box, ask);
        if (status != CONVEX_OK && reterr)
            *reterr = ask->error;
    }
    pthread_mutex_unlock(&box->lock);
    return status;
}

convex_status convex_outbox_mutations(convex_outbox *box, const convex_outbox_item *items,
                                      size_t count, uint64_t *ret_first_seq, convex_error *reterr)
{
    cvx_ask ask = {.count = count};
    convex_status status;

    if (!box || !items || count == 0 || count > SIZE_MAX / sizeof *ask.rows)
        return cvx_fail(reterr, CONVEX_EINVAL, "no outbox, or nothing to accept");
    ask.rows = cvx_alloc(&box->mem, count * sizeof *ask.rows);
    if (!ask.rows)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    memset(ask.rows, 0, count * sizeof *ask.rows);
    status = prepare(box, items, &ask, reterr);
    if (status == CONVEX_OK)
        status = submit(box, &ask, reterr);
    if (status == CONVEX_OK && ret_first_seq)
        *ret_first_seq = ask.rows[0].seq;
    for (size_t i = 0; i < count; i++)
        cvx_free(&box->mem, (char *)(uintptr_t)ask.rows[i].call);
    cvx_free(&box->mem, ask.rows);
    return status;
}

convex_status convex_outbox_mutation(convex_outbox *box, const char *path, const convex_value *args,
                                     const char *tag, uint64_t *ret_seq, convex_error *reterr)
{
    return convex_outbox_mutations(
        box, &(convex_outbox_item){.path = path, .args = args, .tag = tag}, 1, ret_seq, reterr);
}

convex_status convex_outbox_cancel(convex_outbox *box, uint64_t seq, convex_error *reterr)
{
    cvx_ask ask = {.cancel = seq};
    convex_status status;

    if (!box || seq == 0 || seq > INT64_MAX)
        return cvx_fail(reterr, CONVEX_EINVAL, "no outbox, or no such seq");
    pthread_mutex_lock(&box->lock);
    status = cvx_outbox_ask(box, &ask);
    pthread_mutex_unlock(&box->lock);
    if (status != CONVEX_OK && reterr)
        *reterr = ask.error;
    return status;
}

/* ---- looking ---- */

void convex_outbox_count(convex_outbox *box, convex_outbox_counts *ret)
{
    if (!box || !ret)
        return;
    pthread_mutex_lock(&box->lock);
    *ret = (convex_outbox_counts){.entries = box->in_file,
                                  .bytes = box->bytes_in_file,
                                  .in_flight = box->in_flight,
                                  .oldest_at_ms = box->first ? box->first->row.accepted_at : 0};
    memcpy(ret->storage_error, box->storage_error, sizeof ret->storage_error);
    pthread_mutex_unlock(&box->lock);
}
