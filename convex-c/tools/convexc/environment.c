/* environment.c - variables: of the process, else of a file as Convex's tools keep it.
 * Owns the text of that file, until forget_environment(). */
#include "convexc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    bool read;
    char *text;
    size_t len;
} file;

/* That the file of --env-file can be read was found out before. */
static void read_env_file(const settings *s)
{
    const char *path = s->env_file ? s->env_file : ".env.local";

    file.read = true;
    if (access(path, R_OK) == 0 && read_file(path, &file.text, &file.len) != EXIT_DONE)
        file.text = NULL;
}

/* Ends a value where its line, its quotes or a comment after a space end. */
static char *value_at(char *p)
{
    char quote = *p == '"' || *p == '\'' ? *p : '\0';
    char *end;

    if (quote) {
        end = strchr(++p, quote);
        if (end)
            *end = '\0';
        return p;
    }
    end = p + strcspn(p, "\r\n");
    for (char *hash = p; hash < end; hash++)
        if (*hash == '#' && (hash == p || hash[-1] == ' '))
            end = hash;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    return p;
}

/* Each variable is asked for once or gives the same again: its value stays ended by a NUL. */
static const char *from_file(const char *name)
{
    size_t len = strlen(name);

    for (char *line = file.text; line && line < file.text + file.len; line++) {
        char *p = line + strspn(line, " \t");
        if (strncmp(p, "export ", 7) == 0)
            p += 7;
        if (strncmp(p, name, len) == 0 && p[len] == '=')
            return value_at(p + len + 1);
        line += strcspn(line, "\n");
    }
    return NULL;
}

const char *variable(const settings *s, const char *name)
{
    const char *value = getenv(name);

    if (value && *value)
        return value;
    if (!file.read)
        read_env_file(s);
    value = from_file(name);
    return value && *value ? value : NULL;
}

void forget_environment(void)
{
    if (file.text)
        explicit_bzero(file.text, file.len);
    free(file.text);
    file.text = NULL;
}
