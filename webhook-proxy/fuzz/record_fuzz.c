/* record_fuzz.c - whatever the spool's file holds is a record or refused; a record is stable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size ? size : 1), *again = NULL;
    size_t again_size = 0;
    record event, same;

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    if (record_decode(bytes, size, &event) && record_encode(&event, &again, &again_size) == 0) {
        if (!record_decode(again, again_size, &same) || same.body.size != event.body.size)
            abort();
        free(again);
    }
    free(bytes);
    return 0;
}
