/* dial.h - a TCP connection, or one to a Unix socket, made without blocking.
 * One thread; names are looked up on another. */
#ifndef CVX_DIAL_H
#define CVX_DIAL_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cvx_dial_state { CVX_DIAL_WAITING, CVX_DIAL_DONE, CVX_DIAL_FAILED } cvx_dial_state;

struct cvx_lookup;

enum { CVX_DIAL_SOCKETS = 8 };

typedef struct cvx_dial {
    int epoll_fd;                  /* borrowed; says when cvx_dial_process() has something to do */
    struct cvx_lookup *lookup;     /* of the name; shared with its thread */
    bool asking;                   /* its answer was not taken yet */
    const struct addrinfo *next;   /* the address to try next; of the lookup */
    int sockets[CVX_DIAL_SOCKETS]; /* that are connecting */
    unsigned count;
    int64_t next_at; /* when the next address is tried though none has failed; INT64_MAX: never */
    char error[128]; /* once it has failed */
} cvx_dial;

/* `dial` is all zeros but for epoll_fd, or was stopped. */

/* To host and port of an http: URL without path. */
void cvx_dial_start(cvx_dial *dial, const char *url);
void cvx_dial_start_unix(cvx_dial *dial, const char *path);
/* CVX_DIAL_DONE: *ret_fd is owned by the caller, non-blocking and not in the epoll any more.
 * After that, or CVX_DIAL_FAILED, nothing is under way. */
cvx_dial_state cvx_dial_process(cvx_dial *dial, int64_t now_ms, int *ret_fd);
void cvx_dial_stop(cvx_dial *dial);

#endif
