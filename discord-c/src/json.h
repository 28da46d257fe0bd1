/* json.h - cJSON with its traps closed: NULs, lone surrogates, 64-bit numbers.
 * Pure, any thread. */
#ifndef DISCORD_SRC_JSON_H
#define DISCORD_SRC_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole text parsed, owned (cJSON_Delete); NULL when it is not JSON or memory is out.
 * \u0000 and escaped lone surrogates become U+FFFD: cJSON would cut or refuse. */
cJSON *djson_parse(const char *text, size_t size);

/* Reading: each tolerates NULL, a missing key and a wrong type. */
const cJSON *djson_get(const cJSON *object, const char *key);
const char *djson_text(const cJSON *object, const char *key); /* NULL: no string */
double djson_number(const cJSON *object, const char *key, double otherwise);
bool djson_true(const cJSON *object, const char *key);
/* A whole number in 0..2^53. */
bool djson_u64(const cJSON *object, const char *key, uint64_t *ret);

/* Writing: false without memory, `item` then freed. */
bool djson_add(cJSON *object, const char *key, cJSON *item);
bool djson_add_text(cJSON *object, const char *key, const char *text);
/* Exact digits, where cJSON would round. */
bool djson_add_u64(cJSON *object, const char *key, uint64_t value);

#endif
