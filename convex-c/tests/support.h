/* support.h - what the value tests share: reading files, allocators that fail, chance. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "convex/value.h"

#define TEST(name) static void name(void **state)

/* ---- an allocator that counts, and fails on purpose ---- */

typedef struct failing_mem {
    long left;  /* allocations until one fails; negative: none does */
    long calls; /* allocations so far */
    long live;  /* blocks not released */
} failing_mem;

static inline void *failing_realloc(void *ptr, size_t size, void *user)
{
    failing_mem *m = user;
    if (size == 0) {
        m->live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    m->calls++;
    if (m->left == 0)
        return NULL;
    if (m->left > 0)
        m->left--;
    void *block = realloc(ptr, size);
    m->live += ptr == NULL && block != NULL;
    return block;
}

static inline convex_mem failing(failing_mem *m)
{
    return (convex_mem){failing_realloc, m};
}

/* ---- chance, the same every time ---- */

static inline uint64_t draw(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t draw_below(uint64_t *seed, uint64_t bound)
{
    return draw(seed) % bound;
}

/* ---- files and texts ---- */

static inline char *read_whole(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    text[size] = '\0';
    *len = (size_t)size;
    return text;
}

static inline convex_value *parse_as(const char *json, convex_format format)
{
    convex_value *value = NULL;
    convex_error error = {0};
    if (convex_value_parse(json, strlen(json), format, 0, NULL, &value, &error) != CONVEX_OK)
        fail_msg("%s: %s", json, error.message);
    return value;
}

static inline convex_value *parse(const char *json)
{
    return parse_as(json, CONVEX_ENCODED_JSON);
}

static inline char *print_as(const convex_value *value, convex_format format)
{
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(convex_value_print(value, format, NULL, &text, &len), CONVEX_OK);
    assert_int_equal(strlen(text), len);
    return text;
}

static inline void assert_prints(const convex_value *value, const char *expected)
{
    char *text = print_as(value, CONVEX_ENCODED_JSON);
    assert_string_equal(text, expected);
    convex_text_free(text, NULL);
}

/* A file of test vectors, and one of its texts; both end the test when absent. */
static inline convex_value *read_vectors(const char *path)
{
    size_t len = 0;
    char *text = read_whole(path, &len);
    convex_value *all = NULL;
    convex_error error = {0};
    if (convex_value_parse(text, len, CONVEX_PLAIN_JSON, 0, NULL, &all, &error) != CONVEX_OK)
        fail_msg("%s: %s", path, error.message);
    free(text);
    return all;
}

static inline const char *text_of(const convex_value *object, const char *name, size_t *len)
{
    const char *text = convex_value_string(convex_value_field(object, name), len);
    if (text == NULL)
        fail_msg("no text field %s", name);
    return text;
}

#endif
