/* daemon/log.h - one event, one line, on stderr.
 *
 *     time=2026-01-02T03:04:05.678Z level=info msg="gateway ready" session=abc guilds=2
 *
 * Thread-safe; a line is one write(2). Values are quoted and escaped where needed, so nothing that
 * a stranger sends can begin a new line or a new field. A registered secret never leaves the
 * process: where it occurs in a line, "[redacted]" stands. */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum daemon_level { DAEMON_DEBUG, DAEMON_INFO, DAEMON_WARN, DAEMON_ERROR } daemon_level;

/* Writes one event.
 *   message   what happened, a constant phrase
 *   fields    NULL, or "key=%s other=%lld host=%s:%d": printf conversions, fields split at spaces
 * of the format itself, never of a value. %n, %a and wide strings are not supported. A line longer
 * than 8 KB is cut and ends with truncated=true. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void daemon_log(daemon_level level, const char *message, const char *fields, ...);

/* Lines below `level` are dropped. Default: DAEMON_INFO. */
void daemon_log_set_level(daemon_level level);
bool daemon_log_enabled(daemon_level level);

/* "debug", "info", "warn", "error" -> level; false if it is none of these. */
bool daemon_level_parse(const char *text, daemon_level *ret);

/* `secret` (copied) will not occur in any later line. Shorter than 4 bytes: ignored. */
void daemon_log_redact(const char *secret);

/* Where lines go, for tests: fd is borrowed; default 2. */
void daemon_log_set_fd(int fd);

/* Formats one event without writing it, as daemon_log would at `time_ms` (since 1970).
 * Returns its length, with the newline, at most size - 1. */
#if defined(__GNUC__)
__attribute__((format(printf, 6, 7)))
#endif
size_t
daemon_log_format(char *line, size_t size, long long time_ms, daemon_level level,
                  const char *message, const char *fields, ...);

#ifdef __cplusplus
}
#endif
#endif
