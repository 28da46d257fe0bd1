/* base64.c - standard base64 (padded) and base64url (bare), strictly.
 * Owns nothing. Any thread. */
#include "base64.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t encode(const char *alphabet, bool pad, const uint8_t *data, size_t len, char *ret)
{
    char *out = ret;
    size_t i = 0;
    for (; i + 3 <= len; i += 3) {
        uint32_t n = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
        *out++ = alphabet[n >> 18];
        *out++ = alphabet[n >> 12 & 63];
        *out++ = alphabet[n >> 6 & 63];
        *out++ = alphabet[n & 63];
    }
    if (i == len)
        return (size_t)(out - ret);
    bool two = len - i == 2;
    uint32_t n = (uint32_t)data[i] << 16 | (two ? (uint32_t)data[i + 1] << 8 : 0);
    *out++ = alphabet[n >> 18];
    *out++ = alphabet[n >> 12 & 63];
    if (two)
        *out++ = alphabet[n >> 6 & 63];
    if (pad) {
        *out++ = '=';
        if (!two)
            *out++ = '=';
    }
    return (size_t)(out - ret);
}

size_t cvx_base64_encode(const void *data, size_t len, char *ret)
{
    return encode(standard, true, data, len, ret);
}

size_t cvx_base64url_encode(const void *data, size_t len, char *ret)
{
    return encode(url_safe, false, data, len, ret);
}

/* The six bits of a character, or 64 and more when it is none of the alphabet. */
static uint32_t six_bits(char c, char plus, char slash)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == plus ? 62 : c == slash ? 63 : 64;
}

/* `len` counts no padding here. */
static bool decode(const char *text, size_t len, char plus, char slash, uint8_t *ret,
                   size_t *ret_len)
{
    uint8_t *out = ret;
    size_t i = 0;
    if (len % 4 == 1)
        return false;
    for (; i + 4 <= len; i += 4) {
        uint32_t a = six_bits(text[i], plus, slash), b = six_bits(text[i + 1], plus, slash);
        uint32_t c = six_bits(text[i + 2], plus, slash), d = six_bits(text[i + 3], plus, slash);
        if ((a | b | c | d) & 64)
            return false;
        uint32_t n = a << 18 | b << 12 | c << 6 | d;
        *out++ = (uint8_t)(n >> 16);
        *out++ = (uint8_t)(n >> 8);
        *out++ = (uint8_t)n;
    }
    if (i < len) {
        bool three = len - i == 3;
        uint32_t a = six_bits(text[i], plus, slash), b = six_bits(text[i + 1], plus, slash);
        uint32_t c = three ? six_bits(text[i + 2], plus, slash) : 0;
        uint32_t stray = three ? c & 3 : b & 15;
        if (((a | b | c) & 64) || stray != 0)
            return false;
        uint32_t n = a << 18 | b << 12 | c << 6;
        *out++ = (uint8_t)(n >> 16);
        if (three)
            *out++ = (uint8_t)(n >> 8);
    }
    *ret_len = (size_t)(out - ret);
    return true;
}

bool cvx_base64_decode(const char *text, size_t len, void *ret, size_t *ret_len)
{
    if (len % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    return decode(text, len - padding, '+', '/', ret, ret_len);
}

bool cvx_base64url_decode(const char *text, size_t len, void *ret, size_t *ret_len)
{
    return decode(text, len, '-', '_', ret, ret_len);
}
