/* providers.c - the table of providers. Owns nothing; any thread.
 * Invariant: every event has a key; where the provider gives none, the hash of the body is it. */
#include "providers.h"

#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "facts.h"

static const provider *const providers[] = {&provider_sellapp, &provider_stripe, &provider_standard,
                                            &provider_hmac};

const provider *provider_find(const char *name)
{
    for (size_t i = 0; i < sizeof(providers) / sizeof(*providers); i++)
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    return NULL;
}

const char *provider_names(void)
{
    return "sellapp, stripe, standard, hmac";
}

static bool hash_body(const char *body, size_t size, char ret[2 * DIGEST_BYTES + 1])
{
    const digest_part all = {body, size};
    unsigned char digest[DIGEST_BYTES];

    if (!digest_make(&all, 1, digest))
        return false;
    fact_hex(digest, sizeof(digest), ret);
    return true;
}

/* All but the hash. */
static void forget(event_facts *facts)
{
    facts->unparsable = false;
    facts->type[0] = facts->key[0] = facts->subject[0] = '\0';
    facts->occurred_at = 0;
}

bool provider_extract(const provider *who, const char *body, size_t size, const char *id,
                      event_facts *ret)
{
    if (!hash_body(body, size, ret->body_sha256))
        return false;
    forget(ret);
    if (who->extract(body, size, id, ret))
        return true;
    forget(ret);
    ret->unparsable = true;
    snprintf(ret->key, sizeof(ret->key), "body:%s", ret->body_sha256);
    return true;
}
