/* value_bench.c - parsing a Transition with a result of 50 documents: this library
 * against cJSON, alternating in one run, medians of nine. Prints times and ratios. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "convex/value.h"

enum { ROUNDS = 9, REPEATS = 400 };

static size_t held; /* bytes of one parsed tree */

static void *counting_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    held += size;
    return realloc(ptr, size);
}

static char *make_transition(size_t *ret_len)
{
    char *text = malloc(64 * 1024);
    if (text == NULL)
        exit(EXIT_FAILURE);
    int len =
        sprintf(text, "{\"type\":\"Transition\",\"startVersion\":{\"querySet\":1,\"identity\":0,"
                      "\"ts\":\"AAAqNv6clxc=\"},\"endVersion\":{\"querySet\":1,\"identity\":0,"
                      "\"ts\":\"FY0C1CvweRg=\"},\"modifications\":[{\"type\":\"QueryUpdated\","
                      "\"queryId\":0,\"value\":[");
    for (int i = 0; i < 50; i++) {
        len += sprintf(
            text + len,
            "%s{\"_creationTime\":1763704800%03d.%04d,\"_id\":\"j57dxbdyxw0020g30g2gc1r8"
            "1589m%03d\",\"author\":{\"avatarUrl\":\"https://cdn.example/avatars/%d.png\","
            "\"bot\":false,\"id\":\"14000000000000000%02d\",\"name\":\"Analyst %d\"},"
            "\"content\":\"BUY EURUSD @ 1.0%d TP 1.09%d SL 1.07%d\\nrisk 1%%, move to "
            "break-even at TP1 \xe2\x80\x94 see the chart\",\"deleted\":false,"
            "\"editedAt\":null,\"messageId\":\"12000000000000%05d\",\"sentAt\":17637048%05d,"
            "\"version\":{\"$integer\":\"KgAAAAAAAAA=\"}}",
            i == 0 ? "" : ",", i, i * 37 % 9999, i, i, i % 7, i % 7, 800 + i, i, i, i, i * 13);
    }
    len += sprintf(text + len, "],\"logLines\":[],\"journal\":null}]}");
    *ret_len = (size_t)len;
    return text;
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double time_ours(const char *text, size_t len, const convex_mem *mem)
{
    double start = now_us();
    for (int i = 0; i < REPEATS; i++) {
        convex_value *value = NULL;
        if (convex_value_parse(text, len, CONVEX_ENCODED_JSON, 68, mem, &value, NULL) != CONVEX_OK)
            exit(EXIT_FAILURE);
        convex_value_unref(value);
    }
    return (now_us() - start) / REPEATS;
}

static double time_cjson(const char *text, size_t len)
{
    double start = now_us();
    for (int i = 0; i < REPEATS; i++) {
        cJSON *tree = cJSON_ParseWithLength(text, len);
        if (tree == NULL)
            exit(EXIT_FAILURE);
        cJSON_Delete(tree);
    }
    return (now_us() - start) / REPEATS;
}

static double time_print(const char *text, size_t len)
{
    convex_value *value = NULL;
    if (convex_value_parse(text, len, CONVEX_ENCODED_JSON, 68, NULL, &value, NULL) != CONVEX_OK)
        exit(EXIT_FAILURE);
    double start = now_us();
    for (int i = 0; i < REPEATS; i++) {
        char *printed = NULL;
        if (convex_value_print(value, CONVEX_ENCODED_JSON, NULL, &printed, NULL) != CONVEX_OK)
            exit(EXIT_FAILURE);
        convex_text_free(printed, NULL);
    }
    convex_value_unref(value);
    return (now_us() - start) / REPEATS;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, ROUNDS, sizeof *times, by_size);
    return times[ROUNDS / 2];
}

int main(void)
{
    size_t len = 0;
    char *text = make_transition(&len);
    double ours[ROUNDS], theirs[ROUNDS], prints[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = time_ours(text, len, NULL);
        theirs[i] = time_cjson(text, len);
        prints[i] = time_print(text, len);
    }
    convex_value *value = NULL;
    convex_mem counting = {counting_realloc, NULL};
    if (convex_value_parse(text, len, CONVEX_ENCODED_JSON, 68, &counting, &value, NULL) !=
        CONVEX_OK)
        return EXIT_FAILURE;
    convex_value_unref(value);
    double us = median(ours), cjson_us = median(theirs);
    printf("Transition of 50 documents, %zu bytes\n", len);
    printf("parse  %7.1f us (%.0f MB/s)   cJSON %7.1f us   ratio %.2f\n", us, (double)len / us,
           cjson_us, us / cjson_us);
    printf("print  %7.1f us\n", median(prints));
    printf("memory %.2f of the text\n", (double)held / (double)len);
    free(text);
    return EXIT_SUCCESS;
}
