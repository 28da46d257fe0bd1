/* request.h - one HTTP request from its head to its answer, without knowing who reads the socket.
 * The server's thread owns it, but for `status` while it waits for the disk. */
#ifndef PROXY_REQUEST_H
#define PROXY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "sources.h"
#include "spool.h"

enum { HEADER_BYTES_MAX = 16 * 1024 };

/* What the head says that decides about the rest. Collected from the headers, in any order. */
typedef struct request_head {
    size_t header_bytes, header_count;
    int content_lengths, transfer_encodings, content_encodings, signatures, times, ids;
    int64_t content_length; /* -1: none, or not a number */
    bool chunked;
    const char *signature, *time, *id; /* borrowed; NULL: no such header */
} request_head;

/* Adds one header. `scheme`: of the source; NULL: no source. */
void request_head_add(request_head *head, const char *name, const char *value,
                      const signature_scheme *scheme);

/* The status to refuse a POST with before its body is read; 0: go on. */
unsigned request_head_check(const request_head *head, int64_t body_limit);

typedef struct request {
    sources *set;       /* held while the request lives; NULL: not a POST to a source */
    const source *from; /* of the set */
    char *body;
    size_t size, capacity;
    char *payload; /* the encoded record */
    char key[512]; /* of the spool: scope, event and body */
    spool_item item;
    unsigned status; /* of the answer; 0: not decided */
    bool too_large;
} request;

/* Adds body bytes; false: out of memory. Beyond the limit they are dropped and too_large is set. */
bool request_take(request *self, const char *bytes, size_t size, int64_t limit);

/* Checks the signature, reads what the provider says, encodes the record. Headers and peer of
 * `event` were filled in by the caller. Returns 0: store `item`; else the status to refuse with. */
unsigned request_accept(request *self, const request_head *head, record *event, int64_t now_ms);

/* The same for an event that we asked for ourselves; `body` is copied. Returns 0 or -ENOMEM. */
int request_accept_polled(request *self, const char *body, size_t size, int64_t now_ms);

/* The answer to what the spool said. */
unsigned request_status_of(int stored);

void request_done(request *self); /* releases what it holds, not itself */

/* True for headers whose values are secrets, such as Authorization. */
bool request_header_is_secret(const char *name);

#endif
