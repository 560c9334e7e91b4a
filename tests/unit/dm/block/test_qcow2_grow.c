/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2 images that become larger in use, with qemu-img as the judge; and what does not. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "tests/kit/check.h"
#include "tests/kit/image.h"

#define QCOW2 (struct disk_config){ .format = "qcow2", .discard = true }

struct answer {
    bool there, well;
    struct error err;
};

static void answered(void *arg, const struct error *err)
{
    struct answer *a = arg;

    a->there = true;
    a->well = !err;
    if (err)
        a->err = *err;
}

static struct answer grow(struct image_bench *b, uint64_t bytes)
{
    struct answer a = { .there = false };
    struct disk_later later = { .loop = b->loop, .done = answered, .arg = &a };
    struct error err;
    int rc = disk_resize(b->disk, bytes, &later, &err);

    if (rc != DISK_LATER)
        answered(&a, rc < 0 ? &err : NULL);
    for (int i = 0; i < 1000000 && !a.there; i++)
        if (!loop_step(b->loop))
            usleep(10);
    CHECK(a.there);
    return a;
}

static void grows_to(struct image_bench *b, uint64_t bytes)
{
    struct answer a = grow(b, bytes);

    if (!a.well)
        fail_msg("%s", a.err.text);
    CHECK_EQ(disk_bytes(b->disk), bytes);
}

static void refuses(struct image_bench *b, uint64_t bytes, const char *part)
{
    uint64_t before = disk_bytes(b->disk);
    struct answer a = grow(b, bytes);

    CHECK(!a.well);
    if (!strstr(a.err.text, part))
        fail_msg("\"%s\" does not say %s", a.err.text, part);
    CHECK_EQ(disk_bytes(b->disk), before);
}

/* What the image holds is the model, and all of it is in order. */
static void holds(struct image_bench *b, const uint8_t *model, const char *name)
{
    uint64_t bytes = disk_bytes(b->disk);

    image_save_model("model.raw", model, bytes);
    image_close_bench(b);
    image_run("qemu-img check -q %s", name);
    image_run("qemu-img compare -q -f raw -F qcow2 model.raw %s", name);
    image_open_bench(b, name, (struct disk_config){ .format = "qcow2", .readonly = true });
    CHECK_EQ(disk_bytes(b->disk), bytes);
    image_close_bench(b);
}

/* Clusters of 512 bytes have tables for 32 KiB: the L1 table moves each time, and refcounts grow. */
TEST(a_disk_grows_and_what_is_new_is_zeroes_that_can_be_written)
{
    static const unsigned sizes[] = { 9, 12, 16, 21 };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct image_ride ride = { .seed = i, .requests = 600, .depth = 16, .loops = 1,
                                   .longest = 100 * KIB };
        struct image_bench b;

        image_run("qemu-img create -q -f qcow2 -o cluster_size=%u g.qcow2 1537k", 1u << sizes[i]);
        image_open_bench(&b, "g.qcow2", QCOW2);
        ride.model = calloc(1, 9 * MIB);
        image_ride(b.disk, &ride);
        for (uint64_t bytes = 3 * MIB; bytes <= 9 * MIB; bytes += 3 * MIB - 512) {
            grows_to(&b, bytes);
            ride.seed += 100;
            image_ride(b.disk, &ride);
        }
        holds(&b, ride.model, "g.qcow2");
        free(ride.model);
    }
}

static void *ride_along(void *arg)
{
    struct image_bench *b = ((void **)arg)[0];

    image_ride(b->disk, ((void **)arg)[1]);
    return NULL;
}

TEST(a_disk_grows_under_requests_of_other_loops)
{
    struct image_ride ride = { .seed = 5, .requests = 3000, .depth = 8, .loops = 2, .longest = 4096,
                               .model = calloc(1, 6 * MIB) };
    struct image_bench b;
    pthread_t thread;

    image_run("qemu-img create -q -f qcow2 -o cluster_size=512 u.qcow2 1M");
    image_open_bench(&b, "u.qcow2", QCOW2);
    CHECK_EQ(pthread_create(&thread, NULL, ride_along, (void *[]){ &b, &ride }), 0);
    for (uint64_t bytes = MIB + 512; bytes <= 6 * MIB; bytes += 256 * KIB)
        grows_to(&b, bytes);
    pthread_join(thread, NULL);
    grows_to(&b, 6 * MIB);
    holds(&b, ride.model, "u.qcow2");
    free(ride.model);
}

TEST(a_disk_grows_past_its_backing_file_which_ends_where_it_did)
{
    struct image_bench b;
    uint8_t *model;

    image_fill("base.raw", 2 * MIB, 4);
    image_run("qemu-img create -q -f qcow2 -F raw -b base.raw b.qcow2");
    image_open_bench(&b, "b.qcow2", QCOW2);
    grows_to(&b, 3 * MIB);
    model = image_bytes(b.disk);
    image_save_model("model.raw", model, 3 * MIB);
    image_run("truncate -s 3M base.raw");
    image_run("cmp base.raw model.raw");
    image_run("truncate -s 2M base.raw");
    holds(&b, model, "b.qcow2");
    free(model);
}

/* Whoever made it smaller left its end in the last cluster. */
TEST(what_lay_in_the_last_cluster_past_the_end_is_not_seen)
{
    struct image_bench b;
    uint8_t *model;

    image_fill("tail.raw", 256 * KIB, 8);
    image_run("head -c 262144 /dev/urandom >tail.raw");
    image_run("qemu-img convert -f raw -O qcow2 tail.raw t.qcow2");
    image_run("qemu-img resize -q --shrink t.qcow2 133120");
    image_open_bench(&b, "t.qcow2", QCOW2);
    CHECK_EQ(disk_bytes(b.disk), 133120);
    grows_to(&b, 512 * KIB);
    model = image_bytes(b.disk);
    for (uint64_t at = 133120; at < 512 * KIB; at++)
        if (model[at])
            fail_msg("byte %llu is 0x%02x", (unsigned long long)at, model[at]);
    image_run("truncate -s 133120 tail.raw");
    image_save_model("model.raw", model, 133120);
    image_run("cmp tail.raw model.raw");
    holds(&b, model, "t.qcow2");
    free(model);
}

TEST(what_cannot_grow_says_why_and_stays_as_it_is)
{
    struct image_bench b;

    image_run("qemu-img create -q -f qcow2 -o cluster_size=512 n.qcow2 1M");
    image_open_bench(&b, "n.qcow2", QCOW2);
    refuses(&b, 512 * KIB, "does not shrink");
    refuses(&b, 2 * MIB + 1, "no multiple");
    refuses(&b, 1ull << 40, "cluster_size=2M");
    image_close_bench(&b);
    image_run("cp n.qcow2 before.qcow2");
    image_open_bench(&b, "n.qcow2", (struct disk_config){ .format = "qcow2", .readonly = true });
    refuses(&b, 2 * MIB, "may only be read");
    image_close_bench(&b);
    image_run("cmp n.qcow2 before.qcow2");

    image_run("qemu-img snapshot -c one n.qcow2");
    image_open_bench(&b, "n.qcow2", QCOW2);
    refuses(&b, 2 * MIB, "snapshots");
    image_close_bench(&b);

    image_run("truncate -s 4M large.raw");
    image_run("qemu-img create -q -f qcow2 -F raw -b large.raw small.qcow2 2M");
    image_open_bench(&b, "small.qcow2", QCOW2);
    refuses(&b, 3 * MIB, "backing file");
    image_close_bench(&b);

    image_run("qemu-img create -q -f vpc -o force_size=on v.vhd 4M");
    image_open_bench(&b, "v.vhd", (struct disk_config){ .format = "vhd" });
    refuses(&b, 8 * MIB, "does not change its size in use");
    image_close_bench(&b);
}
