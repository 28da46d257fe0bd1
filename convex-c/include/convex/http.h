/* convex/http.h - calls over HTTP: one request, one answer, no live connection.
 *
 * Calls block until they are answered or timed out. Thread-safe, but for new and
 * free: calls from several threads run side by side and share kept connections.
 *
 * A query may be sent again when a kept connection turns out dead. A mutation, an
 * action or an upload is never sent twice: over HTTP the server cannot tell a
 * repetition from a second call, so when the answer is lost the call ends in
 * CONVEX_EUNKNOWN. (The live client of client.h repeats mutations safely; prefer
 * it where that matters.)
 *
 * Every call has limits of time by default. They may be overrun while the resolver waits for a
 * name server that does not answer, as libcurl waits for it.
 *
 * A call that finds no other under way goes over a kept HTTP/1.1 connection, at half of the
 * CPU time of HTTP/2. Queries beside others share one HTTP/2 connection where the server offers it
 * over TLS (by ALPN); where that ends early (GOAWAY, a reset stream, a lost socket) they are
 * asked again once. Mutations and actions have a connection for themselves, unless the options
 * ask for HTTP/2: their outcome would be unknown whenever a shared one ends. */
#ifndef CONVEX_HTTP_H
#define CONVEX_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/auth.h"
#include "convex/error.h"
#include "convex/log.h"
#include "convex/mem.h"
#include "convex/network.h"
#include "convex/query_spec.h"
#include "convex/result.h"
#include "convex/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct convex_http convex_http; /* one owner */

/* Which HTTP is spoken over https:// (http:// is always HTTP/1.1). */
typedef enum convex_http_version {
    CONVEX_HTTP_VERSION_AUTO = 0, /* HTTP/2, where offered, for queries beside other calls */
    CONVEX_HTTP_VERSION_1_1,
    CONVEX_HTTP_VERSION_2 /* HTTP/2, where offered, for all calls and files. A mutation or action
                             ends in CONVEX_EUNKNOWN when the shared connection does; libcurl does
                             not tell apart those that the server refused unread */
} convex_http_version;

/* How a client is made; begin with CONVEX_HTTP_OPTIONS_INIT. Zero is the default of the others. */
typedef struct convex_http_options {
    size_t size;             /* set by CONVEX_HTTP_OPTIONS_INIT */
    const char *url;         /* copied; "https://happy-animal-1.convex.cloud", a path prefix and a
                                trailing slash are fine; not the .convex.site address */
    const convex_auth *auth; /* copied; NULL: anonymous */
    const char *client_name; /* copied; sent as Convex-Client and User-Agent, "<name>-<semver>";
                                NULL: ours */
    convex_log log;          /* deprecation warnings of the server; called on the calling thread */
    convex_mem mem;          /* default: libc */
    convex_network network;  /* copied */
    unsigned connect_timeout_ms; /* DNS to the end of TLS; 0: 10 000 */
    unsigned answer_timeout_ms;  /* from the last byte sent to the first of the answer; 0: 30 000,
                                    for actions the total only, as they may run for long */
    unsigned stall_timeout_ms;   /* longest silence within an answer; 0: 30 000 */
    unsigned timeout_ms;         /* a whole call; 0: 60 000, for actions 330 000; files have their
                                    own */
    size_t max_reply_bytes;      /* 0: 32 MiB (a result is at most 16 MiB, plus its log lines) */
    convex_http_version version;
} convex_http_options;

#ifdef __cplusplus
static inline convex_http_options convex_http_options_init(void)
{
    convex_http_options options = {};
    options.size = sizeof options;
    return options;
}
#define CONVEX_HTTP_OPTIONS_INIT convex_http_options_init()
#else
/* clang-format off */
#define CONVEX_HTTP_OPTIONS_INIT {.size = sizeof(convex_http_options)}
/* clang-format on */
#endif

/* Makes a client; nothing is sent yet.
 *   ret  owned, release with convex_http_free()
 * Returns CONVEX_OK, CONVEX_EINVAL (the error names the option), CONVEX_ENETWORK (libcurl cannot be
 * loaded) or CONVEX_ENOMEM. */
CONVEX_API convex_status convex_http_new(const convex_http_options *options, convex_http **ret,
                                         convex_error *reterr);
/* While no call is under way. NULL is fine. */
CONVEX_API void convex_http_free(convex_http *http);

/* ---- functions ---- */

/* Runs the function `path` ("messages:list").
 *   args  borrowed; an object, NULL means {}
 *   ret   owned, release with convex_result_unref(); untouched on error. A function that
 *         threw is a result too: see convex_result_success()
 * Returns CONVEX_OK, or
 *   CONVEX_EINVAL, CONVEX_ELIMIT  path or args, before anything was sent; ELIMIT also for a
 *                                 reply above max_reply_bytes (queries)
 *   CONVEX_ENETWORK, CONVEX_ETIMEOUT  no answer; a mutation or action was certainly not sent
 *   CONVEX_EUNKNOWN   mutation, action, function: sent, and the answer was lost
 *   CONVEX_EAUTH      the credential was refused (401, 403), or could not be fetched. A FETCH
 *                     credential is fetched anew and tried once more first
 *   CONVEX_ESERVER    another status; code, message and http_status are the server's
 *   CONVEX_EPROTOCOL  the answer to a query is not Convex's
 *   CONVEX_ENOMEM */
CONVEX_API convex_status convex_http_query(convex_http *http, const char *path,
                                           const convex_value *args, convex_result **ret,
                                           convex_error *reterr);
CONVEX_API convex_status convex_http_mutation(convex_http *http, const char *path,
                                              const convex_value *args, convex_result **ret,
                                              convex_error *reterr);
CONVEX_API convex_status convex_http_action(convex_http *http, const char *path,
                                            const convex_value *args, convex_result **ret,
                                            convex_error *reterr);
/* Any kind of function, internal ones too; needs an ADMIN_KEY. Never sent twice, as it may be
 * a mutation. */
CONVEX_API convex_status convex_http_function(convex_http *http, const char *path,
                                              const convex_value *args, convex_result **ret,
                                              convex_error *reterr);

/* What is called. */
typedef enum convex_http_kind {
    CONVEX_HTTP_QUERY = 0,
    CONVEX_HTTP_MUTATION,
    CONVEX_HTTP_ACTION,
    CONVEX_HTTP_FUNCTION /* as convex_http_function() */
} convex_http_kind;

/* Of one call; zero is the default of each. */
typedef struct convex_http_call_options {
    unsigned timeout_ms;   /* the whole call, repetitions included; 0: as the client's options say.
                              Also the limit on the wait for the first byte, when given */
    const char *component; /* borrowed; path of the component the function is in; NULL: the app
                              itself. Needs an ADMIN_KEY; the server then does not check the
                              kind, and the call is handled as a FUNCTION */
    unsigned occ_retries;  /* how many times more to try when the server says that nothing took
                              effect: OptimisticConcurrencyControlFailure (queries, mutations), or
                              the function never began (ExpiredInQueue, ExecuteFullError,
                              WorkerOverloaded, InitialPermitTimeoutError,
                              TooManyConcurrentRequests). Waits in between: random, up to 100 ms,
                              doubled each time, at most 3 s */
} convex_http_call_options;

/* The four calls above, with options; `options` NULL: all defaults. */
CONVEX_API convex_status convex_http_call(convex_http *http, convex_http_kind kind,
                                          const char *path, const convex_value *args,
                                          const convex_http_call_options *options,
                                          convex_result **ret, convex_error *reterr);

/* ---- consistent reads ---- */

/* The latest point in time, for convex_http_query_at(): all queries at one of these see one
 * state of the database. In nanoseconds of the server's clock, and opaque otherwise; usable for
 * about four minutes, after which the server answers 503 for good. Sent without credential. */
CONVEX_API convex_status convex_http_query_ts(convex_http *http, uint64_t *ret_ts,
                                              convex_error *reterr);
/* As convex_http_query(), at `ts`. */
CONVEX_API convex_status convex_http_query_at(convex_http *http, const char *path,
                                              const convex_value *args, uint64_t ts,
                                              convex_result **ret, convex_error *reterr);
/* Runs `count` queries in one request, at one state of the database.
 *   queries  borrowed
 *   ret      room for `count`; each owned, release with convex_result_unref(). A query that
 *            threw is a result. On failure all are NULL
 * Fails as convex_http_query() does, and as a whole when one path or its args are refused. */
CONVEX_API convex_status convex_http_query_batch(convex_http *http,
                                                 const convex_query_spec *queries, size_t count,
                                                 convex_result *ret[], convex_error *reterr);

/* ---- files ---- */

enum { CONVEX_SHA256_SIZE = 32, CONVEX_STORAGE_ID_SIZE = 64, CONVEX_CONTENT_TYPE_SIZE = 128 };

/* Fills `ret` with at most `room` bytes; 0: that was all; negative: failed, give up. */
typedef ptrdiff_t convex_read_fn(void *ret, size_t room, void *user);
/* Takes all of `data`; 0, or negative: failed, give up. */
typedef int convex_write_fn(const void *data, size_t len, void *user);
/* Called while bytes move, and about once a second when they do not. `total` is -1 when unknown.
 * 0: go on; else give up. */
typedef int convex_progress_fn(uint64_t done, int64_t total, void *user);

/* All callbacks of a file run on the calling thread. */
typedef struct convex_upload {
    const char *url; /* borrowed; what the app's generateUploadUrl() gave; valid for an hour */
    const char *content_type; /* borrowed; kept with the file; NULL: none */

    /* The source, one of three. */
    const void *data; /* borrowed, `size` bytes */
    bool use_fd;      /* read `fd` from where it stands; not closed */
    int fd;
    convex_read_fn *read;
    uint64_t size; /* of `data`; of another source how much to take, 0: all up to its end */

    const uint8_t *sha256; /* borrowed; CONVEX_SHA256_SIZE bytes; the server refuses a file that
                              has another (400, Sha256Mismatch). NULL: computed beforehand from
                              `data`, or from `fd` when it is a regular file; of a stream only
                              while it is sent, so that the server does not check it */
    convex_progress_fn *progress;
    void *user;          /* of `read` and `progress` */
    unsigned timeout_ms; /* the whole upload; 0: 300 000, as long as the server waits */
} convex_upload;

/* What was stored. */
typedef struct convex_uploaded {
    char storage_id[CONVEX_STORAGE_ID_SIZE]; /* the Id<"_storage"> to give to a mutation */
    uint64_t size;
    uint8_t sha256[CONVEX_SHA256_SIZE]; /* of what was sent */
} convex_uploaded;

/* Stores a file. It exists from CONVEX_OK on, and stays until the app deletes it.
 *   ret  untouched on error
 * Returns CONVEX_OK, CONVEX_EINVAL (an argument, a source that ended before `size`, or that
 * could not be read), CONVEX_ECANCELED (a callback gave up), CONVEX_EAUTH (the URL is too old),
 * CONVEX_EUNKNOWN (sent, and the answer was lost: a file may exist that nothing refers to), or
 * as convex_http_query(). */
CONVEX_API convex_status convex_http_upload(convex_http *http, const convex_upload *upload,
                                            convex_uploaded *ret, convex_error *reterr);

/* Where a file comes from and goes to. */
typedef struct convex_download {
    const char *url; /* borrowed; what the app's storage.getUrl() gave */

    /* The destination: `write`, or `fd` from where it stands, or else memory. */
    convex_write_fn *write;
    bool use_fd; /* write to `fd`; not closed */
    int fd;
    size_t max_bytes; /* of the download; 0: 64 MiB into memory, else no limit */

    uint64_t offset;       /* begin at this byte of the file */
    const uint8_t *sha256; /* borrowed; of what is to be received; NULL: as the server says, which
                              it does for whole files only */
    unsigned resumes;      /* how often to go on where a lost connection ended; 0: 3 */
    convex_progress_fn *progress;
    void *user;          /* of `write` and `progress` */
    unsigned timeout_ms; /* the whole download; 0: none, but for silences (stall_timeout_ms) */
} convex_download;

/* What was read. */
typedef struct convex_downloaded {
    char *data;    /* memory: owned, NUL-terminated, release with convex_text_free() and the
                      client's mem; else NULL */
    uint64_t size; /* bytes received: from `offset` to the end of the file */
    char content_type[CONVEX_CONTENT_TYPE_SIZE]; /* "" when none is known */
    uint8_t sha256[CONVEX_SHA256_SIZE];          /* of what was received */
    bool verified;                               /* a checksum was given or sent, and was right */
} convex_downloaded;

/* Reads a file. `offset` at or past its end gives nothing.
 *   ret  untouched on error; what was written to `fd` or `write` before it stays
 * Returns CONVEX_OK, CONVEX_EINVAL (an argument, or `fd` could not be written), CONVEX_ELIMIT (more
 * than max_bytes), CONVEX_ECANCELED (a callback gave up), CONVEX_EPROTOCOL (the checksum or the
 * length is wrong), or as convex_http_query(). */
CONVEX_API convex_status convex_http_download(convex_http *http, const convex_download *download,
                                              convex_downloaded *ret, convex_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
