/* plan.h - which C type each shape becomes, and every name. */
#ifndef CONVEXGEN_PLAN_H
#define CONVEXGEN_PLAN_H

#include "spec.h"

/* A name that somebody gave to a shape: to the one at `path`, and wherever the very same occurs. */
typedef struct given_name {
    const char *name; /* after the prefix */
    const char *path; /* "signals:record.args.events[].upsert" */
    type *type;       /* filled by plan_make() */
} given_name;

/* A table whose ids occur. */
typedef struct id_table {
    const char *table;
    const char *c_type; /* with "_list": a list of them */
} id_table;

typedef struct plan {
    const spec *spec;
    pool *pool;
    const char *prefix;
    given_name *given;
    size_t given_count;
    id_table *ids; /* by table */
    size_t id_count;
} plan;

/* False: *error says which given name is of no shape. */
bool plan_make(plan *ret, const spec *s, const char *prefix, given_name *given, size_t given_count,
               spec_error *error);

/* Whether its calls take arguments at all. */
bool function_takes_args(const function *f);
/* Of a paginated one: the array of a page's items. */
const type *function_page(const function *f);
/* Whether a place of this shape is declared as a pointer to it. */
bool slot_is_pointer(const slot *s);

#endif
