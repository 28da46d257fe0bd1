/* trade_split.h - a message of several trades, cut into one block for each. Pure. */
#ifndef COLLECTOR_TRADE_SPLIT_H
#define COLLECTOR_TRADE_SPLIT_H

#include "trade_items.h"

enum { SPLIT_BLOCKS_MAX = 16, SPLIT_NAMES_MAX = 8 };

/* The items of one symbol, or of some that are named in a row: "BTC & ETH: stops to entry". */
typedef struct split_block {
    item_list list;
    uint32_t names[SPLIT_NAMES_MAX]; /* `symbol` of their items, at least one */
    size_t n_names;
} split_block;

/* Cuts the items; the blocks point into them. Returns their number, 0 if there are too many. */
size_t trade_split(const item_list *list, split_block blocks[SPLIT_BLOCKS_MAX]);

#endif
