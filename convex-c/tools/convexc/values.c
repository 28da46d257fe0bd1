/* values.c - JSON in and out, and words for failures. */
#include "convexc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int fail(int exit_status, const char *format, ...)
{
    va_list args;

    fputs("convexc: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return exit_status;
}

int exit_status_of(convex_status status)
{
    switch (status) {
    case CONVEX_OK:
        return EXIT_DONE;
    case CONVEX_EINVAL:
        return EXIT_USAGE;
    case CONVEX_ETIMEOUT:
    case CONVEX_ENETWORK:
    case CONVEX_ECLOSED:
        return EXIT_NETWORK;
    case CONVEX_EAUTH:
        return EXIT_AUTH;
    case CONVEX_ESERVER:
    case CONVEX_EPROTOCOL:
        return EXIT_SERVER;
    case CONVEX_EUNKNOWN:
        return EXIT_UNKNOWN;
    case CONVEX_ECANCELED:
        return exit_status_of_signal();
    case CONVEX_ENOMEM:
    case CONVEX_ELIMIT:
    case CONVEX_EBUSY:
        return EXIT_LOCAL;
    }
    return EXIT_LOCAL;
}

int fail_with(convex_status status, const convex_error *error)
{
    const char *words = error && error->message[0] ? error->message : convex_status_text(status);
    const char *code = error ? error->code : "";

    return fail(exit_status_of(status), "%s%s%s%s", words, code[0] ? " (" : "", code,
                code[0] ? ")" : "");
}

/* ---- in ---- */

int read_file(const char *path, char **ret, size_t *ret_len)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "re");
    char *text = NULL;
    size_t len = 0, room = 0;

    if (!f)
        return fail(EXIT_LOCAL, "cannot read %s: %s", path, strerror(errno));
    do {
        if (len + 1 >= room) {
            char *more = realloc(text, room = room ? room * 2 : 4096);
            if (!more)
                break;
            text = more;
        }
        len += fread(text + len, 1, room - len - 1, f);
    } while (!feof(f) && !ferror(f));
    int error = feof(f) && !ferror(f) ? 0 : errno ? errno : ENOMEM;
    if (!standard)
        fclose(f);
    if (error) {
        free(text);
        return fail(EXIT_LOCAL, "cannot read %s: %s", path, strerror(error));
    }
    text[len] = '\0';
    *ret = text;
    *ret_len = len;
    return EXIT_DONE;
}

static bool is_plain(const char *form)
{
    return form && strcmp(form, "plain") == 0;
}

int read_args(const settings *s, const char *operand, convex_value **ret)
{
    const char *json = operand ? operand : "{}";
    char *text = NULL;
    size_t len = strlen(json);
    convex_error error;
    int r = EXIT_DONE;

    if (json[0] == '@' || strcmp(json, "-") == 0) {
        r = read_file(json[0] == '@' ? json + 1 : json, &text, &len);
        json = text;
    }
    if (r == EXIT_DONE) {
        convex_format format = is_plain(s->in) ? CONVEX_PLAIN_JSON : CONVEX_ENCODED_JSON;
        convex_status status = convex_value_parse(json, len, format, 0, NULL, ret, &error);
        if (status != CONVEX_OK)
            r = fail(EXIT_USAGE, "the arguments cannot be read: %s", error.message);
    }
    free(text);
    return r;
}

/* ---- out ---- */

int print_value(const settings *s, const convex_value *value)
{
    char *text = NULL;
    size_t len = 0;
    convex_status status = convex_value_print(
        value, is_plain(s->out) ? CONVEX_PLAIN_JSON : CONVEX_ENCODED_JSON, NULL, &text, &len);

    if (status != CONVEX_OK)
        return fail_with(status, NULL);
    size_t written = fwrite(text, 1, len, stdout);
    convex_text_free(text, NULL);
    if (written != len || putchar('\n') == EOF || fflush(stdout) != 0)
        return fail(EXIT_LOCAL, "cannot write the result: %s", strerror(errno));
    return EXIT_DONE;
}

/* A function's words, for a person: what would steer a terminal is shown as '?'. */
static void print_words(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool second = c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0; /* U+0080.. */

        if (second)
            i++;
        if (second || (c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
            c = '?';
        putc(c, stderr);
    }
}

void print_logs(const settings *s, const convex_result *result)
{
    for (size_t i = 0; !s->quiet && i < convex_result_log_count(result); i++) {
        size_t len = 0;
        const char *line = convex_result_log_at(result, i, &len);
        print_words(line, len);
        fputc('\n', stderr);
    }
}

static int print_error(const settings *s, const convex_result *result)
{
    const convex_value *data = convex_result_error_data(result);
    size_t len = 0;
    const char *message = convex_result_error_message(result, &len);

    while (len > 0 && message[len - 1] == '\n')
        len--; /* the server's words end in a line of their own */
    fputs("convexc: the function failed: ", stderr);
    print_words(message, len);
    fputc('\n', stderr);
    if (data) {
        char *text = NULL;
        if (convex_value_print(data, is_plain(s->out) ? CONVEX_PLAIN_JSON : CONVEX_ENCODED_JSON,
                               NULL, &text, NULL) == CONVEX_OK)
            fprintf(stderr, "convexc: its error data: %s\n", text);
        convex_text_free(text, NULL);
    }
    return EXIT_THREW;
}

int print_result(const settings *s, const convex_result *result)
{
    print_logs(s, result);
    return convex_result_success(result) ? print_value(s, convex_result_value(result))
                                         : print_error(s, result);
}
