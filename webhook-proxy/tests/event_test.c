/* event_test.c - signatures, timestamps, records, and what is read from a provider's body. */
#include "harness.h"

#include "providers.h"
#include "record.h"
#include "request.h"
#include "signature.h"
#include "timestamp.h"

/* ---- signatures ---- */

/* HMAC-SHA256("key", "The quick brown fox jumps over the lazy dog"), a published example. */
static const char fox[] = "The quick brown fox jumps over the lazy dog";
static const char fox_hex[] = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
static const char fox_base64[] = "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=";

static const signature_scheme plain_hex = {.header = "signature",
                                           .prefix = "",
                                           .separator = ".",
                                           .time_header = "",
                                           .id_header = "",
                                           .tolerance_s = 300};

enum { NOW_S = 1700000000 };

static bool claim_passes(const signature_scheme *scheme, const char *secret,
                         const signature_claim *claim)
{
    bool misspelt;
    signature_key *key = signature_key_new(scheme, secret, strlen(secret), &misspelt);
    signature_offer offer;
    bool ok = key && signature_read(scheme, claim, INT64_C(1000) * NOW_S, &offer) &&
              signature_matches(scheme, key, claim, &offer);

    signature_key_free(key);
    return ok;
}

static bool passes(const char *value, const char *prefix, signature_encoding encoding)
{
    signature_scheme scheme = plain_hex;

    scheme.prefix = prefix;
    scheme.encoding = encoding;
    return claim_passes(&scheme, "key", &(signature_claim){value, NULL, NULL, fox, strlen(fox)});
}

TEST(a_published_hmac_passes_in_each_encoding)
{
    assert_true(passes(fox_hex, "", SIGNATURE_HEX));
    assert_true(passes("F7BC83F430538424B13298E6AA6FB143EF4D59A14946175997479DBC2D1A3CD8", "",
                       SIGNATURE_HEX));
    assert_true(passes(fox_base64, "", SIGNATURE_BASE64));
    assert_true(passes("97yD9DBThCSxMpjmqm-xQ-9NWaFJRhdZl0edvC0aPNg", "", SIGNATURE_BASE64URL));
    assert_true(passes("97yD9DBThCSxMpjmqm-xQ-9NWaFJRhdZl0edvC0aPNg=", "", SIGNATURE_BASE64URL));
}

TEST(a_signature_of_another_shape_is_not_decoded)
{
    signature_scheme scheme = plain_hex;
    signature_offer offer;
    char text[80];

    for (size_t n = 0; n < 70; n++) {
        signature_claim claim = {text, NULL, NULL, fox, strlen(fox)};
        memset(text, 'a', n);
        text[n] = '\0';
        scheme.encoding = SIGNATURE_HEX;
        assert_int_equal(signature_read(&scheme, &claim, 0, &offer), n == 64);
        scheme.encoding = SIGNATURE_BASE64;
        assert_false(signature_read(&scheme, &claim, 0, &offer));
    }
    assert_false(passes(fox_base64, "", SIGNATURE_HEX));
    assert_false(passes(fox_hex, "sha256=", SIGNATURE_HEX));
    assert_false(passes("97yD9DBThCSxMpjmqm-xQ-9NWaFJRhdZl0edvC0aPNg=", "", SIGNATURE_BASE64));
    /* The same bytes with other unused bits would be a second spelling. */
    assert_false(passes("97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNh=", "", SIGNATURE_BASE64));
}

TEST(a_prefix_is_part_of_the_value)
{
    char value[100];

    snprintf(value, sizeof(value), "sha256=%s", fox_hex);
    assert_true(passes(value, "sha256=", SIGNATURE_HEX));
    assert_false(passes(value, "SHA256=", SIGNATURE_HEX));
    assert_false(passes("sha", "sha256=", SIGNATURE_HEX));
}

TEST(another_body_or_another_key_does_not_pass)
{
    signature_claim whole = {fox_hex, NULL, NULL, fox, strlen(fox)}, cut = whole;

    cut.size--;
    assert_true(claim_passes(&plain_hex, "key", &whole));
    assert_false(claim_passes(&plain_hex, "key", &cut));
    assert_false(claim_passes(&plain_hex, "kez", &whole));
}

TEST(a_signed_time_must_be_near)
{
    static const struct {
        const char *time;
        bool timely;
    } cases[] = {{"1700000000", true},           {"1699999701", true},  {"1699999699", false},
                 {"1700000299", true},           {"1700000301", false}, {"", false},
                 {"-1700000000", false},         {"1.7e9", false},      {" 1700000000", false},
                 {"9223372036854775808", false}, {"0x6553f100", false}, {NULL, false}};
    signature_scheme scheme = plain_hex;
    signature_offer offer;

    scheme.over = SIGNATURE_TIME_BODY;
    scheme.time_header = "t";
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        signature_claim claim = {fox_hex, cases[i].time, NULL, fox, strlen(fox)};
        assert_int_equal(signature_read(&scheme, &claim, INT64_C(1000) * NOW_S, &offer),
                         cases[i].timely);
    }
}

TEST(of_several_macs_any_may_match_but_not_too_many_are_tried)
{
    signature_scheme scheme = plain_hex;
    char value[2000] = "", other[65];
    signature_claim claim = {value, NULL, NULL, fox, strlen(fox)};

    scheme.form = SIGNATURE_LIST;
    memset(other, 'a', 64);
    other[64] = '\0';
    snprintf(value, sizeof(value), "v1,%s v0,%s v1,xyz v1,%s", other, fox_hex, fox_hex);
    assert_true(claim_passes(&scheme, "key", &claim));
    snprintf(value, sizeof(value), "v0,%s v1a,%s", fox_hex, fox_hex);
    assert_false(claim_passes(&scheme, "key", &claim));
    value[0] = '\0';
    for (int i = 0; i < SIGNATURE_CANDIDATES; i++)
        snprintf(value + strlen(value), sizeof(value) - strlen(value), "v1,%s ",
                 i ? other : fox_hex);
    assert_true(claim_passes(&scheme, "key", &claim));
    snprintf(value + strlen(value), sizeof(value) - strlen(value), "v1,%s", other);
    assert_false(claim_passes(&scheme, "key", &claim));
}

TEST(a_secret_is_spelt_as_the_scheme_says)
{
    signature_scheme scheme = plain_hex;
    signature_claim claim = {fox_hex, NULL, NULL, fox, strlen(fox)};
    bool misspelt;

    scheme.spelling = SIGNATURE_OF_HEX;
    assert_true(claim_passes(&scheme, "6b6579", &claim));
    scheme.spelling = SIGNATURE_OF_BASE64;
    assert_true(claim_passes(&scheme, "a2V5", &claim));
    scheme.spelling = SIGNATURE_OF_STANDARD;
    assert_true(claim_passes(&scheme, "whsec_a2V5", &claim));
    scheme.spelling = SIGNATURE_AS_IS;
    assert_false(claim_passes(&scheme, "whsec_a2V5", &claim));
    scheme.spelling = SIGNATURE_OF_STANDARD;
    assert_null(signature_key_new(&scheme, "a2V5", 4, &misspelt));
    assert_true(misspelt);
    assert_null(signature_key_new(&scheme, "whsec_", 6, &misspelt));
    assert_true(misspelt);
}

/* ---- timestamps ---- */

TEST(dates_are_read_with_and_without_zone_and_fraction)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"1970-01-01", 0},
                 {"1970-01-01T00:00:00Z", 0},
                 {"2026-01-31T12:00:00Z", 1769860800000},
                 {"2026-01-31 12:00:00", 1769860800000},
                 {"2026-01-31T12:00:00.123456Z", 1769860800123},
                 {"2026-01-31T14:30:00+02:30", 1769860800000},
                 {"2026-01-31T07:00:00-0500", 1769860800000},
                 {"2024-02-29", 1709164800000},
                 {"0001-01-01", -62135596800000}};
    int64_t ms;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_true(timestamp_parse(cases[i].text, strlen(cases[i].text), &ms));
        assert_true(ms == cases[i].ms);
    }
}

TEST(what_is_no_date_is_refused)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01",
                                      "2026-02-30",
                                      "2026-1-1",
                                      "2026-01-01T",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00Zx",
                                      "2023-02-29",
                                      "2026-01-01T00:00:00+25:00",
                                      "soon",
                                      "1769860800"};
    int64_t ms = 7;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(timestamp_parse(bad[i], strlen(bad[i]), &ms));
    assert_true(ms == 7);
}

/* ---- Sell.app ---- */

static event_facts facts_of(const char *body)
{
    event_facts facts;

    assert_true(provider_extract(&provider_sellapp, body, strlen(body), NULL, &facts));
    return facts;
}

static event_facts facts_from(const provider *who, const char *id, const char *body)
{
    event_facts facts;

    assert_true(provider_extract(who, body, strlen(body), id, &facts));
    return facts;
}

#define ORDER(fields) "{\"event\":\"order.completed\",\"store\":42,\"data\":{" fields "}}"

TEST(type_subject_and_time_are_read)
{
    event_facts f = facts_of(ORDER("\"id\":7,\"updated_at\":\"2026-01-31T12:00:00.000000Z\""));

    assert_false(f.unparsable);
    assert_string_equal(f.type, "order.completed");
    assert_string_equal(f.subject, "order:7");
    assert_true(f.occurred_at == 1769860800000);
    f = facts_of(ORDER("\"id\":7,\"subscription_id\":\"sub_1\",\"created_at\":\"2026-01-31\""));
    assert_string_equal(f.subject, "subscription:sub_1");
    f = facts_of("{\"event\":\"subscription.renewed\",\"data\":{\"id\":\"s\"}}");
    assert_string_equal(f.subject, "subscription:s");
    f = facts_of(ORDER("\"subscription_id\":null"));
    assert_string_equal(f.subject, "");
    assert_true(f.occurred_at == 0);
}

TEST(ids_are_kept_exactly)
{
    event_facts f = facts_of(ORDER("\"id\":123456789012345678901234567890"));

    assert_string_equal(f.subject, "order:123456789012345678901234567890");
    f = facts_of(ORDER("\"id\":\"a\\u00e9\\/\""));
    assert_string_equal(f.subject, "order:a\xc3\xa9/");
}

TEST(an_event_id_is_the_key_where_there_is_one)
{
    event_facts f = facts_of("{\"id\":\"evt_1\",\"event\":\"order.paid\",\"data\":{}}");

    assert_string_equal(f.key, "event:evt_1");
    f = facts_of("{\"event_id\":\"evt_2\",\"id\":\"x\",\"event\":\"order.paid\",\"data\":{}}");
    assert_string_equal(f.key, "event:evt_2");
}

TEST(the_key_is_the_same_for_deliveries_of_one_event)
{
    event_facts a = facts_of(ORDER("\"id\":7,\"updated_at\":\"t\",\"note\":1"));
    event_facts b = facts_of(ORDER("\"note\":2,\"updated_at\":\"t\",\"id\":7"));

    assert_string_equal(a.key, b.key);
    assert_memory_equal(a.key, "fields:", 7);
    assert_int_equal(strlen(a.key), 7 + 64);
    assert_string_not_equal(a.body_sha256, b.body_sha256);
}

TEST(the_key_differs_where_the_event_differs)
{
    static const char *const bodies[] = {
        ORDER("\"id\":7,\"updated_at\":\"t\""),
        ORDER("\"id\":8,\"updated_at\":\"t\""),
        ORDER("\"id\":7,\"updated_at\":\"u\""),
        ORDER("\"id\":7,\"updated_at\":\"t\",\"status\":\"PAID\""),
        ORDER("\"id\":7,\"updated_at\":\"t\",\"status\":{\"status\":{\"status\":\"VOIDED\"}}"),
        ORDER("\"id\":7,\"updated_at\":\"t\",\"current_period_end\":\"z\""),
        "{\"event\":\"order.paid\",\"store\":42,\"data\":{\"id\":7,\"updated_at\":\"t\"}}",
        "{\"event\":\"order.completed\",\"store\":43,\"data\":{\"id\":7,\"updated_at\":\"t\"}}",
        ORDER("\"id\":7"), /* from here on the body itself is the key */
        ORDER("\"id\":7,\"x\":1"),
        ORDER("\"updated_at\":\"t\"")};
    enum { COUNT = sizeof(bodies) / sizeof(*bodies) };
    event_facts facts[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        facts[i] = facts_of(bodies[i]);
        assert_false(facts[i].unparsable);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(facts[k].key, facts[i].key);
    }
    assert_memory_equal(facts[8].key, "body:", 5);
}

TEST(what_sellapp_does_not_send_is_unparsable_and_still_has_a_key)
{
    static const char *const bodies[] = {"",
                                         "[]",
                                         "{}",
                                         "{\"event\":1,\"data\":{}}",
                                         "{\"event\":\"\",\"data\":{}}",
                                         "{\"event\":\"a\\nb\",\"data\":{}}",
                                         "{\"event\":\"x\",\"data\":[]}",
                                         "{\"event\":\"x\"}",
                                         "{\"event\":\"x\",\"event\":\"y\",\"data\":{}}"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        event_facts f = facts_of(bodies[i]);

        assert_true(f.unparsable);
        assert_string_equal(f.type, "");
        assert_memory_equal(f.key, "body:", 5);
        assert_string_equal(f.key + 5, f.body_sha256);
    }
}

/* ---- records ---- */

TEST(a_record_comes_back_as_it_was_and_nothing_else_is_one)
{
    record from = {.received_at = 5, .occurred_at = -6, .header_count = 2}, to;
    record_text *texts[] = {&from.community, &from.source,  &from.provider, &from.key,
                            &from.type,      &from.subject, &from.verdict,  &from.body_sha256,
                            &from.secret_id, &from.peer};
    char *bytes = NULL;
    size_t size = 0;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        *texts[i] = record_string(i % 2 ? "some:text," : "");
    from.headers[0].name = from.headers[1].value = record_string("n");
    from.headers[0].value = from.headers[1].name = record_string("");
    from.body = (record_text){"a\0b,", 4};
    assert_int_equal(record_encode(&from, &bytes, &size), 0);
    assert_true(record_decode(bytes, size, &to));
    assert_int_equal(to.body.size, 4);
    assert_memory_equal(to.body.bytes, "a\0b,", 4);
    assert_true(to.received_at == 5 && to.occurred_at == -6 && to.header_count == 2);
    assert_int_equal(to.peer.size, 10);
    for (size_t cut = 0; cut < size; cut++) {
        char *part = malloc(cut ? cut : 1);

        memcpy(part, bytes, cut);
        assert_false(record_decode(part, cut, &to));
        free(part);
    }
    free(bytes);
}

/* ---- heads ---- */

static unsigned check(const char *const *lines)
{
    request_head head = {.content_length = -1};

    for (; *lines; lines += 2)
        request_head_add(&head, lines[0], lines[1], &plain_hex);
    return request_head_check(&head, 1000);
}

#define CHECK(...) check((const char *const[]){__VA_ARGS__, NULL})

TEST(a_head_is_judged_before_the_body_is_read)
{
    assert_int_equal(CHECK("Signature", "x", "Content-Length", "1000"), 0);
    assert_int_equal(CHECK("SIGNATURE", "x", "transfer-encoding", "Chunked"), 0);
    assert_int_equal(CHECK("Signature", "x", "Content-Length", "1001"), 413);
    assert_int_equal(CHECK("Signature", "x"), 411);
    assert_int_equal(CHECK("Content-Length", "1"), 401);
    assert_int_equal(CHECK("Content-Length", "1", "Signature", "a", "signature", "a"), 400);
    assert_int_equal(CHECK("Content-Length", "1", "Content-Length", "1", "Signature", "a"), 400);
    assert_int_equal(CHECK("Content-Length", "1", "Transfer-Encoding", "chunked"), 400);
    assert_int_equal(CHECK("Content-Length", " 1", "Signature", "a"), 400);
    assert_int_equal(CHECK("Content-Length", "1,1", "Signature", "a"), 400);
    assert_int_equal(CHECK("Transfer-Encoding", "gzip, chunked", "Signature", "a"), 400);
    assert_int_equal(CHECK("Content-Length", "1", "Signature", "a", "Content-Encoding", "identity"),
                     415);
}

TEST(secrets_in_headers_are_known_by_name)
{
    assert_true(request_header_is_secret("Authorization"));
    assert_true(request_header_is_secret("cookie"));
    assert_false(request_header_is_secret("signature"));
}

/* ---- other providers ---- */

#define STRIPE(object)                                                                             \
    "{\"id\":\"evt_1\",\"type\":\"t\",\"created\":1700000000,\"data\":{\"object\":" object "}}"

TEST(stripe_names_the_event_its_time_and_what_it_is_about)
{
    static const struct {
        const char *body, *subject;
    } cases[] = {
        {STRIPE("{\"object\":\"subscription\",\"id\":\"sub_1\"}"), "subscription:sub_1"},
        {STRIPE("{\"object\":\"invoice\",\"id\":\"in_1\",\"subscription\":\"sub_1\"}"),
         "subscription:sub_1"},
        {STRIPE("{\"object\":\"invoice\",\"parent\":{\"subscription_details\":{\"subscription\":"
                "\"sub_1\"}}}"),
         "subscription:sub_1"},
        {STRIPE("{\"object\":\"dispute\",\"id\":\"dp_1\",\"payment_intent\":\"pi_1\"}"),
         "payment:pi_1"},
        {STRIPE("{\"object\":\"product\",\"id\":\"prod_1\"}"), "object:prod_1"},
        {STRIPE("null"), ""}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        event_facts f = facts_from(&provider_stripe, NULL, cases[i].body);
        assert_false(f.unparsable);
        assert_string_equal(f.key, "event:evt_1");
        assert_string_equal(f.type, "t");
        assert_string_equal(f.subject, cases[i].subject);
        assert_true(f.occurred_at == INT64_C(1700000000000));
    }
    assert_true(facts_from(&provider_stripe, NULL, "{\"type\":\"t\"}").unparsable);
    assert_true(facts_from(&provider_stripe, NULL, "[]").unparsable);
}

TEST(the_id_header_is_the_key_and_without_it_the_body_is)
{
    const char *body = "{\"type\":\"order.paid\",\"timestamp\":\"2026-01-31T12:00:00Z\"}";
    event_facts f = facts_from(&provider_standard, "msg_1", body);

    assert_string_equal(f.key, "id:msg_1");
    assert_string_equal(f.type, "order.paid");
    assert_true(f.occurred_at == INT64_C(1769860800000));
    f = facts_from(&provider_hmac, NULL, "no JSON at all");
    assert_false(f.unparsable);
    assert_string_equal(f.type, "");
    assert_memory_equal(f.key, "body:", 5);
    assert_memory_equal(facts_from(&provider_hmac, "\xff", body).key, "body:", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_published_hmac_passes_in_each_encoding),
        cmocka_unit_test(a_signature_of_another_shape_is_not_decoded),
        cmocka_unit_test(a_prefix_is_part_of_the_value),
        cmocka_unit_test(another_body_or_another_key_does_not_pass),
        cmocka_unit_test(a_signed_time_must_be_near),
        cmocka_unit_test(of_several_macs_any_may_match_but_not_too_many_are_tried),
        cmocka_unit_test(a_secret_is_spelt_as_the_scheme_says),
        cmocka_unit_test(stripe_names_the_event_its_time_and_what_it_is_about),
        cmocka_unit_test(the_id_header_is_the_key_and_without_it_the_body_is),
        cmocka_unit_test(dates_are_read_with_and_without_zone_and_fraction),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(type_subject_and_time_are_read),
        cmocka_unit_test(ids_are_kept_exactly),
        cmocka_unit_test(an_event_id_is_the_key_where_there_is_one),
        cmocka_unit_test(the_key_is_the_same_for_deliveries_of_one_event),
        cmocka_unit_test(the_key_differs_where_the_event_differs),
        cmocka_unit_test(what_sellapp_does_not_send_is_unparsable_and_still_has_a_key),
        cmocka_unit_test(a_record_comes_back_as_it_was_and_nothing_else_is_one),
        cmocka_unit_test(a_head_is_judged_before_the_body_is_read),
        cmocka_unit_test(secrets_in_headers_are_known_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
