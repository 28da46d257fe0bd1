/* trade_fuzz.c - any bytes as a message of up to four parts: no crash, and the rules hold. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../tests/trade_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    trade_part parts[4];
    size_t n = 0, begin = 0;
    trade_list found;
    for (size_t i = 0; i <= size; i++)
        if (i == size || (data[i] == '\x1f' && n < 3)) {
            parts[n] = (trade_part){"part", (const char *)data + begin, i - begin, n % 2 == 1};
            n++;
            begin = i + 1;
        }
    if (trade_parse_all(parts, n, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.count; i++) {
        const char *wrong = rules_check(parts, n, &found.items[i]);
        if (wrong) {
            fprintf(stderr, "%s\n", wrong);
            abort();
        }
    }
    return 0;
}
