/* ingest.h - a record as the argument of webhooks:ingest. Pure, any thread. */
#ifndef PROXY_INGEST_H
#define PROXY_INGEST_H

#include "convex/value.h"
#include "record.h"

/* ret: owned. A body that is no text is sent as "base64:" and its base64. */
convex_status ingest_arguments(const record *from, convex_value **ret, convex_error *reterr);

#endif
