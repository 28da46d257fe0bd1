/* trade_items.h - a message as its reader thinks of it: labels, symbols, numbers, marks.
 * Pure; the items live in the caller's memory and point into the tokens. */
#ifndef COLLECTOR_TRADE_ITEMS_H
#define COLLECTOR_TRADE_ITEMS_H

#include "trade.h"
#include "trade_words.h"

typedef enum item_kind { ITEM_LINE, ITEM_WORD, ITEM_NUMBER, ITEM_MARK, ITEM_SYMBOL } item_kind;

/* How sure it is that a word names what is traded. */
typedef enum symbol_rank {
    RANK_NONE,
    RANK_MAYBE, /* a word like any other, or unknown capitals: only beside a side */
    RANK_WORD,  /* a known name in capitals that is a word, too: not where all is capitals */
    RANK_BARE,  /* a known name alone */
    RANK_TAG,   /* $BTC, #BTC */
    RANK_PAIR   /* BTC/USDT, BTCUSDT, or behind "Pair:" */
} symbol_rank;

typedef struct trade_symbol {
    symbol_rank rank;
    char base[TRADE_BASE_SIZE], quote[TRADE_QUOTE_SIZE];
} trade_symbol;

typedef struct item {
    uint8_t kind, sense, unit, nth;
    char mark;
    bool comma;    /* a word of a language with decimal commas */
    bool near;     /* a slip of the keyboard was mended */
    bool asked;    /* its line asks */
    bool readable; /* a number with a value */
    bool guessed;  /* the value rests on the other numbers */
    const token *first, *last;
    uint32_t symbol;               /* index + 1 into the symbols */
    char value[TRADE_NUMBER_SIZE]; /* of a number that is a price */
    double size;                   /* the value, nearly */
} item;

typedef struct item_list {
    item *items;
    size_t count;
    trade_symbol *symbols;
    size_t n_symbols;
    bool english, comma; /* languages that were seen */
} item_list;

/* Makes items of tokens; room for as many of each as there are tokens. `quoted`: also of lines that
 * quote. */
void trade_items_read(item_list *self, const token *tokens, size_t n_tokens, bool quoted);

/* What a symbol has cost at least and at most for years; 0: not known. */
typedef struct trade_range {
    double least, most;
    bool thousands; /* people leave them out: "BTC 65.4" */
} trade_range;

/* Gives numbers their values. */
void trade_items_value(item_list *self, trade_range range);

/* The symbol that a name at tokens[*at] stands for, and *at behind it; rank RANK_NONE if none. */
trade_symbol trade_symbol_read(const token *tokens, size_t n_tokens, size_t *at);

/* Known names; those with a capital are words, too. */
extern const char *const trade_coins[];
extern const size_t trade_coin_count;

/* The symbol that a word in the place of a name stands for; rank RANK_NONE if it cannot be one. */
trade_symbol trade_symbol_named(const char *word);

/* Currencies, metals and indices: their prices move by little. */
bool trade_symbol_is_steady(const trade_symbol *symbol);

/* Do they name the same? USD/CAD and USD/JPY do not, BTC/USDT and BTC do. */
bool trade_symbol_same(const trade_symbol *a, const trade_symbol *b);

trade_range trade_symbol_range(const trade_symbol *symbol);

/* The one symbol that the message is about. Returns its item's index, or -1.
 *   several  set if there were others as good */
int trade_symbol_choose(const item_list *list, bool *several);

static inline bool item_is_side(const item *i)
{
    return i->kind == ITEM_WORD && (i->sense == SENSE_LONG || i->sense == SENSE_SHORT ||
                                    i->sense == SENSE_BUY || i->sense == SENSE_SELL);
}

static inline bool item_is(const item *i, trade_sense sense)
{
    return i->kind == ITEM_WORD && i->sense == sense;
}

static inline bool item_is_price(const item *i)
{
    return i->kind == ITEM_NUMBER &&
           (i->unit == UNIT_NONE || i->unit == UNIT_THOUSAND || i->unit == UNIT_MILLION);
}

#endif
