/* setting.c - one row a type: how it is read, what is expected, what --help calls it.
 * Owns nothing. Invariant: a config member changes only if its whole text is valid. */
#include "setting.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool store_fn(const daemon_option *option, const char *text, void *member);

static bool store_text(const daemon_option *option, const char *text, void *member)
{
    char *copy = strdup(text);

    (void)option;
    if (copy == NULL)
        abort();
    *(const char **)member = copy;
    return *copy != '\0';
}

/* Length of the host at `host`, 0 if there is none or it holds what a host cannot. */
static size_t host_length(const char *host)
{
    size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    const char *rest = host + length;

    if (host[0] == '[' && (length > strlen(host) || strchr(":/", *rest) == NULL))
        return 0;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr(".-_[]:", host[i]))
            return 0;
    return length;
}

static bool is_port(const char *text, size_t length)
{
    long port;

    if (length == 0 || length > 5 || strspn(text, "0123456789") < length)
        return false;
    port = strtol(text, NULL, 10);
    return port >= 1 && port <= 65535;
}

static bool is_url(const char *text)
{
    static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
    const char *host = NULL, *rest;
    size_t length;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            host = text + strlen(schemes[i]);
    length = host ? host_length(host) : 0;
    if (length == 0)
        return false;
    rest = host + length;
    if (*rest == ':') {
        length = strcspn(rest + 1, "/?#");
        if (!is_port(rest + 1, length))
            return false;
        rest += 1 + length;
    }
    for (; *rest; rest++)
        if (*rest <= ' ' || *rest > '~' || *rest == '#')
            return false;
    return true;
}

static bool store_url(const daemon_option *option, const char *text, void *member)
{
    char *copy;
    size_t length = strlen(text);

    if (!is_url(text) || !store_text(option, text, member))
        return false;
    copy = *(char **)member;
    while (length > 0 && copy[length - 1] == '/')
        copy[--length] = '\0';
    return true;
}

static bool in_bounds(const daemon_option *option, int64_t value)
{
    return (option->min == 0 && option->max == 0) || (value >= option->min && value <= option->max);
}

/* A decimal number; *rest is what follows it. */
static bool read_number(const char *text, int64_t *ret, const char **rest)
{
    char *end;
    intmax_t value;

    if (!isdigit((unsigned char)text[text[0] == '-']))
        return false;
    errno = 0;
    value = strtoimax(text, &end, 10);
    *ret = value;
    *rest = end;
    return errno == 0;
}

static bool store_integer(const daemon_option *option, const char *text, void *member)
{
    const char *rest;
    int64_t value;

    if (!read_number(text, &value, &rest) || *rest || !in_bounds(option, value))
        return false;
    *(int64_t *)member = value;
    return true;
}

static bool store_duration(const daemon_option *option, const char *text, void *member)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    const char *rest;
    int64_t value;

    if (!read_number(text, &value, &rest) || value < 0)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (value > INT64_MAX / units[i].ms || !in_bounds(option, value * units[i].ms))
            return false;
        *(int64_t *)member = value * units[i].ms;
        return true;
    }
    return false;
}

static bool store_boolean(const daemon_option *option, const char *text, void *member)
{
    static const char *const words[][4] = {{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};

    (void)option;
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 4; i++)
            if (strcmp(text, words[value][i]) == 0) {
                *(bool *)member = value;
                return true;
            }
    return false;
}

static const struct {
    store_fn *store;
    const char *expected, *operand;
} types[] = {
    [DAEMON_STRING] = {store_text, "a text that is not empty", "TEXT"},
    [DAEMON_PATH] = {store_text, "a path", "PATH"},
    [DAEMON_URL] = {store_url, "a URL such as http://127.0.0.1:3210, without user or password",
                    "URL"},
    [DAEMON_INTEGER] = {store_integer, "a whole number", "N"},
    [DAEMON_DURATION] = {store_duration, "a time such as 250ms, 10s, 5m, 2h or 1d", "TIME"},
    [DAEMON_BOOLEAN] = {store_boolean, "true or false", "BOOL"},
    [DAEMON_SECRET] = {store_text, "a secret that is not empty", "SECRET"},
};

bool setting_store(const daemon_option *option, const char *text, void *config)
{
    return types[option->type].store(option, text, (char *)config + option->offset);
}

bool setting_is_text(const daemon_option *option)
{
    return option->type != DAEMON_INTEGER && option->type != DAEMON_DURATION &&
           option->type != DAEMON_BOOLEAN;
}

void setting_expected(const daemon_option *option, char *text, size_t size)
{
    const char *unit = option->type == DAEMON_DURATION ? " ms" : "";

    if (option->min == 0 && option->max == 0)
        snprintf(text, size, "%s", types[option->type].expected);
    else
        snprintf(text, size, "%s, from %" PRId64 "%s to %" PRId64 "%s",
                 types[option->type].expected, option->min, unit, option->max, unit);
}

const char *setting_operand(const daemon_option *option)
{
    return option->operand ? option->operand : types[option->type].operand;
}
