/* diff.c - what changed between two values, a line for each place. */
#include "convexc.h"

#include <string.h>

/* One step of the way down. */
typedef struct step {
    const struct step *up;
    const char *key; /* NULL: an item of an array */
    size_t index;
} step;

static int compare(const settings *s, const convex_value *before, const convex_value *after,
                   const step *at);

static void print_path(const step *at)
{
    if (!at)
        return;
    print_path(at->up);
    if (at->key)
        printf("%s%s", at->up ? "." : "", at->key);
    else
        printf("[%zu]", at->index);
}

static int print_text(const settings *s, const convex_value *value)
{
    char *text = NULL;
    bool plain = s->out && strcmp(s->out, "plain") == 0;
    convex_status status = convex_value_print(
        value, plain ? CONVEX_PLAIN_JSON : CONVEX_ENCODED_JSON, NULL, &text, NULL);

    if (status != CONVEX_OK)
        return fail_with(status, NULL);
    fputs(text, stdout);
    convex_text_free(text, NULL);
    return EXIT_DONE;
}

/* Of `before` and `after` one may be NULL: it is not there. */
static int print_change(const settings *s, const convex_value *before, const convex_value *after,
                        const step *at)
{
    int r = EXIT_DONE;

    fputs(!before ? "+ " : !after ? "- " : "~ ", stdout);
    print_path(at);
    fputs(at ? ": " : "", stdout);
    if (before)
        r = print_text(s, before);
    if (r == EXIT_DONE && before && after)
        fputs(" -> ", stdout);
    if (r == EXIT_DONE && after)
        r = print_text(s, after);
    putchar('\n');
    return r;
}

static int compare_objects(const settings *s, const convex_value *before, const convex_value *after,
                           const step *at)
{
    size_t i = 0, j = 0;
    int r = EXIT_DONE;

    while (r == EXIT_DONE && (i < convex_value_count(before) || j < convex_value_count(after))) {
        const char *old = convex_value_key_at(before, i, NULL);
        const char *new = convex_value_key_at(after, j, NULL);
        int order = !old ? 1 : !new ? -1 : strcmp(old, new);
        step here = {.up = at, .key = order <= 0 ? old : new};
        r = compare(s, order <= 0 ? convex_value_at(before, i) : NULL,
                    order >= 0 ? convex_value_at(after, j) : NULL, &here);
        i += order <= 0;
        j += order >= 0;
    }
    return r;
}

/* What is equal at both ends stays; between them, item by item as far as both go. */
static int compare_arrays(const settings *s, const convex_value *before, const convex_value *after,
                          const step *at)
{
    size_t old = convex_value_count(before), new = convex_value_count(after);
    size_t same = 0, tail = 0;
    int r = EXIT_DONE;

    while (same < old && same < new &&convex_value_equal(convex_value_at(before, same),
                                                         convex_value_at(after, same)))
        same++;
    while (tail < old - same &&
           tail < new - same &&convex_value_equal(convex_value_at(before, old - 1 - tail),
                                                  convex_value_at(after, new - 1 - tail)))
        tail++;
    size_t most = (old > new ? old : new) - tail;
    for (size_t i = same; i < most && r == EXIT_DONE; i++) {
        step here = {.up = at, .index = i};
        r = compare(s, i < old - tail ? convex_value_at(before, i) : NULL,
                    i < new - tail ? convex_value_at(after, i) : NULL, &here);
    }
    return r;
}

static int compare(const settings *s, const convex_value *before, const convex_value *after,
                   const step *at)
{
    convex_type type = convex_value_type(before);

    if (convex_value_equal(before, after))
        return EXIT_DONE;
    if (type == convex_value_type(after) && type == CONVEX_OBJECT)
        return compare_objects(s, before, after, at);
    if (type == convex_value_type(after) && type == CONVEX_ARRAY)
        return compare_arrays(s, before, after, at);
    return print_change(s, before, after, at);
}

int print_changes(const settings *s, const convex_value *before, const convex_value *after)
{
    int r = compare(s, before, after, NULL);

    if (r == EXIT_DONE && (fflush(stdout) != 0 || ferror(stdout)))
        r = fail(EXIT_LOCAL, "cannot write the result");
    return r;
}
