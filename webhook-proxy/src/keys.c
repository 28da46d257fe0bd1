/* keys.c - open addressing: a print stands at the first free slot from where its bits point to.
 * Invariants: at most three quarters of the slots are taken; between that place and the print's own
 * no slot is free; an empty set keeps no memory beyond LEAST slots. */
#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"

enum { LEAST = 1024 };

bool key_print_of(const char *key, key_print *ret)
{
    const digest_part part = {key, strlen(key)};
    unsigned char digest[DIGEST_BYTES];

    if (!digest_make(&part, 1, digest))
        return false;
    memcpy(ret, digest, sizeof(*ret));
    ret->high |= 1; /* a free slot is zero */
    return true;
}

static bool same(key_print a, key_print b)
{
    return a.high == b.high && a.low == b.low;
}

static size_t home_of(const keys *self, key_print print)
{
    return print.low & (self->capacity - 1);
}

/* The print's slot, or the free one where it would stand. */
static size_t find(const keys *self, key_print print)
{
    size_t at = home_of(self, print);

    while (self->slots[at].high && !same(self->slots[at], print))
        at = (at + 1) & (self->capacity - 1);
    return at;
}

static int grow(keys *self)
{
    keys larger = {NULL, self->capacity ? self->capacity * 2 : LEAST, self->count};

    larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < self->capacity; i++)
        if (self->slots[i].high)
            larger.slots[find(&larger, self->slots[i])] = self->slots[i];
    free(self->slots);
    *self = larger;
    return 0;
}

int keys_add(keys *self, key_print print)
{
    if (keys_has(self, print))
        return -EEXIST;
    if ((self->count + 1) * 4 > self->capacity * 3 && grow(self) != 0)
        return -ENOMEM;
    self->slots[find(self, print)] = print;
    self->count++;
    return 0;
}

bool keys_has(const keys *self, key_print print)
{
    return self->count > 0 && self->slots[find(self, print)].high;
}

void keys_remove(keys *self, key_print print)
{
    const size_t mask = self->capacity - 1;
    size_t hole, at;

    if (!keys_has(self, print))
        return;
    self->count--;
    hole = find(self, print);
    /* Whoever had to stand behind it, and may stand in its place, moves up. */
    for (at = (hole + 1) & mask; self->slots[at].high; at = (at + 1) & mask) {
        size_t home = home_of(self, self->slots[at]);

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            self->slots[hole] = self->slots[at];
            hole = at;
        }
    }
    self->slots[hole] = (key_print){0, 0};
    if (self->count == 0 && self->capacity > LEAST)
        keys_done(self);
}

void keys_done(keys *self)
{
    free(self->slots);
    *self = (keys){NULL, 0, 0};
}
