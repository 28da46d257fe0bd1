/* help.c - short man pages, from the tables of options.c. */
#include "convexc.h"

#include <string.h>

static const char exit_status[] =
    "EXIT STATUS\n"
    "  0    done\n"
    "  1    the function threw\n"
    "  2    the command line, the arguments or the settings are wrong; nothing was sent\n"
    "  3    the deployment could not be reached, or did not answer in time\n"
    "  4    the credential was refused, or could not be made\n"
    "  5    the server answered with an error of its own, or with nonsense\n"
    "  6    sent, and the outcome is unknown\n"
    "  7    a file could not be read or written, or memory was short\n"
    "  130  ended by SIGINT; 143 by SIGTERM\n";

static const char connection_environment[] =
    "  CONVEX_URL, CONVEX_SELF_HOSTED_URL   the deployment\n"
    "  http_proxy, https_proxy, no_proxy    as curl reads them\n";

static const char credential_environment[] =
    "  CONVEX_AUTH_TOKEN                    a user's JWT\n"
    "  CONVEX_SELF_HOSTED_ADMIN_KEY, CONVEX_DEPLOY_KEY   the admin key\n"
    "  The first of these is used: --anonymous, --admin or --as, --token-file,\n"
    "  CONVEX_AUTH_TOKEN, --key-file, the admin key. No secret is ever an option.\n";

void print_overview(FILE *to)
{
    fputs("NAME\n  convexc - talk to a Convex deployment\n\nUSAGE\n"
          "  convexc COMMAND [OPTION]... [OPERAND]...\n\nCOMMANDS\n",
          to);
    for (size_t i = 0; i < command_count; i++)
        fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].summary);
    fputs("  convexc COMMAND --help tells more; convexc --version the version.\n\n", to);
    fputs(exit_status, to);
}

static void print_indented(const char *text, FILE *to)
{
    for (const char *end; *text; text = *end ? end + 1 : end) {
        end = strchrnul(text, '\n');
        fprintf(to, "  %.*s\n", (int)(end - text), text);
    }
}

static void print_option(const option_row *o, FILE *to)
{
    char left[64];

    snprintf(left, sizeof left, "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
             o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name, o->argument ? " " : "",
             o->argument ? o->argument : "");
    fprintf(to, "  %-26s %s\n", left, o->help);
}

void print_command_help(const command *c, FILE *to)
{
    fprintf(to, "NAME\n  convexc %s - %s\n\nUSAGE\n  convexc %s%s%s [OPTION]...\n\nDESCRIPTION\n",
            c->name, c->summary, c->name, c->operands[0] ? " " : "", c->operands);
    print_indented(c->text, to);
    fputs("\nOPTIONS\n", to);
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].groups & (c->groups | FOR_ALL))
            print_option(&option_rows[i], to);
    if (c->groups & (FOR_CONNECTION | FOR_CREDENTIAL))
        fputs("\nENVIRONMENT\n", to);
    if (c->groups & FOR_CONNECTION)
        fputs(connection_environment, to);
    if (c->groups & FOR_CREDENTIAL)
        fputs(credential_environment, to);
    fprintf(to, "\n%s\nEXAMPLE\n  %s\n", exit_status, c->example);
}
