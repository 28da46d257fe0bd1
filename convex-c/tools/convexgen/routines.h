/* routines.h - the functions that are generated, each described once: the header prints its
 * prototype, the source its body too. */
#ifndef CONVEXGEN_ROUTINES_H
#define CONVEXGEN_ROUTINES_H

#include "plan.h"

enum { ROUTINE_PARAMETERS = 10, ROUTINES_MAX = 16 };

typedef struct routine {
    const char *type, *name;
    const char *parameters[ROUTINE_PARAMETERS]; /* NULL ends them */
    const char *body;
} routine;

typedef struct routine_list {
    routine items[ROUTINES_MAX];
    size_t count;
} routine_list;

/* "const NAME *"; NULL when there is nothing to pass; any passes as the value itself. */
const char *pointer_to(const plan *p, const slot *s, const char *name);

/* encode, decode, copy, ref and unref of `c_type`, by the slot that `slot_name` names in the
 * source. */
void routines_of_codec(const plan *p, const char *c_type, const char *slot_name, routine_list *ret);
void routines_of_enum(const plan *p, const type *t, routine_list *ret);
void routines_of_calls(const plan *p, const function *f, routine_list *ret);

void put_prototype(FILE *out, const routine *r);

#endif
