/* utf8.h - reading UTF-8 that others wrote. Pure, any thread. */
#ifndef DISCORD_SRC_UTF8_H
#define DISCORD_SRC_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define DUTF8_REPLACEMENT 0xFFFDu

/* One code point at *at (< end), which moves behind it. A malformed byte counts alone and
 * gives U+FFFD, as does NUL, which no C string can carry on. */
uint32_t dutf8_next(const char **at, const char *end);

/* Writes a code point, returns its bytes (1..4). */
size_t dutf8_put(uint32_t c, char *ret);

/* UTF-16 units of a code point. */
size_t dutf8_units(uint32_t c);

/* A well-formed copy, owned (free), its length in *ret_size; NULL without memory. */
char *dutf8_clean(const char *text, size_t size, size_t *ret_size);

/* Makes a NUL-terminated text well-formed and one line long, in place: what is malformed
 * or a control character becomes '?', a cut code point at the end goes. */
void dutf8_trim(char *text);

#endif
