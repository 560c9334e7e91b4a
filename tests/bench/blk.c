/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PV block backend, on a file in memory, against QEMU's qdisk: the same frontend to both. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
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

static double run(bool stock, unsigned variant)
{
    unsigned kib = variant >> 8 & 0xfff, depth = variant >> 20, slot;
    struct dm_config config = { .stock = stock, .vcpus = 1 };
    struct guest_blk_config c = { .depth = depth, .memory = BENCH_MEMORY, .order = 2,
                                  .name_order = true, .persistent = variant & PERSISTENT,
                                  .queues = variant & FOUR && !stock ? 4 : 0 };
    struct load l = { .variant = variant, .bytes = kib * 1024, .seed = 88172645463325252u };
    uint64_t start, done = 0, cpu;
    char params[96];
    struct dm dm;
    int status;

    l.blocks = BENCH_DISK_BYTES / l.bytes;
    c.pages = (kib + 3) / 4;
    snprintf(params, sizeof(params), "aio:%s", bench_disk());
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
    if (variant & COST)
        return (double)cpu / 1e3 / (double)done;
    return kib >= 64 ? (double)done * l.bytes / (1 << 20) / ((double)start / 1e9)
                     : (double)done * 1e9 / (double)start / 1e3;
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
    { "pv_cost_read_4k_32", "CPU for a 4 KiB read, depth 32", "us", true, 2, 5, run,
      OF(RANDOM | COST, 4, 32) },
    { "pv_cost_write_4k_32", "CPU for a 4 KiB write, depth 32", "us", true, 2, 5, run,
      OF(RANDOM | WRITE | COST, 4, 32) },
    { 0 },
};
