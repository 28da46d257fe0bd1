/* text.c - text of any length in messages of Discord's length. No state, any thread.
 * A part is cut from the front of what is left, with room for closing an open fence; the
 * next part begins with the fence opened again. */
#include "discord/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define LANGUAGE_MAX 20 /* bytes of a fence's language that are repeated */
#define FENCE        "```"
#define CLOSING      "\n```"

typedef struct fence {
    bool open;
    char language[LANGUAGE_MAX + 1];
} fence;

size_t discord_text_units(const char *text, size_t size)
{
    size_t units = 0;

    for (const char *at = text, *end = text + size; at < end;)
        units += dutf8_units(dutf8_next(&at, end));
    return units;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The state of the fence behind text[0..n). */
static fence scan(fence at, const char *text, size_t n)
{
    for (size_t i = 0; i + 3 <= n;) {
        if (memcmp(text + i, FENCE, 3) != 0) {
            i++;
            continue;
        }
        i += 3;
        at.open = !at.open;
        size_t word = 0;
        while (at.open && i + word < n && word < LANGUAGE_MAX && (text[i + word] & 0x80) == 0 &&
               !is_space(text[i + word]) && text[i + word] != '`')
            word++;
        /* Only a word that fills the line is a language. */
        bool language = at.open && i + word < n && text[i + word] == '\n';
        memcpy(at.language, text + i, language ? word : 0);
        at.language[language ? word : 0] = '\0';
    }
    return at;
}

/* The bytes that fit into `units`, and where half of them are. */
static size_t fit(const char *text, size_t size, size_t units, size_t *ret_half)
{
    const char *end = text + size;
    size_t used = 0;

    *ret_half = 0;
    for (const char *at = text; at < end;) {
        const char *from = at;
        used += dutf8_units(dutf8_next(&at, end));
        if (used > units)
            return (size_t)(from - text);
        if (used <= units / 2)
            *ret_half = (size_t)(at - text);
    }
    return size;
}

/* The last good place to cut in [half, n]; text[n] exists. */
static size_t cut_at(const char *text, size_t half, size_t n)
{
    size_t line = 0;
    size_t space = 0;
    size_t run = n;

    for (size_t i = n; i > half && i > 0; i--) {
        if (text[i] == '\n' && text[i - 1] == '\n')
            return i;
        if (text[i] == '\n' && !line)
            line = i;
        if (is_space(text[i]) && !space)
            space = i;
    }
    if (line || space)
        return line ? line : space;
    /* A run of backticks stays whole, else half a fence would be left. */
    while (run > half && run > 0 && text[run] == '`' && text[run - 1] == '`')
        run--;
    return run > half && run > 0 ? run : n;
}

static bool push(discord_parts *parts, const char *head, const char *language, const char *body,
                 size_t n, const char *tail)
{
    char **list = realloc(parts->part, (parts->n + 1) * sizeof *list);
    char *text = list ? malloc(strlen(head) + strlen(language) + n + strlen(tail) + 2) : NULL;
    char *to = text;

    if (list)
        parts->part = list;
    if (!text)
        return false;
    to = stpcpy(stpcpy(to, head), language);
    if (*head)
        *to++ = '\n';
    memcpy(to, body, n);
    stpcpy(to + n, tail);
    parts->part[parts->n++] = text;
    return true;
}

static size_t skip_space(const char *text, size_t size, bool in_code)
{
    size_t n = 0;

    while (n < size && is_space(text[n])) {
        n++;
        if (in_code && text[n - 1] == '\n')
            break; /* indentation of code stays */
    }
    return n;
}

/* Cuts one part off; the bytes used, 0 without memory. */
static size_t take(discord_parts *parts, const char *text, size_t size, size_t limit, fence *state)
{
    fence before = *state;
    size_t head = before.open ? 4 + strlen(before.language) : 0;
    size_t half;
    size_t n = fit(text, size, limit - head, &half);
    fence after = scan(before, text, n);

    if (n < size) { /* not the last: room for a closing fence, then a good place */
        n = fit(text, size, limit - head - strlen(CLOSING), &half);
        n = cut_at(text, half, n);
        after = scan(before, text, n);
    }
    bool closing = after.open && n < size;
    size_t shown = n;
    while (shown > 0 && is_space(text[shown - 1]))
        shown--;
    if (shown > 0 && !push(parts, before.open ? FENCE : "", before.open ? before.language : "",
                           text, shown, closing ? CLOSING : ""))
        return 0;
    *state = after;
    return n;
}

discord_status discord_text_split(const char *text, size_t size, size_t limit, discord_parts *ret)
{
    discord_parts parts = {0, NULL};
    fence state = {false, ""};
    char *clean;

    if (limit < 64 || (!text && size))
        return DISCORD_EINVAL;
    clean = dutf8_clean(text ? text : "", size, &size);
    if (!clean)
        return DISCORD_ENOMEM;
    for (size_t at = skip_space(clean, size, false); at < size;) {
        if (state.open && size - at >= 3 && memcmp(clean + at, FENCE, 3) == 0) {
            state.open = false; /* it ends at the cut: the part before closed it */
            at += 3;
            at += skip_space(clean + at, size - at, false);
            continue;
        }
        size_t n = take(&parts, clean + at, size - at, limit, &state);
        if (n == 0) {
            discord_parts_done(&parts);
            free(clean);
            return DISCORD_ENOMEM;
        }
        at += n;
        at += skip_space(clean + at, size - at, state.open);
    }
    free(clean);
    *ret = parts;
    return DISCORD_OK;
}

void discord_parts_done(discord_parts *parts)
{
    for (size_t i = 0; i < parts->n; i++)
        free(parts->part[i]);
    free(parts->part);
    parts->part = NULL;
    parts->n = 0;
}
