/* facts.h - texts out of a provider's JSON, as providers need them. Pure, any thread. */
#ifndef PROXY_FACTS_H
#define PROXY_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

typedef struct fact_text {
    const char *bytes;
    size_t size;
} fact_text;

/* An id as it is written, whether string or number; "" otherwise. */
fact_text fact_of(const json_node *node);
/* The first of the members named that has one; `names` ends with NULL. */
fact_text fact_first(const json_document *d, const json_node *object, const char *const *names);
/* Copies prefix and text into ret[limit]; false, with *ret untouched, if there is no text, it does
 * not fit or it has control characters. */
bool fact_copy(char *ret, size_t limit, const char *prefix, fact_text from);

/* Lower-case hex and a NUL: 2 * size + 1 bytes. */
void fact_hex(const unsigned char *bytes, size_t size, char *ret);

/* A whole number of up to 15 digits; false, with *ret untouched, if it is anything else. */
bool fact_integer(const json_node *node, int64_t *ret);

#endif
