/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD images, with qemu-img as the judge; of differencing disks, which it does not make, we are. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/kit/check.h"
#include "tests/kit/image.h"

static void ride(const char *name, const char *judge, struct image_ride ride)
{
    struct image_bench b;

    image_open_bench(&b, name, (struct disk_config){ .format = "vhd" });
    ride.model = image_bytes(b.disk);
    image_ride(b.disk, &ride);
    image_save_model("model.raw", ride.model, disk_bytes(b.disk));
    image_close_bench(&b);
    image_open_bench(&b, name, (struct disk_config){ .format = "vpc", .readonly = true });
    image_ride(b.disk, &(struct image_ride){ .seed = 5, .requests = 200, .depth = 8, .loops = 1,
                                             .longest = MIB, .only_reads = true,
                                             .model = ride.model });
    image_close_bench(&b);
    if (judge)
        image_run("qemu-img compare -q -f raw -F %s model.raw %s", judge, name);
    free(ride.model);
}

static const char *const kinds[] = {
    "subformat=fixed",
    "subformat=dynamic",
    "subformat=fixed,force_size=on",
    "subformat=dynamic,force_size=on",
};

TEST(what_others_wrote_is_read)
{
    image_fill("v.raw", 9 * MIB, 4);
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct image_bench b;
        uint8_t *bytes;

        image_run("qemu-img convert -f raw -O vpc -o %s v.raw v.vhd", kinds[i]);
        image_open_bench(&b, "v.vhd", (struct disk_config){ .format = "vhd", .readonly = true });
        bytes = image_bytes(b.disk);
        image_save_model("model.raw", bytes, disk_bytes(b.disk));
        CHECK(i < 2 ? disk_bytes(b.disk) >= 9 * MIB : disk_bytes(b.disk) == 9 * MIB);
        image_run("qemu-img convert -f vpc -O raw v.vhd theirs.raw && cmp theirs.raw model.raw");
        image_close_bench(&b);
        free(bytes);
    }
}

TEST(random_requests_to_fixed_and_dynamic_disks)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
        for (unsigned full = 0; full < 2; full++) {
            if (full)
                image_run("qemu-img convert -f raw -O vpc -o %s v.raw v.vhd", kinds[i]);
            else
                image_run("qemu-img create -q -f vpc -o %s v.vhd 17M", kinds[i]);
            ride("v.vhd", "vpc",
                 (struct image_ride){ .seed = i, .requests = 1500, .depth = 16, .loops = 1,
                                      .longest = 600 * KIB });
        }
}

TEST(several_loops_share_a_vhd)
{
    image_run("qemu-img create -q -f vpc w.vhd 16M");
    ride("w.vhd", "vpc",
         (struct image_ride){ .seed = 8, .requests = 2000, .depth = 8, .loops = 3, .longest = 4096 });
}

/* ---- Differencing disks ---- */

static void sign(uint8_t *p, size_t n, size_t at)
{
    uint32_t sum = 0;

    put_be32(p + at, 0);
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    put_be32(p + at, ~sum);
}

static int open_file(const char *name, int flags)
{
    char path[200];

    image_path(path, sizeof(path), name);
    return open(path, flags, 0600);
}

/* A child of `parent`, that names it by `locator` (NULL: by its name alone). */
static void make_child(const char *name, const char *parent, const char *locator, bool true_id)
{
    uint8_t footer[512], head[1024] = "cxsparse", table[4096], path[512] = { 0 };
    int fd = open_file(parent, O_RDONLY);

    CHECK(pread(fd, footer, 512, lseek(fd, 0, SEEK_END) - 512) == 512);
    close(fd);
    memset(head + 8, 0xff, 8);
    put_be64(head + 16, 2048);
    put_be32(head + 24, 0x10000);
    put_be32(head + 28, 1024);
    put_be32(head + 32, 128 << 10);
    memcpy(head + 40, footer + 68, 16);
    head[40] ^= !true_id;
    for (unsigned i = 0; parent[i]; i++)
        put_be16(head + 64 + 2 * i, (uint8_t)parent[i]);
    if (locator) {
        memcpy(head + 576, "W2ru", 4);
        put_be32(head + 580, 512);
        put_be32(head + 584, (uint32_t)strlen(locator) * 2);
        put_be64(head + 592, 1536);
        for (unsigned i = 0; locator[i]; i++)
            put_le16(path + 2 * i, (uint8_t)locator[i]);
    }
    sign(head, sizeof(head), 36);
    put_be64(footer + 16, 512);
    put_be32(footer + 60, 4);
    footer[68] ^= 0x55;
    sign(footer, sizeof(footer), 64);
    memset(table, 0xff, sizeof(table));
    fd = open_file(name, O_RDWR | O_CREAT | O_TRUNC);
    CHECK(pwrite(fd, footer, 512, 0) == 512 && pwrite(fd, head, 1024, 512) == 1024 &&
          pwrite(fd, path, 512, 1536) == 512 && pwrite(fd, table, 4096, 2048) == 4096 &&
          pwrite(fd, footer, 512, 6144) == 512);
    close(fd);
}

TEST(differencing_disks_show_their_parents_and_keep_what_is_written)
{
    image_fill("v.raw", 9 * MIB, 4);
    image_run("qemu-img convert -f raw -O vpc v.raw p.vhd && cp p.vhd p.before");
    make_child("c.vhd", "p.vhd", ".\\p.vhd", true);
    ride("c.vhd", NULL, (struct image_ride){ .seed = 1, .requests = 2000, .depth = 16, .loops = 1,
                                             .longest = 300 * KIB });
    make_child("c.vhd", "p.vhd", NULL, true);
    ride("c.vhd", NULL, (struct image_ride){ .seed = 2, .requests = 1500, .depth = 8, .loops = 2,
                                             .longest = 4 * KIB });
    make_child("cc.vhd", "c.vhd", NULL, true);
    ride("cc.vhd", NULL, (struct image_ride){ .seed = 3, .requests = 1500, .depth = 8, .loops = 1,
                                              .longest = 100 * KIB });
    image_run("cmp p.vhd p.before");
}

TEST(vhds_that_lie_are_refused_with_a_sentence)
{
    static const struct lie {
        unsigned at, bytes;
        uint64_t value;
        bool header; /* else the footer, both copies */
        const char *says;
    } lies[] = {
        { 0, 8, 1, false, "no footer" },         { 12, 4, 0x20000, false, "version" },
        { 60, 4, 5, false, "neither fixed" },    { 16, 8, 1ull << 40, false, "dynamic header lies" },
        { 16, 8, 3, false, "dynamic header lies" }, { 0, 8, 1, true, "dynamic header has" },
        { 32, 4, 513, true, "blocks are not" },  { 32, 4, 1u << 31, true, "blocks are not" },
        { 32, 4, 0, true, "blocks are not" },    { 28, 4, 1, true, "does not fit" },
        { 28, 4, UINT32_MAX, true, "does not fit" }, { 16, 8, 1ull << 50, true, "table of blocks lies" },
        { 16, 8, 512, true, "table of blocks lies" },
    };
    char says[512];

    for (const struct lie *l = lies; l < lies + ARRAY_SIZE(lies); l++) {
        uint8_t b[1024], value[8];
        int fd;

        image_run("qemu-img create -q -f vpc l.vhd 64M");
        fd = open_file("l.vhd", O_RDWR);
        put_be64(value, l->value);
        CHECK(pread(fd, b, 1024, l->header ? 512 : 0) == 1024);
        memcpy(b + l->at, value + 8 - l->bytes, l->bytes);
        sign(b, l->header ? 1024 : 512, l->header ? 36 : 64);
        CHECK(pwrite(fd, b, l->header ? 1024 : 512, l->header ? 512 : 0) > 0);
        if (!l->header)
            CHECK(pwrite(fd, b, 512, lseek(fd, 0, SEEK_END) - 512) == 512);
        close(fd);
        CHECK_EQ(image_try("l.vhd", "vhd", false, says, sizeof(says)), -EINVAL);
        if (!strstr(says, l->says))
            CHECK_STR(says, l->says);
    }
    image_run("qemu-img create -q -f vpc p.vhd 9M");
    make_child("c.vhd", "p.vhd", NULL, false);
    CHECK_EQ(image_try("c.vhd", "vhd", false, says, sizeof(says)), -EINVAL);
    CHECK(strstr(says, "another one by now") != NULL);
    make_child("c.vhd", "p.vhd", NULL, true);
    image_run("rm p.vhd");
    CHECK_EQ(image_try("c.vhd", "vhd", false, says, sizeof(says)), -ENOENT);
    CHECK(strstr(says, "p.vhd") != NULL);
}

TEST(blocks_that_lie_outside_fail_and_nothing_is_written_there)
{
    static const uint32_t places[] = { 0, 1, 3, 0x7fffffff, 0xfffffffe };

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        struct image_bench b;
        uint8_t data[512] = { 1 }, entry[4];
        int fd;

        image_run("qemu-img create -q -f vpc o.vhd 64M");
        put_be32(entry, places[i]);
        fd = open_file("o.vhd", O_RDWR);
        CHECK(pwrite(fd, entry, 4, 1536) == 4);
        close(fd);
        image_run("cp o.vhd o.before");
        image_open_bench(&b, "o.vhd", (struct disk_config){ .format = "vhd" });
        CHECK_EQ(image_do(&b, DISK_READ, 0, data, 512), -EIO);
        CHECK_EQ(image_do(&b, DISK_WRITE, 4 * MIB, data, 512), -EIO);
        image_close_bench(&b);
        image_run("cmp o.vhd o.before");
    }
}
