/* timestamp.h - RFC 3339 and ISO 8601 dates to milliseconds since 1970. Pure, any thread. */
#ifndef PROXY_TIMESTAMP_H
#define PROXY_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31 12:00:00.123456+02:00"; no zone means UTC.
 * False, with *ret untouched, if it is anything else. */
bool timestamp_parse(const char *text, size_t size, int64_t *ret_ms);

#endif
