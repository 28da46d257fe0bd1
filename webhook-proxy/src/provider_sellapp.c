/* provider_sellapp.c - what Sell.app sends. Owns nothing; any thread.
 *
 * A body is {event, data, store}, in a newer contract also version. Signed with HMAC-SHA256 over
 * the body, lower-case hex, in the header Signature. There is no timestamp, so a replay is told
 * from a new event by its key alone. Invariant: the key depends only on what two deliveries of one
 * event have in common. */
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "facts.h"
#include "providers.h"
#include "timestamp.h"

enum { FIELDS = 6 }; /* that tell one event from another */

/* data.status is a text, or {status: {status: text}} in invoice-shaped payloads. */
static fact_text status_of(const json_document *d, const json_node *data)
{
    const json_node *status = json_member(d, data, "status");

    for (int i = 0; i < 2 && status && status->type == JSON_OBJECT; i++)
        status = json_member(d, status, "status");
    return fact_of(status);
}

/* The hash of a list of fields, in hex; false if it cannot be made. Lengths go in too, so that no
 * two lists hash alike. */
static bool hash_fields(const fact_text fields[FIELDS], char ret[2 * DIGEST_BYTES + 1])
{
    unsigned char digest[DIGEST_BYTES];
    digest_part parts[2 * FIELDS];
    uint64_t sizes[FIELDS];

    for (size_t i = 0; i < FIELDS; i++) {
        sizes[i] = fields[i].size;
        parts[2 * i] = (digest_part){&sizes[i], sizeof(sizes[i])};
        parts[2 * i + 1] = (digest_part){fields[i].bytes, fields[i].size};
    }
    if (!digest_make(parts, 2 * FIELDS, digest))
        return false;
    fact_hex(digest, sizeof(digest), ret);
    return true;
}

static void make_key(const json_document *d, const json_node *root, const json_node *data,
                     event_facts *facts)
{
    static const char *const event_ids[] = {"event_id", "id", NULL};
    static const char *const ends[] = {"current_period_end", "period_end", NULL};
    fact_text id = fact_first(d, root, event_ids);
    fact_text object = fact_of(json_member(d, data, "id"));
    fact_text updated = fact_of(json_member(d, data, "updated_at"));
    fact_text fields[FIELDS] = {fact_of(json_member(d, root, "store")),
                                fact_of(json_member(d, root, "event")),
                                object,
                                status_of(d, data),
                                updated,
                                fact_first(d, data, ends)};
    char hash[2 * DIGEST_BYTES + 1];

    if (fact_copy(facts->key, sizeof(facts->key), "event:", id))
        return;
    /* Without an object or a time of change, two events could look alike: then only equal bodies
     * are one event. Applying one event twice is harmless, losing one is not. */
    if (object.size > 0 && updated.size > 0 && hash_fields(fields, hash))
        snprintf(facts->key, sizeof(facts->key), "fields:%.64s", hash);
    else
        snprintf(facts->key, sizeof(facts->key), "body:%s", facts->body_sha256);
}

/* The subscription if the event is about one, else the object that the event's name begins with. */
static void find_subject(const json_document *d, const json_node *data, event_facts *facts)
{
    size_t limit = sizeof(facts->subject);
    fact_text subscription = fact_of(json_member(d, data, "subscription_id"));
    fact_text id = fact_of(json_member(d, data, "id"));
    char prefix[EVENT_TYPE_MAX + 1];

    if (fact_copy(facts->subject, limit, "subscription:", subscription))
        return;
    snprintf(prefix, sizeof(prefix), "%.*s:", (int)strcspn(facts->type, "."), facts->type);
    if (!fact_copy(facts->subject, limit, prefix, id))
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

static bool extract(const char *body, size_t size, const char *id, event_facts *facts)
{
    json_document document;
    const json_node *root, *data, *event;
    json_error error;
    bool ok;

    if (json_parse(body, size, &document, &error) != 0)
        return false;
    root = json_root(&document);
    event = json_member(&document, root, "event");
    if (event == NULL) /* as the journal names it */
        event = json_member(&document, root, "type");
    data = json_member(&document, root, "data");
    ok = event && event->type == JSON_STRING && data && data->type == JSON_OBJECT &&
         fact_copy(facts->type, sizeof(facts->type), "", fact_of(event));
    if (ok) {
        make_key(&document, root, data, facts);
        find_subject(&document, data, facts);
        find_time(&document, root, data, facts);
    }
    json_done(&document);
    return ok;
}

/* A delivery that the shop gave up says that its webhooks do not reach us; what it was to bring is
 * in the journal of events. */
static bool notice_delivery(const json_document *d, const json_node *entry, char *ret, size_t size)
{
    const json_node *status = json_member(d, entry, "status");
    char type[EVENT_TYPE_MAX] = "?", id[EVENT_KEY_MAX] = "?", answer[16] = "none";

    if (!json_is_string(status, "failed"))
        return false;
    fact_copy(type, sizeof(type), "", fact_of(json_member(d, entry, "event_type")));
    fact_copy(id, sizeof(id), "", fact_of(json_member(d, entry, "event_id")));
    fact_copy(answer, sizeof(answer), "", fact_of(json_member(d, entry, "response_status")));
    snprintf(ret, size, "the shop could not deliver %s (%s), it was answered: %s", type, id,
             answer);
    return true;
}

/* Polled objects have no event: their kind names them. Refunds, failed renewals and the ends of
 * disputes are said nowhere else, so all orders and subscriptions are read in each round. */
static const poll_list lists[] = {{.name = "events",
                                   .path = "/v2/events?limit=100",
                                   .next = "/v2/events?limit=100&cursor=%s",
                                   .goes_on = true},
                                  {.name = "orders",
                                   .path = "/v2/orders?limit=100",
                                   .next = "/v2/orders?limit=100&cursor=%s",
                                   .type = "order.polled"},
                                  {.name = "subscriptions",
                                   .path = "/v2/subscriptions?limit=100",
                                   .next = "/v2/subscriptions?limit=100&cursor=%s",
                                   .type = "subscription.polled"},
                                  {.name = "deliveries",
                                   .path = "/v2/webhook-deliveries?limit=100",
                                   .next = "/v2/webhook-deliveries?limit=100&cursor=%s",
                                   .notice = notice_delivery}};

static bool next_page(const json_document *d, const json_node *root, char *ret)
{
    const json_node *meta = json_member(d, root, "meta");

    return fact_copy(ret, POLL_CURSOR_MAX, "", fact_of(json_member(d, meta, "next_cursor")));
}

static const poll_api api = {"https://sell.app/api",         "X-STORE", lists,
                             sizeof(lists) / sizeof(*lists), next_page, NULL};

const provider provider_sellapp = {"sellapp",
                                   {.header = "signature",
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
                                   &api};
