/* trade_words.c - see trade_words.h. The rows are made of trade_words.txt by trade_words.cmake.
 * Invariant: they are in strcmp order, each phrase once. */
#include "trade_words.h"

#include <string.h>

const trade_phrase trade_phrases[] = {
#include "trade_words.inc"
};
const size_t trade_phrase_count = sizeof trade_phrases / sizeof *trade_phrases;

const trade_phrase *trade_phrase_find(const char *text)
{
    size_t low = 0, high = trade_phrase_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(text, trade_phrases[middle].text);
        if (order == 0)
            return &trade_phrases[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Is `word` the label but for one letter missing, added, wrong, or two swapped? */
static bool is_slip(const char *word, const char *label)
{
    size_t n = strlen(word), m = strlen(label), same = 0;
    while (word[same] && word[same] == label[same])
        same++;
    const char *w = word + same, *l = label + same;
    if (same == 0 || n > m + 1 || m > n + 1)
        return false;
    if (n == m)
        return *w && (strcmp(w + 1, l + 1) == 0 ||
                      (w[0] == l[1] && w[1] == l[0] && strcmp(w + 2, l + 2) == 0));
    return n > m ? strcmp(w + 1, l) == 0 : strcmp(w, l + 1) == 0;
}

const trade_phrase *trade_phrase_near(const char *word)
{
    static const char *const labels[] = {"entry",    "entries",  "target",     "targets",
                                         "leverage", "stoploss", "takeprofit", "stop loss",
                                         "entrada",  "objetivo", "objetivos",  "einstieg"};
    for (size_t i = 0; strlen(word) >= 4 && i < sizeof labels / sizeof *labels; i++)
        if (is_slip(word, labels[i]))
            return trade_phrase_find(labels[i]);
    return NULL;
}
