/* bench.c - clocks, samples, and what is printed of them. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double clock_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

double bench_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

double bench_cpu_us(void)
{
    return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_init(bench *b, long count)
{
    *b = (bench){.wanted = count, .us = calloc((size_t)count + 1, sizeof *b->us)};
    if (!b->us)
        exit(1);
}

void bench_note(bench *b, double us)
{
    if (b->seen == 0) {
        b->cpu = bench_cpu_us();
        b->began = bench_now_us();
    }
    if (b->seen < b->wanted)
        b->us[b->seen++] = us;
    if (b->seen == b->wanted)
        bench_end(b);
}

void bench_end(bench *b)
{
    if (b->ended > 0)
        return;
    b->cpu = bench_cpu_us() - b->cpu;
    b->ended = bench_now_us();
}

/* The first one starts the clocks: there are one fewer between. */
void bench_print(bench *b)
{
    double between = b->wanted > 1 ? (double)(b->wanted - 1) : 1;

    qsort(b->us, (size_t)b->seen, sizeof *b->us, by_size);
    printf("{\"count\":%ld,\"cpu_us\":%.3f,\"us\":%.3f,\"p50\":%.2f,\"p99\":%.2f}\n", b->seen,
           b->cpu / between, (b->ended - b->began) / between, b->us[b->seen / 2],
           b->us[b->seen * 99 / 100]);
    fflush(stdout);
    free(b->us);
}

void bench_wait(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

int bench_main(const bench_job *jobs, int argc, char **argv)
{
    long n[4] = {0};

    for (int i = 3; i < argc && i < 7; i++)
        n[i - 3] = strtol(argv[i], NULL, 10);
    for (; argc > 2 && jobs->name; jobs++)
        if (strcmp(argv[1], jobs->name) == 0 && argc == 3 + jobs->numbers)
            return jobs->run(argv[2], n);
    fprintf(stderr, "usage: %s JOB URL [N...]\n", argv[0]);
    return 2;
}
