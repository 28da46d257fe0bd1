/* completion.c - completion for shells, from the tables of options.c. */
#include "convexc.h"

#include <string.h>

/* First words of commands of two. */
static const char *const groups[] = {"token", "keys", "outbox", NULL};

/* The words that may follow `first`, or begin the line when it is NULL. */
static void print_words(const char *first)
{
    const char *last = "";

    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i].name, *space = strchr(name, ' ');
        size_t len = space ? (size_t)(space - name) : strlen(name);
        if (!first && (strlen(last) < len || strncmp(last, name, len) != 0)) {
            printf("%s%.*s", *last ? " " : "", (int)len, name);
            last = name;
        } else if (first && space && strlen(first) == len && strncmp(first, name, len) == 0) {
            printf("%s%s", *last ? " " : "", space + 1);
            last = name;
        }
    }
}

static void print_options(unsigned kinds, const char *prefix, const char *between)
{
    const char *before = "";

    for (size_t i = 0; i < option_row_count; i++) {
        if (!(option_rows[i].groups & (kinds | FOR_ALL)))
            continue;
        printf("%s%s%s", before, prefix, option_rows[i].name);
        before = between;
    }
}

static void print_bash(void)
{
    printf("_convexc()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} words\n"
           "    COMPREPLY=()\n    case $COMP_CWORD:${COMP_WORDS[1]} in\n    1:*) words='");
    print_words(NULL);
    printf("' ;;\n");
    for (const char *const *first = groups; *first; first++) {
        printf("    2:%s) words='", *first);
        print_words(*first);
        printf("' ;;\n");
    }
    printf("    2:completion) words='bash zsh fish' ;;\n    *) case \"${COMP_WORDS[1]} "
           "${COMP_WORDS[2]}\" in\n");
    for (size_t i = 0; i < command_count; i++) {
        printf("        \"%s\"%s) words='", commands[i].name,
               strchr(commands[i].name, ' ') ? "*" : "\\ *");
        print_options(commands[i].groups, "--", " ");
        printf("' ;;\n");
    }
    printf("        esac ;;\n    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "}\ncomplete -o default -F _convexc convexc\n");
}

/* A text for a shell, between single quotes. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, stdout);
    putchar('\'');
}

/* zsh understands the functions of bash; to be sourced. */
static void print_zsh(void)
{
    printf("autoload -U +X bashcompinit && bashcompinit\n");
    print_bash();
}

static void print_fish(void)
{
    printf("complete -c convexc -f -n __fish_use_subcommand -a '");
    print_words(NULL);
    printf("'\n");
    for (const char *const *first = groups; *first; first++) {
        printf("complete -c convexc -f -n '__fish_seen_subcommand_from %s' -a '", *first);
        print_words(*first);
        printf("'\n");
    }
    for (size_t i = 0; i < command_count; i++) {
        const command *c = &commands[i];
        for (size_t k = 0; k < option_row_count; k++) {
            const option_row *o = &option_rows[k];
            if (!(o->groups & (c->groups | FOR_ALL)))
                continue;
            printf("complete -c convexc -n '__fish_seen_subcommand_from %.*s' -l %s%s -d ",
                   (int)strcspn(c->name, " "), c->name, o->name,
                   o->kind == OPTION_FLAG ? "" : " -r");
            print_quoted(o->help);
            putchar('\n');
        }
    }
}

int run_completion(const settings *s)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(s->operands[0], shells[i].shell) == 0) {
            shells[i].print();
            return EXIT_DONE;
        }
    }
    return fail(EXIT_USAGE, "no completion for %s: bash, zsh or fish", s->operands[0]);
}
