/* dotenv_fuzz.c - any bytes are either entries or one error; keys are names. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dotenv.h"

static void check(const char *key, const char *value, int line, void *user)
{
    if (*key == '\0' || strpbrk(key, " \t\r\n=") || strlen(value) > *(size_t *)user || line < 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dotenv_error error = {0, NULL};
    int r = dotenv_parse((const char *)data, size, check, &size, &error);

    if (r != 0 && (r != -EINVAL || error.reason == NULL || error.line < 1))
        abort();
    return 0;
}
