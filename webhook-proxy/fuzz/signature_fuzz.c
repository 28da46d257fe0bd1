/* signature_fuzz.c - no header value is read past, and none is offered but what decodes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    signature_scheme scheme = {.header = "s",
                               .prefix = "sha256=",
                               .separator = ".",
                               .time_header = "t",
                               .id_header = "i",
                               .tolerance_s = 300};
    signature_claim claim = {NULL, "1700000000", "id", "body", 4};
    signature_offer offer;
    bool misspelt;
    char *value;

    if (size < 2)
        return 0;
    value = malloc(size - 1); /* exactly: reading past the NUL is found */
    if (value == NULL)
        return 0;
    memcpy(value, data + 2, size - 2);
    value[size - 2] = '\0';
    scheme.form = (signature_form)(data[0] % 3);
    scheme.encoding = (signature_encoding)(data[0] / 3 % 3);
    scheme.hash = (signature_hash)(data[0] / 9 % 3);
    scheme.over = (signature_signed)(data[1] % 3);
    scheme.spelling = (signature_spelling)(data[1] / 3 % 4);
    claim.value = value;
    if (signature_read(&scheme, &claim, INT64_C(1700000000000), &offer) &&
        (offer.count == 0 || offer.count > SIGNATURE_CANDIDATES))
        abort();
    claim.time = value;
    signature_read(&scheme, &claim, INT64_C(1700000000000), &offer);
    signature_key_free(signature_key_new(&scheme, value, size - 2, &misspelt));
    free(value);
    return 0;
}
