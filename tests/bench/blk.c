/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PV block backend, on a file in memory, against QEMU's qdisk: the same frontend to both. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include "tests/bench/bench.h"
#include "tests/bench/load.h"
#include "tests/guest/blk.h"
#include "tests/kit/check.h"

#define END_MS 5000
#define FOR_NS 400000000ull
#define DEVID 51712
#define FIO_MS 1000u

/* Variants: what it does, bytes of a request in KiB, requests in flight. */
#define WRITE 1u
#define RANDOM 2u
#define PERSISTENT 4u
#define COST 8u /* CPU for each request, not requests per second */
#define FOUR 16u /* queues */
#define FIO 32u  /* fio in QEMU's place: what the kernel gives a process that has the file itself */
#define QCOW2 64u
#define OF(kind, kib, depth) ((kind) | (kib) << 8 | (depth) << 20)

/* "qcow2:" and the bench's disk in that format, or the disk as it is. */
static void make_params(char params[128], bool qcow2)
{
    if (qcow2)
        snprintf(params, 128, "qcow2:%s", bench_qcow2());
    else
        snprintf(params, 128, "aio:%s", bench_disk());
}

static double run(bool stock, unsigned variant)
{
    struct load l = { .stock = stock, .write = variant & WRITE, .random = variant & RANDOM,
                      .persistent = variant & PERSISTENT, .kib = variant >> 8 & 0xfff,
                      .depth = variant >> 20, .queues = variant & FOUR && !stock ? 4 : 0,
                      .image_bytes = BENCH_DISK_BYTES, .for_ns = FOR_NS };
    struct load_fio f = { .write = l.write, .random = l.random, .kib = l.kib, .depth = l.depth,
                          .path = bench_disk(), .image_bytes = BENCH_DISK_BYTES, .ms = FIO_MS };
    struct load_result result;
    char params[128];

    make_params(params, variant & QCOW2);
    l.params = params;
    result = stock && variant & FIO ? load_fio(&f) : load_run(&l);
    if (variant & COST)
        return result.cpu_us;
    return l.kib >= 64 ? result.per_second * l.kib / 1024 : result.per_second / 1e3;
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

    make_params(params, false);
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
