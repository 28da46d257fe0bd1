/* ingest.c - record to arguments. Owns the texts that it had to make.
 * Invariant: whatever bytes a sender chose, the result is a valid argument. */
#include "ingest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static convex_str text_of(record_text text)
{
    return (convex_str){text.bytes, text.size};
}

/* Room for a text of its own; NULL: no memory. */
static char *make(ingest *self, size_t size)
{
    char *text = malloc(size + 1);

    if (text)
        self->made[self->made_count++] = text;
    return text;
}

/* Headers are Latin-1 at best: what is not UTF-8 becomes '?'. */
static bool header_text(ingest *self, record_text from, convex_str *ret)
{
    char *copy;

    *ret = text_of(from);
    if (json_is_utf8(from.bytes, from.size))
        return true;
    copy = make(self, from.size);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < from.size; i++)
        copy[i] = (unsigned char)from.bytes[i] < 0x80 ? from.bytes[i] : '?';
    ret->data = copy;
    return true;
}

static bool set_headers(ingest *self, const record *from)
{
    bool ok = true;

    for (size_t i = 0; ok && i < from->header_count; i++)
        ok = header_text(self, from->headers[i].name, &self->headers[i].name) &&
             header_text(self, from->headers[i].value, &self->headers[i].value);
    self->args.headers = (api_webhook_header_list){self->headers, from->header_count};
    return ok;
}

static bool set_body(ingest *self, record_text body)
{
    static const char prefix[] = "base64:";
    const size_t length = sizeof(prefix) - 1;
    char *text;
    int n;

    self->args.body = text_of(body);
    if (json_is_utf8(body.bytes, body.size))
        return true;
    text = make(self, length + (body.size + 2) / 3 * 4);
    if (text == NULL)
        return false;
    memcpy(text, prefix, length);
    n = EVP_EncodeBlock((unsigned char *)text + length, (const unsigned char *)body.bytes,
                        (int)body.size);
    self->args.body = (convex_str){text, length + (size_t)n};
    return true;
}

int ingest_init(ingest *self, const record *from)
{
    static const bool yes = true;

    self->made_count = 0;
    self->occurred_at = (double)from->occurred_at;
    self->args = (api_webhooks_ingest_args){
        .community = text_of(from->community),
        .source = text_of(from->source),
        .provider = text_of(from->provider),
        .key = text_of(from->key),
        .type = text_of(from->type),
        .received_at = (double)from->received_at,
        .occurred_at = from->occurred_at ? &self->occurred_at : NULL,
        .body_sha256 = text_of(from->body_sha256),
        .verdict = api_webhook_verdict_find(text_of(from->verdict)),
    };
    if (record_is_polled(from))
        self->args.polled = &yes;
    if (from->subject.size)
        self->args.subject = text_of(from->subject);
    if (set_headers(self, from) && set_body(self, from->body))
        return 0;
    ingest_done(self);
    return -ENOMEM;
}

void ingest_done(ingest *self)
{
    while (self->made_count > 0)
        free(self->made[--self->made_count]);
}
