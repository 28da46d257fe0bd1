/* ingest.h - a record as the arguments of webhooks:ingest. Pure, any thread. */
#ifndef PROXY_INGEST_H
#define PROXY_INGEST_H

#include "api.h"
#include "record.h"

/* Arguments, and what was made for them; the rest of their texts lies in the record. */
typedef struct ingest {
    api_webhooks_ingest_args args;
    api_webhook_header headers[RECORD_HEADERS_MAX];
    double occurred_at;
    char *made[2 * RECORD_HEADERS_MAX + 1];
    size_t made_count;
} ingest;

/* A body that is no text is sent as "base64:" and its base64. Returns 0, or -ENOMEM with nothing
 * to be done(). */
int ingest_init(ingest *self, const record *from);
void ingest_done(ingest *self);

#endif
