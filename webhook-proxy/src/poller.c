/* poller.c - asks providers for what their webhooks did not say.
 * Owns its thread and one connection. Invariants: a cursor is written in the transaction of the
 * last event of its page, after the others were stored, so no event is skipped; tokens go into
 * requests and nowhere else. */
#include "poller.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/log.h"
#include "json.h"
#include "request.h"

enum {
    PAGE_BYTES = 64 << 20,
    PAGES_MAX = 10000,   /* of one list in one round */
    REQUEST_S = 30,      /* for one page */
    WAIT_MAX_S = 900,    /* Retry-After, at most */
    KNOWN_MAX = 1 << 20, /* objects remembered */
    ATTEMPTS = 3
};

struct poller {
    poller_options options;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* of `sources`, `closing`, `stored` */
    pthread_cond_t wake;
    sources *sources;
    atomic_bool closing;
    daemon_counter *found, *rounds, *failures, *undelivered;

    /* The thread's own. */
    CURL *curl;
    char *page;
    size_t page_size;
    uint64_t *known; /* what was handed in already: an open hash table, 0 is free */
    size_t known_count, known_capacity;
};

/* ---- what was handed in already ---- */

/* Of an object as a list has it; never 0. The same object in two lists is two. */
static uint64_t hash_of(const char *name, const char *body, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)body[i]) * UINT64_C(1099511628211);
    return hash | 1;
}

/* Where a hash is, or belongs. There is a free place. */
static uint64_t *place_of(uint64_t *table, size_t capacity, uint64_t hash)
{
    size_t at = hash & (capacity - 1);

    while (table[at] && table[at] != hash)
        at = (at + 1) & (capacity - 1);
    return &table[at];
}

/* An object that has not changed since the last round is not handed in again: the backend would
 * only find that it has it. */
static bool is_known(const poller *self, uint64_t hash)
{
    return self->known_capacity > 0 && *place_of(self->known, self->known_capacity, hash) == hash;
}

/* Twice the room; with too much to remember, all is forgotten and handed in once more. */
static bool grow_known(poller *self)
{
    bool full = self->known_count >= KNOWN_MAX;
    size_t capacity = full || !self->known_capacity ? 1024 : self->known_capacity * 2;
    uint64_t *table = calloc(capacity, sizeof(*table));

    if (table == NULL)
        return false;
    for (size_t i = 0; !full && i < self->known_capacity; i++)
        if (self->known[i])
            *place_of(table, capacity, self->known[i]) = self->known[i];
    if (full)
        self->known_count = 0;
    free(self->known);
    self->known = table;
    self->known_capacity = capacity;
    return true;
}

/* Once it is on disk. Without memory it is handed in again. */
static void remember(poller *self, uint64_t hash)
{
    if (self->known_count * 2 >= self->known_capacity && !grow_known(self))
        return;
    *place_of(self->known, self->known_capacity, hash) = hash;
    self->known_count++;
}

/* ---- waiting ---- */

static void wait_ms(poller *self, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&self->lock);
    while (!atomic_load(&self->closing) &&
           pthread_cond_timedwait(&self->wake, &self->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&self->lock);
}

/* ---- the spool ---- */

typedef struct handed {
    request request;
    poller *owner;
    bool done;
    int result;
} handed;

/* On the spool's thread. */
static void on_stored(spool_item *item, int result)
{
    handed *h = item->user;
    poller *self = h->owner;

    pthread_mutex_lock(&self->lock);
    h->result = result;
    h->done = true;
    pthread_cond_broadcast(&self->wake);
    pthread_mutex_unlock(&self->lock);
}

/* Returns 0 once it is on disk, or was there. */
static int hand_in(handed *h)
{
    poller *self = h->owner;

    h->request.item.done = on_stored;
    h->request.item.user = h;
    if (!spool_submit(self->options.spool, &h->request.item))
        return -ENOBUFS;
    pthread_mutex_lock(&self->lock);
    while (!h->done)
        pthread_cond_wait(&self->wake, &self->lock);
    pthread_mutex_unlock(&self->lock);
    return h->result == -EEXIST ? 0 : h->result;
}

static void note_name(const source *from, const poll_list *list, char *ret, size_t size)
{
    snprintf(ret, size, "poll/%s/%s/%s", from->community, from->name, list->name);
}

/* Reads the saved cursor, or writes it when nothing is to be stored with it. */
static int keep_cursor(poller *self, const source *from, const poll_list *list, bool write,
                       char *cursor)
{
    handed h = {.owner = self};
    char name[200];
    int r;

    note_name(from, list, name, sizeof(name));
    h.request.item.note = name;
    h.request.item.note_text = write ? cursor : NULL;
    r = hand_in(&h);
    if (write)
        return r;
    if (r == 0)
        snprintf(cursor, POLL_CURSOR_MAX, "%s",
                 h.request.item.note_text ? h.request.item.note_text : "");
    free(h.request.item.note_text); /* it was read, whatever became of its transaction */
    return r;
}

/* ---- one page ---- */

static size_t on_bytes(char *bytes, size_t size, size_t count, void *user)
{
    poller *self = user;
    size_t more = size * count;
    char *page = self->page_size + more < PAGE_BYTES
                     ? realloc(self->page, self->page_size + more + 1)
                     : NULL;

    if (page == NULL)
        return 0;
    memcpy(page + self->page_size, bytes, more);
    self->page = page;
    self->page_size += more;
    return more;
}

/* Not 0 ends the transfer. */
static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    poller *self = user;

    return atomic_load(&self->closing);
}

static struct curl_slist *headers_of(const source *from)
{
    char text[SIGNATURE_SECRET_MAX + 100];
    struct curl_slist *list, *more;

    snprintf(text, sizeof(text), "Authorization: Bearer %s", from->api_token);
    list = curl_slist_append(NULL, text);
    explicit_bzero(text, sizeof(text));
    if (list && from->provider->api->store_header) {
        snprintf(text, sizeof(text), "%s: %s", from->provider->api->store_header, from->api_store);
        more = curl_slist_append(list, text);
        if (more == NULL) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = more;
    }
    return list;
}

/* The HTTP status, or 0 with a word on why there is none. */
static long get(poller *self, const source *from, const char *path, int64_t *ret_wait_s, char *why,
                size_t why_size)
{
    struct curl_slist *headers = headers_of(from);
    char url[POLL_CURSOR_MAX * 3 + 600];
    curl_off_t after = 0;
    long status = 0;
    CURLcode code = headers ? CURLE_OK : CURLE_OUT_OF_MEMORY;

    snprintf(url, sizeof(url), "%s%s", from->api_url, path);
    self->page_size = 0;
    curl_easy_reset(self->curl);
    curl_easy_setopt(self->curl, CURLOPT_URL, url);
    curl_easy_setopt(self->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(self->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(self->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(self->curl, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(self->curl, CURLOPT_TIMEOUT, (long)REQUEST_S);
    curl_easy_setopt(self->curl, CURLOPT_CONNECTTIMEOUT, (long)REQUEST_S / 3);
    curl_easy_setopt(self->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(self->curl, CURLOPT_WRITEDATA, self);
    curl_easy_setopt(self->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(self->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(self->curl, CURLOPT_XFERINFODATA, self);
    if (code == CURLE_OK)
        code = curl_easy_perform(self->curl);
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(self->curl, CURLINFO_RETRY_AFTER, &after);
    curl_slist_free_all(headers);
    *ret_wait_s = after < 1 ? 1 : after > WAIT_MAX_S ? WAIT_MAX_S : after;
    if (code == CURLE_OK)
        return status;
    snprintf(why, why_size, "%s", curl_easy_strerror(code));
    return 0;
}

/* {"event": TYPE, "data": ENTRY}, or the entry itself. NULL: out of memory. */
static char *body_of(const poll_list *list, const char *entry, size_t size, size_t *ret_size)
{
    size_t extra = list->type ? strlen(list->type) + 32 : 1;
    char *body = malloc(size + extra);
    int n = 0;

    if (body == NULL)
        return NULL;
    if (list->type)
        n = sprintf(body, "{\"event\":\"%s\",\"data\":", list->type);
    memcpy(body + n, entry, size);
    *ret_size = (size_t)n + size;
    if (list->type)
        body[(*ret_size)++] = '}';
    return body;
}

/* Stores one entry; with `cursor` how far that got, too. */
static int take_entry(poller *self, sources *set, const source *from, const poll_list *list,
                      const char *entry, size_t size, char *cursor)
{
    handed h = {.owner = self, .request.set = sources_ref(set), .request.from = from};
    char name[200];
    size_t body_size = 0;
    char *body = body_of(list, entry, size, &body_size);
    int r = body ? 0 : -ENOMEM;

    if (r == 0 && body_size > (size_t)self->options.body_bytes) {
        daemon_log(DAEMON_ERROR, "a polled entry is larger than BODY_LIMIT and left out",
                   "list=%s bytes=%zu", list->name, body_size);
        r = cursor ? keep_cursor(self, from, list, true, cursor) : 0;
    } else if (r == 0) {
        r = request_accept_polled(&h.request, body, body_size, daemon_wall_ms());
        note_name(from, list, name, sizeof(name));
        h.request.item.note = cursor ? name : NULL;
        h.request.item.note_text = cursor;
        if (r == 0)
            r = hand_in(&h);
        if (r == 0)
            daemon_counter_add(self->found, 1);
    }
    free(body);
    request_done(&h.request);
    return r;
}

static void take_notice(poller *self, const source *from, const poll_list *list,
                        const json_document *d, const json_node *entry)
{
    char what[EVENT_TYPE_MAX + EVENT_KEY_MAX + 100];

    if (!list->notice(d, entry, what, sizeof(what)))
        return;
    daemon_counter_add(self->undelivered, 1);
    daemon_log(DAEMON_WARN, "a provider says that its webhooks do not arrive",
               "community=%s source=%s what=%s", from->community, from->name, what);
}

/* Stores the entries of a page. `cursor` is where it ends, kept with the last one; NULL: nothing is
 * kept. */
static int take_page(poller *self, sources *set, const source *from, const poll_list *list,
                     const json_document *d, const json_node *entries, char *cursor)
{
    int r = 0;
    bool kept = !list->goes_on || cursor == NULL;
    char name[200];

    note_name(from, list, name, sizeof(name));
    for (const json_node *n = json_first(d, entries), *after; r == 0 && n; n = after) {
        const char *text = self->page + n->begin;
        size_t size = n->end - n->begin;
        uint64_t hash = hash_of(name, text, size);
        bool last;

        after = json_next(d, n);
        last = after == NULL && list->goes_on && cursor;
        if (!list->goes_on && is_known(self, hash))
            continue;
        if (list->notice)
            take_notice(self, from, list, d, n);
        else
            r = take_entry(self, set, from, list, text, size, last ? cursor : NULL);
        if (r == 0 && !list->goes_on)
            remember(self, hash);
        kept = kept || (r == 0 && last);
    }
    return r == 0 && !kept ? keep_cursor(self, from, list, true, cursor) : r;
}

/* ---- one list ---- */

static void complain(poller *self, const source *from, const poll_list *list, const char *why)
{
    daemon_counter_add(self->failures, 1);
    daemon_log(DAEMON_WARN, "a provider could not be asked, the next round tries again",
               "community=%s source=%s list=%s why=%s", from->community, from->name, list->name,
               why);
}

/* Sell.app says 410 of a cursor that has expired, Stripe that it knows no such event. */
static bool is_expiry(long status)
{
    return status == 410 || status == 404 || status == 400;
}

/* One page, asked for again while the provider limits us. `format`: of its path, with a cursor.
 * Returns its status; 0: given up. */
static long fetch(poller *self, const source *from, const poll_list *list, const char *format,
                  const char *cursor)
{
    char path[POLL_CURSOR_MAX * 3 + 200], why[200] = "";
    char *escaped = *cursor ? curl_easy_escape(self->curl, cursor, 0) : NULL;
    int64_t wait_s = 1;
    long status = 0;

    snprintf(path, sizeof(path), "%s", list->path);
    if (*cursor) {
        const char *place = strstr(format, "%s");
        snprintf(path, sizeof(path), "%.*s%s%s", (int)(place - format), format,
                 escaped ? escaped : "", place + 2);
    }
    curl_free(escaped);
    for (int i = 0; i < ATTEMPTS && !atomic_load(&self->closing); i++) {
        status = get(self, from, path, &wait_s, why, sizeof(why));
        if (status == 200 || (*cursor && is_expiry(status)))
            return status;
        if (status != 429 && status != 0 && status < 500)
            break;
        if (i + 1 < ATTEMPTS)
            wait_ms(self, wait_s * 1000);
    }
    if (status)
        snprintf(why, sizeof(why), "it answered %ld%s", status,
                 status == 401 || status == 403 ? ": check the token of `api`" : "");
    if (!atomic_load(&self->closing))
        complain(self, from, list, why);
    return 0;
}

/* Stores the page that was fetched and moves `cursor` behind it. `newest`: NULL forwards, when the
 * cursor is kept with the page; else we go backwards, keep nothing, and put the place of the list's
 * newest entry there once. Returns 1 if there are more pages, 0 at the end, -1 if it failed. */
static int read_page(poller *self, sources *set, const source *from, const poll_list *list,
                     char *cursor, char *newest)
{
    const poll_api *api = from->provider->api;
    json_document d;
    json_error error = {0, ""};
    const json_node *root, *entries;
    char next[POLL_CURSOR_MAX];
    bool more = false;
    int r = json_parse(self->page ? self->page : "", self->page_size, &d, &error);

    if (r < 0) {
        complain(self, from, list, r == -ENOMEM ? "out of memory" : error.reason);
        return -1;
    }
    root = json_root(&d);
    entries = json_member(&d, root, "data");
    memcpy(next, cursor, sizeof(next));
    if (entries && entries->type == JSON_ARRAY) {
        more = (newest ? api->previous : api->next)(&d, root, next) && strcmp(next, cursor) != 0;
        if (newest && !*newest)
            api->next(&d, root, newest);
        r = take_page(self, set, from, list, &d, entries, newest ? NULL : next);
    } else {
        r = -EBADMSG;
    }
    json_done(&d);
    if (r < 0)
        complain(self, from, list,
                 r == -EBADMSG ? "its answer has no list \"data\"" : strerror(-r));
    memcpy(cursor, next, sizeof(next));
    return r < 0 ? -1 : more;
}

/* A list that begins with its newest entries, from there to the oldest that it still has; then on
 * from where it began. Until that is done the old place stays, so it is begun again if it fails. */
static void read_backwards(poller *self, sources *set, const source *from, const poll_list *list)
{
    char cursor[POLL_CURSOR_MAX] = "", newest[POLL_CURSOR_MAX] = "";
    int r = 1;

    for (int page = 0; r > 0 && page < PAGES_MAX && !atomic_load(&self->closing); page++) {
        if (fetch(self, from, list, list->before, cursor) != 200)
            return;
        r = read_page(self, set, from, list, cursor, newest);
    }
    if (r == 0 && *newest && keep_cursor(self, from, list, true, newest) < 0)
        complain(self, from, list, "the spool cannot be written");
}

static void read_list(poller *self, sources *set, const source *from, const poll_list *list)
{
    char cursor[POLL_CURSOR_MAX] = "";
    long status;
    bool resynced = false;

    if (list->goes_on && keep_cursor(self, from, list, false, cursor) < 0)
        return complain(self, from, list, "the spool cannot be read");
    for (int page = 0; page < PAGES_MAX && !atomic_load(&self->closing); page++) {
        status = fetch(self, from, list, list->next, cursor);
        if (is_expiry(status) && !resynced) {
            daemon_log(DAEMON_WARN,
                       "a saved place has expired, reading all that the list still has",
                       "community=%s source=%s list=%s", from->community, from->name, list->name);
            if (list->before)
                return read_backwards(self, set, from, list);
            resynced = true;
            *cursor = '\0';
            continue;
        }
        if (is_expiry(status))
            return complain(self, from, list, "it knows none of its own places");
        if (status != 200 || read_page(self, set, from, list, cursor, NULL) <= 0)
            return;
    }
}

/* ---- rounds ---- */

static void ask_source(poller *self, sources *set, const source *from)
{
    const poll_api *api = from->provider->api;

    if (from->api_token == NULL)
        return;
    for (size_t i = 0; i < api->count && !atomic_load(&self->closing); i++)
        read_list(self, set, from, &api->lists[i]);
}

static void *run(void *user)
{
    poller *self = user;

    while (!atomic_load(&self->closing)) {
        sources *set;

        pthread_mutex_lock(&self->lock);
        set = sources_ref(self->sources);
        pthread_mutex_unlock(&self->lock);
        for (size_t i = 0; i < sources_count(set); i++)
            ask_source(self, set, sources_at(set, i));
        sources_unref(set);
        daemon_counter_add(self->rounds, 1);
        wait_ms(self, self->options.every_ms);
    }
    return NULL;
}

int poller_new(const poller_options *options, poller **ret)
{
    poller *self = calloc(1, sizeof(*self));
    pthread_condattr_t monotonic;
    int r = self ? 0 : -ENOMEM;

    if (r < 0)
        return r;
    self->options = *options;
    self->sources = sources_ref(options->sources);
    atomic_init(&self->closing, false);
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    self->found = daemon_counter_new(options->metrics, "webhook_polled_total", NULL,
                                     "Entries of providers' lists put into the spool.");
    self->rounds =
        daemon_counter_new(options->metrics, "webhook_poll_rounds_total", NULL, "Rounds ended.");
    self->failures = daemon_counter_new(options->metrics, "webhook_poll_failures_total", NULL,
                                        "Lists that could not be read to their end.");
    self->undelivered = daemon_counter_new(options->metrics, "webhook_undelivered_total", NULL,
                                           "Deliveries that providers say they gave up.");
    self->curl = curl_easy_init();
    if (self->curl == NULL)
        r = -ENOMEM;
    if (r == 0)
        r = -pthread_create(&self->thread, NULL, run, self);
    self->started = r == 0;
    if (r == 0)
        *ret = self;
    else
        poller_free(self);
    return r;
}

void poller_set_sources(poller *self, sources *set)
{
    sources *old;

    pthread_mutex_lock(&self->lock);
    old = self->sources;
    self->sources = sources_ref(set);
    pthread_mutex_unlock(&self->lock);
    sources_unref(old);
}

void poller_free(poller *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    atomic_store(&self->closing, true);
    pthread_cond_broadcast(&self->wake);
    pthread_mutex_unlock(&self->lock);
    if (self->started)
        pthread_join(self->thread, NULL);
    if (self->curl)
        curl_easy_cleanup(self->curl);
    sources_unref(self->sources);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self->page);
    free(self->known);
    free(self);
}
