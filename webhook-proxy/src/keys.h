/* keys.h - a set of keys, to know an event that comes again.
 *
 * Of each key only 128 bits of its SHA-256 are kept: no two keys will ever share them. A set is its
 * owner's to lock; key_print_of() is any thread's. */
#ifndef PROXY_KEYS_H
#define PROXY_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct key_print {
    uint64_t high, low;
} key_print;

/* False: out of memory. */
bool key_print_of(const char *key, key_print *ret);

/* All zero is the empty set. */
typedef struct keys {
    key_print *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
} keys;

/* 0, -EEXIST or -ENOMEM. */
int keys_add(keys *self, key_print print);
bool keys_has(const keys *self, key_print print);
void keys_remove(keys *self, key_print print); /* does nothing if it is not there */
void keys_done(keys *self);                    /* releases the memory; the set is empty then */

#endif
