/* timestamp.c - dates. Owns nothing. Invariant: reads only `size` bytes. */
#include "timestamp.h"

#include <string.h>

typedef struct cursor {
    const char *at, *end;
} cursor;

/* `count` digits, as a number in least..most. */
static bool digits(cursor *c, int count, int least, int most, int *ret)
{
    int value = 0;

    if (c->end - c->at < count)
        return false;
    for (int i = 0; i < count; i++, c->at++) {
        if (*c->at < '0' || *c->at > '9')
            return false;
        value = value * 10 + (*c->at - '0');
    }
    *ret = value;
    return value >= least && value <= most;
}

static bool take(cursor *c, const char *any)
{
    if (c->at >= c->end || *c->at == '\0' || strchr(any, *c->at) == NULL)
        return false;
    c->at++;
    return true;
}

/* Days since 1970 of a date of the Gregorian calendar; years are counted from March. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_date(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return day <= lengths[month - 1] + (month == 2 && leap);
}

/* ".123456" in milliseconds, further digits dropped. */
static bool fraction(cursor *c, int *ret)
{
    int value = 0, scale = 100, n = 0;

    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, n++) {
        value += (*c->at - '0') * scale;
        scale /= 10;
    }
    *ret = value;
    return n > 0;
}

/* "Z", "+02:00", "-0530" or nothing: minutes east. */
static bool zone(cursor *c, int *ret)
{
    int sign, hours, minutes;

    *ret = 0;
    if (c->at == c->end || take(c, "Zz"))
        return true;
    sign = *c->at == '-' ? -1 : 1;
    if (!take(c, "+-") || !digits(c, 2, 0, 23, &hours))
        return false;
    take(c, ":");
    if (!digits(c, 2, 0, 59, &minutes))
        return false;
    *ret = sign * (hours * 60 + minutes);
    return true;
}

bool timestamp_parse(const char *text, size_t size, int64_t *ret_ms)
{
    cursor c = {text, text + size};
    int year, month, day, hour = 0, minute = 0, second = 0, ms = 0, east = 0;

    if (!digits(&c, 4, 1, 9999, &year) || !take(&c, "-") || !digits(&c, 2, 1, 12, &month) ||
        !take(&c, "-") || !digits(&c, 2, 1, 31, &day) || !is_date(year, month, day))
        return false;
    if (c.at < c.end) {
        if (!take(&c, "Tt ") || !digits(&c, 2, 0, 23, &hour) || !take(&c, ":") ||
            !digits(&c, 2, 0, 59, &minute) || !take(&c, ":") || !digits(&c, 2, 0, 60, &second))
            return false;
        if ((take(&c, ".") && !fraction(&c, &ms)) || !zone(&c, &east) || c.at != c.end)
            return false;
    }
    *ret_ms =
        ((days_of(year, month, day) * 24 + hour) * 60 + minute - east) * 60000 + second * 1000 + ms;
    return true;
}
