/* outbox_file.h - the SQLite file of an outbox: entries, and the session they are sent under. */
#ifndef CVX_OUTBOX_FILE_H
#define CVX_OUTBOX_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "convex/outbox.h"
#include "mem.h"
#include "sync_wire.h"

enum { CVX_FILE_STATEMENTS = 11, CVX_TAG_MAX = 512 };

typedef struct cvx_outbox_file {
    const char *path; /* borrowed */
    sqlite3 *db;      /* NULL: closed after a failure */
    sqlite3_stmt *statements[CVX_FILE_STATEMENTS];
    int lock_fd;
    bool synced;     /* the transactions of now survive power loss */
    int wal_frames;  /* in the log, not moved to the file yet */
    char words[256]; /* of the last failure; "": none since the last commit */
} cvx_outbox_file;

/* What the file says of the session. Numbers below the limits may have been given out. */
typedef struct cvx_outbox_session {
    char id[CVX_UUID_SIZE];
    uint64_t base;      /* the number of an entry in the session is its seq minus this */
    uint64_t seq_limit; /* of entries */
    uint32_t id_limit;  /* of requests that are no entries */
    char *url;          /* owned; NULL in a new file */
} cvx_outbox_session;

typedef struct cvx_outbox_totals {
    size_t entries, bytes;
    uint64_t first_unsent; /* 0: none */
    uint64_t last;         /* 0: none */
    bool sent;             /* some may have been sent and have no answer */
} cvx_outbox_totals;

/* As it stands in the file. All borrowed. */
typedef struct cvx_outbox_row {
    uint64_t seq;
    int64_t accepted_at, sent_at;
    const char *path, *call, *tag; /* call: cvx_call_text() */
    size_t call_len;
    const char *outcome; /* the error it threw, as JSON; "null": cancelled; NULL: no
                            answer yet */
} cvx_outbox_row;

/* False ends the walk. */
typedef bool cvx_outbox_row_fn(const cvx_outbox_row *row, void *user);

/* ---- opening ---- */

/* Takes FILE.lock. CONVEX_OK, CONVEX_EBUSY, CONVEX_EINVAL, CONVEX_ELIMIT. `path` must live. */
convex_status cvx_outbox_file_lock(cvx_outbox_file *file, const char *path, convex_error *reterr);
/* Opens, checks and prepares it. */
convex_status cvx_outbox_file_open(cvx_outbox_file *file, convex_error *reterr);
/* The database only: for another try after a failure. */
void cvx_outbox_file_close(cvx_outbox_file *file);
void cvx_outbox_file_done(cvx_outbox_file *file);

/* `url` is made with `mem`; all is zero in a new file. */
convex_status cvx_outbox_file_session(cvx_outbox_file *file, const convex_mem *mem,
                                      cvx_outbox_session *ret, convex_error *reterr);
convex_status cvx_outbox_file_totals(cvx_outbox_file *file, cvx_outbox_totals *ret,
                                     convex_error *reterr);

/* ---- transactions ----
 * CONVEX_OK, or a status whose words are in file->words; then roll back. */

/*   synced  whether it has to survive power loss; kill -9 it survives anyway */
convex_status cvx_outbox_file_begin(cvx_outbox_file *file, bool synced);
/* CONVEX_EUNKNOWN: it may have been stored. */
convex_status cvx_outbox_file_commit(cvx_outbox_file *file);
/* Closes the database when it cannot be trusted any more. */
void cvx_outbox_file_rollback(cvx_outbox_file *file);
convex_status cvx_outbox_file_insert(cvx_outbox_file *file, const cvx_outbox_row *row);
convex_status cvx_outbox_file_mark(cvx_outbox_file *file, uint64_t seq, int64_t sent_at);
convex_status cvx_outbox_file_store(cvx_outbox_file *file, uint64_t seq, const char *outcome);
/* Stores "null" as the outcome of an entry that has none. */
convex_status cvx_outbox_file_cancel(cvx_outbox_file *file, uint64_t seq);
convex_status cvx_outbox_file_delete(cvx_outbox_file *file, uint64_t seq);
convex_status cvx_outbox_file_put_session(cvx_outbox_file *file, const cvx_outbox_session *session);

/* ---- the rest ---- */

/* Rows with seq > after in order, at most `limit`. */
convex_status cvx_outbox_file_walk(cvx_outbox_file *file, uint64_t after, size_t limit,
                                   cvx_outbox_row_fn *fn, void *user);
/* Moves the log into the file when it has grown; `idle` when there is nothing better to do. */
void cvx_outbox_file_tidy(cvx_outbox_file *file, bool idle);
convex_outbox_entry cvx_outbox_row_entry(const cvx_outbox_row *row);
/* What an entry counts towards max_bytes. */
size_t cvx_outbox_row_bytes(const cvx_outbox_row *row);

#endif
