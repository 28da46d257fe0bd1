/* json_number.c - JSON numbers to doubles and back, exactly, in any locale.
 *
 * Owns the C locale object, made once. Any thread.
 * Reading: most numbers fit 64 bits and a small power of ten, where one exact
 * operation rounds right; the rest goes to strtod. Writing: the shortest digits
 * that read back as the same double. */
#include "json_number.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum {
    EXACT_POWER_MAX = 22,
    WORD_POWER_MAX = 19, /* 10^19 still fits 64 bits */
    WORD_DIGITS = 19
};
#define EXACT_INTEGER_MAX (UINT64_C(1) << 53)

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* `text` ends in NUL and is a well-formed number. */
static bool read_slowly(const char *text, double *ret)
{
    pthread_once(&locale_once, make_locale);
    if (c_locale == (locale_t)0)
        return false;
    *ret = strtod_l(text, NULL, c_locale);
    return true;
}

/* ---- reading ---- */

typedef struct decimal {
    const char *start, *end;
    uint64_t digits; /* meaningful while `count` <= WORD_DIGITS */
    int64_t count;   /* significant digits */
    int64_t exponent;
    bool negative;
} decimal;

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static const char *take_digits(decimal *d, const char *p, const char *end)
{
    uint64_t digits = d->digits;
    while (d->count == 0 && p < end && *p == '0')
        p++;
    const char *first = p;
    for (; p < end && is_digit(*p); p++)
        digits = digits * 10 + (uint64_t)(*p - '0');
    d->count += p - first;
    d->digits = digits;
    return p;
}

static const char *take_exponent(decimal *d, const char *p, const char *end)
{
    bool negative = p < end && *p == '-';
    int64_t exponent = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end || !is_digit(*p))
        return NULL;
    for (; p < end && is_digit(*p); p++) {
        if (exponent < 1000000)
            exponent = exponent * 10 + (*p - '0');
    }
    d->exponent += negative ? -exponent : exponent;
    return p;
}

/* The grammar of RFC 8259, and nothing more. */
static bool scan(const char *p, const char *end, decimal *d)
{
    *d = (decimal){.start = p, .negative = p < end && *p == '-'};
    p += d->negative;
    if (p == end || !is_digit(*p))
        return false;
    if (*p == '0')
        p++;
    else
        p = take_digits(d, p, end);
    if (p < end && is_digit(*p))
        return false;
    if (p < end && *p == '.') {
        const char *fraction = p + 1;
        p = take_digits(d, fraction, end);
        if (p == fraction)
            return false;
        d->exponent = fraction - p;
    }
    if (p < end && (*p == 'e' || *p == 'E'))
        p = take_exponent(d, p + 1, end);
    d->end = p;
    return p != NULL;
}

#ifdef __SIZEOF_INT128__
static int bits_of(uint64_t n)
{
    return 64 - __builtin_clzll(n);
}

/* digits / 10^power, rounded once: at least 62 bits of quotient, and a sticky one. */
static double divide(uint64_t digits, int power)
{
    __extension__ typedef unsigned __int128 wide;
    static const uint64_t powers[] = {
        1u,
        10u,
        100u,
        1000u,
        10000u,
        100000u,
        1000000u,
        10000000u,
        100000000u,
        1000000000u,
        10000000000u,
        100000000000u,
        1000000000000u,
        10000000000000u,
        100000000000000u,
        1000000000000000u,
        10000000000000000u,
        100000000000000000u,
        1000000000000000000u,
        10000000000000000000u,
    };
    uint64_t divisor = powers[power];
    int shift = 63 + bits_of(divisor) - bits_of(digits);
    wide numerator = (wide)digits << shift;
    uint64_t quotient = (uint64_t)(numerator / divisor); /* below 2^64 */
    bool sticky = (wide)quotient * divisor != numerator;
    uint64_t bits = (uint64_t)(1023 - shift) << 52; /* 2^-shift; a shift is at most 126 */
    double unit;
    memcpy(&unit, &bits, sizeof unit);
    return (double)(quotient | sticky) * unit;
}
#endif

/* digits * 10^e by one exact operation, when there is one. */
static inline bool scale(uint64_t digits, int64_t e, double *ret)
{
    if (digits == 0) {
        *ret = 0;
    } else if (e == 0) {
        *ret = (double)digits;
    } else if (digits <= EXACT_INTEGER_MAX && e >= -EXACT_POWER_MAX && e <= EXACT_POWER_MAX) {
        *ret = e < 0 ? (double)digits / exact_powers[-e] : (double)digits * exact_powers[e];
#ifdef __SIZEOF_INT128__
    } else if (e < 0 && e >= -WORD_POWER_MAX) {
        *ret = divide(digits, (int)-e);
#endif
    } else {
        return false;
    }
    return true;
}

static bool read_quickly(const decimal *d, double *ret)
{
    return d->count <= WORD_DIGITS && scale(d->digits, d->exponent, ret);
}

/* A number as most are: up to 19 characters, a point perhaps among them, and no exponent. Returns
 * its end; NULL when it is another, or none. */
static inline const char *read_plain(const char *p, const char *end, double *ret)
{
    bool negative = p < end && *p == '-';
    const char *first = p + negative, *point = NULL;
    uint64_t digits = 0;
    for (p = first; p < end; p++) {
        if (is_digit(*p))
            digits = digits * 10 + (uint64_t)(*p - '0');
        else if (*p == '.' && point == NULL)
            point = p;
        else
            break;
    }
    const char *whole_end = point != NULL ? point : p;
    bool zero_led = whole_end - first > 1 && *first == '0';
    bool more = p < end && (*p == 'e' || *p == 'E');
    if (whole_end == first || p - first > WORD_DIGITS || p[-1] == '.' || zero_led || more)
        return NULL;
    if (!scale(digits, point != NULL ? point + 1 - p : 0, ret))
        return NULL;
    if (negative)
        *ret = -*ret;
    return p;
}

cvx_number_fault cvx_number_parse(const char *p, const char *end, const convex_mem *mem,
                                  double *ret, const char **ret_end)
{
    decimal d;
    const char *after = read_plain(p, end, ret);
    if (after != NULL) {
        *ret_end = after;
        return CVX_NUMBER_OK;
    }
    if (!scan(p, end, &d))
        return CVX_NUMBER_MALFORMED;
    *ret_end = d.end;
    if (read_quickly(&d, ret)) {
        if (d.negative)
            *ret = -*ret;
        return CVX_NUMBER_OK;
    }
    char small[128];
    size_t len = (size_t)(d.end - d.start);
    char *text = len < sizeof small ? small : cvx_alloc(mem, len + 1);
    if (text == NULL)
        return CVX_NUMBER_NO_MEMORY;
    memcpy(text, d.start, len);
    text[len] = '\0';
    double value = 0;
    bool read = read_slowly(text, &value);
    if (text != small)
        cvx_free(mem, text);
    if (!read)
        return CVX_NUMBER_NO_MEMORY;
    if (isinf(value))
        return CVX_NUMBER_TOO_LARGE;
    *ret = value;
    return CVX_NUMBER_OK;
}

/* ---- writing ---- */

/* d = 0.DIGITS * 10^point; no zero at either end of the digits. */
typedef struct shortest {
    char digits[24];
    int count, point;
} shortest;

static void set_digits(shortest *s, uint64_t n, int point_from_end)
{
    char text[20], *at = text + sizeof text;
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    s->count = (int)(text + sizeof text - at);
    s->point = s->count + point_from_end;
    memcpy(s->digits, at, (size_t)s->count);
    while (s->count > 1 && s->digits[s->count - 1] == '0')
        s->count--;
}

static bool reads_back(const shortest *s, double d)
{
    char text[48];
    double back = 0;
    decimal parts = {.count = s->count, .exponent = s->point - s->count};
    for (int i = 0; i < s->count; i++)
        parts.digits = parts.digits * 10 + (uint64_t)(s->digits[i] - '0');
    if (read_quickly(&parts, &back))
        return back == d;
    snprintf(text, sizeof text, "0.%.*se%d", s->count, s->digits, s->point);
    return read_slowly(text, &back) && back == d;
}

/* The `precision` digits nearest to d; independent of the locale, as only digits are used. */
static void round_to(shortest *s, double d, int precision)
{
    char text[64];
    snprintf(text, sizeof text, "%.*e", precision - 1, d);
    uint64_t n = 0;
    const char *p = text;
    for (; *p != 'e'; p++) {
        if (is_digit(*p))
            n = n * 10 + (uint64_t)(*p - '0');
    }
    set_digits(s, n, (int)strtol(p + 1, NULL, 10) + 1 - precision);
}

/* Below a power of two doubles lie twice as dense, so the nearest decimal may fall outside
 * what reads back as d while its upper neighbour, further away, is inside. */
static bool upper_neighbour(shortest *s, double d, int precision)
{
    int exponent;
    if (frexp(d, &exponent) != 0.5)
        return false;
    uint64_t n = 0;
    for (int i = 0; i < precision; i++)
        n = n * 10 + (uint64_t)(i < s->count ? s->digits[i] - '0' : 0);
    shortest up;
    set_digits(&up, n + 1, s->point - precision);
    if (!reads_back(&up, d))
        return false;
    *s = up;
    return true;
}

#ifdef __SIZEOF_INT128__
/* For fractions of ordinary size every step is exact in 128 bits. Four times the mantissa makes
 * the bounds of what reads back as `d` whole numbers too; all three are brought to 17 digits or
 * so, and lose digits while a number between the bounds remains. */
static void shorten(shortest *s, double d)
{
    __extension__ typedef unsigned __int128 wide;
    int exponent, places = 17;
    uint64_t m = (uint64_t)ldexp(frexp(d, &exponent), 53), power = 1;
    int shift = 53 - exponent + 2; /* d = 4m / 2^shift */
    bool even = (m & 1) == 0, nearer = (m & (m - 1)) == 0;

    for (uint64_t whole = (uint64_t)d; whole > 0; whole /= 10)
        places--;
    places += d < 1e-1; /* then zeros come first, which are no digits */
    places += d < 1e-2;
    places += d < 1e-3;
    for (int i = 0; i < places && i < WORD_POWER_MAX; i++)
        power *= 10;
    wide scale = places > WORD_POWER_MAX ? (wide)power * 10 : power, rest = ((wide)1 << shift) - 1;
    wide high = (4 * (wide)m + 2) * scale, low = (4 * (wide)m - (nearer ? 1 : 2)) * scale;
    wide value = 4 * (wide)m * scale;
    /* Of the bounds themselves only an even mantissa reads back. */
    uint64_t top = (uint64_t)((high - !even) >> shift);
    uint64_t bottom = (uint64_t)((low + (even ? rest : rest + 1)) >> shift);
    uint64_t near = (uint64_t)(value >> shift), unit = 1;
    while (top / (unit * 10) * (unit * 10) >= bottom)
        unit *= 10;
    /* The multiple of `unit` nearest to the value; what was cut off decides, then evenness. */
    uint64_t down = near / unit * unit, left = near - down, half = unit / 2;
    bool more = (value & rest) != 0, odd = near / unit % 2;
    bool up = unit == 1 ? ((value & rest) << 1) > rest + 1 - odd
                        : left > half || (left == half && (more || odd));
    if ((up && down + unit <= top) || down < bottom)
        down += unit;
    set_digits(s, down, -places);
}
#endif

/* `d` is positive and finite. */
static void find_shortest(shortest *s, double d)
{
    if (d < (double)EXACT_INTEGER_MAX && d == floor(d)) {
        set_digits(s, (uint64_t)d, 0);
        return;
    }
#ifdef __SIZEOF_INT128__
    if (d < (double)EXACT_INTEGER_MAX && d >= 1e-4) {
        shorten(s, d);
        return;
    }
#endif
    /* A normal double carries 15 digits; a subnormal one may be shorter. */
    for (int precision = d < 2.2250738585072014e-308 ? 1 : 15; precision <= 17; precision++) {
        round_to(s, d, precision);
        if (reads_back(s, d) || upper_neighbour(s, d, precision))
            return;
    }
}

static char *put(char *out, const char *digits, int count)
{
    memcpy(out, digits, (size_t)count);
    return out + count;
}

static char *put_zeros(char *out, int count)
{
    memset(out, '0', (size_t)count);
    return out + count;
}

/* ECMAScript's Number::toString. */
static char *spell(const shortest *s, char *out)
{
    int k = s->count, n = s->point;
    if (k <= n && n <= 21)
        return put_zeros(put(out, s->digits, k), n - k);
    if (0 < n && n <= 21) {
        out = put(out, s->digits, n);
        *out++ = '.';
        return put(out, s->digits + n, k - n);
    }
    if (-6 < n && n <= 0)
        return put(put_zeros(put(out, "0.", 2), -n), s->digits, k);
    *out++ = s->digits[0];
    if (k > 1) {
        *out++ = '.';
        out = put(out, s->digits + 1, k - 1);
    }
    return out + sprintf(out, "e%+d", n - 1);
}

size_t cvx_number_print(double d, char ret[CVX_NUMBER_SIZE])
{
    char *out = ret;
    if (signbit(d))
        *out++ = '-';
    d = fabs(d);
    if (d == 0) {
        out = out == ret ? put(out, "0", 1) : put(out, "0.0", 3);
        return (size_t)(out - ret);
    }
    shortest s;
    find_shortest(&s, d);
    return (size_t)(spell(&s, out) - ret);
}
