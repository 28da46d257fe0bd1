/* provider_stripe.c - what Stripe sends. Owns nothing; any thread.
 *
 * A body is an event {id: "evt_...", type, created, data: {object}}. Signed with HMAC-SHA256 over
 * "t.body" in Stripe-Signature; the whole "whsec_..." text is the key. Every retry has a new time
 * and the same id. Facts: docs.stripe.com/webhooks. */
#include <string.h>

#include "facts.h"
#include "providers.h"

/* The subscription if the object is one or belongs to one, else the payment, else the object. */
static void find_subject(const json_document *d, const json_node *object, event_facts *facts)
{
    static const char *const payments[] = {"payment_intent", "charge", NULL};
    const size_t limit = sizeof(facts->subject);
    const json_node *parent = json_member(d, object, "parent");
    const json_node *details = json_member(d, parent, "subscription_details");
    fact_text subscription = fact_of(json_member(d, object, "subscription"));

    if (json_is_string(json_member(d, object, "object"), "subscription"))
        subscription = fact_of(json_member(d, object, "id"));
    if (subscription.size == 0)
        subscription = fact_of(json_member(d, details, "subscription"));
    if (!fact_copy(facts->subject, limit, "subscription:", subscription) &&
        !fact_copy(facts->subject, limit, "payment:", fact_first(d, object, payments)) &&
        !fact_copy(facts->subject, limit, "object:", fact_of(json_member(d, object, "id"))))
        facts->subject[0] = '\0';
}

static bool extract(const char *body, size_t size, const char *id, event_facts *facts)
{
    json_document document;
    const json_node *root;
    json_error error;
    int64_t created;
    bool ok;

    if (json_parse(body, size, &document, &error) != 0)
        return false;
    root = json_root(&document);
    ok = fact_copy(facts->key, sizeof(facts->key),
                   "event:", fact_of(json_member(&document, root, "id"))) &&
         fact_copy(facts->type, sizeof(facts->type), "",
                   fact_of(json_member(&document, root, "type")));
    if (ok) {
        find_subject(&document,
                     json_member(&document, json_member(&document, root, "data"), "object"), facts);
        if (fact_integer(json_member(&document, root, "created"), &created))
            facts->occurred_at = created * 1000;
    }
    json_done(&document);
    return ok;
}

/* Newest first; `ending_before` gives the page that is just newer than an event. */
static const poll_list lists[] = {{.name = "events",
                                   .path = "/v1/events?limit=100",
                                   .next = "/v1/events?limit=100&ending_before=%s",
                                   .goes_on = true,
                                   .before = "/v1/events?limit=100&starting_after=%s"}};

static bool has_more(const json_document *d, const json_node *root)
{
    const json_node *more = json_member(d, root, "has_more");

    return more && more->type == JSON_BOOL && more->text[0] == 't';
}

static bool next_page(const json_document *d, const json_node *root, char *ret)
{
    const json_node *newest = json_first(d, json_member(d, root, "data"));
    bool first = *ret == '\0'; /* what is older than the first page was before our time */

    return fact_copy(ret, POLL_CURSOR_MAX, "", fact_of(json_member(d, newest, "id"))) && !first &&
           has_more(d, root);
}

static bool previous_page(const json_document *d, const json_node *root, char *ret)
{
    const json_node *oldest = NULL;

    for (const json_node *n = json_first(d, json_member(d, root, "data")); n; n = json_next(d, n))
        oldest = n;
    return fact_copy(ret, POLL_CURSOR_MAX, "", fact_of(json_member(d, oldest, "id"))) &&
           has_more(d, root);
}

static const poll_api api = {"https://api.stripe.com", NULL, lists, 1, next_page, previous_page};

const provider provider_stripe = {"stripe",
                                  {.header = "stripe-signature",
                                   .prefix = "",
                                   .form = SIGNATURE_PAIRS,
                                   .encoding = SIGNATURE_HEX,
                                   .hash = SIGNATURE_SHA256,
                                   .over = SIGNATURE_TIME_BODY,
                                   .separator = ".",
                                   .time_header = "",
                                   .id_header = "",
                                   .tolerance_s = 300,
                                   .spelling = SIGNATURE_AS_IS},
                                  extract,
                                  &api};
