/* value.c - reading values, and how they relate.
 * Owns nothing; a finished tree is immutable. Any thread. The depth of a tree is
 * bounded by CVX_DEPTH_MAX, so what walks one may recurse. */
#include "value_tree.h"

#include <string.h>

convex_type convex_value_type(const convex_value *value)
{
    return value == NULL ? CONVEX_ABSENT : cvx_type(value);
}

const char *convex_type_name(convex_type type)
{
    static const char *const names[] = {
        [CONVEX_ABSENT] = "absent",   [CONVEX_NULL] = "null",       [CONVEX_INT64] = "int64",
        [CONVEX_FLOAT64] = "float64", [CONVEX_BOOLEAN] = "boolean", [CONVEX_STRING] = "string",
        [CONVEX_BYTES] = "bytes",     [CONVEX_ARRAY] = "array",     [CONVEX_OBJECT] = "object",
    };
    size_t i = (size_t)type;
    return i < sizeof names / sizeof names[0] ? names[i] : "unknown type";
}

bool convex_value_bool(const convex_value *value, bool *ret)
{
    if (convex_value_type(value) != CONVEX_BOOLEAN)
        return false;
    *ret = value->u.b;
    return true;
}

bool convex_value_int64(const convex_value *value, int64_t *ret)
{
    if (convex_value_type(value) != CONVEX_INT64)
        return false;
    *ret = value->u.i;
    return true;
}

bool convex_value_float64(const convex_value *value, double *ret)
{
    if (convex_value_type(value) != CONVEX_FLOAT64)
        return false;
    *ret = value->u.f;
    return true;
}

const char *convex_value_string(const convex_value *value, size_t *len)
{
    if (convex_value_type(value) != CONVEX_STRING)
        return NULL;
    if (len != NULL)
        *len = cvx_len(value);
    return value->u.text;
}

const uint8_t *convex_value_bytes(const convex_value *value, size_t *len)
{
    if (convex_value_type(value) != CONVEX_BYTES)
        return NULL;
    if (len != NULL)
        *len = cvx_len(value);
    return (const uint8_t *)value->u.text;
}

size_t convex_value_count(const convex_value *value)
{
    convex_type type = convex_value_type(value);
    return type == CONVEX_ARRAY || type == CONVEX_OBJECT ? cvx_len(value) : 0;
}

const convex_value *convex_value_at(const convex_value *value, size_t i)
{
    return i < convex_value_count(value) ? &value->u.nodes[i] : NULL;
}

const char *convex_value_key_at(const convex_value *value, size_t i, size_t *len)
{
    if (convex_value_type(value) != CONVEX_OBJECT || i >= cvx_len(value))
        return NULL;
    cvx_key key = cvx_keys(value)[i];
    if (len != NULL)
        *len = cvx_key_len(key);
    return key;
}

const convex_value *cvx_value_field(const convex_value *value, const char *name, size_t len)
{
    if (convex_value_type(value) != CONVEX_OBJECT || cvx_len(value) == 0)
        return NULL;
    const cvx_key *keys = cvx_keys(value);
    size_t low = 0, high = cvx_len(value);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = (unsigned char)keys[middle][0] - (len > 0 ? (unsigned char)name[0] : 0);
        if (order == 0) /* of most names the first character decides */
            order = cvx_compare_bytes(keys[middle], cvx_key_len(keys[middle]), name, len);
        if (order == 0)
            return &value->u.nodes[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const convex_value *convex_value_field(const convex_value *value, const char *name)
{
    return name == NULL ? NULL : cvx_value_field(value, name, strlen(name));
}

/* The item that "[n]" at *path names; *path is set past it. */
static const convex_value *step_into_array(const convex_value *value, const char **path)
{
    const char *p = *path + 1;
    size_t index = 0;
    if (*p < '0' || *p > '9')
        return NULL;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (index > SIZE_MAX / 10 - 1)
            return NULL;
        index = index * 10 + (size_t)(*p - '0');
    }
    if (*p != ']' || convex_value_type(value) != CONVEX_ARRAY)
        return NULL;
    *path = p + 1;
    return convex_value_at(value, index);
}

const convex_value *convex_value_get(const convex_value *value, const char *path)
{
    if (path == NULL)
        return NULL;
    const char *p = path;
    bool first = true; /* no dot goes before the first name */
    while (value != NULL && *p != '\0') {
        if (*p == '[') {
            value = step_into_array(value, &p);
            first = false;
            continue;
        }
        if (*p == '.' && !first)
            p++;
        first = false;
        size_t len = strcspn(p, ".[");
        value = cvx_value_field(value, p, len);
        p += len;
    }
    return value;
}

bool convex_value_get_bool(const convex_value *value, const char *path, bool fallback)
{
    convex_value_bool(convex_value_get(value, path), &fallback);
    return fallback;
}

int64_t convex_value_get_int64(const convex_value *value, const char *path, int64_t fallback)
{
    convex_value_int64(convex_value_get(value, path), &fallback);
    return fallback;
}

double convex_value_get_float64(const convex_value *value, const char *path, double fallback)
{
    convex_value_float64(convex_value_get(value, path), &fallback);
    return fallback;
}

const char *convex_value_get_string(const convex_value *value, const char *path, size_t *len)
{
    return convex_value_string(convex_value_get(value, path), len);
}

const uint8_t *convex_value_get_bytes(const convex_value *value, const char *path, size_t *len)
{
    return convex_value_bytes(convex_value_get(value, path), len);
}

/* ---- relations ---- */

/* IEEE 754 totalOrder as an order of integers. */
static int64_t total_order(double d)
{
    int64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

static int compare_integers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_containers(const convex_value *a, const convex_value *b)
{
    size_t a_count = cvx_len(a), b_count = cvx_len(b);
    size_t common = a_count < b_count ? a_count : b_count;
    bool object = cvx_type(a) == CONVEX_OBJECT;
    for (size_t i = 0; i < common; i++) {
        int order = object ? cvx_key_compare(cvx_keys(a)[i], cvx_keys(b)[i]) : 0;
        if (order == 0)
            order = convex_value_compare(&a->u.nodes[i], &b->u.nodes[i]);
        if (order != 0)
            return order;
    }
    return (a_count > b_count) - (a_count < b_count);
}

int convex_value_compare(const convex_value *a, const convex_value *b)
{
    convex_type type = convex_value_type(a), other = convex_value_type(b);
    if (a == b)
        return 0;
    if (type != other)
        return type < other ? -1 : 1;
    switch (type) {
    case CONVEX_ABSENT:
    case CONVEX_NULL:
        return 0;
    case CONVEX_INT64:
        return compare_integers(a->u.i, b->u.i);
    case CONVEX_FLOAT64:
        return compare_integers(total_order(a->u.f), total_order(b->u.f));
    case CONVEX_BOOLEAN:
        return a->u.b - b->u.b;
    case CONVEX_STRING:
    case CONVEX_BYTES:
        return cvx_compare_bytes(a->u.text, cvx_len(a), b->u.text, cvx_len(b));
    case CONVEX_ARRAY:
    case CONVEX_OBJECT:
        return compare_containers(a, b);
    }
    return 0;
}

/* The names of two objects found the same. Like objects of one tree share theirs, so that of the
 * next two in a list the addresses tell as much. */
typedef struct same_names {
    const cvx_key *a, *b;
    size_t count;
} same_names;

static bool have_same_names(same_names *known, const convex_value *a, const convex_value *b)
{
    const cvx_key *a_keys = cvx_keys(a), *b_keys = cvx_keys(b);
    size_t count = cvx_len(a);
    if (known->count == count && memcmp(known->a, a_keys, count * sizeof *a_keys) == 0 &&
        memcmp(known->b, b_keys, count * sizeof *b_keys) == 0)
        return true;
    for (size_t i = 0; i < count; i++) {
        if (cvx_key_compare(a_keys[i], b_keys[i]) != 0)
            return false;
    }
    *known = (same_names){a_keys, b_keys, count};
    return true;
}

static bool equal_containers(const convex_value *a, const convex_value *b, same_names *known);

static inline bool equal(const convex_value *a, const convex_value *b, same_names *known)
{
    if (a->tag != b->tag) /* type and length */
        return false;
    switch (cvx_type(a)) {
    case CONVEX_INT64:
    case CONVEX_FLOAT64:
        return a->u.i == b->u.i; /* the bits: 0 is not -0 */
    case CONVEX_BOOLEAN:
        return a->u.b == b->u.b;
    case CONVEX_STRING:
    case CONVEX_BYTES:
        return cvx_len(a) == cvx_len(b) && memcmp(a->u.text, b->u.text, cvx_len(a)) == 0;
    case CONVEX_ARRAY:
    case CONVEX_OBJECT:
        return equal_containers(a, b, known);
    case CONVEX_ABSENT:
    case CONVEX_NULL:
        break;
    }
    return true;
}

/* Of the same type; `known` is of those in the same container. */
static bool equal_containers(const convex_value *a, const convex_value *b, same_names *known)
{
    size_t count = cvx_len(a);
    same_names inside = {.count = 0};
    if (count != cvx_len(b))
        return false;
    if (count > 0 && cvx_type(a) == CONVEX_OBJECT && !have_same_names(known, a, b))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!equal(&a->u.nodes[i], &b->u.nodes[i], &inside))
            return false;
    }
    return true;
}

bool convex_value_equal(const convex_value *a, const convex_value *b)
{
    same_names none = {.count = 0};
    return a == b || (a != NULL && b != NULL && equal(a, b, &none));
}

/* ---- limits ---- */

size_t convex_value_size(const convex_value *value)
{
    size_t size = 2, count = convex_value_count(value);
    switch (convex_value_type(value)) {
    case CONVEX_ABSENT:
        return 0;
    case CONVEX_NULL:
    case CONVEX_BOOLEAN:
        return 1;
    case CONVEX_INT64:
    case CONVEX_FLOAT64:
        return 9;
    case CONVEX_STRING:
    case CONVEX_BYTES:
        return size + cvx_len(value);
    case CONVEX_ARRAY:
    case CONVEX_OBJECT:
        break;
    }
    bool object = cvx_type(value) == CONVEX_OBJECT;
    for (size_t i = 0; i < count; i++) {
        size += object ? cvx_key_len(cvx_keys(value)[i]) + 1 : 0;
        size += convex_value_size(&value->u.nodes[i]);
    }
    return size;
}
