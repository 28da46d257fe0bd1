/* control.h - how the command line asks a running proxy for something.
 *
 * A Unix socket in the state directory, which only its owner may enter. One packet asks
 * ("revive 7 9"), one answers ("ok", or why not) when what was asked for is in the spool's file.
 * Loop thread only. */
#ifndef PROXY_CONTROL_H
#define PROXY_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/loop.h"
#include "spool.h"

enum { CONTROL_IDS_MAX = 500 }; /* in one packet */

typedef struct control control; /* opaque, one owner */

typedef struct control_options {
    daemon_loop *loop;
    const char *directory;
    /* A dead letter is to be delivered again. Returns 0 or a negative errno. */
    int (*revive)(int64_t id, void *user);
    uint64_t (*settlements)(void *user);
    bool (*has_settled)(uint64_t until, void *user);
    void *user;
} control_options;

/* Takes the place of a socket that a killed proxy left; the spool's lock says that none is alive.
 * Returns 0 or a negative errno. */
int control_open(const control_options *options, control **ret);
void control_close(control *self); /* NULL is fine */

/* The other side: asks the proxy that has this directory.
 * Returns 0, -ECONNREFUSED or -ENOENT if none is running, or another negative errno. */
int control_revive(const char *directory, const int64_t *ids, size_t count);

#endif
