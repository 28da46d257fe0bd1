/* error_internal.h - filling a convex_error. */
#ifndef CVX_ERROR_INTERNAL_H
#define CVX_ERROR_INTERNAL_H

#include <stdarg.h>

#include "convex/error.h"
#include "shared.h"

/* Fills `reterr` (NULL is fine) whole and returns `status`, so that a failing
 * function ends in `return cvx_fail(...)`. The text is cut at a UTF-8 boundary
 * and control characters in it become spaces: an error is one line. */
CVX_SHARED convex_status cvx_fail(convex_error *reterr, convex_status status, const char *format,
                                  ...) __attribute__((format(printf, 3, 4)));

/* The same, with what the server said. `code` may be NULL. */
convex_status cvx_fail_http(convex_error *reterr, convex_status status, int http_status,
                            const char *code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
