/* json.c - cJSON with its traps closed. No state, any thread. */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

static int hex4(const char *s, const char *end)
{
    int value = 0;

    if (end - s < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The escape at `s` (a backslash): its length, and whether cJSON may see it. */
static size_t escape(const char *s, const char *end, bool *bad)
{
    int c = end - s >= 6 && s[1] == 'u' ? hex4(s + 2, end) : -1;
    bool high = c >= 0xD800 && c <= 0xDBFF;
    int low = high && end - s >= 12 && s[6] == '\\' && s[7] == 'u' ? hex4(s + 8, end) : -1;

    *bad = false;
    if (c < 0)
        return end - s >= 2 ? 2 : 1;
    if (low >= 0xDC00 && low <= 0xDFFF)
        return 12;
    *bad = c == 0 || (c >= 0xD800 && c <= 0xDFFF);
    return 6;
}

/* Replaces the escapes that cJSON cannot carry, in place: the length stays. */
static void mend(char *text, size_t size)
{
    char *end = text + size;

    for (char *s = memchr(text, '\\', size); s; s = memchr(s, '\\', (size_t)(end - s))) {
        bool bad;
        size_t n = escape(s, end, &bad);
        if (bad)
            memcpy(s + 2, "fffd", 4);
        s += n;
    }
}

cJSON *djson_parse(const char *text, size_t size)
{
    char *copy = NULL;
    cJSON *json;

    if (memchr(text, '\0', size))
        return NULL;
    if (memmem(text, size, "\\u", 2)) {
        copy = malloc(size + 1);
        if (!copy)
            return NULL;
        memcpy(copy, text, size);
        copy[size] = '\0';
        mend(copy, size);
        text = copy;
    }
    const char *stop = NULL;
    json = size ? cJSON_ParseWithLengthOpts(text, size, &stop, 0) : NULL;
    for (; json && stop < text + size; stop++)
        if (!strchr(" \t\r\n", *stop)) {
            cJSON_Delete(json);
            json = NULL;
        }
    free(copy);
    return json;
}

const cJSON *djson_get(const cJSON *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

const char *djson_text(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(djson_get(object, key));
}

double djson_number(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *item = djson_get(object, key);

    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

bool djson_true(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(djson_get(object, key));
}

bool djson_u64(const cJSON *object, const char *key, uint64_t *ret)
{
    double value = djson_number(object, key, -1);

    if (!(value >= 0 && value <= 9007199254740992.0))
        return false;
    *ret = (uint64_t)value;
    return true;
}

bool djson_add(cJSON *object, const char *key, cJSON *item)
{
    if (item && object && cJSON_AddItemToObject(object, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

bool djson_add_text(cJSON *object, const char *key, const char *text)
{
    size_t size;
    char *clean = dutf8_clean(text, strlen(text), &size);
    bool ok = clean && djson_add(object, key, cJSON_CreateString(clean));

    free(clean);
    return ok;
}

bool djson_add_u64(cJSON *object, const char *key, uint64_t value)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return djson_add(object, key, cJSON_CreateRaw(digits));
}
