/* journal.h - accepted events, appended to files and synced: where they are safe, and where they
 * wait until they are done with.
 *
 * A journal is a row of files journal-NUMBER in one directory. A file ("segment") is filled from
 * its beginning by one run of the program only, and was written full of zeros before: so a sync has
 * no metadata to write, which makes it faster than one that appends. An entry that is done with is
 * marked where it stands. A segment with nothing but such entries is given up; its file is used
 * again under a new number. What an earlier run left is cut to what is in it. A damaged entry is
 * never read; those behind it are, and its file is set aside instead of being used again.
 *
 * Three threads may use it, one of each kind: one appends and seals, one commits what was sealed,
 * the reader does the rest. Every call returns 0 or a negative errno. */
#ifndef PROXY_JOURNAL_H
#define PROXY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct journal journal;

/* Of an entry, or behind one. Places grow. */
typedef struct journal_place {
    uint64_t segment, offset; /* 0, 0: before all */
} journal_place;

typedef struct journal_entry {
    int64_t id;      /* kept with it */
    const char *key; /* at most 511 bytes */
    const void *payload;
    size_t size;
    int64_t now_ms;      /* kept with it */
    journal_place place; /* where it was read; journal_append() does not look at it */
} journal_entry;

/* How files are written, for tests that make it fail; NULL: as usual. */
typedef struct journal_io {
    ssize_t (*pwrite)(int fd, const void *bytes, size_t size, off_t offset);
    int (*fdatasync)(int fd);
} journal_io;

typedef struct journal_options {
    const char *directory; /* copied */
    size_t segment_bytes;  /* 0: 16 MiB; a larger entry gets a larger one */
    size_t max_bytes;      /* of all files; 0: of 16 segments */
    bool read_only;        /* another process may have it open: only reading is allowed */
    const journal_io *io;  /* borrowed */
} journal_options;

/* Finds what is there.
 *   ret     owned, release with journal_close()
 *   reason  what failed, one line */
int journal_open(const journal_options *options, journal **ret, char *reason, size_t reason_size);
void journal_close(journal *self); /* NULL is fine */
/* What stood between entries and could not be read, at the opening or since: in how many places,
 * and how many bytes. Any thread. */
void journal_damage(const journal *self, size_t *ret_parts, size_t *ret_bytes);
/* The largest id of what was found when it was opened, done with or not; 0: none. */
int64_t journal_last_id(const journal *self);

/* ---- the writers ---- */

/* Adds to the open batch. */
int journal_append(journal *self, const journal_entry *entry);
/* The open batch is the one to commit, and an empty one is open. Not while a commit is under way.
 */
void journal_seal(journal *self);
/* Forgets the open batch. */
void journal_discard(journal *self);
/* Writes the sealed batch and syncs. 0: all of it survives a power loss. Else none of it counts,
 * and the next batch goes to another file: what a failed sync left in this one is not known.
 * -ENOBUFS: the files are as large as they may be together. */
int journal_commit(journal *self);
/* Whether journal_tend() has something to do. Any thread. */
bool journal_is_untidy(const journal *self);

/* ---- the reader ---- */

/* Entries are borrowed until it returns; `next` is the place behind the entry. False: stop, this
 * one was not taken. */
typedef bool journal_entry_fn(const journal_entry *entry, journal_place next, void *user);

/* The committed entries from `at` on that are not done with, at most `limit`. Returns how many were
 * taken, or a negative errno. An `at` in a segment that is over moves to the next by itself. */
ssize_t journal_read(journal *self, journal_place at, size_t limit, journal_entry_fn *fn,
                     void *user);
/* The one at `at`, whether it is done with or not. -ENOENT: there is none. */
int journal_get(journal *self, journal_place at, journal_entry_fn *fn, void *user);
/* The entry at `at` is done with. Not synced: a power loss may take the mark. If it cannot be
 * written, it still counts for this run. */
int journal_mark(journal *self, journal_place at);
/* Gives up the segments that are done with, and has the next one ready, so that the writer need not
 * make one. */
int journal_tend(journal *self);

#endif
