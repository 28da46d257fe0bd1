/* trade_text.c - see trade_text.h. Owns nothing.
 * Invariant: a token's span begins and ends between characters, and covers what its text says. */
#include "trade_text.h"

#include <string.h>

#include "trade_char.h"

typedef struct reader {
    const trade_part *part;
    uint16_t index;
    size_t at;       /* byte */
    uint32_t offset; /* UTF-16 */
    size_t left;     /* bytes that may still be read, over all parts */
    token *tokens;
    size_t count;
    char *pool;
    bool spaced, quoted, struck, fenced;
} reader;

typedef struct place {
    size_t at;
    uint32_t offset;
} place;

static trade_char peek(const reader *self, size_t at)
{
    return trade_char_at(self->part->text, self->part->size, at);
}

static trade_char here(const reader *self)
{
    return peek(self, self->at);
}

static void step(reader *self, trade_char c)
{
    self->at += c.size;
    self->offset += c.units;
}

/* The first character after those that cannot be seen. */
static trade_char see(reader *self)
{
    trade_char c = here(self);
    while (c.type == CHAR_HIDDEN) {
        step(self, c);
        c = here(self);
    }
    return c;
}

static bool starts(const reader *self, const char *text)
{
    size_t len = strlen(text);
    return self->part->size - self->at >= len &&
           strncmp(self->part->text + self->at, text, len) == 0;
}

static token *add(reader *self, token_kind kind, uint32_t start)
{
    token *t = &self->tokens[self->count++];
    *t = (token){.kind = (uint8_t)kind,
                 .spaced = self->spaced,
                 .quoted = self->quoted,
                 .struck = self->struck,
                 .part = self->index,
                 .start = start,
                 .end = self->offset,
                 .text = ""};
    self->spaced = false;
    return t;
}

static void add_mark(reader *self, char mark, uint32_t start)
{
    add(self, TOKEN_MARK, start)->mark = mark;
}

/* ---- what is dropped ---- */

static void skip_to(reader *self, size_t end)
{
    while (self->at < end)
        step(self, here(self));
    self->spaced = true;
}

/* <@1>, <#1>, <:name:1>, <a:name:1>, <t:1:R>, </name:1>. */
static bool skip_discord(reader *self)
{
    enum { LONGEST = 120 };
    const char *text = self->part->text + self->at;
    size_t left = self->part->size - self->at;
    size_t limit = left < LONGEST ? left : LONGEST;
    if (limit < 3 || !strchr("@#:at/i", text[1]))
        return false;
    for (size_t i = 1; i < limit; i++) {
        if (text[i] == '>') {
            skip_to(self, self->at + i + 1);
            return true;
        }
        if (text[i] == ' ' || text[i] == '\n' || text[i] == '<')
            return false;
    }
    return false;
}

static bool skip_link(reader *self)
{
    static const char *const heads[] = {"http://",  "https://",     "www.",
                                        "t.me/",    "discord.gg/",  "HTTP://",
                                        "HTTPS://", "discord.com/", "bit.ly/"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (!starts(self, heads[i]))
            continue;
        size_t end = self->at;
        uint32_t start = self->offset;
        while (end < self->part->size && !memchr(" \t\r\n)>\"", self->part->text[end], 7))
            end++;
        skip_to(self, end);
        add_mark(self, 'U', start);
        return true;
    }
    return false;
}

/* A fence's language; code that is data for machines is no message. */
static void skip_fence(reader *self)
{
    static const char *const data[] = {"json", "js",  "ts",   "python", "py", "javascript", "sql",
                                       "c",    "cpp", "bash", "sh",     "go", "typescript", "rust"};
    size_t language = self->at + 3, end = language;
    const char *text = self->part->text;
    self->fenced = !self->fenced;
    while (end < self->part->size && end - language < 16 && text[end] > ' ' && text[end] != '`')
        end++;
    if (!self->fenced || end == self->part->size || text[end] != '\n')
        end = language;
    size_t len = end - language;
    for (size_t i = 0; len > 0 && i < sizeof data / sizeof *data; i++)
        if (strlen(data[i]) == len && strncmp(data[i], text + language, len) == 0) {
            const char *close = memmem(text + end, self->part->size - end, "```", 3);
            end = close ? (size_t)(close - text) + 3 : self->part->size;
            self->fenced = false;
            break;
        }
    skip_to(self, end < self->part->size ? end : self->part->size);
}

/* "0.076 _ 0.070", "4338__4334": from, to. */
static bool read_underscores(reader *self)
{
    const char *text = self->part->text;
    size_t end = self->at;
    uint32_t start = self->offset;
    const token *last = self->count > 0 ? &self->tokens[self->count - 1] : NULL;
    while (end < self->part->size && text[end] == '_' && end - self->at <= 2)
        end++;
    bool spaced = end < self->part->size && text[end] == ' ';
    size_t next = end + spaced;
    if (!last || last->kind != TOKEN_NUMBER || spaced != self->spaced || end - self->at > 2 ||
        next >= self->part->size || text[next] < '0' || text[next] > '9')
        return false;
    skip_to(self, end);
    self->spaced = spaced;
    add_mark(self, '-', start);
    return true;
}

/* Marks of Markdown around a text. Returns whether something was dropped. */
static bool skip_markdown(reader *self)
{
    if (starts(self, "```")) {
        skip_fence(self);
        return true;
    }
    if (starts(self, "~~")) {
        self->struck = !self->struck;
        self->at += 2;
        self->offset += 2;
        return true;
    }
    char c = self->part->text[self->at];
    if (c == '_' && read_underscores(self))
        return true;
    bool twice = starts(self, "||") || starts(self, "__") || starts(self, "**");
    if (!twice && c != '`' && c != '\\' && c != '*' && c != '_')
        return false;
    self->at += twice ? 2 : 1;
    self->offset += twice ? 2 : 1;
    return true;
}

/* ---- words and numbers ---- */

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

/* Labels that digits may follow without a space: "TP1", "sl62950", "x10". */
static bool takes_digits(const char *word)
{
    static const char *const labels[] = {
        "tp",       "sl",    "t",         "x",        "lev",  "leverage", "target",
        "targets",  "entry", "entries",   "ep",       "e",    "dca",      "stop",
        "stoploss", "buy",   "sell",      "zone",     "long", "short",    "takeprofit",
        "tps",      "obj",   "ziel",      "тп",       "цель", "tg",       "limit",
        "cmp",      "tgt",   "obiettivo", "objetivo", "alvo", "hedef",    "cross"};
    return is_one_of(word, labels, sizeof labels / sizeof *labels);
}

/* "looong" is "long": three of a letter are one. */
static char *put_letter(const char *begin, char *out, const trade_char *c)
{
    size_t len = strlen(c->fold);
    if (len == 1 && out - begin >= 2 && out[-1] == c->fold[0] && out[-2] == c->fold[0]) {
        out[-1] = '\0';
        return out - 1; /* both later ones go when the run goes on */
    }
    memcpy(out, c->fold, len);
    return out + len;
}

/* Letters of one script that look like those of the other: "BTС" with a Cyrillic C. */
static const struct {
    char latin;
    const char *cyrillic;
} lookalikes[] = {{'a', "\xD0\xB0"}, {'b', "\xD0\xB2"}, {'c', "\xD1\x81"}, {'e', "\xD0\xB5"},
                  {'h', "\xD0\xBD"}, {'k', "\xD0\xBA"}, {'m', "\xD0\xBC"}, {'o', "\xD0\xBE"},
                  {'p', "\xD1\x80"}, {'t', "\xD1\x82"}, {'x', "\xD1\x85"}, {'y', "\xD1\x83"}};

/* Does a Cyrillic letter begin with this byte? */
static bool is_cyrillic(char byte)
{
    return ((unsigned char)byte & 0xFE) == 0xD0;
}

/* A word of two scripts becomes one of the script that most of its letters are of. Returns its end;
 * a Cyrillic letter has two bytes, and so has the pool for each byte of the text. */
static char *settle_script(char *begin, char *end)
{
    char word[64], *out = begin;
    size_t latin = 0, cyrillic = 0, len = (size_t)(end - begin);
    for (const char *c = begin; c < end; c++) {
        latin += *c >= 'a' && *c <= 'z';
        cyrillic += is_cyrillic(*c);
    }
    if (latin == 0 || cyrillic == 0 || len >= sizeof word)
        return end;
    memcpy(word, begin, len);
    for (size_t i = 0, size; i < len; i += size) {
        size = is_cyrillic(word[i]) && i + 1 < len ? 2 : 1;
        const char *put = word + i;
        size_t n = size;
        for (size_t k = 0; k < sizeof lookalikes / sizeof *lookalikes; k++) {
            if (size == 2 && latin >= cyrillic && memcmp(put, lookalikes[k].cyrillic, 2) == 0) {
                put = &lookalikes[k].latin;
                n = 1;
                break;
            }
            if (size == 1 && latin < cyrillic && *put == lookalikes[k].latin) {
                put = lookalikes[k].cyrillic;
                n = 2;
                break;
            }
        }
        memcpy(out, put, n);
        out += n;
    }
    return out;
}

static void read_word(reader *self)
{
    char *begin = self->pool, *out = begin;
    uint32_t start = self->offset, end = start;
    bool upper = true, digits = false, run = false;
    char last = '\0';
    for (trade_char c = here(self); c.size > 0; c = here(self)) {
        if (c.type == CHAR_HIDDEN) {
            step(self, c);
            continue;
        }
        bool apostrophe = c.type == CHAR_MARK && c.mark == '\'' &&
                          peek(self, self->at + c.size).type == CHAR_LETTER;
        if (c.type == CHAR_DIGIT && !digits) {
            *out = '\0';
            if (takes_digits(begin))
                break;
        }
        if (c.type != CHAR_LETTER && c.type != CHAR_DIGIT && !apostrophe)
            break;
        *out = '\0';
        if (starts(self, "\xC3\x97") && out > begin && takes_digits(begin))
            break; /* "Leverage×50" */
        digits = digits || c.type == CHAR_DIGIT;
        if (c.type == CHAR_LETTER) {
            upper = upper && c.upper;
            run = run && c.fold[0] == last && c.fold[1] == '\0';
            if (!run) {
                char *put = put_letter(begin, out, &c);
                run = put < out;
                out = put;
            }
            last = c.fold[0];
        } else if (!apostrophe) {
            *out++ = c.mark;
            last = '\0';
        }
        step(self, c);
        end = self->offset;
    }
    out = settle_script(begin, out);
    *out = '\0';
    self->pool = out + 1;
    token *t = add(self, TOKEN_WORD, start);
    t->end = end;
    t->text = begin;
    t->upper = upper;
}

static void read_ideographs(reader *self)
{
    char *begin = self->pool;
    uint32_t start = self->offset;
    size_t known = trade_char_known_run(self->part->text + self->at, self->part->size - self->at);
    size_t end = self->at + (known ? known : here(self).size);
    memcpy(begin, self->part->text + self->at, end - self->at);
    begin[end - self->at] = '\0';
    self->pool = begin + (end - self->at) + 1;
    while (self->at < end)
        step(self, here(self));
    add(self, TOKEN_WORD, start)->text = begin;
}

static size_t digits_from(const reader *self, size_t at)
{
    size_t count = 0;
    for (trade_char c = peek(self, at); c.type == CHAR_DIGIT && count < 8; c = peek(self, at)) {
        count++;
        at += c.size;
    }
    return count;
}

/* A small digit below the line: so many zeros stand there. 0: it is none. */
static size_t zeros_at(const reader *self)
{
    const char *text = self->part->text + self->at;
    bool small = starts(self, "\xE2\x82") && self->part->size - self->at > 2 &&
                 (unsigned char)text[2] >= 0x81 && (unsigned char)text[2] <= 0x89;
    return small ? (size_t)((unsigned char)text[2] - 0x80) : 0;
}

/* Digits, and separators between digits. */
static uint32_t read_digits(reader *self)
{
    const char *begin = self->pool;
    uint32_t end = self->offset;
    for (trade_char c = here(self);; c = here(self)) {
        size_t next = self->at + c.size;
        if (c.type == CHAR_HIDDEN) {
            step(self, c);
            continue;
        }
        if (c.type == CHAR_DIGIT)
            *self->pool++ = c.mark;
        else if (c.type == CHAR_MARK && (c.mark == '.' || c.mark == ',') && digits_from(self, next))
            *self->pool++ = c.mark;
        else if (zeros_at(self) > 0 && self->pool - begin == 3 && strncmp(begin, "0.0", 3) == 0 &&
                 digits_from(self, next))
            for (size_t n = zeros_at(self); n > 1; n--)
                *self->pool++ = '0'; /* "0.0" and a small 4: 0.0000 */
        else if (((c.type == CHAR_MARK && c.mark == '\'') || c.type == CHAR_THIN) &&
                 digits_from(self, next) == 3)
            *self->pool++ = ' ';
        else
            break;
        step(self, c);
        if (c.type == CHAR_DIGIT)
            end = self->offset;
    }
    *self->pool++ = '\0';
    return end;
}

static token_unit unit_of(const char *word, bool upper)
{
    static const struct {
        const char *word;
        token_unit unit;
    } units[] = {
        {"k", UNIT_THOUSAND}, {"mio", UNIT_MILLION}, {"mln", UNIT_MILLION}, {"x", UNIT_TIMES},
        {"st", UNIT_ORDINAL}, {"nd", UNIT_ORDINAL},  {"rd", UNIT_ORDINAL},  {"th", UNIT_ORDINAL},
        {"er", UNIT_ORDINAL}, {"ere", UNIT_ORDINAL}, {"fach", UNIT_TIMES},  {"ish", UNIT_NONE},
        {"usdt", UNIT_NONE},  {"usd", UNIT_NONE},    {"usdc", UNIT_NONE},   {"eur", UNIT_NONE},
        {"us", UNIT_NONE},    {"o", UNIT_ORDINAL},   {"a", UNIT_ORDINAL},   {"к", UNIT_THOUSAND},
        {"х", UNIT_TIMES},    {"배", UNIT_TIMES}};
    if (strcmp(word, "m") == 0)
        return upper ? UNIT_MILLION : UNIT_OTHER;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(word, units[i].word) == 0)
            return units[i].unit;
    return UNIT_OTHER;
}

/* Letters right after the digits: a unit, or the number was the head of a name ("1000PEPE"). */
static bool read_unit(reader *self, token_unit *unit, uint32_t *end, const char *digits)
{
    char word[16] = "";
    size_t len = 0;
    bool upper = true;
    place back = {self->at, self->offset};
    for (trade_char c = see(self); c.type == CHAR_LETTER || c.type == CHAR_DIGIT; c = see(self)) {
        size_t more = c.type == CHAR_LETTER ? strlen(c.fold) : 1;
        if (len + more + 1 > sizeof word)
            break;
        memcpy(word + len, c.type == CHAR_LETTER ? c.fold : &c.mark, more);
        len += more;
        upper = upper && (c.type == CHAR_DIGIT || c.upper);
        step(self, c);
    }
    word[len] = '\0';
    *unit = unit_of(word, upper);
    if (*unit == UNIT_THOUSAND || *unit == UNIT_MILLION)
        *end = self->offset;
    if (*unit == UNIT_OTHER && len >= 2 && strspn(digits, "0123456789") == strlen(digits) &&
        !trade_char_is_time(word)) {
        self->at = back.at;
        self->offset = back.offset;
        return false;
    }
    return true;
}

static void read_percent(reader *self, token_unit *unit)
{
    trade_char c = see(self), next = peek(self, self->at + c.size);
    if (c.type == CHAR_MARK && c.mark == '%')
        step(self, c);
    else if ((c.type == CHAR_SPACE || c.type == CHAR_THIN) && next.type == CHAR_MARK &&
             next.mark == '%') {
        step(self, c);
        step(self, next);
    } else {
        return;
    }
    *unit = UNIT_PERCENT;
}

/* One separator too many: a list without spaces ("44000,45000"), or no number at all. */
static bool is_list(const char *text)
{
    size_t pieces = 0, small = 0;
    for (const char *p = text; *p; pieces++) {
        size_t len = strcspn(p, ",");
        size_t whole = strspn(p, "0123456789");
        if (len <= 2)
            small++;
        else if (whole >= len && len < 4)
            return false;
        if (strspn(p, "0123456789.") != len)
            return false;
        p += len + (p[len] == ',');
    }
    return pieces > 1 && (small == 0 || small == pieces);
}

static bool is_grouped(const char *text)
{
    size_t first = strspn(text, "0123456789");
    char group = text[first];
    const char *p = text + first;
    if (group == '\0')
        return true;
    if (strcspn(p + 1, "., ") == strlen(p + 1))
        return group != ' ' || strlen(p + 1) == 3;
    if (first > 3)
        return false;
    while (*p == group && strspn(p + 1, "0123456789") == 3)
        p += 4;
    return *p == '\0' ||
           (p > text + first && *p != group && strcspn(p + 1, "., ") == strlen(p + 1));
}

/* The pieces of a list become numbers of their own: each digit is one UTF-16 unit here. */
static void split_list(reader *self, token *whole)
{
    token all = *whole;
    char *text = self->pool - strlen(all.text) - 1;
    uint32_t at = all.start;
    self->count--;
    for (char *p = text; *p;) {
        size_t len = strcspn(p, ",");
        bool more = p[len] == ',';
        p[len] = '\0';
        token *t = &self->tokens[self->count++];
        *t = all;
        t->text = p;
        t->start = at;
        t->end = at + (uint32_t)len;
        at += (uint32_t)len + 1;
        p += len + more;
        if (more) {
            self->tokens[self->count] = all;
            self->tokens[self->count].kind = TOKEN_MARK;
            self->tokens[self->count].mark = ',';
            self->tokens[self->count].text = "";
            self->tokens[self->count].start = at - 1;
            self->tokens[self->count++].end = at;
        }
        if (!more)
            break;
    }
}

/* "Tp1.1.966": which one, and its price. */
static bool split_index(reader *self, token *whole)
{
    char *text = self->pool - strlen(whole->text) - 1;
    const token *label = self->count > 1 ? whole - 1 : NULL;
    size_t digits = strspn(text + 2 * (text[0] && text[1]), "0123456789");
    if (!label || label->kind != TOKEN_WORD || whole->spaced || text[0] < '1' || text[1] != '.' ||
        digits == 0 || text[2 + digits] != '.' || strpbrk(text + 3 + digits, "., ") ||
        !takes_digits(label->text) || whole->end - whole->start != strlen(text))
        return false;
    token price = *whole;
    text[1] = '\0';
    whole->end = whole->start + 1;
    whole->unit = UNIT_NONE;
    price.text = text + 2;
    price.start += 2;
    price.spaced = true;
    self->tokens[self->count++] = price;
    return true;
}

/* `point`: it begins with its decimal point, ".8125". */
static void read_number(reader *self, char sign, uint32_t from, bool point)
{
    place back = {self->at, self->offset};
    char *begin = self->pool;
    if (point) {
        *self->pool++ = '0';
        *self->pool++ = '.';
    }
    uint32_t start = self->offset, end = read_digits(self);
    token_unit unit = UNIT_NONE;
    bool keycap = peek(self, self->at).type == CHAR_KEYCAP;
    if (keycap) {
        step(self, here(self));
        end = self->offset;
        unit = UNIT_ORDINAL;
    } else if (see(self).type == CHAR_LETTER) {
        if (!read_unit(self, &unit, &end, begin) && !point) {
            self->at = back.at;
            self->offset = back.offset;
            self->pool = begin;
            read_word(self);
            return;
        }
    } else {
        read_percent(self, &unit);
    }
    token *t = add(self, TOKEN_NUMBER, point || (unit == UNIT_PERCENT && sign) ? from : start);
    t->end = end;
    t->text = begin;
    t->unit = (uint8_t)unit;
    t->sign = sign;
    if (is_grouped(begin) || split_index(self, t))
        return;
    if (is_list(begin) && unit != UNIT_ORDINAL && end - start == strlen(begin))
        split_list(self, t);
    else
        t->unit = UNIT_OTHER;
}

/* ---- lines ---- */

/* ":white_check_mark:" as bots write it. */
static bool read_shortcode(reader *self)
{
    static const char *const checks[] = {"white_check_mark", "heavy_check_mark",
                                         "ballot_box_with_check"};
    const char *text = self->part->text + self->at + 1;
    size_t left = self->part->size - self->at - 1;
    size_t limit = left < 40 ? left : 40, len = 0;
    bool underscore = false;
    uint32_t start = self->offset;
    while (len < limit && ((text[len] >= 'a' && text[len] <= 'z') || text[len] == '_')) {
        underscore = underscore || text[len] == '_';
        len++;
    }
    if (len < 3 || len == limit || text[len] != ':' || !underscore)
        return false;
    bool check = false;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        check = check || (strlen(checks[i]) == len && strncmp(checks[i], text, len) == 0);
    skip_to(self, self->at + len + 2);
    add_mark(self, check ? MARK_CHECK : MARK_EMOJI, start);
    return true;
}

static void read_mark(reader *self, trade_char c)
{
    uint32_t start = self->offset;
    bool line_begins = self->count == 0 || self->tokens[self->count - 1].kind == TOKEN_LINE;
    if (c.mark == '<' && skip_discord(self))
        return;
    if (c.mark == ':' && read_shortcode(self))
        return;
    if (c.mark == '>' && c.size == 1 && line_begins && !self->quoted) {
        self->quoted = true;
        step(self, c);
        return;
    }
    step(self, c);
    trade_char next = see(self);
    bool dots = !line_begins && !self->spaced && self->tokens[self->count - 1].mark == '.';
    if (c.mark == '.' && next.type == CHAR_DIGIT && !dots &&
        (line_begins || self->spaced || self->tokens[self->count - 1].kind == TOKEN_MARK)) {
        read_number(self, '\0', start, true);
        return;
    }
    if ((c.mark == '-' || c.mark == '=') && next.type == CHAR_MARK && next.mark == '>') {
        step(self, next);
        add_mark(self, '>', start);
        return;
    }
    if ((c.mark == '+' || c.mark == '-') && next.type == CHAR_DIGIT &&
        (line_begins || self->spaced || self->tokens[self->count - 1].kind == TOKEN_MARK)) {
        bool spaced = self->spaced;
        size_t count = self->count;
        read_number(self, c.mark, start, false);
        if (self->count == count + 1 && self->tokens[count].unit != UNIT_PERCENT && c.mark == '-') {
            /* a dash before a price: a bullet, or a range */
            self->tokens[count + 1] = self->tokens[count];
            self->tokens[count] = (token){.kind = TOKEN_MARK,
                                          .mark = '-',
                                          .spaced = spaced,
                                          .quoted = self->quoted,
                                          .struck = self->struck,
                                          .part = self->index,
                                          .start = start,
                                          .end = start + c.units,
                                          .text = ""};
            self->tokens[count + 1].sign = '\0';
            self->tokens[count + 1].spaced = false;
            self->count++;
        }
        return;
    }
    add_mark(self, c.mark, start);
}

static void read_line_end(reader *self, trade_char c)
{
    step(self, c);
    self->quoted = false;
    self->spaced = true;
    add(self, TOKEN_LINE, self->offset);
    self->spaced = true;
}

static void read_ordinal(reader *self, trade_char c)
{
    uint32_t start = self->offset;
    char *begin = self->pool;
    if (c.value >= 10)
        *self->pool++ = (char)('0' + c.value / 10);
    *self->pool++ = (char)('0' + c.value % 10);
    *self->pool++ = '\0';
    step(self, c);
    token *t = add(self, TOKEN_NUMBER, start);
    t->text = begin;
    t->unit = UNIT_ORDINAL;
}

static void read_one(reader *self)
{
    trade_char c = here(self);
    switch (c.type) {
    case CHAR_HIDDEN:
    case CHAR_KEYCAP:
        step(self, c);
        break;
    case CHAR_SPACE:
    case CHAR_THIN:
        step(self, c);
        self->spaced = true;
        break;
    case CHAR_LINE:
        read_line_end(self, c);
        break;
    case CHAR_DIGIT:
        read_number(self, '\0', self->offset, false);
        break;
    case CHAR_LETTER:
        if (!skip_link(self))
            read_word(self);
        break;
    case CHAR_IDEOGRAPH:
        read_ideographs(self);
        break;
    case CHAR_ORDINAL:
        read_ordinal(self, c);
        break;
    case CHAR_MARK:
        if (!skip_markdown(self))
            read_mark(self, c);
        break;
    }
}

size_t trade_text_tokens(size_t size, size_t n_parts)
{
    return size + 2 * n_parts + 2;
}

size_t trade_text_read(const trade_part *parts, size_t n_parts, token *tokens, char *pool)
{
    reader self = {.left = TRADE_TEXT_MAX, .tokens = tokens, .pool = pool};
    for (size_t i = 0; i < n_parts && self.left > 0; i++) {
        trade_part part = parts[i];
        part.size = part.size < self.left ? part.size : self.left;
        self.left -= part.size;
        self.part = &part;
        self.index = (uint16_t)i;
        self.at = 0;
        self.offset = 0;
        self.spaced = true;
        self.quoted = self.struck = self.fenced = false;
        while (self.at < part.size)
            read_one(&self);
        if (parts[i].heading)
            add_mark(&self, ':', self.offset);
        else
            add(&self, TOKEN_LINE, self.offset);
    }
    return self.count;
}
