/* json_parse.c - JSON text to values, in one pass over the text.
 *
 * One thread for each parse; nothing shared. A finished string is copied once,
 * from the text to its place. Children wait on a stack until their container
 * ends, then move into one block; no node is allocated alone.
 * Invariant: frames[i].start is where the children of open container i begin. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "error_internal.h"
#include "json_number.h"
#include "json_scan.h"
#include "utf8.h"
#include "value_tree.h"

enum {
    KEY_SLOTS = 128, /* a power of two */
    FIRST_ITEMS = 256,
    VALUE_SIZE_MAX = 32 << 20
};

/* A name seen before, and what came with it: documents of a table repeat their shape,
 * so the name after this one is guessed first, and the first name of an object below. */
typedef struct known_key {
    cvx_key key;         /* NULL: none, which only known[0] is */
    cvx_key next_key;    /* what known[next] was then */
    uint8_t next, child; /* places in `known` */
    bool next_is_greater;
    bool plain; /* there is one, and the text spells it without escapes */
} known_key;

/* The names that the frames of the sync protocol begin with, in the order in which its server sends
 * them: in a text with an envelope they are known beforehand, and neither read letter by letter nor
 * stored. Another order costs time, and nothing else. */
enum {
    TYPE = 1,
    START_VERSION,
    QUERY_SET,
    IDENTITY,
    TS,
    END_VERSION,
    MODIFICATIONS,
    CHANGE_TYPE,
    QUERY_ID,
    VALUE,
    LOG_LINES,
    JOURNAL,
    FRAME_KEYS
};

#define FRAME_KEY(name)                                                                            \
    {                                                                                              \
        sizeof(name) - 1, name                                                                     \
    }
static const struct frame_key { /* text is a cvx_key */
    uint32_t len;
    char text[16];
} frame_keys[FRAME_KEYS] = {
    [TYPE] = FRAME_KEY("type"),
    [START_VERSION] = FRAME_KEY("startVersion"),
    [QUERY_SET] = FRAME_KEY("querySet"),
    [IDENTITY] = FRAME_KEY("identity"),
    [TS] = FRAME_KEY("ts"),
    [END_VERSION] = FRAME_KEY("endVersion"),
    [MODIFICATIONS] = FRAME_KEY("modifications"),
    [CHANGE_TYPE] = FRAME_KEY("type"),
    [QUERY_ID] = FRAME_KEY("queryId"),
    [VALUE] = FRAME_KEY("value"),
    [LOG_LINES] = FRAME_KEY("logLines"),
    [JOURNAL] = FRAME_KEY("journal"),
};
static_assert(offsetof(struct frame_key, text) == sizeof(uint32_t), "the length lies before it");

#define KNOWN(at, following, below, greater)                                                       \
    [at] = {.key = frame_keys[at].text,                                                            \
            .next_key = frame_keys[following].text,                                                \
            .next = (following),                                                                   \
            .child = (below),                                                                      \
            .next_is_greater = (greater),                                                          \
            .plain = true}
#define KNOWN_LAST(at, below) [at] = {.key = frame_keys[at].text, .child = (below), .plain = true}
static const known_key frame_start[FRAME_KEYS] = {
    KNOWN(TYPE, START_VERSION, 0, false),
    KNOWN(START_VERSION, END_VERSION, QUERY_SET, false),
    KNOWN(QUERY_SET, IDENTITY, 0, false),
    KNOWN(IDENTITY, TS, 0, true),
    KNOWN_LAST(TS, 0),
    KNOWN(END_VERSION, MODIFICATIONS, QUERY_SET, true),
    KNOWN_LAST(MODIFICATIONS, CHANGE_TYPE),
    KNOWN(CHANGE_TYPE, QUERY_ID, 0, false),
    KNOWN(QUERY_ID, VALUE, 0, true),
    KNOWN(VALUE, LOG_LINES, 0, false),
    KNOWN(LOG_LINES, JOURNAL, 0, false),
    KNOWN_LAST(JOURNAL, 0),
};

typedef struct frame {
    size_t start;
    const char *opened; /* in the text */
    cvx_key key;        /* of the field being read */
    uint8_t place;      /* of that key in `known` */
    uint8_t *first;     /* the guess for the first name of an object here */
    bool object, sorted;
    bool tagged; /* a name starts with $ */
} frame;

typedef struct parser {
    const char *text, *p, *end;
    bool encoded;
    unsigned max_depth, depth;
    unsigned envelope; /* levels whose counts are not limited */
    cvx_writer w;
    /* What went wrong, where; `fault` stays NULL when memory was short. */
    convex_status status;
    const char *fault, *fault_at;
    /* So that each name is stored about once; in the order of their coming, so that a short text
     * touches little memory. */
    uint8_t slots[KEY_SLOTS]; /* by hash: a place in `known`; 0: none yet */
    unsigned known_count;
    uint8_t top_first;
    known_key known[FRAME_KEYS + KEY_SLOTS];
    cvx_item first_items[FIRST_ITEMS];
    frame frames[CVX_DEPTH_MAX + 2];
} parser;

static bool fail(parser *p, convex_status status, const char *at, const char *fault)
{
    p->status = status;
    p->fault_at = at;
    p->fault = fault;
    return false;
}

static bool fail_memory(parser *p)
{
    return fail(p, CONVEX_ENOMEM, p->p, "out of memory");
}

static inline void skip_space(parser *p)
{
    while (p->p < p->end && (unsigned char)*p->p <= ' ' &&
           (*p->p == ' ' || *p->p == '\n' || *p->p == '\r' || *p->p == '\t'))
        p->p++;
}

/* ---- room ---- */

/* Sizes the next chunk from what the text so far needed. */
static void predict(parser *p)
{
    if (p->w.tree == NULL)
        return;
    double consumed = (double)(p->p - p->text) + 1;
    double stored = (double)p->w.stored + (double)p->w.count * sizeof(cvx_item);
    double rest = (double)(p->end - p->p) * stored / consumed;
    p->w.next_size = (size_t)(rest * 1.05) + 256;
}

static bool room_is_short(const parser *p, size_t len)
{
    return (size_t)(p->w.high - p->w.low) < len;
}

/* ---- strings ---- */

/* Writes the text between the quotes, of which *len bytes come out. */
static bool unquote(parser *p, const cvx_span *span, char *out, size_t *len)
{
    const char *bad = cvx_json_unescape(span->start, span->end, out, len);
    if (bad != NULL)
        return fail(p, CONVEX_EINVAL, bad, "bad escape or lone surrogate in a string");
    return true;
}

static bool check_utf8(parser *p, const cvx_span *span)
{
    size_t len = (size_t)(span->end - span->start);
    size_t valid = cvx_utf8_valid_prefix(span->start, len);
    return valid == len || fail(p, CONVEX_EINVAL, span->start + valid, "invalid UTF-8");
}

/* Reads past the string that starts at the quote p->p. */
static bool scan_string(parser *p, cvx_span *span)
{
    const char *after = cvx_json_scan(p->p + 1, p->end, span);
    if (after == NULL) {
        const char *fault =
            span->end == p->end ? "the text ends within a string" : "control character in a string";
        return fail(p, CONVEX_EINVAL, span->end, fault);
    }
    p->p = after;
    return !span->non_ascii || check_utf8(p, span);
}

static bool read_string(parser *p, convex_value *v)
{
    cvx_span span;
    if (!scan_string(p, &span))
        return false;
    size_t len = (size_t)(span.end - span.start);
    if (room_is_short(p, len + 16))
        predict(p);
    char *room = cvx_writer_text_room(&p->w, len);
    if (room == NULL)
        return fail_memory(p);
    if (!span.escaped)
        memcpy(room, span.start, len);
    else if (!unquote(p, &span, room, &len))
        return false;
    *v = cvx_writer_text(&p->w, room, len, CONVEX_STRING);
    return true;
}

/* ---- names ---- */

static size_t key_slot(const char *name, size_t len)
{
    uint64_t first = 0, last = 0;
    if (len >= 8) {
        memcpy(&first, name, 8);
        memcpy(&last, name + len - 8, 8);
    } else {
        for (size_t i = 0; i < len; i++)
            first = first << 8 | (unsigned char)name[i];
    }
    uint64_t hash = (first ^ (last << 17 | last >> 47) ^ len) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 40) & (KEY_SLOTS - 1);
}

/* Convex's rules for field names, less the one about $, which needs the whole object. */
static bool check_name(parser *p, const char *at, const char *name, size_t len)
{
    if (!p->encoded)
        return true;
    if (len > CVX_LIMIT_NAME)
        return fail(p, CONVEX_ELIMIT, at, "a field name is longer than 1024 bytes");
    for (size_t i = 0; i < len; i++) {
        if (name[i] < 0x20 || name[i] > 0x7e)
            return fail(p, CONVEX_EINVAL, at, "a field name is not printable ASCII");
    }
    return true;
}

/* `at` is where the name is in the text; `plain` when it is `name` itself. */
static bool store_key(parser *p, const char *at, const char *name, size_t len, bool plain,
                      uint8_t *ret)
{
    uint8_t *slot = &p->slots[key_slot(name, len)];
    if (*slot == 0) {
        *slot = (uint8_t)p->known_count++;
        p->known[*slot] = (known_key){.key = NULL};
    }
    *ret = *slot;
    known_key *known = &p->known[*slot];
    if (known->key != NULL && cvx_key_len(known->key) == len &&
        memcmp(known->key, name, len) == 0) {
        known->plain |= plain;
        return true;
    }
    if (!check_name(p, at, name, len))
        return false;
    if (room_is_short(p, len + 16))
        predict(p);
    *known = (known_key){.key = cvx_writer_key(&p->w, name, len), .plain = plain};
    return known->key != NULL || fail_memory(p);
}

static bool store_escaped_key(parser *p, const cvx_span *span, uint8_t *ret)
{
    size_t len = (size_t)(span->end - span->start);
    char *name = cvx_alloc(&p->w.mem, len + 1);
    if (name == NULL)
        return fail_memory(p);
    bool ok = unquote(p, span, name, &len) && store_key(p, span->start, name, len, false, ret);
    cvx_free(&p->w.mem, name);
    return ok;
}

static inline uint64_t word_at(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint32_t half_at(const char *p)
{
    uint32_t half;
    memcpy(&half, p, sizeof half);
    return half;
}

/* Of names, most of which are shorter than a call of memcmp() is worth. */
static inline bool same_bytes(const char *a, const char *b, size_t len)
{
    if (len >= 8) { /* by words, of which the last two may overlap */
        for (size_t i = 0; i < len - 8; i += 8) {
            if (word_at(a + i) != word_at(b + i))
                return false;
        }
        return word_at(a + len - 8) == word_at(b + len - 8);
    }
    if (len >= 4)
        return half_at(a) == half_at(b) && half_at(a + len - 4) == half_at(b + len - 4);
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i])
            return false;
    }
    return true;
}

/* Takes the name at the quote p->p when it is the one guessed. The order of two names is
 * then known too, unless another name has taken the place of the one before. */
static bool guess_key(parser *p, frame *f)
{
    const known_key *before = &p->known[f->place];
    uint8_t place = f->key == NULL ? *f->first : before->next;
    const known_key *guess = &p->known[place];
    if (f->key != NULL && (before->key != f->key || before->next_key != guess->key))
        return false;
    if (!guess->plain)
        return false;
    size_t len = cvx_key_len(guess->key);
    const char *text = p->p + 1;
    if ((size_t)(p->end - text) <= len || text[len] != '"' || !same_bytes(text, guess->key, len))
        return false;
    f->sorted &= f->key == NULL || before->next_is_greater;
    f->place = place;
    f->key = guess->key;
    p->p = text + len + 1;
    return true;
}

static bool learn_key(parser *p, frame *f)
{
    cvx_span span;
    uint8_t place = 0;
    if (!scan_string(p, &span))
        return false;
    size_t len = (size_t)(span.end - span.start);
    if (!(span.escaped ? store_escaped_key(p, &span, &place)
                       : store_key(p, span.start, span.start, len, true, &place)))
        return false;
    cvx_key key = p->known[place].key;
    if (f->key == NULL) {
        *f->first = place;
    } else {
        known_key *before = &p->known[f->place];
        bool greater = cvx_key_compare(f->key, key) < 0;
        f->sorted &= greater;
        if (before->key == f->key) {
            before->next = place;
            before->next_key = key;
            before->next_is_greater = greater;
        }
    }
    f->place = place;
    f->key = key;
    return true;
}

/* Reads `"name" :` of the innermost object. */
static bool read_key(parser *p)
{
    frame *f = &p->frames[p->depth - 1];
    skip_space(p);
    if (p->p == p->end || *p->p != '"')
        return fail(p, CONVEX_EINVAL, p->p, "expected a field name in double quotes");
    if (!guess_key(p, f) && !learn_key(p, f))
        return false;
    f->tagged |= f->key[0] == '$';
    skip_space(p);
    if (p->p == p->end || *p->p != ':')
        return fail(p, CONVEX_EINVAL, p->p, "expected a colon");
    p->p++;
    return true;
}

/* ---- tags ---- */

static bool decode_eight(const convex_value *v, uint64_t *ret)
{
    uint8_t bytes[CVX_BASE64_DECODED(12)];
    size_t len = cvx_len(v), n = 0;
    if (len != 12 || !cvx_base64_decode(v->u.text, len, bytes, &n) || n != 8)
        return false;
    *ret = 0;
    for (int i = 7; i >= 0; i--)
        *ret = *ret << 8 | bytes[i];
    return true;
}

/* The text of the payload is given back when nothing was stored after it. */
static void drop_text(parser *p, const convex_value *v)
{
    size_t size = cvx_len(v) + 1;
    if (v->u.text + size == p->w.low) {
        p->w.low -= size;
        p->w.stored -= size;
    }
}

static bool decode_integer(parser *p, convex_value *v)
{
    uint64_t bits;
    if (!decode_eight(v, &bits))
        return false;
    drop_text(p, v);
    *v = (convex_value){.tag = CONVEX_INT64, .u.i = (int64_t)bits};
    return true;
}

/* Only for what a JSON number cannot say: NaN, the infinities, -0. */
static bool decode_float(parser *p, convex_value *v)
{
    uint64_t bits;
    const uint64_t exponent = UINT64_C(0x7ff) << 52, minus_zero = UINT64_C(1) << 63;
    if (!decode_eight(v, &bits) || ((bits & exponent) != exponent && bits != minus_zero))
        return false;
    drop_text(p, v);
    *v = (convex_value){.tag = CONVEX_FLOAT64};
    memcpy(&v->u.f, &bits, sizeof bits);
    return true;
}

static bool decode_bytes(parser *p, convex_value *v)
{
    /* Decoded where it lies: this tree is still ours to write. */
    char *text = (char *)(uintptr_t)v->u.text;
    size_t len = 0;
    if (!cvx_base64_decode(text, cvx_len(v), text, &len))
        return false;
    if (text + cvx_len(v) + 1 == p->w.low) {
        *v = cvx_writer_text(&p->w, text, len, CONVEX_BYTES);
        return true;
    }
    text[len] = '\0';
    if (len >= CVX_LONG)
        memcpy(text - sizeof len, &len, sizeof len);
    v->tag = CONVEX_BYTES | (len >= CVX_LONG ? CVX_LONG : (uint32_t)len) << 8;
    return true;
}

static const struct {
    const char *name;
    bool (*decode)(parser *p, convex_value *v);
    const char *fault;
} tags[] = {
    {"$integer", decode_integer, "$integer needs the base64 of exactly 8 bytes"},
    {"$float", decode_float, "$float needs the base64 of NaN, an infinity or -0"},
    {"$bytes", decode_bytes, "$bytes needs standard padded base64"},
};

/* The object with a name in $ that is being closed: a tagged scalar, or an error. */
static bool close_tag(parser *p, const frame *f, convex_value *v)
{
    if (!f->sorted)
        cvx_writer_sort(&p->w, f->start);
    const cvx_item *item = &p->w.items[f->start];
    if (p->w.count - f->start == 1) {
        for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
            if (strcmp(item->key, tags[i].name) != 0)
                continue;
            *v = item->node;
            if (cvx_type(v) != CONVEX_STRING || !tags[i].decode(p, v))
                return fail(p, CONVEX_EINVAL, f->opened, tags[i].fault);
            p->w.count = f->start;
            return true;
        }
    }
    return fail(p, CONVEX_EINVAL, f->opened, "a field name starts with $");
}

/* ---- containers ---- */

static bool open_container(parser *p, bool object)
{
    /* One level more than allowed may turn out to be a tag, which is no level. */
    unsigned allowed = p->max_depth + (object && p->encoded ? 1 : 0);
    if (p->depth >= allowed)
        return fail(p, CONVEX_ELIMIT, p->p, "nested too deeply");
    const frame *up = p->depth > 0 ? &p->frames[p->depth - 1] : NULL;
    uint8_t *first = up == NULL ? &p->top_first : up->first;
    if (up != NULL && up->object)
        first = &p->known[up->place].child;
    p->frames[p->depth++] = (frame){
        .start = p->w.count, .opened = p->p, .first = first, .object = object, .sorted = true};
    p->p++;
    return true;
}

static bool check_container(parser *p, const frame *f)
{
    if (!p->encoded)
        return true;
    if (p->depth > p->max_depth)
        return fail(p, CONVEX_ELIMIT, f->opened, "nested too deeply");
    size_t count = p->w.count - f->start;
    if (count > (f->object ? CVX_LIMIT_FIELDS : CVX_LIMIT_ITEMS) && p->depth > p->envelope)
        return fail(p, CONVEX_ELIMIT, f->opened,
                    f->object ? "an object has more than 1024 fields"
                              : "an array has more than 8192 items");
    return true;
}

/* Ends the innermost container, whose closing bracket was just read. */
static bool close_container(parser *p, convex_value *v)
{
    frame *f = &p->frames[p->depth - 1];
    if (f->tagged && p->encoded) {
        if (!close_tag(p, f, v))
            return false;
    } else {
        if (!f->sorted)
            cvx_writer_sort(&p->w, f->start);
        if (!check_container(p, f))
            return false;
        if (room_is_short(p, (p->w.count - f->start) * sizeof(cvx_item) + 64))
            predict(p);
        if (!cvx_writer_close(&p->w, f->start, f->object, true, v))
            return fail_memory(p);
    }
    p->depth--;
    return true;
}

/* ---- the grammar ---- */

static bool read_word(parser *p, const char *word, convex_value node, convex_value *v)
{
    size_t len = strlen(word);
    if ((size_t)(p->end - p->p) < len || memcmp(p->p, word, len) != 0)
        return fail(p, CONVEX_EINVAL, p->p, "expected a value");
    p->p += len;
    *v = node;
    return true;
}

static bool read_number(parser *p, convex_value *v)
{
    const char *after = NULL;
    *v = (convex_value){.tag = CONVEX_FLOAT64};
    switch (cvx_number_parse(p->p, p->end, &p->w.mem, &v->u.f, &after)) {
    case CVX_NUMBER_OK:
        p->p = after;
        return true;
    case CVX_NUMBER_NO_MEMORY:
        return fail_memory(p);
    case CVX_NUMBER_TOO_LARGE:
        return fail(p, CONVEX_EINVAL, p->p, "a number is too large for a float64");
    case CVX_NUMBER_MALFORMED:
        break;
    }
    bool number = *p->p == '-' || (*p->p >= '0' && *p->p <= '9');
    return fail(p, CONVEX_EINVAL, p->p, number ? "malformed number" : "expected a value");
}

/* Opens a container and reads up to its first child; *complete when it has none. */
static bool begin_container(parser *p, convex_value *v, bool *complete)
{
    bool object = *p->p == '{';
    if (!open_container(p, object))
        return false;
    skip_space(p);
    if (p->p < p->end && *p->p == (object ? '}' : ']')) {
        p->p++;
        *complete = true;
        return close_container(p, v);
    }
    *complete = false;
    return !object || read_key(p);
}

static bool begin_value(parser *p, convex_value *v, bool *complete)
{
    skip_space(p);
    if (p->p == p->end)
        return fail(p, CONVEX_EINVAL, p->p, "the text ends where a value should be");
    *complete = true;
    switch (*p->p) {
    case '"':
        return read_string(p, v);
    case '{':
    case '[':
        return begin_container(p, v, complete);
    case 't':
        return read_word(p, "true", (convex_value){.tag = CONVEX_BOOLEAN, .u.b = true}, v);
    case 'f':
        return read_word(p, "false", (convex_value){.tag = CONVEX_BOOLEAN}, v);
    case 'n':
        return read_word(p, "null", (convex_value){.tag = CONVEX_NULL}, v);
    default:
        return read_number(p, v);
    }
}

/* Adds a complete child and reads on: to its next sibling, or to the end of the
 * container, which is then the complete value itself. */
static bool continue_container(parser *p, convex_value *v, bool *complete)
{
    frame *f = &p->frames[p->depth - 1];
    if (!cvx_writer_push(&p->w, v, f->object ? f->key : NULL))
        return fail_memory(p);
    skip_space(p);
    char c = p->p < p->end ? *p->p : '\0';
    if (c == ',') {
        p->p++;
        *complete = false;
        return !f->object || read_key(p);
    }
    if (c != (f->object ? '}' : ']'))
        return fail(p, CONVEX_EINVAL, p->p,
                    f->object ? "expected a comma or }" : "expected a comma or ]");
    p->p++;
    *complete = true;
    return close_container(p, v);
}

static bool read_text(parser *p, convex_value *v)
{
    bool complete = false;
    for (;;) {
        if (!begin_value(p, v, &complete))
            return false;
        while (complete && p->depth > 0) {
            if (!continue_container(p, v, &complete))
                return false;
        }
        if (complete)
            break;
    }
    skip_space(p);
    return p->p == p->end || fail(p, CONVEX_EINVAL, p->p, "something follows the value");
}

/* ---- errors ---- */

/* Where the reader stood, such as "modifications[2].value.name". */
static void describe_path(const parser *p, char *ret, size_t size)
{
    size_t len = 0;
    ret[0] = '\0';
    for (unsigned i = 0; i < p->depth && len < size - 1; i++) {
        const frame *f = &p->frames[i];
        size_t children = i + 1 < p->depth ? p->frames[i + 1].start : p->w.count;
        int n;
        if (!f->object)
            n = snprintf(ret + len, size - len, "[%zu]", children - f->start);
        else if (f->key != NULL)
            n = snprintf(ret + len, size - len, "%s%s", len > 0 ? "." : "", f->key);
        else
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    ret[cvx_utf8_whole(ret, strlen(ret))] = '\0';
}

static convex_status report(const parser *p, convex_error *reterr)
{
    char path[256];
    describe_path(p, path, sizeof path);
    return cvx_fail(reterr, p->status, "%s, at %s (byte %zu)", p->fault,
                    path[0] != '\0' ? path : "the top", (size_t)(p->fault_at - p->text));
}

static convex_status finish(parser *p, const convex_value *root, convex_value **ret,
                            convex_error *reterr)
{
    convex_value *top = cvx_writer_finish(&p->w, root);
    if (top == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    /* No text shorter than this can say a value beyond the limit. */
    size_t len = (size_t)(p->end - p->text);
    if (p->encoded && p->envelope == 0 && len > VALUE_SIZE_MAX / 5 &&
        convex_value_size(top) > VALUE_SIZE_MAX) {
        convex_value_unref(top);
        return cvx_fail(reterr, CONVEX_ELIMIT, "the value is larger than 32 MiB");
    }
    *ret = top;
    return CONVEX_OK;
}

static convex_status parse(const char *json, size_t len, convex_format format, unsigned max_depth,
                           const convex_mem *mem, convex_value **ret, convex_error *reterr)
{
    parser p; /* large, and only what is read before it is written gets a first value */
    p.text = p.p = json;
    p.end = json + len;
    p.encoded = format == CONVEX_ENCODED_JSON;
    p.max_depth = max_depth;
    p.envelope = max_depth > CVX_LIMIT_NESTING ? max_depth - CVX_LIMIT_NESTING : 0;
    p.depth = 0;
    p.top_first = p.envelope > 0 ? TYPE : 0;
    p.known_count = p.envelope > 0 ? FRAME_KEYS : 1;
    memcpy(p.known, frame_start, p.known_count * sizeof *p.known);
    memset(p.slots, 0, sizeof p.slots);
    cvx_writer_init(&p.w, mem, len < 4096 ? len * 3 + 160 : len + len / 8, p.first_items,
                    FIRST_ITEMS);
    convex_value root;
    convex_status status =
        read_text(&p, &root) ? finish(&p, &root, ret, reterr) : report(&p, reterr);
    cvx_writer_done(&p.w);
    return status;
}

/* What breaks a rule of Convex's may be a field that a later one of its name replaces: both
 * official sides read JSON first, and look at the values that are left. Rare, and so done in their
 * two steps. */
static convex_status parse_what_is_left(const char *json, size_t len, unsigned max_depth,
                                        const convex_mem *mem, convex_value **ret)
{
    convex_value *plain = NULL;
    char *text = NULL;
    size_t text_len = 0;
    convex_status status = parse(json, len, CONVEX_PLAIN_JSON, CVX_DEPTH_MAX, mem, &plain, NULL);
    if (status == CONVEX_OK)
        status = convex_value_print(plain, CONVEX_PLAIN_JSON, mem, &text, &text_len);
    convex_value_unref(plain);
    if (status == CONVEX_OK)
        status = parse(text, text_len, CONVEX_ENCODED_JSON, max_depth, mem, ret, NULL);
    convex_text_free(text, mem);
    return status;
}

convex_status convex_value_parse(const char *json, size_t len, convex_format format,
                                 unsigned max_depth, const convex_mem *mem, convex_value **ret,
                                 convex_error *reterr)
{
    if (json == NULL || ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no text, or no place for the value");
    if (max_depth == 0)
        max_depth = CVX_LIMIT_NESTING;
    if (max_depth > CVX_DEPTH_MAX)
        return cvx_fail(reterr, CONVEX_EINVAL, "max_depth is above %d", CVX_DEPTH_MAX);
    convex_error error;
    convex_status status = parse(json, len, format, max_depth, mem, ret, &error);
    if (status == CONVEX_OK)
        return CONVEX_OK;
    if (format == CONVEX_ENCODED_JSON && status != CONVEX_ENOMEM) {
        convex_status second = parse_what_is_left(json, len, max_depth, mem, ret);
        if (second == CONVEX_OK)
            return CONVEX_OK;
        if (second == CONVEX_ENOMEM)
            return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    }
    if (reterr != NULL)
        *reterr = error;
    return status;
}
