/* text.c - memory and texts of one run; see text.h. One thread. */
#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct piece {
    struct piece *next;
    max_align_t data[];
} piece;

struct pool {
    piece *first;
};

static void out_of_memory(void)
{
    fputs("convexgen: out of memory\n", stderr);
    exit(EXIT_FAILURE);
}

pool *pool_new(void)
{
    pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        out_of_memory();
    return p;
}

void pool_free(pool *p)
{
    for (piece *at = p->first, *next; at != NULL; at = next) {
        next = at->next;
        free(at);
    }
    free(p);
}

void *pool_take(pool *p, size_t count, size_t size)
{
    piece *made = NULL;
    if (size == 0 || count <= (SIZE_MAX - sizeof *made) / size)
        made = calloc(1, sizeof *made + count * size);
    if (made == NULL)
        out_of_memory();
    made->next = p->first;
    p->first = made;
    return made->data;
}

/* Room doubles, so a list of n items takes a handful of pieces. */
void *pool_grow(pool *p, const void *items, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) /* not a power of two: there is room */
        return (void *)(uintptr_t)items;
    void *grown = pool_take(p, count == 0 ? 1 : count * 2, size);
    if (count > 0)
        memcpy(grown, items, count * size);
    return grown;
}

char *pool_copy(pool *p, const char *words, size_t len)
{
    char *copy = pool_take(p, len + 1, 1);
    memcpy(copy, words, len);
    return copy;
}

char *pool_print(pool *p, const char *format, ...)
{
    va_list args;
    text t;
    text_open(&t);
    va_start(args, format);
    vfprintf(t.file, format, args);
    va_end(args);
    return text_take(&t, p, NULL);
}

void text_open(text *t)
{
    *t = (text){0};
    t->file = open_memstream(&t->data, &t->size);
    if (t->file == NULL)
        out_of_memory();
}

char *text_take(text *t, pool *p, size_t *len)
{
    bool failed = ferror(t->file) != 0;
    if (fclose(t->file) != 0 || failed)
        out_of_memory();
    char *copy = pool_copy(p, t->data, t->size);
    if (len != NULL)
        *len = t->size;
    free(t->data);
    return copy;
}

void put_c_string(FILE *out, const char *bytes, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\' || c == '?') /* "??" would be a trigraph */
            fprintf(out, "\\%c", c);
        else if (c >= 0x20 && c < 0x7f)
            fputc(c, out);
        else
            fprintf(out, "\\%03o", c);
    }
    fputc('"', out);
}

void put_comment(FILE *out, const char *words)
{
    for (char before = ' '; *words != '\0'; before = *words++) {
        unsigned char c = (unsigned char)*words;
        if ((c == '/' && before == '*') || (c == '*' && before == '/') ||
            (c == '?' && before == '?'))
            fputc(' ', out);
        if (c < 0x20 || c >= 0x7f)
            fprintf(out, "<%02x>", c);
        else
            fputc(c, out);
    }
}
