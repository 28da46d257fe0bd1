/* files.h - fetches attachments so that they can be posted again.
 *
 * Owns a few threads that fetch sets in the order they were asked for; results arrive on the loop
 * thread. Discord's own address comes first, as it is there before any copy; when it has expired or
 * does not answer, our stored copy. Limits: Discord's 10 files, 10 MiB each and 25 MiB together for
 * one post; 10 s a file; 128 MiB of files in memory, beyond which the next set waits until one is
 * freed. */
#ifndef BOT_FILES_H
#define BOT_FILES_H

#include <stddef.h>

#include "api.h"
#include "daemon/loop.h"
#include "discord/rest.h"

typedef struct files files;       /* opaque, one owner */
typedef struct file_set file_set; /* opaque, one owner */

/* Returns 0 or a negative errno. */
int files_new(daemon_loop *loop, files **ret);
/* Ends the fetches under way; callbacks of unfinished sets do not run. After every set that you
 * were given was freed. NULL is fine. */
void files_free(files *self);

/* Called once on the loop thread. `set` is yours, release with file_set_free(). */
typedef void files_done_fn(file_set *set, void *user);

/* Fetches the attachments of a unit of work.
 *   attachments  borrowed for the set's life
 *   claimed      what they lie in, kept by ref
 *   ret  borrowed until done is called: for files_cancel()
 * Returns 0 or -ENOMEM. */
int files_fetch(files *self, const api_work_file_list *attachments,
                const api_mirrors_claim_result *claimed, files_done_fn *done, void *user,
                file_set **ret);
/* Not wanted any more: ends soon, and done is called with user NULL. */
void files_cancel(file_set *set);

/* What arrived, borrowed from the set. */
const discord_file *file_set_files(const file_set *set, size_t *ret_count);
/* A line for each file that could not be fetched and why, or NULL if all were. */
const char *file_set_notice(const file_set *set);
void file_set_free(file_set *set); /* NULL is fine */

/* The same line for every one of `attachments`. Owned, release with free(); NULL: no memory. */
char *files_notice(const api_work_file_list *attachments, const char *why);

#endif
