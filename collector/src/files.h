/* files.h - keeps copies of the files that signals name.
 *
 * The backend's queue says what there is (a live query; nothing polls). A few threads copy, the
 * loop thread claims and reports. Several collectors may share the queue: each copy is leased to
 * one. Text never waits for a file: signals go their own way. */
#ifndef COLLECTOR_FILES_H
#define COLLECTOR_FILES_H

#include <stdint.h>

#include "convex/client.h"
#include "convex/http.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "discord/rest.h"

typedef struct files files; /* opaque, one owner */

typedef struct files_options {
    daemon_loop *loop; /* all borrowed for its life */
    convex_client *client;
    discord_rest *rest; /* until files_stop() */
    daemon_metrics *metrics;
    const char *convex_url; /* files are uploaded over HTTP */
    const char *instance;
    const char *directory;    /* where files lie while they are judged; nothing stays */
    const char *extra_origin; /* see file_url.h; NULL: none */
    int64_t max_bytes;
} files_options;

/* Begins to copy once the backend is connected. Returns 0 or a negative errno. */
int files_new(const files_options *options, files **ret);
/* Ends the copies under way; call before the REST object is freed. NULL is fine. */
void files_stop(files *self);
void files_free(files *self); /* after the client was closed; NULL is fine */

#endif
