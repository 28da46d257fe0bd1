/* error.c - statuses as words, and filling a convex_error.
 * Owns nothing. Any thread. */
#include "error_internal.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

static const char *const status_texts[] = {
    [CONVEX_OK] = "ok",
    [CONVEX_EINVAL] = "invalid argument or input",
    [CONVEX_ENOMEM] = "out of memory",
    [CONVEX_ELIMIT] = "limit exceeded",
    [CONVEX_EBUSY] = "queue is full",
    [CONVEX_ECLOSED] = "closed",
    [CONVEX_ECANCELED] = "cancelled",
    [CONVEX_ETIMEOUT] = "timed out",
    [CONVEX_ENETWORK] = "network failure",
    [CONVEX_EAUTH] = "credential refused",
    [CONVEX_EPROTOCOL] = "protocol violation by the peer",
    [CONVEX_ESERVER] = "server error",
    [CONVEX_EUNKNOWN] = "sent, outcome unknown",
};

const char *convex_status_text(convex_status status)
{
    size_t i = (size_t)status;
    if (i >= sizeof status_texts / sizeof status_texts[0])
        return "unknown status";
    return status_texts[i];
}

/* Cuts what snprintf truncated back to whole characters, and makes it one line. */
static void make_one_line(char *text, size_t size)
{
    size_t len = cvx_utf8_whole(text, strnlen(text, size - 1));
    text[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    }
}

__attribute__((format(printf, 5, 0))) static convex_status fill(convex_error *reterr,
                                                                convex_status status,
                                                                int http_status, const char *code,
                                                                const char *format, va_list args)
{
    if (reterr == NULL)
        return status;
    memset(reterr, 0, sizeof *reterr);
    reterr->status = status;
    reterr->http_status = http_status;
    if (code != NULL)
        snprintf(reterr->code, sizeof reterr->code, "%s", code);
    vsnprintf(reterr->message, sizeof reterr->message, format, args);
    make_one_line(reterr->code, sizeof reterr->code);
    make_one_line(reterr->message, sizeof reterr->message);
    return status;
}

convex_status cvx_fail(convex_error *reterr, convex_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(reterr, status, 0, NULL, format, args);
    va_end(args);
    return status;
}

convex_status cvx_fail_http(convex_error *reterr, convex_status status, int http_status,
                            const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(reterr, status, http_status, code, format, args);
    va_end(args);
    return status;
}
