/* routines.c - the functions that are generated. Everything made is in the pool. */
#include "routines.h"

#include <string.h>

enum { COLUMNS = 100 };

static routine *add(routine_list *list, const char *returns, const char *name)
{
    routine *r = &list->items[list->count++];
    *r = (routine){.type = returns, .name = name};
    return r;
}

static void parameter(routine *r, const char *words)
{
    size_t n = 0;
    while (r->parameters[n] != NULL)
        n++;
    r->parameters[n] = words;
}

static void parameters(routine *r, const char *const *words)
{
    for (; *words != NULL; words++)
        parameter(r, *words);
}

const char *pointer_to(const plan *p, const slot *s, const char *name)
{
    if (s->type->kind == TYPE_ANY)
        return "const convex_value *";
    return type_is_unit(s->type) ? NULL : pool_print(p->pool, "const %s *", name);
}

/* ---- codecs ---- */

/* A routine that gives a counted struct. */
static void add_counted(const plan *p, const char *c_type, const char *verb, const char *from,
                        const char *slot_name, routine_list *ret)
{
    pool *m = p->pool;
    routine *r = add(ret, "convex_status", pool_print(m, "%s_%s", c_type, verb));
    parameter(r, from);
    parameter(r, "const convex_mem *mem");
    parameter(r, pool_print(m, "const %s **ret", c_type));
    parameter(r, "convex_error *reterr");
    r->body =
        pool_print(m,
                   "    const void *decoded = NULL;\n"
                   "    convex_status status = convex_typed_%s(&%s, %s, mem, &decoded, reterr);\n"
                   "    if (status == CONVEX_OK)\n"
                   "        *ret = decoded;\n"
                   "    return status;\n",
                   verb, slot_name, strcmp(verb, "copy") == 0 ? "in" : "value");
}

void routines_of_codec(const plan *p, const char *c_type, const char *slot_name, routine_list *ret)
{
    static const char *const rest_of_encode[] = {"const convex_mem *mem", "convex_value **ret",
                                                 "convex_error *reterr", NULL};
    pool *m = p->pool;
    const char *decoded = pool_print(m, "const %s *decoded", c_type);

    routine *r = add(ret, "convex_status", pool_print(m, "%s_encode", c_type));
    parameter(r, pool_print(m, "const %s *in", c_type));
    parameters(r, rest_of_encode);
    r->body =
        pool_print(m, "    return convex_typed_encode(&%s, in, mem, ret, reterr);\n", slot_name);

    add_counted(p, c_type, "decode", "const convex_value *value", slot_name, ret);
    add_counted(p, c_type, "copy", pool_print(m, "const %s *in", c_type), slot_name, ret);

    r = add(ret, pool_print(m, "const %s *", c_type), pool_print(m, "%s_ref", c_type));
    parameter(r, decoded);
    r->body = "    return convex_typed_ref(decoded);\n";

    r = add(ret, "void", pool_print(m, "%s_unref", c_type));
    parameter(r, decoded);
    r->body = "    convex_typed_unref(decoded);\n";
}

void routines_of_enum(const plan *p, const type *t, routine_list *ret)
{
    pool *m = p->pool;
    routine *r = add(ret, "const char *", pool_print(m, "%s_text", t->c_type));
    parameter(r, pool_print(m, "%s value", t->c_type));
    r->body =
        pool_print(m, "    return convex_typed_enum_text(&%s__shape, (int)value);\n", t->tables);
    r = add(ret, t->c_type, pool_print(m, "%s_find", t->c_type));
    parameter(r, "convex_str text");
    r->body =
        pool_print(m, "    return (%s)convex_typed_enum_find(&%s__shape, text.data, text.len);\n",
                   t->c_type, t->tables);
}

/* ---- calls ---- */

/* How the arguments reach the library. */
static const char *passed_args(const function *f)
{
    if (f->args.type->kind == TYPE_ANY)
        return "args ? (const void *)&args : NULL";
    return type_is_unit(f->args.type) ? "NULL" : "args";
}

static routine *add_call(const plan *p, const function *f, const char *client, const char *suffix,
                         routine_list *ret)
{
    pool *m = p->pool;
    routine *r = add(ret, "convex_status", pool_print(m, "%s_%s", f->base, suffix));
    const char *args = pointer_to(p, &f->args, pool_print(m, "%s_args", f->base));
    parameter(r, client);
    if (args != NULL)
        parameter(r, pool_print(m, "%sargs", args));
    return r;
}

static void add_subscribe(const plan *p, const function *f, routine_list *ret)
{
    static const char *const rest[] = {"convex_end_fn *on_end", "void *user", "convex_sub **ret",
                                       "convex_error *reterr", NULL};
    routine *r = add_call(p, f, "convex_client *client", "subscribe", ret);
    parameter(r, pool_print(p->pool, "%s_fn *on_result", f->base));
    parameters(r, rest);
    r->body = pool_print(p->pool,
                         "    return convex_typed_subscribe(client, &%s__function, %s,\n"
                         "                                  (convex_any_fn *)on_result, on_end, "
                         "user, ret, reterr);\n",
                         f->base, passed_args(f));
}

static void add_paginate(const plan *p, const function *f, routine_list *ret)
{
    static const char *const rest[] = {"convex_end_fn *on_end", "void *user", "convex_pages **ret",
                                       "convex_error *reterr", NULL};
    routine *r = add_call(p, f, "convex_client *client", "paginate", ret);
    parameter(r, "uint32_t page_size");
    parameter(r, pool_print(p->pool, "%s_pages_fn *on_pages", f->base));
    parameters(r, rest);
    r->body =
        pool_print(p->pool,
                   "    return convex_typed_paginate(client, &%s__function, %s, page_size,\n"
                   "                                 (convex_any_fn *)on_pages, on_end, user, "
                   "ret, reterr);\n",
                   f->base, passed_args(f));
}

/* Within an optimistic update; any and what has one value only are left to the untyped store. */
static void add_local(const plan *p, const function *f, routine_list *ret)
{
    pool *m = p->pool;
    routine *r = add_call(p, f, "convex_local_store *store", "local_get", ret);
    r->type = "bool";
    parameter(r, pool_print(m, "const %s_result **ret", f->base));
    r->body = pool_print(m,
                         "    const void *decoded = NULL;\n"
                         "    bool there = convex_typed_local_get(store, &%s__function, %s, "
                         "&decoded);\n"
                         "    if (there)\n"
                         "        *ret = decoded;\n"
                         "    return there;\n",
                         f->base, passed_args(f));
    r = add_call(p, f, "convex_local_store *store", "local_set", ret);
    parameter(r, pool_print(m, "const %s_result *value", f->base));
    r->body = pool_print(m, "    return convex_typed_local_set(store, &%s__function, %s, value);\n",
                         f->base, passed_args(f));
}

static void add_set_args(const plan *p, const function *f, routine_list *ret)
{
    routine *r = add_call(p, f, "convex_sub *sub", "set_args", ret);
    parameter(r, "convex_error *reterr");
    r->body =
        pool_print(p->pool, "    return convex_typed_set_args(sub, &%s__function, %s, reterr);\n",
                   f->base, passed_args(f));
}

static void add_one_call(const plan *p, const function *f, const char *suffix, routine_list *ret)
{
    static const char *const rest[] = {"void *user", "uint32_t *ret_id", "convex_error *reterr",
                                       NULL};
    routine *r = add_call(p, f, "convex_client *client", suffix, ret);
    parameter(r, "const convex_call_options *options");
    parameter(r, pool_print(p->pool, "%s_fn *on_done", f->base));
    parameters(r, rest);
    r->body = pool_print(p->pool,
                         "    return convex_typed_call(client, &%s__function, %s, options,\n"
                         "                             (convex_any_fn *)on_done, user, ret_id, "
                         "reterr);\n",
                         f->base, passed_args(f));
}

/* The value is the caller's own afterwards: counted, or for any a value. */
static void add_http(const plan *p, const function *f, routine_list *ret)
{
    pool *m = p->pool;
    bool any = f->returns.type->kind == TYPE_ANY, none = type_is_unit(f->returns.type);
    routine *r = add_call(p, f, "convex_http *http", "http", ret);
    parameter(r, "const convex_http_call_options *options");
    if (any)
        parameter(r, "convex_value **ret");
    else if (!none)
        parameter(r, pool_print(m, "const %s_result **ret", f->base));
    parameter(r, "convex_result **ret_result");
    parameter(r, "convex_error *reterr");
    const char *call =
        pool_print(m, "convex_typed_http(http, &%s__function, %s, options, %s, ret_result, reterr)",
                   f->base, passed_args(f), none ? "NULL" : "&decoded");
    if (none)
        r->body = pool_print(m, "    return %s;\n", call);
    else
        r->body = pool_print(
            m,
            "    const void *decoded = NULL;\n"
            "    convex_status status =\n        %s;\n"
            "    if (status == CONVEX_OK)\n        *ret = %s;\n%s"
            "    return status;\n",
            call, any ? "convex_value_ref(*(const convex_value *const *)decoded)" : "decoded",
            any ? "    convex_typed_unref(decoded);\n" : "");
}

void routines_of_calls(const plan *p, const function *f, routine_list *ret)
{
    static const char *const kinds[] = {"query", "mutation", "action"};
    if (f->kind == FUNCTION_QUERY)
        add_subscribe(p, f, ret);
    if (f->kind == FUNCTION_QUERY && function_takes_args(f))
        add_set_args(p, f, ret);
    if (f->paginated)
        add_paginate(p, f, ret);
    add_one_call(p, f, kinds[f->kind], ret);
    if (f->kind == FUNCTION_QUERY && f->returns.type->kind != TYPE_ANY &&
        !type_is_unit(f->returns.type))
        add_local(p, f, ret);
    add_http(p, f, ret);
}

/* ---- layout ---- */

void put_prototype(FILE *out, const routine *r)
{
    const char *space = r->type[strlen(r->type) - 1] == '*' ? "" : " ";
    size_t indent = strlen(r->type) + strlen(space) + strlen(r->name) + 1, column = indent;
    size_t width = indent;
    for (size_t i = 0; r->parameters[i] != NULL; i++)
        width += strlen(r->parameters[i]) + 2;
    fprintf(out, "%s%s%s(", r->type, space, r->name);
    if (width > COLUMNS && indent > COLUMNS / 2) {
        column = indent = 4;
        fprintf(out, "\n%*s", (int)indent, "");
    }
    for (size_t i = 0; r->parameters[i] != NULL; i++) {
        size_t len = strlen(r->parameters[i]);
        size_t end = r->parameters[i + 1] != NULL ? 1 : 2; /* "," or ");" */
        bool wraps = i > 0 && column + 2 + len + end > COLUMNS;
        if (wraps)
            fprintf(out, ",\n%*s", (int)indent, "");
        else if (i > 0)
            fputs(", ", out);
        fputs(r->parameters[i], out);
        column = (wraps ? indent : column + (i > 0 ? 2 : 0)) + len;
    }
    fputc(')', out);
}
