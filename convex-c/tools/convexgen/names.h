/* names.h - identifiers: from any text to one that C and C++ take, each once in its scope. */
#ifndef CONVEXGEN_NAMES_H
#define CONVEXGEN_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

/* A scope: the names taken in it. */
typedef struct names names;
names *names_new(pool *p);

/* "sourceGuildId" to "source_guild_id", "webhook-proxy" to "webhook_proxy", "1st" to "_1st": lower
 * case, digits and single underscores; one without any of these becomes "unnamed". */
char *name_snake(pool *p, const char *words, size_t len);
char *name_upper(pool *p, const char *name);

/* `wanted` itself, or with "_2", "_3", ... when it, with any of the suffixes, is taken. It is then,
 * with all of them. The list of suffixes ends in NULL; "" stands for the name alone. */
char *names_claim(names *scope, const char *wanted, const char *const *suffixes);

bool names_has(const names *scope, const char *name);

/* The members of one struct or union, in their own scope. A name that is one already keeps it,
 * whatever others would become. No reserved word of C or C++, and no macro of their compilers. */
typedef struct name_wish {
    const char *words;
    size_t len;
    const char *got;
} name_wish;
void names_of_members(pool *p, name_wish *wishes, size_t count);

/* A prefix that leaves the library its names, and a PREFIX.h that hides no header of the system. */
bool name_is_prefix(const char *words);

#endif
