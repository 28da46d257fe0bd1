/* text.h - a growing text. The first failure sticks, so writers need not check. */
#ifndef CVX_TEXT_H
#define CVX_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "convex/value.h"
#include "mem.h"
#include "shared.h"

typedef struct cvx_text {
    convex_mem mem;
    char *data;
    size_t len, capacity;
    convex_status status; /* CONVEX_OK until something failed */
} cvx_text;

CVX_SHARED void cvx_text_init(cvx_text *t, const convex_mem *mem);
void cvx_text_done(cvx_text *t);

/* Room for `len` more bytes, to be counted into t->len by the caller; NULL on failure. */
char *cvx_text_room(cvx_text *t, size_t len);
void cvx_text_add(cvx_text *t, const char *data, size_t len);
CVX_SHARED void cvx_text_add_str(cvx_text *t, const char *text);
/* A JSON string with its quotes. */
CVX_SHARED void cvx_text_add_json_string(cvx_text *t, const char *data, size_t len);
/* A value as JSON; fails with CONVEX_EINVAL where ENCODED has no form for it. */
CVX_SHARED void cvx_text_add_value(cvx_text *t, const convex_value *value, convex_format format);

/* Gives the text away (NUL-terminated, owned, of the same mem) or reports the failure.
 * `t` is empty afterwards. */
CVX_SHARED convex_status cvx_text_take(cvx_text *t, char **ret, size_t *ret_len);

#endif
