/* http_internal.h - the parts of the HTTP client: a transfer, and reading its answer. */
#ifndef CVX_HTTP_INTERNAL_H
#define CVX_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "convex/http.h"
#include "text.h"

/* What every transfer of a client shares; copied from its options. */
typedef struct cvx_http_settings {
    char *base; /* the URL without trailing slashes */
    char *client_name;
    convex_network network;
    convex_log log;
    unsigned connect_timeout_ms, stall_timeout_ms, timeout_ms;
    size_t max_reply_bytes;
} cvx_http_settings;

/* One POST to `endpoint` ("/api/query"). */
typedef struct cvx_http_request {
    const char *endpoint;
    const char *body;
    size_t body_len;
    const char *authorization; /* a whole header line, or NULL */
    bool repeatable;           /* may share, and be repeated on, a kept connection */
    unsigned timeout_ms;
} cvx_http_request;

typedef struct cvx_http_reply {
    int status; /* 0: none was read */
    cvx_text body;
} cvx_http_reply;

/* Runs one transfer on `curl`. On CONVEX_OK an answer was read whole into `ret`. */
convex_status cvx_http_transfer(CURL *curl, const cvx_http_settings *settings,
                                const cvx_http_request *request, cvx_http_reply *ret,
                                convex_error *reterr);

/* Reads an answer to a function call. `repeatable` as in the request: decides between
 * CONVEX_EPROTOCOL and CONVEX_EUNKNOWN where the answer makes no sense. */
convex_status cvx_http_read_reply(int status, const char *body, size_t len, bool repeatable,
                                  const convex_mem *mem, convex_result **ret, convex_error *reterr);

#endif
