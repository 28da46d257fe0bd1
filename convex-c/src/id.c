/* id.c - document ids: base32 of a table number, an internal id and a checksum.
 * Owns nothing. Any thread. */
#include "convex/id.h"

#include <stddef.h>
#include <string.h>

enum { INTERNAL = 16, CHECKSUM = 2, BYTES_MAX = 5 + INTERNAL + CHECKSUM, CHARACTERS_MIN = 31 };

/* Crockford's, lower case. */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static size_t put_table_number(uint32_t n, uint8_t *ret)
{
    size_t len = 0;
    do {
        ret[len++] = (uint8_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
        n >>= 7;
    } while (n != 0);
    return len;
}

/* Fletcher-16 modulo 256: the sum, and the sum of the sums. */
static void put_checksum(const uint8_t *bytes, size_t len, uint8_t ret[CHECKSUM])
{
    uint8_t sum = 0, sums = 0;
    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + bytes[i]);
        sums = (uint8_t)(sums + sum);
    }
    ret[0] = sum;
    ret[1] = sums;
}

static void put_base32(const uint8_t *bytes, size_t len, char *ret)
{
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (count += 8; count >= 5; count -= 5)
            *ret++ = alphabet[bits >> (count - 5) & 31];
    }
    if (count > 0)
        *ret++ = alphabet[bits << (5 - count) & 31];
    *ret = '\0';
}

bool convex_id_encode(const convex_id *id, char ret[CONVEX_ID_SIZE])
{
    uint8_t bytes[BYTES_MAX];
    if (id == NULL || id->table_number == 0)
        return false;
    size_t len = put_table_number(id->table_number, bytes);
    memcpy(bytes + len, id->internal, INTERNAL);
    len += INTERNAL;
    put_checksum(bytes, len, bytes + len);
    put_base32(bytes, len + CHECKSUM, ret);
    return true;
}

/* The whole bytes of the text; the writer's own check finds stray bits. */
static bool take_base32(const char *text, size_t len, uint8_t *ret, size_t *ret_len)
{
    uint32_t bits = 0;
    int count = 0;
    uint8_t *out = ret;
    for (size_t i = 0; i < len; i++) {
        const char *at = strchr(alphabet, text[i]);
        if (at == NULL)
            return false;
        bits = bits << 5 | (uint32_t)(at - alphabet);
        count += 5;
        if (count >= 8) {
            count -= 8;
            *out++ = (uint8_t)(bits >> count);
        }
    }
    *ret_len = (size_t)(out - ret);
    return true;
}

static size_t take_table_number(const uint8_t *bytes, size_t len, uint32_t *ret)
{
    uint64_t n = 0;
    for (size_t i = 0; i < 5 && i < len; i++) {
        n |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (bytes[i] & 0x80)
            continue;
        *ret = (uint32_t)n;
        return n <= UINT32_MAX ? i + 1 : 0;
    }
    return 0;
}

bool convex_id_decode(const char *text, convex_id *ret)
{
    uint8_t bytes[BYTES_MAX];
    char again[CONVEX_ID_SIZE];
    size_t characters = text == NULL ? 0 : strlen(text), len = 0;
    convex_id id;
    if (characters < CHARACTERS_MIN || characters >= CONVEX_ID_SIZE ||
        !take_base32(text, characters, bytes, &len))
        return false;
    size_t table = take_table_number(bytes, len, &id.table_number);
    if (table == 0 || len != table + INTERNAL + CHECKSUM)
        return false;
    memcpy(id.internal, bytes + table, INTERNAL);
    /* One strict rule for everything: it must be what we would have written. */
    if (!convex_id_encode(&id, again) || strcmp(again, text) != 0)
        return false;
    *ret = id;
    return true;
}
