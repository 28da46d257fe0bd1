/* text_fuzz.c - any text: the parts fit, are well-formed and lose nothing but white space,
 * repeated fences and the malformed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "discord/text.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must survive: everything but white space and backticks. */
static uint64_t digest(const char *text, size_t size, uint64_t hash, size_t *count)
{
    for (const char *at = text, *end = text + size; at < end;) {
        uint32_t c = dutf8_next(&at, end);
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '`')
            continue;
        hash = (hash ^ c) * 1099511628211u;
        ++*count;
    }
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    discord_parts parts = {0, NULL};
    const char *text = (const char *)data;
    size_t before = 0;
    size_t after = 0;
    uint64_t a = digest(text, size, 1, &before);
    uint64_t b = 1;

    if (discord_text_split(text, size, 64, &parts) != DISCORD_OK)
        abort();
    for (size_t i = 0; i < parts.n; i++) {
        size_t n = strlen(parts.part[i]);
        size_t clean_size;
        char *clean = dutf8_clean(parts.part[i], n, &clean_size);
        if (n == 0 || discord_text_units(parts.part[i], n) > 64)
            abort();
        if (clean_size != n || memcmp(clean, parts.part[i], n) != 0)
            abort();
        free(clean);
        b = digest(parts.part[i], n, b, &after);
    }
    /* A language may be repeated; without fences the text is the same. */
    if (after < before || (!memmem(data, size, "```", 3) && a != b))
        abort();
    discord_parts_done(&parts);
    return 0;
}
