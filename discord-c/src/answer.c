/* answer.c - what one HTTP answer of Discord says. No state, any thread. */
#include "answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "error.h"
#include "json.h"

#define MAX_SECONDS 1e7
#define OLD_EDITS   30046 /* edits of messages older than an hour */

void danswer_init(dbk_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    facts->remaining = facts->limit = facts->reset_after_ms = facts->retry_after_ms = -1;
}

/* A decimal number without the locale; -1 when it is none. */
static double decimal(const char *text)
{
    double value = 0;
    double scale = 0;

    if (*text < '0' || *text > '9')
        return -1;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && scale == 0); text++) {
        if (*text == '.') {
            scale = 1;
            continue;
        }
        value = value * 10 + (*text - '0');
        scale *= 10;
        if (value > 1e15)
            break;
    }
    return scale > 0 ? value / scale : value;
}

/* Rounded up: a wait must never end early. */
static int64_t seconds_to_ms(double seconds)
{
    if (!(seconds >= 0))
        return -1;
    return (int64_t)ceil((seconds < MAX_SECONDS ? seconds : MAX_SECONDS) * 1000);
}

static void set_bucket(dbk_facts *f, const char *value)
{
    size_t n = strlen(value);

    if (n == 0 || n >= sizeof f->bucket || strchr(value, ' '))
        return;
    memcpy(f->bucket, value, n + 1);
}

static void set_remaining(dbk_facts *f, const char *value)
{
    f->remaining = (int64_t)decimal(value);
}

static void set_limit(dbk_facts *f, const char *value)
{
    f->limit = (int64_t)decimal(value);
}

static void set_reset_after(dbk_facts *f, const char *value)
{
    f->reset_after_ms = seconds_to_ms(decimal(value));
}

static void set_retry_after(dbk_facts *f, const char *value)
{
    int64_t ms = seconds_to_ms(decimal(value));

    if (ms > f->retry_after_ms)
        f->retry_after_ms = ms;
}

static void set_global(dbk_facts *f, const char *value)
{
    f->global = f->global || strcasecmp(value, "true") == 0;
}

static void set_scope(dbk_facts *f, const char *value)
{
    f->shared = strcasecmp(value, "shared") == 0;
    f->global = f->global || strcasecmp(value, "global") == 0;
}

static const struct {
    const char *name;
    void (*set)(dbk_facts *facts, const char *value);
} headers[] = {
    {"X-RateLimit-Bucket", set_bucket}, {"X-RateLimit-Remaining", set_remaining},
    {"X-RateLimit-Limit", set_limit},   {"X-RateLimit-Reset-After", set_reset_after},
    {"Retry-After", set_retry_after},   {"X-RateLimit-Global", set_global},
    {"X-RateLimit-Scope", set_scope},
};

void danswer_header(dbk_facts *facts, const char *line, size_t size)
{
    char text[256];
    size_t n = 0;

    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        danswer_init(facts);
        return;
    }
    for (; n < size && n < sizeof text - 1 && line[n] != '\r' && line[n] != '\n' && line[n]; n++)
        text[n] = line[n];
    text[n] = '\0';
    char *colon = strchr(text, ':');
    if (!colon)
        return;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (size_t end = strlen(value); end > 0 && (value[end - 1] == ' ' || value[end - 1] == '\t');)
        value[--end] = '\0';
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (strcasecmp(headers[i].name, text) == 0)
            headers[i].set(facts, value);
}

void danswer_body(dbk_facts *facts, const cJSON *json, size_t size)
{
    int64_t ms = seconds_to_ms(djson_number(json, "retry_after", -1));

    facts->html = !json && (size > 0 || facts->status == 429);
    if (facts->status != 429)
        return;
    if (ms > facts->retry_after_ms)
        facts->retry_after_ms = ms;
    facts->global = facts->global || djson_true(json, "global");
    facts->own = djson_number(json, "code", 0) == OLD_EDITS;
}

static discord_status status_of(int http)
{
    static const struct {
        int http;
        discord_status status;
    } table[] = {
        {401, DISCORD_EAUTH},
        {403, DISCORD_EFORBIDDEN},
        {404, DISCORD_ENOTFOUND},
        {429, DISCORD_ERATELIMIT},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].http == http)
            return table[i].status;
    if (http >= 200 && http < 300)
        return DISCORD_OK;
    return http >= 400 && http < 500 ? DISCORD_EREJECTED : DISCORD_ESERVER;
}

/* The first leaf of Discord's nested `errors`: where the request is wrong. */
static const char *first_detail(const cJSON *errors, char *path, size_t size)
{
    size_t n = 0;

    path[0] = '\0';
    for (int depth = 0; depth < 12 && cJSON_IsObject(errors) && errors->child; depth++) {
        const cJSON *leaves = djson_get(errors, "_errors");
        if (cJSON_IsArray(leaves))
            return djson_text(leaves->child, "message");
        errors = errors->child;
        if (errors->string && n < size) {
            int wrote = snprintf(path + n, size - n, "%s%s", n ? "." : "", errors->string);
            n += wrote > 0 ? (size_t)wrote : 0;
        }
    }
    return NULL;
}

void danswer_error(const dbk_facts *facts, const cJSON *json, discord_error *ret)
{
    discord_status status = status_of(facts->status);
    const char *message = djson_text(json, "message");
    double code = djson_number(json, "code", 0);
    char path[128];
    const char *detail = first_detail(djson_get(json, "errors"), path, sizeof path);

    memset(ret, 0, sizeof *ret);
    ret->status = status;
    ret->http_status = facts->status;
    if (status == DISCORD_OK && facts->html)
        status = DISCORD_ESERVER; /* somebody between us and Discord answered */
    if (status == DISCORD_OK)
        return;
    derror_set(ret, status, "HTTP %d: %.200s%s%s%s%.150s", facts->status,
               message ? message : discord_status_text(status), detail ? " at " : "",
               detail ? path : "", detail ? ": " : "", detail ? detail : "");
    ret->http_status = facts->status;
    ret->code = code > 0 && code < 1e9 ? (int)code : 0;
    ret->retry_after_ms = facts->retry_after_ms > 0 ? facts->retry_after_ms : 0;
}
