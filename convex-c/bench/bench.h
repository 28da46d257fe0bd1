/* bench.h - measurements that programs at the same jobs share. */
#ifndef BENCH_H
#define BENCH_H

/* So many measurements, CPU and time from the first to the last. */
typedef struct bench {
    long wanted, seen;
    double *us; /* owned */
    double cpu, began, ended, called_at;
    int first, running, insert;
    void *user;
} bench;

typedef struct bench_job {
    const char *name;
    int numbers;
    int (*run)(const char *url, const long *n);
} bench_job;

double bench_now_us(void);
double bench_cpu_us(void);
void bench_init(bench *b, long count);
void bench_note(bench *b, double us); /* ends with the last that is wanted */
void bench_end(bench *b);
void bench_print(bench *b); /* and frees */
void bench_wait(void);      /* for the end of standard input */

/* Runs the job that is asked for; `jobs` end with one without a name. */
int bench_main(const bench_job *jobs, int argc, char **argv);

#endif
