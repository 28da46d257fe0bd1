/* config.c - where each setting comes from.
 * Owns the text and the origin of every setting for the life of the process. Called by main()
 * before the first thread. Invariant: every way out with a bad configuration is one line on stderr,
 * and that line never holds a secret. */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "dotenv.h"
#include "help.h"
#include "setting.h"

enum { FILE_MAX_BYTES = 1 << 20, SECRET_MAX_BYTES = 1 << 16, RANKS = 4 };

/* Where a text came from, best first. */
typedef enum rank { BY_FLAG, BY_ENVIRONMENT, BY_LOCAL_FILE, BY_FILE } rank;

typedef struct given {
    char *text;   /* of the setting itself; NULL: not given */
    char *path;   /* of a secret's file (--NAME-file, NAME_FILE); NULL: not given */
    char *origin; /* "flag --x", "environment", ".env line 3" */
} given;

static struct {
    const daemon_program *program;
    const daemon_option *options;
    void *config;
    given (*given)[RANKS]; /* one row an option */
    const char **origin;   /* of the text that won, one an option */
    const char **texts;    /* what the config struct points to, one an option */
    const char *env_file;  /* --env-file */
    char *unknown_flag;    /* held here, as the process ends over it */
    bool checking, help, version;
} self;

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

__attribute__((noreturn, format(printf, 2, 3))) static void leave(int status, const char *format,
                                                                  ...)
{
    va_list args;

    fprintf(stderr, "%s: ", self.program->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(status);
}

static char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *format_text(const char *format, ...)
{
    char *text;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    return text;
}

/* A value as an error line may show it: one line, not long. */
static const char *shown(const char *value)
{
    static char text[100];
    size_t n = 0;

    for (; *value && n < 80; value++)
        text[n++] = (unsigned char)*value < ' ' || *value == 0x7f ? '?' : *value;
    strcpy(text + n, *value ? "..." : "");
    return text;
}

static size_t option_count(void)
{
    size_t n = 0;

    while (self.options[n].name)
        n++;
    return n;
}

static void give(size_t option, rank at, bool is_path, const char *text, char *origin)
{
    given *g = &self.given[option][at];

    if (is_path)
        g->path = format_text("%s", text);
    else
        g->text = format_text("%s", text);
    g->origin = origin;
}

/* ---- flags ---- */

static bool is_flag(const char *flag, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(flag, name, length) == 0;
}

static bool is_secret_file(const char *flag, size_t length, const daemon_option *option)
{
    static const char suffix[] = "-file";
    size_t name = strlen(option->name);

    return option->type == DAEMON_SECRET && length == name + strlen(suffix) &&
           memcmp(flag, option->name, name) == 0 &&
           memcmp(flag + name, suffix, strlen(suffix)) == 0;
}

/* --help, --version, --check-config. */
static bool take_switch(const char *flag, size_t length, const char *value)
{
    const struct {
        const char *name;
        bool *seen;
    } switches[] = {
        {"help", &self.help}, {"version", &self.version}, {"check-config", &self.checking}};

    for (size_t i = 0; i < LENGTH(switches); i++) {
        if (!is_flag(flag, length, switches[i].name))
            continue;
        if (value)
            leave(DAEMON_EXIT_USAGE, "--%s takes no value", switches[i].name);
        *switches[i].seen = true;
        return true;
    }
    return false;
}

/* The value after '=', or the next argument, which is then used up. */
static const char *flag_value(const char *flag, size_t length, const char *value, char **argv,
                              int *i)
{
    if (value == NULL)
        value = argv[++*i];
    if (value == NULL)
        leave(DAEMON_EXIT_USAGE, "--%.*s needs a value", (int)length, flag);
    return value;
}

static void take_option(const char *flag, size_t length, const char *value, char **argv, int *i)
{
    for (size_t o = 0; o < option_count(); o++) {
        const daemon_option *option = &self.options[o];
        bool from_file = is_secret_file(flag, length, option);

        if (!from_file && !is_flag(flag, length, option->name))
            continue;
        if (!from_file && option->type == DAEMON_SECRET)
            leave(DAEMON_EXIT_USAGE,
                  "--%s: a secret is no flag's value; set %s or use --%s-file FILE", option->name,
                  option->env, option->name);
        if (self.given[o][BY_FLAG].origin)
            leave(DAEMON_EXIT_USAGE, "--%.*s is given twice", (int)length, flag);
        if (option->type == DAEMON_BOOLEAN && value == NULL)
            value = "true";
        else
            value = flag_value(flag, length, value, argv, i);
        give(o, BY_FLAG, from_file, value, format_text("flag --%.*s", (int)length, flag));
        return;
    }
    self.unknown_flag = format_text("%.*s", (int)length, flag);
    leave(DAEMON_EXIT_USAGE, "unknown flag --%s (see --help)", shown(self.unknown_flag));
}

static void take_flag(char **argv, int *i)
{
    const char *flag = argv[*i] + 2, *equals = strchr(flag, '=');
    size_t length = equals ? (size_t)(equals - flag) : strlen(flag);
    const char *value = equals ? equals + 1 : NULL;

    if (take_switch(flag, length, value))
        return;
    if (is_flag(flag, length, "env-file"))
        self.env_file = flag_value(flag, length, value, argv, i);
    else
        take_option(flag, length, value, argv, i);
}

/* Flags are taken, operands are moved to argv[1..n]. Returns n. */
static int read_arguments(int argc, char **argv)
{
    int operands = 0;
    bool flags = true;

    for (int i = 1; i < argc; i++) {
        if (flags && strcmp(argv[i], "--") == 0)
            flags = false;
        else if (flags && strncmp(argv[i], "--", 2) == 0)
            take_flag(argv, &i);
        else if (flags && argv[i][0] == '-' && argv[i][1])
            leave(DAEMON_EXIT_USAGE, "unknown flag %s (flags begin with two dashes, see --help)",
                  shown(argv[i]));
        else
            argv[++operands] = argv[i];
    }
    return operands;
}

/* The command that the operands name; NULL: serve. */
static const daemon_command *find_command(int operands, char **argv)
{
    if (operands == 0)
        return NULL;
    for (const daemon_command *c = self.program->commands; c && c->name; c++) {
        if (strcmp(c->name, argv[1]) != 0)
            continue;
        if (operands - 1 > c->max_operands)
            leave(DAEMON_EXIT_USAGE, "%s: too many operands, from \"%s\" on (see --help)", c->name,
                  shown(argv[c->max_operands + 2]));
        return c;
    }
    leave(DAEMON_EXIT_USAGE, "unknown operand \"%s\" (see --help)", shown(argv[1]));
}

/* ---- environment and files ---- */

static void read_environment(void)
{
    for (size_t o = 0; o < option_count(); o++) {
        const daemon_option *option = &self.options[o];
        if (!option->env)
            continue;
        const char *value = getenv(option->env);
        char *file_name = format_text("%s_FILE", option->env);
        const char *path = option->type == DAEMON_SECRET ? getenv(file_name) : NULL;

        if (value && *value)
            give(o, BY_ENVIRONMENT, false, value, format_text("environment"));
        else if (path && *path)
            give(o, BY_ENVIRONMENT, true, path, format_text("environment %s", file_name));
        free(file_name);
    }
}

typedef struct file_read {
    const char *path;
    rank at;
} file_read;

static void take_entry(const char *key, const char *value, int line, void *user)
{
    const file_read *file = user;

    for (size_t o = 0; o < option_count(); o++) {
        const daemon_option *option = &self.options[o];
        if (!option->env)
            continue;
        size_t length = strlen(option->env);
        bool is_path = option->type == DAEMON_SECRET && strncmp(key, option->env, length) == 0 &&
                       strcmp(key + length, "_FILE") == 0;

        if (*value && (is_path || strcmp(key, option->env) == 0))
            give(o, file->at, is_path, value, format_text("%s line %d", file->path, line));
    }
}

/* The whole file, NUL at its end. Returns 0 or a negative errno. */
static int read_file(const char *path, size_t limit, char **ret, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = malloc(limit + 1);
    size_t size = 0;
    ssize_t n = 1;

    if (text == NULL)
        abort();
    while (fd >= 0 && n > 0 && size < limit) {
        n = read(fd, text + size, limit - size);
        if (n > 0)
            size += (size_t)n;
    }
    if (fd < 0 || n != 0) {
        int r = fd < 0 || n < 0 ? -errno : -EFBIG;
        if (fd >= 0)
            close(fd);
        free(text);
        return r;
    }
    close(fd);
    text[size] = '\0';
    *ret = text;
    *ret_size = size;
    return 0;
}

static void read_env_file(const char *path, rank at, bool must_exist)
{
    file_read file = {path, at};
    dotenv_error error = {0, NULL};
    char *text;
    size_t size;
    int r = read_file(path, FILE_MAX_BYTES, &text, &size);

    if (r == -ENOENT && !must_exist)
        return;
    if (r < 0)
        leave(DAEMON_EXIT_NOT_CONFIGURED, "%s: %s", path, strerror(-r));
    r = dotenv_parse(text, size, take_entry, &file, &error);
    if (r < 0)
        leave(DAEMON_EXIT_NOT_CONFIGURED, "%s line %d: %s", path, error.line,
              error.reason ? error.reason : strerror(-r));
    free(text);
}

static void read_env_files(void)
{
    if (self.env_file) {
        read_env_file(self.env_file, BY_FILE, true);
        return;
    }
    read_env_file(".env.local", BY_LOCAL_FILE, false);
    read_env_file(".env", BY_FILE, false);
}

/* ---- values ---- */

/* A secret's file holds the secret and perhaps one newline. */
static char *read_secret(const daemon_option *option, const given *from)
{
    char *text;
    size_t size;
    int r = read_file(from->path, SECRET_MAX_BYTES, &text, &size);

    if (r < 0)
        leave(DAEMON_EXIT_NOT_CONFIGURED, "%s (%s): cannot read \"%s\": %s", option->env,
              from->origin, shown(from->path), strerror(-r));
    if (size > 0 && text[size - 1] == '\n')
        size--;
    if (size > 0 && text[size - 1] == '\r')
        size--;
    text[size] = '\0';
    if (size == 0 || strlen(text) != size)
        leave(DAEMON_EXIT_NOT_CONFIGURED, "%s (%s): \"%s\" is empty or holds a NUL byte",
              option->env, from->origin, shown(from->path));
    return text;
}

static const char *host_name(void)
{
    static char name[256];

    if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
        strcpy(name, "localhost");
    return name;
}

static const char *text_of(size_t o)
{
    return *(const char *const *)((const char *)self.config + self.options[o].offset);
}

static void store(size_t o, const char *text)
{
    const daemon_option *option = &self.options[o];
    char expected[200];

    if (setting_store(option, text, self.config)) {
        if (setting_is_text(option))
            self.texts[o] = text_of(o);
        return;
    }
    setting_expected(option, expected, sizeof(expected));
    if (option->type == DAEMON_SECRET)
        leave(DAEMON_EXIT_NOT_CONFIGURED, "%s (%s) is invalid: expected %s", option->env,
              self.origin[o], expected);
    leave(option->env ? DAEMON_EXIT_NOT_CONFIGURED : DAEMON_EXIT_USAGE,
          "%s is \"%s\" (%s): expected %s", option->env ? option->env : option->name, shown(text),
          self.origin[o], expected);
}

static void say_missing(const daemon_option *option)
{
    bool secret = option->type == DAEMON_SECRET;

    leave(DAEMON_EXIT_NOT_CONFIGURED,
          "%s is not set: %s; set the variable, write it to .env.local, or use --%s%s %s",
          option->env, option->help, option->name, secret ? "-file" : "",
          secret ? "FILE" : setting_operand(option));
}

static void resolve(size_t o, unsigned required)
{
    const daemon_option *option = &self.options[o];

    for (int at = 0; at < RANKS; at++) {
        const given *g = &self.given[o][at];

        if (g->origin == NULL)
            continue;
        self.origin[o] = g->origin;
        if (g->text == NULL) {
            char *secret = read_secret(option, g);
            daemon_log_redact(secret);
            store(o, secret);
            return;
        }
        if (option->type == DAEMON_SECRET)
            daemon_log_redact(g->text);
        store(o, g->text);
        return;
    }
    self.origin[o] = "default";
    if (option->fallback)
        store(o, strcmp(option->fallback, "%H") == 0 ? host_name() : option->fallback);
    else if (option->flags & required)
        say_missing(option);
}

static size_t find_option(const char *name)
{
    size_t o = 0;

    while (self.options[o].name && strcmp(self.options[o].name, name) != 0)
        o++;
    return o;
}

void daemon_misconfigured(const char *name, const char *format, ...)
{
    size_t o = find_option(name);
    char reason[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    if (self.options[o].name == NULL)
        leave(DAEMON_EXIT_NOT_CONFIGURED, "%s: %s", name, reason);
    leave(DAEMON_EXIT_NOT_CONFIGURED, "%s (%s): %s", self.options[o].env, self.origin[o], reason);
}

/* ---- what every daemon has ---- */

static void apply_log_level(void)
{
    size_t o = find_option("log-level");
    daemon_level level;

    if (self.options[o].name == NULL)
        return;
    if (!daemon_level_parse(text_of(o), &level))
        daemon_misconfigured("log-level", "is \"%s\": expected debug, info, warn or error",
                             shown(text_of(o)));
    daemon_log_set_level(level);
}

static int make_directories(char *path)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(path, 0700) != 0 && errno != EEXIST ? -errno : 0;
}

static void make_state_directory(void)
{
    size_t o = find_option("state-directory");
    struct stat info;
    char *path;
    int r;

    if (self.options[o].name == NULL || text_of(o) == NULL)
        return;
    path = format_text("%s", text_of(o));
    r = make_directories(path);
    if (r == 0 && (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)))
        r = -ENOTDIR;
    if (r == 0 && access(path, W_OK | X_OK) != 0)
        r = -errno;
    if (r < 0)
        daemon_misconfigured("state-directory", "cannot use \"%s\": %s", shown(text_of(o)),
                             strerror(-r));
    free(path);
}

bool daemon_checking_config(void)
{
    return self.checking;
}

void daemon_config_checked(void)
{
    fprintf(stderr, "%s: the configuration is valid\n", self.program->name);
    exit(DAEMON_EXIT_DONE);
}

static void free_given(void)
{
    for (size_t o = 0; o < option_count(); o++)
        for (int at = 0; at < RANKS; at++) {
            free(self.given[o][at].text);
            free(self.given[o][at].path);
            if (self.given[o][at].origin != self.origin[o])
                free(self.given[o][at].origin);
        }
    free(self.given);
    self.given = NULL;
}

int daemon_init(int argc, char **argv, const daemon_program *program, const daemon_option *options,
                void *config)
{
    const daemon_command *command;
    unsigned required = DAEMON_REQUIRED | DAEMON_ALWAYS;
    int operands;

    memset(&self, 0, sizeof(self));
    self.program = program;
    self.options = options;
    self.config = config;
    self.given = calloc(option_count() + 1, sizeof(*self.given));
    self.origin = calloc(option_count() + 1, sizeof(*self.origin));
    self.texts = calloc(option_count() + 1, sizeof(*self.texts));
    if (self.given == NULL || self.origin == NULL || self.texts == NULL)
        abort();
    operands = read_arguments(argc, argv);
    if (self.help) {
        help_print(stdout, program, options);
        exit(DAEMON_EXIT_DONE);
    }
    if (self.version) {
        printf("%s %s\n", program->name, program->version);
        exit(DAEMON_EXIT_DONE);
    }
    command = find_command(operands, argv);
    if (command && command->offline)
        required = DAEMON_ALWAYS;
    read_environment();
    read_env_files();
    for (size_t o = 0; o < option_count(); o++)
        resolve(o, required);
    free_given();
    apply_log_level();
    make_state_directory();
    if (self.checking && !program->own_checks)
        daemon_config_checked();
    daemon_signals_block();
    return operands;
}
