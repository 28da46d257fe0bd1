/* providers.h - what differs between payment providers: one file and one row each. */
#ifndef PROXY_PROVIDERS_H
#define PROXY_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "signature.h"

enum { EVENT_TYPE_MAX = 128, EVENT_KEY_MAX = 160, EVENT_SUBJECT_MAX = 160 };

/* What is to be known of an event before it is stored. Texts end with NUL. */
typedef struct event_facts {
    bool unparsable;           /* signed, but not what the provider sends: kept, never applied */
    char type[EVENT_TYPE_MAX]; /* "order.completed"; "" if unparsable */
    char key[EVENT_KEY_MAX];   /* the same for every delivery of one event */
    char subject[EVENT_SUBJECT_MAX]; /* "order:123", "subscription:abc"; "" if none */
    int64_t occurred_at;             /* ms since 1970, the provider's clock; 0 if not said */
    char body_sha256[65];
} event_facts;

/* How far a list was read, opaque to all but its provider. "": from its start. */
enum { POLL_CURSOR_MAX = 256 };

/* One list of a provider's API, read page by page. */
typedef struct poll_list {
    const char *name; /* of its saved cursor */
    const char *path; /* of the first page */
    const char *next; /* the same with a cursor, which takes the place of %s */
    const char *type; /* each entry becomes {"event": type, "data": entry}; NULL: it is an event as
                         webhooks bring it */
    bool goes_on;     /* new entries come behind the last cursor, which is kept. Else every round
                         reads from the start, as old entries change */
    /* The first page is of the newest entries: this is how the page before a cursor is asked for,
     * when a saved place has expired. NULL: the first page is of the oldest. */
    const char *before;
    /* Entries are no events, but one may be worth a line in the log: then true, with what is wrong.
     * NULL: entries are events. */
    bool (*notice)(const json_document *d, const json_node *entry, char *ret, size_t size);
} poll_list;

/* What the provider's webhooks did not say, or said while nobody listened. */
typedef struct poll_api {
    const char *url;          /* default; a path prefix is fine */
    const char *store_header; /* carries the source's `store`; NULL: none */
    const poll_list *lists;
    size_t count;
    /* The cursor behind this page into ret[POLL_CURSOR_MAX], untouched if the page has none.
     * Returns true if there are more pages now. */
    bool (*next)(const json_document *d, const json_node *root, char *ret);
    /* The same in the direction of `before`. NULL: no list has that. */
    bool (*previous)(const json_document *d, const json_node *root, char *ret);
} poll_api;

typedef struct provider {
    const char *name;
    signature_scheme scheme; /* the defaults of a source's `signature` settings */
    /* Fills in all but body_sha256, which is there already. Returns false if unparsable.
     *   id  what the scheme's id header said; NULL: it has none */
    bool (*extract)(const char *body, size_t size, const char *id, event_facts *facts);
    const poll_api *api; /* NULL: there is nothing to ask */
} provider;

const provider *provider_find(const char *name); /* NULL: none of this name */
const char *provider_names(void);                /* "sellapp, ..." for messages */

/* Everything known of a signed body; `unparsable` says what could not be read. False: out of
 * memory. */
bool provider_extract(const provider *who, const char *body, size_t size, const char *id,
                      event_facts *ret);

extern const provider provider_sellapp, provider_stripe, provider_standard, provider_hmac;

#endif
