/* discord/error.h - how every call of this library reports failure.
 *
 * A status to branch on; where the cause needs words or Discord's own code, a
 * discord_error in the caller's memory (may be NULL). Outputs stay untouched on
 * failure. No token ever appears in an error. */
#ifndef DISCORD_ERROR_H
#define DISCORD_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DISCORD_API __attribute__((visibility("default")))
#else
#define DISCORD_API
#endif

typedef enum discord_status {
    DISCORD_OK = 0,
    DISCORD_EINVAL,     /* an argument is malformed; nothing was sent */
    DISCORD_ENOMEM,     /* out of memory; nothing changed */
    DISCORD_EBUSY,      /* a bounded queue is full; try again later */
    DISCORD_ECLOSED,    /* the object was stopped */
    DISCORD_ENETWORK,   /* name, TLS or connection failed */
    DISCORD_ETIMEOUT,   /* the deadline passed */
    DISCORD_EAUTH,      /* the token was refused (401): every request stops */
    DISCORD_EFORBIDDEN, /* 403: a permission is missing; see code */
    DISCORD_ENOTFOUND,  /* 404: see code (10003 channel, 10008 message, ...) */
    DISCORD_ERATELIMIT, /* still limited when the deadline passed; see retry_after_ms */
    DISCORD_ESERVER,    /* 5xx, or an answer that is not Discord's */
    DISCORD_EREJECTED   /* any other 4xx: the request itself is wrong; see code */
} discord_status;

/* Discord's own codes that a program decides by; discord_error.code holds these and others. */
enum {
    DISCORD_CODE_UNKNOWN_CHANNEL = 10003,
    DISCORD_CODE_UNKNOWN_GUILD = 10004,
    DISCORD_CODE_UNKNOWN_MEMBER = 10007,
    DISCORD_CODE_UNKNOWN_MESSAGE = 10008,
    DISCORD_CODE_UNKNOWN_ROLE = 10011,
    DISCORD_CODE_UNKNOWN_USER = 10013,
    DISCORD_CODE_UNKNOWN_WEBHOOK = 10015,
    DISCORD_CODE_TOO_MANY_WEBHOOKS = 30007,
    DISCORD_CODE_OLD_EDIT_LIMIT = 30046, /* edits of old messages: later, newest state only */
    DISCORD_CODE_TOO_LARGE = 40005,      /* a file or the request: post without it */
    DISCORD_CODE_MISSING_ACCESS = 50001,
    DISCORD_CODE_NOT_THE_AUTHOR = 50005, /* a webhook's message, edited with the bot's token */
    DISCORD_CODE_EMPTY_MESSAGE = 50006,
    DISCORD_CODE_NOT_A_TEXT_CHANNEL = 50008,
    DISCORD_CODE_MISSING_PERMISSION = 50013, /* also: the role stands above ours */
    DISCORD_CODE_BAD_WEBHOOK_TOKEN = 50027,
    DISCORD_CODE_INVALID_FORM = 50035,
    DISCORD_CODE_FILE_TOO_LARGE = 50045,
    DISCORD_CODE_THREAD_ARCHIVED = 50083,
    DISCORD_CODE_THREAD_LOCKED = 160005,
    DISCORD_CODE_BLOCKED_BY_AUTOMOD = 200000
};

/* Filled whole on failure. `message` ends in NUL and is valid UTF-8. */
typedef struct discord_error {
    discord_status status;
    int http_status;        /* 0 when no HTTP answer was read */
    int code;               /* Discord's JSON error code such as 50013, else 0 */
    int maybe_applied;      /* 1: the request may have taken effect although it failed */
    int64_t retry_after_ms; /* how long Discord asks to wait, 0 when it does not say */
    char message[512];      /* one line for a person */
} discord_error;

/* The status as a lower-case phrase, never NULL. */
DISCORD_API const char *discord_status_text(discord_status status);

/* Where a library object tells what it does: one line, no newline, borrowed until
 * the call returns, called on the object's own thread. Silent when `line` is NULL. */
typedef enum discord_log_level {
    DISCORD_LOG_DEBUG,
    DISCORD_LOG_INFO,
    DISCORD_LOG_WARNING,
    DISCORD_LOG_ERROR
} discord_log_level;

typedef struct discord_log {
    void (*line)(discord_log_level level, const char *text, void *user);
    void *user;
} discord_log;

/* The time a snowflake was made, ms since 1970; -1 when `id` is no snowflake
 * (1..20 digits that fit 64 bits). */
DISCORD_API int64_t discord_id_time_ms(const char *id);

#ifdef __cplusplus
}
#endif
#endif
