/* trade_char.h - what one character is to a reader of trades. Pure. */
#ifndef COLLECTOR_TRADE_CHAR_H
#define COLLECTOR_TRADE_CHAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum trade_char_type {
    CHAR_HIDDEN, /* zero width, direction, variation, combining */
    CHAR_KEYCAP, /* the box around the digit before it */
    CHAR_SPACE,
    CHAR_THIN, /* a space that may group digits */
    CHAR_LINE,
    CHAR_DIGIT,     /* mark: '0' to '9' */
    CHAR_LETTER,    /* fold, upper */
    CHAR_IDEOGRAPH, /* a script without spaces */
    CHAR_ORDINAL,   /* value */
    CHAR_MARK       /* mark */
} trade_char_type;

typedef struct trade_char {
    trade_char_type type;
    uint8_t size, units; /* bytes; UTF-16 units. 0, 0: the text is over */
    bool upper;
    char mark;
    uint8_t value;
    char fold[5]; /* never longer than the character itself */
} trade_char;

trade_char trade_char_at(const char *text, size_t size, size_t at);

/* Bytes of the longest known word that a text in a script without spaces begins with; 0: none. */
size_t trade_char_known_run(const char *text, size_t size);

/* Is a folded word after a number a time or distance: "h", "min", "pips"? */
bool trade_char_is_time(const char *word);

#endif
