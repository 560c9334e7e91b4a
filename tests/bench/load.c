/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"
#include "tests/guest/blk.h"
#include "tests/kit/check.h"

#define END_MS 5000
#define DEVID 51712
#define SLOT_MS 2000
#define QDISK_KIB 44u /* of a request: QEMU's qdisk has no indirect ones, so the guest cuts larger */
#define DEPTH_MOST 32u

/* Times of requests: sixteen steps for each power of two of nanoseconds. */
#define STEPS 16u
static unsigned times[64 * STEPS];

static void count_time(uint64_t ns)
{
    unsigned top = 63 - (unsigned)__builtin_clzll(ns | STEPS);

    times[top * STEPS + (ns >> (top - 4) & (STEPS - 1))]++;
}

static double time_below(double part)
{
    uint64_t all = 0, seen = 0;
    unsigned i;

    for (i = 0; i < 64 * STEPS; i++)
        all += times[i];
    for (i = 0; i < 64 * STEPS - 1; i++)
        if ((double)(seen += times[i]) >= part * (double)all)
            break;
    return (double)((STEPS + i % STEPS) << (i / STEPS)) / STEPS / 1e3;
}

struct run {
    const struct load *l;
    struct guest_blk b;
    unsigned parts, bytes; /* the ring's requests for each of the load's */
    unsigned left[GUEST_BLK_QUEUES][DEPTH_MOST];
    uint64_t since[GUEST_BLK_QUEUES][DEPTH_MOST];
    uint64_t seed, next, blocks;
};

static uint64_t where(struct run *r)
{
    if (!r->l->random)
        return r->next++ % r->blocks * (r->bytes / 512);
    r->seed ^= r->seed << 13;
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    return r->seed % r->blocks * (r->bytes / 512);
}

static void put(struct run *r, unsigned queue, unsigned slot)
{
    uint64_t sector = where(r);
    unsigned left = r->bytes;

    r->since[queue][slot] = now_ns();
    for (unsigned part = 0; part < r->parts; part++) {
        unsigned n = r->parts > 1 ? MIN(left, QDISK_KIB * 1024) : left;

        CHECK(guest_blk_put(&r->b, queue, slot + part * r->l->depth,
                            r->l->write ? GUEST_BLK_WRITE : GUEST_BLK_READ, sector, n, false));
        sector += n / 512;
        left -= n;
    }
    r->left[queue][slot] = r->parts;
}

/* What has come on one queue, put anew; how many requests. */
static unsigned turn(struct run *r, unsigned q, unsigned wait)
{
    unsigned n = 0, slot;
    bool any = false;
    int status;

    for (; guest_blk_take(&r->b, q, &slot, &status, wait); wait = 0) {
        CHECK_EQ(status, 0);
        slot %= r->l->depth;
        any = true;
        if (--r->left[q][slot])
            continue;
        count_time(now_ns() - r->since[q][slot]);
        put(r, q, slot);
        n++;
    }
    if (any)
        guest_blk_kick(&r->b, q);
    return n;
}

struct load_result load_run(const struct load *l)
{
    struct run r = { .l = l, .bytes = l->kib * 1024, .seed = 88172645463325252u, .parts = 1 };
    struct dm_config config = { .stock = l->stock, .vcpus = 1 };
    struct guest_blk_config c = { .memory = BENCH_MEMORY, .order = 2, .name_order = true,
                                  .persistent = l->persistent, .queues = l->queues };
    struct load_result result = { 0 };
    uint64_t start, done = 0, cpu;
    struct dm dm;

    if (l->stock && l->kib > QDISK_KIB)
        r.parts = 2;
    c.depth = l->depth * r.parts;
    c.pages = (MIN(l->kib, r.parts > 1 ? QDISK_KIB : l->kib) + 3) / 4;
    r.blocks = l->image_bytes / r.bytes;
    memset(times, 0, sizeof(times));
    dm_open(&dm, &config);
    guest_pv_name(&r.b.pv, "qdisk", "vbd", DEVID);
    if (l->direct) /* before the toolstack's other nodes */
        guest_pv_put(r.b.pv.back, "direct-io-safe", "1");
    guest_blk_add(&r.b, DEVID, l->params, false);
    CHECK(guest_blk_connect(&r.b, &c));
    for (unsigned q = 0; q < r.b.queues; q++) {
        for (unsigned i = 0; i < l->depth; i++)
            put(&r, q, i);
        guest_blk_kick(&r.b, q);
    }
    start = now_ns();
    cpu = bench_cpu_ns(&dm);
    while (now_ns() - start < l->for_ns) {
        unsigned n = 0;

        for (unsigned q = 0; q < r.b.queues; q++)
            n += turn(&r, q, r.b.queues > 1 ? 0 : SLOT_MS);
        done += n;
        if (!n)
            sched_yield(); /* the backend may want this very CPU */
    }
    cpu = bench_cpu_ns(&dm) - cpu;
    start = now_ns() - start;
    dm_close(&dm, SIGKILL, END_MS);
    result.per_second = (double)done * 1e9 / (double)start;
    result.cpu_us = done ? (double)cpu / 1e3 / (double)done : 0;
    result.p50 = time_below(.5);
    result.p99 = time_below(.99);
    result.p999 = time_below(.999);
    return result;
}

static const char *field(const char *json, const char *name)
{
    const char *at = strstr(json, name);

    CHECK(at);
    return at + strlen(name);
}

/* Its JSON, read from the side that was asked for on. */
struct load_result load_fio(const struct load_fio *f)
{
    static char json[65536];
    struct load_result result = { 0 };
    char command[512];
    const char *at;
    size_t n;
    FILE *p;

    snprintf(command, sizeof(command),
             "fio --name=b --filename=%s --ioengine=io_uring --rw=%s%s --bs=%uk --iodepth=%u "
             "--direct=%d --size=%llu --runtime=%ums --time_based --percentile_list=50:99:99.9 "
             "--output-format=json 2>&1",
             f->path, f->random ? "rand" : "", f->write ? "write" : "read", f->kib, f->depth,
             f->direct, (unsigned long long)f->image_bytes, f->ms);
    p = popen(command, "r");
    CHECK(p);
    n = fread(json, 1, sizeof(json) - 1, p);
    json[n] = 0;
    CHECK_EQ(pclose(p), 0);
    at = field(json, f->write ? "\"write\" : {" : "\"read\" : {");
    result.per_second = strtod(field(at, "\"iops\" : "), NULL);
    at = field(at, "\"clat_ns\" : {");
    result.p50 = strtod(field(at, "\"50.000000\" : "), NULL) / 1e3;
    result.p99 = strtod(field(at, "\"99.000000\" : "), NULL) / 1e3;
    result.p999 = strtod(field(at, "\"99.900000\" : "), NULL) / 1e3;
    return result;
}
