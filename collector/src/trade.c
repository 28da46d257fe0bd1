/* trade.c - see trade.h. From the fields and the news of a message to its trade, or to none.
 * Invariant: a result contradicts itself nowhere; each span is of a value that it has. */
#include "trade.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trade_fields.h"
#include "trade_items.h"
#include "trade_news.h"
#include "trade_split.h"

/* What each kind of doubt leaves of the confidence; the README tells what it means. */
static const double CERTAIN = 0.97, TOLD_IN_PART = 0.9, INFERRED = 0.8, UNSURE = 0.7,
                    CONTRADICTED = 0.5, LEAST = 0.3;

/* What sort of words there are. */
typedef struct talk {
    size_t asks, hedges, adverts, recaps, words;
    size_t plain; /* words that mean nothing here */
} talk;

typedef struct verdict {
    const item_list *list;
    trade_fields fields;
    trade_news news;
    trade *out;
    int symbol; /* index of its item, or -1 */
    bool several;
    bool guessed; /* a value rests on the other numbers */
    talk talk;
    size_t words; /* of the list; the talk may be of more */
} verdict;

/* ---- writing ---- */

static void add_span(trade *out, trade_field field, const item *from, const item *to)
{
    if (out->n_spans == TRADE_SPANS_MAX || from->first->part != to->last->part)
        return;
    out->spans[out->n_spans++] =
        (trade_span){field, from->first->part, from->first->start, to->last->end};
}

static void doubt(trade *out, double left)
{
    out->confidence *= left;
}

static void put_value(verdict *self, trade_field field, char *to, const item *value)
{
    memcpy(to, value->value, TRADE_NUMBER_SIZE);
    add_span(self->out, field, value, value);
    self->guessed = self->guessed || value->guessed;
}

static void put_symbol(verdict *self)
{
    trade *out = self->out;
    if (self->symbol < 0)
        return;
    const item *named = &self->list->items[self->symbol];
    const trade_symbol *s = &self->list->symbols[named->symbol - 1];
    memcpy(out->base, s->base, sizeof s->base);
    memcpy(out->quote, s->quote, sizeof s->quote);
    strcpy(out->symbol, s->base);
    if (s->quote[0]) {
        strcat(out->symbol, "/");
        strcat(out->symbol, s->quote);
    }
    add_span(out, TRADE_FIELD_SYMBOL, named, named);
    doubt(out, s->rank == RANK_BARE ? 0.95 : 1);
    doubt(out, self->several ? INFERRED : 1);
}

/* ---- sides ---- */

typedef struct bounds {
    double low, high;
    bool any;
} bounds;

static bounds bounds_of(const field_values *field)
{
    bounds b = {0};
    for (size_t i = 0; i < field->count; i++) {
        double x = field->items[i]->size;
        b.low = !b.any || x < b.low ? x : b.low;
        b.high = !b.any || x > b.high ? x : b.high;
        b.any = true;
    }
    return b;
}

/* What the order of entry, targets and stop says, if all of it says the same. */
static trade_side side_of_levels(const verdict *self)
{
    bounds entry = bounds_of(&self->fields.entry), target = bounds_of(&self->fields.target),
           stop = bounds_of(&self->fields.stop);
    double low = entry.any ? entry.low : stop.low, high = entry.any ? entry.high : stop.high;
    if (!target.any || !stop.any)
        return TRADE_NO_SIDE;
    if (target.low > high && (!entry.any || stop.high < low))
        return TRADE_LONG;
    if (target.high < low && (!entry.any || stop.low > high))
        return TRADE_SHORT;
    return TRADE_NO_SIDE;
}

/* A stop is below what is bought, above what is sold. */
static trade_side side_of_stop(const verdict *self)
{
    bounds entry = bounds_of(&self->fields.entry), stop = bounds_of(&self->fields.stop);
    if (!entry.any || !stop.any || self->fields.target.count > 0)
        return TRADE_NO_SIDE;
    return stop.high < entry.low ? TRADE_LONG : stop.low > entry.high ? TRADE_SHORT : TRADE_NO_SIDE;
}

/* All targets on one side of the entry, and no stop: it is a guess, of calls that say no side. */
static trade_side side_of_targets(const verdict *self)
{
    bounds entry = bounds_of(&self->fields.entry), target = bounds_of(&self->fields.target);
    if (!entry.any || !target.any || self->fields.stop.count > 0)
        return TRADE_NO_SIDE;
    return target.low > entry.high   ? TRADE_LONG
           : target.high < entry.low ? TRADE_SHORT
                                     : TRADE_NO_SIDE;
}

static void put_side(verdict *self)
{
    trade_fields *f = &self->fields;
    trade *out = self->out;
    trade_side by_levels = side_of_levels(self);
    bool tie = f->long_side && f->short_side && f->long_weight == f->short_weight;
    const item *said = f->long_weight > f->short_weight ? f->long_side : f->short_side;
    trade_side side = !said ? TRADE_NO_SIDE : said == f->long_side ? TRADE_LONG : TRADE_SHORT;
    if (tie && by_levels != TRADE_NO_SIDE) {
        side = by_levels;
        said = side == TRADE_LONG ? f->long_side : f->short_side;
        doubt(out, UNSURE);
    } else if (tie) {
        doubt(out, CONTRADICTED);
        return;
    }
    if (side == TRADE_NO_SIDE && by_levels == TRADE_NO_SIDE)
        by_levels = side_of_stop(self);
    if (side == TRADE_NO_SIDE && by_levels == TRADE_NO_SIDE &&
        (by_levels = side_of_targets(self)) != TRADE_NO_SIDE)
        doubt(out, UNSURE);
    if (side == TRADE_NO_SIDE && by_levels != TRADE_NO_SIDE && f->entry.count > 0) {
        out->side = by_levels;
        doubt(out, INFERRED);
        return;
    }
    if (side == TRADE_NO_SIDE)
        return;
    if (by_levels != TRADE_NO_SIDE && by_levels != side && self->news.type == TRADE_NO_EVENT) {
        doubt(out, CONTRADICTED); /* a word against all the numbers: neither is sure */
        return;
    }
    out->side = side;
    add_span(out, TRADE_FIELD_SIDE, said, said);
}

/* ---- levels ---- */

/* Prices of one trade are not far from each other. */
static bool is_coherent(const field_values *field, double times)
{
    bounds b = bounds_of(field);
    return !b.any || (b.low > 0 && b.high / b.low <= times);
}

static bool is_near(const bounds *a, const bounds *b, double times)
{
    return !a->any || !b->any || (a->low / b->high <= times && b->low / a->high <= times);
}

static void drop(verdict *self, field_values *field)
{
    field->count = 0;
    doubt(self->out, CONTRADICTED);
}

/* "60000/58000/65000" behind a side is entry, stop and target, in some order. */
static bool is_ordered(const field_values *field)
{
    bool up = true, down = true;
    for (size_t i = 1; i < field->count; i++) {
        up = up && field->items[i]->size >= field->items[i - 1]->size;
        down = down && field->items[i]->size <= field->items[i - 1]->size;
    }
    return up || down;
}

/* Of currencies, metals and indices: their prices move by little. */
static bool is_steady(const verdict *self)
{
    return self->symbol >= 0 &&
           trade_symbol_is_steady(&self->list->symbols[self->list->items[self->symbol].symbol - 1]);
}

/* Of currencies and metals, a target a third away from the entry has a slip. */
static void drop_far(verdict *self)
{
    const double most = 1.3;
    field_values *target = &self->fields.target;
    bounds entry = bounds_of(&self->fields.entry);
    size_t kept = 0;
    for (size_t i = 0; i < target->count; i++) {
        double x = target->items[i]->size;
        if (x > entry.high * most || x * most < entry.low)
            continue;
        target->hit[kept] = target->hit[i];
        target->links[kept] = target->links[i];
        target->items[kept++] = target->items[i];
    }
    if (kept < target->count)
        doubt(self->out, CONTRADICTED);
    target->count = kept;
}

/* A target with a figure too many, "TP41.3100" for the fourth: only that one is unsure. */
static void drop_outlier(verdict *self)
{
    field_values *target = &self->fields.target;
    size_t last = target->count;
    if (self->fields.entry.count > 0 && is_steady(self)) {
        drop_far(self);
        return;
    }
    if (last < 3 || target->items[last - 1]->size < 20 * target->items[last - 2]->size)
        return;
    target->count--;
    doubt(self->out, CONTRADICTED);
}

/* Values that cannot belong together are left out. */
static void check_levels(verdict *self)
{
    trade_fields *f = &self->fields;
    field_values *all[] = {&f->entry, &f->target, &f->stop};
    for (size_t i = 0; i < 3; i++) {
        if (all[i]->unread) {
            all[i]->count = 0;
            doubt(self->out, CONTRADICTED);
        }
        if (all[i]->mended)
            doubt(self->out, TOLD_IN_PART);
        if (i > 0 && all[i]->implied) /* by where they stand */
            doubt(self->out, i == 2 ? INFERRED : TOLD_IN_PART);
    }
    drop_outlier(self);
    if (!is_coherent(&f->entry, 4) || (f->entry.implied && !is_ordered(&f->entry)))
        drop(self, &f->entry);
    if (!is_coherent(&f->target, 100))
        drop(self, &f->target);
    bounds entry = bounds_of(&f->entry), target = bounds_of(&f->target), stop = bounds_of(&f->stop);
    if (!is_near(&entry, &stop, is_steady(self) ? 3 : 10))
        drop(self, &f->stop);
    if (!is_near(&entry, &target, 50) || (target.any && target.low * 8 < entry.low))
        drop(self, &f->target);
    else if (!entry.any && !is_near(&stop, &target, 50))
        drop(self, &f->target);
}

/* Is the news of an entry's text about this entry, not advice on it? */
static bool tells_of_itself(const verdict *self)
{
    trade_event type = self->news.type;
    if (self->fields.crossed && type != TRADE_NO_EVENT && self->news.said_to->kind == ITEM_MARK)
        return false;
    if (type == TRADE_CLOSED && strcmp(self->news.said->last->text, "close") == 0)
        return false; /* "... then close": what to do */
    if (type == TRADE_TARGET_HIT && self->news.n_targets == 0 && !self->news.all)
        return false; /* a check that is decoration */
    return type == TRADE_CLOSED || type == TRADE_CANCELLED || type == TRADE_STOP_HIT ||
           type == TRADE_TARGET_HIT;
}

/* With the side known: targets beyond the entry, the stop before it. */
static void check_sides(verdict *self)
{
    trade_fields *f = &self->fields;
    bounds entry = bounds_of(&f->entry), target = bounds_of(&f->target), stop = bounds_of(&f->stop);
    bool moved = tells_of_itself(self); /* with a target reached, the stop follows */
    trade_side side = self->out->side;
    if (entry.any && target.any &&
        (side == TRADE_LONG    ? target.low <= entry.low
         : side == TRADE_SHORT ? target.high >= entry.high
                               : target.low <= entry.high && target.high >= entry.low))
        drop(self, &f->target);
    for (size_t i = 0; i < f->target.count; i++)
        moved = moved || (f->target.hit[i] && !f->crossed);
    if (entry.any && stop.any && !moved &&
        (side == TRADE_LONG    ? stop.low >= entry.high
         : side == TRADE_SHORT ? stop.high <= entry.low
                               : false))
        drop(self, &f->stop);
    if (!entry.any && stop.any && target.any && !moved &&
        (side == TRADE_LONG ? stop.high >= target.low
                            : side == TRADE_SHORT && stop.low <= target.high))
        drop(self, &f->stop);
}

static void put_levels(verdict *self)
{
    trade_fields *f = &self->fields;
    trade *out = self->out;
    size_t entries = f->entry.count <= TRADE_ENTRIES_MAX ? f->entry.count : 0;
    for (size_t i = 0; i < entries; i++)
        put_value(self, TRADE_FIELD_ENTRY, out->entries[out->n_entries++], f->entry.items[i]);
    out->entries_are_range = entries == 2 && f->entry.links[1] == '-';
    for (size_t i = 0; i < f->target.count; i++)
        put_value(self, TRADE_FIELD_TARGET, out->targets[out->n_targets++], f->target.items[i]);
    if (f->stop.count > 0)
        put_value(self, TRADE_FIELD_STOP, out->stop, f->stop.items[0]);
    doubt(out, f->entry.implied ? 0.95 : 1);
    doubt(out, out->n_entries == 0 && out->order != TRADE_MARKET ? TOLD_IN_PART : 1);
    doubt(out, out->n_targets == 0 ? TOLD_IN_PART : 1);
    doubt(out, out->stop[0] == '\0' ? 0.95 : 1);
    doubt(out, out->side == TRADE_NO_SIDE ? UNSURE : 1);
}

static void put_terms(verdict *self)
{
    trade_fields *f = &self->fields;
    trade *out = self->out;
    if (f->leverage[0]) {
        const item *to = f->leverage[1] ? f->leverage[1] : f->leverage[0];
        out->leverage_min = f->leverage[0]->size < to->size ? f->leverage[0]->size : to->size;
        out->leverage_max = f->leverage[0]->size < to->size ? to->size : f->leverage[0]->size;
        add_span(out, TRADE_FIELD_LEVERAGE, f->leverage[0], to);
        out->margin = f->mode;
    }
    if (f->order) {
        out->order = f->kind;
        add_span(out, TRADE_FIELD_ORDER, f->order, f->order);
    }
}

/* ---- updates ---- */

static void put_percent(trade *out, const item *percent, bool loss)
{
    char *to = out->update.percent;
    if (loss && strlen(percent->value) + 2 <= sizeof out->update.percent)
        *to++ = '-';
    strcpy(to, percent->value);
    add_span(out, TRADE_FIELD_PERCENT, percent, percent);
}

static void put_update(verdict *self)
{
    const trade_news *news = &self->news;
    trade *out = self->out;
    trade_update *update = &out->update;
    update->type = news->type;
    memcpy(update->targets, news->targets, sizeof update->targets);
    update->n_targets = news->n_targets;
    update->all = news->all;
    add_span(out, TRADE_FIELD_UPDATE, news->said, news->said_to);
    if (news->price)
        put_value(self, TRADE_FIELD_PRICE, update->price, news->price);
    if (news->percent && news->percent->readable)
        put_percent(out, news->percent, news->loss);
}

/* In an entry's own text: targets that are ticked off. */
static void put_ticks(verdict *self)
{
    const field_values *target = &self->fields.target;
    trade_update *update = &self->out->update;
    if (self->fields.crossed)
        return;
    for (size_t i = 0; i < target->count && i < TRADE_TARGETS_MAX; i++)
        if (target->hit[i])
            update->targets[update->n_targets++] = (uint8_t)(i + 1);
    if (update->n_targets == 0)
        return;
    update->type = TRADE_TARGET_HIT;
    update->all = false;
    size_t last = update->targets[update->n_targets - 1] - 1u;
    add_span(self->out, TRADE_FIELD_UPDATE, target->items[last], target->items[last]);
}

/* ---- what kind it is ---- */

/* Is a line but a link, "[Support us](https://...)"? */
static bool is_linked_line(const item_list *list, size_t at)
{
    bool link = false;
    for (; at < list->count && list->items[at].kind != ITEM_LINE; at++) {
        const item *one = &list->items[at];
        link = link || (one->kind == ITEM_MARK && one->mark == 'U');
        if (one->kind == ITEM_SYMBOL || item_is_price(one))
            return false;
    }
    return link;
}

static talk talk_of(const item_list *list)
{
    talk t = {0};
    bool linked = false;
    for (size_t i = 0; i < list->count; i++) {
        const item *one = &list->items[i];
        if (i == 0 || one[-1].kind == ITEM_LINE)
            linked = is_linked_line(list, i);
        if (one->kind != ITEM_WORD || linked)
            continue;
        t.words++;
        t.hedges += one->sense == SENSE_MAYBE;
        t.adverts += one->sense == SENSE_ADVERT;
        t.recaps += one->sense == SENSE_RECAP;
        t.asks += one->asked;
        t.plain += one->sense == SENSE_NONE;
    }
    return t;
}

static bool names_any(const item_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind == ITEM_SYMBOL)
            return true;
    return false;
}

/* "NKN/USDT x10 / Now: 0.387 / Target: 0.4 - 0.42", and little else? */
static bool is_bare_call(const verdict *self)
{
    const trade_symbol *s = &self->list->symbols[self->list->items[self->symbol].symbol - 1];
    return s->rank >= RANK_TAG && !self->fields.entry.implied && self->words <= 24 &&
           self->talk.asks == 0 && self->talk.hedges == 0 && self->talk.recaps == 0 &&
           self->talk.adverts == 0 && self->news.type == TRADE_NO_EVENT;
}

/* Levels by label, enough of them to be no remark. */
static bool is_whole_entry(const verdict *self)
{
    const trade_fields *f = &self->fields;
    bool entry = f->entry.count > 0 || f->kind == TRADE_MARKET;
    bool target = f->target.count > 0, stop = f->stop.count > 0;
    bool side = f->long_side || f->short_side;
    if (self->symbol < 0 || self->several)
        return entry && target && stop && (self->symbol >= 0 || (side && !names_any(self->list)));
    if (entry && target && stop)
        return true;
    if (!side && f->target.count > 1 && f->entry.count > 0 && is_bare_call(self))
        return true;
    return side && ((entry && (target || stop)) || (target && stop));
}

/* "PEPE long now 0.00001182": a side, a symbol, a price, and little else. */
static bool is_short_call(const verdict *self)
{
    const trade_fields *f = &self->fields;
    const item *side = f->long_weight > f->short_weight ? f->long_side : f->short_side;
    int weight = f->long_weight > f->short_weight ? f->long_weight : f->short_weight;
    bool price =
        f->entry.count > 0 || f->kind == TRADE_MARKET || f->target.count > 0 || f->stop.count > 0;
    bool labelled = f->entry.count > 0 && !f->entry.implied;
    bool called =
        (side && price && (weight >= 6 || labelled)) || (f->entry.count > 0 && f->stop.count > 0);
    return called && self->symbol >= 0 && !self->several && self->talk.asks == 0 &&
           self->talk.hedges == 0 && self->talk.recaps == 0 && self->talk.adverts == 0 &&
           self->words <= 24;
}

/* "Example: BTC long ...", "last year we were long": no call of today. */
static bool is_of_the_past(const verdict *self)
{
    for (int i = self->symbol - 1; i >= 0 && self->list->items[i].kind != ITEM_LINE; i--)
        if (item_is(&self->list->items[i], SENSE_RECAP) && self->list->items[i].nth > 0)
            return true;
    return false;
}

static bool is_entry(const verdict *self)
{
    const trade_fields *f = &self->fields;
    bool news = self->news.type != TRADE_NO_EVENT;
    bool full = (f->entry.count > 0 || f->kind == TRADE_MARKET) && f->target.count > 0 &&
                (f->stop.count > 0 || f->target.count > 1);
    if (is_of_the_past(self))
        return false;
    if (!is_whole_entry(self))
        return !news && is_short_call(self);
    if (news && (!full || self->talk.recaps > 0))
        return false;
    if (self->talk.asks > self->words / 3 || (self->talk.recaps > 2 && !f->stop.count))
        return false;
    return full || (self->talk.hedges < 3 && self->words <= 150);
}

/* News in few words, or about a symbol, is about a trade; else it is talk. */
static bool is_update(const verdict *self)
{
    const trade_news *news = &self->news;
    if (news->type == TRADE_NO_EVENT || self->talk.recaps > 1 || self->talk.adverts > 1)
        return false;
    if (self->symbol < 0 && self->several)
        return false; /* of several trades */
    if (self->talk.hedges > 1 && news->loose)
        return false;
    if (self->talk.hedges > 0 && self->symbol < 0 && !news->percent && news->n_targets == 0)
        return false; /* how it is done, or what somebody thinks */
    if (news->loose && self->talk.recaps > 0)
        return false;
    if (!news->loose)
        return self->words <= 120;
    if (self->symbol >= 0)
        return self->words <= 40;
    return (news->leads && self->words <= 8 && self->talk.plain <= 3) ||
           (news->price && self->words <= 30);
}

static void read_entry(verdict *self)
{
    trade *out = self->out;
    out->kind = TRADE_ENTRY;
    check_levels(self);
    put_symbol(self);
    doubt(out, self->symbol < 0 ? UNSURE : 1);
    put_side(self);
    check_sides(self);
    put_terms(self);
    put_levels(self);
    doubt(out, self->guessed ? TOLD_IN_PART : 1);
    doubt(out, self->talk.hedges > 1 ? INFERRED : 1);
    doubt(out, self->talk.adverts > 1 ? INFERRED : 1);
    if (self->news.type == TRADE_TARGET_HIT)
        self->news.price = NULL; /* it stands among the targets */
    if (tells_of_itself(self))
        put_update(self);
    else
        put_ticks(self);
}

static void read_update(verdict *self)
{
    trade *out = self->out;
    out->kind = TRADE_UPDATE;
    put_symbol(self);
    if (!self->fields.long_side || !self->fields.short_side)
        put_side(self); /* with both it may be any */
    put_terms(self);
    out->order = TRADE_NO_ORDER;
    put_update(self);
    doubt(out, self->news.loose ? INFERRED : 1);
    doubt(out, self->symbol < 0 ? TOLD_IN_PART : 1);
    doubt(out, self->talk.hedges > 0 ? INFERRED : 1);
}

/* `only`: the index of the symbol that it is about, one of several in a row; or -1. */
static void judge(const item_list *list, const talk *whole, int only, trade *out)
{
    verdict self = {.list = list, .out = out, .symbol = only};
    if (only < 0)
        self.symbol = trade_symbol_choose(list, &self.several);
    trade_fields_read(list, &self.fields);
    trade_news_read(list, &self.news);
    self.talk = whole ? *whole : talk_of(list);
    self.words = talk_of(list).words;
    *out = (trade){.kind = TRADE_NONE, .confidence = CERTAIN};
    if (only >= 0)
        self.news.price = self.news.percent = NULL; /* of which? */
    if (only < 0 && is_entry(&self))
        read_entry(&self);
    else if (is_update(&self))
        read_update(&self);
    out->confidence = floor(out->confidence * 100 + 0.5) / 100;
    if (out->kind == TRADE_NONE || out->confidence < LEAST ||
        (out->kind == TRADE_ENTRY && out->n_entries + out->n_targets == 0 && !out->stop[0] &&
         out->order != TRADE_MARKET))
        *out = (trade){.kind = TRADE_NONE};
}

/* ---- several trades ---- */

static trade_range range_at(const item_list *list, int symbol)
{
    return symbol < 0 ? (trade_range){0}
                      : trade_symbol_range(&list->symbols[list->items[symbol].symbol - 1]);
}

/* Is a trade that was read out of a part of a message surely one of its own? */
static bool stands_alone(const trade *t)
{
    bool priced = t->n_entries > 0 || t->order == TRADE_MARKET;
    return t->symbol[0] &&
           (t->kind == TRADE_UPDATE || (t->kind == TRADE_ENTRY && t->side != TRADE_NO_SIDE &&
                                        priced && (t->n_targets > 0 || t->stop[0])));
}

static void add_trade(trade_list *ret, const talk *whole)
{
    const trade *t = &ret->items[ret->count];
    bool told = whole->recaps > 0 || whole->adverts > 0 || whole->hedges > 1; /* of the past */
    ret->count += stands_alone(t) && !(t->kind == TRADE_UPDATE && told);
}

static int index_of(const item_list *list, uint32_t symbol)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind == ITEM_SYMBOL && list->items[i].symbol == symbol)
            return (int)i;
    return -1;
}

/* Returns whether there was room. */
static bool read_block(split_block *block, const talk *whole, trade_list *ret)
{
    int first = index_of(&block->list, block->names[0]);
    trade_items_value(&block->list, range_at(&block->list, first));
    for (size_t i = 0; i < block->n_names; i++) {
        if (ret->count == TRADE_LIST_MAX)
            return false;
        int only = block->n_names > 1 ? index_of(&block->list, block->names[i]) : -1;
        judge(&block->list, whole, only, &ret->items[ret->count]);
        add_trade(ret, whole);
    }
    return true;
}

/* Two or more, each with a symbol of its own; else none. Returns whether the items were valued. */
static bool read_several(const item_list *list, trade_list *ret)
{
    split_block blocks[SPLIT_BLOCKS_MAX];
    size_t n = trade_split(list, blocks);
    talk whole = talk_of(list);
    bool room = true;
    ret->count = 0;
    if (n == 0 || (n == 1 && blocks[0].n_names == 1))
        return false;
    for (size_t i = 0; i < n && room; i++)
        room = read_block(&blocks[i], &whole, ret);
    if (!room || ret->count < 2)
        ret->count = 0;
    return true;
}

static void read_all(item_list *list, const token *tokens, size_t n, bool quoted, trade_list *ret)
{
    bool several;
    trade_items_read(list, tokens, n, quoted);
    bool valued = read_several(list, ret);
    if (ret->count > 0)
        return;
    if (valued)
        trade_items_read(list, tokens, n, quoted);
    trade_items_value(list, range_at(list, trade_symbol_choose(list, &several)));
    judge(list, NULL, -1, &ret->items[0]);
    ret->count = ret->items[0].kind != TRADE_NONE;
}

/* Is anything said beside what is quoted? */
static bool has_own_words(const item_list *list)
{
    size_t own = 0;
    for (size_t i = 0; i < list->count; i++)
        own += list->items[i].kind == ITEM_WORD && list->items[i].sense == SENSE_NONE;
    return own > 1;
}

/* What is quoted beside other words is what they answer: no news, and a call is less sure. */
static void weigh_quotes(trade_list *quoted)
{
    size_t kept = 0;
    for (size_t i = 0; i < quoted->count; i++) {
        if (quoted->items[i].kind == TRADE_UPDATE)
            continue;
        quoted->items[kept] = quoted->items[i];
        quoted->items[kept++].confidence *= INFERRED;
    }
    quoted->count = kept;
}

/* Without its quotes; with them, if it says nothing else. */
static void read_message(item_list *list, const token *tokens, size_t n, trade_list *ret)
{
    bool quotes = false;
    for (size_t i = 0; i < n; i++)
        quotes = quotes || tokens[i].quoted;
    read_all(list, tokens, n, false, ret);
    if (ret->count > 0 || !quotes)
        return;
    bool answers = has_own_words(list);
    read_all(list, tokens, n, true, ret);
    if (answers)
        weigh_quotes(ret);
}

int trade_parse_all(const trade_part *parts, size_t n_parts, trade_list *ret)
{
    size_t size = 0;
    for (size_t i = 0; i < n_parts && size < TRADE_TEXT_MAX; i++)
        size += parts[i].size;
    size = size < TRADE_TEXT_MAX ? size : TRADE_TEXT_MAX;
    size_t room = trade_text_tokens(size, n_parts);
    size_t bytes =
        room * (sizeof(token) + sizeof(item) + sizeof(trade_symbol)) + 2 * size + n_parts;
    char *memory = malloc(bytes + 1);
    if (!memory)
        return -ENOMEM;
    item_list list = {.items = (item *)(void *)memory};
    token *tokens = (token *)(void *)((char *)list.items + room * sizeof(item));
    list.symbols = (trade_symbol *)(void *)((char *)tokens + room * sizeof(token));
    char *pool = (char *)list.symbols + room * sizeof(trade_symbol);
    size_t n = trade_text_read(parts, n_parts, tokens, pool);
    read_message(&list, tokens, n, ret);
    free(memory);
    return 0;
}

int trade_parse(const trade_part *parts, size_t n_parts, trade *ret)
{
    trade_list found;
    int r = trade_parse_all(parts, n_parts, &found);
    if (r == 0)
        *ret = found.count == 1 ? found.items[0] : (trade){.kind = TRADE_NONE};
    return r;
}

const char *trade_field_name(trade_field field)
{
    static const char *const names[] = {"symbol", "side", "leverage", "order", "entry",
                                        "target", "stop", "update",   "price", "percent"};
    return names[field];
}
