/* dotenv.c - the parser of .env files.
 * Owns one scratch buffer during a call; any thread.
 * Invariant: `at` never passes `end`, and a value is never longer than its source. */
#include "dotenv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *at, *end;
    int line;
    char *key, *value; /* each as large as the whole text */
    const char *error;
} parser;

static bool more(const parser *p)
{
    return p->at < p->end;
}

static void skip_blanks(parser *p)
{
    while (more(p) && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

static void skip_line(parser *p)
{
    while (more(p) && *p->at != '\n')
        p->at++;
}

static bool is_key(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

static bool read_key(parser *p)
{
    size_t n = 0;

    if (p->end - p->at > 7 && memcmp(p->at, "export", 6) == 0 &&
        (p->at[6] == ' ' || p->at[6] == '\t')) {
        p->at += 6;
        skip_blanks(p);
    }
    while (more(p) && is_key(*p->at, n == 0))
        p->key[n++] = *p->at++;
    p->key[n] = '\0';
    skip_blanks(p);
    if (n == 0)
        p->error = "expected KEY=VALUE";
    else if (!more(p) || *p->at != '=')
        p->error = "expected '=' after the key";
    else
        p->at++;
    return p->error == NULL;
}

static char unescape(char c)
{
    static const char from[] = "nrt", to[] = "\n\r\t";
    const char *found = c ? strchr(from, c) : NULL;

    return found ? to[found - from] : c;
}

static void read_quoted(parser *p, char quote)
{
    size_t n = 0;
    int started = p->line;

    for (p->at++; more(p) && *p->at != quote; p->at++) {
        if (*p->at == '\n')
            p->line++;
        if (quote == '"' && *p->at == '\\' && p->end - p->at > 1 && strchr("nrt\"\\$", p->at[1])) {
            p->at++;
            p->value[n++] = unescape(*p->at);
        } else {
            p->value[n++] = *p->at;
        }
    }
    p->value[n] = '\0';
    if (!more(p)) {
        p->line = started;
        p->error = "a quote is opened and never closed";
        return;
    }
    p->at++;
    skip_blanks(p);
    if (more(p) && *p->at == '#')
        skip_line(p);
    if (more(p) && *p->at != '\n')
        p->error = "text after the closing quote";
}

static void read_plain(parser *p)
{
    size_t n = 0;

    while (more(p) && *p->at != '\n') {
        if (*p->at == '#' && (n == 0 || p->value[n - 1] == ' ' || p->value[n - 1] == '\t'))
            skip_line(p);
        else
            p->value[n++] = *p->at++;
    }
    while (n > 0 && strchr(" \t\r", p->value[n - 1]))
        n--;
    p->value[n] = '\0';
}

static void read_entry(parser *p, dotenv_fn *fn, void *user)
{
    int line = p->line;

    if (!read_key(p))
        return;
    skip_blanks(p);
    if (more(p) && (*p->at == '"' || *p->at == '\''))
        read_quoted(p, *p->at);
    else
        read_plain(p);
    if (p->error == NULL)
        fn(p->key, p->value, line, user);
}

int dotenv_parse(const char *text, size_t size, dotenv_fn *fn, void *user, dotenv_error *reterr)
{
    parser p = {text, text + size, 1, NULL, NULL, NULL};
    int r = 0;

    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        p.at += 3;
    p.key = malloc(size + 1);
    p.value = malloc(size + 1);
    if (p.key == NULL || p.value == NULL)
        r = -ENOMEM;
    else if (size > 0 && memchr(text, '\0', size))
        p.error = "a NUL byte: this is not a text file";
    while (r == 0 && p.error == NULL && more(&p)) {
        skip_blanks(&p);
        if (more(&p) && *p.at == '#')
            skip_line(&p);
        if (more(&p) && *p.at != '\n')
            read_entry(&p, fn, user);
        if (p.error == NULL && more(&p)) {
            p.at++; /* the newline */
            p.line++;
        }
    }
    if (p.error) {
        *reterr = (dotenv_error){p.line, p.error};
        r = -EINVAL;
    }
    free(p.key);
    free(p.value);
    return r;
}
