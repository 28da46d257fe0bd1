/* jwt_fuzz.c - any bytes as a JWT whose times are read, and as a document id. */
#include <stdlib.h>
#include <string.h>

#include "convex/auth.h"
#include "convex/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), again[CONVEX_ID_SIZE];
    double iat, exp;
    convex_id id;
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    (void)convex_jwt_times(text, &iat, &exp);
    if (convex_id_decode(text, &id) && (!convex_id_encode(&id, again) || strcmp(text, again) != 0))
        abort();
    free(text);
    return 0;
}
