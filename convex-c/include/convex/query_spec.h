/* convex/query_spec.h - one query of several that are asked together. */
#ifndef CONVEX_QUERY_SPEC_H
#define CONVEX_QUERY_SPEC_H

#include "convex/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A query and its arguments. */
typedef struct convex_query_spec {
    const char *path;         /* "module:function" */
    const convex_value *args; /* an object; NULL means {} */
} convex_query_spec;

#ifdef __cplusplus
}
#endif
#endif
