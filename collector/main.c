/* main.c - the collector: options, then the run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector.h"
#include "trade_readings.h"

static const daemon_option options[] = {
    DAEMON_SETTINGS(collector_config, daemon),
    SERVICE_SETTINGS(collector_config, service),
    {"discord-token", "DISCORD_TOKEN", NULL, NULL,
     "the token of the bot in the source guild, with the message content intent; may be left out "
     "where a plugin tells of everything",
     DAEMON_SECRET, 0, offsetof(collector_config, discord_token), 0, 0},
    {"discord-api-url", "DISCORD_API_URL", "https://discord.com/api/v10", "URL",
     "Discord's REST API", DAEMON_URL, 0, offsetof(collector_config, discord_api_url), 0, 0},
    {"outbox-max-entries", "OUTBOX_MAX_ENTRIES", "1000000", "N",
     "events kept while the backend is away; then the source is no longer read", DAEMON_INTEGER, 0,
     offsetof(collector_config, outbox_max_entries), 1, 100000000},
    {"outbox-max-bytes", "OUTBOX_MAX_BYTES", "1073741824", "N", "the same bound in bytes",
     DAEMON_INTEGER, 0, offsetof(collector_config, outbox_max_bytes), 4096, INT64_MAX},
    {"ignore-authors", "IGNORE_AUTHORS", NULL, "IDS",
     "users and webhooks whose messages are not captured, such as a mirror bot in the same "
     "channels; "
     "the bot's own never are",
     DAEMON_STRING, 0, offsetof(collector_config, ignore_authors), 0, 0},
    {"plugin-listen", "PLUGIN_LISTEN", NULL, "ADDRESS:PORT",
     "a loopback address where a capture plugin may tell of events; off unless set", DAEMON_STRING,
     0, offsetof(collector_config, plugin_listen), 0, 0},
    {"plugin-token", "PLUGIN_TOKEN", NULL, NULL,
     "the secret that the plugin shows, at least 16 characters; needed with plugin-listen",
     DAEMON_SECRET, 0, offsetof(collector_config, plugin_token), 0, 0},
    {"repair-interval", "REPAIR_INTERVAL", "900", "SECONDS",
     "how often what is known is compared with the source, give or take a tenth; 0: only after a "
     "gap and for a new channel",
     DAEMON_INTEGER, 0, offsetof(collector_config, repair_interval_s), 0, 86400 * 7},
    {"repair-window", "REPAIR_WINDOW", "24", "HOURS",
     "how far back, before the last complete comparison, messages are compared", DAEMON_INTEGER, 0,
     offsetof(collector_config, repair_window_h), 1, 24 * 365},
    {"files-max-bytes", "FILES_MAX_BYTES", "20000000", "N",
     "the largest file of a message that is copied; the backend serves no larger ones than 20 MiB",
     DAEMON_INTEGER, 0, offsetof(collector_config, files_max_bytes), 1, 20 << 20},
    {"files-origin", "FILES_ORIGIN", NULL, "URL",
     "where files are fetched from besides Discord's own servers, such as a stand-in for them; it "
     "may have a private address",
     DAEMON_URL, 0, offsetof(collector_config, files_origin), 0, 0},
    DAEMON_OPTIONS_END};

static const daemon_command commands[] = {
    {"parse", NULL, "read a message from standard input and print its trade as JSON, or null", 0,
     true},
    {NULL, NULL, NULL, 0, false}};

static const daemon_program program = {
    .name = "collector",
    .version = COLLECTOR_VERSION,
    .summary = "records what the analysts of a source Discord guild write",
    .example = "    CONVEX_URL=https://convex.example SERVICE_KEY_FILE=collector.pem \\\n"
               "    DISCORD_TOKEN=... STATE_DIRECTORY=/var/lib/collector collector\n"
               "    echo 'BTC/USDT long 64k, tp 66k, sl 63k' | collector parse\n",
    .commands = commands,
    .files = "  STATE_DIRECTORY/outbox.db, outbox.db-wal, outbox.db-shm, outbox.db.lock\n"
             "      events accepted and not yet in the backend, and how far the source was read\n"
             "      (SQLite, of one collector at a time)\n"
             "  STATE_DIRECTORY/outbox.db.reserve\n"
             "      16 MB of the disk, given up when it is full, so that what is kept can still\n"
             "      be delivered\n"
             "  STATE_DIRECTORY\n"
             "      files of messages while they are copied, without a name\n",
};

/* What signals:record would get of a message; what is behind 64 KB is not read. */
static int parse(void)
{
    enum { MOST = 65536 };
    char *text = calloc(1, MOST), *json = NULL;
    size_t size = text ? fread(text, 1, MOST, stdin) : 0;
    int r = !text || ferror(stdin) ? -1 : trade_readings_print(text, size, &json);
    if (r < 0)
        fputs("collector: the message cannot be read\n", stderr);
    else if (printf("%s\n", json ? json : "null") < 0 || fflush(stdout) != 0)
        r = -1;
    convex_text_free(json, NULL);
    free(text);
    return r < 0 ? DAEMON_EXIT_FAILED : DAEMON_EXIT_DONE;
}

int main(int argc, char **argv)
{
    collector_config config = {0};
    collector *self = NULL;

    if (argc == 2 && strcmp(argv[1], commands[0].name) == 0) /* needs no setting at all */
        return parse();
    if (daemon_init(argc, argv, &program, options, &config) > 0)
        return parse();
    int status = DAEMON_EXIT_FAILED;
    if (collector_open(&self, &config) == 0)
        status = collector_run(self);
    collector_close(self);
    return status;
}
