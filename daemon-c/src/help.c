/* help.c - the man page of a program. Owns nothing; called before the first thread. */
#include "help.h"

#include <string.h>

#include "setting.h"

static void print_flag(FILE *out, const char *flag, const char *operand, const char *help)
{
    fprintf(out, "  --%s%s%s\n      %s\n", flag, operand ? " " : "", operand ? operand : "", help);
}

static void print_option(FILE *out, const daemon_option *option)
{
    const char *must = option->flags & (DAEMON_REQUIRED | DAEMON_ALWAYS) ? " (required)" : "";

    if (option->type == DAEMON_SECRET)
        fprintf(out, "  --%s-file FILE\n      a file that holds %s%s\n", option->name, option->help,
                must);
    else
        fprintf(out, "  --%s %s\n      %s%s", option->name, setting_operand(option), option->help,
                must);
    if (option->type != DAEMON_SECRET && option->fallback)
        fprintf(out, " (default: %s)",
                strcmp(option->fallback, "%H") == 0 ? "the host name" : option->fallback);
    if (option->type != DAEMON_SECRET)
        fputc('\n', out);
}

static void print_usage(FILE *out, const daemon_program *program)
{
    fprintf(out, "NAME\n  %s - %s\n\nUSAGE\n  %s [OPTION]...\n", program->name, program->summary,
            program->name);
    for (const daemon_command *c = program->commands; c && c->name; c++)
        fprintf(out, "  %s %s%s%s [OPTION]...\n      %s\n", program->name, c->name,
                c->operands ? " " : "", c->operands ? c->operands : "", c->help);
}

static void print_environment(FILE *out, const daemon_option *options)
{
    fputs("\nENVIRONMENT\n"
          "  A flag beats a variable, a variable beats a file, a file beats the default.\n"
          "  An empty variable counts as not set.\n",
          out);
    for (const daemon_option *option = options; option->name; option++) {
        if (!option->env)
            continue;
        if (option->type == DAEMON_SECRET)
            fprintf(out, "  %s, or %s_FILE naming a file\n      %s\n", option->env, option->env,
                    option->help);
        else
            fprintf(out, "  %s\n      as --%s\n", option->env, option->name);
    }
}

void help_print(FILE *out, const daemon_program *program, const daemon_option *options)
{
    print_usage(out, program);
    fputs("\nOPTIONS\n", out);
    for (const daemon_option *option = options; option->name; option++)
        print_option(out, option);
    print_flag(out, "env-file", "FILE", "read this file instead of .env.local and .env");
    print_flag(out, "check-config", NULL, "say whether the configuration is valid, and end");
    print_flag(out, "help", NULL, "print this, and end");
    print_flag(out, "version", NULL, "print the version, and end");
    print_environment(out, options);
    fputs("\nFILES\n"
          "  .env.local, .env\n"
          "      KEY=VALUE lines with the variables above; the first file beats the second\n",
          out);
    if (program->files)
        fputs(program->files, out);
    fputs("\nSIGNALS\n"
          "  SIGTERM, SIGINT  stop taking work in, finish, and end; a second one ends at once\n"
          "  SIGHUP           reload what can be reloaded\n"
          "\nEXIT STATUS\n"
          "  0  done\n"
          "  1  failed\n"
          "  2  bad usage\n"
          "  6  not configured: a setting is missing or invalid\n",
          out);
    if (program->example)
        fprintf(out, "\nEXAMPLE\n%s", program->example);
}
