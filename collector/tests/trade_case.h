/* trade_case.h - messages with what is to be read out of them, from a file of this form:
 *
 *     === name of the message
 *     its text, any lines
 *     ---
 *     field: value          what a reader must find; a field that is not named must be absent
 *
 * Several trades of a message stand behind one another, a line "&" between them.
 * Fields: kind, symbol, side, leverage (10 | 5-10 | 10 cross), order, entries (range 1 2 | list 1
 * 2), targets, stop, update (type 1 2 all), price, percent, confidence (least-most). "none" alone:
 * no trade. An embed's text is written in lines that begin with @: "@title: x", "@description: x",
 * "@field: name | value"; "\n" in them is a line's end. */
#ifndef COLLECTOR_TRADE_CASE_H
#define COLLECTOR_TRADE_CASE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trade.h"

enum { CASE_PARTS = 64, CASE_FIELDS = 16 };

typedef struct trade_case {
    char *name, *text, *wanted;
    trade_part parts[CASE_PARTS];
    size_t n_parts;
} trade_case;

/* The text between two marks, both lines of their own; *at goes behind the second. */
static inline char *case_until(char **at, const char *mark)
{
    char *begin = *at, *end = strstr(begin, mark);
    if (!end) {
        *at = begin + strlen(begin);
        return begin;
    }
    *end = '\0';
    *at = end + strlen(mark);
    return begin;
}

static inline void case_add_part(trade_case *c, const char *name, char *text, bool heading)
{
    char *to = text;
    for (char *from = text; *from; from++) {
        if (from[0] == '\\' && from[1] == 'n') {
            *to++ = '\n';
            from++;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    c->parts[c->n_parts++] = (trade_part){name, text, strlen(text), heading};
}

static inline void case_read_embed(trade_case *c)
{
    for (char *line = strtok(c->text, "\n"); line; line = strtok(NULL, "\n")) {
        char *value = strstr(line, ": ");
        if (!value)
            continue;
        *value = '\0';
        value += 2;
        if (strcmp(line, "@field") != 0) {
            case_add_part(c, line + 1, value, false);
            continue;
        }
        char *second = strstr(value, " | ");
        if (!second)
            continue;
        *second = '\0';
        case_add_part(c, "field name", value, true);
        case_add_part(c, "field value", second + 3, false);
    }
}

/* Calls fn with each case of a file; returns their number, or -1 if it cannot be read. */
static inline int case_each(const char *path, void (*fn)(const trade_case *, void *), void *user)
{
    FILE *file = fopen(path, "rb");
    char *all = calloc(1, 1 << 20), *at = all;
    int count = 0;
    if (!file || !all || fread(all, 1, (1 << 20) - 1, file) == 0) {
        free(all);
        if (file)
            fclose(file);
        return -1;
    }
    fclose(file);
    case_until(&at, "=== ");
    while (*at) {
        trade_case c = {.name = case_until(&at, "\n")};
        c.text = case_until(&at, "\n---\n");
        c.wanted = case_until(&at, "=== ");
        if (c.text[0] == '@')
            case_read_embed(&c);
        else
            case_add_part(&c, "content", c.text, false);
        fn(&c, user);
        count++;
    }
    free(all);
    return count;
}

/* ---- a trade in the words of the file ---- */

static inline size_t case_put(char *to, size_t at, const char *text)
{
    strcpy(to + at, text);
    return at + strlen(text);
}

static inline void case_describe(const trade *t, char *to)
{
    static const char *const events[] = {"",       "target_hit", "stop_hit",   "entered",
                                         "closed", "cancelled",  "stop_moved", "partial_close"};
    size_t n = 0;
    if (t->kind == TRADE_NONE) {
        strcpy(to, "none\n");
        return;
    }
    n += (size_t)sprintf(to, "kind: %s\n", t->kind == TRADE_ENTRY ? "entry" : "update");
    if (t->symbol[0])
        n += (size_t)sprintf(to + n, "symbol: %s\n", t->symbol);
    if (t->side)
        n += (size_t)sprintf(to + n, "side: %s\n", t->side == TRADE_LONG ? "long" : "short");
    if (t->leverage_max > 0) {
        n += (size_t)sprintf(to + n, "leverage: %g", t->leverage_min);
        if (t->leverage_max != t->leverage_min)
            n += (size_t)sprintf(to + n, "-%g", t->leverage_max);
        if (t->margin)
            n += (size_t)sprintf(to + n, " %s", t->margin == TRADE_CROSS ? "cross" : "isolated");
        n = case_put(to, n, "\n");
    }
    if (t->order)
        n += (size_t)sprintf(to + n, "order: %s\n", t->order == TRADE_MARKET ? "market" : "limit");
    if (t->n_entries) {
        n += (size_t)sprintf(to + n, "entries: %s", t->entries_are_range ? "range" : "list");
        for (size_t i = 0; i < t->n_entries; i++)
            n += (size_t)sprintf(to + n, " %s", t->entries[i]);
        n = case_put(to, n, "\n");
    }
    if (t->n_targets) {
        n += (size_t)sprintf(to + n, "targets:");
        for (size_t i = 0; i < t->n_targets; i++)
            n += (size_t)sprintf(to + n, " %s", t->targets[i]);
        n = case_put(to, n, "\n");
    }
    if (t->stop[0])
        n += (size_t)sprintf(to + n, "stop: %s\n", t->stop);
    if (t->update.type) {
        n += (size_t)sprintf(to + n, "update: %s", events[t->update.type]);
        for (size_t i = 0; i < t->update.n_targets; i++)
            n += (size_t)sprintf(to + n, " %d", t->update.targets[i]);
        n += (size_t)sprintf(to + n, "%s\n", t->update.all ? " all" : "");
    }
    if (t->update.price[0])
        n += (size_t)sprintf(to + n, "price: %s\n", t->update.price);
    if (t->update.percent[0])
        n += (size_t)sprintf(to + n, "percent: %s\n", t->update.percent);
}

/* The line of a field, its end excluded. Returns its length, 0 if the text has none. */
static inline size_t case_line(const char *text, const char *field, const char **ret)
{
    size_t len = strlen(field);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, field, len) == 0 && (line[len] == ':' || line[len] == '\n')) {
            *ret = line;
            return strcspn(line, "\n");
        }
    *ret = "-";
    return 0;
}

/* Prints each field of one trade that is not what is wanted. Returns how many. */
static inline int case_compare_one(const char *name, const char *wanted, const trade *got)
{
    static const char *const fields[] = {"none",     "kind",   "symbol",  "side",
                                         "leverage", "order",  "entries", "targets",
                                         "stop",     "update", "price",   "percent"};
    char said[4096];
    const char *line, *want, *found;
    int wrong = 0;
    case_describe(got, said);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t n = case_line(wanted, fields[i], &want), m = case_line(said, fields[i], &found);
        if (n == m && strncmp(want, found, n) == 0)
            continue;
        printf("%s: wanted \"%.*s\", read \"%.*s\"\n", name, (int)(n ? n : 1), want,
               (int)(m ? m : 1), found);
        wrong++;
    }
    double least = 0, most = 1;
    if (case_line(wanted, "confidence", &line) &&
        (sscanf(line, "confidence: %lf-%lf", &least, &most) != 2 || got->confidence < least ||
         got->confidence > most)) {
        printf("%s: wanted confidence %g to %g, read %g\n", name, least, most, got->confidence);
        wrong++;
    }
    return wrong;
}

/* Of each trade in its turn. Returns how many fields are not what is wanted. */
static inline int case_compare(const trade_case *c, const trade_list *got)
{
    char *wanted = strdup(c->wanted), *at = wanted;
    size_t n = 0;
    int wrong = 0;
    while (wanted && (n == 0 || *at)) {
        const trade none = {.kind = TRADE_NONE};
        const char *one = case_until(&at, "\n&\n");
        wrong += case_compare_one(c->name, one, n < got->count ? &got->items[n] : &none);
        n++;
    }
    for (; n < got->count; n++, wrong++)
        printf("%s: one trade too many, of \"%s\"\n", c->name, got->items[n].symbol);
    free(wanted);
    return wrong + (wanted == NULL);
}

#endif
