/* trade.h - the trade that a message calls for, or what has become of one.
 *
 * Pure: no I/O, no state, any thread; one allocation while it runs, linear in the text. Prices are
 * decimal strings with the digits that the message has. Each value knows where it stands.
 * Nothing is guessed in silence: what contradicts itself, or can be read in two ways, is left out
 * and lowers the confidence; a message that is no trade gives none. */
#ifndef COLLECTOR_TRADE_H
#define COLLECTOR_TRADE_H

#include "trade_number.h"
#include "trade_text.h"

enum {
    TRADE_ENTRIES_MAX = 8,
    TRADE_TARGETS_MAX = 16,
    TRADE_SPANS_MAX = 48,
    TRADE_LIST_MAX = 8,
    TRADE_BASE_SIZE = 24,
    TRADE_QUOTE_SIZE = 8,
    TRADE_SYMBOL_SIZE = 32
};

typedef enum trade_kind { TRADE_NONE, TRADE_ENTRY, TRADE_UPDATE } trade_kind;
typedef enum trade_side { TRADE_NO_SIDE, TRADE_LONG, TRADE_SHORT } trade_side;
typedef enum trade_margin { TRADE_NO_MARGIN, TRADE_CROSS, TRADE_ISOLATED } trade_margin;
typedef enum trade_order { TRADE_NO_ORDER, TRADE_MARKET, TRADE_LIMIT } trade_order;

typedef enum trade_event {
    TRADE_NO_EVENT,
    TRADE_TARGET_HIT,
    TRADE_STOP_HIT,
    TRADE_ENTERED,
    TRADE_CLOSED,
    TRADE_CANCELLED,
    TRADE_STOP_MOVED,
    TRADE_PARTIAL_CLOSE
} trade_event;

typedef enum trade_field {
    TRADE_FIELD_SYMBOL,
    TRADE_FIELD_SIDE,
    TRADE_FIELD_LEVERAGE,
    TRADE_FIELD_ORDER,
    TRADE_FIELD_ENTRY,
    TRADE_FIELD_TARGET,
    TRADE_FIELD_STOP,
    TRADE_FIELD_UPDATE,
    TRADE_FIELD_PRICE,
    TRADE_FIELD_PERCENT
} trade_field;

/* The nth span of a field is its nth value's. */
typedef struct trade_span {
    trade_field field;
    uint16_t part;       /* index into the parts */
    uint32_t start, end; /* UTF-16 offsets, end exclusive */
} trade_span;

typedef struct trade_update {
    trade_event type;
    uint8_t targets[TRADE_TARGETS_MAX]; /* from 1, ascending */
    size_t n_targets;
    bool all;
    char price[TRADE_NUMBER_SIZE];   /* "" if it is not said; so below */
    char percent[TRADE_NUMBER_SIZE]; /* with '-' for a loss */
} trade_update;

typedef struct trade {
    trade_kind kind;
    char symbol[TRADE_SYMBOL_SIZE], base[TRADE_BASE_SIZE], quote[TRADE_QUOTE_SIZE];
    trade_side side;
    double leverage_min, leverage_max; /* 0: not said */
    trade_margin margin;
    trade_order order;
    bool entries_are_range; /* from, to */
    char entries[TRADE_ENTRIES_MAX][TRADE_NUMBER_SIZE];
    size_t n_entries;
    char targets[TRADE_TARGETS_MAX][TRADE_NUMBER_SIZE];
    size_t n_targets;
    char stop[TRADE_NUMBER_SIZE];
    trade_update update;
    trade_span spans[TRADE_SPANS_MAX];
    size_t n_spans;
    double confidence; /* 0 to 1; see the README */
} trade;

/* Reads the parts of a message in their order. ret->kind is TRADE_NONE where there is no trade, or
 * more than one.
 * Returns 0 or -ENOMEM. */
int trade_parse(const trade_part *parts, size_t n_parts, trade *ret);

/* The trades of a message in the order of its text; of more than fit, none is given. */
typedef struct trade_list {
    trade items[TRADE_LIST_MAX];
    size_t count;
} trade_list;

/* Returns 0 or -ENOMEM. */
int trade_parse_all(const trade_part *parts, size_t n_parts, trade_list *ret);

const char *trade_field_name(trade_field field);

#endif
