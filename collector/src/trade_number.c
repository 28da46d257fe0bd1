/* trade_number.c - see trade_number.h. Owns nothing.
 * Invariant: a result has one to 28 digits, no leading zero but the one before the point. */
#include "trade_number.h"

#include <stdlib.h>
#include <string.h>

enum { FAR = 20 }; /* times: a reading so far from the other prices is none */

/* Where the separators are. */
typedef struct shape {
    size_t first;   /* digits before the first */
    size_t after;   /* digits after the last */
    size_t count;   /* of separators */
    char one, last; /* the first and the last */
    bool mixed;     /* several kinds */
} shape;

static shape shape_of(const char *digits)
{
    shape s = {.first = strspn(digits, "0123456789")};
    for (const char *p = digits; *p; p++)
        if (strchr("., ", *p)) {
            s.one = s.one ? s.one : *p;
            s.mixed = s.mixed || *p != s.one;
            s.last = *p;
            s.count++;
            s.after = strlen(p + 1);
        }
    return s;
}

/* One separator before three digits: both readings are possible. */
static bool is_open(const char *digits, const shape *s)
{
    return s->count == 1 && s->one != ' ' && s->after == 3 && s->first <= 3 && digits[0] != '0';
}

bool trade_number_is_plain(const char *digits)
{
    shape s = shape_of(digits);
    return !is_open(digits, &s);
}

void trade_number_vote(const char *digits, int *dot, int *comma)
{
    shape s = shape_of(digits);
    if (s.count == 0 || is_open(digits, &s))
        return;
    bool groups = s.count > 1 && !s.mixed; /* "1.234.567" */
    if (s.last == ' ')
        return;
    if ((s.last == '.') != groups)
        *dot += 1;
    else
        *comma += 1;
}

/* Without separators but the decimal one, which becomes a point. '\0': there is none. */
static bool plain(const char *digits, char decimal, int shift, char ret[TRADE_NUMBER_SIZE])
{
    char out[2 * TRADE_NUMBER_SIZE];
    size_t len = 0, point = 0;
    bool seen = false;
    for (const char *p = digits; *p; p++) {
        if (*p == decimal && strchr(p + 1, decimal) == NULL) {
            seen = true;
            point = len;
        } else if (*p >= '0' && *p <= '9') {
            if (len + 1 >= TRADE_NUMBER_SIZE)
                return false;
            out[len++] = *p;
        }
    }
    point = seen ? point : len;
    for (; shift > 0; shift--) { /* thousands: the point goes right */
        if (point == len)
            out[len++] = '0';
        point++;
    }
    size_t zeros = 0;
    while (zeros + 1 < point && out[zeros] == '0')
        zeros++;
    if (len - zeros + 2 > 29 || len == 0)
        return false;
    size_t n = 0;
    for (size_t i = zeros; i < len; i++) {
        if (i == point)
            ret[n++] = '.';
        ret[n++] = out[i];
    }
    ret[n] = '\0';
    return true;
}

static bool is_far(const char *value, double price)
{
    double x = strtod(value, NULL);
    return price > 0 && (x > price * FAR || x * FAR < price);
}

bool trade_number_is_rounded(const char *digits)
{
    size_t len = strlen(digits);
    return len > 2 && digits[len - 1] == '0' && (digits[len - 2] == '0' || digits[len - 2] == '5');
}

static char decimal_of(const char *digits, const shape *s, const trade_locale *locale,
                       bool *guessed, bool *told)
{
    char as_decimal[TRADE_NUMBER_SIZE], as_group[TRADE_NUMBER_SIZE];
    *guessed = *told = true;
    if (!plain(digits, s->one, 0, as_decimal) || !plain(digits, '\0', 0, as_group))
        return '\0';
    bool no_decimal = is_far(as_decimal, locale->price) || strtod(as_decimal, NULL) < locale->least;
    bool no_group = is_far(as_group, locale->price) ||
                    (locale->most > 0 && strtod(as_group, NULL) > locale->most);
    if (no_decimal != no_group) {
        *guessed = no_group || s->one == '.'; /* 64,200 is what it looks like */
        return no_decimal ? '\0' : s->one;
    }
    trade_style means = s->one == '.' ? STYLE_DOT : STYLE_COMMA;
    if (locale->style != STYLE_UNKNOWN) {
        /* a language's habit is weak: rounded thousands contradict it */
        *told = locale->sure || locale->style != means || !trade_number_is_rounded(digits);
        *guessed = !locale->sure && s->one == '.';
        return locale->style == means ? s->one : '\0';
    }
    /* Nobody says. Most write 64,200 and 9.215; "43.500" may be either. */
    *guessed = s->one == '.';
    *told = s->one == ',' || !trade_number_is_rounded(digits);
    return s->one == '.' ? '.' : '\0';
}

bool trade_number_read(const char *digits, token_unit unit, const trade_locale *locale,
                       char ret[TRADE_NUMBER_SIZE], bool *guessed)
{
    shape s = shape_of(digits);
    int shift = unit == UNIT_THOUSAND ? 3 : unit == UNIT_MILLION ? 6 : 0;
    bool told = true, by_context = false;
    char decimal = s.count == 0 || (s.count > 1 && !s.mixed) || s.last == ' ' ? '\0' : s.last;
    if (is_open(digits, &s) && shift > 0)
        decimal = s.one; /* 43.500k */
    else if (is_open(digits, &s))
        decimal = decimal_of(digits, &s, locale, &by_context, &told);
    if (!told || !plain(digits, decimal, shift, ret))
        return false;
    *guessed = *guessed || by_context;
    return true;
}
