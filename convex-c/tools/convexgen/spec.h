/* spec.h - a function-spec as a model: functions, and the shapes of what they take and return.
 *
 * Validators are brought into one form: nested unions are flat, null is a property of the place,
 * what another member covers is gone, a union of literals is an enum. So each thing that a C
 * program can tell apart is there once. */
#ifndef CONVEXGEN_SPEC_H
#define CONVEXGEN_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "convex/value.h"
#include "text.h"

typedef enum type_kind {
    TYPE_ANY,
    TYPE_NULL,
    TYPE_BOOLEAN,
    TYPE_INT64,
    TYPE_FLOAT64,
    TYPE_STRING,
    TYPE_BYTES,
    TYPE_ID,
    TYPE_ARRAY,
    TYPE_RECORD,
    TYPE_OBJECT,
    TYPE_LITERAL,
    TYPE_ENUM, /* of two or more literals */
    TYPE_UNION /* of two or more variants */
} type_kind;

typedef struct type type;

/* A place: a field, an item, a variant, an argument. */
typedef struct slot {
    const char *name; /* of a field, in Convex; else NULL */
    size_t name_len;
    type *type;
    bool optional, nullable;

    /* filled by plan_make() */
    const char *member;      /* of the struct or union; NULL: it needs none */
    const char *null_member; /* of a field that may be absent and may be null: the latter's flag */
    const char *tag;         /* of a variant: its enumerator */
} slot;

typedef struct literal {
    const convex_value *value; /* string, float64, int64 or boolean; borrowed from the spec */
    const char *text;          /* a string's own text, else its JSON */
    size_t len;
    const char *tag; /* its enumerator */
} literal;

struct type {
    type_kind kind;
    const char *text; /* as TypeScript spells it; equal texts mean equal types */
    const char *table;
    slot *slots; /* ARRAY: the item; RECORD: the value; OBJECT: fields by name; UNION: variants */
    size_t count;
    type *key;         /* of a RECORD: STRING or ID */
    literal *literals; /* LITERAL: one; ENUM: count; UNION: of each variant's discriminant */
    const char *discriminant;

    /* filled by plan_make() */
    const char *c_type;  /* what a place of it is declared as; NULL: it has no C type */
    const char *c_item;  /* of an ARRAY: what its items are declared as */
    const char *c_entry; /* of a RECORD: its entries */
    const char *other;   /* of an ENUM or UNION: the enumerator of none of them */
    const char *tables;  /* what the names of its tables begin with; NULL: the library has them */
    bool own_list;       /* of an ARRAY: c_type is to be declared with it */
    bool declared, listed, defined, told; /* by the writers */
};

typedef enum function_kind { FUNCTION_QUERY, FUNCTION_MUTATION, FUNCTION_ACTION } function_kind;

typedef struct function {
    const char *path; /* "module:name", as calls take it */
    function_kind kind;
    bool internal, paginated;
    slot args, returns;
    const char *base; /* filled by plan_make(): "PREFIX_module_name" */
} function;

typedef struct spec {
    pool *pool;
    function *functions; /* by path */
    size_t count;
} spec;

/* Where the reading stopped, and why. */
typedef struct spec_error {
    char message[512];
} spec_error;

/* What `npx convex function-spec` prints, or writes with --file. HTTP actions are passed over, as
 * nothing calls them by a typed call; so are internal functions, unless they are asked for.
 *   root  the parsed text (CONVEX_ENCODED_JSON); must live as long as the spec
 * False: *error says where and why. */
bool spec_read(spec *ret, pool *p, const convex_value *root, bool internal, spec_error *error);

/* Can it have only one value? Then it needs no room of its own. */
bool type_is_unit(const type *t);
/* Whether it is a C type that can say by itself that it is not there. */
bool type_has_null(const type *t);

#endif
