/* main.c - convexc: finds the command, reads its line, runs it. */
#include "convexc.h"

#include <convex/version.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static bool is_one_of(const char *text, const char *a, const char *b)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

/* What is asked before any command: help and version. */
static int run_without_command(int argc, char **argv)
{
    if (argc == 1) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("convexc %s\n", convex_version());
        return EXIT_DONE;
    }
    if (is_one_of(argv[1], "--help", "-h") || (argc == 2 && strcmp(argv[1], "help") == 0)) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    return fail(EXIT_USAGE, "no command %s%s%s; convexc --help lists them", argv[1],
                argc > 2 && is_one_of(argv[1], "token", "keys") ? " " : "",
                argc > 2 && is_one_of(argv[1], "token", "keys") ? argv[2] : "");
}

int main(int argc, char **argv)
{
    const command *c;
    settings s;
    int words = 0, r;
    bool help = argc > 2 && strcmp(argv[1], "help") == 0;

    signal(SIGPIPE, SIG_IGN); /* a TLS connection may raise it */
    c = find_command(argc - help, argv + help, &words);
    if (!c)
        return run_without_command(argc, argv);
    if (!help && !read_command_line(c, argc - 1 - words, argv + 1 + words, &s))
        return EXIT_USAGE;
    if (help || s.help) {
        print_command_help(c, stdout);
        return EXIT_DONE;
    }
    if (s.env_file && access(s.env_file, R_OK) != 0)
        return fail(EXIT_LOCAL, "cannot read %s: %s", s.env_file, strerror(errno));
    r = c->run(&s);
    forget_environment();
    if (fclose(stdout) != 0 && r == EXIT_DONE)
        r = fail(EXIT_LOCAL, "cannot write: %s", strerror(errno));
    return r;
}
