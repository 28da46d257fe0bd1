/* names.c - identifiers. Everything made is in the pool. One thread.
 * Invariant: equal wishes in equal order give equal names. */
#include "names.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum { BUCKETS = 1024, NAME_MAX_LEN = 160 };

typedef struct taken {
    struct taken *next;
    const char *name;
} taken;

struct names {
    pool *pool;
    taken *buckets[BUCKETS];
};

/* FNV-1a. */
static uint32_t hash_of(const char *words, size_t len)
{
    uint32_t hash = 0x811c9dc5u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)words[i]) * 0x01000193u;
    return hash;
}

names *names_new(pool *p)
{
    names *scope = pool_take(p, 1, sizeof *scope);
    scope->pool = p;
    return scope;
}

static bool is_taken(const names *scope, const char *name)
{
    const taken *t = scope->buckets[hash_of(name, strlen(name)) % BUCKETS];
    while (t != NULL && strcmp(t->name, name) != 0)
        t = t->next;
    return t != NULL;
}

static void take(names *scope, const char *name)
{
    taken **bucket = &scope->buckets[hash_of(name, strlen(name)) % BUCKETS];
    taken *t = pool_take(scope->pool, 1, sizeof *t);
    *t = (taken){*bucket, name};
    *bucket = t;
}

/* ---- spelling ---- */

static bool is_word(unsigned char c)
{
    return c < 0x80 && isalnum(c);
}

/* A capital begins a word, but for those within an abbreviation: "HTTPServer", "userID". */
static bool begins_word(const char *words, size_t len, size_t i)
{
    unsigned char c = (unsigned char)words[i];
    if (i == 0 || !is_word(c) || !isupper(c) || !is_word((unsigned char)words[i - 1]))
        return false;
    if (!isupper((unsigned char)words[i - 1]))
        return true;
    return i + 1 < len && is_word((unsigned char)words[i + 1]) &&
           islower((unsigned char)words[i + 1]);
}

/* One that is too long keeps its beginning, and a hash of all of it. */
static char *shorten(pool *p, char *name)
{
    size_t len = strlen(name);
    if (len <= NAME_MAX_LEN)
        return name;
    return pool_print(p, "%.*s_%08x", NAME_MAX_LEN - 9, name, (unsigned)hash_of(name, len));
}

char *name_snake(pool *p, const char *words, size_t len)
{
    text out;
    char last = '\0';
    text_open(&out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)words[i];
        if (begins_word(words, len, i) && last != '_')
            fputc('_', out.file);
        char put = is_word(c) ? (char)tolower(c) : '_';
        if (last == '\0' && isdigit(c))
            fputc('_', out.file);
        if (put != '_' || last != '_')
            fputc(put, out.file);
        last = put;
    }
    char *name = text_take(&out, p, NULL);
    if (strspn(name, "_") == strlen(name))
        return pool_copy(p, "unnamed", 7);
    return shorten(p, name);
}

char *name_upper(pool *p, const char *name)
{
    char *upper = pool_copy(p, name, strlen(name));
    for (char *c = upper; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return upper;
}

/* ---- scopes ---- */

static bool all_free(const names *scope, const char *name, const char *const *suffixes)
{
    for (; *suffixes != NULL; suffixes++)
        if (is_taken(scope, pool_print(scope->pool, "%s%s", name, *suffixes)))
            return false;
    return true;
}

bool names_has(const names *scope, const char *name)
{
    return is_taken(scope, name);
}

char *names_claim(names *scope, const char *wanted, const char *const *suffixes)
{
    char *base = shorten(scope->pool, pool_copy(scope->pool, wanted, strlen(wanted)));
    char *name = base;
    for (unsigned n = 2; !all_free(scope, name, suffixes); n++)
        name = pool_print(scope->pool, "%s_%u", base, n);
    for (; *suffixes != NULL; suffixes++)
        take(scope, pool_print(scope->pool, "%s%s", name, *suffixes));
    return name;
}

/* Words of C, C23 and C++ that snake case can spell, and what compilers and their headers define.
 */
static const char *const reserved[] = {
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "assert",
    "atomic",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "i386",
    "if",
    "inline",
    "int64_t",
    "uint8_t",
    "int",
    "linux",
    "long",
    "math_errhandling",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "noreturn",
    "not",
    "not_eq",
    "nullptr",
    "offsetof",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "size_t",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "stderr",
    "stdin",
    "stdout",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "union",
    "unix",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
};

static bool is_among(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

static const char *const alone[] = {"", NULL};

static const char *member_name(pool *p, const name_wish *wish)
{
    char *name = name_snake(p, wish->words, wish->len);
    return is_among(name, reserved, sizeof reserved / sizeof *reserved) ||
                   strncmp(name, "convex_", 7) == 0
               ? pool_print(p, "%s_", name)
               : name;
}

void names_of_members(pool *p, name_wish *wishes, size_t count)
{
    names *scope = names_new(p);
    for (int unchanged = 1; unchanged >= 0; unchanged--) {
        for (size_t i = 0; i < count; i++) {
            const char *name = member_name(p, &wishes[i]);
            bool same = strlen(name) == wishes[i].len && strcmp(name, wishes[i].words) == 0;
            if (same == (unchanged == 1))
                wishes[i].got = names_claim(scope, name, alone);
        }
    }
}

/* Names of headers that a program may include, and would get ours instead. */
static const char *const headers[] = {
    "aio",     "assert",   "complex",     "ctype",  "curses",    "dirent",  "dlfcn",     "errno",
    "fcntl",   "features", "fenv",        "float",  "glob",      "grp",     "iconv",     "inttypes",
    "iso646",  "limits",   "locale",      "malloc", "math",      "memory",  "mqueue",    "netdb",
    "poll",    "pthread",  "pwd",         "regex",  "sched",     "search",  "semaphore", "setjmp",
    "signal",  "spawn",    "stdalign",    "stdarg", "stdatomic", "stdbool", "stddef",    "stdint",
    "stdio",   "stdlib",   "stdnoreturn", "string", "strings",   "syslog",  "termios",   "tgmath",
    "threads", "time",     "uchar",       "unistd", "utime",     "wchar",   "wctype",
};

bool name_is_prefix(const char *words)
{
    size_t len = strlen(words);
    if (len == 0 || len > 32 || !islower((unsigned char)words[0]) || words[len - 1] == '_')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!islower((unsigned char)words[i]) && !isdigit((unsigned char)words[i]) &&
            words[i] != '_')
            return false;
    return strcmp(words, "convex") != 0 && strncmp(words, "convex_", 7) != 0 &&
           strcmp(words, "cvx") != 0 && strncmp(words, "cvx_", 4) != 0 &&
           !is_among(words, headers, sizeof headers / sizeof *headers);
}
