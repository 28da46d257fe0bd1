/* unions.c - the members of a union, brought into one form. Everything made is in the pool.
 * Invariant: no member of the result is a union, an enum or null, and none covers another. */
#include "unions.h"

#include <string.h>

static void add_type(members_list *list, type *t)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->types[i]->text, t->text) == 0)
            return;
    list->types = pool_grow(list->pool, list->types, list->count, sizeof(type *));
    list->types[list->count++] = t;
}

/* One literal of an enum as a member of its own. */
static type *single(pool *p, const type *t, size_t i)
{
    type *made = pool_take(p, 1, sizeof *made);
    made->kind = TYPE_LITERAL;
    made->literals = &t->literals[i];
    made->count = 1;
    made->text = t->slots[i].type->text;
    return made;
}

void members_add(members_list *list, const slot *member)
{
    type *t = member->type;
    list->nullable |= member->nullable || t->kind == TYPE_NULL;
    if (t->kind == TYPE_UNION)
        for (size_t i = 0; i < t->count; i++)
            add_type(list, t->slots[i].type);
    else if (t->kind == TYPE_ENUM)
        for (size_t i = 0; i < t->count; i++)
            add_type(list, single(list->pool, t, i));
    else if (t->kind != TYPE_NULL)
        add_type(list, t);
}

static type_kind kind_of_literal(const type *t)
{
    switch (convex_value_type(t->literals->value)) {
    case CONVEX_STRING:
        return TYPE_STRING;
    case CONVEX_FLOAT64:
        return TYPE_FLOAT64;
    case CONVEX_INT64:
        return TYPE_INT64;
    default:
        return TYPE_BOOLEAN;
    }
}

static bool has(const members_list *list, type_kind kind)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->types[i]->kind == kind)
            return true;
    return false;
}

/* Texts of all kinds look alike on the wire: ids of several tables, or an id and a text, become
 * one string, and a literal beside what covers it is gone. */
static void drop_covered(members_list *list)
{
    type string = {.kind = TYPE_STRING, .text = "string"};
    size_t ids = 0, kept = 0;
    bool literal_text = false, seen = false;
    for (size_t i = 0; i < list->count; i++) {
        ids += list->types[i]->kind == TYPE_ID;
        literal_text |=
            list->types[i]->kind == TYPE_LITERAL && kind_of_literal(list->types[i]) == TYPE_STRING;
    }
    bool one_text = has(list, TYPE_STRING) || ids > 1 || (ids == 1 && literal_text);
    for (size_t i = 0; i < list->count; i++) {
        type *t = list->types[i];
        type_kind kind = t->kind == TYPE_LITERAL ? kind_of_literal(t) : t->kind;
        if (one_text && (kind == TYPE_STRING || kind == TYPE_ID)) {
            if (seen)
                continue;
            seen = true;
            t = pool_take(list->pool, 1, sizeof *t);
            *t = string;
        } else if (t->kind == TYPE_LITERAL && has(list, kind)) {
            continue;
        }
        list->types[kept++] = t;
    }
    list->count = kept;
}

static bool all_literals(const members_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->types[i]->kind != TYPE_LITERAL)
            return false;
    return true;
}

static const slot *literal_field(const type *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        const slot *s = &t->slots[i];
        if (strcmp(s->name, name) == 0 && !s->optional && !s->nullable &&
            s->type->kind == TYPE_LITERAL)
            return s;
    }
    return NULL;
}

/* Does the field tell all object members apart? */
static bool tells_apart(const type *u, const char *name)
{
    for (size_t i = 0; i < u->count; i++) {
        const type *a = u->slots[i].type;
        const slot *mine = a->kind == TYPE_OBJECT ? literal_field(a, name) : NULL;
        if (a->kind == TYPE_RECORD || (a->kind == TYPE_OBJECT && mine == NULL))
            return false;
        for (size_t j = 0; mine != NULL && j < i; j++) {
            const type *b = u->slots[j].type;
            const slot *other = b->kind == TYPE_OBJECT ? literal_field(b, name) : NULL;
            if (other != NULL && strcmp(other->type->text, mine->type->text) == 0)
                return false;
        }
    }
    return true;
}

static void find_discriminant(pool *p, type *u)
{
    const type *first = NULL;
    size_t objects = 0;
    for (size_t i = 0; i < u->count; i++)
        if (u->slots[i].type->kind == TYPE_OBJECT) {
            first = first != NULL ? first : u->slots[i].type;
            objects++;
        }
    for (size_t i = 0; objects > 1 && i < first->count && u->discriminant == NULL; i++)
        if (literal_field(first, first->slots[i].name) && tells_apart(u, first->slots[i].name))
            u->discriminant = first->slots[i].name;
    if (u->discriminant == NULL)
        return;
    u->literals = pool_take(p, u->count, sizeof *u->literals);
    for (size_t i = 0; i < u->count; i++)
        if (u->slots[i].type->kind == TYPE_OBJECT)
            u->literals[i] = *literal_field(u->slots[i].type, u->discriminant)->type->literals;
}

void members_join(members_list *list, slot *ret)
{
    text words;
    drop_covered(list);
    if (list->count == 0 || has(list, TYPE_ANY)) {
        ret->type = pool_take(list->pool, 1, sizeof(type));
        ret->type->kind = list->count == 0 ? TYPE_NULL : TYPE_ANY;
        ret->type->text = list->count == 0 ? "null" : "any";
        return;
    }
    ret->nullable = list->nullable;
    if (list->count == 1) {
        ret->type = list->types[0];
        return;
    }
    type *u = ret->type = pool_take(list->pool, 1, sizeof *u);
    u->kind = all_literals(list) ? TYPE_ENUM : TYPE_UNION;
    u->count = list->count;
    u->slots = pool_take(list->pool, u->count, sizeof *u->slots);
    text_open(&words);
    for (size_t i = 0; i < u->count; i++) {
        u->slots[i].type = list->types[i];
        fprintf(words.file, "%s%s", i > 0 ? " | " : "", list->types[i]->text);
    }
    u->text = text_take(&words, list->pool, NULL);
    if (u->kind == TYPE_UNION)
        return find_discriminant(list->pool, u);
    u->literals = pool_take(list->pool, u->count, sizeof *u->literals);
    for (size_t i = 0; i < u->count; i++)
        u->literals[i] = *list->types[i]->literals;
}
