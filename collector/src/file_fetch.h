/* file_fetch.h - one file, from its address into a descriptor.
 *
 * Blocking, for a thread of its own. At most one piece is in memory. Redirects are followed only to
 * where the file itself might be fetched from, and no address inside a private network is asked,
 * whatever a name resolves to, except on the configured origin or behind a proxy of the
 * environment. */
#ifndef COLLECTOR_FILE_FETCH_H
#define COLLECTOR_FILE_FETCH_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct file_fetcher file_fetcher; /* opaque, one owner, one thread at a time */

typedef struct file_fetch_options {
    const char *extra_origin; /* borrowed for the fetcher's life; see file_url.h; NULL: none */
    int64_t max_bytes;
    const atomic_bool *stop; /* borrowed: true ends a fetch soon */
} file_fetch_options;

typedef enum file_fetch_result {
    FILE_FETCHED,
    FILE_NOT_ALLOWED, /* an address that is never asked */
    FILE_TOO_LARGE,
    FILE_EXPIRED, /* 403: its signature, most likely */
    FILE_GONE,    /* 404, 410 */
    FILE_LATER,   /* might work another time */
    FILE_NO_ROOM  /* the descriptor could not be written */
} file_fetch_result;

typedef struct file_fetched {
    int64_t size;
    uint8_t sha256[32];
    int64_t retry_after_ms; /* FILE_LATER: what the server asked for; 0: nothing */
    char why[200];          /* unless fetched, in words */
} file_fetched;

/* NULL: no memory. */
file_fetcher *file_fetcher_new(const file_fetch_options *options);
void file_fetcher_free(file_fetcher *self); /* NULL is fine */

/* Writes what `url` gives to `fd`, from where it stands. */
file_fetch_result file_fetch(file_fetcher *self, const char *url, int fd, file_fetched *ret);

#endif
