/* utf8.c - reading UTF-8 that others wrote. No state, any thread. */
#include "utf8.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Reads a well-formed sequence; 0 bytes when there is none. */
static size_t sequence(const unsigned char *s, size_t n, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80             ? 1
                    : (s[0] & 0xE0) == 0xC0 ? 2
                    : (s[0] & 0xF0) == 0xE0 ? 3
                    : (s[0] & 0xF8) == 0xF0 ? 4
                                            : 0;
    uint32_t c = length == 1 ? s[0] : s[0] & (0x7Fu >> length);

    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *ret = c;
    return length;
}

uint32_t dutf8_next(const char **at, const char *end)
{
    uint32_t c = 0;
    size_t n = sequence((const unsigned char *)*at, (size_t)(end - *at), &c);

    *at += n ? n : 1;
    return n && c ? c : DUTF8_REPLACEMENT;
}

size_t dutf8_put(uint32_t c, char *ret)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};

    for (size_t i = n; i-- > 1; c >>= 6)
        ret[i] = (char)(0x80 | (c & 0x3F));
    ret[0] = (char)(lead[n] | c);
    return n;
}

size_t dutf8_units(uint32_t c)
{
    return c > 0xFFFF ? 2 : 1;
}

char *dutf8_clean(const char *text, size_t size, size_t *ret_size)
{
    const char *end = text + size;
    char *copy = size < SIZE_MAX / 3 ? malloc(size * 3 + 1) : NULL;
    size_t n = 0;

    if (!copy)
        return NULL;
    for (const char *at = text; at < end;)
        n += dutf8_put(dutf8_next(&at, end), copy + n);
    copy[n] = '\0';
    *ret_size = n;
    return copy;
}

void dutf8_trim(char *text)
{
    size_t n = strlen(text);
    size_t to = 0;
    uint32_t c;

    for (size_t at = 0; at < n;) {
        size_t length = sequence((const unsigned char *)text + at, n - at, &c);
        bool cut = length == 0 && n - at < 4 && ((unsigned char)text[at] & 0xC0) == 0xC0;
        if (cut)
            break;
        if (length == 0 || (length == 1 && (c < 0x20 || c == 0x7F))) {
            text[to++] = length && c != 0x7F ? ' ' : '?';
            at++;
            continue;
        }
        memmove(text + to, text + at, length);
        to += length;
        at += length;
    }
    text[to] = '\0';
}
