/* error.h - filling a discord_error, writing a log line, reading an id. Any thread. */
#ifndef DISCORD_SRC_ERROR_H
#define DISCORD_SRC_ERROR_H

#include <stdbool.h>

#include "discord/error.h"

/* Fills *error (may be NULL) and returns `status`. */
discord_status derror_set(discord_error *error, discord_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void dlog(const discord_log *log, discord_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 1..20 decimal digits that fit 64 bits. */
bool did_parse(const char *id, uint64_t *ret);

#endif
