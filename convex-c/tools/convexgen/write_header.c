/* write_header.c - the generated header. Reads the plan, and marks in it what is declared. */
#include <string.h>

#include "names.h"
#include "routines.h"
#include "writer.h"

enum { COLUMNS = 100 };

static void declare_type(FILE *out, plan *p, type *t);

/* ---- layout ---- */

/* Prose, wrapped; each line after the first begins with `lead`. */
static void put_words(FILE *out, pool *p, const char *lead, const char *words)
{
    text plain;
    size_t column = strlen(lead);
    text_open(&plain);
    put_comment(plain.file, words);
    const char *at = text_take(&plain, p, NULL);
    for (bool first = true; *at != '\0'; first = false) {
        size_t len = strcspn(at, " ");
        if (!first && column + 1 + len > COLUMNS) {
            fprintf(out, "\n%s", lead);
            column = strlen(lead);
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)len, at);
        column += len;
        at += len + strspn(at + len, " ");
    }
}

/* "TYPE name" or "TYPE *name". */
static const char *place(pool *p, const char *c_type, const char *name)
{
    return pool_print(p, "%s%s%s", c_type, c_type[strlen(c_type) - 1] == '*' ? "" : " ", name);
}

/* The lines of one struct or enum, gathered so that their notes can stand in a column. */
typedef struct line {
    const char *code, *note; /* either may be "" */
} line;

typedef struct lines {
    pool *pool;
    line *items;
    size_t count;
} lines;

static void add_line(lines *list, const char *code, const char *note)
{
    list->items = pool_grow(list->pool, list->items, list->count, sizeof *list->items);
    list->items[list->count++] = (line){code, note};
}

static bool has_column(const line *at)
{
    return at->code[0] != '\0' && at->note[0] != '\0';
}

/* The widest code of the lines with notes that follow each other from `from`. */
static size_t note_column(const lines *list, size_t from)
{
    size_t widest = 0;
    for (size_t i = from; i < list->count && has_column(&list->items[i]); i++) {
        size_t len = strlen(list->items[i].code);
        widest = len > widest ? len : widest;
    }
    return widest;
}

static void put_lines(FILE *out, const lines *list, const char *indent)
{
    size_t column = 0;
    for (size_t i = 0; i < list->count; i++) {
        const line *at = &list->items[i];
        if (i == 0 || !has_column(at - 1))
            column = note_column(list, i);
        fprintf(out, "%s%s", indent, at->code);
        if (has_column(at))
            fprintf(out, "%*s", (int)(column - strlen(at->code) + 1), "");
        if (at->note[0] != '\0') {
            fputs("/* ", out);
            put_comment(out, at->note);
            fputs(" */", out);
        }
        fputc('\n', out);
    }
}

static void put_routines(FILE *out, const routine_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        put_prototype(out, &list->items[i]);
        fputs(";\n", out);
    }
    fputc('\n', out);
}

/* ---- structs ---- */

/* What its struct has to say of a field: when it is not there, and its name where that is not what
 * snake case makes of it. */
static const char *note_of(pool *p, const slot *s)
{
    const char *lacking = s->optional ? "absent" : "null", *spelt = "";
    if (strcmp(name_snake(p, s->name, s->name_len), s->member) != 0)
        spelt = pool_print(p, "%s", s->name);
    if (!s->optional && !s->nullable)
        return spelt;
    const char *lead = *spelt != '\0' ? ": " : "",
               *tail = s->null_member != NULL ? ", or null" : "";
    if (type_is_unit(s->type))
        return pool_print(p, "false: %s%s; true: %s", lacking, tail, s->type->text);
    if (slot_is_pointer(s) || s->type->kind == TYPE_ANY)
        return pool_print(p, "%s%sNULL: %s%s", spelt, lead, lacking, tail);
    return pool_print(p, "%s%sdata NULL: %s%s", spelt, lead, lacking, tail);
}

static void add_member(lines *list, const plan *p, const slot *s)
{
    pool *m = p->pool;
    const char *code;
    if (s->member == NULL)
        return add_line(list, "", pool_print(m, "%s: %s", s->name, s->type->text));
    if (type_is_unit(s->type))
        code = place(m, "bool", s->member);
    else if (slot_is_pointer(s))
        code = pool_print(m, "const %s *%s", s->type->c_type, s->member);
    else
        code = place(m, s->type->c_type, s->member);
    add_line(list, pool_print(m, "%s;", code), note_of(m, s));
    if (s->null_member != NULL)
        add_line(list, pool_print(m, "bool %s;", s->null_member), "");
}

static void declare_object(FILE *out, plan *p, type *t)
{
    for (size_t i = 0; i < t->count; i++)
        declare_type(out, p, t->slots[i].type);
    if (t->c_type == NULL)
        return;
    lines members = {.pool = p->pool};
    for (size_t i = 0; i < t->count; i++)
        add_member(&members, p, &t->slots[i]);
    fprintf(out, "typedef struct %s {\n", t->c_type);
    put_lines(out, &members, "    ");
    fprintf(out, "} %s;\n\n", t->c_type);
}

/* `c_item` says where it is const itself: "const T *const". */
static void put_list(FILE *out, const char *c_item, const char *c_list)
{
    fprintf(out, "typedef struct %s {\n", c_list);
    fprintf(out, "    %s%s *items;\n", strncmp(c_item, "const ", 6) != 0 ? "const " : "", c_item);
    fprintf(out, "    size_t count;\n} %s;\n\n", c_list);
}

static void declare_array(FILE *out, plan *p, type *t)
{
    type *item = t->slots->type;
    bool named = item->kind == TYPE_OBJECT || item->kind == TYPE_ENUM || item->kind == TYPE_UNION;
    declare_type(out, p, item);
    if (t->own_list) {
        put_list(out, t->c_item, t->c_type);
    } else if (named && item->c_type != NULL && !item->listed) {
        item->listed = true;
        put_list(out, item->c_type, t->c_type);
    }
}

static void declare_record(FILE *out, plan *p, type *t)
{
    slot value = *t->slots;
    declare_type(out, p, value.type);
    value.name = "value";
    value.name_len = strlen(value.name);
    lines members = {.pool = p->pool};
    add_line(&members, pool_print(p->pool, "%s key;", t->key->c_type), "");
    add_member(&members, p, &value);
    fprintf(out, "typedef struct %s {\n", t->c_entry);
    put_lines(out, &members, "    ");
    fprintf(out, "} %s;\n\n", t->c_entry);
    put_list(out, t->c_entry, t->c_type);
}

/* The enumerators of an enum's literals, or of a union's variants. */
static void put_enum(FILE *out, const plan *p, const type *t, const char *name)
{
    lines list = {.pool = p->pool};
    add_line(&list, pool_print(p->pool, "%s = 0,", t->other), "none of these");
    for (size_t i = 0; i < t->count; i++) {
        const slot *s = &t->slots[i];
        const char *tag = t->kind == TYPE_ENUM ? t->literals[i].tag : s->tag;
        add_line(&list, pool_print(p->pool, "%s%s", tag, i + 1 < t->count ? "," : ""),
                 s->member == NULL ? s->type->text : "");
    }
    fprintf(out, "typedef enum %s {\n", name);
    put_lines(out, &list, "    ");
    fprintf(out, "} %s;\n\n", name);
}

static void declare_enum(FILE *out, plan *p, type *t)
{
    routine_list list = {.count = 0};
    put_enum(out, p, t, t->c_type);
    routines_of_enum(p, t, &list);
    put_routines(out, &list);
}

static void declare_union(FILE *out, plan *p, type *t)
{
    for (size_t i = 0; i < t->count; i++)
        declare_type(out, p, t->slots[i].type);
    put_enum(out, p, t, pool_print(p->pool, "%s_tag", t->c_type));
    lines variants = {.pool = p->pool};
    add_line(&variants, "const convex_value *other;", "");
    for (size_t i = 0; i < t->count; i++) {
        const slot *s = &t->slots[i];
        if (s->member != NULL)
            add_line(&variants,
                     pool_print(p->pool, "%s;", place(p->pool, s->type->c_type, s->member)), "");
    }
    fprintf(out, "typedef struct %s {\n    %s_tag tag;\n    union {\n", t->c_type, t->c_type);
    put_lines(out, &variants, "        ");
    fprintf(out, "    } as;\n} %s;\n\n", t->c_type);
}

static void declare_type(FILE *out, plan *p, type *t)
{
    if (t->declared)
        return;
    t->declared = true;
    switch (t->kind) {
    case TYPE_OBJECT:
        return declare_object(out, p, t);
    case TYPE_ARRAY:
        return declare_array(out, p, t);
    case TYPE_RECORD:
        return declare_record(out, p, t);
    case TYPE_ENUM:
        return declare_enum(out, p, t);
    case TYPE_UNION:
        return declare_union(out, p, t);
    default:
        return;
    }
}

static void declare_ids(FILE *out, plan *p)
{
    for (size_t i = 0; i < p->id_count; i++) {
        const char *c = p->ids[i].c_type;
        fputs("/* ", out);
        put_comment(out, pool_print(p->pool, "Id<\"%s\">", p->ids[i].table));
        fputs(" */\n", out);
        fprintf(out, "typedef struct %s {\n    const char *data;\n    size_t len;\n} %s;\n\n", c,
                c);
        put_list(out, c, pool_print(p->pool, "%s_list", c));
        fprintf(out, "static inline %s %s_of(const char *text)\n{\n", c, c);
        fprintf(out, "    %s id;\n    id.data = text;\n", c);
        fprintf(out, "    id.len = text ? strlen(text) : 0;\n    return id;\n}\n\n");
    }
}

/* ---- functions ---- */

static void put_codec(FILE *out, const plan *p, const char *c_type)
{
    routine_list list = {.count = 0};
    routines_of_codec(p, c_type, "", &list);
    put_routines(out, &list);
}

static bool has_own_type(const slot *s)
{
    return s->type->kind != TYPE_ANY && !type_is_unit(s->type);
}

/* Arguments or result by the function's own name, whatever their type is called. */
static void declare_root(FILE *out, plan *p, slot *s, const char *name)
{
    declare_type(out, p, s->type);
    if (has_own_type(s) && strcmp(s->type->c_type, name) != 0)
        fprintf(out, "typedef %s;\n\n", place(p->pool, s->type->c_type, name));
}

static void put_title(FILE *out, const plan *p, const function *f)
{
    static const char *const kinds[] = {"query", "mutation", "action"};
    fputs("/* ---- ", out);
    put_comment(out, f->path);
    fputs(" ----\n * ", out);
    put_words(out, p->pool, " * ",
              pool_print(p->pool, "%s%s: (args: %s) => %s%s", f->internal ? "internal " : "",
                         kinds[f->kind], f->args.type->text, f->returns.type->text,
                         f->returns.nullable ? " | null" : ""));
    fputs(" */\n\n", out);
}

static void put_callback(FILE *out, const plan *p, const function *f)
{
    routine r = {.type = "typedef void", .name = pool_print(p->pool, "%s_fn", f->base)};
    size_t n = 0;
    const char *value = pointer_to(p, &f->returns, pool_print(p->pool, "%s_result", f->base));
    if (value != NULL)
        r.parameters[n++] = pool_print(p->pool, "%svalue", value);
    r.parameters[n++] = "const convex_failure *failure";
    r.parameters[n++] = "void *user";
    put_prototype(out, &r);
    fputs(";\n", out);
}

/* One state of a paginated list. */
static void put_pages(FILE *out, const plan *p, const function *f)
{
    routine r = {.type = "typedef void",
                 .name = pool_print(p->pool, "%s_pages_fn", f->base),
                 .parameters = {pool_print(p->pool, "const %s_pages *pages", f->base),
                                "const convex_failure *failure", "void *user"}};
    fprintf(out, "typedef struct %s_pages {\n    convex_pages_status status;\n", f->base);
    fprintf(out, "    %s items;\n    const convex_page_list *list;\n} %s_pages;\n\n",
            function_page(f)->c_type, f->base);
    put_prototype(out, &r);
    fputs(";\n", out);
}

static void put_function(FILE *out, plan *p, function *f)
{
    const char *args = pool_print(p->pool, "%s_args", f->base);
    const char *result = pool_print(p->pool, "%s_result", f->base);
    routine_list calls = {.count = 0};
    put_title(out, p, f);
    declare_root(out, p, &f->args, args);
    declare_root(out, p, &f->returns, result);
    if (f->paginated)
        put_pages(out, p, f);
    put_callback(out, p, f);
    routines_of_calls(p, f, &calls);
    put_routines(out, &calls);
}

/* Last, as few need them. */
static void put_codecs(FILE *out, const plan *p)
{
    fputs("/* ---- encoding and decoding ---- */\n\n", out);
    for (size_t i = 0; i < p->given_count; i++)
        if (p->given[i].type->kind != TYPE_ENUM)
            put_codec(out, p, p->given[i].type->c_type);
    for (size_t i = 0; i < p->spec->count; i++) {
        const function *f = &p->spec->functions[i];
        if (has_own_type(&f->args))
            put_codec(out, p, pool_print(p->pool, "%s_args", f->base));
        if (has_own_type(&f->returns))
            put_codec(out, p, pool_print(p->pool, "%s_result", f->base));
    }
}

static void declare_given(FILE *out, plan *p)
{
    if (p->given_count > 0)
        fputs("/* ---- shapes with names of their own ---- */\n\n", out);
    for (size_t i = 0; i < p->given_count; i++)
        declare_type(out, p, p->given[i].type);
}

static const char about[] =
    " * Calls. NAME_subscribe and the rest are the calls of convex/client.h and convex/http.h "
    "with\n"
    " * arguments and results as structs. A callback gets a value, or a failure that says why "
    "there\n"
    " * is none; both are borrowed until it returns. `value` is NULL without a failure only where\n"
    " * the function may return null. NAME_http() blocks; *ret is counted, and *ret_result "
    "(owned;\n"
    " * may be NULL) has the server's answer whole, also when the function threw "
    "(CONVEX_ESERVER).\n"
    " *\n"
    " * Structs. Zero-initialise, then set: what must be set and is not is CONVEX_EINVAL, naming "
    "the\n"
    " * field. A pointer, or a text's `data`, may be NULL where the field may be absent or null.\n"
    " * Encoding only reads the struct and what it points to. A decoded struct is immutable and\n"
    " * counted (NAME_ref, NAME_unref), and holds the value that its texts lie in. NAME_copy() "
    "makes\n"
    " * such a one of a struct of your own, to keep.\n"
    " *\n"
    " * Decoding checks all that the validators say. What a newer server may add is no error: "
    "fields\n"
    " * that are not known here are passed over, an unknown literal or variant becomes ..._OTHER. "
    "*/\n";

void write_header(FILE *out, plan *p)
{
    const char *guard = name_upper(p->pool, p->prefix);
    fprintf(out,
            "/* Written by convexgen from a function-spec. Do not edit: generate it again.\n *\n");
    fprintf(out, "%s#ifndef %s_CONVEX_BINDINGS_H\n#define %s_CONVEX_BINDINGS_H\n\n", about, guard,
            guard);
    fputs("#include \"convex/typed.h\"\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n", out);
    declare_ids(out, p);
    declare_given(out, p);
    for (size_t i = 0; i < p->spec->count; i++)
        put_function(out, p, &p->spec->functions[i]);
    put_codecs(out, p);
    fputs("#ifdef __cplusplus\n}\n#endif\n#endif\n", out);
}
