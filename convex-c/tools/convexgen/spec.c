/* spec.c - reading a function-spec. Everything made is in the pool. One thread.
 * Facts: convex 1.48, src/cli/lib/functionSpec.ts and src/values/validators.ts (ValidatorJSON). */
#include "spec.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "unions.h"

typedef struct reader {
    pool *pool;
    spec_error *error;
} reader;

/* One step of the way down; the way back up is the path for the error. */
typedef struct step {
    const struct step *up;
    const char *name;
} step;

static bool read_slot(reader *r, const convex_value *json, const step *at, slot *ret);

/* ---- errors ---- */

static void print_path(FILE *out, const step *at)
{
    if (at == NULL)
        return;
    print_path(out, at->up);
    if (at->up != NULL && at->name[0] != '[' && at->name[0] != '{')
        fputc('.', out);
    fputs(at->name, out);
}

static bool fail(reader *r, const step *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(reader *r, const step *at, const char *format, ...)
{
    va_list args;
    text t;
    text_open(&t);
    print_path(t.file, at);
    fputs(at != NULL ? ": " : "", t.file);
    va_start(args, format);
    vfprintf(t.file, format, args);
    va_end(args);
    snprintf(r->error->message, sizeof r->error->message, "%s", text_take(&t, r->pool, NULL));
    return false;
}

/* ---- validators ---- */

static type *new_type(reader *r, type_kind kind, const char *words)
{
    type *t = pool_take(r->pool, 1, sizeof *t);
    t->kind = kind;
    t->text = words;
    return t;
}

static const char *string_of(const convex_value *json, const char *field)
{
    return convex_value_string(convex_value_field(json, field), NULL);
}

static bool read_literal(reader *r, const convex_value *json, const step *at, slot *ret)
{
    const convex_value *value = convex_value_field(json, "value");
    literal *made = pool_take(r->pool, 1, sizeof *made);
    char *printed = NULL;
    size_t len = 0;
    double number = 0;
    made->value = value;
    convex_type got = convex_value_type(value);
    if (got != CONVEX_STRING && got != CONVEX_FLOAT64 && got != CONVEX_INT64 &&
        got != CONVEX_BOOLEAN)
        return fail(r, at, "a literal of type %s", convex_type_name(got));
    if (convex_value_float64(value, &number) && !(number - number == 0))
        return fail(r, at, "a literal that is no finite number cannot be compared with");
    if (convex_value_print(value, CONVEX_PLAIN_JSON, NULL, &printed, &len) != CONVEX_OK)
        return fail(r, at, "out of memory");
    const char *json_text = pool_copy(r->pool, printed, len);
    convex_text_free(printed, NULL);
    made->text = convex_value_string(value, &made->len);
    if (got == CONVEX_INT64) { /* as TypeScript does: plain JSON has it in quotes */
        made->text = pool_copy(r->pool, json_text + 1, len - 2);
        json_text = pool_print(r->pool, "%sn", made->text);
    }
    if (made->text == NULL)
        made->text = json_text;
    made->len = got == CONVEX_STRING ? made->len : strlen(made->text);
    ret->type = new_type(r, TYPE_LITERAL, json_text);
    ret->type->literals = made;
    ret->type->count = 1;
    return true;
}

static bool read_array(reader *r, const convex_value *json, const step *at, slot *ret)
{
    step down = {at, "[]"};
    slot *item = pool_take(r->pool, 1, sizeof *item);
    if (!read_slot(r, convex_value_field(json, "value"), &down, item))
        return false;
    ret->type = new_type(
        r, TYPE_ARRAY,
        pool_print(r->pool, "Array<%s%s>", item->type->text, item->nullable ? " | null" : ""));
    ret->type->slots = item;
    ret->type->count = 1;
    return true;
}

static bool read_record(reader *r, const convex_value *json, const step *at, slot *ret)
{
    step down = {at, "{}"};
    const convex_value *values = convex_value_field(json, "values");
    slot key = {0}, *value = pool_take(r->pool, 1, sizeof *value);
    bool optional = false;
    if (!read_slot(r, convex_value_field(json, "keys"), &down, &key))
        return false;
    if ((key.type->kind != TYPE_STRING && key.type->kind != TYPE_ID) || key.nullable)
        return fail(r, &down, "the keys of a record must be strings or ids, not %s",
                    key.type->text);
    if (convex_value_bool(convex_value_field(values, "optional"), &optional) && optional)
        return fail(r, &down, "the values of a record cannot be optional");
    if (!read_slot(r, convex_value_field(values, "fieldType"), &down, value))
        return false;
    ret->type = new_type(r, TYPE_RECORD,
                         pool_print(r->pool, "Record<%s, %s%s>", key.type->text, value->type->text,
                                    value->nullable ? " | null" : ""));
    ret->type->key = key.type;
    ret->type->slots = value;
    ret->type->count = 1;
    return true;
}

static bool is_plain_name(const char *name, size_t len)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return len > 0 && (name[0] < '0' || name[0] > '9') && strspn(name, plain) == len;
}

static void put_quoted(FILE *out, const char *words, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%s%c", words[i] == '"' || words[i] == '\\' ? "\\" : "", words[i]);
    fputc('"', out);
}

static const char *object_text(reader *r, const type *t)
{
    text out;
    text_open(&out);
    fputc('{', out.file);
    for (size_t i = 0; i < t->count; i++) {
        const slot *s = &t->slots[i];
        fputs(i > 0 ? "; " : "", out.file);
        if (is_plain_name(s->name, s->name_len))
            fputs(s->name, out.file);
        else
            put_quoted(out.file, s->name, s->name_len);
        fprintf(out.file, "%s: %s%s", s->optional ? "?" : "", s->type->text,
                s->nullable ? " | null" : "");
    }
    fputc('}', out.file);
    return text_take(&out, r->pool, NULL);
}

static bool read_object(reader *r, const convex_value *json, const step *at, slot *ret)
{
    const convex_value *fields = convex_value_field(json, "value");
    if (convex_value_type(fields) != CONVEX_OBJECT)
        return fail(r, at, "an object without its fields");
    type *t = new_type(r, TYPE_OBJECT, NULL);
    t->count = convex_value_count(fields);
    t->slots = pool_take(r->pool, t->count, sizeof *t->slots);
    for (size_t i = 0; i < t->count; i++) {
        slot *s = &t->slots[i];
        const convex_value *field = convex_value_at(fields, i);
        s->name = convex_value_key_at(fields, i, &s->name_len);
        step down = {at, s->name};
        if (!convex_value_bool(convex_value_field(field, "optional"), &s->optional))
            return fail(r, &down, "a field that does not say whether it is optional");
        if (!read_slot(r, convex_value_field(field, "fieldType"), &down, s))
            return false;
    }
    t->text = object_text(r, t);
    ret->type = t;
    return true;
}

static bool read_union(reader *r, const convex_value *json, const step *at, slot *ret)
{
    const convex_value *members = convex_value_field(json, "value");
    members_list list = {.pool = r->pool};
    if (convex_value_type(members) != CONVEX_ARRAY)
        return fail(r, at, "a union without its members");
    for (size_t i = 0; i < convex_value_count(members); i++) {
        slot member = {0};
        step down = {at, pool_print(r->pool, "[member %zu]", i)};
        if (!read_slot(r, convex_value_at(members, i), &down, &member))
            return false;
        members_add(&list, &member);
    }
    if (list.count == 0 && !list.nullable)
        return fail(r, at, "a union of nothing, which no value can have");
    members_join(&list, ret);
    return true;
}

static bool read_id(reader *r, const convex_value *json, const step *at, slot *ret)
{
    const char *table = string_of(json, "tableName");
    if (table == NULL)
        return fail(r, at, "an id without the name of its table");
    ret->type = new_type(r, TYPE_ID, pool_print(r->pool, "Id<\"%s\">", table));
    ret->type->table = table;
    return true;
}

static bool read_slot(reader *r, const convex_value *json, const step *at, slot *ret)
{
    static const struct {
        const char *name;
        bool (*read)(reader *, const convex_value *, const step *, slot *);
        type_kind kind;
        const char *text;
    } kinds[] = {
        {"any", NULL, TYPE_ANY, "any"},
        {"null", NULL, TYPE_NULL, "null"},
        {"boolean", NULL, TYPE_BOOLEAN, "boolean"},
        {"bigint", NULL, TYPE_INT64, "bigint"},
        {"commitTs", NULL, TYPE_INT64, "bigint"}, /* a placeholder only while it is written */
        {"number", NULL, TYPE_FLOAT64, "number"},
        {"string", NULL, TYPE_STRING, "string"},
        {"bytes", NULL, TYPE_BYTES, "ArrayBuffer"},
        {"id", read_id, TYPE_ID, NULL},
        {"array", read_array, TYPE_ARRAY, NULL},
        {"record", read_record, TYPE_RECORD, NULL},
        {"object", read_object, TYPE_OBJECT, NULL},
        {"literal", read_literal, TYPE_LITERAL, NULL},
        {"union", read_union, TYPE_UNION, NULL},
    };
    const char *name = string_of(json, "type");
    if (name == NULL)
        return fail(r, at, "not a validator");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i].name) != 0)
            continue;
        if (kinds[i].read != NULL)
            return kinds[i].read(r, json, at, ret);
        ret->type = new_type(r, kinds[i].kind, kinds[i].text);
        return true;
    }
    return fail(r, at, "unknown kind of validator \"%s\"", name);
}

bool type_is_unit(const type *t)
{
    if (t->kind == TYPE_NULL || t->kind == TYPE_LITERAL)
        return true;
    if (t->kind != TYPE_OBJECT)
        return false;
    for (size_t i = 0; i < t->count; i++)
        if (t->slots[i].optional || t->slots[i].nullable || !type_is_unit(t->slots[i].type))
            return false;
    return true;
}

bool type_has_null(const type *t)
{
    return t->kind == TYPE_ANY || t->kind == TYPE_STRING || t->kind == TYPE_BYTES ||
           t->kind == TYPE_ID;
}

/* ---- functions ---- */

/* "dir/module.js:name" to "dir/module:name"; false for what has no such form. */
static bool read_path(reader *r, const char *identifier, const step *at, const char **ret)
{
    const char *colon = strrchr(identifier, ':');
    if (colon == NULL || colon == identifier || colon[1] == '\0')
        return fail(r, at, "the identifier \"%s\" is not MODULE:NAME", identifier);
    size_t len = (size_t)(colon - identifier);
    const char *dot = len > 3 ? colon - 3 : NULL;
    if (dot != NULL && (memcmp(dot, ".js", 3) == 0 || memcmp(dot, ".ts", 3) == 0))
        len -= 3;
    *ret = pool_print(r->pool, "%.*s%s", (int)len, identifier, colon);
    return true;
}

static bool read_kind(reader *r, const char *kind, const step *at, function_kind *ret)
{
    static const char *const names[] = {"Query", "Mutation", "Action"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(kind, names[i]) == 0) {
            *ret = (function_kind)i;
            return true;
        }
    return fail(r, at, "unknown kind of function \"%s\"", kind);
}

/* A function without a validator: the spec has none, or null, or any. */
static bool read_part(reader *r, const convex_value *json, const char *part, const step *at,
                      slot *ret)
{
    const convex_value *validator = convex_value_field(json, part);
    step down = {at, part};
    convex_type got = convex_value_type(validator);
    if (got == CONVEX_NULL || got == CONVEX_ABSENT) {
        ret->type = new_type(r, TYPE_ANY, "any");
        return true;
    }
    return read_slot(r, validator, &down, ret);
}

static const slot *field_of(const type *t, const char *name)
{
    for (size_t i = 0; t->kind == TYPE_OBJECT && i < t->count; i++)
        if (strcmp(t->slots[i].name, name) == 0)
            return &t->slots[i];
    return NULL;
}

/* As Convex's own clients tell: a query with the pagination options among its arguments, and a page
 * as its result. */
static bool is_paginated(const function *f)
{
    const slot *options = field_of(f->args.type, "paginationOpts");
    const slot *page = field_of(f->returns.type, "page");
    return f->kind == FUNCTION_QUERY && options != NULL && field_of(options->type, "cursor") &&
           field_of(options->type, "numItems") && page != NULL && page->type->kind == TYPE_ARRAY &&
           !page->optional && !page->nullable && !f->returns.nullable;
}

static bool read_function(reader *r, const convex_value *json, const step *at, function *ret)
{
    const char *identifier = string_of(json, "identifier");
    const char *kind = string_of(json, "functionType");
    const char *visibility = string_of(convex_value_field(json, "visibility"), "kind");
    if (identifier == NULL || kind == NULL)
        return fail(r, at, "not a function: no \"identifier\" or no \"functionType\"");
    if (!read_path(r, identifier, at, &ret->path))
        return false;
    step named = {NULL, ret->path};
    ret->internal = visibility != NULL && strcmp(visibility, "internal") == 0;
    if (!read_kind(r, kind, &named, &ret->kind) ||
        !read_part(r, json, "args", &named, &ret->args) ||
        !read_part(r, json, "returns", &named, &ret->returns))
        return false;
    if (ret->args.type->kind != TYPE_ANY && ret->args.type->kind != TYPE_OBJECT &&
        ret->args.type->kind != TYPE_UNION && ret->args.type->kind != TYPE_RECORD)
        return fail(r, &named, "its arguments are no object but %s", ret->args.type->text);
    ret->paginated = is_paginated(ret);
    return true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const function *)a)->path, ((const function *)b)->path);
}

static bool is_wanted(const convex_value *json, bool internal)
{
    const char *kind = string_of(json, "functionType");
    const char *visibility = string_of(convex_value_field(json, "visibility"), "kind");
    if (kind != NULL && strcmp(kind, "HttpAction") == 0)
        return false;
    return internal || visibility == NULL || strcmp(visibility, "internal") != 0;
}

bool spec_read(spec *ret, pool *p, const convex_value *root, bool internal, spec_error *error)
{
    reader r = {p, error};
    const convex_value *functions = convex_value_field(root, "functions");
    if (convex_value_type(functions) != CONVEX_ARRAY)
        return fail(&r, NULL,
                    "not the output of `npx convex function-spec`: no list \"functions\"");
    ret->pool = p;
    ret->functions = pool_take(p, convex_value_count(functions), sizeof *ret->functions);
    ret->count = 0;
    for (size_t i = 0; i < convex_value_count(functions); i++) {
        step at = {NULL, pool_print(p, "functions[%zu]", i)};
        const convex_value *json = convex_value_at(functions, i);
        if (!is_wanted(json, internal))
            continue;
        if (!read_function(&r, json, &at, &ret->functions[ret->count++]))
            return false;
    }
    qsort(ret->functions, ret->count, sizeof *ret->functions, by_path);
    for (size_t i = 1; i < ret->count; i++)
        if (strcmp(ret->functions[i - 1].path, ret->functions[i].path) == 0)
            return fail(&r, NULL, "%s is there twice", ret->functions[i].path);
    return true;
}
