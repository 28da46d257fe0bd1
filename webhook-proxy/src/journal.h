/* journal.h - accepted events, appended to files and synced: the first place where they are safe.
 *
 * A journal is a row of files journal-NUMBER in one directory. A file ("segment") is filled from
 * its beginning by one run of the program only, and was written full of zeros before: so a sync has
 * no metadata to write, which makes it faster than one that appends. What is behind a place may be
 * given up (trimmed); a file given up is used again under a new number.
 *
 * Two threads, one of each kind: the writer appends and commits, the reader reads, trims and
 * prepares. Every call returns 0 or a negative errno. */
#ifndef PROXY_JOURNAL_H
#define PROXY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct journal journal;

/* Between two entries. Places grow. */
typedef struct journal_place {
    uint64_t segment, offset;
} journal_place;

typedef struct journal_entry {
    const char *key; /* at most 511 bytes */
    const void *payload;
    size_t size;
    int64_t now_ms; /* kept with it */
} journal_entry;

/* How files are written, for tests that make it fail; NULL: as usual. */
typedef struct journal_io {
    ssize_t (*pwrite)(int fd, const void *bytes, size_t size, off_t offset);
    int (*fdatasync)(int fd);
} journal_io;

typedef struct journal_options {
    const char *directory; /* copied */
    size_t segment_bytes;  /* 0: 16 MiB; a larger entry gets a larger one */
    size_t max_segments;   /* kept until they are trimmed; 0: 16 */
    const journal_io *io;  /* borrowed */
} journal_options;

/* Finds what is there. Segments before `from` are given up.
 *   ret     owned, release with journal_close()
 *   reason  what failed, one line */
int journal_open(const journal_options *options, journal_place from, journal **ret, char *reason,
                 size_t reason_size);
void journal_close(journal *self); /* NULL is fine */

/* ---- the writer ---- */

/* Adds to the batch. -ENOBUFS: as many segments as there may be are full. */
int journal_append(journal *self, const journal_entry *entry);
/* Writes the batch and syncs. 0: all of it survives a power loss. Else none of it counts, and the
 * next batch goes to another file: what a failed sync left in this one is not known. */
int journal_commit(journal *self);
size_t journal_batch_bytes(const journal *self);

/* ---- the reader ---- */

/* Entries are borrowed until it returns; `next` is the place behind the entry. False: stop, this
 * one was not taken. */
typedef bool journal_entry_fn(const journal_entry *entry, journal_place next, void *user);

/* The committed entries from `at` on, at most `limit`. Returns how many were taken, or a negative
 * errno. An `at` in a segment that is over moves to the next by itself. */
ssize_t journal_read(journal *self, journal_place at, size_t limit, journal_entry_fn *fn,
                     void *user);
/* Whether there is anything to read from `at` on. Any thread. */
bool journal_has(journal *self, journal_place at);
/* What lies before `upto` is safe elsewhere. */
void journal_trim(journal *self, journal_place upto);
/* Has the next segment ready, so that the writer need not make one. Does nothing if it is there. */
int journal_prepare(journal *self);

#endif
