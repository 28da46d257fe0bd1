/* result_internal.h - making convex_result objects (HTTP client and sync client). */
#ifndef CONVEX_RESULT_INTERNAL_H
#define CONVEX_RESULT_INTERNAL_H

#include "convex/result.h"
#include "shared.h"

/* A function that returned.
 *   value      taken (released even on failure); must not be NULL
 *   log_lines  taken; an array of strings, or NULL for none
 *   mem        copied; NULL means libc
 * Returns NULL when memory is short. */
convex_result *cvx_result_success(convex_value *value, convex_value *log_lines,
                                  const convex_mem *mem);

/* A function that threw.
 *   message    taken; a string value; must not be NULL
 *   data       taken; NULL when the error carried none (a Convex null is data)
 *   log_lines  taken; an array of strings, or NULL for none */
CVX_SHARED convex_result *cvx_result_failure(convex_value *message, convex_value *data,
                                             convex_value *log_lines, const convex_mem *mem);

#endif
