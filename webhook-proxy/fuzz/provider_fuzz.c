/* provider_fuzz.c - any signed body has a key, and its facts are clean text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "providers.h"

static void check_text(const char *text, size_t limit)
{
    size_t size = strnlen(text, limit);

    if (size == limit || !json_is_utf8(text, size))
        abort();
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const provider *const all[] = {&provider_sellapp, &provider_stripe, &provider_standard,
                                          &provider_hmac};
    char id[40] = "";
    char *body = malloc(size ? size : 1);

    if (body == NULL)
        return 0;
    memcpy(body, data, size);
    memcpy(id, data, size < sizeof(id) - 1 ? size : sizeof(id) - 1); /* a header may say anything */
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        event_facts facts;
        if (!provider_extract(all[i], body, size, size % 2 ? id : NULL, &facts))
            abort();
        check_text(facts.key, sizeof(facts.key));
        check_text(facts.type, sizeof(facts.type));
        check_text(facts.subject, sizeof(facts.subject));
        if (facts.key[0] == '\0' || (facts.unparsable && facts.type[0]))
            abort();
    }
    free(body);
    return 0;
}
