/* random_value.h - values that a validator allows, by chance: out of the spec itself, so that the
 * generated bindings are judged by what they were made from. */
#ifndef RANDOM_VALUE_H
#define RANDOM_VALUE_H

#include "tests/support.h"

typedef struct chance {
    uint64_t seed;
    bool extra; /* objects have a field more than their validator knows */
} chance;

static inline void random_text(chance *c, convex_builder *b)
{
    static const char *const texts[] = {"",           "a",      "caf\xc3\xa9",
                                        "line\nline", "posted", "\xf0\x9f\x8e\xb2"};
    if (draw_below(&c->seed, 8) == 0)
        return convex_builder_string(b, "a\0b", 3);
    convex_builder_cstring(b, texts[draw_below(&c->seed, 6)]);
}

static inline void random_any(chance *c, convex_builder *b, unsigned depth)
{
    size_t count = draw_below(&c->seed, 4);
    switch (draw_below(&c->seed, depth == 0 ? 6 : 8)) {
    case 0:
        return convex_builder_null(b);
    case 1:
        return convex_builder_bool(b, draw_below(&c->seed, 2) == 1);
    case 2:
        return convex_builder_int64(b, (int64_t)draw(&c->seed));
    case 3:
        return convex_builder_float64(b, (double)(int64_t)draw(&c->seed) / 3);
    case 4:
        return random_text(c, b);
    case 5:
        return convex_builder_bytes(b, "\0\1\2", count);
    case 6:
        convex_builder_begin_array(b);
        while (count-- > 0)
            random_any(c, b, depth - 1);
        return convex_builder_end(b);
    default:
        convex_builder_begin_object(b);
        while (count-- > 0) {
            convex_builder_key_n(b, &"xyz"[count], 1);
            random_any(c, b, depth - 1);
        }
        return convex_builder_end(b);
    }
}

static inline void random_value(chance *c, const convex_value *validator, convex_builder *b);

static inline void random_object(chance *c, const convex_value *fields, convex_builder *b)
{
    convex_builder_begin_object(b);
    for (size_t i = 0; i < convex_value_count(fields); i++) {
        const convex_value *field = convex_value_at(fields, i);
        bool optional = false;
        size_t len = 0;
        const char *key = convex_value_key_at(fields, i, &len);
        assert_true(convex_value_bool(convex_value_field(field, "optional"), &optional));
        if (optional && draw_below(&c->seed, 2) == 0)
            continue;
        convex_builder_key_n(b, key, len);
        random_value(c, convex_value_field(field, "fieldType"), b);
    }
    if (c->extra) {
        convex_builder_key(b, "zNewerServersSayThis");
        random_any(c, b, 1);
    }
    convex_builder_end(b);
}

static inline void random_items(chance *c, const convex_value *validator, convex_builder *b)
{
    size_t count = draw_below(&c->seed, 4);
    convex_builder_begin_array(b);
    while (count-- > 0)
        random_value(c, validator, b);
    convex_builder_end(b);
}

static inline void random_record(chance *c, const convex_value *values, convex_builder *b)
{
    size_t count = draw_below(&c->seed, 4);
    convex_builder_begin_object(b);
    while (count-- > 0) {
        convex_builder_key_n(b, &"pqr"[count], 1);
        random_value(c, convex_value_field(values, "fieldType"), b);
    }
    convex_builder_end(b);
}

static inline void random_value(chance *c, const convex_value *validator, convex_builder *b)
{
    const char *type = text_of(validator, "type", NULL);
    const convex_value *value = convex_value_field(validator, "value");
    if (strcmp(type, "any") == 0)
        return random_any(c, b, 2);
    if (strcmp(type, "null") == 0)
        return convex_builder_null(b);
    if (strcmp(type, "boolean") == 0)
        return convex_builder_bool(b, draw_below(&c->seed, 2) == 1);
    if (strcmp(type, "bigint") == 0 || strcmp(type, "commitTs") == 0)
        return convex_builder_int64(b, (int64_t)draw(&c->seed));
    if (strcmp(type, "number") == 0)
        return convex_builder_float64(b, (double)(int64_t)draw(&c->seed) / 7);
    if (strcmp(type, "string") == 0 || strcmp(type, "id") == 0)
        return random_text(c, b);
    if (strcmp(type, "bytes") == 0)
        return convex_builder_bytes(b, "\0\377", draw_below(&c->seed, 3));
    if (strcmp(type, "literal") == 0)
        return convex_builder_value(b, value);
    if (strcmp(type, "array") == 0)
        return random_items(c, value, b);
    if (strcmp(type, "record") == 0)
        return random_record(c, convex_value_field(validator, "values"), b);
    if (strcmp(type, "object") == 0)
        return random_object(c, value, b);
    assert_string_equal(type, "union");
    random_value(c, convex_value_at(value, draw_below(&c->seed, convex_value_count(value))), b);
}

static inline convex_value *finish_value(convex_builder *b)
{
    convex_value *value = NULL;
    assert_int_equal(convex_builder_finish(b, &value, NULL), CONVEX_OK);
    return value;
}

#endif
