/* main.c - the bot: options, then the run. */
#include <stdlib.h>

#include "bot.h"

static const daemon_option options[] = {
    DAEMON_SETTINGS_STATELESS(bot_config, daemon),
    SERVICE_SETTINGS(bot_config, service),
    {"discord-token", "DISCORD_TOKEN", NULL, NULL, "the token of the bot in the customers' guild",
     DAEMON_SECRET, DAEMON_REQUIRED, offsetof(bot_config, discord_token), 0, 0},
    {"discord-api-url", "DISCORD_API_URL", "https://discord.com/api/v10", "URL",
     "Discord's REST API", DAEMON_URL, 0, offsetof(bot_config, discord_api_url), 0, 0},
    {"roles", "ROLES", "true", NULL, "give and take paid roles too; needs Manage Roles",
     DAEMON_BOOLEAN, 0, offsetof(bot_config, roles), 0, 0},
    {"roles-dry-run", "ROLES_DRY_RUN", "false", NULL,
     "say which roles would be given and taken, and do nothing", DAEMON_BOOLEAN, 0,
     offsetof(bot_config, dry_run), 0, 0},
    {"roles-look", "ROLES_LOOK", "10m", "TIME",
     "how often to look at the roles that members really have; 0s: at start only", DAEMON_DURATION,
     0, offsetof(bot_config, look_ms), 0, 86400000},
    {"posts-look", "POSTS_LOOK", "15m", "TIME",
     "how often to look whether somebody deleted posts unheard; 0s: only when a gateway session "
     "begins",
     DAEMON_DURATION, 0, offsetof(bot_config, posts_look_ms), 0, 86400000},
    DAEMON_OPTIONS_END};

static const daemon_program program = {
    .name = "bot",
    .version = BOT_VERSION,
    .summary = "mirrors signals into the customers' Discord guild and keeps paid roles right",
    .files = "  the bot keeps nothing on disk: all it knows is in the backend\n",
    .example =
        "    CONVEX_URL=https://convex.example SERVICE_KEY_FILE=bot.pem \\\n"
        "    DISCORD_TOKEN=... bot\n"
        "\n"
        "  Posts are made once: Discord remembers their nonces for some minutes, and later the\n"
        "  bot looks before it posts. A channel whose identity is \"webhook\" shows its authors'\n"
        "  names, but webhooks know no nonces: there a lost answer may, rarely, mean a second "
        "post.\n",
};

int main(int argc, char **argv)
{
    bot_config config = {0};
    bot *self = NULL;

    daemon_init(argc, argv, &program, options, &config);
    int status = DAEMON_EXIT_FAILED;
    if (bot_open(&self, &config) == 0)
        status = bot_run(self);
    bot_close(self);
    return status;
}
