/* outbox_file.c - the file of an outbox: its lock, its identity, its checks, its settings.
 * Owns nothing of its own: works on the box that is being opened, on that box's thread.
 * Invariant: a box is opened only if the file is ours, whole, in WAL mode, with synchronous=FULL.
 */
#include "outbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- errors ---- */

int outbox_code(int rc)
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

void outbox_say(outbox_error *error, const char *format, ...)
{
    va_list args;

    if (error == NULL)
        return;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
}

int outbox_failure(outbox *box, int rc)
{
    int r = outbox_code(rc);

    if (r == 0)
        return 0;
    outbox_say(&box->error, "%s: %s (SQLite error %d)", box->path, sqlite3_errmsg(box->db), rc);
    if (r == -ENOSPC || rc == SQLITE_IOERR_WRITE) /* that is what it calls a quota */
        outbox_reserve_spend(box);
    if (r == -EIO || r == -EUCLEAN)
        box->failed = true;
    return r == -EUCLEAN && box->statements[0] ? -EIO : r;
}

int outbox_numbers(outbox *box, outbox_sql which, int64_t *ret, int columns)
{
    sqlite3_stmt *statement = box->statements[which];
    int rc = sqlite3_step(statement), r = outbox_failure(box, rc);

    if (rc == SQLITE_ROW) {
        for (int i = 0; i < columns; i++)
            ret[i] = sqlite3_column_int64(statement, i);
        r = 1;
    }
    sqlite3_reset(statement);
    return r;
}

/* ---- opening ---- */

int outbox_file_lock(outbox *box, outbox_error *reterr)
{
    char path[4096], pid[32] = "";
    ssize_t n;

    snprintf(path, sizeof(path), "%s.lock", box->path);
    box->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (box->lock_fd < 0) {
        int r = errno;
        outbox_say(reterr, "%s: %s", path, strerror(r));
        return -r;
    }
    if (flock(box->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        n = pread(box->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        outbox_say(reterr, "%s is in use by %s%s", box->path, *pid ? "process " : "another process",
                   pid);
        return -EBUSY;
    }
    n = snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    /* Written over what is there: on a full disk that needs no room. */
    if (pwrite(box->lock_fd, pid, (size_t)n, 0) != n || ftruncate(box->lock_fd, n) != 0) {
        int r = errno ? errno : EIO; /* the lock holds, but nobody could be told whose it is */
        outbox_say(reterr, "%s: %s", path, strerror(r));
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
    return outbox_failure(box, rc);
}

static int expect_pragma(outbox *box, const char *sql, const char *expected)
{
    char answer[200];
    int r = pragma(box, sql, answer, sizeof(answer));

    if (r == 0 && strcmp(answer, expected) != 0) {
        outbox_say(&box->error, "%s: %s is \"%s\", not \"%s\"", box->path, sql, answer, expected);
        r = -EUCLEAN;
    }
    return r;
}

static int execute(outbox *box, const char *sql)
{
    return outbox_failure(box, sqlite3_exec(box->db, sql, NULL, NULL, NULL));
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
        outbox_say(&box->error, "%s is not an outbox of this version", box->path);
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
        r = execute(box, "PRAGMA secure_delete = FAST;"
                         "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"
                         "PRAGMA temp_store = MEMORY;");
    if (r == 0)
        r = execute(box, "PRAGMA synchronous = FULL");
    if (r == 0) /* some builds choose another default for WAL: read it back */
        r = expect_pragma(box, "PRAGMA synchronous", "2");
    if (r == 0)
        r = expect_pragma(box, "PRAGMA quick_check(1)", "ok");
    if (r == 0)
        r = execute(box, outbox_schema);
    /* Keys are looked up all over their index: with fewer pages in memory every append reads some.
     */
    if (r == 0 && box->options.unique_keys)
        r = execute(box, "PRAGMA cache_size = -8192");
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
            return outbox_failure(box, rc);
    }
    return 0;
}

static int load_counts(outbox *box)
{
    int64_t waiting[2] = {0, 0}, dead[2] = {0, 0}, last_id = 0;
    void *limit = NULL;
    int r = outbox_numbers(box, SQL_COUNT_WAITING, waiting, 2);

    if (r >= 0)
        r = outbox_numbers(box, SQL_COUNT_DEAD, dead, 2);
    if (r >= 0)
        r = outbox_numbers(box, SQL_LAST_ID, &last_id, 1);
    if (r >= 0)
        r = outbox_get(box, OUTBOX_ID_LIMIT, &limit, NULL);
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
        outbox_say(&box->error, "%s: %s", box->path, strerror(r));
        return -r;
    }
    close(fd);
    return 0;
}

void outbox_file_close(outbox *box)
{
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(box->statements[i]);
        box->statements[i] = NULL;
    }
    sqlite3_close(box->db);
    box->db = NULL;
    box->open_transaction = false;
}

static int open_file(outbox *box)
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
    r = outbox_failure(box, rc);
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

int outbox_file_open(outbox *box)
{
    int r = open_file(box), made;

    if ((r == -ENOSPC || r == -EIO) && box->options.reserve_bytes > 0) {
        outbox_file_close(box); /* even to open it, SQLite may want room */
        box->spent = false;
        outbox_reserve_spend(box);
        r = open_file(box);
    }
    made = r == 0 ? outbox_reserve_make(box) : 0;
    return made == -ENOSPC ? 0 : made < 0 ? made : r;
}
