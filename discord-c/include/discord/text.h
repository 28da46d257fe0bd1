/* discord/text.h - text of any length in messages of Discord's length.
 *
 * Discord counts UTF-16 code units (an emoji outside the BMP is two). Pure functions,
 * any thread. */
#ifndef DISCORD_TEXT_H
#define DISCORD_TEXT_H

#include <stddef.h>

#include "discord/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DISCORD_MESSAGE_UNITS 2000

/* The length of UTF-8 text in UTF-16 units; each malformed byte counts as one U+FFFD. */
DISCORD_API size_t discord_text_units(const char *text, size_t size);

typedef struct discord_parts {
    size_t n;
    char **part; /* UTF-8, each ends in NUL */
} discord_parts;

/* Splits at a blank line, newline or space where there is one in the last half of a part,
 * never inside a code point; the white space at a cut is dropped. A ``` fence open at a cut
 * is closed there and opened again, with its language, in the next part. Malformed UTF-8 and
 * NUL become U+FFFD. Text that is empty or only white space gives no part.
 *   limit   UTF-16 units a part may have, at least 64
 *   ret     yours, release with discord_parts_done()
 * Returns OK, EINVAL or ENOMEM. */
DISCORD_API discord_status discord_text_split(const char *text, size_t size, size_t limit,
                                              discord_parts *ret);
DISCORD_API void discord_parts_done(discord_parts *parts); /* may be called again */

#ifdef __cplusplus
}
#endif
#endif
