/* daemon/config.h - one table of options for a whole program.
 *
 * The table drives the flags, the environment, the files `.env.local` and `.env`, the defaults and
 * `--help`, so they cannot disagree. A flag beats the environment, the environment beats a file,
 * `.env.local` beats `.env`, a file beats the default.
 *
 *     typedef struct collector_config {
 *         daemon_settings daemon;
 *         const char *url;
 *         const char *token;
 *         int64_t batch;
 *         int64_t patience_ms;
 *     } collector_config;
 *
 *     static const daemon_option options[] = {
 *         DAEMON_SETTINGS(collector_config, daemon),
 *         {"convex-url", "CONVEX_URL", NULL, "URL", "the deployment to write to", DAEMON_URL,
 *          DAEMON_REQUIRED, offsetof(collector_config, url), 0, 0},
 *         {"discord-token", "DISCORD_TOKEN", NULL, NULL, "the bot's token", DAEMON_SECRET,
 *          DAEMON_REQUIRED, offsetof(collector_config, token), 0, 0},
 *         {"batch", "BATCH", "64", "N", "events in one call", DAEMON_INTEGER, 0,
 *          offsetof(collector_config, batch), 1, 64},
 *         {"patience", "PATIENCE", "10s", "TIME", "how long ...", DAEMON_DURATION, 0,
 *          offsetof(collector_config, patience_ms), 1, 60000},
 *         DAEMON_OPTIONS_END};
 *
 * Called from main() before the first thread. Everything the config struct then points to lives
 * until the process ends. */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DAEMON_EXIT_DONE = 0,
    DAEMON_EXIT_FAILED = 1,
    DAEMON_EXIT_USAGE = 2,
    DAEMON_EXIT_NOT_CONFIGURED = 6
};

/* What a value is, and the type of the member at `offset`. */
typedef enum daemon_option_type {
    DAEMON_STRING, /* const char *, not empty; NULL if unset and without default */
    DAEMON_PATH,   /* const char *, as DAEMON_STRING */
    DAEMON_URL,    /* const char *, http, https, ws or wss with a host; a trailing '/' is removed */
    DAEMON_INTEGER,  /* int64_t, decimal, min..max */
    DAEMON_DURATION, /* int64_t milliseconds, "250ms" "10s" "5m" "2h" "1d"; min..max in ms */
    DAEMON_BOOLEAN,  /* bool: true/false, yes/no, on/off, 1/0; the flag alone means true */
    DAEMON_SECRET    /* const char *: the variable, a file's entry, or --NAME-file; never a flag's
                      * value; redacted from every log line from here on */
} daemon_option_type;

enum {
    DAEMON_REQUIRED = 1, /* missing: exit 6, except for a command marked `offline` */
    DAEMON_ALWAYS = 2    /* missing: exit 6, for every command */
};

typedef struct daemon_option {
    const char *name;     /* "convex-url": the flag --convex-url */
    const char *env;      /* "CONVEX_URL"; NULL: only a flag, as for a command; no secret then */
    const char *fallback; /* the default, as text; "%H" is the host name; NULL: none */
    const char *operand;  /* "URL" in --help; NULL: taken from the type */
    const char *help;     /* one sentence without a full stop */
    daemon_option_type type;
    unsigned flags;
    size_t offset;
    int64_t min, max; /* both 0: no bounds */
} daemon_option;

/* clang-format off */
#define DAEMON_OPTIONS_END {NULL, NULL, NULL, NULL, NULL, DAEMON_STRING, 0, 0, 0, 0}
/* clang-format on */

/* What every daemon has: put one in the config struct and DAEMON_SETTINGS in the table. */
typedef struct daemon_settings {
    const char *instance;        /* INSTANCE, default: the host name */
    const char *state_directory; /* STATE_DIRECTORY, required, created if missing (mode 0700) */
    const char *log_level;       /* LOG_LEVEL: debug, info, warn, error; applied by daemon_init */
} daemon_settings;

/* clang-format off */
#define DAEMON_SETTINGS(config, member)                                                            \
    DAEMON_SETTINGS_STATELESS(config, member),                                                     \
    {"state-directory", "STATE_DIRECTORY", NULL, "DIR", "where accepted work is kept",             \
     DAEMON_PATH, DAEMON_ALWAYS,                                                                   \
     offsetof(config, member) + offsetof(daemon_settings, state_directory), 0, 0}

/* For a program that keeps nothing on disk: its state_directory stays NULL. */
#define DAEMON_SETTINGS_STATELESS(config, member)                                                  \
    {"instance", "INSTANCE", "%H", "NAME", "name of this instance among its like", DAEMON_STRING,  \
     0, offsetof(config, member) + offsetof(daemon_settings, instance), 0, 0},                     \
    {"log-level", "LOG_LEVEL", "info", "LEVEL", "debug, info, warn or error", DAEMON_STRING, 0,    \
     offsetof(config, member) + offsetof(daemon_settings, log_level), 0, 0}
/* clang-format on */

/* A first operand such as `events` that makes the program do another thing than serve. */
typedef struct daemon_command {
    const char *name;
    const char *operands; /* "ID" in --help; NULL: none. At most max_operands follow the command. */
    const char *help;
    int max_operands;
    bool offline; /* DAEMON_REQUIRED options may be missing */
} daemon_command;

typedef struct daemon_program {
    const char *name;    /* "collector" */
    const char *version; /* "0.1.0" */
    const char *summary; /* "records what a guild's analysts write", one line */
    const char *example; /* lines for EXAMPLE, each indented by the caller's taste; may be NULL */
    const char *files;   /* further lines for FILES; may be NULL */
    const daemon_command *commands; /* ends with a NULL name; NULL: no operands allowed */
    bool own_checks; /* --check-config returns from daemon_init: see daemon_checking_config() */
} daemon_program;

/* Reads the configuration, blocks the signals of daemon/loop.h, starts the log.
 *   program, options   borrowed for the life of the process
 *   config             filled in
 * Returns the number of operands, moved to argv[1..n] (0: serve).
 * Ends the process instead: 0 after --help, --version and --check-config; 2 for bad usage, with one
 * line that names the flag; 6 for a setting that is missing or invalid, with one line that names
 * the setting, where it came from and what is expected. */
int daemon_init(int argc, char **argv, const daemon_program *program, const daemon_option *options,
                void *config);

/* For a check that only the program can make, such as the contents of a file: one line naming the
 * setting and where it came from, then the reason; exit 6. `name` is the option's name. */
#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 2, 3)))
#endif
void daemon_misconfigured(const char *name, const char *format, ...);

/* With own_checks: true if --check-config was given. The program then makes its own checks and
 * calls daemon_config_checked() instead of serving. */
bool daemon_checking_config(void);

/* Says that the configuration is valid and exits 0. */
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void daemon_config_checked(void);

#ifdef __cplusplus
}
#endif
#endif
