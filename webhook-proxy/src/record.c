/* record.c - the spool's format. Owns nothing.
 * Invariant: decode accepts exactly what encode writes; anything else is refused, never read past.
 */
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
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

typedef struct writer {
    char *out; /* NULL: only measures */
    size_t size;
} writer;

/* Decimal digits at the end of `room`; returns the first of them. Some forty lengths an event are
 * too many for printf. */
static char *digits(char *end, size_t value)
{
    do
        *--end = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return end;
}

static void put(writer *w, record_text text)
{
    char room[24], *end = room + sizeof(room), *length;
    size_t n;

    *--end = ':';
    length = digits(end, text.size);
    n = (size_t)(end + 1 - length);
    if (w->out) {
        memcpy(w->out + w->size, length, n);
        if (text.size)
            memcpy(w->out + w->size + n, text.bytes, text.size);
        w->out[w->size + n + text.size] = ',';
    }
    w->size += n + text.size + 1;
}

static void put_number(writer *w, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, value);
    put(w, record_string(text));
}

static void put_record(writer *w, const record *from)
{
    const record_text texts[] = {record_string(version), from->community, from->source,
                                 from->provider,         from->key,       from->type,
                                 from->subject,          from->verdict,   from->body_sha256,
                                 from->secret_id,        from->peer};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        put(w, texts[i]);
    put_number(w, from->received_at);
    put_number(w, from->occurred_at);
    put_number(w, (int64_t)from->header_count);
    for (size_t i = 0; i < from->header_count; i++) {
        put(w, from->headers[i].name);
        put(w, from->headers[i].value);
    }
    put(w, from->body);
}

int record_encode(const record *from, char **ret, size_t *ret_size)
{
    writer measure = {NULL, 0}, write = {NULL, 0};

    put_record(&measure, from);
    write.out = malloc(measure.size);
    if (write.out == NULL)
        return -ENOMEM;
    put_record(&write, from);
    *ret = write.out;
    *ret_size = write.size;
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
