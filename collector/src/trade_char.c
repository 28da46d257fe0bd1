/* trade_char.c - see trade_char.h. */
#include "trade_char.h"

#include <string.h>

#include "trade_words.h"

/* ---- UTF-8 ---- */

/* A byte that begins no character stands for itself, as U+FFFD. */
static uint32_t decode(const unsigned char *p, size_t left, uint8_t *size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t c = p[0];
    *size = 1;
    if (len == 1)
        return c;
    if (len == 0 || p[0] > 0xF4 || left < len)
        return 0xFFFD;
    c &= 0xFFu >> (len + 1);
    for (uint8_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0xFFFD;
        c = c << 6 | (p[i] & 0x3F);
    }
    if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return 0xFFFD;
    *size = len;
    return c;
}

static void encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    *out = '\0';
}

/* ---- tables ---- */

typedef struct range {
    uint32_t from, to;
} range;

typedef struct mapped {
    uint32_t from, to;
    char mark;
} mapped;

static bool within(uint32_t c, const range *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (c >= list[i].from && c <= list[i].to)
            return true;
    return false;
}

static const range hidden[] = {
    {0x00, 0x08},     {0x0E, 0x1F},     {0x7F, 0x84},       {0x86, 0x9F},      {0xAD, 0xAD},
    {0x300, 0x36F},   {0x610, 0x61A},   {0x640, 0x640},     {0x64B, 0x65F},    {0x591, 0x5C7},
    {0x180E, 0x180E}, {0x200B, 0x200F}, {0x202A, 0x202E},   {0x2060, 0x206F},  {0x20D0, 0x20E2},
    {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0x1F3FB, 0x1F3FF}, {0xE0000, 0xE0FFF}};

static const range ideographs[] = {
    {0x0E00, 0x0E4F}, {0x3040, 0x30FF}, {0x3400, 0x9FFF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF}};

/* Looked at in order. */
static const mapped marks[] = {
    {0x2018, 0x2019, '\''},  {0xB4, 0xB4, '\''},      {0x2010, 0x2015, '-'},
    {0x2212, 0x2212, '-'},   {0xFE58, 0xFE58, '-'},   {0x301C, 0x301C, '~'},
    {0x2053, 0x2053, '~'},   {0x2248, 0x2248, '~'},   {0x20A0, 0x20CF, '$'},
    {0xA2, 0xA5, '$'},       {0xB7, 0xB7, '|'},       {0x2022, 0x2022, '*'},
    {0x2023, 0x2023, '*'},   {0x25A0, 0x25FF, '*'},   {0x2500, 0x259F, '|'},
    {0x2B1B, 0x2B1C, '*'},   {0x2190, 0x21FF, '>'},   {0x2794, 0x2794, '>'},
    {0x2798, 0x27BF, '>'},   {0x2B05, 0x2B07, '>'},   {0x2B95, 0x2B95, '>'},
    {0x27A1, 0x27A1, '>'},   {0x3001, 0x3001, ','},   {0x3002, 0x3002, '.'},
    {0x66A, 0x66A, '%'},     {0x66B, 0x66B, '.'},     {0x66C, 0x66C, ','},
    {0x60C, 0x60C, ','},     {0x61B, 0x61B, ';'},     {0x61F, 0x61F, '?'},
    {0xBF, 0xBF, '?'},       {0x2024, 0x2024, '.'},   {0x2026, 0x2026, '-'},
    {0x2215, 0x2215, '/'},   {0x2044, 0x2044, '/'},   {0x300A, 0x3011, '('},
    {0x3014, 0x301B, '('},   {0x2705, 0x2705, 'V'},   {0x2611, 0x2611, 'V'},
    {0x2713, 0x2714, 'V'},   {0x1F5F8, 0x1F5F8, 'V'}, {0x1F5F9, 0x1F5F9, 'V'},
    {0x274C, 0x274C, 'X'},   {0x2715, 0x2718, 'X'},   {0x274E, 0x274E, 'X'},
    {0x1F3AF, 0x1F3AF, 'T'}, {0x1F6D1, 0x1F6D1, 'S'}, {0x1F6AB, 0x1F6AB, 'S'},
    {0x26D4, 0x26D4, 'S'},
};

/* U+00C0 to U+017F without their accents. */
static const char latin[] = "aaaaaaaceeeeiiiidnoooooxouuuuyts"
                            "aaaaaaaceeeeiiiidnooooo/ouuuuyty"
                            "aaaaaaccccccccddddeeeeeeeeeegggg"
                            "gggghhhhiiiiiiiiiiiijjkkklllllll"
                            "lllnnnnnnnnnoooooooorrrrrrssssss"
                            "ssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/* U+1EA0 to U+1EF9, the end of each vowel's run. */
static const struct {
    uint32_t to;
    char letter;
} vietnamese[] = {{0x1EB7, 'a'}, {0x1EC7, 'e'}, {0x1ECB, 'i'},
                  {0x1EE3, 'o'}, {0x1EF1, 'u'}, {0x1EF9, 'y'}};

/* The first of ten or more ordinals, and how many they are. */
static const struct {
    uint32_t from;
    uint8_t count;
} ordinals[] = {{0x2460, 20}, {0x2474, 20}, {0x2488, 20}, {0x24F5, 10}, {0x2776, 10},
                {0x2780, 10}, {0x278A, 10}, {0x1F947, 3}, {0x1F101, 9}};

static const uint32_t digits[] = {0x0660, 0x06F0, 0x0966, 0xFF10};

/* The first of 26 capitals, or of 26 small letters. */
static const struct {
    uint32_t from;
    bool upper;
} enclosed[] = {{0x24B6, true},  {0x24D0, false}, {0x1F130, true},
                {0x1F150, true}, {0x1F170, true}, {0x249C, false}};

/* ---- classes ---- */

static void letter(trade_char *c, char fold, bool upper)
{
    c->type = CHAR_LETTER;
    c->fold[0] = fold;
    c->fold[1] = '\0';
    c->upper = upper;
}

static void ascii(trade_char *c, uint32_t code)
{
    if (code >= '0' && code <= '9') {
        c->type = CHAR_DIGIT;
        c->mark = (char)code;
    } else if (code >= 'A' && code <= 'Z') {
        letter(c, (char)(code + 32), true);
    } else if (code >= 'a' && code <= 'z') {
        letter(c, (char)code, false);
    } else if (code == ' ' || code == '\t') {
        c->type = CHAR_SPACE;
    } else if (code == '\n' || code == '\v' || code == '\f') {
        c->type = CHAR_LINE;
    } else {
        c->type = CHAR_MARK;
        c->mark = strchr("[]{}", (int)code) ? (code == '[' || code == '{' ? '(' : ')') : (char)code;
    }
}

static bool is_space(trade_char *c, uint32_t code)
{
    static const range spaces[] = {{0x2000, 0x200A}, {0x205F, 0x205F}, {0x3000, 0x3000},
                                   {0x1680, 0x1680}, {0xA0, 0xA0},     {0x202F, 0x202F}};
    if (code == 0x85 || code == 0x2028 || code == 0x2029) {
        c->type = CHAR_LINE;
        return true;
    }
    if (!within(code, spaces, sizeof spaces / sizeof *spaces))
        return false;
    bool thin = code == 0xA0 || code == 0x202F || (code >= 0x2005 && code <= 0x200A);
    c->type = thin ? CHAR_THIN : CHAR_SPACE;
    return true;
}

static bool is_mark(trade_char *c, uint32_t code)
{
    c->type = CHAR_MARK;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (code >= marks[i].from && code <= marks[i].to) {
            c->mark = marks[i].mark;
            return true;
        }
    return false;
}

static bool is_ordinal(trade_char *c, uint32_t code)
{
    for (size_t i = 0; i < sizeof ordinals / sizeof *ordinals; i++)
        if (code >= ordinals[i].from && code < ordinals[i].from + ordinals[i].count) {
            c->type = CHAR_ORDINAL;
            c->value = (uint8_t)(code - ordinals[i].from + 1);
            return true;
        }
    return false;
}

static bool is_digit(trade_char *c, uint32_t code)
{
    uint32_t value = 10;
    for (size_t i = 0; i < sizeof digits / sizeof *digits; i++)
        if (code >= digits[i] && code < digits[i] + 10)
            value = code - digits[i];
    if (code >= 0x1D7CE && code <= 0x1D7FF)
        value = (code - 0x1D7CE) % 10;
    c->type = CHAR_DIGIT;
    c->mark = (char)('0' + value);
    return value < 10;
}

static bool is_latin(trade_char *c, uint32_t code)
{
    if (code >= 0xC0 && code <= 0x17F && code != 0xD7 && code != 0xF7) {
        bool upper = code < 0xDF || (code > 0xFF && code % 2 == 0);
        letter(c, latin[code - 0xC0], upper);
        return true;
    }
    if (code >= 0x1D400 && code <= 0x1D6A3) {
        uint32_t at = (code - 0x1D400) % 52;
        letter(c, (char)('a' + at % 26), at < 26);
        return true;
    }
    for (size_t i = 0; i < sizeof enclosed / sizeof *enclosed; i++)
        if (code >= enclosed[i].from && code < enclosed[i].from + 26) {
            letter(c, (char)('a' + (code - enclosed[i].from)), enclosed[i].upper);
            return true;
        }
    for (size_t i = 0; code >= 0x1EA0 && i < sizeof vietnamese / sizeof *vietnamese; i++)
        if (code <= vietnamese[i].to) {
            letter(c, vietnamese[i].letter, code % 2 == 0);
            return true;
        }
    if (code == 0x1A0 || code == 0x1A1 || code == 0x1AF || code == 0x1B0)
        letter(c, code < 0x1A2 ? 'o' : 'u', code == 0x1A0 || code == 0x1AF);
    else if (code == 0x218 || code == 0x219 || code == 0x21A || code == 0x21B)
        letter(c, code < 0x21A ? 's' : 't', code % 2 == 0);
    else if (code == 0xD7)
        letter(c, 'x', false);
    else
        return false;
    return true;
}

static void other_letter(trade_char *c, uint32_t code)
{
    bool upper = (code >= 0x391 && code <= 0x3A9) || (code >= 0x400 && code <= 0x42F);
    if (code >= 0x410 && code <= 0x42F)
        code += 0x20;
    else if (code >= 0x400 && code <= 0x40F)
        code += 0x50;
    else if (code >= 0x391 && code <= 0x3A9)
        code += 0x20;
    if (code == 0x451)
        code = 0x435;
    if (code == 0x6A9 || code == 0x6CC) /* Persian k and y are Arabic ones */
        code = code == 0x6A9 ? 0x643 : 0x64A;
    c->type = CHAR_LETTER;
    c->upper = upper;
    encode(code, c->fold);
}

static bool is_letter_of_some_script(uint32_t code)
{
    static const range letters[] = {{0x180, 0x2AF},   {0x370, 0x1FFF},  {0x2C00, 0x2DFF},
                                    {0xA000, 0xD7FF}, {0xFB00, 0xFDFF}, {0xFE70, 0xFEFC},
                                    {0xAA, 0xAA},     {0xBA, 0xBA},     {0x10000, 0x1CFFF}};
    return within(code, letters, sizeof letters / sizeof *letters);
}

trade_char trade_char_at(const char *text, size_t size, size_t at)
{
    trade_char c = {.type = CHAR_LINE, .fold = ""};
    if (at >= size)
        return c;
    uint32_t code = decode((const unsigned char *)text + at, size - at, &c.size);
    c.units = code > 0xFFFF ? 2 : 1;
    if (code >= 0xFF01 && code <= 0xFF5E)
        code -= 0xFEE0;
    if (code == 0x20E3)
        c.type = CHAR_KEYCAP;
    else if (code == '\r' || within(code, hidden, sizeof hidden / sizeof *hidden))
        c.type = CHAR_HIDDEN;
    if (code != '\r' &&
        (code == '\n' || (code >= '\t' && code <= '\f') || (code >= ' ' && code < 0x7F)))
        ascii(&c, code);
    else if (c.type == CHAR_KEYCAP || c.type == CHAR_HIDDEN || is_space(&c, code) ||
             is_ordinal(&c, code) || is_mark(&c, code) || is_digit(&c, code) || is_latin(&c, code))
        return c;
    else if (within(code, ideographs, sizeof ideographs / sizeof *ideographs))
        c.type = CHAR_IDEOGRAPH;
    else if (is_letter_of_some_script(code))
        other_letter(&c, code);
    else {
        c.type = CHAR_MARK;
        c.mark = 'E';
    }
    return c;
}

bool trade_char_is_time(const char *word)
{
    static const char *const times[] = {
        "min",     "mins",   "minutes", "minuten", "hr",  "hrs",  "hour", "hours",
        "h",       "std",    "sec",     "days",    "day", "tage", "pips", "pip",
        "pts",     "points", "ticks",   "bps",     "am",  "pm",   "hs",   "candle",
        "candles", "h1",     "h4",      "d1",      "点",  "點",   "rr",   "r"};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (strcmp(word, times[i]) == 0)
            return true;
    return false;
}

/* The script's words are few, and together in the table: those above U+0E00. */
size_t trade_char_known_run(const char *text, size_t size)
{
    enum { LONGEST = 48 };
    char run[LONGEST + 1];
    size_t len = size < LONGEST ? size : LONGEST;
    memcpy(run, text, len);
    run[len] = '\0';
    for (; len > 0; len--)
        if (len == size || (text[len] & 0xC0) != 0x80) {
            run[len] = '\0';
            if (trade_phrase_find(run))
                return len;
        }
    return 0;
}
