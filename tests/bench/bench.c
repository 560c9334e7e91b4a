/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the cases and prints one table; with -o also a file that `report` makes BENCHMARKS.md and a
 * plot from. Arguments choose cases by a part of their names; -q is a short run. With -m also all of
 * PV block, each figure by each medium, size, kind and depth, into a file of its own.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/bench/bench.h"

#define ROUNDS_MOST 64
#define MATRIX_ROUNDS 3u

struct series {
    double median, low, high; /* the quartiles */
};

static FILE *table;
static bool quick;

void bench_pin_guest(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

void bench_pin(const struct dm *dm, int cpu)
{
    cpu_set_t set;
    char path[64];
    struct dirent *e;
    DIR *d;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)dm->pid);
    d = opendir(path);
    while (d && (e = readdir(d)))
        if (*e->d_name != '.')
            sched_setaffinity(atoi(e->d_name), sizeof(set), &set);
    if (d)
        closedir(d);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), ascending);
    return count & 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The sum of a number in a file of each thread's; `format` takes an unsigned long long off a line. */
static uint64_t sum_of_threads(const struct dm *dm, const char *file, const char *format)
{
    unsigned long long sum = 0, n;
    char path[320], line[128];
    struct dirent *e;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)dm->pid);
    d = opendir(path);
    while (d && (e = readdir(d))) {
        FILE *f;

        if (*e->d_name == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", (int)dm->pid, e->d_name, file);
        f = fopen(path, "r");
        while (f && fgets(line, sizeof(line), f))
            if (sscanf(line, format, &n) == 1)
                sum += n;
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return sum;
}

uint64_t bench_cpu_ns(const struct dm *dm)
{
    return sum_of_threads(dm, "schedstat", "%llu");
}

uint64_t bench_switches(const struct dm *dm)
{
    return sum_of_threads(dm, "status", "voluntary_ctxt_switches: %llu");
}

static char disk[] = "/dev/shm/xen-dm-bench-XXXXXX";

static void remove_disk(void)
{
    unlink(disk);
}

const char *bench_disk(void)
{
    static bool made;
    static char block[1 << 20];
    uint64_t seed = 88172645463325252u;
    int fd;

    if (made)
        return disk;
    fd = mkstemp(disk);
    atexit(remove_disk);
    for (uint64_t at = 0; at < BENCH_DISK_BYTES; at += sizeof(block)) {
        for (size_t i = 0; i < sizeof(block); i += 8) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            memcpy(block + i, &seed, 8);
        }
        if (write(fd, block, sizeof(block)) != sizeof(block)) {
            perror("bench: fill /dev/shm");
            exit(1);
        }
    }
    close(fd);
    made = true;
    return disk;
}

static char qcow2[sizeof(disk) + 8];

static void remove_qcow2(void)
{
    unlink(qcow2);
}

const char *bench_qcow2(void)
{
    char command[256];

    if (*qcow2)
        return qcow2;
    snprintf(qcow2, sizeof(qcow2), "%s.qcow2", bench_disk());
    snprintf(command, sizeof(command), "qemu-img convert -f raw -O qcow2 %s %s", disk, qcow2);
    if (system(command)) {
        fprintf(stderr, "bench: qemu-img made no %s\n", qcow2);
        exit(1);
    }
    atexit(remove_qcow2);
    return qcow2;
}

/* ---- The table ---- */

static struct series series_of(double *values, unsigned count)
{
    struct series s = { .median = bench_median(values, count) };

    s.low = values[count / 4];
    s.high = values[count - 1 - count / 4];
    return s;
}

static void print_number(double v)
{
    int digits = v >= 1000 ? 0 : v >= 100 ? 1 : v >= 1 ? 2 : 3;

    printf("%10.*f", digits, v);
}

bool bench_apart(void (*measure)(const void *what, void *result), const void *what, void *result,
                 size_t bytes, bool ahead)
{
    int pipe_ends[2], status;
    bool came;
    pid_t pid;

    if (pipe(pipe_ends) < 0) {
        perror("bench: pipe");
        exit(1);
    }
    fflush(NULL);
    pid = fork();
    if (!pid) {
        if (ahead)
            sched_setscheduler(0, SCHED_RR, &(struct sched_param){ .sched_priority = 1 });
        measure(what, result);
        _exit(write(pipe_ends[1], result, bytes) != (ssize_t)bytes);
    }
    close(pipe_ends[1]);
    came = read(pipe_ends[0], result, bytes) == (ssize_t)bytes;
    close(pipe_ends[0]);
    waitpid(pid, &status, 0);
    return came && !status;
}

struct measured {
    const struct bench_case *c;
    bool stock;
};

static void measure_case(const void *what, void *result)
{
    const struct measured *m = what;

    *(double *)result = m->c->measure(m->stock, m->c->variant);
}

static double measure(const struct bench_case *c, bool stock)
{
    struct measured m = { c, stock };
    double value;

    if (bench_apart(measure_case, &m, &value, sizeof(value), true))
        return value;
    fprintf(stderr, "bench: %s did not work on %s\n", c->name, stock ? "QEMU" : "xen-dm");
    exit(1);
}

static void run(const struct bench_case *c)
{
    double values[2][ROUNDS_MOST];
    bool alone = c->goal == BENCH_ALONE;
    unsigned rounds = quick ? 1 : c->rounds;
    struct series stock, ours;
    double better;

    for (unsigned i = 0; i < rounds; i++)
        for (int who = 0; who < 2; who++) /* stock first in even rounds, ours in odd ones */
            if (!alone || (who ^ (i & 1)))
                values[who ^ (i & 1)][i] = measure(c, !(who ^ (i & 1)));
    ours = series_of(values[1], rounds);
    stock = alone ? ours : series_of(values[0], rounds);
    better = c->less ? stock.median / ours.median : ours.median / stock.median;
    printf("%-52s", c->what);
    if (alone)
        printf("%10s", "-");
    else
        print_number(stock.median);
    print_number(ours.median);
    printf(" %-9s", c->unit);
    if (!alone)
        printf(" %6.2f x", better);
    if (c->goal > 0)
        printf("  goal %g: %s", c->goal, better >= c->goal ? "met" : "MISSED");
    printf("\n");
    fflush(stdout);
    if (table)
        fprintf(table, "%s\t%s\t%s\t%d\t%g\t%u\t%d\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\n", c->name,
                c->what, c->unit, c->less, alone ? 0 : c->goal, rounds, alone, stock.median, stock.low, stock.high,
                ours.median, ours.low, ours.high);
}

static bool chosen(const struct bench_case *c, int argc, char *argv[])
{
    for (int i = optind; i < argc; i++)
        if (strstr(c->name, argv[i]))
            return true;
    return optind == argc;
}

int main(int argc, char *argv[])
{
    static const struct bench_case *const all[] = { start_cases,   ioreq_cases, ide_cases, nic_cases,
                                                    display_cases, idle_cases,  blk_cases, vif_cases };
    FILE *matrix = NULL;
    int option;

    while ((option = getopt(argc, argv, "m:o:q")) != -1)
        if (option == 'q')
            quick = true;
        else if (option == 'o' ? !(table = fopen(optarg, "w"))
                               : option != 'm' || !(matrix = fopen(optarg, "w")))
            return 1;
    bench_disk();
    bench_qcow2();
    printf("%-52s%10s%10s\n", "medians", "QEMU", "xen-dm");
    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
        for (const struct bench_case *c = all[i]; c->name; c++)
            if (chosen(c, argc, argv))
                run(c);
    if (table)
        fclose(table);
    if (matrix) {
        matrix_run(matrix, quick ? 1 : MATRIX_ROUNDS);
        fclose(matrix);
    }
    return 0;
}
