/* json_print.c - values as JSON text, in both of Convex's forms.
 * Owns nothing. Any thread. The depth of a tree is bounded, so this recurses. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "json_number.h"
#include "json_scan.h"
#include "text.h"
#include "value_tree.h"

/* What a byte below 0x20, a quote or a backslash is written as; 0: as itself, 1: \u00xx. */
static const char escapes[256] = {
    [0] = 1,  [1] = 1,   [2] = 1,   [3] = 1,    [4] = 1,     [5] = 1,       [6] = 1,
    [7] = 1,  [8] = 'b', [9] = 't', [10] = 'n', [11] = 1,    [12] = 'f',    [13] = 'r',
    [14] = 1, [15] = 1,  [16] = 1,  [17] = 1,   [18] = 1,    [19] = 1,      [20] = 1,
    [21] = 1, [22] = 1,  [23] = 1,  [24] = 1,   [25] = 1,    [26] = 1,      [27] = 1,
    [28] = 1, [29] = 1,  [30] = 1,  [31] = 1,   ['"'] = '"', ['\\'] = '\\',
};

static void add_escape(cvx_text *t, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char escape = escapes[c];
    if (escape == 1) {
        char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        cvx_text_add(t, text, sizeof text);
    } else {
        char text[2] = {'\\', escape};
        cvx_text_add(t, text, sizeof text);
    }
}

static inline void add_char(cvx_text *t, char c)
{
    if (t->capacity - t->len > 1)
        t->data[t->len++] = c;
    else
        cvx_text_add(t, &c, 1);
}

void cvx_text_add_json_string(cvx_text *t, const char *data, size_t len)
{
    const char *end = data + len;
    bool non_ascii = false;
    add_char(t, '"');
    for (;;) {
        const char *clean = data;
        data = cvx_json_skip_plain(data, end, &non_ascii);
        cvx_text_add(t, clean, (size_t)(data - clean));
        if (data == end)
            break;
        add_escape(t, (unsigned char)*data++);
    }
    add_char(t, '"');
}

static void add_base64(cvx_text *t, const void *data, size_t len)
{
    add_char(t, '"');
    char *room = cvx_text_room(t, CVX_BASE64_SIZE(len));
    if (room != NULL)
        t->len += cvx_base64_encode(data, len, room);
    add_char(t, '"');
}

static void add_tagged(cvx_text *t, const char *tag, const void *data, size_t len)
{
    cvx_text_add_str(t, "{\"$");
    cvx_text_add_str(t, tag);
    cvx_text_add_str(t, "\":");
    add_base64(t, data, len);
    cvx_text_add_str(t, "}");
}

static void add_tagged_bits(cvx_text *t, const char *tag, uint64_t bits)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    add_tagged(t, tag, bytes, sizeof bytes);
}

static void add_int64(cvx_text *t, int64_t i, convex_format format)
{
    char text[32];
    if (format == CONVEX_ENCODED_JSON) {
        add_tagged_bits(t, "integer", (uint64_t)i);
        return;
    }
    snprintf(text, sizeof text, "\"%lld\"", (long long)i);
    cvx_text_add_str(t, text);
}

static void add_float64(cvx_text *t, double d, convex_format format)
{
    bool plain = format == CONVEX_PLAIN_JSON;
    if (isfinite(d) && (plain || d != 0 || !signbit(d))) {
        char *room = cvx_text_room(t, CVX_NUMBER_SIZE);
        if (room != NULL)
            t->len += cvx_number_print(d, room);
    } else if (plain) {
        cvx_text_add_str(t, isnan(d) ? "\"NaN\"" : d > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        uint64_t bits;
        memcpy(&bits, &d, sizeof bits);
        add_tagged_bits(t, "float", bits);
    }
}

static void add_array(cvx_text *t, const convex_value *v, convex_format format)
{
    size_t count = cvx_len(v);
    add_char(t, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            add_char(t, ',');
        cvx_text_add_value(t, &v->u.nodes[i], format);
    }
    add_char(t, ']');
}

static void add_object(cvx_text *t, const convex_value *v, convex_format format)
{
    size_t count = cvx_len(v);
    const cvx_key *keys = count > 0 ? cvx_keys(v) : NULL;
    add_char(t, '{');
    for (size_t i = 0; i < count; i++) {
        /* Such a name would be read back as a tag. */
        if (format == CONVEX_ENCODED_JSON && keys[i][0] == '$' && t->status == CONVEX_OK)
            t->status = CONVEX_EINVAL;
        if (i > 0)
            add_char(t, ',');
        cvx_text_add_json_string(t, keys[i], cvx_key_len(keys[i]));
        add_char(t, ':');
        cvx_text_add_value(t, &v->u.nodes[i], format);
    }
    add_char(t, '}');
}

void cvx_text_add_value(cvx_text *t, const convex_value *v, convex_format format)
{
    switch (cvx_type(v)) {
    case CONVEX_NULL:
        cvx_text_add(t, "null", 4);
        break;
    case CONVEX_BOOLEAN:
        cvx_text_add_str(t, v->u.b ? "true" : "false");
        break;
    case CONVEX_INT64:
        add_int64(t, v->u.i, format);
        break;
    case CONVEX_FLOAT64:
        add_float64(t, v->u.f, format);
        break;
    case CONVEX_STRING:
        cvx_text_add_json_string(t, v->u.text, cvx_len(v));
        break;
    case CONVEX_BYTES:
        if (format == CONVEX_PLAIN_JSON)
            add_base64(t, v->u.text, cvx_len(v));
        else
            add_tagged(t, "bytes", v->u.text, cvx_len(v));
        break;
    case CONVEX_ARRAY:
        add_array(t, v, format);
        break;
    case CONVEX_OBJECT:
        add_object(t, v, format);
        break;
    case CONVEX_ABSENT:
        t->status = CONVEX_EINVAL;
        break;
    }
}

convex_status convex_value_print(const convex_value *value, convex_format format,
                                 const convex_mem *mem, char **ret, size_t *len)
{
    if (value == NULL || ret == NULL)
        return CONVEX_EINVAL;
    cvx_text t;
    cvx_text_init(&t, mem);
    cvx_text_add_value(&t, value, format);
    return cvx_text_take(&t, ret, len);
}

void convex_text_free(char *text, const convex_mem *mem)
{
    convex_mem resolved = cvx_mem(mem);
    cvx_free(&resolved, text);
}
