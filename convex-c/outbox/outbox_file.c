/* outbox_file.c - the SQLite file of an outbox.
 * Owns the database and the lock of one box. The opening thread, then the writer thread.
 * Invariants: a file is written only if it is ours, whole, of this version and locked by us; a
 * synced commit that returned CONVEX_OK is in the log and the log is synced. */
#include "outbox_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "error_internal.h"

enum {
    APPLICATION_ID = 0x43764f62, /* "CvOb" */
    FILE_VERSION = 1,
    IDLE_FRAMES = 1000,   /* a smaller log is not worth moving */
    INLINE_FRAMES = 32768 /* 128 MiB: never idle for so long that it must be done now */
};

typedef enum sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_INSERT,
    SQL_MARK,
    SQL_STORE,
    SQL_CANCEL,
    SQL_DELETE,
    SQL_WALK,
    SQL_PUT_SESSION,
    SQL_TOTALS
} sql;

#define COLUMNS "seq, accepted_at, sent_at, path, call, tag, outcome"

static const char *const statements[CVX_FILE_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_INSERT] = "INSERT INTO entry(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, NULL)",
    [SQL_MARK] = "UPDATE entry SET sent_at = ?2 WHERE seq = ?1",
    [SQL_STORE] = "UPDATE entry SET outcome = ?2 WHERE seq = ?1",
    [SQL_CANCEL] = "UPDATE entry SET outcome = 'null' WHERE seq = ?1 AND outcome IS NULL",
    [SQL_DELETE] = "DELETE FROM entry WHERE seq = ?1",
    [SQL_WALK] = "SELECT " COLUMNS " FROM entry WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [SQL_PUT_SESSION] = "INSERT OR REPLACE INTO session(one, id, base, seq_limit, id_limit, url)"
                        " VALUES(1, ?1, ?2, ?3, ?4, ?5)",
    [SQL_TOTALS] = "SELECT count(*), ifnull(sum(octets), 0), ifnull(min(unsent), 0),"
                   " ifnull(max(seq), 0), ifnull(max(sent), 0) FROM (SELECT seq,"
                   " length(CAST(path AS BLOB)) + length(CAST(call AS BLOB)) +"
                   " length(CAST(tag AS BLOB)) AS octets,"
                   " CASE WHEN sent_at = 0 THEN seq END AS unsent,"
                   " sent_at <> 0 AND outcome IS NULL AS sent FROM entry)",
};

static const char schema[] =
    "CREATE TABLE entry(seq INTEGER PRIMARY KEY, accepted_at INTEGER NOT NULL,"
    " sent_at INTEGER NOT NULL, path TEXT NOT NULL, call TEXT NOT NULL, tag TEXT NOT NULL,"
    " outcome TEXT);"
    "CREATE TABLE session(one INTEGER PRIMARY KEY CHECK(one = 1), id TEXT NOT NULL,"
    " base INTEGER NOT NULL, seq_limit INTEGER NOT NULL, id_limit INTEGER NOT NULL,"
    " url TEXT NOT NULL);";

/* ---- failures ---- */

static convex_status status_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return CONVEX_OK;
    case SQLITE_NOMEM:
        return CONVEX_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return CONVEX_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return CONVEX_EINVAL;
    default:
        return CONVEX_ELIMIT;
    }
}

/* A database that failed in any way but these is opened anew before it is used again. */
static bool is_usable_after(int rc)
{
    rc &= 0xff;
    return rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE || rc == SQLITE_FULL ||
           rc == SQLITE_NOMEM || rc == SQLITE_BUSY || rc == SQLITE_TOOBIG;
}

static convex_status check(cvx_outbox_file *file, int rc)
{
    convex_status status = status_of(rc);

    if (status != CONVEX_OK)
        snprintf(file->words, sizeof file->words, "%.150s (SQLite error %d)",
                 file->db ? sqlite3_errmsg(file->db) : "no database", rc);
    return status;
}

/* While opening: a failure has words for the caller. */
static convex_status check_open(cvx_outbox_file *file, int rc, convex_error *reterr)
{
    convex_status status = check(file, rc);

    if (status != CONVEX_OK)
        cvx_fail(reterr, status, "%s: %s", file->path, file->words);
    return status;
}

/* ---- the lock ---- */

static convex_status lock_or_name_holder(cvx_outbox_file *file, convex_error *reterr)
{
    char pid[32] = "";
    ssize_t n;

    if (flock(file->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        if (ftruncate(file->lock_fd, 0) == 0 && pwrite(file->lock_fd, pid, (size_t)n, 0) == n)
            return CONVEX_OK;
        return cvx_fail(reterr, CONVEX_ELIMIT, "%s.lock: %s", file->path, strerror(errno));
    }
    if (errno != EWOULDBLOCK)
        return cvx_fail(reterr, CONVEX_ELIMIT, "%s.lock: %s", file->path, strerror(errno));
    n = pread(file->lock_fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return cvx_fail(reterr, CONVEX_EBUSY, "%s is in use by %s%s", file->path,
                    *pid ? "process " : "another process", pid);
}

convex_status cvx_outbox_file_lock(cvx_outbox_file *file, const char *path, convex_error *reterr)
{
    char name[4096];

    *file = (cvx_outbox_file){.path = path, .lock_fd = -1};
    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return cvx_fail(reterr, CONVEX_EINVAL, "the name of the file is too long");
    file->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file->lock_fd < 0)
        return cvx_fail(reterr, CONVEX_EINVAL, "cannot open %s: %s", name, strerror(errno));
    return lock_or_name_holder(file, reterr);
}

/* ---- opening ---- */

static int note_wal(void *user, sqlite3 *db, const char *name, int frames)
{
    cvx_outbox_file *file = user;

    file->wal_frames = frames;
    return SQLITE_OK;
}

/* The first column of the first row, as text; "" without a row. */
static convex_status ask(cvx_outbox_file *file, const char *sql_text, char *ret, size_t size,
                         convex_error *reterr)
{
    sqlite3_stmt *statement = NULL;
    convex_status status;
    int rc = sqlite3_prepare_v2(file->db, sql_text, -1, &statement, NULL);

    ret[0] = '\0';
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && sqlite3_column_text(statement, 0))
        snprintf(ret, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    status = check_open(file, rc, reterr);
    sqlite3_finalize(statement);
    return status;
}

static convex_status expect(cvx_outbox_file *file, const char *sql_text, const char *expected,
                            convex_error *reterr)
{
    char answer[200];
    convex_status status = ask(file, sql_text, answer, sizeof answer, reterr);

    if (status == CONVEX_OK && strcmp(answer, expected) != 0)
        status = cvx_fail(reterr, CONVEX_EINVAL, "%s: %s is \"%s\", not \"%s\"", file->path,
                          sql_text, answer, expected);
    return status;
}

static convex_status execute(cvx_outbox_file *file, const char *sql_text, convex_error *reterr)
{
    return check_open(file, sqlite3_exec(file->db, sql_text, NULL, NULL, NULL), reterr);
}

/* An empty file becomes ours; another program's database is left alone. */
static convex_status identify(cvx_outbox_file *file, bool *ret_new, convex_error *reterr)
{
    char id[32], version[32], tables[32], ours[32];
    convex_status status = ask(file, "PRAGMA application_id", id, sizeof id, reterr);

    if (status == CONVEX_OK)
        status = ask(file, "PRAGMA user_version", version, sizeof version, reterr);
    if (status == CONVEX_OK)
        status = ask(file, "SELECT count(*) FROM sqlite_master", tables, sizeof tables, reterr);
    if (status != CONVEX_OK)
        return status;
    snprintf(ours, sizeof ours, "%d", APPLICATION_ID);
    *ret_new = strcmp(id, "0") == 0 && strcmp(version, "0") == 0 && strcmp(tables, "0") == 0;
    if (*ret_new)
        return CONVEX_OK;
    if (strcmp(id, ours) != 0)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s is another program's database", file->path);
    snprintf(ours, sizeof ours, "%d", FILE_VERSION);
    if (strcmp(version, ours) != 0)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s is of version %s, this library reads %s",
                        file->path, version, ours);
    return CONVEX_OK;
}

static convex_status make_tables(cvx_outbox_file *file, convex_error *reterr)
{
    char text[1024];

    snprintf(text, sizeof text,
             "BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
             schema, APPLICATION_ID, FILE_VERSION);
    return execute(file, text, reterr);
}

static convex_status set_up(cvx_outbox_file *file, convex_error *reterr)
{
    bool new = false;
    convex_status status = identify(file, &new, reterr);

    if (status == CONVEX_OK)
        status = expect(file, "PRAGMA journal_mode = WAL", "wal", reterr);
    if (status == CONVEX_OK)
        status = execute(file,
                         "PRAGMA synchronous = FULL; PRAGMA secure_delete = FAST;"
                         "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"
                         "PRAGMA temp_store = MEMORY;",
                         reterr);
    file->synced = true;
    if (status == CONVEX_OK)
        status = expect(file, "PRAGMA quick_check(1)", "ok", reterr);
    if (status == CONVEX_OK && new)
        status = make_tables(file, reterr);
    for (int i = 0; i < CVX_FILE_STATEMENTS && status == CONVEX_OK; i++)
        status =
            check_open(file,
                       sqlite3_prepare_v3(file->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                          &file->statements[i], NULL),
                       reterr);
    return status;
}

/* SQLite would use the umask, and its -wal and -shm take over the mode. A new file is durable only
 * when its directory is. */
static convex_status create(const char *path, convex_error *reterr)
{
    const char *slash = strrchr(path, '/');
    char directory[4096];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), failed;

    if (fd < 0)
        return cvx_fail(reterr, CONVEX_EINVAL, "cannot open %s: %s", path, strerror(errno));
    close(fd);
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (failed)
        return cvx_fail(reterr, CONVEX_ELIMIT, "cannot sync %s: %s", directory, strerror(failed));
    return CONVEX_OK;
}

convex_status cvx_outbox_file_open(cvx_outbox_file *file, convex_error *reterr)
{
    convex_status status = create(file->path, reterr);

    if (status != CONVEX_OK)
        return status;
    status = check_open(
        file,
        sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL),
        reterr);
    if (status == CONVEX_OK) {
        sqlite3_extended_result_codes(file->db, 1);
        sqlite3_busy_timeout(file->db, 5000); /* another process reads the log after a crash */
        status = set_up(file, reterr);
    }
    if (status == CONVEX_OK)
        sqlite3_wal_hook(file->db, note_wal, file);
    else
        cvx_outbox_file_close(file);
    return status;
}

void cvx_outbox_file_close(cvx_outbox_file *file)
{
    for (int i = 0; i < CVX_FILE_STATEMENTS; i++) {
        sqlite3_finalize(file->statements[i]);
        file->statements[i] = NULL;
    }
    sqlite3_close(file->db);
    file->db = NULL;
}

void cvx_outbox_file_done(cvx_outbox_file *file)
{
    cvx_outbox_file_close(file);
    if (file->lock_fd >= 0)
        close(file->lock_fd);
    file->lock_fd = -1;
}

convex_status cvx_outbox_file_session(cvx_outbox_file *file, const convex_mem *mem,
                                      cvx_outbox_session *ret, convex_error *reterr)
{
    sqlite3_stmt *row = NULL;
    convex_status status;
    int rc = sqlite3_prepare_v2(file->db, "SELECT id, base, seq_limit, id_limit, url FROM session",
                                -1, &row, NULL);

    *ret = (cvx_outbox_session){.url = NULL};
    if (rc == SQLITE_OK)
        rc = sqlite3_step(row);
    status = check_open(file, rc, reterr);
    if (rc == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(row, 0);
        const char *url = (const char *)sqlite3_column_text(row, 4);
        snprintf(ret->id, sizeof ret->id, "%s", id ? id : "");
        ret->base = (uint64_t)sqlite3_column_int64(row, 1);
        ret->seq_limit = (uint64_t)sqlite3_column_int64(row, 2);
        ret->id_limit = (uint32_t)sqlite3_column_int64(row, 3);
        ret->url = url ? cvx_strdup(mem, url) : NULL;
        if (!id || !ret->url)
            status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    sqlite3_finalize(row);
    return status;
}

convex_status cvx_outbox_file_totals(cvx_outbox_file *file, cvx_outbox_totals *ret,
                                     convex_error *reterr)
{
    sqlite3_stmt *row = file->statements[SQL_TOTALS];
    int rc = sqlite3_step(row);
    convex_status status = check_open(file, rc, reterr);

    if (rc == SQLITE_ROW)
        *ret = (cvx_outbox_totals){.entries = (size_t)sqlite3_column_int64(row, 0),
                                   .bytes = (size_t)sqlite3_column_int64(row, 1),
                                   .first_unsent = (uint64_t)sqlite3_column_int64(row, 2),
                                   .last = (uint64_t)sqlite3_column_int64(row, 3),
                                   .sent = sqlite3_column_int(row, 4) != 0};
    sqlite3_reset(row);
    return status;
}

/* ---- transactions ---- */

/* A statement whose parameters are bound and that returns no row. */
static int run(cvx_outbox_file *file, sql which)
{
    sqlite3_stmt *statement = file->statements[which];
    int rc = sqlite3_step(statement);

    sqlite3_reset(statement);
    return rc;
}

convex_status cvx_outbox_file_begin(cvx_outbox_file *file, bool synced)
{
    convex_status status = CONVEX_OK;

    if (synced != file->synced)
        status = check(
            file, sqlite3_exec(file->db,
                               synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                               NULL, NULL, NULL));
    if (status == CONVEX_OK) {
        file->synced = synced;
        status = check(file, run(file, SQL_BEGIN));
    }
    return status;
}

convex_status cvx_outbox_file_commit(cvx_outbox_file *file)
{
    int rc = run(file, SQL_COMMIT);
    convex_status status = check(file, rc);

    if (status == CONVEX_OK)
        file->words[0] = '\0';
    return is_usable_after(rc) ? status : CONVEX_EUNKNOWN;
}

void cvx_outbox_file_rollback(cvx_outbox_file *file)
{
    int rc = sqlite3_errcode(file->db);

    /* SQLite may have rolled back by itself when it failed. */
    if (!sqlite3_get_autocommit(file->db) && run(file, SQL_ROLLBACK) != SQLITE_DONE)
        rc = SQLITE_IOERR;
    if (!is_usable_after(rc))
        cvx_outbox_file_close(file);
}

convex_status cvx_outbox_file_insert(cvx_outbox_file *file, const cvx_outbox_row *row)
{
    sqlite3_stmt *insert = file->statements[SQL_INSERT];

    sqlite3_bind_int64(insert, 1, (int64_t)row->seq);
    sqlite3_bind_int64(insert, 2, row->accepted_at);
    sqlite3_bind_int64(insert, 3, row->sent_at);
    sqlite3_bind_text(insert, 4, row->path, -1, SQLITE_STATIC);
    sqlite3_bind_text64(insert, 5, row->call, row->call_len, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_text(insert, 6, row->tag, -1, SQLITE_STATIC);
    return check(file, run(file, SQL_INSERT));
}

convex_status cvx_outbox_file_mark(cvx_outbox_file *file, uint64_t seq, int64_t sent_at)
{
    sqlite3_bind_int64(file->statements[SQL_MARK], 1, (int64_t)seq);
    sqlite3_bind_int64(file->statements[SQL_MARK], 2, sent_at);
    return check(file, run(file, SQL_MARK));
}

convex_status cvx_outbox_file_store(cvx_outbox_file *file, uint64_t seq, const char *outcome)
{
    sqlite3_bind_int64(file->statements[SQL_STORE], 1, (int64_t)seq);
    sqlite3_bind_text(file->statements[SQL_STORE], 2, outcome, -1, SQLITE_STATIC);
    return check(file, run(file, SQL_STORE));
}

convex_status cvx_outbox_file_cancel(cvx_outbox_file *file, uint64_t seq)
{
    sqlite3_bind_int64(file->statements[SQL_CANCEL], 1, (int64_t)seq);
    return check(file, run(file, SQL_CANCEL));
}

convex_status cvx_outbox_file_delete(cvx_outbox_file *file, uint64_t seq)
{
    sqlite3_bind_int64(file->statements[SQL_DELETE], 1, (int64_t)seq);
    return check(file, run(file, SQL_DELETE));
}

convex_status cvx_outbox_file_put_session(cvx_outbox_file *file, const cvx_outbox_session *session)
{
    sqlite3_stmt *put = file->statements[SQL_PUT_SESSION];

    sqlite3_bind_text(put, 1, session->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 2, (int64_t)session->base);
    sqlite3_bind_int64(put, 3, (int64_t)session->seq_limit);
    sqlite3_bind_int64(put, 4, (int64_t)session->id_limit);
    sqlite3_bind_text(put, 5, session->url, -1, SQLITE_STATIC);
    return check(file, run(file, SQL_PUT_SESSION));
}

/* ---- reading ---- */

size_t cvx_outbox_row_bytes(const cvx_outbox_row *row)
{
    return strlen(row->path) + row->call_len + strlen(row->tag);
}

/* A path holds no bare quote, so what comes first is the end of it. */
convex_outbox_entry cvx_outbox_row_entry(const cvx_outbox_row *row)
{
    static const char before_args[] = "\",\"args\":[";
    const char *args = strstr(row->call, before_args);

    args = args ? args + sizeof before_args - 1 : row->call + row->call_len - 1;
    return (convex_outbox_entry){.seq = row->seq,
                                 .path = row->path,
                                 .args = args,
                                 .args_len = (size_t)(row->call + row->call_len - 1 - args),
                                 .tag = row->tag,
                                 .accepted_at_ms = row->accepted_at,
                                 .sent_at_ms = row->sent_at};
}

static bool read_row(sqlite3_stmt *from, cvx_outbox_row *ret)
{
    *ret = (cvx_outbox_row){
        .seq = (uint64_t)sqlite3_column_int64(from, 0),
        .accepted_at = sqlite3_column_int64(from, 1),
        .sent_at = sqlite3_column_int64(from, 2),
        .path = (const char *)sqlite3_column_text(from, 3),
        .call = (const char *)sqlite3_column_text(from, 4),
        .call_len = (size_t)sqlite3_column_bytes(from, 4),
        .tag = (const char *)sqlite3_column_text(from, 5),
        .outcome = (const char *)sqlite3_column_text(from, 6),
    };
    return ret->path && ret->call && ret->tag;
}

static int walk(sqlite3_stmt *from, uint64_t after, int64_t limit, cvx_outbox_row_fn *fn,
                void *user)
{
    cvx_outbox_row row;
    int rc;

    sqlite3_bind_int64(from, 1, (int64_t)after);
    sqlite3_bind_int64(from, 2, limit);
    while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
        if (!read_row(from, &row)) {
            rc = SQLITE_NOMEM;
            break;
        }
        if (!fn(&row, user))
            break;
    }
    return rc;
}

convex_status cvx_outbox_file_walk(cvx_outbox_file *file, uint64_t after, size_t limit,
                                   cvx_outbox_row_fn *fn, void *user)
{
    int rc = walk(file->statements[SQL_WALK], after, (int64_t)limit, fn, user);

    sqlite3_reset(file->statements[SQL_WALK]);
    return check(file, rc);
}

void cvx_outbox_file_tidy(cvx_outbox_file *file, bool idle)
{
    int frames = 0, moved = 0, rc;

    if (!file->db || file->wal_frames < (idle ? IDLE_FRAMES : INLINE_FRAMES))
        return;
    rc = sqlite3_wal_checkpoint_v2(file->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
    /* A reader may be in the way, or the disk full: the log just grows, until another time. */
    file->wal_frames = rc == SQLITE_OK && moved == frames ? 0 : file->wal_frames / 2;
    if (rc != SQLITE_BUSY)
        check(file, rc);
}

/* ---- from outside ---- */

typedef struct lister {
    convex_outbox_entry_fn *fn;
    void *user;
} lister;

static bool list_row(const cvx_outbox_row *row, void *user)
{
    lister *self = user;
    convex_outbox_entry entry = cvx_outbox_row_entry(row);

    return self->fn(&entry, self->user) != 0;
}

/* Read-write, since a log left by a crash has to be recovered before it can be read. */
static convex_status open_to_list(cvx_outbox_file *file, convex_error *reterr)
{
    bool new = false;
    convex_status status;

    if (access(file->path, F_OK) != 0)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s: %s", file->path, strerror(errno));
    status = check_open(
        file,
        sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL),
        reterr);
    if (status == CONVEX_OK)
        status = check_open(file, sqlite3_busy_timeout(file->db, 5000), reterr);
    if (status == CONVEX_OK)
        status = check_open(
            file, sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), reterr);
    if (status == CONVEX_OK)
        status = execute(file, "PRAGMA query_only = 1", reterr);
    if (status == CONVEX_OK)
        status = identify(file, &new, reterr);
    if (status == CONVEX_OK && new)
        status = cvx_fail(reterr, CONVEX_EINVAL, "%s is empty", file->path);
    return status;
}

convex_status convex_outbox_list(const char *path, uint64_t after_seq, convex_outbox_entry_fn *fn,
                                 void *user, convex_error *reterr)
{
    cvx_outbox_file file = {.path = path, .lock_fd = -1};
    sqlite3_stmt *rows = NULL;
    convex_status status;

    if (!path || !fn || after_seq > INT64_MAX)
        return cvx_fail(reterr, CONVEX_EINVAL, "no file, no function, or no such seq");
    status = open_to_list(&file, reterr);
    if (status == CONVEX_OK)
        status = check_open(
            &file, sqlite3_prepare_v2(file.db, statements[SQL_WALK], -1, &rows, NULL), reterr);
    if (status == CONVEX_OK)
        status =
            check_open(&file, walk(rows, after_seq, -1, list_row, &(lister){fn, user}), reterr);
    sqlite3_finalize(rows);
    cvx_outbox_file_close(&file);
    return status;
}
