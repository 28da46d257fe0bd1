/* file_copy.h - one file from Discord into Convex's storage, step by step.
 *
 * Blocking, for a thread of its own: fetch into an unlinked file (a crash leaves nothing), renew
 * the address if its signature is too old, judge the content, upload with a checksum that the
 * server compares. Memory is bounded whatever the file's size. */
#ifndef COLLECTOR_FILE_COPY_H
#define COLLECTOR_FILE_COPY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "api.h"
#include "convex/http.h"
#include "discord/rest.h"

/* What the copies of one collector share. */
typedef struct file_desk {
    const char *directory;    /* where files lie while they are judged */
    const char *extra_origin; /* see file_url.h; NULL: none */
    int64_t max_bytes;
    convex_http *http;
    pthread_mutex_t lock;
    discord_rest *rest; /* under lock; NULL: nothing is asked any more */
    atomic_bool stop;   /* every copy ends soon */
} file_desk;

/* What came of a file; `outcome` points into it. */
typedef struct file_copied {
    api_file_outcome outcome;
    char text[256]; /* reason or error */
    char sha256[65];
    char storage_id[CONVEX_STORAGE_ID_SIZE];
} file_copied;

typedef struct file_copier file_copier; /* opaque, one owner, one thread at a time */

/* `desk` borrowed for the copier's life. NULL: no memory. */
file_copier *file_copier_new(file_desk *desk);
void file_copier_free(file_copier *self); /* NULL is fine */

void file_copy(file_copier *self, const api_file_work *work, file_copied *ret);

#endif
