/* outbox_internal.h - what the outbox's files share. */
#ifndef DAEMON_OUTBOX_INTERNAL_H
#define DAEMON_OUTBOX_INTERNAL_H

#include <sqlite3.h>

#include "daemon/outbox.h"
#include "outbox_sql.h"

/* The row of `meta` up to which ids may have been given out. */
#define OUTBOX_ID_LIMIT "outbox.id_limit"

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
    bool spent;  /* the reserve was given up: nothing is taken in */
    int wal_frames;
    outbox_error error;
};

/* A SQLite result as a negative errno; 0 for success, rows included. */
int outbox_code(int rc);
/* The same, remembering what SQLite said; an I/O error closes the box for all but recovery. */
int outbox_failure(outbox *box, int rc);
__attribute__((format(printf, 2, 3))) void outbox_say(outbox_error *error, const char *format, ...);

/* Runs a statement that returns at most one row of numbers; fills in what there is.
 * Returns 1 with a row, 0 without, or a negative errno. */
int outbox_numbers(outbox *box, outbox_sql which, int64_t *ret, int columns);

/* Takes the lock file; -EBUSY names the holder. */
int outbox_file_lock(outbox *box, outbox_error *reterr);
/* Opens, checks and prepares the file; what went wrong is in box->error. */
int outbox_file_open(outbox *box);
void outbox_file_close(outbox *box);

/* Makes the reserve, if the box is to have one; -ENOSPC: there is no room for it. */
int outbox_reserve_make(outbox *box);
/* The disk is full: gives the reserve up, once. */
void outbox_reserve_spend(outbox *box);

#endif
