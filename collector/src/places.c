/* places.c - which channels are captured, which threads are theirs, and which guilds the bot is in.
 * Everything is under the lock. Invariant: threads are sorted by id, each once. */
#include "places.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 10000, LINE_SIZE = 48 };

static const char threads_name[] = "places.threads";
static const char channels_name[] = "places.channels";
static const char guilds_name[] = "places.guilds";

typedef struct channel {
    uint64_t id;
    char guild_id[24];
} channel;

typedef struct thread {
    uint64_t id, parent;
} thread;

struct places {
    pthread_mutex_t lock;
    channel *channels;
    size_t n_channels;
    thread *threads;
    size_t n_threads, cap_threads;
    uint64_t *guilds; /* that the bot is in */
    size_t n_guilds;
    bool known, guilds_known;
    bool threads_changed, channels_changed, guilds_changed, writing;
};

static uint64_t number_of(const char *id)
{
    return id ? strtoull(id, NULL, 10) : 0;
}

static const channel *find_channel(const places *self, uint64_t id)
{
    for (size_t i = 0; i < self->n_channels; i++)
        if (self->channels[i].id == id)
            return &self->channels[i];
    return NULL;
}

/* The first thread with this id or a greater one. */
static size_t position_of(const places *self, uint64_t id)
{
    size_t low = 0, high = self->n_threads;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->threads[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const thread *find_thread(const places *self, uint64_t id)
{
    size_t at = position_of(self, id);
    return at < self->n_threads && self->threads[at].id == id ? &self->threads[at] : NULL;
}

static bool in_channel(const places *self, uint64_t id, capture_place *ret)
{
    const channel *found = find_channel(self, id);
    if (!found)
        return false;
    snprintf(ret->channel_id, sizeof ret->channel_id, "%" PRIu64, id);
    memcpy(ret->guild_id, found->guild_id, sizeof ret->guild_id);
    return true;
}

/* Before the channels are known, the event's word is taken. */
static bool in_unknown(const places *self, uint64_t id, const char *guild_id, capture_place *ret)
{
    if (self->known || !guild_id)
        return false;
    snprintf(ret->channel_id, sizeof ret->channel_id, "%" PRIu64, id);
    snprintf(ret->guild_id, sizeof ret->guild_id, "%s", guild_id);
    return true;
}

bool places_find(places *self, const char *channel_id, const char *guild_id, capture_place *ret)
{
    uint64_t id = number_of(channel_id);
    pthread_mutex_lock(&self->lock);
    const thread *inside = find_thread(self, id);
    uint64_t parent = inside ? inside->parent : id;
    memset(ret, 0, sizeof *ret);
    bool found = in_channel(self, parent, ret) || in_unknown(self, parent, guild_id, ret);
    if (found && inside)
        snprintf(ret->thread_id, sizeof ret->thread_id, "%" PRIu64, id);
    pthread_mutex_unlock(&self->lock);
    return found;
}

bool places_known(places *self)
{
    pthread_mutex_lock(&self->lock);
    bool known = self->known;
    pthread_mutex_unlock(&self->lock);
    return known;
}

/* ---- threads ---- */

static bool make_room(places *self)
{
    if (self->n_threads == THREADS_MAX) {
        memmove(self->threads, self->threads + 1, (self->n_threads - 1) * sizeof *self->threads);
        self->n_threads--;
    }
    if (self->n_threads < self->cap_threads)
        return true;
    size_t cap = self->cap_threads ? self->cap_threads * 2 : 16;
    thread *grown = realloc(self->threads, cap * sizeof *grown);
    if (!grown)
        return false;
    self->threads = grown;
    self->cap_threads = cap;
    return true;
}

/* Without memory the thread stays unknown: the next look at the source finds it again. */
static void add(places *self, uint64_t id, uint64_t parent)
{
    if (id == 0 || parent == 0 || find_thread(self, id))
        return;
    if (self->known && !find_channel(self, parent))
        return;
    if (!make_room(self))
        return;
    size_t at = position_of(self, id);
    memmove(self->threads + at + 1, self->threads + at,
            (self->n_threads - at) * sizeof *self->threads);
    self->threads[at] = (thread){id, parent};
    self->n_threads++;
    self->threads_changed = true;
}

static void drop(places *self, uint64_t id)
{
    size_t at = position_of(self, id);
    if (at >= self->n_threads || self->threads[at].id != id)
        return;
    self->n_threads--;
    memmove(self->threads + at, self->threads + at + 1,
            (self->n_threads - at) * sizeof *self->threads);
    self->threads_changed = true;
}

void places_add_thread(places *self, const char *thread_id, const char *parent_id)
{
    pthread_mutex_lock(&self->lock);
    add(self, number_of(thread_id), number_of(parent_id));
    pthread_mutex_unlock(&self->lock);
}

void places_forget_thread(places *self, const char *thread_id)
{
    pthread_mutex_lock(&self->lock);
    drop(self, number_of(thread_id));
    pthread_mutex_unlock(&self->lock);
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void learn_thread(places *self, const cJSON *from)
{
    places_add_thread(self, text_of(from, "id"), text_of(from, "parent_id"));
}

void places_learn(places *self, const char *name, const cJSON *data)
{
    const cJSON *item;
    if (strcmp(name, "THREAD_CREATE") == 0 || strcmp(name, "THREAD_UPDATE") == 0)
        learn_thread(self, data);
    else if (strcmp(name, "THREAD_DELETE") == 0)
        places_forget_thread(self, text_of(data, "id"));
    else if (strcmp(name, "GUILD_CREATE") == 0 || strcmp(name, "THREAD_LIST_SYNC") == 0)
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(data, "threads"))
            learn_thread(self, item);
}

void places_threads(places *self, void (*fn)(const capture_place *thread, void *user), void *user)
{
    pthread_mutex_lock(&self->lock);
    for (size_t i = self->n_threads; i-- > 0;) {
        capture_place place = {"", "", ""};
        if (!in_channel(self, self->threads[i].parent, &place))
            continue;
        snprintf(place.thread_id, sizeof place.thread_id, "%" PRIu64, self->threads[i].id);
        fn(&place, user);
    }
    pthread_mutex_unlock(&self->lock);
}

/* ---- guilds ---- */

static uint64_t *find_guild(const places *self, uint64_t id)
{
    for (size_t i = 0; i < self->n_guilds; i++)
        if (self->guilds[i] == id)
            return &self->guilds[i];
    return NULL;
}

/* Without memory it is not known which guilds there are. */
static void add_guild(places *self, uint64_t id)
{
    if (id == 0 || find_guild(self, id))
        return;
    uint64_t *grown = realloc(self->guilds, (self->n_guilds + 1) * sizeof *grown);
    if (!grown) {
        self->guilds_known = false;
        return;
    }
    self->guilds = grown;
    self->guilds[self->n_guilds++] = id;
    self->guilds_changed = true;
}

static void drop_guild(places *self, uint64_t id)
{
    uint64_t *found = find_guild(self, id);
    if (!found)
        return;
    *found = self->guilds[--self->n_guilds];
    self->guilds_changed = true;
}

void places_learn_guilds(places *self, const char *name, const cJSON *data)
{
    const cJSON *item;
    uint64_t id = number_of(text_of(data, "id"));
    pthread_mutex_lock(&self->lock);
    if (strcmp(name, "READY") == 0) {
        self->n_guilds = 0;
        self->guilds_known = self->guilds_changed = true;
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(data, "guilds"))
            add_guild(self, number_of(text_of(item, "id")));
    } else if (strcmp(name, "GUILD_CREATE") == 0) {
        add_guild(self, id);
    } else if (strcmp(name, "GUILD_DELETE") == 0 &&
               !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(data, "unavailable"))) {
        drop_guild(self, id); /* an unavailable one is in an outage */
    }
    pthread_mutex_unlock(&self->lock);
}

static bool is_first_of_guild(const places *self, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(self->channels[j].guild_id, self->channels[i].guild_id) == 0)
            return false;
    return true;
}

void places_foreign_guilds(places *self, char *ret, size_t size)
{
    size_t len = 0;
    ret[0] = '\0';
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; self->guilds_known && i < self->n_channels; i++) {
        const char *id = self->channels[i].guild_id;
        if (find_guild(self, number_of(id)) || !is_first_of_guild(self, i) ||
            len + strlen(id) + 3 > size)
            continue;
        len += (size_t)snprintf(ret + len, size - len, "%s%s", len > 0 ? ", " : "", id);
    }
    pthread_mutex_unlock(&self->lock);
}

/* ---- channels ---- */

static void drop_foreign_threads(places *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->n_threads; i++)
        if (find_channel(self, self->threads[i].parent))
            self->threads[kept++] = self->threads[i];
    self->threads_changed = self->threads_changed || kept != self->n_threads;
    self->n_threads = kept;
}

int places_set_channels(places *self, const api_captured_channel_list *channels)
{
    channel *fresh = calloc(channels->count + 1, sizeof *fresh);
    if (!fresh)
        return -ENOMEM;
    for (size_t i = 0; i < channels->count; i++) {
        fresh[i].id = number_of(channels->items[i].channel_id.data);
        snprintf(fresh[i].guild_id, sizeof fresh[i].guild_id, "%s",
                 channels->items[i].guild_id.data);
    }
    pthread_mutex_lock(&self->lock);
    free(self->channels);
    self->channels = fresh;
    self->n_channels = channels->count;
    self->known = self->channels_changed = true;
    drop_foreign_threads(self);
    pthread_mutex_unlock(&self->lock);
    return 0;
}

/* ---- storing: lines of two numbers ---- */

typedef uint64_t pair[2];

static void read_lines(outbox *box, const char *name, void (*fn)(places *, const pair),
                       places *self)
{
    void *value = NULL;
    pair numbers;
    int used;
    if (outbox_get(box, name, &value, NULL) != 0)
        return;
    for (const char *at = value;
         sscanf(at, "%" SCNu64 " %" SCNu64 "%n", &numbers[0], &numbers[1], &used) == 2; at += used)
        fn(self, numbers);
    if (strcmp(name, channels_name) == 0)
        self->known = true;
    if (strcmp(name, guilds_name) == 0)
        self->guilds_known = true;
    free(value);
}

static void load_channel(places *self, const pair numbers)
{
    channel *grown = realloc(self->channels, (self->n_channels + 1) * sizeof *grown);
    if (!grown)
        return;
    self->channels = grown;
    grown[self->n_channels] = (channel){.id = numbers[0]};
    snprintf(grown[self->n_channels++].guild_id, sizeof grown->guild_id, "%" PRIu64, numbers[1]);
}

static void load_thread(places *self, const pair numbers)
{
    add(self, numbers[0], numbers[1]);
}

static void load_guild(places *self, const pair numbers)
{
    add_guild(self, numbers[0]);
}

static int write_threads(const places *self, outbox *box)
{
    size_t size = 0;
    char *text = calloc(self->n_threads + 1, LINE_SIZE);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < self->n_threads; i++)
        size += (size_t)snprintf(text + size, LINE_SIZE, "%" PRIu64 " %" PRIu64 "\n",
                                 self->threads[i].id, self->threads[i].parent);
    int r = outbox_put(box, threads_name, text, size);
    free(text);
    return r;
}

static int write_channels(const places *self, outbox *box)
{
    size_t size = 0;
    char *text = calloc(self->n_channels + 1, LINE_SIZE);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < self->n_channels; i++)
        size += (size_t)snprintf(text + size, LINE_SIZE, "%" PRIu64 " %.24s\n",
                                 self->channels[i].id, self->channels[i].guild_id);
    int r = outbox_put(box, channels_name, text, size);
    free(text);
    return r;
}

/* With a second number like the others. */
static int write_guilds(const places *self, outbox *box)
{
    size_t size = 0;
    char *text = calloc(self->n_guilds + 1, LINE_SIZE);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < self->n_guilds; i++)
        size += (size_t)snprintf(text + size, LINE_SIZE, "%" PRIu64 " 1\n", self->guilds[i]);
    int r = outbox_put(box, guilds_name, text, size);
    free(text);
    return r;
}

int places_write(places *self, outbox *box)
{
    int r = 0;
    pthread_mutex_lock(&self->lock);
    self->writing = self->threads_changed || self->channels_changed || self->guilds_changed;
    if (self->threads_changed)
        r = write_threads(self, box);
    if (r == 0 && self->channels_changed)
        r = write_channels(self, box);
    if (r == 0 && self->guilds_changed)
        r = write_guilds(self, box);
    if (r == 0)
        self->threads_changed = self->channels_changed = self->guilds_changed = false;
    pthread_mutex_unlock(&self->lock);
    return r;
}

void places_written(places *self, bool committed)
{
    pthread_mutex_lock(&self->lock);
    if (self->writing && !committed)
        self->threads_changed = self->channels_changed = self->guilds_changed = true;
    self->writing = false;
    pthread_mutex_unlock(&self->lock);
}

int places_new(outbox *box, places **ret)
{
    places *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    pthread_mutex_init(&self->lock, NULL);
    if (box) {
        read_lines(box, channels_name, load_channel, self);
        read_lines(box, threads_name, load_thread, self);
        read_lines(box, guilds_name, load_guild, self);
    }
    self->threads_changed = self->channels_changed = self->guilds_changed = false;
    *ret = self;
    return 0;
}

void places_free(places *self)
{
    if (!self)
        return;
    free(self->channels);
    free(self->threads);
    free(self->guilds);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
