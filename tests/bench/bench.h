/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "tests/whole/run.h"

/*
 * A figure: the same load on Debian's QEMU and on xen-dm, in turns, so that what else the machine
 * does meanwhile hits both. A case measures once; bench.c repeats, and keeps medians.
 */
struct bench_case {
    const char *name; /* for choosing it, and in the table's file */
    const char *what; /* for people */
    const char *unit;
    bool less;     /* less is better */
    double goal;   /* how many times better than stock it is to be; 0: just a figure */
    unsigned rounds;
    double (*measure)(bool stock, unsigned variant);
    unsigned variant;
};
#define BENCH_ALONE (-1.0) /* as a goal: there is nothing of QEMU's; measure() is told false */

/* Lists end with a NULL name. */
extern const struct bench_case start_cases[], ioreq_cases[], ide_cases[], nic_cases[],
    display_cases[], idle_cases[], blk_cases[], vif_cases[];

#define BENCH_MEMORY 0x2000000u /* guest memory that cases may use, 16 MiB */

/* The guest's thread and the device model on a CPU each, or both on one. */
void bench_pin_guest(int cpu);
void bench_pin(const struct dm *dm, int cpu);

double bench_median(double *values, unsigned count); /* sorts them */
uint64_t bench_cpu_ns(const struct dm *dm);          /* what the process has used */
uint64_t bench_switches(const struct dm *dm);        /* how often its threads went to sleep */

/* A file of random bytes on tmpfs, made once; and the same as qcow2. */
const char *bench_disk(void);
const char *bench_qcow2(void);
#define BENCH_DISK_BYTES (256ull << 20)

/*
 * Measures in a process of its own, for some cases leave namespaces and threads behind; `ahead` of
 * whatever else the machine does, where we may. False: it did not work.
 */
bool bench_apart(void (*measure)(const void *what, void *result), const void *what, void *result,
                 size_t bytes, bool ahead);

/* PV block by medium, size, kind, depth and queues: a line for each, fields parted by tabs. */
void matrix_run(FILE *to, unsigned rounds);
#endif
