/* json_scan.c - the inside of JSON strings: finding their end, undoing escapes.
 * Owns nothing. Any thread. */
#include "json_scan.h"

#include <stdint.h>
#include <string.h>

#include "utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool is_special(unsigned char c)
{
    return c == '"' || c == '\\' || c < 0x20;
}

#ifdef __SSE2__
/* Skips whole blocks of 16 until one holds a special byte; stops at that byte. */
static inline const char *skip_blocks(const char *p, const char *end, bool *non_ascii)
{
    /* With this bit turned, a quote and the control characters are all that is not above it. */
    const __m128i turn = _mm_set1_epi8('"' ^ 0x20), low = _mm_set1_epi8(0x20);
    const __m128i backslash = _mm_set1_epi8('\\');
    __m128i seen = _mm_setzero_si128();
    for (; end - p >= 16; p += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i turned = _mm_xor_si128(block, turn);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(turned, low), turned),
                                   _mm_cmpeq_epi8(block, backslash));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask != 0) {
            unsigned at = (unsigned)__builtin_ctz(mask);
            unsigned above = (unsigned)_mm_movemask_epi8(block);
            *non_ascii |= (above & ((1u << at) - 1)) != 0;
            p += at;
            break;
        }
        seen = _mm_or_si128(seen, block);
    }
    *non_ascii |= _mm_movemask_epi8(seen) != 0;
    return p;
}
#else
/* The same by words: a borrow out of a byte shows that it was below the bound. */
static const char *skip_blocks(const char *p, const char *end, bool *non_ascii)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t q = word ^ (ones * '"'), b = word ^ (ones * '\\');
        uint64_t hit = ((q - ones) & ~q) | ((b - ones) & ~b) | ((word - ones * 0x20) & ~word);
        if (hit & highs)
            break;
        *non_ascii |= (word & highs) != 0;
    }
    return p;
}
#endif

const char *cvx_json_skip_plain(const char *p, const char *end, bool *non_ascii)
{
    p = skip_blocks(p, end, non_ascii);
    while (p < end && !is_special((unsigned char)*p)) {
        *non_ascii |= (unsigned char)*p > 0x7f;
        p++;
    }
    return p;
}

const char *cvx_json_scan(const char *p, const char *end, cvx_span *ret)
{
    *ret = (cvx_span){.start = p};
    for (;;) {
        p = cvx_json_skip_plain(p, end, &ret->non_ascii);
        if (p < end && *p == '"') {
            ret->end = p;
            return p + 1;
        }
        if (p == end || *p != '\\') {
            ret->end = p;
            return NULL;
        }
        ret->escaped = true;
        if (end - p < 2) {
            ret->end = end;
            return NULL;
        }
        p += 2;
        /* What was skipped is judged when the escape is undone. */
        ret->non_ascii |= (unsigned char)p[-1] > 0x7f;
    }
}

/* Four hex digits, or UINT32_MAX. */
static uint32_t hex4(const char *p, const char *end)
{
    uint32_t n = 0;
    if (end - p < 4)
        return UINT32_MAX;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return UINT32_MAX;
        n = n << 4 | digit;
    }
    return n;
}

/* The character after "\u" at `p`, or UINT32_MAX; *ret_end past what it took. */
static uint32_t read_unicode(const char *p, const char *end, const char **ret_end)
{
    uint32_t unit = hex4(p, end);
    *ret_end = p + 4;
    if (unit == UINT32_MAX || unit < 0xd800 || unit > 0xdfff)
        return unit;
    if (unit > 0xdbff || end - p < 10 || p[4] != '\\' || p[5] != 'u')
        return UINT32_MAX;
    uint32_t low = hex4(p + 6, end);
    if (low < 0xdc00 || low > 0xdfff)
        return UINT32_MAX;
    *ret_end = p + 10;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static char simple_escape(char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    return at != NULL ? to[at - from] : '\0';
}

const char *cvx_json_unescape(const char *p, const char *end, char *out, size_t *ret_len)
{
    char *start = out;
    while (p < end) {
        const char *backslash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((backslash != NULL ? backslash : end) - p);
        memcpy(out, p, plain);
        out += plain;
        p += plain;
        if (backslash == NULL)
            break;
        char c = p + 1 < end ? p[1] : '\0';
        if (c == 'u') {
            uint32_t scalar = read_unicode(p + 2, end, &p);
            if (scalar == UINT32_MAX)
                return backslash;
            out += cvx_utf8_encode(scalar, out);
            continue;
        }
        char simple = simple_escape(c);
        if (simple == '\0')
            return backslash;
        *out++ = simple;
        p += 2;
    }
    *ret_len = (size_t)(out - start);
    return NULL;
}
