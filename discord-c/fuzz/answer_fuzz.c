/* answer_fuzz.c - any headers and body: the facts stay in their ranges. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 204, 400, 401, 403, 404, 429, 500, 502, 0};
    const char *text = (const char *)data + 1;
    dbk_facts facts;
    discord_error error;

    if (size < 1)
        return 0;
    int status = statuses[data[0] % 10];
    size--;
    danswer_init(&facts);
    const char *body = memmem(text, size, "\n\n", 2);
    const char *end = body ? body : text + size;
    for (const char *line = text; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        danswer_header(&facts, line, (size_t)((next ? next : end) - line));
        line = next ? next + 1 : end;
    }
    size_t n = body ? size - (size_t)(body + 2 - text) : 0;
    cJSON *json = body ? djson_parse(body + 2, n) : NULL;
    facts.status = status;
    danswer_body(&facts, json, n);
    danswer_error(&facts, json, &error);
    if (facts.retry_after_ms < -1 || facts.reset_after_ms < -1 || facts.remaining < -1 ||
        error.code < 0 || error.retry_after_ms < 0 ||
        !memchr(error.message, 0, sizeof error.message))
        abort();
    cJSON_Delete(json);
    return 0;
}
