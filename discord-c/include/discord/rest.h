/* discord/rest.h - Discord's REST API with its rate limits kept.
 *
 * One object is one bot token, one pool of connections and either
 *  - a thread of its own, or
 *  - with options.host_loop a place in the program's loop: wait until discord_rest_fd() is
 *    readable or discord_rest_timeout_ms() has passed, then call discord_rest_process().
 * Thread-safe. Callbacks run on the object's thread, or inside discord_rest_process(), one at a
 * time, with no lock held, and may call anything here except discord_rest_call(),
 * discord_wait_result() and discord_rest_free().
 *
 * Order: requests of one method, route and major parameter (a lane) are sent and answered
 * one after the other, in the order they were queued. Lanes run side by side; those that
 * Discord counts in one bucket share its limit, all share the global one.
 *
 * Repeats: 429 is waited out and sent again. A 5xx, a timeout or a broken connection
 * is tried again (full jitter) only when sending twice is harmless: GET, PUT, DELETE,
 * PATCH, or a POST flagged DISCORD_REPEATABLE. All of it ends at the request's deadline.
 * A 401 stops everything: each queued and later request ends with DISCORD_EAUTH. */
#ifndef DISCORD_REST_H
#define DISCORD_REST_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "discord/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct discord_rest discord_rest;     /* opaque, one owner */
typedef struct discord_result discord_result; /* opaque to construct, counted */

typedef struct discord_rest_options {
    const char *api_url;         /* copied; no trailing slash */
    const char *token;           /* copied, wiped when freed; bare, without "Bot " */
    const char *user_agent;      /* copied; "DiscordBot (url, version)" */
    uint32_t connect_timeout_ms; /* 5000 */
    uint32_t attempt_timeout_ms; /* 15000: one HTTP exchange */
    uint32_t deadline_ms;        /* 120000: a request with its waits and repeats */
    uint32_t max_queued;         /* 4096: above it discord_rest_send() gives EBUSY */
    size_t max_body;             /* 32 MiB: a larger answer is DISCORD_ESERVER */
    int host_loop;               /* 1: no thread, driven by discord_rest_process() */
    /* Called once, on the object's thread, when Discord refuses the token. */
    void (*on_refused)(const discord_error *error, void *user);
    void *user;
    discord_log log;
} discord_rest_options;

#define DISCORD_REST_OPTIONS_INIT                                                                  \
    {                                                                                              \
        "https://discord.com/api/v10", NULL, "DiscordBot (https://discord-c.invalid, 0.1.0)",      \
            5000, 15000, 120000, 4096, 32u << 20, 0, NULL, NULL,                                   \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

/* Starts the thread. *ret is owned, release with discord_rest_free().
 * Returns OK, EINVAL (a missing token, a URL that is not http or https) or ENOMEM. */
DISCORD_API discord_status discord_rest_new(const discord_rest_options *options, discord_rest **ret,
                                            discord_error *reterr);

/* Ends every unanswered request with DISCORD_ECLOSED (its callback runs before this
 * returns), then joins the thread. Not from a callback. NULL is fine. */
DISCORD_API void discord_rest_free(discord_rest *rest);

/* ---- driving: host loop (one thread at a time) ---- */

DISCORD_API int discord_rest_fd(const discord_rest *rest); /* same for life; wait for POLLIN */
/* Milliseconds until discord_rest_process() wants to run without the fd; a minute at most. */
DISCORD_API int discord_rest_timeout_ms(const discord_rest *rest);
/* Does what there is to do, never blocks; inside a callback it does nothing. Call it once after
 * discord_rest_new() too. Returns OK, or EINVAL when the object has a thread. */
DISCORD_API discord_status discord_rest_process(discord_rest *rest);

typedef struct discord_file {
    const char *filename;
    const char *content_type; /* NULL: application/octet-stream */
    const char *description;  /* alternative text, or NULL */
    const void *data;
    size_t size;
} discord_file;

enum {
    DISCORD_REPEATABLE = 1, /* a POST that is harmless when sent twice (enforced nonce) */
    DISCORD_NO_AUTH = 2     /* send no Authorization (webhook and interaction routes) */
};

/* All text UTF-8, borrowed, copied before discord_rest_send() returns. */
typedef struct discord_request {
    const char *method; /* "GET", "POST", "PUT", "PATCH" or "DELETE" */
    const char *route; /* template: "/channels/{id}/messages/{id}"; the bucket's name until known */
    const char *major; /* channel id, guild id or "webhook id/token"; NULL: none */
    const char *path;  /* what is fetched, with its query: "/channels/123/messages?limit=5" */
    const char *json;  /* body, or payload_json beside files; NULL: none */
    const discord_file
        *files; /* sent as files[0], files[1], ...; the payload's `attachments` is yours */
    size_t n_files;
    const char *reason; /* for the audit log, at most 512 characters, encoded by us; NULL: none */
    unsigned flags;
    uint32_t deadline_ms; /* 0: the options' */
} discord_request;

/* What came of a request. Every pointer belongs to the result. */
struct discord_result {
    discord_error error; /* .status is DISCORD_OK for 2xx */
    int http_status;     /* of the last answer; 0: none */
    const char *body;    /* never NULL, ends in NUL */
    size_t body_size;
    const cJSON *json;  /* the body parsed, or NULL when it is not JSON */
    int already_gone;   /* 1: a delete that found its message deleted already (10008), status OK */
    unsigned attempts;  /* HTTP exchanges made */
    int64_t limited_ms; /* spent waiting for a rate limit */
    int64_t elapsed_ms; /* from queueing to now */
};

/* Called exactly once for each accepted request. `result` is borrowed until the
 * callback returns; keep it by discord_result_ref(). */
typedef void discord_done_fn(const discord_result *result, void *user);

DISCORD_API const discord_result *discord_result_ref(const discord_result *result);
DISCORD_API void discord_result_unref(const discord_result *result); /* NULL is fine */

/* Queues a request; never blocks. on_done may be NULL.
 * Returns OK, EINVAL, ENOMEM, EBUSY, EAUTH (the token was refused before) or ECLOSED;
 * unless OK, on_done is not called. */
DISCORD_API discord_status discord_rest_send(discord_rest *rest, const discord_request *request,
                                             discord_done_fn *on_done, void *user);

/* The same, blocking. *ret is owned (discord_result_unref) and set whenever the request was
 * accepted; the status returned is then (*ret)->error.status. Not from a callback, nor with a host
 * loop: EINVAL. */
DISCORD_API discord_status discord_rest_call(discord_rest *rest, const discord_request *request,
                                             const discord_result **ret);

/* Makes any call below blocking: pass discord_wait_done and the wait as on_done and user, and,
 * if that returned OK, take the result (owned) once. Free it afterwards in any case.
 *     discord_wait *wait = discord_wait_new();
 *     status = discord_rest_get_current_user(rest, discord_wait_done, wait);
 *     if (status == DISCORD_OK)
 *         result = discord_wait_result(wait);
 *     discord_wait_free(wait); */
typedef struct discord_wait discord_wait;
DISCORD_API discord_wait *discord_wait_new(void);
DISCORD_API void discord_wait_done(const discord_result *result, void *wait);
DISCORD_API const discord_result *discord_wait_result(discord_wait *wait);
DISCORD_API void discord_wait_free(discord_wait *wait);

/* A message to write. NULL fields are left out, which on an edit means unchanged.
 * Every create and edit carries allowed_mentions {"parse":[]}: nobody is pinged. */
typedef struct discord_message {
    const char *content; /* at most 2000 UTF-16 units (discord/text.h splits); "" empties on edit */
    const char *embeds_json; /* JSON array text; "[]" removes them on edit */
    const char *components_json;
    const char *
        attachments_json; /* edit: the attachments to keep, [{"id":"..."}]; files are added to it */
    const char *reply_to_id; /* create: never fails when that message is gone */
    const char *nonce; /* create: 1..25 characters; enforced, so the POST becomes repeatable */
    uint32_t flags;    /* message flags, 0: left out */
    const discord_file *files;
    size_t n_files; /* at most 10 */
} discord_message;

/* Ids are decimal snowflakes; anything else is EINVAL. Statuses as discord_rest_send().
 * The result's json is Discord's answer: the message, the array of messages, ... */
DISCORD_API discord_status discord_rest_create_message(discord_rest *rest, const char *channel_id,
                                                       const discord_message *message,
                                                       discord_done_fn *on_done, void *user);
DISCORD_API discord_status discord_rest_edit_message(discord_rest *rest, const char *channel_id,
                                                     const char *message_id,
                                                     const discord_message *message,
                                                     discord_done_fn *on_done, void *user);
/* Unknown Message (10008) counts as success, with already_gone set. reason may be NULL. */
DISCORD_API discord_status discord_rest_delete_message(discord_rest *rest, const char *channel_id,
                                                       const char *message_id, const char *reason,
                                                       discord_done_fn *on_done, void *user);
DISCORD_API discord_status discord_rest_get_message(discord_rest *rest, const char *channel_id,
                                                    const char *message_id,
                                                    discord_done_fn *on_done, void *user);

/* Newest first, whichever cursor is used: advance by the greatest id. */
typedef struct discord_page {
    unsigned limit;     /* 1..100 */
    const char *before; /* at most one of the three; NULL: none */
    const char *after;
    const char *around;
} discord_page;
DISCORD_API discord_status discord_rest_get_messages(discord_rest *rest, const char *channel_id,
                                                     const discord_page *page,
                                                     discord_done_fn *on_done, void *user);

DISCORD_API discord_status discord_rest_get_channel(discord_rest *rest, const char *channel_id,
                                                    discord_done_fn *on_done, void *user);

/* ---- channels and threads ---- */

/* An array; threads are not in it. */
DISCORD_API discord_status discord_rest_get_guild_channels(discord_rest *rest, const char *guild_id,
                                                           discord_done_fn *on_done, void *user);
/* {threads: [{id, parent_id, ...}]}: those not archived; archived ones are asked for by channel,
 * newest first, with {has_more}. `before` is the archive_timestamp to go on from, NULL at first. */
DISCORD_API discord_status discord_rest_get_active_threads(discord_rest *rest, const char *guild_id,
                                                           discord_done_fn *on_done, void *user);
DISCORD_API discord_status discord_rest_get_archived_threads(discord_rest *rest,
                                                             const char *channel_id,
                                                             const char *before,
                                                             discord_done_fn *on_done, void *user);
/* Opens an archived thread, so that its messages can be edited again. DISCORD_EFORBIDDEN: it is
 * locked, and that needs Manage Threads. */
DISCORD_API discord_status discord_rest_unarchive_thread(discord_rest *rest, const char *thread_id,
                                                         const char *reason,
                                                         discord_done_fn *on_done, void *user);

/* ---- members and roles ---- */

/* {user, roles: [id], ...}; DISCORD_ENOTFOUND with code 10007 for who is not in the guild. */
DISCORD_API discord_status discord_rest_get_member(discord_rest *rest, const char *guild_id,
                                                   const char *user_id, discord_done_fn *on_done,
                                                   void *user);
/* [{id, name, position, permissions, managed}]; permissions are a decimal string. */
DISCORD_API discord_status discord_rest_get_roles(discord_rest *rest, const char *guild_id,
                                                  discord_done_fn *on_done, void *user);

typedef struct discord_role_change {
    const char *guild_id, *user_id, *role_id; /* borrowed */
    int give;                                 /* 0: take it away */
    const char *reason;                       /* for the audit log; NULL: none */
} discord_role_change;

/* Giving a role that is there, and taking one that is not, succeed. DISCORD_EFORBIDDEN with code
 * 50013 means Manage Roles is missing, or the role stands above our highest. */
DISCORD_API discord_status discord_rest_set_member_role(discord_rest *rest,
                                                        const discord_role_change *change,
                                                        discord_done_fn *on_done, void *user);

/* ---- ourselves ---- */

DISCORD_API discord_status discord_rest_get_current_user(discord_rest *rest,
                                                         discord_done_fn *on_done, void *user);
/* {url, shards, session_start_limit}; discord/gateway.h calls it by itself. */
DISCORD_API discord_status discord_rest_get_gateway_bot(discord_rest *rest,
                                                        discord_done_fn *on_done, void *user);

#ifdef __cplusplus
}
#endif
#endif
