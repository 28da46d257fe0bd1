/* error.c - the words of statuses, the filling of errors, log lines, snowflakes.
 * No state. Any thread. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

#define DISCORD_EPOCH_MS 1420070400000

const char *discord_status_text(discord_status status)
{
    static const char *const text[] = {
        [DISCORD_OK] = "ok",
        [DISCORD_EINVAL] = "invalid argument",
        [DISCORD_ENOMEM] = "out of memory",
        [DISCORD_EBUSY] = "queue is full",
        [DISCORD_ECLOSED] = "stopped",
        [DISCORD_ENETWORK] = "network failure",
        [DISCORD_ETIMEOUT] = "timed out",
        [DISCORD_EAUTH] = "token refused",
        [DISCORD_EFORBIDDEN] = "forbidden",
        [DISCORD_ENOTFOUND] = "not found",
        [DISCORD_ERATELIMIT] = "rate limited",
        [DISCORD_ESERVER] = "server failure",
        [DISCORD_EREJECTED] = "request rejected",
    };
    size_t i = (size_t)status;

    return i < sizeof text / sizeof *text ? text[i] : "unknown status";
}

discord_status derror_set(discord_error *error, discord_status status, const char *format, ...)
{
    va_list args;

    if (!error)
        return status;
    memset(error, 0, sizeof *error);
    error->status = status;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    dutf8_trim(error->message);
    return status;
}

void dlog(const discord_log *log, discord_log_level level, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!log->line)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    dutf8_trim(text);
    log->line(level, text, log->user);
}

bool did_parse(const char *id, uint64_t *ret)
{
    uint64_t value = 0;
    size_t n = 0;

    for (; id && id[n] >= '0' && id[n] <= '9' && n < 20; n++) {
        unsigned digit = (unsigned)(id[n] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (n == 0 || id[n] != '\0')
        return false;
    *ret = value;
    return true;
}

int64_t discord_id_time_ms(const char *id)
{
    uint64_t value;

    return did_parse(id, &value) ? (int64_t)(value >> 22) + DISCORD_EPOCH_MS : -1;
}
