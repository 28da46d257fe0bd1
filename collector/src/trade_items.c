/* trade_items.c - see trade_items.h. Owns nothing.
 * Invariant: items are in the order of their tokens, and no token is in two. */
#include "trade_items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trade_char.h"

/* ---- words ---- */

static bool joins(const token *t)
{
    return t->kind == TOKEN_MARK && !t->spaced && strchr("-./", t->mark);
}

/* The longest phrase that begins at tokens[*at]; a hyphen, point or slash within is a space. */
static const trade_phrase *phrase_at(const token *tokens, size_t n, size_t *at)
{
    char text[TRADE_PHRASE_SIZE];
    const trade_phrase *found = NULL;
    size_t len = 0, i = *at, begin = *at;
    for (int words = 0; words < TRADE_PHRASE_WORDS && i < n; words++) {
        if (words > 0 && i + 1 < n && joins(&tokens[i]) && tokens[i + 1].kind == TOKEN_WORD)
            i++;
        if (tokens[i].kind != TOKEN_WORD)
            break;
        int more = snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "", tokens[i].text);
        len += (size_t)more;
        if (len >= sizeof text)
            break;
        i++;
        const trade_phrase *phrase = trade_phrase_find(text);
        if (phrase) {
            found = phrase;
            *at = i;
        }
    }
    if (!found)
        *at = begin + 1;
    return found;
}

/* A label is followed by a colon, a dash or a number; a slip of one is only then one. */
static bool begins_value(const token *tokens, size_t n, size_t at)
{
    return at < n && (tokens[at].kind == TOKEN_NUMBER ||
                      (tokens[at].kind == TOKEN_MARK && strchr(":-=", tokens[at].mark)));
}

/* "5-fach", "10倍": the number before is how often. */
static void multiply(item_list *self)
{
    size_t last = self->count - 1;
    if (last > 0 && self->items[last - 1].kind == ITEM_MARK && self->items[last - 1].mark == '-')
        last--;
    if (last > 0 && self->items[last - 1].kind == ITEM_NUMBER &&
        self->items[last - 1].unit == UNIT_NONE)
        self->items[last - 1].unit = UNIT_TIMES;
}

/* "2-й", "1-ая": the number before is an ordinal, and the word its end. */
static bool ends_ordinal(item_list *self, const token *word)
{
    static const char *const ends[] = {"й", "ый", "ой", "ий", "я", "ая", "го", "му", "м", "ю"};
    size_t n = self->count;
    bool end = false;
    if (n < 2 || word->spaced || self->items[n - 1].kind != ITEM_MARK ||
        self->items[n - 1].mark != '-' || self->items[n - 2].kind != ITEM_NUMBER ||
        self->items[n - 2].unit != UNIT_NONE)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        end = end || strcmp(word->text, ends[i]) == 0;
    if (!end)
        return false;
    self->items[n - 2].unit = UNIT_ORDINAL;
    self->count--;
    return true;
}

static void add_word(item_list *self, const token *tokens, size_t n, size_t *at)
{
    const token *first = &tokens[*at];
    if (ends_ordinal(self, first)) {
        ++*at;
        return;
    }
    const trade_phrase *phrase = phrase_at(tokens, n, at);
    item *i = &self->items[self->count++];
    *i = (item){.kind = ITEM_WORD, .first = first, .last = &tokens[*at - 1]};
    if (!phrase && begins_value(tokens, n, *at) && (phrase = trade_phrase_near(first->text)))
        i->near = true;
    if (phrase) {
        i->sense = (uint8_t)phrase->sense;
        i->nth = phrase->value;
        i->comma = phrase->comma;
    }
    if (phrase && phrase->sense == SENSE_TIMES)
        multiply(self);
    if (trade_char_is_time(first->text) && self->count > 1 && i[-1].kind == ITEM_NUMBER &&
        i[-1].unit == UNIT_NONE)
        i[-1].unit = UNIT_OTHER; /* "35 pips" */
    if (phrase && phrase->sense != SENSE_PLAIN && phrase->sense != SENSE_AND &&
        phrase->sense != SENSE_TO) {
        self->comma = self->comma || phrase->comma;
        self->english = self->english || !phrase->comma;
    }
}

static void add_symbol(item_list *self, trade_symbol symbol, const token *first, const token *last)
{
    self->symbols[self->n_symbols++] = symbol;
    self->items[self->count++] = (item){
        .kind = ITEM_SYMBOL, .first = first, .last = last, .symbol = (uint32_t)self->n_symbols};
}

static void add_one(item_list *self, const token *tokens, size_t n, size_t *at)
{
    static const uint8_t kinds[] = {
        [TOKEN_LINE] = ITEM_LINE, [TOKEN_NUMBER] = ITEM_NUMBER, [TOKEN_MARK] = ITEM_MARK};
    const token *t = &tokens[*at];
    size_t end = *at;
    trade_symbol symbol = trade_symbol_read(tokens, n, &end);
    if (symbol.rank > RANK_WORD) {
        add_symbol(self, symbol, t, &tokens[end - 1]);
        *at = end;
    } else if (t->kind == TOKEN_WORD) {
        add_word(self, tokens, n, at);
        if (symbol.rank != RANK_NONE) {
            self->symbols[self->n_symbols++] = symbol;
            self->items[self->count - 1].symbol = (uint32_t)self->n_symbols;
        }
    } else {
        self->items[self->count++] =
            (item){.kind = kinds[t->kind], .unit = t->unit, .mark = t->mark, .first = t, .last = t};
        item *last = self->count > 1 ? &self->items[self->count - 2] : NULL;
        if (t->kind == TOKEN_NUMBER && t->unit == UNIT_NONE && last && last->kind == ITEM_WORD &&
            strcmp(last->first->text, "x") == 0 && !t->spaced) { /* "x25" is one */
            *last = self->items[--self->count];
            last->unit = UNIT_TIMES;
        }
        ++*at;
    }
}

/* ---- symbols that need their neighbours ---- */

static const item *beyond_marks(const item_list *self, size_t at, int step)
{
    for (size_t i = at + (size_t)step; i < self->count; i += (size_t)step)
        if (self->items[i].kind != ITEM_MARK)
            return &self->items[i];
    return NULL;
}

static bool wants_name(const item *label)
{
    return label && item_is(label, SENSE_PAIR);
}

static bool is_news(const item *i)
{
    return item_is(i, SENSE_STOP) || item_is(i, SENSE_STOPPED) || item_is(i, SENSE_FILLED) ||
           item_is(i, SENSE_CANCELLED) || item_is(i, SENSE_CLOSED) || item_is(i, SENSE_TARGET) ||
           item_is(i, SENSE_MOVE);
}

/* "H: stops moved", "XPL | limit order filled": capitals that begin a line about a trade. */
static bool heads_news(const item_list *self, size_t at)
{
    enum { REACH = 8 };
    bool cut = false;
    const item *name = &self->items[at];
    bool plain = name->sense == SENSE_NONE || name->sense == SENSE_BETWEEN || name->symbol > 0 ||
                 (name->sense == SENSE_PLAIN && strlen(name->first->text) == 1);
    if (!name->first->upper || !plain)
        return false;
    for (size_t i = at + 1, n = 0; i < self->count && n < REACH; i++, n++) {
        const item *one = &self->items[i];
        if (one->kind == ITEM_LINE || (!cut && one->kind != ITEM_MARK))
            return false;
        cut = cut || (one->kind == ITEM_MARK && strchr(":|", one->mark));
        if (cut && (is_news(one) || item_is_side(one)))
            return true;
    }
    return false;
}

/* "Brev SHORT", "scrt short", with a stop and a target further down. */
static bool names_before_side(const item_list *self, size_t at)
{
    static const char *const others[] = {"aggressive", "another", "big",   "counter",  "fast",
                                         "good",       "high",    "huge",  "intraday", "low",
                                         "nice",       "quick",   "risky", "small",    "sniper"};
    const char *text = self->items[at].first->text;
    const item *side = &self->items[at + 1];
    size_t len = strlen(text);
    bool stop = false, target = false;
    if ((side->sense != SENSE_LONG && side->sense != SENSE_SHORT) || side->kind != ITEM_WORD ||
        len < 2 || len > 8)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(text, others[i]) == 0)
            return false;
    for (size_t i = at + 2; i < self->count; i++) {
        stop = stop || item_is(&self->items[i], SENSE_STOP);
        target = target || item_is(&self->items[i], SENSE_TARGET);
    }
    return stop && target;
}

/* The name's place: "long useless 0.1", "limit met at 0.45", "Near 1.998" that begins a text. */
static bool is_in_place(const item_list *self, size_t at)
{
    const item *one = &self->items[at];
    const item *before = beyond_marks(self, at, -1), *after = beyond_marks(self, at, 1);
    bool begins = !before || before->kind == ITEM_LINE;
    bool plain = one->sense == SENSE_NONE || one->sense == SENSE_PLAIN;
    if (one->first != one->last)
        return false;
    if (begins && heads_news(self, at))
        return true;
    if (!plain && one->symbol == 0)
        return false;
    if (after && item_is(after, SENSE_PLAIN) && !begins)
        after++;
    bool priced = after && after < self->items + self->count && item_is_price(after);
    bool ordered =
        after && (item_is(after, SENSE_LIMIT) || strcmp(after->first->text, "spot") == 0);
    if (before && before == one - 1 && (item_is_side(before) || item_is(before, SENSE_LIMIT)))
        return priced && (one->sense == SENSE_NONE || one->symbol > 0);
    if (begins && one->sense == SENSE_NONE && after == one + 1 && names_before_side(self, at))
        return true;
    return begins && plain && one->symbol > 0 && (priced || ordered);
}

/* A word in the place of a name becomes one, where a stop shows that a trade is meant. */
static void name_in_place(item_list *self, size_t at)
{
    item *one = &self->items[at];
    trade_symbol name = trade_symbol_named(one->first->text);
    if (name.rank == RANK_NONE)
        return;
    if (one->symbol == 0)
        one->symbol = (uint32_t)++self->n_symbols;
    self->symbols[one->symbol - 1] = name;
    one->kind = ITEM_SYMBOL;
}

static bool line_has_symbol(const item_list *self, size_t begin)
{
    for (size_t i = begin; i < self->count && self->items[i].kind != ITEM_LINE; i++)
        if (self->items[i].kind == ITEM_SYMBOL)
            return true;
    return false;
}

/* "buy limit" */
static bool is_sided_order(const item *i)
{
    return item_is(i, SENSE_LIMIT) && i->first != i->last &&
           (strcmp(i->first->text, "buy") == 0 || strcmp(i->first->text, "sell") == 0);
}

static void settle_symbols(item_list *self)
{
    bool known = false, small = false, trades = false, on_line = false;
    for (size_t i = 0; i < self->count; i++) {
        const item *one = &self->items[i];
        known = known || one->kind == ITEM_SYMBOL;
        trades = trades || is_news(one);
        small =
            small || (one->kind == ITEM_WORD && !one->first->upper && strlen(one->first->text) > 2);
    }
    for (size_t i = 0; i < self->count; i++) {
        item *one = &self->items[i];
        if (i == 0 || one[-1].kind == ITEM_LINE)
            on_line = line_has_symbol(self, i);
        bool free = !known || (!on_line && one->symbol > 0); /* a coin may head a further line */
        if (free && trades && one->kind == ITEM_WORD && is_in_place(self, i)) {
            name_in_place(self, i);
            known = on_line = known || one->kind == ITEM_SYMBOL;
        }
        if (one->symbol == 0 || one->kind == ITEM_SYMBOL)
            continue;
        const item *before = beyond_marks(self, i, -1), *after = beyond_marks(self, i, 1);
        bool named = wants_name(before) && self->symbols[one->symbol - 1].rank != RANK_NONE;
        bool beside = (before && item_is_side(before)) || (after && item_is_side(after)) ||
                      (after && is_sided_order(after));
        bool begins = i == 0 || (before && before->kind == ITEM_LINE);
        if (named) {
            one->kind = ITEM_SYMBOL;
            self->symbols[one->symbol - 1].rank = RANK_PAIR;
        } else if (one->kind == ITEM_WORD && !known && small && one->first->upper &&
                   self->symbols[one->symbol - 1].rank == RANK_WORD) {
            one->kind = ITEM_SYMBOL;
            self->symbols[one->symbol - 1].rank = RANK_BARE;
        } else if (one->kind == ITEM_WORD && !known && beside && !item_is_side(one) &&
                   (one->first->upper || one->sense == SENSE_NONE || begins)) {
            one->kind = ITEM_SYMBOL;
            self->symbols[one->symbol - 1].rank = RANK_BARE;
        }
    }
}

/* Do but question marks stand where a value should? */
static bool is_blank_value(const item_list *self, size_t at)
{
    enum { REACH = 4 };
    for (int n = 0; n < REACH && at > 0 && self->items[at].mark == '?'; n++)
        at--;
    return self->items[at].kind == ITEM_MARK && strchr("-:=", self->items[at].mark);
}

static void mark_questions(item_list *self)
{
    size_t begin = 0;
    for (size_t i = 0; i < self->count; i++) {
        item *one = &self->items[i];
        if (one->kind == ITEM_LINE)
            begin = i + 1;
        if (one->kind == ITEM_MARK && one->mark == '?' && is_blank_value(self, i)) {
            begin = i + 1; /* "SL - ???" */
        } else if (one->kind == ITEM_MARK && one->mark == '?') {
            for (size_t k = begin; k <= i; k++)
                self->items[k].asked = true;
            begin = i + 1;
        }
    }
}

static bool is_two_digits(const item *i, bool spaced)
{
    return i->kind == ITEM_NUMBER && i->unit == UNIT_NONE && i->first->spaced == spaced &&
           strlen(i->first->text) == 2 && strspn(i->first->text, "0123456789") == 2;
}

static bool is_month(const item *i)
{
    static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                         "jul", "aug", "sep", "oct", "nov", "dec"};
    for (size_t k = 0; i->kind == ITEM_WORD && k < sizeof months / sizeof *months; k++)
        if (strncmp(i->first->text, months[k], 3) == 0)
            return true;
    return false;
}

/* "09:03:46", "30-Sep-2025": no prices. */
static void mark_times(item_list *self)
{
    for (size_t i = 0; i + 2 < self->count; i++) {
        item *one = &self->items[i];
        bool dash = one[1].kind == ITEM_MARK && one[1].mark == '-';
        bool colon = one[1].kind == ITEM_MARK && one[1].mark == ':';
        bool labelled = i > 0 && (item_is(one - 1, SENSE_TARGET) || item_is(one - 1, SENSE_STOP) ||
                                  item_is(one - 1, SENSE_ENTRY));
        bool begun = one->kind == ITEM_NUMBER && one->unit == UNIT_OTHER; /* "09:03" of it */
        if (colon && !labelled && (begun || is_two_digits(one, true)) &&
            is_two_digits(one + 2, false))
            one->unit = one[2].unit = UNIT_OTHER;
        if (dash && is_two_digits(one, true) && is_month(one + 2)) {
            one->unit = UNIT_OTHER;
            if (i + 4 < self->count && one[4].kind == ITEM_NUMBER)
                one[4].unit = UNIT_OTHER;
        }
    }
}

void trade_items_read(item_list *self, const token *tokens, size_t n, bool quoted)
{
    self->count = self->n_symbols = 0;
    self->english = self->comma = false;
    for (size_t at = 0; at < n;) {
        if (tokens[at].quoted && !quoted && tokens[at].kind != TOKEN_LINE)
            at++;
        else
            add_one(self, tokens, n, &at);
    }
    mark_times(self);
    settle_symbols(self);
    mark_questions(self);
}

/* ---- numbers ---- */

static bool all_digits(const char *text, size_t least, size_t most)
{
    size_t len = strlen(text);
    return len >= least && len <= most && strspn(text, "0123456789") == len;
}

/* "64 010": a group of three follows. */
static bool may_follow(const item *head, const item *tail)
{
    const char *text = tail->first->text;
    return tail->kind == ITEM_NUMBER && tail->first->spaced && tail->unit != UNIT_OTHER &&
           tail->unit != UNIT_ORDINAL && tail->unit != UNIT_TIMES && !tail->first->sign &&
           tail->first->start == head->last->end + 1 && tail->first->part == head->first->part &&
           strspn(text, "0123456789") == 3 && strchr(text, ' ') == NULL &&
           (text[3] == '\0' || strlen(text + 4) != 3);
}

static bool may_lead(const item *i)
{
    return i->kind == ITEM_NUMBER && i->unit == UNIT_NONE && !i->first->sign &&
           all_digits(i->first->text, 1, 3) && i->first->text[0] != '0';
}

/* Is every price of the message two numbers, the second of three digits? */
static bool all_are_pairs(const item_list *self)
{
    size_t pairs = 0;
    for (size_t i = 0; i < self->count; i++) {
        const item *one = &self->items[i];
        bool leads = i + 1 < self->count && may_lead(one) && may_follow(one, one + 1);
        if (leads) {
            pairs++;
            i++;
        } else if (item_is_price(one) && strlen(one->first->text) > 2) {
            return false;
        }
    }
    return pairs >= 2;
}

/* Does anything say that this message groups digits by spaces? */
static bool groups_by_spaces(const item_list *self)
{
    if (all_are_pairs(self))
        return true;
    for (size_t i = 0; i + 1 < self->count; i++) {
        const item *head = &self->items[i], *tail = &self->items[i + 1];
        if (!may_lead(head) || !may_follow(head, tail))
            continue;
        const char *text = tail->first->text;
        if (text[0] == '0' && text[3] == '\0')
            return true;
        if (text[3] == ',' && strlen(head->first->text) < 3)
            return true;
    }
    return false;
}

/* The digits of both go into the pool of the first: they lie behind one another there. */
static void join_groups(item_list *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        item *to = &self->items[kept];
        *to = self->items[i];
        bool joined = may_lead(to);
        char digits[TRADE_NUMBER_SIZE];
        snprintf(digits, sizeof digits, "%s", to->first->text);
        while (joined && i + 1 < self->count && may_follow(to, &self->items[i + 1]) &&
               strchr(digits, ',') == NULL && strchr(digits, '.') == NULL) {
            const item *tail = &self->items[++i];
            size_t len = strlen(digits);
            snprintf(digits + len, sizeof digits - len, " %s", tail->first->text);
            to->last = tail->last;
            to->unit = tail->unit;
        }
        if (to->last != to->first && to->kind == ITEM_NUMBER)
            snprintf(to->value, sizeof to->value, "%s", digits);
        kept++;
    }
    self->count = kept;
}

/* Until a number is read, its value holds the digits that were joined. */
static const char *digits_of(const item *i)
{
    return i->value[0] ? i->value : i->first->text;
}

static const item *next_number(const item_list *self, size_t at)
{
    for (size_t i = at + 1; i < self->count && i < at + 4; i++) {
        const item *one = &self->items[i];
        if (one->kind == ITEM_NUMBER)
            return one;
        bool separates = (one->kind == ITEM_MARK && strchr("-/,~|$>", one->mark)) ||
                         item_is(one, SENSE_TO) || item_is(one, SENSE_AND);
        if (!separates)
            return NULL;
    }
    return NULL;
}

/* "20-50-100 pips": none of them is a price. */
static void spread_pips(item_list *self)
{
    for (size_t i = self->count; i-- > 0;) {
        item *one = &self->items[i];
        const item *next =
            one->kind == ITEM_NUMBER && one->unit == UNIT_NONE ? next_number(self, i) : NULL;
        if (next && next->unit == UNIT_OTHER && all_digits(digits_of(one), 1, 3) &&
            all_digits(digits_of(next), 1, 4) && atoi(digits_of(one)) < atoi(digits_of(next)))
            one->unit = UNIT_OTHER;
    }
}

/* "43-43.5k": the first has the second's unit if they are near each other. */
static void spread_units(item_list *self)
{
    for (size_t i = self->count; i-- > 0;) {
        item *one = &self->items[i];
        const item *next =
            one->kind == ITEM_NUMBER && one->unit == UNIT_NONE ? next_number(self, i) : NULL;
        if (next && next->unit == UNIT_TIMES && strlen(digits_of(one)) <= 3 &&
            self->items[i + 1].mark == '-')
            one->unit = UNIT_TIMES; /* "3-5x" */
        if (next && next->unit == UNIT_PERCENT && next == one + 2 && !next->first->spaced &&
            !one[1].first->spaced && one[1].mark == '-' && all_digits(digits_of(one), 1, 2))
            one->unit = UNIT_PERCENT; /* "5-10%" */
        if (!next || (next->unit != UNIT_THOUSAND && next->unit != UNIT_MILLION))
            continue;
        double a = strtod(digits_of(one), NULL), b = strtod(digits_of(next), NULL);
        if (a > b / 2 && a < b * 2)
            one->unit = next->unit;
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static trade_locale locale_of(const item_list *self, trade_range range)
{
    enum { LOOKED_AT = 64 };
    double sizes[LOOKED_AT];
    size_t n = 0;
    int dot = 0, comma = 0;
    bool fine = false; /* an open number that nobody would round to: 9.215 */
    trade_locale locale = {.least = range.least, .most = range.most},
                 none = {.style = STYLE_UNKNOWN};
    for (size_t i = 0; i < self->count; i++) {
        const item *one = &self->items[i];
        char value[TRADE_NUMBER_SIZE];
        bool guessed = false;
        if (one->kind != ITEM_NUMBER || one->unit == UNIT_OTHER)
            continue;
        trade_number_vote(digits_of(one), &dot, &comma);
        fine = fine || (item_is_price(one) && !trade_number_is_plain(digits_of(one)) &&
                        strchr(digits_of(one), '.') && !trade_number_is_rounded(digits_of(one)));
        if (item_is_price(one) && n < LOOKED_AT && trade_number_is_plain(digits_of(one)) &&
            trade_number_read(digits_of(one), (token_unit)one->unit, &none, value, &guessed) &&
            (strlen(digits_of(one)) > 2 || one->unit != UNIT_NONE))
            sizes[n++] = strtod(value, NULL);
    }
    qsort(sizes, n, sizeof *sizes, by_size);
    locale.price = n > 0 ? sizes[n / 2] : 0;
    locale.sure = dot != comma;
    if (dot != comma)
        locale.style = dot > comma ? STYLE_DOT : STYLE_COMMA;
    else if (dot == 0 && self->comma && !self->english)
        locale.style = STYLE_COMMA;
    else if (dot == 0 && self->english && !self->comma) {
        locale.style = STYLE_DOT;
        locale.sure = fine;
    }
    return locale;
}

/* "Leverage: 10" */
static bool is_leverage(const item_list *self, size_t at)
{
    const item *before = beyond_marks(self, at, -1), *after = beyond_marks(self, at, 1);
    return (before && (item_is(before, SENSE_LEVERAGE) || item_is(before, SENSE_CROSS) ||
                       item_is(before, SENSE_ISOLATED) || item_is(before, SENSE_OTHER))) ||
           (after && item_is(after, SENSE_LEVERAGE));
}

/* "BTC 65.4": nobody means dollars. */
static void add_thousands(item *self, double least)
{
    char value[TRADE_NUMBER_SIZE];
    const trade_locale none = {.style = STYLE_DOT, .sure = true};
    bool guessed = false;
    if (self->unit != UNIT_NONE || self->guessed || self->size >= least ||
        self->size * 1000 < 10 * least || strlen(self->value) > 6 ||
        !trade_number_read(self->value, UNIT_THOUSAND, &none, value, &guessed))
        return;
    memcpy(self->value, value, sizeof value);
    self->size *= 1000;
    self->guessed = true;
}

/* Does a range from 4198 to ..02 go into the next hundred? */
static bool is_carried(const char *head, const char *digits, size_t n)
{
    size_t len = strlen(head);
    int from = atoi(head + len - n), to = atoi(digits), whole = n == 2 ? 100 : 1000;
    return n < 4 && from - to > whole / 2 && head[len - n - 1] < '9';
}

/* "134.30/35", "0.00002150 - 2180", "4338-34": the second has but the digits that differ. */
static void complete(const item *head, item *tail)
{
    char value[TRADE_NUMBER_SIZE];
    const char *digits = tail->first->text, *point = strchr(head->value, '.');
    size_t len = strlen(head->value), n = strlen(digits);
    if (tail->unit != UNIT_NONE || tail->first != tail->last || !all_digits(digits, 2, 4) ||
        !head->readable || !item_is_price(head) ||
        (tail->size > head->size / 2 && tail->size < head->size * 2) ||
        (point ? strlen(point + 1) < n : len < 4 || n > 3 || n >= len))
        return;
    memcpy(value, head->value, sizeof value);
    memcpy(value + len - n, digits, n);
    if (!point && is_carried(head->value, digits, n))
        value[len - n - 1]++; /* "4198-02" */
    double size = strtod(value, NULL), most = head->size * (point ? 0.5 : 0.02);
    if (size - head->size > most || head->size - size > most)
        return;
    memcpy(tail->value, value, sizeof value);
    tail->size = size;
    tail->guessed = true;
}

static void complete_tails(item_list *self)
{
    for (size_t i = 2; i < self->count; i++) {
        item *one = &self->items[i];
        const item *link = one - 1;
        if (one->kind == ITEM_NUMBER && one->readable && one[-2].kind == ITEM_NUMBER &&
            ((link->kind == ITEM_MARK && strchr("-/~", link->mark)) || item_is(link, SENSE_TO)))
            complete(one - 2, one);
    }
}

void trade_items_value(item_list *self, trade_range range)
{
    if (groups_by_spaces(self))
        join_groups(self);
    spread_units(self);
    spread_pips(self);
    trade_locale locale = locale_of(self, range);
    for (size_t i = 0; i < self->count; i++) {
        item *one = &self->items[i];
        char value[TRADE_NUMBER_SIZE];
        if (one->kind != ITEM_NUMBER || one->unit == UNIT_OTHER)
            continue;
        one->readable =
            trade_number_read(digits_of(one), (token_unit)one->unit, &locale, value, &one->guessed);
        if (one->readable)
            memcpy(one->value, value, sizeof value);
        else
            one->value[0] = '\0';
        one->size = one->readable ? strtod(value, NULL) : 0;
        if (one->readable && range.thousands && !is_leverage(self, i))
            add_thousands(one, range.least);
    }
    complete_tails(self);
}
