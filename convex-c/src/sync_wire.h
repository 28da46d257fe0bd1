/* sync_wire.h - the small encodings of the sync protocol. */
#ifndef CVX_SYNC_WIRE_H
#define CVX_SYNC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/value.h"
#include "mem.h"
#include "shared.h"
#include "text.h"

/* ---- text ---- */

/* Empty again, for the next frame; a very large buffer is given back. */
void cvx_text_reset(cvx_text *text);
void cvx_text_add_u64(cvx_text *text, uint64_t number);

/* ---- timestamps: u64 nanoseconds as base64 of 8 little-endian bytes ---- */

enum { CVX_TS_SIZE = 12 }; /* characters, without a NUL */

void cvx_ts_encode(uint64_t ts, char ret[CVX_TS_SIZE]);
/* False unless it is exactly 8 bytes in standard base64 and below 2^63. */
bool cvx_ts_decode(const char *text, size_t len, uint64_t *ret);
bool cvx_ts_read(const convex_value *value, uint64_t *ret); /* a string value */

/* An integral number in 0..2^32-1. */
bool cvx_u32_read(const convex_value *value, uint32_t *ret);

/* ---- functions ---- */

/* Writes `"udfPath":"...","args":[{...}]` and, if one is given, `,"componentPath":"..."`:
 * the members of a request, and as canonical text the identity of a query.
 *   canonical  true for queries: the path without ".js", with ":default" if it names no function
 *   args       an object, or NULL for {}
 *   ret        owned, cvx_free()
 * Returns CONVEX_OK, CONVEX_EINVAL (a path that would end the whole session; arguments that
 * are no object or break a limit), CONVEX_ENOMEM. */
CVX_SHARED convex_status cvx_call_text(const convex_mem *mem, const char *path,
                                       const char *component, const convex_value *args,
                                       bool canonical, char **ret, size_t *ret_len,
                                       convex_error *reterr);

/* The session id's text: a version 4 UUID made of 16 random bytes. */
enum { CVX_UUID_SIZE = 37 };
CVX_SHARED void cvx_uuid_text(const uint8_t random[16], char ret[CVX_UUID_SIZE]);

#endif
