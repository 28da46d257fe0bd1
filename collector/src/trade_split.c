/* trade_split.c - see trade_split.h. Owns nothing.
 * A block begins with the line that names another symbol, and with the lines above it that say but
 * its side or a title; or within a line, where prices stand between two symbols.
 * Invariant: the blocks are the items in their order, none left out. */
#include "trade_split.h"

#include <string.h>

typedef struct cutter {
    const item_list *list;
    split_block *blocks;
    size_t count;
    bool full;
} cutter;

static const trade_symbol *symbol_at(const item_list *list, size_t at)
{
    const item *one = &list->items[at];
    return one->kind == ITEM_SYMBOL ? &list->symbols[one->symbol - 1] : NULL;
}

static size_t line_begin(const item_list *list, size_t at)
{
    while (at > 0 && list->items[at - 1].kind != ITEM_LINE)
        at--;
    return at;
}

/* Does a line, not empty, say at most a side or a title? */
static bool is_heading(const item_list *list, size_t at)
{
    size_t said = 0;
    for (; at < list->count && list->items[at].kind != ITEM_LINE; at++, said++) {
        const item *one = &list->items[at];
        bool label = item_is(one, SENSE_ENTRY) || item_is(one, SENSE_TARGET) ||
                     item_is(one, SENSE_STOP) || item_is(one, SENSE_LEVERAGE);
        if (label || one->kind == ITEM_SYMBOL || (one->kind == ITEM_NUMBER && item_is_price(one)))
            return false;
    }
    return said > 0;
}

/* Where the block of the symbol at `at` begins, behind `least`. */
static size_t begin_of(const item_list *list, size_t at, size_t least)
{
    enum { HEADINGS = 3 };
    size_t begin = line_begin(list, at);
    for (int n = 0; n < HEADINGS && begin > least + 1; n++) {
        size_t above = line_begin(list, begin - 1);
        if (above < least || above == begin - 1 || !is_heading(list, above))
            break;
        begin = above;
    }
    return begin > least ? begin : least;
}

/* Within a line: the symbol, and the side right before it. */
static size_t begin_within(const item_list *list, size_t at, size_t least)
{
    size_t begin = at;
    while (begin > least &&
           (list->items[begin - 1].kind == ITEM_MARK || item_is_side(&list->items[begin - 1])))
        begin--;
    return begin;
}

static void begin_block(cutter *self, size_t begin, size_t name)
{
    self->full = self->full || self->count == SPLIT_BLOCKS_MAX;
    if (self->full)
        return;
    split_block *block = &self->blocks[self->count++];
    *block = (split_block){.list = *self->list};
    block->list.items += begin;
    block->names[block->n_names++] = self->list->items[name].symbol;
    if (self->count > 1)
        block[-1].list.count = (size_t)(block->list.items - block[-1].list.items);
    block->list.count = self->list->count - begin;
}

static bool names(const split_block *block, const trade_symbol *symbol)
{
    for (size_t i = 0; i < block->n_names; i++)
        if (trade_symbol_same(&block->list.symbols[block->names[i] - 1], symbol))
            return true;
    return false;
}

/* Is nothing but "and" and marks between two symbols? */
static bool in_a_row(const item_list *list, size_t from, size_t to)
{
    enum { REACH = 4 };
    if (to - from > REACH)
        return false;
    for (size_t i = from + 1; i < to; i++)
        if (list->items[i].kind != ITEM_MARK && !item_is(&list->items[i], SENSE_AND))
            return false;
    return true;
}

static bool has_price(const item_list *list, size_t from, size_t to)
{
    for (size_t i = from + 1; i < to; i++)
        if (item_is_price(&list->items[i]))
            return true;
    return false;
}

/* Another symbol than the block's, the last of which stands at `last`. */
static void on_name(cutter *self, size_t at, size_t last, size_t line)
{
    split_block *block = &self->blocks[self->count - 1];
    if (in_a_row(self->list, last, at) && block->n_names < SPLIT_NAMES_MAX)
        block->names[block->n_names++] = self->list->items[at].symbol;
    else if (last < line)
        begin_block(self, begin_of(self->list, at, last + 1), at);
    else if (has_price(self->list, last, at))
        begin_block(self, begin_within(self->list, at, last + 1), at);
}

size_t trade_split(const item_list *list, split_block blocks[SPLIT_BLOCKS_MAX])
{
    cutter self = {.list = list, .blocks = blocks};
    size_t last = 0, line = 0;
    for (size_t i = 0; i < list->count && !self.full; i++) {
        const trade_symbol *symbol = symbol_at(list, i);
        if (list->items[i].kind == ITEM_LINE)
            line = i + 1;
        if (!symbol)
            continue;
        if (self.count == 0)
            begin_block(&self, 0, i);
        else if (!names(&blocks[self.count - 1], symbol))
            on_name(&self, i, last, line);
        last = i;
    }
    return self.full ? 0 : self.count;
}
