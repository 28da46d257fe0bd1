/* trade_text.h - a message as tokens: words folded, numbers apart, decoration gone.
 *
 * Pure: no I/O, no allocation, any thread. Each byte is looked at a bounded number of times.
 *
 * Folding makes "Ｅntrée", "ENTRÉE" and "𝗘𝗻𝘁𝗿𝗲𝗲" the word "entree": case, accents, full width,
 * mathematical and enclosed letters. Dropped without a trace: zero-width characters, Markdown
 * marks, Discord's mentions, custom emoji and timestamps, links, and code in a data language. */
#ifndef COLLECTOR_TRADE_TEXT_H
#define COLLECTOR_TRADE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRADE_TEXT_MAX = 24576 }; /* bytes of a message that are read; the rest is not */

/* One text of a message. */
typedef struct trade_part {
    const char *name; /* "content", "embeds[0].title" */
    const char *text; /* UTF-8; what is not stands for nothing */
    size_t size;
    bool heading; /* the next part is its value: the name of an embed's field */
} trade_part;

typedef enum token_kind { TOKEN_LINE, TOKEN_WORD, TOKEN_NUMBER, TOKEN_MARK } token_kind;

/* What a number counts. */
typedef enum token_unit {
    UNIT_NONE,
    UNIT_THOUSAND,
    UNIT_MILLION,
    UNIT_PERCENT,
    UNIT_TIMES,   /* 10x */
    UNIT_ORDINAL, /* 1st, a keycap, a circled digit */
    UNIT_OTHER    /* hours, R, dates, versions: never a price */
} token_unit;

/* Marks that stand for several characters; others are their ASCII character. */
enum { MARK_CHECK = 'V', MARK_CROSS = 'X', MARK_TARGET = 'T', MARK_STOP = 'S', MARK_EMOJI = 'E' };

typedef struct token {
    uint8_t kind, unit;
    char mark;           /* of a mark: '-', '/', ':', '>' (an arrow), MARK_CHECK, ... */
    char sign;           /* of a number: '+', '-' or 0 */
    bool spaced;         /* a space or a line's end before it */
    bool quoted;         /* on a line that quotes */
    bool struck;         /* ~~so~~ */
    bool upper;          /* a word all of whose letters are capitals */
    uint16_t part;       /* index */
    uint32_t start, end; /* UTF-16 offsets in the part */
    const char *text;    /* a word folded, a number's digits and separators: "1.234,5" */
} token;

/* Writes the tokens of all parts, a TOKEN_LINE between parts.
 *   tokens  room for trade_text_tokens(size) with size the parts' sizes together
 *   pool    room for twice the size, and one for each part
 * Returns their number. */
size_t trade_text_read(const trade_part *parts, size_t n_parts, token *tokens, char *pool);
size_t trade_text_tokens(size_t size, size_t n_parts);

#endif
