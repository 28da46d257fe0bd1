/* main.c - convexc: finds the command, reads its line, runs it. */
#include "convexc.h"

#include <convex/version.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Whether some command of two words begins with this one. */
static bool is_first_word(const char *word)
{
    for (size_t i = 0; i < command_count; i++) {
        const char *space = strchr(commands[i].name, ' ');
        if (space && strlen(word) == (size_t)(space - commands[i].name) &&
            strncmp(word, commands[i].name, strlen(word)) == 0)
            return true;
    }
    return false;
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
    const char *last = argv[argc - 1];
    bool help = strcmp(last, "--help") == 0 || strcmp(last, "-h") == 0;
    if ((help && (argc == 2 || (argc == 3 && is_first_word(argv[1])))) ||
        (strcmp(argv[1], "help") == 0 && (argc == 2 || (argc == 3 && is_first_word(last))))) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    bool two = argc > 2 && is_first_word(argv[1]);
    return fail(EXIT_USAGE, "no command %s%s%s; convexc --help lists them", argv[1], two ? " " : "",
                two ? argv[2] : "");
}

/* A standard stream that is closed must not become a connection, into which words would be
 * written: writing to it goes on failing. */
static void hold_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    const command *c;
    settings s;
    int words = 0, r;
    bool help = argc > 2 && strcmp(argv[1], "help") == 0;

    hold_standard_streams();
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
