/* convexc.h - what the parts of the command line share. */
#ifndef CONVEXC_H
#define CONVEXC_H

#include <convex/client.h>
#include <convex/http.h>
#include <convex/identity.h>

#include <stdio.h>

/* Exit statuses; the texts of --help are in help.c. */
enum {
    EXIT_DONE = 0,
    EXIT_THREW = 1,
    EXIT_USAGE = 2,
    EXIT_NETWORK = 3,
    EXIT_AUTH = 4,
    EXIT_SERVER = 5,
    EXIT_UNKNOWN = 6,
    EXIT_LOCAL = 7
};

enum { OPERANDS_MAX = 16 };

/* What the command line says; texts are borrowed from it. */
typedef struct settings {
    const char *url, *env_file;
    const char *ca, *pin, *cert, *cert_key, *proxy, *unix_socket;
    unsigned timeout_s;
    const char *token_file, *admin_key_file, *acting_as;
    bool anonymous, admin;
    const char *key_file, *kid, *issuer, *audience, *subject, *role;
    unsigned lifetime_s;
    const char *in, *out;
    bool quiet, help;
    const char *component;
    unsigned retries;
    bool http;
    unsigned count;
    bool diff;
    unsigned page_size, limit;
    bool watch;
    const char *type, *output;
    bool resume;
    const char *algorithm;
    const char *operands[OPERANDS_MAX];
    int operand_count;
} settings;

/* ---- the tables (options.c) ---- */

/* Which commands an option belongs to. */
enum {
    FOR_CONNECTION = 1 << 0,
    FOR_CREDENTIAL = 1 << 1,
    FOR_IDENTITY = 1 << 2,
    FOR_VALUES = 1 << 3,
    FOR_CALLS = 1 << 4,
    FOR_MUTATIONS = 1 << 5,
    FOR_SUBSCRIBE = 1 << 6,
    FOR_PAGINATE = 1 << 7,
    FOR_UPLOAD = 1 << 8,
    FOR_DOWNLOAD = 1 << 9,
    FOR_GENERATE = 1 << 10,
    FOR_CONFIG = 1 << 11,
    FOR_TIMED = 1 << 12,
    FOR_OUTBOX = 1 << 13,
    FOR_ALL = 1 << 14
};

typedef enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER } option_kind;

typedef struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* or NUL */
    const char *argument;
    option_kind kind;
    size_t offset; /* into settings */
    unsigned groups;
    const char *help;
} option_row;

typedef struct command {
    const char *name; /* one word or two */
    const char *operands;
    int least, most;
    unsigned groups;
    int (*run)(const settings *s);
    const char *summary, *text, *example;
} command;

extern const option_row option_rows[];
extern const size_t option_row_count;
extern const command commands[];
extern const size_t command_count;

/* The command that begins at argv[1], and how many words name it; NULL: none. */
const command *find_command(int argc, char **argv, int *ret_words);
/* False, with words on stderr, when the line is wrong. */
bool read_command_line(const command *c, int argc, char **argv, settings *ret);

/* ---- help.c ---- */

void print_overview(FILE *to);
void print_command_help(const command *c, FILE *to);

/* ---- environment.c ---- */

/* A variable of the environment, else of the file of --env-file or .env.local; NULL when it is
 * in neither, or empty. */
const char *variable(const settings *s, const char *name);
/* Overwrites and releases what was read. */
void forget_environment(void);

/* ---- session.c: the way to the deployment, and who asks ---- */

/* A credential as the settings and the environment have it. */
typedef struct credential {
    convex_auth auth;
    convex_identity *identity;
    char *secret;       /* read from a file */
    const char *origin; /* where it comes from, for a person */
} credential;

int open_credential(const settings *s, credential *ret);
void close_credential(credential *c);
int make_identity(const settings *s, const char *key_file, convex_identity **ret);

/* NULL when there is none. */
const char *deployment_url(const settings *s);
convex_network network_of(const settings *s);
convex_http_options http_options_of(const settings *s, const credential *c);
int open_http(const settings *s, const credential *c, convex_http **ret);
/* `on_state` may be NULL. */
int open_client(const settings *s, const credential *c, convex_state_fn *on_state, void *user,
                convex_client **ret);

/* Set by SIGINT and SIGTERM after catch_signals(). */
bool interrupted(void);
int exit_status_of_signal(void);
void catch_signals(void);
/* Drives the client until it is closed or *done; a signal closes it. False when `timeout_ms`
 * passed first (0: none), or, `done` being NULL, when nobody reads the standard output any more. */
bool drive(convex_client *client, const bool *done, unsigned timeout_ms);
/* Waiting longer would not help: nobody was ever reached, or the credential was refused. Says so;
 * EXIT_DONE while there is hope. */
int say_when_hopeless(const convex_state *state);

/* ---- values.c: JSON in and out ---- */

/* The whole of a file; "-": standard input. NUL-terminated, release with free(). */
int read_file(const char *path, char **ret, size_t *ret_len);
/* An operand: JSON, "@FILE" or "-"; NULL: {}. Release with convex_value_unref(). */
int read_args(const settings *s, const char *operand, convex_value **ret);
int print_value(const settings *s, const convex_value *value);
void print_logs(const settings *s, const convex_result *result); /* on stderr */
/* The value on stdout, or what was thrown on stderr; log lines on stderr. */
int print_result(const settings *s, const convex_result *result);

int fail(int exit_status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says what went wrong; the exit status for it. */
int fail_with(convex_status status, const convex_error *error);
int exit_status_of(convex_status status);

/* ---- diff.c ---- */

/* Prints what changed: "+ path: value", "- path: value", "~ path: old -> new". */
int print_changes(const settings *s, const convex_value *before, const convex_value *after);

/* ---- paginated queries ---- */

unsigned page_size_of(const settings *s); /* call.c */
int watch_pages(const settings *s);       /* subscribe.c */

/* ---- token.c ---- */

/* Claim iss of a token, owned; NULL when it has none. */
char *token_issuer(const char *token);

/* ---- the commands ---- */

int run_query(const settings *s);
int run_mutation(const settings *s);
int run_action(const settings *s);
int run_function(const settings *s);
int run_subscribe(const settings *s);
int run_paginate(const settings *s);
int run_upload(const settings *s);
int run_download(const settings *s);
int run_token_show(const settings *s);
int run_token_mint(const settings *s);
int run_keys_generate(const settings *s);
int run_keys_jwks(const settings *s);
int run_keys_config(const settings *s);
int run_outbox_list(const settings *s);
int run_outbox_count(const settings *s);
int run_status(const settings *s);
int run_completion(const settings *s);

#endif
