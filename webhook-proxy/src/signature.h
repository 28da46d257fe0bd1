/* signature.h - was this body signed with one of these secrets?
 * HMAC-SHA256 over the exact bytes received; compared in constant time. Any thread. */
#ifndef PROXY_SIGNATURE_H
#define PROXY_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGNATURE_BYTES = 32 };

typedef enum signature_encoding {
    SIGNATURE_HEX,      /* any case */
    SIGNATURE_BASE64,   /* padded */
    SIGNATURE_BASE64URL /* padded or not */
} signature_encoding;

/* One key, prepared once. */
typedef struct signature_key signature_key; /* opaque, one owner */

/* `secret` is copied into the key. NULL: out of memory. */
signature_key *signature_key_new(const char *secret, size_t size);
void signature_key_free(signature_key *key);

/* The MAC in a header's value: `prefix`, then the encoded bytes, nothing else. */
bool signature_decode(const char *value, const char *prefix, signature_encoding encoding,
                      unsigned char ret[SIGNATURE_BYTES]);

/* True if the key makes this MAC of these bytes. */
bool signature_matches(const signature_key *key, const void *body, size_t size,
                       const unsigned char mac[SIGNATURE_BYTES]);

#endif
