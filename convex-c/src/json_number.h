/* json_number.h - JSON numbers to doubles and back, exactly, in any locale. */
#ifndef CVX_JSON_NUMBER_H
#define CVX_JSON_NUMBER_H

#include <stddef.h>

#include "mem.h"

typedef enum cvx_number_fault {
    CVX_NUMBER_OK = 0,
    CVX_NUMBER_MALFORMED,
    CVX_NUMBER_TOO_LARGE, /* no finite double */
    CVX_NUMBER_NO_MEMORY
} cvx_number_fault;

/* Reads the number that starts at `p`; *ret_end is set past it. Nearest double, ties to
 * even, whatever its length. */
cvx_number_fault cvx_number_parse(const char *p, const char *end, const convex_mem *mem,
                                  double *ret, const char **ret_end);

enum { CVX_NUMBER_SIZE = 32 };
/* Writes the finite number `d` as ECMAScript spells it, save that -0 becomes "-0.0".
 * Returns the length; writes no NUL. */
size_t cvx_number_print(double d, char ret[CVX_NUMBER_SIZE]);

#endif
