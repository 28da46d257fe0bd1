/* spec_fuzz.c - any bytes as a function-spec: generated from or refused, twice alike. */
#include <stdlib.h>
#include <string.h>

#include "generate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run(pool *p, const uint8_t *data, size_t size, generated *ret, spec_error *error)
{
    generate_options options = {.prefix = "api", .internal = true};
    return generate(p, (const char *)data, size, &options, ret, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pool *p = pool_new();
    generated first, second;
    spec_error error = {""};
    bool ok = run(p, data, size, &first, &error);
    if (!ok && error.message[0] == '\0')
        abort(); /* nothing is refused without a word */
    if (ok && (!run(p, data, size, &second, &error) || strcmp(first.source, second.source) != 0 ||
               strcmp(first.header, second.header) != 0))
        abort();
    pool_free(p);
    return 0;
}
