/* trade_readings.c - see trade_readings.h. Owns the memory that the event's trades point into. */
#include "trade_readings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "trade.h"

enum { NAME_SIZE = 72 }; /* "embeds[9].fields[24].value", with room for any size_t */

/* One trade, and what its api_trade points to. */
typedef struct reading {
    const trade *found;
    api_trade_side side;
    api_trade_leverage leverage;
    api_trade_margin margin;
    api_trade_order order;
    api_trade_entries entries;
    api_trade_update update;
    bool all;
    convex_str entry_values[TRADE_ENTRIES_MAX], target_values[TRADE_TARGETS_MAX];
    convex_str_list targets;
    double hits[TRADE_TARGETS_MAX];
    convex_float64_list hit_list;
    api_trade_span spans[TRADE_SPANS_MAX];
} reading;

/* The trades of one text, in its order. */
typedef struct readings {
    trade_list found;
    reading items[TRADE_LIST_MAX];
    api_trade api[TRADE_LIST_MAX];
    api_trade_list list;
} readings;

struct trade_readings {
    readings *content, *embeds; /* NULL: none */
    char (*names)[NAME_SIZE];
    trade_part *parts;
};

/* ---- from a trade to the event's ---- */

static convex_str text_or_none(const char *text)
{
    return text[0] ? convex_str_of(text) : (convex_str){NULL, 0};
}

static void set_terms(reading *self, api_trade *api)
{
    const trade *t = self->found;
    if (t->side) {
        self->side = t->side == TRADE_LONG ? API_TRADE_SIDE_LONG : API_TRADE_SIDE_SHORT;
        api->side = &self->side;
    }
    if (t->leverage_max > 0) {
        self->leverage = (api_trade_leverage){.min = t->leverage_min, .max = t->leverage_max};
        self->margin =
            t->margin == TRADE_CROSS ? API_TRADE_MARGIN_CROSS : API_TRADE_MARGIN_ISOLATED;
        self->leverage.mode = t->margin ? &self->margin : NULL;
        api->leverage = &self->leverage;
    }
    if (t->order) {
        self->order = t->order == TRADE_MARKET ? API_TRADE_ORDER_MARKET : API_TRADE_ORDER_LIMIT;
        api->order = &self->order;
    }
}

static void set_levels(reading *self, api_trade *api)
{
    const trade *t = self->found;
    for (size_t i = 0; i < t->n_entries; i++)
        self->entry_values[i] = convex_str_of(t->entries[i]);
    for (size_t i = 0; i < t->n_targets; i++)
        self->target_values[i] = convex_str_of(t->targets[i]);
    self->entries = (api_trade_entries){.type = t->entries_are_range ? API_TRADE_ENTRY_TYPE_RANGE
                                                                     : API_TRADE_ENTRY_TYPE_LIST,
                                        .values = {self->entry_values, t->n_entries}};
    self->targets = (convex_str_list){self->target_values, t->n_targets};
    api->entries = t->n_entries ? &self->entries : NULL;
    api->targets = t->n_targets ? &self->targets : NULL;
    api->stop = text_or_none(t->stop);
}

static void set_update(reading *self, api_trade *api)
{
    static const api_trade_event events[] = {
        [TRADE_TARGET_HIT] = API_TRADE_EVENT_TARGET_HIT,
        [TRADE_STOP_HIT] = API_TRADE_EVENT_STOP_HIT,
        [TRADE_ENTERED] = API_TRADE_EVENT_ENTERED,
        [TRADE_CLOSED] = API_TRADE_EVENT_CLOSED,
        [TRADE_CANCELLED] = API_TRADE_EVENT_CANCELLED,
        [TRADE_STOP_MOVED] = API_TRADE_EVENT_STOP_MOVED,
        [TRADE_PARTIAL_CLOSE] = API_TRADE_EVENT_PARTIAL_CLOSE,
    };
    const trade_update *u = &self->found->update;
    if (u->type == TRADE_NO_EVENT)
        return;
    for (size_t i = 0; i < u->n_targets; i++)
        self->hits[i] = u->targets[i];
    self->hit_list = (convex_float64_list){self->hits, u->n_targets};
    self->all = u->all;
    self->update = (api_trade_update){.type = events[u->type],
                                      .all = u->all ? &self->all : NULL,
                                      .price = text_or_none(u->price),
                                      .percent = text_or_none(u->percent),
                                      .targets = u->n_targets ? &self->hit_list : NULL};
    api->update = &self->update;
}

static void set_spans(reading *self, api_trade *api, const trade_part *parts)
{
    const trade *t = self->found;
    for (size_t i = 0; i < t->n_spans; i++) {
        const trade_span *span = &t->spans[i];
        self->spans[i] = (api_trade_span){
            .field = api_trade_field_find(convex_str_of(trade_field_name(span->field))),
            .part = convex_str_of(parts[span->part].name),
            .start = span->start,
            .end = span->end};
    }
    api->spans = (api_trade_span_list){self->spans, t->n_spans};
}

static void set_trade(reading *self, const trade *t, api_trade *api, const trade_part *parts)
{
    self->found = t;
    *api =
        (api_trade){.kind = t->kind == TRADE_ENTRY ? API_TRADE_KIND_ENTRY : API_TRADE_KIND_UPDATE,
                    .symbol = text_or_none(t->symbol),
                    .base = text_or_none(t->base),
                    .quote = text_or_none(t->quote),
                    .confidence = t->confidence};
    set_terms(self, api);
    set_levels(self, api);
    set_update(self, api);
    set_spans(self, api, parts);
}

/* `ret`: NULL if there is no trade. Returns 0 or -ENOMEM. */
static int read_parts(const trade_part *parts, size_t n_parts, readings **ret)
{
    readings *self = calloc(1, sizeof *self);
    int r = self ? trade_parse_all(parts, n_parts, &self->found) : -ENOMEM;
    size_t count = r == 0 ? self->found.count : 0;
    for (size_t i = 0; i < count; i++)
        set_trade(&self->items[i], &self->found.items[i], &self->api[i], parts);
    if (count > 0) {
        self->list = (api_trade_list){self->api, count};
        *ret = self;
    } else {
        free(self);
    }
    return r;
}

/* ---- the parts of embeds ---- */

typedef struct listing {
    trade_part *parts;
    char (*names)[NAME_SIZE];
    size_t count;
} listing;

/* `field` may be NULL. */
static void list_part(listing *self, convex_str text, bool heading, size_t embed, const char *key,
                      const size_t *field)
{
    char *name = self->names[self->count];
    if (!text.data)
        return;
    if (field)
        snprintf(name, NAME_SIZE, "embeds[%zu].fields[%zu].%s", embed, *field, key);
    else
        snprintf(name, NAME_SIZE, "embeds[%zu].%s", embed, key);
    self->parts[self->count++] = (trade_part){name, text.data, text.len, heading};
}

static void list_embed(listing *self, const api_embed *embed, size_t at)
{
    list_part(self, embed->title, false, at, "title", NULL);
    list_part(self, embed->description, false, at, "description", NULL);
    for (size_t i = 0; embed->fields && i < embed->fields->count; i++) {
        list_part(self, embed->fields->items[i].name, true, at, "name", &i);
        list_part(self, embed->fields->items[i].value, false, at, "value", &i);
    }
}

static size_t parts_of(const api_embed_list *embeds)
{
    size_t count = 0;
    for (size_t i = 0; i < embeds->count; i++)
        count += 2 + (embeds->items[i].fields ? 2 * embeds->items[i].fields->count : 0);
    return count;
}

static int read_embeds(trade_readings *self, const api_embed_list *embeds)
{
    size_t room = parts_of(embeds);
    if (room == 0)
        return 0;
    self->parts = calloc(room, sizeof *self->parts);
    self->names = calloc(room, sizeof *self->names);
    if (!self->parts || !self->names)
        return -ENOMEM;
    listing list = {.parts = self->parts, .names = self->names};
    for (size_t i = 0; i < embeds->count; i++)
        list_embed(&list, &embeds->items[i], i);
    return read_parts(self->parts, list.count, &self->embeds);
}

static int read_content(trade_readings *self, convex_str content)
{
    trade_part part = {"content", content.data, content.len, false};
    return read_parts(&part, 1, &self->content);
}

static const api_trade *single(const readings *self)
{
    return self && self->list.count == 1 ? self->api : NULL;
}

static const api_trade_list *several(const readings *self)
{
    return self && self->list.count > 1 ? &self->list : NULL;
}

int trade_readings_new(api_upsert_event *event, trade_readings **ret)
{
    bool has_content = event->content.data && event->content.len > 0;
    bool has_embeds = event->embeds && event->embeds->count > 0;
    *ret = NULL;
    if (!has_content && !has_embeds)
        return 0;
    trade_readings *self = calloc(1, sizeof *self);
    int r = self ? 0 : -ENOMEM;
    if (r == 0 && has_content)
        r = read_content(self, event->content);
    if (r == 0 && has_embeds)
        r = read_embeds(self, event->embeds);
    if (r < 0 || (!self->content && !self->embeds)) {
        trade_readings_free(self);
        return r;
    }
    event->content_trade = single(self->content);
    event->content_trades = several(self->content);
    event->embeds_trade = single(self->embeds);
    event->embeds_trades = several(self->embeds);
    *ret = self;
    return 0;
}

void trade_readings_free(trade_readings *self)
{
    if (!self)
        return;
    free(self->content);
    free(self->embeds);
    free(self->parts);
    free(self->names);
    free(self);
}

/* One as itself, several as a list. */
static convex_status encode(const readings *self, convex_value **ret)
{
    convex_status status = CONVEX_OK;
    if (self->list.count == 1)
        return api_trade_encode(self->api, NULL, ret, NULL);
    convex_builder *list = convex_builder_new(NULL);
    if (!list)
        return CONVEX_ENOMEM;
    convex_builder_begin_array(list);
    for (size_t i = 0; i < self->list.count && status == CONVEX_OK; i++) {
        convex_value *one = NULL;
        status = api_trade_encode(&self->api[i], NULL, &one, NULL);
        if (status == CONVEX_OK)
            convex_builder_value(list, one);
        convex_value_unref(one);
    }
    convex_builder_end(list);
    if (status == CONVEX_OK)
        status = convex_builder_finish(list, ret, NULL);
    convex_builder_free(list);
    return status;
}

int trade_readings_print(const char *text, size_t size, char **ret)
{
    trade_part part = {"content", text, size, false};
    readings *found = NULL;
    convex_value *value = NULL;
    convex_status status = CONVEX_OK;
    int r = read_parts(&part, 1, &found);
    *ret = NULL;
    if (r < 0 || !found)
        return r;
    status = encode(found, &value);
    if (status == CONVEX_OK)
        status = convex_value_print(value, CONVEX_ENCODED_JSON, NULL, ret, NULL);
    convex_value_unref(value);
    free(found);
    return status == CONVEX_OK ? 1 : -ENOMEM;
}
