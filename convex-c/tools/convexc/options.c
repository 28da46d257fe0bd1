/* options.c - the commands and options of the program: one table of each, from which the command
 * line is read, and --help and the completion of shells are written. */
#include "convexc.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(settings, field)

enum {
    DEPLOYMENT = FOR_CONNECTION | FOR_CREDENTIAL | FOR_IDENTITY,
    CALL = DEPLOYMENT | FOR_TIMED | FOR_VALUES | FOR_CALLS
};

const option_row option_rows[] = {
    {"url", 'u', "URL", OPTION_TEXT, AT(url), FOR_CONNECTION,
     "the deployment, such as https://happy-animal-1.convex.cloud"},
    {"env-file", 0, "FILE", OPTION_TEXT, AT(env_file), FOR_CONNECTION | FOR_CREDENTIAL,
     "KEY=VALUE lines for what the environment does not set (.env.local)"},
    {"timeout", 't', "SECONDS", OPTION_NUMBER, AT(timeout_s), FOR_TIMED,
     "for the call or the file (60; actions 330, uploads 300, downloads none)"},
    {"ca", 0, "FILE", OPTION_TEXT, AT(ca), FOR_CONNECTION,
     "PEM file of the CAs to trust instead of the system's"},
    {"pin", 0, "PINS", OPTION_TEXT, AT(pin), FOR_CONNECTION,
     "the server's public key: sha256//BASE64[;sha256//BASE64...]"},
    {"cert", 0, "FILE", OPTION_TEXT, AT(cert), FOR_CONNECTION, "client certificate in PEM"},
    {"cert-key", 0, "FILE", OPTION_TEXT, AT(cert_key), FOR_CONNECTION,
     "its key in PEM (in the same file)"},
    {"proxy", 0, "URL", OPTION_TEXT, AT(proxy), FOR_CONNECTION,
     "proxy; empty: none (that of the environment)"},
    {"unix-socket", 0, "PATH", OPTION_TEXT, AT(unix_socket), FOR_CONNECTION,
     "connect to this socket instead of the URL's host"},
    {"token-file", 0, "FILE", OPTION_TEXT, AT(token_file), FOR_CREDENTIAL,
     "a user's JWT; - reads standard input"},
    {"admin-key-file", 0, "FILE", OPTION_TEXT, AT(admin_key_file), FOR_CREDENTIAL,
     "the deployment's admin key"},
    {"key-file", 0, "FILE", OPTION_TEXT, AT(key_file), FOR_IDENTITY,
     "a service's private key in PEM: tokens are made with it"},
    {"kid", 0, "NAME", OPTION_TEXT, AT(kid), FOR_IDENTITY, "name of the key (its thumbprint)"},
    {"issuer", 0, "URL", OPTION_TEXT, AT(issuer), FOR_IDENTITY | FOR_CONFIG, "claim iss"},
    {"audience", 0, "NAME", OPTION_TEXT, AT(audience), FOR_IDENTITY | FOR_CONFIG, "claim aud"},
    {"subject", 0, "NAME", OPTION_TEXT, AT(subject), FOR_IDENTITY, "claim sub (convexc)"},
    {"role", 0, "NAME", OPTION_TEXT, AT(role), FOR_IDENTITY, "claim role"},
    {"lifetime", 0, "SECONDS", OPTION_NUMBER, AT(lifetime_s), FOR_IDENTITY,
     "how long a token holds (600)"},
    {"admin", 0, NULL, OPTION_FLAG, AT(admin), FOR_CREDENTIAL,
     "ask as admin even when there is a token"},
    {"as", 0, "JSON", OPTION_TEXT, AT(acting_as), FOR_CREDENTIAL,
     "ask as admin acting as this user: {\"tokenIdentifier\":...}, or issuer and subject"},
    {"anonymous", 0, NULL, OPTION_FLAG, AT(anonymous), FOR_CREDENTIAL,
     "ask as nobody, whatever the environment holds"},
    {"in", 0, "FORM", OPTION_TEXT, AT(in), FOR_VALUES, "JSON read: encoded (lossless) or plain"},
    {"out", 0, "FORM", OPTION_TEXT, AT(out), FOR_VALUES,
     "JSON written: encoded (lossless) or plain (readable)"},
    {"quiet", 'q', NULL, OPTION_FLAG, AT(quiet), FOR_VALUES, "no log lines of the function"},
    {"component", 0, "PATH", OPTION_TEXT, AT(component), FOR_CALLS,
     "component that has the function; needs the admin key"},
    {"retries", 0, "N", OPTION_NUMBER, AT(retries), FOR_CALLS,
     "over HTTP: try again that often after a lost race or an overloaded server (0)"},
    {"http", 0, NULL, OPTION_FLAG, AT(http), FOR_MUTATIONS,
     "one HTTP request instead of the live connection"},
    {"count", 'n', "N", OPTION_NUMBER, AT(count), FOR_SUBSCRIBE | FOR_PAGINATE,
     "end after N results"},
    {"diff", 'd', NULL, OPTION_FLAG, AT(diff), FOR_SUBSCRIBE | FOR_PAGINATE,
     "after the first result print what changed"},
    {"page-size", 0, "N", OPTION_NUMBER, AT(page_size), FOR_PAGINATE, "items of one page (100)"},
    {"limit", 0, "N", OPTION_NUMBER, AT(limit), FOR_PAGINATE | FOR_OUTBOX, "end after N items"},
    {"watch", 'w', NULL, OPTION_FLAG, AT(watch), FOR_PAGINATE,
     "stay, and print all items as one array each time one changed"},
    {"type", 0, "TYPE", OPTION_TEXT, AT(type), FOR_UPLOAD,
     "content type kept with the file (application/octet-stream)"},
    {"output", 'o', "FILE", OPTION_TEXT, AT(output), FOR_DOWNLOAD, "write here (standard output)"},
    {"resume", 0, NULL, OPTION_FLAG, AT(resume), FOR_DOWNLOAD,
     "go on with what FILE already holds"},
    {"algorithm", 0, "NAME", OPTION_TEXT, AT(algorithm), FOR_GENERATE, "ES256 (default) or RS256"},
    {"help", 'h', NULL, OPTION_FLAG, AT(help), FOR_ALL, "this text"},
};
const size_t option_row_count = sizeof option_rows / sizeof option_rows[0];

const command commands[] = {
    {"query", "PATH [ARGS]", 1, 2, CALL, run_query, "run a query once",
     "Runs the query PATH (\"messages:list\") over HTTP and prints its value. ARGS is a JSON\n"
     "object, @FILE to read it from a file, or - for standard input; default {}.",
     "convexc query messages:list '{\"channel\":\"general\"}'"},
    {"mutation", "PATH [ARGS]", 1, 2, CALL | FOR_MUTATIONS, run_mutation, "run a mutation once",
     "Runs the mutation PATH and prints its value. It goes over the live connection, where it is\n"
     "sent again after a lost connection and yet takes effect once; over HTTP (--http) a lost\n"
     "answer leaves the outcome unknown (exit status 6).",
     "convexc mutation messages:send @message.json"},
    {"action", "PATH [ARGS]", 1, 2, CALL, run_action, "run an action once",
     "Runs the action PATH over HTTP and prints its value. It is sent once, so a live connection\n"
     "would gain nothing; a lost answer leaves the outcome unknown (exit status 6).",
     "convexc action mail:send '{\"to\":\"ada@example.com\"}'"},
    {"function", "PATH [ARGS]", 1, 2, CALL, run_function, "run any function as admin",
     "Runs a query, mutation or action over HTTP, internal ones too. Needs the admin key.",
     "convexc function crons:cleanUp"},
    {"subscribe", "PATH [ARGS]", 1, 2, DEPLOYMENT | FOR_VALUES | FOR_SUBSCRIBE, run_subscribe,
     "print every result of a query",
     "Prints the result of the query PATH, and each new one as it changes, a line each, over the\n"
     "live connection, which reconnects by itself. A failed query prints {\"error\":...}. Ends "
     "after\n"
     "--count results, or with exit status 0 at SIGINT or SIGTERM.",
     "convexc subscribe messages:list '{\"channel\":\"general\"}' --diff"},
    {"paginate", "PATH [ARGS]", 1, 2, CALL | FOR_PAGINATE, run_paginate,
     "print all items of a paginated query",
     "Prints the items of the paginated query PATH, a line each. Its pages are asked for over "
     "HTTP\n"
     "at one point in time, so that together they are one state of the database, which holds for\n"
     "about four minutes. With --watch they are followed over the live connection instead, as\n"
     "subscribe does. paginationOpts is added to ARGS.",
     "convexc paginate messages:page --page-size 500 > messages.jsonl"},
    {"upload", "PATH|URL FILE", 2, 2, DEPLOYMENT | FOR_TIMED | FOR_UPLOAD, run_upload,
     "store a file",
     "Stores FILE (-: standard input) and prints {\"storageId\",\"size\",\"sha256\"}. PATH is a "
     "mutation\n"
     "that returns the text of ctx.storage.generateUploadUrl(); an upload URL will do, too.",
     "convexc upload files:uploadUrl photo.png --type image/png"},
    {"download", "PATH|URL [ARGS]", 1, 2, DEPLOYMENT | FOR_TIMED | FOR_DOWNLOAD, run_download,
     "read a file",
     "Reads a file and checks its checksum. PATH is a query that returns the text of\n"
     "ctx.storage.getUrl(); a URL will do, too. A lost connection is taken up where it ended.",
     "convexc download files:url '{\"id\":\"kg2...\"}' -o photo.png"},
    {"token show", "[FILE]", 0, 1, FOR_CREDENTIAL, run_token_show, "show what is in a token",
     "Prints header and claims of a JWT as JSON, without verifying anything. It is read from FILE\n"
     "(-: standard input), or is the one that --token-file or the environment has.",
     "convexc token show token.txt"},
    {"token mint", "", 0, 0, FOR_IDENTITY, run_token_mint, "make a token with a key file",
     "Prints a JWT made with --key-file, --issuer and --audience.",
     "convexc token mint --key-file key.pem --issuer https://ingest.example --audience app"},
    {"keys generate", "FILE", 1, 1, FOR_GENERATE, run_keys_generate, "make a service's key",
     "Makes a private key in FILE (mode 0600; never over a file that is there) and prints its "
     "name.",
     "convexc keys generate key.pem"},
    {"keys jwks", "FILE...", 1, OPERANDS_MAX, 0, run_keys_jwks, "print the public keys",
     "Prints the public halves of private keys as a JWKS.", "convexc keys jwks key.pem"},
    {"keys config", "FILE...", 1, OPERANDS_MAX, FOR_CONFIG, run_keys_config,
     "print an auth.config.ts",
     "Prints a convex/auth.config.ts that trusts these keys, for --issuer and --audience. Give "
     "the\n"
     "old and the new key while one replaces the other.",
     "convexc keys config key.pem --issuer https://ingest.example --audience app"},
    {"outbox list", "FILE", 1, 1, FOR_OUTBOX, run_outbox_list, "show what waits in an outbox",
     "Prints the mutations that an outbox's FILE holds, in their order, a line each, while "
     "another\n"
     "process may have it open. Times are milliseconds since 1970; sentAt null: never sent.",
     "convexc outbox list /var/lib/app/outbox.db --limit 10"},
    {"outbox count", "FILE", 1, 1, 0, run_outbox_count, "say how much waits in an outbox",
     "Prints {\"entries\",\"sent\",\"argsBytes\",\"oldestSeconds\"} of an outbox's FILE.",
     "convexc outbox count /var/lib/app/outbox.db"},
    {"status", "", 0, 0, DEPLOYMENT, run_status, "find out what is wrong",
     "Checks the URL, the name, the way to the server, its version, the clocks, the live "
     "connection\n"
     "and the credential: a line each, with what to do when something is not as it should be. The\n"
     "exit status is that of the first fault.",
     "convexc status"},
    {"completion", "bash|zsh|fish", 1, 1, 0, run_completion, "print completion for a shell",
     "Prints what a shell needs to complete commands and options; bash and zsh source it.",
     "source <(convexc completion bash)"},
};
const size_t command_count = sizeof commands / sizeof commands[0];

/* ---- reading the line ---- */

const command *find_command(int argc, char **argv, int *ret_words)
{
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i].name, *space = strchr(name, ' ');
        size_t len = space ? (size_t)(space - name) : strlen(name);
        if (argc < 2 || strlen(argv[1]) != len || strncmp(argv[1], name, len) != 0)
            continue;
        if (space && (argc < 3 || strcmp(argv[2], space + 1) != 0))
            continue;
        *ret_words = space ? 2 : 1;
        return &commands[i];
    }
    return NULL;
}

/* The option that `arg` begins with, of those the command has; `ret_value` when it is joined. */
static const option_row *find_option(const command *c, const char *arg, const char **ret_value)
{
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);

    *ret_value = equals ? equals + 1 : NULL;
    for (size_t i = 0; i < option_row_count; i++) {
        const option_row *o = &option_rows[i];
        if (!(o->groups & (c->groups | FOR_ALL)))
            continue;
        if (len == strlen(o->name) + 2 && strncmp(arg + 2, o->name, len - 2) == 0)
            return o;
        if (o->letter && arg[0] == '-' && arg[1] == o->letter && arg[2] == '\0') {
            *ret_value = NULL;
            return o;
        }
    }
    return NULL;
}

static bool wrong(const command *c, const char *what, const char *which)
{
    fprintf(stderr, "convexc: %s%s\nSee convexc %s --help.\n", what, which, c->name);
    return false;
}

static bool store(const command *c, const option_row *o, const char *value, settings *ret)
{
    char *place = (char *)ret + o->offset, *end = NULL;

    if (o->kind == OPTION_FLAG) {
        memcpy(place, &(bool){true}, sizeof(bool));
        return !value || wrong(c, "a value was given to --", o->name);
    }
    if (!value)
        return wrong(c, "a value is missing after --", o->name);
    if (o->kind == OPTION_TEXT) {
        memcpy(place, &value, sizeof value);
        return true;
    }
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || errno || number > UINT_MAX / 1000)
        return wrong(c, "no number, or one too large, after --", o->name);
    unsigned small = (unsigned)number;
    memcpy(place, &small, sizeof small);
    return true;
}

static bool check_forms(const command *c, const settings *s)
{
    const char *forms[] = {s->in, s->out};

    for (int i = 0; i < 2; i++)
        if (forms[i] && strcmp(forms[i], "encoded") != 0 && strcmp(forms[i], "plain") != 0)
            return wrong(c, "no form of JSON: ", forms[i]);
    return true;
}

bool read_command_line(const command *c, int argc, char **argv, settings *ret)
{
    bool options = true;

    *ret = (settings){0};
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i], *value = NULL;
        if (options && strcmp(arg, "--") == 0) {
            options = false;
        } else if (options && arg[0] == '-' && arg[1] != '\0') {
            const option_row *o = find_option(c, arg, &value);
            if (!o)
                return wrong(c, "no such option: ", arg);
            if (o->kind != OPTION_FLAG && !value && i + 1 < argc)
                value = argv[++i];
            if (!store(c, o, value, ret))
                return false;
        } else if (ret->operand_count == c->most) {
            return wrong(c, "one operand too many: ", arg);
        } else {
            ret->operands[ret->operand_count++] = arg;
        }
    }
    if (!ret->help && ret->operand_count < c->least)
        return wrong(c, "an operand is missing: ", c->operands);
    return check_forms(c, ret);
}
