/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PV block backend, on a file in memory, against QEMU's qdisk: the same frontend to both. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/bench/bench.h"
#include "tests/guest/blk.h"
#include "tests/kit/check.h"

#define END_MS 5000
#define FOR_NS 400000000ull
#define DEVID 51712
#define SLOT_MS 2000

/* Variants: what it does, bytes of a request in KiB, requests in flight. */
#define WRITE 1u
#define RANDOM 2u
#define PERSISTENT 4u
#define COST 8u /* CPU for each request, not requests per second */
#define FOUR 16u /* queues */
#define FIO 32u  /* fio in QEMU's place: what the kernel gives a process that has the file itself */
#define QCOW2 64u
#define OF(kind, kib, depth) ((kind) | (kib) << 8 | (depth) << 20)

struct load {
    struct guest_blk b;
    unsigned variant, bytes, at;
    uint64_t seed, blocks, next;
};

static uint64_t where(struct load *l)
{
    if (!(l->variant & RANDOM))
        return l->next++ % l->blocks * (l->bytes / 512);
    l->seed ^= l->seed << 13;
    l->seed ^= l->seed >> 7;
    l->seed ^= l->seed << 17;
    return l->seed % l->blocks * (l->bytes / 512);
}

static void put(struct load *l, unsigned queue, unsigned slot)
{
    CHECK(guest_blk_put(&l->b, queue, slot, l->variant & WRITE ? GUEST_BLK_WRITE : GUEST_BLK_READ,
                        where(l), l->bytes, false));
}

/* fio's own line: field 8 is reads per second, 49 writes. In the unit of run(). */
static double run_fio(unsigned variant)
{
    unsigned kib = variant >> 8 & 0xfff, depth = variant >> 20, field = variant & WRITE ? 49 : 8;
    char command[320], line[4096] = "", *word = line, *rest = line;
    double each;
    FILE *f;

    snprintf(command, sizeof(command),
             "fio --name=b --filename=%s --ioengine=io_uring --rw=%s%s --bs=%uk --iodepth=%u "
             "--size=%lluM --runtime=1 --time_based --minimal 2>&1", bench_disk(),
             variant & RANDOM ? "rand" : "", variant & WRITE ? "write" : "read", kib, depth,
             BENCH_DISK_BYTES >> 20);
    f = popen(command, "r");
    CHECK(f);
    CHECK(fgets(line, sizeof(line), f));
    CHECK_EQ(pclose(f), 0);
    for (unsigned i = 0; i < field && word; i++)
        word = strsep(&rest, ";");
    CHECK(word);
    each = strtod(word, NULL);
    return kib >= 64 ? each * kib / 1024 : each / 1e3;
}

/* The bench's disk in the format that its devices are to have. */
static void make_params(char params[128], unsigned variant)
{
    static char image[96];
    char command[256];

    snprintf(params, 128, "aio:%s", bench_disk());
    if (!(variant & QCOW2))
        return;
    snprintf(image, sizeof(image), "%s.qcow2", bench_disk());
    snprintf(command, sizeof(command), "qemu-img convert -f raw -O qcow2 %s %s", bench_disk(), image);
    CHECK_EQ(system(command), 0);
    snprintf(params, 128, "qcow2:%s", image);
}

static double run(bool stock, unsigned variant)
{
    unsigned kib = variant >> 8 & 0xfff, depth = variant >> 20, slot;
    struct dm_config config = { .stock = stock, .vcpus = 1 };
    struct guest_blk_config c = { .depth = depth, .memory = BENCH_MEMORY, .order = 2,
                                  .name_order = true, .persistent = variant & PERSISTENT,
                                  .queues = variant & FOUR && !stock ? 4 : 0 };
    struct load l = { .variant = variant, .bytes = kib * 1024, .seed = 88172645463325252u };
    uint64_t start, done = 0, cpu;
    char params[128];
    struct dm dm;
    int status;

    if (stock && variant & FIO)
        return run_fio(variant);
    make_params(params, variant);
    l.blocks = BENCH_DISK_BYTES / l.bytes;
    c.pages = (kib + 3) / 4;
    dm_open(&dm, &config);
    guest_blk_add(&l.b, DEVID, params, false);
    CHECK(guest_blk_connect(&l.b, &c));
    for (unsigned q = 0; q < l.b.queues; q++) {
        for (unsigned i = 0; i < depth; i++)
            put(&l, q, i);
        guest_blk_kick(&l.b, q);
    }
    start = now_ns();
    cpu = bench_cpu_ns(&dm);
    while (now_ns() - start < FOR_NS)
        for (unsigned q = 0; q < l.b.queues; q++) {
            unsigned wait = l.b.queues > 1 ? 0 : SLOT_MS, n = 0;

            for (; guest_blk_take(&l.b, q, &slot, &status, wait); wait = 0, n++) {
                CHECK_EQ(status, 0);
                put(&l, q, slot);
            }
            done += n;
            if (n)
                guest_blk_kick(&l.b, q);
        }
    cpu = bench_cpu_ns(&dm) - cpu;
    start = now_ns() - start;
    dm_close(&dm, SIGKILL, END_MS);
    if (variant & QCOW2)
        unlink(params + strlen("qcow2:"));
    if (variant & COST)
        return (double)cpu / 1e3 / (double)done;
    return kib >= 64 ? (double)done * l.bytes / (1 << 20) / ((double)start / 1e9)
                     : (double)done * 1e9 / (double)start / 1e3;
}

/* What the process needs for each of so many disks more. */
static double memory(bool stock, unsigned more)
{
    struct dm_config config = { .stock = stock, .vcpus = 1 };
    struct guest_blk_config c = { .depth = 1, .pages = 11, .name_order = true,
                                  .memory = BENCH_MEMORY };
    struct guest_blk disks[16];
    char params[128];
    unsigned first = 0, last;
    struct dm dm;

    make_params(params, 0);
    dm_open(&dm, &config);
    for (unsigned i = 0; i <= more; i++, c.memory += 0x20000) {
        guest_blk_add(&disks[i], DEVID + 16 * i, params, true);
        CHECK(guest_blk_connect(&disks[i], &c));
        CHECK_EQ(guest_blk_do(&disks[i], 0, GUEST_BLK_READ, 0, 44 * 1024), 0);
        if (!i)
            first = dm_memory(&dm, false).uss;
    }
    last = dm_memory(&dm, false).uss;
    dm_close(&dm, SIGKILL, END_MS);
    return ((double)last - first) / more;
}

const struct bench_case blk_cases[] = {
    { "pv_read_4k_1", "PV block, 4 KiB random reads, depth 1", "k/s", false, 3, 5, run,
      OF(RANDOM, 4, 1) },
    { "pv_read_4k_8", "PV block, 4 KiB random reads, depth 8", "k/s", false, 0, 5, run,
      OF(RANDOM, 4, 8) },
    { "pv_read_4k_32", "PV block, 4 KiB random reads, depth 32", "k/s", false, 3, 5, run,
      OF(RANDOM, 4, 32) },
    { "pv_read_4k_32_persistent", "the same, persistent grants", "k/s", false, 3, 5, run,
      OF(RANDOM | PERSISTENT, 4, 32) },
    { "pv_read_4k_4x32", "4 KiB random reads, 4 queues of 32 (QEMU has 1)", "k/s", false, 0, 5,
      run, OF(RANDOM | FOUR, 4, 32) },
    { "pv_write_4k_1", "PV block, 4 KiB random writes, depth 1", "k/s", false, 3, 5, run,
      OF(RANDOM | WRITE, 4, 1) },
    { "pv_write_4k_32", "PV block, 4 KiB random writes, depth 32", "k/s", false, 3, 5, run,
      OF(RANDOM | WRITE, 4, 32) },
    { "pv_write_4k_32_persistent", "the same, persistent grants", "k/s", false, 3, 5, run,
      OF(RANDOM | WRITE | PERSISTENT, 4, 32) },
    { "pv_read_44k_8", "PV block, 44 KiB reads in order, depth 8", "k/s", false, 0, 5, run,
      OF(0, 44, 8) },
    { "pv_fio_read_4k_1", "(fio, io_uring, in QEMU's place: 4 KiB random reads, depth 1)", "k/s",
      false, 0, 5, run, OF(RANDOM | FIO, 4, 1) },
    { "pv_fio_read_4k_32", "(fio, io_uring, in QEMU's place: 4 KiB random reads, depth 32)", "k/s",
      false, 0, 5, run, OF(RANDOM | FIO, 4, 32) },
    { "pv_fio_write_4k_32", "(fio, io_uring, in QEMU's place: 4 KiB random writes, depth 32)",
      "k/s", false, 0, 5, run, OF(RANDOM | WRITE | FIO, 4, 32) },
    { "pv_qcow2_read_4k_32", "PV block, qcow2, 4 KiB random reads, depth 32", "k/s", false, 0, 5,
      run, OF(RANDOM | QCOW2, 4, 32) },
    { "pv_qcow2_write_4k_32", "PV block, qcow2, 4 KiB random writes, depth 32", "k/s", false, 0, 5,
      run, OF(RANDOM | WRITE | QCOW2, 4, 32) },
    { "pv_memory_disk", "memory for each further PV disk, connected", "KiB", true, BENCH_ALONE, 3,
      memory, 8 },
    { "pv_cost_read_4k_32", "CPU for a 4 KiB read, depth 32", "us", true, 2, 5, run,
      OF(RANDOM | COST, 4, 32) },
    { "pv_cost_write_4k_32", "CPU for a 4 KiB write, depth 32", "us", true, 2, 5, run,
      OF(RANDOM | WRITE | COST, 4, 32) },
    { 0 },
};
