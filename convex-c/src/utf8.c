/* utf8.c - UTF-8 as Unicode defines it: no overlong forms, no surrogates.
 * Owns nothing. Any thread. */
#include "utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

static size_t ascii_prefix(const unsigned char *s, size_t len)
{
    size_t i = 0;
    for (; i + 64 <= len; i += 64) {
        uint64_t words[8];
        memcpy(words, s + i, 64);
        if (words[0] & HIGH_BITS) /* the next word with an accent: no reason to look further */
            break;
        if ((words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7]) &
            HIGH_BITS)
            break;
    }
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, s + i, 8);
        if (word & HIGH_BITS)
            break;
    }
    while (i < len && s[i] < 0x80)
        i++;
    return i;
}

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the well-formed character at `s` (lead byte >= 0x80), or 0. The bounds on
 * the second byte exclude overlong forms, surrogates and what is above U+10FFFF. */
static size_t multibyte(const unsigned char *s, size_t len)
{
    unsigned char c = s[0];
    if (c >= 0xc2 && c <= 0xdf)
        return len >= 2 && is_tail(s[1]) ? 2 : 0;
    if (c >= 0xe0 && c <= 0xef) {
        unsigned char low = c == 0xe0 ? 0xa0 : 0x80, high = c == 0xed ? 0x9f : 0xbf;
        return len >= 3 && s[1] >= low && s[1] <= high && is_tail(s[2]) ? 3 : 0;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        unsigned char low = c == 0xf0 ? 0x90 : 0x80, high = c == 0xf4 ? 0x8f : 0xbf;
        bool fits = len >= 4 && s[1] >= low && s[1] <= high && is_tail(s[2]) && is_tail(s[3]);
        return fits ? 4 : 0;
    }
    return 0;
}

size_t cvx_utf8_valid_prefix(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0;
    while (i < len) {
        if (s[i] < 0x80) {
            i += ascii_prefix(s + i, len - i);
            continue;
        }
        size_t n = multibyte(s + i, len - i);
        if (n == 0)
            return i;
        i += n;
    }
    return len;
}

size_t cvx_utf8_whole(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t back = 0;
    while (back < 3 && back < len && is_tail(s[len - 1 - back]))
        back++;
    if (back == len)
        return len;
    unsigned char lead = s[len - 1 - back];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return need > back + 1 ? len - 1 - back : len;
}

size_t cvx_utf8_encode(uint32_t scalar, char *ret)
{
    if (scalar < 0x80) {
        ret[0] = (char)scalar;
        return 1;
    }
    size_t tails = scalar < 0x800 ? 1 : scalar < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    for (size_t i = tails; i > 0; i--) {
        ret[i] = (char)(0x80 | (scalar & 0x3f));
        scalar >>= 6;
    }
    ret[0] = (char)(leads[tails] | scalar);
    return tails + 1;
}
