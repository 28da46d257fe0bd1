/* trade_news.h - what a message says has become of a trade. Pure. */
#ifndef COLLECTOR_TRADE_NEWS_H
#define COLLECTOR_TRADE_NEWS_H

#include "trade_items.h"

typedef struct trade_news {
    trade_event type;
    const item *said; /* the words that say it: from, and to in `said_to` */
    const item *said_to;
    uint8_t targets[TRADE_TARGETS_MAX];
    size_t n_targets;
    bool all;
    const item *price, *percent;
    bool loss;    /* the percent is one */
    bool loose;   /* a word alone, which may be about something else */
    size_t mixed; /* kinds of news in the message */
    bool leads;   /* it begins its line */
} trade_news;

void trade_news_read(const item_list *list, trade_news *ret);

#endif
