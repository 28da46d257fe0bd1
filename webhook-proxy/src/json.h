/* json.h - a strict reader of JSON that strangers sent.
 *
 * Refuses what RFC 8259 refuses, and also: text that is not UTF-8, objects with a name twice,
 * nesting deeper than JSON_DEPTH_MAX. Numbers keep their text, so an id of 20 digits stays what it
 * is. A document is immutable after json_parse; any thread may read it. */
#ifndef PROXY_JSON_H
#define PROXY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 64 };

typedef enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} json_type;

typedef struct json_node {
    json_type type;
    const char *text; /* string: decoded, may hold NUL; number, true, false, null: as written */
    size_t size;
    const char *name; /* of a member of an object, decoded */
    size_t name_size;
    uint32_t count;       /* items or members */
    uint32_t first, next; /* indices, 0: none (0 is the root, which is nobody's child) */
    size_t begin, end;    /* where it stands in the text that was parsed, as written */
} json_node;

typedef struct json_document {
    char *copy; /* of the text; strings are decoded in place */
    json_node *nodes;
    size_t count, capacity;
} json_document;

typedef struct json_error {
    size_t offset;
    const char *reason; /* constant */
} json_error;

/* `text` is copied. Returns 0 with *ret to be released by json_done(), -EINVAL with *reterr,
 * -ENOMEM. */
int json_parse(const char *text, size_t size, json_document *ret, json_error *reterr);
void json_done(json_document *document);

/* Navigation; NULL in, NULL out. Borrowed from the document. */
const json_node *json_root(const json_document *document);
const json_node *json_first(const json_document *document, const json_node *node);
const json_node *json_next(const json_document *document, const json_node *node);
const json_node *json_member(const json_document *document, const json_node *object,
                             const char *name);

/* True for a string or number of at least one byte: what an id may be. */
bool json_is_id(const json_node *node);
bool json_is_string(const json_node *node, const char *text);

bool json_is_utf8(const char *text, size_t size);

#endif
