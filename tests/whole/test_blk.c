/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PV block backend, seen by a frontend of every kind, and by ones that lie. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/guest/blk.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"

#define END_MS 30000
#define DISK_BYTES (8u << 20)
#define SECTORS (DISK_BYTES / 512)
#define MEMORY 0x2000000u
#define DEVID 51712

static char image[64];
static uint8_t *model; /* what the image should hold */
static uint64_t seed;

static uint32_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

enum who { OURS, STOCK, BACKENDS };

static const char *const *words; /* more of them for the next device model; NULL: none */

static void open_pc(struct dm *dm, struct guest_blk *b, enum who who, bool readonly)
{
    struct dm_config config = { .stock = who == STOCK, .attached = who == BACKENDS, .vcpus = 1,
                                .more = words };
    char params[96];
    int fd;

    strcpy(image, "/dev/shm/simxen-blk-XXXXXX");
    fd = mkstemp(image);
    seed = 88172645463325252u;
    model = realloc(model, DISK_BYTES);
    for (size_t i = 0; i < DISK_BYTES; i += 4)
        put_le32(model + i, draw());
    CHECK_EQ(write(fd, model, DISK_BYTES), DISK_BYTES);
    close(fd);
    dm_open(dm, &config);
    snprintf(params, sizeof(params), "aio:%s", image);
    guest_blk_add(b, DEVID, params, readonly);
}

static void close_pc(struct dm *dm)
{
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
    unlink(image);
}

static void hold_image(void)
{
    uint8_t *bytes = malloc(DISK_BYTES);
    int fd = open(image, O_RDONLY);

    CHECK_EQ(read(fd, bytes, DISK_BYTES), DISK_BYTES);
    CHECK_MEM(bytes, model, DISK_BYTES);
    close(fd);
    free(bytes);
}

/* ---- Random loads, held against the model ---- */

struct load {
    bool busy, write, discard;
    uint64_t sector;
    unsigned bytes;
};

/* Regions in flight do not overlap, so that the outcome is known. */
static bool overlaps(const struct load *loads, unsigned count, const struct load *l)
{
    for (unsigned i = 0; i < count; i++)
        if (loads[i].busy && loads[i].sector < l->sector + l->bytes / 512 &&
            l->sector < loads[i].sector + loads[i].bytes / 512)
            return true;
    return false;
}

static void finish(struct guest_blk *b, struct load *all, unsigned queue, unsigned ms)
{
    unsigned slot;
    int status;

    while (guest_blk_take(b, queue, &slot, &status, ms)) {
        struct load *l = &all[queue * b->c.depth + slot];

        CHECK(slot < b->c.depth && l->busy);
        CHECK_EQ(status, 0);
        if (l->write)
            memcpy(model + l->sector * 512, guest_blk_buffer(b, queue, slot), l->bytes);
        else
            CHECK_MEM(guest_blk_buffer(b, queue, slot), model + l->sector * 512, l->bytes);
        l->busy = false;
        ms = 0;
    }
}

static void start(struct guest_blk *b, struct load *all, unsigned queue, unsigned slot)
{
    struct load *l = &all[queue * b->c.depth + slot];
    unsigned most = b->c.pages * 8;

    l->bytes = (1 + draw() % (draw() & 1 ? 8 : most)) * 512;
    l->sector = draw() % (SECTORS - l->bytes / 512);
    if (draw() % 4 == 0) /* next to another, so that some merge */
        l->sector = all[draw() % (b->queues * b->c.depth)].sector & ~7ull;
    l->write = draw() & 1;
    if (l->sector + l->bytes / 512 > SECTORS || overlaps(all, b->queues * b->c.depth, l))
        return;
    for (unsigned i = 0; l->write && i < l->bytes; i += 4)
        put_le32(guest_blk_buffer(b, queue, slot) + i, draw());
    l->busy = guest_blk_put(b, queue, slot, l->write ? GUEST_BLK_WRITE : GUEST_BLK_READ, l->sector,
                            l->bytes, b->c.pages > 11 && draw() & 1);
}

static void random_load(struct guest_blk *b, unsigned rounds)
{
    struct load *all = calloc(b->queues * b->c.depth, sizeof(*all));

    for (unsigned i = 0; i < rounds; i++)
        for (unsigned q = 0; q < b->queues; q++) {
            for (unsigned slot = 0; slot < b->c.depth; slot++)
                if (!all[q * b->c.depth + slot].busy && draw() % 3)
                    start(b, all, q, slot);
            guest_blk_kick(b, q);
            finish(b, all, q, 0);
        }
    for (unsigned q = 0; q < b->queues; q++)
        for (unsigned slot = 0; slot < b->c.depth; slot++)
            while (all[q * b->c.depth + slot].busy)
                finish(b, all, q, END_MS);
    CHECK_EQ(guest_blk_do(b, 0, GUEST_BLK_FLUSH, 0, 0), 0);
    hold_image();
    free(all);
}

static void load_with(enum who who, struct guest_blk_config c)
{
    struct guest_blk b;
    struct dm dm;

    c.memory = MEMORY;
    open_pc(&dm, &b, who, false);
    CHECK(guest_blk_connect(&b, &c));
    CHECK_EQ(b.sectors, SECTORS);
    random_load(&b, 60);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(a_plain_frontend_reads_and_writes)
{
    load_with(OURS, (struct guest_blk_config){ .depth = 8, .pages = 11 });
}

TEST(a_frontend_that_says_no_protocol_is_a_32_bit_one)
{
    load_with(OURS, (struct guest_blk_config){ .depth = 8, .pages = 11, .x86_32 = true,
                                                .silent = true });
}

TEST(indirect_requests_and_a_large_ring)
{
    load_with(OURS, (struct guest_blk_config){ .depth = 16, .pages = 64, .order = 2,
                                                .name_order = true });
}

TEST(indirect_requests_in_the_32_bit_layout)
{
    load_with(OURS, (struct guest_blk_config){ .depth = 8, .pages = 256, .x86_32 = true });
}

TEST(four_queues_with_persistent_grants)
{
    load_with(OURS, (struct guest_blk_config){ .queues = 4, .depth = 16, .pages = 16, .order = 1,
                                                .name_order = true, .persistent = true });
}

TEST(more_requests_than_a_queue_has_memory_for)
{
    load_with(OURS, (struct guest_blk_config){ .depth = 32, .pages = 256, .order = 4,
                                                .name_order = true });
}

TEST(a_loop_that_does_not_poll_serves_all_the_same)
{
    static const char *const more[] = { "-x-poll", "0", NULL };
    struct guest_blk_config c = { .depth = 8, .pages = 16, .queues = 2, .memory = MEMORY };
    struct guest_blk b;
    struct dm dm;

    words = more;
    open_pc(&dm, &b, OURS, false);
    words = NULL;
    CHECK(guest_blk_connect(&b, &c));
    random_load(&b, 60);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

/* How its first I/O thread stands. */
static int nice_of_io0(pid_t pid)
{
    char path[300], name[16];
    int nice = INT_MAX;
    struct dirent *e;
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    tasks = opendir(path);
    CHECK(tasks);
    while ((e = readdir(tasks))) {
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, e->d_name);
        f = fopen(path, "re");
        if (f && fgets(name, sizeof(name), f) && !strcmp(name, "io0\n"))
            nice = getpriority(PRIO_PROCESS, (id_t)atoi(e->d_name));
        if (f)
            fclose(f);
    }
    closedir(tasks);
    return nice;
}

TEST(a_thread_that_sleeps_stands_above_programs_and_one_that_polls_does_not)
{
    static const char *const polls[][3] = { { "-x-poll", "20", NULL }, { "-x-poll", "0", NULL } };
    struct guest_blk_config c = { .depth = 8, .pages = 16, .memory = MEMORY };
    int above = setpriority(PRIO_PROCESS, 0, -10) == 0 ? -10 : 0; /* who may not has no such threads */
    struct guest_blk b;
    struct dm dm;

    setpriority(PRIO_PROCESS, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        words = polls[i];
        open_pc(&dm, &b, OURS, false);
        words = NULL;
        CHECK(guest_blk_connect(&b, &c));
        random_load(&b, 8); /* it runs by then */
        CHECK_EQ(nice_of_io0(dm.pid), i ? above : 0);
        CHECK(guest_blk_disconnect(&b));
        close_pc(&dm);
    }
}

TEST(a_process_for_backends_alone_serves_it_too)
{
    struct guest_blk_config c = { .depth = 8, .pages = 16, .queues = 2, .memory = MEMORY };
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, BACKENDS, false);
    CHECK(guest_blk_connect(&b, &c));
    random_load(&b, 40);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(the_frontend_is_right_by_stock_qemu_too)
{
    load_with(STOCK, (struct guest_blk_config){ .depth = 8, .pages = 11, .name_order = true,
                                               .order = 1 });
}
