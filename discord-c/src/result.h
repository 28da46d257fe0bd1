/* result.h - the answer to a request, counted. A result is written by the REST thread until
 * its callback and never changes afterwards; counting is thread-safe. */
#ifndef DISCORD_SRC_RESULT_H
#define DISCORD_SRC_RESULT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "discord/rest.h"

typedef struct dresult {
    discord_result public; /* first: the two are cast */
    atomic_uint refs;
    char *body;
    size_t space;
    cJSON *json;
} dresult;

dresult *dresult_new(void);
void dresult_clear(dresult *result); /* for another attempt */
/* False: above `max` bytes, or without memory. */
bool dresult_append(dresult *result, const char *data, size_t size, size_t max);
const cJSON *dresult_parse(dresult *result);

#endif
