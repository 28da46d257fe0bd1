/* ingest.c - record to Convex value. Owns nothing.
 * Invariant: whatever bytes a sender chose, the result is a valid argument. */
#include "ingest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static void add_text(convex_builder *b, const char *name, record_text text)
{
    convex_builder_key(b, name);
    convex_builder_string(b, text.bytes, text.size);
}

/* Headers are Latin-1 at best: what is not UTF-8 becomes '?'. */
static bool add_header_text(convex_builder *b, const char *name, record_text text)
{
    char *copy;

    if (json_is_utf8(text.bytes, text.size)) {
        add_text(b, name, text);
        return true;
    }
    copy = malloc(text.size);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < text.size; i++)
        copy[i] = (unsigned char)text.bytes[i] < 0x80 ? text.bytes[i] : '?';
    add_text(b, name, (record_text){copy, text.size});
    free(copy);
    return true;
}

static bool add_headers(convex_builder *b, const record *from)
{
    bool ok = true;

    convex_builder_key(b, "headers");
    convex_builder_begin_array(b);
    for (size_t i = 0; ok && i < from->header_count; i++) {
        convex_builder_begin_object(b);
        ok = add_header_text(b, "name", from->headers[i].name) &&
             add_header_text(b, "value", from->headers[i].value);
        convex_builder_end(b);
    }
    convex_builder_end(b);
    return ok;
}

static bool add_body(convex_builder *b, record_text body)
{
    static const char prefix[] = "base64:";
    const size_t length = sizeof(prefix) - 1;
    char *text;
    int n;

    if (json_is_utf8(body.bytes, body.size)) {
        add_text(b, "body", body);
        return true;
    }
    text = malloc(length + (body.size + 2) / 3 * 4 + 1);
    if (text == NULL)
        return false;
    memcpy(text, prefix, length);
    n = EVP_EncodeBlock((unsigned char *)text + length, (const unsigned char *)body.bytes,
                        (int)body.size);
    add_text(b, "body", (record_text){text, length + (size_t)n});
    free(text);
    return true;
}

convex_status ingest_arguments(const record *from, convex_value **ret, convex_error *reterr)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_status status = CONVEX_ENOMEM;
    bool ok = b != NULL;

    if (ok) {
        convex_builder_begin_object(b);
        add_text(b, "community", from->community);
        add_text(b, "source", from->source);
        add_text(b, "provider", from->provider);
        add_text(b, "key", from->key);
        add_text(b, "type", from->type);
        convex_builder_key(b, "receivedAt");
        convex_builder_float64(b, (double)from->received_at);
        if (from->occurred_at) {
            convex_builder_key(b, "occurredAt");
            convex_builder_float64(b, (double)from->occurred_at);
        }
        if (from->subject.size)
            add_text(b, "subject", from->subject);
        add_text(b, "bodySha256", from->body_sha256);
        add_text(b, "verdict", from->verdict);
        ok = add_headers(b, from) && add_body(b, from->body);
        convex_builder_end(b);
    }
    if (ok)
        status = convex_builder_finish(b, ret, reterr);
    convex_builder_free(b);
    return status;
}
