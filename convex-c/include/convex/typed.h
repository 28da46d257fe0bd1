/* convex/typed.h - what the typed bindings written by convexgen stand on.
 *
 * The first half is for everybody: the few plain types that generated structs are made of, and
 * how a typed call says that it has no value. The second half, tables and the functions that
 * follow them, is for generated code only and may change with it.
 *
 * Decoded structs are immutable and counted, like values: their texts and bytes lie in the tree
 * they were decoded from, which they hold; lists and nested parts lie in one arena. One unref
 * releases all of it. Structs to be encoded are the caller's own, and only read. */
#ifndef CONVEX_TYPED_H
#define CONVEX_TYPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "convex/client.h"
#include "convex/error.h"
#include "convex/http.h"
#include "convex/mem.h"
#include "convex/optimistic.h"
#include "convex/pages.h"
#include "convex/result.h"
#include "convex/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- plain types ---- */

/* UTF-8 with a length; may contain NUL. Decoded ones are also NUL-terminated. In a struct to be
 * encoded `data` NULL means: not there. */
typedef struct convex_str {
    const char *data;
    size_t len;
} convex_str;

/* Bytes with a length. */
typedef struct convex_bytes {
    const uint8_t *data; /* NULL: not there */
    size_t len;
} convex_bytes;

/* NUL-terminated text, borrowed; NULL gives the one that is not there. */
static inline convex_str convex_str_of(const char *text)
{
    convex_str str;
    str.data = text;
    str.len = text ? strlen(text) : 0;
    return str;
}

/* False when either is not there. */
static inline bool convex_str_equal(convex_str str, const char *text)
{
    return str.data && text && strlen(text) == str.len &&
           (str.len == 0 || memcmp(str.data, text, str.len) == 0);
}

/* An array of booleans. */
typedef struct convex_bool_list {
    const bool *items;
    size_t count;
} convex_bool_list;

/* An array of int64s. */
typedef struct convex_int64_list {
    const int64_t *items;
    size_t count;
} convex_int64_list;

/* An array of float64s. */
typedef struct convex_float64_list {
    const double *items;
    size_t count;
} convex_float64_list;

/* An array of texts. */
typedef struct convex_str_list {
    const convex_str *items;
    size_t count;
} convex_str_list;

/* An array of bytes. */
typedef struct convex_bytes_list {
    const convex_bytes *items;
    size_t count;
} convex_bytes_list;

/* An array of any values. */
typedef struct convex_value_list {
    const convex_value *const *items;
    size_t count;
} convex_value_list;

/* Stands where something must stand that can have one value only: an item that is always null. */
typedef char convex_unit;

/* An array of such. */
typedef struct convex_unit_list {
    const convex_unit *items;
    size_t count;
} convex_unit_list;

/* ---- failures ---- */

/* Why a typed call has no value. Borrowed until the callback returns. */
typedef struct convex_failure {
    convex_status status; /* CONVEX_ESERVER: the function threw; CONVEX_EPROTOCOL: it returned what
                             its validator, as it was when the bindings were written, does not
                             allow; CONVEX_ENOMEM; else as in convex_done_fn */
    const char *message;  /* one line, never NULL: the server's words, or which part is wrong */
    const convex_value *data;    /* of a thrown ConvexError; NULL: none */
    const convex_result *result; /* when the server answered; else NULL */
} convex_failure;

/* ---- for generated code: tables ---- */

/* What a validator allows, and the C type for it. */
typedef enum convex_shape_kind {
    CONVEX_SHAPE_ANY,     /* const convex_value * */
    CONVEX_SHAPE_NULL,    /* nothing */
    CONVEX_SHAPE_BOOLEAN, /* bool */
    CONVEX_SHAPE_INT64,   /* int64_t */
    CONVEX_SHAPE_FLOAT64, /* double */
    CONVEX_SHAPE_STRING,  /* convex_str, and each table's id, laid out alike */
    CONVEX_SHAPE_BYTES,   /* convex_bytes */
    CONVEX_SHAPE_ARRAY,   /* { const ITEM *items; size_t count; } */
    CONVEX_SHAPE_RECORD,  /* the same, of entries { KEY key; VALUE value; } */
    CONVEX_SHAPE_OBJECT,  /* a struct */
    CONVEX_SHAPE_LITERAL, /* nothing */
    CONVEX_SHAPE_ENUM,    /* an enum; 0: none of the literals, else literal i - 1 */
    CONVEX_SHAPE_UNION /* { enum; union as; }; 0: `as` is const convex_value *, else variant i - 1
                        */
} convex_shape_kind;

enum {
    CONVEX_OPTIONAL = 1u << 0, /* may be absent */
    CONVEX_NULLABLE = 1u << 1  /* may be null */
};

typedef struct convex_shape convex_shape;

/* A place that holds something of a shape. With no flag the C type itself; with one a pointer to
 * it, NULL when there is nothing; texts, bytes and any stay themselves, as they can be NULL; what
 * has no C type becomes a bool. */
typedef struct convex_slot {
    const char *name; /* of a field */
    size_t name_len;
    const convex_shape *shape;
    size_t offset;
    size_t null_offset; /* of a bool, when both flags are set: it is there and null */
    unsigned flags;
} convex_slot;

/* One value that a validator names. */
typedef struct convex_literal {
    convex_type type;
    const char *text; /* what it says; of no string: its JSON */
    size_t len;
    int64_t integer; /* an int64, or a boolean */
    double number;
} convex_literal;

/* What a validator allows, with the layout of its C type. */
struct convex_shape {
    convex_shape_kind kind;
    size_t size;                    /* of the C type; 0: it has none */
    size_t count;                   /* of slots; of an ENUM: of literals */
    const convex_slot *slots;       /* fields by name; the item; the value; the variants */
    const convex_literal *literals; /* of a union's variants: where `discriminant` has them */
    size_t stride;                  /* of a list's items; of a UNION: where `as` begins */
    const char *discriminant;       /* of a UNION of objects; NULL: told apart by type */
};

/*   in   a C value of the slot's shape; borrowed; NULL: null, where it may be
 *   ret  owned
 * Returns CONVEX_OK, CONVEX_EINVAL (the error names the part that is not set), CONVEX_ELIMIT,
 * CONVEX_ENOMEM. */
CONVEX_API convex_status convex_typed_encode(const convex_slot *slot, const void *in,
                                             const convex_mem *mem, convex_value **ret,
                                             convex_error *reterr);
/* Checks everything that the shape knows. What may come of a newer server is let through: fields
 * that it does not know are passed over, and an unknown literal or variant becomes 0.
 *   ret  counted; NULL when `value` is null and may be; untouched on error
 * Returns CONVEX_OK, CONVEX_EINVAL (the error names the part), CONVEX_ENOMEM. */
CONVEX_API convex_status convex_typed_decode(const convex_slot *slot, const convex_value *value,
                                             const convex_mem *mem, const void **ret,
                                             convex_error *reterr);
/* A counted struct equal to one of the caller's own: what encoding and decoding make of it. */
CONVEX_API convex_status convex_typed_copy(const convex_slot *slot, const void *in,
                                           const convex_mem *mem, const void **ret,
                                           convex_error *reterr);
CONVEX_API const void *convex_typed_ref(const void *decoded); /* NULL gives NULL */
CONVEX_API void convex_typed_unref(const void *decoded);      /* NULL is fine */

/* The literal's text, NULL for 0 or a number that is none; and back, 0 when there is none. */
CONVEX_API const char *convex_typed_enum_text(const convex_shape *shape, int value);
CONVEX_API int convex_typed_enum_find(const convex_shape *shape, const char *text, size_t len);

/* ---- for generated code: calls ---- */

typedef void convex_any_fn(void); /* a callback of the function's own type */

/* Calls `fn` with the value and the failure in their own types; one of them at most is there. */
typedef void convex_deliver_fn(convex_any_fn *fn, const void *value, const convex_failure *failure,
                               void *user);

/* A function of the app, as its calls need it. */
typedef struct convex_function {
    const char *path;
    convex_http_kind kind;
    bool internal; /* over HTTP such a one needs a call of its own kind */
    convex_slot args, returns;
    convex_deliver_fn *deliver;
    const convex_shape *page;        /* of a paginated query: the list of its items; else NULL */
    convex_deliver_fn *deliver_page; /* its value is a convex_any_pages */
} convex_function;

/* One state of a paginated list, its items of no type yet. */
typedef struct convex_any_pages {
    convex_pages_status status;
    const void *items;
    size_t count;
    const convex_page_list *list;
} convex_any_pages;

/* As the calls of client.h and http.h, with `args` a C value; NULL means {} where it may. An
 * argument that is not set is CONVEX_EINVAL. A result that the function's validator does not allow
 * ends in CONVEX_EPROTOCOL. */
CONVEX_API convex_status convex_typed_subscribe(convex_client *client,
                                                const convex_function *function, const void *args,
                                                convex_any_fn *on_result, convex_end_fn *on_end,
                                                void *user, convex_sub **ret, convex_error *reterr);
CONVEX_API convex_status convex_typed_set_args(convex_sub *sub, const convex_function *function,
                                               const void *args, convex_error *reterr);
CONVEX_API convex_status convex_typed_call(convex_client *client, const convex_function *function,
                                           const void *args, const convex_call_options *options,
                                           convex_any_fn *on_done, void *user, uint32_t *ret_id,
                                           convex_error *reterr);
CONVEX_API convex_status convex_typed_paginate(convex_client *client,
                                               const convex_function *function, const void *args,
                                               uint32_t page_size, convex_any_fn *on_pages,
                                               convex_end_fn *on_end, void *user,
                                               convex_pages **ret, convex_error *reterr);
CONVEX_API convex_status convex_typed_http(convex_http *http, const convex_function *function,
                                           const void *args,
                                           const convex_http_call_options *options,
                                           const void **ret, convex_result **ret_result,
                                           convex_error *reterr);

/* Within an optimistic update. Returns false, and leaves *ret alone, where convex_local_store_get()
 * gives NULL, and for a value of another shape. *ret is counted. */
CONVEX_API bool convex_typed_local_get(convex_local_store *store, const convex_function *function,
                                       const void *args, const void **ret);
/* As convex_local_store_set(); what cannot be encoded fails the update. A `value` of NULL is null
 * where the query may return that, else it means that the query is loading. */
CONVEX_API convex_status convex_typed_local_set(convex_local_store *store,
                                                const convex_function *function, const void *args,
                                                const void *value);

#ifdef __cplusplus
}
#endif
#endif
