/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IDE disk by bus master DMA, against the file behind it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/guest/ide.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/whole/run.h"

#define SECTOR 512
#define DISK_BYTES (64l << 20)
#define END_MS 30000
#define TABLE 0x8000
#define BUFFER 0x100000
#define MOST (64 * 1024)

struct pc {
    struct dm dm;
    struct guest_ide ide;
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
    guest_ide_open(&pc->ide, 0, 0, TABLE);
}

static void close_pc(struct pc *pc)
{
    CHECK_EQ(dm_close(&pc->dm, SIGTERM, END_MS), 0);
    close(pc->disk);
}

static void dma(struct pc *pc, uint8_t code, uint64_t lba, unsigned bytes)
{
    CHECK_EQ(guest_ide_dma(&pc->ide, code, code == GUEST_READ_DMA_EXT, lba,
                           (uint16_t)(bytes / SECTOR), BUFFER) &
                 0x89,
             0);
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
        dma(&pc, GUEST_READ_DMA_EXT, i * 5000, MOST);
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
    struct pc pc;

    open_pc(&pc);
    fill(want, sizeof(want), 99);
    for (unsigned at = 0; at < MOST; at += SIMXEN_PAGE)
        memcpy(guest_page(BUFFER + at), want + at, SIMXEN_PAGE);
    dma(&pc, GUEST_WRITE_DMA_EXT, 7777, MOST);
    CHECK_EQ(guest_ide_flush(&pc.ide) & 0x89, 0);
    CHECK_EQ(pread(pc.disk, got, sizeof(got), 7777l * SECTOR), sizeof(got));
    CHECK_MEM(got, want, sizeof(want));
    close_pc(&pc);
}

/* With an error or without: what matters is that it ends. */
TEST(dma_into_a_hole_ends_and_leaves_it_standing)
{
    struct pc pc;

    open_pc(&pc);
    guest_ide_dma(&pc.ide, GUEST_READ_DMA_EXT, true, 0, 1, 0x80000000);
    dma(&pc, GUEST_READ_DMA_EXT, 0, MOST);
    close_pc(&pc);
}

TEST(pio_writes_and_reads_blocks_through_the_data_port)
{
    static uint8_t want[8 * SECTOR], got[8 * SECTOR];
    struct pc pc;

    open_pc(&pc);
    fill(want, sizeof(want), 5);
    guest_write(BUFFER, want, sizeof(want));
    CHECK_EQ(guest_ide_pio_out(&pc.ide, GUEST_WRITE_EXT, 100, 8, BUFFER) & 0x89, 0);
    CHECK_EQ(guest_ide_pio_in(&pc.ide, GUEST_READ_EXT, 100, 8, 2 * BUFFER) & 0x89, 0);
    guest_read(2 * BUFFER, got, sizeof(got));
    CHECK_MEM(got, want, sizeof(want));
    CHECK_EQ(pread(pc.disk, got, sizeof(got), 100 * SECTOR), sizeof(got));
    CHECK_MEM(got, want, sizeof(want));
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
        dma(&pc, GUEST_READ_DMA_EXT, i * 128, MOST);
    printf("64 KiB reads: %.0f MB/s\n", 500.0 * MOST * 1e3 / (double)(now_ns() - start));
    start = now_ns();
    for (unsigned i = 0; i < 2000; i++)
        dma(&pc, GUEST_READ_DMA_EXT, i * 8, 4096);
    printf("4 KiB reads: %.0f a second\n", 2000 * 1e9 / (double)(now_ns() - start));
    close_pc(&pc);
}
