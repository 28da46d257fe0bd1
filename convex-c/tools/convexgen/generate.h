/* generate.h - from the text of a function-spec to the texts of a header and a source. */
#ifndef CONVEXGEN_GENERATE_H
#define CONVEXGEN_GENERATE_H

#include "plan.h"

typedef struct generate_options {
    const char *prefix; /* of every name; name_is_prefix() */
    const char *names;  /* text of a names file; NULL: none */
    bool internal;      /* internal functions too */
} generate_options;

typedef struct generated {
    char *header, *source; /* in the pool */
    size_t header_len, source_len;
} generated;

/* False: *error says what and where. */
bool generate(pool *p, const char *json, size_t len, const generate_options *options,
              generated *ret, spec_error *error);

#endif
