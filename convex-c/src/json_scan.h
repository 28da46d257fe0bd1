/* json_scan.h - the inside of JSON strings: finding their end, undoing escapes. */
#ifndef CVX_JSON_SCAN_H
#define CVX_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* What lies between the quotes. */
typedef struct cvx_span {
    const char *start, *end;
    bool escaped;   /* has a backslash */
    bool non_ascii; /* has a byte above 0x7f; UTF-8 is not checked yet */
} cvx_span;

/* The next quote, backslash or control character, or `end`. */
const char *cvx_json_skip_plain(const char *p, const char *end, bool *non_ascii);

/* `p` is past the opening quote. Returns past the closing one, or NULL with ret->end at
 * the control character, or at `end` when there is no closing quote. */
const char *cvx_json_scan(const char *p, const char *end, cvx_span *ret);

/* Writes at most end - p bytes to `out`, *ret_len of them. Returns NULL, or where the
 * escape is that stands for no Unicode scalar value. */
const char *cvx_json_unescape(const char *p, const char *end, char *out, size_t *ret_len);

#endif
