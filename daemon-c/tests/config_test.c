/* config_test.c - each case is a process that calls daemon_init in a directory of its own. */
#include "harness.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/config.h"
#include "daemon/log.h"

typedef struct config {
    daemon_settings daemon;
    const char *url, *token, *file, *word;
    int64_t batch, patience_ms;
    bool loud;
} config;

static const daemon_option options[] = {
    DAEMON_SETTINGS(config, daemon),
    {"convex-url", "CONVEX_URL", NULL, "URL", "the deployment to write to", DAEMON_URL,
     DAEMON_REQUIRED, offsetof(config, url), 0, 0},
    {"discord-token", "DISCORD_TOKEN", NULL, NULL, "the token of the bot", DAEMON_SECRET,
     DAEMON_REQUIRED, offsetof(config, token), 0, 0},
    {"sources-file", "SOURCES_FILE", NULL, "FILE", "where the sources are", DAEMON_PATH, 0,
     offsetof(config, file), 0, 0},
    {"word", "WORD", "fallback", NULL, "a word", DAEMON_STRING, 0, offsetof(config, word), 0, 0},
    {"batch", "BATCH", "64", NULL, "events in one call", DAEMON_INTEGER, 0, offsetof(config, batch),
     1, 64},
    {"patience", "PATIENCE", "10s", NULL, "how long to wait", DAEMON_DURATION, 0,
     offsetof(config, patience_ms), 1, 60000},
    {"loud", "LOUD", "false", NULL, "say more", DAEMON_BOOLEAN, 0, offsetof(config, loud), 0, 0},
    DAEMON_OPTIONS_END};

static const daemon_command commands[] = {{"events", NULL, "lists what is kept", 0, true},
                                          {"show", "ID", "shows one", 1, true},
                                          {NULL, NULL, NULL, 0, false}};

static const daemon_program program = {
    "testd", "1.2.3", "does nothing, slowly", "  testd --loud\n", NULL, commands, false};

/* The outcome of one process: its exit status, stdout and stderr in one text. */
typedef struct outcome {
    int status;
    char text[16384];
} outcome;

static char *directory;

static int enter_directory(void **state)
{
    directory = make_directory();
    return chdir(directory);
}

static int leave_directory(void **state)
{
    assert_int_equal(chdir("/"), 0);
    remove_directory(directory);
    return 0;
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Splits `text` at spaces; `copy` has the words and must outlive the list. */
static void split(const char *text, char *copy, char **list, int limit)
{
    char *save = NULL;
    int n = 0;

    strcpy(copy, text);

    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        assert_true(n + 1 < limit);
        list[n++] = word;
    }
    list[n] = NULL;
}

static void run_child(const char *environment, const char *arguments)
{
    static char name[] = "testd", words[2][1024];
    char *variables[16], *argv[32] = {name};
    config c = {0};
    int argc = 1, operands;

    split(environment, words[0], variables, 16);
    split(arguments, words[1], argv + 1, 31);
    clearenv();
    setenv("HOME", "/", 1);
    for (int i = 0; variables[i]; i++)
        putenv(variables[i]);
    while (argv[argc])
        argc++;
    operands = daemon_init(argc, argv, &program, options, &c);
    printf("operands=%d first=%s url=%s word=%s batch=%ld patience=%ld loud=%d file=%s level=%s\n",
           operands, operands ? argv[1] : "-", c.url ? c.url : "-", c.word, (long)c.batch,
           (long)c.patience_ms, c.loud, c.file ? c.file : "-", c.daemon.log_level);
    fflush(stdout);
    if (c.token)
        daemon_log(DAEMON_INFO, "started", "token=%s", c.token);
    exit(0);
}

/* Both are split at spaces. STATE_DIRECTORY=state is added unless the environment has one. */
static outcome run(const char *environment, const char *arguments)
{
    outcome out = {0};
    char variables[1024];
    size_t length = 0;
    ssize_t n;
    int ends[2];
    pid_t child;

    snprintf(variables, sizeof(variables), "%s%s", environment,
             strstr(environment, "STATE_DIRECTORY") ? "" : " STATE_DIRECTORY=state");
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        run_child(variables, arguments);
    }
    close(ends[1]);
    while ((n = read(ends[0], out.text + length, sizeof(out.text) - 1 - length)) > 0)
        length += (size_t)n;
    close(ends[0]);
    assert_int_equal(waitpid(child, &out.status, 0), child);
    out.status = WIFEXITED(out.status) ? WEXITSTATUS(out.status) : 256;
    return out;
}

static void assert_contains(const outcome *out, const char *text)
{
    if (strstr(out->text, text) == NULL)
        fail_msg("expected \"%s\" in:\n%s", text, out->text);
}

/* One line, as an operator sees it. */
static void assert_refused(const char *environment, const char *arguments, int status,
                           const char *line)
{
    outcome out = run(environment, arguments);
    char expected[1024];

    snprintf(expected, sizeof(expected), "testd: %s\n", line);
    assert_string_equal(out.text, expected);
    assert_int_equal(out.status, status);
}

#define GOOD "CONVEX_URL=http://127.0.0.1:3210 DISCORD_TOKEN=token-of-the-test"

TEST(defaults_are_used_where_nothing_is_set)
{
    outcome out = run(GOOD, "");

    assert_int_equal(out.status, 0);
    assert_contains(&out, "operands=0 first=- url=http://127.0.0.1:3210 word=fallback batch=64 "
                          "patience=10000 loud=0 file=- level=info");
}

TEST(a_flag_beats_the_environment_which_beats_local_file_file_and_default)
{
    outcome out;

    write_text(".env", "WORD=file\nBATCH=3\n");
    out = run(GOOD, "");
    assert_contains(&out, "word=file batch=3");
    write_text(".env.local", "WORD=local\n");
    out = run(GOOD, "");
    assert_contains(&out, "word=local batch=3");
    out = run(GOOD " WORD=environment", "");
    assert_contains(&out, "word=environment batch=3");
    out = run(GOOD " WORD=environment", "--word=flag --batch 7");
    assert_contains(&out, "word=flag batch=7");
}

TEST(an_env_file_given_by_flag_replaces_the_usual_two)
{
    outcome out;

    write_text(".env", "WORD=usual\n");
    write_text("other.env", "BATCH=9\n");
    out = run(GOOD, "--env-file other.env");
    assert_contains(&out, "word=fallback batch=9");
    assert_refused(GOOD, "--env-file=none.env", 6, "none.env: No such file or directory");
}

TEST(an_empty_variable_counts_as_not_set)
{
    outcome out = run(GOOD " WORD=", "");

    assert_contains(&out, "word=fallback");
}

TEST(every_way_to_write_booleans_and_durations_is_read)
{
    outcome out = run(GOOD " LOUD=yes PATIENCE=250ms", "");

    assert_contains(&out, "patience=250 loud=1");
    out = run(GOOD, "--loud --patience 1m");
    assert_contains(&out, "patience=60000 loud=1");
    out = run(GOOD " LOUD=on", "--loud=off");
    assert_contains(&out, "loud=0");
}

TEST(a_trailing_slash_of_a_url_is_removed)
{
    outcome out = run("DISCORD_TOKEN=token", "--convex-url=https://example.com:443/base//");

    assert_contains(&out, "url=https://example.com:443/base word");
}

TEST(a_secret_comes_from_a_variable_or_a_file_and_never_shows_in_the_log)
{
    outcome out = run(GOOD, "");

    assert_contains(&out, "token=[redacted]");
    write_text("token", "secret in a file\n");
    out = run("CONVEX_URL=http://h", "--discord-token-file token");
    assert_contains(&out, "token=\"[redacted]\"");
    out = run("CONVEX_URL=http://h DISCORD_TOKEN_FILE=token", "");
    assert_contains(&out, "token=\"[redacted]\"");
}

TEST(operands_are_commands_of_the_table)
{
    outcome out = run("", "events --batch 2");

    assert_int_equal(out.status, 0);
    assert_contains(&out, "operands=1 first=events url=- word=fallback batch=2");
    assert_refused(GOOD, "dance", 2, "unknown operand \"dance\" (see --help)");
    assert_refused(GOOD, "show 1 2", 2, "show: too many operands, from \"2\" on (see --help)");
}

TEST(bad_usage_names_the_flag_and_exits_2)
{
    assert_refused(GOOD, "--colour=red", 2, "unknown flag --colour (see --help)");
    assert_refused(GOOD, "-x", 2, "unknown flag -x (flags begin with two dashes, see --help)");
    assert_refused(GOOD, "--batch", 2, "--batch needs a value");
    assert_refused(GOOD, "--batch 1 --batch 2", 2, "--batch is given twice");
    assert_refused(GOOD, "--help=yes", 2, "--help takes no value");
    assert_refused(GOOD, "--discord-token=abc", 2,
                   "--discord-token: a secret is no flag's value; set DISCORD_TOKEN or use "
                   "--discord-token-file FILE");
}

TEST(a_missing_setting_is_named_with_the_ways_to_set_it_and_exits_6)
{
    assert_refused("DISCORD_TOKEN=token", "", 6,
                   "CONVEX_URL is not set: the deployment to write to; set the variable, write it "
                   "to .env.local, or use --convex-url URL");
    assert_refused("CONVEX_URL=http://h", "", 6,
                   "DISCORD_TOKEN is not set: the token of the bot; set the variable, write it to "
                   ".env.local, or use --discord-token-file FILE");
    assert_refused(GOOD " STATE_DIRECTORY=", "", 6,
                   "STATE_DIRECTORY is not set: where accepted work is kept; set the variable, "
                   "write it to .env.local, or use --state-directory DIR");
}

#define URL_LINE "): expected a URL such as http://127.0.0.1:3210, without user or password"

TEST(an_invalid_value_is_shown_with_its_origin_and_what_is_expected)
{
    static const char *const bad_urls[] = {"127.0.0.1:3210",    "ftp://host",    "http://",
                                           "http://u:p@host",   "http://h:0",    "http://h:65536",
                                           "http://h:12x/path", "http://h/#f",   "http://[::1",
                                           "http:///path",      "http://h:/path"};
    char environment[200], line[300];

    for (size_t i = 0; i < sizeof(bad_urls) / sizeof(*bad_urls); i++) {
        snprintf(environment, sizeof(environment), "DISCORD_TOKEN=token CONVEX_URL=%s",
                 bad_urls[i]);
        snprintf(line, sizeof(line), "CONVEX_URL is \"%s\" (environment" URL_LINE, bad_urls[i]);
        assert_refused(environment, "", 6, line);
    }
    assert_refused(GOOD, "--batch 65", 6,
                   "BATCH is \"65\" (flag --batch): expected a whole number, from 1 to 64");
    assert_refused(GOOD, "--batch=4x", 6,
                   "BATCH is \"4x\" (flag --batch): expected a whole number, from 1 to 64");
    assert_refused(GOOD " BATCH=99999999999999999999", "", 6,
                   "BATCH is \"99999999999999999999\" (environment): expected a whole number, from "
                   "1 to 64");
    assert_refused(GOOD, "--patience 10", 6,
                   "PATIENCE is \"10\" (flag --patience): expected a time such as 250ms, 10s, 5m, "
                   "2h or 1d, from 1 ms to 60000 ms");
    assert_refused(GOOD, "--loud=perhaps", 6,
                   "LOUD is \"perhaps\" (flag --loud): expected true or false");
    assert_refused(GOOD, "--log-level shout", 6,
                   "LOG_LEVEL (flag --log-level): is \"shout\": expected debug, info, warn or "
                   "error");
    write_text(".env", "# ours\nBATCH=none\n");
    assert_refused(GOOD, "", 6,
                   "BATCH is \"none\" (.env line 2): expected a whole number, from 1 to 64");
}

TEST(a_file_that_cannot_be_read_or_parsed_is_named_with_its_line)
{
    write_text(".env", "GOOD=1\nthis is not it\n");
    assert_refused(GOOD, "", 6, ".env line 2: expected '=' after the key");
    write_text(".env", "WORD=\"open\n");
    assert_refused(GOOD, "", 6, ".env line 1: a quote is opened and never closed");
    write_text(".env", "");
    assert_refused("CONVEX_URL=http://h", "--discord-token-file=none", 6,
                   "DISCORD_TOKEN (flag --discord-token-file): cannot read \"none\": No such file "
                   "or directory");
    write_text("empty", "\n");
    assert_refused("CONVEX_URL=http://h DISCORD_TOKEN_FILE=empty", "", 6,
                   "DISCORD_TOKEN (environment DISCORD_TOKEN_FILE): \"empty\" is empty or holds a "
                   "NUL byte");
}

TEST(the_state_directory_is_made_and_one_that_cannot_be_is_named)
{
    struct stat info;

    run(GOOD " STATE_DIRECTORY=a/b/c", "");
    assert_int_equal(stat("a/b/c", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    write_text("plain", "x");
    assert_refused(GOOD " STATE_DIRECTORY=plain", "", 6,
                   "STATE_DIRECTORY (environment): cannot use \"plain\": Not a directory");
    assert_refused(GOOD " STATE_DIRECTORY=plain/x", "", 6,
                   "STATE_DIRECTORY (environment): cannot use \"plain/x\": Not a directory");
}

TEST(check_config_says_that_all_is_well_or_what_is_not)
{
    outcome out = run(GOOD, "--check-config");

    assert_int_equal(out.status, 0);
    assert_string_equal(out.text, "testd: the configuration is valid\n");
    assert_int_equal(run("", "--check-config").status, 6);
}

TEST(help_is_a_man_page_of_the_table_and_needs_no_configuration)
{
    static const char *const parts[] = {"NAME\n  testd - does nothing, slowly\n",
                                        "\nUSAGE\n  testd [OPTION]...\n",
                                        "  testd show ID [OPTION]...\n",
                                        "\nOPTIONS\n",
                                        "the deployment to write to (required)\n",
                                        "  --discord-token-file FILE\n",
                                        "(default: the host name)",
                                        "\nENVIRONMENT\n",
                                        "  DISCORD_TOKEN, or DISCORD_TOKEN_FILE naming a file\n",
                                        "\nFILES\n",
                                        "\nSIGNALS\n",
                                        "\nEXIT STATUS\n",
                                        "\nEXAMPLE\n  testd --loud\n"};
    outcome out = run("", "--help");

    assert_int_equal(out.status, 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        assert_contains(&out, parts[i]);
    out = run("", "--version");
    assert_string_equal(out.text, "testd 1.2.3\n");
    assert_int_equal(out.status, 0);
}

TEST(what_is_shown_of_a_bad_value_is_one_short_line)
{
    outcome out;

    write_text(".env", "BATCH=\"a\nb\tccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
                       "ccccccccccccccccccccccccc\"\n");
    out = run(GOOD, "");
    assert_contains(&out, "BATCH is \"a?b?ccc");
    assert_contains(&out, "...\" (.env line 1)");
    assert_ptr_equal(strchr(out.text, '\n'), out.text + strlen(out.text) - 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, enter_directory, leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(defaults_are_used_where_nothing_is_set),
        CASE(a_flag_beats_the_environment_which_beats_local_file_file_and_default),
        CASE(an_env_file_given_by_flag_replaces_the_usual_two),
        CASE(an_empty_variable_counts_as_not_set),
        CASE(every_way_to_write_booleans_and_durations_is_read),
        CASE(a_trailing_slash_of_a_url_is_removed),
        CASE(a_secret_comes_from_a_variable_or_a_file_and_never_shows_in_the_log),
        CASE(operands_are_commands_of_the_table),
        CASE(bad_usage_names_the_flag_and_exits_2),
        CASE(a_missing_setting_is_named_with_the_ways_to_set_it_and_exits_6),
        CASE(an_invalid_value_is_shown_with_its_origin_and_what_is_expected),
        CASE(a_file_that_cannot_be_read_or_parsed_is_named_with_its_line),
        CASE(the_state_directory_is_made_and_one_that_cannot_be_is_named),
        CASE(check_config_says_that_all_is_well_or_what_is_not),
        CASE(help_is_a_man_page_of_the_table_and_needs_no_configuration),
        CASE(what_is_shown_of_a_bad_value_is_one_short_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
