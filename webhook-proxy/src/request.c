/* request.c - the rules for one event: what is refused, with which status, and what is stored.
 * Owns the body, then the record of one request.
 * Invariant: a body is looked into only after its signature matched. */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/clock.h"

/* ---- the head ---- */

/* Digits only: no sign, no blank, no list. */
static int64_t parse_length(const char *value)
{
    size_t size = strlen(value);

    if (size == 0 || size > 18 || strspn(value, "0123456789") != size)
        return -1;
    return strtoll(value, NULL, 10);
}

/* Counts a header of the scheme, so that a second one is noticed. */
static void note(const char *name, const char *wanted, const char *value, int *count,
                 const char **ret)
{
    if (!*wanted || strcasecmp(name, wanted) != 0)
        return;
    ++*count;
    *ret = value;
}

void request_head_add(request_head *head, const char *name, const char *value,
                      const signature_scheme *scheme)
{
    head->header_count++;
    head->header_bytes += strlen(name) + strlen(value) + 4;
    if (strcasecmp(name, "content-length") == 0) {
        head->content_lengths++;
        head->content_length = parse_length(value);
    } else if (strcasecmp(name, "transfer-encoding") == 0) {
        head->transfer_encodings++;
        head->chunked = strcasecmp(value, "chunked") == 0;
    } else if (strcasecmp(name, "content-encoding") == 0) {
        head->content_encodings++;
    }
    if (scheme == NULL)
        return;
    note(name, scheme->header, value, &head->signatures, &head->signature);
    note(name, scheme->time_header, value, &head->times, &head->time);
    note(name, scheme->id_header, value, &head->ids, &head->id);
}

unsigned request_head_check(const request_head *head, int64_t body_limit)
{
    bool sized = head->content_lengths > 0;

    if (head->header_bytes > HEADER_BYTES_MAX || head->header_count > RECORD_HEADERS_MAX)
        return 431;
    /* Anything from which two readers could conclude two lengths. */
    if (head->content_lengths > 1 || head->transfer_encodings > 1 ||
        (sized && head->transfer_encodings) || (sized && head->content_length < 0) ||
        (head->transfer_encodings && !head->chunked))
        return 400;
    if (!sized && !head->chunked)
        return 411;
    if (head->signatures > 1 || head->times > 1 || head->ids > 1)
        return 400;
    if (head->content_encodings)
        return 415;
    if (sized && head->content_length > body_limit)
        return 413;
    if (head->signatures == 0)
        return 401;
    return 0;
}

bool request_header_is_secret(const char *name)
{
    static const char *const names[] = {"authorization", "proxy-authorization", "cookie"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

/* ---- the body ---- */

bool request_take(request *self, const char *bytes, size_t size, int64_t limit)
{
    size_t wanted = self->size + size;

    if (self->too_large || wanted > (size_t)limit) {
        self->too_large = true;
        return true;
    }
    if (wanted > self->capacity) {
        size_t capacity = self->capacity * 2 > wanted ? self->capacity * 2 : wanted;
        char *body = realloc(self->body, capacity);

        if (body == NULL)
            return false;
        self->body = body;
        self->capacity = capacity;
    }
    memcpy(self->body + self->size, bytes, size);
    self->size += size;
    return true;
}

/* Encodes the event for the spool; the body is in the record then. */
static int enrol(request *self, const event_facts *facts, const char *secret_id, record *event,
                 int64_t now_ms)
{
    size_t payload_size;

    event->community = record_string(self->from->community);
    event->source = record_string(self->from->name);
    event->provider = record_string(self->from->provider->name);
    event->key = record_string(facts->key);
    event->type = record_string(facts->type);
    event->subject = record_string(facts->subject);
    event->verdict = record_string(facts->unparsable ? "unparsable" : "verified");
    event->body_sha256 = record_string(facts->body_sha256);
    event->secret_id = record_string(secret_id);
    event->received_at = now_ms;
    event->occurred_at = facts->occurred_at;
    if (record_encode(event, &self->payload, &payload_size) != 0)
        return -ENOMEM;
    /* The body's hash is in the key: another body under the same event is kept as well. */
    snprintf(self->key, sizeof(self->key), "%s/%s/%s#%.32s", self->from->community,
             self->from->name, facts->key, facts->body_sha256);
    self->item.key = self->key;
    self->item.payload = self->payload;
    self->item.size = payload_size;
    self->item.now_ms = now_ms;
    free(self->body);
    self->body = NULL;
    return 0;
}

unsigned request_accept(request *self, const request_head *head, record *event, int64_t now_ms)
{
    const char *body = self->body ? self->body : "";
    signature_claim claim = {head->signature, head->time, head->id, body, self->size};
    const source_secret *secret = source_verify(self->from, &claim, now_ms);
    event_facts facts;

    if (secret == NULL)
        return 401;
    if (!source_admits(self->from, daemon_monotonic_ms() * 1000))
        return 429;
    if (!provider_extract(self->from->provider, body, self->size, head->id, &facts))
        return 503;
    event->body = (record_text){body, self->size};
    return enrol(self, &facts, secret->id, event, now_ms) == 0 ? 0 : 503;
}

int request_accept_polled(request *self, const char *body, size_t size, int64_t now_ms)
{
    record event = {.header_count = 0, .body = {body, size}};
    event_facts facts;

    if (!provider_extract(self->from->provider, body, size, NULL, &facts))
        return -ENOMEM;
    return enrol(self, &facts, RECORD_POLLED, &event, now_ms);
}

unsigned request_status_of(int stored)
{
    return stored == 0 || stored == -EEXIST ? 200 : 503;
}

void request_done(request *self)
{
    sources_unref(self->set);
    free(self->body);
    free(self->payload);
}
