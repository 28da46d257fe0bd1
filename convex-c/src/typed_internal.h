/* typed_internal.h - what encoding and decoding by shape share. */
#ifndef CVX_TYPED_INTERNAL_H
#define CVX_TYPED_INTERNAL_H

#include "convex/typed.h"
#include "error_internal.h"

/* How lists, texts and bytes lie in memory; read and written by memcpy, as the declared types of
 * their pointers differ. */
typedef struct cvx_span {
    const void *data;
    size_t len;
} cvx_span;

/* One step of the way down; the way back up is the path for the error. */
typedef struct cvx_place {
    const struct cvx_place *up;
    const char *name; /* NULL: an item, see index */
    size_t index;
} cvx_place;

/* Fills reterr with "PATH: message" and returns the status. */
convex_status cvx_fail_at(convex_error *reterr, convex_status status, const cvx_place *at,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A place whose C type has a NULL of its own. */
bool cvx_slot_has_null(const convex_slot *slot);
bool cvx_literal_equal(const convex_literal *literal, const convex_value *value);

/* The items of a list, as a counted cvx_span of C values. The list is held. */
convex_status cvx_typed_decode_items(const convex_shape *array, const convex_page_list *list,
                                     const convex_mem *mem, const cvx_span **ret,
                                     convex_error *reterr);

/* Arguments as a value; NULL when the caller gave none where anything may be given. */
convex_status cvx_typed_encode_args(const convex_function *function, const void *args,
                                    const convex_mem *mem, convex_value **ret,
                                    convex_error *reterr);

#endif
