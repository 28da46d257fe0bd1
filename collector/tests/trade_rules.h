/* trade_rules.h - what holds for every trade, whatever the text. Shared by a test and a fuzzer.
 * Each check returns what is wrong, or NULL. */
#ifndef COLLECTOR_TRADE_RULES_H
#define COLLECTOR_TRADE_RULES_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trade.h"
#include "trade_char.h"

/* The byte at a UTF-16 offset; SIZE_MAX if it is within a character or behind the end. */
static inline size_t rules_byte_at(const trade_part *part, uint32_t offset)
{
    uint32_t units = 0;
    size_t at = 0;
    while (at < part->size && units < offset) {
        trade_char c = trade_char_at(part->text, part->size, at);
        at += c.size;
        units += c.units;
    }
    return units == offset ? at : SIZE_MAX;
}

/* The digits of a span, leading zeros dropped. */
static inline void rules_digits(const trade_part *part, const trade_span *span, char ret[64])
{
    size_t at = rules_byte_at(part, span->start), end = rules_byte_at(part, span->end), n = 0;
    while (at < end && n < 63) {
        trade_char c = trade_char_at(part->text, part->size, at);
        at += c.size;
        if (c.type == CHAR_DIGIT && (n > 0 || c.mark != '0'))
            ret[n++] = c.mark;
    }
    ret[n] = '\0';
}

/* A value has the digits of its span, and zeros of its thousands behind them, or, of a span that
 * has but the digits that differ from the number before, others before them: "163.40/45". */
static inline const char *rules_value(const trade_part *parts, const trade_span *span,
                                      const char *value)
{
    char said[64], had[64];
    size_t n = 0;
    rules_digits(&parts[span->part], span, said);
    for (const char *p = value; *p; p++)
        if (*p >= '0' && *p <= '9' && (n > 0 || *p != '0'))
            had[n++] = *p;
    had[n] = '\0';
    size_t len = strlen(said);
    bool begins = strncmp(said, had, len) == 0 && strspn(had + len, "0") == n - len;
    bool ends = len <= n && n - len < sizeof had && strcmp(had + n - len, said) == 0;
    if (!begins && !ends)
        return "a value has other digits than its span";
    size_t whole = strspn(value + (*value == '-'), "0123456789");
    const char *rest = value + (*value == '-') + whole;
    if (whole == 0 ||
        (*rest &&
         (*rest != '.' || strspn(rest + 1, "0123456789") != strlen(rest + 1) || rest[1] == '\0')))
        return "a value is no decimal";
    return NULL;
}

static inline const char *rules_span(const trade_part *parts, size_t n_parts,
                                     const trade_span *span)
{
    if (span->part >= n_parts || span->start >= span->end)
        return "a span is of nothing";
    if (rules_byte_at(&parts[span->part], span->start) == SIZE_MAX ||
        rules_byte_at(&parts[span->part], span->end) == SIZE_MAX)
        return "a span ends within a character or behind the text";
    return NULL;
}

static inline const char *rules_sides(const trade *t)
{
    if (t->side == TRADE_NO_SIDE || t->n_entries == 0 || t->update.type != TRADE_NO_EVENT)
        return NULL;
    double sign = t->side == TRADE_LONG ? 1 : -1, worst = -INFINITY, best = INFINITY;
    for (size_t i = 0; i < t->n_entries; i++) {
        double x = sign * strtod(t->entries[i], NULL);
        best = x < best ? x : best;
        worst = x > worst ? x : worst;
    }
    for (size_t i = 0; i < t->n_targets; i++)
        if (sign * strtod(t->targets[i], NULL) <= best)
            return "a target is on the wrong side";
    if (t->stop[0] && sign * strtod(t->stop, NULL) >= worst)
        return "the stop is on the wrong side";
    return NULL;
}

static inline const char *rules_check(const trade_part *parts, size_t n_parts, const trade *t)
{
    const char *wrong = NULL;
    size_t entry = 0, target = 0;
    if (t->kind == TRADE_NONE)
        return "no trade is listed";
    if (!(t->confidence > 0 && t->confidence <= 1))
        return "the confidence is out of bounds";
    if (t->kind == TRADE_UPDATE && t->update.type == TRADE_NO_EVENT)
        return "an update says nothing";
    for (size_t i = 0; i < t->n_spans && !wrong; i++) {
        const trade_span *span = &t->spans[i];
        const char *value = span->field == TRADE_FIELD_ENTRY    ? t->entries[entry++]
                            : span->field == TRADE_FIELD_TARGET ? t->targets[target++]
                            : span->field == TRADE_FIELD_STOP   ? t->stop
                            : span->field == TRADE_FIELD_PRICE  ? t->update.price
                                                                : NULL;
        wrong = rules_span(parts, n_parts, span);
        if (!wrong && value)
            wrong = rules_value(parts, span, value);
    }
    if (!wrong && (entry != t->n_entries || target != t->n_targets))
        return "a value has no span";
    return wrong ? wrong : rules_sides(t);
}

#endif
