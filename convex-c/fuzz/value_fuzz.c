/* value_fuzz.c - any bytes as a JSON text: never a crash, and what is accepted comes
 * back the same after printing. */
#include <stdint.h>
#include <stdlib.h>

#include "convex/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_format(const char *json, size_t len, convex_format format, unsigned max_depth)
{
    convex_value *value = NULL, *back = NULL;
    convex_error error;
    if (convex_value_parse(json, len, format, max_depth, NULL, &value, &error) != CONVEX_OK)
        return;
    char *text = NULL;
    size_t text_len = 0;
    if (convex_value_print(value, format, NULL, &text, &text_len) != CONVEX_OK)
        abort();
    if (convex_value_parse(text, text_len, format, max_depth, NULL, &back, &error) != CONVEX_OK)
        abort();
    if (!convex_value_equal(value, back))
        abort();
    if (format == CONVEX_ENCODED_JSON && max_depth == 0 && convex_value_size(value) < 1 << 20 &&
        convex_value_check(value, &error) != CONVEX_OK)
        abort();
    convex_text_free(text, NULL);
    convex_value_unref(back);
    convex_value_unref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *json = (const char *)data;
    try_format(json, size, CONVEX_ENCODED_JSON, 0);
    try_format(json, size, CONVEX_ENCODED_JSON, 68);
    try_format(json, size, CONVEX_PLAIN_JSON, 0);
    return 0;
}
