/* convex/http.h - calls over HTTP: one request, one answer, no live connection.
 *
 * Calls block until they are answered or timed out. Thread-safe, but for new and
 * free: calls from several threads run side by side. Queries keep a connection
 * alive between calls. A mutation or action gets a connection of its own and is
 * never sent twice: over HTTP the server cannot tell a repetition from a second
 * call, so when the answer is lost the call ends in CONVEX_EUNKNOWN. (The live
 * client of client.h can repeat mutations safely; prefer it where that matters.) */
#ifndef CONVEX_HTTP_H
#define CONVEX_HTTP_H

#include <stddef.h>

#include "convex/auth.h"
#include "convex/error.h"
#include "convex/log.h"
#include "convex/mem.h"
#include "convex/network.h"
#include "convex/result.h"
#include "convex/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct convex_http convex_http; /* one owner */

typedef struct convex_http_options {
    const char *url;         /* copied; "https://happy-animal-1.convex.cloud", a path prefix and a
                                trailing slash are fine; not the .convex.site address */
    const convex_auth *auth; /* copied; NULL: anonymous */
    const char *client_name; /* copied; sent as Convex-Client and User-Agent, "<name>-<semver>";
                                NULL: ours */
    convex_log log;          /* deprecation warnings of the server; called on the calling thread */
    convex_mem mem;          /* default: libc */
    convex_network network;  /* copied */
    unsigned connect_timeout_ms; /* DNS to the end of TLS; 0: 10 000 */
    unsigned stall_timeout_ms;   /* longest time with no byte moving; rounded up to seconds; 0:
                                    the total only, as a function may think for long */
    unsigned timeout_ms;         /* the whole call; 0: 60 000, for actions 330 000 */
    size_t max_reply_bytes;      /* 0: 32 MiB (a result is at most 16 MiB, plus its log lines) */
} convex_http_options;

/* Zero is the default of every option. */
#ifdef __cplusplus
#define CONVEX_HTTP_OPTIONS_INIT                                                                   \
    {                                                                                              \
    }
#else
#define CONVEX_HTTP_OPTIONS_INIT                                                                   \
    {                                                                                              \
        0                                                                                          \
    }
#endif

/* Makes a client; nothing is sent yet.
 *   ret  owned, release with convex_http_free()
 * Returns CONVEX_OK, CONVEX_EINVAL (the error names the option) or CONVEX_ENOMEM. */
CONVEX_API convex_status convex_http_new(const convex_http_options *options, convex_http **ret,
                                         convex_error *reterr);
/* While no call is under way. NULL is fine. */
CONVEX_API void convex_http_free(convex_http *http);

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
/* Any kind of function, internal ones too; needs an ADMIN_KEY. */
CONVEX_API convex_status convex_http_function(convex_http *http, const char *path,
                                              const convex_value *args, convex_result **ret,
                                              convex_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
