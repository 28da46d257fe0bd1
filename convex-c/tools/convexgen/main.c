/* main.c - the command line of convexgen. One thread. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convex/version.h"
#include "generate.h"
#include "names.h"

static const char help[] =
    "NAME\n"
    "    convexgen - typed C bindings for the functions of a Convex deployment\n"
    "\n"
    "USAGE\n"
    "    convexgen [--prefix NAME] [--out DIR] [--names FILE] [--internal] [SPEC]\n"
    "\n"
    "DESCRIPTION\n"
    "    Reads what `npx convex function-spec` prints (or the file that its --file writes)\n"
    "    from SPEC, or from standard input, and writes NAME.h and NAME.c: for every public\n"
    "    function structs for its arguments and result, and calls that take and give them.\n"
    "    The header says how they are used. Equal input gives equal files, and a file that\n"
    "    would not change is left alone.\n"
    "\n"
    "OPTIONS\n"
    "    --prefix NAME  what every name begins with (default: api); lower case\n"
    "    --out DIR      where to (default: .)\n"
    "    --names FILE   names for shapes; without one a shape is called after its path. Lines of\n"
    "                   NAME PATH, such as \"embed "
    "signals:record.args.events[].upsert.embeds[]\":\n"
    "                   [] is an array's item, {} a record's value. Wherever that very shape\n"
    "                   occurs it is PREFIX_NAME, and can be encoded and decoded by itself\n"
    "    --internal     internal functions too; calling them needs an admin key\n"
    "    --help, --version\n"
    "\n"
    "EXIT STATUS\n"
    "    0 done, 1 failed, 2 wrong usage\n"
    "\n"
    "EXAMPLE\n"
    "    npx convex function-spec | convexgen --prefix api --out src\n";

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "convexgen: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* All of a file, or of standard input; NULL and errno when it cannot be read. */
static char *read_all(pool *p, const char *path, size_t *len)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char chunk[16384];
    size_t got;
    text all;
    if (in == NULL)
        return NULL;
    text_open(&all);
    while ((got = fread(chunk, 1, sizeof chunk, in)) > 0)
        fwrite(chunk, 1, got, all.file);
    bool failed = ferror(in) != 0;
    int saved = errno;
    char *data = text_take(&all, p, len);
    if (in != stdin)
        fclose(in);
    errno = saved;
    return failed ? NULL : data;
}

/* A file that stays as it is keeps its time, so that nothing is built again for it. */
static int write_file(pool *p, const char *path, const char *data, size_t len)
{
    size_t old_len = 0;
    const char *old = read_all(p, path, &old_len);
    if (old != NULL && old_len == len && memcmp(old, data, len) == 0)
        return EXIT_SUCCESS;
    const char *fresh = pool_print(p, "%s.new", path);
    FILE *out = fopen(fresh, "wb");
    if (out == NULL)
        return fail(fresh, strerror(errno));
    bool ok = fwrite(data, 1, len, out) == len;
    ok = fclose(out) == 0 && ok;
    if (ok && rename(fresh, path) == 0)
        return EXIT_SUCCESS;
    int status = fail(path, strerror(errno));
    unlink(fresh);
    return status;
}

typedef struct arguments {
    const char *prefix, *out, *names, *spec;
    bool internal;
} arguments;

/* False: *ret_status is the program's end. */
static bool read_arguments(int argc, char **argv, arguments *ret, int *ret_status)
{
    static const struct option options[] = {{"prefix", required_argument, NULL, 'p'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"names", required_argument, NULL, 'n'},
                                            {"internal", no_argument, NULL, 'i'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    *ret = (arguments){.prefix = "api", .out = ".", .spec = "-"};
    *ret_status = EXIT_SUCCESS;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            ret->prefix = optarg;
            break;
        case 'o':
            ret->out = optarg;
            break;
        case 'n':
            ret->names = optarg;
            break;
        case 'i':
            ret->internal = true;
            break;
        case 'h':
            fputs(help, stdout);
            return false;
        case 'v':
            printf("convexgen %s\n", convex_version());
            return false;
        default:
            *ret_status = 2;
            return false;
        }
    }
    if (optind < argc)
        ret->spec = argv[optind++];
    if (optind == argc && name_is_prefix(ret->prefix))
        return true;
    fprintf(stderr, "convexgen: %s\n",
            optind < argc
                ? "one function-spec at a time"
                : "--prefix: lower-case letters, digits and _, and not the library's own");
    *ret_status = 2;
    return false;
}

static int run(pool *p, const arguments *args)
{
    generate_options options = {.prefix = args->prefix, .internal = args->internal};
    spec_error error;
    generated made;
    size_t len = 0;
    if (args->names != NULL && (options.names = read_all(p, args->names, &len)) == NULL)
        return fail(args->names, strerror(errno));
    const char *json = read_all(p, args->spec, &len);
    if (json == NULL)
        return fail(args->spec, strerror(errno));
    if (!generate(p, json, len, &options, &made, &error))
        return fail(strcmp(args->spec, "-") == 0 ? "standard input" : args->spec, error.message);
    int status = write_file(p, pool_print(p, "%s/%s.h", args->out, args->prefix), made.header,
                            made.header_len);
    if (status == EXIT_SUCCESS)
        status = write_file(p, pool_print(p, "%s/%s.c", args->out, args->prefix), made.source,
                            made.source_len);
    return status;
}

int main(int argc, char **argv)
{
    arguments args;
    int status;
    if (!read_arguments(argc, argv, &args, &status))
        return status;
    pool *p = pool_new();
    status = run(p, &args);
    pool_free(p);
    return status;
}
