/* provider_generic.c - any shop that signs as Standard Webhooks says, or with a plain HMAC.
 * Owns nothing; any thread.
 *
 * Of the body nothing is asked: where it is JSON, `type` or `event` names the event and an
 * RFC 3339 `timestamp` says when it happened. The key is the id header, which is the same on every
 * retry; without one it is the body itself. Facts: standardwebhooks.com, version 1.0.0. */
#include <string.h>

#include "facts.h"
#include "providers.h"
#include "timestamp.h"

static void read_body(const json_document *d, event_facts *facts)
{
    static const char *const types[] = {"type", "event", NULL};
    const json_node *root = json_root(d), *at = json_member(d, root, "timestamp");

    fact_copy(facts->type, sizeof(facts->type), "", fact_first(d, root, types));
    if (at && at->type == JSON_STRING)
        timestamp_parse(at->text, at->size, &facts->occurred_at);
}

static bool extract(const char *body, size_t size, const char *id, event_facts *facts)
{
    fact_text from = {id ? id : "", id ? strlen(id) : 0};
    json_document document;
    json_error error;

    if (!json_is_utf8(from.bytes, from.size) ||
        !fact_copy(facts->key, sizeof(facts->key), "id:", from))
        fact_copy(facts->key, sizeof(facts->key),
                  "body:", (fact_text){facts->body_sha256, strlen(facts->body_sha256)});
    if (json_parse(body, size, &document, &error) != 0)
        return true;
    read_body(&document, facts);
    json_done(&document);
    return true;
}

const provider provider_standard = {"standard",
                                    {.header = "webhook-signature",
                                     .prefix = "",
                                     .form = SIGNATURE_LIST,
                                     .encoding = SIGNATURE_BASE64,
                                     .hash = SIGNATURE_SHA256,
                                     .over = SIGNATURE_ID_TIME_BODY,
                                     .separator = ".",
                                     .time_header = "webhook-timestamp",
                                     .id_header = "webhook-id",
                                     .tolerance_s = 300,
                                     .spelling = SIGNATURE_OF_STANDARD},
                                    extract,
                                    NULL};

const provider provider_hmac = {"hmac",
                                {.header = "x-signature",
                                 .prefix = "",
                                 .form = SIGNATURE_PLAIN,
                                 .encoding = SIGNATURE_HEX,
                                 .hash = SIGNATURE_SHA256,
                                 .over = SIGNATURE_BODY,
                                 .separator = ".",
                                 .time_header = "",
                                 .id_header = "",
                                 .tolerance_s = 300,
                                 .spelling = SIGNATURE_AS_IS},
                                extract,
                                NULL};
