/* convex/value.h - Convex values: immutable trees, their two JSON forms, their order.
 *
 * A tree lives in one arena and is counted as a whole: a ref on any node keeps
 * all of it alive, and a child pointer is borrowed for as long as its tree is
 * held. Values are immutable, so any thread may read one, and ref and unref are
 * atomic. Every reader accepts NULL (as "absent"), so lookups chain.
 *
 * Strings are UTF-8 with a length and may contain NUL; the pointers handed out
 * are also NUL-terminated. */
#ifndef CONVEX_VALUE_H
#define CONVEX_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/error.h"
#include "convex/mem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One value: a node of a tree. */
typedef struct convex_value convex_value;

/* In Convex's order: every value of an earlier type sorts before any of a later one. */
typedef enum convex_type {
    CONVEX_ABSENT = 0, /* only ever the type of a NULL pointer */
    CONVEX_NULL,
    CONVEX_INT64,
    CONVEX_FLOAT64,
    CONVEX_BOOLEAN,
    CONVEX_STRING,
    CONVEX_BYTES,
    CONVEX_ARRAY,
    CONVEX_OBJECT
} convex_type;

/* How a value is spelt as JSON. */
typedef enum convex_format {
    CONVEX_ENCODED_JSON = 0, /* lossless: {"$integer"}, {"$float"}, {"$bytes"} */
    CONVEX_PLAIN_JSON        /* Convex's "json": readable; int64, bytes, NaN and infinities
                                become strings */
} convex_format;

/* ---- lifetime ---- */
CONVEX_API convex_value *convex_value_ref(const convex_value *value); /* owned; NULL gives NULL */
CONVEX_API void convex_value_unref(const convex_value *value);        /* NULL is fine */

/* ---- reading ---- */
/* CONVEX_ABSENT for NULL. */
CONVEX_API convex_type convex_value_type(const convex_value *value);
CONVEX_API const char *convex_type_name(convex_type type); /* "string", ... */

/* Each returns false, and leaves *ret alone, when the value is absent or of another type. */
CONVEX_API bool convex_value_bool(const convex_value *value, bool *ret);
CONVEX_API bool convex_value_int64(const convex_value *value, int64_t *ret);
CONVEX_API bool convex_value_float64(const convex_value *value, double *ret);
/* The pointer is borrowed from the tree; NULL when it is no string (no bytes). `len` may be NULL.
 */
CONVEX_API const char *convex_value_string(const convex_value *value, size_t *len);
CONVEX_API const uint8_t *convex_value_bytes(const convex_value *value, size_t *len);

CONVEX_API size_t convex_value_count(const convex_value *value); /* items or fields, else 0 */
/* Item i of an array, or value of field i of an object in key order; NULL past the end. */
CONVEX_API const convex_value *convex_value_at(const convex_value *value, size_t i);
/* The name of field i of an object, borrowed from the tree; NULL past the end, and of no object.
 * `len` may be NULL. */
CONVEX_API const char *convex_value_key_at(const convex_value *value, size_t i, size_t *len);
/* One field by its exact name; fields are sorted, so this is a binary search. */
CONVEX_API const convex_value *convex_value_field(const convex_value *value, const char *name);
/* A path such as "user.roles[0].name"; NULL when any step is absent. A name that holds a
 * dot or a bracket is out of its reach. */
CONVEX_API const convex_value *convex_value_get(const convex_value *value, const char *path);
/* The readers above, at a path; `fallback`, for texts and bytes NULL, when it is absent or of
 * another type. */
CONVEX_API bool convex_value_get_bool(const convex_value *value, const char *path, bool fallback);
CONVEX_API int64_t convex_value_get_int64(const convex_value *value, const char *path,
                                          int64_t fallback);
CONVEX_API double convex_value_get_float64(const convex_value *value, const char *path,
                                           double fallback);
CONVEX_API const char *convex_value_get_string(const convex_value *value, const char *path,
                                               size_t *len);
CONVEX_API const uint8_t *convex_value_get_bytes(const convex_value *value, const char *path,
                                                 size_t *len);

/* ---- JSON ---- */
/* Parses one complete JSON text. ENCODED is strict: exactly what both the
 * official client and the backend accept. PLAIN reads ordinary JSON (every
 * number a float64). Of equal keys the last wins, and what it replaces need only be JSON.
 * The text is not kept.
 *   max_depth  0 means Convex's limit for values (64), at most 512. Above 64 the outer
 *              max_depth - 64 levels count as an envelope (a frame around values), whose
 *              arrays and objects may hold more than a value's may
 *   mem        of the tree; NULL: libc
 *   ret        owned, release with convex_value_unref(); untouched on error
 * Returns CONVEX_OK, CONVEX_EINVAL (message names path and byte), CONVEX_ELIMIT, CONVEX_ENOMEM. */
CONVEX_API convex_status convex_value_parse(const char *json, size_t len, convex_format format,
                                            unsigned max_depth, const convex_mem *mem,
                                            convex_value **ret, convex_error *reterr);
/* Canonical text: compact, keys in byte order, shortest numbers that round-trip, spelled
 * as ECMAScript does (1, not 1.0).
 *   mem  of the text; NULL: libc
 *   ret  owned, NUL-terminated, release with convex_text_free(ret, mem); untouched on error
 *   len  may be NULL: bytes of it, the NUL not counted
 * Returns CONVEX_OK, CONVEX_ENOMEM, or CONVEX_EINVAL when `value` is NULL, and when ENCODED meets a
 * name in "$", which only PLAIN text and the builder can make. */
CONVEX_API convex_status convex_value_print(const convex_value *value, convex_format format,
                                            const convex_mem *mem, char **ret, size_t *len);
/* With the mem it was made with; a NULL text is fine. */
CONVEX_API void convex_text_free(char *text, const convex_mem *mem);

/* ---- relations ---- */
/* Deep equality: convex_value_compare() finds no difference. */
CONVEX_API bool convex_value_equal(const convex_value *a, const convex_value *b);
/* Convex's total order over all values; absent first. <0, 0, >0. */
CONVEX_API int convex_value_compare(const convex_value *a, const convex_value *b);
/* Convex's size metric in bytes, the one its limits are stated in. */
CONVEX_API size_t convex_value_size(const convex_value *value);
/* Checks names, counts, nesting and size against Convex's limits for arguments and results.
 * Returns CONVEX_OK, or CONVEX_EINVAL or CONVEX_ELIMIT; the error names the offending path. */
CONVEX_API convex_status convex_value_check(const convex_value *value, convex_error *reterr);

/* ---- building ---- */
/* Writes one value front to back. The first error sticks: later calls do
 * nothing, and convex_builder_finish() reports it. One thread at a time. Of equal
 * keys the last wins. Names and limits are convex_value_check()'s business.
 *
 *     convex_builder *b = convex_builder_new(NULL);
 *     convex_builder_begin_object(b);
 *     convex_builder_key(b, "name");  convex_builder_cstring(b, "Ada");
 *     convex_builder_end(b);
 *     status = convex_builder_finish(b, &value, &error);
 *     convex_builder_free(b); */
typedef struct convex_builder convex_builder;
/* `mem` NULL: libc. Owned; NULL when memory is short. */
CONVEX_API convex_builder *convex_builder_new(const convex_mem *mem);
CONVEX_API void convex_builder_free(convex_builder *b); /* NULL is fine */
CONVEX_API void convex_builder_begin_object(convex_builder *b);
CONVEX_API void convex_builder_begin_array(convex_builder *b);
CONVEX_API void convex_builder_end(convex_builder *b); /* of the innermost open one */
CONVEX_API void convex_builder_key(convex_builder *b, const char *name);
CONVEX_API void convex_builder_key_n(convex_builder *b, const char *name, size_t len);
CONVEX_API void convex_builder_null(convex_builder *b);
CONVEX_API void convex_builder_bool(convex_builder *b, bool v);
CONVEX_API void convex_builder_int64(convex_builder *b, int64_t v);
CONVEX_API void convex_builder_float64(convex_builder *b, double v);
CONVEX_API void convex_builder_string(convex_builder *b, const char *text,
                                      size_t len); /* UTF-8 checked */
CONVEX_API void convex_builder_cstring(convex_builder *b, const char *text);
CONVEX_API void convex_builder_bytes(convex_builder *b, const void *data, size_t len);
CONVEX_API void convex_builder_value(convex_builder *b,
                                     const convex_value *value); /* copied; must not be NULL */
/* ret: owned. The builder is empty again afterwards, success or not. */
CONVEX_API convex_status convex_builder_finish(convex_builder *b, convex_value **ret,
                                               convex_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
