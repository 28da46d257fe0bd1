/* trade_readings.h - the trades of an event's content and embeds, as signals:record takes them. */
#ifndef COLLECTOR_TRADE_READINGS_H
#define COLLECTOR_TRADE_READINGS_H

#include "api.h"

/* The trades of both; what the event points to. */
typedef struct trade_readings trade_readings;

/* Reads what the event carries and sets content_trade and embeds_trade, or content_trades and
 * embeds_trades where there are several; absent: no trade.
 *   ret  owned, release with trade_readings_free() after the event; NULL if there is none
 * Returns 0 or -ENOMEM. */
int trade_readings_new(api_upsert_event *event, trade_readings **ret);
void trade_readings_free(trade_readings *self);

/* One text, "content": its trade as JSON, several as a list.
 *   ret  owned, release with convex_text_free(ret, NULL); NULL if it is none
 * Returns 1 with a trade, 0 without, or -ENOMEM. */
int trade_readings_print(const char *text, size_t size, char **ret);

#endif
