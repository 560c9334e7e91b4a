/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2 images, with qemu-img as the judge. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/kit/check.h"
#include "tests/kit/image.h"

#define QCOW2 (struct disk_config){ .format = "qcow2", .discard = true }

/* What lies in the image is what lies in the raw file, and nothing is wrong with it. */
static void expect_same(const char *raw, const char *image)
{
    image_run("qemu-img check -q %s", image);
    image_run("qemu-img compare -q -f raw -F qcow2 %s %s", raw, image);
}

static void ride_image(const char *name, struct disk_config config, struct image_ride ride)
{
    struct image_bench b;

    image_open_bench(&b, name, config);
    ride.model = image_bytes(b.disk);
    image_ride(b.disk, &ride);
    image_save_model("model.raw", ride.model, disk_bytes(b.disk));
    image_close_bench(&b);
    expect_same("model.raw", name);
    free(ride.model);
}

TEST(images_of_all_cluster_sizes_are_read)
{
    image_fill("data.raw", 5 * MIB + 1536, 1);
    for (unsigned bits = 9; bits <= 21; bits++)
        for (unsigned compressed = 0; compressed < 3; compressed++) {
            static const char *const how[] = { "", "-c", "-c -o compression_type=zstd" };
            struct image_bench b;
            uint8_t *bytes;

            image_run("qemu-img convert -f raw -O qcow2 -o cluster_size=%u %s data.raw a.qcow2",
                      1u << bits, how[compressed]);
            image_open_bench(&b, "a.qcow2", (struct disk_config){ .format = "qcow2", .readonly = true });
            CHECK_STR(disk_format(b.disk), "qcow2");
            CHECK_EQ(disk_bytes(b.disk), 5 * MIB + 1536);
            bytes = image_bytes(b.disk);
            image_save_model("model.raw", bytes, disk_bytes(b.disk));
            image_run("cmp data.raw model.raw");
            image_ride(b.disk, &(struct image_ride){ .seed = bits, .requests = 300, .depth = 16,
                                                     .loops = 1, .longest = 256 * KIB,
                                                     .only_reads = true, .model = bytes });
            free(bytes);
            image_close_bench(&b);
        }
}

TEST(random_requests_to_every_cluster_size)
{
    for (unsigned bits = 9; bits <= 21; bits++)
        for (unsigned v = 2; v <= 3; v++) {
            image_run("qemu-img create -q -f qcow2 -o cluster_size=%u,compat=%s w.qcow2 9M", 1u << bits,
                      v == 2 ? "0.10" : "1.1");
            ride_image("w.qcow2", QCOW2,
                       (struct image_ride){ .seed = bits * 10 + v, .requests = 700, .depth = 16,
                                            .loops = 1, .longest = 512 * KIB });
        }
}

TEST(random_requests_with_refcounts_of_every_width)
{
    for (unsigned order = 0; order <= 6; order++) {
        image_run("qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=%u r.qcow2 6M",
                  1u << order);
        ride_image("r.qcow2", QCOW2,
                   (struct image_ride){ .seed = order, .requests = 1500, .depth = 12, .loops = 1,
                                        .longest = 128 * KIB });
    }
}

TEST(random_requests_over_backing_files_and_compressed_clusters)
{
    image_fill("base.raw", 3 * MIB + 512, 7);
    for (unsigned v = 2; v <= 3; v++)
        for (unsigned bits = 9; bits <= 16; bits += 7) {
            const char *compat = v == 2 ? "0.10" : "1.1";

            image_run("qemu-img convert -c -f raw -O qcow2 base.raw base.qcow2");
            image_run("qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 -o compat=%s mid.qcow2 5M",
                      compat);
            image_run("qemu-io -f qcow2 -c 'write -P 9 1M 700k' -c 'write -z 2M 200k' mid.qcow2 "
                      ">/dev/null");
            image_run("qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 -o "
                      "cluster_size=%u,compat=%s top.qcow2 6M",
                      1u << bits, compat);
            ride_image("top.qcow2", QCOW2,
                       (struct image_ride){ .seed = bits + v, .requests = 2000, .depth = 16,
                                            .loops = 1, .longest = 300 * KIB });
            image_run("qemu-img convert -c -f raw -O qcow2 -o cluster_size=%u,compat=%s base.raw "
                      "c.qcow2",
                      1u << bits, compat);
            ride_image("c.qcow2", QCOW2,
                       (struct image_ride){ .seed = bits + v, .requests = 2000, .depth = 16,
                                            .loops = 1, .longest = 300 * KIB });
        }
}

TEST(snapshots_keep_what_they_hold)
{
    image_fill("s.raw", 4 * MIB, 3);
    for (unsigned bits = 9; bits <= 16; bits += 7) {
        image_run("qemu-img convert -f raw -O qcow2 -o cluster_size=%u s.raw s.qcow2", 1u << bits);
        image_run("qemu-img snapshot -c one s.qcow2");
        ride_image("s.qcow2", QCOW2,
                   (struct image_ride){ .seed = bits, .requests = 1500, .depth = 16, .loops = 1,
                                        .longest = 200 * KIB });
        image_run("qemu-img snapshot -c two s.qcow2");
        ride_image("s.qcow2", QCOW2,
                   (struct image_ride){ .seed = bits + 1, .requests = 1500, .depth = 16, .loops = 1,
                                        .longest = 200 * KIB });
        image_run("qemu-img snapshot -a one s.qcow2");
        expect_same("s.raw", "s.qcow2");
    }
}

TEST(several_loops_share_an_image)
{
    for (unsigned bits = 12; bits <= 18; bits += 3) {
        image_fill("base.raw", 4 * MIB, bits);
        image_run("qemu-img create -q -f qcow2 -F raw -b base.raw -o cluster_size=%u l.qcow2 8M",
                  1u << bits);
        ride_image("l.qcow2",
                   (struct disk_config){ .format = "qcow2", .discard = true, .l2_cache = 4096 },
                   (struct image_ride){ .seed = bits, .requests = 2500, .depth = 8, .loops = 3,
                                        .longest = 4096 });
    }
}

TEST(every_cache_mode_and_queues_of_direct_io)
{
    static const struct disk_config configs[] = {
        { .format = "qcow2", .writethrough = true },
        { .format = "qcow2", .no_flush = true },
        { .format = "qcow2", .discard = true, .l2_cache = 64 << 10 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
        image_run("qemu-img create -q -f qcow2 -o cluster_size=4k m.qcow2 16M");
        ride_image("m.qcow2", configs[i],
                   (struct image_ride){ .seed = i, .requests = 800, .depth = 16, .loops = 1,
                                        .longest = 100 * KIB });
    }
}

static uint64_t taken(const char *name)
{
    char path[200];
    struct stat st;

    image_path(path, sizeof(path), name);
    CHECK_EQ(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* Whoever opened it did not say discard=unmap: it is asked for one by one. */
TEST(what_is_discarded_is_given_back_to_the_host_with_the_next_flush)
{
    struct image_bench b;
    uint8_t *bytes = malloc(8 * MIB);
    uint64_t before;

    memset(bytes, 7, 8 * MIB);
    image_fill("base.raw", 16 * MIB, 1);
    image_run("qemu-img create -q -f qcow2 -F raw -b base.raw d.qcow2");
    image_open_bench(&b, "d.qcow2", (struct disk_config){ .format = "qcow2" });
    CHECK_EQ(image_do(&b, DISK_WRITE, 0, bytes, 8 * MIB), 0);
    CHECK_EQ(image_do(&b, DISK_FLUSH, 0, NULL, 0), 0);
    before = taken("d.qcow2");
    CHECK_EQ(image_do(&b, DISK_DISCARD, 4 * MIB, NULL, 4 * MIB), 0);
    CHECK_EQ(image_do(&b, DISK_FLUSH, 0, NULL, 0), 0);
    CHECK_EQ(before - taken("d.qcow2"), 4 * MIB);
    CHECK_EQ(image_do(&b, DISK_READ, 4 * MIB, bytes, 4 * MIB), 0);
    for (unsigned i = 0; i < 4 * MIB; i++)
        CHECK_EQ(bytes[i], 0);
    image_close_bench(&b);
    image_run("qemu-img check -q d.qcow2");
    free(bytes);
}
