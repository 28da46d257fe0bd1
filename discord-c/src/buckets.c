/* buckets.c - when each REST request may be sent.
 * Owns the lanes, the limits and the knowledge which route counts in which bucket.
 * Invariants: a lane has at most one entry in flight; nothing leaves before the limit, the
 * global limit and the invalid-request budget all allow it. */
#include "buckets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX         320
#define INVALID_SLOTS   60
#define INVALID_SLOT_MS 10000 /* together ten minutes */
#define INVALID_BUDGET  8000  /* of Discord's 10,000; other programs share our address */
#define INVALID_SLOW    4000  /* from here on such answers keep a distance ... */
#define INVALID_PACE_MS 150   /* ... that leaves fewer than the budget in ten minutes */
#define COOLDOWN_MS     60000 /* a 429 that does not say how long: perhaps a ban */
#define MAX_COOLDOWN_MS 900000
#define MAX_SAID_MS     86400000

/* A span of time in which something is blocked, and how long it was so far. */
typedef struct gate {
    int64_t until; /* blocked before this */
    int64_t since; /* when this block began */
    int64_t total; /* of earlier blocks */
} gate;

typedef struct limit {
    struct limit *next;
    char key[KEY_MAX];
    unsigned lanes;
    unsigned in_flight;
    int64_t size;      /* 0: unknown */
    int64_t remaining; /* meaningful while reset_at is ahead */
    int64_t reset_at;
    gate gate;
} limit;

typedef struct dbk_lane {
    struct dbk_lane *next;
    char key[KEY_MAX];
    char major[128];
    limit *limit;
    dbk_entry *head;
    dbk_entry **tail;
    bool in_flight;
} lane;

/* Which bucket a route was last seen in. */
typedef struct alias {
    struct alias *next;
    char route[160];
    char bucket[128];
} alias;

struct dbk {
    lane *lanes;
    limit *limits;
    alias *aliases;
    gate global;
    unsigned cooldowns; /* in a row */
    unsigned invalid[INVALID_SLOTS];
    int64_t invalid_slot; /* the newest slot's number */
    uint32_t (*random)(void *user);
    void *user;
};

dbk *dbk_new(uint32_t (*random)(void *user), void *user)
{
    dbk *b = calloc(1, sizeof *b);

    if (b) {
        b->random = random;
        b->user = user;
    }
    return b;
}

void dbk_free(dbk *b)
{
    if (!b)
        return;
    for (lane *l = b->lanes, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    for (limit *l = b->limits, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    for (alias *a = b->aliases, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(b);
}

/* -- gates -- */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t gate_clock(const gate *g, int64_t now)
{
    return g->total + greater(0, smaller(now, g->until) - g->since);
}

static void gate_close(gate *g, int64_t until, int64_t now)
{
    if (until <= g->until)
        return;
    if (g->until <= now) {
        g->total = gate_clock(g, now);
        g->since = now;
    }
    g->until = until;
}

/* -- limits and lanes -- */

static limit *find_limit(dbk *b, const char *key)
{
    for (limit *l = b->limits; l; l = l->next)
        if (strcmp(l->key, key) == 0)
            return l;
    limit *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    snprintf(l->key, sizeof l->key, "%s", key);
    l->next = b->limits;
    b->limits = l;
    return l;
}

/* Limits that say nothing about the future go. */
static void drop_limits(dbk *b, int64_t now)
{
    for (limit **at = &b->limits; *at;) {
        limit *l = *at;
        if (l->lanes || l->in_flight || l->reset_at > now || l->gate.until > now) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        free(l);
    }
}

static const alias *find_alias(const dbk *b, const char *route)
{
    for (const alias *a = b->aliases; a; a = a->next)
        if (strcmp(a->route, route) == 0)
            return a;
    return NULL;
}

static int64_t waiting_clock(const dbk *b, const lane *l, int64_t now)
{
    return gate_clock(&l->limit->gate, now) + gate_clock(&b->global, now);
}

/* Adds up what an entry waited for limits; from here on it waits anew. */
static void settle_wait(dbk *b, lane *l, dbk_entry *entry, int64_t now)
{
    int64_t clock = waiting_clock(b, l, now);

    entry->limited_ms += clock - entry->limited_base;
    entry->limited_base = clock;
}

static void use_limit(dbk *b, lane *l, limit *to, int64_t now)
{
    for (dbk_entry *e = l->head; e; e = e->next)
        settle_wait(b, l, e, now);
    l->limit->lanes--;
    to->lanes++;
    l->limit = to;
    for (dbk_entry *e = l->head; e; e = e->next)
        e->limited_base = waiting_clock(b, l, now);
}

static lane *find_lane(dbk *b, const char *route, const char *major, int64_t now)
{
    char key[KEY_MAX];
    char bucket_key[KEY_MAX];
    int n = snprintf(key, sizeof key, "%s %s", route, major);

    if (n < 0 || (size_t)n >= sizeof key)
        return NULL;
    for (lane *l = b->lanes; l; l = l->next)
        if (strcmp(l->key, key) == 0)
            return l;
    drop_limits(b, now);
    const alias *a = find_alias(b, route);
    snprintf(bucket_key, sizeof bucket_key, "#%s %s", a ? a->bucket : "", major);
    limit *m = find_limit(b, a ? bucket_key : key);
    lane *l = m ? calloc(1, sizeof *l) : NULL;
    if (!l)
        return NULL;
    memcpy(l->key, key, sizeof key);
    snprintf(l->major, sizeof l->major, "%s", major);
    l->tail = &l->head;
    l->limit = m;
    m->lanes++;
    l->next = b->lanes;
    b->lanes = l;
    return l;
}

static void drop_lane(dbk *b, lane *l)
{
    if (l->head || l->in_flight)
        return;
    for (lane **at = &b->lanes; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            l->limit->lanes--;
            free(l);
            return;
        }
}

bool dbk_add(dbk *b, dbk_entry *entry, const char *route, const char *major, int64_t now)
{
    lane *l = strlen(major) < sizeof l->major ? find_lane(b, route, major, now) : NULL;

    if (!l)
        return false;
    entry->next = NULL;
    entry->lane = l;
    entry->not_before = INT64_MIN;
    entry->limited_ms = 0;
    entry->limited_base = waiting_clock(b, l, now);
    *l->tail = entry;
    l->tail = &entry->next;
    return true;
}

static dbk_entry *pop(lane *l)
{
    dbk_entry *entry = l->head;

    l->head = entry->next;
    if (!l->head)
        l->tail = &l->head;
    entry->next = NULL;
    return entry;
}

/* -- when -- */

/* The earliest time at which the head of a lane may leave; NEVER while that depends on an
 * answer under way. */
static int64_t open_at(const dbk *b, const lane *l, int64_t now)
{
    const limit *m = l->limit;
    int64_t at = greater(l->head->not_before, greater(b->global.until, m->gate.until));

    if (l->in_flight || m->in_flight >= greater(m->size, 1))
        return DBK_NEVER;
    if (m->reset_at > now && m->remaining <= (int64_t)m->in_flight)
        at = m->in_flight && m->remaining > 0 ? DBK_NEVER : greater(at, m->reset_at);
    return at;
}

dbk_entry *dbk_next(dbk *b, int64_t now)
{
    for (lane **at = &b->lanes; *at; at = &(*at)->next) {
        lane *l = *at;
        if (!l->head || open_at(b, l, now) > now)
            continue;
        dbk_entry *entry = pop(l);
        settle_wait(b, l, entry, now);
        l->in_flight = true;
        l->limit->in_flight++;
        *at = l->next; /* to the end: every lane has its turn */
        while (*at)
            at = &(*at)->next;
        *at = l;
        l->next = NULL;
        return entry;
    }
    return NULL;
}

int64_t dbk_due(const dbk *b, int64_t now)
{
    int64_t due = DBK_NEVER;

    for (const lane *l = b->lanes; l; l = l->next) {
        if (l->head)
            due = smaller(due, open_at(b, l, now));
        for (const dbk_entry *e = l->head; e; e = e->next)
            due = smaller(due, e->deadline);
    }
    return due;
}

/* How long limits certainly keep a lane closed. */
static int64_t closed_until(const dbk *b, const lane *l, int64_t now)
{
    const limit *m = l->limit;
    int64_t until = greater(b->global.until, m->gate.until);

    return m->reset_at > now && m->remaining <= 0 ? greater(until, m->reset_at) : until;
}

dbk_entry *dbk_expired(dbk *b, int64_t now, int64_t *ret_wait_ms)
{
    for (lane *l = b->lanes; l; l = l->next) {
        int64_t until = closed_until(b, l, now);
        for (dbk_entry **at = &l->head; *at; at = &(*at)->next) {
            dbk_entry *e = *at;
            if (e->deadline > now && e->deadline >= until)
                continue;
            settle_wait(b, l, e, now);
            *ret_wait_ms = greater(0, until - now);
            *at = e->next;
            if (l->tail == &e->next)
                l->tail = at;
            e->lane = NULL;
            drop_lane(b, l);
            return e;
        }
    }
    return NULL;
}

dbk_entry *dbk_take(dbk *b)
{
    for (lane *l = b->lanes; l; l = l->next)
        if (l->head) {
            dbk_entry *entry = pop(l);
            entry->lane = NULL;
            drop_lane(b, l);
            return entry;
        }
    return NULL;
}

/* -- what an answer teaches -- */

static void route_of(const lane *l, char *ret, size_t size)
{
    size_t n = strlen(l->key) - strlen(l->major) - 1;

    snprintf(ret, size, "%.*s", (int)n, l->key);
}

static void learn_bucket(dbk *b, lane *l, const char *bucket, int64_t now)
{
    char route[KEY_MAX];
    char key[KEY_MAX];
    alias *a = NULL;

    route_of(l, route, sizeof route);
    for (a = b->aliases; a && strcmp(a->route, route) != 0; a = a->next)
        ;
    if (!a && strlen(route) < sizeof a->route && (a = calloc(1, sizeof *a))) {
        memcpy(a->route, route, strlen(route));
        a->next = b->aliases;
        b->aliases = a;
    }
    if (!a)
        return; /* without memory the lane keeps a limit of its own */
    snprintf(a->bucket, sizeof a->bucket, "%s", bucket);
    snprintf(key, sizeof key, "#%s %s", bucket, l->major);
    limit *to = strcmp(l->limit->key, key) == 0 ? l->limit : find_limit(b, key);
    if (to && to != l->limit)
        use_limit(b, l, to, now);
}

static void count_invalid(dbk *b, const dbk_facts *facts, int64_t now)
{
    int64_t slot = now / INVALID_SLOT_MS;
    unsigned sum = 0;

    if (facts->status != 401 && facts->status != 403 && facts->status != 429)
        return;
    if (facts->status == 429 && facts->shared)
        return;
    for (int64_t s = greater(b->invalid_slot + 1, slot - INVALID_SLOTS + 1); s <= slot; s++)
        b->invalid[s % INVALID_SLOTS] = 0;
    b->invalid_slot = slot;
    b->invalid[slot % INVALID_SLOTS]++;
    for (unsigned i = 0; i < INVALID_SLOTS; i++)
        sum += b->invalid[i];
    if (sum >= INVALID_SLOW)
        gate_close(&b->global, now + INVALID_PACE_MS, now);
    if (sum >= INVALID_BUDGET)
        gate_close(&b->global, (slot + 1) * INVALID_SLOT_MS, now);
}

/* A 429 that does not say how long closes everything, longer each time: it may be a ban of
 * our address, and asking again would prolong it. */
static int64_t cooldown(dbk *b)
{
    unsigned doublings = b->cooldowns < 4 ? b->cooldowns : 4;
    int64_t wait = smaller((int64_t)COOLDOWN_MS << doublings, MAX_COOLDOWN_MS);

    b->cooldowns++;
    return wait + wait / 4 * b->random(b->user) / UINT32_MAX;
}

static void on_limited(dbk *b, lane *l, const dbk_facts *facts, int64_t now)
{
    int64_t wait = facts->retry_after_ms;

    if (wait < 0 && !facts->html)
        wait = facts->reset_after_ms;
    if (wait < 0)
        gate_close(&b->global, now + cooldown(b), now);
    else
        gate_close(facts->global ? &b->global : &l->limit->gate, now + smaller(wait, MAX_SAID_MS),
                   now);
}

void dbk_answer(dbk *b, dbk_entry *entry, const dbk_facts *facts, int64_t now)
{
    lane *l = entry->lane;

    l->limit->in_flight--;
    if (facts) {
        if (facts->bucket[0])
            learn_bucket(b, l, facts->bucket, now);
        limit *m = l->limit;
        if (facts->limit > 0)
            m->size = facts->limit;
        if (facts->remaining >= 0 && facts->reset_after_ms >= 0 && !facts->own) {
            m->remaining = facts->remaining;
            m->reset_at = now + smaller(facts->reset_after_ms, MAX_SAID_MS);
            if (facts->remaining == 0)
                gate_close(&m->gate, m->reset_at, now);
        }
        count_invalid(b, facts, now);
        if (facts->status == 429 && !facts->own)
            on_limited(b, l, facts, now);
        else if (!facts->html)
            b->cooldowns = 0;
    }
    l->limit->in_flight++;
}

static lane *landed(dbk_entry *entry)
{
    lane *l = entry->lane;

    l->in_flight = false;
    l->limit->in_flight--;
    return l;
}

void dbk_done(dbk *b, dbk_entry *entry)
{
    lane *l = landed(entry);

    entry->lane = NULL;
    drop_lane(b, l);
}

void dbk_again(dbk *b, dbk_entry *entry, int64_t not_before, int64_t now)
{
    lane *l = landed(entry);

    entry->not_before = not_before;
    entry->limited_base = waiting_clock(b, l, now);
    entry->next = l->head;
    l->head = entry;
    if (!entry->next)
        l->tail = &entry->next;
}
