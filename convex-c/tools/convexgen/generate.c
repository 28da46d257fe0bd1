/* generate.c - from the text of a function-spec to the texts of a header and a source.
 * Everything made is in the pool. */
#include "generate.h"

#include <string.h>

#include "writer.h"

enum { DEPTH_MAX = 512 };

/* Lines of "NAME PATH"; what follows a # is a comment. */
static bool read_names(pool *p, const char *words, given_name **ret, size_t *count,
                       spec_error *error)
{
    unsigned line = 1;
    *ret = NULL;
    *count = 0;
    for (; words != NULL && *words != '\0'; line++) {
        size_t len = strcspn(words, "\n");
        char *rest = NULL, *copy = pool_copy(p, words, len);
        copy[strcspn(copy, "#")] = '\0';
        const char *name = strtok_r(copy, " \t\r", &rest);
        const char *path = strtok_r(NULL, " \t\r", &rest);
        if (name != NULL && (path == NULL || strtok_r(NULL, " \t\r", &rest) != NULL)) {
            snprintf(error->message, sizeof error->message, "names, line %u: not \"NAME PATH\"",
                     line);
            return false;
        }
        if (name != NULL) {
            *ret = pool_grow(p, *ret, *count, sizeof **ret);
            (*ret)[(*count)++] = (given_name){.name = name, .path = path};
        }
        words += len + (words[len] == '\n');
    }
    return true;
}

static bool write_all(pool *p, const spec *s, given_name *given, size_t given_count,
                      const char *prefix, generated *ret, spec_error *error)
{
    plan made;
    text out;
    if (!plan_make(&made, s, prefix, given, given_count, error))
        return false;
    text_open(&out);
    write_header(out.file, &made);
    ret->header = text_take(&out, p, &ret->header_len);
    text_open(&out);
    write_source(out.file, &made, pool_print(p, "%s.h", prefix));
    ret->source = text_take(&out, p, &ret->source_len);
    return true;
}

bool generate(pool *p, const char *json, size_t len, const generate_options *options,
              generated *ret, spec_error *error)
{
    convex_value *root = NULL;
    convex_error wrong = {0};
    given_name *given;
    size_t given_count;
    spec s;
    if (!read_names(p, options->names, &given, &given_count, error))
        return false;
    if (convex_value_parse(json, len, CONVEX_ENCODED_JSON, DEPTH_MAX, NULL, &root, &wrong) !=
        CONVEX_OK) {
        snprintf(error->message, sizeof error->message, "%s", wrong.message);
        return false;
    }
    bool ok = spec_read(&s, p, root, options->internal, error) &&
              write_all(p, &s, given, given_count, options->prefix, ret, error);
    convex_value_unref(root);
    return ok;
}
