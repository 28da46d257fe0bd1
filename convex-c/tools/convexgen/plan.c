/* plan.c - which C type each shape becomes, and every name. Everything made is in the pool.
 * Invariant: names follow from the path of a shape or from a given name, never from what else is
 * in the spec, so that a new function renames nothing (save where two paths spell one name). */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "names.h"

typedef struct planner {
    plan *plan;
    pool *pool;
    names *scope;
    spec_error *error;
} planner;

static const char *const alone[] = {"", NULL};

/* What the header names after a type, by the type's kind. */
static const char *const plain_names[] = {"", "_list", NULL};
static const char *const id_names[] = {"", "_list", "_of", NULL};
static const char *const enum_names[] = {"", "_list", "_text", "_find", NULL};
static const char *const union_names[] = {"", "_list", "_tag", NULL};
static const char *const record_names[] = {"", "_list", "_entry", NULL};
#define CODEC_NAMES(part) part "_encode", part "_decode", part "_copy", part "_ref", part "_unref"
static const char *const given_names[] = {"",      "_list",         "_tag", "_text",
                                          "_find", CODEC_NAMES(""), NULL};
/* And after a function; its arguments and result have what their kind asks for besides. */
#define ROOT_NAMES(part) part, part "_list", part "_tag", part "_entry", CODEC_NAMES(part)
static const char *const function_names[] = {"",
                                             "_fn",
                                             "_subscribe",
                                             "_set_args",
                                             "_query",
                                             "_mutation",
                                             "_action",
                                             "_http",
                                             "_paginate",
                                             "_pages",
                                             "_pages_fn",
                                             "_local_get",
                                             "_local_set",
                                             ROOT_NAMES("_args"),
                                             ROOT_NAMES("_result"),
                                             "_result_text",
                                             "_result_find",
                                             NULL};

static const char *const *names_after(type_kind kind)
{
    return kind == TYPE_ENUM     ? enum_names
           : kind == TYPE_UNION  ? union_names
           : kind == TYPE_RECORD ? record_names
                                 : plain_names;
}

bool slot_is_pointer(const slot *s)
{
    return (s->optional || s->nullable) && !type_is_unit(s->type) && !type_has_null(s->type);
}

const type *function_page(const function *f)
{
    const type *t = f->returns.type;
    size_t i = 0;
    while (strcmp(t->slots[i].name, "page") != 0)
        i++;
    return t->slots[i].type;
}

bool function_takes_args(const function *f)
{
    return f->args.type->kind == TYPE_ANY || !type_is_unit(f->args.type);
}

static bool fail(const planner *p, const given_name *given, const char *why, const char *what)
{
    snprintf(p->error->message, sizeof p->error->message, "the name %s: %s %s", given->name, why,
             what);
    return false;
}

/* ---- ids ---- */

static id_table *find_id(const plan *p, const char *table)
{
    for (size_t i = 0; i < p->id_count; i++)
        if (strcmp(p->ids[i].table, table) == 0)
            return &p->ids[i];
    return NULL;
}

static void collect_ids(planner *p, const type *t)
{
    if (t->kind == TYPE_ID && find_id(p->plan, t->table) == NULL) {
        p->plan->ids = pool_grow(p->pool, p->plan->ids, p->plan->id_count, sizeof *p->plan->ids);
        p->plan->ids[p->plan->id_count++] = (id_table){.table = t->table};
    }
    if (t->key != NULL)
        collect_ids(p, t->key);
    for (size_t i = 0; t->kind != TYPE_ENUM && t->slots != NULL && i < t->count; i++)
        collect_ids(p, t->slots[i].type);
}

static int by_table(const void *a, const void *b)
{
    return strcmp(((const id_table *)a)->table, ((const id_table *)b)->table);
}

static void plan_ids(planner *p)
{
    plan *made = p->plan;
    for (size_t i = 0; i < made->spec->count; i++) {
        collect_ids(p, made->spec->functions[i].args.type);
        collect_ids(p, made->spec->functions[i].returns.type);
    }
    if (made->id_count > 0)
        qsort(made->ids, made->id_count, sizeof *made->ids, by_table);
    for (size_t i = 0; i < made->id_count; i++) {
        const char *table = made->ids[i].table;
        const char *snake = name_snake(p->pool, table, strlen(table));
        snake += snake[0] == '_'; /* a system table */
        const char *wanted = pool_print(p->pool, "%s_%s_id", made->prefix, snake);
        made->ids[i].c_type = names_claim(p->scope, wanted, id_names);
    }
}

/* ---- names for variants and literals ---- */

static void words_of_variant(const type *u, size_t i, name_wish *ret)
{
    static const char *const words[] = {
        [TYPE_ANY] = "any",       [TYPE_NULL] = "null",       [TYPE_BOOLEAN] = "boolean",
        [TYPE_INT64] = "int64",   [TYPE_FLOAT64] = "float64", [TYPE_STRING] = "string",
        [TYPE_BYTES] = "bytes",   [TYPE_ID] = "id",           [TYPE_ARRAY] = "array",
        [TYPE_RECORD] = "record", [TYPE_OBJECT] = "object",   [TYPE_LITERAL] = "literal",
        [TYPE_ENUM] = "enum",     [TYPE_UNION] = "union",
    };
    const type *t = u->slots[i].type;
    const literal *l = t->kind == TYPE_LITERAL                             ? t->literals
                       : t->kind == TYPE_OBJECT && u->discriminant != NULL ? &u->literals[i]
                                                                           : NULL;
    *ret = (name_wish){.words = l != NULL ? l->text : words[t->kind]};
    ret->len = l != NULL ? l->len : strlen(ret->words);
}

/* `name` below `path`; the underscore that keeps a member from being a reserved word is dropped. */
static char *below(const planner *p, const char *path, const char *name)
{
    size_t len = strlen(name);
    len -= len > 1 && name[len - 1] == '_';
    return pool_print(p->pool, "%s%s%.*s", path, name[0] == '_' ? "" : "_", (int)len, name);
}

static char *enumerator(planner *p, const char *c_type, const char *name)
{
    return names_claim(p->scope, name_upper(p->pool, below(p, c_type, name)), alone);
}

/* ---- types ---- */

static void plan_slot(planner *p, slot *s, const char *path);

static void plan_enum(planner *p, type *t)
{
    t->other = enumerator(p, t->c_type, "other");
    for (size_t i = 0; i < t->count; i++) {
        const literal *l = &t->literals[i];
        bool minus = l->text[0] == '-' && convex_value_type(l->value) != CONVEX_STRING;
        const char *name = name_snake(p->pool, l->text, l->len);
        name = minus ? pool_print(p->pool, "minus%s", name) : name;
        t->literals[i].tag = enumerator(p, t->c_type, name);
    }
}

static void plan_union(planner *p, type *t)
{
    name_wish *wishes = pool_take(p->pool, t->count + 1, sizeof *wishes);
    t->other = enumerator(p, t->c_type, "other");
    wishes[t->count] = (name_wish){.words = "other", .len = 5};
    for (size_t i = 0; i < t->count; i++)
        words_of_variant(t, i, &wishes[i]);
    /* `other` comes first, so that no variant takes it */
    name_wish last = wishes[t->count];
    memmove(wishes + 1, wishes, t->count * sizeof *wishes);
    wishes[0] = last;
    names_of_members(p->pool, wishes, t->count + 1);
    for (size_t i = 0; i < t->count; i++) {
        slot *variant = &t->slots[i];
        const char *name = wishes[i + 1].got;
        variant->member = type_is_unit(variant->type) ? NULL : name;
        variant->tag = enumerator(p, t->c_type, name);
        plan_slot(p, variant, below(p, t->c_type, name));
    }
}

static void plan_object(planner *p, type *t, const char *path)
{
    name_wish *wishes = pool_take(p->pool, 2 * t->count + 1, sizeof *wishes);
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++) {
        slot *s = &t->slots[i];
        bool unit = type_is_unit(s->type), may_lack = s->optional || s->nullable;
        const char *flag = pool_print(p->pool, "has_%s", s->name);
        if (unit && may_lack)
            wishes[count++] = (name_wish){.words = flag, .len = strlen(flag)};
        else if (!unit)
            wishes[count++] = (name_wish){.words = s->name, .len = s->name_len};
        flag = pool_print(p->pool, "%s_is_null", s->name);
        if (s->optional && s->nullable)
            wishes[count++] = (name_wish){.words = flag, .len = strlen(flag)};
    }
    names_of_members(p->pool, wishes, count);
    count = 0;
    for (size_t i = 0; i < t->count; i++) {
        slot *s = &t->slots[i];
        if (!type_is_unit(s->type) || s->optional || s->nullable)
            s->member = wishes[count++].got;
        if (s->optional && s->nullable)
            s->null_member = wishes[count++].got;
        const char *name =
            s->member != NULL ? s->member : name_snake(p->pool, s->name, s->name_len);
        plan_slot(p, s, below(p, path, name));
    }
}

/* Lists of plain things are the library's; those of a named type are declared with it. */
static void plan_array(planner *p, type *t, const char *path)
{
    slot *item = t->slots;
    type_kind kind = item->type->kind;
    plan_slot(p, item, pool_print(p->pool, "%s_item", path));
    const char *c = item->type->c_type;
    t->c_item = c;
    if (type_is_unit(item->type)) {
        t->c_item = item->nullable ? "bool" : "convex_unit";
        t->c_type = item->nullable ? "convex_bool_list" : "convex_unit_list";
    } else if (kind == TYPE_ANY) {
        t->c_type = "convex_value_list";
    } else if (kind == TYPE_STRING) {
        t->c_type = "convex_str_list";
    } else if (kind == TYPE_BYTES) {
        t->c_type = "convex_bytes_list";
    } else if (kind == TYPE_ID) {
        t->c_type = pool_print(p->pool, "%s_list", c);
    } else if (slot_is_pointer(item) || kind == TYPE_ARRAY || kind == TYPE_RECORD) {
        t->own_list = true;
        t->c_type = pool_print(p->pool, "%s_list", t->tables);
        t->c_item = pool_print(p->pool, "%s%s%s", slot_is_pointer(item) ? "const " : "", c,
                               slot_is_pointer(item) ? " *const" : "");
    } else if (kind == TYPE_BOOLEAN) {
        t->c_type = "convex_bool_list";
    } else if (kind == TYPE_INT64) {
        t->c_type = "convex_int64_list";
    } else if (kind == TYPE_FLOAT64) {
        t->c_type = "convex_float64_list";
    } else {
        t->c_type = pool_print(p->pool, "%s_list", c);
    }
}

static bool is_plain(type_kind kind)
{
    return kind <= TYPE_BYTES || kind == TYPE_ID;
}

static void plan_plain(const planner *p, type *t)
{
    static const char *const c_types[] = {[TYPE_ANY] = "const convex_value *",
                                          [TYPE_BOOLEAN] = "bool",
                                          [TYPE_INT64] = "int64_t",
                                          [TYPE_FLOAT64] = "double",
                                          [TYPE_STRING] = "convex_str",
                                          [TYPE_BYTES] = "convex_bytes",
                                          [TYPE_NULL] = NULL};
    t->c_type = t->kind == TYPE_ID ? find_id(p->plan, t->table)->c_type : c_types[t->kind];
}

/* `t->tables` is set: the claimed name that everything about the type begins with. */
static void plan_named(planner *p, type *t)
{
    const char *path = t->tables;
    switch (t->kind) {
    case TYPE_ARRAY:
        return plan_array(p, t, path);
    case TYPE_RECORD:
        plan_plain(p, t->key);
        t->c_entry = pool_print(p->pool, "%s_entry", path);
        t->c_type = pool_print(p->pool, "%s_list", path);
        t->slots->member = type_is_unit(t->slots->type) && !t->slots->nullable ? NULL : "value";
        return plan_slot(p, t->slots, pool_print(p->pool, "%s_value", path));
    case TYPE_OBJECT:
        t->c_type = type_is_unit(t) ? NULL : path;
        return plan_object(p, t, path);
    case TYPE_ENUM:
        t->c_type = path;
        return plan_enum(p, t);
    case TYPE_UNION:
        t->c_type = path;
        return plan_union(p, t);
    default:
        return;
    }
}

/* The shape that a name was given to, wherever it occurs. */
static type *given_type(const planner *p, const type *t)
{
    for (size_t i = 0; i < p->plan->given_count; i++)
        if (p->plan->given[i].type != NULL && strcmp(p->plan->given[i].type->text, t->text) == 0)
            return p->plan->given[i].type;
    return NULL;
}

static void plan_slot(planner *p, slot *s, const char *path)
{
    type *given = given_type(p, s->type);
    if (given != NULL)
        s->type = given;
    type *t = s->type;
    if (is_plain(t->kind))
        return plan_plain(p, t);
    if (t->tables != NULL && t->c_type != NULL) /* given, and planned before */
        return;
    if (t->tables == NULL)
        t->tables = names_claim(p->scope, path, names_after(t->kind));
    plan_named(p, t);
}

/* ---- given names ---- */

static const function *find_function(const spec *s, const char *path, size_t len)
{
    for (size_t i = 0; i < s->count; i++)
        if (strlen(s->functions[i].path) == len && memcmp(s->functions[i].path, path, len) == 0)
            return &s->functions[i];
    return NULL;
}

static type *step_down(const type *t, const char **path)
{
    const char *at = *path;
    if (strncmp(at, t->kind == TYPE_ARRAY ? "[]" : "{}", 2) == 0 &&
        (t->kind == TYPE_ARRAY || t->kind == TYPE_RECORD)) {
        *path = at + 2;
        return t->slots->type;
    }
    size_t len = strcspn(at + 1, ".[{");
    for (size_t i = 0; at[0] == '.' && i < t->count; i++) {
        name_wish wish = {.words = t->kind == TYPE_OBJECT ? t->slots[i].name : NULL};
        wish.len = t->slots != NULL ? t->slots[i].name_len : 0;
        if (t->kind == TYPE_UNION)
            words_of_variant(t, i, &wish);
        if (wish.words == NULL || wish.len != len || memcmp(wish.words, at + 1, len) != 0)
            continue;
        *path = at + 1 + len;
        return t->slots[i].type;
    }
    return NULL;
}

static bool resolve(planner *p, given_name *given)
{
    const char *colon = strchr(given->path, ':'); /* a module may have dots in its name */
    const char *at = colon != NULL ? strchr(colon, '.') : NULL;
    const function *f =
        at != NULL ? find_function(p->plan->spec, given->path, (size_t)(at - given->path)) : NULL;
    if (f == NULL)
        return fail(p, given, "there is no such function:", given->path);
    type *t = strncmp(at, ".args", 5) == 0 ? f->args.type : f->returns.type;
    size_t len = strncmp(at, ".args", 5) == 0 ? 5 : strncmp(at, ".returns", 8) == 0 ? 8 : 0;
    at += len;
    while (len > 0 && t != NULL && *at != '\0')
        t = step_down(t, &at);
    if (len == 0 || t == NULL)
        return fail(p, given, "there is no such part:", given->path);
    if ((t->kind != TYPE_OBJECT && t->kind != TYPE_ENUM && t->kind != TYPE_UNION) ||
        type_is_unit(t))
        return fail(p, given, "only an object or a union can have a name of its own:", t->text);
    if (given_type(p, t) != NULL)
        return fail(p, given, "that shape has a name already:", given->path);
    given->type = t;
    return true;
}

static bool plan_given(planner *p)
{
    plan *made = p->plan;
    for (size_t i = 0; i < made->given_count; i++)
        if (!resolve(p, &made->given[i]))
            return false;
    for (size_t i = 0; i < made->given_count; i++) {
        const char *name = made->given[i].name;
        const char *snake = name_snake(p->pool, name, strlen(name));
        const char *wanted = pool_print(p->pool, "%s_%s", made->prefix, snake);
        made->given[i].type->tables = names_claim(p->scope, wanted, given_names);
    }
    return true;
}

/* ---- all of it ---- */

static void claim_functions(planner *p)
{
    const spec *s = p->plan->spec;
    for (size_t i = 0; i < s->count; i++) {
        function *f = &s->functions[i];
        const char *snake = name_snake(p->pool, f->path, strlen(f->path));
        const char *wanted =
            pool_print(p->pool, "%s%s%s", p->plan->prefix, snake[0] == '_' ? "" : "_", snake);
        f->base = names_claim(p->scope, wanted, function_names);
    }
}

/* The names of a function's own parts are claimed with it. */
static void plan_root(planner *p, slot *s, const char *name)
{
    type *given = given_type(p, s->type);
    if (given != NULL)
        s->type = given;
    if (is_plain(s->type->kind))
        return plan_plain(p, s->type);
    if (s->type->tables != NULL)
        return;
    s->type->tables = name;
    plan_named(p, s->type);
}

/* In C++ a member called like a type that its struct uses would hide it. */
static void part_from_types(const planner *p, type *t)
{
    if (t->tables == NULL || t->kind == TYPE_ENUM || t->kind == TYPE_LITERAL)
        return;
    for (size_t i = 0; i < t->count; i++) {
        slot *s = &t->slots[i];
        while (s->member != NULL && names_has(p->scope, s->member))
            s->member = pool_print(p->pool, "%s_", s->member);
        part_from_types(p, s->type);
    }
}

bool plan_make(plan *ret, const spec *s, const char *prefix, given_name *given, size_t given_count,
               spec_error *error)
{
    planner p = {ret, s->pool, names_new(s->pool), error};
    *ret = (plan){
        .spec = s, .pool = s->pool, .prefix = prefix, .given = given, .given_count = given_count};
    if (!plan_given(&p))
        return false;
    plan_ids(&p);
    claim_functions(&p);
    for (size_t i = 0; i < given_count; i++)
        if (given[i].type->c_type == NULL)
            plan_named(&p, given[i].type);
    for (size_t i = 0; i < s->count; i++) {
        function *f = &s->functions[i];
        plan_root(&p, &f->args, pool_print(s->pool, "%s_args", f->base));
        plan_root(&p, &f->returns, pool_print(s->pool, "%s_result", f->base));
    }
    for (size_t i = 0; i < s->count; i++) {
        part_from_types(&p, s->functions[i].args.type);
        part_from_types(&p, s->functions[i].returns.type);
    }
    return true;
}
