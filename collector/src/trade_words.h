/* trade_words.h - the words that signals are written with, in the languages they are written in.
 * Pure. A phrase is folded as trade_text.h says, its words one space apart. */
#ifndef COLLECTOR_TRADE_WORDS_H
#define COLLECTOR_TRADE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRADE_PHRASE_WORDS = 4, TRADE_PHRASE_SIZE = 64 };

typedef enum trade_sense {
    SENSE_NONE,
    SENSE_ENTRY,
    SENSE_TARGET,
    SENSE_STOP,
    SENSE_LEVERAGE,
    SENSE_LONG,
    SENSE_SHORT,
    SENSE_BUY,
    SENSE_SELL,
    SENSE_MARKET,
    SENSE_LIMIT,
    SENSE_CROSS,
    SENSE_ISOLATED,
    SENSE_PAIR,  /* a symbol follows */
    SENSE_SIDE,  /* a side follows */
    SENSE_OTHER, /* numbers follow that are no prices to trade at */
    SENSE_HIT,   /* reached */
    SENSE_CLOSED,
    SENSE_CANCELLED,
    SENSE_FILLED,
    SENSE_STOPPED,
    SENSE_MOVE,
    SENSE_EVEN, /* break-even */
    SENSE_ALL,
    SENSE_PART, /* some of the position */
    SENSE_TO,   /* between the ends of a range */
    SENSE_AND,
    SENSE_BETWEEN,
    SENSE_PLAIN, /* may stand between a label and its price */
    SENSE_MAYBE, /* somebody wonders */
    SENSE_NOT,
    SENSE_WHEN, /* on a condition, or in time to come */
    SENSE_ADVERT,
    SENSE_RECAP, /* of many trades */
    SENSE_NTH,   /* value says which */
    SENSE_PROFIT,
    SENSE_LOSS,
    SENSE_TIMES /* after a number: as often */
} trade_sense;

typedef struct trade_phrase {
    const char *text;
    trade_sense sense;
    uint8_t value; /* of SENSE_NTH; of SENSE_RECAP: of what is long past, or was never so */
    bool comma;    /* in a language whose decimals have a comma */
} trade_phrase;

/* NULL if it is none of them. */
const trade_phrase *trade_phrase_find(const char *text);

/* A word with one slip of the keyboard ("tragets", "leverge") that can be only one label; else
 * NULL. */
const trade_phrase *trade_phrase_near(const char *word);

extern const trade_phrase trade_phrases[];
extern const size_t trade_phrase_count;

#endif
