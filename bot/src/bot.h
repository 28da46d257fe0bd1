/* bot.h - mirrors signals into the customers' guild, and keeps paid roles right there.
 *
 * Loop thread only, besides the threads of discord-c and files.h. The backend says that there is
 * work (mirrors:queue, a live query), the bot leases it (mirrors:claim), carries it out and reports
 * (mirrors:report). Each mirror channel is a lane: one job at a time, in source order.
 *
 * The bot keeps nothing on disk: all it knows is in the backend, and a post whose outcome was lost
 * is found again by its nonce or by looking. */
#ifndef BOT_BOT_H
#define BOT_BOT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/config.h"
#include "service/link.h"

#define BOT_VERSION "0.1.0"

typedef struct bot_config {
    daemon_settings daemon;
    service_settings service;
    const char *discord_token;
    const char *discord_api_url;
    bool roles; /* gives and takes roles too */
    bool dry_run;
    int64_t look_ms, posts_look_ms;
} bot_config;

typedef struct bot bot; /* opaque, one owner */

/* Begins to connect both sides. `config` is borrowed for its life. Returns 0 or a negative errno;
 * the cause is logged. */
int bot_open(bot **ret, const bot_config *config);
/* Serves until SIGTERM, then finishes what is under way. Returns the exit status. */
int bot_run(bot *self);
void bot_close(bot *self); /* NULL is fine */

#endif
