/* metrics.c - a list of counters, gauges and histograms.
 * Owns every metric. Made by one thread at start; afterwards the list does not change, and the
 * values are atomics, so any thread may change and print them. Invariant: metrics of one name stand
 * next to each other, as the exposition format wants. */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 24, FIRST_BUCKET_US = 50 };

typedef enum metric_kind { COUNTER, GAUGE, HISTOGRAM } metric_kind;

typedef struct metric metric;
struct metric {
    metric *next;
    const char *name, *labels, *help;
    metric_kind kind;
    atomic_int_fast64_t value;                 /* of a histogram: the sum in microseconds */
    atomic_uint_fast64_t buckets[BUCKETS + 1]; /* histograms only; the last is +Inf */
};

struct daemon_counter {
    metric m;
};
struct daemon_gauge {
    metric m;
};
struct daemon_histogram {
    metric m;
};
struct daemon_metrics {
    metric *first;
};

daemon_metrics *daemon_metrics_new(void)
{
    return calloc(1, sizeof(daemon_metrics));
}

void daemon_metrics_free(daemon_metrics *metrics)
{
    metric *m = metrics ? metrics->first : NULL;

    while (m) {
        metric *next = m->next;
        free(m);
        m = next;
    }
    free(metrics);
}

/* Behind the last one of the same name, else at the end. */
static metric *add(daemon_metrics *metrics, metric_kind kind, const char *name, const char *labels,
                   const char *help)
{
    metric *m = metrics ? calloc(1, sizeof(*m)) : NULL, **link, **after = NULL;

    if (m == NULL)
        return NULL;
    for (link = &metrics->first; *link; link = &(*link)->next)
        if (strcmp((*link)->name, name) == 0)
            after = &(*link)->next;
    if (after)
        link = after;
    m->name = name;
    m->labels = labels ? labels : "";
    m->help = help;
    m->kind = kind;
    m->next = *link;
    *link = m;
    return m;
}

daemon_counter *daemon_counter_new(daemon_metrics *metrics, const char *name, const char *labels,
                                   const char *help)
{
    return (daemon_counter *)add(metrics, COUNTER, name, labels, help);
}

daemon_gauge *daemon_gauge_new(daemon_metrics *metrics, const char *name, const char *labels,
                               const char *help)
{
    return (daemon_gauge *)add(metrics, GAUGE, name, labels, help);
}

daemon_histogram *daemon_histogram_new(daemon_metrics *metrics, const char *name,
                                       const char *labels, const char *help)
{
    return (daemon_histogram *)add(metrics, HISTOGRAM, name, labels, help);
}

void daemon_counter_add(daemon_counter *counter, uint64_t amount)
{
    if (counter)
        atomic_fetch_add_explicit(&counter->m.value, (int_fast64_t)amount, memory_order_relaxed);
}

uint64_t daemon_counter_value(const daemon_counter *counter)
{
    return counter ? (uint64_t)atomic_load(&counter->m.value) : 0;
}

void daemon_gauge_set(daemon_gauge *gauge, int64_t value)
{
    if (gauge)
        atomic_store_explicit(&gauge->m.value, value, memory_order_relaxed);
}

int64_t daemon_gauge_value(const daemon_gauge *gauge)
{
    return gauge ? atomic_load(&gauge->m.value) : 0;
}

static int64_t bucket_limit_us(int bucket)
{
    return (int64_t)FIRST_BUCKET_US << bucket;
}

void daemon_histogram_observe(daemon_histogram *histogram, int64_t microseconds)
{
    int bucket = 0;

    if (histogram == NULL)
        return;
    while (bucket < BUCKETS && microseconds > bucket_limit_us(bucket))
        bucket++;
    atomic_fetch_add_explicit(&histogram->m.buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->m.value, microseconds, memory_order_relaxed);
}

void daemon_metrics_each(const daemon_metrics *metrics, daemon_metric_fn *fn, void *user)
{
    for (const metric *m = metrics->first; m; m = m->next)
        if (m->kind != HISTOGRAM)
            fn(m->name, m->labels, atomic_load(&m->value), user);
}

static void print_histogram(FILE *out, const metric *m)
{
    const char *comma = *m->labels ? "," : "";
    uint64_t total = 0;

    for (int i = 0; i <= BUCKETS; i++) {
        total += atomic_load(&m->buckets[i]);
        fprintf(out, "%s_bucket{%s%sle=\"", m->name, m->labels, comma);
        if (i < BUCKETS)
            fprintf(out, "%" PRId64 ".%06" PRId64, bucket_limit_us(i) / 1000000,
                    bucket_limit_us(i) % 1000000);
        else
            fputs("+Inf", out);
        fprintf(out, "\"} %" PRIu64 "\n", total);
    }
    int64_t sum = atomic_load(&m->value);
    const char *open = *m->labels ? "{" : "", *close = *m->labels ? "}" : "";
    fprintf(out, "%s_sum%s%s%s %" PRId64 ".%06" PRId64 "\n", m->name, open, m->labels, close,
            sum / 1000000, sum % 1000000);
    fprintf(out, "%s_count%s%s%s %" PRIu64 "\n", m->name, open, m->labels, close, total);
}

static void print_metric(FILE *out, const metric *m)
{
    const char *open = *m->labels ? "{" : "", *close = *m->labels ? "}" : "";

    if (m->kind == HISTOGRAM)
        print_histogram(out, m);
    else
        fprintf(out, "%s%s%s%s %" PRIdFAST64 "\n", m->name, open, m->labels, close,
                atomic_load(&m->value));
}

char *daemon_metrics_text(const daemon_metrics *metrics, size_t *ret_size)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const char *previous = "";
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    for (const metric *m = metrics->first; m; m = m->next) {
        if (strcmp(previous, m->name) != 0)
            fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, kinds[m->kind]);
        previous = m->name;
        print_metric(out, m);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    if (ret_size)
        *ret_size = size;
    return text;
}
