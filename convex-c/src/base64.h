/* base64.h - standard base64 (padded) and base64url (bare), strictly. */
#ifndef CVX_BASE64_H
#define CVX_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the text of `len` bytes, padding included, NUL not. */
#define CVX_BASE64_SIZE(len) (((len) + 2) / 3 * 4)
/* Room for the bytes of `len` characters. */
#define CVX_BASE64_DECODED(len) ((len) / 4 * 3 + 3)

/* Writes no NUL and returns the number of characters. */
size_t cvx_base64_encode(const void *data, size_t len, char *ret);
size_t cvx_base64url_encode(const void *data, size_t len, char *ret);

/* False unless `text` is exactly what the encoder would write (alphabet, padding, no
 * stray bits). `ret` may be `text` itself: decoding never overtakes reading. */
bool cvx_base64_decode(const char *text, size_t len, void *ret, size_t *ret_len);
bool cvx_base64url_decode(const char *text, size_t len, void *ret, size_t *ret_len);

#endif
