/* record.c - the spool's format. Owns nothing.
 * Invariant: decode accepts exactly what encode writes; anything else is refused, never read past.
 */
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char version[] = "webhook-1";

record_text record_string(const char *text)
{
    return (record_text){text, strlen(text)};
}

bool record_is_polled(const record *event)
{
    static const char polled[] = RECORD_POLLED;

    return event->secret_id.size == sizeof(polled) - 1 &&
           memcmp(event->secret_id.bytes, polled, sizeof(polled) - 1) == 0;
}

/* ---- writing ---- */

enum { LENGTH_MAX = 22 }; /* the digits of a length, ':' and ',' */

/* Decimal digits, ending at `end`; returns the first of them. Some forty numbers an event are too
 * many for printf. */
static char *digits(char *end, size_t value)
{
    do
        *--end = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return end;
}

/* Returns where the next one goes. */
static char *put(char *out, record_text text)
{
    char room[LENGTH_MAX], *end = room + sizeof(room), *length;

    *--end = ':';
    length = digits(end, text.size);
    memcpy(out, length, (size_t)(end + 1 - length));
    out += end + 1 - length;
    if (text.size)
        memcpy(out, text.bytes, text.size);
    out += text.size;
    *out++ = ',';
    return out;
}

static char *put_number(char *out, int64_t value)
{
    char room[LENGTH_MAX], *end = room + sizeof(room), *text;

    text = digits(end, value < 0 ? -(size_t)value : (size_t)value);
    if (value < 0)
        *--text = '-';
    return put(out, (record_text){text, (size_t)(end - text)});
}

enum { FIXED_TEXTS = 11, FIXED_NUMBERS = 3 };

/* Not less than what it takes. */
static size_t room_for(const record *from, const record_text *texts)
{
    size_t size = (FIXED_TEXTS + 2 * FIXED_NUMBERS + 2 * from->header_count + 1) * LENGTH_MAX +
                  from->body.size;

    for (size_t i = 0; i < FIXED_TEXTS; i++)
        size += texts[i].size;
    for (size_t i = 0; i < from->header_count; i++)
        size += from->headers[i].name.size + from->headers[i].value.size;
    return size;
}

int record_encode(const record *from, char **ret, size_t *ret_size)
{
    const record_text texts[FIXED_TEXTS] = {
        record_string(version), from->community, from->source,
        from->provider,         from->key,       from->type,
        from->subject,          from->verdict,   from->body_sha256,
        from->secret_id,        from->peer};
    char *out = malloc(room_for(from, texts)), *at = out;

    if (out == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < FIXED_TEXTS; i++)
        at = put(at, texts[i]);
    at = put_number(at, from->received_at);
    at = put_number(at, from->occurred_at);
    at = put_number(at, (int64_t)from->header_count);
    for (size_t i = 0; i < from->header_count; i++) {
        at = put(at, from->headers[i].name);
        at = put(at, from->headers[i].value);
    }
    at = put(at, from->body);
    *ret = out;
    *ret_size = (size_t)(at - out);
    return 0;
}

/* ---- reading ---- */

typedef struct reader {
    const char *at, *end;
} reader;

static bool get(reader *r, record_text *ret)
{
    size_t size = 0, digits = 0;

    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && digits < 10; r->at++, digits++)
        size = size * 10 + (size_t)(*r->at - '0');
    if (digits == 0 || r->at >= r->end || *r->at != ':')
        return false;
    r->at++;
    if (size >= (size_t)(r->end - r->at) || r->at[size] != ',')
        return false;
    *ret = (record_text){r->at, size};
    r->at += size + 1;
    return true;
}

static bool get_number(reader *r, int64_t *ret)
{
    record_text text;
    char copy[24], *end;

    if (!get(r, &text) || text.size == 0 || text.size >= sizeof(copy))
        return false;
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = '\0';
    errno = 0;
    *ret = strtoll(copy, &end, 10);
    return *end == '\0' && errno == 0;
}

bool record_decode(const char *bytes, size_t size, record *ret)
{
    reader r = {bytes, bytes + size};
    record_text first;
    record_text *texts[] = {&ret->community, &ret->source,  &ret->provider, &ret->key,
                            &ret->type,      &ret->subject, &ret->verdict,  &ret->body_sha256,
                            &ret->secret_id, &ret->peer};
    int64_t count;

    if (!get(&r, &first) || first.size != strlen(version) ||
        memcmp(first.bytes, version, first.size) != 0)
        return false;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (!get(&r, texts[i]))
            return false;
    if (!get_number(&r, &ret->received_at) || !get_number(&r, &ret->occurred_at) ||
        !get_number(&r, &count) || count < 0 || count > RECORD_HEADERS_MAX)
        return false;
    ret->header_count = (size_t)count;
    for (size_t i = 0; i < ret->header_count; i++)
        if (!get(&r, &ret->headers[i].name) || !get(&r, &ret->headers[i].value))
            return false;
    return get(&r, &ret->body) && r.at == r.end;
}
