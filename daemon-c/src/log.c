/* log.c - events as logfmt lines on stderr.
 * Owns the level and the list of secrets, which only grows; both may be used from any thread.
 * Invariant: a line has one newline, at its end, and holds no registered secret. */
#include "daemon/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"

enum { LINE_MAX_BYTES = 8192, VALUE_MAX_BYTES = 4096 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char truncated_mark[] = " truncated=true\n";

static atomic_int minimum_level = DAEMON_INFO;
static atomic_int log_fd = 2;

static pthread_mutex_t secrets_lock = PTHREAD_MUTEX_INITIALIZER;
static char **secrets;
static size_t secret_count;

/* A line being written: bytes beyond the end are counted out by `full`. */
typedef struct line {
    char *bytes;
    size_t size, length;
    bool full;
} line;

static void put(line *out, const char *bytes, size_t length)
{
    if (out->full || length > out->size - out->length) {
        out->full = true;
        return;
    }
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
}

/* Length of the valid UTF-8 sequence at `s` that may be shown as it is, 0 if there is none. C1
 * controls and the separators U+2028/9, which some viewers take for newlines, are not shown. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    size_t length = s[0] >= 0xf0 && s[0] <= 0xf4   ? 4
                    : s[0] >= 0xe0 && s[0] <= 0xef ? 3
                    : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
                                                   : 0;
    uint32_t point = length ? s[0] & (0x7fu >> length) : 0;

    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (s[i] & 0x3f);
    }
    if (point < 0xa0 || (length == 3 && point < 0x800) || (length == 4 && point < 0x10000) ||
        point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) || point == 0x2028 ||
        point == 0x2029)
        return 0;
    return length;
}

static void put_quoted(line *out, const char *value, size_t length)
{
    static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";

    put(out, "\"", 1);
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)value[i];
        size_t sequence = utf8_length((const unsigned char *)value + i, length - i);
        const char *special = c ? strchr(from, c) : NULL;
        char escaped[8];

        if (special) {
            escaped[0] = '\\';
            escaped[1] = to[special - from];
            put(out, escaped, 2);
        } else if (c >= ' ' && c < 0x7f) {
            put(out, value + i, 1);
        } else if (sequence) {
            put(out, value + i, sequence);
            i += sequence - 1;
        } else {
            put(out, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\x%02x", c));
        }
        i++;
    }
    put(out, "\"", 1);
}

static void put_value(line *out, const char *value, size_t length)
{
    bool plain = length > 0;

    for (size_t i = 0; plain && i < length; i++)
        plain = is_plain((unsigned char)value[i]);
    if (plain)
        put(out, value, length);
    else
        put_quoted(out, value, length);
}

static void put_time(line *out, long long time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    char text[64];

    gmtime_r(&seconds, &utc);
    strftime(text, sizeof(text), "time=%Y-%m-%dT%H:%M:%S", &utc);
    put(out, text, strlen(text));
    put(out, text, (size_t)snprintf(text, sizeof(text), ".%03dZ", (int)(time_ms % 1000)));
}

/* One conversion such as "%-5.*lld": its text, and what argument it takes. */
typedef struct conversion {
    char spec[32];
    int stars;        /* arguments taken by '*' */
    char length_mark; /* 'q' for ll, 'l', 'z', 'j', 't', 0 */
    char type;        /* the conversion character, 0: not understood */
    const char *end;
} conversion;

static conversion read_conversion(const char *format)
{
    conversion c = {0};
    size_t n = strspn(format + 1, "-+ #0123456789.*") + 1;
    size_t marks = strspn(format + n, "hlzjt");

    if (n + marks + 2 > sizeof(c.spec))
        return c;
    memcpy(c.spec, format, n + marks + 1);
    for (size_t i = 0; i < n; i++)
        c.stars += format[i] == '*';
    if (marks)
        c.length_mark = format[n] == 'l' && format[n + 1] == 'l' ? 'q' : format[n];
    c.type = format[n + marks];
    c.end = format + n + marks + (c.type != '\0');
    return c;
}

/* snprintf with the two star arguments that a conversion may have. */
#define PRINT(value)                                                                               \
    (c->stars == 0   ? snprintf(out, size, c->spec, (value))                                       \
     : c->stars == 1 ? snprintf(out, size, c->spec, star[0], (value))                              \
                     : snprintf(out, size, c->spec, star[0], star[1], (value)))

/* A struct, since a va_list parameter may decay and cannot portably be pointed to. */
typedef struct arguments {
    va_list list;
} arguments;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int print_integer(const conversion *c, char *out, size_t size, const int star[2],
                         arguments *args)
{
    switch (c->length_mark) {
    case 'q':
        return PRINT(va_arg(args->list, long long));
    case 'l':
        return PRINT(va_arg(args->list, long));
    case 'z':
        return PRINT(va_arg(args->list, size_t));
    case 'j':
        return PRINT(va_arg(args->list, intmax_t));
    case 't':
        return PRINT(va_arg(args->list, ptrdiff_t));
    default:
        return PRINT(va_arg(args->list, int));
    }
}

/* A string of which only `precision` bytes may be read, or that ends with NUL. */
static int print_string(const conversion *c, char *out, size_t size, const int star[2],
                        arguments *args)
{
    const char *text = va_arg(args->list, const char *);

    return PRINT(text ? text : "(null)");
}

static size_t print_conversion(const conversion *c, char *out, size_t size, arguments *args)
{
    int star[2] = {0, 0}, n = -1;

    for (int i = 0; i < c->stars && i < 2; i++)
        star[i] = va_arg(args->list, int);
    if (strchr("diouxXc", c->type))
        n = print_integer(c, out, size, star, args);
    else if (strchr("eEfFgG", c->type))
        n = PRINT(va_arg(args->list, double));
    else if (c->type == 's')
        n = print_string(c, out, size, star, args);
    else if (c->type == 'p')
        n = PRINT(va_arg(args->list, void *));
    if (n < 0)
        return 0;
    return (size_t)n < size ? (size_t)n : size - 1;
}
#pragma GCC diagnostic pop

/* Formats one "key=format" field and returns where the next begins; NULL ends the walk. */
static const char *put_field(line *out, const char *format, arguments *args)
{
    char value[VALUE_MAX_BYTES];
    size_t length = 0, key = strcspn(format, "= %");
    bool cut = false;

    if (key == 0 || format[key] != '=')
        return NULL; /* not "key=...": a mistake in our own code; better short than wrong */
    put(out, " ", 1);
    put(out, format, key + 1);
    for (format += key + 1; *format && *format != ' ';) {
        if (length + 1 >= sizeof(value))
            cut = true;
        if (*format != '%' || format[1] == '%') {
            if (!cut)
                value[length++] = *format;
            format += *format == '%' ? 2 : 1;
            continue;
        }
        conversion c = read_conversion(format);
        if (c.type == '\0' || !strchr("diouxXceEfFgGsp", c.type))
            return NULL;
        length += print_conversion(&c, value + length, sizeof(value) - length, args);
        format = c.end;
    }
    put_value(out, value, length);
    return format + strspn(format, " ");
}

/* Replaces each secret by a mark; the mark may be longer, so the line is rebuilt. */
static size_t redact(char *text, size_t size, size_t length)
{
    static const char mark[] = "[redacted]";
    const size_t mark_length = sizeof(mark) - 1;

    pthread_mutex_lock(&secrets_lock);
    for (size_t i = 0; i < secret_count; i++) {
        size_t secret = strlen(secrets[i]);
        char *at = text;

        while ((at = memmem(at, length - (size_t)(at - text), secrets[i], secret))) {
            size_t tail = length - (size_t)(at - text) - secret;
            size_t room = size - (size_t)(at - text);
            size_t marked = mark_length < room ? mark_length : room;
            size_t kept = tail < room - marked ? tail : room - marked;

            memmove(at + marked, at + secret, kept);
            memcpy(at, mark, marked);
            at += marked;
            length = (size_t)(at - text) + kept;
        }
    }
    pthread_mutex_unlock(&secrets_lock);
    return length;
}

static size_t format_line(char *text, size_t size, long long time_ms, daemon_level level,
                          const char *message, const char *fields, arguments *args)
{
    const size_t reserve = sizeof(truncated_mark);
    line out = {text, 0, 0, false};
    bool full;

    if (size <= 2 * reserve)
        return 0;
    out.size = size - reserve;
    put_time(&out, time_ms);
    put(&out, " level=", 7);
    put(&out, level_names[level], strlen(level_names[level]));
    put(&out, " msg=", 5);
    put_value(&out, message, strlen(message));
    while (fields && *fields)
        fields = put_field(&out, fields, args);
    full = out.full;
    out.length = redact(text, out.size, out.length);
    out.size = size - 1;
    out.full = false;
    put(&out, full ? truncated_mark : "\n", full ? sizeof(truncated_mark) - 1 : 1);
    text[out.length] = '\0';
    return out.length;
}

size_t daemon_log_format(char *text, size_t size, long long time_ms, daemon_level level,
                         const char *message, const char *fields, ...)
{
    arguments args;
    size_t length;

    va_start(args.list, fields);
    length = format_line(text, size, time_ms, level, message, fields, &args);
    va_end(args.list);
    return length;
}

void daemon_log(daemon_level level, const char *message, const char *fields, ...)
{
    int saved_errno = errno; /* logging a failure must not lose it */
    char text[LINE_MAX_BYTES];
    arguments args;
    size_t length, done = 0;

    if (!daemon_log_enabled(level))
        return;
    va_start(args.list, fields);
    length = format_line(text, sizeof(text), daemon_wall_ms(), level, message, fields, &args);
    va_end(args.list);
    while (done < length) {
        ssize_t n = write(atomic_load(&log_fd), text + done, length - done);
        if (n < 0 && errno != EINTR)
            break; /* nowhere left to say it */
        if (n > 0)
            done += (size_t)n;
    }
    errno = saved_errno;
}

void daemon_log_set_level(daemon_level level)
{
    atomic_store(&minimum_level, (int)level);
}

bool daemon_log_enabled(daemon_level level)
{
    return (int)level >= atomic_load(&minimum_level);
}

bool daemon_level_parse(const char *text, daemon_level *ret)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++)
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (daemon_level)i;
            return true;
        }
    return false;
}

/* The secret as it looks inside a quoted value, if that differs. */
static void remember(const char *secret)
{
    char **grown = realloc(secrets, (secret_count + 1) * sizeof(*secrets));
    char *copy = strdup(secret);

    if (grown)
        secrets = grown;
    if (grown == NULL || copy == NULL)
        abort(); /* going on would mean logging it some day */
    secrets[secret_count++] = copy;
}

void daemon_log_redact(const char *secret)
{
    size_t length = strlen(secret), room = length * 4 + 3;
    char *quoted;
    line out = {NULL, 0, 0, false};

    if (length < 4)
        return;
    quoted = malloc(room);
    if (quoted == NULL)
        abort();
    out.bytes = quoted;
    out.size = room;
    put_quoted(&out, secret, length);
    quoted[out.length - 1] = '\0'; /* without its quotes */
    pthread_mutex_lock(&secrets_lock);
    remember(secret);
    if (strcmp(quoted + 1, secret) != 0)
        remember(quoted + 1);
    pthread_mutex_unlock(&secrets_lock);
    free(quoted);
}

void daemon_log_set_fd(int fd)
{
    atomic_store(&log_fd, fd);
}
