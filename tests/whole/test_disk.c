/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IDE disk by bus master DMA, against the file behind it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/whole/run.h"

#define SECTOR 512
#define DISK_BYTES (64l << 20)
#define END_MS 1000
#define IDE_FUNCTION (1 << 3 | 1)
#define IDE 0x1f0
#define READ_DMA_EXT 0x25
#define WRITE_DMA_EXT 0x35
#define FLUSH_CACHE_EXT 0xea

#define BM_COMMAND 0
#define BM_STATUS 2
#define BM_TABLE 4
#define BM_START 1
#define BM_TO_MEMORY 8
#define BM_INTERRUPT 4
#define BM_ERROR 2

#define TABLE 0x8000
#define BUFFER 0x100000
#define MOST (64 * 1024)

struct pc {
    struct dm dm;
    uint16_t bm;
    int disk;
};

static void open_pc(struct pc *pc)
{
    struct dm_config config = { .vcpus = 1 };
    char path[] = "/dev/shm/simxen-disk-XXXXXX";

    pc->disk = mkstemp(path);
    CHECK(pc->disk >= 0);
    CHECK_EQ(ftruncate(pc->disk, DISK_BYTES), 0);
    config.disk = path;
    dm_open(&pc->dm, &config);
    unlink(path);
    guest_pci_setup();
    guest_config_write(0, IDE_FUNCTION, 4, 2, 5); /* ports and bus master */
    pc->bm = (uint16_t)guest_bar(IDE_FUNCTION, 4);
}

static void close_pc(struct pc *pc)
{
    CHECK_EQ(dm_close(&pc->dm, SIGTERM, END_MS), 0);
    close(pc->disk);
}

static void command(uint8_t code, uint64_t lba, unsigned sectors)
{
    guest_out(0, IDE + 6, 1, 0xe0);
    guest_out(0, IDE + 2, 1, sectors >> 8);
    guest_out(0, IDE + 3, 1, lba >> 24 & 0xff);
    guest_out(0, IDE + 4, 1, lba >> 32 & 0xff);
    guest_out(0, IDE + 5, 1, lba >> 40 & 0xff);
    guest_out(0, IDE + 2, 1, sectors & 0xff);
    guest_out(0, IDE + 3, 1, lba & 0xff);
    guest_out(0, IDE + 4, 1, lba >> 8 & 0xff);
    guest_out(0, IDE + 5, 1, lba >> 16 & 0xff);
    guest_out(0, IDE + 7, 1, code);
}

/* Two regions, so that the table has more than one line. */
static void dma(struct pc *pc, uint8_t code, uint64_t lba, unsigned bytes)
{
    uint32_t *table = (uint32_t *)(void *)guest_page(TABLE);
    unsigned half = bytes / 2, tries = 0;

    table[0] = BUFFER;
    table[1] = half & 0xffff;
    table[2] = BUFFER + half;
    table[3] = (half & 0xffff) | 0x80000000u;
    guest_out(0, pc->bm + BM_TABLE, 4, TABLE);
    guest_out(0, pc->bm + BM_STATUS, 1, BM_INTERRUPT | BM_ERROR);
    command(code, lba, bytes / SECTOR);
    guest_out(0, pc->bm + BM_COMMAND, 1, BM_START | (code == READ_DMA_EXT ? BM_TO_MEMORY : 0));
    while (!(guest_in(0, pc->bm + BM_STATUS, 1) & BM_INTERRUPT))
        CHECK(tries++ < 1000000);
    CHECK_EQ(guest_in(0, pc->bm + BM_STATUS, 1) & BM_ERROR, 0);
    CHECK_EQ(guest_in(0, IDE + 7, 1) & 0x89, 0);
    guest_out(0, pc->bm + BM_COMMAND, 1, 0);
}

static void fill(uint8_t *bytes, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = (uint8_t)(seed >> 16);
    }
}

TEST(dma_reads_what_the_file_has)
{
    static uint8_t want[MOST];
    struct pc pc;

    open_pc(&pc);
    for (unsigned i = 0; i < 8; i++) {
        fill(want, sizeof(want), i);
        CHECK_EQ(pwrite(pc.disk, want, sizeof(want), i * 5000l * SECTOR), sizeof(want));
        dma(&pc, READ_DMA_EXT, i * 5000, MOST);
        for (unsigned at = 0; at < MOST; at += SIMXEN_PAGE)
            CHECK_MEM(guest_page(BUFFER + at), want + at, SIMXEN_PAGE);
        CHECK_EQ(simxen()->seen.isa_level[14], 0); /* reading the status has lowered it */
    }
    CHECK_EQ(simxen()->seen.isa_changes[14] >= 16, 1);
    close_pc(&pc);
}

TEST(dma_writes_are_in_the_file_after_a_flush)
{
    static uint8_t want[MOST], got[MOST];
    unsigned tries = 0;
    struct pc pc;

    open_pc(&pc);
    fill(want, sizeof(want), 99);
    for (unsigned at = 0; at < MOST; at += SIMXEN_PAGE)
        memcpy(guest_page(BUFFER + at), want + at, SIMXEN_PAGE);
    dma(&pc, WRITE_DMA_EXT, 7777, MOST);
    command(FLUSH_CACHE_EXT, 0, 0);
    while (guest_in(0, IDE + 7, 1) & 0x80)
        CHECK(tries++ < 1000000);
    CHECK_EQ(pread(pc.disk, got, sizeof(got), 7777l * SECTOR), sizeof(got));
    CHECK_MEM(got, want, sizeof(want));
    close_pc(&pc);
}

/* With an error or without: what matters is that it ends. */
TEST(dma_into_a_hole_ends_and_leaves_it_standing)
{
    uint32_t *table;
    unsigned tries = 0;
    struct pc pc;

    open_pc(&pc);
    table = (uint32_t *)(void *)guest_page(TABLE);
    table[0] = 0x80000000u;
    table[1] = 0x80000000u | SECTOR;
    guest_out(0, pc.bm + BM_TABLE, 4, TABLE);
    command(READ_DMA_EXT, 0, 1);
    guest_out(0, pc.bm + BM_COMMAND, 1, BM_START | BM_TO_MEMORY);
    while (guest_in(0, IDE + 7, 1) & 0x80)
        CHECK(tries++ < 1000000);
    guest_out(0, pc.bm + BM_COMMAND, 1, 0);
    dma(&pc, READ_DMA_EXT, 0, MOST);
    close_pc(&pc);
}

/* Not judged: printed. */
TEST(dma_speed)
{
    uint64_t start;
    struct pc pc;

    open_pc(&pc);
    start = now_ns();
    for (unsigned i = 0; i < 500; i++)
        dma(&pc, READ_DMA_EXT, i * 128, MOST);
    printf("64 KiB reads: %.0f MB/s\n", 500.0 * MOST * 1e3 / (double)(now_ns() - start));
    start = now_ns();
    for (unsigned i = 0; i < 2000; i++)
        dma(&pc, READ_DMA_EXT, i * 8, 4096);
    printf("4 KiB reads: %.0f a second\n", 2000 * 1e9 / (double)(now_ns() - start));
    close_pc(&pc);
}
