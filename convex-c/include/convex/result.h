/* convex/result.h - what one run of a Convex function came to.
 *
 * Immutable and counted; any thread may read one, ref and unref are atomic.
 * Pointers handed out are borrowed from the result. */
#ifndef CONVEX_RESULT_H
#define CONVEX_RESULT_H

#include <stdbool.h>
#include <stddef.h>

#include "convex/error.h"
#include "convex/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a function returned, or that it threw. */
typedef struct convex_result convex_result;

CONVEX_API convex_result *convex_result_ref(const convex_result *result); /* owned; NULL: NULL */
CONVEX_API void convex_result_unref(const convex_result *result);         /* NULL is fine */

/* True when the function returned, false when it threw (or NULL is given). */
CONVEX_API bool convex_result_success(const convex_result *result);
/* What it returned (null when it returned nothing); NULL when it threw. */
CONVEX_API const convex_value *convex_result_value(const convex_result *result);
/* The server's words when it threw, such as "[Request ID: ...] Server Error"; NULL
 * when it returned. `len` may be NULL. */
CONVEX_API const char *convex_result_error_message(const convex_result *result, size_t *len);
/* The data of a thrown ConvexError; may be a Convex null. NULL: it was another
 * error, or none. */
CONVEX_API const convex_value *convex_result_error_data(const convex_result *result);

/* What the function printed, each line as "[LEVEL] text": how many lines, and one of them (NULL
 * past the end; `len` may be NULL). */
CONVEX_API size_t convex_result_log_count(const convex_result *result);
CONVEX_API const char *convex_result_log_at(const convex_result *result, size_t i, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
