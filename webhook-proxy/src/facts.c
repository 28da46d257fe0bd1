/* facts.c - texts out of a provider's JSON. Owns nothing; any thread. */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

fact_text fact_of(const json_node *node)
{
    return json_is_id(node) ? (fact_text){node->text, node->size} : (fact_text){"", 0};
}

fact_text fact_first(const json_document *d, const json_node *object, const char *const *names)
{
    fact_text found = {"", 0};

    for (; *names && found.size == 0; names++)
        found = fact_of(json_member(d, object, *names));
    return found;
}

bool fact_copy(char *ret, size_t limit, const char *prefix, fact_text from)
{
    size_t length = strlen(prefix);

    if (from.size == 0 || length + from.size >= limit)
        return false;
    for (size_t i = 0; i < from.size; i++)
        if ((unsigned char)from.bytes[i] < ' ' || from.bytes[i] == 0x7f)
            return false;
    memcpy(ret, prefix, length);
    memcpy(ret + length, from.bytes, from.size);
    ret[length + from.size] = '\0';
    return true;
}

void fact_hex(const unsigned char *bytes, size_t size, char *ret)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        *ret++ = hex[bytes[i] >> 4];
        *ret++ = hex[bytes[i] & 15];
    }
    *ret = '\0';
}

bool fact_integer(const json_node *node, int64_t *ret)
{
    char digits[16];

    if (node == NULL || node->type != JSON_NUMBER || node->size >= sizeof(digits))
        return false;
    memcpy(digits, node->text, node->size);
    digits[node->size] = '\0';
    if (strspn(digits, "0123456789") != node->size)
        return false;
    *ret = strtoll(digits, NULL, 10);
    return true;
}
