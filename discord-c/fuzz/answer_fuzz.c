/* answer_fuzz.c - any headers and body: the facts stay in their ranges, and what they say of
 * limits is kept: after a 429 nothing leaves at once. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t third(void *user)
{
    return UINT32_MAX / 3;
}

static void schedule(const dbk_facts *facts)
{
    dbk *b = dbk_new(third, NULL);
    dbk_entry first = {.deadline = INT64_MAX};
    dbk_entry second = {.deadline = INT64_MAX};
    int64_t now = 1000000;
    bool waits = facts->status == 429 && !facts->own && facts->retry_after_ms != 0;

    dbk_add(b, &first, "POST /x", "1", now);
    dbk_add(b, &second, "POST /x", "1", now);
    if (dbk_next(b, now) != &first)
        abort();
    dbk_answer(b, &first, facts, now);
    dbk_done(b, &first);
    int64_t due = dbk_due(b, now);
    if (due == DBK_NEVER || due > now + 90000000 || (due > now && dbk_next(b, now)))
        abort(); /* never, beyond a day, or before it is due */
    if (waits && facts->reset_after_ms != 0 && due <= now)
        abort();
    dbk_take(b);
    dbk_free(b);
}

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
    schedule(&facts);
    cJSON_Delete(json);
    return 0;
}
