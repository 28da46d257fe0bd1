/* log_fuzz.c - whatever the value, a line is one line of clean text and holds no secret. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"

static const char secret[] = "s3cret-word";

static void check(const char *line, size_t length, size_t size)
{
    if (length >= size || length == 0 || line[length - 1] != '\n' || line[length] != '\0')
        abort();
    for (size_t i = 0; i + 1 < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            abort();
    if (memmem(line, length, secret, strlen(secret)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    char line[600], *value = malloc(size + 1);
    size_t length;

    if (!ready)
        daemon_log_redact(secret);
    ready = true;
    if (value == NULL)
        return 0;
    memcpy(value, data, size);
    value[size] = '\0';
    length = daemon_log_format(line, sizeof(line), 1, DAEMON_INFO, "fuzz", "a=%s b=x%.*sy n=%zu",
                               value, 40, value, size);
    check(line, length, sizeof(line));
    length = daemon_log_format(line, sizeof(line), 1, DAEMON_WARN, value, NULL);
    check(line, length, sizeof(line));
    free(value);
    return 0;
}
