/* write_source.c - the generated source: tables, and functions of a few lines that use them. Names
 * of the source's own have two underscores, which no name of the header has. */
#include <inttypes.h>
#include <string.h>

#include "routines.h"
#include "writer.h"

static void define_type(FILE *out, plan *p, type *t);

/* ---- tables ---- */

/* The shapes that are one C type each; those in use are written once. */
static const struct {
    const char *name, *kind, *c_type;
} plain_shapes[] = {
    [TYPE_ANY] = {"any", "ANY", "const convex_value *"},
    [TYPE_NULL] = {"null", "NULL", NULL},
    [TYPE_BOOLEAN] = {"boolean", "BOOLEAN", "bool"},
    [TYPE_INT64] = {"int64", "INT64", "int64_t"},
    [TYPE_FLOAT64] = {"float64", "FLOAT64", "double"},
    [TYPE_STRING] = {"string", "STRING", "convex_str"},
    [TYPE_BYTES] = {"bytes", "BYTES", "convex_bytes"},
};
enum { PLAIN_SHAPES = sizeof plain_shapes / sizeof *plain_shapes };

static size_t plain_index(const type *t)
{
    return t->kind == TYPE_ID ? TYPE_STRING : (size_t)t->kind;
}

static const char *shape_of(const plan *p, const type *t)
{
    if (t->tables != NULL)
        return pool_print(p->pool, "%s__shape", t->tables);
    return pool_print(p->pool, "%s__shape", plain_shapes[plain_index(t)].name);
}

static void mark_plain(const type *t, bool used[PLAIN_SHAPES])
{
    if (t->tables == NULL)
        used[plain_index(t)] = true;
    else if (t->kind != TYPE_ENUM && t->kind != TYPE_LITERAL)
        for (size_t i = 0; i < t->count; i++)
            mark_plain(t->slots[i].type, used);
}

static void put_plain_shapes(FILE *out, const plan *p)
{
    bool used[PLAIN_SHAPES] = {false};
    for (size_t i = 0; i < p->spec->count; i++) {
        mark_plain(p->spec->functions[i].args.type, used);
        mark_plain(p->spec->functions[i].returns.type, used);
    }
    for (size_t i = 0; i < PLAIN_SHAPES; i++) {
        if (!used[i])
            continue;
        fprintf(out, "static const convex_shape %s__shape = {.kind = CONVEX_SHAPE_%s",
                plain_shapes[i].name, plain_shapes[i].kind);
        if (plain_shapes[i].c_type != NULL)
            fprintf(out, ", .size = sizeof(%s)", plain_shapes[i].c_type);
        fputs("};\n", out);
    }
    fputc('\n', out);
}

static const char *flags_of(const slot *s)
{
    if (s->optional && s->nullable)
        return "CONVEX_OPTIONAL | CONVEX_NULLABLE";
    return s->optional ? "CONVEX_OPTIONAL" : s->nullable ? "CONVEX_NULLABLE" : NULL;
}

/* `owner` is the struct it is a member of; NULL: none. */
static void put_slot(FILE *out, const plan *p, const slot *s, const char *owner)
{
    fputs("{", out);
    if (s->name != NULL) {
        fputs(".name = ", out);
        put_c_string(out, s->name, s->name_len);
        fprintf(out, ", .name_len = %zu,\n     ", s->name_len);
    }
    fprintf(out, ".shape = &%s", shape_of(p, s->type));
    if (owner != NULL && s->member != NULL)
        fprintf(out, ",\n     .offset = offsetof(%s, %s)", owner, s->member);
    if (owner != NULL && s->null_member != NULL)
        fprintf(out, ",\n     .null_offset = offsetof(%s, %s)", owner, s->null_member);
    if (flags_of(s) != NULL)
        fprintf(out, ",\n     .flags = %s", flags_of(s));
    fputs("}", out);
}

static void put_slots(FILE *out, plan *p, const type *t, const char *owner)
{
    for (size_t i = 0; i < t->count; i++)
        define_type(out, p, t->slots[i].type);
    if (t->count == 0)
        return;
    fprintf(out, "static const convex_slot %s__slots[] = {\n", t->tables);
    for (size_t i = 0; i < t->count; i++) {
        fputs("    ", out);
        put_slot(out, p, &t->slots[i], owner);
        fputs(",\n", out);
    }
    fputs("};\n", out);
}

static void put_literal(FILE *out, const literal *l)
{
    int64_t integer = 0;
    double number = 0;
    bool truth = false;
    if (l->value == NULL) { /* of a variant that is no object */
        fputs("    {.type = CONVEX_ABSENT},\n", out);
        return;
    }
    fputs("    {.text = ", out);
    put_c_string(out, l->text, l->len);
    fprintf(out, ", .len = %zu, ", l->len);
    if (convex_value_float64(l->value, &number))
        fprintf(out, ".type = CONVEX_FLOAT64, .number = %a", number);
    else if (convex_value_int64(l->value, &integer) && integer == INT64_MIN)
        fputs(".type = CONVEX_INT64, .integer = INT64_MIN", out);
    else if (convex_value_int64(l->value, &integer))
        fprintf(out, ".type = CONVEX_INT64, .integer = INT64_C(%" PRId64 ")", integer);
    else if (convex_value_bool(l->value, &truth))
        fprintf(out, ".type = CONVEX_BOOLEAN, .integer = %d", truth);
    else
        fputs(".type = CONVEX_STRING", out);
    fputs("},\n", out);
}

static void put_literals(FILE *out, const type *t)
{
    fprintf(out, "static const convex_literal %s__literals[] = {\n", t->tables);
    for (size_t i = 0; i < t->count; i++)
        put_literal(out, &t->literals[i]);
    fputs("};\n", out);
}

/* `rest`: more lines of it. */
static void put_shape(FILE *out, const type *t, const char *kind, const char *rest)
{
    fprintf(out, "static const convex_shape %s__shape = {\n", t->tables);
    fprintf(out, "    .kind = CONVEX_SHAPE_%s,\n", kind);
    if (t->c_type != NULL)
        fprintf(out, "    .size = sizeof(%s),\n", t->c_type);
    fprintf(out, "    .count = %zu,\n%s};\n\n", t->count, rest);
}

static const char *slots_named(const plan *p, const type *t)
{
    return t->count > 0 ? pool_print(p->pool, "    .slots = %s__slots,\n", t->tables) : "";
}

static const char *literals_named(const plan *p, const type *t)
{
    return pool_print(p->pool, "    .literals = %s__literals,\n", t->tables);
}

static void define_list(FILE *out, plan *p, type *t)
{
    const char *item = t->kind == TYPE_RECORD ? t->c_entry : t->c_item;
    put_slots(out, p, t, t->kind == TYPE_RECORD ? t->c_entry : NULL);
    put_shape(out, t, t->kind == TYPE_RECORD ? "RECORD" : "ARRAY",
              pool_print(p->pool, "%s    .stride = sizeof(%s),\n", slots_named(p, t), item));
}

static void define_union(FILE *out, plan *p, type *t)
{
    text rest;
    put_slots(out, p, t, NULL);
    if (t->discriminant != NULL)
        put_literals(out, t);
    text_open(&rest);
    fprintf(rest.file, "%s    .stride = offsetof(%s, as),\n", slots_named(p, t), t->c_type);
    if (t->discriminant != NULL) {
        fprintf(rest.file, "%s    .discriminant = ", literals_named(p, t));
        put_c_string(rest.file, t->discriminant, strlen(t->discriminant));
        fputs(",\n", rest.file);
    }
    put_shape(out, t, "UNION", text_take(&rest, p->pool, NULL));
}

static void define_type(FILE *out, plan *p, type *t)
{
    if (t->defined)
        return;
    t->defined = true;
    switch (t->kind) {
    case TYPE_ARRAY:
    case TYPE_RECORD:
        return define_list(out, p, t);
    case TYPE_OBJECT:
        put_slots(out, p, t, t->c_type);
        return put_shape(out, t, "OBJECT", slots_named(p, t));
    case TYPE_LITERAL:
        put_literals(out, t);
        return put_shape(out, t, "LITERAL", literals_named(p, t));
    case TYPE_ENUM:
        put_literals(out, t);
        return put_shape(out, t, "ENUM", literals_named(p, t));
    case TYPE_UNION:
        return define_union(out, p, t);
    default:
        return;
    }
}

/* ---- functions ---- */

static void put_routines(FILE *out, const routine_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        put_prototype(out, &list->items[i]);
        fprintf(out, "\n{\n%s}\n\n", list->items[i].body);
    }
}

/* The enums of a type and its parts, each once. */
static void put_enums(FILE *out, plan *p, type *t)
{
    routine_list list = {.count = 0};
    if (t->kind == TYPE_ENUM && !t->told) {
        t->told = true;
        routines_of_enum(p, t, &list);
        put_routines(out, &list);
    }
    if (t->kind == TYPE_ARRAY || t->kind == TYPE_RECORD || t->kind == TYPE_OBJECT ||
        t->kind == TYPE_UNION)
        for (size_t i = 0; i < t->count; i++)
            put_enums(out, p, t->slots[i].type);
}

static void put_codec(FILE *out, const plan *p, const char *c_type, const char *slot_name)
{
    routine_list list = {.count = 0};
    routines_of_codec(p, c_type, slot_name, &list);
    put_routines(out, &list);
}

static void put_deliver(FILE *out, const plan *p, const function *f)
{
    bool any = f->returns.type->kind == TYPE_ANY, none = type_is_unit(f->returns.type);
    routine r = {.type = "static void",
                 .name = pool_print(p->pool, "%s__deliver", f->base),
                 .parameters = {"convex_any_fn *fn", "const void *value",
                                "const convex_failure *failure", "void *user"}};
    put_prototype(out, &r);
    fprintf(out, "\n{\n%s", none ? "    (void)value;\n" : "");
    fprintf(out, "    ((%s_fn *)fn)(%sfailure, user);\n}\n\n", f->base,
            none  ? ""
            : any ? "value ? *(const convex_value *const *)value : NULL, "
                  : "value, ");
}

static void put_deliver_page(FILE *out, const plan *p, const function *f)
{
    routine r = {.type = "static void",
                 .name = pool_print(p->pool, "%s__deliver_page", f->base),
                 .parameters = {"convex_any_fn *fn", "const void *value",
                                "const convex_failure *failure", "void *user"}};
    put_prototype(out, &r);
    fprintf(out,
            "\n{\n"
            "    const convex_any_pages *any = value;\n"
            "    %s_pages pages = {CONVEX_PAGES_FAILED, {NULL, 0}, NULL};\n"
            "    if (any) {\n"
            "        pages.status = any->status;\n"
            "        pages.items.items = any->items;\n"
            "        pages.items.count = any->count;\n"
            "        pages.list = any->list;\n"
            "    }\n"
            "    ((%s_pages_fn *)fn)(any ? &pages : NULL, failure, user);\n}\n\n",
            f->base, f->base);
}

static void put_description(FILE *out, const plan *p, const function *f)
{
    static const char *const kinds[] = {"QUERY", "MUTATION", "ACTION"};
    fprintf(out, "static const convex_function %s__function = {\n    .path = ", f->base);
    put_c_string(out, f->path, strlen(f->path));
    fprintf(out, ",\n    .kind = CONVEX_HTTP_%s,\n", kinds[f->kind]);
    if (f->internal)
        fputs("    .internal = true,\n", out);
    fputs("    .args = ", out);
    put_slot(out, p, &f->args, NULL);
    fputs(",\n    .returns = ", out);
    put_slot(out, p, &f->returns, NULL);
    fprintf(out, ",\n    .deliver = %s__deliver,\n", f->base);
    if (f->paginated)
        fprintf(out, "    .page = &%s,\n    .deliver_page = %s__deliver_page,\n",
                shape_of(p, function_page(f)), f->base);
    fputs("};\n\n", out);
}

static void put_root(FILE *out, plan *p, const function *f, const slot *s, const char *part,
                     const char *suffix)
{
    if (s->type->kind == TYPE_ANY || type_is_unit(s->type))
        return;
    put_codec(out, p, pool_print(p->pool, "%s_%s", f->base, suffix),
              pool_print(p->pool, "%s__function.%s", f->base, part));
}

static void put_function(FILE *out, plan *p, function *f)
{
    routine_list calls = {.count = 0};
    fputs("/* ---- ", out);
    put_comment(out, f->path);
    fputs(" ---- */\n\n", out);
    define_type(out, p, f->args.type);
    define_type(out, p, f->returns.type);
    put_deliver(out, p, f);
    if (f->paginated)
        put_deliver_page(out, p, f);
    put_description(out, p, f);
    put_enums(out, p, f->args.type);
    put_enums(out, p, f->returns.type);
    put_root(out, p, f, &f->args, "args", "args");
    put_root(out, p, f, &f->returns, "returns", "result");
    routines_of_calls(p, f, &calls);
    put_routines(out, &calls);
}

static void put_given(FILE *out, plan *p)
{
    for (size_t i = 0; i < p->given_count; i++) {
        type *t = p->given[i].type;
        slot root = {.type = t};
        define_type(out, p, t);
        put_enums(out, p, t);
        if (t->kind == TYPE_ENUM)
            continue;
        fprintf(out, "static const convex_slot %s__slot = ", t->tables);
        put_slot(out, p, &root, NULL);
        fputs(";\n\n", out);
        put_codec(out, p, t->c_type, pool_print(p->pool, "%s__slot", t->tables));
    }
}

void write_source(FILE *out, plan *p, const char *header)
{
    fputs("/* Written by convexgen from a function-spec. Do not edit: generate it again. */\n",
          out);
    fprintf(out, "#include \"%s\"\n\n", header);
    put_plain_shapes(out, p);
    put_given(out, p);
    for (size_t i = 0; i < p->spec->count; i++)
        put_function(out, p, &p->spec->functions[i]);
    /* the library reads and writes every enum as an int */
    fprintf(out, "typedef char %s_enums_are_ints[sizeof(convex_type) == sizeof(int) ? 1 : -1];\n",
            p->prefix);
}
