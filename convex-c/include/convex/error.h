/* convex/error.h - how every call of this library reports failure.
 *
 * A status to branch on; where the cause needs words, a trailing
 * `convex_error *reterr` in the caller's memory (may be NULL). Outputs stay
 * untouched on failure. A Convex function that threw is a result, not a status:
 * the transport worked (see convex_result in result.h). */
#ifndef CONVEX_ERROR_H
#define CONVEX_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CONVEX_API __attribute__((visibility("default")))
#else
#define CONVEX_API
#endif

/* What a call came to. */
typedef enum convex_status {
    CONVEX_OK = 0,
    CONVEX_EINVAL,    /* an argument or the input is malformed; the error says where */
    CONVEX_ENOMEM,    /* the allocator returned NULL; nothing changed */
    CONVEX_ELIMIT,    /* a size, depth or count limit would be exceeded */
    CONVEX_EBUSY,     /* a bounded queue is full, or a file in use; try again later */
    CONVEX_ECLOSED,   /* the object was closed */
    CONVEX_ECANCELED, /* the caller cancelled it */
    CONVEX_ETIMEOUT,  /* the deadline passed; a mutation or action was never sent */
    CONVEX_ENETWORK,  /* connecting, TLS or the connection failed; see the message */
    CONVEX_EAUTH,     /* the credential was refused or could not be made */
    CONVEX_EPROTOCOL, /* the peer broke the protocol */
    CONVEX_ESERVER,   /* the server answered with an error of its own; see code and http_status */
    CONVEX_EUNKNOWN   /* the request was sent and its outcome cannot be known */
} convex_status;

/* Filled whole on failure, untouched on success. Both texts end in NUL and are
 * cut at a UTF-8 boundary. No token or key ever appears in them. */
typedef struct convex_error {
    convex_status status;
    int http_status;   /* 0 when no HTTP answer was read */
    char code[64];     /* Convex's short code, such as "BadDeployKey", or "" */
    char message[512]; /* one line for a person; names the offending path or setting */
} convex_error;

/* The status as a lower-case phrase, never NULL. */
CONVEX_API const char *convex_status_text(convex_status status);

#ifdef __cplusplus
}
#endif
#endif
