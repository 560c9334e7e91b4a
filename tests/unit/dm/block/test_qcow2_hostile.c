/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2 images that lie: refused with a sentence, or found out when it matters. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/kit/check.h"
#include "tests/kit/image.h"

static void poke(const char *name, uint64_t at, unsigned bytes, uint64_t value)
{
    char path[200];
    uint8_t b[8];
    int fd;

    put_be64(b, value);
    image_path(path, sizeof(path), name);
    fd = open(path, O_RDWR);
    CHECK(pwrite(fd, b + 8 - bytes, bytes, (off_t)at) == (ssize_t)bytes);
    close(fd);
}

static uint64_t peek(const char *name, uint64_t at)
{
    char path[200];
    uint8_t b[8];
    int fd;

    image_path(path, sizeof(path), name);
    fd = open(path, O_RDONLY);
    CHECK(pread(fd, b, 8, (off_t)at) == 8);
    close(fd);
    return get_be64(b);
}

TEST(headers_that_lie_are_refused_with_a_sentence)
{
    static const struct lie {
        unsigned at, bytes;
        uint64_t value;
        int rc;
        const char *says;
    } lies[] = {
        { 0, 4, 0x12345678, -EINVAL, "no qcow2 image" },
        { 4, 4, 4, -ENOTSUP, "version 4" },
        { 4, 4, 1, -ENOTSUP, "version 1" },
        { 8, 8, 1 << 20, -EINVAL, "name of its backing file" },
        { 20, 4, 8, -EINVAL, "clusters are not" },
        { 20, 4, 22, -EINVAL, "clusters are not" },
        { 20, 4, 0xffffffff, -EINVAL, "clusters are not" },
        { 24, 8, 0, -EINVAL, "its size" },
        { 24, 8, UINT64_MAX, -EINVAL, "its size" },
        { 24, 8, 1ull << 50, -EINVAL, "L1 table is too small" },
        { 32, 4, 1, -ENOTSUP, "encrypted" },
        { 32, 4, 2, -ENOTSUP, "encrypted" },
        { 36, 4, 0, -EINVAL, "L1 table is too small" },
        { 36, 4, 0x7fffffff, -EINVAL, "larger than 32 MiB" },
        { 40, 8, 0x30001, -EINVAL, "L1 table lies outside" },
        { 40, 8, 1ull << 40, -EINVAL, "L1 table lies outside" },
        { 40, 8, 0, -EINVAL, "L1 table lies outside" },
        { 40, 8, 0x10000, -EINVAL, "overlap" },
        { 48, 8, 0x10200, -EINVAL, "refcount table lies outside" },
        { 48, 8, UINT64_MAX - 0xffff, -EINVAL, "refcount table lies outside" },
        { 56, 4, 0, -EINVAL, "refcount table is empty" },
        { 56, 4, 0xffffffff, -EINVAL, "larger than 8 MiB" },
        { 60, 4, 70000, -EINVAL, "snapshots" },
        { 60, 4, 1, -EINVAL, "snapshots" },
        { 72, 8, 4, -ENOTSUP, "external data file" },
        { 72, 8, 16, -ENOTSUP, "extended L2" },
        { 72, 8, 1ull << 40, -ENOTSUP, "feature bit 40" },
        { 72, 8, 2, -EUCLEAN, "marked as corrupt" },
        { 72, 8, 8, -EINVAL, "compression type" },
        { 96, 4, 7, -EINVAL, "wider than 64" },
        { 100, 4, 0xfffffff8, -EINVAL, "length of its header" },
        { 104, 1, 9, -ENOTSUP, "compression type 9" },
        { 0x10000, 8, 0x40000001, -EINVAL, "refcount block lies outside" },
        { 0x10000, 8, 0x10000, -EINVAL, "refcount block lies outside" },
        { 0x30000, 8, 1ull << 63 | 1ull << 45, -EINVAL, "L2 table lies outside" },
        { 0x30000, 8, 1ull << 63 | 0x20000, -EINVAL, "on another table" },
    };
    char says[512];

    for (const struct lie *l = lies; l < lies + ARRAY_SIZE(lies); l++) {
        image_run("qemu-img create -q -f qcow2 h.qcow2 64M");
        poke("h.qcow2", l->at, l->bytes, l->value);
        CHECK_EQ(image_try("h.qcow2", "qcow2", false, says, sizeof(says)), l->rc);
        if (!strstr(says, l->says))
            CHECK_STR(says, l->says);
        CHECK(strstr(says, "h.qcow2") != NULL);
    }
    CHECK_EQ(image_try("h.qcow2", "raw", false, NULL, 0), 0);
}

TEST(a_corrupt_image_may_be_read)
{
    image_run("qemu-img create -q -f qcow2 h.qcow2 64M");
    poke("h.qcow2", 72, 8, 2);
    CHECK_EQ(image_try("h.qcow2", "qcow2", true, NULL, 0), 0);
}

TEST(chains_of_backing_files_are_judged)
{
    char says[512];

    image_run("qemu-img create -q -f qcow2 b1.qcow2 1M");
    image_run("qemu-img create -q -f qcow2 -F qcow2 -b b1.qcow2 b2.qcow2");
    image_run("qemu-img rebase -u -F qcow2 -b b2.qcow2 b1.qcow2");
    CHECK_EQ(image_try("b2.qcow2", "qcow2", false, says, sizeof(says)), -ELOOP);
    CHECK(strstr(says, "its own backing file") != NULL);
    image_run("qemu-img create -q -f qcow2 -u -b gone.img -F raw b3.qcow2 1M");
    CHECK_EQ(image_try("b3.qcow2", "qcow2", false, says, sizeof(says)), -ENOENT);
    CHECK(strstr(says, "gone.img") != NULL);
    image_run("qemu-img create -q -f qcow2 -u -b nbd://host/x -F raw b3.qcow2 1M");
    CHECK_EQ(image_try("b3.qcow2", "qcow2", false, says, sizeof(says)), -ENOTSUP);
    image_run("qemu-img create -q -f qcow2 -u -b x -F vmdk b3.qcow2 1M");
    CHECK_EQ(image_try("b3.qcow2", "qcow2", false, says, sizeof(says)), -ENOTSUP);
    CHECK(strstr(says, "vmdk") != NULL);
    /* a format is never guessed */
    image_run("qemu-img create -q -f raw b.raw 1M");
    image_run("qemu-img create -q -f qcow2 -F raw -b b.raw b4.qcow2");
    for (uint64_t at = 104; at < 512; at += 8)
        if (peek("b4.qcow2", at) >> 32 == 0xe2792aca)
            poke("b4.qcow2", at, 4, 0x11111111);
    CHECK_EQ(image_try("b4.qcow2", "qcow2", false, says, sizeof(says)), -EINVAL);
    CHECK(strstr(says, "never guessed") != NULL);
    /* deep, but not endless */
    image_run("qemu-img create -q -f qcow2 d0.qcow2 1M");
    for (unsigned i = 1; i < 34; i++)
        image_run("qemu-img create -q -f qcow2 -u -F qcow2 -b d%u.qcow2 d%u.qcow2 1M", i - 1, i);
    CHECK_EQ(image_try("d31.qcow2", "qcow2", false, NULL, 0), 0);
    CHECK_EQ(image_try("d32.qcow2", "qcow2", false, says, sizeof(says)), -ELOOP);
}

/* An L2 entry that lies: the request fails, the image is marked, and nothing is written any more. */
TEST(tables_that_lie_are_found_out_and_the_image_is_marked)
{
    static const uint64_t entries[] = {
        1ull << 63 | 1ull << 40,  /* past the end */
        1ull << 63 | 0x10000,     /* on the refcount table */
        1ull << 63 | 0x30000,     /* on the L1 table */
        1ull << 63 | 0x40000,     /* on itself */
        1ull << 63 | 0x50200,     /* at no cluster */
        1ull << 63 | 1ull << 62 | 0x50000, /* compressed, and not shared */
        1ull << 62 | 1ull << 50,  /* compressed, far away */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
        struct image_bench b;
        uint8_t data[4096] = { 1 };

        image_run("qemu-img create -q -f qcow2 t.qcow2 64M");
        image_run("qemu-io -f qcow2 -c 'write -P 7 0 128k' t.qcow2 >/dev/null");
        CHECK_EQ(peek("t.qcow2", 0x30000), 1ull << 63 | 0x40000);
        poke("t.qcow2", 0x40000, 8, entries[i]);
        image_open_bench(&b, "t.qcow2", (struct disk_config){ .format = "qcow2" });
        CHECK_EQ(image_do(&b, DISK_READ, 65536, data, 4096), 0);
        CHECK_EQ(data[9], 7);
        CHECK_EQ(image_do(&b, DISK_WRITE, 0, data, 4096), -EIO);
        CHECK_EQ(image_do(&b, DISK_WRITE, 65536, data, 4096), -EIO);
        CHECK_EQ(image_do(&b, DISK_READ, 65536, data, 4096), 0);
        image_close_bench(&b);
        CHECK_EQ(peek("t.qcow2", 72) & 2, 2);
        CHECK_EQ(image_try("t.qcow2", "qcow2", false, NULL, 0), -EUCLEAN);
    }
}

TEST(refcounts_of_an_image_that_was_not_closed_are_rebuilt)
{
    struct image_bench b;
    uint8_t data[512] = { 5 };

    image_fill("d.raw", 4 * MIB, 9);
    for (unsigned bits = 9; bits <= 16; bits += 7) {
        image_run("qemu-img convert -f raw -O qcow2 -o lazy_refcounts=on,cluster_size=%u d.raw z.qcow2",
                  1u << bits);
        poke("z.qcow2", 72, 8, 1);
        /* all refcounts of the first block are lost */
        for (unsigned i = 0; i < 64; i++)
            poke("z.qcow2", (peek("z.qcow2", peek("z.qcow2", 48)) & ~511ull) + i * 8, 8, 0);
        CHECK(image_status("qemu-img check -q -f qcow2 z.qcow2 >/dev/null 2>&1") != 0);
        image_open_bench(&b, "z.qcow2", (struct disk_config){ .format = "qcow2" });
        CHECK_EQ(image_do(&b, DISK_WRITE, 3 * MIB, data, 512), 0);
        image_close_bench(&b);
        image_run("qemu-img check -q z.qcow2");
        CHECK_EQ(peek("z.qcow2", 72), 0);
    }
}

TEST(refcounts_that_call_a_table_free_do_not_get_it_overwritten)
{
    struct image_bench b;
    uint8_t data[512] = { 5 };

    image_run("qemu-img create -q -f qcow2 f.qcow2 64M");
    for (unsigned i = 0; i < 4; i++)
        poke("f.qcow2", 0x20000 + i * 8, 8, 0);
    image_open_bench(&b, "f.qcow2", (struct disk_config){ .format = "qcow2" });
    CHECK_EQ(image_do(&b, DISK_WRITE, 0, data, 512), -EIO);
    image_close_bench(&b);
    CHECK_EQ(peek("f.qcow2", 0) >> 32, 0x514649fb);
    CHECK_EQ(peek("f.qcow2", 72) & 2, 2);
}

TEST(an_l1_entry_of_nothing_but_flags_is_no_table_and_no_endless_wait)
{
    struct image_bench b;
    uint8_t data[512] = { 5 };

    image_run("qemu-img create -q -f qcow2 e.qcow2 64M");
    poke("e.qcow2", 0x30000, 8, 1ull << 63 | 0x105);
    image_open_bench(&b, "e.qcow2", (struct disk_config){ .format = "qcow2" });
    CHECK_EQ(image_do(&b, DISK_WRITE, 0, data, 512), 0);
    image_close_bench(&b);
    image_run("qemu-img check -q e.qcow2");
}
