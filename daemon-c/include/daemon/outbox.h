/* daemon/outbox.h - messages that must survive a crash.
 *
 * A queue of byte strings in one SQLite file (WAL, synchronous=FULL). What
 * outbox_commit() returned 0 for survives kill -9 and power loss; what it did not may or may not be
 * there. The outbox never looks into a payload and sends nothing itself.
 *
 * Threads: one thread at a time uses a box; it keeps no lock. Processes: one at a time, by a lock
 * file.
 *
 * Group commit: append everything that arrived in one turn of the loop, commit once.
 *
 *     int r = outbox_begin(box);
 *     for (i = 0; r == 0 && i < count; i++)
 *         r = outbox_append(box, event[i].key, event[i].bytes, event[i].size, now, NULL);
 *     if (r == 0)
 *         r = outbox_put(box, "gateway.sequence", sequence, strlen(sequence));
 *     if (r == 0)
 *         r = outbox_commit(box);           // durable from here on: all of it or nothing
 *     else
 *         outbox_rollback(box);
 *
 * Every call returns 0 or a negative errno:
 *   -ENOBUFS  the bound (max_entries, max_bytes) is reached: the overflow rule is to refuse
 *   -ENOSPC   the disk is full: nothing of this transaction is stored
 *   -EIO      the disk failed, or a quota is used up: all calls return this until outbox_recover()
 *   -EEXIST   unique_keys, and an entry with this key is waiting or dead
 *   -EBUSY    (open) another process has the file
 *   -EUCLEAN  (open, recover) the file is damaged or not an outbox
 *   -EINVAL   called in the wrong order, or an argument is out of range
 *   -ENOMEM
 *
 * A full disk: taking an entry out needs some room, too. With reserve_bytes the box keeps it in a
 * file of its own, path.reserve, and gives that up when the disk is full. From then on nothing is
 * taken in (-ENOSPC), all that takes out works, and outbox_regain() says when there is room again:
 * because somebody made it, or because most of the box is delivered. A quota is the same after
 * outbox_recover(). */
#ifndef DAEMON_OUTBOX_H
#define DAEMON_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct outbox outbox; /* opaque, one owner */

typedef struct outbox_options {
    const char *path;      /* copied; path-wal, path-shm, path.lock, path.reserve go with it */
    int64_t max_entries;   /* waiting and dead together; 0: 1,000,000 */
    int64_t max_bytes;     /* of keys and payloads; 0: 1 GiB */
    bool unique_keys;      /* refuse a key that is already here */
    int64_t reserve_bytes; /* twice what one transaction may bring, some MB; 0: no reserve */
} outbox_options;

/* Words for a person: never a payload or a secret. */
typedef struct outbox_error {
    char text[512];
} outbox_error;

typedef struct outbox_entry {
    int64_t id; /* grows; never used again */
    const char *key;
    const void *payload;
    size_t size;
    int64_t created_at;      /* ms since 1970 */
    int64_t next_attempt_at; /* ms since 1970 */
    int64_t attempts;        /* failed ones so far */
    const char *last_error;  /* "" if none */
    int64_t dead_at;         /* ms since 1970; 0: waiting */
} outbox_entry;

typedef struct outbox_counts {
    int64_t waiting;
    int64_t dead;
    int64_t bytes;     /* keys and payloads of both */
    int64_t oldest_at; /* created_at of the oldest waiting entry, 0 if none */
} outbox_counts;

/* Entries are borrowed until the callback returns. Returning false ends the walk. */
typedef bool outbox_entry_fn(const outbox_entry *entry, void *user);

/* Creates the file if missing; checks its integrity.
 *   ret      owned, release with outbox_close(); untouched on error
 *   reterr   may be NULL; names the file, and for -EBUSY the holder's process id */
int outbox_open(const outbox_options *options, outbox **ret, outbox_error *reterr);
void outbox_close(outbox *box);

/* After -EIO: closes the file, opens and checks it again, as at a start. An open transaction is
 * lost. */
int outbox_recover(outbox *box, outbox_error *reterr);

/* After -ENOSPC of a box with a reserve: makes it again, if a bit more than that is free.
 * 0: entries are taken in; -ENOSPC: not yet. Costs little: call it every second or so. */
int outbox_regain(outbox *box);

/* What went wrong last, for the log; "" if nothing. Borrowed until the next call. */
const char *outbox_last_error(const outbox *box);

int outbox_begin(outbox *box);
int outbox_commit(outbox *box); /* on failure the transaction is rolled back */
void outbox_rollback(outbox *box);

/* The calls below join the open transaction; without one, each is its own. A single refused append
 * (-ENOBUFS, -EEXIST) leaves the open transaction usable; any other error means rollback. */

/*   key       copied, at most 512 bytes, may be ""
 *   payload   copied, at most 64 MiB
 *   now_ms    becomes created_at and next_attempt_at
 *   ret_id    may be NULL */
int outbox_append(outbox *box, const char *key, const void *payload, size_t size, int64_t now_ms,
                  int64_t *ret_id);

/* The same under an id of the caller's, which no other entry ever had, for one who counts more than
 * this box. */
int outbox_insert(outbox *box, int64_t id, const char *key, const void *payload, size_t size,
                  int64_t now_ms);
/* Larger than any id that was given out. */
int64_t outbox_next_id(const outbox *box);
/* 1: an entry with this key is waiting or dead; 0: none is. For boxes with unique keys. */
int outbox_has(outbox *box, const char *key);

/* Small values kept beside the entries, such as a session's sequence number. NULL value: removed.
 */
int outbox_put(outbox *box, const char *name, const void *value, size_t size);
/* ret_value: owned, release with free(), ends with a NUL that is not counted; -ENOENT if not there.
 */
int outbox_get(outbox *box, const char *name, void **ret_value, size_t *ret_size);

/* Waiting entries with id > after_id that are due at now_ms, oldest first, at most `limit`.
 * fn must not call the box. */
int outbox_peek(outbox *box, int64_t after_id, int64_t now_ms, size_t limit, outbox_entry_fn *fn,
                void *user);
/* All entries, waiting and dead, by id, from after_id on. */
int outbox_list(outbox *box, int64_t after_id, size_t limit, outbox_entry_fn *fn, void *user);
/* When the next waiting entry is due, ms since 1970; INT64_MAX if none waits. */
int outbox_next_due(outbox *box, int64_t *ret_ms);

int outbox_delete(outbox *box, const int64_t *ids, size_t count); /* unknown ids are ignored */
/* One more failed attempt; due again at next_attempt_at (ms since 1970). -ENOENT if not waiting. */
int outbox_retry(outbox *box, int64_t id, int64_t next_attempt_at, const char *error);
/* To the dead letters, with the reason. -ENOENT if not waiting. */
int outbox_bury(outbox *box, int64_t id, int64_t now_ms, const char *reason);
/* Back from the dead letters, due at once, attempts 0. -ENOENT if not dead. */
int outbox_revive(outbox *box, int64_t id, int64_t now_ms);

int outbox_count(outbox *box, outbox_counts *ret); /* kept in memory: costs nothing */

/* Moves what is in the write-ahead log into the file without blocking; call when idle, so that it
 * never happens inside a commit. Does nothing when there is little to move. */
int outbox_checkpoint(outbox *box);

/* Reads the file of a box that another process may have open, changing nothing: for command lines.
 */
int outbox_inspect(const char *path, int64_t after_id, size_t limit, outbox_entry_fn *fn,
                   void *user, outbox_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
