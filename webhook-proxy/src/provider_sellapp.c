/* provider_sellapp.c - what Sell.app sends. Owns nothing; any thread.
 *
 * A body is {event, data, store}, in a newer contract also version. Signed with HMAC-SHA256 over
 * the body, lower-case hex, in the header Signature. There is no timestamp, so a replay is told
 * from a new event by its key alone. Invariant: the key depends only on what two deliveries of one
 * event have in common. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "providers.h"
#include "timestamp.h"

/* The texts of a node: an id as it is written, whether string or number; "" otherwise. */
typedef struct text {
    const char *bytes;
    size_t size;
} text;

static text text_of(const json_node *node)
{
    return json_is_id(node) ? (text){node->text, node->size} : (text){"", 0};
}

/* Copies a text that is short enough and has no control characters. */
static bool copy_text(char *ret, size_t limit, const char *prefix, text from)
{
    size_t length = strlen(prefix);

    if (from.size == 0 || length + from.size >= limit)
        return false;
    for (size_t i = 0; i < from.size; i++)
        if ((unsigned char)from.bytes[i] < ' ' || from.bytes[i] == 0x7f)
            return false;
    memcpy(ret, prefix, length);
    memcpy(ret + length, from.bytes, from.size);
    ret[length + from.size] = '\0';
    return true;
}

/* data.status is a text, or {status: {status: text}} in invoice-shaped payloads. */
static text status_of(const json_document *d, const json_node *data)
{
    const json_node *status = json_member(d, data, "status");

    for (int i = 0; i < 2 && status && status->type == JSON_OBJECT; i++)
        status = json_member(d, status, "status");
    return text_of(status);
}

static text first_of(const json_document *d, const json_node *object, const char *const *names)
{
    text found = {"", 0};

    for (; *names && found.size == 0; names++)
        found = text_of(json_member(d, object, *names));
    return found;
}

/* Lengths go in too, so that no two lists of fields hash alike. */
static bool add_to_hash(EVP_MD_CTX *hash, text field)
{
    uint64_t size = field.size;

    return EVP_DigestUpdate(hash, &size, sizeof(size)) == 1 &&
           EVP_DigestUpdate(hash, field.bytes, field.size) == 1;
}

/* The hash of a list of fields, in hex; false if it cannot be made. */
static bool hash_fields(const text *fields, size_t count, char ret[2 * EVP_MAX_MD_SIZE + 1])
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    bool ok = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; ok && i < count; i++)
        ok = add_to_hash(hash, fields[i]);
    ok = ok && EVP_DigestFinal_ex(hash, digest, &size) == 1;
    EVP_MD_CTX_free(hash);
    for (unsigned int i = 0; ok && i < size; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    return ok;
}

static void make_key(const json_document *d, const json_node *root, const json_node *data,
                     event_facts *facts)
{
    static const char *const event_ids[] = {"event_id", "id", NULL};
    static const char *const ends[] = {"current_period_end", "period_end", NULL};
    text id = first_of(d, root, event_ids);
    text object = text_of(json_member(d, data, "id"));
    text updated = text_of(json_member(d, data, "updated_at"));
    text fields[] = {text_of(json_member(d, root, "store")),
                     text_of(json_member(d, root, "event")),
                     object,
                     status_of(d, data),
                     updated,
                     first_of(d, data, ends)};
    char hash[2 * EVP_MAX_MD_SIZE + 1];

    if (copy_text(facts->key, sizeof(facts->key), "event:", id))
        return;
    /* Without an object or a time of change, two events could look alike: then only equal bodies
     * are one event. Applying one event twice is harmless, losing one is not. */
    if (object.size > 0 && updated.size > 0 &&
        hash_fields(fields, sizeof(fields) / sizeof(*fields), hash))
        snprintf(facts->key, sizeof(facts->key), "fields:%.64s", hash);
    else
        snprintf(facts->key, sizeof(facts->key), "body:%s", facts->body_sha256);
}

/* The subscription if the event is about one, else the object that the event's name begins with. */
static void find_subject(const json_document *d, const json_node *data, event_facts *facts)
{
    size_t limit = sizeof(facts->subject);
    text subscription = text_of(json_member(d, data, "subscription_id"));
    text id = text_of(json_member(d, data, "id"));
    char prefix[EVENT_TYPE_MAX + 1];

    if (copy_text(facts->subject, limit, "subscription:", subscription))
        return;
    snprintf(prefix, sizeof(prefix), "%.*s:", (int)strcspn(facts->type, "."), facts->type);
    if (!copy_text(facts->subject, limit, prefix, id))
        facts->subject[0] = '\0';
}

static void find_time(const json_document *d, const json_node *root, const json_node *data,
                      event_facts *facts)
{
    const json_node *places[] = {json_member(d, root, "occurred_at"),
                                 json_member(d, data, "updated_at"),
                                 json_member(d, data, "created_at")};

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (places[i] && places[i]->type == JSON_STRING &&
            timestamp_parse(places[i]->text, places[i]->size, &facts->occurred_at))
            return;
}

static bool extract(const char *body, size_t size, event_facts *facts)
{
    json_document document;
    const json_node *root, *data, *event;
    json_error error;
    bool ok;

    if (json_parse(body, size, &document, &error) != 0)
        return false;
    root = json_root(&document);
    event = json_member(&document, root, "event");
    data = json_member(&document, root, "data");
    ok = event && event->type == JSON_STRING && data && data->type == JSON_OBJECT &&
         copy_text(facts->type, sizeof(facts->type), "", text_of(event));
    if (ok) {
        make_key(&document, root, data, facts);
        find_subject(&document, data, facts);
        find_time(&document, root, data, facts);
    }
    json_done(&document);
    return ok;
}

const provider provider_sellapp = {"sellapp", "signature", "", SIGNATURE_HEX, extract};
