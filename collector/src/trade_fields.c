/* trade_fields.c - see trade_fields.h. Owns nothing.
 * A label claims the prices that follow it, until another label, the end of its list, or a word
 * that says that the sentence is about something else. */
#include "trade_fields.h"

#include <stdlib.h>
#include <string.h>

typedef enum scope {
    SCOPE_NONE,
    SCOPE_ENTRY,
    SCOPE_IMPLIED, /* behind a side: "SOL long 148.2" */
    SCOPE_LOOSE,   /* behind a symbol: "SOL 148.2 stop 146" */
    SCOPE_TARGET,
    SCOPE_STOP,
    SCOPE_LEVERAGE,
    SCOPE_OTHER
} scope;

typedef struct scan {
    const item_list *list;
    trade_fields *out;
    size_t at;
    scope scope;
    size_t count;     /* values since the label */
    size_t foreign;   /* words since the label that say nothing */
    size_t nth;       /* the number in its list that a value is expected to have */
    bool fresh;       /* a line began since the last value */
    bool blank;       /* and it is empty so far */
    bool bare;        /* or has but marks */
    bool dropped;     /* on a condition, until the sentence ends */
    bool buys, sells; /* a price was said behind the word */
    bool between;     /* "and" is "to" */
    bool remark;      /* behind a value: what it is a share of, pips, how sure */
    bool aside;       /* and that in parentheses */
    scope paused;     /* a list that an empty line ended */
    field_values loose;
    field_values bare_levels; /* behind an entry, without a label */
    bool loose_label;
    const item *amount; /* between a side and a symbol: a price, or how much */
    const item *label;
    const item *last_value;
    char link;
    int on_line; /* words so far */
} scan;

static const item *ahead(const scan *self, size_t n)
{
    return self->at + n < self->list->count ? &self->list->items[self->at + n] : NULL;
}

static bool is_mark(const item *i, const char *marks)
{
    return i && i->kind == ITEM_MARK && strchr(marks, i->mark);
}

static bool has_text(const item *i, const char *text)
{
    return i && i->kind == ITEM_WORD && strcmp(i->first->text, text) == 0;
}

static field_values *values_of(scan *self)
{
    switch (self->scope) {
    case SCOPE_ENTRY:
    case SCOPE_IMPLIED:
        return &self->out->entry;
    case SCOPE_TARGET:
        return &self->out->target;
    case SCOPE_STOP:
        return &self->out->stop;
    case SCOPE_LOOSE:
        return &self->loose;
    default:
        return NULL;
    }
}

static void open_scope(scan *self, scope to, const item *label)
{
    if (to != SCOPE_TARGET || self->scope != SCOPE_TARGET)
        self->nth = 0;
    self->scope = to;
    self->paused = SCOPE_NONE;
    self->remark = self->aside = false;
    self->count = self->foreign = 0;
    self->link = ',';
    self->label = label;
    self->last_value = NULL;
    self->between = false;
}

/* ---- sides ---- */

static bool small_integer(const item *i)
{
    const char *text = i->first->text;
    size_t len = strlen(text);
    return i->kind == ITEM_NUMBER && i->unit == UNIT_NONE && i->first == i->last && len <= 2 &&
           strspn(text, "0123456789") == len && atoi(text) >= 1 && atoi(text) <= 20;
}

/* How much a mention says: alone with a symbol or few words it is the call itself. */
static int weight_of(const scan *self, const item *side)
{
    enum { REACH = 14 };
    const item *begin = self->list->items, *end = begin + self->list->count;
    int weight = side->sense == SENSE_LONG || side->sense == SENSE_SHORT ? 2 : 1;
    int words = 0;
    for (const item *i = side; i > begin && i[-1].kind != ITEM_LINE && side - i < REACH;) {
        i--;
        words += i->kind == ITEM_WORD && i->sense == SENSE_NONE;
        weight += i->kind == ITEM_SYMBOL && side - i < 5 ? 4 : 0;
        weight += item_is(i, SENSE_SIDE) && side - i < 4 ? 4 : 0;
        weight -= item_is(i, SENSE_NOT) && side - i < 3 ? 4 : 0;
    }
    for (const item *i = side; i + 1 < end && i[1].kind != ITEM_LINE && i - side < REACH;) {
        i++;
        words += i->kind == ITEM_WORD && i->sense == SENSE_NONE;
        weight += i->kind == ITEM_SYMBOL && i - side < 5 ? 4 : 0;
    }
    return weight + (words < 3 ? 2 : 0) - (side->asked ? 4 : 0);
}

static void note_side(scan *self, const item *side, bool buys, int weight)
{
    trade_fields *out = self->out;
    if (buys && weight > out->long_weight) {
        out->long_side = side;
        out->long_weight = weight;
    } else if (!buys && weight > out->short_weight) {
        out->short_side = side;
        out->short_weight = weight;
    }
}

/* "Buy zone", "accumulation", "short entry": labels that tell the side, if nothing else does. */
static void note_label(scan *self, const item *label)
{
    static const char *const longs[] = {"buy",      "long",     "accumulate", "accumulation",
                                        "kaufzone", "koopzone", "buying",     "acheter"};
    const char *first = label->first->text, *last = label->last->text;
    for (size_t i = 0; i < sizeof longs / sizeof *longs; i++)
        if (strcmp(first, longs[i]) == 0)
            note_side(self, label, true, 1);
    self->buys = self->buys || strcmp(first, "buy") == 0;
    self->sells = self->sells || strcmp(first, "sell") == 0;
    if (strcmp(last, "compra") == 0 || strcmp(last, "achat") == 0)
        note_side(self, label, true, 1);
    if (strcmp(first, "short") == 0)
        note_side(self, label, false, 1);
}

/* "Exit: 7.91 / 7.95", "SELL:" and a list below it, with an entry before: targets. */
static bool is_exit_list(const scan *self)
{
    enum { REACH = 6 };
    size_t prices = 0;
    if (self->out->entry.count == 0 || self->out->target.count > 0 || self->dropped ||
        (!is_mark(ahead(self, 1), ":") && !(ahead(self, 1) && item_is_price(ahead(self, 1)))))
        return false;
    for (size_t n = 1; n < REACH && ahead(self, n); n++) {
        if (item_is_price(ahead(self, n)))
            prices++;
        else if (ahead(self, n)->kind != ITEM_MARK && (ahead(self, n)->kind != ITEM_LINE || prices))
            break;
    }
    return prices > 1;
}

/* "buy or sell": the second of two that say the opposite. */
static bool is_either(const scan *self)
{
    const item *side = &self->list->items[self->at];
    if (self->at < 2 || !item_is_side(side - 2) ||
        !(item_is(side - 1, SENSE_AND) || is_mark(side - 1, "/")))
        return false;
    bool before = side[-2].sense == SENSE_LONG || side[-2].sense == SENSE_BUY;
    return before != (side->sense == SENSE_LONG || side->sense == SENSE_BUY);
}

/* "Buy 0.012, sell 0.015 / 0.018": the later word is no side but where to sell. */
/* "市價多": long at the market, in one word. */
static bool is_at_market(const item *side)
{
    static const char *const heads[] = {"市价", "市價", "现价", "現價"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (strncmp(side->first->text, heads[i], strlen(heads[i])) == 0)
            return true;
    return false;
}

static void on_side(scan *self, const item *side)
{
    trade_fields *out = self->out;
    bool counter =
        (side->sense == SENSE_SELL && self->buys) || (side->sense == SENSE_BUY && self->sells);
    const item *next = ahead(self, 1);
    bool trades = side->sense == SENSE_BUY || side->sense == SENSE_SELL;
    if ((counter && next && !is_either(self) &&
         (item_is_price(next) || is_mark(next, ":-$") || item_is(next, SENSE_PLAIN))) ||
        (trades && is_mark(next, ":") && is_exit_list(self))) {
        open_scope(self, SCOPE_TARGET, side);
        return;
    }
    bool buys = side->sense == SENSE_LONG || side->sense == SENSE_BUY;
    note_side(self, side, buys, weight_of(self, side));
    if (!out->order && is_at_market(side)) {
        out->order = side;
        out->kind = TRADE_MARKET;
    }
    if (is_either(self)) {
        int weight = out->long_weight > out->short_weight ? out->long_weight : out->short_weight;
        out->long_weight = out->short_weight = weight;
        return;
    }
    if (self->scope == SCOPE_LOOSE && self->count > 0 && self->out->entry.count == 0 &&
        self->last_value == side - 1) {
        self->out->entry = self->loose; /* "Usdchf 0.9921 sell" */
        self->out->entry.implied = true;
        self->scope = SCOPE_NONE;
    }
    if (self->out->entry.count > 0) {
        bool more = self->at > 0 && has_text(side - 1, "more") && !self->out->has_levels;
        if (more || (next && small_integer(next) && is_mark(ahead(self, 2), ":)-=")))
            open_scope(self, SCOPE_IMPLIED, side); /* "Buy 2: ...", "More buy @ ..." */
        return;
    }
    if (side->sense == SENSE_BUY || side->sense == SENSE_SELL || self->scope != SCOPE_ENTRY ||
        self->count > 0) {
        open_scope(self, SCOPE_IMPLIED, side);
        self->buys = self->buys || side->sense == SENSE_BUY;
        self->sells = self->sells || side->sense == SENSE_SELL;
    }
}

/* ---- numbers ---- */

static bool begins_line(const scan *self)
{
    for (size_t i = self->at; i-- > 0;) {
        const item *one = &self->list->items[i];
        if (one->kind == ITEM_LINE)
            return true;
        if (one->kind != ITEM_MARK)
            return false;
    }
    return true;
}

static bool is_label(const item *i)
{
    return i && (item_is(i, SENSE_TARGET) || item_is(i, SENSE_ENTRY) || item_is(i, SENSE_STOP));
}

/* "T.P 1", and its price on the line below. */
static bool has_price_below(const scan *self)
{
    size_t n = 2;
    while (n < 5 && ahead(self, n) && ahead(self, n)->kind == ITEM_MARK)
        n++;
    return ahead(self, n) && item_is_price(ahead(self, n)) && !small_integer(ahead(self, n));
}

/* Is this "1" the first of a list, "TP1", "target 1 reached", and no price? */
static bool is_index(const scan *self, const item *number)
{
    if (!small_integer(number))
        return false;
    const item *before = self->at > 0 ? &self->list->items[self->at - 1] : NULL;
    const item *next = ahead(self, 1), *after = ahead(self, 2);
    bool labelled = before && ((item_is_side(before) && self->scope == SCOPE_IMPLIED) ||
                               item_is(before, SENSE_TARGET) || item_is(before, SENSE_ENTRY) ||
                               item_is(before, SENSE_STOP) || is_mark(before, "#"));
    const item *outer = is_mark(before, "(") && self->at > 1 ? before - 1 : NULL;
    if (outer && item_is(outer, SENSE_TARGET) && is_mark(next, ")"))
        return true;
    bool glued = before && before->kind == ITEM_WORD && !number->first->spaced;
    size_t value = (size_t)atoi(number->first->text);
    if (glued && labelled)
        return true;
    if (is_mark(next, "/).:-") && is_label(after) && begins_line(self))
        return true; /* "1/ Take profit 4415" */
    if (next && next->kind == ITEM_LINE)
        return labelled && value == self->nth + 1 && has_price_below(self);
    if (!next)
        return false;
    if (is_mark(next, ".") && is_mark(after, ":-") && labelled)
        return true; /* "TP 1. : 143.61" */
    if (is_mark(next, ")") && (labelled || begins_line(self) || value == self->nth + 1) &&
        !is_mark(before, "("))
        return true;
    if (is_mark(next, "):=*>") && after &&
        (after->kind == ITEM_NUMBER || is_mark(after, "$-:(") ||
         (after->kind == ITEM_SYMBOL && labelled)))
        return labelled || value == self->nth + 1 || begins_line(self);
    if (is_mark(next, ".-|") && after && (after->kind == ITEM_NUMBER || is_mark(after, "$")) &&
        (labelled || begins_line(self) || value == self->nth + 1) && after->first->spaced)
        return labelled || value == self->nth + 1;
    /* "Target 4 - open", after three with prices */
    if (is_mark(next, ":=-") && after && after->kind == ITEM_WORD && labelled && self->nth > 0)
        return value > self->nth;
    if (labelled && has_text(next, "at") && after && item_is_price(after))
        return true; /* "Take profit 1 at 89500" */
    if (item_is_price(next) && (labelled || begins_line(self)))
        return value == self->nth + 1 && !small_integer(next);
    if (is_mark(next, "$") && labelled)
        return value == self->nth + 1;
    return labelled && (item_is(next, SENSE_HIT) || is_mark(next, "V") || item_is(next, SENSE_AND));
}

static bool holds(const field_values *field, const item *number)
{
    for (size_t i = 0; i < field->count; i++)
        if (strcmp(field->items[i]->value, number->value) == 0)
            return true;
    return false;
}

static void push(scan *self, const item *number)
{
    field_values *field = values_of(self);
    bool fresh_label = self->count == 0;
    if (number->first->struck && field->count > 0 && self->scope != SCOPE_TARGET)
        return;
    if (self->scope == SCOPE_STOP && field->count > 0) {
        if (!field->items[0]->first->struck) {
            self->scope = SCOPE_NONE; /* the first counts; a second is a comment */
            return;
        }
        field->count = 0;
    }
    if (self->scope != SCOPE_TARGET && !number->first->struck && field->count > 0 &&
        field->items[field->count - 1]->first->struck)
        field->count = 0; /* "~~Entry: 101~~ Entry: 99.5" */
    if (!number->readable || field->count == FIELD_VALUES_MAX) {
        field->unread = true;
        return;
    }
    self->paused = SCOPE_NONE;
    if (field == &self->out->entry && fresh_label && holds(field, number))
        return; /* "Price: 3138.99, Entry: 3138.99" */
    field->links[field->count] = fresh_label ? ',' : self->link;
    field->hit[field->count] = false;
    field->items[field->count++] = number;
    field->implied = self->scope == SCOPE_IMPLIED;
    field->mended = field->mended || (self->label && self->label->near);
    self->count++;
    self->nth++;
    self->foreign = 0;
    self->link = ' ';
    self->fresh = self->remark = self->aside = false;
    self->last_value = number;
    self->out->has_levels =
        self->out->has_levels || self->scope == SCOPE_TARGET || self->scope == SCOPE_STOP;
}

/* After a value, a price on a later line goes on with a list only if it begins the line. */
static bool goes_on(const scan *self)
{
    if (self->count == 0)
        return true;
    if (self->fresh)
        return self->on_line == 0;
    return self->link != ' ' || self->scope == SCOPE_TARGET || self->scope == SCOPE_ENTRY ||
           (self->count == 1 && self->last_value == &self->list->items[self->at - 1]);
}

/* The next number of a list that an empty line ended goes on with it: "2) 71200". */
static void resume_at(scan *self, size_t nth)
{
    scope before = self->scope;
    if (before != SCOPE_NONE || self->paused == SCOPE_NONE)
        return;
    self->scope = self->paused;
    self->count = values_of(self)->count;
    if (self->count + 1 != nth)
        self->scope = before;
}

/* So does a price alone on its line. */
static void resume(scan *self)
{
    const item *next = ahead(self, is_mark(ahead(self, 1), "$") ? 2 : 1);
    if (self->scope == SCOPE_NONE && self->paused != SCOPE_NONE && begins_line(self) &&
        (!next || next->kind == ITEM_LINE)) {
        self->scope = self->paused;
        self->count = values_of(self)->count;
    }
}

/* A price without a label: "Buy 0.915", below it "🔻 0.910" and "🔹 0.923". */
static void note_bare(scan *self, const item *number)
{
    field_values *bare = &self->bare_levels;
    const item *before = self->at > 0 ? number - 1 : NULL;
    bool heads = begins_line(self) || is_mark(before, "ETSX>*|") ||
                 (bare->count > 0 &&
                  (before == bare->items[bare->count - 1] ||
                   (is_mark(before, "/,-|") && before - 1 == bare->items[bare->count - 1]))) ||
                 (before && before == self->last_value);
    if (heads && number->readable && self->out->entry.count > 0 && self->out->target.count == 0 &&
        bare->count < FIELD_VALUES_MAX)
        bare->items[bare->count++] = number;
}

static bool is_number_sign(const scan *self, const item *number)
{
    const char *text = number->first->text;
    return self->at > 0 && is_mark(number - 1, "#") && number[-1].first->spaced &&
           !number->first->spaced && strspn(text, "0123456789") == strlen(text);
}

static void on_number(scan *self, const item *number)
{
    trade_fields *out = self->out;
    bool volume = self->scope == SCOPE_OTHER && self->label &&
                  (has_text(self->label, "volume") || has_text(self->label, "vol"));
    if ((number->unit == UNIT_TIMES && volume) || is_number_sign(self, number))
        return; /* "Volume: 2.3x", "signal #2882703" */
    if (number->unit == UNIT_TIMES || (self->scope == SCOPE_LEVERAGE && item_is_price(number))) {
        bool labelled = self->scope == SCOPE_LEVERAGE;
        bool slash = self->at > 1 && is_mark(number - 1, "/") && number - 2 == out->leverage[0];
        bool range = out->leverage[0] && !out->leverage[1] &&
                     (self->link == '-' || slash || (labelled && self->count == 1));
        if (number->readable && number->size >= 1 && number->size <= 200) {
            if (range && number > out->leverage[0] && number - out->leverage[0] < 4)
                out->leverage[1] = number;
            else if (out->leverage[1] && self->link == '-' && number - out->leverage[1] < 4 &&
                     number->size > out->leverage[1]->size)
                out->leverage[1] = number; /* "5X - 10X - 25X" */
            else if (!out->leverage[0] || (labelled && self->count == 0))
                out->leverage[0] = number, out->leverage[1] = NULL;
            self->count += labelled;
        }
        self->link = ' ';
        return;
    }
    if (number->unit == UNIT_ORDINAL) {
        self->nth = number->first->text[0] ? (size_t)atoi(number->first->text) - 1 : 0;
        resume_at(self, self->nth + 1);
        self->fresh = false;
        return;
    }
    if (number->unit == UNIT_PERCENT)
        self->remark = self->count > 0 && !self->fresh;
    if (!item_is_price(number) || self->dropped || number->first->sign == '+')
        return;
    if (is_index(self, number)) {
        self->remark = false;
        self->nth = (size_t)atoi(number->first->text) - 1;
        resume_at(self, self->nth + 1);
        self->fresh = false;
        return;
    }
    const item *next = ahead(self, 1);
    if (self->aside)
        return; /* "4373 (2000)", "64100 (RR 1)" */
    resume(self);
    if (self->scope == SCOPE_IMPLIED && next && next->kind == ITEM_SYMBOL) {
        self->amount = number; /* "short 0.5 BTC" says how much */
        return;
    }
    if (values_of(self) && goes_on(self)) {
        push(self, number);
        return;
    }
    note_bare(self, number);
    if (values_of(self))
        self->scope = SCOPE_NONE;
}

/* ---- words and marks ---- */

/* "you may move it to the entry price": no price follows. */
static bool is_goal(const scan *self)
{
    enum { REACH = 3 };
    const item *next = ahead(self, 1);
    if (next && next->kind != ITEM_LINE && (item_is_price(next) || is_mark(next, ":-=@$")))
        return false;
    for (size_t n = 1; n <= REACH && n <= self->at; n++) {
        const item *one = &self->list->items[self->at - n];
        if (one->kind != ITEM_WORD)
            return false;
        if (item_is(one, SENSE_TO))
            return true;
    }
    return false;
}

/* "Limit entry:" */
static bool has_limit(const item *label)
{
    for (const token *t = label->first; t <= label->last; t++)
        if (strcmp(t->text, "limit") == 0)
            return true;
    return false;
}

static void on_label(scan *self, const item *word, scope to)
{
    const item *before = self->at > 0 ? &self->list->items[self->at - 1] : NULL;
    if (self->dropped)
        return;
    /* "buy stop 2345" is an order, "SL to entry" no entry */
    if (to == SCOPE_STOP && before && (item_is(before, SENSE_BUY) || item_is(before, SENSE_SELL)))
        to = SCOPE_IMPLIED;
    if (to == SCOPE_ENTRY && self->scope == SCOPE_STOP && self->count == 0 && !self->fresh)
        return;
    if (to == SCOPE_ENTRY && is_goal(self)) {
        self->scope = SCOPE_NONE;
        return;
    }
    /* "Sell zone" of what was bought */
    if (to == SCOPE_ENTRY && has_text(word, "sell") && self->out->entry.count > 0 &&
        self->out->target.count == 0 && self->out->long_side && !self->out->short_side)
        to = SCOPE_TARGET;
    if (to == SCOPE_ENTRY && !self->out->order && has_limit(word)) {
        self->out->order = word;
        self->out->kind = TRADE_LIMIT;
    }
    if (to == SCOPE_ENTRY)
        note_label(self, word);
    open_scope(self, to, word);
    self->fresh = false;
}

static void on_market(scan *self, const item *word)
{
    if (self->scope != SCOPE_IMPLIED && self->scope != SCOPE_ENTRY && begins_line(self) &&
        is_mark(ahead(self, 1), ":") && self->loose.count == 0 && self->out->entry.count == 0) {
        open_scope(self, SCOPE_LOOSE, word); /* "Now: 0.387" */
        self->loose_label = true;
        return;
    }
    bool near = (self->scope == SCOPE_ENTRY || self->scope == SCOPE_IMPLIED) && self->foreign == 0;
    const item *before = self->at > 0 ? &self->list->items[self->at - 1] : NULL;
    const item *next = ahead(self, 1);
    bool at_side = (next && item_is_side(next)) || (before && item_is_side(before));
    bool itself = strcmp(word->first->text, "entry") == 0 && begins_line(self); /* "entry now" */
    /* "1.0915 (market price)", "0.0981 cmp" */
    bool free = self->count == 0 || is_mark(before, "(") || before == self->last_value;
    if ((near || at_side || itself) && !self->out->order && !self->dropped && free) {
        self->out->order = word;
        self->out->kind = TRADE_MARKET;
    }
}

/* "buy limit", again for a second order: "And sell limit @ 1.525". */
static void on_limit(scan *self, const item *word)
{
    bool buys = has_text(word, "buy"), sided = buys || has_text(word, "sell");
    if (self->dropped)
        return;
    if (sided)
        note_side(self, word, buys, weight_of(self, word));
    if (!self->out->order) {
        self->out->order = word;
        self->out->kind = TRADE_LIMIT;
    } else if (!sided || self->out->has_levels) {
        return;
    }
    if ((self->scope == SCOPE_NONE && !has_text(word, "pending")) || sided)
        open_scope(self, SCOPE_IMPLIED, word);
}

static void on_margin(scan *self, const item *word, trade_margin mode)
{
    if (self->out->margin)
        return;
    self->out->margin = word;
    self->out->mode = mode;
}

/* "At: 1.2724", "Price: 3344": the entry if no other is said. */
static bool is_loose_label(const scan *self, const item *word)
{
    static const char *const labels[] = {"at",   "price", "preis",  "precio", "preco",
                                         "prix", "цена",  "prezzo", "fiyat",  "harga"};
    bool label = false;
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        label = label || has_text(word, labels[i]);
    bool waits = self->scope == SCOPE_IMPLIED && self->count == 0;
    return label && !waits && begins_line(self) && is_mark(ahead(self, 1), ":=") &&
           self->loose.count == 0 && self->out->entry.count == 0;
}

/* "Price we entered at: 0.684" beside levels. */
static bool is_entered_at(const scan *self, const item *word)
{
    const item *at = ahead(self, 1), *next = ahead(self, 2);
    return (has_text(word, "entered") || has_text(word, "filled")) && word->first == word->last &&
           has_text(at, "at") && is_mark(next, ":") && self->out->entry.count == 0;
}

static void on_other_word(scan *self, const item *word)
{
    bool between = item_is(word, SENSE_BETWEEN);
    if (between || item_is(word, SENSE_TO)) {
        self->link = self->count > 0 ? '-' : self->link;
        self->between = self->between || between;
        return;
    }
    if (item_is(word, SENSE_AND)) {
        self->link = self->link == '-' || self->between ? '-' : ',';
        return;
    }
    if (is_loose_label(self, word)) {
        open_scope(self, SCOPE_LOOSE, word);
        self->loose_label = true;
        return;
    }
    if (is_entered_at(self, word))
        return on_label(self, word, SCOPE_ENTRY);
    if (item_is(word, SENSE_PLAIN) || item_is(word, SENSE_NTH) || item_is(word, SENSE_ALL))
        return;
    if (item_is(word, SENSE_CLOSED) && self->scope == SCOPE_STOP && self->count == 0)
        return; /* "daily close 3226" */
    if (self->remark && !self->fresh)
        return;
    if (self->count > 0 && !(self->scope == SCOPE_TARGET && item_is(word, SENSE_HIT)))
        self->scope = SCOPE_NONE;
    else if (++self->foreign > (self->scope == SCOPE_IMPLIED ? 1u : 3u))
        self->scope = SCOPE_NONE;
}

static void on_word(scan *self, const item *word)
{
    switch ((trade_sense)word->sense) {
    case SENSE_ENTRY:
        return on_label(self, word, SCOPE_ENTRY);
    case SENSE_TARGET:
        return on_label(self, word, SCOPE_TARGET);
    case SENSE_STOP:
        return on_label(self, word, SCOPE_STOP);
    case SENSE_LEVERAGE:
        if (self->count == 0 || self->scope != SCOPE_LEVERAGE)
            open_scope(self, SCOPE_LEVERAGE, word);
        return;
    case SENSE_CLOSED:
        if (is_exit_list(self))
            return on_label(self, word, SCOPE_TARGET);
        return on_other_word(self, word);
    case SENSE_OTHER:
    case SENSE_PROFIT:
    case SENSE_LOSS:
        if (self->remark && !self->fresh) {
            self->aside = true; /* "1806.3 | 40% of profit", "39350 (+100 pts) RR 1:1" */
            return;
        }
        open_scope(self, SCOPE_OTHER, word);
        return;
    case SENSE_LONG:
    case SENSE_SHORT:
    case SENSE_BUY:
    case SENSE_SELL:
        return on_side(self, word);
    case SENSE_MARKET:
        return on_market(self, word);
    case SENSE_LIMIT:
        return on_limit(self, word);
    case SENSE_CROSS:
        return on_margin(self, word, TRADE_CROSS);
    case SENSE_ISOLATED:
        return on_margin(self, word, TRADE_ISOLATED);
    case SENSE_WHEN:
        if (self->scope == SCOPE_STOP && self->count == 0 && has_text(word, "if"))
            return; /* "SL (if a 4h candle closes under 1.115)" */
        self->dropped = self->on_line > 0 || self->scope == SCOPE_NONE;
        return;
    default:
        on_other_word(self, word);
    }
}

static void on_mark(scan *self, const item *mark)
{
    field_values *field = values_of(self);
    const item *next = ahead(self, 1);
    switch (mark->mark) {
    case '-':
    case '~':
        if (!self->fresh || !self->bare)
            self->link = '-'; /* else a bullet */
        break;
    case MARK_CHECK:
    case MARK_CROSS:
        if (mark->mark == MARK_CROSS && next && item_is_price(next) && begins_line(self)) {
            open_scope(self, SCOPE_STOP, NULL);
            break;
        }
        if (self->scope == SCOPE_STOP && self->count > 0 && !self->fresh)
            self->out->crossed = self->out->crossed || mark->mark == MARK_CROSS;
        if (field && field->count > 0 && self->last_value && !self->fresh &&
            mark->mark == MARK_CHECK &&
            !(next && (item_is(next, SENSE_TARGET) || next->kind == ITEM_NUMBER)))
            field->hit[field->count - 1] = true;
        break;
    case ':':
        if (self->count > 0 && self->last_value == mark - 1 && next && item_is_price(next) &&
            next->size > 0.95 * self->last_value->size &&
            next->size < 1.05 * self->last_value->size)
            self->link = '-'; /* "3956 :3953" */
        break;
    case '.':
    case ';':
        self->dropped = false;
        break;
    case MARK_TARGET:
    case MARK_STOP:
        if (next && (item_is_price(next) || next->unit == UNIT_ORDINAL))
            open_scope(self, mark->mark == MARK_TARGET ? SCOPE_TARGET : SCOPE_STOP, NULL);
        break;
    case '(':
        self->aside =
            self->count > 0 && !self->fresh && self->last_value && mark == self->last_value + 1;
        self->remark = self->remark || self->aside;
        break;
    case ')':
        self->aside = false;
        break;
    default:
        if (strchr("/,|&>+", mark->mark))
            self->link = ',';
    }
}

static void on_line(scan *self)
{
    bool single = self->scope == SCOPE_STOP || self->scope == SCOPE_LEVERAGE;
    if ((single && self->count > 0) || self->scope == SCOPE_OTHER ||
        (self->blank && self->count > 0)) {
        self->paused = self->scope == SCOPE_TARGET ? SCOPE_TARGET : SCOPE_NONE;
        self->scope = SCOPE_NONE;
    }
    if (self->scope == SCOPE_IMPLIED && self->count > 0)
        self->scope = SCOPE_NONE;
    if (self->scope == SCOPE_LOOSE)
        self->scope = SCOPE_NONE;
    self->fresh = self->blank = self->bare = true;
    self->dropped = self->remark = self->aside = false;
    self->on_line = 0;
    if (self->count > 0)
        self->link = ',';
}

static void on_symbol(scan *self, const item *symbol)
{
    bool first = self->loose.count == 0 && self->out->entry.count == 0 && !self->out->has_levels;
    if (self->count > 0)
        self->scope = SCOPE_NONE;
    if (self->scope == SCOPE_NONE && first)
        open_scope(self, SCOPE_LOOSE, symbol);
}

/* Without labels, the one price behind the entry is the stop, all before it are targets. */
static void settle_bare(scan *self)
{
    trade_fields *out = self->out;
    field_values *bare = &self->bare_levels;
    bool tail = out->entry.count == 2 && out->entry.implied && out->entry.links[1] == ' ';
    bool stopped = out->stop.count > 0; /* then they are but targets */
    tail = tail && !stopped;
    if (out->target.count > 0 || bare->count + tail < 2 || out->entry.count == 0 ||
        out->entry.unread || out->target.unread || !out->long_side == !out->short_side)
        return;
    field_values stop = {.implied = true}, target = {.implied = true};
    double entry = out->entry.items[0]->size,
           last = tail ? entry : out->entry.items[out->entry.count - 1]->size;
    for (size_t i = 0; i < bare->count + tail; i++) {
        const item *one = i >= tail ? bare->items[i - tail] : out->entry.items[1];
        bool above = one->size > entry && one->size > last;
        bool below = one->size < entry && one->size < last;
        if ((!above && !below) || one->size > 2 * entry || one->size < entry / 2)
            return;
        field_values *to = above == (out->long_side != NULL) ? &target : &stop;
        to->links[to->count] = ',';
        to->items[to->count++] = one;
    }
    if (stop.count + stopped != 1)
        return;
    if (!stopped)
        out->stop = stop;
    out->target = target;
    out->entry.count -= tail;
}

/* "SELL 0.6433 nzdusd", between a stop and a target: no amount. */
static void settle_amount(scan *self)
{
    trade_fields *out = self->out;
    const item *one = self->amount;
    if (!one || !one->readable || out->entry.count > 0 || out->entry.unread ||
        out->stop.count == 0 || out->target.count == 0)
        return;
    double stop = out->stop.items[0]->size, target = out->target.items[0]->size;
    if ((stop < one->size) == (one->size < target)) {
        out->entry = (field_values){.items = {one}, .links = ",", .count = 1, .implied = true};
    }
}

/* Prices right behind the symbol are the entry if nothing else is, and levels follow. */
static void settle_loose(scan *self)
{
    trade_fields *out = self->out;
    bool levels = out->stop.count > 0 && (out->target.count == 0 || !out->order);
    levels = levels || (self->loose_label && out->stop.count + out->target.count > 0);
    if (out->entry.count == 0 && !out->entry.unread && levels && !self->loose.unread) {
        out->entry = self->loose;
        out->entry.implied = out->entry.count > 0 && !self->loose_label;
    }
}

void trade_fields_read(const item_list *list, trade_fields *ret)
{
    scan self = {.list = list, .out = ret, .link = ',', .fresh = true, .bare = true};
    memset(ret, 0, sizeof *ret);
    ret->long_weight = ret->short_weight = 0;
    for (; self.at < list->count; self.at++) {
        const item *one = &list->items[self.at];
        if (one->kind == ITEM_LINE) {
            on_line(&self);
            continue;
        }
        self.blank = false;
        self.bare = self.bare && one->kind == ITEM_MARK;
        if (one->kind == ITEM_WORD) {
            on_word(&self, one);
            self.on_line += one->sense != SENSE_NTH;
        } else if (one->kind == ITEM_NUMBER) {
            on_number(&self, one);
        } else if (one->kind == ITEM_MARK) {
            on_mark(&self, one);
        } else {
            on_symbol(&self, one);
        }
    }
    settle_loose(&self);
    settle_amount(&self);
    settle_bare(&self);
}
