/* convex/id.h - document ids taken apart. Ids travel as plain strings; look inside
 * only to tell tables apart or to check that a text is an id at all. */
#ifndef CONVEX_ID_H
#define CONVEX_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "convex/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Room for the longest id and its NUL. */
#define CONVEX_ID_SIZE 38

/* An id taken apart. */
typedef struct convex_id {
    uint32_t table_number; /* never 0; above 10000 for an application's own tables */
    uint8_t internal[16];
} convex_id;

/* False, with *ret untouched, unless `text` is exactly what convex_id_encode() writes. */
CONVEX_API bool convex_id_decode(const char *text, convex_id *ret);
/* False when the table number is 0; else `ret` holds 31 to 37 characters and a NUL. */
CONVEX_API bool convex_id_encode(const convex_id *id, char ret[CONVEX_ID_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
