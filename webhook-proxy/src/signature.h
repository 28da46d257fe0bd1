/* signature.h - was this body signed with one of these secrets?
 *
 * HMAC over the exact bytes received, compared in constant time. How a provider signs is a scheme:
 * what its header looks like, what else is signed besides the body, how the secret is spelt. Any
 * thread, but a key is used by one at a time. Facts: Stripe's and Standard Webhooks' signature
 * pages; Sell.app's, GitHub's, Shopify's.
 */
#ifndef PROXY_SIGNATURE_H
#define PROXY_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIGNATURE_BYTES_MAX = 64,  /* of a MAC: SHA-512 */
    SIGNATURE_CANDIDATES = 16, /* in one header; a longer list is refused */
    SIGNATURE_SECRET_MAX = 4096
};

typedef enum signature_form {
    SIGNATURE_PLAIN, /* the prefix and one MAC, nothing else */
    SIGNATURE_PAIRS, /* "t=SECONDS,v1=MAC,v1=MAC": any v1 may match; others, as v0, count nothing */
    SIGNATURE_LIST   /* "v1,MAC v1,MAC": the same with blanks between */
} signature_form;

typedef enum signature_encoding {
    SIGNATURE_HEX,      /* any case */
    SIGNATURE_BASE64,   /* padded */
    SIGNATURE_BASE64URL /* padded or not */
} signature_encoding;

typedef enum signature_hash { SIGNATURE_SHA256, SIGNATURE_SHA512, SIGNATURE_SHA1 } signature_hash;

typedef enum signature_signed {
    SIGNATURE_BODY,        /* body */
    SIGNATURE_TIME_BODY,   /* time, separator, body */
    SIGNATURE_ID_TIME_BODY /* id, separator, time, separator, body */
} signature_signed;

typedef enum signature_spelling {
    SIGNATURE_AS_IS,      /* the secret's bytes are the key, a prefix such as "whsec_" included */
    SIGNATURE_OF_HEX,     /* the key in hex */
    SIGNATURE_OF_BASE64,  /* the key in base64 */
    SIGNATURE_OF_STANDARD /* "whsec_", then the key in base64 */
} signature_spelling;

/* A provider has one with defaults; SOURCES_FILE may change each member. */
typedef struct signature_scheme {
    const char *header;
    const char *prefix; /* of a PLAIN value, such as "sha256=" */
    signature_form form;
    signature_encoding encoding;
    signature_hash hash;
    signature_signed over;
    const char *separator;
    const char *time_header; /* "": none; in PAIRS the time is `t` */
    const char *id_header;   /* "": none */
    bool time_in_ms;         /* else in seconds */
    int64_t tolerance_s;     /* a signed time may be this far off, either way */
    signature_spelling spelling;
} signature_scheme;

/* One key, prepared once. */
typedef struct signature_key signature_key; /* opaque, one owner */

/* `secret` is copied into the key. NULL: out of memory, or it is not spelt as the scheme says
 * (then *ret_misspelt is set). */
signature_key *signature_key_new(const signature_scheme *scheme, const char *secret, size_t size,
                                 bool *ret_misspelt);
void signature_key_free(signature_key *key);

/* What a request says. Texts end with NUL; NULL: it has no such header. */
typedef struct signature_claim {
    const char *value, *time, *id;
    const void *body;
    size_t size;
} signature_claim;

/* The MACs that a header offers, decoded. */
typedef struct signature_offer {
    unsigned char macs[SIGNATURE_CANDIDATES][SIGNATURE_BYTES_MAX];
    size_t count;
    char time[24]; /* as it is signed; "" if the scheme signs none */
    const char *id;
} signature_offer;

/* Reads the headers: false if they are not of the scheme's shape, offer nothing, or their time is
 * off by more than the tolerance at now_ms. */
bool signature_read(const signature_scheme *scheme, const signature_claim *claim, int64_t now_ms,
                    signature_offer *ret);

/* True if the key makes one of the offered MACs. The time taken does not tell which. */
bool signature_matches(const signature_scheme *scheme, signature_key *key,
                       const signature_claim *claim, const signature_offer *offer);

#endif
