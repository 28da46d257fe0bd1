/* outbox.c - messages that must survive a crash.
 * Owns one SQLite file and its lock file. Called from one thread at a time.
 * Invariants: what commit acknowledged is synced to the write-ahead log; `counts` equals what the
 * file holds, an open transaction included; after an I/O error nothing is done until recovery. */
#include "outbox_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_MAX_BYTES = 512,
    NAME_MAX_BYTES = 256,
    PAYLOAD_MAX_BYTES = 64 << 20,
    ID_BLOCK = 1 << 20,
    FRAME_BYTES = 4096,
    IDLE_FRAMES = 256,    /* a smaller log is not worth moving */
    INLINE_FRAMES = 32768 /* 128 MiB: never idle for so long that a commit must do it */
};

/* ---- statements ---- */

/* Runs a statement whose parameters are bound and that returns no row. */
static int run(outbox *box, outbox_sql which)
{
    sqlite3_stmt *statement = box->statements[which];
    int rc = sqlite3_step(statement);
    int r = outbox_failure(box, rc);

    sqlite3_reset(statement);
    return r;
}

static int run_id(outbox *box, outbox_sql which, int64_t id)
{
    sqlite3_bind_int64(box->statements[which], 1, id);
    return run(box, which);
}

static void read_entry(sqlite3_stmt *row, outbox_entry *ret)
{
    const void *payload = sqlite3_column_blob(row, 2);

    ret->id = sqlite3_column_int64(row, 0);
    ret->key = (const char *)sqlite3_column_text(row, 1);
    ret->payload = payload ? payload : "";
    ret->size = (size_t)sqlite3_column_bytes(row, 2);
    ret->created_at = sqlite3_column_int64(row, 3);
    ret->next_attempt_at = sqlite3_column_int64(row, 4);
    ret->attempts = sqlite3_column_int64(row, 5);
    ret->last_error = (const char *)sqlite3_column_text(row, 6);
    ret->dead_at = sqlite3_column_int64(row, 7);
}

/* Steps through rows of entries; returns SQLite's last code. */
static int walk(sqlite3_stmt *statement, outbox_entry_fn *fn, void *user)
{
    outbox_entry entry;
    int rc;

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        read_entry(statement, &entry);
        if (entry.key == NULL || entry.last_error == NULL) {
            rc = SQLITE_NOMEM;
            break;
        }
        if (!fn(&entry, user))
            break;
    }
    sqlite3_reset(statement);
    return rc;
}

/* ---- opening ---- */

int outbox_open(const outbox_options *options, outbox **ret, outbox_error *reterr)
{
    outbox *box = calloc(1, sizeof(*box));
    int r;

    if (box == NULL)
        return -ENOMEM;
    box->lock_fd = -1;
    box->options = *options;
    box->options.path = NULL;
    if (box->options.max_entries <= 0)
        box->options.max_entries = 1000000;
    if (box->options.max_bytes <= 0)
        box->options.max_bytes = INT64_C(1) << 30;
    box->path = strdup(options->path);
    r = box->path ? outbox_file_lock(box, reterr) : -ENOMEM;
    if (r == 0) {
        r = outbox_file_open(box);
        if (r < 0)
            outbox_say(reterr, "%s", *box->error.text ? box->error.text : strerror(-r));
    }
    if (r < 0) {
        outbox_close(box);
        return r;
    }
    *ret = box;
    return 0;
}

void outbox_close(outbox *box)
{
    if (box == NULL)
        return;
    outbox_file_close(box);
    if (box->lock_fd >= 0)
        close(box->lock_fd);
    free(box->path);
    free(box);
}

int outbox_recover(outbox *box, outbox_error *reterr)
{
    int r;

    outbox_file_close(box);
    r = outbox_file_open(box);
    if (r < 0)
        outbox_say(reterr, "%s", *box->error.text ? box->error.text : strerror(-r));
    return r;
}

const char *outbox_last_error(const outbox *box)
{
    return box->error.text;
}

/* ---- transactions ---- */

int outbox_begin(outbox *box)
{
    int r;

    if (box->failed)
        return -EIO;
    if (box->open_transaction)
        return -EINVAL;
    if (box->spent) /* that the log begins anew, over its own bytes */
        (void)outbox_checkpoint(box);
    r = box->failed ? -EIO : run(box, SQL_BEGIN);
    if (r < 0)
        return r;
    box->counts_before = box->counts;
    box->id_limit_before = box->id_limit;
    box->open_transaction = true;
    return 0;
}

void outbox_rollback(outbox *box)
{
    outbox_error why = box->error;

    if (!box->open_transaction)
        return;
    box->open_transaction = false;
    box->counts = box->counts_before;
    box->id_limit = box->id_limit_before;
    /* SQLite may have rolled back by itself when it failed. */
    if (!sqlite3_get_autocommit(box->db) && run(box, SQL_ROLLBACK) < 0)
        box->failed = true;
    if (why.text[0])
        box->error = why;
}

/* How long the log may become. The file grows by no more than that when it is moved, and half of a
 * reserve has to be enough for it. */
static int64_t inline_frames(const outbox *box)
{
    int64_t half = box->options.reserve_bytes / 2 / FRAME_BYTES;

    return half > 0 && half < INLINE_FRAMES ? half : INLINE_FRAMES;
}

int outbox_commit(outbox *box)
{
    int r;

    if (!box->open_transaction)
        return -EINVAL;
    r = run(box, SQL_COMMIT);
    if (r < 0) {
        outbox_rollback(box);
        return r;
    }
    box->open_transaction = false;
    if (box->wal_frames > inline_frames(box))
        (void)outbox_checkpoint(box); /* this commit holds; a failure shows in the next call */
    return 0;
}

/* A call outside a transaction is a transaction of its own. */
static int enter(outbox *box, bool *ret_alone)
{
    *ret_alone = !box->open_transaction;
    if (box->failed)
        return -EIO;
    return *ret_alone ? outbox_begin(box) : 0;
}

static int leave(outbox *box, bool alone, int r)
{
    if (!alone || !box->open_transaction)
        return r;
    if (r == 0)
        return outbox_commit(box);
    outbox_rollback(box);
    return r;
}

/* ---- entries ---- */

static int put_row(outbox *box, const char *name, const void *value, size_t size)
{
    sqlite3_stmt *put = box->statements[SQL_PUT];

    sqlite3_bind_text(put, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(put, 2, value, size, SQLITE_STATIC);
    return run(box, SQL_PUT);
}

/* Ids come in blocks, and the end of the block is stored with the first entry of it. */
static int reserve_ids(outbox *box, int64_t id)
{
    char text[32];
    int r;

    if (id < box->id_limit)
        return 0;
    snprintf(text, sizeof(text), "%" PRId64, id + ID_BLOCK);
    r = put_row(box, OUTBOX_ID_LIMIT, text, strlen(text));
    if (r == 0)
        box->id_limit = id + ID_BLOCK;
    return r;
}

static int is_dead(outbox *box, const char *key)
{
    int64_t one;

    if (box->counts.dead == 0)
        return 0;
    sqlite3_bind_text(box->statements[SQL_FIND_DEAD], 1, key, -1, SQLITE_STATIC);
    return outbox_numbers(box, SQL_FIND_DEAD, &one, 1);
}

static int insert(outbox *box, int64_t id, const char *key, const void *payload, size_t size,
                  int64_t now_ms)
{
    sqlite3_stmt *statement = box->statements[SQL_APPEND];
    int r = box->options.unique_keys ? is_dead(box, key) : 0;

    if (r > 0)
        return -EEXIST;
    if (r == 0)
        r = reserve_ids(box, id);
    if (r < 0)
        return r;
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, key, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, 3, size ? payload : "", size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, now_ms);
    r = run(box, SQL_APPEND);
    if (r == 0 && sqlite3_changes(box->db) == 0)
        r = -EEXIST;
    if (r == 0) {
        box->next_id = id < box->next_id ? box->next_id : id + 1;
        box->counts.waiting++;
        box->counts.bytes += (int64_t)(strlen(key) + size);
    }
    return r;
}

int outbox_insert(outbox *box, int64_t id, const char *key, const void *payload, size_t size,
                  int64_t now_ms)
{
    size_t length = strlen(key);
    bool alone;
    int r;

    if (id <= 0 || length > KEY_MAX_BYTES || size > PAYLOAD_MAX_BYTES)
        return -EINVAL;
    r = enter(box, &alone);
    if (r < 0)
        return r;
    if (box->spent)
        r = -ENOSPC;
    else if (box->counts.waiting + box->counts.dead >= box->options.max_entries ||
             box->counts.bytes + (int64_t)(length + size) > box->options.max_bytes)
        r = -ENOBUFS;
    else
        r = insert(box, id, key, payload, size, now_ms);
    return leave(box, alone, r);
}

int outbox_append(outbox *box, const char *key, const void *payload, size_t size, int64_t now_ms,
                  int64_t *ret_id)
{
    int64_t id = box->next_id;
    int r = outbox_insert(box, id, key, payload, size, now_ms);

    if (r == 0 && ret_id)
        *ret_id = id;
    return r;
}

int64_t outbox_next_id(const outbox *box)
{
    return box->next_id;
}

int outbox_has(outbox *box, const char *key)
{
    int64_t one;
    int r;

    if (box->failed)
        return -EIO;
    if (box->counts.waiting + box->counts.dead == 0)
        return 0;
    r = is_dead(box, key);
    if (r != 0)
        return r;
    sqlite3_bind_text(box->statements[SQL_FIND_WAITING], 1, key, -1, SQLITE_STATIC);
    return outbox_numbers(box, SQL_FIND_WAITING, &one, 1);
}

int outbox_put(outbox *box, const char *name, const void *value, size_t size)
{
    bool alone;
    int r;

    if (strlen(name) > NAME_MAX_BYTES || size > PAYLOAD_MAX_BYTES)
        return -EINVAL;
    r = enter(box, &alone);
    if (r < 0)
        return r;
    if (value) {
        r = put_row(box, name, value, size);
    } else {
        sqlite3_bind_text(box->statements[SQL_UNPUT], 1, name, -1, SQLITE_STATIC);
        r = run(box, SQL_UNPUT);
    }
    return leave(box, alone, r);
}

int outbox_get(outbox *box, const char *name, void **ret_value, size_t *ret_size)
{
    sqlite3_stmt *get = box->statements[SQL_GET];
    int rc, r;

    if (box->failed)
        return -EIO;
    sqlite3_bind_text(get, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(get);
    r = outbox_failure(box, rc);
    if (rc == SQLITE_DONE)
        r = -ENOENT;
    if (rc == SQLITE_ROW) {
        size_t size = (size_t)sqlite3_column_bytes(get, 0);
        char *value = malloc(size + 1);

        r = value ? 0 : -ENOMEM;
        if (value) {
            if (size)
                memcpy(value, sqlite3_column_blob(get, 0), size);
            value[size] = '\0';
            *ret_value = value;
            if (ret_size)
                *ret_size = size;
        }
    }
    sqlite3_reset(get);
    return r;
}

int outbox_peek(outbox *box, int64_t after_id, int64_t now_ms, size_t limit, outbox_entry_fn *fn,
                void *user)
{
    sqlite3_stmt *peek = box->statements[SQL_PEEK];

    if (box->failed)
        return -EIO;
    sqlite3_bind_int64(peek, 1, after_id);
    sqlite3_bind_int64(peek, 2, now_ms);
    sqlite3_bind_int64(peek, 3, (int64_t)limit);
    return outbox_failure(box, walk(peek, fn, user));
}

int outbox_list(outbox *box, int64_t after_id, size_t limit, outbox_entry_fn *fn, void *user)
{
    sqlite3_stmt *list = box->statements[SQL_LIST];

    if (box->failed)
        return -EIO;
    sqlite3_bind_int64(list, 1, after_id);
    sqlite3_bind_int64(list, 2, (int64_t)limit);
    return outbox_failure(box, walk(list, fn, user));
}

int outbox_next_due(outbox *box, int64_t *ret_ms)
{
    int64_t fresh = INT64_MAX, retry = INT64_MAX;
    int r;

    if (box->failed)
        return -EIO;
    r = outbox_numbers(box, SQL_NEXT_FRESH, &fresh, 1);
    if (r >= 0)
        r = outbox_numbers(box, SQL_NEXT_RETRY, &retry, 1);
    if (r < 0)
        return r;
    *ret_ms = fresh < retry ? fresh : retry;
    return 0;
}

/* Bytes counted for an entry; 1 if it is there, 0 if not. */
static int entry_size(outbox *box, outbox_sql which, int64_t id, int64_t *ret)
{
    sqlite3_bind_int64(box->statements[which], 1, id);
    return outbox_numbers(box, which, ret, 1);
}

static int delete_one(outbox *box, int64_t id)
{
    int64_t size = 0;
    int r = entry_size(box, SQL_SIZE, id, &size);

    if (r == 1) {
        r = run_id(box, SQL_DELETE, id);
        if (r == 0) {
            box->counts.waiting--;
            box->counts.bytes -= size;
        }
        return r;
    }
    if (r == 0)
        r = entry_size(box, SQL_DEAD_SIZE, id, &size);
    if (r == 1) {
        r = run_id(box, SQL_DELETE_DEAD, id);
        if (r == 0) {
            box->counts.dead--;
            box->counts.bytes -= size;
        }
    }
    return r;
}

int outbox_delete(outbox *box, const int64_t *ids, size_t count)
{
    bool alone;
    int r = enter(box, &alone);

    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = delete_one(box, ids[i]);
    return leave(box, alone, r);
}

int outbox_retry(outbox *box, int64_t id, int64_t next_attempt_at, const char *error)
{
    sqlite3_stmt *retry = box->statements[SQL_RETRY];
    bool alone;
    int r = enter(box, &alone);

    if (r < 0)
        return r;
    sqlite3_bind_int64(retry, 1, id);
    sqlite3_bind_int64(retry, 2, next_attempt_at);
    sqlite3_bind_text(retry, 3, error, -1, SQLITE_STATIC);
    r = run(box, SQL_RETRY);
    if (r == 0 && sqlite3_changes(box->db) == 0)
        r = -ENOENT;
    return leave(box, alone, r);
}

/* Moves an entry between the tables: `insert` copies it, `remove` deletes the original. */
static int move(outbox *box, outbox_sql insert, outbox_sql remove, int64_t id, int64_t now_ms,
                const char *reason)
{
    sqlite3_stmt *statement = box->statements[insert];
    int r;

    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_int64(statement, 2, now_ms);
    if (reason)
        sqlite3_bind_text(statement, 3, reason, -1, SQLITE_STATIC);
    r = run(box, insert);
    if (r == 0 && sqlite3_changes(box->db) == 0)
        return -ENOENT;
    return r == 0 ? run_id(box, remove, id) : r;
}

int outbox_bury(outbox *box, int64_t id, int64_t now_ms, const char *reason)
{
    bool alone;
    int r = enter(box, &alone);

    if (r < 0)
        return r;
    r = move(box, SQL_BURY, SQL_DELETE, id, now_ms, reason);
    if (r == 0) {
        box->counts.waiting--;
        box->counts.dead++;
    }
    return leave(box, alone, r);
}

int outbox_revive(outbox *box, int64_t id, int64_t now_ms)
{
    bool alone;
    int r = enter(box, &alone);

    if (r < 0)
        return r;
    r = move(box, SQL_REVIVE, SQL_DELETE_DEAD, id, now_ms, NULL);
    if (r == 0) {
        box->counts.waiting++;
        box->counts.dead--;
    }
    return leave(box, alone, r);
}

int outbox_count(outbox *box, outbox_counts *ret)
{
    int64_t oldest = 0;
    int r;

    if (box->failed)
        return -EIO;
    r = box->counts.waiting > 0 ? outbox_numbers(box, SQL_OLDEST, &oldest, 1) : 0;
    if (r < 0)
        return r;
    *ret = box->counts;
    ret->oldest_at = oldest;
    return 0;
}

int outbox_checkpoint(outbox *box)
{
    int log_frames, moved, rc;

    if (box->failed)
        return -EIO;
    if (box->open_transaction)
        return -EINVAL;
    if (box->wal_frames < (box->spent ? 1 : IDLE_FRAMES))
        return 0;
    rc = sqlite3_wal_checkpoint_v2(box->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log_frames, &moved);
    if (rc == SQLITE_BUSY || (rc == SQLITE_OK && moved < log_frames))
        return 0; /* a reader is in the way: next time */
    if (rc == SQLITE_OK)
        box->wal_frames = 0; /* the next commit begins the log again */
    return outbox_failure(box, rc);
}

/* ---- from outside ---- */

int outbox_inspect(const char *path, int64_t after_id, size_t limit, outbox_entry_fn *fn,
                   void *user, outbox_error *reterr)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *list = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    /* Read-write, since a log left by a crash has to be recovered before it can be read. */
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, 5000);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA wal_autocheckpoint = 0", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, outbox_statements[SQL_LIST], -1, &list, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(list, 1, after_id);
        sqlite3_bind_int64(list, 2, (int64_t)limit);
        rc = walk(list, fn, user);
    }
    if (outbox_code(rc) < 0)
        outbox_say(reterr, "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_finalize(list);
    sqlite3_close(db);
    return outbox_code(rc);
}
