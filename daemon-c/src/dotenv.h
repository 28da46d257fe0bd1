/* dotenv.h - KEY=VALUE files, as Convex tools, dotenv and systemd's EnvironmentFile read them.
 *
 *     # a comment
 *     export KEY=plain value # a comment after a space
 *     KEY='taken as it is, over
 *     several lines'
 *     KEY="with \n \r \t \" \\ \$"
 *
 * Pure: bytes in, callbacks out. */
#ifndef DAEMON_DOTENV_H
#define DAEMON_DOTENV_H

#include <stddef.h>

/* key and value are borrowed and end with NUL; line counts from 1. */
typedef void dotenv_fn(const char *key, const char *value, int line, void *user);

typedef struct dotenv_error {
    int line;
    const char *reason; /* constant */
} dotenv_error;

/* Returns 0, or -EINVAL with *reterr filled in, or -ENOMEM. Entries before the error were reported.
 */
int dotenv_parse(const char *text, size_t size, dotenv_fn *fn, void *user, dotenv_error *reterr);

#endif
