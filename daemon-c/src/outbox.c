/* outbox.c - messages that must survive a crash.
 * Owns one SQLite file and its lock file. Called from one thread at a time.
 * Invariants: what commit acknowledged is synced to the write-ahead log; `counts` equals what the
 * file holds, an open transaction included; after an I/O error nothing is done until recovery. */
#include "daemon/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "outbox_sql.h"

enum {
    KEY_MAX_BYTES = 512,
    NAME_MAX_BYTES = 256,
    PAYLOAD_MAX_BYTES = 64 << 20,
    ID_BLOCK = 1 << 20,
    IDLE_FRAMES = 256,    /* a smaller log is not worth moving */
    INLINE_FRAMES = 32768 /* 128 MiB: never idle for so long that a commit must do it */
};

static const char id_limit_name[] = "outbox.id_limit";

struct outbox {
    char *path;
    outbox_options options;
    int lock_fd;
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_STATEMENTS];
    outbox_counts counts, counts_before; /* now; at the beginning of the open transaction */
    int64_t next_id, id_limit, id_limit_before;
    bool open_transaction;
    bool failed; /* an I/O error: only recovery is allowed */
    int wal_frames;
    outbox_error error;
};

/* ---- errors ---- */

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_TOOBIG:
        return -EINVAL;
    default:
        return -EIO;
    }
}

__attribute__((format(printf, 2, 3))) static void say(outbox_error *error, const char *format, ...)
{
    va_list args;

    if (error == NULL)
        return;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
}

/* Remembers what SQLite said; an I/O error closes the box for all but recovery. */
static int failure(outbox *box, int rc)
{
    int r = code_of(rc);

    if (r == 0)
        return 0;
    say(&box->error, "%s: %s (SQLite error %d)", box->path, sqlite3_errmsg(box->db), rc);
    if (r == -EIO || r == -EUCLEAN)
        box->failed = true;
    return r == -EUCLEAN && box->statements[0] ? -EIO : r;
}

/* ---- statements ---- */

/* Runs a statement whose parameters are bound and that returns no row. */
static int run(outbox *box, outbox_sql which)
{
    sqlite3_stmt *statement = box->statements[which];
    int rc = sqlite3_step(statement);
    int r = failure(box, rc);

    sqlite3_reset(statement);
    return r;
}

/* Runs a statement that returns at most one row of numbers; fills in what there is.
 * Returns 1 with a row, 0 without. */
static int run_numbers(outbox *box, outbox_sql which, int64_t *ret, int columns)
{
    sqlite3_stmt *statement = box->statements[which];
    int rc = sqlite3_step(statement), r = failure(box, rc);

    if (rc == SQLITE_ROW) {
        for (int i = 0; i < columns; i++)
            ret[i] = sqlite3_column_int64(statement, i);
        r = 1;
    }
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

static int take_lock(outbox *box, outbox_error *reterr)
{
    char path[4096], pid[32] = "";
    ssize_t n;

    snprintf(path, sizeof(path), "%s.lock", box->path);
    box->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (box->lock_fd < 0) {
        int r = errno;
        say(reterr, "%s: %s", path, strerror(r));
        return -r;
    }
    if (flock(box->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        n = pread(box->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        say(reterr, "%s is in use by %s%s", box->path, *pid ? "process " : "another process", pid);
        return -EBUSY;
    }
    n = snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    if (ftruncate(box->lock_fd, 0) != 0 || pwrite(box->lock_fd, pid, (size_t)n, 0) != n) {
        int r = errno ? errno : EIO; /* the lock holds, but nobody could be told whose it is */
        say(reterr, "%s: %s", path, strerror(r));
        return -r;
    }
    return 0;
}

static int note_wal(void *user, sqlite3 *db, const char *name, int frames)
{
    outbox *box = user;

    (void)db;
    (void)name;
    box->wal_frames = frames;
    return SQLITE_OK;
}

/* The first column of the first row of a PRAGMA, as text. */
static int pragma(outbox *box, const char *sql, char *ret, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(box->db, sql, -1, &statement, NULL);

    ret[0] = '\0';
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && sqlite3_column_text(statement, 0))
        snprintf(ret, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return failure(box, rc);
}

static int expect_pragma(outbox *box, const char *sql, const char *expected)
{
    char answer[200];
    int r = pragma(box, sql, answer, sizeof(answer));

    if (r == 0 && strcmp(answer, expected) != 0) {
        say(&box->error, "%s: %s is \"%s\", not \"%s\"", box->path, sql, answer, expected);
        r = -EUCLEAN;
    }
    return r;
}

static int execute(outbox *box, const char *sql)
{
    return failure(box, sqlite3_exec(box->db, sql, NULL, NULL, NULL));
}

/* An empty file becomes ours; another program's database is left alone. */
static int check_identity(outbox *box)
{
    char id[32], version[32], ours[32], sql[128];
    int r = pragma(box, "PRAGMA application_id", id, sizeof(id));

    if (r == 0)
        r = pragma(box, "PRAGMA user_version", version, sizeof(version));
    snprintf(ours, sizeof(ours), "%d", OUTBOX_APPLICATION_ID);
    if (r == 0 && strcmp(id, "0") == 0 && strcmp(version, "0") == 0) {
        r = expect_pragma(box, "SELECT count(*) FROM sqlite_master", "0");
        snprintf(sql, sizeof(sql),
                 "BEGIN; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
                 OUTBOX_APPLICATION_ID, OUTBOX_VERSION);
        return r == 0 ? execute(box, sql) : r;
    }
    if (r == 0 && (strcmp(id, ours) != 0 || atoi(version) != OUTBOX_VERSION)) {
        say(&box->error, "%s is not an outbox of this version", box->path);
        r = -EUCLEAN;
    }
    return r;
}

static int set_up(outbox *box)
{
    int r = check_identity(box);

    if (r == 0)
        r = expect_pragma(box, "PRAGMA journal_mode = WAL", "wal");
    if (r == 0)
        r = execute(box, "PRAGMA synchronous = FULL; PRAGMA secure_delete = FAST;"
                         "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"
                         "PRAGMA temp_store = MEMORY;");
    if (r == 0) /* some builds choose another default for WAL: read it back */
        r = expect_pragma(box, "PRAGMA synchronous", "2");
    if (r == 0)
        r = expect_pragma(box, "PRAGMA quick_check(1)", "ok");
    if (r == 0)
        r = execute(box, outbox_schema);
    if (r == 0 && box->options.unique_keys)
        r = execute(box, outbox_unique_index);
    return r;
}

static int prepare_statements(outbox *box)
{
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        int rc = sqlite3_prepare_v3(box->db, outbox_statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &box->statements[i], NULL);
        if (rc != SQLITE_OK)
            return failure(box, rc);
    }
    return 0;
}

static int load_counts(outbox *box)
{
    int64_t waiting[2] = {0, 0}, dead[2] = {0, 0}, last_id = 0;
    void *limit = NULL;
    int r = run_numbers(box, SQL_COUNT_WAITING, waiting, 2);

    if (r >= 0)
        r = run_numbers(box, SQL_COUNT_DEAD, dead, 2);
    if (r >= 0)
        r = run_numbers(box, SQL_LAST_ID, &last_id, 1);
    if (r >= 0)
        r = outbox_get(box, id_limit_name, &limit, NULL);
    if (r < 0 && r != -ENOENT)
        return r;
    box->counts = (outbox_counts){waiting[0], dead[0], waiting[1] + dead[1], 0};
    box->id_limit = limit ? strtoll(limit, NULL, 10) : 0;
    /* Ids of the unfinished block may have been given out and deleted: skip the rest of it. */
    box->next_id = (last_id > box->id_limit ? last_id : box->id_limit) + 1;
    free(limit);
    return 0;
}

/* A new file is durable only when its directory is. */
static int sync_directory(const char *path)
{
    char directory[4096];
    const char *slash = strrchr(path, '/');
    int fd, r = 0;

    snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    return r;
}

static int create_file(outbox *box)
{
    /* SQLite would use the umask; its -wal and -shm take over the mode of this one. */
    int fd = open(box->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        int r = errno;
        say(&box->error, "%s: %s", box->path, strerror(r));
        return -r;
    }
    close(fd);
    return 0;
}

static void close_database(outbox *box)
{
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(box->statements[i]);
        box->statements[i] = NULL;
    }
    sqlite3_close(box->db);
    box->db = NULL;
    box->open_transaction = false;
}

static int open_database(outbox *box)
{
    int r = create_file(box), rc;

    if (r < 0)
        return r;
    box->failed = false;
    box->error.text[0] = '\0';
    rc = sqlite3_open_v2(box->path, &box->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (box->db == NULL)
        return -ENOMEM;
    sqlite3_extended_result_codes(box->db, 1);
    sqlite3_busy_timeout(box->db, 5000); /* a reader's recovery of the log */
    r = failure(box, rc);
    if (r == 0)
        r = set_up(box);
    if (r == 0)
        r = prepare_statements(box);
    if (r == 0)
        r = load_counts(box);
    if (r == 0)
        r = sync_directory(box->path);
    if (r == 0)
        sqlite3_wal_hook(box->db, note_wal, box);
    else
        box->failed = true;
    return r;
}

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
    r = box->path ? take_lock(box, reterr) : -ENOMEM;
    if (r == 0) {
        r = open_database(box);
        if (r < 0)
            say(reterr, "%s", *box->error.text ? box->error.text : strerror(-r));
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
    close_database(box);
    if (box->lock_fd >= 0)
        close(box->lock_fd);
    free(box->path);
    free(box);
}

int outbox_recover(outbox *box, outbox_error *reterr)
{
    int r;

    close_database(box);
    r = open_database(box);
    if (r < 0)
        say(reterr, "%s", *box->error.text ? box->error.text : strerror(-r));
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
    r = run(box, SQL_BEGIN);
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
    if (box->wal_frames > INLINE_FRAMES)
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
static int reserve_ids(outbox *box)
{
    char text[32];
    int r;

    if (box->next_id < box->id_limit)
        return 0;
    snprintf(text, sizeof(text), "%" PRId64, box->next_id + ID_BLOCK);
    r = put_row(box, id_limit_name, text, strlen(text));
    if (r == 0)
        box->id_limit = box->next_id + ID_BLOCK;
    return r;
}

static int is_dead(outbox *box, const char *key)
{
    int64_t one;

    if (box->counts.dead == 0)
        return 0;
    sqlite3_bind_text(box->statements[SQL_FIND_DEAD], 1, key, -1, SQLITE_STATIC);
    return run_numbers(box, SQL_FIND_DEAD, &one, 1);
}

static int append(outbox *box, const char *key, const void *payload, size_t size, int64_t now_ms)
{
    sqlite3_stmt *insert = box->statements[SQL_APPEND];
    int r = box->options.unique_keys ? is_dead(box, key) : 0;

    if (r > 0)
        return -EEXIST;
    if (r == 0)
        r = reserve_ids(box);
    if (r < 0)
        return r;
    sqlite3_bind_int64(insert, 1, box->next_id);
    sqlite3_bind_text(insert, 2, key, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(insert, 3, size ? payload : "", size, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 4, now_ms);
    r = run(box, SQL_APPEND);
    if (r == 0 && sqlite3_changes(box->db) == 0)
        r = -EEXIST;
    if (r == 0) {
        box->next_id++;
        box->counts.waiting++;
        box->counts.bytes += (int64_t)(strlen(key) + size);
    }
    return r;
}

int outbox_append(outbox *box, const char *key, const void *payload, size_t size, int64_t now_ms,
                  int64_t *ret_id)
{
    size_t length = strlen(key);
    bool alone;
    int r;

    if (length > KEY_MAX_BYTES || size > PAYLOAD_MAX_BYTES)
        return -EINVAL;
    r = enter(box, &alone);
    if (r < 0)
        return r;
    if (box->counts.waiting + box->counts.dead >= box->options.max_entries ||
        box->counts.bytes + (int64_t)(length + size) > box->options.max_bytes)
        r = -ENOBUFS;
    else
        r = append(box, key, payload, size, now_ms);
    r = leave(box, alone, r);
    if (r == 0 && ret_id)
        *ret_id = box->next_id - 1;
    return r;
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
    r = failure(box, rc);
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
    return failure(box, walk(peek, fn, user));
}

int outbox_list(outbox *box, int64_t after_id, size_t limit, outbox_entry_fn *fn, void *user)
{
    sqlite3_stmt *list = box->statements[SQL_LIST];

    if (box->failed)
        return -EIO;
    sqlite3_bind_int64(list, 1, after_id);
    sqlite3_bind_int64(list, 2, (int64_t)limit);
    return failure(box, walk(list, fn, user));
}

int outbox_next_due(outbox *box, int64_t *ret_ms)
{
    int64_t fresh = INT64_MAX, retry = INT64_MAX;
    int r;

    if (box->failed)
        return -EIO;
    r = run_numbers(box, SQL_NEXT_FRESH, &fresh, 1);
    if (r >= 0)
        r = run_numbers(box, SQL_NEXT_RETRY, &retry, 1);
    if (r < 0)
        return r;
    *ret_ms = fresh < retry ? fresh : retry;
    return 0;
}

/* Bytes counted for an entry; 1 if it is there, 0 if not. */
static int entry_size(outbox *box, outbox_sql which, int64_t id, int64_t *ret)
{
    sqlite3_bind_int64(box->statements[which], 1, id);
    return run_numbers(box, which, ret, 1);
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
    r = box->counts.waiting > 0 ? run_numbers(box, SQL_OLDEST, &oldest, 1) : 0;
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
    if (box->wal_frames < IDLE_FRAMES)
        return 0;
    rc = sqlite3_wal_checkpoint_v2(box->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log_frames, &moved);
    if (rc == SQLITE_BUSY)
        return 0; /* a reader is in the way: next time */
    if (rc == SQLITE_OK && moved == log_frames)
        box->wal_frames = 0; /* the next commit begins the log again */
    return failure(box, rc);
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
    if (code_of(rc) < 0)
        say(reterr, "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_finalize(list);
    sqlite3_close(db);
    return code_of(rc);
}
