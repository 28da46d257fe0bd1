/* unions.h - the members of a union, brought into one form. */
#ifndef CONVEXGEN_UNIONS_H
#define CONVEXGEN_UNIONS_H

#include "spec.h"

typedef struct members_list {
    pool *pool;
    type **types;
    size_t count;
    bool nullable;
} members_list;

/* A member that is a union itself adds its own members; equal ones are there once. */
void members_add(members_list *list, const slot *member);
/* What the whole union comes to. */
void members_join(members_list *list, slot *ret);

#endif
