/* record.h - a received event as the bytes that the spool keeps.
 *
 * A list of texts, each with its length ahead ("5:hello,"), in a fixed order; the raw body is last
 * and exactly as received. Pure, any thread. */
#ifndef PROXY_RECORD_H
#define PROXY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct record_text {
    const char *bytes;
    size_t size;
} record_text;

enum { RECORD_HEADERS_MAX = 128 };

/* In place of a secret's id, which has no such letters: we asked for it ourselves. */
#define RECORD_POLLED "(polled)"

/* Texts are borrowed. */
typedef struct record {
    record_text community, source, provider;
    record_text key, type, subject; /* subject: empty if none */
    record_text verdict;            /* "verified" or "unparsable" */
    record_text body_sha256;
    record_text secret_id;            /* which secret matched, or RECORD_POLLED */
    record_text peer;                 /* the sender's address */
    int64_t received_at, occurred_at; /* ms since 1970; occurred_at 0: unknown */
    size_t header_count;
    struct {
        record_text name, value;
    } headers[RECORD_HEADERS_MAX];
    record_text body;
} record;

record_text record_string(const char *text);
bool record_is_polled(const record *event);

/* ret: owned, release with free(). Returns 0 or -ENOMEM. */
int record_encode(const record *from, char **ret, size_t *ret_size);

/* The texts of *ret are borrowed from `bytes`. False if these are no record. */
bool record_decode(const char *bytes, size_t size, record *ret);

#endif
