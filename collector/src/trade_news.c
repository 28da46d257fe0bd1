/* trade_news.c - see trade_news.h. Owns nothing.
 * Each line is looked through for what has happened; the weightiest that was found is the news.
 * What is asked, denied, hoped or put on a condition has not happened. */
#include "trade_news.h"

#include <stdlib.h>
#include <string.h>

typedef struct seek {
    const item_list *list;
    trade_news *out;
    size_t at;
    bool told[TRADE_PARTIAL_CLOSE + 1];
    size_t lists; /* of targets that were reached */
    size_t done;  /* items before it have been told of */
} seek;

/* The weightier news wins: a target that was hit explains a stop that was moved. */
static const int weights[] = {
    [TRADE_ENTERED] = 1,    [TRADE_STOP_MOVED] = 2, [TRADE_PARTIAL_CLOSE] = 3,
    [TRADE_TARGET_HIT] = 4, [TRADE_CANCELLED] = 5,  [TRADE_STOP_HIT] = 6,
    [TRADE_CLOSED] = 7};

static const item *item_at(const item_list *list, size_t i)
{
    return i < list->count && list->items[i].kind != ITEM_LINE ? &list->items[i] : NULL;
}

static bool is_mark(const item *i, const char *marks)
{
    return i && i->kind == ITEM_MARK && strchr(marks, i->mark);
}

static bool has_word(const item *i, const char *text)
{
    return i && i->kind == ITEM_WORD && strcmp(i->first->text, text) == 0;
}

static bool ends_sentence(const item *i)
{
    return !i || is_mark(i, ";!?") || (is_mark(i, ".,"));
}

/* "After TP1, close some": the clause before a comma says when. */
static bool is_for_later(const item_list *list, size_t at, trade_event type)
{
    enum { REACH = 12 };
    bool comma = false;
    if (type != TRADE_CLOSED && type != TRADE_PARTIAL_CLOSE && type != TRADE_STOP_MOVED)
        return false;
    for (size_t i = at, n = 0; i-- > 0 && n < REACH; n++) {
        const item *one = item_at(list, i);
        if (!one || is_mark(one, ";!?") || (comma && is_mark(one, ".,")))
            return false;
        if (comma && item_is(one, SENSE_WHEN))
            return true;
        comma = comma || is_mark(one, ",");
    }
    return false;
}

/* Denied, asked, hoped or conditional, in the words before it? */
static bool is_doubtful(const item_list *list, size_t at)
{
    enum { REACH = 8 };
    if (list->items[at].asked)
        return true;
    for (size_t i = at, n = 0; i-- > 0 && n < REACH; n++) {
        const item *one = item_at(list, i);
        if (ends_sentence(one))
            break;
        if (item_is(one, SENSE_NOT) || item_is(one, SENSE_WHEN) || item_is(one, SENSE_MAYBE))
            return true;
    }
    for (size_t i = at + 1, n = 0; n < 4; i++, n++) {
        const item *one = item_at(list, i);
        if (ends_sentence(one))
            break;
        if (has_word(one, "if"))
            return true;
    }
    return false;
}

static void tell(seek *self, trade_event type, size_t from, size_t to)
{
    trade_news *out = self->out;
    const item *next = item_at(self->list, to + 1), *answer = item_at(self->list, to + 2);
    if (is_doubtful(self->list, from) || is_for_later(self->list, from, type) ||
        (is_mark(next, ":") && answer &&
         (item_is(answer, SENSE_NOT) || item_is(answer, SENSE_MAYBE))))
        return; /* "Position closed: no", "Close: you may ..." */
    if (!self->told[type])
        out->mixed++;
    self->told[type] = true;
    if (out->type != TRADE_NO_EVENT && weights[type] <= weights[out->type])
        return;
    out->type = type;
    out->said = &self->list->items[from];
    out->said_to = &self->list->items[to];
}

static void add_target(trade_news *out, size_t n)
{
    size_t i = 0;
    if (n < 1 || n > TRADE_TARGETS_MAX || out->n_targets == TRADE_TARGETS_MAX)
        return;
    while (i < out->n_targets && out->targets[i] < n)
        i++;
    if (i < out->n_targets && out->targets[i] == n)
        return;
    memmove(out->targets + i + 1, out->targets + i, out->n_targets - i);
    out->targets[i] = (uint8_t)n;
    out->n_targets++;
}

static size_t small(const item *i)
{
    bool may = i && i->kind == ITEM_NUMBER && (i->unit == UNIT_NONE || i->unit == UNIT_ORDINAL) &&
               i->first == i->last && strlen(i->first->text) <= 2 &&
               strspn(i->first->text, "0123456789") == strlen(i->first->text);
    size_t n = may ? (size_t)atoi(i->first->text) : 0;
    return n <= TRADE_TARGETS_MAX ? n : 0;
}

static bool is_price(const item *i)
{
    return i && item_is_price(i) && i->readable && small(i) == 0 && i->first->sign != '+';
}

/* ---- targets ---- */

typedef struct reached {
    uint8_t targets[TRADE_TARGETS_MAX];
    size_t count, end;
    bool all, hit;
} reached;

static bool is_which(const item *i)
{
    return i && ((item_is(i, SENSE_NTH) && i->nth > 0) || small(i) > 0);
}

static void reach(reached *self, size_t n)
{
    if (n > 0 && self->count < TRADE_TARGETS_MAX)
        self->targets[self->count++] = (uint8_t)n;
}

/* Between "TP1" and "hit" may stand other targets, a price, small words. */
static bool may_stand_between(const item *i)
{
    return i->kind == ITEM_NUMBER || i->kind == ITEM_SYMBOL || is_mark(i, "&,/+-:$()E>T|#!.*") ||
           item_is(i, SENSE_AND) || item_is(i, SENSE_TARGET) || item_is(i, SENSE_PLAIN) ||
           item_is(i, SENSE_NTH) || item_is(i, SENSE_ALL) || item_is(i, SENSE_TO) ||
           item_is(i, SENSE_PROFIT) || item_is(i, SENSE_BETWEEN);
}

/* "TP1 & stops moved": the one is why the other. */
static bool moves_stop(const item_list *list, size_t at)
{
    const item *joint = item_at(list, at), *stop = item_at(list, at + 1);
    bool joined = joint && (item_is(joint, SENSE_AND) || is_mark(joint, "&+,"));
    if (!joined || !stop || !item_is(stop, SENSE_STOP))
        return false;
    const item *moved = item_at(list, at + 2), *to = item_at(list, at + 3);
    return moved && to && item_is(moved, SENSE_MOVE) && !has_word(to, "if");
}

/* "TP1 (50%)" where no price follows: so much was taken. */
static bool is_share(const item_list *list, size_t at)
{
    const item *share = item_at(list, at + 1);
    if (!is_mark(item_at(list, at), "(") || !share || share->unit != UNIT_PERCENT ||
        share->first->sign || !is_mark(item_at(list, at + 2), ")"))
        return false;
    for (size_t i = at + 3, n = 0; item_at(list, i) && n < 12; i++, n++)
        if (item_is_price(&list->items[i]))
            return false;
    for (size_t i = at, n = 0; i-- > 0 && n < 12 && item_at(list, i); n++)
        if (list->items[i].kind == ITEM_SYMBOL)
            return true;
    return false;
}

/* From a target's label to what says that it was reached. */
static reached read_reached(const item_list *list, size_t at)
{
    enum { REACH = 14 };
    reached r = {.end = at};
    const item *before = at > 0 ? item_at(list, at - 1) : NULL;
    size_t words = 0;
    bool range = false;
    bool heads = at == 1 || (at > 1 && !item_at(list, at - 2));
    if (before && item_is(before, SENSE_NTH))
        reach(&r, before->nth);
    else if (before && before->kind == ITEM_NUMBER && (before->unit == UNIT_ORDINAL || heads))
        reach(&r, small(before)); /* "1 тейк" begins a line */
    else if (is_mark(before, ".)") && at > 1 && item_at(list, at - 2))
        reach(&r, small(&list->items[at - 2])); /* "1. hedef" */
    r.all = before && item_is(before, SENSE_ALL);
    for (size_t i = at + 1; i < list->count && i < at + REACH; i++) {
        const item *one = item_at(list, i);
        if (!one || item_is(one, SENSE_NOT) || item_is(one, SENSE_MAYBE))
            break;
        bool closed = item_is(one, SENSE_CLOSED) && r.count > 0 && /* "first target closed" */
                      (i == at + 1 || is_which(&one[-1]));
        bool plus = is_mark(one, "+") && r.count > 0 && !item_at(list, i + 1); /* "tp1+" */
        bool taken = item_is(one, SENSE_PART) && at == 0 && r.count > 0 && is_which(&one[-1]);
        if (item_is(one, SENSE_HIT) || is_mark(one, "V") || item_is(one, SENSE_FILLED) || closed ||
            plus || taken) {
            r.hit = true;
            r.end = i;
            break;
        }
        if (item_is(one, SENSE_NTH))
            reach(&r, one->nth);
        size_t n = small(one);
        if (n > 0 && range && r.count > 0)
            for (size_t k = (size_t)r.targets[r.count - 1] + 1; k < n; k++)
                reach(&r, k);
        if (n > 0)
            reach(&r, n);
        if (r.count > 0 && (moves_stop(list, i) || is_share(list, i))) {
            r.hit = true;
            r.end = i - 1;
            break;
        }
        range = is_mark(one, "-") || item_is(one, SENSE_TO);
        r.all = r.all || item_is(one, SENSE_ALL);
        if (!may_stand_between(one) && ++words > 2)
            break;
    }
    return r;
}

/* "TP1 ✅ TP2 ✅ TP3": do the marks of this line stand behind their targets? */
static bool marks_follow(const item_list *list, size_t at)
{
    enum { REACH = 40 };
    bool follow = false;
    for (size_t n = 0; at-- > 0 && n < REACH && list->items[at].kind != ITEM_LINE; n++)
        if (item_is(&list->items[at], SENSE_TARGET))
            follow = true;
        else if (is_mark(&list->items[at], "V"))
            follow = false;
    return follow;
}

/* "hit TP1", "✅ TP2" where nothing follows: said before. */
static bool is_said_before(const item_list *list, size_t at)
{
    for (size_t i = at, n = 0; i-- > 0 && n < 5; n++) {
        const item *one = item_at(list, i);
        if (!one)
            return false;
        if (item_is(one, SENSE_HIT))
            return true;
        if (is_mark(one, "V") && marks_follow(list, i))
            return false;
        if (is_mark(one, "V")) {
            size_t k = at + 1;
            while (item_at(list, k) &&
                   (small(&list->items[k]) || is_mark(&list->items[k], "VE!)+&")))
                k++;
            return ends_sentence(item_at(list, k));
        }
        if (!may_stand_between(one))
            return false;
    }
    return false;
}

/* "Tp1 🥳", "1st target" that is a text or begins one without a price: they cheer. */
static bool is_cheered(const item_list *list, size_t at)
{
    enum { REACH = 16 };
    size_t i = at + 1, k = at;
    bool which = is_which(item_at(list, i)), gain = false;
    if (which)
        i++;
    else if (k > 0 && is_which(&list->items[k - 1]))
        which = k--;
    while (k > 0 && list->items[k - 1].kind == ITEM_MARK)
        k--;
    for (size_t n = i; item_at(list, n) && n < i + REACH; n++) /* "Tp3 total profit +1.18%" */
        gain = gain || (list->items[n].unit == UNIT_PERCENT && list->items[n].first->sign == '+');
    if (k > 0 || !which || (!gain && item_at(list, i) && !is_mark(item_at(list, i), "ET!,")))
        return false;
    for (size_t n = 0; i < list->count && n < REACH; i++, n++)
        if (is_price(&list->items[i]))
            return false;
    return true;
}

/* "TP/SL hits", "check TP and SL": of either, so of none. */
static bool is_either(const item_list *list, size_t at)
{
    for (int step = -1; step <= 1; step += 2) {
        const item *joint = item_at(list, at + (size_t)step), *other;
        if (!joint || !(is_mark(joint, "/") || item_is(joint, SENSE_AND)) || (step < 0 && at < 2))
            continue;
        other = item_at(list, at + (size_t)(2 * step));
        if (other && (item_is(other, SENSE_TARGET) || item_is(other, SENSE_STOP)) &&
            other->sense != list->items[at].sense)
            return true;
    }
    return false;
}

static void on_target(seek *self)
{
    if (is_either(self->list, self->at))
        return;
    reached r = read_reached(self->list, self->at);
    r.hit = r.hit || is_cheered(self->list, self->at);
    if (!r.hit && !is_said_before(self->list, self->at))
        return;
    bool doubtful = is_doubtful(self->list, self->at);
    for (size_t i = 0; i < r.count && !doubtful; i++)
        add_target(self->out, r.targets[i]);
    self->out->all = self->out->all || (r.all && !doubtful);
    self->lists += !doubtful;
    self->done = r.end + 1;
    bool named = self->at > 0 && is_which(item_at(self->list, self->at - 1));
    tell(self, TRADE_TARGET_HIT, self->at - named, r.end > self->at ? r.end : self->at);
}

/* ---- stops ---- */

/* Is it what was won or lost: "1.768€ gain"? */
static bool is_amount(const item_list *list, size_t at)
{
    const item *next = item_at(list, at + 1);
    if (is_mark(next, "$"))
        next = item_at(list, at + 2);
    return next && (item_is(next, SENSE_PROFIT) || item_is(next, SENSE_LOSS));
}

/* The price right behind, past small words. */
static const item *price_within(const item_list *list, size_t at, size_t reach_)
{
    for (size_t i = at + 1, n = 0; n < reach_; i++, n++) {
        const item *one = item_at(list, i);
        if (!one)
            return NULL;
        if (is_price(one))
            return is_amount(list, i) ? NULL : one;
        if (one->kind == ITEM_WORD && !item_is(one, SENSE_PLAIN) && !item_is(one, SENSE_TO) &&
            !item_is(one, SENSE_PROFIT) && !item_is(one, SENSE_MARKET) &&
            !item_is(one, SENSE_ALL) && !item_is(one, SENSE_EVEN) && !item_is(one, SENSE_LOSS) &&
            !item_is_side(one))
            return NULL;
    }
    return NULL;
}

static const item *price_after(const item_list *list, size_t at)
{
    return price_within(list, at, 6);
}

static bool moved_before(const item_list *list, size_t at)
{
    for (size_t i = at, n = 0; i-- > 0 && n < 5; n++) {
        const item *one = item_at(list, i);
        if (ends_sentence(one))
            return false;
        if (item_is(one, SENSE_MOVE))
            return true;
    }
    return false;
}

/* "SL", "стоп 😢": nothing else is said. */
static bool is_all(const item_list *list, const item *said)
{
    for (size_t i = 0; i < list->count; i++) {
        const item *one = &list->items[i];
        if (one != said && one->kind != ITEM_LINE && !is_mark(one, "ESX)(!.") &&
            !item_is(one, SENSE_PLAIN))
            return false;
    }
    return !has_word(said, "stop") && !has_word(said, "stops") && !has_word(said, "s");
}

/* On this line, or first on the next: "⛔ Stop ⛔" above "18450". */
static bool has_price_soon(const item_list *list, size_t at)
{
    enum { REACH = 10 };
    bool line = false;
    for (size_t i = at + 1, n = 0; i < list->count && n < REACH; i++, n++) {
        const item *one = &list->items[i];
        if (is_price(one))
            return true;
        if ((one->kind == ITEM_LINE && line && one[-1].kind != ITEM_LINE) ||
            (line && one->kind == ITEM_WORD))
            return false;
        line = line || one->kind == ITEM_LINE;
    }
    return false;
}

static void on_stop(seek *self)
{
    const item_list *list = self->list;
    if (is_either(list, self->at))
        return;
    if (is_all(list, &list->items[self->at])) {
        tell(self, TRADE_STOP_HIT, self->at, self->at);
        return;
    }
    bool moved = moved_before(list, self->at), to = false;
    for (size_t i = self->at + 1, n = 0; n < 7; i++, n++) {
        const item *one = item_at(list, i);
        if (!one)
            break;
        if (item_is(one, SENSE_HIT) || item_is(one, SENSE_FILLED) || item_is(one, SENSE_STOPPED) ||
            (is_mark(one, "X") && !moved && !to) ||
            (n == 0 && is_mark(one, "S") && !has_price_soon(list, i))) {
            tell(self, TRADE_STOP_HIT, self->at, i);
            return;
        }
        bool even = item_is(one, SENSE_EVEN) || (item_is(one, SENSE_ENTRY) && (to || moved));
        if (even) {
            tell(self, TRADE_STOP_MOVED, self->at, i);
            if (self->out->type == TRADE_STOP_MOVED)
                self->out->price = price_after(list, i);
            return;
        }
        if (is_price(one) && (moved || (to && n > 0 && item_is(&list->items[i - 1], SENSE_TO)))) {
            tell(self, TRADE_STOP_MOVED, self->at, i);
            if (self->out->type == TRADE_STOP_MOVED)
                self->out->price = one;
            return;
        }
        moved = moved || item_is(one, SENSE_MOVE);
        to = to || item_is(one, SENSE_TO) || is_mark(one, ">=-");
        if (is_price(one) || is_mark(one, ".;"))
            break;
    }
}

/* ---- the rest ---- */

static const item *percent_near(const item_list *list, size_t at, size_t reach_)
{
    for (size_t i = at + 1, n = 0; n < reach_; i++, n++) {
        const item *one = item_at(list, i);
        if (!one)
            return NULL;
        if (one->kind == ITEM_NUMBER && one->unit == UNIT_PERCENT)
            return one;
    }
    return NULL;
}

/* "Exit: 7.91 / 7.95", "Close 33660 31500 29700" says where to. */
static bool is_exit_list(const item_list *list, size_t at)
{
    size_t prices = 0;
    for (size_t i = at + 1; i < at + 6 && item_at(list, i); i++) {
        if (list->items[i].kind != ITEM_MARK && !item_is_price(&list->items[i]))
            break;
        prices += item_is_price(&list->items[i]);
    }
    return prices > 1;
}

/* "close 50%" is a part, "closed +34%" and "closed 12% profit" are results. */
static void on_closed(seek *self)
{
    const item_list *list = self->list;
    const item *percent = percent_near(list, self->at, 2);
    const item *before = self->at > 0 ? item_at(list, self->at - 1) : NULL;
    const item *after = percent ? item_at(list, (size_t)(percent - list->items) + 1) : NULL;
    bool result =
        percent && (percent->first->sign ||
                    (after && (item_is(after, SENSE_PROFIT) || item_is(after, SENSE_LOSS))));
    if (is_exit_list(list, self->at) || self->at < self->done ||
        (self->at > 1 && item_at(list, self->at - 1) && is_mark(before, "SE") &&
         item_is(&list->items[self->at - 2], SENSE_STOP)))
        return; /* the last: "stop 🛑 close above 10" */
    if (before && before->kind == ITEM_NUMBER &&
        (before->unit == UNIT_OTHER || before->unit == UNIT_PERCENT)) {
        if (before->unit == UNIT_PERCENT && !before->first->sign) {
            tell(self, TRADE_PARTIAL_CLOSE, self->at - 1, self->at);
            if (self->out->type == TRADE_PARTIAL_CLOSE)
                self->out->percent = before;
        }
        return; /* a candle's close */
    }
    if (before && (item_is(before, SENSE_STOP) || has_word(before, "a") || has_word(before, "the")))
        return; /* a candle's, too */
    if (percent && !result && percent->size < 100) {
        tell(self, TRADE_PARTIAL_CLOSE, self->at, (size_t)(percent - list->items));
        if (self->out->type == TRADE_PARTIAL_CLOSE)
            self->out->percent = percent;
        return;
    }
    tell(self, TRADE_CLOSED, self->at, self->at);
}

static void on_part(seek *self)
{
    const item_list *list = self->list;
    const item *word = &list->items[self->at];
    const item *percent = percent_near(list, self->at, 4);
    if (!percent && self->at > 0 && item_at(list, self->at - 1) && word[-1].unit == UNIT_PERCENT &&
        word[-1].kind == ITEM_NUMBER)
        percent = word - 1; /* "50% off" */
    bool alone = word->first == word->last;
    const item *next = item_at(list, self->at + 1);
    if (item_is(word, SENSE_PART) && has_word(word, "half") && alone && !percent &&
        !(next && (item_is(next, SENSE_PLAIN) || item_is(next, SENSE_CLOSED))))
        return;
    if (has_word(next, "size") || (percent != word - 1 && next && item_is(next, SENSE_OTHER)))
        return;
    tell(self, TRADE_PARTIAL_CLOSE, self->at, self->at);
    if (self->out->type == TRADE_PARTIAL_CLOSE && percent && !percent->first->sign)
        self->out->percent = percent;
}

/* "take 40 % off" */
static void on_percent(seek *self)
{
    const item *next = item_at(self->list, self->at + 1);
    const item *one = &self->list->items[self->at];
    if (!has_word(next, "off") || one->unit != UNIT_PERCENT || one->first->sign)
        return;
    tell(self, TRADE_PARTIAL_CLOSE, self->at, self->at + 1);
    if (self->out->type == TRADE_PARTIAL_CLOSE)
        self->out->percent = one;
}

static void on_entry(seek *self)
{
    for (size_t i = self->at + 1, n = 0; n < 5; i++, n++) {
        const item *one = item_at(self->list, i);
        if (!one ||
            !(may_stand_between(one) || item_is(one, SENSE_FILLED) || item_is(one, SENSE_HIT) ||
              item_is(one, SENSE_CANCELLED) || is_mark(one, "V")))
            return;
        if (item_is(one, SENSE_FILLED) || item_is(one, SENSE_HIT) ||
            (is_mark(one, "V") && !is_price(item_at(self->list, i + 1)))) {
            tell(self, TRADE_ENTERED, self->at, i);
            return;
        }
    }
}

/* "Moved to BE", "в бу перевел 89650": the stop needs no name. */
static void on_even(seek *self)
{
    const item *next = item_at(self->list, self->at + 1);
    bool after = next && item_is(next, SENSE_MOVE);
    bool all = is_all(self->list, &self->list->items[self->at]); /* "Risk free" */
    if (self->told[TRADE_STOP_MOVED] || (!after && !all && !moved_before(self->list, self->at)))
        return;
    tell(self, TRADE_STOP_MOVED, self->at, self->at + after);
    if (self->out->type == TRADE_STOP_MOVED)
        self->out->price = price_after(self->list, self->at + after);
}

static void on_word(seek *self, const item *word)
{
    switch ((trade_sense)word->sense) {
    case SENSE_EVEN:
        return on_even(self);
    case SENSE_TARGET:
        return on_target(self);
    case SENSE_STOP:
        return on_stop(self);
    case SENSE_STOPPED:
        return tell(self, TRADE_STOP_HIT, self->at, self->at);
    case SENSE_CLOSED:
        return on_closed(self);
    case SENSE_CANCELLED:
        return tell(self, TRADE_CANCELLED, self->at, self->at);
    case SENSE_FILLED:
        return tell(self, TRADE_ENTERED, self->at, self->at);
    case SENSE_PART:
        return on_part(self);
    case SENSE_ENTRY:
        return on_entry(self);
    default:
        return;
    }
}

/* ---- price and result ---- */

static bool is_price_label(const item_list *list, size_t at)
{
    static const char *const labels[] = {"price", "preis", "precio", "preco", "prix", "цена"};
    bool said = false;
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        said = said || has_word(&list->items[at], labels[i]);
    return said && is_mark(item_at(list, at + 1), ":");
}

/* A price beside the news: behind it on its line, or before it. */
static const item *price_beside(const item_list *list, const trade_news *news)
{
    size_t from = (size_t)(news->said - list->items), to = (size_t)(news->said_to - list->items);
    for (size_t i = from; i <= to; i++)
        if (is_price(&list->items[i]))
            return &list->items[i];
    const item *after = price_after(list, to);
    if (after)
        return after;
    for (size_t i = from, n = 0; i-- > 0 && n < 4; n++) {
        const item *one = item_at(list, i);
        if (!one || one->kind == ITEM_WORD)
            break;
        if (is_price(one))
            return one;
    }
    for (size_t i = to; i < list->count && news->type == TRADE_ENTERED; i++)
        if (item_is(&list->items[i], SENSE_ENTRY) && (after = price_after(list, i)))
            return after; /* "Average entry price: ..." */
    bool named = false;
    for (size_t i = 0; i < list->count && news->type == TRADE_CLOSED; i++) {
        named = named || list->items[i].kind == ITEM_SYMBOL;
        if (named && is_price_label(list, i) && (after = price_after(list, i)))
            return after; /* "Price: ..." on a line of its own */
    }
    for (size_t i = 0; i < list->count && news->type == TRADE_CLOSED; i++) {
        const item *by = item_at(list, i + 1);
        if (list->items[i].kind == ITEM_SYMBOL && by &&
            (has_word(by, "by") || has_word(by, "at")) && (after = price_after(list, i + 1)))
            return after; /* "BTC by 35091" below "Close position" */
    }
    for (size_t i = 0; i < list->count && news->type == TRADE_CLOSED; i++)
        if (item_is(&list->items[i], SENSE_CLOSED) && (after = price_after(list, i)))
            return after; /* "Exit price: ..." further down */
    return NULL;
}

/* "Closed in profit (75%)": how much of it. */
static bool closes_part(const item_list *list, size_t at)
{
    for (size_t i = at, n = 0; i-- > 0 && n < 8 && item_at(list, i); n++)
        if (item_is(&list->items[i], SENSE_CLOSED) || item_is(&list->items[i], SENSE_PART))
            return true;
    return false;
}

static const item *result_of(const item_list *list, bool *loss)
{
    const item *found = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const item *one = &list->items[i];
        if (one->kind != ITEM_NUMBER || one->unit != UNIT_PERCENT || !one->readable)
            continue;
        bool gain = false, lost = one->first->sign == '-';
        for (size_t k = i, n = 0; k-- > 0 && n < 4; n++) {
            const item *near = item_at(list, k);
            if (!near)
                break;
            gain = gain || item_is(near, SENSE_PROFIT);
            lost = lost || item_is(near, SENSE_LOSS);
        }
        const item *next = item_at(list, i + 1);
        if (!one->first->sign && is_mark(next, ")") && i > 0 &&
            is_mark(item_at(list, i - 1), "(") && closes_part(list, i))
            continue;
        gain = gain || (next && item_is(next, SENSE_PROFIT));
        lost = lost || (next && item_is(next, SENSE_LOSS));
        if (!found && (one->first->sign || gain || lost)) {
            found = one;
            *loss = lost;
        }
    }
    return found;
}

/* "Stop loss: 3311" and a loss, where nothing is to be entered or reached. */
static void tell_loss(seek *self)
{
    const item_list *list = self->list;
    bool loss = false;
    size_t stop = list->count;
    for (size_t i = 0; i < list->count; i++) {
        const item *one = &list->items[i];
        if (item_is(one, SENSE_ENTRY) || item_is(one, SENSE_TARGET))
            return;
        if (item_is(one, SENSE_STOP) && stop == list->count)
            stop = i;
    }
    if (stop < list->count && result_of(list, &loss) && loss)
        tell(self, TRADE_STOP_HIT, stop, stop);
}

static void settle(const item_list *list, trade_news *out, const bool *told)
{
    bool loss = false;
    const item *result = result_of(list, &loss);
    /* a stop that is hit closes a trade; only with a gain "closed" is the better word */
    if (out->type == TRADE_CLOSED && told[TRADE_STOP_HIT] && (!result || loss))
        out->type = TRADE_STOP_HIT;
    if (out->type == TRADE_CLOSED && out->all)
        out->type = TRADE_TARGET_HIT;
    if (out->type != TRADE_TARGET_HIT) {
        out->n_targets = 0;
        out->all = false;
    }
    if (out->type == TRADE_TARGET_HIT || out->type == TRADE_STOP_HIT || out->type == TRADE_CLOSED ||
        out->type == TRADE_ENTERED)
        out->price = price_beside(list, out);
    else if (out->type != TRADE_STOP_MOVED)
        out->price = NULL;
    if (out->type == TRADE_TARGET_HIT || out->type == TRADE_STOP_HIT || out->type == TRADE_CLOSED) {
        out->percent = result;
        out->loss = loss;
    } else if (out->type == TRADE_PARTIAL_CLOSE) {
        out->price = price_within(list, (size_t)(out->said_to - list->items), 10);
    } else if (out->type != TRADE_PARTIAL_CLOSE) {
        out->percent = NULL;
    }
}

/* Is nothing before it on its line but what it is about: "Trade cancelled"? */
static bool leads_line(const item_list *list, const item *said)
{
    for (const item *i = said; i > list->items; i--) {
        const item *one = i - 1;
        if (one->kind == ITEM_LINE)
            return true;
        if (one->kind != ITEM_MARK && !item_is(one, SENSE_SIDE) && !item_is(one, SENSE_PLAIN) &&
            !item_is(one, SENSE_LIMIT) && !item_is(one, SENSE_ENTRY) && !item_is(one, SENSE_NTH) &&
            !item_is(one, SENSE_ALL))
            return false;
    }
    return true;
}

void trade_news_read(const item_list *list, trade_news *ret)
{
    seek self = {.list = list, .out = ret};
    memset(ret, 0, sizeof *ret);
    for (; self.at < list->count; self.at++) {
        const item *one = &list->items[self.at];
        if (one->kind == ITEM_WORD)
            on_word(&self, one);
        else if (one->kind == ITEM_NUMBER)
            on_percent(&self);
    }
    if (ret->type == TRADE_NO_EVENT)
        tell_loss(&self);
    if (ret->type == TRADE_NO_EVENT)
        return;
    const item *said = ret->said;
    ret->loose = said == ret->said_to && said->first == said->last && ret->mixed < 2;
    ret->leads = leads_line(list, said);
    settle(list, ret, self.told);
    if (ret->type == TRADE_TARGET_HIT && self.lists > 1)
        ret->price = NULL; /* of which? */
}
