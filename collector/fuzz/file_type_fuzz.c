/* file_type_fuzz.c - any file under any name: no read beyond it, and either a type or a reason in
 * plain words. The first byte says how much of the input is the name. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "file_type.h"
#include "file_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len = size > 0 && data[0] < size ? data[0] : 0;
    char name[256] = "";
    file_type found;
    if (len > 0)
        memcpy(name, data + 1, len - 1);
    /* a copy, so that the sanitizer sees its end */
    uint8_t *file = malloc(size - len + 1);
    if (!file)
        return 0;
    memcpy(file, data + len, size - len);
    file_type_judge(file, size - len, name, &found);
    free(file);
    if (!found.content_type == !found.refusal[0])
        abort();
    for (const char *c = found.refusal; *c; c++)
        if (*c < ' ' || *c > '~')
            abort();
    if (file_url_allowed(name, NULL) && strncasecmp(name, "https:", 6) != 0)
        abort();
    if (!file_url_same(name, name))
        abort();
    return 0;
}
