/* trade_fields.h - which numbers of a message are entries, targets and stop. Pure. */
#ifndef COLLECTOR_TRADE_FIELDS_H
#define COLLECTOR_TRADE_FIELDS_H

#include "trade_items.h"

enum { FIELD_VALUES_MAX = 16 };

/* The values of one field, by the items that hold them. */
typedef struct field_values {
    const item *items[FIELD_VALUES_MAX];
    char links[FIELD_VALUES_MAX]; /* how each follows the one before: '-' of a range, or ',' */
    bool hit[FIELD_VALUES_MAX];   /* a check behind it */
    size_t count;
    bool unread;  /* it has a number that cannot be read for sure, or too many */
    bool implied; /* no label, but the side before it */
    bool mended;  /* its label had a slip */
} field_values;

typedef struct trade_fields {
    field_values entry, target, stop;
    const item *long_side, *short_side; /* the surest mention of each */
    int long_weight, short_weight;
    const item *leverage[2];
    const item *margin, *order;
    trade_margin mode;
    trade_order kind;
    bool has_levels; /* a label other than the entry's has a price */
    bool crossed;    /* a cross stands behind the stop: its and the targets' marks are decoration */
} trade_fields;

void trade_fields_read(const item_list *list, trade_fields *ret);

#endif
