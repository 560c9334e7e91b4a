/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kill -9 of the device model at any moment of a write load, round after round on one image: each
 * sector then holds what a flush made sure of, or what was written there since, and is whole. Raw,
 * and qcow2 that qemu-img finds nothing wrong with. KILL_ROUNDS says how often.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/guest/blk.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/whole/run.h"

#define END_MS 30000
#define DISK_BYTES (16u << 20)
#define SECTORS (DISK_BYTES / 512)
#define MEMORY 0x2000000u
#define DEVID 51712
#define QUEUES 3
#define DEPTH 8
#define ROUNDS 20 /* of both formats together */

static char image[64], flat[72];
static uint64_t seed;
/*
 * By sector, numbers of writes: the last that was submitted, the last that was answered, and the
 * last that was answered when a flush was submitted that was answered.
 */
static uint32_t submitted[SECTORS], answered[SECTORS], sure[SECTORS];
static uint32_t number;
static unsigned flushes;

static struct op {
    bool busy, flush;
    unsigned sector, count;
    uint32_t number;
    uint32_t *snapshot; /* of `answered`, by a flush */
} ops[QUEUES][DEPTH];

static uint32_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static bool overlaps(unsigned sector, unsigned count)
{
    for (unsigned q = 0; q < QUEUES; q++)
        for (unsigned i = 0; i < DEPTH; i++)
            if (ops[q][i].busy && !ops[q][i].flush && ops[q][i].sector < sector + count &&
                sector < ops[q][i].sector + ops[q][i].count)
                return true;
    return false;
}

static void start(struct guest_blk *b, unsigned q, unsigned slot)
{
    struct op *o = &ops[q][slot];
    uint8_t *p = guest_blk_buffer(b, q, slot);

    *o = (struct op){ .snapshot = o->snapshot, .flush = draw() % 16 == 0 };
    if (o->flush) {
        o->snapshot = realloc(o->snapshot, sizeof(answered));
        memcpy(o->snapshot, answered, sizeof(answered));
        o->busy = guest_blk_put(b, q, slot, GUEST_BLK_FLUSH, 0, 0, false);
        return;
    }
    o->count = 1 + draw() % (draw() & 1 ? 8 : 128);
    o->sector = draw() % (SECTORS - o->count);
    if (overlaps(o->sector, o->count))
        return;
    o->number = ++number;
    for (unsigned i = 0; i < o->count * 64; i++, p += 8)
        put_le64(p, (uint64_t)o->number << 32 | (o->sector + i / 64));
    o->busy = guest_blk_put(b, q, slot, GUEST_BLK_WRITE, o->sector, o->count * 512, draw() & 1);
    for (unsigned i = 0; o->busy && i < o->count; i++)
        submitted[o->sector + i] = o->number;
}

static void finish(struct guest_blk *b, unsigned q)
{
    unsigned slot;
    int status;

    while (guest_blk_take(b, q, &slot, &status, 0)) {
        struct op *o = &ops[q][slot];

        CHECK(slot < DEPTH && o->busy);
        CHECK_EQ(status, 0);
        o->busy = false;
        if (!o->flush)
            for (unsigned i = 0; i < o->count; i++)
                answered[o->sector + i] = o->number;
        else
            for (unsigned i = 0; i < SECTORS; i++)
                sure[i] = MAX(sure[i], o->snapshot[i]);
        flushes += o->flush;
    }
}

/* Loads it for a while that is drawn by lot, and kills it with requests under way. */
static void load_and_kill(const char *params)
{
    struct guest_blk_config c = { .queues = QUEUES, .depth = DEPTH, .pages = 16, .memory = MEMORY };
    struct dm_config config = { .vcpus = 1 };
    unsigned passes = draw() % 600;
    struct guest_blk b;
    struct dm dm;

    for (unsigned q = 0; q < QUEUES; q++)
        for (unsigned i = 0; i < DEPTH; i++)
            ops[q][i].busy = false;
    dm_open(&dm, &config);
    guest_blk_add(&b, DEVID, params, false);
    c.persistent = draw() & 1;
    CHECK(guest_blk_connect(&b, &c));
    for (unsigned pass = 0; pass < passes; pass++)
        for (unsigned q = 0; q < QUEUES; q++) {
            for (unsigned slot = 0; slot < DEPTH; slot++)
                if (!ops[q][slot].busy && draw() % 3)
                    start(&b, q, slot);
            guest_blk_kick(&b, q);
            finish(&b, q);
            if (draw() % 4 == 0)
                usleep(draw() % 50);
        }
    dm_end(&dm, SIGKILL, END_MS);
    guest_blk_forget(&b);
    dm_close(&dm, 0, END_MS);
}

/* What it holds is where the next round begins. */
static void hold_flat(const char *path, unsigned round)
{
    uint8_t *bytes = malloc(DISK_BYTES);
    int fd = open(path, O_RDONLY);

    CHECK_EQ(read(fd, bytes, DISK_BYTES), DISK_BYTES);
    close(fd);
    for (unsigned i = 0; i < SECTORS; i++) {
        const uint8_t *p = bytes + (size_t)i * 512;
        uint64_t first = get_le64(p);
        uint32_t found = (uint32_t)(first >> 32);

        if (found < sure[i] || found > submitted[i] || (found && (uint32_t)first != i))
            fail_msg("round %u: sector %u holds write %u of sector %u; %u is sure, %u the last", round,
                     i, found, (uint32_t)first, sure[i], submitted[i]);
        for (unsigned k = 8; k < 512; k += 8)
            if (get_le64(p + k) != first)
                fail_msg("round %u: sector %u is torn at byte %u", round, i, k);
        submitted[i] = answered[i] = sure[i] = found;
    }
    free(bytes);
}

static void command(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void command(const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (system(text))
        fail_msg("failed: %s", text);
}

static unsigned rounds(void)
{
    const char *text = getenv("KILL_ROUNDS");

    return (text ? (unsigned)atoi(text) : ROUNDS) / 2;
}

static void kill_often(const char *format)
{
    bool raw = !strcmp(format, "aio");
    char params[96];
    uint64_t start = now_ns();

    seed = 88172645463325252u;
    if (getenv("KILL_SEED"))
        seed ^= strtoull(getenv("KILL_SEED"), NULL, 0);
    number = flushes = 0;
    memset(submitted, 0, sizeof(submitted));
    memset(answered, 0, sizeof(answered));
    memset(sure, 0, sizeof(sure));
    strcpy(image, "/dev/shm/simxen-kill-XXXXXX");
    close(mkstemp(image));
    snprintf(flat, sizeof(flat), "%s.flat", image);
    command("qemu-img create -q -f %s %s %u", raw ? "raw" : format, image, DISK_BYTES);
    snprintf(params, sizeof(params), "%s:%s", format, image);
    for (unsigned i = 0; i < rounds(); i++) {
        load_and_kill(params);
        if (raw) {
            hold_flat(image, i);
            continue;
        }
        /* leaked clusters are no damage: who was killed could not give them back */
        command("qemu-img check -q -f %s %s >/dev/null 2>&1 || [ $? = 3 ]", format, image);
        command("qemu-img convert -f %s -O raw %s %s", format, image, flat);
        hold_flat(flat, i);
        unlink(flat);
    }
    printf("  %s: %u rounds, %u writes, %u flushes answered, %.1f s\n", format, rounds(), number,
           flushes, (double)(now_ns() - start) / 1e9);
    unlink(image);
}

TEST(a_raw_image_keeps_what_a_flush_made_sure_of)
{
    kill_often("aio");
}

TEST(a_qcow2_image_keeps_what_a_flush_made_sure_of_and_stays_whole)
{
    kill_often("qcow2");
}
