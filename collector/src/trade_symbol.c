/* trade_symbol.c - names of what is traded. Owns nothing; the coins are in strcmp order, a capital
 * as its small letter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trade_items.h"

static const char *const quotes[] = {"aud",  "bnb",  "brl", "btc", "busd", "cad",   "chf",  "cnh",
                                     "czk",  "dai",  "dkk", "eth", "eur",  "fdusd", "gbp",  "hkd",
                                     "huf",  "inr",  "jpy", "krw", "mxn",  "ngn",   "nok",  "nzd",
                                     "perp", "pln",  "rub", "sek", "sgd",  "sol",   "swap", "thb",
                                     "try",  "tusd", "uah", "usd", "usdc", "usde",  "usdt", "zar"};

/* What closes a joined name whatever stands before it. */
static const char *const any_quotes[] = {"usdtperp", "usdcperp", "usdperp", "fdusd", "usdtp",
                                         "usdt",     "usdc",     "busd",    "perp",  "usd"};

static const char *const money[] = {"aud", "cad", "chf", "cnh", "czk", "dkk", "eur", "gbp",
                                    "hkd", "huf", "jpy", "mxn", "nok", "nzd", "pln", "sek",
                                    "sgd", "thb", "try", "usd", "xag", "xau", "zar"};

static const char *const stable[] = {"aeusd", "busd",  "crvusd", "fdusd", "gusd", "lusd",
                                     "pyusd", "rlusd", "susd",   "tusd",  "usd",  "usdc",
                                     "usdd",  "usde",  "usdp",   "usds",  "usdt", "ust"};

static const char *const dollars[] = {"busd", "fdusd", "usdc", "usdt"};

/* Known names. A capital first letter: also a word, so it needs a side beside it. */
const char *const trade_coins[] = {
    "1000bonk",  "1000floki", "1000pepe", "1000sats", "1000shib", "1inch", "aave",    "Ach",
    "Act",       "ada",       "aero",     "agix",     "Agld",     "Ai",    "ai16z",   "aixbt",
    "Akt",       "algo",      "Alice",    "Alpha",    "Alt",      "Ankr",  "Ape",     "api3",
    "Apt",       "Ar",        "arb",      "Ark",      "arkm",     "aster", "Astr",    "atom",
    "Auction",   "Audio",     "avax",     "axs",      "Badger",   "Bake",  "Bal",     "Banana",
    "Band",      "Bat",       "bch",      "Beam",     "bera",     "bgb",   "bico",    "bio",
    "Blur",      "blz",       "bnb",      "Bome",     "bonk",     "brett", "brev",    "bsv",
    "btc",       "Cake",      "cati",     "Celo",     "cfx",      "Chr",   "chz",     "ckb",
    "Comp",      "Core",      "coti",     "cro",      "crv",      "ctsi",  "cvx",     "cyber",
    "Dash",      "dexe",      "dgb",      "dodo",     "doge",     "dogs",  "Dot",     "drift",
    "dydx",      "dym",       "egld",     "eigen",    "ena",      "enj",   "ens",     "eos",
    "Etc",       "eth",       "ethfi",    "ethw",     "fartcoin", "fet",   "fida",    "fil",
    "floki",     "Flow",      "Flux",     "ftm",      "ftt",      "Fun",   "fxs",     "gala",
    "Gas",       "glm",       "glmr",     "gmt",      "gmx",      "Goat",  "grass",   "griffain",
    "grt",       "hbar",      "Hfi",      "hifi",     "High",     "hmstr", "hnt",     "Hook",
    "Hot",       "Hype",      "icp",      "icx",      "Id",       "imx",   "inj",     "Io",
    "iost",      "iota",      "iotx",     "Jasmy",    "Joe",      "jto",   "jup",     "kaito",
    "kas",       "kava",      "kda",      "klay",     "knc",      "ksm",   "Layer",   "ldo",
    "lever",     "Link",      "lista",    "Lit",      "lpt",      "lqty",  "lrc",     "ltc",
    "luna",      "lunc",      "Magic",    "mana",     "manta",    "Mask",  "matic",   "mavia",
    "Me",        "Meme",      "Met",      "mina",     "mkr",      "Mog",   "moodeng", "morpho",
    "Move",      "mtl",       "Near",     "neiro",    "neo",      "nfp",   "Not",     "Ocean",
    "Om",        "Omg",       "ondo",     "One",      "ong",      "ont",   "Op",      "Orca",
    "ordi",      "paxg",      "pendle",   "pengu",    "People",   "pepe",  "Perp",    "Pixel",
    "pnut",      "Pol",       "polyx",    "popcat",   "Portal",   "Prime", "Pump",    "pyth",
    "qnt",       "qtum",      "Rad",      "Rare",     "rats",     "Ray",   "rdnt",    "Render",
    "rez",       "rlc",       "rndr",     "Ron",      "Rose",     "rsr",   "rune",    "rvn",
    "Safe",      "Sand",      "Sats",     "scr",      "scrt",     "sei",   "shib",    "skl",
    "slp",       "snt",       "snx",      "sol",      "sonic",    "Spell", "Ssv",     "stg",
    "storj",     "strk",      "stx",      "sui",      "Sun",      "Super", "sushi",   "sxp",
    "syn",       "tao",       "theta",    "tia",      "tlm",      "tnsr",  "Ton",     "trb",
    "Trump",     "trx",       "Turbo",    "twt",      "uma",      "uni",   "Usual",   "vana",
    "velodrome", "vet",       "Virtual",  "W",        "Waves",    "waxp",  "wbtc",    "wif",
    "Win",       "wld",       "wlfi",     "Woo",      "xag",      "xai",   "xau",     "xbt",
    "xem",       "xlm",       "xmr",      "xpl",      "xrp",      "xtz",   "xvg",     "yfi",
    "yfii",      "ygg",       "zec",      "Zen",      "zil",      "zk",    "zora",    "zro",
    "zrx"};
const size_t trade_coin_count = sizeof trade_coins / sizeof *trade_coins;

static const struct {
    const char *word, *base, *quote;
} names[] = {{"bitcoin", "BTC", ""},   {"btcusd", "BTC", "USD"},    {"ethereum", "ETH", ""},
             {"ether", "ETH", ""},     {"solana", "SOL", ""},       {"dogecoin", "DOGE", ""},
             {"cardano", "ADA", ""},   {"litecoin", "LTC", ""},     {"ripple", "XRP", ""},
             {"gold", "XAU", "USD"},   {"silver", "XAG", "USD"},    {"xbt", "BTC", ""},
             {"биткоин", "BTC", ""},   {"биткойн", "BTC", ""},      {"эфир", "ETH", ""},
             {"эфириум", "ETH", ""},   {"золото", "XAU", "USD"},    {"altin", "XAU", "USD"},
             {"oro", "XAU", "USD"},    {"us30", "US30", ""},        {"nas100", "NAS100", ""},
             {"us100", "US100", ""},   {"ustec", "USTEC", ""},      {"spx500", "SPX500", ""},
             {"us500", "US500", ""},   {"ger40", "GER40", ""},      {"ger30", "GER30", ""},
             {"de40", "DE40", ""},     {"uk100", "UK100", ""},      {"jp225", "JP225", ""},
             {"usoil", "USOIL", ""},   {"ukoil", "UKOIL", ""},      {"nasdaq", "NAS100", ""},
             {"dax", "DAX", ""},       {"wti", "WTI", ""},          {"brent", "BRENT", ""},
             {"xauusd", "XAU", "USD"}, {"btcusdt", "BTC", "USDT"},  {"ethusdt", "ETH", "USDT"},
             {"비트코인", "BTC", ""},  {"ビットコイン", "BTC", ""}, {"比特币", "BTC", ""},
             {"以太坊", "ETH", ""},    {"بيتكوين", "BTC", ""},      {"الذهب", "XAU", "USD"},
             {"ذهب", "XAU", "USD"}};

/* Names of two words. */
static const struct {
    const char *first, *second, *base, *quote;
} long_names[] = {{"dow", "jones", "US30", ""},    {"crude", "oil", "USOIL", ""},
                  {"us", "oil", "USOIL", ""},      {"bitcoin", "cash", "BCH", ""},
                  {"us", "30", "US30", ""},        {"nas", "100", "NAS100", ""},
                  {"nasdaq", "100", "NAS100", ""}, {"natural", "gas", "NATGAS", ""},
                  {"shiba", "inu", "SHIB", ""},    {"ethereum", "classic", "ETC", ""}};

/* Capitals that are no symbol though no dictionary here has them. */
static const char *const no_symbols[] = {
    "ai",    "alert", "ama",    "ath",    "bos",   "boom",   "breaking", "btfd", "cet",  "ceo",
    "cex",   "chart", "choch",  "copy",   "cpi",   "crypto", "day",      "dex",  "dyor", "easy",
    "ema",   "est",   "etf",    "fed",    "fomc",  "fomo",   "free",     "fud",  "fvg",  "gm",
    "gmt",   "gn",    "go",     "good",   "guys",  "happy",  "hello",    "hi",   "hodl", "hot",
    "htf",   "huge",  "id",     "in",     "it",    "its",    "just",     "kyc",  "lets", "lfg",
    "lol",   "ltf",   "macd",   "me",     "mtf",   "nfa",    "nfp",      "nft",  "nice", "not",
    "ny",    "ob",    "ok",     "omg",    "one",   "our",    "pa",       "pls",  "pnl",  "poc",
    "ppi",   "rekt",  "rr",     "rsi",    "sec",   "so",     "soon",     "spot", "ta",   "team",
    "time",  "top",   "uk",     "up",     "us",    "usa",    "utc",      "very", "win",  "fun",
    "super", "safe",  "move",   "people", "gas",   "comp",   "vwap",     "we",   "wow",  "wtf",
    "yes",   "you",   "your",   "admin",  "edit",  "fyi",    "info",     "note", "news", "ps",
    "vip",   "mod",   "update", "tldr",   "today", "entry",  "all",      "daily"};

static bool in(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

#define IN(word, list) in(word, list, sizeof(list) / sizeof *(list))

typedef enum knowledge { UNKNOWN, WORD_TOO, KNOWN } knowledge;

static int by_letters(const void *key, const void *element)
{
    const char *word = key, *coin = *(const char *const *)element;
    char first = coin[0] >= 'A' && coin[0] <= 'Z' ? (char)(coin[0] + 32) : coin[0];
    return word[0] != first ? (unsigned char)word[0] - (unsigned char)first
                            : strcmp(word + 1, coin + 1);
}

static knowledge known(const char *word)
{
    const char *const *coin =
        bsearch(word, trade_coins, trade_coin_count, sizeof *trade_coins, by_letters);
    return !coin ? UNKNOWN : (*coin)[0] >= 'A' && (*coin)[0] <= 'Z' ? WORD_TOO : KNOWN;
}

static bool is_name(const char *word, size_t least)
{
    size_t len = strlen(word);
    return len >= least && len <= 12 &&
           strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789") == len &&
           strspn(word, "0123456789") < len;
}

static trade_symbol made(symbol_rank rank, const char *base, size_t len, const char *quote)
{
    trade_symbol s = {.rank = rank};
    size_t n = 0;
    for (; n < len && n + 1 < sizeof s.base; n++)
        s.base[n] = base[n] >= 'a' && base[n] <= 'z' ? (char)(base[n] - 32) : base[n];
    if (strcmp(s.base, "XBT") == 0)
        memcpy(s.base, "BTC", 4);
    if (strncmp(quote, "usdt", 4) == 0)
        quote = "usdt";
    else if (strncmp(quote, "usdc", 4) == 0)
        quote = "usdc";
    else if (strcmp(quote, "usdperp") == 0)
        quote = "usd";
    if (strcmp(quote, "perp") == 0 || strcmp(quote, "swap") == 0)
        quote = "";
    for (n = 0; quote[n] && n + 1 < sizeof s.quote; n++)
        s.quote[n] = (char)(quote[n] - 32);
    return s;
}

/* "btcusdt", "xauusd", "ethbtc" */
static trade_symbol joined(const token *word)
{
    trade_symbol none = {.rank = RANK_NONE};
    const char *text = word->text;
    size_t len = strlen(text);
    char base[16] = "";
    if (len > 20 || IN(text, stable) || strcmp(text, "perp") == 0)
        return none;
    for (size_t i = 0; i < sizeof any_quotes / sizeof *any_quotes; i++) {
        size_t tail = strlen(any_quotes[i]);
        if (len < tail + 1 || strcmp(text + len - tail, any_quotes[i]) != 0)
            continue;
        snprintf(base, sizeof base, "%.*s", (int)(len - tail), text);
        bool dollar = strstr(any_quotes[i], "usd") != NULL;
        if (!is_name(base, 1) || IN(base, stable) || (!dollar && known(base) == UNKNOWN) ||
            (strcmp(any_quotes[i], "usd") == 0 && !word->upper && known(base) == UNKNOWN &&
             !IN(base, money)))
            return none;
        return made(RANK_PAIR, text, len - tail, any_quotes[i]);
    }
    for (size_t i = 0; i < sizeof quotes / sizeof *quotes; i++) {
        size_t tail = strlen(quotes[i]);
        if (len < tail + 2 || strcmp(text + len - tail, quotes[i]) != 0)
            continue;
        snprintf(base, sizeof base, "%.*s", (int)(len - tail), text);
        bool fiat = IN(base, money) && IN(quotes[i], money);
        if (fiat || (known(base) == KNOWN && len - tail >= 2 && known(text) == UNKNOWN &&
                     (word->upper || tail > 3)))
            return made(RANK_PAIR, text, len - tail, quotes[i]);
    }
    return none;
}

static bool is_mark(const token *t, char mark)
{
    return t->kind == TOKEN_MARK && t->mark == mark;
}

/* What trails a pair: ".P", "-PERP", ":USDT", "-SWAP". */
static size_t skip_tail(const token *tokens, size_t n, size_t at)
{
    static const char *const tails[] = {"p", "perp", "perpetual", "swap", "usdt", "usdc", "pm"};
    while (at + 1 < n && tokens[at].kind == TOKEN_MARK && strchr(".-:_", tokens[at].mark) &&
           !tokens[at].spaced && tokens[at + 1].kind == TOKEN_WORD && !tokens[at + 1].spaced &&
           IN(tokens[at + 1].text, tails))
        at += 2;
    return at;
}

/* "EUR USD", "SOL USDT": two names with but a space between. */
static bool is_pair_of_words(const token *base, const token *quote, bool name)
{
    if (quote->kind != TOKEN_WORD || quote->start != base->end + 1 || quote->part != base->part ||
        !quote->spaced || strcmp(base->text, quote->text) == 0)
        return false;
    return (IN(base->text, money) && IN(quote->text, money)) ||
           (name && IN(quote->text, dollars) && !IN(base->text, no_symbols));
}

/* "btc/usdt", "BTC - PERP", "BTC_USDT" */
static trade_symbol split(const token *tokens, size_t n, size_t *at)
{
    trade_symbol none = {.rank = RANK_NONE};
    const token *base = &tokens[*at];
    size_t second = *at + 1;
    bool slash = second < n && is_mark(&tokens[second], '/');
    bool dash = second < n && (is_mark(&tokens[second], '-') || is_mark(&tokens[second], '_')) &&
                !tokens[second].spaced;
    bool name = known(base->text) != UNKNOWN || (base->upper && !trade_phrase_find(base->text));
    bool bar = name && second + 1 < n && is_mark(&tokens[second], '|') &&
               tokens[second + 1].kind == TOKEN_WORD && IN(tokens[second + 1].text, stable);
    bool bracket = name && second + 2 < n && is_mark(&tokens[second], '(') &&
                   !tokens[second].spaced && is_mark(&tokens[second + 2], ')'); /* "GUN(USDT)" */
    second += slash || dash || bracket || bar;
    if (second >= n || tokens[second].kind != TOKEN_WORD || !IN(tokens[second].text, quotes))
        return none;
    const char *quote = tokens[second].text;
    bool fiat = IN(base->text, money) && IN(quote, money);
    if (second == *at + 1 && is_pair_of_words(base, &tokens[second], name)) {
        *at = skip_tail(tokens, n, second + 1);
        return made(RANK_PAIR, base->text, strlen(base->text), quote);
    }
    bool adjacent = !slash && !dash && !bracket && !bar && tokens[second].start == base->end + 1 &&
                    !tokens[second].spaced; /* an underscore was dropped */
    if ((!slash && !dash && !bracket && !bar && !adjacent) || (dash && tokens[second].spaced) ||
        (IN(base->text, stable) && !fiat) || strcmp(base->text, quote) == 0 ||
        !is_name(base->text, 1))
        return none;
    if (!slash && strstr(quote, "usd") == NULL && known(base->text) == UNKNOWN)
        return none;
    *at = bracket ? second + 2 : skip_tail(tokens, n, second + 1);
    return made(RANK_PAIR, base->text, strlen(base->text), quote);
}

static trade_symbol of_two_words(const token *tokens, size_t n, size_t *at)
{
    trade_symbol s = {.rank = RANK_NONE};
    if (*at + 1 >= n || tokens[*at + 1].start > tokens[*at].end + 1)
        return s;
    for (size_t i = 0; i < sizeof long_names / sizeof *long_names; i++)
        if (strcmp(tokens[*at].text, long_names[i].first) == 0 &&
            strcmp(tokens[*at + 1].text, long_names[i].second) == 0) {
            s.rank = RANK_BARE;
            strcpy(s.base, long_names[i].base);
            strcpy(s.quote, long_names[i].quote);
            *at += 2;
            break;
        }
    return s;
}

static trade_symbol alone(const token *word, bool cash, bool tag)
{
    trade_symbol none = {.rank = RANK_NONE};
    const char *text = word->text;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i].word) == 0) {
            trade_symbol s = {.rank = cash || tag ? RANK_TAG : RANK_BARE};
            strcpy(s.base, names[i].base);
            strcpy(s.quote, names[i].quote);
            return s;
        }
    knowledge k = known(text);
    const trade_phrase *phrase = trade_phrase_find(text);
    bool plain_word = phrase && k != KNOWN;
    if (!is_name(text, 1) || IN(text, stable))
        return none;
    if (cash && is_name(text, 1) && (k != UNKNOWN || !phrase))
        return made(RANK_TAG, text, strlen(text), "");
    if (tag && (k == KNOWN || (word->upper && !phrase && !IN(text, no_symbols)) || k == WORD_TOO))
        return made(RANK_TAG, text, strlen(text), "");
    if (k == KNOWN && strlen(text) >= 2)
        return made(strlen(text) > 2 || word->upper ? RANK_BARE : RANK_MAYBE, text, strlen(text),
                    "");
    if (k == WORD_TOO)
        return made(word->upper && !phrase && !IN(text, no_symbols) ? RANK_BARE
                    : word->upper && !IN(text, no_symbols)          ? RANK_WORD
                                                                    : RANK_MAYBE,
                    text, strlen(text), "");
    if (word->upper && is_name(text, 2) && !plain_word && !IN(text, no_symbols))
        return made(RANK_MAYBE, text, strlen(text), "");
    return none;
}

trade_symbol trade_symbol_read(const token *tokens, size_t n, size_t *at)
{
    trade_symbol s = {.rank = RANK_NONE};
    size_t i = *at;
    bool sign = tokens[i].kind == TOKEN_MARK && (tokens[i].mark == '$' || tokens[i].mark == '#');
    bool cash = sign && tokens[i].mark == '$';
    if (sign && (++i >= n || tokens[i].spaced))
        return s;
    if (tokens[i].kind != TOKEN_WORD)
        return s;
    s = split(tokens, n, &i);
    if (s.rank == RANK_NONE)
        s = of_two_words(tokens, n, &i);
    if (s.rank == RANK_NONE) {
        s = joined(&tokens[i]);
        if (s.rank == RANK_NONE)
            s = alone(&tokens[i], cash, sign && !cash);
        if (s.rank != RANK_NONE)
            i = skip_tail(tokens, n, i + 1);
    }
    if (s.rank != RANK_NONE)
        *at = i;
    return s;
}

/* `ret`: in small letters. */
static void fold(const char *name, char *ret)
{
    for (; *name; name++)
        *ret++ = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
    *ret = '\0';
}

bool trade_symbol_is_steady(const trade_symbol *symbol)
{
    static const char *const indices[] = {"de40",   "dax",   "ger30", "ger40", "jp225", "nas100",
                                          "spx500", "uk100", "us30",  "us100", "us500", "ustec"};
    char base[TRADE_BASE_SIZE], quote[TRADE_QUOTE_SIZE];
    fold(symbol->base, base);
    fold(symbol->quote, quote);
    return IN(base, indices) || (IN(base, money) && IN(quote, money));
}

bool trade_symbol_same(const trade_symbol *a, const trade_symbol *b)
{
    char base[TRADE_BASE_SIZE];
    fold(a->base, base);
    if (strcmp(a->base, b->base) != 0)
        return false;
    return !IN(base, money) || !a->quote[0] || !b->quote[0] || strcmp(a->quote, b->quote) == 0;
}

trade_symbol trade_symbol_named(const char *word)
{
    bool may = is_name(word, 1) && !IN(word, stable) && !IN(word, no_symbols);
    return may ? made(RANK_BARE, word, strlen(word), "") : (trade_symbol){.rank = RANK_NONE};
}

trade_range trade_symbol_range(const trade_symbol *symbol)
{
    static const struct {
        const char *base;
        trade_range range;
    } known_ranges[] = {{"BTC", {1000, 0, true}},
                        {"ETH", {80, 0, true}},
                        {"XAU", {500, 0, false}},
                        {"PAXG", {500, 0, false}},
                        {"XAG", {5, 500, false}},
                        {"US30", {5000, 0, false}},
                        {"WBTC", {1000, 0, false}},
                        {"BNB", {0}},
                        {"BCH", {0}},
                        {"TAO", {0}},
                        {"MKR", {0}},
                        {"YFI", {0}},
                        {"GNO", {0}},
                        {"BIFI", {0}}};
    char base[TRADE_BASE_SIZE], quote[TRADE_QUOTE_SIZE];
    for (size_t i = 0; i < sizeof known_ranges / sizeof *known_ranges; i++)
        if (strcmp(symbol->base, known_ranges[i].base) == 0 && strcmp(symbol->quote, "BTC") != 0)
            return known_ranges[i].range;
    fold(symbol->base, base);
    fold(symbol->quote, quote);
    /* other coins cost less than a thousand dollars */
    bool coin = symbol->rank == RANK_PAIR && IN(quote, dollars);
    return (IN(base, money) && IN(quote, money)) || coin ? (trade_range){0, 1000, false}
                                                         : (trade_range){0, 0, false};
}

/* Does a side stand beside it, on its line? */
static bool beside_side(const item_list *list, size_t at)
{
    enum { REACH = 3 };
    for (int step = -1; step <= 1; step += 2)
        for (size_t i = at + (size_t)step, n = 0; i < list->count && n < REACH; i += (size_t)step) {
            const item *one = &list->items[i];
            if (one->kind == ITEM_LINE || one->kind == ITEM_NUMBER || one->kind == ITEM_SYMBOL)
                break;
            if (item_is_side(one))
                return true;
            n += one->kind != ITEM_MARK;
        }
    return false;
}

static const trade_symbol *symbol_at(const item_list *list, size_t i)
{
    const item *one = &list->items[i];
    return one->kind == ITEM_SYMBOL ? &list->symbols[one->symbol - 1] : NULL;
}

static symbol_rank best_rank(const item_list *list)
{
    symbol_rank best = RANK_NONE;
    for (size_t i = 0; i < list->count; i++) {
        const trade_symbol *s = symbol_at(list, i);
        if (s && s->rank > best)
            best = s->rank;
    }
    return best;
}

static bool is_unknown(const trade_symbol *symbol)
{
    char base[TRADE_BASE_SIZE];
    fold(symbol->base, base);
    return known(base) == UNKNOWN;
}

int trade_symbol_choose(const item_list *list, bool *several)
{
    symbol_rank best = best_rank(list);
    int chosen = -1;
    bool chosen_beside = false, clash = false;
    *several = false;
    for (size_t i = 0; i < list->count; i++) {
        const trade_symbol *s = symbol_at(list, i);
        if (!s || s->rank != best)
            continue;
        bool beside = beside_side(list, i);
        const trade_symbol *held = chosen < 0 ? NULL : symbol_at(list, (size_t)chosen);
        if (!held || (beside && !chosen_beside && !trade_symbol_same(held, s))) {
            *several = *several || held;
            clash = clash && !held;
            chosen = (int)i;
            chosen_beside = beside;
        } else if (!trade_symbol_same(held, s)) {
            *several = true;
            clash = clash || beside == chosen_beside;
        } else {
            chosen_beside = chosen_beside || beside;
            if (held->quote[0] == '\0' && s->quote[0])
                chosen = (int)i;
        }
    }
    /* "THETA short ... #OurRoom", "#SOL long ... ETH/BTC is weak": what stands beside nothing is no
     * match for what stands before it beside its side */
    int end =
        best == RANK_TAG && is_unknown(symbol_at(list, (size_t)chosen)) ? (int)list->count : chosen;
    for (int i = 0; best > RANK_BARE && !chosen_beside && i < end; i++) {
        const trade_symbol *s = symbol_at(list, (size_t)i);
        if (s && s->rank >= RANK_BARE && beside_side(list, (size_t)i) &&
            !trade_symbol_same(s, symbol_at(list, (size_t)chosen))) {
            *several = false;
            return i;
        }
    }
    return clash ? -1 : chosen;
}
