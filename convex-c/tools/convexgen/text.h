/* text.h - memory and texts of one run. A generator is short-lived: what it makes lives in one pool
 * until the end, and memory that cannot be had ends the program with a message. */
#ifndef CONVEXGEN_TEXT_H
#define CONVEXGEN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct pool pool;

pool *pool_new(void);
void pool_free(pool *p);
/* Zeroed; never NULL. */
void *pool_take(pool *p, size_t count, size_t size);
/* Moves `count` items to room for `count + 1`; the old ones stay valid. */
void *pool_grow(pool *p, const void *items, size_t count, size_t size);
char *pool_copy(pool *p, const char *text, size_t len);
char *pool_print(pool *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A growing text to print to; text_take() gives it to the pool. */
typedef struct text {
    FILE *file;
    char *data;
    size_t size;
} text;

void text_open(text *t);
char *text_take(text *t, pool *p, size_t *len); /* `len` may be NULL */

/* A C string literal with its quotes, in ASCII whatever the bytes. */
void put_c_string(FILE *out, const char *bytes, size_t len);
/* Prose within a comment: nothing in it can end the comment, warn, or leave ASCII. */
void put_comment(FILE *out, const char *words);

#endif
