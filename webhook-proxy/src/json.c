/* json.c - one pass over the text, nodes in one array, strings decoded in place.
 * Owns a copy of the text and the array. Any thread.
 * Invariant: a decoded string is never longer than its source, so writing never passes reading. */
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_NAMES = 12 };

typedef struct parser {
    json_document *document;
    char *at, *end, *start;
    unsigned depth;
    const char *error;
    bool no_memory;
} parser;

static bool fail(parser *p, const char *reason)
{
    if (p->error == NULL)
        p->error = reason;
    return false;
}

static void skip_space(parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

static bool take(parser *p, char c)
{
    if (p->at < p->end && *p->at == c) {
        p->at++;
        return true;
    }
    return false;
}

static bool new_node(parser *p, uint32_t *ret)
{
    json_document *d = p->document;

    if (d->count == d->capacity) {
        size_t capacity = d->capacity ? d->capacity * 2 : 64;
        json_node *nodes = realloc(d->nodes, capacity * sizeof(*nodes));

        if (nodes == NULL) {
            p->no_memory = true;
            return fail(p, "out of memory");
        }
        d->nodes = nodes;
        d->capacity = capacity;
    }
    *ret = (uint32_t)d->count;
    memset(&d->nodes[d->count++], 0, sizeof(json_node));
    return true;
}

/* ---- strings ---- */

/* Length of the UTF-8 sequence at `s`, 0 if it is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    uint32_t point = s[0] & (0x7fu >> length);

    if (length == 1)
        return 1;
    if (length == 0 || s[0] > 0xf4 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (s[i] & 0x3fu);
    }
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    return length;
}

static char *put_utf8(char *out, uint32_t point)
{
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xc0 | point >> 6);
        *out++ = (char)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *out++ = (char)(0xe0 | point >> 12);
        *out++ = (char)(0x80 | (point >> 6 & 0x3f));
        *out++ = (char)(0x80 | (point & 0x3f));
    } else {
        *out++ = (char)(0xf0 | point >> 18);
        *out++ = (char)(0x80 | (point >> 12 & 0x3f));
        *out++ = (char)(0x80 | (point >> 6 & 0x3f));
        *out++ = (char)(0x80 | (point & 0x3f));
    }
    return out;
}

/* Four hex digits at `at`; -1 if they are not. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* After "\u". A lone surrogate, which is no character, becomes U+FFFD. */
static bool read_unicode(parser *p, char **out)
{
    int32_t high = hex4(p->at, p->end), low;

    if (high < 0)
        return fail(p, "a bad \\u escape");
    p->at += 4;
    if (high >= 0xd800 && high <= 0xdbff && p->end - p->at >= 6 && p->at[0] == '\\' &&
        p->at[1] == 'u') {
        low = hex4(p->at + 2, p->end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            p->at += 6;
            *out = put_utf8(*out,
                            0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
            return true;
        }
    }
    *out = put_utf8(*out, high >= 0xd800 && high <= 0xdfff ? 0xfffd : (uint32_t)high);
    return true;
}

static bool read_escape(parser *p, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found;

    p->at++;
    if (p->at >= p->end)
        return fail(p, "the text ends in a string");
    if (take(p, 'u'))
        return read_unicode(p, out);
    found = *p->at ? strchr(from, *p->at) : NULL;
    if (found == NULL)
        return fail(p, "an unknown escape");
    p->at++;
    *(*out)++ = to[found - from];
    return true;
}

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

/* At the opening quote. */
static bool read_string(parser *p, const char **ret, size_t *ret_size)
{
    char *out = ++p->at, *start = out;

    while (p->at < p->end && *p->at != '"') {
        unsigned char c = (unsigned char)*p->at;
        size_t length;

        if (is_plain(c)) {
            *out++ = (char)c; /* one of many, mostly where it stands already */
            p->at++;
            continue;
        }

        if (c == '\\') {
            if (!read_escape(p, &out))
                return false;
            continue;
        }
        if (c < ' ')
            return fail(p, "a control character in a string");
        length = utf8_length((const unsigned char *)p->at, (size_t)(p->end - p->at));
        if (length == 0)
            return fail(p, "not UTF-8");
        memmove(out, p->at, length);
        out += length;
        p->at += length;
    }
    if (!take(p, '"'))
        return fail(p, "the text ends in a string");
    *ret = start;
    *ret_size = (size_t)(out - start);
    return true;
}

/* ---- numbers and words ---- */

static size_t skip_digits(parser *p)
{
    char *from = p->at;

    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return (size_t)(p->at - from);
}

static bool read_number(parser *p)
{
    bool zero;

    take(p, '-');
    zero = p->at < p->end && *p->at == '0';
    if (zero)
        p->at++;
    else if (skip_digits(p) == 0)
        return fail(p, "not a value");
    if (take(p, '.') && skip_digits(p) == 0)
        return fail(p, "a bad number");
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+'))
            take(p, '-');
        if (skip_digits(p) == 0)
            return fail(p, "a bad number");
    }
    if (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        return fail(p, "a bad number");
    return true;
}

static bool read_scalar(parser *p, uint32_t index)
{
    static const struct {
        const char *word;
        json_type type;
    } words[] = {{"null", JSON_NULL}, {"true", JSON_BOOL}, {"false", JSON_BOOL}};
    json_node *node = &p->document->nodes[index];
    const char *start = p->at;

    node->type = JSON_NUMBER;
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(words[i].word);

        if ((size_t)(p->end - p->at) >= length && memcmp(p->at, words[i].word, length) == 0) {
            p->at += length;
            node->type = words[i].type;
        }
    }
    if (p->at == start && !read_number(p))
        return false;
    node->text = start;
    node->size = (size_t)(p->at - start);
    return true;
}

/* ---- arrays and objects ---- */

static bool read_value(parser *p, uint32_t index);

static int compare_names(const void *a, const void *b)
{
    const json_node *x = *(json_node *const *)a, *y = *(json_node *const *)b;
    size_t common = x->name_size < y->name_size ? x->name_size : y->name_size;
    int order = common ? memcmp(x->name, y->name, common) : 0;

    return order ? order : (x->name_size > y->name_size) - (x->name_size < y->name_size);
}

/* For a few members: each with each. */
static bool few_names_differ(parser *p, const json_node *object)
{
    const json_node *nodes = p->document->nodes;

    for (uint32_t i = object->first; i; i = nodes[i].next)
        for (uint32_t k = nodes[i].next; k; k = nodes[k].next)
            if (nodes[i].name_size == nodes[k].name_size &&
                memcmp(nodes[i].name, nodes[k].name, nodes[i].name_size) == 0)
                return fail(p, "a name occurs twice in an object");
    return true;
}

/* Sorts pointers to the members, so that even a very large object is checked quickly. */
static bool names_differ(parser *p, const json_node *object)
{
    json_node *nodes = p->document->nodes, **sorted;
    uint32_t n = 0;
    bool differ = true;

    if (object->count <= FEW_NAMES)
        return few_names_differ(p, object);
    sorted = malloc(object->count * sizeof(*sorted));
    if (sorted == NULL) {
        p->no_memory = true;
        return fail(p, "out of memory");
    }
    for (uint32_t i = object->first; i; i = nodes[i].next)
        sorted[n++] = &nodes[i];
    qsort(sorted, n, sizeof(*sorted), compare_names);
    for (uint32_t i = 1; i < n && differ; i++)
        differ = compare_names(&sorted[i - 1], &sorted[i]) != 0;
    free(sorted);
    return differ || fail(p, "a name occurs twice in an object");
}

static bool read_name(parser *p, uint32_t index)
{
    const char *name;
    size_t size;

    if (p->at >= p->end || *p->at != '"')
        return fail(p, "expected a name");
    if (!read_string(p, &name, &size))
        return false;
    p->document->nodes[index].name = name;
    p->document->nodes[index].name_size = size;
    skip_space(p);
    if (!take(p, ':'))
        return fail(p, "expected ':'");
    skip_space(p);
    return true;
}

/* After '{' or '['. Indices, not pointers: the array may move. */
static bool read_items(parser *p, uint32_t parent, bool object, char close)
{
    uint32_t previous = 0, index;

    skip_space(p);
    if (take(p, close))
        return true;
    do {
        skip_space(p);
        if (!new_node(p, &index))
            return false;
        if (previous)
            p->document->nodes[previous].next = index;
        else
            p->document->nodes[parent].first = index;
        previous = index;
        p->document->nodes[parent].count++;
        if ((object && !read_name(p, index)) || !read_value(p, index))
            return false;
        skip_space(p);
    } while (take(p, ','));
    return take(p, close) || fail(p, "expected ',' or the end of the array or object");
}

static bool read_typed(parser *p, uint32_t index)
{
    json_node *node = &p->document->nodes[index];
    bool object, ok;

    if (p->at >= p->end)
        return fail(p, "the text ends too early");
    if (*p->at == '"') {
        node->type = JSON_STRING;
        return read_string(p, &node->text, &node->size);
    }
    if (*p->at != '{' && *p->at != '[')
        return read_scalar(p, index);
    if (++p->depth > JSON_DEPTH_MAX)
        return fail(p, "nested too deeply");
    object = *p->at++ == '{';
    node->type = object ? JSON_OBJECT : JSON_ARRAY;
    ok = read_items(p, index, object, object ? '}' : ']') &&
         (!object || names_differ(p, &p->document->nodes[index]));
    p->depth--;
    return ok;
}

static bool read_value(parser *p, uint32_t index)
{
    size_t begin = (size_t)(p->at - p->start);
    bool ok = read_typed(p, index);

    p->document->nodes[index].begin = begin;
    p->document->nodes[index].end = (size_t)(p->at - p->start);
    return ok;
}

int json_parse(const char *text, size_t size, json_document *ret, json_error *reterr)
{
    json_document document = {NULL, NULL, 0, 0};
    parser p = {&document, NULL, NULL, NULL, 0, NULL, false};
    uint32_t root;

    document.copy = malloc(size + 1);
    if (document.copy == NULL)
        return -ENOMEM;
    if (size)
        memcpy(document.copy, text, size);
    document.copy[size] = '\0';
    p.at = p.start = document.copy;
    p.end = p.at + size;
    skip_space(&p);
    if (new_node(&p, &root) && read_value(&p, root)) {
        skip_space(&p);
        if (p.at != p.end)
            fail(&p, "text after the value");
    }
    if (p.error) {
        *reterr = (json_error){(size_t)(p.at - p.start), p.error};
        json_done(&document);
        return p.no_memory ? -ENOMEM : -EINVAL;
    }
    *ret = document;
    return 0;
}

void json_done(json_document *document)
{
    free(document->copy);
    free(document->nodes);
    *document = (json_document){NULL, NULL, 0, 0};
}

/* ---- reading ---- */

const json_node *json_root(const json_document *document)
{
    return document->count ? document->nodes : NULL;
}

static const json_node *at_index(const json_document *document, uint32_t index)
{
    return index ? &document->nodes[index] : NULL;
}

const json_node *json_first(const json_document *document, const json_node *node)
{
    return node ? at_index(document, node->first) : NULL;
}

const json_node *json_next(const json_document *document, const json_node *node)
{
    return node ? at_index(document, node->next) : NULL;
}

const json_node *json_member(const json_document *document, const json_node *object,
                             const char *name)
{
    size_t size = strlen(name);

    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    for (const json_node *m = json_first(document, object); m; m = json_next(document, m))
        if (m->name_size == size && memcmp(m->name, name, size) == 0)
            return m;
    return NULL;
}

bool json_is_id(const json_node *node)
{
    return node && (node->type == JSON_STRING || node->type == JSON_NUMBER) && node->size > 0;
}

bool json_is_string(const json_node *node, const char *text)
{
    return node && node->type == JSON_STRING && node->size == strlen(text) &&
           memcmp(node->text, text, node->size) == 0;
}

bool json_is_utf8(const char *text, size_t size)
{
    for (size_t i = 0, length; i < size; i += length) {
        length = utf8_length((const unsigned char *)text + i, size - i);
        if (length == 0)
            return false;
    }
    return true;
}
