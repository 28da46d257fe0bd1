/* posts.c - what we know of our own posts in the mirror channels.
 * Owns, for each channel, the ids of its newest posts of this life. Loop thread only.
 */
#include "posts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"

enum { RING = 512 };

typedef struct ring {
    struct entry {
        uint64_t id, row;
        unsigned epoch;
    } list[RING];
    size_t next;
} ring;

typedef struct channel {
    struct channel *next;
    char id[24];
    bool clean;
    ring made;
} channel;

struct posts {
    channel *channels;
    unsigned epoch;
};

static uint64_t number_of(const char *id)
{
    return id ? strtoull(id, NULL, 10) : 0;
}

/* FNV-1a: a row by a number. */
static uint64_t row_of(const char *mirror_id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *mirror_id; mirror_id++)
        hash = (hash ^ (unsigned char)*mirror_id) * 0x100000001b3u;
    return hash;
}

static const struct entry *find(const ring *r, uint64_t id)
{
    for (size_t i = 0; i < RING; i++)
        if (r->list[i].id == id)
            return &r->list[i];
    return NULL;
}

static void put(ring *r, const char *id, uint64_t row, unsigned epoch)
{
    r->list[r->next] = (struct entry){number_of(id), row, epoch};
    r->next = (r->next + 1) % RING;
}

static channel *channel_of(posts *self, const char *id)
{
    for (channel *c = self->channels; c; c = c->next)
        if (strcmp(c->id, id) == 0)
            return c;
    channel *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    snprintf(c->id, sizeof c->id, "%s", id);
    c->next = self->channels;
    self->channels = c;
    return c;
}

posts *posts_new(void)
{
    return calloc(1, sizeof(posts));
}

void posts_free(posts *self)
{
    while (self && self->channels) {
        channel *c = self->channels;
        self->channels = c->next;
        free(c);
    }
    free(self);
}

void posts_made(posts *self, const char *channel_id, const char *id, const char *mirror_id)
{
    channel *c = channel_of(self, channel_id);
    if (c)
        put(&c->made, id, row_of(mirror_id), self->epoch);
}

bool posts_is_clean(posts *self, const char *channel_id)
{
    channel *c = channel_of(self, channel_id);
    return c && c->clean;
}

void posts_set_clean(posts *self, const char *channel_id)
{
    channel *c = channel_of(self, channel_id);
    if (c)
        c->clean = true;
}

unsigned posts_epoch(const posts *self)
{
    return self->epoch;
}

void posts_begin_anew(posts *self)
{
    self->epoch++;
    for (channel *c = self->channels; c; c = c->next)
        c->clean = false;
}

/* ---- finding ---- */

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

static bool is_ours(const posts_search *search, const cJSON *message)
{
    const cJSON *author = cJSON_GetObjectItemCaseSensitive(message, "author");
    const char *webhook = text_of(message, "webhook_id");
    if (search->webhook_id)
        return strcmp(webhook, search->webhook_id) == 0;
    return !*webhook && strcmp(text_of(author, "id"), search->our_id) == 0;
}

static bool is_known(const api_lane_posts *known, uint64_t id)
{
    if (known->until.data && id > number_of(known->until.data))
        return true; /* nothing is said of it */
    for (size_t i = 0; i < known->message_ids.count; i++)
        if (number_of(known->message_ids.items[i].data) == id)
            return true;
    return false;
}

void posts_find(posts *self, const posts_search *search, const cJSON *messages, posts_found *ret)
{
    channel *c = channel_of(self, search->channel_id);
    uint64_t row = row_of(search->mirror_id);
    ret->count = 0;
    if (!c || !search->known)
        return;
    for (int i = cJSON_GetArraySize(messages) - 1; i >= 0; i--) {
        const cJSON *message = cJSON_GetArrayItem(messages, i);
        uint64_t id = number_of(text_of(message, "id"));
        const struct entry *made = find(&c->made, id);
        bool anothers = made && made->row != row && made->epoch >= search->epoch;
        if (id > number_of(search->after) && is_ours(search, message) && !anothers &&
            !is_known(search->known, id) && !payload_is_test_post(message) &&
            ret->count < POSTS_FOUND_MAX)
            ret->list[ret->count++] = message;
    }
}
