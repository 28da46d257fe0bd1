/* utf8.h - UTF-8 as Unicode defines it: no overlong forms, no surrogates. */
#ifndef CVX_UTF8_H
#define CVX_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared.h"

/* The number of leading bytes that are well-formed; `len` when all are. */
CVX_SHARED size_t cvx_utf8_valid_prefix(const char *text, size_t len);

/* The same text without an incomplete last character: its new length. */
size_t cvx_utf8_whole(const char *text, size_t len);

/* Writes one scalar value (at most 4 bytes) and returns its length. */
size_t cvx_utf8_encode(uint32_t scalar, char *ret);

#endif
