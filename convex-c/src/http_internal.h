/* http_internal.h - the parts of the HTTP client: one exchange, and reading its answer. */
#ifndef CVX_HTTP_INTERNAL_H
#define CVX_HTTP_INTERNAL_H

#include <stdatomic.h>

#include "convex/http.h"
#include "http_engine.h"
#include "text.h"

/* What every exchange of a client shares; copied from its options. */
typedef struct cvx_http_settings {
    char *base; /* the URL without trailing slashes */
    char *client_name;
    convex_network network;
    convex_log log;
    unsigned connect_timeout_ms, answer_timeout_ms, stall_timeout_ms, timeout_ms;
    size_t max_reply_bytes;
    convex_http_version version;
} cvx_http_settings;

struct convex_http {
    convex_mem mem;
    cvx_http_settings settings;
    convex_auth auth;
    cvx_http_engine engine; /* HTTP/1.1: a connection is one call's at a time */
    cvx_http_engine shared; /* HTTP/2 where offered: one connection for calls at once; its multi is
                               NULL where it is never used */
    atomic_uint under_way;  /* calls on both */
    _Atomic int64_t unshared_until; /* of cvx_http_now() */
};

enum { CVX_HTTP_HEAD_TEXT = CONVEX_CONTENT_TYPE_SIZE };

typedef struct cvx_http_reply {
    int status; /* 0: none was read */
    bool sent;  /* the request, or a part of it, may have reached the server */
    bool timed_out;
    cvx_text body;
    int64_t length;                        /* Content-Length; -1: not said */
    char content_type[CVX_HTTP_HEAD_TEXT]; /* "" when absent, or too long to be kept */
    char digest[CVX_HTTP_HEAD_TEXT];
} cvx_http_reply;

/* What moves a body in pieces; each runs on the thread that called cvx_http_exchange() with an
 * engine of its own. A negative return, or false, ends the exchange; `user` knows why. */
typedef struct cvx_http_stream {
    ptrdiff_t (*read)(void *ret, size_t room, void *user); /* the request's; 0: its end */
    int64_t size;                                          /* of the request's; -1: unknown */
    /* Of a 2xx answer; `head` has its status and length. */
    bool (*write)(const cvx_http_reply *head, const void *data, size_t len, void *user);
    bool (*progress)(uint64_t up, void *user); /* now and then; bytes of the request sent */
    void *user;
} cvx_http_stream;

enum { CVX_HTTP_HEADERS = 5 };

/* One request: a POST when it has a `body` or stream->read, else a GET. */
typedef struct cvx_http_request {
    const char *url;
    const char *headers[CVX_HTTP_HEADERS]; /* whole lines; NULLs are skipped */
    const char *body;
    size_t body_len;
    const cvx_http_stream *stream; /* NULL: none */
    bool repeatable;               /* libcurl may send it again when a kept connection is dead */
    bool http2;                    /* where the server offers it; else HTTP/1.1 */
    bool fresh;                    /* over a connection of its own making */
    unsigned timeout_ms, answer_ms, stall_ms; /* 0: none */
} cvx_http_request;

void cvx_http_reply_init(cvx_http_reply *reply, const convex_mem *mem);
void cvx_http_reply_done(cvx_http_reply *reply);

/* Runs one exchange. On CONVEX_OK an answer was read whole into `ret`. `ret` is filled as far
 * as known on failure too: CONVEX_EUNKNOWN when a request that is not repeatable was sent, and
 * CONVEX_ECANCELED when the stream ended it. */
convex_status cvx_http_exchange(cvx_http_engine *engine, const cvx_http_settings *settings,
                                const cvx_http_request *request, cvx_http_reply *ret,
                                convex_error *reterr);

/* base + endpoint; NULL when memory is short. Release with cvx_free(). */
char *cvx_http_url(const convex_http *http, const char *endpoint);

/* ---- answers ---- */

/* Where an answer makes no sense, `repeatable`, as in the request, decides between
 * CONVEX_EPROTOCOL and CONVEX_EUNKNOWN. Outputs are of the mem of reply->body. */

/* To a function call. */
convex_status cvx_http_read_result(const cvx_http_reply *reply, bool repeatable,
                                   convex_result **ret, convex_error *reterr);
/* To /api/query_batch: `count` results; all are owned on success, none else. */
convex_status cvx_http_read_batch(const cvx_http_reply *reply, size_t count, convex_result *ret[],
                                  convex_error *reterr);
/* To /api/query_ts. */
convex_status cvx_http_read_ts(const cvx_http_reply *reply, uint64_t *ret, convex_error *reterr);
/* To an upload: the storage id, of at most `size` - 1 bytes. */
convex_status cvx_http_read_upload(const cvx_http_reply *reply, char *ret, size_t size,
                                   convex_error *reterr);
/* Any status that is no success. */
convex_status cvx_http_read_refusal(const cvx_http_reply *reply, bool repeatable,
                                    convex_error *reterr);

/* Whether a refusal says that nothing took effect and that trying again may help: it never began,
 * or lost against a concurrent write (`rolled_back`: and that undid all it did). */
bool cvx_http_may_try_again(const convex_error *error, bool rolled_back);

/* 64 bits as base64 of their little-endian bytes, as timestamps are spelled. */
enum { CVX_HTTP_TS_TEXT = 13 };
void cvx_http_ts_text(uint64_t ts, char ret[CVX_HTTP_TS_TEXT]);

#endif
