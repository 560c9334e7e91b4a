/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All of PV block: QEMU's qdisk, ours with one queue and with four, and fio on the same file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

#define FOR_NS 150000000ull
#define FIO_MS 200u
#define ROUNDS_MOST 16u

enum who { QEMU, ONE, FOUR, FIO, WHO };

/* Debian's QEMU refuses direct-io-safe: it is built without libaio. */
static const struct medium {
    const char *name;
    bool qcow2, on_disk, direct;
} media[] = {
    { "raw on tmpfs", false, false, false },
    { "raw on disk", false, true, false },
    { "raw on disk, direct", false, true, true },
    { "qcow2 on tmpfs", true, false, false },
};

static bool can(enum who who, const struct medium *m)
{
    return !(who == FIO && m->qcow2) && !(who == QEMU && m->direct);
}

struct cell {
    struct load load;
    struct load_fio fio;
    bool by_fio;
};

static void measure(const void *what, void *result)
{
    const struct cell *c = what;

    *(struct load_result *)result = c->by_fio ? load_fio(&c->fio) : load_run(&c->load);
}

/* A copy of the bench's disk, on one. */
static char on_disk[64];

static void remove_copy(void)
{
    unlink(on_disk);
}

static const char *copy_on_disk(void)
{
    char command[256];
    int fd;

    snprintf(on_disk, sizeof(on_disk), "/var/tmp/xen-dm-bench-XXXXXX");
    fd = mkstemp(on_disk);
    if (fd >= 0)
        close(fd);
    snprintf(command, sizeof(command), "cp %s %s && sync %s", bench_disk(), on_disk, on_disk);
    if (fd < 0 || system(command)) {
        fprintf(stderr, "bench: no copy of the disk at %s\n", on_disk);
        exit(1);
    }
    atexit(remove_copy);
    return on_disk;
}

/* The middle of so many rounds, field by field. */
static struct load_result middle(struct load_result *all, unsigned rounds)
{
    struct load_result m;
    double *to = (double *)&m, values[ROUNDS_MOST];

    for (size_t f = 0; f < sizeof(m) / sizeof(double); f++) {
        for (unsigned i = 0; i < rounds; i++)
            values[i] = ((double *)&all[i])[f];
        to[f] = bench_median(values, rounds);
    }
    return m;
}

static void run_row(FILE *to, const struct medium *m, struct cell c, unsigned rounds)
{
    static const char *const names[WHO] = { "QEMU", "xen-dm", "xen-dm, 4 queues", "fio" };
    struct load_result all[WHO][ROUNDS_MOST];

    for (unsigned i = 0; i < rounds; i++)
        for (enum who who = QEMU; who < WHO; who++) {
            if (!can(who, m))
                continue;
            c.load.stock = who == QEMU;
            c.load.queues = who == FOUR ? 4 : 0;
            c.by_fio = who == FIO;
            /* not ahead of the kernel's own threads where they do the work */
            if (!bench_apart(measure, &c, &all[who][i], sizeof(all[who][i]), !m->on_disk)) {
                fprintf(stderr, "bench: %s: no figure of %s\n", m->name, names[who]);
                exit(1);
            }
        }
    fprintf(to, "%s\t%u\t%d\t%d\t%u", m->name, c.load.kib, c.load.random, c.load.write, c.load.depth);
    printf("%-20s %2u KiB %-10s %-5s %2u:", m->name, c.load.kib, c.load.random ? "random" : "in order",
           c.load.write ? "write" : "read", c.load.depth);
    for (enum who who = QEMU; who < WHO; who++) {
        struct load_result r = { 0 };

        if (can(who, m))
            r = middle(all[who], rounds);
        fprintf(to, "\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g", r.per_second, r.cpu_us, r.p50, r.p99, r.p999);
        printf(" %8.1f", r.per_second / 1e3);
    }
    fprintf(to, "\n");
    printf(" k/s\n");
    fflush(stdout);
}

void matrix_run(FILE *to, unsigned rounds)
{
    static const unsigned sizes[] = { 4, 64 }, depths[] = { 1, 8, 32 };
    const char *copy = copy_on_disk();
    char params[128];

    for (size_t m = 0; m < sizeof(media) / sizeof(*media); m++) {
        const char *raw = media[m].on_disk ? copy : bench_disk();
        struct cell c = { .load = { .direct = media[m].direct, .params = params,
                                    .image_bytes = BENCH_DISK_BYTES, .for_ns = FOR_NS },
                          .fio = { .direct = media[m].direct, .path = raw,
                                   .image_bytes = BENCH_DISK_BYTES, .ms = FIO_MS } };

        snprintf(params, sizeof(params), "%s:%s", media[m].qcow2 ? "qcow2" : "aio",
                 media[m].qcow2 ? bench_qcow2() : raw);
        for (unsigned kind = 0; kind < 12 * 2; kind++) {
            c.load.kib = c.fio.kib = sizes[kind / 12];
            c.load.random = c.fio.random = !(kind & 1);
            c.load.write = c.fio.write = kind & 2;
            c.load.depth = c.fio.depth = depths[kind / 4 % 3];
            run_row(to, &media[m], c, rounds);
        }
    }
}
