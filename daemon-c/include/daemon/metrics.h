/* daemon/metrics.h - counters, gauges and latency histograms with their text exposition.
 *
 * Metrics are made at start by one thread and live as long as their registry; changing and printing
 * them is lock-free and safe from every thread. Names and labels are borrowed: use constants. */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct daemon_metrics daemon_metrics;     /* opaque, one owner */
typedef struct daemon_counter daemon_counter;     /* opaque, the registry's */
typedef struct daemon_gauge daemon_gauge;         /* opaque, the registry's */
typedef struct daemon_histogram daemon_histogram; /* opaque, the registry's */

daemon_metrics *daemon_metrics_new(void); /* NULL: out of memory */
void daemon_metrics_free(daemon_metrics *metrics);

/*   name     "events_recorded_total"; a letter, then letters, digits and '_'
 *   labels   "outcome=\"ok\"" or NULL; the same name may be added with several labels
 * NULL: out of memory. Changing a NULL metric does nothing, so this needs no check. */
daemon_counter *daemon_counter_new(daemon_metrics *metrics, const char *name, const char *labels,
                                   const char *help);
daemon_gauge *daemon_gauge_new(daemon_metrics *metrics, const char *name, const char *labels,
                               const char *help);
/* Observed in microseconds, exposed in seconds: 24 buckets, doubling from 50 us. */
daemon_histogram *daemon_histogram_new(daemon_metrics *metrics, const char *name,
                                       const char *labels, const char *help);

void daemon_counter_add(daemon_counter *counter, uint64_t amount);
uint64_t daemon_counter_value(const daemon_counter *counter);
void daemon_gauge_set(daemon_gauge *gauge, int64_t value);
int64_t daemon_gauge_value(const daemon_gauge *gauge);
void daemon_histogram_observe(daemon_histogram *histogram, int64_t microseconds);

/* Calls fn for every counter and gauge: what a heartbeat carries. */
typedef void daemon_metric_fn(const char *name, const char *labels, int64_t value, void *user);
void daemon_metrics_each(const daemon_metrics *metrics, daemon_metric_fn *fn, void *user);

/* The text exposition format, version 0.0.4. Returns the text (owned, release with free(), ends
 * with NUL), its length in *ret_size if not NULL; NULL: out of memory. */
char *daemon_metrics_text(const daemon_metrics *metrics, size_t *ret_size);

#ifdef __cplusplus
}
#endif
#endif
