/* events.c - captured events on their way to the outbox. Owns the copies; see events.h. */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void forget(captured *item)
{
    free(item->channel_id);
    free(item->key);
    free(item->json);
}

int event_list_add(const char *channel_id, const char *key, const char *json, size_t size,
                   void *user)
{
    event_list *list = user;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        captured *grown = realloc(list->items, cap * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        list->items = grown;
        list->cap = cap;
    }
    captured item = {strdup(channel_id), strdup(key), json ? malloc(size + 1) : NULL, size};
    if (!item.channel_id || !item.key || (json && !item.json)) {
        forget(&item);
        return -ENOMEM;
    }
    if (json) {
        memcpy(item.json, json, size);
        item.json[size] = '\0';
    }
    list->items[list->count++] = item;
    return 0;
}

void event_list_clear(event_list *list)
{
    while (list->count > 0)
        forget(&list->items[--list->count]);
}

void event_list_done(event_list *list)
{
    event_list_clear(list);
    free(list->items);
    list->items = NULL;
    list->cap = 0;
}

const char *captured_message(const captured *event)
{
    const char *slash = strchr(event->key, '/');
    return slash ? slash + 1 : "";
}

uint64_t captured_message_id(const captured *event)
{
    return strtoull(captured_message(event), NULL, 10);
}
