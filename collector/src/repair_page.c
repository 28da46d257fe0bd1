/* repair_page.c - one page of a channel's history, as the backend is asked to compare it.
 * Invariant: `events` are in the order in which they were written. */
#include "repair_page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISCORD_EPOCH_MS INT64_C(1420070400000)

static const char no_bound[] = "99999999999999999999";

struct repair_page {
    capture_place place;
    uint64_t after, newest;
    int64_t captured_at_ms;
    bool last;
    event_list events;
    cJSON *ids; /* of all that is there, of kinds that are not captured too */
};

uint64_t repair_id_of_time(int64_t ms)
{
    return ms > DISCORD_EPOCH_MS ? (uint64_t)(ms - DISCORD_EPOCH_MS) << 22 : 0;
}

/* Discord lists the newest first. An unreadable message is there, but says nothing. */
static int read_list(repair_page *self, const capture_rules *rules, const cJSON *list,
                     int64_t captured_at_ms)
{
    int r = 0;
    for (int i = cJSON_GetArraySize(list) - 1; r != -ENOMEM && i >= 0; i--) {
        const cJSON *message = cJSON_GetArrayItem(list, i);
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "id"));
        uint64_t id = text ? strtoull(text, NULL, 10) : 0;
        if (id == 0)
            return -EBADMSG;
        if (id > self->newest)
            self->newest = id;
        if (!cJSON_AddItemToArray(self->ids, cJSON_CreateString(text)))
            return -ENOMEM;
        r = capture_message(rules, &self->place, message, captured_at_ms, event_list_add,
                            &self->events);
    }
    return r == -ENOMEM ? r : 0;
}

int repair_page_new(const capture_rules *rules, const capture_place *place, uint64_t after,
                    const cJSON *list, int limit, int64_t captured_at_ms, repair_page **ret)
{
    repair_page *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->place = *place;
    self->after = after;
    self->captured_at_ms = captured_at_ms;
    self->last = cJSON_GetArraySize(list) < limit;
    self->ids = cJSON_CreateArray();
    int r = self->ids ? read_list(self, rules, list, captured_at_ms) : -ENOMEM;
    if (r == 0 && cJSON_GetArraySize(list) == 0)
        self->newest = after;
    else if (r == 0 && self->newest <= after) /* it would be asked for again for ever */
        r = -EBADMSG;
    if (r != 0) {
        repair_page_free(self);
        return r;
    }
    *ret = self;
    return 0;
}

void repair_page_free(repair_page *page)
{
    if (!page)
        return;
    event_list_done(&page->events);
    cJSON_Delete(page->ids);
    free(page);
}

bool repair_page_is_empty(const repair_page *page)
{
    return cJSON_GetArraySize(page->ids) == 0;
}

bool repair_page_is_last(const repair_page *page)
{
    return page->last;
}

uint64_t repair_page_newest(const repair_page *page)
{
    return page->newest;
}

static bool add_text(cJSON *object, const char *name, const char *value)
{
    return !value[0] || cJSON_AddStringToObject(object, name, value);
}

/* The item is taken, also when there is no memory for it. */
static bool add_item(cJSON *object, const char *name, cJSON *item)
{
    if (item && cJSON_AddItemToObject(object, name, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static cJSON *args_json(const repair_page *self)
{
    char from[24], to[24], before[24];
    cJSON *args = cJSON_CreateObject();
    cJSON *events = cJSON_AddArrayToObject(args, "events");
    snprintf(from, sizeof from, "%" PRIu64, self->after + 1);
    snprintf(to, sizeof to, "%" PRIu64, self->newest);
    snprintf(before, sizeof before, "%" PRId64, self->captured_at_ms - REPAIR_SETTLE_MS);
    bool ok = events && add_item(args, "ids", cJSON_CreateArrayReference(self->ids->child)) &&
              add_text(args, "guildId", self->place.guild_id) &&
              add_text(args, "channelId", self->place.channel_id) &&
              add_text(args, "threadId", self->place.thread_id) && add_text(args, "from", from) &&
              add_item(args, "capturedBefore", cJSON_CreateRaw(before)) &&
              add_text(args, "to", self->last ? no_bound : to);
    for (size_t i = 0; ok && i < self->events.count; i++)
        ok = !self->events.items[i].json ||
             cJSON_AddItemToArray(events, cJSON_CreateRaw(self->events.items[i].json));
    if (ok)
        return args;
    cJSON_Delete(args);
    return NULL;
}

int repair_page_args(const repair_page *self, const api_signals_drift_args **ret)
{
    convex_value *value = NULL;
    cJSON *json = args_json(self);
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    if (!text)
        return -ENOMEM;
    convex_status status =
        convex_value_parse(text, strlen(text), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL);
    free(text);
    if (status == CONVEX_OK)
        status = api_signals_drift_args_decode(value, NULL, ret, NULL);
    convex_value_unref(value);
    return status == CONVEX_OK ? 0 : status == CONVEX_ENOMEM ? -ENOMEM : -EBADMSG;
}

static bool has(const convex_str_list *ids, const char *id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (strcmp(ids->items[i].data, id) == 0)
            return true;
    return false;
}

int repair_page_pick(const repair_page *self, const convex_str_list *ids, event_list *into)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < self->events.count; i++) {
        const captured *event = &self->events.items[i];
        if (event->json && has(ids, captured_message(event)))
            r = event_list_add(event->channel_id, event->key, event->json, event->size, into);
    }
    return r;
}
