/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors that point at device registers, with every device that does DMA in one machine
 * (CVE-2021-3929, CVE-2021-3416, CVE-2023-3019 and their like: a device re-entered by a transfer).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "devices/catalogue.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/block/drive.h"
#include "tests/kit/check.h"
#include "tests/kit/net.h"
#include "tests/kit/pc.h"

#define E1000 0xe0000000u
#define RTL_MMIO 0xe2000000u
#define BM 0xc000u
#define UHCI 0xc100u
#define RTL 0xc200u
#define RAM_RING 0x10000u

static const uint32_t targets[] = { E1000, E1000 + 0x3800, E1000 + 0x3818, RTL_MMIO, RTL_MMIO + 0x20 };

struct bench {
    struct pc pc;
    struct net nets[2];
    struct drive *drive;
    char path[40];
    unsigned ours; /* MMIO accesses that we made */
};

static void open_disk(struct bench *b)
{
    struct disk_config image = { .path = b->path };
    struct drive_config config = { .id = "hd" };
    struct error err = { "" };
    int fd;

    strcpy(b->path, "/tmp/xen-dm-dma-XXXXXX");
    fd = mkstemp(b->path);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, 64 * KIB), 0);
    close(fd);
    CHECK_EQ(disk_open(&config.disk, &image, &err), 0);
    CHECK_EQ(drive_open(&b->drive, &config, &err), 0);
    pc_give(&b->pc, "drive", "hd", b->drive);
}

static void place(struct bench *b, unsigned devfn, unsigned bar, uint32_t at)
{
    pc_config_write(&b->pc, devfn, 0x10 + 4 * bar, 4, at);
    pc_config_write(&b->pc, devfn, 4, 2, 7);
}

static void open_bench(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    pc_open(&b->pc);
    open_disk(b);
    for (unsigned i = 0; i < 2; i++) {
        static const char *const ids[] = { "n0", "n1" };

        net_open(&b->nets[i], ids[i], false);
        pc_give(&b->pc, "netport", ids[i], b->nets[i].port);
    }
    pc_plug(&b->pc, catalogue_find("piix3-ide"), "drive0=hd");
    pc_plug(&b->pc, catalogue_find("piix3-usb-uhci"), "");
    pc_plug(&b->pc, catalogue_find("e1000"), "netdev=n0");
    pc_plug(&b->pc, catalogue_find("rtl8139"), "netdev=n1,addr=05.0");
    pc_config_write(&b->pc, 0x09, 0x40, 4, 0x80008000);
    place(b, 0x09, 4, BM);
    place(b, 0x0a, 4, UHCI);
    place(b, 0x20, 0, E1000);
    place(b, 0x28, 0, RTL);
    place(b, 0x28, 1, RTL_MMIO);
}

static void close_bench(struct bench *b)
{
    pc_close(&b->pc);
    drive_close(b->drive);
    unlink(b->path);
    net_close(&b->nets[0]);
    net_close(&b->nets[1]);
}

static void wr(struct bench *b, uint32_t at, uint32_t value)
{
    pc_mmio_write(&b->pc, at, 4, value);
    b->ours++;
}

static void count(void *arg, const struct region_info *info)
{
    *(uint64_t *)arg += info->reads + info->writes;
}

/* Nothing but our own accesses has reached a register in memory. */
static void check_untouched(struct bench *b)
{
    uint64_t seen = 0;

    pc_crank(&b->pc, 20 * NS_PER_MS);
    space_walk(b->pc.board.mmio, count, &seen);
    CHECK_EQ(seen, b->ours);
}

static void put_words(struct bench *b, uint64_t at, const uint32_t *words, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t bytes[4];

        put_le32(bytes, words[i]);
        pc_poke(&b->pc, at + 4 * i, bytes, 4);
    }
}

static bool disk_done(void *arg)
{
    return !(pc_in8(arg, 0x1f7) & 0x80);
}

static void ide_run(struct bench *b, uint32_t table, uint8_t command, uint8_t direction)
{
    pc_out32(&b->pc, BM + 4, table);
    pc_out8(&b->pc, BM + 2, 0x06);
    pc_out8(&b->pc, 0x1f6, 0xe0);
    pc_out8(&b->pc, 0x1f2, 8);
    pc_out8(&b->pc, 0x1f3, 0);
    pc_out8(&b->pc, 0x1f4, 0);
    pc_out8(&b->pc, 0x1f5, 0);
    pc_out8(&b->pc, 0x1f7, command);
    pc_out8(&b->pc, BM, direction | 1);
    CHECK(pc_wait(&b->pc, disk_done, &b->pc));
    pc_out8(&b->pc, BM, 0);
    check_untouched(b);
}

TEST(cve_2021_3929_a_disk_reaches_no_registers)
{
    for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
        const uint32_t prd[] = { targets[i], 0x80001000 };
        struct bench b;

        open_bench(&b);
        put_words(&b, RAM_RING, prd, 2);
        ide_run(&b, RAM_RING, 0xc8, 8);
        ide_run(&b, RAM_RING, 0xca, 0);
        pc_out8(&b.pc, 0x3f6, 4); /* what waits for a table is reset away */
        pc_out8(&b.pc, 0x3f6, 0);
        pc_crank(&b.pc, 100 * NS_PER_MS);
        check_untouched(&b);
        close_bench(&b);
    }
}

TEST(cve_2021_3416_network_cards_reach_no_registers_sending_receiving_or_in_loopback)
{
    static const uint8_t frame[200] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    for (unsigned i = 0; i < 3 * ARRAY_SIZE(targets); i++) {
        uint32_t target = targets[i / 3], ring = i % 3 == 1 ? target & ~0xfu : RAM_RING;
        bool loopback = i % 3 == 2;
        const uint32_t e1000_tx[] = { target, 0, 0x09000040, 0 }, e1000_rx[] = { target, 0, 0, 0 };
        const uint32_t rtl_tx[] = { 0xf0000040, 0, target, 0 };
        const uint32_t rtl_rx[] = { 0xc0000600, 0, target, 0 };
        struct bench b;

        open_bench(&b);
        put_words(&b, RAM_RING, e1000_tx, 4);
        put_words(&b, RAM_RING + 0x1000, e1000_rx, 4);
        put_words(&b, RAM_RING + 0x2000, rtl_tx, 4);
        put_words(&b, RAM_RING + 0x3000, rtl_rx, 4);
        wr(&b, E1000 + 0x3800, ring);
        wr(&b, E1000 + 0x3808, 128);
        wr(&b, E1000 + 0x2800, ring == RAM_RING ? RAM_RING + 0x1000 : ring);
        wr(&b, E1000 + 0x2808, 128);
        wr(&b, E1000 + 0x2818, 1);
        wr(&b, E1000 + 0x0100, 0x0000801e | (loopback ? 0xc0 : 0));
        wr(&b, E1000 + 0x0400, 0x0000000a);
        wr(&b, E1000 + 0x3818, 1);
        pc_out8(&b.pc, RTL + 0x37, 0x0c);
        pc_out16(&b.pc, RTL + 0xe0, 0x03);
        pc_out32(&b.pc, RTL + 0x40, loopback ? 0x00060000 : 0);
        pc_out32(&b.pc, RTL + 0x44, 0x0f);
        pc_out32(&b.pc, RTL + 0x20, ring == RAM_RING ? RAM_RING + 0x2000 : ring & ~0xffu);
        pc_out32(&b.pc, RTL + 0xe4, ring == RAM_RING ? RAM_RING + 0x3000 : ring & ~0xffu);
        pc_out8(&b.pc, RTL + 0xd9, 0x40);
        check_untouched(&b);
        net_deliver(&b.nets[0], frame, sizeof(frame), NULL);
        net_deliver(&b.nets[1], frame, sizeof(frame), NULL);
        check_untouched(&b);
        close_bench(&b);
    }
}

TEST(cve_2021_3929_a_usb_schedule_reaches_no_registers)
{
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(targets); i++) {
        uint32_t target = targets[i / 2] & ~0xfu;
        const uint32_t td[] = { 1, 0x00800000, 0x00e00069, target }, first[] = { RAM_RING + 0x2000 };
        struct bench b;

        open_bench(&b);
        put_words(&b, RAM_RING, i & 1 ? first : &target, 1);
        put_words(&b, RAM_RING + 0x2000, td, 4);
        pc_out32(&b.pc, UHCI + 8, RAM_RING);
        pc_out16(&b.pc, UHCI, 1);
        check_untouched(&b);
        pc_out32(&b.pc, UHCI + 8, target & ~0xfffu); /* the frame list itself */
        check_untouched(&b);
        close_bench(&b);
    }
}
