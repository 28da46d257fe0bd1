/* sources.h - who may send what to us: the SOURCES_FILE, read and checked.
 *
 *     {"sources": [{
 *         "community": "demo", "source": "sellapp", "provider": "sellapp",
 *         "secrets": [{"id": "2026-a", "secret_env": "SELLAPP_SECRET",
 *                      "not_before": "2026-01-01", "not_after": "2027-01-01T00:00:00Z"}],
 *         "signature": {"header": "signature", "encoding": "hex"}}]}
 *
 * A secret has `secret_env` (a variable) or `secret_file` (a path). `signature` and its members are
 * optional, the provider has defaults:
 *
 *     header, time_header, id_header   names of headers
 *     form        "plain" (`prefix` and one MAC), "pairs" (t=TIME,v1=MAC), "list" (v1,MAC v1,MAC)
 *     encoding    "hex", "base64", "base64url"      hash  "sha256", "sha512", "sha1"
 *     over        "body", "time.body", "id.time.body", joined by `separator`
 *     time_unit   "s", "ms"                         tolerance_s  how far off a time may be
 *     spelling    of the secret: "as-is", "hex", "base64", "whsec"
 *
 * `limits` are optional: {"body_bytes": 100000, "per_second": 50, "burst": 500}. Only signed events
 * count, so that nobody else can use up a source's allowance.
 *
 * With `api` the provider is also asked for what its webhooks did not say:
 *
 *     "api": {"token_env": "SELLAPP_TOKEN", "store": "my-shop", "url": "https://sell.app/api"}
 *
 * `token_file` may stand for `token_env`; `url` is for tests. A set of sources is immutable, but
 * for allowances, and counted, so a reload replaces it while requests still use the old one. Any
 * thread. */
#ifndef PROXY_SOURCES_H
#define PROXY_SOURCES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "providers.h"

typedef struct source_secret {
    char *id;
    signature_key *key;
    int64_t not_before, not_after; /* ms since 1970, [not_before, not_after) */
} source_secret;

typedef struct source {
    char *community, *name;
    const provider *provider;
    signature_scheme scheme;
    char *texts[5]; /* what the scheme points to, if it is not the provider's */
    source_secret *secrets;
    size_t secret_count;
    int64_t body_bytes;                    /* of one event; 0: as the server's */
    int64_t per_second;                    /* signed events on average; 0: any number */
    int64_t burst;                         /* that may come at once */
    atomic_int_fast64_t full_at;           /* monotonic us: when the allowance is whole again */
    char *api_url, *api_token, *api_store; /* api_token NULL: the provider is not asked */
} source;

typedef struct sources sources; /* opaque, counted */

/* Reads and checks the file; secrets are registered with the log.
 *   ret      owned, release with sources_unref()
 *   reason   on failure: the path in the file and what is wrong there, one line, no secret
 * Returns 0, -EINVAL, -ENOMEM or the errno of reading the file. */
int sources_load(const char *path, sources **ret, char *reason, size_t reason_size);
sources *sources_ref(sources *set);
void sources_unref(sources *set); /* NULL is fine */

size_t sources_count(const sources *set);
const source *sources_at(const sources *set, size_t i);
/* Borrowed from the set; NULL: unknown. */
const source *sources_find(const sources *set, const char *community, size_t community_size,
                           const char *name, size_t name_size);

/* The secret, valid at now_ms, that signed what the request claims; NULL: none. Every valid one is
 * tried, so the time taken does not tell which matched. One thread at a time. */
const source_secret *source_verify(const source *from, const signature_claim *claim,
                                   int64_t now_ms);

/* Counts a signed event against the source's allowance; false: it has to come later. */
bool source_admits(const source *from, int64_t now_us);

#endif
