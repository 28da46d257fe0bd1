/* trade_number.h - what the digits of a message say, exactly.
 *
 * Pure. "43.500" and "64,200" are forty-three or forty-three thousand, depending on who writes:
 * the other numbers of the message, its language and what the symbol costs decide; where they do
 * not, the number stays unread. */
#ifndef COLLECTOR_TRADE_NUMBER_H
#define COLLECTOR_TRADE_NUMBER_H

#include "trade_text.h"

enum { TRADE_NUMBER_SIZE = 32 };

typedef enum trade_style { STYLE_UNKNOWN, STYLE_DOT, STYLE_COMMA } trade_style;

/* How the message writes decimals. */
typedef struct trade_locale {
    trade_style style;
    bool sure;          /* a number says so, not only the language */
    double price;       /* the median of the prices that can be read one way only; 0: none */
    double least, most; /* what the symbol may cost; 0: not known */
} trade_locale;

/* Votes of one number's digits; *dot and *comma are raised. */
void trade_number_vote(const char *digits, int *dot, int *comma);

/* Can the digits be read in one way only? */
bool trade_number_is_plain(const char *digits);

/* Digits as people round thousands: "43.500", "62,950". */
bool trade_number_is_rounded(const char *digits);

/* The value as a decimal string, "1234.50". Returns false if it cannot be told.
 *   guessed  set if the reading rests on the locale */
bool trade_number_read(const char *digits, token_unit unit, const trade_locale *locale,
                       char ret[TRADE_NUMBER_SIZE], bool *guessed);

#endif
